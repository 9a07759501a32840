//! The line below the top line: who leads by ZooKeeper, since when, and how old that knowledge is. Only where somebody
//! looks, and only with room for it.

use ratatui::{buffer::Buffer, layout::Rect};
use unicode_width::UnicodeWidthStr as _;

use super::Scene;
use crate::{
    engine::{LeaderSeen, LeaderTone},
    tui::{doc::cut, model::clock, theme::Role},
};

/// Lowest screen that has room for this line.
const FROM_HEIGHT: u16 = 14;
/// What was confirmed longer ago than this is not what stands there now: three times the time between two confirmations.
const OLD_MS: u64 = 6_000;
/// Fewest columns of words; below that the times go.
const WORDS_LEAST: usize = 24;

/// Rows that it takes.
pub(super) fn rows(scene: Scene<'_>, area: Rect) -> u16 {
    u16::from(area.height >= FROM_HEIGHT && scene.world.leader.is_some())
}

pub(super) fn draw(scene: Scene<'_>, area: Rect, buf: &mut Buffer) {
    let Some(seen) = scene.world.leader else { return };
    if area.is_empty() {
        return;
    }
    let old = scene.world.now.since(seen.confirmed) > OLD_MS;
    let (role, sign) = match (seen.tone, old) {
        (LeaderTone::Leads, false) => (Role::Good, ""),
        (LeaderTone::Waits, false) => (Role::Warn, "! "),
        (LeaderTone::Unknown, _) | (_, true) => (Role::Warn, "? "),
    };
    let label = " leader  ";
    let width = usize::from(area.width).saturating_sub(1);
    let room = width.saturating_sub(label.width());
    let all = times(scene, seen);
    let tries = (0..=all.len()).rev().map(|count| all.iter().take(count).cloned().collect::<Vec<_>>().join("  "));
    let fits = |times: &String| room >= times.width() + 2 + WORDS_LEAST.min(seen.words.width() + sign.width());
    let times = tries.into_iter().find(fits).unwrap_or_default();
    let words_room = if times.is_empty() { room } else { room.saturating_sub(times.width() + 2) };
    let words = scene.theme.clean(&format!("{sign}{}", seen.words)).replace('\n', " ");
    let words = cut(scene.theme, &words, words_room);
    let mut x = area.x;
    for (text, role) in [(label, Role::Dim), (&words, role)] {
        let (next, _) = buf.set_stringn(x, area.y, text, usize::from(area.right() - x), scene.theme.style(role));
        x = next;
    }
    let at = area.right().saturating_sub(times.width() as u16 + 1).max(x);
    let role = if old { Role::Warn } else { Role::Dim };
    buf.set_stringn(at, area.y, &times, usize::from(area.right() - at), scene.theme.style(role));
}

/// The times, the most telling first.
fn times(scene: Scene<'_>, seen: &LeaderSeen) -> Vec<String> {
    let now = scene.world.now;
    let age = now.since(seen.confirmed) / 1_000;
    let lasts = clock(now.since(seen.since));
    let longer = if seen.longer { "over " } else { "" };
    match (&seen.before, seen.tone) {
        (before, LeaderTone::Unknown) => {
            let before = before.as_ref().map(|words| format!("before: {}", scene.theme.clean(words)));
            std::iter::once(format!("for {longer}{lasts}")).chain(before).collect()
        }
        (_, LeaderTone::Leads | LeaderTone::Waits) => {
            let changes = (seen.elections > 0).then(|| {
                if seen.elections == 1 { "1 change".to_owned() } else { format!("{} changes", seen.elections) }
            });
            [Some(format!("for {longer}{lasts}")), Some(format!("seen {age}s ago")), changes]
                .into_iter()
                .flatten()
                .collect()
        }
    }
}
