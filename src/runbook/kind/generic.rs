//! Kinds that know nothing of Aurora: programs, services, files, HTTP, ports, processes, logs, time.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runbook::text::{ShellText, Slot, Text};

/// Runs one program (`argv`) or one shell line (`shell`) on the row's host.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Program and arguments; no shell sees them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<Text>,
    /// A line for `/bin/sh -c`; every value put into it is quoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<ShellText>,
    /// Working directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<Text>,
    /// Variables added to the environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Text>,
    /// Exit codes that mean success; `[0]` if left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ok: Vec<i32>,
    /// True if it changes nothing; needed where it serves as a gate or a guard.
    #[serde(default)]
    pub reads: bool,
    /// What of its standard output becomes outputs.
    #[serde(default)]
    pub capture: Capture,
}

/// What of a command's standard output becomes outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Capture {
    /// Nothing.
    #[default]
    Nothing,
    /// `text`: the whole, without the last line end.
    Text,
    /// `lines`: a list.
    Lines,
    /// The members of the JSON object that it printed.
    Json,
}

/// Files and directories on the row's host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Files {
    /// Rename a directory or file within its file system and leave an empty directory with the same
    /// owner and mode in its place. With a manifest of what was moved.
    MoveAside {
        /// What is moved.
        path: Text,
        /// Where it goes; filled in before the action runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Text>,
    },
    /// Put back what was moved aside; what stands in its place by then is moved aside in its turn.
    MoveBack {
        /// Where it was moved to.
        from: Text,
        /// Where it belongs.
        to: Text,
    },
    /// Remove a file or directory for good.
    Remove {
        /// What is removed.
        path: Text,
        /// Only if the file has this SHA-256 (hex); anything else is left and said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        only_if_sha256: Option<Text>,
    },
    /// Copy a file: temporary name, digest verified, then renamed. An equal file that is there is left.
    Copy {
        /// The source.
        from: Text,
        /// The host that has the source; the row's host if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from_host: Option<Text>,
        /// The target file.
        to: Text,
        /// SHA-256 (hex) that the source must have.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<Text>,
    },
    /// Look: it is there.
    Exists {
        /// The path.
        path: Text,
    },
    /// Look: it is not there.
    Absent {
        /// The path.
        path: Text,
    },
    /// Look: the file has this SHA-256 (hex).
    Same {
        /// The path.
        path: Text,
        /// The digest.
        sha256: Text,
    },
}

/// One HTTP request; no redirect is followed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// `http://host:port/path`.
    pub url: Text,
    /// `GET` if left out.
    #[serde(default)]
    pub method: Method,
    /// Request headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Text>,
    /// Request body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Text>,
    /// Status codes that mean success; `[200]` if left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<u16>,
    /// What the body must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<Text>,
    /// What of the answer becomes outputs.
    #[serde(default)]
    pub capture: Capture,
}

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    #[default]
    Get,
    /// Changes.
    Post,
    /// Changes.
    Put,
    /// Changes.
    Delete,
}

/// Reads one node of a ZooKeeper ensemble.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zookeeper {
    /// `host:port,host:port`.
    pub connect: Text,
    /// The node.
    pub path: Text,
    /// True if the node must be there, false if it must not, left out if either will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
}

/// Lets time pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// How long, as in `30s`.
    pub r#for: Text,
}

/// Is a service's process there?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Process {
    /// At least one.
    Present(Text),
    /// None.
    Absent(Text),
    /// None on any host of a group, all looked at at that moment; a host that cannot be reached is
    /// unknown.
    AbsentEverywhere {
        /// The service.
        service: Text,
        /// The group.
        group: String,
    },
}

/// Does something accept connections at `address:port`?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Port {
    /// A connection is accepted.
    Open(Text),
    /// A connection is refused. No answer at all is unknown, not closed.
    Closed(Text),
    /// A connection is accepted, as seen from elsewhere.
    OpenFrom {
        /// The address.
        at: Text,
        /// Who connects: a host or a group of the inventory, or `local` for the operator's machine.
        from: Text,
    },
    /// Nobody elsewhere gets in.
    ShutFrom {
        /// The address, as those elsewhere know it.
        at: Text,
        /// Who connects: a host or a group of the inventory, or `local` for the operator's machine.
        from: Text,
        /// Where the row's host and the operator do get in at the same moment. No answer counts as shut only beside
        /// that; without it only a refusal does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        open: Option<Text>,
    },
    /// Nothing answers at any address of this `-mesos_master_address`, as the row's host resolves it.
    NoMasterAt(Text),
}

/// Counts lines of a log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogLines {
    /// The log on the row's host: a file, whose rotated neighbours are read too, compressed or not; a directory of logs; or
    /// `journal:UNIT`, the systemd journal's entries of a unit. Times without a zone are of the host's variable `timezone`,
    /// as `Europe/Berlin` or `+02:00`; without it, of this machine's.
    pub file: Text,
    /// Only lines that contain this text; every known pattern is counted if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<Text>,
    /// Only lines at or after this RFC 3339 time (such as the start of an earlier step).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Text>,
    /// Fewer matching lines than this do not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u64>,
    /// More matching lines than this do not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u64>,
    /// The timestamp (milliseconds UTC) that the newest line `Applying snapshot taken on …` must name, in whole seconds
    /// and in whatever zone the scheduler writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Text>,
}

