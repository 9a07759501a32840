//! Replays the committed corpus of every fuzz target: the seeds, and whatever once made one fail.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::{collections::BTreeSet, fs, path::Path};

use targets::TARGETS;

/// The whole corpus stays small: it is read by every test run and cloned by everybody.
const CORPUS_BYTES_MAX: usize = 1 << 20;

#[test]
fn every_input_of_the_corpus_runs_and_every_target_has_some() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let mut bytes = 0;
    for (name, run) in TARGETS {
        let mut inputs: Vec<_> = fs::read_dir(root.join(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .map(|entry| entry.unwrap().path())
            .collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{name} has no corpus");
        run(b"");
        for input in inputs {
            let content = fs::read(&input).unwrap();
            bytes += content.len();
            println!("{}", input.display());
            run(&content);
        }
    }
    assert!(bytes < CORPUS_BYTES_MAX, "{bytes} bytes");
}

#[test]
fn binaries_and_corpus_have_the_names_of_the_targets() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let wanted: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let named = manifest.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    let binaries: BTreeSet<String> = named.filter(|name| *name != "firstlight-fuzz").map(str::to_owned).collect();
    assert_eq!(binaries, wanted);
    let corpus = fs::read_dir(fuzz.join("corpus")).unwrap();
    let corpus: BTreeSet<String> = corpus.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(corpus, wanted);
}

/// Times that each target is run on mutants of its corpus, with every run of the tests. `FIRSTLIGHT_MUTANTS` says
/// another number for a longer search.
const MUTANTS: usize = 150;

/// A few mutants of every target's corpus, always the same: the coverage-guided search is for the fuzzer.
#[test]
fn mutants_of_the_corpus_do_no_harm() {
    let count = std::env::var("FIRSTLIGHT_MUTANTS").ok().and_then(|text| text.parse().ok()).unwrap_or(MUTANTS);
    let only = std::env::var("FIRSTLIGHT_TARGET").ok();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let mut failed = Vec::new();
    for (name, run) in TARGETS.iter().filter(|(name, _)| only.as_ref().is_none_or(|only| only == name)) {
        let mut inputs: Vec<_> = fs::read_dir(root.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        inputs.sort();
        let inputs: Vec<Vec<u8>> = inputs.iter().map(|input| fs::read(input).unwrap()).collect();
        let seed = name.bytes().fold(count as u64, |seed, byte| seed.wrapping_mul(131).wrapping_add(u64::from(byte)));
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..count {
            let mutant = mutant(&inputs, &mut random);
            let begun = std::time::Instant::now();
            if std::panic::catch_unwind(|| run(&mutant)).is_err() {
                let path = std::env::temp_dir().join(format!("firstlight-{name}-{:08x}", crc32c::crc32c(&mutant)));
                fs::write(&path, &mutant).unwrap();
                failed.push(path);
                break;
            }
            assert!(begun.elapsed().as_secs() < 20, "{name}: {} bytes take too long", mutant.len());
        }
    }
    assert!(failed.is_empty(), "kept in {failed:?}");
}

fn mutant(inputs: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    /// Longer mutants only repeat what shorter ones find.
    const BYTES_MAX: usize = 16 * 1024;
    let mut bytes = random.choice(inputs).unwrap().clone();
    if bytes.len() > BYTES_MAX {
        let from = if random.bool() { 0 } else { random.usize(..bytes.len() - BYTES_MAX) };
        bytes = bytes[from..from + BYTES_MAX].to_vec();
    }
    for _ in 0..=random.usize(..4) {
        let at = random.usize(..=bytes.len());
        let len = random.usize(..=16.min(bytes.len() - at));
        match random.u8(..8) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..at + len)),
            2 => {
                let piece = bytes[at..at + len].to_vec();
                bytes.splice(at..at, piece);
            }
            3 => {
                let other = random.choice(inputs).unwrap();
                let from = random.usize(..=other.len());
                let piece = other[from..other.len().min(from + 64)].to_vec();
                bytes.splice(at..at + len, piece);
            }
            4 => {
                let number = *random.choice(&[i32::MAX, i32::MIN, -1, 0, 1, 0x7fff, 0x0100_0000]).unwrap();
                bytes.splice(at..at + 4.min(bytes.len() - at), number.to_be_bytes());
            }
            5 => {
                let word =
                    *random.choice(&["\"", "{", "[", "]", "}", ":", ",", "\n", " ", "null", "1e999", "\u{0}"]).unwrap();
                bytes.splice(at..at + len.min(1), word.bytes());
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = if random.bool() { random.u8(..) } else { *byte ^ (1 << random.u8(..8)) };
                }
            }
        }
    }
    bytes
}
