//! Who leads, from several sources, and whether they agree.
//!
//! Pure: what was read from `/vars`, ZooKeeper and logs goes in. A prepared scheduler is not advertised, so the absence of a `member_` node
//! says nothing against the others; a scheduler that gives no answer may lead, so silence is unknown and not "nobody".
//!
//! Names in ZooKeeper are what schedulers call themselves; a [`Roster`] brings them to the inventory's names, by port where several share one.

use super::vars::{Lifecycle, LifecycleUnknown};
use serde_json::Value as Json;
use std::{collections::BTreeMap, fmt};

/// A scheduler and what else it may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterEntry {
    /// Name in the inventory.
    pub host: String,
    /// Other names and addresses, as in `-hostname` or of its interfaces.
    pub aliases: Vec<String>,
    /// HTTP port, if known.
    pub http_port: Option<u16>,
}

impl RosterEntry {
    fn is_called(&self, name: &str) -> bool {
        is_same(&self.host, name) || self.aliases.iter().any(|alias| is_same(alias, name))
    }
}

/// Names of hosts know no case, and a dot at the end says only that nothing is missing.
fn is_same(one: &str, other: &str) -> bool {
    one.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.'))
}

/// All schedulers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster(pub Vec<RosterEntry>);

impl Roster {
    /// Takes a name for another name of the schedulers that have one of these addresses: what a resolver says of it.
    pub fn learn(&mut self, name: &str, addresses: &[String]) {
        for entry in &mut self.0 {
            let has = |address: &String| {
                is_same(&entry.host, address) || entry.aliases.iter().any(|alias| is_same(alias, address))
            };
            if addresses.iter().any(has) && !entry.is_called(name) {
                entry.aliases.push(name.to_owned());
            }
        }
    }

    /// True if no scheduler has this name.
    pub fn lacks(&self, name: &str) -> bool {
        !self.0.iter().any(|entry| entry.is_called(name))
    }

    fn sight_of(&self, name: &str, port: Option<u16>) -> Sight {
        let by_name: Vec<_> = self.0.iter().filter(|entry| entry.is_called(name)).collect();
        let by_port: Vec<_> = by_name
            .iter()
            .filter(|entry| port.is_none() || entry.http_port.is_none() || entry.http_port == port)
            .collect();
        match (by_name.as_slice(), by_port.as_slice()) {
            (_, [entry]) => Sight::Leader(entry.host.clone()),
            ([], _) => Sight::Stranger(name.to_owned()),
            (_, []) => Sight::Stranger(format!("{name}:{}", port.unwrap_or_default())),
            _ => Sight::Unknown(format!("{name:?} is the name of several schedulers")),
        }
    }
}

/// What one source says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// This one, by its inventory name.
    Leader(String),
    /// One that is not in the inventory.
    Stranger(String),
    /// Nobody.
    Nobody,
    /// More than one; schedulers treat that as nobody.
    Several(Vec<String>),
    /// The source did not answer, or not so that it could be told.
    Unknown(String),
}

/// Where a sight is from, in order of trust during a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The life cycle gauges of every scheduler.
    Vars,
    /// Election nodes in ZooKeeper.
    Ballots,
    /// Lines of the schedulers' logs.
    Logs,
    /// The advertisement in ZooKeeper.
    Members,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vars => "/vars",
            Self::Ballots => "election nodes",
            Self::Logs => "logs",
            Self::Members => "advertisement",
        })
    }
}

/// What all sources together say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Every source that names a leader names this one.
    Agree(String),
    /// They contradict each other, or one contradicts itself.
    Disagree(Vec<(Source, Sight)>),
    /// Every source that answered says nobody, and all that matter answered.
    None,
    /// Nothing can be said.
    Unknown(String),
}

/// Answer of one scheduler's `/vars`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VarsSight {
    /// It answered.
    Answered(Result<Lifecycle, LifecycleUnknown>),
    /// No process listens there: it certainly does not lead through this port. A scheduler that is shutting down closes it early.
    Refused,
    /// No answer.
    Silent(String),
}

/// The leader by life cycle gauges.
pub fn by_vars(seen: &[(String, VarsSight)]) -> Sight {
    let leading: Vec<_> = seen
        .iter()
        .filter(|(_, sight)| matches!(sight, VarsSight::Answered(Ok(state)) if state.leads()))
        .map(|(host, _)| host.clone())
        .collect();
    let unseen = seen.iter().find_map(|(host, sight)| match sight {
        VarsSight::Answered(Ok(_)) | VarsSight::Refused => None,
        VarsSight::Answered(Err(why)) => Some(format!("{host}: {why}")),
        VarsSight::Silent(why) => Some(format!("{host}: {why}")),
    });
    match (leading.as_slice(), unseen) {
        ([host], _) => Sight::Leader(host.clone()),
        ([], Some(why)) => Sight::Unknown(why),
        ([], None) if seen.is_empty() => Sight::Unknown("no scheduler was asked".to_owned()),
        ([], None) => Sight::Nobody,
        _ => Sight::Several(leading),
    }
}

