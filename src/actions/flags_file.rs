//! Files in which a scheduler's flags are kept: read, and edited where they stand.
//!
//! Pure. Two forms are known. *Variables*: shell assignments as the Debian and RPM packages keep them
//! (`/etc/default/aurora-scheduler`, `/etc/sysconfig/aurora-scheduler`), where some variables carry one flag each,
//! `EXTRA_SCHEDULER_ARGS` carries any, and an array may carry all. *Arguments*: `-flag=value` words, on one line or one
//! a line. Everything that is not edited stays byte for byte. A flag is replaced where it stands, because a scheduler
//! that is given a flag twice does not start.

use std::{collections::BTreeMap, ops::Range};

use similar::TextDiff;
use thiserror::Error;

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
/// Variables inside variables are followed this deep.
const EXPANSIONS_MAX: usize = 8;
/// Lines around a change in a diff.
const DIFF_CONTEXT: usize = 2;

/// Why a flags file cannot be edited.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FlagsFileError {
    /// It is not text.
    #[error("it is not UTF-8 text")]
    NotText,
    /// Neither form.
    #[error("it holds neither variables nor flags")]
    UnknownForm,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Variables,
    Arguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Whole,
    Array,
    Pieces,
    /// The whole file.
    File,
}

/// A stretch of text that may hold flags: the value of a variable, or the whole file.
#[derive(Debug, Clone)]
struct Region {
    name: String,
    statement: Range<usize>,
    value: Range<usize>,
    inner: Range<usize>,
    quote: Quote,
}

#[derive(Debug, Clone)]
struct Word {
    span: Range<usize>,
    text: String,
}

