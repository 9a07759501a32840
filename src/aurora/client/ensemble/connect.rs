//! Getting a session: one server after the other, the next beside one that keeps silent.
//!
//! Names are resolved on threads of the client's own. When no server gives a session, each is asked why, with the one
//! word that every ZooKeeper answers unless told otherwise.

use std::{collections::VecDeque, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};
use zookeeper_client::{Client, Error as ZkError};

use super::{EnsembleAccess, EnsembleError};
use crate::aurora::{
    ensemble::{Ensemble, Server},
    secret::Secret,
};

/// What a session may be silent for.
const SESSION_TIMEOUT: Duration = Duration::from_secs(6);
/// A server that gave no session for this long gets the next one beside it.
const NEXT_AFTER: Duration = Duration::from_millis(700);
/// Part of the time that is kept for asking each server why.
const ASKING_WHY: f32 = 0.25;
/// Longest time for asking why.
const ASKING_WHY_MAX: Duration = Duration::from_millis(800);
/// Bytes of a server's words that are read.
const WORDS_BYTES_MAX: u64 = 2 * 1024;
/// Characters of a stranger's words that are shown.
const WORDS_SHOWN: usize = 40;

/// A session with the first server that gives one.
pub(super) async fn session(access: &EnsembleAccess, within: Duration) -> Result<Client, EnsembleError> {
    let asking = within.mul_f32(ASKING_WHY).min(ASKING_WHY_MAX);
    let until = Instant::now() + within.saturating_sub(asking);
    let mut waiting: VecDeque<Server> = access.ensemble.servers.clone().into();
    let first = fastrand::usize(..waiting.len().max(1));
    waiting.rotate_left(first.min(waiting.len()));
    let mut tries: JoinSet<Result<Client, ZkError>> = JoinSet::new();
    let mut refused = None;
    while Instant::now() < until {
        match waiting.pop_front() {
            Some(server) => {
                let one = Ensemble { servers: vec![server], chroot: access.ensemble.chroot.clone() };
                tries.spawn(one_session(one, access.digest.clone(), within));
            }
            None if tries.is_empty() => break,
            None => {}
        }
        let next = if waiting.is_empty() { until } else { until.min(Instant::now() + NEXT_AFTER) };
        match timeout_at(next, tries.join_next()).await {
            Ok(Some(Ok(Ok(client)))) => return Ok(client),
            Ok(Some(Ok(Err(error @ ZkError::AuthFailed)))) => refused = Some(error.to_string()),
            Ok(Some(Ok(Err(_)) | Err(_)) | None) | Err(_) => {}
        }
    }
    drop(tries);
    let why = match refused {
        Some(why) => why,
        None => whys(&access.ensemble, asking).await,
    };
    Err(EnsembleError::NoSession { connect: access.ensemble.to_string(), why })
}

async fn one_session(one: Ensemble, digest: Option<Secret>, within: Duration) -> Result<Client, ZkError> {
    let mut connector = Client::connector()
        .with_session_timeout(SESSION_TIMEOUT)
        .with_connection_timeout(within.min(SESSION_TIMEOUT / 2))
        .with_fail_eagerly();
    if let Some(digest) = &digest {
        connector = connector.with_auth("digest", digest.expose().as_bytes());
    }
    connector.connect(&one.to_string()).await
}

/// Why each server gives no session, as far as it says.
async fn whys(ensemble: &Ensemble, within: Duration) -> String {
    let asked = ensemble.servers.iter().cloned().map(|server| {
        let named = server.to_string();
        (named, tokio::spawn(async move { timeout(within, why(&server)).await }))
    });
    let mut words = Vec::new();
    for (named, why) in asked.collect::<Vec<_>>() {
        let why = match why.await {
            Ok(Ok(why)) => why,
            Ok(Err(_)) => "does not answer".to_owned(),
            Err(error) => error.to_string(),
        };
        words.push(format!("{named} {why}"));
    }
    words.join("; ")
}

async fn why(server: &Server) -> String {
    let mut stream = match TcpStream::connect((server.host.as_str(), server.port)).await {
        Ok(stream) => stream,
        Err(error) => return format!("cannot be reached ({error})"),
    };
    let mut answer = Vec::new();
    if let Err(error) = stream.write_all(b"srvr").await {
        return format!("ends the connection ({error})");
    }
    let read = stream.take(WORDS_BYTES_MAX).read_to_end(&mut answer).await;
    said(&answer, read.err().map(|error| error.to_string()))
}

/// What a server's answer to `srvr` means.
fn said(answer: &[u8], error: Option<String>) -> String {
    let text = String::from_utf8_lossy(answer);
    let is = |words: &str| text.contains(words);
    if is("not currently serving") {
        "runs without a quorum".to_owned()
    } else if is("Zookeeper version") {
        let mode = text.lines().find_map(|line| line.strip_prefix("Mode: ")).unwrap_or("unknown mode");
        let mode: String = mode.chars().take_while(char::is_ascii_alphabetic).collect();
        format!("serves ({mode}), but gave no session")
    } else if is("not in the whitelist") {
        "is a ZooKeeper that gave no session".to_owned()
    } else if answer.is_empty() {
        match error {
            Some(error) => format!("ends the connection ({error})"),
            None => "ends the connection at once: it runs without a quorum, or is no ZooKeeper".to_owned(),
        }
    } else {
        // Quoted so, nothing of it reaches a terminal as it is.
        let first: String = text.chars().take(WORDS_SHOWN).collect();
        format!("is no ZooKeeper: it answers {first:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_server_say_why_there_is_no_session() {
        for (answer, meaning) in [
            ("This ZooKeeper instance is not currently serving requests\n", "runs without a quorum"),
            ("Zookeeper version: 3.8\nMode: follower\x1b[2J\n", "serves (follower), but"),
            ("srvr is not executed because it is not in the whitelist.\n", "is a ZooKeeper"),
            ("", "ends the connection at once"),
            ("HTTP/1.1 400 Bad Request\r\n\x1b]52;c;x\x07\r\n", "is no ZooKeeper: it answers \"HTTP/1.1 400"),
        ] {
            let said = said(answer.as_bytes(), None);
            assert!(said.starts_with(meaning) && !said.contains('\x1b'), "{answer:?}: {said:?}");
        }
        assert!(super::said(b"", Some("reset".to_owned())).contains("reset"));
    }
}
