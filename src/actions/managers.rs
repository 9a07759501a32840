//! What service managers say of a service, each in its own words.
//!
//! Pure. A service that is being started, stopped or about to be started again neither runs nor is stopped: that is said,
//! and is not rounded to either.

use crate::{
    hosts::{End, Ran},
    inventory::Manager,
};

/// Exit code of a status command for a service that runs, by the LSB.
const RUNS: i32 = 0;
/// Exit code of a status command for a service that does not run, by the LSB.
const RUNS_NOT: i32 = 3;

/// What a service does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It runs.
    Running,
    /// It does not, and nobody is about to start it.
    Stopped,
    /// Neither: in the manager's words.
    Between(String),
    /// The manager does not say.
    Unknown(String),
}

/// What a status command said.
pub(super) fn state(manager: Option<Manager>, ran: &Ran) -> State {
    let (text, code) = (String::from_utf8_lossy(&ran.stdout), ran.end);
    let End::Exited(code) = code else { return State::Unknown(format!("{code:?}")) };
    match manager {
        None | Some(Manager::Sysv) => by_code(code),
        Some(Manager::Systemd) => systemd(&text, code),
        Some(Manager::Upstart) => upstart(&text, code),
        Some(Manager::Runit) => runit(&text, code),
        Some(Manager::Supervisor) => supervisor(&text, code),
    }
}

fn by_code(code: i32) -> State {
    match code {
        RUNS => State::Running,
        RUNS_NOT => State::Stopped,
        other => State::Unknown(format!("exit code {other}")),
    }
}

fn unsaid(text: &str, code: i32) -> State {
    let first = text.lines().next().unwrap_or_default();
    State::Unknown(format!("exit code {code}: {:?}", first.chars().take(120).collect::<String>()))
}

/// The value of a property that `systemctl show` prints.
pub(super) fn property<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(str::trim)
}

fn systemd(text: &str, code: i32) -> State {
    let (Some(active), Some(load)) = (property(text, "ActiveState"), property(text, "LoadState")) else {
        return unsaid(text, code);
    };
    let sub = property(text, "SubState").unwrap_or_default();
    match (active, load) {
        (_, "not-found" | "bad-setting" | "error") if active != "active" => {
            State::Unknown(format!("systemd has no such unit: it is {load}"))
        }
        ("active" | "reloading", _) => State::Running,
        ("inactive" | "failed", _) => State::Stopped,
        _ => State::Between(format!("{active} ({sub})")),
    }
}

/// `aurora-scheduler start/running, process 812`: what is wanted, and what is.
fn upstart(text: &str, code: i32) -> State {
    let first = text.lines().next().unwrap_or_default();
    let found = first.split_whitespace().find(|word| word.contains('/') && !word.starts_with('/'));
    let Some((goal, state)) = found.and_then(|word| word.trim_end_matches(',').split_once('/')) else {
        return unsaid(text, code);
    };
    match (goal, state) {
        ("start", "running") => State::Running,
        ("stop", "waiting") => State::Stopped,
        ("start" | "stop", _) => State::Between(format!("{goal}/{state}")),
        _ => unsaid(text, code),
    }
}

/// `run: /etc/service/x: (pid 812) 5s`, `down: …: 3s, normally up`, with `want down` or `want up` where it is on its way.
fn runit(text: &str, code: i32) -> State {
    let own = text.lines().next().unwrap_or_default().split("; run: log").next().unwrap_or_default();
    let own = own.split("; down: log").next().unwrap_or_default();
    let word = own.split(':').next().unwrap_or_default();
    let wants = |what: &str| own.split(", ").any(|part| part.trim() == what);
    match word {
        "run" if wants("want down") => State::Between("it runs, and is told to end".to_owned()),
        "run" => State::Running,
        "down" if wants("want up") => State::Between("it is down, and about to be started again".to_owned()),
        "down" => State::Stopped,
        "finish" => State::Between("it ended, and its finish script runs".to_owned()),
        _ => unsaid(text, code),
    }
}

