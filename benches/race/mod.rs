//! Whole processes in turn, A B A B, so that a machine whose speed drifts treats all alike; ratios are taken pair by
//! pair. Each process is started by a small one that does nothing else (the bench again, with `--measure`): the
//! kernel's figures of its children are those of one.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// How often each job runs.
pub fn runs() -> usize {
    env::var("PRELIT_BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(7)
}

/// What is run.
pub struct Job {
    name: String,
    program: PathBuf,
    arguments: Vec<OsString>,
    /// Nothing, a file as it is, or a file through a pipe.
    input: Input,
}

pub enum Input {
    None,
    File(PathBuf),
    Pipe(PathBuf),
}

/// What a run cost.
#[derive(Clone, Copy)]
pub struct Cost {
    wall: f64,
    cpu: f64,
    peak_kib: u64,
    written: u64,
}

impl Job {
    pub fn new<A: Into<OsString>>(
        name: &str,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        input: Input,
    ) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Job { name: name.to_owned(), program: program.to_path_buf(), arguments, input }
    }

    pub fn prelit<A: Into<OsString>>(name: &str, arguments: impl IntoIterator<Item = A>, input: Input) -> Self {
        Job::new(name, Path::new(env!("CARGO_BIN_EXE_prelit")), arguments, input)
    }

    /// Runs it once, in a process of its own that only measures.
    pub fn run(&self) -> Outcome<Cost> {
        let (kind, path) = match &self.input {
            Input::None => ("none", Path::new("-")),
            Input::File(path) => ("file", path.as_path()),
            Input::Pipe(path) => ("pipe", path.as_path()),
        };
        let mut command = Command::new(env::current_exe()?);
        command.args(["--measure", kind]).arg(path).arg(&self.program).args(&self.arguments);
        let output = command.stderr(Stdio::inherit()).output()?;
        let text = String::from_utf8(output.stdout)?;
        let figures: Vec<&str> = text.split_whitespace().collect();
        let [wall, cpu, peak, written] = figures[..] else { return Err(format!("{} failed", self.name).into()) };
        Ok(Cost { wall: wall.parse()?, cpu: cpu.parse()?, peak_kib: peak.parse()?, written: written.parse()? })
    }
}

/// Starts a process, feeds it, takes what it writes, and prints what it cost.
pub fn measure(arguments: &[OsString]) -> Outcome {
    let [kind, path, program, rest @ ..] = arguments else { return Err("expected a command".into()) };
    let mut command = Command::new(program);
    command.args(rest).stdout(Stdio::piped()).stderr(Stdio::null());
    command.stdin(match kind.to_str() {
        Some("file") => File::open(path)?.into(),
        Some("pipe") => Stdio::piped(),
        _ => Stdio::null(),
    });
    let source = if kind == "pipe" { Some(File::open(path)?) } else { None };
    let start = Instant::now();
    let mut child = command.spawn()?;
    let feeder = child.stdin.take().zip(source).map(|(mut pipe, mut file)| {
        // The pipe is closed at the end of the thread; a reader that goes away shows as a failure of its own.
        thread::spawn(move || io::copy(&mut file, &mut pipe).is_ok())
    });
    let mut written = 0;
    if let Some(mut out) = child.stdout.take() {
        let mut buffer = vec![0; 1 << 16];
        loop {
            match out.read(&mut buffer)? {
                0 => break,
                count => written += count,
            }
        }
    }
    let status = child.wait()?;
    let wall = start.elapsed().as_secs_f64();
    let fed = feeder.is_none_or(|feeder| feeder.join().unwrap_or(false));
    if !status.success() || !fed {
        return Err(format!("{} failed: {status}", program.to_string_lossy()).into());
    }
    let (cpu, peak_kib) = usage_of_children()?;
    println!("{wall} {cpu} {peak_kib} {written}");
    Ok(())
}

/// Processor seconds and the peak of resident memory in KiB.
#[cfg(unix)]
fn usage_of_children() -> Outcome<(f64, i64)> {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeVal;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: TimeVal| {
        Duration::from_secs(time.tv_sec().unsigned_abs()).as_secs_f64()
            + f64::from(i32::try_from(time.tv_usec()).unwrap_or(0)) / 1e6
    };
    // macOS counts in bytes.
    let unit = if cfg!(target_os = "macos") { 1024 } else { 1 };
    Ok((seconds(usage.user_time()) + seconds(usage.system_time()), usage.max_rss() / unit))
}

#[cfg(not(unix))]
fn usage_of_children() -> Outcome<(f64, i64)> {
    Ok((0.0, 0))
}

/// Processor seconds of a process so far.
pub fn cpu_of(process: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Behind the name of the program, which may hold anything; in hundredths of a second.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}

