//! Draws `assets/screen.svg`: the screen of a real run, not of a mock-up. Run it with `cargo bench --bench picture`.
//!
//! A practice cluster is made and started, the shipped answers walk the recovery without a terminal up to the step
//! whose phrase is taken out of them, and the wizard takes the session up on a pty. There the phrase is typed, the next
//! steps are run, and the screen is kept at the question which backup it shall be. Everything is below [`PLACE`], whose name is seen in the picture,
//! and is removed afterwards. With other versions of the runbook or the wizard the picture becomes another one; times
//! and port numbers differ from run to run.

#[expect(dead_code, reason = "what only measurements need is not used here")]
mod pty;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use firstlight::{
    practice::{Cluster, Options, SPEED_DEFAULT, Scenario},
    tui::snapshot_svg,
};
use portable_pty::CommandBuilder;
use pty::{Pty, Result};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier, Style},
};

const RUNBOOK: &str = "aurora-restore-from-backup";
const PLACE: &str = "/var/tmp/firstlight";
const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/screen.svg");
const ANSWERS: &str = include_str!("../../assets/practice/corrupt-log.answers.yaml");
/// The step that is left to the wizard, as the answers name it, and its phrase.
const STEP: &str = "move-aside";
const PHRASE: &str = "move the log of practice aside";
/// What stands on the screen at the moment that is kept.
const MOMENT: &str = "│ 4.4 Choose the backup";
const SIZE: (u16, u16) = (110, 32);
const TITLE: &str = "The wizard on a practice cluster asks which backup to restore, with the backups it found";

/// Where the program is run from.
const OWN: &str = "/var/tmp/firstlight/bin/firstlight";

/// The program: the one that `cargo bench` makes, or another build that is named.
fn program() -> PathBuf {
    std::env::var_os("FIRSTLIGHT_BENCH_PROGRAM").map_or_else(|| env!("CARGO_BIN_EXE_firstlight").into(), PathBuf::from)
}

fn main() -> Result<()> {
    let place = Path::new(PLACE);
    // Not ours: nothing is removed that was there before.
    std::fs::create_dir(place).map_err(|error| format!("making {PLACE}: {error}"))?;
    let made = picture(place);
    std::fs::remove_dir_all(place)?;
    std::fs::write(PICTURE, made?)?;
    println!("wrote {PICTURE}");
    Ok(())
}

fn picture(place: &Path) -> Result<String> {
    // Its path is part of the cluster's commands, which are seen.
    std::fs::create_dir(place.join("bin"))?;
    std::fs::copy(program(), OWN)?;
    let options = Options {
        dir: Some(place.join("practice")),
        scenario: Scenario::CorruptLog,
        schedulers: 3,
        seed: 1,
        speed: SPEED_DEFAULT,
        zookeeper: false,
        program: PathBuf::from(OWN),
    };
    let cluster = Cluster::create(&options)?;
    let walked = cluster.start().map_err(Into::into).and_then(|()| walk(place, &cluster));
    cluster.down()?;
    walked
}

fn walk(place: &Path, cluster: &Cluster) -> Result<String> {
    let answers = place.join("answers.yaml");
    let own = format!("  {STEP}:");
    let kept: Vec<&str> = ANSWERS.lines().filter(|line| !line.starts_with(&own)).collect();
    std::fs::write(&answers, kept.join("\n"))?;
    let mut upto = Command::new(OWN);
    upto.args(["run", RUNBOOK, "--cluster"]).arg(cluster.inventory_path()).arg("--answers").arg(&answers);
    upto.env("XDG_STATE_HOME", place).env("USER", "ada").env_remove("SUDO_USER");
    let told = upto.output()?;
    if told.status.success() {
        return Err("the walk did not stop before the step".into());
    }
    let mut command = CommandBuilder::new(OWN);
    command.args(["resume", "last"]);
    command.env("XDG_STATE_HOME", place);
    command.env("USER", "ada");
    command.env_remove("SUDO_USER");
    let mut pty = Pty::start(command, SIZE)?;
    pty.shows("│ 3.7 Move")?;
    pty.send("r")?;
    pty.shows("type to confirm")?;
    pty.send(PHRASE)?;
    pty.shows(&format!("> {PHRASE}"))?;
    pty.send("\r")?;
    for title in ["│ 3.8 Initialize", "│ 3.9 Start"] {
        pty.shows(title)?;
        pty.shows("next  r ")?;
        pty.send("r")?;
        pty.shows("Enter runs it")?;
        pty.send("\r")?;
    }
    pty.shows(MOMENT)?;
    // With the next tick of its clocks everything has come to rest.
    pty.shows("step 00:02")?;
    Ok(snapshot_svg(&buffer(pty.screen().screen()), TITLE))
}

/// The screen as a frame.
fn buffer(screen: &vt100::Screen) -> Buffer {
    let (rows, cols) = screen.size();
    let (rows, cols) = (rows.get(), cols.get());
    let mut buffer = Buffer::empty(Rect::new(0, 0, cols, rows));
    for row in 0..rows {
        for col in 0..cols {
            let (Some(cell), Some(drawn)) = (screen.cell(row, col), buffer.cell_mut((col, row))) else { continue };
            if cell.has_contents() {
                drawn.set_symbol(cell.contents());
            }
            drawn.set_style(style(cell));
        }
    }
    buffer
}

fn style(cell: &vt100::Cell) -> Style {
    let flags = [
        (cell.bold(), Modifier::BOLD),
        (cell.dim(), Modifier::DIM),
        (cell.italic(), Modifier::ITALIC),
        (cell.underline(), Modifier::UNDERLINED),
        (cell.inverse(), Modifier::REVERSED),
    ];
    let set = flags.into_iter().filter(|(on, _)| *on).fold(Modifier::empty(), |all, (_, one)| all | one);
    Style::new().fg(color(cell.fgcolor())).bg(color(cell.bgcolor())).add_modifier(set)
}

/// The sixteen colours by their names, as a theme uses them.
fn color(color: vt100::Color) -> Color {
    match color {
        vt100::Color::Default => Color::Reset,
        vt100::Color::Idx(1) => Color::Red,
        vt100::Color::Idx(2) => Color::Green,
        vt100::Color::Idx(3) => Color::Yellow,
        vt100::Color::Idx(6) => Color::Cyan,
        vt100::Color::Idx(index) => Color::Indexed(index),
        vt100::Color::Rgb(red, green, blue) => Color::Rgb(red, green, blue),
    }
}
