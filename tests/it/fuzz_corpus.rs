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
