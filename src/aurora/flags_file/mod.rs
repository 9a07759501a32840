//! Files in which a scheduler's flags are kept: read, and edited where they stand.
//!
//! Pure. The forms are those of the packages and of what people make of them. *Variables*: shell assignments
//! (`/etc/default/aurora-scheduler`), where some variables carry one flag each and `EXTRA_SCHEDULER_ARGS` carries any.
//! *Array*: a bash array of flags (`/etc/sysconfig/aurora-scheduler`, and `/etc/sysconfig/aurora` before). *Unit*:
//! systemd's unit or drop-in with the flags in its command. *Job*: Upstart's. *Script*: a start script. *Arguments*:
//! `-flag=value` words, on one line or one a line, which is also what a command that prints the flags prints.
//!
//! Everything that is not edited stays byte for byte. A flag is replaced where it stands, because a scheduler that is
//! given a flag twice does not start. What cannot be edited so is refused, with the reason.

mod form;
mod job;
mod unit;
mod words;

use std::{collections::BTreeMap, ops::Range};

use similar::TextDiff;
use thiserror::Error;

pub use self::form::Form;
use self::words::{Given, Quote, Region, own_arguments, words};
use crate::aurora::flags::{Flag, Flags};

/// Variables of the Debian package that carry one flag each.
const CARRIERS: [(&str, &str); 9] = [
    ("CLUSTER_NAME", "cluster_name"),
    ("HTTP_PORT", "http_port"),
    ("QUORUM_SIZE", "native_log_quorum_size"),
    ("ZK_ENDPOINTS", "zk_endpoints"),
    ("MESOS_MASTER", "mesos_master_address"),
    ("ZK_SERVERSET_PATH", "serverset_path"),
    ("ZK_LOGDB_PATH", "native_log_zk_group_path"),
    ("LOGDB_FILE_PATH", "native_log_file_path"),
    ("BACKUP_DIR", "backup_dir"),
];
/// The variable that carries any flag.
const EXTRA: &str = "EXTRA_SCHEDULER_ARGS";
/// The array of the RPM packages that carries the flags.
const ARRAY: &str = "AURORA_FLAGS";
/// Variables inside variables are followed this deep.
const EXPANSIONS_MAX: usize = 8;
/// Bytes of a value after its variables were followed: one that names itself many times must not grow without end.
const EXPANDED_BYTES_MAX: usize = 64 * 1024;
/// Lines around a change in a diff.
const DIFF_CONTEXT: usize = 2;

/// Why a flags file cannot be edited.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FlagsFileError {
    /// It is not text.
    #[error("it is not UTF-8 text")]
    NotText,
    /// No form that is known.
    #[error("it holds neither variables nor flags")]
    UnknownForm,
    /// It has not the form that was named.
    #[error("it has not the form {0:?}: {1}")]
    NotTheForm(&'static str, &'static str),
    /// A word that names no form.
    #[error("{0:?} is not a form of flags files: debian, rpm, systemd, upstart, script, arguments, command")]
    NoSuchForm(String),
    /// The flags are in another file.
    #[error("the flags are not in this file: {0}")]
    NotHere(String),
    /// The flag may be given in another file.
    #[error("-{flag} may be given in {variable}, which this file does not set: edit the file that sets it")]
    Elsewhere {
        /// The flag.
        flag: String,
        /// The variable.
        variable: String,
    },
    /// What an edit would mean is not sure.
    #[error("it cannot be edited safely: {0}; edit it by hand")]
    Unsafe(String),
    /// A scheduler would not start with it.
    #[error("-{0} is given more than once, with which a scheduler does not start; remove one by hand")]
    Twice(String),
    /// The value would need quoting that the file's reader may not undo.
    #[error("the value {value:?} of -{flag} holds characters that a shell would change")]
    Value {
        /// The flag.
        flag: String,
        /// The value.
        value: String,
    },
    /// Quotes of several kinds in one value.
    #[error("the value of {0} is quoted in pieces; edit it by hand")]
    Pieces(String),
    /// Both set and unset.
    #[error("-{0} is to be set and to be removed")]
    Both(String),
}

/// A flags file.
#[derive(Debug, Clone)]
pub struct FlagsFile {
    text: String,
    form: Form,
    regions: Vec<Region>,
}

/// An edited file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The whole new text.
    pub text: String,
    /// A unified diff; empty if nothing changes.
    pub diff: String,
}

impl FlagsFile {
    /// Reads a file's bytes, in the form that they show.
    ///
    /// # Errors
    /// It has no form that is known, or cannot be edited safely.
    pub fn parse(bytes: &[u8]) -> Result<Self, FlagsFileError> {
        Self::parse_as(bytes, None)
    }

