//! The command line as types: every flag, as a user reads about it. Knows nothing of what the
//! flags do.

#![allow(clippy::doc_markdown, rustdoc::broken_intra_doc_links)] // The comments are the help that users read.

use crate::api::syntax;
use clap::{Args as Group, Parser, Subcommand, ValueEnum, ValueHint};
use std::path::PathBuf;

/// Instruments Python AI workloads where Kubernetes manifests are rendered.
///
/// Prelit reads manifests, adds OpenTelemetry instrumentation to the pod templates that are
/// selected, and writes the same bytes for everything else. What is selected, by which
/// configuration, is the same as in the cluster: AutoInstrumentation resources, or the label
/// openlit.io/instrument: "true" on the pod template.
#[derive(Debug, Parser)]
#[command(
    name = "prelit",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 findings of `check` or `--strict`, 2 any error.",
    after_long_help = "\
Examples:
  kustomize build overlays/prod | prelit inject | kubectl apply -f -
  helm template chat ./chart | prelit inject --config instrumentation.yaml > chat.yaml
  prelit inject --write manifests/
  prelit check --format github manifests/
  prelit explain manifests/chat.yaml

Exit codes:
  0  done
  1  findings of `check` or `--strict`
  2  any error; nothing was written, and stdout is empty"
)]
pub struct Args {
    /// How much is said on stderr.
    #[command(flatten)]
    pub talk: Talk,
    /// Which door.
    #[command(subcommand)]
    pub command: Command,
}

/// How much is said on stderr.
#[derive(Debug, Clone, Copy, Default, Group)]
pub struct Talk {
    /// Say less: on stderr only errors; of `check`, no warnings in text and no notices for GitHub
    #[arg(short, long, global = true, conflicts_with = "verbose", display_order = 100)]
    pub quiet: bool,
    /// Say more: notes on what was injected, and every file that was left alone
    #[arg(short, long, global = true, display_order = 101)]
    pub verbose: bool,
}

/// The doors.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Inject instrumentation into manifests: a filter, or files and folders
    ///
    /// Without arguments, or with `-`, manifests are read from stdin and written to stdout. Files
    /// and folders are written to stdout as one stream, in place with --write, or shown as a
    /// unified diff with --diff. Everything is decided before the first byte is written: on an
    /// error nothing is written at all.
    ///
    /// Injecting twice gives the same as injecting once, and `prelit remove` gives back the
    /// original bytes.
    #[command(after_long_help = "\
Examples:
  kustomize build . | prelit inject | kubectl apply -f -
  prelit inject --write manifests/                    change the files in place
  prelit inject --diff manifests/ | less              look first
  prelit inject --config ai.yaml --set OPENLIT_DEFAULT_ENVIRONMENT=staging < in.yaml > out.yaml
  prelit inject --workload 'example.com/Agent=spec.workers[*].template' agents.yaml")]
    Inject(Edit),
    /// Take the instrumentation out again, down to the original bytes
    ///
    /// Takes out what `prelit inject` wrote and nothing else. What was changed by somebody since is
    /// an error, unless --force is given. Reads and writes like `prelit inject`.
    #[command(after_long_help = "\
Examples:
  prelit remove < injected.yaml > original.yaml
  prelit remove --write manifests/
  prelit remove --diff --force manifests/chat.yaml")]
    Remove(Edit),
    /// Fail if `prelit inject` would change something: the gate for CI
    ///
    /// Writes nothing but its findings. Findings, and exit code 1, are what `prelit inject` would
    /// change, injections that were changed by hand, conflicts, and documents that cannot be parsed.
    #[command(after_long_help = "\
Examples:
  prelit check manifests/
  prelit check --format github manifests/             annotations on the pull request
  prelit check --format sarif manifests/ > prelit.sarif
  kustomize build overlays/prod | prelit check --config ai.yaml")]
    Check(Check),
    /// Say for every container whether it is instrumented, by what, or why not
    ///
    /// One row a container: the workload, where it stands, the configuration or label that selects
    /// it, and whether it is injected, current, stale, edited or skipped; then what the reasons mean
    /// and what to do about them. Everything is parsed: there is an answer for every container.
    #[command(after_long_help = "\
