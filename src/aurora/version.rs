//! Which release of Aurora a scheduler is, and what follows from it for what is sent to it and offered.
//!
//! Pure: what `/vars` says goes in. A build that says its version is believed; else names of statistics and flags that came or went with a
//! release bound it. Where nothing bounds it the version is unknown, and a feature of an unknown version is unknown too: what is sent then is
//! the form that every release takes. Two signs that exclude each other are said and make it unknown, not a guess.
//!
//! Deliberately not here: reading `/vars`, and what a single call does with a feature.

use super::types::{Identity, TaskQuery};
use super::vars::Vars;
use std::fmt;
use std::ops::RangeInclusive;

/// The oldest release that is known here, as the number after `0.`.
pub const OLDEST: u16 = 5;
/// The newest.
pub const NEWEST: u16 = 23;
/// Longest text of a version that is shown.
const TEXT_MAX: usize = 80;

/// What is known of a scheduler's release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuroraVersion {
    /// Its build says it.
    Built {
        /// The number after `0.`.
        minor: u16,
        /// As it says it, with patch level and suffix.
        text: String,
    },
    /// Signs bound it, both ends included.
    Between {
        /// The oldest it can be.
        from: u16,
        /// The newest it can be.
        to: u16,
        /// The signs.
        by: Vec<&'static str>,
    },
    /// Signs exclude each other: a build of one's own, perhaps.
    Contradictory {
        /// The signs.
        by: Vec<&'static str>,
    },
    /// Nothing says it.
    #[default]
    Unknown,
}

/// Whether a release has a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It has.
    Yes,
    /// It has not.
    No,
    /// The version is not known well enough.
    Unknown,
}

impl Support {
    /// True unless it is known to be missing: for what does no harm where it is not understood.
    pub const fn may(self) -> bool {
        matches!(self, Self::Yes | Self::Unknown)
    }
}

/// What came or went with a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Feature {
    /// Admin calls take a session argument.
    SessionKey,
    /// A query names a role in its owner.
    QueryByOwner,
    /// A query names a role by itself; before, the field is stepped over, and a query with nothing else is an empty one.
    QueryByRole,
    /// A scheduler that does not lead answers `/api` with a redirect.
    RedirectsApi,
    /// The header that keeps a call here.
    BypassHeader,
    /// Without a leader `/api` answers 503 and a page.
    NoLeaderPage,
    /// `/leaderhealth`.
    LeaderHealth,
    /// The binary protocol.
    BinaryProtocol,
    /// Calls that begin a reconciliation.
    ReconciliationCalls,
    /// Reconciliation with the master; before, an executor collected what the scheduler did not know.
    Reconciliation,
    /// The garbage collecting executor.
    GcExecutor,
    /// Credentials by HTTP.
    HttpAuthentication,
    /// Updates of jobs by the scheduler.
    JobUpdates,
    /// Updates are named by job and id.
    JobUpdateKeys,
    /// Locks on jobs, with a call that lists them.
    Locks,
    /// `getTierConfigs`.
    Tiers,
    /// Snapshots hold an SQL script that stands for some of the stores.
    SqlSnapshots,
    /// The call that removes ended tasks.
    PruneTasks,
    /// Tasks of which the master lost sight have a state of their own.
    Partitions,
    /// The tool that writes a backup into a log without a scheduler.
    RecoveryTool,
    /// Maintenance of hosts is kept as requests.
    MaintenanceRequests,
    /// `getTasksWithoutConfigs` fails if one of the tasks has no executor.
    NeedsExecutorConfig,
    /// After a commit in the unregistered state the process stays, with its ports closed.
    LingersAfterCommit,
    /// "Not now" has a code of its own.
    TransientErrors,
}

