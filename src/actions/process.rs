//! `process`: is a service's process there?
//!
//! By the file with its id where the inventory names one, by a text in command lines where it names that, by both
//! where it names both. A file whose process is another program by now is not taken for the service.

use super::scene::{Scene, finding, seen};
use crate::{
    hosts::{Host, HostError, Proc},
    runbook::{
        kind::Process,
        model::{GroupName, HostName},
        text::Text,
    },
    session::{Finding, Report},
};

/// Bytes of a file that holds a process id; more is not one.
const PID_FILE_BYTES_MAX: u64 = 64;
/// A process may be written down this much before it counts as started, in milliseconds: start times are rounded to
/// the tick, and move with the wall clock.
const STARTED_AFTER_MS: i64 = 2_000;
/// Command lines are shown up to this many characters.
const SHOWN_CHARS: usize = 160;

pub(super) async fn look(scene: &Scene<'_>, process: &Process) -> Report {
    match process {
        Process::Present(name) => seen(on(scene, scene.name, name).await.map(|found| found.report(true, name))),
        Process::Absent(name) => seen(on(scene, scene.name, name).await.map(|found| found.report(false, name))),
        Process::AbsentEverywhere { service, group } => everywhere(scene, service, group).await,
    }
}

async fn everywhere(scene: &Scene<'_>, service: &Text, group: &str) -> Report {
    let hosts = scene.world.inventory.hosts_of(&GroupName::from(group));
    if hosts.is_empty() {
        return Report::unknown(format!("the inventory has no hosts in {group}"));
    }
    let mut worst = Finding::Holds;
    let mut lines = Vec::new();
    for host in &hosts {
        let report = seen(on(scene, host, service).await.map(|found| found.report(false, service)));
        worst = match (worst, report.finding) {
            (Finding::Fails, _) | (_, Finding::Fails) => Finding::Fails,
            (Finding::Unknown, _) | (_, Finding::Unknown) => Finding::Unknown,
            (Finding::Holds, Finding::Holds) => Finding::Holds,
        };
        if report.finding != Finding::Holds || hosts.len() == 1 {
            lines.insert(0, format!("{host}: {}", report.seen));
        } else {
            lines.push(format!("{host}: {}", report.seen));
        }
    }
    let words = if worst == Finding::Holds {
        format!("no process of {service} on any of {} hosts", hosts.len())
    } else {
        lines.first().cloned().unwrap_or_default()
    };
    Report::new(worst, words).with_details(lines)
}

/// What was found of a service's processes.
pub(super) struct Found {
    pub alive: Vec<Proc>,
    /// What else is to be said.
    note: String,
}

impl Found {
    fn report(self, wanted: bool, name: &Text) -> Report {
        let Some(first) = self.alive.first() else {
            return Report::new(finding(!wanted), format!("no process of {name} ({})", self.note));
        };
        let more = if self.alive.len() > 1 { format!(" and {} more", self.alive.len() - 1) } else { String::new() };
        let words = format!("{name} is process {}{more}", first.pid);
        Report::new(finding(wanted), words).with_details(self.alive.iter().map(shown).collect())
    }
}

fn shown(process: &Proc) -> String {
    let line = crate::hosts::clean::line(process.command_line().as_bytes());
    format!("{}: {}", process.pid, line.chars().take(SHOWN_CHARS).collect::<String>())
}

/// The live processes of a service on a host; an error where it cannot be told.
pub(super) async fn on(scene: &Scene<'_>, name: &HostName, service: &Text) -> Result<Found, String> {
    let templates = scene.world.service(service)?;
    let host = scene.world.hosts.get(name).ok_or_else(|| format!("the inventory has no host {name}"))?;
    let render = |text: &Option<Text>| text.as_ref().map(|text| scene.world.render(name, text)).transpose();
    let (pid_file, matches) = (render(&templates.pid_file)?, render(&templates.matches)?);
    let all = host.processes().await.map_err(|error| error.to_string())?;
    let fits = |process: &&Proc| matches.as_ref().is_some_and(|text| process.command_line().contains(text.as_str()));
    let alive = |process: &&Proc| !process.zombie;
    let mut found: Vec<Proc> = all.iter().filter(alive).filter(fits).cloned().collect();
    let note = match &pid_file {
        Some(path) => {
            let (own, note) = by_file(&*host, path, &all, matches.as_deref()).await?;
            if let Some(own) = own
                && !found.iter().any(|process| process.pid == own.pid)
            {
                found.insert(0, own);
            }
            note
        }
        None => match &matches {
            Some(text) => format!("no command line contains {text}"),
            None => return Err(format!("the inventory names neither pid_file nor matches for {service}")),
        },
    };
    Ok(Found { alive: found, note })
}

async fn by_file(
    host: &dyn Host,
    path: &str,
    all: &[Proc],
    matches: Option<&str>,
) -> Result<(Option<Proc>, String), String> {
    let bytes = match host.read_file(path, PID_FILE_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(HostError::NotFound(_)) => return Ok((None, format!("{path} is not there"))),
        Err(error) => return Err(error.to_string()),
    };
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    let Some(pid) = text.parse::<i32>().ok().filter(|pid| *pid > 0) else {
        return Err(format!("{path} holds no process id"));
    };
    let Some(process) = all.iter().find(|process| process.pid == pid) else {
        return Ok((None, format!("process {pid} of {path} has ended")));
    };
    if process.zombie {
        return Ok((None, format!("process {pid} of {path} has ended and waits to be reaped")));
    }
    if let Some(text) = matches {
        let own = process.command_line().contains(text);
        let note = format!("process {pid} of {path} is another program: {}", shown(process));
        return Ok(if own { (Some(process.clone()), String::new()) } else { (None, note) });
    }
    let written = host.stat(path).await.map_err(|error| error.to_string())?.map_or(0, |stat| stat.modified_ms);
    if process.started_ms > written + STARTED_AFTER_MS {
        return Err(format!(
            "process {pid} was started after {path} was written; it may be another program: {}",
            shown(process)
        ));
    }
    Ok((Some(process.clone()), String::new()))
}
