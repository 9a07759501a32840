//! Both Thrift forms against every recorded exchange, and against made-up trees and bytes.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests, beside the tests themselves")]

use firstlight::aurora::types::{self, Response, ResponseCode};
use firstlight::aurora::value::{Map, Message, MessageKind, Seq, Struct, TType, Value};
use firstlight::aurora::{tbinary, tjson};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

pub fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/aurora").join(path)
}

/// Head and body of a recorded HTTP message, chunks joined.
pub fn http(bytes: &[u8]) -> (String, Vec<u8>) {
    let split = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
    let head = String::from_utf8_lossy(&bytes[..split]).into_owned();
    let mut body = bytes.get(split + 4..).unwrap_or_default();
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return (head.clone(), unpacked(&head, body.to_vec()));
    }
    let mut joined = Vec::new();
    while let Some(line) = body.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..line]).unwrap().trim(), 16).unwrap();
        joined.extend_from_slice(&body[line + 2..line + 2 + size]);
        body = &body[line + 4 + size..];
        if size == 0 {
            break;
        }
    }
    let joined = unpacked(&head, joined);
    (head, joined)
}

fn unpacked(head: &str, body: Vec<u8>) -> Vec<u8> {
    if !head.to_ascii_lowercase().contains("content-encoding: gzip") {
        return body;
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
    plain
}

fn recorded() -> BTreeMap<String, Vec<u8>> {
    ["http", "aurora_admin"]
        .into_iter()
        .flat_map(|dir| std::fs::read_dir(data(dir)).unwrap())
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect()
}

/// The message of a recording, if it is one in this form.
fn thrift_body(head: &str, body: &[u8]) -> Option<&'static str> {
    let binary = head.to_ascii_lowercase().contains("content-type: application/vnd.apache.thrift.binary");
    if body.is_empty() {
        None
    } else if binary {
        Some("bin")
    } else if body.starts_with(b"[1,") {
        Some("json")
    } else {
        None
    }
}

#[test]
fn every_recorded_message_decodes_and_encodes_back() {
    let mut seen = BTreeMap::new();
    for (name, bytes) in recorded() {
        let (head, body) = http(&bytes);
        if head.contains("POST /api") && name.contains("truncated") {
            assert!(tbinary::decode_message(&body).is_err(), "{name}");
            continue;
        }
        let Some(form) = thrift_body(&head, &body) else { continue };
        *seen.entry(form).or_insert(0) += 1;
        if form == "bin" {
            let message = tbinary::decode_message(&body).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(tbinary::encode_message(&message), body, "{name}: bytes differ");
            let old = tbinary::encode_message_old(&message);
            assert_eq!(tbinary::decode_message(&old).unwrap(), message, "{name}: old form");
            let json = tjson::encode_message(&message).unwrap();
            assert_eq!(tjson::decode_message(&json).unwrap(), message, "{name}: through TJSON");
        } else {
            let message = tjson::decode_message(&body).unwrap_or_else(|error| panic!("{name}: {error}"));
            let again = tjson::encode_message(&message).unwrap();
            if name.ends_with("response") {
                assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(&body), "{name}: text differs");
            }
            assert_eq!(tjson::decode_message(&again).unwrap(), message, "{name}");
            assert_eq!(
                tbinary::decode_message(&tbinary::encode_message(&message)).unwrap(),
                message,
                "{name}: through TBinary"
            );
        }
    }
    assert!(seen["bin"] > 150 && seen["json"] > 150, "{seen:?}");
}

/// Repeats of these calls in the other form happened in another state, or were answered otherwise.
const NOT_REPEATED_ALIKE: &[&str] = &["stageRecovery", "createJob", "300-precommit", "backup", "Backup"];

#[test]
fn both_forms_of_one_exchange_agree() {
    let all = recorded();
    let mut compared = 0;
    for (name, bytes) in &all {
        let Some(stem) = name.strip_suffix(".bin.response") else { continue };
        if NOT_REPEATED_ALIKE.iter().any(|word| stem.contains(word)) {
            continue;
        }
        let Some(json) = all.get(&format!("{stem}.json.response")) else { continue };
        let ((bin_head, bin_body), (json_head, json_body)) = (http(bytes), http(json));
        if thrift_body(&bin_head, &bin_body) != Some("bin") || thrift_body(&json_head, &json_body) != Some("json") {
            continue;
        }
        let bin = tbinary::decode_message(&bin_body).unwrap().body.canonical();
        let json = tjson::decode_message(&json_body).unwrap().body.canonical();
        assert!(bin == json, "{stem}:\n{bin:?}\n{json:?}");
        compared += 1;
    }
    assert!(compared >= 36, "{compared}");
}

