//! What every call answers with.

use super::job::{
    ConfigSummary, GetQuotaResult, GetTierConfigResult, HostStatus, JobConfiguration, JobSummary, JobUpdateSummary,
    PendingReason, RoleSummary,
};
use super::task::ScheduledTask;
use crate::aurora::schema::{SetOf, Thrift, thrift_enum, thrift_struct};
use crate::aurora::value::{Struct, Value};

thrift_enum! {
    /// How a call ended.
    ResponseCode {
        /// The arguments make no sense.
        InvalidRequest = 0 "INVALID_REQUEST",
        /// Done.
        Ok = 1 "OK",
        /// Not done.
        Error = 2 "ERROR",
        /// Done, with a remark.
        Warning = 3 "WARNING",
        /// Not allowed.
        AuthFailed = 4 "AUTH_FAILED",
        /// Somebody else works on the job; named `JOB_UPDATING_ERROR` from 0.19.
        LockError = 5 "LOCK_ERROR",
        /// Not now: this scheduler does not lead, or is not ready. From 0.6.
        ErrorTransient = 6 "ERROR_TRANSIENT",
    }
}

thrift_struct! {
    /// Which cluster answered; from 0.5.
    ServerInfo {
        /// Value of `-cluster_name`.
        1 cluster_name: Option<String>,
        /// 0.5 to 0.10.
        2 thrift_api_version: Option<i32>,
        /// Where statistics are shown.
        3 stats_url_prefix: Option<String>,
    }

    /// One line of the answer's text.
    ResponseDetail {
        /// The text; a scheduler leaves it out when its exception had none.
        1 message: Option<String>,
    }

    /// The answer to any call, of any release.
    Response {
        /// How it ended.
        1 code: ResponseCode,
        /// Text, up to 0.6.
        2 message: Option<String>,
        /// The result; a union by the method, see [`ResultMember`].
        3 result: Option<Struct>,
        /// Version, up to 0.6.
        4 version: Option<Struct>,
        /// Which cluster; from 0.5.
        5 server_info: Option<ServerInfo>,
        /// Text, from 0.5.
        6 details: Option<Vec<ResponseDetail>>,
    }
}

/// Members of the result union by their field ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum ResultMember {
    /// `{1: list<ScheduledTask>}`.
    ScheduleStatus = 3,
    /// `{1: set<JobConfiguration>}`.
    GetJobs = 4,
    /// See [`GetQuotaResult`].
    GetQuota = 5,
    /// `{1: set<string>}`.
    ListBackups = 6,
    /// `{1: set<ScheduledTask>}`.
    QueryRecovery = 9,
    /// `{1: set<HostStatus>}`.
    MaintenanceStatus = 10,
    /// `{1: set<RoleSummary>}`.
    RoleSummary = 17,
    /// `{1: set<JobSummary>}`.
    JobSummary = 18,
    /// `{1: ConfigSummary}`.
    ConfigSummary = 20,
    /// `{1: set<PendingReason>}`.
    PendingReason = 21,
    /// `{1: list<JobUpdateSummary>}`.
    JobUpdateSummaries = 23,
    /// See [`GetTierConfigResult`].
    TierConfig = 27,
}

impl Response {
    /// Code, cluster and nothing else; as a server answers a call without a result.
    pub fn new(code: ResponseCode, cluster_name: &str) -> Self {
        let server_info = ServerInfo {
            cluster_name: Some(cluster_name.to_owned()),
            stats_url_prefix: Some(String::new()),
            ..ServerInfo::default()
        };
        Self { code, server_info: Some(server_info), details: Some(Vec::new()), ..Self::default() }
    }

    /// Adds a line of text.
    #[must_use]
    pub fn with_detail(mut self, text: &str) -> Self {
        let line = ResponseDetail { message: Some(text.to_owned()), other: Struct::new() };
        self.details.get_or_insert_default().push(line);
        self
    }

