//! `flags`: edits a scheduler's flags where they stand, puts the original back, and looks at the file or the process.
//!
//! The original is durable at its place before the file is touched. It is put back only over what the edit made of it:
//! what someone else changed since is explained, not overwritten. Predicts the diff. Its time is the order's; a write
//! is whole or not at all.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::json;

use super::{
    flags_file::{Edited, FlagsFile, diff},
    process,
    run::Prediction,
    scene::{Acted, Scene, Undone, after, seen, untouched},
};
use crate::{
    aurora::flags::{MasterAddress, TimeAmount},
    hosts::{Attributes, FileKind, Host, HostError},
    runbook::{kind::Flags, text::Text},
    session::{Finding, Report},
};

/// Bytes of a flags file; real ones have a few kilobytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Lines of a diff that go into a report.
const DIFF_LINES: usize = 60;

/// Flags that hold a time and that a recovery sets.
const TIMES: [&str; 6] = [
    "max_registration_delay",
    "max_leading_duration",
    "reconciliation_initial_delay",
    "reconciliation_explicit_interval",
    "reconciliation_implicit_interval",
    "backup_interval",
];

type Values = BTreeMap<String, Text>;

pub(super) async fn act(scene: &Scene<'_>, flags: &Flags) -> Acted {
    match flags {
        Flags::Edit { file, set, unset, keep: Some(keep) } => {
            edit(scene, file.as_str(), keep.as_str(), set, unset).await
        }
        Flags::Edit { keep: None, .. } => {
            Err(Undone::Failed("it is not settled where the original is kept".to_owned()))
        }
        Flags::Restore { file, keep, set, unset } => restore(scene, file.as_str(), keep.as_str(), set, unset).await,
        Flags::File { .. } | Flags::Running { .. } => Err(Undone::Failed("a look is not an action".to_owned())),
    }
}

/// A flags file as it is.
struct Current {
    bytes: Vec<u8>,
    attributes: Attributes,
}

async fn read(host: &dyn Host, path: &str) -> Result<Option<Current>, Undone> {
    let Some(stat) = host.stat(path).await.map_err(untouched)? else { return Ok(None) };
    let attributes = if stat.kind == FileKind::Link {
        // The link's own mode says nothing; what is written takes the place of the file behind it.
        Attributes { mode: 0o644, ..stat.attributes }
    } else {
        stat.attributes
    };
    let bytes = host.read_file(path, FILE_BYTES_MAX).await.map_err(untouched)?;
    Ok(Some(Current { bytes, attributes }))
}

fn texts(set: &Values) -> BTreeMap<String, String> {
    set.iter().map(|(name, text)| (name.clone(), text.0.clone())).collect()
}

fn edited(path: &str, bytes: &[u8], set: &Values, unset: &[String]) -> Result<Edited, Undone> {
    let edited = FlagsFile::parse(bytes).and_then(|file| file.edit(&texts(set), unset));
    edited.map_err(|error| Undone::Failed(format!("{path}: {error}")))
}

async fn write(host: &dyn Host, path: &str, bytes: &[u8], like: &Attributes) -> Result<(), Undone> {
    let mut source = bytes;
    host.write_atomic(path, &mut source, like, None).await?;
    let back = host.read_file(path, FILE_BYTES_MAX).await;
    let back = back.map_err(|error| Undone::InDoubt(format!("{path} was written, but not read back: {error}")))?;
    if back == bytes {
        return Ok(());
    }
    Err(Undone::InDoubt(format!("{path} does not hold what was just written: someone else writes it too")))
}

async fn edit(scene: &Scene<'_>, path: &str, keep: &str, set: &Values, unset: &[String]) -> Acted {
    let host = &*scene.host;
    for (flag, value) in set {
        check_value(flag, value.as_str()).map_err(Undone::Failed)?;
    }
    let Some(current) = read(host, path).await? else {
        return Err(Undone::Failed(format!("{path} is not there")));
    };
    let edited = edited(path, &current.bytes, set, unset)?;
    let outputs = json!({ "file": path, "keep": keep });
    if let Some(kept) = read(host, keep).await?
        && kept.bytes != current.bytes
    {
        let done = self::edited(keep, &kept.bytes, set, unset).is_ok_and(|made| made.text.as_bytes() == current.bytes);
        if done {
            let words = format!("{path} is edited already; its original is at {keep}");
            return Ok(Report::holds(words).with_outputs(outputs));
        }
        return Err(Undone::Failed(format!("{keep} is there and holds another text than {path}: nothing was changed")));
    }
    scene.sink.note(&edited.diff);
    if scene.stop.is_stopped() {
        return Err(Undone::Cancelled("stopped before anything was changed".to_owned()));
    }
    write(host, keep, &current.bytes, &current.attributes).await?;
    if edited.diff.is_empty() {
        return Ok(Report::holds(format!("{path} is as it must be already")).with_outputs(outputs));
    }
    write(host, path, edited.text.as_bytes(), &current.attributes).await?;
    let words = format!("edited {path}; the original is at {keep}");
    Ok(Report::holds(words).with_details(lines(&edited.diff)).with_outputs(outputs))
}

