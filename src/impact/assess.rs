//! The comparison itself.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    affected::{Affected, AffectedTask},
    fate::{Fate, Truth, fate},
    framework::{self, FrameworkFate, FrameworkJudged},
    groups::{Group, JobGroup, Tally, Totals},
    model::{BackupFacts, FORMAT, Impact, LiveFacts, Note, Verdict},
    notes,
    prediction::Prediction,
    reverted,
    sides::{BackupSide, LiveSide, Master, SchedulerSide},
    table::{TaskTable, TaskView},
    version,
};
use crate::{
    aurora::types::ScheduleStatus,
    mesos::{
        names::Full,
        state::{Framework, MasterState, Standing, TaskRef, Tasks},
    },
};

/// What restoring this backup would do to what there is.
pub fn assess(backup: &BackupSide, live: &LiveSide) -> Impact {
    compare(backup, live).impact
}

/// The same, with what is kept to be compared with what happens.
pub fn predict(backup: &BackupSide, live: &LiveSide) -> (Impact, Prediction) {
    let compared = compare(backup, live);
    let prediction = Prediction::of(backup, &compared);
    (compared.impact, prediction)
}

/// The comparison with the fate of each single task.
pub(super) struct Compared<'a> {
    pub impact: Impact,
    /// By place in the backup.
    pub of_backup: Vec<Option<Fate>>,
    /// What runs.
    pub truth: Source<'a>,
    /// By place in what runs; `None` also for what the backup has.
    pub of_live: Vec<Option<Fate>>,
}

/// Where it is known from what runs.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// The framework of the backup, at the master.
    Master(&'a MasterState, &'a Tasks),
    /// The master answered and has no such framework: nothing of it runs.
    Nothing,
    /// The same, and a scheduler would not even register.
    Refused,
    /// What a scheduler believes.
    Scheduler(&'a TaskTable),
    /// Nobody says.
    Unknown,
}

/// A task of the live side, from wherever it is known.
pub(super) struct LiveView<'a> {
    pub id: &'a str,
    pub job: Cow<'a, str>,
    pub instance: Option<i32>,
    pub state: Cow<'a, str>,
    pub host: &'a str,
    pub amount: crate::mesos::names::Amount,
}

impl<'a> Source<'a> {
    fn of(backup: &BackupSide, live: &'a LiveSide, framework: &FrameworkJudged) -> Self {
        match &live.master {
            Master::Answered(state) => match framework.fate {
                FrameworkFate::Active | FrameworkFate::Disconnected | FrameworkFate::Recovered => {
                    let known = backup.framework_id.as_deref().and_then(|id| state.framework(id));
                    known.map_or(Self::Unknown, |framework| Self::Master(state, &framework.tasks))
                }
                FrameworkFate::NotListed | FrameworkFate::NotInBackup => Self::Nothing,
                FrameworkFate::Removed => Self::Refused,
                FrameworkFate::Unknown => Self::Unknown,
            },
            Master::Silent(_) => {
                let tasks = live.scheduler.as_ref().and_then(|scheduler| scheduler.tasks.as_ref());
                tasks.map_or(Self::Unknown, Self::Scheduler)
            }
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Master(_, tasks) => tasks.len(),
            Self::Scheduler(tasks) => tasks.len(),
            Self::Nothing | Self::Refused | Self::Unknown => 0,
        }
    }

    /// Place of this id among what runs.
    fn find(self, id: &str) -> Option<usize> {
        match self {
            Self::Master(_, tasks) => tasks.place(id),
            Self::Scheduler(tasks) => tasks.find(id),
            Self::Nothing | Self::Refused | Self::Unknown => None,
        }
    }

    fn truth_at(self, at: usize) -> Truth {
        match self {
            Self::Master(_, tasks) => tasks.at(at).map_or(Truth::Unknown, |task| Truth::from(task.state)),
            Self::Scheduler(tasks) => tasks.at(at).map_or(Truth::Unknown, |task| believed(task.status)),
            Self::Nothing | Self::Refused | Self::Unknown => Truth::Unknown,
        }
    }

