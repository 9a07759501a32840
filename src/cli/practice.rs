//! `firstlight practice`: a cluster of real processes to practise on.

use std::{
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::practice::{
    Cluster, Options, Reply, SPEED_DEFAULT, Scenario, Service, Verb, default_dir, exec_bound, run_master,
    run_mesos_log, run_scheduler, run_supervisor,
};

/// As `systemctl status` for a service that does not run.
const EXIT_STOPPED: i32 = 3;
/// For what could not be found out.
const EXIT_UNKNOWN: i32 = 4;

/// Choices for a practice cluster, shared by everything that makes one.
#[derive(Debug, Clone, clap::Args)]
pub struct ClusterArgs {
    /// What is wrong with the cluster; `--list` names the scenarios.
    #[arg(long, value_parser = Scenario::parse, default_value = "corrupt-log")]
    pub scenario: Scenario,
    /// How many schedulers, 1 to 7.
    #[arg(long, default_value_t = 3)]
    pub schedulers: usize,
    /// Seeds the cluster's content.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// By how much the cluster's waits are compressed.
    #[arg(long, default_value_t = SPEED_DEFAULT)]
    pub speed: f64,
    /// Where the cluster lives, in place of a directory below `$XDG_STATE_HOME`.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Elect leaders by a lock file even if `ZooKeeper` is installed.
    #[arg(long)]
    pub no_zookeeper: bool,
}

impl ClusterArgs {
    /// The options that they mean, for this very program.
    pub fn options(&self) -> anyhow::Result<Options> {
        let program = std::env::current_exe().context("finding this program")?;
        Ok(Options {
            dir: self.dir.clone(),
            scenario: self.scenario,
            schedulers: self.schedulers,
            seed: self.seed,
            speed: self.speed,
            zookeeper: !self.no_zookeeper,
            program,
        })
    }
}

/// What is done to the traffic from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FirewallVerb {
    /// Refuses it.
    Block,
    /// Lets it in.
    Unblock,
    /// Says which of the two it is.
    Status,
}

/// What can be done with a practice cluster besides opening the wizard over it.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum PracticeCommand {
    /// Start a cluster, say where it is, and keep it until Ctrl-C.
    Up(ClusterArgs),
    /// Say what runs of a cluster.
    Status(WhereArgs),
    /// Stop a cluster and everything that it started.
    Down(WhereArgs),
    /// Start, stop or look at a service of a scheduler; exits 0 if it runs and 3 if it does not.
    Service {
        /// What to do.
        verb: Verb,
        /// The scheduler.
        host: String,
        /// Which service.
        #[arg(default_value = "scheduler")]
        service: Service,
        /// Where its cluster is.
        #[command(flatten)]
        place: WhereArgs,
    },
    /// Refuse traffic from outside to a scheduler, let it in, or look; exits 0 if it is refused and 3 if it is let in.
    Firewall {
        /// What to do.
        verb: FirewallVerb,
        /// The scheduler.
        host: String,
        /// Where its cluster is.
        #[command(flatten)]
        place: WhereArgs,
    },
    /// The cluster's init.
    #[command(name = "__supervise", hide = true)]
    Supervise {
        /// The cluster's directory.
        #[arg(long)]
        dir: PathBuf,
    },
    /// The cluster's Mesos master.
    #[command(name = "__master", hide = true)]
    Master {
        /// The cluster's directory.
        #[arg(long)]
        dir: PathBuf,
    },
    /// One scheduler.
    #[command(name = "__scheduler", hide = true)]
    Scheduler {
        /// Its home.
        home: String,
        /// Its class and flags.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// The stand-in for Mesos's tool.
    #[command(name = "__mesos-log", hide = true, disable_help_flag = true)]
    MesosLog {
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Becomes another program that dies with its parent.
    #[command(name = "__exec", hide = true)]
    Exec {
        /// The parent.
        #[arg(long)]
        parent: i32,
        /// The program and its arguments.
        #[arg(last = true)]
        argv: Vec<String>,
    },
}

/// Which cluster is meant.
#[derive(Debug, Clone, clap::Args)]
pub struct WhereArgs {
    /// The cluster's directory.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// The scenario of a cluster in its default directory.
    #[arg(long, value_parser = Scenario::parse, default_value = "corrupt-log")]
    pub scenario: Scenario,
}

impl WhereArgs {
    fn dir(&self) -> anyhow::Result<PathBuf> {
        match &self.dir {
            Some(dir) => Ok(dir.clone()),
            None => Ok(default_dir(self.scenario.name())?),
        }
    }
}

/// Runs one of them; gives the exit code.
pub fn run(command: PracticeCommand) -> anyhow::Result<i32> {
    match command {
        PracticeCommand::Up(args) => up(&args),
        PracticeCommand::Status(place) => status(&place.dir()?),
        PracticeCommand::Down(place) => {
            let dir = place.dir()?;
            Cluster::open(&dir)?.down()?;
            say(&format!("stopped: {}\n", dir.display()))?;
            Ok(0)
        }
        PracticeCommand::Service { verb, host, service, place } => {
            let reply = Cluster::open(&place.dir()?).and_then(|cluster| cluster.service(&host, service, verb));
            serve(&host, verb, reply.map_err(anyhow::Error::from))
        }
        PracticeCommand::Firewall { verb, host, place } => {
            let asked = match verb {
                FirewallVerb::Block => Verb::Stop,
                FirewallVerb::Unblock => Verb::Start,
                FirewallVerb::Status => Verb::Status,
            };
            let cluster = Cluster::open(&place.dir()?);
            let reply = cluster.and_then(|cluster| cluster.service(&host, Service::OutsideTraffic, asked));
            shut(&host, verb, reply.map_err(anyhow::Error::from))
        }
        PracticeCommand::Supervise { dir } => Ok(run_supervisor(&dir).map(|()| 0)?),
        PracticeCommand::Master { dir } => Ok(run_master(&dir).map(|()| 0)?),
        PracticeCommand::Scheduler { home, command } => {
            // The class comes first, as on a JVM's command line.
            let flags = command.get(1..).unwrap_or_default();
            Ok(run_scheduler(&home, flags)?)
        }
        PracticeCommand::MesosLog { args } => {
            let outcome = run_mesos_log(&args);
            std::io::stderr().write_all(outcome.err.as_bytes()).context("writing")?;
            say(&outcome.out)?;
            Ok(outcome.code)
        }
        PracticeCommand::Exec { parent, argv } => match exec_bound(parent, &argv)? {},
    }
}

/// Prints the scenarios; gives the exit code.
pub fn print_list() -> anyhow::Result<i32> {
    say(&list()).map(|()| 0)
}

/// The list of scenarios: one name a line first, then what each is about.
pub fn list() -> String {
    let names: Vec<&str> = Scenario::ALL.iter().map(|scenario| scenario.name()).collect();
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let abouts = Scenario::ALL.iter().map(|scenario| format!("{:width$}  {}\n", scenario.name(), scenario.about()));
    format!("{}\n\n{}", names.join("\n"), abouts.collect::<String>())
}

fn up(args: &ClusterArgs) -> anyhow::Result<i32> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting")?;
    // From here on a signal is kept until somebody waits for it, so nothing that is started is left behind.
    let (mut interrupt, mut term) = runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        anyhow::Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    })?;
    let cluster = Cluster::create(&args.options()?)?;
    cluster.start()?;
    say(&describe(&cluster))?;
    runtime.block_on(async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = term.recv() => {}
        }
    });
    cluster.down()?;
    say("stopped\n")?;
    Ok(0)
}

