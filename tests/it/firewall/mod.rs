//! The firewall, on real rules in network namespaces: who gets in while traffic is blocked, and what is left afterwards.

mod net;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    sync::Arc,
};

use firstlight::{
    actions::{Prediction, Secrets, Sink, Stop, World, attempt, look, predict},
    inventory::{Inventory, inventory_yaml, load_inventory},
    runbook::{
        kind::{Firewall, Kind, Port},
        model::{HostName, LOCAL, StepId},
        text::Text,
    },
    session::{AttemptId, Finding, Known, Look, Order, Outcome, Purpose, Report},
};
use net::{Net, OPERATOR, OUTSIDE, PEER, possible};

const HTTP: u16 = 8081;
const LIBPROCESS: u16 = 8083;
const SESSION: &str = "20260301-040506-west-abcd";
const OTHER: &str = "20260301-040506-west-bcde";

/// Rules that were there before: those that let established connections pass come first in both families.
const FOREIGN: &str = "
nft add table inet site
nft 'add chain inet site input { type filter hook input priority -20; policy accept; }'
nft add rule inet site input ct state established,related accept
nft add rule inet site input tcp dport 22 accept comment \"ours\"
for tables in iptables ip6tables; do
    $tables -N site
    $tables -A site -p tcp --dport 23 -j DROP
    $tables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT -m comment --comment \"the site's own\"
    $tables -A INPUT -j site
done
";