/// All runs of several jobs, in turn.
pub struct Race {
    jobs: Vec<Job>,
    costs: Vec<Vec<Cost>>,
}

impl Race {
    pub fn run(jobs: Vec<Job>, runs: usize) -> Outcome<Self> {
        Self::run_between(jobs, runs, || Ok(()))
    }

    /// `reset` is called after every run and not measured.
    pub fn run_between(jobs: Vec<Job>, runs: usize, reset: impl Fn() -> Outcome) -> Outcome<Self> {
        let mut costs: Vec<Vec<Cost>> = jobs.iter().map(|_| Vec::with_capacity(runs)).collect();
        for run in 0..=runs {
            for (job, costs) in jobs.iter().zip(&mut costs) {
                let cost = job.run()?;
                reset()?;
                // The first round fills caches.
                if run > 0 {
                    costs.push(cost);
                }
            }
        }
        Ok(Race { jobs, costs })
    }

    /// One line a job; ratios are those of the first job.
    pub fn print(&self) {
        println!("| | wall time, median (min–max) | processor time | peak memory | written | times the first |");
        println!("|---|---|---|---|---|---|");
        for (index, (job, costs)) in self.jobs.iter().zip(&self.costs).enumerate() {
            let wall = spread(costs.iter().map(|cost| cost.wall));
            println!(
                "| {} | {} ({}–{}) | {} | {:.1} MiB | {:.1} MB | {:.2} |",
                job.name,
                seconds(wall.median),
                seconds(wall.min),
                seconds(wall.max),
                seconds(spread(costs.iter().map(|cost| cost.cpu)).median),
                self.peak(index),
                self.written(index),
                self.ratio(index, 0),
            );
        }
        println!();
    }

    /// How many times as long one job takes as another: the median of pairs.
    pub fn ratio(&self, one: usize, other: usize) -> f64 {
        spread(self.costs[one].iter().zip(&self.costs[other]).map(|(one, other)| one.wall / other.wall)).median
    }

    /// The same of processor time, which other programs on the machine disturb less.
    pub fn cpu_ratio(&self, one: usize, other: usize) -> f64 {
        spread(self.costs[one].iter().zip(&self.costs[other]).map(|(one, other)| one.cpu / other.cpu)).median
    }

    /// How many seconds longer one job takes than another: the median of pairs.
    pub fn difference(&self, one: usize, other: usize) -> f64 {
        spread(self.costs[one].iter().zip(&self.costs[other]).map(|(one, other)| one.wall - other.wall)).median
    }

    /// Peak memory in MiB, the median.
    pub fn peak(&self, index: usize) -> f64 {
        spread(self.costs[index].iter().map(|cost| as_float(cost.peak_kib) / 1024.0)).median
    }

    /// Bytes written, in MB.
    pub fn written(&self, index: usize) -> f64 {
        self.costs[index].first().map_or(0.0, |cost| as_float(cost.written) / 1e6)
    }

    /// How many cores were at work.
    pub fn cores(&self, index: usize) -> f64 {
        spread(self.costs[index].iter().map(|cost| cost.cpu / cost.wall)).median
    }
}

pub struct Spread {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

pub fn spread(figures: impl Iterator<Item = f64>) -> Spread {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
    let last = figures.len().saturating_sub(1);
    Spread { min: at(0), median: f64::midpoint(at(last / 2), at(last.div_ceil(2))), max: at(last) }
}

pub fn seconds(figure: f64) -> String {
    if figure < 0.1 { format!("{:.1} ms", figure * 1e3) } else { format!("{figure:.2} s") }
}

pub fn as_float(figure: u64) -> f64 {
    u32::try_from(figure).map_or(f64::MAX, f64::from)
}

/// Whether a program is there, and the one that is meant.
pub fn answers(program: &str, arguments: &[&str], expected: &str) -> bool {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(expected))
}

/// A document of 519 bytes, its marker included.
pub fn deployment(index: usize, labelled: bool) -> String {
    let label = if labelled { "openlit.io/instrument: \"true\"" } else { "app.kubernetes.io/part-of: ai" };
    let text = format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: chat-{index:05}\n  namespace: assistants\n\
         spec:\n  replicas: 2\n  selector:\n    matchLabels:\n      app: chat-{index:05}\n  template:\n    metadata:\n      \
         labels:\n        app: chat-{index:05}\n        {label}\n    spec:\n      containers:\n        - name: app\n          \
         image: python:3.11-slim\n          command: [\"python\", \"-m\", \"assistance\"]\n          ports:\n            \
         - containerPort: 8080\n          resources:\n            limits:\n              memory: 256Mi\n"
    );
    assert_eq!(text.len(), 519, "the figures of others were measured with documents of this size");
    text
}
