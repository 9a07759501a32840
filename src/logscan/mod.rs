//! Scheduler and Mesos log lines: what they are, how many of each, and the story that they tell of leadership.
//!
//! What belongs here: pure functions over lines that a caller reads. Prefixes of glog, logback, journald and syslog
//! are stripped, messages are matched against one table (`assets/log-patterns.tsv`, which a
//! reader may extend), times without a year are completed from the
//! caller's clock. It survives any text: unknown lines are counted and skipped, every list is bounded. What is
//! deliberately absent: files, following, the clock.

mod across;
mod evidence;
mod java_date;
mod line;
mod patterns;
mod rotation;
mod said;
mod scan;
mod unpack;

pub use across::across;
pub use evidence::{HostSays, WINDOW_MS, leadership, messages};
pub use java_date::{JavaDate, SNAPSHOT_APPLIED};
pub use line::{Clock, JOURNAL_ARGS, Line, parse, timed};
pub use patterns::{Health, Pattern, RowError, Table};
pub use rotation::{Age, rotated};
pub use said::{Diagnosis, Election, End, KindCount, LastPositions, Sample, Scan};
pub use scan::{Known, Scanner};
pub use unpack::Unpack;
