//! `log scan`: what schedulers' own logs say: who led, why it ended, and what speaks against the replicated log.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, anyhow};
use clap::Args;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;

use super::{
    scan_text,
    source::{Place, Turn, follow, read, sources, written_ms},
};
use crate::{
    actions::log_zone,
    cli::{
        args::{EndsWith, print},
        page::{WIDTH, cut},
    },
    exit::Exit,
    hosts::clean,
    logscan::{Clock, Diagnosis, Election, Health, HostSays, Known, Scan, Scanner, Table, across},
};

/// Bytes of a file of patterns.
const PATTERNS_BYTES_MAX: u64 = 4 << 20;

/// Diagnoses that speak for the log and against the Mesos side.
const NOT_THE_LOG: [&str; 2] = ["mesos-side", "not-registering"];

/// What is asked for.
#[derive(Debug, Args)]
pub struct ScanArgs {
    /// Logs of schedulers or replicas: files, compressed or not, directories of them, or `-`. `HOST=FILE` names the host;
    /// without it files of one rotated set are one host's.
    #[arg(required_unless_present = "journal", value_name = "[HOST=]FILE")]
    files: Vec<String>,
    /// The journal's entries of a unit, as `journalctl` has them.
    #[arg(long, value_name = "UNIT")]
    journal: Vec<String>,
    /// The host that files without one belong to.
    #[arg(long)]
    host: Option<String>,
    /// Only lines from this time on: `2026-11-22T16:00:00Z`, `2026-11-22 16:00` in the zone, or `2h` for so long ago.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only lines up to this time.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The zone of times without one, as `Europe/Berlin` or `+02:00`; this machine's if left out.
    #[arg(long)]
    zone: Option<String>,
    /// Patterns of your own, tried before those that are known; in the form of `assets/log-patterns.tsv`.
    #[arg(long, value_name = "FILE")]
    patterns: Option<PathBuf>,
    /// Show lines as they are written, and sum up at the end. Survives rotation.
    #[arg(long, short)]
    follow: bool,
    /// With --follow: how long.
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    lasts: Duration,
    /// With --follow: end after so many known lines.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    lines: u64,
    /// As JSON; `firstlight schema log-scan` is its schema.
    #[arg(long)]
    json: bool,
    /// Every kind of line and every leadership.
    #[arg(long, conflicts_with = "json")]
    all: bool,
}

/// The logs of one host.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct HostLog {
    /// What was read, oldest first.
    pub sources: Vec<String>,
    /// What was not read, and why.
    pub notes: Vec<String>,
    /// What the lines say.
    #[serde(flatten)]
    pub scan: Scan,
    /// What they add up to.
    pub diagnoses: Vec<Diagnosis>,
}

/// A leadership, with whose it was.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Led {
    /// Who led.
    pub host: String,
    /// For how long, in milliseconds; `null` while it lasts, or where times are missing.
    pub lasted_ms: Option<i64>,
    /// The rest.
    #[serde(flatten)]
    pub election: Election,
}

/// What `log scan --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Report {
    /// By host.
    pub hosts: BTreeMap<String, HostLog>,
    /// Leaderships of all hosts, in order.
    pub leaderships: Vec<Led>,
    /// What the logs of all hosts add up to.
    pub across: Vec<Diagnosis>,
}

/// Of what `log scan --json` prints.
pub fn scan_schema() -> Schema {
    schema_for!(Report)
}

impl Report {
    fn of(hosts: BTreeMap<String, HostLog>) -> Self {
        let scans: BTreeMap<String, Scan> = hosts.iter().map(|(host, log)| (host.clone(), log.scan.clone())).collect();
        let led = |(host, scan): (&String, &Scan)| -> Vec<Led> {
            let one = |election: &Election| Led {
                host: host.clone(),
                lasted_ms: election.ended_ms.zip(election.started_ms).map(|(end, start)| end - start),
                election: election.clone(),
            };
            scan.elections.iter().map(one).collect()
        };
        let mut leaderships: Vec<Led> = scans.iter().flat_map(led).collect();
        leaderships.sort_by_key(|led| led.election.started_ms);
        Self { across: across(&scans), leaderships, hosts }
    }

