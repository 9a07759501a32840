//! Which machine it is that answers.

use std::fs;

/// Bytes of any of its texts.
pub(super) const TEXT_BYTES_MAX: usize = 256;

/// What a machine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its own name.
    pub host_name: String,
    /// The id that its system was given when it was installed (machine-id(5)); empty where there is none. Copies of one
    /// image may share it.
    pub machine_id: String,
    /// The id of its kernel's run: another one after each boot.
    pub boot_id: String,
    /// The user that commands run as.
    pub user: String,
}

impl Identity {
    /// True if both can only be one machine. Containers of one machine share the boot, not the name.
    pub fn same_machine(&self, other: &Self) -> bool {
        (&self.host_name, &self.machine_id, &self.boot_id) == (&other.host_name, &other.machine_id, &other.boot_id)
    }
}

/// This machine's.
pub(super) fn own() -> Identity {
    let read = |path: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().next().unwrap_or_default().chars().take(TEXT_BYTES_MAX).collect()
    };
    let uid = rustix::process::getuid().as_raw();
    Identity {
        host_name: read("/proc/sys/kernel/hostname"),
        machine_id: read("/etc/machine-id"),
        boot_id: read("/proc/sys/kernel/random/boot_id"),
        user: super::disk::user_name(uid).unwrap_or_else(|| uid.to_string()),
    }
}
