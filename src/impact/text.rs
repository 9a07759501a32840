//! The same in words, for a terminal or a chat.

use std::{borrow::Cow, fmt::Write as _};

use unicode_width::UnicodeWidthStr as _;

use super::{
    fate::Fate,
    groups::{JobGroup, Resources},
    model::{Impact, Note, Verdict},
    outcome::Outcome,
    reverted::{Change, Section},
};

/// Narrowest text: below this, words do not fit.
const WIDTH_MIN: usize = 40;
/// Jobs that are listed of each fate; the rest is counted, and is in the other exports.
const JOBS_MAX: usize = 40;
/// Things that are listed of each kind that is taken back.
const ITEMS_MAX: usize = 20;
/// Roles and environments that are listed.
const GROUPS_MAX: usize = 20;
/// Bytes of instances that are shown of one job.
const INSTANCES_MAX: usize = 60;

impl Impact {
    /// In words, lines no wider than this.
    pub fn to_text(&self, width: usize) -> String {
        let mut text = Text { out: String::new(), width: width.max(WIDTH_MIN) };
        text.head(self);
        for (word, notes) in [("STOP", &self.stops), ("NOT KNOWN", &self.unknowns), ("NOTE", &self.warnings)] {
            text.notes(word, notes);
        }
        text.counts(self);
        for fate in Fate::ALL.into_iter().filter(|fate| fate.is_listed()) {
            text.jobs(self, fate);
        }
        text.reverted(self);
        text.groups(self);
        text.out
    }

    /// The answer in one sentence.
    pub fn headline(&self) -> String {
        let kills = self.kills();
        let jobs = self.by_job.iter().filter(|job| job.counts.kills() > 0).count();
        let killed =
            || format!("{} of {} will be KILLED ({})", tasks(kills), jobs_word(jobs), amounts(&self.killed_resources));
        let later = match self.counts.of(Fate::PendingRuns) {
            0 => String::new(),
            1 => " 1 more, PENDING in the backup, is KILLED at a later sweep.".to_owned(),
            more => format!(" {more} more, PENDING in the backup, are KILLED at a later sweep."),
        };
        match self.verdict {
            Verdict::KillsNone if later.is_empty() => "No running task will be killed.".to_owned(),
            Verdict::KillsNone => format!("No running task will be killed by the first sweep.{later}"),
            Verdict::Kills => format!("{}.{later}", killed()),
            Verdict::MustNotRestore => "This backup MUST NOT be restored.".to_owned(),
            Verdict::Unknown if kills > 0 => format!("At least {}; more is not known.", killed()),
            Verdict::Unknown => "What would be killed is NOT KNOWN.".to_owned(),
        }
    }
}

impl Outcome {
    /// In words, lines no wider than this.
    pub fn to_text(&self, width: usize) -> String {
        let mut text = Text { out: String::new(), width: width.max(WIDTH_MIN) };
        for words in self.words() {
            text.line("", &words);
        }
        for (what, seen) in [
            ("gone", &self.gone_unpredicted),
            ("alive", &self.still_alive),
            ("without successor", &self.not_restarted),
            ("new", &self.new),
        ] {
            for id in seen.ids.iter().take(ITEMS_MAX) {
                text.line("  ", &format!("{what}: {}", clean(id)));
            }
            text.more(seen.count.saturating_sub(ITEMS_MAX.min(seen.ids.len()) as u64), what);
        }
        text.out
    }
}

struct Text {
    out: String,
    width: usize,
}

impl Text {
    fn head(&mut self, impact: &Impact) {
        let backup = &impact.backup;
        let taken = backup.timestamp_ms.map_or_else(|| "without a time".to_owned(), |ms| format!("of {}", utc(ms)));
        let by = backup.build_version.as_deref().map(|by| format!(", written by {}", clean(by))).unwrap_or_default();
        self.line("", &format!("What restoring the backup {taken} would do{by}"));
        self.line("", &impact.headline());
        self.out.push('\n');
        let seen = impact.live.at_ms.map(|ms| format!(" at {}", utc(ms))).unwrap_or_default();
        let running = impact.live.running.map_or_else(|| "unknown".to_owned(), |count| count.to_string());
        let active = backup.active_tasks;
        let live = &impact.live;
        let from = match (live.master, live.scheduler) {
            (true, true) => "the master and a scheduler",
            (true, false) => "the master; no scheduler was asked",
            (false, true) => "a scheduler, NOT by the master",
            (false, false) => "nobody",
        };
        self.line("", &format!("Active in the backup: {active}. Running{seen}: {running} (said by {from})."));
        self.line("", &clean(&sentence(&impact.framework.words)));
        if let Some(at) = impact.framework.removed_at_ms {
            self.line("", &format!("The master removes it at {} unless a scheduler comes back.", utc(at)));
        }
    }

