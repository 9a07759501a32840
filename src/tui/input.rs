//! Keys, and the terminal going away. Two threads: one reads keys, one only watches for the hangup, because
//! reading a terminal that is gone may never come back.

use std::{
    io::{self, Write},
    os::unix::net::UnixStream,
    sync::mpsc::SyncSender,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crossterm::event::{self, Event};
use rustix::event::{PollFd, PollFlags, Timespec};

use super::{terminal::Tty, wake::Wake};

/// Longest wait before sizes are looked at: a signal that comes to another thread does not end a wait.
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };

/// The threads that read the terminal.
pub(super) struct Input {
    stop: UnixStream,
    reader: Option<JoinHandle<()>>,
}

impl Input {
    /// Begins to read. `started` is what times of keys count from.
    pub(super) fn start(sender: SyncSender<Wake>, started: Instant) -> io::Result<Self> {
        let (stop, stopped) = UnixStream::pair()?;
        let watched = stopped.try_clone()?;
        let watch_sender = sender.clone();
        let tty = Tty::find()?;
        let watched_tty = Tty::find()?;
        std::thread::Builder::new().name("tty-watch".to_owned()).spawn(move || {
            if watch(&watched_tty, &watched) {
                drop(watch_sender.send(Wake::Lost));
            }
        })?;
        let reader = std::thread::Builder::new().name("tty-read".to_owned()).spawn(move || {
            if read(&tty, &stopped, &sender, started).is_err() {
                drop(sender.send(Wake::Lost));
            }
        })?;
        Ok(Self { stop, reader: Some(reader) })
    }

    /// Stops reading, so that no key is taken from whoever has the terminal next.
    pub(super) fn stop(mut self) {
        drop(self.stop.write_all(&[0]));
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
    }

    /// Stops without waiting: the terminal is gone, and the reader may never come back.
    pub(super) fn abandon(mut self) {
        drop(self.stop.write_all(&[0]));
    }
}

/// Waits until the terminal is gone (true) or nobody cares any more (false).
fn watch(tty: &Tty, stop: &UnixStream) -> bool {
    loop {
        let mut fds = [PollFd::new(tty, PollFlags::empty()), PollFd::new(stop, PollFlags::IN)];
        match rustix::event::poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return true,
        }
        let [tty_fd, stop_fd] = &fds;
        if !stop_fd.revents().is_empty() {
            return false;
        }
        if is_gone(tty_fd.revents()) {
            return true;
        }
    }
}

fn read(tty: &Tty, stop: &UnixStream, sender: &SyncSender<Wake>, started: Instant) -> io::Result<()> {
    loop {
        let mut fds = [PollFd::new(tty, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
        match rustix::event::poll(&mut fds, Some(&WAIT)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [tty_fd, stop_fd] = &fds;
        if !stop_fd.revents().is_empty() {
            return Ok(());
        }
        if is_gone(tty_fd.revents()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // All that came together was typed before anyone could see what the first of it led to.
        let read = started.elapsed();
        while event::poll(Duration::ZERO)? {
            let wake = match event::read()? {
                Event::Key(key) => Wake::Key(key, read),
                Event::Paste(text) => Wake::Paste(text),
                Event::Resize(..) => Wake::Resize,
                Event::FocusGained | Event::FocusLost | Event::Mouse(_) => continue,
            };
            if sender.send(wake).is_err() {
                return Ok(());
            }
        }
    }
}

fn is_gone(flags: PollFlags) -> bool {
    flags.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
}
