//! The real program on a real terminal, where things do not go as planned: a gate that stays shut, a step done
//! by hand, a storm of sizes while something runs, no colour, SIGTERM, a line that breaks.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

const PROGRAM: &str = env!("CARGO_BIN_EXE_firstlight");
/// Longest wait for one thing to stand on the screen.
const WAIT: Duration = Duration::from_mins(1);
/// Between looks at the screen; longer than what the wizard takes for a key that is held down.
const LOOK: Duration = Duration::from_millis(150);

/// One host, and four steps that need nothing but files below ROOT.
const RUNBOOK: &str = r#"
format: 1
id: trouble
title: Trouble
summary: Files come and go.
needs: { groups: { hosts: { hosts_min: 1 } } }
phases:
  - id: one
    title: One
    steps:
      - id: look
        title: Look for what never comes
        why: w
        expect: e
        by_hand: ls
        danger: reads
        do:
          - command: { argv: ["true"], reads: true }
        gates:
          - files: { exists: { path: ROOT/never } }
            say: the sign is there
            within: 100ms
      - id: make
        title: Make a file
        why: w
        expect: e
        by_hand: touch ROOT/made
        on: hosts
        danger: changes
        confirm: key
        undo: { none: "it stays" }
        do:
          - command: { argv: ["false"] }
        gates:
          - files: { exists: { path: ROOT/made } }
            say: the file is there
      - id: wait
        title: Wait for a word
        why: w
        expect: e
        by_hand: touch ROOT/go
        danger: changes
        confirm: key
        undo: { none: "it stays" }
        do:
          - command: { shell: "until [ -e ROOT/go ]; do sleep 0.1; done; echo heard" }
      - id: last
        title: Say the last word
        why: w
        expect: e
        by_hand: echo
        danger: changes
        confirm: { type: "the end" }
        undo: { none: "it stays" }
        do:
          - command: { argv: [echo, over] }
"#;

const INVENTORY: &str = "
format: 1
cluster: { name: attic }
groups: { hosts: { hosts: [{ name: here, reach: local }] } }
";

pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let root = place.path("").display().to_string();
        fs::write(place.path("trouble.yaml"), RUNBOOK.replace("ROOT/", &root)).unwrap();
        fs::write(place.path("attic.yaml"), INVENTORY).unwrap();
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn firstlight(&self, args: &[&str]) -> String {
        let out = Command::new(PROGRAM).args(args).env("XDG_STATE_HOME", self.path("state")).output().unwrap();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }
}

pub struct Terminal {
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn std::io::Write + Send>>,
    child: Box<dyn Child + Send + Sync>,
    screen: Arc<Mutex<vt100::Parser>>,
    /// Everything that was ever written to it.
    written: Arc<Mutex<Vec<u8>>>,
    before: String,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn parser(rows: u16, cols: u16) -> vt100::Parser {
    vt100::Parser::new(rows.try_into().unwrap(), cols.try_into().unwrap(), 0)
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

impl Terminal {
    pub fn open(place: &Place, args: &[&str], env: &[(&str, &str)]) -> Self {
        let pair = native_pty_system().openpty(size(24, 80)).unwrap();
        let before = format!("{:?}", pair.master.get_termios().unwrap());
        let mut command = CommandBuilder::new(PROGRAM);
        command.args(args);
        command.cwd(place.path(""));
        command.env("XDG_STATE_HOME", place.path("state"));
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env_remove("NO_COLOR");
        for (name, value) in env {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = Arc::new(Mutex::new(parser(24, 80)));
        let written = Arc::new(Mutex::new(Vec::new()));
        let (to_screen, to_written) = (Arc::clone(&screen), Arc::clone(&written));
        let mut reader = pair.master.try_clone_reader().unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                to_screen.lock().unwrap().process(&bytes[..read]);
                to_written.lock().unwrap().extend_from_slice(&bytes[..read]);
            }
        });
        let writer = Some(pair.master.take_writer().unwrap());
        Self { master: Some(pair.master), writer, child, screen, written, before }
    }

    /// Everything that was written to it.
    pub fn heard(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    #[track_caller]
    fn until(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + WAIT;
        loop {
            let text = self.text();
            if holds(&text) {
                return text;
            }
            assert!(Instant::now() < end, "{what}: not on\n{text}");
            std::thread::sleep(LOOK);
        }
    }

    #[track_caller]
    pub fn wait(&self, what: &str) -> String {
        self.until(what, |text| text.contains(what))
    }

    pub fn press(&mut self, keys: &str) {
        let writer = self.writer.as_mut().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
        std::thread::sleep(LOOK);
    }

    /// Types into a dialog and confirms once what was typed can be read.
    #[track_caller]
    fn confirm(&mut self, typed: &str) {
        self.press(typed);
        self.wait(typed);
        self.press("\r");
    }

    fn resize(&self, rows: u16, cols: u16) {
        self.master.as_ref().unwrap().resize(size(rows, cols)).unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        let pid = self.child.process_id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).unwrap();
    }

