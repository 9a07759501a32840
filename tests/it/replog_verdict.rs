//! Verdicts over recorded replicas, and arbitrary bytes through every decoder.
#![expect(clippy::unwrap_used, reason = "helpers of tests, beside the tests themselves")]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use firstlight::replog::verdict::{Answer, Answers, Decision, Evidence, Leadership, Mode, Replica, judge};
use firstlight::replog::{Files, Profile, Source, Summary, decode, inspect, inspect_as, key};
use proptest::prelude::*;

use crate::replog::{directory, names};

fn summary(name: &str) -> Option<Summary> {
    match name {
        "?" => None,
        "absent" => Some(inspect(&Files::absent("/var/lib/aurora/log")).summary),
        _ => Some(inspect(&directory(name)).summary),
    }
}

fn evidence(replicas: [&str; 3]) -> Evidence {
    let replica = |(at, name): (usize, &&str)| Replica::new(format!("h{}", at + 1), summary(name));
    let replicas = replicas.iter().enumerate().map(replica).collect();
    Evidence { replicas, quorum: 2, leadership: Leadership::Stable, ..Evidence::default() }
}

const GOOD: [&str; 3] =
    ["aurora-log/aurora-healthy/r1", "aurora-log/aurora-healthy/r2", "aurora-log/aurora-healthy/r3"];
const EMPTY: &str = "replicated-log/empty-dir";
const BLANK: &str = "replicated-log/initialized";
const BAD_MD5: &str = "aurora-log/aurora-bad-md5/r1";
const NO_CURRENT: &str = "replicated-log/missing-current";
const NO_MANIFEST: &str = "replicated-log/missing-manifest";

#[test]
fn three_replicas_quorum_two() {
    let host = |n: u32| format!("h{n}");
    let check = |replicas: [&str; 3], want: Decision| {
        let verdict = judge(&evidence(replicas));
        assert_eq!(verdict.decision, want, "{replicas:?}: {verdict:#?}");
        assert!(verdict.reasons.len() >= 3, "{verdict:#?}");
        let json = serde_json::to_string(&verdict).unwrap();
        assert_eq!(serde_json::from_str::<firstlight::replog::verdict::Verdict>(&json).unwrap(), verdict);
    };
    check(GOOD, Decision::Healthy);
    for bad in [EMPTY, BLANK, NO_CURRENT, NO_MANIFEST, BAD_MD5, "absent", "replicated-log/recovering"] {
        check([GOOD[0], GOOD[1], bad], Decision::OneReplicaOnly { host: host(3) });
        check([bad, GOOD[0], bad], Decision::DoNotTouchSurvivor { host: host(2) });
        check([bad, bad, bad], Decision::Reinitialize);
    }
    // Unknown is neither good nor bad.
    check(["?", "?", "?"], Decision::CannotTell);
    check([GOOD[0], "?", "?"], Decision::CannotTell);
    check([GOOD[0], "?", EMPTY], Decision::CannotTell);
    check(["?", "?", EMPTY], Decision::CannotTell);
    check([GOOD[0], GOOD[1], "?"], Decision::Healthy);
    check(["?", EMPTY, EMPTY], Decision::CannotTell);
    check([EMPTY, BLANK, NO_CURRENT], Decision::Reinitialize);
}

#[test]
fn answers_leadership_and_mode() {
    let mut survivor = evidence([EMPTY, GOOD[1], EMPTY]);
    for answer in [Answer::Yes, Answer::No, Answer::Unsure] {
        survivor.answers = Answers { failing_over: answer, unusual_messages: answer, log_corrupt: answer };
        assert_eq!(judge(&survivor).decision, Decision::DoNotTouchSurvivor { host: "h2".to_owned() });
    }
    survivor.mode = Mode::Rollback;
    let verdict = judge(&survivor);
    assert_eq!(verdict.decision, Decision::Reinitialize);
    assert!(verdict.reasons.iter().any(|reason| reason.text.contains("aside")));

    let mut well = evidence(GOOD);
    well.answers.log_corrupt = Answer::Yes;
    let verdict = judge(&well);
    assert_eq!(verdict.decision, Decision::Healthy);
    assert!(verdict.reasons.iter().any(|reason| reason.text.starts_with("answered:")), "{verdict:#?}");
    for leadership in [Leadership::Flapping, Leadership::NotRegistering] {
        well.leadership = leadership;
        "4 elections".clone_into(&mut well.leading);
        let verdict = judge(&well);
        assert_eq!((verdict.decision.word(), verdict.copy_first.len()), ("not_the_log", 0));
        assert!(verdict.decision.headline().contains("Mesos side"), "{verdict:#?}");
        let reason = verdict.reasons.iter().find(|reason| reason.text.contains("4 elections")).unwrap();
        assert_eq!(reason.evidence[0].code, "leadership");
        // Evidence of leaders that come and go does not make a damaged log a good one.
        let mut damaged = evidence([GOOD[0], NO_MANIFEST, NO_MANIFEST]);
        damaged.leadership = leadership;
        assert_eq!(judge(&damaged).decision, Decision::DoNotTouchSurvivor { host: "h1".to_owned() });
    }
    assert_eq!(judge(&Evidence::default()).decision, Decision::CannotTell);
}

