//! This machine.

use std::{
    collections::BTreeSet,
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{
    Answer, Attributes, Entry, Host, HostError, Identity, Output, Proc, Ran, Run, Stat, Stop, Written, child, disk,
    identity, processes,
};
use crate::{forensics::Disk, replog::Source, runbook::model::HostName};

/// This machine, under the name that the inventory gives it.
#[derive(Debug)]
pub struct LocalHost {
    name: HostName,
    stub: PathBuf,
}

impl LocalHost {
    /// This machine; `stub` is the binary that knows [`super::EXEC_STUB`], the running one if left out.
    pub fn new(name: HostName, stub: Option<&Path>) -> Self {
        let stub = stub.map_or_else(own_binary, Path::to_path_buf);
        Self { name, stub }
    }
}

/// The running binary, by a name that holds even after an upgrade replaced the file. A test binary of cargo stands in
/// `deps`, beside the real one's directory.
pub(super) fn own_binary() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    match own.parent() {
        Some(directory) if directory.file_name().is_some_and(|name| name == "deps") => {
            directory.with_file_name("firstlight")
        }
        _ => PathBuf::from("/proc/self/exe"),
    }
}

async fn blocking<T: Send + 'static>(
    path: &str,
    work: impl FnOnce(&Path) -> Result<T, HostError> + Send + 'static,
) -> Result<T, HostError> {
    let owned = PathBuf::from(path);
    match tokio::task::spawn_blocking(move || work(&owned)).await {
        Ok(result) => result,
        Err(error) => Err(HostError::Io { doing: "work on", path: path.to_owned(), why: error.to_string() }),
    }
}

#[async_trait]
impl Host for LocalHost {
    fn name(&self) -> &HostName {
        &self.name
    }

    async fn identity(&self) -> Result<Identity, HostError> {
        blocking("/proc", |_| Ok(identity::own())).await
    }

    async fn exec(&self, run: &Run, output: &dyn Output, stop: &Stop) -> Result<Ran, HostError> {
        child::run(&self.stub, run, output, stop).await
    }

    async fn read_file(&self, path: &str, limit: u64) -> Result<Vec<u8>, HostError> {
        blocking(path, move |path| disk::read_file(path, limit)).await
    }

    async fn read_end(&self, path: &str, limit: u64) -> Result<Vec<u8>, HostError> {
        blocking(path, move |path| disk::read_end(path, limit)).await
    }

    async fn reader(&self, path: &str) -> Result<Box<dyn AsyncRead + Send + Unpin>, HostError> {
        let file = blocking(path, disk::open).await?;
        Ok(Box::new(tokio::fs::File::from_std(file)))
    }

    async fn write_atomic(
        &self,
        path: &str,
        from: &mut (dyn AsyncRead + Send + Unpin),
        like: &Attributes,
        sha256: Option<&str>,
    ) -> Result<Written, HostError> {
        let mut draft = blocking(path, disk::Draft::begin).await?;
        loop {
            let mut bytes = vec![0; disk::READ_BYTES];
            let read = from.read(&mut bytes).await;
            let count = read.map_err(|error| disk::io_error("read the source of", Path::new(path), &error))?;
            if count == 0 {
                break;
            }
            bytes.truncate(count);
            draft = blocking(path, move |_| draft.write(&bytes).map(|()| draft)).await?;
        }
        let (like, wanted) = (*like, sha256.map(str::to_owned));
        blocking(path, move |_| draft.finish(&like, wanted.as_deref())).await
    }

    async fn stat(&self, path: &str) -> Result<Option<Stat>, HostError> {
        blocking(path, disk::stat).await
    }

    async fn list(&self, path: &str, limit: usize) -> Result<Vec<Entry>, HostError> {
        blocking(path, move |path| disk::list(path, limit)).await
    }

    async fn tree(&self, path: &str, limit: usize, digests: bool) -> Result<Vec<Entry>, HostError> {
        blocking(path, move |path| disk::tree(path, limit, digests)).await
    }

    async fn rename(&self, from: &str, to: &str) -> Result<(), HostError> {
        let to = PathBuf::from(to);
        blocking(from, move |from| {
            disk::guard(from)?;
            disk::guard(&to)?;
            disk::rename(from, &to)
        })
        .await
    }

    async fn remove(&self, path: &str) -> Result<bool, HostError> {
        blocking(path, disk::remove).await
    }

    async fn make_dir(&self, path: &str, like: &Attributes) -> Result<(), HostError> {
        let like = *like;
        blocking(path, move |path| disk::make_dir(path, &like)).await
    }

    async fn sha256(&self, path: &str) -> Result<String, HostError> {
        blocking(path, disk::sha256).await
    }

    async fn free_bytes(&self, path: &str) -> Result<u64, HostError> {
        blocking(path, |path| {
            let found = rustix::fs::statvfs(path).map_err(|errno| disk::io_error("look at", path, &errno.into()))?;
            Ok(found.f_bavail.saturating_mul(found.f_frsize))
        })
        .await
    }

    async fn processes(&self) -> Result<Vec<Proc>, HostError> {
        // A child may end while the table is read.
        let before = child::sessions();
        let mut found = blocking("/proc", |_| processes::all()).await?;
        let ours: BTreeSet<i32> = before.into_iter().chain(child::sessions()).collect();
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        // A child that has just been started is not yet in a session of its own.
        let child = |process: &Proc| ours.contains(&process.session) || ours.contains(&process.pid);
        found.retain(|process| process.pid != own && !child(process));
        Ok(found)
    }

    async fn lock_holder(&self, path: &str) -> Result<Option<i32>, HostError> {
        blocking(path, |path| {
            let Some(found) = disk::stat(path)? else { return Ok(None) };
            processes::lock_holder(found.device, found.inode)
        })
        .await
    }

    async fn connect(&self, at: &str, within: Duration) -> Answer {
        match timeout(within, TcpStream::connect(at)).await {
            Ok(Ok(_)) => Answer::Open,
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Answer::Refused,
            Ok(Err(error)) => Answer::None(error.to_string()),
            Err(_) => Answer::None(format!("no answer within {}", humantime::format_duration(within))),
        }
    }

    fn log_source(&self, path: &str) -> Box<dyn Source + Send> {
        Box::new(Disk::new(Path::new(path)))
    }
}
