//! What a scheduler says about itself at `/vars` (lines of name and value) and `/vars.json` (one object).
//!
//! Pure: text in, names and values out. A name that is missing means "not in this release, or not yet exported", never zero, so every helper
//! here has a way to say that it does not know. Values may hold secrets (environment, command line): whoever shows them redacts.

use super::flags::Flags;
use std::collections::BTreeMap;
use std::fmt;
use thiserror::Error;

/// The most names kept; a real scheduler of 0.23 exports about 800.
pub const VARS_MAX: usize = 20_000;

/// One exported value.
#[derive(Clone, Debug, PartialEq)]
pub enum VarValue {
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(f64),
    /// Text.
    Text(String),
}

impl VarValue {
    /// The number, rounded down for a fraction.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Float(number) if number.is_finite() => Some(*number as i64),
            Self::Float(_) | Self::Text(_) => None,
        }
    }

    /// The text, if it is text.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    fn of_text(text: &str) -> Self {
        if let Ok(number) = text.parse() {
            Self::Int(number)
        } else if let (true, Ok(number)) = (text.starts_with(|c: char| c.is_ascii_digit() || c == '-'), text.parse()) {
            Self::Float(number)
        } else {
            Self::Text(text.to_owned())
        }
    }
}

/// True for what the recorded names are made of.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:".contains(c))
}

impl fmt::Display for VarValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number:?}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Why a text is not an answer of `/vars`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VarsError {
    /// Not a JSON object of numbers and texts.
    #[error("not a JSON object of exported values: {0}")]
    Json(String),
    /// A line without name and value.
    #[error("line {line} is not a name and a value")]
    Line {
        /// Counted from 1.
        line: usize,
    },
    /// More than [`VARS_MAX`] names.
    #[error("more than {VARS_MAX} exported values")]
    TooMany,
    /// No name at all.
    #[error("no exported value")]
    Empty,
}

/// Everything a scheduler exports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vars {
    /// Values by name.
    pub values: BTreeMap<String, VarValue>,
}

/// State of the scheduler process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lifecycle {
    /// Not begun.
    Idle,
    /// Opens its replica of the log.
    PreparingStorage,
    /// Stands in the election; followers stay here.
    StoragePrepared,
    /// Elected: replays the log, then waits for Mesos. True before the replay is done.
    LeaderAwaitingRegistration,
    /// Registered, at work.
    Active,
    /// Ends.
    Dead,
}

impl Lifecycle {
    /// Every state in the order they are passed.
    pub const ALL: [Self; 6] = [
        Self::Idle,
        Self::PreparingStorage,
        Self::StoragePrepared,
        Self::LeaderAwaitingRegistration,
        Self::Active,
        Self::Dead,
    ];

    /// Aurora's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "IDLE",
            Self::PreparingStorage => "PREPARING_STORAGE",
            Self::StoragePrepared => "STORAGE_PREPARED",
            Self::LeaderAwaitingRegistration => "LEADER_AWAITING_REGISTRATION",
            Self::Active => "ACTIVE",
            Self::Dead => "DEAD",
        }
    }

    /// Name of the gauge that is 1 in this state.
    pub fn gauge(self) -> String {
        format!("scheduler_lifecycle_{}", self.name())
    }

    /// True for a process that won the election.
    pub const fn leads(self) -> bool {
        matches!(self, Self::LeaderAwaitingRegistration | Self::Active)
    }
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why the state of a scheduler is not known although it answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LifecycleUnknown {
    /// None of the gauges is exported.
    #[error("the scheduler exports no life cycle gauge")]
    Missing,
    /// All exported gauges are 0: read in the middle of a change, or a state this program does not know.
    #[error("none of the life cycle gauges is 1")]
    NoneSet,
    /// More than one is 1: read in the middle of a change.
    #[error("several life cycle gauges are 1: {0:?}")]
    Several(Vec<Lifecycle>),
}