fn lines(text: &str) -> Vec<String> {
    text.lines().take(DIFF_LINES).map(|line| crate::hosts::clean::line(line.as_bytes())).collect()
}

async fn restore(scene: &Scene<'_>, path: &str, keep: &str, set: &Values, unset: &[String]) -> Acted {
    let host = &*scene.host;
    let current = read(host, path).await?;
    let Some(kept) = read(host, keep).await? else {
        let nothing = nothing_kept(path, keep, current.as_ref(), set, unset)?;
        // An edit that was killed while it kept the original left at most a draft.
        host.remove(keep).await?;
        return Ok(nothing);
    };
    let made = edited(keep, &kept.bytes, set, unset)?;
    let (now, like) =
        current.map_or_else(|| (None, kept.attributes), |current| (Some(current.bytes), current.attributes));
    match now {
        Some(now) if now == kept.bytes => {
            host.remove(keep).await?;
            Ok(Report::holds(format!("{path} holds its original already; removed {keep}")))
        }
        Some(now) if now != made.text.as_bytes() => Err(Undone::Failed(three_ways(scene, path, keep, &made, &now))),
        // Gone, or as the edit left it.
        Some(_) | None => {
            write(host, path, &kept.bytes, &like).await?;
            let unseen = |error: HostError| Undone::InDoubt(format!("{path} was put back, but not compared: {error}"));
            let (one, other) = (host.sha256(path).await.map_err(unseen)?, host.sha256(keep).await.map_err(unseen)?);
            if one != other {
                return Err(Undone::InDoubt(format!(
                    "{path} has SHA-256 {one} and {keep} {other}: they must be equal"
                )));
            }
            host.remove(keep).await.map_err(|error| after(error, &format!("{path} was put back")))?;
            let words = format!("put the original of {path} back (SHA-256 {one}); removed {keep}");
            Ok(Report::holds(words))
        }
    }
}

fn nothing_kept(path: &str, keep: &str, current: Option<&Current>, set: &Values, unset: &[String]) -> Acted {
    let edited = current.and_then(|current| FlagsFile::parse(&current.bytes).ok()).is_some_and(|file| {
        let set = set.iter().all(|(flag, value)| file.values(flag) == [value.0.clone()]);
        set && unset.iter().all(|flag| file.values(flag).is_empty())
    });
    if edited && !set.is_empty() {
        return Err(Undone::Failed(format!(
            "no original is at {keep}, but {path} holds what the edit sets: take that out by hand"
        )));
    }
    Ok(Report::holds(format!("no original is at {keep}: nothing to put back")))
}

fn three_ways(scene: &Scene<'_>, path: &str, keep: &str, made: &Edited, now: &[u8]) -> String {
    let now = String::from_utf8_lossy(now);
    scene.sink.note(&format!("what the edit changed:\n{}", made.diff));
    scene.sink.note(&format!("what someone changed since:\n{}", diff(&made.text, &now)));
    let changed: Vec<String> = diff(&made.text, &now)
        .lines()
        .filter(|line| {
            (line.starts_with('+') || line.starts_with('-')) && !line.starts_with("+++") && !line.starts_with("---")
        })
        .take(4)
        .map(|line| crate::hosts::clean::line(line.as_bytes()))
        .collect();
    format!(
        "{path} is neither its original nor what the edit made of it: someone changed it since ({}). It was left as it is; \
         the original is at {keep}. Merge the two by hand, or put {path} back to what the edit made and undo again",
        changed.join("  ")
    )
}

/// Refuses a value that a scheduler would refuse.
fn check_value(flag: &str, value: &str) -> Result<(), String> {
    let refused = |why: String| format!("-{flag}={value}: {why}");
    if TIMES.contains(&flag) {
        TimeAmount::parse(value).map_err(|error| refused(error.to_string()))?;
    }
    if flag == "mesos_master_address" {
        MasterAddress::parse(value).map_err(|error| refused(error.to_string()))?;
    }
    Ok(())
}

pub(super) async fn look(scene: &Scene<'_>, flags: &Flags) -> Report {
    match flags {
        Flags::File { file, has, has_not } => seen(look_at_file(scene, file.as_str(), has, has_not).await),
        Flags::Running { service, log, has, has_not } => {
            seen(look_at_process(scene, service, log.as_ref(), has, has_not).await)
        }
        Flags::Edit { .. } | Flags::Restore { .. } => Report::unknown("an action is not a look"),
    }
}

