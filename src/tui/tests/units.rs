//! Small parts: the line under edit, wrapping, cleaning, the clipboard's encoding, the picture.

use crossterm::event::KeyCode;

use super::fixture::Fixture;
use crate::tui::{
    doc::{cut, scroll_to, wrap},
    editor::Editor,
    keymap::Key,
    snapshot_svg,
    terminal::base64,
    theme::Theme,
};

const FINE: Theme = Theme { ascii: false, no_color: false };

#[test]
fn a_line_is_edited() {
    let mut editor = Editor::with("one two");
    let key = |code| Key { code, ctrl: false };
    editor.key(Key { code: KeyCode::Char('w'), ctrl: true });
    editor.key(key(KeyCode::Char('ü')));
    editor.key(key(KeyCode::Home));
    editor.key(key(KeyCode::Delete));
    editor.key(key(KeyCode::Right));
    editor.key(key(KeyCode::Backspace));
    editor.key(key(KeyCode::End));
    editor.key(key(KeyCode::Left));
    editor.key(key(KeyCode::Char('x')));
    assert_eq!(editor.text(), "e xü");
}

#[test]
fn texts_are_wrapped_at_spaces_and_cut_where_they_must() {
    for (text, width, lines) in [
        ("one two three", 7, vec!["one two", "three"]),
        ("abcdefghij", 4, vec!["abcd", "efgh", "ij"]),
        ("a\n\nb", 4, vec!["a", "", "b"]),
        ("日本語", 4, vec!["日本", "語"]),
        ("", 4, vec![""]),
        ("ab", 0, vec!["a", "b"]),
    ] {
        assert_eq!(wrap(text, width), lines, "{text:?} at {width}");
    }
    assert_eq!(cut(FINE, "abcdef", 4), "abc…");
    assert_eq!(cut(FINE, "abc", 0), "");
}

#[test]
fn texts_are_cleaned() {
    for (text, clean) in [
        ("a\tb", "a   b"),
        ("\u{1b}[31mred\u{1b}[0m", "¿red¿"),
        ("\u{1b}]0;title\u{7}x", "¿x"),
        ("\u{1b}]52;c;Zm9v\u{1b}\\x", "¿x"),
        ("a\u{0}b\u{7f}", "a¿b¿"),
        ("line\r\nnext", "line\nnext"),
        ("\u{202e}abc", "¿abc"),
        ("e\u{301}\u{fe0f}", "e"),
    ] {
        assert_eq!(FINE.clean(text), clean, "{text:?}");
    }
    let ascii = Theme { ascii: true, no_color: true };
    assert_eq!(ascii.clean("\u{201c}ja\u{201d} ü …"), "\"ja\" ? ~");
}

#[test]
fn what_is_selected_is_scrolled_into_sight() {
    for (from, height, range, wanted) in
        [(0, 5, (2, 3), 0), (0, 5, (7, 8), 4), (9, 5, (2, 3), 2), (0, 3, (4, 9), 4), (0, 0, (2, 2), 2)]
    {
        assert_eq!(scroll_to(from, height, range), wanted, "{range:?}");
    }
}

#[test]
fn the_clipboard_gets_base64() {
    for (text, wanted) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
        assert_eq!(base64(text.as_bytes()), wanted);
    }
}

#[test]
fn a_frame_becomes_a_picture() {
    let mut fixture = Fixture::recovery();
    fixture.walk_to("stop");
    let svg = snapshot_svg(&fixture.frame(), "the wizard & <its> step");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains("&amp;\u{a0}&lt;its&gt;") && svg.contains("RECOVERY"));
}
