//! What a scheduler's parser makes of a flag, release by release: whether it knows it, and which values it takes.
//!
//! Pure. What is refused here a scheduler refuses at its start. Of a flag that is not in the table nothing is known, and
//! nothing is said against it. Where the release is not known, only what holds for all of them is checked.

use std::ops::RangeInclusive;

use thiserror::Error;

use super::{
    flags::{Flags, MasterAddress, MasterAddressError, TimeAmount, TimeAmountError, parse_data_bytes},
    version::AuroraVersion,
};

/// The first release whose parser wants a value for each boolean.
const BOOLEANS_WITH_VALUE: u16 = 19;

/// What a flag's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// An amount of time.
    Time,
    /// An amount of data.
    Data,
    /// A whole number.
    Number,
    /// Yes or no.
    Boolean,
    /// `host:port`, separated by commas.
    Endpoints,
    /// A path that begins with `/`.
    Path,
    /// Where the Mesos master is.
    Master,
    /// `user:password`.
    Credentials,
    /// One of some words.
    OneOf(&'static [&'static str]),
    /// Anything.
    Text,
}

/// A flag that is known here.
#[derive(Debug, Clone, Copy)]
pub struct KnownFlag {
    name: &'static str,
    /// What its value is.
    pub value: ValueKind,
    releases: (u16, u16),
}

const ANY: (u16, u16) = (0, u16::MAX);

const fn flag(name: &'static str, value: ValueKind, releases: (u16, u16)) -> KnownFlag {
    KnownFlag { name, value, releases }
}

const fn since(minor: u16) -> (u16, u16) {
    (minor, u16::MAX)
}

/// Flags that matter in a recovery or that came or went with a release, with the releases that have them.
const TABLE: &[KnownFlag] = &[
    flag("http_port", ValueKind::Number, ANY),
    flag("ip", ValueKind::Text, since(14)),
    flag("hostname", ValueKind::Text, since(7)),
    flag("cluster_name", ValueKind::Text, ANY),
    flag("zk_endpoints", ValueKind::Endpoints, ANY),
    flag("zk_in_proc", ValueKind::Boolean, ANY),
    flag("zk_chroot_path", ValueKind::Path, ANY),
    flag("zk_digest_credentials", ValueKind::Credentials, ANY),
    flag("zk_session_timeout", ValueKind::Time, ANY),
    flag("zk_connection_timeout", ValueKind::Time, since(19)),
    flag("zk_use_curator", ValueKind::Boolean, (14, 18)),
    flag("serverset_path", ValueKind::Path, ANY),
    flag("serverset_endpoint_name", ValueKind::Text, since(17)),
    flag("mesos_master_address", ValueKind::Master, ANY),
    flag("max_registration_delay", ValueKind::Time, ANY),
    flag("max_leading_duration", ValueKind::Time, ANY),
    flag("framework_failover_timeout", ValueKind::Time, ANY),
    flag("framework_name", ValueKind::Text, since(14)),
    flag("native_log_quorum_size", ValueKind::Number, ANY),
    flag("native_log_file_path", ValueKind::Path, ANY),
    flag("native_log_zk_group_path", ValueKind::Path, ANY),
    flag("native_log_election_timeout", ValueKind::Time, ANY),
    flag("native_log_election_retries", ValueKind::Number, ANY),
    flag("native_log_read_timeout", ValueKind::Time, ANY),
    flag("native_log_write_timeout", ValueKind::Time, ANY),
    flag("dlog_snapshot_interval", ValueKind::Time, ANY),
    flag("dlog_max_entry_size", ValueKind::Data, ANY),
    flag("dlog_shutdown_grace_period", ValueKind::Time, (0, 19)),
    flag("deflate_snapshots", ValueKind::Boolean, (0, 11)),
    flag("deduplicate_snapshots", ValueKind::Boolean, (6, 11)),
    flag("backup_dir", ValueKind::Path, ANY),
    flag("backup_interval", ValueKind::Time, ANY),
    flag("max_saved_backups", ValueKind::Number, ANY),
    flag("gc_executor_path", ValueKind::Text, (0, 8)),
    flag("executor_gc_interval", ValueKind::Time, (0, 8)),
    flag("reconciliation_initial_delay", ValueKind::Time, since(9)),
    flag("reconciliation_explicit_interval", ValueKind::Time, since(9)),
    flag("reconciliation_implicit_interval", ValueKind::Time, since(9)),
    flag("reconciliation_schedule_spread", ValueKind::Time, since(9)),
    flag("reconciliation_explicit_batch_size", ValueKind::Number, since(14)),
    flag("reconciliation_explicit_batch_interval", ValueKind::Time, since(14)),
    flag("transient_task_state_timeout", ValueKind::Time, ANY),
    flag("use_beta_db_task_store", ValueKind::Boolean, (9, 18)),
    flag("snapshot_hydrate_stores", ValueKind::Text, (17, 18)),
    flag("http_authentication_mechanism", ValueKind::OneOf(&["NONE", "BASIC", "NEGOTIATE"]), since(8)),
    flag("shiro_ini_path", ValueKind::Text, since(8)),
    flag("shiro_realm_modules", ValueKind::Text, since(8)),
    flag("shiro_after_auth_filter", ValueKind::Text, since(12)),
    flag("auth_module", ValueKind::Text, (0, 9)),
    flag("user_capabilities", ValueKind::Text, (0, 9)),
    flag("framework_authentication_file", ValueKind::Path, ANY),
    flag("mesos_driver", ValueKind::OneOf(&["SCHEDULER_DRIVER", "V0_MESOS", "V1_MESOS"]), since(18)),
    flag("vlog", ValueKind::Text, (0, 11)),
    flag("logtostderr", ValueKind::Boolean, (0, 11)),
    flag("vmodule", ValueKind::Text, (0, 11)),
];

