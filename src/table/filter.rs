//! The text of a filter: terms that all have to hold.

use super::Table;

/// One thing that a row has to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The column it is looked for in; every column, and the key, if none.
    pub column: Option<usize>,
    /// What is looked for, in lower case, without line ends.
    pub text: String,
    /// True if the cell is to be that text, not to hold it. Only with a column.
    pub exact: bool,
    /// True if it is not to be found.
    pub not: bool,
}

/// Terms that all have to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    terms: Vec<Term>,
}

impl Filter {
    /// Reads a filter as it is typed: words apart by blanks, each looked for in every column; `column:text` looks in
    /// one column, `column=text` for a cell that is just this, `!` before a word for rows without it. Quotes keep
    /// blanks together. Whatever is typed is a filter: what names no column is a word.
    pub fn parse(text: &str, table: &Table) -> Self {
        Self { terms: words(text).iter().filter_map(|word| term(word, table)).collect() }
    }

    /// The terms.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// True if it shows only rows that `before` shows.
    pub fn narrows(&self, before: &Self) -> bool {
        before.terms.iter().all(|old| self.terms.iter().any(|new| implies(new, old)))
    }
}

fn implies(new: &Term, old: &Term) -> bool {
    if old.not || old.exact || new.not {
        return new == old;
    }
    (old.column.is_none() || old.column == new.column) && new.text.contains(&old.text)
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            blank if blank.is_whitespace() && !quoted => words.push(std::mem::take(&mut word)),
            other => word.push(if other.is_control() { ' ' } else { other }),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

fn term(word: &str, table: &Table) -> Option<Term> {
    let (not, word) = match word.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, word),
    };
    let split = word.find([':', '=']).and_then(|at| {
        let column = table.column(word.get(..at)?)?;
        Some((column, word.get(at..=at)? == "=", word.get(at + 1..)?))
    });
    let (column, exact, text) = match split {
        Some((column, exact, text)) => (Some(column), exact, text),
        None => (None, false, word),
    };
    // A word that is not typed to its end yet takes nothing away.
    if text.is_empty() {
        return None;
    }
    Some(Term { column, text: text.to_lowercase(), exact, not })
}
