//! The host itself: each method one script.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    sync::OnceCell,
};

use super::{
    ask::{Asked, Said, ask},
    exec, facts,
    source::Copied,
    table,
    text::{ALREADY_THERE, changing, looking, word},
    write,
};
use crate::{
    hosts::{
        Answer, Attributes, Entry, Host, HostError, Identity, Output, Proc, Ran, Run, Stat, Stop, Written, disk,
        identity::TEXT_BYTES_MAX, line::Line, processes,
    },
    replog::Source,
    runbook::model::HostName,
};

/// Bytes of one name with its facts in a list; a name has at most 255, a path below a directory some more.
const ENTRY_BYTES: usize = 1024;
/// Bytes of a list of names.
const LIST_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of all processes with their arguments; a Java service has a few thousand.
const PROCESSES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of a list of locks.
const LOCKS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A machine that is spoken to through its shell.
#[derive(Debug)]
pub struct ShellHost {
    name: HostName,
    pub(super) line: Arc<dyn Line>,
    own: OnceCell<Identity>,
    /// Sessions on the machine of programs that run at the moment: not services.
    pub(super) running: Mutex<BTreeSet<i32>>,
}

impl ShellHost {
    /// A machine at the end of a line, under the name that the inventory gives it.
    pub fn new(name: HostName, line: Arc<dyn Line>) -> Self {
        Self { name, line, own: OnceCell::new(), running: Mutex::default() }
    }

    async fn look(&self, body: &str, asked: &Asked<'_>) -> Result<Said, HostError> {
        ask(&*self.line, &looking(body), asked).await
    }

    /// A script that changes something: on the machine that was reached at first, and on no other.
    pub(super) async fn changing(&self, body: &str) -> Result<String, HostError> {
        Ok(changing(self.known().await?, body))
    }

    async fn change(&self, body: &str, asked: &Asked<'_>) -> Result<Said, HostError> {
        let script = self.changing(body).await?;
        ask(&*self.line, &script, asked).await
    }

    /// Which machine it is, asked once.
    async fn known(&self) -> Result<&Identity, HostError> {
        self.own.get_or_try_init(|| self.asked_identity()).await
    }

    async fn asked_identity(&self) -> Result<Identity, HostError> {
        let asked = Asked::moment("look at", "the machine's identity");
        let script = "first() { v=; [ -r \"$1\" ] && IFS= read -r v < \"$1\"; printf '%s\\n' \"$v\"; }\n\
                      first /proc/sys/kernel/hostname; first /etc/machine-id; first /proc/sys/kernel/random/boot_id; id -un";
        let said = self.look(script, &asked).await?.well(&asked)?;
        let text = String::from_utf8_lossy(&said).into_owned();
        let mut lines = text.lines().map(|line| line.chars().take(TEXT_BYTES_MAX).collect::<String>());
        let mut next = || lines.next().unwrap_or_default();
        let found = Identity { host_name: next(), machine_id: next(), boot_id: next(), user: next() };
        if found.host_name.is_empty() || found.user.is_empty() {
            let why = "it does not say which machine it is: it is no Linux, or /proc is missing".to_owned();
            return Err(HostError::Io { doing: "look at", path: "the machine's identity".to_owned(), why });
        }
        Ok(found)
    }

    async fn entries(&self, script: &str, asked: Asked<'_>, limit: usize) -> Result<Vec<Entry>, HostError> {
        let bytes = limit.saturating_add(2).saturating_mul(ENTRY_BYTES).min(LIST_BYTES_MAX);
        let asked = asked.at_most(bytes);
        let said = self.look(script, &asked).await?;
        // Names that vanish while they are listed are not there: find complains, and goes on.
        let vanished = |err: &[u8]| String::from_utf8_lossy(err).lines().all(|line| line.contains("No such file"));
        let failed = said.code != 0 && (said.out.is_empty() || !vanished(&said.err));
        if failed {
            return Err(said.failure(&asked));
        }
        let mut found = facts::read(&said.out, limit.saturating_add(1)).map_err(|why| HostError::Io {
            doing: asked.doing,
            path: asked.path.to_owned(),
            why,
        })?;
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// The first line of an answer as a number, and the rest.
    fn counted(bytes: Vec<u8>, asked: &Asked<'_>) -> Result<(u64, Vec<u8>), HostError> {
        let line_end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let number = bytes.get(..line_end).and_then(|line| std::str::from_utf8(line).ok()?.trim().parse().ok());
        let Some(number) = number else {
            let why = "it answers without a number".to_owned();
            return Err(HostError::Io { doing: asked.doing, path: asked.path.to_owned(), why });
        };
        Ok((number, bytes.get(line_end + 1..).unwrap_or_default().to_vec()))
    }
}

#[async_trait]
impl Host for ShellHost {
    fn name(&self) -> &HostName {
        &self.name
    }

