//! The pictures in docs/pictures. They are readable on light and dark pages and without seeing them, and they show the
//! present state.

use crate::release::{path, text};
use crate::support::{beside, tools};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

#[path = "../../benches/peers.rs"]
#[allow(dead_code, clippy::print_stderr)] // The bench writes the picture, and the test compares it.
mod peers;

const FOLDER: &str = "docs/pictures";
const NAMES: [&str; 4] = ["demo-stop.svg", "peers.svg", "signal-path.svg", "stop.svg"];

fn picture(name: &str) -> String {
    text(&format!("{FOLDER}/{name}"))
}

/// Reads pictures, each followed by a NUL. Prints each fault with the picture's number before it.
const CHECK: &str = r##"
import re, sys
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"

def find_faults(text):
    found = []
    def check(good, fault):
        good or found.append(fault)
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        return [f"no XML: {error}"]
    check(len(text) < 40 * 1024, "too large")
    check(b"<!" not in text.replace(b"<!--", b""), "a declaration")
    check(root.tag == SVG + "svg", "no SVG")
    check(float(root.get("viewBox", "0 0 9999 0").split()[2]) <= 800, "too wide")
    check(root.get("role") == "img", "no role")
    for name in "title", "desc":
        element = root.find(SVG + name)
        check(element is not None and element.text and element.text.strip(), f"no {name}")
        labels = root.get("aria-labelledby", "").split()
        check(element is not None and element.get("id") in labels, f"{name} is no label")
    for element in root.iter():
        name = element.tag.removeprefix(SVG)
        check(name in "svg title desc style g rect path circle text tspan".split(), f"an element {name}")
        for attribute, value in element.attrib.items():
            check(not attribute.startswith("on"), f"a script {attribute}")
            check(not attribute.endswith("href"), f"a reference {value}")
            check("url(" not in value, f"a reference {value}")
            check("font" not in attribute + value, f"a font in {attribute}")
    style = "".join(element.text or "" for element in root.iter(SVG + "style"))
    check("url(" not in style and "@import" not in style, "a reference in the style")
    check("(prefers-color-scheme:dark)" in style, "no colours for dark pages")
    still = "(prefers-reduced-motion:reduce){text{animation:none}}"
    check("animation" not in style or still in style, "no way to stop it")
    fonts = set(re.findall(r"font(?:-family)?:(?:\d+px )?([^;}]+)", style))
    check(fonts and fonts <= {"sans-serif", "monospace"}, f"fonts {fonts}")
    return found

for number, text in enumerate(sys.stdin.buffer.read().split(b"\0")[:-1]):
    for fault in find_faults(text):
        print(number, fault)
"##;

/// The faults of each picture.
fn find_faults(pictures: &[String]) -> Vec<Vec<String>> {
    let mut python = Command::new("python3");
    python.args(["-c", CHECK]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut python = python.spawn().unwrap();
    let all: String = pictures.iter().map(|picture| format!("{picture}\0")).collect();
    python.stdin.take().unwrap().write_all(all.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut faults = vec![vec![]; pictures.len()];
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let (number, fault) = line.split_once(' ').unwrap();
        faults[number.parse::<usize>().unwrap()].push(fault.to_owned());
    }
    faults
}

/// Each picture is well-formed, has a text for readers who cannot see it, and uses no script and nothing from
/// elsewhere.
#[test]
fn each_picture_stands_alone() {
    if !tools(&["python3"]) {
        return;
    }
    let files = fs::read_dir(path(FOLDER)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let drawn: BTreeSet<String> = files.filter(|name| name.ends_with(".svg")).collect();
    assert_eq!(drawn, NAMES.map(str::to_owned).into());
    assert_eq!(find_faults(&NAMES.map(picture)), NAMES.map(|_| vec![""; 0]), "{NAMES:?}");
    // The negative controls: a text of the recording, its replacement, and the fault that must be found.
    let good = picture("demo-stop.svg");
    let title = format!("<title{}</title>", good.split_once("<title").unwrap().1.split_once("</title>").unwrap().0);
    let large = format!("<!--{}--></svg>", "x".repeat(40 * 1024));
    let mistakes = [
        ("</svg>", "", "no XML: "),
        ("</svg>", &large, "too large"),
        ("<svg ", "<!DOCTYPE svg><svg ", "a declaration"),
        ("http://www.w3.org/2000/svg", "http://example.org/", "no SVG"),
        ("viewBox=\"0 0 ", "viewBox=\"0 0 9", "too wide"),
        ("role=\"img\"", "", "no role"),
        (&title, "", "no title"),
        (&title, "<title id=\"title\"/>", "no title"),
        ("<title id=\"title\">", "<title>", "title is no label"),
        ("<desc id=\"desc\">", "<desc id=\"other\">", "desc is no label"),
        ("<rect ", "<script/><rect ", "an element script"),
        ("<rect ", "<image href=\"other.png\"/><rect ", "a reference other.png"),
        ("<rect ", "<rect onclick=\"alert(1)\" ", "a script onclick"),
        ("<rect ", "<rect fill=\"url(other.svg#a)\" ", "a reference url(other.svg#a)"),
        ("<rect ", "<rect font-family=\"Courier\" ", "a font in font-family"),
        ("<style>", "<style>@import 'other.css';", "a reference in the style"),
        ("(prefers-color-scheme:dark)", "(prefers-color-scheme:light)", "no colours for dark pages"),
        ("(prefers-reduced-motion:reduce)", "(prefers-reduced-motion)", "no way to stop it"),
        ("font:13px monospace", "font:13px Courier,monospace", "fonts "),
    ];
    let bad = mistakes.map(|(from, to, _)| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    });
    for ((_, to, fault), found) in mistakes.iter().zip(find_faults(&bad)) {
        assert!(found.iter().any(|line| line.starts_with(fault)), "{to} {fault}: {found:?}");
    }
}

/// The bars are drawn from the table.
#[test]
fn the_bars_are_drawn_from_the_table() {
    let page = text(peers::PAGE);
    let drawn = peers::draw(&page).unwrap();
    assert_eq!(drawn, text(peers::PICTURE), "cargo bench -- --peers");
    // The negative controls: another figure, another order, and a table without the drawn row.
    let row = page.lines().find(|line| line.starts_with("| start: ")).unwrap();
    let other = |row: &str| peers::draw(&page.replace(row, &row.replacen("| **", "| **9", 1))).unwrap();
    assert_ne!(other(row), drawn);
    assert_ne!(peers::draw(&page.replace("; rini is of commit ", "; rini is of commit f")).unwrap(), drawn);
    assert!(peers::draw(&page.replace(row, "")).unwrap_err().contains("\"start: \""));
    let none = row.split(" | ").nth(1).unwrap();
    let without = peers::draw(&page.replace(row, &row.replace(none, "–"))).unwrap_err();
    assert_eq!(without, "rini has no figure for start time or memory");
    assert!(peers::draw(&page.replace("Measured on ", "")).unwrap_err().contains("\"Measured on\""));
}

/// The options that a text names.
fn options(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !(character.is_ascii_lowercase() || character == '-'));
    words.filter(|word| word.len() > 4 && word.starts_with("--")).map(str::to_owned).collect()
}

