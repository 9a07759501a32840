//! Calls to one scheduler over HTTP.
//!
//! Always TJSON under `application/x-thrift`, which every release takes, and always the bypass header: a call is answered by the scheduler it is
//! sent to or by nobody. Redirects are not followed, no proxy is used, no connection is kept, nothing is ever sent twice.
//!
//! Every error says whether the request can have reached the scheduler ([`Sent`]). A commit has no error at all but three outcomes.
//!
//! Survives slow, silent, closing and babbling servers: connecting, waiting between bytes and the whole call are limited, and so is the body
//! while it arrives. It decides nothing: whether to call again, and what an outcome opens, is the caller's.

use crate::aurora::api::{self, BYPASS_HEADER, CONTENT_TYPE_TJSON, Commit, Method};
use crate::aurora::secret::Secret;
use crate::aurora::tjson;
use crate::aurora::types::{JobSummary, Response, ResponseCode, RoleSummary, ScheduledTask, TaskQuery};
use crate::aurora::value::{ApplicationException, Message, MessageKind, Struct};
use crate::aurora::vars::Vars;
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use reqwest::{StatusCode, Url};
use std::error::Error as _;
use std::time::Duration;
use thiserror::Error;

/// Default limit of a body: 20,000 staged tasks are 29 MB of TJSON, so this holds about 170,000.
pub const BODY_BYTES_MAX: usize = 256 << 20;
/// Bytes of an unexpected body that an error quotes.
const QUOTED_BYTES_MAX: usize = 200;
/// What a scheduler's page says when its filter knows no leader; the call was then not looked at.
const NO_LEADER_PAGE: &str = "No Leader Found";

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
    /// User and password of HTTP Basic.
    pub basic_auth: Option<(String, Secret)>,
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
            basic_auth: None,
            legacy_session: true,
        }
    }
}

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
    #[error("{url:?} is not http://host:port: {why}")]
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
            Self::BadUrl { .. } | Self::BadBackupName(_) | Self::EmptyDelete | Self::Connect { .. } => Sent::No,
            Self::Timeout { .. } | Self::Broken { .. } => Sent::Maybe,
            Self::Status { .. }
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

/// A result and who gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<T> {
    /// The result.
    pub value: T,
    /// `-cluster_name` of the scheduler that answered, from 0.5: to be compared with the cluster one believes to be on.
    pub cluster_name: Option<String>,
    /// Text that came along; usually empty.
    pub text: String,
}

/// Answer of `/leaderhealth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaderHealth {
    /// 200. For some seconds after a commit two schedulers say so.
    Leads,
    /// 503: another one leads.
    Follows,
    /// 502: nobody is advertised; always so while schedulers are prepared.
    NoLeader,
    /// 404: the release has no such page (before 0.13).
    NotThere,
}

/// A scheduler to call.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    options: ClientOptions,
}

struct Raw {
    status: StatusCode,
    location: Option<String>,
    body: Vec<u8>,
}

impl Client {
    /// For the scheduler at `base_url`, `http://host:port`.
    pub fn new(base_url: &str, options: ClientOptions) -> Result<Self, ClientError> {
        let bad = |why: String| ClientError::BadUrl { url: base_url.to_owned(), why };
        let base = Url::parse(base_url).map_err(|error| bad(error.to_string()))?;
        if base.scheme() != "http" || base.host_str().is_none() || !base.username().is_empty() {
            return Err(bad("it must be http, with a host and without credentials".to_owned()));
        }
        let tls = super::tls(false, &super::Trust::Machine).map_err(bad)?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .connect_timeout(options.connect_timeout)
            .read_timeout(options.read_timeout)
            .timeout(options.total_timeout)
            .build()
            .map_err(|error| bad(chain(&error)))?;
        Ok(Self { http, base, options })
    }

    /// Where calls go.
    pub fn base_url(&self) -> &str {
        self.base.as_str()
    }

    /// Roles and how many jobs they have. Answers only when the storage is ready, so it is the cheapest proof of that.
    pub async fn get_role_summary(&self) -> Result<Answer<Vec<RoleSummary>>, ClientError> {
        self.call_for(Method::GetRoleSummary, Struct::new(), Response::roles).await
    }

    /// Jobs of a role, or of all, and how many tasks they have.
    pub async fn get_job_summary(&self, role: Option<&str>) -> Result<Answer<Vec<JobSummary>>, ClientError> {
        let args = role.map_or_else(Struct::new, |role| Struct::new().with(1, role));
        self.call_for(Method::GetJobSummary, args, Response::jobs).await
    }

    /// Tasks without the data of their executors.
    pub async fn get_tasks_without_configs(
        &self,
        query: &TaskQuery,
    ) -> Result<Answer<Vec<ScheduledTask>>, ClientError> {
        self.call_for(Method::GetTasksWithoutConfigs, api::query_arg(query), Response::tasks).await
    }