Examples:
  prelit explain manifests/
  helm template chat ./chart | prelit explain --config ai.yaml
  prelit explain --format json manifests/ | jq '.containers[] | select(.state == \"skipped\")'")]
    Explain(Explain),
    /// Be a KRM function, for kustomize and kpt: a ResourceList in, a ResourceList out
    ///
    /// Reads a ResourceList (config.kubernetes.io/v1 or v1beta1, YAML or JSON) on stdin and writes it to
    /// stdout with its items instrumented. Its functionConfig is an AutoInstrumentation, which applies
    /// everywhere if it has no namespace, a ConfigMap whose data are settings, or nothing. What is
    /// to be said of each item stands in the results and on stderr.
    ///
    /// Exit codes: 0 done, 1 an error, or findings of --check and --strict. On an error stdout is empty.
    #[command(after_long_help = "\
Examples:
  kpt fn eval manifests/ --exec 'prelit fn' --fn-config ai.yaml
  kpt fn eval manifests/ --exec 'prelit fn --check' -t validator
  kpt fn source manifests/ | prelit fn | kpt fn sink rendered/
  kustomize build --enable-alpha-plugins --enable-exec .   a transformer names: exec: {path: prelit, args: [fn]}")]
    Fn(Function),
    /// Be a config-management plugin of Argo CD: render the current folder, instrumented
    ///
    /// Argo CD's plugin server runs these commands in the folder of an Application. What they are to do stands in
    /// the environment: ARGOCD_APP_PARAMETERS, ARGOCD_APP_NAMESPACE, ARGOCD_ENV_OPENLIT_* and the like.
    ///
    /// Exit codes: 0 done, 1 any error; stdout is empty then.
    Cmp {
        /// What Argo CD asks for
        #[command(subcommand)]
        command: Cmp,
    },
    /// Be an admission webhook: for pods that did not come through Git
    ///
    /// Runs in the cluster, as its manifests start it. Everything that it is told stands in its environment: the settings of
    /// docs/settings.md, POD_NAME, and the service account of its pod or KUBECONFIG.
    #[cfg(feature = "webhook")]
    Webhook(Webhook),
    /// Put the plugin in place that `kubectl kustomize --enable-alpha-plugins` runs
    ///
    /// kubectl skips exec functions without a word, and runs plugins of the older form: a program named like
    /// the kind of its configuration. This makes a link to prelit at
    /// DIR/openlit.io/v1alpha1/autoinstrumentation/AutoInstrumentation. An AutoInstrumentation
    /// under `transformers:` is then applied to everything that the kustomization builds.
    InstallKustomizePlugin {
        /// The folder of plugins; without it $KUSTOMIZE_PLUGIN_HOME, or the first that exists of
        /// $XDG_CONFIG_HOME/kustomize/plugin, ~/.config/kustomize/plugin and ~/kustomize/plugin, as
        /// kustomize looks for it
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
        /// Take the link away again
        #[arg(long)]
        remove: bool,
    },
    /// Print the CustomResourceDefinition of AutoInstrumentation
    ///
    /// For example: prelit crd | kubectl apply -f -
    Crd,
    /// Print completions for a shell
    ///
    /// For example: prelit completions bash > /etc/bash_completion.d/prelit
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print a man page
    ///
    /// For example: prelit man inject | man -l -
    Man {
        /// The command whose page is printed; without it, that of prelit itself
        #[arg(value_parser = ["inject", "remove", "check", "explain", "fn", "cmp", "webhook", "install-kustomize-plugin", "crd", "completions", "man"])]
        command: Option<String>,
    },
}

