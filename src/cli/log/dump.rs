//! `log dump`: what a replica holds, position by position. Holes, which `mesos-log read` skips without a mark, are shown.

use std::path::Path;

use clap::Args;

use super::inspect::{Library, plain};
use crate::{
    aurora::log_entry::{EntryClass, classify},
    backups::words,
    cli::{
        args::{EndsWith, print},
        page::{Page, cut},
    },
    exit::Exit,
    forensics::Disk,
    hosts::clean,
    replog::{ActionAt, ActionKind, Inspection, Span, inspect_as, subtract},
};

/// Bytes of lines that are printed at once.
const CHUNK: usize = 64 * 1024;

/// What is asked for.
#[derive(Debug, Args)]
pub struct DumpArgs {
    /// A replica's directory (`-native_log_file_path`), or a copy of it. Nothing in it is changed.
    #[arg(value_name = "DIR")]
    dir: String,
    /// First position; the log's begin if left out.
    #[arg(long)]
    from: Option<u64>,
    /// Last position, inclusive; the log's end if left out.
    #[arg(long)]
    to: Option<u64>,
    /// A line of JSON for each position, and for each hole.
    #[arg(long)]
    json: bool,
    /// The LevelDB that would open it.
    #[arg(long, value_enum, default_value_t = Library::Bundled)]
    leveldb: Library,
}

/// Prints the positions.
pub(super) fn dump(args: &DumpArgs) -> anyhow::Result<Exit> {
    let dir = plain(&args.dir);
    let source = Disk::new(Path::new(&dir));
    let inspection = inspect_as(&source, args.leveldb.profile());
    let view = &inspection.summary.mesos_view;
    if let Some(finding) = inspection.summary.findings.iter().find(|finding| finding.code == "directory-unreadable") {
        return Err(EndsWith { exit: Exit::Unreadable, why: format!("{dir}: {}", finding.message) }.into());
    }
    if !inspection.summary.exists {
        let why = format!("{dir} does not exist; is it on this machine? -native_log_file_path has the right one");
        return Err(EndsWith { exit: Exit::Unreadable, why }.into());
    }
    let held = |at: Option<&ActionAt>| at.map(|at| at.action.position);
    let (first, last) = (held(inspection.actions().first()), held(inspection.actions().last()));
    let whole = Span {
        first: args.from.or(view.begin).or(first).unwrap_or(0),
        last: args.to.or(view.end).or(last).unwrap_or(0),
    };
    if whole.first > whole.last {
        let why = format!("there is nothing from {} to {}: bad read range (to < from)", whole.first, whole.last);
        return Err(EndsWith { exit: Exit::BadInput, why }.into());
    }
    if args.json {
        json_lines(&source, &inspection, whole)?;
    } else {
        text_lines(&source, &inspection, whole)?;
    }
    Ok(if view.opens && view.certain { Exit::Done } else { Exit::NotSound })
}

/// A position that is held, or a hole.
enum Row<'a> {
    Held(&'a ActionAt),
    Hole(Span),
}

/// Everything in a span, in order. A hole ends with the log, whatever was asked for.
fn rows(inspection: &Inspection, whole: Span) -> impl Iterator<Item = Row<'_>> {
    let inside = |at: &&ActionAt| (whole.first..=whole.last).contains(&at.action.position);
    let held: Vec<&ActionAt> = inspection.actions().iter().filter(inside).collect();
    let end = inspection.summary.mesos_view.end.or_else(|| held.last().map(|at| at.action.position)).unwrap_or(0);
    let begin = inspection.summary.mesos_view.begin.unwrap_or(0);
    let spans = crate::replog::spans_of(held.iter().map(|at| at.action.position));
    let known = Span { first: whole.first.max(begin), last: whole.last.min(end) };
    let mut rows: Vec<(u64, Row<'_>)> = held.into_iter().map(|at| (at.action.position, Row::Held(at))).collect();
    rows.extend(subtract(known, &spans).into_iter().map(|span| (span.first, Row::Hole(span))));
    rows.sort_by_key(|(position, _)| *position);
    rows.into_iter().map(|(_, row)| row)
}

