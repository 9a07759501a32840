//! Streams to and from a machine, and the scripts that move and remove.

use std::{
    io,
    path::Path,
    pin::Pin,
    task::{Context, Poll},
};

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

use super::{
    ShellHost,
    ask::{Asked, Feed, Said, ask_with},
    host::first_line,
    text::{OTHER_DIGEST, word},
};
use crate::hosts::{
    Attributes, HostError, Written, disk,
    line::{Ended, Ending, Line, Open, Out},
};

/// Bytes that are held to know their digest before they are sent, where nobody said it: a stream that broke off must
/// not be taken for a whole file. A manifest of a large backup directory has some.
const HELD_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of a failure's words.
const WORDS_BYTES_MAX: u64 = 64 * 1024;

/// `sync_file` and `sync_dir_of`: to the disk. Old versions of sync take no names, say so and sync everything.
pub(super) const SYNC: &str = "\
sync_file() { sync \"$1\" 2> /dev/null || sync \"$1\"; }
sync_dir_of() { d=${1%/*}; sync_file \"${d:-/}\"; }
";

/// Gives `$p` owner and mode.
pub(super) fn give(like: &Attributes) -> String {
    let Attributes { uid, gid, mode } = like;
    format!(
        "[ \"$(stat -c %u:%g -- \"$p\")\" = {uid}:{gid} ] || chown -- {uid}:{gid} \"$p\" || exit 1\n\
         chmod -- {mode:04o} \"$p\" || exit 1"
    )
}

/// Renames, and nothing else: mv copies what is on another file system and moves into a directory that is in the way.
pub(super) fn rename_script(from: &str, to: &str) -> String {
    format!(
        "f={from}; t={to}\ntool stat\n[ -e \"$f\" ] || [ -L \"$f\" ] || {{ ls -d -- \"$f\" > /dev/null; exit 1; }}\n\
         if [ -e \"$t\" ] || [ -L \"$t\" ]; then exit 94; fi\n\
         i=$(stat -c '%d %i' -- \"$f\") && a=$(stat -c '%d %m' -- \"${{f%/*}}/\") && b=$(stat -c '%d %m' -- \"${{t%/*}}/\") || exit 1\n\
         if [ \"$a\" != \"$b\" ] || [ \"${{i% *}}\" != \"${{a%% *}}\" ]; then exit 93; fi\n\
         if ! o=$(mv -n -T -- \"$f\" \"$t\" 2>&1); then case $o in *option*|*sage:*) mv -n -- \"$f\" \"$t\" || exit 1;; \
         *) printf '%s\\n' \"$o\" >&2; exit 1;; esac; fi\n\
         if [ -e \"$f\" ] || [ -L \"$f\" ]; then exit 94; fi\n\
         [ \"$(stat -c '%d %i' -- \"$t\")\" = \"$i\" ] || {{ echo 'it did not arrive as it was' >&2; exit 1; }}\n\
         {SYNC}sync_dir_of \"$t\" && sync_dir_of \"$f\""
    )
}

/// Removes, and what a writing that was cut off left beside it.
pub(super) fn remove_script(path: &str) -> String {
    format!(
        "p={path}\nd=${{p%/*}}; w=$d/.${{p##*/}}.firstlight-tmp\n[ -d \"$w\" ] || rm -f -- \"$w\"\n\
         if ! [ -e \"$p\" ] && ! [ -L \"$p\" ]; then [ -x \"$d\" ] || {{ ls -d -- \"$p\" > /dev/null 2> /dev/null; }}; echo absent; exit 0; fi\n\
         if [ -d \"$p\" ] && ! [ -L \"$p\" ]; then rm -rf -- \"$p\" || exit 1; else rm -f -- \"$p\" || exit 1; fi\n\
         {SYNC}sync_dir_of \"$p\" && echo removed"
    )
}

/// Writes a file whole or not at all. What arrives is held against the digest on the machine itself before it gets its
/// name, so that a line that breaks leaves nothing but a draft, which the script takes away.
pub(super) async fn atomic(
    host: &ShellHost,
    path: &str,
    from: &mut (dyn AsyncRead + Send + Unpin),
    like: &Attributes,
    wanted: Option<&str>,
) -> Result<Written, HostError> {
    let asked = Asked::moment("write", path).long();
    let (held, wanted) = match wanted {
        Some(wanted) => (None, wanted.to_ascii_lowercase()),
        None => {
            let bytes = hold(from, &asked).await?;
            let digest = disk::hex(&Sha256::digest(&bytes));
            (Some(bytes), digest)
        }
    };
    let script = host.changing(&write_script(&word(path)?, like, &word(&wanted)?)).await?;
    let feed = match &held {
        Some(bytes) => Feed::Bytes(bytes),
        None => Feed::Stream(from),
    };
    let said = ask_with(&*host.line, &script, &asked, feed).await?;
    if said.code == OTHER_DIGEST {
        let found = String::from_utf8_lossy(&said.out).trim().to_owned();
        return Err(HostError::Digest { path: path.to_owned(), wanted, found });
    }
    let len = said.sent;
    said.well(&asked)?;
    Ok(Written { len, sha256: wanted })
}

