//! How much of what is scarce each peer may hold: as much as is left over for others. One peer gets half at most, two a third
//! each, and so on: whoever comes next always finds something, and nobody has to be turned out for it. (Buffers of
//! switches are shared so: dynamic thresholds, after Choudhury and Hahne.)

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Something of which there is only so much. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shares {
    most: usize,
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    by_peer: HashMap<IpAddr, usize>,
}

/// What a peer holds, until it is dropped.
#[derive(Debug)]
pub struct Share {
    peer: IpAddr,
    amount: usize,
    held: Arc<Mutex<Held>>,
}

impl Shares {
    /// So much, and nothing held of it.
    pub fn new(most: usize) -> Self {
        Shares { most, held: Arc::default() }
    }

    /// So much for a peer; nothing if it would then hold more than is left over.
    pub fn take(&self, peer: IpAddr, amount: usize) -> Option<Share> {
        let peer = peer.to_canonical();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let total = held.total.checked_add(amount)?;
        let own = held.by_peer.get(&peer).copied().unwrap_or_default() + amount;
        if own > self.most.checked_sub(total)? {
            return None;
        }
        held.total = total;
        held.by_peer.insert(peer, own);
        Some(Share { peer, amount, held: Arc::clone(&self.held) })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.total -= self.amount;
        if let Some(own) = held.by_peer.get_mut(&self.peer) {
            *own -= self.amount;
            if *own == 0 {
                held.by_peer.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    /// What a peer gets that takes one by one for as long as it gets any.
    fn greedy(shares: &Shares, number: u8) -> Vec<Share> {
        std::iter::from_fn(|| shares.take(peer(number), 1)).collect()
    }

    #[test]
    fn whoever_comes_next_finds_something() {
        let shares = Shares::new(1_024);
        let held: Vec<_> = (0..8).map(|number| greedy(&shares, number)).collect();
        let counts: Vec<usize> = held.iter().map(Vec::len).collect();
        assert_eq!(counts, [512, 256, 128, 64, 32, 16, 8, 4]);
        assert!(shares.take(peer(9), 1).is_some());
    }

    #[test]
    fn what_is_given_back_is_there_for_others() {
        let shares = Shares::new(10);
        let held = greedy(&shares, 1);
        assert_eq!((held.len(), greedy(&shares, 2).len()), (5, 2));
        drop(held);
        assert_eq!(greedy(&shares, 2).len(), 5);
        assert!(shares.held.lock().unwrap().by_peer.is_empty(), "nobody is remembered");
    }

    #[test]
    fn more_than_there_is_is_nobodys() {
        let shares = Shares::new(10);
        for amount in [6, 11, usize::MAX] {
            assert!(shares.take(peer(1), amount).is_none(), "{amount}");
        }
        assert!(shares.take(peer(1), 5).is_some());
    }

    #[test]
    fn an_address_is_one_peer_in_both_of_its_forms() {
        let shares = Shares::new(2);
        let _held = shares.take("::ffff:10.0.0.1".parse().unwrap(), 1).unwrap();
        assert!(shares.take(peer(1), 1).is_none());
    }
}
