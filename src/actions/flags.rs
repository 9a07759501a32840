//! `flags`: edits a scheduler's flags where they stand, puts the original back, and looks at the file or the process.
//!
//! What a scheduler of the release at hand would not start with is refused before anything is written. The diff is shown;
//! the original is durable in the session and at its place beside the file before the file is touched. It is put back only
//! over what the edit made of it, which is proved by digest: what someone else changed since is explained, not
//! overwritten. A manager is told of a changed unit. Predicts the diff. Its time is the order's; a write is whole or not
//! at all.

use serde_json::json;

use super::{
    EvidenceError,
    flags_place::{Asked, Current, Place, read_file, write_file},
    process,
    run::Prediction,
    scene::{Acted, Scene, Undone, after, seen},
};
use crate::{
    aurora::{
        flags::Flags as Given,
        flags_file::{Edited, FlagsFile, diff},
    },
    runbook::{kind::Flags, text::Text},
    session::{Finding, Report},
};

/// Names in the directory of a flags file.
const NAMES_MAX: usize = 100_000;
/// Lines of a diff that go into a report.
const DIFF_LINES: usize = 60;
/// The flag whose value is never shown.
const SECRET: &str = "zk_digest_credentials";

pub(super) async fn act(scene: &Scene<'_>, flags: &Flags) -> Acted {
    match flags {
        Flags::Edit { file, form, service, keep: Some(keep), .. } => {
            let place = Place::of(scene, file, form.as_ref(), service.as_ref()).map_err(Undone::Failed)?;
            edit(&place, keep.as_str(), flags).await
        }
        Flags::Edit { keep: None, .. } => {
            Err(Undone::Failed("it is not settled where the original is kept".to_owned()))
        }
        Flags::Restore { file, form, service, keep, .. } => {
            let place = Place::of(scene, file, form.as_ref(), service.as_ref()).map_err(Undone::Failed)?;
            restore(&place, keep.as_str(), flags).await
        }
        Flags::File { .. } | Flags::Running { .. } => Err(Undone::Failed("a look is not an action".to_owned())),
    }
}

fn asked(place: &Place<'_>, bytes: &[u8], flags: &Flags) -> Result<Asked, Undone> {
    let file = place.parse(bytes).map_err(Undone::Failed)?;
    Asked::of(flags.wanted(), |flag| !file.values(flag).is_empty()).map_err(Undone::Failed)
}

async fn edit(place: &Place<'_>, keep: &str, flags: &Flags) -> Acted {
    let (scene, path) = (place.scene, place.path);
    let Some(current) = place.read().await? else {
        return Err(Undone::Failed(format!("{path} is not there")));
    };
    let outputs = json!({ "file": path, "keep": keep });
    if let Some(kept) = read_file(scene, keep).await?
        && !place.same(&kept.bytes, &current.bytes)
    {
        // What the release knows is decided by the original: the edit may have taken the sign of it away.
        let made = asked(place, &kept.bytes, flags).and_then(|asked| asked.edit(place, &kept.bytes));
        if made.is_ok_and(|made| place.same(made.text.as_bytes(), &current.bytes)) {
            place.reload(&current.bytes).await?;
            let words = format!("{path} is edited already; its original is at {keep}");
            return Ok(Report::holds(words).with_outputs(outputs));
        }
        return Err(Undone::Failed(format!("{keep} is there and holds another text than {path}: nothing was changed")));
    }
    let asked = asked(place, &current.bytes, flags)?;
    asked.check().map_err(Undone::Failed)?;
    let edited = asked.edit(place, &current.bytes)?;
    let shown = lines(&edited.diff);
    scene.sink.note(&shown.join("\n"));
    asked.unchecked().iter().for_each(|words| scene.sink.note(words));
    if scene.stop.is_stopped() {
        return Err(Undone::Cancelled("stopped before anything was changed".to_owned()));
    }
    let mut details = shown;
    details.extend(asked.unchecked());
    match scene.keep("flags-original", current.bytes.clone()).await {
        Ok(kept) => details.push(format!("the original is kept in the session too: {}", kept.path.display())),
        // A look or a rehearsal without a session keeps nothing.
        Err(EvidenceError::NoSession) => {}
        Err(error) => {
            return Err(Undone::Failed(format!("the original could not be kept: {error}; nothing was changed")));
        }
    }
    write_file(scene, keep, &current.bytes, &current.attributes).await?;
    if edited.diff.is_empty() {
        return Ok(Report::holds(format!("{path} is as it must be already")).with_outputs(outputs));
    }
    unchanged(place, &current).await?;
    place.write(edited.text.as_bytes(), &current.attributes).await?;
    let words = format!("edited {path}; the original is at {keep}");
    Ok(Report::holds(words).with_details(details).with_outputs(outputs))
}

