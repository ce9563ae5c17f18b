//! The admission webhook: the same engine, for pods that did not come through Git. Reviews in and answers out; its own
//! certificates; its registration with the API server; the statuses of the resources. Knows no rule of injection.

pub mod certificates;
pub mod configurations;
pub mod controller;
pub mod decision;
pub mod events;
pub mod lease;
pub mod logging;
pub mod metrics;
pub mod paced;
pub mod registration;
pub mod review;
pub mod routes;
pub mod run;
pub mod server;
pub mod shares;
pub mod turns;
