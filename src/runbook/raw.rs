//! Runbooks as their authors write them, format 1, and the only place that names `serde_yaml`.
//!
//! These types are the single source of the JSON Schema, which in turn is what a document's shape is
//! checked against; serde reads a document only after that, so its own errors are never shown.
//! What values mean, and whether names are defined, is not decided here.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Mode,
    kind::{
        Aurora, Backup, Backups, Command, Elections, Files, Firewall, Flags, Http, Impact, InitializeLog, Kind, Leader,
        Leadership, LogGroup, LogLines, Master, Outcome, Port, Process, Quorum, Replica, Serverset, Service, Sweep,
        UndoWhat, Vars, Verdict, Wait, Zookeeper,
    },
    locate::{Content, Node},
    model::{Danger, Order},
    problem::Place,
    text::Text,
};

/// The format that this version reads.
pub const FORMAT: u64 = 1;

/// A runbook.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRunbook {
    /// The format of this file: 1.
    #[schemars(with = "u64")]
    #[expect(dead_code, reason = "looked at before the document is read into this shape")]
    pub format: u64,
    /// Stable name: lower-case letters, digits, `-` and `_`.
    pub id: String,
    /// One line.
    pub title: String,
    /// What it does, for someone who has never seen it.
    pub summary: String,
    /// What must be acknowledged before the first step.
    #[serde(default)]
    pub consequences: Vec<RawItem>,
    /// What the inventory must provide.
    #[serde(default)]
    pub needs: RawNeeds,
    /// Asked before the first step.
    #[serde(default)]
    pub inputs: Vec<RawInput>,
    /// Moments to come that the engineer should keep in sight.
    #[serde(default)]
    pub clocks: Vec<RawClock>,
    /// The parts of the procedure, in order.
    pub phases: Vec<RawPhase>,
}

/// A moment to come; the time left until it is shown on every page.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawClock {
    /// Its id, unique among the clocks.
    pub id: String,
    /// What happens then, in a word or two.
    pub title: String,
    /// When, as milliseconds since 1970 UTC; as a rule an output of an earlier step. Nothing is shown until it is known.
    pub at: Text,
    /// Not shown any more when this step is over.
    pub until: Option<String>,
}

/// What the inventory must provide.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawNeeds {
    /// Variables of the cluster.
    #[serde(default)]
    pub cluster: Vec<String>,
    /// Groups of hosts.
    #[serde(default)]
    pub groups: BTreeMap<String, RawGroupNeeds>,
    /// Services.
    #[serde(default)]
    pub services: Vec<String>,
}

/// What one group must provide.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawGroupNeeds {
    /// Variables that every host must have (its own, its group's or the cluster's).
    #[serde(default)]
    pub vars: Vec<String>,
    /// At least this many hosts; 1 if left out.
    pub hosts_min: Option<u16>,
}

/// Something to be acknowledged or ticked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawItem {
    /// Its id.
    pub id: String,
    /// What is shown.
    pub text: Text,
}

/// A part of the procedure.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawPhase {
    /// Its id.
    pub id: String,
    /// One line.
    pub title: String,
    /// True if it is walked also when the procedure ends early or is abandoned.
    #[serde(default)]
    pub always: bool,
    /// Its steps, in order.
    pub steps: Vec<RawStep>,
}

/// A step.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawStep {
    /// Its id, unique in the runbook.
    pub id: String,
    /// One line.
    pub title: String,
    /// Why it is done.
    pub why: Text,
    /// What to expect when it goes right, and what can go wrong.
    pub expect: Text,
    /// How to do it by hand.
    pub by_hand: Text,
    /// Where it runs: a group (one row for each host) or one host; on the operator's machine if left out.
    pub on: Option<RawTarget>,
    /// In which order its rows run; `parallel` if left out.
    pub order: Option<Order>,
    /// Left out unless this is so.
    pub when: Option<RawCondition>,
    /// What it may do to the cluster.
    pub danger: Danger,
    /// Ticked by a person before it runs.
    #[serde(default)]
    pub checklist: Vec<RawItem>,
    /// Asked before it runs.
    #[serde(default)]
    pub inputs: Vec<RawInput>,
    /// Looked at in the same breath as each action; what does not hold refuses the action.
    #[serde(default)]
    pub guard: Vec<RawProbe>,
    /// What the engineer does to let it run; needed unless it only reads.
    pub confirm: Option<RawConfirm>,
    /// What is done, in order, on each row.
    #[serde(default)]
    pub r#do: Vec<RawAction>,
    /// Evidence that must be seen.
    #[serde(default)]
    pub gates: Vec<RawGate>,
    /// How it is taken back; `inverse` if left out and every action that changes something has one.
    pub undo: Option<RawUndo>,
    /// True if an action without a result may be repeated without asking.
    #[serde(default)]
    pub idempotent: bool,
    /// How to tell whether an action without a result has happened.
    pub in_doubt: Option<RawInDoubt>,
    /// Longest time for one action, as in `90s`; `60s` if left out.
    pub timeout: Option<String>,
    /// Later steps rely on its gates until this step is done.
    pub holds_until: Option<String>,
    /// When it is done, what these steps changed is not undone any more.
    #[serde(default)]
    pub settles: Vec<String>,
    /// When it is done and this is so, the procedure ends early.
    pub ends: Option<RawEnd>,
    /// True if it may be skipped with a reason.
    #[serde(default)]
    pub may_skip: bool,
}

