//! Stretches of a file that hold flags, and the words in them by the rules of whoever reads the file.

use std::ops::Range;

/// Programs that start another one: flags after them are theirs until the scheduler is named.
const STARTERS: [&str; 14] = [
    "sh",
    "bash",
    "dash",
    "env",
    "su",
    "sudo",
    "runuser",
    "nice",
    "java",
    "chpst",
    "setuidgid",
    "setpriv",
    "daemon",
    "start-stop-daemon",
];

/// How the words of a region are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quote {
    /// A shell's value without quotes: one word.
    None,
    /// Whole in one pair of quotes; white space separates.
    Whole,
    /// A bash array.
    Array,
    /// Quotes of several kinds in one value.
    Pieces,
    /// The whole file is a list of words.
    File,
    /// A command line of a shell, which may go on over several lines.
    Command,
    /// A command line of systemd, which may go on over several lines.
    Unit,
}

impl Quote {
    /// A command, whose first words name the program.
    pub(super) fn is_command(self) -> bool {
        matches!(self, Self::Command | Self::Unit)
    }
}

/// A stretch of text that may hold flags: the value of a variable, a command, or the whole file.
#[derive(Debug, Clone)]
pub(super) struct Region {
    /// The variable's name; none for a command or a whole file.
    pub name: String,
    pub statement: Range<usize>,
    pub value: Range<usize>,
    pub inner: Range<usize>,
    pub quote: Quote,
}

impl Region {
    /// A region without a name.
    pub(super) fn of(span: Range<usize>, quote: Quote) -> Self {
        Self { name: String::new(), statement: span.clone(), value: span.clone(), inner: span, quote }
    }

    /// True for options of the Java machine, which look like flags and are none.
    fn is_for_java(&self) -> bool {
        let name = self.name.to_ascii_uppercase();
        name.contains("JAVA") || name.contains("JVM")
    }

    /// The flags that stand in it.
    pub(super) fn flags(&self, text: &str) -> Vec<Given> {
        if self.is_for_java() {
            return Vec::new();
        }
        let words = words(text, self);
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let from =
            if self.quote.is_command() { own_arguments(&texts) } else { Some(after_its_name(&texts).unwrap_or(0)) };
        let Some(from) = from else { return Vec::new() };
        flags(words.get(from..).unwrap_or_default())
    }
}

#[derive(Debug, Clone)]
pub(super) struct Word {
    pub span: Range<usize>,
    pub text: String,
}

/// A flag where it stands.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub name: String,
    /// Its value; `None` where it is bare.
    pub value: Option<String>,
    pub span: Range<usize>,
}

/// What stands behind the last directory of a path.
fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or_default()
}

/// True if a word is the scheduler's class or program.
pub(super) fn names_it(word: &str) -> bool {
    let plain = !word.starts_with('-') && !word.contains([' ', '=']);
    plain && (word.ends_with("SchedulerMain") || base(word).starts_with("aurora-scheduler"))
}

/// What stands behind the last word that names the scheduler.
fn after_its_name(words: &[&str]) -> Option<usize> {
    words.iter().rposition(|word| names_it(word)).map(|at| at + 1)
}

/// Where the scheduler's own arguments begin in a command line: after its class or its program, whatever started it.
/// `None` if the command does not name it and begins with a program that starts others.
pub(super) fn own_arguments(words: &[&str]) -> Option<usize> {
    if let Some(from) = after_its_name(words) {
        return Some(from);
    }
    let first = usize::from(words.first() == Some(&"exec"));
    // Marks that systemd takes before the path of a program.
    let program = base(words.get(first)?.trim_start_matches(['@', '-', ':', '+', '!', '|']));
    let starts_others = STARTERS.contains(&program) || program.starts_with('-') || program.is_empty();
    (!starts_others).then_some(first + 1)
}

pub(super) fn is_flag(word: &str) -> bool {
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
            Some((name, value)) => (name, Some(value.to_owned()), word.span.end),
            None => match rest.next_if(|next| !is_flag(&next.text)) {
                Some(next) => (text, Some(next.text.clone()), next.span.end),
                None => (text, None, word.span.end),
            },
        };
        found.push(Given { name: name.to_owned(), value, span: word.span.start..end });
    }
    found
}

