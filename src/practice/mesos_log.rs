//! The stand-in for Mesos's `mesos-log`: `initialize` and `read`, with its words and exit codes.

use std::{fmt::Write as _, path::Path};

use crate::replog::{Action, ActionKind};

use super::replica_store::{ReplicaStore, StoreError, initialize};

/// The line between actions.
const LINE: &str = "----------------------------------------------";

/// What it prints and how it exits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// On standard output.
    pub out: String,
    /// On standard error.
    pub err: String,
    /// The exit code.
    pub code: i32,
}

/// Runs the tool.
pub fn run(args: &[String]) -> Outcome {
    let refuse = |err: String| Outcome { err: format!("{err}\n"), code: 1, ..Outcome::default() };
    let Some((command, flags)) = args.split_first() else {
        return refuse("Usage: mesos-log <command> [OPTIONS]\n\nAvailable commands: initialize, read".to_owned());
    };
    let value = |name: &str| {
        let joined = format!("--{name}=");
        flags.iter().find_map(|flag| flag.strip_prefix(&joined))
    };
    match command.as_str() {
        "initialize" | "read" => {}
        other => return refuse(format!("Cannot find command '{other}'")),
    }
    let Some(path) = value("path") else {
        return refuse("Missing required option --path".to_owned());
    };
    if command == "initialize" {
        return match initialize(Path::new(path)) {
            Ok(()) => Outcome::default(),
            Err(error) => refuse(words(&error)),
        };
    }
    read(Path::new(path), value("from"), value("to")).unwrap_or_else(refuse)
}

fn words(error: &StoreError) -> String {
    match error {
        StoreError::Recover(_) => format!("EXIT with status 1: {error}"),
        other => other.to_string(),
    }
}

fn read(path: &Path, from: Option<&str>, to: Option<&str>) -> Result<Outcome, String> {
    let (store, restored) = ReplicaStore::open(path).map_err(|error| words(&error))?;
    let number = |text: Option<&str>, default: u64| match text {
        None => Ok(default),
        Some(text) => text.parse::<u64>().map_err(|_| format!("Failed to load value '{text}'")),
    };
    let (from, to) = (number(from, restored.begin)?, number(to, restored.end)?);
    if to < from {
        return Err("Bad read range (to < from)".to_owned());
    }
    if from < restored.begin {
        return Err("Bad read range (truncated position)".to_owned());
    }
    if to > restored.end {
        return Err("Bad read range (past end of log)".to_owned());
    }
    let out = store.read(from..=to).iter().fold(String::new(), |mut out, (action, bytes)| {
        // Writing to a string does not fail.
        let _ = write!(out, "{LINE}\n{}", shown(action, bytes));
        out
    });
    Ok(Outcome { out, ..Outcome::default() })
}

/// Protobuf's text form.
fn shown(action: &Action, bytes: &[u8]) -> String {
    let mut out = format!("position: {}\npromised: {}\n", action.position, action.promised);
    if let Some(performed) = action.performed {
        let _ = writeln!(out, "performed: {performed}");
    }
    if let Some(learned) = action.learned {
        let _ = writeln!(out, "learned: {learned}");
    }
    match action.kind {
        Some(ActionKind::Nop { tombstone: false }) => out.push_str("type: NOP\nnop {\n}\n"),
        Some(ActionKind::Nop { tombstone: true }) => out.push_str("type: NOP\nnop {\n  tombstone: true\n}\n"),
        Some(ActionKind::Append { .. }) => {
            let _ = writeln!(out, "type: APPEND\nappend {{\n  bytes: \"{}\"\n}}", escaped(bytes));
        }
        Some(ActionKind::Truncate { to }) => {
            let _ = writeln!(out, "type: TRUNCATE\ntruncate {{\n  to: {to}\n}}");
        }
        None => {}
    }
    out
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        match byte {
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b'"' => out.push_str("\\\""),
            b'\'' => out.push_str("\\'"),
            b'\\' => out.push_str("\\\\"),
            0x20..=0x7e => out.push(char::from(*byte)),
            other => {
                let _ = write!(out, "\\{other:03o}");
            }
        }
        out
    })
}