    /// As [`Self::parse`], in a form that is named.
    ///
    /// # Errors
    /// It has not that form, or cannot be edited safely.
    pub fn parse_as(bytes: &[u8], form: Option<Form>) -> Result<Self, FlagsFileError> {
        let text = std::str::from_utf8(bytes).map_err(|_| FlagsFileError::NotText)?.to_owned();
        let form = match form {
            Some(form) => form,
            None => Form::of(&text)?,
        };
        let regions = form.regions(&text)?;
        let file = Self { text, form, regions };
        file.must_fit()?;
        Ok(file)
    }

    /// The flags of a command line in its words, without those of what starts the scheduler.
    pub fn of_arguments(args: &[String]) -> Flags {
        let texts: Vec<&str> = args.iter().map(String::as_str).collect();
        let from = own_arguments(&texts).unwrap_or(0);
        Flags::parse_args(texts.into_iter().skip(from))
    }

    /// The form it has.
    pub const fn form(&self) -> Form {
        self.form
    }

    /// Refuses a file in which flags cannot be found, whatever is wanted of it.
    fn must_fit(&self) -> Result<(), FlagsFileError> {
        let arrays = || self.regions.iter().any(|region| region.quote == Quote::Array);
        match self.form {
            Form::Array if !arrays() => Err(FlagsFileError::NotTheForm("rpm", "no array is set in it")),
            Form::Variables if self.regions.is_empty() && Form::of(&self.text).is_ok_and(|form| form != self.form) => {
                Err(FlagsFileError::NotTheForm("debian", "no variable is set in it"))
            }
            form if form.has_command() && self.holding().all(|region| region.flags(&self.text).is_empty()) => {
                Err(FlagsFileError::NotHere(self.elsewhere()))
            }
            _ => Ok(()),
        }
    }

    /// Where the flags may be, for a file whose command has none.
    fn elsewhere(&self) -> String {
        let files = unit::environment_files(&self.text);
        if !files.is_empty() {
            return format!("its variables come from {}", files.join(", "));
        }
        let command = self.regions.iter().find(|region| region.quote.is_command());
        command.map_or_else(
            || "it starts nothing".to_owned(),
            |region| {
                let all = words(&self.text, region);
                let line: Vec<&str> = all.iter().map(|word| word.text.as_str()).take(3).collect();
                format!("it runs {:?}, which has none on its command line", line.join(" "))
            },
        )
    }

    /// The regions that count: what the command names, where the file has the command.
    fn holding(&self) -> impl Iterator<Item = &Region> {
        let commands: Vec<&Region> = self.regions.iter().filter(|region| region.quote.is_command()).collect();
        let used: Option<Vec<String>> = (!commands.is_empty()).then(|| {
            let all = commands.iter().flat_map(|region| words(&self.text, region));
            all.filter_map(|word| variable(&word.text)).collect()
        });
        self.regions.iter().filter(move |region| {
            region.name.is_empty() || used.as_ref().is_none_or(|used| used.contains(&region.name))
        })
    }

    /// A variable of the command that this file does not set, and that may hold flags.
    fn unseen(&self) -> Option<String> {
        let commands = self.regions.iter().filter(|region| region.quote.is_command());
        let named = commands.flat_map(|region| {
            let all = words(&self.text, region);
            let texts: Vec<&str> = all.iter().map(|word| word.text.as_str()).collect();
            let from = own_arguments(&texts).unwrap_or(0);
            all.into_iter().skip(from).filter_map(|word| variable(&word.text)).collect::<Vec<_>>()
        });
        named.into_iter().find(|name| !self.regions.iter().any(|region| region.name == *name))
    }

    /// The values that a flag is given, in the order in which they stand. A scheduler starts with at most one.
    pub fn values(&self, flag: &str) -> Vec<String> {
        let given = self.given().into_iter().filter(|(_, given)| given.name == flag);
        let given = given.map(|(_, given)| given.value.unwrap_or_default());
        let carried =
            self.carrier(flag).map(|region| self.text.get(region.inner.clone()).unwrap_or_default().to_owned());
        given.chain(carried).map(|value| self.expanded(&value)).collect()
    }

    /// Every flag that is given, variables that carry one included.
    pub fn flags(&self) -> Flags {
        let flag = |name: &str, value: Option<String>| Flag { name: name.to_owned(), value, dashes: 1 };
        let given = self.given().into_iter();
        let given = given.map(|(_, given)| flag(&given.name, given.value.map(|value| self.expanded(&value))));
        let carried = CARRIERS.iter().filter_map(|(_, name)| {
            let region = self.carrier(name)?;
            let value = self.text.get(region.inner.clone()).unwrap_or_default();
            Some(flag(name, Some(self.expanded(value))))
        });
        Flags { flags: given.chain(carried).collect() }
    }

