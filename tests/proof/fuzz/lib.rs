//! rini's own source for libFuzzer, as its unit tests see it. The fuzz targets call the same functions of bytes as the
//! tests do.
//!
//! Another crate cannot depend on a binary crate, and a library only for this would be one too many. So this compiles
//! the source once more, file by file, without its tests: `build.rs` sets `cfg(test)`, which leaves out the allocator
//! and the `main` of a PID 1, but only `--test` turns functions into tests.
#![allow(explicit_builtin_cfgs_in_flags)]
#![allow(dead_code, unused_imports, unused_macros, unused_variables)]

#[path = "../../../src"]
mod rini {
    pub mod cli;
    pub mod ground;
    pub mod messages;
    pub mod observe;
    pub mod supervise;
    pub mod sys;
}
use rini::{cli, ground, messages, observe, supervise, sys};

/// Reads a command line and an environment.
pub fn command_line(bytes: &[u8]) {
    cli::any_words::read(bytes);
}

/// Follows a policy and a history.
pub fn supervisor(bytes: &[u8]) {
    supervise::supervisor::tests::histories::follow(bytes);
}

/// Looks up a user and a group in two files.
pub fn accounts(bytes: &[u8]) {
    observe::accounts::tests::check(bytes);
}
