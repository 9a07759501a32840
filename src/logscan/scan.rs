//! Reading lines: which are known, how many of each, and the story of leadership that they tell.
//!
//! Bytes come in any portions. Of most lines only the beginning of the message is looked at; lines of one minute
//! share what is read of their time.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use memchr::{memchr, memchr_iter, memrchr};

use super::{
    line::{Clock, Head, Minute, head, journal_object, parse},
    patterns::{Pattern, Table},
    said::{Election, End, KindCount, LastPositions, Sample, Scan},
};

/// Bytes of a line that are looked at; lines of both programs stay far below, except for printed protobufs.
const LINE_BYTES: usize = 8 * 1024;
/// Bytes of a line that are kept while its end is awaited.
const CARRY_BYTES: usize = 64 * 1024;
/// Bytes of a line that are kept as a sample.
const SAMPLE_BYTES: usize = 400;
/// Samples kept per kind: the first ones and the last ones.
const SAMPLES_FIRST: usize = 3;
const SAMPLES_LAST: usize = 5;
/// Elections kept; older ones are dropped and counted.
const ELECTIONS_MAX: usize = 2000;
/// Minutes kept per kind: a week's.
const MINUTES_MAX: usize = 7 * 24 * 60;
/// Hosts told apart within one log.
const HOSTS_MAX: usize = 1000;
const MINUTE_MS: i64 = 60_000;

/// What is counted of one kind while reading.
#[derive(Debug, Default)]
struct Tally {
    count: u64,
    statuses: BTreeMap<&'static str, u64>,
    hosts: BTreeMap<String, u64>,
    minutes: BTreeMap<i64, u64>,
    minutes_dropped: u64,
    /// The minute that is being counted.
    minute: Option<(i64, u64)>,
    first_ms: Option<i64>,
    last_ms: Option<i64>,
    first: Vec<Kept>,
    last: VecDeque<Kept>,
}

/// A sample before it is made readable: most are pushed out by later ones.
#[derive(Debug, Default)]
struct Kept {
    file: usize,
    line: u64,
    time_ms: Option<i64>,
    bytes: Vec<u8>,
}

impl Kept {
    fn set(&mut self, at: (usize, u64), time_ms: Option<i64>, bytes: &[u8]) {
        (self.file, self.line) = at;
        self.time_ms = time_ms;
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes.get(..bytes.len().min(SAMPLE_BYTES)).unwrap_or_default());
    }
}

impl Tally {
    fn add(&mut self, time_ms: Option<i64>, status: Option<&'static str>, at: (usize, u64), line: &[u8]) {
        self.count += 1;
        if self.count == 1 {
            self.first_ms = time_ms;
        }
        self.last_ms = time_ms;
        if let Some(status) = status {
            *self.statuses.entry(status).or_default() += 1;
        }
        if let Some(ms) = time_ms {
            let start = ms - ms.rem_euclid(MINUTE_MS);
            match &mut self.minute {
                Some((minute, count)) if *minute == start => *count += 1,
                _ => {
                    self.close_minute();
                    self.minute = Some((start, 1));
                }
            }
        }
        let mut kept = if self.first.len() < SAMPLES_FIRST || self.last.len() < SAMPLES_LAST {
            Kept::default()
        } else {
            self.last.pop_front().unwrap_or_default()
        };
        kept.set(at, time_ms, line);
        if self.first.len() < SAMPLES_FIRST {
            self.first.push(kept);
        } else {
            self.last.push_back(kept);
        }
    }

    fn close_minute(&mut self) {
        let Some((minute, count)) = self.minute.take() else { return };
        *self.minutes.entry(minute).or_default() += count;
        if self.minutes.len() > MINUTES_MAX {
            self.minutes.pop_first();
            self.minutes_dropped += 1;
        }
    }