    /// The file with flags set and removed.
    pub fn edit<S: AsRef<str>>(&self, set: &BTreeMap<String, S>, unset: &[String]) -> Result<Edited, FlagsFileError> {
        let mut file = self.clone();
        if let Some(flag) = unset.iter().find(|flag| set.contains_key(*flag)) {
            return Err(FlagsFileError::Both(flag.clone()));
        }
        // Set first: how a list is written shows best while it is whole.
        for (flag, value) in set {
            file = file.with(flag, value.as_ref())?;
        }
        for flag in unset {
            file = file.without(flag)?;
        }
        self.proved(&file, set, unset)?;
        Ok(Edited { diff: diff(&self.text, &file.text), text: file.text })
    }

    /// Reads the result as a scheduler's service would: it must have what was asked for, and the rest as before.
    fn proved<S: AsRef<str>>(
        &self,
        after: &Self,
        set: &BTreeMap<String, S>,
        unset: &[String],
    ) -> Result<(), FlagsFileError> {
        let asked = |flag: &Flag| set.contains_key(&flag.name) || unset.contains(&flag.name);
        let rest = |file: &Self| -> Vec<Flag> { file.flags().flags.into_iter().filter(|flag| !asked(flag)).collect() };
        let given = set.iter().all(|(flag, value)| after.values(flag) == [value.as_ref()]);
        let gone = unset.iter().all(|flag| after.values(flag).is_empty());
        if given && gone && rest(self) == rest(after) {
            return Ok(());
        }
        Err(FlagsFileError::Unsafe("its quotes and words do not come out as one would read them".to_owned()))
    }

    fn given(&self) -> Vec<(&Region, Given)> {
        let of = |region: &'_ Region| region.flags(&self.text);
        self.holding().flat_map(|region| of(region).into_iter().map(move |given| (region, given))).collect()
    }

    /// The last assignment of the variable that carries a flag.
    fn carrier(&self, flag: &str) -> Option<&Region> {
        if self.form != Form::Variables {
            return None;
        }
        let (variable, _) = CARRIERS.iter().find(|(_, carried)| *carried == flag)?;
        self.regions.iter().rev().find(|region| region.name == *variable && region.quote != Quote::Array)
    }

    /// A value with the variables in it that this file sets.
    fn expanded(&self, value: &str) -> String {
        let mut value = value.to_owned();
        for _ in 0..EXPANSIONS_MAX {
            let next = self.expanded_once(&value);
            if next == value || next.len() > EXPANDED_BYTES_MAX {
                break;
            }
            value = next;
        }
        value
    }

    fn expanded_once(&self, value: &str) -> String {
        let set = |name: &str| {
            let region = self.regions.iter().rev().find(|region| region.name == name)?;
            self.text.get(region.inner.clone())
        };
        let mut out = String::with_capacity(value.len());
        let mut rest = value;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            let (name, then) = braced.unwrap_or_else(|| after.split_at(end));
            match set(name).filter(|_| out.len() <= EXPANDED_BYTES_MAX) {
                Some(with) => {
                    out.push_str(with);
                    rest = then;
                }
                None => {
                    out.push('$');
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        out
    }

    fn replaced(&self, span: Range<usize>, with: &str) -> Result<Self, FlagsFileError> {
        let mut text = self.text.clone();
        text.replace_range(span, with);
        let regions = self.form.regions(&text)?;
        Ok(Self { text, form: self.form, regions })
    }

    fn once(&self, flag: &str) -> Result<Option<(Region, Given)>, FlagsFileError> {
        let mut found = self.given().into_iter().filter(|(_, given)| given.name == flag);
        let first = found.next().map(|(region, given)| (region.clone(), given));
        if found.next().is_some() || first.is_some() && self.carrier(flag).is_some() {
            return Err(FlagsFileError::Twice(flag.to_owned()));
        }
        Ok(first)
    }

    fn with(self, flag: &str, value: &str) -> Result<Self, FlagsFileError> {
        if !value.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:,@%+=".contains(c)) {
            return Err(FlagsFileError::Value { flag: flag.to_owned(), value: value.to_owned() });
        }
        // systemd takes a single `%` for a specifier.
        let value = if self.form == Form::Unit { value.replace('%', "%%") } else { value.to_owned() };
        let word = format!("-{flag}={value}");
        if let Some((region, given)) = self.once(flag)? {
            if region.quote == Quote::Pieces {
                return Err(FlagsFileError::Pieces(region.name));
            }
            let same = self.text.get(given.span.clone()) == Some(word.as_str());
            return if same { Ok(self) } else { self.replaced(given.span, &word) };
        }
        if let Some((variable, _)) = CARRIERS.iter().find(|(_, carried)| *carried == flag)
            && self.form == Form::Variables
        {
            return self.with_variable(variable, &value);
        }
        if let Some(variable) = self.unseen() {
            return Err(FlagsFileError::Elsewhere { flag: flag.to_owned(), variable });
        }
        self.with_word(&word)
    }

    fn with_variable(self, variable: &str, value: &str) -> Result<Self, FlagsFileError> {
        let Some(region) = self.regions.iter().rev().find(|region| region.name == variable) else {
            let end = self.text.len();
            let line = format!("{}{variable}=\"{value}\"\n", self.line_end());
            return self.replaced(end..end, &line);
        };
        if region.quote == Quote::Pieces {
            return Err(FlagsFileError::Pieces(region.name.clone()));
        }
        if self.text.get(region.inner.clone()) == Some(value) {
            return Ok(self);
        }
        let (span, with) = match region.quote {
            Quote::Whole => (region.inner.clone(), value.to_owned()),
            Quote::None | Quote::Array | Quote::Pieces | Quote::File | Quote::Command | Quote::Unit => {
                (region.value.clone(), format!("\"{value}\""))
            }
        };
        self.replaced(span, &with)
    }

    fn line_end(&self) -> &'static str {
        if self.text.is_empty() || self.text.ends_with('\n') { "" } else { "\n" }
    }

