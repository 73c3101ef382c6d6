//! What rini's own build script makes of its texts.

#[path = "../../build.rs"]
#[allow(dead_code)]
mod rini;

fn main() {
    println!("cargo::rerun-if-changed=../../build.rs");
    println!("cargo::rerun-if-changed=../../src/personality");
    std::env::set_current_dir("../..").expect("the clone");
    rini::prepare();
    println!("cargo::rustc-cfg=test");
}
