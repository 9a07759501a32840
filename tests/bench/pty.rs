//! A program on a pty, its screen, and the moments at which its frames were whole.

use std::{
    error::Error,
    io::{Read, Write},
    num::NonZero,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Longest wait for anything.
const BOUND: Duration = Duration::from_mins(1);

/// Ends a synchronized update (DEC private mode 2026): a frame is whole.
const FRAME_END: &[u8] = b"\x1b[?2026l";

/// A program on a pty. It is ended when this is dropped.
pub struct Pty {
    /// The program's process.
    pub pid: u32,
    child: Box<dyn Child + Send + Sync>,
    writer: Box<dyn Write + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    frames: Receiver<Instant>,
    _master: Box<dyn portable_pty::MasterPty + Send>,
}

impl Pty {
    /// Starts a program on a terminal of this size.
    pub fn start(mut command: CommandBuilder, (cols, rows): (u16, u16)) -> Result<Self> {
        let pair = native_pty_system().openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 })?;
        command.env("TERM", "xterm-256color");
        command.env("LC_ALL", "C.UTF-8");
        command.env_remove("NO_COLOR");
        let (rows, cols) = (NonZero::new(rows).ok_or("no rows")?, NonZero::new(cols).ok_or("no columns")?);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, cols, 0)));
        let (tell, frames) = channel();
        let reader = pair.master.try_clone_reader()?;
        let writer = pair.master.take_writer()?;
        let parser = Arc::clone(&screen);
        std::thread::spawn(move || follow(reader, &parser, &tell));
        let child = pair.slave.spawn_command(command)?;
        let pid = child.process_id().ok_or("the program has no process id")?;
        Ok(Self { pid, child, writer, screen, frames, _master: pair.master })
    }

    /// What is on the screen.
    pub fn screen(&self) -> MutexGuard<'_, vt100::Parser> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Types.
    pub fn send(&mut self, keys: &str) -> Result<()> {
        Ok(self.writer.write_all(keys.as_bytes())?)
    }

    /// Forgets the frames that have come.
    pub fn drain(&self) {
        while self.frames.try_recv().is_ok() {}
    }

    /// Waits for the end of a frame; returns when it came.
    pub fn frame(&self) -> Result<Instant> {
        let lost =
            |_| format!("no frame of process {} within {BOUND:?} on\n{}", self.pid, self.screen().screen().contents());
        Ok(self.frames.recv_timeout(BOUND).map_err(lost)?)
    }

    /// Waits until a frame shows a text.
    pub fn shows(&self, text: &str) -> Result<()> {
        let end = Instant::now() + BOUND;
        loop {
            let contents = self.screen().screen().contents();
            if contents.contains(text) {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(format!("no {text:?} within {BOUND:?} on\n{contents}").into());
            }
            self.frame()?;
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Reads what the program writes, as fast as it comes. A frame is told once the screen shows it, with the time at
/// which its last byte was read.
fn follow(mut reader: Box<dyn Read + Send>, screen: &Mutex<vt100::Parser>, tell: &Sender<Instant>) {
    let mut bytes = vec![0; 64 * 1024];
    let mut tail: Vec<u8> = Vec::new();
    while let Ok(count @ 1..) = reader.read(&mut bytes) {
        let at = Instant::now();
        let piece = bytes.get(..count).unwrap_or_default();
        screen.lock().unwrap_or_else(PoisonError::into_inner).process(piece);
        tail.extend_from_slice(piece);
        let ends = tail.windows(FRAME_END.len()).filter(|window| *window == FRAME_END).count();
        // What may be the beginning of another end is kept.
        tail.drain(..tail.len().saturating_sub(FRAME_END.len() - 1));
        for _ in 0..ends {
            if tell.send(at).is_err() {
                return;
            }
        }
    }
}