    /// Everything in the backup directory of that host, in no order, backups or not.
    pub async fn list_backups(&self) -> Result<Answer<Vec<String>>, ClientError> {
        self.call_for(Method::ListBackups, Struct::new(), Response::backups).await
    }

    /// Stages a backup of that host. The name is checked here, because a scheduler checks nothing.
    pub async fn stage_recovery(&self, name: &str) -> Result<Answer<()>, ClientError> {
        if !api::is_backup_name(name) {
            return Err(ClientError::BadBackupName(name.to_owned()));
        }
        self.call_for(Method::StageRecovery, Struct::new().with(1, name), |_| Some(())).await
    }

    /// Tasks of the staged backup, all at once: offset and limit do nothing.
    pub async fn query_recovery(&self, query: &TaskQuery) -> Result<Answer<Vec<ScheduledTask>>, ClientError> {
        self.call_for(Method::QueryRecovery, api::query_arg(query), Response::recovery_tasks).await
    }

    /// Takes tasks out of the staged backup. A query that some release could take for "everything" is not sent.
    pub async fn delete_recovery_tasks(&self, query: &TaskQuery) -> Result<Answer<()>, ClientError> {
        if query.is_empty() || query.has_empty_set() {
            return Err(ClientError::EmptyDelete);
        }
        self.call_for(Method::DeleteRecoveryTasks, api::query_arg(query), |_| Some(())).await
    }

    /// Commits the staged backup: one request, whatever happens.
    pub async fn commit_recovery(&self) -> Commit {
        match self.call(Method::CommitRecovery, Struct::new()).await {
            Ok(response) => api::commit_outcome(&response),
            Err(error) => commit_without_answer(&error),
        }
    }

    /// Forgets the staged backup; is always well, staged or not.
    pub async fn unload_recovery(&self) -> Result<Answer<()>, ClientError> {
        self.call_for(Method::UnloadRecovery, Struct::new(), |_| Some(())).await
    }

    /// Writes a backup. The answer is the same when writing failed: look at `scheduler_backup_success` and at the file.
    pub async fn perform_backup(&self) -> Result<Answer<()>, ClientError> {
        self.call_for(Method::PerformBackup, Struct::new(), |_| Some(())).await
    }

    /// Writes a snapshot into the log.
    pub async fn snapshot(&self) -> Result<Answer<()>, ClientError> {
        self.call_for(Method::Snapshot, Struct::new(), |_| Some(())).await
    }

    /// What the process says about itself: `/vars.json`, or `/vars` where that is not there or not readable.
    pub async fn vars(&self) -> Result<Vars, ClientError> {
        let json = self.get("/vars.json").await?;
        if json.status == StatusCode::OK
            && let Ok(vars) = Vars::parse_json(&String::from_utf8_lossy(&json.body))
        {
            return Ok(vars);
        }
        let lines = self.get("/vars").await?;
        if lines.status != StatusCode::OK {
            return Err(self.status_error("/vars", &lines));
        }
        Vars::parse_lines(&String::from_utf8_lossy(&lines.body)).map_err(|error| ClientError::NotThrift {
            url: self.url("/vars").to_string(),
            why: error.to_string(),
            start: start(&lines.body),
        })
    }

    /// Whether the HTTP server is up; says nothing of leadership or storage.
    pub async fn health(&self) -> Result<bool, ClientError> {
        let raw = self.get("/health").await?;
        Ok(raw.status == StatusCode::OK && raw.body.trim_ascii() == b"OK")
    }

    /// Whether it is the advertised leader.
    pub async fn leader_health(&self) -> Result<LeaderHealth, ClientError> {
        let raw = self.get("/leaderhealth").await?;
        match raw.status.as_u16() {
            200 => Ok(LeaderHealth::Leads),
            503 => Ok(LeaderHealth::Follows),
            502 => Ok(LeaderHealth::NoLeader),
            404 => Ok(LeaderHealth::NotThere),
            _ => Err(self.status_error("/leaderhealth", &raw)),
        }
    }

    async fn call_for<T>(
        &self,
        method: Method,
        args: Struct,
        pick: impl FnOnce(&Response) -> Option<T>,
    ) -> Result<Answer<T>, ClientError> {
        let response = self.call(method, args).await?;
        let text = response.text();
        if !matches!(response.code, ResponseCode::Ok | ResponseCode::Warning) {
            return Err(ClientError::Api { code: response.code, text });
        }
        let value = pick(&response).ok_or(ClientError::NoResult { method: method.name() })?;
        Ok(Answer { value, cluster_name: response.cluster_name().map(str::to_owned), text })
    }

