//! What every host promises, however it is reached: one list of promises, run over each way.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use firstlight::{
    engine::Stream,
    hosts::{
        Answer, Attributes, End, FileKind, Host, HostError, LocalHost, Output, Quiet, Run, Stop, hex, line::LocalLine,
        shell::ShellHost,
    },
    runbook::model::HostName,
};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;

const WITHIN: Duration = Duration::from_secs(20);

fn stub() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_firstlight"))
}

fn name() -> HostName {
    HostName::from("a")
}

/// A host and a directory of its own on it, which this process sees as well.
pub struct Case<'a> {
    pub host: &'a dyn Host,
    pub dir: PathBuf,
}

impl Case<'_> {
    fn at(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn put(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.dir.join(name), bytes).unwrap();
        self.at(name)
    }

    fn own(&self, mode: u32) -> Attributes {
        let found = fs::metadata(&self.dir).unwrap();
        Attributes { uid: found.uid(), gid: found.gid(), mode }
    }

    fn left(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Every promise, over one host.
pub async fn keeps_every_promise(host: &dyn Host) {
    let dir = TempDir::with_prefix("it's a \"dir\" ").unwrap();
    let case = |name: &str| {
        let dir = dir.path().join(name);
        fs::create_dir(&dir).unwrap();
        Case { host, dir }
    };
    identity(host).await;
    reads(&case("reads")).await;
    facts(&case("facts")).await;
    lists(&case("lists")).await;
    writes(&case("writes")).await;
    renames(&case("renames")).await;
    removes(&case("removes")).await;
    directories(&case("directories")).await;
    runs(&case("runs")).await;
    ends(&case("ends")).await;
    machine(&case("machine")).await;
    logs(&case("logs")).await;
}

async fn identity(host: &dyn Host) {
    let found = host.identity().await.unwrap();
    let own = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(found.host_name, own.trim());
    assert!(!found.boot_id.is_empty() && !found.user.is_empty(), "{found:?}");
}

async fn reads(case: &Case<'_>) {
    let host = case.host;
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let path = case.put("a 'file'\n", &bytes);
    let empty = case.put("empty", b"");
    symlink(&path, case.dir.join("link")).unwrap();
    assert_eq!(host.read_file(&path, 100_000).await.unwrap(), bytes);
    assert_eq!(host.read_file(&case.at("link"), 100_000).await.unwrap(), bytes);
    assert_eq!(host.read_file(&empty, 0).await.unwrap(), b"");
    assert_eq!(
        host.read_file(&path, 99_999).await.unwrap_err(),
        HostError::TooLarge { path: path.clone(), len: 100_000, limit: 99_999 }
    );
    assert_eq!(host.read_file(&case.at("none"), 9).await.unwrap_err(), HostError::NotFound(case.at("none")));
    assert!(matches!(host.read_file(&case.at("."), 9).await.unwrap_err(), HostError::Io { .. }));
    // A pipe would never answer.
    rustix::fs::mknodat(rustix::fs::CWD, case.dir.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for error in
        [host.read_file(&case.at("pipe"), 9).await.map(|_| ()), host.sha256(&case.at("pipe")).await.map(|_| ())]
    {
        assert!(matches!(error.unwrap_err(), HostError::Io { why, .. } if why == "not a regular file"));
    }
    let lines = case.put("lines", b"one\ntwo\nthree\n");
    for (limit, expected) in [(100, &b"one\ntwo\nthree\n"[..]), (14, b"one\ntwo\nthree\n"), (8, b"three\n"), (3, b"")] {
        assert_eq!(host.read_end(&lines, limit).await.unwrap(), expected, "{limit}");
    }
    assert_eq!(host.sha256(&path).await.unwrap(), digest(&bytes));
    assert_eq!(host.sha256(&case.at("none")).await.unwrap_err(), HostError::NotFound(case.at("none")));
    let mut read = Vec::new();
    host.reader(&path).await.unwrap().read_to_end(&mut read).await.unwrap();
    assert_eq!(read, bytes);
    assert!(matches!(host.reader(&case.at("none")).await.map(|_| ()).unwrap_err(), HostError::NotFound(_)));
}

async fn facts(case: &Case<'_>) {
    let host = case.host;
    let path = case.put("file", b"12345");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4640)).unwrap();
    symlink("/nowhere", case.dir.join("link")).unwrap();
    let found = host.stat(&path).await.unwrap().unwrap();
    let own = fs::metadata(&path).unwrap();
    assert_eq!((found.kind, found.len, found.attributes), (FileKind::File, 5, case.own(0o4640)));
    assert_eq!((found.device, found.inode), (own.dev(), own.ino()));
    assert_eq!(found.modified_ms / 1000, own.mtime());
    assert_eq!(host.stat(&case.at("link")).await.unwrap().unwrap().kind, FileKind::Link);
    assert_eq!(host.stat(&case.at(".")).await.unwrap().unwrap().kind, FileKind::Directory);
    for nothing in [case.at("none"), case.at("none/below"), case.at("file/below")] {
        assert_eq!(host.stat(&nothing).await.unwrap(), None, "{nothing}");
    }
    assert!(host.free_bytes(&case.at(".")).await.unwrap() > 0);
    assert!(matches!(host.free_bytes(&case.at("none")).await.unwrap_err(), HostError::NotFound(_)));
}

