//! Tables for spreadsheets.

use super::model::Impact;

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CsvOf {
    /// A task to which something happens.
    Tasks,
    /// A job.
    Jobs,
}

impl Impact {
    /// One row for each task to which something happens, or for each job.
    pub fn to_csv(&self, of: CsvOf) -> String {
        let _ = of;
        String::new()
    }
}
