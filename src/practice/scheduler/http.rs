//! The scheduler's HTTP port: which path answers what, and who is sent to the leader.

use std::{io::Write as _, rc::Rc};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, StatusCode, header};

use crate::practice::{
    plan::LOOPBACK,
    web::{self, Answer, Asked},
};

use super::{
    api::{self, Form, NoAnswer},
    auth::{self, Who},
    core::{Core, End, Life},
    election::Advertised,
    pages, vars,
    words::{Level, say},
};

/// Pages that only the leader serves.
const LED: [&str; 14] = [
    "agents",
    "api",
    "apibeta",
    "cron",
    "maintenance",
    "mname",
    "offers",
    "pendingtasks",
    "quotas",
    "scheduler",
    "slaves",
    "state",
    "tiers",
    "utilization",
];
/// The header with which a client says that it means this very scheduler.
const BYPASS: &str = "bypass-leader-redirect";
/// The content types that are TJSON.
const JSON_TYPES: [&str; 3] = ["application/x-thrift", "application/json", "application/vnd.apache.thrift.json"];
const JSON: &str = "application/vnd.apache.thrift.json";
const BINARY: &str = "application/vnd.apache.thrift.binary";
const TEXT: &str = "text/plain;charset=utf-8";
/// What an exception is wrapped in on its way to the error page.
const SERVLET: &str = "javax.servlet.ServletException";

/// Answers one request; none for a process that ends at once.
pub async fn answer(core: Rc<Core>, asked: Asked) -> Option<Answer> {
    let first = asked.path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let (method, path) = (asked.method.clone(), asked.path.clone());
    let answer = if LED.contains(&first) { led(&core, &asked, first).await } else { own(&core, &asked, first).await? };
    let answer = finished(answer, &asked).await;
    let code = answer.status().as_u16();
    if method != Method::GET || code >= 400 {
        let now = jiff::Zoned::now().strftime("%d/%b/%Y:%H:%M:%S %z").to_string();
        let bytes = hyper::body::Body::size_hint(answer.body()).exact().unwrap_or(0);
        let text = format!("{} - - [{now}] \"{method} {path} HTTP/1.1\" {code} {bytes} ", asked.from.ip());
        say(Level::Info, "qtp-api", "RequestLog", &text);
    }
    Some(answer)
}

/// The answer as Jetty sends it: its name, and compressed for those who take that.
async fn finished(mut answer: Answer, asked: &Asked) -> Answer {
    let name = header::HeaderValue::from_static("Jetty(9.3.25.v20180904)");
    answer.headers_mut().insert(header::SERVER, name);
    let compressible = answer.status() == StatusCode::OK && answer.headers().contains_key(header::CONTENT_TYPE);
    if !compressible || asked.method == Method::HEAD {
        return answer;
    }
    let vary = header::HeaderValue::from_static("Accept-Encoding, User-Agent");
    answer.headers_mut().insert(header::VARY, vary);
    let accepted = asked.headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accepted.contains("gzip") {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    // A body that is all there already has no errors.
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    match encoder.write_all(&bytes).and_then(|()| encoder.finish()) {
        Ok(packed) => {
            parts.headers.insert(header::CONTENT_ENCODING, header::HeaderValue::from_static("gzip"));
            Answer::from_parts(parts, Full::new(Bytes::from(packed)))
        }
        Err(_) => Answer::from_parts(parts, Full::new(bytes)),
    }
}

/// A refusal of the method, with those that are taken.
fn not_allowed(allow: Option<&'static str>) -> Answer {
    let mut answer = web::empty(StatusCode::METHOD_NOT_ALLOWED);
    if let Some(allow) = allow {
        answer.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(allow));
    }
    answer
}

