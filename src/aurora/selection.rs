//! Which tasks are meant: their ids, or a query over what is known of them.
//!
//! Two forms. Ids, separated by commas or white space. Or a query of terms `name=value`, of which a task must fit every
//! one: `role=www env=prod job=hello status=RUNNING,FINISHED host=h1.example.com instance=0-9`. A value may be a list
//! separated by commas, of which one must fit, and end in `*`. Case counts only in ids and in the names of jobs and roles,
//! as Aurora has it. Nothing selects everything: a selection without a term is an error, since whoever deletes by it
//! would delete everything. Pure.

use std::{collections::BTreeSet, fmt};

use thiserror::Error;

use super::types::{ScheduleStatus, ScheduledTask};

/// Longest text of a selection, in bytes: 50,000 ids of the usual length.
pub const TEXT_BYTES_MAX: usize = 4 << 20;

/// Why a text selects nothing that could be acted on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SelectionError {
    /// There is nothing in it.
    #[error("it names no task; write ids separated by commas, or a query such as role=www env=prod")]
    Empty,
    /// It is too long.
    #[error("it is longer than {TEXT_BYTES_MAX} bytes; use a query")]
    TooLong,
    /// Ids and terms stand side by side.
    #[error("{0:?} is an id and stands beside a query; write either ids or a query")]
    Mixed(String),
    /// A term of another name.
    #[error("there is no term {0:?}; there are id, role, env, job, name, instance, status and host")]
    NoSuchTerm(String),
    /// A term without a value.
    #[error("{0} has no value")]
    NoValue(String),
    /// A status that no task has.
    #[error("{0:?} is not a status of a task")]
    NoSuchStatus(String),
    /// An instance that is not a number or a range.
    #[error("{0:?} is not an instance or a range as in 0-9")]
    BadInstance(String),
}

/// Which tasks are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// These.
    Ids(BTreeSet<String>),
    /// Those that fit every term.
    Query(Vec<Term>),
}

/// A term of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// One of these ids.
    Id(Vec<Pattern>),
    /// One of these roles.
    Role(Vec<Pattern>),
    /// One of these environments.
    Environment(Vec<Pattern>),
    /// One of these jobs: `role/environment/name`, or the name alone.
    Job(Vec<Pattern>),
    /// One of these instances, in ranges from first to last.
    Instance(Vec<(i32, i32)>),
    /// One of these states.
    Status(Vec<ScheduleStatus>),
    /// One of these hosts.
    Host(Vec<Pattern>),
}

/// A text, or how it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    begins: bool,
}

impl Pattern {
    fn of(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(start) => Self { text: start.to_owned(), begins: true },
            None => Self { text: text.to_owned(), begins: false },
        }
    }

    fn fits(&self, value: &str) -> bool {
        if self.begins { value.starts_with(&self.text) } else { value == self.text }
    }

    fn fits_any_case(&self, value: &str) -> bool {
        let (text, value) = (self.text.to_ascii_lowercase(), value.to_ascii_lowercase());
        if self.begins { value.starts_with(&text) } else { value == text }
    }
}

impl Selection {
    /// Reads a selection.
    pub fn parse(text: &str) -> Result<Self, SelectionError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(SelectionError::TooLong);
        }
        let words = || text.split_whitespace();
        let is_term = |word: &&str| word.contains('=');
        if !words().any(|word| is_term(&word)) {
            let ids: BTreeSet<String> =
                words().flat_map(|word| word.split(',')).filter(|id| !id.is_empty()).map(str::to_owned).collect();
            return if ids.is_empty() { Err(SelectionError::Empty) } else { Ok(Self::Ids(ids)) };
        }
        if let Some(id) = words().find(|word| !is_term(word)) {
            return Err(SelectionError::Mixed(id.to_owned()));
        }
        words().map(term).collect::<Result<Vec<_>, _>>().map(Self::Query)
    }

    /// True if this task is meant.
    pub fn fits(&self, task: &ScheduledTask) -> bool {
        match self {
            Self::Ids(ids) => ids.contains(task.id()),
            Self::Query(terms) => !terms.is_empty() && terms.iter().all(|term| term.fits(task)),
        }
    }
}

fn term(word: &str) -> Result<Term, SelectionError> {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let values: Vec<&str> = value.split(',').filter(|one| !one.is_empty()).collect();
    if values.is_empty() {
        return Err(SelectionError::NoValue(name.to_owned()));
    }
    let patterns = || values.iter().map(|value| Pattern::of(value)).collect();
    Ok(match name {
        "id" => Term::Id(patterns()),
        "role" => Term::Role(patterns()),
        "env" | "environment" => Term::Environment(patterns()),
        "job" | "name" => Term::Job(patterns()),
        "host" => Term::Host(patterns()),
        "instance" => Term::Instance(values.iter().map(|value| range(value)).collect::<Result<_, _>>()?),
        "status" => Term::Status(values.iter().map(|value| status(value)).collect::<Result<_, _>>()?),
        other => return Err(SelectionError::NoSuchTerm(other.to_owned())),
    })
}

