//! The admission webhook: the same engine, for pods that did not come through Git. Reviews in and answers out; its own
//! certificates; its registration with the API server; the statuses of the resources. Knows no rule of injection.

pub mod api_server;
pub mod certificates;
pub mod configurations;
pub mod controller;
pub mod counted;
pub mod decision;
pub mod events;
pub mod farewell;
pub mod lease;
pub mod listener;
pub mod logging;
pub mod metrics;
pub mod owner;
pub mod paced;
pub mod proxy;
pub mod registration;
pub mod review;
pub mod routes;
pub mod run;
pub mod server;
pub mod shared;
pub mod shares;
pub mod signals;
pub mod succession;
pub mod tasks;
pub mod telemetry;
pub mod text;
pub mod turns;
