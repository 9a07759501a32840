//! Directories made from first principles, for rules that no recorded directory shows.

use std::collections::BTreeMap;

use super::encode::{Entries, batch, log_record, manifest, table};
use super::manifest::TableMeta;
use super::table::{MAGIC, crc_masked};
use super::{Profile, wal};
use crate::aurora::log_entry::{LogEntry, Transaction, split_into_frames};
use crate::replog::{
    Action, ActionKind, Files, Inspection, METADATA_KEY, Severity, Span, Status, encode_action, encode_metadata,
    inspect_as, key_of,
};

fn nop(position: u64, tombstone: bool, learned: bool) -> Vec<u8> {
    let kind = Some(ActionKind::Nop { tombstone });
    encode_action(&Action { position, promised: 1, performed: Some(1), learned: Some(learned), kind }, &[])
}

fn append(position: u64, len: usize) -> Vec<u8> {
    let kind = Some(ActionKind::Append { len: len as u64 });
    let bytes: Vec<u8> = (0..len).map(|n| (n as u64 ^ position) as u8).collect();
    encode_action(&Action { position, promised: 1, performed: Some(1), learned: Some(true), kind }, &bytes)
}

fn truncate(position: u64, to: u64) -> Vec<u8> {
    let kind = Some(ActionKind::Truncate { to });
    encode_action(&Action { position, promised: 1, performed: Some(1), learned: Some(true), kind }, &[])
}

/// A key, and a value or a deletion.
type Op = (Vec<u8>, Option<Vec<u8>>);
/// A sequence number, a key, and a value or a deletion.
type Row<'r> = (u64, &'r [u8], Option<Vec<u8>>);

/// A directory in the making.
#[derive(Default)]
struct Made {
    files: BTreeMap<String, Vec<u8>>,
    tables: Vec<TableMeta>,
    log_number: u64,
    last_sequence: u64,
}

impl Made {
    fn new() -> Self {
        Self { log_number: 9, ..Self::default() }
    }

