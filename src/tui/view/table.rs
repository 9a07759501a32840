//! The table that is open: drawn from the place that is seen on, never the rows that are not.

use std::fmt::Write as _;

use ratatui::{buffer::Buffer, layout::Rect};
use unicode_width::UnicodeWidthStr;

use super::{Scene, output::rule, screen::more_marks};
use crate::{
    table::{ColumnKind, Place},
    tui::{
        doc::{Doc, cut, scroll_to},
        rows::{Load, Loaded, TableUi},
        text,
        theme::Role,
        ui::Facts,
    },
};

/// Columns for the cursor and the mark.
const MARGIN: usize = 4;
/// Columns between two cells.
const GAP: usize = 2;
/// Narrowest that a column of words is made so that others have room. Numbers and times are shown whole or not.
const NARROWEST: usize = 10;
/// Widest that a column begins with.
const WIDEST: usize = 48;

pub(super) fn draw(scene: Scene<'_>, area: Rect, buf: &mut Buffer, facts: &mut Facts) {
    let Some(open) = &scene.ui.table else { return };
    if area.is_empty() {
        return;
    }
    match &open.load {
        Load::Ready(found) if open.row.is_some() => draw_row(scene, open, found, area, buf, facts),
        Load::Ready(found) => draw_list(scene, open, found, area, buf, facts),
        Load::Waiting(_) => draw_word(scene, open, (text::LOADING, Role::Busy), area, buf),
        Load::Failed(why) => draw_word(scene, open, (why, Role::Bad), area, buf),
    }
}

/// A table that is not there: why, and which.
fn draw_word(scene: Scene<'_>, open: &TableUi, (why, role): (&str, Role), area: Rect, buf: &mut Buffer) {
    rule(scene.theme, Rect { height: 1, ..area }, &format!(" {} ", scene.theme.clean(&open.kept.name)), buf);
    let mut doc = Doc::new(scene.theme, area.width);
    doc.put(None, ("file  ", Role::Dim), (&open.kept.path, Role::Plain));
    doc.text(role, why);
    let inner = Rect { y: area.y + 1, height: area.height - 1, ..area };
    doc.draw(inner, buf, 0);
}

fn draw_list(scene: Scene<'_>, open: &TableUi, found: &Loaded, area: Rect, buf: &mut Buffer, facts: &mut Facts) {
    rule(scene.theme, Rect { height: 1, ..area }, &title(scene, open, found), buf);
    let mut rest = Rect { y: area.y + 1, height: area.height - 1, ..area };
    if open.typing.is_some() || !open.browse.typed().is_empty() {
        draw_filter(scene, open, rest, buf, facts);
        rest = below(rest);
    }
    let foot = foot(scene, open);
    if !foot.is_empty() && rest.height > 3 {
        let line = Rect { y: rest.bottom() - 1, height: 1, ..rest };
        let width = usize::from(line.width);
        let foot = format!(" {}", cut(scene.theme, &foot, width.saturating_sub(1)));
        let role = if scene.ui.message.is_some() { Role::Strong } else { Role::Dim };
        buf.set_stringn(line.x, line.y, foot, width, scene.theme.style(role));
        rest.height -= 1;
    }
    if rest.height > 1 {
        draw_heading(scene, open, found, rest, buf, facts);
        rest = below(rest);
    }
    let height = usize::from(rest.height);
    let cursor = open.browse.cursor();
    let last = open.browse.places().saturating_sub(height);
    let top = scroll_to(open.top.min(last), height.max(1), (cursor, cursor)).min(open.browse.places());
    facts.table_height = height;
    facts.table_top = top;
    let (seen, _) = columns(open, found, rest.width);
    for (place, y) in (top..open.browse.places()).zip(rest.y..rest.bottom()) {
        let line = Rect { y, height: 1, ..rest };
        draw_place(scene, (open, found, &seen), (place, place == cursor), line, buf);
    }
    if open.browse.places() == 0 && height > 0 {
        let none = if found.table.is_empty() { text::EMPTY_TABLE } else { text::NONE_SHOWN };
        buf.set_stringn(
            rest.x + 1.min(rest.width),
            rest.y,
            none,
            usize::from(rest.width).saturating_sub(1),
            scene.theme.style(Role::Warn),
        );
    }
}

