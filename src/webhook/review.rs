//! Admission reviews (admission/v1) as JSON: what the API server asks, and what it is answered. An answer always admits:
//! nothing that is wrong with us, or with a pod as we see it, is a reason to refuse a pod.
//! <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/>
//!
//! These are structs of our own, since kube's write the patch as an array of numbers
//! (<https://github.com/kube-rs/kube/issues/1781>).

use super::text::one_line;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The version of reviews that is spoken.
const API_VERSION: &str = "admission.k8s.io/v1";

/// The kind of reviews.
const KIND: &str = "AdmissionReview";

/// How long the API server lets one warning be; it cuts off the rest.
const LONGEST_WARNING: usize = 256;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question<'b> {
    #[serde(borrow)]
    api_version: Cow<'b, str>,
    #[serde(borrow)]
    kind: Cow<'b, str>,
    #[serde(borrow)]
    request: Option<Request<'b>>,
}

/// What the API server is about to do.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<'b> {
    /// What the answer must carry.
    #[serde(borrow)]
    pub uid: Cow<'b, str>,
    /// What kind of object it is.
    #[serde(borrow)]
    pub kind: Kind<'b>,
    /// By which resource it is changed.
    #[serde(borrow)]
    pub resource: Resource<'b>,
    /// Of which part of it, such as `status`; empty for the object.
    #[serde(borrow, default)]
    pub sub_resource: Cow<'b, str>,
    /// Its namespace, which the object itself need not name.
    #[serde(borrow, default)]
    pub namespace: Cow<'b, str>,
    /// `CREATE` and the like.
    #[serde(borrow)]
    pub operation: Cow<'b, str>,
    /// Whether nothing is to come of it.
    #[serde(default)]
    pub dry_run: bool,
    /// The object as it will be.
    #[serde(borrow)]
    pub object: Option<&'b RawValue>,
}

/// The kind of an object.
#[derive(Debug, Deserialize)]
pub struct Kind<'b> {
    /// Its group; empty for that of pods.
    #[serde(borrow, default)]
    pub group: Cow<'b, str>,
    /// Its version.
    #[serde(borrow)]
    pub version: Cow<'b, str>,
    /// Its name.
    #[serde(borrow)]
    pub kind: Cow<'b, str>,
}

/// The resource by which an object is changed.
#[derive(Debug, Deserialize)]
pub struct Resource<'b> {
    /// Its group; empty for that of pods.
    #[serde(borrow, default)]
    pub group: Cow<'b, str>,
    /// Its version.
    #[serde(borrow)]
    pub version: Cow<'b, str>,
    /// Its name.
    #[serde(borrow)]
    pub resource: Cow<'b, str>,
}

