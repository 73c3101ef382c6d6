//! Three things that a build needs to know.
//!
//! Packs the texts in `src/personality`, which halves them: see `pack`.
//!
//! Makes `rini_entry` the first instruction that the kernel runs in rini, in place of libc's `_start`:
//! see `src/sys/entry.rs`, which says what that wins, and `src/sys/vfork.rs`. Both have assembly for each architecture here
//! (`cfg(rini_assembly)`). Others begin at `_start`, and fork.

#![allow(clippy::print_stdout)] // Cargo reads a build script's standard output.
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)] // A build may fail.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// `rini 1.2.3 (git.0123abc)`, and `tini version 1.2.3_rini - git.0123abc`, which is what `docker info` asks an init for;
/// without a commit where none is known: RINI_COMMIT, what Cargo wrote into a published package, or the clone's HEAD.
fn versions() -> [(&'static str, String); 3] {
    let package = fs::read_to_string(".cargo_vcs_info.json").ok();
    let head = || {
        let git = Command::new("git").args(["rev-parse", "HEAD"]).output().ok()?;
        String::from_utf8(git.stdout).ok()
    };
    let commit = env::var("RINI_COMMIT").ok().or(package).or_else(head).unwrap_or_default();
    let is_hash = |word: &&str| word.len() >= 7 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash = commit.split(|c: char| !c.is_ascii_alphanumeric()).find(is_hash).and_then(|hash| hash.get(..7));
    let git = hash.map(|hash| format!("git.{}", hash.to_ascii_lowercase()));
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let own = git.as_ref().map(|git| format!(" ({git})")).unwrap_or_default();
    let of_tini = git.map(|git| format!(" - {git}")).unwrap_or_default();
    println!("cargo::rerun-if-env-changed=RINI_COMMIT");
    for file in [".cargo_vcs_info.json", ".git/HEAD", ".git/logs/HEAD"] {
        if fs::exists(file).unwrap_or(false) {
            println!("cargo::rerun-if-changed={file}");
        }
    }
    let versions = [
        ("{version of rini}", format!("rini {version}{own}")),
        ("{version of tini}", format!("tini version {version}_rini{of_tini}")),
        ("{version}", version),
    ];
    println!("cargo::rustc-env=RINI_VERSION={}", versions[0].1);
    println!("cargo::rustc-env=RINI_TINI_VERSION={}", versions[1].1);
    versions
}

/// The files of texts, and the names that they go by in the source.
const TEXTS: [(&str, &str); 5] =
    [("rini", "RINI"), ("tini", "TINI"), ("dumb-init", "DUMB_INIT"), ("catatonit", "CATATONIT"), ("pause", "PAUSE")];

/// What a text can be, in the order of `mod form` in `src/voice.rs`. (rini.txt says what they mean.)
const FORMS: [&str; 10] = ["error", "warn", "info", "debug", "trace", "child", "stderr", "stdout", "part", "nothing"];

/// A text: its name, and its form, then its bytes.
type Entry = (String, Vec<u8>);

/// Reads a file of texts.
fn entries(file: &str, versions: &[(&str, String)]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, form)) = line.strip_prefix("== ").and_then(|heading| heading.split_once(' ')) {
            let form = FORMS.iter().position(|known| *known == form).expect("a form");
            entries.push((name.to_owned(), vec![u8::try_from(form).expect("few") + 1]));
        } else if let Some((_, text)) = entries.last_mut() {
            if text.len() > 1 {
                text.push(b'\n');
            }
            text.extend(line.bytes());
        }
    }
    for (name, text) in &mut entries {
        let printable = |byte: &u8| matches!(byte, b'\n' | b' '..=b'~');
        assert!(text.iter().skip(1).all(printable), "{name}: only ASCII can be packed, and no control characters");
        let mut filled = String::from_utf8(text.clone()).expect("text").replace('\n', NEWLINE);
        for (known, version) in versions {
            filled = filled.replace(known, version);
        }
        for (part, code) in (0..6).zip(PARTS..) {
            filled = filled.replace(&format!("{{{part}}}"), &char::from(code).to_string());
            filled = filled.replace(&format!("{{{part}:?}}"), &char::from(code + 6).to_string());
        }
        assert!(!filled.contains("{6"), "{name}: no text has a part 6");
        *text = filled.into_bytes();
    }
    entries
}

/// What stands for a part: 6 bytes for one as it is, then 6 for one in quotes. Pairs have what is below.
const PARTS: u8 = 0x12;
/// What stands for the end of a line.
const NEWLINE: &str = "\x1e";

