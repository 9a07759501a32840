//! Flags edited on a real file system, in every form, put back, and looked at.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use firstlight::{
    actions::{Evidence, Secrets, Sink, Stop, World, attempt, look},
    inventory::load_inventory,
    runbook::{
        kind::Kind,
        model::{HostName, StepId},
    },
    session::{AttemptId, Finding, Known, Look, Order, Outcome, Purpose, Report},
};
use serde_json::{Value, json};
use tempfile::TempDir;

const TIMEOUT_MS: u64 = 20_000;
const FORMS: [&str; 9] = [
    "debian",
    "rpm",
    "old-rpm",
    "aurora-scheduler.service",
    "drop-in.conf",
    "upstart.conf",
    "upstart-script.conf",
    "startup",
    "arguments",
];

struct Bench {
    dir: TempDir,
    world: World,
}

impl Bench {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let home = dir.path().display().to_string();
        let told = |name: &str| {
            let path = dir.path().join(name);
            fs::write(&path, format!("#!/bin/sh\necho \"{name} $*\" >> {home}/told\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        told("systemctl");
        told("initctl");
        let yaml = format!(
            "format: 1\ncluster: {{ name: west }}\nservices:\n\
             \x20 scheduler: {{ manager: systemd, unit: aurora-scheduler, program: [{home}/systemctl], matches: x }}\n\
             \x20 job: {{ manager: upstart, unit: aurora-scheduler, program: [{home}/initctl], matches: x }}\n\
             \x20 odd:\n    start: [a]\n    stop: [b]\n    status: [c]\n    matches: {home}/nothing\n\
             \x20   flags: {{ read: [cat, {home}/odd], write: [/bin/sh, -c, \"sort > {home}/odd\"] }}\n\
             groups:\n  all:\n    hosts: [{{ name: s1, reach: local }}]\n"
        );
        let inventory = load_inventory("west.yaml", yaml.as_bytes()).unwrap_or_else(|problems| panic!("{problems}"));
        let stub = Path::new(env!("CARGO_BIN_EXE_firstlight"));
        let world = World::with_stub(Arc::new(inventory), Secrets::default(), Some(stub));
        let session = dir.path().join("session");
        fs::create_dir(&session).unwrap();
        let world = world.keeping(Evidence::in_session(session));
        Self { dir, world }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn told(&self) -> String {
        fs::read_to_string(self.path("told")).unwrap_or_default()
    }

    async fn attempt(&self, kind: Kind) -> Outcome {
        let (host, step, guards) = (HostName::from("s1"), StepId::from("s"), Vec::new());
        let order =
            Order { attempt: AttemptId(1), step, host, kind, guards, known: Known::new(), timeout_ms: TIMEOUT_MS };
        attempt(&self.world, &order, &Sink::none(), &Stop::never()).await
    }

    async fn done(&self, kind: Kind) -> Report {
        match self.attempt(kind).await {
            Outcome::Done(report) => report,
            other => panic!("{other:?}"),
        }
    }

    async fn failed(&self, kind: Kind) -> String {
        match self.attempt(kind).await {
            Outcome::Failed { why } => why,
            other => panic!("{other:?}"),
        }
    }

    async fn look(&self, kind: Kind) -> Report {
        let purpose = Purpose::Happened { attempt: AttemptId(1) };
        let host = HostName::from("s1");
        look(&self.world, &Look { purpose, host, kind, known: Known::new(), after_ms: 0, timeout_ms: TIMEOUT_MS }).await
    }

    /// The edit of a preparation, with what differs.
    fn edit(&self, file: &str, more: &Value) -> Kind {
        let mut edit = json!({
            "file": self.path(file),
            "keep": self.path("keep"),
            "set": { "mesos_master_address": "zk://localhost:1111/mesos/master", "max_registration_delay": "360mins" },
        });
        let (map, more) = (edit.as_object_mut().unwrap(), more.as_object().unwrap());
        map.extend(more.clone());
        serde_json::from_value(json!({ "flags": { "edit": edit } })).unwrap()
    }
}

fn data(name: &str) -> Vec<u8> {
    fs::read(format!("{}/tests/data/flags/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[tokio::test]
async fn every_form_is_edited_and_put_back_to_the_byte() {
    for name in FORMS {
        let bench = Bench::new();
        let before = data(name);
        fs::write(bench.path(name), &before).unwrap();
        fs::set_permissions(bench.path(name), fs::Permissions::from_mode(0o640)).unwrap();
        let service = if name.starts_with("upstart") { "job" } else { "scheduler" };
        let edit = bench.edit(name, &json!({ "service": service }));
        let undo = edit.inverse().unwrap();
        let done = bench.done(edit.clone()).await;
        assert!(done.details.iter().any(|line| line.starts_with('+')), "{name}: the diff is not shown: {done:?}");
        let edited = fs::read(bench.path(name)).unwrap();
        assert_ne!(edited, before, "{name}");
        assert_eq!(fs::metadata(bench.path(name)).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(fs::read(bench.path("keep")).unwrap(), before, "{name}: kept on the host");
        let kept =
            fs::read_dir(bench.path("session/evidence")).unwrap().map(|one| fs::read(one.unwrap().path()).unwrap());
        assert!(kept.into_iter().any(|bytes| bytes == before), "{name}: kept in the session");
        let happened = bench.look(edit.did_it_happen().unwrap()).await;
        assert_eq!(happened.finding, Finding::Holds, "{name}: {happened:?}");
        assert!(bench.done(edit.clone()).await.seen.contains("edited already"), "{name}");
        // What someone else changed meanwhile is not overwritten.
        let theirs = [edited.as_slice(), b"# by someone else\n"].concat();
        fs::write(bench.path(name), &theirs).unwrap();
        let why = bench.failed(undo.clone()).await;
        assert!(why.contains("+# by someone else") && why.contains("left as it is"), "{name}: {why}");
        assert_eq!(fs::read(bench.path(name)).unwrap(), theirs, "{name}");
        fs::write(bench.path(name), &edited).unwrap();
        let proof = bench.done(undo.clone()).await.seen;
        assert!(proof.contains("SHA-256"), "{name}: {proof}");
        assert_eq!(fs::read(bench.path(name)).unwrap(), before, "{name}");
        assert!(!bench.path("keep").exists());
        assert!(bench.done(undo).await.seen.contains("nothing to put back"), "{name}");
        let reloads = match name {
            "aurora-scheduler.service" | "drop-in.conf" => "systemctl daemon-reload\n".repeat(3),
            "upstart.conf" | "upstart-script.conf" => "initctl reload-configuration\n".repeat(3),
            _ => String::new(),
        };
        assert_eq!(bench.told(), reloads, "{name}");
    }
}

#[tokio::test]
async fn what_the_release_does_not_take_is_refused_before_anything_is_written() {
    let reconciliation = json!({ "reconciliation_initial_delay": "365days" });
    // A file, what is asked for, words of the refusal.
    for (name, more, words) in [
        ("debian", json!({ "set": { "max_registration_delay": "360min" } }), "write 360mins"),
        ("debian", json!({ "set": { "mesos_master_address": "zk://localhost:1111" } }), "no path"),
        ("debian", json!({ "set": reconciliation, "version": "0.8.0" }), "has no flag -reconciliation_initial_delay"),
        ("debian", json!({ "where_known": reconciliation, "version": "mine" }), "say the release"),
        ("old-rpm", json!({ "version": "0.12.0" }), "has no flag -gc_executor_path"),
        ("aurora-scheduler.service", json!({ "version": "0.19.0" }), "has no flag -zk_use_curator"),
        ("upstart.conf", json!({ "version": "0.22.0", "unset": ["gc_executor_path"] }), "has no flag -logtostderr"),
        ("debian", json!({ "form": "rpm" }), "no array is set"),
        ("debian", json!({ "form": "toml" }), "is not a form"),
        ("debian", json!({ "form": "command", "service": "scheduler" }), "has no `flags`"),
        ("debian", json!({ "form": "systemd" }), "it starts nothing"),
    ] {
        let bench = Bench::new();
        let before = data(name);
        fs::write(bench.path(name), &before).unwrap();
        let why = bench.failed(bench.edit(name, &more)).await;
        assert!(why.contains(words), "{name} {more}: {why}");
        assert_eq!(fs::read(bench.path(name)).unwrap(), before);
        assert!(!bench.path("keep").exists() && bench.told().is_empty(), "{name} {more}");
    }
}

#[tokio::test]
async fn what_is_set_follows_the_release() {
    let more = |version: &str| {
        let set = json!({ "reconciliation_initial_delay": "365days" });
        json!({ "where_known": set, "unset": ["gc_executor_path"], "version": version })
    };
    for (name, version, reconciles) in
        [("debian", "0.8.0", false), ("debian", "0.9.0", true), ("old-rpm", "0.8.0", false)]
    {
        let bench = Bench::new();
        fs::write(bench.path(name), data(name)).unwrap();
        let edit = bench.edit(name, &more(version));
        bench.done(edit.clone()).await;
        let text = fs::read_to_string(bench.path(name)).unwrap();
        assert_eq!(text.contains("-reconciliation_initial_delay=365days"), reconciles, "{name} {version}");
        assert!(!text.contains("gc_executor_path"));
        assert_eq!(bench.look(edit.did_it_happen().unwrap()).await.finding, Finding::Holds);
    }
    // A flag that is there shows that its release knows it, whatever that is called.
    let bench = Bench::new();
    fs::write(bench.path("x"), "-reconciliation_initial_delay=1mins\n").unwrap();
    let done = bench.done(bench.edit("x", &more("of our own"))).await;
    assert!(done.details.iter().any(|line| line.contains("the release is not known")), "{done:?}");
    assert!(fs::read_to_string(bench.path("x")).unwrap().contains("=365days"));
}

#[tokio::test]
async fn flags_behind_commands_are_read_and_written_through_them() {
    let bench = Bench::new();
    let original = "-backup_dir=/b\n-mesos_master_address=zk://zk1:2181/mesos\n";
    fs::write(bench.path("odd"), original).unwrap();
    let edit = bench.edit("kept-beside", &json!({ "form": "command", "service": "odd" }));
    bench.done(edit.clone()).await;
    let wanted =
        "-backup_dir=/b\n-max_registration_delay=360mins\n-mesos_master_address=zk://localhost:1111/mesos/master\n";
    assert_eq!(fs::read_to_string(bench.path("odd")).unwrap(), wanted);
    assert_eq!(fs::metadata(bench.path("keep")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(bench.look(edit.did_it_happen().unwrap()).await.finding, Finding::Holds);
    let undo = edit.inverse().unwrap();
    fs::write(bench.path("odd"), format!("{wanted}-vlog=9\n")).unwrap();
    assert!(bench.failed(undo.clone()).await.contains("-vlog=9"));
    fs::write(bench.path("odd"), wanted).unwrap();
    assert!(bench.done(undo).await.seen.contains("flag by flag"));
    assert_eq!(fs::read_to_string(bench.path("odd")).unwrap(), original);
}

/// A confined service cannot read a file that lost its context.
#[tokio::test]
async fn context_access_list_and_other_attributes_survive_an_edit() {
    let bench = Bench::new();
    let file = bench.path("debian");
    fs::write(&file, data("debian")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let mut acl = vec![2, 0, 0, 0];
    // Owner, one user, group, mask, others: the kernel's form of an access list.
    let entries = [(1_u16, 6_u16, u32::MAX), (2, 4, 1234), (4, 4, u32::MAX), (16, 4, u32::MAX), (32, 0, u32::MAX)];
    for (tag, permissions, id) in entries {
        acl.extend(tag.to_le_bytes());
        acl.extend(permissions.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    let attributes: [(&str, &[u8]); 3] = [
        ("user.note", b"by hand"),
        ("system.posix_acl_access", &acl),
        ("security.selinux", b"system_u:object_r:etc_t:s0\0"),
    ];
    let mut kept = BTreeMap::new();
    for (name, value) in attributes {
        // What this file system or this user cannot set cannot be lost either.
        match rustix::fs::setxattr(&file, name, value, rustix::fs::XattrFlags::empty()) {
            Ok(()) => {
                kept.insert(name, value);
            }
            Err(errno) => {
                assert!(matches!(errno, rustix::io::Errno::NOTSUP | rustix::io::Errno::PERM), "{name}: {errno}");
            }
        }
    }
    if kept.is_empty() {
        assert!(std::env::var_os("CI").is_none(), "no attribute can be set here");
        eprintln!("SKIPPED: no attribute can be set here");
        return;
    }
    let edit = bench.edit("debian", &json!({}));
    let has_all = |when: &str| {
        for (name, value) in &kept {
            let mut found = vec![0; 4096];
            let len = rustix::fs::lgetxattr(&file, *name, found.as_mut_slice())
                .unwrap_or_else(|errno| panic!("{when}: {name}: {errno}"));
            assert_eq!(&found[..len], *value, "{when}: {name}");
        }
    };
    bench.done(edit.clone()).await;
    has_all("edited");
    bench.done(edit.inverse().unwrap()).await;
    has_all("put back");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
}
