//! A task skimmed to its brief: borrowed from the bytes, nothing allocated.
//!
//! The fields are those of the structs in `types`; what they mean to a reader (the last of a repeated field counts, one of another type than
//! declared is as if absent) is what decoding a whole task gives.

use super::skim::{Cursor, Skimmed};
use super::strange::Place;
use crate::aurora::brief::TaskBrief;
use crate::aurora::types::{
    AssignedTask, ExecutorConfig, Identity, JobKey, Metadata, Resource, ScheduleStatus, ScheduledTask, TaskConfig,
    TaskEvent,
};
use crate::aurora::value::TType;

/// Fields of the struct that Aurora has and this program does not model: constraints, links, mesos fetcher and others.
pub(super) const TASK_CONFIG_UNMODELLED: &[i16] = &[20, 22, 24, 29, 33, 34, 35];

/// Levels at which the structs of a task are.
const TASK: usize = 1;
const ASSIGNED: usize = 2;
const CONFIG: usize = 3;
const INNER: usize = 4;

#[derive(Default)]
struct Assigned<'a> {
    id: &'a str,
    agent_id: Option<&'a str>,
    host: Option<&'a str>,
    instance: i32,
    config: Config<'a>,
}

#[derive(Default)]
struct Config<'a> {
    job: Option<Key<'a>>,
    role: Option<&'a str>,
    environment: Option<&'a str>,
    name: Option<&'a str>,
    user: Option<&'a str>,
    contact_email: Option<&'a str>,
    is_service: bool,
    tier: Option<&'a str>,
    /// Of the fields of their own, up to 0.19.
    flat: Amounts,
    /// Of the resources, from 0.14.
    resources: Amounts,
}

#[derive(Default)]
struct Key<'a> {
    role: &'a str,
    environment: &'a str,
    name: &'a str,
}

#[derive(Default)]
struct Amounts {
    cpus: Option<f64>,
    ram_mb: Option<i64>,
    disk_mb: Option<i64>,
}

/// Reads one task up to its closing byte.
pub(super) fn task<'a>(cursor: &mut Cursor<'a, '_>) -> Skimmed<TaskBrief<'a>> {
    let mut of = Assigned::default();
    let mut status = ScheduleStatus::default();
    let mut newest_event_ms = None;
    let mut ancestor_id = None;
    while let Some(field) = cursor.field()? {
        match field {
            (1, TType::Struct) => of = assigned(cursor)?,
            (2, TType::I32) => status = ScheduleStatus::from_code(cursor.i32()?),
            (3 | 6, TType::I32) => cursor.skip(TType::I32, TASK)?,
            (4, TType::List) => events(cursor, &mut newest_event_ms)?,
            (5, TType::String) => ancestor_id = cursor.text()?.or(ancestor_id),
            _ => cursor.other(Place::Task, ScheduledTask::IDS, field, TASK)?,
        }
    }
    let config = of.config;
    let job = match (config.job, config.role, config.environment, config.name) {
        (Some(job), ..) => job,
        (None, Some(role), Some(environment), Some(name)) => Key { role, environment, name },
        _ => Key::default(),
    };
    Ok(TaskBrief {
        id: of.id,
        role: job.role,
        environment: job.environment,
        name: job.name,
        instance: of.instance,
        status,
        host: of.host,
        agent_id: of.agent_id,
        ancestor_id,
        contact_email: config.contact_email,
        user: config.user,
        is_service: config.is_service,
        tier: config.tier,
        cpus: config.resources.cpus.or(config.flat.cpus),
        ram_mb: config.resources.ram_mb.or(config.flat.ram_mb),
        disk_mb: config.resources.disk_mb.or(config.flat.disk_mb),
        newest_event_ms,
    })
}

fn assigned<'a>(cursor: &mut Cursor<'a, '_>) -> Skimmed<Assigned<'a>> {
    let mut of = Assigned::default();
    while let Some(field) = cursor.field()? {
        match field {
            (1, TType::String) => of.id = cursor.text()?.unwrap_or(of.id),
            (2, TType::String) => of.agent_id = cursor.text()?.or(of.agent_id),
            (3, TType::String) => of.host = cursor.text()?.or(of.host),
            (4, TType::Struct) => of.config = config(cursor)?,
            (5, TType::Map) => ports(cursor)?,
            (6, TType::I32) => of.instance = cursor.i32()?,
            _ => cursor.other(Place::AssignedTask, AssignedTask::IDS, field, ASSIGNED)?,
        }
    }
    Ok(of)
}

fn ports(cursor: &mut Cursor<'_, '_>) -> Skimmed<()> {
    let (key, value, count) = cursor.map_head()?;
    if count > 0 && (key, value) != (TType::String, TType::I32) {
        cursor.odd.mistyped.add(Place::AssignedTask, 5);
    }
    for _ in 0..count {
        cursor.skip(key, CONFIG)?;
        cursor.skip(value, CONFIG)?;
    }
    Ok(())
}

