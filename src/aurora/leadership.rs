//! Who led when, as ZooKeeper showed it while somebody looked.
//!
//! Pure: sightings with their times go in, in order. What was not seen is a gap; nothing is concluded across one but
//! that the election node after it is another than before. Changes that came and went between two readings are
//! counted by the path's own counter. What it deliberately does not do: say who led before it looked.

use std::collections::{BTreeSet, VecDeque};

use super::leader::{Member, Roster, Sight, Znode, ballot_host, by_ballots, by_members, leading};
use crate::session::Stamp;

/// Spans that are kept; older ones are dropped and counted.
const SPANS_MAX: usize = 500;
/// Longest name from a node that becomes part of words, in characters.
const NAME_CHARS_MAX: usize = 60;

/// One sighting of a serverset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// The path is there, with these candidates and members.
    Nodes {
        /// They.
        nodes: Vec<Znode>,
        /// The transaction that made the path: another one means that counting began anew.
        path_born: i64,
        /// Births and deaths below the path since then.
        changes: i32,
    },
    /// The path is not there.
    Missing,
    /// What was seen last still holds.
    Same,
    /// ZooKeeper could not be seen, for this reason.
    Blind(String),
}

/// How things stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// One is advertised: it leads and is registered.
    Advertised(String),
    /// One leads by its election node and is not advertised: prepared, or not registered yet.
    Elected(String),
    /// Nobody stands for election.
    Nobody,
    /// More than one, which schedulers take for nobody.
    Several(Vec<String>),
    /// What stands there cannot be understood.
    Unclear(String),
    /// ZooKeeper was not seen.
    Unknown(String),
}

impl Standing {
    /// In words, for a story.
    pub fn words(&self) -> String {
        match self {
            Self::Advertised(name) => format!("{name} leads and is advertised"),
            Self::Elected(name) => format!("{name} leads by its election node, not advertised"),
            Self::Nobody => "nobody stands for election".to_owned(),
            Self::Several(names) => format!("several at once: {}", names.join(", ")),
            Self::Unclear(why) => format!("unclear: {why}"),
            Self::Unknown(why) => format!("not seen: {why}"),
        }
    }

    /// In few words, for a line.
    pub fn brief(&self) -> String {
        match self {
            Self::Advertised(name) => format!("{name} leads, advertised"),
            Self::Elected(name) => format!("{name} elected, not advertised"),
            Self::Nobody => "nobody: no scheduler stands for election".to_owned(),
            Self::Several(names) => format!("several at once: {}", names.join(", ")),
            Self::Unclear(why) => format!("unclear: {why}"),
            Self::Unknown(why) => format!("unknown: {why}"),
        }
    }
}

/// A time in which nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// How things stood.
    pub standing: Standing,
    /// The node that leads the election, if one does.
    pub leading: Option<String>,
    /// When it was first seen so.
    pub from: Stamp,
    /// False if it was so before it was first seen: at the beginning, and after a gap.
    pub began: bool,
    /// When it was last known to be so.
    pub to: Stamp,
}

/// What was seen, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    roster: Roster,
    endpoint: String,
    spans: VecDeque<Span>,
    dropped: usize,
    /// What the newest reading held, for counting: the path's birth, its counter, the nodes.
    last: Option<(i64, i32, BTreeSet<String>)>,
    leading: Option<String>,
    elections: u32,
    unseen: u64,
    blind: bool,
}

impl History {
    /// An empty one, with what schedulers are called and the endpoint by which they advertise themselves.
    pub fn new(roster: Roster, endpoint: &str) -> Self {
        Self { roster, endpoint: endpoint.to_owned(), ..Self::default() }
    }

    /// Takes a sighting in.
    pub fn take(&mut self, sighting: &Sighting, at: Stamp) {
        match sighting {
            Sighting::Same => {
                if let Some(span) = self.spans.back_mut() {
                    span.to = at;
                }
            }
            Sighting::Blind(why) => {
                self.blind = true;
                let from = self.spans.back().map_or(at, |span| span.to);
                self.push(Standing::Unknown(why.clone()), None, from, true, at);
            }
            Sighting::Missing => {
                self.last = None;
                self.see(&[], at);
            }
            Sighting::Nodes { nodes, path_born, changes } => {
                self.count(nodes, *path_born, *changes);
                self.see(nodes, at);
            }
        }
    }

