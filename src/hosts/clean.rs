//! Makes text from a host fit for a terminal and a report: what a host prints is hostile input.
//!
//! Escape sequences go, tabs become spaces, other control characters, characters that reorder or hide text, and bytes
//! that are not UTF-8 become visible. Pure.

use std::fmt::Write as _;

/// Columns between tab stops.
const TAB: usize = 8;

/// One line of output as text without control characters. Line ends at its end are dropped.
pub fn line(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in trim_line_end(bytes).utf8_chunks() {
        push_text(&mut out, chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Text of several lines as clean lines, at most `limit` of them.
pub fn lines(bytes: &[u8], limit: usize) -> Vec<String> {
    if bytes.is_empty() {
        return Vec::new();
    }
    let whole = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    whole.split(|byte| *byte == b'\n').take(limit).map(line).collect()
}

fn trim_line_end(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [before @ .., b'\n' | b'\r'] = rest {
        rest = before;
    }
    rest
}

fn push_text(out: &mut String, text: &str) {
    let mut rest = text.chars().peekable();
    while let Some(found) = rest.next() {
        match found {
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' => skip_control_sequence(&mut rest),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut rest),
            '\t' => {
                let column = out.chars().count();
                out.extend(std::iter::repeat_n(' ', TAB - column % TAB));
            }
            '\0'..='\u{1f}' => {
                out.push('^');
                out.push(char::from_u32(u32::from(found) + 0x40).unwrap_or('?'));
            }
            '\u{7f}' => out.push_str("^?"),
            _ if hides(found) => {
                let _ = write!(out, "<{:04x}>", u32::from(found));
            }
            _ => out.push(found),
        }
    }
}

/// Characters that take no place, reorder what is around them, or break lines where nobody expects it.
fn hides(found: char) -> bool {
    matches!(found,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn skip_escape(rest: &mut Rest<'_>) {
    match rest.peek() {
        Some('[') => {
            rest.next();
            skip_control_sequence(rest);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            rest.next();
            skip_string(rest);
        }
        // Two-character sequences, some with one intermediate (`ESC ( B`).
        Some(' '..='/') => {
            while rest.next_if(|next| matches!(next, ' '..='/')).is_some() {}
            rest.next_if(|next| matches!(next, '0'..='~'));
        }
        Some('0'..='~') => {
            rest.next();
        }
        _ => {}
    }
}

/// Parameters and intermediates, then one final character (ECMA-48, control sequences).
fn skip_control_sequence(rest: &mut Rest<'_>) {
    while rest.next_if(|next| matches!(next, ' '..='?')).is_some() {}
    rest.next_if(|next| matches!(next, '@'..='~'));
}

/// Up to BEL or the string terminator. A string that does not end within the line hides the rest of it
/// from a terminal, so it is dropped here too.
fn skip_string(rest: &mut Rest<'_>) {
    while let Some(next) = rest.next() {
        match next {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                rest.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_lines_become_plain() {
        let cases: &[(&[u8], &str)] = &[
            (b"plain\n", "plain"),
            (b"plain\r\n", "plain"),
            (b"\x1b[31mred\x1b[0m", "red"),
            (b"\x1b]0;title\x07after", "after"),
            (b"\x1b]52;c;ZXZpbA==\x1b\\after", "after"),
            (b"a\tb", "a       b"),
            (b"12345678\tb", "12345678        b"),
            (b"10%\r20%", "10%^M20%"),
            (b"bell\x07\x00", "bell^G^@"),
            (b"\xff\xfe!", "\\xff\\xfe!"),
            ("\u{202e}evil".as_bytes(), "<202e>evil"),
            ("\u{9b}31mred".as_bytes(), "red"),
            (b"\x1b(Bascii", "ascii"),
            (b"\x1b", ""),
            (b"\x1b[999", ""),
            ("żółw 漢字".as_bytes(), "żółw 漢字"),
        ];
        for (bytes, wanted) in cases {
            assert_eq!(&line(bytes), wanted, "{bytes:?}");
            assert!(!line(bytes).chars().any(char::is_control));
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_controls_is_left(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            proptest::prop_assert!(!line(&bytes).chars().any(|c| c.is_control() || hides(c)));
        }
    }
}
