//! The Applications of `testdata/argocd`: a folder each, with what Argo CD would be told (`application.yaml`), the
//! repository (and the links in it, `links`), what stands in the sidecar (`defaults/`), and what comes of it: `output.yaml`,
//! or `error.txt`.

use crate::place::{Place, ROOT};
use crate::support::manifest;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// One Application.
pub struct Application {
    /// The name of its folder.
    pub name: String,
    /// The folder, from the root of the repository of Prelit.
    pub folder: String,
    spec: Value,
}

impl Application {
    /// All of them, by name.
    pub fn all() -> Vec<Application> {
        let root = Path::new(ROOT).join("testdata/argocd");
        let mut names: Vec<String> =
            fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        let read = |name: String| Application::read(&name, format!("testdata/argocd/{name}"));
        names.into_iter().map(read).collect()
    }

    /// One of those that users copy; its repository is ours.
    pub fn example(name: &str) -> Application {
        Application::read(name, format!("argocd-cmp/examples/{name}"))
    }

    fn read(name: &str, folder: String) -> Application {
        let text = fs::read(Path::new(ROOT).join(&folder).join("application.yaml")).unwrap();
        let spec = manifest::documents(&text).remove(0);
        Application { name: name.to_owned(), folder, spec }
    }

    /// What is rendered, also where the source hydrator does it.
    pub fn source(&self) -> &Value {
        let spec = &self.spec["spec"];
        spec.get("source").unwrap_or(&spec["sourceHydrator"]["drySource"])
    }

    /// The folder of its source in its repository.
    pub fn path(&self) -> &str {
        self.source()["path"].as_str().unwrap()
    }

    /// A file of its folder.
    pub fn file(&self, name: &str) -> PathBuf {
        Path::new(ROOT).join(&self.folder).join(name)
    }

    /// Whether something stands in the sidecar.
    pub fn has_defaults(&self) -> bool {
        self.file("defaults").is_dir()
    }

    /// The programs that render it.
    pub fn needs(&self) -> &'static [&'static str] {
        let source = self.file("repository").join(self.path());
        if source.join("kustomization.yaml").is_file() {
            &["kustomize"]
        } else if source.join("Chart.yaml").is_file() {
            &["helm3"]
        } else {
            &[]
        }
    }

    /// The environment that Argo CD's repo-server makes of it.
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let plugin = &self.source()["plugin"];
        let mut environment = vec![
            ("ARGOCD_APP_NAME".to_owned(), text(&self.spec["metadata"]["name"])),
            ("ARGOCD_APP_NAMESPACE".to_owned(), text(&self.spec["spec"]["destination"]["namespace"])),
            ("ARGOCD_APP_SOURCE_PATH".to_owned(), self.path().to_owned()),
            ("ARGOCD_APP_PARAMETERS".to_owned(), plugin["parameters"].to_string()),
            ("KUBE_VERSION".to_owned(), "1.36.0".to_owned()),
            ("KUBE_API_VERSIONS".to_owned(), "v1,apps/v1,monitoring.coreos.com/v1".to_owned()),
        ];
        for entry in plugin["env"].as_array().into_iter().flatten() {
            environment.push((format!("ARGOCD_ENV_{}", text(&entry["name"])), text(&entry["value"])));
        }
        environment
    }

    /// Puts its repository and the sidecar's defaults into a place: `repository` and `defaults`. Argo CD refuses every
    /// Application of a repository in which a link leads out of it, and so ours has none.
    pub fn set_up(&self, place: &Place) {
        place.copy(&format!("{}/repository", self.folder), "repository");
        for line in fs::read_to_string(self.file("links")).unwrap_or_default().lines() {
            let (link, target) = line.split_once(" -> ").unwrap();
            let link = place.path("repository").join(link);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(target, link).unwrap();
        }
        if self.has_defaults() {
            place.copy(&format!("{}/defaults", self.folder), "defaults");
        }
        if place.has("helm3") {
            place.link(&place.program("helm3"), "helm");
        }
    }
}
