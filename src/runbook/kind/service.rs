//! `service`: a service of the inventory is started, stopped, held down, let go, or looked at.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runbook::text::{Slot, Text};

/// A service named in the inventory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Service {
    /// Start it.
    Start(Text),
    /// Stop it.
    Stop(Text),
    /// Stop, then start it.
    Restart(Text),
    /// Keep it from being started by accident, by its manager's means where it has some, and leave a
    /// mark on the host that says so in words.
    Hold {
        /// The service.
        service: Text,
        /// What the mark stands beside, under its name and `.held`: the directory that is at stake.
        beside: Text,
        /// Why it must not be started, in words for whoever finds the mark.
        because: Text,
        /// Who holds it; filled in before the action runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Text>,
    },
    /// Take that back. A mark of another session is left.
    Release {
        /// The service.
        service: Text,
        /// What the mark stands beside, under its name and `.held`: the directory that is at stake.
        beside: Text,
        /// Who held it; filled in before the action runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Text>,
    },
    /// Look: its status says that it runs.
    Running(Text),
    /// Look: its status says that it does not run, and is not about to.
    Stopped(Text),
    /// Look: it is held down, and its mark is there.
    Held {
        /// The service.
        service: Text,
        /// What the mark stands beside, under its name and `.held`: the directory that is at stake.
        beside: Text,
    },
    /// Look: nobody holds it down, and there is no mark.
    Free {
        /// The service.
        service: Text,
        /// What the mark stands beside, under its name and `.held`: the directory that is at stake.
        beside: Text,
    },
}

/// Where the mark of a hold stands.
pub fn mark_beside(beside: &Text) -> String {
    format!("{}.held", beside.as_str().trim_end_matches('/'))
}

impl Service {
    /// The service's name.
    pub fn service(&self) -> &Text {
        match self {
            Self::Start(name) | Self::Stop(name) | Self::Restart(name) | Self::Running(name) | Self::Stopped(name) => {
                name
            }
            Self::Hold { service, .. }
            | Self::Release { service, .. }
            | Self::Held { service, .. }
            | Self::Free { service, .. } => service,
        }
    }

    pub(super) fn looks(&self) -> bool {
        matches!(self, Self::Running(_) | Self::Stopped(_) | Self::Held { .. } | Self::Free { .. })
    }

    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        match self {
            Self::Start(name) | Self::Stop(name) | Self::Restart(name) | Self::Running(name) | Self::Stopped(name) => {
                give(Slot::Plain(name));
            }
            Self::Hold { service, beside, because, by } => {
                give(Slot::Plain(service));
                give(Slot::Plain(beside));
                give(Slot::Plain(because));
                by.iter_mut().for_each(|text| give(Slot::Plain(text)));
            }
            Self::Release { service, beside, by } => {
                give(Slot::Plain(service));
                give(Slot::Plain(beside));
                by.iter_mut().for_each(|text| give(Slot::Plain(text)));
            }
            Self::Held { service, beside } | Self::Free { service, beside } => {
                give(Slot::Plain(service));
                give(Slot::Plain(beside));
            }
        }
    }

    pub(super) fn settle_names(&mut self, tag: &str) {
        if let Self::Hold { by, .. } | Self::Release { by, .. } = self
            && by.is_none()
        {
            *by = Some(Text(tag.to_owned()));
        }
    }

    pub(super) fn inverse(&self) -> Option<Self> {
        match self {
            Self::Start(name) => Some(Self::Stop(name.clone())),
            Self::Stop(name) => Some(Self::Start(name.clone())),
            Self::Hold { service, beside, by: Some(by), because: _ } => {
                Some(Self::Release { service: service.clone(), beside: beside.clone(), by: Some(by.clone()) })
            }
            Self::Hold { by: None, .. }
            | Self::Release { .. }
            | Self::Restart(_)
            | Self::Running(_)
            | Self::Stopped(_)
            | Self::Held { .. }
            | Self::Free { .. } => None,
        }
    }

    pub(super) fn did_it_happen(&self) -> Option<Self> {
        match self {
            Self::Start(name) => Some(Self::Running(name.clone())),
            Self::Hold { service, beside, .. } => Some(Self::Held { service: service.clone(), beside: beside.clone() }),
            Self::Release { service, beside, .. } => {
                Some(Self::Free { service: service.clone(), beside: beside.clone() })
            }
            // A service that its manager is about to start again is down for a moment: seen then, a stop that never
            // reached the manager would pass for one that did.
            Self::Stop(_)
            | Self::Restart(_)
            | Self::Running(_)
            | Self::Stopped(_)
            | Self::Held { .. }
            | Self::Free { .. } => None,
        }
    }
}
