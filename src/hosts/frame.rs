//! Which bytes of a stream a script wrote: a login shell, a banner or a wrapper may write before it and after it.
//!
//! A script is asked to write a mark before its first byte and another after its last one, with its exit code. What
//! stands outside is noise. Marks carry a number that nobody knows beforehand. Pure.

/// Begins a mark: rare in text, so that a mark that may be beginning seldom holds bytes up.
const SIGN: u8 = 0x1e;
/// Bytes of noise kept, for the words of a failure.
const NOISE_BYTES: usize = 2 * 1024;
/// Digits of an exit code and the end of its line.
const CODE_BYTES: usize = 8;

/// The marks of one script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    key: String,
}

impl Marks {
    /// Marks with this number.
    pub fn new(key: u128) -> Self {
        Self { key: format!("{key:032x}") }
    }

    /// A POSIX script around another: marks on both outputs, the exit code in the last one. The other script is text
    /// of a shell of its own, so that its `exit` does not end this one.
    pub fn around(&self, script: &str) -> String {
        let (begin, end) = (self.begin_text(), self.end_text());
        format!(
            "LC_ALL=C; export LC_ALL; printf '{begin}'; printf '{begin}' >&2\n(\n:\n{script}\n)\n\
             r=$?; printf '{end}\\n' >&2; printf '{end}%s\\n' \"$r\""
        )
    }

    /// The mark before the first byte, for `printf`.
    pub fn begin_text(&self) -> String {
        format!("\\036{}+\\n", self.key)
    }

    /// The mark after the last byte, for `printf`; a number and the end of a line follow.
    pub fn end_text(&self) -> String {
        format!("\\036{}-", self.key)
    }

    fn begin(&self) -> Vec<u8> {
        [&[SIGN], self.key.as_bytes(), b"+\n"].concat()
    }

    fn end(&self) -> Vec<u8> {
        [&[SIGN], self.key.as_bytes(), b"-"].concat()
    }
}

/// Takes a stream apart.
#[derive(Debug)]
pub struct Frame {
    begin: Vec<u8>,
    end: Vec<u8>,
    at: At,
    pending: Vec<u8>,
    noise: Vec<u8>,
    code: Option<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Before,
    Inside,
    Code,
    After,
}

impl Frame {
    /// A stream that has not begun.
    pub fn new(marks: &Marks) -> Self {
        let (begin, end) = (marks.begin(), marks.end());
        Self { begin, end, at: At::Before, pending: Vec::new(), noise: Vec::new(), code: None }
    }

    /// Takes bytes as they come; gives those that are known to be the script's.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.pending.extend_from_slice(bytes);
        let mut own = Vec::new();
        loop {
            let before = self.at;
            match self.at {
                At::Before => {
                    if let Some(noise) = cut(&mut self.pending, &self.begin) {
                        self.noised(&noise);
                        self.at = At::Inside;
                    } else {
                        let noise = settled(&mut self.pending, &self.begin);
                        self.noised(&noise);
                    }
                }
                At::Inside => {
                    if let Some(last) = cut(&mut self.pending, &self.end) {
                        own.extend(last);
                        self.at = At::Code;
                    } else {
                        own.extend(settled(&mut self.pending, &self.end));
                    }
                }
                At::Code => self.code(),
                At::After => {
                    let noise = std::mem::take(&mut self.pending);
                    self.noised(&noise);
                }
            }
            if before == self.at {
                return own;
            }
        }
    }

    fn code(&mut self) {
        let Some(line_end) = self.pending.iter().position(|byte| *byte == b'\n') else {
            if self.pending.len() > CODE_BYTES {
                self.at = At::After;
            }
            return;
        };
        let line: Vec<u8> = self.pending.drain(..=line_end).collect();
        self.code = std::str::from_utf8(&line).ok().and_then(|line| line.trim_end().parse().ok());
        self.at = At::After;
    }

    /// What may have been a mark that was beginning when the stream broke off: the script's own bytes after all.
    pub fn rest(&mut self) -> Vec<u8> {
        let rest = std::mem::take(&mut self.pending);
        if self.at == At::Inside {
            return rest;
        }
        self.noised(&rest);
        Vec::new()
    }

    /// True once the script has begun, for certain.
    pub fn begun(&self) -> bool {
        self.at != At::Before
    }

    /// The exit code, once the last mark was read.
    pub fn exit_code(&self) -> Option<i32> {
        self.code
    }

    /// The end of what stood outside the marks.
    pub fn noise(&self) -> &[u8] {
        &self.noise
    }

    fn noised(&mut self, bytes: &[u8]) {
        self.noise.extend_from_slice(bytes);
        let over = self.noise.len().saturating_sub(NOISE_BYTES);
        self.noise.drain(..over);
    }
}

