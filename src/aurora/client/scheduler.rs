//! The API and the pages of one scheduler.
//!
//! TJSON under `application/x-thrift`, which every release takes, unless the binary protocol is asked for; and always the bypass header: a call
//! is answered by the scheduler it is sent to or by nobody. Redirects are not followed, no proxy is used, no connection is kept, nothing is ever
//! sent twice.
//!
//! Every error says whether the request can have reached the scheduler ([`Sent`]). A commit has no error at all but three outcomes.
//!
//! Survives slow, silent, closing and babbling servers: connecting, waiting between bytes and the whole call are limited, and so is the body
//! while it arrives. It decides nothing: whether to call again, and what an outcome opens, is the caller's.

use super::command::{self, AdminTool};
use super::error::{ClientError, Sent};
use super::http::{Http, NO_LEADER_PAGE, Raw, start};
use super::options::{ClientOptions, Protocol};
use crate::aurora::admin::AdminCall;
use crate::aurora::api::{self, BYPASS_HEADER, CONTENT_TYPE_TBINARY, CONTENT_TYPE_TJSON, Commit, Method};
use crate::aurora::types::{
    ConfigSummary, ExplicitReconciliationSettings, GetQuotaResult, GetTierConfigResult, HostStatus, Hosts,
    JobConfiguration, JobKey, JobSummary, JobUpdateQuery, JobUpdateSummary, PendingReason, Response, ResponseCode,
    RoleSummary, ScheduledTask, ServerInfo, TaskQuery,
};
use crate::aurora::value::{ApplicationException, Message, MessageKind, Struct};
use crate::aurora::vars::Vars;
use crate::aurora::version::{AuroraVersion, Feature, Support};
use crate::aurora::{tbinary, tjson};
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CONTENT_TYPE};

/// Bytes of a page other than the API's: `/vars` of a scheduler with 100,000 jobs has some 30 MB.
const PAGE_BYTES_MAX: usize = 64 << 20;

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
    http: Http,
    options: ClientOptions,
}

impl Client {
    /// For the scheduler at `base_url`: `http://host:port`, or `https://host/prefix` of a proxy; `/api` at its end means the same.
    pub fn new(base_url: &str, options: ClientOptions) -> Result<Self, ClientError> {
        Ok(Self { http: Http::new(base_url, &options)?, options })
    }

    /// Where calls go.
    pub fn base_url(&self) -> &str {
        self.http.base().as_str()
    }

    /// What is known of the release.
    pub const fn version(&self) -> &AuroraVersion {
        &self.options.version
    }

    /// Finds the release out from `/vars` and goes on accordingly: with the binary protocol where it is certain that it is understood.
    pub async fn discover(mut self) -> Result<Self, ClientError> {
        let version = AuroraVersion::of(&self.vars().await?);
        if version.has(Feature::BinaryProtocol) == Support::Yes {
            self.options.protocol = Protocol::Binary;
        }
        self.options.version = version;
        Ok(self)
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
        self.call_for(Method::GetTasksWithoutConfigs, self.query(query), Response::tasks).await
    }

    /// Tasks, whole: with the data of their executors, so several times the bytes.
    pub async fn get_tasks_status(&self, query: &TaskQuery) -> Result<Answer<Vec<ScheduledTask>>, ClientError> {
        self.call_for(Method::GetTasksStatus, self.query(query), Response::tasks).await
    }

    /// Jobs of a role, or of all: cron jobs as they are kept, others put together from their tasks.
    pub async fn get_jobs(&self, role: Option<&str>) -> Result<Answer<Vec<JobConfiguration>>, ClientError> {
        let args = role.map_or_else(Struct::new, |role| Struct::new().with(1, role));
        self.call_for(Method::GetJobs, args, Response::job_configurations).await
    }

    /// Quota of a role and what of it is used. A role without one has a quota of nothing.
    pub async fn get_quota(&self, role: &str) -> Result<Answer<GetQuotaResult>, ClientError> {
        self.call_for(Method::GetQuota, Struct::new().with(1, role), Response::quota).await
    }

    /// Updates of jobs in short, newest first. From 0.6.
    pub async fn get_job_update_summaries(
        &self,
        query: &JobUpdateQuery,
    ) -> Result<Answer<Vec<JobUpdateSummary>>, ClientError> {
        self.call_for(Method::GetJobUpdateSummaries, Struct::new().with(1, query.to_struct()), Response::updates).await
    }

    /// Why tasks wait. A query with states of its own is refused by the scheduler.
    pub async fn get_pending_reason(&self, query: &TaskQuery) -> Result<Answer<Vec<PendingReason>>, ClientError> {
        self.call_for(Method::GetPendingReason, self.query(query), Response::pending_reasons).await
    }

    /// Configurations of a job's active tasks.
    pub async fn get_config_summary(&self, job: &JobKey) -> Result<Answer<ConfigSummary>, ClientError> {
        self.call_for(Method::GetConfigSummary, Struct::new().with(1, job.to_struct()), Response::config_summary).await
    }

    /// Tiers of tasks. From 0.14.
    pub async fn get_tier_configs(&self) -> Result<Answer<GetTierConfigResult>, ClientError> {
        self.call_for(Method::GetTierConfigs, Struct::new(), Response::tiers).await
    }

    /// Maintenance of these hosts; those that it does not know are left out.
    pub async fn maintenance_status(&self, hosts: &[&str]) -> Result<Answer<Vec<HostStatus>>, ClientError> {
        let host_names = hosts.iter().map(|host| (*host).to_owned()).collect();
        let hosts = Hosts { host_names, ..Hosts::default() };
        self.call_for(Method::MaintenanceStatus, Struct::new().with(1, hosts.to_struct()), Response::host_statuses)
            .await
    }

