//! From what an author wrote to an [`Inventory`], and what a runbook needs held against one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    check_firewall,
    model::{Api, CLUSTER_ALWAYS, Group, Host, Inventory, Password, Ssh, Vars, Via},
    raw::{RawApi, RawInventory, RawManager, RawPassword, RawScalar, RawService, RawVia},
    reach,
    service::{FlagCommands, Managed, Manager, ServiceTemplates},
};
use crate::runbook::{
    check::{Checker, Document, merge, read},
    kind::Kind,
    model::{GroupName, HostName, LOCAL, Runbook, Step, Target},
    problem::{DocPath, Problem, Problems, Severity, did_you_mean},
    raw,
    schema::inventory_schema,
    template,
    text::Text,
};

/// Reads and checks an inventory. `name` stands before every problem.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_inventory(name: &str, bytes: &[u8]) -> Result<Inventory, Problems> {
    let Document { node, value, shape } = read(name, bytes, "an inventory", inventory_schema())?;
    let mut checker = Checker::new(name, &node);
    let inventory = match serde_json::from_value::<RawInventory>(value) {
        Ok(raw) => Some(inventory(&mut checker, raw)),
        Err(error) => {
            if shape.problems.0.is_empty() {
                checker.report(&DocPath::root(), format!("it does not have the shape of an inventory: {error}"), None);
            }
            None
        }
    };
    let problems = merge(shape, checker.problems);
    match inventory {
        Some(inventory) if problems.0.is_empty() => Ok(inventory),
        _ => Err(problems),
    }
}

/// An inventory as a file that [`load_inventory`] reads.
pub fn inventory_yaml(inventory: &Inventory) -> String {
    let groups: BTreeMap<&str, Value> = inventory
        .groups
        .iter()
        .map(|(name, group)| {
            let hosts =
                group.hosts.iter().map(|host| json!({ "name": host.name, "reach": host.reach, "vars": host.vars }));
            (name.as_str(), json!({ "vars": group.vars, "hosts": hosts.collect::<Vec<_>>() }))
        })
        .collect();
    let mut cluster = json!({
        "name": inventory.cluster, "practice": inventory.practice, "api": inventory.api, "vars": inventory.vars,
    });
    if let (Some(auth), Some(cluster)) = (&inventory.zookeeper_auth, cluster.as_object_mut()) {
        cluster.insert("zookeeper_auth".to_owned(), json!(auth));
    }
    let services: BTreeMap<&String, Value> =
        inventory.services.iter().map(|(name, service)| (name, service.written())).collect();
    let mut value = json!({
        "format": raw::FORMAT,
        "cluster": cluster,
        "services": services,
        "groups": groups,
    });
    if let (Some(map), Some(firewall)) = (value.as_object_mut(), &inventory.firewall) {
        map.insert("firewall".to_owned(), firewall.to_value());
    }
    if let Some(map) = value.as_object_mut()
        && inventory.ssh != Ssh::default()
    {
        map.insert("ssh".to_owned(), json!(inventory.ssh));
    }
    raw::to_yaml(&value)
}

