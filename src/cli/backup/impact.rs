//! `backup impact`: what restoring a backup would do to what runs.
//!
//! Asks the Mesos master, and a scheduler if one answers; both only read. A side that says nothing is said to say nothing.

use std::{collections::BTreeSet, time::Duration};

use clap::{Args, ValueEnum};

use super::live;
use crate::{
    aurora::snapshot::read_backup_from,
    cli::{
        args::{EndsWith, print},
        place::{self, ClusterRef},
    },
    exit::Exit,
    impact::{self, BackupSide, CsvOf, Impact, LiveSide, Master, SideError, Verdict},
    inventory::Inventory,
};

/// Columns of the text: what a chat and a terminal have.
const WIDTH: usize = 80;
/// Longest time for the master: a state of a million tasks is about a gigabyte.
const MASTER_TIME: Duration = Duration::from_mins(5);
/// The variable of a cluster that holds the master's address.
const MASTER_VAR: &str = "master_url";
/// The variable of a host that holds a scheduler's address.
const SCHEDULER_VAR: &str = "api_url";

/// What is asked for.
#[derive(Debug, Args)]
pub struct ImpactArgs {
    /// The backup; `-` for standard input.
    pub file: String,
    /// The cluster's name, or the path of its inventory.
    #[arg(long, required_unless_present = "master")]
    pub cluster: Option<String>,
    /// Address of the Mesos master, instead of the inventory's.
    #[arg(long, value_name = "URL")]
    pub master: Option<String>,
    /// Address of a scheduler that answers, instead of the inventory's; may be given several times.
    #[arg(long, value_name = "URL")]
    pub scheduler: Vec<String>,
    /// Ask no scheduler.
    #[arg(long, conflicts_with = "scheduler")]
    pub no_scheduler: bool,
    /// Version of the scheduler that is to restore, where none answers.
    #[arg(long, value_name = "VERSION")]
    pub installed: Option<String>,
    /// As JSON, with every task to which something happens.
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// As a table: one row for each task to which something happens, or for each job.
    #[arg(long, value_name = "ROWS", num_args = 0..=1, require_equals = true, default_missing_value = "tasks")]
    pub csv: Option<Rows>,
}

/// What a row of the table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rows {
    /// A task.
    Tasks,
    /// A job.
    Jobs,
}

/// Does it; the code says which of the four answers it is.
pub(super) fn impact(args: &ImpactArgs) -> anyhow::Result<Exit> {
    let file = super::open::open(&args.file).map_err(|why| ends(Exit::Unreadable, why.message))?;
    let side = BackupSide::read(file).map_err(|error| {
        // As `backup verify` has it: what can be read and holds nothing must not be restored.
        let exit = if matches!(error, SideError::Empty) { Exit::Unfit } else { Exit::Unreadable };
        ends(exit, format!("{}: {error}", args.file))
    })?;
    let addresses = Addresses::of(args)?;
    let live = ask(&side, &addresses, args.installed.clone())?;
    let mut impact = impact::assess(&side, &live);
    // What a scheduler stages without a word can still be damaged. Standard input cannot be read a second time.
    if args.file != "-" {
        let file = super::open::open(&args.file).map_err(|why| ends(Exit::Unreadable, why.message))?;
        for problem in read_backup_from(file).problems() {
            let code = serde_json::to_value(problem.code)?;
            impact.stop(code.as_str().unwrap_or_default(), &problem.message);
        }
    }
    let text = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&impact)?)
    } else if let Some(rows) = args.csv {
        impact.to_csv(match rows {
            Rows::Tasks => CsvOf::Tasks,
            Rows::Jobs => CsvOf::Jobs,
        })
    } else {
        impact.to_text(WIDTH)
    };
    print(&text)?;
    Ok(exit(&impact))
}

/// The code of an answer.
fn exit(impact: &Impact) -> Exit {
    match impact.verdict {
        Verdict::KillsNone => Exit::Done,
        Verdict::Kills => Exit::Kills,
        Verdict::MustNotRestore => Exit::Unfit,
        Verdict::Unknown => Exit::NotKnown,
    }
}

fn ends(exit: Exit, why: String) -> anyhow::Error {
    EndsWith { exit, why }.into()
}

/// Where to ask.
#[derive(Debug, Default, PartialEq, Eq)]
struct Addresses {
    master: Option<String>,
    schedulers: Vec<String>,
    /// Name that a scheduler of this cluster says.
    cluster: Option<String>,
}

impl Addresses {
    fn of(args: &ImpactArgs) -> anyhow::Result<Self> {
        let mut found = match args.cluster.as_deref().map(place::cluster).transpose()? {
            None => Self::default(),
            Some(ClusterRef::Inventory { inventory, .. }) => Self::in_inventory(&inventory),
            Some(ClusterRef::Clusters { entry, .. }) => {
                // What `clusters.json` calls a cluster need not be what its schedulers call it.
                Self { schedulers: entry.scheduler_uri.into_iter().collect(), ..Self::default() }
            }
        };
        if let Some(master) = &args.master {
            found.master = Some(master.clone());
        }
        if !args.scheduler.is_empty() {
            found.schedulers.clone_from(&args.scheduler);
        }
        if args.no_scheduler {
            found.schedulers.clear();
        }
        Ok(found)
    }

    fn in_inventory(inventory: &Inventory) -> Self {
        let text = |value: serde_json::Value| value.as_str().map(str::to_owned);
        let hosts = inventory.groups.values().flat_map(|group| &group.hosts);
        let mut known = BTreeSet::new();
        let schedulers = hosts
            .filter_map(|host| inventory.host_var(&host.name, SCHEDULER_VAR).and_then(text))
            .filter(|url| known.insert(url.clone()))
            .collect();
        Self {
            master: inventory.cluster_var(MASTER_VAR).and_then(text),
            schedulers,
            cluster: Some(inventory.cluster.clone()),
        }
    }
}

fn ask(side: &BackupSide, addresses: &Addresses, installed: Option<String>) -> anyhow::Result<LiveSide> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let live = runtime.block_on(async {
        let master = match &addresses.master {
            None => Master::Silent("the inventory has no master_url; name it with --master".to_owned()),
            Some(url) => match crate::actions::master_state(url, MASTER_TIME).await {
                Ok(state) => Master::Answered(state),
                Err(why) => Master::Silent(why),
            },
        };
        let at_ms = Some(super::open::now_ms());
        let scheduler = live::scheduler(side, &master, &addresses.schedulers, addresses.cluster.as_deref()).await;
        LiveSide { master, scheduler, installed_version: installed, at_ms }
    });
    runtime.shutdown_background();
    Ok(live)
}
