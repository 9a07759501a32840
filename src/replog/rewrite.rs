//! What an open by a replica leaves behind, and what its writes append: as bytes for a caller that owns the files.
//!
//! For logs that are made new or played with: `mesos-log initialize`, the practice cluster. A healthy directory is
//! merged into one table and a new write-ahead log, as Mesos's open does; where a table is damaged, the listed tables
//! stay as they are, as after a compaction that failed. Deliberately absent: touching a disk, and any use on a log
//! that somebody wants to keep.

use super::finding::Findings;
use super::leveldb::{self, Entries, Profile, Recall, Seen, TableMeta};
use super::record::{METADATA_KEY, Status, encode_metadata};
use super::source::Source;

/// Name and bytes of the files of a log that `mesos-log initialize` has just made, without LevelDB's text journal.
/// The write-ahead log is the same 40 bytes for every initialized log.
pub fn initialized_files() -> Vec<(&'static str, Vec<u8>)> {
    let record = encode_metadata(Status::Voting, 0);
    let batch = leveldb::batch(1, &[(METADATA_KEY, Some(&record))]);
    let mut files = blank_files();
    files.push(("000004.log", leveldb::log_record(0, &batch)));
    files
}

/// A new database as the library leaves it after its first open and Mesos's first compaction.
fn blank_files() -> Vec<(&'static str, Vec<u8>)> {
    // Three edits: the comparator, the first log number, and the number after the first compaction.
    let mut manifest = Vec::new();
    let mut comparator = vec![1, 26];
    comparator.extend_from_slice(b"leveldb.BytewiseComparator");
    for edit in [comparator.as_slice(), &[2, 3, 9, 0, 3, 4, 4, 0], &[2, 4, 9, 0, 3, 6, 4, 0]] {
        let record = leveldb::log_record(manifest.len() as u64, edit);
        manifest.extend(record);
    }
    vec![("LOCK", Vec::new()), ("MANIFEST-000002", manifest), ("CURRENT", b"MANIFEST-000002\n".to_vec())]
}

/// A database held open for writing: numbers, sequence, and what is not in a table yet.
#[derive(Debug)]
pub struct Writer {
    wal: u64,
    wal_len: u64,
    manifest: u64,
    next_file: u64,
    sequence: u64,
    tables: Vec<TableMeta>,
    unflushed: Entries,
}

/// Files to write, in this order, then names to delete.
#[derive(Debug, Default)]
pub struct Changes {
    /// Whole files.
    pub write: Vec<(String, Vec<u8>)>,
    /// Files that are no longer listed.
    pub delete: Vec<String>,
}

/// The values of an open directory by key.
pub type Values = std::collections::BTreeMap<Vec<u8>, Vec<u8>>;

/// A table stops growing at about this size, as the library's default.
const TABLE_BYTES: usize = 2 << 20;
/// A write-ahead log is turned into a table at this size, as the library's default.
const WAL_BYTES: u64 = 4 << 20;

fn is_table(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, kind)| kind == "ldb" || kind == "sst")
}

impl Writer {
    /// Opens what a source holds. The error is the text that the real program gives.
    pub fn open(source: &dyn Source) -> Result<(Self, Values, Changes), String> {
        let names = source.list().map_err(|error| format!("IO error: {}/LOCK: {error}", source.path()))?;
        let mut findings = Findings::default();
        let (mut visible, mut logged) = (Entries::new(), Entries::new());
        let mut recall = Recall::new(source);
        let mut lost = false;
        let db = leveldb::open(source, &names, Profile::Leveldb119, &mut findings, &mut |stored, seen, value| {
            let in_log = stored.shown && !is_table(&stored.file);
            if seen == Seen::Hidden && !in_log {
                return;
            }
            let value = value.or_else(|| recall.value(&stored.file, stored.place)).map(<[u8]>::to_vec);
            lost |= value.is_none() && stored.record.is_some();
            if in_log {
                // The newest of a key comes first.
                logged.entry(stored.key.to_vec()).or_insert_with(|| (stored.sequence, value.clone()));
            }
            if seen == Seen::Visible {
                visible.insert(stored.key.to_vec(), (stored.sequence, value));
            }
        });
        if let Some(error) = db.error {
            return Err(error);
        }
        if lost {
            return Err("IO error: the directory changed while it was read".to_owned());
        }
        let damaged = findings.finish().iter().any(|finding| {
            finding.severity == super::Severity::Damage && finding.file.as_deref().is_some_and(is_table)
        });
        let values: Values =
            visible.iter().filter_map(|(key, (_, value))| Some((key.clone(), value.clone()?))).collect();
        // The tables stay where one is damaged, so deletions in the write-ahead log must reach a table above them.
        let flush = if damaged { logged } else { visible };
        let highest = names.iter().filter_map(|file| leveldb::parse_name(&file.name)).map(|(number, _)| number).max();
        let fresh = !names.iter().any(|file| leveldb::parse_name(&file.name).is_some_and(|(number, _)| number > 0));
        let mut writer = Self {
            wal: 0,
            wal_len: 0,
            manifest: 0,
            next_file: highest.unwrap_or(0).saturating_add(1),
            sequence: db.last_sequence,
            tables: if damaged && !db.created { db.version.tables.into_values().collect() } else { Vec::new() },
            unflushed: flush,
        };
        let mut changes = if fresh { writer.first() } else { writer.roll(u32::from(!damaged)) };
        let live: Vec<&String> = changes.write.iter().map(|(name, _)| name).collect();
        let listed = |number: u64| writer.tables.iter().any(|table| table.number == number);
        let delete = names.iter().map(|file| &file.name).filter(|name| {
            leveldb::parse_name(name).is_some_and(|(number, _)| number > 0 && !listed(number)) && !live.contains(name)
        });
        changes.delete = delete.cloned().collect();
        Ok((writer, values, changes))
    }

