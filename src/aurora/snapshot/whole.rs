//! A whole snapshot in memory, for those who change one.

use crate::aurora::tbinary::{self, Reader, TBinaryError};
use crate::aurora::types::Snapshot;

/// Decodes a whole snapshot as a scheduler does: what follows its end is ignored. To judge a file use
/// [`read_backup`](super::read_backup).
pub fn decode_snapshot(bytes: &[u8]) -> Result<Snapshot, TBinaryError> {
    Ok(Snapshot::from_struct(Reader::new(bytes).structure()?))
}

/// Encodes a snapshot; the bytes are a backup file.
pub fn encode_snapshot(snapshot: &Snapshot) -> Vec<u8> {
    tbinary::encode_struct(&snapshot.to_struct())
}
