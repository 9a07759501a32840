//! The state of one who looks through a table: filter, order, groups, marks, and the row under the cursor.

use super::{Filter, Index, Table, index::Rows};

/// Rows with one value in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// A row that has the value.
    pub row: usize,
    /// Rows that the filter shows.
    pub shown: usize,
    /// Rows of these that are marked.
    pub marked: usize,
}

/// What stands at a place of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A row of the table.
    Row(usize),
    /// A group, by its number in [`Browse::groups`].
    Group(usize),
}

/// How one looks through a table. Every method is to be given the table and index that it was made for.
#[derive(Debug, Clone, Default)]
pub struct Browse {
    typed: String,
    filter: Filter,
    hits: Rows,
    order: Vec<u32>,
    shown: Vec<u32>,
    sort: Option<(usize, bool)>,
    group: Option<usize>,
    groups: Vec<Group>,
    marks: Rows,
    cursor: usize,
    last_marked: Option<usize>,
}

impl Browse {
    /// Shows every row in the table's own order, with nothing marked.
    pub fn of(table: &Table) -> Self {
        let rows = table.len();
        let order: Vec<u32> = (0..rows as u32).collect();
        Self { hits: Rows::all(rows), marks: Rows::none(rows), shown: order.clone(), order, ..Self::default() }
    }

    /// The filter as it was typed.
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// The filter.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The column that rows are sorted by, and whether the largest come first.
    pub fn sort(&self) -> Option<(usize, bool)> {
        self.sort
    }

    /// The column that rows are grouped by.
    pub fn group(&self) -> Option<usize> {
        self.group
    }

    /// The groups, if rows are grouped.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The rows that are shown, in their order.
    pub fn shown(&self) -> &[u32] {
        &self.shown
    }

    /// How many places the list has: rows, or groups.
    pub fn places(&self) -> usize {
        if self.group.is_some() { self.groups.len() } else { self.shown.len() }
    }

    /// What stands at a place.
    pub fn place(&self, at: usize) -> Option<Place> {
        if self.group.is_some() {
            return (at < self.groups.len()).then_some(Place::Group(at));
        }
        self.shown.get(at).map(|row| Place::Row(*row as usize))
    }

    /// The place of the cursor.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Puts the cursor at a place, or at the last one.
    pub fn move_to(&mut self, place: usize) {
        self.cursor = place.min(self.places().saturating_sub(1));
    }

    /// True if a row is marked.
    pub fn is_marked(&self, row: usize) -> bool {
        self.marks.has(row)
    }

    /// How many rows are marked, shown or not.
    pub fn marked(&self) -> usize {
        self.marks.count()
    }

    /// How many of the rows that are shown are marked.
    pub fn marked_shown(&self) -> usize {
        self.marks.common(&self.hits)
    }

    /// The marked rows, in the table's order.
    pub fn marked_rows(&self) -> impl Iterator<Item = usize> {
        self.marks.iter()
    }

    /// Takes a filter as far as it is typed. The cursor stays on its row if that is still shown.
    pub fn type_filter(&mut self, table: &Table, index: &Index, typed: &str) {
        let filter = Filter::parse(typed, table);
        typed.clone_into(&mut self.typed);
        if filter == self.filter {
            return;
        }
        let among = if filter.narrows(&self.filter) { std::mem::take(&mut self.hits) } else { Rows::all(table.len()) };
        self.hits = index.matching(&filter, among);
        self.filter = filter;
        self.list(index);
    }

    /// Sorts by a column, the largest first if `descending`; by the table's own order if none.
    pub fn sort_by(&mut self, table: &Table, index: &Index, by: Option<(usize, bool)>) {
        self.sort = by;
        self.order = (0..table.len() as u32).collect();
        if let Some((column, descending)) = by {
            let rank = |row: u32| index.rank_of(row as usize, column);
            self.order.sort_by_key(|row| if descending { u32::MAX - rank(*row) } else { rank(*row) });
        }
        self.list(index);
    }

    /// Groups by a column, or not.
    pub fn group_by(&mut self, index: &Index, column: Option<usize>) {
        self.group = column;
        self.cursor = 0;
        self.list(index);
    }

    /// Goes into a group: its value becomes a term of the filter.
    pub fn enter_group(&mut self, table: &Table, index: &Index, group: usize) {
        let (Some(column), Some(group)) = (self.group, self.groups.get(group)) else { return };
        let Some(id) = table.columns().get(column).map(|column| column.id.clone()) else { return };
        let row = group.row;
        let value = table.shown(row, column).replace('"', "");
        let quote = if value.contains(char::is_whitespace) { "\"" } else { "" };
        let before = self.typed.trim_end().to_owned();
        let blank = if before.is_empty() { "" } else { " " };
        self.group_by(index, None);
        self.type_filter(table, index, &format!("{before}{blank}{id}={quote}{value}{quote}"));
        self.cursor = 0;
    }

