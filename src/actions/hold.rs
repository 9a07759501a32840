//! Holding a service down, so that nobody and nothing starts it by accident, and letting it go.
//!
//! First a mark is written: a file on the host that says in words who holds the service, since when, why, and how to undo
//! it by hand. Then its manager is told, where it has a means: a mask for the runtime (systemd; an assertion in a runtime
//! drop-in where a unit in `/etc` would win over the mask), `manual` in an override (Upstart), a `down` file (runit), or
//! the inventory's own command. Where there is none the mark is all there is, and that is said. Letting go is the same
//! backwards; a mark of another session is left, and what was held before stays held. It survives being killed between any
//! two of these. What it does not survive: a reboot takes a mask for the runtime with it; the mark stays.

use super::{
    command::quoted,
    managers::property,
    scene::{Acted, Scene, Undone},
    service::{must_run, run},
};
use crate::{
    hosts::{Attributes, Host, HostError, Quiet},
    inventory::{Manager, ServiceTemplates},
    runbook::{kind::mark_beside, text::Text},
    session::{Finding, Report},
};

/// Bytes of a mark, or of a file that holds a service down; both have a few lines.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Everybody may read a mark.
const FILE_MODE: u32 = 0o644;
/// Mode of a directory for a drop-in.
const DIR_MODE: u32 = 0o755;
/// The line in an override of Upstart by which ours is known.
const MANUAL: &str = "manual # held by firstlight";
/// What a mark begins with.
const TITLE: &str = "held by firstlight";

/// Who holds a service.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    session: String,
    since: String,
    /// It was held before, by someone else.
    found_held: bool,
}

impl Mark {
    fn read(text: &str) -> Option<Self> {
        if !text.starts_with(TITLE) {
            return None;
        }
        let value = |name: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            found.map(|value| crate::hosts::clean::line(value.as_bytes()))
        };
        let found_held = value("held before").as_deref() == Some("yes");
        Some(Self { session: value("session")?, since: value("since").unwrap_or_default(), found_held })
    }

    fn words(&self) -> String {
        format!("session {} holds it since {}", self.session, self.since)
    }
}

/// The session of a name that is made of session and attempt.
fn session_of(by: Option<&Text>) -> Result<&str, Undone> {
    let session = by.and_then(|by| by.as_str().rsplit_once('-')).map(|(session, _)| session);
    session.ok_or_else(|| Undone::Failed("it is not settled which session this is".to_owned()))
}

