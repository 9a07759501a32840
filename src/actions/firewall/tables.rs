//! iptables and ip6tables: a chain of the session's own with one jump to it, first in `INPUT`.
//!
//! Each family is changed by one `iptables-restore --noflush`, which does all of it or nothing. firewalld hands the same
//! rules through one by one; there the jump comes last and goes first, so that what is half made is not in force.

use std::net::IpAddr;

use super::{
    Found, Standing,
    allowed::Allowed,
    shell::{COMMON, Script},
};
use crate::inventory::{BlockName, firewall::OWN_PREFIX};

/// What the rules go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backend {
    Iptables,
    Firewalld,
}

/// Of `INPUT` the beginning is read: what stands before our jump, which was put first.
const SEE: &str = r#"
chain=$1 port=$2 comment=$3
families='4'
[ ! -e /proc/net/if_inet6 ] || families='4 6'
jumps() { printf '%s\n' "$rules" | grep -e "^-A .* -j $chain\$"; }
there() { printf '%s\n' "$rules" | grep -q -e "^:$chain " -e "^-N $chain\$" -e " -j $chain\$"; }
see() {
    for family in $families; do
        rules=$(save "$family") || return 1
        echo "--- family $family"
        printf '%s\n' "$rules" | grep '^-A INPUT ' | head -n 100
        echo '--- own'
        printf '%s\n' "$rules" | grep -e "firstlight-" | head -n 2000
    done
    echo '--- end'
}
readable() { for family in $families; do save "$family" >/dev/null || exit 65; done; }
unblock() {
    gone=yes
    for family in $families; do
        rules=$(save "$family") || return 67
        if there; then gone=no; remove "$family" || status=67; fi
    done
    [ "$gone" = no ] || echo '--- was gone'
    return "${status:-0}"
}
"#;

const IPTABLES: &str = r#"
need iptables-save; need iptables-restore
[ ! -e /proc/net/if_inet6 ] || { need ip6tables-save; need ip6tables-restore; }
wait=
if iptables-restore --help 2>&1 | grep -q -e --wait; then wait='-w 5'; fi
save() {
    case $1 in 4) iptables-save -t filter ;; *) ip6tables-save -t filter ;; esac
}
restore() {
    case $1 in 4) iptables-restore $wait --noflush ;; *) ip6tables-restore $wait --noflush ;; esac
}
add() {
    rules=$(save "$1") || return 1
    {
        printf '*filter\n:%s - [0:0]\n%s\n' "$chain" "$2"
        jumps | sed 's/^-A/-D/'
        printf -- '-I INPUT 1 -p tcp -m tcp --dport %s -m comment --comment "%s" -j %s\nCOMMIT\n' "$port" "$comment" "$chain"
    } | restore "$1"
}
remove() {
    {
        printf '*filter\n:%s - [0:0]\n' "$chain"
        jumps | sed 's/^-A/-D/'
        printf -- '-X %s\nCOMMIT\n' "$chain"
    } | restore "$1"
}
"#;

const FIREWALLD: &str = r#"
need firewall-cmd
firewall-cmd --state >/dev/null || exit 65
save() { firewall-cmd --direct --passthrough "ipv$1" -t filter -S; }
pass() { to=$1; shift; firewall-cmd --direct --passthrough "ipv$to" -t filter "$@" >/dev/null; }
jump() { echo "-p tcp -m tcp --dport $port -m comment --comment"; }
add() {
    rules=$(save "$1") || return 1
    if there; then remove "$1" || return 1; fi
    pass "$1" -N "$chain" || return 1
    printf '%s\n' "$2" | while read -r rule; do
        [ -z "$rule" ] || pass "$1" $rule </dev/null || exit 1
    done || return 1
    pass "$1" -I INPUT 1 $(jump) "$comment" -j "$chain"
}
remove() {
    left=$(jumps | wc -l)
    while [ "$left" -gt 0 ]; do
        pass "$1" -D INPUT $(jump) "$comment" -j "$chain" || return 1
        left=$((left - 1))
    done
    pass "$1" -F "$chain" && pass "$1" -X "$chain"
}
"#;

