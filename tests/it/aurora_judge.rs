//! Flags, exported variables, and who leads.
#![expect(clippy::unwrap_used, reason = "helpers of tests, beside the tests themselves")]

use crate::aurora_codec::{data, http};
use firstlight::aurora::flags::{
    Flags, MasterAddress, MasterAddressError, NotPrepared, Release, TimeAmount, TimeAmountError, TimeUnit,
    check_prepared, parse_data_bytes,
};
use firstlight::aurora::leader::{
    self, Agreement, LogSight, Member, Roster, RosterEntry, Sight, Source, VarsSight, Znode,
};
use firstlight::aurora::vars::{Lifecycle, LifecycleUnknown, VarValue, Vars, VarsError};
use proptest::prelude::*;
use std::time::Duration;

fn page(name: &str) -> String {
    let bytes = std::fs::read(data("http").join(format!("{name}.http.response"))).unwrap();
    String::from_utf8(http(&bytes).1).unwrap()
}

#[test]
fn recorded_variables_are_read_in_both_forms() {
    for (lines, json, state, registered) in [
        ("200-leader-GET-vars", Some("200-leader-GET-vars.json"), Lifecycle::Active, Some(true)),
        ("200-standby-GET-vars", Some("200-standby-GET-vars.json"), Lifecycle::StoragePrepared, Some(false)),
        ("530-noleader-GET-vars", None, Lifecycle::LeaderAwaitingRegistration, Some(false)),
    ] {
        let lines = Vars::parse_lines(&page(lines)).unwrap();
        let both = json.map(|name| Vars::parse_json(&page(name)).unwrap());
        for vars in [Some(lines), both].into_iter().flatten() {
            assert_eq!(vars.lifecycle(), Ok(state));
            assert_eq!(vars.framework_registered(), registered);
            assert_eq!(vars.build_version().as_deref(), Some("0.23.0-SNAPSHOT"));
            assert_eq!(vars.timezone(), Some("Etc/UTC"));
            assert!(vars.uptime_secs().is_some());
            let flags = vars.flags().unwrap();
            assert_eq!(flags.get("cluster_name"), Some("oracle"));
            assert!(flags.get("mesos_master_address").unwrap().starts_with("zk://"));
            assert!(flags.duplicates().is_empty());
        }
    }
}

#[test]
fn what_is_not_exported_is_not_known() {
    let vars = Vars::parse_lines("a 1\nb 0.5\nc some text\nd\n").unwrap();
    assert_eq!(vars.values["b"], VarValue::Float(0.5));
    assert_eq!(vars.text("c"), Some("some text"));
    assert_eq!(vars.text("d"), Some(""));
    assert_eq!(
        (vars.lifecycle(), vars.framework_registered(), vars.command_line()),
        (Err(LifecycleUnknown::Missing), None, None)
    );
    let two = Vars::parse_lines("scheduler_lifecycle_ACTIVE 1\nscheduler_lifecycle_DEAD 1\n").unwrap();
    assert_eq!(two.lifecycle(), Err(LifecycleUnknown::Several(vec![Lifecycle::Active, Lifecycle::Dead])));
    let none = Vars::parse_lines("scheduler_lifecycle_ACTIVE 0\n").unwrap();
    assert_eq!(none.lifecycle(), Err(LifecycleUnknown::NoneSet));
    assert_eq!(Vars::parse_lines(""), Err(VarsError::Empty));
    assert_eq!(Vars::parse_lines("<html> x"), Err(VarsError::Line { line: 1 }));
    assert!(matches!(Vars::parse_json("<html>"), Err(VarsError::Json(_))));
}

