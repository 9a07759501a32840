//! One line for a kind: the exact command, request or look, as a person would say it.
//!
//! Used wherever a kind is shown: before it runs, in the plan, in the report. What is shown is what
//! runs; texts that are not rendered yet are shown as they are.

use std::collections::BTreeMap;

use super::{
    kind::{
        Aurora, Command, Files, Firewall, Flags, Http, Kind, Leader, LogLines, Method, Port, Presence, Process, Quorum,
        Replica, ReplicaStatus, Serverset, Service, UndoWhat, Vars, Zookeeper, mark_beside,
    },
    model::HostName,
    template::{self, Lookup, LookupError},
    text::Text,
};
use crate::inventory::{BlockName, FirewallManager, Inventory};

/// One line for a kind. A service is named only; [`describe_on`] shows its commands.
pub fn describe(kind: &Kind) -> String {
    match kind {
        Kind::Command(command) => describe_command(command),
        Kind::Service(service) => describe_service(service),
        Kind::Firewall(firewall) => describe_firewall(firewall),
        Kind::Flags(flags) => describe_flags(flags),
        Kind::Files(files) => describe_files(files),
        Kind::Http(http) => describe_http(http),
        Kind::Zookeeper(zookeeper) => describe_zookeeper(zookeeper),
        Kind::Wait(wait) => format!("wait {}", wait.r#for),
        Kind::Process(process) => describe_process(process),
        Kind::Port(port) => describe_port(port),
        Kind::LogLines(lines) => describe_log_lines(lines),
        Kind::Undo(UndoWhat::Everything) => "undo everything that this session changed, newest first".to_owned(),
        Kind::Aurora(aurora) => describe_aurora(aurora),
        Kind::Vars(vars) => describe_vars(vars),
        Kind::Serverset(serverset) => describe_serverset(serverset),
        Kind::Leader(leader) => describe_leader(leader),
        Kind::Replica(replica) => describe_replica(replica),
        Kind::Backups(backups) => {
            let compared = backups.master.as_ref().map(|url| format!(", compare the newest with GET {url}/state"));
            format!("decode every backup in {}{}", backups.dir, compared.unwrap_or_default())
        }
        Kind::Backup(backup) => {
            let digest = backup.sha256.as_ref().map(|sha256| format!(", SHA-256 {sha256}"));
            let age = backup.max_age.as_ref().map(|age| format!(", stale past {age}"));
            format!("backup {} decodes{}{}", backup.path, digest.unwrap_or_default(), age.unwrap_or_default())
        }
        Kind::Master(master) => {
            let registered = match master.registered {
                Some(true) => ", a scheduler must be registered",
                Some(false) => ", no scheduler may be registered",
                None => "",
            };
            let since = master.since.as_ref().map(|since| format!(", compared with `{since}`"));
            format!("GET {}/state{registered}{}", master.url, since.unwrap_or_default())
        }
        Kind::Impact(impact) => {
            let tasks = match &impact.staged {
                Some(url) => format!("the tasks staged at {} and the rest of {}", api(url), impact.backup),
                None => impact.backup.to_string(),
            };
            let most = impact.kills_at_most.as_ref().map(|most| format!(", at most {most} killed"));
            format!("compare {tasks} with GET {}/state{}", impact.master, most.unwrap_or_default())
        }
        Kind::Outcome(outcome) => {
            format!("compare the prediction of `{}` with GET {}/state", outcome.prediction, outcome.master)
        }
        Kind::Sweep(sweep) => {
            format!("when unknown tasks are swept, from {}/vars and {}/state", sweep.url, sweep.master)
        }
        Kind::Elections(elections) => format!("tell who led when, from `{}`", elections.logs),
        Kind::Quorum(quorum) => describe_quorum(quorum),
        Kind::LogGroup(group) => {
            let most = group.at_most.as_ref().map(|most| format!(", at most {most}")).unwrap_or_default();
            format!("see which replicas are registered under {} in ZooKeeper at {}{most}", group.path, group.connect)
        }
        Kind::Leadership(watched) => {
            format!("watch for {} who leads under {} in ZooKeeper at {}", watched.r#for, watched.path, watched.connect)
        }
        Kind::InitializeLog(kind) if kind.with.as_str() == "none" => {
            format!("write an initialized log to {} as {}", kind.path, kind.user)
        }
        Kind::InitializeLog(kind) => {
            format!("run as {}: {} initialize --path={}", kind.user, kind.with, kind.path)
        }
        Kind::Verdict(verdict) => format!("judge the log from `{}`, quorum {}", verdict.replicas, verdict.quorum),
    }
}

/// One line for a kind on a host; a service with the commands that the inventory has for it.
pub fn describe_on(kind: &Kind, inventory: &Inventory, host: &HostName) -> String {
    describe_with(kind, inventory, Some(host))
}

/// As [`describe_on`], for a host that may not be known yet.
pub(super) fn describe_with(kind: &Kind, inventory: &Inventory, host: Option<&HostName>) -> String {
    let lookup = HostLookup { inventory, host };
    let line = |argv: &[Text]| -> String {
        let words: Vec<String> = argv.iter().map(|text| template::render_known(text, &lookup)).collect();
        command_line(words.iter().map(String::as_str))
    };
    if let Kind::Firewall(firewall) = kind {
        return describe_rules(firewall, inventory, &line);
    }
    let Kind::Service(service) = kind else { return describe(kind) };
    let Some(templates) = inventory.services.get(service.service().as_str()) else { return describe(kind) };
    match service {
        Service::Start(_) => line(&templates.start),
        Service::Stop(_) => line(&templates.stop),
        Service::Restart(_) => format!("{} && {}", line(&templates.stop), line(&templates.start)),
        Service::Running(_) if templates.managed.is_some() => {
            format!("{} (says that it runs)", line(&templates.status))
        }
        Service::Stopped(_) if templates.managed.is_some() => {
            format!("{} (says that it is down)", line(&templates.status))
        }
        Service::Running(_) => format!("{} (exits 0)", line(&templates.status)),
        Service::Stopped(_) => format!("{} (exits 3)", line(&templates.status)),
        Service::Hold { beside, .. } => held(&line(&templates.hold), &format!("write {}", mark_beside(beside))),
        Service::Release { beside, .. } => held(&line(&templates.release), &format!("remove {}", mark_beside(beside))),
        Service::Held { .. } | Service::Free { .. } => describe(kind),
    }
}

/// What the manager is told, and what is done beside it.
fn held(command: &str, mark: &str) -> String {
    if command.is_empty() { mark.to_owned() } else { format!("{command} && {mark}") }
}

/// What the inventory knows of one host: `cluster.*` and `host.*`.
#[derive(Debug, Clone, Copy)]
pub struct HostLookup<'a> {
    /// The inventory.
    pub inventory: &'a Inventory,
    /// The host; `host.*` has no values yet without one.
    pub host: Option<&'a HostName>,
}

impl Lookup for HostLookup<'_> {
    fn get(&self, path: &[&str]) -> Result<serde_json::Value, LookupError> {
        match path {
            ["cluster", var] => self.inventory.cluster_var(var).ok_or(LookupError::Undefined),
            ["host", var] => {
                let host = self.host.ok_or(LookupError::NotYet)?;
                self.inventory.host_var(host, var).ok_or(LookupError::Undefined)
            }
            _ => Err(LookupError::NotYet),
        }
    }
}

