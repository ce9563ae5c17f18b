//! A pod as `prelit inject` has rendered it, and what the kubelet does with it.

use super::ground::Prepared;
use super::place::{Place, ROOT};
use super::root::{Mount, Root, Running, empty_dir};
use super::support::manifest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the node is, with all that is not in a pod.
pub const NODE: &str = "10.99.0.1";

pub struct Pod {
    /// With what the scheduler, the API server and the kubelet add.
    object: Value,
    root: Root,
}

impl Pod {
    /// Makes the volumes, runs the init containers, and gets ready to run the others.
    pub fn admit(
        deployment: &Value,
        name: &str,
        address: &str,
        image: Option<&Path>,
        prepared: &Prepared,
        place: &Place,
    ) -> Pod {
        let template = &deployment["spec"]["template"];
        let mut object = json!({ "metadata": template["metadata"], "spec": template["spec"] });
        object["metadata"]["name"] = json!(format!("assistants-6d5f7c9b8-{name}"));
        object["metadata"]["namespace"] = deployment["metadata"]["namespace"].clone();
        object["metadata"]["uid"] = json!(format!("0b6f1d2c-7a53-4e1c-9c1d-{:0>12}", address.replace('.', "")));
        object["spec"]["nodeName"] = json!("node-7");
        object["status"] = json!({ "podIP": address, "hostIP": NODE });

        let folder = place.path(name);
        let volumes: BTreeMap<&str, PathBuf> = items(&object["spec"]["volumes"])
            .map(|volume| {
                assert!(volume["emptyDir"].is_object(), "{volume}");
                let name = text(&volume["name"]);
                (name, empty_dir(folder.join("volumes").join(name)))
            })
            .collect();
        let mounts = |container: &Value| -> Vec<Mount> {
            let mount = |mount: &Value| Mount {
                from: volumes[text(&mount["name"])].clone(),
                to: PathBuf::from(text(&mount["mountPath"])),
                read_only: mount["readOnly"] == true,
            };
            items(&container["volumeMounts"]).map(mount).collect()
        };
        let pythons = || -> Vec<Mount> { prepared.pythons.values().filter_map(|base| beyond_usr(base)).collect() };

        for container in items(&object["spec"]["initContainers"]) {
            let image = image.expect("an image for the init container");
            let mut inside = pythons();
            inside.push(at("/instrumentations", &image.join("instrumentations")));
            inside.push(at("/usr/local", &image.join("usr/local")));
            inside.extend(mounts(container));
            // The image has a Python with nothing, and sets no other variable that counts.
            let python = prepared.bare_python();
            inside.push(at(python.to_str().unwrap(), python));
            let root = Root::new(folder.join("init"), inside);
            let path = format!("{}/bin:/usr/bin:/bin", python.display());
            let ended = run(&object, container, &root, [("PATH", path)].into()).end();
            assert_eq!(ended.code, 0, "{ended:?}");
            assert!(ended.stdout.lines().count() == 1 && ended.stderr.is_empty(), "{ended:?}");
        }

        // One root serves all: they differ in nothing of it.
        let containers: Vec<&Value> = items(&object["spec"]["containers"]).collect();
        assert!(containers.iter().all(|container| container["volumeMounts"] == containers[0]["volumeMounts"]));
        let mut inside = pythons();
        inside.push(at("/srv/app", &Path::new(ROOT).join("tests/providers/applications")));
        for environments in prepared.environments.values() {
            inside.extend(environments.values().map(|each| at(each.to_str().unwrap(), each)));
        }
        inside.extend(mounts(containers[0]));
        let root = Root::new(folder.join("root"), inside);
        Pod { object, root }
    }

    /// Runs a container, whose image sets a PATH.
    pub fn run(&self, container: &str, path: String) -> Running {
        run(&self.object, self.container(container), &self.root, [("PATH", path)].into())
    }

    /// What a container is given.
    pub fn environment(&self, container: &str) -> BTreeMap<String, String> {
        environment(&self.object, self.container(container))
    }

    /// A field of the pod.
    pub fn field(&self, path: &str) -> &str {
        text(field(&self.object, path))
    }

    fn container(&self, name: &str) -> &Value {
        items(&self.object["spec"]["containers"]).find(|container| container["name"] == name).unwrap()
    }
}

/// Reads the one object of a manifest.
pub fn read(text: &str) -> Value {
    let mut documents = manifest::documents(text.as_bytes());
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

fn run(pod: &Value, container: &Value, root: &Root, image: BTreeMap<&str, String>) -> Running {
    let own = environment(pod, container);
    let words = ["command", "args"].into_iter().flat_map(|part| items(&container[part]));
    let command: Vec<String> = words.map(|word| expand(text(word), &own)).collect();
    let user = [container, &pod["spec"]].iter().find_map(|of| of["securityContext"]["runAsUser"].as_u64());
    let user = user.expect("a user that is not root");
    // A home is what every runtime sets.
    let mut all = BTreeMap::from([("HOME".to_owned(), "/".to_owned())]);
    all.extend(image.into_iter().map(|(name, value)| (name.to_owned(), value)));
    all.extend(own);
    let folder = container["workingDir"].as_str().unwrap_or("/");
    root.start(u32::try_from(user).unwrap(), folder, &command, &all)
}

/// The variables in their order, each with those before it.
fn environment(pod: &Value, container: &Value) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    for variable in items(&container["env"]) {
        let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
            Some(path) => text(field(pod, path)).to_owned(),
            None if variable["valueFrom"].is_object() => panic!("{variable}"),
            None => expand(variable["value"].as_str().unwrap_or_default(), &environment),
        };
        environment.insert(text(&variable["name"]).to_owned(), value);
    }
    environment
}

fn field<'p>(pod: &'p Value, path: &str) -> &'p Value {
    pod.pointer(&format!("/{}", path.replace('.', "/"))).unwrap_or_else(|| panic!("the pod has no {path}"))
}

/// `$(NAME)` is a variable that stands before, `$$` a dollar; anything else is as it is written.
fn expand(text: &str, known: &BTreeMap<String, String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match known.get(name) {
                Some(value) => expanded.push_str(value),
                None => expanded.push_str(&format!("$({name})")),
            }
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded + rest
}

/// The items of a list that may be missing.
pub fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn at(path: &str, from: &Path) -> Mount {
    Mount { from: from.to_owned(), to: PathBuf::from(path), read_only: true }
}

/// A Python that is not among the machine's own programs, which are there anyway.
fn beyond_usr(base: &Path) -> Option<Mount> {
    (!base.starts_with("/usr") || base.starts_with("/usr/local")).then(|| at(base.to_str().unwrap(), base))
}
