//! Text as Markdown: what comes from people and hosts is never markup, and never a control character.

/// Text within a line: what would be markup is escaped, line ends become blanks.
pub(super) fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let text = text.trim();
    let mut chars = text.chars().enumerate().peekable();
    while let Some((n, c)) = chars.next() {
        let word_ends = chars.peek().is_none_or(|(_, next)| next.is_whitespace());
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '#' | '$' => {
                out.extend(['\\', c]);
            }
            '-' | '+' | '=' if n == 0 => {
                out.extend(['\\', c]);
            }
            '.' | ')' if n > 0 && word_ends && text.chars().take(n).all(|c| c.is_ascii_digit()) => {
                out.extend(['\\', c]);
            }
            c => out.push(shown(c)),
        }
    }
    out
}

/// Text as code within a line.
pub(super) fn code(text: &str) -> String {
    let text: String = text.chars().map(shown).collect();
    if text.trim().is_empty() {
        return "(nothing)".to_owned();
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Text as a block of code, each line after `indent`.
pub(super) fn block(text: &str, indent: &str) -> String {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    let mut out = format!("{indent}{fence}text\n");
    for line in text.lines() {
        out.push_str(indent);
        out.extend(line.chars().map(|c| if c == '\t' { c } else { shown(c) }));
        out.push('\n');
    }
    out + indent + &fence + "\n"
}

/// A character as it may be shown: control characters, and those that turn the direction of text, are replaced.
fn shown(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' => ' ',
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

fn longest_run(text: &str) -> usize {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_becomes_markup() {
        for (text, expected) in [
            ("plain, with-dash.", "plain, with-dash."),
            ("a | b", "a \\| b"),
            ("<script>&amp;", "\\<script\\>\\&amp;"),
            ("- item\n# head", "\\- item \\# head"),
            ("12. twelve", "12\\. twelve"),
            ("0.22.0", "0.22.0"),
            ("v1.2) x", "v1.2) x"),
            ("\u{1b}[31mred\u{202e}", "\u{fffd}\\[31mred\u{fffd}"),
            ("[a](b) ![c](d) ~~e~~", "\\[a\\](b) !\\[c\\](d) \\~\\~e\\~\\~"),
        ] {
            assert_eq!(inline(text), expected);
        }
    }

    #[test]
    fn code_holds_any_backticks() {
        assert_eq!(code("ls -l"), "`ls -l`");
        assert_eq!(code("a `b` c"), "``a `b` c``");
        assert_eq!(code("``x"), "``` ``x ```");
        assert_eq!(code("two\nlines"), "`two lines`");
        assert_eq!(code(" "), "(nothing)");
        assert_eq!(block("a\n```\nb", "  "), "  ````text\n  a\n  ```\n  b\n  ````\n");
    }
}
