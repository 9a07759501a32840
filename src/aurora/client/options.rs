//! Limits, credentials and what is known of the other side.

use super::command::AdminTool;
use super::credentials;
use super::tls::Trust;
use crate::aurora::secret::Secret;
use crate::aurora::version::AuroraVersion;
use std::time::Duration;

/// Default limit of a body. 20,000 staged tasks are 29 MB of TJSON, so this holds about 170,000; in the binary protocol 280,000. A client keeps
/// the body and what it decodes from it: about ten times the body's bytes while a whole answer is turned into tasks.
pub const BODY_BYTES_MAX: usize = 256 << 20;

/// User and password of HTTP Basic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// User.
    pub user: String,
    /// Password.
    pub password: Secret,
}

/// Where credentials come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// None are sent.
    #[default]
    None,
    /// These.
    Basic(Login),
    /// What `~/.netrc` has for the host, if anything: what Aurora's own client does.
    Netrc,
}

/// Wire form of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// TJSON, which every release takes.
    #[default]
    Json,
    /// `TBinary`, from 0.16: half the bytes.
    Binary,
}

/// Limits and credentials.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Until the connection stands.
    pub connect_timeout: Duration,
    /// Between two pieces of an answer, and before the first. Staging 20,000 tasks takes some seconds before the first byte.
    pub read_timeout: Duration,
    /// For a whole call.
    pub total_timeout: Duration,
    /// Bytes of a body.
    pub body_bytes_max: usize,
    /// Who one is. They are sent to the host of the address and nowhere else.
    pub credentials: Credentials,
    /// Whose certificates are taken.
    pub trust: Trust,
    /// Wire form.
    pub protocol: Protocol,
    /// What is known of the release: it decides which calls are offered and in which form they go.
    pub version: AuroraVersion,
    /// What administrators may goes through this command, everything else by HTTP.
    pub command: Option<AdminTool>,
    /// Send the session argument of releases up to 0.10. On by default, as Aurora's own old client sends it and newer releases step over it. Off
    /// for a release up to 0.9 whose own capability check refuses the session: without one it logs and lets the call through.
    pub legacy_session: bool,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_mins(1),
            total_timeout: Duration::from_mins(5),
            body_bytes_max: BODY_BYTES_MAX,
            credentials: Credentials::None,
            trust: Trust::Machine,
            protocol: Protocol::Json,
            version: AuroraVersion::Unknown,
            command: None,
            legacy_session: true,
        }
    }
}

impl ClientOptions {
    /// The credentials for a host.
    pub(super) fn login_for(&self, host: &str) -> Result<Option<Login>, String> {
        match &self.credentials {
            Credentials::None => Ok(None),
            Credentials::Basic(login) => Ok(Some(login.clone())),
            Credentials::Netrc => credentials::from_netrc(host),
        }
    }
}
