//! `command`: runs one program or one shell line.
//!
//! Predicts the command line. Its time is the order's; past it the group is ended and the attempt is in doubt.

use serde_json::{Map, Value, json};

use super::{
    run::Prediction,
    scene::{Acted, Scene, Undone, span},
};
use crate::{
    hosts::{End, Ran, Run, clean},
    runbook::kind::{Capture, Command},
    session::{Finding, Report},
};

/// Bytes of standard output that can become outputs.
const CAPTURE_BYTES_MAX: usize = 1024 * 1024;
/// Lines of output that go into a report's details.
const DETAIL_LINES: usize = 20;
/// Exit codes by which shells and the stub say that the program could not be run.
const NOT_RUN: [i32; 2] = [126, 127];

pub(super) async fn act(scene: &Scene<'_>, command: &Command) -> Acted {
    let run = prepare(scene, command).map_err(Undone::Failed)?;
    scene.sink.note(&shown(command));
    let ran = scene.host.exec(&run, scene.sink, scene.stop).await?;
    let why = || format!("{}{}", ended(&ran, &run), last_words(&ran));
    match ran.end {
        End::Exited(code) if ok(command, code) => {
            let outputs = outputs(command.capture, &ran).map_err(|why| Undone::Failed(format!("it ran, but {why}")))?;
            Ok(Report::holds(ended(&ran, &run)).with_details(details(&ran)).with_outputs(outputs))
        }
        End::Exited(_) => Err(Undone::Failed(why())),
        End::Signalled(_) | End::TimedOut | End::Stopped => {
            Err(Undone::InDoubt(format!("{}; how far it came is not known", why())))
        }
    }
}

pub(super) async fn look(scene: &Scene<'_>, command: &Command) -> Report {
    let run = match prepare(scene, command) {
        Ok(run) => run,
        Err(why) => return Report::unknown(why),
    };
    let ran = match scene.host.exec(&run, scene.sink, scene.stop).await {
        Ok(ran) => ran,
        Err(error) => return Report::unknown(error.to_string()),
    };
    let words = format!("{}{}", ended(&ran, &run), last_words(&ran));
    match ran.end {
        End::Exited(code) if ok(command, code) => match outputs(command.capture, &ran) {
            Ok(outputs) => Report::holds(words).with_details(details(&ran)).with_outputs(outputs),
            Err(why) => Report::unknown(format!("it ran, but {why}")),
        },
        End::Exited(code) if !NOT_RUN.contains(&code) => Report::fails(words).with_details(details(&ran)),
        End::Exited(_) | End::Signalled(_) | End::TimedOut | End::Stopped => {
            Report::unknown(words).with_details(details(&ran))
        }
    }
}

pub(super) fn foresee(command: &Command) -> Prediction {
    Prediction::new(Finding::Holds, format!("would run {}", shown(command)))
}

fn prepare(scene: &Scene<'_>, command: &Command) -> Result<Run, String> {
    let argv: Vec<String> = match (&command.shell, command.argv.as_slice()) {
        (Some(line), []) => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.as_str().to_owned()],
        (None, argv @ [_, ..]) => argv.iter().map(|text| text.0.clone()).collect(),
        (None, []) => return Err("there is neither a program nor a shell line".to_owned()),
        (Some(_), _) => return Err("there is both a program and a shell line".to_owned()),
    };
    let mut run = Run::new(argv, scene.left());
    for (name, text) in &command.env {
        let value = scene.world.secrets.reveal(text.as_str());
        let value =
            value.map_err(|input| format!("the secret {input} is not known to this process: answer it again"))?;
        run.env.insert(name.clone(), value);
    }
    run.cwd = command.cwd.as_ref().map(|text| text.0.clone());
    run.keep_bytes = CAPTURE_BYTES_MAX;
    Ok(run)
}

/// The command as it could be typed. Values of the environment may be secrets: only marks are shown.
fn shown(command: &Command) -> String {
    let mut words: Vec<String> =
        command.env.iter().map(|(name, value)| format!("{name}={}", quoted(value.as_str()))).collect();
    match &command.shell {
        Some(line) => words.push(line.as_str().to_owned()),
        None => words.extend(command.argv.iter().map(|text| quoted(text.as_str()))),
    }
    let line = words.join(" ");
    match &command.cwd {
        Some(cwd) => format!("cd {} && {line}", quoted(cwd.as_str())),
        None => line,
    }
}

pub(super) fn quoted(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| format!("{text:?}"), std::borrow::Cow::into_owned)
}

fn ok(command: &Command, code: i32) -> bool {
    if command.ok.is_empty() { code == 0 } else { command.ok.contains(&code) }
}

/// How a program ended, in words.
pub(super) fn ended(ran: &Ran, run: &Run) -> String {
    let mut words = match ran.end {
        End::Exited(code) => format!("exit code {code}"),
        End::Signalled(signal) => format!("ended by signal {signal}"),
        End::TimedOut => format!("ended after {}: it took too long", span(run.timeout)),
        End::Stopped => "ended because it was stopped".to_owned(),
    };
    if ran.held {
        words.push_str("; something that it started still holds its output");
    }
    words
}

/// The last thing that a program said, after a colon.
pub(super) fn last_words(ran: &Ran) -> String {
    let source = if ran.stderr.iter().all(u8::is_ascii_whitespace) { &ran.stdout } else { &ran.stderr };
    let lines = clean::lines(source, usize::MAX);
    lines.iter().rev().find(|line| !line.trim().is_empty()).map_or_else(String::new, |line| format!(": {line}"))
}

pub(super) fn details(ran: &Ran) -> Vec<String> {
    let mut lines = clean::lines(&ran.stdout, DETAIL_LINES);
    lines.extend(clean::lines(&ran.stderr, DETAIL_LINES));
    lines
}

fn outputs(capture: Capture, ran: &Ran) -> Result<Value, String> {
    if capture == Capture::Nothing {
        return Ok(Value::Null);
    }
    if ran.stdout_cut {
        return Err(format!("it printed more than the {CAPTURE_BYTES_MAX} bytes that can become outputs"));
    }
    captured(capture, &ran.stdout)
}

/// Captured bytes as outputs.
pub(super) fn captured(capture: Capture, bytes: &[u8]) -> Result<Value, String> {
    let lines = || clean::lines(bytes, usize::MAX);
    match capture {
        Capture::Nothing => Ok(Value::Null),
        Capture::Text => Ok(json!({ "text": lines().join("\n") })),
        Capture::Lines => Ok(json!({ "lines": lines() })),
        Capture::Json => match serde_json::from_slice::<Map<String, Value>>(bytes) {
            Ok(members) => Ok(Value::Object(members)),
            Err(error) => Err(format!("it did not print a JSON object: {error}")),
        },
    }
}
