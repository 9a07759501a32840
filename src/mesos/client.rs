//! Fetches the master's state.
//!
//! The answer is read as it comes and never held whole: what is kept is what [`super::state`] keeps. A master that does not lead names the one
//! that does; that redirect is followed, at most [`REDIRECTS_MAX`] times, only to the same page of another address, only with the scheme that was
//! asked with, and only something that answers as a master counts. Where it went is part of the answer. Nothing else is followed, no proxy is
//! used, no credentials are sent. Time and bytes are limited.

use super::state::{MasterState, StateError};
use crate::aurora::client::{Trust, tls};
use bytes::Bytes;
use reqwest::header::LOCATION;
use reqwest::{Client, Response, StatusCode, Url};
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use thiserror::Error;

/// Redirects that are followed: to the leader, and once more if it changed in between.
pub const REDIRECTS_MAX: usize = 2;
/// Bytes of a state: 100,000 tasks have about 100 MB, so this is room for a million.
pub const STATE_BYTES_MAX: u64 = 2 << 30;
/// Pages of the state, newest first: up to 0.24 only the second is there.
const PAGES: [&str; 2] = ["/state", "/master/state.json"];
/// Pages that a master may send to in their place.
const LEADING_PAGES: [&str; 4] = ["/state", "/state.json", "/master/state", "/master/state.json"];
/// Pieces of an answer that wait for the reader.
const PIECES_WAITING: usize = 16;
/// Bytes that the reader takes at once.
const READ_BYTES: usize = 64 << 10;
/// Longest text of another side that an error quotes.
const QUOTED_MAX: usize = 200;

/// Limits.
#[derive(Clone, Debug)]
pub struct MasterOptions {
    /// Until a connection stands.
    pub connect_timeout: Duration,
    /// Between two pieces of an answer.
    pub read_timeout: Duration,
    /// For everything, redirects included.
    pub total_timeout: Duration,
    /// Bytes of an answer.
    pub bytes_max: u64,
    /// Whose certificates are taken.
    pub trust: Trust,
}

impl Default for MasterOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_mins(5),
            bytes_max: STATE_BYTES_MAX,
            trust: Trust::Machine,
        }
    }
}

/// A state and who gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    /// The state.
    pub state: MasterState,
    /// The address that answered.
    pub url: String,
    /// Addresses that sent on, in order; empty where the first one answered.
    pub sent_on_by: Vec<String>,
    /// Bytes of the answer.
    pub bytes: u64,
}

impl Fetched {
    /// Who answered, in words.
    pub fn by(&self) -> String {
        match self.sent_on_by.first() {
            None => self.url.clone(),
            Some(first) => format!("{} (sent there by {first})", self.url),
        }
    }
}

