//! The wizard on a real terminal: this very test program is run again on a pty, as [`child`].

use std::{
    io::{Read, Write},
    num::NonZero,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, channel},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use super::fixture::{backups, opened};
use crate::{
    engine::{Engine, OutputLine, OutputStore, Perform, Stream, system_clock},
    journal::{Head, Journal, MemoryDisk},
    runbook::Mode,
    session::{Look, Order, Outcome, Report, Stamp, State},
    tui::{TuiEnd, TuiOptions, remote, run},
};

/// Tells the child what it is to do.
const ROLE: &str = "FIRSTLIGHT_TUI_CHILD";
/// Longest wait for anything.
const BOUND: Duration = Duration::from_secs(20);

/// A world in which everything goes well after a moment.
struct Obliging;

#[async_trait]
impl Perform for Obliging {
    async fn attempt(&self, order: Order, output: OutputStore) -> Outcome {
        for number in 1..=8 {
            let text = format!("working on it, part {number} of 8");
            output.push(OutputLine { attempt: order.attempt, host: order.host.clone(), stream: Stream::Out, text });
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        Outcome::Done(backups())
    }

    async fn look(&self, look: Look) -> Report {
        tokio::time::sleep(Duration::from_millis(look.after_ms.min(500))).await;
        Report::holds("seen, as it should be")
    }

    fn stop(&self) {}
}

static PANIC: AtomicBool = AtomicBool::new(false);

fn clock() -> Stamp {
    assert!(!PANIC.load(Ordering::Acquire), "asked to panic");
    system_clock()
}

/// Not a test of its own: the other tests run it on a pty.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let state = State::open(opened(Mode::Recovery, role == "practice"), system_clock()).unwrap();
    let journal = Journal::on(Box::new(MemoryDisk::default()), Head::EMPTY);
    let (engine, handle) = Engine::new(state, journal, Arc::new(Obliging), system_clock);
    let (ready, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            // Without a handler, a hangup would end the process before the wizard sees it.
            let mut hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).unwrap();
            tokio::spawn(async move { while hangup.recv().await.is_some() {} });
            ready.send(()).unwrap();
            engine.run().await
        });
    });
    wait.recv().unwrap();
    let (outside, wakes) = remote();
    let mut options = TuiOptions::new(clock, wakes);
    options.practice = (role == "practice").then(|| "60x".to_owned());
    match role.as_str() {
        "panic" => drop(std::thread::spawn(|| {
            std::thread::sleep(Duration::from_millis(400));
            PANIC.store(true, Ordering::Release);
        })),
        "panic-elsewhere" => drop(std::thread::spawn(|| {
            std::thread::sleep(Duration::from_millis(400));
            panic!("elsewhere");
        })),
        "quit" => drop(std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(400));
            outside.quit("terminated");
        })),
        _ => {}
    }
    let end = run(handle, options);
    let code = match end {
        Ok(TuiEnd::Left) => 40,
        Ok(TuiEnd::Over) => 41,
        Ok(TuiEnd::TerminalLost) => 42,
        Err(_) => 43,
    };
    std::process::exit(code);
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).unwrap()
}

struct Pty {
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    child: Box<dyn Child + Send + Sync>,
    screen: Arc<Mutex<vt100::Parser>>,
    news: Receiver<()>,
    gone: Arc<AtomicBool>,
    before: String,
}

