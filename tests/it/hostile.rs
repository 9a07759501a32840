//! Servers that mean harm, or are broken: each way of answering wrong, against each call. The error says what
//! is wrong, nothing waits longer than its limit, and a server that never ends is not read to the end.
#![expect(clippy::unwrap_used, reason = "helpers of tests, beside the tests themselves")]

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use firstlight::aurora::{
    api::Commit,
    client::{Client, ClientError, ClientOptions, Sent},
    types::TaskQuery,
};

/// The limit of a body in these tests, in bytes.
const BODY_MAX: usize = 64 * 1024;
/// What may lie in the buffers of both sockets of a connection when the client hangs up, in bytes.
const IN_FLIGHT_MAX: usize = 16 << 20;
/// A call may take this long at most, in milliseconds; on an idle machine each takes less than two seconds.
const CALL_MS_MAX: u64 = 20_000;
const CALL_MAX: Duration = Duration::from_millis(CALL_MS_MAX);

/// What a server does with a connection once the request is read.
type Answer = fn(&mut TcpStream, &AtomicUsize);

/// Answers every connection in the same way until it is dropped.
struct Server {
    url: String,
    sent: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
    stop: Option<(mpsc::Sender<()>, std::thread::JoinHandle<()>)>,
}

impl Server {
    fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sent, calls) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (stop, stopped) = mpsc::channel();
        let (sent_there, calls_there) = (Arc::clone(&sent), Arc::clone(&calls));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.try_recv() != Err(mpsc::TryRecvError::Empty) {
                    return;
                }
                let Ok(mut stream) = stream else { return };
                calls_there.fetch_add(1, Ordering::SeqCst);
                stream.set_write_timeout(Some(CALL_MAX)).unwrap();
                stream.set_read_timeout(Some(CALL_MAX)).unwrap();
                // One read is enough: no request of these tests is longer than a packet on loopback.
                drop(stream.read(&mut [0; 8192]));
                answer(&mut stream, &sent_there);
            }
        });
        Self { url, sent, calls, stop: Some((stop, thread)) }
    }

    fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some((stop, thread)) = self.stop.take() else { return };
        drop(stop);
        drop(TcpStream::connect(self.address()));
        drop(thread.join());
    }
}

fn say(stream: &mut TcpStream, sent: &AtomicUsize, bytes: &[u8]) -> bool {
    let fine = stream.write_all(bytes).is_ok();
    if fine {
        sent.fetch_add(bytes.len(), Ordering::SeqCst);
    }
    fine
}

fn whole(stream: &mut TcpStream, sent: &AtomicUsize, status: &str, headers: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    say(stream, sent, head.as_bytes());
    say(stream, sent, body);
}

/// A byte, then a pause, without end: each pause is shorter than the limit between two bytes.
fn drip(stream: &mut TcpStream, sent: &AtomicUsize) {
    while say(stream, sent, b" ") {
        pause(Duration::from_millis(50));
    }
}

/// The pace of a slow server; nothing waits for it to be over.
fn pause(time: Duration) {
    let (_keep, never) = mpsc::channel::<()>();
    assert!(never.recv_timeout(time).is_err());
}

fn forever(stream: &mut TcpStream, sent: &AtomicUsize, piece: &[u8]) {
    while say(stream, sent, piece) {}
}

/// Short limits where the server is slow; elsewhere long ones, so that a busy machine is not taken for one.
fn options(slow: bool) -> ClientOptions {
    let (read, total) = if slow { (400, 1_200) } else { (CALL_MS_MAX, CALL_MS_MAX) };
    ClientOptions {
        connect_timeout: Duration::from_millis(CALL_MS_MAX),
        read_timeout: Duration::from_millis(read),
        total_timeout: Duration::from_millis(total),
        body_bytes_max: BODY_MAX,
        ..ClientOptions::default()
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Every kind of call once; the errors.
fn every_call(client: &Client) -> Vec<(&'static str, Result<(), ClientError>)> {
    run(async {
        vec![
            ("listBackups", client.list_backups().await.map(drop)),
            ("queryRecovery", client.query_recovery(&TaskQuery::default()).await.map(drop)),
            ("/vars", client.vars().await.map(drop)),
            ("/leaderhealth", client.leader_health().await.map(drop)),
        ]
    })
}

struct Case {
    name: &'static str,
    answer: Answer,
    /// What the error of each call holds, with the address as `URL`.
    says: &'static [&'static str],
    /// Calls that are well in spite of it.
    well: &'static [&'static str],
    sent: Sent,
}

