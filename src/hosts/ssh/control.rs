//! Where the sockets of masters stand: a short, private directory of this process.
//!
//! A socket's path has to fit into about a hundred bytes, and whoever can open a socket can act on the host behind it.
//! What a process that died left behind is found here by the next one and closed.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::hosts::HostError;

/// First part of the directory's name; the process's id follows.
const PREFIX: &str = "firstlight-";
/// Bytes of a socket's path: the system's limit is 108, and ssh adds 17 while it makes one.
const PATH_BYTES_MAX: usize = 88;
/// Directories of other processes that are looked at; a machine has one or two.
const OTHERS_MAX: usize = 256;

/// The directory, made when it is first needed.
#[derive(Debug, Default)]
pub struct ControlDir {
    made: Mutex<Option<PathBuf>>,
}

impl ControlDir {
    /// The path for a socket with this short name.
    pub fn socket(&self, name: &str) -> Result<PathBuf, HostError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = match &*made {
            Some(dir) => dir.clone(),
            None => made.insert(make(name.len())?).clone(),
        };
        Ok(dir.join(name))
    }

    /// Takes the directory away with what is left in it.
    pub fn remove(&self) {
        if let Some(dir) = self.made.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Sockets of masters that ended are gone already; a directory that stays does no harm.
            let _ = fs::remove_dir_all(dir);
        }
    }
}

impl Drop for ControlDir {
    fn drop(&mut self) {
        self.remove();
    }
}

fn bases() -> Vec<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    runtime.into_iter().chain([PathBuf::from("/tmp")]).collect()
}

fn make(name_bytes: usize) -> Result<PathBuf, HostError> {
    let own = format!("{PREFIX}{}-{:08x}", std::process::id(), fastrand::u32(..));
    let mut why = "there is no short path for its sockets".to_owned();
    for base in bases() {
        let dir = base.join(&own);
        if dir.as_os_str().len() + 1 + name_bytes > PATH_BYTES_MAX {
            continue;
        }
        match fs::DirBuilder::new().mode(0o700).create(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) => why = format!("{}: {error}", dir.display()),
        }
    }
    Err(HostError::NotReached { why: format!("a private directory for ssh cannot be made: {why}") })
}

/// Sockets in directories of this user's processes that are gone, and those directories.
pub fn left_behind() -> (Vec<PathBuf>, Vec<PathBuf>) {
    let own = rustix::process::getuid().as_raw();
    let names = bases().into_iter().filter_map(|base| fs::read_dir(base).ok()).flatten().flatten();
    let dirs = names.map(|name| name.path()).filter(|path| is_left_behind(path, own)).take(OTHERS_MAX);
    let dirs: Vec<PathBuf> = dirs.collect();
    let sockets = dirs.iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten().flatten().map(|name| name.path());
    (sockets.collect(), dirs)
}

fn is_left_behind(path: &Path, own: u32) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some((pid, _)) = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-')) else { return false };
    let Ok(pid) = pid.parse::<u32>() else { return false };
    let ours = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir() && found.uid() == own);
    ours && !Path::new(&format!("/proc/{pid}")).exists()
}
