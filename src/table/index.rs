//! What makes looking through a table quick, made once: a haystack in lower case, and for each column the rank of
//! each row's cell. It costs about as much memory again as the cells.

use std::collections::HashMap;

use memchr::memmem::Finder;

use super::{ColumnKind, Filter, Table, Term};

/// A set of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rows {
    words: Vec<u64>,
}

impl Rows {
    pub(super) fn none(rows: usize) -> Self {
        Self { words: vec![0; rows.div_ceil(64)] }
    }

    pub(super) fn all(rows: usize) -> Self {
        let mut set = Self { words: vec![u64::MAX; rows.div_ceil(64)] };
        if let Some(last) = set.words.last_mut()
            && !rows.is_multiple_of(64)
        {
            *last = (1 << (rows % 64)) - 1;
        }
        set
    }

    pub(super) fn has(&self, row: usize) -> bool {
        self.words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    pub(super) fn set(&mut self, row: usize, on: bool) {
        if let Some(word) = self.words.get_mut(row / 64) {
            let bit = 1 << (row % 64);
            if on { *word |= bit } else { *word &= !bit }
        }
    }

    pub(super) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// How many rows are in both.
    pub(super) fn common(&self, other: &Self) -> usize {
        self.words.iter().zip(&other.words).map(|(one, two)| (one & two).count_ones() as usize).sum()
    }

    pub(super) fn keep(&mut self, other: &Self, inside: bool) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= if inside { *other } else { !other };
        }
    }

    pub(super) fn join(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word |= other;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros() as usize;
                left &= left.wrapping_sub(1);
                (bit < 64).then_some(at * 64 + bit)
            })
        })
    }
}

#[derive(Debug, Clone, Default)]
struct Ranks {
    /// For each row the place of its cell among the values of the column; rows with one value share it.
    of: Vec<u32>,
    /// For each rank a row that has it.
    first: Vec<u32>,
}

/// The index of a table.
#[derive(Debug, Clone, Default)]
pub struct Index {
    /// For each row its cells as they are shown and then its key, in lower case, each followed by a line end.
    lower: String,
    ends: Vec<u32>,
    /// Pieces of a row: its cells, and the key where no column holds it.
    width: usize,
    ranks: Vec<Ranks>,
}

impl Index {
    /// Looks at every cell of a table.
    pub fn of(table: &Table) -> Self {
        let columns = table.columns().len();
        let key_is_cell =
            (0..columns).any(|column| (0..table.len()).all(|row| table.cell(row, column) == table.key(row)));
        let width = columns + usize::from(!key_is_cell || columns == 0);
        let mut index = Self { width, ..Self::default() };
        index.ends.reserve_exact(width * table.len());
        let mut piece = String::new();
        for row in 0..table.len() {
            for column in 0..width {
                piece.clear();
                if column < columns {
                    table.show_into(row, column, &mut piece);
                } else {
                    piece.push_str(table.key(row));
                }
                index.put(&piece);
            }
        }
        index.ranks = (0..columns).map(|column| index.rank(table, column)).collect();
        index
    }

    fn put(&mut self, piece: &str) {
        if piece.is_ascii() {
            self.lower.extend(piece.bytes().map(|byte| match byte {
                b'\n' => ' ',
                other => char::from(other.to_ascii_lowercase()),
            }));
        } else {
            self.lower.extend(piece.chars().flat_map(char::to_lowercase).map(|letter| match letter {
                '\n' => ' ',
                other => other,
            }));
        }
        self.lower.push('\n');
        self.ends.push(u32::try_from(self.lower.len()).unwrap_or(u32::MAX));
    }