    fn see(&mut self, nodes: &[Znode], at: Stamp) {
        let node = leading(nodes).first().map(|node| node.name.clone());
        let node = node.or_else(|| nodes.iter().find(|node| node.is_member()).map(|node| node.name.clone()));
        let first = self.spans.iter().all(|span| matches!(span.standing, Standing::Unknown(_)));
        if node.is_some() && node != self.leading {
            if !first {
                self.elections = self.elections.saturating_add(1);
            }
            self.leading.clone_from(&node);
        }
        let began = !(first || self.blind);
        self.blind = false;
        self.push(standing(nodes, &self.roster, &self.endpoint), node, at, began, at);
    }

    fn push(&mut self, standing: Standing, leading: Option<String>, from: Stamp, began: bool, to: Stamp) {
        if let Some(span) = self.spans.back_mut() {
            let both_blind = matches!((&span.standing, &standing), (Standing::Unknown(_), Standing::Unknown(_)));
            if both_blind || (span.standing == standing && span.leading == leading) {
                span.standing = standing;
                span.to = to;
                return;
            }
            // It was so until something else was seen, not only until it was last confirmed; before a gap that is not known.
            if began && !matches!(standing, Standing::Unknown(_)) {
                span.to = from;
            }
        }
        if self.spans.len() >= SPANS_MAX {
            self.spans.pop_front();
            self.dropped += 1;
        }
        self.spans.push_back(Span { standing, leading, from, began, to });
    }

    /// Counts births and deaths that no reading saw. A path that was born anew says nothing of the one before.
    fn count(&mut self, nodes: &[Znode], born: i64, changes: i32) {
        let names: BTreeSet<String> = nodes.iter().map(|node| node.name.clone()).collect();
        if let Some((before, counted, old)) = &self.last
            && *before == born
        {
            let seen = names.symmetric_difference(old).count() as u64;
            let all = u64::try_from(changes.wrapping_sub(*counted)).unwrap_or(0);
            self.unseen = self.unseen.saturating_add(all.saturating_sub(seen));
        }
        self.last = Some((born, changes, names));
    }

    /// The newest span.
    pub fn now(&self) -> Option<&Span> {
        self.spans.back()
    }

    /// All that are kept.
    pub fn spans(&self) -> impl Iterator<Item = &Span> {
        self.spans.iter()
    }

    /// How many nodes led, of those that were seen.
    pub fn leaders(&self) -> usize {
        let leading: BTreeSet<&String> = self.spans.iter().filter_map(|span| span.leading.as_ref()).collect();
        leading.len()
    }

    /// What schedulers are called, to be added to.
    pub fn roster_mut(&mut self) -> &mut Roster {
        &mut self.roster
    }

    /// How often another election node came to lead while somebody looked.
    pub fn elections(&self) -> u32 {
        self.elections
    }

    /// Nodes that were born or died without being seen.
    pub fn unseen(&self) -> u64 {
        self.unseen
    }

    /// How long nothing was seen, in milliseconds.
    pub fn blind_ms(&self) -> u64 {
        let blind = self.spans.iter().filter(|span| matches!(span.standing, Standing::Unknown(_)));
        blind.map(|span| span.to.mono_ms.saturating_sub(span.from.mono_ms)).sum()
    }

    /// One line for each span, the oldest first: when, what, how long.
    pub fn story(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.dropped > 0 {
            lines.push(format!("{} earlier changes are not kept", self.dropped));
        }
        lines.extend(self.spans.iter().map(told));
        if self.unseen > 0 {
            lines.push(format!("{} births and deaths of nodes came and went between two readings", self.unseen));
        }
        lines
    }
}

fn told(span: &Span) -> String {
    let at = jiff::Timestamp::from_millisecond(span.from.utc_ms);
    let at = at.map_or_else(|_| "at an unknown time".to_owned(), |at| at.strftime("%H:%M:%S%.3f UTC").to_string());
    // The monotonic clock: a wall clock that is set makes no leader last longer.
    let lasted = std::time::Duration::from_millis(span.to.mono_ms.saturating_sub(span.from.mono_ms) / 100 * 100);
    let before = if span.began { "" } else { "already " };
    let node = span.leading.as_ref().map(|name| format!(" ({})", short(name))).unwrap_or_default();
    format!("{at} {before}{}{node}, for {}", span.standing.words(), humantime::format_duration(lasted))
}

