//! How fast a scheduler's log is scanned with all patterns, beside a search for the same alternation of patterns.
//!
//! The log is made on a disk, `FIRSTLIGHT_BENCH_MB` of it (2048 if left out), of the kinds of lines that a busy leader
//! writes: half of them traffic of the log, which is counted, half of them Aurora's own, which no pattern knows. The
//! peer is `rg`, or `grep -E` in the C locale where there is none, counting the lines that any pattern matches. Both
//! read the same file, in turns, from the page cache.

use std::{
    error::Error,
    fmt::Write as _,
    fs::File,
    io::{BufWriter, Read as _, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use firstlight::logscan::{Clock, Scan, Scanner, Table};

const MB: u64 = 2048;
const RUNS: usize = 5;
/// 2026-11-22 23:00 UTC.
const NOW_MS: i64 = 1_795_388_400_000;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mb = std::env::var("FIRSTLIGHT_BENCH_MB").ok().and_then(|text| text.parse().ok()).unwrap_or(MB);
    let dir = tempfile::tempdir()?;
    let log = dir.path().join("scheduler.log");
    let bytes = make(&log, mb << 20)?;
    let patterns = dir.path().join("patterns");
    std::fs::write(&patterns, alternation())?;
    println!("made {} MB in {}", bytes >> 20, log.display());
    let peer = ["rg", "grep"].into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    let rate = |took: Duration| (bytes >> 20) as f64 / took.as_secs_f64();
    let mut ratios = Vec::new();
    for run in 1..=RUNS {
        let (scan, ours) = timed(|| scan(&log));
        let scan = scan?;
        print!("run {run}: scan {ours:.2?} ({:.0} MB/s), {} lines, {} known", rate(ours), scan.lines, scan.matched);
        if let Some(peer) = peer {
            let (count, theirs) = timed(|| search(peer, &patterns, &log));
            let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
            print!("; {peer} {theirs:.2?} ({:.0} MB/s), {} lines; ratio {ratio:.2}", rate(theirs), count?);
            ratios.push(ratio);
        }
        println!();
    }
    ratios.sort_by(f64::total_cmp);
    match (peer, ratios.get(ratios.len() / 2)) {
        (Some(peer), Some(middle)) => {
            println!("median ratio of {RUNS} alternating runs to {peer}: {middle:.2} (aim at most 1)");
        }
        _ => eprintln!("NOT MEASURED BESIDE A SEARCH: neither rg nor grep is here."),
    }
    if peer == Some("grep") {
        eprintln!("NOT MEASURED BESIDE RIPGREP: rg is not here, and grep does not tell whether the aim is met.");
    }
    Ok(())
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

/// The patterns as one regular expression a line, as both programs read them.
fn alternation() -> String {
    let mut out = String::new();
    for pattern in Table::embedded().patterns() {
        let mut rest = pattern.text.as_str();
        if let Some(after) = rest.strip_prefix("{}") {
            rest = after;
        }
        rest = rest.strip_suffix("{}").unwrap_or(rest);
        let escape = |text: &str| {
            let special = |letter: char| {
                if r"\.+*?()|[]{}^$".contains(letter) { format!("\\{letter}") } else { letter.to_string() }
            };
            text.chars().map(special).collect::<String>()
        };
        let parts: Vec<String> = rest
            .split("{}")
            .map(|part| {
                part.split("{status}").map(escape).collect::<Vec<_>>().join("(VOTING|RECOVERING|STARTING|EMPTY)")
            })
            .collect();
        let _ = writeln!(out, "{}", parts.join(".*"));
    }
    out
}

fn make(path: &Path, size: u64) -> Result<u64> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let (mut written, mut n) = (0_u64, 0_u64);
    let mut line = String::new();
    while written < size {
        line.clear();
        let (minute, second, micro) = (n / 30_000 % 1440, n / 500 % 60, n * 37 % 1_000_000);
        let at = format!("1122 {:02}:{:02}:{second:02}", minute / 60, minute % 60);
        let _ = match n % 8 {
            0 => writeln!(
                line,
                "I{at}.{micro:06} 48658 coordinator.cpp:348] Coordinator attempting to write APPEND action at position {n}"
            ),
            1 => writeln!(
                line,
                "I{at}.{micro:06} 48657 replica.cpp:540] Replica received write request for position {n} from __req_res__({n})@10.0.0.1:8083"
            ),
            2 => writeln!(
                line,
                "I{at}.{micro:06} 48657 replica.cpp:694] Replica received learned notice for position {n} from log-network(1)@10.0.0.1:8083"
            ),
            3 => writeln!(
                line,
                "I{at}.{micro:06} 48656 leveldb.cpp:341] Persisting action (1186 bytes) to leveldb took 11.8{n}ms"
            ),
            4 => writeln!(
                line,
                "I{at}.{:03} [TaskEventBatchWorker, StateMachine] www-data-prod-hello-{n}-5b1f8e0c-7a93-4b1e-a1c2-bb9e5c1d2f30 state machine transition ASSIGNED -> RUNNING",
                micro / 1000
            ),
            5 => writeln!(
                line,
                "I{at}.{:03} [SchedulerImpl-0, MesosCallbackHandler$MesosCallbackHandlerImpl] Received notification of lost or updated offer with ID value: \"{n}-O{n}\"",
                micro / 1000
            ),
            6 => writeln!(
                line,
                "I{at}.{:03} [AsyncProcessor-3, TaskAssignerImpl] Offer on agent agent-{n}.example.net (id {n}-S12) is being assigned task for www-data-prod-hello-{n}",
                micro / 1000
            ),
            _ => writeln!(
                line,
                "I{at}.{:03} [qtp1286492034-{}, Slf4jRequestLog] 10.0.0.{} - - [22/Nov/2026:16:00:00 +0000] \"POST //scheduler.example.net/api HTTP/1.1\" 200 {n}",
                micro / 1000,
                n % 90,
                n % 250
            ),
        };
        out.write_all(line.as_bytes())?;
        written += line.len() as u64;
        n += 1;
    }
    out.flush()?;
    Ok(written)
}

fn scan(path: &Path) -> Result<Scan> {
    let mut scanner = Scanner::new(Clock::fixed(NOW_MS, 0));
    let mut file = File::open(path)?;
    let mut bytes = vec![0; 256 * 1024];
    loop {
        let count = file.read(&mut bytes)?;
        if count == 0 {
            return Ok(scanner.finish());
        }
        scanner.feed(bytes.get(..count).unwrap_or_default());
    }
}

fn search(peer: &str, patterns: &Path, log: &Path) -> Result<u64> {
    let mut command = Command::new(peer);
    if peer == "grep" {
        command.arg("-E").env("LC_ALL", "C");
    } else {
        command.args(["--no-config", "--no-unicode"]);
    }
    let out = command.arg("-c").arg("-f").arg(patterns).arg(log).stdin(Stdio::null()).output()?;
    Ok(String::from_utf8(out.stdout)?.trim().parse()?)
}
