//! The journal: what is written reads back, what a crash leaves is a beginning of it, and everything else is refused.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests, beside the tests themselves")]

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use firstlight::{
    inventory::Inventory,
    journal::{
        Damage, Fault, Head, Holder, Journal, JournalError, LineHash, MemoryDisk, Record, Sessions, Standing, Torn,
        check_id, decode, encode, read, session_id, sessions_root, verify,
    },
    runbook::Mode,
    session::{AttemptId, Event, Finding, Opened, Outcome, Report, Stamp},
};
use proptest::prelude::*;
use serde_json::json;
use sha2::{Digest, Sha256};

const ID: &str = "20260301-040506-west-7k2m";

pub fn at(n: u64) -> Stamp {
    Stamp { utc_ms: 1_772_337_906_789 + i64::try_from(n).unwrap() * 1000, mono_ms: 4711 + n * 1000 }
}

pub fn opened(id: &str) -> Opened {
    Opened {
        session: id.to_owned(),
        mode: Mode::Recovery,
        operator: "ada".to_owned(),
        machine: "desk".to_owned(),
        version: "0.1.0".to_owned(),
        runbook_name: "restore".to_owned(),
        runbook: "id: restore\n".to_owned(),
        runbook_sha256: "00".to_owned(),
        inventory_name: "west.yaml".to_owned(),
        inventory: Inventory {
            cluster: "west".to_owned(),
            practice: true,
            api: firstlight::inventory::Api::default(),
            zookeeper_auth: None,
            ssh: firstlight::inventory::Ssh::default(),
            vars: [("ratio".to_owned(), json!(0.1)), ("port".to_owned(), json!(8081))].into(),
            services: [].into(),
            firewall: None,
            groups: [].into(),
        },
    }
}

fn note(text: &str) -> Event {
    Event::Noted { text: text.to_owned() }
}

/// One decision after the other: the events of each are written together.
fn decisions() -> Vec<Vec<Event>> {
    let done =
        Report::holds("stopped").with_outputs(json!({"uptime": 0.300_000_000_000_000_04, "lost": ["a", "\u{1f600}"]}));
    vec![
        vec![Event::Opened(Box::new(opened(ID)))],
        vec![Event::Began, Event::StepReady { step: "stop".into() }],
        vec![note("umlauts: äöü, a NUL as \u{0}, a line\nend, a \"quote\"")],
        vec![
            Event::AttemptFinished { attempt: AttemptId(1), outcome: Outcome::Done(done), took_ms: 12 },
            Event::Observed {
                step: "stop".into(),
                host: "s1".into(),
                gate: 0,
                finding: Finding::Unknown,
                seen: "no answer".to_owned(),
                details: vec![],
                outputs: serde_json::Value::Null,
            },
            Event::Held,
        ],
        vec![Event::Ended { outcome: "recovered".to_owned() }],
    ]
}

fn events() -> Vec<Event> {
    decisions().concat()
}

fn write_all(journal: &mut Journal) -> Result<usize, JournalError> {
    let mut written = 0;
    for (n, events) in decisions().iter().enumerate() {
        journal.append(at(n as u64), events)?;
        written += events.len();
    }
    Ok(written)
}

fn whole() -> Vec<u8> {
    let disk = MemoryDisk::default();
    write_all(&mut Journal::on(Box::new(disk.clone()), Head::EMPTY)).unwrap();
    disk.written()
}

fn read_bytes(bytes: &[u8]) -> Result<(Vec<Record>, Option<Torn>), JournalError> {
    read(bytes, Path::new("journal.jsonl"))
}

fn events_of(records: &[Record]) -> Vec<Event> {
    records.iter().map(|record| record.event.clone()).collect()
}

/// What was read is a beginning of what was written, in order, with its times.
fn check_prefix(records: &[Record]) {
    let events = events();
    assert!(records.len() <= events.len());
    assert_eq!(events_of(records), events[..records.len()]);
    for (n, record) in records.iter().enumerate() {
        assert_eq!(record.seq, n as u64 + 1);
    }
}