/// A name from a node as it may stand in words.
fn short(name: &str) -> String {
    name.chars().take(NAME_CHARS_MAX).collect()
}

/// How things stand by these nodes. Names that the roster does not know stand as they are.
pub fn standing(nodes: &[Znode], roster: &Roster, endpoint: &str) -> Standing {
    let members: Vec<&Znode> = nodes.iter().filter(|node| node.is_member()).collect();
    match members.as_slice() {
        [] => elected(nodes, roster),
        [node] => match (by_members(nodes, roster, endpoint), Member::parse(&node.data, endpoint)) {
            (Sight::Leader(name), _) => Standing::Advertised(name),
            (Sight::Stranger(_), Some(member)) => {
                Standing::Advertised(format!("{}:{}", short(&member.host), member.port))
            }
            // The name of several: the port is not known for all of them.
            (Sight::Unknown(_), Some(member)) if member.is_alive() => {
                Standing::Advertised(format!("{}:{}", short(&member.host), member.port))
            }
            (Sight::Unknown(why), _) => Standing::Unclear(why),
            (Sight::Nobody | Sight::Several(_) | Sight::Stranger(_), _) => Standing::Nobody,
        },
        several => {
            let name = |node: &&Znode| match Member::parse(&node.data, endpoint) {
                Some(member) => format!("{}:{}", short(&member.host), member.port),
                None => short(&node.name),
            };
            Standing::Several(several.iter().map(name).collect())
        }
    }
}

