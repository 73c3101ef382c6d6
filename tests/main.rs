//! The real binary, in every surrounding that can be made here. A module is a tier or an area:
//!
//! - [`binary`]: the file itself: ELF headers, the first system call
//! - [`start`], [`signals`], [`shutdown`], [`after_exit`], [`pause`], [`diagnosis`], [`reaping`], [`exit_codes`],
//!   [`options`], [`bad_input`]: as PID 1 of a namespace, and not
//! - [`tini`], [`dumb_init`], [`catatonit`]: under those names, beside those programs
//! - [`mutations`]: not the binary, but the tests of its state machine: each way to break it is noticed
//! - [`faults`]: each of its system calls fails, in every way
//! - [`unsafe_code`]: not the binary, but every `unsafe` of its source, and what it rests on
//! - [`storms`]: orphans, signals, forks and starts by the thousand; `RINI_PROOF=long`: by the million
//! - [`surroundings`]: in every combination of hostile ones, and the list of its system calls
//! - [`model`]: a model of the shutdown in spin, and that the state machine takes the same steps
//! - [`terminal`]: on pseudo-terminals, under an interactive shell
//! - [`docker`]: as the entry point of containers on a real engine; [`docker_init`]: as what the engine runs for `--init`;
//!   [`podman`]: the same for podman and its pods, and runc by itself
//! - [`example`]: the production container of `Dockerfile.example`, its surroundings, and the files in packaging/examples
//! - [`release`]: not the binary, but what is released beside it, and that anybody can build the same bytes;
//!   [`packages`]: what `packaging/release` makes: packages, an image, a bill of materials and the rest
//!
//! `RINI_BINARY=/path` tests another build, such as the one that `packaging/build-static` makes. `tests/emulated ARCH` tests one
//! for another architecture, and names the tests that it leaves out.
//!
//! A test whose surroundings are missing says so on standard error and passes; with `CI=true` it fails.
#![allow(unsafe_code, missing_docs)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::multiple_unsafe_ops_per_block,
    clippy::panic,
    clippy::unwrap_used
)]

mod support;

mod after_exit;
mod bad_input;
mod binary;
mod catatonit;
mod diagnosis;
mod docker;
mod docker_init;
mod dumb_init;
mod example;
mod exit_codes;
mod faults;
mod model;
mod mutations;
mod options;
mod packages;
mod pause;
mod podman;
mod reaping;
mod release;
mod shutdown;
mod signals;
mod start;
mod storms;
mod surroundings;
mod terminal;
mod tini;
mod unsafe_code;
