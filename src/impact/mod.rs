//! What restoring a backup would do: which running tasks it kills, which it starts again, what it takes back.
//!
//! A backup is held against what runs. What runs is known from the Mesos master, which answers even while every scheduler is
//! down; a scheduler that answers adds what the master does not know: owners, jobs, quotas, updates, maintenance. Where one of
//! them was not asked or did not answer, the result says "unknown" and never "none".
//!
//! Rules are those of Aurora: a task that a restored scheduler does not have is killed with its first status, one that it has
//! and that is gone is started again, and a framework id that the master no longer accepts means that nothing is adopted.
//! Pure: reading the backup and asking the master are the caller's. A million tasks on either side take some hundred bytes
//! each, ids included.

mod affected;
mod assess;
mod csv;
mod fate;
mod framework;
mod groups;
mod model;
mod notes;
pub mod outcome;
mod prediction;
mod reverted;
mod sides;
mod table;
mod text;
mod version;

pub use affected::{Affected, AffectedTask};
pub use assess::{assess, predict};
pub use csv::CsvOf;
pub use fate::{Fate, Truth, fate};
pub use framework::{FrameworkFate, FrameworkJudged, OtherFramework};
pub use groups::{FateCounts, Group, Instances, JobGroup, Resources};
pub use model::{BackupFacts, FORMAT, Impact, LiveFacts, Note, Verdict, schema};
pub use outcome::Outcome;
pub use prediction::{PredictedJob, Prediction};
pub use reverted::{Change, Item, Reverted, Section};
pub use sides::{BackupSide, LiveSide, Master, SchedulerSide, SideError};
pub use table::{TaskTable, TaskView};
pub use version::{VersionFit, VersionJudged};
