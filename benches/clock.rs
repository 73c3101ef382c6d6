//! Times in nanoseconds, by the clock that the probe reads too.

use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// The current time.
pub fn now() -> i64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// Reads the processor time of a process, without that of its children.
pub fn read_processor_time(pid: Pid) -> i64 {
    read(ClockId::pid_cpu_clock_id(pid).expect("a process"))
}

fn read(clock: ClockId) -> i64 {
    let time = clock_gettime(clock).expect("a clock");
    time.tv_sec() * 1_000_000_000 + time.tv_nsec()
}

/// Converts nanoseconds to microseconds.
#[allow(clippy::cast_precision_loss)] // Only a time of years loses precision.
pub fn to_micros(nanoseconds: i64) -> f64 {
    nanoseconds as f64 / 1000.0
}
