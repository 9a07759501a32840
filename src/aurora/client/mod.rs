//! Calls to one scheduler over HTTP: API, pages, credentials, TLS; and how a leader is looked up in ZooKeeper.
//!
//! Each answer is bounded in time and bytes, no redirect is followed, nothing is sent twice; see the parts.

mod command;
mod credentials;
mod ensemble;
mod error;
mod http;
mod netrc;
mod options;
mod scheduler;
mod tls;

pub use command::{AdminTool, RunCommand};
pub use credentials::{CredentialsError, SecretSource, read_secret};
pub use ensemble::{EnsembleError, serverset};
pub use error::{ClientError, Sent};
pub use netrc::{Netrc, NetrcError};
pub use options::{BODY_BYTES_MAX, ClientOptions, Credentials, Login, Protocol};
pub use scheduler::{Answer, Client, LeaderHealth};
pub use tls::{CA_BYTES_MAX, Trust, http_builder, tls};
