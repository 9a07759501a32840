//! A replica's directory, copied for reading: over a shell there is no reading here and there.
//!
//! It is asked for once, whole, within limits, when the reader first wants something. `LOCK` is empty by nature and is
//! never opened.

use std::sync::{Arc, OnceLock};

use tokio::{runtime::Handle, sync::oneshot};

use super::{
    ask::{Asked, ask},
    facts,
    text::{looking, word},
};
use crate::{
    hosts::{FileKind, HostError, line::Line},
    replog::{FileEntry, Source, SourceError},
};

/// Bytes of a directory that are copied; a replicated log has some ten million, after years without a snapshot more.
const BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Names in it.
const NAMES_MAX: usize = 20_000;
/// Bytes around the content: names, facts, marks.
const AROUND_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The file that replicas lock.
const LOCK: &str = "LOCK";

/// A directory that is copied when it is first asked for.
#[derive(Debug)]
pub(super) struct Copied {
    line: Arc<dyn Line>,
    path: String,
    runtime: Option<Handle>,
    found: OnceLock<Result<Vec<File>, SourceError>>,
}

#[derive(Debug, Clone)]
struct File {
    entry: FileEntry,
    content: Result<Vec<u8>, SourceError>,
}

impl Copied {
    /// The directory at a path. Whoever reads it does so away from the runtime's own thread.
    pub(super) fn new(line: Arc<dyn Line>, path: &str) -> Self {
        Self { line, path: path.to_owned(), runtime: Handle::try_current().ok(), found: OnceLock::new() }
    }

    fn found(&self) -> Result<&Vec<File>, SourceError> {
        self.found.get_or_init(|| self.fetched()).as_ref().map_err(Clone::clone)
    }

    /// Programs are started on the runtime's own thread: they are tied to the life of the thread that starts them.
    fn fetched(&self) -> Result<Vec<File>, SourceError> {
        let lost = || SourceError::Io("the host cannot be asked from here".to_owned());
        let runtime = self.runtime.as_ref().ok_or_else(lost)?;
        let (to, from) = oneshot::channel();
        let (line, path) = (Arc::clone(&self.line), self.path.clone());
        runtime.spawn(async move { drop(to.send(fetch(&*line, &path).await)) });
        from.blocking_recv().unwrap_or_else(|_| Err(lost()))
    }
}

impl Source for Copied {
    fn path(&self) -> &str {
        &self.path
    }

    fn list(&self) -> Result<Vec<FileEntry>, SourceError> {
        Ok(self.found()?.iter().map(|file| file.entry.clone()).collect())
    }

    fn read_at(&self, name: &str, offset: u64, len: u64) -> Result<Vec<u8>, SourceError> {
        let found = self.found()?.iter().find(|file| file.entry.name == name).ok_or(SourceError::NotFound)?;
        let content = found.content.as_ref().map_err(Clone::clone)?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let to = from.saturating_add(usize::try_from(len).unwrap_or(usize::MAX)).min(content.len());
        Ok(content.get(from..to).unwrap_or_default().to_vec())
    }
}

fn source_error(error: HostError) -> SourceError {
    match error {
        HostError::NotFound(_) => SourceError::NotFound,
        HostError::Denied { .. } => SourceError::Denied,
        HostError::Io { why, .. } if why.contains("Not a directory") => SourceError::NotADirectory,
        other => SourceError::Io(other.to_string()),
    }
}

async fn fetch(line: &dyn Line, path: &str) -> Result<Vec<File>, SourceError> {
    let key = format!("{:032x}", fastrand::u128(..));
    let script = script(&word(path).map_err(source_error)?, &key);
    let limit = usize::try_from(BYTES_MAX).unwrap_or(usize::MAX).saturating_add(AROUND_BYTES_MAX);
    let asked = Asked::moment("read", path).long().at_most(limit);
    let said = ask(line, &looking(&script), &asked).await.map_err(source_error)?;
    match said.code {
        0 => taken_apart(&said.out, &key),
        3 => Err(SourceError::NoParent),
        4 => Err(SourceError::NotADirectory),
        5 => {
            let bytes = String::from_utf8_lossy(&said.out).trim().to_owned();
            Err(SourceError::Io(format!(
                "{bytes} bytes are too many to be copied for reading (at most {BYTES_MAX}); read on the host itself, \
                 where firstlight's own binary may be brought"
            )))
        }
        _ => Err(source_error(said.failure(&asked))),
    }
}

