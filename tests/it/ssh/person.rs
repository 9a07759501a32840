//! What ssh asks a person, before the wizard takes the terminal.

use std::{fs, process::Command};

use rustix::process::Signal;

use super::rig::{Rig, until};
use crate::terminal::{Place, Terminal};

/// A place with an inventory over the rig's one host.
fn place(rig: &Rig) -> Place {
    let place = Place::new();
    let inventory = rig.inventory_yaml("").replace("name: west", "name: attic").replace("  schedulers:", "  hosts:");
    fs::write(place.path("attic.yaml"), inventory).unwrap();
    place
}

#[test]
fn an_unknown_key_is_shown_and_asked_about_before_the_wizard_opens() {
    let Some(rig) = Rig::start(1, "") else { return };
    fs::write(&rig.known_hosts, "").unwrap();
    let place = place(&rig);
    let mut terminal = Terminal::open(&place, &["start", "./trouble.yaml", "--cluster", "attic.yaml"], &[]);
    terminal.wait("shows a host key that is not known here");
    let asked = terminal.wait("continue connecting");
    let key = rig.dir.path().join("a/key.pub");
    let print = Command::new("ssh-keygen").arg("-lf").arg(key).output().unwrap();
    let print = String::from_utf8(print.stdout).unwrap().split(' ').nth(1).unwrap().to_owned();
    assert!(asked.replace('\n', "").contains(&print), "{print} is not in {asked}");
    assert_eq!(fs::read_to_string(&rig.known_hosts).unwrap(), "");
    terminal.press("yes\r");
    terminal.wait("Look for what never comes");
    assert!(fs::read_to_string(&rig.known_hosts).unwrap().contains("ssh-ed25519"));
    // The line is closed with the session.
    terminal.signal(Signal::TERM);
    terminal.code();
    until("the connection is closed", || rig.host("a").sessions().is_empty());
}

#[test]
fn a_host_that_is_not_reached_does_not_keep_the_session_from_opening() {
    let Some(mut rig) = Rig::start(1, "") else { return };
    rig.hosts[0].stop();
    let place = place(&rig);
    let mut terminal = Terminal::open(&place, &["start", "./trouble.yaml", "--cluster", "attic.yaml"], &[]);
    terminal.wait("Look for what never comes");
    assert!(terminal.heard().contains("NOT reached, and unknown until it is: a cannot be reached"));
    terminal.signal(Signal::TERM);
    terminal.code();
}
