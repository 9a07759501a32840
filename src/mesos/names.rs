//! Many texts in one: each once, known by a number.
//!
//! A million task ids, or the host names that they share, are kept in a single text with a table of hashes over it, which costs
//! the text itself and about 20 bytes for each. Numbers are given in order, from 0. Nothing is ever taken out.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hasher as _},
};

/// Bytes of all texts together: ends are 32 bits wide.
pub const TEXT_BYTES_MAX: usize = u32::MAX as usize;
/// Texts: a slot holds 32 bits of a number, less one that says "free".
const COUNT_MAX: usize = (u32::MAX - 1) as usize;
/// Slots to begin with; always a power of two.
const SLOTS_MIN: usize = 16;

/// The number of a text in one [`Names`]. Means nothing in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sym(pub u32);

impl Sym {
    /// As an index into what is kept beside the texts.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// There is no room for another text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {TEXT_BYTES_MAX} bytes of names")]
pub struct Full;

/// Texts, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    text: String,
    ends: Vec<u32>,
    /// Upper half: part of the hash; lower half: the number and 1, or 0 for a free slot.
    slots: Vec<u64>,
}

impl Names {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text of this number; empty for a number that was not given here.
    pub fn get(&self, sym: Sym) -> &str {
        let at = sym.index();
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(at).copied().unwrap_or(start);
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }

    /// The number of this text, if it is there.
    pub fn find(&self, text: &str) -> Option<Sym> {
        self.probe(text, hash(text)).ok()
    }

    /// Puts a text in, unless it is there, and says which of the two.
    pub fn put(&mut self, text: &str) -> Result<(Sym, Put), Full> {
        if (self.ends.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let hash = hash(text);
        let slot = match self.probe(text, hash) {
            Ok(sym) => return Ok((sym, Put::WasThere)),
            Err(slot) => slot,
        };
        let end = self.text.len() + text.len();
        if end > TEXT_BYTES_MAX || self.ends.len() >= COUNT_MAX {
            return Err(Full);
        }
        let sym = Sym(self.ends.len() as u32);
        self.text.push_str(text);
        self.ends.push(end as u32);
        if let Some(free) = self.slots.get_mut(slot) {
            *free = hash << 32 | u64::from(sym.0 + 1);
        }
        Ok((sym, Put::New))
    }

    /// Every text, in the order of the numbers.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|at| self.get(Sym(at as u32)))
    }

    /// The number of the text, else the slot where it belongs.
    fn probe(&self, text: &str, hash: u64) -> Result<Sym, usize> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = (hash as usize) & mask;
        loop {
            // At most half of the slots are taken, so a free one comes.
            match self.slots.get(at) {
                None | Some(0) => return Err(at),
                Some(slot) => {
                    let sym = Sym((*slot as u32) - 1);
                    if slot >> 32 == hash & 0xffff_ffff && self.get(sym) == text {
                        return Ok(sym);
                    }
                }
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let wanted = (self.slots.len() * 2).max(SLOTS_MIN);
        let mask = wanted - 1;
        let mut slots = vec![0_u64; wanted];
        for (number, text) in self.iter().enumerate() {
            let hash = hash(text);
            let mut at = (hash as usize) & mask;
            while slots.get(at).is_some_and(|slot| *slot != 0) {
                at = (at + 1) & mask;
            }
            if let Some(free) = slots.get_mut(at) {
                *free = hash << 32 | (number as u64 + 1);
            }
        }
        self.slots = slots;
    }
}

/// Whether a text was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It was not there.
    New,
    /// It was there.
    WasThere,
}

/// The same in every run, so that the same input gives the same work.
fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// Cores, MiB of memory and MiB of disk of one task.
pub type Amount = (Option<f64>, Option<f64>, Option<f64>);

/// Amounts, each once: few differ.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Amounts {
    known: BTreeMap<[u64; 3], Sym>,
    values: Vec<Amount>,
}

impl Amounts {
    /// The amount of this number.
    pub fn get(&self, sym: Sym) -> Amount {
        self.values.get(sym.index()).copied().unwrap_or_default()
    }

    /// The number of this amount.
    pub fn put(&mut self, amount: Amount) -> Result<Sym, Full> {
        let bits = |one: Option<f64>| one.map_or(u64::MAX, f64::to_bits);
        let key = [bits(amount.0), bits(amount.1), bits(amount.2)];
        if let Some(sym) = self.known.get(&key) {
            return Ok(*sym);
        }
        let sym = Sym(u32::try_from(self.values.len()).map_err(|_| Full)?);
        self.known.insert(key, sym);
        self.values.push(amount);
        Ok(sym)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_kept_once_and_found_again() {
        let mut names = Names::default();
        assert_eq!(names.find("x"), None);
        for round in 0..2 {
            for n in 0..5000_u32 {
                let (sym, put) = names.put(&format!("name {n}")).unwrap();
                assert_eq!((sym.0, put), (n, if round == 0 { Put::New } else { Put::WasThere }));
            }
        }
        let (empty, _) = names.put("").unwrap();
        assert_eq!((names.get(empty), names.len()), ("", 5001));
        assert_eq!(names.find("name 4999"), Some(Sym(4999)));
        assert_eq!(names.find("name 5000"), None);
        assert_eq!(names.get(Sym(9_999_999)), "");
        assert_eq!(names.iter().nth(17), Some("name 17"));
    }
}
