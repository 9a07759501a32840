//! `service`: starts, stops and looks at a service by the inventory's commands.
//!
//! Starting and stopping wait until the command returns; whether the service is up or down then is a gate's matter.
//! The status command's exit codes are those of the LSB: 0 runs, 3 does not; the others say that it cannot tell.
//! Predicts the commands and the present state. Its time is the order's.

use super::{
    command::{details, ended, last_words, quoted},
    run::Prediction,
    scene::{Acted, Scene, Undone},
};
use crate::{
    hosts::{End, Quiet, Ran, Run},
    runbook::{kind::Service, text::Text},
    session::{Finding, Report},
};

/// Exit code of a status command for a service that runs.
const RUNS: i32 = 0;
/// Exit code of a status command for a service that does not run.
const RUNS_NOT: i32 = 3;

pub(super) async fn act(scene: &Scene<'_>, service: &Service) -> Acted {
    let name = service.service();
    let templates = scene.world.service(name).map_err(Undone::Failed)?;
    match service {
        Service::Start(_) => command(scene, "start", name, &templates.start).await,
        Service::Stop(_) => command(scene, "stop", name, &templates.stop).await,
        Service::Restart(_) => {
            let stopped = command(scene, "stop", name, &templates.stop).await?;
            let started = command(scene, "start", name, &templates.start).await.map_err(|undone| match undone {
                Undone::Failed(why) => Undone::Failed(format!("stopped it, but {why}")),
                other => other,
            })?;
            Ok(Report::holds(format!("{}; {}", stopped.seen, started.seen)))
        }
        Service::Running(_) | Service::Stopped(_) => Err(Undone::Failed("a look is not an action".to_owned())),
    }
}

async fn command(scene: &Scene<'_>, verb: &str, name: &Text, texts: &[Text]) -> Acted {
    let argv = scene.world.render_all(scene.name, texts).map_err(Undone::Failed)?;
    scene.sink.note(&typed(&argv));
    let run = Run::new(argv, scene.left());
    let ran = scene.host.exec(&run, scene.sink, scene.stop).await?;
    let words = format!("{verb} {name}: {}{}", ended(&ran, &run), last_words(&ran));
    match ran.end {
        End::Exited(0) => Ok(Report::holds(format!("{verb} {name}: done")).with_details(details(&ran))),
        End::Exited(_) => Err(Undone::Failed(words)),
        End::Signalled(_) | End::TimedOut | End::Stopped => Err(Undone::InDoubt(words)),
    }
}

fn typed(argv: &[String]) -> String {
    argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

pub(super) async fn look(scene: &Scene<'_>, service: &Service) -> Report {
    let name = service.service();
    let wanted_running = matches!(service, Service::Running(_));
    match status(scene, name).await {
        Ok((Some(runs), ran)) => {
            let words = if runs { "runs" } else { "does not run" };
            let report = Report::new(super::scene::finding(runs == wanted_running), format!("{name} {words}"));
            report.with_details(details(&ran))
        }
        Ok((None, ran)) => {
            let why = format!("the status of {name} does not say whether it runs: {:?}{}", ran.end, last_words(&ran));
            Report::unknown(why).with_details(details(&ran))
        }
        Err(why) => Report::unknown(why),
    }
}

/// Whether a service runs by its status command; `None` if that does not say.
async fn status(scene: &Scene<'_>, name: &Text) -> Result<(Option<bool>, Ran), String> {
    let templates = scene.world.service(name)?;
    let argv = scene.world.render_all(scene.name, &templates.status)?;
    let run = Run::new(argv, scene.left());
    let ran = scene.host.exec(&run, &Quiet, scene.stop).await.map_err(|error| error.to_string())?;
    let runs = match ran.end {
        End::Exited(RUNS) => Some(true),
        End::Exited(RUNS_NOT) => Some(false),
        End::Exited(_) | End::Signalled(_) | End::TimedOut | End::Stopped => None,
    };
    Ok((runs, ran))
}

pub(super) async fn foresee(scene: &Scene<'_>, service: &Service) -> Prediction {
    let name = service.service();
    let templates = match scene.world.service(name) {
        Ok(templates) => templates,
        Err(why) => return Prediction::new(Finding::Fails, why),
    };
    let commands: &[&[Text]] = match service {
        Service::Start(_) => &[&templates.start],
        Service::Stop(_) => &[&templates.stop],
        Service::Restart(_) => &[&templates.stop, &templates.start],
        Service::Running(_) | Service::Stopped(_) => &[&templates.status],
    };
    let rendered: Result<Vec<_>, _> =
        commands.iter().map(|texts| scene.world.render_all(scene.name, texts).map(|argv| typed(&argv))).collect();
    let lines = match rendered {
        Ok(lines) => lines,
        Err(why) => return Prediction::new(Finding::Fails, why),
    };
    let now = match status(scene, name).await {
        Ok((Some(true), _)) => "it runs now".to_owned(),
        Ok((Some(false), _)) => "it does not run now".to_owned(),
        Ok((None, _)) => "its status does not say whether it runs now".to_owned(),
        Err(why) => why,
    };
    Prediction::new(Finding::Holds, format!("would run {}; {now}", lines.join(" && "))).with(lines)
}
