//! `firewall`: refuses traffic from outside to a port, lets it in again, and looks at the rules.
//!
//! The rules are a whole of their own (a table, or a chain with one jump to it) that carries the session's id, so that
//! nothing else is touched and a block is taken back in one piece. They come before whatever lets established
//! connections pass, so that those from outside are cut off too, and they only ever refuse: who is let in here is still
//! judged by the host's other rules. Outsiders are refused with a reset rather than left without an answer: a client
//! gives up at once, and what is seen from outside is an answer and not a silence with many causes.
//!
//! It survives rules that somebody else took away meanwhile, a block that is made twice, two sessions at once. What it
//! deliberately does not do: write anything that outlives a reboot, or judge the rules of others.

mod allowed;
mod custom;
mod nft;
mod shell;
mod tables;

use allowed::Allowed;
use shell::Script;

use super::{
    command::details,
    run::Prediction,
    scene::{Acted, Scene, Undone, finding},
};
use crate::{
    hosts::{End, Quiet, Ran},
    inventory::{BlockName, FirewallManager},
    runbook::kind::Firewall,
    session::{Finding, Report},
};

/// What stands of a session's rules on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// All of them, and nothing before them.
    InForce,
    /// All of them, behind others that may let traffic in.
    Behind(String),
    /// Some of them.
    Partly(String),
    /// None.
    Gone,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    standing: Standing,
    /// Blocks of the same port that are not this session's.
    others: Vec<String>,
}

impl Found {
    fn others(&self) -> String {
        match self.others.as_slice() {
            [] => String::new(),
            others => {
                format!("; another block of this port is there, which is not this session's: {}", others.join(", "))
            }
        }
    }
}

pub(super) async fn act(scene: &Scene<'_>, firewall: &Firewall) -> Acted {
    let name = name(firewall).map_err(Undone::Refused)?;
    match firewall {
        Firewall::Block { peers_var, allow, .. } => {
            let managed = scene.world.firewall().map_err(Undone::Failed)?;
            let allowed = allowed::allowed(scene, peers_var, allow, &managed.allow).await?;
            block(scene, &managed.manager, &name, &allowed).await
        }
        Firewall::Unblock { .. } => unblock(scene, &name).await,
        Firewall::Blocked { .. } | Firewall::Open { .. } => Err(Undone::Failed("a look is not an action".to_owned())),
    }
}

fn name(firewall: &Firewall) -> Result<BlockName, String> {
    BlockName::new(firewall.port().as_str(), firewall.session().as_str())
}

async fn block(scene: &Scene<'_>, manager: &FirewallManager, name: &BlockName, allowed: &Allowed) -> Acted {
    let script = match manager {
        FirewallManager::Nftables => nft::block(name, allowed),
        FirewallManager::Iptables => tables::block(tables::Backend::Iptables, name, allowed),
        FirewallManager::Firewalld => tables::block(tables::Backend::Firewalld, name, allowed),
        FirewallManager::Custom(own) => {
            custom::script(scene, &own.block, name, Some(allowed)).map_err(Undone::Failed)?
        }
    };
    allowed.said.iter().chain(&script.by_hand).for_each(|line| scene.sink.note(line));
    let ran = script.run(scene, scene.sink).await?;
    ended(&ran)?;
    let found = match manager {
        FirewallManager::Custom(own) => custom::see(scene, &own.status, name).await,
        _ => read(manager, name, &ran),
    };
    let found = found.map_err(|why| Undone::InDoubt(format!("the rules were taken, but {why}")))?;
    let lines = [allowed.said.clone(), script.by_hand].concat();
    match &found.standing {
        Standing::InForce => {
            let seen = format!(
                "port {} is refused to everybody but the host itself and {}{}",
                name.port,
                allowed.words(),
                found.others()
            );
            Ok(Report::holds(seen).with_details(lines))
        }
        Standing::Behind(why) | Standing::Partly(why) => {
            Err(Undone::Failed(format!("the rules were taken, but {why}")))
        }
        Standing::Gone => Err(Undone::Failed("the rules were taken, but none of them is there".to_owned())),
    }
}

async fn unblock(scene: &Scene<'_>, name: &BlockName) -> Acted {
    let managed = scene.world.firewall().map_err(Undone::Failed)?;
    let script = match &managed.manager {
        FirewallManager::Nftables => nft::unblock(name),
        FirewallManager::Iptables => tables::unblock(tables::Backend::Iptables, name),
        FirewallManager::Firewalld => tables::unblock(tables::Backend::Firewalld, name),
        FirewallManager::Custom(own) => custom::script(scene, &own.unblock, name, None).map_err(Undone::Failed)?,
    };
    script.by_hand.iter().for_each(|line| scene.sink.note(line));
    let ran = script.run(scene, scene.sink).await?;
    ended(&ran)?;
    let found = match &managed.manager {
        FirewallManager::Custom(own) => custom::see(scene, &own.status, name).await,
        manager => read(manager, name, &ran),
    };
    let found = found.map_err(|why| Undone::InDoubt(format!("the rules were to go, but {why}")))?;
    if found.standing != Standing::Gone {
        return Err(Undone::Failed(format!("something of this session's rules for port {} is still there", name.port)));
    }
    let was_gone = String::from_utf8_lossy(&ran.stdout).lines().any(|line| line == shell::WAS_GONE);
    let seen = if was_gone {
        format!(
            "nothing of this session's block of port {} was there any more: somebody took it away before",
            name.port
        )
    } else {
        format!("nothing is left of this session's block of port {}", name.port)
    };
    Ok(Report::holds(format!("{seen}{}", found.others())).with_details(script.by_hand))
}

