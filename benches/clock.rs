//! Times, in nanoseconds of the clock that the probe reads too.

use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// The time.
pub fn now() -> i64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// The processor time of a process, its children's not included.
pub fn processor_time(pid: Pid) -> i64 {
    read(ClockId::pid_cpu_clock_id(pid).expect("a process"))
}

fn read(clock: ClockId) -> i64 {
    let time = clock_gettime(clock).expect("a clock");
    time.tv_sec() * 1_000_000_000 + time.tv_nsec()
}

/// Nanoseconds as microseconds.
#[allow(clippy::cast_precision_loss)] // Of years.
pub fn micros(nanoseconds: i64) -> f64 {
    nanoseconds as f64 / 1000.0
}
