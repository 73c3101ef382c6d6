//! Two things that a build needs to know.
//!
//! Makes `rini_entry` the first instruction that the kernel runs in rini, in place of libc's `_start`:
//! see `src/sys/entry.rs`, which says what that wins. Architectures without that entry begin at `_start`.

#![allow(clippy::print_stdout)] // Cargo reads a build script's standard output.

use std::process::Command;
use std::{env, fs};

/// `rini 1.2.3 (git.0123abc)`, and `tini version 1.2.3_rini - git.0123abc`, which is what `docker info` asks an init for;
/// without a commit where none is known: RINI_COMMIT, what Cargo wrote into a published package, or the clone's HEAD.
fn versions() {
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
    println!("cargo::rustc-env=RINI_VERSION=rini {version}{own}");
    let of_tini = git.map(|git| format!(" - {git}")).unwrap_or_default();
    println!("cargo::rustc-env=RINI_TINI_VERSION=tini version {version}_rini{of_tini}");
    println!("cargo::rerun-if-env-changed=RINI_COMMIT");
    for file in [".cargo_vcs_info.json", ".git/HEAD", ".git/logs/HEAD"] {
        if fs::exists(file).unwrap_or(false) {
            println!("cargo::rerun-if-changed={file}");
        }
    }
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    versions();
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    if arch == "x86_64" {
        println!("cargo::rustc-link-arg-bin=rini=-Wl,--entry=rini_entry");
    }
}
