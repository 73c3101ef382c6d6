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

/// Refuses to make a dynamic binary of a published crate, because it would run only in images with its libc. For `cargo
/// install rini`, Cargo does not read the crate's .cargo/config.toml, and hides the warnings of the crate.
fn refuse_dynamic() {
    let setting = |name: &str| std::env::var(name).unwrap_or_default();
    let is_static = setting("CARGO_CFG_TARGET_FEATURE").split(',').any(|feature| feature == "crt-static");
    // Cargo adds this file when it packs a crate. A clone is for developers, who may link as they like.
    let is_published = std::path::Path::new(".cargo_vcs_info.json").exists();
    println!("cargo::rerun-if-env-changed=RINI_DYNAMIC");
    if setting("CARGO_CFG_TARGET_OS") == "linux" && !is_static && is_published && setting("RINI_DYNAMIC") != "1" {
        println!(
            "cargo::error=rini would need the libc of its image, because Cargo does not read the .cargo/config.toml of \
             a crate; set RUSTFLAGS=-Ctarget-feature=+crt-static, or RINI_DYNAMIC=1 for a dynamic binary"
        );
    }
}

const LAYOUT: &str = "packaging/layout.ld";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    // The linker script of packaging/build-static, of which Cargo does not know.
    if std::path::Path::new(LAYOUT).exists() {
        println!("cargo::rerun-if-changed={LAYOUT}");
    }
    prepare();
    entry_point::link();
    refuse_dynamic();
}
