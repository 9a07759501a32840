//! `sweep`: when a scheduler kills what it does not know for the first time.
//!
//! Since 0.9 that is the first implicit reconciliation: `reconciliation_initial_delay` and
//! `reconciliation_schedule_spread`, each cut to whole minutes, after the scheduler registered. The registration's time is
//! the master's, the flags are those that the process was started with. Before 0.9 there is no reconciliation; there the
//! executors of each host ask, so that no single time can be named. A practice cluster's waits are shorter by its speed.

use std::time::Duration;

use serde_json::json;

use super::{
    impact,
    scene::{Scene, seen, span},
    scheduler,
};
use crate::{
    aurora::flags::{Flags, TimeAmount},
    impact::{LiveSide, Master},
    mesos::state::Standing,
    runbook::kind::Sweep,
    session::Report,
};

/// `-reconciliation_initial_delay` unless it is set.
const INITIAL_DELAY: Duration = Duration::from_mins(1);
/// `-reconciliation_schedule_spread` unless it is set.
const SCHEDULE_SPREAD: Duration = Duration::from_mins(30);
/// The flag that only releases without reconciliation have.
const GC_EXECUTOR: &str = "gc_executor_path";
/// The inventory's variable that holds a practice cluster's speed.
const SPEED: &str = "speed";

pub(super) async fn look(scene: &Scene<'_>, sweep: &Sweep) -> Report {
    seen(look_or(scene, sweep).await)
}

fn unknown(why: &str) -> Report {
    let outputs = json!({ "at_ms": "unknown", "at": "unknown", "after": "unknown" });
    Report::holds(format!("when unknown tasks are swept cannot be known: {why}")).with_outputs(outputs)
}

/// The delay that the flags in force come to; an error names what cannot be understood.
fn delay(flags: &Flags) -> Result<Duration, String> {
    let of = |name: &str, default: Duration| -> Result<Duration, String> {
        match flags.get(name) {
            None => Ok(default),
            Some(text) => {
                let amount = TimeAmount::parse(text).map_err(|error| format!("-{name}={text}: {error}"))?;
                // Whole minutes are what the scheduler makes of it.
                Ok(Duration::from_secs(amount.duration().as_secs() / 60 * 60))
            }
        }
    };
    let initial = of("reconciliation_initial_delay", INITIAL_DELAY)?;
    Ok(initial.saturating_add(of("reconciliation_schedule_spread", SCHEDULE_SPREAD)?))
}

/// When the only registered scheduler of Aurora came to the master.
fn registered_ms(live: &LiveSide) -> Result<i64, String> {
    let state = match &live.master {
        Master::Answered(state) => state,
        Master::Silent(why) => return Err(why.clone()),
    };
    let active: Vec<_> = state.aurora().filter(|framework| framework.standing == Standing::Active).collect();
    let [framework] = active.as_slice() else {
        return Err(format!("{} schedulers are registered with the master", active.len()));
    };
    let newest = framework.registered_ms.max(framework.reregistered_ms);
    newest.ok_or_else(|| "the master does not say since when the scheduler is registered".to_owned())
}

async fn look_or(scene: &Scene<'_>, sweep: &Sweep) -> Result<Report, String> {
    let client = scheduler::client(scene, sweep.url.as_str()).map_err(|error| error.to_string())?;
    let vars = client.vars().await.map_err(|error| error.to_string())?;
    let Some(flags) = vars.flags() else {
        return Ok(unknown("the scheduler does not export the flags that it was started with"));
    };
    if flags.has(GC_EXECUTOR) {
        return Ok(unknown("this release has no reconciliation; the executors of each host ask in their own time"));
    }
    let delay = match delay(&flags) {
        Ok(delay) => delay,
        Err(why) => return Ok(unknown(&why)),
    };
    let registered = registered_ms(&impact::live(scene, sweep.master.as_str()).await)?;
    let inventory = &scene.world.inventory;
    let speed = inventory.practice.then(|| inventory.cluster_var(SPEED)?.as_f64()).flatten();
    let real = delay.div_f64(speed.filter(|speed| speed.is_finite() && *speed >= 1.0).unwrap_or(1.0));
    let at_ms = registered.saturating_add(i64::try_from(real.as_millis()).unwrap_or(i64::MAX));
    let at = jiff::Timestamp::from_millisecond(at_ms).map_or_else(|_| "unknown".to_owned(), |at| at.to_string());
    let words = format!("unknown tasks are swept {} after the registration, at {at}", span(real));
    Ok(Report::holds(words).with_outputs(json!({ "at_ms": at_ms, "at": at, "after": span(real) })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_comes_from_the_flags_in_whole_minutes() {
        let cases = [
            ("", Some(31)),
            ("-reconciliation_initial_delay=5mins", Some(35)),
            ("-reconciliation_initial_delay=90secs -reconciliation_schedule_spread=10mins", Some(11)),
            ("-reconciliation_initial_delay=soon", None),
        ];
        for (line, minutes) in cases {
            let found = delay(&Flags::parse_line(line)).ok().map(|delay| delay.as_secs() / 60);
            assert_eq!(found, minutes, "{line}");
        }
    }
}
