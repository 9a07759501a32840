//! JSON Schemas of what the `backup` commands print.

use schemars::{Schema, schema_for};

use super::{BackupDiff, BackupList, BackupReport};

/// Of `backup inspect --json`.
pub fn report_schema() -> Schema {
    schema_for!(BackupReport)
}

/// Of `backup list --json`.
pub fn list_schema() -> Schema {
    schema_for!(BackupList)
}

/// Of `backup diff --json`.
pub fn diff_schema() -> Schema {
    schema_for!(BackupDiff)
}