/// Puts a byte in place of the pair of bytes that is most frequent, again and again; returns the pairs that 0x80 to 0xff,
/// 0 (which is none, as it ends a text) and the following bytes stand for. English is half as long then, and unpacking
/// it takes next to no code.
fn pack(texts: &mut [Vec<u8>]) -> Vec<[u8; 2]> {
    let mut pairs = Vec::new();
    for code in (0x80..=u8::MAX).chain(0..PARTS) {
        if code == 0 {
            pairs.push([0, 0]);
            continue;
        }
        let mut counts = BTreeMap::new();
        for pair in texts.iter().flat_map(|text| text.get(1..).unwrap_or_default().windows(2)) {
            *counts.entry([pair[0], pair[1]]).or_insert(0) += 1;
        }
        // Each saves a byte where it is, and takes two in the list.
        let Some((pair, 4..)) = counts.into_iter().rev().max_by_key(|(_, count)| *count) else { break };
        for text in &mut *texts {
            let mut at = 1;
            while at + 1 < text.len() {
                if text[at..at + 2] == pair {
                    text.splice(at..at + 2, [code]);
                }
                at += 1;
            }
        }
        pairs.push(pair);
    }
    pairs
}

/// Writes the texts to a file, `texts`: the pairs, and then each text between its name's number and a zero. And what there is
/// to know of that as source, messages.rs: an `enum Message` with the names, and where the texts of each file are.
fn texts(versions: &[(&str, String)]) {
    let mut files = Vec::new();
    let mut names: Vec<String> = Vec::new();
    let mut packed = Vec::new();
    for (file, constant) in TEXTS {
        let path = format!("src/personality/{file}.txt");
        println!("cargo::rerun-if-changed={path}");
        let entries = entries(&fs::read_to_string(&path).expect("a file of texts"), versions);
        files.push((constant, entries.len()));
        for (name, text) in entries {
            packed.push((name.clone(), text));
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    // Of each message the loudest level that anybody says it at; 0 for what is no message of the log.
    let loudest = |name: &String| {
        let forms = packed.iter().filter(|(known, _)| known == name).map(|(_, text)| text[0]);
        // The last is "nothing".
        let said = forms.filter(|form| usize::from(*form) < FORMS.len());
        said.map(|form| if form > 5 { 0 } else { form }).min().unwrap_or(0)
    };
    let loudest: Vec<u8> = [0].into_iter().chain(names.iter().map(loudest)).collect();
    let (of, mut bytes): (Vec<String>, Vec<Vec<u8>>) = packed.into_iter().unzip();
    let pairs = pack(&mut bytes);
    let mut source = String::new();
    let list = names.join(", ").replacen(',', " = 1,", 1);
    let _ = writeln!(
        source,
        "/// The texts.\n#[repr(u8)]\n#[allow(clippy::upper_case_acronyms, dead_code)]\n#[derive(Clone, Copy, Debug, PartialEq, Eq)]\npub enum Message {{ {list} }}"
    );
    let _ =
        writeln!(source, "/// How loud each is at the most.\nstatic LOUDEST: [u8; {}] = {loudest:?};", loudest.len());
    let mut blob: Vec<u8> = pairs.concat();
    let _ = writeln!(
        source,
        "/// How many pairs are at the beginning of the texts.\nconst PAIRS: usize = {};",
        pairs.len()
    );
    let mut all = of.iter().zip(bytes);
    for (constant, count) in files {
        let from = blob.len();
        for (name, text) in all.by_ref().take(count) {
            let number = names.iter().position(|known| known == name).expect("known") + 1;
            blob.push(u8::try_from(number).expect("few"));
            blob.extend(text);
            blob.push(0);
        }
        let _ = writeln!(source, "const {constant}_TEXTS: (usize, usize) = ({from}, {});", blob.len());
    }
    let folder = Path::new(&env::var("OUT_DIR").expect("Cargo sets it")).to_owned();
    fs::write(folder.join("messages.rs"), source).expect("Cargo's folder");
    fs::write(folder.join("texts"), blob).expect("Cargo's folder");
}

/// Makes what the source wants to be compiled, and says whether there is an entry point of rini's own.
pub fn prepare() -> bool {
    texts(&versions());
    println!("cargo::rustc-check-cfg=cfg(rini_assembly)");
    let target = |what: &str| env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    let is_known = match &*target("ARCH") {
        "x86_64" | "x86" | "aarch64" | "arm" | "s390x" | "riscv64" => true,
        "powerpc64" => target("ENDIAN") == "little",
        _ => false,
    };
    if is_known {
        println!("cargo::rustc-cfg=rini_assembly");
    }
    is_known
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if prepare() {
        println!("cargo::rustc-link-arg-bin=rini=-Wl,--entry=rini_entry");
    }
}
