//! A program on a machine: in a session of its own there, so that it can be ended as a group by a second script.
//!
//! The program's process says its own number before it becomes the program; what it prints stands between marks, with
//! its exit code in the last one. Where the machine has timeout(1), the program is bounded there as well and does not
//! live on for long after a line that broke. Its environment may hold secrets: it goes in as input, never as arguments.

use std::{collections::BTreeMap, fmt::Write as _, sync::PoisonError, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, sleep_until, timeout},
};

use super::{
    ShellHost,
    ask::{Asked, LEAK, Said, ask},
    text::{NO_CWD, looking, one_line, word},
};
use crate::{
    engine::Stream,
    hosts::{
        End, HostError, Output, Ran, Run, Stop,
        frame::{Frame, Marks},
        line::{Ended, Open},
    },
};

/// Time after ours in which the machine itself ends a program, when nobody is left to do it.
const BEYOND: Duration = Duration::from_mins(1);
/// Time for the script that ends a group: it waits three seconds before it kills.
const ENDING_MAX: Duration = Duration::from_secs(20);
/// Time after that in which the machine says that it ended.
const HEARD_MAX: Duration = Duration::from_secs(10);
/// Bytes of standard error kept for the words of a failure.
const STDERR_KEPT_BYTES: usize = 16 * 1024;
/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;
/// Added to the code of a program that the machine itself had to end.
const LATE: i32 = 1000;
/// Codes above this are a signal's number more, as shells have it.
const SIGNALLED: i32 = 128;
/// What programs find in their environment on every host: words in one language, nothing that asks.
const ENVIRONMENT: &str = "LC_ALL=C TERM=dumb PAGER=cat SYSTEMD_PAGER=cat SYSTEMD_COLORS=0 DEBIAN_FRONTEND=noninteractive\n\
                           export LC_ALL TERM PAGER SYSTEMD_PAGER SYSTEMD_COLORS DEBIAN_FRONTEND\n";

pub(super) async fn run(host: &ShellHost, run: &Run, output: &dyn Output, stop: &Stop) -> Result<Ran, HostError> {
    let marks = Marks::new(fastrand::u128(..));
    let script = host.changing(&script(run, &marks)?).await?;
    let Open { mut stdin, stdout, stderr, ended } = host.line.open(&script).await?;
    let input = input(run);
    let feeding = tokio::spawn(async move {
        // A program that does not read its input to the end is not an error of ours.
        let _ = stdin.write_all(&input).await;
        let _ = stdin.shutdown().await;
    });
    let watch = Watch {
        host,
        run,
        output,
        frame: Frame::new(&marks),
        head: Some(Vec::new()),
        started: None,
        stdout: Vec::new(),
        stdout_cut: false,
        stderr: Vec::new(),
        ending: None,
    };
    let open = Streams { stdout: Some(stdout), stderr: Some(stderr), ended };
    let ran = watch.until_end(open, stop).await;
    feeding.abort();
    ran
}

/// The environment, a line each, then the program's own input.
fn input(run: &Run) -> Vec<u8> {
    let lines = run.env.values().map(|value| format!("{}\n", one_line(value.as_bytes())));
    let mut input = lines.collect::<String>().into_bytes();
    input.extend(run.stdin.as_deref().unwrap_or_default());
    input
}

fn script(run: &Run, marks: &Marks) -> Result<String, HostError> {
    if run.argv.is_empty() {
        return Err(HostError::Refused { path: String::new(), why: "there is no program to run" });
    }
    let program = run.argv.iter().map(|text| argument(text)).collect::<Result<Vec<_>, _>>()?.join(" ");
    let cwd = match &run.cwd {
        Some(cwd) => format!("cd -- {} || exit {NO_CWD}\n", word(cwd)?),
        None => String::new(),
    };
    let seconds = run.timeout.saturating_add(BEYOND).as_secs().min(u64::from(u32::MAX));
    let (begin, end) = (marks.begin_text(), marks.end_text());
    // The inner shell says who it is and becomes the program.
    let inner = ": firstlight-script; IFS= read -r s < /proc/$$/stat; s=${s##*) }; t=$(set -- $s; echo ${20}); b=$1; shift; \
                 printf \"$0%s %s\\n\" $$ $t; exec $b \"$@\"";
    Ok(format!(
        "tool setsid\n{ENVIRONMENT}{env}{cwd}b=; timeout -k 1 1 true 2> /dev/null && b='timeout -k 5 {seconds}'\n\
         a=$(date +%s)\nexec 3<&0\nsetsid sh -c '{inner}' '{begin}' \"$b\" {program} <&3 3<&- &\np=$!\nexec 3<&-\n\
         wait $p; r=$?\n[ $(($(date +%s) - a)) -ge {seconds} ] && r=$((r + {LATE}))\nprintf '{end}%s\\n' $r",
        env = environment(&run.env)?,
    ))
}