fn inventory(checker: &mut Checker<'_>, raw: RawInventory) -> Inventory {
    let root = DocPath::root();
    checker.filled(&raw.cluster.name, &root.key("cluster").key("name"));
    let vars = vars(checker, raw.cluster.vars, &root.key("cluster").key("vars"));
    check_firewall::vars_are_free(checker, &vars, &root.key("cluster").key("vars"));
    let groups = raw.groups.into_iter().map(|(name, group)| {
        let path = root.key("groups").key(&name);
        checker.var_name(&name, &path);
        if group.hosts.is_empty() {
            checker.report(&path.key("hosts"), "a group has at least one host", None);
        }
        let hosts = group.hosts.into_iter().enumerate().map(|(at, host)| {
            let path = path.key("hosts").index(at);
            host_name(checker, &host.name, &path.key("name"));
            let reach = reach::reach(checker, host.reach, &path.key("reach"));
            Host { name: HostName(host.name), reach, vars: self::vars(checker, host.vars, &path.key("vars")) }
        });
        let hosts = hosts.collect();
        (GroupName(name), Group { vars: self::vars(checker, group.vars, &path.key("vars")), hosts })
    });
    let groups: BTreeMap<GroupName, Group> = groups.collect();
    unique_hosts(checker, &groups);
    reach::one_name_each(checker, &groups);
    let ssh = reach::ssh(checker, raw.ssh);
    let services = raw.services.into_iter().map(|(name, service)| {
        let path = root.key("services").key(&name);
        (name, templates(checker, service, &path))
    });
    let services = services.collect();
    let api = api(checker, raw.cluster.api);
    let firewall = raw.firewall.map(|raw| check_firewall::firewall(checker, raw, &groups));
    let zookeeper_auth = raw.cluster.zookeeper_auth.map(place);
    let (cluster, practice) = (raw.cluster.name, raw.cluster.practice);
    let inventory = Inventory { cluster, practice, api, zookeeper_auth, ssh, vars, services, firewall, groups };
    let known = Known::of(&inventory);
    services_are_known(checker, &inventory, &known);
    if let Some(firewall) = &inventory.firewall {
        check_firewall::texts_are_known(checker, firewall, &known);
    }
    inventory
}

fn api(checker: &mut Checker<'_>, raw: RawApi) -> Api {
    let path = DocPath::root().key("cluster").key("api");
    for (key, text) in [("user", &raw.user), ("auth_mechanism", &raw.auth_mechanism), ("ca_file", &raw.ca_file)] {
        if let Some(text) = text {
            checker.filled(text, &path.key(key));
        }
    }
    match (&raw.user, &raw.password) {
        (Some(_), None) => {
            checker.report(
                &path.key("user"),
                "a user has a `password: { env: NAME }` or `password: { file: PATH }`",
                None,
            );
        }
        (None, Some(_)) => checker.report(&path.key("password"), "whose password? `user` is missing", None),
        _ => {}
    }
    if raw.user.as_ref().is_some_and(|user| user.contains(':')) {
        checker.report(&path.key("user"), "a user of HTTP Basic has no colon", None);
    }
    if raw.ca_file.as_ref().is_some_and(|file| !file.starts_with('/')) {
        checker.report(&path.key("ca_file"), "a path begins with /", None);
    }
    let via = match raw.via {
        RawVia::Http => Via::Http,
        RawVia::AuroraAdmin => Via::AuroraAdmin,
    };
    if via == Via::Http && !raw.command.is_empty() {
        checker.report(&path.key("command"), "it means nothing without `via: aurora_admin`", None);
    }
    let password = raw.password.map(place);
    let RawApi { user, netrc, ca_file, command, auth_mechanism, .. } = raw;
    Api { via, user, password, netrc, ca_file, command, auth_mechanism }
}

fn place(raw: RawPassword) -> Password {
    match raw {
        RawPassword::Env(name) => Password::Env(name),
        RawPassword::File(file) => Password::File(file),
    }
}

fn host_name(checker: &mut Checker<'_>, name: &str, path: &DocPath) {
    let well_formed = name.starts_with(|char: char| char.is_ascii_alphanumeric())
        && name.chars().all(|char| char.is_ascii_alphanumeric() || ".-_:".contains(char));
    if !well_formed {
        checker.report(path, format!("`{name}` is not the name of a host"), None);
    } else if name == LOCAL {
        checker.report(path, format!("`{LOCAL}` is the operator's own machine; give the host another name"), None);
    }
}

fn unique_hosts(checker: &mut Checker<'_>, groups: &BTreeMap<GroupName, Group>) {
    let mut seen: BTreeMap<&HostName, &GroupName> = BTreeMap::new();
    for (group_name, group) in groups {
        for (at, host) in group.hosts.iter().enumerate() {
            if let Some(first) = seen.insert(&host.name, group_name) {
                let path = DocPath::root().key("groups").key(group_name.as_str()).key("hosts").index(at).key("name");
                checker.report(&path, format!("host `{}` is already in group `{first}`", host.name), None);
            }
        }
    }
}

