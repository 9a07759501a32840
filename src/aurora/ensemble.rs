//! The address of a ZooKeeper ensemble: `host:port,host:port/chroot`.
//!
//! Pure. What it deliberately does not take: credentials (they stand where secrets stand), TLS, and the `zk://` of Mesos's flags.

use std::{fmt, str::FromStr};
use thiserror::Error;

/// ZooKeeper's own port.
const PORT: u16 = 2181;
/// Servers of one ensemble; real ones have three to nine with their observers.
const SERVERS_MAX: usize = 16;
/// Longest address, in bytes: sixteen long names and a path.
const ADDRESS_BYTES_MAX: usize = 8 * 1024;

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Name or address, without brackets.
    pub host: String,
    /// Client port.
    pub port: u16,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// An ensemble, and where in its tree paths begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ensemble {
    /// Its servers; at least one.
    pub servers: Vec<Server>,
    /// The path below which all paths lie.
    pub chroot: Option<String>,
}

impl fmt::Display for Ensemble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, server) in self.servers.iter().enumerate() {
            write!(f, "{}{server}", if at > 0 { "," } else { "" })?;
        }
        f.write_str(self.chroot.as_deref().unwrap_or_default())
    }
}

/// Why a text is not the address of an ensemble. Holds no text that may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnsembleAddressError {
    /// Nothing.
    #[error("the address of ZooKeeper is empty: write host:port,host:port")]
    Empty,
    /// Too long, or too many servers.
    #[error("the address of ZooKeeper is too long: at most {SERVERS_MAX} servers")]
    TooLong,
    /// A scheme.
    #[error("the address of ZooKeeper begins with {0}: write host:port,host:port without it")]
    Scheme(String),
    /// Credentials.
    #[error(
        "the address of ZooKeeper holds credentials: take out what stands before the @, and name them in cluster.zookeeper_auth"
    )]
    Credentials,
    /// A server without a name.
    #[error("server {0} of ZooKeeper's address has no name")]
    NoName(usize),
    /// A port that is none.
    #[error("{0:?} in the address of ZooKeeper has no port between 1 and 65535 after its colon")]
    BadPort(String),
    /// A name that is none.
    #[error("{0:?} in the address of ZooKeeper is not a host")]
    BadName(String),
    /// An address with colons.
    #[error("{0:?} in the address of ZooKeeper: an IPv6 address stands in brackets, as in [::1]:2181")]
    Brackets(String),
    /// A path that is none.
    #[error("{path:?} at the end of ZooKeeper's address is not a chroot: {why}")]
    BadChroot {
        /// The path.
        path: String,
        /// Why.
        why: &'static str,
    },
}

impl FromStr for Ensemble {
    type Err = EnsembleAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.is_empty() {
            return Err(EnsembleAddressError::Empty);
        }
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(EnsembleAddressError::TooLong);
        }
        if text.contains('@') {
            return Err(EnsembleAddressError::Credentials);
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(EnsembleAddressError::Scheme(format!("{scheme}://")));
        }
        let (servers, path) = match text.find('/') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let servers = servers.split(',').enumerate().map(|(at, part)| server(at + 1, part.trim()));
        let servers = servers.collect::<Result<Vec<_>, _>>()?;
        if servers.len() > SERVERS_MAX {
            return Err(EnsembleAddressError::TooLong);
        }
        Ok(Self { servers, chroot: chroot(path)? })
    }
}

