//! Who is let in: the hosts of the row's group, the operator, and whom the inventory and the runbook add.
//!
//! Names are resolved on the host whose firewall is changed, since it is that host that meets the addresses. A name that
//! does not resolve, and an operator of whom nothing is known, are refusals: nothing has been changed by then.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use serde_json::Value;
use tokio::net::{UdpSocket, lookup_host};

use super::shell::{self, COMMON, Script};
use crate::{
    actions::scene::{Scene, Undone},
    hosts::{End, Quiet},
    inventory::Reach,
    runbook::text::Text,
};

/// Says where the operator comes from, and the addresses of every name that it is given.
const GATHER: &str = r#"
echo "--- you $(client)"
[ $# -eq 0 ] || need getent
for name do
    found=$(getent ahosts "$name") || { echo "--- unknown $name"; continue; }
    printf '%s\n' "$found" | while read -r address rest; do echo "--- at $name $address"; done
done
echo '--- end'
"#;

/// An address, or a network of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Net {
    pub address: IpAddr,
    /// Leading bits that must be the same.
    bits: u8,
}

impl Net {
    /// Reads `10.0.0.1`, `10.0.0.0/8`, `fe80::1%eth0`; `None` if it is none of these, as a name is not.
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.split('%').next()?.parse().ok()?;
        // An IPv4 client of an IPv6 socket is seen by the firewall as what it is.
        let address = if bits.is_none() { address.to_canonical() } else { address };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { address, bits })
    }

    fn single(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address, bits: if address.is_ipv4() { 32 } else { 128 } }
    }

    fn is_everybody(self) -> bool {
        self.bits == 0
    }

    fn is_loopback(self) -> bool {
        self.address.is_loopback()
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.bits) {
            (IpAddr::V4(address), 32) => write!(f, "{address}"),
            (IpAddr::V6(address), 128) => write!(f, "{address}"),
            (address, bits) => write!(f, "{address}/{bits}"),
        }
    }
}

/// Who is let in.
#[derive(Debug, Clone, Default)]
pub(super) struct Allowed {
    /// Without the host's own loopback, which is let in by its name.
    pub nets: BTreeSet<Net>,
    /// From where the operator reaches the host, as the host says it; `None` on the operator's own machine.
    pub client: Option<String>,
    /// Each with the reason, for a person.
    pub said: Vec<String>,
}

impl Allowed {
    fn add(&mut self, net: Net, whose: &str) {
        if !net.is_loopback() && self.nets.insert(net) {
            self.said.push(format!("let in: {net} ({whose})"));
        }
    }

    pub fn words(&self) -> String {
        match self.nets.len() {
            0 => "nobody else".to_owned(),
            1..=8 => self.nets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            many => format!("{many} addresses"),
        }
    }
}

