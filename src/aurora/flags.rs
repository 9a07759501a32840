//! Flags of a scheduler: taken from a command line, and what their values mean.
//!
//! Pure. The rules are those of the scheduler's own parsers (Twitter commons up to 0.18, `JCommander` from 0.19): one dash, `-name=value` or
//! `-name value`, each at most once, units exactly as they write them. What is refused here a scheduler refuses at its start.
//!
//! Deliberately not here: files in which flags are kept, and their quoting.

use super::flag_rules::{self, Knows};
use super::version::AuroraVersion;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;
use thiserror::Error;

/// The most flags read from one command line.
const FLAGS_MAX: usize = 2_000;
/// Shorter registration delays end a prepared scheduler in the middle of the work; the guide's value is 360 minutes.
pub const REGISTRATION_DELAY_MIN: Duration = Duration::from_hours(1);
/// Shorter delays let reconciliation begin within a working day.
pub const RECONCILIATION_DELAY_MIN: Duration = Duration::from_hours(24);

/// One flag as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Name without dashes.
    pub name: String,
    /// Value; `None` for a bare flag.
    pub value: Option<String>,
    /// Dashes before the name; a scheduler wants one.
    pub dashes: u8,
}

/// Flags in the order given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The flags.
    pub flags: Vec<Flag>,
}

impl Flags {
    /// Reads a command line whose quoting is lost, as `/vars` shows it. The main class or program before the flags is stepped over.
    pub fn parse_line(line: &str) -> Self {
        Self::parse_args(line.split_whitespace())
    }

    /// Reads separate arguments.
    pub fn parse_args<'a>(args: impl IntoIterator<Item = &'a str>) -> Self {
        let mut flags: Vec<Flag> = Vec::new();
        let mut open = false;
        for arg in args {
            let name = arg.trim_start_matches('-');
            let dashes = arg.len() - name.len();
            let is_flag = dashes > 0 && name.starts_with(|c: char| c.is_ascii_alphabetic());
            if is_flag && flags.len() < FLAGS_MAX {
                let (name, value) =
                    name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value.to_owned())));
                open = value.is_none();
                flags.push(Flag { name: name.to_owned(), value, dashes: u8::try_from(dashes).unwrap_or(u8::MAX) });
            } else {
                if let (true, Some(last)) = (open, flags.last_mut()) {
                    last.value = Some(arg.to_owned());
                }
                open = false;
            }
        }
        Self { flags }
    }

    /// Value of the flag; the last one when it is repeated, which a scheduler refuses. An empty text for a bare flag.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|flag| flag.name == name).map(|flag| flag.value.as_deref().unwrap_or_default())
    }

    /// True when the flag is given, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|flag| flag.name == name)
    }

    /// Names given more than once: the scheduler would not start.
    pub fn duplicates(&self) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        self.flags.iter().map(|flag| flag.name.as_str()).filter(|name| !seen.insert(*name)).collect()
    }
}

/// Unit of a time amount, as the scheduler spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Nanoseconds.
    Ns,
    /// Microseconds.
    Us,
    /// Milliseconds.
    Ms,
    /// Seconds.
    Secs,
    /// Minutes.
    Mins,
    /// Hours.
    Hrs,
    /// Days.
    Days,
}

impl TimeUnit {
    /// Every unit, shortest first.
    pub const ALL: [Self; 7] = [Self::Ns, Self::Us, Self::Ms, Self::Secs, Self::Mins, Self::Hrs, Self::Days];

    /// The only spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ns => "ns",
            Self::Us => "us",
            Self::Ms => "ms",
            Self::Secs => "secs",
            Self::Mins => "mins",
            Self::Hrs => "hrs",
            Self::Days => "days",
        }
    }

    const fn nanos(self) -> u64 {
        match self {
            Self::Ns => 1,
            Self::Us => 1_000,
            Self::Ms => 1_000_000,
            Self::Secs => 1_000_000_000,
            Self::Mins => 60_000_000_000,
            Self::Hrs => 3_600_000_000_000,
            Self::Days => 86_400_000_000_000,
        }
    }

    /// The unit somebody probably meant.
    fn meant(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        Some(match text.as_str() {
            "s" | "sec" | "second" | "seconds" => Self::Secs,
            "m" | "min" | "minute" | "minutes" => Self::Mins,
            "h" | "hr" | "hour" | "hours" => Self::Hrs,
            "d" | "day" => Self::Days,
            "msec" | "msecs" | "millis" => Self::Ms,
            other => return Self::ALL.into_iter().find(|unit| unit.name() == other),
        })
    }
}