/// Words as a line that a POSIX shell reads as these words.
fn command_line<'a>(words: impl Iterator<Item = &'a str>) -> String {
    // A name that is not known yet stands for a word, not for a redirection.
    let unknown = |word: &str| word.starts_with('<') && word.ends_with('>') && word.contains('.');
    let quoted = words.map(|word| match template::quote(word) {
        Some(quoted) if !unknown(word) => quoted,
        _ => word.to_owned(),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn describe_command(command: &Command) -> String {
    let mut line = match &command.shell {
        Some(shell) => shell.as_str().trim_end().to_owned(),
        None => command_line(command.argv.iter().map(Text::as_str)),
    };
    let env: Vec<String> = command.env.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
    if !env.is_empty() {
        line = format!("{} {line}", env.join(" "));
    }
    if let Some(cwd) = &command.cwd {
        line = format!("cd {} && {line}", quoted(cwd));
    }
    line
}

fn quoted(text: &Text) -> String {
    command_line(std::iter::once(text.as_str()))
}

fn describe_service(service: &Service) -> String {
    match service {
        Service::Start(name) => format!("start service {name}"),
        Service::Stop(name) => format!("stop service {name}"),
        Service::Restart(name) => format!("restart service {name}"),
        Service::Running(name) => format!("service {name} runs"),
        Service::Stopped(name) => format!("service {name} does not run"),
        Service::Hold { service, beside, .. } => {
            format!("hold service {service} down, with the mark {mark}", mark = mark_beside(beside))
        }
        Service::Release { service, beside, .. } => {
            format!("let service {service} go, and remove the mark {mark}", mark = mark_beside(beside))
        }
        Service::Held { service, beside } => {
            format!("service {service} is held down, with the mark {mark}", mark = mark_beside(beside))
        }
        Service::Free { service, beside } => {
            format!("nobody holds service {service} down; no mark {mark}", mark = mark_beside(beside))
        }
    }
}

fn describe_port(port: &Port) -> String {
    match port {
        Port::Open(at) => format!("{at} accepts connections"),
        Port::Closed(at) => format!("{at} refuses connections"),
        Port::OpenFrom { at, from } => format!("{at} accepts connections from {from}"),
        Port::ShutFrom { at, from, open: None } => format!("{at} refuses connections from {from}"),
        Port::ShutFrom { at, from, open: Some(open) } => {
            format!("{at} is shut for {from}, while the host itself and you get in at {open}")
        }
        Port::NoMasterAt(at) => format!("nothing answers at {at}, as the host resolves it"),
    }
}

fn describe_firewall(firewall: &Firewall) -> String {
    let port = firewall.port();
    match firewall {
        Firewall::Block { allow, peers_var, .. } => {
            let more: String = allow.iter().map(|text| format!(", {text}")).collect();
            format!(
                "refuse connections to port of {port}, except from the host itself, `{peers_var}` of its group and you{more}"
            )
        }
        Firewall::Unblock { .. } => format!("take away this session's rules for the port of {port}, and no other"),
        Firewall::Blocked { .. } => format!("this session's rules for the port of {port} are in force"),
        Firewall::Open { .. } => format!("nothing is left of this session's rules for the port of {port}"),
    }
}

/// With the names and the commands of the firewall that the inventory has.
fn describe_rules(firewall: &Firewall, inventory: &Inventory, line: &dyn Fn(&[Text]) -> String) -> String {
    let words = describe_firewall(firewall);
    let Some(managed) = &inventory.firewall else { return words };
    // Before a session begins it has no id; the port is known all the same.
    let unknown = firewall.session().as_str().contains(['<', '{']);
    let session = if unknown { "SESSION" } else { firewall.session().as_str() };
    let named = BlockName::new(firewall.port().as_str(), session).ok();
    let table = named.as_ref().map_or_else(|| "its own table".to_owned(), |name| format!("inet {}", name.table()));
    let chain = match &named {
        Some(name) if !unknown => format!("chain {}", name.chain()),
        _ => "a chain of its own".to_owned(),
    };
    let how = match (&managed.manager, firewall) {
        (FirewallManager::Nftables, Firewall::Block { .. }) => format!("nft -f, table {table}"),
        (FirewallManager::Nftables, Firewall::Unblock { .. }) => format!("nft delete table {table}"),
        (FirewallManager::Nftables, Firewall::Blocked { .. } | Firewall::Open { .. }) => {
            format!("nft list table {table}")
        }
        (FirewallManager::Iptables, Firewall::Block { .. } | Firewall::Unblock { .. }) => {
            format!("iptables-restore --noflush and ip6tables-restore --noflush, {chain}")
        }
        (FirewallManager::Iptables, Firewall::Blocked { .. } | Firewall::Open { .. }) => {
            format!("iptables-save and ip6tables-save, {chain}")
        }
        (FirewallManager::Firewalld, _) => {
            format!("firewall-cmd --direct --passthrough ipv4 and ipv6, {chain}, not permanent")
        }
        (FirewallManager::Custom(own), Firewall::Block { .. }) => line(&own.block),
        (FirewallManager::Custom(own), Firewall::Unblock { .. }) => line(&own.unblock),
        (FirewallManager::Custom(own), Firewall::Blocked { .. }) => format!("{} (exits 0)", line(&own.status)),
        (FirewallManager::Custom(own), Firewall::Open { .. }) => format!("{} (exits 3)", line(&own.status)),
    };
    format!("{words}: {how}")
}

fn flag_list(set: &BTreeMap<String, Text>, unset: &[String], without: &str) -> String {
    let set = set.iter().map(|(flag, value)| format!("-{flag}={value}"));
    let unset = unset.iter().map(|flag| format!("{without} -{flag}"));
    set.chain(unset).collect::<Vec<_>>().join(", ")
}

fn describe_flags(flags: &Flags) -> String {
    let wanted = flags.wanted();
    let list = |without: &str| {
        let known = wanted.where_known.iter().map(|(flag, value)| format!("-{flag}={value} where the release has it"));
        let plain = flag_list(wanted.set, wanted.unset, without);
        known.fold(plain, |list, known| if list.is_empty() { known } else { format!("{list}, {known}") })
    };
    match flags {
        Flags::Edit { file, keep, .. } => {
            let keep = keep.as_ref().map(|keep| format!("; the original is kept as {keep}"));
            format!("in {file}: {}{}", list("remove"), keep.unwrap_or_default())
        }
        Flags::Restore { file, keep, .. } => format!("put {keep} back as {file}"),
        Flags::File { file, .. } => format!("{file} has {}", list("no")),
        Flags::Running { service, .. } => format!("{service} was started with {}", list("no")),
    }
}

fn describe_files(files: &Files) -> String {
    match files {
        Files::MoveAside { path, to } => match to {
            Some(to) => format!("move {path} aside to {to}"),
            None => format!("move {path} aside"),
        },
        Files::MoveBack { from, to } => format!("move {from} back to {to}"),
        Files::Remove { path, only_if_sha256 } => {
            let only = only_if_sha256.as_ref().map(|sha256| format!(" if its SHA-256 is {sha256}"));
            format!("remove {path}{}", only.unwrap_or_default())
        }
        Files::Copy { from, from_host, to, sha256 } => {
            let host = from_host.as_ref().map(|host| format!("{host}:")).unwrap_or_default();
            let digest = sha256.as_ref().map(|sha256| format!(", SHA-256 {sha256}"));
            format!("copy {host}{from} to {to}{}", digest.unwrap_or_default())
        }
        Files::Exists { path } => format!("{path} is there"),
        Files::Absent { path } => format!("{path} is not there"),
        Files::Same { path, sha256 } => format!("{path} has SHA-256 {sha256}"),
    }
}

fn describe_http(http: &Http) -> String {
    let method = match http.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
    };
    let status: Vec<String> = match http.status.as_slice() {
        [] => vec!["200".to_owned()],
        several => several.iter().map(u16::to_string).collect(),
    };
    let contains = http.contains.as_ref().map(|text| format!(" with \"{text}\"")).unwrap_or_default();
    format!("{method} {} answers {}{contains}", http.url, status.join(" or "))
}

fn describe_zookeeper(zookeeper: &Zookeeper) -> String {
    let exists = match zookeeper.exists {
        Some(true) => "is there",
        Some(false) => "is not there",
        None => "is read",
    };
    format!("{} {exists} in ZooKeeper at {}", zookeeper.path, zookeeper.connect)
}

fn describe_process(process: &Process) -> String {
    match process {
        Process::Present(service) => format!("a process of {service} is there"),
        Process::Absent(service) => format!("no process of {service} is there"),
        Process::AbsentEverywhere { service, group } => {
            format!("no process of {service} is there on any host of {group}")
        }
    }
}

fn describe_quorum(quorum: &Quorum) -> String {
    let group = match (&quorum.connect, &quorum.log_group) {
        (Some(connect), Some(path)) => format!(", and who is registered under {path} in ZooKeeper at {connect}"),
        _ => String::new(),
    };
    format!("count votes over `{}`, quorum {}{group}", quorum.replicas, quorum.quorum)
}

fn describe_log_lines(lines: &LogLines) -> String {
    if let Some(snapshot) = &lines.snapshot {
        return format!("the newest snapshot that {} says was applied is that of {snapshot} ms", lines.file);
    }
    let what = match &lines.contains {
        Some(text) => format!("lines with \"{text}\""),
        None => "known lines".to_owned(),
    };
    let since = lines.since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default();
    let bounds = match (lines.at_least, lines.at_most) {
        (None, None) => String::new(),
        (Some(least), None) => format!(", at least {least}"),
        (None, Some(most)) => format!(", at most {most}"),
        (Some(least), Some(most)) => format!(", {least} to {most}"),
    };
    format!("count {what} of {}{since}{bounds}", lines.file)
}

fn describe_aurora(aurora: &Aurora) -> String {
    match aurora {
        Aurora::Stage { url, cluster, backup } => format!("{} stageRecovery({backup}) in {cluster}", api(url)),
        Aurora::Unload { url, cluster } => format!("{} unloadRecovery() in {cluster}", api(url)),
        Aurora::DeleteStaged { url, cluster, tasks } => {
            format!("{} deleteRecoveryTasks({tasks}) in {cluster}", api(url))
        }
        Aurora::Commit { url, cluster, tasks, .. } => {
            format!("{} commitRecovery() in {cluster}, {tasks} tasks staged", api(url))
        }
        Aurora::Backup { url, cluster } => format!("{} performBackup() in {cluster}", api(url)),
        Aurora::Staged { url, cluster, tasks, digest } => {
            let same = if digest.is_some() { ", the same ones" } else { "" };
            format!("{} queryRecovery() in {cluster}{}{same}", api(url), tasks_wanted(tasks.as_ref()))
        }
        Aurora::Ready { url, cluster, tasks } => {
            format!("{} answers reads in {cluster}{}", api(url), tasks_wanted(tasks.as_ref()))
        }
    }
}

fn tasks_wanted(tasks: Option<&Text>) -> String {
    tasks.map(|tasks| format!(", {tasks} tasks")).unwrap_or_default()
}

fn describe_vars(vars: &Vars) -> String {
    let list = |pairs: &BTreeMap<String, Text>, between: &str| {
        pairs.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(between)
    };
    let parts: Vec<String> =
        [list(&vars.has, ", "), list(&vars.any, " or ")].into_iter().filter(|part| !part.is_empty()).collect();
    format!("GET {}/vars: {}", vars.url, parts.join(", "))
}

fn describe_serverset(serverset: &Serverset) -> String {
    let member = serverset.member.as_ref().map_or("a member", Text::as_str);
    let is = match serverset.is {
        Presence::Present => "is advertised",
        Presence::Absent => "is not advertised",
        Presence::Only => "is the only one advertised",
    };
    format!("{member} {is} under {} in ZooKeeper at {}", serverset.path, serverset.connect)
}

fn describe_leader(leader: &Leader) -> String {
    let ways = match (&leader.log_var, &leader.connect) {
        (Some(_), Some(_)) => "/vars, the logs and ZooKeeper",
        (Some(_), None) => "/vars and the logs",
        (None, Some(_)) => "/vars and ZooKeeper",
        (None, None) => "/vars",
    };
    let is = leader.is.as_ref().map(|host| format!(", must be {host}")).unwrap_or_default();
    let prepared = if leader.prepared { " prepared" } else { "" };
    format!("who is the{prepared} leader among {}, by {ways}{is}", leader.among)
}

fn describe_replica(replica: &Replica) -> String {
    let status = replica.status.map(|status| match status {
        ReplicaStatus::Empty => "status EMPTY".to_owned(),
        ReplicaStatus::Starting => "status STARTING".to_owned(),
        ReplicaStatus::Recovering => "status RECOVERING".to_owned(),
        ReplicaStatus::Voting => "status VOTING".to_owned(),
    });
    let wanted = [
        status,
        replica.blank.then(|| "no actions".to_owned()),
        replica.unlocked.then(|| "not locked".to_owned()),
        replica.sound.then(|| "no damage".to_owned()),
        replica.snapshot.as_ref().map(|at| format!("newest snapshot of {at} ms")),
        replica.owner.as_ref().map(|owner| format!("owned by {owner}")),
        replica.unchanged.as_ref().map(|_| "unchanged since it was judged".to_owned()),
    ];
    let wanted: Vec<String> = wanted.into_iter().flatten().collect();
    let wanted = if wanted.is_empty() { String::new() } else { format!(": {}", wanted.join(", ")) };
    format!("read the replica in {}{wanted}", replica.path)
}

/// Where the calls of a scheduler go, whether its URL was given with the path or without.
fn api(url: &Text) -> String {
    let base = url.as_str().trim_end_matches('/');
    if base.ends_with("/api") { base.to_owned() } else { format!("{base}/api") }
}
