//! How fast a replica's directory of 250 MB in about a hundred tables is read and judged, and in how much memory.
//!
//! The directory is made in a temporary place: transactions of Aurora of 4 KB each. It is read by a process of its own,
//! so that what making it took does not count; the whole inspection is measured: all checksums, Mesos's records, a digest
//! of every value, and every entry of Aurora replayed. Beside it, in the same run and on a copy, LevelDB's own open and
//! iterate with checksums verified: the C++ library where `g++` and its headers are (`libleveldb-dev`), else the
//! `rusty-leveldb` crate, and the line says which. `FIRSTLIGHT_BENCH_MB` makes it smaller.
//!
//! Aims: faster than LevelDB, and under 50 MB of resident memory.

use std::{
    env,
    error::Error,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use firstlight::{
    aurora::{
        log_entry::{LogEntry, Op, Transaction},
        types::{ScheduledTask, TaskEvent},
    },
    forensics::Disk,
    replog::{
        Action, ActionKind, Changes, Files, METADATA_KEY, Status, Writer, encode_action, encode_metadata, inspect,
        key_of,
    },
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const MEGABYTES: u64 = 250;
const VALUE_BYTES: usize = 4000;
const RUNS: usize = 5;
const MB_AIM: f64 = 50.0;

fn main() -> Result<()> {
    let args: Vec<String> = env::args().collect();
    if let [_, child, path] = args.as_slice()
        && child == "--child"
    {
        return measure(Path::new(path));
    }
    let megabytes = env::var("FIRSTLIGHT_BENCH_MB").map_or(Ok(MEGABYTES), |text| text.parse())?;
    let temp = tempfile::tempdir()?;
    let log = temp.path().join("log");
    let tables = make(&log, megabytes)?;
    println!("made {} MB in {tables} tables, values of {VALUE_BYTES} bytes, in {}", size(&log)? >> 20, log.display());
    let peer = peer(temp.path());
    let name = if peer.is_some() { "LevelDB (C++)" } else { "rusty-leveldb" };
    let (mut ratios, mut peak) = (Vec::new(), 0.0_f64);
    for run in 1..=RUNS {
        let out = Command::new(env::current_exe()?).arg("--child").arg(&log).output()?;
        let (ours, mb) = two(&out.stdout)?;
        let theirs = run_peer(peer.as_deref(), &log, temp.path())?;
        println!("run {run}: inspect {ours:.3} s, {name} open and iterate {theirs:.3} s, ratio {:.2}", ours / theirs);
        peak = peak.max(mb);
        ratios.push(ours / theirs);
    }
    println!("median ratio of {RUNS} alternating runs: {:.2} (aim under 1)", middle(ratios));
    println!("peak resident memory: {peak:.1} MB (aim under {MB_AIM} MB)");
    if peer.is_none() {
        eprintln!("NOT MEASURED BESIDE LEVELDB: its program does not build here (g++ and libleveldb-dev are needed).");
        eprintln!("The ratio above is to a slower reader in Rust and does not tell whether the aim is met.");
    }
    if peak > MB_AIM && !cfg!(debug_assertions) {
        return Err(format!("{peak:.1} MB are more than {MB_AIM}").into());
    }
    Ok(())
}

/// Bytes of all files.
fn size(dir: &Path) -> Result<u64> {
    fs::read_dir(dir)?.try_fold(0, |sum, entry| Ok(sum + entry?.metadata()?.len()))
}

fn apply(dir: &Path, changes: Changes) -> Result<()> {
    for (name, bytes) in changes.write {
        fs::write(dir.join(name), bytes)?;
    }
    for name in changes.delete {
        fs::remove_file(dir.join(name))?;
    }
    Ok(())
}

/// Writes the directory and answers how many tables it has.
fn make(dir: &Path, megabytes: u64) -> Result<usize> {
    fs::create_dir(dir)?;
    let (mut writer, _, changes) = Writer::open(&Files::new("log", std::collections::BTreeMap::new()))?;
    apply(dir, changes)?;
    let voting = encode_metadata(Status::Voting, 1);
    let (name, bytes) = writer.append(&[(METADATA_KEY, Some(&voting))]);
    let mut open = fs::OpenOptions::new().append(true).create(true).open(dir.join(name))?;
    open.write_all(&bytes)?;
    let mut random = fastrand::Rng::with_seed(7);
    let mut written = 0;
    let mut position = 0;
    while written < megabytes << 20 {
        position += 1;
        let payload = transaction(position, &mut random);
        let kind = Some(ActionKind::Append { len: payload.len() as u64 });
        let action = Action { position, promised: 1, performed: Some(1), learned: Some(true), kind };
        let value = encode_action(&action, &payload);
        written += value.len() as u64;
        let (_, bytes) = writer.append(&[(&key_of(position), Some(&value))]);
        open.write_all(&bytes)?;
        if writer.is_full() {
            apply(dir, writer.flush_at(2))?;
            let log = fs::read_dir(dir)?.filter_map(|entry| Some(entry.ok()?.path()));
            let log = log.filter(|path| path.extension().is_some_and(|kind| kind == "log")).max();
            open = fs::OpenOptions::new().append(true).open(log.ok_or("no log")?)?;
        }
    }
    let tables = fs::read_dir(dir)?.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(tables.filter(|path| path.extension().is_some_and(|kind| kind == "ldb")).count())
}

fn transaction(position: u64, random: &mut fastrand::Rng) -> Vec<u8> {
    let mut task = ScheduledTask::default();
    task.assigned_task.task_id = format!("www-data-prod-hello-{position}-{:032x}", random.u128(..));
    let message: String = (0..VALUE_BYTES).map(|_| random.alphanumeric()).collect();
    task.task_events = Some(vec![TaskEvent { timestamp_ms: 1, message: Some(message), ..TaskEvent::default() }]);
    LogEntry::Transaction(Transaction::of(&[Op::SaveTasks(vec![task])])).encode()
}

/// In a process of its own: seconds, and the peak of resident memory in MB.
fn measure(path: &Path) -> Result<()> {
    let begun = Instant::now();
    let inspection = inspect(&Disk::new(path));
    let seconds = begun.elapsed().as_secs_f64();
    let summary = &inspection.summary;
    if summary.content.transactions == 0 {
        return Err(format!("{:?}", summary.findings).into());
    }
    println!("{seconds} {}", peak_mb()?);
    Ok(())
}

fn peak_mb() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kilobytes: f64 = line.split_whitespace().next().ok_or("no figure")?.parse()?;
    Ok(kilobytes / 1024.0)
}

/// The C++ program, compiled, where this machine can.
fn peer(temp: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/leveldb_peer.cc");
    let program = temp.join("peer");
    let built = Command::new("g++").args(["-O2", "-o"]).arg(&program).arg(source).arg("-lleveldb").output().ok()?;
    built.status.success().then_some(program)
}

/// Seconds of the peer on a fresh copy, which its opening changes.
fn run_peer(peer: Option<&Path>, log: &Path, temp: &Path) -> Result<f64> {
    let copy = temp.join("copy");
    fs::create_dir(&copy)?;
    for entry in fs::read_dir(log)? {
        let entry = entry?;
        fs::copy(entry.path(), copy.join(entry.file_name()))?;
    }
    let seconds = match peer {
        Some(program) => {
            let out = Command::new(program).arg(&copy).output()?;
            if !out.status.success() {
                return Err("the peer cannot read the directory".into());
            }
            two(&out.stdout)?.0
        }
        None => rusty(&copy)?,
    };
    fs::remove_dir_all(&copy)?;
    Ok(seconds)
}

fn rusty(dir: &Path) -> Result<f64> {
    use rusty_leveldb::LdbIterator as _;
    let begun = Instant::now();
    let mut db = rusty_leveldb::DB::open(dir, rusty_leveldb::Options::default())?;
    let mut entries = db.new_iter()?;
    while entries.next().is_some() {}
    Ok(begun.elapsed().as_secs_f64())
}

fn two(stdout: &[u8]) -> Result<(f64, f64)> {
    let text = String::from_utf8_lossy(stdout);
    let mut words = text.split_whitespace().map(str::parse);
    Ok((words.next().ok_or("no figure")??, words.next().ok_or("no second figure")??))
}

fn middle(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
