//! The flags that a scheduler printed at its newest start, for one that does not stay up.
//!
//! Lines `… CommandLine] -name: value`, one a flag, after a line `Parameters:`; flags left at their default are
//! printed too, with `null` where there is none.

use std::time::Duration;

use super::log_source;
use crate::{
    aurora::flags::{Flag, Flags},
    hosts::Host,
};

/// Bytes read from the end of a log; a start prints about 20 kB, and a log may be large.
const TAIL_BYTES: u64 = 16 * 1024 * 1024;

pub(super) async fn newest_start(host: &dyn Host, path: &str, within: Duration) -> Result<Flags, String> {
    let tail = log_source::end(host, path, TAIL_BYTES, within).await?;
    let found = parse(&String::from_utf8_lossy(&tail));
    if found.is_empty() {
        return Err(format!("{path} shows no start with its flags"));
    }
    let flag = |(name, value)| Flag { name, value: Some(value), dashes: 1 };
    Ok(Flags { flags: found.into_iter().map(flag).collect() })
}

/// The flags after the last `Parameters:`; defaults of `null` are left out.
fn parse(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for line in text.lines() {
        let Some((_, rest)) = line.split_once("CommandLine] ") else { continue };
        if rest.starts_with("Parameters:") {
            found.clear();
        } else if let Some((name, value)) = rest.strip_prefix('-').and_then(|rest| rest.split_once(": ")) {
            let value = value.trim();
            if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && value != "null" {
                found.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_newest_start_counts() {
        let text = "\
I1122 16:03:37.689 [main, CommandLine] Parameters: \n\
I1122 16:03:37.693 [main, CommandLine] -mesos_master_address: old \n\
I1122 16:03:38.000 [main, Other] -mesos_master_address: noise\n\
I1122 16:04:37.689 [main, CommandLine] Parameters: \n\
I1122 16:04:37.693 [main, CommandLine] -mesos_master_address: zk://localhost:1111/mesos \n\
I1122 16:04:37.694 [main, CommandLine] -thermos_executor_flags: null \n";
        let wanted = vec![("mesos_master_address".to_owned(), "zk://localhost:1111/mesos".to_owned())];
        assert_eq!(super::parse(text), wanted);
    }
}
