//! Opens a session, or takes one up, and drives it from a front: the wizard, or an answers file.

use std::{
    io::{IsTerminal as _, Write as _},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use super::{
    place::{self, Found},
    reach, wizard,
};
use crate::{
    actions::{Secrets, World},
    engine::{Engine, Handle, Health, Live, Observer, Perform, system_clock},
    exit::Exit,
    headless::{self, Answers, Told, drive},
    hosts::Hosts,
    inventory::Inventory,
    journal::{Holder, Journal, JournalError, SessionDir, Sessions, session_id},
    report,
    runbook::Mode,
    session::{Command, Opened, State},
};

/// How long what runs may go on after a signal before it is ended.
const FINISH_WITHIN: Duration = Duration::from_secs(10);

/// How long what is ended may take.
const END_WITHIN: Duration = Duration::from_secs(8);

/// A session that is ready to be driven.
pub struct Ready {
    /// Its id.
    pub id: String,
    /// What is known of it.
    pub state: State,
    /// True if another process began it.
    pub resumed: bool,
    kind: ReadyKind,
    dir: SessionDir,
    /// With their lines open; not for a session that is taken up, before it is served.
    hosts: Option<Hosts>,
}

enum ReadyKind {
    Write(Box<Journal>),
    Read { why: String },
}

/// Who says what a person says.
pub enum Front {
    /// A person, at the terminal.
    Wizard,
    /// An answers file.
    Headless {
        /// What it says.
        answers: Box<Answers>,
        /// Events go to standard output as lines of JSON.
        json: bool,
    },
}

/// Opens a new session.
pub fn open(
    sessions: &Sessions,
    found: &Found,
    inventory_name: &str,
    inventory: Inventory,
    mode: Mode,
) -> anyhow::Result<Ready> {
    place::checked(found, inventory_name, &inventory)?;
    // Before there is a session: what is wrong with its hosts would stay wrong in it.
    let hosts = reach::hosts(&inventory)?;
    let now = system_clock();
    let yaml = String::from_utf8(found.bytes.clone()).context("the runbook is not UTF-8")?;
    let digest = Sha256::digest(&found.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let id = session_id(now, &inventory.cluster, fastrand::u32(..));
    let opened = Opened {
        session: id.clone(),
        mode,
        operator: place::operator(),
        machine: place::machine(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        runbook_name: found.name.clone(),
        runbook: yaml,
        runbook_sha256: digest,
        inventory_name: inventory_name.to_owned(),
        inventory,
    };
    let journal = sessions.create(&opened, now)?;
    let state = State::open(opened, now)?;
    let dir = sessions.dir(&id)?;
    Ok(Ready { id, state, resumed: false, kind: ReadyKind::Write(Box::new(journal)), dir, hosts: Some(hosts) })
}

/// Takes a session up. If another process drives it, it is only read.
pub fn take_up(sessions: &Sessions, id: &str) -> anyhow::Result<Ready> {
    let holder = Holder::this_process(&place::operator(), &place::machine(), system_clock());
    let dir = sessions.dir(id)?;
    let id = id.to_owned();
    match sessions.open_for_writing(&id, &holder) {
        Ok((journal, records, torn)) => {
            if let Some(torn) = torn {
                tell_torn(&id, &torn);
            }
            let state = State::fold(records.into_iter().map(|record| (record.at, record.event)))?;
            Ok(Ready { id, state, resumed: true, kind: ReadyKind::Write(Box::new(journal)), dir, hosts: None })
        }
        Err(JournalError::Locked { by, .. }) => {
            let (records, _) = sessions.open_read_only(&id)?;
            let state = State::fold(records.into_iter().map(|record| (record.at, record.event)))?;
            let why = format!(
                "{} drives this session from {} (process {}); it is only read here",
                by.operator, by.machine, by.pid
            );
            Ok(Ready { id, state, resumed: true, kind: ReadyKind::Read { why }, dir, hosts: None })
        }
        Err(error) => Err(error.into()),
    }
}

fn tell_torn(id: &str, torn: &crate::journal::Torn) {
    eprintln!("firstlight: session {id}: {}", super::sessions::torn_line(torn));
}

/// Drives a session to where its front leaves it.
pub fn serve(sessions: &Sessions, mut ready: Ready, front: Front) -> anyhow::Result<Exit> {
    if ready.hosts.is_none() && matches!(ready.kind, ReadyKind::Write(_)) {
        ready.hosts = Some(reach::hosts(ready.state.inventory())?);
    }
    let hosts = ready.hosts.clone();
    // Children die with the thread that started them, so everything runs on this one.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let exit = runtime.block_on(async {
        let exit = serve_on(sessions, ready, front).await;
        if let Some(hosts) = hosts {
            hosts.close().await;
        }
        exit
    });
    // A look that hangs in a blocking call must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(500));
    exit
}

async fn serve_on(sessions: &Sessions, ready: Ready, front: Front) -> anyhow::Result<Exit> {
    let Ready { id, state, resumed, kind, dir, hosts } = ready;
    let inventory = Arc::new(state.inventory().clone());
    let secrets = Secrets::default();
    let (handle, world, engine) = match kind {
        ReadyKind::Write(journal) => {
            let hosts = hosts.unwrap_or_else(|| Hosts::new(&inventory, None));
            let live = Arc::new(Live::new(World::over(inventory, secrets.clone(), hosts), dir.clone()));
            let world: Arc<dyn Perform> = live;
            let (engine, handle) = Engine::new(state, *journal, Arc::clone(&world), system_clock);
            let engine = tokio::spawn(async move {
                engine.run().await;
            });
            (handle, Some(world), engine)
        }
        ReadyKind::Read { why } => {
            let (observer, handle) = Observer::new(state, why, reread(sessions, &id));
            (handle, None, tokio::spawn(observer.run()))
        }
    };
    if resumed && world.is_some() {
        let operator = place::operator();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let resume = Command::Resume { operator, machine: place::machine(), version, pid: std::process::id() };
        handle.ask(resume).await?;
    }
    let exit = match front {
        Front::Wizard => wizard::run(handle.clone(), world.as_ref(), &secrets, resumed, &dir).await?,
        Front::Headless { answers, json } => headless_front(handle.clone(), world.as_ref(), &answers, json).await,
    };
    write_report(sessions, &id, &dir);
    drop(handle);
    // The engine ends when it was left; what it still waits for stays in doubt.
    drop(tokio::time::timeout(Duration::from_secs(1), engine).await);
    Ok(exit)
}

fn reread(sessions: &Sessions, id: &str) -> crate::engine::Reread {
    let (sessions, id) = (sessions.clone(), id.to_owned());
    let mut seen = 0;
    Box::new(move || {
        let (records, _) = sessions.open_read_only(&id).ok()?;
        if records.len() == seen {
            return None;
        }
        seen = records.len();
        State::fold(records.into_iter().map(|record| (record.at, record.event))).ok()
    })
}

/// Where a session's report is kept.
pub fn report_path(dir: &SessionDir) -> std::path::PathBuf {
    dir.path().join("report.md")
}

fn write_report(sessions: &Sessions, id: &str, dir: &SessionDir) {
    let written = || -> anyhow::Result<()> {
        let (records, _) = sessions.open_read_only(id)?;
        let state = State::fold(records.iter().map(|record| (record.at, record.event.clone())))?;
        std::fs::write(report_path(dir), report::markdown(&records, &state)).context("writing the report")
    };
    if let Err(error) = written() {
        eprintln!("firstlight: the report could not be written: {error:#}. `firstlight report {id}` tries again.");
    }
}

async fn headless_front(handle: Handle, world: Option<&Arc<dyn Perform>>, answers: &Answers, json: bool) -> Exit {
    let tell = move |told: Told<'_>| {
        let mut out = std::io::stdout().lock();
        let line = if json { json_line(&told) } else { headless::plain(&told) };
        if let Some(line) = line {
            // A reader that went away is no reason to stop a recovery.
            drop(writeln!(out, "{line}"));
        }
    };
    let walk = drive(handle.clone(), answers, system_clock, tell);
    let ended = tokio::select! {
        ended = walk => ended,
        signal = signalled() => {
            finish_what_runs(&handle, world).await;
            headless::Ended { exit: Exit::Left, why: format!("{signal}: left; the session can be resumed") }
        }
    };
    let over = handle.snapshots.borrow().state.is_over();
    if !over {
        drop(handle.ask(Command::Leave { why: ended.why.clone() }).await);
    }
    eprintln!("firstlight: {}", ended.why);
    ended.exit
}