/// A word of the command line; unlike a path it may be empty or begin with a dash.
fn argument(text: &str) -> Result<String, HostError> {
    shlex::try_quote(text)
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| HostError::Refused { path: text.to_owned(), why: "it has a NUL byte in it" })
}

/// Reads the variables from the input, so that their values are in no list of processes.
fn environment(env: &BTreeMap<String, String>) -> Result<String, HostError> {
    let mut script = String::new();
    for name in env.keys() {
        let first = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        if !first || !name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_') {
            return Err(HostError::Refused { path: name.clone(), why: "it is not the name of a variable" });
        }
        let _ = writeln!(
            script,
            "IFS= read -r v && {name}=$(printf '%b_' \"$v\") && {name}=${{{name}%_}} && export {name}"
        );
    }
    Ok(script)
}

struct Streams {
    stdout: Option<crate::hosts::line::Out>,
    stderr: Option<crate::hosts::line::Out>,
    ended: crate::hosts::line::Ending,
}

/// Who runs on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Started {
    pid: i32,
    /// Ticks since the boot: a number that was given to another process meanwhile has another time.
    at: u64,
}

/// What is known of a program while it runs.
struct Watch<'a> {
    host: &'a ShellHost,
    run: &'a Run,
    output: &'a dyn Output,
    frame: Frame,
    /// What stands before the program's own output: who it is.
    head: Option<Vec<u8>>,
    started: Option<Started>,
    stdout: Vec<u8>,
    stdout_cut: bool,
    stderr: Vec<u8>,
    ending: Option<End>,
}

