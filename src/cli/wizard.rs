//! Puts the wizard before a session: its own thread, the signals, the way out.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::{sync::oneshot, task::JoinHandle};

use super::session::{finish_what_runs, report_path, signalled};
use crate::{
    actions::{Evidence, LeaderWatch, Secrets, World},
    aurora::leadership::{History, Span, Standing},
    engine::{Handle, LeaderSeen, LeaderTone, Perform, system_clock},
    exit::Exit,
    headless::ended_exit,
    hosts::clean,
    journal::SessionDir,
    session::Command,
    table,
    tui::{self, TuiEnd, TuiOptions},
};

/// Runs the wizard until it is left, the session is over, or the terminal is gone.
pub async fn run(
    handle: Handle,
    world: Option<&Arc<dyn Perform>>,
    secrets: &Secrets,
    resumed: bool,
    dir: &SessionDir,
) -> anyhow::Result<Exit> {
    let (remote, wakes) = tui::remote();
    let watching = watch_leader(&handle, secrets);
    let options = options(&handle, wakes, secrets, resumed, dir);
    let (ended, end) = oneshot::channel();
    let views = handle.clone();
    std::thread::Builder::new()
        .name("wizard".to_owned())
        .spawn(move || drop(ended.send(tui::run(views, options))))
        .context("starting the wizard")?;
    let mut end = std::pin::pin!(end);
    let end = tokio::select! {
        end = &mut end => end,
        signal = signalled() => {
            finish_what_runs(&handle, world).await;
            let why = format!("{signal}: left; the session can be resumed");
            drop(handle.ask(Command::Leave { why: why.clone() }).await);
            remote.quit(&why);
            end.await
        }
    };
    watching.abort();
    let over = handle.snapshots.borrow().state.is_over();
    match end.context("the wizard broke off")?.context("drawing on the terminal")? {
        TuiEnd::Over | TuiEnd::Left if over => Ok(ended_exit(&handle.snapshots.borrow().state)),
        TuiEnd::Over | TuiEnd::Left => Ok(Exit::Left),
        TuiEnd::TerminalLost => {
            finish_what_runs(&handle, world).await;
            drop(handle.ask(Command::Leave { why: "the terminal is gone".to_owned() }).await);
            Ok(Exit::Left)
        }
    }
}

/// Shows who leads for as long as the wizard is there, where the inventory names a ZooKeeper.
fn watch_leader(handle: &Handle, secrets: &Secrets) -> JoinHandle<()> {
    let inventory = Arc::new(handle.snapshots.borrow().state.inventory().clone());
    let world = World::new(inventory, secrets.clone());
    let board = handle.leader.clone();
    tokio::spawn(async move {
        match LeaderWatch::of(&world) {
            None => {}
            Some(Ok(watch)) => {
                let put = |history: &History| leader_seen(history).into_iter().for_each(|seen| board.put(seen));
                watch.run(system_clock, put).await;
            }
            Some(Err(why)) => {
                let now = system_clock();
                board.put(LeaderSeen {
                    words: clean::line(format!("unknown: {why}").as_bytes()),
                    tone: LeaderTone::Unknown,
                    since: now,
                    longer: false,
                    confirmed: now,
                    before: None,
                    elections: 0,
                });
            }
        }
    })
}

fn leader_seen(history: &History) -> Option<LeaderSeen> {
    let span = history.now()?;
    let tone = match &span.standing {
        Standing::Advertised(_) => LeaderTone::Leads,
        Standing::Elected(_) | Standing::Nobody | Standing::Several(_) | Standing::Unclear(_) => LeaderTone::Waits,
        Standing::Unknown(_) => LeaderTone::Unknown,
    };
    let said = |standing: &Standing| clean::line(standing.brief().as_bytes());
    let known = |span: &&Span| !matches!(span.standing, Standing::Unknown(_));
    let before = history.spans().filter(known).last().filter(|_| tone == LeaderTone::Unknown);
    Some(LeaderSeen {
        words: said(&span.standing),
        tone,
        since: span.from,
        longer: !span.began,
        confirmed: span.to,
        before: before.map(|span| said(&span.standing)),
        elections: history.elections(),
    })
}

fn options(handle: &Handle, wakes: tui::Wakes, secrets: &Secrets, resumed: bool, dir: &SessionDir) -> TuiOptions {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let snapshot = handle.snapshots.borrow();
    let inventory = snapshot.state.inventory();
    let secrets = secrets.clone();
    let speed = inventory.cluster_var("speed").map(|speed| match speed {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    });
    TuiOptions {
        ascii: set("FIRSTLIGHT_ASCII") || !speaks_utf8(),
        no_color: set("NO_COLOR"),
        resumed,
        practice: inventory.practice.then(|| match speed {
            Some(speed) => format!("{}x", speed.strip_suffix(".0").unwrap_or(&speed)),
            None => "practice".to_owned(),
        }),
        report: Some(report_path(dir).display().to_string()),
        open_table: Some(open_table(dir)),
        keep_secret: Some(Box::new(move |input, secret| secrets.put(input.clone(), secret))),
        ..TuiOptions::new(system_clock, wakes)
    }
}

/// Reads tables among the evidence of a session.
fn open_table(dir: &SessionDir) -> tui::OpenTable {
    let evidence = Evidence::in_session(dir.path());
    let place = dir.path().to_owned();
    Arc::new(move |value| {
        let bytes = evidence.read(value).map_err(|error| error.to_string())?;
        let file = value.get("file").and_then(serde_json::Value::as_str).unwrap_or_default();
        table::read(&mut bytes.as_slice()).map_err(|error| format!("{}: {error}", place.join(file).display()))
    })
}

/// True if the terminal is set up for UTF-8, by the usual order of variables.
fn speaks_utf8() -> bool {
    let named = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    named.is_some_and(|value| {
        let value = value.to_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    })
}
