//! `run`: a session without a terminal, or its prediction.

use std::{io::Write as _, path::Path, sync::Arc};

use anyhow::Context as _;

use super::{
    args::EndsWith,
    drill::with_its_cluster,
    place::{self, Found},
    reach,
    session::{Front, Ready, open, serve, take_up},
};
use crate::{
    actions::{Secrets, World, predict},
    engine::system_clock,
    exit::Exit,
    headless::{Answers, PlanBinding, load_answers},
    inventory::Inventory,
    journal::Sessions,
    runbook::{
        Mode,
        model::{HostName, LOCAL, Step, Target},
        plan::{Known, describe, plan},
        template::render_kind,
    },
    session::{Answer, Context, Event, Finding, Known as Outputs, Opened, State},
};

/// What `run` was asked.
pub struct Asked<'a> {
    /// The runbook's name or path.
    pub runbook: &'a str,
    /// The cluster's name, or its inventory's path.
    pub cluster: &'a str,
    /// The answers file.
    pub answers: &'a Path,
    /// Events as lines of JSON.
    pub json: bool,
}

/// Walks a new session.
pub fn run(asked: &Asked<'_>) -> anyhow::Result<Exit> {
    let answers = read_answers(asked.answers)?;
    let found = place::runbook(asked.runbook)?;
    let (name, inventory) = place::inventory(asked.cluster)?;
    check_binding(&answers, &found, &name, &inventory)?;
    let sessions = place::sessions()?;
    let ready = open(&sessions, &found, &name, inventory, answers.mode)?;
    walk(&sessions, ready, answers, asked.json)
}

/// Goes on with a session that is not over.
pub fn resume(id: &str, answers: &Path, json: bool) -> anyhow::Result<Exit> {
    let answers = read_answers(answers)?;
    let sessions = place::sessions()?;
    let ready = take_up(&sessions, &sessions.resolve(id)?)?;
    let opened = &ready.state.session.opened;
    let found = Found { name: opened.runbook_name.clone(), bytes: opened.runbook.clone().into_bytes() };
    check_binding(&answers, &found, &opened.inventory_name, &opened.inventory)?;
    with_its_cluster(ready, |ready| walk(&sessions, ready, answers, json))
}

/// Drives a session with answers and says where its record is.
pub fn walk(sessions: &Sessions, ready: Ready, answers: Answers, json: bool) -> anyhow::Result<Exit> {
    let dir = sessions.dir(&ready.id)?;
    let id = ready.id.clone();
    let exit = serve(sessions, ready, Front::Headless { answers: Box::new(answers), json })?;
    let mut out = std::io::stderr().lock();
    writeln!(out, "session: {id} in {}", dir.path().display())?;
    writeln!(out, "report:  {}", super::session::report_path(&dir).display())?;
    Ok(exit)
}

/// Reads an answers file.
pub fn read_answers(path: &Path) -> anyhow::Result<Answers> {
    let bytes = std::fs::read(path).with_context(|| format!("reading the answers {}", path.display()))?;
    load_answers(&path.display().to_string(), &bytes).map_err(anyhow::Error::new)
}

/// Typed confirmations count only for the plan that they were written for.
fn check_binding(answers: &Answers, found: &Found, inventory_name: &str, inventory: &Inventory) -> anyhow::Result<()> {
    let runbook = place::checked(found, inventory_name, inventory)?;
    if runbook.id != answers.runbook {
        return Err(does_not_fit(format!("the answers are for {}, and this is {}", answers.runbook, runbook.id)));
    }
    match &answers.plan {
        PlanBinding::Practice if inventory.practice => Ok(()),
        PlanBinding::Practice => Err(does_not_fit(format!(
            "the answers are for practice, and {} is not a practice cluster; bind them to a plan with `plan:` and the \
             digest that `firstlight plan --digest` prints",
            inventory.cluster
        ))),
        PlanBinding::Digest(digest) => {
            let known = Known { mode: Some(answers.mode), ..Known::default() };
            let plan = plan(&runbook, Some(inventory), &known);
            if plan.digest() == digest {
                return Ok(());
            }
            Err(does_not_fit(format!(
                "the answers are for another plan ({digest}); this one is {}. Read it, and bind them anew",
                plan.digest()
            )))
        }
    }
}

