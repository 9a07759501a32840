//! Mesos's restore over what an iteration of LevelDB gives, and what is really in the files beside it.
//!
//! Every value is parsed, its key is ignored, the last one of a position stands: as Mesos's storage and replica do it.
//! Entries come one at a time and only actions are kept, without their bytes; [`Payloads`] reads those again.

use std::sync::Arc;

use super::digest::digest;
use super::finding::{Finding, Findings, MAX_SPANS, Severity};
use super::inspect::{MesosView, Salvage};
use super::leveldb::{Place, Recall, Seen, Stored};
use super::positions::{Positions, Span, count, spans_of, subtract};
use super::record::{Action, ActionKind, Key, Record, Status, key};
use super::source::Source;

/// One action of the Mesos view, in the order of positions.
#[derive(Debug, Clone)]
pub struct ActionAt {
    /// The action without its bytes.
    pub action: Action,
    /// Digest of an APPEND's bytes, 0 for other actions; equal bytes have equal digests on every machine.
    pub digest: u64,
    file: Arc<str>,
    place: Place,
    /// Where an APPEND's bytes are in its value.
    bytes: Option<(u32, u32)>,
}

impl ActionAt {
    /// The file that holds it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// An APPEND's bytes in its value.
    pub(super) fn bytes_in<'v>(&self, value: &'v [u8]) -> Option<&'v [u8]> {
        let (from, to) = self.bytes?;
        value.get(from as usize..to as usize)
    }
}

/// Reads values again. It holds the block or record that it read last, since neighbours share one.
pub struct Payloads<'s> {
    recall: Recall<'s>,
}

impl<'s> Payloads<'s> {
    pub(crate) fn new(source: &'s dyn Source) -> Self {
        Self { recall: Recall::new(source) }
    }

    /// The bytes of an APPEND; `None` for other actions, and when the file is gone or holds something else by now.
    pub fn get(&mut self, at: &ActionAt) -> Option<Vec<u8>> {
        let bytes = at.bytes_in(self.recall.value(&at.file, at.place)?)?;
        (digest(bytes) == at.digest).then(|| bytes.to_vec())
    }
}

/// The newest entry of a key, wherever it is.
struct Newest {
    key: Box<[u8]>,
    sequence: u64,
    shown: bool,
    holds: Holds,
}

#[derive(Clone, Copy)]
enum Holds {
    Metadata(Status, u64),
    Action { position: u64, learned: bool },
    Nothing,
}

/// The state of a restore.
pub(super) struct Restoring {
    status: Status,
    promised: u64,
    begin: u64,
    end: u64,
    failed: Option<String>,
    actions: Vec<ActionAt>,
    /// Actions whose key does not sort by their position.
    late: Vec<ActionAt>,
    findings: Findings,
    newest: Option<Newest>,
    metadata: Option<(Status, u64)>,
    found: Positions,
    learned: Positions,
}

impl Default for Restoring {
    fn default() -> Self {
        Self {
            status: Status::Empty,
            promised: 0,
            begin: 0,
            end: 0,
            failed: None,
            actions: Vec::new(),
            late: Vec::new(),
            findings: Findings::default(),
            newest: None,
            metadata: None,
            found: Positions::default(),
            learned: Positions::default(),
        }
    }
}

impl Restoring {
    /// Takes the next entry, and gives its action if the replica would hold that one and it comes in its turn.
    pub(super) fn visit(&mut self, stored: &Stored, seen: Seen) -> Option<&ActionAt> {
        self.salvage(stored);
        let held = self.actions.len();
        if seen == Seen::Visible {
            self.restore(stored);
        }
        self.actions.get(held)
    }

    /// Whether every action that was given so far stands as it was given: none came out of turn, none was truncated.
    pub(super) fn stands(&self) -> bool {
        self.late.is_empty() && self.actions.first().is_none_or(|first| first.action.position >= self.begin)
    }

    fn salvage(&mut self, stored: &Stored) {
        let holds = match &stored.record {
            Some(Ok(Record::Metadata { status, promised })) => Holds::Metadata(*status, *promised),
            Some(Ok(Record::Promise { proposal })) => Holds::Metadata(Status::Voting, *proposal),
            Some(Ok(Record::Action(action, _))) => {
                Holds::Action { position: action.position, learned: action.learned == Some(true) }
            }
            _ => Holds::Nothing,
        };
        let (sequence, shown) = (stored.sequence, stored.shown);
        match &mut self.newest {
            Some(newest) if newest.key == stored.key => {
                if sequence > newest.sequence || sequence == newest.sequence && !newest.shown {
                    (newest.sequence, newest.shown, newest.holds) = (sequence, shown, holds);
                }
            }
            _ => {
                self.settle();
                self.newest = Some(Newest { key: stored.key.clone(), sequence, shown, holds });
            }
        }
    }

    /// All entries of a key were seen.
    fn settle(&mut self) {
        match self.newest.take().map(|newest| newest.holds) {
            Some(Holds::Metadata(status, promised)) => self.metadata = Some((status, promised)),
            Some(Holds::Action { position, learned }) => {
                self.found.add(position);
                if learned {
                    self.learned.add(position);
                }
            }
            Some(Holds::Nothing) | None => {}
        }
    }

