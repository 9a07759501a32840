//! Requests and answers, bounded in time and bytes.

use super::error::{ClientError, Sent};
use super::options::{ClientOptions, Login};
use super::tls;
use reqwest::header::{LOCATION, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, StatusCode, Url};
use std::error::Error as _;

/// Bytes of an unexpected body that an error quotes.
const QUOTED_BYTES_MAX: usize = 200;
/// What a scheduler's page says when its filter knows no leader; the call was then not looked at.
pub(super) const NO_LEADER_PAGE: &str = "No Leader Found";

/// One server and how it is talked to.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: reqwest::Client,
    base: Url,
    login: Option<Login>,
}

/// One answer.
pub(super) struct Raw {
    pub status: StatusCode,
    pub location: Option<String>,
    /// Schemes of authentication that the server asks for, in lower case.
    pub asks: String,
    pub body: Vec<u8>,
}

impl Http {
    pub fn new(base_url: &str, options: &ClientOptions) -> Result<Self, ClientError> {
        let bad = |why: String| ClientError::BadUrl { url: base_url.to_owned(), why };
        let base = Url::parse(base_url).map_err(|error| bad(error.to_string()))?;
        let https = base.scheme() == "https";
        if !(https || base.scheme() == "http") || base.host_str().is_none() {
            return Err(bad("it must be http or https, with a host".to_owned()));
        }
        if !base.username().is_empty() || base.password().is_some() {
            let url = format!("{}://…@{}", base.scheme(), base.host_str().unwrap_or_default());
            return Err(ClientError::BadUrl { url, why: "an address holds no credentials".to_owned() });
        }
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(https, &options.trust).map_err(bad)?)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .connect_timeout(options.connect_timeout)
            .read_timeout(options.read_timeout)
            .timeout(options.total_timeout)
            .build()
            .map_err(|error| bad(chain(&error)))?;
        let login = options.login_for(base.host_str().unwrap_or_default()).map_err(ClientError::Credentials)?;
        Ok(Self { client, base, login })
    }

    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The address of a path below the base. A base that ends in `/api` stands for what is before it, so that the address of the API may be given;
    /// what is left is where a proxy has put the scheduler.
    pub fn url(&self, path: &str) -> Url {
        let prefix = self.base.path().trim_end_matches('/');
        let prefix = prefix.strip_suffix("/api").unwrap_or(prefix);
        let mut url = self.base.clone();
        url.set_path(&format!("{prefix}{path}"));
        url.set_query(None);
        url.set_fragment(None);
        url
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.with_login(self.client.post(self.url(path)))
    }

    /// A page. Schedulers give theirs to everybody, so credentials go along only where TLS hides them: a proxy may ask.
    pub async fn get(&self, path: &str, limit: usize) -> Result<Raw, ClientError> {
        let url = self.url(path);
        let request = self.client.get(url.clone());
        let request = if url.scheme() == "https" { self.with_login(request) } else { request };
        self.send(request, &url, limit).await
    }

    fn with_login(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.login {
            Some(login) => request.basic_auth(&login.user, Some(login.password.expose())),
            None => request,
        }
    }

    pub async fn send(&self, request: RequestBuilder, url: &Url, limit: usize) -> Result<Raw, ClientError> {
        let mut response = request.send().await.map_err(|error| transport_error(&error, url, Sent::No))?;
        let too_large = || ClientError::TooLarge { url: url.to_string(), limit };
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let header = |name| {
            let values = response.headers().get_all(name).iter();
            let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
            (!values.is_empty()).then(|| values.join(", "))
        };
        let location = header(LOCATION).map(|to| start(to.as_bytes()));
        let asks = header(WWW_AUTHENTICATE).unwrap_or_default().to_ascii_lowercase();
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| transport_error(&error, url, Sent::Maybe))? {
            if body.len() + piece.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&piece);
        }
        Ok(Raw { status: response.status(), location, asks, body })
    }
}

impl Raw {
    /// The error that an answer with another status than 200 is.
    pub fn status_error(&self, url: &Url) -> ClientError {
        let asks_for = |scheme: &str| self.asks.split([' ', ',']).any(|word| word == scheme);
        if self.status == StatusCode::UNAUTHORIZED && asks_for("negotiate") && !asks_for("basic") {
            return ClientError::Negotiate { url: url.to_string() };
        }
        let start = if String::from_utf8_lossy(&self.body).contains(NO_LEADER_PAGE) {
            NO_LEADER_PAGE.to_owned()
        } else if self.status == StatusCode::UNAUTHORIZED && self.body.trim_ascii().is_empty() {
            "it wants a user and a password, or other ones; they come from `api` in the inventory, or from ~/.netrc"
                .to_owned()
        } else {
            start(&self.body)
        };
        let status = self.status.as_u16();
        ClientError::Status { url: url.to_string(), status, location: self.location.clone(), start }
    }
}

fn transport_error(error: &reqwest::Error, url: &Url, least: Sent) -> ClientError {
    let (url, why) = (url.to_string(), chain(error));
    if error.is_builder() {
        ClientError::BadUrl { url, why }
    } else if error.is_connect() && least == Sent::No {
        ClientError::Connect { url, why }
    } else if error.is_timeout() {
        ClientError::Timeout { url, why }
    } else {
        ClientError::Broken { url, why }
    }
}

/// The error and what caused it, without the address, which the caller says.
fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    if text.is_empty() { "the request failed".to_owned() } else { text }
}

/// Start of a body, or of a header, in one line of printable characters: what a server sends is not to be trusted on a terminal.
pub(super) fn start(body: &[u8]) -> String {
    let head = body.get(..body.len().min(QUOTED_BYTES_MAX)).unwrap_or_default();
    String::from_utf8_lossy(head)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}