/// Why there is no state.
#[derive(Debug, Error)]
pub enum MasterError {
    /// Not an address.
    #[error("{url:?} is not the address of a master: {why}")]
    BadUrl {
        /// As given.
        url: String,
        /// Why.
        why: String,
    },
    /// No answer.
    #[error("{url} gives no answer: {why}")]
    NoAnswer {
        /// Where.
        url: String,
        /// Why.
        why: String,
    },
    /// Another status than 200.
    #[error("{url} answered with status {status}")]
    Status {
        /// Where.
        url: String,
        /// The status.
        status: u16,
    },
    /// It sends somewhere that is not followed.
    #[error("{url} sends to {to:?}, which is not followed: {why}")]
    SentElsewhere {
        /// Where.
        url: String,
        /// The target, cut.
        to: String,
        /// Why.
        why: &'static str,
    },
    /// Longer than the limit.
    #[error("the answer of {url} is longer than {limit} bytes")]
    TooLarge {
        /// Where.
        url: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The time was over.
    #[error("{url} did not answer in {} s", within.as_secs())]
    Late {
        /// Where.
        url: String,
        /// The time for everything.
        within: Duration,
    },
    /// Not a state.
    #[error("the answer of {url} is not the state of a master: {why}")]
    NotAState {
        /// Where.
        url: String,
        /// Why.
        why: String,
    },
}

/// The state of the master at `base`, `http://host:port`, or of the one that it says leads.
pub async fn fetch_state(base: &str, options: &MasterOptions) -> Result<Fetched, MasterError> {
    let bad = |why: String| MasterError::BadUrl { url: base.to_owned(), why };
    let first = Url::parse(base).map_err(|error| bad(error.to_string()))?;
    if !matches!(first.scheme(), "http" | "https") || first.host_str().is_none() || !first.username().is_empty() {
        return Err(bad("it must be http or https, with a host and without credentials".to_owned()));
    }
    let client = Client::builder()
        .tls_backend_preconfigured(tls(first.scheme() == "https", &options.trust).map_err(bad)?)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .pool_max_idle_per_host(0)
        .connect_timeout(options.connect_timeout)
        .read_timeout(options.read_timeout)
        .build()
        .map_err(|error| bad(causes(&error)))?;
    let asked = ask(&client, &first, options);
    match tokio::time::timeout(options.total_timeout, asked).await {
        Ok(result) => result,
        Err(_) => Err(MasterError::Late { url: base.to_owned(), within: options.total_timeout }),
    }
}

async fn ask(client: &Client, base: &Url, options: &MasterOptions) -> Result<Fetched, MasterError> {
    let mut missing = None;
    for page in PAGES {
        let mut url = base.clone();
        url.set_path(&format!("{}{page}", base.path().trim_end_matches('/')));
        match follow(client, url, options).await {
            Err(MasterError::Status { status: 404, url }) => missing = Some(url),
            other => return other,
        }
    }
    Err(MasterError::Status { status: 404, url: missing.unwrap_or_default() })
}

async fn follow(client: &Client, mut url: Url, options: &MasterOptions) -> Result<Fetched, MasterError> {
    let mut sent_on_by = Vec::new();
    loop {
        let no_answer = |error: &reqwest::Error| MasterError::NoAnswer { url: url.to_string(), why: causes(error) };
        let response = client.get(url.clone()).send().await.map_err(|error| no_answer(&error))?;
        match response.status() {
            StatusCode::OK => {
                let (state, bytes) = read(response, &url, options).await?;
                return Ok(Fetched { state, url: url.to_string(), sent_on_by, bytes });
            }
            status if status.is_redirection() => {
                let next = target(&url, &response, sent_on_by.len())?;
                sent_on_by.push(std::mem::replace(&mut url, next).to_string());
            }
            status => return Err(MasterError::Status { url: url.to_string(), status: status.as_u16() }),
        }
    }
}

/// Where a redirect points, if it may be followed. Masters leave the scheme out of it.
fn target(url: &Url, response: &Response, followed: usize) -> Result<Url, MasterError> {
    let to = response.headers().get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
    let to = to.unwrap_or_default();
    let refuse = |why| {
        let shown = to.chars().map(|c| if c.is_control() { ' ' } else { c }).take(QUOTED_MAX).collect();
        MasterError::SentElsewhere { url: url.to_string(), to: shown, why }
    };
    if followed >= REDIRECTS_MAX {
        return Err(refuse("it is one redirect too many"));
    }
    let next = url.join(&to).map_err(|_| refuse("it is not an address"))?;
    let same_page = next.path() == url.path() || LEADING_PAGES.contains(&next.path());
    if next.scheme() != url.scheme() {
        Err(refuse("it is another scheme"))
    } else if next.host_str().is_none() || !next.username().is_empty() || next.password().is_some() {
        Err(refuse("it is not an address of a master"))
    } else if !same_page || next.query().is_some() {
        Err(refuse("it is another page, so it does not name the leading master"))
    } else if (next.host_str(), next.port_or_known_default()) == (url.host_str(), url.port_or_known_default())
        && next.path() == url.path()
    {
        Err(refuse("it is the same address"))
    } else {
        Ok(next)
    }
}

/// Reads the answer while it arrives, on a thread that may block.
async fn read(mut response: Response, url: &Url, options: &MasterOptions) -> Result<(MasterState, u64), MasterError> {
    let limit = options.bytes_max;
    let too_large = || MasterError::TooLarge { url: url.to_string(), limit };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let (sender, receiver) = sync_channel(PIECES_WAITING);
    let reader = tokio::task::spawn_blocking(move || {
        let pieces = Pieces { receiver, piece: Bytes::new() };
        // JSON is read byte by byte.
        MasterState::from_reader(io::BufReader::with_capacity(READ_BYTES, pieces))
    });
    let mut bytes = 0u64;
    loop {
        let piece = match response.chunk().await {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            Err(error) => return Err(MasterError::NoAnswer { url: url.to_string(), why: causes(&error) }),
        };
        bytes += piece.len() as u64;
        if bytes > limit {
            return Err(too_large());
        }
        // The reader ends early where it finds what is no state.
        if !give(&sender, piece).await {
            break;
        }
    }
    drop(sender.send(Bytes::new()));
    drop(sender);
    let not_a_state = |why: String| MasterError::NotAState { url: url.to_string(), why };
    let state: Result<MasterState, StateError> = reader.await.map_err(|error| not_a_state(error.to_string()))?;
    let state = state.map_err(|error| not_a_state(error.to_string()))?;
    // Any JSON object is a state in which nothing is listed.
    if state.pid.is_none() && state.version.is_none() && state.id.is_none() {
        return Err(not_a_state("it names neither a version, an id nor an address of a master".to_owned()));
    }
    Ok((state, bytes))
}

/// Hands a piece over without blocking the thread that reads the network; false when nobody takes it any more.
async fn give(sender: &SyncSender<Bytes>, mut piece: Bytes) -> bool {
    let began = Instant::now();
    loop {
        match sender.try_send(piece) {
            Ok(()) => return true,
            Err(TrySendError::Disconnected(_)) => return false,
            Err(TrySendError::Full(back)) => piece = back,
        }
        let wait = if began.elapsed() < Duration::from_millis(1) { Duration::ZERO } else { Duration::from_millis(1) };
        if wait.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(wait).await;
        }
    }
}

/// The pieces as one stream. An empty piece is its end; a sender that goes without one broke off.
struct Pieces {
    receiver: Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            self.piece = self.receiver.recv().map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        }
        let count = self.piece.len().min(into.len());
        let now = self.piece.split_to(count);
        into.iter_mut().zip(now.iter()).for_each(|(to, from)| *to = *from);
        Ok(count)
    }
}

/// What went wrong, innermost first cause last, without the address.
fn causes(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "no answer in time".to_owned() } else { String::new() };
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    if text.is_empty() { "the request failed".to_owned() } else { text }
}
