//! Following a serverset: what is there is told again whenever it changes.
//!
//! Watches fire once and are set again with the read that follows, so that nothing is told twice; how many changes no
//! read saw is found from the path's own counter. What it survives: a lost server, a lost quorum, an expired session,
//! its own process stopped for a while. Each ends the session that is there; the time until another one has read
//! everything again is told as blind, never filled in.

use std::{convert::Infallible, pin::pin, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use zookeeper_client::{EventType, SessionState, Stat, WatchedEvent};

use super::{EnsembleAccess, EnsembleError, EnsembleReader, Fault, REQUEST_MAX, with_part};
use crate::aurora::leadership::Sighting;

/// How often what is known is confirmed while nothing changes.
const CONFIRM_EVERY: Duration = Duration::from_secs(2);
/// Longest time to get a session.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Time between two tries to get a session.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Time within which another read may follow: a storm of changes is read in portions, and counted.
const CALM: Duration = Duration::from_millis(50);

/// Follows the serverset at a path until it is dropped.
pub async fn follow(access: &EnsembleAccess, path: &str, mut tell: impl FnMut(Sighting)) -> Infallible {
    loop {
        let ended = match EnsembleReader::open(access, CONNECT_MAX).await {
            Ok(reader) => one_session(reader, path, &mut tell).await,
            Err(error) => error.to_string(),
        };
        tell(Sighting::Blind(ended));
        sleep(AGAIN_AFTER).await;
    }
}

/// Follows through one session; why it ended.
async fn one_session(mut reader: EnsembleReader, path: &str, tell: &mut impl FnMut(Sighting)) -> String {
    let mut state = reader.client.state_watcher();
    loop {
        let mut changes = JoinSet::new();
        // What is read within the session is bounded for each reading, not for the session.
        reader.until = Instant::now() + REQUEST_MAX;
        let version = match reader.read_and_watch(path, &mut changes).await {
            Ok((sighting, version)) => {
                tell(sighting);
                version
            }
            Err(error) => return error.to_string(),
        };
        loop {
            let mut lost = pin!(lost(&mut state));
            let changed = tokio::select! {
                biased;
                why = &mut lost => return why,
                event = changes.join_next() => match event {
                    Some(Ok(event)) if event.event_type == EventType::Session => return words(event.session_state).to_owned(),
                    _ => true,
                },
                () = sleep(CONFIRM_EVERY) => {
                    reader.until = Instant::now() + REQUEST_MAX;
                    match reader.version(path).await {
                        Ok(found) => found != version,
                        Err(error) => return error.to_string(),
                    }
                }
            };
            if changed {
                break;
            }
            tell(Sighting::Same);
        }
        sleep(CALM).await;
    }
}

/// Returns when the session has no server, with words. Nothing more comes after the last state.
async fn lost(state: &mut zookeeper_client::StateWatcher) -> String {
    loop {
        match state.peek_state() {
            SessionState::SyncConnected => {}
            other => return words(other).to_owned(),
        }
        state.changed().await;
    }
}

fn words(state: SessionState) -> &'static str {
    match state {
        SessionState::Disconnected | SessionState::SyncConnected => "the connection to ZooKeeper was lost",
        SessionState::ConnectedReadOnly => "the server of ZooKeeper has no quorum",
        SessionState::Expired => "the session with ZooKeeper expired",
        SessionState::AuthFailed => "ZooKeeper does not take the credentials",
        SessionState::Closed => "the session with ZooKeeper was closed",
    }
}

/// What tells whether the children changed: the path's own birth, and the births and deaths below it.
type Version = Option<(i64, i32)>;

fn version(stat: &Stat) -> (i64, i32) {
    (stat.czxid, stat.cversion)
}

impl EnsembleReader {
    async fn version(&self, path: &str) -> Result<Version, EnsembleError> {
        self.sync(path).await?;
        Ok(self.stat(path).await?.as_ref().map(version))
    }

    /// Reads everything and sets the watches that say when it is old.
    async fn read_and_watch(
        &self,
        path: &str,
        changes: &mut JoinSet<WatchedEvent>,
    ) -> Result<(Sighting, Version), EnsembleError> {
        self.sync(path).await?;
        loop {
            if !self.may_list(path).await? {
                let (stat, watcher) = self.checked(path, self.client.check_and_watch_stat(path)).await?;
                // It was made in between.
                if stat.is_some() {
                    continue;
                }
                changes.spawn(watcher.changed());
                return Ok((Sighting::Missing, None));
            }
            let (names, stat, watcher) = match self.in_time(path, self.client.get_and_watch_children(path)).await {
                Ok(found) => found,
                Err(Fault::Missing) => continue,
                Err(Fault::Other(error)) => return Err(error),
            };
            changes.spawn(watcher.changed());
            let nodes = self.with_data(path, with_part(names)).await?;
            // A member may take back its status without going away.
            for node in nodes.iter().filter(|node| node.is_member()) {
                let member = format!("{}/{}", path.trim_end_matches('/'), node.name);
                let (_, watcher) = self.checked(&member, self.client.check_and_watch_stat(&member)).await?;
                changes.spawn(watcher.changed());
            }
            let version = version(&stat);
            return Ok((Sighting::Nodes { nodes, path_born: version.0, changes: version.1 }, Some(version)));
        }
    }

    async fn checked<T>(
        &self,
        path: &str,
        asked: impl Future<Output = Result<T, zookeeper_client::Error>>,
    ) -> Result<T, EnsembleError> {
        match self.in_time(path, asked).await {
            Ok(found) => Ok(found),
            Err(Fault::Missing) => Err(self.not_given(path, "it is not there".to_owned())),
            Err(Fault::Other(error)) => Err(error),
        }
    }
}
