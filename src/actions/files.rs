//! `files`: moves aside, moves back, removes, copies, and looks at files and directories.
//!
//! What is moved is renamed within its file system, so that it takes no time and no space, after a manifest of it is
//! durable beside the new place. What is copied gets its name only when its digest is right. Predicts what would go
//! where, how much it is, and whether there is room. Its time is the order's; renames cannot be stopped half way.

use std::fmt::Write as _;

use serde_json::json;
use tokio::io::AsyncRead;

use super::{
    run::Prediction,
    scene::{Acted, Scene, Undone, after, finding, seen, untouched},
};
use crate::{
    hosts::{Attributes, Entry, FileKind, Host, Stat},
    runbook::{kind::Files, model::HostName, text::Text},
    session::{Finding, Report},
};

/// Entries below a path that are moved aside; a log directory has a few dozen, a backup directory some hundred.
const ENTRIES_MAX: usize = 100_000;
/// Bytes up to which a manifest has digests: beyond that a move that should take no time would take minutes.
const DIGEST_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Bytes of a manifest that are read back.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Lines of a manifest that go into a report's details.
const DETAIL_LINES: usize = 30;

pub(super) async fn act(scene: &Scene<'_>, files: &Files) -> Acted {
    match files {
        Files::MoveAside { path, to: Some(to) } => move_aside(scene, trim(path.as_str()), trim(to.as_str())).await,
        Files::MoveAside { to: None, .. } => Err(Undone::Failed("it is not settled where to move it".to_owned())),
        Files::MoveBack { from, to } => move_back(scene, trim(from.as_str()), trim(to.as_str())).await,
        Files::Remove { path, only_if_sha256 } => {
            remove(scene, trim(path.as_str()), only_if_sha256.as_ref().map(Text::as_str)).await
        }
        Files::Copy { from, from_host, to, sha256 } => {
            let source = from_host.as_ref().map_or_else(|| scene.name.clone(), |text| HostName::from(text.as_str()));
            copy(scene, from.as_str(), &source, to.as_str(), sha256.as_ref().map(Text::as_str)).await
        }
        Files::Exists { .. } | Files::Absent { .. } | Files::Same { .. } => {
            Err(Undone::Failed("a look is not an action".to_owned()))
        }
    }
}

fn trim(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { path } else { trimmed }
}

fn manifest_of(to: &str) -> String {
    format!("{to}.manifest")
}

async fn stat(host: &dyn Host, path: &str) -> Result<Option<Stat>, Undone> {
    host.stat(path).await.map_err(untouched)
}

/// Refuses paths that are never touched: relative, the root or right below it, with `..`, or a link.
fn guard(path: &str, stat: Option<&Stat>) -> Result<(), Undone> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let refused = |why: &str| Err(Undone::Failed(format!("refused to touch {path:?}: {why}")));
    if !path.starts_with('/') {
        return refused("the path is not absolute");
    }
    if parts.len() < 2 {
        return refused("it is the root directory or stands right below it");
    }
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return refused("the path has `.` or `..` in it");
    }
    match stat.map(|stat| stat.kind) {
        Some(FileKind::Link) => refused("it is a symbolic link; name what it points to"),
        Some(FileKind::Other) => refused("it is a device, pipe or socket"),
        Some(FileKind::File | FileKind::Directory) | None => Ok(()),
    }
}

async fn move_aside(scene: &Scene<'_>, path: &str, to: &str) -> Acted {
    let host = &*scene.host;
    let found = stat(host, path).await?;
    guard(path, found.as_ref())?;
    guard(to, None)?;
    if stat(host, to).await?.is_some() {
        return Err(Undone::Failed(format!("{to} is already there; nothing was moved")));
    }
    let Some(found) = found else { return set_out_empty(host, path, to).await };
    let (entries, digests) = contents(host, path).await?;
    forget_moves_that_never_came(host, to).await;
    let text = manifest(path, to, &found, &entries);
    write(host, &manifest_of(to), &text, &private(&found.attributes)).await?;
    if scene.stop.is_stopped() {
        host.remove(&manifest_of(to)).await?;
        return Err(Undone::Cancelled("stopped before anything was moved".to_owned()));
    }
    if let Err(error) = host.rename(path, to).await {
        let undone = Undone::from(error);
        if !matches!(undone, Undone::InDoubt(_)) {
            // A manifest of a move that did not happen would only mislead.
            let _ = host.remove(&manifest_of(to)).await;
        }
        return Err(undone);
    }
    if found.kind == FileKind::Directory {
        let made = host.make_dir(path, &found.attributes).await;
        made.map_err(|error| after(error, &format!("what was there is at {to}, and its empty place was to be made")))?;
    }
    let undigested = if digests { "" } else { "; too large for digests in the manifest" };
    let words = format!("moved {path} ({}) to {to}{undigested}", amount(&entries));
    Ok(Report::holds(words)
        .with_details(shown(&entries))
        .with_outputs(json!({ "to": to, "manifest": manifest_of(to) })))
}