async fn lists(case: &Case<'_>) {
    let host = case.host;
    fs::create_dir_all(case.dir.join("d/e")).unwrap();
    case.put("d/two", b"22");
    case.put("d/new\nline", b"1");
    case.put("d/e/deep", b"333");
    symlink("..", case.dir.join("d/up")).unwrap();
    symlink(case.dir.join("d"), case.dir.join("to-d")).unwrap();
    let names = |entries: &[firstlight::hosts::Entry]| -> Vec<String> {
        entries.iter().map(|entry| entry.name.clone()).collect()
    };
    for path in ["d", "d/", "to-d"] {
        assert_eq!(names(&host.list(&case.at(path), 4).await.unwrap()), ["e", "new\nline", "two", "up"], "{path}");
    }
    assert!(host.list(&case.at("d"), 3).await.is_err());
    assert!(matches!(host.list(&case.at("none"), 9).await.unwrap_err(), HostError::NotFound(_)));
    assert!(matches!(host.list(&case.at("d/two"), 9).await.unwrap_err(), HostError::Io { .. }));
    let tree = host.tree(&case.at("d"), 5, true).await.unwrap();
    assert_eq!(names(&tree), ["e", "e/deep", "new\nline", "two", "up"]);
    let digests: Vec<Option<String>> = tree.iter().map(|entry| entry.sha256.clone()).collect();
    assert_eq!(digests, [None, Some(digest(b"333")), Some(digest(b"1")), Some(digest(b"22")), None]);
    assert_eq!(tree[1].stat.len, 3);
    assert!(host.tree(&case.at("d"), 4, false).await.is_err());
    let one = host.tree(&case.at("d/two"), 5, true).await.unwrap();
    assert_eq!((names(&one), one[0].sha256.clone()), (vec![String::new()], Some(digest(b"22"))));
    assert_eq!(host.tree(&case.at("to-d"), 5, true).await.unwrap()[0].stat.kind, FileKind::Link);
    assert_eq!(host.tree(&case.at("d/e"), 5, false).await.unwrap().len(), 1);
    assert!(matches!(host.tree(&case.at("none"), 5, false).await.unwrap_err(), HostError::NotFound(_)));
}