fn json_line(told: &Told<'_>) -> Option<String> {
    let Told::Event(seq, at, event, _) = told;
    let line = serde_json::json!({ "seq": seq, "utc_ms": at.utc_ms, "event": event });
    serde_json::to_string(&line).ok()
}

/// Returns with the name of the signal that asks this process to end.
pub async fn signalled() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut int), Ok(mut term), Ok(mut hup)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = int.recv() => "SIGINT",
        _ = term.recv() => "SIGTERM",
        _ = hup.recv() => "SIGHUP",
    }
}

/// Starts nothing new, lets what runs end, and after a while ends it.
pub async fn finish_what_runs(handle: &Handle, world: Option<&Arc<dyn Perform>>) {
    drop(handle.ask(Command::Hold).await);
    if !idle(handle, FINISH_WITHIN).await
        && let Some(world) = world
    {
        world.stop();
        idle(handle, END_WITHIN).await;
    }
}

async fn idle(handle: &Handle, within: Duration) -> bool {
    let mut snapshots = handle.snapshots.clone();
    let quiet = snapshots.wait_for(|snapshot| !snapshot.state.is_busy() || snapshot.health != Health::Writing);
    matches!(tokio::time::timeout(within, quiet).await, Ok(Ok(_)))
}

/// True if a person sits at this terminal.
pub fn at_a_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}
