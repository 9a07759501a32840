//! Where the output of an attempt goes: its own file in full, the screen's store in clean lines. Lossy towards the
//! screen, never evidence.

use std::{
    fs::File,
    io::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Secrets;
use crate::{
    engine::{OutputLine, OutputStore, Stream},
    hosts::{Output, clean},
    runbook::model::HostName,
    session::AttemptId,
};

/// Longest file of one attempt, in bytes; enough for a chatty program, not for a disk.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes without a line end after which a line is broken.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Takes the output of one attempt. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Sink {
    inner: Option<Arc<Inner>>,
}

#[derive(Debug)]
struct Inner {
    attempt: AttemptId,
    host: HostName,
    store: OutputStore,
    secrets: Secrets,
    pending: Mutex<Pending>,
}

#[derive(Debug)]
struct Pending {
    file: Option<File>,
    written: u64,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Sink {
    /// A sink for one attempt on one host. `file` is where its full output goes.
    pub fn new(attempt: AttemptId, host: HostName, store: OutputStore, secrets: Secrets, file: Option<File>) -> Self {
        let pending = Mutex::new(Pending { file, written: 0, out: Vec::new(), err: Vec::new() });
        Self { inner: Some(Arc::new(Inner { attempt, host, store, secrets, pending })) }
    }

    /// A sink that drops everything, for looks.
    pub fn none() -> Self {
        Self::default()
    }

    /// The tool's own words.
    pub fn note(&self, text: &str) {
        for line in text.lines() {
            self.take(Stream::Note, format!("{line}\n").as_bytes());
        }
    }

    /// Writes out what has no line end yet. Called when the attempt ends.
    pub fn flush(&self) {
        let Some(inner) = &self.inner else { return };
        let mut pending = inner.lock();
        for stream in [Stream::Out, Stream::Err] {
            let rest = std::mem::take(pending.of(stream));
            if !rest.is_empty() {
                inner.line(&mut pending, stream, &rest);
            }
        }
    }
}

impl Output for Sink {
    fn take(&self, stream: Stream, bytes: &[u8]) {
        let Some(inner) = &self.inner else { return };
        let mut pending = inner.lock();
        let mut buffer = std::mem::take(pending.of(stream));
        buffer.extend_from_slice(bytes);
        let mut rest = buffer.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end + 1);
            inner.line(&mut pending, stream, line);
            rest = after;
        }
        let mut rest = rest.to_vec();
        if rest.len() > LINE_BYTES_MAX {
            // Redacted before it is cut, and the end held back, so that no secret is cut in two.
            rest = inner.secrets.redact_bytes(&rest).unwrap_or(rest);
            let held = rest.split_off(rest.len().saturating_sub(inner.secrets.longest()));
            inner.line(&mut pending, stream, &rest);
            rest = held;
        }
        *pending.of(stream) = rest;
    }
}

impl Pending {
    fn of(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Out | Stream::Note => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }

    /// Writes to the file while it is short enough; the first failure is returned and ends the file.
    fn write(&mut self, bytes: &[u8]) -> Option<String> {
        let file = self.file.as_mut()?;
        self.written += bytes.len() as u64;
        if self.written > FILE_BYTES_MAX {
            let why = format!("the output file is full at {FILE_BYTES_MAX} bytes; the rest is not kept");
            let _ = writeln!(file, "# {why}");
            self.file = None;
            return Some(why);
        }
        let error = file.write_all(bytes).err()?;
        self.file = None;
        Some(format!("cannot write the output file: {error}; the rest is not kept"))
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        // Whoever panicked leaves whole buffers behind.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, pending: &mut Pending, stream: Stream, line: &[u8]) {
        let redacted = self.secrets.redact_bytes(line);
        let line = redacted.as_deref().unwrap_or(line);
        let mut whole = if stream == Stream::Note { b"# ".to_vec() } else { Vec::new() };
        whole.extend_from_slice(line);
        if !whole.ends_with(b"\n") {
            whole.push(b'\n');
        }
        let trouble = pending.write(&whole);
        self.show(stream, clean::line(line));
        if let Some(trouble) = trouble {
            self.show(Stream::Note, trouble);
        }
    }

    fn show(&self, stream: Stream, text: String) {
        self.store.push(OutputLine { attempt: self.attempt, host: self.host.clone(), stream, text });
    }
}