async fn writes(case: &Case<'_>) {
    let host = case.host;
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    for (name, wanted) in [("a", None), ("a", Some(digest(&bytes))), ("b 'c'", Some(digest(&bytes).to_uppercase()))] {
        let path = case.at(name);
        let written = host.write_atomic(&path, &mut &bytes[..], &case.own(0o640), wanted.as_deref()).await.unwrap();
        assert_eq!((written.len, written.sha256.to_lowercase()), (300_000, digest(&bytes)));
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
    }
    // Another digest, a source that breaks: what stood there still stands, and nothing beside it.
    let wrong = host.write_atomic(&case.at("a"), &mut &b"x"[..], &case.own(0o640), Some(&digest(b"y"))).await;
    assert_eq!(wrong.unwrap_err(), HostError::Digest { path: case.at("a"), wanted: digest(b"y"), found: digest(b"x") });
    let mut breaks = (&b"half"[..]).chain(Broken);
    for wanted in [None, Some(digest(&bytes))] {
        let broken = host.write_atomic(&case.at("a"), &mut breaks, &case.own(0o640), wanted.as_deref()).await;
        assert!(matches!(broken.unwrap_err(), HostError::Io { why, .. } if why.contains("broke off")));
    }
    assert_eq!(fs::read(case.at("a")).unwrap(), bytes);
    assert_eq!(case.left(), ["a", "b 'c'"]);
    // A link stays one; what it names is replaced.
    symlink("a", case.dir.join("link")).unwrap();
    host.write_atomic(&case.at("link"), &mut &b"new"[..], &case.own(0o600), None).await.unwrap();
    assert_eq!(
        (fs::read(case.at("a")).unwrap(), fs::read_link(case.dir.join("link")).unwrap()),
        (b"new".to_vec(), PathBuf::from("a"))
    );
    symlink("nowhere", case.dir.join("dangling")).unwrap();
    assert!(host.write_atomic(&case.at("dangling"), &mut &b""[..], &case.own(0o600), None).await.is_err());
    // Not into a directory, and not where none is.
    fs::create_dir(case.dir.join("d")).unwrap();
    assert!(host.write_atomic(&case.at("d"), &mut &b""[..], &case.own(0o600), None).await.is_err());
    assert!(host.write_atomic(&case.at("none/x"), &mut &b""[..], &case.own(0o600), None).await.is_err());
    assert!(fs::read_dir(case.dir.join("d")).unwrap().next().is_none());
    // What was left half written by one that was killed is replaced.
    case.put(".e.firstlight-tmp", b"old");
    host.write_atomic(&case.at("e"), &mut &b""[..], &case.own(0o600), None).await.unwrap();
    assert_eq!(case.left(), ["a", "b 'c'", "d", "dangling", "e", "link"]);
}

struct Broken;

impl tokio::io::AsyncRead for Broken {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Err(std::io::Error::other("broke off")))
    }
}

async fn renames(case: &Case<'_>) {
    let host = case.host;
    case.put("f", b"f");
    fs::create_dir(case.dir.join("d")).unwrap();
    case.put("d/x", b"x");
    symlink("nowhere", case.dir.join("link")).unwrap();
    for (from, to) in [("f", "f 2"), ("d", "d 2"), ("link", "link2"), ("d 2/", "d3/")] {
        host.rename(&case.at(from), &case.at(to)).await.unwrap();
    }
    assert_eq!(case.left(), ["d3", "f 2", "link2"]);
    // Nothing is overwritten, moved into, or followed.
    for to in ["d3", "link2", "d3/x"] {
        let error = host.rename(&case.at("f 2"), &case.at(to)).await.unwrap_err();
        assert_eq!(error, HostError::AlreadyThere(case.at(to)), "{to}");
    }
    assert!(matches!(host.rename(&case.at("none"), &case.at("n")).await.unwrap_err(), HostError::NotFound(_)));
    assert!(matches!(host.rename(&case.at("f 2"), &case.at("none/n")).await.unwrap_err(), HostError::NotFound(_)));
    let elsewhere = Path::new("/dev/shm");
    if fs::metadata(elsewhere).is_ok_and(|found| found.dev() != fs::metadata(&case.dir).unwrap().dev()) {
        let to = format!("/dev/shm/firstlight-test-{}", std::process::id());
        let error = host.rename(&case.at("f 2"), &to).await.unwrap_err();
        assert_eq!(error, HostError::OtherFileSystem { from: case.at("f 2"), to: to.clone() });
        assert!(!Path::new(&to).exists());
    }
    assert_eq!(case.left(), ["d3", "f 2", "link2"]);
    for never in ["/", "/tmp", "relative/x", "/tmp/../etc/x", ""] {
        assert!(matches!(host.rename(never, &case.at("n")).await.unwrap_err(), HostError::Refused { .. }), "{never}");
        assert!(matches!(host.rename(&case.at("f 2"), never).await.unwrap_err(), HostError::Refused { .. }), "{never}");
    }
}

