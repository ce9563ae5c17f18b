//! Which way leads to the API server that a kubeconfig names: a proxy, as kubectl knows it, or none. In a pod there is none: a
//! cluster's own API server is a Service.
//!
//! kube reads the same variables, but asks of the proxy itself whether `NO_PROXY` names it, not of the API server.

use axum::http::Uri;
use axum::http::uri::InvalidUri;
use hyper_util::client::proxy::matcher::Matcher;
use kube::config::{Cluster, Kubeconfig};

/// What needs no proxy, whatever `NO_PROXY` says: this machine.
const HERE: &str = "localhost,127.0.0.0/8,::1";

/// What is spoken with proxies.
const SCHEMES: [&str; 3] = ["http", "https", "socks5"];

/// The cluster of the current context.
pub fn current(file: &Kubeconfig) -> Option<&Cluster> {
    let name = file.current_context.as_ref()?;
    let context = file.contexts.iter().find(|context| context.name == *name)?.context.as_ref()?;
    file.clusters.iter().find(|cluster| cluster.name == context.cluster)?.cluster.as_ref()
}

/// The proxy of such a cluster: the one that it names, or else that of the environment, unless that spares the server.
///
/// # Errors
/// One that is no URL.
pub fn proxy(
    cluster: &Cluster,
    server: &Uri,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Option<Uri>, InvalidUri> {
    let value = |name: &str| environment(name).filter(|value| !value.is_empty());
    let variable = |name: &str| value(name).or_else(|| value(&name.to_ascii_lowercase()));
    let named = cluster.proxy_url.clone().filter(|url| !url.is_empty());
    let spared = variable("NO_PROXY").unwrap_or_default();
    let spares_all = spared.split(',').any(|one| one.trim() == "*");
    let for_all = || {
        let url = variable("HTTPS_PROXY").filter(|_| !spares_all)?;
        let matcher = Matcher::builder().https(&url).no(format!("{HERE},{spared}")).build();
        matcher.intercept(server).map(|_| url)
    };
    named.or_else(for_all).map(|url| spoken(&url).parse()).transpose()
}

/// The URL as kube wants it. One that it does not speak is shown in its error, and a password is not to be seen there.
fn spoken(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let host = if SCHEMES.contains(&scheme) { rest } else { rest.rsplit('@').next().unwrap_or(rest) };
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "https://10.0.0.1:6443";

    fn proxy_of(named: Option<&str>, server: &str, environment: &[(&str, &str)]) -> Option<String> {
        let cluster = Cluster { proxy_url: named.map(str::to_owned), ..Cluster::default() };
        let variable = |name: &str| {
            environment.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        proxy(&cluster, &server.parse().unwrap(), variable).unwrap().map(|url| url.to_string())
    }

    #[test]
    fn the_environment_has_one_for_all_servers_but_those_that_it_spares() {
        let with = |spared| [("HTTPS_PROXY", "http://proxy.corp:3128"), ("NO_PROXY", spared)];
        let through = Some("http://proxy.corp:3128/");
        assert_eq!(proxy_of(None, SERVER, &[]), None);
        for spared in ["", "10.0.0.2", ".corp", "proxy.corp", "example.org,"] {
            assert_eq!(proxy_of(None, SERVER, &with(spared)).as_deref(), through, "{spared}");
        }
        for spared in ["*", "10.0.0.1", "a.example, 10.0.0.0/8"] {
            assert_eq!(proxy_of(None, SERVER, &with(spared)), None, "{spared}");
        }
        assert_eq!(proxy_of(None, "https://api.corp", &with(".corp")), None);
        for here in ["https://127.0.0.1:6443", "https://localhost:6443", "https://[::1]:6443"] {
            assert_eq!(proxy_of(None, here, &with("")), None, "{here}");
        }
        let small = [("https_proxy", "proxy.corp:3128"), ("no_proxy", "10.0.0.2")];
        assert_eq!(proxy_of(None, SERVER, &small).as_deref(), through);
    }

    #[test]
    fn the_one_that_a_kubeconfig_names_is_used_whatever_the_environment_says() {
        let environment = [("HTTPS_PROXY", "http://other:1"), ("NO_PROXY", "*")];
        assert_eq!(proxy_of(Some("socks5://here:1080"), SERVER, &environment).as_deref(), Some("socks5://here:1080/"));
        assert_eq!(proxy_of(Some("http://me:pw@here"), SERVER, &[]).as_deref(), Some("http://me:pw@here/"));
        assert_eq!(proxy_of(Some("ftp://me:s3cret@here"), SERVER, &[]).as_deref(), Some("ftp://here/"), "it is shown");
        let cluster = Cluster { proxy_url: Some("http://a b".to_owned()), ..Cluster::default() };
        assert!(proxy(&cluster, &SERVER.parse().unwrap(), |_| None).is_err());
    }

    #[test]
    fn the_cluster_is_that_of_the_current_context() {
        let mut file: Kubeconfig = serde_json::from_value(serde_json::json!({
            "current-context": "two",
            "clusters": [
                { "name": "a", "cluster": { "server": "https://a" } }, { "name": "b", "cluster": { "server": "https://b" } },
            ],
            "contexts": [
                { "name": "one", "context": { "cluster": "a" } }, { "name": "two", "context": { "cluster": "b" } },
            ],
        }))
        .unwrap();
        assert_eq!(current(&file).and_then(|cluster| cluster.server.as_deref()), Some("https://b"));
        file.current_context = Some("three".to_owned());
        assert!(current(&file).is_none());
    }
}
