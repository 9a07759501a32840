//! Tables of many rows that an engineer looks through: staged tasks, backups, what a restore will kill.
//!
//! What belongs here: the rows in memory and on disk, filter, sort, groups, marks, and the place of the one who
//! looks. A hundred thousand rows stay fluid: texts lie in one buffer, a haystack in lower case is made once, a
//! filter that grew looks only at what it showed before, and sorting compares ranks that are made once.
//!
//! What it survives: a file that was cut off, is not a table, or is larger than its limits: an error with the line.
//! What it deliberately does not do: open files, know a terminal, know what a row stands for.

mod browse;
mod error;
mod filter;
mod format;
mod index;
mod model;

#[cfg(test)]
mod tests;

pub use browse::{Browse, Group, Place};
pub use error::TableError;
pub use filter::{Filter, Term};
pub use format::{LINE_BYTES_MAX, read, write};
pub use index::Index;
pub use model::{COLUMNS_MAX, Cells, Column, ColumnKind, ROWS_MAX, TEXT_BYTES_MAX, Table, shown_as};