    fn restore(&mut self, stored: &Stored) {
        let record = match &stored.record {
            Some(Ok(record)) => record,
            Some(Err(bad)) => {
                self.failed.get_or_insert_with(|| bad.to_string());
                self.findings.push(record_finding(stored, "record-unreadable", "its value is no record of Mesos"));
                return;
            }
            None => return,
        };
        match record {
            Record::Metadata { status, promised } => (self.status, self.promised) = (*status, *promised),
            Record::Promise { proposal } => (self.status, self.promised) = (Status::Voting, *proposal),
            Record::PartMissing(part) => {
                self.failed.get_or_insert_with(|| format!("Check failed: record.has_{part}() "));
                let what = format!("its record lacks its {part}");
                self.findings.push(record_finding(stored, "record-part-missing", &what));
            }
            Record::Action(action, bytes) => {
                key_finding(stored, action, &mut self.findings);
                if action.learned == Some(true) {
                    self.begin = self.begin.max(match action.kind {
                        Some(ActionKind::Truncate { to }) => to,
                        Some(ActionKind::Nop { tombstone: true }) => action.position.wrapping_add(1),
                        _ => 0,
                    });
                }
                self.end = self.end.max(action.position);
                let at = ActionAt {
                    action: action.clone(),
                    digest: stored.digest,
                    file: Arc::clone(&stored.file),
                    place: stored.place,
                    bytes: bytes.as_ref().map(|range| (range.start as u32, range.end as u32)),
                };
                let last = self.actions.last().map(|last| last.action.position);
                let in_order = last.is_none_or(|last| last < action.position);
                if in_order { self.actions.push(at) } else { self.late.push(at) }
            }
        }
    }

    /// The view that results, the actions by position, and what is in the files.
    pub(super) fn finish(
        mut self,
        error: Option<&str>,
        view: &mut MesosView,
        findings: &mut Findings,
    ) -> (Vec<ActionAt>, Salvage) {
        self.settle();
        findings.append(std::mem::take(&mut self.findings));
        view.error = error.map(str::to_owned).or(self.failed.take());
        view.opens = view.error.is_none();
        let mut actions = std::mem::take(&mut self.actions);
        actions.append(&mut self.late);
        // The sort keeps the order of several with one position.
        actions.sort_by_key(|at| at.action.position);
        let open = |at: &&ActionAt| at.action.learned != Some(true);
        // A position that one key holds learned and another one unlearned is both to a replica.
        let unlearned = spans_of(actions.iter().filter(open).map(|at| at.action.position));
        let doubled =
            actions.windows(2).any(|two| matches!(two, [one, other] if one.action.position == other.action.position));
        if doubled {
            // Of several with one position the last one stands.
            actions.reverse();
            actions.dedup_by_key(|at| at.action.position);
            actions.reverse();
        }
        if view.opens {
            fill(view, &actions, &unlearned, (self.status, self.promised), (self.begin, self.end));
        }
        let salvage = self.salvaged(view.opens, &actions);
        (actions, salvage)
    }

    fn salvaged(self, opens: bool, actions: &[ActionAt]) -> Salvage {
        let (found, learned) = (self.found.finish(), self.learned.finish());
        let seen = spans_of(actions.iter().map(|at| at.action.position));
        let seen = if opens { seen } else { Vec::new() };
        let hidden: Vec<Span> = found.iter().flat_map(|span| subtract(*span, &seen)).collect();
        let (status, promised) = self.metadata.unzip();
        Salvage {
            status,
            promised,
            learned: count(&learned),
            learned_spans: learned.into_iter().take(MAX_SPANS).collect(),
            end: found.last().map(|span| span.last),
            hidden: count(&hidden),
            hidden_spans: hidden.into_iter().take(MAX_SPANS).collect(),
        }
    }
}

fn fill(
    view: &mut MesosView,
    actions: &[ActionAt],
    unlearned: &[Span],
    (status, promised): (Status, u64),
    (begin, end): (u64, u64),
) {
    let all = spans_of(actions.iter().map(|at| at.action.position));
    let holes = subtract(Span { first: begin, last: end }, &all);
    view.status = Some(status);
    view.promised = Some(promised);
    view.begin = Some(begin);
    view.end = Some(end);
    view.holes = Some(count(&holes));
    view.unlearned = Some(count(unlearned));
    view.hole_spans = holes.into_iter().take(MAX_SPANS).collect();
    view.unlearned_spans = unlearned.iter().copied().take(MAX_SPANS).collect();
    view.actions = actions.len() as u64;
}

fn record_finding(stored: &Stored, code: &str, what: &str) -> Finding {
    let (shown, spans) = match key(&stored.key) {
        Key::Metadata => ("the metadata".to_owned(), Vec::new()),
        Key::Position(p) | Key::Wrapped(p) => (format!("position {p}"), vec![Span { first: p, last: p }]),
        Key::Foreign => (format!("the foreign key {:?}", String::from_utf8_lossy(&stored.key)), Vec::new()),
    };
    Finding::new(code, Severity::Damage, format!("{shown} cannot be read: {what}; no replica opens this log"))
        .in_file(&stored.file)
        .at(stored.offset)
        .over(&spans)
}

fn key_finding(stored: &Stored, action: &Action, findings: &mut Findings) {
    let finding = match key(&stored.key) {
        Key::Position(position) if position == action.position => return,
        Key::Wrapped(_) => Finding::new(
            "key-overflow",
            Severity::Damage,
            "a release up to 1.11 wrote this position with a negative key; it is listed after opening but cannot be read",
        ),
        _ => Finding::new(
            "key-mismatch",
            Severity::Damage,
            format!("the key {:?} holds position {}", String::from_utf8_lossy(&stored.key), action.position),
        ),
    };
    findings.push(
        finding.in_file(&stored.file).at(stored.offset).over(&[Span { first: action.position, last: action.position }]),
    );
}
