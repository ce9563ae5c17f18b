//! Manifests as people and tools write them, made of a string of choices: every kind that holds pod
//! templates, in every style of YAML that is seen in the wild. The same choices make the same text, and
//! fewer or smaller choices a plainer one, so that what breaks a law shrinks to something readable.

/// Choices, taken one after the other; when there are none left, the first of every alternative is taken.
pub struct Choices<'c> {
    bytes: std::slice::Iter<'c, u8>,
    /// Whether anything is written in flow style.
    flow: bool,
}

impl<'c> Choices<'c> {
    pub fn new(bytes: &'c [u8]) -> Self {
        Choices { bytes: bytes.iter(), flow: false }
    }

    /// A number below `count`.
    fn below(&mut self, count: usize) -> usize {
        usize::from(self.bytes.next().copied().unwrap_or(0)) % count
    }

    pub fn one<T: Copy>(&mut self, alternatives: &[T]) -> T {
        alternatives[self.below(alternatives.len())]
    }

    /// True once in so many.
    pub fn once_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    /// A node, in flow style once in so many.
    fn flow_once_in(&mut self, count: usize, node: Node) -> Node {
        if self.once_in(count) && self.flow { Node::Flow(Box::new(node)) } else { node }
    }
}

/// What is written.
#[derive(Clone)]
enum Node {
    /// Text, in a style of its own.
    Text(String, Quotes),
    /// Whatever stands here, on one line: a number, `null`, `[]`, nothing at all.
    Raw(&'static str),
    Map(Vec<(String, Node)>),
    List(Vec<Node>),
    /// In flow style.
    Flow(Box<Node>),
    Anchor(&'static str, Box<Node>),
    Alias(&'static str),
}

#[derive(Clone, Copy)]
enum Quotes {
    Plain,
    Double,
    Single,
    Literal,
    LiteralStripped,
    LiteralKept,
    Folded,
    /// Without quotes, over two lines.
    OverLines,
}

fn text(text: &str) -> Node {
    Node::Text(text.to_owned(), Quotes::Plain)
}

fn map<const N: usize>(entries: [(&str, Node); N]) -> Node {
    Node::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// How a document is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Block,
    CompactJson,
    PrettyJson,
}

/// A stream of one to three documents, and whether any of it stands between brackets.
pub fn stream(choices: &[u8]) -> Stream {
    let mut choices = Choices::new(choices);
    let newline = choices.one(&["\n", "\n", "\n", "\r\n"]);
    let mut text = String::new();
    let mut has_flow = false;
    choices.flow = choices.once_in(3);
    let count = 1 + choices.below(3);
    if choices.once_in(12) {
        text.push('\u{feff}');
    }
    if choices.once_in(3) {
        text.push_str(choices.one(&["---", "--- # first"]));
        text.push_str(newline);
    }
    for index in 0..count {
        if index > 0 {
            if !text.ends_with('\n') {
                text.push_str(newline);
            }
            text.push_str(choices.one(&["---", "--- # next", "...\n---"]).replace('\n', newline).as_str());
            text.push_str(newline);
        }
        let form =
            choices.one(&[Form::Block, Form::Block, Form::Block, Form::Block, Form::CompactJson, Form::PrettyJson]);
        let document = if choices.once_in(6) { unrelated(&mut choices) } else { workload(&mut choices, form) };
        let mut writer = Writer {
            step: choices.one(&[2, 2, 4, 3]),
            list_offset: 0,
            newline,
            comments: form == Form::Block && choices.once_in(2),
            has_flow: form != Form::Block,
            out: String::new(),
        };
        writer.list_offset = choices.one(&[0, writer.step, 2]);
        match form {
            Form::Block => writer.document(&document, &mut choices),
            Form::CompactJson => writer.json(&document, None),
            Form::PrettyJson => writer.json(&document, Some(0)),
        }
        has_flow |= writer.has_flow;
        text.push_str(&writer.out);
        if index + 1 == count {
            if text.ends_with(newline) && choices.once_in(3) {
                text.truncate(text.len() - newline.len());
            }
        } else if form != Form::Block {
            text.push_str(newline);
        }
    }
    Stream { text, has_flow }
}

/// A stream, and what is known of it.
pub struct Stream {
    pub text: String,
    /// Whether any of it stands between brackets: there less comes back.
    pub has_flow: bool,
}

/// A document that is no workload.
fn unrelated(choices: &mut Choices<'_>) -> Node {
    let kind = choices.one(&["ConfigMap", "Service", "Secret", "Widget"]);
    map([
        ("apiVersion", text("v1")),
        ("kind", text(kind)),
        ("metadata", map([("name", text("other"))])),
        (
            "data",
            map([
                ("file", Node::Text("kind: Deployment\nspec: x\n".to_owned(), Quotes::Literal)),
                ("n", Node::Raw("1")),
            ]),
        ),
    ])
}

/// API version, kind, and the keys that lead to its pod template; `[` begins a list.
const KINDS: &[(&str, &str, &[&str])] = &[
    ("apps/v1", "Deployment", &["spec", "template"]),
    ("v1", "Pod", &[]),
    ("v1", "PodTemplate", &["template"]),
    ("v1", "ReplicationController", &["spec", "template"]),
    ("apps/v1", "ReplicaSet", &["spec", "template"]),
    ("apps/v1", "StatefulSet", &["spec", "template"]),
    ("apps/v1", "DaemonSet", &["spec", "template"]),
    ("batch/v1", "Job", &["spec", "template"]),
    ("batch/v1", "CronJob", &["spec", "jobTemplate", "spec", "template"]),
    ("argoproj.io/v1alpha1", "Rollout", &["spec", "template"]),
    ("ray.io/v1", "RayCluster", &["spec", "headGroupSpec", "template"]),
    ("ray.io/v1", "RayCluster", &["spec", "workerGroupSpecs", "[", "template"]),
    ("ray.io/v1", "RayJob", &["spec", "rayClusterSpec", "headGroupSpec", "template"]),
    ("ray.io/v1", "RayService", &["spec", "rayClusterConfig", "workerGroupSpecs", "[", "template"]),
    ("kubeflow.org/v1", "PyTorchJob", &["spec", "pytorchReplicaSpecs", "Master", "template"]),
    ("kubeflow.org/v1", "TFJob", &["spec", "tfReplicaSpecs", "Worker", "template"]),
    ("kubeflow.org/v1", "XGBoostJob", &["spec", "xgbReplicaSpecs", "Worker", "template"]),
    ("kubeflow.org/v1", "JAXJob", &["spec", "jaxReplicaSpecs", "Worker", "template"]),
    ("kubeflow.org/v1", "PaddleJob", &["spec", "paddleReplicaSpecs", "Worker", "template"]),
    ("kubeflow.org/v2beta1", "MPIJob", &["spec", "mpiReplicaSpecs", "Launcher", "template"]),
    ("serving.knative.dev/v1", "Service", &["spec", "template"]),
    ("serving.knative.dev/v1", "Configuration", &["spec", "template"]),
];

const WORKFLOWS: &[(&str, &[&str])] = &[
    ("Workflow", &["spec", "templates", "["]),
    ("WorkflowTemplate", &["spec", "templates", "["]),
    ("ClusterWorkflowTemplate", &["spec", "templates", "["]),
    ("CronWorkflow", &["spec", "workflowSpec", "templates", "["]),
];

/// A workload of any kind.
fn workload(choices: &mut Choices<'_>, form: Form) -> Node {
    let mut anchors = Anchors::default();
    let references = form == Form::Block;
    let (version, kind, mut inner, mut path): (&str, &str, Node, Vec<&str>) = match choices.below(8) {
        6 => {
            let (kind, path) = choices.one(WORKFLOWS);
            ("argoproj.io/v1alpha1", kind, argo_template(choices, references, &mut anchors), path.to_vec())
        }
        7 => {
            let component = choices.one(&["predictor", "transformer", "explainer"]);
            let spec = pod_spec(choices, references, &mut anchors);
            ("serving.kserve.io/v1beta1", "InferenceService", spec, vec!["spec", component])
        }
        _ => {
            let (version, kind, path) = choices.one(KINDS);
            (version, kind, pod_template(choices, references, &mut anchors), path.to_vec())
        }
    };
    while let Some(step) = path.pop() {
        inner = if step == "[" {
            Node::List(vec![inner])
        } else {
            let mut entries = vec![(step.to_owned(), inner)];
            if choices.once_in(4) {
                entries.insert(0, ("replicas".to_owned(), Node::Raw("2")));
            }
            if choices.once_in(4) {
                entries.push(("paused".to_owned(), Node::Raw("false")));
            }
            Node::Map(entries)
        };
    }
    let Node::Map(inner) = inner else { unreachable!("every path ends in a map") };
    let mut object = vec![("apiVersion".to_owned(), text(version)), ("kind".to_owned(), text(kind))];
    object.extend(anchors.apart.into_iter().map(|(key, value)| (key.to_owned(), value)));
    if !inner.iter().any(|(key, _)| key == "metadata") {
        object.push(("metadata".to_owned(), map([("name", text("chat")), ("namespace", text("team-a"))])));
    }
    object.extend(inner);
    let object = Node::Map(object);
    if !choices.once_in(8) {
        return object;
    }
    let items = Node::List(vec![object, map([("apiVersion", text("v1")), ("kind", text("ConfigMap"))])]);
    map([("apiVersion", text("v1")), ("kind", text("List")), ("items", items)])
}

/// What aliases refer to.
#[derive(Default)]
struct Anchors {
    /// Anchored values that stand before the template, under keys of their own.
    apart: Vec<(&'static str, Node)>,
    /// Whether a container's own `env` is anchored, so that the next one can use it.
    own: bool,
}

fn pod_template(choices: &mut Choices<'_>, references: bool, anchors: &mut Anchors) -> Node {
    let mut template = Vec::new();
    let mut metadata = Vec::new();
    if choices.below(5) != 4 {
        metadata.push(("labels", labels(choices)));
    }
    match choices.below(7) {
        0 | 1 => {}
        2 => metadata.push(("annotations", Node::Raw(choices.one(&["{}", "null"])))),
        3 => metadata.push(("annotations", map([("team", text("a"))]))),
        4 => {
            let value = Node::Text("cache".to_owned(), quotes(choices));
            metadata
                .push(("annotations", map([("cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes", value)])));
        }
        5 => metadata.push(("annotations", choices.flow_once_in(1, map([("team", text("a"))])))),
        _ => metadata.push(("annotations", map([("resource.opentelemetry.io/team", text("b")), ("team", text("a"))]))),
    }
    if metadata.is_empty() && choices.once_in(2) {
        template.push(("metadata".to_owned(), Node::Raw("null")));
    } else if !metadata.is_empty() {
        template.push((
            "metadata".to_owned(),
            Node::Map(metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ));
    }
    template.push(("spec".to_owned(), pod_spec(choices, references, anchors)));
    Node::Map(template)
}

fn labels(choices: &mut Choices<'_>) -> Node {
    let labels = map([("app", text("chat")), ("openlit.io/instrument", Node::Text("true".to_owned(), Quotes::Double))]);
    choices.flow_once_in(5, labels)
}

fn pod_spec(choices: &mut Choices<'_>, references: bool, anchors: &mut Anchors) -> Node {
    let mut spec = Vec::new();
    list_field(choices, "volumes", "cache", "emptyDir", Node::Raw("{}"), &mut spec);
    if choices.once_in(5) {
        let init = container(choices, "prepare", false, &mut Anchors::default());
        spec.push(("initContainers".to_owned(), Node::List(vec![init])));
    } else if choices.once_in(6) {
        spec.push(("initContainers".to_owned(), Node::Raw(choices.one(&["[]", "null"]))));
    }
    let mut containers = vec![container(choices, "app", references, anchors)];
    if choices.once_in(3) {
        containers.push(container(choices, "worker", references, anchors));
    }
    let at = choices.below(spec.len() + 1);
    spec.insert(at, ("containers".to_owned(), Node::List(containers)));
    if choices.once_in(4) {
        spec.push(("restartPolicy".to_owned(), text("Always")));
    }
    Node::Map(spec)
}

fn argo_template(choices: &mut Choices<'_>, references: bool, anchors: &mut Anchors) -> Node {
    let mut template = vec![("name".to_owned(), text("step"))];
    list_field(choices, "volumes", "cache", "emptyDir", Node::Raw("{}"), &mut template);
    let mut container = container(choices, "main", references, anchors);
    if let Node::Map(entries) = &mut container {
        entries.retain(|(key, _)| key != "name");
    }
    template.push((choices.one(&["container", "script"]).to_owned(), container));
    if choices.once_in(3) {
        template.push(("metadata".to_owned(), map([("labels", labels(choices))])));
    }
    Node::Map(template)
}

/// A list of one item, an empty one, or none.
fn list_field(
    choices: &mut Choices<'_>,
    key: &str,
    name: &str,
    field: &str,
    value: Node,
    into: &mut Vec<(String, Node)>,
) {
    let item = map([("name", text(name)), (field, value)]);
    let list = match choices.below(8) {
        0..=2 => return,
        3 => Node::Raw("[]"),
        4 => Node::Raw("null"),
        5 => Node::Raw(""),
        6 => choices.flow_once_in(1, Node::List(vec![item])),
        _ => Node::List(vec![item]),
    };
    into.push((key.to_owned(), list));
}

fn container(choices: &mut Choices<'_>, name: &'static str, references: bool, anchors: &mut Anchors) -> Node {
    let mut container = vec![("name".to_owned(), text(name)), ("image".to_owned(), text("python:3.11-slim"))];
    if choices.once_in(3) {
        let command = Node::List(vec![text("python"), text("-m"), Node::Text("app: x".to_owned(), Quotes::Double)]);
        container.push(("command".to_owned(), choices.flow_once_in(2, command)));
    }
    environment(choices, references, anchors, &mut container);
    list_field(choices, "volumeMounts", "cache", "mountPath", text("/cache"), &mut container);
    if choices.once_in(5) {
        let reference = map([("secretRef", map([("name", text("keys"))]))]);
        container.push(("envFrom".to_owned(), Node::List(vec![reference])));
    }
    if choices.once_in(4) {
        container.rotate_left(1);
    }
    choices.flow_once_in(8, Node::Map(container))
}

/// `env` in every form that it is seen in.
fn environment(
    choices: &mut Choices<'_>,
    references: bool,
    anchors: &mut Anchors,
    container: &mut Vec<(String, Node)>,
) {
    let env = match choices.below(11) {
        3 => return,
        4 => Node::Raw("[]"),
        5 => Node::Raw(choices.one(&["null", "~", "", "Null"])),
        6 => {
            let variables = variables(choices);
            choices.flow_once_in(1, variables)
        }
        7 if references => {
            define(anchors, "x-env", "env", || variables(choices));
            Node::Alias("env")
        }
        8 if references => {
            define(anchors, "x-base", "base", || {
                let pull = ("imagePullPolicy".to_owned(), text("Always"));
                Node::Map(vec![pull, ("env".to_owned(), variables(choices))])
            });
            let at = choices.below(2) * container.len();
            container.insert(at, ("<<".to_owned(), Node::Alias("base")));
            return;
        }
        9 if references => {
            define(anchors, "x-entry", "entry", || map([("name", text("PYTHONPATH")), ("value", text("/base"))]));
            Node::List(vec![map([("name", text("A")), ("value", text("b"))]), Node::Alias("entry")])
        }
        10 if references && anchors.own => Node::Alias("own"),
        10 if references => {
            anchors.own = true;
            Node::Anchor("own", Box::new(variables(choices)))
        }
        _ => variables(choices),
    };
    container.push(("env".to_owned(), env));
}

fn define(anchors: &mut Anchors, key: &'static str, anchor: &'static str, make: impl FnOnce() -> Node) {
    if !anchors.apart.iter().any(|(other, _)| *other == key) {
        anchors.apart.push((key, Node::Anchor(anchor, Box::new(make()))));
    }
}

fn quotes(choices: &mut Choices<'_>) -> Quotes {
    choices.one(&[
        Quotes::Plain,
        Quotes::Double,
        Quotes::Single,
        Quotes::Literal,
        Quotes::LiteralStripped,
        Quotes::LiteralKept,
        Quotes::Folded,
        Quotes::OverLines,
    ])
}

/// One to three variables, those that are merged among them.
fn variables(choices: &mut Choices<'_>) -> Node {
    const NAMES: &[&str] = &[
        "MODEL",
        "PYTHONPATH",
        "OTEL_RESOURCE_ATTRIBUTES",
        "OTEL_SERVICE_NAME",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "ON",
        "OPENLIT_K8S_POD_NAME",
    ];
    let mut items = Vec::new();
    for _ in 0..=choices.below(3) {
        let name = choices.one(NAMES);
        let value = match name {
            "PYTHONPATH" => choices.one(&["/app", "/app:/lib", "", "it's \"here\"", "/a # b", "/a\\b"]),
            "OTEL_RESOURCE_ATTRIBUTES" => choices.one(&["team=a", "service.name=rag,team=b", "", "k=v w"]),
            _ => choices.one(&["llama-3", "on", "8080", "a: b", "", "ü€😀", "- x", "$(HOST):1"]),
        };
        let mut entry = vec![("name".to_owned(), text(name))];
        match choices.below(10) {
            0..=5 => entry.push(("value".to_owned(), Node::Text(value.to_owned(), quotes(choices)))),
            6 => entry.push(("value".to_owned(), Node::Raw(choices.one(&["", "null", "8080", "\"\"", "''"])))),
            7 => {}
            _ => {
                let reference = map([("configMapKeyRef", map([("name", text("c")), ("key", text("k"))]))]);
                entry.push(("valueFrom".to_owned(), reference));
            }
        }
        if choices.once_in(4) {
            entry.rotate_left(1);
        }
        items.push(choices.flow_once_in(5, Node::Map(entry)));
    }
    Node::List(items)
}

struct Writer {
    step: usize,
    list_offset: usize,
    newline: &'static str,
    comments: bool,
    has_flow: bool,
    out: String,
}

impl Writer {
    fn document(&mut self, document: &Node, choices: &mut Choices<'_>) {
        if let Node::Map(entries) = document {
            self.map(entries, 0, false, choices);
        }
        self.comment(0, choices);
    }

    fn write<const N: usize>(&mut self, parts: [&str; N]) {
        self.out.extend(parts);
    }

    fn begin(&mut self, column: usize) {
        self.out.extend(std::iter::repeat_n(' ', column));
    }

    fn end_line(&mut self, choices: &mut Choices<'_>) {
        if self.comments && choices.once_in(6) {
            self.out.push_str(choices.one(&[" # why", "   ", " # {x: [y]}, *z &a"]));
        }
        self.out.push_str(self.newline);
    }

    /// Comments and blank lines between entries, at all indentations.
    fn comment(&mut self, column: usize, choices: &mut Choices<'_>) {
        while self.comments && choices.once_in(5) {
            let column = choices.one(&[column, column + 2, 0]);
            let comment = choices.one(&["# comment", "", "# - name: OLD", "#", "# env: []"]);
            if !comment.is_empty() {
                self.begin(column);
                self.out.push_str(comment);
            }
            self.out.push_str(self.newline);
        }
    }

    fn map(&mut self, entries: &[(String, Node)], column: usize, begun: bool, choices: &mut Choices<'_>) {
        for (index, (key, value)) in entries.iter().enumerate() {
            if index > 0 || !begun {
                self.comment(column, choices);
                self.begin(column);
            }
            match key.as_str() {
                "<<" => self.out.push_str(key),
                _ if choices.once_in(16) => self.write(["\"", key, "\""]),
                _ => self.out.push_str(key),
            }
            self.out.push(':');
            self.value(value, column, false, choices);
        }
    }

    /// What follows a colon or a dash at `column`.
    fn value(&mut self, value: &Node, column: usize, is_item: bool, choices: &mut Choices<'_>) {
        match value {
            Node::Map(entries) if is_item && choices.below(8) != 7 => {
                // Behind the dash.
                self.out.push(' ');
                self.map(entries, column + 2, true, choices);
            }
            Node::Map(entries) => {
                self.end_line(choices);
                let column = if is_item { column + 2 } else { column + self.step };
                self.map(entries, column, false, choices);
            }
            Node::List(items) => {
                self.end_line(choices);
                let column = if is_item { column + 2 } else { column + self.list_offset };
                for item in items {
                    self.comment(column, choices);
                    self.begin(column);
                    self.out.push('-');
                    self.value(item, column, true, choices);
                }
            }
            Node::Anchor(name, inner) => {
                self.write([" &", name]);
                match &**inner {
                    Node::Map(entries) => {
                        self.end_line(choices);
                        let column = if is_item { column + 2 } else { column + self.step };
                        self.map(entries, column, false, choices);
                    }
                    inner => self.value(inner, column, is_item, choices),
                }
            }
            Node::Alias(name) => {
                self.write([" *", name]);
                self.end_line(choices);
            }
            Node::Raw(raw) => {
                self.has_flow |= raw.starts_with(['[', '{']) && is_item;
                if !raw.is_empty() {
                    self.out.push(' ');
                    self.out.push_str(raw);
                }
                self.end_line(choices);
            }
            Node::Flow(inner) => {
                self.has_flow = true;
                self.out.push(' ');
                let over_lines = choices.once_in(4);
                self.flow(inner, over_lines.then_some(column + 2), column);
                self.end_line(choices);
            }
            Node::Text(text, quotes) => self.text(text, *quotes, column + self.step, choices),
        }
    }

    fn text(&mut self, text: &str, quotes: Quotes, column: usize, choices: &mut Choices<'_>) {
        let special =
            text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/:=-.".contains(&byte));
        let typed = text.bytes().all(|byte| byte.is_ascii_digit()) || text == "on";
        self.out.push(' ');
        match quotes {
            Quotes::Plain if !special && !typed && !text.starts_with('-') => self.out.push_str(text),
            Quotes::Single => self.write(["'", &text.replace('\'', "''"), "'"]),
            Quotes::Literal | Quotes::LiteralStripped | Quotes::LiteralKept | Quotes::Folded if !text.is_empty() => {
                self.out.push_str(match quotes {
                    Quotes::Literal => "|",
                    Quotes::LiteralStripped => "|-",
                    Quotes::LiteralKept => "|+",
                    _ => ">-",
                });
                self.end_line(choices);
                for line in text.lines() {
                    self.begin(column);
                    self.out.push_str(line);
                    self.out.push_str(self.newline);
                }
                return;
            }
            Quotes::OverLines if !special && !typed => {
                self.out.push_str(text);
                self.out.push_str(self.newline);
                self.begin(column);
                self.out.push_str("more");
            }
            _ => self.out.push_str(&json_text(text)),
        }
        self.end_line(choices);
    }

    /// Between brackets: on one line, or an entry a line at `column`.
    fn flow(&mut self, node: &Node, lines: Option<usize>, close: usize) {
        let (open, shut, parts): (_, _, Vec<(Option<&str>, &Node)>) = match node {
            Node::Map(entries) => ('{', '}', entries.iter().map(|(key, value)| (Some(key.as_str()), value)).collect()),
            Node::List(items) => ('[', ']', items.iter().map(|item| (None, item)).collect()),
            Node::Flow(inner) => return self.flow(inner, lines, close),
            Node::Anchor(name, inner) => {
                self.write(["&", name, " "]);
                return self.flow(inner, lines, close);
            }
            Node::Raw("") => return self.out.push_str("null"),
            Node::Raw(raw) => return self.out.push_str(raw),
            Node::Text(text, Quotes::Plain)
                if text.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'/')
                    && text != "on"
                    && !text.is_empty() =>
            {
                return self.out.push_str(text);
            }
            Node::Text(text, Quotes::Single) => return self.write(["'", &text.replace('\'', "''"), "'"]),
            Node::Text(text, _) => return self.out.push_str(&json_text(text)),
            Node::Alias(name) => return self.write(["*", name]),
        };
        self.out.push(open);
        for (index, (key, value)) in parts.iter().enumerate() {
            self.out.push_str(if index > 0 { "," } else { "" });
            match lines {
                Some(column) => {
                    self.out.push_str(self.newline);
                    self.begin(column);
                }
                None => self.out.push_str(if index > 0 { " " } else { "" }),
            }
            if let Some(key) = key {
                self.out.push_str(key);
                self.out.push_str(": ");
            }
            self.flow(value, None, close);
        }
        if lines.is_some() {
            self.out.push_str(self.newline);
            self.begin(close);
        }
        self.out.push(shut);
    }

    fn json(&mut self, node: &Node, indent: Option<usize>) {
        let (open, shut, parts): (_, _, Vec<(Option<&str>, &Node)>) = match node {
            Node::Map(entries) => ('{', '}', entries.iter().map(|(key, value)| (Some(key.as_str()), value)).collect()),
            Node::List(items) => ('[', ']', items.iter().map(|item| (None, item)).collect()),
            Node::Flow(inner) | Node::Anchor(_, inner) => return self.json(inner, indent),
            Node::Raw("" | "~" | "Null") | Node::Alias(_) => return self.out.push_str("null"),
            Node::Raw("''") => return self.out.push_str("\"\""),
            Node::Raw(raw) => return self.out.push_str(raw),
            Node::Text(text, _) => return self.out.push_str(&json_text(text)),
        };
        self.out.push(open);
        for (index, (key, value)) in parts.iter().enumerate() {
            self.out.push_str(if index > 0 { "," } else { "" });
            if let Some(indent) = indent {
                self.out.push_str(self.newline);
                self.begin(indent + 2);
            }
            if let Some(key) = key {
                self.out.push_str(&json_text(key));
                self.out.push_str(if indent.is_some() { ": " } else { ":" });
            }
            self.json(value, indent.map(|indent| indent + 2));
        }
        if let (Some(indent), false) = (indent, parts.is_empty()) {
            self.out.push_str(self.newline);
            self.begin(indent);
        }
        self.out.push(shut);
    }
}

/// Text as JSON, and as YAML in double quotes, writes it.
fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
