//! A list of found things, such as backups, as a table that fits a width: which cells, how wide, and what else is
//! known of the one that is selected. Pure.

use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{
    doc::cut,
    theme::{Role, Theme},
};
use crate::table::{ColumnKind, shown_as};

/// Narrowest that a column is made so that others have room.
const NARROWEST: usize = 8;
/// Columns between two cells.
const GAP: usize = 2;
/// Members that say nothing to a person.
const SILENT: [&str; 3] = ["rank", "timestamp_ms", "sha256"];
/// Members that say why a thing is unfit or odd, one text each.
const PROBLEMS: &str = "problems";
/// Most characters of one member among the details.
const DETAIL_CHARS_MAX: usize = 400;

/// Entries laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Laid {
    /// The heading.
    pub heading: String,
    /// For each entry its line, and whether it is fit.
    pub lines: Vec<(String, bool)>,
}

/// Lays entries out in at most `width` columns.
pub fn lay(theme: Theme, entries: &[Value], show: &[String], width: usize) -> Laid {
    let clean = |text: &str| theme.clean(text).replace('\n', " ");
    let cells: Vec<Vec<String>> =
        entries.iter().map(|entry| show.iter().map(|name| clean(&cell(entry, name))).collect()).collect();
    let heads: Vec<String> = show.iter().map(|name| clean(&name.replace('_', " "))).collect();
    let column = |at: usize| cells.iter().filter_map(move |row| row.get(at));
    let mut widths: Vec<usize> = heads
        .iter()
        .enumerate()
        .map(|(at, head)| column(at).map(|cell| cell.width()).max().unwrap_or(0).max(head.width()))
        .collect();
    // Two columns are kept for the mark of what is unfit.
    let total = |widths: &[usize]| 2 + widths.iter().map(|width| width + GAP).sum::<usize>();
    while total(&widths) > width + GAP {
        match widths.iter_mut().max() {
            Some(widest) if *widest > NARROWEST => *widest -= 1,
            _ => break,
        }
    }
    let right: Vec<bool> =
        show.iter().map(|name| entries.iter().any(|entry| entry.get(name).is_some_and(Value::is_number))).collect();
    // Names that begin alike are told apart by their ends.
    let alike: Vec<bool> = (0..show.len()).map(|at| begins_alike(&column(at).collect::<Vec<_>>())).collect();
    let line = |cells: &[String]| {
        let mut out = String::new();
        for (at, cell) in cells.iter().enumerate() {
            let width = widths.get(at).copied().unwrap_or(0);
            let keeps_end = alike.get(at).copied().unwrap_or(false);
            let cell = if keeps_end { cut_left(theme, cell, width) } else { cut(theme, cell, width) };
            let blanks = " ".repeat(width.saturating_sub(cell.width()));
            let parts = if right.get(at).copied().unwrap_or(false) { [blanks, cell] } else { [cell, blanks] };
            out.extend(parts);
            out.push_str("  ");
        }
        cut(theme, out.trim_end(), width.saturating_sub(2))
    };
    let mark = if theme.ascii { "x " } else { "✗ " };
    let lines = entries.iter().zip(&cells).map(|(entry, cells)| {
        let fit = is_fit(entry);
        (format!("{}{}", if fit { "  " } else { mark }, line(cells)), fit)
    });
    Laid { heading: format!("  {}", line(&heads)), lines: lines.collect() }
}

/// False if an entry says that it is not fit.
fn is_fit(entry: &Value) -> bool {
    !matches!(entry.get("fit"), Some(Value::Bool(false))) && entry.get("fit").and_then(Value::as_str) != Some("no")
}

/// What is known of an entry beside what its line shows: first what is wrong with it.
pub fn details(entry: &Value, show: &[String]) -> Vec<(String, Role)> {
    let mut lines = Vec::new();
    let problems = entry.get(PROBLEMS).and_then(Value::as_array);
    let role = if is_fit(entry) { Role::Warn } else { Role::Bad };
    for problem in problems.into_iter().flatten() {
        let word = if is_fit(entry) { "" } else { "not fit: " };
        lines.push((format!("{word}{}", text_of(problem)), role));
    }
    let Some(members) = entry.as_object() else { return lines };
    let mut others: Vec<String> = Vec::new();
    for (name, value) in members {
        let silent = SILENT.contains(&name.as_str()) || name == PROBLEMS || show.contains(name) || value.is_object();
        let text = cell(entry, name);
        if silent || text.is_empty() {
            continue;
        }
        let said = format!("{} {text}", name.replace('_', " "));
        // A sentence has a line of its own; the rest stand beside each other.
        if said.chars().count() > 40 { lines.push((said, Role::Plain)) } else { others.push(said) }
    }
    if !others.is_empty() {
        lines.push((others.join(", "), Role::Dim));
    }
    lines
}

/// A member as it is shown.
fn cell(entry: &Value, name: &str) -> String {
    let text = match entry.get(name) {
        Some(Value::Null) => "unknown".to_owned(),
        Some(value) => text_of(value),
        None => String::new(),
    };
    let kind = match name {
        "bytes" | "size" => ColumnKind::Bytes,
        name if name.ends_with("_ms") => ColumnKind::Time,
        _ => ColumnKind::Text,
    };
    shown_as(kind, &text).chars().take(DETAIL_CHARS_MAX).collect()
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join("; "),
        other => other.to_string(),
    }
}

/// True if texts share so much of their beginning that it tells nothing.
fn begins_alike(texts: &[&String]) -> bool {
    let Some((first, others)) = texts.split_first() else { return false };
    let begin: String = first.chars().take(NARROWEST).collect();
    first.width() > NARROWEST && !others.is_empty() && others.iter().all(|text| text.starts_with(&begin))
}

/// Cuts a clean text to a width, keeping its end.
fn cut_left(theme: Theme, text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = Vec::new();
    let mut used = 1;
    for char in text.chars().rev() {
        used += char.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept.push(char);
    }
    let mut out = String::new();
    if width > 0 {
        out.push(theme.cut());
    }
    out.extend(kept.iter().rev());
    out
}
