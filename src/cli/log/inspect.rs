//! `log inspect`: what a replica would make of a directory, and what it would lose without a word.

use clap::{Args, ValueEnum};

use super::{
    report::{Asked, Report, report},
    text,
};
use crate::{
    cli::args::print,
    exit::Exit,
    replog::{
        Profile,
        verdict::{Answer, Answers},
    },
};

/// What is asked for.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Directories of replicas (`-native_log_file_path`), or copies of them. Nothing in them is changed.
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<String>,
    /// As JSON; `firstlight schema log` is its schema.
    #[arg(long)]
    json: bool,
    /// Every finding, not only the first ones.
    #[arg(long, conflicts_with = "json")]
    all: bool,
    /// Replicas that a write needs (`-native_log_quorum_size`); the majority of the directories if left out.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    quorum: Option<u32>,
    /// The user that the scheduler runs as, by name or number: says where it may not read or write.
    #[arg(long)]
    user: Option<String>,
    /// The LevelDB that opens them, which loses different things without a word.
    #[arg(long, value_enum, default_value_t = Library::Bundled)]
    leveldb: Library,
    /// Logs of the schedulers, as `log scan` takes them, for what the directories do not say: who leads, and what replicas
    /// said. Several times for several hosts.
    #[arg(long, value_name = "[HOST=]FILE")]
    logs: Vec<String>,
    /// The zone of times without one in those logs, as `Europe/Berlin` or `+02:00`; this machine's if left out.
    #[arg(long, requires = "logs")]
    zone: Option<String>,
    /// Your answer to: does the leadership keep changing?
    #[arg(long, value_enum, default_value_t = Said::Unsure)]
    failing_over: Said,
    /// Your answer to: do the logs show unusual replica messages?
    #[arg(long, value_enum, default_value_t = Said::Unsure)]
    unusual_messages: Said,
    /// Your answer to: is the log missing or corrupt on any replica?
    #[arg(long, value_enum, default_value_t = Said::Unsure)]
    log_corrupt: Said,
}

/// Whose LevelDB a Mesos was built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Library {
    /// Bundled with Mesos up to 1.2.
    #[value(name = "1.4")]
    Old,
    /// Bundled with Mesos since 1.3.
    #[value(name = "1.19")]
    Bundled,
    /// Of a distribution, with snappy.
    #[value(name = "1.23")]
    Distribution,
}

impl Library {
    pub(super) fn profile(self) -> Profile {
        match self {
            Self::Old => Profile::Leveldb14,
            Self::Bundled => Profile::Leveldb119,
            Self::Distribution => Profile::Leveldb123,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Old => "1.4, bundled with Mesos up to 1.2",
            Self::Bundled => "1.19, bundled with Mesos since 1.3",
            Self::Distribution => "1.23 with snappy, of a distribution",
        }
    }
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Said {
    Yes,
    No,
    Unsure,
}

impl From<Said> for Answer {
    fn from(said: Said) -> Self {
        match said {
            Said::Yes => Self::Yes,
            Said::No => Self::No,
            Said::Unsure => Self::Unsure,
        }
    }
}

/// Prints what is known of each directory and, of several, what to do.
pub(super) fn inspect(args: &InspectArgs) -> anyhow::Result<Exit> {
    let dirs: Vec<String> = args.dirs.iter().map(|dir| plain(dir)).collect();
    let logs = super::scan::said(&args.logs, args.zone.as_deref())?;
    let found: Report = report(&Asked {
        logs: &logs,
        dirs: &dirs,
        quorum: args.quorum,
        user: args.user.as_deref(),
        profile: args.leveldb.profile(),
        leveldb: args.leveldb.name(),
        answers: Answers {
            failing_over: args.failing_over.into(),
            unusual_messages: args.unusual_messages.into(),
            log_corrupt: args.log_corrupt.into(),
        },
    });
    if args.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&found)?))?;
    } else {
        print(&text::page(&found, args.all))?;
    }
    Ok(found.exit())
}

/// Without slashes at the end, as the real program prints it.
pub(super) fn plain(dir: &str) -> String {
    let cut = dir.trim_end_matches('/');
    if cut.is_empty() { dir.to_owned() } else { cut.to_owned() }
}
