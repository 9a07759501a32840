//! The tasks to which something happens, packed: there may be a million.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, SeqAccess, Visitor},
};

use super::fate::Fate;
use crate::mesos::names::{Amounts, Full, Names, Sym, TEXT_BYTES_MAX};

/// A task to which something happens.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AffectedTask<'a> {
    /// Id.
    pub id: Cow<'a, str>,
    /// What becomes of it; `None` only in a value that was not filled.
    pub fate: Option<Fate>,
    /// `role/environment/name`; empty if it is not known, as for the texts below.
    pub job: Cow<'a, str>,
    /// Index within the job.
    pub instance: Option<i32>,
    /// State in the backup.
    pub in_backup: Cow<'a, str>,
    /// State at the master, else at the scheduler.
    pub now: Cow<'a, str>,
    /// Host.
    pub host: Cow<'a, str>,
    /// Contact e-mail, else user.
    pub owner: Cow<'a, str>,
    /// Cores.
    pub cpus: Option<f64>,
    /// Memory in MiB.
    pub ram_mb: Option<f64>,
    /// Disk in MiB.
    pub disk_mb: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Row {
    id_start: u32,
    id_end: u32,
    fate: Fate,
    instance: Option<i32>,
    job: Sym,
    in_backup: Sym,
    now: Sym,
    host: Sym,
    owner: Sym,
    amount: Sym,
}

/// The tasks to which something happens.
#[derive(Debug, Clone, Default)]
pub struct Affected {
    ids: String,
    rows: Vec<Row>,
    shared: Names,
    amounts: Amounts,
}

/// Equal is what is said of the tasks, not how it is packed.
impl PartialEq for Affected {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Affected {
    /// How many.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if nothing happens to any.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Each, in the order of fate, job, instance and id.
    pub fn iter(&self) -> impl Iterator<Item = AffectedTask<'_>> {
        self.rows.iter().map(|row| {
            let (cpus, ram_mb, disk_mb) = self.amounts.get(row.amount);
            let text = |sym| Cow::Borrowed(self.shared.get(sym));
            AffectedTask {
                id: Cow::Borrowed(self.id(row)),
                fate: Some(row.fate),
                job: text(row.job),
                instance: row.instance,
                in_backup: text(row.in_backup),
                now: text(row.now),
                host: text(row.host),
                owner: text(row.owner),
                cpus,
                ram_mb,
                disk_mb,
            }
        })
    }

    /// Ids of the tasks of one fate, in the order of job, instance and id.
    pub fn ids_of(&self, fate: Fate) -> impl Iterator<Item = &str> {
        self.rows.iter().filter(move |row| row.fate == fate).map(|row| self.id(row))
    }

    fn id(&self, row: &Row) -> &str {
        self.ids.get(row.id_start as usize..row.id_end as usize).unwrap_or_default()
    }

    /// Adds one. Once all are there: [`Self::sort`].
    pub(super) fn add(&mut self, task: &AffectedTask<'_>) -> Result<(), Full> {
        let (start, end) = (self.ids.len(), self.ids.len() + task.id.len());
        if end > TEXT_BYTES_MAX {
            return Err(Full);
        }
        self.ids.push_str(&task.id);
        let row = Row {
            id_start: start as u32,
            id_end: end as u32,
            fate: task.fate.unwrap_or(Fate::Unknown),
            instance: task.instance,
            job: self.shared.put(&task.job)?.0,
            in_backup: self.shared.put(&task.in_backup)?.0,
            now: self.shared.put(&task.now)?.0,
            host: self.shared.put(&task.host)?.0,
            owner: self.shared.put(&task.owner)?.0,
            amount: self.amounts.put((task.cpus, task.ram_mb, task.disk_mb))?,
        };
        self.rows.push(row);
        Ok(())
    }

    /// Puts them in their order.
    pub(super) fn sort(&mut self) {
        let mut order: Vec<u32> = (0..self.shared.len() as u32).collect();
        order.sort_unstable_by_key(|sym| self.shared.get(Sym(*sym)));
        let mut rank = vec![0_u32; order.len()];
        for (place, sym) in order.iter().enumerate() {
            if let Some(rank) = rank.get_mut(*sym as usize) {
                *rank = place as u32;
            }
        }
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_unstable_by(|a, b| {
            let rank = |row: &Row| rank.get(row.job.index()).copied();
            (a.fate, rank(a), a.instance).cmp(&(b.fate, rank(b), b.instance)).then_with(|| self.id(a).cmp(self.id(b)))
        });
        self.rows = rows;
    }
}

impl Serialize for Affected {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Affected {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Taker;
        impl<'de> Visitor<'de> for Taker {
            type Value = Affected;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of tasks")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Affected, A::Error> {
                let mut affected = Affected::default();
                while let Some(task) = list.next_element::<AffectedTask<'_>>()? {
                    affected.add(&task).map_err(A::Error::custom)?;
                }
                Ok(affected)
            }
        }
        deserializer.deserialize_seq(Taker)
    }
}

impl JsonSchema for Affected {
    fn schema_name() -> Cow<'static, str> {
        "AffectedTasks".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<AffectedTask<'static>>::json_schema(generator)
    }
}