    async fn identity(&self) -> Result<Identity, HostError> {
        self.known().await.cloned()
    }

    async fn exec(&self, run: &Run, output: &dyn Output, stop: &Stop) -> Result<Ran, HostError> {
        exec::run(self, run, output, stop).await
    }

    async fn read_file(&self, path: &str, limit: u64) -> Result<Vec<u8>, HostError> {
        let room = usize::try_from(limit.saturating_add(64)).unwrap_or(usize::MAX);
        let asked = Asked::moment("read", path).at_most(room);
        let most = limit.saturating_add(1);
        let p = word(path)?;
        let script = format!("regular {p}; s=$(size {p}) || exit 1; printf '%s\\n' \"$s\"; head -c {most} < {p}");
        let (len, bytes) = Self::counted(self.look(&script, &asked).await?.well(&asked)?, &asked)?;
        if bytes.len() as u64 > limit {
            return Err(HostError::TooLarge { path: path.to_owned(), len: len.max(most), limit });
        }
        Ok(bytes)
    }

    async fn read_end(&self, path: &str, limit: u64) -> Result<Vec<u8>, HostError> {
        let room = usize::try_from(limit.saturating_add(64)).unwrap_or(usize::MAX);
        let asked = Asked::moment("read", path).at_most(room);
        let p = word(path)?;
        let script = format!(
            "regular {p}; s=$(size {p}) || exit 1; printf '%s\\n' \"$s\"; \
             if [ \"$s\" -gt {limit} ]; then tail -c {limit} < {p}; else head -c {limit} < {p}; fi"
        );
        let (len, mut bytes) = Self::counted(self.look(&script, &asked).await?.well(&asked)?, &asked)?;
        if len > limit {
            // The first line is most likely cut.
            let line_end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
            bytes.drain(..line_end);
        }
        Ok(bytes)
    }

    async fn reader(&self, path: &str) -> Result<Box<dyn AsyncRead + Send + Unpin>, HostError> {
        let p = word(path)?;
        let script = looking(&format!("regular {p}; exec 3< {p} || exit 1; printf '\\n'; cat <&3"));
        let asked = Asked::moment("read", path);
        write::reader(&*self.line, &script, &asked).await
    }

    async fn write_atomic(
        &self,
        path: &str,
        from: &mut (dyn AsyncRead + Send + Unpin),
        like: &Attributes,
        sha256: Option<&str>,
    ) -> Result<Written, HostError> {
        write::atomic(self, path, from, like, sha256).await
    }

    async fn stat(&self, path: &str) -> Result<Option<Stat>, HostError> {
        let asked = Asked::moment("look at", path);
        let said = self.look(&facts::one(&word(path)?), &asked).await?;
        if said.code != 0 {
            return match said.failure(&asked) {
                HostError::NotFound(_) => Ok(None),
                HostError::Io { why, .. } if why.contains("Not a directory") => Ok(None),
                error => Err(error),
            };
        }
        let found =
            facts::read(&said.out, 1).map_err(|why| HostError::Io { doing: "look at", path: path.to_owned(), why })?;
        Ok(found.into_iter().next().map(|entry| entry.stat))
    }

    async fn list(&self, path: &str, limit: usize) -> Result<Vec<Entry>, HostError> {
        let found = self.entries(&facts::names(&word(path)?), Asked::moment("list", path), limit).await?;
        if found.len() > limit { Err(facts::too_many(path, limit)) } else { Ok(found) }
    }