impl Case {
    /// True if the client has to lose its patience.
    fn slow(&self) -> bool {
        self.says.contains(&" did not answer in time: ")
    }
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

const CASES: &[Case] = &[
    Case {
        name: "a byte at a time, in the head",
        answer: |stream, sent| {
            say(stream, sent, b"HTTP/1.1 200 OK\r\nX-Slow:");
            drip(stream, sent);
        },
        says: &["URL", " did not answer in time: "],
        well: &[],
        sent: Sent::Maybe,
    },
    Case {
        name: "a byte at a time, in the body",
        answer: |stream, sent| {
            say(stream, sent, b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n");
            drip(stream, sent);
        },
        says: &["URL", " did not answer in time: "],
        well: &[],
        sent: Sent::Maybe,
    },
    Case {
        name: "nothing, with the connection open",
        answer: |stream, _| drop(stream.read(&mut [0; 1])),
        says: &["URL", " did not answer in time: "],
        well: &[],
        sent: Sent::Maybe,
    },
    Case {
        name: "promises to go on, without end",
        answer: |stream, sent| {
            while say(stream, sent, b"HTTP/1.1 100 Continue\r\n\r\n") {
                pause(Duration::from_millis(10));
            }
        },
        says: &["URL", " did not answer in time: "],
        well: &[],
        sent: Sent::Maybe,
    },
    Case {
        name: "not HTTP",
        answer: |stream, sent| {
            say(stream, sent, b"\x00\xff\x1b]0;owned\x07 SSH-2.0-OpenSSH_9.2\r\n\r\n");
        },
        says: &["the connection to URL", " broke: "],
        well: &[],
        sent: Sent::Maybe,
    },
    Case {
        name: "headers without end",
        answer: |stream, sent| {
            say(stream, sent, b"HTTP/1.1 200 OK\r\n");
            forever(stream, sent, b"X-More: and more and more and more and more and more\r\n");
        },
        says: &["the connection to URL", " broke: "],
        well: &[],
        sent: Sent::Maybe,
    },
    Case {
        name: "one header without end",
        answer: |stream, sent| {
            say(stream, sent, b"HTTP/1.1 200 OK\r\nX-Long: ");
            forever(stream, sent, &[b'a'; 4096]);
        },
        says: &["the connection to URL", " broke: "],
        well: &[],
        sent: Sent::Maybe,
    },
    Case {
        name: "10 GB announced",
        answer: |stream, sent| {
            say(stream, sent, b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n");
            forever(stream, sent, &[b'['; 4096]);
        },
        says: &["the answer of URL", " is longer than 65536 bytes"],
        well: &[],
        sent: Sent::Yes,
    },
    Case {
        name: "chunks without end",
        answer: |stream, sent| {
            say(stream, sent, CHUNKED.as_bytes());
            let mut piece = b"1000\r\n".to_vec();
            piece.extend_from_slice(&[b'a'; 4096]);
            piece.extend_from_slice(b"\r\n");
            forever(stream, sent, &piece);
        },
        says: &["the answer of URL", " is longer than 65536 bytes"],
        well: &[],
        sent: Sent::Yes,
    },
    Case {
        name: "a chunk that says it is endless",
        answer: |stream, sent| {
            say(stream, sent, CHUNKED.as_bytes());
            say(stream, sent, b"ffffffffffffffff\r\n");
            forever(stream, sent, &[b'a'; 4096]);
        },
        says: &["URL"],
        well: &[],
        sent: Sent::Yes,
    },
    Case {
        name: "a length of a chunk that is no number",
        answer: |stream, sent| {
            say(stream, sent, CHUNKED.as_bytes());
            say(stream, sent, b"-1\r\nabc\r\n");
        },
        says: &["the connection to URL", " broke: "],
        well: &[],
        sent: Sent::Maybe,
    },
    Case {
        name: "closed in the middle of the body",
        answer: |stream, sent| {
            say(stream, sent, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[1,\"listBackups\",2,1,{");
        },
        says: &["the connection to URL", " broke: "],
        well: &[],
        sent: Sent::Maybe,
    },
    Case {
        name: "closed in the middle of the head",
        answer: |stream, sent| {
            say(stream, sent, b"HTTP/1.1 200 OK\r\nContent-Le");
        },
        says: &["the connection to URL", " broke: "],
        well: &[],
        sent: Sent::Maybe,
    },
    Case {
        name: "two lengths",
        answer: |stream, sent| {
            say(stream, sent, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 20\r\n\r\nOKOKOKOK");
        },
        says: &["the connection to URL", " broke: "],
        well: &[],
        sent: Sent::Maybe,
    },
    Case {
        name: "a page for a browser",
        answer: |stream, sent| {
            let body = b"<html>\x1b[2J<title>Sign in</title>\xc2\x9b31m\xff</html>";
            whole(stream, sent, "200 OK", "Content-Type: text/html\r\n", body);
        },
        says: &["URL", " did not answer in "],
        well: &["/leaderhealth"],
        sent: Sent::Yes,
    },
    Case {
        name: "an empty answer",
        answer: |stream, sent| whole(stream, sent, "200 OK", "", b""),
        says: &["URL", " did not answer in "],
        well: &["/leaderhealth"],
        sent: Sent::Yes,
    },
    Case {
        name: "a length that is too short",
        answer: |stream, sent| {
            say(
                stream,
                sent,
                b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n[1,\"listBackups\",2,1,{\"0\":{\"rec\":{}}}]",
            );
        },
        says: &["URL", " did not answer in "],
        well: &["/leaderhealth"],
        sent: Sent::Yes,
    },
    Case {
        name: "packed, though nobody asked",
        answer: |stream, sent| {
            whole(stream, sent, "200 OK", "Content-Encoding: gzip\r\n", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xed\xc1");
        },
        says: &["URL", " did not answer in "],
        well: &["/leaderhealth"],
        sent: Sent::Yes,
    },
    Case {
        name: "lists within lists",
        answer: |stream, sent| whole(stream, sent, "200 OK", "", &[b'['; 60_000]),
        says: &["URL", " did not answer in "],
        well: &["/leaderhealth"],
        sent: Sent::Yes,
    },
    Case {
        name: "structs within structs",
        answer: |stream, sent| {
            let body = format!("[1,\"listBackups\",2,1,{}", "{\"1\":{\"rec\":".repeat(5_000));
            whole(stream, sent, "200 OK", "", body.as_bytes());
        },
        says: &["URL", " did not answer in "],
        well: &["/leaderhealth"],
        sent: Sent::Yes,
    },
    Case {
        name: "a list that says it has 2 thousand million members",
        answer: |stream, sent| {
            let body = b"[1,\"listBackups\",2,1,{\"0\":{\"rec\":{\"3\":{\"lst\":[\"str\",2147483647,\"a\"]}}}}]";
            whole(stream, sent, "200 OK", "", body);
        },
        says: &["URL", " did not answer in "],
        well: &["/leaderhealth"],
        sent: Sent::Yes,
    },
];

#[test]
fn every_wrong_answer_has_its_error_in_bounded_time_and_is_not_read_to_its_end() {
    std::thread::scope(|scope| {
        // Side by side: most of them only wait.
        let runs: Vec<_> = CASES.iter().map(|case| scope.spawn(|| one(case))).collect();
        for run in runs {
            run.join().unwrap();
        }
    });
}

fn one(case: &Case) {
    let name = case.name;
    let server = Server::start(case.answer);
    let client = Client::new(&server.url, options(case.slow())).unwrap();
    let begun = Instant::now();
    for (call, result) in every_call(&client) {
        if case.well.contains(&call) {
            assert_eq!(result, Ok(()), "{name}: {call}");
            continue;
        }
        let Err(error) = result else { panic!("{name}: {call} is well") };
        let text = error.to_string();
        for part in case.says {
            let part = part.replace("URL", &server.url);
            assert!(text.contains(&part), "{name}: {call}: {part:?} is not in {text:?}");
        }
        assert!(!text.chars().any(char::is_control), "{name}: {call}: {text:?}");
        assert!(text.len() < 1_000, "{name}: {call}: {} bytes of text", text.len());
        assert_eq!(error.sent(), case.sent, "{name}: {call}: {text}");
    }
    let calls = server.calls.load(Ordering::SeqCst);
    let took = begun.elapsed();
    assert!(took < CALL_MAX * 4, "{name}: {took:?}");
    let sent = server.sent.load(Ordering::SeqCst);
    assert!(sent < (BODY_MAX + IN_FLIGHT_MAX) * calls, "{name}: {sent} bytes were read in {calls} calls");
}

/// A commit that such a server answers is never "not committed": nobody knows.
#[test]
fn a_commit_that_is_answered_wrong_is_not_known() {
    for case in CASES {
        let server = Server::start(case.answer);
        let client = Client::new(&server.url, options(case.slow())).unwrap();
        let outcome = run(client.commit_recovery());
        assert!(matches!(outcome, Commit::Unknown { .. }), "{}: {outcome:?}", case.name);
        assert_eq!(server.calls.load(Ordering::SeqCst), 1, "{}: it was sent again", case.name);
    }
}

#[test]
fn a_redirect_to_elsewhere_is_told_and_not_followed() {
    let redirect: Answer = |stream, sent| {
        whole(stream, sent, "302 Found", "Location: http://127.0.0.9:9/\u{9b}31mapi\r\n", b"gone");
    };
    let server = Server::start(redirect);
    let client = Client::new(&server.url, options(false)).unwrap();
    for (call, result) in every_call(&client) {
        let error = result.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, ClientError::Status { status: 302, .. }), "{call}: {text}");
        assert!(text.contains("answered with status 302 to http://127.0.0.9:9/"), "{call}: {text}");
        assert!(!text.chars().any(char::is_control), "{call}: {text:?}");
    }
}

/// A file that is no good backup, and what is said of it.
struct Bad {
    name: &'static str,
    make: fn(&std::path::Path),
    /// Exit codes: 12 unfit, 13 unreadable, 0 fit.
    code: i32,
}

fn write(path: &std::path::Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

/// `{4: {n tasks}}`, each task of a role of its own.
fn of_many_roles(count: i32) -> Vec<u8> {
    let mut bytes = vec![0x0a, 0, 1, 0, 0, 1, 0x9a, 0xd0, 0, 0, 0, 0x0e, 0, 4, 0x0c];
    bytes.extend_from_slice(&count.to_be_bytes());
    for number in 0..count {
        let text = |id: u8, text: &str| {
            let mut field = vec![0x0b, 0, id];
            field.extend_from_slice(&(text.len() as i32).to_be_bytes());
            field.extend_from_slice(text.as_bytes());
            field
        };
        bytes.extend([0x0c, 0, 1]);
        bytes.extend(text(1, &format!("task-{number}")));
        bytes.extend([0x0c, 0, 4, 0x0c, 0, 28]);
        bytes.extend(text(1, &format!("role-{number}")));
        bytes.extend(text(2, "prod"));
        bytes.extend(text(3, "job"));
        bytes.extend([0, 0, 0, 0]);
    }
    bytes.push(0);
    bytes
}

const BAD: &[Bad] = &[
    Bad {
        name: "a length of 2 GB in 100 bytes",
        make: |path| {
            let mut bytes = vec![0x0b, 0, 1, 0x7f, 0xff, 0xff, 0xff];
            bytes.resize(100, b'x');
            write(path, &bytes);
        },
        code: 13,
    },
    Bad {
        name: "a set of 2 thousand million tasks in 100 bytes",
        make: |path| {
            let mut bytes = vec![0x0e, 0, 4, 0x0c, 0x7f, 0xff, 0xff, 0xff];
            bytes.resize(100, 0);
            write(path, &bytes);
        },
        code: 13,
    },
    Bad { name: "structs within structs", make: |path| write(path, &[0x0c, 0, 6].repeat(100_000)), code: 13 },
    Bad {
        name: "lists within lists",
        make: |path| write(path, &[0x0f, 0, 6, 0x0f, 0, 0, 0, 1].repeat(50_000)),
        code: 13,
    },
    Bad { name: "zeros", make: |path| write(path, &[0; 4096]), code: 12 },
    Bad { name: "a text", make: |path| write(path, b"\x1b[2Jthis is no backup at all, but a text"), code: 13 },
    Bad { name: "20,000 roles", make: |path| write(path, &of_many_roles(20_000)), code: 12 },
    Bad { name: "a directory", make: |path| std::fs::create_dir(path).unwrap(), code: 13 },
    Bad { name: "nothing there", make: |_| (), code: 13 },
    Bad { name: "a device", make: |path| std::os::unix::fs::symlink("/dev/zero", path).unwrap(), code: 13 },
    Bad { name: "a loop", make: |path| std::os::unix::fs::symlink(path, path).unwrap(), code: 13 },
    Bad {
        name: "a pipe that nobody writes to",
        make: |path| {
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        },
        code: 13,
    },
];

/// The program with less memory than any of these files pretends to need, and a limit on its time.
fn verify(path: &std::path::Path) -> (Option<i32>, String) {
    const SCRIPT: &str = r#"ulimit -v 1000000; exec timeout 120 "$0" backup verify "$1""#;
    let program = env!("CARGO_BIN_EXE_firstlight");
    let out = std::process::Command::new("sh").args(["-c", SCRIPT, program]).arg(path).output().unwrap();
    (out.status.code(), String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
}

#[test]
fn files_that_mean_harm_are_told_apart_in_little_time_and_memory() {
    for bad in BAD {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scheduler-backup-2026-11-22-16-17");
        (bad.make)(&path);
        let (code, text) = verify(&path);
        assert_eq!(code, Some(bad.code), "{}: {text}", bad.name);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{}: {text:?}", bad.name);
        assert!(!text.trim().is_empty() && text.len() < 200_000, "{}: {} bytes", bad.name, text.len());
    }
}

#[test]
fn a_file_that_grows_while_it_is_read_comes_to_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scheduler-backup-2026-11-22-16-17");
    write(&path, &of_many_roles(2_000));
    let (stop, stopped) = mpsc::channel::<()>();
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    let grows = std::thread::spawn(move || {
        while stopped.recv_timeout(Duration::from_millis(1)) == Err(mpsc::RecvTimeoutError::Timeout) {
            file.write_all(&[0; 64]).unwrap();
        }
    });
    let (code, text) = verify(&path);
    drop(stop);
    grows.join().unwrap();
    assert_eq!(code, Some(12), "{text}");
}
