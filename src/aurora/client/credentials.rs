//! Where credentials are read: the environment, a file of one's own, `~/.netrc`.
//!
//! They are read when a client is made and kept in its memory only. A file that others may read is refused, and no error holds what was read.

use super::netrc::{NETRC_BYTES_MAX, Netrc};
use super::options::Login;
use crate::aurora::secret::Secret;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Longest password file.
const SECRET_BYTES_MAX: u64 = 64 << 10;
/// Permissions that let others read or change a file.
const OPEN_BITS: u32 = 0o077;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In this environment variable.
    Env(String),
    /// In this file, whose first line it is.
    File(PathBuf),
}

/// Why a secret could not be read.
#[derive(Debug, Error)]
pub enum CredentialsError {
    /// The variable is not set, or not text.
    #[error("the environment variable {0} is not set")]
    NoVariable(String),
    /// The file cannot be read.
    #[error("reading {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others could read it too.
    #[error("{path} has mode {mode:03o}: others can read it; chmod 600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// No secret.
    #[error("{0} is empty")]
    Empty(PathBuf),
    /// No file of this kind.
    #[error("{path} cannot be used: {why}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// Reads a secret.
pub fn read_secret(source: &SecretSource) -> Result<Secret, CredentialsError> {
    match source {
        SecretSource::Env(name) => match std::env::var(name) {
            Ok(value) if !value.is_empty() => Ok(Secret::new(value)),
            _ => Err(CredentialsError::NoVariable(name.clone())),
        },
        SecretSource::File(path) => {
            let text = read_own(path, SECRET_BYTES_MAX)?;
            let first = text.lines().next().unwrap_or_default();
            if first.is_empty() {
                return Err(CredentialsError::Empty(path.clone()));
            }
            Ok(Secret::new(first.to_owned()))
        }
    }
}

/// A file that only its owner may read.
fn read_own(path: &Path, limit: u64) -> Result<String, CredentialsError> {
    let (text, mode) = read_text(path, limit)?;
    if mode & OPEN_BITS != 0 {
        return Err(CredentialsError::Open { path: path.to_owned(), mode });
    }
    Ok(text)
}

/// A file's text and permissions.
fn read_text(path: &Path, limit: u64) -> Result<(String, u32), CredentialsError> {
    let failed = |source| CredentialsError::File { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode() & 0o777;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    let unusable = |why: String| CredentialsError::Unusable { path: path.to_owned(), why };
    if bytes.len() as u64 > limit {
        return Err(unusable(format!("it has more than {limit} bytes")));
    }
    Ok((String::from_utf8(bytes).map_err(|_| unusable("it is not text".to_owned()))?, mode))
}

/// What `$NETRC`, or else `~/.netrc`, has for a host. No file is no credentials.
pub(super) fn from_netrc(host: &str) -> Result<Option<Login>, String> {
    let own = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".netrc"));
    let path = std::env::var_os("NETRC").filter(|path| !path.is_empty()).map(PathBuf::from).or_else(own);
    path.map_or(Ok(None), |path| netrc_login(&path, host))
}

fn netrc_login(path: &Path, host: &str) -> Result<Option<Login>, String> {
    let (text, mode) = match read_text(path, NETRC_BYTES_MAX) {
        Ok(read) => read,
        Err(CredentialsError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let entries = Netrc::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let login = entries.login(host);
    // A file without an entry for the host is not ours to judge.
    if login.is_some() && mode & OPEN_BITS != 0 {
        return Err(CredentialsError::Open { path: path.to_owned(), mode }.to_string());
    }
    Ok(login)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn a_password_is_the_first_line_of_a_file_of_ones_own() {
        let read = |text: &str, mode| {
            let (_dir, path) = file(text, mode);
            read_secret(&SecretSource::File(path))
                .map(|secret| secret.expose().to_owned())
                .map_err(|error| error.to_string())
        };
        assert_eq!(read("pass word\nmore\n", 0o600), Ok("pass word".to_owned()));
        assert_eq!(read("x", 0o400), Ok("x".to_owned()));
        for (text, mode, said) in [("x", 0o640, "chmod 600"), ("x", 0o604, "mode 604"), ("\nx", 0o600, "is empty")] {
            assert!(read(text, mode).unwrap_err().contains(said));
        }
        assert!(read(&"x".repeat(70_000), 0o600).unwrap_err().contains("more than"));
        let missing = read_secret(&SecretSource::Env("FIRSTLIGHT_TEST_NO_SUCH_VARIABLE".to_owned()));
        assert!(missing.unwrap_err().to_string().contains("is not set"));
    }

    #[test]
    fn a_netrc_that_others_can_read_is_refused_and_a_missing_one_is_nobody() {
        let (_dir, path) = file("machine a login me password x\n", 0o600);
        assert_eq!(netrc_login(&path, "a").unwrap().unwrap().user, "me");
        assert_eq!(netrc_login(&path, "b").unwrap(), None);
        assert_eq!(netrc_login(Path::new("/no/such/file"), "a").unwrap(), None);
        let (_dir, open) = file("machine a login me password x\n", 0o644);
        assert!(netrc_login(&open, "a").unwrap_err().contains("others can read it"));
        assert_eq!(netrc_login(&open, "b").unwrap(), None);
    }
}
