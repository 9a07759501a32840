//! The answers file.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::runbook::{
    Mode, Problems,
    check::{Checker, Document, merge, read},
    duration_ms,
    model::{InputId, ItemId, StepId},
    problem::DocPath,
};

/// Longest wait for the gates of one step if the answers say nothing.
const WAIT_DEFAULT: Duration = Duration::from_mins(10);

/// The answers file in short, for `--help`.
pub const ANSWERS_HELP: &str = "\
An answers file:
  format: 1
  runbook: aurora-restore-from-backup
  mode: recovery
  plan: DIGEST                    as `firstlight plan --digest --mode MODE` prints it
  acknowledge: { all: true }      or { only: [id, …] }
  run: { all: true }              steps that may run where one key would do
  inputs: { input: answer }
  type: { step: the phrase that it asks for }
  skip: { step: the reason }
  override: { step: the reason why its overdue gates count }
  retries: 1                      how often a stopped action is run again
  wait: 10min                     longest wait for the gates of one step";

/// What a person would say, written down beforehand.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// The runbook they are for.
    pub runbook: String,
    /// Recovery or training.
    pub mode: Mode,
    /// The plan that typed confirmations are for.
    pub plan: PlanBinding,
    /// Consequences that are acknowledged.
    pub acknowledge: Which<ItemId>,
    /// Answers to inputs.
    pub inputs: BTreeMap<InputId, String>,
    /// Steps that may run where one key would do.
    pub run: Which<StepId>,
    /// Phrases for steps that ask for one.
    pub phrases: BTreeMap<StepId, String>,
    /// Checklist items that are ticked.
    pub tick: Which<ItemId>,
    /// Steps to skip, with reasons.
    pub skip: BTreeMap<StepId, String>,
    /// Gates that count without evidence once they are overdue: step, then reason.
    pub overrides: BTreeMap<StepId, String>,
    /// How often an action that stopped is run again.
    pub retries: u32,
    /// Longest wait for the gates of one step.
    pub wait: Duration,
}

/// The plan that typed confirmations are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanBinding {
    /// The plan with this SHA-256 (hex), as `firstlight plan` prints it.
    Digest(String),
    /// Any plan on a practice cluster, and on nothing else.
    Practice,
}

/// All, or those that are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which<T> {
    /// Every one.
    All,
    /// These.
    Of(Vec<T>),
}

impl<T: PartialEq> Which<T> {
    /// True if it is among them.
    pub fn has(&self, item: &T) -> bool {
        match self {
            Self::All => true,
            Self::Of(items) => items.contains(item),
        }
    }
}

/// Answers for `firstlight run` and `firstlight practice --headless`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawAnswers {
    /// The version of this format: 1.
    format: u64,
    /// The runbook's id.
    runbook: String,
    /// `recovery` or `training`.
    mode: Mode,
    /// The plan's SHA-256 as `firstlight plan` prints it, or `practice`.
    plan: String,
    /// `all`, or the ids of consequences.
    #[serde(default)]
    acknowledge: RawSome,
    /// Input id to answer.
    #[serde(default)]
    inputs: BTreeMap<String, String>,
    /// `all`, or the ids of steps that may run where one key would do.
    #[serde(default)]
    run: RawSome,
    /// Step id to the phrase it asks for.
    #[serde(default)]
    r#type: BTreeMap<String, String>,
    /// `all`, or the ids of checklist items.
    #[serde(default)]
    tick: RawSome,
    /// Step id to the reason why it is skipped.
    #[serde(default)]
    skip: BTreeMap<String, String>,
    /// Step id to the reason why its overdue gates count without evidence.
    #[serde(default)]
    r#override: BTreeMap<String, String>,
    /// How often an action that stopped is run again; 0 if left out.
    #[serde(default)]
    retries: u32,
    /// Longest wait for the gates of one step, as in `10min`.
    #[serde(default)]
    wait: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawSome {
    /// True for every one.
    #[serde(default)]
    all: bool,
    /// These.
    #[serde(default)]
    only: Vec<String>,
}

impl RawSome {
    fn of<T>(self, make: impl Fn(String) -> T) -> Which<T> {
        if self.all { Which::All } else { Which::Of(self.only.into_iter().map(make).collect()) }
    }
}

/// Reads and checks an answers file.
pub fn load_answers(name: &str, bytes: &[u8]) -> Result<Answers, Problems> {
    let schema = serde_json::Value::from(schemars::schema_for!(RawAnswers));
    let Document { node, value, shape } = read(name, bytes, "an answers file", &schema)?;
    let mut checker = Checker::new(name, &node);
    let raw = match serde_json::from_value::<RawAnswers>(value) {
        Ok(raw) => Some(raw),
        Err(error) => {
            if shape.problems.0.is_empty() {
                checker.report(
                    &DocPath::root(),
                    format!("it does not have the shape of an answers file: {error}"),
                    None,
                );
            }
            None
        }
    };
    let answers = raw.map(|raw| checked(&mut checker, raw));
    let problems = merge(shape, checker.problems);
    match answers {
        Some(answers) if problems.0.is_empty() => Ok(answers),
        _ => Err(problems),
    }
}

fn checked(checker: &mut Checker<'_>, raw: RawAnswers) -> Answers {
    let root = DocPath::root();
    if raw.format != 1 {
        checker.report(
            &root.key("format"),
            format!("format {} is not known; this version reads format 1", raw.format),
            None,
        );
    }
    let plan = if raw.plan == "practice" {
        PlanBinding::Practice
    } else {
        if raw.plan.len() != 64 || !raw.plan.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let what = "the plan is `practice`, or the 64 hex digits that `firstlight plan` prints";
            checker.report(&root.key("plan"), what, None);
        }
        PlanBinding::Digest(raw.plan.to_lowercase())
    };
    let wait = match raw.wait.as_deref().map(duration_ms) {
        None => WAIT_DEFAULT,
        Some(Ok(ms)) => Duration::from_millis(ms),
        Some(Err(why)) => {
            checker.report(&root.key("wait"), why, None);
            WAIT_DEFAULT
        }
    };
    let steps = |map: BTreeMap<String, String>| map.into_iter().map(|(id, text)| (StepId(id), text)).collect();
    Answers {
        runbook: raw.runbook,
        mode: raw.mode,
        plan,
        acknowledge: raw.acknowledge.of(ItemId),
        inputs: raw.inputs.into_iter().map(|(id, text)| (InputId(id), text)).collect(),
        run: raw.run.of(StepId),
        phrases: steps(raw.r#type),
        tick: raw.tick.of(ItemId),
        skip: steps(raw.skip),
        overrides: steps(raw.r#override),
        retries: raw.retries,
        wait,
    }
}
