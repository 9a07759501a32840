//! HTTP as actions use it: no redirects, no proxy, bounded in time and bytes.

use std::{collections::BTreeMap, time::Duration};

use reqwest::{Method, redirect::Policy};

use crate::aurora::client::http_builder;

/// Longest time to connect.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Bytes of a body that are kept.
pub(super) const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Sends requests. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Client {
    inner: Result<reqwest::Client, String>,
}

/// One request.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub method: Method,
    pub url: &'a str,
    pub headers: &'a BTreeMap<String, String>,
    pub body: Option<String>,
    pub within: Duration,
    /// Bytes of the body that are kept.
    pub limit: usize,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    pub status: u16,
    pub body: Vec<u8>,
    /// Whether the body was longer than the limit.
    pub cut: bool,
    /// Where a redirect points.
    pub location: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoPage {
    /// The request never left.
    NotSent(String),
    /// It may have arrived.
    Lost(String),
}

impl NoPage {
    pub fn why(&self) -> &str {
        match self {
            Self::NotSent(why) | Self::Lost(why) => why,
        }
    }
}

impl Client {
    pub fn new() -> Self {
        let builder = match http_builder() {
            Ok(builder) => builder,
            Err(why) => return Self { inner: Err(format!("cannot set up HTTP: {why}")) },
        };
        let built = builder
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_MAX)
            // A connection kept from before may be dead without a sign: each request is made on its own.
            .pool_max_idle_per_host(0)
            .user_agent("firstlight")
            .build();
        Self { inner: built.map_err(|error| format!("cannot set up HTTP: {}", causes(&error))) }
    }

    pub async fn send(&self, ask: Ask<'_>) -> Result<Page, NoPage> {
        let client = self.inner.as_ref().map_err(|why| NoPage::NotSent(why.clone()))?;
        if !ask.url.starts_with("http://") {
            return Err(NoPage::NotSent(format!("{} is not an http:// address", ask.url)));
        }
        let mut request = client.request(ask.method, ask.url).timeout(ask.within);
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        if let Some(body) = ask.body {
            request = request.body(body);
        }
        let request = request.build().map_err(|error| NoPage::NotSent(causes(&error.without_url())))?;
        let mut response = client.execute(request).await.map_err(no_page)?;
        let location = response.headers().get("location").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut page = Page { status: response.status().as_u16(), body: Vec::new(), cut: false, location };
        while let Some(chunk) = response.chunk().await.map_err(|error| NoPage::Lost(causes(&error.without_url())))? {
            let room = ask.limit.saturating_sub(page.body.len());
            page.body.extend(chunk.iter().take(room));
            if chunk.len() > room {
                page.cut = true;
                break;
            }
        }
        Ok(page)
    }
}

fn no_page(error: reqwest::Error) -> NoPage {
    let connecting = error.is_connect();
    let late = error.is_timeout();
    let why = causes(&error.without_url());
    match (connecting, late) {
        (true, _) => NoPage::NotSent(format!("no connection: {why}")),
        (false, true) => NoPage::Lost("no answer in time".to_owned()),
        (false, false) => NoPage::Lost(format!("no answer: {why}")),
    }
}

/// An error with what caused it, innermost last; the innermost is what an operator needs.
fn causes(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
