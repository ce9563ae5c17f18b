//! A control plane of Kubernetes, ready in seconds: etcd, the API server and, if asked for, the controllers.
//!
//! There is no node. Where a Service leads is written by hand, as an `EndpointSlice` with addresses of
//! [`ADDRESSES`](super::apart::ADDRESSES): the API server picks among them without kube-proxy.

use super::credentials::Credentials;
use super::place::{Place, ROOT, Run};
use super::process::{Process, wait_until};
use super::tools::Tools;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{LazyLock, Mutex};
use tempfile::TempDir;

/// The tools without which there is no control plane here.
pub const NEEDS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];

/// Those that make pods, and what their work stands on. None that would write the endpoints of Services.
const CONTROLLERS: &str = "deployment-controller,replicaset-controller,statefulset-controller,daemonset-controller,\
    job-controller,cronjob-controller,replicationcontroller-controller,serviceaccount-controller,\
    namespace-controller,garbage-collector-controller";

/// Who may do everything.
const ADMINISTRATOR: &str = "administrator";

/// The one that tests share. It is never dropped: it ends with the process, as everything does that runs apart.
static SHARED: LazyLock<ControlPlane> = LazyLock::new(|| {
    let control_plane = ControlPlane::start(Controllers::All);
    control_plane.define();
    control_plane
});

/// No port is used twice, and nobody else is in this network.
static NEXT_PORT: AtomicU16 = AtomicU16::new(20_000);

/// Whether pods are made for Deployments, Jobs and the like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Controllers {
    All,
    None,
}

/// It ends when it is dropped.
pub struct ControlPlane {
    tools: Tools,
    credentials: Credentials,
    port: u16,
    database: String,
    api_server: Mutex<Option<Process>>,
    /// etcd, and the controllers.
    others: Vec<Process>,
    // The last one: those above write into it.
    folder: TempDir,
}