impl Watch<'_> {
    async fn until_end(mut self, mut open: Streams, stop: &Stop) -> Result<Ran, HostError> {
        let deadline = Instant::now() + self.run.timeout;
        let mut give_up = deadline;
        let (mut out_bytes, mut err_bytes) = (vec![0; READ_BYTES], vec![0; READ_BYTES]);
        let mut ended = None;
        let mut held = false;
        let mut leak = deadline;
        while ended.is_none() || open.stdout.is_some() || open.stderr.is_some() {
            tokio::select! {
                found = &mut open.ended, if ended.is_none() => {
                    ended = Some(found);
                    leak = Instant::now() + LEAK;
                }
                read = read(&mut open.stdout, &mut out_bytes), if open.stdout.is_some() => match read {
                    Some(bytes) => self.take_out(bytes),
                    None => open.stdout = None,
                },
                read = read(&mut open.stderr, &mut err_bytes), if open.stderr.is_some() => match read {
                    Some(bytes) => self.take_err(bytes),
                    None => open.stderr = None,
                },
                () = sleep_until(leak), if ended.is_some() => {
                    held = true;
                    break;
                }
                () = sleep_until(deadline), if self.ending.is_none() && ended.is_none() => {
                    give_up = self.end(End::TimedOut).await?;
                }
                () = stop.stopped(), if self.ending.is_none() && ended.is_none() => {
                    give_up = self.end(End::Stopped).await?;
                }
                () = sleep_until(give_up), if self.ending.is_some() && ended.is_none() => {
                    return Err(self.lost("it was told to end, and nothing was heard of it".to_owned()));
                }
            }
        }
        let rest = self.frame.rest();
        self.keep_out(&rest);
        self.result(ended, held)
    }

    fn result(mut self, ended: Option<Ended>, held: bool) -> Result<Ran, HostError> {
        let end = match (self.ending, ended) {
            (Some(why), Some(Ended::Exited(_))) => why,
            (_, Some(Ended::Exited(code))) => match self.frame.exit_code() {
                Some(code) if code >= LATE => End::TimedOut,
                Some(code) if code > SIGNALLED && code < SIGNALLED + 65 => End::Signalled(code - SIGNALLED),
                Some(code) => End::Exited(code),
                // The program was not begun: what the script says of it.
                None if self.started.is_none() => {
                    let said = Said { code, out: Vec::new(), err: std::mem::take(&mut self.stderr), sent: 0 };
                    return Err(said.failure(&Asked::moment("run", self.program())));
                }
                None => return Err(self.lost("its exit code is missing".to_owned())),
            },
            (_, Some(Ended::NotStarted { why })) => return Err(HostError::NotReached { why }),
            (_, Some(Ended::Lost { why })) => return Err(self.lost(why)),
            (_, Some(Ended::Signalled(signal))) => {
                return Err(self.lost(format!("the shell around it was ended by signal {signal}")));
            }
            (_, None) => return Err(self.lost("it did not end".to_owned())),
        };
        Ok(Ran {
            end,
            stdout: std::mem::take(&mut self.stdout),
            stdout_cut: self.stdout_cut,
            stderr: std::mem::take(&mut self.stderr),
            held,
        })
    }

    fn program(&self) -> &str {
        self.run.argv.first().map_or("", String::as_str)
    }

    fn lost(&self, why: String) -> HostError {
        HostError::Lost { doing: "run", path: self.program().to_owned(), why }
    }

    fn take_out(&mut self, bytes: &[u8]) {
        let own = self.frame.take(bytes);
        let Some(head) = &mut self.head else { return self.keep_out(&own) };
        head.extend(own);
        let Some(line_end) = head.iter().position(|byte| *byte == b'\n') else { return };
        let rest = head.split_off(line_end + 1);
        let text = String::from_utf8_lossy(head).into_owned();
        self.head = None;
        let mut numbers = text.split_ascii_whitespace();
        let pid = numbers.next().and_then(|text| text.parse().ok());
        let at = numbers.next().and_then(|text| text.parse().ok());
        self.started = pid.zip(at).map(|(pid, at)| Started { pid, at });
        if let Some(started) = self.started {
            self.host.running.lock().unwrap_or_else(PoisonError::into_inner).insert(started.pid);
        }
        self.keep_out(&rest);
    }

    fn keep_out(&mut self, bytes: &[u8]) {
        if bytes.is_empty() || self.head.is_some() {
            return;
        }
        self.output.take(Stream::Out, bytes);
        let room = self.run.keep_bytes.saturating_sub(self.stdout.len());
        self.stdout.extend(bytes.iter().take(room));
        self.stdout_cut |= bytes.len() > room;
    }

    fn take_err(&mut self, bytes: &[u8]) {
        self.output.take(Stream::Err, bytes);
        self.stderr.extend_from_slice(bytes);
        let over = self.stderr.len().saturating_sub(STDERR_KEPT_BYTES);
        self.stderr.drain(..over);
    }

    /// Ends the whole group on the machine; when nothing is heard after this time, its fate is unknown.
    async fn end(&mut self, why: End) -> Result<Instant, HostError> {
        self.ending = Some(why);
        let Some(Started { pid, at }) = self.started else {
            return Err(self.lost("it was to be ended before it had said that it runs".to_owned()));
        };
        // Not while its number belongs to somebody else. A group lives on after its first process.
        let script = format!(
            "if IFS= read -r s 2> /dev/null < /proc/{pid}/stat; then s=${{s##*) }}; set -- $s; [ \"${{20}}\" = {at} ] || exit 0; fi\n\
             kill -s TERM -- -{pid} 2> /dev/null || exit 0\n\
             n=0; while [ $n -lt 30 ] && kill -s 0 -- -{pid} 2> /dev/null; do sleep 0.1 2> /dev/null || sleep 1; n=$((n + 1)); done\n\
             kill -s KILL -- -{pid} 2> /dev/null; exit 0"
        );
        let asked = Asked { within: ENDING_MAX, ..Asked::moment("end", "a program") };
        match timeout(ENDING_MAX, ask(&*self.host.line, &looking(&script), &asked)).await {
            Ok(Ok(_)) => Ok(Instant::now() + HEARD_MAX),
            Ok(Err(error)) => Err(self.lost(format!("it could not be ended: {error}"))),
            Err(_) => Err(self.lost("it could not be ended".to_owned())),
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(started) = self.started {
            self.host.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&started.pid);
        }
    }
}

/// Some bytes, or `None` at the end.
async fn read<'b>(pipe: &mut Option<crate::hosts::line::Out>, into: &'b mut [u8]) -> Option<&'b [u8]> {
    let count = pipe.as_mut()?.read(into).await.ok()?;
    into.get(..count).filter(|bytes| !bytes.is_empty())
}
