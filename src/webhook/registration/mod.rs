//! The registration with the API server: one `MutatingWebhookConfiguration`, made and kept right. [`desired`] decides what
//! it says, [`original`] what becomes of what the original operator left behind, [`pace`] how soon is written again;
//! [`keeper`] does it, and [`uninstall`] takes it away again.

pub mod desired;
pub mod keeper;
pub mod original;
pub mod pace;
pub mod uninstall;

use super::api_server;

/// What the API server says is wrong, without the form that it says it in.
fn told(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => api_server::told(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is uninstalled is a Secret, too.
    #[test]
    fn an_answer_that_cannot_be_read_is_not_shown() {
        let error = serde_json::from_str::<u8>("\"s3cret\"").unwrap_err();
        assert!(error.to_string().contains("s3cret"), "else this is no test: {error}");
        assert_eq!(told(&kube::Error::SerdeError(error)), "an answer of the API server cannot be read");
    }
}