impl Feature {
    /// Every feature.
    pub const ALL: [Self; 24] = [
        Self::SessionKey,
        Self::QueryByOwner,
        Self::QueryByRole,
        Self::RedirectsApi,
        Self::BypassHeader,
        Self::NoLeaderPage,
        Self::LeaderHealth,
        Self::BinaryProtocol,
        Self::ReconciliationCalls,
        Self::Reconciliation,
        Self::GcExecutor,
        Self::HttpAuthentication,
        Self::JobUpdates,
        Self::JobUpdateKeys,
        Self::Locks,
        Self::Tiers,
        Self::SqlSnapshots,
        Self::PruneTasks,
        Self::Partitions,
        Self::RecoveryTool,
        Self::MaintenanceRequests,
        Self::NeedsExecutorConfig,
        Self::LingersAfterCommit,
        Self::TransientErrors,
    ];

    /// The releases that have it, as numbers after `0.`.
    pub const fn releases(self) -> RangeInclusive<u16> {
        match self {
            Self::SessionKey => 0..=10,
            Self::QueryByOwner | Self::Locks => 0..=12,
            Self::GcExecutor => 0..=8,
            Self::QueryByRole | Self::JobUpdates | Self::TransientErrors => 6..=u16::MAX,
            Self::HttpAuthentication | Self::JobUpdateKeys => 8..=u16::MAX,
            Self::Reconciliation => 9..=u16::MAX,
            Self::RedirectsApi => 10..=u16::MAX,
            Self::BypassHeader | Self::NoLeaderPage => 12..=u16::MAX,
            Self::LeaderHealth => 13..=u16::MAX,
            Self::SqlSnapshots => 13..=18,
            Self::Tiers => 14..=u16::MAX,
            Self::BinaryProtocol | Self::ReconciliationCalls => 16..=u16::MAX,
            Self::PruneTasks => 18..=u16::MAX,
            Self::Partitions => 20..=u16::MAX,
            Self::RecoveryTool | Self::MaintenanceRequests | Self::LingersAfterCommit => 21..=u16::MAX,
            Self::NeedsExecutorConfig => 22..=u16::MAX,
        }
    }
}

/// How a sign is looked for in what a scheduler exports.
enum Look {
    /// A statistic of this name.
    Stat(&'static str),
    /// A flag of this name on the command line.
    Flag(&'static str),
}

/// Signs and the releases that show them. The absence of a sign says nothing: a flag need not be given, a statistic need not be exported yet.
const SIGNS: &[(&str, Look, RangeInclusive<u16>)] = &[
    ("flag gc_executor_path", Look::Flag("gc_executor_path"), 0..=8),
    ("flag deduplicate_snapshots", Look::Flag("deduplicate_snapshots"), 0..=11),
    ("flag deflate_snapshots", Look::Flag("deflate_snapshots"), 0..=11),
    ("flag hostname", Look::Flag("hostname"), 7..=u16::MAX),
    ("flag http_authentication_mechanism", Look::Flag("http_authentication_mechanism"), 8..=u16::MAX),
    ("flag use_beta_db_task_store", Look::Flag("use_beta_db_task_store"), 9..=18),
    ("flag zk_use_curator", Look::Flag("zk_use_curator"), 14..=18),
    ("flag snapshot_hydrate_stores", Look::Flag("snapshot_hydrate_stores"), 17..=18),
    ("statistic zk_connection_state_CONNECTED", Look::Stat("zk_connection_state_CONNECTED"), 17..=u16::MAX),
    ("statistic mem_storage_attribute_size", Look::Stat("mem_storage_attribute_size"), 19..=u16::MAX),
    ("statistic task_store_PARTITIONED", Look::Stat("task_store_PARTITIONED"), 20..=u16::MAX),
];

impl AuroraVersion {
    /// From everything that a scheduler exports.
    pub fn of(vars: &Vars) -> Self {
        if let Some(found) = vars.build_version().and_then(|text| Self::parse(&text)) {
            return found;
        }
        let flags = vars.flags();
        let shown = SIGNS.iter().filter(|(_, look, _)| match look {
            Look::Stat(name) => vars.values.contains_key(*name),
            Look::Flag(name) => flags.as_ref().is_some_and(|flags| flags.has(name)),
        });
        let (mut from, mut to, mut by) = (0, u16::MAX, Vec::new());
        for (sign, _, releases) in shown {
            from = from.max(*releases.start());
            to = to.min(*releases.end());
            by.push(*sign);
        }
        match by.is_empty() {
            true => Self::Unknown,
            false if from > to => Self::Contradictory { by },
            false => Self::Between { from, to, by },
        }
    }

    /// From a build's own text: `0.23.0-SNAPSHOT`. None unless it is a release of this kind; Aurora never left `0.`.
    pub fn parse(text: &str) -> Option<Self> {
        let text: String = text.trim().chars().take(TEXT_MAX).collect();
        let mut parts = text.split(['.', '-', '_', '+']);
        let (major, minor) = (parts.next()?, parts.next()?);
        let minor: u16 = minor.parse().ok()?;
        (major == "0" && (1..=999).contains(&minor)).then_some(Self::Built { minor, text })
    }

    /// The releases it can be.
    pub const fn range(&self) -> RangeInclusive<u16> {
        match self {
            Self::Built { minor, .. } => *minor..=*minor,
            Self::Between { from, to, .. } => *from..=*to,
            Self::Contradictory { .. } | Self::Unknown => 0..=u16::MAX,
        }
    }

    /// True where nothing is known of it.
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown | Self::Contradictory { .. })
    }

