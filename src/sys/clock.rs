//! The kernel's clock.

use crate::time::{Duration, Instant};
use libc::c_long;

/// The kernel's own timespec for the calls that rini makes, which is as long as the machine's words
/// (`__kernel_old_timespec`).
#[repr(C)]
#[derive(Default)]
pub struct Timespec {
    seconds: c_long,
    nanoseconds: c_long,
}

impl From<Duration> for Timespec {
    #[allow(clippy::unnecessary_fallible_conversions)] // c_long has 32 bits elsewhere.
    fn from(span: Duration) -> Timespec {
        Timespec {
            seconds: c_long::try_from(span.as_secs()).unwrap_or(c_long::MAX),
            nanoseconds: c_long::try_from(span.subsec_nanos()).unwrap_or(0),
        }
    }
}

/// Now, by CLOCK_MONOTONIC (clock_gettime(2)).
///
/// By the system call: what musl has to find the kernel's faster one is 1 KB. So it is asked only where time matters.
pub fn now() -> Instant {
    let (seconds, nanoseconds) = read(libc::CLOCK_MONOTONIC);
    Instant::after_boot(Duration::from_secs(seconds)).later_by(Duration::from_nanos(nanoseconds))
}

/// Now, in the ticks in which /proc says when a process started: hundredths of a second by CLOCK_BOOTTIME (proc_pid_stat(5),
/// the 22nd field; USER_HZ is 100 on every machine that rini is built for). 0 where nobody says.
pub fn ticks() -> u64 {
    let (seconds, nanoseconds) = read(libc::CLOCK_BOOTTIME);
    seconds.saturating_mul(100).saturating_add(nanoseconds / 10_000_000)
}

/// Once more where it fails: with a now of 0, one wait for a deadline would be as long as the machine has been up.
fn read(clock: libc::clockid_t) -> (u64, u64) {
    let mut time = Timespec::default();
    for _ in 0..2 {
        // SAFETY: clock_gettime wants room for a timespec, in this call's layout: `Timespec` is that, and outlives the call.
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
    fn it_is_the_clock_that_std_reads() {
        let (before, std_before) = (now(), std::time::Instant::now());
        std::thread::yield_now();
        let (std_after, after) = (std::time::Instant::now(), now());
        assert!(after.since(before).as_secs() < 60 && after > before);
        // Ours was read outside of std's, both times.
        let (ours, theirs) = (after.since(before), (std_after - std_before).as_nanos());
        assert!(u128::from(ours.as_secs() * 1_000_000_000 + ours.subsec_nanos()) >= theirs);
    }
}
