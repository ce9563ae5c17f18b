//! Which objects hold pod templates, and where: the table of kinds as data, and the parts of a
//! template that rules ask about. Knows no rule of injection.

pub mod template;

pub use template::{Container, Lead, PodTemplate, Role};
