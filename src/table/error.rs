//! Why a table cannot be made or read.

use thiserror::Error;

/// Why a table cannot be made, read or written.
#[derive(Debug, Error)]
pub enum TableError {
    /// A limit on the number of columns.
    #[error("a table of {0} columns; at most {max} are shown", max = super::COLUMNS_MAX)]
    Columns(usize),
    /// A row with too few or too many cells.
    #[error("row {row}: {found} cells where there are {wanted} columns")]
    Cells {
        /// Counted from 1.
        row: usize,
        /// Cells found.
        found: usize,
        /// Columns of the table.
        wanted: usize,
    },
    /// The table is full.
    #[error("more than {max} rows", max = super::ROWS_MAX)]
    Rows,
    /// The texts of all rows together are too long.
    #[error("more than {max} bytes of text", max = super::TEXT_BYTES_MAX)]
    Text,
    /// A line is longer than any row is.
    #[error("line {line}: longer than {max} bytes", max = super::LINE_BYTES_MAX)]
    Line {
        /// Counted from 1.
        line: usize,
    },
    /// A line is not what it should be.
    #[error("line {line}: {why}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// The first line does not say that this is a table.
    #[error("line 1: not a table: {0}")]
    NotATable(String),
    /// The file ends before its last row.
    #[error("ends after {found} of {wanted} rows")]
    Short {
        /// Rows found.
        found: usize,
        /// Rows that its first line promises.
        wanted: usize,
    },
    /// It could not be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}
