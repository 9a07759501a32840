//! Made clusters: deterministic, of any size, written straight to a stream. Shared by the benches.
//!
//! A task here has the fields, in the order and of the sizes, that those of a recorded backup of 20,000 tasks have: about 900 bytes. Tasks of
//! one job do not stand together, because a scheduler writes hash sets.

use std::io::{self, Write};

/// Framework id of every made cluster.
pub const FRAMEWORK: &str = "5a4ba2f2-9c1e-4b0e-8f65-d5c41c23bd4e-0000";
/// When the made backup was taken, in milliseconds since the epoch.
pub const TAKEN_MS: i64 = 1_795_363_493_636;

/// How large.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub tasks: u64,
    pub jobs: u64,
    pub roles: u64,
    pub hosts: u64,
}

impl Size {
    /// The proportions of a cluster with so many tasks: fifty a job, fifty a host, forty jobs a role.
    pub const fn of_tasks(tasks: u64) -> Self {
        let jobs = tasks / 50 + 1;
        Self { tasks, jobs, roles: jobs / 40 + 1, hosts: tasks / 50 + 1 }
    }
}

/// What a task is called and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeTask {
    pub id: String,
    pub role: String,
    pub environment: &'static str,
    pub name: String,
    pub instance: i32,
    /// The number on the wire; 2 is RUNNING.
    pub status: i32,
    pub host: String,
    pub agent_id: String,
}

/// A number that looks random, the same for the same number.
pub const fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The task of this index.
pub fn task(index: u64, size: Size) -> MadeTask {
    let number = mixed(index);
    let job = number % size.jobs;
    let role = format!("team{:04}", mixed(job) % size.roles);
    let environment = match job % 4 {
        0 => "prod",
        1 => "staging1",
        2 => "devel",
        _ => "test",
    };
    let name = format!("service{job:05}");
    let instance = (index / size.jobs) as i32;
    let tail = mixed(number);
    let uuid = format!(
        "{:08x}-{:04x}-4{:03x}-9{:03x}-{:012x}",
        tail >> 32,
        (tail >> 16) & 0xffff,
        tail & 0xfff,
        number & 0xfff,
        number >> 16
    );
    // One in ten has ended.
    let status = if number.is_multiple_of(10) { if tail % 4 == 3 { 7 } else { 3 + (tail % 4) as i32 } } else { 2 };
    let host = tail % size.hosts;
    MadeTask {
        id: format!("{role}-{environment}-{name}-{instance}-{uuid}"),
        role,
        environment,
        name,
        instance,
        status,
        host: format!("agent-{host:05}.example.org"),
        agent_id: format!("5a4ba2f2-9c1e-4b0e-8f65-d5c41c23bd4e-S{host}"),
    }
}

/// Writes a whole backup file.
pub fn write_backup(out: &mut impl Write, size: Size) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(1 << 16);
    let mut put = Put(&mut buffer);
    put.i64(1, TAKEN_MS);
    put.set(3, size.hosts);
    for host in 0..size.hosts {
        put.host(host);
        flush(out, put.0)?;
    }
    put.set(4, size.tasks);
    for index in 0..size.tasks {
        put.task(&task(index, size));
        flush(out, put.0)?;
    }
    put.set(5, 0);
    put.head(12, 6);
    put.text(1, FRAMEWORK);
    put.head(13, 8);
    put.0.extend([11, 11, 0, 0, 0, 1]);
    put.bare("build.version");
    put.bare("0.23.0-SNAPSHOT");
    put.stop();
    put.set(8, 0);
    put.stop();
    out.write_all(put.0)
}

fn flush(out: &mut impl Write, buffer: &mut Vec<u8>) -> io::Result<()> {
    if buffer.len() > 1 << 15 {
        out.write_all(buffer)?;
        buffer.clear();
    }
    Ok(())
}

/// Appends fields in `TBinary`.
struct Put<'a>(&'a mut Vec<u8>);

