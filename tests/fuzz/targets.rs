//! What each fuzz target does with its bytes. Shared by the fuzz binaries and by the test that replays the
//! corpus, so that every input ever found runs with the ordinary tests.
//!
//! A target fails by a panic: of the code it calls, or of one of its own assertions, where two ways to the
//! same result must agree or what was read must be written and read again as the same.

use std::{collections::BTreeMap, io::Read, path::Path, sync::LazyLock};

use firstlight::{
    aurora::{
        brief::TaskBrief,
        clusters,
        flags_file::FlagsFile,
        log_entry,
        log_entry::{LogEntry, Reassembler},
        selection::Selection,
        snapshot,
        snapshot::BriefSink,
        tbinary,
        tbinary::Reader,
        tjson,
        types::{
            HostAttributes, HostMaintenanceRequest, QuotaConfiguration, ScheduledTask, StoredCronJob,
            StoredJobUpdateDetails,
        },
        value::Struct,
        vars::Vars,
    },
    inventory::load_inventory,
    journal,
    logscan::{Clock, Scanner},
    mesos::state::MasterState,
    replog::{
        Action, ActionKind, Compared, Files, Group, Profile, Record, compare, crc_masked, encode_action,
        encode_metadata, initialized_files, inspect, inspect_as, key_of,
    },
    runbook::load_runbook,
    table,
};

/// A name, and what is done with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target. The names are those of the binaries in `Cargo.toml` and of the directories of the corpus.
pub const TARGETS: &[Target] = &[
    ("snapshot", snapshot),
    ("tjson", tjson),
    ("tbinary", tbinary),
    ("log_entry", log_entry),
    ("vars", vars),
    ("mesos_state", mesos_state),
    ("clusters", clusters),
    ("table", rows),
    ("journal", journal_lines),
    ("runbook", runbook),
    ("inventory", inventory),
    ("leveldb_table", leveldb_table),
    ("leveldb_wal", leveldb_wal),
    ("leveldb_manifest", leveldb_manifest),
    ("record", record),
    ("log_directory", log_directory),
    ("log_values", log_values),
    ("log_lines", log_lines),
    ("selection", selection),
    ("flags_file", flags_file),
];

/// Hands out a byte or two at a time, as a slow disk or line does.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let wanted = buffer.len().min(1 + self.0.len() % 2);
        self.0.read(&mut buffer[..wanted])
    }
}

/// Everything that a walk hands over, in words.
#[derive(Default)]
struct Told {
    tasks: Vec<String>,
    others: BTreeMap<&'static str, Vec<String>>,
}

impl Told {
    fn other(&mut self, kind: &'static str, what: &impl std::fmt::Debug) {
        self.others.entry(kind).or_default().push(format!("{what:?}"));
    }
}

impl BriefSink for Told {
    fn task(&mut self, task: &TaskBrief<'_>) {
        self.tasks.push(format!("{task:?}"));
    }
    fn cron_job(&mut self, job: StoredCronJob) {
        self.other("cron", &job);
    }
    fn quota(&mut self, quota: QuotaConfiguration) {
        self.other("quota", &quota);
    }
    fn host(&mut self, host: HostAttributes) {
        self.other("host", &host);
    }
    fn job_update(&mut self, update: StoredJobUpdateDetails) {
        self.other("update", &update);
    }
    fn lock(&mut self, lock: Struct) {
        self.other("lock", &lock);
    }
    fn maintenance_request(&mut self, request: HostMaintenanceRequest) {
        self.other("maintenance", &request);
    }
}