    /// What is known of a task of the backup that is not among what runs.
    fn truth_of_absent(self, task: &TaskView<'_>) -> Truth {
        match self {
            // Its agent has not told the master yet what runs on it.
            Self::Master(state, _) if state.agents_missing > 0 && state.agents.host(task.agent_id).is_none() => {
                Truth::Unknown
            }
            Self::Master(..) | Self::Nothing | Self::Refused | Self::Scheduler(_) => Truth::Gone,
            Self::Unknown => Truth::Unknown,
        }
    }

    /// The task at this place.
    pub(super) fn at(self, at: usize) -> Option<LiveView<'a>> {
        match self {
            Self::Master(state, tasks) => Some(of_master(state, tasks.at(at)?)),
            Self::Scheduler(tasks) => Some(of_scheduler(tasks.at(at)?)),
            Self::Nothing | Self::Refused | Self::Unknown => None,
        }
    }
}

fn of_master<'a>(state: &'a MasterState, task: TaskRef<'a>) -> LiveView<'a> {
    // Aurora names a task after its job; anything else is none of Aurora's names.
    let job = if task.name.matches('/').count() == 2 { task.name } else { "" };
    LiveView {
        id: task.id,
        job: Cow::Borrowed(job),
        instance: instance_in(task.id, job),
        state: Cow::Borrowed(task.state.word()),
        host: state.agents.host(task.agent_id).unwrap_or_default(),
        amount: (task.cpus, task.mem_mb, task.disk_mb),
    }
}

fn of_scheduler(task: TaskView<'_>) -> LiveView<'_> {
    LiveView {
        id: task.id,
        job: Cow::Borrowed(task.job),
        instance: Some(task.instance),
        state: Cow::Owned(task.status.to_string()),
        host: task.host,
        amount: (task.cpus, task.ram_mb, task.disk_mb),
    }
}

/// What a scheduler's own state says of what runs.
fn believed(status: ScheduleStatus) -> Truth {
    match status {
        ScheduleStatus::Assigned
        | ScheduleStatus::Starting
        | ScheduleStatus::Running
        | ScheduleStatus::Restarting
        | ScheduleStatus::Preempting
        | ScheduleStatus::Draining => Truth::Runs,
        ScheduleStatus::Killing => Truth::Ending,
        ScheduleStatus::Partitioned => Truth::Unreachable,
        ScheduleStatus::Init | ScheduleStatus::Pending | ScheduleStatus::Throttled => Truth::Gone,
        ScheduleStatus::Finished
        | ScheduleStatus::Failed
        | ScheduleStatus::Killed
        | ScheduleStatus::Lost
        | ScheduleStatus::SandboxDeleted => Truth::Ended,
        ScheduleStatus::Other(_) => Truth::Unknown,
    }
}

/// Index within the job, from a task id: `role-environment-job-INDEX-uuid`, up to 0.12 after milliseconds and a dash.
pub(super) fn instance_in(id: &str, job: &str) -> Option<i32> {
    let rest = without_job(id, job).or_else(|| {
        let (millis, rest) = id.split_once('-')?;
        millis.bytes().all(|byte| byte.is_ascii_digit()).then(|| without_job(rest, job)).flatten()
    })?;
    rest.split_once('-')?.0.parse().ok().filter(|index| *index >= 0)
}

fn without_job<'i>(id: &'i str, job: &str) -> Option<&'i str> {
    let mut rest = id;
    for part in job.splitn(3, '/') {
        rest = rest.strip_prefix(part)?.strip_prefix('-')?;
    }
    Some(rest)
}

