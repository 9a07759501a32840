//! Scripts that run on a host: one round trip each, with exit codes of their own.
//!
//! Everything that varies comes in as an argument or on standard input, and never as part of the program.

use std::collections::BTreeMap;

use crate::{
    actions::scene::Scene,
    hosts::{HostError, Output, Ran, Run, clean},
};

/// Something that must hold does not; nothing was done.
pub(super) const REFUSED: i32 = 65;
/// It was done, and what stands afterwards cannot be read.
pub(super) const NOT_SEEN: i32 = 68;
/// What a script prints before the rules as they stand.
pub(super) const RULES: &str = "--- rules";
/// What a script prints if there was nothing to take away.
pub(super) const WAS_GONE: &str = "--- was gone";

/// Bytes of output that are read: the rules of one port and the beginning of one chain are far less.
const KEEP_BYTES: usize = 256 * 1024;
/// Lines of a failed program's words that are shown.
const SAID_LINES: usize = 4;

/// Functions of every script. A login without a shell of its own may lack the directories of the system's programs.
/// `client` says from where the operator came by ssh, through `sudo` too, which drops the variable: what the programs
/// above this one were started with still has it.
pub(super) const COMMON: &str = r#"
PATH="${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin"; LC_ALL=C; export PATH LC_ALL
need() {
    command -v "$1" >/dev/null 2>&1 || { echo "$1 is not installed on this host" >&2; exit 65; }
}
client() {
    if [ -n "${SSH_CONNECTION:-}" ]; then echo "${SSH_CONNECTION%% *}"; return; fi
    above=$PPID
    while [ "${above:-0}" -gt 1 ]; do
        from=$(tr '\0' '\n' 2>/dev/null <"/proc/$above/environ" | sed -n 's/^SSH_CONNECTION=//p')
        if [ -n "$from" ]; then echo "${from%% *}"; return; fi
        above=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$above/status" 2>/dev/null)
    done
}
same_client() {
    [ -z "$1" ] || [ "$(client)" = "$1" ] || { echo "you reach this host from another address than a moment ago, $1" >&2; exit 65; }
}
"#;

/// A program to run on a host, and how a person would do the same.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub stdin: Option<String>,
    pub by_hand: Vec<String>,
}

impl Script {
    /// A shell's program with its arguments.
    pub fn new(program: &[&str], args: &[&str]) -> Self {
        let head = ["/bin/sh".to_owned(), "-c".to_owned(), program.concat(), "firstlight".to_owned()];
        let argv = head.into_iter().chain(args.iter().map(|arg| (*arg).to_owned())).collect();
        Self { argv, env: BTreeMap::new(), stdin: None, by_hand: Vec::new() }
    }

    pub async fn run(&self, scene: &Scene<'_>, output: &dyn Output) -> Result<Ran, HostError> {
        let mut run = Run::new(self.argv.clone(), scene.left());
        run.env.clone_from(&self.env);
        run.stdin = self.stdin.as_ref().map(|text| text.as_bytes().to_vec());
        run.keep_bytes = KEEP_BYTES;
        scene.host.exec(&run, output, scene.stop).await
    }
}

/// The words of a program that failed, without the lines that only point at a place.
pub(super) fn said(ran: &Ran) -> String {
    let source = if ran.stderr.iter().all(u8::is_ascii_whitespace) { &ran.stdout } else { &ran.stderr };
    let lines = clean::lines(source, usize::MAX);
    let words: Vec<&str> = lines
        .iter()
        .map(|line| line.trim())
        .filter(|line| line.chars().any(char::is_alphanumeric) && !line.starts_with("# Warning"))
        .take(SAID_LINES)
        .collect();
    if words.is_empty() { "without a word".to_owned() } else { words.join("; ") }
}