/// A flag where it stands.
#[derive(Debug, Clone)]
struct Given {
    name: String,
    value: String,
    span: Range<usize>,
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
    /// Reads a file's bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, FlagsFileError> {
        let text = std::str::from_utf8(bytes).map_err(|_| FlagsFileError::NotText)?.to_owned();
        let assignments = assignments(&text);
        let whole = Region {
            name: String::new(),
            statement: 0..text.len(),
            value: 0..text.len(),
            inner: 0..text.len(),
            quote: Quote::File,
        };
        let words = words(&text, &whole);
        if assignments.is_empty() && words.iter().any(|word| is_flag(&word.text)) {
            return Ok(Self { text, form: Form::Arguments, regions: vec![whole] });
        }
        if assignments.is_empty() && !words.is_empty() {
            return Err(FlagsFileError::UnknownForm);
        }
        Ok(Self { text, form: Form::Variables, regions: assignments })
    }

    /// The values that a flag is given, in the order in which they stand. A scheduler starts with at most one.
    pub fn values(&self, flag: &str) -> Vec<String> {
        let given = self.given().into_iter().filter(|(_, given)| given.name == flag).map(|(_, given)| given.value);
        let carried =
            self.carrier(flag).map(|region| self.text.get(region.inner.clone()).unwrap_or_default().to_owned());
        given.chain(carried).map(|value| self.expanded(&value)).collect()
    }

    /// Every flag that stands as a word, name and value, in order.
    pub fn all(&self) -> Vec<(String, String)> {
        self.given().into_iter().map(|(_, given)| (given.name, given.value)).collect()
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
        Ok(Edited { diff: diff(&self.text, &file.text), text: file.text })
    }

    fn given(&self) -> Vec<(&Region, Given)> {
        let of = |region| flags(&words(&self.text, region)).into_iter().map(move |given| (region, given));
        self.regions.iter().flat_map(of).collect()
    }

    /// The last assignment of the variable that carries a flag.
    fn carrier(&self, flag: &str) -> Option<&Region> {
        let (variable, _) = CARRIERS.iter().find(|(_, carried)| *carried == flag)?;
        self.regions.iter().rev().find(|region| region.name == *variable && region.quote != Quote::Array)
    }

    fn expanded(&self, value: &str) -> String {
        let mut value = value.to_owned();
        for _ in 0..EXPANSIONS_MAX {
            let mut next = value.clone();
            for region in self.regions.iter().rev().filter(|region| !region.name.is_empty()) {
                let with = self.text.get(region.inner.clone()).unwrap_or_default();
                next = next.replace(&format!("${{{}}}", region.name), with);
                if next == format!("${}", region.name) {
                    with.clone_into(&mut next);
                }
            }
            if next == value {
                break;
            }
            value = next;
        }
        value
    }

    #[expect(clippy::unnecessary_wraps, reason = "it ends functions that can fail, and reads as their result")]
    fn replaced(&self, span: Range<usize>, with: &str) -> Result<Self, FlagsFileError> {
        let mut text = self.text.clone();
        text.replace_range(span, with);
        let regions = match self.form {
            Form::Variables => assignments(&text),
            Form::Arguments => return Ok(Self::of_arguments(text)),
        };
        Ok(Self { text, form: self.form, regions })
    }

    /// A file of arguments stays one even if its last flag went.
    fn of_arguments(text: String) -> Self {
        let whole = 0..text.len();
        let region = Region {
            name: String::new(),
            statement: whole.clone(),
            value: whole.clone(),
            inner: whole,
            quote: Quote::File,
        };
        Self { text, form: Form::Arguments, regions: vec![region] }
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
            && !self.regions.iter().any(|region| region.quote == Quote::Array)
        {
            return self.with_variable(variable, value);
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
            Quote::None | Quote::Array | Quote::Pieces | Quote::File => (region.value.clone(), format!("\"{value}\"")),
        };
        self.replaced(span, &with)
    }

    fn line_end(&self) -> &'static str {
        if self.text.is_empty() || self.text.ends_with('\n') { "" } else { "\n" }
    }

    /// Adds a flag that is given nowhere.
    fn with_word(self, word: &str) -> Result<Self, FlagsFileError> {
        let holds = |region: &&Region| !flags(&words(&self.text, region)).is_empty();
        let home = self.regions.iter().rev().find(|region| region.name == EXTRA || region.quote == Quote::File);
        let array = || self.regions.iter().rev().find(|region| region.quote == Quote::Array);
        let Some(region) = home.or_else(array).or_else(|| self.regions.iter().rev().find(holds)).cloned() else {
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
        }
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
            let span = self.around(&region, &given.span);
            return self.replaced(span, "");
        }
        match self.carrier(flag).map(|region| region.statement.clone()) {
            Some(statement) => self.replaced(statement, "")?.without(flag),
            None => Ok(self),
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
pub(super) fn diff(before: &str, after: &str) -> String {
    TextDiff::from_lines(before, after).unified_diff().context_radius(DIFF_CONTEXT).to_string()
}

fn is_flag(word: &str) -> bool {
    let name = word.trim_start_matches('-');
    (1..=2).contains(&(word.len() - name.len())) && name.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Flags among words: `-name=value`, `-name value`, or `-name` alone.
fn flags(words: &[Word]) -> Vec<Given> {
    let mut found = Vec::new();
    let mut rest = words.iter().peekable();
    while let Some(word) = rest.next() {
        if !is_flag(&word.text) {
            continue;
        }
        let text = word.text.trim_start_matches('-');
        let (name, value, end) = match text.split_once('=') {
            Some((name, value)) => (name, value.to_owned(), word.span.end),
            None => match rest.next_if(|next| !is_flag(&next.text)) {
                Some(next) => (text, next.text.clone(), next.span.end),
                None => (text, String::new(), word.span.end),
            },
        };
        found.push(Given { name: name.to_owned(), value, span: word.span.start..end });
    }
    found
}

/// Words of a region. Inside one pair of quotes only white space separates, as when a shell splits the variable; in a
/// list words may be quoted and `#` starts a comment.
fn words(text: &str, region: &Region) -> Vec<Word> {
    let bytes = text.as_bytes();
    let listed = matches!(region.quote, Quote::Array | Quote::File);
    let mut found = Vec::new();
    let mut at = region.inner.start;
    while at < region.inner.end {
        let byte = bytes.get(at).copied().unwrap_or(b' ');
        if byte.is_ascii_whitespace() || byte == b'\\' && bytes.get(at + 1) == Some(&b'\n') {
            at += 1;
        } else if listed && byte == b'#' {
            at = bytes.iter().skip(at).position(|byte| *byte == b'\n').map_or(region.inner.end, |next| at + next);
        } else {
            let end = if listed {
                shell_word_end(bytes, at, region.inner.end)
            } else {
                plain_word_end(bytes, at, region.inner.end)
            };
            let raw = text.get(at..end).unwrap_or_default();
            let text = if listed { unquoted(raw) } else { raw.to_owned() };
            found.push(Word { span: at..end, text });
            at = end;
        }
    }
    found
}

fn plain_word_end(bytes: &[u8], from: usize, limit: usize) -> usize {
    let rest = bytes.get(from..limit).unwrap_or_default();
    rest.iter().position(u8::is_ascii_whitespace).map_or(limit, |at| from + at)
}

/// The end of a shell word: the first white space, `;` or `)` that is not quoted.
fn shell_word_end(bytes: &[u8], from: usize, limit: usize) -> usize {
    let mut at = from;
    let mut quote = None;
    while at < limit {
        let byte = bytes.get(at).copied().unwrap_or(b' ');
        match (quote, byte) {
            (None | Some(b'"'), b'\\') => at += 1,
            (Some(open), _) if open == byte => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b';' | b')') => return at.max(from + 1).min(limit),
            (None, _) if byte.is_ascii_whitespace() => return at,
            _ => {}
        }
        at += 1;
    }
    limit
}

fn unquoted(raw: &str) -> String {
    match shlex::split(raw) {
        Some(parts) => parts.concat(),
        None => raw.to_owned(),
    }
}

/// The assignments of a shell file. Lines that are something else are stepped over.
fn assignments(text: &str) -> Vec<Region> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let line_end = rest.find('\n').map_or(text.len(), |end| at + end + 1);
        match assignment(text, at) {
            Some(region) => {
                at = region.statement.end.max(line_end.min(at + 1));
                found.push(region);
            }
            None => at = line_end,
        }
    }
    found
}