fn range(value: &str) -> Result<(i32, i32), SelectionError> {
    let bad = || SelectionError::BadInstance(value.to_owned());
    let (first, last) = value.split_once('-').unwrap_or((value, value));
    let number = |text: &str| text.parse::<i32>().ok().filter(|number| *number >= 0);
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Ok((first, last)),
        _ => Err(bad()),
    }
}

fn status(value: &str) -> Result<ScheduleStatus, SelectionError> {
    let all = [ScheduleStatus::Init].iter().chain(ScheduleStatus::ACTIVE).chain(ScheduleStatus::TERMINAL);
    let found = all.copied().find(|status| status.to_string().eq_ignore_ascii_case(value));
    found.ok_or_else(|| SelectionError::NoSuchStatus(value.to_owned()))
}

impl Term {
    fn fits(&self, task: &ScheduledTask) -> bool {
        let key = task.job_key();
        let any = |patterns: &[Pattern], value: &str| patterns.iter().any(|pattern| pattern.fits(value));
        match self {
            Self::Id(patterns) => any(patterns, task.id()),
            Self::Role(patterns) => key.is_some_and(|key| any(patterns, &key.role)),
            Self::Environment(patterns) => key.is_some_and(|key| any(patterns, &key.environment)),
            Self::Job(patterns) => key.is_some_and(|key| any(patterns, &key.name) || any(patterns, &key.to_string())),
            Self::Instance(ranges) => {
                let instance = task.assigned_task.instance_id;
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&instance))
            }
            Self::Status(states) => states.contains(&task.status),
            Self::Host(patterns) => {
                let host = task.assigned_task.slave_host.as_deref();
                host.is_some_and(|host| patterns.iter().any(|pattern| pattern.fits_any_case(host)))
            }
        }
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ids(ids) => write!(f, "{} ids", ids.len()),
            Self::Query(terms) => write!(f, "a query of {} terms", terms.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aurora::types::{AssignedTask, JobKey, TaskConfig};

    fn task(id: &str, job: (&str, &str, &str), instance: i32, status: ScheduleStatus, host: &str) -> ScheduledTask {
        ScheduledTask {
            status,
            assigned_task: AssignedTask {
                task_id: id.to_owned(),
                instance_id: instance,
                slave_host: Some(host.to_owned()),
                task: Some(TaskConfig { job: Some(JobKey::new(job.0, job.1, job.2)), ..TaskConfig::default() }),
                ..AssignedTask::default()
            },
            ..ScheduledTask::default()
        }
    }

    fn tasks() -> Vec<ScheduledTask> {
        vec![
            task("a", ("www", "prod", "hello"), 0, ScheduleStatus::Running, "h1.example"),
            task("b", ("www", "prod", "hello"), 7, ScheduleStatus::Pending, "h2.example"),
            task("c", ("www", "test", "batch"), 1, ScheduleStatus::Running, "h1.example"),
            task("d", ("db", "prod", "hello"), 3, ScheduleStatus::Finished, "h3.example"),
        ]
    }

    #[test]
    fn ids_and_queries_select_what_they_say() {
        let cases = [
            ("a", "a"),
            ("a,c d", "acd"),
            ("role=www", "abc"),
            ("role=www env=prod", "ab"),
            ("job=hello", "abd"),
            ("job=www/prod/hello", "ab"),
            ("job=www/*", "abc"),
            ("status=running", "ac"),
            ("status=PENDING,FINISHED", "bd"),
            ("host=H1.*", "ac"),
            ("instance=0-3", "acd"),
            ("instance=7 role=www", "b"),
            ("id=a,b env=prod", "ab"),
            ("role=nobody", ""),
        ];
        for (text, wanted) in cases {
            let selection = Selection::parse(text).unwrap();
            let found: String =
                tasks().iter().filter(|task| selection.fits(task)).map(|task| task.id().to_owned()).collect();
            assert_eq!(found, wanted, "{text}");
        }
    }

    #[test]
    fn what_selects_nothing_that_could_be_acted_on_is_an_error() {
        use SelectionError as E;
        let cases = [
            ("", E::Empty),
            (" , ,", E::Empty),
            ("role=", E::NoValue("role".to_owned())),
            ("=x", E::NoSuchTerm(String::new())),
            ("rolle=www", E::NoSuchTerm("rolle".to_owned())),
            ("a role=www", E::Mixed("a".to_owned())),
            ("status=UP", E::NoSuchStatus("UP".to_owned())),
            ("instance=9-0", E::BadInstance("9-0".to_owned())),
            ("instance=-1", E::BadInstance("-1".to_owned())),
        ];
        for (text, wanted) in cases {
            assert_eq!(Selection::parse(text), Err(wanted), "{text}");
        }
    }
}