fn server(number: usize, part: &str) -> Result<Server, EnsembleAddressError> {
    let bad_name = || EnsembleAddressError::BadName(part.to_owned());
    let (host, port) = if let Some(rest) = part.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(bad_name)?;
        let address = host.split('%').next().unwrap_or_default();
        address.parse::<std::net::Ipv6Addr>().map_err(|_| bad_name())?;
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(bad_name()),
        }
    } else if part.matches(':').count() > 1 {
        return Err(EnsembleAddressError::Brackets(part.to_owned()));
    } else {
        match part.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (part, None),
        }
    };
    if host.is_empty() {
        return Err(EnsembleAddressError::NoName(number));
    }
    if host.chars().any(|char| !(char.is_ascii_alphanumeric() || ".-_:%".contains(char))) {
        return Err(bad_name());
    }
    let port = match port {
        None => PORT,
        Some(port) => match port.parse() {
            Ok(port) if port > 0 => port,
            _ => return Err(EnsembleAddressError::BadPort(part.to_owned())),
        },
    };
    Ok(Server { host: host.to_owned(), port })
}

fn chroot(path: &str) -> Result<Option<String>, EnsembleAddressError> {
    // Some write the slash of the root.
    if path.is_empty() || path == "/" {
        return Ok(None);
    }
    let fault = path.contains(',').then_some("it stands once, after the last server").or_else(|| path_fault(path));
    match fault {
        None => Ok(Some(path.to_owned())),
        Some(why) => Err(EnsembleAddressError::BadChroot { path: path.to_owned(), why }),
    }
}

/// Why a text is not the path of a node, if it is not.
pub fn path_fault(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        return Some("it does not begin with /");
    }
    if path == "/" {
        return None;
    }
    if path.len() > ADDRESS_BYTES_MAX {
        return Some("it is too long");
    }
    if path.ends_with('/') {
        return Some("it ends with /");
    }
    if path.chars().any(char::is_control) {
        return Some("it holds control characters");
    }
    let wrong = |part: &str| part.is_empty() || part == "." || part == "..";
    path.split('/').skip(1).any(wrong).then_some("a part of it is empty, . or ..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, servers, chroot, again) in [
            ("zk1", vec![("zk1", 2181)], None, "zk1:2181"),
            (" zk1:2182 , zk2 ", vec![("zk1", 2182), ("zk2", 2181)], None, "zk1:2182,zk2:2181"),
            ("a:1,b:2/west/aurora", vec![("a", 1), ("b", 2)], Some("/west/aurora"), "a:1,b:2/west/aurora"),
            ("10.0.0.1:2181/", vec![("10.0.0.1", 2181)], None, "10.0.0.1:2181"),
            (
                "[::1]:2181,[fe80::1%eth0]",
                vec![("::1", 2181), ("fe80::1%eth0", 2181)],
                None,
                "[::1]:2181,[fe80::1%eth0]:2181",
            ),
        ] {
            let found: Ensemble = text.parse().unwrap();
            let wanted: Vec<Server> =
                servers.into_iter().map(|(host, port)| Server { host: host.to_owned(), port }).collect();
            assert_eq!((&found.servers, found.chroot.as_deref()), (&wanted, chroot), "{text}");
            assert_eq!(found.to_string(), again);
            assert_eq!(again.parse(), Ok(found));
        }
    }

    #[test]
    fn what_is_no_address_is_told() {
        for (text, said) in [
            ("  ", "is empty"),
            ("zk://a:2181/x", "begins with zk://"),
            ("me:secret@a:2181", "cluster.zookeeper_auth"),
            ("a:2181,,b", "server 2 "),
            (":2181", "server 1 "),
            ("a:", "\"a:\""),
            ("a:0", "no port between"),
            ("a:70000", "no port between"),
            ("a b:1", "is not a host"),
            ("::1", "in brackets"),
            ("[::1", "is not a host"),
            ("[zk1]:2181", "is not a host"),
            ("a:1/x,b:2", "after the last server"),
            ("a:1/x/", "ends with /"),
            ("a:1//x", "is empty"),
            ("a:1/x/../y", "or .."),
            (&"a,".repeat(20), "server 21 "),
            (&["a"; 17].join(","), "at most 16"),
            (&"a".repeat(9_000), "too long"),
        ] {
            let error = text.parse::<Ensemble>().unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("secret"), "{text}: {error}");
        }
    }
}
