//! The rows: texts in one buffer, with the place where each ends.

use serde::{Deserialize, Serialize};

use super::TableError;

/// Most rows: ten times the largest cluster that was seen.
pub const ROWS_MAX: usize = 1_000_000;
/// Most columns: more fit on no screen.
pub const COLUMNS_MAX: usize = 32;
/// Most bytes of keys, cells and details of all rows together; it keeps places in 32 bits.
pub const TEXT_BYTES_MAX: usize = 1 << 30;

/// How the cells of a column compare and are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Words, compared without regard to case.
    #[default]
    Text,
    /// A number, shown as it stands, at the right.
    Number,
    /// A number of bytes, shown as `1.2 MB`.
    Bytes,
    /// Milliseconds since 1970, shown as date and time in UTC.
    Time,
    /// A number of milliseconds, shown as `2h 14m`.
    Duration,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// What it is called in a filter: letters, digits, `_` and `-`.
    pub id: String,
    /// What stands above it.
    pub title: String,
    /// How its cells compare and are shown.
    #[serde(default)]
    pub kind: ColumnKind,
    /// True if rows may be grouped by it.
    #[serde(default)]
    pub group: bool,
}

impl Column {
    /// A column of words.
    pub fn text(id: &str, title: &str) -> Self {
        Self { id: id.to_owned(), title: title.to_owned(), kind: ColumnKind::Text, group: false }
    }

    /// A column of words that rows are grouped by.
    pub fn grouping(id: &str, title: &str) -> Self {
        Self { group: true, ..Self::text(id, title) }
    }

    /// A column of another kind.
    pub fn of(id: &str, title: &str, kind: ColumnKind) -> Self {
        Self { kind, ..Self::text(id, title) }
    }
}

/// The cells of a row, from the left.
pub type Cells<'a> = Vec<&'a str>;

/// Rows of cells, each row with a key that no other has and with lines of detail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    title: String,
    columns: Vec<Column>,
    /// For each row its key, then its cells.
    text: String,
    ends: Vec<u32>,
    /// Lines of detail of all rows, each with its line end.
    detail: String,
    detail_ends: Vec<u32>,
}

impl Table {
    /// A table without rows.
    pub fn new(title: &str, columns: Vec<Column>) -> Result<Self, TableError> {
        if columns.len() > COLUMNS_MAX {
            return Err(TableError::Columns(columns.len()));
        }
        Ok(Self { title: title.to_owned(), columns, ..Self::default() })
    }

    /// Adds a row. What is longer than the table may be is an error, and the row is not added.
    pub fn push<C: AsRef<str>, D: AsRef<str>>(
        &mut self,
        key: &str,
        cells: impl IntoIterator<Item = C>,
        detail: impl IntoIterator<Item = D>,
    ) -> Result<(), TableError> {
        let row = self.len();
        if row >= ROWS_MAX {
            return Err(TableError::Rows);
        }
        let before = (self.text.len(), self.ends.len(), self.detail.len());
        let added = self.add(key, cells, detail);
        if added.is_err() {
            self.text.truncate(before.0);
            self.ends.truncate(before.1);
            self.detail.truncate(before.2);
        }
        added
    }

    fn add<C: AsRef<str>, D: AsRef<str>>(
        &mut self,
        key: &str,
        cells: impl IntoIterator<Item = C>,
        detail: impl IntoIterator<Item = D>,
    ) -> Result<(), TableError> {
        let row = self.len() + 1;
        self.put(key)?;
        let mut found = 0;
        for cell in cells {
            found += 1;
            if found > COLUMNS_MAX {
                break;
            }
            self.put(cell.as_ref())?;
        }
        if found != self.columns.len() {
            return Err(TableError::Cells { row, found, wanted: self.columns.len() });
        }
        for line in detail {
            let line = line.as_ref();
            if self.detail.len() + line.len() >= TEXT_BYTES_MAX {
                return Err(TableError::Text);
            }
            self.detail.push_str(line);
            self.detail.push('\n');
        }
        self.detail_ends.push(self.detail.len() as u32);
        Ok(())
    }

    fn put(&mut self, text: &str) -> Result<(), TableError> {
        if self.text.len() + text.len() > TEXT_BYTES_MAX {
            return Err(TableError::Text);
        }
        self.text.push_str(text);
        self.ends.push(self.text.len() as u32);
        Ok(())
    }

    /// What it is a table of.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Its columns, from the left.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The number of a column by its id.
    pub fn column(&self, id: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.id.eq_ignore_ascii_case(id))
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.detail_ends.len()
    }

    /// True if there is no row.
    pub fn is_empty(&self) -> bool {
        self.detail_ends.is_empty()
    }

    /// The key of a row; empty if there is no such row.
    pub fn key(&self, row: usize) -> &str {
        self.piece(row * (self.columns.len() + 1))
    }

    /// A cell as it is kept; empty if there is no such cell.
    pub fn cell(&self, row: usize, column: usize) -> &str {
        if column >= self.columns.len() {
            return "";
        }
        self.piece(row * (self.columns.len() + 1) + column + 1)
    }

    /// The cells of a row as they are kept.
    pub fn cells(&self, row: usize) -> Cells<'_> {
        (0..self.columns.len()).map(|column| self.cell(row, column)).collect()
    }

    /// A cell as it is shown.
    pub fn shown(&self, row: usize, column: usize) -> String {
        let mut text = String::new();
        self.show_into(row, column, &mut text);
        text
    }

    /// Adds a cell as it is shown to a text.
    pub(super) fn show_into(&self, row: usize, column: usize, text: &mut String) {
        let cell = self.cell(row, column);
        let kind = self.columns.get(column).map(|column| column.kind).unwrap_or_default();
        match kind {
            ColumnKind::Text | ColumnKind::Number => text.push_str(cell),
            ColumnKind::Bytes | ColumnKind::Time | ColumnKind::Duration => text.push_str(&shown_as(kind, cell)),
        }
    }

    /// The lines of detail of a row.
    pub fn detail(&self, row: usize) -> impl Iterator<Item = &str> {
        let start = row.checked_sub(1).and_then(|before| self.detail_ends.get(before)).copied().unwrap_or(0);
        let end = self.detail_ends.get(row).copied().unwrap_or(start);
        self.detail.get(start as usize..end as usize).unwrap_or_default().lines()
    }

    fn piece(&self, at: usize) -> &str {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(at).copied().unwrap_or(start);
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }
}

/// A cell as it is shown in a column of a kind; as it stands, if it is not of that kind.
pub fn shown_as(kind: ColumnKind, cell: &str) -> String {
    match (kind, cell.parse::<i64>()) {
        (ColumnKind::Bytes, Ok(bytes)) => bytes_text(bytes),
        (ColumnKind::Time, Ok(ms)) => time_text(ms),
        (ColumnKind::Duration, Ok(ms)) => duration_text(ms),
        _ => cell.to_owned(),
    }
}

fn bytes_text(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes.unsigned_abs() < 1_000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1_000.0;
    let mut unit = "kB";
    for next in UNITS.iter().skip(1) {
        if value.abs() < 999.95 {
            break;
        }
        value /= 1_000.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

fn time_text(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms)
        .map_or_else(|_| ms.to_string(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

fn duration_text(ms: i64) -> String {
    let seconds = ms.unsigned_abs() / 1_000;
    let sign = if ms < 0 { "-" } else { "" };
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{seconds}s"),
        (0, 0, _) => format!("{sign}{minutes}m {:02}s", seconds % 60),
        (0, _, _) => format!("{sign}{hours}h {minutes:02}m"),
        _ => format!("{sign}{days}d {hours:02}h"),
    }
}