impl ControlPlane {
    /// The one that tests share, with our definition.
    pub fn shared() -> &'static ControlPlane {
        &SHARED
    }

    /// Another one; returns when the API server is ready.
    pub fn start(controllers: Controllers) -> ControlPlane {
        let tools = Tools::find();
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials::make(folder.path());
        let database = format!("http://127.0.0.1:{}", port());
        let etcd = Process::start(&mut etcd(&tools, folder.path(), &database), folder.path(), "etcd");
        let mut control_plane = ControlPlane {
            tools,
            credentials,
            port: port(),
            database,
            api_server: Mutex::new(None),
            others: vec![etcd],
            folder,
        };
        control_plane.user(ADMINISTRATOR, "system:masters");
        control_plane.start_api_server();
        if controllers == Controllers::All {
            control_plane.others.push(control_plane.start_controllers());
        }
        control_plane
    }

    /// Another one, in which the webhook is installed as its manifests say; nothing of it runs yet.
    pub fn installed(controllers: Controllers) -> ControlPlane {
        let control_plane = ControlPlane::start(controllers);
        let manifests = format!("{ROOT}/deploy/openlit-operator.yaml");
        control_plane.kubectl(&["apply", "--server-side", "-f", &manifests], "");
        control_plane.wait_until_defined();
        control_plane
    }

    /// Adds our definition, and waits until it is served.
    pub fn define(&self) {
        self.kubectl(&["apply", "-f", &format!("{ROOT}/deploy/crds")], "");
        self.wait_until_defined();
    }

    /// Waits until our definition is served. (`kubectl wait` fails on one that has no condition yet.)
    pub fn wait_until_defined(&self) {
        let established = "{.status.conditions[?(@.type=='Established')].status}";
        let output = format!("--output=jsonpath={established}");
        wait_until("the definition is served", || {
            self.kubectl(&["get", "crd", "autoinstrumentations.openlit.io", &output], "").stdout == "True"
        });
    }

    /// Makes a namespace, and the `kubectl` of a place the administrator in it.
    pub fn welcome(&self, place: &Place, namespace: &str) {
        self.namespace(namespace);
        let config = place.home(".kube/config");
        fs::create_dir_all(config.parent().unwrap()).unwrap();
        fs::copy(self.administrator(namespace), config).unwrap();
    }

    /// A kubeconfig of the administrator.
    pub fn administrator(&self, namespace: &str) -> PathBuf {
        self.kubeconfig(ADMINISTRATOR, namespace, &self.certificate_of(ADMINISTRATOR))
    }

    /// Makes a namespace, unless it is there, in which pods can be made at once: without its
    /// `ServiceAccount` the API server refuses them.
    pub fn namespace(&self, name: &str) {
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "default", "namespace": name },
        });
        self.kubectl(&["apply", "--server-side", "-f", "-"], &format!("{namespace}\n{account}"));
    }

    /// A kubeconfig with a token of a `ServiceAccount`, which is good for an hour.
    pub fn kubeconfig_of(&self, namespace: &str, account: &str) -> PathBuf {
        let token = self.kubectl(&["create", "token", account, "--namespace", namespace], "").stdout;
        self.kubeconfig(&format!("{namespace}-{account}"), namespace, &json!({ "token": token.trim() }))
    }

    /// A client of the administrator, for what would take kubectl too long.
    pub async fn client(&self) -> kube::Client {
        let file = self.kubeconfig(ADMINISTRATOR, "default", &self.certificate_of(ADMINISTRATOR));
        let config = Kubeconfig::read_from(file).unwrap();
        let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.unwrap();
        kube::Client::try_from(config).unwrap()
    }

    /// Starts the API server, and waits until it is ready.
    pub fn start_api_server(&self) {
        let mut api_server = Process::start(&mut self.api_server(), self.folder.path(), "api-server");
        api_server.wait_until("the API server is ready", || self.is_ready());
        *self.api_server.lock().unwrap() = Some(api_server);
    }

    /// Kills the API server, as a machine that is switched off.
    pub fn kill_api_server(&self) {
        drop(self.api_server.lock().unwrap().take());
    }

    /// Asks the API server to end, as an update does, and waits until it has.
    pub fn stop_api_server(&self) {
        self.api_server.lock().unwrap().take().expect("it runs").stop();
    }

    /// Whether the API server says that it is ready.
    pub fn is_ready(&self) -> bool {
        // Most of the time it does not listen yet, and this asks for less than kubectl does.
        TcpStream::connect(("127.0.0.1", self.port)).is_ok()
            && self.as_administrator(&["get", "--raw", "/readyz"], "").code == 0
    }

    /// Runs kubectl as the administrator; it must succeed.
    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str], stdin: &str) -> Run {
        self.as_administrator(arguments, stdin).succeeded()
    }

    /// Runs kubectl as the administrator, whatever comes of it.
    pub fn try_kubectl(&self, arguments: &[&str]) -> Run {
        self.as_administrator(arguments, "")
    }

    fn as_administrator(&self, arguments: &[&str], stdin: &str) -> Run {
        let mut command = self.program("kubectl");
        command.env_clear().env("HOME", self.folder.path());
        command.arg("--kubeconfig").arg(self.administrator("default"));
        Run::of(command.args(arguments), stdin)
    }

    fn start_controllers(&self) -> Process {
        let user = "system:kube-controller-manager";
        self.user(user, user);
        let mut command = self.program("kube-controller-manager");
        command
            .arg("--kubeconfig")
            .arg(self.kubeconfig(user, "default", &self.certificate_of(user)))
            .arg(self.flag("service-account-private-key-file", "accounts.key"))
            .arg(self.flag("root-ca-file", "authority.crt"))
            .arg(format!("--controllers={CONTROLLERS}"))
            // Each controller has its own account, as in a cluster: a webhook is told who asks.
            .arg("--use-service-account-credentials")
            // It serves nobody, elects nobody, and is not to be slower than it must.
            .args(["--secure-port=0", "--leader-elect=false", "--kube-api-qps=1000", "--kube-api-burst=1000"]);
        Process::start(&mut command, self.folder.path(), "controllers")
    }

    fn api_server(&self) -> Command {
        let mut command = self.program("kube-apiserver");
        command
            .arg(format!("--etcd-servers={}", self.database))
            .arg(format!("--secure-port={}", self.port))
            .arg(self.flag("tls-cert-file", "api-server.crt"))
            .arg(self.flag("tls-private-key-file", "api-server.key"))
            .arg(self.flag("client-ca-file", "authority.crt"))
            .arg(self.flag("service-account-key-file", "accounts.pub"))
            .arg(self.flag("service-account-signing-key-file", "accounts.key"))
            .args([
                "--bind-address=0.0.0.0",
                "--advertise-address=10.99.0.1",
                "--service-account-issuer=https://kubernetes.default.svc",
                "--service-cluster-ip-range=10.96.0.0/16",
                "--authorization-mode=RBAC",
                "--allow-privileged=true",
                // Webhooks are reached at the endpoints of their Service: there is no kube-proxy to lead there.
                "--enable-aggregator-routing=true",
            ]);
        command
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.tools.file(name).unwrap_or_else(|| panic!("no {name}")));
        // Memory for time: it runs for a minute.
        command.envs([("GOGC", "400"), ("GOMEMLIMIT", "1GiB")]);
        command
    }

    fn flag(&self, name: &str, file: &str) -> String {
        format!("--{name}={}", self.credentials.file(file))
    }

    fn user(&self, user: &str, group: &str) {
        self.credentials.user(user, user, group);
    }

    fn certificate_of(&self, user: &str) -> serde_json::Value {
        json!({
            "client-certificate": self.credentials.file(&format!("{user}.crt")),
            "client-key": self.credentials.file(&format!("{user}.key")),
        })
    }

    /// Writes a kubeconfig for a user.
    fn kubeconfig(&self, user: &str, namespace: &str, proof: &serde_json::Value) -> PathBuf {
        let server = format!("https://127.0.0.1:{}", self.port);
        let authority = self.credentials.file("authority.crt");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{ "name": "it", "cluster": { "server": server, "certificate-authority": authority } }],
            "users": [{ "name": "it", "user": proof }],
            "contexts": [{ "name": "it", "context": { "cluster": "it", "user": "it", "namespace": namespace } }],
        });
        let file = self.folder.path().join(format!("{user}-{namespace}.kubeconfig"));
        // As one step: another test may read it.
        let new = tempfile::NamedTempFile::new_in(self.folder.path()).unwrap();
        fs::write(&new, config.to_string()).unwrap();
        new.persist(&file).unwrap();
        file
    }
}

fn etcd(tools: &Tools, folder: &Path, clients: &str) -> Command {
    let peers = format!("http://127.0.0.1:{}", port());
    let mut command = Command::new(tools.file("etcd").expect("no etcd"));
    command
        .arg(format!("--data-dir={}", folder.join("etcd").display()))
        .arg(format!("--listen-client-urls={clients}"))
        .arg(format!("--advertise-client-urls={clients}"))
        .arg(format!("--listen-peer-urls={peers}"))
        .arg(format!("--initial-advertise-peer-urls={peers}"))
        .arg(format!("--initial-cluster=default={peers}"))
        .args(["--log-level=warn", "--unsafe-no-fsync"]);
    command
}

fn port() -> u16 {
    NEXT_PORT.fetch_add(1, Ordering::Relaxed)
}
