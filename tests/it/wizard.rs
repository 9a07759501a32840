//! The real program on a real terminal, through the whole recovery: typed wrong, killed, taken up at
//! another size, walked to the end; then the cluster is looked at, not the tool's word.

use std::{
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use firstlight::practice::Cluster;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

const PROGRAM: &str = env!("CARGO_BIN_EXE_firstlight");
/// Longest wait for one thing to stand on the screen.
const WAIT: Duration = Duration::from_secs(90);
/// Longest walk.
const WALK: Duration = Duration::from_mins(5);
/// Between looks at the screen; longer than what the wizard takes for a key that is held down.
const LOOK: Duration = Duration::from_millis(200);
/// Until a typed phrase stands on the screen.
const PHRASE: Duration = Duration::from_secs(2);

struct Home(tempfile::TempDir);

impl Home {
    fn cluster(&self) -> PathBuf {
        self.0.path().join("cluster")
    }

    fn state(&self) -> PathBuf {
        self.0.path().join("state")
    }

    fn flags(&self) -> Vec<(String, Vec<u8>)> {
        let cluster = Cluster::open(&self.cluster()).unwrap();
        let names = cluster.plan().schedulers.iter().map(|scheduler| scheduler.name.clone());
        names.map(|name| (name.clone(), std::fs::read(cluster.layout().home(&name).flags_file()).unwrap())).collect()
    }

    /// Names of the tables in a scheduler's log.
    fn tables(&self, name: &str) -> Vec<String> {
        let cluster = Cluster::open(&self.cluster()).unwrap();
        let dir = std::fs::read_dir(cluster.layout().home(name).log_dir()).unwrap();
        let names = dir.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|name| Path::new(name).extension().is_some_and(|end| end == "ldb")).collect()
    }

    fn firstlight(&self, args: &[&str]) -> String {
        let out = Command::new(PROGRAM).args(args).env("XDG_STATE_HOME", self.state()).output().unwrap();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Ok(cluster) = Cluster::open(&self.cluster()) {
            // Also after a failed test nothing is left running.
            drop(cluster.down());
        }
    }
}

