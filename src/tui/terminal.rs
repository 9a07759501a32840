//! The terminal: taken once, put back once, on every path. Raw mode, alternate screen, bracketed paste; frames
//! in a synchronized update.
//!
//! What it survives: a panic of the thread that owns the terminal (it is put back first, then the panic is
//! reported); a panic of any other thread (nothing is drawn over the frame; it is reported after the end).
//! What it does not: SIGKILL, after which `reset` helps.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal, Stdout, Write},
    mem::ManuallyDrop,
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::ThreadId,
    time::Duration,
};

use crossterm::{
    cursor::Show,
    event::{DisableBracketedPaste, EnableBracketedPaste},
    execute, queue,
    terminal::{
        BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
        enable_raw_mode,
    },
};
use ratatui::{Frame, Terminal, backend::CrosstermBackend, layout::Rect};

/// A frame of 200 by 60 with colours fits, so that it leaves in one piece.
const FRAME_BYTES: usize = 64 * 1024;

/// Within this time a stop signal has stopped every thread of the process.
const STOP_ARRIVES: Duration = Duration::from_millis(50);

/// True while the terminal is ours.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// The thread that owns the terminal.
static OWNER: Mutex<Option<ThreadId>> = Mutex::new(None);
/// What other threads had to say while the terminal was ours.
static HELD_BACK: Mutex<Vec<String>> = Mutex::new(Vec::new());
static HOOK: Once = Once::new();

type Backend = CrosstermBackend<BufWriter<Stdout>>;

/// The terminal, while it is ours.
pub(super) struct Screen {
    /// Never dropped: its own drop shows the cursor, which `put_back` did, and complains on standard error if
    /// the terminal is gone, which panics. What it holds is two buffers at the end of a run.
    terminal: ManuallyDrop<Terminal<Backend>>,
    /// True if the next frame is drawn whole.
    whole: bool,
}

impl Screen {
    /// Takes the terminal.
    pub(super) fn take() -> io::Result<Self> {
        install_hook();
        *OWNER.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::current().id());
        let taken = take_modes();
        if let Err(error) = taken {
            drop(put_back());
            return Err(error);
        }
        let backend = CrosstermBackend::new(BufWriter::with_capacity(FRAME_BYTES, io::stdout()));
        match Terminal::new(backend) {
            Ok(terminal) => Ok(Self { terminal: ManuallyDrop::new(terminal), whole: false }),
            Err(error) => {
                drop(put_back());
                Err(error)
            }
        }
    }

    /// Draws a frame, all of it or nothing.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        let cleared = if std::mem::take(&mut self.whole) { self.clear() } else { Ok(()) };
        let drawn = cleared.and_then(|()| self.terminal.draw(draw).map(|_| ()));
        let ended = execute!(self.terminal.backend_mut(), EndSynchronizedUpdate);
        drawn.and(ended)
    }

    /// The next frame is drawn whole, whatever is on the screen.
    pub(super) fn forget(&mut self) {
        self.whole = true;
    }

    /// `Terminal::clear` would ask the terminal where its cursor is, and the answer would be taken by whoever
    /// reads the keys.
    fn clear(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::new(0, 0, size.width, size.height))
    }

    /// Hands a text to the terminal's clipboard (OSC 52).
    pub(super) fn copy(&mut self, text: &str) -> io::Result<()> {
        let out = self.terminal.backend_mut();
        write!(out, "\u{1b}]52;c;{}\u{7}", base64(text.as_bytes()))?;
        Write::flush(out)
    }

    /// Gives the terminal back, stops the process, and takes the terminal again when it goes on.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        put_back()?;
        let stopped = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
        // The signal goes to the process, not to this thread: it may take a moment to arrive here, and the
        // modes must not be taken before that, or the shell takes them back.
        std::thread::sleep(STOP_ARRIVES);
        take_modes()?;
        flush_input();
        self.forget();
        stopped.map_err(io::Error::from)
    }

    /// Takes the terminal's modes once more: someone stopped the process and let it go on.
    pub(super) fn retake(&mut self) -> io::Result<()> {
        // What crossterm remembers as the mode before raw mode is still that of the shell.
        drop(disable_raw_mode());
        TAKEN.store(false, Ordering::Release);
        take_modes()?;
        flush_input();
        self.forget();
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        drop(put_back());
        for text in std::mem::take(&mut *HELD_BACK.lock().unwrap_or_else(PoisonError::into_inner)) {
            drop(writeln!(io::stderr(), "{text}"));
        }
    }
}

/// The terminal's file: standard input if it is one, as it is for whoever reads the keys.
pub(super) enum Tty {
    Stdin(io::Stdin),
    Opened(File),
}

impl Tty {
    pub(super) fn find() -> io::Result<Self> {
        let stdin = io::stdin();
        if stdin.is_terminal() {
            return Ok(Self::Stdin(stdin));
        }
        Ok(Self::Opened(File::options().read(true).write(true).open("/dev/tty")?))
    }
}

impl AsFd for Tty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stdin(stdin) => stdin.as_fd(),
            Self::Opened(file) => file.as_fd(),
        }
    }
}

/// Throws away what was typed before anyone could see what it answers.
pub(super) fn flush_input() {
    if let Ok(tty) = Tty::find() {
        let _ = rustix::termios::tcflush(&tty, rustix::termios::QueueSelector::IFlush);
    }
}

fn take_modes() -> io::Result<()> {
    TAKEN.store(true, Ordering::Release);
    enable_raw_mode()?;
    // From here on changes of size are noticed, also those that come before the first key is waited for.
    crossterm::event::poll(Duration::ZERO)?;
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste)
}

/// Puts the terminal back if it is ours. Every step is tried; the first error is told.
fn put_back() -> io::Result<()> {
    if !TAKEN.swap(false, Ordering::AcqRel) {
        return Ok(());
    }
    let raw = disable_raw_mode();
    let rest = execute!(io::stdout(), EndSynchronizedUpdate, DisableBracketedPaste, LeaveAlternateScreen, Show);
    raw.and(rest)
}

/// A panic of the owner puts the terminal back before it is reported. One of another thread must not write
/// over the frame: it is kept and told at the end.
fn install_hook() {
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let owner = *OWNER.lock().unwrap_or_else(PoisonError::into_inner);
            let ours = owner == Some(std::thread::current().id());
            if ours {
                drop(put_back());
            } else if TAKEN.load(Ordering::Acquire) {
                let mut held = HELD_BACK.lock().unwrap_or_else(PoisonError::into_inner);
                if held.len() < 32 {
                    held.push(format!("a defect of firstlight: {info}"));
                }
                return;
            }
            before(info);
        }));
    });
}

/// Base 64 with padding (RFC 4648 section 4), as OSC 52 asks for.
pub(super) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |bits: u32| char::from(*LETTERS.get(bits as usize & 63).unwrap_or(&b'='));
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        out.push(letter(bits >> 18));
        out.push(letter(bits >> 12));
        out.push(if chunk.len() > 1 { letter(bits >> 6) } else { '=' });
        out.push(if chunk.len() > 2 { letter(bits) } else { '=' });
    }
    out
}
