//! What was measured of a server, run by run, and tables of pairs.

use super::load::Measured;
use super::race::spread;

/// All runs of one server under one load.
pub struct Figures {
    name: String,
    runs: Vec<Measured>,
}

impl Figures {
    pub fn new(name: &str) -> Figures {
        Figures { name: name.to_owned(), runs: Vec::new() }
    }

    pub fn push(&mut self, run: Measured) {
        self.runs.push(run);
    }
}

/// Two servers a load: the first is the yardstick. Ratios are medians of the runs that followed each other.
pub fn print(rows: &[(String, [Figures; 2])]) {
    println!("| | | reviews/s, median (min–max) | p50 / p99 | processor time a review | reviews/s, times the first |");
    println!("|---|---|---|---|---|---|");
    for (load, pair) in rows {
        for figures in pair {
            let of = |figure: fn(&Measured) -> f64| spread(figures.runs.iter().map(figure));
            let rate = of(|run| run.rate);
            let ratio = spread(figures.runs.iter().zip(&pair[0].runs).map(|(one, other)| one.rate / other.rate));
            println!(
                "| {load} | {} | {:.0} ({:.0}–{:.0}) | {:.2} / {:.2} ms | {:.0} µs | {:.2} ({:.2}–{:.2}) |",
                figures.name,
                rate.median,
                rate.min,
                rate.max,
                of(|run| run.p50).median * 1e3,
                of(|run| run.p99).median * 1e3,
                of(|run| run.cpu).median * 1e6,
                ratio.median,
                ratio.min,
                ratio.max,
            );
        }
    }
    println!();
}