/// Looks once more, in the same breath as the write: what someone wrote while the original was kept is not overwritten.
async fn unchanged(place: &Place<'_>, before: &Current) -> Result<(), Undone> {
    let now = place.read().await?.map(|current| current.bytes);
    if now.is_some_and(|now| place.same(&now, &before.bytes)) {
        return Ok(());
    }
    Err(Undone::Failed(format!("{} was changed by someone else at this moment: it was left as it is", place.path)))
}

/// Lines of a diff, without what must not be shown.
fn lines(text: &str) -> Vec<String> {
    text.lines().take(DIFF_LINES).map(|line| masked(&crate::hosts::clean::line(line.as_bytes()))).collect()
}

fn masked(line: &str) -> String {
    let Some(at) = line.find(SECRET).map(|at| at + SECRET.len()) else { return line.to_owned() };
    let (head, tail) = line.split_at(at);
    let end = tail.get(1..).and_then(|rest| rest.find([' ', '"', '\''])).map_or(tail.len(), |end| end + 1);
    format!("{head}{}***{}", tail.get(..1).unwrap_or_default(), tail.get(end..).unwrap_or_default())
}

async fn restore(place: &Place<'_>, keep: &str, flags: &Flags) -> Acted {
    let (scene, path) = (place.scene, place.path);
    let host = &*scene.host;
    let current = place.read().await?;
    let Some(kept) = read_file(scene, keep).await? else {
        let nothing = nothing_kept(place, keep, current.as_ref(), flags).await?;
        // An edit that was killed while it kept the original left at most a draft.
        host.remove(keep).await?;
        return Ok(nothing);
    };
    let made = asked(place, &kept.bytes, flags)?.edit(place, &kept.bytes)?;
    let (now, like) =
        current.map_or_else(|| (None, kept.attributes), |current| (Some(current.bytes), current.attributes));
    match now {
        Some(now) if place.same(&now, &kept.bytes) => {
            place.reload(&kept.bytes).await?;
            host.remove(keep).await?;
            Ok(Report::holds(format!("{path} holds its original already; removed {keep}")))
        }
        Some(now) if !place.same(&now, made.text.as_bytes()) => {
            Err(Undone::Failed(three_ways(scene, path, keep, &made, &now)))
        }
        // Gone, or as the edit left it.
        Some(_) | None => {
            place.write(&kept.bytes, &like).await?;
            let proof = place.proof(keep).await?;
            host.remove(keep).await.map_err(|error| after(error, &format!("{path} was put back")))?;
            Ok(Report::holds(format!("put the original of {path} back ({proof}); removed {keep}")))
        }
    }
}

async fn nothing_kept(place: &Place<'_>, keep: &str, current: Option<&Current>, flags: &Flags) -> Acted {
    let edited = current.and_then(|current| place.parse(&current.bytes).ok()).is_some_and(|file| {
        let asked = Asked::of(flags.wanted(), |flag| !file.values(flag).is_empty());
        asked.is_ok_and(|asked| {
            let set = asked.set.iter().all(|(flag, value)| file.values(flag) == [value.clone()]);
            set && !asked.set.is_empty() && asked.unset.iter().all(|flag| file.values(flag).is_empty())
        })
    });
    if edited && let Some(earlier) = earlier_original(place, keep).await {
        return Ok(Report::holds(format!(
            "nothing was kept at {keep}: an earlier edit of this session had been made, and its own entry puts {earlier} back"
        )));
    }
    if edited {
        let path = place.path;
        return Err(Undone::Failed(format!(
            "no original is at {keep}, but {path} holds what the edit sets: take that out by hand"
        )));
    }
    Ok(Report::holds(format!("no original is at {keep}: nothing to put back")))
}

/// The original that an earlier edit of the same session kept: an edit that found its work done keeps none.
async fn earlier_original(place: &Place<'_>, keep: &str) -> Option<String> {
    let (directory, name) = keep.rsplit_once('/')?;
    let (session, _) = name.rsplit_once("-a")?;
    let names = place.scene.host.list(directory, NAMES_MAX).await.ok()?;
    let earlier = |name: &String| name.strip_prefix(session).is_some_and(|rest| rest.starts_with("-a"));
    names.into_iter().map(|entry| entry.name).find(earlier).map(|name| format!("{directory}/{name}"))
}

fn three_ways(scene: &Scene<'_>, path: &str, keep: &str, made: &Edited, now: &[u8]) -> String {
    let since = diff(&made.text, &String::from_utf8_lossy(now));
    scene.sink.note(&format!("what the edit changed:\n{}", lines(&made.diff).join("\n")));
    scene.sink.note(&format!("what someone changed since:\n{}", lines(&since).join("\n")));
    let changed: Vec<String> = lines(&since)
        .into_iter()
        .filter(|line| {
            (line.starts_with('+') || line.starts_with('-')) && !line.starts_with("+++") && !line.starts_with("---")
        })
        .take(4)
        .collect();
    format!(
        "{path} is neither its original nor what the edit made of it: someone changed it since ({}). It was left as it is; \
         the original is at {keep}. Merge the two by hand, or put {path} back to what the edit made and undo again",
        changed.join("  ")
    )
}