    /// False for a release that nothing here was written for: newer or older than any that is known.
    pub fn is_known_release(&self) -> bool {
        let range = self.range();
        !self.is_unknown() && *range.start() <= NEWEST && *range.end() >= OLDEST
    }

    /// Whether it has the feature.
    pub fn has(&self, feature: Feature) -> Support {
        if self.is_unknown() {
            return Support::Unknown;
        }
        let (own, needed) = (self.range(), feature.releases());
        if needed.contains(own.start()) && needed.contains(own.end()) {
            Support::Yes
        } else if own.end() < needed.start() || own.start() > needed.end() {
            Support::No
        } else {
            Support::Unknown
        }
    }

    /// The query with its role in the fields that this release reads: in the owner up to 0.5, by itself later, in both where the version is not
    /// known. A release that steps over the only term would take a delete for "everything", so a role is never left in a form that may be lost.
    #[must_use]
    pub fn query(&self, mut query: TaskQuery) -> TaskQuery {
        let owned = query.owner.as_ref().and_then(|owner| owner.role.clone());
        let Some(role) = query.role.take().or(owned) else { return query };
        if self.has(Feature::QueryByRole) != Support::Yes {
            query.owner.get_or_insert_with(Identity::default).role = Some(role.clone());
        }
        if self.has(Feature::QueryByRole).may() {
            query.role = Some(role);
        }
        query
    }
}

