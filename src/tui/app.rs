//! The loop of the wizard: waits, takes in, draws. It owns the terminal; nothing else writes to it.
//!
//! Drawn when something changed and once a second for the clocks. What a key changed is drawn at once; what
//! the engine or an action changed at most [`FRAMES_PER_SECOND`] times a second.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    act::{self, Do, LEAVE_ASK, Pressed, World},
    input::Input,
    rows::{self, Loaded},
    terminal::{self, Screen},
    text,
    theme::Theme,
    ui::{Facts, UiState},
    view::{self, Info, Scene},
    wake::{Remote, Wake, Wakes},
};
use crate::{
    engine::{Handle, LeaderBoard, LeaderSeen, Snapshot},
    runbook::model::InputId,
    session::{Command, Stamp},
    table::Table,
};

/// Most frames a second for changes that no key asked for.
const FRAMES_PER_SECOND: u64 = 20;
/// Time between two such frames.
const FRAME: Duration = Duration::from_millis(1_000 / FRAMES_PER_SECOND);
/// Time between two ticks of the clocks.
const TICK: Duration = Duration::from_secs(1);
/// Time between two looks for new output while an action runs.
const OUTPUT_LOOK: Duration = Duration::from_millis(100);
/// A frame that takes no longer than this to write counts as seen from when its writing began: whoever
/// answers faster than that answers it. A slower one hangs somewhere, and counts when it is through.
const QUICK: Duration = Duration::from_millis(100);
/// The same key within this time, with no other between, is held down.
const HELD: Duration = Duration::from_millis(150);

/// How the wizard ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TuiEnd {
    /// The engineer left, or the owner said so; the session is not over.
    Left,
    /// The session is over.
    Over,
    /// The terminal is gone. The process should end without waiting for the threads that read it.
    TerminalLost,
}

/// Where secrets go: the session never sees them.
pub type KeepSecret = Box<dyn Fn(&InputId, String) + Send>;

/// Reads a table that a step kept, by what its output says of it (`file`, `sha256`); else says why it cannot.
/// Called on a thread of its own: it may take its time.
pub type OpenTable = Arc<dyn Fn(&serde_json::Value) -> Result<Table, String> + Send + Sync>;

/// How the wizard is run.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, set by its own option or fact")]
pub struct TuiOptions {
    /// Only ASCII is drawn.
    pub ascii: bool,
    /// No colour is used.
    pub no_color: bool,
    /// The clocks.
    pub clock: fn() -> Stamp,
    /// Where it is woken from outside.
    pub wakes: Wakes,
    /// True if an unfinished session was taken up.
    pub resumed: bool,
    /// A word about the practice, such as `60x`.
    pub practice: Option<String>,
    /// Where the report is, or will be.
    pub report: Option<String>,
    /// True if commands may be sent to the terminal's clipboard.
    pub may_copy: bool,
    /// Opens tables; without it, none can be looked at.
    pub open_table: Option<OpenTable>,
    /// Takes secrets; without it, questions for secrets cannot be answered here.
    pub keep_secret: Option<KeepSecret>,
}

impl TuiOptions {
    /// Options that say nothing special.
    pub fn new(clock: fn() -> Stamp, wakes: Wakes) -> Self {
        Self {
            ascii: false,
            no_color: false,
            clock,
            wakes,
            resumed: false,
            practice: None,
            report: None,
            may_copy: true,
            open_table: None,
            keep_secret: None,
        }
    }
}

/// Runs the wizard on the calling thread, which owns the terminal until this returns. Call it from a thread
/// that does nothing else and is not one of the runtime's: it blocks, and a terminal that nobody reads may
/// hold it up for ever.
pub fn run(handle: Handle, options: TuiOptions) -> io::Result<TuiEnd> {
    let TuiOptions { wakes, .. } = &options;
    let remote = wakes.remote.clone();
    let mut app = App::new(handle, options)?;
    if app.draw().is_err() {
        return Ok(TuiEnd::TerminalLost);
    }
    watch_snapshots(app.snapshots.clone(), remote)?;
    let Ok(input) = Input::start(app.remote().sender(), app.started) else { return Ok(TuiEnd::TerminalLost) };
    // Once it was drawn on, a terminal that takes nothing more is gone.
    let end = app.serve().unwrap_or(TuiEnd::TerminalLost);
    match end {
        TuiEnd::Left | TuiEnd::Over => input.stop(),
        TuiEnd::TerminalLost => input.abandon(),
    }
    Ok(end)
}

