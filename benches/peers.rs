//! The picture for the README: start time and memory, with a row for each init that a user can choose.
//!
//! The source is the table in docs/benchmarks.md. So the picture needs no new measurement, and a test can compare it with
//! the table (tests/packaged/pictures.rs, which includes this file).

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// The page with the table, and the picture.
pub const PAGE: &str = "docs/benchmarks.md";
pub const PICTURE: &str = "docs/pictures/peers.svg";

/// The rows of the table that the picture shows: the beginning of the row, the heading, and the line below the heading.
const CHARTS: [(&str, &str, &str); 2] = [
    ("start: ", "Start time, µs", "until the program's first instruction"),
    ("idle: resident memory", "Memory, KiB", "resident, while idle"),
];

/// The columns of the table that are no init for a user.
const REFERENCES: [&str; 2] = ["floor", "none"];
/// The inits that come from Debian's packages.
const PACKAGES: [&str; 4] = ["tini", "tini-static", "dumb-init", "catatonit"];

/// Sizes in pixels: the left edges of the charts, the length of the longest bar, the middle of the first row, and the
/// heights of a row and of a bar.
const CHARTS_AT: [f64; 2] = [226.0, 520.0];
const LONGEST: f64 = 194.0;
const TOP: usize = 88;
const ROW: usize = 30;
const BAR: usize = 16;