/// What a script's end says of its changes.
fn ended(ran: &Ran) -> Result<(), Undone> {
    let said = shell::said(ran);
    match ran.end {
        End::Exited(0) => Ok(()),
        End::Exited(shell::REFUSED) => Err(Undone::Refused(format!("{said}. Nothing was done"))),
        End::Exited(shell::NOT_SEEN) => {
            Err(Undone::InDoubt(format!("what stands afterwards could not be read: {said}")))
        }
        End::Exited(code) => Err(Undone::Failed(format!("exit code {code}: {said}"))),
        End::Signalled(_) | End::TimedOut | End::Stopped => {
            Err(Undone::InDoubt(format!("{:?} before it said what it did", ran.end)))
        }
    }
}

fn read(manager: &FirewallManager, name: &BlockName, ran: &Ran) -> Result<Found, String> {
    if ran.stdout_cut {
        return Err("the host printed too much to be read whole".to_owned());
    }
    let text = String::from_utf8_lossy(&ran.stdout);
    match manager {
        FirewallManager::Nftables => nft::read(name, &text),
        FirewallManager::Iptables | FirewallManager::Firewalld => tables::read(name, &text),
        FirewallManager::Custom(_) => Err("its own commands say what stands".to_owned()),
    }
}

async fn see(scene: &Scene<'_>, name: &BlockName) -> Result<(Found, Vec<String>), String> {
    let managed = scene.world.firewall()?;
    let script: Script = match &managed.manager {
        FirewallManager::Nftables => nft::see(name),
        FirewallManager::Iptables => tables::see(tables::Backend::Iptables, name),
        FirewallManager::Firewalld => tables::see(tables::Backend::Firewalld, name),
        FirewallManager::Custom(own) => return Ok((custom::see(scene, &own.status, name).await?, Vec::new())),
    };
    let ran = script.run(scene, &Quiet).await.map_err(|error| error.to_string())?;
    match ran.end {
        End::Exited(0) => Ok((read(&managed.manager, name, &ran)?, details(&ran))),
        _ => Err(format!("the rules of this host could not be read: {:?}: {}", ran.end, shell::said(&ran))),
    }
}

pub(super) async fn look(scene: &Scene<'_>, firewall: &Firewall) -> Report {
    let seen = match name(firewall) {
        Ok(name) => see(scene, &name).await.map(|seen| (name, seen)),
        Err(why) => Err(why),
    };
    let (name, (found, lines)) = match seen {
        Ok(seen) => seen,
        Err(why) => return Report::unknown(why),
    };
    let wants_open = matches!(firewall, Firewall::Open { .. });
    let port = name.port;
    let (so, words) = match &found.standing {
        Standing::InForce => {
            (finding(!wants_open), format!("this session refuses traffic from outside to port {port}"))
        }
        Standing::Behind(why) => (
            if wants_open { Finding::Fails } else { Finding::Unknown },
            format!("this session's rules for port {port} are there, but {why}"),
        ),
        Standing::Partly(why) => (Finding::Fails, format!("this session's rules for port {port} are not whole: {why}")),
        Standing::Gone => (finding(wants_open), format!("no rule of this session is there for port {port}")),
    };
    Report::new(so, format!("{words}{}", found.others())).with_details(lines)
}

pub(super) async fn foresee(scene: &Scene<'_>, firewall: &Firewall) -> Prediction {
    foreseen(scene, firewall).await.unwrap_or_else(|why| Prediction::new(Finding::Fails, why))
}

async fn foreseen(scene: &Scene<'_>, firewall: &Firewall) -> Result<Prediction, String> {
    let name = name(firewall)?;
    let managed = scene.world.firewall()?;
    let (would, mut lines, script) = match firewall {
        Firewall::Block { peers_var, allow, .. } => {
            let allowed = allowed::allowed(scene, peers_var, allow, &managed.allow).await;
            let allowed = allowed.map_err(|undone| match undone {
                Undone::Refused(why) | Undone::Failed(why) | Undone::InDoubt(why) | Undone::Cancelled(why) => why,
            })?;
            let script = match &managed.manager {
                FirewallManager::Nftables => nft::block(&name, &allowed),
                FirewallManager::Iptables => tables::block(tables::Backend::Iptables, &name, &allowed),
                FirewallManager::Firewalld => tables::block(tables::Backend::Firewalld, &name, &allowed),
                FirewallManager::Custom(own) => custom::script(scene, &own.block, &name, Some(&allowed))?,
            };
            let would =
                format!("would refuse port {} to everybody but the host itself and {}", name.port, allowed.words());
            (would, allowed.said, script)
        }
        Firewall::Unblock { .. } | Firewall::Blocked { .. } | Firewall::Open { .. } => {
            let script = match &managed.manager {
                FirewallManager::Nftables => nft::unblock(&name),
                FirewallManager::Iptables => tables::unblock(tables::Backend::Iptables, &name),
                FirewallManager::Firewalld => tables::unblock(tables::Backend::Firewalld, &name),
                FirewallManager::Custom(own) => custom::script(scene, &own.unblock, &name, None)?,
            };
            (format!("would take away this session's rules for port {}", name.port), Vec::new(), script)
        }
    };
    lines.extend(script.by_hand);
    let (possible, now) = match see(scene, &name).await {
        Ok((Found { standing: Standing::Gone, .. }, _)) => (Finding::Holds, "none of them is there now".to_owned()),
        Ok(_) => (Finding::Holds, "they are there now".to_owned()),
        Err(why) => (Finding::Unknown, why),
    };
    Ok(Prediction::new(possible, format!("{would}; {now}")).with(lines))
}
