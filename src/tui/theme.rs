//! Colours and symbols, and what makes a text safe to draw. Every state has a symbol and a word of its
//! own; colour only repeats what they say, so nothing is lost with `NO_COLOR` or on a dumb terminal.
//!
//! Symbols are one column wide on every terminal: no emoji, no variation selectors.

use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthChar;

use crate::session::{Finding, StepCondition};

/// Longest text of any source that is laid out, in characters. Longer ones are cut, and say so.
const TEXT_CHARS_MAX: usize = 16_000;

/// Columns between tab stops.
const TAB_COLUMNS: usize = 4;

/// How things look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Only ASCII is drawn.
    pub ascii: bool,
    /// No colour is used.
    pub no_color: bool,
}

/// What a piece of text is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Ordinary text.
    Plain,
    /// Labels, ages, what is not pressing.
    Dim,
    /// Headings and what is selected for attention.
    Strong,
    /// It is as it should be.
    Good,
    /// It waits, or it is not known.
    Warn,
    /// It is in the way, or destroys.
    Bad,
    /// It is under way.
    Busy,
    /// What is selected.
    Selected,
    /// A real recovery.
    Recovery,
    /// A training or a practice.
    Drill,
}

impl Theme {
    /// The style of a role.
    pub fn style(self, role: Role) -> Style {
        let plain = Style::default();
        let shape = match role {
            Role::Plain | Role::Good | Role::Warn | Role::Busy => plain,
            Role::Dim if self.no_color => plain,
            Role::Dim => plain.add_modifier(Modifier::DIM),
            Role::Strong | Role::Bad => plain.add_modifier(Modifier::BOLD),
            Role::Selected | Role::Recovery | Role::Drill => plain.add_modifier(Modifier::REVERSED),
        };
        if self.no_color {
            return shape;
        }
        match role {
            Role::Plain | Role::Dim | Role::Strong | Role::Selected => shape,
            Role::Good => shape.fg(Color::Green),
            Role::Warn => shape.fg(Color::Yellow),
            Role::Bad | Role::Recovery => shape.fg(Color::Red),
            Role::Busy | Role::Drill => shape.fg(Color::Cyan),
        }
    }

    /// The symbol of a step's condition.
    pub fn step_symbol(self, condition: StepCondition) -> char {
        let (fine, ascii) = match condition {
            StepCondition::Locked => ('·', '.'),
            StepCondition::Ready => ('▸', '>'),
            StepCondition::Running => ('●', '*'),
            StepCondition::Verifying => ('○', 'o'),
            StepCondition::Blocked => ('■', '#'),
            StepCondition::InDoubt => ('?', '?'),
            StepCondition::Failed => ('✗', 'x'),
            StepCondition::Done => ('✓', 'v'),
            StepCondition::NotNeeded => ('-', '-'),
            StepCondition::Skipped => ('»', 's'),
        };
        if self.ascii { ascii } else { fine }
    }

    /// The symbol of a finding.
    pub fn finding_symbol(self, finding: Finding) -> char {
        match (finding, self.ascii) {
            (Finding::Holds, false) => '✓',
            (Finding::Holds, true) => 'v',
            (Finding::Fails, false) => '✗',
            (Finding::Fails, true) => 'x',
            (Finding::Unknown, _) => '?',
        }
    }

    /// The mark of what is selected.
    pub fn cursor(self) -> char {
        if self.ascii { '>' } else { '▸' }
    }

    /// The upright line between two parts.
    pub fn upright(self) -> char {
        if self.ascii { '|' } else { '│' }
    }

    /// The level line between two parts.
    pub fn level(self) -> char {
        if self.ascii { '-' } else { '─' }
    }

    /// Stands where text was cut.
    pub fn cut(self) -> char {
        if self.ascii { '~' } else { '…' }
    }

