//! What a real replica would restore from a directory, and everything that it would not say.
//!
//! The Mesos view follows the restore of Mesos's storage and replica: every value that an iteration shows is parsed,
//! its key is ignored, an iteration that ends in an error is not noticed. Beside it stands what is really in the
//! files ([`Salvage`]), so that silent losses become findings.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::content::{self, Content};
use super::finding::{Finding, Findings, MAX_SPANS, Severity};
use super::leveldb::{Db, Profile, Stored, open};
use super::positions::{Span, count, describe, spans_of, subtract};
use super::record::{Action, ActionKind, Key, Record, Status, key};
use super::source::{Source, SourceError};

/// What the real replica would hold after opening the directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MesosView {
    /// Whether it would start.
    pub opens: bool,
    /// The text that the real program gives when it does not.
    pub error: Option<String>,
    /// False where we could not read something that the replica's own user may be able to read.
    pub certain: bool,
    /// Its status; `None` when it does not open.
    pub status: Option<Status>,
    /// Highest promised proposal.
    pub promised: Option<u64>,
    /// First position after truncation.
    pub begin: Option<u64>,
    /// Highest position.
    pub end: Option<u64>,
    /// Positions of `begin..=end` that are neither learned nor unlearned. A blank log has one: position 0.
    pub holes: Option<u64>,
    /// Positions that are written or promised but not learned.
    pub unlearned: Option<u64>,
    /// The holes; at most [`MAX_SPANS`].
    pub hole_spans: Vec<Span>,
    /// The unlearned positions; at most [`MAX_SPANS`] spans.
    pub unlearned_spans: Vec<Span>,
    /// Actions that it would hold, learned or not.
    pub actions: u64,
}

/// What is really in the files, whether the replica would see it or not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Salvage {
    /// Status in the newest metadata record.
    pub status: Option<Status>,
    /// Its promise.
    pub promised: Option<u64>,
    /// Positions with a learned action, in at most [`MAX_SPANS`] spans.
    pub learned_spans: Vec<Span>,
    /// How many positions are learned.
    pub learned: u64,
    /// Highest position found.
    pub end: Option<u64>,
    /// Positions that are in the files and that the replica would not see.
    pub hidden_spans: Vec<Span>,
    /// How many those are.
    pub hidden: u64,
}

/// One action of the Mesos view, in the order of positions.
#[derive(Debug, Clone)]
pub struct ActionAt {
    /// The action without its bytes.
    pub action: Action,
    /// Digest of an APPEND's bytes, 0 for other actions; equal bytes have equal digests on every machine.
    pub digest: u64,
    stored: Stored,
    bytes: Option<std::ops::Range<usize>>,
}

/// The serialisable result, for journals, reports and other machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// The directory.
    pub path: String,
    /// Whether there is a directory at all.
    pub exists: bool,
    /// Files and bytes in it.
    pub files: u64,
    /// Bytes in all files.
    pub bytes: u64,
    /// What the real replica would restore.
    pub mesos_view: MesosView,
    /// What is in the files.
    pub salvage: Salvage,
    /// What Aurora kept inside, by the Mesos view.
    pub content: Content,
    /// Findings, gravest first.
    pub findings: Vec<Finding>,
}

impl Summary {
    /// The gravest finding.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// Whether a finding with this code is there.
    pub fn has(&self, code: &str) -> bool {
        self.findings.iter().any(|finding| finding.code == code)
    }
}

/// A directory, read and judged.
#[derive(Debug)]
pub struct Inspection {
    /// The serialisable part.
    pub summary: Summary,
    actions: Vec<ActionAt>,
}

impl std::ops::Deref for Inspection {
    type Target = Summary;

    fn deref(&self) -> &Summary {
        &self.summary
    }
}

impl Inspection {
    /// The actions that the real replica would hold, ascending by position.
    pub fn actions(&self) -> &[ActionAt] {
        &self.actions
    }

    /// The bytes of an APPEND, read again from the source; `None` for other actions and when the file changed.
    pub fn payload(&self, source: &dyn Source, at: &ActionAt) -> Option<Vec<u8>> {
        payload(source, at)
    }
}

fn payload(source: &dyn Source, at: &ActionAt) -> Option<Vec<u8>> {
    let range = at.bytes.clone()?;
    super::leveldb::value(source, &at.stored)?.get(range).map(<[u8]>::to_vec)
}

/// Reads and judges a directory as Mesos's bundled LevelDB since 1.3 would open it.
pub fn inspect(source: &dyn Source) -> Inspection {
    inspect_as(source, Profile::Leveldb119)
}