/// Pages of every scheduler.
async fn own(core: &Core, asked: &Asked, first: &str) -> Option<Answer> {
    let get = asked.method == Method::GET || asked.method == Method::HEAD;
    Some(match first {
        "quitquitquit" | "abortabortabort" if asked.method != Method::POST => not_allowed(Some("POST, OPTIONS")),
        "quitquitquit" => {
            say(Level::Info, "qtp-api", "QuitHandler", "Received quit HTTP signal from practice");
            core.end(End::Quit);
            web::plain(StatusCode::OK, TEXT, "Notifying quit listener.")
        }
        "abortabortabort" => {
            core.end(End::Abort);
            return None;
        }
        "health" if get => web::plain(StatusCode::OK, TEXT, "OK\n"),
        "leaderhealth" if get => leader_health(core).await,
        "vars" if get => web::plain(StatusCode::OK, TEXT, vars::lines(core)),
        "vars.json" if get => web::json(&vars::object(core)),
        "health" | "leaderhealth" | "vars" | "vars.json" | "services" | "threads" | "contention" | "logconfig" => {
            if get { pages::own(core, first) } else { not_allowed(Some("HEAD, GET, OPTIONS")) }
        }
        "" | "graphdata" | "structdump" if get => pages::own(core, first),
        _ => web::empty(StatusCode::NOT_FOUND),
    })
}

async fn leads(core: &Core) -> Advertised {
    // What a scheduler that just committed knows of the group is what it knew before.
    if core.life.get() == Life::Dead && core.registered.get() {
        return Advertised::Me;
    }
    let election = core.election.borrow().clone();
    match election {
        Some(election) => election.advertised().await,
        None => Advertised::Nobody { members: 0 },
    }
}

async fn leader_health(core: &Core) -> Answer {
    let (status, words) = match leads(core).await {
        Advertised::Me => (StatusCode::OK, "This is the leading scheduler."),
        Advertised::Other(_) => (StatusCode::SERVICE_UNAVAILABLE, "Another instance is the leading scheduler."),
        Advertised::Nobody { .. } => {
            (StatusCode::BAD_GATEWAY, "There is no leading scheduler or the leader is unknown.")
        }
    };
    let body = format!(
        "Current status: {words}\n\n\
         This endpoint can indicate to a load balancer which among a group of schedulers is leading.\n\n\
         The response codes are:\n\
         200: This is the leading scheduler.\n\
         503: Another instance is the leading scheduler.\n\
         502: There is no leading scheduler or the leader is unknown."
    );
    web::plain(status, TEXT, body)
}

/// Pages of the leader.
async fn led(core: &Core, asked: &Asked, first: &str) -> Answer {
    if asked.headers.contains_key(BYPASS) {
        let text = "Bypass-Leader-Redirect header was present on the request, bypassing leader redirection.";
        say(Level::Info, "qtp-api", "LeaderRedirectFilter", text);
    } else {
        match leads(core).await {
            Advertised::Me => {}
            Advertised::Other(leader) => return redirect(&leader, &asked.path),
            Advertised::Nobody { members } => {
                let text = match members {
                    0 => "No serviceGroupMonitor in host set, will not redirect despite not being leader.",
                    _ => "Multiple serviceGroupMonitor detected, will not redirect: ",
                };
                say(Level::Warn, "qtp-api", "LeaderRedirect", text);
                let mut answer = web::empty(StatusCode::SERVICE_UNAVAILABLE);
                *answer.body_mut() = NO_LEADER.into();
                return answer;
            }
        }
    }
    match first {
        "api" if asked.method == Method::POST => thrift(core, asked).await,
        "api" if asked.method == Method::OPTIONS => {
            let mut answer = web::empty(StatusCode::OK);
            let all = header::HeaderValue::from_static("GET, HEAD, POST, TRACE, OPTIONS");
            answer.headers_mut().insert(header::ALLOW, all);
            answer
        }
        "api" if asked.method == Method::GET || asked.method == Method::HEAD => {
            // It reads a message from a request that has none.
            pages::failed(&format!("{SERVLET}: org.apache.thrift.transport.TTransportException"))
        }
        "api" => not_allowed(None),
        "apibeta" if asked.path.trim_end_matches('/') != "/apibeta" => not_allowed(Some("POST, OPTIONS")),
        "apibeta" => {
            let mut answer = web::empty(StatusCode::SEE_OTHER);
            let port = core.own.http_port;
            if let Ok(location) = format!("http://{LOOPBACK}:{port}/apihelp/index.html").parse() {
                answer.headers_mut().insert(header::LOCATION, location);
            }
            answer
        }
        _ => pages::led(core, first, &asked.path),
    }
}

