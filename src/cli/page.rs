//! Text for a terminal: no line is wider than 80 columns, and nothing of a file reaches the terminal as it is.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::hosts::clean;

/// Columns that every terminal has.
pub(super) const WIDTH: usize = 80;
/// Columns of the names at the left of a field.
const LABEL: usize = 12;

/// Where the text of a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Text that grows line by line.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// The text.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// An empty line, unless it would be the first.
    pub(super) fn blank(&mut self) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
    }

    /// One line, cut at the width.
    pub(super) fn line(&mut self, text: &str) {
        self.0.push_str(cut(&clean::line(text.as_bytes()), WIDTH).trim_end());
        self.0.push('\n');
    }

    /// Words in as many lines as they need: `lead` before the first, as many blanks before the others.
    pub(super) fn words(&mut self, lead: &str, text: &str) {
        let text = clean::line(text.as_bytes());
        let indent = lead.width();
        let room = WIDTH.saturating_sub(indent).max(1);
        let mut line = String::new();
        let mut lead = lead.to_owned();
        for word in text.split(' ').filter(|word| !word.is_empty()).flat_map(|word| pieces(word, room)) {
            if !line.is_empty() && line.width() + 1 + word.width() > room {
                self.push(&lead, &line);
                lead = " ".repeat(indent);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
        self.push(&lead, &line);
    }

    fn push(&mut self, lead: &str, line: &str) {
        self.0.push_str(format!("{lead}{line}").trim_end());
        self.0.push('\n');
    }

    /// A name and what belongs to it.
    pub(super) fn field(&mut self, name: &str, text: &str) {
        self.words(&format!("  {name:<LABEL$}"), text);
    }

    /// Rows with columns of the width that they need; the last column is cut where the line ends.
    pub(super) fn table(&mut self, sides: &[Side], rows: &[Vec<String>]) {
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| clean::line(cell.as_bytes())).collect()).collect();
        let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.width()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..sides.len()).map(width).collect();
        for row in &rows {
            let mut line = String::new();
            for ((cell, side), width) in row.iter().zip(sides).zip(&widths) {
                let pad = " ".repeat(width.saturating_sub(cell.width()));
                match side {
                    Side::Left => line.extend(["  ", cell, &pad]),
                    Side::Right => line.extend(["  ", &pad, cell]),
                }
            }
            self.0.push_str(cut(line.trim_end(), WIDTH).trim_end());
            self.0.push('\n');
        }
    }
}

/// A word in parts that fit a line.
fn pieces(word: &str, room: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut used = 0;
    for letter in word.chars() {
        let width = letter.width().unwrap_or(0);
        if used + width > room {
            parts.push(String::new());
            used = 0;
        }
        used += width;
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    parts
}

/// The beginning of a text that fits, with a sign that more was there.
pub(super) fn cut(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for letter in text.chars() {
        used += letter.width().unwrap_or(0);
        if used > room {
            break;
        }
        out.push(letter);
    }
    out.push('…');
    out
}

/// The end of a text that fits: of a path the name counts.
pub(super) fn cut_front(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let mut used = 1;
    let mut kept: Vec<char> = Vec::new();
    for letter in text.chars().rev() {
        used += letter.width().unwrap_or(0);
        if used > room {
            break;
        }
        kept.push(letter);
    }
    std::iter::once('…').chain(kept.into_iter().rev()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_and_nothing_is_lost() {
        let mut page = Page::default();
        let long = "x".repeat(200);
        page.field("sha256", &format!("a few words and {long} and more words than fit into what is left of the line"));
        page.line(&long);
        page.table(
            &[Side::Right, Side::Left],
            &[vec!["1".to_owned(), long.clone()], vec!["22".to_owned(), "\u{1b}[31mred".to_owned()]],
        );
        assert!(page.text().lines().all(|line| line.width() <= WIDTH), "{}", page.text());
        assert_eq!(page.text().matches('x').count(), 200 + 79 + 73);
        assert!(page.text().ends_with("  22  red\n"), "{}", page.text());
        assert_eq!((cut("abcdef", 4), cut_front("abcdef", 4)), ("abc…".to_owned(), "…def".to_owned()));
    }
}
