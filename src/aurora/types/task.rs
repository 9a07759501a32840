//! Tasks: what runs, where, and how far it got.

use crate::aurora::schema::{SetOf, thrift_enum, thrift_struct};
use crate::aurora::value::Struct;
use std::collections::BTreeMap;
use std::fmt;

thrift_enum! {
    /// State of a task.
    ScheduleStatus {
        /// Not yet stored.
        Init = 11 "INIT",
        /// Waits for an offer.
        Pending = 0 "PENDING",
        /// Waits out a penalty.
        Throttled = 16 "THROTTLED",
        /// Given to a host.
        Assigned = 9 "ASSIGNED",
        /// The executor prepares it.
        Starting = 1 "STARTING",
        /// Runs.
        Running = 2 "RUNNING",
        /// Ended by itself, well.
        Finished = 3 "FINISHED",
        /// Ended by itself, badly.
        Failed = 4 "FAILED",
        /// Ended on request.
        Killed = 5 "KILLED",
        /// Ending on request.
        Killing = 6 "KILLING",
        /// Nobody knows where it is.
        Lost = 7 "LOST",
        /// Early releases only.
        SandboxDeleted = 10 "SANDBOX_DELETED",
        /// Ending, to start again.
        Restarting = 12 "RESTARTING",
        /// Ending for a more important one.
        Preempting = 13 "PREEMPTING",
        /// Ending because its host is being emptied; 0.5 and later.
        Draining = 17 "DRAINING",
        /// Its agent is out of reach; 0.20 and later.
        Partitioned = 18 "PARTITIONED",
    }
}

impl ScheduleStatus {
    /// The states of tasks that the scheduler still cares for.
    pub const ACTIVE: &'static [Self] = &[
        Self::Pending,
        Self::Throttled,
        Self::Assigned,
        Self::Starting,
        Self::Running,
        Self::Restarting,
        Self::Preempting,
        Self::Draining,
        Self::Partitioned,
        Self::Killing,
    ];
    /// The states of tasks that occupy a host.
    pub const SLAVE_ASSIGNED: &'static [Self] = &[
        Self::Assigned,
        Self::Starting,
        Self::Running,
        Self::Restarting,
        Self::Preempting,
        Self::Draining,
        Self::Partitioned,
        Self::Killing,
    ];
    /// The states of tasks whose process runs.
    pub const LIVE: &'static [Self] =
        &[Self::Running, Self::Restarting, Self::Preempting, Self::Draining, Self::Partitioned, Self::Killing];
    /// The states that end.
    pub const TERMINAL: &'static [Self] =
        &[Self::Finished, Self::Failed, Self::Killed, Self::Lost, Self::SandboxDeleted];
    /// The states that time out to LOST after `-transient_task_state_timeout`.
    pub const TRANSIENT: &'static [Self] =
        &[Self::Assigned, Self::Preempting, Self::Restarting, Self::Killing, Self::Draining];

    /// In [`Self::ACTIVE`].
    pub fn is_active(self) -> bool {
        Self::ACTIVE.contains(&self)
    }

    /// In [`Self::SLAVE_ASSIGNED`].
    pub fn is_slave_assigned(self) -> bool {
        Self::SLAVE_ASSIGNED.contains(&self)
    }

    /// In [`Self::LIVE`].
    pub fn is_live(self) -> bool {
        Self::LIVE.contains(&self)
    }

    /// In [`Self::TERMINAL`].
    pub fn is_terminal(self) -> bool {
        Self::TERMINAL.contains(&self)
    }

    /// In [`Self::TRANSIENT`].
    pub fn is_transient(self) -> bool {
        Self::TRANSIENT.contains(&self)
    }
}