/// A time as flags write it: `360mins`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeAmount {
    /// How many.
    pub value: u64,
    /// Of what.
    pub unit: TimeUnit,
}

/// Why a value is not a time amount. The scheduler would not start with it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TimeAmountError {
    /// It does not begin with a whole number.
    #[error("{0:?} does not begin with a whole number")]
    NoNumber(String),
    /// A unit that the scheduler does not know.
    #[error("the scheduler refuses the unit {unit:?}; {}", suggestion(*meant, *value))]
    Unit {
        /// The number.
        value: u64,
        /// What stands for the unit.
        unit: String,
        /// What was probably meant.
        meant: Option<TimeUnit>,
    },
}

fn suggestion(meant: Option<TimeUnit>, value: u64) -> String {
    meant.map_or_else(
        || "it knows ns, us, ms, secs, mins, hrs and days".to_owned(),
        |unit| format!("write {value}{}", unit.name()),
    )
}

impl TimeAmount {
    /// Reads `<whole number><unit>`, nothing between, the unit in its only spelling.
    pub fn parse(text: &str) -> Result<Self, TimeAmountError> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let value: u64 = number.parse().map_err(|_| TimeAmountError::NoNumber(text.to_owned()))?;
        match TimeUnit::ALL.into_iter().find(|known| known.name() == unit) {
            Some(unit) => Ok(Self { value, unit }),
            None => Err(TimeAmountError::Unit { value, unit: unit.to_owned(), meant: TimeUnit::meant(unit) }),
        }
    }

    /// The same as a duration, at most what 64 bits of nanoseconds hold.
    pub const fn duration(self) -> Duration {
        Duration::from_nanos(self.value.saturating_mul(self.unit.nanos()))
    }

    /// As the scheduler's log shows it: `(360, mins)`.
    pub fn logged(self) -> String {
        format!("({}, {})", self.value, self.unit.name())
    }
}

impl fmt::Display for TimeAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.value, self.unit.name())
    }
}

/// Bytes of a data amount such as `512KB`; `None` when the scheduler would refuse it. Units are those of Twitter commons, bits rounded up.
pub fn parse_data_bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let bits: u128 = match unit {
        "BITS" => 1,
        "Kb" => 1 << 10,
        "Mb" => 1 << 20,
        "Gb" => 1 << 30,
        "BYTES" => 8,
        "KB" => 8 << 10,
        "MB" => 8 << 20,
        "GB" => 8 << 30,
        "TB" => 8 << 40,
        "PB" => 8 << 50,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    u64::try_from((u128::from(number) * bits).div_ceil(8)).ok()
}

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Value of `-mesos_master_address`. Credentials within it are dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterAddress {
    /// Found through ZooKeeper.
    ZooKeeper {
        /// The ensemble.
        hosts: Vec<HostPort>,
        /// Where the masters stand in the election.
        path: String,
    },
    /// One master.
    Direct(HostPort),
    /// A file that holds the address; deprecated.
    File(String),
}

/// Why a master address makes the driver abort.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MasterAddressError {
    /// `zk://host:port` alone.
    #[error(
        "the master address has no path after the host; the Mesos driver aborts with that: write zk://host:port/path"
    )]
    NoPath,
    /// A host without a port, or a port that is none.
    #[error("{0:?} is not host:port")]
    HostPort(String),
}

impl MasterAddress {
    /// Reads the flag's value.
    pub fn parse(text: &str) -> Result<Self, MasterAddressError> {
        if let Some(file) = text.strip_prefix("file://") {
            return Ok(Self::File(file.to_owned()));
        }
        let Some(rest) = text.strip_prefix("zk://") else { return host_port(text).map(Self::Direct) };
        let (authority, path) = rest.split_once('/').ok_or(MasterAddressError::NoPath)?;
        if path.trim_matches('/').is_empty() {
            return Err(MasterAddressError::NoPath);
        }
        let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
        let hosts = hosts.split(',').map(host_port).collect::<Result<_, _>>()?;
        Ok(Self::ZooKeeper { hosts, path: format!("/{path}") })
    }
}

impl fmt::Display for MasterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZooKeeper { hosts, path } => {
                let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
                write!(f, "zk://{}{path}", hosts.join(","))
            }
            Self::Direct(host) => write!(f, "{host}"),
            Self::File(path) => write!(f, "file://{path}"),
        }
    }
}