/// Takes out what stands before a mark, and the mark; nothing if the mark is not there.
fn cut(bytes: &mut Vec<u8>, mark: &[u8]) -> Option<Vec<u8>> {
    let at = memchr::memmem::find(bytes, mark)?;
    let mut before: Vec<u8> = bytes.drain(..at + mark.len()).collect();
    before.truncate(at);
    Some(before)
}

/// Takes out everything but an end that may be the beginning of a mark.
fn settled(bytes: &mut Vec<u8>, mark: &[u8]) -> Vec<u8> {
    let longest = mark.len().saturating_sub(1).min(bytes.len());
    let held = (1..=longest).rev().find(|len| mark.get(..*len).is_some_and(|start| bytes.ends_with(start)));
    let keep = bytes.len() - held.unwrap_or(0);
    bytes.drain(..keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream in pieces of one size; what is the script's, and the exit code.
    fn taken(marks: &Marks, stream: &[u8], piece: usize) -> (Vec<u8>, Option<i32>, Vec<u8>) {
        let mut frame = Frame::new(marks);
        let mut own = Vec::new();
        for piece in stream.chunks(piece) {
            own.extend(frame.take(piece));
        }
        own.extend(frame.rest());
        (own, frame.exit_code(), frame.noise().to_vec())
    }

    #[test]
    fn only_what_stands_between_the_marks_is_the_scripts_however_it_arrives() {
        let marks = Marks::new(7);
        let (begin, end) = (marks.begin(), marks.end());
        let half = &end[..20];
        let cases: &[(Vec<u8>, &[u8], Option<i32>)] = &[
            ([&begin, &b"out"[..], &end, b"0\n"].concat(), b"out", Some(0)),
            ([b"noise\n", &begin[..], b"out\n", &end, b"255\n", b"more noise"].concat(), b"out\n", Some(255)),
            // No trailer: no code, whatever was said.
            ([&begin, &b"rc=0\n"[..]].concat(), b"rc=0\n", None),
            ([&begin, &b"x"[..], half].concat(), &[&b"x"[..], half].concat(), None),
            ([&begin, &b"x"[..], half, b"y", &end, b"3\n"].concat(), &[&b"x"[..], half, b"y"].concat(), Some(3)),
            ([&begin, &end[..], b"1"].concat(), b"", None),
            ([&begin, &end[..], b"one\n"].concat(), b"", None),
            // Marks of another script are bytes like others.
            (
                [&begin, &Marks::new(8).end()[..], b"0\n", &end, b"9\n"].concat(),
                &[&Marks::new(8).end()[..], b"0\n"].concat(),
                Some(9),
            ),
            (b"only noise".to_vec(), b"", None),
            (Vec::new(), b"", None),
        ];
        for (stream, own, code) in cases {
            for piece in [1, 2, 3, 7, 4096] {
                let found = taken(&marks, stream, piece);
                assert_eq!((found.0.as_slice(), found.1), (*own, *code), "{}", String::from_utf8_lossy(stream));
            }
        }
    }

    #[test]
    fn bytes_are_held_up_only_while_they_may_begin_a_mark() {
        let marks = Marks::new(7);
        let mut frame = Frame::new(&marks);
        assert_eq!(frame.take(&marks.begin()), b"");
        assert!(frame.begun());
        assert_eq!(frame.take(b"question?"), b"question?");
        assert_eq!(frame.take(b"a\x1e"), b"a");
        assert_eq!(frame.take(b"b"), b"\x1eb");
    }

    #[test]
    fn endless_noise_is_not_kept() {
        let mut frame = Frame::new(&Marks::new(7));
        for _ in 0..1000 {
            assert!(frame.take(&[b'x'; 1024]).is_empty());
        }
        assert!(frame.noise().len() <= NOISE_BYTES && frame.pending.len() <= 64);
    }
}
