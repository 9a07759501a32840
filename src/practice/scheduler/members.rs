//! Who takes part in the log: the children of the group's node in `ZooKeeper`, or, without one, the
//! fixed list of the cluster's plan.

use std::{cell::RefCell, time::Duration};

use tokio::time::Instant;

use crate::practice::{
    error::PracticeError,
    plan::{LOOPBACK, Plan},
    zookeeper,
};

use super::words::{Level, mesos};

/// How long an answer of `ZooKeeper` is good for. Members come and go with processes.
const FRESH: Duration = Duration::from_millis(300);

/// The group.
pub struct Members {
    source: Source,
    last: RefCell<(Option<Instant>, Vec<String>)>,
}

enum Source {
    Fixed(Vec<String>),
    Group { client: zookeeper_client::Client, path: String },
}

impl Members {
    /// The fixed list.
    pub fn fixed(plan: &Plan) -> Self {
        let peers = plan.schedulers.iter().map(|peer| format!("{LOOPBACK}:{}", peer.libprocess_port)).collect();
        Self { source: Source::Fixed(peers), last: RefCell::default() }
    }

    /// The group at this path, which is made if it is not there.
    pub async fn group(client: zookeeper_client::Client, path: &str) -> Result<Self, PracticeError> {
        zookeeper::make_path(&client, path).await?;
        Ok(Self { source: Source::Group { client, path: path.to_owned() }, last: RefCell::default() })
    }

    /// Joins the group, for as long as the session lives.
    pub async fn join(&self, port: u16) -> Result<(), PracticeError> {
        let Source::Group { client, path } = &self.source else {
            return Ok(());
        };
        mesos(Level::Info, "log.cpp:107", "Attempting to join replica to ZooKeeper group");
        let data = format!("log-replica(1)@{LOOPBACK}:{port}");
        zookeeper::announce(client, &format!("{path}/"), data.as_bytes()).await?;
        Ok(())
    }

    /// The addresses of all members.
    pub async fn list(&self) -> Vec<String> {
        let (client, path) = match &self.source {
            Source::Fixed(peers) => return peers.clone(),
            Source::Group { client, path } => (client, path),
        };
        {
            let last = self.last.borrow();
            if last.0.is_some_and(|at| at.elapsed() < FRESH) {
                return last.1.clone();
            }
        }
        let mut peers = Vec::new();
        for name in client.list_children(path).await.unwrap_or_default() {
            if let Ok((data, _)) = client.get_data(&format!("{path}/{name}")).await {
                let text = String::from_utf8_lossy(&data).into_owned();
                peers.extend(text.split_once('@').map(|(_, address)| address.to_owned()));
            }
        }
        peers.sort();
        // The node of a process that was just killed lives on beside that of its successor.
        peers.dedup();
        let mut last = self.last.borrow_mut();
        if last.1 != peers {
            let pids: Vec<String> = peers.iter().map(|peer| format!("log-replica(1)@{peer}")).collect();
            mesos(Level::Info, "network.hpp:480", &format!("ZooKeeper group PIDs: {{ {} }}", pids.join(", ")));
        }
        *last = (Some(Instant::now()), peers.clone());
        peers
    }
}
