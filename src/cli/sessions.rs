//! `sessions`, `journal show`, `journal verify`, `report`: what is kept of sessions, as text. Nothing here writes.

use std::{fmt::Write, path::Path};

use serde_json::json;
use thiserror::Error;

use crate::{
    journal::{self, JournalError, LineHash, Listing, Record, Sessions, Standing, Torn, utc_text},
    report,
    runbook::Mode,
    session::{ApplyError, State},
};

/// Why nothing can be shown.
#[derive(Debug, Error)]
pub enum SessionsError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its records do not fit together.
    #[error("session {session}: {source}; `firstlight journal show` prints its records")]
    Fold {
        /// The session.
        session: String,
        /// What does not fit.
        source: ApplyError,
    },
}

/// Every session, newest first; one line each begins with the id.
pub fn sessions(root: &Path, as_json: bool) -> Result<String, SessionsError> {
    let listings = Sessions::at(root).list()?;
    if as_json {
        let list: Vec<_> = listings.iter().map(listing_json).collect();
        return Ok(format!("{:#}\n", serde_json::Value::Array(list)));
    }
    if listings.is_empty() {
        return Ok(format!("no sessions in {}\n", root.display()));
    }
    Ok(listings.iter().map(listing_line).collect())
}

fn listing_line(listing: &Listing) -> String {
    let mut line = listing.id.clone();
    if let Some(heading) = &listing.heading {
        let practice = if heading.practice { "practice " } else { "" };
        let (mode, cluster) = (mode_word(heading.mode), one_line(&heading.cluster));
        let _ = write!(line, "  {practice}{mode}  {cluster}  {}", one_line(&heading.runbook));
        let _ = write!(line, "  by {} since {}", one_line(&heading.operator), utc_text(heading.started.utc_ms));
    }
    let standing = match &listing.standing {
        Standing::Ended { outcome } => format!("ended: {}", one_line(outcome)),
        Standing::Unfinished => "unfinished".to_owned(),
        Standing::Damaged { why } => format!("DAMAGED: {}", one_line(why)),
    };
    let _ = write!(line, "  {standing}");
    if let Some(last) = listing.last.filter(|_| listing.standing == Standing::Unfinished) {
        let _ = write!(line, ", last record {}", utc_text(last.utc_ms));
    }
    if listing.torn {
        line.push_str(", the last write did not finish");
    }
    if let Some(holder) = &listing.held_by {
        let _ = write!(line, ", driven by {}", one_line(&holder.to_string()));
    }
    line + "\n"
}

fn listing_json(listing: &Listing) -> serde_json::Value {
    let (standing, said) = match &listing.standing {
        Standing::Ended { outcome } => ("ended", Some(outcome)),
        Standing::Unfinished => ("unfinished", None),
        Standing::Damaged { why } => ("damaged", Some(why)),
    };
    let heading = listing.heading.as_ref();
    json!({
        "id": listing.id,
        "cluster": heading.map(|heading| &heading.cluster),
        "practice": heading.map(|heading| heading.practice),
        "mode": heading.map(|heading| heading.mode),
        "runbook": heading.map(|heading| &heading.runbook),
        "operator": heading.map(|heading| &heading.operator),
        "started": heading.map(|heading| utc_text(heading.started.utc_ms)),
        "last": listing.last.map(|last| utc_text(last.utc_ms)),
        "records": listing.records,
        "standing": standing,
        "said": said,
        "torn": listing.torn,
        "driven_by": listing.held_by.as_ref().map(ToString::to_string),
    })
}

/// The records of a session, each with its number and time on one line; what is damaged is said at the end.
pub fn journal_show(root: &Path, word: &str) -> Result<String, SessionsError> {
    let sessions = Sessions::at(root);
    let (records, end) = sessions.salvage(&sessions.resolve(word)?)?;
    let mut out = String::new();
    for record in &records {
        let event = serde_json::to_string(&record.event).unwrap_or_else(|error| error.to_string());
        let _ = writeln!(out, "{:>6}  {}  {}", record.seq, utc_text(record.at.utc_ms), one_line(&event));
    }
    if let Some(error) = end {
        let _ = writeln!(out, "{error}");
    }
    Ok(out)
}

/// Checks a journal; `what` is a session or a path to a journal or a session's directory.
pub fn journal_verify(root: &Path, what: &str) -> Result<String, SessionsError> {
    let path = Path::new(what);
    let verified = if what.contains('/') && path.exists() {
        journal::verify(path)?
    } else {
        let sessions = Sessions::at(root);
        journal::verify(sessions.dir(&sessions.resolve(what)?)?.path())?
    };
    let (first, last) = (utc_text(verified.first.utc_ms), utc_text(verified.last.utc_ms));
    let mut out = format!("whole: {} records from {first} to {last}\nhead: {}\n", verified.records, verified.head);
    if let Some(torn) = &verified.torn {
        let _ = writeln!(out, "{}", torn_line(torn));
    }
    Ok(out)
}

/// What is said of an end that is not a record.
pub fn torn_line(torn: &Torn) -> String {
    let (len, offset, what) = (torn.bytes.len(), torn.offset, &torn.what);
    format!(
        "after the last record, from byte {offset}, stand {len} bytes that are none ({what}): the last write did not \
         finish. They are set aside in the session's directory when it is resumed"
    )
}

/// The report of a session, as Markdown.
pub fn report(root: &Path, word: &str) -> Result<String, SessionsError> {
    let (records, state) = load(root, word)?;
    Ok(report::markdown(&records, &state))
}

/// The report of a session, as JSON.
pub fn report_json(root: &Path, word: &str) -> Result<String, SessionsError> {
    let (records, state) = load(root, word)?;
    Ok(format!("{:#}\n", report::json(&records, &state)))
}

/// The records of a session and the state folded from them.
pub fn load(root: &Path, word: &str) -> Result<(Vec<Record>, State), SessionsError> {
    let sessions = Sessions::at(root);
    let session = sessions.resolve(word)?;
    let (records, _) = sessions.open_read_only(&session)?;
    let events = records.iter().map(|record| (record.at, record.event.clone()));
    let state = State::fold(events).map_err(|source| SessionsError::Fold { session, source })?;
    Ok((records, state))
}

/// The hash that stands for a whole journal.
pub fn head(records: &[Record]) -> LineHash {
    records.last().map_or(LineHash::NONE, |record| record.hash)
}

fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Recovery => "recovery",
        Mode::Training => "training",
    }
}

/// Text of a record on a terminal: no control characters.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