fn redirect(leader: &str, path: &str) -> Answer {
    let mut answer = web::empty(StatusCode::TEMPORARY_REDIRECT);
    if let Ok(location) = format!("http://{leader}{path}").parse() {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    answer
}

async fn thrift(core: &Core, asked: &Asked) -> Answer {
    let who = auth::who(core, &asked.headers);
    if who == Who::Wrong {
        return challenge(None);
    }
    let mut answer = read(core, &who, asked).await;
    if who.came_with_credentials() {
        forget(answer.headers_mut());
    }
    answer
}

/// Credentials are asked for; those that came are forgotten.
fn challenge(wanted: Option<Form>) -> Answer {
    let mut answer = web::empty(StatusCode::UNAUTHORIZED);
    let headers = answer.headers_mut();
    headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static(auth::CHALLENGE));
    match wanted {
        Some(form) => {
            headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(form.content_type()));
        }
        None => forget(headers),
    }
    answer
}

fn forget(headers: &mut HeaderMap) {
    let yesterday = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24);
    let expires = yesterday.to_zoned(jiff::tz::TimeZone::UTC).strftime("%a, %d-%b-%Y %H:%M:%S GMT").to_string();
    if let Ok(cookie) = format!("rememberMe=deleteMe; Path=/; Max-Age=0; Expires={expires}").parse() {
        headers.insert(header::SET_COOKIE, cookie);
    }
}

async fn read(core: &Core, who: &Who, asked: &Asked) -> Answer {
    let text = |name: header::HeaderName| asked.headers.get(name).and_then(|value| value.to_str().ok());
    let content_type = text(header::CONTENT_TYPE);
    let form = match content_type {
        None => Form::Json,
        Some(BINARY) => Form::Binary,
        Some(kind) if JSON_TYPES.contains(&kind) => Form::Json,
        Some(kind) if kind.to_ascii_lowercase().replace(' ', "") == format!("{JSON};charset=utf-8") => Form::Json,
        Some(other) if !other.contains('/') => {
            return pages::failed(&format!("java.lang.IllegalArgumentException: Could not parse '{other}'"));
        }
        Some(other) => {
            let body = format!("Unsupported Content-Type: {other}");
            let mut answer = web::empty(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            *answer.body_mut() = http_body_util::Full::new(body.into());
            return answer;
        }
    };
    let wanted = if text(header::ACCEPT) == Some(BINARY) { Form::Binary } else { Form::Json };
    match api::call(core, who, &asked.body, form, wanted).await {
        Ok(bytes) => web::plain(StatusCode::OK, wanted.content_type(), bytes),
        Err(NoAnswer::Status(status)) => web::empty(status),
        Err(NoAnswer::Challenge) => challenge(Some(wanted)),
        Err(NoAnswer::Garbage(class)) => pages::failed(&format!("{SERVLET}: {class}")),
    }
}

impl Form {
    fn content_type(self) -> &'static str {
        match self {
            Self::Json => JSON,
            Self::Binary => BINARY,
        }
    }
}

/// The page that says that nobody leads.
const NO_LEADER: &str = "<!doctype html>
<html lang='en'>
<head>
    <meta charset='utf-8'>
    <title>Aurora</title>
</head>
<body>
<div class='container-fluid'>
    <h2>No Leader Found</h2>

    <p>It appears that the scheduler is failing over. This is routine behavior that should last no more than a few minutes.</p>
</div>
</body>
</html>
";