    #[track_caller]
    pub fn code(&mut self) -> u32 {
        let end = Instant::now() + WAIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(Instant::now() < end, "it does not end; on the screen stands\n{}", self.text());
            std::thread::sleep(LOOK);
        }
    }

    /// The terminal is as it was before the program.
    #[track_caller]
    fn is_restored(&self) {
        let end = Instant::now() + WAIT;
        loop {
            let screen = self.screen.lock().unwrap();
            let odd = (screen.screen().alternate_screen(), screen.screen().hide_cursor());
            drop(screen);
            if odd == (false, false) {
                break;
            }
            assert!(Instant::now() < end, "alternate screen, hidden cursor: {odd:?}");
            std::thread::sleep(LOOK);
        }
        assert_eq!(format!("{:?}", self.master.as_ref().unwrap().get_termios().unwrap()), self.before);
    }

    /// Colours that were set, by their numbers.
    fn colours(&self) -> Vec<u32> {
        let written = self.written.lock().unwrap();
        let text = String::from_utf8_lossy(&written).into_owned();
        let sequences = text.split("\u{1b}[").skip(1).filter_map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':')?;
            rest[end..].starts_with('m').then(|| rest[..end].to_owned())
        });
        let numbers = sequences.flat_map(|sequence| {
            sequence.split([';', ':']).filter_map(|number| number.parse().ok()).collect::<Vec<u32>>()
        });
        numbers.filter(|number| matches!(number, 30..=38 | 40..=48 | 90..=97 | 100..=107)).collect()
    }
}

fn last_of_journal(place: &Place) -> String {
    let shown = place.firstlight(&["journal", "show", "last"]);
    shown.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn what_goes_wrong_on_a_terminal_is_overcome_and_nothing_is_lost() {
    let place = Place::new();
    let args = ["start", "trouble.yaml", "--cluster", "attic.yaml"];
    let mut terminal = Terminal::open(&place, &args, &[("NO_COLOR", "1")]);
    terminal.wait("r begins the session");
    terminal.press("r");
    terminal.wait("Enter begin");
    terminal.press("\r");

    blocked_and_overridden(&mut terminal);
    done_by_hand(&mut terminal, &place.path("made"));
    resized_while_it_runs(&mut terminal, &place.path("go"));

    terminal.wait("1.4 Say the last word");
    terminal.wait("r shows what will run");
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.code(), 11, "{}", terminal.text());
    terminal.is_restored();
    assert_eq!(terminal.colours(), Vec::<u32>::new(), "NO_COLOR is set");
    let last = last_of_journal(&place);
    assert!(last.contains("left") && last.contains("can be resumed"), "{last}");

    let mut terminal = Terminal::open(&place, &["resume", "last"], &[]);
    terminal.wait("1.4 Say the last word");
    assert_ne!(terminal.colours(), Vec::<u32>::new(), "colours are used where nobody minds");
    // The line breaks: what reads from the terminal finds nobody.
    drop(terminal.writer.take());
    drop(terminal.master.take());
    terminal.signal(Signal::HUP);
    assert_eq!(terminal.code(), 11);
    assert!(place.firstlight(&["journal", "verify", "last"]).starts_with("whole"));
    let last = last_of_journal(&place);
    assert!(last.contains("left"), "{last}");

    let mut terminal = Terminal::open(&place, &["resume", "last"], &[]);
    terminal.wait("r shows what will run");
    terminal.press("r");
    terminal.wait("type to confirm: the end");
    terminal.confirm("the end");
    terminal.wait("The session is over");
    terminal.press("q");
    assert_eq!(terminal.code(), 0, "{}", terminal.text());
    terminal.is_restored();
    let report = place.firstlight(&["report", "last"]);
    for said in ["we know that it never comes", "I made it with my own hands"] {
        assert!(report.contains(said), "{said:?} is not in\n{report}");
    }
}

fn blocked_and_overridden(terminal: &mut Terminal) {
    terminal.wait("BLOCKED");
    terminal.press("o");
    terminal.wait("which gate counts without evidence?");
    terminal.press("\r");
    terminal.wait("Why may it count as open");
    terminal.press("\r");
    terminal.wait("say why");
    terminal.confirm("we know that it never comes");
}

fn done_by_hand(terminal: &mut Terminal, made: &Path) {
    terminal.wait("1.2 Make a file");
    terminal.press("h");
    terminal.wait("is done by hand on here");
    terminal.press("h");
    terminal.until("the question", |text| text.contains("by hand") && text.contains('>'));
    terminal.confirm("I made it with my own hands");
    terminal.wait("the file is there: ");
    assert!(terminal.text().contains("│ 1.2 Make a file"), "the gate is looked at all the same");
    fs::write(made, "").unwrap();
}

fn resized_while_it_runs(terminal: &mut Terminal, go: &Path) {
    terminal.until("the third step", |text| text.contains("│ 1.3 Wait for") && text.contains("r shows what will run"));
    terminal.press("r");
    terminal.wait("Enter run it");
    terminal.press("\r");
    terminal.wait("runs  ");
    for round in 0..80u16 {
        terminal.resize(1 + round * 7 % 50, 1 + round * 13 % 150);
    }
    // The stand-in for a terminal does not survive a storm of its own: what counts is what is sent after it.
    *terminal.screen.lock().unwrap() = parser(30, 100);
    terminal.resize(30, 100);
    terminal
        .until("a whole frame", |text| text.contains("runs  ") && text.contains("q leave") && text.contains("attic"));
    fs::write(go, "").unwrap();
}
