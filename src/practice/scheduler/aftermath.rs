//! What a leader does about tasks once it is registered: what was on its way when its state was saved, and what the
//! master says runs.
//!
//! This is where a restored backup meets reality: what is unknown here is killed, what is gone there is started again.
//! The rules are those of the real task state machine for the statuses that the practice master can report.

use crate::{
    aurora::value::{Struct, Value},
    practice::master::{Kill, Launch, Reconcile, TaskStatus},
};

use super::{
    core::StorageError,
    driver::{Driver, master_task},
    election::uuid,
    entry::replaced,
    state::{job_key, list, set, status, task_id, task_job, task_status, text, with_status},
    words::{Level, say},
};

/// `JobUpdateStatus`: those that go on by themselves, and what becomes of them.
const ROLLING: [(i32, i32); 2] = [(0, 4), (1, 5)];
/// `MaintenanceMode.DRAINING`
const DRAINING_HOST: i32 = 3;
/// `MaintenanceMode.DRAINED`
const DRAINED_HOST: i32 = 4;
/// What a state machine of a task that is in no store begins with.
const DELETED: &str = "DELETED";

const STATUS_THREAD: &str = "TaskStatusHandlerImpl";

impl Driver {
    /// Tasks on their way from one state to another, each with its state.
    pub(super) fn transient(&self) -> Vec<(String, i32)> {
        let state = self.core.state.borrow();
        let known = state.tasks.iter().map(|(id, task)| (id.clone(), task_status(task)));
        known.filter(|(_, own)| status::TRANSIENT.contains(own)).collect()
    }

    /// Keys of updates that go on by themselves, with what becomes of them.
    pub(super) fn updates_on_their_way(&self) -> Vec<(Struct, i32)> {
        let active = self.core.state.borrow().active_updates().into_iter();
        let rolling = active.filter_map(|(key, own)| {
            let (_, end) = ROLLING.iter().find(|(begun, _)| *begun == own)?;
            Some((key, *end))
        });
        rolling.collect()
    }

    /// What was interrupted goes on.
    pub(super) async fn resume(&self, master: &str, id: &str, updates: &[(Struct, i32)]) -> Option<()> {
        for (key, _) in updates {
            let (role, environment, name) = job_key(key.rec(1));
            let text = format!(
                "Automatically resuming update IJobUpdateKey{{job=IJobKey{{role={role}, environment={environment}, \
                 name={name}}}, id={}}}",
                text(key, 2)
            );
            say(Level::Info, "JobUpdateEventSubscriber STARTING", "JobUpdateControllerImpl", &text);
        }
        self.drain(master, id).await?;
        self.launch_pending(master, id).await
    }

    /// An update's tasks are the wanted ones already: it is over.
    pub(super) async fn finish_updates(&self, updates: &[(Struct, i32)]) -> Option<()> {
        let now = self.core.now();
        let still: Vec<Struct> = self.core.state.borrow().active_updates().into_iter().map(|(key, _)| key).collect();
        let over = updates.iter().filter(|(key, _)| still.contains(key)).map(|(key, end)| {
            let event = Struct::new().with(1, *end).with(2, now);
            Struct::new().with(15, Struct::new().with(1, event).with(3, key.clone()))
        });
        let over: Vec<Struct> = over.collect();
        if over.is_empty() { Some(()) } else { self.core.transact(over).await.ok() }
    }

    /// Moves tasks off hosts that are drained, and notes which hosts are empty.
    async fn drain(&self, master: &str, id: &str) -> Option<()> {
        let draining: Vec<Struct> = {
            let state = self.core.state.borrow();
            state.hosts.values().filter(|host| mode_of(host) == DRAINING_HOST).cloned().collect()
        };
        for host in draining {
            let name = text(&host, 1);
            let there: Vec<Struct> = {
                let state = self.core.state.borrow();
                let on_host = |task: &&Struct| task.rec(1).is_some_and(|assigned| text(assigned, 3) == name);
                state.tasks.values().filter(|task| on_agent(task)).filter(on_host).cloned().collect()
            };
            let mut left = 0;
            for task in &there {
                if status::TRANSIENT.contains(&task_status(task)) {
                    // Reconciliation or the clock ends it.
                    left += 1;
                    continue;
                }
                self.drain_task(master, id, task).await?;
            }
            if left == 0 {
                let drained = replaced(&host, 3, Value::I32(DRAINED_HOST));
                let op = Struct::new().with(10, Struct::new().with(1, drained));
                self.core.transact(vec![op]).await.ok()?;
                let text = format!("Host {name} is DRAINED");
                say(Level::Info, "MaintenanceController", "MaintenanceController$MaintenanceControllerImpl", &text);
            }
        }
        Some(())
    }

