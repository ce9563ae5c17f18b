//! Tasks that run for as long as the process does. One that ends before is a defect, and it is not to be missed: without a
//! keeper of certificates all would seem well until they expire.

use futures::FutureExt;
use std::future::{Future, pending};
use std::panic::AssertUnwindSafe;
use tokio::task::JoinSet;

/// Tasks that run beside each other. They end when this is dropped.
#[derive(Debug, Default)]
pub struct Tasks(JoinSet<&'static str>);

impl Tasks {
    /// Runs one more.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(async move {
            // The hook of panics has logged where.
            let _panicked = AssertUnwindSafe(task).catch_unwind().await;
            name
        });
    }

    /// Waits until one ends, by itself or by a panic: which.
    pub async fn first_to_end(&mut self) -> &'static str {
        match self.0.join_next().await {
            Some(ended) => ended.unwrap_or("a task"),
            None => pending().await,
        }
    }

    /// Waits until all have ended.
    pub async fn all_to_end(&mut self) {
        while self.0.join_next().await.is_some() {}
    }

    /// Ends all.
    pub async fn stop(&mut self) {
        self.0.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn who_ends_is_named_however_it_ended() {
        let mut tasks = Tasks::default();
        tasks.spawn("steady", pending());
        assert!(timeout(Duration::from_secs(60), tasks.first_to_end()).await.is_err());
        tasks.spawn("returns", async {});
        assert_eq!(tasks.first_to_end().await, "returns");
        tasks.spawn("panics", async { panic!("on purpose") });
        assert_eq!(tasks.first_to_end().await, "panics");
        tasks.stop().await;
        assert!(timeout(Duration::from_secs(60), tasks.first_to_end()).await.is_err(), "there is none any more");
    }
}