/// The part before the port of `a.example:8081`, `[::1]:8081` or `a.example`.
fn host_part(at: &str) -> &str {
    if let Some((inside, _)) = at.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return inside;
    }
    match at.rsplit_once(':') {
        Some((host, _)) if !host.contains(':') => host,
        _ => at,
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Finds out who is let in on the scene's host.
pub(super) async fn allowed(
    scene: &Scene<'_>,
    peers_var: &str,
    asked: &[Text],
    always: &[String],
) -> Result<Allowed, Undone> {
    let refused = |why: String| Undone::Refused(format!("{why}. Nothing was done"));
    let inventory = &scene.world.inventory;
    let Some((group_name, group, host)) = inventory.host(scene.name) else {
        return Err(refused(format!("{} is in no group, so it is not known who must be let in", scene.name)));
    };
    let mut wanted: Vec<(String, String)> = Vec::new();
    for peer in &group.hosts {
        let at = inventory.host_var(&peer.name, peers_var);
        let at = at.ok_or_else(|| refused(format!("host {} has no variable `{peers_var}`", peer.name)))?;
        wanted.push((host_part(&text_of(&at)).to_owned(), format!("{} of {group_name}", peer.name)));
    }
    let asked = asked.iter().map(|text| text.0.trim().to_owned()).filter(|text| !text.is_empty());
    wanted.extend(asked.map(|text| (text, "asked for by the runbook".to_owned())));
    wanted.extend(always.iter().map(|text| (text.trim().to_owned(), "allowed by the inventory".to_owned())));

    let mut allowed = Allowed::default();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for (text, whose) in wanted {
        match Net::parse(&text) {
            Some(net) if net.is_everybody() => {
                return Err(refused(format!("{text} ({whose}) would let everybody in")));
            }
            Some(net) => allowed.add(net, &whose),
            None if is_name(&text) => {
                names.insert(text, whose);
            }
            None => return Err(refused(format!("{text:?} ({whose}) is no address, network or name"))),
        }
    }
    let remote = host.reach != Reach::Local;
    if remote || !names.is_empty() {
        gather(scene, &names, remote, &mut allowed).await?;
    }
    if remote {
        let own = inventory.host_var(scene.name, peers_var).map(|at| text_of(&at)).unwrap_or_default();
        if let Some(address) = own_address(&own).await {
            allowed.add(Net::single(address), "this machine, as it would call the host");
        }
        if allowed.client.is_none() && always.is_empty() {
            let why = "it is not known from which address you reach this host, and you might lock yourself out: put \
                       your address into `allow` of the inventory's firewall";
            return Err(refused(why.to_owned()));
        }
    }
    Ok(allowed)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

async fn gather(
    scene: &Scene<'_>,
    names: &BTreeMap<String, String>,
    remote: bool,
    allowed: &mut Allowed,
) -> Result<(), Undone> {
    let args: Vec<&str> = names.keys().map(String::as_str).collect();
    let ran = Script::new(&[COMMON, GATHER], &args).run(scene, &Quiet).await?;
    let said = String::from_utf8_lossy(&ran.stdout);
    if ran.end != End::Exited(0) || !said.lines().any(|line| line == "--- end") {
        let why = format!("names could not be resolved on the host: {:?}: {}", ran.end, shell::said(&ran));
        return Err(Undone::Refused(format!("{why}. Nothing was done")));
    }
    let mut unresolved = Vec::new();
    for line in said.lines().filter_map(|line| line.strip_prefix("--- ")) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["you", from] if remote => {
                let net = Net::parse(from).filter(|net| !net.is_everybody());
                let net = net.ok_or_else(|| Undone::Refused(format!("{from:?} is no address. Nothing was done")))?;
                allowed.client = Some((*from).to_owned());
                allowed.add(net, "you, by ssh");
            }
            ["at", name, address] => {
                let (Some(net), Some(whose)) = (Net::parse(address), names.get(*name)) else {
                    return Err(Undone::Refused(format!("{name} resolves to {address:?}. Nothing was done")));
                };
                allowed.add(net, &format!("{name}, {whose}"));
            }
            ["unknown", name] => unresolved.push((*name).to_owned()),
            _ => {}
        }
    }
    if unresolved.is_empty() {
        return Ok(());
    }
    Err(Undone::Refused(format!(
        "{} does not resolve on this host; whoever it is would be shut out. Nothing was done",
        unresolved.join(", ")
    )))
}

/// The address that this machine would call another one from: a datagram socket is given one without a packet being
/// sent. It differs from what ssh shows where that goes through a jump host.
async fn own_address(at: &str) -> Option<IpAddr> {
    let to: SocketAddr = lookup_host(at).await.ok()?.next()?;
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect(to).await.ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{COMMON, GATHER, Net, Script, host_part};

    #[test]
    fn addresses_and_networks() {
        let cases = [
            ("10.0.0.1", Some("10.0.0.1")),
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("10.0.0.1/32", Some("10.0.0.1")),
            ("::ffff:10.0.0.1", Some("10.0.0.1")),
            ("fe80::1%eth0", Some("fe80::1")),
            ("2001:db8::/32", Some("2001:db8::/32")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("10.0.0.0/33", None),
            ("10.0.0", None),
            ("a.example", None),
            ("", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(Net::parse(text).map(|net| net.to_string()).as_deref(), wanted, "{text}");
        }
        assert!(Net::parse("::/0").unwrap().is_everybody());
    }

    /// The operator's address is found where `sudo` has dropped the variable, and names are resolved.
    #[test]
    fn the_operator_and_names_are_seen_from_the_host() {
        let gather = Script::new(&[COMMON, GATHER], &["localhost", "no-such-name.invalid"]);
        let run = |before: &[&str], ssh: Option<&str>| {
            let argv: Vec<&str> = before.iter().copied().chain(gather.argv.iter().map(String::as_str)).collect();
            let mut command = Command::new(argv[0]);
            command.args(&argv[1..]).env_remove("SSH_CONNECTION").envs(ssh.map(|ssh| ("SSH_CONNECTION", ssh)));
            String::from_utf8(command.output().unwrap().stdout).unwrap()
        };
        let ssh = Some("10.0.0.9 50000 10.0.0.1 22");
        let dropped = ["sh", "-c", "env -u SSH_CONNECTION \"$@\"; true", "sudo"];
        for before in [&[] as &[&str], &dropped] {
            let said = run(before, ssh);
            assert!(said.starts_with("--- you 10.0.0.9\n"), "{said}");
            assert!(said.contains("--- at localhost 127.0.0.1\n") || said.contains("--- at localhost ::1\n"), "{said}");
            assert!(said.ends_with("--- unknown no-such-name.invalid\n--- end\n"), "{said}");
        }
    }

    #[test]
    fn hosts_of_addresses() {
        for (at, host) in [("a:1", "a"), ("a", "a"), ("10.0.0.1:8081", "10.0.0.1"), ("[::1]:80", "::1"), ("::1", "::1")]
        {
            assert_eq!(host_part(at), host);
        }
    }
}
