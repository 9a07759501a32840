//! Fields that do not fit the model, counted by where they are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Different places that are told apart; damage makes more of them than anybody reads.
const PLACES_MAX: usize = 64;

/// How many fields of a kind, and where: `tasks/assignedTask/task/77` for field 77 of the configuration of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldCounts {
    /// All of them.
    pub total: u64,
    /// By place; the first 64 different places, so the sum may be less than the total.
    pub by_place: BTreeMap<String, u64>,
}

impl FieldCounts {
    pub(super) fn add(&mut self, place: &str, id: i16) {
        self.total += 1;
        let full = self.by_place.len() >= PLACES_MAX;
        let name = format!("{place}/{id}");
        match self.by_place.get_mut(&name) {
            Some(count) => *count += 1,
            None if full => {}
            None => {
                self.by_place.insert(name, 1);
            }
        }
    }

    /// The places with their numbers, for a line of text.
    pub(super) fn words(&self) -> String {
        const NAMED: usize = 5;
        let mut words: Vec<String> =
            self.by_place.iter().take(NAMED).map(|(place, count)| format!("{place} ({count})")).collect();
        if self.by_place.len() > NAMED {
            words.push("…".to_owned());
        }
        words.join(", ")
    }
}
