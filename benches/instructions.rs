//! Instructions of the init for `init -- true`, counted by valgrind's callgrind. They are always the same, however busy the
//! machine is, but only those outside the kernel count. valgrind is PID 1 of a namespace, and the init runs in its process: one
//! that is not PID 1 has other things to do, and to say.

use crate::results::{Better, Results};
use crate::{Effort, Init, inits};
use std::io::ErrorKind;
use std::process::Command;

pub fn measure(inits: &[Init], _: Effort, results: &mut Results) {
    let mut samples = vec![Vec::new(); inits.len()];
    match Command::new("valgrind").arg("--version").output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return results.note("Instructions are left out: valgrind is not installed.".to_owned());
        }
        other => drop(other.expect("valgrind")),
    }
    for (index, init) in inits::round_of_inits(inits, 0) {
        let mut valgrind = Command::new("unshare");
        valgrind.args(["--pid", "--fork", "--mount-proc", "valgrind", "--tool=callgrind"]);
        valgrind.arg("--callgrind-out-file=/dev/null").args(init.running(&["exit"]));
        valgrind.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        // ==PID== Collected : 1234
        let said = String::from_utf8_lossy(&valgrind.output().expect("unshare").stderr).into_owned();
        let count = said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
        match count {
            Some(count) => samples[index].push(count),
            None => results.note(format!("Instructions of {} are left out: callgrind failed.", init.name)),
        }
    }
    results.add("instructions outside the kernel for `init -- true`", "", Better::Lower, &samples);
}