    async fn drain_task(&self, master: &str, id: &str, task: &Struct) -> Option<()> {
        let now = self.core.now();
        let own = task_id(task);
        step(&own, status::name(task_status(task)), "DRAINING");
        self.kill(master, id, &own, "its host is drained").await?;
        step(&own, "DRAINING", "KILLED");
        let draining = with_status(task, status::DRAINING, now, Some("Draining machine for maintenance."));
        let over = with_status(&draining, status::KILLED, now, None);
        self.save(vec![successor(task, &own, now), over]).await.ok()
    }

    async fn kill(&self, master: &str, id: &str, task: &str, reason: &str) -> Option<()> {
        let ask = Kill { framework_id: id.to_owned(), task_id: task.to_owned(), reason: reason.to_owned() };
        self.call::<_, ()>(master, "kill", &ask).await
    }

    /// Asks for every task that the storage believes to be on an agent.
    pub(super) async fn explicit(&self, master: &str, id: &str) -> Option<()> {
        let known: Vec<String> =
            self.core.state.borrow().tasks.values().filter(|task| on_agent(task)).map(task_id).collect();
        let text = format!("Performing explicit reconciliation for {} tasks", known.len());
        say(Level::Info, "TaskReconciler", "TaskReconciler", &text);
        let ask = Reconcile { framework_id: id.to_owned(), task_ids: Some(known) };
        self.reconcile(master, id, ask).await?;
        self.core.count("reconciliation_explicit_runs", 1);
        Some(())
    }

    /// Asks for everything that runs.
    pub(super) async fn implicit(&self, master: &str, id: &str) -> Option<()> {
        say(Level::Info, "TaskReconciler", "TaskReconciler", "Performing implicit reconciliation");
        let ask = Reconcile { framework_id: id.to_owned(), task_ids: None };
        self.reconcile(master, id, ask).await?;
        self.core.count("reconciliation_implicit_runs", 1);
        Some(())
    }

    async fn reconcile(&self, master: &str, id: &str, ask: Reconcile) -> Option<()> {
        let reported: Vec<TaskStatus> = self.call(master, "reconcile", &ask).await?;
        let (mut lost, mut run) = (Vec::new(), Vec::new());
        for task in reported {
            let known = self.core.state.borrow().tasks.get(&task.task_id).map(task_status);
            match (task.state.as_str(), known) {
                ("TASK_LOST", Some(own)) if status::ON_AGENT.contains(&own) => lost.push(task.task_id),
                ("TASK_RUNNING", Some(status::ASSIGNED | status::STARTING)) => run.push(task.task_id),
                ("TASK_RUNNING", known) => self.runs(master, id, &task.task_id, known).await?,
                _ => {}
            }
        }
        self.note_running(&run).await.ok()?;
        self.replace_lost(&lost, "Reconciliation: Task is unknown to the agent").await.ok()?;
        self.drain(master, id).await?;
        self.launch_pending(master, id).await
    }

    /// A task runs whose state here does not lead to RUNNING.
    async fn runs(&self, master: &str, id: &str, task: &str, known: Option<i32>) -> Option<()> {
        let (from, reason) = match known {
            None => (DELETED, Some("unknown to the scheduler: DELETED -> RUNNING is not allowed")),
            Some(own) if !status::ACTIVE.contains(&own) => {
                (status::name(own), Some("the scheduler holds it for ended"))
            }
            Some(status::KILLING) => ("KILLING", Some("it was to be killed already")),
            // Refused, and left alone: nobody looks after it from here on.
            Some(own) if !status::ON_AGENT.contains(&own) => (status::name(own), None),
            Some(_) => return Some(()),
        };
        step(task, from, "RUNNING (not allowed)");
        let text = format!("Illegal state transition attempted: {from} -> RUNNING (not allowed)");
        say(Level::Error, STATUS_THREAD, "TaskStateMachine", &text);
        self.core.count("scheduler_illegal_task_state_transitions", 1);
        let Some(reason) = reason else { return Some(()) };
        self.kill(master, id, task, reason).await?;
        let killing = self.core.state.borrow().tasks.get(task).filter(|_| known == Some(status::KILLING)).cloned();
        let Some(killing) = killing else { return Some(()) };
        step(task, "KILLING", "KILLED");
        self.save(vec![with_status(&killing, status::KILLED, self.core.now(), None)]).await.ok()
    }

    async fn note_running(&self, run: &[String]) -> Result<(), StorageError> {
        let now = self.core.now();
        let mut saved = Vec::new();
        for id in run {
            let Some(task) = self.core.state.borrow().tasks.get(id).cloned() else { continue };
            step(id, status::name(task_status(&task)), "RUNNING");
            saved.push(with_status(&task, status::RUNNING, now, None));
        }
        self.save(saved).await
    }

    /// Tasks that nobody runs are lost, and their instances are scheduled again, except those that were to end.
    async fn replace_lost(&self, lost: &[String], why: &str) -> Result<(), StorageError> {
        let now = self.core.now();
        let mut saved = Vec::new();
        for id in lost {
            let Some(task) = self.core.state.borrow().tasks.get(id).cloned() else { continue };
            let own = task_status(&task);
            step(id, status::name(own), "LOST");
            if own != status::KILLING {
                saved.push(successor(&task, id, now));
            }
            saved.push(with_status(&task, status::LOST, now, Some(why)));
        }
        self.save(saved).await
    }

