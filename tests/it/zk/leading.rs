//! Who leads, asked three ways with a real ensemble among them: ballots of every library, names of every form, and
//! what one watches for a while.

use std::{fs, time::Duration};

use firstlight::session::{Finding, Known, Report};
use serde_json::{Value, json};

use super::{
    ensemble::{self, Ensemble, announce, endpoint, make},
    run,
};
use crate::actions_aurora::{held, see, server, world};

/// The part of a library's ballot before its number.
fn ballot(library: &str, salt: &str) -> String {
    match library {
        "commons" => "singleton_candidate_".to_owned(),
        library => format!("_c_{salt}-0000-0000-0000-000000000000-{library}-"),
    }
}

fn leader(zk: &Ensemble, path: &str, prepared: bool, log: Option<&str>) -> Value {
    json!({ "leader": {
        "among": "schedulers", "url_var": "api_url", "log_var": log, "connect": zk.connect(), "path": path,
        "prepared": prepared,
    } })
}

fn by_zookeeper(seen: &Report) -> String {
    let line = seen.details.iter().find(|line| line.starts_with("election nodes: "));
    line.unwrap_or_else(|| panic!("{seen:?}")).trim_start_matches("election nodes: ").to_owned()
}

/// A name, ballots as library and data, what the election nodes say, what the look says.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], String, Finding);

#[test]
fn ballots_of_every_library_and_names_of_every_form() {
    let Some(zk) = ensemble::shared() else { return };
    let _guard = zk.with_others();
    run(async {
        let (one, other) = (held(None), held(None));
        one.lock().unwrap().vars = "scheduler_lifecycle_LEADER_AWAITING_REGISTRATION 1\n".to_owned();
        other.lock().unwrap().vars = "scheduler_lifecycle_STORAGE_PREPARED 1\n".to_owned();
        let port_of = |url: &str| url.rsplit(':').next().unwrap().parse::<u16>().unwrap();
        let urls = [server(&one), server(&other)];
        let hosts = [
            json!({ "name": "s1", "reach": "local", "vars": {
                "api_url": format!("http://127.0.0.1:{}", port_of(&urls[0])), "hostname": "sched-1.example",
            } }),
            json!({ "name": "s2", "reach": "local", "vars": {
                "api_url": format!("http://[::ffff:127.0.0.1]:{}", port_of(&urls[1])), "address": "10.9.9.9",
            } }),
        ];
        let world = world(&json!(hosts));
        let unknown = |part: &str| format!("unknown (the leading election node {part}");
        let cases: [Case; 10] = [
            // The random part of the later one sorts first.
            ("selector", &[("lock", "sched-1.example"), ("lock", "10.9.9.9")], "s1".to_owned(), Finding::Holds),
            ("commons", &[("commons", "127.0.0.1"), ("commons", "10.9.9.9")], "s1".to_owned(), Finding::Holds),
            ("latch", &[("latch", ""), ("latch", "")], unknown("_c_9"), Finding::Holds),
            // Each library counts its own ballots: the same host leads both, or two lead.
            ("mixed-same", &[("commons", "127.0.0.1"), ("lock", "SCHED-1.example.")], "s1".to_owned(), Finding::Holds),
            ("mixed-two", &[("commons", "10.9.9.9"), ("lock", "s1")], "several: s2, s1".to_owned(), Finding::Fails),
            // `localhost` is nobody's name here, but its address is.
            ("resolved", &[("lock", "localhost")], "s1".to_owned(), Finding::Holds),
            (
                "stranger",
                &[("lock", "no-such-host.invalid\u{1b}[2J")],
                unknown("names no-such-host.invalid,"),
                Finding::Holds,
            ),
            ("unnamed", &[("commons", "<unknown>")], unknown("singleton_candidate_"), Finding::Holds),
            ("other", &[("lock", "s2"), ("lock", "s1")], "s2".to_owned(), Finding::Fails),
            ("nobody", &[], "nobody".to_owned(), Finding::Fails),
        ];
        for (name, ballots, wanted, finding) in cases {
            let path = format!("/libraries/{name}");
            let client = zk.writer().await;
            make(&client, &path).await;
            for (at, (library, data)) in ballots.iter().enumerate() {
                announce(&client, &format!("{path}/{}", ballot(library, &format!("{}fffffff", 9 - at))), data).await;
            }
            let seen = see(&world, leader(zk, &path, true, None), &Known::new()).await;
            assert!(by_zookeeper(&seen).starts_with(&wanted), "{name}: {seen:?}");
            assert_eq!(seen.finding, finding, "{name}: {seen:?}");
            assert!(!seen.details.iter().any(|line| line.contains('\u{1b}')), "{seen:?}");
        }
    });
}

