//! `firstlight`, `start`, `resume`: a session with the wizard.

use std::io::{BufRead as _, Write as _};

use anyhow::{Context as _, bail};

use super::{
    drill::with_its_cluster,
    place,
    session::{Front, at_a_terminal, open, report_path, serve, take_up},
};
use crate::{
    exit::Exit,
    journal::{Listing, Sessions, Standing},
    runbook::Mode,
};

/// What stands for itself when nothing is asked.
const NOTHING_TO_DO: &str = "\
There is no unfinished session.

  firstlight practice                        practise on a cluster of its own, on this machine
  firstlight start --cluster CLUSTER         restore CLUSTER; its inventory is a path, or a name
                                             that stands for ~/.config/firstlight/CLUSTER.yaml
  firstlight plan --cluster CLUSTER          read the whole procedure first
  firstlight --help                          everything else
";

/// Opens a session over a cluster; an unfinished one is offered first.
pub fn start(runbook: &str, cluster: &str, mode: Mode) -> anyhow::Result<Exit> {
    terminal()?;
    let sessions = place::sessions()?;
    let (name, inventory) = place::inventory(cluster)?;
    let open_ones = unfinished(&sessions)?;
    let same: Vec<&Listing> = open_ones
        .iter()
        .filter(|listing| listing.heading.as_ref().is_some_and(|heading| heading.cluster == inventory.cluster))
        .collect();
    if let Some(id) = choose(&same)? {
        return with_its_cluster(take_up(&sessions, &id)?, |ready| drive(&sessions, ready));
    }
    let found = place::runbook(runbook)?;
    let ready = open(&sessions, &found, &name, inventory, mode)?;
    drive(&sessions, ready)
}

/// Takes up a session by its id, a part of it, or `last`.
pub fn resume(word: Option<&str>) -> anyhow::Result<Exit> {
    terminal()?;
    let sessions = place::sessions()?;
    let id = match word {
        Some(word) => sessions.resolve(word)?,
        None => {
            let open_ones = unfinished(&sessions)?;
            let all: Vec<&Listing> = open_ones.iter().collect();
            match choose(&all)? {
                Some(id) => id,
                None => bail!("there is no unfinished session to take up; `firstlight sessions` lists all of them"),
            }
        }
    };
    with_its_cluster(take_up(&sessions, &id)?, |ready| drive(&sessions, ready))
}

/// What happens when nothing is asked: an unfinished session is offered, else the ways in are said.
pub fn bare() -> anyhow::Result<Exit> {
    let sessions = place::sessions()?;
    let open_ones = unfinished(&sessions)?;
    if open_ones.is_empty() || !at_a_terminal() {
        std::io::stdout().write_all(NOTHING_TO_DO.as_bytes())?;
        return Ok(Exit::Done);
    }
    let all: Vec<&Listing> = open_ones.iter().collect();
    match choose(&all)? {
        Some(id) => with_its_cluster(take_up(&sessions, &id)?, |ready| drive(&sessions, ready)),
        None => {
            std::io::stdout().write_all(NOTHING_TO_DO.as_bytes())?;
            Ok(Exit::Done)
        }
    }
}

fn drive(sessions: &Sessions, ready: super::session::Ready) -> anyhow::Result<Exit> {
    let id = ready.id.clone();
    let dir = sessions.dir(&id)?;
    let exit = serve(sessions, ready, Front::Wizard)?;
    eprintln!("session: {id} in {}", dir.path().display());
    eprintln!("report:  {}", report_path(&dir).display());
    if exit == Exit::Left {
        eprintln!("It is not finished: `firstlight resume {id}` goes on with it.");
    }
    Ok(exit)
}

fn terminal() -> anyhow::Result<()> {
    if at_a_terminal() {
        return Ok(());
    }
    bail!("the wizard needs a terminal; without one, `firstlight run` walks with an answers file")
}

fn unfinished(sessions: &Sessions) -> anyhow::Result<Vec<Listing>> {
    let listed = sessions.list().context("listing the sessions")?;
    Ok(listed.into_iter().filter(|listing| listing.standing == Standing::Unfinished).collect())
}

/// Asks which of these to take up; none if there are none, or if a new one is wanted.
fn choose(open_ones: &[&Listing]) -> anyhow::Result<Option<String>> {
    if open_ones.is_empty() {
        return Ok(None);
    }
    let mut out = std::io::stderr().lock();
    writeln!(out, "Not finished:")?;
    for (at, listing) in open_ones.iter().enumerate() {
        let heading = listing.heading.as_ref();
        let cluster = heading.map_or("?", |heading| heading.cluster.as_str());
        let holder = listing.held_by.as_ref().map(|by| format!("  driven by {} (process {})", by.operator, by.pid));
        writeln!(out, "  {}  {}  {cluster}{}", at + 1, listing.id, holder.unwrap_or_default())?;
    }
    write!(out, "A number takes one up, [Enter] the first, [n] none of them: ")?;
    out.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let line = line.trim();
    if line == "n" {
        return Ok(None);
    }
    let at: usize = if line.is_empty() { 1 } else { line.parse().context("that is not a number of the list")? };
    let chosen = at.checked_sub(1).and_then(|at| open_ones.get(at)).context("that is not a number of the list")?;
    Ok(Some(chosen.id.clone()))
}
