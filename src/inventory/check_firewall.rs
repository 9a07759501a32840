//! What an inventory says of the firewall, checked.

use std::collections::BTreeMap;

use super::{
    check::Known,
    firewall::{Firewall, FirewallManager, FirewallTemplates},
    model::{CLUSTER_ALWAYS, Group, Vars},
    raw::{RawFirewall, RawFirewallManager},
};
use crate::runbook::{
    check::Checker,
    model::{GroupName, LOCAL},
    problem::{DocPath, did_you_mean},
    text::Text,
};

/// Reads the firewall; `groups` are those of the inventory.
pub(super) fn firewall(checker: &mut Checker<'_>, raw: RawFirewall, groups: &BTreeMap<GroupName, Group>) -> Firewall {
    let path = DocPath::root().key("firewall");
    for (at, allowed) in raw.allow.iter().enumerate() {
        checker.filled(allowed, &path.key("allow").index(at));
    }
    let RawFirewall { manager, allow, outside, block, unblock, status } = raw;
    if let Some(outside) = &outside {
        outside_is_known(checker, outside, manager, groups, &path.key("outside"));
    }
    let templates = FirewallTemplates { block, unblock, status };
    for (key, list) in lists(&templates) {
        let path = path.key(key);
        match manager {
            RawFirewallManager::Custom if list.first().is_none_or(|program| program.as_str().trim().is_empty()) => {
                checker.report(&path, "it runs nothing: the first entry is the program", None);
            }
            RawFirewallManager::Custom => {}
            _ if !list.is_empty() => checker.report(&path, "it means nothing without `manager: custom`", None),
            _ => {}
        }
    }
    let manager = match manager {
        RawFirewallManager::Nftables => FirewallManager::Nftables,
        RawFirewallManager::Iptables => FirewallManager::Iptables,
        RawFirewallManager::Firewalld => FirewallManager::Firewalld,
        RawFirewallManager::Custom => FirewallManager::Custom(templates),
    };
    Firewall { manager, allow, outside }
}

fn lists(templates: &FirewallTemplates) -> [(&'static str, &Vec<Text>); 3] {
    [("block", &templates.block), ("unblock", &templates.unblock), ("status", &templates.status)]
}

fn outside_is_known(
    checker: &mut Checker<'_>,
    outside: &str,
    manager: RawFirewallManager,
    groups: &BTreeMap<GroupName, Group>,
    path: &DocPath,
) {
    if outside == LOCAL {
        if manager != RawFirewallManager::Custom {
            let message = "the operator's machine is let in, so nothing is seen from there";
            checker.report(path, message, Some("name another host or group".to_owned()));
        }
        return;
    }
    let hosts = groups.values().flat_map(|group| group.hosts.iter().map(|host| host.name.as_str()));
    let known: Vec<&str> = groups.keys().map(GroupName::as_str).chain(hosts).collect();
    if !known.contains(&outside) {
        let suggestion = did_you_mean(outside, known.iter().copied());
        checker.report(path, format!("there is no group and no host `{outside}`"), suggestion);
    }
}

/// The texts of its commands name what is known.
pub(super) fn texts_are_known(checker: &mut Checker<'_>, firewall: &Firewall, known: &Known<'_>) {
    let FirewallManager::Custom(templates) = &firewall.manager else { return };
    for (key, list) in lists(templates) {
        for (at, text) in list.iter().enumerate() {
            known.text(checker, text, &DocPath::root().key("firewall").key(key).index(at), "the firewall");
        }
    }
}

/// No variable of the cluster takes the name of one that is always there.
pub(super) fn vars_are_free(checker: &mut Checker<'_>, vars: &Vars, path: &DocPath) {
    for name in vars.keys().filter(|name| *name != "name" && CLUSTER_ALWAYS.contains(&name.as_str())) {
        checker.report(
            &path.key(name),
            format!("`{name}` is always there and cannot be a variable of the cluster"),
            None,
        );
    }
}
