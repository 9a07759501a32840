//! `log init`: an initialized, blank log where there is none, as `mesos-log initialize` leaves it.
//!
//! It is written beside its place under a name of its own, synced, read back with the reader of replicated logs, and
//! only then renamed. An empty directory is replaced by it; anything that is not empty is refused, also when it became
//! so in between. What is left out: LevelDB's own journal in words, which a replica makes when it opens the log.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::inspect::plain;
use crate::{
    cli::{
        args::{EndsWith, print},
        page::Page,
    },
    exit::Exit,
    forensics::Disk,
    hosts::hex,
    replog::{Finding, Severity, Status, initialized_files, inspect},
};

/// Mode of the files, as a replica makes them under the usual mask.
const FILE_MODE: u32 = 0o644;
/// Mode of the directory where none is there and none is asked for.
const DIR_MODE: u32 = 0o755;

/// What is asked for.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The directory (`-native_log_file_path`): missing, or empty.
    #[arg(value_name = "DIR")]
    dir: String,
    /// Who is to own it, by name or number: the scheduler's user. The owner of the empty directory, else you.
    #[arg(long)]
    user: Option<String>,
    /// The directory's mode, in octal. That of the empty directory, else 755.
    #[arg(long, value_parser = octal)]
    mode: Option<u32>,
    /// Say what would be written, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

fn octal(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 && mode & 0o700 == 0o700 => Ok(mode),
        Ok(_) => Err("between 700 and 777: its owner must be able to read, write and enter it".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// What is to be made.
struct Planned {
    target: PathBuf,
    draft: PathBuf,
    owner: Option<(u32, u32)>,
    mode: u32,
}

/// Refused before anything was written.
fn refused(why: String) -> anyhow::Error {
    EndsWith { exit: Exit::BadInput, why }.into()
}

fn failed(doing: &str, path: &Path, error: &io::Error) -> anyhow::Error {
    let next = match error.kind() {
        io::ErrorKind::PermissionDenied => "; run as the scheduler's user or with sudo",
        io::ErrorKind::StorageFull => "; make room on this file system first",
        _ => "",
    };
    EndsWith { exit: Exit::Failed, why: format!("{doing} {}: {error}{next}", path.display()) }.into()
}

/// Writes the log, or says what would be written.
pub(super) fn init(args: &InitArgs) -> anyhow::Result<Exit> {
    let planned = plan(args)?;
    let files = initialized_files();
    if !args.dry_run {
        let made = write(&planned, &files).and_then(|()| place(&planned));
        if let Err(error) = made {
            // Only what this process made, under the name that it made up.
            drop(fs::remove_dir_all(&planned.draft));
            return Err(error);
        }
        verify(&planned.target)?;
    }
    report(args, &planned, &files)?;
    Ok(Exit::Done)
}

fn plan(args: &InitArgs) -> anyhow::Result<Planned> {
    let target = PathBuf::from(plain(&args.dir));
    let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(refused(format!("{} cannot be a log: name a directory of its own", target.display())));
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let draft = parent.join(format!(".{}.firstlight-{}", name.to_string_lossy(), std::process::id()));
    let there = match fs::symlink_metadata(&target) {
        Ok(found) => Some(found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(refused(format!("looking at {}: {error}", target.display()))),
    };
    let shown = target.display();
    match &there {
        Some(found) if found.is_symlink() => {
            return Err(refused(format!("{shown} is a symbolic link; name the directory that it leads to")));
        }
        Some(found) if !found.is_dir() => {
            return Err(refused(format!("{shown} is not a directory; -native_log_file_path has the right one")));
        }
        Some(_) => empty(&target)?,
        None if !parent.is_dir() => {
            return Err(refused(format!("{} is no directory: make it first", parent.display())));
        }
        None => {}
    }
    let owner = match (&args.user, &there) {
        (Some(user), _) => Some(account(user)?),
        (None, Some(found)) => Some((found.uid(), found.gid())),
        (None, None) => None,
    };
    let mode = args.mode.or_else(|| there.map(|found| found.mode() & 0o777)).unwrap_or(DIR_MODE);
    Ok(Planned { target, draft, owner, mode })
}

/// An error unless nothing is in a directory.
fn empty(path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    let mut names = fs::read_dir(path).map_err(|error| {
        refused(format!("whether {shown} is empty cannot be seen: {error}; run as the scheduler's user or with sudo"))
    })?;
    let Some(first) = names.next() else { return Ok(()) };
    let first = first.map(|entry| entry.file_name().to_string_lossy().into_owned()).unwrap_or_default();
    Err(refused(format!(
        "{shown} is not empty: it holds {} ({first} among them). `firstlight log inspect {shown}` says what that is; \
         move it aside, do not delete it: mv {shown} {shown}.aside",
        crate::backups::words::count(1 + names.count() as u64, "name"),
    )))
}

/// Number and group of a user, by passwd(5): name, password, number, group.
fn account(user: &str) -> anyhow::Result<(u32, u32)> {
    let list = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, uid, gid) = (fields.next()?, fields.nth(1)?, fields.next()?);
        (name == user || uid == user).then(|| Some((uid.parse().ok()?, gid.parse().ok()?))).flatten()
    });
    found.ok_or_else(|| refused(format!("{user} is no user of this machine; -native_log_file_path's owner is meant")))
}