    fn host(&mut self, host: &str) {
        if let Some(count) = self.hosts.get_mut(host) {
            *count += 1;
        } else if self.hosts.len() < HOSTS_MAX {
            self.hosts.insert(host.to_owned(), 1);
        }
    }
}

/// A line that is known, as it comes.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Which it is.
    pub pattern: &'a Pattern,
    /// Milliseconds since the epoch.
    pub time_ms: Option<i64>,
    /// In its file, counted from 1.
    pub line: u64,
    /// As it was read, without its end.
    pub bytes: &'a [u8],
}

/// Reads the log of one host.
#[derive(Debug)]
pub struct Scanner {
    clock: Clock,
    /// The caller's now; that of the clock is the present file's.
    now_ms: i64,
    table: Arc<Table>,
    /// Kinds by pattern.
    kinds: Vec<usize>,
    names: Vec<usize>,
    /// Whether a pattern's kind is part of the story.
    tells: Vec<bool>,
    tallies: Vec<Tally>,
    files: Vec<String>,
    /// Lines of the present file so far.
    at_line: u64,
    from_ms: Option<i64>,
    to_ms: Option<i64>,
    scan: Scan,
    minute: Minute,
    /// The beginning of a line whose end has not come.
    carry: Vec<u8>,
    carry_cut: bool,
    /// Why the present leadership will have ended, as far as it is known, and where that stands.
    cause: Option<(End, Sample)>,
    leading: bool,
    time_ms: Option<i64>,
}

/// Kinds that are part of the story of leadership, or of the replica's own.
const TELLING: &[&str] = &[
    "process-start",
    "elected",
    "registered",
    "reregistered",
    "active",
    "framework-missing",
    "snapshot-applied",
    "call-failed",
    "dead",
    "run-exited",
    "recovered-positions",
    "replica-status",
    "status-persisted",
];

impl Scanner {
    /// A scanner with the patterns that this program knows.
    pub fn new(clock: Clock) -> Self {
        Self::with(clock, Table::embedded())
    }

