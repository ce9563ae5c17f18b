//! Reasons: every outcome that is not "injected" is one value of one enum, with a stable code, a
//! sentence, and what to do. The same in `explain`, KRM results, SARIF, warnings, events, metrics.

use super::syntax;
use crate::value::Path;

/// How much a reason weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Something worth knowing about what was injected.
    Note,
    /// Why nothing was injected, where that is in order.
    Info,
    /// Something that is probably not meant.
    Warning,
    /// A finding for those who ask for more: `--strict` fails on it.
    Strict,
    /// A finding: `check` and `--strict` fail on it.
    Finding,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $name:ident, $code:literal, $severity:ident, $sentence:literal, $remedy:literal;)*) => {
        /// Why a container, a pod template, a document or a file came out as it did.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = concat!("`", $code, "`: what it says is in [`Reason::sentence`].")] $name,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The stable code: for machines, metric labels and rule ids.
            pub fn code(self) -> &'static str {
                match self { $(Reason::$name => $code,)* }
            }

            /// What is so.
            pub fn sentence(self) -> &'static str {
                match self { $(Reason::$name => $sentence,)* }
            }

            /// What to do about it.
            pub fn remedy(self) -> &'static str {
                match self { $(Reason::$name => $remedy,)* }
            }

            /// How much it weighs.
            pub fn severity(self) -> Severity {
                match self { $(Reason::$name => Severity::$severity,)* }
            }
        }
    };
}

