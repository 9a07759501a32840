//! What every line promises of the scripts that it carries.

use std::path::Path;

use firstlight::hosts::line::{Ended, Line, LocalLine};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Script, its input; what it prints on either output, and how it ends.
const SCRIPTS: &[(&str, &str, &str, &str, Ended)] = &[
    ("cat; echo more >&2; exit 7", "in", "in", "more\n", Ended::Exited(7)),
    ("", "", "", "", Ended::Exited(0)),
    ("exit 255", "", "", "", Ended::Exited(255)),
    (
        "printf '%s' \"it's \\\"quoted\\\" !\"\necho; echo $((1 + 1)) # a comment",
        "",
        "it's \"quoted\" !\n2\n",
        "",
        Ended::Exited(0),
    ),
    ("echo \"$LC_ALL\"", "", "C\n", "", Ended::Exited(0)),
    // No terminal to open.
    ("(: < /dev/tty) 2> /dev/null || echo none", "", "none\n", "", Ended::Exited(0)),
];

/// Runs a script; what it printed, and how it ended.
pub async fn ran(line: &dyn Line, script: &str, input: &str) -> (String, String, Ended) {
    let mut open = line.open(script).await.unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    // A script that does not read its input may have ended before it is fed.
    let _ = open.stdin.write_all(input.as_bytes()).await;
    drop(open.stdin);
    let (ended, _, _) = tokio::join!(open.ended, open.stdout.read_to_end(&mut out), open.stderr.read_to_end(&mut err));
    (String::from_utf8_lossy(&out).into_owned(), String::from_utf8_lossy(&err).into_owned(), ended)
}

pub async fn carries_scripts(line: &dyn Line) {
    for (script, input, out, err, ended) in SCRIPTS {
        let found = ran(line, script, input).await;
        assert_eq!(found, ((*out).to_owned(), (*err).to_owned(), ended.clone()), "{script}");
    }
}

#[tokio::test]
async fn this_machine_carries_scripts() {
    let line = LocalLine::new(Some(Path::new(env!("CARGO_BIN_EXE_firstlight"))));
    carries_scripts(&line).await;
    assert_eq!(ran(&line, "kill -9 $$", "").await.2, Ended::Signalled(9));
}

#[tokio::test]
async fn a_script_that_is_given_up_is_killed_with_what_it_started() {
    let line = LocalLine::new(Some(Path::new(env!("CARGO_BIN_EXE_firstlight"))));
    let mut open = line.open("sleep 600 & echo $!; wait").await.unwrap();
    let mut pid = [0; 32];
    let count = open.stdout.read(&mut pid).await.unwrap();
    let pid: i32 = std::str::from_utf8(&pid[..count]).unwrap().trim().parse().unwrap();
    drop(open);
    let gone = || std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "));
    for _ in 0..500 {
        if gone() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{pid} lives on");
}
