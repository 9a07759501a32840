//! What one action or look has around it, and how it can end.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::Instant;

use super::{EvidenceError, Kept, Sink, Tag, World};
use crate::{
    hosts::{Host, HostError, Stop},
    runbook::model::HostName,
    session::{Finding, Known, Outcome, Report},
};

/// Stands for a file when a defect kept it from being touched.
const DEFECT: &str = "an evidence file";

/// Everything around one action or look.
pub(super) struct Scene<'a> {
    pub world: &'a World,
    pub name: &'a HostName,
    pub host: Arc<dyn Host>,
    pub known: &'a Known,
    pub sink: &'a Sink,
    pub stop: &'a Stop,
    pub until: Instant,
    /// Names what is kept of it; nothing is kept without.
    pub tag: Option<Tag>,
}

impl Scene<'_> {
    /// The time that is left; never zero, so that a request is at least tried.
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
    }

    /// The time that is left, at most `longest`.
    pub fn at_most(&self, longest: Duration) -> Duration {
        self.left().min(longest)
    }

    /// Keeps something large as a file of the session, without any secret in it.
    pub async fn keep(&self, name: &str, bytes: Vec<u8>) -> Result<Kept, EvidenceError> {
        let (Some(evidence), Some(tag)) = (&self.world.evidence, &self.tag) else {
            return Err(EvidenceError::NoSession);
        };
        let bytes = self.world.secrets.redact_bytes(&bytes).unwrap_or(bytes);
        let (evidence, tag, name) = (evidence.clone(), tag.clone(), name.to_owned());
        let kept = tokio::task::spawn_blocking(move || evidence.keep(&tag, &name, &bytes)).await;
        kept.unwrap_or_else(|error| {
            Err(EvidenceError::Io { doing: "keeping", path: DEFECT.to_owned(), why: error.to_string() })
        })
    }

    /// As [`Self::keep`], for a member of an output: null where it could not be kept, which the details then say.
    pub async fn keep_as_output(&self, name: &str, bytes: Vec<u8>, details: &mut Vec<String>) -> Value {
        match self.keep(name, bytes).await {
            Ok(kept) => {
                details.push(format!("{name}: {} ({} bytes)", kept.path.display(), kept.bytes));
                kept.to_value()
            }
            Err(error) => {
                details.push(format!("{name}: {error}"));
                Value::Null
            }
        }
    }

    /// What an earlier action or look kept.
    pub async fn kept(&self, evidence: &Value) -> Result<Vec<u8>, EvidenceError> {
        let from = self.world.evidence.clone().ok_or(EvidenceError::NoSession)?;
        let evidence = evidence.clone();
        let read = tokio::task::spawn_blocking(move || from.read(&evidence)).await;
        read.unwrap_or_else(|error| {
            Err(EvidenceError::Io { doing: "reading", path: DEFECT.to_owned(), why: error.to_string() })
        })
    }
}

/// How an action ends when it is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Undone {
    /// Something that must hold did not; nothing was done.
    Refused(String),
    /// It failed, and what it left is known.
    Failed(String),
    /// Whether it happened is not known.
    InDoubt(String),
    /// It was stopped before it changed anything.
    Cancelled(String),
}

impl Undone {
    /// The reason alone.
    pub(super) fn into_words(self) -> String {
        match self {
            Self::Refused(why) | Self::Failed(why) | Self::InDoubt(why) | Self::Cancelled(why) => why,
        }
    }
}

/// What an action comes to.
pub(super) type Acted = Result<Report, Undone>;

impl From<HostError> for Undone {
    /// What broke while something was changed. A line that broke says nothing of whether it happened.
    fn from(error: HostError) -> Self {
        match error {
            HostError::Lost { .. } => Self::InDoubt(format!("{error}; whether it happened is not known")),
            HostError::NotFound(_)
            | HostError::Denied { .. }
            | HostError::TooLarge { .. }
            | HostError::OtherFileSystem { .. }
            | HostError::AlreadyThere(_)
            | HostError::Refused { .. }
            | HostError::Digest { .. }
            | HostError::NotReached { .. }
            | HostError::Io { .. } => Self::Failed(error.to_string()),
        }
    }
}

/// What broke while something was looked at, before anything was changed.
pub(super) fn untouched(error: HostError) -> Undone {
    match Undone::from(error.clone()) {
        Undone::InDoubt(_) => Undone::Failed(format!("{error}; nothing was changed")),
        other => other,
    }
}

/// What broke after a part was changed; `left` says what.
pub(super) fn after(error: HostError, left: &str) -> Undone {
    match Undone::from(error) {
        Undone::Failed(why) => Undone::Failed(format!("{why}; {left}")),
        Undone::InDoubt(why) => Undone::InDoubt(format!("{why}; {left}")),
        other => other,
    }
}

impl From<Undone> for Outcome {
    fn from(undone: Undone) -> Self {
        match undone {
            Undone::Refused(why) => Self::Refused { why },
            Undone::Failed(why) => Self::Failed { why },
            Undone::InDoubt(why) => Self::InDoubt { why },
            Undone::Cancelled(why) => Self::Cancelled { why },
        }
    }
}

/// What a look comes to when it is made with `?`: an error means that it could not be seen.
pub(super) fn seen(result: Result<Report, String>) -> Report {
    result.unwrap_or_else(Report::unknown)
}

/// Holds if `so`, else fails.
pub(super) fn finding(so: bool) -> Finding {
    if so { Finding::Holds } else { Finding::Fails }
}

/// A duration in the words that runbooks use, whole milliseconds.
pub(super) fn span(time: Duration) -> String {
    humantime::format_duration(Duration::from_millis(time.as_millis() as u64)).to_string()
}