fn compare<'a>(backup: &BackupSide, live: &'a LiveSide) -> Compared<'a> {
    let framework = framework::judge(backup, live);
    let truth = Source::of(backup, live, &framework);
    let (of_backup, of_live) = fates(&backup.tasks, truth);
    let mut walk = Walk { tally: Tally::default(), affected: Affected::default(), scheduler: live.scheduler.as_ref() };
    let mut full = false;
    for (task, fate) in backup.tasks.iter().zip(&of_backup) {
        full |= fate.is_some_and(|fate| walk.of_backup(&task, fate, truth).is_err());
    }
    for (at, fate) in of_live.iter().enumerate() {
        full |= fate.is_some_and(|fate| truth.at(at).is_some_and(|task| walk.of_live(&task, fate).is_err()));
    }
    for (state, other) in orphans(backup, live, truth) {
        for task in other.tasks.alive() {
            full |= walk.of_live(&of_master(state, task), Fate::Orphaned).is_err();
        }
    }
    let Walk { tally, mut affected, .. } = walk;
    affected.sort();
    let version = version::judge(backup, live);
    let totals = tally.totals();
    let active_tasks = backup.tasks.iter().filter(|task| task.status.is_active()).count() as u64;
    let mut impact = Impact {
        format: FORMAT,
        verdict: Verdict::Unknown,
        backup: BackupFacts {
            timestamp_ms: backup.timestamp_ms,
            framework_id: backup.framework_id.clone(),
            build_version: backup.build_version.clone(),
            tasks: backup.tasks.len() as u64,
            active_tasks,
        },
        live: facts(live, truth),
        framework,
        version,
        counts: totals.counts,
        fates: Fate::ALL.into_iter().map(|fate| (fate.name().to_owned(), fate.words().to_owned())).collect(),
        killed_resources: totals.killed_resources,
        restarted_resources: totals.restarted_resources,
        by_role: Vec::new(),
        by_environment: Vec::new(),
        by_job: Vec::new(),
        reverted: reverted::judge(backup, live, truth),
        stops: Vec::new(),
        warnings: Vec::new(),
        unknowns: Vec::new(),
        tasks: affected,
    };
    group(&mut impact, &tally);
    notes::say(&mut impact, backup, live, truth);
    if full {
        impact.unknowns.push(Note::new("too-many-tasks", "there are more tasks than can be listed"));
    }
    impact.verdict = verdict(&impact, truth);
    Compared { impact, of_backup, truth, of_live }
}

fn fates(backup: &TaskTable, truth: Source<'_>) -> (Vec<Option<Fate>>, Vec<Option<Fate>>) {
    let mut met = vec![false; truth.len()];
    let mut of_backup = Vec::with_capacity(backup.len());
    for task in backup.iter() {
        let at = truth.find(task.id);
        if let Some(met) = at.and_then(|at| met.get_mut(at)) {
            *met = true;
        }
        let known = at.map_or_else(|| truth.truth_of_absent(&task), |at| truth.truth_at(at));
        let fate = fate(Some(task.status), known).map(|fate| match (fate, truth) {
            (Fate::History, _) => fate,
            (_, Source::Refused) => Fate::Stuck,
            _ => fate,
        });
        of_backup.push(fate);
    }
    let of_live = met.iter().enumerate().map(|(at, met)| if *met { None } else { fate(None, truth.truth_at(at)) });
    (of_backup, of_live.collect())
}

/// Frameworks of Aurora whose tasks a restored scheduler would not get.
fn orphans<'a>(
    backup: &BackupSide,
    live: &'a LiveSide,
    truth: Source<'_>,
) -> impl Iterator<Item = (&'a MasterState, &'a Framework)> {
    let own = backup.framework_id.clone();
    let known = !matches!(truth, Source::Unknown);
    let state = match &live.master {
        Master::Answered(state) if known => Some(state),
        Master::Answered(_) | Master::Silent(_) => None,
    };
    state.into_iter().flat_map(move |state| {
        let own = own.clone();
        state
            .aurora()
            .filter(move |one| own.as_deref() != Some(one.id.as_str()) && one.standing != Standing::Removed)
            .map(move |one| (state, one))
    })
}

struct Walk<'a> {
    tally: Tally,
    affected: Affected,
    scheduler: Option<&'a SchedulerSide>,
}

