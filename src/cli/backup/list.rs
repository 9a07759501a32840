//! `backup list`: the backups of directories, or of every host of a cluster, side by side.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;

use super::{open, verdict};
use crate::{
    actions::{backup_paths_in, backup_report_of},
    aurora::snapshot::{BACKUP_NAME_PREFIX, BACKUP_TEMP_PREFIX},
    backups::{BackupList, Code, FileCode, ListedBackup, NamedBackup, NotListedPlace, Verdict, file_name, words},
    cli::{
        args::{EndsWith, print},
        page::{Page, Side, cut_front},
        place::{self, ClusterRef},
    },
    exit::Exit,
    hosts::{Host, Hosts, clean},
    inventory::Inventory,
};

/// Backups of one directory that are read; the newest by name. A scheduler keeps 48 unless told otherwise.
const BACKUPS_MAX: usize = 1_000;
/// The variable of a host that says where its scheduler writes backups, as the shipped runbooks have it.
const DIR_VAR: &str = "backup_dir";
/// Columns that a name may take beside the numbers.
const NAME_WIDTH: usize = 38;
/// Files whose name and content do not go together that are named.
const STRANGE_SHOWN: usize = 5;

/// What was asked for.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// Directories and files of this machine.
    pub places: &'a [String],
    /// A cluster.
    pub cluster: Option<&'a str>,
    /// Interval of backups.
    pub interval: Duration,
    /// As JSON.
    pub json: bool,
}

#[derive(Debug, Default)]
struct Found {
    backups: Vec<ListedBackup>,
    named: Vec<NamedBackup>,
    unread: Vec<NotListedPlace>,
    others: u64,
    left_out: u64,
}

impl Found {
    fn unread(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.unread.push(NotListedPlace { place: place.into(), message: message.into() });
    }
}

/// Prints the list.
pub(super) fn list(asked: &Asked<'_>) -> anyhow::Result<Exit> {
    let mut found = Found::default();
    for place in asked.places {
        of_place(&mut found, place);
    }
    if let Some(name) = asked.cluster {
        of_cluster(&mut found, name)?;
    }
    let interval_ms = u64::try_from(asked.interval.as_millis()).unwrap_or(u64::MAX);
    let left_out = found.left_out;
    let mut list = BackupList::of(found.backups, found.unread, found.others, open::now_ms(), interval_ms);
    list.named = found.named;
    if asked.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&list)?))?;
    } else {
        print(&text(&list, left_out))?;
    }
    Ok(if !list.unread.is_empty() || !list.named.is_empty() {
        Exit::Unreadable
    } else if list.has_fit() {
        Exit::Done
    } else {
        Exit::Unfit
    })
}

fn of_place(found: &mut Found, place: &str) {
    let directory = match std::fs::read_dir(place) {
        Ok(directory) => directory,
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            found.backups.push(ListedBackup::of(None, open::report(place)));
            return;
        }
        Err(error) => {
            let message = match error.kind() {
                std::io::ErrorKind::NotFound => "does not exist; is it on this machine?".to_owned(),
                std::io::ErrorKind::PermissionDenied => {
                    "may not be read by this user; run as the scheduler's user or with sudo".to_owned()
                }
                _ => error.to_string(),
            };
            found.unread(place, message);
            return;
        }
    };
    let mut names = Vec::new();
    for entry in directory {
        match entry {
            Ok(entry) => names.push(entry.file_name().to_string_lossy().into_owned()),
            Err(error) => return found.unread(place, error.to_string()),
        }
    }
    let all = names.len();
    names.retain(|name| name.strip_prefix(BACKUP_TEMP_PREFIX).unwrap_or(name).starts_with(BACKUP_NAME_PREFIX));
    names.sort_unstable();
    found.others += (all - names.len()) as u64;
    let skipped = names.len().saturating_sub(BACKUPS_MAX);
    found.left_out += skipped as u64;
    for name in names.split_off(skipped) {
        let report = open::report(&format!("{}/{name}", place.trim_end_matches('/')));
        found.backups.push(ListedBackup::of(None, report));
    }
}