async fn hold(from: &mut (dyn AsyncRead + Send + Unpin), asked: &Asked<'_>) -> Result<Vec<u8>, HostError> {
    let mut bytes = Vec::new();
    let limit = HELD_BYTES_MAX as u64;
    let read = from.take(limit + 1).read_to_end(&mut bytes).await;
    read.map_err(|error| disk::io_error("read the source of", Path::new(asked.path), &error))?;
    if bytes.len() as u64 > limit {
        return Err(HostError::TooLarge { path: asked.path.to_owned(), len: bytes.len() as u64, limit });
    }
    Ok(bytes)
}

fn write_script(path: &str, like: &Attributes, wanted: &str) -> String {
    format!(
        "q={path}\ntool sha256sum; tool stat\n\
         if [ -L \"$q\" ]; then [ -e \"$q\" ] || {{ cat -- \"$q\" > /dev/null; exit 1; }}\n\
         t=$(readlink -f -- \"$q\" && printf x) || exit 1; t=${{t%?x}}; else t=$q; fi\n\
         if [ -d \"$t\" ]; then echo 'Is a directory' >&2; exit 1; fi\n\
         case $t in */*) ;; *) t=./$t;; esac\n\
         d=${{t%/*}}; p=$d/.${{t##*/}}.firstlight-tmp\nrm -f -- \"$p\" || exit 1\n\
         trap 'rm -f -- \"$p\"' EXIT; trap 'exit 1' HUP INT TERM PIPE\n\
         ( umask 077; set -C; cat > \"$p\" ) || exit 1\n\
         h=$(sha256sum < \"$p\") || exit 1; h=${{h%% *}}\n[ \"$h\" = {wanted} ] || {{ printf '%s\\n' \"$h\"; exit 95; }}\n\
         {give}\n{SYNC}sync_file \"$p\" || exit 1\nmv -f -- \"$p\" \"$t\" || exit 1\ntrap - EXIT\nsync_dir_of \"$t\"",
        give = give(like),
    )
}

/// A file as a stream that says at its end whether it was whole.
pub(super) async fn reader(
    line: &dyn Line,
    script: &str,
    asked: &Asked<'_>,
) -> Result<Box<dyn AsyncRead + Send + Unpin>, HostError> {
    let Open { stdin, mut stdout, mut stderr, ended } = line.open(script).await?;
    drop(stdin);
    // One empty line says that the file is open.
    if first_line(&mut *stdout, 1).await.is_some() {
        // Words of the script that nobody reads must not hold it up.
        tokio::spawn(async move { tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await });
        return Ok(Box::new(Whole { out: stdout, ended: Some(ended), path: asked.path.to_owned() }));
    }
    let mut err = Vec::new();
    let mut said = stderr.take(WORDS_BYTES_MAX);
    let (_, ended) = tokio::join!(said.read_to_end(&mut err), ended);
    Err(match ended {
        Ended::Exited(code) => Said { code, out: Vec::new(), err, sent: 0 }.failure(asked),
        Ended::NotStarted { why } => HostError::NotReached { why },
        Ended::Signalled(_) | Ended::Lost { .. } => {
            HostError::Lost { doing: asked.doing, path: asked.path.to_owned(), why: words(&ended) }
        }
    })
}

fn words(ended: &Ended) -> String {
    match ended {
        Ended::Exited(code) => format!("the command ended with {code}"),
        Ended::Signalled(signal) => format!("the command was ended by signal {signal}"),
        Ended::NotStarted { why } | Ended::Lost { why } => why.clone(),
    }
}

/// A stream whose end counts only if the script that wrote it ended well: else half a file would look like a whole one.
struct Whole {
    out: Out,
    ended: Option<Ending>,
    path: String,
}

impl AsyncRead for Whole {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        // A line may be waiting to be looked after while its output is read.
        let over = match &mut self.ended {
            Some(ended) => ended.as_mut().poll(context),
            None => Poll::Pending,
        };
        if let Poll::Ready(ended) = over {
            self.ended = None;
            if ended != Ended::Exited(0) {
                return Poll::Ready(Err(io::Error::other(format!("{}: {}", self.path, words(&ended)))));
            }
        }
        match Pin::new(&mut self.out).poll_read(context, into) {
            Poll::Ready(Ok(())) if into.filled().len() == before && self.ended.is_some() => Poll::Pending,
            other => other,
        }
    }
}