impl Put<'_> {
    fn head(&mut self, ttype: u8, id: i16) {
        self.0.push(ttype);
        self.0.extend(id.to_be_bytes());
    }

    fn stop(&mut self) {
        self.0.push(0);
    }

    fn bare(&mut self, text: &str) {
        self.0.extend((text.len() as i32).to_be_bytes());
        self.0.extend(text.as_bytes());
    }

    fn text(&mut self, id: i16, text: &str) {
        self.head(11, id);
        self.bare(text);
    }

    fn i32(&mut self, id: i16, number: i32) {
        self.head(8, id);
        self.0.extend(number.to_be_bytes());
    }

    fn i64(&mut self, id: i16, number: i64) {
        self.head(10, id);
        self.0.extend(number.to_be_bytes());
    }

    fn double(&mut self, id: i16, number: f64) {
        self.head(4, id);
        self.0.extend(number.to_be_bytes());
    }

    fn bool(&mut self, id: i16, yes: bool) {
        self.head(2, id);
        self.0.push(u8::from(yes));
    }

    /// A set of structs.
    fn set(&mut self, id: i16, count: u64) {
        self.head(14, id);
        self.0.push(12);
        self.0.extend((count as i32).to_be_bytes());
    }

    fn host(&mut self, host: u64) {
        let name = format!("agent-{host:05}.example.org");
        self.text(1, &name);
        self.set(2, 2);
        for (attribute, value) in [("host", name.clone()), ("rack", format!("rack-{}", host / 40))] {
            self.text(1, attribute);
            self.head(14, 2);
            self.0.extend([11, 0, 0, 0, 1]);
            self.bare(&value);
            self.stop();
        }
        self.i32(3, 1);
        self.text(4, &format!("5a4ba2f2-9c1e-4b0e-8f65-d5c41c23bd4e-S{host}"));
        self.stop();
    }

    fn task(&mut self, task: &MadeTask) {
        self.head(12, 1);
        self.text(1, &task.id);
        self.text(2, &task.agent_id);
        self.text(3, &task.host);
        self.head(12, 4);
        self.config(task);
        self.head(13, 5);
        self.0.extend([11, 8, 0, 0, 0, 1]);
        self.bare("http");
        self.0.extend(31_000_i32.to_be_bytes());
        self.i32(6, task.instance);
        self.stop();
        self.i32(2, task.status);
        self.i32(3, 0);
        self.head(15, 4);
        let events = [0, 9, 1, 2].into_iter().chain((task.status != 2).then_some(task.status));
        self.0.extend([12, 0, 0, 0, if task.status == 2 { 4 } else { 5 }]);
        for (step, status) in (0_i64..).zip(events) {
            self.i64(1, TAKEN_MS - 3_600_000 + i64::from(task.instance) * 7 + step * 400);
            self.i32(2, status);
            self.text(4, "scheduler-2");
            self.stop();
        }
        self.i32(6, 0);
        self.stop();
    }

    fn config(&mut self, task: &MadeTask) {
        self.bool(7, true);
        self.i32(11, 0);
        self.i32(13, 1);
        self.head(12, 17);
        self.text(2, &task.role);
        self.stop();
        self.bool(18, false);
        self.set(20, 0);
        self.head(13, 22);
        self.0.extend([11, 11, 0, 0, 0, 1]);
        self.bare("http");
        self.bare("http://%host%:%port:http%");
        self.head(12, 25);
        self.text(1, "AuroraExecutor");
        let (environment, role, name) = (task.environment, &task.role, &task.name);
        let data = format!(
            "{{\"environment\": \"{environment}\", \"role\": \"{role}\", \"name\": \"{name}\", \
             \"health_check_config\": {{\"initial_interval_secs\": 15.0}}, \"task\": {{\"name\": \"{name}\", \
             \"processes\": [{{\"name\": \"run\", \"cmdline\": \"while true; do echo h\u{e9}llo; sleep 10; done\"}}], \
             \"resources\": {{\"cpu\": 0.1, \"ram\": 33554432, \"disk\": 67108864}}}}}}"
        );
        self.text(2, &data);
        self.stop();
        self.set(27, 1);
        self.text(1, "i");
        self.text(2, "0");
        self.stop();
        self.head(12, 28);
        self.text(1, &task.role);
        self.text(2, task.environment);
        self.text(3, &task.name);
        self.stop();
        self.head(12, 29);
        self.head(12, 1);
        self.set(2, 0);
        self.stop();
        self.stop();
        self.text(30, "preemptible");
        self.set(32, 4);
        self.i64(2, 32);
        self.stop();
        self.i64(3, 64);
        self.stop();
        self.double(1, 0.1);
        self.stop();
        self.text(4, "http");
        self.stop();
        self.set(33, 0);
        self.stop();
    }
}
