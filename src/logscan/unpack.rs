//! A log's bytes as they were written, whether its file is compressed or not. Compressed files are known by their first
//! bytes, and end where they would become larger than logs do.

use std::io::Write as _;

use flate2::write::MultiGzDecoder;

/// What a file begins with that gzip wrote.
const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// How many times larger than its file a compressed log may become; logs reach a tenth of that.
const RATIO_MAX: u64 = 250;
/// Bytes that a compressed log may have, however small its file is.
const RATIO_FLOOR: u64 = 64 << 20;
/// Compressed bytes taken at once: the most that comes of them is some thousand times as much.
const PIECE: usize = 4 * 1024;

/// Takes a file's bytes, and hands over the log's.
#[derive(Debug, Default)]
pub struct Unpack {
    form: Form,
    read: u64,
    given: u64,
}

#[derive(Debug)]
enum Form {
    /// Too few bytes came to tell.
    Beginning(Vec<u8>),
    Plain,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// Nothing more is taken, and why.
    Over(String),
}

impl Default for Form {
    fn default() -> Self {
        Self::Beginning(Vec::new())
    }
}

impl Unpack {
    /// Takes the next bytes of the file. False if no more are wanted.
    pub fn feed(&mut self, bytes: &[u8], take: &mut dyn FnMut(&[u8])) -> bool {
        if let Form::Beginning(begin) = &mut self.form {
            begin.extend_from_slice(bytes);
            if begin.len() < MAGIC.len() {
                return true;
            }
            let begin = std::mem::take(begin);
            let packed = begin.starts_with(&MAGIC);
            self.form = if packed { Form::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))) } else { Form::Plain };
            return self.next(&begin, take);
        }
        self.next(bytes, take)
    }

    fn next(&mut self, bytes: &[u8], take: &mut dyn FnMut(&[u8])) -> bool {
        let decoder = match &mut self.form {
            Form::Gzip(decoder) => decoder,
            Form::Over(_) => return false,
            Form::Plain | Form::Beginning(_) => {
                take(bytes);
                return true;
            }
        };
        for piece in bytes.chunks(PIECE) {
            let done = decoder.write_all(piece);
            self.read = self.read.saturating_add(piece.len() as u64);
            // What came before the damage is handed over.
            self.given = self.given.saturating_add(drain(decoder.get_mut(), take));
            let most = self.read.saturating_mul(RATIO_MAX).max(RATIO_FLOOR);
            let over = match done {
                Err(error) => damaged(&error),
                Ok(()) if self.given > most => {
                    format!("not read beyond {} bytes: no log is compressed so well", self.given)
                }
                Ok(()) => continue,
            };
            self.form = Form::Over(over);
            return false;
        }
        true
    }

    /// There are no more bytes; what was not read of it is said in words.
    pub fn finish(self, take: &mut dyn FnMut(&[u8])) -> Option<String> {
        match self.form {
            Form::Beginning(begin) => {
                take(&begin);
                None
            }
            Form::Plain => None,
            Form::Gzip(mut decoder) => {
                let done = decoder.try_finish();
                drain(decoder.get_mut(), take);
                done.err().map(|error| damaged(&error))
            }
            Form::Over(why) => Some(why),
        }
    }
}

fn drain(bytes: &mut Vec<u8>, take: &mut dyn FnMut(&[u8])) -> u64 {
    let given = bytes.len() as u64;
    if given > 0 {
        take(bytes);
        bytes.clear();
    }
    given
}

fn damaged(error: &std::io::Error) -> String {
    format!("damaged within its compressed data, and read up to there: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// Everything that comes of these bytes, fed in portions of this size.
    fn unpacked(bytes: &[u8], portion: usize) -> (Vec<u8>, Option<String>) {
        let (mut unpack, mut all) = (Unpack::default(), Vec::new());
        for piece in bytes.chunks(portion) {
            if !unpack.feed(piece, &mut |bytes| all.extend_from_slice(bytes)) {
                break;
            }
        }
        let why = unpack.finish(&mut |bytes| all.extend_from_slice(bytes));
        (all, why)
    }

    #[test]
    fn what_was_written_comes_out_in_any_portions() {
        let text: Vec<u8> = (0..50_000_u32).flat_map(|n| format!("line {}\n", n * n).into_bytes()).collect();
        let twice = [gzip(&text), gzip(b"and more")].concat();
        let both = [text.as_slice(), b"and more"].concat();
        let cases: [(&[u8], &[u8]); 5] =
            [(&text, &text), (&twice, &both), (b"", b""), (b"x", b"x"), (b"\x1f", b"\x1f")];
        for (bytes, wanted) in cases {
            for portion in [1, 7, 4096, 1 << 20] {
                assert!(unpacked(bytes, portion) == (wanted.to_vec(), None), "{} in {portion}", bytes.len());
            }
        }
    }

    #[test]
    fn damage_and_bombs_end_where_they_are() {
        let text = "the same line\n".repeat(100_000);
        let whole = gzip(text.as_bytes());
        let (half, why) = unpacked(&whole[..whole.len() / 2], 100);
        assert!(half.len() > 100_000 && text.as_bytes().starts_with(&half), "{}", half.len());
        assert!(why.unwrap().contains("damaged"));
        let (_, why) = unpacked(&[whole.as_slice(), b"rest"].concat(), 100);
        assert!(why.unwrap().contains("damaged"));
        let bomb = gzip(&vec![0; 100 << 20]);
        let mut given = 0;
        let mut unpack = Unpack::default();
        assert!(!unpack.feed(&bomb, &mut |bytes| given += bytes.len() as u64));
        assert!((RATIO_FLOOR..RATIO_FLOOR * 2).contains(&given), "{given}");
        assert!(unpack.finish(&mut |_| ()).unwrap().contains("no log is compressed so well"));
    }
}