    fn notes(&mut self, word: &str, notes: &[Note]) {
        for note in notes {
            self.line("  ", &format!("{word}: {}", clean(&sentence(&note.message))));
        }
    }

    fn counts(&mut self, impact: &Impact) {
        self.title("Tasks");
        for (fate, count) in impact.counts.some() {
            self.line("        ", &format!("{count:>7} {}", fate.words()));
        }
    }

    fn jobs(&mut self, impact: &Impact, fate: Fate) {
        let count = impact.counts.of(fate);
        if count == 0 {
            return;
        }
        let word = title(fate);
        self.title(&format!("{word}: {}", tasks(count)));
        let mut jobs: Vec<&JobGroup> = impact.by_job.iter().filter(|job| job.counts.of(fate) > 0).collect();
        jobs.sort_by(|a, b| b.counts.of(fate).cmp(&a.counts.of(fate)).then_with(|| a.job.cmp(&b.job)));
        for job in jobs.iter().take(JOBS_MAX) {
            let name = if job.job.is_empty() { "(job not known)".into() } else { clean(&job.job) };
            let mut words = format!("{name}: {}", job.counts.of(fate));
            if let Some(instances) = job.instances.get(&fate).filter(|instances| !instances.0.is_empty()) {
                let _ = write!(words, ", instances {}", shortened(&instances.0));
            }
            if !job.owners.is_empty() {
                let of = if job.owners_by_role { "role's owners" } else { "owner" };
                let _ = write!(words, " ({of} {})", clean(&job.owners.join(", ")));
            }
            self.line("  ", &words);
        }
        self.more(jobs.len().saturating_sub(JOBS_MAX) as u64, "jobs");
    }

    fn reverted(&mut self, impact: &Impact) {
        let reverted = &impact.reverted;
        for (title, section) in [
            ("Jobs", &reverted.jobs),
            ("Cron jobs", &reverted.cron_jobs),
            ("Quotas", &reverted.quotas),
            ("Job updates", &reverted.updates),
            ("Host maintenance", &reverted.maintenance),
            ("Locks", &reverted.locks),
        ] {
            self.section(title, section);
        }
    }

    fn section(&mut self, title: &str, section: &Section) {
        let Some(in_backup) = section.in_backup else {
            self.title(title);
            self.line("  ", "kept in SQL statements: not counted here");
            return;
        };
        if section.items.is_empty() {
            return;
        }
        let how = if section.compared { "" } else { "; what there is now is not known" };
        self.title(&format!("{title} ({in_backup} in the backup{how})"));
        for item in section.items.iter().take(ITEMS_MAX) {
            let (word, words) = (change_word(item.change), clean(&item.words));
            self.line("  ", &format!("{word} {}: {words}", clean(&item.name)));
        }
        self.more(section.more + section.items.len().saturating_sub(ITEMS_MAX) as u64, "things");
    }

    fn groups(&mut self, impact: &Impact) {
        for (title, groups) in [("By role", &impact.by_role), ("By environment", &impact.by_environment)] {
            let mut groups: Vec<_> = groups.iter().filter(|group| group.counts.sum(Fate::is_listed) > 0).collect();
            if groups.is_empty() {
                continue;
            }
            groups.sort_by(|a, b| b.counts.kills().cmp(&a.counts.kills()).then_with(|| a.name.cmp(&b.name)));
            self.title(title);
            for group in groups.iter().take(GROUPS_MAX) {
                let name = if group.name.is_empty() { "(not known)".into() } else { clean(&group.name) };
                let counts: Vec<String> = group
                    .counts
                    .some()
                    .filter(|(fate, _)| *fate != Fate::History)
                    .map(|(fate, count)| format!("{count} {}", fate.name()))
                    .collect();
                let of = jobs_word(usize::try_from(group.jobs).unwrap_or(usize::MAX));
                self.line("  ", &format!("{name}: {of}: {}", counts.join(", ")));
            }
            self.more(groups.len().saturating_sub(GROUPS_MAX) as u64, "groups");
        }
    }