impl fmt::Display for AuroraVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Built { text, .. } => f.write_str(text),
            Self::Between { from, to: u16::MAX, by } => write!(f, "0.{from} or later (by {})", by.join(", ")),
            Self::Between { from: 0, to, by } => write!(f, "0.{to} or earlier (by {})", by.join(", ")),
            Self::Between { from, to, by } => write!(f, "0.{from} to 0.{to} (by {})", by.join(", ")),
            Self::Contradictory { by } => write!(f, "unknown: these signs exclude each other: {}", by.join(", ")),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Feature as F;
    use Support::{No, Unknown, Yes};

    fn built(minor: u16) -> AuroraVersion {
        AuroraVersion::parse(&format!("0.{minor}.0")).unwrap()
    }

    #[test]
    fn every_feature_begins_and_ends_with_its_release() {
        // Feature, the last release without it before it came, the first release with it, the last release with it.
        let table: [(Feature, Option<u16>, u16, Option<u16>); 24] = [
            (F::SessionKey, None, 5, Some(10)),
            (F::QueryByOwner, None, 5, Some(12)),
            (F::QueryByRole, Some(5), 6, None),
            (F::RedirectsApi, Some(9), 10, None),
            (F::BypassHeader, Some(11), 12, None),
            (F::NoLeaderPage, Some(11), 12, None),
            (F::LeaderHealth, Some(12), 13, None),
            (F::BinaryProtocol, Some(15), 16, None),
            (F::ReconciliationCalls, Some(15), 16, None),
            (F::Reconciliation, Some(8), 9, None),
            (F::GcExecutor, None, 5, Some(8)),
            (F::HttpAuthentication, Some(7), 8, None),
            (F::JobUpdates, Some(5), 6, None),
            (F::JobUpdateKeys, Some(7), 8, None),
            (F::Locks, None, 5, Some(12)),
            (F::Tiers, Some(13), 14, None),
            (F::SqlSnapshots, Some(12), 13, Some(18)),
            (F::PruneTasks, Some(17), 18, None),
            (F::Partitions, Some(19), 20, None),
            (F::RecoveryTool, Some(20), 21, None),
            (F::MaintenanceRequests, Some(20), 21, None),
            (F::NeedsExecutorConfig, Some(21), 22, None),
            (F::LingersAfterCommit, Some(20), 21, None),
            (F::TransientErrors, Some(5), 6, None),
        ];
        assert_eq!(table.map(|row| row.0), Feature::ALL);
        for (feature, before, first, last) in table {
            for minor in OLDEST..=NEWEST {
                let has = minor >= first && last.is_none_or(|last| minor <= last);
                assert_eq!(built(minor).has(feature), if has { Yes } else { No }, "{feature:?} in 0.{minor}");
            }
            assert!(before.is_none_or(|before| built(before).has(feature) == No));
            assert_eq!(AuroraVersion::Unknown.has(feature), Unknown);
        }
    }

    #[test]
    fn a_build_says_its_version_or_nothing() {
        for (text, minor) in [("0.23.0-SNAPSHOT", 23), ("0.5.1-incubating", 5), (" 0.16.0\n", 16), ("0.22", 22)] {
            assert!(
                matches!(AuroraVersion::parse(text), Some(AuroraVersion::Built { minor: found, .. }) if found == minor)
            );
        }
        for text in ["", "unknown", "1.2.3", "0", "0.x", "0.0.1", "0.70000.1", "v0.5"] {
            assert_eq!(AuroraVersion::parse(text), None, "{text:?}");
        }
        assert!(!built(24).is_known_release());
        assert!(built(5).is_known_release() && !AuroraVersion::Unknown.is_known_release());
    }

    #[test]
    fn signs_bound_a_version_and_contradictions_are_said() {
        let vars = |text: &str| AuroraVersion::of(&Vars::parse_lines(text).unwrap());
        let old = vars("jvm_prop_sun.java.command Main -cluster_name=w -gc_executor_path=/x -hostname=h");
        assert_eq!(old.to_string(), "0.7 to 0.8 (by flag gc_executor_path, flag hostname)");
        assert_eq!(old.has(F::SessionKey), Yes);
        assert_eq!(old.has(F::HttpAuthentication), Unknown);
        assert_eq!(old.has(F::BypassHeader), No);
        let new = vars("mem_storage_attribute_size 6\nzk_connection_state_CONNECTED 1");
        assert_eq!(new.range(), 19..=u16::MAX);
        let odd = vars("task_store_PARTITIONED 0\njvm_prop_sun.java.command Main -gc_executor_path=/x");
        assert!(odd.is_unknown() && odd.to_string().contains("exclude each other"), "{odd}");
        assert_eq!(vars("jvm_uptime_secs 7"), AuroraVersion::Unknown);
        assert_eq!(vars("build_version 0.16.0\ntask_store_PARTITIONED 0").to_string(), "0.16.0");
    }

    #[test]
    fn a_role_is_asked_for_in_the_fields_that_the_release_reads() {
        let by_role = TaskQuery { role: Some("www".to_owned()), ..TaskQuery::default() };
        let fields = |version: &AuroraVersion| {
            let query = version.query(by_role.clone());
            (query.role.is_some(), query.owner.and_then(|owner| owner.role).is_some())
        };
        assert_eq!(fields(&built(5)), (false, true));
        assert_eq!(fields(&built(6)), (true, false));
        assert_eq!(fields(&built(23)), (true, false));
        assert_eq!(fields(&AuroraVersion::Unknown), (true, true));
        let between = AuroraVersion::Between { from: 0, to: 8, by: vec!["x"] };
        assert_eq!(fields(&between), (true, true));
        assert_eq!(built(5).query(TaskQuery::ids(["a"])), TaskQuery::ids(["a"]));
    }
}
