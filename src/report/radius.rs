//! What the restore was expected to do to the tasks, what it did, and what differs, with whom to tell.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::{
    Story,
    markup::{code, inline},
};
use crate::{runbook::kind::Kind, session::State};

/// Jobs that are listed; the kept lists have all of them.
const JOBS_MAX: usize = 50;
/// Differences that are listed.
const DIFFERENCES_MAX: usize = 200;

/// A prediction, or what came of one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Radius {
    /// The step's title.
    pub step: String,
    /// The host that it was seen from.
    pub host: String,
    /// `predicted` or `happened`.
    pub what: &'static str,
    /// What was found, with the files that were kept.
    pub found: Value,
}

/// Predictions and outcomes in the runbook's order.
pub(super) fn gather(state: &State) -> Vec<Radius> {
    let mut found = Vec::new();
    for (_, step) in state.runbook().steps() {
        let actions = step.actions.iter().map(|action| (&action.kind, &action.register));
        let gates = step.gates.iter().map(|gate| (&gate.kind, &gate.register));
        for (kind, register) in actions.chain(gates) {
            let what = match kind {
                Kind::Impact(_) => "predicted",
                Kind::Outcome(_) => "happened",
                _ => continue,
            };
            let outputs = register.as_ref().and_then(|register| state.outputs.get(register));
            for (host, found_there) in outputs.into_iter().flatten() {
                let (step, host) = (step.title.clone(), host.to_string());
                found.push(Radius { step, host, what, found: found_there.clone() });
            }
        }
    }
    found
}

/// Adds the section, if anything was predicted.
pub(super) fn write(out: &mut String, story: &Story) {
    if story.radius.is_empty() {
        return;
    }
    // Writing to a string does not fail.
    let _ = writeln!(out, "## Blast radius\n");
    for one in &story.radius {
        let _ = writeln!(out, "**{}** (seen from {}), {}:\n", inline(&one.step), inline(&one.host), one.what);
        if one.what == "predicted" {
            predicted(out, &one.found);
        } else {
            happened(out, &one.found);
        }
        files(out, &one.found);
        out.push('\n');
    }
}

fn text<'v>(found: &'v Value, name: &str) -> &'v str {
    found.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A number, or that it is not known.
fn number(found: &Value, name: &str) -> String {
    found.get(name).and_then(Value::as_u64).map_or_else(|| "unknown".to_owned(), |number| number.to_string())
}

fn list<'v>(found: &'v Value, name: &str) -> &'v [Value] {
    found.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn predicted(out: &mut String, found: &Value) {
    let _ = writeln!(out, "- {}", inline(text(found, "headline")));
    let of = |name| number(found, name);
    let (kills, starts, kept) = (of("kills"), of("starts"), of("kept"));
    let (unknown, running) = (of("unknown"), of("running"));
    let counted = |name| found.get(name).and_then(Value::as_u64);
    let others = || counted("running")?.checked_sub(counted("kills")?)?.checked_sub(counted("kept")?);
    let others = others().map_or_else(|| "unknown".to_owned(), |others| others.to_string());
    let _ = writeln!(
        out,
        "- of {running} running tasks: {kills} killed by the first sweep; {kept} kept; {others} of another fate"
    );
    let _ =
        writeln!(out, "- {starts} tasks started again or scheduled; of {unknown} it is not known what becomes of them");
    let jobs = list(found, "jobs").iter().filter(|job| job.get("kills").and_then(Value::as_u64) != Some(0));
    for job in jobs.take(JOBS_MAX) {
        let owners: Vec<&str> = list(job, "owners").iter().filter_map(Value::as_str).collect();
        let owners = if owners.is_empty() { "owner not known".to_owned() } else { inline(&owners.join(", ")) };
        let _ = writeln!(out, "  - {}: {} killed ({owners})", code(text(job, "job")), number(job, "kills"));
    }
    for warning in list(found, "warnings").iter().filter_map(Value::as_str) {
        let _ = writeln!(out, "- note: {}", inline(warning));
    }
    reverted(out, found);
    let _ = writeln!(out, "- to be told: {}", inline(text(found, "owners_text")));
}

/// What is taken back besides tasks.
fn reverted(out: &mut String, found: &Value) {
    let Some(sections) = found.get("reverted").and_then(Value::as_object) else { return };
    for (section, of) in sections {
        for item in list(of, "items").iter().take(JOBS_MAX) {
            let (name, change, words) = (text(item, "name"), text(item, "change"), text(item, "words"));
            let _ = writeln!(
                out,
                "- {}: {} {}: {}",
                section.replace('_', " "),
                code(name),
                change.replace('-', " "),
                inline(words)
            );
        }
        let more = of.get("more").and_then(Value::as_u64).unwrap_or(0);
        if more > 0 {
            let _ = writeln!(out, "- {}: {more} more", section.replace('_', " "));
        }
    }
}

fn happened(out: &mut String, found: &Value) {
    let of = |name| number(found, name);
    let _ = writeln!(
        out,
        "- {} killed, {} kept, {} started again; {} still alive, {} gone that were to be kept, {} new",
        of("killed"),
        of("kept"),
        of("restarted"),
        of("still_alive"),
        of("gone_unpredicted"),
        of("new")
    );
    if text(found, "as_predicted") == "yes" {
        let _ = writeln!(out, "- nothing differs from the prediction");
        return;
    }
    let _ = writeln!(out, "- **it differs from the prediction**; to be told: {}", inline(text(found, "owners_text")));
    for difference in list(found, "differences").iter().filter_map(Value::as_str).take(DIFFERENCES_MAX) {
        let _ = writeln!(out, "  - {}", inline(difference));
    }
}

fn files(out: &mut String, found: &Value) {
    for member in ["text", "tasks_csv", "jobs_csv", "evidence"] {
        let Some(kept) = found.get(member).filter(|kept| kept.is_object()) else { continue };
        let _ = writeln!(out, "- kept as {}, SHA-256 {}", code(text(kept, "file")), code(text(kept, "sha256")));
    }
}
