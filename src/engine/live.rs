//! The world as it is: actions on hosts, with a full output file for each attempt.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use async_trait::async_trait;

use super::{OutputStore, Perform};
use crate::{
    actions::{self, Evidence, Sink, Stopper, World},
    hosts::Stop,
    journal::SessionDir,
    session::{Look, Order, Outcome, Report},
};

/// Carries out what a session asks for on the inventory's hosts.
pub struct Live {
    world: World,
    dir: SessionDir,
    stopper: Stopper,
}

impl Live {
    /// The world of an inventory, with output files and evidence in a session's directory.
    pub fn new(world: World, dir: SessionDir) -> Self {
        let (stopper, _) = Stop::pair();
        let world = world.keeping(Evidence::in_session(dir.path()));
        Self { world, dir, stopper }
    }

    /// The file of an attempt. Output is lost without it, evidence is not, so the action goes on.
    fn file(&self, order: &Order) -> Option<File> {
        let path: PathBuf = self.dir.output(order.attempt);
        OpenOptions::new().create(true).append(true).mode(0o600).open(path).ok()
    }
}

#[async_trait]
impl Perform for Live {
    async fn attempt(&self, order: Order, output: OutputStore) -> Outcome {
        let file = self.file(&order);
        let without_file = file.is_none();
        let sink = Sink::new(order.attempt, order.host.clone(), output, self.world.secrets.clone(), file);
        if without_file {
            sink.note("the output of this attempt cannot be kept in a file; what is shown here is all there is");
        }
        actions::attempt(&self.world, &order, &sink, &self.stopper.ear()).await
    }

    async fn look(&self, look: Look) -> Report {
        actions::look(&self.world, &look).await
    }

    fn stop(&self) {
        self.stopper.stop();
    }
}