impl Vars {
    /// Reads `/vars`: one name and value a line, split at the first space.
    pub fn parse_lines(text: &str) -> Result<Self, VarsError> {
        let mut values = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            // A later line may go on with a value that holds a line break; the first one tells what page it is.
            let odd = if values.is_empty() { !is_name(name) } else { name.contains(['<', '>', '{', '}']) };
            if odd || name.is_empty() {
                return Err(VarsError::Line { line: index + 1 });
            }
            if values.len() >= VARS_MAX {
                return Err(VarsError::TooMany);
            }
            values.insert(name.to_owned(), VarValue::of_text(value.trim_end()));
        }
        Self::not_empty(values)
    }

    /// Reads `/vars.json`: one object. Values of other kinds than number and text are kept as their JSON text.
    pub fn parse_json(text: &str) -> Result<Self, VarsError> {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).map_err(|error| VarsError::Json(error.to_string()))?;
        if object.len() > VARS_MAX {
            return Err(VarsError::TooMany);
        }
        let values = object.into_iter().map(|(name, value)| (name, json_value(value))).collect();
        Self::not_empty(values)
    }

    fn not_empty(values: BTreeMap<String, VarValue>) -> Result<Self, VarsError> {
        if values.is_empty() { Err(VarsError::Empty) } else { Ok(Self { values }) }
    }

    /// Whole number of this name.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.values.get(name)?.as_int()
    }

    /// Text of this name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.as_text()
    }

    /// State of the process.
    pub fn lifecycle(&self) -> Result<Lifecycle, LifecycleUnknown> {
        let gauges: Vec<_> = Lifecycle::ALL
            .into_iter()
            .filter_map(|state| self.int(&state.gauge()).map(|number| (state, number)))
            .collect();
        if gauges.is_empty() {
            return Err(LifecycleUnknown::Missing);
        }
        let set: Vec<_> = gauges.into_iter().filter(|(_, number)| *number == 1).map(|(state, _)| state).collect();
        match set.as_slice() {
            [] => Err(LifecycleUnknown::NoneSet),
            [state] => Ok(*state),
            _ => Err(LifecycleUnknown::Several(set)),
        }
    }

    /// Whether the framework is registered with a Mesos master. Before 0.18 it stays true after a disconnection.
    pub fn framework_registered(&self) -> Option<bool> {
        self.int("framework_registered").map(|number| number != 0)
    }

    /// The command line of the process: main class and every flag as given.
    pub fn command_line(&self) -> Option<&str> {
        ["jvm_prop_sun.java.command", "jvm_prop_sun_java_command"].iter().find_map(|name| self.text(name))
    }

    /// Flags of the command line; quoting is lost there, so a value with spaces is cut.
    pub fn flags(&self) -> Option<Flags> {
        self.command_line().map(Flags::parse_line)
    }

    /// Seconds since the process began; resetting again and again means flapping.
    pub fn uptime_secs(&self) -> Option<i64> {
        self.int("jvm_uptime_secs")
    }

    /// Version of the build, as far as it was built in.
    pub fn build_version(&self) -> Option<String> {
        ["build.build.version", "build_version", "build.version", "build_build_version", "build_build.version"]
            .iter()
            .find_map(|name| self.values.get(*name))
            .map(ToString::to_string)
    }

    /// Zone in which this scheduler names its backups.
    pub fn timezone(&self) -> Option<&str> {
        ["jvm_prop_user.timezone", "jvm_prop_user_timezone"]
            .iter()
            .find_map(|name| self.text(name))
            .filter(|zone| !zone.is_empty())
    }
}

fn json_value(value: serde_json::Value) -> VarValue {
    match value {
        serde_json::Value::String(text) => VarValue::Text(text),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(int), _) => VarValue::Int(int),
            (None, Some(float)) => VarValue::Float(float),
            (None, None) => VarValue::Text(number.to_string()),
        },
        other => VarValue::Text(other.to_string()),
    }
}
