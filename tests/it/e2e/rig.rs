//! What every end-to-end test stands on: a directory of its own, the program with a limit on its time,
//! a practice cluster that goes down with the test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use firstlight::{
    practice::{Cluster, LOOPBACK, Options, Scenario},
    session::Event,
};

/// The program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_firstlight");
/// The runbook that is walked.
pub const RUNBOOK: &str = "aurora-restore-from-backup";
/// Longest for one walk on a loaded machine; an idle one takes half a minute.
pub const WALK: Duration = Duration::from_mins(4);
/// Longest for what only reads.
pub const SHORT: Duration = Duration::from_mins(1);
/// The cluster's waits are that much shorter: a sweep after 31 minutes comes after six seconds.
const SPEED: f64 = 300.0;
/// How often something that is awaited is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a run of the program left.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// The same, if it ended with this code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.tail());
        self
    }

    /// Its last words.
    pub fn tail(&self) -> String {
        let out: Vec<&str> = self.out.lines().rev().take(25).collect();
        let out = out.into_iter().rev().collect::<Vec<_>>().join("\n");
        format!("code {:?}, signal {:?}\n--- out\n{out}\n--- err\n{}", self.code, self.signal, self.err)
    }
}

/// A program that runs. It is killed with the test.
pub struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// True once it has ended.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end, within a limit.
    #[track_caller]
    pub fn wait(mut self, limit: Duration) -> Ran {
        let until = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < until, "not over after {limit:?}:\n{}", self.read().tail());
            std::thread::sleep(LOOK_EVERY);
        };
        Ran { code: status.code(), signal: status.signal(), ..self.read() }
    }

    fn read(&self) -> Ran {
        let text = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
        Ran { code: None, signal: None, out: text(&self.out), err: text(&self.err) }
    }
}

/// A directory with the program's state, and perhaps a cluster.
pub struct Rig {
    dir: tempfile::TempDir,
    cluster: Option<Cluster>,
    state: PathBuf,
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(cluster) = &self.cluster {
            let _ = cluster.down();
        }
    }
}

impl Rig {
    /// Without a cluster.
    pub fn bare() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        Self { dir, cluster: None, state }
    }

    /// With a cluster that is made and not started.
    pub fn created(scenario: Scenario, schedulers: usize) -> Self {
        let mut rig = Self::bare();
        let mut options = Options::new(PROGRAM);
        options.dir = Some(rig.path("cluster"));
        options.scenario = scenario;
        options.schedulers = schedulers;
        options.speed = SPEED;
        rig.cluster = Some(Cluster::create(&options).unwrap());
        rig
    }

    /// With a cluster that runs.
    pub fn up(scenario: Scenario, schedulers: usize) -> Self {
        let rig = Self::created(scenario, schedulers);
        rig.cluster().start().unwrap();
        rig
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().unwrap()
    }

    /// A place in its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Keeps the program's state elsewhere from here on.
    pub fn state_at(&mut self, state: &Path) {
        state.clone_into(&mut self.state);
    }

    /// A file in its directory.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Starts the program.
    pub fn start(&self, args: &[&str]) -> Running {
        let n = fastrand::u64(..);
        let (out, err) = (self.path(&format!("{n:016x}.out")), self.path(&format!("{n:016x}.err")));
        let child = Command::new(PROGRAM)
            .args(args)
            .env("XDG_STATE_HOME", &self.state)
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("AURORA_CONFIG_ROOT", self.path("cluster"))
            .env("USER", "tester")
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .spawn()
            .unwrap();
        Running { child, out, err }
    }

    /// Runs the program to its end.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Ran {
        self.start(args).wait(WALK)
    }

    /// The cluster's inventory.
    pub fn inventory(&self) -> String {
        self.cluster().inventory_path().display().to_string()
    }

    /// Starts the walk of the recovery.
    pub fn walk(&self, answers: &str) -> Running {
        self.start(&["run", RUNBOOK, "--cluster", &self.inventory(), "--answers", answers])
    }

    /// Directories of sessions, oldest first.
    pub fn sessions(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.state.join("firstlight/sessions")) else { return Vec::new() };
        let mut dirs: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|dir| !hidden(dir)).collect();
        dirs.sort();
        dirs
    }

    /// The only session's directory.
    #[track_caller]
    pub fn session(&self) -> PathBuf {
        let mut dirs = self.sessions();
        assert_eq!(dirs.len(), 1, "{dirs:?}");
        dirs.pop().unwrap()
    }

    /// The only session's id.
    pub fn id(&self) -> String {
        self.session().file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// How many records its journal has at this moment.
    pub fn seq(&self) -> usize {
        let Some(dir) = self.sessions().pop() else { return 0 };
        std::fs::read(dir.join("journal.jsonl")).map_or(0, |bytes| {
            bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")).count()
        })
    }

    /// What happened, as the library reads it.
    pub fn events(&self) -> Vec<Event> {
        let dir = self.session();
        let sessions = firstlight::journal::Sessions::at(dir.parent().unwrap());
        let (records, _) = sessions.open_read_only(dir.file_name().unwrap().to_str().unwrap()).unwrap();
        records.into_iter().map(|record| record.event).collect()
    }

    /// `journal verify`, which must be content.
    #[track_caller]
    pub fn verify(&self) {
        self.run(&["journal", "verify", &self.id()]).expect(0);
    }

    /// The report as it was left beside the journal.
    pub fn report(&self) -> String {
        std::fs::read_to_string(self.session().join("report.md")).unwrap()
    }
}

fn hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// Answers shipped with a scenario.
pub fn answers(scenario: Scenario) -> String {
    format!("{}/assets/practice/{}.answers.yaml", env!("CARGO_MANIFEST_DIR"), scenario.name())
}

/// The text of the answers shipped with a scenario.
pub fn answers_text(scenario: Scenario) -> String {
    std::fs::read_to_string(answers(scenario)).unwrap()
}

/// Waits until something holds.
#[track_caller]
pub fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A page of a server on this machine.
pub fn get(port: u16, path: &str) -> Option<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect((LOOPBACK, port)).ok()?;
    stream.set_read_timeout(Some(SHORT)).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let split = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let code = std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()?;
    Some((code, answer.split_off(split + 4)))
}