/// Nothing is there: both places are made empty, so that what follows, and the way back, need not know.
async fn set_out_empty(host: &dyn Host, path: &str, to: &str) -> Acted {
    let parent = path.rsplit_once('/').map_or("/", |(before, _)| before);
    let Some(parent) = stat(host, parent).await? else {
        return Err(Undone::Failed(format!("neither {path} nor the directory above it is there")));
    };
    let like = Attributes { mode: parent.attributes.mode & 0o777, ..parent.attributes };
    host.make_dir(to, &like).await?;
    host.make_dir(path, &like).await?;
    let words = format!("{path} was not there: made it, empty, and {to} in place of what would have been moved");
    Ok(Report::holds(words).with_outputs(json!({ "to": to })))
}

async fn contents(host: &dyn Host, path: &str) -> Result<(Vec<Entry>, bool), Undone> {
    let entries = host.tree(path, ENTRIES_MAX, false).await.map_err(untouched)?;
    if bytes(&entries) > DIGEST_BYTES_MAX {
        return Ok((entries, false));
    }
    Ok((host.tree(path, ENTRIES_MAX, true).await.map_err(untouched)?, true))
}

fn bytes(entries: &[Entry]) -> u64 {
    entries.iter().filter(|entry| entry.stat.kind == FileKind::File).map(|entry| entry.stat.len).sum()
}

fn amount(entries: &[Entry]) -> String {
    let files = entries.iter().filter(|entry| entry.stat.kind == FileKind::File).count();
    let noun = if files == 1 { "file" } else { "files" };
    format!("{files} {noun}, {} bytes", bytes(entries))
}

fn shown(entries: &[Entry]) -> Vec<String> {
    let line =
        |entry: &Entry| format!("{} bytes  {}", entry.stat.len, crate::hosts::clean::line(entry.name.as_bytes()));
    entries.iter().filter(|entry| entry.stat.kind == FileKind::File).take(DETAIL_LINES).map(line).collect()
}

fn private(like: &Attributes) -> Attributes {
    Attributes { mode: 0o600, ..*like }
}

/// A manifest: JSON, one entry a line, so that it can be read with `less` and compared with `diff`.
fn manifest(path: &str, to: &str, found: &Stat, entries: &[Entry]) -> String {
    let line = |entry: &Entry| {
        json!({
            "name": entry.name,
            "kind": match entry.stat.kind {
                FileKind::File => "file",
                FileKind::Directory => "directory",
                FileKind::Link => "link",
                FileKind::Other => "other",
            },
            "bytes": entry.stat.len,
            "sha256": entry.sha256,
            "owner": entry.stat.owner,
            "mode": format!("{:04o}", entry.stat.attributes.mode),
        })
        .to_string()
    };
    let mut text = json!({
        "moved": path, "to": to, "owner": found.owner, "mode": format!("{:04o}", found.attributes.mode),
        "entries": entries.len(), "bytes": bytes(entries),
    })
    .to_string();
    for entry in entries {
        let _ = write!(text, "\n{}", line(entry));
    }
    text.push('\n');
    text
}

async fn write(host: &dyn Host, path: &str, text: &str, like: &Attributes) -> Result<(), Undone> {
    let mut source = text.as_bytes();
    host.write_atomic(path, &mut source, like, None).await?;
    Ok(())
}

