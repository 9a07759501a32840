//! The verdict on a backup.

use super::summary::{Fit, Problem, ProblemCode};
use super::tally::Tally;
use super::walk::{WalkError, Walked};
use crate::aurora::tbinary::TBinaryError;

struct Found(Vec<Problem>);

impl Found {
    fn add(&mut self, code: ProblemCode, message: impl Into<String>) {
        self.0.push(Problem { code, message: message.into() });
    }
}

pub(super) fn fit(walked: &Walked, tally: &Tally) -> Fit {
    let mut found = Found(Vec::new());
    if let Some(error) = &walked.error {
        let at = format!("after {} of {} bytes", walked.end, walked.size);
        match error {
            WalkError::Read { .. } => found.add(ProblemCode::ReadFailed, error.to_string()),
            WalkError::TooLong { .. } => found.add(ProblemCode::TooLarge, error.to_string()),
            WalkError::ElementTooLarge { .. } | WalkError::TooManyValues { .. } => {
                found.add(ProblemCode::TooLarge, format!("decoding stops {at}: {error}"));
            }
            WalkError::Bytes(_) if walked.size == 0 => {
                found.add(ProblemCode::EmptyFile, "the file has no bytes");
                return Fit::Unfit(found.0);
            }
            WalkError::Bytes(error) => {
                found.add(code_of(error), format!("decoding stops {at}: {error}"));
                return Fit::Unfit(found.0);
            }
        }
        return Fit::Unknown(found.0);
    }
    if walked.starts_with_end {
        found
            .add(ProblemCode::EmptySnapshot, "the first byte ends the snapshot; committing it would empty the cluster");
        return Fit::Unfit(found.0);
    }
    of_the_whole(&mut found, walked);
    of_the_tasks(&mut found, walked, tally);
    if found.0.is_empty() { Fit::Fit } else { Fit::Unfit(found.0) }
}

const fn code_of(error: &TBinaryError) -> ProblemCode {
    match error {
        TBinaryError::Truncated { .. } | TBinaryError::LengthBeyondEnd { .. } => ProblemCode::Truncated,
        _ => ProblemCode::Undecodable,
    }
}

fn of_the_whole(found: &mut Found, walked: &Walked) {
    if walked.trailing > 0 {
        found.add(
            ProblemCode::TrailingBytes,
            format!("{} bytes follow the end of the snapshot at byte {}", walked.trailing, walked.end),
        );
    }
    match walked.timestamp_ms {
        Some(timestamp) if timestamp > 0 => {}
        Some(timestamp) => found.add(ProblemCode::NoTimestamp, format!("the time it was taken at is {timestamp}")),
        None => found.add(ProblemCode::NoTimestamp, "the time it was taken at is missing"),
    }
    if walked.metadata.is_none() {
        found.add(ProblemCode::NoMetadata, "the scheduler that wrote it is not named");
    }
    if walked.not_utf8 > 0 {
        found.add(
            ProblemCode::DamagedText,
            format!("{} texts are not UTF-8: bytes of the file were changed", walked.not_utf8),
        );
    }
    if !walked.strange_fields.is_empty() || walked.mistyped.total > 0 {
        let message = format!(
            "top-level fields {:?} and {} inside are not as any release writes them",
            walked.strange_fields, walked.mistyped.total
        );
        let places = walked.mistyped.words();
        found.add(ProblemCode::StrangeFields, if places.is_empty() { message } else { format!("{message}: {places}") });
    }
}

fn of_the_tasks(found: &mut Found, walked: &Walked, tally: &Tally) {
    if let Some(example) = &tally.incomplete_first {
        found.add(
            ProblemCode::IncompleteTasks,
            format!("{} tasks are not whole, the first: {example}", tally.incomplete),
        );
    }
    if tally.duplicates > 0 {
        found.add(ProblemCode::DuplicateTasks, format!("{} task ids occur again", tally.duplicates));
    }
    if tally.tasks == 0 && tally.cron_jobs == 0 && framework_id(walked).is_none() && walked.db_statements == 0 {
        found.add(ProblemCode::NothingInIt, "it holds no task, no cron job and no framework id");
    }
}

pub(super) fn warnings(walked: &Walked, tally: &Tally) -> Vec<Problem> {
    let mut found = Found(Vec::new());
    let in_sql = walked.db_statements > 0;
    if framework_id(walked).is_none() {
        let message = "it has no framework id; running tasks would be orphans of the old framework";
        found.add(
            ProblemCode::NoFrameworkId,
            if in_sql { format!("{message}, unless its SQL statements hold one") } else { message.to_owned() },
        );
    }
    if tally.tasks == 0 {
        found.add(ProblemCode::NoTasks, "it holds no task");
    }
    if in_sql {
        let message = format!(
            "{} SQL statements hold part of the state (kept in SQL, not counted); only releases 0.13 to 0.18 load them, \
             and take hosts, quotas, locks and job updates from them alone",
            walked.db_statements
        );
        found.add(ProblemCode::KeptInSql, message);
    }
    if in_sql && walked.experimental_task_store {
        found.add(
            ProblemCode::TasksInSql,
            "tasks and cron jobs are in the SQL statements too, and are loaded from there; those counted here are not",
        );
    }
    if walked.unknown.total > 0 {
        let message =
            format!("{} fields are unknown up to release 0.23: {}", walked.unknown.total, walked.unknown.words());
        found.add(ProblemCode::UnknownTaskFields, message);
    }
    if walked.metadata.as_ref().is_some_and(crate::aurora::types::SchedulerMetadata::is_restored) {
        found.add(
            ProblemCode::MadeByRestore,
            "it was written by a commit of a staged backup: its time is that of the backup, its writer is not named",
        );
    }
    if tally.duplicates_not_sought > 0 {
        let message = format!("{} tasks were not compared for ids that occur again", tally.duplicates_not_sought);
        found.add(ProblemCode::DuplicatesNotSought, message);
    }
    if tally.jobs_not_cron > 0 {
        let message =
            format!("{} stored jobs have no schedule, as only releases up to 0.7 keep them", tally.jobs_not_cron);
        found.add(ProblemCode::StoredJobs, message);
    }
    found.0
}

fn framework_id(walked: &Walked) -> Option<&str> {
    walked.metadata.as_ref()?.framework_id.as_deref().filter(|id| !id.is_empty())
}