#[test]
fn reads_back_what_was_written() {
    let disk = MemoryDisk::default();
    let mut journal = Journal::on(Box::new(disk.clone()), Head::EMPTY);
    write_all(&mut journal).unwrap();
    let (records, torn) = read_bytes(&disk.written()).unwrap();
    assert_eq!(torn, None);
    assert_eq!(events_of(&records), events());
    assert_eq!(records[2].at, at(1));
    assert_eq!(journal.head().hash, records.last().unwrap().hash);
    assert_eq!(journal.head().bytes, disk.written().len() as u64);
    assert_eq!((disk.appends(), disk.syncs()), (decisions().len(), decisions().len()), "one write, one sync each");
}

/// The bytes are a contract: a change of them is a new format.
#[test]
fn the_bytes_of_a_record() {
    let line = encode(1, at(0), LineHash::NONE, &note("hello")).unwrap();
    let zeros = "0".repeat(64);
    let covered = format!(
        r#"{{"v":1,"seq":1,"at":"2026-03-01T04:05:06.789Z","utc_ms":1772337906789,"mono_ms":4711,"prev":"{zeros}","event":{{"noted":{{"text":"hello"}}}}"#
    );
    let crc = crc32c::crc32c(covered.as_bytes());
    assert_eq!(String::from_utf8(line.clone()).unwrap(), format!("{covered},\"crc\":\"{crc:08x}\"}}\n"));
    let next = encode(2, at(0), LineHash::of(&line), &Event::Held).unwrap();
    let by_hand = Sha256::digest(&line).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    assert!(String::from_utf8(next).unwrap().contains(&by_hand), "what sha256sum says of the line before");
}

#[test]
fn what_is_never_kept_is_refused_and_closes_the_journal() {
    let disk = MemoryDisk::default();
    let mut journal = Journal::on(Box::new(disk.clone()), Head::EMPTY);
    let fleeting = Event::Refreshed { step: "a".into(), host: "b".into(), gate: 0, seen: "c".to_owned() };
    assert!(matches!(journal.append(at(0), &[note("x"), fleeting]), Err(JournalError::Refused { seq: 2, .. })));
    assert!(matches!(journal.append(at(0), &[note("x")]), Err(JournalError::Poisoned(_))));
    assert_eq!(disk.written(), b"");
}

#[test]
fn a_frozen_disk_leaves_everything_that_was_acknowledged() {
    let syncs = decisions().len();
    for freeze in 1..=syncs + 1 {
        let disk = MemoryDisk::with(Fault::FreezeAtSync(freeze));
        let mut journal = Journal::on(Box::new(disk.clone()), Head::EMPTY);
        let result = write_all(&mut journal);
        assert_eq!(result.is_ok(), freeze > syncs);
        assert_eq!(journal.closed().is_some(), freeze <= syncs);
        let acknowledged: usize = decisions().iter().take(freeze - 1).map(Vec::len).sum();
        let written = disk.written();
        // Whatever part of the last write reached the disk, what was acknowledged is there.
        for end in disk.synced()..=written.len() {
            let (records, torn) = read_bytes(&written[..end]).unwrap();
            check_prefix(&records);
            assert!(records.len() >= acknowledged, "{} of {acknowledged} at {end}", records.len());
            let whole: usize = records.len();
            let line_end = written[..end].last().is_none_or(|byte| *byte == b'\n');
            assert_eq!(torn.is_none(), line_end, "{whole} records, cut at {end}");
        }
    }
}