/// A child of the serverset path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Znode {
    /// Its name, without the path.
    pub name: String,
    /// Its data.
    pub data: Vec<u8>,
}

impl Znode {
    /// The sequence number at the end of the name.
    pub fn sequence(&self) -> Option<u64> {
        let digits = self.name.len() - self.name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        self.name.get(self.name.len() - digits..)?.parse().ok()
    }

    /// A node of this name whose data were not read.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), data: Vec::new() }
    }

    /// The library whose vote it is, if it is one.
    pub fn library(&self) -> Option<Library> {
        let library = if self.name.starts_with("singleton_candidate_") {
            Library::Commons
        } else if !self.name.starts_with("_c_") {
            return None;
        } else if self.name.contains("-latch-") {
            Library::Latch
        } else if self.name.contains("-lock-") {
            Library::Selector
        } else {
            return None;
        };
        self.sequence().map(|_| library)
    }

    /// A vote in the election.
    pub fn is_ballot(&self) -> bool {
        self.library().is_some()
    }

    /// A ballot or an advertisement.
    pub fn has_part(&self) -> bool {
        self.is_ballot() || self.is_member()
    }

    /// The advertisement of a leader.
    pub fn is_member(&self) -> bool {
        self.name.starts_with("member_")
    }
}

/// What schedulers elect their leader with. Each counts its own ballots only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Library {
    /// Twitter commons, up to 0.13 and until 0.18 where Curator is off.
    Commons,
    /// Curator's `LeaderLatch`, 0.14 to 0.16.
    Latch,
    /// Curator's `LeaderSelector`, from 0.17 on.
    Selector,
}

/// Election nodes, the leading one first. Names begin with a random id, so only the digits at the end order them.
pub fn ballots(nodes: &[Znode]) -> Vec<&Znode> {
    let mut ballots: Vec<_> = nodes.iter().filter(|node| node.is_ballot()).collect();
    ballots.sort_by_key(|node| node.sequence());
    ballots
}

/// The leading election node of each library that has one.
pub fn leading(nodes: &[Znode]) -> Vec<&Znode> {
    let mut first: BTreeMap<Option<Library>, &Znode> = BTreeMap::new();
    for node in ballots(nodes) {
        first.entry(node.library()).or_insert(node);
    }
    first.into_values().collect()
}

/// What an election node says of its host: a name or an address.
pub fn ballot_host(node: &Znode) -> Result<&str, String> {
    match std::str::from_utf8(&node.data).map(str::trim) {
        Ok("" | "<unknown>") => Err(format!("the leading election node {} does not name its host", node.name)),
        Ok(name) => Ok(name),
        Err(_) => Err(format!("the leading election node {} does not hold text", node.name)),
    }
}

/// The leader by election nodes. Where schedulers of different releases use different libraries, each library elects
/// one of its own. A host that no scheduler can be matched with is not known, and contradicts nobody.
pub fn by_ballots(nodes: &[Znode], roster: &Roster) -> Sight {
    let sight = |node: &&Znode| match ballot_host(node) {
        Err(why) => Sight::Unknown(why),
        Ok(name) => match roster.sight_of(name, None) {
            Sight::Stranger(name) => Sight::Unknown(format!(
                "the leading election node names {name}, which is no scheduler of the inventory by name or address"
            )),
            known => known,
        },
    };
    let sights: Vec<Sight> = leading(nodes).iter().map(sight).collect();
    let mut names: Vec<String> = Vec::new();
    for sight in &sights {
        match sight {
            Sight::Leader(name) => names.push(name.clone()),
            Sight::Stranger(_) | Sight::Nobody | Sight::Several(_) | Sight::Unknown(_) => return sight.clone(),
        }
    }
    names.dedup();
    match names.as_slice() {
        [] => Sight::Nobody,
        [name] => Sight::Leader(name.clone()),
        _ => Sight::Several(names),
    }
}

/// What an advertisement says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Host as it calls itself.
    pub host: String,
    /// HTTP port.
    pub port: u16,
    /// `ALIVE`; anything else is not usable.
    pub status: Option<String>,
}

impl Member {
    /// Reads the JSON of a `member_` node: the additional endpoint of this name (`http` by default), else the service endpoint. Unknown keys
    /// are stepped over.
    pub fn parse(data: &[u8], endpoint_name: &str) -> Option<Self> {
        let json: Json = serde_json::from_slice(data).ok()?;
        let named = json.get("additionalEndpoints").and_then(|endpoints| endpoints.get(endpoint_name));
        let endpoint = named.or_else(|| json.get("serviceEndpoint"))?;
        Some(Self {
            host: endpoint.get("host")?.as_str()?.to_owned(),
            port: u16::try_from(endpoint.get("port")?.as_u64()?).ok()?,
            status: json.get("status").and_then(Json::as_str).map(str::to_owned),
        })
    }