/// `scheduler   RUNNING   pid 812, uptime 0:00:05`, one line a process of a group.
fn supervisor(text: &str, code: i32) -> State {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let states: Vec<&str> = lines.map(|line| line.split_whitespace().nth(1).unwrap_or_default()).collect();
    let all = |words: &[&str]| !states.is_empty() && states.iter().all(|state| words.contains(state));
    let any = |words: &[&str]| states.iter().find(|state| words.contains(state));
    if all(&["RUNNING"]) {
        return State::Running;
    }
    if all(&["STOPPED", "EXITED", "FATAL"]) {
        return State::Stopped;
    }
    let known = ["RUNNING", "STOPPED", "EXITED", "FATAL", "STARTING", "BACKOFF", "STOPPING"];
    match any(&["STARTING", "BACKOFF", "STOPPING"]) {
        Some(state) => State::Between((*state).to_owned()),
        None if all(&known) => State::Between(states.join(", ")),
        None => unsaid(text, code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(code: i32, stdout: &str) -> Ran {
        let stdout = stdout.as_bytes().to_vec();
        Ran { end: End::Exited(code), stdout, stdout_cut: false, stderr: Vec::new(), held: false }
    }

    #[test]
    fn each_manager_is_understood_in_its_own_words() {
        use Manager::{Runit, Supervisor, Systemd, Sysv, Upstart};
        let between = |words: &str| State::Between(words.to_owned());
        let systemd =
            |load: &str, active: &str, sub: &str| format!("LoadState={load}\nActiveState={active}\nSubState={sub}\n");
        let told = "it runs, and is told to end";
        let again = "it is down, and about to be started again";
        for (manager, code, text, wanted) in [
            (None, 0, String::new(), State::Running),
            (None, 3, String::new(), State::Stopped),
            (None, 1, String::new(), State::Unknown("exit code 1".to_owned())),
            (Some(Sysv), 0, "aurora (pid 812) is running...".to_owned(), State::Running),
            (Some(Sysv), 3, "aurora is stopped".to_owned(), State::Stopped),
            (Some(Sysv), 2, "aurora dead but subsys locked".to_owned(), State::Unknown("exit code 2".to_owned())),
            (Some(Systemd), 0, systemd("loaded", "active", "running"), State::Running),
            (Some(Systemd), 0, systemd("loaded", "inactive", "dead"), State::Stopped),
            (Some(Systemd), 0, systemd("loaded", "failed", "failed"), State::Stopped),
            (Some(Systemd), 0, systemd("masked", "inactive", "dead"), State::Stopped),
            (Some(Systemd), 0, systemd("loaded", "activating", "auto-restart"), between("activating (auto-restart)")),
            (
                Some(Systemd),
                0,
                systemd("loaded", "deactivating", "stop-sigterm"),
                between("deactivating (stop-sigterm)"),
            ),
            (Some(Upstart), 0, "aurora-scheduler start/running, process 812\n".to_owned(), State::Running),
            (Some(Upstart), 0, "aurora-scheduler stop/waiting\n".to_owned(), State::Stopped),
            (Some(Upstart), 0, "aurora-scheduler start/post-stop, process 90\n".to_owned(), between("start/post-stop")),
            (Some(Upstart), 0, "aurora-scheduler stop/killed, process 90\n".to_owned(), between("stop/killed")),
            (Some(Runit), 0, "run: /etc/service/a: (pid 812) 5s\n".to_owned(), State::Running),
            (Some(Runit), 0, "run: a: (pid 812) 5s; run: log: (pid 9) 7s, want down\n".to_owned(), State::Running),
            (Some(Runit), 0, "run: a: (pid 812) 5s, want down, got TERM\n".to_owned(), between(told)),
            (Some(Runit), 0, "down: a: 3s, normally up\n".to_owned(), State::Stopped),
            (Some(Runit), 0, "down: a: 0s, normally up, want up\n".to_owned(), between(again)),
            (Some(Supervisor), 0, "a   RUNNING   pid 812, uptime 0:00:05\n".to_owned(), State::Running),
            (Some(Supervisor), 3, "a   STOPPED   Nov 30 03:04 AM\n".to_owned(), State::Stopped),
            (Some(Supervisor), 3, "a   FATAL     Exited too quickly\n".to_owned(), State::Stopped),
            (Some(Supervisor), 3, "a   BACKOFF   Exited too quickly\n".to_owned(), between("BACKOFF")),
            (Some(Supervisor), 3, "g:a RUNNING pid 8\ng:b STOPPED x\n".to_owned(), between("RUNNING, STOPPED")),
        ] {
            assert_eq!(state(manager, &ran(code, &text)), wanted, "{manager:?} {text:?}");
        }
        for (manager, code, text) in [
            (Systemd, 0, systemd("not-found", "inactive", "dead")),
            (Systemd, 1, "Failed to connect to bus: No such file or directory\n".to_owned()),
            (Upstart, 1, "initctl: Unknown job: aurora\n".to_owned()),
            (Runit, 1, "fail: a: unable to change to service directory: file does not exist\n".to_owned()),
            (Supervisor, 4, "a: ERROR (no such process)\n".to_owned()),
            (Supervisor, 4, "unix:///x.sock no such file\n".to_owned()),
        ] {
            assert!(matches!(state(Some(manager), &ran(code, &text)), State::Unknown(_)), "{manager:?} {text:?}");
        }
        let killed = Ran { end: End::TimedOut, ..ran(0, "") };
        assert!(matches!(state(None, &killed), State::Unknown(_)));
    }
}
