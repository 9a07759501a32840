//! What stands around a replica's directory: who owns it, who has it open, how much room there is.
//!
//! Everything is looked up, nothing is opened: owners and modes by stat(2), room by statvfs(2), names of users from
//! `/etc/passwd`, the holder of the lock from the kernel's list `/proc/locks`, his program from `/proc/PID/comm`.

use std::{fs, path::Path};

use rustix::fs::{AtFlags, CWD, FileType, StatVfsMountFlags, statat, statvfs};

use crate::replog::{FileFacts, FileSort, Lock, Surroundings};

/// Names looked at in one directory.
const NAMES_MAX: usize = 100_000;

/// Looks around the directory at `path`. `expected_user` is the scheduler's user, by name or number, if known.
pub fn surround(path: &Path, expected_user: Option<&str>) -> Surroundings {
    let mut around = Surroundings {
        path: path.display().to_string(),
        expected_user: expected_user.map(str::to_owned),
        ..Surroundings::default()
    };
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    // Through a link to the directory, as a replica does.
    match statat(CWD, path, AtFlags::empty()) {
        Ok(found) => around.directory = Some(facts(".", &found, &passwd)),
        Err(error) => {
            around.problem = Some(format!("cannot be looked at: {}", std::io::Error::from(error)));
            around.judge(None);
            return around;
        }
    }
    if around.directory.as_ref().is_some_and(|directory| directory.sort != FileSort::Directory) {
        around.problem = Some("not a directory".to_owned());
        around.judge(None);
        return around;
    }
    if let Ok(room) = statvfs(path) {
        around.free_bytes = Some(room.f_bavail.saturating_mul(room.f_frsize));
        around.read_only_fs = room.f_flag.contains(StatVfsMountFlags::RDONLY);
    }
    match fs::read_dir(path) {
        Ok(entries) => {
            for entry in entries.flatten().take(NAMES_MAX) {
                let name = entry.file_name().to_string_lossy().into_owned();
                if let Ok(found) = statat(CWD, entry.path(), AtFlags::SYMLINK_NOFOLLOW) {
                    if name == "LOCK" {
                        around.lock = lock(found.st_dev, found.st_ino);
                    }
                    around.files.push(facts(&name, &found, &passwd));
                }
            }
            if !around.files.iter().any(|file| file.name == "LOCK") {
                around.lock = Lock::NoFile;
            }
        }
        Err(error) => around.problem = Some(format!("cannot be listed: {error}")),
    }
    around.files.sort_by(|a, b| a.name.cmp(&b.name));
    let wanted = expected_user.and_then(|user| user_id(user, &passwd));
    around.judge(wanted);
    around
}

fn facts(name: &str, found: &rustix::fs::Stat, passwd: &str) -> FileFacts {
    let sort = match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => FileSort::File,
        FileType::Directory => FileSort::Directory,
        FileType::Symlink => FileSort::Link,
        FileType::Fifo => FileSort::Pipe,
        FileType::Socket => FileSort::Socket,
        _ => FileSort::Device,
    };
    FileFacts {
        name: name.to_owned(),
        sort,
        len: u64::try_from(found.st_size).unwrap_or(0),
        disk_bytes: u64::try_from(found.st_blocks).unwrap_or(0).saturating_mul(512),
        uid: found.st_uid,
        gid: found.st_gid,
        owner: user_name(found.st_uid, passwd).unwrap_or_else(|| found.st_uid.to_string()),
        mode: found.st_mode & 0o7777,
        modified_ms: found
            .st_mtime
            .saturating_mul(1000)
            .saturating_add(i64::try_from(found.st_mtime_nsec).unwrap_or(0) / 1_000_000),
    }
}

/// Fields of passwd(5): name, password, number.
fn user_name(uid: u32, passwd: &str) -> Option<String> {
    users(passwd).find(|(_, id)| *id == uid).map(|(name, _)| name.to_owned())
}

fn user_id(user: &str, passwd: &str) -> Option<u32> {
    users(passwd).find(|(name, _)| *name == user).map(|(_, id)| id).or_else(|| user.parse().ok())
}

fn users(passwd: &str) -> impl Iterator<Item = (&str, u32)> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        Some((name, fields.nth(1)?.parse().ok()?))
    })
}

/// Lines of `/proc/locks` hold the owner's pid in their fifth field and the file as device and number in their sixth
/// (proc(5)); a pid of -1 or 0 is a holder that is not of this namespace.
fn lock(device: u64, inode: u64) -> Lock {
    let text = match fs::read_to_string("/proc/locks") {
        Ok(text) => text,
        Err(error) => return Lock::Unknown { why: format!("/proc/locks: {error}") },
    };
    let wanted = format!("{:02x}:{:02x}:{inode}", rustix::fs::major(device), rustix::fs::minor(device));
    let holder = text.lines().filter(|line| !line.contains("->")).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        (fields.get(5) == Some(&wanted.as_str())).then(|| fields.get(4).and_then(|pid| pid.parse::<i32>().ok()))
    });
    match holder {
        None => Lock::Free,
        Some(pid) => {
            let pid = pid.filter(|pid| *pid > 0);
            let program = pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).ok());
            Lock::Held { pid, program: program.map(|name| name.trim_end().to_owned()) }
        }
    }
}