/// What it is, how much of it is shown and marked, in which order.
fn title(scene: Scene<'_>, open: &TableUi, found: &Loaded) -> String {
    let (table, browse) = (&found.table, &open.browse);
    let name = if table.title().is_empty() { &open.kept.name } else { table.title() };
    let heading =
        |column: usize| table.columns().get(column).map(|column| scene.theme.clean(&column.title)).unwrap_or_default();
    let mut title = format!(" {}: ", scene.theme.clean(name).replace('\n', " "));
    if browse.shown().len() < table.len() {
        let _ = write!(title, "{} shown of ", count(browse.shown().len()));
    }
    title.push_str(&count(table.len()));
    if browse.marked() > 0 {
        let _ = write!(title, ", {} MARKED", count(browse.marked()));
        let hidden = browse.marked() - browse.marked_shown();
        if hidden > 0 {
            let _ = write!(title, " ({} not shown)", count(hidden));
        }
    }
    if let Some(column) = browse.group() {
        let _ = write!(title, ", {} groups by {}", count(browse.groups().len()), heading(column));
    } else if let Some((column, descending)) = browse.sort() {
        let order = if descending { ", last first" } else { "" };
        let _ = write!(title, ", by {}{order}", heading(column));
    }
    title.push(' ');
    title
}

/// A number with its thousands apart.
fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn draw_filter(scene: Scene<'_>, open: &TableUi, area: Rect, buf: &mut Buffer, facts: &mut Facts) {
    if area.is_empty() {
        return;
    }
    let width = usize::from(area.width);
    let label = " filter > ";
    let clean = |text: &str| scene.theme.clean(text).replace('\n', " ");
    let (shown, before) = match &open.typing {
        Some(typing) => (clean(&typing.editor.text()), clean(typing.editor.before()).width()),
        None => (clean(open.browse.typed()), 0),
    };
    let room = width.saturating_sub(label.width() + 1).max(1);
    let skip = before.saturating_sub(room);
    let tail: String = shown.chars().skip(skip).collect();
    let (x, _) = buf.set_stringn(area.x, area.y, label, width, scene.theme.style(Role::Strong));
    buf.set_stringn(x, area.y, tail, usize::from(area.right() - x), scene.theme.style(Role::Plain));
    if open.typing.is_some() {
        let at = area.x.saturating_add((label.width() + before - skip) as u16);
        facts.cursor = Some((at.min(area.right() - 1), area.y));
    }
}

/// The last line: what is to be said, else what the rows are for, else where the file lies.
fn foot(scene: Scene<'_>, open: &TableUi) -> String {
    let text = match (&scene.ui.message, &open.answers) {
        (Some(message), _) => message.clone(),
        (None, Some(_)) if open.typing.is_none() => text::TAKES_ROWS.to_owned(),
        (None, _) if open.typing.is_some() => text::FILTER_HELP.to_owned(),
        (None, _) => format!("file {}", open.kept.path),
    };
    scene.theme.clean(&text).replace('\n', " ")
}

/// The columns that are seen, with the width of each.
fn columns(open: &TableUi, found: &Loaded, width: u16) -> (Vec<(usize, usize)>, usize) {
    let room = usize::from(width).saturating_sub(MARGIN);
    let all = found.widths.len();
    let mut seen: Vec<(usize, usize)> = (0..all)
        .filter(|column| *column == 0 || *column > open.left)
        .map(|column| (column, found.widths.get(column).copied().unwrap_or(0).clamp(1, WIDEST)))
        .collect();
    let total = |seen: &[(usize, usize)]| seen.iter().map(|(_, width)| width + GAP).sum::<usize>().saturating_sub(GAP);
    // The widest give way first, down to a width that still tells something.
    while total(&seen) > room {
        let words = seen.iter_mut().filter(|(column, width)| is_words(found, *column) && *width > NARROWEST);
        match words.max_by_key(|(_, width)| *width) {
            Some((_, width)) => *width -= 1,
            None => break,
        }
    }
    // A mark at the edge says that there are more.
    let more = if total(&seen) > room { GAP } else { 0 };
    let room = room.saturating_sub(more);
    let mut cut_off = 0;
    while seen.len() > 1 && total(&seen) > room {
        seen.pop();
        cut_off += 1;
    }
    // What the cut left over goes to the widest ones that were made narrower.
    while total(&seen) < room {
        let narrowed = |(column, width): &&mut (usize, usize)| {
            *width < found.widths.get(*column).copied().unwrap_or(0).min(WIDEST * 2)
        };
        match seen.iter_mut().find(narrowed) {
            Some((_, width)) => *width += 1,
            None => break,
        }
    }
    (seen, cut_off)
}

