//! The subcommands of `backup`.

use std::time::Duration;

use clap::Subcommand;

use super::{
    diff,
    impact::{self, ImpactArgs},
    inspect, list, verify,
};
use crate::exit::Exit;

/// What is done with backups.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// List backups, newest first by the time inside, with what each holds and whether it is fit.
    List {
        /// Directories, or files.
        #[arg(required_unless_present = "cluster")]
        places: Vec<String>,
        /// Every host of this cluster that has a `backup_dir`: the cluster's name, or the path of its inventory.
        #[arg(long)]
        cluster: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// How often the scheduler writes one (`-backup_interval`); longer gaps are said.
        #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
        interval: Duration,
    },
    /// Show what one backup holds, and whether it is fit to be restored.
    Inspect {
        /// The file; `-` for standard input.
        file: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Every row of every table.
        #[arg(long)]
        all: bool,
    },
    /// Say what the second backup has more, less or otherwise than the first.
    Diff {
        /// The older one.
        before: String,
        /// The newer one.
        after: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Every row of every table.
        #[arg(long)]
        all: bool,
    },
    /// Say in a few lines whether a backup is fit to be restored.
    Verify {
        /// The file; `-` for standard input.
        file: String,
    },
    /// Say what restoring a backup would do to what runs: what is killed, started again, taken back, and whose.
    Impact(ImpactArgs),
}

/// Below the help of `backup`.
pub fn after_help() -> String {
    let codes = [
        (Exit::Done, "fit to be restored; `list`: one of them is; `diff`: nothing differs; `impact`: kills none"),
        (Exit::Usage, Exit::Usage.meaning()),
        (Exit::Unfit, "it can be read and must not be restored; `list`: none is fit"),
        (Exit::Unreadable, "it cannot be read to its end: cut off, no backup, missing, no permission"),
        (Exit::Differs, "`diff`: something differs"),
        (Exit::Kills, Exit::Kills.meaning()),
        (Exit::NotKnown, Exit::NotKnown.meaning()),
    ];
    let lines = codes.map(|(exit, meaning)| format!("  {:>2}  {meaning}\n", exit.code()));
    format!("Exit codes:\n{}", lines.concat())
}

/// Does it.
pub fn run(command: BackupCommand) -> anyhow::Result<Exit> {
    match command {
        BackupCommand::List { places, cluster, json, interval } => {
            list::list(&list::Asked { places: &places, cluster: cluster.as_deref(), interval, json })
        }
        BackupCommand::Inspect { file, json, all } => inspect::inspect(&file, json, all),
        BackupCommand::Diff { before, after, json, all } => diff::compare(&before, &after, json, all),
        BackupCommand::Verify { file } => verify::verify(&file),
        BackupCommand::Impact(args) => impact::impact(&args),
    }
}