/// The reader of streams against the decoder of whole structs, and against itself on a slow stream.
fn snapshot(bytes: &[u8]) {
    let summary = snapshot::read_backup(bytes);
    assert_eq!(snapshot::read_backup_from(Slow(bytes)), summary);
    let mut told = Told::default();
    let walked = snapshot::walk_from(bytes, &mut told);
    assert_eq!(snapshot::list_tasks(bytes).is_ok(), walked.error.is_none());
    let mut reader = Reader::new(bytes);
    let (Ok(fields), Ok(whole)) = (reader.structure(), snapshot::decode_snapshot(bytes)) else {
        assert!(walked.error.is_some(), "the walk finds no error in what does not decode");
        assert!(!summary.is_fit(), "a backup that does not decode is fit");
        return;
    };
    assert_eq!(walked.error, None, "{fields:?}");
    assert_eq!(walked.end, reader.offset() as u64);
    let encoded = snapshot::encode_snapshot(&whole);
    let again = snapshot::decode_snapshot(&encoded).unwrap();
    assert_eq!(snapshot::encode_snapshot(&again), encoded);
    let mut ids: Vec<i16> = fields.fields.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        // A field that is there twice: the struct holds one of them, the walk hands over both.
        return;
    }
    let tasks = whole.tasks.iter().flat_map(|set| &set.0).map(|task| format!("{:?}", TaskBrief::of(task)));
    assert_eq!(told.tasks, tasks.collect::<Vec<_>>());
    let mut wanted = Told::default();
    whole.cron_jobs.iter().flat_map(|set| &set.0).for_each(|one| wanted.other("cron", one));
    whole.quotas.iter().flat_map(|set| &set.0).for_each(|one| wanted.other("quota", one));
    whole.host_attributes.iter().flat_map(|set| &set.0).for_each(|one| wanted.other("host", one));
    whole.job_updates.iter().flat_map(|set| &set.0).for_each(|one| wanted.other("update", one));
    for kind in ["cron", "quota", "host", "update"] {
        assert_eq!(told.others.get(kind), wanted.others.get(kind), "{kind}");
    }
    let count = |all: Option<&Vec<String>>| all.map_or(0, Vec::len) as u64;
    assert_eq!(summary.counts.tasks, told.tasks.len() as u64);
    assert_eq!(summary.counts.cron_jobs, count(told.others.get("cron")));
}

fn tjson(bytes: &[u8]) {
    let Ok(message) = tjson::decode_message(bytes) else { return };
    let Ok(encoded) = tjson::encode_message(&message) else { return };
    let again = tjson::decode_message(&encoded).unwrap();
    assert_eq!(tjson::encode_message(&again).unwrap(), encoded);
    // The other form says the same.
    let binary = tbinary::encode_message(&again);
    assert_eq!(tbinary::encode_message(&tbinary::decode_message(&binary).unwrap()), binary);
}

fn tbinary(bytes: &[u8]) {
    if let Ok(fields) = tbinary::decode_struct(bytes) {
        let encoded = tbinary::encode_struct(&fields);
        assert_eq!(tbinary::decode_struct(&encoded).unwrap(), fields);
    }
    let Ok(message) = tbinary::decode_message(bytes) else { return };
    let encoded = tbinary::encode_message(&message);
    assert_eq!(tbinary::decode_message(&encoded).unwrap(), message);
    assert_eq!(tbinary::decode_message(&tbinary::encode_message_old(&message)).unwrap(), message);
}

fn log_entry(bytes: &[u8]) {
    let _ = log_entry::classify(bytes);
    if let Ok(entry) = LogEntry::decode(bytes) {
        let encoded = entry.encode();
        let again = LogEntry::decode(&encoded).unwrap();
        assert_eq!(again.encode(), encoded);
        drop(again.into_snapshot());
    }
    // As payloads that follow one another: a length of two bytes before each.
    let mut frames = Reassembler::new();
    let mut rest = bytes;
    while let Some((head, after)) = rest.split_first_chunk::<2>() {
        let (payload, after) = after.split_at(usize::from(u16::from_be_bytes(*head)).min(after.len()));
        drop(frames.push(payload));
        rest = after;
    }
    frames.finish();
}

fn vars(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for vars in [Vars::parse_lines(&text), Vars::parse_json(&text)].into_iter().flatten() {
        drop(vars.lifecycle());
        drop(vars.flags());
        drop((vars.framework_registered(), vars.uptime_secs(), vars.build_version()));
        for value in vars.values.values() {
            let _ = (value.as_int(), value.to_string());
        }
    }
}

fn mesos_state(bytes: &[u8]) {
    let whole = MasterState::from_slice(bytes);
    let piecewise = MasterState::from_reader(Slow(bytes));
    match (whole, piecewise) {
        (Ok(whole), Ok(piecewise)) => {
            assert_eq!(format!("{whole:?}"), format!("{piecewise:?}"));
            let _ = (whole.is_leading(), whole.aurora().count());
        }
        (Err(_), Err(_)) => {}
        (whole, piecewise) => panic!("{:?} and {:?}", whole.is_ok(), piecewise.is_ok()),
    }
}