    async fn tree(&self, path: &str, limit: usize, digests: bool) -> Result<Vec<Entry>, HostError> {
        let script = facts::everything(&word(path)?, digests);
        let mut found = self.entries(&script, Asked::moment("list", path).long(), limit.saturating_add(1)).await?;
        // Of a directory, what is below it; of anything else, itself.
        if found.first().is_some_and(|top| top.name.is_empty() && top.stat.kind == disk::FileKind::Directory) {
            found.remove(0);
        }
        let missing = |entry: &&Entry| entry.stat.kind == disk::FileKind::File && entry.sha256.is_none();
        if let Some(entry) = found.iter().find(missing).filter(|_| digests) {
            return Err(HostError::NotFound(format!("{path}/{}", entry.name)));
        }
        if found.len() > limit { Err(facts::too_many(path, limit)) } else { Ok(found) }
    }

    async fn rename(&self, from: &str, to: &str) -> Result<(), HostError> {
        disk::guard(Path::new(from))?;
        disk::guard(Path::new(to))?;
        let (from, to) = (from.trim_end_matches('/'), to.trim_end_matches('/'));
        let asked = Asked::moment("rename", from);
        let said = self.change(&write::rename_script(&word(from)?, &word(to)?), &asked).await?;
        if said.code == ALREADY_THERE {
            return Err(HostError::AlreadyThere(to.to_owned()));
        }
        match said.well(&asked) {
            Ok(_) => Ok(()),
            Err(HostError::OtherFileSystem { from, .. }) => Err(HostError::OtherFileSystem { from, to: to.to_owned() }),
            Err(error) => Err(error),
        }
    }

    async fn remove(&self, path: &str) -> Result<bool, HostError> {
        disk::guard(Path::new(path))?;
        let path = path.trim_end_matches('/');
        let asked = Asked::moment("remove", path).long();
        let said = self.change(&write::remove_script(&word(path)?), &asked).await?;
        Ok(said.well(&asked)?.starts_with(b"removed"))
    }

    async fn make_dir(&self, path: &str, like: &Attributes) -> Result<(), HostError> {
        let asked = Asked::moment("make directory", path);
        let p = word(path.trim_end_matches('/'))?;
        let script =
            format!("p={p}\n( umask 077; mkdir -- \"$p\" ) || exit 1\n{}\nsync_dir_of \"$p\"", write::give(like));
        self.change(&format!("{}{script}", write::SYNC), &asked).await?.well(&asked).map(|_| ())
    }

    async fn sha256(&self, path: &str) -> Result<String, HostError> {
        let asked = Asked::moment("read", path).long();
        let p = word(path)?;
        let said = self.look(&format!("tool sha256sum; regular {p}; sha256sum < {p}"), &asked).await?.well(&asked)?;
        let text = String::from_utf8_lossy(&said).into_owned();
        let digest = text.split(' ').next().unwrap_or_default();
        if digest.len() == 64 && digest.chars().all(|char| char.is_ascii_hexdigit()) {
            return Ok(digest.to_owned());
        }
        Err(HostError::Io { doing: "read", path: path.to_owned(), why: "sha256sum says no digest".to_owned() })
    }

