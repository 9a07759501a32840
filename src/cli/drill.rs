//! `practice`: a cluster with a damaged log on this machine, and a session over it.
//!
//! Whatever it starts it stops, at every end: the processes are recorded, and a run that was killed is
//! cleaned up by the next one.

use std::{
    io::{BufRead as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{
    headless,
    place::{self, Found},
    practice::ClusterArgs,
    session::{Front, Ready, at_a_terminal, open, report_path, serve, take_up},
};
use crate::{
    exit::Exit,
    headless::load_answers,
    inventory::load_inventory,
    journal::{Sessions, Standing},
    practice::{Cluster, Options, Scenario, default_dir},
    runbook::Mode,
    session::Event,
};

/// The procedure that is practised.
const RUNBOOK: &str = "aurora-restore-from-backup";

/// How a drill is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// With the wizard if there is a terminal, else with the answers shipped for the scenario.
    AsThereIs,
    /// With the answers shipped for the scenario.
    Headless {
        /// Events as lines of JSON.
        json: bool,
    },
}

/// Answers that ship with the scenarios.
fn shipped_answers(scenario: Scenario) -> (&'static str, &'static str) {
    match scenario {
        Scenario::CorruptLog => {
            ("corrupt-log.answers.yaml", include_str!("../../assets/practice/corrupt-log.answers.yaml"))
        }
        Scenario::LostQuorum => {
            ("lost-quorum.answers.yaml", include_str!("../../assets/practice/lost-quorum.answers.yaml"))
        }
        Scenario::Flapping => ("flapping.answers.yaml", include_str!("../../assets/practice/flapping.answers.yaml")),
        Scenario::WipedLog => ("wiped-log.answers.yaml", include_str!("../../assets/practice/wiped-log.answers.yaml")),
        Scenario::StaleBackup => {
            ("stale-backup.answers.yaml", include_str!("../../assets/practice/stale-backup.answers.yaml"))
        }
        Scenario::Healthy => ("healthy.answers.yaml", include_str!("../../assets/practice/healthy.answers.yaml")),
    }
}

/// Practises.
pub fn drill(args: &ClusterArgs, walk: Walk, fresh: bool) -> anyhow::Result<Exit> {
    let sessions = place::sessions()?;
    let options = args.options()?;
    let walk = match walk {
        Walk::AsThereIs if !at_a_terminal() => {
            eprintln!("firstlight: there is no terminal here, so the drill is walked with the answers shipped for it.");
            Walk::Headless { json: false }
        }
        walk => walk,
    };
    let unfinished = if fresh { None } else { unfinished(&sessions, &options)? };
    let taken_up = match unfinished {
        Some((id, _)) if walk == Walk::AsThereIs && !asked_to_resume(&id)? => None,
        other => other,
    };
    let (cluster, ready) = match taken_up {
        Some((id, cluster)) => {
            eprintln!("firstlight: going on with session {id}");
            cluster.start().context("starting the practice cluster again")?;
            (cluster, take_up(&sessions, &id)?)
        }
        None => begin(&sessions, &options)?,
    };
    let ended = walk_over(&sessions, ready, walk, options.scenario);
    // Also after an error: nothing is left running.
    let down = cluster.down();
    let exit = ended?;
    down.context("stopping the practice cluster")?;
    eprintln!("cluster: stopped; its files are in {}", cluster.dir().display());
    Ok(exit)
}

/// Drives a session that was taken up; over a practice cluster with the cluster started again, and
/// stopped at the end if it was started for it.
pub fn with_its_cluster(ready: Ready, drive: impl FnOnce(Ready) -> anyhow::Result<Exit>) -> anyhow::Result<Exit> {
    let opened = &ready.state.session.opened;
    if !opened.inventory.practice || ready.state.is_over() {
        return drive(ready);
    }
    let dir = Path::new(&opened.inventory_name).parent().context("the practice cluster has no directory")?;
    let cluster = Cluster::open(dir).context("the practice cluster of this session is gone; practise anew")?;
    if cluster.status().supervised {
        return drive(ready);
    }
    eprintln!("firstlight: starting the practice cluster of this session again …");
    cluster.start().context("starting the practice cluster again")?;
    let ended = drive(ready);
    let down = cluster.down();
    let exit = ended?;
    down.context("stopping the practice cluster")?;
    eprintln!("cluster: stopped; its files are in {}", cluster.dir().display());
    Ok(exit)
}

fn begin(sessions: &Sessions, options: &Options) -> anyhow::Result<(Cluster, Ready)> {
    eprintln!("firstlight: starting a practice cluster ({}) on this machine …", options.scenario.name());
    let cluster = Cluster::create(options).context("making the practice cluster")?;
    let opened = || -> anyhow::Result<Ready> {
        cluster.start().context("starting the practice cluster")?;
        let path = cluster.inventory_path();
        let name = path.display().to_string();
        let bytes = std::fs::read(&path).with_context(|| format!("reading {name}"))?;
        let inventory = load_inventory(&name, &bytes).map_err(anyhow::Error::new)?;
        let found: Found = place::runbook(RUNBOOK)?;
        let mode = if options.scenario == Scenario::Healthy { Mode::Training } else { Mode::Recovery };
        open(sessions, &found, &name, inventory, mode)
    };
    match opened() {
        Ok(ready) => Ok((cluster, ready)),
        Err(error) => {
            // The first error is the one that matters.
            drop(cluster.down());
            Err(error)
        }
    }
}

fn walk_over(sessions: &Sessions, ready: Ready, walk: Walk, scenario: Scenario) -> anyhow::Result<Exit> {
    match walk {
        Walk::AsThereIs => {
            let id = ready.id.clone();
            let dir = sessions.dir(&id)?;
            let exit = serve(sessions, ready, Front::Wizard)?;
            eprintln!("session: {id} in {}", dir.path().display());
            eprintln!("report:  {}", report_path(&dir).display());
            Ok(exit)
        }
        Walk::Headless { json } => {
            let (name, yaml) = shipped_answers(scenario);
            let answers = load_answers(name, yaml.as_bytes()).map_err(anyhow::Error::new)?;
            headless::walk(sessions, ready, answers, json)
        }
    }
}

/// The newest unfinished session over the cluster that these options name, if its files are still there.
fn unfinished(sessions: &Sessions, options: &Options) -> anyhow::Result<Option<(String, Cluster)>> {
    let Ok(cluster) = Cluster::open(&place_of(options)?) else { return Ok(None) };
    let inventory = cluster.inventory_path().display().to_string();
    let created_ms = cluster.plan().created_ms;
    for listing in sessions.list()? {
        let free = listing.standing == Standing::Unfinished && listing.held_by.is_none();
        let over_this =
            listing.heading.as_ref().is_some_and(|heading| heading.practice && heading.started.utc_ms >= created_ms);
        if free && over_this && inventory_of(sessions, &listing.id).is_some_and(|name| name == inventory) {
            return Ok(Some((listing.id, cluster)));
        }
    }
    Ok(None)
}

/// Where the cluster of these options is, or will be.
fn place_of(options: &Options) -> anyhow::Result<PathBuf> {
    match &options.dir {
        Some(dir) => Ok(std::path::absolute(dir)?),
        None => Ok(default_dir(options.scenario.name())?),
    }
}

fn inventory_of(sessions: &Sessions, id: &str) -> Option<String> {
    let (records, _) = sessions.open_read_only(id).ok()?;
    match records.into_iter().next()?.event {
        Event::Opened(opened) => Some(opened.inventory_name),
        _ => None,
    }
}

fn asked_to_resume(id: &str) -> anyhow::Result<bool> {
    let mut out = std::io::stderr().lock();
    writeln!(out, "Session {id} on this practice cluster is not finished.")?;
    write!(out, "[Enter] goes on with it, [n] starts a new one, [q] leaves: ")?;
    out.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    match line.trim() {
        "" | "y" | "r" => Ok(true),
        "n" => Ok(false),
        _ => anyhow::bail!("left; nothing was started"),
    }
}