struct App {
    screen: Screen,
    snapshots: watch::Receiver<Snapshot>,
    snapshot: Snapshot,
    output: crate::engine::OutputStore,
    output_seen: (usize, u64),
    board: LeaderBoard,
    leader: Option<LeaderSeen>,
    asks: Sender<(u64, Command)>,
    options: TuiOptions,
    info: Info,
    ui: UiState,
    started: Instant,
    drawn: Instant,
    dirty: bool,
    urgent: bool,
    last_key: Option<(crossterm::event::KeyCode, Duration)>,
    end: Option<TuiEnd>,
}

impl App {
    fn new(mut handle: Handle, options: TuiOptions) -> io::Result<Self> {
        let snapshot = handle.snapshots.borrow_and_update().clone();
        let started = Instant::now();
        terminal::flush_input();
        let screen = Screen::take()?;
        let info = Info { practice: options.practice.clone(), report: options.report.clone() };
        let snapshots = handle.snapshots.clone();
        let output = handle.output.clone();
        let board = handle.leader.clone();
        let asks = carry_asks(handle, &options.wakes.remote)?;
        let message = options.resumed.then(|| text::RESUMED.to_owned());
        let ui = UiState { message, ..UiState::default() };
        Ok(Self {
            screen,
            snapshots,
            snapshot,
            output_seen: output.len(),
            output,
            leader: board.get(),
            board,
            asks,
            options,
            info,
            ui,
            started,
            drawn: started,
            dirty: true,
            urgent: true,
            last_key: None,
            end: None,
        })
    }

    fn remote(&self) -> &Remote {
        &self.options.wakes.remote
    }

    fn serve(&mut self) -> io::Result<TuiEnd> {
        self.take_changes();
        loop {
            if let Some(end) = self.end {
                return Ok(end);
            }
            let since = self.drawn.elapsed();
            if self.dirty && (self.urgent || since >= FRAME) || since >= TICK {
                if self.draw().is_err() {
                    return Ok(TuiEnd::TerminalLost);
                }
                continue;
            }
            self.wait(since)?;
        }
    }

    fn wait(&mut self, since: Duration) -> io::Result<()> {
        let busy = self.snapshot.state.is_busy();
        let mut limit = TICK.saturating_sub(since);
        if busy {
            limit = limit.min(OUTPUT_LOOK);
        }
        if self.dirty {
            limit = limit.min(FRAME.saturating_sub(since));
        }
        let first = self.options.wakes.receiver.recv_timeout(limit).ok();
        if let Some(wake) = first {
            self.take(wake)?;
        }
        // A dialog that a key opened is drawn before the keys behind it are looked at.
        while self.end.is_none() && !self.urgent {
            let Ok(wake) = self.options.wakes.receiver.try_recv() else { break };
            self.take(wake)?;
        }
        self.take_flags()?;
        let leader = self.board.get();
        if leader != self.leader {
            self.leader = leader;
            self.dirty = true;
        }
        let output = self.output.len();
        if output != self.output_seen {
            self.output_seen = output;
            self.dirty = true;
        }
        Ok(())
    }

    fn take(&mut self, wake: Wake) -> io::Result<()> {
        match wake {
            Wake::Key(event, read) => {
                let again =
                    self.last_key.is_some_and(|(code, at)| code == event.code && read.saturating_sub(at) < HELD);
                self.last_key = Some((event.code, read));
                let mut ui = std::mem::take(&mut self.ui);
                let todo = act::key(self.world(), &mut ui, Pressed { event, read, held: again });
                self.ui = ui;
                self.dirty = true;
                self.urgent = true;
                self.perform(todo)?;
            }
            Wake::Paste(text) => {
                act::paste(&mut self.ui, &text);
                self.dirty = true;
                self.urgent = true;
            }
            // Back at the same size after a storm, the terminal may have cut what was there: draw it whole.
            Wake::Resize => {
                self.dirty = true;
                self.screen.forget();
            }
            Wake::Loaded(number, result) => {
                let mut ui = std::mem::take(&mut self.ui);
                rows::loaded(self.world(), &mut ui, number, result);
                self.ui = ui;
                self.dirty = true;
                self.urgent = true;
            }
            Wake::Answered(LEAVE_ASK, _) => self.finish(),
            Wake::Answered(number, answer) => {
                act::answered(&mut self.ui, number, answer);
                self.dirty = true;
                self.urgent = true;
            }
            Wake::Flags => {}
            Wake::Lost => self.end = Some(TuiEnd::TerminalLost),
        }
        Ok(())
    }