/// What is read.
#[derive(Debug, Clone, Default, Group)]
pub struct Inputs {
    /// Files and folders; `-`, or nothing at all, is stdin
    ///
    /// Folders are read with everything below them: *.yaml, *.yml and *.json; hidden and
    /// git-ignored files are left out, and so is what is no Kubernetes manifest (Helm templates,
    /// values files) or is a patch of a kustomization. A named file is read whatever it is called,
    /// unless a kustomization in its folder, or in one above it, lists it as a patch. A path below
    /// which nothing is found is an error.
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// Leave out files and folders that match, in the syntax of .gitignore; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Leave alone what cannot be parsed, as in folders, instead of failing
    ///
    /// For pre-commit, which hands over Helm templates by name. A document that cannot be parsed is
    /// still a finding of `check` and `--strict`.
    #[arg(long)]
    pub skip_unparsable: bool,
}

/// What decides.
#[derive(Debug, Clone, Default, Group)]
#[command(next_help_heading = "Configuration")]
pub struct Configuration {
    /// A file with AutoInstrumentation resources; may be repeated
    ///
    /// Stdin is for manifests only.
    /// Those among the manifests count too. A resource without a namespace applies everywhere.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Vec<PathBuf>,
    /// A file with settings: a ConfigMap, a YAML map, or lines of NAME=VALUE
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub settings: Option<PathBuf>,
    /// A setting, stronger than those of --settings; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// The namespace of manifests that name none
    #[arg(short, long, value_parser = namespace)]
    pub namespace: Option<String>,
    /// A further kind that holds pod templates: group/Kind=spec.path[*].template; may be repeated
    #[arg(long, value_name = "KIND=PATH")]
    pub workload: Vec<String>,
}

/// What becomes of findings.
#[derive(Debug, Clone, Copy, Default, Group)]
pub struct OnFindings {
    /// Write nothing and exit with 1 if there are findings
    ///
    /// Findings are, for example, injections that were changed by hand, conflicts of names, secrets
    /// in manifests, and documents that cannot be parsed.
    #[arg(long)]
    pub strict: bool,
    /// Renew, or remove, what was changed by hand since it was injected
    #[arg(short, long)]
    pub force: bool,
}

/// `inject` and `remove`.
#[derive(Debug, Clone, Default, Group)]
pub struct Edit {
    /// What is read.
    #[command(flatten)]
    pub inputs: Inputs,
    /// Change the files in place: all of them, or on an error none
    #[arg(short, long, conflicts_with = "diff")]
    pub write: bool,
    /// Show what would change as a unified diff, for `patch -p1` or `git apply`
    ///
    /// Paths are relative to the current folder. Where a file is not below it, they begin at the root
    /// of the file system, for `patch -p1 -d /`.
    #[arg(short, long)]
    pub diff: bool,
    /// What becomes of findings.
    #[command(flatten)]
    pub findings: OnFindings,
    /// What decides.
    #[command(flatten)]
    pub configuration: Configuration,
}

/// `check`.
#[derive(Debug, Clone, Group)]
pub struct Check {
    /// What is read.
    #[command(flatten)]
    pub inputs: Inputs,
    /// The form of the findings
    #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
    pub format: CheckFormat,
    /// What decides.
    #[command(flatten)]
    pub configuration: Configuration,
}

/// `explain`.
#[derive(Debug, Clone, Group)]
pub struct Explain {
    /// What is read.
    #[command(flatten)]
    pub inputs: Inputs,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = ExplainFormat::Text)]
    pub format: ExplainFormat,
    /// What decides.
    #[command(flatten)]
    pub configuration: Configuration,
}

/// `fn`.
#[derive(Debug, Clone, Group)]
pub struct Function {
    /// Change nothing, and fail if something is to be injected or was edited: a validator
    #[arg(long, conflicts_with_all = ["remove", "force"])]
    pub check: bool,
    /// Take the instrumentation out again
    #[arg(long)]
    pub remove: bool,
    /// What becomes of findings.
    #[command(flatten)]
    pub findings: OnFindings,
    /// What decides.
    #[command(flatten)]
    pub configuration: Configuration,
}