fn text_lines(source: &Disk, inspection: &Inspection, whole: Span) -> anyhow::Result<()> {
    let summary = &inspection.summary;
    let mut page = Page::default();
    page.words("", &format!("{}: {}", summary.path, crate::replog::verdict::one_line(summary)));
    if !summary.mesos_view.opens {
        page.words("", "no replica opens it: what follows is what can still be read from its files");
    }
    print(page.text())?;
    let mut out = format!("{:>12}  {:<9}  {:<8}  {:>9}  {}\n", "position", "state", "kind", "bytes", "holds");
    for row in rows(inspection, whole) {
        let line = match row {
            Row::Hole(span) => {
                format!("{:>12}  HOLE       {} missing", span.first, words::count(span.count(), "position"))
            }
            Row::Held(at) => {
                let action = &at.action;
                let bytes = match action.kind {
                    Some(ActionKind::Append { len }) => len.to_string(),
                    _ => String::new(),
                };
                let holds = holds(source, inspection, at);
                format!("{:>12}  {:<9}  {:<8}  {bytes:>9}  {holds}", action.position, state(at), kind(at))
            }
        };
        out.push_str(cut(&clean::line(line.as_bytes()), 80).trim_end());
        out.push('\n');
        if out.len() > CHUNK {
            print(&std::mem::take(&mut out))?;
        }
    }
    print(&out)
}

fn json_lines(source: &Disk, inspection: &Inspection, whole: Span) -> anyhow::Result<()> {
    let mut out = String::new();
    for row in rows(inspection, whole) {
        let value = match row {
            Row::Hole(span) => serde_json::json!({ "position": span.first, "last": span.last, "state": "hole" }),
            Row::Held(at) => serde_json::json!({
                "position": at.action.position,
                "state": state(at),
                "promised": at.action.promised,
                "performed": at.action.performed,
                "kind": at.action.kind,
                "holds": holds(source, inspection, at),
            }),
        };
        out.push_str(&value.to_string());
        out.push('\n');
        if out.len() > CHUNK {
            print(&std::mem::take(&mut out))?;
        }
    }
    print(&out)
}

fn state(at: &ActionAt) -> &'static str {
    match (at.action.learned, at.action.kind) {
        (Some(true), _) => "learned",
        (_, Some(_)) => "written",
        (_, None) => "promised",
    }
}

fn kind(at: &ActionAt) -> &'static str {
    match at.action.kind {
        Some(ActionKind::Append { .. }) => "append",
        Some(ActionKind::Nop { .. }) => "nop",
        Some(ActionKind::Truncate { .. }) => "truncate",
        None => "",
    }
}

/// What a scheduler would make of it.
fn holds(source: &Disk, inspection: &Inspection, at: &ActionAt) -> String {
    match at.action.kind {
        Some(ActionKind::Nop { tombstone: true }) => return "drops everything before it".to_owned(),
        Some(ActionKind::Truncate { to }) => return format!("drops everything before {to}"),
        Some(ActionKind::Append { .. }) => {}
        _ => return String::new(),
    }
    let Some(bytes) = inspection.payload(source, at) else {
        return "cannot be read again: the file changed".to_owned();
    };
    let number = |number: i32| u64::from(number.unsigned_abs());
    match classify(&bytes) {
        EntryClass::Noop => "noop: a leader began to read".to_owned(),
        EntryClass::Transaction { ops } => format!("transaction of {}", words::count(number(ops), "operation")),
        EntryClass::Snapshot { timestamp_ms } => format!("snapshot of {}", words::moment(timestamp_ms)),
        EntryClass::Deflated { len } => format!("deflated, {}", words::count(number(len), "byte")),
        EntryClass::Deduplicated => "snapshot, deduplicated".to_owned(),
        EntryClass::FrameHeader { chunks } => format!("head of a frame of {}", words::count(number(chunks), "chunk")),
        EntryClass::FrameChunk { .. } => "chunk of a frame".to_owned(),
        EntryClass::Unknown => "none of Aurora's entries".to_owned(),
    }
}
