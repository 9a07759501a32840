//! Directories on a real disk: nothing in them is changed, and what means harm is named and bounded.
#![expect(clippy::unwrap_used, reason = "helpers of tests, beside the tests themselves")]

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use firstlight::forensics::{Disk, surround};
use firstlight::practice::replica_store::ReplicaStore;
use firstlight::replog::{FileEntry, FileSort, Files, Lock, Severity, Source, SourceError, Summary, inspect};

use crate::replog::directory;

fn laid_out(name: &str, dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    for (file, bytes) in directory(name).files() {
        fs::write(dir.join(file), bytes).unwrap();
    }
}

fn look(dir: &Path) -> Summary {
    inspect(&Disk::new(dir)).summary
}

#[test]
fn nothing_changes_by_looking() {
    for name in ["replicated-log/small-healthy", "replicated-log/missing-current", "aurora-log/aurora-framed/r1"] {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("log");
        laid_out(name, &dir);
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
        for path in fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()) {
            let times = fs::FileTimes::new().set_accessed(old).set_modified(old);
            File::options().write(true).open(path).unwrap().set_times(times).unwrap();
        }
        // Content is compared below, last, since reading it here moves access times.
        let times = |dir: &Path| -> Vec<(String, i64, i64, i64)> {
            let mut all: Vec<_> = fs::read_dir(dir)
                .unwrap()
                .map(|entry| {
                    let entry = entry.unwrap();
                    let found = entry.metadata().unwrap();
                    let name = entry.file_name().to_string_lossy().into_owned();
                    (name, found.atime(), found.mtime(), found.ctime_nsec())
                })
                .collect();
            all.sort();
            all
        };
        let before = times(&dir);
        let inspection = inspect(&Disk::new(&dir));
        let mut lines = 0;
        inspection.lines(&Disk::new(&dir), &mut |_| lines += 1);
        let around = surround(&dir, Some("root"));
        assert_eq!(times(&dir), before, "{name}");
        assert_eq!(lines, inspection.actions().len(), "{name}");
        assert_eq!(around.files.len(), before.len());
        // And no byte: against what was laid out.
        for (file, bytes) in directory(name).files() {
            assert_eq!(&fs::read(dir.join(file)).unwrap(), bytes, "{name}/{file}");
        }
        assert_eq!(
            inspection.summary.mesos_view,
            inspect(&directory(name)).summary.mesos_view.clone_at(&dir),
            "{name}"
        );
    }
}

/// Errors show the directory's path.
trait At {
    fn clone_at(&self, dir: &Path) -> Self;
}

impl At for firstlight::replog::MesosView {
    fn clone_at(&self, dir: &Path) -> Self {
        let mut view = self.clone();
        view.error = view.error.map(|error| error.replace("@DIR@", &dir.display().to_string()));
        view
    }
}

#[test]
fn what_is_no_directory_is_said_to_be_that() {
    let temp = tempfile::tempdir().unwrap();
    let at = |name: &str| temp.path().join(name);
    fs::write(at("file"), b"x").unwrap();
    symlink(at("b"), at("a")).unwrap();
    symlink(at("a"), at("b")).unwrap();
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    for (name, error) in
        [("file", "Not a directory"), ("pipe", "Not a directory"), ("a", "Too many levels of symbolic links")]
    {
        let summary = look(&at(name));
        let expected = format!("IO error: {}/LOCK: {error}", at(name).display());
        assert_eq!(summary.mesos_view.error.as_deref(), Some(expected.as_str()), "{name}");
        assert!(summary.has("directory-unreadable"), "{name}: {:?}", summary.findings);
    }
    assert!(look(&at("absent")).has("directory-missing"));
    let deep = at("absent").join("log");
    let expected = format!("IO error: {}/LOCK: No such file or directory", deep.display());
    assert_eq!(look(&deep).mesos_view.error, Some(expected));
    let looped = surround(&at("a"), None);
    assert!(looped.problem.as_deref().unwrap().contains("symbolic links"), "{looped:?}");
}