/// Where a step runs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RawTarget {
    /// Every host of this group.
    Group(String),
    /// One host.
    Host(RawHost),
}

/// One host, by name.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawHost {
    /// Its name; may come from an output or an input.
    pub host: Text,
}

/// What the engineer does to let a step run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RawConfirm {
    /// One word.
    Word(RawConfirmWord),
    /// A phrase to be typed.
    Phrase(RawPhrase),
}

/// A confirmation without a phrase.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawConfirmWord {
    /// Nothing: it runs when its turn comes.
    None,
    /// One key.
    Key,
}

/// A confirmation by typing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawPhrase {
    /// What is to be typed.
    pub r#type: Text,
}

/// How a step is taken back.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RawUndo {
    /// By the inverse of each of its actions.
    Word(RawInverse),
    /// By these actions.
    Actions(Vec<RawProbe>),
    /// Not at all.
    None(RawNoUndo),
}

/// The word for the inverse of each action.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawInverse {
    /// The inverse of each action.
    Inverse,
}

/// Why there is no way back.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawNoUndo {
    /// The reason.
    pub none: String,
}

/// How to tell whether an action without a result has happened.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawInDoubt {
    /// It has happened if this holds.
    pub happened: RawProbe,
    /// It has not happened if this holds.
    pub did_not: Option<RawProbe>,
}

/// An early end.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawEnd {
    /// When.
    pub when: RawCondition,
    /// How it ended, in words.
    pub outcome: Text,
}

/// The kind of answer that an input takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawInputType {
    /// Any text.
    Text,
    /// One of `choices`.
    Choice,
    /// One entry of the list `list` that `from` found.
    Pick,
    /// Rows of the table `table` that `from` kept: their keys, separated by commas, or a query over its columns such as
    /// `role=www host=h1`.
    Rows,
    /// A time as in `2h`.
    Duration,
    /// A path.
    Path,
    /// A host of `group`.
    Host,
    /// Something that is never written down.
    Secret,
    /// `yes`, `no` or `unsure`.
    YesNoUnsure,
}

/// A question to the engineer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawInput {
    /// Its id, unique in the runbook.
    pub id: String,
    /// The question.
    pub title: String,
    /// What to consider.
    pub help: Option<Text>,
    /// What kind of answer it takes.
    pub r#type: RawInputType,
    /// For `choice`: the answers.
    pub choices: Option<Vec<String>>,
    /// For `pick` and `rows`: the register.
    pub from: Option<String>,
    /// For `pick`: the output that is the list.
    pub list: Option<String>,
    /// For `pick`: the member that tells entries apart.
    pub value: Option<String>,
    /// For `pick`: the members that are shown.
    pub show: Option<Vec<String>>,
    /// For `rows`: the output that names the kept table.
    pub table: Option<String>,
    /// For `host`: the group.
    pub group: Option<String>,
    /// The answer it begins with.
    pub default: Option<Text>,
    /// True if the step can run without an answer.
    #[serde(default)]
    pub optional: bool,
    /// Not asked unless this is so.
    pub when: Option<RawCondition>,
}

/// When something applies: exactly one of `mode`, `text` (with `is`), `all`, `any` and `not`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = one_condition)]
pub struct RawCondition {
    /// The session's mode.
    pub mode: Option<Mode>,
    /// A text that is compared.
    pub text: Option<Text>,
    /// The values that `text` may have.
    pub is: Option<RawValues>,
    /// Every one of these.
    pub all: Option<Vec<RawCondition>>,
    /// At least one of these.
    pub any: Option<Vec<RawCondition>>,
    /// Not this.
    pub not: Option<Box<RawCondition>>,
}

/// One value or several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RawValues {
    /// One.
    One(Text),
    /// Several.
    Several(Vec<Text>),
}

