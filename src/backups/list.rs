//! Many backups side by side: in what order, which are the same, and where some are missing.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hasher as _},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::name::{Claimed, claimed};
use super::report::{BackupReport, Counts, FORMAT, Said, Verdict};
use super::words::{moment, span};

/// Interval of backups that a scheduler has unless told otherwise, in milliseconds.
pub const INTERVAL_MS: u64 = 3_600_000;
/// Intervals without a backup that are remarkable: a scheduler makes one with the first snapshot after the interval.
const INTERVALS_MISSED: u64 = 2;
/// Gaps that are named; the longest come first.
const GAPS_MAX: usize = 5;

/// A backup in one line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ListedBackup {
    /// Host that it lies on; none for this machine.
    pub host: Option<String>,
    /// Path there.
    pub path: String,
    /// Length in bytes.
    pub size: Option<u64>,
    /// SHA-256 of the whole file in hex.
    pub sha256: Option<String>,
    /// When it was taken, in milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// The same in UTC.
    pub timestamp: Option<String>,
    /// Age in milliseconds.
    pub age_ms: Option<i64>,
    /// Mesos framework id.
    pub framework_id: Option<String>,
    /// Version of the scheduler that wrote it.
    pub version: Option<String>,
    /// How many of each kind.
    pub counts: Counts,
    /// The verdict.
    pub verdict: Verdict,
    /// True for the verdict `fit`.
    pub fit: bool,
    /// What keeps it from being restored, or from being read.
    pub problems: Vec<Said>,
    /// What an engineer should know although it does not forbid the restore.
    pub warnings: Vec<Said>,
    /// The first backup of the list that has the same bytes; none if it is the first.
    pub same_file_as: Option<String>,
    /// The first backup of the list that was taken at the same moment and holds the same tasks in another order of bytes.
    pub same_content_as: Option<String>,
    #[serde(skip)]
    likeness: u64,
}

impl ListedBackup {
    /// The line of a report. Its lists go, so that hundreds fit into memory.
    pub fn of(host: Option<&str>, report: BackupReport) -> Self {
        let likeness = likeness(&report);
        Self {
            host: host.map(str::to_owned),
            path: report.path,
            size: report.size,
            sha256: report.sha256,
            timestamp_ms: report.timestamp_ms,
            timestamp: report.timestamp,
            age_ms: report.age_ms,
            framework_id: report.framework_id,
            version: report.written_by.and_then(|writer| writer.version),
            counts: report.counts,
            verdict: report.verdict,
            fit: report.fit,
            problems: report.problems,
            warnings: report.warnings,
            same_file_as: None,
            same_content_as: None,
            likeness,
        }
    }

    /// Host and path, as one would name it to `scp`.
    pub fn place(&self) -> String {
        match &self.host {
            Some(host) => format!("{host}:{}", self.path),
            None => self.path.clone(),
        }
    }
}

/// A place that could not be listed, or a file that could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotListedPlace {
    /// Host and path.
    pub place: String,
    /// Why, and what to do next.
    pub message: String,
}

/// A backup of which a scheduler said no more than the name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamedBackup {
    /// Address of the scheduler.
    pub scheduler: String,
    /// The name in its directory of backups.
    pub name: String,
    /// What the name claims, where it is a backup's.
    pub claims: Option<Claimed>,
}

impl NamedBackup {
    /// The names that a scheduler gave, those that sort last first.
    pub fn all(scheduler: &str, mut names: Vec<String>) -> Vec<Self> {
        names.sort_unstable_by(|a, b| b.cmp(a));
        let of = |name: String| Self { scheduler: scheduler.to_owned(), claims: claimed(&name, None), name };
        names.into_iter().map(of).collect()
    }
}

/// What `firstlight backup list --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackupList {
    /// Version of this form: 1.
    pub format: u32,
    /// Newest first by the time inside; those without one come last.
    pub backups: Vec<ListedBackup>,
    /// Backups known by name only, from a scheduler whose files cannot be read from here.
    pub named: Vec<NamedBackup>,
    /// What could not be read at all.
    pub unread: Vec<NotListedPlace>,
    /// Files beside them whose names are not those of backups.
    pub other_files: u64,
    /// Interval that gaps are held against, in milliseconds.
    pub interval_ms: u64,
    /// Longest spans between fit backups, and from the newest to the present, of more than twice the interval.
    pub gaps: Vec<Gap>,
    /// Different framework ids among them: more than one cluster, or one that began anew.
    pub framework_ids: Vec<String>,
}

/// A time without a fit backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// The backup before it, in milliseconds since the epoch.
    pub from_ms: i64,
    /// The backup after it; none if it lasts to the present.
    pub to_ms: Option<i64>,
    /// How long, in milliseconds.
    pub ms: u64,
}

impl Gap {
    /// In words.
    pub fn words(&self) -> String {
        match self.to_ms {
            Some(_) => format!("no fit backup for {} from {}", span(self.ms), moment(self.from_ms)),
            None => format!(
                "the newest fit backup is {} old: a scheduler that fails before its interval is over writes none",
                span(self.ms)
            ),
        }
    }
}

