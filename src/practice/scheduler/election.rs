//! Who leads, and who says so.
//!
//! With `ZooKeeper`: Curator's ballots and the server set's members side by side in one directory,
//! as the real scheduler leaves them. Without: a lock on a file in the cluster's directory, whose
//! content stands for the member node.

use std::{
    cell::RefCell,
    fs::File,
    io::{Read as _, Seek as _, Write as _},
    path::PathBuf,
    time::Duration,
};

use serde_json::json;
use zookeeper_client as zk;

use crate::practice::{error::PracticeError, plan::LOOPBACK, zookeeper};

/// How often a standby tries the lock where there is no `ZooKeeper`.
const LOCK_EVERY: Duration = Duration::from_millis(150);

/// One scheduler's part in the election.
pub struct Election {
    source: Source,
    port: u16,
}

enum Source {
    Lock { path: PathBuf, held: RefCell<Option<File>> },
    Nodes { client: zk::Client, dir: String, ballot: RefCell<Option<String>>, member: RefCell<Option<String>> },
}

/// Who is advertised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advertised {
    /// Nobody, or more than one: schedulers treat both alike.
    Nobody {
        /// How many there were.
        members: usize,
    },
    /// This one.
    Me,
    /// Another, at `host:port`.
    Other(String),
}

impl Election {
    /// An election by a lock on this file.
    pub fn by_lock(path: PathBuf, port: u16) -> Self {
        Self { source: Source::Lock { path, held: RefCell::default() }, port }
    }

    /// An election below this path.
    pub async fn by_nodes(client: zk::Client, dir: &str, port: u16) -> Result<Self, PracticeError> {
        zookeeper::make_path(&client, dir).await?;
        let source =
            Source::Nodes { client, dir: dir.to_owned(), ballot: RefCell::default(), member: RefCell::default() };
        Ok(Self { source, port })
    }

    /// Stands, and returns once it has won.
    pub async fn win(&self) -> Result<(), PracticeError> {
        match &self.source {
            Source::Lock { path, held } => {
                let file = File::options()
                    .create(true)
                    .truncate(false)
                    .read(true)
                    .write(true)
                    .open(path)
                    .map_err(PracticeError::io("opening", path))?;
                while file.try_lock().is_err() {
                    tokio::time::sleep(LOCK_EVERY).await;
                }
                file.set_len(0).map_err(PracticeError::io("emptying", path))?;
                *held.borrow_mut() = Some(file);
                Ok(())
            }
            Source::Nodes { client, dir, ballot, .. } => {
                let prefix = format!("{dir}/_c_{}-lock-", uuid());
                let node = zookeeper::announce(client, &prefix, super::HOSTNAME.as_bytes()).await?;
                *ballot.borrow_mut() = Some(node.clone());
                let own = sequence(&node);
                loop {
                    let (names, watcher) = client
                        .list_and_watch_children(dir)
                        .await
                        .map_err(zookeeper::failed("watching the election"))?;
                    let lowest = names.iter().filter(|name| name.contains("-lock-")).map(|name| sequence(name)).min();
                    if lowest == Some(own) {
                        return Ok(());
                    }
                    watcher.changed().await;
                }
            }
        }
    }

    /// Says to everybody that this one leads and serves.
    pub async fn advertise(&self) -> Result<(), PracticeError> {
        let endpoint = json!({ "host": LOOPBACK, "port": self.port });
        let data = json!({
            "serviceEndpoint": endpoint,
            "additionalEndpoints": { "http": endpoint },
            "status": "ALIVE",
        })
        .to_string();
        match &self.source {
            Source::Lock { path, held } => {
                if let Some(file) = held.borrow_mut().as_mut() {
                    file.rewind()
                        .and_then(|()| file.write_all(data.as_bytes()))
                        .map_err(PracticeError::io("writing", path))?;
                }
            }
            Source::Nodes { client, dir, member, .. } => {
                let node = zookeeper::announce(client, &format!("{dir}/member_"), data.as_bytes()).await?;
                *member.borrow_mut() = Some(node);
            }
        }
        Ok(())
    }

    /// Gives everything up, so that another may lead.
    pub async fn leave(&self) {
        match &self.source {
            Source::Lock { held, .. } => {
                if let Some(file) = held.borrow_mut().take() {
                    // Closing it lets the lock go anyway.
                    let _ = file.set_len(0);
                }
            }
            Source::Nodes { client, ballot, member, .. } => {
                let nodes = [member.borrow_mut().take(), ballot.borrow_mut().take()];
                for node in nodes.into_iter().flatten() {
                    // With the session gone the node is gone too.
                    let _ = client.delete(&node, None).await;
                }
            }
        }
    }

    /// Returns when the session is lost and with it the leadership; never without `ZooKeeper`.
    pub async fn lost(&self) {
        let Source::Nodes { client, .. } = &self.source else {
            return std::future::pending().await;
        };
        let mut watcher = client.state_watcher();
        while !watcher.changed().await.is_terminated() {}
    }

    /// Whether the session is there at this moment.
    pub fn connected(&self) -> bool {
        match &self.source {
            Source::Lock { .. } => false,
            Source::Nodes { client, .. } => client.state() == zk::SessionState::SyncConnected,
        }
    }

    /// Who is advertised at this moment.
    pub async fn advertised(&self) -> Advertised {
        let members = match &self.source {
            Source::Lock { path, held } => self.read_lock(path, held),
            Source::Nodes { client, dir, .. } => read_members(client, dir).await,
        };
        match members.as_slice() {
            [one] if *one == format!("{LOOPBACK}:{}", self.port) => Advertised::Me,
            [one] => Advertised::Other(one.clone()),
            more => Advertised::Nobody { members: more.len() },
        }
    }

    fn read_lock(&self, path: &PathBuf, held: &RefCell<Option<File>>) -> Vec<String> {
        let mut text = String::new();
        let Ok(mut file) = File::open(path) else {
            return Vec::new();
        };
        // Words of a leader that is dead do not count.
        if held.borrow().is_none() && file.try_lock_shared().is_ok() {
            return Vec::new();
        }
        if file.read_to_string(&mut text).is_err() {
            return Vec::new();
        }
        endpoint(text.as_bytes()).into_iter().collect()
    }
}

async fn read_members(client: &zk::Client, dir: &str) -> Vec<String> {
    let mut members = Vec::new();
    for name in client.list_children(dir).await.unwrap_or_default() {
        if !name.starts_with("member_") {
            continue;
        }
        if let Ok((data, _)) = client.get_data(&format!("{dir}/{name}")).await {
            members.extend(endpoint(&data));
        }
    }
    members
}

fn endpoint(data: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(data).ok()?;
    let endpoint = value.get("additionalEndpoints")?.get("http")?;
    Some(format!("{}:{}", endpoint.get("host")?.as_str()?, endpoint.get("port")?.as_u64()?))
}

/// The digits at the end of a node's name.
fn sequence(name: &str) -> u64 {
    let digits = name.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or(u64::MAX)
}

/// A random identifier in the usual form.
pub fn uuid() -> String {
    uuid_from(&mut fastrand::Rng::new())
}

/// An identifier in the usual form from these random bits.
pub fn uuid_from(random: &mut fastrand::Rng) -> String {
    let mut bits = random.u128(..);
    bits = bits & !(0xf << 76) | (4 << 76);
    bits = bits & !(0x3 << 62) | (2 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}