    async fn call(&self, method: Method, args: Struct) -> Result<Response, ClientError> {
        let message = method.call(args, self.options.legacy_session);
        let url = self.url(api::API_PATH);
        let not_thrift =
            |why: String, body: &[u8]| ClientError::NotThrift { url: url.to_string(), why, start: start(body) };
        let body = tjson::encode_message(&message).map_err(|error| not_thrift(error.to_string(), &[]))?;
        let mut request = self
            .http
            .post(url.clone())
            .header(CONTENT_TYPE, CONTENT_TYPE_TJSON)
            .header(ACCEPT, CONTENT_TYPE_TJSON)
            .header(BYPASS_HEADER, "true")
            .body(body);
        if let Some((user, password)) = &self.options.basic_auth {
            request = request.basic_auth(user, Some(password.expose()));
        }
        let raw = self.send(request, &url).await?;
        if raw.status != StatusCode::OK {
            return Err(self.status_error(api::API_PATH, &raw));
        }
        let reply = tjson::decode_message(&raw.body).map_err(|error| not_thrift(error.to_string(), &raw.body))?;
        read_reply(&reply, method, |why| not_thrift(why, &raw.body))
    }

    async fn get(&self, path: &str) -> Result<Raw, ClientError> {
        let url = self.url(path);
        self.send(self.http.get(url.clone()), &url).await
    }

    async fn send(&self, request: reqwest::RequestBuilder, url: &Url) -> Result<Raw, ClientError> {
        let mut response = request.send().await.map_err(|error| transport_error(&error, url, Sent::No))?;
        let limit = self.options.body_bytes_max;
        let too_large = || ClientError::TooLarge { url: url.to_string(), limit };
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let location = response.headers().get(LOCATION).map(|to| start(to.as_bytes()));
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| transport_error(&error, url, Sent::Maybe))? {
            if body.len() + piece.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&piece);
        }
        Ok(Raw { status: response.status(), location, body })
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url.set_query(None);
        url
    }

    fn status_error(&self, path: &str, raw: &Raw) -> ClientError {
        ClientError::Status {
            url: self.url(path).to_string(),
            status: raw.status.as_u16(),
            location: raw.location.clone(),
            start: if String::from_utf8_lossy(&raw.body).contains(NO_LEADER_PAGE) {
                NO_LEADER_PAGE.to_owned()
            } else {
                start(&raw.body)
            },
        }
    }
}

fn read_reply(
    reply: &Message,
    method: Method,
    not_thrift: impl Fn(String) -> ClientError,
) -> Result<Response, ClientError> {
    match reply.kind {
        MessageKind::Exception => {
            let ApplicationException { message, code } = ApplicationException::from_body(&reply.body);
            Err(ClientError::Exception { message, code })
        }
        MessageKind::Reply if reply.name == method.name() => match reply.body.rec(0) {
            Some(fields) => Ok(Response::from_struct(fields.clone())),
            None => Err(ClientError::NoResult { method: method.name() }),
        },
        MessageKind::Reply | MessageKind::Call | MessageKind::Oneway => {
            Err(not_thrift(format!("it is no reply to {}, but {:?} {:?}", method.name(), reply.kind, reply.name)))
        }
    }
}

fn transport_error(error: &reqwest::Error, url: &Url, least: Sent) -> ClientError {
    let (url, why) = (url.to_string(), chain(error));
    if error.is_builder() {
        ClientError::BadUrl { url, why }
    } else if error.is_connect() && least == Sent::No {
        ClientError::Connect { url, why }
    } else if error.is_timeout() {
        ClientError::Timeout { url, why }
    } else {
        ClientError::Broken { url, why }
    }
}

/// What a commit without an answer in thrift means: not committed only where the handler cannot have run.
fn commit_without_answer(error: &ClientError) -> Commit {
    let text = error.to_string();
    let not_run = match error {
        ClientError::Status { status, start, .. } => match *status {
            300..=399 | 401 | 403 | 404 | 405 | 415 => true,
            // The filter's own page; any other 503 may stand for a proxy that lost the scheduler.
            503 => start == NO_LEADER_PAGE,
            _ => false,
        },
        ClientError::Exception { code, .. } => *code == ApplicationException::UNKNOWN_METHOD,
        other => other.sent() == Sent::No,
    };
    if not_run { Commit::NotCommitted { text } } else { Commit::Unknown { why: text } }
}

/// The error and what caused it, without the address, which the caller says.
fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    if text.is_empty() { "the request failed".to_owned() } else { text }
}

/// Start of a body, or of a header, in one line of printable characters: what a server sends is not to be trusted on a terminal.
fn start(body: &[u8]) -> String {
    let head = body.get(..body.len().min(QUOTED_BYTES_MAX)).unwrap_or_default();
    String::from_utf8_lossy(head)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}
