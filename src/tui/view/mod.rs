//! Views: functions of what is known, what is shown, an area and the time. They draw into a buffer and do
//! nothing else: no I/O, no clock, no change of any state. Each takes any area, down to nothing.

mod bottom;
mod dialog;
mod leader;
mod now;
mod output;
mod over;
mod page;
mod plan;
mod screen;
mod table;
mod top;
mod tree;

pub use page::{answer_text, run_page};
pub use screen::{Info, Scene, draw};
