//! Logs: one JSON object a line on stderr, from a level on that can be changed while the process runs.

use crate::api::settings::LogLevel;
use std::str::FromStr;
use std::sync::OnceLock;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

/// The words for levels, as `LOG_LEVEL` has them.
const LEVELS: &str = "trace, debug, info, warn or error";

/// The level of this moment.
#[derive(Debug, Clone)]
pub struct Level(reload::Handle<LevelFilter, Registry>);

/// A process has one.
static LEVEL: OnceLock<Level> = OnceLock::new();

impl Level {
    /// Begins to log, or goes on from this level.
    pub fn begin(level: LogLevel) -> Level {
        let begun = LEVEL.get_or_init(|| {
            let (filter, handle) = reload::Layer::new(filter(level));
            let lines = fmt::layer().json().flatten_event(true).with_current_span(false).with_writer(std::io::stderr);
            // Where somebody else logs already, it is theirs to say where to.
            let _others = tracing_subscriber::registry().with(filter).with(lines).try_init();
            Level(handle)
        });
        begun.clone()
    }

    /// Changes it.
    ///
    /// # Errors
    /// A word that is none of a level.
    pub fn change(&self, word: &str) -> Result<(), String> {
        let wanted = LevelFilter::from_str(word.trim()).map_err(|_| format!("expected {LEVELS}"))?;
        self.0.reload(wanted).map_err(|error| error.to_string())?;
        tracing::info!(now = %wanted, "the level of logs was changed");
        Ok(())
    }

    /// Its word.
    pub fn word(&self) -> String {
        self.0.clone_current().map_or_else(String::new, |level| level.to_string())
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    }
}
