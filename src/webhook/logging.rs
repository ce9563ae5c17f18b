//! Logs: one JSON object a line on stderr, from a level on that can be changed while the process runs.

use crate::api::settings::LogLevel;
use std::panic::PanicHookInfo;
use std::str::FromStr;
use std::sync::OnceLock;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

/// The words for levels, as `LOG_LEVEL` has them.
const LEVELS: &str = "trace, debug, info, warn or error";

/// Libraries that show what was received when they cannot read it, and one of our answers is a Secret: they say nothing
/// below these levels. What goes wrong in them is said by us.
const INDISCREET: [(&str, LevelFilter); 2] = [("kube_client", LevelFilter::ERROR), ("kube_runtime", LevelFilter::WARN)];

/// Libraries that say much about each connection: only `trace` shows it.
const TALKATIVE: [&str; 6] = ["h2", "hyper", "hyper_util", "rustls", "tokio_rustls", "tower"];

/// The level of this moment.
#[derive(Debug, Clone)]
pub struct Level(reload::Handle<Targets, Registry>);

/// A process has one.
static LEVEL: OnceLock<Level> = OnceLock::new();

impl Level {
    /// Begins to log, or goes on from this level.
    pub fn begin(level: LogLevel) -> Level {
        let begun = LEVEL.get_or_init(|| {
            let (filter, handle) = reload::Layer::new(filter(level_filter(level)));
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
        let word = word.trim();
        // Numbers are read too, and nothing at all as `error`.
        let is_word = |level: &LevelFilter| *level != LevelFilter::OFF && level.to_string().eq_ignore_ascii_case(word);
        let wanted = LevelFilter::from_str(word).ok().filter(is_word).ok_or_else(|| format!("expected {LEVELS}"))?;
        self.0.reload(filter(wanted)).map_err(|error| error.to_string())?;
        tracing::info!(now = %wanted, "the level of logs was changed");
        Ok(())
    }

    /// Its word.
    pub fn word(&self) -> String {
        let level = self.0.clone_current().and_then(|filter| filter.default_level());
        level.map_or_else(String::new, |level| level.to_string())
    }
}

/// Logs a defect of ours as everything else is logged: where it is, and nothing of what it says, which may be a secret.
pub fn log_panic(defect: &PanicHookInfo<'_>) {
    let place = defect.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "internal error; please report it");
}

/// What is logged from a level on.
fn filter(level: LevelFilter) -> Targets {
    let quiet = if level == LevelFilter::TRACE { level } else { level.min(LevelFilter::WARN) };
    Targets::new()
        .with_default(level)
        .with_targets(TALKATIVE.map(|library| (library, quiet)))
        .with_targets(INDISCREET.map(|(library, least)| (library, level.min(least))))
}

fn level_filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::{self, Write};
    use std::panic;
    use std::sync::{Arc, Mutex};
    use tracing::subscriber::DefaultGuard;

    /// What is logged by this thread.
    #[derive(Clone, Default)]
    pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        /// From now on until the guard is dropped, from a level on.
        pub(crate) fn begin(level: LevelFilter) -> (Lines, DefaultGuard) {
            let lines = Lines::default();
            let writer = lines.clone();
            let layer = fmt::layer().json().flatten_event(true).with_writer(move || writer.clone());
            let guard = tracing_subscriber::registry().with(filter(level)).with(layer).set_default();
            (lines, guard)
        }

        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn libraries_say_no_more_than_is_good() {
        for (level, talks) in [(LevelFilter::TRACE, true), (LevelFilter::DEBUG, false)] {
            let (lines, _guard) = Lines::begin(level);
            tracing::warn!(target: "kube_client::client", "s3cret");
            tracing::debug!(target: "kube_runtime::watcher", "s3cret");
            tracing::debug!(target: "rustls::server", "a handshake");
            tracing::debug!("of ours");
            assert!(!lines.text().contains("s3cret"), "{}", lines.text());
            assert_eq!((lines.text().contains("a handshake"), lines.text().contains("of ours")), (talks, true));
        }
        let (lines, _guard) = Lines::begin(LevelFilter::ERROR);
        tracing::warn!(target: "hyper", "a connection");
        tracing::warn!("of ours");
        assert_eq!(lines.text(), "", "less is less for all");
    }

    #[test]
    fn a_defect_is_a_line_as_every_other_and_shows_nothing() {
        let (lines, _guard) = Lines::begin(LevelFilter::INFO);
        let before = panic::take_hook();
        panic::set_hook(Box::new(log_panic));
        let caught = panic::catch_unwind(|| panic!("s3cret"));
        panic::set_hook(before);
        assert!(caught.is_err());
        let text = lines.text();
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["level"], &line["message"]), (&"ERROR".into(), &"internal error; please report it".into()));
        assert!(line["place"].as_str().unwrap().contains("logging.rs:") && !text.contains("s3cret"), "{text}");
    }
}
