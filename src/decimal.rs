//! Decimal numbers, read from bytes and written.
//!
//! By itself, and not by core's `parse` and `Display`: those are there once for each type, and they pad, sign and align,
//! which nothing here asks for. Together they are a thirtieth of the small static build.
#![forbid(unsafe_code)]

use crate::sys::process::Pid;
use std::fmt::{self, Write};

/// Reads digits and nothing else, at least one. None where it is more than a `u64` holds, too.
pub fn read(digits: &[u8]) -> Option<u64> {
    let mut number = None;
    for byte in digits {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number = Some(number.unwrap_or(0_u64).checked_mul(10)?.checked_add(digit.into())?);
    }
    number
}

/// A number, written in digits.
pub struct Decimal(pub u64);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tens, digit) = (self.0 / 10, self.0 % 10);
        if tens > 0 {
            Decimal(tens).fmt(f)?;
        }
        f.write_char(char::from(u8::try_from(digit).unwrap_or(0).saturating_add(b'0')))
    }
}

impl From<Pid> for Decimal {
    fn from(pid: Pid) -> Decimal {
        Decimal::from(pid.as_raw())
    }
}

/// None of the numbers here is negative.
impl From<i32> for Decimal {
    fn from(number: i32) -> Decimal {
        Decimal(number.unsigned_abs().into())
    }
}

impl From<u8> for Decimal {
    fn from(number: u8) -> Decimal {
        Decimal(number.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_and_read_back() {
        for number in [0, 1, 9, 10, 99, 100, 12_345_678_901_234_567_890, u64::MAX] {
            assert_eq!(Decimal(number).to_string(), number.to_string());
            assert_eq!(read(number.to_string().as_bytes()), Some(number));
        }
        assert_eq!(read(b"007"), Some(7));
        for text in ["", "+1", "-1", " 1", "1 ", "0x1", "1a", "/", ":", "18446744073709551616", "99999999999999999999"] {
            assert_eq!(read(text.as_bytes()), None, "{text:?}");
        }
    }
}
