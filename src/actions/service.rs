//! `service`: starts, stops and looks at a service by its manager, or by the inventory's commands.
//!
//! A start ends when the command does; whether the service is up then is a gate's matter. A stop with a manager that is
//! known waits until the service is seen to stay down: a manager that restarts what ends (`Restart=always`, `respawn`)
//! shows it as down for a moment. A command that says no is not the last word: what is looked at afterwards is. Predicts
//! the commands and the present state. Its time is the order's. Holding a service down is in `hold`.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    command::{details, ended, last_words, quoted},
    hold,
    managers::{State, state},
    run::Prediction,
    scene::{Acted, Scene, Undone, span},
};
use crate::{
    hosts::{End, Output, Quiet, Ran, Run},
    inventory::ServiceTemplates,
    runbook::{
        kind::{Service, mark_beside},
        text::Text,
    },
    session::{Finding, Report},
};

/// Time for which a stopped service must be seen to stay down. runit starts again after a second, supervisord at once;
/// systemd and Upstart do not start what was stopped through them.
const STAYS_DOWN: Duration = Duration::from_secs(2);
/// Time between looks at a service that is being stopped.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Time kept back from the order's, for words.
const MARGIN: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Start,
    Stop,
}

impl Verb {
    const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }
}

pub(super) async fn act(scene: &Scene<'_>, service: &Service) -> Acted {
    let name = service.service();
    match service {
        Service::Start(_) => told(scene, Verb::Start, name).await,
        Service::Stop(_) => told(scene, Verb::Stop, name).await,
        Service::Restart(_) => {
            let stopped = told(scene, Verb::Stop, name).await?;
            let started = told(scene, Verb::Start, name).await.map_err(|undone| match undone {
                Undone::Failed(why) => Undone::Failed(format!("stopped it, but {why}")),
                other => other,
            })?;
            Ok(Report::holds(format!("{}; {}", stopped.seen, started.seen)))
        }
        Service::Hold { beside, because, by, .. } => hold::hold(scene, name, beside, because, by.as_ref()).await,
        Service::Release { beside, by, .. } => hold::release(scene, name, beside, by.as_ref()).await,
        Service::Running(_) | Service::Stopped(_) | Service::Held { .. } | Service::Free { .. } => {
            Err(Undone::Failed("a look is not an action".to_owned()))
        }
    }
}

/// Runs a command of a service, as its manager's messages are written down in one language.
pub(super) async fn run(scene: &Scene<'_>, texts: &[Text], output: &dyn Output) -> Result<(Run, Ran), Undone> {
    let argv = scene.world.render_all(scene.name, texts).map_err(Undone::Failed)?;
    let mut run = Run::new(argv, scene.left());
    run.env.insert("LC_ALL".to_owned(), "C".to_owned());
    let ran = scene.host.exec(&run, output, scene.stop).await?;
    Ok((run, ran))
}

/// Runs a command of a service that must succeed.
pub(super) async fn must_run(scene: &Scene<'_>, what: &str, texts: &[Text]) -> Result<Ran, Undone> {
    scene.sink.note(&typed(&scene.world.render_all(scene.name, texts).map_err(Undone::Failed)?));
    let (run, ran) = run(scene, texts, scene.sink).await?;
    let words = || format!("{what}: {}{}", ended(&ran, &run), last_words(&ran));
    match ran.end {
        End::Exited(0) => Ok(ran),
        End::Exited(_) => Err(Undone::Failed(words())),
        End::Signalled(_) | End::TimedOut | End::Stopped => Err(Undone::InDoubt(words())),
    }
}

async fn told(scene: &Scene<'_>, verb: Verb, name: &Text) -> Acted {
    let templates = scene.world.service(name).map_err(Undone::Failed)?;
    let texts = match verb {
        Verb::Start => &templates.start,
        Verb::Stop => &templates.stop,
    };
    let ran = must_run(scene, &format!("{} {name}", verb.name()), texts).await;
    if templates.managed.is_none() {
        return Ok(Report::holds(format!("{} {name}: done", verb.name())).with_details(details(&ran?)));
    }
    let (said, lines) = match ran {
        Ok(ran) => (None, details(&ran)),
        Err(Undone::Failed(why)) => (Some(why), Vec::new()),
        Err(other) => return Err(other),
    };
    let seen = match verb {
        Verb::Start => started(scene, templates, name, said).await?,
        Verb::Stop => stays_down(scene, templates, name, said).await?,
    };
    Ok(Report::holds(seen).with_details(lines))
}

/// A start whose command was content is over. One that says no may have found the service started already.
async fn started(
    scene: &Scene<'_>,
    templates: &ServiceTemplates,
    name: &Text,
    said: Option<String>,
) -> Result<String, Undone> {
    let Some(why) = said else { return Ok(format!("start {name}: done")) };
    match status(scene, templates).await.map_err(Undone::Failed)?.0 {
        State::Running => Ok(format!("{name} runs already ({why})")),
        State::Between(words) => Err(Undone::InDoubt(format!("{why}; it is {words} now"))),
        State::Stopped | State::Unknown(_) => Err(Undone::Failed(why)),
    }
}

