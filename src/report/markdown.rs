//! The record as Markdown, for a review on the day after.

use std::fmt::Write;

use serde_json::Value;

use super::{
    Command, Evidence, Given, Moment, NotDone, Remark, Story,
    markup::{block, code, inline},
    tell,
    words::{self, took},
};
use crate::{journal::Record, runbook::Mode, session::State};

/// More lines of one action or look than this are left to the file of its output.
const DETAILS_MAX: usize = 20;

/// More entries of one loss than this are counted; the JSON form has them all.
const LOST_ENTRIES_MAX: usize = 500;

/// Longest value shown of an entry, in characters; the JSON form has it whole.
const ENTRY_CHARS_MAX: usize = 400;

/// The record as Markdown.
pub fn markdown(records: &[Record], state: &State) -> String {
    let story = tell(records, state);
    let mut out = String::new();
    head(&mut out, &story);
    people(&mut out, &story);
    super::radius::write(&mut out, &story);
    left_behind(&mut out, &story);
    said(&mut out, &story);
    done(&mut out, &story);
    times(&mut out, &story);
    out
}

/// Adds a line. Writing to a string does not fail.
macro_rules! line {
    ($out:expr) => { $out.push('\n') };
    ($out:expr, $($arg:tt)*) => {{
        let _ = writeln!($out, $($arg)*);
    }};
}

fn head(out: &mut String, story: &Story) {
    let (mode, what) = match (story.practice, story.mode) {
        (true, Mode::Recovery) => {
            ("PRACTICE", "A practice cluster on the operator's machine: nothing of this happened to a real cluster.")
        }
        (true, Mode::Training) => (
            "PRACTICE, TRAINING",
            "A training exercise on a practice cluster: nothing of this happened to a real cluster.",
        ),
        (false, Mode::Training) => ("TRAINING", "A training exercise on a healthy cluster. The cluster is real."),
        (false, Mode::Recovery) => ("RECOVERY", "The real thing."),
    };
    line!(out, "# {mode}: {} ({})\n", inline(&story.title), inline(&story.cluster));
    line!(out, "> **{mode}.** {what}\n");
    line!(out, "**Outcome:** {}\n", inline(&story.outcome));
    if let Some(why) = &story.abandoned {
        line!(out, "**Given up because:** {}\n", inline(why));
    }
    if story.changed.iter().any(|entry| entry.open) {
        line!(out, "**Something is still changed on the cluster**: see \u{201c}Still changed\u{201d}.\n");
    }
    line!(out, "| | |\n|---|---|");
    let mut row = |name: &str, text: String| line!(out, "| {name} | {text} |");
    row("Cluster", inline(&story.cluster));
    row("Mode", mode.to_owned());
    row("Session", cell(&story.session));
    row("Began", story.began.at.clone());
    row(if story.over { "Ended" } else { "Last event" }, story.last.at.clone());
    row("Took", took(story.took_ms));
    row("Runbook", format!("{}, SHA-256 {}", inline(&story.runbook), cell(&story.runbook_sha256)));
    row("Inventory", inline(&story.inventory));
    row("Journal", format!("{} records, head {}", story.records, cell(&story.head)));
    line!(out);
}

fn people(out: &mut String, story: &Story) {
    section(out, "Who");
    for one in &story.presences {
        let (operator, machine, version) = (inline(&one.operator), inline(&one.machine), inline(&one.version));
        let end = match &one.left {
            Some(why) => format!("left: {}", inline(why)),
            None if story.over => "to the end".to_owned(),
            None => "no word of leaving".to_owned(),
        };
        let away =
            if one.away_ms > 0 { format!(", after {} without anybody", took(one.away_ms)) } else { String::new() };
        line!(out, "- **{operator}** on {machine}, version {version}: {} to {}{away}; {end}", one.from.at, one.to.at);
    }
    line!(out);
}