fn vars(checker: &mut Checker<'_>, raw: BTreeMap<String, RawScalar>, path: &DocPath) -> Vars {
    let vars = raw.into_iter().map(|(name, RawScalar(value))| {
        let path = path.key(&name);
        checker.var_name(&name, &path);
        if value.as_str().is_some_and(|text| text.contains("{{")) {
            checker.report(&path, "a variable takes no placeholders; write the value out", None);
        }
        (name, value)
    });
    vars.collect()
}

fn templates(checker: &mut Checker<'_>, raw: RawService, path: &DocPath) -> ServiceTemplates {
    let RawService { manager, unit, program, dir, start, stop, status, hold, release, flags, pid_file, matches } = raw;
    if hold.is_some() != release.is_some() {
        let (there, missing) = if hold.is_some() { ("hold", "release") } else { ("release", "hold") };
        checker.report(&path.key(there), format!("`{missing}` is missing: the two belong together"), None);
    }
    let commands = [("start", &start), ("stop", &stop), ("status", &status)];
    for (key, command) in commands.into_iter().chain([("hold", &hold), ("release", &release), ("program", &program)]) {
        let nothing = |texts: &Vec<Text>| texts.first().is_none_or(|program| program.as_str().trim().is_empty());
        if command.as_ref().is_some_and(nothing) {
            checker.report(&path.key(key), "it runs nothing: the first entry is the program", None);
        }
    }
    let mut found = match manager {
        Some(manager) => {
            for (key, _) in commands.into_iter().filter(|(_, command)| command.is_some()) {
                checker.report(&path.key(key), "it means nothing beside `manager`, whose commands are known", None);
            }
            if unit.is_none() {
                let message = "`unit` is missing: what does its manager call it?";
                checker.report(&path.key("manager"), message, None);
            }
            let manager = known(manager);
            if dir.is_some() && matches!(manager, Manager::Sysv | Manager::Supervisor) {
                checker.report(&path.key("dir"), "it means nothing to this manager", None);
            }
            let (unit, program) = (unit.unwrap_or_default(), program.unwrap_or_default());
            if unit.as_str().starts_with('-') || unit.as_str().trim().is_empty() {
                checker.report(&path.key("unit"), format!("`{unit}` is not the name of a service"), None);
            }
            Managed { manager, unit, program, dir }.templates()
        }
        None => {
            let missing: Vec<&str> =
                commands.iter().filter(|(_, command)| command.is_none()).map(|(key, _)| *key).collect();
            if !missing.is_empty() {
                let message = format!("missing: `{}`; or name its `manager` and `unit`", missing.join("`, `"));
                checker.report(path, message, None);
            }
            for (key, there) in [("unit", unit.is_some()), ("program", program.is_some()), ("dir", dir.is_some())] {
                if there {
                    checker.report(&path.key(key), "it means nothing without `manager`", None);
                }
            }
            let [start, stop, status] = [start, stop, status].map(Option::unwrap_or_default);
            let (hold, release, managed) = (Vec::new(), Vec::new(), None);
            ServiceTemplates { start, stop, status, hold, release, managed, flags: None, pid_file: None, matches: None }
        }
    };
    if let (Some(hold), Some(release)) = (hold, release) {
        (found.hold, found.release) = (hold, release);
    }
    let flags = flags.map(|flags| FlagCommands { read: flags.read, write: flags.write });
    ServiceTemplates { flags, pid_file, matches, ..found }
}

fn known(manager: RawManager) -> Manager {
    match manager {
        RawManager::Systemd => Manager::Systemd,
        RawManager::Upstart => Manager::Upstart,
        RawManager::Sysv => Manager::Sysv,
        RawManager::Runit => Manager::Runit,
        RawManager::Supervisor => Manager::Supervisor,
    }
}

