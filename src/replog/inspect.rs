//! What a real replica would restore from a directory, and everything that it would not say.
//!
//! The Mesos view follows the restore of Mesos's storage and replica: every value that an iteration shows is parsed,
//! its key is ignored, an iteration that ends in an error is not noticed. Beside it stands what is really in the
//! files ([`Salvage`]), so that silent losses become findings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::content::{self, Content};
use super::finding::{Finding, Findings, Severity};
use super::leveldb::{self, Db, Profile, open};
use super::positions::{Span, describe};
use super::record::Status;
use super::restore::{ActionAt, Payloads, Restoring};
use super::source::{FileEntry, Source, SourceError};

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
    /// The holes; at most 64.
    pub hole_spans: Vec<Span>,
    /// The unlearned positions; at most 64 spans.
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
    /// Positions with a learned action, in at most 64 spans.
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
    /// Nothing was read.
    fn absent(source: &dyn Source) -> Self {
        let summary = Summary {
            path: source.path().to_owned(),
            exists: true,
            files: 0,
            bytes: 0,
            mesos_view: MesosView { certain: true, ..MesosView::default() },
            salvage: Salvage::default(),
            content: Content::default(),
            findings: Vec::new(),
        };
        Self { summary, actions: Vec::new() }
    }

    /// The actions that the real replica would hold, ascending by position.
    pub fn actions(&self) -> &[ActionAt] {
        &self.actions
    }

    /// The bytes of an APPEND, read again from the source; `None` for other actions and when the file changed.
    pub fn payload(&self, source: &dyn Source, at: &ActionAt) -> Option<Vec<u8>> {
        Payloads::new(source).get(at)
    }

    /// Every position of the Mesos view in words, ascending, and what they add up to; read again from the source.
    pub fn lines(&self, source: &dyn Source, each: &mut dyn FnMut(content::Line)) -> Content {
        content::read(self.actions.iter(), source, Some(each)).0
    }

    /// A reader of many payloads, best asked in ascending order of positions.
    pub fn payloads<'s>(&self, source: &'s dyn Source) -> Payloads<'s> {
        Payloads::new(source)
    }
}

/// Reads and judges a directory as Mesos's bundled LevelDB since 1.3 would open it.
pub fn inspect(source: &dyn Source) -> Inspection {
    inspect_as(source, Profile::Leveldb119)
}

/// How often a directory is read that changes meanwhile. A live replica turns a write-ahead log into a table now and
/// then, not all the time.
const READINGS_MAX: u32 = 4;

/// Reads and judges a directory as a given library would open it. A directory whose files come and go while they are
/// read is read again.
pub fn inspect_as(source: &dyn Source, profile: Profile) -> Inspection {
    let mut changed: Vec<String> = Vec::new();
    for reading in 1.. {
        let (mut inspection, names) = once(source, profile);
        let now = source.list().unwrap_or_default();
        let moved = if inspection.summary.exists { changes(&names, &now) } else { Vec::new() };
        if !moved.is_empty() && reading < READINGS_MAX {
            changed = moved;
            continue;
        }
        let findings = &mut inspection.summary.findings;
        if !moved.is_empty() {
            let text = format!("files kept changing while they were read, {READINGS_MAX} times: {}", moved.join(", "));
            findings.push(Finding::new("directory-changing", Severity::Warning, text));
            inspection.summary.mesos_view.certain = false;
        } else if !changed.is_empty() {
            let text = format!("files changed while they were read ({}); all was read again", changed.join(", "));
            findings.push(Finding::new("read-again", Severity::Info, text));
        } else if let Some(log) = grown(&names, &now) {
            let text =
                format!("{log} grew while it was read: a replica is writing, and its end is beyond what is shown");
            findings.push(Finding::new("log-grew", Severity::Info, text).in_file(&log));
        }
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        return inspection;
    }
    Inspection::absent(source)
}

/// Names of the log whose content is not what was listed. A log that only grew is as good as it was.
fn changes(before: &[FileEntry], now: &[FileEntry]) -> Vec<String> {
    let part = |file: &&FileEntry| {
        !matches!(file.name.as_str(), "LOG" | "LOG.old" | "LOCK") && leveldb::parse_name(&file.name).is_some()
    };
    let mut moved: Vec<String> = Vec::new();
    for file in before.iter().filter(part) {
        let appended = is_wal(&file.name) || file.name.starts_with("MANIFEST-");
        let same = now.iter().find(|other| other.name == file.name).is_some_and(|other| {
            other.len == file.len && other.stamp == file.stamp || appended && other.len > file.len
        });
        if !same {
            moved.push(file.name.clone());
        }
    }
    let fresh = now.iter().filter(part).filter(|file| !before.iter().any(|other| other.name == file.name));
    moved.extend(fresh.map(|file| file.name.clone()));
    moved.truncate(8);
    moved
}

fn is_wal(name: &str) -> bool {
    matches!(leveldb::parse_name(name), Some((_, leveldb::FileKind::Wal)))
}

fn grown(before: &[FileEntry], now: &[FileEntry]) -> Option<String> {
    let longer = |file: &&FileEntry| {
        is_wal(&file.name) && now.iter().any(|other| other.name == file.name && other.len > file.len)
    };
    before.iter().find(longer).map(|file| file.name.clone())
}

/// Reads the directory once. The list of files is that which was read by.
fn once(source: &dyn Source, profile: Profile) -> (Inspection, Vec<FileEntry>) {
    let mut findings = Findings::default();
    let Inspection { mut summary, .. } = Inspection::absent(source);
    let names = match source.list() {
        Ok(names) => names,
        Err(error) => {
            unlisted(&mut summary, &error, &mut findings);
            summary.findings = findings.finish();
            return (Inspection { summary, actions: Vec::new() }, Vec::new());
        }
    };
    summary.files = names.len() as u64;
    summary.bytes = names.iter().fold(0, |sum: u64, file| sum.saturating_add(file.len));
    let mut restored = Restoring::default();
    // What Aurora kept is read while the values pass by; one that the order of positions overtakes is read again.
    let mut passing = content::Reader::new(source);
    let db = open(source, &names, profile, &mut findings, &mut |stored, seen, value| {
        if let Some(at) = restored.visit(stored, seen) {
            passing.take(at, value);
        }
    });
    let stands = restored.stands();
    summary.mesos_view.certain = !db.uncertain;
    let (actions, salvage) = restored.finish(db.error.as_deref(), &mut summary.mesos_view, &mut findings);
    summary.salvage = salvage;
    findings.directory_costs(&summary.salvage.hidden_spans);
    losses(&db, &summary, &mut findings);
    let begin = summary.mesos_view.begin.unwrap_or(0);
    let (content, noticed) = if stands {
        passing.finish()
    } else {
        content::read(actions.iter().filter(|at| at.action.position >= begin), source, None)
    };
    summary.content = content;
    findings.append(noticed);
    summary.findings = findings.finish();
    (Inspection { summary, actions }, names)
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
    summary.exists = *error != SourceError::NoParent;
    view.error = Some(format!("IO error: {}/LOCK: {}", summary.path, error.reason()));
    view.certain = matches!(error, SourceError::NotADirectory | SourceError::NoParent);
    findings.push(Finding::new(
        "directory-unreadable",
        Severity::Warning,
        format!("the directory cannot be listed: {error}"),
    ));
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