/// What concerns whoever comes next.
fn left_behind(out: &mut String, story: &Story) {
    section(out, "Still changed");
    let open: Vec<_> = story.changed.iter().filter(|entry| entry.open).collect();
    if open.is_empty() {
        line!(out, "Nothing that this session changed and has to be put back.\n");
    } else {
        line!(out, "Put back in this order:\n");
    }
    for (n, entry) in open.iter().rev().enumerate() {
        line!(out, "{}. on {}: {} ({})", n + 1, inline(&entry.host), code(&entry.undo), inline(&entry.step));
    }
    if !open.is_empty() {
        line!(out);
    }
    section(out, "Lost");
    if story.lost.is_empty() {
        line!(out, "No action and no look reported a loss.\n");
    }
    for loss in &story.lost {
        line!(out, "- **{}** ({}, {}){}", inline(&loss.kind), inline(&loss.step), inline(&loss.host), lost(&loss.what));
    }
    if !story.lost.is_empty() {
        line!(out);
    }
    section(out, "Not done");
    if story.not_done.is_empty() {
        line!(out, "Nothing was left out.\n");
        return;
    }
    for NotDone { step, host, how, why } in &story.not_done {
        let host = host.as_ref().map_or_else(String::new, |host| format!(" on {}", inline(host)));
        let why = if why.is_empty() { String::new() } else { format!(": {}", inline(why)) };
        line!(out, "- **{how}**: {}{host}{why}", inline(step));
    }
    line!(out);
}

fn lost(what: &Value) -> String {
    match what {
        Value::Array(list) => {
            let mut text = format!(": {}", list.len());
            for entry in list.iter().take(LOST_ENTRIES_MAX) {
                let _ = write!(text, "\n  - {}", value(entry));
            }
            if list.len() > LOST_ENTRIES_MAX {
                let _ = write!(text, "\n  - and {} more", list.len() - LOST_ENTRIES_MAX);
            }
            text
        }
        other => format!(": {}", value(other)),
    }
}

fn value(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let clipped: String = text.chars().take(ENTRY_CHARS_MAX).collect();
    let more = if clipped.len() < text.len() { " and more" } else { "" };
    format!("{}{more}", code(&clipped))
}

/// What people said, decided and answered.
fn said(out: &mut String, story: &Story) {
    if !story.overrides.is_empty() {
        section(out, "Overridden");
        for one in &story.overrides {
            let place = format!("{} on {}: {}", inline(&one.step), inline(&one.host), inline(&one.gate));
            line!(out, "- {} {}: {place}", one.at.at, inline(&one.by));
            line!(out, "  - because: {}", inline(&one.reason));
            line!(out, "  - seen by then: {}", inline(&one.seen));
        }
        line!(out);
    }
    if !story.doubts.is_empty() {
        section(out, "In doubt");
        for one in &story.doubts {
            line!(
                out,
                "- {} {} on {} ({}): {}",
                one.at.at,
                one.attempt,
                inline(&one.host),
                inline(&one.step),
                code(&one.what)
            );
            line!(out, "  - not known because: {}", inline(&one.why));
            match &one.settled {
                None => line!(out, "  - **not settled**"),
                Some(settled) => {
                    let how = match settled.happened {
                        Some(true) => "it had happened",
                        Some(false) => "it had not happened",
                        None => "done by hand",
                    };
                    line!(out, "  - settled {}: {how}: {}", settled.at.at, inline(&settled.how));
                }
            }
        }
        line!(out);
    }
    if !story.drift.is_empty() {
        section(out, "Changed while nobody looked");
        for one in &story.drift {
            let place = format!("{} on {}: {}", inline(&one.step), inline(&one.host), inline(&one.gate));
            let open = if one.open { " (so to the end)" } else { "" };
            line!(out, "- {} {place}: {}: {}{open}", one.at.at, words::finding(one.finding), inline(&one.seen));
        }
        line!(out);
    }
    remarks(out, "Done by hand", &story.by_hand);
    remarks(out, "Run again", &story.reopened);
    remarks(out, "Notes", &story.notes);
    answers(out, story);
    confirmed(out, story);
    remarks(out, "Ticked", &story.ticks);
}

fn remarks(out: &mut String, title: &str, remarks: &[Remark]) {
    if remarks.is_empty() {
        return;
    }
    section(out, title);
    for one in remarks {
        let step = one.step.as_ref().map_or_else(String::new, |step| format!(", {}", inline(step)));
        let host = one.host.as_ref().map_or_else(String::new, |host| format!(" on {}", inline(host)));
        line!(out, "- {} {}{step}{host}: {}", one.at.at, inline(&one.by), inline(&one.text));
    }
    line!(out);
}

fn answers(out: &mut String, story: &Story) {
    if story.answers.is_empty() {
        return;
    }
    section(out, "Answers");
    for one in &story.answers {
        let given = match &one.given {
            Given::Text(text) => code(text),
            Given::Picked { value: picked, entry } => format!("{}, which is {}", code(picked), value(entry)),
            Given::Secret => "a secret was given; it is written down nowhere".to_owned(),
            Given::TakenBack => "taken back".to_owned(),
        };
        line!(out, "- {} {}: {} {given}", one.at.at, inline(&one.by), inline(&one.title));
    }
    line!(out);
}

