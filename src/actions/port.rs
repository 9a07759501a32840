//! `port`: does something accept connections?
//!
//! Accepted is open, refused is closed, anything else is unknown: a firewall that drops is not a closed port.

use std::time::Duration;

use super::scene::{Scene, finding};
use crate::{hosts::Answer, runbook::kind::Port, session::Report};

/// Longest time for one connection; a machine next door answers in milliseconds.
const CONNECT_MAX: Duration = Duration::from_secs(5);

pub(super) async fn look(scene: &Scene<'_>, port: &Port) -> Report {
    let (text, wanted_open) = match port {
        Port::Open(text) => (text, true),
        Port::Closed(text) => (text, false),
    };
    let Some(at) = address(text.as_str()) else {
        return Report::unknown(format!("{text:?} is not address:port", text = text.as_str()));
    };
    // A little less than all the time, so that the answer is ours and not the deadline's.
    let within = scene.at_most(CONNECT_MAX).mul_f32(0.9);
    match scene.host.connect(&at, within).await {
        Answer::Open => Report::new(finding(wanted_open), format!("{at} accepts connections")),
        Answer::Refused => Report::new(finding(!wanted_open), format!("{at} refuses connections")),
        Answer::None(why) => Report::unknown(format!("{at} neither accepts nor refuses: {why}")),
    }
}

/// `address:port`, or a port alone, which is on the host's loopback.
fn address(text: &str) -> Option<String> {
    let text = text.trim();
    if let Ok(port) = text.parse::<u16>() {
        return Some(format!("127.0.0.1:{port}"));
    }
    let (host, port) = text.rsplit_once(':')?;
    let plain = !host.is_empty() && (!host.contains(':') || host.starts_with('[') && host.ends_with(']'));
    (plain && port.parse::<u16>().is_ok()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn addresses() {
        let cases = [
            ("8081", Some("127.0.0.1:8081")),
            (" 10.0.0.1:80 ", Some("10.0.0.1:80")),
            ("[::1]:80", Some("[::1]:80")),
            ("::1:80", None),
            (":80", None),
            ("host", None),
            ("host:http", None),
            ("host:70000", None),
            ("", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(address(text).as_deref(), wanted, "{text}");
        }
    }
}