    async fn free_bytes(&self, path: &str) -> Result<u64, HostError> {
        let asked = Asked::moment("look at", path);
        // Where stat knows nothing of file systems, df counts in blocks of 1024 bytes.
        let script = format!(
            "p={}\n[ -e \"$p\" ] || {{ ls -d -- \"$p\" > /dev/null; exit 1; }}\n\
             if f=$(stat -f -c '%a %S' -- \"$p\" 2> /dev/null); then printf '%s\\n' \"$f\"; else \
             f=$(df -Pk -- \"$p\") || exit 1; set -- $(printf '%s\\n' \"$f\" | tail -n 1); printf '%s 1024\\n' \"$4\"; fi",
            word(path)?
        );
        let said = self.look(&script, &asked).await?.well(&asked)?;
        let text = String::from_utf8_lossy(&said).into_owned();
        let mut numbers = text.split_ascii_whitespace().map(str::parse::<u64>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(blocks)), Some(Ok(bytes))) => Ok(blocks.saturating_mul(bytes)),
            _ => {
                Err(HostError::Io { doing: "look at", path: path.to_owned(), why: "free space is not said".to_owned() })
            }
        }
    }

    async fn processes(&self) -> Result<Vec<Proc>, HostError> {
        let asked = Asked::moment("look at", "/proc").at_most(PROCESSES_BYTES_MAX);
        // A program may end while the table is read.
        let running = || self.running.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let before = running();
        let said = self.look(table::SCRIPT, &asked).await?.well(&asked)?;
        Ok(table::read(&said, &before.into_iter().chain(running()).collect()))
    }

    async fn lock_holder(&self, path: &str) -> Result<Option<i32>, HostError> {
        let asked = Asked::moment("look at the lock of", path).at_most(LOCKS_BYTES_MAX);
        let p = word(path)?;
        let script = format!(
            "[ -e {p} ] || [ -L {p} ] || {{ ls -d -- {p} > /dev/null; exit 1; }}\n( {} ) || exit 1\ncat /proc/locks",
            facts::one(&p)
        );
        let said = match self.look(&script, &asked).await?.well(&asked) {
            Ok(said) => said,
            Err(HostError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let io = |why: String| HostError::Io { doing: asked.doing, path: path.to_owned(), why };
        // Facts and name have a NUL each; the list of locks follows.
        let locks_at =
            said.iter().enumerate().filter(|(_, byte)| **byte == 0).nth(1).map_or(said.len(), |(at, _)| at + 1);
        let (facts, locks) = said.split_at(locks_at);
        let found = facts::read(facts, 1).map_err(io)?.into_iter().next();
        let found = found.ok_or_else(|| io("its facts are missing".to_owned()))?;
        Ok(processes::holder_in(&String::from_utf8_lossy(locks), found.stat.device, found.stat.inode))
    }

    async fn connect(&self, at: &str, within: Duration) -> Answer {
        let plain = |text: &str| text.chars().all(|char| char.is_ascii_alphanumeric() || ".:_-%".contains(char));
        let parts = at.rsplit_once(':').map(|(host, port)| (host.trim_matches(['[', ']']), port));
        let Some((host, port)) = parts.filter(|(host, port)| plain(host) && plain(port) && !host.starts_with('-'))
        else {
            return Answer::None(format!("{at:?} is not address:port"));
        };
        let seconds = within.as_secs().max(1);
        let script = format!(
            "t=; timeout -k 1 1 true 2> /dev/null && t='timeout -k 1 {seconds}'\n\
             if command -v bash > /dev/null; then $t bash -c ': 3<> \"/dev/tcp/$0/$1\"' {host} {port}; exit; fi\n\
             command -v nc > /dev/null || exit 90\n$t nc -z -v -w {seconds} {host} {port}"
        );
        let asked = Asked { within: within.saturating_add(Duration::from_secs(10)), ..Asked::moment("connect to", at) };
        match self.look(&script, &asked).await {
            Ok(Said { code: 0, .. }) => Answer::Open,
            Ok(Said { code: super::text::NO_TOOL, .. }) => {
                Answer::None("the host has neither bash nor nc to try it with".to_owned())
            }
            Ok(said) if String::from_utf8_lossy(&said.err).contains("onnection refused") => Answer::Refused,
            Ok(said) if said.words().is_empty() => {
                Answer::None(format!("no answer within {}", humantime::format_duration(within)))
            }
            Ok(said) => Answer::None(said.words()),
            Err(error) => Answer::None(error.to_string()),
        }
    }

    fn log_source(&self, path: &str) -> Box<dyn Source + Send> {
        Box::new(Copied::new(Arc::clone(&self.line), path))
    }
}

/// Reads the first line of a stream, byte by byte, so that nothing after it is taken.
pub(super) async fn first_line(from: &mut (dyn AsyncRead + Send + Unpin), limit: usize) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    while line.len() < limit {
        match from.read_u8().await.ok()? {
            b'\n' => return Some(line),
            byte => line.push(byte),
        }
    }
    None
}