/// Reads and judges a directory as a given library would open it.
pub fn inspect_as(source: &dyn Source, profile: Profile) -> Inspection {
    let mut findings = Findings::default();
    let mut summary = Summary {
        path: source.path().to_owned(),
        exists: true,
        files: 0,
        bytes: 0,
        mesos_view: MesosView { certain: true, ..MesosView::default() },
        salvage: Salvage::default(),
        content: Content::default(),
        findings: Vec::new(),
    };
    let names = match source.list() {
        Ok(names) => names,
        Err(error) => {
            unlisted(&mut summary, &error, &mut findings);
            summary.findings = findings.finish();
            return Inspection { summary, actions: Vec::new() };
        }
    };
    summary.files = names.len() as u64;
    summary.bytes = names.iter().fold(0, |sum: u64, file| sum.saturating_add(file.len));
    let db = open(source, &names, profile, &mut findings);
    summary.mesos_view.certain = !db.uncertain;
    let actions = restore(&db, &mut summary.mesos_view, &mut findings);
    summary.salvage = salvage(&db, &summary.mesos_view, &actions);
    losses(&db, &summary, &mut findings);
    let begin = summary.mesos_view.begin.unwrap_or(0);
    let kept = actions.iter().filter(|at| at.action.position >= begin);
    summary.content =
        content::read(kept.map(|at| (at.action.position, at.action.kind, || payload(source, at))), &mut findings);
    summary.findings = findings.finish();
    Inspection { summary, actions }
}

/// There is no list of files: no directory, or one that we may not read.
fn unlisted(summary: &mut Summary, error: &SourceError, findings: &mut Findings) {
    let view = &mut summary.mesos_view;
    if *error == SourceError::NotFound {
        summary.exists = false;
        view.opens = true;
        view.status = Some(Status::Empty);
        (view.promised, view.begin, view.end) = (Some(0), Some(0), Some(0));
        (view.holes, view.unlearned) = (Some(1), Some(0));
        view.hole_spans = vec![Span { first: 0, last: 0 }];
        findings.push(Finding::new(
            "directory-missing",
            Severity::Damage,
            "there is no such directory: a replica started here makes an EMPTY one, without an error",
        ));
        return;
    }
    let reason = match error {
        SourceError::NotADirectory => "Not a directory",
        SourceError::Denied => "Permission denied",
        _ => "Input/output error",
    };
    view.error = Some(format!("IO error: {}/LOCK: {reason}", summary.path));
    view.certain = *error == SourceError::NotADirectory;
    findings.push(Finding::new(
        "directory-unreadable",
        Severity::Warning,
        format!("the directory cannot be listed: {error}"),
    ));
}

/// Mesos's restore over what an iteration shows.
fn restore(db: &Db, view: &mut MesosView, findings: &mut Findings) -> Vec<ActionAt> {
    if let Some(error) = &db.error {
        view.error = Some(error.clone());
        return Vec::new();
    }
    let mut status = Status::Empty;
    let mut promised = 0;
    let (mut begin, mut end) = (0_u64, 0_u64);
    let mut actions: BTreeMap<u64, ActionAt> = BTreeMap::new();
    let mut failed: Option<String> = None;
    for stored in &db.iterated {
        let record = match &stored.record {
            Some(Ok(record)) => record,
            Some(Err(bad)) => {
                failed.get_or_insert_with(|| bad.to_string());
                findings.push(record_finding(stored, "record-unreadable", "its value is no record of Mesos"));
                continue;
            }
            None => continue,
        };
        match record {
            Record::Metadata { status: s, promised: p } => (status, promised) = (*s, *p),
            Record::Promise { proposal } => (status, promised) = (Status::Voting, *proposal),
            Record::PartMissing(part) => {
                failed.get_or_insert_with(|| format!("Check failed: record.has_{part}() "));
                findings.push(record_finding(stored, "record-part-missing", &format!("its record lacks its {part}")));
            }
            Record::Action(action, bytes) => {
                key_finding(stored, action, findings);
                if action.learned == Some(true) {
                    begin = begin.max(match action.kind {
                        Some(ActionKind::Truncate { to }) => to,
                        Some(ActionKind::Nop { tombstone: true }) => action.position.saturating_add(1),
                        _ => 0,
                    });
                }
                end = end.max(action.position);
                let at = ActionAt { action: action.clone(), digest: 0, stored: stored.clone(), bytes: bytes.clone() };
                actions.insert(action.position, at);
            }
        }
    }
    view.error = failed;
    view.opens = view.error.is_none();
    let actions: Vec<ActionAt> = actions.into_values().collect();
    if view.opens {
        fill(view, &actions, (status, promised), (begin, end));
    }
    actions
}