    /// How the command ends.
    fn exit(&self) -> Exit {
        let across = |code: &str| self.across.iter().any(|found| found.code == code);
        if self.hosts.values().all(|host| host.scan.matched == 0) {
            Exit::NotKnown
        } else if across("survivor") {
            Exit::Survivor
        } else if across("all-uninitialized") {
            Exit::Reinitialize
        } else if across("one-damaged") || across("one-behind") {
            Exit::OneReplica
        } else {
            let all = self.across.iter().chain(self.hosts.values().flat_map(|host| &host.diagnoses));
            let bad: Vec<&Diagnosis> = all.filter(|found| found.bad).collect();
            if bad.is_empty() {
                Exit::Done
            } else if bad.iter().all(|found| NOT_THE_LOG.contains(&found.code.as_str())) {
                Exit::NotTheLog
            } else {
                Exit::NotSound
            }
        }
    }
}

/// Reads everything, or follows one file, and prints what was said.
pub(super) fn scan(args: &ScanArgs) -> anyhow::Result<Exit> {
    let usage = |why: String| EndsWith { exit: Exit::Usage, why };
    let zone = zone(args.zone.as_deref()).map_err(usage)?;
    let now = Timestamp::now();
    let time = |text: &Option<String>| text.as_deref().map(|text| moment(text, &zone, now)).transpose();
    let (from, to) = (time(&args.since).map_err(usage)?, time(&args.until).map_err(usage)?);
    let table = table(args)?;
    let unreadable = |why: String| EndsWith { exit: Exit::Unreadable, why };
    let found = sources(&args.files, args.host.as_deref(), &args.journal).map_err(unreadable)?;
    let scanner = || {
        let clock = Clock { now_ms: now.as_millisecond(), zone: zone.clone() };
        let mut scanner = Scanner::with(clock, table.clone());
        scanner.within(from, to);
        scanner
    };
    let mut hosts = BTreeMap::new();
    if args.follow {
        let mut places =
            found.into_iter().flat_map(|(host, places)| places.into_iter().map(move |at| (host.clone(), at)));
        let (Some((host, Place::File(path))), None) = (places.next(), places.next()) else {
            return Err(usage("--follow wants one file".to_owned()).into());
        };
        hosts.insert(host, followed(args, &path, scanner())?);
    } else {
        for (host, places) in found {
            hosts.insert(host, whole(&places, scanner()).map_err(unreadable)?);
        }
    }
    let report = Report::of(hosts);
    if args.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        print(&scan_text::page(&report, args.all))?;
    }
    Ok(report.exit())
}

/// What the logs of several hosts say to a verdict over their replicas.
pub(super) fn said(logs: &[String], named_zone: Option<&str>) -> anyhow::Result<Vec<HostSays>> {
    let zone = zone(named_zone).map_err(|why| EndsWith { exit: Exit::Usage, why })?;
    let unreadable = |why: String| EndsWith { exit: Exit::Unreadable, why };
    let now_ms = Timestamp::now().as_millisecond();
    let mut each = Vec::new();
    for (_, places) in sources(logs, None, &[]).map_err(unreadable)? {
        let scanner = Scanner::new(Clock { now_ms, zone: zone.clone() });
        each.push(HostSays::of(&whole(&places, scanner).map_err(unreadable)?.scan));
    }
    Ok(each)
}

fn name(place: &Place) -> String {
    match place {
        Place::File(path) => path.display().to_string(),
        Place::Stdin => "-".to_owned(),
        Place::Journal(unit) => format!("journal of {unit}"),
    }
}