#[test]
fn flags_are_taken_from_a_command_line() {
    let flags = Flags::parse_line("org.Main -a=1 -b two -c --d=4 -no_e -f -1 -a=x=y stray");
    let found: Vec<_> =
        flags.flags.iter().map(|flag| (flag.name.as_str(), flag.value.as_deref(), flag.dashes)).collect();
    assert_eq!(
        found,
        [
            ("a", Some("1"), 1),
            ("b", Some("two"), 1),
            ("c", None, 1),
            ("d", Some("4"), 2),
            ("no_e", None, 1),
            ("f", Some("-1"), 1),
            ("a", Some("x=y"), 1)
        ]
    );
    assert_eq!((flags.get("a"), flags.get("c"), flags.get("z")), (Some("x=y"), Some(""), None));
    assert_eq!(flags.duplicates().into_iter().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn times_are_as_the_scheduler_takes_them() {
    let amount = TimeAmount::parse("360mins").unwrap();
    assert_eq!(
        (amount.duration(), amount.logged(), amount.to_string()),
        (Duration::from_hours(6), "(360, mins)".to_owned(), "360mins".to_owned())
    );
    assert_eq!(TimeAmount::parse("365days").unwrap().duration(), Duration::from_hours(365 * 24));
    for (text, meant) in [
        ("360min", Some(TimeUnit::Mins)),
        ("1h", Some(TimeUnit::Hrs)),
        ("5 secs", Some(TimeUnit::Secs)),
        ("1Days", Some(TimeUnit::Days)),
        ("5", None),
        ("5x", None),
    ] {
        assert!(
            matches!(TimeAmount::parse(text), Err(TimeAmountError::Unit { meant: found, .. }) if found == meant),
            "{text}"
        );
    }
    assert!(TimeAmount::parse("360min").unwrap_err().to_string().contains("write 360mins"));
    assert!(matches!(TimeAmount::parse("mins"), Err(TimeAmountError::NoNumber(_))));
    assert_eq!(
        (parse_data_bytes("512KB"), parse_data_bytes("1Mb"), parse_data_bytes("1kb")),
        (Some(524_288), Some(131_072), None)
    );
}

#[test]
fn a_master_address_has_a_path() {
    let parse = MasterAddress::parse;
    assert_eq!(parse("zk://localhost:1111/mesos/master").unwrap().to_string(), "zk://localhost:1111/mesos/master");
    assert_eq!(parse("zk://u:p@a:1,b:2/m").unwrap().to_string(), "zk://a:1,b:2/m");
    assert_eq!(parse("a:5050").unwrap().to_string(), "a:5050");
    for text in ["zk://localhost:1111", "zk://localhost:1111/", "zk://localhost:1111//"] {
        assert_eq!(parse(text), Err(MasterAddressError::NoPath), "{text}");
    }
    for text in ["zk://localhost/m", "zk://:1/m", "host", "host:0", "host:99999", ""] {
        assert!(matches!(parse(text), Err(MasterAddressError::HostPort(_))), "{text}");
    }
}

#[test]
fn preparation_is_checked_by_release() {
    let good = "-mesos_master_address=zk://localhost:1111/mesos/master -max_registration_delay=360mins";
    let real = MasterAddress::parse("zk://z:2181/mesos").unwrap();
    let check = |line: &str, release| check_prepared(&Flags::parse_line(line), Release::parse(release), Some(&real));
    assert_eq!(check(&format!("{good} -reconciliation_initial_delay=365days"), "0.20.0"), []);
    assert_eq!(check(good, "0.8.0"), []);
    assert_eq!(check(good, "0.9.0"), [NotPrepared::Missing("reconciliation_initial_delay")]);
    assert_eq!(check(&format!("{good} -gc_executor_path=/x"), "0.8.0"), [NotPrepared::Forbidden("gc_executor_path")]);
    assert!(matches!(
        check(&format!("{good} -reconciliation_initial_delay=1days -gc_executor_path=/x"), "0.12")[..],
        [NotPrepared::UnknownFlag(_, Release(12))]
    ));
    let bad = check(
        "-mesos_master_address=zk://z:2181/mesos -max_registration_delay=360min -max_registration_delay=5mins -reconciliation_initial_delay=1mins",
        "",
    );
    assert!(
        matches!(
            &bad[..],
            [
                NotPrepared::Duplicate(_),
                NotPrepared::RealMaster(_),
                NotPrepared::TooShort { .. },
                NotPrepared::TooShort { .. }
            ]
        ),
        "{bad:?}"
    );
    assert_eq!(Release::parse("0.23.0-SNAPSHOT"), Some(Release(23)));
    assert_eq!(Release::parse("1.0"), None);
}

/// Children of the serverset path in a dump.
fn znodes(name: &str) -> Vec<Znode> {
    let text = std::fs::read_to_string(data("zk").join(name)).unwrap();
    let mut nodes: Vec<Znode> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with('/') {
            inside = line.starts_with("/aurora/scheduler/");
            if inside {
                nodes.push(Znode { name: line.rsplit('/').next().unwrap().to_owned(), data: Vec::new() });
            }
        } else if let (true, Some(quoted)) = (inside, line.trim().strip_prefix("data=b'")) {
            nodes.last_mut().unwrap().data = quoted.trim_end_matches('\'').into();
        }
    }
    nodes
}

fn roster(ports: &[(&str, u16)]) -> Roster {
    let entry = |(host, port): &(&str, u16)| RosterEntry {
        host: (*host).to_owned(),
        aliases: vec!["127.0.0.1".to_owned()],
        http_port: Some(*port),
    };
    Roster(ports.iter().map(entry).collect())
}

#[test]
fn recorded_znodes_name_the_leader() {
    let three = roster(&[("s1", 18081), ("s2", 18082), ("s3", 18083)]);
    let nodes = znodes("02-leader-s1-standbys-s2-s3.txt");
    let sequences: Vec<_> = leader::ballots(&nodes).iter().map(|node| node.sequence().unwrap()).collect();
    assert_eq!(sequences, [30, 32, 33]);
    assert_eq!(leader::by_members(&nodes, &three, "http"), Sight::Leader("s1".to_owned()));
    assert!(matches!(leader::by_ballots(&nodes, &three), Sight::Unknown(_)), "three schedulers share the address");
    assert_eq!(leader::by_ballots(&nodes, &roster(&[("s1", 18081)])), Sight::Leader("s1".to_owned()));
    assert_eq!(
        leader::by_members(&nodes, &roster(&[("s2", 18082)]), "http"),
        Sight::Stranger("127.0.0.1:18081".to_owned())
    );
    let prepared = znodes("10-dr-procedure-elected-unregistered.txt");
    assert_eq!((leader::by_members(&prepared, &three, "http"), leader::ballots(&prepared).len()), (Sight::Nobody, 2));
}

fn node(name: &str, data: &str) -> Znode {
    Znode { name: name.to_owned(), data: data.as_bytes().to_vec() }
}

#[test]
fn old_and_odd_znodes_are_read() {
    let one =
        Roster(vec![RosterEntry { host: "s1".to_owned(), aliases: vec!["10.0.0.1".to_owned()], http_port: None }]);
    let old = [node("singleton_candidate_0000000009", "10.0.0.9"), node("singleton_candidate_0000000002", "10.0.0.1")];
    assert_eq!(leader::by_ballots(&old, &one), Sight::Leader("s1".to_owned()));
    let latch = [node("_c_ffff-latch-0000000001", ""), node("_c_aaaa-latch-0000000002", "")];
    assert!(matches!(leader::by_ballots(&latch, &one), Sight::Unknown(_)));
    assert_eq!(leader::by_ballots(&[node("other", "x"), node("_c_x-lock-abc", "y")], &one), Sight::Nobody);
    let json = r#"{"serviceEndpoint":{"host":"s1","port":1},"status":"ALIVE","shard":3,"later":[]}"#;
    assert!(Member::parse(json.as_bytes(), "http").unwrap().is_alive());
    assert_eq!(leader::by_members(&[node("member_1", json)], &one, "http"), Sight::Leader("s1".to_owned()));
    assert!(matches!(
        leader::by_members(&[node("member_1", json), node("member_2", json)], &one, "http"),
        Sight::Several(_)
    ));
    for data in [json.replace("ALIVE", "DEAD"), "{}".to_owned(), "x".to_owned()] {
        assert!(matches!(leader::by_members(&[node("member_1", &data)], &one, "http"), Sight::Unknown(_)), "{data}");
    }
}

#[test]
fn sources_are_weighed() {
    let host = |name: &str| Sight::Leader(name.to_owned());
    let unknown = || Sight::Unknown("silent".to_owned());
    let (vars, ballots, logs, members) = (Source::Vars, Source::Ballots, Source::Logs, Source::Members);
    let agree = Agreement::Agree("a".to_owned());
    for (index, (sights, wanted)) in [
        (vec![(vars, host("a")), (ballots, host("a")), (members, Sight::Nobody)], Some(agree.clone())),
        (vec![(vars, host("a")), (ballots, unknown()), (logs, Sight::Nobody)], Some(agree)),
        (vec![(vars, host("a")), (ballots, host("b"))], None),
        (vec![(vars, Sight::Nobody), (ballots, host("b"))], None),
        (vec![(vars, host("a")), (ballots, Sight::Nobody)], None),
        (vec![(vars, Sight::Several(vec![])), (ballots, host("a"))], None),
        (vec![(vars, host("a")), (members, Sight::Stranger("x".to_owned()))], None),
        (vec![(vars, Sight::Nobody), (ballots, Sight::Nobody), (members, Sight::Nobody)], Some(Agreement::None)),
        (vec![(vars, unknown()), (ballots, Sight::Nobody)], Some(Agreement::Unknown("silent".to_owned()))),
    ]
    .into_iter()
    .enumerate()
    {
        let found = leader::agreement(&sights);
        match wanted {
            Some(wanted) => assert_eq!(found, wanted, "row {index}"),
            None => assert!(matches!(found, Agreement::Disagree(_)), "row {index}: {found:?}"),
        }
    }
    assert!(matches!(leader::agreement(&[]), Agreement::Unknown(_)));
}

#[test]
fn silence_is_not_nobody() {
    let answered = |state| VarsSight::Answered(Ok(state));
    let of = |sights: Vec<VarsSight>| {
        leader::by_vars(
            &sights.into_iter().enumerate().map(|(index, sight)| (format!("s{index}"), sight)).collect::<Vec<_>>(),
        )
    };
    let standby = || answered(Lifecycle::StoragePrepared);
    assert_eq!(of(vec![standby(), answered(Lifecycle::LeaderAwaitingRegistration)]), Sight::Leader("s1".to_owned()));
    assert_eq!(of(vec![standby(), VarsSight::Refused]), Sight::Nobody);
    assert!(matches!(of(vec![standby(), VarsSight::Silent("timeout".to_owned())]), Sight::Unknown(_)));
    assert!(matches!(of(vec![answered(Lifecycle::Active), answered(Lifecycle::Active)]), Sight::Several(_)));
    let log = |elected, ended| Some(LogSight { elected, ended });
    let logs = |sights: &[Option<LogSight>]| {
        leader::by_logs(
            &sights.iter().enumerate().map(|(index, sight)| (format!("s{index}"), *sight)).collect::<Vec<_>>(),
        )
    };
    assert_eq!(logs(&[log(Some(5), None), log(Some(9), Some(7))]), Sight::Leader("s1".to_owned()));
    assert_eq!(logs(&[log(Some(5), None), log(Some(9), Some(10))]), Sight::Nobody);
    assert!(matches!(logs(&[None, log(None, None)]), Sight::Unknown(_)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        let _ = Vars::parse_lines(&text);
        let _ = Vars::parse_json(&text);
        let _ = TimeAmount::parse(&text);
        let _ = parse_data_bytes(&text);
        let _ = MasterAddress::parse(&text);
        let _ = Release::parse(&text);
        let _ = check_prepared(&Flags::parse_line(&text), None, None);
        let node = Znode { name: text.clone(), data: text.into_bytes() };
        let _ = (node.sequence(), node.is_ballot(), Member::parse(&node.data, "http"));
    }
}
