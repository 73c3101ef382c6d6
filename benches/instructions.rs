//! The instructions of the init for `init -- true`, counted by valgrind's callgrind.
//!
//! The number does not depend on the load of the machine, but callgrind cannot count instructions in the kernel. valgrind is
//! PID 1 of a namespace, and the init runs in its process: an init that is not PID 1 does other work, and logs it.

use crate::effort::Effort;
use crate::inits::{self, Init};
use crate::results::{Better, Results};
use std::io::ErrorKind;
use std::process::Command;

pub fn measure(inits: &[Init], _: Effort, results: &mut Results) {
    let mut samples = vec![Vec::new(); inits.len()];
    match Command::new("valgrind").arg("--version").output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return results.add_note("Instructions are left out: valgrind is not installed.".to_owned());
        }
        other => drop(other.expect("valgrind")),
    }
    for (index, init) in inits::rotate_without_none(inits, 0) {
        let mut valgrind = Command::new("unshare");
        valgrind.args(["--pid", "--fork", "--mount-proc", "valgrind", "--tool=callgrind"]);
        valgrind.arg("--callgrind-out-file=/dev/null").args(init.command_with_probe(&["exit"]));
        valgrind.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        // callgrind prints: ==PID== Collected : 1234
        let printed = String::from_utf8_lossy(&valgrind.output().expect("unshare").stderr).into_owned();
        let count = printed.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
        match count {
            Some(count) => samples[index].push(count),
            None => results.add_note(format!("Instructions of {} are left out: callgrind failed.", init.name)),
        }
    }
    results.add_row("instructions outside the kernel for `init -- true`", "", Better::Lower, &samples);
}