thrift_struct! {
    /// Name of a job.
    JobKey {
        /// Owner.
        1 role: String,
        /// `prod`, `devel`, …
        2 environment: String,
        /// Name within both.
        3 name: String,
    }

    /// Who owns; the role left this struct with 0.13.
    Identity {
        /// Owner, up to 0.12.
        1 role: Option<String>,
        /// Who asked for it.
        2 user: Option<String>,
    }

    /// One resource; a union.
    Resource {
        /// Cores.
        1 num_cpus: Option<f64>,
        /// Memory in MiB.
        2 ram_mb: Option<i64>,
        /// Disk in MiB.
        3 disk_mb: Option<i64>,
        /// Name of a port to be given.
        4 named_port: Option<String>,
        /// Graphics processors.
        5 num_gpus: Option<i64>,
    }

    /// How a task is run.
    ExecutorConfig {
        /// `AuroraExecutor` for Thermos.
        1 name: Option<String>,
        /// JSON text for Thermos. Absent in answers of getTasksWithoutConfigs.
        2 data: Option<String>,
    }

    /// A label.
    Metadata {
        /// Key.
        1 key: String,
        /// Value.
        2 value: String,
    }

    /// What a task is to be.
    TaskConfig {
        /// Name of the job, up to 0.12.
        3 job_name: Option<String>,
        /// Runs for ever.
        7 is_service: Option<bool>,
        /// Cores, up to 0.19.
        8 num_cpus: Option<f64>,
        /// Memory in MiB, up to 0.19.
        9 ram_mb: Option<i64>,
        /// Disk in MiB, up to 0.19.
        10 disk_mb: Option<i64>,
        /// Priority within the role.
        11 priority: Option<i32>,
        /// Failures after which it is given up; -1 for never.
        13 max_task_failures: Option<i32>,
        /// Owner.
        17 owner: Option<Identity>,
        /// May preempt others.
        18 production: Option<bool>,
        /// Names of ports, up to 0.19.
        21 requested_ports: Option<SetOf<String>>,
        /// Whom to tell.
        23 contact_email: Option<String>,
        /// How it is run.
        25 executor_config: Option<ExecutorConfig>,
        /// Environment, up to 0.12.
        26 environment: Option<String>,
        /// Labels, from 0.5.
        27 metadata: Option<SetOf<Metadata>>,
        /// Name of the job, from 0.6.
        28 job: Option<JobKey>,
        /// Tier, from 0.10.
        30 tier: Option<String>,
        /// Resources, from 0.14.
        32 resources: Option<SetOf<Resource>>,
    }

    /// A task with a place.
    AssignedTask {
        /// Id, unique for ever.
        1 task_id: String,
        /// Mesos agent id, once assigned.
        2 slave_id: Option<String>,
        /// Host, once assigned.
        3 slave_host: Option<String>,
        /// What it is to be; unset within a deduplicated snapshot.
        4 task: Option<TaskConfig>,
        /// Ports by name, once assigned.
        5 assigned_ports: Option<BTreeMap<String, i32>>,
        /// Index within the job.
        6 instance_id: i32,
    }

    /// One change of state.
    TaskEvent {
        /// Milliseconds since the epoch.
        1 timestamp_ms: i64,
        /// State entered.
        2 status: ScheduleStatus,
        /// Why.
        3 message: Option<String>,
        /// Host of the scheduler that noted it.
        4 scheduler: Option<String>,
    }

    /// A task as the scheduler keeps it.
    ScheduledTask {
        /// What and where.
        1 assigned_task: AssignedTask,
        /// State.
        2 status: ScheduleStatus,
        /// Failures so far.
        3 failure_count: i32,
        /// Its history, oldest first.
        4 task_events: Option<Vec<TaskEvent>>,
        /// The task that this one replaces.
        5 ancestor_id: Option<String>,
        /// Times its agent was out of reach, from 0.20.
        6 times_partitioned: Option<i32>,
    }

    /// Which tasks; unset terms do not restrict, set terms are combined with "and".
    TaskQuery {
        /// Name of the job.
        2 job_name: Option<String>,
        /// Ids of tasks.
        4 task_ids: Option<SetOf<String>>,
        /// States.
        5 statuses: Option<SetOf<ScheduleStatus>>,
        /// Host, up to 0.3.
        6 slave_host: Option<String>,
        /// Indexes within the job.
        7 instance_ids: Option<SetOf<i32>>,
        /// Owner, up to 0.12.
        8 owner: Option<Identity>,
        /// Environment.
        9 environment: Option<String>,
        /// Hosts, from 0.5.
        10 slave_hosts: Option<SetOf<String>>,
        /// Names of jobs, from 0.5.
        11 job_keys: Option<SetOf<JobKey>>,
        /// Tasks to leave out at the start; getTasks* only.
        12 offset: Option<i32>,
        /// Tasks to give at most; getTasks* only. The calls about a staged backup ignore it.
        13 limit: Option<i32>,
        /// Owner, from 0.6.
        14 role: Option<String>,
    }
}

impl JobKey {
    /// A key of these three.
    pub fn new(role: &str, environment: &str, name: &str) -> Self {
        Self { role: role.to_owned(), environment: environment.to_owned(), name: name.to_owned(), other: Struct::new() }
    }
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.role, self.environment, self.name)
    }
}

impl TaskConfig {
    /// Name of the job: field 28, or as releases up to 0.5 spread it over three fields. `None` when neither is whole.
    pub fn job_key(&self) -> Option<JobKey> {
        if let Some(job) = &self.job {
            return Some(job.clone());
        }
        let role = self.owner.as_ref()?.role.as_deref()?;
        Some(JobKey::new(role, self.environment.as_deref()?, self.job_name.as_deref()?))
    }