/// Where a running cluster is, in words.
pub fn describe(cluster: &Cluster) -> String {
    let plan = cluster.plan();
    let zookeeper = plan.zookeeper_port.map_or_else(|| "none".to_owned(), |port| format!("127.0.0.1:{port}"));
    let head = format!(
        "practice cluster \"{}\" is up in {}\n\
         \x20 inventory      {}\n\
         \x20 clusters.json  {}\n\
         \x20 speed          {} (the cluster's waits are that much shorter)\n\
         \x20 zookeeper      {zookeeper}\n\
         \x20 mesos master   http://127.0.0.1:{}\n",
        plan.scenario.name(),
        cluster.dir().display(),
        cluster.inventory_path().display(),
        cluster.layout().clusters_json().display(),
        plan.speed,
        plan.master_port,
    );
    let mut text = plan.schedulers.iter().fold(head, |mut text, scheduler| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {:<14} http://127.0.0.1:{}", scheduler.name, scheduler.http_port);
        text
    });
    text.push_str("Ctrl-C stops it.\n");
    text
}

fn status(dir: &Path) -> anyhow::Result<i32> {
    let status = Cluster::open(dir)?.status();
    let mut text = String::new();
    for (name, pid) in &status.processes {
        writeln!(text, "{name:<14} process {pid}")?;
    }
    for (name, reply) in &status.schedulers {
        writeln!(text, "{name:<14} {}", words(reply))?;
    }
    if !status.supervised {
        text.push_str("the cluster does not run\n");
    }
    say(&text)?;
    Ok(if status.supervised { 0 } else { EXIT_STOPPED })
}

fn serve(host: &str, verb: Verb, reply: anyhow::Result<Reply>) -> anyhow::Result<i32> {
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) => {
            std::io::stderr().write_all(format!("{host}: {error:#}\n").as_bytes()).context("writing")?;
            return Ok(EXIT_UNKNOWN);
        }
    };
    say(&format!("{host}: {}\n", words(&reply)))?;
    Ok(match (verb, &reply) {
        (_, Reply::Refused { .. }) => EXIT_UNKNOWN,
        (Verb::Status, Reply::Stopped { .. }) => EXIT_STOPPED,
        (Verb::Start, Reply::Stopped { .. }) => 1,
        _ => 0,
    })
}

fn shut(host: &str, verb: FirewallVerb, reply: anyhow::Result<Reply>) -> anyhow::Result<i32> {
    let (code, words) = match (verb, reply) {
        (_, Err(error)) => (EXIT_UNKNOWN, format!("{error:#}")),
        (_, Ok(Reply::Refused { why })) => (EXIT_UNKNOWN, why),
        (FirewallVerb::Block | FirewallVerb::Status, Ok(Reply::Stopped { detail })) => (0, detail),
        (FirewallVerb::Unblock, Ok(Reply::Running { .. })) => (0, "traffic from outside is let in".to_owned()),
        (FirewallVerb::Status, Ok(Reply::Running { .. })) => {
            (EXIT_STOPPED, "traffic from outside is let in".to_owned())
        }
        (FirewallVerb::Block, Ok(Reply::Running { .. })) => (1, "traffic from outside is still let in".to_owned()),
        (FirewallVerb::Unblock, Ok(Reply::Stopped { detail })) => (1, detail),
    };
    say(&format!("{host}: {words}\n"))?;
    Ok(code)
}

fn words(reply: &Reply) -> String {
    match reply {
        Reply::Running { pid: Some(pid) } => format!("running, process {pid}"),
        Reply::Running { pid: None } => "running".to_owned(),
        Reply::Stopped { detail } => format!("not running: {detail}"),
        Reply::Refused { why } => format!("refused: {why}"),
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("writing to standard output")
}
