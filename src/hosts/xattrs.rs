//! Extended attributes of a file that is replaced: its security context, its access list, and whatever else it has.
//!
//! A service that is confined cannot read a file that lost its context; nobody notices until its next start. So what
//! cannot be carried over stops the write, except where the file system knows no attributes at all.

use std::path::Path;

use rustix::{
    fs::{XattrFlags, lgetxattr, listxattr, setxattr},
    io::Errno,
};

use super::{HostError, disk::io_error};

/// Bytes of all names together, and of one value: the kernel's own limits.
const BYTES_MAX: usize = 64 * 1024;

/// Gives `to` the attributes of `from`, if that is there.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), HostError> {
    let mut names = vec![0_u8; BYTES_MAX];
    let len = match listxattr(from, names.as_mut_slice()) {
        Ok(len) => len,
        Err(Errno::NOENT | Errno::NOTSUP | Errno::NOSYS) => return Ok(()),
        Err(errno) => return Err(io_error("look at the attributes of", from, &errno.into())),
    };
    names.truncate(len);
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        copy_one(from, to, name)?;
    }
    Ok(())
}

fn copy_one(from: &Path, to: &Path, name: &[u8]) -> Result<(), HostError> {
    let mut value = vec![0_u8; BYTES_MAX];
    let len = match lgetxattr(from, name, value.as_mut_slice()) {
        Ok(len) => len,
        // Taken away in between.
        Err(Errno::NODATA) => return Ok(()),
        Err(errno) => return Err(io_error("read an attribute of", from, &errno.into())),
    };
    value.truncate(len);
    let mut now = vec![0_u8; BYTES_MAX];
    let same = lgetxattr(to, name, now.as_mut_slice()).is_ok_and(|len| now.get(..len) == Some(value.as_slice()));
    if same {
        return Ok(());
    }
    let set = setxattr(to, name, &value, XattrFlags::empty());
    set.map_err(|errno| io_error("keep an attribute of", from, &errno.into()))
}
