//! Live output: a strip below the page, or the whole screen with search. Lines come from hosts and are made
//! safe again here, whatever was done to them before.

use ratatui::{buffer::Buffer, layout::Rect};
use unicode_width::UnicodeWidthStr;

use super::Scene;
use crate::{
    engine::{KeptLine, Stream},
    tui::{
        doc::cut,
        search,
        theme::{Role, Theme},
        ui::Facts,
    },
};

/// Widest host name before it is cut.
const HOST_COLUMNS: usize = 12;

pub(super) fn draw_strip(scene: Scene<'_>, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let title = match scene.world.output.len() {
        (0, _) => " output: none yet ".to_owned(),
        (count, dropped) => format!(" output: {} lines, l shows all, / searches ", count as u64 + dropped),
    };
    rule(scene.theme, Rect { height: 1, ..area }, &title, buf);
    let height = usize::from(area.height) - 1;
    scene.world.output.with(|lines| {
        let from = lines.len().saturating_sub(height);
        for (line, y) in lines.from(from).zip(area.y + 1..area.bottom()) {
            draw_line(scene, line, false, Rect { y, height: 1, ..area }, buf);
        }
    });
}

pub(super) fn draw_whole(scene: Scene<'_>, area: Rect, buf: &mut Buffer, facts: &mut Facts) {
    if area.is_empty() {
        return;
    }
    let (count, dropped) = scene.world.output.len();
    let height = usize::from(area.height) - 1;
    let last = count.saturating_sub(height);
    let shown = scene.ui.output.clone().unwrap_or_default();
    let top = shown.top.map_or(last, |top| (top.saturating_sub(dropped) as usize).min(last));
    facts.output_height = height;
    facts.output_top = dropped + top as u64;
    let follows = if shown.top.is_none() { "following" } else { "stopped; f follows" };
    let mut title = vec![format!(" output {}-{} of {}, {follows}", top + 1, (top + height).min(count), count)];
    if dropped > 0 {
        title.push(format!("{dropped} older lines are in the files only"));
    }
    if !scene.ui.query.is_empty() {
        title.push(format!("search: {}", scene.theme.clean(&scene.ui.query)));
    }
    if let Some(message) = &scene.ui.message {
        title.push(scene.theme.clean(message));
    }
    let title = title.join("; ");
    rule(scene.theme, Rect { height: 1, ..area }, &format!("{title} "), buf);
    let query = scene.ui.query.to_lowercase();
    scene.world.output.with(|lines| {
        let from = top.min(lines.len());
        for (line, y) in lines.from(from).zip(area.y + 1..area.bottom()) {
            let found = search::matches(line, &query);
            draw_line(scene, line, found, Rect { y, height: 1, ..area }, buf);
        }
    });
}

fn draw_line(scene: Scene<'_>, line: KeptLine<'_>, found: bool, area: Rect, buf: &mut Buffer) {
    let host = cut(scene.theme, &scene.theme.clean(line.host.as_str()).replace('\n', " "), HOST_COLUMNS);
    let (mark, role) = match line.stream {
        Stream::Out => (scene.theme.upright(), Role::Plain),
        Stream::Err => ('!', Role::Warn),
        Stream::Note => ('-', Role::Dim),
    };
    let label = format!(" {host} {mark} ");
    let width = usize::from(area.width);
    let (x, _) = buf.set_stringn(area.x, area.y, &label, width, scene.theme.style(Role::Dim));
    let room = width.saturating_sub(label.width());
    let text = cut(scene.theme, &scene.theme.clean(line.text).replace('\n', " "), room);
    let role = if found { Role::Selected } else { role };
    buf.set_stringn(x, area.y, text, room, scene.theme.style(role));
}

/// A level line with a title.
pub(super) fn rule(theme: Theme, area: Rect, title: &str, buf: &mut Buffer) {
    let width = usize::from(area.width);
    let line: String = std::iter::repeat_n(theme.level(), width).collect();
    buf.set_stringn(area.x, area.y, line, width, theme.style(Role::Dim));
    let title = cut(theme, title, width.saturating_sub(2));
    let x = area.x + 1.min(area.width);
    buf.set_stringn(x, area.y, title, width.saturating_sub(1), theme.style(Role::Dim));
}