async fn mark_at(host: &dyn Host, path: &str) -> Result<Option<Mark>, String> {
    match host.read_file(path, FILE_BYTES_MAX).await {
        Ok(bytes) => match Mark::read(&String::from_utf8_lossy(&bytes)) {
            Some(mark) => Ok(Some(mark)),
            None => Err(format!("{path} is there and is no mark of this program: look at it")),
        },
        Err(HostError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

async fn write(host: &dyn Host, path: &str, text: &str) -> Result<(), Undone> {
    let directory = path.rsplit_once('/').map_or("/", |(above, _)| above);
    let above = host.stat(directory).await?.ok_or_else(|| HostError::NotFound(directory.to_owned()))?;
    let like = match host.stat(path).await? {
        Some(found) => found.attributes,
        None => Attributes { mode: FILE_MODE, ..above.attributes },
    };
    host.write_atomic(path, &mut text.as_bytes(), &like, None).await?;
    Ok(())
}

/// The file that keeps the manager from starting the service, with this host's names in it.
fn hold_file(scene: &Scene<'_>, templates: &ServiceTemplates) -> Result<Option<(Manager, String)>, String> {
    let Some(managed) = &templates.managed else { return Ok(None) };
    let file = managed.hold_file().map(|text| scene.world.render(scene.name, &text)).transpose()?;
    Ok(file.map(|file| (managed.manager, file)))
}

/// Whether the manager keeps the service from being started; `None` where it has no means that could be seen.
async fn held(scene: &Scene<'_>, templates: &ServiceTemplates) -> Result<Option<bool>, String> {
    let Some((manager, file)) = hold_file(scene, templates)? else { return Ok(None) };
    let read = match scene.host.read_file(&file, FILE_BYTES_MAX).await {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(HostError::NotFound(_)) => None,
        Err(error) => return Err(error.to_string()),
    };
    match manager {
        Manager::Systemd if read.is_some() => Ok(Some(true)),
        Manager::Systemd => {
            let (_, ran) = run(scene, &templates.status, &Quiet).await.map_err(Undone::into_words)?;
            let text = String::from_utf8_lossy(&ran.stdout).into_owned();
            match property(&text, "LoadState") {
                Some(load) => Ok(Some(load == "masked")),
                None => Err("systemd does not say whether the unit is masked".to_owned()),
            }
        }
        Manager::Upstart => {
            let manual = |line: &str| line.split('#').next().unwrap_or_default().trim() == "manual";
            Ok(Some(read.is_some_and(|text| text.lines().any(manual))))
        }
        Manager::Runit => Ok(Some(read.is_some())),
        Manager::Sysv | Manager::Supervisor => Ok(None),
    }
}

pub(super) async fn hold(scene: &Scene<'_>, name: &Text, beside: &Text, because: &Text, by: Option<&Text>) -> Acted {
    let host = &*scene.host;
    let path = &mark_beside(beside);
    let templates = scene.world.service(name).map_err(Undone::Failed)?;
    let session = session_of(by)?;
    if !path.starts_with('/') {
        return Err(Undone::Failed(format!("the mark {path:?} is not an absolute path")));
    }
    match mark_at(host, path).await.map_err(Undone::Failed)? {
        Some(mark) if mark.session != session => {
            return Err(Undone::Refused(format!("{path}: {}; nothing was done", mark.words())));
        }
        Some(_) => {}
        None => {
            let before = held(scene, templates).await.map_err(Undone::Failed)? == Some(true);
            if scene.stop.is_stopped() {
                return Err(Undone::Cancelled("stopped before anything was done".to_owned()));
            }
            let text = mark_text(scene, templates, name, path, because, by, before).map_err(Undone::Failed)?;
            write(host, path, &text).await?;
        }
    }
    if held(scene, templates).await.map_err(Undone::InDoubt)? != Some(true) {
        tell(scene, templates, path).await?;
    }
    match held(scene, templates).await.map_err(Undone::InDoubt)? {
        Some(true) => Ok(Report::holds(format!("{name} is held down; the mark is {path}"))),
        Some(false) => Err(Undone::Failed(format!("{path} is written, but the manager would still start {name}"))),
        None if templates.hold.is_empty() => Ok(Report::holds(format!(
            "wrote the mark {path}; the manager of {name} has no means to hold it down, so tell whoever could start it"
        ))),
        None => Ok(Report::holds(format!("told the manager of {name} to hold it down; the mark is {path}"))),
    }
}

/// Tells the manager, each by its own means.
async fn tell(scene: &Scene<'_>, templates: &ServiceTemplates, mark: &str) -> Result<(), Undone> {
    let host = &*scene.host;
    let file = hold_file(scene, templates).map_err(Undone::Failed)?;
    let Some((manager, file)) = file else {
        if !templates.hold.is_empty() {
            must_run(scene, "hold", &templates.hold).await?;
        }
        return Ok(());
    };
    match manager {
        Manager::Upstart => {
            let before = text_of(host, &file).await?;
            let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
            write(host, &file, &format!("{before}{gap}{MANUAL}\n")).await?;
        }
        Manager::Runit => {
            // The file first: a supervisor that starts in between finds it.
            write(host, &file, "").await?;
            must_run(scene, "hold", &templates.hold).await?;
        }
        Manager::Systemd => {
            let masked = must_run(scene, "hold", &templates.hold).await;
            if masked.is_err() || held(scene, templates).await.map_err(Undone::InDoubt)? != Some(true) {
                scene.sink.note("a mask for the runtime has no effect on this unit: an assertion takes its place");
                let _ = must_run(scene, "release", &templates.release).await;
                assertion(scene, templates, &file, mark).await?;
            }
        }
        Manager::Sysv | Manager::Supervisor => {}
    }
    Ok(())
}

async fn assertion(scene: &Scene<'_>, templates: &ServiceTemplates, file: &str, mark: &str) -> Result<(), Undone> {
    let host = &*scene.host;
    let directory = file.rsplit_once('/').map_or("/", |(above, _)| above);
    if host.stat(directory).await?.is_none() {
        let above = directory.rsplit_once('/').map_or("/", |(above, _)| above);
        let found = host.stat(above).await?.ok_or_else(|| HostError::NotFound(above.to_owned()))?;
        host.make_dir(directory, &Attributes { mode: DIR_MODE, ..found.attributes }).await?;
    }
    let text = format!("# {TITLE}\n[Unit]\nAssertPathExists=!{}\n", mark.replace('%', "%%"));
    write(host, file, &text).await?;
    reload(scene, templates).await
}

async fn reload(scene: &Scene<'_>, templates: &ServiceTemplates) -> Result<(), Undone> {
    let told = templates.managed.as_ref().map(crate::inventory::Managed::reload).unwrap_or_default();
    if !told.is_empty() {
        must_run(scene, "reload", &told).await?;
    }
    Ok(())
}

async fn text_of(host: &dyn Host, path: &str) -> Result<String, Undone> {
    match host.read_file(path, FILE_BYTES_MAX).await {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| Undone::Failed(format!("{path} is not text"))),
        Err(HostError::NotFound(_)) => Ok(String::new()),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn release(scene: &Scene<'_>, name: &Text, beside: &Text, by: Option<&Text>) -> Acted {
    let host = &*scene.host;
    let path = &mark_beside(beside);
    let templates = scene.world.service(name).map_err(Undone::Failed)?;
    let session = session_of(by)?;
    let Some(found) = mark_at(host, path).await.map_err(Undone::Failed)? else {
        // A hold that was killed while it wrote the mark left at most a draft of it.
        host.remove(path).await?;
        let still = held(scene, templates).await.map_err(Undone::Failed)? == Some(true);
        let also = if still { "; its manager holds it down all the same: someone else told it to" } else { "" };
        return Ok(Report::holds(format!("there is no mark {path}: nothing to let go{also}")));
    };
    if found.session != session {
        return Err(Undone::Failed(format!("{path}: {}; it was left", found.words())));
    }
    if !found.found_held {
        untell(scene, templates).await?;
        if held(scene, templates).await.map_err(Undone::InDoubt)? == Some(true) {
            return Err(Undone::Failed(format!("the manager of {name} still holds it down; {path} was left")));
        }
    }
    host.remove(path).await?;
    let also = if found.found_held { "; it was held down before, and still is" } else { "" };
    Ok(Report::holds(format!("let {name} go; removed {path}{also}")))
}

async fn untell(scene: &Scene<'_>, templates: &ServiceTemplates) -> Result<(), Undone> {
    let host = &*scene.host;
    let Some((manager, file)) = hold_file(scene, templates).map_err(Undone::Failed)? else {
        if !templates.release.is_empty() {
            must_run(scene, "release", &templates.release).await?;
        }
        return Ok(());
    };
    match manager {
        Manager::Upstart => {
            let text = text_of(host, &file).await?;
            let rest: String = text.split_inclusive('\n').filter(|line| line.trim_end() != MANUAL).collect();
            if rest.is_empty() {
                host.remove(&file).await?;
            } else if rest != text {
                write(host, &file, &rest).await?;
            }
        }
        Manager::Runit => {
            host.remove(&file).await?;
        }
        Manager::Systemd => {
            if host.remove(&file).await? {
                reload(scene, templates).await?;
            }
            must_run(scene, "release", &templates.release).await?;
        }
        Manager::Sysv | Manager::Supervisor => {}
    }
    Ok(())
}

/// The mark, in words for somebody who has never heard of this program.
fn mark_text(
    scene: &Scene<'_>,
    templates: &ServiceTemplates,
    name: &Text,
    path: &str,
    because: &Text,
    by: Option<&Text>,
    before: bool,
) -> Result<String, String> {
    let by = by.map(Text::as_str).unwrap_or_default();
    let (session, attempt) = by.rsplit_once('-').unwrap_or((by, ""));
    let manager = match &templates.managed {
        Some(managed) => {
            let unit = scene.world.render(scene.name, &managed.unit)?;
            format!("{} ({}, {unit})", name, managed.manager.name())
        }
        None => name.to_string(),
    };
    let line = |texts: &[Text]| -> Result<String, String> {
        let argv = scene.world.render_all(scene.name, texts)?;
        Ok(argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "))
    };
    let mut undo = Vec::new();
    match hold_file(scene, templates)? {
        Some((Manager::Upstart, file)) => undo.push(format!("take the line `{MANUAL}` out of {file}")),
        Some((Manager::Systemd, file)) => {
            let reload = templates.managed.as_ref().map(crate::inventory::Managed::reload).unwrap_or_default();
            undo.push(format!("{} && rm -f {} && {}", line(&templates.release)?, quoted(&file), line(&reload)?));
        }
        Some((_, file)) => undo.push(format!("rm -f {}", quoted(&file))),
        None if !templates.release.is_empty() => undo.push(line(&templates.release)?),
        None => {}
    }
    undo.push(format!("rm {}", quoted(path)));
    Ok(format!(
        "{TITLE}: do not start this service.\n\
         \n\
         {because}\n\
         \n\
         service: {manager}\n\
         host: {host}\n\
         session: {session}\n\
         attempt: {attempt}\n\
         since: {since}\n\
         held before: {before}\n\
         \n\
         The session takes this back by itself. Only if it is lost for good, and nobody resumes it, undo it by hand:\n\
         {undo}\n",
        because = crate::hosts::clean::line(because.as_str().as_bytes()),
        host = scene.name,
        since = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        before = if before { "yes" } else { "no" },
        undo = undo.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"),
    ))
}

pub(super) async fn look_held(scene: &Scene<'_>, name: &Text, beside: &Text) -> Report {
    let mark = &mark_beside(beside);
    let (found, held) = match both(scene, name, mark).await {
        Ok(both) => both,
        Err(why) => return Report::unknown(why),
    };
    match (found, held) {
        (Some(_), Some(false)) => {
            Report::fails(format!("the mark {mark} is there, but the manager would start {name}"))
        }
        (Some(found), Some(true) | None) => Report::holds(format!("{name} is held down: {}", found.words())),
        (None, Some(true)) => Report::fails(format!("{name} is held down, but the mark {mark} is not there")),
        (None, Some(false) | None) => Report::fails(format!("nobody holds {name} down")),
    }
}

pub(super) async fn look_free(scene: &Scene<'_>, name: &Text, beside: &Text) -> Report {
    let mark = &mark_beside(beside);
    let (found, held) = match both(scene, name, mark).await {
        Ok(both) => both,
        Err(why) => return Report::unknown(why),
    };
    match (found, held) {
        (Some(found), _) => Report::fails(format!("{name} must not be started: {} ({mark} tells more)", found.words())),
        (None, Some(true)) => Report::fails(format!("the manager holds {name} down, and not this program told it to")),
        (None, Some(false) | None) => Report::new(Finding::Holds, format!("nobody holds {name} down")),
    }
}

async fn both(scene: &Scene<'_>, name: &Text, mark: &str) -> Result<(Option<Mark>, Option<bool>), String> {
    let templates = scene.world.service(name)?;
    let found = mark_at(&*scene.host, mark).await?;
    Ok((found, held(scene, templates).await?))
}
