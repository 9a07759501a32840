//! Services and their managers: what a manager is told, from its name and that of its unit.

use serde::{Deserialize, Serialize};

use crate::runbook::text::Text;

/// Seconds that runit's `sv` waits for a service; a Java machine that ends tidily needs some.
const SV_WAIT_SECS: &str = "30";
/// Where systemd's units for the runtime are.
const SYSTEMD_DIR: &str = "/run/systemd/system";
/// Where Upstart's jobs are.
const UPSTART_DIR: &str = "/etc/init";
/// Where runit's services are.
const RUNIT_DIR: &str = "/etc/service";

/// How one service is handled; texts may use `cluster.*` and `host.*`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceTemplates {
    /// Starts it.
    pub start: Vec<Text>,
    /// Stops it.
    pub stop: Vec<Text>,
    /// Exits 0 if it runs, 3 if it does not; anything else is unknown. What a manager prints is read instead.
    pub status: Vec<Text>,
    /// Keeps it from being started; nothing where there is no such command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hold: Vec<Text>,
    /// Takes that back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub release: Vec<Text>,
    /// Its manager, if it has one that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<Managed>,
    /// Commands for flags that are in no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<FlagCommands>,
    /// A file with the process's id, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_file: Option<Text>,
    /// A text that the process's command line contains, where there is no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<Text>,
}

/// Commands for flags that are in no file that can be edited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlagCommands {
    /// Prints the flags, as `-name=value` words.
    pub read: Vec<Text>,
    /// Takes all of them on its standard input, one a line.
    pub write: Vec<Text>,
}

/// What looks after services on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manager {
    /// systemd.
    Systemd,
    /// Upstart.
    Upstart,
    /// Start scripts by the LSB.
    Sysv,
    /// runit.
    Runit,
    /// supervisord.
    Supervisor,
}

impl Manager {
    /// Its program, where the inventory names no other.
    const fn program(self) -> &'static str {
        match self {
            Self::Systemd => "systemctl",
            Self::Upstart => "initctl",
            Self::Sysv => "service",
            Self::Runit => "sv",
            Self::Supervisor => "supervisorctl",
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Upstart => "upstart",
            Self::Sysv => "sysv",
            Self::Runit => "runit",
            Self::Supervisor => "supervisor",
        }
    }
}

/// A service with a manager that is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Managed {
    /// The manager.
    pub manager: Manager,
    /// Its name for the service.
    pub unit: Text,
    /// Its program and the first arguments; the usual one if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub program: Vec<Text>,
    /// The directory of its units for the runtime (systemd), jobs (Upstart) or services (runit); the usual one if left
    /// out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<Text>,
}

impl Managed {
    fn told(&self, words: &[&str]) -> Vec<Text> {
        let program = match self.program.as_slice() {
            [] => vec![Text::from(self.manager.program())],
            named => named.to_vec(),
        };
        program.into_iter().chain(words.iter().map(|word| Text::from(*word))).collect()
    }

    /// The file that keeps the manager from starting it, where a file does that.
    pub fn hold_file(&self) -> Option<Text> {
        let (unit, dir) = (self.unit.as_str(), self.dir.as_ref().map(Text::as_str));
        match self.manager {
            Manager::Upstart => Some(Text(format!("{}/{unit}.override", dir.unwrap_or(UPSTART_DIR)))),
            Manager::Runit => Some(Text(format!("{}/down", self.runit_directory()))),
            Manager::Systemd => {
                let full = if unit.ends_with(".service") { unit.to_owned() } else { format!("{unit}.service") };
                let dir = dir.unwrap_or(SYSTEMD_DIR);
                Some(Text(format!("{dir}/{full}.d/zz-firstlight-hold.conf")))
            }
            Manager::Sysv | Manager::Supervisor => None,
        }
    }

    fn runit_directory(&self) -> String {
        let unit = self.unit.as_str();
        let dir = self.dir.as_ref().map_or(RUNIT_DIR, Text::as_str);
        if unit.starts_with('/') { unit.to_owned() } else { format!("{dir}/{unit}") }
    }

    /// Tells the manager that its files changed; nothing where it sees that by itself.
    pub fn reload(&self) -> Vec<Text> {
        match self.manager {
            Manager::Systemd => self.told(&["daemon-reload"]),
            Manager::Upstart => self.told(&["reload-configuration"]),
            Manager::Sysv | Manager::Runit | Manager::Supervisor => Vec::new(),
        }
    }

    /// Everything that the manager is told.
    pub fn templates(self) -> ServiceTemplates {
        let unit = match self.manager {
            // A path has a meaning of its own to `sv`, whatever SVDIR says.
            Manager::Runit => self.runit_directory(),
            _ => self.unit.0.clone(),
        };
        let unit = unit.as_str();
        let none = Vec::new;
        let [start, stop, status, hold, release] = match self.manager {
            Manager::Systemd => [
                self.told(&["start", unit]),
                self.told(&["stop", unit]),
                self.told(&["show", "-p", "LoadState", "-p", "ActiveState", "-p", "SubState", unit]),
                self.told(&["mask", "--runtime", unit]),
                self.told(&["unmask", "--runtime", unit]),
            ],
            Manager::Upstart => {
                [self.told(&["start", unit]), self.told(&["stop", unit]), self.told(&["status", unit]), none(), none()]
            }
            Manager::Sysv => {
                [self.told(&[unit, "start"]), self.told(&[unit, "stop"]), self.told(&[unit, "status"]), none(), none()]
            }
            Manager::Runit => [
                self.told(&["-w", SV_WAIT_SECS, "start", unit]),
                self.told(&["-w", SV_WAIT_SECS, "stop", unit]),
                self.told(&["status", unit]),
                self.told(&["down", unit]),
                none(),
            ],
            Manager::Supervisor => {
                [self.told(&["start", unit]), self.told(&["stop", unit]), self.told(&["status", unit]), none(), none()]
            }
        };
        let managed = Some(self);
        ServiceTemplates { start, stop, status, hold, release, managed, flags: None, pid_file: None, matches: None }
    }
}

impl ServiceTemplates {
    /// As an inventory writes it.
    pub(super) fn written(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let (Some(map), Some(managed)) = (value.as_object_mut(), &self.managed) {
            let own = managed.clone().templates();
            for key in ["start", "stop", "status", "managed"] {
                map.remove(key);
            }
            if own.hold == self.hold && own.release == self.release {
                map.remove("hold");
                map.remove("release");
            }
            if let Ok(serde_json::Value::Object(own)) = serde_json::to_value(managed) {
                map.extend(own);
            }
        }
        value
    }
}
