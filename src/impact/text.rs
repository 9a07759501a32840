//! The same in words, for a terminal or a chat.

use super::model::Impact;

impl Impact {
    /// In words, lines no wider than this.
    pub fn to_text(&self, width: usize) -> String {
        let _ = width;
        String::new()
    }
}
