//! The unit tests of the build script, as a test target of their own: `cargo test --test build` takes seconds.
#![allow(clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)] // `main` is Cargo's to call.
#[path = "../build.rs"]
mod script;
