//! `initialize_log`: a blank log that votes, made by `mesos-log` or, where that is not installed, written here.
//!
//! What is written is byte for byte what `mesos-log initialize` leaves, `CURRENT` last: a directory that was left half
//! written is blank again to whoever opens it. Anything that is not empty is refused before. It survives being asked
//! for a directory that is missing, a link or full of files. What it deliberately does not do: empty a directory.

use super::{
    command::{details, ended, last_words, quoted},
    run::Prediction,
    scene::{Acted, Scene, Undone, after, untouched},
};
use crate::{
    hosts::{Attributes, End, FileKind, HostError, Run},
    replog::{Severity, Status, initialized_files, inspect, verdict::one_line},
    runbook::kind::InitializeLog,
    session::{Finding, Report},
};

/// Stands for the program where it is not installed.
const OURSELVES: &str = "none";
/// Names of a directory that must be empty: one would be enough, a few make a better message.
const NAMES_MAX: usize = 1_000;
/// Mode of the files, and of a directory that was missing.
const FILE_MODE: u32 = 0o644;
const DIR_MODE: u32 = 0o755;

pub(super) async fn act(scene: &Scene<'_>, asked: &InitializeLog) -> Acted {
    let path = asked.path.as_str().trim_end_matches('/');
    must_be_empty(scene, path).await?;
    if asked.with.as_str() == OURSELVES { write(scene, asked, path).await } else { run(scene, asked, path).await }
}

pub(super) fn foresee(asked: &InitializeLog) -> Prediction {
    Prediction::new(Finding::Holds, format!("would {}", shown(asked)))
}

fn shown(asked: &InitializeLog) -> String {
    let (path, user) = (asked.path.as_str(), asked.user.as_str());
    if asked.with.as_str() == OURSELVES {
        return format!("write the files of an initialized log to {path}, owned by {user}");
    }
    format!("run as {user}: {} initialize {}", quoted(asked.with.as_str()), quoted(&format!("--path={path}")))
}

/// A database that was opened and never initialized is as empty as a directory without files, to `mesos-log`.
async fn must_be_empty(scene: &Scene<'_>, path: &str) -> Result<(), Undone> {
    let Some(found) = scene.host.stat(path).await.map_err(untouched)? else { return Ok(()) };
    if found.kind != FileKind::Directory {
        return Err(Undone::Refused(format!("{path} is not a directory")));
    }
    let source = scene.host.log_source(path);
    let read = tokio::task::spawn_blocking(move || inspect(&*source).summary).await;
    let found = read.map_err(|error| Undone::Failed(format!("could not read {path}: {error}")))?;
    let view = &found.mesos_view;
    let blank = view.status == Some(Status::Empty) && view.actions == 0 && found.salvage.hidden == 0;
    let damage = |finding: &crate::replog::Finding| {
        finding.severity == Severity::Damage
            && !matches!(finding.code.as_str(), "directory-empty" | "directory-missing")
    };
    if blank && view.certain && found.salvage.status.is_none() && !found.findings.iter().any(damage) {
        return Ok(());
    }
    Err(Undone::Refused(format!("the log in {path} is not empty ({}): move it aside first", one_line(&found))))
}

async fn run(scene: &Scene<'_>, asked: &InitializeLog, path: &str) -> Acted {
    let mut argv = vec![asked.with.as_str().to_owned(), "initialize".to_owned(), format!("--path={path}")];
    let user = asked.user.as_str();
    if whoami(scene).await? != user {
        let sudo = ["sudo", "-n", "-u", user, "--"].map(str::to_owned);
        argv.splice(0..0, sudo);
    }
    let words: Vec<String> = argv.iter().map(|word| quoted(word)).collect();
    scene.sink.note(&words.join(" "));
    let run = Run::new(argv, scene.left());
    let ran = scene.host.exec(&run, scene.sink, scene.stop).await?;
    let why = || format!("{}{}", ended(&ran, &run), last_words(&ran));
    match ran.end {
        End::Exited(0) => Ok(Report::holds(ended(&ran, &run)).with_details(details(&ran))),
        End::Exited(_) => Err(Undone::Failed(why())),
        End::Signalled(_) | End::TimedOut | End::Stopped => {
            Err(Undone::InDoubt(format!("{}; how far it came is not known", why())))
        }
    }
}

/// Who runs programs on the host, by id(1).
async fn whoami(scene: &Scene<'_>) -> Result<String, Undone> {
    let run = Run::new(vec!["id".to_owned(), "-un".to_owned()], scene.left());
    let ran = scene.host.exec(&run, scene.sink, scene.stop).await.map_err(untouched)?;
    if ran.end != End::Exited(0) {
        return Err(Undone::Failed(format!("who this user is cannot be told: {}", ended(&ran, &run))));
    }
    Ok(String::from_utf8_lossy(&ran.stdout).trim().to_owned())
}

async fn write(scene: &Scene<'_>, asked: &InitializeLog, path: &str) -> Acted {
    let host = &*scene.host;
    let user = asked.user.as_str();
    // LevelDB's leftovers of an open without an initialization would be read together with what is written.
    let there = host.stat(path).await.map_err(untouched)?;
    if there.is_some() && !host.list(path, NAMES_MAX).await.map_err(untouched)?.is_empty() {
        return Err(Undone::Refused(format!("{path} is not empty: move it aside first")));
    }
    let like = match &there {
        Some(found) => found.attributes,
        None => made(scene, path).await?,
    };
    let file = Attributes { mode: FILE_MODE, ..like };
    let mut written = Vec::new();
    for (name, bytes) in initialized_files() {
        let mut from = bytes.as_slice();
        let done = host
            .write_atomic(&format!("{path}/{name}"), &mut from, &file, None)
            .await
            .map_err(|error| after(error, &format!("what is in {path} is blank, and can be moved aside")))?;
        written.push(format!("{name}: {} bytes, SHA-256 {}", done.len, done.sha256));
    }
    let found = host.stat(path).await.map_err(|error| after(error, &format!("the files are in {path}")))?;
    let owner = found.map(|found| found.owner).unwrap_or_default();
    if owner != user {
        return Err(Undone::Failed(format!(
            "{path} belongs to {owner}, not to {user}: give the directory to {user} first"
        )));
    }
    Ok(Report::holds(format!("wrote {} files to {path}", written.len())).with_details(written))
}

/// A directory with the owner of the one above.
async fn made(scene: &Scene<'_>, path: &str) -> Result<Attributes, Undone> {
    let above = path.rsplit_once('/').map_or("/", |(above, _)| above);
    let found =
        scene.host.stat(above).await.map_err(untouched)?.ok_or_else(|| HostError::NotFound(above.to_owned()))?;
    let like = Attributes { mode: DIR_MODE, ..found.attributes };
    scene.host.make_dir(path, &like).await?;
    Ok(like)
}
