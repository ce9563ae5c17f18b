//! Prelit injects `OpenTelemetry` instrumentation into Python workloads where Kubernetes
//! manifests are rendered.
//!
//! The modules are the floors of a house; each may use those below it, never those above or
//! beside it:
//!
//! | floor | module | what it knows |
//! |---|---|---|
//! | 6 | [`cli`] | bytes, files, terminals; no injection rule |
//! | 5 | [`krm`] | the protocol of KRM functions: a list in, the same list out |
//! | 5 | `webhook` | admission reviews, certificates, registration, statuses |
//! | 5 | [`argocd`] | what Argo CD says to a plugin: environment, parameters, announcements |
//! | 4 | [`render`] | streams and trees of manifests in, the same out, instrumented |
//! | 3 | [`inject`] | the engine: pure functions, no I/O, no text, no clock |
//! | 2 | [`manifest`] | which objects hold pod templates, and where |
//! | 1 | [`yaml`] | text to values with byte spans; edits as splices |
//! | 1 | [`api`] | the words: resource, settings, names, reasons |
//! | 0 | [`value`] | maps, lists, scalars; edits of them |

pub mod api;
pub mod argocd;
pub mod cli;
pub mod inject;
pub mod krm;
pub mod manifest;
pub mod render;
pub mod value;
#[cfg(feature = "webhook")]
pub mod webhook;
pub mod yaml;