    fn title(&mut self, title: &str) {
        self.out.push('\n');
        self.line("", title);
    }

    fn more(&mut self, more: u64, what: &str) {
        if more > 0 {
            self.line("  ", &format!("and {more} {what} more"));
        }
    }

    /// One paragraph; lines after the first are indented two columns more. Words longer than a line stay whole.
    fn line(&mut self, indent: &str, words: &str) {
        // A number stands before its indent.
        let (mut line, hang) = if words.starts_with(' ') || indent.len() > 2 {
            (String::new(), indent.to_owned())
        } else {
            (indent.to_owned(), format!("{indent}  "))
        };
        let lead = words.len() - words.trim_start().len();
        line.push_str(words.get(..lead).unwrap_or_default());
        let mut is_first = true;
        for word in words.split_whitespace() {
            if !is_first && line.width() + 1 + word.width() > self.width {
                self.push(&line);
                line = hang.clone();
                is_first = true;
            }
            if !is_first {
                line.push(' ');
            }
            line.push_str(word);
            is_first = false;
        }
        self.push(&line);
    }

    fn push(&mut self, line: &str) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }
}

fn title(fate: Fate) -> &'static str {
    match fate {
        Fate::Killed => "KILLED, not in the backup",
        Fate::EndedInBackup => "KILLED, over in the backup",
        Fate::Killing => "KILLED, KILLING in the backup",
        Fate::Replaced => "KILLED and started again",
        Fate::Assigned => "Kept if in time, ASSIGNED in the backup",
        Fate::Restarted => "Lost and started again",
        Fate::PartitionedGone => "Gone, PARTITIONED in the backup",
        Fate::EndedMeanwhile => "Ended meanwhile",
        Fate::PendingRuns => "Run on, and are KILLED at a later sweep: PENDING in the backup",
        Fate::Pending => "To be scheduled, PENDING in the backup",
        Fate::Orphaned => "Go on without a scheduler, in another framework",
        Fate::Stuck => "In the backup, nothing happens",
        Fate::Ending => "Being ended already",
        Fate::KillingGone => "Gone, KILLING in the backup",
        Fate::Unreachable => "On agents out of reach",
        Fate::Unknown => "NOT KNOWN",
        Fate::Starting | Fate::PartitionedBack | Fate::Kept => "Kept",
        Fate::History => "Over",
    }
}

fn tasks(count: u64) -> String {
    format!("{count} {}", if count == 1 { "task" } else { "tasks" })
}

fn jobs_word(count: usize) -> String {
    format!("{count} {}", if count == 1 { "job" } else { "jobs" })
}

fn change_word(change: Change) -> &'static str {
    match change {
        Change::Vanishes => "- vanishes:",
        Change::ComesBack => "+ comes back:",
        Change::Changes => "~ changes back:",
        Change::Resumes => "> RESUMES:",
        Change::Waits => "> waits:",
        Change::Stays => "= as in the backup:",
        Change::InBackup => "in the backup:",
    }
}

fn amounts(of: &Resources) -> String {
    let gib = |mib: f64| mib / 1024.0;
    format!("{} cpus, {:.1} GiB ram, {:.1} GiB disk", rounded(of.cpus), gib(of.ram_mb), gib(of.disk_mb))
}

fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= INSTANCES_MAX {
        return text.into();
    }
    let cut = text.get(..INSTANCES_MAX).and_then(|head| head.rfind(',')).unwrap_or(INSTANCES_MAX);
    format!("{},…", text.get(..cut).unwrap_or_default()).into()
}

/// Milliseconds since the epoch as `2015-06-01 12:00:00 UTC`.
fn utc(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms)
        .map_or_else(|_| format!("{ms} ms"), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// Role, environment and name of a job as it is written with slashes.
pub(super) fn of_job(job: &str) -> (&str, &str, &str) {
    let mut parts = job.splitn(3, '/');
    let mut part = || parts.next().unwrap_or_default();
    (part(), part(), part())
}

/// Text from a cluster without what moves a cursor or hides: control characters and marks of direction become visible.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if !text.contains(hides) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if hides(c) {
            let _ = write!(out, "<{:04x}>", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out.into()
}
