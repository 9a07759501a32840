//! Calls to one scheduler over HTTP: API, pages, credentials, TLS; and what ZooKeeper says, read only.
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
pub use ensemble::{EnsembleAccess, EnsembleError, EnsembleReader, Node, follow, serverset};
pub use error::{ClientError, Sent};
pub use netrc::{Netrc, NetrcError};
pub use options::{BODY_BYTES_MAX, ClientOptions, Credentials, Login, Protocol};
pub use scheduler::{Answer, Client, LeaderHealth};
pub use tls::{CA_BYTES_MAX, Trust, http_builder, tls};