    fn first(&mut self) -> Changes {
        (self.wal, self.manifest, self.next_file) = (4, 2, 6);
        let mut write: Vec<_> = blank_files().into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
        write.push(("000004.log".to_owned(), Vec::new()));
        Changes { write, delete: Vec::new() }
    }

    /// Turns what is unflushed into tables and starts a new write-ahead log and manifest.
    fn roll(&mut self, level: u32) -> Changes {
        let mut changes = Changes::default();
        let mut part = Entries::new();
        let mut size = 0;
        for (key, entry) in std::mem::take(&mut self.unflushed) {
            size += key.len() + entry.1.as_ref().map_or(0, Vec::len);
            part.insert(key, entry);
            if size >= TABLE_BYTES {
                self.add_table(level, &std::mem::take(&mut part), &mut changes);
                size = 0;
            }
        }
        self.add_table(level, &part, &mut changes);
        let (old_wal, old_manifest) = (self.wal, self.manifest);
        self.wal = self.number();
        self.wal_len = 0;
        self.manifest = self.number();
        changes.write.push((format!("{:06}.log", self.wal), Vec::new()));
        let manifest = leveldb::manifest(self.wal, self.next_file, self.sequence, self.tables.iter());
        changes.write.push((format!("MANIFEST-{:06}", self.manifest), manifest));
        changes.write.push(("CURRENT".to_owned(), format!("MANIFEST-{:06}\n", self.manifest).into_bytes()));
        if old_wal > 0 {
            changes.delete = vec![format!("{old_wal:06}.log"), format!("MANIFEST-{old_manifest:06}")];
        }
        changes
    }

    fn number(&mut self) -> u64 {
        self.next_file += 1;
        self.next_file - 1
    }

    fn add_table(&mut self, level: u32, entries: &Entries, changes: &mut Changes) {
        let Some((bytes, smallest, largest)) = leveldb::table(entries) else { return };
        let number = self.number();
        self.tables.push(TableMeta { level, number, size: bytes.len() as u64, smallest, largest });
        changes.write.push((format!("{number:06}.ldb"), bytes));
    }

    /// The write-ahead log's name, and the bytes to append to it for a batch; `None` deletes its key.
    pub fn append(&mut self, ops: &[(&[u8], Option<&[u8]>)]) -> (String, Vec<u8>) {
        let batch = leveldb::batch(self.sequence + 1, ops);
        let bytes = leveldb::log_record(self.wal_len, &batch);
        self.wal_len += bytes.len() as u64;
        for (key, value) in ops {
            self.sequence += 1;
            self.unflushed.insert(key.to_vec(), (self.sequence, value.map(<[u8]>::to_vec)));
        }
        (format!("{:06}.log", self.wal), bytes)
    }

    /// Whether the write-ahead log is due to be turned into a table.
    pub fn is_full(&self) -> bool {
        self.wal_len >= WAL_BYTES
    }

    /// Turns the write-ahead log into a table.
    pub fn flush(&mut self) -> Changes {
        self.roll(0)
    }

    /// Turns the write-ahead log into tables of a deeper level, whose keys must all be above those that are there.
    pub fn flush_at(&mut self, level: u32) -> Changes {
        self.roll(level)
    }
}