#[test]
fn errors_of_the_disk_are_final() {
    let size = whole().len();
    let full = (0..size).step_by(7).map(Fault::FullAfter);
    for fault in full.chain((1..=decisions().len()).map(Fault::SyncFails)) {
        let disk = MemoryDisk::with(fault);
        let mut journal = Journal::on(Box::new(disk.clone()), Head::EMPTY);
        assert!(matches!(write_all(&mut journal), Err(JournalError::Disk { .. })), "{fault:?}");
        let (before, appends) = (disk.written(), disk.appends());
        assert!(matches!(journal.append(at(99), &[note("more")]), Err(JournalError::Poisoned(_))), "{fault:?}");
        assert_eq!((disk.written(), disk.appends()), (before.clone(), appends), "nothing is tried again");
        let (records, _) = read_bytes(&before).unwrap();
        check_prefix(&records);
        assert!(records.len() as u64 >= journal.head().seq);
    }
}

#[test]
fn short_writes_are_completed() {
    for size in [1, 2, 100, 4096] {
        let disk = MemoryDisk::with(Fault::ShortWrites(size));
        write_all(&mut Journal::on(Box::new(disk.clone()), Head::EMPTY)).unwrap();
        assert_eq!(disk.written(), whole(), "{size}");
        assert_eq!(disk.syncs(), decisions().len());
    }
}