async fn move_back(scene: &Scene<'_>, from: &str, to: &str) -> Acted {
    let host = &*scene.host;
    let (source, target) = (stat(host, from).await?, stat(host, to).await?);
    guard(from, source.as_ref())?;
    guard(to, target.as_ref())?;
    if source.is_none() {
        return Ok(Report::holds(format!("{from} is not there: nothing to put back")));
    }
    let differences = against_manifest(host, from).await;
    let replaced = match &target {
        Some(_) => clear_place(host, from, to).await?,
        None => None,
    };
    if let Err(error) = host.rename(from, to).await {
        if let Undone::InDoubt(why) = Undone::from(error.clone()) {
            let aside = replaced.map_or_else(String::new, |aside| format!("; what stood at {to} is at {aside}"));
            return Err(Undone::InDoubt(format!("{why}{aside}")));
        }
        let back = match &replaced {
            Some(aside) => host.rename(aside, to).await.err().map(|error| format!("; {to} stays at {aside}: {error}")),
            None => None,
        };
        return Err(Undone::Failed(format!("{error}; {from} was left where it is{}", back.unwrap_or_default())));
    }
    let _ = host.remove(&manifest_of(from)).await;
    let mut words = format!("put {from} back to {to}");
    if let Some(aside) = &replaced {
        let _ = write!(words, "; what stood there is at {aside}");
    }
    if !differences.is_empty() {
        let _ = write!(words, "; it is not as it was moved: {} differences", differences.len());
    }
    Ok(Report::holds(words).with_details(differences))
}

/// Moves aside what stands where something belongs; an empty directory goes. Says where it went.
async fn clear_place(host: &dyn Host, from: &str, to: &str) -> Result<Option<String>, Undone> {
    let mut aside = format!("{from}.replaced");
    for count in 2..100 {
        if host.stat(&aside).await.map_err(untouched)?.is_none() {
            break;
        }
        aside = format!("{from}.replaced-{count}");
    }
    host.rename(to, &aside).await?;
    let left = format!("what stood at {to} is at {aside}");
    let entries = host.tree(&aside, ENTRIES_MAX, false).await.map_err(|error| after(error, &left))?;
    if entries.is_empty() {
        host.remove(&aside).await.map_err(|error| after(error, &left))?;
        return Ok(None);
    }
    Ok(Some(aside))
}

/// Takes away the manifests of this session's earlier moves that were killed before they moved anything: they would only
/// mislead. What cannot be taken away does no harm.
async fn forget_moves_that_never_came(host: &dyn Host, to: &str) {
    let Some((dir, name)) = to.rsplit_once('/') else { return };
    let Some((session, _)) = name.rsplit_once("-a") else { return };
    let Ok(entries) = host.list(dir, ENTRIES_MAX).await else { return };
    // A half written one begins with a dot and ends in something of its own.
    let bare =
        |entry: &Entry| entry.name.trim_start_matches('.').split_once(".manifest").map(|(aside, _)| aside.to_owned());
    for aside in entries.iter().filter_map(bare).filter(|aside| aside.starts_with(session) && aside != name) {
        let aside = format!("{dir}/{aside}");
        if matches!(host.stat(&aside).await, Ok(None)) {
            let _ = host.remove(&manifest_of(&aside)).await;
        }
    }
}

/// What is not as the manifest says, by name and length; nothing if there is no manifest.
async fn against_manifest(host: &dyn Host, from: &str) -> Vec<String> {
    let Ok(text) = host.read_file(&manifest_of(from), MANIFEST_BYTES_MAX).await else { return Vec::new() };
    let Ok(entries) = host.tree(from, ENTRIES_MAX, false).await else { return Vec::new() };
    let mut missing: std::collections::BTreeMap<String, u64> = String::from_utf8_lossy(&text)
        .lines()
        .skip(1)
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|entry| entry.get("kind").and_then(|kind| kind.as_str()) == Some("file"))
        .filter_map(|entry| Some((entry.get("name")?.as_str()?.to_owned(), entry.get("bytes")?.as_u64()?)))
        .collect();
    let mut lines = Vec::new();
    for entry in entries.iter().filter(|entry| entry.stat.kind == FileKind::File) {
        match missing.remove(&entry.name) {
            Some(len) if len == entry.stat.len => {}
            Some(len) => lines.push(format!("{} had {len} bytes and has {}", entry.name, entry.stat.len)),
            None => lines.push(format!("{} was not there", entry.name)),
        }
    }
    lines.extend(missing.keys().map(|name| format!("{name} is gone")));
    lines.truncate(DETAIL_LINES);
    lines
}

