//! Names of sessions. Pure: the moment and the randomness come from the caller.

use super::JournalError;
use crate::session::Stamp;

/// Longest id, in characters; it names a directory.
pub(super) const ID_CHARS_MAX: usize = 80;

const SLUG_CHARS_MAX: usize = 32;

/// Base 32 without the letters that are taken for digits.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// An id that sorts by time: `20260301-040506-west-7k2m`, in UTC; the last part is 20 bits of `random`.
pub fn session_id(at: Stamp, cluster: &str, random: u32) -> String {
    let when = match jiff::Timestamp::from_millisecond(at.utc_ms) {
        Ok(time) => time.strftime("%Y%m%d-%H%M%S").to_string(),
        Err(_) => "00000000-000000".to_owned(),
    };
    let tail: String = [15, 10, 5, 0]
        .iter()
        .filter_map(|shift| ALPHABET.get((random >> shift) as usize & 31))
        .map(|byte| char::from(*byte))
        .collect();
    format!("{when}-{}-{tail}", slug(cluster))
}

/// Letters and digits of a name, everything else as single dashes.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= SLUG_CHARS_MAX {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "cluster".to_owned() } else { slug.to_owned() }
}

/// Refuses an id that could mean another directory.
pub fn check_id(id: &str) -> Result<(), JournalError> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if id.is_empty() || id.len() > ID_CHARS_MAX || !id.chars().all(good) || id.starts_with('-') {
        return Err(JournalError::BadId(id.to_owned()));
    }
    Ok(())
}
