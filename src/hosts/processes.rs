//! The processes of this machine, from `/proc` (proc(5)).

use std::{fs, path::Path};

use super::HostError;

/// Processes looked at; far above any default `pid_max` in use on one machine at a time.
const PROCESSES_MAX: usize = 262_144;
/// Ticks a second of the start times in `/proc/PID/stat`: `USER_HZ`, 100 on every Linux architecture in use.
const TICKS: i64 = 100;

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proc {
    /// Its id.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// Its session's.
    pub session: i32,
    /// True if it ended and nobody has asked for its exit code yet.
    pub zombie: bool,
    /// When it was started, milliseconds since the epoch; moves with the wall clock.
    pub started_ms: i64,
    /// Its command line; bytes that are not UTF-8 are replaced.
    pub args: Vec<String>,
}

impl Proc {
    /// The command line as one text.
    pub fn command_line(&self) -> String {
        self.args.join(" ")
    }
}

pub(super) fn all() -> Result<Vec<Proc>, HostError> {
    // With `hidepid` other users' processes are not shown; that none is seen would say nothing then.
    if !Path::new("/proc/1").exists() {
        let why = "processes of other users are hidden from this user".to_owned();
        return Err(HostError::Io { doing: "look at", path: "/proc".to_owned(), why });
    }
    let booted_ms = booted_ms();
    let names = fs::read_dir("/proc").map_err(|error| super::disk::io_error("list", Path::new("/proc"), &error))?;
    let pids = names.flatten().filter_map(|name| name.file_name().to_str()?.parse().ok());
    Ok(pids.take(PROCESSES_MAX).filter_map(|pid| one(pid, booted_ms)).collect())
}

/// One process; `None` if it is gone.
fn one(pid: i32, booted_ms: i64) -> Option<Proc> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let args = command_line.strip_suffix(b"\0").unwrap_or(&command_line);
    let args = if args.is_empty() {
        Vec::new()
    } else {
        args.split(|byte| *byte == 0).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect()
    };
    from_stat(pid, &stat, args, booted_ms)
}

/// A process from what its `stat` file says.
pub(super) fn from_stat(pid: i32, stat: &[u8], args: Vec<String>, booted_ms: i64) -> Option<Proc> {
    // The name in parentheses may itself hold parentheses and spaces: the fields start after the last one.
    let after = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = String::from_utf8_lossy(stat.get(after + 1..)?).into_owned();
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|text| text.parse::<i64>().ok());
    Some(Proc {
        pid,
        zombie: matches!(fields.first(), Some(&("Z" | "X"))),
        parent: number(1).and_then(|id| i32::try_from(id).ok())?,
        session: number(3).and_then(|id| i32::try_from(id).ok())?,
        started_ms: booted_ms + number(19)? * 1000 / TICKS,
        args,
    })
}

fn booted_ms() -> i64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<i64>().ok());
    seconds.unwrap_or(0) * 1000
}

/// The process that holds a lock on the file with this device and number, from `/proc/locks`: the sixth field is
/// `major:minor:inode`, device numbers in hex.
pub(super) fn lock_holder(device: u64, inode: u64) -> Result<Option<i32>, HostError> {
    let locks = Path::new("/proc/locks");
    let text = fs::read_to_string(locks).map_err(|error| super::disk::io_error("read", locks, &error))?;
    Ok(holder_in(&text, device, inode))
}

/// The same from the list's text.
pub(super) fn holder_in(text: &str, device: u64, inode: u64) -> Option<i32> {
    let wanted = format!("{:02x}:{:02x}:{inode}", rustix::fs::major(device), rustix::fs::minor(device));
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().filter(|field| *field != "->").collect();
        (fields.get(5) == Some(&wanted.as_str())).then(|| fields.get(4)?.parse().ok()).flatten()
    })
}