    /// Cores, memory in MiB and disk in MiB, from whichever fields the release used; `None` where neither says it.
    pub fn resources_flat(&self) -> (Option<f64>, Option<i64>, Option<i64>) {
        let resources = self.resources.as_deref().map_or(&[][..], Vec::as_slice);
        (
            resources.iter().find_map(|one| one.num_cpus).or(self.num_cpus),
            resources.iter().find_map(|one| one.ram_mb).or(self.ram_mb),
            resources.iter().find_map(|one| one.disk_mb).or(self.disk_mb),
        )
    }
}

impl ScheduledTask {
    /// Id of the task.
    pub fn id(&self) -> &str {
        &self.assigned_task.task_id
    }

    /// Name of its job, if its configuration says it.
    pub fn job_key(&self) -> Option<JobKey> {
        self.assigned_task.task.as_ref()?.job_key()
    }

    /// Newest change of state, in milliseconds since the epoch.
    pub fn last_event_ms(&self) -> Option<i64> {
        self.task_events.as_ref()?.iter().map(|event| event.timestamp_ms).max()
    }
}

impl TaskQuery {
    /// All tasks in the states that the scheduler still cares for; what `aurora_admin scheduler_print_recovery_tasks` asks for.
    pub fn active() -> Self {
        Self { statuses: Some(SetOf(ScheduleStatus::ACTIVE.to_vec())), ..Self::default() }
    }

    /// These tasks.
    pub fn ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> Self {
        Self { task_ids: Some(ids.into_iter().map(str::to_owned).collect()), ..Self::default() }
    }

    /// True when some server would take the query for "everything": no term is set, or every set term is one that some release
    /// treats as absent (a blank text, an empty set, an owner without a role), or only offset and limit are set. `slave_host` is no term: from
    /// 0.5 on it is stepped over.
    pub fn is_empty(&self) -> bool {
        let blank = |text: &Option<String>| text.as_deref().is_none_or(|text| text.trim().is_empty());
        let terms = [
            blank(&self.job_name),
            none_in(self.task_ids.as_ref()),
            none_in(self.statuses.as_ref()),
            none_in(self.instance_ids.as_ref()),
            self.owner.as_ref().is_none_or(|owner| blank(&owner.role)),
            blank(&self.environment),
            none_in(self.slave_hosts.as_ref()),
            none_in(self.job_keys.as_ref()),
            blank(&self.role),
        ];
        terms.into_iter().all(|absent| absent)
    }

    /// True when a term is set but holds nothing: an empty set, a blank text. Releases differ in what that means (nothing, or everything), so no call that changes
    /// state may carry one, even beside a term that restricts.
    pub fn has_empty_set(&self) -> bool {
        fn hollow<T>(set: Option<&SetOf<T>>) -> bool {
            set.is_some_and(|set| set.is_empty())
        }
        let blank = |text: Option<&String>| text.is_some_and(|text| text.trim().is_empty());
        let owner_role = self.owner.as_ref().and_then(|owner| owner.role.as_ref());
        let texts = [self.job_name.as_ref(), self.environment.as_ref(), self.role.as_ref(), owner_role];
        texts.into_iter().any(blank)
            || hollow(self.task_ids.as_ref())
            || hollow(self.statuses.as_ref())
            || hollow(self.instance_ids.as_ref())
            || hollow(self.slave_hosts.as_ref())
            || hollow(self.job_keys.as_ref())
    }

    /// Whether the task is one of those asked for, by the rules of 0.9 and later (an empty set or a blank role is no term).
    pub fn matches(&self, task: &ScheduledTask) -> bool {
        let key = task.job_key();
        let job = key.as_ref();
        let host = task.assigned_task.slave_host.as_deref();
        let owner_role = self.owner.as_ref().and_then(|owner| owner.role.as_deref());
        text_fits(self.role.as_deref().or(owner_role), job.map(|job| job.role.as_str()))
            && text_fits(self.environment.as_deref(), job.map(|job| job.environment.as_str()))
            && text_fits(self.job_name.as_deref(), job.map(|job| job.name.as_str()))
            && text_fits(self.slave_host.as_deref(), host)
            && fits(self.task_ids.as_ref(), |id| id == task.id())
            && fits(self.statuses.as_ref(), |status| *status == task.status)
            && fits(self.instance_ids.as_ref(), |id| *id == task.assigned_task.instance_id)
            && fits(self.slave_hosts.as_ref(), |wanted| Some(wanted.as_str()) == host)
            && fits(self.job_keys.as_ref(), |wanted| Some(wanted) == job)
    }
}

fn none_in<T>(set: Option<&SetOf<T>>) -> bool {
    set.is_none_or(|set| set.is_empty())
}

fn fits<T>(set: Option<&SetOf<T>>, one: impl Fn(&T) -> bool) -> bool {
    set.is_none_or(|set| set.is_empty() || set.iter().any(one))
}

fn text_fits(wanted: Option<&str>, found: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| wanted.trim().is_empty() || Some(wanted) == found)
}
