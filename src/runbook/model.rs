//! A checked runbook: valid by construction, the only form that the session sees.
//!
//! `check` makes it from what the author wrote; nothing else does (tests aside). What the types do not
//! say, the check does: ids are unique, every name a text uses is defined, what looks is what serves
//! as a gate, a step that is referred to exists and comes at the right side.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{kind::Kind, text::Text};

macro_rules! id_type {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id_type! {
    /// Names a phase within a runbook.
    PhaseId
}
id_type! {
    /// Names a step within a runbook.
    StepId
}
id_type! {
    /// Names an input; unique within a runbook, so that `inputs.NAME` is unambiguous.
    InputId
}
id_type! {
    /// Names an item to be acknowledged or ticked.
    ItemId
}
id_type! {
    /// Names what an action found, so that later steps can use it as `outputs.NAME`.
    Register
}
id_type! {
    /// Names a group of hosts of the inventory.
    GroupName
}
id_type! {
    /// Names a host of the inventory; `local` is the operator's own machine.
    HostName
}

/// The operator's own machine, the host of every step that names none.
pub const LOCAL: &str = "local";

/// A procedure.
#[derive(Debug, Clone, PartialEq)]
pub struct Runbook {
    /// Stable name of the procedure.
    pub id: String,
    /// One line.
    pub title: String,
    /// What it does, for someone who has never seen it.
    pub summary: String,
    /// What must be acknowledged before the first step, with the text that was shown.
    pub consequences: Vec<Item>,
    /// What the inventory must provide.
    pub needs: Needs,
    /// Asked before the first step.
    pub inputs: Vec<Input>,
    /// Moments to come that are kept in sight.
    pub clocks: Vec<Clock>,
    /// In order.
    pub phases: Vec<Phase>,
}

/// A moment to come.
#[derive(Debug, Clone, PartialEq)]
pub struct Clock {
    /// Its id.
    pub id: ItemId,
    /// What happens then.
    pub title: String,
    /// When, as milliseconds since 1970 UTC, once it is known.
    pub at: Text,
    /// Not shown any more when this step is over.
    pub until: Option<StepId>,
}

/// What a runbook needs of an inventory; checked before a session is opened.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Needs {
    /// Cluster variables.
    pub cluster: Vec<String>,
    /// Groups, each with the host variables it must provide and the fewest hosts it may have.
    pub groups: BTreeMap<GroupName, GroupNeeds>,
    /// Services.
    pub services: Vec<String>,
}

/// What a runbook needs of one group.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroupNeeds {
    /// Variables that every host must have (of its own, or through group or cluster).
    pub vars: Vec<String>,
    /// At least this many hosts.
    pub hosts_min: usize,
}

/// Something to be read and acknowledged or ticked.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its id.
    pub id: ItemId,
    /// What is shown.
    pub text: Text,
}

/// A part of the procedure.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// Its id.
    pub id: PhaseId,
    /// One line.
    pub title: String,
    /// True if it is walked also when the procedure ends early or is abandoned.
    pub always: bool,
    /// In order.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its id.
    pub id: StepId,
    /// One line.
    pub title: String,
    /// Why it is done.
    pub why: Text,
    /// What to expect when it goes right, and what can go wrong.
    pub expect: Text,
    /// The manual twin.
    pub by_hand: Text,
    /// Where it runs: one row for each host.
    pub on: Target,
    /// In which order its rows run.
    pub order: Order,
    /// Left out (with the reason said) unless this is so.
    pub when: Option<Condition>,
    /// What it may do to the cluster.
    pub danger: Danger,
    /// Ticked by a person before the step runs.
    pub checklist: Vec<Item>,
    /// Asked before the step runs.
    pub inputs: Vec<Input>,
    /// Looked at in the same breath as each action; what does not hold refuses the action.
    pub guard: Vec<Kind>,
    /// What the engineer must do to let it run.
    pub confirm: Confirm,
    /// In order, on each row.
    pub actions: Vec<Action>,
    /// Evidence that must be seen before the step is done.
    pub gates: Vec<Gate>,
    /// How it is taken back.
    pub undo: Undo,
    /// True if an action without a result may be repeated without asking.
    pub idempotent: bool,
    /// How to tell whether an action without a result has happened.
    pub in_doubt: Option<InDoubt>,
    /// Longest time for one action, in milliseconds.
    pub timeout_ms: u64,
    /// Later steps rely on its gates until this step is done: a resume looks at them again.
    pub holds_until: Option<StepId>,
    /// When it is done, what these steps changed is settled and is not undone any more.
    pub settles: Vec<StepId>,
    /// When it is done and this is so, what is left of the procedure is left out.
    pub ends: Option<End>,
    /// True if it may be skipped with a reason.
    pub may_skip: bool,
}

/// Where a step runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// On the operator's own machine.
    Local,
    /// On every host of a group.
    Group(GroupName),
    /// On one host, known by name when the step begins.
    Host(Text),
}

