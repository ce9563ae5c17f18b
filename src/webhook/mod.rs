//! The admission webhook: the same engine, for pods that did not come through Git. Reviews in and answers out; its own
//! certificates; its registration with the API server. Knows no rule of injection.

pub mod decision;
pub mod registration;
pub mod review;