#[test]
fn typed_responses_keep_everything() {
    let mut codes = BTreeMap::new();
    for (name, bytes) in recorded() {
        let (head, body) = http(&bytes);
        if !name.ends_with("response") {
            continue;
        }
        let message = match thrift_body(&head, &body) {
            Some("bin") => tbinary::decode_message(&body).unwrap(),
            Some("json") => tjson::decode_message(&body).unwrap(),
            _ => continue,
        };
        if message.kind != MessageKind::Reply {
            continue;
        }
        let fields = message.body.rec(0).unwrap().clone();
        let response = Response::from_struct(fields.clone());
        assert_eq!(response.to_struct().canonical(), fields.canonical(), "{name}");
        // The refusal of a permission comes from a filter that does not know the cluster's name.
        let expected = (response.code != ResponseCode::AuthFailed).then_some("oracle");
        assert_eq!(response.cluster_name(), expected, "{name}");
        *codes.entry(response.code).or_insert(0) += 1;
        let tasks = response.tasks().or_else(|| response.recovery_tasks());
        for task in tasks.into_iter().flatten() {
            assert!(task.job_key().is_some() && task.other.is_empty() && task.assigned_task.other.is_empty(), "{name}");
        }
    }
    assert!(codes[&ResponseCode::Ok] > 50 && codes[&ResponseCode::Error] > 20, "{codes:?}");
    assert!(
        codes.contains_key(&ResponseCode::AuthFailed) && codes.contains_key(&ResponseCode::ErrorTransient),
        "{codes:?}"
    );
}

#[test]
fn html_and_other_text_is_not_tjson() {
    for (text, not_json) in [
        ("<html></html>", true),
        ("", true),
        ("[1,\"m\",1,0,{}] x", true),
        ("[2,\"m\",1,0,{}]", false),
        ("[1,\"m\",9,0,{}]", false),
        ("[1,\"m\",1,0,{\"1\":{\"xyz\":1}}]", false),
        ("[1,\"m\",1,0,{\"1\":{\"lst\":[\"i32\",2,1]}}]", false),
        ("[1,\"m\",1,0,{\"1\":{\"lst\":[\"i32\",1,1,2]}}]", false),
        ("[1,\"m\",1,0,{\"1\":{\"i8\":300}}]", false),
        ("[1,\"m\",1,0,{\"1\":{\"tf\":2}}]", false),
        ("[1,\"m\",1,0]", false),
        ("{}", false),
    ] {
        assert_eq!(tjson::decode_message(text.as_bytes()).unwrap_err().not_json, not_json, "{text}");
    }
}

#[test]
fn odd_values_have_their_tjson_form() {
    let body = Struct::new()
        .with(1, Value::Double(f64::NAN))
        .with(2, Value::Double(f64::NEG_INFINITY))
        .with(3, Value::Binary(vec![0xff, 0x00]))
        .with(
            4,
            Value::Map(Map { key: TType::I32, value: TType::Bool, entries: vec![(Value::I32(-7), Value::Bool(true))] }),
        )
        .with(5, "a\"\\\u{8}\u{1}é\u{1f600}/");
    let text = String::from_utf8(tjson::encode_message(&Message::call("m", -1, body)).unwrap()).unwrap();
    assert_eq!(
        text,
        "[1,\"m\",1,-1,{\"1\":{\"dbl\":\"NaN\"},\"2\":{\"dbl\":\"-Infinity\"},\"3\":{\"str\":\"/wA\"},\
         \"4\":{\"map\":[\"i32\",\"tf\",1,{\"-7\":1}]},\"5\":{\"str\":\"a\\\"\\\\\\b\\u0001é\u{1f600}/\"}}]"
    );
    let back = tjson::decode_message(text.as_bytes()).unwrap();
    assert_eq!(
        back.body.get(4),
        Some(&Value::Map(Map {
            key: TType::I32,
            value: TType::Bool,
            entries: vec![(Value::I32(-7), Value::Bool(true))]
        }))
    );
    assert_eq!(tjson::base64_decode(back.body.str(3).unwrap()), Some(vec![0xff, 0]));
    assert_eq!(tjson::base64_decode("/wA="), Some(vec![0xff, 0]));
    assert_eq!(tjson::base64_decode("/"), None);
}

