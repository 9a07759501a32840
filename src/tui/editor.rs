//! One line that is typed. Pure; what it does not know is what the text is for.

use crossterm::event::KeyCode;

use super::keymap::Key;

/// Longest text, in characters: a pasted list of a few thousand task ids still fits.
const CHARS_MAX: usize = 256 * 1024;

/// A line under edit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Editor {
    before: String,
    after: String,
}

impl Editor {
    /// A line that begins with a text; the cursor stands at its end.
    pub fn with(text: &str) -> Self {
        let mut editor = Self::default();
        editor.paste(text);
        editor
    }

    /// The whole text.
    pub fn text(&self) -> String {
        format!("{}{}", self.before, self.after)
    }

    /// What stands before the cursor.
    pub fn before(&self) -> &str {
        &self.before
    }

    /// True if nothing is there.
    pub fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

    /// Takes a key; false if it means nothing here.
    pub fn key(&mut self, key: Key) -> bool {
        match (key.code, key.ctrl) {
            (KeyCode::Char('u'), true) => self.before.clear(),
            (KeyCode::Char('k'), true) => self.after.clear(),
            (KeyCode::Char('w'), true) => self.erase_word(),
            (KeyCode::Char('a'), true) | (KeyCode::Home, _) => {
                self.after.insert_str(0, &self.before);
                self.before.clear();
            }
            (KeyCode::Char('e'), true) | (KeyCode::End, _) => {
                self.before.push_str(&self.after);
                self.after.clear();
            }
            (KeyCode::Char('h'), true) | (KeyCode::Backspace, _) => drop(self.before.pop()),
            (KeyCode::Delete, _) => {
                let mut chars = self.after.chars();
                chars.next();
                self.after = chars.as_str().to_owned();
            }
            (KeyCode::Left, _) => {
                if let Some(char) = self.before.pop() {
                    self.after.insert(0, char);
                }
            }
            (KeyCode::Right, _) => {
                let mut chars = self.after.chars();
                if let Some(char) = chars.next() {
                    self.before.push(char);
                }
                self.after = chars.as_str().to_owned();
            }
            (KeyCode::Char(char), false) => self.insert(char),
            _ => return false,
        }
        true
    }

    /// Takes pasted text: a line end becomes a space, other control characters are dropped.
    pub fn paste(&mut self, text: &str) {
        // Terminals send the line ends of a paste as carriage returns.
        let text = text.trim_end_matches(['\n', '\r']).replace("\r\n", "\n");
        let mut room = CHARS_MAX.saturating_sub(self.before.chars().count() + self.after.chars().count());
        for char in text.chars() {
            if room == 0 {
                return;
            }
            match char {
                '\n' | '\r' | '\t' => self.before.push(' '),
                char if char.is_control() => continue,
                char => self.before.push(char),
            }
            room -= 1;
        }
    }

    fn insert(&mut self, char: char) {
        if !char.is_control() && self.before.len() + self.after.len() < CHARS_MAX {
            self.before.push(char);
        }
    }

    fn erase_word(&mut self) {
        let kept = self.before.trim_end().rfind(char::is_whitespace).map_or(0, |at| at + 1);
        self.before.truncate(kept);
    }
}