fn assignment(text: &str, start: usize) -> Option<Region> {
    let line = text.get(start..)?;
    let trimmed = line.trim_start_matches([' ', '\t']);
    let exported = trimmed.strip_prefix("export ").map_or(trimmed, |rest| rest.trim_start_matches([' ', '\t']));
    let (name, _) = exported.split_once('=')?;
    let bare = name.strip_suffix('+').unwrap_or(name);
    let named = bare.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && bare.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !named {
        return None;
    }
    let from = start + (line.len() - exported.len()) + name.len() + 1;
    let bytes = text.as_bytes();
    let (value, inner, quote) = if bytes.get(from) == Some(&b'(') {
        let end = array_end(bytes, from + 1)?;
        (from..end + 1, from + 1..end, Quote::Array)
    } else {
        let end = shell_word_end(bytes, from, text.len());
        // `shell_word_end` never returns an empty word at a separator.
        let end =
            if bytes.get(from).is_none_or(|byte| byte.is_ascii_whitespace() || *byte == b';') { from } else { end };
        let (inner, quote) = quoting(bytes, from, end);
        (from..end, inner, quote)
    };
    let end = text.get(value.end..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| value.end + at + 1);
    Some(Region { name: bare.to_owned(), statement: start..end, value, inner, quote })
}

/// The place of the `)` that ends an array.
fn array_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        match *bytes.get(at)? {
            b')' => return Some(at),
            b'#' => at += bytes.get(at..)?.iter().position(|byte| *byte == b'\n')?,
            byte if byte.is_ascii_whitespace() => at += 1,
            _ => at = shell_word_end(bytes, at, bytes.len()),
        }
    }
}

fn quoting(bytes: &[u8], from: usize, end: usize) -> (Range<usize>, Quote) {
    let value = bytes.get(from..end).unwrap_or_default();
    let quotes = |byte: &u8| matches!(byte, b'"' | b'\'' | b'\\');
    match value {
        [open @ (b'"' | b'\''), inner @ .., close] if open == close => {
            let clean =
                !inner.contains(open) && !inner.windows(2).any(|pair| pair.first() == Some(&b'\\') && pair != b"\\\n");
            (from + 1..end - 1, if clean { Quote::Whole } else { Quote::Pieces })
        }
        _ if value.iter().any(quotes) => (from..end, Quote::Pieces),
        _ => (from..end, Quote::None),
    }
}