impl Pty {
    fn start(role: &str, rows: u16, cols: u16) -> Self {
        let pair = native_pty_system().openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
        let before = format!("{:?}", pair.master.get_termios().unwrap());
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(["tui::tests::pty::child", "--exact", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, role);
        command.env("TERM", "xterm-256color");
        command.env("RUST_BACKTRACE", "0");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(cells(rows), cells(cols), 0)));
        let (tell, news) = channel();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let parser = screen.clone();
        let gone = Arc::new(AtomicBool::new(false));
        let hung_up = gone.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                parser.lock().unwrap().process(&bytes[..read]);
                if tell.send(()).is_err() || hung_up.load(Ordering::Acquire) {
                    return;
                }
            }
        });
        let writer = pair.master.take_writer().unwrap();
        Self { master: Some(pair.master), writer: Some(writer), child, screen, news, gone, before }
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    fn wait_for(&self, what: &str, holds: impl Fn(&vt100::Screen) -> bool) {
        let end = Instant::now() + BOUND;
        while !holds(self.screen.lock().unwrap().screen()) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} was not seen on\n{}", self.text());
            let _ = self.news.recv_timeout(left.min(Duration::from_millis(200)));
        }
    }

    fn wait_text(&self, text: &str) {
        self.wait_for(text, |screen| screen.contents().contains(text));
    }

    fn send(&mut self, keys: &str) {
        self.writer.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    fn resize(&self, rows: u16, cols: u16) {
        self.screen.lock().unwrap().screen_mut().set_size(cells(rows), cells(cols));
        self.master.as_ref().unwrap().resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    fn code(&mut self) -> u32 {
        let end = Instant::now() + BOUND;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            if Instant::now() > end {
                let _ = self.child.kill();
                panic!("it does not end:\n{}", self.text());
            }
            let _ = self.news.recv_timeout(Duration::from_millis(50));
        }
    }

    /// The terminal is as it was before.
    fn restored(&mut self) {
        self.wait_for("the ordinary screen", |screen| {
            !screen.alternate_screen() && !screen.bracketed_paste() && !screen.hide_cursor()
        });
        let after = format!("{:?}", self.master.as_ref().unwrap().get_termios().unwrap());
        assert_eq!(self.before, after);
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_session_is_walked_left_and_the_terminal_put_back() {
    let mut pty = Pty::start("walk", 24, 80);
    pty.wait_text("2 of 2 consequences");
    // What is typed ahead confirms nothing: the dialog was not on the screen.
    pty.send("r\r");
    pty.wait_text("that key came before");
    pty.send("\u{1b}");
    pty.wait_for("the plan", |screen| !screen.contents().contains("begin?"));
    pty.send(" ");
    pty.wait_text("1 of 2 consequences");
    pty.send(" ");
    pty.wait_text("r begins the session");
    pty.send("r");
    pty.wait_text("Enter begins");
    pty.send("\r");
    pty.wait_text("Look at every scheduler");
    pty.wait_text("working on it, part 8 of 8");
    pty.wait_text("1.2 Answer what cannot");
    pty.send("s");
    pty.wait_text("Why may it be left out?");
    pty.send("\u{1b}[200~not\rneeded\u{1b}[201~");
    pty.wait_text("> not needed");
    pty.send("\r");
    pty.wait_text("2.1 Stop every scheduler");
    pty.send("r");
    pty.wait_text("Enter runs it");
    pty.send("\r");
    pty.wait_text("running");
    pty.send("\u{3}");
    pty.wait_text("An action runs");
    pty.send("\u{3}");
    pty.wait_text("leaving as soon as");
    assert_eq!(pty.code(), 40);
    pty.restored();
}

#[test]
fn a_storm_of_sizes_ends_in_a_whole_frame() {
    let mut pty = Pty::start("practice", 24, 80);
    pty.wait_text("PRACTICE");
    for round in 0..60u16 {
        pty.resize(1 + round * 7 % 50, 1 + round * 13 % 150);
    }
    // The stand-in for a terminal does not survive a storm of its own: what counts is what is sent after it.
    *pty.screen.lock().unwrap() = vt100::Parser::new(cells(24), cells(80), 0);
    pty.resize(24, 80);
    pty.wait_for("a whole frame", |screen| {
        let lines: Vec<String> = screen.rows(0, 80).collect();
        lines[0].contains("PRACTICE  60x") && lines[23].contains("q leave") && lines[0].contains("incident")
    });
    pty.send("q");
    pty.wait_text("Enter leaves");
    pty.send("\r");
    assert_eq!(pty.code(), 40);
    pty.restored();
}

#[test]
fn a_panic_puts_the_terminal_back_and_is_told() {
    let mut pty = Pty::start("panic", 24, 80);
    pty.wait_text("RECOVERY");
    pty.wait_text("asked to panic");
    pty.code();
    pty.restored();
}

#[test]
fn a_panic_elsewhere_does_not_touch_the_frame() {
    let mut pty = Pty::start("panic-elsewhere", 24, 80);
    pty.wait_text("incident 00:02");
    assert!(pty.screen.lock().unwrap().screen().alternate_screen());
    pty.send("q");
    pty.wait_text("Enter leaves");
    pty.send("\r");
    assert_eq!(pty.code(), 40);
    pty.wait_text("a defect of firstlight");
    pty.restored();
}

#[test]
fn the_owner_ends_it() {
    let mut pty = Pty::start("quit", 24, 80);
    assert_eq!(pty.code(), 40);
    pty.restored();
}

#[test]
fn a_terminal_that_goes_away_ends_it_at_once() {
    let mut pty = Pty::start("hangup", 24, 80);
    pty.wait_text("RECOVERY");
    // The reader lets go of the terminal with the next tick of the clock.
    pty.gone.store(true, Ordering::Release);
    drop(pty.writer.take());
    drop(pty.master.take());
    assert_eq!(pty.code(), 42);
}
