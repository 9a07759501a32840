//! Which form a flags file has, and where flags may stand in it.

use super::{
    FlagsFileError, job, unit,
    words::{Quote, Region, assignments, is_flag, words},
};

/// How a file holds flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Shell variables that a start script expands.
    Variables,
    /// A bash array.
    Array,
    /// A unit file or drop-in of systemd.
    Unit,
    /// A job file of Upstart.
    Job,
    /// A start script.
    Script,
    /// Nothing but flags.
    Arguments,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 6] = [Self::Variables, Self::Array, Self::Unit, Self::Job, Self::Script, Self::Arguments];

    /// The word that names it in an inventory.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Variables => "debian",
            Self::Array => "rpm",
            Self::Unit => "systemd",
            Self::Job => "upstart",
            Self::Script => "script",
            Self::Arguments => "arguments",
        }
    }

    /// The form that a word names.
    ///
    /// # Errors
    /// The word names none.
    pub fn named(word: &str) -> Result<Self, FlagsFileError> {
        let found = Self::ALL.into_iter().find(|form| form.name() == word);
        found.ok_or_else(|| FlagsFileError::NoSuchForm(word.chars().take(40).collect()))
    }

    /// The form that a text shows.
    pub(super) fn of(text: &str) -> Result<Self, FlagsFileError> {
        if text.starts_with("#!") {
            return Ok(Self::Script);
        }
        if unit::looks_like(text) {
            return Ok(Self::Unit);
        }
        if job::looks_like(text) {
            return Ok(Self::Job);
        }
        let set = assignments(text);
        if set.iter().any(|region| region.quote == Quote::Array && !region.flags(text).is_empty()) {
            return Ok(Self::Array);
        }
        let listed = words(text, &Region::of(0..text.len(), Quote::File));
        match (set.is_empty(), listed.iter().any(|word| is_flag(&word.text))) {
            (true, true) => Ok(Self::Arguments),
            (true, false) if !listed.is_empty() => Err(FlagsFileError::UnknownForm),
            _ => Ok(Self::Variables),
        }
    }

    /// The stretches that may hold flags.
    pub(super) fn regions(self, text: &str) -> Result<Vec<Region>, FlagsFileError> {
        match self {
            Self::Variables | Self::Array => Ok(assignments(text)),
            Self::Unit => unit::regions(text),
            Self::Job => job::regions(text),
            Self::Script => job::script_regions(text),
            Self::Arguments => Ok(vec![Region::of(0..text.len(), Quote::File)]),
        }
    }

    /// True where the file itself has the command that starts the scheduler.
    pub(super) const fn has_command(self) -> bool {
        matches!(self, Self::Unit | Self::Job | Self::Script)
    }
}
