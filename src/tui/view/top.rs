//! The top line: cluster, mode, clocks. The mode is what goes last when there is no room.

use ratatui::{buffer::Buffer, layout::Rect};
use unicode_width::UnicodeWidthStr;

use super::Scene;
use crate::{
    engine::Health,
    runbook::Mode,
    session::Life,
    tui::{
        doc::cut,
        model::{self, clock},
        text,
        theme::Role,
    },
};

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
    let clocks = clocks(scene, usize::from(area.right() - x).saturating_sub(2));
    let start = area.right().saturating_sub(clocks.width() as u16 + 1).max(x);
    buf.set_stringn(start, area.y, &clocks, usize::from(area.right() - start), scene.theme.style(Role::Plain));
}

/// As many clocks as there is room for; the incident's is the last to go.
fn clocks(scene: Scene<'_>, room: usize) -> String {
    let state = scene.world.state;
    let end = match &state.life {
        Life::Ended { at, .. } => *at,
        Life::Opening | Life::Walking | Life::Ending { .. } => scene.world.now,
    };
    let incident = clock(end.since(state.session.at));
    let step = model::shown_step(state, scene.ui.viewing.as_ref()).and_then(|(step, _, _)| {
        let from = step.started.or(step.ready)?;
        Some(format!("step {}", clock(step.closed.unwrap_or(end).since(from))))
    });
    let sweep = scene.info.sweep.as_ref().map(|sweep| format!("sweep {sweep}"));
    let mut parts = vec![format!("incident {incident}")];
    parts.extend(step);
    parts.extend(sweep);
    while parts.len() > 1 && parts.join("  ").width() > room {
        parts.pop();
    }
    let all = parts.join("  ");
    if all.width() <= room {
        all
    } else if incident.width() <= room {
        incident
    } else {
        String::new()
    }
}
