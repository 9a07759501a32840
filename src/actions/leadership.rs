//! `leadership`: who leads while one watches, by the nodes in ZooKeeper; and the same for as long as a session is open.
//!
//! A change is told with its time and how long it lasted; what was not seen is said and never filled in. What it
//! deliberately does not do: open a gate. Watching a while says what happened in that while.

use std::{convert::Infallible, time::Duration};

use serde_json::json;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant, sleep_until},
};

use super::{
    World,
    ensemble::{ENDPOINT, NO_ENSEMBLE},
    reach::ensemble_access,
    roster::{learn, roster, text_var},
    scene::{Scene, seen, span},
};
use crate::{
    aurora::{
        client::{EnsembleAccess, follow},
        leadership::{History, Sighting, Standing},
    },
    hosts::clean,
    runbook::{
        kind::Leadership,
        model::{GroupName, HostName},
    },
    session::{Report, Stamp},
};

/// Longest time until the first reading; the window begins with it.
const FIRST_MAX: Duration = Duration::from_secs(8);
/// Lines of the story that become outputs.
const STORY: usize = 60;
/// So often another one comes to lead within one watching, and the leadership keeps changing. Once may be a hand-over.
const CHANGING: u32 = 2;

/// Sightings with their times, as they were made.
type Sightings = UnboundedReceiver<(Sighting, Stamp)>;

/// Follows, and stamps what is seen. Whoever receives runs beside it, so little waits between the two.
async fn sight(
    access: &EnsembleAccess,
    path: &str,
    clock: fn() -> Stamp,
    to: UnboundedSender<(Sighting, Stamp)>,
) -> Infallible {
    // Nobody receives any more only when this is dropped, too.
    follow(access, path, move |sighting| drop(to.send((sighting, clock())))).await
}

/// Takes a sighting in, after names that the roster does not know were resolved.
async fn take(history: &mut History, sighting: &Sighting, at: Stamp) {
    if let Sighting::Nodes { nodes, .. } = sighting {
        learn(history.roster_mut(), nodes, ENDPOINT).await;
    }
    history.take(sighting, at);
}

pub(super) async fn look(scene: &Scene<'_>, asked: &Leadership) -> Report {
    seen(look_or(scene, asked).await)
}

