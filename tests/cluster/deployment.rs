//! The Deployment of a webhook, and what the machines of a cluster do for it: they run its pods as controllers have made them,
//! keep the files of Secrets that pods mount, and lead its Service to them.

use super::control_plane::ControlPlane;
use super::place::Place;
use super::process::{Process, wait_until};
use super::replicas::{Replica, slice};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// The Deployment of a webhook.
pub struct Deployment<'c> {
    pub control_plane: &'c ControlPlane,
    pub namespace: String,
    pub name: String,
}

impl<'c> Deployment<'c> {
    /// The one of the manifests.
    pub fn of_manifests(control_plane: &'c ControlPlane) -> Deployment<'c> {
        Deployment { control_plane, namespace: "openlit".to_owned(), name: "openlit-operator".to_owned() }
    }

    /// The pods of the newest template, as soon as controllers have made as many as the Deployment asks for: each was
    /// admitted.
    #[track_caller]
    pub fn pods(&self) -> Vec<Value> {
        let mut pods = Vec::new();
        wait_until("the Deployment has its pods", || {
            let deployment = self.object(&format!("deployment/{}", self.name));
            let revision = &deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
            let sets = self.objects("replicasets");
            let newest = sets.iter().find(|set| {
                set["metadata"]["ownerReferences"][0]["uid"] == deployment["metadata"]["uid"]
                    && set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == *revision
            });
            let Some(newest) = newest else { return false };
            pods = self.objects("pods");
            pods.retain(|pod| pod["metadata"]["ownerReferences"][0]["uid"] == newest["metadata"]["uid"]);
            let reason = &newest["status"]["conditions"][0]["message"];
            assert!(reason.is_null(), "a pod is refused: {reason}");
            deployment["status"]["observedGeneration"] == deployment["metadata"]["generation"]
                && json!(pods.len()) == newest["spec"]["replicas"]
                && newest["spec"]["replicas"] == deployment["spec"]["replicas"]
        });
        pods
    }

    /// Runs one of the pods at an address.
    pub fn run(&self, place: &Place, pod: &Value, address: &'static str) -> Replica {
        let name = pod["metadata"]["name"].as_str().unwrap();
        let mut command = self.command(place, pod, address);
        Replica { process: Process::start(&mut command, &place.path(""), name), address }
    }

    /// How a pod is run; nothing is in its environment but what it says.
    pub fn command(&self, place: &Place, pod: &Value, address: &str) -> Command {
        let name = pod["metadata"]["name"].as_str().unwrap();
        let spec = &pod["spec"];
        let container = &spec["containers"][0];
        let command: Vec<&str> =
            container["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        assert_eq!(command[0], "/prelit");
        let config = self.control_plane.kubeconfig_of(&self.namespace, spec["serviceAccountName"].as_str().unwrap());
        let mut environment = self.environment(pod);
        for mount in container["volumeMounts"].as_array().into_iter().flatten() {
            let volumes = spec["volumes"].as_array().unwrap();
            let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).unwrap();
            if let Some(secret) = volume["secret"]["secretName"].as_str() {
                // Where it is on this machine, which has no containers.
                let folder = place.path(format!("{name}-{secret}"));
                self.mount(secret, &folder);
                let path = mount["mountPath"].as_str().unwrap();
                for value in environment.values_mut().filter(|value| *value == path) {
                    folder.to_str().unwrap().clone_into(value);
                }
            }
        }
        let mut replica = Command::new(env!("CARGO_BIN_EXE_prelit"));
        replica.args(&command[1..]).args(["--bind", address]).env_clear().envs(environment).env("KUBECONFIG", config);
        replica
    }

    /// Runs the one pod that there is, and leads the Service to it as soon as it is ready.
    pub fn run_one(&self, place: &Place, address: &'static str) -> Replica {
        let pods = self.pods();
        assert_eq!(pods.len(), 1);
        let mut replica = self.run(place, &pods[0], address);
        replica.wait_until_ready();
        self.lead(&[address]);
        replica
    }

    /// Leads the Service to the replicas at these addresses.
    pub fn lead(&self, addresses: &[&str]) {
        let services = self.objects("services");
        assert_eq!(services.len(), 1);
        let deployment = self.object(&format!("deployment/{}", self.name));
        let template = &deployment["spec"]["template"];
        assert_eq!(services[0]["spec"]["selector"], template["metadata"]["labels"], "the Service selects the pods");
        let port = &services[0]["spec"]["ports"][0];
        let ports = template["spec"]["containers"][0]["ports"].as_array().unwrap();
        let target = match &port["targetPort"] {
            Value::String(name) => &ports.iter().find(|port| port["name"] == **name).unwrap()["containerPort"],
            number => number,
        };
        let mut slice = slice(addresses);
        slice["metadata"] = json!({
            "name": "replicas", "namespace": self.namespace,
            "labels": { "kubernetes.io/service-name": services[0]["metadata"]["name"] },
            "ownerReferences": [{
                "apiVersion": "v1", "kind": "Service",
                "name": services[0]["metadata"]["name"], "uid": services[0]["metadata"]["uid"],
            }],
        });
        slice["ports"] = json!([{ "name": port["name"], "port": target }]);
        self.control_plane.kubectl(&["apply", "--server-side", "-f", "-"], &slice.to_string());
    }

    /// Brings the keys of a Secret, once it is there, into a folder as one step: the files are links through `..data`,
    /// which leads to the old ones until it leads to the new ones.
    pub fn mount(&self, secret: &str, folder: &Path) {
        let template = "{{range $key, $value := .data}}{{$key}} {{end}}";
        let mut keys = String::new();
        wait_until("the Secret is there", || {
            keys = self.get(&["secret", secret, "--ignore-not-found", &format!("--output=go-template={template}")]);
            !keys.is_empty()
        });
        fs::create_dir_all(folder).unwrap();
        let new = tempfile::tempdir_in(folder).unwrap().keep();
        for key in keys.split_whitespace() {
            let template = format!("--output=go-template={{{{index .data {key:?} | base64decode}}}}");
            fs::write(new.join(key), self.get(&["secret", secret, &template])).unwrap();
            if !folder.join(key).is_symlink() {
                symlink(Path::new("..data").join(key), folder.join(key)).unwrap();
            }
        }
        let (link, next) = (folder.join("..data"), folder.join("..data_tmp"));
        let before = fs::read_link(&link);
        symlink(new, &next).unwrap();
        fs::rename(next, link).unwrap();
        if let Ok(before) = before {
            fs::remove_dir_all(before).unwrap();
        }
    }

    fn environment(&self, pod: &Value) -> BTreeMap<String, String> {
        let container = &pod["spec"]["containers"][0];
        let mut environment = BTreeMap::new();
        for source in container["envFrom"].as_array().into_iter().flatten() {
            let name = source["configMapRef"]["name"].as_str().unwrap();
            let map = self.object(&format!("configmap/{name}"));
            for (name, value) in map["data"].as_object().unwrap() {
                environment.insert(name.clone(), value.as_str().unwrap().to_owned());
            }
        }
        for variable in container["env"].as_array().into_iter().flatten() {
            let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
                Some(path) => pod.pointer(&format!("/{}", path.replace('.', "/"))).unwrap(),
                None => &variable["value"],
            };
            environment.insert(variable["name"].as_str().unwrap().to_owned(), value.as_str().unwrap().to_owned());
        }
        environment
    }

    fn object(&self, name: &str) -> Value {
        serde_json::from_str(&self.get(&[name, "--output=json"])).unwrap()
    }

    fn objects(&self, kind: &str) -> Vec<Value> {
        let mut list = self.object(kind);
        list["items"].as_array_mut().unwrap().drain(..).collect()
    }

    fn get(&self, arguments: &[&str]) -> String {
        let all = [&["get", "--namespace", &self.namespace], arguments].concat();
        self.control_plane.kubectl(&all, "").stdout
    }
}