async fn removes(case: &Case<'_>) {
    let host = case.host;
    fs::create_dir_all(case.dir.join("d/e")).unwrap();
    case.put("keep", b"");
    symlink(case.dir.join("keep"), case.dir.join("d/link")).unwrap();
    symlink(case.dir.join("d"), case.dir.join("to-d")).unwrap();
    case.put(".gone.firstlight-tmp", b"draft");
    for (path, there) in [("to-d", true), ("d", true), ("d", false), ("gone", false)] {
        assert_eq!(host.remove(&case.at(path)).await.unwrap(), there, "{path}");
    }
    assert_eq!(case.left(), ["keep"]);
    for never in ["/", "/tmp", "relative/x", "/tmp/../etc/x", ""] {
        assert!(matches!(host.remove(never).await.unwrap_err(), HostError::Refused { .. }), "{never}");
    }
}

async fn directories(case: &Case<'_>) {
    let host = case.host;
    host.make_dir(&case.at("d 1"), &case.own(0o750)).await.unwrap();
    assert_eq!(host.stat(&case.at("d 1")).await.unwrap().unwrap().attributes, case.own(0o750));
    assert_eq!(
        host.make_dir(&case.at("d 1"), &case.own(0o750)).await.unwrap_err(),
        HostError::AlreadyThere(case.at("d 1"))
    );
    assert!(matches!(host.make_dir(&case.at("none/d"), &case.own(0o750)).await.unwrap_err(), HostError::NotFound(_)));
}

/// Output as it comes.
#[derive(Default)]
struct Heard(Mutex<(Vec<u8>, Vec<u8>)>);

impl Output for Heard {
    fn take(&self, stream: Stream, bytes: &[u8]) {
        let mut heard = self.0.lock().unwrap();
        match stream {
            Stream::Out => heard.0.extend_from_slice(bytes),
            Stream::Err | Stream::Note => heard.1.extend_from_slice(bytes),
        }
    }
}

fn shell(line: &str) -> Run {
    Run::new(["/bin/sh", "-c", line].map(str::to_owned).to_vec(), WITHIN)
}