fn of_cluster(found: &mut Found, name: &str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting")?;
    let cluster = place::cluster(name)?;
    runtime.block_on(async {
        match &cluster {
            ClusterRef::Inventory { inventory, .. } => of_hosts(found, inventory).await,
            ClusterRef::Clusters { .. } => of_leader(found, &cluster).await,
        }
    })
}

/// Names from the scheduler that leads: `clusters.json` says how schedulers are reached, not where their backups lie.
async fn of_leader(found: &mut Found, cluster: &ClusterRef) -> anyhow::Result<()> {
    let (client, _) = cluster.leader().await?;
    let answer = client.list_backups().await?;
    if let Some(other) = answer.cluster_name.filter(|other| other != cluster.name()) {
        let why = format!(
            "the scheduler at {} belongs to cluster {other:?}, not to {}: its backups are another cluster's",
            client.base_url(),
            cluster.name()
        );
        return Err(EndsWith { exit: Exit::Differs, why: clean::line(why.as_bytes()) }.into());
    }
    let (names, others): (Vec<String>, Vec<String>) =
        answer.value.into_iter().partition(|name| name.starts_with(BACKUP_NAME_PREFIX));
    found.others += others.len() as u64;
    found.named = NamedBackup::all(client.base_url(), names);
    Ok(())
}

async fn of_hosts(found: &mut Found, inventory: &Inventory) -> anyhow::Result<()> {
    let hosts = Hosts::new(inventory, None);
    let mut any = false;
    for host in inventory.groups.values().flat_map(|group| &group.hosts) {
        let directory = inventory.host_var(&host.name, DIR_VAR);
        let Some(directory) = directory.as_ref().and_then(serde_json::Value::as_str) else { continue };
        any = true;
        match hosts.get(&host.name) {
            Some(reached) => of_host(found, &reached, directory.trim_end_matches('/')).await,
            None => found.unread(host.name.0.clone(), "cannot be reached from here"),
        }
    }
    hosts.close().await;
    if any {
        return Ok(());
    }
    let why = format!(
        "no host of {} has the variable {DIR_VAR} in its inventory: the directory of its backups",
        inventory.cluster
    );
    Err(EndsWith { exit: Exit::BadInput, why }.into())
}

async fn of_host(found: &mut Found, host: &Arc<dyn Host>, directory: &str) {
    let name = host.name().0.clone();
    let (paths, skipped, others) = match backup_paths_in(&**host, directory).await {
        Ok(listed) => listed,
        Err(error) => return found.unread(format!("{name}:{directory}"), error.to_string()),
    };
    found.left_out += skipped as u64;
    found.others += others as u64;
    for path in paths {
        match backup_report_of(&**host, &path).await {
            Ok(report) => found.backups.push(ListedBackup::of(Some(&name), report)),
            Err(error) => found.unread(format!("{name}:{path}"), error.to_string()),
        }
    }
}

/// Directories, numbered in the order of the list.
fn directories(list: &BackupList) -> BTreeMap<String, usize> {
    let mut numbers = BTreeMap::new();
    for backup in &list.backups {
        let next = numbers.len() + 1;
        numbers.entry(directory(backup)).or_insert(next);
    }
    numbers
}

fn directory(backup: &ListedBackup) -> String {
    let place = backup.place();
    let name = file_name(&place).len();
    let directory = place.get(..place.len().saturating_sub(name)).unwrap_or_default();
    if directory.is_empty() { ".".to_owned() } else { directory.to_owned() }
}

fn text(list: &BackupList, left_out: u64) -> String {
    let mut page = Page::default();
    let directories = directories(list);
    let mut table = vec![["age", "tasks", "jobs", "size", "fit", "in", "backup"].map(str::to_owned).to_vec()];
    let mut places: Vec<(&String, &usize)> = directories.iter().collect();
    places.sort_by_key(|(_, number)| **number);
    for backup in &list.backups {
        table.push(row(backup, directories.get(&directory(backup)).copied().unwrap_or_default()));
    }
    if list.backups.is_empty() {
        if list.named.is_empty() {
            page.line("no backups");
        }
    } else {
        let sides = [Side::Right, Side::Right, Side::Right, Side::Right, Side::Left, Side::Right, Side::Left];
        page.table(&sides, &table);
        page.blank();
        places.iter().for_each(|(place, number)| page.words(&format!("  [{number}] "), place));
    }
    notes(&mut page, list, left_out);
    page.text().to_owned()
}

