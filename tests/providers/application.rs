//! The applications: what they run, what they have of their own, and what must be seen of them.

/// Whose packages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(clippy::enum_variant_names, reason = "so they are called")]
pub enum Provider {
    OpenLit,
    OpenInference,
    OpenLlmetry,
}

pub const PROVIDERS: [Provider; 3] = [Provider::OpenLit, Provider::OpenInference, Provider::OpenLlmetry];

impl Provider {
    /// As the contract names it.
    pub fn name(self) -> &'static str {
        match self {
            Provider::OpenLit => "openlit",
            Provider::OpenInference => "openinference",
            Provider::OpenLlmetry => "openllmetry",
        }
    }

    /// As its makers write it.
    pub fn title(self) -> &'static str {
        match self {
            Provider::OpenLit => "OpenLIT",
            Provider::OpenInference => "OpenInference",
            Provider::OpenLlmetry => "OpenLLMetry",
        }
    }
}

/// A row of the table.
pub struct Application {
    /// A part of the container's name.
    pub name: &'static str,
    /// What the row is called.
    pub title: &'static str,
    /// The file in `applications/environments` that says what is installed.
    pub environment: fn(Provider) -> &'static str,
    /// What is run; `$(PORT)` is a port of its own.
    pub command: fn(Provider) -> &'static [&'static str],
    /// Whether it is asked over HTTP and ended by SIGTERM; otherwise it ends by itself.
    pub serves: bool,
    /// `PYTHONPATH` in the manifest.
    pub python_path: Option<&'static str>,
    /// Whether the text of messages is recorded.
    pub captures: bool,
    /// What must be seen of it where the Python is served.
    pub wanted: fn(Provider, &str) -> Wanted,
}

/// What must be seen.
pub enum Wanted {
    /// So many calls of the model, each with its tokens, and others.
    Calls(usize),
    /// No call of the model, and a line that says why.
    LeftAlone(&'static str),
    /// No span, and not a word.
    Silence,
}

/// A Python with nothing.
pub const BARE: &str = "bare";

/// What a row has where it says nothing else.
const ORDINARY: Application = Application {
    name: "",
    title: "",
    environment: |_| "current",
    command: |_| &["python", "openai_chat.py"],
    serves: false,
    python_path: None,
    captures: true,
    wanted: |_, _| Wanted::Calls(2),
};

/// The rows, in the order of the table.
pub const APPLICATIONS: &[Application] = &[
    Application { name: "openai-newest", title: "`openai`, the newest", ..ORDINARY },
    Application { name: "content-off", title: "the same, without the text of messages", captures: false, ..ORDINARY },
    Application {
        name: "openai-oldest",
        title: "`openai`, the oldest that is supported",
        environment: |provider| match provider {
            Provider::OpenLit => "openai-oldest-openlit",
            Provider::OpenInference => "openai-oldest-openinference",
            Provider::OpenLlmetry => "openai-oldest-openllmetry",
        },
        ..ORDINARY
    },
    Application {
        name: "openai-unsupported",
        title: "`openai` from before version 1",
        environment: |_| "openai-unsupported",
        command: |_| &["python", "openai_before_1.py"],
        wanted: |_, _| Wanted::LeftAlone("is what can be instrumented"),
        ..ORDINARY
    },
    Application {
        name: "anthropic",
        title: "`anthropic`",
        command: |_| &["python", "anthropic_messages.py"],
        wanted: |provider, python| match (provider, python) {
            // What it tells of a stream has no tokens there.
            (Provider::OpenLlmetry, "3.9") => Wanted::Calls(1),
            (_, "3.9") => Wanted::Calls(2),
            // Since version 2 the library records spans itself.
            _ => Wanted::Calls(4),
        },
        ..ORDINARY
    },
    Application {
        name: "langchain",
        title: "`langchain`: a chain over `openai`",
        command: |_| &["python", "langchain_chain.py"],
        // OpenInference tells of the call of LangChain, and of that of `openai` below it.
        wanted: |provider, _| Wanted::Calls(if provider == Provider::OpenInference { 2 } else { 1 }),
        ..ORDINARY
    },
    Application {
        name: "fastapi",
        title: "a service: `uvicorn`, FastAPI, `openai`",
        command: |_| {
            &[
                "python",
                "-m",
                "uvicorn",
                "service:app",
                "--host",
                "$(POD_IP)",
                "--port",
                "$(PORT)",
                "--log-level",
                "warning",
            ]
        },
        serves: true,
        wanted: |_, _| Wanted::Calls(ASKED),
        ..ORDINARY
    },
    Application {
        name: "prefork",
        title: "a server that forks: `gunicorn --preload`, `openai`",
        command: |_| {
            &["python", "-m", "gunicorn", "--preload", "--workers", "2", "--bind", "$(POD_IP):$(PORT)", "prefork:app"]
        },
        serves: true,
        wanted: |_, _| Wanted::Calls(ASKED),
        ..ORDINARY
    },
    Application {
        name: "own-sitecustomize",
        title: "with a `sitecustomize` of its own",
        command: |_| &["python", "own_sitecustomize/main.py"],
        python_path: Some("/srv/app/own_sitecustomize:/srv/app"),
        ..ORDINARY
    },
    Application {
        name: "opentelemetry-old",
        title: "with an older OpenTelemetry of its own",
        environment: |_| "opentelemetry-old",
        command: |_| &["python", "own_opentelemetry.py"],
        wanted: |provider, python| match (provider, python) {
            (Provider::OpenLit, "3.9") => {
                Wanted::LeftAlone("opentelemetry-api 1.38.0, and there are packages for 1.39")
            }
            _ => Wanted::Calls(2),
        },
        ..ORDINARY
    },
    Application {
        name: "opentelemetry-too-old",
        title: "with an OpenTelemetry of its own that is too old",
        environment: |_| "opentelemetry-too-old",
        command: |_| &["python", "own_opentelemetry.py"],
        wanted: |_, _| Wanted::LeftAlone("the application has opentelemetry-api 1.27.0, and there are packages for"),
        ..ORDINARY
    },
    Application {
        name: "pydantic-1",
        title: "with pydantic 1",
        environment: |_| "pydantic-1",
        command: |_| &["python", "pydantic_1.py"],
        wanted: |provider, _| match provider {
            Provider::OpenLit => Wanted::LeftAlone("the application has pydantic 1."),
            Provider::OpenInference | Provider::OpenLlmetry => Wanted::Calls(2),
        },
        ..ORDINARY
    },
    Application {
        name: "nothing",
        title: "that uses none of it",
        environment: |_| BARE,
        command: |_| &["python", "nothing.py"],
        wanted: |_, _| Wanted::Silence,
        ..ORDINARY
    },
];

/// How often a server is asked.
pub const ASKED: usize = 4;