async fn runs(case: &Case<'_>) {
    let host = case.host;
    let heard = Heard::default();
    let mut run = Run::new(
        [
            "/bin/sh",
            "-c",
            "printf '%s|' \"$@\" \"$SECRET\" \"$PWD\"; cat; echo words >&2; exit 7",
            "",
            "a b",
            "",
            "-x",
            "it's\n$",
        ]
        .map(str::to_owned)
        .to_vec(),
        WITHIN,
    );
    run.env.insert("SECRET".to_owned(), "se cret\n'\\0\u{e9}%s".to_owned());
    run.env.insert("OTHER".to_owned(), String::new());
    run.cwd = Some(case.dir.display().to_string());
    run.stdin = Some(b"input\n\0more".to_vec());
    let ran = host.exec(&run, &heard, &Stop::never()).await.unwrap();
    let expected = format!("a b||-x|it's\n$|se cret\n'\\0\u{e9}%s|{}|input\n\0more", case.dir.display());
    assert_eq!((ran.end, String::from_utf8_lossy(&ran.stdout).into_owned()), (End::Exited(7), expected));
    assert_eq!(String::from_utf8_lossy(&ran.stderr), "words\n");
    assert_eq!((ran.held, ran.stdout_cut), (false, false));
    assert_eq!(*heard.0.lock().unwrap(), (ran.stdout, ran.stderr));
    for (line, end) in [
        ("exit 0", End::Exited(0)),
        ("exit 255", End::Exited(255)),
        ("exit 124", End::Exited(124)),
        ("kill -9 $$", End::Signalled(9)),
        ("cat", End::Exited(0)),
        ("(: < /dev/tty) 2> /dev/null && exit 1; exit 0", End::Exited(0)),
    ] {
        let ran = host.exec(&shell(line), &Quiet, &Stop::never()).await.unwrap();
        assert_eq!(ran.end, end, "{line}");
    }
    let mut run = shell("head -c 100000 /dev/zero");
    run.keep_bytes = 10;
    let ran = host.exec(&run, &Quiet, &Stop::never()).await.unwrap();
    assert_eq!((ran.stdout.len(), ran.stdout_cut), (10, true));
    let none = Run::new(vec!["/none/such".to_owned()], WITHIN);
    assert_eq!(host.exec(&none, &Quiet, &Stop::never()).await.unwrap().end, End::Exited(127));
    let mut nowhere = shell("exit 0");
    nowhere.cwd = Some(case.at("none"));
    assert!(host.exec(&nowhere, &Quiet, &Stop::never()).await.is_err());
    assert!(host.exec(&Run::new(Vec::new(), WITHIN), &Quiet, &Stop::never()).await.is_err());
}

/// Says when the first output came.
#[derive(Default)]
struct Begun(tokio::sync::Notify);

impl Output for Begun {
    fn take(&self, _stream: Stream, _bytes: &[u8]) {
        self.0.notify_one();
    }
}

async fn ends(case: &Case<'_>) {
    let host = case.host;
    // What is ended is ended with everything that it started; what ended by itself may leave something behind.
    let path = case.at("pid");
    let mut slow = shell(&format!("sleep 600 & echo $! > '{}'; echo up; wait", path.replace('\'', "'\\''")));
    slow.timeout = Duration::from_secs(1);
    assert_eq!(host.exec(&slow, &Quiet, &Stop::never()).await.unwrap().end, End::TimedOut);
    assert!(gone(&path), "it lives on");
    fs::remove_file(&path).unwrap();
    let (stopper, stop) = Stop::pair();
    slow.timeout = WITHIN;
    // What was stopped before its first word came over the line may never have begun.
    let heard = Begun::default();
    let begun = async {
        heard.0.notified().await;
        stopper.stop();
    };
    let (ran, ()) = tokio::join!(host.exec(&slow, &heard, &stop), begun);
    assert_eq!(ran.unwrap().end, End::Stopped);
    assert!(gone(&path), "it lives on");
    // One that does not listen is killed.
    let mut deaf = shell("trap '' TERM; while :; do sleep 1; done");
    deaf.timeout = Duration::from_millis(300);
    assert_eq!(host.exec(&deaf, &Quiet, &Stop::never()).await.unwrap().end, End::TimedOut);
    let ran = host.exec(&shell("sleep 30 & echo $!"), &Quiet, &Stop::never()).await.unwrap();
    assert_eq!((ran.end, ran.held), (End::Exited(0), true));
    let pid: i32 = String::from_utf8_lossy(&ran.stdout).trim().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
}

fn gone(path: &str) -> bool {
    let pid = fs::read_to_string(path).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.map_or(true, |stat| stat.contains(") Z "))
}

