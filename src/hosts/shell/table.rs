//! The processes of a machine, from what its `/proc` files say, and who of them is a script of ours. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::text::MARK;
use crate::hosts::{Proc, processes, ssh};

/// Prints the boot time, then every `stat` and every argument list, each record with the path before it and a NUL after
/// it. Where grep cannot do that, arguments come in one record, parted by `\1`.
pub(super) const SCRIPT: &str = r#"[ -d /proc/1 ] || exit 92
printf 'boot:%s\0' "$(grep '^btime ' /proc/stat)"
if printf 'x\0' | grep -azsqH x 2> /dev/null; then
printf '%s\0' /proc/[0-9]*/stat /proc/[0-9]*/cmdline | xargs -0 grep -azsH ''
else for d in /proc/[0-9]*; do
s=$(cat "$d/stat" 2> /dev/null) || continue
printf '%s/stat:%s\0%s/args:%s\0' "$d" "$s" "$d" "$(tr '\000' '\001' < "$d/cmdline" 2> /dev/null)"
done; fi
exit 0"#;

/// Reads the records; leaves out scripts of ours, what runs in their sessions, and the sessions given.
pub(super) fn read(bytes: &[u8], ours: &BTreeSet<i32>) -> Vec<Proc> {
    let mut booted_ms = 0;
    let mut stats: BTreeMap<i32, Vec<u8>> = BTreeMap::new();
    let mut arguments: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    for record in bytes.split(|byte| *byte == 0) {
        if let Some(text) = record.strip_prefix(b"boot:btime ") {
            let seconds: Option<i64> = std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok());
            booted_ms = seconds.unwrap_or(0) * 1000;
        } else if let Some((pid, file, content)) = parts(record) {
            match file {
                b"stat" => drop(stats.insert(pid, content.to_vec())),
                b"cmdline" => {
                    arguments.entry(pid).or_default().push(String::from_utf8_lossy(content).into_owned());
                }
                b"args" => {
                    let parted = content.strip_suffix(b"\x01").unwrap_or(content).split(|byte| *byte == 1);
                    let parted = parted.map(|part| String::from_utf8_lossy(part).into_owned());
                    arguments.insert(pid, if content.is_empty() { Vec::new() } else { parted.collect() });
                }
                _ => {}
            }
        }
    }
    let all: Vec<Proc> = stats
        .into_iter()
        .filter_map(|(pid, stat)| {
            processes::from_stat(pid, &stat, arguments.remove(&pid).unwrap_or_default(), booted_ms)
        })
        .collect();
    let own = |process: &&Proc| process.args.iter().any(|argument| argument.contains(MARK) || ssh::is_ours(argument));
    let sessions: BTreeSet<i32> =
        all.iter().filter(own).map(|process| process.session).chain(ours.iter().copied()).collect();
    all.into_iter().filter(|process| !sessions.contains(&process.session)).collect()
}

/// `/proc/PID/FILE:CONTENT`.
fn parts(record: &[u8]) -> Option<(i32, &[u8], &[u8])> {
    let rest = record.strip_prefix(b"/proc/")?;
    let slash = rest.iter().position(|byte| *byte == b'/')?;
    let pid = std::str::from_utf8(rest.get(..slash)?).ok()?.parse().ok()?;
    let rest = rest.get(slash + 1..)?;
    let colon = rest.iter().position(|byte| *byte == b':')?;
    Some((pid, rest.get(..colon)?, rest.get(colon + 1..)?))
}
