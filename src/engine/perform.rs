//! How the engine reaches the world: one trait, so that a simulation can stand in for it.

use async_trait::async_trait;

use super::OutputStore;
use crate::session::{Look, Order, Outcome, Report};

/// Carries out what a session asks for.
#[async_trait]
pub trait Perform: Send + Sync + 'static {
    /// Runs an action after its guards. It ends within the order's time: past it the outcome is in
    /// doubt. It never panics on purpose; the engine turns a panic into a doubt.
    async fn attempt(&self, order: Order, output: OutputStore) -> Outcome;

    /// Looks. It ends within the look's time: past it the finding is unknown.
    async fn look(&self, look: Look) -> Report;

    /// Ends what runs, as soon as it can be ended. Nothing is begun afterwards.
    fn stop(&self);
}
