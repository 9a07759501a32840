//! Opens the lines to hosts while the terminal is still plain: here a person can compare a fingerprint or type a
//! password, and here it is said who was reached.

use super::{args::EndsWith, session::at_a_terminal};
use crate::{
    exit::Exit,
    hosts::{Hosts, Person, Reached, Step, clean},
    inventory::Inventory,
};

/// The hosts of an inventory, with every line that could be opened. A host that cannot be reached is said and stays
/// unknown; two names for one machine are an error.
pub fn hosts(inventory: &Inventory) -> anyhow::Result<Hosts> {
    let hosts = Hosts::new(inventory, None);
    if !hosts.are_far() {
        return Ok(hosts);
    }
    // Masters go on by themselves; nothing that is started here outlives this.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let person = if at_a_terminal() { Person::AtTheTerminal } else { Person::Away };
    let doubles = runtime.block_on(async {
        let reached = hosts.connect(person, &tell).await;
        let doubles = hosts.doubles(&reached);
        if !doubles.is_empty() {
            hosts.close().await;
        }
        doubles
    });
    if doubles.is_empty() {
        return Ok(hosts);
    }
    Err(EndsWith { exit: Exit::BadInput, why: doubles.join("\n") }.into())
}

/// Closes the lines of a command that is no session.
pub fn close(hosts: &Hosts) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(hosts.close());
    Ok(())
}

fn tell(step: Step<'_>) {
    match step {
        Step::Asks(Reached { name, to, found }) => {
            let why = found.as_ref().err().map_or("", String::as_str);
            eprintln!("{name} ({to}): {why}\nssh asks for {to} now:");
        }
        Step::Settled(Reached { name, to, found: Ok(found) }) => {
            let (host, user) = (clean::line(found.host_name.as_bytes()), clean::line(found.user.as_bytes()));
            eprintln!("{name} ({to}): reached {host} as {user}");
        }
        Step::Settled(Reached { name, to, found: Err(why) }) => {
            eprintln!("{name} ({to}): NOT reached, and unknown until it is: {why}");
        }
    }
}