impl<'b> Request<'b> {
    /// Reads a review.
    ///
    /// # Errors
    /// When it is none; the message says what was found, and nothing of what stands in it.
    pub fn read(body: &'b [u8]) -> Result<Request<'b>, String> {
        let question: Question = serde_json::from_slice(body).map_err(|error| {
            format!("expected an AdmissionReview (line {}, column {})", error.line(), error.column())
        })?;
        if question.api_version != API_VERSION || question.kind != KIND {
            return Err(format!("expected {API_VERSION} {KIND}, found another kind or version"));
        }
        question.request.ok_or_else(|| "expected a request in the AdmissionReview, found none".to_owned())
    }

    /// Whether a pod is to be created: all that is ever changed.
    pub fn creates_pod(&self) -> bool {
        let Kind { group, version, kind } = &self.kind;
        let Resource { group: of, version: in_version, resource } = &self.resource;
        (group.as_ref(), version.as_ref(), kind.as_ref()) == ("", "v1", "Pod")
            && (of.as_ref(), in_version.as_ref(), resource.as_ref()) == ("", "v1", "pods")
            && self.sub_resource.is_empty()
            && self.operation == "CREATE"
    }
}

/// The answer to the review of this `uid`: it is admitted, with this patch (RFC 6902, as JSON), which may be empty.
pub fn admit(uid: &str, patch: &[u8], warnings: &[String]) -> Vec<u8> {
    let text = |text: &str| Json::from(text).to_string();
    let mut answer = String::with_capacity(patch.len() * 4 / 3 + 256);
    answer.push_str(&format!(
        r#"{{"apiVersion":"{API_VERSION}","kind":"{KIND}","response":{{"uid":{},"allowed":true"#,
        text(uid)
    ));
    if !patch.is_empty() {
        answer.push_str(r#","patchType":"JSONPatch","patch":""#);
        // Nothing of it must be escaped.
        BASE64.encode_string(patch, &mut answer);
        answer.push('"');
    }
    if !warnings.is_empty() {
        let warnings: Vec<String> = warnings.iter().map(|warning| text(warning)).collect();
        answer.push_str(&format!(r#","warnings":[{}]"#, warnings.join(",")));
    }
    answer.push_str("}}");
    answer.into_bytes()
}

/// A warning that `kubectl` shows.
pub fn warning(text: &str) -> String {
    one_line(text, LONGEST_WARNING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn review() -> Json {
        json!({
            "apiVersion": API_VERSION, "kind": KIND,
            "request": {
                "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
                "namespace": "prod", "operation": "CREATE",
                "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
                "object": {"apiVersion": "v1", "kind": "Pod"}, "oldObject": null, "dryRun": true,
                "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
            },
        })
    }

    #[test]
    fn a_review_is_read() {
        let body = review().to_string();
        let request = Request::read(body.as_bytes()).unwrap();
        assert_eq!((request.namespace.as_ref(), request.dry_run), ("prod", true));
        assert!(request.creates_pod());
        assert_eq!(request.object.unwrap().get(), r#"{"apiVersion":"v1","kind":"Pod"}"#);
    }

    #[test]
    fn only_the_creation_of_a_pod_is_one() {
        for (pointer, value) in [
            ("/request/kind/kind", "Deployment"),
            ("/request/kind/group", "apps"),
            ("/request/resource/resource", "pods2"),
            ("/request/operation", "UPDATE"),
            ("/request/subResource", "status"),
        ] {
            let mut review = review();
            review["request"]["subResource"] = json!("");
            *review.pointer_mut(pointer).unwrap() = json!(value);
            assert!(!Request::read(review.to_string().as_bytes()).unwrap().creates_pod(), "{pointer}");
        }
    }

    #[test]
    fn what_is_no_review_is_refused_without_being_shown() {
        let mut version = review();
        version["apiVersion"] = json!("admission.k8s.io/v1beta1");
        let mut none = review();
        none["request"] = json!(null);
        for body in ["", "[]", "{}", "s3cret", &version.to_string(), &none.to_string()] {
            let error = Request::read(body.as_bytes()).unwrap_err();
            assert!(error.contains("expected") && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn an_answer_admits_and_carries_its_patch_as_base64() {
        let patch = br#"[{"op":"add","path":"/metadata/annotations","value":{}}]"#;
        let warnings = ["w".to_owned(), "a \"b\"\n".to_owned()];
        let answer: Json = serde_json::from_slice(&admit("u\"", patch, &warnings)).unwrap();
        assert_eq!(answer["response"]["allowed"], true);
        assert_eq!(answer["response"]["patchType"], "JSONPatch");
        let decoded = BASE64.decode(answer["response"]["patch"].as_str().unwrap()).unwrap();
        assert_eq!((&decoded[..], &answer["response"]["uid"]), (&patch[..], &json!("u\"")));
        assert_eq!(answer["response"]["warnings"], json!(warnings));
        let nothing: Json = serde_json::from_slice(&admit("u", &[], &[])).unwrap();
        assert_eq!(nothing["response"], json!({"uid": "u", "allowed": true}));
    }

    #[test]
    fn a_warning_is_one_line_that_is_let_through() {
        assert_eq!(warning("a\nb"), "a b");
        let long = warning(&"é".repeat(300));
        assert!(long.len() <= LONGEST_WARNING && long.ends_with('…'));
    }
}