/// Every text of a service with its path below the service.
fn texts(service: &ServiceTemplates) -> impl Iterator<Item = (DocPath, &Text)> {
    let root = DocPath::root();
    let mut found: Vec<(DocPath, &Text)> = Vec::new();
    let mut lists: Vec<(DocPath, &Vec<Text>)> = Vec::new();
    let mut single: Vec<(DocPath, &Text)> = Vec::new();
    match &service.managed {
        Some(managed) => {
            single.push((root.key("unit"), &managed.unit));
            single.extend(managed.dir.iter().map(|dir| (root.key("dir"), dir)));
            lists.push((root.key("program"), &managed.program));
        }
        None => {
            lists.extend([
                (root.key("start"), &service.start),
                (root.key("stop"), &service.stop),
                (root.key("status"), &service.status),
            ]);
        }
    }
    let own = service.managed.clone().map(Managed::templates);
    if own.is_none_or(|own| (own.hold, own.release) != (service.hold.clone(), service.release.clone())) {
        lists.extend([(root.key("hold"), &service.hold), (root.key("release"), &service.release)]);
    }
    if let Some(flags) = &service.flags {
        let own = root.key("flags");
        lists.extend([(own.key("read"), &flags.read), (own.key("write"), &flags.write)]);
    }
    for (path, texts) in lists {
        found.extend(texts.iter().enumerate().map(|(at, text)| (path.index(at), text)));
    }
    single.extend(service.pid_file.iter().map(|text| (root.key("pid_file"), text)));
    single.extend(service.matches.iter().map(|text| (root.key("matches"), text)));
    found.extend(single);
    found.into_iter()
}

/// The variables that commands of an inventory may use.
pub(super) struct Known<'a> {
    cluster: BTreeSet<&'a str>,
    host: BTreeSet<&'a str>,
}

impl<'a> Known<'a> {
    fn of(inventory: &'a Inventory) -> Self {
        let cluster: BTreeSet<&str> = inventory.vars.keys().map(String::as_str).chain(CLUSTER_ALWAYS).collect();
        let host = inventory
            .groups
            .values()
            .flat_map(|group| group.vars.keys().chain(group.hosts.iter().flat_map(|host| host.vars.keys())))
            .chain(inventory.vars.keys())
            .map(String::as_str)
            .chain(["name"])
            .collect();
        Self { cluster, host }
    }

    /// Reports what a text names and nobody knows; `whose` text it is.
    pub(super) fn text(&self, checker: &mut Checker<'_>, text: &Text, path: &DocPath, whose: &str) {
        let names = match template::names(text.as_str()) {
            Ok(names) => names,
            Err(error) => return checker.report(path, error.to_string(), None),
        };
        for used in names {
            let (known, var) = match used.parts().as_slice() {
                ["cluster", var] => (&self.cluster, (*var).to_owned()),
                ["host", var] => (&self.host, (*var).to_owned()),
                _ => {
                    let message = format!("`{used}` is not defined here: {whose} may use `cluster.X` and `host.X`");
                    checker.report(path, message, None);
                    continue;
                }
            };
            if !known.contains(var.as_str()) {
                let suggestion = did_you_mean(&var, known.iter().copied());
                checker.report(path, format!("`{used}` is not defined for any host"), suggestion);
            }
        }
    }
}

fn services_are_known(checker: &mut Checker<'_>, inventory: &Inventory, known: &Known<'_>) {
    for (name, service) in &inventory.services {
        let own = DocPath::root().key("services").key(name);
        checker.var_name(name, &own);
        for (below, text) in texts(service) {
            let path = DocPath(own.0.iter().cloned().chain(below.0).collect());
            known.text(checker, text, &path, "a service");
        }
    }
}

