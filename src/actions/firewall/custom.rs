//! A firewall that the inventory's own commands change.

use super::{Found, Standing, allowed::Allowed, shell, shell::Script};
use crate::{
    actions::{command::quoted, scene::Scene},
    hosts::{End, Quiet},
    inventory::BlockName,
    runbook::text::Text,
};

/// Exit code of a status command where traffic is refused.
const BLOCKED: i32 = 0;
/// Exit code of a status command where it is let in.
const OPEN: i32 = 3;

pub(super) fn script(
    scene: &Scene<'_>,
    texts: &[Text],
    name: &BlockName,
    allowed: Option<&Allowed>,
) -> Result<Script, String> {
    let argv = scene.world.render_all(scene.name, texts)?;
    let mut script = Script::new(&[], &[]);
    script.env.insert("FIRSTLIGHT_PORT".to_owned(), name.port.to_string());
    script.env.insert("FIRSTLIGHT_SESSION".to_owned(), name.session.clone());
    if let Some(allowed) = allowed {
        let nets: Vec<String> = allowed.nets.iter().map(ToString::to_string).collect();
        script.env.insert("FIRSTLIGHT_ALLOW".to_owned(), nets.join(" "));
    }
    let words = script.env.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
    script.by_hand = vec![words.chain(argv.iter().map(|word| quoted(word))).collect::<Vec<_>>().join(" ")];
    script.argv = argv;
    Ok(script)
}

pub(super) async fn see(scene: &Scene<'_>, status: &[Text], name: &BlockName) -> Result<Found, String> {
    let ran = script(scene, status, name, None)?.run(scene, &Quiet).await.map_err(|error| error.to_string())?;
    let standing = match ran.end {
        End::Exited(BLOCKED) => Standing::InForce,
        End::Exited(OPEN) => Standing::Gone,
        End::Exited(_) | End::Signalled(_) | End::TimedOut | End::Stopped => {
            let said = shell::said(&ran);
            return Err(format!(
                "the firewall's status does not say whether port {} is shut: {:?}: {said}",
                name.port, ran.end
            ));
        }
    };
    Ok(Found { standing, others: Vec::new() })
}