fn confirmed(out: &mut String, story: &Story) {
    section(out, "Acknowledged and confirmed");
    if story.acknowledged.is_empty() && story.confirmations.is_empty() {
        line!(out, "Nothing.\n");
    }
    for one in &story.acknowledged {
        line!(out, "- {} {} acknowledged:\n", one.at.at, inline(&one.by));
        line!(out, "{}", block(&one.text, "  "));
    }
    for one in &story.confirmations {
        let typed = one.typed.as_ref().map_or_else(String::new, |typed| format!(", typing {}", code(typed)));
        line!(
            out,
            "- {} {} confirmed **{}**{typed}. On the screen stood:\n",
            one.at.at,
            inline(&one.by),
            inline(&one.step)
        );
        line!(out, "{}", block(&one.shown, "  "));
    }
}

fn done(out: &mut String, story: &Story) {
    section(out, "Commands");
    if story.commands.is_empty() {
        line!(out, "None was run.\n");
    }
    for command in &story.commands {
        one_command(out, command);
    }
    if !story.commands.is_empty() {
        line!(out, "\nThe full output of each is in the session's directory, as `output/ATTEMPT.log`.\n");
    }
    section(out, "Evidence");
    if story.evidence.is_empty() {
        line!(out, "None was looked at.\n");
    }
    for evidence in &story.evidence {
        one_gate(out, evidence);
    }
    if !story.evidence.is_empty() {
        line!(out);
    }
}

fn one_command(out: &mut String, command: &Command) {
    let time = command.took_ms.map_or_else(|| "time not known".to_owned(), took);
    let undo = if command.undoes { "undo of " } else { "" };
    let (step, host) = (inline(&command.step), inline(&command.host));
    line!(out, "- {} **{}** on {host} ({undo}{step}): **{}**, {time}", command.at.at, command.attempt, command.outcome);
    line!(out, "  - {}", code(&command.what));
    if !command.said.is_empty() {
        line!(out, "  - {}", inline(&command.said));
    }
    for guard in &command.guards {
        line!(out, "  - guarded by {}", code(guard));
    }
    details(out, &command.details);
}

fn one_gate(out: &mut String, evidence: &Evidence) {
    let (step, host, gate) = (inline(&evidence.step), inline(&evidence.host), inline(&evidence.gate));
    let found = match (&evidence.not_needed, &evidence.overridden, evidence.finding) {
        (Some(why), _, _) => format!("not needed: {}", inline(why)),
        (None, Some(why), _) => format!("**overridden**: {}", inline(why)),
        (None, None, Some(finding)) => format!("**{}**: {}", words::finding(finding), inline(&evidence.seen)),
        (None, None, None) => "not looked at".to_owned(),
    };
    let since = evidence.at.as_ref().map_or_else(String::new, |Moment { at, .. }| format!(" (since {at})"));
    line!(out, "- {step} on {host}: {gate}: {found}{since}");
    line!(out, "  - {}", code(&evidence.what));
    details(out, &evidence.details);
}

fn details(out: &mut String, lines: &[String]) {
    for detail in lines.iter().take(DETAILS_MAX) {
        line!(out, "  - {}", inline(detail));
    }
    if lines.len() > DETAILS_MAX {
        line!(out, "  - and {} more lines", lines.len() - DETAILS_MAX);
    }
}

fn times(out: &mut String, story: &Story) {
    section(out, "Time of each step");
    line!(out, "| Phase | Step | State | Its turn came | Until its start | From its start to its end |");
    line!(out, "|---|---|---|---|---|---|");
    let duration = |ms: Option<u64>| ms.map_or_else(String::new, took);
    for step in &story.steps {
        let ready = step.ready.as_ref().map_or("", |moment| moment.at.as_str());
        let (waited, worked) = (duration(step.waited_ms), duration(step.worked_ms));
        let (phase, name) = (inline(&step.phase), inline(&step.step));
        line!(out, "| {phase} | {name} | {} | {ready} | {waited} | {worked} |", step.status);
    }
    line!(out);
    section(out, "Timeline");
    for told in &story.timeline {
        line!(out, "- {} (+{}) {}", told.at.at, took(told.since_ms), inline(&told.text));
    }
}

fn section(out: &mut String, title: &str) {
    line!(out, "## {title}\n");
}

/// Code in a cell of a table.
fn cell(text: &str) -> String {
    code(&text.replace('|', "/"))
}
