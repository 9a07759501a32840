//! The subcommands of `backup`.

use clap::Subcommand;

use super::{
    impact::{self, ImpactArgs},
    verify,
};
use crate::exit::Exit;

/// What is done with backups.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
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
    let codes = [Exit::Done, Exit::Usage, Exit::Unfit, Exit::Unreadable, Exit::Differs, Exit::Kills, Exit::NotKnown];
    let lines = codes.map(|exit| match exit {
        Exit::Done => {
            "   0  fit to be restored; for `diff`: nothing differs; for `impact`: no running task would be killed\n"
                .to_owned()
        }
        other => format!("  {:>2}  {}\n", other.code(), other.meaning()),
    });
    format!("Exit codes:\n{}", lines.concat())
}

/// Does it.
pub fn run(command: BackupCommand) -> anyhow::Result<Exit> {
    match command {
        BackupCommand::Verify { file } => verify::verify(&file),
        BackupCommand::Impact(args) => impact::impact(&args),
    }
}
