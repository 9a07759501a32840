//! Ids that occur again, found by fingerprints: 16 bytes an id, whatever its length.
//!
//! Two ids of one fingerprint would be taken for one; among a million ids that is less likely than a fault of the memory that holds them.

use foldhash::quality::FixedState;
use std::hash::{BuildHasher, Hasher};

/// Ids that are compared: four times those of a very large cluster, 64 MiB of fingerprints.
pub(super) const FINGERPRINTS_MAX: u64 = 4_000_000;
/// Parts that are sorted one by one, each small enough for a processor's cache; by the first byte.
const PARTS: usize = 256;

const HIGH: FixedState = FixedState::with_seed(0x6964_7331);
const LOW: FixedState = FixedState::with_seed(0x6964_7332);

/// Fingerprints of ids.
pub(super) struct Repeated {
    parts: Vec<Vec<u128>>,
    kept: u64,
    /// Ids that were not looked at.
    pub(super) beyond: u64,
}

impl Default for Repeated {
    fn default() -> Self {
        Self { parts: vec![Vec::new(); PARTS], kept: 0, beyond: 0 }
    }
}

fn hash(state: &FixedState, id: &str) -> u64 {
    let mut hasher = state.build_hasher();
    hasher.write(id.as_bytes());
    hasher.finish()
}

impl Repeated {
    #[inline]
    pub(super) fn add(&mut self, id: &str) {
        if self.kept >= FINGERPRINTS_MAX {
            self.beyond += 1;
            return;
        }
        let (high, low) = (hash(&HIGH, id), hash(&LOW, id));
        if let Some(part) = self.parts.get_mut((high >> 56) as usize) {
            self.kept += 1;
            part.push(u128::from(high) << 64 | u128::from(low));
        }
    }

    /// How many ids had occurred before.
    pub(super) fn count(mut self) -> u64 {
        let mut again = 0;
        for part in &mut self.parts {
            part.sort_unstable();
            again += part.windows(2).filter(|pair| pair.first() == pair.last()).count() as u64;
        }
        again
    }
}
