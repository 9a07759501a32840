//! `wait`: lets time pass. Stopping ends it at once; it changes nothing.

use super::scene::{Scene, span};
use crate::{runbook::kind::Wait, session::Report};

pub(super) async fn look(scene: &Scene<'_>, wait: &Wait) -> Report {
    let time = match humantime::parse_duration(wait.r#for.as_str()) {
        Ok(time) => time,
        Err(error) => return Report::unknown(format!("{:?} is not a duration: {error}", wait.r#for.as_str())),
    };
    tokio::select! {
        () = tokio::time::sleep(time) => Report::holds(format!("waited {}", span(time))),
        () = scene.stop.stopped() => Report::unknown("stopped while waiting"),
    }
}
