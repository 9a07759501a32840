//! nftables: a table of the session's own, made and replaced in one transaction.

use std::net::IpAddr;

use super::{
    Found, Standing,
    allowed::Allowed,
    shell::{COMMON, RULES, Script, WAS_GONE},
};
use crate::inventory::{BlockName, firewall::OWN_PREFIX};

/// Before the usual filters (0), so that one of them that drops does not swallow the reset. The number does not matter
/// for what one of them lets in: every chain of a hook is asked, and one refusal is enough.
const PRIORITY: i32 = -10;

const SEE: &str = r#"
table=$1
need nft
there() { printf '%s\n' "$tables" | grep -qxF "table inet $table"; }
see() {
    tables=$(nft list tables) || return 1
    echo '--- rules'
    printf '%s\n' "$tables" | grep '^table inet firstlight_'
    if there; then nft -nn list table inet "$table" || return 1; fi
}
"#;

const LOOK: &str = "see || exit 66\n";

const BLOCK: &str = r#"
nft list tables >/dev/null || exit 65
same_client "$2"
nft -f - || exit 67
see || exit 68
"#;

const UNBLOCK: &str = r#"
tables=$(nft list tables) || exit 65
if there; then nft delete table inet "$table"; else echo '--- was gone'; fi
see || exit 68
"#;

/// The rules. The table is named before it is deleted, so that the deletion holds whether it is there or not.
fn rules(name: &BlockName, allowed: &Allowed) -> String {
    let (table, port) = (name.table(), name.port);
    let allow = allowed.nets.iter().map(|net| {
        let family = match net.address {
            IpAddr::V4(_) => "ip",
            IpAddr::V6(_) => "ip6",
        };
        format!("\t\t{family} saddr {net} accept\n")
    });
    format!(
        "add table inet {table}\ndelete table inet {table}\ntable inet {table} {{\n\tchain input {{\n\
         \t\ttype filter hook input priority {PRIORITY}; policy accept;\n\
         \t\ttcp dport != {port} accept\n\t\tiifname \"lo\" accept\n{}\
         \t\ttcp dport {port} reject with tcp reset comment \"{}\"\n\t}}\n}}\n",
        allow.collect::<String>(),
        name.comment(),
    )
}

pub(super) fn block(name: &BlockName, allowed: &Allowed) -> Script {
    let client = allowed.client.as_deref().unwrap_or_default();
    let mut script = Script::new(&[COMMON, SEE, BLOCK], &[&name.table(), client]);
    let rules = rules(name, allowed);
    script.by_hand = std::iter::once("nft -f - <<'END'")
        .chain(rules.lines())
        .chain(["END"])
        .map(|line| line.replace('\t', "  "))
        .collect();
    script.stdin = Some(rules);
    script
}

pub(super) fn unblock(name: &BlockName) -> Script {
    let mut script = Script::new(&[COMMON, SEE, UNBLOCK], &[&name.table()]);
    script.by_hand = vec![format!("nft delete table inet {}", name.table())];
    script
}

pub(super) fn see(name: &BlockName) -> Script {
    Script::new(&[COMMON, SEE, LOOK], &[&name.table()])
}

/// What stands, from what a script printed.
pub(super) fn read(name: &BlockName, text: &str) -> Result<Found, String> {
    let mut lines = text.lines().skip_while(|line| *line != RULES).map(str::trim);
    if lines.next().is_none() {
        return Err("the host did not print its rules".to_owned());
    }
    let (mut own, mut listed, mut others) = (false, Vec::new(), Vec::new());
    for line in lines.filter(|line| !line.is_empty() && *line != WAS_GONE) {
        match line.strip_prefix("table inet ") {
            Some(table) if table == name.table() => own = true,
            Some(table) if table.starts_with(OWN_PREFIX) && table.ends_with(&format!("_{}", name.port)) => {
                others.push(format!("table inet {table}"));
            }
            _ => listed.push(line),
        }
    }
    let refuses = format!("tcp dport {} reject with tcp reset", name.port);
    let standing = if !own {
        Standing::Gone
    } else if listed.iter().any(|line| line.starts_with("flags") && line.contains("dormant")) {
        Standing::Partly("the table is dormant".to_owned())
    } else if !listed.iter().any(|line| line.contains("hook input")) {
        Standing::Partly("nothing sends traffic through the table".to_owned())
    } else if !listed.iter().any(|line| line.starts_with(&refuses)) {
        Standing::Partly("the rule that refuses is missing".to_owned())
    } else {
        Standing::InForce
    };
    Ok(Found { standing, others })
}