/// Which of this session's changes are undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UndoWhat {
    /// Everything that is still to be undone, newest first.
    Everything,
}

impl Command {
    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        self.argv.iter_mut().for_each(|text| give(Slot::Plain(text)));
        self.shell.iter_mut().for_each(|text| give(Slot::Shell(text)));
        self.cwd.iter_mut().for_each(|text| give(Slot::Plain(text)));
        self.env.values_mut().for_each(|text| give(Slot::Plain(text)));
    }
}

impl Files {
    pub(super) fn looks(&self) -> bool {
        matches!(self, Self::Exists { .. } | Self::Absent { .. } | Self::Same { .. })
    }

    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        match self {
            Self::MoveAside { path, to } => {
                give(Slot::Plain(path));
                to.iter_mut().for_each(|text| give(Slot::Plain(text)));
            }
            Self::MoveBack { from, to } => {
                give(Slot::Plain(from));
                give(Slot::Plain(to));
            }
            Self::Remove { path, only_if_sha256 } => {
                give(Slot::Plain(path));
                only_if_sha256.iter_mut().for_each(|text| give(Slot::Plain(text)));
            }
            Self::Copy { from, from_host, to, sha256 } => {
                give(Slot::Plain(from));
                from_host.iter_mut().for_each(|text| give(Slot::Plain(text)));
                give(Slot::Plain(to));
                sha256.iter_mut().for_each(|text| give(Slot::Plain(text)));
            }
            Self::Exists { path } | Self::Absent { path } => give(Slot::Plain(path)),
            Self::Same { path, sha256 } => {
                give(Slot::Plain(path));
                give(Slot::Plain(sha256));
            }
        }
    }

    pub(super) fn settle_names(&mut self, tag: &str) {
        if let Self::MoveAside { path, to } = self
            && to.is_none()
        {
            *to = Some(Text(format!("{}.aside-{tag}", path.0.trim_end_matches('/'))));
        }
    }

    pub(super) fn inverse(&self) -> Option<Self> {
        match self {
            Self::MoveAside { path, to: Some(to) } => Some(Self::MoveBack { from: to.clone(), to: path.clone() }),
            Self::Copy { to, sha256, .. } => Some(Self::Remove { path: to.clone(), only_if_sha256: sha256.clone() }),
            Self::MoveAside { to: None, .. }
            | Self::MoveBack { .. }
            | Self::Remove { .. }
            | Self::Exists { .. }
            | Self::Absent { .. }
            | Self::Same { .. } => None,
        }
    }

    pub(super) fn did_it_happen(&self) -> Option<Self> {
        match self {
            Self::MoveAside { to: Some(to), .. } => Some(Self::Exists { path: to.clone() }),
            Self::MoveBack { from, .. } => Some(Self::Absent { path: from.clone() }),
            Self::Remove { path, .. } => Some(Self::Absent { path: path.clone() }),
            Self::Copy { to, sha256: Some(sha256), .. } => {
                Some(Self::Same { path: to.clone(), sha256: sha256.clone() })
            }
            Self::Copy { sha256: None, .. }
            | Self::MoveAside { to: None, .. }
            | Self::Exists { .. }
            | Self::Absent { .. }
            | Self::Same { .. } => None,
        }
    }
}

impl Http {
    pub(super) fn looks(&self) -> bool {
        self.method == Method::Get
    }

    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        give(Slot::Plain(&mut self.url));
        self.headers.values_mut().for_each(|text| give(Slot::Plain(text)));
        self.body.iter_mut().for_each(|text| give(Slot::Plain(text)));
        self.contains.iter_mut().for_each(|text| give(Slot::Plain(text)));
    }
}

impl Zookeeper {
    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        give(Slot::Plain(&mut self.connect));
        give(Slot::Plain(&mut self.path));
    }
}

impl Wait {
    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        give(Slot::Plain(&mut self.r#for));
    }
}

impl Process {
    /// The service's name.
    pub fn service(&self) -> &Text {
        match self {
            Self::Present(name) | Self::Absent(name) | Self::AbsentEverywhere { service: name, group: _ } => name,
        }
    }

    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        match self {
            Self::Present(name) | Self::Absent(name) | Self::AbsentEverywhere { service: name, group: _ } => {
                give(Slot::Plain(name));
            }
        }
    }
}

impl Port {
    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        match self {
            Self::Open(at) | Self::Closed(at) | Self::NoMasterAt(at) => give(Slot::Plain(at)),
            Self::OpenFrom { at, from } => {
                give(Slot::Plain(at));
                give(Slot::Plain(from));
            }
            Self::ShutFrom { at, from, open } => {
                give(Slot::Plain(at));
                give(Slot::Plain(from));
                open.iter_mut().for_each(|text| give(Slot::Plain(text)));
            }
        }
    }
}

impl LogLines {
    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        give(Slot::Plain(&mut self.file));
        self.contains.iter_mut().for_each(|text| give(Slot::Plain(text)));
        self.since.iter_mut().chain(&mut self.snapshot).for_each(|text| give(Slot::Plain(text)));
    }
}