/// What is known of a flag; nothing of one that is not in the table.
pub fn known_flag(name: &str) -> Option<&'static KnownFlag> {
    TABLE.iter().find(|flag| flag.name == name)
}

/// Whether a release has a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knows {
    /// It has.
    Yes,
    /// It has not, and does not start with it.
    No,
    /// Neither can be said: the release is not known, or the flag is not.
    Unknown,
}

/// Whether this release has this flag.
pub fn knows(version: &AuroraVersion, name: &str) -> Knows {
    let Some(flag) = known_flag(name) else { return Knows::Unknown };
    let (from, to) = flag.releases;
    if flag.releases == ANY {
        return Knows::Yes;
    }
    if version.is_unknown() {
        return Knows::Unknown;
    }
    let own: RangeInclusive<u16> = version.range();
    if from <= *own.start() && *own.end() <= to {
        Knows::Yes
    } else if *own.end() < from || *own.start() > to {
        Knows::No
    } else {
        Knows::Unknown
    }
}

/// Why a scheduler would not start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadFlag {
    /// A name that this release does not know.
    #[error("release {version} has no flag -{name}; a scheduler does not start with it")]
    UnknownName {
        /// The flag.
        name: String,
        /// The release.
        version: String,
    },
    /// More than once.
    #[error("-{0} is given more than once; a scheduler does not start with that")]
    Twice(String),
    /// Not a time.
    #[error("-{name}={value}: {error}")]
    Time {
        /// The flag.
        name: String,
        /// Its value.
        value: String,
        /// Why.
        error: TimeAmountError,
    },
    /// Not a master's address.
    #[error("-{name}={value}: {error}")]
    Master {
        /// The flag.
        name: String,
        /// Its value, without credentials.
        value: String,
        /// Why.
        error: MasterAddressError,
    },
    /// Something else than what the flag takes.
    #[error("-{name}={value}: it takes {takes}")]
    Value {
        /// The flag.
        name: String,
        /// Its value.
        value: String,
        /// What it takes.
        takes: &'static str,
    },
}

/// What is wrong with a flag's value, by the rules of this release. `None` is a bare flag.
///
/// # Errors
/// A scheduler would not start with it.
pub fn check_value(version: &AuroraVersion, name: &str, value: Option<&str>) -> Result<(), BadFlag> {
    let (kind, bare_ok) = match (known_flag(name), name.strip_prefix("no_").and_then(known_flag)) {
        (Some(flag), _) => (flag.value, flag.value == ValueKind::Boolean),
        // `-no_x` says no; up to 0.18 only.
        (None, Some(KnownFlag { value: ValueKind::Boolean, .. })) => (ValueKind::Boolean, true),
        (None, _) => return Ok(()),
    };
    let shown = || value.unwrap_or_default().to_owned();
    let name_of = || name.to_owned();
    let wrong = |takes| Err(BadFlag::Value { name: name_of(), value: shown(), takes });
    let Some(text) = value else {
        let wants_value = !version.is_unknown() && *version.range().start() >= BOOLEANS_WITH_VALUE;
        return match (bare_ok, wants_value) {
            (true, false) => Ok(()),
            (true, true) => wrong("true or false, written out, from 0.19 on"),
            (false, _) => wrong("a value"),
        };
    };
    match kind {
        ValueKind::Time => {
            let read = TimeAmount::parse(text);
            read.map(drop).map_err(|error| BadFlag::Time { name: name_of(), value: shown(), error })
        }
        ValueKind::Master => {
            let read = MasterAddress::parse(text);
            let value = text.rsplit_once('@').map_or_else(shown, |(_, rest)| format!("zk://…@{rest}"));
            read.map(drop).map_err(|error| BadFlag::Master { name: name_of(), value, error })
        }
        ValueKind::Data if parse_data_bytes(text).is_none() => wrong("an amount such as 512KB"),
        ValueKind::Number if text.parse::<i64>().is_err() => wrong("a whole number"),
        ValueKind::Boolean if !matches!(text, "true" | "false") => wrong("true or false"),
        ValueKind::Path if !text.starts_with('/') => wrong("a path that begins with /"),
        ValueKind::Endpoints if !text.split(',').all(is_endpoint) => wrong("host:port, separated by commas"),
        ValueKind::Credentials if !text.contains(':') => {
            Err(BadFlag::Value { name: name_of(), value: "…".to_owned(), takes: "user:password" })
        }
        ValueKind::OneOf(words) if !words.contains(&text) => wrong("one of the words that its help names"),
        ValueKind::Data
        | ValueKind::Number
        | ValueKind::Boolean
        | ValueKind::Path
        | ValueKind::Endpoints
        | ValueKind::Credentials
        | ValueKind::OneOf(_)
        | ValueKind::Text => Ok(()),
    }
}