struct Terminal {
    _master: Box<dyn MasterPty + Send>,
    writer: Box<dyn std::io::Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // After a failed test the wizard is still there; after a good one this finds nobody.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Terminal {
    /// The exit code, once it has ended by itself.
    fn code(&mut self) -> u32 {
        let end = Instant::now() + WAIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(Instant::now() < end, "it does not end; on the screen stands\n{}", self.text());
            std::thread::sleep(LOOK);
        }
    }

    fn open(home: &Home, rows: u16, cols: u16) -> Self {
        let pair = native_pty_system().openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut command = CommandBuilder::new(PROGRAM);
        command.args(["practice", "--scenario", "corrupt-log", "--speed", "300", "--dir"]);
        command.arg(home.cluster());
        command.env("XDG_STATE_HOME", home.state());
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows.try_into().unwrap(), cols.try_into().unwrap(), 0)));
        let (parser, mut reader) = (screen.clone(), pair.master.try_clone_reader().unwrap());
        std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                parser.lock().unwrap().process(&bytes[..read]);
            }
        });
        let writer = pair.master.take_writer().unwrap();
        Self { _master: pair.master, writer, child, screen }
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    fn wait(&self, what: &str) -> String {
        let end = Instant::now() + WAIT;
        loop {
            let text = self.text();
            if text.contains(what) {
                return text;
            }
            assert!(Instant::now() < end, "{what:?} does not stand on\n{text}");
            std::thread::sleep(LOOK);
        }
    }

    fn press(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
        std::thread::sleep(LOOK);
    }

    /// Types into a dialog and confirms once what was typed can be read.
    fn confirm(&mut self, typed: &str) {
        self.press(typed);
        self.wait(typed);
        self.press("\r");
    }

    /// Does what the screen asks for until `stop` says that it is far enough.
    fn walk(&mut self, stop: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + WALK;
        loop {
            let text = self.text();
            if stop(&text) {
                return text;
            }
            assert!(Instant::now() < end, "the walk does not end; on the screen stands\n{text}");
            let phrase = text.lines().find_map(|line| line.split_once("type to confirm: "));
            if let Some((_, phrase)) = phrase {
                // Keys that come before the dialog is drawn are refused: what was typed is cleared, and confirmed once it stands there.
                let typed = format!("> {}", phrase.trim());
                self.press("\u{15}");
                self.press(phrase.trim());
                let late = Instant::now() + PHRASE;
                while Instant::now() < late && !self.text().lines().any(|line| line.trim_matches([' ', '│']) == typed)
                {
                    std::thread::sleep(LOOK);
                }
                self.press("\r");
            } else if text.contains("checklist items are not ticked") {
                // The first item is the selected one.
                self.press(" ");
            } else if text.contains("Enter run it") || text.contains("Enter do it") {
                self.press("\r");
            } else if text.contains("r shows what will run") || text.contains("r runs it") {
                self.press("r");
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// Whether a step of this title is the one that is shown, whatever its number.
fn stands_at(text: &str, title: &str) -> bool {
    let heading = |line: &str| {
        let (_, right) = line.split_once('│')?;
        let (number, rest) = right.trim_start().split_once(' ')?;
        Some(number.contains('.') && number.chars().all(|c| c == '.' || c.is_ascii_digit()) && rest.starts_with(title))
    };
    text.lines().any(|line| heading(line) == Some(true))
}

fn begin(terminal: &mut Terminal) {
    for left in (1..=5).rev() {
        terminal.wait(&format!("{left} of 5 consequences"));
        terminal.press(" ");
    }
    terminal.wait("r begins the session");
    terminal.press("r");
    terminal.wait("Enter begin");
    terminal.press("\r");
}

fn kill_9(terminal: &mut Terminal) {
    let pid = terminal.child.process_id().and_then(|pid| i32::try_from(pid).ok()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    terminal.child.wait().unwrap();
}

fn is_whole(home: &Home, flags: &[(String, Vec<u8>)]) {
    assert_eq!(home.flags(), flags, "every flags file is what it was, byte for byte");
    assert!(home.firstlight(&["journal", "verify", "last"]).starts_with("whole"));
    let report = home.firstlight(&["report", "last"]);
    assert!(report.contains("Still changed\n\nNothing"), "{report}");
    let committed: usize =
        schedulers(home).map(|log| log.lines().filter(|line| line.contains(" commitRecovery(")).count()).sum();
    assert_eq!(committed, 1, "the commit was sent once");
    let cluster = Cluster::open(&home.cluster()).unwrap();
    assert_eq!(cluster.status().processes, Vec::new(), "nothing of the practice cluster runs any more");
}

fn schedulers(home: &Home) -> impl Iterator<Item = String> {
    let cluster = Cluster::open(&home.cluster()).unwrap();
    let names: Vec<String> = cluster.plan().schedulers.iter().map(|scheduler| scheduler.name.clone()).collect();
    names.into_iter().map(move |name| read(&cluster.layout().home(&name).log_file()))
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

#[test]
fn the_whole_recovery_on_a_terminal() {
    let home = Home(tempfile::tempdir().unwrap());
    let mut terminal = Terminal::open(&home, 24, 80);
    begin(&mut terminal);
    let flags = home.flags();
    terminal.wait("r shows what will run");
    terminal.press("r");
    terminal.wait("type to confirm: stop practice");
    terminal.confirm("stop east");
    terminal.wait("is not the phrase");
    terminal.press("\u{15}");
    terminal.confirm("stop practice");
    terminal.wait("2.2 Block traffic");
    terminal.press("n");
    terminal.confirm("the pager woke me");
    terminal.walk(|text| stands_at(text, "Initialize every replica"));
    kill_9(&mut terminal);

    let mut terminal = Terminal::open(&home, 45, 140);
    terminal.wait("is not finished");
    terminal.press("\r");
    terminal.wait("taken up again");
    let last = terminal.walk(|text| text.contains("The session is over"));
    assert!(last.contains("nothing of this session is still changed"), "{last}");
    assert!(last.contains("lost"), "{last}");
    terminal.press("q");
    assert_eq!(terminal.code(), 0, "{}", terminal.text());
    assert!(home.firstlight(&["report", "last"]).contains("the pager woke me"));
    is_whole(&home, &flags);
}

#[test]
fn an_abandon_on_a_terminal_puts_everything_back() {
    let home = Home(tempfile::tempdir().unwrap());
    let mut terminal = Terminal::open(&home, 24, 80);
    begin(&mut terminal);
    let flags = home.flags();
    terminal.walk(|text| stands_at(text, "Move every"));
    assert_ne!(home.flags(), flags);
    let names: Vec<String> = flags.iter().map(|(name, _)| name.clone()).collect();
    let damaged: Vec<_> = names.iter().map(|name| (name.clone(), home.tables(name))).collect();
    assert!(damaged.iter().any(|(_, tables)| !tables.is_empty()));
    terminal.walk(|text| stands_at(text, "Initialize every replica"));
    assert!(names.iter().all(|name| home.tables(name).is_empty()), "every log was moved aside");
    terminal.press("A");
    terminal.wait("Type “abandon”");
    terminal.press("abandon\t");
    terminal.confirm("it was the wrong cluster");
    // Everything is back before any scheduler is started, which compacts its log.
    terminal.walk(|text| stands_at(text, "Start every scheduler, for"));
    assert_eq!(home.flags(), flags);
    for (name, tables) in damaged {
        assert_eq!(home.tables(&name), tables, "the log of {name}");
    }
    let last = terminal.walk(|text| text.contains("The session is over"));
    assert!(last.contains("nothing of this session is still changed"), "{last}");
    terminal.press("q");
    assert_eq!(terminal.code(), 10);
    assert_eq!(home.flags(), flags);
    assert!(home.firstlight(&["journal", "verify", "last"]).starts_with("whole"));
    let cluster = Cluster::open(&home.cluster()).unwrap();
    assert_eq!(cluster.status().processes, Vec::new(), "nothing of the practice cluster runs any more");
}
