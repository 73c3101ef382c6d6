//! Every place where rini's source says `unsafe`, with the obligation that the SAFETY comment there names, and how it is met.
//!
//! The list is made from the source each time, so it is never older than that: target/proof/unsafe.md. That a block is one
//! operation, and that it has such a comment, are lints of clippy's too (Cargo.toml); that nothing is unsafe outside of src/sys
//! is the compiler's. Here it is read once more, as text, for who wants to go through it. What of it can be run under Miri, the
//! address sanitizer and valgrind, tests/sanitizers runs.

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// A place that is unsafe.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    line: usize,
    code: String,
    /// The comment: what is wanted, and why it is so. None: there is none.
    because: Option<String>,
}

/// The comment that ends at the line above this one, or above the statement or the attributes that this line is a part of.
fn comment_above(lines: &[&str], line: usize) -> Option<String> {
    // Rustfmt breaks a statement before the block into two or three lines, and a doc comment may be above an attribute.
    let end =
        (1..=4).map_while(|up| line.checked_sub(up)).find(|above| lines[*above].trim_start().starts_with("//"))?;
    let begin = (0..=end).rev().take_while(|above| lines[*above].trim_start().starts_with("//")).last()?;
    let words: Vec<&str> =
        lines[begin..=end].iter().map(|line| line.trim_start().trim_start_matches('/').trim()).collect();
    Some(words.join(" "))
}

fn places(source: &str) -> Vec<Place> {
    let product = source.split("\n#[cfg(test)]\nmod tests").next().unwrap();
    let lines: Vec<&str> = product.lines().collect();
    let is_word = |code: &str| code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let code = line.split("//").next().unwrap().trim();
        if !is_word(code) {
            continue;
        }
        // A block and an implementation promise something; a function and an attribute ask or declare, and have documentation.
        let promises = code.contains("unsafe {") || code.contains("unsafe impl");
        let because = comment_above(&lines, number).map(|comment| match comment.split_once("SAFETY: ") {
            Some((_, safety)) => safety.to_owned(),
            None if promises => String::new(),
            None => comment,
        });
        found.push(Place { line: number + 1, code: code.to_owned(), because: because.filter(|text| !text.is_empty()) });
    }
    found
}

fn sources(folder: &Path, into: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") && path.file_name().unwrap() != "tests.rs"
        {
            into.push(path);
        }
    }
}

#[test]
fn every_unsafe_place_is_in_src_sys_and_says_why_it_is_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    sources(&root.join("src"), &mut paths);
    paths.sort();
    let (mut rows, mut count, mut wrong) = (String::new(), 0, Vec::new());
    for path in paths {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        // A macro writes these from what is documented there; and an attribute of the whole program is none of a place.
        for place in places(&fs::read_to_string(&path).unwrap()) {
            count += 1;
            if !name.starts_with("src/sys/") || place.because.is_none() {
                wrong.push(format!("{name}:{}: {}", place.line, place.code));
            }
            let cell = |text: &str| text.replace('|', "\\|");
            let because = cell(place.because.as_deref().unwrap_or("?"));
            let _ = writeln!(rows, "| {name}:{} | `{}` | {because} |", place.line, cell(&place.code));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // It is read with the eyes of this test: it must see what is there.
    assert!(count > 40, "{count}");
    let report = format!(
        "## unsafe\n\n{count} places, all in src/sys. A block is one operation; the comment there names what that wants, and why it \
         is so.\n\n| place | code | what is wanted, and why it is so |\n|---|---|---|\n{rows}"
    );
    let folder = root.join("target/proof");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("unsafe.md"), report).unwrap();
}

/// The negative control: what has no comment is seen, in each form.
#[test]
fn an_unsafe_place_without_its_reason_is_seen() {
    let because = |source: &str| places(source).into_iter().map(|place| place.because).collect::<Vec<_>>();
    assert_eq!(because("fn f() {\n    unsafe { g() };\n}\n"), [None]);
    assert_eq!(because("// A reason.\nlet x = unsafe { g() };\n"), [None]);
    assert_eq!(because("unsafe impl Sync for X {}\n"), [None]);
    assert_eq!(
        because("// SAFETY: g wants a: a is.\nlet x =\n    unsafe { g(a) };\n"),
        [Some("g wants a: a is.".to_owned())]
    );
    assert_eq!(because("/// unsafe in a comment\nlet unsafer = 1; // unsafe\n"), []);
}
