//! Reading a ZooKeeper ensemble.
//!
//! A look has a session of its own, which ends with it; nothing is ever written. A read follows a sync, so that a
//! server that lags behind does not answer from yesterday. It survives servers that are down, that accept and never
//! answer, or that are something else: each gets a short while before the next is tried beside it. An ensemble
//! without a quorum gives no session, and no session is an error: never "nobody".

mod connect;
mod follow;

pub use follow::follow;

use std::time::Duration;

use thiserror::Error;
use tokio::time::{Instant, timeout_at};
use zookeeper_client::{Client, Error as ZkError, Stat};

use super::credentials::CredentialsError;
use crate::aurora::{
    ensemble::{Ensemble, EnsembleAddressError, path_fault},
    leader::Znode,
    secret::Secret,
};

/// Children of a serverset that are read; it has one for each scheduler and candidate.
const CHILDREN_MAX: usize = 1_000;
/// Bytes of one node. A server gives a mebibyte unless told otherwise; ballots and members have some hundred bytes.
const NODE_BYTES_MAX: usize = 64 * 1024;
/// Longest time for one request. Past it the server is as good as gone.
const REQUEST_MAX: Duration = Duration::from_secs(5);

/// How an ensemble is reached.
#[derive(Clone, Debug)]
pub struct EnsembleAccess {
    /// Its servers.
    pub ensemble: Ensemble,
    /// `user:password` of the digest scheme. Reading needs none unless an ACL says so.
    pub digest: Option<Secret>,
}

impl EnsembleAccess {
    /// Access without credentials.
    pub fn open(address: &str) -> Result<Self, EnsembleError> {
        Ok(Self { ensemble: address.parse()?, digest: None })
    }
}

/// The names that have a part in an election.
fn with_part(mut names: Vec<String>) -> Vec<String> {
    names.retain(|name| Znode::named(name).has_part());
    names
}