fn whole(places: &[Place], mut scanner: Scanner) -> Result<HostLog, String> {
    let (mut notes, mut names) = (Vec::new(), Vec::new());
    for place in places {
        let name = name(place);
        let written = if let Place::File(path) = place { written_ms(path) } else { None };
        scanner.file(&name, written);
        if let Some(note) = read(place, &mut |bytes| scanner.feed(bytes))? {
            notes.push(format!("{name}: {note}"));
        }
        names.push(name);
    }
    Ok(done(scanner, names, notes))
}

fn done(scanner: Scanner, sources: Vec<String>, notes: Vec<String>) -> HostLog {
    let scan = scanner.finish();
    HostLog { diagnoses: scan.diagnoses(), sources, notes, scan }
}

fn followed(args: &ScanArgs, path: &std::path::Path, mut scanner: Scanner) -> anyhow::Result<HostLog> {
    let name = path.display().to_string();
    scanner.file(&name, None);
    let (mut known, mut notes) = (0, Vec::new());
    let mut failed = None;
    let lasts = humantime::format_duration(args.lasts);
    if !args.json {
        print(&format!("Following {name} for {lasts}, or until {} known lines came.\n", args.lines))?;
    }
    let mut take = |bytes: &[u8]| {
        let mut out = String::new();
        scanner.feed_to(bytes, &mut |line: Known<'_>| {
            known += 1;
            if line.pattern.health != Health::Normal && !args.json {
                out.push_str(cut(&clean::line(line.bytes), WIDTH).trim_end());
                out.push('\n');
            }
        });
        failed = print(&out).err();
        failed.is_none() && known < args.lines
    };
    let mut turned = |turn: Turn| {
        notes.push(match turn {
            Turn::Rotated => "rotated while it was followed".to_owned(),
            Turn::Truncated => "truncated while it was followed, and read from its beginning".to_owned(),
        });
    };
    follow(path, args.lasts, &mut take, &mut turned).with_context(|| format!("following {name}"))?;
    if let Some(error) = failed {
        return Err(error);
    }
    notes.push(if known < args.lines {
        format!("followed for {lasts} (--for)")
    } else {
        format!("followed until {known} known lines came (--lines)")
    });
    Ok(done(scanner, vec![name], notes))
}

fn table(args: &ScanArgs) -> anyhow::Result<std::sync::Arc<Table>> {
    let Some(path) = &args.patterns else { return Ok(Table::embedded()) };
    let name = path.display();
    let bad = |why: String| EndsWith { exit: Exit::BadInput, why };
    let found = fs::metadata(path).with_context(|| format!("reading {name}"))?;
    if !found.is_file() || found.len() > PATTERNS_BYTES_MAX {
        return Err(bad(format!("{name} is no file of at most {PATTERNS_BYTES_MAX} bytes")).into());
    }
    let text = fs::read_to_string(path).with_context(|| format!("reading {name}"))?;
    Table::with_own(&text).map_err(|error| anyhow!(bad(format!("{name}: {error}"))))
}

fn zone(text: Option<&str>) -> Result<TimeZone, String> {
    text.map_or_else(|| Ok(TimeZone::system()), log_zone)
}

/// A moment in milliseconds since the epoch.
fn moment(text: &str, zone: &TimeZone, now: Timestamp) -> Result<i64, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_millisecond());
    }
    if let Ok(ago) = humantime::parse_duration(text) {
        let ago = i64::try_from(ago.as_millis()).map_err(|error| format!("{text}: {error}"))?;
        return Ok(now.as_millisecond().saturating_sub(ago));
    }
    let wall = text.parse::<DateTime>().or_else(|_| format!("{text}:00").parse::<DateTime>());
    let wall = wall.map_err(|_| format!("{text:?} is no time such as 2026-11-22T16:00:00Z, 2026-11-22 16:00 or 2h"))?;
    Ok(zone.to_timestamp(wall).map_err(|error| format!("{text}: {error}"))?.as_millisecond())
}
