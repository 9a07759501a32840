//! The scheduler's HTTP port: which path answers what, and who is sent to the leader.

use std::rc::Rc;

use hyper::{Method, StatusCode, header};

use crate::practice::web::{self, Answer, Asked};

use super::{
    api::{self, Form, NoAnswer},
    core::{Core, End, Life},
    election::Advertised,
    vars,
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

/// Answers one request; none for a process that ends at once.
pub async fn answer(core: Rc<Core>, asked: Asked) -> Option<Answer> {
    let first = asked.path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let (method, path) = (asked.method.clone(), asked.path.clone());
    let mut answer =
        if LED.contains(&first) { led(&core, &asked, first).await } else { own(&core, &asked, first).await? };
    answer.headers_mut().insert(header::SERVER, header::HeaderValue::from_static("Jetty(9.3.25.v20180904)"));
    let code = answer.status().as_u16();
    if method != Method::GET || code >= 400 {
        let now = jiff::Zoned::now().strftime("%d/%b/%Y:%H:%M:%S %z").to_string();
        let text = format!("{} - - [{now}] \"{method} {path} HTTP/1.1\" {code} -", asked.from.ip());
        say(Level::Info, "qtp-api", "RequestLog", &text);
    }
    Some(answer)
}

/// Pages of every scheduler.
async fn own(core: &Core, asked: &Asked, first: &str) -> Option<Answer> {
    let get = asked.method == Method::GET || asked.method == Method::HEAD;
    Some(match first {
        "quitquitquit" | "abortabortabort" if asked.method != Method::POST => {
            let mut answer = web::empty(StatusCode::METHOD_NOT_ALLOWED);
            answer.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST, OPTIONS"));
            answer
        }
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
        "services" if get => web::json(&serde_json::json!([])),
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
                return web::plain(StatusCode::SERVICE_UNAVAILABLE, "text/html", NO_LEADER);
            }
        }
    }
    match first {
        "api" if asked.method == Method::POST => thrift(core, asked).await,
        "api" => web::empty(StatusCode::INTERNAL_SERVER_ERROR),
        _ => web::plain(StatusCode::OK, "text/html", "<!doctype html><title>Aurora</title>"),
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
    let text = |name: header::HeaderName| asked.headers.get(name).and_then(|value| value.to_str().ok());
    let content_type = text(header::CONTENT_TYPE);
    let form = match content_type {
        None => Form::Json,
        Some(BINARY) => Form::Binary,
        Some(kind) if JSON_TYPES.contains(&kind) => Form::Json,
        Some(kind) if kind.to_ascii_lowercase().replace(' ', "") == format!("{JSON};charset=utf-8") => Form::Json,
        Some(other) => {
            let body = format!("Unsupported Content-Type: {other}");
            let mut answer = web::empty(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            *answer.body_mut() = http_body_util::Full::new(body.into());
            return answer;
        }
    };
    let wanted = if text(header::ACCEPT) == Some(BINARY) { Form::Binary } else { Form::Json };
    match api::call(core, &asked.body, form, wanted).await {
        Ok(bytes) => web::plain(StatusCode::OK, if wanted == Form::Binary { BINARY } else { JSON }, bytes),
        Err(NoAnswer::Status(status)) => web::empty(status),
        Err(NoAnswer::Garbage(class)) => {
            let body = format!(
                "<html>\n<head>\n<title>Error 500 javax.servlet.ServletException: {class}</title>\n</head>\n\
                 <body><h2>HTTP ERROR 500 javax.servlet.ServletException: {class}</h2>\n</body>\n</html>\n"
            );
            web::plain(StatusCode::INTERNAL_SERVER_ERROR, "text/html;charset=iso-8859-1", body)
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