#[test]
fn one_flipped_bit_is_never_read_as_something_else() {
    let bytes = whole();
    let last_line = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    for n in 0..bytes.len() {
        for bit in [0, 3, 6] {
            let mut damaged = bytes.clone();
            damaged[n] ^= 1 << bit;
            match read_bytes(&damaged) {
                Ok((records, torn)) => {
                    check_prefix(&records);
                    assert!(torn.is_some() && n >= last_line, "bit {bit} of byte {n} went unseen");
                }
                Err(JournalError::Damaged { offset, .. }) => assert!(offset <= n as u64),
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn a_hole_or_a_tail_of_nul_bytes() {
    let bytes = whole();
    let line_ends: Vec<_> = (0..bytes.len()).filter(|n| bytes[*n] == b'\n').collect();
    let mut hole = bytes.clone();
    hole[line_ends[1] + 1..=line_ends[2]].fill(0);
    let error = read_bytes(&hole).unwrap_err();
    assert!(matches!(&error, JournalError::Damaged { line: 3, what: Damage::Nul, .. }), "{error}");
    let mut tail = bytes;
    tail.extend_from_slice(&[0; 5000]);
    let (records, torn) = read_bytes(&tail).unwrap();
    assert_eq!((records.len(), torn.unwrap().bytes.len()), (events().len(), 5000));
}

/// Lines that no crash leaves: each is refused with its place, also as the last.
#[test]
fn what_was_changed_by_hand_is_refused() {
    let text = String::from_utf8(whole()).unwrap();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let check = |lines: &[String], line: u64, part: &str| {
        let bytes = lines.concat();
        match read_bytes(bytes.as_bytes()) {
            Err(error @ JournalError::Damaged { line: found, .. }) => {
                assert_eq!(found, line, "{error}");
                assert!(error.to_string().contains(part), "{error}");
            }
            other => panic!("{part}: {other:?}"),
        }
    };
    let owned: Vec<String> = lines.iter().map(ToString::to_string).collect();
    let last = owned.len();
    let with = |at: usize, line: String| {
        owned.iter().cloned().enumerate().map(|(n, l)| if n == at { line.clone() } else { l }).collect::<Vec<_>>()
    };
    let edit = |at: usize, from: &str, to: &str| {
        let edited = lines[at].replacen(from, to, 1);
        assert_ne!(edited, lines[at]);
        with(at, resealed(&edited))
    };
    check(&edit(1, "began", "begun"), 2, "not known to this version: begun");
    check(&edit(last - 1, "\"ended\"", "\"endid\""), last as u64, "endid");
    check(&edit(last - 1, "\"v\":1", "\"v\":2"), last as u64, "format 2");
    check(&edit(last - 1, "{\"v\":1", "{\"v\":1,\"w\":1"), last as u64, "unknown field `w`");
    check(&edit(last - 1, "utc_ms\":1", "utc_ms\":2"), last as u64, "different times");
    check(&edit(last - 1, &format!("\"seq\":{last}"), "\"seq\":77"), last as u64, "is 77");
    check(&edit(2, "ready", "reidy"), 3, "not known");
    check(&edit(3, "umlauts", "Umlauts"), 5, "was changed");
    let mut without = owned.clone();
    without.remove(2);
    check(&without, 3, "number is 4, 3 comes here");
    let mut twice = owned.clone();
    twice.insert(2, owned[1].clone());
    check(&twice, 3, "number is 2, 3 comes here");
    check(&[owned.clone(), vec!["\n".to_owned(), owned[1].clone()]].concat(), last as u64 + 1, "cut off");
}

/// The same line with a checksum that is right.
fn resealed(line: &str) -> String {
    let covered = &line[..line.rfind(",\"crc\"").unwrap()];
    format!("{covered},\"crc\":\"{:08x}\"}}\n", crc32c::crc32c(covered.as_bytes()))
}

#[test]
fn a_line_without_an_end_is_bounded() {
    let endless = vec![b'x'; firstlight::journal::LINE_BYTES_MAX * 2];
    assert!(matches!(read_bytes(&endless), Err(JournalError::Damaged { line: 1, what: Damage::TooLong, .. })));
    let event = note(&"x".repeat(firstlight::journal::LINE_BYTES_MAX));
    assert!(encode(1, at(0), LineHash::NONE, &event).is_err());
    // Deeper than the reader goes: it is refused when it is written, not when it is read.
    let deep = (0..500).fold(json!(1), |value, _| json!([value]));
    let report = Report::holds("deep").with_outputs(deep);
    let event = Event::AttemptFinished { attempt: AttemptId(1), outcome: Outcome::Done(report), took_ms: 0 };
    assert!(encode(1, at(0), LineHash::NONE, &event).unwrap_err().contains("read back"));
}

fn values() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(|flag| json!(flag)),
        any::<i64>().prop_map(|number| json!(number)),
        any::<u64>().prop_map(|number| json!(number)),
        proptest::num::f64::NORMAL.prop_map(|number| json!(number)),
        ".*".prop_map(|text| json!(text)),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|list| json!(list)),
            prop::collection::btree_map(".{0,8}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_and_any_value_read_back(text in any::<String>(), outputs in values(), utc_ms in any::<i64>(), mono_ms in any::<u64>()) {
        let stamp = Stamp { utc_ms, mono_ms };
        let outcome = Outcome::Done(Report::holds(text).with_outputs(outputs));
        let event = Event::AttemptFinished { attempt: AttemptId(mono_ms), outcome, took_ms: 1 };
        let line = encode(9, stamp, LineHash([7; 32]), &event).unwrap();
        let record = decode(&line, 9, LineHash([7; 32])).unwrap();
        prop_assert_eq!(record.event, event);
        prop_assert_eq!(record.at, stamp);
    }

    #[test]
    fn any_change_is_a_prefix_or_a_refusal(from in any::<prop::sample::Index>(), len in 0_usize..300, new in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = whole();
        let from = from.index(bytes.len());
        let to = (from + len).min(bytes.len());
        let _removed: Vec<_> = bytes.splice(from..to, new).collect();
        if let Ok((records, _)) = read_bytes(&bytes) {
            check_prefix(&records);
        }
    }

    #[test]
    fn any_bytes_are_refused_or_torn(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        if let Ok((records, _)) = read_bytes(&bytes) {
            prop_assert!(records.is_empty());
        }
    }

    #[test]
    fn ids_name_directories_and_sort_by_time(cluster in any::<String>(), random in any::<u32>(), one in 0_i64..4_000_000_000_000, two in 0_i64..4_000_000_000_000) {
        let id = |utc_ms| session_id(Stamp { utc_ms, mono_ms: 0 }, &cluster, random);
        prop_assert!(check_id(&id(one)).is_ok(), "{}", id(one));
        if one / 1000 < two / 1000 {
            prop_assert!(id(one) < id(two));
        }
    }
}

#[test]
fn ids() {
    assert_eq!(session_id(at(0), "West  Coast/1!", 0), "20260301-040506-west-coast-1-0000");
    assert_eq!(session_id(at(0), "\u{e9}\u{e9}", u32::MAX), "20260301-040506-cluster-zzzz");
    for bad in ["", ".", "..", "a/b", "-x", "A", "a b", "journal.jsonl", &"x".repeat(81)] {
        assert!(check_id(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn where_sessions_are() {
    let root = |xdg: Option<&str>, home: Option<&str>| sessions_root(xdg.map(Into::into), home.map(Into::into));
    assert_eq!(root(Some("/state"), Some("/home/ada")), Some(PathBuf::from("/state/firstlight/sessions")));
    for xdg in [None, Some(""), Some("relative")] {
        assert_eq!(root(xdg, Some("/home/ada")), Some(PathBuf::from("/home/ada/.local/state/firstlight/sessions")));
    }
    assert_eq!(root(None, Some("home")), None);
    assert_eq!(root(None, None), None);
}

fn holder() -> Holder {
    Holder::this_process("grace", "laptop", at(50))
}

fn sessions() -> (tempfile::TempDir, Sessions) {
    let temp = tempfile::tempdir().unwrap();
    let sessions = Sessions::at(temp.path().join("state/firstlight/sessions"));
    (temp, sessions)
}

#[test]
fn a_directory_that_only_its_owner_reads() {
    let (_temp, sessions) = sessions();
    let journal = sessions.create(&opened(ID), at(0)).unwrap();
    let dir = journal.dir().unwrap().clone();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for private in [sessions.root(), dir.path(), &dir.kept(), dir.output(AttemptId(3)).parent().unwrap()] {
        assert_eq!(mode(private), 0o700, "{}", private.display());
    }
    for file in [dir.journal(), dir.path().join("lock")] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    assert!(dir.output(AttemptId(3)).ends_with("output/a3.log"));
    let names: Vec<_> = fs::read_dir(sessions.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [ID]);
    assert!(matches!(sessions.create(&opened(ID), at(0)), Err(JournalError::Exists(_))));
    assert!(matches!(sessions.create(&opened("../x"), at(0)), Err(JournalError::BadId(_))));
}

#[test]
fn one_writer_and_any_number_of_readers() {
    let (_temp, sessions) = sessions();
    let mut journal = sessions.create(&opened(ID), at(0)).unwrap();
    let Err(JournalError::Locked { by, .. }) = sessions.open_for_writing(ID, &holder()) else { panic!("not locked") };
    assert_eq!((by.operator.as_str(), by.pid), ("ada", std::process::id()));
    assert!(by.to_string().contains("ada on desk"), "{by}");
    journal.append(at(1), &[note("one")]).unwrap();
    assert_eq!(sessions.open_read_only(ID).unwrap().0.len(), 2);
    assert_eq!(sessions.list().unwrap()[0].held_by, Some(by));
    drop(journal);
    assert_eq!(sessions.list().unwrap()[0].held_by, None);
    let (mut journal, records, torn) = sessions.open_for_writing(ID, &holder()).unwrap();
    assert_eq!((records.len(), torn), (2, None));
    journal.append(at(2), &[note("two")]).unwrap();
    assert_eq!(journal.head().seq, 3);
    let verified = verify(journal.dir().unwrap().path()).unwrap();
    assert_eq!((verified.records, verified.first, verified.last), (3, at(0), at(2)));
    assert_eq!(verified.head, journal.head().hash);
    assert_eq!(journal.head().bytes, fs::metadata(journal.dir().unwrap().journal()).unwrap().len());
}

#[test]
fn a_torn_end_is_set_aside_and_the_session_goes_on() {
    let (_temp, sessions) = sessions();
    let mut journal = sessions.create(&opened(ID), at(0)).unwrap();
    journal.append(at(1), &[note("one")]).unwrap();
    let dir = journal.dir().unwrap().clone();
    drop(journal);
    for n in 1..=2 {
        let before = fs::read(dir.journal()).unwrap();
        fs::OpenOptions::new().append(true).open(dir.journal()).unwrap().write_all(b"{\"v\":1,\"seq\"").unwrap();
        assert!(sessions.list().unwrap()[0].torn);
        let (_, torn) = sessions.open_read_only(ID).unwrap();
        assert_eq!(torn.as_ref().unwrap().offset, before.len() as u64);
        assert_ne!(fs::read(dir.journal()).unwrap(), before, "a reader changes nothing");
        let (mut journal, records, torn) = sessions.open_for_writing(ID, &holder()).unwrap();
        assert_eq!(torn.unwrap().bytes, b"{\"v\":1,\"seq\"");
        assert_eq!(fs::read(dir.path().join(format!("journal.torn-{n}"))).unwrap(), b"{\"v\":1,\"seq\"");
        assert_eq!(fs::read(dir.journal()).unwrap(), before);
        journal.append(at(2), &[note("more")]).unwrap();
        assert_eq!(sessions.open_read_only(ID).unwrap().0.len(), records.len() + 1);
    }
}

#[test]
fn a_damaged_session_is_listed_and_not_opened() {
    let (_temp, sessions) = sessions();
    let mut journal = sessions.create(&opened(ID), at(0)).unwrap();
    journal.append(at(1), &[note("one"), note("two")]).unwrap();
    let path = journal.dir().unwrap().journal();
    drop(journal);
    let text = fs::read_to_string(&path).unwrap().replace("one", "0ne");
    fs::write(&path, &text).unwrap();
    let error = sessions.open_for_writing(ID, &holder()).unwrap_err();
    assert!(matches!(error, JournalError::Damaged { line: 2, what: Damage::Checksum, .. }), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "it is left as it is");
    let listing = &sessions.list().unwrap()[0];
    assert!(matches!(&listing.standing, Standing::Damaged { why } if why.contains("line 2")));
    assert_eq!(listing.heading.as_ref().unwrap().cluster, "west");
    let (records, error) = sessions.salvage(ID).unwrap();
    assert_eq!((records.len(), error.is_some()), (1, true));
    fs::write(&path, "").unwrap();
    assert!(matches!(sessions.open_for_writing(ID, &holder()), Err(JournalError::Empty(_))));
    assert!(matches!(&sessions.list().unwrap()[0].standing, Standing::Damaged { .. }));
}

#[test]
fn sessions_are_found_by_part_of_their_name() {
    let (_temp, sessions) = sessions();
    assert_eq!(sessions.list().unwrap(), []);
    assert!(matches!(sessions.resolve("last"), Err(JournalError::NoSuchSession { .. })));
    let other = "20260302-000000-east-0000";
    for (n, id) in [ID, other].into_iter().enumerate() {
        sessions.create(&opened(id), at(n as u64)).unwrap();
    }
    fs::create_dir(sessions.root().join(".20260303-x.new")).unwrap();
    fs::write(sessions.root().join("stray"), "").unwrap();
    let listed: Vec<_> = sessions.list().unwrap().into_iter().map(|listing| listing.id).collect();
    assert_eq!(listed, [other, ID]);
    assert_eq!(sessions.resolve("last").unwrap(), other);
    for word in [ID, "20260301", "7k2m"] {
        assert_eq!(sessions.resolve(word).unwrap(), ID);
    }
    assert!(matches!(sessions.resolve("2026030"), Err(JournalError::Ambiguous { .. })));
    for word in ["", "nope", "../x"] {
        assert!(matches!(sessions.resolve(word), Err(JournalError::NoSuchSession { .. })), "{word:?}");
    }
    assert!(matches!(sessions.open_read_only("nope"), Err(JournalError::NoSuchSession { .. })));
}