fn elected(nodes: &[Znode], roster: &Roster) -> Standing {
    match by_ballots(nodes, roster) {
        Sight::Leader(name) => Standing::Elected(name),
        Sight::Nobody => Standing::Nobody,
        Sight::Several(names) => Standing::Several(names),
        Sight::Stranger(name) => Standing::Elected(short(&name)),
        Sight::Unknown(_) => match leading(nodes).as_slice() {
            [node] => Standing::Elected(ballot_host(node).map_or_else(|_| short(&node.name), short)),
            several => Standing::Several(several.iter().map(|node| short(&node.name)).collect()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aurora::leader::RosterEntry;

    fn roster() -> Roster {
        let entry = |host: &str, alias: &str| RosterEntry {
            host: host.to_owned(),
            aliases: vec![alias.to_owned()],
            http_port: Some(8081),
        };
        Roster(vec![entry("s1", "10.0.0.1"), entry("s2", "10.0.0.2")])
    }

    fn node(name: &str, data: &str) -> Znode {
        Znode { name: name.to_owned(), data: data.as_bytes().to_vec() }
    }

    fn member(number: u32, host: &str, port: u16, status: &str) -> Znode {
        let data = format!(r#"{{"serviceEndpoint":{{"host":"{host}","port":{port}}},"status":"{status}"}}"#);
        node(&format!("member_{number:010}"), &data)
    }

    #[test]
    fn nodes_say_how_things_stand() {
        let lock = |number: u32, data: &str| node(&format!("_c_{:x}-lock-{number:010}", 999 - number), data);
        let latch = |number: u32| node(&format!("_c_{:x}-latch-{number:010}", 999 - number), "");
        let old = |number: u32, data: &str| node(&format!("singleton_candidate_{number:010}"), data);
        let name = |name: &str| name.to_owned();
        for (nodes, wanted) in [
            (vec![], Standing::Nobody),
            (vec![node("log", "x"), node("_c_1-lock-x", "s1")], Standing::Nobody),
            (vec![lock(7, "S2."), lock(12, "s1")], Standing::Elected(name("s2"))),
            (vec![old(9, "10.0.0.1"), old(10, "10.0.0.2")], Standing::Elected(name("s1"))),
            (vec![old(9, "<unknown>")], Standing::Elected(name("singleton_candidate_0000000009"))),
            (vec![latch(3), latch(4)], Standing::Elected(name("_c_3e4-latch-0000000003"))),
            (vec![lock(7, "elsewhere")], Standing::Elected(name("elsewhere"))),
            (vec![lock(7, "s1"), old(3, "10.0.0.2")], Standing::Several(vec![name("s2"), name("s1")])),
            (vec![lock(7, "s1"), old(3, "10.0.0.1")], Standing::Elected(name("s1"))),
            (vec![lock(7, "s1"), member(8, "s1", 8081, "ALIVE")], Standing::Advertised(name("s1"))),
            (vec![member(8, "10.0.0.2", 8081, "ALIVE")], Standing::Advertised(name("s2"))),
            (vec![member(8, "s1", 99, "ALIVE")], Standing::Advertised(name("s1:99"))),
            (
                vec![member(8, "s1", 8081, "ALIVE"), member(9, "s2", 8081, "ALIVE")],
                Standing::Several(vec![name("s1:8081"), name("s2:8081")]),
            ),
        ] {
            assert_eq!(standing(&nodes, &roster(), "http"), wanted, "{nodes:?}");
        }
        for unclear in [member(8, "s1", 8081, "STOPPING"), node("member_0000000001", "{")] {
            assert!(matches!(standing(&[unclear], &roster(), "http"), Standing::Unclear(_)));
        }
    }

    fn at(second: u64) -> Stamp {
        Stamp { utc_ms: 1_700_000_000_000 + second as i64 * 1_000, mono_ms: 5_000 + second * 1_000 }
    }

    fn nodes(nodes: Vec<Znode>, changes: i32) -> Sighting {
        Sighting::Nodes { nodes, path_born: 1, changes }
    }

    #[test]
    fn changes_are_told_with_their_times_and_gaps_stay_gaps() {
        let mut history = History::new(roster(), "http");
        let blind = |why: &str| Sighting::Blind(why.to_owned());
        let one = node("_c_f-lock-0000000001", "s1");
        let two = node("_c_a-lock-0000000003", "s2");
        for (sighting, second) in [
            (nodes(vec![one.clone()], 1), 0),
            (Sighting::Same, 2),
            (nodes(vec![one.clone(), member(2, "s1", 8081, "ALIVE")], 2), 3),
            (Sighting::Same, 5),
            (nodes(vec![two.clone()], 5), 6),
            (Sighting::Same, 8),
            (blind("lost"), 9),
            (blind("refused"), 12),
            (nodes(vec![two], 9), 13),
            (Sighting::Missing, 20),
        ] {
            history.take(&sighting, at(second));
        }
        let spans: Vec<_> = history
            .spans()
            .map(|span| (span.standing.words(), span.began, (span.from.mono_ms, span.to.mono_ms)))
            .collect();
        let span = |words: &str, began, from: u64, to: u64| {
            (words.to_owned(), began, (5_000 + from * 1_000, 5_000 + to * 1_000))
        };
        assert_eq!(
            spans,
            [
                span("s1 leads by its election node, not advertised", false, 0, 3),
                span("s1 leads and is advertised", true, 3, 6),
                span("s2 leads by its election node, not advertised", true, 6, 8),
                span("not seen: refused", true, 8, 12),
                span("s2 leads by its election node, not advertised", false, 13, 20),
                span("nobody stands for election", true, 20, 20),
            ]
        );
        assert_eq!((history.elections(), history.unseen(), history.blind_ms()), (1, 4, 4_000));
        let story = history.story();
        assert_eq!(story[1], "22:13:23.000 UTC s1 leads and is advertised (_c_f-lock-0000000001), for 3s");
        assert!(story[4].contains("already s2 leads"), "{story:?}");
        assert!(story[6].contains("4 births and deaths"), "{story:?}");
    }

    #[test]
    fn a_new_node_of_the_same_host_is_another_leadership() {
        let mut history = History::new(roster(), "http");
        for number in 1..=4_u32 {
            let ballot = node(&format!("_c_f-lock-{number:010}"), "s1");
            history.take(&nodes(vec![ballot], number as i32 * 2), at(u64::from(number)));
        }
        assert_eq!((history.elections(), history.unseen(), history.spans().count()), (3, 0, 4));
        for number in 0..2_000_u32 {
            history.take(&nodes(vec![node(&format!("_c_f-lock-{number:010}"), "s1")], 0), at(u64::from(number)));
        }
        assert_eq!(history.spans().count(), SPANS_MAX);
        assert!(history.story()[0].contains("earlier changes are not kept"));
    }
}
