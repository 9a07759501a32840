//! The whole frame: which part stands where.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{bottom, dialog, leader, now, output, over, page, plan, table, top, tree};
use crate::session::Life;
use crate::tui::{
    act::World,
    doc::{Doc, scroll_to},
    theme::{Role, Theme},
    ui::{Facts, UiState},
};

/// Narrowest screen that has room for the list of steps beside the page.
const TREE_FROM_WIDTH: u16 = 60;
/// Lowest screen that has room for output below the page.
const OUTPUT_FROM_HEIGHT: u16 = 16;

/// What does not change during a run of the wizard.
#[derive(Debug, Clone, Default)]
pub struct Info {
    /// A word about the practice, such as `60x`.
    pub practice: Option<String>,
    /// Where the report will be.
    pub report: Option<String>,
}

/// Everything a frame is made of.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// What is known.
    pub world: World<'a>,
    /// What is shown.
    pub ui: &'a UiState,
    /// How it looks.
    pub theme: Theme,
    /// What does not change.
    pub info: &'a Info,
}

/// Draws a frame and says what it had room for.
pub fn draw(scene: Scene<'_>, area: Rect, buf: &mut Buffer) -> Facts {
    let mut facts = Facts::default();
    if area.is_empty() {
        return facts;
    }
    top::draw(scene, Rect { height: 1, ..area }, buf);
    let (row, body) = split_down(below(area, 1), leader::rows(scene, area));
    leader::draw(scene, row, buf);
    let bottom_line = u16::from(body.height > 1);
    let (body, bottom) = split_down(body, body.height.saturating_sub(bottom_line));
    if scene.ui.table.as_ref().is_some_and(|table| table.open) {
        table::draw(scene, body, buf, &mut facts);
    } else if scene.ui.output.is_some() {
        output::draw_whole(scene, body, buf, &mut facts);
    } else {
        draw_body(scene, body, buf, &mut facts);
    }
    bottom::draw(scene, bottom, buf);
    if scene.ui.dialog.is_some() {
        dialog::draw(scene, below(area, 1 + leader::rows(scene, area)), buf, &mut facts);
    }
    facts
}

fn draw_body(scene: Scene<'_>, body: Rect, buf: &mut Buffer, facts: &mut Facts) {
    let walking = !matches!(scene.world.state.life, Life::Opening);
    let output_height = match (walking && body.height >= OUTPUT_FROM_HEIGHT, scene.world.output.is_empty()) {
        (false, _) => 0,
        (true, true) => 1,
        (true, false) => output_rows(body.height),
    };
    let (upper, lower) = split_down(body, body.height.saturating_sub(output_height));
    let (left, right) = if walking && upper.width >= TREE_FROM_WIDTH {
        split_across(upper, tree_columns(upper.width))
    } else {
        split_across(upper, 0)
    };
    if !left.is_empty() {
        let inner = Rect { width: left.width.saturating_sub(1), ..left };
        tree::draw(scene, inner, buf);
        let line = scene.theme.upright().to_string();
        for y in left.y..left.bottom() {
            buf.set_stringn(inner.right(), y, &line, 1, scene.theme.style(Role::Dim));
        }
    }
    let right = if left.is_empty() { right } else { indent(right) };
    draw_page(scene, right, buf, facts);
    output::draw_strip(scene, lower, buf);
}

fn draw_page(scene: Scene<'_>, area: Rect, buf: &mut Buffer, facts: &mut Facts) {
    let notices = now::notices(scene, area.width);
    let room = if area.height > 8 { (area.height / 3).max(2) } else { area.height / 2 };
    let now_height = (notices.len() as u16).min(room);
    let (page_area, now_area) = split_down(area, area.height.saturating_sub(now_height));
    let on_step = match scene.world.state.life {
        Life::Opening => false,
        Life::Ended { .. } => scene.ui.viewing.is_some(),
        Life::Walking | Life::Ending { .. } => true,
    };
    let head = if on_step { page::head(scene, page_area.width) } else { Doc::new(scene.theme, page_area.width) };
    let gap = u16::from(on_step && page_area.height >= 14);
    let head_height = (head.len() as u16).min(page_area.height / 3) + gap;
    let (head_area, page_area) = split_down(page_area, head_height);
    head.draw(head_area, buf, 0);
    let doc = match scene.world.state.life {
        Life::Opening => plan::page(scene, page_area.width),
        Life::Ended { .. } if scene.ui.viewing.is_none() => over::page(scene, page_area.width),
        Life::Walking | Life::Ending { .. } | Life::Ended { .. } => page::page(scene, page_area.width),
    };
    facts.page_height = usize::from(page_area.height);
    facts.page_scroll = doc.draw(page_area, buf, page_start(scene, &doc, page_area));
    more_marks(scene, &doc, page_area, facts.page_scroll, buf);
    notices.draw(now_area, buf, 0);
    more_marks(scene, &notices, now_area, 0, buf);
}

fn page_start(scene: Scene<'_>, doc: &Doc, area: Rect) -> usize {
    let height = usize::from(area.height);
    match doc.selected_lines() {
        Some(range) if scene.ui.follow_selected => scroll_to(scene.ui.scroll, height, range),
        Some(_) | None => scene.ui.scroll,
    }
}

/// Says at the right edge that there is more above or below.
pub(super) fn more_marks(scene: Scene<'_>, doc: &Doc, area: Rect, from: usize, buf: &mut Buffer) {
    let style = scene.theme.style(Role::Strong);
    let (up, down) = if scene.theme.ascii { ("^", "v") } else { ("↑", "↓") };
    if area.width < 12 || area.height < 2 {
        return;
    }
    if from > 0 {
        buf.set_stringn(area.right() - 1, area.y, up, 1, style);
    }
    if from + usize::from(area.height) < doc.len() {
        buf.set_stringn(area.right() - 1, area.bottom() - 1, down, 1, style);
    }
}

/// Columns of the list of steps, its line included.
fn tree_columns(width: u16) -> u16 {
    (width / 3).clamp(20, 42)
}

/// Rows of output below the page, its line included.
fn output_rows(height: u16) -> u16 {
    if height >= 34 { height * 3 / 10 } else { (height / 5).max(3) }
}

fn indent(area: Rect) -> Rect {
    let by = 1.min(area.width);
    Rect { x: area.x + by, width: area.width - by, ..area }
}

fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

fn split_down(area: Rect, upper: u16) -> (Rect, Rect) {
    let upper = upper.min(area.height);
    (Rect { height: upper, ..area }, below(area, upper))
}

fn split_across(area: Rect, left: u16) -> (Rect, Rect) {
    let left = left.min(area.width);
    (Rect { width: left, ..area }, Rect { x: area.x + left, width: area.width - left, ..area })
}