fn draw_heading(scene: Scene<'_>, open: &TableUi, found: &Loaded, area: Rect, buf: &mut Buffer, facts: &mut Facts) {
    let style = scene.theme.style(Role::Strong);
    if let Some(column) = open.browse.group() {
        let name = found.table.columns().get(column).map(|column| scene.theme.clean(&column.title)).unwrap_or_default();
        let line = format!("    {:>9}  {:>9}  {name}", "rows", "marked");
        buf.set_stringn(area.x, area.y, line, usize::from(area.width), style);
        return;
    }
    let (seen, cut_off) = columns(open, found, area.width);
    facts.table_right = cut_off;
    let mut x = area.x.saturating_add(MARGIN as u16);
    for (column, width) in seen {
        if x >= area.right() {
            break;
        }
        let Some(known) = found.table.columns().get(column) else { continue };
        let mark = match open.browse.sort() {
            Some((by, descending)) if by == column => match (descending, scene.theme.ascii) {
                (false, false) => "↑",
                (true, false) => "↓",
                (false, true) => "^",
                (true, true) => "v",
            },
            _ => "",
        };
        let title = scene.theme.clean(&known.title).replace('\n', " ");
        let title = cut(scene.theme, &title, width.saturating_sub(mark.width()));
        let title = aligned(&format!("{mark}{title}"), width, known.kind != ColumnKind::Text);
        buf.set_stringn(x, area.y, title, usize::from(area.right() - x), style);
        x = x.saturating_add((width + GAP) as u16);
    }
    let (left, right) = if scene.theme.ascii { ("<", ">") } else { ("‹", "›") };
    if open.left > 0 && area.width > 8 {
        buf.set_stringn(area.x, area.y, left, 1, style);
    }
    if cut_off > 0 && area.width > 8 {
        buf.set_stringn(area.right() - 1, area.y, right, 1, style);
    }
}

fn is_words(found: &Loaded, column: usize) -> bool {
    found.table.columns().get(column).is_none_or(|column| column.kind == ColumnKind::Text)
}

fn aligned(text: &str, width: usize, right: bool) -> String {
    let blanks = " ".repeat(width.saturating_sub(text.width()));
    if right { format!("{blanks}{text}") } else { format!("{text}{blanks}") }
}

fn draw_place(
    scene: Scene<'_>,
    (open, found, seen): (&TableUi, &Loaded, &[(usize, usize)]),
    (place, under): (usize, bool),
    area: Rect,
    buf: &mut Buffer,
) {
    let theme = scene.theme;
    let cursor = if under { theme.cursor() } else { ' ' };
    let (mark, line) = match open.browse.place(place) {
        Some(Place::Row(row)) => {
            let mut line = String::new();
            for (column, width) in seen.iter().copied() {
                let kind = found.table.columns().get(column).map(|column| column.kind).unwrap_or_default();
                let cell = theme.clean(&found.table.shown(row, column)).replace('\n', " ");
                line.push_str(&aligned(&cut(theme, &cell, width), width, kind != ColumnKind::Text));
                line.push_str("  ");
            }
            (if open.browse.is_marked(row) { '*' } else { ' ' }, line)
        }
        Some(Place::Group(at)) => {
            let (Some(group), Some(column)) = (open.browse.groups().get(at), open.browse.group()) else { return };
            let value = theme.clean(&found.table.shown(group.row, column)).replace('\n', " ");
            let value = if value.is_empty() { "(none)".to_owned() } else { value };
            let marked = if group.marked > 0 { count(group.marked) } else { String::new() };
            let mark = match group.marked {
                0 => ' ',
                all if all == group.shown => '*',
                _ => '+',
            };
            (mark, format!("{:>9}  {marked:>9}  {value}", count(group.shown)))
        }
        None => return,
    };
    let width = usize::from(area.width);
    let role = if mark == ' ' { Role::Plain } else { Role::Strong };
    let text = format!("{cursor} {mark} {}", line.trim_end());
    buf.set_stringn(area.x, area.y, cut(theme, &text, width), width, theme.style(role));
    if under {
        buf.set_style(area, theme.style(Role::Selected));
    }
}

/// A row whole: each cell with its heading, then the lines of detail.
fn draw_row(scene: Scene<'_>, open: &TableUi, found: &Loaded, area: Rect, buf: &mut Buffer, facts: &mut Facts) {
    let Some(row) = open.row else { return };
    let table = &found.table;
    let place = format!(" {} of {}: ", count(open.browse.cursor() + 1), count(open.browse.shown().len()));
    let mark = if open.browse.is_marked(row) { "MARKED " } else { "" };
    let title = format!("{place}{} {mark}", scene.theme.clean(table.key(row)).replace('\n', " "));
    rule(scene.theme, Rect { height: 1, ..area }, &title, buf);
    let mut doc = Doc::new(scene.theme, area.width);
    let longest = table.columns().iter().map(|column| column.title.chars().count()).max().unwrap_or(0).min(24);
    for (at, column) in table.columns().iter().enumerate() {
        let value = table.shown(row, at);
        let label = format!(" {:<longest$}  ", column.title);
        doc.labelled(&label, Role::Plain, &value);
    }
    doc.gap();
    for line in table.detail(row) {
        doc.labelled(" ", Role::Plain, line);
    }
    if let Some(message) = &scene.ui.message {
        doc.gap();
        doc.text(Role::Strong, message);
    }
    let inner = below(area);
    facts.table_height = usize::from(inner.height);
    facts.row_scroll = doc.draw(inner, buf, open.row_scroll);
    more_marks(scene, &doc, inner, facts.row_scroll, buf);
}

fn below(area: Rect) -> Rect {
    let rows = 1.min(area.height);
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}
