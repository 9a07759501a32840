//! The command line.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use super::{
    backup::{self, BackupCommand},
    drill::{self, Walk},
    files::{self, PlanAs, SchemaOf},
    headless::{self, Asked},
    log::{self, LogCommand},
    practice::{self, ClusterArgs, PracticeCommand},
    sessions::{self, SessionsError},
    start,
};
use crate::{
    exit::Exit,
    headless::ANSWERS_HELP,
    hosts::clean,
    journal::JournalError,
    runbook::{Mode, Problems},
};

/// The runbook that is meant where none is named.
const DEFAULT_RUNBOOK: &str = "aurora-restore-from-backup";

/// A guided runbook for the worst hour of the year.
#[derive(Debug, Parser)]
#[command(name = "firstlight", version, after_help = after_help())]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Practise on a cluster of its own, on this machine.
    Practice {
        /// Name the scenarios, one a line.
        #[arg(long)]
        list: bool,
        /// Walk the scenario without a terminal, with the answers shipped for it.
        #[arg(long)]
        headless: bool,
        /// With --headless: events as lines of JSON.
        #[arg(long)]
        json: bool,
        /// Start anew even if a session over this cluster is not finished.
        #[arg(long)]
        fresh: bool,
        #[command(flatten)]
        cluster: ClusterArgs,
        #[command(subcommand)]
        command: Option<PracticeCommand>,
    },
    /// Open a session over a cluster, with the wizard.
    Start {
        /// An embedded runbook, or a path.
        #[arg(default_value = DEFAULT_RUNBOOK)]
        runbook: String,
        /// The cluster's name, or the path of its inventory.
        #[arg(long)]
        cluster: String,
        /// `recovery`, or `training` on a healthy cluster.
        #[arg(long, default_value = "recovery", value_parser = headless::parse_mode)]
        mode: Mode,
    },
    /// Go on with a session that is not finished.
    Resume {
        /// Its id, the beginning or end of it, or `last`.
        id: Option<String>,
        /// Go on without a terminal, with this answers file.
        #[arg(long)]
        answers: Option<PathBuf>,
        /// With --answers: events as lines of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Walk a session without a terminal.
    #[command(after_help = ANSWERS_HELP)]
    Run {
        /// An embedded runbook, or a path.
        runbook: String,
        /// The cluster's name, or the path of its inventory.
        #[arg(long)]
        cluster: String,
        /// What a person would answer.
        #[arg(long)]
        answers: PathBuf,
        /// Events as lines of JSON.
        #[arg(long)]
        json: bool,
        /// Predict every action and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the whole procedure, with every command for every host.
    Plan {
        /// An embedded runbook, or a path.
        #[arg(default_value = DEFAULT_RUNBOOK)]
        runbook: String,
        /// The cluster's name, or the path of its inventory.
        #[arg(long)]
        cluster: Option<String>,
        /// `recovery` or `training`.
        #[arg(long, value_parser = headless::parse_mode)]
        mode: Option<Mode>,
        /// As Markdown.
        #[arg(long, conflicts_with = "digest")]
        markdown: bool,
        /// Only the digest that an answers file is bound to.
        #[arg(long)]
        digest: bool,
    },
    /// Say how a cluster is reached, who leads it, and which release that is.
    Cluster {
        /// Its name, in an inventory or in `clusters.json`; or the path of its inventory.
        name: String,
    },
    /// Look at backups: what is in them, whether they may be restored, what differs.
    #[command(after_help = backup::after_help())]
    Backup {
        /// What to do.
        #[command(subcommand)]
        command: BackupCommand,
    },
    /// Look at replicas of the replicated log and at schedulers' logs, without changing a byte of them.
    #[command(after_help = log::after_help())]
    Log {
        /// What to do.
        #[command(subcommand)]
        command: LogCommand,
    },
    /// Check runbooks: their shape, their names, their safety.
    Lint {
        /// Embedded runbooks, or paths.
        #[arg(required = true)]
        files: Vec<String>,
    },
    /// Print the JSON Schema of runbooks, inventories, or of what the `backup` and `log` commands print.
    Schema {
        /// Of what.
        #[arg(default_value = "runbook")]
        of: SchemaOf,
    },
    /// List sessions.
    Sessions {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check or show a session's journal.
    Journal {
        /// What to do.
        #[command(subcommand)]
        command: JournalCommand,
    },
    /// Print the record of a session as Markdown.
    Report {
        /// Its id, the beginning or end of it, or `last`.
        #[arg(default_value = "last")]
        id: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum JournalCommand {
    /// Check every record, the chain and the checksums.
    Verify {
        /// A session.
        #[arg(default_value = "last")]
        id: String,
    },
    /// Show the records in words.
    Show {
        /// A session.
        #[arg(default_value = "last")]
        id: String,
    },
}

fn after_help() -> String {
    format!("Exit codes:\n{}", Exit::table())
}

/// Reads the command line, does what it says, and returns the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for; everything else is a usage error.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            drop(error.print());
            return ExitCode::from(exit.code());
        }
    };
    match dispatch(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let mut err = std::io::stderr().lock();
            // It may quote what a file or another side says.
            let said = clean::lines(format!("{error:#}").as_bytes(), usize::MAX).join("\n");
            drop(writeln!(err, "firstlight: {said}"));
            ExitCode::from(exit_of(&error).code())
        }
    }
}

