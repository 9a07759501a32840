//! Where a placeholder may stand in a shell line.
//!
//! A value goes into a shell line as one quoted word. That holds where the shell reads plain words, and
//! nowhere else: within quotes the quoting would end theirs, in a comment or a here-document it would be
//! text, after `$` or a backslash it would be something else. Such places are refused at load, by
//! following the shell's own quoting rules (POSIX, Shell Command Language, section 2.2) over the
//! author's literal text. Placeholders within `$( … )` are read as in plain text, which they are.
//!
//! Not seen here: a program that evaluates its arguments once more (`eval`, `sh -c`). Lint warns of it.

use super::template::Part;

/// Why a placeholder may not stand where it does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShellError {
    /// It stands in a place where a quoted word is not one word.
    #[error("`{{{{ {name} }}}}` stands {place}; values are quoted already, so it must stand in plain text")]
    Place {
        /// The name.
        name: String,
        /// `within double quotes` and the like.
        place: &'static str,
    },
    /// A quote, or another thing with an end, has none.
    #[error("{0} that does not end")]
    Unclosed(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Plain,
    Single,
    Double,
    Backquote,
    Comment,
    /// `${…}`; the first `}` ends it.
    Brace,
    /// `$((…))`, with the parentheses that are open.
    Arithmetic(usize),
    HereDocument,
    /// Quotes within something else that has quotes: where plain text begins again is not followed.
    Lost,
}

impl State {
    /// How a placeholder that may not stand here stands here.
    fn place(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Single => Some("within single quotes"),
            Self::Double => Some("within double quotes"),
            Self::Backquote => Some("within backquotes"),
            Self::Comment => Some("in a comment"),
            Self::Brace => Some("within `${ }`"),
            Self::Arithmetic(_) => Some("within `$(( ))`"),
            Self::HereDocument => Some("after the start of a here-document"),
            Self::Lost => Some("after quotes within a substitution, which are not followed here"),
        }
    }

    fn unclosed(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Comment | Self::HereDocument | Self::Lost => None,
            Self::Single => Some("a single quote"),
            Self::Double => Some("a double quote"),
            Self::Backquote => Some("a backquote"),
            Self::Brace => Some("a `${`"),
            Self::Arithmetic(_) => Some("a `$((`"),
        }
    }
}

/// Holds every placeholder of a shell line to a place where quoting holds.
pub fn check(parts: &[Part]) -> Result<(), ShellError> {
    let mut scan = Scan { state: State::Plain, before: None, escaped: false };
    for part in parts {
        match part {
            Part::Literal(text) => scan.literal(text),
            Part::Placeholder(name) => {
                if let Some(place) = scan.refuses() {
                    return Err(ShellError::Place { name: name.to_string(), place });
                }
                scan.before = Some('x');
            }
        }
    }
    scan.state.unclosed().map_or(Ok(()), |what| Err(ShellError::Unclosed(what)))
}

/// True if what follows a `$` within double quotes may hold quotes of its own.
fn substitutes(next: &str) -> bool {
    match next.strip_prefix('{') {
        Some(inside) => {
            !inside.split_once('}').is_some_and(|(name, _)| name.chars().all(|char| !"'\"`$\\".contains(char)))
        }
        None => next.starts_with('('),
    }
}

struct Scan {
    state: State,
    /// The character before, if it was not escaped.
    before: Option<char>,
    /// A backslash is open.
    escaped: bool,
}

impl Scan {
    fn refuses(&self) -> Option<&'static str> {
        if self.escaped {
            return Some("right after a backslash");
        }
        if self.state == State::Plain && self.before == Some('$') {
            return Some("right after `$`");
        }
        self.state.place()
    }

    fn literal(&mut self, text: &str) {
        let mut rest = text.chars();
        while let Some(char) = rest.next() {
            if self.escaped {
                self.escaped = false;
                // A line that is continued goes on as if neither character were there.
                if char != '\n' {
                    self.before = Some('x');
                } else if self.state == State::Plain && self.before.is_some_and(|before| "$<(".contains(before)) {
                    // An operator that goes on in the next line is not put together here.
                    self.state = State::Lost;
                }
                continue;
            }
            let next = rest.as_str();
            self.step(char, next);
        }
    }

    fn step(&mut self, char: char, next: &str) {
        match (self.state, char) {
            (State::Single, '\'')
            | (State::Double, '"')
            | (State::Backquote, '`')
            | (State::Brace, '}')
            | (State::Arithmetic(1), ')') => self.enter(State::Plain, 'x'),
            (State::Comment, '\n') => self.enter(State::Plain, '\n'),
            (State::Plain | State::Double | State::Backquote | State::Brace | State::Arithmetic(_), '\\') => {
                self.escaped = true;
            }
            (State::Plain, _) => self.plain(char, next),
            (State::Double, '$') if !substitutes(next) => self.before = Some(char),
            (State::Double, '`' | '$')
            | (State::Backquote, '\'' | '"')
            | (State::Arithmetic(_), '\'' | '"' | '`' | '#')
            | (State::Brace, '\'' | '"' | '`' | '$') => self.state = State::Lost,
            (State::Arithmetic(open), '(') => self.state = State::Arithmetic(open.saturating_add(1)),
            (State::Arithmetic(open), ')') => self.state = State::Arithmetic(open.saturating_sub(1)),
            _ => self.before = Some(char),
        }
    }

    fn plain(&mut self, char: char, next: &str) {
        let word_begins = self.before.is_none_or(|before| before.is_whitespace() || ";&|()<>".contains(before));
        match char {
            // Some shells give backslashes a meaning in `$'…'` and compute in `$[…]`, others do not.
            '\'' | '[' if self.before == Some('$') => self.state = State::Lost,
            '\'' => self.enter(State::Single, char),
            '"' => self.enter(State::Double, char),
            '`' => self.enter(State::Backquote, char),
            '#' if word_begins => self.enter(State::Comment, char),
            '{' if self.before == Some('$') => self.enter(State::Brace, char),
            '(' if self.before == Some('$') && next.starts_with('(') => self.enter(State::Arithmetic(1), char),
            // Where the body begins and ends is not followed: nothing after it is trusted.
            '<' if next.starts_with('<') => self.enter(State::HereDocument, char),
            _ => self.before = Some(char),
        }
    }

    fn enter(&mut self, state: State, before: char) {
        self.state = state;
        self.before = Some(before);
    }
}
