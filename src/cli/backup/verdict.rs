//! The verdict on a file: in words, and as an exit code.

use crate::{
    backups::{BackupReport, Code, Said, Verdict, words},
    cli::{args::EndsWith, page::Page},
    exit::Exit,
};

/// The code that a verdict ends with.
pub(super) fn exit_of(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Fit => Exit::Done,
        Verdict::Unfit => Exit::Unfit,
        Verdict::Unreadable => Exit::Unreadable,
    }
}

/// The verdict as the first thing that is read.
pub(super) fn headline(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fit => "FIT to be restored, as far as can be seen without a scheduler",
        Verdict::Unfit => "DO NOT RESTORE this file",
        Verdict::Unreadable => "NOT READABLE to its end: do not restore this file",
    }
}

/// An error if the file could not even be opened: there is nothing to set out.
pub(super) fn opened(report: &BackupReport) -> Result<(), EndsWith> {
    match report.problems.first() {
        Some(said) if report.size.is_none() => {
            Err(EndsWith { exit: Exit::Unreadable, why: format!("{} ({})", said.message, code(said.code)) })
        }
        _ => Ok(()),
    }
}

/// One word for a column.
pub(super) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fit => "fit",
        Verdict::Unfit => "NO",
        Verdict::Unreadable => "unread",
    }
}

/// A code as JSON has it.
pub(super) fn code(code: Code) -> String {
    serde_json::to_value(code).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Problems and warnings, each with its code.
pub(super) fn reasons(page: &mut Page, report: &BackupReport) {
    let mut say =
        |sign: &str, said: &Said| page.words(&format!("  {sign} "), &format!("{}: {}", code(said.code), said.message));
    report.problems.iter().for_each(|said| say("✗", said));
    report.warnings.iter().for_each(|said| say("!", said));
}

/// When it was taken, and what its name says of that.
pub(super) fn times(page: &mut Page, report: &BackupReport) {
    if let Some(ms) = report.timestamp_ms {
        let age = match report.age_ms {
            Some(0..) => format!("{} ago", words::age(report.age_ms)),
            _ => "in the future of this machine".to_owned(),
        };
        page.field("taken", &format!("{}, {age}", words::moment(ms)));
    }
    if let Some(name) = &report.name {
        let zone = match (name.zone(), name.later_by_minutes) {
            (Some(zone), _) => format!("its host's zone is {zone}"),
            (None, Some(_)) => "no zone makes that of the time inside".to_owned(),
            (None, None) => "in the zone of its host".to_owned(),
        };
        page.field("name says", &format!("{}, {zone}", name.minute));
    }
}

/// Length and digest.
pub(super) fn file(page: &mut Page, report: &BackupReport) {
    if let Some(size) = report.size {
        page.field("size", &words::count(size, "byte"));
    }
    if let Some(sha256) = &report.sha256 {
        page.field("sha256", sha256);
    }
}
