//! Replicas beside each other: values, ends, survivors, and what a restart of the group does.

use firstlight::replog::{Compared, Comparison, Files, Group, Inspection, Restart, Severity, Span, compare, inspect};

use crate::replog::directory;

/// Names of recorded directories; `?` is one that nobody could look at, `-` one that is not there.
fn compared(names: &[&str], group: Group) -> Comparison {
    let read: Vec<Option<Inspection>> = names
        .iter()
        .map(|name| match *name {
            "?" => None,
            "-" => Some(inspect(&Files::absent("/log"))),
            name => Some(inspect(&directory(name))),
        })
        .collect();
    let all: Vec<Compared<'_>> =
        names.iter().zip(&read).map(|(name, inspection)| Compared { name, inspection: inspection.as_ref() }).collect();
    compare(&all, group)
}

fn of(names: &[&str]) -> Comparison {
    compared(names, Group { quorum: Some(2), auto_initialize: false })
}

fn damage(comparison: &Comparison) -> Vec<&str> {
    comparison.findings.iter().filter(|f| f.severity == Severity::Damage).map(|f| f.code.as_str()).collect()
}

fn restarts(comparison: &Comparison) -> Vec<Restart> {
    comparison.members.iter().map(|member| member.restart).collect()
}

const R1: &str = "replicated-log/ensemble-healthy/r1";
const R2: &str = "replicated-log/ensemble-healthy/r2";
const R3: &str = "replicated-log/ensemble-healthy/r3";

#[test]
fn replicas_of_one_group_agree() {
    for names in [
        [R1, R2, R3],
        ["aurora-log/aurora-healthy/r1", "aurora-log/aurora-healthy/r2", "aurora-log/aurora-healthy/r3"],
        ["aurora-log/aurora-noops/r1", "aurora-log/aurora-noops/r2", "aurora-log/aurora-noops/r3"],
        ["aurora-log/aurora-restored/r1", "aurora-log/aurora-restored/r2", "aurora-log/aurora-restored/r3"],
    ] {
        let all = of(&names);
        assert_eq!((all.voting, all.unknown, all.different_count), (3, 0, 0), "{names:?}: {:?}", all.differences);
        assert_eq!((all.below_quorum_count, all.ends_apart), (0, 0), "{names:?}: {:?}", all.below_quorum);
        assert_eq!(damage(&all), Vec::<&str>::new());
        assert_eq!(restarts(&all), [Restart::Votes; 3]);
        assert_eq!(all.do_not_touch, Vec::<String>::new());
    }
}

#[test]
fn a_value_that_differs_is_found_though_every_checksum_may_be_right() {
    let sound = "replicated-log/voting-healthy";
    let all = of(&[sound, "replicated-log/corrupt-table", sound]);
    let at = Span { first: 1019, last: 1019 };
    assert_eq!((all.different_count, all.different.as_slice()), (1, [at].as_slice()));
    let values = &all.differences.first().unwrap().values;
    assert!(values.first() == values.get(2) && values.first() != values.get(1), "{values:?}");
    assert_eq!(damage(&all), ["values-differ"]);
    // The frame whose digest is wrong: Mesos and LevelDB are content, and the sound replica tells.
    let all = of(&["aurora-log/aurora-framed/r1", "aurora-log/aurora-bad-md5/r1"]);
    assert_eq!(all.different, [Span { first: 13, last: 13 }]);
}

#[test]
fn the_last_good_copy_must_not_be_touched() {
    let empty = "replicated-log/empty-dir";
    let initialized = "replicated-log/initialized";
    // One votes and two are empty: for ever.
    for other in [empty, "-"] {
        let all = of(&[other, R1, other]);
        assert_eq!(all.do_not_touch, [R1], "{other}");
        assert_eq!(restarts(&all), [Restart::StuckForEver, Restart::Votes, Restart::StuckForEver]);
        assert!(damage(&all).contains(&"restart-stuck"), "{:?}", all.findings);
        assert!(damage(&all).contains(&"below-quorum"));
    }
    // Two were initialized: a quorum without any position outvotes the survivor in silence.
    let all = of(&[initialized, R1, initialized]);
    assert_eq!(all.do_not_touch, [R1]);
    assert!(damage(&all).contains(&"quorum-of-blanks"), "{:?}", all.findings);
    // With two that nobody could look at, nothing of that can be said.
    let all = of(&["?", R1, "?"]);
    assert_eq!((all.unknown, damage(&all)), (2, Vec::new()));
    assert_eq!(all.below_quorum_count, 0);
    assert_eq!(restarts(&all), [Restart::Unknown, Restart::Votes, Restart::Unknown]);
}

#[test]
fn the_recovery_protocol_decides_what_a_restart_does() {
    use Restart::{CatchesUp, DoesNotStart, InitializesItself, StuckForEver, Unknown, Votes, WaitsForInitialize};
    let (empty, starting) = ("replicated-log/empty-dir", "replicated-log/starting");
    let (recovering, broken) = ("replicated-log/recovering", "replicated-log/empty-current");
    let check = |names: [&str; 3], auto: bool, expected: [Restart; 3]| {
        let all = compared(&names, Group { quorum: Some(2), auto_initialize: auto });
        assert_eq!(restarts(&all), expected, "{names:?} {auto}");
    };
    check([empty; 3], false, [WaitsForInitialize; 3]);
    check([empty; 3], true, [InitializesItself; 3]);
    check([empty, starting, empty], true, [InitializesItself, StuckForEver, InitializesItself]);
    check([starting; 3], true, [Votes; 3]);
    check([R1, R2, empty], false, [Votes, Votes, CatchesUp]);
    check([R1, R2, starting], true, [Votes, Votes, CatchesUp]);
    check([R1, R2, recovering], false, [Votes, Votes, CatchesUp]);
    check([R1, empty, empty], true, [Votes, StuckForEver, StuckForEver]);
    check([R1, R2, broken], false, [Votes, Votes, DoesNotStart]);
    check([R1, "?", empty], false, [Votes, Unknown, Unknown]);
    check([empty, "?", empty], false, [StuckForEver, Unknown, StuckForEver]);
}

#[test]
fn ends_and_sizes_are_weighed() {
    let (long, short) = ("replicated-log/voting-healthy", "replicated-log/truncated-wal");
    let all = of(&[long, short, short]);
    assert_eq!(all.ends_apart, 2001 - 1955);
    // A learned position was accepted by a quorum; here one replica is left that holds it.
    assert_eq!(all.below_quorum, [Span { first: 1956, last: 2001 }]);
    assert_eq!(all.members.first().unwrap().only_here, all.below_quorum);
    assert_eq!(all.do_not_touch, [long]);
    let two = compared(&[R1, R2], Group::default());
    assert_eq!(two.quorum, 2);
    assert!(two.findings.iter().any(|finding| finding.code == "group-size"));
    let text = serde_json::to_string(&all).unwrap();
    assert_eq!(serde_json::from_str::<Comparison>(&text).unwrap(), all);
}
