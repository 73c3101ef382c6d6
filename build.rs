//! The build script: it makes what the compiler needs. Its parts are modules in build/:
//!
//! - [`version`]: the version and the commit, as `--version` prints them
//! - [`messages`]: all texts of rini, packed, and the source code that finds them
//! - [`entry_point`]: the entry point in assembly, if the architecture has one
//!
//! `cargo test --test build` runs their tests (build/tests.rs).
#![allow(clippy::print_stdout)] // Cargo reads the standard output of a build script.
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // A build may fail.

#[path = "build/entry_point.rs"]
mod entry_point;
#[path = "build/messages/mod.rs"]
mod messages;
#[path = "build/version.rs"]
mod version;

/// Makes the files and settings that the source includes. The build script of the fuzz targets calls this too.
pub fn prepare() {
    messages::write(&version::set());
    entry_point::set_cfg();
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    prepare();
    entry_point::link();
}
