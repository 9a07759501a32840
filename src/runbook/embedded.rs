//! The runbooks in the binary. A path given by the user wins over them; reading it is the caller's.

/// A runbook in the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Embedded {
    /// Its id: the file's name without the ending.
    pub name: &'static str,
    /// The file's name, for messages.
    pub file: &'static str,
    /// Its text.
    pub yaml: &'static str,
}

/// Every runbook in the binary.
pub const RUNBOOKS: &[Embedded] = &[Embedded {
    name: "aurora-restore-from-backup",
    file: "aurora-restore-from-backup.yaml",
    yaml: include_str!("../../runbooks/aurora-restore-from-backup.yaml"),
}];

/// What a name on the command line means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'a> {
    /// One in the binary.
    Embedded(&'static Embedded),
    /// A file to be read.
    Path(&'a str),
    /// Neither: not a path, and not in the binary.
    Unknown,
}

/// Tells a name from a path: what has a separator or ends in `.yaml` or `.yml` is a path.
pub fn find(name_or_path: &str) -> Named<'_> {
    let yaml = [".yaml", ".yml"].iter().any(|ending| name_or_path.ends_with(ending));
    if yaml || name_or_path.contains(['/', '\\']) {
        return Named::Path(name_or_path);
    }
    RUNBOOKS.iter().find(|runbook| runbook.name == name_or_path).map_or(Named::Unknown, Named::Embedded)
}