#[test]
fn a_file_that_is_none_is_named_and_not_opened() {
    type Put = fn(&Path);
    let puts: [(&str, Put, FileSort); 4] = [
        ("a pipe", |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success()), FileSort::Pipe),
        ("a link to itself", |path| symlink(path, path).unwrap(), FileSort::Link),
        ("a link to a device", |path| symlink("/dev/zero", path).unwrap(), FileSort::Link),
        ("a directory", |path| fs::create_dir(path).unwrap(), FileSort::Directory),
    ];
    for victim in ["000020.ldb", "000028.log", "MANIFEST-000025", "CURRENT"] {
        for (what, put, sort) in puts {
            let temp = tempfile::tempdir().unwrap();
            laid_out("replicated-log/small-healthy", temp.path());
            fs::remove_file(temp.path().join(victim)).unwrap();
            put(&temp.path().join(victim));
            let summary = look(temp.path());
            assert!(!summary.mesos_view.certain, "{victim} as {what}: {:?}", summary.mesos_view);
            let named =
                summary.findings.iter().any(|f| f.file.as_deref() == Some(victim) && f.code.ends_with("unreadable"));
            assert!(named, "{victim} as {what}: {:?}", summary.findings);
            let around = surround(temp.path(), None);
            let facts = around.files.iter().find(|file| file.name == victim).unwrap();
            assert_eq!(facts.sort, sort, "{victim} as {what}");
            assert!(around.findings.iter().any(|f| f.code == "file-sort" && f.file.as_deref() == Some(victim)));
        }
    }
}

#[test]
fn a_sparse_file_of_a_hundred_gigabytes_is_bounded() {
    for victim in ["000020.ldb", "000028.log", "MANIFEST-000025", "CURRENT", "000099.ldb", "000099.log"] {
        let temp = tempfile::tempdir().unwrap();
        laid_out("replicated-log/small-healthy", temp.path());
        let file = File::options().create(true).write(true).truncate(false).open(temp.path().join(victim)).unwrap();
        file.set_len(100_000_000_000).unwrap();
        let began = std::time::Instant::now();
        let summary = look(temp.path());
        assert!(began.elapsed().as_secs() < 60, "{victim} takes {:?}", began.elapsed());
        match victim {
            // The library looks at the size in the manifest, and finds everything where it was.
            "000020.ldb" | "000099.ldb" => assert_eq!(summary.mesos_view.end, Some(420), "{:?}", summary.findings),
            "CURRENT" => assert!(summary.mesos_view.error.unwrap().ends_with("does not end with newline")),
            _ => assert!(!summary.mesos_view.certain, "{victim}: {:?}", summary.findings),
        }
        let around = surround(temp.path(), None);
        let strange = around.findings.iter().find(|finding| finding.code == "file-strange-length").unwrap();
        assert_eq!(strange.file.as_deref(), Some(victim));
    }
}

const UNREADABLE: &str = "FIRSTLIGHT_TEST_UNREADABLE_DIR";
/// Whom no file of a test belongs to.
const NOBODY: u32 = 65_534;

/// Not a test by itself: the reader of the test below, who may not read everything.
#[test]
fn reader_without_rights() {
    if let Some(dir) = std::env::var_os(UNREADABLE) {
        println!("{}", serde_json::to_string(&look(Path::new(&dir))).unwrap());
    }
}

#[test]
fn what_may_not_be_read_is_unknown() {
    use std::os::unix::process::CommandExt as _;
    let temp = tempfile::tempdir().unwrap();
    fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let dir = temp.path().join("log");
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    // Root may read everything, so somebody else has to look; reached by a way that needs no right to the build directory.
    let looked = || -> Summary {
        let mut reader = Command::new("/proc/self/exe");
        reader.args(["--exact", "replog_disk::reader_without_rights", "--nocapture"]).env(UNREADABLE, &dir);
        if rustix::process::geteuid().is_root() {
            reader.uid(NOBODY).gid(NOBODY);
        }
        let output = reader.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let json = text.find('{').map_or_else(|| panic!("{output:?}"), |from| &text[from..]);
        let mut values = serde_json::Deserializer::from_str(json).into_iter();
        values.next().unwrap().unwrap()
    };
    for (victim, code) in [
        ("000020.ldb", "table-unreadable"),
        ("000028.log", "wal-unreadable"),
        ("MANIFEST-000025", "manifest-unreadable"),
        ("CURRENT", "current-unreadable"),
    ] {
        let _ = fs::remove_dir_all(&dir);
        laid_out("replicated-log/small-healthy", &dir);
        mode(&dir, 0o755);
        assert!(looked().mesos_view.certain, "{victim}");
        mode(&dir.join(victim), 0o000);
        let summary = looked();
        assert!(!summary.mesos_view.certain && summary.has(code), "{victim}: {:?}", summary.findings);
    }
    mode(&dir, 0o000);
    let summary = looked();
    assert!(!summary.mesos_view.certain && summary.has("directory-unreadable"), "{:?}", summary.findings);
    assert!(summary.mesos_view.error.unwrap().ends_with("/LOCK: Permission denied"));
    mode(&dir, 0o755);
}