    fn rank(&self, table: &Table, column: usize) -> Ranks {
        let kind = table.columns().get(column).map(|column| column.kind).unwrap_or_default();
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let mut values: Vec<(&str, u32)> = Vec::new();
        let mut of: Vec<u32> = Vec::with_capacity(table.len());
        for row in 0..table.len() {
            let value = if kind == ColumnKind::Text { self.piece(row, column) } else { table.cell(row, column) };
            let number = *numbers.entry(value).or_insert_with(|| {
                values.push((value, row as u32));
                values.len() as u32 - 1
            });
            of.push(number);
        }
        let mut by_value: Vec<(u32, Option<f64>)> =
            values.iter().enumerate().map(|(at, (value, _))| (at as u32, number(kind, value))).collect();
        let value = |at: u32| values.get(at as usize).map_or("", |(value, _)| value);
        by_value.sort_unstable_by(|(one, first), (two, second)| {
            let numbers = match (first, second) {
                (Some(first), Some(second)) => first.total_cmp(second),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (None, None) => std::cmp::Ordering::Equal,
            };
            numbers.then_with(|| value(*one).cmp(value(*two)))
        });
        let mut places = vec![0; values.len()];
        let mut first = Vec::with_capacity(values.len());
        for (place, (at, _)) in by_value.iter().enumerate() {
            if let (Some(slot), Some((_, row))) = (places.get_mut(*at as usize), values.get(*at as usize)) {
                *slot = place as u32;
                first.push(*row);
            }
        }
        for number in &mut of {
            *number = places.get(*number as usize).copied().unwrap_or(0);
        }
        Ranks { of, first }
    }

    /// The place of a row's cell among the values of its column.
    pub(super) fn rank_of(&self, row: usize, column: usize) -> u32 {
        self.ranks.get(column).and_then(|ranks| ranks.of.get(row)).copied().unwrap_or(0)
    }

    /// For each value of a column, in their order, a row that has it.
    pub(super) fn values(&self, column: usize) -> &[u32] {
        self.ranks.get(column).map_or(&[], |ranks| &ranks.first)
    }

    /// A piece of a row in lower case, without its line end.
    pub(super) fn piece(&self, row: usize, column: usize) -> &str {
        let (start, end) = self.piece_range(row, column);
        self.lower.get(start..end.saturating_sub(1).max(start)).unwrap_or_default()
    }

    fn piece_range(&self, row: usize, column: usize) -> (usize, usize) {
        let at = row * self.width + column;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(at).copied().unwrap_or(start);
        (start as usize, end as usize)
    }

    fn row_range(&self, row: usize) -> (usize, usize) {
        let start = self.piece_range(row, 0).0;
        (start, self.piece_range(row, self.width.saturating_sub(1)).1)
    }

    /// How many rows there are.
    pub(super) fn row_count(&self) -> usize {
        self.ends.len().checked_div(self.width).unwrap_or(0)
    }

    /// The rows that a filter shows, of those in `among`.
    pub(super) fn matching(&self, filter: &Filter, mut among: Rows) -> Rows {
        for term in filter.terms() {
            let hits = self.hits(term, &among);
            among.keep(&hits, !term.not);
        }
        among
    }

    fn hits(&self, term: &Term, among: &Rows) -> Rows {
        let finder = Finder::new(term.text.as_bytes());
        // A scan of everything costs less than many short ones, unless few rows are left.
        if !term.exact && among.count() > self.row_count() / 8 {
            return self.scan(term, &finder);
        }
        let mut hits = Rows::none(self.row_count());
        for row in among.iter() {
            let found = match term.column {
                Some(column) if term.exact => self.piece(row, column) == term.text,
                Some(column) => finder.find(self.piece(row, column).as_bytes()).is_some(),
                None => {
                    let (start, end) = self.row_range(row);
                    finder.find(self.lower.as_bytes().get(start..end).unwrap_or_default()).is_some()
                }
            };
            if found {
                hits.set(row, true);
            }
        }
        hits
    }

    /// Looks through the whole haystack; after a hit it goes on with the next row.
    fn scan(&self, term: &Term, finder: &Finder<'_>) -> Rows {
        let mut hits = Rows::none(self.row_count());
        let bytes = self.lower.as_bytes();
        let (mut at, mut row) = (0, 0);
        let mut end = self.row_range(row).1;
        while let Some(found) = bytes.get(at..).and_then(|rest| finder.find(rest)) {
            let found = at + found;
            while found >= end && row < self.row_count() {
                row += 1;
                end = self.row_range(row).1;
            }
            let (from, to) = term.column.map_or((found, end), |column| self.piece_range(row, column));
            if found < from {
                at = from;
                continue;
            }
            if found < to {
                hits.set(row, true);
            }
            at = end.max(found + 1);
        }
        hits
    }
}

/// The number that a cell is compared by; what is no number comes after all numbers.
fn number(kind: ColumnKind, value: &str) -> Option<f64> {
    match kind {
        ColumnKind::Text => None,
        ColumnKind::Number | ColumnKind::Bytes | ColumnKind::Time | ColumnKind::Duration => value.trim().parse().ok(),
    }
}
