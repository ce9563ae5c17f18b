//! The webhook as its manifests install it, with one replica.

use super::control_plane::{ControlPlane, Controllers};
use super::place::Place;
use super::probe::{pod, wait_until_injected};
use super::replicas::{Replica, endpoints};
use std::path::Path;

/// It ends when it is dropped.
pub struct Installation {
    // The first: it speaks to the other.
    pub replica: Replica,
    pub control_plane: ControlPlane,
}

impl Installation {
    /// Installs the webhook in a control plane of its own; returns when the replica at the address is ready.
    pub fn start(folder: &Path, controllers: Controllers, address: &'static str) -> Installation {
        Installation::begin(ControlPlane::installed(controllers), folder, address)
    }

    /// Runs the replica; returns when it is ready.
    pub fn begin(control_plane: ControlPlane, folder: &Path, address: &'static str) -> Installation {
        let mut replica = Replica::start(&control_plane, folder, "replica-1", address);
        endpoints(&control_plane, &[address]);
        replica.wait_until_ready();
        Installation { replica, control_plane }
    }

    /// Makes a namespace, and the `kubectl` of a place the administrator in it; returns when its pods are reviewed. One to ask
    /// about is in `probe.json`.
    pub fn welcome(&self, place: &Place, namespace: &str) {
        self.control_plane.welcome(place, namespace);
        wait_until_injected(place, namespace);
        place.write("probe.json", pod().to_string());
    }
}