async fn look_or(scene: &Scene<'_>, asked: &Leadership) -> Result<Report, String> {
    let connect = asked.connect.as_str().trim();
    if connect == NO_ENSEMBLE || connect.is_empty() {
        return Err("there is no ZooKeeper here".to_owned());
    }
    let window = humantime::parse_duration(asked.r#for.as_str().trim())
        .map_err(|_| format!("{:?} is not a time such as 20s", asked.r#for.as_str()))?;
    let access = ensemble_access(&scene.world.inventory, connect).map_err(|error| error.to_string())?;
    let hosts = scene.world.inventory.hosts_of(&GroupName::from(asked.among.as_str()));
    let mut history = History::new(roster(scene.world, &hosts, &asked.url_var).await, ENDPOINT);
    let (to, from) = unbounded_channel();
    let watching = sight(&access, asked.path.as_str(), machine_clock, to);
    tokio::select! {
        never = watching => match never {},
        () = gather(scene, &mut history, from, window) => {}
    }
    Ok(report(&history, window))
}

/// Takes in what is seen within a window that begins with the first reading.
async fn gather(scene: &Scene<'_>, history: &mut History, mut from: Sightings, window: Duration) {
    let mut ends = scene.until.min(Instant::now() + FIRST_MAX);
    let mut first = true;
    loop {
        tokio::select! {
            biased;
            Some((sighting, at)) = from.recv() => {
                if first && !matches!(sighting, Sighting::Blind(_)) {
                    first = false;
                    ends = scene.until.min(Instant::now() + window);
                }
                take(history, &sighting, at).await;
            }
            () = sleep_until(ends) => break,
        }
    }
}

/// Both clocks. Within one watching the monotonic one may begin anywhere.
fn machine_clock() -> Stamp {
    let since = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let mono_ms = since.tv_sec.saturating_mul(1000).saturating_add(since.tv_nsec / 1_000_000);
    Stamp { utc_ms: jiff::Timestamp::now().as_millisecond(), mono_ms: u64::try_from(mono_ms).unwrap_or(0) }
}

fn report(history: &History, window: Duration) -> Report {
    let story: Vec<String> = history.story().iter().map(|line| clean::line(line.as_bytes())).collect();
    let from = story.len().saturating_sub(STORY);
    let story = story.get(from..).unwrap_or_default().to_vec();
    let Some(last) = history.now() else {
        return Report::unknown("ZooKeeper was not seen within its time").with_details(story);
    };
    if history.spans().all(|span| matches!(span.standing, Standing::Unknown(_))) {
        return Report::unknown(clean::line(last.standing.words().as_bytes())).with_details(story);
    }
    let elections = history.elections();
    let blind = Duration::from_millis(history.blind_ms());
    let watched = watched(history, &last.standing);
    let how = match watched {
        "changing" => format!("the leadership keeps changing: {elections} times another came to lead"),
        "handed_over" => "the leadership was handed over once".to_owned(),
        "nobody" => "nobody stood for election".to_owned(),
        "steady" => "one leader that stayed".to_owned(),
        _ => "who led the whole time is not known".to_owned(),
    };
    let gap = if blind.is_zero() { String::new() } else { format!(", not seen for {}", span(blind)) };
    let says = format!("{how}, in {} of watching ZooKeeper{gap}; at the end: {}", span(window), last.standing.words());
    let says = clean::line(says.as_bytes());
    let leader = match &last.standing {
        Standing::Advertised(name) | Standing::Elected(name) => clean::line(name.as_bytes()),
        Standing::Nobody | Standing::Several(_) | Standing::Unclear(_) | Standing::Unknown(_) => String::new(),
    };
    let outputs = json!({
        "watched": watched, "elections": elections, "leader": leader, "says": says, "story": story, "page": story,
    });
    Report::holds(says).with_details(story).with_outputs(outputs)
}

/// The watching in a word. A gap makes nothing steady.
fn watched(history: &History, last: &Standing) -> &'static str {
    let whole = history.blind_ms() == 0;
    match (history.elections(), last) {
        (CHANGING.., _) => "changing",
        (_, Standing::Unknown(_) | Standing::Unclear(_) | Standing::Several(_)) => "unknown",
        _ if !whole => "unknown",
        (1, _) => "handed_over",
        (_, Standing::Advertised(_) | Standing::Elected(_)) if history.leaders() == 1 => "steady",
        (_, Standing::Nobody) if history.leaders() == 0 => "nobody",
        // A leader that went, or came, within the window.
        (_, Standing::Advertised(_) | Standing::Elected(_) | Standing::Nobody) => "handed_over",
    }
}

/// What a session watches all the time: the serverset of its inventory.
pub struct LeaderWatch {
    access: EnsembleAccess,
    path: String,
    world: World,
}

/// Variables of the cluster by which runbooks name the ensemble and the serverset.
const CONNECT_VAR: &str = "zookeeper";
const PATH_VAR: &str = "serverset_path";
/// Variable of a scheduler's host that holds its base URL.
const URL_VAR: &str = "api_url";

impl LeaderWatch {
    /// The watch of an inventory; `None` if it names no ensemble. An ensemble that cannot be asked is told why.
    pub fn of(world: &World) -> Option<Result<Self, String>> {
        let var = |name: &str| world.inventory.cluster_var(name)?.as_str().map(|text| text.trim().to_owned());
        let connect = var(CONNECT_VAR).filter(|connect| !connect.is_empty() && connect != NO_ENSEMBLE)?;
        let path = var(PATH_VAR)?;
        let watch = |access| Self { access, path, world: world.clone() };
        Some(ensemble_access(&world.inventory, &connect).map(watch).map_err(|error| error.to_string()))
    }

    /// Watches until it is dropped, and tells the history after each sighting.
    pub async fn run(&self, clock: fn() -> Stamp, tell: impl FnMut(&History)) {
        let hosts = self.world.inventory.groups.values().flat_map(|group| &group.hosts).map(|host| &host.name);
        let hosts: Vec<HostName> =
            hosts.filter(|host| text_var(&self.world, host, URL_VAR).is_some()).cloned().collect();
        let history = History::new(roster(&self.world, &hosts, URL_VAR).await, ENDPOINT);
        let (to, from) = unbounded_channel();
        let watching = sight(&self.access, &self.path, clock, to);
        tokio::select! {
            never = watching => match never {},
            () = keep_telling(history, from, tell) => {}
        }
    }
}

async fn keep_telling(mut history: History, mut from: Sightings, mut tell: impl FnMut(&History)) {
    while let Some((sighting, at)) = from.recv().await {
        take(&mut history, &sighting, at).await;
        tell(&history);
    }
}
