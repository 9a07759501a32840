//! Every form, against files such as packages and people make them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn data(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/data/flags/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A file, its form, the release, what `without` is taken out.
const FILES: &[(&str, Form, &[&str])] = &[
    ("debian", Form::Variables, &["dlog_max_entry_size"]),
    ("rpm", Form::Array, &["allowed_container_types"]),
    ("old-rpm", Form::Array, &["gc_executor_path", "logtostderr"]),
    ("aurora-scheduler.service", Form::Unit, &["zk_use_curator", "zk_endpoints"]),
    ("drop-in.conf", Form::Unit, &["http_port", "backup_dir"]),
    ("upstart.conf", Form::Job, &["gc_executor_path", "logtostderr"]),
    ("upstart-script.conf", Form::Job, &["max_leading_duration", "backup_dir"]),
    ("startup", Form::Script, &["http_port"]),
    ("arguments", Form::Arguments, &["gc_executor_path"]),
];

const SET: [(&str, &str); 3] = [
    ("mesos_master_address", "zk://localhost:1111/mesos/master"),
    ("max_registration_delay", "360mins"),
    ("reconciliation_initial_delay", "365days"),
];

fn set() -> BTreeMap<String, String> {
    SET.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[test]
fn every_form_is_edited_where_the_flags_stand() {
    for (name, form, without) in FILES {
        let before = data(name);
        let file = FlagsFile::parse(before.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(file.form(), *form, "{name}");
        let unset: Vec<String> = without.iter().map(|flag| (*flag).to_owned()).collect();
        for flag in &unset {
            assert_eq!(file.values(flag).len(), 1, "{name}: -{flag}");
        }
        let edited = file.edit(&set(), &unset).unwrap_or_else(|error| panic!("{name}: {error}"));
        let golden = format!("{}/tests/data/flags/{name}.prepared", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("FIRSTLIGHT_WRITE_GOLDEN").is_some() {
            std::fs::write(&golden, &edited.text).unwrap();
        }
        assert_eq!(edited.text, data(&format!("{name}.prepared")), "{name}");
        let again = FlagsFile::parse(edited.text.as_bytes()).unwrap();
        let wanted = |flags: Flags| -> BTreeSet<(String, Option<String>)> {
            flags.flags.into_iter().map(|flag| (flag.name, flag.value)).collect()
        };
        let (mut then, now) = (wanted(file.flags()), wanted(again.flags()));
        then.retain(|(flag, _)| !unset.contains(flag) && !set().contains_key(flag));
        then.extend(set().into_iter().map(|(flag, value)| (flag, Some(value))));
        assert_eq!(now, then, "{name}");
        assert_eq!(again.flags().flags.len(), now.len(), "{name}: a flag is there twice");
        assert_eq!(again.edit(&set(), &unset).unwrap().text, edited.text, "{name}: edited twice");
    }
}

#[test]
fn values_are_followed_through_variables() {
    for (name, flag, wanted) in [
        ("debian", "mesos_master_address", "zk://zk1.example:2181,zk2.example:2181,zk3.example:2181/mesos"),
        ("debian", "http_port", "8081"),
        ("drop-in.conf", "mesos_master_address", "zk://zk1.example:2181/mesos"),
        ("upstart-script.conf", "mesos_master_address", "zk://zk1.example:2181/mesos"),
        ("upstart.conf", "gc_executor_path", "/home/vagrant/aurora/dist/gc_executor.pex"),
        ("rpm", "thermos_executor_flags", "--announcer-ensemble zk1.example:2181 --announcer-enable"),
        (
            "aurora-scheduler.service",
            "thermos_executor_flags",
            "--announcer-ensemble zk1.example:2181 --announcer-enable",
        ),
    ] {
        let file = FlagsFile::parse(data(name).as_bytes()).unwrap();
        assert_eq!(file.values(flag), [wanted], "{name}");
    }
    // A value that names itself does not grow without end.
    let wild = format!("MESOS_MASTER=\"{}\"\n", "${MESOS_MASTER}".repeat(2000));
    assert!(FlagsFile::parse(wild.as_bytes()).unwrap().values("mesos_master_address")[0].len() < 100_000_000);
}

#[test]
fn what_cannot_be_edited_safely_is_refused_with_the_reason() {
    let unit = |body: &str| format!("[Service]\n{body}\n");
    let job = |body: &str| format!("start on runlevel [2345]\n{body}\n");
    // A file, a flag that is set, words of the refusal.
    for (text, flag, words) in [
        (
            unit("ExecStart=/usr/bin/aurora-scheduler-startup\nEnvironmentFile=-/etc/default/aurora-scheduler"),
            "a",
            "/etc/default/aurora-scheduler",
        ),
        (unit("ExecStart=/usr/bin/aurora-scheduler-startup"), "a", "which has none on its command line"),
        (unit("ExecStart=/bin/sh -c 'exec /usr/sbin/aurora-scheduler -a=1'"), "a", "which has none"),
        (unit("ExecStart=/x/aurora-scheduler -a=1\nExecStart=/x/aurora-scheduler -a=1"), "a", "several commands"),
        (unit("ExecStart=/x/aurora-scheduler -a=1 ; /bin/true"), "a", "several commands"),
        (unit("ExecStart=/x/aurora-scheduler -a=1 $MORE\nEnvironmentFile=/etc/more"), "b", "given in MORE"),
        (unit("Environment=X=-a=1\nExecStart=/x/aurora-scheduler $X"), "a", "quoted in pieces"),
        (unit("Restart=always"), "a", "it starts nothing"),
        (unit("ExecStart=/x/aurora-scheduler -a=1 -a=2"), "a", "more than once"),
        (job("exec /usr/bin/aurora-scheduler-startup"), "a", "which has none"),
        (
            job("script\n. /etc/default/aurora-scheduler\nexec /x/aurora-scheduler -b=1 $FLAGS\nend script"),
            "a",
            "given in FLAGS",
        ),
        (job("script\n/x/aurora-scheduler -a=1\nexec /x/aurora-scheduler -a=1\nend script"), "a", "2 of its commands"),
        ("#!/bin/sh\nexec java -a -b org.example.Other\n".to_owned(), "a", "which has none"),
        ("just words\n".to_owned(), "a", "neither variables nor flags"),
    ] {
        let set = BTreeMap::from([(flag.to_owned(), "9")]);
        let found = FlagsFile::parse(text.as_bytes()).and_then(|file| file.edit(&set, &[]));
        match found {
            Err(error) => assert!(error.to_string().contains(words), "{text}: {error}"),
            Ok(edited) => panic!("{text}: became {}", edited.text),
        }
    }
    let named = |text: &str, form| FlagsFile::parse_as(text.as_bytes(), Some(form)).unwrap_err().to_string();
    assert!(named("X=1\n", Form::Array).contains("no array"));
    assert!(named("-a=1\n", Form::Variables).contains("no variable"));
    assert!(Form::named("redhat").unwrap_err().to_string().contains("is not a form"));
    for form in Form::ALL {
        assert_eq!(Form::named(form.name()).unwrap(), form);
    }
}

#[test]
fn a_command_stays_one_command() {
    let unit = |body: &str| format!("[Service]\nExecStart=/x/aurora-scheduler {body}\nRestart=always\n");
    for (before, set, unset, after) in [
        ("-a=1", Some("b"), None, "-a=1 -b=9"),
        ("-a=1 \\\n  -b=2", Some("c"), None, "-a=1 \\\n  -b=2 \\\n  -c=9"),
        ("-a=1 \\\n  -b=2", None, Some("b"), "-a=1"),
        ("-a=1 \\\n  -b=2", None, Some("a"), "\\\n  -b=2"),
        ("-a=1 \\\n  -b=2 \\\n  -c=3", None, Some("b"), "-a=1 \\\n  -c=3"),
        ("-a=1 \\\n# why\n  -b=2 \\\n  -c=3", None, Some("b"), "-a=1 \\\n# why\n  -c=3"),
        ("-a=1 \\\n; why -b=7\n  -b=2", Some("b"), None, "-a=1 \\\n; why -b=7\n  -b=9"),
        ("-a=1 -b 2", Some("b"), None, "-a=1 -b=9"),
        ("-a='1' \"-b=2\"", Some("b"), None, "-a='1' -b=9"),
    ] {
        let set: BTreeMap<String, &str> = set.iter().map(|flag: &&str| ((*flag).to_owned(), "9")).collect();
        let unset: Vec<String> = unset.iter().map(|flag: &&str| (*flag).to_owned()).collect();
        let text = unit(before);
        let found = FlagsFile::parse(text.as_bytes()).unwrap().edit(&set, &unset).unwrap();
        assert_eq!(found.text, unit(after), "{before}");
    }
    let hidden = "[Service]\nExecStart=/x/aurora-scheduler -a=1 \\\n# why\n  -b=2\n";
    let refused =
        FlagsFile::parse(hidden.as_bytes()).unwrap().edit(&BTreeMap::<String, &str>::new(), &["b".to_owned()]);
    assert!(refused.unwrap_err().to_string().contains("a comment stands before"));
    let percent = unit("-a=100%%");
    let file = FlagsFile::parse(percent.as_bytes()).unwrap();
    assert_eq!(file.values("a"), ["100%"]);
    let edited = file.edit(&BTreeMap::from([("b".to_owned(), "5%")]), &[]).unwrap();
    assert!(edited.text.contains("-b=5%%"), "{}", edited.text);
}

#[test]
fn command_lines_are_read_behind_whatever_starts_the_scheduler() {
    for (line, wanted) in [
        ("java -Xmx2g -cp x org.apache.aurora.scheduler.app.SchedulerMain -a=1 -b 2", "a=1 b=2"),
        ("sudo -u aurora /usr/sbin/aurora-scheduler -a=1", "a=1"),
        ("start-stop-daemon --start --exec /usr/sbin/aurora-scheduler -- -a=1", "a=1"),
        ("/opt/mine/scheduler -a=1 -x", "a=1 x="),
    ] {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let found = FlagsFile::of_arguments(&args).flags.into_iter();
        let found: Vec<String> =
            found.map(|flag| format!("{}={}", flag.name, flag.value.unwrap_or_default())).collect();
        assert_eq!(found.join(" "), wanted, "{line}");
    }
}

/// Pieces that files of all forms are made of, put together at random.
fn any_file() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "[Service]\n",
        "ExecStart=",
        "Environment=",
        "\"X=",
        "exec ",
        "script\n",
        "end script\n",
        "#!/bin/sh\n",
        "AURORA_FLAGS=(",
        ")",
        "EXTRA_SCHEDULER_ARGS=\"",
        "\"",
        "'",
        " \\\n",
        "\n",
        " ",
        "-a=1",
        "-b 2",
        "-c",
        "/x/aurora-scheduler",
        "$X",
        "${X}",
        "# note",
        ";",
        "%%",
        "respawn\n",
        "env X=1\n",
        "MESOS_MASTER=a:1\n",
        "\\",
        "start on x\n",
        "é",
        ">",
        "2>&1",
        "java",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever the file: an edit that is made gives exactly the wanted flags, changes nothing when made again, and touches
    /// no other flag.
    #[test]
    fn an_edit_does_what_it_says_or_nothing(text in any_file()) {
        let Ok(file) = FlagsFile::parse(text.as_bytes()) else { return Ok(()) };
        let set = BTreeMap::from([("a".to_owned(), "9"), ("new".to_owned(), "8")]);
        let Ok(edited) = file.edit(&set, &["b".to_owned()]) else { return Ok(()) };
        let Ok(after) = FlagsFile::parse_as(edited.text.as_bytes(), Some(file.form())) else {
            return Err(TestCaseError::fail(format!("{:?} cannot be read", edited.text)));
        };
        prop_assert_eq!(after.values("a"), vec!["9".to_owned()], "{:?}", edited.text);
        prop_assert_eq!(after.values("new"), vec!["8".to_owned()], "{:?}", edited.text);
        prop_assert!(after.values("b").is_empty(), "{:?}", edited.text);
        prop_assert_eq!(&after.edit(&set, &["b".to_owned()]).map(|again| again.text), &Ok(edited.text.clone()));
        let rest = |flags: Flags| -> Vec<String> {
            let other = flags.flags.into_iter().filter(|flag| !["a", "b", "new"].contains(&flag.name.as_str()));
            let mut names: Vec<String> = other.map(|flag| flag.name).collect();
            names.sort();
            names
        };
        prop_assert_eq!(rest(file.flags()), rest(after.flags()), "{:?}", edited.text);
        prop_assert_eq!(edited.diff.is_empty(), edited.text == text);
    }
}
