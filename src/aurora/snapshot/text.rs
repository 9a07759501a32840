//! UTF-8 checked piece by piece, for a text that is larger than the window.

/// Takes the pieces of one text in order.
#[derive(Default)]
pub(super) struct Utf8Check {
    /// The bytes of a character whose rest is in the next piece.
    open: Vec<u8>,
    bad: bool,
}

impl Utf8Check {
    pub(super) fn push(&mut self, mut piece: &[u8]) {
        while let Some((first, rest)) = piece.split_first().filter(|_| !self.open.is_empty() && !self.bad) {
            self.open.push(*first);
            piece = rest;
            match std::str::from_utf8(&self.open) {
                Ok(_) => self.open.clear(),
                Err(error) => self.bad = error.error_len().is_some(),
            }
        }
        if self.bad {
            return;
        }
        if let Err(error) = std::str::from_utf8(piece) {
            self.bad = error.error_len().is_some();
            self.open.extend(piece.get(error.valid_up_to()..).unwrap_or_default().iter().take(4));
        }
    }

    /// Whether all of it was a text.
    pub(super) fn is_text(&self) -> bool {
        !self.bad && self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::Utf8Check;

    #[test]
    fn pieces_are_judged_like_the_whole() {
        let texts: [&[u8]; 8] = [
            b"",
            b"plain",
            "h\u{e9}llo \u{20ac} \u{1f980}".as_bytes(),
            b"\xff",
            b"a\xc3",
            b"\xe2\x82",
            b"\xc3(",
            b"\xed\xa0\x80",
        ];
        for text in texts {
            for size in 1..=text.len().max(1) {
                let mut check = Utf8Check::default();
                text.chunks(size).for_each(|piece| check.push(piece));
                assert_eq!(check.is_text(), std::str::from_utf8(text).is_ok(), "{text:?} in pieces of {size}");
            }
        }
    }
}