/// In which order the rows of a step run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// All at once.
    Parallel,
    /// The next row begins when the one before it is done, gates included.
    OneAtATime,
}

/// What a step may do to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Danger {
    /// It only looks.
    Reads,
    /// It changes something that can be changed back.
    Changes,
    /// It removes or overwrites something.
    Destroys,
    /// After it there is no way back.
    PointOfNoReturn,
}

/// What the engineer must do to let a step run.
#[derive(Debug, Clone, PartialEq)]
pub enum Confirm {
    /// Nothing: it runs when its turn comes. Only for what looks.
    None,
    /// One key.
    Key,
    /// Type this phrase.
    Phrase(Text),
}

/// A kind with what the step makes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// What is done.
    pub kind: Kind,
    /// The name under which later steps find its outputs.
    pub register: Option<Register>,
    /// Left out unless this is so.
    pub when: Option<Condition>,
}

/// Evidence that must be seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// What is looked at.
    pub kind: Kind,
    /// What it shows, in words; the kind's own words if left out.
    pub say: Option<Text>,
    /// Not needed unless this is so.
    pub when: Option<Condition>,
    /// The name under which later steps find its outputs.
    pub register: Option<Register>,
    /// Milliseconds between looks.
    pub every_ms: u64,
    /// After this many milliseconds without success the step is shown as blocked; looking goes on.
    pub within_ms: u64,
    /// It must hold without a break for this many milliseconds.
    pub stable_for_ms: u64,
    /// Evidence older than this many milliseconds does not count.
    pub valid_for_ms: u64,
}

/// How a step is taken back.
#[derive(Debug, Clone, PartialEq)]
pub enum Undo {
    /// By the inverse of each of its actions.
    Inverse,
    /// By these, on the row's host; registered when the row's actions are done.
    Actions(Vec<Kind>),
    /// Not at all, for this reason.
    None(String),
}

/// How to tell whether an action without a result has happened.
#[derive(Debug, Clone, PartialEq)]
pub struct InDoubt {
    /// It has happened if this holds.
    pub happened: Kind,
    /// It has not happened if this holds; without it, a `happened` that fails says so.
    pub did_not: Option<Kind>,
}

/// An early end.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// When.
    pub when: Condition,
    /// How the session ended, in words.
    pub outcome: Text,
}

/// A question to the engineer.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Its id.
    pub id: InputId,
    /// The question.
    pub title: String,
    /// What to consider.
    pub help: Option<Text>,
    /// What kind of answer it takes.
    pub kind: InputKind,
    /// The answer it begins with.
    pub default: Option<Text>,
    /// True if the step can run without an answer.
    pub optional: bool,
    /// Not asked unless this is so.
    pub when: Option<Condition>,
}

/// What kind of answer an input takes.
#[derive(Debug, Clone, PartialEq)]
pub enum InputKind {
    /// Any text.
    Text,
    /// One of these.
    Choice(Vec<String>),
    /// One entry of a list that an earlier step found. `value` names the member of an entry that
    /// tells entries apart, `show` the members that are shown. The chosen entry is `inputs.NAME.MEMBER`.
    Pick {
        /// The register.
        from: Register,
        /// The output that is the list.
        list: String,
        /// The member that tells entries apart.
        value: String,
        /// The members that are shown.
        show: Vec<String>,
    },
    /// Rows of a table that an earlier step kept as evidence. The answer is text: keys of rows separated by commas, or a
    /// query over the columns.
    Rows {
        /// The register.
        from: Register,
        /// The output that names the kept table.
        table: String,
    },
    /// A time as in `2h`.
    Duration,
    /// A path.
    Path,
    /// A host of this group.
    Host(GroupName),
    /// Something that is never written down.
    Secret,
    /// `yes`, `no` or `unsure`.
    YesNoUnsure,
}

/// When something applies.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// The session's mode.
    Mode(super::Mode),
    /// A text has one of these values.
    Is {
        /// What is compared, such as `{{ outputs.verdict.initialize }}`.
        text: Text,
        /// The values.
        values: Vec<Text>,
    },
    /// Every one of these.
    All(Vec<Condition>),
    /// At least one of these.
    Any(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
}

impl Runbook {
    /// Every step in order, with its phase.
    pub fn steps(&self) -> impl Iterator<Item = (&Phase, &Step)> {
        self.phases.iter().flat_map(|phase| phase.steps.iter().map(move |step| (phase, step)))
    }

    /// The step with this id.
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps().map(|(_, step)| step).find(|step| &step.id == id)
    }

    /// Every input: those asked before the first step, then those of the steps.
    pub fn inputs(&self) -> impl Iterator<Item = (Option<&Step>, &Input)> {
        let first = self.inputs.iter().map(|input| (None, input));
        first.chain(self.steps().flat_map(|(_, step)| step.inputs.iter().map(move |input| (Some(step), input))))
    }
}
