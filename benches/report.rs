//! The output of a run: a table to read, JSON for other programs, and the plots.

use crate::figures::{Figure, format_number};
use crate::inits::{self, Init, Kind};
use crate::results::{Better, Curve, Point, Results, Row};
use crate::{curves, plot};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The page with the table, and the two markers around the table.
const PAGE: &str = "docs/benchmarks.md";
const BEGIN: &str = "<!-- table: cargo bench -- --docs -->\n";
const END: &str = "<!-- /table -->\n";

/// Writes the table, the JSON and the plots. With `docs`, puts them into the documentation too.
pub fn write(inits: &[Init], results: &Results, run: &Run, docs: bool) {
    let folder = inits::output_directory();
    let table = make_table(inits, results, run);
    fs::write(folder.join("table.md"), &table).expect("target/bench");
    let json = serde_json::to_string_pretty(&make_json(inits, results, run)).expect("JSON");
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
    if docs {
        put_into_docs(table, &plots);
    }
}

/// Draws a plot into a file. Returns false, and makes no file, if nothing that the plot shows was measured.
type Draw = fn(&[Init], &Results, &Path) -> bool;

/// The plots, the names of their files, and their captions in the page.
const PLOTS: [(Draw, &str, &str); 2] = [
    (plot::draw, "plot.svg", "The same as bars"),
    (curves::draw, "scale.svg", "More and more containers: memory, start and stop"),
];

/// Replaces the table of the page, and copies the plots to benches/, where the page links to them.
fn put_into_docs(mut table: String, plots: &[(&str, &str)]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (file, caption) in plots {
        fs::copy(inits::output_directory().join(file), root.join("benches").join(file))
            .expect("the folder of the benches");
        table += &format!("\n![{caption}](../benches/{file})\n");
    }
    let path = root.join(PAGE);
    let text = fs::read_to_string(&path).expect(PAGE);
    let markers = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = markers.expect("the page has two markers for the table");
    fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).expect(PAGE);
    eprintln!("{PAGE} has the table");
}

/// The machine, the date and the command of a run.
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
    /// Call it before the first measure: the benches themselves are a load, and can run past midnight.
    pub fn read() -> Run {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let output_of = |program: &str, words: &[&str]| -> String {
            let output = Command::new(program).args(words).current_dir(env!("CARGO_MANIFEST_DIR")).output();
            output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
        };
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let changed = !output_of(
            "git",
            &["status", "--porcelain", "--", "src", "build", "build.rs", "Cargo.lock", "packaging/build-static"],
        )
        .is_empty();
        let arguments: Vec<String> =
            std::env::args().skip(1).filter(|argument| argument != "--bench").map(quote).collect();
        Run {
            processor: model.map_or("unknown", |(_, model)| model.trim()).to_owned(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            // Only the version: the suffix is the name of somebody's build.
            kernel: read("/proc/sys/kernel/osrelease").trim().split('-').next().unwrap_or_default().to_owned(),
            load: read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" "),
            date: output_of("date", &["--utc", "+%Y-%m-%d"]),
            commit: output_of("git", &["rev-parse", "--short", "HEAD"]) + if changed { ", and changes" } else { "" },
            command: if arguments.is_empty() {
                "cargo bench".to_owned()
            } else {
                format!("cargo bench -- {}", arguments.join(" "))
            },
        }
    }
}

/// Quotes an argument for a shell, if it has a space.
fn quote(argument: String) -> String {
    if argument.contains(' ') { format!("'{argument}'") } else { argument }
}

/// The table in Markdown, with a line above it that names the machine and the commit.
fn make_table(inits: &[Init], results: &Results, run: &Run) -> String {
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
            text += &format!(" | {}", make_cell(row, init, inits));
        }
        text += " |\n";
    }
    if !results.notes.is_empty() {
        text += &format!("\n{}\n", results.notes.join(" "));
    }
    text
}

/// A cell has the median, in bold if this init is first; the ratio to the floor's median; and the quartiles if they differ.
fn make_cell(row: &Row, init: &Init, inits: &[Init]) -> String {
    let Some(figure) = row.figures.get(&init.name) else { return "–".to_owned() };
    let mut text = format_number(figure.median);
    if row.is_first(init, inits) {
        text = format!("**{text}**");
    }
    if let Some(ratio) = ratio_to_floor(&row.figures, figure, inits).filter(|_| init.kind != Kind::Floor) {
        text += &format!(" ×{}", format_number(ratio));
    }
    let quartiles = [figure.lower_quartile, figure.upper_quartile].map(format_number);
    if quartiles[0] != quartiles[1] {
        text += &format!("<br><sub>{}–{}</sub>", quartiles[0], quartiles[1]);
    }
    text
}

/// The ratio of a figure to the floor's.
fn ratio_to_floor(figures: &BTreeMap<String, Figure>, figure: &Figure, inits: &[Init]) -> Option<f64> {
    let floor = inits.iter().find(|init| init.kind == Kind::Floor)?;
    let floor = figures.get(&floor.name)?.median;
    (floor > 0.0).then(|| figure.median / floor)
}

/// Everything that is known of the run, for other programs.
fn make_json(inits: &[Init], results: &Results, run: &Run) -> Value {
    let figures = |figures: &BTreeMap<String, Figure>| -> Map<String, Value> {
        let value = |figure: &Figure| {
            json!({
                "median": figure.median,
                "quartiles": [figure.lower_quartile, figure.upper_quartile],
                "samples": figure.samples,
                "ratio_to_floor": ratio_to_floor(figures, figure, inits),
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
        json!({ "name": init.name, "command": init.command, "version": init.read_version(), "dynamic": init.is_dynamic() })
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