pub(super) async fn look(scene: &Scene<'_>, flags: &Flags) -> Report {
    match flags {
        Flags::File { file, form, service, .. } => match Place::of(scene, file, form.as_ref(), service.as_ref()) {
            Ok(place) => seen(look_at_file(&place, flags).await),
            Err(why) => Report::unknown(why),
        },
        Flags::Running { service, log, url, .. } => {
            seen(look_at_process(scene, service, log.as_ref(), url.as_ref(), flags).await)
        }
        Flags::Edit { .. } | Flags::Restore { .. } => Report::unknown("an action is not a look"),
    }
}

async fn look_at_file(place: &Place<'_>, flags: &Flags) -> Result<Report, String> {
    let path = place.path;
    let current = place.read().await.map_err(Undone::into_words)?;
    let current = current.ok_or_else(|| format!("{path} is not there"))?;
    let file = place.parse(&current.bytes)?;
    let asked = Asked::of(flags.wanted(), |flag| !file.values(flag).is_empty())?;
    Ok(compare(path, |flag| file.values(flag), &asked))
}

async fn look_at_process(
    scene: &Scene<'_>,
    service: &Text,
    log: Option<&Text>,
    url: Option<&Text>,
    flags: &Flags,
) -> Result<Report, String> {
    let mut unseen = Vec::new();
    let judged = |place: &str, given: &Given| {
        let asked = Asked::of(flags.wanted(), |flag| given.has(flag))?;
        Ok(compare(place, |flag| values(given, flag), &asked))
    };
    match process::on(scene, scene.name, service).await {
        Ok(found) => {
            // What wraps the scheduler shows its flags as one word, or not at all.
            let all = found.alive.iter().map(|process| (FlagsFile::of_arguments(&process.args), process.pid));
            match all.max_by_key(|(given, _)| given.flags.len()).filter(|(given, _)| !given.flags.is_empty()) {
                Some((given, pid)) => return judged(&format!("{service} (process {pid})"), &given),
                None => unseen.push(format!("no process of {service} shows flags")),
            }
        }
        Err(why) => unseen.push(why),
    }
    if let Some(url) = url {
        match super::scheduler::flags_of(scene, url).await {
            Ok(given) => return judged(&format!("/vars of {url}"), &given),
            Err(why) => unseen.push(why),
        }
    }
    let Some(log) = log else {
        return Err(format!("{}; no log is named that would", unseen.join("; ")));
    };
    let given = super::flags_log::newest_start(&*scene.host, log.as_str(), scene.left()).await?;
    judged(&format!("the newest start in {log}"), &given)
}

fn values(given: &Given, flag: &str) -> Vec<String> {
    let fits = given.flags.iter().filter(|one| one.name == flag);
    fits.map(|one| one.value.clone().unwrap_or_default()).collect()
}

fn compare(place: &str, values: impl Fn(&str) -> Vec<String>, asked: &Asked) -> Report {
    let mut differ = Vec::new();
    for (flag, wanted) in &asked.set {
        match values(flag).as_slice() {
            [value] if value == wanted => {}
            [value] => differ.push(format!("-{flag} is {value}, not {wanted}")),
            [] => differ.push(format!("-{flag} is not there; it must be {wanted}")),
            several => differ.push(format!("-{flag} is there {} times", several.len())),
        }
    }
    for flag in &asked.unset {
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
        Err(undone) => Prediction::new(Finding::Fails, undone.into_words()),
    }
}

async fn foresee_or(scene: &Scene<'_>, flags: &Flags) -> Result<Prediction, Undone> {
    match flags {
        Flags::Edit { file, form, service, .. } => {
            let place = Place::of(scene, file, form.as_ref(), service.as_ref()).map_err(Undone::Failed)?;
            let path = place.path;
            let Some(current) = place.read().await? else {
                return Ok(Prediction::new(Finding::Fails, format!("{path} is not there")));
            };
            let asked = asked(&place, &current.bytes, flags)?;
            asked.check().map_err(Undone::Failed)?;
            let edited = asked.edit(&place, &current.bytes)?;
            if edited.diff.is_empty() {
                return Ok(Prediction::new(Finding::Holds, format!("{path} is as it must be already")));
            }
            let mut details = lines(&edited.diff);
            details.extend(asked.unchecked());
            Ok(Prediction::new(Finding::Holds, format!("would edit {path}")).with(details))
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

#[cfg(test)]
mod tests {
    #[test]
    fn credentials_are_not_shown() {
        for (line, wanted) in [
            ("+-zk_digest_credentials=a:b", "+-zk_digest_credentials=***"),
            (" X=\"-zk_digest_credentials=a:b -c=1\"", " X=\"-zk_digest_credentials=*** -c=1\""),
            (" -zk_digest_credentials a:b -c=1", " -zk_digest_credentials *** -c=1"),
            ("-a=1", "-a=1"),
        ] {
            assert_eq!(super::masked(line), wanted);
        }
    }
}
