//! What is left of a run: a table to read, JSON to compute with, a plot to look at.

use crate::inits::{self, Init, Kind};
use crate::results::{Better, Curve, Figure, Point, Results, Row};
use crate::{curves, plot};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

const BEGIN: &str = "<!-- The table of cargo bench -- --readme: -->\n";
const END: &str = "<!-- The end of that table. -->\n";

/// Writes everything.
pub fn write(inits: &[Init], results: &Results, run: &Run, readme: bool) {
    let folder = inits::folder();
    let table = table(inits, results, run);
    fs::write(folder.join("table.md"), &table).expect("target/bench");
    let json = serde_json::to_string_pretty(&json(inits, results, run)).expect("JSON");
    fs::write(folder.join("results.json"), json + "\n").expect("target/bench");
    let mut plots = Vec::new();
    for (draw, file, caption) in PLOTS {
        if draw(inits, results, &folder.join(file)) {
            plots.push((file, caption));
        }
    }
    println!("{table}");
    let files: String = plots.iter().map(|(file, _)| format!(", {file}")).collect();
    eprintln!("In {}: table.md, results.json{files}", folder.display());
    if readme {
        put_into_readme(table, &plots);
    }
}

/// Draws a plot into a file, unless nothing was measured that it shows; returns whether it has.
type Draw = fn(&[Init], &Results, &Path) -> bool;

/// The plots, with the names of their files and what the README says of them.
const PLOTS: [(Draw, &str, &str); 2] = [
    (plot::draw, "plot.svg", "The same as bars"),
    (curves::draw, "scale.svg", "More and more containers: memory, start and stop"),
];

fn put_into_readme(mut table: String, plots: &[(&str, &str)]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (file, caption) in plots {
        fs::copy(inits::folder().join(file), root.join("benches").join(file)).expect("the folder of the benches");
        table += &format!("\n![{caption}](benches/{file})\n");
    }
    let path = root.join("README.md");
    let text = fs::read_to_string(&path).expect("README.md");
    let markers = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = markers.expect("README.md has two markers for the table");
    fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).expect("README.md");
    eprintln!("README.md has the table");
}

/// Where and when.
pub struct Run {
    processor: String,
    processors: usize,
    kernel: String,
    load: String,
    date: String,
    commit: String,
    command: String,
}

impl Run {
    /// To be asked for before anything is measured, which is much of a load, and may take a while.
    pub fn new() -> Run {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let say = |program: &str, words: &[&str]| -> String {
            let output = Command::new(program).args(words).current_dir(env!("CARGO_MANIFEST_DIR")).output();
            output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
        };
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let changed =
            !say("git", &["status", "--porcelain", "--", "src", "build.rs", "Cargo.lock", "packaging/build-static"])
                .is_empty();
        let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").map(quoted).collect();
        Run {
            processor: model.map_or("unknown", |(_, model)| model.trim()).to_owned(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            // What the kernel's builder has put behind the version says nothing to others.
            kernel: read("/proc/sys/kernel/osrelease").trim().split('-').next().unwrap_or_default().to_owned(),
            load: read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" "),
            date: say("date", &["--utc", "+%Y-%m-%d"]),
            commit: say("git", &["rev-parse", "--short", "HEAD"]) + if changed { ", and changes" } else { "" },
            command: if words.is_empty() {
                "cargo bench".to_owned()
            } else {
                format!("cargo bench -- {}", words.join(" "))
            },
        }
    }
}

/// A word as a shell would have to be given it.
fn quoted(word: String) -> String {
    if word.contains(' ') { format!("'{word}'") } else { word }
}

fn table(inits: &[Init], results: &Results, run: &Run) -> String {
    let mut text = format!(
        "Measured on {}, {} with {} processors, Linux {}, load {}; rini is of commit {}; by `{}`:\n\n|",
        run.date, run.processor, run.processors, run.kernel, run.load, run.commit, run.command
    );
    for init in inits {
        let linked = if init.is_dynamic() { "<br><sub>dynamic</sub>" } else { "" };
        text += &format!(" | {}{linked}", init.name);
    }
    text += &format!(" |\n|---{}|\n", "|---:".repeat(inits.len()));
    for row in &results.rows {
        let unit = if row.unit.is_empty() { String::new() } else { format!(", {}", row.unit) };
        text += &format!("| {}{unit}", row.name);
        for init in inits {
            text += &format!(" | {}", cell(row, init, inits));
        }
        text += " |\n";
    }
    if !results.notes.is_empty() {
        text += &format!("\n{}\n", results.notes.join(" "));
    }
    text
}

/// The median, in bold if it is first; the ratio to the floor's; and, where they differ, the quartiles.
fn cell(row: &Row, init: &Init, inits: &[Init]) -> String {
    let Some(figure) = row.figures.get(&init.name) else { return "–".to_owned() };
    let mut text = number(figure.median);
    if row.is_first(init, inits) {
        text = format!("**{text}**");
    }
    if let Some(ratio) = ratio(&row.figures, figure, inits).filter(|_| init.kind != Kind::Floor) {
        text += &format!(" ×{}", number(ratio));
    }
    let quartiles = [figure.lower_quartile, figure.upper_quartile].map(number);
    if quartiles[0] != quartiles[1] {
        text += &format!("<br><sub>{}–{}</sub>", quartiles[0], quartiles[1]);
    }
    text
}

/// How many times the floor's it is.
fn ratio(figures: &BTreeMap<String, Figure>, figure: &Figure, inits: &[Init]) -> Option<f64> {
    let floor = inits.iter().find(|init| init.kind == Kind::Floor)?;
    let floor = figures.get(&floor.name)?.median;
    (floor > 0.0).then(|| figure.median / floor)
}

/// Three figures, and the thousands apart.
pub fn number(value: f64) -> String {
    let digits = if value == value.round() || value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        // A narrow space that no line is broken at.
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

fn json(inits: &[Init], results: &Results, run: &Run) -> Value {
    let figures = |figures: &BTreeMap<String, Figure>| -> Map<String, Value> {
        let value = |figure: &Figure| {
            json!({
                "median": figure.median,
                "quartiles": [figure.lower_quartile, figure.upper_quartile],
                "samples": figure.samples,
                "ratio_to_floor": ratio(figures, figure, inits),
            })
        };
        figures.iter().map(|(name, figure)| (name.clone(), value(figure))).collect()
    };
    let row = |row: &Row| {
        let better = if row.better == Better::Lower { "lower" } else { "higher" };
        json!({ "name": row.name, "unit": row.unit, "better": better, "figures": figures(&row.figures) })
    };
    let rows: Vec<Value> = results.rows.iter().map(row).collect();
    let point = |point: &Point| json!({ "containers": point.containers, "figures": figures(&point.figures) });
    let curve = |curve: &Curve| {
        let points: Vec<Value> = curve.points.iter().map(point).collect();
        json!({ "name": curve.name, "unit": curve.unit, "better": "lower", "points": points })
    };
    let curves: Vec<Value> = results.curves.iter().map(curve).collect();
    let described: Vec<Value> = inits.iter().map(|init| {
        json!({ "name": init.name, "command": init.words, "version": init.version(), "dynamic": init.is_dynamic() })
    }).collect();
    json!({
        "date": run.date,
        "machine": { "processor": run.processor, "processors": run.processors, "kernel": run.kernel, "load": run.load },
        "commit": run.commit,
        "command": run.command,
        "inits": described,
        "rows": rows,
        "curves": curves,
        "notes": results.notes,
    })
}
