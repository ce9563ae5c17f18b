//! A line that says how far a long run is, on a terminal only. Short runs never show it.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Runs shorter than this show nothing.
const PATIENCE: Duration = Duration::from_millis(400);

/// The time between two pictures.
const PERIOD: Duration = Duration::from_millis(100);

/// How far a run is.
#[derive(Debug)]
pub struct Progress {
    /// Nothing where nothing is to be shown; else when to draw next, and whether there is a line.
    screen: Option<Mutex<(Instant, bool)>>,
    done: AtomicUsize,
    total: AtomicUsize,
}

impl Progress {
    /// Shown if stderr is a terminal, unless it is to be quiet.
    pub fn new(quiet: bool) -> Self {
        let shown = !quiet && io::stderr().is_terminal();
        let screen = shown.then(|| Mutex::new((Instant::now() + PATIENCE, false)));
        Progress { screen, done: AtomicUsize::new(0), total: AtomicUsize::new(0) }
    }

    /// There will be so many steps.
    pub fn begin(&self, total: usize) {
        self.total.store(total, Ordering::Relaxed);
    }

    /// One step more.
    pub fn step(&self) {
        let Some(screen) = &self.screen else { return };
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        // Another thread that draws just now is good enough.
        if let Ok(mut screen) = screen.try_lock()
            && Instant::now() >= screen.0
        {
            *screen = (Instant::now() + PERIOD, true);
            let total = self.total.load(Ordering::Relaxed).max(1);
            let filled = (done * 20 / total).min(20);
            let bar = format!("\r[{:20}] {:3}%", "#".repeat(filled), (done * 100 / total).min(100));
            let _unseen = io::stderr().write_all(bar.as_bytes());
        }
    }

    /// Takes the line away.
    pub fn end(&self) {
        if let Some(mut screen) = self.screen.as_ref().and_then(|screen| screen.lock().ok())
            && std::mem::take(&mut screen.1)
        {
            let _unseen = io::stderr().write_all(b"\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}