    /// Lets the scheduler ask the master for every task that it knows, in batches. From 0.16.
    pub async fn trigger_explicit_reconciliation(&self, batch_size: Option<i32>) -> Result<Answer<()>, ClientError> {
        let settings = ExplicitReconciliationSettings { batch_size, ..ExplicitReconciliationSettings::default() };
        let args = Struct::new().with(1, settings.to_struct());
        self.call_for(Method::TriggerExplicitTaskReconciliation, args, |_| Some(())).await
    }

    /// Lets the scheduler ask the master for every task that the master knows. What the scheduler does not know is **killed**. From 0.16.
    pub async fn trigger_implicit_reconciliation(&self) -> Result<Answer<()>, ClientError> {
        self.call_for(Method::TriggerImplicitTaskReconciliation, Struct::new(), |_| Some(())).await
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
        self.call_for(Method::QueryRecovery, self.query(query), Response::recovery_tasks).await
    }

    /// Takes tasks out of the staged backup. A query that some release could take for "everything" is not sent.
    pub async fn delete_recovery_tasks(&self, query: &TaskQuery) -> Result<Answer<()>, ClientError> {
        if query.is_empty() || query.has_empty_set() {
            return Err(ClientError::EmptyDelete);
        }
        self.call_for(Method::DeleteRecoveryTasks, self.query(query), |_| Some(())).await
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
        if json.status == StatusCode::UNAUTHORIZED {
            return Err(self.status_error("/vars.json", &json));
        }
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
            url: self.http.url("/vars").to_string(),
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

    /// A query in the fields that the release reads.
    fn query(&self, query: &TaskQuery) -> Struct {
        api::query_arg(&self.options.version.query(query.clone()))
    }

    async fn call(&self, method: Method, args: Struct) -> Result<Response, ClientError> {
        let version = &self.options.version;
        if method.needs().is_some_and(|feature| !version.has(feature).may()) {
            return Err(ClientError::NotOffered { method: method.name(), version: version.to_string() });
        }
        if let Some(tool) = &self.options.command
            && let Some(call) = AdminTool::takes(method, &args)?
        {
            return self.command(tool, &call, &api::query_of(&args)).await;
        }
        let session = self.options.legacy_session && version.has(Feature::SessionKey).may();
        let message = method.call(args, session);
        let url = self.http.url(api::API_PATH);
        let not_thrift =
            |why: String, body: &[u8]| ClientError::NotThrift { url: url.to_string(), why, start: start(body) };
        let (form, body) = match self.options.protocol {
            Protocol::Binary => (CONTENT_TYPE_TBINARY, tbinary::encode_message(&message)),
            Protocol::Json => {
                let body = tjson::encode_message(&message).map_err(|error| not_thrift(error.to_string(), &[]))?;
                (CONTENT_TYPE_TJSON, body)
            }
        };
        let request = self
            .http
            .post(api::API_PATH)
            .header(CONTENT_TYPE, form)
            .header(ACCEPT, form)
            .header(BYPASS_HEADER, "true")
            .body(body);
        let raw = self.http.send(request, &url, self.options.body_bytes_max).await?;
        if raw.status != StatusCode::OK {
            return Err(raw.status_error(&url));
        }
        let reply = match self.options.protocol {
            Protocol::Binary => tbinary::decode_message(&raw.body).map_err(|error| error.to_string()),
            Protocol::Json => tjson::decode_message(&raw.body).map_err(|error| error.to_string()),
        };
        let reply = reply.map_err(|why| not_thrift(why, &raw.body))?;
        read_reply(reply, method, |why| not_thrift(why, &raw.body))
    }

    /// One call through the command. It does not say whose answer it brings: the name of the cluster is the one on the command line of the
    /// scheduler that it is sent to, none where that cannot be read.
    async fn command(&self, tool: &AdminTool, call: &AdminCall, query: &TaskQuery) -> Result<Response, ClientError> {
        let vars = self.vars().await;
        let flags = vars.ok().and_then(|vars| vars.flags());
        let name = flags.as_ref().and_then(|flags| flags.get("cluster_name")).map(str::to_owned);
        let bypass = self.options.version.has(Feature::BypassHeader).may();
        let within = self.options.total_timeout;
        let reply = tool.call(self.http.base(), call, bypass, within).await?;
        let mut response = command::response(call, reply, query);
        response.server_info = Some(ServerInfo { cluster_name: name, ..ServerInfo::default() });
        Ok(response)
    }

    async fn get(&self, path: &str) -> Result<Raw, ClientError> {
        self.http.get(path, self.options.body_bytes_max.min(PAGE_BYTES_MAX)).await
    }

    fn status_error(&self, path: &str, raw: &Raw) -> ClientError {
        raw.status_error(&self.http.url(path))
    }
}

fn read_reply(
    reply: Message,
    method: Method,
    not_thrift: impl Fn(String) -> ClientError,
) -> Result<Response, ClientError> {
    match reply.kind {
        MessageKind::Exception => {
            let ApplicationException { message, code } = ApplicationException::from_body(&reply.body);
            Err(ClientError::Exception { message, code })
        }
        MessageKind::Reply if reply.name == method.name() => match reply.body.take_rec(0) {
            Some(fields) => Ok(Response::from_struct(fields)),
            None => Err(ClientError::NoResult { method: method.name() }),
        },
        MessageKind::Reply | MessageKind::Call | MessageKind::Oneway => {
            Err(not_thrift(format!("it is no reply to {}, but {:?} {:?}", method.name(), reply.kind, reply.name)))
        }
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
        ClientError::Negotiate { .. } => true,
        other => other.sent() == Sent::No,
    };
    if not_run { Commit::NotCommitted { text } } else { Commit::Unknown { why: text } }
}
