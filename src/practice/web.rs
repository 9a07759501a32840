//! A small HTTP server for the cluster's processes: HTTP/1.1, one handler, bodies limited.
//!
//! Runs on a current-thread runtime inside a `LocalSet`. It survives bad clients; it does not speak TLS.

use std::{future::Future, net::SocketAddr, pin::Pin, rc::Rc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{HeaderMap, Method, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    task::{JoinSet, spawn_local},
};

/// The largest request: a log entry of the protocol is at most half a MiB, written as hexadecimal digits.
const BODY_BYTES_MAX: usize = 8 << 20;
/// A client that sends no header for so long is dropped.
const HEADER_WAIT: Duration = Duration::from_secs(10);

/// A request with its whole body.
#[derive(Debug)]
pub struct Asked {
    /// Its method.
    pub method: Method,
    /// Its path, without the query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Who asks.
    pub from: SocketAddr,
}

/// A response.
pub type Answer = Response<Full<Bytes>>;
/// What answers.
pub type Handler = Rc<dyn Fn(Asked) -> Pin<Box<dyn Future<Output = Option<Answer>>>>>;

/// A running server; dropping it closes the listener and every connection.
#[derive(Debug)]
pub struct Server {
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves until the returned value is dropped. A handler that gives no answer closes the connection.
pub fn serve(listener: TcpListener, handler: Handler) -> Server {
    let task = spawn_local(async move {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
            };
            let Ok((stream, from)) = accepted else {
                // Out of descriptors, say; the next client may fare better.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let handler = Rc::clone(&handler);
            connections.spawn_local(async move {
                let service = service_fn(move |request| answer(request, from, Rc::clone(&handler)));
                let mut builder = http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(HEADER_WAIT);
                // The error is the client's.
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Server { task }
}

async fn answer(request: hyper::Request<Incoming>, from: SocketAddr, handler: Handler) -> Result<Answer, &'static str> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", "too large"));
    };
    let asked = Asked {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body: body.to_bytes(),
        from,
    };
    handler(asked).await.ok_or("closed without an answer")
}

/// An answer with a body of this type.
pub fn plain(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    if let Ok(value) = content_type.parse() {
        answer.headers_mut().insert(hyper::header::CONTENT_TYPE, value);
    }
    answer
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

/// A JSON answer.
pub fn json<T: serde::Serialize>(value: &T) -> Answer {
    match serde_json::to_vec(value) {
        Ok(body) => plain(StatusCode::OK, "application/json", body),
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string()),
    }
}
