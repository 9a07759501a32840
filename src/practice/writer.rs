//! Puts a new cluster's history on disk: backups, replicas, the master's knowledge, then the damage.

use std::path::Path;

use crate::{
    aurora::{tbinary::encode_struct, value::Struct},
    replog::{Action, ActionKind, Status},
};

use super::{
    damage,
    error::PracticeError,
    layout::Layout,
    master::{Framework, MasterState},
    options::Scenario,
    plan::{Plan, write_json},
    replica_store::ReplicaStore,
    scheduler::{BuildInfo, State, file_name, master_task, noop, snapshot, status, task_status, transaction},
    seed::History,
};

/// Frames of the cluster's log: small, so that a small cluster's snapshot is framed as a large one's is.
pub const FRAME_BYTES: usize = 2048;
/// The proposal under which the history was written.
const PROPOSAL: u64 = 3;
/// The framework's name.
const FRAMEWORK: &str = "Aurora";
/// `-framework_failover_timeout`, 21 days.
const FAILOVER_SECONDS: f64 = 1_814_400.0;

/// Writes everything that lies on disk before the first process starts.
pub fn write(layout: &Layout, plan: &Plan, history: &History) -> Result<(), PracticeError> {
    write_backups(layout, plan, history)?;
    write_master(layout, plan, history)?;
    let actions = actions(history);
    for scheduler in &plan.schedulers {
        let dir = layout.home(&scheduler.name).log_dir();
        write_replica(&dir, &actions)?;
        // The second open finds the log as a restarted replica leaves it, with tables.
        open(&dir)?;
    }
    let dirs: Vec<_> = plan.schedulers.iter().map(|scheduler| layout.home(&scheduler.name).log_dir()).collect();
    for (index, dir) in dirs.iter().enumerate() {
        hurt(plan.scenario, plan.seed, index, dirs.len(), dir)?;
    }
    Ok(())
}

fn write_backups(layout: &Layout, plan: &Plan, history: &History) -> Result<(), PracticeError> {
    for backup in &history.backups {
        let Some(scheduler) = plan.schedulers.get(backup.leader) else { continue };
        let at = jiff::Timestamp::from_millisecond(backup.at_ms).unwrap_or_default();
        let name = file_name(&at.to_zoned(jiff::tz::TimeZone::system()));
        let path = layout.home(&scheduler.name).backup_dir().join(name);
        let saving = PracticeError::io("writing", &path);
        let written = std::fs::write(&path, encode_struct(&backup.snapshot)).and_then(|()| {
            let file = std::fs::File::options().write(true).open(&path)?;
            file.set_modified(std::time::SystemTime::from(at))
        });
        written.map_err(saving)?;
    }
    Ok(())
}

fn write_master(layout: &Layout, plan: &Plan, history: &History) -> Result<(), PracticeError> {
    let id = history.framework_id.trim_end_matches("-0000").to_owned();
    let registered = plan.created_ms as f64 / 1000.0 - 9.0 * 86_400.0;
    let framework = Framework {
        name: FRAMEWORK.to_owned(),
        registered_time: registered,
        reregistered_time: registered,
        failover_timeout: FAILOVER_SECONDS,
        ..Framework::default()
    };
    let known = |task: &Struct| master_task(task, &history.framework_id, plan.created_ms);
    let text = |host: &Struct, id: i16| host.str(id).unwrap_or_default().to_owned();
    let agents = history.state.hosts.values().map(|host| (text(host, 4), text(host, 1))).collect();
    let mut state = MasterState { id, agents, ..MasterState::default() };
    state.frameworks.insert(history.framework_id.clone(), framework);
    for task in history.state.tasks.values() {
        let mut own = known(task);
        match task_status(task) {
            status::RUNNING => {
                state.tasks.insert(own.id.clone(), own);
            }
            other => {
                own.state = match other {
                    status::FAILED => "TASK_FAILED",
                    status::KILLED => "TASK_KILLED",
                    _ => "TASK_FINISHED",
                }
                .to_owned();
                own.until = Some(plan.created_ms as f64 / 1000.0);
                state.ended.push(own);
            }
        }
    }
    let dir = layout.master();
    std::fs::create_dir_all(&dir).map_err(PracticeError::io("creating", &dir))?;
    write_json(&layout.master_state(), &state)
}

/// What the log of every replica went through, position by position.
fn actions(history: &History) -> Vec<(ActionKind, Vec<u8>)> {
    let mut actions = vec![(ActionKind::Nop { tombstone: false }, Vec::new())];
    let append = |actions: &mut Vec<(ActionKind, Vec<u8>)>, payloads: Vec<Vec<u8>>| {
        for bytes in payloads {
            actions.push((ActionKind::Append { len: bytes.len() as u64 }, bytes));
        }
    };
    append(&mut actions, vec![noop()]);
    // The last two snapshots are enough to leave a truncated beginning.
    for backup in history.backups.iter().rev().take(2).rev() {
        let first = actions.len() as u64;
        let state = State::from_snapshot(&backup.snapshot);
        append(&mut actions, snapshot(&state.to_snapshot(backup.at_ms, BuildInfo::Own), FRAME_BYTES));
        actions.push((ActionKind::Truncate { to: first }, Vec::new()));
    }
    for ops in &history.since {
        append(&mut actions, transaction(ops.clone(), FRAME_BYTES));
    }
    actions
}

fn failed(doing: &'static str, dir: &Path) -> impl Fn(&dyn std::fmt::Display) -> PracticeError {
    let path = dir.to_owned();
    move |error| PracticeError::Log { doing, path: path.clone(), why: error.to_string() }
}

fn open(dir: &Path) -> Result<ReplicaStore, PracticeError> {
    ReplicaStore::open(dir).map(|(store, _)| store).map_err(|error| failed("opening", dir)(&error))
}

fn write_replica(dir: &Path, actions: &[(ActionKind, Vec<u8>)]) -> Result<(), PracticeError> {
    let mut store = open(dir)?;
    let failed = failed("writing", dir);
    store.set_metadata(Status::Voting, PROPOSAL).map_err(|error| failed(&error))?;
    for (position, (kind, bytes)) in (0..).zip(actions) {
        let action =
            Action { position, promised: PROPOSAL, performed: Some(PROPOSAL), learned: Some(true), kind: Some(*kind) };
        store.write_action(&action, bytes).map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// Does the scenario's damage to one replica.
fn hurt(scenario: Scenario, seed: u64, index: usize, count: usize, dir: &Path) -> Result<(), PracticeError> {
    let failed = failed("damaging", dir);
    match scenario {
        Scenario::Healthy => Ok(()),
        Scenario::CorruptLog | Scenario::StaleBackup => match index % 3 {
            // One alone still votes, and what it would give to a leader fails its checksum.
            0 if index == 0 => damage::break_frame(dir, seed).map(|_| ()).map_err(|error| failed(&error)),
            1 => damage::corrupt_table_footer(dir, seed).map(|_| ()).map_err(|error| failed(&error)),
            _ => damage::set_status(dir, Status::Recovering).map(|_| ()).map_err(|error| failed(&error)),
        },
        Scenario::LostQuorum if index == 0 && count > 1 => Ok(()),
        Scenario::LostQuorum | Scenario::WipedLog => damage::wipe(dir).map(|_| ()).map_err(|error| failed(&error)),
        Scenario::Flapping => damage::break_frame(dir, seed).map(|_| ()).map_err(|error| failed(&error)),
    }
}
