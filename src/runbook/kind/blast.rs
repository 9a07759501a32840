//! Kinds that know what a restore does to the tasks that run: the blast radius, what came of it, and when.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runbook::text::{Slot, Text};

/// What restoring a backup would do to what runs: the backup, or what is staged of it, against the Mesos master.
///
/// It does not hold if nothing that runs could be adopted (the master does not know the backup's framework any more), or
/// if more would be killed than was confirmed. Outputs `verdict`, `kills`, `starts`, `kept`, `unknown`, `running` (numbers),
/// `counts` (tasks by fate), `roles`, `jobs` and `owners` (the most affected), `owners_text`, `headline`, `framework_id`,
/// `warnings`, `reverted`; and, as files of evidence, `evidence` (everything, JSON), `prediction` (what is compared with what
/// happened), `tasks_csv`, `jobs_csv` and `text`, with `list` the path of the first of those tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Impact {
    /// The backup file on the row's host.
    pub backup: Text,
    /// The SHA-256 (hex) that it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Text>,
    /// Base URL of the Mesos master.
    pub master: Text,
    /// Base URL of the scheduler on which it is staged: its tasks count then, not those of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged: Option<Text>,
    /// Cluster name, which that scheduler's answer must carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Text>,
    /// The number of tasks that were confirmed to be killed: it does not hold if there would be more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kills_at_most: Option<Text>,
}

/// What was predicted, against what the master knows now. It holds once everything that was to be killed is gone and the
/// scheduler is registered with the backup's framework; what else differs stands in its outputs: `as_predicted` (`yes`,
/// `no`), `killed`, `still_alive`, `kept`, `ended`, `gone_unpredicted`, `restarted`, `not_restarted`, `new` (numbers),
/// `lost` (ids that are gone, some of them), `differences` (sentences), `owners_text`, and `evidence`, the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The register of the `impact` that predicted it.
    pub prediction: String,
    /// Base URL of the Mesos master.
    pub master: Text,
}

/// When tasks that the scheduler does not know are swept for the first time: the time of its registration, as the master
/// has it, and the flags in force. Outputs `at_ms`, `at` (the same as a time), `after` (the delay in words); each of them
/// is `unknown` where it cannot be known, as up to 0.8, which has no reconciliation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// Base URL of the leading scheduler.
    pub url: Text,
    /// Base URL of the Mesos master.
    pub master: Text,
}

impl Impact {
    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        give(Slot::Plain(&mut self.backup));
        give(Slot::Plain(&mut self.master));
        let rest = [&mut self.sha256, &mut self.staged, &mut self.cluster, &mut self.kills_at_most];
        rest.into_iter().flatten().for_each(|text| give(Slot::Plain(text)));
    }
}

impl Outcome {
    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        give(Slot::Plain(&mut self.master));
    }
}

impl Sweep {
    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        give(Slot::Plain(&mut self.url));
        give(Slot::Plain(&mut self.master));
    }
}
