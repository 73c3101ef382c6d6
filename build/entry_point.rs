//! The entry point of the binary: `rini_entry` instead of libc's `_start`. The head of src/sys/entry.rs says what rini
//! gains by that.
//!
//! src/sys/arch/ has assembly for the architectures below. The source uses it under `cfg(rini_assembly)`. On any other
//! architecture rini begins at `_start`, and forks instead of a vfork.

use std::env;

/// Sets `cfg(rini_assembly)` for an architecture that has it.
pub fn set_cfg() {
    println!("cargo::rustc-check-cfg=cfg(rini_assembly)");
    if target_has_assembly() {
        println!("cargo::rustc-cfg=rini_assembly");
    }
}

/// Tells the linker the name of the entry point.
pub fn link() {
    if target_has_assembly() {
        println!("cargo::rustc-link-arg-bin=rini=-Wl,--entry=rini_entry");
    }
}

fn target_has_assembly() -> bool {
    let target = |what: &str| env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    has_assembly(&target("ARCH"), &target("ENDIAN"))
}

fn has_assembly(architecture: &str, endian: &str) -> bool {
    match architecture {
        "x86_64" | "x86" | "aarch64" | "arm" | "s390x" | "riscv64" => true,
        "powerpc64" => endian == "little",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_architectures_with_assembly_have_an_entry_point() {
        assert!(has_assembly("x86_64", "little") && has_assembly("s390x", "big"));
        assert!(has_assembly("powerpc64", "little") && !has_assembly("powerpc64", "big"));
        assert!(!has_assembly("loongarch64", "little") && !has_assembly("", ""));
    }
}