/// `cmp`.
#[derive(Debug, Clone, Subcommand)]
pub enum Cmp {
    /// Render the folder, and inject instrumentation
    ///
    /// A kustomization is built by kustomize and a chart by helm, both from the PATH; of any other folder the *.yaml,
    /// *.yml and *.json files are read. Nothing is fetched.
    #[command(after_long_help = "\
Examples:
  prelit cmp generate                                  in a folder, as Argo CD runs it
  ARGOCD_APP_NAME=chat ARGOCD_APP_NAMESPACE=prod prelit cmp generate
  ARGOCD_APP_PARAMETERS='[{\"name\": \"environment\", \"string\": \"staging\"}]' prelit cmp generate")]
    Generate {
        /// A folder with AutoInstrumentation resources and settings (settings.yaml or settings.env) that hold for
        /// every Application; it may be missing
        #[arg(long, value_name = "DIR", default_value = DEFAULTS, value_hint = ValueHint::DirPath)]
        defaults: PathBuf,
        /// How many seconds kustomize or helm may take; less than Argo CD waits, so that the error says why
        #[arg(long, value_name = "SECONDS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=86_400))]
        timeout: u64,
        /// How many MiB the manifests may be together, before the injection; reading them takes up to 40 times as much memory
        #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=1_024))]
        max_size: u64,
    },
    /// Announce the parameters of the folder, for Argo CD's user interface
    Parameters {
        /// The same folder as for generate
        #[arg(long, value_name = "DIR", default_value = DEFAULTS, value_hint = ValueHint::DirPath)]
        defaults: PathBuf,
    },
    /// Say `kustomize`, `helm` or `directory` if the folder can be rendered, and nothing otherwise
    Discover,
}

/// `webhook`.
#[cfg(feature = "webhook")]
#[derive(Debug, Clone, Group)]
pub struct Webhook {
    /// Delete the webhook's configuration, Secret and Lease instead; refused while a replica runs
    #[arg(long)]
    pub uninstall: bool,
    /// The address that is listened on; without it, all
    #[arg(long, value_name = "ADDRESS")]
    pub bind: Option<std::net::IpAddr>,
}

/// Where a sidecar has its defaults.
const DEFAULTS: &str = "/etc/prelit";

/// What kustomize passes to an exec plugin of the older form.
#[derive(Debug, Parser)]
#[command(name = "AutoInstrumentation", version, about = "The plugin of kustomize that Prelit is under this name")]
pub struct Plugin {
    /// The file with the AutoInstrumentation, as kustomize wrote it
    #[arg(value_name = "FILE")]
    pub resource: PathBuf,
    /// What becomes of findings.
    #[command(flatten)]
    pub findings: OnFindings,
    /// What decides, beside the resource.
    #[command(flatten)]
    pub configuration: Configuration,
    /// How much is said on stderr.
    #[command(flatten)]
    pub talk: Talk,
}

/// The forms of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// Lines for people
    Text,
    /// Everything, for programs
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands: annotations on a pull request at GitHub
    Github,
}

/// The forms of an explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExplainFormat {
    /// A table for people
    Text,
    /// Everything, for programs
    Json,
}

/// A namespace's name.
fn namespace(text: &str) -> Result<String, String> {
    if syntax::check(syntax::DNS_LABEL, text) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected {}", syntax::DNS_LABEL.expected))
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_flag_is_documented() {
        fn walk(command: &clap::Command) {
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(walk);
        }
        let mut command = Args::command();
        command.build();
        walk(&command);
    }

    #[test]
    fn a_setting_may_hold_equals_signs_and_nothing() {
        assert_eq!(pair("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert_eq!(pair("A="), Ok(("A".to_owned(), String::new())));
        assert!(pair("A").is_err() && pair("=b").is_err());
    }
}