    /// Where a flag that is given nowhere belongs.
    fn home(&self) -> Option<&Region> {
        let holds = |region: &&Region| !region.flags(&self.text).is_empty();
        if self.form.has_command() {
            return self
                .holding()
                .find(|region| region.quote.is_command())
                .or_else(|| self.holding().filter(holds).last());
        }
        let named = self.regions.iter().rev().find(|region| region.name == EXTRA || region.quote == Quote::File);
        let arrays = || self.regions.iter().rev().filter(|region| region.quote == Quote::Array);
        named
            .or_else(|| arrays().find(|region| region.name == ARRAY))
            .or_else(|| arrays().find(holds))
            .or_else(|| self.regions.iter().rev().find(holds))
    }

    /// Adds a flag that is given nowhere.
    fn with_word(self, word: &str) -> Result<Self, FlagsFileError> {
        let Some(region) = self.home().cloned() else {
            let end = self.text.len();
            let line = format!("{}{EXTRA}=\"{word}\"\n", self.line_end());
            return self.replaced(end..end, &line);
        };
        let inner = self.text.get(region.inner.clone()).unwrap_or_default().to_owned();
        let end = region.inner.end;
        match region.quote {
            Quote::Pieces => Err(FlagsFileError::Pieces(region.name)),
            Quote::None if inner.is_empty() => self.replaced(region.value, &format!("\"{word}\"")),
            Quote::None => self.replaced(region.value, &format!("\"{inner} {word}\"")),
            Quote::Whole => {
                let gap = if inner.is_empty() || inner.ends_with(char::is_whitespace) { "" } else { " " };
                self.replaced(end..end, &format!("{gap}{word}"))
            }
            Quote::Array | Quote::File => self.with_listed(&region, word),
            Quote::Command | Quote::Unit => self.with_commanded(&region, word),
        }
    }

    /// Adds a flag to a command: on a line of its own where the last word has one.
    fn with_commanded(self, region: &Region, word: &str) -> Result<Self, FlagsFileError> {
        let Some(last) = words(&self.text, region).pop() else {
            return Err(FlagsFileError::Unsafe("its command is empty".to_owned()));
        };
        let before = self.text.get(region.inner.start..last.span.start).unwrap_or_default();
        let indent = before.rfind('\n').map(|at| before.get(at + 1..).unwrap_or_default());
        let gap = match indent {
            Some(indent) if indent.chars().all(|c| c == ' ' || c == '\t') => format!(" \\\n{indent}"),
            Some(_) | None => " ".to_owned(),
        };
        let end = last.span.end;
        self.replaced(end..end, &format!("{gap}{word}"))
    }

