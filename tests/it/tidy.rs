//! The walls between modules, and other rules that no compiler keeps. Each rule is a row of a table.
#![expect(clippy::unwrap_used, reason = "helpers of tests, beside the tests themselves")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Which modules of this crate a module may name. A module without a row fails the test: give it one.
const MAY_NAME: &[(&str, &[&str])] = &[
    // Pure: texts and data in, values out.
    ("runbook", &["inventory"]),
    ("inventory", &["runbook"]),
    ("session", &["inventory", "runbook"]),
    // Entries of the log are Aurora's; who led when is part of the verdict.
    ("replog", &["aurora"]),
    // The disk under the reader of logs.
    ("forensics", &["replog"]),
    ("logscan", &["replog"]),
    ("mesos", &["aurora"]),
    ("impact", &["aurora", "mesos"]),
    ("backups", &["aurora", "impact"]),
    ("table", &[]),
    ("exit", &[]),
    // `judge` turns what replicas and logs say into findings of the session.
    ("aurora", &["inventory", "logscan", "replog", "runbook", "session"]),
    // What is kept of sessions.
    ("journal", &["runbook", "session"]),
    ("report", &["impact", "journal", "runbook", "session"]),
    // The edge of the world. Of the engine it knows the shape of a line of output, and nothing else.
    ("hosts", &["engine", "forensics", "inventory", "replog", "runbook"]),
    (
        "actions",
        &[
            "aurora",
            "backups",
            "engine",
            "forensics",
            "hosts",
            "impact",
            "inventory",
            "logscan",
            "mesos",
            "replog",
            "runbook",
            "session",
            "table",
        ],
    ),
    ("engine", &["actions", "hosts", "inventory", "journal", "runbook", "session"]),
    ("practice", &["aurora", "exit", "forensics", "inventory", "logscan", "replog", "runbook"]),
    // Views: they read what the engine publishes and send commands. None of them touches a journal.
    ("tui", &["engine", "inventory", "report", "runbook", "session", "table"]),
    ("line", &["engine", "inventory", "runbook", "session"]),
    ("headless", &["engine", "exit", "inventory", "runbook", "session"]),
    // Wiring.
    (
        "cli",
        &[
            "actions",
            "aurora",
            "backups",
            "engine",
            "exit",
            "forensics",
            "headless",
            "hosts",
            "impact",
            "inventory",
            "journal",
            "line",
            "logscan",
            "mesos",
            "practice",
            "replog",
            "report",
            "runbook",
            "session",
            "table",
            "tui",
        ],
    ),
];

/// Which files may name something, as prefixes of their paths below `src/`.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("ratatui", &["tui/"]),
    ("crossterm", &["tui/"]),
    ("reqwest", &["actions/", "aurora/client", "hosts/", "mesos/client", "practice/"]),
    ("zookeeper_client", &["aurora/client/ensemble/", "practice/"]),
    ("hyper", &["practice/"]),
    ("rusty_leveldb", &["practice/"]),
    ("serde_yaml", &["runbook/raw.rs"]),
    ("saphyr_parser", &["runbook/locate.rs"]),
    ("anyhow", &["cli/", "main.rs"]),
    ("clap", &["cli/", "main.rs", "practice/control.rs"]),
    ("println!", &["cli/", "main.rs", "practice/cli"]),
    ("print!", &["cli/", "main.rs", "practice/cli"]),
    ("eprintln!", &["cli/", "main.rs", "practice/cli"]),
    ("eprint!", &["cli/", "main.rs", "practice/cli"]),
    ("std::process::exit", &["main.rs"]),
];

/// Files that have no clock, no randomness, no environment and do no I/O, as prefixes of their paths below `src/`.
const PURE: &[&str] = &[
    "aurora/brief",
    "aurora/selection",
    "aurora/snapshot",
    "aurora/tbinary",
    "aurora/tjson",
    "aurora/types",
    "backups/",
    "exit.rs",
    "impact/",
    "inventory/",
    "journal/format.rs",
    "journal/id.rs",
    "logscan/",
    "mesos/names",
    "mesos/state",
    "replog/",
    "report/",
    "runbook/",
    "session/",
];

