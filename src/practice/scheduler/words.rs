//! The scheduler's own log, in the formats of the real one: logback's and glog's lines interleaved
//! on standard error, which the supervisor appends to the log file.

use std::io::Write as _;

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// `I`
    Info,
    /// `W`
    Warn,
    /// `E`
    Error,
}

impl Level {
    fn letter(self) -> char {
        match self {
            Self::Info => 'I',
            Self::Warn => 'W',
            Self::Error => 'E',
        }
    }
}

/// A line of the Java part: `I1122 16:27:23.719 [thread, Logger] text `.
pub fn say(level: Level, thread: &str, logger: &str, text: &str) {
    let now = jiff::Zoned::now().strftime("%m%d %H:%M:%S%.3f").to_string();
    // The pattern of the real scheduler ends each message with a blank.
    line(&format!("{}{now} [{thread}, {logger}] {text} \n", level.letter()));
}

/// A line of libmesos: `I1122 16:27:23.719123 48658 replica.cpp:656] text`.
pub fn mesos(level: Level, place: &str, text: &str) {
    let now = jiff::Zoned::now().strftime("%m%d %H:%M:%S%.6f").to_string();
    let thread = rustix::process::getpid().as_raw_nonzero().get();
    line(&format!("{}{now} {thread:>5} {place}] {text}\n", level.letter()));
}

/// A state machine's step.
pub fn transition(thread: &str, machine: &str, from: &str, to: &str) {
    say(Level::Info, thread, "StateMachine", &format!("{machine} state machine transition {from} -> {to}"));
}

/// A line that has no prefix.
pub fn bare(text: &str) {
    line(&format!("{text}\n"));
}

fn line(text: &str) {
    // One write per line keeps lines of several processes apart. With the log's disk full there is
    // nobody to tell.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