reasons! {
    // Selection
    NotSelected, "not-selected", Info, "no AutoInstrumentation selects this pod template and it does not carry the label openlit.io/instrument: \"true\"", "add the label to the pod template (spec.template.metadata.labels), or an AutoInstrumentation whose selector matches";
    OptedOut, "opted-out", Info, "the pod template opts out", "remove openlit.io/instrument: \"false\" or openlit.io/skip: \"true\" to instrument it";
    ConfigurationPassedOver, "configuration-passed-over", Info, "every AutoInstrumentation that selects this pod template ignores it, is disabled or is invalid", "look at the `ignore`, `enabled` and status of the named resources";
    MirrorPod, "mirror-pod", Info, "the pod only mirrors a static pod, which runs as its node's files say", "inject into the manifest on the node";
    NamespaceExcluded, "namespace-excluded", Info, "pods of this namespace are never instrumented", "move the workload to another namespace";
    NoPodTemplate, "no-pod-template", Info, "this kind only refers to a pod template that stands elsewhere", "instrument the workload that it refers to";
    KnativeFeatures, "knative-features", Info, "Knative refuses init containers and field references unless its feature flags are on, so its pods are left to the webhook", "turn on kubernetes.podspec-init-containers, -fieldref and -volumes-emptydir in config-features and set OPENLIT_KNATIVE=render";
    Sops, "sops", Info, "the document is encrypted by sops and an edit would break its MAC", "decrypt before rendering, inject after";
    PatchFile, "patch-file", Info, "a kustomization lists this file as a patch, so it is not a workload", "inject after the build: kustomize build | prelit inject";
    NotKubernetes, "not-kubernetes", Info, "the file is not a Kubernetes manifest", "nothing, unless it is a template: render that first (helm template | prelit inject)";
    Unparsable, "unparsable", Finding, "the document cannot be parsed", "mend it, or leave the file out with --exclude; a Helm template is to be rendered first";
    UnsupportedYaml, "unsupported-yaml", Warning, "the place to edit is written in a way that Prelit does not edit", "write it as Kubernetes expects it, in ordinary block or flow style";
    SharedAnchor, "shared-anchor", Warning, "the edit would fall inside an anchored node that is used elsewhere, and would change that other place", "write the node out where it is used, or inject after the build";
    DuplicateItem, "duplicate-item", Warning, "the list holds this object more than once", "remove one: kustomize refuses it, and kpt keeps both";
    // The state of an earlier injection
    Edited, "edited", Finding, "what was injected has been changed since", "undo the change, or use --force";
    Stale, "stale", Finding, "what was injected is not what the configuration now gives", "run prelit inject; within kustomize, put the function into the outermost layer";
    NotInjected, "not-injected", Finding, "the pod template is selected and not injected", "run prelit inject";
    NoLongerSelected, "no-longer-selected", Finding, "the pod template was injected, and is not to be injected any more", "run prelit inject, or prelit remove";
    ConfigurationUnknown, "configuration-unknown", Info, "the injection was made by a configuration that this run does not have, so it is left as it is", "give the configuration with --config";
    UnreadableRecord, "unreadable-record", Finding, "the annotation openlit.io/injection cannot be read", "restore it from Git, or remove what was injected by hand";
    // Containers
    NoImage, "no-image", Info, "the container has no image, like a container of a kustomize patch", "inject after the build";
    Windows, "windows", Info, "the pod runs on Windows", "nothing: the packages are for Linux";
    ContainerExcluded, "container-excluded", Info, "openlit.io/exclude-containers names the container", "take it off that list";
    ContainerNotIncluded, "container-not-included", Info, "openlit.io/include-containers does not name the container", "add it to that list";
    InjectionDisabled, "injection-disabled", Info, "openlit.io/inject-python is \"false\"", "remove the annotation";
    OtherLanguage, "other-language", Info, "openlit.io/container-languages names another language", "change it to python if that is wrong";
    InitContainer, "init-container", Info, "init containers are instrumented only when openlit.io/include-containers names them", "name it there if it is to be instrumented";
    Sidecar, "sidecar", Info, "the container is a known sidecar", "name it in openlit.io/include-containers if it is to be instrumented";
    AlreadyInstrumented, "already-instrumented", Warning, "the container is instrumented already by another hand", "remove the other instrumentation first, then inject";
    IsolatedPython, "isolated-python", Info, "the program is python -I or -E and ignores PYTHONPATH", "start it without that option";
    NotPython, "not-python", Info, "the container is known not to run Python", "openlit.io/container-languages: <name>:python if that is wrong";
    LanguageUnknown, "language-unknown", Info, "nothing tells which of several containers runs Python", "name it: openlit.io/container-languages: <name>:python";
    NotDetected, "not-detected", Info, "nothing tells that the container runs Python, and detection is strict", "name it: openlit.io/container-languages: <name>:python";
    IncompatiblePython, "incompatible-python", Warning, "the init image holds no packages for the Python that the container runs", "use a Python that is served, or an init image that serves this one (Prelit's by OPENLIT_INIT_IMAGES, or a customInitImage); openlit.io/inject-python: \"true\" injects all the same";
    NameConflict, "name-conflict", Finding, "a volume, mount path or init container that is not ours already has our name", "rename it";
    ConfigurationWarning, "configuration-warning", Warning, "the AutoInstrumentation is valid, and has something that is probably not meant", "look at the field that is named";
    SelectsNothing, "selects-nothing", Warning, "the AutoInstrumentation was given for these manifests and selects none of their pod templates", "look at its selector and namespace, and at the labels of the pod templates; manifests that name no namespace are in that of --namespace";
    NoContainers, "no-containers", Info, "the pod template has no container", "look whether the field is spelt `containers`";
    UnreachedInjection, "unreached-injection", Warning, "the document carries openlit.io/injection in a place that is no pod template to this run", "name its kind with --workload, as when it was injected";
    UnknownMark, "unknown-mark", Warning, "a label or annotation under openlit.io/ has no meaning as it is written", "correct its key or value";
    // Notes on what was injected
    PythonAssumed, "python-assumed", Note, "the only container that could be Python is taken for it", "say so with openlit.io/container-languages, or set detection: strict";
    LabelOnWorkload, "label-on-workload", Note, "the label stands on the workload, where the webhook cannot see it", "move it to spec.template.metadata.labels";
    AmbiguousLabel, "ambiguous-label", Note, "kubectl and kustomize read this unquoted label value differently", "quote it";
    SeveralConfigurations, "several-configurations", Warning, "several AutoInstrumentations match; the first by priority and name is used", "narrow the selectors or set spec.priority";
    LatestTag, "latest-tag", Note, "the init image has the tag latest, which is not reproducible", "set python.instrumentation.version, or OPENLIT_DEFAULT_VERSION";
    CompatibilityUnknown, "compatibility-unknown", Note, "nothing tells which Python the container runs; the published init image serves CPython 3.11 on glibc", "check it, or use an image with the right packages";
    PythonPathHidden, "pythonpath-of-image", Note, "a PYTHONPATH that only the image sets is hidden by ours", "declare it in the manifest";
    EnvFromHidden, "env-from-hidden", Note, "envFrom may set variables that ours hide", "declare them as env";
    DuplicateVariable, "duplicate-variable", Warning, "a variable stands twice; the last one counts", "remove one";
    SecretInManifest, "secret-in-manifest", Strict, "otlp.headers is a literal, and a secret does not belong in Git", "use otlp.headersFrom.secretKeyRef";
    PackagesWithoutDependencies, "packages-without-dependencies", Note, "customPackages are installed without their dependencies, since they come before the application's own packages", "list what they need, or set noDeps: false";
    PurePackagesOnly, "pure-packages-only", Note, "customPackages are installed by the init image's Python for whichever Python the container runs, so they and what they depend on must be pure Python: otherwise the init container fails and names the package", "install packages with compiled parts in the application's own image; noDeps: true leaves out what it has";
    PackagesUnderMesh, "packages-under-mesh", Note, "customPackages are downloaded by an init container whose traffic a mesh captures", "exclude the init container's traffic, or build an image";
    HostNetworkDns, "host-network-dns", Note, "a pod on the host's network with dnsPolicy ClusterFirst cannot resolve names of the cluster", "set dnsPolicy: ClusterFirstWithHostNet";
    ImmutableTemplate, "immutable-template", Note, "the template of a Job or Pod cannot be changed in the cluster once it is applied", "delete and create it anew";
    KustomizeRenames, "kustomize-renames", Warning, "a kustomization renames this workload after the injection", "inject after the build: kustomize build | prelit inject";
    AfterDocumentEnd, "after-document-end", Warning, "kubectl drops what stands between ... and the next ---", "begin the document with ---";
    EmptiedInFlow, "emptied-in-flow", Note, "an empty value or an alias between brackets is written over, and prelit remove cannot bring it back as it is written", "nothing: it means the same";
    UndefinedReference, "undefined-reference", Warning, "an entry refers to a variable that is defined after it", "move the definition up";
}

/// A reason at a place, with what is particular about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The reason.
    pub reason: Reason,
    /// What is particular here: names, values that are no secrets. Empty where the reason says it all.
    pub detail: String,
    /// Where, from the root of the object.
    pub at: Path,
}

impl Finding {
    /// A reason at a place.
    pub fn new(reason: Reason, at: Path) -> Self {
        Finding { reason, detail: String::new(), at }
    }

    /// The same, with what is particular about it. It may hold what a user wrote: credentials in it are hidden.
    #[must_use]
    pub fn with(mut self, detail: impl Into<String>) -> Self {
        self.detail = syntax::shown(&detail.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_holds_no_credentials() {
        let finding = Finding::new(Reason::PackagesWithoutDependencies, Path::ROOT);
        assert_eq!(finding.with("a, b @ git+https://u:p@h/b").detail, "a, b @ git+https://***@h/b");
    }
}