#[test]
fn three_ways_side_by_side() {
    let Some(zk) = ensemble::shared() else { return };
    let _guard = zk.with_others();
    run(async {
        let (one, other) = (held(None), held(None));
        let vars = |host: &crate::actions_aurora::Shared, state: &str| {
            host.lock().unwrap().vars = format!("scheduler_lifecycle_{state} 1\nframework_registered 1\n");
        };
        vars(&one, "ACTIVE");
        vars(&other, "STORAGE_PREPARED");
        let urls = [server(&one), server(&other)];
        let dir = tempfile::tempdir().unwrap();
        let log = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let elected = "I0102 03:04:05.678 [main, SchedulerLifecycle] Elected as leading scheduler!\n";
        let (log_1, log_2) = (log("s1", elected), log("s2", ""));
        let world = world(&json!([
            { "name": "s1", "reach": "local", "vars": { "api_url": urls[0], "hostname": "sched-1", "log": log_1 } },
            { "name": "s2", "reach": "local", "vars": { "api_url": urls[1], "hostname": "sched-2", "log": log_2 } },
        ]));
        let port = |url: &str| url.rsplit(':').next().unwrap().parse::<u16>().unwrap();
        let client = zk.writer().await;
        make(&client, "/three").await;
        let ballot = announce(&client, "/three/_c_f-lock-", "sched-1").await;
        let asked = |prepared| leader(zk, "/three", prepared, Some("log"));
        let seen = see(&world, asked(false), &Known::new()).await;
        assert!(
            seen.finding == Finding::Fails && seen.seen.contains("not advertised: it has not registered yet"),
            "{seen:?}"
        );
        let seen = see(&world, asked(true), &Known::new()).await;
        assert_eq!(seen.finding, Finding::Holds, "{seen:?}");
        let ways = ["by_vars", "by_log", "by_zookeeper"].map(|way| seen.outputs[way].as_str().unwrap().to_owned());
        assert_eq!(ways, ["s1", "s1", "s1"], "{seen:?}");
        announce(&client, "/three/member_", &endpoint("sched-1", port(&urls[0]), "ALIVE")).await;
        let seen = see(&world, asked(false), &Known::new()).await;
        assert_eq!((seen.finding, &seen.outputs["by_zookeeper"]), (Finding::Holds, &json!("s1, s1")), "{seen:?}");
        // After a commit: another leads and the old one answers still.
        vars(&other, "LEADER_AWAITING_REGISTRATION");
        let next = zk.writer().await;
        announce(&next, "/three/_c_a-lock-", "sched-2").await;
        client.delete(&ballot, None).await.unwrap();
        let seen = see(&world, asked(true), &Known::new()).await;
        assert!(seen.finding == Finding::Fails && seen.seen.contains("as for some seconds after a commit"), "{seen:?}");
        for part in ["/vars: several: s1, s2", "election nodes: s2", "logs: s1", "advertisement: s1"] {
            assert!(seen.details.iter().any(|line| line.contains(part)), "{part}: {seen:?}");
        }
        vars(&one, "DEAD");
        drop(client);
        fs::write(&log_2, elected.replace("03:04:05", "03:04:06")).unwrap();
        let waited = async {
            loop {
                let seen = see(&world, asked(true), &Known::new()).await;
                if seen.finding == Finding::Holds {
                    return seen;
                }
            }
        };
        let seen = tokio::time::timeout(ensemble::PATIENCE, waited).await.unwrap();
        assert_eq!(seen.outputs["name"], "s2");
        announce(&next, "/three/member_", &endpoint("sched-2", port(&urls[1]), "ALIVE")).await;
        announce(&next, "/three/member_", &endpoint("sched-1", port(&urls[0]), "ALIVE")).await;
        let seen = see(&world, asked(true), &Known::new()).await;
        assert!(seen.finding == Finding::Fails && seen.seen.contains("more than one is advertised"), "{seen:?}");
    });
}

