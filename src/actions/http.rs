//! `http`: one request; no redirect is followed.
//!
//! A request that never left failed; one that left and was not answered is in doubt. Predicts the request line. Its
//! time is the order's.

use std::collections::BTreeMap;

use super::{
    command::captured,
    run::Prediction,
    scene::{Acted, Scene, Undone},
    web::{Ask, BODY_BYTES_MAX, NoPage, Page},
};
use crate::{
    engine::Stream,
    hosts::{Output as _, clean},
    runbook::kind::{Capture, Http, Method},
    session::{Finding, Report},
};

/// Lines of a body that go into a report's details.
const DETAIL_LINES: usize = 20;

pub(super) async fn act(scene: &Scene<'_>, http: &Http) -> Acted {
    let line = request_line(http);
    scene.sink.note(&line);
    let sent = send(scene, http);
    let page = tokio::select! {
        page = sent => page,
        () = scene.stop.stopped() => return Err(Undone::InDoubt(format!("{line}: stopped before the answer; it may have been sent"))),
    };
    let page = page.map_err(|no_page| match no_page {
        NoPage::NotSent(why) => Undone::Failed(format!("{line}: {why}")),
        NoPage::Lost(why) => Undone::InDoubt(format!("{line}: {why}; it may have been carried out")),
    })?;
    scene.sink.take(Stream::Out, &page.body);
    let report = judge(http, &page);
    if report.finding == Finding::Holds { Ok(report) } else { Err(Undone::Failed(report.seen)) }
}

pub(super) async fn look(scene: &Scene<'_>, http: &Http) -> Report {
    match send(scene, http).await {
        Ok(page) => judge(http, &page),
        Err(no_page) => Report::unknown(format!("{}: {}", request_line(http), no_page.why())),
    }
}

pub(super) fn foresee(http: &Http) -> Prediction {
    let details = http.headers.keys().map(|name| format!("with the header {name}")).collect();
    Prediction::new(Finding::Holds, format!("would send {}", request_line(http))).with(details)
}

async fn send(scene: &Scene<'_>, http: &Http) -> Result<Page, NoPage> {
    let secrets = &scene.world.secrets;
    let reveal = |text: &str| {
        let gone = |input| NoPage::NotSent(format!("the secret {input} is not known to this process: answer it again"));
        secrets.reveal(text).map_err(gone)
    };
    let headers: BTreeMap<String, String> =
        http.headers.iter().map(|(name, text)| Ok((name.clone(), reveal(text.as_str())?))).collect::<Result<_, _>>()?;
    let body = http.body.as_ref().map(|text| reveal(text.as_str())).transpose()?;
    let method = match http.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Delete => reqwest::Method::DELETE,
    };
    let within = scene.left().mul_f32(0.95);
    let ask = Ask { method, url: http.url.as_str(), headers: &headers, body, within, limit: BODY_BYTES_MAX };
    scene.world.http.send(ask).await
}

fn request_line(http: &Http) -> String {
    let method = match http.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
    };
    format!("{method} {}", http.url)
}

fn judge(http: &Http, page: &Page) -> Report {
    let line = request_line(http);
    let details = clean::lines(&page.body, DETAIL_LINES);
    let to = page.location.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
    let expected = if http.status.is_empty() { page.status == 200 } else { http.status.contains(&page.status) };
    let words = format!("{line}: {}{to}", page.status);
    if !expected {
        let first = details.iter().find(|line| !line.trim().is_empty()).map(|line| format!(": {line}"));
        return Report::fails(format!("{words}{}", first.unwrap_or_default())).with_details(details);
    }
    if let Some(wanted) = &http.contains {
        let found = String::from_utf8_lossy(&page.body).contains(wanted.as_str());
        if !found && page.cut {
            let why = format!("{words}; {:?} is not in the first {BODY_BYTES_MAX} bytes", wanted.as_str());
            return Report::unknown(why).with_details(details);
        }
        if !found {
            let why = format!("{words}, but the body does not contain {:?}", wanted.as_str());
            return Report::fails(why).with_details(details);
        }
    }
    if http.capture != Capture::Nothing && page.cut {
        return Report::unknown(format!("{words}, but the body has more than {BODY_BYTES_MAX} bytes"));
    }
    match captured(http.capture, &page.body) {
        Ok(outputs) => Report::holds(words).with_details(details).with_outputs(outputs),
        Err(why) => Report::fails(format!("{words}, but {why}")).with_details(details),
    }
}
