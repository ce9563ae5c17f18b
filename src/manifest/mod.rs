//! Which objects hold pod templates, and where: the table of kinds as data, and the parts of a
//! template that rules ask about. Knows no rule of injection.

pub mod kinds;
pub mod lead;
pub mod pattern;
pub mod template;
pub mod workload;

pub use kinds::{Row, RowError, kind_names};
pub use lead::lead_of_pod;
pub use template::{Container, Lead, PodTemplate, Role};
pub use workload::{Found, Object, Workload, inherited_from, is_sops, workloads, workloads_as, workloads_of_items};
