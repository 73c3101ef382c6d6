//! Every place of rini's source that is `unsafe`, with its SAFETY comment: the obligation, and how it is met.
//!
//! The test makes the list from the source each time, so it is never out of date: target/proof/unsafe.md. clippy's
//! lints (Cargo.toml) also check that each block is one operation and has such a comment, and the compiler that nothing
//! outside src/sys is unsafe. This test reads the source once more as text, for a reviewer. tests/sanitizers runs as
//! much of it as possible under Miri, the address sanitizer and valgrind.

use crate::support::rust_files;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// An unsafe place.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    line: usize,
    code: String,
    /// The comment: the obligation, and how it is met. None if there is no comment.
    because: Option<String>,
}

/// The comment that ends above this line, or above the statement or the attributes to which the line belongs.
fn comment_above(lines: &[&str], line: usize) -> Option<String> {
    // Rustfmt may break the statement before the block into two or three lines, and a doc comment may be above an
    // attribute.
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
        // A block or an implementation promises something. A function or an attribute demands or declares something,
        // and has documentation.
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

#[test]
fn every_unsafe_place_is_in_src_sys_and_says_why_it_is_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = rust_files(&root.join("src"));
    paths.retain(|path| path.file_name().unwrap() != "tests.rs");
    paths.sort();
    let (mut rows, mut count, mut wrong) = (String::new(), 0, Vec::new());
    for path in paths {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        // A macro writes these from documented ones. An attribute of the whole program is not at a place.
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
    // The negative control: the test finds the places that exist.
    assert!(count > 40, "{count}");
    let report = format!(
        "## unsafe\n\n{count} places, all in src/sys. A block is one operation; the comment there names what that wants, and why it \
         is so.\n\n| place | code | what is wanted, and why it is so |\n|---|---|---|\n{rows}"
    );
    let folder = root.join("target/proof");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("unsafe.md"), report).unwrap();
}

/// The negative controls: the test sees each form without a comment.
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
