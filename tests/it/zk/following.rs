//! Following a serverset on a real ensemble: real sessions that end, members that go, and what is told of it.

use std::time::Duration;

use firstlight::{
    aurora::{
        client::follow,
        leader::{Roster, RosterEntry},
        leadership::{History, Sighting, Standing},
    },
    session::Stamp,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use zookeeper_client as zk;

use super::{
    access,
    ensemble::{self, Ensemble, PATIENCE, SESSION, announce, endpoint, make},
    run,
};

fn roster() -> Roster {
    let entry = |(host, port)| RosterEntry { host: String::from(host), aliases: Vec::new(), http_port: Some(port) };
    Roster([("s1", 8081), ("s2", 8081), ("s3", 8081)].into_iter().map(entry).collect())
}

fn now() -> Stamp {
    let at = jiff::Timestamp::now().as_millisecond();
    Stamp { utc_ms: at, mono_ms: at as u64 }
}

/// Somebody who follows a path, and what was seen.
struct Follower {
    history: History,
    seen: UnboundedReceiver<Sighting>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Follower {
    fn of(zk: &Ensemble, path: &'static str) -> Self {
        let (to, seen) = unbounded_channel();
        let access = access(&zk.connect(), None);
        let task = tokio::spawn(async move {
            follow(&access, path, move |sighting| drop(to.send(sighting))).await;
        });
        Self { history: History::new(roster(), "http"), seen, task }
    }

    /// Waits until things stand so.
    async fn until(&mut self, what: &str, so: impl Fn(&Standing) -> bool) {
        let wait = async {
            while !self.history.now().is_some_and(|span| so(&span.standing)) {
                let sighting = self.seen.recv().await.unwrap();
                self.history.take(&sighting, now());
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        assert!(waited.is_ok(), "never: {what}: {:#?}", self.history.story());
    }

    async fn until_is(&mut self, wanted: Standing) {
        self.until(&wanted.words(), |standing| *standing == wanted).await;
    }

    async fn until_blind(&mut self) {
        self.until("blind", |standing| matches!(standing, Standing::Unknown(_))).await;
    }
}

fn elected(name: &str) -> Standing {
    Standing::Elected(name.to_owned())
}

fn advertised(name: &str) -> Standing {
    Standing::Advertised(name.to_owned())
}

/// A session of a scheduler that dies without a word: its nodes go when the ensemble gives it up.
async fn mortal(zk: &Ensemble) -> zk::Client {
    let connector = zk::Client::connector().with_session_timeout(SESSION).with_detached();
    connector.connect(&zk.connect()).await.unwrap()
}

#[test]
fn leaders_come_and_go_and_each_is_seen() {
    let Some(zk) = ensemble::shared() else { return };
    let _guard = zk.with_others();
    run(async {
        let mut follower = Follower::of(zk, "/flapping/scheduler");
        follower.until_is(Standing::Nobody).await;
        let keeper = zk.writer().await;
        make(&keeper, "/flapping/scheduler").await;
        let first = mortal(zk).await;
        announce(&first, "/flapping/scheduler/_c_f0-lock-", "s1").await;
        follower.until_is(elected("s1")).await;
        announce(&first, "/flapping/scheduler/member_", &endpoint("s1", 8081, "ALIVE")).await;
        follower.until_is(advertised("s1")).await;
        let second = zk.writer().await;
        announce(&second, "/flapping/scheduler/_c_a0-lock-", "s2").await;
        // It stands behind the leader, which changes nothing, until the leader's session expires.
        drop(first);
        follower.until_is(elected("s2")).await;
        let member = announce(&second, "/flapping/scheduler/member_", &endpoint("s2", 8081, "ALIVE")).await;
        follower.until_is(advertised("s2")).await;
        keeper.set_data(&member, endpoint("s2", 8081, "STOPPING").as_bytes(), None).await.unwrap();
        follower.until("another status", |standing| matches!(standing, Standing::Unclear(_))).await;
        announce(&keeper, "/flapping/scheduler/member_", &endpoint("s3", 8081, "ALIVE")).await;
        follower
            .until("two members", |standing| matches!(standing, Standing::Several(names) if names.len() == 2))
            .await;
        drop((second, keeper));
        follower.until_is(Standing::Nobody).await;
        assert_eq!(
            (follower.history.elections(), follower.history.blind_ms()),
            (2, 0),
            "{:#?}",
            follower.history.story()
        );
    });
}

#[test]
fn a_watch_outlives_members_and_says_what_it_did_not_see() {
    let Some(zk) = ensemble::shared() else { return };
    let _guard = zk.alone();
    run(async {
        let keeper = zk.writer().await;
        make(&keeper, "/gaps").await;
        let lasting = zk::CreateMode::Persistent.with_acls(zk::Acls::anyone_all());
        keeper.create("/gaps/_c_1-lock-0000000001", b"s1", &lasting).await.unwrap();
        drop(keeper);
        let mut follower = Follower::of(zk, "/gaps");
        follower.until_is(elected("s1")).await;
        // One member after the other is started anew: whichever it was connected to, it goes on.
        for n in 0..ensemble::MEMBERS {
            zk.kill(n);
            zk.start(n);
            zk.wait_serving();
        }
        follower.until("blind once", |_| true).await;
        follower.until_is(elected("s1")).await;
        let writer = zk.writer().await;
        writer.delete("/gaps/_c_1-lock-0000000001", None).await.unwrap();
        writer.create("/gaps/_c_1-lock-0000000002", b"s2", &lasting).await.unwrap();
        drop(writer);
        follower.until_is(elected("s2")).await;
        // Frozen for longer than the session is: what happens meanwhile nobody sees.
        (0..ensemble::MEMBERS).for_each(|n| zk.freeze(n));
        follower.until_blind().await;
        let before = follower.history.elections();
        (0..ensemble::MEMBERS).for_each(|n| zk.thaw(n));
        follower.until_is(elected("s2")).await;
        let last = follower.history.now().unwrap();
        assert!(!last.began && follower.history.blind_ms() > 0, "{:#?}", follower.history.story());
        assert_eq!(follower.history.elections(), before, "the same node leads: nothing is made of a gap");
        zk.wait_serving();
        // No quorum: unknown, and never nobody.
        let leader = zk.leader();
        let other = (leader + 1) % ensemble::MEMBERS;
        zk.kill(leader);
        zk.kill(other);
        follower.until_blind().await;
        tokio::time::timeout(Duration::from_secs(30), async {
            let words = |follower: &Follower| follower.history.now().unwrap().standing.words();
            while !words(&follower).contains("quorum") {
                let sighting = follower.seen.recv().await.unwrap();
                assert!(matches!(sighting, Sighting::Blind(_)), "{sighting:?}");
                follower.history.take(&sighting, now());
            }
        })
        .await
        .unwrap();
        zk.start(leader);
        zk.start(other);
        zk.wait_serving();
        follower.until_is(elected("s2")).await;
    });
}
