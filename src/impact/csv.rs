//! Tables for spreadsheets.
//!
//! Texts come from a cluster's users: one that a spreadsheet would take for a formula is given a quote before it.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    fate::Fate,
    groups::{JobGroup, Resources},
    model::Impact,
    text::{clean, of_job},
};

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CsvOf {
    /// A task to which something happens.
    Tasks,
    /// A job.
    Jobs,
}

impl Impact {
    /// One row for each task to which something happens, or for each job; a line of names first.
    pub fn to_csv(&self, of: CsvOf) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        // Writing to memory fails only for rows of unequal length.
        let written = match of {
            CsvOf::Tasks => self.task_rows(&mut writer),
            CsvOf::Jobs => self.job_rows(&mut writer),
        };
        let bytes = written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default()
    }

    fn task_rows(&self, writer: &mut csv::Writer<Vec<u8>>) -> Result<(), csv::Error> {
        let head = ["id", "role", "environment", "job", "instance", "fate", "in_backup", "now", "host"];
        writer.write_record(head.iter().chain(&["owner", "owner_of", "cpus", "ram_mb", "disk_mb"]))?;
        let jobs: BTreeMap<&str, &JobGroup> = self.by_job.iter().map(|job| (job.job.as_str(), job)).collect();
        for task in self.tasks.iter() {
            let (role, environment, name) = of_job(&task.job);
            // Nobody says whose a task is that only the master knows; its job or its role does.
            let job = jobs.get(&*task.job).filter(|_| task.owner.is_empty());
            let (owner, of) = match job {
                None if task.owner.is_empty() => (String::new(), ""),
                None => (task.owner.to_string(), "task"),
                Some(job) if job.owners.is_empty() => (String::new(), ""),
                Some(job) => (job.owners.join(" "), if job.owners_by_role { "role" } else { "job" }),
            };
            writer.write_record([
                &*cell(&task.id),
                &*cell(role),
                &*cell(environment),
                &*cell(name),
                &task.instance.map(|instance| instance.to_string()).unwrap_or_default(),
                task.fate.map_or("", Fate::name),
                &*cell(&task.in_backup),
                &*cell(&task.now),
                &*cell(&task.host),
                &*cell(&owner),
                of,
                &amount(task.cpus),
                &amount(task.ram_mb),
                &amount(task.disk_mb),
            ])?;
        }
        Ok(())
    }

    fn job_rows(&self, writer: &mut csv::Writer<Vec<u8>>) -> Result<(), csv::Error> {
        let mut head = vec!["role", "environment", "job", "owners", "owners_of", "killed_instances"];
        head.extend(["killed_cpus", "killed_ram_mb", "killed_disk_mb"]);
        head.extend(Fate::ALL.map(Fate::name));
        writer.write_record(head)?;
        for job in &self.by_job {
            let (role, environment, name) = of_job(&job.job);
            let owners = job.owners.join(" ");
            let killed =
                job.instances.iter().filter(|(fate, _)| fate.kills()).map(|(_, instances)| instances.0.as_str());
            let killed = killed.collect::<Vec<_>>().join(",");
            let Resources { cpus, ram_mb, disk_mb } = job.killed_resources;
            let mut row: Vec<Cow<'_, str>> = vec![cell(role), cell(environment), cell(name), cell(&owners)];
            row.push(if job.owners_by_role { "role" } else { "job" }.into());
            // A range is no number for a spreadsheet, and `1-2` is a date for some.
            row.push(if killed.is_empty() { "".into() } else { format!("[{killed}]").into() });
            row.extend([cpus, ram_mb, disk_mb].map(|number| Cow::from(number.to_string())));
            row.extend(Fate::ALL.map(|fate| Cow::from(job.counts.of(fate).to_string())));
            writer.write_record(row.iter().map(|cell| cell.as_bytes()))?;
        }
        Ok(())
    }
}

fn amount(amount: Option<f64>) -> String {
    amount.map(|amount| amount.to_string()).unwrap_or_default()
}

fn cell(text: &str) -> Cow<'_, str> {
    let text = clean(text);
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}").into() } else { text }
}
