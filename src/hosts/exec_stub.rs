//! The stub between us and a child: our own binary, started as `firstlight __exec PARENT -- PROGRAM ARGUMENTS`.
//!
//! It makes a session of its own, so that the program has no terminal to open and its whole group can be ended, asks
//! the kernel to be killed when the parent dies, and becomes the program. All of that from safe functions; doing it
//! between fork and exec would need unsafe code. The parent-death signal reaches the program itself, not what it
//! starts, and only while the thread that started it lives.

use std::{ffi::OsString, os::unix::process::CommandExt as _, process::Command};

use rustix::process::{Signal, getppid, set_parent_process_death_signal, setsid};

/// First argument that selects the stub.
pub const EXEC_STUB: &str = "__exec";

/// Exit code when the program is there but cannot be run, as shells have it.
const CANNOT_RUN: i32 = 126;
/// Exit code when there is no such program, as shells have it.
const NOT_FOUND: i32 = 127;

/// Becomes the program that `args` name (what follows [`EXEC_STUB`]); returns an exit code if it cannot.
pub fn exec_stub(args: impl IntoIterator<Item = OsString>) -> i32 {
    let mut args = args.into_iter();
    let parent = args.next().and_then(|text| text.to_str()?.parse::<i32>().ok());
    let dashes = args.next();
    let (Some(parent), Some("--"), Some(program)) =
        (parent, dashes.as_ref().and_then(|text| text.to_str()), args.next())
    else {
        say("internal use only");
        return CANNOT_RUN;
    };
    if let Err(error) = setsid() {
        say(&format!("cannot start a session of its own: {error}"));
        return CANNOT_RUN;
    }
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        say(&format!("cannot tie it to its parent's life: {error}"));
        return CANNOT_RUN;
    }
    // A parent that died before the request above is not noticed by the kernel.
    if getppid().is_none_or(|found| found.as_raw_nonzero().get() != parent) {
        return CANNOT_RUN;
    }
    let error = Command::new(&program).args(args).exec();
    say(&format!("cannot run {}: {error}", program.to_string_lossy()));
    if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN }
}

fn say(text: &str) {
    use std::io::Write as _;
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(std::io::stderr(), "firstlight: {text}");
}