    /// Tasks that stayed on their way for too long are lost, and killed in case they run.
    pub(super) async fn time_out(&self, master: &str, id: &str, transient: &[(String, i32)]) -> Option<()> {
        let mut late = Vec::new();
        for (task, before) in transient {
            let own = self.core.state.borrow().tasks.get(task).map(task_status);
            if own != Some(*before) {
                continue;
            }
            say(Level::Info, "TaskTimeout", "TaskTimeout", &format!("Timeout reached for task {task}:{task}"));
            self.core.count("timed_out_tasks", 1);
            self.kill(master, id, task, "too long on its way").await?;
            late.push(task.clone());
        }
        self.replace_lost(&late, "Task timed out").await.ok()?;
        self.drain(master, id).await?;
        self.launch_pending(master, id).await
    }

    async fn save(&self, tasks: Vec<Struct>) -> Result<(), StorageError> {
        if tasks.is_empty() {
            return Ok(());
        }
        let op = Struct::new().with(6, Struct::new().with(1, set(tasks)));
        self.core.transact(vec![op]).await
    }

    /// Puts every pending task on an agent. What the master refuses is lost and gets a successor, which is put there.
    pub(super) async fn launch_pending(&self, master: &str, framework_id: &str) -> Option<()> {
        /// A successor has a new id, which is not refused again.
        const ROUNDS: usize = 3;
        for _ in 0..ROUNDS {
            let now = self.core.now();
            let placed = self.placed();
            if placed.is_empty() {
                break;
            }
            let tasks = placed.iter().map(|task| master_task(task, framework_id, now)).collect();
            let refused: Vec<TaskStatus> = self.call(master, "launch", &Launch { tasks }).await?;
            let mut saved = Vec::new();
            for task in &placed {
                let id = task_id(task);
                step(&id, "PENDING", "ASSIGNED");
                let assigned = with_status(task, status::ASSIGNED, now, None);
                if refused.iter().any(|one| one.task_id == id) {
                    step(&id, "ASSIGNED", "LOST");
                    saved.push(successor(task, &id, now));
                    let why = format!("Task has duplicate ID: {id}");
                    saved.push(with_status(&assigned, status::LOST, now, Some(&why)));
                } else {
                    step(&id, "ASSIGNED", "RUNNING");
                    saved.push(with_status(&assigned, status::RUNNING, now, None));
                }
            }
            self.save(saved).await.ok()?;
        }
        Some(())
    }

    /// Every pending task with a place on a host that takes tasks.
    fn placed(&self) -> Vec<Struct> {
        let state = self.core.state.borrow();
        let closed = [DRAINING_HOST, DRAINED_HOST];
        let hosts: Vec<(&String, &Struct)> =
            state.hosts.iter().filter(|(_, host)| !closed.contains(&mode_of(host))).collect();
        let pending = state.tasks.values().filter(|task| task_status(task) == status::PENDING);
        let pairs = pending.zip(hosts.iter().cycle());
        pairs.map(|(task, (host, attributes))| place(task, host, &text(attributes, 4))).collect()
    }
}

/// A task's step, in the words of its state machine.
fn step(id: &str, from: &str, to: &str) {
    say(Level::Info, STATUS_THREAD, "StateMachine", &format!("{id} state machine transition {from} -> {to}"));
}

fn mode_of(host: &Struct) -> i32 {
    host.get(3).and_then(Value::as_i32).unwrap_or(1)
}

fn on_agent(task: &Struct) -> bool {
    status::ON_AGENT.contains(&task_status(task))
}

/// A new task for the instance of one that is lost.
fn successor(task: &Struct, ancestor: &str, now: i64) -> Struct {
    let (role, environment, job) = task_job(task);
    let assigned = task.rec(1).cloned().unwrap_or_default();
    let instance = assigned.get(6).and_then(Value::as_i32).unwrap_or(0);
    let id = format!("{role}-{environment}-{job}-{instance}-{}", uuid());
    let config = assigned.rec(4).cloned().unwrap_or_default();
    let assigned = Struct::new().with(1, id).with(4, config).with(6, instance);
    let task =
        Struct::new().with(1, assigned).with(2, status::PENDING).with(3, 0).with(4, list(Vec::new())).with(5, ancestor);
    with_status(&task, status::PENDING, now, Some("Rescheduled"))
}

/// A task with a place on an agent.
fn place(task: &Struct, host: &str, agent: &str) -> Struct {
    let assigned = task.rec(1).cloned().unwrap_or_default();
    let assigned = replaced(&assigned, 2, Value::from(agent));
    let assigned = replaced(&assigned, 3, Value::from(host));
    replaced(task, 1, assigned.into())
}
