//! Damage to a stopped practice replica's log, as it happens to real ones; the same seed does the same damage.
//!
//! Each function changes the directory of a replica that is not running and answers what it did in one sentence.
//! Nothing here looks whether the directory is a practice one: callers pass only directories that they made.

use std::fs;
use std::io;
use std::path::Path;

use super::replica_store::{Directory, ReplicaStore, StoreError};
use crate::aurora::log_entry::{EntryClass, classify};
use crate::replog::{ActionKind, Source, Status};

/// Bytes of a table's footer; the last eight are its magic number.
const FOOTER: usize = 48;

fn files(dir: &Path, kind: &str) -> io::Result<Vec<String>> {
    let listed = Directory::new(dir).list().map_err(|error| io::Error::other(error.to_string()))?;
    let named = listed.into_iter().filter(|file| file.len > 0 && file.name.ends_with(kind));
    let found: Vec<String> = named.map(|file| file.name).collect();
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("no {kind} file in {}", dir.display())));
    }
    Ok(found)
}

fn pick(names: &[String], seed: u64) -> io::Result<String> {
    fastrand::Rng::with_seed(seed).choice(names).cloned().ok_or_else(|| io::Error::other("nothing to choose from"))
}

fn edit(dir: &Path, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
    let path = dir.join(name);
    let mut bytes = fs::read(&path)?;
    change(&mut bytes);
    fs::write(&path, bytes)
}

fn flip(bytes: &mut [u8], at: usize, bit: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << (bit & 7);
    }
}

/// Breaks the magic number at the end of a table: the whole table is dropped when the log is opened.
pub fn corrupt_table_footer(dir: &Path, seed: u64) -> io::Result<String> {
    let name = pick(&files(dir, ".ldb")?, seed)?;
    edit(dir, &name, |bytes| {
        let at = bytes.len().saturating_sub(1 + (seed % 8) as usize);
        flip(bytes, at, 0);
    })?;
    Ok(format!("broke the footer of {name}"))
}

/// Flips a bit inside a table's blocks: nothing notices but a reader that verifies checksums.
pub fn corrupt_table_block(dir: &Path, seed: u64) -> io::Result<String> {
    let name = pick(&files(dir, ".ldb")?, seed)?;
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut place = 0;
    edit(dir, &name, |bytes| {
        // The first half is data blocks in every table with more than a handful of entries.
        place = rng.usize(..(bytes.len().saturating_sub(FOOTER) / 2).max(1));
        flip(bytes, place, rng.u8(..8));
    })?;
    Ok(format!("flipped a bit at offset {place} of {name}"))
}

/// Removes CURRENT: the next open makes a new database over the old one.
pub fn remove_current(dir: &Path) -> io::Result<String> {
    fs::remove_file(dir.join("CURRENT"))?;
    Ok("removed CURRENT".to_owned())
}

/// Cuts the write-ahead log in the middle, as a power loss does.
pub fn tear_wal(dir: &Path, seed: u64) -> io::Result<String> {
    let names = files(dir, ".log")?;
    let name = names.last().cloned().unwrap_or_default();
    let mut cut = 0;
    edit(dir, &name, |bytes| {
        cut = bytes.len() / 4 + fastrand::Rng::with_seed(seed).usize(..(bytes.len() / 2).max(1));
        bytes.truncate(cut);
    })?;
    Ok(format!("cut {name} at {cut} bytes"))
}

/// Removes everything in the directory.
pub fn wipe(dir: &Path) -> io::Result<String> {
    let mut gone = 0;
    for entry in fs::read_dir(dir)? {
        fs::remove_file(entry?.path())?;
        gone += 1;
    }
    Ok(format!("removed all {gone} files"))
}

/// Sets a status; EMPTY is never written, so the metadata record says so in words that no real replica writes.
pub fn set_status(dir: &Path, status: Status) -> Result<String, StoreError> {
    let (mut store, restored) = ReplicaStore::open(dir)?;
    store.set_metadata(status, restored.promised)?;
    Ok(format!("status is now {status}"))
}

/// Flips a bit in one chunk of a framed entry and writes it back with valid checksums: LevelDB and Mesos are content,
/// every elected scheduler dies. `None` when the log holds no framed entry.
pub fn break_frame(dir: &Path, seed: u64) -> Result<Option<String>, StoreError> {
    let (mut store, restored) = ReplicaStore::open(dir)?;
    let chunks: Vec<_> = store
        .read(restored.begin..=restored.end)
        .into_iter()
        .filter(|(action, bytes)| {
            matches!(action.kind, Some(ActionKind::Append { .. }))
                && matches!(classify(bytes), EntryClass::FrameChunk { len: 1.. })
        })
        .collect();
    let mut rng = fastrand::Rng::with_seed(seed);
    let Some((action, mut bytes)) = rng.choice(chunks) else { return Ok(None) };
    // Thirteen bytes of thrift before the data, three after it.
    let at = 13 + rng.usize(..bytes.len().saturating_sub(16).max(1));
    flip(&mut bytes, at, rng.u8(..8));
    store.write_action(&action, &bytes)?;
    Ok(Some(format!("flipped a bit of the chunk at position {}", action.position)))
}