    /// A scanner with these patterns.
    pub fn with(clock: Clock, table: Arc<Table>) -> Self {
        let (mut kinds, mut names) = (Vec::new(), Vec::<usize>::new());
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, pattern) in table.patterns().iter().enumerate() {
            kinds.push(*known.entry(pattern.kind.as_str()).or_insert_with(|| {
                names.push(at);
                names.len() - 1
            }));
        }
        let tells = |pattern: &Pattern| TELLING.contains(&pattern.kind.as_str()) || blamed(&pattern.kind).is_some();
        let tells = table.patterns().iter().map(tells).collect();
        let tallies = names.iter().map(|_| Tally::default()).collect();
        Self {
            now_ms: clock.now_ms,
            clock,
            kinds,
            names,
            tells,
            tallies,
            table,
            files: vec![String::new()],
            at_line: 0,
            from_ms: None,
            to_ms: None,
            scan: Scan::default(),
            minute: Minute::default(),
            carry: Vec::new(),
            carry_cut: false,
            cause: None,
            leading: false,
            time_ms: None,
        }
    }

    /// Counts only lines of this time, in milliseconds since the epoch. A line without a time is of the time of the one
    /// before it.
    pub fn within(&mut self, from_ms: Option<i64>, to_ms: Option<i64>) {
        (self.from_ms, self.to_ms) = (from_ms, to_ms);
    }

    /// From here on lines are of this file, and counted from 1. When it was last written, where that is known, says
    /// which year its lines are of.
    pub fn file(&mut self, name: &str, written_ms: Option<i64>) {
        self.flush();
        self.clock.now_ms = written_ms.map_or(self.now_ms, |written| written.min(self.now_ms));
        self.minute = Minute::default();
        self.files.push(name.to_owned());
        self.at_line = 0;
    }

    /// Takes the next line, with or without its line end.
    pub fn line(&mut self, text: &str) {
        self.flush();
        self.block(text.trim_end_matches(['\r', '\n']).as_bytes(), true, &mut |_| ());
    }

    /// Takes the next bytes, which may end within a line.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.feed_to(bytes, &mut |_| ());
    }

    /// Takes the next bytes, and hands over each line that is known.
    pub fn feed_to(&mut self, bytes: &[u8], known: &mut dyn FnMut(Known<'_>)) {
        let mut rest = bytes;
        if !self.carry.is_empty() || self.carry_cut {
            let end = memchr(b'\n', rest);
            let (begin, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
            self.carry_on(begin);
            if end.is_none() {
                return;
            }
            rest = after;
            self.flush_to(known);
        }
        if let Some((lines, after)) = memrchr(b'\n', rest).and_then(|end| rest.split_at_checked(end + 1)) {
            self.block(lines, false, known);
            rest = after;
        }
        self.carry_on(rest);
    }

    fn carry_on(&mut self, bytes: &[u8]) {
        let room = CARRY_BYTES.saturating_sub(self.carry.len());
        self.carry.extend_from_slice(bytes.get(..bytes.len().min(room)).unwrap_or_default());
        self.carry_cut |= bytes.len() > room;
    }

    fn flush(&mut self) {
        self.flush_to(&mut |_| ());
    }

    fn flush_to(&mut self, known: &mut dyn FnMut(Known<'_>)) {
        if self.carry.is_empty() && !self.carry_cut {
            return;
        }
        self.scan.cut += u64::from(std::mem::take(&mut self.carry_cut));
        let line = std::mem::take(&mut self.carry);
        self.block(line.strip_suffix(b"\n").unwrap_or(&line), true, known);
        self.carry = line;
        self.carry.clear();
    }

    /// Everything that was said.
    pub fn finish(mut self) -> Scan {
        self.flush();
        let files = &self.files;
        let sample = |kept: &Kept| readable(files, kept);
        for (tally, at) in self.tallies.iter_mut().zip(&self.names) {
            let Some(pattern) = self.table.patterns().get(*at).filter(|_| tally.count > 0) else { continue };
            tally.close_minute();
            let count = KindCount {
                count: tally.count,
                health: pattern.health,
                meaning: pattern.meaning.clone(),
                releases: pattern.releases.clone(),
                statuses: tally.statuses.iter().map(|(status, count)| ((*status).to_owned(), *count)).collect(),
                hosts: std::mem::take(&mut tally.hosts),
                minutes: tally.minutes.iter().map(|(minute, count)| (*minute, *count)).collect(),
                minutes_dropped: tally.minutes_dropped,
                first_ms: tally.first_ms,
                last_ms: tally.last_ms,
                samples: tally.first.iter().chain(&tally.last).map(sample).collect(),
            };
            self.scan.counts.insert(pattern.kind.clone(), count);
        }
        self.scan
    }

    /// Takes whole lines; `single` says that the bytes are one line without its end.
    fn block(&mut self, block: &[u8], single: bool, known: &mut dyn FnMut(Known<'_>)) {
        let table = Arc::clone(&self.table);
        let mut hits = table.anywhere(block).map(Iterator::peekable);
        let mut start = 0;
        for end in memchr_iter(b'\n', block).chain(single.then_some(block.len())) {
            let mut floating = hits.is_none();
            while let Some(hits) = hits.as_mut()
                && hits.next_if(|at| *at < end).is_some()
            {
                floating = true;
            }
            let line = block.get(start..end).unwrap_or_default();
            start = end + 1;
            let line = line.get(..line.len().min(LINE_BYTES)).unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.scan.lines += 1;
            self.at_line += 1;
            match head(line) {
                Head::Levelled(at) => {
                    let message = line.get(at..).unwrap_or_default().trim_ascii_end();
                    self.timed(line);
                    if let Some(found) = self.outside(|_| table.find(message, floating)) {
                        self.known(&table, found, line, message, None, known);
                    }
                }
                Head::Other => self.other(&table, line, known),
                Head::None => {
                    let message = exception(line).unwrap_or(line).trim_ascii_end();
                    if let Some(found) = self.outside(|_| table.find(message, floating)) {
                        self.known(&table, found, line, message, None, known);
                    }
                }
            }
        }
    }

    /// What is found, unless the present time is not asked for.
    fn outside<T>(&mut self, find: impl FnOnce(&Self) -> Option<T>) -> Option<T> {
        let early = self.from_ms.is_some_and(|from| self.time_ms.is_none_or(|ms| ms < from));
        let late = self.to_ms.is_some_and(|to| self.time_ms.is_some_and(|ms| ms > to));
        if early || late {
            self.scan.outside += 1;
            return None;
        }
        find(self)
    }

    /// Reads the time of a line with a level.
    fn timed(&mut self, line: &[u8]) {
        let quick = self.minute.time_ms(line, &self.clock);
        let ms = quick.or_else(|| parse(&String::from_utf8_lossy(line), &self.clock).time_ms);
        self.at(ms);
    }

    fn at(&mut self, time_ms: Option<i64>) {
        let Some(ms) = time_ms else { return };
        self.time_ms = Some(ms);
        self.scan.first_ms = Some(self.scan.first_ms.map_or(ms, |first| first.min(ms)));
        self.scan.last_ms = Some(self.scan.last_ms.map_or(ms, |last| last.max(ms)));
    }

    /// A line that may have a prefix of syslog or journald, or be one of journald's objects.
    fn other(&mut self, table: &Table, line: &[u8], known: &mut dyn FnMut(Known<'_>)) {
        let text = String::from_utf8_lossy(line);
        if let Some((time_ms, host, message)) = text.starts_with('{').then(|| journal_object(&text)).flatten() {
            self.at(time_ms);
            for text in message.lines() {
                let inner = parse(text, &self.clock);
                self.at(inner.time_ms);
                let message = inner.message.as_bytes();
                if let Some(found) = self.outside(|_| table.find(message, true)) {
                    self.known(table, found, text.as_bytes(), message, host.as_deref(), known);
                }
            }
            return;
        }
        let parsed = parse(&text, &self.clock);
        self.at(parsed.time_ms);
        let message = exception(parsed.message.as_bytes()).filter(|_| parsed.level.is_none());
        let message = message.unwrap_or(parsed.message.as_bytes());
        if let Some(found) = self.outside(|_| table.find(message, true)) {
            self.known(table, found, line, message, parsed.host, known);
        }
    }

    fn known(
        &mut self,
        table: &Table,
        (at, status): (usize, Option<&'static str>),
        line: &[u8],
        message: &[u8],
        host: Option<&str>,
        known: &mut dyn FnMut(Known<'_>),
    ) {
        let Some(pattern) = table.patterns().get(at) else { return };
        let place = (self.files.len() - 1, self.at_line);
        self.scan.matched += 1;
        if let Some(tally) = self.kinds.get(at).and_then(|kind| self.tallies.get_mut(*kind)) {
            tally.add(self.time_ms, status, place, line);
            if let Some(host) = host {
                tally.host(host);
            }
        }
        if self.tells.get(at).is_some_and(|tells| *tells) {
            let mut kept = Kept::default();
            kept.set(place, self.time_ms, line);
            let sample = readable(&self.files, &kept);
            self.story(&pattern.kind, status, &String::from_utf8_lossy(message), sample);
        }
        known(Known { pattern, time_ms: self.time_ms, line: self.at_line, bytes: line });
    }

    fn story(&mut self, kind: &str, status: Option<&str>, message: &str, sample: Sample) {
        match kind {
            "process-start" => {
                self.end(End::Died, sample);
                self.cause = None;
            }
            "elected" => self.elect(sample),
            "registered" | "reregistered" | "active" => self.leader(|election| election.registered = true),
            "framework-missing" => self.leader(|election| election.empty_state = true),
            "snapshot-applied" => {
                let date = message.strip_prefix("Applying snapshot taken on ").unwrap_or_default().to_owned();
                self.leader(|election| election.snapshot = Some(date));
            }
            // A call that failed did not end anything.
            "call-failed" => self.cause = self.cause.take().filter(|(cause, _)| *cause != End::Commit),
            "dead" | "run-exited" => self.end(End::Shutdown, sample),
            "recovered-positions" => {
                self.scan.last_positions = Some(LastPositions { time_ms: self.time_ms, text: message.to_owned() });
            }
            "replica-status" | "status-persisted" => self.status(status),
            _ => self.blame(kind, sample),
        }
    }

    /// Remembers the first reason that is given for the end to come.
    fn blame(&mut self, kind: &str, sample: Sample) {
        let Some(cause) = blamed(kind) else { return };
        // An exception often wraps the reason, on the same line or on a later one of its trace.
        let weak = self.cause.as_ref().is_none_or(|(cause, _)| matches!(cause, End::Commit | End::Exception));
        if self.leading && weak {
            self.cause = Some((cause, sample));
        }
    }

    fn elect(&mut self, sample: Sample) {
        self.end(End::Died, sample.clone());
        self.cause = None;
        self.leading = true;
        if self.scan.elections.len() == ELECTIONS_MAX {
            self.scan.elections.remove(0);
            self.scan.elections_dropped += 1;
        }
        self.scan.elections.push(Election {
            file: sample.file,
            line: sample.line,
            ended_at: None,
            started_ms: self.time_ms,
            registered: false,
            ended_ms: None,
            end: None,
            snapshot: None,
            empty_state: false,
        });
    }

    fn leader(&mut self, change: impl FnOnce(&mut Election)) {
        if self.leading
            && let Some(election) = self.scan.elections.last_mut()
        {
            change(election);
        }
    }

    fn end(&mut self, otherwise: End, here: Sample) {
        let ((end, at), time_ms) = (self.cause.take().unwrap_or((otherwise, here)), self.time_ms);
        self.leader(|election| {
            election.ended_ms = time_ms;
            election.end = Some(end);
            election.ended_at = Some(at);
        });
        self.leading = false;
    }

    fn status(&mut self, status: Option<&str>) {
        let status = status.map(str::to_owned);
        if self.scan.last_status == status {
            self.scan.last_status_repeats += 1;
        } else {
            self.scan.last_status = status;
            self.scan.last_status_repeats = 1;
        }
    }
}

/// What a kind of line says of the end of a leadership.
fn blamed(kind: &str) -> Option<End> {
    Some(match kind {
        "recovery-commit" => End::Commit,
        "quit" => End::Quit,
        "registration-timeout" => End::RegistrationTimeout,
        "lost-leadership" => End::LostLeadership,
        "automatic-failover" => End::AutomaticFailover,
        "frame-checksum" => End::ContentCorrupt,
        "noop-failed" | "log-read-timeout" | "log-read-problem" | "log-append-timeout" | "log-append-problem"
        | "log-unusable" | "coordinator-crash" | "append-failed" | "log-timeout" | "writer-lost" => End::LogFailed,
        "mesos-error" => End::MesosError,
        "unchecked-exception" | "recovery-failed" | "advertise-failed" => End::Exception,
        _ => return None,
    })
}

/// What an exception in a trace says, without its class.
fn exception(line: &[u8]) -> Option<&[u8]> {
    const MARK: &[u8] = b"Exception: ";
    if line.first().is_none_or(u8::is_ascii_whitespace) {
        return None;
    }
    line.get(memchr::memmem::find(line, MARK)? + MARK.len()..)
}

fn readable(files: &[String], kept: &Kept) -> Sample {
    let text = String::from_utf8_lossy(&kept.bytes);
    let text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Sample { file: files.get(kept.file).cloned().unwrap_or_default(), line: kept.line, time_ms: kept.time_ms, text }
}
