//! The top line: cluster, mode, clocks, the time to what comes. The mode is what goes last when there is no room.

use ratatui::{buffer::Buffer, layout::Rect};
use unicode_width::UnicodeWidthStr;

use super::Scene;
use crate::{
    engine::Health,
    runbook::Mode,
    session::{Clock, Life, clocks},
    tui::{
        doc::cut,
        model::{self, clock},
        text,
        theme::Role,
    },
};

/// Columns between two clocks.
const GAP: usize = 2;
/// Longest title of a clock where there is little room, in columns.
const TITLE_SHORT: usize = 16;
/// What comes within this time is near: there is hardly time for another step.
const NEAR_MS: u64 = 5 * 60 * 1_000;

pub(super) fn draw(scene: Scene<'_>, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let opened = &scene.world.state.session.opened;
    let practice = opened.inventory.practice;
    let role = if practice || opened.mode == Mode::Training { Role::Drill } else { Role::Recovery };
    let mut mode = text::mode(opened.mode, practice).to_owned();
    if let Some(word) = scene.info.practice.as_ref().filter(|_| area.width >= 40) {
        mode.push_str("  ");
        mode.push_str(&scene.theme.clean(word).replace('\n', " "));
    }
    if matches!(scene.world.health, Health::ReadOnly(_)) {
        mode.push_str("  READ ONLY");
    }
    let width = usize::from(area.width);
    let mode = if width > mode.width() + 2 { format!(" {mode} ") } else { mode };
    // A mark for what was cut would be all that is seen of it on a very narrow screen.
    let mode: String = mode.chars().take(width).collect();
    let cluster = scene.theme.clean(&opened.inventory.cluster).replace('\n', " ");
    let room = width.saturating_sub(mode.width());
    let cluster =
        if room >= 6 { format!(" {} ", cut(scene.theme, &cluster, (room - 2).min(24))) } else { String::new() };
    let mut x = area.x;
    for (piece, role) in [(&cluster, Role::Strong), (&mode, role)] {
        let (next, _) = buf.set_stringn(x, area.y, piece, usize::from(area.right() - x), scene.theme.style(role));
        x = next;
    }
    let room = usize::from(area.right() - x).saturating_sub(2);
    let parts = parts(scene, room);
    let mut x = area.right().saturating_sub(width_of(&parts) as u16 + 1).max(x);
    for (at, (text, role)) in parts.iter().enumerate() {
        x = x.saturating_add(if at > 0 { GAP as u16 } else { 0 });
        if x >= area.right() {
            break;
        }
        let (next, _) = buf.set_stringn(x, area.y, text, usize::from(area.right() - x), scene.theme.style(*role));
        x = next;
    }
}

type Part = (String, Role);

fn width_of(parts: &[Part]) -> usize {
    parts.iter().map(|(text, _)| text.width() + GAP).sum::<usize>().saturating_sub(GAP)
}

/// As many clocks as there is room for. Words go before numbers; the time to what comes next is the last to go.
fn parts(scene: Scene<'_>, room: usize) -> Vec<Part> {
    let state = scene.world.state;
    let end = match &state.life {
        Life::Ended { at, .. } => *at,
        Life::Opening | Life::Walking | Life::Ending { .. } => scene.world.now,
    };
    let mut coming = clocks(state);
    coming.sort_by_key(|clock| clock.at_ms);
    let coming = |longest: usize| {
        let clocks = coming.iter().map(|clock| coming_part(scene, clock, longest));
        clocks.collect::<Vec<Part>>()
    };
    let incident = clock(end.since(state.session.at));
    let step = model::shown_step(state, scene.ui.viewing.as_ref()).and_then(|(step, _, _)| {
        let from = step.started.or(step.ready)?;
        Some((format!("step {}", clock(step.closed.unwrap_or(end).since(from))), Role::Plain))
    });
    let whole = (format!("incident {incident}"), Role::Plain);
    let one = |part: &Part| vec![part.clone()];
    let step = step.into_iter().collect::<Vec<_>>();
    let first = coming(TITLE_SHORT).into_iter().take(1).collect::<Vec<_>>();
    let bare = coming(0).into_iter().take(1).collect::<Vec<_>>();
    let tries = [
        [one(&whole), step.clone(), coming(usize::MAX)].concat(),
        [one(&whole), step, coming(TITLE_SHORT)].concat(),
        [one(&whole), coming(TITLE_SHORT)].concat(),
        [one(&whole), first.clone()].concat(),
        first,
        [one(&whole), bare.clone()].concat(),
        bare,
        one(&(incident, Role::Plain)),
    ];
    tries.into_iter().find(|parts| !parts.is_empty() && width_of(parts) <= room).unwrap_or_default()
}

/// The time left to a moment. What is near says so without colour as well.
fn coming_part(scene: Scene<'_>, coming: &Clock, longest: usize) -> Part {
    let left = coming.at_ms.saturating_sub(scene.world.now.utc_ms);
    let title = scene.theme.clean(&coming.title).replace('\n', " ");
    let title = cut(scene.theme, &title, longest);
    let blank = if title.is_empty() { "" } else { " " };
    match u64::try_from(left) {
        Ok(left) if left > NEAR_MS => (format!("{title}{blank}{}", clock(left)), Role::Plain),
        Ok(left) if left > 0 => (format!("! {title}{blank}{}", clock(left)), Role::Bad),
        _ => (format!("! {title}{blank}due"), Role::Bad),
    }
}