#[test]
fn hostile_binary_is_refused_without_allocating() {
    let deep: Vec<u8> = [0x0c, 0, 1].repeat(100_000);
    let wide_list = [0x0f, 0, 1, 0x0c, 0x7f, 0xff, 0xff, 0xff, 0, 0];
    let wide_map = [0x0d, 0, 1, 2, 2, 0x7f, 0xff, 0xff, 0xff, 0, 0];
    let long_text = [0x0b, 0, 1, 0x7f, 0xff, 0xff, 0xff, 0x61];
    for bytes in
        [&deep[..], &wide_list, &wide_map, &long_text, &[0x0b, 0, 1, 0xff, 0xff, 0xff, 0xff], &[0x07, 0, 1], &[]]
    {
        assert!(tbinary::decode_struct(bytes).is_err());
    }
    assert!(matches!(tbinary::decode_struct(&deep), Err(tbinary::TBinaryError::TooDeep { .. })));
    let deep_json = format!("[1,\"m\",1,0,{}", "{\"1\":{\"rec\":".repeat(100_000));
    assert!(tjson::decode_message(deep_json.as_bytes()).is_err());
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::Byte),
        any::<i16>().prop_map(Value::I16),
        any::<i32>().prop_map(Value::I32),
        any::<i64>().prop_map(Value::I64),
        any::<f64>().prop_filter("JSON has one NaN", |number| !number.is_nan()).prop_map(Value::Double),
        ".{0,12}".prop_map(Value::Str),
    ]
}

fn tree() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::btree_map(any::<i16>(), inner.clone(), 0..5)
                .prop_map(|fields| Value::Struct(Struct { fields: fields.into_iter().collect() })),
            (inner.clone(), 0..4_usize, any::<bool>()).prop_map(|(item, count, list)| {
                let seq = Seq { elem: item.ttype(), items: vec![item; count] };
                if list { Value::List(seq) } else { Value::Set(seq) }
            }),
            (prop::collection::btree_set(any::<i64>(), 0..4), inner).prop_map(|(keys, value)| {
                let entries = keys.into_iter().map(|key| (Value::I64(key), value.clone())).collect();
                Value::Map(Map { key: TType::I64, value: value.ttype(), entries })
            }),
        ]
    })
}

/// Reads a tree as this type and writes it: everything that was read is still there, and writing is stable.
macro_rules! keeps {
    ($tree:expr; $($type:ident),* $(,)?) => {$({
        let once = types::$type::from_struct($tree.clone()).to_struct();
        for (id, value) in &$tree.fields {
            // A struct inside may gain the fields that its type always writes.
            let nested = matches!(value, Value::Struct(_) | Value::Set(_) | Value::List(_) | Value::Map(_));
            let kept = once.get(*id);
            prop_assert!(if nested { kept.is_some() } else { kept == Some(value) }, "{} field {}", stringify!($type), id);
        }
        let twice = types::$type::from_struct(once.clone()).to_struct();
        prop_assert_eq!(&twice, &once, "{}", stringify!($type));
        let message = Message::reply("m", 0, once);
        prop_assert_eq!(&tbinary::decode_message(&tbinary::encode_message(&message)).unwrap(), &message);
        prop_assert_eq!(&tjson::decode_message(&tjson::encode_message(&message).unwrap()).unwrap(), &message);
    })*};
}

/// A struct whose fields have the numbers that Aurora's types use.
fn plausible() -> impl Strategy<Value = Struct> {
    prop::collection::btree_map(0..36_i16, tree(), 0..8)
        .prop_map(|fields| Struct { fields: fields.into_iter().collect() })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_type_keeps_what_it_reads(tree in plausible()) {
        keeps!(tree; Response, ServerInfo, ResponseDetail, TaskQuery, JobKey, Identity, ScheduledTask, AssignedTask, TaskEvent, TaskConfig);
        keeps!(tree; JobConfiguration, RoleSummary, JobStats, JobSummary, ResourceAggregate, QuotaConfiguration, GetQuotaResult, Range);
        keeps!(tree; ConfigGroup, ConfigSummary, PendingReason, TierConfig, GetTierConfigResult, HostStatus, Hosts, JobUpdateQuery);
        keeps!(tree; ExplicitReconciliationSettings, Attribute, HostAttributes, HostMaintenanceRequest, JobUpdateKey, JobUpdateState);
        keeps!(tree; JobUpdateSummary, JobUpdate, JobUpdateEvent, JobUpdateDetails, SchedulerMetadata);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn trees_round_trip_in_both_forms(value in tree(), seqid in any::<i32>(), name in "[a-zA-Z]{1,20}") {
        let message = Message::reply(&name, seqid, value);
        prop_assert_eq!(&tbinary::decode_message(&tbinary::encode_message(&message)).unwrap(), &message);
        prop_assert_eq!(&tjson::decode_message(&tjson::encode_message(&message).unwrap()).unwrap(), &message);
    }

    #[test]
    fn any_bytes_decode_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = tbinary::decode_message(&bytes);
        let _ = tbinary::decode_struct(&bytes);
        let _ = tjson::decode_message(&bytes);
    }
}