fn is_endpoint(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

/// What is wrong with a whole command line: names, repetitions, values. A value with a variable in it that was not
/// followed is not judged.
pub fn check(version: &AuroraVersion, flags: &Flags) -> Vec<BadFlag> {
    let mut found: Vec<BadFlag> = flags.duplicates().into_iter().map(|name| BadFlag::Twice(name.to_owned())).collect();
    for flag in &flags.flags {
        if knows(version, &flag.name) == Knows::No {
            found.push(BadFlag::UnknownName { name: flag.name.clone(), version: version.to_string() });
        } else if !flag.value.as_deref().is_some_and(|value| value.contains('$')) {
            found.extend(check_value(version, &flag.name, flag.value.as_deref()).err());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> AuroraVersion {
        AuroraVersion::parse(text).unwrap_or_default()
    }

    #[test]
    fn names_follow_the_release() {
        for (name, release, wanted) in [
            ("gc_executor_path", "0.8.0", Knows::Yes),
            ("gc_executor_path", "0.9.0", Knows::No),
            ("reconciliation_initial_delay", "0.8.0", Knows::No),
            ("reconciliation_initial_delay", "0.9.0", Knows::Yes),
            ("reconciliation_initial_delay", "unknown", Knows::Unknown),
            ("max_registration_delay", "unknown", Knows::Yes),
            ("zk_use_curator", "0.19.0", Knows::No),
            ("of_a_build_of_ones_own", "0.19.0", Knows::Unknown),
        ] {
            assert_eq!(knows(&version(release), name), wanted, "{name} {release}");
        }
        let between = AuroraVersion::Between { from: 7, to: 12, by: Vec::new() };
        assert_eq!(knows(&between, "gc_executor_path"), Knows::Unknown);
    }

    #[test]
    fn values_are_what_the_parser_takes() {
        // Flag, value, release, words of the refusal; none where it is taken.
        for (name, value, release, refused) in [
            ("max_registration_delay", Some("360mins"), "0.22.0", None),
            ("max_registration_delay", Some("360min"), "unknown", Some("write 360mins")),
            ("max_registration_delay", Some("6 hrs"), "0.22.0", Some("refuses the unit")),
            ("max_registration_delay", None, "0.22.0", Some("a value")),
            ("mesos_master_address", Some("zk://localhost:1111"), "0.22.0", Some("no path")),
            ("mesos_master_address", Some("zk://u:secret@localhost"), "0.22.0", Some("zk://…@localhost")),
            ("mesos_master_address", Some("zk://localhost:1111/mesos/master"), "0.5.0", None),
            ("dlog_max_entry_size", Some("512KB"), "0.22.0", None),
            ("dlog_max_entry_size", Some("512kB"), "0.22.0", Some("such as 512KB")),
            ("zk_in_proc", None, "0.18.0", None),
            ("zk_in_proc", None, "0.19.0", Some("from 0.19 on")),
            ("no_zk_in_proc", None, "0.18.0", None),
            ("no_zk_in_proc", None, "0.19.0", Some("from 0.19 on")),
            ("zk_in_proc", Some("yes"), "0.18.0", Some("true or false")),
            ("zk_endpoints", Some("a:2181,b:2181"), "0.22.0", None),
            ("zk_endpoints", Some("a,b:2181"), "0.22.0", Some("host:port")),
            ("native_log_quorum_size", Some("2"), "0.22.0", None),
            ("native_log_quorum_size", Some("two"), "0.22.0", Some("a whole number")),
            ("zk_digest_credentials", Some("hunter2"), "0.22.0", Some("user:password")),
            ("native_log_file_path", Some("db"), "0.22.0", Some("begins with /")),
            ("of_a_build_of_ones_own", Some("360min"), "0.22.0", None),
        ] {
            let found = check_value(&version(release), name, value).err().map(|error| error.to_string());
            match (&found, refused) {
                (None, None) => {}
                (Some(found), Some(words)) => {
                    assert!(found.contains(words), "{name} {value:?} {release}: {found}");
                    assert!(!found.contains("secret") && !found.contains("hunter2"), "{found}");
                }
                _ => panic!("{name} {value:?} {release}: {found:?}, {refused:?}"),
            }
        }
    }

    #[test]
    fn a_command_line_is_judged_whole() {
        let line =
            "-cluster_name=w -zk_use_curator=true -http_port=$PORT -backup_dir=/b -backup_dir=/c -gc_executor_path=/x";
        let wrong = |release: &str| {
            let all = check(&version(release), &Flags::parse_line(line));
            all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(wrong("unknown"), "-backup_dir is given more than once; a scheduler does not start with that");
        let known = wrong("0.19.1");
        assert!(known.contains("release 0.19.1 has no flag -zk_use_curator") && known.contains("-gc_executor_path"));
    }
}
