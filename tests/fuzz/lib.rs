//! rini's own source, as its unit tests see it, for libFuzzer: the functions of bytes that those call too.
//!
//! A binary crate cannot be depended on, and a library for this alone is not wanted. So it is compiled once more, file by file. The
//! tests in it are not: `build.rs` sets `cfg(test)`, which leaves out the allocator and the `main` of a PID 1, but only `--test`
//! makes tests of functions.
#![allow(explicit_builtin_cfgs_in_flags)]
#![allow(dead_code, unused_imports, unused_variables)]

#[path = "../../src"]
mod rini {
    pub mod cgroup;
    pub mod cli;
    pub mod diagnosis;
    pub mod exit;
    pub mod fuzzed;
    pub mod logging;
    pub mod personality;
    pub mod proc;
    pub mod remaining;
    pub mod runtime;
    pub mod signal;
    pub mod supervisor;
    pub mod sys;
    pub mod text;
    pub mod time;
    pub mod voice;
}
use rini::{
    cgroup, cli, diagnosis, exit, fuzzed, logging, personality, proc, remaining, runtime, signal, supervisor, sys, text,
    time, voice,
};

/// What `main` would call.
fn run(_: sys::Start) -> u8 {
    exit::CANNOT_START
}

/// A command line and an environment.
pub fn command_line(bytes: &[u8]) {
    cli::any_words::read(bytes);
}

/// A policy and a history.
pub fn supervisor(bytes: &[u8]) {
    supervisor::tests::histories::follow(bytes);
}
