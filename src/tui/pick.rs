//! A list of found things, such as backups, as a table that fits a width: which cells, how wide, and what else is
//! known of the one that is selected. Pure.

use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{
    doc::cut,
    theme::{Role, Theme},
};
use crate::table::{ColumnKind, shown_as};

/// Narrowest that a column of long texts is made so that others have room.
const NARROWEST: usize = 12;
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
    /// Members that were to be shown and are cut or left out.
    pub short: Vec<String>,
}

/// Lays entries out in at most `width` columns. Long texts give way first; where that does not do, the last of them
/// is left out: what is known of the selected entry still says it.
pub fn lay(theme: Theme, entries: &[Value], show: &[String], width: usize) -> Laid {
    let clean = |text: &str| theme.clean(text).replace('\n', " ");
    let mut columns: Vec<Column> = show
        .iter()
        .map(|name| {
            let cells: Vec<String> = entries.iter().map(|entry| clean(&cell(entry, name))).collect();
            let head = clean(&name.replace('_', " "));
            let natural = cells.iter().map(|cell| cell.width()).max().unwrap_or(0).max(head.width());
            let right = entries.iter().any(|entry| entry.get(name).is_some_and(Value::is_number));
            // Names that begin alike are told apart by their ends.
            Column { name: name.clone(), alike: begins_alike(&cells), head, cells, width: natural, natural, right }
        })
        .collect();
    // Two columns are kept for the mark of what is unfit.
    fit_to(&mut columns, width.saturating_sub(2));
    let mark = if theme.ascii { "x " } else { "✗ " };
    let lines = entries.iter().enumerate().map(|(at, entry)| {
        let cells = columns.iter().map(|column| (column, column.cells.get(at).map_or("", String::as_str)));
        let fit = is_fit(entry);
        (format!("{}{}", if fit { "  " } else { mark }, line(theme, cells, width)), fit)
    });
    let heading = columns.iter().map(|column| (column, column.head.as_str()));
    let heading = format!("  {}", line(theme, heading, width));
    let whole = |name: &&String| {
        let kept = columns.iter().find(|column| column.name == **name);
        kept.is_some_and(|column| column.width >= column.natural)
    };
    let short = show.iter().filter(|name| !whole(name)).cloned().collect();
    Laid { heading, lines: lines.collect(), short }
}

/// A column of the list.
struct Column {
    name: String,
    head: String,
    cells: Vec<String>,
    width: usize,
    natural: usize,
    right: bool,
    alike: bool,
}

fn fit_to(columns: &mut Vec<Column>, room: usize) {
    let total = |columns: &[Column]| columns.iter().map(|column| column.width + GAP).sum::<usize>().saturating_sub(GAP);
    while total(columns) > room {
        let long = columns.iter_mut().filter(|column| column.width > NARROWEST && !column.right);
        if let Some(widest) = long.max_by_key(|column| column.width) {
            widest.width -= 1;
            continue;
        }
        let Some(left_out) = columns.iter().skip(1).rposition(|column| column.natural > NARROWEST) else { return };
        columns.remove(left_out + 1);
        for column in columns.iter_mut() {
            column.width = column.natural;
        }
    }
}

fn line<'a>(theme: Theme, cells: impl Iterator<Item = (&'a Column, &'a str)>, width: usize) -> String {
    let mut out = String::new();
    for (column, cell) in cells {
        let cell = if column.alike { cut_left(theme, cell, column.width) } else { cut(theme, cell, column.width) };
        let blanks = " ".repeat(column.width.saturating_sub(cell.width()));
        out.extend(if column.right { [blanks, cell] } else { [cell, blanks] });
        out.push_str("  ");
    }
    cut(theme, out.trim_end(), width.saturating_sub(2))
}

/// False if an entry says that it is not fit.
fn is_fit(entry: &Value) -> bool {
    !matches!(entry.get("fit"), Some(Value::Bool(false))) && entry.get("fit").and_then(Value::as_str) != Some("no")
}

/// What is known of an entry beside what its line shows: first what is wrong with it.
pub fn details(entry: &Value, show: &[String], short: &[String]) -> Vec<(String, Role)> {
    let mut lines = Vec::new();
    let problems = entry.get(PROBLEMS).and_then(Value::as_array);
    let role = if is_fit(entry) { Role::Warn } else { Role::Bad };
    for problem in problems.into_iter().flatten() {
        let word = if is_fit(entry) { "" } else { "not fit: " };
        lines.push((format!("{word}{}", text_of(problem)), role));
    }
    let Some(members) = entry.as_object() else { return lines };
    // What the line had no room for comes first: it was worth a column.
    for name in show.iter().filter(|name| short.contains(name) && entry.get(name.as_str()).is_some()) {
        lines.push((format!("{} {}", name.replace('_', " "), cell(entry, name)), Role::Plain));
    }
    let mut others: Vec<String> = Vec::new();
    for (name, value) in members {
        let silent = SILENT.contains(&name.as_str()) || name == PROBLEMS || value.is_object();
        let text = cell(entry, name);
        let silent = silent || show.contains(name);
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
fn begins_alike(texts: &[String]) -> bool {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_fits_its_width_and_what_it_leaves_out_is_below() {
        let theme = Theme { ascii: true, no_color: true };
        let entry = |hour: u32, fit: &str| {
            json!({
                "name": format!("scheduler-backup-2026-11-22-{hour}-00"),
                "age": "1h 12m",
                "bytes": 98_000_000,
                "tasks": 1412,
                "fit": fit,
                "impact": "kills 12 tasks of 3 jobs, starts 4 again",
                "changes": "3 jobs more, 120 tasks more than an hour before",
                "problems": ["the file ends early"],
                "rank": hour,
            })
        };
        let show = ["name", "age", "bytes", "tasks", "fit", "impact", "changes"].map(str::to_owned);
        let entries = [entry(18, "yes"), entry(17, "no")];
        for width in [160, 78, 60, 38] {
            let laid = lay(theme, &entries, &show, width);
            let lines = laid.lines.iter().map(|(line, _)| line).chain([&laid.heading]);
            assert!(lines.clone().all(|line| line.width() <= width), "{laid:#?}");
            let said: Vec<String> =
                details(&entries[1], &show, &laid.short).into_iter().map(|(text, _)| text).collect();
            let all = format!("{}\n{}", laid.lines[1].0, said.join("\n"));
            for word in ["-17-00", "98.0 MB", "starts 4 again", "than an hour before", "not fit: the file ends early"] {
                assert!(all.contains(word), "{word} is not in\n{all}");
            }
            assert!(laid.lines[1].0.starts_with("x ") && !laid.lines[1].1 && laid.lines[0].1);
        }
        assert_eq!(lay(theme, &entries, &show, 200).short, [""; 0]);
    }
}