#[test]
fn who_cannot_tell_says_what_is_missing() {
    let mut unknown = evidence([GOOD[0], "?", "?"]);
    unknown.leadership = Leadership::Unknown;
    let verdict = judge(&unknown);
    assert_eq!(verdict.decision, Decision::CannotTell);
    for wanted in ["h2: read its log directory", "h3: read its log directory", "changes of leadership"] {
        assert!(verdict.missing.iter().any(|missing| missing.starts_with(wanted)), "{wanted}: {:?}", verdict.missing);
    }
    assert!(!verdict.missing.iter().any(|missing| missing.starts_with("h1")), "{:?}", verdict.missing);
    let blind = judge(&evidence(["?", "?", "?"]));
    assert!(blind.missing.iter().any(|missing| missing.contains("may destroy the only good copy")), "{blind:#?}");
    let quorum = judge(&Evidence { quorum: 0, ..evidence([GOOD[0], "?", "?"]) });
    assert!(quorum.missing.iter().any(|missing| missing.contains("-native_log_quorum_size")), "{quorum:#?}");
    let group = judge(&Evidence { quorum: 3, ..evidence([GOOD[0], GOOD[1], "?"]) });
    assert!(
        group.missing.iter().any(|missing| missing.contains("3 replicas with quorum 3 instead of 5")),
        "{group:#?}"
    );
    let nobody = judge(&Evidence { quorum: 2, ..Evidence::default() });
    assert!(nobody.missing.contains(&"at least one replica".to_owned()), "{nobody:#?}");
}

/// Directories small enough to be read many times.
static SMALL: LazyLock<Vec<String>> = LazyLock::new(|| {
    let bytes = |name: &str| directory(name).list().unwrap().iter().map(|file| file.len).sum::<u64>();
    names().into_iter().filter(|name| bytes(name) < 300_000).collect()
});

fn everything(source: &Files) {
    for profile in [Profile::Leveldb14, Profile::Leveldb119, Profile::Leveldb123] {
        let inspection = inspect_as(source, profile);
        for at in inspection.actions().iter().take(8) {
            inspection.payload(source, at);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = decode(&bytes);
        key(&bytes);
        for name in ["CURRENT", "MANIFEST-000002", "000004.log", "000005.ldb"] {
            let mut files: BTreeMap<String, Vec<u8>> = directory("replicated-log/initialized").files().clone();
            files.insert(name.to_owned(), bytes.clone());
            everything(&Files::new("d", files));
        }
    }

    #[test]
    fn no_mutation_panics(
        dir in any::<prop::sample::Index>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of((any::<prop::sample::Index>(), any::<prop::sample::Index>())),
    ) {
        let mut source = directory(&SMALL[dir.index(SMALL.len())]);
        let files: Vec<String> = source.files().keys().filter(|name| !name.starts_with("LO")).cloned().collect();
        for (file, at, byte) in &edits {
            let bytes = source.get_mut(&files[file.index(files.len())]).unwrap();
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
        }
        if let Some((file, at)) = cut {
            let bytes = source.get_mut(&files[file.index(files.len())]).unwrap();
            if !bytes.is_empty() {
                bytes.truncate(at.index(bytes.len()));
            }
        }
        everything(&source);
    }

    /// A checksum that is right over bytes that are wrong: mutations that reach the decoders behind it.
    #[test]
    fn no_sealed_mutation_panics(seed in any::<u64>(), edits in 1_usize..8) {
        let mut source = directory("replicated-log/small-healthy");
        let mut rng = fastrand::Rng::with_seed(seed);
        for name in ["MANIFEST-000025", "000028.log"] {
            let bytes = source.get_mut(name).unwrap();
            let len = usize::from(bytes[4]) | usize::from(bytes[5]) << 8;
            for _ in 0..edits {
                bytes[7 + rng.usize(..len)] = rng.u8(..);
            }
            let crc = firstlight::replog::crc_masked(&[&bytes[6..7 + len]]);
            bytes[..4].copy_from_slice(&crc.to_le_bytes());
        }
        everything(&source);
    }
}
