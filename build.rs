//! Makes `rini_entry` the first instruction that the kernel runs in rini, in place of libc's `_start`:
//! see `src/sys/entry.rs`, which says what that wins. Architectures without that entry begin at `_start`.

#![allow(clippy::print_stdout)] // Cargo reads a build script's standard output.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let arch = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    if arch == "x86_64" {
        println!("cargo::rustc-link-arg-bin=rini=-Wl,--entry=rini_entry");
    }
}
