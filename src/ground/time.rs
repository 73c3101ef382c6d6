//! Instants and durations, in 64 bits of nanoseconds: they reach 584 years. (size: 21)
#![forbid(unsafe_code)]

use crate::ground::bytes::Decimal;
use std::fmt;

/// A duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

impl Duration {
    /// A duration of this number of nanoseconds.
    pub const fn from_nanos(count: u64) -> Duration {
        Duration(count)
    }

    /// A duration of this number of milliseconds.
    #[cfg(test)]
    pub const fn from_millis(count: u64) -> Duration {
        Duration(count.saturating_mul(MILLISECOND))
    }

    /// A duration of this number of seconds.
    pub const fn from_secs(count: u64) -> Duration {
        Duration(count.saturating_mul(SECOND))
    }

    /// The whole seconds.
    pub const fn as_secs(self) -> u64 {
        self.0 / SECOND
    }

    /// The nanoseconds beyond the whole seconds.
    pub const fn subsec_nanos(self) -> u64 {
        self.0 % SECOND
    }
}

/// Writes a duration to the millisecond: `2.3s`, `61s`, `20ms`, `less than 1ms`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, mut thousandths) = (self.as_secs(), self.subsec_nanos() / MILLISECOND);
        if seconds == 0 && thousandths == 0 {
            return f.write_str("less than 1ms");
        }
        if seconds == 0 {
            Decimal(thousandths).fmt(f)?;
            return f.write_str("ms");
        }
        Decimal(seconds).fmt(f)?;
        if thousandths > 0 {
            f.write_str(".")?;
        }
        // The loop ends before trailing zeros.
        while thousandths > 0 {
            Decimal(thousandths / 100).fmt(f)?;
            thousandths = (thousandths % 100).saturating_mul(10);
        }
        f.write_str("s")
    }
}

/// A time of the kernel's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The time at this distance from the start of the clock.
    pub const fn after_boot(uptime: Duration) -> Instant {
        Instant(uptime.0)
    }

    /// Adds a duration, saturating.
    #[must_use]
    pub const fn later_by(self, span: Duration) -> Instant {
        Instant(self.0.saturating_add(span.0))
    }

    /// The duration since `earlier`. It is 0 if that is later.
    pub const fn since(self, earlier: Instant) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_to_the_millisecond_without_zeros() {
        for (microseconds, text) in [
            (0, "less than 1ms"),
            (999, "less than 1ms"),
            (1_000, "1ms"),
            (1_999, "1ms"),
            (999_000, "999ms"),
            (1_000_000, "1s"),
            (1_500_000, "1.5s"),
            (1_050_000, "1.05s"),
            (1_005_999, "1.005s"),
            (2_300_000, "2.3s"),
            (61_000_000, "61s"),
            (61_230_000, "61.23s"),
            (3_600_000_000, "3600s"),
        ] {
            assert_eq!(Duration::from_nanos(microseconds * 1000).to_string(), text);
        }
    }

    #[test]
    fn a_moment_stays_on_the_clock() {
        let (first, last) = (Instant::after_boot(Duration::default()), Instant::after_boot(Duration(u64::MAX)));
        assert_eq!(last.later_by(Duration::from_secs(1)), last);
        assert_eq!(first.since(last), Duration::default());
        assert_eq!(first.later_by(Duration::from_millis(1500)).since(first), Duration::from_nanos(1_500_000_000));
        assert_eq!(Duration::from_millis(1500).subsec_nanos(), 500_000_000);
        assert_eq!(Duration::from_secs(u64::MAX).as_secs(), u64::MAX / SECOND);
    }
}