    /// A table of these keys and values; listed by the manifest in a level, or not at all.
    fn table(&mut self, number: u64, level: Option<u32>, suffix: &str, entries: &[Row<'_>]) {
        let entries: Entries =
            entries.iter().map(|(sequence, key, value)| (key.to_vec(), (*sequence, value.clone()))).collect();
        let (bytes, smallest, largest) = table(&entries).unwrap();
        let size = bytes.len() as u64;
        self.files.insert(format!("{number:06}.{suffix}"), bytes);
        if let Some(level) = level {
            self.tables.push(TableMeta { level, number, size, smallest, largest });
        }
    }

    fn wal(&mut self, number: u64, batches: &[(u64, Vec<Op>)]) {
        let mut file = Vec::new();
        for (sequence, ops) in batches {
            let ops: Vec<(&[u8], Option<&[u8]>)> =
                ops.iter().map(|(key, value)| (key.as_slice(), value.as_deref())).collect();
            let record = log_record(file.len() as u64, &batch(*sequence, &ops));
            file.extend(record);
        }
        self.files.insert(format!("{number:06}.log"), file);
    }

    fn files(mut self) -> Files {
        let bytes = manifest(self.log_number, 100, self.last_sequence, self.tables.iter());
        self.files.insert("MANIFEST-000001".to_owned(), bytes);
        self.files.insert("CURRENT".to_owned(), b"MANIFEST-000001\n".to_vec());
        Files::new("/log", self.files)
    }
}

fn voting() -> Op {
    (METADATA_KEY.to_vec(), Some(encode_metadata(Status::Voting, 1)))
}

fn put(position: u64, value: Vec<u8>) -> Op {
    (key_of(position), Some(value))
}

fn seen(inspection: &Inspection) -> Vec<u64> {
    inspection.actions().iter().map(|at| at.action.position).collect()
}

fn look(files: &Files) -> Inspection {
    inspect_as(files, Profile::Leveldb119)
}

#[test]
fn records_cross_blocks_and_padding() {
    // Lengths around the end of a block leave every remainder that can be left, the ones too short for a head too.
    for tail in 0..24_usize {
        let mut made = Made::new();
        let batches: Vec<_> = (1..=6_u64)
            .map(|n| (n, vec![put(n, append(n, if n % 2 == 0 { 70_000 } else { 32_700 - tail }))]))
            .chain([(7, vec![voting()])])
            .collect();
        made.wal(9, &batches);
        let mut files = made.files();
        // Space that was reserved and never written follows.
        files.get_mut("000009.log").unwrap().extend(vec![0; 40_000]);
        let inspection = look(&files);
        assert_eq!(seen(&inspection), [1, 2, 3, 4, 5, 6], "{tail}");
        assert_eq!(inspection.mesos_view.status, Some(Status::Voting));
        assert!(inspection.worst().is_none_or(|worst| worst < Severity::Damage), "{:?}", inspection.findings);
        for at in inspection.actions() {
            assert!(inspection.payload(&files, at).is_some());
        }
    }
}

#[test]
fn a_bad_byte_costs_the_rest_of_its_block_and_what_follows_is_salvaged() {
    let mut made = Made::new();
    let batches: Vec<_> =
        [(1, vec![voting()])].into_iter().chain((2..=200).map(|n| (n, vec![put(n, append(n, 500))]))).collect();
    made.wal(9, &batches);
    let mut files = made.files();
    let log = files.get_mut("000009.log").unwrap();
    let at = log.windows(10).position(|bytes| bytes == key_of(10)).unwrap();
    log[at + 40] ^= 1;
    let inspection = look(&files);
    let lost = inspection.findings.iter().find(|finding| finding.code == "wal-corrupt").unwrap();
    assert_eq!(lost.positions.first().map(|span| span.first), Some(10), "{lost:?}");
    let last = lost.positions[0].last;
    assert!(last > 50 && !seen(&inspection).contains(&11) && seen(&inspection).contains(&(last + 2)));
    // All but the changed record can be read from the file.
    let hidden = &inspection.salvage.hidden_spans;
    assert_eq!(hidden.first().map(|span| span.first), Some(11), "{hidden:?}");
}

#[test]
fn names_of_tables_and_what_is_not_listed() {
    let made = |suffix: &str| {
        let mut made = Made::new();
        let (key, value) = voting();
        made.table(3, Some(1), suffix, &[(1, &key, value), (2, &key_of(1), Some(nop(1, false, true)))]);
        made.table(4, Some(1), "ldb", &[(3, &key_of(2), Some(nop(2, false, true)))]);
        made.table(5, None, "ldb", &[(4, &key_of(3), Some(nop(3, false, true)))]);
        made.last_sequence = 9;
        made.wal(9, &[]);
        made
    };
    let mixed = look(&made("sst").files());
    assert_eq!(seen(&mixed), [1, 2]);
    let stray = mixed.findings.iter().find(|finding| finding.code == "table-unreferenced").unwrap();
    assert_eq!(
        (stray.file.as_deref(), stray.positions.as_slice()),
        (Some("000005.ldb"), [Span { first: 3, last: 3 }].as_slice())
    );
    assert_eq!(mixed.salvage.hidden_spans, [Span { first: 3, last: 3 }]);
    // Before 1.5 the library knew `.sst` only, and missed no missing table.
    let old = inspect_as(&made("sst").files(), Profile::Leveldb14);
    assert_eq!((old.mesos_view.status, seen(&old)), (Some(Status::Voting), vec![1]));
    let downgraded = inspect_as(&made("ldb").files(), Profile::Leveldb14);
    assert_eq!(downgraded.mesos_view.status, Some(Status::Empty));
    assert!(downgraded.has("positions-lost"));
    // Both names for one number: the newer one counts.
    let mut both = made("ldb");
    both.files.insert("000004.sst".to_owned(), b"no table".to_vec());
    assert_eq!(seen(&look(&both.files())), [1, 2]);
    let mut missing = made("ldb");
    missing.files.remove("000003.ldb");
    missing.files.remove("000004.ldb");
    let files = missing.files();
    let error = look(&files).mesos_view.error.clone();
    assert_eq!(error.as_deref(), Some("Corruption: 2 missing files; e.g.: /log/000003.ldb"));
    assert!(inspect_as(&files, Profile::Leveldb14).mesos_view.opens);
}

#[test]
fn which_logs_are_replayed() {
    let with = |prev: u64| {
        let mut made = Made::new();
        made.wal(7, &[(1, vec![put(1, nop(1, false, true))])]);
        made.wal(8, &[(2, vec![put(2, nop(2, false, true))])]);
        made.wal(9, &[(3, vec![put(3, nop(3, false, true)), voting()])]);
        made.wal(12, &[(5, vec![put(4, nop(4, false, true))])]);
        let mut files = made.files();
        // Another edit: the previous log's number.
        let current = files.get_mut("MANIFEST-000001").unwrap();
        let edit = log_record(current.len() as u64, &[9, prev as u8]);
        current.extend(edit);
        files
    };
    assert_eq!(seen(&look(&with(0))), [3, 4]);
    assert_eq!(seen(&look(&with(8))), [2, 3, 4]);
    let hidden = look(&with(0)).salvage.hidden_spans.clone();
    assert_eq!(hidden, [Span { first: 1, last: 2 }]);
}

#[test]
fn newer_entries_hide_older_ones_across_levels() {
    let mut made = Made::new();
    let (key, value) = voting();
    made.table(
        2,
        Some(2),
        "ldb",
        &[
            (1, &key, value),
            (2, &key_of(1), Some(nop(1, false, true))),
            (3, &key_of(2), Some(nop(2, false, false))),
            (4, &key_of(5), Some(nop(5, false, true))),
        ],
    );
    made.table(3, Some(0), "ldb", &[(10, &key_of(2), Some(nop(2, false, true))), (11, &key_of(5), None)]);
    made.table(4, Some(0), "ldb", &[(12, &key_of(1), None), (13, &key_of(3), Some(nop(3, false, false)))]);
    // Beyond the last sequence that the manifest and the log know: not there for whoever iterates.
    made.table(5, Some(0), "ldb", &[(99, &key_of(4), Some(nop(4, false, true)))]);
    made.last_sequence = 13;
    made.wal(9, &[(14, vec![put(6, nop(6, false, true)), (key_of(3), None)])]);
    let inspection = look(&made.files());
    assert_eq!(seen(&inspection), [2, 6]);
    let view = &inspection.mesos_view;
    assert_eq!((view.end, view.holes, view.unlearned), (Some(6), Some(5), Some(0)));
}

#[test]
fn manifests_that_cannot_be_used() {
    let base = Made::new().files().files()["MANIFEST-000001"].clone();
    let comparator = [&[1_u8, 5][..], b"other", &[2, 9, 3, 1, 4, 1]].concat();
    let rows: [(&[u8], &str); 6] = [
        (&[99], "Corruption: VersionEdit: unknown tag"),
        (&[0x80], "Corruption: VersionEdit: invalid tag"),
        (&[7, 0, 1, 1, 9, 1], "Corruption: VersionEdit: new-file entry"),
        (&[6, 7, 1], "Corruption: VersionEdit: deleted file"),
        (&[5, 1, 9], "Corruption: VersionEdit: compaction pointer"),
        (&comparator, "Invalid argument: other does not match existing comparator : leveldb.BytewiseComparator"),
    ];
    let with = |manifest: Vec<u8>| {
        let mut files = Made::new().files();
        *files.get_mut("MANIFEST-000001").unwrap() = manifest;
        files
    };
    for (edit, error) in rows {
        let manifest = [base.clone(), log_record(base.len() as u64, edit)].concat();
        assert_eq!(look(&with(manifest)).mesos_view.error.as_deref(), Some(error));
    }
    for (edit, error) in [
        (&[3_u8, 1][..], "Corruption: no meta-lognumber entry in descriptor"),
        (&[3, 1, 2, 1], "Corruption: no last-sequence-number entry in descriptor"),
    ] {
        assert_eq!(look(&with(log_record(0, edit))).mesos_view.error.as_deref(), Some(error));
    }
    // The last edit is cut off: only 1.4 says so.
    let mut torn = [base.clone(), log_record(base.len() as u64, &[2, 9])].concat();
    torn.pop();
    let files = with(torn);
    assert!(look(&files).mesos_view.opens && look(&files).has("manifest-torn"));
    let error = inspect_as(&files, Profile::Leveldb14).mesos_view.error.clone();
    assert_eq!(error.as_deref(), Some("Corruption: bad record length"));
    // Of several manifests, CURRENT decides.
    let mut two = Made::new().files();
    let other = log_record(0, &[99]);
    two = Files::new("/log", two.files().clone().into_iter().chain([("MANIFEST-000005".to_owned(), other)]).collect());
    assert!(look(&two).mesos_view.opens);
    for (current, error) in [
        (&b"MANIFEST-000005"[..], "Corruption: CURRENT file does not end with newline"),
        (b"MANIFEST-000005\n", "Corruption: VersionEdit: unknown tag"),
        (b"MANIFEST-000007\n", "IO error: /log/MANIFEST-000007: No such file or directory"),
        (b"\n", "IO error: /log/: Is a directory"),
    ] {
        *two.get_mut("CURRENT").unwrap() = current.to_vec();
        assert_eq!(look(&two).mesos_view.error.as_deref(), Some(error));
    }
}

#[test]
fn positions_at_the_edges() {
    type Case = (Vec<(Vec<u8>, Vec<u8>)>, (u64, u64, u64));
    let rows: [Case; 5] = [
        // A learned tombstone drops all before itself.
        (vec![(key_of(5), nop(5, true, true)), (key_of(6), nop(6, false, true))], (6, 6, 0)),
        (vec![(key_of(5), nop(5, true, false))], (0, 5, 5)),
        // Truncated beyond the end.
        (vec![(key_of(3), truncate(3, 10))], (10, 3, 0)),
        // Keys above ten digits.
        (vec![(key_of(10_000_000_000), nop(10_000_000_000, false, true))], (0, 10_000_000_000, 10_000_000_000)),
        // Releases up to 1.11 gave this position the key of the metadata.
        (vec![(METADATA_KEY.to_vec(), nop(4_294_967_295, false, true))], (0, 4_294_967_295, 4_294_967_295)),
    ];
    for (entries, (begin, end, holes)) in rows {
        let mut made = Made::new();
        let ops: Vec<_> = entries.into_iter().map(|(key, value)| (key, Some(value))).collect();
        made.wal(9, &[(1, ops)]);
        let view = look(&made.files()).summary.mesos_view;
        assert_eq!((view.begin, view.end, view.holes), (Some(begin), Some(end), Some(holes)));
    }
    // Two keys with one position: the last one that an iteration gives stands.
    let mut made = Made::new();
    made.wal(9, &[(1, vec![(b"-5".to_vec(), Some(nop(7, false, true))), (key_of(7), Some(nop(7, false, false)))])]);
    let view = look(&made.files()).summary.mesos_view;
    assert_eq!((view.actions, view.unlearned), (1, Some(1)));
}

#[test]
fn batches_that_do_not_keep_their_word() {
    let mut long = batch(1, &[(METADATA_KEY, Some(&encode_metadata(Status::Voting, 1)))]);
    long[8] = 7;
    let cut = {
        let value = nop(1, false, true);
        let mut cut = batch(20, &[(&key_of(1), Some(&value)), (&key_of(2), Some(&value))]);
        cut.truncate(cut.len() - 4);
        cut
    };
    let mut made = Made::new();
    let mut file = log_record(0, &long);
    for record in [cut, vec![1, 2, 3]] {
        file.extend(log_record(file.len() as u64, &record));
    }
    made.files.insert("000009.log".to_owned(), file);
    let inspection = look(&made.files());
    // What came before the error stands.
    assert_eq!((inspection.mesos_view.status, seen(&inspection)), (Some(Status::Voting), vec![1]));
    assert_eq!(inspection.findings.iter().filter(|finding| finding.code == "wal-batch").count(), 3);
    assert!(wal::batch(&[1, 2, 3]).is_none());
}

/// A table of one block that is stored as given, with an index that points at it.
fn one_block(block: &[u8], kind: u8) -> Vec<u8> {
    let mut file = Vec::new();
    let close = |file: &mut Vec<u8>, bytes: &[u8], kind: u8| {
        let handle = [varint(file.len() as u64), varint(bytes.len() as u64)].concat();
        file.extend_from_slice(bytes);
        file.push(kind);
        file.extend_from_slice(&crc_masked(&[bytes, &[kind]]).to_le_bytes());
        handle
    };
    let handle = close(&mut file, block, kind);
    let mut index = vec![0, 18, handle.len() as u8];
    index.extend_from_slice(b"9999999999\x01\xff\xff\xff\xff\xff\xff\xff");
    index.extend_from_slice(&handle);
    index.extend_from_slice(&[0, 0, 0, 0, 1, 0, 0, 0]);
    let mut footer = close(&mut file, &[0, 0, 0, 0, 1, 0, 0, 0], 0);
    footer.extend(close(&mut file, &index, 0));
    footer.resize(40, 0);
    footer.extend_from_slice(&MAGIC.to_le_bytes());
    file.extend(footer);
    file
}

fn varint(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

#[test]
fn blocks_of_all_kinds() {
    type Case<'c> = (&'static str, &'c [u8], u8, Option<Status>, Option<Status>);
    // The block of a table of our own making, taken out of it.
    let entries = Entries::from([(METADATA_KEY.to_vec(), (1, Some(encode_metadata(Status::Voting, 3))))]);
    let (whole, smallest, largest) = table(&entries).unwrap();
    let block = whole.get(..whole.windows(8).position(|bytes| bytes == [0, 0, 0, 0, 1, 0, 0, 0]).unwrap() + 8).unwrap();
    let snappy = snap::raw::Encoder::new().compress_vec(block).unwrap();
    let huge = [varint(1 << 40), vec![0; 8]].concat();
    let rows: [Case<'_>; 5] = [
        ("plain", block, 0, Some(Status::Voting), Some(Status::Voting)),
        ("snappy", &snappy, 1, Some(Status::Empty), Some(Status::Voting)),
        ("no snappy", block, 1, Some(Status::Empty), Some(Status::Empty)),
        ("no end to it", &huge, 1, Some(Status::Empty), Some(Status::Empty)),
        ("unknown", block, 5, Some(Status::Empty), Some(Status::Empty)),
    ];
    for (name, bytes, kind, bundled, distribution) in rows {
        let mut made = Made::new();
        let file = one_block(bytes, kind);
        let size = file.len() as u64;
        made.files.insert("000003.ldb".to_owned(), file);
        let (smallest, largest) = (smallest.clone(), largest.clone());
        made.tables.push(TableMeta { level: 1, number: 3, size, smallest, largest });
        made.last_sequence = 5;
        made.wal(9, &[]);
        let files = made.files();
        assert_eq!(look(&files).mesos_view.status, bundled, "{name}");
        let other = inspect_as(&files, Profile::Leveldb123);
        assert_eq!(other.mesos_view.status, distribution, "{name}: {:?}", other.findings);
    }
}

#[test]
fn an_index_that_points_outside_is_named() {
    let mut made = Made::new();
    let (key, value) = voting();
    made.table(3, Some(1), "ldb", &[(1, &key, value)]);
    made.last_sequence = 5;
    made.wal(9, &[]);
    let mut files = made.files();
    let table = files.get_mut("000003.ldb").unwrap();
    // The index's only entry ends with the handle of the only block: an offset of zero, and its size.
    let handle = table.windows(8).rposition(|bytes| bytes == [0, 0, 0, 0, 1, 0, 0, 0]).unwrap() - 2;
    table[handle] = 0x7f;
    let inspection = look(&files);
    assert_eq!(inspection.mesos_view.status, Some(Status::Empty));
    for code in ["index-checksum", "block-outside"] {
        assert!(inspection.has(code), "{:?}", inspection.findings);
    }
}

/// A name, records by key, and what is expected of the content.
type Case = (&'static str, Vec<Vec<u8>>, [u64; 5]);

/// Entries of Aurora under keys that may not be their positions, in a table, whose values are read as they pass by, and
/// in a write-ahead log, whose values are read again.
#[test]
fn content_is_in_the_order_of_positions_whatever_the_keys() {
    let entry = |position: u64, payload: &[u8]| {
        let kind = Some(ActionKind::Append { len: payload.len() as u64 });
        encode_action(&Action { position, promised: 1, performed: Some(1), learned: Some(true), kind }, payload)
    };
    let noop = LogEntry::Noop.encode();
    let frames = split_into_frames(&LogEntry::Transaction(Transaction::of(&[])).encode(), 12);
    let [header, one, two] = frames.as_slice() else { panic!("{} frames", frames.len()) };
    // By key: the record. Then entries, noops, transactions, what is stepped over, and aborted frames.
    let cases: [Case; 6] = [
        ("in order", vec![entry(1, header), entry(2, one), entry(3, two), entry(4, &noop)], [4, 1, 1, 0, 0]),
        ("out of order", vec![entry(1, header), entry(3, two), entry(2, one), entry(4, &noop)], [4, 1, 1, 0, 0]),
        ("twice", vec![entry(1, &noop), entry(2, header), entry(2, &noop)], [2, 2, 0, 0, 0]),
        ("cut", vec![entry(1, header), entry(2, one), entry(4, &noop), nop(5, false, true)], [3, 1, 0, 1, 1]),
        ("truncated", vec![entry(1, &noop), entry(2, &noop), entry(3, &noop), truncate(4, 3)], [1, 1, 0, 1, 0]),
        ("to nothing", vec![entry(1, &noop), entry(2, &noop), truncate(3, 3)], [0, 0, 0, 1, 0]),
    ];
    for (name, records, expected) in cases {
        let keys: Vec<Vec<u8>> = (1..).map(key_of).take(records.len()).collect();
        let (mut table, mut wal) = (Made::new(), Made::new());
        let rows: Vec<Row<'_>> = (1..)
            .zip(&keys)
            .zip(&records)
            .map(|((n, key), record)| (n, key.as_slice(), Some(record.clone())))
            .collect();
        table.table(3, Some(1), "ldb", &rows);
        table.last_sequence = 99;
        table.wal(9, &[(50, vec![voting()])]);
        let puts = keys.iter().zip(&records).map(|(key, record)| (key.clone(), Some(record.clone())));
        wal.wal(9, &[(1, puts.chain([voting()]).collect())]);
        for (place, made) in [("table", table), ("log", wal)] {
            let content = &look(&made.files()).summary.content;
            let found =
                [content.entries, content.noops, content.transactions, content.native_skipped, content.frames_aborted];
            assert_eq!((found, content.unread, content.fatal_at), (expected, 0, None), "{name}, {place}");
        }
    }
}
