//! What is wrong with a document, and where.
//!
//! One shape for every reader of this area: file, place, path in the document, what is wrong, and what
//! was probably meant. A check collects as many as it can and reports them together.

use std::fmt::{self, Display, Formatter, Write as _};

/// How far a word may be from a known one to be offered instead, as Jaro-Winkler similarity (0 to 1).
/// Below this a suggestion misleads more often than it helps.
const SUGGEST_MIN: f64 = 0.8;

/// A place in a file. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// One part of a [`DocPath`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seg {
    /// A key of a map.
    Key(String),
    /// An index of a list, from 0.
    Index(usize),
}

/// A path in a document, shown as `phases[0].steps[2].title`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct DocPath(pub Vec<Seg>);

impl DocPath {
    /// The whole document.
    pub fn root() -> Self {
        Self::default()
    }

    /// This path, then a key.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let mut path = self.clone();
        path.0.push(Seg::Key(key.to_owned()));
        path
    }

    /// This path, then an index.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut path = self.clone();
        path.0.push(Seg::Index(index));
        path
    }

    /// True if `other` is this path or below it.
    pub fn holds(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }
}

impl Display for DocPath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, seg) in self.0.iter().enumerate() {
            match seg {
                Seg::Key(key) if at == 0 => f.write_str(key)?,
                Seg::Key(key) => write!(f, ".{key}")?,
                Seg::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The document is refused.
    Error,
    /// The document works, but an author should look again.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The file's name as the caller gave it.
    pub file: String,
    /// Where; `None` where a document has no single place (a checked runbook without its source).
    pub place: Option<Place>,
    /// The path in the document.
    pub path: DocPath,
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// What was probably meant, or what to do.
    pub suggestion: Option<String>,
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(place) = self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        f.write_str(": ")?;
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if !self.path.0.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, " ({suggestion})")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a document, in the order of the file. Never empty where it is an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(pub Vec<Problem>);

impl std::error::Error for Problems {}

impl Display for Problems {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_char('\n')?;
            }
            Display::fmt(problem, f)?;
        }
        Ok(())
    }
}

impl Problems {
    /// True if at least one of them refuses the document.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Sorts by place and takes out what is said twice.
    pub(crate) fn settle(&mut self) {
        self.0.sort_by(|a, b| (a.place, &a.path).cmp(&(b.place, &b.path)));
        self.0.dedup();
    }
}

/// `did you mean …` for the known word nearest to `word`, if one is near.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|candidate| format!("did you mean `{candidate}`?"))
}

/// The known word nearest to `word`, if one is near.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&word, &candidate.to_lowercase()), candidate))
        .filter(|(similarity, _)| *similarity >= SUGGEST_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Words for a list: `a`, `b` or `c`, each in backquotes.
pub(crate) fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}
