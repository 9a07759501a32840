//! `log inspect`: what a replica would make of a directory, and what it would lose without a word.

use clap::Args;
use serde_json::json;

use crate::{
    cli::{args::print, page::Page},
    exit::Exit,
    hosts::{Host as _, LocalHost},
    replog::{Severity, Status, Summary, inspect as read, verdict::one_line},
    runbook::model::HostName,
};

/// What is asked for.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Directories of replicas (`-native_log_file_path`), or copies of them.
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Prints what is known of each directory.
pub(super) fn inspect(args: &InspectArgs) -> anyhow::Result<Exit> {
    let host = LocalHost::new(HostName("localhost".to_owned()), None);
    let found: Vec<Summary> = args.dirs.iter().map(|dir| read(&*host.log_source(dir)).summary).collect();
    if args.json {
        let shown = json!({ "directories": found });
        print(&format!("{}\n", serde_json::to_string_pretty(&shown)?))?;
    } else {
        let mut page = Page::default();
        for summary in &found {
            page.blank();
            page.words("", &summary.path);
            page.words("  ", &one_line(summary));
            for finding in &summary.findings {
                page.words("  - ", &format!("{}: {}", finding.code, finding.message));
            }
        }
        print(page.text())?;
    }
    let sound = |summary: &Summary| {
        summary.mesos_view.status == Some(Status::Voting) && summary.worst() != Some(Severity::Damage)
    };
    Ok(if found.iter().all(sound) { Exit::Done } else { Exit::NotSound })
}
