//! Two things that a build needs to know.
//!
//! Makes `rini_entry` the first instruction that the kernel runs in rini, in place of libc's `_start`:
//! see `src/sys/entry.rs`, which says what that wins and has one for each architecture here. Others begin at `_start`.

#![allow(clippy::print_stdout)] // Cargo reads a build script's standard output.

use std::process::Command;
use std::{env, fs};

/// `tini version 1.2.3_rini - git.0123abc`, which is what `docker info` asks an init for; without a commit where none is
/// known: RINI_COMMIT, what Cargo wrote into a published package, or the clone's HEAD.
fn tini_version() {
    let package = fs::read_to_string(".cargo_vcs_info.json").ok();
    let head = || {
        let git = Command::new("git").args(["rev-parse", "HEAD"]).output().ok()?;
        String::from_utf8(git.stdout).ok()
    };
    let commit = env::var("RINI_COMMIT").ok().or(package).or_else(head).unwrap_or_default();
    let is_hash = |word: &&str| word.len() >= 7 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash = commit.split(|c: char| !c.is_ascii_alphanumeric()).find(is_hash).and_then(|hash| hash.get(..7));
    let suffix = hash.map(|hash| format!(" - git.{}", hash.to_ascii_lowercase())).unwrap_or_default();
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    println!("cargo::rustc-env=RINI_TINI_VERSION=tini version {version}_rini{suffix}");
    println!("cargo::rerun-if-env-changed=RINI_COMMIT");
    for file in [".cargo_vcs_info.json", ".git/HEAD", ".git/logs/HEAD"] {
        if fs::exists(file).unwrap_or(false) {
            println!("cargo::rerun-if-changed={file}");
        }
    }
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    tini_version();
    let target = |what: &str| env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    println!("cargo::rustc-check-cfg=cfg(rini_entry)");
    if match &*target("ARCH") {
        "x86_64" | "x86" | "aarch64" | "arm" | "s390x" | "riscv64" => true,
        "powerpc64" => target("ENDIAN") == "little",
        _ => false,
    } {
        println!("cargo::rustc-cfg=rini_entry");
        println!("cargo::rustc-link-arg-bin=rini=-Wl,--entry=rini_entry");
    }
}