fn does_not_fit(why: String) -> anyhow::Error {
    EndsWith { exit: Exit::MissingAnswer, why }.into()
}

/// Predicts every action and changes nothing.
pub fn dry_run(asked: &Asked<'_>) -> anyhow::Result<Exit> {
    let answers = read_answers(asked.answers)?;
    let found = place::runbook(asked.runbook)?;
    let (name, inventory) = place::inventory(asked.cluster)?;
    place::checked(&found, &name, &inventory)?;
    let state = imagined(&found, &name, inventory.clone(), &answers)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let hosts = reach::hosts(&inventory)?;
    let world = World::over(Arc::new(inventory), Secrets::default(), hosts.clone());
    let mut out = std::io::stdout().lock();
    writeln!(out, "DRY RUN of {}: nothing is changed.", state.runbook().title)?;
    for (phase, step) in state.runbook().steps() {
        writeln!(out, "\n{} / {} [{:?}]", phase.title, step.title, step.danger)?;
        for line in runtime.block_on(predict_step(&world, &state, step)) {
            writeln!(out, "  {line}")?;
        }
    }
    reach::close(&hosts)?;
    Ok(Exit::Done)
}

fn imagined(found: &Found, inventory_name: &str, inventory: Inventory, answers: &Answers) -> anyhow::Result<State> {
    let now = system_clock();
    let opened = Opened {
        session: "dry-run".to_owned(),
        mode: answers.mode,
        operator: place::operator(),
        machine: place::machine(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        runbook_name: found.name.clone(),
        runbook: String::from_utf8(found.bytes.clone())?,
        runbook_sha256: String::new(),
        inventory_name: inventory_name.to_owned(),
        inventory,
    };
    let mut state = State::open(opened, now)?;
    for (input, text) in &answers.inputs {
        let answer = Some(Answer::Text(text.clone()));
        state.apply(now, &Event::Answered { input: input.clone(), answer })?;
    }
    Ok(state)
}

async fn predict_step(world: &World, state: &State, step: &Step) -> Vec<String> {
    let mut lines = Vec::new();
    for host in hosts(state, step) {
        let context = Context::new(state, &host);
        for action in &step.actions {
            let mut kind = action.kind.clone();
            if let Err(error) = render_kind(&mut kind, &context) {
                lines.push(format!("{host}: {}: not known before it is walked: {error}", action.kind.name()));
                continue;
            }
            kind.settle_names("dry-run");
            let prediction = predict(world, &host, &kind, &Outputs::new()).await;
            let word = match prediction.possible {
                Finding::Holds => "would",
                Finding::Fails => "could not",
                Finding::Unknown => "cannot tell",
            };
            lines.push(format!("{host}: {word}: {} ({})", prediction.would, describe(&kind)));
            lines.extend(prediction.details.into_iter().map(|line| format!("    {line}")));
        }
    }
    if lines.is_empty() {
        lines.push("only looks".to_owned());
    }
    lines
}

fn hosts(state: &State, step: &Step) -> Vec<HostName> {
    match &step.on {
        Target::Local => vec![HostName::from(LOCAL)],
        Target::Group(group) => state.inventory().hosts_of(group),
        Target::Host(text) => {
            let local = HostName::from(LOCAL);
            Context::new(state, &local).text(text).map(HostName).into_iter().collect()
        }
    }
}

/// Reads a mode.
pub fn parse_mode(text: &str) -> Result<Mode, String> {
    match text {
        "recovery" => Ok(Mode::Recovery),
        "training" => Ok(Mode::Training),
        _ => Err("the mode is recovery or training".to_owned()),
    }
}