/// Why a command does not go on, with the code that it ends with.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct EndsWith {
    /// The code.
    pub exit: Exit,
    /// What does not fit, and what to do next.
    pub why: String,
}

fn exit_of(error: &anyhow::Error) -> Exit {
    if let Some(ends) = error.chain().find_map(|cause| cause.downcast_ref::<EndsWith>()) {
        ends.exit
    } else if error.chain().any(<dyn std::error::Error>::is::<Problems>) {
        Exit::BadInput
    } else if error.chain().any(|cause| cause.is::<JournalError>() || cause.is::<SessionsError>()) {
        Exit::Journal
    } else if error.chain().any(<dyn std::error::Error>::is::<std::io::Error>) {
        Exit::BadInput
    } else {
        Exit::Defect
    }
}

/// Writes to standard output.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // `firstlight plan | head` is no error.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

fn dispatch(command: Option<Command>) -> anyhow::Result<u8> {
    let exit = match command {
        None => start::bare()?,
        Some(Command::Practice { list: true, .. }) => {
            return Ok(u8::try_from(practice::print_list()?).unwrap_or(u8::MAX));
        }
        Some(Command::Practice { command: Some(command), .. }) => {
            return Ok(u8::try_from(practice::run(command)?).unwrap_or(u8::MAX));
        }
        Some(Command::Practice { headless, json, fresh, cluster, .. }) => {
            let walk = if headless { Walk::Headless { json } } else { Walk::AsThereIs };
            drill::drill(&cluster, walk, fresh)?
        }
        Some(Command::Start { runbook, cluster, mode }) => start::start(&runbook, &cluster, mode)?,
        Some(Command::Resume { id, answers: Some(answers), json }) => {
            headless::resume(id.as_deref().unwrap_or("last"), &answers, json)?
        }
        Some(Command::Resume { id, answers: None, .. }) => start::resume(id.as_deref())?,
        Some(Command::Run { runbook, cluster, answers, json, dry_run }) => {
            let asked = Asked { runbook: &runbook, cluster: &cluster, answers: &answers, json };
            if dry_run { headless::dry_run(&asked)? } else { headless::run(&asked)? }
        }
        Some(Command::Plan { runbook, cluster, mode, markdown, digest }) => {
            let how = match (markdown, digest) {
                (true, _) => PlanAs::Markdown,
                (false, true) => PlanAs::Digest,
                (false, false) => PlanAs::Text,
            };
            print(&files::print_plan(&runbook, cluster.as_deref(), mode, how)?)?;
            Exit::Done
        }
        Some(Command::Cluster { name }) => {
            print(&super::cluster::cluster(&name)?)?;
            Exit::Done
        }
        Some(Command::Backup { command }) => backup::run(command)?,
        Some(Command::Log { command }) => log::run(command)?,
        Some(Command::Lint { files: names }) => {
            let (text, exit) = files::lint(&names)?;
            print(&text)?;
            exit
        }
        Some(Command::Schema { of }) => {
            print(&files::schema(of))?;
            Exit::Done
        }
        Some(command) => records(command)?,
    };
    Ok(exit.code())
}

fn records(command: Command) -> anyhow::Result<Exit> {
    let sessions = super::place::sessions()?;
    let root = sessions.root();
    let text = match command {
        Command::Sessions { json } => sessions::sessions(root, json)?,
        Command::Journal { command: JournalCommand::Verify { id } } => sessions::journal_verify(root, &id)?,
        Command::Journal { command: JournalCommand::Show { id } } => sessions::journal_show(root, &id)?,
        Command::Report { id, json: false } => sessions::report(root, &id)?,
        Command::Report { id, json: true } => sessions::report_json(root, &id)?,
        _ => String::new(),
    };
    print(&text)?;
    Ok(Exit::Done)
}
