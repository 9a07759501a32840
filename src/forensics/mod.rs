//! The disk under the reader of replicated logs: where [`crate::replog`] must not go, because it does no I/O.
//!
//! What belongs here: a replica's directory opened for reading only ([`Disk`]), and what stands around it on the
//! machine ([`surround`]): lock, owner, modes, space, newest write. It survives directories that change under it,
//! pipes, devices, loops of links and files of any length. What is deliberately absent: anything that writes, takes or
//! even opens a lock, follows a link inside the directory, or moves a time stamp where the system lets it be.

mod disk;
mod surround;

pub use disk::Disk;
pub use surround::surround;
