//! `flags`: a scheduler's flags are edited where they stand, put back, or looked at.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runbook::text::{Slot, Text};

/// A scheduler's flags, in the file that its service reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Flags {
    /// Replace flags where they stand, never append twice.
    Edit {
        /// The file.
        file: Text,
        /// Flag name (no dash) to value.
        #[serde(default)]
        set: BTreeMap<String, Text>,
        /// Flags that are set only where the release has them.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        where_known: BTreeMap<String, Text>,
        /// Flags that must not be there.
        #[serde(default)]
        unset: Vec<String>,
        /// Aurora's release, as in `0.22.0`; what a parser of that release refuses is refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Text>,
        /// How the file holds flags: `debian`, `rpm`, `systemd`, `upstart`, `script`, `arguments`,
        /// `command`. Left out: the host's `flags_form`, else what the file shows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        form: Option<Text>,
        /// The service that reads them: its manager is told of a changed unit file, and its commands
        /// read and write flags of the form `command`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<Text>,
        /// Where the original is kept; filled in before the action runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keep: Option<Text>,
    },
    /// Put the kept original back.
    Restore {
        /// The file.
        file: Text,
        /// Where the original is kept.
        keep: Text,
        /// What the edit set: a file that holds neither this nor the original was changed by someone
        /// else and is not overwritten.
        #[serde(default)]
        set: BTreeMap<String, Text>,
        /// Flags that are set only where the release has them.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        where_known: BTreeMap<String, Text>,
        /// What the edit took away.
        #[serde(default)]
        unset: Vec<String>,
        /// Aurora's release, as in `0.22.0`; what a parser of that release refuses is refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Text>,
        /// How the file holds flags: `debian`, `rpm`, `systemd`, `upstart`, `script`, `arguments`,
        /// `command`. Left out: the host's `flags_form`, else what the file shows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        form: Option<Text>,
        /// The service that reads them: its manager is told of a changed unit file, and its commands
        /// read and write flags of the form `command`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<Text>,
    },
    /// Look at the file.
    File {
        /// The file.
        file: Text,
        /// Flags that must have this value.
        #[serde(default)]
        has: BTreeMap<String, Text>,
        /// Flags that are looked for only where the release has them.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        where_known: BTreeMap<String, Text>,
        /// Flags that must not be there.
        #[serde(default)]
        has_not: Vec<String>,
        /// Aurora's release, as in `0.22.0`; what a parser of that release refuses is refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Text>,
        /// How the file holds flags: `debian`, `rpm`, `systemd`, `upstart`, `script`, `arguments`,
        /// `command`. Left out: the host's `flags_form`, else what the file shows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        form: Option<Text>,
        /// The service that reads them: its manager is told of a changed unit file, and its commands
        /// read and write flags of the form `command`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<Text>,
    },
    /// Look at what the service's process was started with: its command line while it runs, else its
    /// `/vars`, else the flags that it printed at its newest start.
    Running {
        /// The service.
        service: Text,
        /// Its log, for a process that does not stay up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<Text>,
        /// Its address, for a process whose command line cannot be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<Text>,
        /// Flags that must have this value.
        #[serde(default)]
        has: BTreeMap<String, Text>,
        /// Flags that are looked for only where the release has them.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        where_known: BTreeMap<String, Text>,
        /// Flags that must not be there.
        #[serde(default)]
        has_not: Vec<String>,
        /// Aurora's release, as in `0.22.0`; what a parser of that release refuses is refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Text>,
    },
}

/// What is wanted of flags: what an edit sets and removes, or what a look must find.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Flags and their values.
    pub set: &'a BTreeMap<String, Text>,
    /// The same, only where the release has them.
    pub where_known: &'a BTreeMap<String, Text>,
    /// Flags that are not there.
    pub unset: &'a [String],
    /// Aurora's release.
    pub version: Option<&'a Text>,
}

impl Flags {
    /// What is wanted.
    pub fn wanted(&self) -> Wanted<'_> {
        match self {
            Self::Edit { set, where_known, unset, version, .. }
            | Self::Restore { set, where_known, unset, version, .. }
            | Self::File { has: set, where_known, has_not: unset, version, .. }
            | Self::Running { has: set, where_known, has_not: unset, version, .. } => {
                Wanted { set, where_known, unset, version: version.as_ref() }
            }
        }
    }

    /// The service that they belong to, where one is named.
    pub fn service(&self) -> Option<&Text> {
        match self {
            Self::Edit { service, .. } | Self::Restore { service, .. } | Self::File { service, .. } => service.as_ref(),
            Self::Running { service, .. } => Some(service),
        }
    }

    pub(super) fn looks(&self) -> bool {
        matches!(self, Self::File { .. } | Self::Running { .. })
    }

    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        let (set, where_known, version) = match self {
            Self::Edit { file, set, where_known, unset: _, version, form, service, keep } => {
                give(Slot::Plain(file));
                form.iter_mut().chain(service).chain(keep).for_each(|text| give(Slot::Plain(text)));
                (set, where_known, version)
            }
            Self::Restore { file, keep, set, where_known, unset: _, version, form, service } => {
                give(Slot::Plain(file));
                give(Slot::Plain(keep));
                form.iter_mut().chain(service).for_each(|text| give(Slot::Plain(text)));
                (set, where_known, version)
            }
            Self::File { file, has, where_known, has_not: _, version, form, service } => {
                give(Slot::Plain(file));
                form.iter_mut().chain(service).for_each(|text| give(Slot::Plain(text)));
                (has, where_known, version)
            }
            Self::Running { service, log, url, has, where_known, has_not: _, version } => {
                give(Slot::Plain(service));
                log.iter_mut().chain(url).for_each(|text| give(Slot::Plain(text)));
                (has, where_known, version)
            }
        };
        set.values_mut().chain(where_known.values_mut()).chain(version).for_each(|text| give(Slot::Plain(text)));
    }

    pub(super) fn settle_names(&mut self, tag: &str) {
        if let Self::Edit { file, keep, .. } = self
            && keep.is_none()
        {
            *keep = Some(Text(format!("{}.firstlight-{tag}", file.0)));
        }
    }

    pub(super) fn inverse(&self) -> Option<Self> {
        match self {
            Self::Edit { file, set, where_known, unset, version, form, service, keep: Some(keep) } => {
                Some(Self::Restore {
                    file: file.clone(),
                    keep: keep.clone(),
                    set: set.clone(),
                    where_known: where_known.clone(),
                    unset: unset.clone(),
                    version: version.clone(),
                    form: form.clone(),
                    service: service.clone(),
                })
            }
            Self::Edit { keep: None, .. } | Self::Restore { .. } | Self::File { .. } | Self::Running { .. } => None,
        }
    }

    pub(super) fn did_it_happen(&self) -> Option<Self> {
        match self {
            Self::Edit { file, set, where_known, unset, version, form, service, keep: _ } => Some(Self::File {
                file: file.clone(),
                has: set.clone(),
                where_known: where_known.clone(),
                has_not: unset.clone(),
                version: version.clone(),
                form: form.clone(),
                service: service.clone(),
            }),
            // The original is removed from where it was kept as the last act of putting it back.
            Self::Restore { .. } | Self::File { .. } | Self::Running { .. } => None,
        }
    }
}
