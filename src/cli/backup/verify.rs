//! `backup verify`: the verdict on a file in a few lines.

use super::open;
use crate::{backups::Verdict, cli::args::print, exit::Exit};

/// Prints the verdict, its reasons and the digest.
pub(super) fn verify(file: &str) -> anyhow::Result<Exit> {
    let report = open::report(file);
    print(&format!("{report:?}\n"))?;
    Ok(exit_of(report.verdict))
}

/// The code that a verdict ends with.
pub(super) fn exit_of(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Fit => Exit::Done,
        Verdict::Unfit => Exit::Unfit,
        Verdict::Unreadable => Exit::Unreadable,
    }
}
