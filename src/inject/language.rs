//! Whether a container runs Python, by the words of its manifest. Word lists are data; words are
//! whole words: `pipefail`, `pipeline`, `xray` and `array` are not Python.
//!
//! | where | words for Python | words for something else |
//! |---|---|---|
//! | image path after the registry, without tag and digest | yes | yes |
//! | programs, also in shell text | yes | yes, of their file names |
//! | arguments, shell text | yes | no: `--redis redis:6379` says nothing of the program |
//! | names of variables | by their own list | no |
//!
//! Where both stand, Python wins.

use super::command::{Command, file_name, words};
use crate::api::image::Image;
use crate::manifest::kinds::Added;
use crate::value::Value;
use std::fmt;

/// What runs in a container, so far as its manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Language {
    /// Python.
    Python(Evidence),
    /// Something else.
    Other(Evidence),
    /// Nothing says.
    Unknown,
}

/// What says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// A word of the image path.
    Image(&'static str),
    /// A word of the program or its arguments.
    Command(&'static str),
    /// A variable.
    Variable(String),
    /// What the kind's controller runs.
    Controller(&'static str),
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Evidence::Image(word) => write!(f, "the image path says {word}"),
            Evidence::Command(word) => write!(f, "the command says {word}"),
            Evidence::Variable(name) => write!(f, "the variable {name}"),
            Evidence::Controller(program) => write!(f, "the controller runs {program}"),
        }
    }
}

/// Words that mean Python.
#[rustfmt::skip]
const PYTHON: &[&str] = &[
    "python", "pypy", "pip", "uv", "poetry", "pipenv", "conda", "miniconda", "anaconda", "mamba",
    "jupyter", "jupyterhub", "jupyterlab", "django", "flask", "fastapi", "uvicorn", "gunicorn",
    "hypercorn", "granian", "daphne", "celery", "rq", "airflow", "prefect", "dagster", "mlflow",
    "bentoml", "kserve", "ray", "vllm", "sglang", "torch", "torchrun", "pytorch", "tensorflow",
    "transformers", "accelerate", "deepspeed", "langchain", "langgraph", "langserve", "llamaindex",
    "litellm", "streamlit", "gradio", "chainlit", "dbt", "superset", "nemo", "huggingface",
];

/// Words that mean something else.
#[rustfmt::skip]
const OTHER: &[&str] = &[
    // servers and stores
    "nginx", "httpd", "caddy", "haproxy", "traefik", "redis", "valkey", "memcached", "postgres",
    "postgresql", "mysql", "mysqld", "mariadb", "mariadbd", "mongo", "mongodb", "mongod", "rabbitmq",
    "kafka", "zookeeper", "etcd", "cassandra", "elasticsearch", "opensearch", "minio", "nats",
    "clickhouse", "influxdb", "cockroach", "cockroachdb", "vitess", "percona", "rethinkdb", "hazelcast",
    "couchdb", "neo4j", "solr", "openldap", "keycloak", "wordpress", "ghost", "grafana",
    // languages and their runtimes
    "node", "nodejs", "npm", "npx", "yarn", "pnpm", "deno", "bun", "java", "openjdk", "temurin",
    "corretto", "jre", "jdk", "tomcat", "jetty", "wildfly", "golang", "dotnet", "aspnet", "ruby",
    "rails", "php", "perl", "rust", "elixir", "erlang",
    // next to nothing
    "pause", "busybox",
];

/// Names of variables that mean Python; `*` stands for any end.
const VARIABLES: &[&str] = &[
    "PYTHON*",
    "PIP_*",
    "POETRY_*",
    "UV_*",
    "CONDA_*",
    "VIRTUAL_ENV",
    "DJANGO_SETTINGS_MODULE",
    "FLASK_APP",
    "FASTAPI_*",
];

/// Variables of libuv, which Node.js reads: not of `uv`.
const LIBUV: &[&str] = &["UV_THREADPOOL_SIZE", "UV_USE_IO_URING"];

