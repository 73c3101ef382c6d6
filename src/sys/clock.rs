//! The kernel's clock.

use crate::ground::time::{Duration, Instant};
use libc::c_long;

/// The timespec of the system calls that rini makes: two words of the machine (`__kernel_old_timespec`).
#[repr(C)]
#[derive(Default)]
pub struct Timespec {
    seconds: c_long,
    nanoseconds: c_long,
}

impl From<Duration> for Timespec {
    #[allow(clippy::unnecessary_fallible_conversions)] // On 32-bit machines, c_long has 32 bits.
    fn from(span: Duration) -> Timespec {
        Timespec {
            seconds: c_long::try_from(span.as_secs()).unwrap_or(c_long::MAX),
            nanoseconds: c_long::try_from(span.subsec_nanos()).unwrap_or(0),
        }
    }
}

/// The time of CLOCK_MONOTONIC (clock_gettime(2)).
///
/// rini reads it by the system call (size: 22), and therefore only if it needs the time.
pub fn now() -> Instant {
    let (seconds, nanoseconds) = read_clock(libc::CLOCK_MONOTONIC);
    Instant::after_boot(Duration::from_secs(seconds)).later_by(Duration::from_nanos(nanoseconds))
}

/// The time of CLOCK_MONOTONIC within its second, in nanoseconds.
pub fn nanoseconds() -> u64 {
    read_clock(libc::CLOCK_MONOTONIC).1
}

/// The time in the unit of a process's start time in /proc: hundredths of a second of CLOCK_BOOTTIME (proc_pid_stat(5),
/// the 22nd field; USER_HZ is 100 on every machine that rini is built for). It is 0 if the kernel refuses the call.
pub fn ticks() -> u64 {
    let (seconds, nanoseconds) = read_clock(libc::CLOCK_BOOTTIME);
    seconds.saturating_mul(100).saturating_add(nanoseconds / 10_000_000)
}

/// Reads a clock, and tries again after an error: if the time of now were 0, the wait for a deadline would last as long
/// as the machine has been up.
fn read_clock(clock: libc::clockid_t) -> (u64, u64) {
    let mut time = Timespec::default();
    for _ in 0..2 {
        // SAFETY: clock_gettime wants room for a timespec in this call's layout: `Timespec` has it, and outlives the
        // call.
        let failed = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, &raw mut time) };
        if failed == 0 {
            break;
        }
    }
    let part = |value: c_long| u64::try_from(value).unwrap_or(0);
    (part(time.seconds), part(time.nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_the_one_that_std_reads() {
        let (before, std_before) = (now(), std::time::Instant::now());
        std::thread::yield_now();
        let (std_after, after) = (std::time::Instant::now(), now());
        assert!(after.since(before).as_secs() < 60 && after > before);
        // rini's clock was read before and after std's.
        let (ours, theirs) = (after.since(before), (std_after - std_before).as_nanos());
        assert!(u128::from(ours.as_secs() * 1_000_000_000 + ours.subsec_nanos()) >= theirs);
    }
}