impl Walk<'_> {
    fn of_backup(&mut self, task: &TaskView<'_>, fate: Fate, truth: Source<'_>) -> Result<(), Full> {
        let amount = (task.cpus, task.ram_mb, task.disk_mb);
        self.tally.add(task.job, fate, Some(task.instance), task.owner, amount)?;
        if !fate.is_listed() {
            return Ok(());
        }
        let live = truth.find(task.id).and_then(|at| truth.at(at));
        let (now, host) = live.map_or((Cow::Borrowed(""), ""), |live| (live.state, live.host));
        self.affected.add(&AffectedTask {
            id: task.id.into(),
            fate: Some(fate),
            job: task.job.into(),
            instance: Some(task.instance),
            in_backup: task.status.name().into(),
            now,
            host: if host.is_empty() { task.host.into() } else { host.into() },
            owner: task.owner.into(),
            cpus: task.cpus,
            ram_mb: task.ram_mb,
            disk_mb: task.disk_mb,
        })
    }

    fn of_live(&mut self, task: &LiveView<'_>, fate: Fate) -> Result<(), Full> {
        let table = self.scheduler.and_then(|scheduler| scheduler.tasks.as_ref());
        let believed = table.and_then(|table| table.at(table.find(task.id)?));
        let owner = believed.map_or("", |task| task.owner);
        let job = believed.map(|task| task.job).filter(|job| !job.is_empty()).unwrap_or(&task.job);
        let instance = believed.map(|task| task.instance).or(task.instance);
        self.tally.add(job, fate, instance, owner, task.amount)?;
        self.affected.add(&AffectedTask {
            id: task.id.into(),
            fate: Some(fate),
            job: job.into(),
            instance,
            in_backup: "".into(),
            now: task.state.as_ref().into(),
            host: task.host.into(),
            owner: owner.into(),
            cpus: task.amount.0,
            ram_mb: task.amount.1,
            disk_mb: task.amount.2,
        })
    }
}

fn facts(live: &LiveSide, truth: Source<'_>) -> LiveFacts {
    let state = match &live.master {
        Master::Answered(state) => Some(state),
        Master::Silent(_) => None,
    };
    let running = match truth {
        Source::Unknown => None,
        _ => {
            let alive = |truth| matches!(truth, Truth::Runs | Truth::Ending | Truth::Unreachable);
            Some((0..truth.len()).filter(|at| alive(truth.truth_at(*at))).count() as u64)
        }
    };
    LiveFacts {
        at_ms: live.at_ms,
        master: state.is_some(),
        master_version: state.and_then(|state| state.version.clone()),
        scheduler: live.scheduler.is_some(),
        scheduler_version: live.scheduler.as_ref().and_then(|scheduler| scheduler.version.clone()),
        running,
    }
}

fn group(impact: &mut Impact, tally: &Tally) {
    let mut roles: BTreeMap<String, Totals> = BTreeMap::new();
    let mut environments: BTreeMap<String, Totals> = BTreeMap::new();
    let mut jobs: Vec<JobGroup> = Vec::new();
    for (job, totals) in tally.jobs() {
        let mut parts = job.splitn(3, '/');
        let (role, environment) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        for (groups, name) in [(&mut roles, role), (&mut environments, environment)] {
            groups.entry(name.to_owned()).or_default().merge(totals);
        }
        if totals.counts.sum(|fate| fate != Fate::History) > 0 {
            jobs.push(totals.job_group(job, tally));
        }
    }
    for job in &mut jobs {
        let role = job.job.split('/').next().unwrap_or_default();
        if job.owners.is_empty()
            && !role.is_empty()
            && let Some(totals) = roles.get(role)
        {
            job.owners = totals.owners(tally).0;
            job.owners_by_role = !job.owners.is_empty();
        }
    }
    jobs.sort_by(|a, b| a.job.cmp(&b.job));
    let groups = |of: BTreeMap<String, Totals>| -> Vec<Group> {
        of.into_iter().map(|(name, totals)| totals.group(name, tally)).collect()
    };
    (impact.by_role, impact.by_environment, impact.by_job) = (groups(roles), groups(environments), jobs);
}

fn verdict(impact: &Impact, truth: Source<'_>) -> Verdict {
    if !impact.stops.is_empty() {
        Verdict::MustNotRestore
    } else if matches!(truth, Source::Unknown) {
        Verdict::Unknown
    } else if impact.kills() > 0 {
        Verdict::Kills
    } else if impact.counts.unknown() > 0 || !impact.unknowns.is_empty() {
        Verdict::Unknown
    } else {
        Verdict::KillsNone
    }
}