fn clusters(bytes: &[u8]) {
    drop(clusters::parse(bytes));
}

fn rows(bytes: &[u8]) {
    let Ok(read) = table::read(&mut &*bytes) else { return };
    let mut written = Vec::new();
    table::write(&read, &mut written).unwrap();
    let again = table::read(&mut written.as_slice()).unwrap();
    let mut twice = Vec::new();
    table::write(&again, &mut twice).unwrap();
    assert_eq!(twice, written);
    let index = table::Index::of(&read);
    let mut browse = table::Browse::of(&read);
    // What is typed, and where it is sorted and grouped, comes from the bytes as well.
    let typed: String = read.title().chars().take(40).collect();
    browse.type_filter(&read, &index, &typed);
    browse.sort_by(&read, &index, (!read.columns().is_empty()).then(|| (bytes.len() % read.columns().len(), true)));
    browse.mark_shown(&index);
    assert!(browse.marked_shown() <= browse.marked() && browse.shown().len() <= read.len());
}

/// A record's line with the checksum that it should have, so that what is behind it is reached.
fn journal_lines(bytes: &[u8]) {
    let path = Path::new("journal.jsonl");
    drop(journal::read(bytes, path));
    let first = journal::LineHash::of(b"");
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let body = body.len().checked_sub(br#","crc":"00000000"}"#.len()).map_or(body, |at| &body[..at]);
    let mut line = body.to_vec();
    line.extend_from_slice(format!(",\"crc\":\"{:08x}\"}}\n", crc32c::crc32c(body)).as_bytes());
    drop(journal::read(line.as_slice(), path));
    let Ok(record) = journal::decode(&line, 1, first) else { return };
    if let Ok(encoded) = journal::encode(1, record.at, first, &record.event) {
        assert_eq!(journal::decode(&encoded, 1, first).unwrap().event, record.event);
    }
}

fn runbook(bytes: &[u8]) {
    match load_runbook("fuzz.yaml", bytes) {
        Ok(runbook) => assert!(runbook.steps().count() > 0),
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
}

fn inventory(bytes: &[u8]) {
    match load_inventory("fuzz.yaml", bytes) {
        Ok(inventory) => {
            let written = firstlight::inventory::inventory_yaml(&inventory);
            let again = load_inventory("fuzz.yaml", written.as_bytes());
            assert_eq!(again.map_err(|problems| problems.to_string()), Ok(inventory), "{written}");
        }
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
}

/// The files of a log that was just initialized, with some of them replaced.
fn directory(changed: impl IntoIterator<Item = (String, Vec<u8>)>) -> Files {
    let mut files: BTreeMap<String, Vec<u8>> =
        initialized_files().into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
    files.extend(changed);
    Files::new("/log", files)
}

/// Reads the directory as both libraries would, twice: the same bytes give the same verdict.
fn look_into(files: &Files) {
    for profile in [Profile::Leveldb119, Profile::Leveldb123] {
        let inspection = inspect_as(files, profile);
        let view = &inspection.mesos_view;
        assert_eq!(view.opens, view.error.is_none());
        if let (Some(begin), Some(end)) = (view.begin, view.end) {
            assert!(begin <= end || view.actions == 0, "{begin}..{end}");
        }
        for action in inspection.actions().iter().take(8) {
            drop(inspection.payload(files, action));
        }
        assert_eq!(inspect_as(files, profile).summary, inspection.summary);
        // What was read while the values passed by is what a second reading finds, where nothing was truncated.
        let first = inspection.actions().first().map_or(u64::MAX, |at| at.action.position);
        if view.begin.unwrap_or(0) <= first {
            assert_eq!(inspection.lines(files, &mut |_| ()), inspection.content);
        }
    }
}

/// Where a name of the initialized log begins with this.
fn initialized(prefix: &str, suffix: &str) -> String {
    let files = initialized_files();
    let name = files.iter().map(|(name, _)| *name).find(|name| name.starts_with(prefix) && name.ends_with(suffix));
    name.unwrap().to_owned()
}

/// The first byte says what the others are: a whole table, a block of entries, or an index.
fn leveldb_table(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let table = match kind % 4 {
        0 => rest.to_vec(),
        1 => wrapped_table(rest, 0),
        2 => wrapped_table(rest, 1),
        _ => with_index(vec![0; 64], rest),
    };
    // A table that the manifest does not know is found when the manifest is rebuilt or compared.
    let mut manifest = initialized_files().into_iter().find(|(name, _)| name.starts_with("MANIFEST")).unwrap().1;
    manifest.extend_from_slice(&log_record(&new_file(5, table.len() as u64)));
    let manifest_name = initialized("MANIFEST", "");
    look_into(&directory([("000005.ldb".to_owned(), table), (manifest_name, manifest)]));
}

/// A version edit that adds a table over every key.
fn new_file(number: u8, len: u64) -> Vec<u8> {
    let mut edit = vec![7, 0, number];
    put_varint(&mut edit, len);
    for key in [b"0000000000", b"9999999999"] {
        edit.push(18);
        edit.extend_from_slice(key);
        edit.extend_from_slice(&[1, 1, 0, 0, 0, 0, 0, 0]);
    }
    edit
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A whole record of a log file, for the first of its blocks.
fn log_record(payload: &[u8]) -> Vec<u8> {
    let mut record = crc_masked(&[&[1], payload]).to_le_bytes().to_vec();
    record.extend_from_slice(&(payload.len() as u16).to_le_bytes());
    record.push(1);
    record.extend_from_slice(payload);
    record
}

/// A table of one block of these bytes, with an index that points at it.
fn wrapped_table(block: &[u8], compression: u8) -> Vec<u8> {
    let mut file = block.to_vec();
    put_trailer(&mut file, 0, compression);
    let mut index = vec![0, 10];
    let mut handle = Vec::new();
    put_varint(&mut handle, 0);
    put_varint(&mut handle, block.len() as u64);
    index.push(handle.len() as u8);
    index.extend_from_slice(b"9999999999");
    index.extend_from_slice(&handle);
    index.extend_from_slice(&[0, 0, 0, 0, 1, 0, 0, 0]);
    with_index(file, &index)
}

fn with_index(mut file: Vec<u8>, index: &[u8]) -> Vec<u8> {
    let mut footer = Vec::new();
    for block in [[0, 0, 0, 0, 1, 0, 0, 0].as_slice(), index] {
        let at = file.len();
        file.extend_from_slice(block);
        put_trailer(&mut file, at, 0);
        put_varint(&mut footer, at as u64);
        put_varint(&mut footer, block.len() as u64);
    }
    footer.resize(40, 0);
    footer.extend_from_slice(&0xdb47_7524_8b80_fb57_u64.to_le_bytes());
    file.extend_from_slice(&footer);
    file
}

fn put_trailer(file: &mut Vec<u8>, from: usize, compression: u8) {
    let sum = crc_masked(&[&file[from..], &[compression]]);
    file.push(compression);
    file.extend_from_slice(&sum.to_le_bytes());
}

/// Gives every record of a log file the checksum that it should have, as far as the lengths lead.
fn healed(bytes: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 32_768;
    let mut file = bytes.to_vec();
    let mut at = 0;
    while at + 7 <= file.len() {
        if BLOCK - at % BLOCK < 7 {
            at += BLOCK - at % BLOCK;
            continue;
        }
        let len = usize::from(u16::from_le_bytes([file[at + 4], file[at + 5]]));
        let end = at + 7 + len;
        if end > file.len() || at % BLOCK + 7 + len > BLOCK {
            break;
        }
        let sum = crc_masked(&[&file[at + 6..end]]);
        file[at..at + 4].copy_from_slice(&sum.to_le_bytes());
        at = end;
    }
    file
}

/// The first byte says whether checksums are put right.
fn healed_or_not(bytes: &[u8]) -> Vec<u8> {
    match bytes.split_first() {
        Some((kind, rest)) if kind % 2 == 1 => healed(rest),
        Some((_, rest)) => rest.to_vec(),
        None => Vec::new(),
    }
}

fn leveldb_wal(bytes: &[u8]) {
    look_into(&directory([(initialized("0", ".log"), healed_or_not(bytes))]));
}

fn leveldb_manifest(bytes: &[u8]) {
    look_into(&directory([
        (initialized("MANIFEST", ""), healed_or_not(bytes)),
        ("000005.ldb".to_owned(), wrapped_table(&[0, 0, 0, 0, 1, 0, 0, 0], 0)),
    ]));
}

fn record(bytes: &[u8]) {
    let _ = firstlight::replog::key(bytes);
    let Ok(record) = firstlight::replog::decode(bytes) else { return };
    let encoded = match &record {
        Record::Metadata { status, promised } => encode_metadata(*status, *promised),
        Record::Action(action, range) => {
            let payload = range.clone().map_or(&[][..], |range| &bytes[range]);
            let encoded = encode_action(action, payload);
            let Ok(Record::Action(again, place)) = firstlight::replog::decode(&encoded) else { panic!("{action:?}") };
            assert_eq!(&again, action);
            assert_eq!(place.map_or(&[][..], |range| &encoded[range]), payload);
            return;
        }
        Record::Promise { .. } | Record::PartMissing(_) => return,
    };
    assert_eq!(firstlight::replog::decode(&encoded), Ok(record));
}

/// Directory to file to ranges in the pool.
type Recorded = (BTreeMap<String, BTreeMap<String, Vec<(usize, usize)>>>, Vec<u8>);

/// The recorded directories of replicas: an index line, and a pool of bytes shared between them.
static RECORDED: LazyLock<Recorded> = LazyLock::new(|| {
    let packed: &[u8] = include_bytes!("../data/replog/directories.pack.gz");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    (serde_json::from_slice(&bytes[..line]).unwrap(), bytes.split_off(line + 1))
});

/// Bytes of a recorded directory that is mutated: the search shall be quick.
const MUTATED_BYTES_MAX: usize = 400_000;

/// The first byte chooses a recorded directory, each six that follow change it: which file, what is done, where (three
/// bytes), and with what.
fn log_directory(bytes: &[u8]) {
    let (index, pool) = &*RECORDED;
    let Some((choice, script)) = bytes.split_first() else { return };
    let size =
        |files: &BTreeMap<String, Vec<(usize, usize)>>| -> usize { files.values().flatten().map(|(_, len)| len).sum() };
    let small: Vec<_> = index.values().filter(|files| size(files) < MUTATED_BYTES_MAX).collect();
    let chosen = small[usize::from(*choice) % small.len()];
    let mut files: BTreeMap<String, Vec<u8>> = chosen
        .iter()
        .filter(|(name, _)| !name.starts_with("LO"))
        .map(|(name, ranges)| {
            (name.clone(), ranges.iter().flat_map(|(at, len)| &pool[*at..at + len]).copied().collect())
        })
        .collect();
    let whole = Files::new("/log", files.clone());
    for step in script.as_chunks::<6>().0.iter().take(16) {
        let [file, what, a, b, c, value] = *step;
        let name = files.keys().nth(usize::from(file) % files.len().max(1)).cloned();
        let Some(name) = name else { break };
        let content = files.get_mut(&name).unwrap();
        let at = (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)) % content.len().max(1);
        let end = (at + usize::from(value) * 16).min(content.len());
        match what % 6 {
            0 => content.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= value.max(1)),
            1 => content.truncate(at),
            2 => content.get_mut(at..end).unwrap_or_default().fill(0),
            3 => {
                let copy = content.get(at..end).unwrap_or_default().to_vec();
                content.splice(at..at, copy);
            }
            4 => content.extend(std::iter::repeat_n(value, usize::from(c) * 64)),
            _ => drop(files.remove(&name)),
        }
    }
    let mutated = Files::new("/log", files);
    look_into(&mutated);
    let (one, other) = (inspect(&whole), inspect(&mutated));
    let compared = [("a", &one), ("b", &other), ("c", &one)]
        .map(|(name, inspection)| Compared { name, inspection: Some(inspection) });
    let comparison = compare(&compared, Group { quorum: Some(2), auto_initialize: false });
    assert_eq!(comparison.members.len(), 3);
    assert!(comparison.different_count >= comparison.differences.len() as u64);
}

/// Payloads of positions that follow one another: a length of two bytes before each. What the content says must agree
/// with what each line says.
fn log_values(bytes: &[u8]) {
    let mut wal = Vec::new();
    let mut rest = bytes;
    let mut put = |sequence: u64, key: &[u8], value: &[u8]| {
        let mut batch = sequence.to_le_bytes().to_vec();
        batch.extend_from_slice(&1_u32.to_le_bytes());
        batch.push(1);
        for part in [key, value] {
            put_varint(&mut batch, part.len() as u64);
            batch.extend_from_slice(part);
        }
        // One record for each block, so that none has to be split.
        let at = wal.len();
        wal.extend(log_record(&batch));
        wal.resize(at + 32_768, 0);
    };
    let voting = encode_metadata(firstlight::replog::Status::Voting, 1);
    put(1, b"0000000000", &voting);
    let mut count = 0;
    while let Some((head, after)) = rest.split_first_chunk::<2>() {
        let (payload, after) = after.split_at(usize::from(u16::from_be_bytes(*head) % 32_000).min(after.len()));
        rest = after;
        count += 1;
        let kind = Some(ActionKind::Append { len: payload.len() as u64 });
        let action = Action { position: count, promised: 1, performed: Some(1), learned: Some(true), kind };
        put(count + 1, &key_of(count), &encode_action(&action, payload));
    }
    let files = directory([(initialized("0", ".log"), wal)]);
    look_into(&files);
    let inspection = inspect(&files);
    let content = &inspection.content;
    assert_eq!((content.entries, content.unread), (count, 0));
    let (mut lines, mut noops) = (0, 0);
    inspection.lines(&files, &mut |line| {
        lines += 1;
        noops += u64::from(line.class.as_deref() == Some("noop"));
    });
    assert_eq!(lines, count);
    assert!(noops <= content.noops);
    assert!(content.whole_entries >= content.noops + content.snapshots.len() as u64);
}

fn log_lines(bytes: &[u8]) {
    let clock = Clock::fixed(1_795_388_400_000, 0);
    let text = String::from_utf8_lossy(bytes);
    let mut scanner = Scanner::new(clock);
    text.lines().for_each(|line| scanner.line(line));
    let scan = scanner.finish();
    assert!(scan.matched <= scan.lines || text.contains("MESSAGE"));
    drop(scan.diagnoses());
    let _ = scan.leadership(0);
    // Bytes in any portions are the same lines.
    let fed = |size: usize| {
        let mut scanner = Scanner::new(Clock::fixed(1_795_388_400_000, 0));
        bytes.chunks(size).for_each(|portion| scanner.feed(portion));
        scanner.finish()
    };
    let whole = fed(usize::MAX);
    if bytes.len() < 8192 {
        assert_eq!(fed(7), whole);
    }
    drop(firstlight::logscan::across(&BTreeMap::from([("a".to_owned(), whole), ("b".to_owned(), scan)])));
    let _ = firstlight::logscan::Table::with_own(&text);
}

fn selection(bytes: &[u8]) {
    let Ok(selection) = Selection::parse(&String::from_utf8_lossy(bytes)) else { return };
    // Nothing is meant by a selection that says nothing.
    assert!(!selection.fits(&ScheduledTask::default()) || String::from_utf8_lossy(bytes).contains('='));
}

/// An edit of a flags file does what was asked or nothing; made again it changes nothing.
fn flags_file(bytes: &[u8]) {
    let Ok(file) = FlagsFile::parse(bytes) else { return };
    let _ = file.flags();
    let set = BTreeMap::from([
        ("mesos_master_address".to_owned(), "zk://localhost:1111/mesos/master"),
        ("max_registration_delay".to_owned(), "360mins"),
    ]);
    let unset = ["gc_executor_path".to_owned()];
    let Ok(edited) = file.edit(&set, &unset) else { return };
    let again = FlagsFile::parse_as(edited.text.as_bytes(), Some(file.form())).unwrap();
    for (flag, value) in &set {
        assert_eq!(again.values(flag), [*value]);
    }
    assert!(again.values("gc_executor_path").is_empty());
    assert_eq!(again.edit(&set, &unset).unwrap().text, edited.text);
}
