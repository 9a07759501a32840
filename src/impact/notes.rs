//! What is to be said besides numbers: why not to restore, what to know, what nobody knows.

use super::{
    assess::Source,
    fate::Fate,
    framework::FrameworkFate,
    model::{Impact, Note},
    sides::{BackupSide, LiveSide, Master},
    version::VersionFit,
};

/// A backup older than this is said to be old: most of what the cluster rescheduled since is killed, and its replacements
/// are started.
const OLD_MS: i64 = 6 * 3600 * 1000;
/// Milliseconds of an hour.
const HOUR_MS: i64 = 3600 * 1000;

pub(super) fn say(impact: &mut Impact, backup: &BackupSide, live: &LiveSide, truth: Source<'_>) {
    of_framework(impact);
    of_version(impact);
    of_backup(impact, backup, live);
    of_live(impact, live, truth);
    let assigned = impact.counts.of(Fate::Assigned);
    if assigned > 0 {
        let why = format!(
            "{assigned} tasks are ASSIGNED in the backup and run: they live only if the first reconciliation comes within 5 \
             minutes; do not raise -reconciliation_initial_delay beyond that"
        );
        impact.warnings.push(Note::new("assigned-runs", why));
    }
}

fn of_framework(impact: &mut Impact) {
    let framework = &impact.framework;
    match framework.fate {
        FrameworkFate::Removed => impact.stops.push(Note::new("framework-removed", &*framework.words)),
        FrameworkFate::NotListed => impact.stops.push(Note::new("framework-not-known", &*framework.words)),
        FrameworkFate::NotInBackup => impact.stops.push(Note::new("no-framework-id", &*framework.words)),
        FrameworkFate::Unknown => impact.unknowns.push(Note::new("framework-unknown", &*framework.words)),
        FrameworkFate::Active | FrameworkFate::Disconnected | FrameworkFate::Recovered => {}
    }
    for other in &framework.others {
        let state = if other.is_active { "is registered" } else { "is known" };
        let why = format!(
            "another framework of Aurora {state} on this master: {} with {} tasks, which a restored scheduler does not get",
            other.id, other.tasks
        );
        impact.warnings.push(Note::new("another-framework", why));
    }
}

fn of_version(impact: &mut Impact) {
    let version = &impact.version;
    let code = match version.fit {
        VersionFit::Same => return,
        VersionFit::Reads => "version-differs",
        VersionFit::Breaks => "version-breaks",
        VersionFit::Unknown => "version-unknown",
    };
    impact.warnings.push(Note::new(code, &*version.words));
}

fn of_backup(impact: &mut Impact, backup: &BackupSide, live: &LiveSide) {
    if backup.tasks_in_sql {
        let why =
            "the scheduler takes tasks and cron jobs of this backup from SQL statements, which are not counted here";
        impact.unknowns.push(Note::new("tasks-in-sql", why));
    }
    if backup.in_sql {
        let why =
            "quotas, hosts, updates and locks of this backup may be in SQL statements, which are not counted here";
        impact.warnings.push(Note::new("kept-in-sql", why));
    }
    if impact.backup.active_tasks == 0 && impact.live.running.is_some_and(|running| running > 0) {
        impact
            .warnings
            .push(Note::new("backup-without-tasks", "no task is active in the backup: everything is killed"));
    }
    if backup.tasks.twice > 0 {
        let why = format!("{} task ids are in the backup more than once: it may be damaged", backup.tasks.twice);
        impact.warnings.push(Note::new("duplicate-tasks", why));
    }
    if let (Some(now), Some(then)) = (live.at_ms, backup.timestamp_ms) {
        let age = now.saturating_sub(then);
        if age < 0 {
            impact
                .warnings
                .push(Note::new("backup-from-the-future", "the backup is younger than this machine's clock"));
        } else if age > OLD_MS {
            let why = format!("the backup is {} hours old: what was started anew since then is killed", age / HOUR_MS);
            impact.warnings.push(Note::new("old-backup", why));
        }
    }
}

fn of_live(impact: &mut Impact, live: &LiveSide, truth: Source<'_>) {
    if let Master::Silent(why) = &live.master {
        if impact.framework.fate == FrameworkFate::NotInBackup {
            impact.unknowns.push(Note::new("master-silent", format!("the master says nothing: {why}")));
        }
        if matches!(truth, Source::Scheduler(_)) {
            let why = "what runs is what a scheduler believes, not what the master knows";
            impact.unknowns.push(Note::new("only-believed", why));
        }
    }
    if let Source::Master(state, tasks) = truth {
        if tasks.odd > 0 {
            let why = format!("{} tasks at the master have no id or an unheard-of one, and are not counted", tasks.odd);
            impact.unknowns.push(Note::new("odd-tasks", why));
        }
        if state.agents_missing > 0 {
            let why = format!(
                "{} agents have not come back to the master: what runs there is not known",
                state.agents_missing
            );
            impact.unknowns.push(Note::new("agents-missing", why));
        }
        if state.is_leading() == Some(false) {
            impact.unknowns.push(Note::new("not-leading", "the master that answered does not lead"));
        }
    }
    let unknown = impact.counts.unknown();
    if unknown > 0 {
        impact.unknowns.push(Note::new("tasks-unknown", format!("what becomes of {unknown} tasks cannot be told")));
    }
}
