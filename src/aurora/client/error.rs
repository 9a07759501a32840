//! Why a call has no result, and whether it can have reached the scheduler.

use crate::aurora::types::ResponseCode;
use thiserror::Error;

/// Whether a request reached the scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Certainly not: nothing can have happened.
    No,
    /// Perhaps: what it asks for may have happened.
    Maybe,
    /// Yes, and it was answered.
    Yes,
}

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClientError {
    /// Not an address of a scheduler.
    #[error("{url:?} is not http://host:port or https://host: {why}")]
    BadUrl {
        /// As given.
        url: String,
        /// Why.
        why: String,
    },
    /// A name that no scheduler gives a backup.
    #[error("{0:?} is not the name of a backup; names are scheduler-backup-yyyy-MM-dd-HH-mm")]
    BadBackupName(String),
    /// A delete without a term would empty the staged backup.
    #[error("refused to send a delete without a term, or with an empty one: it would remove every staged task")]
    EmptyDelete,
    /// Credentials were named, but cannot be read.
    #[error("no credentials: {0}")]
    Credentials(String),
    /// The release does not have the call.
    #[error("a scheduler of version {version} has no {method}; nothing was sent")]
    NotOffered {
        /// The call.
        method: &'static str,
        /// What is known of the release.
        version: String,
    },
    /// It wants a Kerberos ticket, which this client does not have.
    #[error(
        "{url} wants Kerberos (SPNEGO), which is not spoken here; use `aurora_admin`, which does: set `api: {{ via: aurora_admin }}` in the \
         inventory, after `kinit`"
    )]
    Negotiate {
        /// Where.
        url: String,
    },
    /// A call through `aurora_admin` has no result.
    #[error("{why}")]
    Command {
        /// Why.
        why: String,
        /// Whether it can have reached the scheduler.
        sent: Sent,
    },
    /// Nobody listens there, or it cannot be reached.
    #[error("cannot connect to {url}: {why}")]
    Connect {
        /// Where.
        url: String,
        /// Why.
        why: String,
    },
    /// No answer in time.
    #[error("{url} did not answer in time: {why}")]
    Timeout {
        /// Where.
        url: String,
        /// Which limit.
        why: String,
    },
    /// The connection broke before the answer was whole.
    #[error("the connection to {url} broke: {why}")]
    Broken {
        /// Where.
        url: String,
        /// How.
        why: String,
    },
    /// An answer with another status than 200.
    #[error("{url} answered with status {status}{}: {start}", location.as_ref().map(|to| format!(" to {to}")).unwrap_or_default())]
    Status {
        /// Where.
        url: String,
        /// 307 or 302: another scheduler leads; 401: credentials; 503: no leader known, or not ready.
        status: u16,
        /// Target of a redirect.
        location: Option<String>,
        /// Start of the body, in one line.
        start: String,
    },
    /// An answer that is not of this API.
    #[error("{url} did not answer in thrift: {why}; it begins with {start:?}")]
    NotThrift {
        /// Where.
        url: String,
        /// Why.
        why: String,
        /// Start of the body, in one line.
        start: String,
    },
    /// The server did not get as far as the method.
    #[error("the scheduler refused the call: {message} (type {code})")]
    Exception {
        /// Its text.
        message: String,
        /// 1: it does not have the method.
        code: i32,
    },
    /// The method failed.
    #[error("the scheduler answered {code}: {text}")]
    Api {
        /// How.
        code: ResponseCode,
        /// Its text.
        text: String,
    },
    /// The answer lacks what was asked for.
    #[error("the scheduler's answer to {method} lacks its result")]
    NoResult {
        /// The method.
        method: &'static str,
    },
    /// More than the limit.
    #[error("the answer of {url} is longer than {limit} bytes")]
    TooLarge {
        /// Where.
        url: String,
        /// The limit in bytes.
        limit: usize,
    },
}

impl ClientError {
    /// Whether the request can have reached the scheduler.
    pub const fn sent(&self) -> Sent {
        match self {
            Self::BadUrl { .. }
            | Self::BadBackupName(_)
            | Self::EmptyDelete
            | Self::Credentials(_)
            | Self::NotOffered { .. }
            | Self::Connect { .. } => Sent::No,
            Self::Command { sent, .. } => *sent,
            Self::Timeout { .. } | Self::Broken { .. } => Sent::Maybe,
            Self::Status { .. }
            | Self::Negotiate { .. }
            | Self::NotThrift { .. }
            | Self::Exception { .. }
            | Self::Api { .. }
            | Self::NoResult { .. }
            | Self::TooLarge { .. } => Sent::Yes,
        }
    }

    /// True for "not now": this scheduler does not lead, or still reads its log.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Api { code: ResponseCode::ErrorTransient, .. } | Self::Status { status: 503, .. })
    }
}
