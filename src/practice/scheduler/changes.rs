//! The few calls that change jobs and quotas and are done for real, so that a backup has something to differ from.

use crate::aurora::value::{Struct, Value};

use super::{
    core::{Core, Wish},
    election::uuid,
    entry::replaced,
    recovery::CallError,
    state::{job_key, list, set, status, task_job, task_status, text, with_status},
    words::{Level, say},
};

/// `-max_tasks_per_job`, as long as nobody sets it.
const INSTANCES_MAX: i32 = 5000;

/// Sets a role's quota.
pub async fn set_quota(core: &Core, args: &Struct) -> Result<(), CallError> {
    core.ready()?;
    let quota = args.rec(2).cloned().unwrap_or_default();
    let op = Struct::new().with(8, Struct::new().with(1, text(args, 1)).with(2, quota));
    Ok(core.transact(vec![op]).await?)
}

/// Makes a job's tasks, which the driver then places.
pub async fn create_job(core: &Core, args: &Struct) -> Result<(), CallError> {
    core.ready()?;
    let job = args.rec(1).cloned().unwrap_or_default();
    let key = job_key(job.rec(9));
    let (role, environment, name) = &key;
    if job.str(4).is_some() {
        let why = "Cron jobs may only be created/updated by calling scheduleCronJob.";
        return Err(CallError::Invalid(why.to_owned()));
    }
    let instances = job.get(8).and_then(Value::as_i32).unwrap_or(1);
    if !(1..=INSTANCES_MAX).contains(&instances) || name.is_empty() {
        return Err(CallError::Invalid("The instance count or the job key is not valid.".to_owned()));
    }
    let there = {
        let state = core.state.borrow();
        let own = |task: &Struct| task_job(task) == key && status::ACTIVE.contains(&task_status(task));
        state.crons.contains_key(&key) || state.tasks.values().any(own)
    };
    if there {
        return Err(CallError::Invalid(format!("Job already exists: {role}/{environment}/{name}")));
    }
    let config = replaced(&job.rec(6).cloned().unwrap_or_default(), 28, job.rec(9).cloned().unwrap_or_default().into());
    let now = core.now();
    let task = |instance: i32| {
        let id = format!("{role}-{environment}-{name}-{instance}-{}", uuid());
        let line = format!("{id} state machine transition INIT -> PENDING");
        say(Level::Info, "qtp-api", "StateMachine", &line);
        let assigned = Struct::new().with(1, id).with(4, config.clone()).with(6, instance);
        let task = Struct::new().with(1, assigned).with(2, status::PENDING).with(3, 0_i32).with(4, list(Vec::new()));
        with_status(&task, status::PENDING, now, None)
    };
    let tasks: Vec<Struct> = (0..instances).map(task).collect();
    let launched = format!("Launched {instances} tasks for {role}/{environment}/{name}");
    core.transact(vec![Struct::new().with(6, Struct::new().with(1, set(tasks)))]).await?;
    say(Level::Info, "qtp-api", "SchedulerThriftInterface", &launched);
    core.wish(Wish::Launch);
    Ok(())
}
