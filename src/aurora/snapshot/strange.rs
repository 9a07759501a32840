//! Fields that do not fit the model, counted by where they are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Different fields that are told apart; damage makes more of them than anybody reads.
const FIELDS_MAX: usize = 64;

/// How many fields of a kind, and where: `tasks/assignedTask/task/77` for field 77 of the configuration of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldCounts {
    /// All of them.
    pub total: u64,
    /// By place and id; the first 64 different ones, so the sum may be less than the total.
    pub by_place: BTreeMap<String, u64>,
}

impl FieldCounts {
    /// The places with their numbers, for a line of text.
    pub(super) fn words(&self) -> String {
        const NAMED: usize = 5;
        let mut words: Vec<String> =
            self.by_place.iter().take(NAMED).map(|(place, count)| format!("{place} ({count})")).collect();
        if self.by_place.len() > NAMED {
            words.push("…".to_owned());
        }
        words.join(", ")
    }
}

impl From<Counts> for FieldCounts {
    fn from(counts: Counts) -> Self {
        let by_place = counts.fields.into_iter().map(|(place, id, count)| (format!("{}/{id}", place.path()), count));
        Self { total: counts.total, by_place: by_place.collect() }
    }
}

/// A struct of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Host,
    Task,
    AssignedTask,
    TaskConfig,
    TaskEvent,
    JobKey,
    Identity,
    Resource,
    ExecutorConfig,
    Label,
    CronJob,
    JobConfiguration,
    CronTaskConfig,
    Metadata,
    Quota,
    QuotaAmounts,
    JobUpdate,
    JobUpdateDetails,
    JobUpdateSummary,
    MaintenanceRequest,
}

impl Place {
    const fn path(self) -> &'static str {
        match self {
            Self::Host => "hostAttributes",
            Self::Task => "tasks",
            Self::AssignedTask => "tasks/assignedTask",
            Self::TaskConfig => "tasks/assignedTask/task",
            Self::TaskEvent => "tasks/taskEvents",
            Self::JobKey => "tasks/assignedTask/task/job",
            Self::Identity => "tasks/assignedTask/task/owner",
            Self::Resource => "tasks/assignedTask/task/resources",
            Self::ExecutorConfig => "tasks/assignedTask/task/executorConfig",
            Self::Label => "tasks/assignedTask/task/metadata",
            Self::CronJob => "cronJobs",
            Self::JobConfiguration => "cronJobs/jobConfiguration",
            Self::CronTaskConfig => "cronJobs/jobConfiguration/taskConfig",
            Self::Metadata => "schedulerMetadata",
            Self::Quota => "quotaConfigurations",
            Self::QuotaAmounts => "quotaConfigurations/quota",
            Self::JobUpdate => "jobUpdateDetails",
            Self::JobUpdateDetails => "jobUpdateDetails/details",
            Self::JobUpdateSummary => "jobUpdateDetails/details/update/summary",
            Self::MaintenanceRequest => "hostMaintenanceRequests",
        }
    }
}

/// Fields by place and id, small enough to be kept for each element apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Counts {
    total: u64,
    fields: Vec<(Place, i16, u64)>,
}

impl Counts {
    pub(super) fn add(&mut self, place: Place, id: i16) {
        self.total += 1;
        self.add_to(place, id, 1);
    }

    fn add_to(&mut self, place: Place, id: i16, more: u64) {
        let room = self.fields.len() < FIELDS_MAX;
        let known = self.fields.iter_mut().find(|(at, field, _)| (*at, *field) == (place, id));
        match known {
            Some((_, _, count)) => *count += more,
            None if room => self.fields.push((place, id, more)),
            None => {}
        }
    }

    fn take(&mut self, of_one: &mut Self) {
        self.total += std::mem::take(&mut of_one.total);
        for (place, id, count) in of_one.fields.drain(..) {
            self.add_to(place, id, count);
        }
    }
}

/// What does not fit the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Odd {
    pub(super) unknown: Counts,
    pub(super) mistyped: Counts,
    pub(super) not_utf8: u64,
}

impl Odd {
    /// Forgets everything, for an element that is begun again.
    pub(super) fn clear(&mut self) {
        if *self != Self::default() {
            *self = Self::default();
        }
    }

    /// Takes what was found in an element, and leaves nothing there.
    pub(super) fn take(&mut self, of_one: &mut Self) {
        self.not_utf8 += std::mem::take(&mut of_one.not_utf8);
        if of_one.unknown.total + of_one.mistyped.total > 0 {
            self.unknown.take(&mut of_one.unknown);
            self.mistyped.take(&mut of_one.mistyped);
        }
    }
}