/// What is not pure.
const IMPURE: &[&str] = &[
    "Instant",
    "SystemTime",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "Timestamp::now",
    "Zoned::now",
    "async",
    "await",
    "fastrand",
    "rustix",
    "tokio",
];

/// Lines of a file outside its tests. Those listed are longer, and must not grow.
const LINES_MAX: usize = 600;
const LONGER: &[(&str, usize)] = &[];

/// Parts of texts that mean something only on one machine. Taken apart, so that this file does not hold them.
const FOREIGN: &[(&str, &str)] =
    &[("/wo", "rk/"), ("/ro", "ot/"), ("HELP", "ERS.md"), ("shared/", "reference"), ("shared/", "design")];

struct Source {
    /// Below the directory that was listed, with slashes.
    path: String,
    text: String,
}

impl Source {
    /// Without comments, contents of strings, and tests at its end.
    fn code(&self) -> String {
        let code = stripped(&self.text);
        let end = code.find("#[cfg(test)]\nmod ").unwrap_or(code.len());
        code[..end].to_owned()
    }

    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(dir: &str, ends: &[&str]) -> Vec<Source> {
    let base = root().join(dir);
    let mut found = Vec::new();
    let mut dirs = vec![base.clone()];
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                dirs.push(path);
            } else if ends.iter().any(|end| path.to_string_lossy().ends_with(end)) {
                let name = path.strip_prefix(&base).unwrap().to_string_lossy().into_owned();
                found.push(Source { path: name, text: fs::read_to_string(&path).unwrap() });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn src() -> Vec<Source> {
    let mut found = sources("src", &[".rs"]);
    found.retain(|source| !source.path.contains("/tests/") && !source.path.ends_with("/tests.rs"));
    assert!(found.len() > 50, "the sources are not where they were");
    found
}

/// Rust without comments and without what stands in strings; every line stays a line.
fn stripped(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let at = |n: usize| bytes.get(n).copied().unwrap_or('\0');
    let (mut out, mut n) = (String::new(), 0);
    while n < bytes.len() {
        match (at(n), at(n + 1)) {
            ('/', '/') => {
                while n < bytes.len() && at(n) != '\n' {
                    n += 1;
                }
            }
            ('/', '*') => {
                while n < bytes.len() && (at(n), at(n + 1)) != ('*', '/') {
                    out.extend((at(n) == '\n').then_some('\n'));
                    n += 1;
                }
                n += 2;
            }
            ('r', '"' | '#') if !at(n.wrapping_sub(1)).is_alphanumeric() => {
                let hashes = (n + 1..bytes.len()).take_while(|n| at(*n) == '#').count();
                if at(n + 1 + hashes) != '"' {
                    out.push('r');
                    n += 1;
                    continue;
                }
                n += hashes + 2;
                let ends = |n: usize| at(n) == '"' && (1..=hashes).all(|more| at(n + more) == '#');
                while n < bytes.len() && !ends(n) {
                    out.extend((at(n) == '\n').then_some('\n'));
                    n += 1;
                }
                out.push_str("\"\"");
                n += hashes + 1;
            }
            ('"', _) => {
                n += 1;
                while n < bytes.len() && at(n) != '"' {
                    out.extend((at(n) == '\n').then_some('\n'));
                    n += if at(n) == '\\' && at(n + 1) != '\n' { 2 } else { 1 };
                }
                out.push_str("\"\"");
                n += 1;
            }
            ('\'', '\\') => {
                n += 3;
                while n < bytes.len() && at(n) != '\'' {
                    n += 1;
                }
                n += 1;
            }
            ('\'', _) if at(n + 2) == '\'' => n += 3,
            (c, _) => {
                out.push(c);
                n += 1;
            }
        }
    }
    out
}

#[test]
fn comments_and_strings_are_not_code() {
    for (text, expected) in [
        ("a // b\nc", "a \nc"),
        ("a /* b\n */ c", "a \n c"),
        ("f(\"x // \\\" y\") // z", "f(\"\") "),
        ("r#\"a \" b\"# + r\"c\"", "\"\" + \"\""),
        ("'\"' + '\\'' + 'x' + b'\\n'", " +  +  + b"),
        ("fn f<'a>(r: &'a str)", "fn f<'a>(r: &'a str)"),
    ] {
        assert_eq!(stripped(text), expected);
    }
}

/// Of the engine, what runs at its edge may name these.
const OUTPUT: [&str; 3] = ["OutputLine", "OutputStore", "Stream"];

#[test]
fn the_edge_knows_only_the_shape_of_output() {
    let mut wrong = Vec::new();
    for source in src().iter().filter(|source| matches!(source.module(), "actions" | "hosts")) {
        let code = source.code();
        for (at, _) in code.match_indices("engine::") {
            let rest = &code[at + "engine::".len()..];
            let group =
                rest.strip_prefix('{').map_or_else(|| word(rest), |rest| rest.split('}').next().unwrap().to_owned());
            for name in group.split(',').map(str::trim).filter(|name| !name.is_empty() && !OUTPUT.contains(name)) {
                wrong.push(format!("src/{} names engine::{name}", source.path));
            }
        }
    }
    report(wrong);
}

/// The names that follow `crate::` in code, also those in braces.
fn named_modules(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with('$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.insert(word(rest));
            continue;
        };
        let (mut depth, mut fresh) = (0, true);
        for (n, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => fresh = true,
                c if fresh && (c.is_alphanumeric() || c == '_') => {
                    names.insert(word(&group[n..]));
                    fresh = false;
                }
                _ => {}
            }
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// True if code names this, and not only something that holds it.
fn names(code: &str, wanted: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(wanted).any(|(at, _)| {
        let (before, after) = (code[..at].chars().next_back(), code[at + wanted.len()..].chars().next());
        !before.is_some_and(part) && (wanted.ends_with('!') || !after.is_some_and(part))
    })
}

#[test]
fn names_in_code_are_found() {
    let found = named_modules("use crate::{a::{b, c}, d,\n e_f::g}; crate::h::i(); pub(in crate::j) $crate::k");
    assert_eq!(found, ["a", "d", "e_f", "h", "j"].map(str::to_owned).into());
    assert!(names("use ratatui::x;", "ratatui") && !names("use ratatui_other::x;", "ratatui"));
    assert!(names("println!(\"\")", "println!") && !names("eprintln!(\"\")", "println!"));
}

/// Every complaint at once.
fn report(mut wrong: Vec<String>) {
    wrong.dedup();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn modules_name_only_what_they_may() {
    let rows: BTreeMap<_, _> = MAY_NAME.iter().copied().collect();
    let mut wrong = Vec::new();
    for source in src() {
        let module = source.module().to_owned();
        if matches!(module.as_str(), "lib" | "main") {
            continue;
        }
        let Some(may) = rows.get(module.as_str()) else {
            wrong.push(format!("module {module} has no row in the table of walls"));
            continue;
        };
        for name in named_modules(&source.code()) {
            if rows.contains_key(name.as_str()) && name != module && !may.contains(&name.as_str()) {
                wrong.push(format!("src/{} names {name}, which {module} may not", source.path));
            }
        }
    }
    report(wrong);
}

#[test]
fn some_names_stay_in_their_place() {
    let mut wrong = Vec::new();
    for source in src() {
        let code = source.code();
        for (name, places) in ONLY_IN {
            let here = places.iter().any(|place| source.path.starts_with(place));
            if !here && names(&code, name) {
                wrong.push(format!("src/{} names {name}, which belongs in {}", source.path, places.join(", ")));
            }
        }
    }
    report(wrong);
}

#[test]
fn what_is_pure_stays_pure() {
    let mut wrong = Vec::new();
    for place in PURE {
        let mut any = false;
        for source in src().iter().filter(|source| source.path.starts_with(place)) {
            any = true;
            let code = source.code();
            for name in IMPURE.iter().filter(|name| names(&code, name)) {
                wrong.push(format!("src/{} is pure and names {name}", source.path));
            }
            // `std::{env, fs}` names them too.
            for part in code.split("std::{").skip(1) {
                let group = part.split(';').next().unwrap_or_default();
                for name in ["env", "fs", "net", "process", "thread"] {
                    if names(group, name) {
                        wrong.push(format!("src/{} is pure and names std::{name}", source.path));
                    }
                }
            }
        }
        if !any {
            wrong.push(format!("nothing begins with src/{place}: the table of pure files is old"));
        }
    }
    report(wrong);
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut wrong = Vec::new();
    for source in src() {
        let lines = source.code().lines().count();
        let max = LONGER.iter().find(|(path, _)| *path == source.path).map_or(LINES_MAX, |(_, max)| *max);
        if lines > max {
            wrong.push(format!("src/{} has {lines} lines outside its tests, at most {max}", source.path));
        }
        if lines <= LINES_MAX && max > LINES_MAX {
            wrong.push(format!("src/{} has only {lines} lines: take it out of the list", source.path));
        }
        if !source.text.starts_with("//!") {
            wrong.push(format!("src/{} does not begin with what belongs in it", source.path));
        }
    }
    report(wrong);
}

#[test]
fn lints_are_expected_never_allowed() {
    let mut wrong = Vec::new();
    for (dir, found) in [("src", src()), ("tests", sources("tests", &[".rs"]))] {
        for source in found {
            let code = stripped(&source.text);
            if code.contains("#[allow(") || code.contains("#![allow(") {
                wrong.push(format!("{dir}/{} allows a lint; expect it, with a reason", source.path));
            }
        }
    }
    report(wrong);
}

#[test]
fn every_test_file_is_compiled() {
    let main = fs::read_to_string(root().join("tests/it/main.rs")).unwrap();
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut wrong = Vec::new();
    for entry in fs::read_dir(root().join("tests/it")).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_stem().unwrap().to_string_lossy().into_owned();
        let module = entry.is_dir() && entry.join("mod.rs").is_file() || is_rust(&entry);
        if module && name != "main" && !main.lines().any(|line| line.ends_with(&format!("mod {name};"))) {
            wrong.push(format!("tests/it/{name} is not in main.rs"));
        }
    }
    let benches = sources("tests/bench", &[".rs"]);
    for bench in &benches {
        let module = format!("mod {};", bench.path.trim_end_matches(".rs"));
        let shared = benches.iter().any(|other| other.text.lines().any(|line| line == module));
        if !bench.path.contains('/') && !shared && !manifest.contains(&format!("tests/bench/{}", bench.path)) {
            wrong.push(format!("tests/bench/{} is neither in Cargo.toml nor a module of a bench", bench.path));
        }
    }
    report(wrong);
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "rs")
}

#[test]
fn nothing_names_one_machine() {
    let ends = [".rs", ".md", ".yaml", ".toml", ".json", ".sh"];
    let mut all = Vec::new();
    for dir in ["src", "tests/it", "tests/bench", "runbooks", "assets", "docs"] {
        all.extend(sources(dir, &ends).into_iter().map(|source| (format!("{dir}/{}", source.path), source.text)));
    }
    for name in ["README.md", "DEVELOPERS.md", "CHANGELOG.md", "Cargo.toml", "tests/run", ".ci/run"] {
        if let Ok(text) = fs::read_to_string(root().join(name)) {
            all.push((name.to_owned(), text));
        }
    }
    let mut wrong = Vec::new();
    for (path, text) in all {
        for (one, two) in FOREIGN {
            if text.contains(&format!("{one}{two}")) {
                wrong.push(format!("{path} holds {one}{two}"));
            }
        }
    }
    report(wrong);
}