const STYLE: &str = "\
text{font-family:sans-serif;font-size:13px;fill:#24292f}
.card{fill:#ffffff;stroke:#d0d7de}
.head{font-weight:bold;font-size:14px}
.small{font-size:12px;fill:#57606a}
.rini{fill:#b5481b}
text.rini{font-weight:bold}
.peer{fill:#8297ac}
.axis{stroke:#8c959f}
.rule{stroke:#d0d7de}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}
.card{fill:#161b22;stroke:#30363d}
.small{fill:#9198a1}
.rini{fill:#f0935a}
.peer{fill:#64798f}
.axis{stroke:#6e7681}
.rule{stroke:#30363d}
}
";

/// Draws the picture into its file.
pub fn write() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join(PAGE)).expect(PAGE);
    let picture = draw(&page).unwrap_or_else(|error| panic!("{PAGE}: {error}"));
    fs::write(root.join(PICTURE), picture).expect(PICTURE);
    eprintln!("{PICTURE} shows the table of {PAGE}");
}

/// An init, with its figures in the order of [`CHARTS`], as the table writes them.
struct Init<'a> {
    name: &'a str,
    build: &'static str,
    figures: Vec<&'a str>,
}

/// Draws the table of this page as an SVG picture.
pub fn draw(page: &str) -> Result<String, String> {
    let inits = read_inits(page)?;
    let (date, commit) = read_date_and_commit(page)?;
    let bottom = TOP + ROW * inits.len();
    let height = bottom + 56;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 {height}\" width=\"800\" height=\"{height}\" \
         role=\"img\" aria-labelledby=\"title desc\">\n\
         <title id=\"title\">Start time and memory of rini and other inits</title>\n<desc id=\"desc\">"
    );
    for init in &inits {
        let figures = init.figures.iter().zip(["µs", "KiB"]).map(|(figure, unit)| format!("{figure} {unit}"));
        let figures: Vec<String> = figures.collect();
        write_to(&mut text, format_args!("{} ({}): {}. ", init.name, init.build, figures.join(", ")));
    }
    text += &format!(
        "Less is better.</desc>\n<style>\n{STYLE}</style>\n\
         <rect class=\"card\" x=\".5\" y=\".5\" width=\"799\" height=\"{}\" rx=\"8\"/>\n",
        height - 1
    );
    for ((_, heading, below), x) in CHARTS.iter().zip(CHARTS_AT) {
        write_to(&mut text, format_args!("<text class=\"head\" x=\"{x}\" y=\"36\">{heading}</text>\n"));
        write_to(&mut text, format_args!("<text class=\"small\" x=\"{x}\" y=\"56\">{below}</text>\n"));
    }
    for (index, init) in inits.iter().enumerate() {
        let middle = TOP + ROW * index;
        let class = if init.name == "rini" { "rini" } else { "peer" };
        let name = if class == "rini" { " class=\"rini\"" } else { "" };
        let baseline = middle + 5;
        write_to(&mut text, format_args!("<text{name} x=\"24\" y=\"{baseline}\">{}</text>\n", init.name));
        write_to(&mut text, format_args!("<text class=\"small\" x=\"104\" y=\"{baseline}\">{}</text>\n", init.build));
        for (chart, x) in CHARTS_AT.into_iter().enumerate() {
            let most = inits.iter().filter_map(|init| parse_number(init.figures[chart])).fold(0.0, f64::max);
            let length = parse_number(init.figures[chart]).unwrap_or_default() / most * LONGEST;
            write_to(
                &mut text,
                format_args!(
                    "<rect class=\"{class}\" x=\"{x}\" y=\"{}\" width=\"{length:.1}\" height=\"{BAR}\"/>\
                     <text{name} x=\"{:.1}\" y=\"{baseline}\">{}</text>\n",
                    middle - BAR / 2,
                    x + length + 8.0,
                    init.figures[chart]
                ),
            );
        }
    }
    let (first, last) = (TOP - ROW / 2, bottom - ROW / 2);
    for x in CHARTS_AT {
        write_to(&mut text, format_args!("<path class=\"axis\" d=\"M{x} {first}V{last}\"/>\n"));
    }
    let rule = bottom;
    write_to(&mut text, format_args!("<path class=\"rule\" d=\"M1 {rule}.5H799\"/>\n"));
    write_to(
        &mut text,
        format_args!(
            "<text class=\"small\" x=\"24\" y=\"{}\">Less is better. Medians of one run on one machine, {date}; \
             rini of commit {commit}.</text>\n</svg>\n",
            rule + 33
        ),
    );
    Ok(text)
}

/// Appends to a text.
fn write_to(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a string accepts everything");
}

/// Reads the inits of the table: rini first, then the others by their start time.
fn read_inits(page: &str) -> Result<Vec<Init<'_>>, String> {
    let row = |start: &str| {
        let line = page.lines().find(|line| line.starts_with(&format!("| {start}")));
        line.map(split_cells).ok_or_else(|| format!("no row of the table begins with {start:?}"))
    };
    let names = row("| rini ")?;
    let rows = CHARTS.iter().map(|(start, ..)| row(start)).collect::<Result<Vec<_>, _>>()?;
    let mut inits = Vec::new();
    // The first cell of each row is its name.
    for (column, cell) in names.iter().enumerate().skip(1) {
        let name = cell.split("<br>").next().unwrap_or_default();
        if REFERENCES.contains(&name) {
            continue;
        }
        let figures: Vec<&str> = rows.iter().filter_map(|row| Some(extract_median(row.get(column)?))).collect();
        if figures.len() < CHARTS.len() || figures.iter().any(|figure| parse_number(figure).is_none()) {
            return Err(format!("{name} has no figure for start time or memory"));
        }
        let build = match (PACKAGES.contains(&name), cell.contains("dynamic")) {
            (true, true) => "Debian, dynamic",
            (true, false) => "Debian, static",
            _ if name == "rini" || name.ends_with("-musl") => "built with musl",
            (false, true) => "dynamic",
            (false, false) => "static",
        };
        inits.push(Init { name: name.trim_end_matches("-musl").trim_end_matches("-static"), build, figures });
    }
    let start = |init: &Init<'_>| parse_number(init.figures[0]).unwrap_or_default();
    inits.sort_by(|one, other| {
        (one.name != "rini", start(one)).partial_cmp(&(other.name != "rini", start(other))).expect("numbers")
    });
    Ok(inits)
}

/// Splits a row into its cells.
fn split_cells(line: &str) -> Vec<&str> {
    line.trim().trim_start_matches('|').trim_end_matches('|').split('|').map(str::trim).collect()
}

/// Extracts the median from a cell. It can be bold, and a ratio and quartiles can follow it.
fn extract_median(cell: &str) -> &str {
    let cell = cell.split("<br>").next().unwrap_or_default();
    cell.split(" ×").next().unwrap_or_default().trim_matches('*')
}

/// Parses a figure whose thousands are separated.
fn parse_number(figure: &str) -> Option<f64> {
    figure.replace('\u{202f}', "").parse().ok()
}

/// Reads the date of the measurement and the commit of rini.
fn read_date_and_commit(page: &str) -> Result<(&str, &str), String> {
    let line = page.lines().find_map(|line| line.strip_prefix("Measured on "));
    let parts = line.and_then(|line| {
        let (_, commit) = line.split_once("; rini is of commit ")?;
        Some((line.split(',').next()?, commit.split([';', ',']).next()?))
    });
    parts.ok_or_else(|| "no line begins with \"Measured on\" and names rini's commit".to_owned())
}
