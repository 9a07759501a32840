//! Upstart's job files and start scripts: the one command that starts the scheduler, and the variables beside it.

use std::ops::Range;

use super::{
    FlagsFileError,
    words::{Quote, Region, assignment, is_name, names_it, quoting, shell_word_end, words},
};

/// Stanzas that only a job file has.
const STANZAS: [&str; 4] = ["start on", "stop on", "end script", "respawn"];

/// True if a text has the stanzas of a job.
pub(super) fn looks_like(text: &str) -> bool {
    let stanza = |line: &str| STANZAS.iter().any(|stanza| line == *stanza || line.starts_with(&format!("{stanza} ")));
    text.lines().any(stanza)
}

/// What may hold flags in a job: the command of `exec` or of the main `script`, and variables.
pub(super) fn regions(text: &str) -> Result<Vec<Region>, FlagsFileError> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let line_end = line_end(text, at);
        let line = text.get(at..line_end).unwrap_or_default().trim_end();
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        at = if trimmed == "script" {
            let end = script_end(text, line_end);
            found.extend(in_shell(text, line_end..end));
            line_end_or(text, end)
        } else if trimmed.ends_with(" script") && !trimmed.starts_with(['#', 'e']) {
            // `pre-start script` and its like run before or after the service itself.
            line_end_or(text, script_end(text, line_end))
        } else if trimmed.starts_with("exec ") {
            let from = at + indent + "exec ".len();
            let end = command_end(text.as_bytes(), from, text.len());
            found.push(Region::of(from..end, Quote::Command));
            line_end_or(text, end)
        } else {
            found.extend(trimmed.strip_prefix("env ").and_then(|_| variable(text, at + indent + "env ".len())));
            line_end
        };
    }
    one_command(text, found)
}

/// What may hold flags in a start script.
pub(super) fn script_regions(text: &str) -> Result<Vec<Region>, FlagsFileError> {
    one_command(text, in_shell(text, 0..text.len()))
}

fn one_command(text: &str, mut found: Vec<Region>) -> Result<Vec<Region>, FlagsFileError> {
    let flagged = |region: &Region| region.quote == Quote::Command && !region.flags(text).is_empty();
    let several = found.iter().filter(|region| flagged(region)).count();
    if several > 1 {
        return Err(FlagsFileError::Unsafe(format!("{several} of its commands have flags")));
    }
    if several == 1 {
        found.retain(|region| region.quote != Quote::Command || flagged(region));
    }
    Ok(found)
}

fn line_end(text: &str, from: usize) -> usize {
    text.get(from..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| from + at + 1)
}

fn line_end_or(text: &str, at: usize) -> usize {
    if at >= text.len() { text.len() } else { line_end(text, at) }
}

/// Where the line `end script` begins.
fn script_end(text: &str, from: usize) -> usize {
    let mut at = from;
    for line in text.get(from..).unwrap_or_default().split_inclusive('\n') {
        if line.trim() == "end script" {
            return at;
        }
        at += line.len();
    }
    at
}

/// Assignments and the commands that name the scheduler, among lines of a shell.
fn in_shell(text: &str, lines: Range<usize>) -> Vec<Region> {
    let mut found = Vec::new();
    let mut at = lines.start;
    while at < lines.end {
        let end = line_end(text, at);
        if let Some(region) = assignment(text, at).filter(|region| region.statement.end <= lines.end) {
            at = region.statement.end.max(end.min(at + 1));
            found.push(region);
            continue;
        }
        let line = text.get(at..end).unwrap_or_default();
        let trimmed = line.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            at = end;
            continue;
        }
        let from = at + (line.len() - trimmed.len());
        let command_end = command_end(text.as_bytes(), from, lines.end);
        let region = Region::of(from..command_end, Quote::Command);
        let starts_it = words(text, &region).iter().any(|word| names_it(&word.text)) || trimmed.starts_with("exec ");
        if starts_it {
            found.push(region);
        }
        at = line_end_or(text, command_end).min(lines.end).max(at + 1);
    }
    found
}

/// The end of a command: its line's, unless that goes on; else where a list, a pipe or a redirection begins.
fn command_end(bytes: &[u8], from: usize, limit: usize) -> usize {
    let mut at = from;
    let mut end = from;
    while at < limit {
        let byte = bytes.get(at).copied().unwrap_or(b'\n');
        let next = bytes.get(at + 1);
        match byte {
            b'\n' | b';' | b'|' | b'&' | b'<' | b'>' | b')' | b'#' => return end,
            b'\\' if next == Some(&b'\n') => at += 2,
            _ if byte.is_ascii_whitespace() => at += 1,
            b'0'..=b'9' if matches!(next, Some(b'<' | b'>')) => return end,
            _ => {
                let stop = |at: usize| bytes.get(at).is_none_or(|byte| b"|&<>".contains(byte));
                let word_end = shell_word_end(bytes, at, limit);
                // A separator needs no space before it; quoted ones do not separate.
                let cut = (at..word_end).find(|at| stop(*at));
                let quoted = bytes.get(at..word_end).unwrap_or_default().iter().any(|byte| b"\"'\\".contains(byte));
                match cut {
                    Some(cut) if !quoted => return if cut == at { end } else { cut },
                    _ => {
                        at = word_end.max(at + 1);
                        end = at.min(limit);
                    }
                }
            }
        }
    }
    end
}

/// `NAME=VALUE` of an `env` stanza.
fn variable(text: &str, from: usize) -> Option<Region> {
    let line = text.get(from..line_end(text, from))?.trim_end();
    let (name, value) = line.split_once('=').filter(|(name, _)| is_name(name))?;
    let start = from + name.len() + 1;
    let (inner, quote) = quoting(text.as_bytes(), start, start + value.len());
    let quote = if quote == Quote::None { Quote::Pieces } else { quote };
    let statement = from..start + value.len();
    Some(Region { name: name.to_owned(), statement, value: start..start + value.len(), inner, quote })
}
