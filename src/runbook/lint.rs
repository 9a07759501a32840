//! The safety rules: what a runbook that loads must also keep before anyone should walk it.
//!
//! What destroys has a guard that looks again, a confirmation that is typed, and a way back or the
//! reason why there is none; what changes something is confirmed and leaves evidence. Errors refuse a
//! runbook that is shipped; warnings are for the author's judgement. Pure, over the checked model;
//! [`lint_source`] adds the places in the file.

use super::{
    check::{has_inverse, load_runbook},
    kind::{Aurora, Command, Files, Firewall, Http, Kind, Method},
    locate::locate,
    model::{Confirm, Danger, InputKind, Runbook, Step, Undo},
    names::steps,
    problem::{DocPath, Problem, Problems, Severity},
    template,
};

/// Shortest phrase, in characters, that is typed on purpose rather than by habit.
const PHRASE_CHARS_MIN: usize = 5;
/// Programs that read an argument after `-c` as a program of their own.
const SHELLS: [&str; 5] = ["sh", "bash", "dash", "ksh", "zsh"];
/// Words in a shell line after which a quoted value is read once more, without its quotes.
const EVALUATES: [&str; 6] = ["eval", "ssh", "su", "sh -c", "bash -c", "xargs"];

/// Loads a runbook and holds it against the safety rules: every problem with its place, none if all is well.
pub fn lint_source(name: &str, bytes: &[u8]) -> Problems {
    let runbook = match load_runbook(name, bytes) {
        Ok(runbook) => runbook,
        Err(problems) => return problems,
    };
    let mut problems = lint(name, &runbook);
    if let Ok(node) = locate(name, bytes) {
        for problem in &mut problems.0 {
            problem.place = Some(node.nearest(&problem.path).place);
        }
    }
    problems.settle();
    problems
}

/// Holds a checked runbook against the safety rules. `file` stands before every problem.
pub fn lint(file: &str, runbook: &Runbook) -> Problems {
    let mut lint = Lint { file, runbook, problems: Problems::default() };
    for (path, step) in steps(runbook) {
        lint.texts(step, &path);
        lint.danger(step, &path);
        lint.confirmation(step, &path);
        lint.evidence(step, &path);
        lint.doubt(step, &path);
        lint.commands(step, &path);
    }
    lint.problems
}

struct Lint<'a> {
    file: &'a str,
    runbook: &'a Runbook,
    problems: Problems,
}