    /// True for a node that may be used.
    pub fn is_alive(&self) -> bool {
        self.status.as_deref() == Some("ALIVE")
    }
}

/// What a serverset says to somebody who knows none of its schedulers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advertised {
    /// This one leads.
    Leader(Member),
    /// Nobody is advertised; these stand for election by the names that they give themselves, the leading one first. So it looks
    /// while schedulers are prepared, and when none runs.
    Nobody(Vec<String>),
    /// More than one, or one that cannot be used.
    Unclear(String),
}

/// Reads the nodes of a serverset.
pub fn advertised(nodes: &[Znode], endpoint_name: &str) -> Advertised {
    let members: Vec<_> = nodes.iter().filter(|node| node.is_member()).collect();
    match members.as_slice() {
        [] => {
            let names = ballots(nodes).into_iter().map(|node| String::from_utf8_lossy(&node.data).trim().to_owned());
            Advertised::Nobody(names.collect())
        }
        [node] => match Member::parse(&node.data, endpoint_name) {
            Some(member) if member.is_alive() => Advertised::Leader(member),
            Some(member) => Advertised::Unclear(format!("{} has status {:?}", node.name, member.status)),
            None => Advertised::Unclear(format!("{} holds no endpoint", node.name)),
        },
        several => Advertised::Unclear(format!("{} are advertised, which schedulers take for nobody", several.len())),
    }
}

/// The leader by advertisement. Nobody is what a prepared scheduler looks like, too.
pub fn by_members(nodes: &[Znode], roster: &Roster, endpoint_name: &str) -> Sight {
    let members: Vec<_> = nodes.iter().filter(|node| node.is_member()).collect();
    match members.as_slice() {
        [] => Sight::Nobody,
        [node] => match Member::parse(&node.data, endpoint_name) {
            Some(member) if member.is_alive() => roster.sight_of(&member.host, Some(member.port)),
            Some(member) => Sight::Unknown(format!("{} has status {:?}", node.name, member.status)),
            None => Sight::Unknown(format!("{} holds no endpoint", node.name)),
        },
        several => Sight::Several(several.iter().map(|node| node.name.clone()).collect()),
    }
}

/// What the log of one scheduler says. Times in any unit that all hosts share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSight {
    /// Newest `Elected as leading scheduler!`.
    pub elected: Option<i64>,
    /// Newest line that ends a leadership: lost, or shut down.
    pub ended: Option<i64>,
}

/// The leader by logs: whose election is newest, unless a later line ended it.
pub fn by_logs(seen: &[(String, Option<LogSight>)]) -> Sight {
    let newest = seen
        .iter()
        .filter_map(|(host, sight)| sight.and_then(|sight| sight.elected.map(|at| (at, host, sight.ended))))
        .max_by_key(|(at, ..)| *at);
    let unread = seen.iter().find(|(_, sight)| sight.is_none());
    match (newest, unread) {
        (Some((at, host, ended)), _) if ended.is_none_or(|ended| ended < at) => Sight::Leader(host.clone()),
        (_, Some((host, _))) => Sight::Unknown(format!("the log of {host} could not be read")),
        _ if seen.is_empty() => Sight::Unknown("no log was read".to_owned()),
        _ => Sight::Nobody,
    }
}

/// What the sources say together.
pub fn agreement(sights: &[(Source, Sight)]) -> Agreement {
    let contradiction = || {
        let told = sights.iter().filter(|(_, sight)| !matches!(sight, Sight::Unknown(_)));
        Agreement::Disagree(told.cloned().collect())
    };
    if sights.iter().any(|(_, sight)| matches!(sight, Sight::Several(_) | Sight::Stranger(_))) {
        return contradiction();
    }
    let mut named =
        sights.iter().filter_map(|(_, sight)| if let Sight::Leader(host) = sight { Some(host) } else { None });
    if let Some(first) = named.next() {
        // Only a leader that registered is advertised, and a log may have been rotated away.
        let denied = sights
            .iter()
            .any(|(source, sight)| *sight == Sight::Nobody && matches!(source, Source::Vars | Source::Ballots));
        let differ = named.any(|other| other != first);
        return if differ || denied { contradiction() } else { Agreement::Agree(first.clone()) };
    }
    let decisive = |source: Source| sights.iter().find(|(found, _)| *found == source).map(|(_, sight)| sight);
    match (decisive(Source::Vars), decisive(Source::Ballots)) {
        (Some(Sight::Unknown(why)), _) | (_, Some(Sight::Unknown(why))) => Agreement::Unknown(why.clone()),
        (None, None) => Agreement::Unknown("neither the schedulers nor the election were asked".to_owned()),
        _ => Agreement::None,
    }
}