/// Words of a region. Inside one pair of quotes only white space separates, as when a shell splits the variable; in a
/// list or a command words may be quoted; `#` starts a comment where the reader knows comments.
pub(super) fn words(text: &str, region: &Region) -> Vec<Word> {
    let bytes = text.as_bytes();
    let limit = region.inner.end;
    let byte_at = |at: usize| bytes.get(at).copied().unwrap_or(b' ');
    let mut found = Vec::new();
    let mut at = region.inner.start;
    while at < limit {
        let byte = byte_at(at);
        let continued = byte == b'\\' && bytes.get(at + 1) == Some(&b'\n');
        let line_start = at > region.inner.start && line_is_blank_before(bytes, at);
        let comment = match region.quote {
            Quote::Array | Quote::File | Quote::Command => byte == b'#',
            Quote::Unit => line_start && matches!(byte, b'#' | b';'),
            Quote::None | Quote::Whole | Quote::Pieces => false,
        };
        if byte.is_ascii_whitespace() || continued {
            at += 1;
        } else if comment {
            at = bytes.iter().skip(at).position(|byte| *byte == b'\n').map_or(limit, |next| at + next);
        } else {
            let end = match region.quote {
                Quote::Array | Quote::File | Quote::Command => shell_word_end(bytes, at, limit),
                Quote::Unit => unit_word_end(bytes, at, limit),
                Quote::None | Quote::Whole | Quote::Pieces => plain_word_end(bytes, at, limit),
            };
            let raw = text.get(at..end).unwrap_or_default();
            let text = match region.quote {
                Quote::Array | Quote::File | Quote::Command => unquoted(raw),
                Quote::Unit => unit_unquoted(raw),
                Quote::None | Quote::Whole | Quote::Pieces => raw.to_owned(),
            };
            found.push(Word { span: at..end, text });
            at = end;
        }
    }
    found
}

fn line_is_blank_before(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(..at).unwrap_or_default().iter().rev();
    before.take_while(|byte| **byte != b'\n').all(u8::is_ascii_whitespace)
}

fn plain_word_end(bytes: &[u8], from: usize, limit: usize) -> usize {
    let rest = bytes.get(from..limit).unwrap_or_default();
    rest.iter().position(u8::is_ascii_whitespace).map_or(limit, |at| from + at)
}

/// The end of a shell word: the first white space, `;` or `)` that is not quoted.
pub(super) fn shell_word_end(bytes: &[u8], from: usize, limit: usize) -> usize {
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

/// The end of a word of a unit's command: white space that is neither quoted nor escaped.
pub(super) fn unit_word_end(bytes: &[u8], from: usize, limit: usize) -> usize {
    let mut at = from;
    let mut quote = None;
    while at < limit {
        let byte = bytes.get(at).copied().unwrap_or(b' ');
        match (quote, byte) {
            (None, b'\\') if bytes.get(at + 1) == Some(&b'\n') => return at,
            (_, b'\\') => at += 1,
            (Some(open), _) if open == byte => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
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

/// A word as systemd understands it: quotes off, its escapes, and the doubled marks of its own substitutions.
pub(super) fn unit_unquoted(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw.chars().peekable();
    let mut quote = None;
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (_, '\\') => match rest.next() {
                Some('s') => out.push(' '),
                Some('\n') => out.push(' '),
                Some(other @ ('\\' | '"' | '\'')) => out.push(other),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            (_, '%' | '$') if rest.peek() == Some(&c) => {
                rest.next();
                out.push(c);
            }
            (_, c) => out.push(c),
        }
    }
    out
}

/// The assignments of a shell file. Lines that are something else are stepped over.
pub(super) fn assignments(text: &str) -> Vec<Region> {
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

pub(super) fn assignment(text: &str, start: usize) -> Option<Region> {
    let line = text.get(start..)?;
    let trimmed = line.trim_start_matches([' ', '\t']);
    let exported = trimmed.strip_prefix("export ").map_or(trimmed, |rest| rest.trim_start_matches([' ', '\t']));
    let (name, _) = exported.split_once('=')?;
    let bare = name.strip_suffix('+').unwrap_or(name);
    if !is_name(bare) {
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

pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
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

pub(super) fn quoting(bytes: &[u8], from: usize, end: usize) -> (Range<usize>, Quote) {
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
