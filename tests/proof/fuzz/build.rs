//! Packs the texts with rini's own build script.

#[path = "../../../build.rs"]
#[allow(dead_code)]
mod rini;

fn main() {
    println!("cargo::rerun-if-changed=../../../build.rs");
    println!("cargo::rerun-if-changed=../../../build");
    println!("cargo::rerun-if-changed=../../../src/messages/texts");
    std::env::set_current_dir("../../..").expect("the clone");
    rini::prepare();
    println!("cargo::rustc-cfg=test");
}