async fn look_at_file(scene: &Scene<'_>, path: &str, has: &Values, has_not: &[String]) -> Result<Report, String> {
    let bytes = scene.host.read_file(path, FILE_BYTES_MAX).await.map_err(|error| error.to_string())?;
    let file = FlagsFile::parse(&bytes).map_err(|error| format!("{path}: {error}"))?;
    Ok(compare(path, |flag| file.values(flag), has, has_not))
}

async fn look_at_process(
    scene: &Scene<'_>,
    service: &Text,
    log: Option<&Text>,
    has: &Values,
    has_not: &[String],
) -> Result<Report, String> {
    let found = process::on(scene, scene.name, service).await?;
    let best =
        found.alive.iter().map(|process| (given(&process.args), process.pid)).max_by_key(|(given, _)| given.len());
    if let Some((given, pid)) = best.filter(|(given, _)| !given.is_empty()) {
        let place = format!("{service} (process {pid})");
        return Ok(compare(&place, |flag| values(&given, flag), has, has_not));
    }
    let Some(log) = log else {
        return Err(format!("no process of {service} shows flags, and no log is named that would"));
    };
    let given = super::flags_log::newest_start(&*scene.host, log.as_str(), scene.left()).await?;
    let place = format!("the newest start in {log}");
    Ok(compare(&place, |flag| values(&given, flag), has, has_not))
}

/// Flags of a command line, name and value.
fn given(args: &[String]) -> Vec<(String, String)> {
    let line: String = args
        .iter()
        .map(|arg| shlex::try_quote(arg).map_or_else(|_| arg.clone(), std::borrow::Cow::into_owned))
        .fold(String::new(), |mut line, arg| {
            let _ = writeln!(line, "{arg}");
            line
        });
    FlagsFile::parse(line.as_bytes()).map(|file| file.all()).unwrap_or_default()
}

fn values(given: &[(String, String)], flag: &str) -> Vec<String> {
    given.iter().filter(|(name, _)| name == flag).map(|(_, value)| value.clone()).collect()
}

fn compare(place: &str, values: impl Fn(&str) -> Vec<String>, has: &Values, has_not: &[String]) -> Report {
    let mut differ = Vec::new();
    for (flag, wanted) in has {
        match values(flag).as_slice() {
            [value] if value == wanted.as_str() => {}
            [value] => differ.push(format!("-{flag} is {value}, not {wanted}")),
            [] => differ.push(format!("-{flag} is not there; it must be {wanted}")),
            several => differ.push(format!("-{flag} is there {} times", several.len())),
        }
    }
    for flag in has_not {
        if let Some(value) = values(flag).first() {
            differ.push(format!("-{flag} is there with {value:?}; it must not be"));
        }
    }
    if differ.is_empty() {
        return Report::holds(format!("{place} has the flags that it must have"));
    }
    Report::new(Finding::Fails, format!("{place}: {}", differ.join("; "))).with_details(differ)
}

pub(super) async fn foresee(scene: &Scene<'_>, flags: &Flags) -> Prediction {
    match foresee_or(scene, flags).await {
        Ok(prediction) => prediction,
        Err(Undone::Refused(why) | Undone::Failed(why) | Undone::InDoubt(why) | Undone::Cancelled(why)) => {
            Prediction::new(Finding::Fails, why)
        }
    }
}

async fn foresee_or(scene: &Scene<'_>, flags: &Flags) -> Result<Prediction, Undone> {
    match flags {
        Flags::Edit { file, set, unset, .. } => {
            let path = file.as_str();
            for (flag, value) in set {
                check_value(flag, value.as_str()).map_err(Undone::Failed)?;
            }
            let Some(current) = read(&*scene.host, path).await? else {
                return Ok(Prediction::new(Finding::Fails, format!("{path} is not there")));
            };
            let edited = edited(path, &current.bytes, set, unset)?;
            if edited.diff.is_empty() {
                return Ok(Prediction::new(Finding::Holds, format!("{path} is as it must be already")));
            }
            Ok(Prediction::new(Finding::Holds, format!("would edit {path}")).with(lines(&edited.diff)))
        }
        Flags::Restore { file, keep, .. } => {
            let there = scene.host.stat(keep.as_str()).await?.is_some();
            let words = if there {
                format!("would put {keep} back to {file}")
            } else {
                format!("no original is at {keep}: nothing to put back")
            };
            Ok(Prediction::new(Finding::Holds, words))
        }
        Flags::File { .. } | Flags::Running { .. } => Ok(Prediction::new(Finding::Holds, "would look at flags")),
    }
}