/// Prints the facts of each file, its content, and after it a mark with the code of the reading.
fn script(path: &str, key: &str) -> String {
    let names = facts::names("\"$q\"");
    format!(
        "q={path}\nif ! [ -d \"$q\" ]; then [ -e \"$q\" ] && exit 4; a=${{q%/*}}; [ -d \"${{a:-/}}\" ] || exit 3; \
         ls -d -- \"$q\" > /dev/null; exit 1; fi\n\
         [ -r \"$q\" ] && [ -x \"$q\" ] || {{ ls -- \"$q\" > /dev/null; exit 1; }}\n\
         k=$(du -sk -- \"$q\" 2> /dev/null | cut -f 1); s=$((${{k:-0}} * 1024))\n\
         if [ \"$s\" -gt {most} ]; then echo \"$s\"; exit 5; fi\n\
         cd -- \"$q\" || exit 1\n( {names} ) || exit 1\nprintf '%s\\n' {key}\n\
         for f in * .*; do if [ \"$f\" = {LOCK} ] || [ -L \"$f\" ] || ! [ -f \"$f\" ]; then continue; fi\n\
         printf '%s\\0' \"$f\"; head -c {most} < \"./$f\" 2> /dev/null; printf '\\n{key}%s\\n' \"$?\"; done",
        most = BYTES_MAX + 1,
    )
}

fn taken_apart(said: &[u8], key: &str) -> Result<Vec<File>, SourceError> {
    let broken = || SourceError::Io("the copy cannot be taken apart".to_owned());
    let first = format!("{key}\n");
    let at = memchr::memmem::find(said, first.as_bytes()).ok_or_else(broken)?;
    let (names, rest) = (said.get(..at).unwrap_or_default(), said.get(at + first.len()..).unwrap_or_default());
    let names = facts::read(names, NAMES_MAX).map_err(SourceError::Io)?;
    if names.len() > NAMES_MAX {
        return Err(SourceError::Io(format!("more than {NAMES_MAX} names")));
    }
    let mut contents = contents(rest, key).ok_or_else(broken)?;
    let files = names.into_iter().map(|entry| {
        let content = match (entry.name.as_str(), entry.stat.kind) {
            (LOCK, FileKind::File) => Ok(Vec::new()),
            (_, FileKind::File) => contents.remove(&entry.name).unwrap_or(Err(SourceError::Changed)),
            _ => Err(SourceError::NotAFile),
        };
        let stamp = entry.stat.inode.rotate_left(32) ^ entry.stat.modified_ms as u64;
        File { entry: FileEntry { name: entry.name, len: entry.stat.len, stamp }, content }
    });
    Ok(files.collect())
}

type Contents = std::collections::BTreeMap<String, Result<Vec<u8>, SourceError>>;

fn contents(mut rest: &[u8], key: &str) -> Option<Contents> {
    let mark = format!("\n{key}");
    let mut found = Contents::new();
    while !rest.is_empty() {
        let name_end = rest.iter().position(|byte| *byte == 0)?;
        let name = String::from_utf8_lossy(rest.get(..name_end)?).into_owned();
        rest = rest.get(name_end + 1..)?;
        let end = memchr::memmem::find(rest, mark.as_bytes())?;
        let content = rest.get(..end)?.to_vec();
        rest = rest.get(end + mark.len()..)?;
        let line_end = rest.iter().position(|byte| *byte == b'\n')?;
        let well = rest.get(..line_end)? == b"0";
        rest = rest.get(line_end + 1..)?;
        found.insert(name, if well { Ok(content) } else { Err(SourceError::Denied) });
    }
    Some(found)
}