async fn remove(scene: &Scene<'_>, path: &str, only_if: Option<&str>) -> Acted {
    let host = &*scene.host;
    let found = stat(host, path).await?;
    guard(path, found.as_ref())?;
    let Some(found) = found else {
        // A copy that was killed on its way here left at most a draft.
        host.remove(path).await?;
        return Ok(Report::holds(format!("{path} is not there: nothing to remove")));
    };
    if let Some(wanted) = only_if {
        if found.kind != FileKind::File {
            return Err(Undone::Failed(format!("{path} is not a file: left as it is")));
        }
        let digest = host.sha256(path).await.map_err(untouched)?;
        if !digest.eq_ignore_ascii_case(wanted) {
            return Err(Undone::Failed(format!("{path} has SHA-256 {digest}, not {wanted}: left as it is")));
        }
    }
    let entries = host.tree(path, ENTRIES_MAX, false).await.map_err(untouched)?;
    if scene.stop.is_stopped() {
        return Err(Undone::Cancelled("stopped before anything was removed".to_owned()));
    }
    match host.remove(path).await {
        Ok(_) => Ok(Report::holds(format!("removed {path} ({})", amount(&entries)))),
        Err(error) if found.kind == FileKind::Directory => Err(after(error, &format!("a part of {path} may be gone"))),
        Err(error) => Err(error.into()),
    }
}

async fn copy(scene: &Scene<'_>, from: &str, from_host: &HostName, to: &str, wanted: Option<&str>) -> Acted {
    let target = &*scene.host;
    let found = stat(target, to).await?;
    guard(to, None)?;
    let Some(source) = scene.world.hosts.get(from_host) else {
        return Err(Undone::Failed(format!("the inventory has no host {from_host}")));
    };
    let Some(original) = source.stat(from).await.map_err(untouched)? else {
        return Err(Undone::Failed(format!("{from} is not there on {from_host}")));
    };
    let digest = source.sha256(from).await.map_err(untouched)?;
    if let Some(wanted) = wanted
        && !wanted.eq_ignore_ascii_case(&digest)
    {
        return Err(Undone::Failed(format!("{from} on {from_host} has SHA-256 {digest}, not {wanted}: not copied")));
    }
    let outputs = |copied: &str| json!({ "to": to, "sha256": digest, "bytes": original.len, "copied": copied });
    if let Some(found) = &found {
        if found.kind == FileKind::File && target.sha256(to).await.map_err(untouched)? == digest {
            return Ok(
                Report::holds(format!("{to} is there already with the same content")).with_outputs(outputs("no"))
            );
        }
        return Err(Undone::Failed(format!("{to} is there with other content: left as it is")));
    }
    let like = like_the_directory(target, to, &original.attributes).await?;
    let reader = source.reader(from).await.map_err(untouched)?;
    let mut reader = Stopping { inner: reader, stop: scene.stop.clone() };
    let written = target.write_atomic(to, &mut reader, &like, Some(&digest)).await;
    let written = written.map_err(|error| match Undone::from(error) {
        Undone::Failed(_) if scene.stop.is_stopped() => {
            Undone::Cancelled("stopped before the copy had its name".to_owned())
        }
        other => other,
    })?;
    let words = format!("copied {from} of {from_host} to {to} ({} bytes, SHA-256 {})", written.len, written.sha256);
    Ok(Report::holds(words).with_outputs(outputs("yes")))
}

/// The owner that a new file gets: its directory's, so that the service that owns it can read what is put there.
async fn like_the_directory(host: &dyn Host, path: &str, original: &Attributes) -> Result<Attributes, Undone> {
    let directory = path.rsplit_once('/').map_or("/", |(before, _)| if before.is_empty() { "/" } else { before });
    match host.stat(directory).await.map_err(untouched)? {
        Some(stat) if stat.kind == FileKind::Directory || stat.kind == FileKind::Link => {
            Ok(Attributes { mode: original.mode & 0o777, ..stat.attributes })
        }
        Some(_) => Err(Undone::Failed(format!("{directory} is not a directory"))),
        None => Err(Undone::Failed(format!("{directory} is not there"))),
    }
}

/// A reader that fails once it should stop.
struct Stopping {
    inner: Box<dyn AsyncRead + Send + Unpin>,
    stop: crate::hosts::Stop,
}

impl AsyncRead for Stopping {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        into: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        if self.stop.is_stopped() {
            return std::task::Poll::Ready(Err(std::io::Error::other("stopped")));
        }
        std::pin::Pin::new(&mut self.inner).poll_read(context, into)
    }
}

pub(super) async fn look(scene: &Scene<'_>, files: &Files) -> Report {
    seen(look_or(scene, files).await)
}