/// Every kind, by its key.
const KINDS: &str = "command service firewall flags files http zookeeper wait process port log_lines undo aurora vars \
    serverset leader replica backups backup master verdict elections leadership quorum log_group initialize_log impact \
    outcome sweep";

fn one_kind(schema: &mut Schema) {
    let each: Vec<Value> = KINDS.split(' ').map(|kind| json!({ "required": [kind] })).collect();
    schema.insert("oneOf".to_owned(), Value::Array(each));
}

fn one_condition(schema: &mut Schema) {
    let each = json!([
        { "required": ["mode"] },
        { "required": ["text", "is"] },
        { "required": ["all"] },
        { "required": ["any"] },
        { "required": ["not"] },
    ]);
    schema.insert("oneOf".to_owned(), each);
}

/// Defines a map with exactly one kind and some modifiers.
macro_rules! entry {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[schemars(transform = one_kind)]
        pub struct $name {
            /// Run a program or a shell line on the row's host.
            command: Option<Command>,
            /// Start, stop or look at a service by the inventory's templates.
            service: Option<Service>,
            /// Refuse traffic from outside, let it in again, or look at the rules.
            firewall: Option<Firewall>,
            /// Edit, restore or look at a scheduler's flags.
            flags: Option<Flags>,
            /// Move aside, move back, copy, remove or look at files.
            files: Option<Files>,
            /// One HTTP request.
            http: Option<Http>,
            /// Read a node of a ZooKeeper ensemble.
            zookeeper: Option<Zookeeper>,
            /// Let time pass.
            wait: Option<Wait>,
            /// Is a service's process there?
            process: Option<Process>,
            /// Does something accept connections?
            port: Option<Port>,
            /// Count lines of a log by kind.
            log_lines: Option<LogLines>,
            /// Undo what this session changed.
            undo: Option<UndoWhat>,
            /// A call of the scheduler's API.
            aurora: Option<Aurora>,
            /// A scheduler's `/vars`.
            vars: Option<Vars>,
            /// Who is advertised in ZooKeeper.
            serverset: Option<Serverset>,
            /// Who leads, asked three ways.
            leader: Option<Leader>,
            /// One replica of the log, read-only.
            replica: Option<Replica>,
            /// The backups in a directory, decoded.
            backups: Option<Backups>,
            /// One backup file, decoded.
            backup: Option<Backup>,
            /// What the Mesos master knows.
            master: Option<Master>,
            /// Judge the replicated log from what earlier steps saw.
            verdict: Option<Verdict>,
            /// Who led when, by the logs of every host.
            elections: Option<Elections>,
            /// Who leads while one watches, by ZooKeeper.
            leadership: Option<Leadership>,
            /// Quorum arithmetic over every replica.
            quorum: Option<Quorum>,
            /// Who is registered in ZooKeeper as a replica of the log.
            log_group: Option<LogGroup>,
            /// Initialize one replica of the log.
            initialize_log: Option<InitializeLog>,
            /// What restoring a backup would do to what runs.
            impact: Option<Impact>,
            /// What was predicted, against what there is now.
            outcome: Option<Outcome>,
            /// When unknown tasks are swept.
            sweep: Option<Sweep>,
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $name {
            /// Takes the one kind out.
            pub fn take_kind(&mut self) -> Option<Kind> {
                None.or_else(|| self.command.take().map(Kind::Command))
                    .or_else(|| self.service.take().map(Kind::Service))
                    .or_else(|| self.firewall.take().map(Kind::Firewall))
                    .or_else(|| self.flags.take().map(Kind::Flags))
                    .or_else(|| self.files.take().map(Kind::Files))
                    .or_else(|| self.http.take().map(Kind::Http))
                    .or_else(|| self.zookeeper.take().map(Kind::Zookeeper))
                    .or_else(|| self.wait.take().map(Kind::Wait))
                    .or_else(|| self.process.take().map(Kind::Process))
                    .or_else(|| self.port.take().map(Kind::Port))
                    .or_else(|| self.log_lines.take().map(Kind::LogLines))
                    .or_else(|| self.undo.take().map(Kind::Undo))
                    .or_else(|| self.aurora.take().map(Kind::Aurora))
                    .or_else(|| self.vars.take().map(Kind::Vars))
                    .or_else(|| self.serverset.take().map(Kind::Serverset))
                    .or_else(|| self.leader.take().map(Kind::Leader))
                    .or_else(|| self.replica.take().map(Kind::Replica))
                    .or_else(|| self.backups.take().map(Kind::Backups))
                    .or_else(|| self.backup.take().map(Kind::Backup))
                    .or_else(|| self.master.take().map(Kind::Master))
                    .or_else(|| self.verdict.take().map(Kind::Verdict))
                    .or_else(|| self.elections.take().map(Kind::Elections))
                    .or_else(|| self.leadership.take().map(Kind::Leadership))
                    .or_else(|| self.quorum.take().map(Kind::Quorum))
                    .or_else(|| self.log_group.take().map(Kind::LogGroup))
                    .or_else(|| self.initialize_log.take().map(Kind::InitializeLog))
                    .or_else(|| self.impact.take().map(Kind::Impact))
                    .or_else(|| self.outcome.take().map(Kind::Outcome))
                    .or_else(|| self.sweep.take().map(Kind::Sweep))
            }
        }
    };
}

