//! The tests of rini's real binary and of the files beside it. Each directory holds the modules of one group, and a group
//! needs certain tools and rights. tests/README.md says how to run a test, and what each group needs.
//!
//! The name of a test begins with its module, without the directory: `options::…`.
//!
//! # plain/: plain processes
//!
//! - [`bad_input`]: rini refuses wrong input with one line and a documented exit code, or works as if nothing was wrong
//! - [`binary`]: the file itself: ELF headers, and the first instructions
//! - [`exec_failures`]: why a program cannot be run, under every name
//! - [`exit_codes`]: the exit code of rini, for each end of the program
//! - [`options`]: options, variables, `--help` and `--version`
//! - [`standard_error`]: the messages, on every kind of standard error
//! - [`start`]: the process state in which the program starts, and what rini itself holds afterwards
//!
//! # namespaces/: namespaces, as root
//!
//! - [`after_exit`]: leftover processes after the program has exited (`--after-exit`)
//! - [`diagnosis`]: the messages about unexpected ends
//! - [`pause`]: rini without a program (`--pause`)
//! - [`reaping`]: zombies and orphans
//! - [`standard_input`]: standard input that closes (`--stop-on-stdin-close`)
//! - [`stopping`]: stop signals, the stop delay and the grace period
//! - [`signals`]: the forwarding of signals
//! - [`users`]: another user (`--user`), and rini under the names `gosu` and `su-exec`, compared with gosu
//! - [`catatonit`], [`dumb_init`], [`tini`]: rini under these names, compared with these programs
//!
//! # terminal/: a pseudo-terminal
//!
//! - [`terminal`]: the foreground process group, and job control under interactive shells
//!
//! # engines/: a container engine
//!
//! - [`docker`]: rini as the entry point of containers
//! - [`docker_init`]: rini as the program that Docker runs for `--init`
//! - [`example`]: the containers of `Dockerfile.example`, and the files in packaging/examples
//! - [`podman`]: rini as podman's init and in its pods; runc without an engine
//! - [`systemd`]: rini as the main process of a service, without a container
//!
//! # cri/: a Kubernetes node
//!
//! - [`cri`]: rini in the pods of containerd's interface for a kubelet
//!
//! # kernels/: virtual machines, by qemu
//!
//! - [`kernels`]: rini as the init of real kernels, its terminal there, and containers with both versions of the cgroups
//!
//! # host/: a virtual machine with today's Debian and its engines
//!
//! - [`host`]: the tests of engines/ and cri/, and tests that need systemd as the machine's init
//!
//! # packaged/: the tools of the release and of the documentation
//!
//! These modules test the files of the repository, and rini only beside them.
//!
//! - [`docs`]: the documentation: its commands run, its links lead to pages, and its figures agree with the tables
//! - [`layers`]: each import of the source points to its own layer or to a lower one
//! - [`machine`]: tests/setup installs every program that the tests call, and the starter of the tests has no influence
//!   on them ([`support::prepare`])
//! - [`packages`]: the packages, the image and the bill of materials of `packaging/release`; anybody can build the same
//!   bytes
//! - [`pictures`]: the pictures in docs/pictures
//! - [`release`]: the man page, the completions and the crate
//! - [`toolchains`]: which Rust `packaging/build-static` uses
//!
//! # proof/: the proof
//!
//! With `RINI_PROOF=long` these modules try everything instead of a part.
//!
//! - [`faults`]: every system call of rini fails, in every way
//! - [`model`]: a model of the stop, checked by spin and compared with the state machine
//! - [`mutations`]: the unit tests see each mistake that is built into the source
//! - [`storms`]: orphans, signals, forks and starts by the thousand or by the million
//! - [`surroundings`]: every combination of hostile surroundings, and the list of rini's system calls
//! - [`unsafe_code`]: every `unsafe` block of the source has its obligation in a comment
//!
//! # Elsewhere
//!
//! The unit tests are in src/ (`cargo test --bin rini`), and those of the build script in build/ (`cargo test --test build`).
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

#[path = "plain/bad_input.rs"]
mod bad_input;
#[path = "plain/binary.rs"]
mod binary;
#[path = "plain/exec_failures.rs"]
mod exec_failures;
#[path = "plain/exit_codes.rs"]
mod exit_codes;
#[path = "plain/install.rs"]
mod install;
#[path = "plain/options.rs"]
mod options;
#[path = "plain/standard_error.rs"]
mod standard_error;
#[path = "plain/start.rs"]
mod start;

#[path = "namespaces/after_exit.rs"]
mod after_exit;
#[path = "namespaces/catatonit.rs"]
mod catatonit;
#[path = "namespaces/diagnosis.rs"]
mod diagnosis;
#[path = "namespaces/dumb_init.rs"]
mod dumb_init;
#[path = "namespaces/pause.rs"]
mod pause;
#[path = "namespaces/reaping.rs"]
mod reaping;
#[path = "namespaces/signals.rs"]
mod signals;
#[path = "namespaces/standard_input.rs"]
mod standard_input;
#[path = "namespaces/stopping.rs"]
mod stopping;
#[path = "namespaces/tini.rs"]
mod tini;
#[path = "namespaces/users.rs"]
mod users;

mod terminal;

#[path = "engines/docker.rs"]
mod docker;
#[path = "engines/docker_init.rs"]
mod docker_init;
#[path = "engines/example.rs"]
mod example;
#[path = "engines/podman.rs"]
mod podman;
#[path = "engines/systemd.rs"]
mod systemd;

mod cri;

mod kernels;

mod host;

#[path = "packaged/docs/mod.rs"]
mod docs;
#[path = "packaged/layers.rs"]
mod layers;
#[path = "packaged/machine.rs"]
mod machine;
#[path = "packaged/packages.rs"]
mod packages;
#[path = "packaged/pictures.rs"]
mod pictures;
#[path = "packaged/release.rs"]
mod release;
#[path = "packaged/toolchains.rs"]
mod toolchains;

#[path = "proof/faults.rs"]
mod faults;
#[path = "proof/model/mod.rs"]
mod model;
#[path = "proof/mutations.rs"]
mod mutations;
// These two know the registers and the system calls of x86-64 only.
#[cfg(target_arch = "x86_64")]
#[path = "proof/storms.rs"]
mod storms;
#[cfg(target_arch = "x86_64")]
#[path = "proof/surroundings/mod.rs"]
mod surroundings;
#[path = "proof/unsafe_code.rs"]
mod unsafe_code;