async fn machine(case: &Case<'_>) {
    let host = case.host;
    let word = format!("a service of {} with\nlines", std::process::id());
    let mut service = std::process::Command::new("sh")
        .args(["-c", "read x", &word])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let id = i32::try_from(service.id()).unwrap();
    let found = host.processes().await.unwrap();
    let own = found.iter().find(|process| process.pid == id).unwrap();
    assert_eq!(own.args, ["sh", "-c", "read x", &word]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    assert!(!own.zombie && own.started_ms.abs_diff(i64::try_from(now).unwrap()) < 120_000);
    // What is run at the moment is no service, nor is what asks.
    let mark = case.at("begun");
    let looking = shell(&format!("touch \"{}\"; sleep 600 # looked for by these words", mark.replace('"', "\\\"")));
    let (stopper, stop) = Stop::pair();
    let seen = async {
        while !Path::new(&mark).exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let found = host.processes().await.unwrap();
        stopper.stop();
        found
    };
    let (_, found) = tokio::join!(host.exec(&looking, &Quiet, &stop), seen);
    let mine: Vec<_> =
        found.iter().filter(|process| process.command_line().contains("looked for by these words")).collect();
    assert!(mine.is_empty(), "{mine:?}");
    drop(service.stdin.take());
    service.wait().unwrap();
    // Locks are seen and never taken.
    let path = case.put("LOCK", b"");
    assert_eq!(host.lock_holder(&path).await.unwrap(), None);
    assert_eq!(host.lock_holder(&case.at("none")).await.unwrap(), None);
    let file = fs::File::open(&path).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert_eq!(host.lock_holder(&path).await.unwrap(), Some(i32::try_from(std::process::id()).unwrap()));
    drop(file);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    assert_eq!(host.connect(&at, WITHIN).await, Answer::Open);
    drop(listener);
    assert_eq!(host.connect(&at, WITHIN).await, Answer::Refused);
    assert!(matches!(host.connect("no address; echo", WITHIN).await, Answer::None(_)));
}

async fn logs(case: &Case<'_>) {
    let (host, path) = (case.host, case.at("log"));
    fs::create_dir(case.dir.join("log")).unwrap();
    let bytes: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    case.put("log/000005.ldb", &bytes);
    case.put("log/CURRENT", b"MANIFEST-000004\n");
    case.put("log/LOCK", b"");
    fs::create_dir(case.dir.join("log/sub")).unwrap();
    let source = host.log_source(&path);
    let absent = host.log_source(&case.at("none"));
    let nowhere = host.log_source(&case.at("none/below"));
    tokio::task::spawn_blocking(move || {
        use firstlight::replog::SourceError;
        let mut names: Vec<(String, u64)> =
            source.list().unwrap().into_iter().map(|file| (file.name, file.len)).collect();
        names.sort();
        let names: Vec<(&str, u64)> =
            names.iter().filter(|(name, _)| name != "sub").map(|(name, len)| (name.as_str(), *len)).collect();
        assert_eq!(names, [("000005.ldb", 200_000), ("CURRENT", 16), ("LOCK", 0)]);
        assert_eq!(source.read("000005.ldb", 200_000).unwrap(), bytes);
        assert_eq!(source.read_at("000005.ldb", 199_990, 100).unwrap(), &bytes[199_990..]);
        assert_eq!(source.read("LOCK", 10).unwrap(), b"");
        assert_eq!(source.read("sub", 10).unwrap_err(), SourceError::NotAFile);
        assert_eq!(source.read("none", 10).unwrap_err(), SourceError::NotFound);
        assert_eq!(absent.list().unwrap_err(), SourceError::NotFound);
        assert_eq!(nowhere.list().unwrap_err(), SourceError::NoParent);
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn this_machine_keeps_every_promise() {
    keeps_every_promise(&LocalHost::new(name(), Some(stub()))).await;
}

#[tokio::test]
async fn a_shell_keeps_every_promise() {
    keeps_every_promise(&ShellHost::new(name(), Arc::new(LocalLine::new(Some(stub()))))).await;
}