fn config<'a>(cursor: &mut Cursor<'a, '_>) -> Skimmed<Config<'a>> {
    let mut of = Config::default();
    while let Some(field) = cursor.field()? {
        match field {
            (3, TType::String) => of.name = cursor.text()?.or(of.name),
            (7, TType::Bool) => of.is_service = cursor.u8()? != 0,
            (8, TType::Double) => of.flat.cpus = Some(cursor.f64()?),
            (9, TType::I64) => of.flat.ram_mb = Some(cursor.i64()?),
            (10, TType::I64) => of.flat.disk_mb = Some(cursor.i64()?),
            (11 | 13, TType::I32) | (18, TType::Bool) => cursor.skip(field.1, CONFIG)?,
            (17, TType::Struct) => (of.role, of.user) = owner(cursor)?,
            (21, TType::Set) => named_ports(cursor)?,
            (23, TType::String) => of.contact_email = cursor.text()?.or(of.contact_email),
            (25, TType::Struct) => texts(cursor, Place::ExecutorConfig, ExecutorConfig::IDS)?,
            (26, TType::String) => of.environment = cursor.text()?.or(of.environment),
            (27, TType::Set) => labels(cursor)?,
            (28, TType::Struct) => of.job = Some(job_key(cursor)?),
            (30, TType::String) => of.tier = cursor.text()?.or(of.tier),
            (32, TType::Set) => of.resources = resources(cursor)?.unwrap_or(of.resources),
            (20 | 22 | 24 | 29 | 33..=35, ttype) => cursor.skip(ttype, CONFIG)?,
            _ => cursor.other(Place::TaskConfig, TaskConfig::IDS, field, CONFIG)?,
        }
    }
    Ok(of)
}

fn owner<'a>(cursor: &mut Cursor<'a, '_>) -> Skimmed<(Option<&'a str>, Option<&'a str>)> {
    let (mut role, mut user) = (None, None);
    while let Some(field) = cursor.field()? {
        match field {
            (1, TType::String) => role = cursor.text()?.or(role),
            (2, TType::String) => user = cursor.text()?.or(user),
            _ => cursor.other(Place::Identity, Identity::IDS, field, INNER)?,
        }
    }
    Ok((role, user))
}

fn job_key<'a>(cursor: &mut Cursor<'a, '_>) -> Skimmed<Key<'a>> {
    let mut key = Key::default();
    while let Some(field) = cursor.field()? {
        match field {
            (1, TType::String) => key.role = cursor.text()?.unwrap_or(key.role),
            (2, TType::String) => key.environment = cursor.text()?.unwrap_or(key.environment),
            (3, TType::String) => key.name = cursor.text()?.unwrap_or(key.name),
            _ => cursor.other(Place::JobKey, JobKey::IDS, field, INNER)?,
        }
    }
    Ok(key)
}

fn named_ports(cursor: &mut Cursor<'_, '_>) -> Skimmed<()> {
    let (elem, count) = cursor.seq_head()?;
    if count > 0 && elem != TType::String {
        cursor.odd.mistyped.add(Place::TaskConfig, 21);
    }
    cursor.skip_items(elem, count, INNER)
}

fn labels(cursor: &mut Cursor<'_, '_>) -> Skimmed<()> {
    let (elem, count) = cursor.seq_head()?;
    if count > 0 && elem != TType::Struct {
        cursor.odd.mistyped.add(Place::TaskConfig, 27);
        return cursor.skip_items(elem, count, INNER);
    }
    (0..count).try_for_each(|_| texts(cursor, Place::Label, Metadata::IDS))
}

/// Steps over a struct whose declared fields are all texts.
fn texts(cursor: &mut Cursor<'_, '_>, place: Place, declared: &[i16]) -> Skimmed<()> {
    while let Some(field) = cursor.field()? {
        match field {
            (1 | 2, TType::String) => cursor.skip_text()?,
            _ => cursor.other(place, declared, field, INNER)?,
        }
    }
    Ok(())
}

/// Amounts of a set of resources; the first of each kind. `None` when it is no set of structs.
fn resources(cursor: &mut Cursor<'_, '_>) -> Skimmed<Option<Amounts>> {
    let (elem, count) = cursor.seq_head()?;
    if count > 0 && elem != TType::Struct {
        cursor.odd.mistyped.add(Place::TaskConfig, 32);
        cursor.skip_items(elem, count, INNER)?;
        return Ok(None);
    }
    let mut amounts = Amounts::default();
    for _ in 0..count {
        let one = resource(cursor)?;
        amounts.cpus = amounts.cpus.or(one.cpus);
        amounts.ram_mb = amounts.ram_mb.or(one.ram_mb);
        amounts.disk_mb = amounts.disk_mb.or(one.disk_mb);
    }
    Ok(Some(amounts))
}

fn resource(cursor: &mut Cursor<'_, '_>) -> Skimmed<Amounts> {
    let mut one = Amounts::default();
    while let Some(field) = cursor.field()? {
        match field {
            (1, TType::Double) => one.cpus = Some(cursor.f64()?),
            (2, TType::I64) => one.ram_mb = Some(cursor.i64()?),
            (3, TType::I64) => one.disk_mb = Some(cursor.i64()?),
            (4, TType::String) => cursor.skip_text()?,
            (5, TType::I64) => cursor.skip(TType::I64, INNER)?,
            _ => cursor.other(Place::Resource, Resource::IDS, field, INNER)?,
        }
    }
    Ok(one)
}

/// Time of the newest event, if there is one; left alone by what is no list of structs.
fn events(cursor: &mut Cursor<'_, '_>, newest: &mut Option<i64>) -> Skimmed<()> {
    let (elem, count) = cursor.seq_head()?;
    if count > 0 && elem != TType::Struct {
        cursor.odd.mistyped.add(Place::Task, 4);
        return cursor.skip_items(elem, count, ASSIGNED);
    }
    *newest = None;
    for _ in 0..count {
        *newest = (*newest).max(Some(event(cursor)?));
    }
    Ok(())
}

fn event(cursor: &mut Cursor<'_, '_>) -> Skimmed<i64> {
    let mut timestamp_ms = 0;
    while let Some(field) = cursor.field()? {
        match field {
            (1, TType::I64) => timestamp_ms = cursor.i64()?,
            (2, TType::I32) => cursor.skip(TType::I32, CONFIG)?,
            (3 | 4, TType::String) => cursor.skip_text()?,
            _ => cursor.other(Place::TaskEvent, TaskEvent::IDS, field, CONFIG)?,
        }
    }
    Ok(timestamp_ms)
}