const HOLDER: &str = "FIRSTLIGHT_TEST_HELD_DIR";

/// Not a test by itself: the other process of the test below.
#[test]
fn lock_holder() {
    if let Some(dir) = std::env::var_os(HOLDER) {
        let _store = ReplicaStore::open(Path::new(&dir)).unwrap();
        println!("held");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
    }
}

#[test]
fn who_holds_the_lock_is_said_and_it_stays_held() {
    use std::io::{BufRead as _, BufReader};
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("log");
    drop(ReplicaStore::open(&dir).unwrap());
    assert_eq!(surround(&dir, None).lock, Lock::Free);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "replog_disk::lock_holder", "--nocapture"])
        .env(HOLDER, &dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().any(|line| line.unwrap().contains("held")));
    let around = surround(&dir, None);
    let Lock::Held { pid, program } = &around.lock else { panic!("{:?}", around.lock) };
    assert_eq!(*pid, i32::try_from(child.id()).ok());
    assert!(program.is_some());
    assert!(around.findings.iter().any(|finding| finding.code == "lock-held"));
    assert!(look(&dir).mesos_view.opens);
    let still = ReplicaStore::open(&dir).unwrap_err().to_string();
    assert!(still.contains("Resource temporarily unavailable"), "{still}");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(surround(&dir, None).lock, Lock::Free);
}

#[test]
fn owners_and_modes_are_judged_for_the_scheduler() {
    let temp = tempfile::tempdir().unwrap();
    laid_out("replicated-log/initialized", temp.path());
    let own = rustix::process::geteuid().as_raw();
    let codes = |user: &str| -> Vec<String> {
        surround(temp.path(), Some(user)).findings.into_iter().map(|finding| finding.code).collect()
    };
    assert_eq!(codes(&own.to_string()), Vec::<String>::new());
    // Nobody is an owner here; the directory of a test is closed to others.
    let other = codes("65534");
    assert!(other.contains(&"owner-directory".to_owned()) && other.contains(&"owner-files".to_owned()), "{other:?}");
    assert_eq!(codes("no-such-user-here"), ["user-unknown"]);
    let around = surround(temp.path(), None);
    assert!(around.free_bytes.is_some() && around.newest_write.is_some());
    assert_eq!(
        around.size_bytes,
        directory("replicated-log/initialized").files().values().map(|b| b.len() as u64).sum::<u64>()
    );
}

/// A directory whose files change between one listing and the next.
struct Moving {
    before: Files,
    after: Files,
    lists: AtomicU32,
    /// The listing from which on the later files are there; `u32::MAX` alternates for ever.
    from: u32,
}

impl Moving {
    fn now(&self) -> &Files {
        let lists = self.lists.load(Ordering::Relaxed);
        let later = if self.from == u32::MAX { lists.is_multiple_of(2) } else { lists > self.from };
        if later { &self.after } else { &self.before }
    }
}

impl Source for Moving {
    fn path(&self) -> &str {
        self.before.path()
    }
    fn list(&self) -> Result<Vec<FileEntry>, SourceError> {
        self.lists.fetch_add(1, Ordering::Relaxed);
        self.now().list()
    }
    fn read_at(&self, name: &str, offset: u64, len: u64) -> Result<Vec<u8>, SourceError> {
        self.now().read_at(name, offset, len)
    }
}

#[test]
fn a_live_directory_is_read_again_until_it_holds_still() {
    let moving = |from| Moving {
        before: directory("replicated-log/ensemble-healthy/r1"),
        after: directory("replicated-log/ensemble-healthy/r3"),
        lists: AtomicU32::new(0),
        from,
    };
    let summary = inspect(&moving(1)).summary;
    assert!(summary.has("read-again") && summary.mesos_view.certain, "{:?}", summary.findings);
    assert_eq!(summary.mesos_view.promised, Some(2), "the later one");
    let summary = inspect(&moving(u32::MAX)).summary;
    assert!(summary.has("directory-changing") && !summary.mesos_view.certain, "{:?}", summary.findings);
    assert_eq!(summary.worst(), Some(Severity::Warning));
    // A log that only grows is as good as it was.
    let mut grown = directory("replicated-log/small-healthy");
    grown.get_mut("000028.log").unwrap().extend([0; 9]);
    let before = directory("replicated-log/small-healthy");
    let summary = inspect(&Moving { before, after: grown, lists: AtomicU32::new(0), from: 1 }).summary;
    assert!(summary.has("log-grew") && summary.mesos_view.certain, "{:?}", summary.findings);
}
