//! Reading a real ZooKeeper ensemble of three: what is read, what is refused, and what is unknown when members go.

pub mod ensemble;
mod following;
mod leading;

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    time::Duration,
};

use firstlight::aurora::{
    client::{EnsembleAccess, EnsembleError, EnsembleReader, serverset},
    secret::Secret,
};
use zookeeper_client::{Acl, AuthId, CreateMode, Permission};

use ensemble::{Ensemble, announce, make};

/// Time for a look, on a machine with one busy core.
const LOOK: Duration = Duration::from_secs(8);

/// Runs a test's own part; guards are held outside of it.
pub fn run(part: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(part);
}

fn access(connect: &str, digest: Option<&str>) -> EnsembleAccess {
    EnsembleAccess { ensemble: connect.parse().unwrap(), digest: digest.map(|digest| Secret::new(digest.to_owned())) }
}

async fn candidates(connect: &str, digest: Option<&str>, path: &str) -> Result<Option<Vec<String>>, String> {
    let read = async {
        let reader = EnsembleReader::open(&access(connect, digest), LOOK).await?;
        let nodes = reader.candidates(path).await?;
        let text = |data: &[u8]| String::from_utf8_lossy(data).into_owned();
        Ok(nodes.map(|nodes| nodes.iter().map(|node| format!("{}={}", node.name, text(&node.data))).collect()))
    };
    read.await.map_err(|error: EnsembleError| error.to_string())
}

#[test]
fn paths_chroots_and_limits() {
    let Some(zk) = ensemble::shared() else { return };
    let _guard = zk.with_others();
    run(async {
        let writer = zk.writer().await;
        make(&writer, "/west/aurora/scheduler/log").await;
        let options = CreateMode::Persistent.with_acls(zookeeper_client::Acls::anyone_all());
        let under = "/west/aurora/scheduler";
        for (name, data) in
            [("_c_f-lock-0000000002", "s2\u{1b}[2J"), ("singleton_candidate_0000000001", "s1"), ("member_x", "{")]
        {
            writer.create(&format!("{under}/{name}"), data.as_bytes(), &options).await.unwrap();
        }
        let wanted = Ok(Some(vec![
            "_c_f-lock-0000000002=s2\u{1b}[2J".to_owned(),
            "member_x={".to_owned(),
            "singleton_candidate_0000000001=s1".to_owned(),
        ]));
        for (chroot, path) in
            [("", under), ("/west", "/aurora/scheduler"), ("/west/aurora", "/scheduler"), ("/", under)]
        {
            assert_eq!(candidates(&format!("{}{chroot}", zk.connect()), None, path).await, wanted, "{chroot} {path}");
        }
        for (chroot, path) in [("", "/no/such"), ("/nowhere", "/aurora/scheduler"), ("", "/west/aurora/scheduler/none")]
        {
            assert_eq!(candidates(&format!("{}{chroot}", zk.connect()), None, path).await, Ok(None));
        }
        let missing = serverset(&access(&zk.connect(), None), "/no/such", LOOK).await.unwrap_err();
        assert!(matches!(&missing, EnsembleError::NoPath { .. }) && missing.to_string().contains("another chroot"));
        for path in ["aurora", "/a//b", "/a/"] {
            assert!(candidates(&zk.connect(), None, path).await.unwrap_err().contains("is not a path"), "{path}");
        }
        // A node of 100 kB is not read, whatever its name promises; one without a part in the election does not matter.
        let large = vec![b'x'; 100_000];
        writer.create(&format!("{under}/other"), &large, &options).await.unwrap();
        assert_eq!(candidates(&zk.connect(), None, under).await, wanted);
        writer.create(&format!("{under}/member_0000000009"), &large, &options).await.unwrap();
        assert!(candidates(&zk.connect(), None, under).await.unwrap_err().contains("more than 65536 bytes"));
        let reader = EnsembleReader::open(&access(&zk.connect(), None), LOOK).await.unwrap();
        let node = reader.node(under).await.unwrap().unwrap();
        assert_eq!((node.data.len(), node.children), (0, 6));
        assert!(reader.node(&format!("{under}/other")).await.is_err());
    });
}