/// Waits until the service is seen to stay down.
async fn stays_down(
    scene: &Scene<'_>,
    templates: &ServiceTemplates,
    name: &Text,
    said: Option<String>,
) -> Result<String, Undone> {
    let mut down_since: Option<Instant> = None;
    let also = said.map(|why| format!(" ({why})")).unwrap_or_default();
    loop {
        let state = status(scene, templates).await.map_err(Undone::InDoubt)?.0;
        let now = Instant::now();
        let since = match state {
            State::Stopped => Some(*down_since.get_or_insert(now)),
            State::Running | State::Between(_) | State::Unknown(_) => None,
        };
        if since.is_some_and(|since| now.duration_since(since) >= STAYS_DOWN) {
            return Ok(format!("stop {name}: it is down, and stays down{also}"));
        }
        down_since = since;
        if scene.stop.is_stopped() {
            return Err(Undone::InDoubt(format!("stopped while {name} was being stopped{also}")));
        }
        if scene.left() <= MARGIN {
            let words = match state {
                State::Running => "it runs".to_owned(),
                State::Stopped => "it is down, but was not for long enough".to_owned(),
                State::Between(words) | State::Unknown(words) => words,
            };
            return Err(Undone::InDoubt(format!("stop {name}: not seen to stay down in time: {words}{also}")));
        }
        sleep(LOOK_EVERY.min(scene.left())).await;
    }
}

fn typed(argv: &[String]) -> String {
    argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

pub(super) async fn look(scene: &Scene<'_>, service: &Service) -> Report {
    let name = service.service();
    let wanted_running = match service {
        Service::Running(_) => true,
        Service::Stopped(_) => false,
        Service::Held { beside, .. } => return hold::look_held(scene, name, beside).await,
        Service::Free { beside, .. } => return hold::look_free(scene, name, beside).await,
        Service::Start(_) | Service::Stop(_) | Service::Restart(_) | Service::Hold { .. } | Service::Release { .. } => {
            return Report::unknown("an action is not a look");
        }
    };
    let found = match scene.world.service(name) {
        Ok(templates) => status(scene, templates).await,
        Err(why) => Err(why),
    };
    let (state, ran) = match found {
        Ok(found) => found,
        Err(why) => return Report::unknown(why),
    };
    let report = match state {
        State::Running => Report::new(super::scene::finding(wanted_running), format!("{name} runs")),
        State::Stopped => Report::new(super::scene::finding(!wanted_running), format!("{name} does not run")),
        // Known, and neither of the two.
        State::Between(words) => Report::fails(format!("{name} neither runs nor is stopped: {words}")),
        State::Unknown(words) => {
            Report::unknown(format!("the status of {name} does not say whether it runs: {words}{}", last_words(&ran)))
        }
    };
    report.with_details(details(&ran))
}

/// What a service does by its status command.
pub(super) async fn status(scene: &Scene<'_>, templates: &ServiceTemplates) -> Result<(State, Ran), String> {
    let (_, ran) = run(scene, &templates.status, &Quiet).await.map_err(Undone::into_words)?;
    let manager = templates.managed.as_ref().map(|managed| managed.manager);
    Ok((state(manager, &ran), ran))
}

pub(super) async fn foresee(scene: &Scene<'_>, service: &Service) -> Prediction {
    let name = service.service();
    let templates = match scene.world.service(name) {
        Ok(templates) => templates,
        Err(why) => return Prediction::new(Finding::Fails, why),
    };
    let (commands, also): (Vec<&[Text]>, Option<String>) = match service {
        Service::Start(_) => (vec![&templates.start], None),
        Service::Stop(_) => (vec![&templates.stop], None),
        Service::Restart(_) => (vec![&templates.stop, &templates.start], None),
        Service::Hold { beside, .. } => (vec![&templates.hold], Some(format!("write {}", mark_beside(beside)))),
        Service::Release { beside, .. } => (vec![&templates.release], Some(format!("remove {}", mark_beside(beside)))),
        Service::Running(_) | Service::Stopped(_) | Service::Held { .. } | Service::Free { .. } => {
            (vec![&templates.status], None)
        }
    };
    let commands = commands.into_iter().filter(|texts| !texts.is_empty());
    let rendered: Result<Vec<_>, _> =
        commands.map(|texts| scene.world.render_all(scene.name, texts).map(|argv| typed(&argv))).collect();
    let lines: Vec<String> = match rendered {
        Ok(lines) => lines.into_iter().chain(also).collect(),
        Err(why) => return Prediction::new(Finding::Fails, why),
    };
    let now = match status(scene, templates).await {
        Ok((State::Running, _)) => "it runs now".to_owned(),
        Ok((State::Stopped, _)) => "it does not run now".to_owned(),
        Ok((State::Between(words), _)) => format!("it neither runs nor is stopped now: {words}"),
        Ok((State::Unknown(_), _)) => "its status does not say whether it runs now".to_owned(),
        Err(why) => why,
    };
    let time = match (service, &templates.managed) {
        (Service::Stop(_) | Service::Restart(_), Some(_)) => {
            format!(" and watch for {} that it stays down", span(STAYS_DOWN))
        }
        _ => String::new(),
    };
    Prediction::new(Finding::Holds, format!("would run {}{time}; {now}", lines.join(" && "))).with(lines)
}
