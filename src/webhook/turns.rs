//! How many of each peer get the processor at once; further ones of the same peer wait in line. So whoever comes with one
//! connection does not stand behind a thousand of somebody else's.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The lines of all peers.
#[derive(Debug)]
pub struct Turns {
    at_once: usize,
    lines: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
}

impl Turns {
    /// So many of each peer.
    pub fn new(at_once: usize) -> Self {
        Turns { at_once, lines: Mutex::default() }
    }

    /// Waits for the turn of a peer, which lasts until it is dropped.
    pub async fn wait(&self, peer: IpAddr) -> Turn<'_> {
        let peer = peer.to_canonical();
        let mut turn = Turn { turns: self, peer, permit: None };
        let line = {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(lines.entry(peer).or_insert_with(|| Arc::new(Semaphore::new(self.at_once))))
        };
        // A line is never closed.
        turn.permit = line.acquire_owned().await.ok();
        turn
    }
}

/// The turn of a peer, or its place in line.
#[derive(Debug)]
pub struct Turn<'t> {
    turns: &'t Turns,
    peer: IpAddr,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.permit = None;
        let mut lines = self.turns.lines.lock().unwrap_or_else(PoisonError::into_inner);
        // Who waits holds the line too, and nobody else gets it without the lock.
        if lines.get(&self.peer).is_some_and(|line| Arc::strong_count(line) == 1) {
            lines.remove(&self.peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn a_peer_stands_in_its_own_line_only() {
        let (turns, [one, other]) = (Turns::new(2), [[10, 0, 0, 1], [10, 0, 0, 2]].map(IpAddr::from));
        let held = [turns.wait(one).await, turns.wait(one).await];
        let mut third = Box::pin(turns.wait(one));
        assert!(third.as_mut().now_or_never().is_none());
        assert!(turns.wait(other).now_or_never().is_some());
        drop(held);
        drop(third.await);
        assert!(turns.lines.lock().unwrap().is_empty(), "nobody is remembered");
    }

    #[tokio::test]
    async fn who_leaves_the_line_is_forgotten() {
        let (turns, one) = (Turns::new(1), IpAddr::from([10, 0, 0, 1]));
        let held = turns.wait(one).await;
        assert!(turns.wait(one).now_or_never().is_none());
        drop(held);
        assert!(turns.lines.lock().unwrap().is_empty());
    }
}
