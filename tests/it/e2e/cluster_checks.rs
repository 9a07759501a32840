//! Whether a cluster is whole, by its own files, processes and answers.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use firstlight::aurora::{
    client::{Client, ClientOptions},
    snapshot::{list_tasks, read_backup},
    types::TaskQuery,
};

use super::rig::{Rig, SHORT, get, wait_for};

/// Flags that stand on a command line only while the cluster is prepared.
const PREPARED_FLAGS: [&str; 2] = ["-max_registration_delay", "-reconciliation_initial_delay"];

/// A cluster as it was before anybody touched it.
pub struct Before {
    flags: BTreeMap<PathBuf, Vec<u8>>,
    backup: Vec<u8>,
    running: BTreeSet<String>,
}

impl Before {
    /// Remembers what has to be put back, and what the newest fit backup holds.
    pub fn of(rig: &Rig) -> Self {
        let cluster = rig.cluster();
        let files = cluster.plan().schedulers.iter().map(|scheduler| cluster.layout().home(&scheduler.name));
        let flags = files.map(|home| (home.flags_file(), std::fs::read(home.flags_file()).unwrap())).collect();
        let running = wait_for("the master answers", SHORT, || running(rig));
        Self { flags, backup: newest_fit_backup(rig), running }
    }

    /// Flags files are byte for byte what they were.
    pub fn flags_are_back(&self) {
        for (file, bytes) in &self.flags {
            assert_eq!(&std::fs::read(file).unwrap(), bytes, "{}", file.display());
        }
    }

    /// Everything that a recovery promises.
    pub fn is_whole(&self, rig: &Rig) {
        self.flags_are_back();
        nothing_is_prepared(rig);
        assert_eq!(leftovers(rig), Vec::<PathBuf>::new());
        let leader = leader(rig);
        is_registered(rig, leader);
        self.tasks_are_the_backups(rig, leader);
    }

    fn tasks_are_the_backups(&self, rig: &Rig, leader: u16) {
        let saved: BTreeSet<String> = list_tasks(&self.backup).unwrap().into_iter().map(|task| task.id).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = Client::new(&format!("http://127.0.0.1:{leader}"), ClientOptions::default()).unwrap();
        let tasks = runtime.block_on(client.get_tasks_without_configs(&TaskQuery::default())).unwrap().value;
        let held: BTreeSet<String> = tasks.iter().map(|task| task.id().to_owned()).collect();
        let missing: Vec<_> = saved.difference(&held).collect();
        assert!(missing.is_empty(), "in the backup, and not in the scheduler: {missing:?}");
        for task in tasks.iter().filter(|task| !saved.contains(task.id())) {
            // What the master did not know any more was lost and is scheduled anew, as a child of what was saved.
            let parent = task.ancestor_id.as_ref();
            assert!(parent.is_some_and(|id| held.contains(id)), "{} comes from nowhere", task.id());
        }
        let now = running(rig).unwrap();
        // What was on its way in the backup may come under another id.
        let steady = list_tasks(&self.backup).unwrap().into_iter().filter(|task| task.status == "RUNNING");
        let steady: BTreeSet<String> = steady.map(|task| task.id).collect();
        let adopted: BTreeSet<_> = self.running.intersection(&steady).cloned().collect();
        let gone: Vec<_> = adopted.difference(&now).collect();
        assert!(gone.is_empty(), "known to the backup, running before, and not after: {gone:?}");
        let unknown: Vec<_> = now.difference(&held).collect();
        assert!(unknown.is_empty(), "runs, and the scheduler does not know it: {unknown:?}");
    }

    /// What ran before and does not any more.
    pub fn lost(&self, rig: &Rig) -> Vec<String> {
        let now = running(rig).unwrap();
        self.running.difference(&now).cloned().collect()
    }
}

fn newest_fit_backup(rig: &Rig) -> Vec<u8> {
    let cluster = rig.cluster();
    let mut newest = (None, Vec::new());
    for scheduler in &cluster.plan().schedulers {
        let Ok(entries) = std::fs::read_dir(cluster.layout().home(&scheduler.name).backup_dir()) else { continue };
        for entry in entries {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            let summary = read_backup(&bytes);
            if summary.is_fit() && summary.timestamp_ms > newest.0 {
                newest = (summary.timestamp_ms, bytes);
            }
        }
    }
    assert!(newest.0.is_some(), "no backup is fit");
    newest.1
}

fn state(rig: &Rig) -> Option<serde_json::Value> {
    let (_, body) = get(rig.cluster().plan().master_port, "/state")?;
    serde_json::from_slice(&body).ok()
}

/// Ids of what runs, as the master says, whether its framework is there or away.
fn running(rig: &Rig) -> Option<BTreeSet<String>> {
    let state = state(rig)?;
    let tasks = state["frameworks"].as_array()?.iter().flat_map(|one| one["tasks"].as_array().into_iter().flatten());
    Some(tasks.filter_map(|task| task["id"].as_str()).map(str::to_owned).collect())
}

/// The port of the only scheduler that calls itself leader.
fn leader(rig: &Rig) -> u16 {
    let ports: Vec<u16> = rig.cluster().plan().schedulers.iter().map(|scheduler| scheduler.http_port).collect();
    wait_for("one scheduler leads", SHORT, || {
        let leads = |port: &&u16| get(**port, "/leaderhealth").is_some_and(|(code, _)| code == 200);
        let leaders: Vec<u16> = ports.iter().filter(leads).copied().collect();
        (leaders.len() == 1).then(|| leaders[0])
    })
}

fn is_registered(rig: &Rig, leader: u16) {
    let state = state(rig).unwrap();
    let active: Vec<_> = state["frameworks"].as_array().unwrap().iter().filter(|one| one["active"] == true).collect();
    assert_eq!(active.len(), 1, "{state}");
    assert_eq!(active[0]["connected"], true);
    let page = active[0]["webui_url"].as_str().unwrap();
    assert!(page.ends_with(&format!(":{leader}")), "registered is {page}, and {leader} leads");
}

fn nothing_is_prepared(rig: &Rig) {
    let cluster = rig.cluster();
    let master = format!("-mesos_master_address={}", cluster.plan().mesos_master());
    for scheduler in &cluster.plan().schedulers {
        let pid = std::fs::read_to_string(cluster.layout().home(&scheduler.name).pid_file()).unwrap();
        let line = std::fs::read(format!("/proc/{}/cmdline", pid.trim())).unwrap();
        let line = String::from_utf8_lossy(&line).into_owned();
        assert!(line.split('\0').any(|flag| flag == master), "{line}");
        assert!(!PREPARED_FLAGS.iter().any(|flag| line.contains(flag)), "{line}");
    }
}

/// Files and directories that the program made beside the cluster's own.
pub fn leftovers(rig: &Rig) -> Vec<PathBuf> {
    let mut found = Vec::new();
    visit(rig.cluster().dir(), &mut |path| {
        if path.file_name().is_some_and(|name| name.to_string_lossy().contains(".firstlight-")) {
            found.push(path.to_owned());
        }
    });
    found
}

/// Every file and directory below one.
pub fn visit(dir: &Path, see: &mut dyn FnMut(&Path)) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        see(&path);
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            visit(&path, see);
        }
    }
}

/// How often a line with these words stands in the logs of all schedulers.
pub fn log_lines(rig: &Rig, words: &str) -> usize {
    let cluster = rig.cluster();
    let files = cluster.plan().schedulers.iter().map(|scheduler| cluster.layout().home(&scheduler.name).log_file());
    let text = files.map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned());
    text.map(|text| text.lines().filter(|line| line.contains(words)).count()).sum()
}
