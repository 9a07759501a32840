//! How fast a backup is decoded, counted and judged, and in how much memory.
//!
//! A backup of a million tasks is made in a temporary directory, then read by a process of its own, so that what making it took does not count.
//! `FIRSTLIGHT_BENCH_TASKS` makes it smaller. Beside it, in the same run: the bare reading of as many bytes (what no reader can be faster
//! than), and the decoding of the whole struct into memory, which is what Aurora's own generated code does; that of a tenth, because a whole
//! one does not fit.
//!
//! Figures of others for a file of this size, seen on two cores: Aurora's own load (Java) 14.7 s and 4.9 GB, generated C++ code 8.8 s and
//! 3 GB. The aims are a tenth of the time of the latter, and 100 MB.

mod made;

use std::{
    env,
    error::Error,
    fs::File,
    io::{BufWriter, Read, Write},
    path::Path,
    process::Command,
    time::Instant,
};

use firstlight::aurora::snapshot::{decode_snapshot, read_backup_from};
use made::Size;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const TASKS: u64 = 1_000_000;
const RUNS: usize = 5;

/// Of a file of a million tasks.
const JAVA_SECONDS: f64 = 14.7;
const JAVA_MB: f64 = 4_900.0;
const CPP_SECONDS: f64 = 8.8;
const CPP_MB: f64 = 3_000.0;
const SECONDS_AIM: f64 = CPP_SECONDS / 10.0;
const MB_AIM: f64 = 100.0;

/// What a child measured.
struct Figure {
    /// By the clock on the wall.
    seconds: f64,
    /// On a processor; less than the wall's when others use the machine.
    cpu_seconds: f64,
    peak_mb: f64,
}

fn main() -> Result<()> {
    let args: Vec<String> = env::args().collect();
    if let [_, child, how, path] = args.as_slice()
        && child == "--child"
    {
        return measure(how, path);
    }
    let tasks = match env::var("FIRSTLIGHT_BENCH_TASKS") {
        Ok(text) => text.parse()?,
        Err(_) => TASKS,
    };
    let directory = tempfile::tempdir()?;
    let (whole, tenth) = (directory.path().join("whole"), directory.path().join("tenth"));
    let bytes = make(&whole, tasks)?;
    let tenth_bytes = make(&tenth, tasks / 10)?;
    println!("a backup of {tasks} tasks, {:.0} MB", bytes / 1e6);

    let bare = best("bare", &whole)?;
    line("bare read", bytes, &bare);
    let read = best("read", &whole)?;
    line("decode, count and judge", bytes, &read);
    let struct_tenth = best("struct", &tenth)?;
    line("whole struct of a tenth", tenth_bytes, &struct_tenth);

    let scale = tasks as f64 / TASKS as f64;
    for (who, seconds, mb) in [("java load", JAVA_SECONDS, JAVA_MB), ("generated c++", CPP_SECONDS, CPP_MB)] {
        println!(
            "beside {who} ({seconds} s, {mb:.0} MB for a million): {:.1} times the speed, 1/{:.0} of the memory",
            seconds * scale / read.seconds,
            mb * scale / read.peak_mb
        );
    }
    let by_struct = struct_tenth.seconds / tenth_bytes / (read.seconds / bytes);
    println!(
        "beside the whole struct: {by_struct:.1} times the speed; beside the bare read: {:.1} times its time",
        read.seconds / bare.seconds
    );
    if cfg!(debug_assertions) {
        return Ok(());
    }
    if read.peak_mb > MB_AIM {
        return Err(format!("{:.0} MB are more than {MB_AIM:.0} MB", read.peak_mb).into());
    }
    if read.seconds > SECONDS_AIM * scale.max(0.1) {
        return Err(format!("{:.2} s are more than {:.2} s", read.seconds, SECONDS_AIM * scale).into());
    }
    Ok(())
}

fn make(path: &Path, tasks: u64) -> Result<f64> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    made::write_backup(&mut out, Size::of_tasks(tasks))?;
    out.flush()?;
    Ok(path.metadata()?.len() as f64)
}

/// The fastest of some runs, each in a process of its own; with the most memory of any.
fn best(how: &str, path: &Path) -> Result<Figure> {
    let mut best = Figure { seconds: f64::INFINITY, cpu_seconds: f64::INFINITY, peak_mb: 0.0 };
    for _ in 0..RUNS {
        let output = Command::new(env::current_exe()?).args(["--child", how]).arg(path).output()?;
        let text = String::from_utf8(output.stdout)?;
        let [seconds, cpu_seconds, peak_mb] = text.split_whitespace().collect::<Vec<_>>()[..] else {
            return Err(format!("{how}: {}", String::from_utf8_lossy(&output.stderr)).into());
        };
        best.seconds = best.seconds.min(seconds.parse()?);
        best.cpu_seconds = best.cpu_seconds.min(cpu_seconds.parse()?);
        best.peak_mb = best.peak_mb.max(peak_mb.parse()?);
    }
    Ok(best)
}

fn line(what: &str, bytes: f64, figure: &Figure) {
    let Figure { seconds, cpu_seconds, peak_mb } = figure;
    let mb_s = bytes / 1e6 / seconds;
    println!("{what}: {seconds:.3} s ({cpu_seconds:.3} s of processor), {mb_s:.0} MB/s, {peak_mb:.0} MB at most");
}

/// One run; prints its seconds and the most memory this process had.
fn measure(how: &str, path: &str) -> Result<()> {
    let begun = Instant::now();
    let mut file = File::open(path)?;
    match how {
        "bare" => {
            let mut buffer = vec![0; 1 << 19];
            while file.read(&mut buffer)? > 0 {}
        }
        "read" => {
            let summary = read_backup_from(file);
            if !summary.is_fit() {
                return Err(format!("{:?}", summary.problems()).into());
            }
        }
        _ => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let tasks = decode_snapshot(&bytes)?.tasks.map_or(0, |tasks| tasks.len());
            if tasks == 0 {
                return Err("no tasks".into());
            }
        }
    }
    println!("{} {} {}", begun.elapsed().as_secs_f64(), cpu_seconds()?, peak_mb()?);
    Ok(())
}

/// Seconds this process, of one thread, was on a processor.
fn cpu_seconds() -> Result<f64> {
    let schedstat = std::fs::read_to_string("/proc/self/schedstat")?;
    let nanos: f64 = schedstat.split_whitespace().next().ok_or("no schedstat")?.parse()?;
    Ok(nanos / 1e9)
}

/// Peak resident memory of this process in MB.
fn peak_mb() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kib * 1024.0 / 1e6)
}