    /// Adds a flag to a list of words: on a line of its own where each has one, else after the last.
    fn with_listed(self, region: &Region, word: &str) -> Result<Self, FlagsFileError> {
        let listed = words(&self.text, region);
        let inner = self.text.get(region.inner.clone()).unwrap_or_default();
        let Some(last) = listed.last() else {
            let start = region.inner.start;
            let rest = if region.quote == Quote::File { "\n" } else { " " };
            return self.replaced(start..start, &format!("{word}{rest}"));
        };
        let line_start = self.text.get(..last.span.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let indent = self.text.get(line_start..last.span.start).unwrap_or_default();
        let own_line = indent.chars().all(|c| c == ' ' || c == '\t') && line_start >= region.inner.start;
        let many_lines = inner.trim().contains('\n') || listed.len() == 1 && region.quote == Quote::File;
        let end = last.span.end;
        if own_line && many_lines || region.quote == Quote::File && listed.len() == 1 {
            let rest = self.text.get(end..region.inner.end).unwrap_or_default();
            let after = rest.find('\n').map_or(region.inner.end, |at| end + at);
            let line = format!("\n{indent}{word}");
            return self.replaced(after..after, &line);
        }
        self.replaced(end..end, &format!(" {word}"))
    }

    fn without(self, flag: &str) -> Result<Self, FlagsFileError> {
        if let Some((region, given)) = self.once(flag)? {
            if region.quote == Quote::Pieces {
                return Err(FlagsFileError::Pieces(region.name));
            }
            let span = if region.quote.is_command() {
                self.in_command(&region, &given.span)?
            } else {
                self.around(&region, &given.span)
            };
            return self.replaced(span, "");
        }
        match self.carrier(flag).map(|region| region.statement.clone()) {
            Some(statement) => self.replaced(statement, "")?.without(flag),
            None => match self.unseen() {
                Some(variable) => Err(FlagsFileError::Elsewhere { flag: flag.to_owned(), variable }),
                None => Ok(self),
            },
        }
    }

    /// A word of a command with the gap before it, so that no line goes on to nothing.
    fn in_command(&self, region: &Region, span: &Range<usize>) -> Result<Range<usize>, FlagsFileError> {
        let before = words(&self.text, region).into_iter().rev().find(|word| word.span.end <= span.start);
        let start = before.map_or(region.inner.start, |word| word.span.end);
        let gap = self.text.get(start..span.start).unwrap_or_default();
        if gap.chars().all(|c| c.is_whitespace() || c == '\\') {
            return Ok(start..span.end);
        }
        // A comment stands between: it stays, and so must a line for the one before to go on to.
        let after = self.text.get(span.end..region.inner.end).unwrap_or_default();
        let line = gap.rfind('\n').map(|at| start + at + 1);
        match (line, after.strip_prefix(" \\\n").or_else(|| after.strip_prefix("\\\n"))) {
            (Some(line), Some(rest)) => Ok(line..region.inner.end - rest.len()),
            _ => Err(FlagsFileError::Unsafe("a comment stands before the last flag".to_owned())),
        }
    }

    /// A word with what goes with it: its whole line where it stands alone, else the space before it.
    fn around(&self, region: &Region, span: &Range<usize>) -> Range<usize> {
        let before = self.text.get(region.inner.start..span.start).unwrap_or_default();
        let after = self.text.get(span.end..region.inner.end).unwrap_or_default();
        let blank = |text: &str| text.chars().all(|c| c == ' ' || c == '\t');
        let line = match before.rfind('\n') {
            Some(at) => Some(region.inner.start + at + 1),
            None if region.quote == Quote::File => Some(0),
            None => None,
        };
        let next = after.find('\n').map(|at| span.end + at + 1);
        if let (Some(start), Some(end)) = (line, next)
            && blank(self.text.get(start..span.start).unwrap_or_default())
            && blank(after.split('\n').next().unwrap_or_default())
        {
            return start..end;
        }
        let space = before.len() - before.trim_end_matches([' ', '\t']).len();
        if space > 0 {
            return span.start - space..span.end;
        }
        let space = after.len() - after.trim_start_matches([' ', '\t']).len();
        span.start..span.end + space
    }
}

/// A unified diff; empty if the texts are equal.
pub fn diff(before: &str, after: &str) -> String {
    TextDiff::from_lines(before, after).unified_diff().context_radius(DIFF_CONTEXT).to_string()
}

/// The variable that a word stands for: `$X`, `${X}`, `"${X[@]}"`.
fn variable(word: &str) -> Option<String> {
    let name = word.strip_prefix('$')?;
    let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    let name = name.strip_suffix("[@]").or_else(|| name.strip_suffix("[*]")).unwrap_or(name);
    (words::is_name(name) || name == "@" || name == "*").then(|| name.to_owned())
}

#[cfg(test)]
mod tests;
