//! Files and directories as find and stat tell of them. Pure but for its texts.

use crate::hosts::{Attributes, Entry, FileKind, HostError, Stat};

/// Depth of directories that a walk follows, as on this machine.
const DEPTH_MAX: usize = 65;
/// Marks the records of digests.
const DIGESTS: &str = "digests";

/// What find prints of each: facts, then the name below where it began, each with a NUL at its end.
const FIND: &str = r"-printf 'F %y %m %s %U %G %T@ %D %i %u\0%P\0'";
/// The same from stat, where find cannot print: one process each. `$0` is where it began.
const STAT: &str = r#"-exec sh -c 'for f; do s=$(stat -c "S %f %s %u %g %Y %d %i %U" -- "$f") || exit 1; r=${f#"$0"}; printf "%s\0%s\0" "$s" "${r#/}"; done'"#;

/// A script that prints the facts of what stands at a path (a word of the shell), and below it as deep as asked.
/// `tests` are find's. A walk begins at the path itself and does not follow it if it is a link.
pub(super) fn walk(path: &str, tests: &str) -> String {
    format!(
        "p={path}; if find / -maxdepth 0 -printf '' > /dev/null 2>&1; then find \"$p\" {tests} {FIND}; \
         else tool stat; find \"$p\" {tests} {STAT} \"$p\" {{}} +; fi"
    )
}

/// The facts of one path.
pub(super) fn one(path: &str) -> String {
    walk(path, "-maxdepth 0")
}

/// The names in a directory, a link to it followed.
pub(super) fn names(path: &str) -> String {
    // With `/.` a link is followed, and what is no directory is an error.
    walk(&format!("{path}/."), "-mindepth 1 -maxdepth 1")
}

/// Everything at a path and below it.
pub(super) fn everything(path: &str, digests: bool) -> String {
    let walk = walk(path, &format!("-maxdepth {DEPTH_MAX}"));
    if !digests {
        return walk;
    }
    format!(
        "tool sha256sum; ( {walk} ) || exit 1; printf '{DIGESTS}\\0\\0'; find {path} -maxdepth {DEPTH_MAX} -type f -exec \
         sh -c 'for f; do d=$(sha256sum < \"$f\") || exit 1; r=${{f#\"$0\"}}; printf \"%s\\0%s\\0\" \"${{d%% *}}\" \"${{r#/}}\"; done' \
         {path} {{}} +"
    )
}

/// Reads the records back. More than `limit` is an error of the caller's making, so one more is enough.
pub(super) fn read(bytes: &[u8], limit: usize) -> Result<Vec<Entry>, String> {
    let mut records = bytes.split(|byte| *byte == 0).map(|record| String::from_utf8_lossy(record).into_owned());
    let mut found: Vec<Entry> = Vec::new();
    while let (Some(facts), Some(name)) = (records.next(), records.next()) {
        if facts == DIGESTS {
            digests(&mut found, &mut records);
            break;
        }
        if found.len() > limit {
            break;
        }
        let stat = stat(&facts).ok_or_else(|| format!("its facts cannot be read: {facts:?}"))?;
        found.push(Entry { name, stat, sha256: None });
    }
    Ok(found)
}

fn digests(found: &mut [Entry], records: &mut impl Iterator<Item = String>) {
    let mut by_name: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    while let (Some(digest), Some(name)) = (records.next(), records.next()) {
        by_name.insert(name, digest);
    }
    for entry in found.iter_mut().filter(|entry| entry.stat.kind == FileKind::File) {
        entry.sha256 = by_name.remove(&entry.name);
    }
}

/// One record of facts, in either form.
fn stat(facts: &str) -> Option<Stat> {
    let mut fields = facts.splitn(2, ' ');
    let (form, rest) = (fields.next()?, fields.next()?);
    match form {
        "F" => {
            let mut fields = rest.splitn(9, ' ');
            let kind = match fields.next()? {
                "f" => FileKind::File,
                "d" => FileKind::Directory,
                "l" => FileKind::Link,
                _ => FileKind::Other,
            };
            let mode = u32::from_str_radix(fields.next()?, 8).ok()?;
            rest_of(kind, mode, fields)
        }
        "S" => {
            let mut fields = rest.splitn(8, ' ');
            let raw = u32::from_str_radix(fields.next()?, 16).ok()?;
            // The type is in the upper bits, as in inode(7).
            let kind = match raw >> 12 {
                0o10 => FileKind::File,
                0o4 => FileKind::Directory,
                0o12 => FileKind::Link,
                _ => FileKind::Other,
            };
            rest_of(kind, raw & 0o7777, fields)
        }
        _ => None,
    }
}

fn rest_of<'a>(kind: FileKind, mode: u32, mut fields: impl Iterator<Item = &'a str>) -> Option<Stat> {
    let len = fields.next()?.parse().ok()?;
    let (uid, gid): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let modified_ms = milliseconds(fields.next()?)?;
    let (device, inode) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let owner = fields.next()?.to_owned();
    // busybox has no name for a user that is not listed.
    let owner = if owner == "UNKNOWN" { uid.to_string() } else { owner };
    Some(Stat { kind, len, attributes: Attributes { uid, gid, mode }, owner, modified_ms, device, inode })
}

/// Seconds with or without a fraction; before the epoch counts as the epoch, as on this machine.
fn milliseconds(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = seconds.parse().ok()?;
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    Some((seconds.checked_mul(1000)? + thousandths.parse::<i64>().ok()?).max(0))
}

/// The error of a list that is too long.
pub(super) fn too_many(path: &str, limit: usize) -> HostError {
    HostError::Io { doing: "list", path: path.to_owned(), why: format!("more than {limit} names") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_find_and_of_stat_are_one() {
        let find = "F f 4640 12 1001 33 1700000000.1234567890 2049 77 the owner";
        let by_stat = "S 89a0 12 1001 33 1700000000 2049 77 the owner";
        let expected = Stat {
            kind: FileKind::File,
            len: 12,
            attributes: Attributes { uid: 1001, gid: 33, mode: 0o4640 },
            owner: "the owner".to_owned(),
            modified_ms: 1_700_000_000_123,
            device: 2049,
            inode: 77,
        };
        assert_eq!(stat(find), Some(expected.clone()));
        assert_eq!(stat(by_stat).map(|found| found.kind), Some(FileKind::File));
        for (text, kind) in [("S 41ed", FileKind::Directory), ("S a1ff", FileKind::Link), ("S 1180", FileKind::Other)] {
            assert_eq!(stat(&format!("{text} 1 0 0 1 1 1 root")).map(|found| found.kind), Some(kind), "{text}");
        }
        for wrong in ["", "F", "F f", "F f 9 1 1 1 1 1 1 a", "X f 644 1 1 1 1 1 1 a", "F f 644 -1 1 1 1 1 1 a"] {
            assert_eq!(stat(wrong), None, "{wrong}");
        }
    }
}