    /// Marks what is under the cursor, or takes the mark away: a group is marked whole.
    pub fn mark(&mut self, index: &Index) {
        match self.place(self.cursor) {
            Some(Place::Row(row)) => {
                let on = !self.marks.has(row);
                self.marks.set(row, on);
                self.last_marked = Some(row);
            }
            Some(Place::Group(at)) => {
                let Some(group) = self.groups.get(at).cloned() else { return };
                let Some(column) = self.group else { return };
                let (on, rank) = (group.marked < group.shown, index.rank_of(group.row, column));
                for row in self.shown.iter().map(|row| *row as usize) {
                    if index.rank_of(row, column) == rank {
                        self.marks.set(row, on);
                    }
                }
                self.count(index);
            }
            None => {}
        }
    }

    /// Marks everything between the row that was marked last and the cursor, as that one is.
    pub fn mark_range(&mut self) {
        if self.group.is_some() {
            return;
        }
        let from = self.last_marked.and_then(|row| self.shown.iter().position(|shown| *shown as usize == row));
        let from = from.unwrap_or(self.cursor);
        let on = self.last_marked.is_none_or(|row| self.marks.has(row));
        let (low, high) = (from.min(self.cursor), from.max(self.cursor));
        for row in self.shown.get(low..=high).unwrap_or_default() {
            self.marks.set(*row as usize, on);
        }
        self.last_marked = self.shown.get(self.cursor).map(|row| *row as usize);
    }

    /// Marks all rows that are shown; if all are, takes their marks away.
    pub fn mark_shown(&mut self, index: &Index) {
        if self.marked_shown() == self.hits.count() {
            self.marks.keep(&self.hits, false);
        } else {
            self.marks.join(&self.hits);
        }
        self.count(index);
    }

    /// Of the rows that are shown, marks those that are not and the other way round.
    pub fn invert_shown(&mut self, index: &Index) {
        for row in self.hits.iter() {
            let on = !self.marks.has(row);
            self.marks.set(row, on);
        }
        self.count(index);
    }

    /// Takes all marks away, also from rows that are not shown.
    pub fn clear_marks(&mut self, index: &Index) {
        self.marks = Rows::none(index.row_count());
        self.last_marked = None;
        self.count(index);
    }

    /// Marks the rows with these keys; says how many were found. A key that is not there is left out.
    pub fn mark_keys(&mut self, table: &Table, index: &Index, keys: &[&str]) -> usize {
        let keys: std::collections::HashSet<&str> = keys.iter().copied().collect();
        let mut found = 0;
        for row in (0..table.len()).filter(|row| keys.contains(table.key(*row))) {
            self.marks.set(row, true);
            found += 1;
        }
        self.count(index);
        found
    }

    /// The fewest columns whose one value all marked rows share and no other row of the table shares; with a row
    /// that has them. None if the marked rows cannot be told from the others so.
    pub fn common_terms(&self, index: &Index, columns: &[usize]) -> Option<(usize, Vec<usize>)> {
        let marked = self.marks.count();
        let row = self.marks.iter().next()?;
        let shared = |column: &usize| {
            let rank = index.rank_of(row, *column);
            self.marks.iter().all(|row| index.rank_of(row, *column) == rank)
        };
        let mut terms: Vec<usize> = columns.iter().copied().filter(shared).collect();
        let reach = |terms: &[usize]| {
            let same = |other: &usize| {
                terms.iter().all(|column| index.rank_of(*other, *column) == index.rank_of(row, *column))
            };
            (0..index.row_count()).filter(same).count()
        };
        if terms.is_empty() || reach(&terms) != marked {
            return None;
        }
        let mut at = 0;
        while let Some(left_out) = terms.get(at).copied() {
            terms.remove(at);
            if terms.is_empty() || reach(&terms) != marked {
                terms.insert(at, left_out);
                at += 1;
            }
        }
        Some((row, terms))
    }

    fn list(&mut self, index: &Index) {
        let under = match self.place(self.cursor) {
            Some(Place::Row(row)) => Some(row as u32),
            Some(Place::Group(_)) | None => None,
        };
        let hits = &self.hits;
        self.shown.clear();
        self.shown.extend(self.order.iter().filter(|row| hits.has(**row as usize)));
        self.count(index);
        let same = under.and_then(|under| self.shown.iter().position(|row| *row == under));
        self.cursor = match (self.group, same) {
            (None, Some(at)) => at,
            (None, None) => 0,
            (Some(_), _) => self.cursor.min(self.groups.len().saturating_sub(1)),
        };
    }

    /// Counts the groups anew: the largest first, as they are in the column where they are as large.
    fn count(&mut self, index: &Index) {
        self.groups.clear();
        let Some(column) = self.group else { return };
        self.groups.extend(index.values(column).iter().map(|row| Group { row: *row as usize, shown: 0, marked: 0 }));
        for row in self.shown.iter().map(|row| *row as usize) {
            if let Some(group) = self.groups.get_mut(index.rank_of(row, column) as usize) {
                group.shown += 1;
                group.marked += usize::from(self.marks.has(row));
            }
        }
        self.groups.retain(|group| group.shown > 0);
        self.groups.sort_by_key(|group| std::cmp::Reverse(group.shown));
    }
}
