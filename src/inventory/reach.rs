//! How hosts are reached: what the author wrote, checked.

use std::collections::BTreeMap;

use super::{
    model::{AT_ONCE, Group, Reach, Ssh, SshReach},
    raw::{RawReach, RawSsh, RawSshReach},
};
use crate::runbook::{
    check::Checker,
    model::{GroupName, HostName},
    problem::DocPath,
};

/// Most hosts that are spoken to at the same time: each is a process of ssh.
const AT_ONCE_MAX: u64 = 64;

pub(super) fn ssh(checker: &mut Checker<'_>, raw: RawSsh) -> Ssh {
    let path = DocPath::root().key("ssh");
    if raw.config.as_ref().is_some_and(|config| !config.starts_with('/')) {
        checker.report(&path.key("config"), "a path begins with /", None);
    }
    let at_once = raw.at_once.unwrap_or(u64::from(AT_ONCE));
    if at_once == 0 || at_once > AT_ONCE_MAX {
        checker.report(&path.key("at_once"), format!("it is between 1 and {AT_ONCE_MAX}"), None);
    }
    Ssh { config: raw.config, at_once: u8::try_from(at_once).unwrap_or(AT_ONCE) }
}

pub(super) fn reach(checker: &mut Checker<'_>, raw: RawReach, path: &DocPath) -> Reach {
    let RawSshReach { to, port, sudo, same_machine } = match raw {
        RawReach::Local => return Reach::Local,
        RawReach::Ssh(raw) => raw,
    };
    let path = path.key("ssh");
    if !is_word(&to) {
        // A destination that begins with a dash would be an option of ssh.
        checker.report(&path.key("to"), format!("{to:?} is not a destination of ssh: `host` or `user@host`"), None);
    }
    // It becomes a word of a shell's command.
    let plain = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    if let Some(user) = &sudo
        && (!is_word(user) || !user.chars().all(plain))
    {
        checker.report(&path.key("sudo"), format!("{user:?} is not the name of a user"), None);
    }
    let wanted = port;
    let port = port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
    if port.is_none() && wanted.is_some() {
        checker.report(&path.key("port"), "a port is between 1 and 65535", None);
    }
    Reach::Ssh(SshReach { to, port, sudo, same_machine })
}

/// A word that neither ssh nor sudo nor a shell takes for anything else.
fn is_word(text: &str) -> bool {
    let first = text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_' || first == '[');
    first && text.chars().all(|char| char.is_ascii_alphanumeric() || "@._-:%+[]/".contains(char))
}

/// Two names for one destination would do everything on it twice.
pub(super) fn one_name_each(checker: &mut Checker<'_>, groups: &BTreeMap<GroupName, Group>) {
    let mut seen: BTreeMap<(&str, Option<u16>), (&HostName, bool)> = BTreeMap::new();
    for (group_name, group) in groups {
        for (at, host) in group.hosts.iter().enumerate() {
            let Reach::Ssh(reach) = &host.reach else { continue };
            let (first, meant) =
                *seen.entry((reach.to.as_str(), reach.port)).or_insert((&host.name, reach.same_machine));
            if first == &host.name || (meant && reach.same_machine) {
                continue;
            }
            let path = DocPath::root().key("groups").key(group_name.as_str()).key("hosts").index(at);
            let message = format!(
                "`{}` names the same host as `{first}`; if that is meant, say `same_machine: true` at both",
                host.name
            );
            checker.report(&path.key("reach").key("ssh").key("to"), message, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::inventory::{Reach, SshReach, inventory_yaml, load_inventory};

    fn problems(reach: &str, ssh: &str) -> Vec<String> {
        let text = format!(
            "format: 1\ncluster: {{ name: west }}\n{ssh}\ngroups:\n  all:\n    hosts:\n      - name: a\n        reach: {reach}\n"
        );
        match load_inventory("i.yaml", text.as_bytes()) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.0.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn destinations_are_destinations() {
        for good in [
            "local",
            "{ ssh: { to: a } }",
            "{ ssh: { to: \"me@a.b\", port: 2222, sudo: root } }",
            "{ ssh: { to: \"[::1]\" } }",
        ] {
            assert_eq!(problems(good, ""), Vec::<String>::new(), "{good}");
        }
        for (wrong, said) in [
            ("{ ssh: { to: \"-oProxyCommand=x\" } }", "is not a destination of ssh"),
            ("{ ssh: { to: \"\" } }", "is not a destination of ssh"),
            ("{ ssh: { to: \"a b\" } }", "is not a destination of ssh"),
            ("{ ssh: { to: \"a;b\" } }", "is not a destination of ssh"),
            ("{ ssh: { to: a, port: 0 } }", "a port is between 1 and 65535"),
            ("{ ssh: { to: a, port: 70000 } }", "a port is between 1 and 65535"),
            ("{ ssh: { to: a, sudo: \"x y\" } }", "is not the name of a user"),
            ("{ ssh: { to: a, sudo: \"-s\" } }", "is not the name of a user"),
            ("{ ssh: { sudo: x } }", "to"),
            ("{ ssh: { to: a, pass: x } }", "pass"),
        ] {
            let found = problems(wrong, "");
            assert!(found.len() == 1 && found[0].contains(said), "{wrong}: {found:?}");
        }
        let found = problems("local", "ssh: { config: relative, at_once: 65 }");
        assert!(found.len() == 2 && found[0].starts_with("i.yaml:3:"), "{found:?}");
    }

    #[test]
    fn an_inventory_with_ssh_reads_back() {
        let text = "format: 1\ncluster: { name: west }\nssh: { config: /etc/x, at_once: 3 }\ngroups:\n  all:\n    hosts:\n\
                    \x20     - { name: a, reach: { ssh: { to: me@a, port: 2022, sudo: root, same_machine: true } } }\n";
        let inventory = load_inventory("i.yaml", text.as_bytes()).unwrap();
        let again = load_inventory("again.yaml", inventory_yaml(&inventory).as_bytes()).unwrap();
        assert_eq!(again, inventory);
        let reach = inventory.groups.values().next().map(|group| group.hosts[0].reach.clone());
        let (to, sudo) = ("me@a".to_owned(), Some("root".to_owned()));
        assert_eq!(reach, Some(Reach::Ssh(SshReach { to, port: Some(2022), sudo, same_machine: true })));
    }
}