/// Why ZooKeeper did not say it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnsembleError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] EnsembleAddressError),
    /// The credentials cannot be read.
    #[error("no credentials for ZooKeeper: {0}")]
    Credentials(String),
    /// The path is none.
    #[error("{path:?} is not a path in ZooKeeper: {why}")]
    BadPath {
        /// The path.
        path: String,
        /// Why.
        why: &'static str,
    },
    /// No session.
    #[error("no session with ZooKeeper at {connect}: {why}")]
    NoSession {
        /// Its servers.
        connect: String,
        /// What each server said.
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

impl From<CredentialsError> for EnsembleError {
    fn from(error: CredentialsError) -> Self {
        Self::Credentials(error.to_string())
    }
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its data.
    pub data: Vec<u8>,
    /// How many children it has.
    pub children: usize,
}

/// A session that only reads.
#[derive(Debug)]
pub struct EnsembleReader {
    client: Client,
    connect: String,
    with_digest: bool,
    until: Instant,
}

impl EnsembleReader {
    /// A session; all that is read with it has to come within this time, too.
    pub async fn open(access: &EnsembleAccess, within: Duration) -> Result<Self, EnsembleError> {
        let until = Instant::now() + within;
        let client = connect::session(access, within).await?;
        let connect = access.ensemble.to_string();
        Ok(Self { client, connect, with_digest: access.digest.is_some(), until })
    }

    /// A node; `None` if it is not there.
    pub async fn node(&self, path: &str) -> Result<Option<Node>, EnsembleError> {
        self.sync(path).await?;
        let Some(stat) = self.stat(path).await? else { return Ok(None) };
        let data = self.data(path, &stat).await?;
        Ok(data.map(|data| Node { data, children: usize::try_from(stat.num_children).unwrap_or(0) }))
    }

    /// The children of a node that have a part in the election, with their data, by name; `None` if it is not there.
    pub async fn candidates(&self, path: &str) -> Result<Option<Vec<Znode>>, EnsembleError> {
        self.sync(path).await?;
        if !self.may_list(path).await? {
            return Ok(None);
        }
        match self.in_time(path, self.client.list_children(path)).await {
            Ok(names) => self.with_data(path, with_part(names)).await.map(Some),
            Err(Fault::Missing) => Ok(None),
            Err(Fault::Other(error)) => Err(error),
        }
    }

    /// Every child of a node with its data, by name; `None` if it is not there.
    pub async fn children(&self, path: &str) -> Result<Option<Vec<Znode>>, EnsembleError> {
        self.sync(path).await?;
        if !self.may_list(path).await? {
            return Ok(None);
        }
        match self.in_time(path, self.client.list_children(path)).await {
            Ok(names) => self.with_data(path, names).await.map(Some),
            Err(Fault::Missing) => Ok(None),
            Err(Fault::Other(error)) => Err(error),
        }
    }

    /// What was written before is seen after.
    async fn sync(&self, path: &str) -> Result<(), EnsembleError> {
        if let Some(why) = path_fault(path) {
            return Err(EnsembleError::BadPath { path: path.to_owned(), why });
        }
        match self.in_time(path, self.client.sync(path)).await {
            Ok(()) | Err(Fault::Missing) => Ok(()),
            Err(Fault::Other(error)) => Err(error),
        }
    }

    async fn stat(&self, path: &str) -> Result<Option<Stat>, EnsembleError> {
        match self.in_time(path, self.client.check_stat(path)).await {
            Ok(stat) => Ok(stat),
            Err(Fault::Missing) => Ok(None),
            Err(Fault::Other(error)) => Err(error),
        }
    }

    /// False if the node is not there; an error if it has too many children to list.
    async fn may_list(&self, path: &str) -> Result<bool, EnsembleError> {
        let Some(stat) = self.stat(path).await? else { return Ok(false) };
        let children = usize::try_from(stat.num_children).unwrap_or(usize::MAX);
        if children > CHILDREN_MAX {
            return Err(self.not_given(path, format!("it has {children} children, more than {CHILDREN_MAX}")));
        }
        Ok(true)
    }

    /// The data of children. All are asked for before the first is waited for.
    async fn with_data(&self, path: &str, mut names: Vec<String>) -> Result<Vec<Znode>, EnsembleError> {
        names.truncate(CHILDREN_MAX);
        names.sort();
        let below = |name: &String| format!("{}/{name}", path.trim_end_matches('/'));
        let stats: Vec<_> = names.iter().map(|name| self.client.check_stat(&below(name))).collect();
        let mut sized = Vec::new();
        for (name, stat) in names.into_iter().zip(stats) {
            let path = below(&name);
            match self.in_time(&path, stat).await {
                Ok(Some(stat)) => {
                    self.small(&path, &stat)?;
                    sized.push((name, self.client.get_data(&path)));
                }
                // It went in between.
                Ok(None) | Err(Fault::Missing) => {}
                Err(Fault::Other(error)) => return Err(error),
            }
        }
        let mut nodes = Vec::new();
        for (name, data) in sized {
            match self.in_time(&below(&name), data).await {
                Ok((data, _)) => nodes.push(Znode { name, data }),
                Err(Fault::Missing) => {}
                Err(Fault::Other(error)) => return Err(error),
            }
        }
        Ok(nodes)
    }

    async fn data(&self, path: &str, stat: &Stat) -> Result<Option<Vec<u8>>, EnsembleError> {
        self.small(path, stat)?;
        match self.in_time(path, self.client.get_data(path)).await {
            Ok((data, _)) => Ok(Some(data)),
            Err(Fault::Missing) => Ok(None),
            Err(Fault::Other(error)) => Err(error),
        }
    }

    fn small(&self, path: &str, stat: &Stat) -> Result<(), EnsembleError> {
        match usize::try_from(stat.data_length) {
            Ok(bytes) if bytes <= NODE_BYTES_MAX => Ok(()),
            _ => Err(self.not_given(path, format!("it has more than {NODE_BYTES_MAX} bytes"))),
        }
    }

    async fn in_time<T>(&self, path: &str, asked: impl Future<Output = Result<T, ZkError>>) -> Result<T, Fault> {
        let until = self.until.min(Instant::now() + REQUEST_MAX);
        match timeout_at(until, asked).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(ZkError::NoNode)) => Err(Fault::Missing),
            Ok(Err(ZkError::NoAuth)) if self.with_digest => {
                let why = "the credentials of cluster.zookeeper_auth may not read it".to_owned();
                Err(Fault::Other(self.not_given(path, why)))
            }
            Ok(Err(ZkError::NoAuth)) => {
                let why = "only who has credentials may read it; cluster.zookeeper_auth says where they are".to_owned();
                Err(Fault::Other(self.not_given(path, why)))
            }
            Ok(Err(error)) => Err(Fault::Other(self.not_given(path, error.to_string()))),
            Err(_) => Err(Fault::Other(self.not_given(path, "no answer in time".to_owned()))),
        }
    }

    fn not_given(&self, path: &str, why: String) -> EnsembleError {
        EnsembleError::NotGiven { connect: self.connect.clone(), path: path.to_owned(), why }
    }
}

/// How a request can fail.
enum Fault {
    /// The node is not there.
    Missing,
    /// Else.
    Other(EnsembleError),
}

/// The candidates and members below a serverset's path; an error if there is no such path.
pub async fn serverset(access: &EnsembleAccess, path: &str, within: Duration) -> Result<Vec<Znode>, EnsembleError> {
    let reader = EnsembleReader::open(access, within).await?;
    let nodes = reader.candidates(path).await?;
    nodes.ok_or_else(|| EnsembleError::NoPath { connect: access.ensemble.to_string(), path: path.to_owned() })
}