    /// A text as it may be drawn: no control characters, no characters without width, tabs as spaces,
    /// escape sequences of terminals as one visible mark each. Line ends stay.
    ///
    /// What comes from a host is hostile; what comes from a runbook may be careless. Both come through here.
    pub fn clean(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut column = 0;
        let mut chars = text.chars().peekable();
        for _ in 0..TEXT_CHARS_MAX {
            let Some(char) = chars.next() else { return out };
            match char {
                '\n' => {
                    out.push('\n');
                    column = 0;
                }
                '\t' => {
                    let spaces = TAB_COLUMNS - column % TAB_COLUMNS;
                    out.extend(std::iter::repeat_n(' ', spaces));
                    column += spaces;
                }
                '\r' if chars.peek() == Some(&'\n') => {}
                '\u{1b}' => {
                    skip_escape(&mut chars);
                    out.push(self.hidden());
                    column += 1;
                }
                _ => column += self.push_drawable(&mut out, char),
            }
        }
        if chars.peek().is_some() {
            out.push(self.cut());
        }
        out
    }

    fn push_drawable(self, out: &mut String, char: char) -> usize {
        let char = if self.ascii { to_ascii(char) } else { char };
        let steers = matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match char.width() {
            _ if steers => {
                out.push(self.hidden());
                1
            }
            Some(0) => 0,
            Some(width) => {
                out.push(char);
                width
            }
            None => {
                out.push(self.hidden());
                1
            }
        }
    }

    /// Stands for what cannot be drawn.
    fn hidden(self) -> char {
        if self.ascii { '?' } else { '¿' }
    }
}

/// The word of a step's condition.
pub fn condition_word(condition: StepCondition) -> &'static str {
    match condition {
        StepCondition::Locked => "later",
        StepCondition::Ready => "ready",
        StepCondition::Running => "running",
        StepCondition::Verifying => "checking",
        StepCondition::Blocked => "BLOCKED",
        StepCondition::InDoubt => "IN DOUBT",
        StepCondition::Failed => "FAILED",
        StepCondition::Done => "done",
        StepCondition::NotNeeded => "not needed",
        StepCondition::Skipped => "skipped",
    }
}

/// The colour of a step's condition.
pub fn condition_role(condition: StepCondition) -> Role {
    match condition {
        StepCondition::Locked | StepCondition::NotNeeded => Role::Dim,
        StepCondition::Ready => Role::Strong,
        StepCondition::Running | StepCondition::Verifying => Role::Busy,
        StepCondition::Blocked | StepCondition::InDoubt | StepCondition::Failed => Role::Bad,
        StepCondition::Done => Role::Good,
        StepCondition::Skipped => Role::Warn,
    }
}

/// The colour of a finding.
pub fn finding_role(finding: Finding) -> Role {
    match finding {
        Finding::Holds => Role::Good,
        Finding::Fails => Role::Bad,
        Finding::Unknown => Role::Warn,
    }
}

fn to_ascii(char: char) -> char {
    match char {
        ' '..='~' => char,
        '\u{2018}' | '\u{2019}' => '\'',
        '\u{201c}' | '\u{201d}' => '"',
        '\u{2013}' | '\u{2014}' | '─' => '-',
        '…' => '~',
        '·' => '.',
        '\u{27e6}' => '[',
        '\u{27e7}' => ']',
        _ => '?',
    }
}

/// Skips what follows an escape character: `[ … letter`, `] … end`, or one character.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            while let Some(char) = chars.next_if(|char| ('\u{20}'..='\u{3f}').contains(char)) {
                drop_char(char);
            }
            chars.next_if(|char| ('\u{40}'..='\u{7e}').contains(char));
        }
        Some(']' | 'P' | '_' | '^' | 'X') => {
            while let Some(char) = chars.next_if(|char| *char != '\n') {
                if char == '\u{7}' || char == '\\' {
                    return;
                }
            }
        }
        Some('\n') | None => {}
        Some(_) => {
            chars.next();
        }
    }
}

fn drop_char(_: char) {}
