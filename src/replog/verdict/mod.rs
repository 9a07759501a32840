//! The verdict: several replicas, the quorum, the engineer's answers and the evidence of the logs, weighed together.
//!
//! A replica that could not be reached is unknown and is counted as unknown: it neither votes nor is missing. "Unsure"
//! leads to re-initializing, as the procedure has it, except where the evidence shows that this would destroy the only
//! good copy, or that the log is well and something else is wrong. Every reason names what it rests on. What is
//! deliberately absent: any action.

mod model;
mod standing;
mod values;
mod weigh;

pub use model::{
    Answer, Answers, Beside, Decision, Evidence, Leadership, Messages, Mode, Pointer, Question, Reason, Replica,
    Verdict,
};
pub use standing::one_line;
pub use values::{Values, ValuesError};
pub use weigh::judge;