fn host_port(text: &str) -> Result<HostPort, MasterAddressError> {
    let bad = || MasterAddressError::HostPort(text.to_owned());
    let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
    let port: u16 = port.parse().map_err(|_| bad())?;
    if host.is_empty() || host.contains(['/', ' ', ',']) || port == 0 {
        return Err(bad());
    }
    Ok(HostPort { host: host.to_owned(), port })
}

/// A release of Aurora, `0.minor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release(pub u16);

impl Release {
    /// Reads `0.12`, `0.12.0`, `0.23.0-SNAPSHOT`.
    pub fn parse(text: &str) -> Option<Self> {
        let minor = text.trim().strip_prefix("0.")?;
        let digits = minor.find(|c: char| !c.is_ascii_digit()).unwrap_or(minor.len());
        minor.get(..digits)?.parse().ok().map(Self)
    }

    /// Whether the release has the flag; `None` for a flag whose history is not known here.
    pub fn knows_flag(self, name: &str) -> Option<bool> {
        let version = AuroraVersion::Built { minor: self.0, text: self.to_string() };
        match flag_rules::knows(&version, name) {
            Knows::Yes => Some(true),
            Knows::No => Some(false),
            Knows::Unknown => None,
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0.{}", self.0)
    }
}

/// Something about a scheduler's flags that forbids the restore.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotPrepared {
    /// The flag is missing; its default would end the work or let users in.
    #[error("-{0} is not given")]
    Missing(&'static str),
    /// The flag must not be there.
    #[error("-{0} is given and must not be")]
    Forbidden(&'static str),
    /// The flag is repeated, and the scheduler refuses that.
    #[error("-{0} is given more than once; the scheduler does not start with that")]
    Duplicate(String),
    /// This release does not have the flag, and the scheduler refuses that.
    #[error("release {1} has no flag -{0}; the scheduler does not start with it")]
    UnknownFlag(String, Release),
    /// Not a time.
    #[error("-{name}: {error}")]
    Time {
        /// The flag.
        name: &'static str,
        /// Why.
        error: TimeAmountError,
    },
    /// A time that is too short for the work.
    #[error("-{name}={value} is shorter than {}", humantime::format_duration(*.at_least))]
    TooShort {
        /// The flag.
        name: &'static str,
        /// Its value.
        value: TimeAmount,
        /// What it should be at least.
        at_least: Duration,
    },
    /// Not a master address that keeps the scheduler unregistered.
    #[error("-mesos_master_address: {0}")]
    Master(#[from] MasterAddressError),
    /// The address of the real master.
    #[error("-mesos_master_address={0} is the address of the real master; the scheduler would register")]
    RealMaster(MasterAddress),
}

/// Whether flags keep a scheduler unregistered and alive during a restore. `real_master` is the address outside the recovery.
pub fn check_prepared(
    flags: &Flags,
    release: Option<Release>,
    real_master: Option<&MasterAddress>,
) -> Vec<NotPrepared> {
    let mut found: Vec<_> =
        flags.duplicates().into_iter().map(|name| NotPrepared::Duplicate(name.to_owned())).collect();
    if let Some(release) = release {
        let unknown = flags.flags.iter().filter(|flag| release.knows_flag(&flag.name) == Some(false));
        found.extend(unknown.map(|flag| NotPrepared::UnknownFlag(flag.name.clone(), release)));
    }
    match flags.get("mesos_master_address").map(MasterAddress::parse) {
        None => found.push(NotPrepared::Missing("mesos_master_address")),
        Some(Err(error)) => found.push(error.into()),
        Some(Ok(address)) if Some(&address) == real_master => found.push(NotPrepared::RealMaster(address)),
        Some(Ok(_)) => {}
    }
    found.extend(check_time(flags, "max_registration_delay", REGISTRATION_DELAY_MIN));
    if release.is_none_or(|release| release >= Release(9)) {
        found.extend(check_time(flags, "reconciliation_initial_delay", RECONCILIATION_DELAY_MIN));
    }
    if flags.has("gc_executor_path") && release.is_none_or(|release| release <= Release(8)) {
        found.push(NotPrepared::Forbidden("gc_executor_path"));
    }
    found
}

fn check_time(flags: &Flags, name: &'static str, at_least: Duration) -> Option<NotPrepared> {
    match flags.get(name).map(TimeAmount::parse) {
        None => Some(NotPrepared::Missing(name)),
        Some(Err(error)) => Some(NotPrepared::Time { name, error }),
        Some(Ok(value)) if value.duration() < at_least => Some(NotPrepared::TooShort { name, value, at_least }),
        Some(Ok(_)) => None,
    }
}