entry! {
    /// One thing that is looked at (or, in `undo`, done): exactly one kind.
    RawProbe {}
}

entry! {
    /// One thing that is done: exactly one kind, with what the step makes of it.
    RawAction {
        /// The name under which later steps find its outputs.
        register: Option<String>,
        /// Left out unless this is so.
        when: Option<RawCondition>,
    }
}

entry! {
    /// One piece of evidence that must be seen: exactly one kind, with how it is looked at.
    RawGate {
        /// The name under which later steps find its outputs.
        register: Option<String>,
        /// Not needed unless this is so.
        when: Option<RawCondition>,
        /// What it shows, in words.
        say: Option<Text>,
        /// Time between looks; `1s` if left out.
        every: Option<String>,
        /// After this time without success the step is shown as blocked; `60s` if left out.
        within: Option<String>,
        /// It must hold without a break for this time; `0s` if left out.
        stable_for: Option<String>,
        /// Evidence older than this does not count; `60s` if left out.
        valid_for: Option<String>,
    }
}

/// Why a document that has a structure has no values.
#[derive(Debug)]
pub struct NoValue {
    /// Where.
    pub place: Place,
    /// Why.
    pub message: String,
}

/// The values of a document whose structure is known.
///
/// Structure and values come from two readers; where they disagree on what a file says, it is refused.
pub fn values(text: &str, node: &Node) -> Result<Value, NoValue> {
    let yaml: serde_yaml::Value = serde_yaml::from_str(text).map_err(|error| {
        let place = error.location().map_or(node.place, |at| Place { line: at.line(), column: at.column() });
        NoValue { place, message: format!("not valid YAML: {error}") }
    })?;
    join(yaml, node)
}

fn join(yaml: serde_yaml::Value, node: &Node) -> Result<Value, NoValue> {
    let differs = || NoValue {
        place: node.place,
        message: "two readers of YAML do not agree on what this says; write it more plainly".to_owned(),
    };
    match (yaml, &node.content) {
        (serde_yaml::Value::Sequence(values), Content::List(nodes)) if values.len() == nodes.len() => {
            let items: Result<Vec<Value>, NoValue> =
                values.into_iter().zip(nodes).map(|(value, node)| join(value, node)).collect();
            Ok(Value::Array(items?))
        }
        (serde_yaml::Value::Mapping(values), Content::Map(entries)) if values.len() == entries.len() => {
            let mut map = Map::new();
            for ((key, value), entry) in values.into_iter().zip(entries) {
                if key.as_str().is_some_and(|key| key != entry.key) {
                    return Err(differs());
                }
                map.insert(entry.key.clone(), join(value, &entry.value)?);
            }
            Ok(Value::Object(map))
        }
        (serde_yaml::Value::Null, Content::Scalar { .. }) => Ok(Value::Null),
        (serde_yaml::Value::Bool(value), Content::Scalar { .. }) => Ok(Value::Bool(value)),
        (serde_yaml::Value::String(value), Content::Scalar { text, .. }) if &value == text => Ok(Value::String(value)),
        (serde_yaml::Value::Number(number), Content::Scalar { text, .. }) => {
            let exact = number.as_i64().map(Value::from).or_else(|| number.as_u64().map(Value::from));
            let float = || number.as_f64().and_then(serde_json::Number::from_f64).map(Value::Number);
            // What JSON cannot hold (`.nan`, `.inf`) is what the author wrote.
            Ok(exact.or_else(float).unwrap_or_else(|| Value::String(text.clone())))
        }
        _ => Err(differs()),
    }
}

/// A value as YAML, for files that this program writes.
pub fn to_yaml(value: &Value) -> String {
    // A JSON value has string keys and finite numbers: there is nothing in it that YAML cannot say.
    serde_yaml::to_string(value).unwrap_or_default()
}