const LOOK: &str = "see || exit 66\n";

/// IPv4 is taken back if IPv6 fails: half a block would look like one.
const BLOCK: &str = r#"
readable
same_client "$4"
for family in $families; do
    body=$5; [ "$family" = 4 ] || body=$6
    add "$family" "$body" || {
        unblock >/dev/null 2>&1 || echo "and what was made of it could not be taken back" >&2
        exit 67
    }
done
see || exit 68
"#;

const UNBLOCK: &str = r"
readable
unblock || { see; exit 67; }
see || exit 68
";

fn backend(backend: Backend) -> &'static str {
    match backend {
        Backend::Iptables => IPTABLES,
        Backend::Firewalld => FIREWALLD,
    }
}

/// The rules of a chain for one family.
fn rules(name: &BlockName, allowed: &Allowed, four: bool) -> Vec<String> {
    let chain = name.chain();
    let nets = allowed.nets.iter().filter(|net| matches!(net.address, IpAddr::V4(_)) == four);
    std::iter::once(format!("-A {chain} -i lo -j RETURN"))
        .chain(nets.map(|net| format!("-A {chain} -s {net} -j RETURN")))
        .chain([format!("-A {chain} -p tcp -j REJECT --reject-with tcp-reset")])
        .collect()
}

fn jump(name: &BlockName) -> String {
    format!("-p tcp -m tcp --dport {} -m comment --comment \"{}\" -j {}", name.port, name.comment(), name.chain())
}

pub(super) fn block(through: Backend, name: &BlockName, allowed: &Allowed) -> Script {
    let client = allowed.client.as_deref().unwrap_or_default();
    let bodies = [rules(name, allowed, true), rules(name, allowed, false)];
    let [four, six] = bodies.each_ref().map(|body| body.join("\n"));
    let (chain, port, comment) = (name.chain(), name.port.to_string(), name.comment());
    let args = [chain.as_str(), &port, &comment, client, &four, &six];
    let mut script = Script::new(&[COMMON, SEE, backend(through), BLOCK], &args);
    for (body, ipv, program) in
        bodies.iter().zip(["ipv4", "ipv6"]).zip(["iptables", "ip6tables"]).map(|((a, b), c)| (a, b, c))
    {
        let jump = jump(name);
        match through {
            Backend::Iptables => {
                script.by_hand.push(format!("{program}-restore --noflush <<'END'"));
                script.by_hand.extend(["*filter".to_owned(), format!(":{chain} - [0:0]")]);
                script.by_hand.extend(body.iter().cloned());
                script.by_hand.extend([format!("-I INPUT 1 {jump}"), "COMMIT".to_owned(), "END".to_owned()]);
            }
            Backend::Firewalld => {
                let pass = |rule: &str| format!("firewall-cmd --direct --passthrough {ipv} -t filter {rule}");
                script.by_hand.push(pass(&format!("-N {chain}")));
                script.by_hand.extend(body.iter().map(|rule| pass(rule)));
                script.by_hand.push(pass(&format!("-I INPUT 1 {jump}")));
            }
        }
    }
    script
}

pub(super) fn unblock(through: Backend, name: &BlockName) -> Script {
    let (chain, port, comment) = (name.chain(), name.port.to_string(), name.comment());
    let mut script = Script::new(&[COMMON, SEE, backend(through), UNBLOCK], &[&chain, &port, &comment]);
    let programs = match through {
        Backend::Iptables => ["iptables", "ip6tables"],
        Backend::Firewalld => ["firewall-cmd --direct --passthrough ipv4", "firewall-cmd --direct --passthrough ipv6"],
    };
    for program in programs {
        let rules = [format!("-D INPUT {}", jump(name)), format!("-F {chain}"), format!("-X {chain}")];
        script.by_hand.extend(rules.iter().map(|rule| format!("{program} -t filter {rule}")));
    }
    script
}