impl Lint<'_> {
    fn add(&mut self, severity: Severity, path: &DocPath, message: impl Into<String>, suggestion: &str) {
        self.problems.0.push(Problem {
            severity,
            file: self.file.to_owned(),
            place: None,
            path: path.clone(),
            message: message.into(),
            suggestion: (!suggestion.is_empty()).then(|| suggestion.to_owned()),
        });
    }

    fn error(&mut self, path: &DocPath, message: impl Into<String>, suggestion: &str) {
        self.add(Severity::Error, path, message, suggestion);
    }

    fn warn(&mut self, path: &DocPath, message: impl Into<String>, suggestion: &str) {
        self.add(Severity::Warning, path, message, suggestion);
    }

    fn texts(&mut self, step: &Step, path: &DocPath) {
        for (key, text) in [("why", &step.why), ("expect", &step.expect), ("by_hand", &step.by_hand)] {
            if text.as_str().trim().is_empty() {
                self.error(&path.key(key), "it is empty: a step says why, what to expect and how to do it by hand", "");
            }
        }
        let asks_nothing = step.actions.is_empty() && step.gates.is_empty();
        if asks_nothing && step.checklist.is_empty() && step.inputs.is_empty() {
            self.warn(path, "the step does nothing, looks at nothing and asks nothing", "");
        }
    }

    /// The declared danger is at least what the actions do, and what destroys is guarded.
    fn danger(&mut self, step: &Step, path: &DocPath) {
        for (at, action) in step.actions.iter().enumerate() {
            let (least, why) = least_danger(&action.kind);
            if step.danger < least {
                let message = format!("`danger` is less than that of this action, which {why}");
                self.error(&path.key("do").index(at), message, &format!("write `danger: {}`", word(least)));
            }
        }
        if step.danger < Danger::Destroys {
            return;
        }
        if step.guard.is_empty() {
            let message = "what destroys needs a guard: what it relies on is looked at again with each action";
            self.error(path, message, "add `guard`");
        }
        if matches!(&step.undo, Undo::None(reason) if reason == super::check::CHANGES_NOTHING) {
            self.error(path, "what destroys needs a way back, or the reason why there is none", "add `undo`");
        }
    }

    fn confirmation(&mut self, step: &Step, path: &DocPath) {
        let own = path.key("confirm");
        match &step.confirm {
            Confirm::None if step.danger > Danger::Reads => {
                self.error(&own, "without a confirmation a step may only read", "write `confirm: key`");
            }
            Confirm::Key if step.danger >= Danger::Destroys => {
                let suggestion = "write `confirm: { type: … }`";
                self.error(&own, "what destroys is confirmed by typing, not by a key", suggestion);
            }
            Confirm::Phrase(phrase) => {
                if phrase.as_str().chars().count() < PHRASE_CHARS_MIN {
                    let message = format!("a phrase of less than {PHRASE_CHARS_MIN} characters is typed by habit");
                    self.warn(&own.key("type"), message, "");
                }
                if step.danger == Danger::PointOfNoReturn && !phrase.as_str().contains("{{") {
                    let message = "the phrase is the same on every cluster";
                    self.warn(&own.key("type"), message, "name the target, as in `{{ cluster.name }}`");
                }
            }
            Confirm::None | Confirm::Key => {}
        }
    }

    fn evidence(&mut self, step: &Step, path: &DocPath) {
        // Taking back is its own evidence: each change is looked at as it is put back.
        let shows_itself = |kind: &Kind| kind.looks() || matches!(kind, Kind::Undo(_));
        let changes = step.actions.iter().any(|action| !shows_itself(&action.kind));
        if changes && step.gates.is_empty() {
            let message = "the step changes something and nothing shows that it did";
            self.error(path, message, "add `gates`");
        }
        if step.danger > Danger::Reads && step.actions.is_empty() && step.gates.is_empty() {
            let message = "the step is done by hand and nothing shows that it was";
            self.warn(path, message, "add `gates`");
        }
        for (at, gate) in step.gates.iter().enumerate() {
            if gate.stable_for_ms > gate.within_ms {
                let message = "it is shown as blocked before it can have held for so long";
                self.warn(&path.key("gates").index(at), message, "make `within` longer than `stable_for`");
            }
        }
        if step.may_skip && step.danger == Danger::PointOfNoReturn {
            self.warn(&path.key("may_skip"), "the point of no return may be skipped", "");
        }
    }

    fn doubt(&mut self, step: &Step, path: &DocPath) {
        if step.idempotent || step.in_doubt.is_some() {
            return;
        }
        for (at, action) in step.actions.iter().enumerate() {
            let mut kind = action.kind.clone();
            kind.settle_names("lint");
            if !kind.looks() && kind.did_it_happen().is_none() && !matches!(kind, Kind::Undo(_)) {
                let message = "if its answer is lost, only a person can tell whether it happened";
                let suggestion = "add `in_doubt`, or `idempotent: true` if repeating it does no harm";
                self.warn(&path.key("do").index(at), message, suggestion);
            }
        }
        if matches!(step.undo, Undo::Actions(_)) && step.actions.iter().all(|action| has_inverse(&action.kind)) {
            let changes = step.actions.iter().any(|action| !action.kind.looks());
            if changes {
                self.warn(&path.key("undo"), "each of its actions has an inverse already", "leave `undo` out");
            }
        }
    }

    fn commands(&mut self, step: &Step, path: &DocPath) {
        let actions = step.actions.iter().enumerate().map(|(at, action)| (path.key("do").index(at), &action.kind));
        let gates = step.gates.iter().enumerate().map(|(at, gate)| (path.key("gates").index(at), &gate.kind));
        let guards = step.guard.iter().enumerate().map(|(at, kind)| (path.key("guard").index(at), kind));
        let kinds: Vec<(DocPath, &Kind)> = actions.chain(gates).chain(guards).collect();
        for (path, kind) in kinds {
            if let Kind::Command(command) = kind {
                self.command(command, &path.key("command"));
            }
        }
    }

    fn command(&mut self, command: &Command, path: &DocPath) {
        let program = command.argv.first().and_then(|text| text.as_str().rsplit('/').next()).unwrap_or_default();
        let evaluates = SHELLS.contains(&program) && command.argv.iter().any(|text| text.as_str() == "-c");
        for (at, text) in command.argv.iter().enumerate() {
            let path = path.key("argv").index(at);
            if evaluates && text.as_str().contains("{{") {
                self.error(&path, "a shell would read this value as a program", "use `shell`, which quotes it");
            }
            if self.uses_secret(text.as_str()) {
                let message = "a secret in the arguments is seen by every user of the host";
                self.error(&path, message, "give it to the program through `env`");
            }
        }
        if let Some(shell) = command.shell.as_ref().filter(|shell| shell.as_str().contains("{{")) {
            let text = format!(" {} ", shell.as_str());
            let word = EVALUATES.iter().find(|word| text.contains(&format!(" {word} ")));
            if let Some(word) = word {
                let message =
                    format!("`{word}` reads its arguments once more, where a quoted value is no longer quoted");
                self.warn(&path.key("shell"), message, "");
            }
        }
    }

    fn uses_secret(&self, text: &str) -> bool {
        let names = template::names(text).unwrap_or_default();
        names.iter().any(|name| match name.parts().as_slice() {
            ["inputs", id, ..] => {
                self.runbook.inputs().any(|(_, input)| input.id.as_str() == *id && input.kind == InputKind::Secret)
            }
            _ => false,
        })
    }
}

/// The least danger that a step with this action has, and why.
fn least_danger(kind: &Kind) -> (Danger, &'static str) {
    match kind {
        Kind::Files(Files::Remove { .. }) => (Danger::Destroys, "removes something for good"),
        Kind::Aurora(Aurora::Commit { .. }) => (Danger::PointOfNoReturn, "replaces the whole state"),
        Kind::Http(Http { method: Method::Delete, .. }) => (Danger::Destroys, "deletes something"),
        Kind::Files(Files::MoveAside { .. } | Files::MoveBack { .. } | Files::Copy { .. }) => {
            (Danger::Changes, "changes files")
        }
        Kind::InitializeLog(_) => (Danger::Changes, "makes a new log"),
        Kind::Firewall(Firewall::Block { .. } | Firewall::Unblock { .. }) => (Danger::Changes, "changes who is let in"),
        _ => (Danger::Reads, "only looks"),
    }
}

fn word(danger: Danger) -> &'static str {
    match danger {
        Danger::Reads => "reads",
        Danger::Changes => "changes",
        Danger::Destroys => "destroys",
        Danger::PointOfNoReturn => "point_of_no_return",
    }
}
