//! `backup verify`: the verdict on a file in a few lines.

use super::{open, verdict};
use crate::{
    backups::{BackupReport, words},
    cli::{args::print, page::Page},
    exit::Exit,
};

/// Prints the verdict, its reasons and the digest.
pub(super) fn verify(file: &str) -> anyhow::Result<Exit> {
    let report = open::report(file);
    verdict::opened(&report)?;
    print(&text(&report))?;
    Ok(verdict::exit_of(report.verdict))
}

fn text(report: &BackupReport) -> String {
    let mut page = Page::default();
    page.words("", &report.path);
    page.words("", verdict::headline(report.verdict));
    verdict::reasons(&mut page, report);
    verdict::times(&mut page, report);
    if let (Some(tasks), Some(active)) = (report.counts.tasks, report.counts.active_tasks) {
        page.field("holds", &format!("{}, {} active", words::count(tasks, "task"), words::grouped(active)));
    }
    verdict::file(&mut page, report);
    page.text().to_owned()
}