    /// Sets the result to `{1: value}` under the member.
    #[must_use]
    pub fn with_result(self, member: ResultMember, value: impl Into<Value>) -> Self {
        self.with_result_struct(member, Struct::new().with(1, value))
    }

    /// Sets the result to the struct under the member.
    #[must_use]
    pub fn with_result_struct(mut self, member: ResultMember, result: Struct) -> Self {
        self.result = Some(Struct::new().with(member as i16, result));
        self
    }

    /// The text, one line for each detail; early releases have it in `message`. Empty when the server gave none.
    pub fn text(&self) -> String {
        let lines: Vec<_> = self.details.iter().flatten().filter_map(|line| line.message.as_deref()).collect();
        if lines.is_empty() { self.message.clone().unwrap_or_default() } else { lines.join("\n") }
    }

    /// Name of the cluster that answered, if it said.
    pub fn cluster_name(&self) -> Option<&str> {
        self.server_info.as_ref()?.cluster_name.as_deref()
    }

    /// The member of the result, if that one is set.
    pub fn member(&self, member: ResultMember) -> Option<&Struct> {
        self.result.as_ref()?.rec(member as i16)
    }

    fn first<T: Thrift>(&self, member: ResultMember) -> Option<T> {
        T::from_value(self.member(member)?.get(1)?.clone()).ok()
    }

    /// Tasks of getTasksStatus and getTasksWithoutConfigs.
    pub fn tasks(&self) -> Option<Vec<ScheduledTask>> {
        self.first(ResultMember::ScheduleStatus)
    }

    /// Tasks of queryRecovery, in no order.
    pub fn recovery_tasks(&self) -> Option<Vec<ScheduledTask>> {
        self.first::<SetOf<_>>(ResultMember::QueryRecovery).map(|set| set.0)
    }

    /// Names of listBackups, in no order; everything in the directory, backups or not.
    pub fn backups(&self) -> Option<Vec<String>> {
        self.first::<SetOf<_>>(ResultMember::ListBackups).map(|set| set.0)
    }

    /// Roles of getRoleSummary, in no order.
    pub fn roles(&self) -> Option<Vec<RoleSummary>> {
        self.first::<SetOf<_>>(ResultMember::RoleSummary).map(|set| set.0)
    }

    /// Jobs of getJobSummary, in no order.
    pub fn jobs(&self) -> Option<Vec<JobSummary>> {
        self.first::<SetOf<_>>(ResultMember::JobSummary).map(|set| set.0)
    }

    /// Updates of getJobUpdateSummaries.
    pub fn updates(&self) -> Option<Vec<JobUpdateSummary>> {
        self.first(ResultMember::JobUpdateSummaries)
    }

    /// Quota of getQuota.
    pub fn quota(&self) -> Option<GetQuotaResult> {
        self.member(ResultMember::GetQuota).cloned().map(GetQuotaResult::from_struct)
    }

    /// Jobs of getJobs, in no order: cron jobs as they are kept, others put together from their tasks.
    pub fn job_configurations(&self) -> Option<Vec<JobConfiguration>> {
        self.first::<SetOf<_>>(ResultMember::GetJobs).map(|set| set.0)
    }

    /// Hosts of maintenanceStatus, in no order.
    pub fn host_statuses(&self) -> Option<Vec<HostStatus>> {
        self.first::<SetOf<_>>(ResultMember::MaintenanceStatus).map(|set| set.0)
    }

    /// Configurations of getConfigSummary.
    pub fn config_summary(&self) -> Option<ConfigSummary> {
        self.first(ResultMember::ConfigSummary)
    }

    /// Reasons of getPendingReason, in no order.
    pub fn pending_reasons(&self) -> Option<Vec<PendingReason>> {
        self.first::<SetOf<_>>(ResultMember::PendingReason).map(|set| set.0)
    }

    /// Tiers of getTierConfigs.
    pub fn tiers(&self) -> Option<GetTierConfigResult> {
        self.member(ResultMember::TierConfig).cloned().map(GetTierConfigResult::from_struct)
    }
}