async fn look_or(scene: &Scene<'_>, files: &Files) -> Result<Report, String> {
    let host = &*scene.host;
    let said = |error: crate::hosts::HostError| error.to_string();
    match files {
        Files::Exists { path } | Files::Absent { path } => {
            let found = host.stat(path.as_str()).await.map_err(said)?;
            let words = if found.is_some() { "is there" } else { "is not there" };
            let wanted = matches!(files, Files::Exists { .. });
            Ok(Report::new(finding(found.is_some() == wanted), format!("{path} {words}")))
        }
        Files::Same { path, sha256 } => {
            if host.stat(path.as_str()).await.map_err(said)?.is_none() {
                return Ok(Report::fails(format!("{path} is not there")));
            }
            let digest = host.sha256(path.as_str()).await.map_err(said)?;
            let same = digest.eq_ignore_ascii_case(sha256.as_str());
            let words = if same {
                "has the digest that it must have".to_owned()
            } else {
                format!("has SHA-256 {digest}, not {sha256}")
            };
            Ok(Report::new(finding(same), format!("{path} {words}")))
        }
        _ => Err("an action is not a look".to_owned()),
    }
}

pub(super) async fn foresee(scene: &Scene<'_>, files: &Files) -> Prediction {
    match foresee_or(scene, files).await {
        Ok(prediction) => prediction,
        Err(Undone::Refused(why) | Undone::Failed(why) | Undone::InDoubt(why) | Undone::Cancelled(why)) => {
            Prediction::new(Finding::Unknown, why)
        }
    }
}

async fn foresee_or(scene: &Scene<'_>, files: &Files) -> Result<Prediction, Undone> {
    let host = &*scene.host;
    match files {
        Files::MoveAside { path, to } => {
            let path = trim(path.as_str());
            let to = to.as_ref().map_or_else(|| format!("{path}.aside-\u{2026}"), |to| to.0.clone());
            foresee_move(host, path, &to, "move").await
        }
        Files::MoveBack { from, to } => foresee_move(host, trim(from.as_str()), to.as_str(), "put").await,
        Files::Remove { path, .. } => {
            let path = trim(path.as_str());
            let found = stat(host, path).await?;
            guard(path, found.as_ref())?;
            if found.is_none() {
                return Ok(Prediction::new(Finding::Holds, format!("{path} is not there: nothing to remove")));
            }
            let entries = host.tree(path, ENTRIES_MAX, false).await?;
            Ok(Prediction::new(Finding::Holds, format!("would remove {path} ({})", amount(&entries)))
                .with(shown(&entries)))
        }
        Files::Copy { from, from_host, to, .. } => {
            let source = from_host.as_ref().map_or_else(|| scene.name.clone(), |text| HostName::from(text.as_str()));
            foresee_copy(scene, from.as_str(), &source, to.as_str()).await
        }
        Files::Exists { .. } | Files::Absent { .. } | Files::Same { .. } => {
            Ok(Prediction::new(Finding::Holds, "would look at files"))
        }
    }
}

async fn foresee_move(host: &dyn Host, from: &str, to: &str, verb: &str) -> Result<Prediction, Undone> {
    let found = stat(host, from).await?;
    guard(from, found.as_ref())?;
    if found.is_none() {
        return Ok(Prediction::new(Finding::Holds, format!("{from} is not there: nothing to {verb}")));
    }
    let entries = host.tree(from, ENTRIES_MAX, false).await?;
    let device = |stat: Option<Stat>| stat.map(|stat| stat.device);
    let parent = |path: &str| path.rsplit_once('/').map_or("/".to_owned(), |(before, _)| format!("{before}/"));
    let same = device(stat(host, &parent(from)).await?) == device(stat(host, &parent(to)).await?)
        && device(found) == device(stat(host, &parent(from)).await?);
    let words = format!("would {verb} {from} ({}) to {to}", amount(&entries));
    if !same {
        return Ok(Prediction::new(Finding::Fails, format!("{words}, but they are not on the same file system")));
    }
    Ok(Prediction::new(Finding::Holds, format!("{words}, within its file system")).with(shown(&entries)))
}

async fn foresee_copy(scene: &Scene<'_>, from: &str, from_host: &HostName, to: &str) -> Result<Prediction, Undone> {
    let Some(source) = scene.world.hosts.get(from_host) else {
        return Ok(Prediction::new(Finding::Fails, format!("the inventory has no host {from_host}")));
    };
    let Some(original) = source.stat(from).await? else {
        return Ok(Prediction::new(Finding::Fails, format!("{from} is not there on {from_host}")));
    };
    let directory = to.rsplit_once('/').map_or("/", |(before, _)| before);
    let free = scene.host.free_bytes(directory).await?;
    let words = format!("would copy {from} of {from_host} to {to} ({} bytes, {free} bytes free)", original.len);
    Ok(Prediction::new(finding(original.len < free), words))
}