/// rini has every option that the pictures show.
#[test]
fn the_options_in_the_pictures_exist() {
    let help = options(&beside(["--help"]).run().out.join("\n"));
    let drawn = options(&text_of(&picture("stop.svg")));
    let known = ["--after-exit", "--grace-period", "--stop-delay"];
    assert_eq!(drawn, known.map(str::to_owned).into());
    assert!(drawn.is_subset(&help), "{drawn:?} {help:?}");
    // The negative control: an option that does not exist.
    assert!(!options("rini --grace-time 6s").is_subset(&help));
}

/// The text between the tags.
fn text_of(picture: &str) -> String {
    let texts = picture.split("<text").skip(1).filter_map(|text| text.split_once('>')?.1.split("</text>").next());
    let plain = texts.map(|text| text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"));
    plain.collect::<Vec<_>>().join("\n")
}

/// The rows that packaging/demo-stop prints without --all: the titles in the script.
fn titles(script: &str) -> Vec<String> {
    let usual = script.split("if [ -n \"$all\" ]").next().unwrap();
    let rows = usual.lines().filter_map(|line| line.trim().strip_prefix("row \""));
    let end = |row: &str| row.replace("\\\"", "\0").split('"').next().unwrap().replace('\0', "\"").replace('\\', "");
    rows.map(end).collect()
}

/// The titles that the recording lacks.
fn find_missing_titles(script: &str, recording: &str) -> Vec<String> {
    let recorded = text_of(recording);
    let (table, steps): (Vec<&str>, Vec<&str>) = recorded.lines().partition(|line| line.starts_with('|'));
    let is_there = |title: &String| {
        table.iter().any(|line| line.starts_with(&format!("| {title} ")))
            && steps.contains(&format!("demo-stop: {title}: starting, and stopping it").as_str())
    };
    titles(script).into_iter().filter(|title| !is_there(title)).collect()
}

/// The recording shows the present demonstration.
#[test]
fn the_recording_shows_the_demonstration() {
    let (script, recording) = (text("packaging/demo-stop"), picture("demo-stop.svg"));
    assert_eq!(titles(&script).len(), 3);
    assert_eq!(
        find_missing_titles(&script, &recording),
        [""; 0],
        "docs/pictures/record docs/pictures/demo-stop.svg packaging/demo-stop"
    );
    assert!(text_of(&recording).contains("Recording of packaging/demo-stop\n$ packaging/demo-stop\n"));
    // The negative control: another title in the script.
    let other = script.replace("no init\" sh", "no init at all\" sh");
    assert_eq!(find_missing_titles(&other, &recording), ["`sh -c \"gunicorn app; true\"`, no init at all"]);
}

/// The recorder draws what a command prints, and keeps the old picture if the command fails.
#[test]
fn a_command_is_recorded() {
    if !tools(&["python3"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording.svg");
    let record = |script: &str| {
        let mut record = Command::new("python3");
        record.arg(path(FOLDER).join("record")).arg(&file).args(["sh", "-c", script]);
        (record.output().unwrap().status.code(), fs::read_to_string(&file).ok())
    };
    let (code, recording) = record(r#"test -t 1; printf '\033[1mone <&>\033[0m\nlost\rtwo\nthree'"#);
    let recording = recording.unwrap();
    assert_eq!((code, find_faults(std::slice::from_ref(&recording))), (Some(0), vec![vec![]]));
    let shown = text_of(&recording);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("Recording of sh -c "), "{shown}");
    assert_eq!(lines[2..5], ["one <&>", "two", "three"], "{shown}");
    // The negative control: a command that fails.
    assert_eq!(record("echo other; exit 3"), (Some(3), Some(recording)));
}