pub(super) fn see(through: Backend, name: &BlockName) -> Script {
    let (port, comment) = (name.port.to_string(), name.comment());
    Script::new(&[COMMON, SEE, backend(through), LOOK], &[&name.chain(), &port, &comment])
}

/// One family's rules, as far as they concern us.
#[derive(Debug, Default)]
struct Family<'a> {
    number: &'a str,
    input: Vec<&'a str>,
    own: Vec<&'a str>,
}

/// What stands, from what a script printed.
pub(super) fn read(name: &BlockName, text: &str) -> Result<Found, String> {
    if !text.lines().any(|line| line == "--- end") {
        return Err("the host did not print its rules to their end".to_owned());
    }
    let mut families: Vec<Family<'_>> = Vec::new();
    let mut own = false;
    for line in text.lines() {
        if let Some(number) = line.strip_prefix("--- family ") {
            families.push(Family { number, ..Family::default() });
            own = false;
        } else if line == "--- own" {
            own = true;
        } else if let Some(family) = families.last_mut() {
            if own { family.own.push(line) } else { family.input.push(line) }
        }
    }
    let each: Vec<Standing> = families.iter().map(|family| standing(name, family)).collect();
    let mut others: Vec<String> = families.iter().flat_map(|family| others(name, family)).collect();
    others.sort();
    others.dedup();
    let standing = if each.iter().all(|standing| *standing == Standing::Gone) {
        Standing::Gone
    } else {
        let gone = || Standing::Partly("one of IPv4 and IPv6 has none of them".to_owned());
        let worst = each.into_iter().map(|standing| if standing == Standing::Gone { gone() } else { standing });
        worst.max_by_key(rank).unwrap_or(Standing::Gone)
    };
    Ok(Found { standing, others })
}

fn rank(standing: &Standing) -> u8 {
    match standing {
        Standing::InForce => 0,
        Standing::Behind(_) => 1,
        Standing::Partly(_) | Standing::Gone => 2,
    }
}

fn standing(name: &BlockName, family: &Family<'_>) -> Standing {
    let chain = name.chain();
    if !family.own.iter().any(|line| line.contains(&chain)) {
        return Standing::Gone;
    }
    let partly = |why: &str| Standing::Partly(format!("IPv{}: {why}", family.number));
    let (own, port) = (format!("-A {chain} "), format!("--dport {} ", name.port));
    let refuses = |line: &&str| line.starts_with(&own) && line.ends_with("-j REJECT --reject-with tcp-reset");
    if !family.own.iter().any(refuses) {
        return partly("the rule that refuses is missing");
    }
    let jumps = |line: &&str| line.ends_with(&format!(" -j {chain}")) && line.contains(&port);
    let all_jumps = |line: &&&str| line.starts_with("-A INPUT ") && jumps(line);
    if !family.own.iter().any(|line| all_jumps(&line)) {
        return partly("nothing sends traffic through the chain");
    }
    // The blocks of other sessions only refuse, so they may stand before ours.
    let before: Vec<&&str> = family
        .input
        .iter()
        .take_while(|line| !jumps(line))
        .filter(|line| !line.contains(&format!(" -j {OWN_PREFIX}-")))
        .collect();
    match before.first() {
        None => Standing::InForce,
        Some(first) => Standing::Behind(format!("another rule of IPv{} stands before them: {first}", family.number)),
    }
}

/// The jumps of other blocks of the same port.
fn others(name: &BlockName, family: &Family<'_>) -> Vec<String> {
    let (own, port) = (format!(" -j {}", name.chain()), format!("--dport {} ", name.port));
    let other = |line: &&&str| line.starts_with("-A INPUT ") && line.contains(&port) && !line.ends_with(&own);
    let chain = |line: &&str| line.rsplit(" -j ").next().map(|chain| format!("chain {chain}"));
    family.own.iter().filter(other).filter_map(chain).collect()
}
