//! What does not fit the model in elements that are decoded whole.

use super::strange::{Odd, Place};
use super::task::TASK_CONFIG_UNMODELLED;
use crate::aurora::types::{
    HostAttributes, HostMaintenanceRequest, JobConfiguration, JobUpdateDetails, JobUpdateSummary, QuotaConfiguration,
    ResourceAggregate, SchedulerMetadata, StoredCronJob, StoredJobUpdateDetails, TaskConfig,
};
use crate::aurora::value::{Struct, Value};

/// An element of a snapshot that can say which of its fields do not fit.
pub(super) trait Look {
    fn of(fields: Struct) -> Self;
    fn look(&self, odd: &mut Odd);
}

/// Of what was kept aside: a declared id is there because its type was wrong (a text that is none is told otherwise), one that Aurora has and
/// we do not model is fine.
fn others(odd: &mut Odd, place: Place, other: &Struct, declared: &[i16], unmodelled: &[i16]) {
    for (id, value) in &other.fields {
        if declared.contains(id) {
            if !matches!(value, Value::Binary(_)) {
                odd.mistyped.add(place, *id);
            }
        } else if !unmodelled.contains(id) {
            odd.unknown.add(place, *id);
        }
    }
}

impl Look for Struct {
    fn of(fields: Struct) -> Self {
        fields
    }

    fn look(&self, _odd: &mut Odd) {}
}

impl Look for HostAttributes {
    fn of(fields: Struct) -> Self {
        Self::from_struct(fields)
    }

    fn look(&self, odd: &mut Odd) {
        others(odd, Place::Host, &self.other, Self::IDS, &[]);
    }
}

impl Look for SchedulerMetadata {
    fn of(fields: Struct) -> Self {
        Self::from_struct(fields)
    }

    fn look(&self, odd: &mut Odd) {
        others(odd, Place::Metadata, &self.other, Self::IDS, &[]);
    }
}

impl Look for StoredCronJob {
    fn of(fields: Struct) -> Self {
        Self::from_struct(fields)
    }

    fn look(&self, odd: &mut Odd) {
        others(odd, Place::CronJob, &self.other, Self::IDS, &[]);
        if let Some(job) = &self.job_configuration {
            others(odd, Place::JobConfiguration, &job.other, JobConfiguration::IDS, &[]);
            if let Some(config) = &job.task_config {
                others(odd, Place::CronTaskConfig, &config.other, TaskConfig::IDS, TASK_CONFIG_UNMODELLED);
            }
        }
    }
}

impl Look for QuotaConfiguration {
    fn of(fields: Struct) -> Self {
        Self::from_struct(fields)
    }

    fn look(&self, odd: &mut Odd) {
        others(odd, Place::Quota, &self.other, Self::IDS, &[]);
        if let Some(amounts) = &self.quota {
            others(odd, Place::QuotaAmounts, &amounts.other, ResourceAggregate::IDS, &[]);
        }
    }
}

impl Look for StoredJobUpdateDetails {
    fn of(fields: Struct) -> Self {
        Self::from_struct(fields)
    }

    fn look(&self, odd: &mut Odd) {
        others(odd, Place::JobUpdate, &self.other, Self::IDS, &[]);
        let Some(details) = &self.details else { return };
        others(odd, Place::JobUpdateDetails, &details.other, JobUpdateDetails::IDS, &[]);
        if let Some(summary) = details.update.as_ref().and_then(|update| update.summary.as_ref()) {
            others(odd, Place::JobUpdateSummary, &summary.other, JobUpdateSummary::IDS, &[]);
        }
    }
}

impl Look for HostMaintenanceRequest {
    fn of(fields: Struct) -> Self {
        Self::from_struct(fields)
    }

    fn look(&self, odd: &mut Odd) {
        others(odd, Place::MaintenanceRequest, &self.other, Self::IDS, &[]);
    }
}
