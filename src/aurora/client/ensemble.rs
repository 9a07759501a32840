//! The schedulers that ZooKeeper knows, for those who have no more than an entry of `clusters.json`.
//!
//! One session for a look, which ends with it; nothing is written. A read follows a sync.

use crate::aurora::leader::Znode;
use std::time::Duration;
use thiserror::Error;
use zookeeper_client::{Client, Error as ZkError};

/// Children of a serverset that are read; it has one for each scheduler and candidate.
const CHILDREN_MAX: usize = 1_000;
/// What a session may be silent for.
const SESSION_TIMEOUT: Duration = Duration::from_secs(6);

/// Why ZooKeeper did not say it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnsembleError {
    /// No session.
    #[error("no session with ZooKeeper at {connect}: {why}")]
    NoSession {
        /// Its servers.
        connect: String,
        /// Why.
        why: String,
    },
    /// The path is not there.
    #[error("ZooKeeper at {connect} has no {path}: another path, another chroot, or no scheduler ever ran")]
    NoPath {
        /// Its servers.
        connect: String,
        /// The path.
        path: String,
    },
    /// It does not give the path.
    #[error("ZooKeeper at {connect} does not give {path}: {why}")]
    NotGiven {
        /// Its servers.
        connect: String,
        /// The path.
        path: String,
        /// Why.
        why: String,
    },
}

/// The nodes below a serverset's path.
pub async fn serverset(connect: &str, path: &str, within: Duration) -> Result<Vec<Znode>, EnsembleError> {
    let late = |_| EnsembleError::NoSession { connect: connect.to_owned(), why: "not in time".to_owned() };
    tokio::time::timeout(within, read(connect, path, within)).await.map_err(late)?
}

async fn read(connect: &str, path: &str, within: Duration) -> Result<Vec<Znode>, EnsembleError> {
    let no_session = |error: ZkError| EnsembleError::NoSession { connect: connect.to_owned(), why: error.to_string() };
    let not_given = |error: ZkError| {
        let (connect, path) = (connect.to_owned(), path.to_owned());
        match error {
            ZkError::NoNode => EnsembleError::NoPath { connect, path },
            other => EnsembleError::NotGiven { connect, path, why: other.to_string() },
        }
    };
    let connector = Client::connector()
        .with_session_timeout(SESSION_TIMEOUT)
        .with_connection_timeout(within.mul_f32(0.8))
        .with_fail_eagerly();
    let client = connector.connect(connect).await.map_err(no_session)?;
    match client.sync(path).await {
        Ok(()) | Err(ZkError::NoNode) => {}
        Err(error) => return Err(not_given(error)),
    }
    let names = client.list_children(path).await.map_err(not_given)?;
    let mut nodes = Vec::new();
    for name in names.into_iter().take(CHILDREN_MAX) {
        match client.get_data(&format!("{}/{name}", path.trim_end_matches('/'))).await {
            Ok((data, _)) => nodes.push(Znode { name, data }),
            // It went in between.
            Err(ZkError::NoNode) => {}
            Err(error) => return Err(not_given(error)),
        }
    }
    nodes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(nodes)
}
