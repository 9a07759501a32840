//! `lint`, `schema` and `plan`: what can be said of files without a cluster.

use std::fmt::Write as _;

use anyhow::Context as _;

use super::place;
use crate::{
    backups,
    exit::Exit,
    runbook::{
        Mode,
        lint::lint_source,
        load_runbook,
        plan::{Known, plan},
        schema::{inventory_schema, runbook_schema, schema_file},
    },
};

/// Which schema is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SchemaOf {
    /// Of a runbook.
    Runbook,
    /// Of an inventory.
    Inventory,
    /// Of what `backup impact --json` prints.
    Impact,
    /// Of what `backup inspect --json` prints.
    Backup,
    /// Of what `backup list --json` prints.
    BackupList,
    /// Of what `backup diff --json` prints.
    BackupDiff,
    /// Of what `log inspect --json` prints.
    Log,
    /// Of what `log scan --json` prints.
    LogScan,
}

/// How a plan is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanAs {
    /// Plain text.
    Text,
    /// Markdown.
    Markdown,
    /// Only the digest that typed confirmations are bound to.
    Digest,
}

/// Every problem of every file, and whether all are good.
pub fn lint(names: &[String]) -> anyhow::Result<(String, Exit)> {
    let mut out = String::new();
    let mut exit = Exit::Done;
    for name in names {
        let found = place::runbook(name)?;
        let problems = lint_source(&found.name, &found.bytes);
        if problems.has_errors() {
            exit = Exit::BadInput;
        }
        for problem in &problems.0 {
            writeln!(out, "{problem}")?;
        }
        if problems.0.is_empty() {
            writeln!(out, "{}: good", found.name)?;
        }
    }
    Ok((out, exit))
}

/// A JSON Schema.
pub fn schema(of: SchemaOf) -> String {
    match of {
        SchemaOf::Runbook => schema_file(runbook_schema()),
        SchemaOf::Inventory => schema_file(inventory_schema()),
        SchemaOf::Impact => schema_file(crate::impact::schema()),
        SchemaOf::Backup => schema_file(backups::report_schema().as_value()),
        SchemaOf::BackupList => schema_file(backups::list_schema().as_value()),
        SchemaOf::BackupDiff => schema_file(backups::diff_schema().as_value()),
        SchemaOf::Log => schema_file(super::log::schema().as_value()),
        SchemaOf::LogScan => schema_file(super::log::scan_schema().as_value()),
    }
}

/// The whole procedure, with every command rendered for every host.
pub fn print_plan(name: &str, cluster: Option<&str>, mode: Option<Mode>, how: PlanAs) -> anyhow::Result<String> {
    let found = place::runbook(name)?;
    let known = Known { mode, ..Known::default() };
    let plan = if let Some(cluster) = cluster {
        let (inventory_name, inventory) = place::inventory(cluster)?;
        let runbook = place::checked(&found, &inventory_name, &inventory)?;
        plan(&runbook, Some(&inventory), &known)
    } else {
        let runbook = load_runbook(&found.name, &found.bytes).context("loading the runbook")?;
        plan(&runbook, None, &known)
    };
    Ok(match how {
        PlanAs::Text => format!("{}\nplan digest: {}\n", plan.text(), plan.digest()),
        PlanAs::Markdown => format!("{}\nPlan digest: `{}`\n", plan.markdown(), plan.digest()),
        PlanAs::Digest => format!("{}\n", plan.digest()),
    })
}