/// What runs in a container, whose image and [commands](super::command::commands) are given. What the
/// controller adds to it does not count.
pub fn language(container: &Value<'_>, image: &Image<'_>, commands: &[Command<'_>], added: &Added) -> Language {
    if let Some(word) = find(PYTHON, image.path) {
        return Language::Python(Evidence::Image(word));
    }
    if let Some(word) = words(container).find_map(|text| find(PYTHON, text)) {
        return Language::Python(Evidence::Command(word));
    }
    if let Some(name) = variables(container).find(|name| is_python_variable(name) && !added.has_env(name)) {
        return Language::Python(Evidence::Variable(name.to_owned()));
    }
    if let Some(word) = find(OTHER, image.path) {
        return Language::Other(Evidence::Image(word));
    }
    let mut programs = commands.iter().filter_map(|command| command.first()).map(|program| file_name(program));
    match programs.find_map(|program| find(OTHER, program).filter(|_| !is_client(program))) {
        Some(word) => Language::Other(Evidence::Command(word)),
        None => Language::Unknown,
    }
}

/// Whether a program's file name means Python: `python3.12`, `uvicorn`.
pub(super) fn is_python_program(program: &str) -> bool {
    find(PYTHON, file_name(program)).is_some()
}

fn variables<'c>(container: &'c Value<'_>) -> impl Iterator<Item = &'c str> {
    let env = container.get("env").and_then(Value::as_list).into_iter().flatten();
    env.filter_map(|entry| entry.get("name")?.as_text())
}

fn is_python_variable(name: &str) -> bool {
    let fits = VARIABLES.iter().any(|listed| match listed.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => *listed == name,
    });
    fits && !LIBUV.contains(&name)
}

/// `redis-cli`: waits for a server rather than being one.
fn is_client(program: &str) -> bool {
    program.split('-').any(|word| matches!(word, "cli" | "client"))
}

/// The first word of a text that stands in a list. Letters and digits make words; digits at the
/// end are a version: `python3.12`, `php8`.
fn find(list: &[&'static str], text: &str) -> Option<&'static str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 1).find_map(|word| {
        let plain = word.trim_end_matches(|c: char| c.is_ascii_digit());
        list.iter().copied().find(|listed| listed.eq_ignore_ascii_case(plain) || listed.eq_ignore_ascii_case(word))
    })
}

#[cfg(test)]
mod tests {
    use super::super::command::commands;
    use super::*;
    use crate::manifest::kinds::{KUBEFLOW, NOTHING};
    use serde_json::{Value as Json, json};

