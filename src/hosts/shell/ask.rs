//! One script, its whole answer, and what its words mean.

use std::{path::Path, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, timeout, timeout_at},
};

use super::text;
use crate::hosts::{
    HostError, clean, disk,
    line::{Ended, Input, Line, Out},
};

/// Longest time for what takes a moment.
pub(super) const MOMENT_MAX: Duration = Duration::from_mins(1);
/// Longest time for what reads or moves as much as there is. Whoever asks has a deadline of its own.
pub(super) const LONG_MAX: Duration = Duration::from_hours(6);
/// Time that outputs may stay open after a script's end.
pub(super) const LEAK: Duration = Duration::from_millis(500);
/// Bytes of standard error that are kept.
const STDERR_BYTES: usize = 16 * 1024;
/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// What is asked, for the words of a failure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub doing: &'static str,
    pub path: &'a str,
    /// Longest answer in bytes.
    pub limit: usize,
    pub within: Duration,
}

impl<'a> Asked<'a> {
    /// Something that takes a moment and answers with a few words.
    pub fn moment(doing: &'static str, path: &'a str) -> Self {
        Self { doing, path, limit: READ_BYTES, within: MOMENT_MAX }
    }

    pub fn long(self) -> Self {
        Self { within: LONG_MAX, ..self }
    }

    pub fn at_most(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    fn lost(&self, why: String) -> HostError {
        HostError::Lost { doing: self.doing, path: self.path.to_owned(), why }
    }

    fn io(&self, why: String) -> HostError {
        HostError::Io { doing: self.doing, path: self.path.to_owned(), why }
    }
}

/// A script's answer.
#[derive(Debug)]
pub(super) struct Said {
    pub code: i32,
    pub out: Vec<u8>,
    pub err: Vec<u8>,
    /// Bytes of input that it was given.
    pub sent: u64,
}

/// What a script reads.
pub(super) enum Feed<'a> {
    Nothing,
    Bytes(&'a [u8]),
    Stream(&'a mut (dyn AsyncRead + Send + Unpin)),
}

impl Feed<'_> {
    /// Gives it, and says how much that was. A script that does not read to the end is no error here: how it ended
    /// says why.
    async fn give(self, to: &mut Input, path: &str) -> Result<u64, HostError> {
        let from = match self {
            Self::Nothing => return Ok(0),
            Self::Bytes(bytes) => {
                let _ = to.write_all(bytes).await;
                return Ok(bytes.len() as u64);
            }
            Self::Stream(from) => from,
        };
        let mut sent = 0;
        let mut bytes = vec![0; READ_BYTES];
        loop {
            let count = from.read(&mut bytes).await;
            let count = count.map_err(|error| disk::io_error("read the source of", Path::new(path), &error))?;
            let some = bytes.get(..count).unwrap_or_default();
            if some.is_empty() || to.write_all(some).await.is_err() {
                return Ok(sent);
            }
            sent += some.len() as u64;
        }
    }
}

/// Runs a script that reads no input.
pub(super) async fn ask(line: &dyn Line, script: &str, asked: &Asked<'_>) -> Result<Said, HostError> {
    ask_with(line, script, asked, Feed::Nothing).await
}

/// Runs a script, with its input beside its output being read.
pub(super) async fn ask_with(
    line: &dyn Line,
    script: &str,
    asked: &Asked<'_>,
    feed: Feed<'_>,
) -> Result<Said, HostError> {
    let until = Instant::now() + asked.within;
    let late = |_| asked.lost(format!("no answer within {}", humantime::format_duration(asked.within)));
    let mut open = timeout_at(until, line.open(script)).await.map_err(late)??;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let feeding = async {
        let mut input = open.stdin;
        let fed = feed.give(&mut input, asked.path).await;
        let _ = input.shutdown().await;
        fed
    };
    let mut ended = None;
    let reading = async {
        let both = async {
            tokio::join!(
                take(&mut open.stdout, &mut out, Keep::First(asked.limit)),
                take(&mut open.stderr, &mut err, Keep::Last(STDERR_BYTES))
            )
        };
        let mut both = std::pin::pin!(both);
        tokio::select! {
            found = &mut open.ended => {
                ended = Some(found);
                timeout(LEAK, both).await.map_or(Whole::Yes, |(out, _)| out)
            }
            (whole, _) = &mut both => whole,
        }
    };
    let (fed, whole) = timeout_at(until, async { tokio::join!(feeding, reading) }).await.map_err(late)?;
    if whole == Whole::TooLong {
        return Err(asked.io(format!("it answers with more than {} bytes", asked.limit)));
    }
    let ended = match ended {
        Some(ended) => ended,
        None => timeout_at(until, open.ended).await.map_err(late)?,
    };
    let code = match ended {
        Ended::Exited(code) => code,
        Ended::Signalled(signal) => return Err(asked.lost(format!("it was ended by signal {signal}"))),
        Ended::NotStarted { why } => return Err(HostError::NotReached { why }),
        Ended::Lost { why } => return Err(asked.lost(why)),
    };
    Ok(Said { code, out, err, sent: fed? })
}

#[derive(Clone, Copy)]
enum Keep {
    First(usize),
    Last(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    TooLong,
}

/// Reads to the end, within a limit. A read error is an end: how the script ended says what matters.
async fn take(from: &mut Out, into: &mut Vec<u8>, keep: Keep) -> Whole {
    let mut bytes = vec![0; READ_BYTES];
    while let Ok(count) = from.read(&mut bytes).await
        && count > 0
    {
        into.extend_from_slice(bytes.get(..count).unwrap_or_default());
        match keep {
            Keep::First(limit) if into.len() > limit => return Whole::TooLong,
            Keep::First(_) => {}
            Keep::Last(limit) => {
                let over = into.len().saturating_sub(limit);
                into.drain(..over);
            }
        }
    }
    Whole::Yes
}

impl Said {
    /// The answer of a script that ended well, else its failure.
    pub fn well(self, asked: &Asked<'_>) -> Result<Vec<u8>, HostError> {
        if self.code == 0 { Ok(self.out) } else { Err(self.failure(asked)) }
    }

    /// What a failed script's code and words mean.
    pub fn failure(&self, asked: &Asked<'_>) -> HostError {
        let path = asked.path.to_owned();
        match self.code {
            text::OTHER_FILE_SYSTEM => HostError::OtherFileSystem { from: path, to: self.words() },
            text::ALREADY_THERE => HostError::AlreadyThere(path),
            text::NOT_A_FILE => asked.io("not a regular file".to_owned()),
            text::OTHER_MACHINE => {
                HostError::Refused { path, why: "another machine answers than the one that was reached at first" }
            }
            text::HIDDEN => asked.io("processes of other users are hidden from this user".to_owned()),
            code => {
                let words = self.words();
                let has = |text: &str| words.contains(text);
                if has("No such file") {
                    HostError::NotFound(path)
                } else if has("Permission denied") || has("Operation not permitted") {
                    HostError::Denied { doing: asked.doing, path }
                } else if has("File exists") {
                    HostError::AlreadyThere(path)
                } else if words.is_empty() {
                    asked.io(format!("the command ended with {code}"))
                } else {
                    asked.io(words)
                }
            }
        }
    }

    /// The last line that it said on standard error.
    pub fn words(&self) -> String {
        let lines = clean::lines(&self.err, usize::MAX);
        lines.iter().rev().find(|line| !line.trim().is_empty()).map_or_else(String::new, |line| line.trim().to_owned())
    }
}