#[test]
fn who_is_advertised_and_which_nodes_there_are() {
    let Some(zk) = ensemble::shared() else { return };
    let _guard = zk.with_others();
    run(async {
        let world = world(&json!([{ "name": "s1", "reach": "local" }]));
        let connect = format!("{}/advertised", zk.connect());
        let serverset = |member: Option<&str>, is: &str| json!({ "serverset": { "connect": connect, "path": "/scheduler", "member": member, "is": is } });
        let seen = see(&world, serverset(None, "absent"), &Known::new()).await;
        assert!(seen.finding == Finding::Holds && seen.seen.contains("is not there"), "{seen:?}");
        let client = zk.writer().await;
        make(&client, "/advertised/scheduler").await;
        let member = announce(&client, "/advertised/scheduler/member_", &endpoint("sched-1", 8081, "ALIVE")).await;
        for (member, is, wanted) in [
            (Some("sched-1:8081"), "present", Finding::Holds),
            (Some("sched-1:8081"), "only", Finding::Holds),
            (Some("sched-1:8081"), "absent", Finding::Fails),
            (Some("sched-2:8081"), "absent", Finding::Holds),
            (Some("sched-2:8081"), "present", Finding::Fails),
            (None, "absent", Finding::Fails),
        ] {
            assert_eq!(see(&world, serverset(member, is), &Known::new()).await.finding, wanted, "{member:?} {is}");
        }
        let node = |exists| json!({ "zookeeper": { "connect": zk.connect(), "path": member, "exists": exists } });
        assert_eq!(see(&world, node(true), &Known::new()).await.finding, Finding::Holds);
        assert_eq!(see(&world, node(false), &Known::new()).await.finding, Finding::Fails);
        client.set_data(&member, endpoint("sched-1", 8081, "DEAD").as_bytes(), None).await.unwrap();
        let seen = see(&world, serverset(None, "present"), &Known::new()).await;
        assert!(seen.finding == Finding::Fails && seen.seen.contains("sched-1:8081 with status DEAD"), "{seen:?}");
        announce(&client, "/advertised/scheduler/member_", "not json").await;
        assert_eq!(see(&world, serverset(None, "absent"), &Known::new()).await.finding, Finding::Unknown);
    });
}

#[test]
fn watching_a_while_says_whether_the_leadership_changes() {
    let Some(zk) = ensemble::shared() else { return };
    let _guard = zk.with_others();
    run(async {
        let world = world(&json!([{ "name": "s1", "reach": "local", "vars": { "api_url": "http://127.0.0.1:1" } }]));
        let keeper = zk.writer().await;
        let watch = |connect: &str, path: &str| {
            json!({ "leadership": {
                "among": "schedulers", "url_var": "api_url", "connect": connect, "path": path, "for": "1500ms",
            } })
        };
        for (path, ballots, wanted) in [("/watched/nobody", 0, "nobody"), ("/watched/steady", 1, "steady")] {
            make(&keeper, path).await;
            for _ in 0..ballots {
                announce(&keeper, &format!("{path}/_c_0-lock-"), "s1").await;
            }
            let seen = see(&world, watch(&zk.connect(), path), &Known::new()).await;
            assert_eq!((seen.finding, &seen.outputs["watched"]), (Finding::Holds, &json!(wanted)), "{seen:?}");
        }
        make(&keeper, "/watched/flapping").await;
        let flapping = async {
            loop {
                let node = announce(&keeper, "/watched/flapping/_c_0-lock-", "s1").await;
                tokio::time::sleep(Duration::from_millis(200)).await;
                keeper.delete(&node, None).await.unwrap();
            }
        };
        let watching = watch(&zk.connect(), "/watched/flapping");
        let known = Known::new();
        let seen = tokio::select! {
            seen = see(&world, watching, &known) => seen,
            () = flapping => unreachable!(),
        };
        assert_eq!((seen.finding, &seen.outputs["watched"]), (Finding::Holds, &json!("changing")), "{seen:?}");
        assert!(seen.seen.contains("the leadership keeps changing") && seen.details.len() > 3, "{seen:?}");
        // What was watched stands beside the logs, and weighs where they know of nothing.
        let known: Known = [("watched".into(), [("s1".into(), seen.outputs.clone())].into())].into();
        let logs = [("logs".into(), [("s1".into(), json!({ "elections": [], "recent_elections": 0 }))].into())];
        let known = known.into_iter().chain(logs).collect();
        let told = see(&world, json!({ "elections": { "logs": "logs", "watched": "watched" } }), &known).await;
        assert_eq!(told.outputs["leadership"], "flapping", "{told:?}");
        assert!(told.details.iter().any(|line| line.starts_with("ZooKeeper, watched: the leadership keeps changing")));
        let nowhere = see(&world, watch("127.0.0.1:1", "/x"), &Known::new()).await;
        assert!(nowhere.finding == Finding::Unknown && nowhere.seen.contains("no session"), "{nowhere:?}");
    });
}