    fn of(container: &Json) -> &'static str {
        let value = Value::from(container);
        let image = container["image"].as_str().unwrap_or_default();
        match language(&value, &Image::parse(image), &commands(&value), &NOTHING) {
            Language::Python(_) => "python",
            Language::Other(_) => "other",
            Language::Unknown => "unknown",
        }
    }

    #[test]
    fn images_say_what_they_hold_by_whole_words() {
        for (expected, images) in [
            (
                "python",
                &[
                    "python:3.11-slim",
                    "python:3.12-alpine",
                    "pypy:3.10",
                    "docker.io/library/python@sha256:12",
                    "acme/python3.12-base:1",
                    "acme/my_django_app",
                    "rayproject/ray:2.52.0",
                    "rayproject/ray-ml:2.46",
                    "vllm/vllm-openai:v0.11.0",
                    "pytorch/pytorch:2.5.0-cuda12.4",
                    "tensorflow/serving:2.6.2",
                    "kafka-python-consumer",
                    "acme/triton-python",
                    "apache/airflow",
                    "registry:5000/team/Celery-Worker",
                    "continuumio/miniconda3",
                    "jupyter/base",
                    "nvcr.io/nvidia/nemo:24",
                    "ghcr.io/berriai/litellm",
                ][..],
            ),
            (
                "other",
                &[
                    "nginx",
                    "nginx:1.27",
                    "redis:7.4.0",
                    "bitnami/postgresql",
                    "node:20",
                    "node18-base",
                    "mysql:5.6",
                    "eclipse-temurin:21",
                    "registry.k8s.io/pause:3.9",
                    "busybox",
                    "golang:1.22",
                    "php8-fpm",
                    "mcr.microsoft.com/dotnet/aspnet:8.0",
                    "acme/java17",
                    "denoland/deno",
                ],
            ),
            (
                "unknown",
                &[
                    "acme/chat:1",
                    "amazon/aws-xray-daemon:3",
                    "acme/array",
                    "acme/pipeline:python",
                    "python.acme.io/web",
                    "python.acme.io:5000/web:python-3",
                    "acme/pipefail",
                    "acme/spyware",
                    "alpine:3.20",
                    "ubuntu",
                    "acme/rayon",
                    "acme/torchlight",
                    "",
                    "$IMAGE",
                    "acme/x@sha256:redis",
                ],
            ),
        ] {
            for image in images {
                assert_eq!(of(&json!({"image": image})), expected, "{image}");
            }
        }
    }

    #[test]
    fn commands_say_what_they_run() {
        for (expected, command) in [
            ("python", &["python", "train.py"][..]),
            ("python", &["/opt/venv/bin/python3.12", "-m", "app"]),
            ("python", &["uvicorn", "app:app"]),
            ("python", &["sh", "-c", "pip install x && ./run"]),
            ("python", &["/app/run", "--worker=celery"]),
            ("python", &["node", "start-python.js"]),
            ("other", &["bash", "-o", "pipefail", "-c", "java -jar app.jar"]),
            ("other", &["node", "server.js"]),
            ("other", &["/usr/sbin/nginx", "-g", "daemon off;"]),
            ("other", &["sh", "-c", "exec redis-server /etc/redis.conf"]),
            ("unknown", &["/app/server", "--redis", "redis:6379", "--queue=kafka"]),
            ("unknown", &["sh", "-c", "until redis-cli -h redis ping; do sleep 1; done; exec ./server"]),
            ("unknown", &["/opt/java/bin/server"]),
            ("unknown", &["run-pipeline", "--array", "xray"]),
            ("unknown", &["bash", "-o", "pipefail", "-c", "./run"]),
        ] {
            assert_eq!(of(&json!({"image": "acme/x", "command": command})), expected, "{command:?}");
            let (program, args) = (&command[..1], &command[1..]);
            assert_eq!(of(&json!({"image": "acme/x", "command": program, "args": args})), expected, "{command:?}");
            assert_eq!(of(&json!({"image": "acme/x", "args": command})), expected, "{command:?}");
        }
    }

    #[test]
    fn variables_say_python() {
        for (expected, name) in [
            ("python", "PYTHONUNBUFFERED"),
            ("python", "PYTHON_VERSION"),
            ("python", "PIP_INDEX_URL"),
            ("python", "UV_CACHE_DIR"),
            ("python", "VIRTUAL_ENV"),
            ("python", "FASTAPI_ENV"),
            ("unknown", "UV_THREADPOOL_SIZE"),
            ("unknown", "VIRTUAL_ENVIRONMENT"),
            ("unknown", "PIPELINE"),
            ("unknown", "REDIS_HOST"),
            ("unknown", "MY_PYTHONPATH"),
        ] {
            assert_eq!(of(&json!({"image": "acme/x", "env": [{"name": name, "value": "1"}]})), expected, "{name}");
        }
    }

    #[test]
    fn python_wins_over_other_words() {
        assert_eq!(of(&json!({"image": "redis", "env": [{"name": "PYTHONPATH"}]})), "python");
        assert_eq!(of(&json!({"image": "nginx", "command": ["gunicorn"]})), "python");
    }

    #[test]
    fn what_a_controller_adds_says_nothing() {
        let json = json!({"image": "acme/x", "env": [{"name": "PYTHONUNBUFFERED", "value": "1"}]});
        assert_eq!(language(&Value::from(&json), &Image::parse("acme/x"), &[], &KUBEFLOW), Language::Unknown);
    }

    #[test]
    fn odd_containers_are_unknown() {
        for container in [json!({}), json!({"command": "python"}), json!({"args": [{}, null, 3]}), json!({"env": {}})] {
            assert_eq!(of(&container), "unknown", "{container}");
        }
    }
}