fn write(planned: &Planned, files: &[(&'static str, Vec<u8>)]) -> anyhow::Result<()> {
    let draft = planned.draft.as_path();
    // What an earlier process with this number left is in the way, and may be anything: it is not touched.
    DirBuilder::new().mode(0o700).create(draft).map_err(|error| failed("making", draft, &error))?;
    for (name, bytes) in files {
        let path = draft.join(name);
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&path)?;
            file.write_all(bytes)?;
            file.set_permissions(Permissions::from_mode(FILE_MODE))?;
            file.sync_all()
        };
        write().map_err(|error| failed("writing", &path, &error))?;
        give(&path, planned.owner)?;
    }
    verify(draft)?;
    fs::set_permissions(draft, Permissions::from_mode(planned.mode))
        .map_err(|error| failed("setting the mode of", draft, &error))?;
    give(draft, planned.owner)?;
    sync(draft)
}

fn give(path: &Path, owner: Option<(u32, u32)>) -> anyhow::Result<()> {
    let Some((uid, gid)) = owner else { return Ok(()) };
    let found = fs::symlink_metadata(path).map_err(|error| failed("looking at", path, &error))?;
    if (found.uid(), found.gid()) == (uid, gid) {
        return Ok(());
    }
    chown(path, Some(uid), Some(gid)).map_err(|error| failed("giving to its owner", path, &error))
}

fn sync(path: &Path) -> anyhow::Result<()> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    synced.map_err(|error| failed("syncing", path, &error))
}

/// rename(2) replaces a directory only while it is empty.
fn place(planned: &Planned) -> anyhow::Result<()> {
    fs::rename(&planned.draft, &planned.target).map_err(|error| failed("renaming to", &planned.target, &error))?;
    let parent = planned.target.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync(parent.unwrap_or_else(|| Path::new(".")))
}

/// What the reader of replicated logs says of it must be what was to be written.
fn verify(path: &Path) -> anyhow::Result<()> {
    let found = inspect(&Disk::new(path)).summary;
    let view = &found.mesos_view;
    let damage = found.findings.iter().find(|finding: &&Finding| finding.severity == Severity::Damage);
    if view.status == Some(Status::Voting) && view.actions == 0 && damage.is_none() {
        return Ok(());
    }
    let said = crate::replog::verdict::one_line(&found);
    let why =
        format!("{} was written and is not what it should be: {said}; do not start a scheduler on it", path.display());
    Err(EndsWith { exit: Exit::Failed, why }.into())
}

fn report(args: &InitArgs, planned: &Planned, files: &[(&'static str, Vec<u8>)]) -> anyhow::Result<()> {
    let path = planned.target.display().to_string();
    let digest = |bytes: &[u8]| hex(&Sha256::digest(bytes));
    if args.json {
        let files: Vec<_> = files
            .iter()
            .map(|(name, bytes)| json!({ "name": name, "bytes": bytes.len(), "sha256": digest(bytes) }))
            .collect();
        let owner = planned.owner.map(|(uid, gid)| json!({ "uid": uid, "gid": gid }));
        let value = json!({
            "path": path, "written": !args.dry_run, "status": "VOTING", "actions": 0,
            "mode": format!("{:04o}", planned.mode), "owner": owner, "files": files,
        });
        return print(&format!("{}\n", serde_json::to_string_pretty(&value)?));
    }
    let mut page = Page::default();
    page.words("", &path);
    page.words(
        "",
        if args.dry_run {
            "nothing was written (--dry-run); this would be:"
        } else {
            "initialized: VOTING, no positions; read back and synced"
        },
    );
    let owner = planned.owner.map_or_else(|| "you".to_owned(), |(uid, gid)| format!("user {uid}, group {gid}"));
    page.field("owner", &format!("{owner}; mode {:04o}", planned.mode));
    for (name, bytes) in files {
        page.words("  ", &format!("{name}, {}", crate::backups::words::count(bytes.len() as u64, "byte")));
        page.words("    sha256 ", &digest(bytes));
    }
    if !args.dry_run {
        page.words("", "Initialize all replicas or none: two blank ones outvote one that still knows something.");
    }
    print(page.text())
}