fn inventory(firewall: &str) -> Inventory {
    let text = format!(
        "format: 1
cluster: {{ name: west, vars: {{}} }}
{}
groups:
  schedulers:
    hosts:
      - {{ name: s1, reach: local, vars: {{ http_at: \"10.77.0.1:{HTTP}\", worse: \"10.77.0.1:{HTTP}\" }} }}
      - {{ name: s2, reach: local, vars: {{ http_at: \"peer.example:{HTTP}\", worse: \"no-such-peer.invalid:{HTTP}\" }} }}
  elsewhere: {{ hosts: [{{ name: out, reach: local }}] }}
",
        if firewall == "null" { String::new() } else { format!("firewall: {firewall}") }
    );
    load_inventory("west.yaml", text.as_bytes()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// A host with two ports that answer and rules of its own, and the world in which it is `s1`.
struct Bench {
    net: Net,
    world: World,
    before: String,
}

impl Bench {
    fn new(firewall: &str) -> Self {
        let net = Net::new();
        if firewall.contains("firewalld") {
            net.play_firewalld();
        }
        net.shell(FOREIGN);
        net.listen(HTTP);
        net.listen(LIBPROCESS);
        let stub = Path::new(env!("CARGO_BIN_EXE_firstlight"));
        let mut world = World::with_stub(Arc::new(inventory(firewall)), Secrets::default(), Some(stub));
        world.hosts = world
            .hosts
            .reaching(Arc::new(net.as_host("s1")))
            .reaching(Arc::new(net.machine("out", OUTSIDE)))
            .reaching(Arc::new(net.machine(LOCAL, OPERATOR)));
        let before = net.rules();
        Self { net, world, before }
    }

    async fn act(&self, firewall: Firewall) -> Outcome {
        let order = Order {
            attempt: AttemptId(1),
            step: StepId::from("block"),
            host: HostName::from("s1"),
            kind: Kind::Firewall(firewall),
            guards: Vec::new(),
            known: Known::new(),
            timeout_ms: 20_000,
        };
        attempt(&self.world, &order, &Sink::none(), &Stop::never()).await
    }

    async fn done(&self, firewall: Firewall) -> Report {
        match self.act(firewall).await {
            Outcome::Done(report) => report,
            other => panic!("{other:?}"),
        }
    }

    async fn refused(&self, firewall: Firewall) -> String {
        match self.act(firewall).await {
            Outcome::Refused { why } => why,
            other => panic!("{other:?}"),
        }
    }

    async fn look(&self, kind: Kind) -> Report {
        let purpose = Purpose::Happened { attempt: AttemptId(1) };
        let host = HostName::from("s1");
        look(&self.world, &Look { purpose, host, kind, known: Known::new(), after_ms: 0, timeout_ms: 10_000 }).await
    }

    async fn standing(&self, session: &str) -> (Finding, Finding) {
        let blocked = self.look(Kind::Firewall(blocked(session))).await.finding;
        (blocked, self.look(Kind::Firewall(open(session))).await.finding)
    }

    async fn predict(&self, firewall: Firewall) -> Prediction {
        predict(&self.world, &HostName::from("s1"), &Kind::Firewall(firewall), &Known::new()).await
    }

    fn gets_in(&self, who: usize, port: u16) -> [bool; 2] {
        Net::at(who, port).map(|to| match self.net.connect(who, to) {
            Ok(mut stream) => echoes(&mut stream),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused, "crisp");
                false
            }
        })
    }

    fn everybody_gets_in(&self) {
        for who in [OUTSIDE, PEER, OPERATOR] {
            assert_eq!(self.gets_in(who, HTTP), [true, true], "{who}");
        }
    }

    fn only_those_inside_get_in(&self) {
        assert_eq!(self.gets_in(OUTSIDE, HTTP), [false, false]);
        for who in [PEER, OPERATOR] {
            assert_eq!(self.gets_in(who, HTTP), [true, true], "{who}");
        }
        for own in ["127.0.0.1", "[::1]", "10.77.0.1", "[fd77:0::1]"] {
            assert!(echoes(&mut self.net.connect_inside(&format!("{own}:{HTTP}")).unwrap()), "{own}");
        }
        for who in [OUTSIDE, PEER, OPERATOR] {
            assert_eq!(self.gets_in(who, LIBPROCESS), [true, true], "{who}");
        }
    }
}

fn echoes(stream: &mut TcpStream) -> bool {
    let mut bytes = [0; 2];
    stream.write_all(b"hi").is_ok() && stream.read_exact(&mut bytes).is_ok() && bytes == *b"hi"
}

fn port() -> Text {
    Text(format!("10.77.0.1:{HTTP}"))
}

fn block(session: &str) -> Firewall {
    Firewall::Block { port: port(), peers_var: "http_at".to_owned(), allow: Vec::new(), session: Text::from(session) }
}

fn unblock(session: &str) -> Firewall {
    Firewall::Unblock { port: port(), session: Text::from(session) }
}

fn blocked(session: &str) -> Firewall {
    Firewall::Blocked { port: port(), session: Text::from(session) }
}

fn open(session: &str) -> Firewall {
    Firewall::Open { port: port(), session: Text::from(session) }
}

fn managed(manager: &str) -> String {
    format!("{{ manager: {manager}, allow: [10.77.2.0/24, \"fd77:2::2\"], outside: out }}")
}

/// How a person takes a block away, and a rule that is in the way of it.
fn by_someone_else(manager: &str) -> (&'static str, Option<&'static str>) {
    match manager {
        "nftables" => ("nft delete table inet firstlight_20260301-040506-west-abcd_8081", None),
        _ => (
            "for t in iptables ip6tables; do c=$($t -S INPUT | sed -n 's/.*-j \\(firstlight-.*\\)/\\1/p');
             $t -D INPUT 1; $t -F $c; $t -X $c; done",
            Some("iptables -I INPUT 1 -p tcp --dport 8081 -j ACCEPT"),
        ),
    }
}

async fn story(manager: &str) {
    let bench = Bench::new(&managed(manager));
    bench.everybody_gets_in();
    assert_eq!(bench.standing(SESSION).await, (Finding::Fails, Finding::Holds));
    let mut old = Net::at(OUTSIDE, HTTP).map(|to| bench.net.connect(OUTSIDE, to).unwrap());
    let mut kept = Net::at(OPERATOR, HTTP).map(|to| bench.net.connect(OPERATOR, to).unwrap());
    assert!(old.iter_mut().chain(&mut kept).all(echoes));

    // What would be done is what a person can type.
    let foreseen = bench.predict(block(SESSION)).await;
    assert_eq!(foreseen.possible, Finding::Holds, "{foreseen:?}");
    assert_eq!(bench.net.rules(), bench.before, "a prediction changed something");
    let by_hand: Vec<String> = foreseen.details.into_iter().filter(|line| !line.starts_with("let in")).collect();
    bench.net.shell(&by_hand.join("\n"));
    assert_eq!(bench.standing(SESSION).await, (Finding::Holds, Finding::Fails));
    bench.only_those_inside_get_in();
    let undone = bench.predict(unblock(SESSION)).await;
    bench.net.shell(&undone.details.join("\n"));
    assert_eq!(bench.net.rules(), bench.before);

    let report = bench.done(block(SESSION)).await;
    assert!(report.seen.contains("10.77.1.2, 10.77.2.0/24, fd77:1::2, fd77:2::2"), "{}", report.seen);
    assert_eq!(bench.standing(SESSION).await, (Finding::Holds, Finding::Fails));
    bench.only_those_inside_get_in();
    assert!(!old.iter_mut().any(echoes), "an open connection from outside goes on");
    assert!(kept.iter_mut().all(echoes), "an open connection of the operator was cut");
    probes(&bench).await;

    // Twice is once.
    let once = bench.net.rules();
    assert!(once.contains(SESSION), "the rules do not say whose they are");
    bench.done(block(SESSION)).await;
    assert_eq!(bench.net.rules(), once);

    // Another session has rules of its own.
    let seen = bench.done(block(OTHER)).await.seen;
    assert!(seen.contains("not this session's"), "{seen}");
    assert_eq!(bench.standing(SESSION).await, (Finding::Holds, Finding::Fails));
    bench.done(unblock(OTHER)).await;
    assert_eq!(bench.net.rules(), once);
    assert_eq!(bench.standing(OTHER).await, (Finding::Fails, Finding::Holds));

    let seen = bench.done(unblock(SESSION)).await.seen;
    assert!(seen.starts_with("nothing is left"), "{seen}");
    assert_eq!(bench.net.rules(), bench.before);
    assert_eq!(bench.standing(SESSION).await, (Finding::Fails, Finding::Holds));
    bench.everybody_gets_in();

    // Gone already is said, and no error.
    let seen = bench.done(unblock(SESSION)).await.seen;
    assert!(seen.contains("somebody took it away"), "{seen}");
    bench.done(block(SESSION)).await;
    let (away, before) = by_someone_else(manager);
    if let Some(before) = before {
        bench.net.shell(before);
        assert_eq!(bench.standing(SESSION).await, (Finding::Unknown, Finding::Fails));
        bench.net.shell(&before.replace("-I INPUT 1", "-D INPUT"));
    }
    bench.net.shell(away);
    assert_eq!(bench.standing(SESSION).await, (Finding::Fails, Finding::Holds));
    let seen = bench.done(unblock(SESSION)).await.seen;
    assert!(seen.contains("somebody took it away"), "{seen}");
    assert_eq!(bench.net.rules(), bench.before);
    halves(&bench, manager).await;
    refusals(&bench).await;
}

/// The port as it is seen from outside and by the operator.
async fn probes(bench: &Bench) {
    let (out, oper) = (Text(format!("10.77.0.1:{HTTP}")), Text(format!("10.77.2.1:{HTTP}")));
    let local = || Text::from(LOCAL);
    let from = || Text::from("elsewhere");
    let shut = |open| Kind::Port(Port::ShutFrom { at: out.clone(), from: from(), open });
    let cases = [
        (Kind::Port(Port::OpenFrom { at: oper.clone(), from: local() }), Finding::Holds),
        (Kind::Port(Port::OpenFrom { at: out.clone(), from: Text::from("out") }), Finding::Fails),
        (Kind::Port(Port::OpenFrom { at: out.clone(), from: Text::from("nobody") }), Finding::Unknown),
        (shut(None), Finding::Holds),
        (shut(Some(oper.clone())), Finding::Holds),
        (shut(Some(Text(format!("10.77.2.1:{}", HTTP + 1)))), Finding::Unknown),
        (
            Kind::Port(Port::ShutFrom {
                at: Text(format!("10.77.0.1:{LIBPROCESS}")),
                from: from(),
                open: Some(oper.clone()),
            }),
            Finding::Fails,
        ),
    ];
    for (kind, wanted) in cases {
        let report = bench.look(kind.clone()).await;
        assert_eq!(report.finding, wanted, "{kind:?}: {}", report.seen);
    }
    // Silence counts as shut only beside those who get in.
    bench.net.shell(&format!("nft insert rule inet site input ip saddr 10.77.0.2 tcp dport {HTTP} drop"));
    assert_eq!(bench.look(shut(None)).await.finding, Finding::Unknown);
    let report = bench.look(shut(Some(oper))).await;
    assert_eq!(report.finding, Finding::Holds, "{}", report.seen);
    bench.net.shell(
        "nft delete rule inet site input handle $(nft -a list chain inet site input | sed -n 's/.* drop # handle //p')",
    );
}

/// Half a block is none, and goes whole all the same.
async fn halves(bench: &Bench, manager: &str) {
    let breaks: &[&str] = match manager {
        "nftables" => &["nft flush chain inet firstlight_20260301-040506-west-abcd_8081 input"],
        _ => &[
            "iptables -D INPUT 1",
            "ip6tables -F $(ip6tables -S INPUT | sed -n 's/.*-j \\(firstlight-.*\\)/\\1/p')",
            "c=$(iptables -S INPUT | sed -n 's/.*-j \\(firstlight-.*\\)/\\1/p'); iptables -D INPUT 1; iptables -F $c; iptables -X $c",
        ],
    };
    for line in breaks {
        bench.done(block(SESSION)).await;
        bench.net.shell(line);
        assert_eq!(bench.standing(SESSION).await, (Finding::Fails, Finding::Fails), "{line}");
        bench.done(unblock(SESSION)).await;
        assert_eq!(bench.net.rules(), bench.before, "{line}");
    }
}

/// What must not be done is refused before anything is changed.
async fn refusals(bench: &Bench) {
    let with = |peers_var: &str, allow: &str, session: &str| Firewall::Block {
        port: port(),
        peers_var: peers_var.to_owned(),
        allow: vec![Text::from(allow)],
        session: Text::from(session),
    };
    for (firewall, wanted) in [
        (with("worse", "", SESSION), "no-such-peer.invalid does not resolve"),
        (with("missing", "", SESSION), "has no variable `missing`"),
        (with("http_at", "0.0.0.0/0", SESSION), "would let everybody in"),
        (with("http_at", "a b", SESSION), "is no address, network or name"),
        (with("http_at", "", "a\"; flush ruleset"), "is no id that a rule may carry"),
    ] {
        let why = bench.refused(firewall).await;
        assert!(why.contains(wanted), "{why}");
    }
    // Without the right to see the rules nothing is changed, and nothing is known.
    let mut nobody = bench.net.as_host("s1");
    nobody.before =
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"].map(str::to_owned).into();
    let mut world = bench.world.clone();
    world.hosts = world.hosts.reaching(Arc::new(nobody));
    let other = Bench { net: Net::new(), world, before: String::new() };
    for firewall in [block(SESSION), unblock(SESSION)] {
        let why = other.refused(firewall).await;
        assert!(why.to_lowercase().contains("permi") || why.contains("root"), "{why}");
    }
    assert_eq!(other.standing(SESSION).await, (Finding::Unknown, Finding::Unknown));
    assert_eq!(bench.net.rules(), bench.before);
}

#[test]
fn a_runbook_is_told_what_manages_the_firewall_and_who_is_outside() {
    let custom = "{ manager: custom, block: [b], unblock: [u], status: [s, '{{ host.http_at }}'] }";
    for (firewall, told) in [
        (managed("iptables"), ("iptables", "out")),
        (custom.to_owned(), ("custom", "none")),
        ("null".to_owned(), ("none", "none")),
    ] {
        let found = inventory(&firewall);
        let var = |name: &str| found.cluster_var(name).unwrap();
        assert_eq!((var("firewall").as_str().unwrap(), var("outside").as_str().unwrap()), told);
        let again = load_inventory("again.yaml", inventory_yaml(&found).as_bytes());
        assert_eq!(again.unwrap_or_else(|problems| panic!("{problems}")), found);
    }
}

#[tokio::test]
async fn nftables_keeps_outsiders_out_and_nobody_else() {
    if possible() {
        story("nftables").await;
    }
}

#[tokio::test]
async fn iptables_keeps_outsiders_out_and_nobody_else() {
    if possible() {
        story("iptables").await;
    }
}

/// firewalld itself is not run: what it is told to pass through is, on real iptables.
#[tokio::test]
async fn what_firewalld_passes_through_keeps_outsiders_out() {
    if possible() {
        story("firewalld").await;
    }
}

#[tokio::test]
async fn commands_of_the_inventory_are_told_who_is_let_in() {
    if !possible() {
        return;
    }
    let bench = Bench::new(
        "{ manager: custom, allow: [10.77.2.2],
           block: [sh, -c, 'for a in $FIRSTLIGHT_ALLOW; do case $a in *:*) ;; *) l=$l$a,;; esac; done;
             nft add table inet own && nft \"add chain inet own in { type filter hook input priority 0; }\" &&
             nft \"add rule inet own in iifname != lo ip saddr != { ${l%,} } tcp dport $FIRSTLIGHT_PORT reject with tcp reset comment \\\"$FIRSTLIGHT_SESSION\\\"\"'],
           unblock: [sh, -c, 'nft delete table inet own'],
           status: [sh, -c, 'x=$(nft list tables) || exit 1; case $x in *own*) exit 0;; esac; exit 3'] }",
    );
    assert_eq!(bench.standing(SESSION).await, (Finding::Fails, Finding::Holds));
    bench.done(block(SESSION)).await;
    assert_eq!(bench.standing(SESSION).await, (Finding::Holds, Finding::Fails));
    assert_eq!([OUTSIDE, PEER, OPERATOR].map(|who| bench.gets_in(who, HTTP)[0]), [false, true, true]);
    assert!(bench.net.rules().contains(SESSION));
    bench.done(unblock(SESSION)).await;
    assert_eq!(bench.net.rules(), bench.before);
    assert!(matches!(bench.act(unblock(SESSION)).await, Outcome::Failed { .. }));
}
