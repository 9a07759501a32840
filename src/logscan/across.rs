//! What the logs of several hosts add up to: signatures that no log shows alone.

use std::collections::BTreeMap;

use super::said::{Diagnosis, Election, End, Sample, Scan};

/// Elections over all hosts that are no upgrade.
const ROTATING: usize = 3;
/// Positions that a replica may lag behind at its start, as after an ordinary crash.
const LAG: u64 = 1000;
/// Evidence kept of one diagnosis.
const EVIDENCE: usize = 12;

/// Diagnoses over all hosts, of which each log is one scan.
pub fn across(hosts: &BTreeMap<String, Scan>) -> Vec<Diagnosis> {
    [replicas(hosts), elections(hosts), positions(hosts), damaged(hosts)].into_iter().flatten().collect()
}

fn found(code: &str, bad: bool, message: String, from: &[(&Scan, &[&str])]) -> Diagnosis {
    let mut whole = Diagnosis { code: code.to_owned(), message, bad, kinds: Vec::new(), evidence: Vec::new() };
    for (scan, kinds) in from {
        let one = scan.diagnosis(code, bad, kinds, String::new());
        whole.kinds.extend(one.kinds);
        whole.evidence.extend(one.evidence);
    }
    whole.kinds.sort();
    whole.kinds.dedup();
    whole.evidence.truncate(EVIDENCE);
    whole
}

const STATUS_KINDS: &[&str] = &["replica-status", "status-persisted", "recover-response", "not-initialized"];

/// Which replicas vote.
fn replicas(hosts: &BTreeMap<String, Scan>) -> Option<Diagnosis> {
    let with = |scan: &&Scan| scan.last_status.is_some();
    let known: Vec<(&String, &Scan)> = hosts.iter().filter(|(_, scan)| with(scan)).collect();
    if known.len() < 2 {
        return None;
    }
    let names = |voting: bool| -> Vec<&str> {
        let votes = |scan: &Scan| scan.last_status.as_deref() == Some("VOTING");
        known.iter().filter(|(_, scan)| votes(scan) == voting).map(|(host, _)| host.as_str()).collect()
    };
    let (voting, others) = (names(true), names(false));
    let from: Vec<(&Scan, &[&str])> = known.iter().map(|(_, scan)| (*scan, STATUS_KINDS)).collect();
    let stuck = known.iter().any(|(_, scan)| scan.stuck());
    let said = |code, bad, message| Some(found(code, bad, message, &from));
    match (voting.as_slice(), others.as_slice()) {
        ([], _) if known.iter().any(|(_, scan)| scan.count("not-initialized") > 0) => said(
            "all-uninitialized",
            true,
            "no replica is initialized: initialize all (data, if any, is elsewhere)".to_owned(),
        ),
        ([], _) => said("none-voting", true, "no replica votes".to_owned()),
        ([one], [_, ..]) if stuck || known.len() > 2 => said(
            "survivor",
            true,
            format!("only {one} votes: the data survives there alone; copy it before anything is initialized"),
        ),
        ([_, ..], []) => {
            let healthy = known.iter().all(|(_, scan)| scan.count("quorum-ignored") == 0);
            let words = "every replica whose log was read votes, as it said last";
            if healthy { said("all-voting", false, format!("{words}: do not re-initialize")) } else { None }
        }
        (_, [one]) => said(
            "one-behind",
            false,
            format!("{one} does not vote, the others do: leave it, it catches up alone once a quorum votes"),
        ),
        _ => said("some-behind", true, format!("{} do not vote", others.join(", "))),
    }
}

/// Who led, and why it ended, over all hosts.
fn elections(hosts: &BTreeMap<String, Scan>) -> Option<Diagnosis> {
    let all: Vec<(&String, &Election)> =
        hosts.iter().flat_map(|(host, scan)| scan.elections.iter().map(move |election| (host, election))).collect();
    let count = |ends: &[End]| all.iter().filter(|(_, e)| e.end.is_some_and(|end| ends.contains(&end))).count();
    let (corrupt, log) = (count(&[End::ContentCorrupt]), count(&[End::LogFailed, End::Died]));
    let mesos = count(&[End::RegistrationTimeout, End::MesosError]);
    let evidence: Vec<Sample> =
        all.iter().filter_map(|(_, election)| election.ended_at.clone()).take(EVIDENCE).collect();
    let said = |code: &str, bad, message: String| {
        let kinds = vec!["elected".to_owned()];
        Some(Diagnosis { code: code.to_owned(), message, bad, kinds, evidence: evidence.clone() })
    };
    let (n, leaders) = (all.len(), all.iter().map(|(host, _)| *host).collect::<std::collections::BTreeSet<_>>().len());
    if n > 0 && corrupt * 2 >= n {
        return said(
            "dies-on-content",
            true,
            format!("{corrupt} of {n} leaders died of what the log holds, quorum fine"),
        );
    }
    if n > 0 && mesos * 2 > n {
        let words = "leaders did not register with Mesos: the Mesos side, not the log";
        return said("mesos-side", true, format!("{mesos} of {n} {words}"));
    }
    if n >= ROTATING && log * 2 > n {
        let words = "leaderships ended with the log: no quorum votes, or the leader's own replica does not";
        return said("no-quorum-rotation", true, format!("{log} of {n} {words} ({leaders} hosts led)"));
    }
    let writes = hosts.values().any(|scan| scan.count("writer-started") > 0 || scan.count("coordinator-write") > 0);
    match all.last() {
        Some((host, Election { end: None, registered: true, .. })) if n == 1 && writes => {
            said("stable-leader", false, format!("{host} leads, was elected once and writes"))
        }
        _ => None,
    }
}

/// How far replicas were apart when they last started.
fn positions(hosts: &BTreeMap<String, Scan>) -> Option<Diagnosis> {
    let end = |scan: &Scan| -> Option<u64> {
        let (_, after) = scan.last_positions.as_ref()?.text.split_once(" -> ")?;
        after.split(' ').next()?.parse().ok()
    };
    let ends: Vec<(&String, &Scan, u64)> =
        hosts.iter().filter_map(|(host, scan)| Some((host, scan, end(scan)?))).collect();
    let (first, last) = (ends.iter().min_by_key(|(_, _, end)| *end)?, ends.iter().max_by_key(|(_, _, end)| *end)?);
    if last.2 - first.2 <= LAG {
        return None;
    }
    let words = "those that lag must not form a quorum alone";
    let message = format!("{} ended at {}, {} at {}: {words}", first.0, first.2, last.0, last.2);
    Some(found(
        "positions-differ",
        true,
        message,
        &[(first.1, &["recovered-positions"]), (last.1, &["recovered-positions"])],
    ))
}

/// One damaged directory among others.
fn damaged(hosts: &BTreeMap<String, Scan>) -> Option<Diagnosis> {
    let broken: Vec<(&String, &Scan)> = hosts.iter().filter(|(_, scan)| scan.count("recover-failed") > 0).collect();
    match broken.as_slice() {
        [(host, scan)] if hosts.len() > 1 => {
            let message =
                format!("the directory of {host} does not open: wipe only that one if the others form a quorum");
            Some(found("one-damaged", true, message, &[(scan, &["recover-failed"])]))
        }
        _ => None,
    }
}