fn fill(view: &mut MesosView, actions: &[ActionAt], (status, promised): (Status, u64), (begin, end): (u64, u64)) {
    let learned = |at: &&ActionAt| at.action.learned == Some(true);
    let unlearned = spans_of(actions.iter().filter(|at| !learned(at)).map(|at| at.action.position));
    let all = spans_of(actions.iter().map(|at| at.action.position));
    let holes = subtract(Span { first: begin, last: end }, &all);
    view.status = Some(status);
    view.promised = Some(promised);
    view.begin = Some(begin);
    view.end = Some(end);
    view.holes = Some(count(&holes));
    view.unlearned = Some(count(&unlearned));
    view.hole_spans = holes.into_iter().take(MAX_SPANS).collect();
    view.unlearned_spans = unlearned.into_iter().take(MAX_SPANS).collect();
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

fn salvage(db: &Db, view: &MesosView, actions: &[ActionAt]) -> Salvage {
    let mut out = Salvage::default();
    let mut metadata = None;
    let (mut learned, mut found) = (Vec::new(), Vec::new());
    for stored in db.newest.values() {
        match &stored.record {
            Some(Ok(Record::Metadata { status, promised })) => metadata = Some((*status, *promised)),
            Some(Ok(Record::Promise { proposal })) => metadata = Some((Status::Voting, *proposal)),
            Some(Ok(Record::Action(action, _))) => {
                found.push(action.position);
                if action.learned == Some(true) {
                    learned.push(action.position);
                }
            }
            _ => {}
        }
    }
    learned.sort_unstable();
    found.sort_unstable();
    out.end = found.last().copied();
    let learned = spans_of(learned);
    let seen = spans_of(actions.iter().map(|at| at.action.position));
    let seen = if view.opens { seen } else { Vec::new() };
    let hidden: Vec<Span> = spans_of(found).iter().flat_map(|span| subtract(*span, &seen)).collect();
    (out.status, out.promised) = metadata.unzip();
    out.learned = count(&learned);
    out.learned_spans = learned.into_iter().take(MAX_SPANS).collect();
    out.hidden = count(&hidden);
    out.hidden_spans = hidden.into_iter().take(MAX_SPANS).collect();
    out
}

/// What opening would lose or already hides, and what is worth knowing about a log that opens.
fn losses(db: &Db, summary: &Summary, findings: &mut Findings) {
    let (view, salvage) = (&summary.mesos_view, &summary.salvage);
    if salvage.hidden > 0 {
        let (code, what) = if view.opens {
            ("positions-lost", "a replica that opens this directory does not see them and says nothing")
        } else {
            ("positions-locked-in", "they can be read from the files although no replica opens the log")
        };
        findings.push(
            Finding::new(
                code,
                Severity::Damage,
                format!("{} positions are in the files ({}): {what}", salvage.hidden, describe(&salvage.hidden_spans)),
            )
            .over(&salvage.hidden_spans),
        );
    }
    if !view.opens {
        return;
    }
    match (view.status, salvage.status) {
        (Some(Status::Empty), Some(status)) if status != Status::Empty => findings.push(Finding::new(
            "status-lost",
            Severity::Damage,
            format!("the files say {status}, but a replica that opens this directory comes up EMPTY"),
        )),
        (Some(Status::Empty), _) if view.actions > 0 => findings.push(Finding::new(
            "metadata-lost",
            Severity::Damage,
            "there are actions but no metadata: the replica comes up EMPTY, does not vote, and `mesos-log initialize` would accept it",
        )),
        _ => {}
    }
    if db.created && summary.files == 0 {
        findings.push(Finding::new(
            "directory-empty",
            Severity::Damage,
            "the directory is empty: a replica comes up EMPTY",
        ));
    }
    status_findings(view, salvage, findings);
    position_findings(view, findings);
}

fn status_findings(view: &MesosView, salvage: &Salvage, findings: &mut Findings) {
    let finding = match view.status {
        Some(Status::Empty) if view.actions == 0 && salvage.hidden == 0 => Finding::new(
            "not-initialized",
            Severity::Warning,
            "EMPTY and without any position: never initialized, or wiped",
        ),
        Some(Status::Starting) => Finding::new("status-starting", Severity::Warning, "STARTING: it does not vote"),
        Some(Status::Recovering) => Finding::new(
            "status-recovering",
            Severity::Warning,
            "RECOVERING: a catch-up was broken off; positions above its end are missing, it does not vote",
        ),
        Some(Status::Voting) if view.actions == 0 => {
            Finding::new("blank", Severity::Info, "initialized, VOTING, no position written yet")
        }
        _ => return,
    };
    findings.push(finding);
}

fn position_findings(view: &MesosView, findings: &mut Findings) {
    if let Some(unlearned) = view.unlearned.filter(|n| *n > 0) {
        findings.push(
            Finding::new(
                "unlearned",
                Severity::Info,
                format!(
                    "{unlearned} positions are written but not learned ({}); the next leader settles them",
                    describe(&view.unlearned_spans)
                ),
            )
            .over(&view.unlearned_spans),
        );
    }
    if let Some(holes) = view.holes.filter(|n| *n > 0 && view.actions > 0) {
        findings.push(
            Finding::new(
                "holes",
                Severity::Warning,
                format!(
                    "{holes} positions are missing ({}): normal on a follower that was away, damage when they were there before",
                    describe(&view.hole_spans)
                ),
            )
            .over(&view.hole_spans),
        );
    }
}