#[test]
fn nodes_that_are_closed_to_the_world_need_credentials() {
    let Some(zk) = ensemble::shared() else { return };
    let _guard = zk.with_others();
    run(async {
        let owner = zk.writer_as("aurora:sesame").await;
        make(&owner, "/closed").await;
        make(&owner, "/usual").await;
        // What schedulers with credentials make: all for themselves, reading for the world.
        let own = Acl::new(Permission::ALL, AuthId::authed());
        let usual = [own.clone(), Acl::new(Permission::READ, AuthId::anyone())];
        for (path, acls) in [("/closed/serverset", &[own][..]), ("/usual/serverset", &usual[..])] {
            let persistent = CreateMode::Persistent.with_acls(acls.into());
            owner.create(path, b"", &persistent).await.unwrap();
            owner.create(&format!("{path}/_c_1-lock-0000000001"), b"s1", &persistent).await.unwrap();
        }
        let found = Ok(Some(vec!["_c_1-lock-0000000001=s1".to_owned()]));
        assert_eq!(candidates(&zk.connect(), None, "/usual/serverset").await, found);
        assert_eq!(candidates(&zk.connect(), Some("aurora:sesame"), "/closed/serverset").await, found);
        for (digest, said) in [(None, "says where they are"), (Some("aurora:wrong"), "may not read it")] {
            let error = candidates(&zk.connect(), digest, "/closed/serverset").await.unwrap_err();
            assert!(error.contains(said) && !error.contains("wrong") && !error.contains("sesame"), "{error}");
        }
    });
}

/// A server that takes connections, and does this with each.
fn server(each: impl Fn(std::net::TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || listener.incoming().flatten().for_each(each));
    at
}

#[test]
fn servers_that_are_silent_or_something_else_do_not_hide_the_others() {
    let Some(zk) = ensemble::shared() else { return };
    let _guard = zk.with_others();
    run(async {
        let held = std::sync::Mutex::new(Vec::new());
        let silent = server(move |stream| held.lock().unwrap().push(stream));
        let web = server(|mut stream| {
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\x1b]0;title\x07\r\n");
        });
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let writer = zk.writer().await;
        make(&writer, "/beside").await;
        // Whichever is asked first.
        for others in [vec![&silent], vec![&silent, &web, &closed], vec![&closed, &web]] {
            let others: Vec<&str> = others.into_iter().map(String::as_str).collect();
            let connect = format!("{},{}", others.join(","), zk.member(1));
            assert_eq!(candidates(&connect, None, "/beside").await, Ok(Some(Vec::new())), "{connect}");
        }
        let within = Duration::from_secs(3);
        let connect = format!("{silent},{web},{closed},no-such-host.invalid:1");
        let error = EnsembleReader::open(&access(&connect, None), within).await.unwrap_err().to_string();
        for (server, said) in [
            (&silent, "does not answer"),
            (&web, "is no ZooKeeper: it answers \"HTTP/1.1 400"),
            (&closed, "cannot be reached (Connection refused"),
            (&"no-such-host.invalid:1".to_owned(), ""),
        ] {
            assert!(error.contains(&format!("{server} {said}")), "{server}: {error}");
        }
        assert!(!error.contains('\u{1b}'));
    });
}

/// A lost member is nothing, a lost quorum is unknown, and what comes back is read again.
#[test]
fn members_go_and_come_back() {
    let Some(zk) = ensemble::shared() else { return };
    let _guard = zk.alone();
    run(async {
        {
            let writer = zk.writer().await;
            make(&writer, "/members").await;
            announce(&writer, "/members/_c_1-lock-", "s1").await;
        }
        make(&zk.writer().await, "/members").await;
        let lasting = CreateMode::Persistent.with_acls(zookeeper_client::Acls::anyone_all());
        zk.writer().await.create("/members/_c_1-lock-0000000007", b"s1", &lasting).await.unwrap();
        let found = Ok(Some(vec!["_c_1-lock-0000000007=s1".to_owned()]));
        let look = || candidates_of(zk, "/members");
        assert_eq!(look().await, found);
        let first = zk.leader();
        zk.kill(first);
        assert_eq!(look().await, found, "two of three are a quorum");
        let second = (first + 1) % ensemble::MEMBERS;
        zk.kill(second);
        let error = candidates(&zk.connect(), None, "/members").await.unwrap_err();
        assert!(error.contains("no session with ZooKeeper"), "{error}");
        assert!(error.contains("runs without a quorum") && error.contains("cannot be reached"), "{error}");
        zk.start(second);
        zk.wait_member(second);
        assert_eq!(look().await, found);
        zk.freeze(second);
        let third = (first + 2) % ensemble::MEMBERS;
        let frozen = candidates(&zk.member(second), None, "/members").await.unwrap_err();
        assert!(frozen.contains("does not answer"), "{frozen}");
        zk.thaw(second);
        zk.start(first);
        zk.wait_serving();
        assert_eq!(candidates(&zk.member(third), None, "/members").await, found);
    });
}

/// As schedulers are looked for: again, while the ensemble elects a leader of its own.
async fn candidates_of(zk: &Ensemble, path: &str) -> Result<Option<Vec<String>>, String> {
    let until = std::time::Instant::now() + ensemble::PATIENCE;
    loop {
        match candidates(&zk.connect(), None, path).await {
            Err(_) if std::time::Instant::now() < until => {}
            found => return found,
        }
    }
}