impl BackupList {
    /// Puts backups in order and compares them.
    pub fn of(
        mut backups: Vec<ListedBackup>,
        unread: Vec<NotListedPlace>,
        other_files: u64,
        now_ms: i64,
        interval_ms: u64,
    ) -> Self {
        backups.sort_by(|a, b| b.timestamp_ms.cmp(&a.timestamp_ms).then_with(|| a.place().cmp(&b.place())));
        let mut by_bytes: BTreeMap<String, String> = BTreeMap::new();
        let mut by_content: BTreeMap<u64, String> = BTreeMap::new();
        for backup in &mut backups {
            let place = backup.place();
            if let Some(sha256) = backup.sha256.clone() {
                backup.same_file_as = by_bytes.get(&sha256).cloned();
                by_bytes.entry(sha256).or_insert_with(|| place.clone());
            }
            if backup.fit {
                let first = by_content.entry(backup.likeness).or_insert_with(|| place.clone());
                backup.same_content_as = Some(first.clone()).filter(|first| *first != place);
            }
            if backup.same_file_as.is_some() {
                backup.same_content_as = None;
            }
        }
        let mut framework_ids: Vec<String> = backups.iter().filter_map(|backup| backup.framework_id.clone()).collect();
        framework_ids.sort_unstable();
        framework_ids.dedup();
        let gaps = gaps(&backups, now_ms, interval_ms);
        Self { format: FORMAT, backups, named: Vec::new(), unread, other_files, interval_ms, gaps, framework_ids }
    }

    /// True if one of them may be restored.
    pub fn has_fit(&self) -> bool {
        self.backups.iter().any(|backup| backup.fit)
    }
}

fn gaps(backups: &[ListedBackup], now_ms: i64, interval_ms: u64) -> Vec<Gap> {
    let times: Vec<i64> = backups.iter().filter(|backup| backup.fit).filter_map(|backup| backup.timestamp_ms).collect();
    let least = interval_ms.saturating_mul(INTERVALS_MISSED);
    let between = |from: i64, to: i64| u64::try_from(to.saturating_sub(from)).ok().filter(|ms| *ms > least);
    let last =
        times.first().and_then(|newest| between(*newest, now_ms).map(|ms| Gap { from_ms: *newest, to_ms: None, ms }));
    let pairs = times.iter().skip(1).zip(&times);
    let inner =
        pairs.filter_map(|(from, to)| between(*from, *to).map(|ms| Gap { from_ms: *from, to_ms: Some(*to), ms }));
    let mut inner: Vec<Gap> = inner.collect();
    inner.sort_by_key(|gap| std::cmp::Reverse(gap.ms));
    inner.truncate(GAPS_MAX);
    last.into_iter().chain(inner).collect()
}

/// The same for two files that hold the same at the same moment in another order of bytes.
fn likeness(report: &BackupReport) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut add = |text: &str| {
        hasher.write(text.as_bytes());
        hasher.write_u8(0xff);
    };
    add(&format!("{:?} {:?} {:?} {:?}", report.timestamp_ms, report.size, report.framework_id, report.counts));
    for (name, count) in &report.by_status {
        add(&format!("{name} {count}"));
    }
    for groups in [&report.by_job, &report.by_host] {
        for (name, count) in groups {
            add(&format!("{name} {} {}", count.active, count.total));
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{aurora::snapshot::read_backup, backups::Seen};

    const HOUR: i64 = 3_600_000;

    fn at(path: &str, sha256: &str, ms: i64, fit: bool) -> ListedBackup {
        let report = BackupReport::of(Seen { path, sha256: Some(sha256), now_ms: 0 }, read_backup(&[]));
        let verdict = if fit { Verdict::Fit } else { Verdict::Unfit };
        ListedBackup { timestamp_ms: Some(ms), fit, verdict, likeness: ms as u64, ..ListedBackup::of(None, report) }
    }

    #[test]
    fn order_likeness_and_gaps() {
        let backups = vec![
            at("/b", "2", 4 * HOUR, true),
            at("/a", "1", HOUR, true),
            at("/c", "1", HOUR, true),
            at("/d", "3", HOUR, true),
            at("/bad", "4", 6 * HOUR, false),
        ];
        let list = BackupList::of(backups, Vec::new(), 0, 5 * HOUR, HOUR as u64);
        let order: Vec<_> = list.backups.iter().map(|backup| backup.path.as_str()).collect();
        assert_eq!(order, ["/bad", "/b", "/a", "/c", "/d"]);
        assert_eq!(list.backups[3].same_file_as.as_deref(), Some("/a"));
        assert_eq!(list.backups[4].same_content_as.as_deref(), Some("/a"));
        assert_eq!(list.gaps, [Gap { from_ms: HOUR, to_ms: Some(4 * HOUR), ms: 3 * HOUR as u64 }]);
        let late = BackupList::of(list.backups.clone(), Vec::new(), 0, 7 * HOUR, HOUR as u64);
        assert_eq!(late.gaps.first().map(|gap| (gap.from_ms, gap.to_ms)), Some((4 * HOUR, None)));
    }
}
