//! The registration with the API server: one `MutatingWebhookConfiguration`, made and kept right. [`desired`] decides what
//! it says, [`original`] what becomes of what the original operator left behind, [`pace`] how soon is written again;
//! [`keeper`] does it, and [`uninstall`] takes it away again.

pub mod desired;
pub mod keeper;
pub mod original;
pub mod pace;
pub mod uninstall;

/// What the API server says is wrong, without the form that it says it in.
fn told(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