/// Holds an inventory against what a runbook needs. The problems are the inventory's, without places:
/// `file` is what stands before them.
///
/// # Errors
/// Everything that is missing.
pub fn check_against(file: &str, runbook: &Runbook, inventory: &Inventory) -> Result<(), Problems> {
    let mut missing = Missing { file, problems: Problems::default() };
    for var in &runbook.needs.cluster {
        if inventory.cluster_var(var).is_none() {
            let suggestion = did_you_mean(var, inventory.vars.keys().map(String::as_str));
            missing.add(DocPath::root().key("cluster").key("vars").key(var), &format!("`{}`", runbook.id), suggestion);
        }
    }
    for (name, needs) in &runbook.needs.groups {
        let path = DocPath::root().key("groups").key(name.as_str());
        let Some(group) = inventory.groups.get(name) else {
            let suggestion = did_you_mean(name.as_str(), inventory.groups.keys().map(GroupName::as_str));
            missing.add(path, &format!("`{}`", runbook.id), suggestion);
            continue;
        };
        if group.hosts.len() < needs.hosts_min {
            let message =
                format!("{} hosts, but `{}` needs at least {}", group.hosts.len(), runbook.id, needs.hosts_min);
            missing.say(path.key("hosts"), message, None);
        }
        for (at, host) in group.hosts.iter().enumerate() {
            for var in needs.vars.iter().filter(|var| inventory.host_var(&host.name, var).is_none()) {
                let known = host.vars.keys().chain(group.vars.keys()).chain(inventory.vars.keys());
                let suggestion = did_you_mean(var, known.map(String::as_str));
                let path = path.key("hosts").index(at).key("vars").key(var);
                missing.add(path, &format!("`{}` on host `{}`", runbook.id, host.name), suggestion);
            }
        }
    }
    for service in &runbook.needs.services {
        if !inventory.services.contains_key(service) {
            let suggestion = did_you_mean(service, inventory.services.keys().map(String::as_str));
            missing.add(DocPath::root().key("services").key(service), &format!("`{}`", runbook.id), suggestion);
        }
    }
    missing.service_vars(runbook, inventory);
    missing.problems.0.dedup();
    if missing.problems.0.is_empty() { Ok(()) } else { Err(missing.problems) }
}

struct Missing<'a> {
    file: &'a str,
    problems: Problems,
}

impl Missing<'_> {
    fn add(&mut self, path: DocPath, needed_by: &str, suggestion: Option<String>) {
        self.say(path, format!("it is missing; {needed_by} needs it"), suggestion);
    }

    fn say(&mut self, path: DocPath, message: String, suggestion: Option<String>) {
        let (severity, file, place) = (Severity::Error, self.file.to_owned(), None);
        self.problems.0.push(Problem { severity, file, place, path, message, suggestion });
    }

    /// The variables that the templates of a service use, on every host on which a step uses the service.
    fn service_vars(&mut self, runbook: &Runbook, inventory: &Inventory) {
        let used: BTreeSet<(&GroupName, String)> = runbook
            .steps()
            .filter_map(|(_, step)| match &step.on {
                Target::Group(group) => Some((group, step)),
                Target::Local | Target::Host(_) => None,
            })
            .flat_map(|(group, step)| services_of(step).into_iter().map(move |service| (group, service)))
            .collect();
        for (group, name) in used {
            let (Some(service), hosts) = (inventory.services.get(&name), inventory.hosts_of(group)) else { continue };
            let names = texts(service).filter_map(|(_, text)| template::names(text.as_str()).ok()).flatten();
            let vars: BTreeSet<String> = names
                .filter_map(|name| match name.parts().as_slice() {
                    ["host", var] => Some((*var).to_owned()),
                    _ => None,
                })
                .collect();
            for (at, host) in hosts.iter().enumerate() {
                for var in vars.iter().filter(|var| inventory.host_var(host, var).is_none()) {
                    let path = DocPath::root().key("groups").key(group.as_str());
                    let path = path.key("hosts").index(at).key("vars").key(var);
                    self.add(path, &format!("service `{name}` on host `{host}`"), None);
                }
            }
        }
    }
}

fn services_of(step: &Step) -> Vec<String> {
    let actions = step.actions.iter().map(|action| &action.kind);
    let gates = step.gates.iter().map(|gate| &gate.kind);
    actions
        .chain(gates)
        .chain(&step.guard)
        .filter_map(|kind| match kind {
            Kind::Service(service) => Some(service.service().to_string()),
            Kind::Process(process) => Some(process.service().to_string()),
            Kind::Flags(flags) => flags.service().map(ToString::to_string),
            _ => None,
        })
        .collect()
}
