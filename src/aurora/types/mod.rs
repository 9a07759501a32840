//! Aurora's own structs, as far as a recovery reads or writes them: names for the field ids of its Thrift files, for all releases at once.
//!
//! What only some releases have is an `Option`. Fields that no one here needs stay in `other` and are written back unchanged.
//! A union is a struct of which one field is set.

mod job;
mod response;
mod snapshot;
mod task;

pub use job::*;
pub use response::*;
pub use snapshot::*;
pub use task::*;
