//! The subcommands of `log`.

use clap::Subcommand;

use super::{
    dump::{self, DumpArgs},
    init::{self, InitArgs},
    inspect::{self, InspectArgs},
    scan::{self, ScanArgs},
};
use crate::exit::Exit;

/// What is done with logs.
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Say what a replica would make of its directory, and what it would not say; several are compared and judged.
    Inspect(InspectArgs),
    /// List what a replica holds, position by position, holes too.
    Dump(DumpArgs),
    /// Say what schedulers' logs tell: who led, why it ended, what speaks against the replicated log.
    Scan(ScanArgs),
    /// Write an initialized, blank log where there is none, as `mesos-log initialize` does.
    Init(InitArgs),
}

/// Below the help of `log`.
pub fn after_help() -> String {
    let codes = [
        (Exit::Done, "sound; several replicas: healthy; `scan`: nothing is wrong"),
        (Exit::Usage, Exit::Usage.meaning()),
        (Exit::BadInput, "`init`: it is not empty, or cannot be a log; nothing was written"),
        (Exit::Failed, "`init`: it could not be written, or is not what it should be"),
        (Exit::Unreadable, "it cannot be read: no directory, no permission"),
        (Exit::NotKnown, "several replicas: not enough can be read to tell; `scan`: no line is known"),
        (Exit::NotSound, Exit::NotSound.meaning()),
        (Exit::Reinitialize, Exit::Reinitialize.meaning()),
        (Exit::Survivor, "several replicas: one good copy is left; initialize nothing before it is copied"),
        (Exit::OneReplica, Exit::OneReplica.meaning()),
        (Exit::NotTheLog, Exit::NotTheLog.meaning()),
    ];
    let lines = codes.map(|(exit, meaning)| format!("  {:>2}  {meaning}\n", exit.code()));
    format!("Exit codes:\n{}", lines.concat())
}

/// Does it.
pub fn run(command: LogCommand) -> anyhow::Result<Exit> {
    match command {
        LogCommand::Inspect(args) => inspect::inspect(&args),
        LogCommand::Dump(args) => dump::dump(&args),
        LogCommand::Scan(args) => scan::scan(&args),
        LogCommand::Init(args) => init::init(&args),
    }
}