fn row(backup: &ListedBackup, directory: usize) -> Vec<String> {
    let number = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), words::grouped);
    vec![
        words::age(backup.age_ms),
        number(backup.counts.tasks),
        number(backup.counts.jobs),
        backup.size.map_or_else(|| "?".to_owned(), words::bytes),
        verdict::word(backup.verdict).to_owned(),
        directory.to_string(),
        cut_front(file_name(&backup.path), NAME_WIDTH),
    ]
}

fn notes(page: &mut Page, list: &BackupList, left_out: u64) {
    named(page, list);
    let fit = list.backups.iter().filter(|backup| backup.fit).count();
    page.blank();
    let read = words::count(list.backups.len() as u64, "backup");
    match (list.backups.len(), list.named.len()) {
        (0, named @ 1..) => page.words("", &format!("{}, none of them read.", words::count(named as u64, "backup"))),
        _ => page.words("", &format!("{read}, {fit} fit to be restored.")),
    }
    for backup in list.backups.iter().filter(|backup| backup.verdict != Verdict::Fit) {
        let why = backup.problems.first().map(|said| format!("{}: {}", verdict::code(said.code), said.message));
        page.words("  ✗ ", &format!("{}: {}", file_name(&backup.path), why.unwrap_or_default()));
    }
    for backup in &list.backups {
        let name = file_name(&backup.path);
        if let Some(same) = &backup.same_file_as {
            page.words("  = ", &format!("{name} has the same bytes as {same}"));
        }
        if let Some(same) = &backup.same_content_as {
            page.words("  = ", &format!("{name} holds the same as {same}, in another order of bytes"));
        }
    }
    strange(page, list);
    list.gaps.iter().for_each(|gap| page.words("  ! ", &gap.words()));
    if list.framework_ids.len() > 1 {
        let ids = list.framework_ids.join(", ");
        page.words("  ! ", &format!("they belong to different frameworks, so not to one cluster: {ids}"));
    }
    if left_out > 0 {
        page.words("  ! ", &format!("{} with older names were not read", words::count(left_out, "backup")));
    }
    for unread in &list.unread {
        page.words("  ✗ ", &format!("{} {}", unread.place, unread.message));
    }
    if list.other_files > 0 {
        page.words("  ", &format!("Not looked at: {} with other names.", words::count(list.other_files, "file")));
    }
}

/// Backups that only a scheduler knows.
fn named(page: &mut Page, list: &BackupList) {
    let Some(first) = list.named.first() else { return };
    page.words("", &format!("In the directory of the scheduler at {}, by name only:", first.scheduler));
    for backup in &list.named {
        page.words("  ", &backup.name);
    }
    page.words(
        "",
        "What they hold is known once they are read on that host: `firstlight backup list DIR` with its -backup_dir.",
    );
}

/// Names that are not those of what is inside, and times that are still to come.
fn strange(page: &mut Page, list: &BackupList) {
    let is = |code: Code| matches!(code, Code::File(FileCode::NameOfAnotherTime | FileCode::OfTheFuture));
    let said = list.backups.iter().flat_map(|backup| {
        backup.warnings.iter().filter(move |said| is(said.code)).map(|said| (file_name(&backup.path), &said.message))
    });
    let said: Vec<_> = said.collect();
    for (name, message) in said.iter().take(STRANGE_SHOWN) {
        page.words("  ! ", &format!("{name}: {message}"));
    }
    let more = said.len().saturating_sub(STRANGE_SHOWN);
    if more > 0 {
        page.words("  ! ", &format!("{more} more have names that do not go with the time inside"));
    }
}
