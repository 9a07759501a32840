//! Runbooks and inventories as files: what loads, what is refused and how, what the schema and the plan say.

use std::{collections::BTreeMap, path::Path};

use firstlight::{
    inventory::{check_against, inventory_yaml, load_inventory},
    runbook::{
        Mode, Severity,
        lint::lint_source,
        load_runbook,
        model::{HostName, InputId, Order, StepId, Undo},
        plan::{self, Known, plan},
        schema::{inventory_schema, runbook_schema, schema_file},
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const ROLLING: &str = include_str!("../data/runbooks/rolling-restart.yaml");
const ROLLING_INVENTORY: &str = include_str!("../data/runbooks/rolling-restart.inventory.yaml");

/// Compares with a file beside the test's data; with `FIRSTLIGHT_BLESS` set it is written instead.
fn golden(path: &Path, found: &str) {
    if std::env::var_os("FIRSTLIGHT_BLESS").is_some() {
        assert!(std::fs::write(path, found).is_ok(), "{} is not written", path.display());
        return;
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, expected, "{} differs; FIRSTLIGHT_BLESS=1 writes it anew", path.display());
}

fn data(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/runbook").join(path)
}

#[test]
fn a_runbook_of_another_kind_loads_and_keeps_the_safety_rules() {
    let runbook = load_runbook("rolling-restart.yaml", ROLLING.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let inventory =
        load_inventory("inventory.yaml", ROLLING_INVENTORY.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    check_against("inventory.yaml", &runbook, &inventory).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(lint_source("rolling-restart.yaml", ROLLING.as_bytes()).to_string(), "");
    assert_eq!(runbook.steps().count(), 7);
    let rest = runbook.step(&StepId::from("restart-rest")).unwrap();
    assert_eq!((rest.order, &rest.undo), (Order::OneAtATime, &Undo::Inverse));
    let again = load_inventory("again.yaml", inventory_yaml(&inventory).as_bytes());
    assert_eq!(again.unwrap_or_else(|error| panic!("{error}")), inventory);
}

#[test]
fn bad_files_are_refused_with_all_their_problems_at_once() {
    let mut seen = 0;
    for entry in std::fs::read_dir(data("bad")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        seen += 1;
        let name = path.file_name().unwrap().to_str().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let problems = if name.starts_with("inventory") {
            load_inventory(name, &bytes).map(drop).unwrap_err()
        } else {
            load_runbook(name, &bytes).map(drop).unwrap_err()
        };
        golden(&path.with_extension("expected"), &format!("{problems}\n"));
    }
    assert!(seen >= 10, "only {seen} files");
}

/// Each key of a good file misspelt in its turn: one problem, at that place, with what was meant, and
/// nothing that only follows from it.
#[test]
fn a_misspelt_key_is_one_problem_with_what_was_meant() {
    let lines: Vec<&str> = ROLLING.lines().collect();
    let mut tried = 0;
    for (at, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start_matches([' ', '-']).len();
        let Some((key, rest)) = line[indent..].split_once(':') else { continue };
        if line.starts_with('#') || key.contains(' ') || matches!(key, "web" | "format") {
            continue;
        }
        tried += 1;
        let wrong = format!("{}{key}{}:{rest}", &line[..indent], &key[key.len() - 1..]);
        let mut copy = lines.clone();
        copy[at] = &wrong;
        let problems = load_runbook("x.yaml", copy.join("\n").as_bytes()).map(drop).unwrap_err();
        let text = problems.to_string();
        let place = format!("x.yaml:{}:{}: ", at + 1, indent + 1);
        assert!(text.starts_with(&place) && text.ends_with(&format!("(did you mean `{key}`?)")), "{wrong}\n{text}");
        assert_eq!(problems.0.len(), 1, "{wrong}\n{text}");
    }
    assert!(tried > 80, "only {tried} keys");
}

#[test]
fn limits_refuse_before_anything_is_built() {
    let deep = format!("format: 1\nid: {}x{}", "[".repeat(40), "]".repeat(40));
    let wide = format!("format: 1\nid: [{}]", "a,".repeat(60_000));
    let long = format!("format: 1\n# {}\n", "x".repeat(1024 * 1024));
    let binary = b"format: 1\nid: \xff\n".to_vec();
    for (bytes, expected) in [
        (deep.into_bytes(), "nested deeper than the 32 levels allowed"),
        (wide.into_bytes(), "more than the 50000 nodes allowed"),
        (long.into_bytes(), "more than the 1048576 allowed"),
        (binary, "not UTF-8 after byte 14"),
    ] {
        let problems = load_runbook("x.yaml", &bytes).unwrap_err().to_string();
        assert!(problems.contains(expected) && problems.lines().count() == 1, "{problems}");
    }
}

/// A runbook of one step, made of the lines of that step.
fn one_step(lines: &str) -> String {
    let indented = lines.lines().fold(String::new(), |all, line| all + "        " + line + "\n");
    format!(
        "format: 1\nid: one\ntitle: One\nsummary: One step\nneeds:\n  cluster: [zone]\n  groups:\n    web: \
         {{ vars: [port] }}\n  services: [web]\nphases:\n  - id: p\n    title: P\n    steps:\n      - id: s\n        \
         title: S\n        why: w\n        expect: e\n        by_hand: b\n        on: web\n{indented}"
    )
}

#[test]
fn scalars_without_quotes_are_the_texts_they_look_like() {
    let yaml = one_step(
        "danger: changes\nconfirm: key\ndo:\n  - flags: { edit: { file: 0123, set: { a: 360mins, b: 8081, c: 1e3, d: \
         true, e: no, f: 0x1F, g: 1.50, h: ~x } } }\ngates:\n  - port: { open: 'a:1' }",
    );
    let runbook = load_runbook("x.yaml", yaml.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let step = runbook.step(&StepId::from("s")).unwrap();
    let kind = serde_json::to_value(&step.actions[0].kind).unwrap();
    let set =
        json!({ "a": "360mins", "b": "8081", "c": "1e3", "d": "true", "e": "no", "f": "0x1F", "g": "1.50", "h": "~x" });
    assert_eq!(kind["flags"]["edit"]["file"], "0123");
    assert_eq!(kind["flags"]["edit"]["set"], set);
}

#[test]
fn variables_keep_what_they_are_unless_json_would_write_them_otherwise() {
    let yaml = "format: 1\ncluster:\n  name: c\n  vars: { a: 12, b: 1e3, c: 0123, d: true, e: no, f: 1.5, g: x }\ngroups: \
                {}\n";
    let inventory = load_inventory("x.yaml", yaml.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let vars: BTreeMap<&str, Value> =
        inventory.vars.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let expected = json!({ "a": 12, "b": "1e3", "c": "0123", "d": true, "e": "no", "f": 1.5, "g": "x" });
    assert_eq!(serde_json::to_value(vars).unwrap(), expected);
}

#[test]
fn a_placeholder_in_a_shell_line_stands_where_a_word_stays_a_word() {
    let refused = [
        ("echo '{{ host.port }}'", "within single quotes"),
        ("echo \"{{ host.port }}\"", "within double quotes"),
        ("echo `echo {{ host.port }}`", "within backquotes"),
        ("true # {{ host.port }}", "in a comment"),
        ("cat <<E\n{{ host.port }}\nE", "after the start of a here-document"),
        ("echo ${x:-{{ host.port }}}", "within `${ }`"),
        ("echo $((1 + {{ host.port }}))", "within `$(( ))`"),
        ("echo $\\{{ {{ host.port }}", "within `${ }`"),
        ("echo ${{ host.port }}", "right after `$`"),
        ("echo \"$(echo \"{{ host.port }}\")\"", "after quotes within a substitution"),
        ("echo \"${x:-\"a\"}\" \"{{ host.port }}\"", "after quotes within a substitution"),
        ("echo ${x:-\"}\"}\" {{ host.port }}\"", "after quotes within a substitution"),
        ("echo $'\\'' {{ host.port }} '", "after quotes within a substitution"),
        ("echo ${x:-{a} # }{{ host.port }}", "in a comment"),
        ("echo $((echo a) # ) {{ host.port }}", "after quotes within a substitution"),
        ("cat <\\\n<E\n{{ host.port }}\nE", "after quotes within a substitution"),
        ("echo $[ {{ host.port }} ]", "after quotes within a substitution"),
        ("echo 'x", "a single quote that does not end"),
    ];
    for (shell, expected) in refused {
        let yaml = one_step(&format!("danger: reads\ndo:\n  - command: {{ reads: true, shell: {} }}", json!(shell)));
        let problems = load_runbook("x.yaml", yaml.as_bytes()).map(drop).unwrap_err().to_string();
        assert!(problems.contains(expected), "{shell}: {problems}");
    }
    let fine = [
        "echo {{ host.port }}",
        "a={{ host.port }}; echo \"$a\" '$b' # why not",
        "echo \"it's\" $(echo {{ host.port }}) x{{ host.name }}y > {{ host.port }}",
        "echo \"${HOME}/x\" {{ host.port }} \\' {{ host.port }}",
        "echo a#{{ host.port }} $# {{ host.port }}\n# comment\necho {{ host.port }}",
    ];
    for shell in fine {
        let yaml = one_step(&format!("danger: reads\ndo:\n  - command: {{ reads: true, shell: {} }}", json!(shell)));
        load_runbook("x.yaml", yaml.as_bytes()).unwrap_or_else(|error| panic!("{shell}: {error}"));
    }
}

#[test]
fn the_safety_rules_refuse_what_destroys_without_care() {
    let remove = "  - files: { remove: { path: /x } }";
    let cases = [
        (
            format!("danger: changes\nconfirm: none\ndo:\n{remove}\nundo: {{ none: gone }}"),
            "x.yaml:14:9: phases[0].steps[0]: the step changes something and nothing shows that it did (add `gates`)\n\
             x.yaml:21:18: phases[0].steps[0].confirm: without a confirmation a step may only read (write `confirm: \
             key`)\nx.yaml:23:13: phases[0].steps[0].do[0]: `danger` is less than that of this action, which removes \
             something for good (write `danger: destroys`)",
        ),
        (
            format!(
                "danger: destroys\nconfirm: key\ndo:\n{remove}\ngates:\n  - files: {{ absent: {{ path: /x }} }}\nundo: {{ \
                 none: gone }}"
            ),
            "phases[0].steps[0]: what destroys needs a guard: what it relies on is looked at again with each action (add \
             `guard`)",
        ),
        (
            "danger: reads\ndo:\n  - command: { reads: true, argv: [/bin/sh, -c, 'ls {{ host.port }}'] }".to_owned(),
            "do[0].command.argv[2]: a shell would read this value as a program (use `shell`, which quotes it)",
        ),
        (
            "danger: reads\ndo:\n  - command: { reads: true, shell: 'ssh h ls {{ host.port }}' }".to_owned(),
            "warning: phases[0].steps[0].do[0].command.shell: `ssh` reads its arguments once more",
        ),
        (
            "danger: changes\nconfirm: key\ndo:\n  - command: { argv: [reboot] }\nundo: { none: x }\ngates:\n  - wait: { \
             for: 1s }"
                .to_owned(),
            "warning: phases[0].steps[0].do[0]: if its answer is lost, only a person can tell whether it happened",
        ),
    ];
    for (step, expected) in cases {
        let found = lint_source("x.yaml", one_step(&step).as_bytes()).to_string();
        assert!(found.contains(expected), "{found}\n--- does not contain ---\n{expected}");
    }
}

#[test]
fn an_inventory_is_held_against_what_a_runbook_needs() {
    let runbook = load_runbook("r.yaml", ROLLING.as_bytes()).unwrap();
    let yaml = "format: 1\ncluster: { name: c, vars: { release: /r } }\nservices:\n  webs: { start: [a], stop: [a], \
                status: [a] }\ngroups:\n  web:\n    hosts:\n      - { name: w1, reach: local, vars: { port: 1, hom: /x } }\n";
    let inventory = load_inventory("i.yaml", yaml.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let problems = check_against("i.yaml", &runbook, &inventory).unwrap_err().to_string();
    let expected = "i.yaml: cluster.vars.releases: it is missing; `rolling-restart` needs it (did you mean `release`?)\n\
                    i.yaml: groups.web.hosts: 1 hosts, but `rolling-restart` needs at least 2\n\
                    i.yaml: groups.web.hosts[0].vars.home: it is missing; `rolling-restart` on host `w1` needs it (did \
                    you mean `hom`?)\n\
                    i.yaml: services.web: it is missing; `rolling-restart` needs it (did you mean `webs`?)";
    assert_eq!(problems, expected);
}

#[test]
fn a_plan_names_every_command_on_every_host_and_its_digest_can_be_taken_again() {
    let runbook = load_runbook("r.yaml", ROLLING.as_bytes()).unwrap();
    let text = ROLLING_INVENTORY.replace("ROOT", "/srv/web").replace("PORT", "808");
    let inventory = load_inventory("i.yaml", text.as_bytes()).unwrap();
    let bare = plan(&runbook, None, &Known::default());
    assert!(bare.text().contains("http://127.0.0.1:<host.port>/health"), "{}", bare.text());
    let known = Known {
        mode: Some(Mode::Training),
        inputs: [("release", "v2; rm -rf /"), ("canary", "web2")]
            .map(|(id, value)| (InputId::from(id), Value::from(value)))
            .into(),
    };
    let full = plan(&runbook, Some(&inventory), &known);
    golden(&data("rolling-restart.plan.txt"), &full.text());
    golden(&data("rolling-restart.plan.md"), &full.markdown());
    let bytes = Sha256::digest(full.text().as_bytes());
    let digest = bytes.iter().fold(String::new(), |all, byte| all + &format!("{byte:02x}"));
    assert_eq!(full.digest(), digest);
    assert_ne!(full.digest(), bare.digest());
    let stop = &runbook.step(&StepId::from("restart-rest")).unwrap().actions[0].kind;
    let line = plan::describe_on(stop, &inventory, &HostName::from("web3"));
    assert_eq!(
        (plan::describe(stop).as_str(), line.as_str()),
        ("stop service web", "/srv/web/bin/web stop /srv/web/web3")
    );
}

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    for (file, schema) in [("runbook", runbook_schema()), ("inventory", inventory_schema())] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("assets/{file}.schema.json"));
        if std::env::var_os("FIRSTLIGHT_BLESS").is_some() {
            std::fs::write(&path, schema_file(schema)).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        let same = committed == schema_file(schema);
        assert!(same, "{} is old; `firstlight schema` says what it should be", path.display());
    }
}

#[test]
fn every_shipped_runbook_keeps_the_safety_rules() {
    for runbook in firstlight::runbook::embedded::RUNBOOKS {
        let problems = lint_source(runbook.file, runbook.yaml.as_bytes());
        assert!(!problems.0.iter().any(|problem| problem.severity == Severity::Error), "{problems}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = load_runbook("x.yaml", text.as_bytes());
        let _ = load_inventory("x.yaml", text.as_bytes());
    }

    #[test]
    fn any_yaml_like_text_is_read_or_refused(text in "([\\[\\]{}:,&*!|>'\"%@`#?\\- \n\ta-c0-2~.]|<<|: |- |format: 1\n|\\{\\{ ){0,60}") {
        let _ = load_runbook("x.yaml", text.as_bytes());
        let _ = load_inventory("x.yaml", text.as_bytes());
    }

    #[test]
    fn a_damaged_runbook_is_read_or_refused(at in 0..ROLLING.len(), length in 0..80usize, put in "[\\[\\]{}:\\- \na-z]{0,12}") {
        let mut bytes = ROLLING.as_bytes().to_vec();
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, put.bytes());
        match load_runbook("x.yaml", &bytes) {
            Ok(runbook) => drop(plan(&runbook, None, &Known::default()).markdown()),
            Err(problems) => prop_assert!(problems.has_errors()),
        }
    }
}