    fn take_flags(&mut self) -> io::Result<()> {
        let flagged = self.remote().take_flags();
        if flagged.quit.is_some() {
            self.finish();
        }
        if flagged.continued {
            self.screen.retake()?;
            self.dirty = true;
            self.urgent = true;
        }
        if flagged.changed {
            self.take_changes();
        }
        Ok(())
    }

    fn take_changes(&mut self) {
        self.snapshot = self.snapshots.borrow_and_update().clone();
        let mut ui = std::mem::take(&mut self.ui);
        let todo = act::changed(self.world(), &mut ui);
        self.ui = ui;
        self.dirty = true;
        drop(self.perform(todo));
    }

    fn perform(&mut self, todo: Vec<Do>) -> io::Result<()> {
        for one in todo {
            match one {
                Do::Ask(number, command) => {
                    if self.asks.send((number, command)).is_err() {
                        self.finish();
                    }
                }
                Do::Secret(input, secret) => {
                    if let Some(keep) = &self.options.keep_secret {
                        keep(&input, secret);
                    }
                }
                Do::Load(number, kept) => self.load(number, kept.evidence)?,
                Do::Copy(text) => self.screen.copy(&text)?,
                Do::Redraw => self.screen.forget(),
                Do::Suspend => self.screen.suspend()?,
                Do::End => self.finish(),
            }
        }
        Ok(())
    }

    /// Reads a table on a thread of its own, so that the screen goes on.
    fn load(&mut self, number: u64, evidence: serde_json::Value) -> io::Result<()> {
        let Some(open) = self.options.open_table.clone() else {
            let mut ui = std::mem::take(&mut self.ui);
            rows::loaded(self.world(), &mut ui, number, Err(text::NO_TABLES.to_owned()));
            self.ui = ui;
            return Ok(());
        };
        let sender = self.remote().sender();
        std::thread::Builder::new().name("tui-table".to_owned()).spawn(move || {
            let loaded = open(&evidence).map(|table| Arc::new(Loaded::new(table)));
            // The wizard may have ended meanwhile.
            drop(sender.send(Wake::Loaded(number, loaded)));
        })?;
        Ok(())
    }

    fn finish(&mut self) {
        let over = self.snapshots.borrow().state.is_over();
        self.end = Some(if over { TuiEnd::Over } else { TuiEnd::Left });
    }

    fn world(&self) -> World<'_> {
        World {
            state: &self.snapshot.state,
            health: &self.snapshot.health,
            output: &self.output,
            leader: self.leader.as_ref(),
            now: (self.options.clock)(),
            may_copy: self.options.may_copy,
            takes_secrets: self.options.keep_secret.is_some(),
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        let now = (self.options.clock)();
        let theme = Theme { ascii: self.options.ascii, no_color: self.options.no_color };
        let world = World {
            state: &self.snapshot.state,
            health: &self.snapshot.health,
            output: &self.output,
            leader: self.leader.as_ref(),
            now,
            may_copy: self.options.may_copy,
            takes_secrets: self.options.keep_secret.is_some(),
        };
        let scene = Scene { world, ui: &self.ui, theme, info: &self.info };
        let mut facts = Facts::default();
        let mut began = self.started.elapsed();
        let started = self.started;
        self.screen.draw(|frame| {
            let area = frame.area();
            facts = view::draw(scene, area, frame.buffer_mut());
            if let Some(cursor) = facts.cursor {
                frame.set_cursor_position(cursor);
            }
            began = started.elapsed();
        })?;
        let ended = self.started.elapsed();
        self.ui.drawn(facts, if ended.saturating_sub(began) <= QUICK { began } else { ended });
        self.drawn = Instant::now();
        self.dirty = false;
        self.urgent = false;
        Ok(())
    }
}

/// A thread that carries questions to the engine, one at a time, and brings the answers back.
fn carry_asks(handle: Handle, remote: &Remote) -> io::Result<Sender<(u64, Command)>> {
    let (asks, waiting) = channel::<(u64, Command)>();
    let sender = remote.sender();
    std::thread::Builder::new().name("tui-ask".to_owned()).spawn(move || {
        while let Ok((number, command)) = waiting.recv() {
            let answer = handle.ask_blocking(command);
            if sender.send(Wake::Answered(number, answer)).is_err() {
                return;
            }
        }
    })?;
    Ok(asks)
}

/// A thread that turns new snapshots into wakes. It ends with the engine.
fn watch_snapshots(mut snapshots: watch::Receiver<Snapshot>, remote: Remote) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    std::thread::Builder::new().name("tui-snapshots".to_owned()).spawn(move || {
        runtime.block_on(async {
            while snapshots.changed().await.is_ok() {
                remote.changed();
            }
        });
    })?;
    Ok(())
}
