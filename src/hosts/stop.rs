//! The wish to stop, as an action hears it.

use tokio::sync::watch;

/// Hears that work should stop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stop {
    heard: watch::Receiver<bool>,
}

/// Says that work should stop. If it is dropped unsaid, nothing stops.
#[derive(Debug)]
pub struct Stopper {
    say: watch::Sender<bool>,
}

impl Stop {
    /// A pair: one side says, the other hears.
    pub fn pair() -> (Stopper, Self) {
        let (say, heard) = watch::channel(false);
        (Stopper { say }, Self { heard })
    }

    /// One that never stops.
    pub fn never() -> Self {
        Self::pair().1
    }

    /// True once it was said.
    pub fn is_stopped(&self) -> bool {
        *self.heard.borrow()
    }

    /// Returns once it was said; never if it is not.
    pub async fn stopped(&self) {
        let mut heard = self.heard.clone();
        if heard.wait_for(|stopped| *stopped).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Stopper {
    /// Says it. Saying it again changes nothing.
    pub fn stop(&self) {
        self.say.send_replace(true);
    }

    /// Another ear.
    pub fn ear(&self) -> Stop {
        Stop { heard: self.say.subscribe() }
    }
}
