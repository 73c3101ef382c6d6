//! What is read of texts, byte by byte, and how numbers are written.
//!
//! By itself, and not by core's `parse`, `split_once` and `Display`: those are there once for each type, know UTF-8, and pad,
//! sign and align, which nothing here asks for. Together they are a twentieth of the small static build.
#![forbid(unsafe_code)]

use std::fmt::{self, Write};

/// Whether a text is this word, which is in upper case, in any case.
pub fn is_word(text: &[u8], upper: &[u8]) -> bool {
    text.len() == upper.len() && text.iter().zip(upper).all(|(byte, upper)| byte.to_ascii_uppercase() == *upper)
}

/// What is before the first such byte, and what is behind it.
pub fn cut(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let (before, rest) = text.split_at_checked(text.iter().position(|byte| *byte == at)?)?;
    Some((before, rest.get(1..)?))
}

/// The digits that a text begins with, at least one, as a number, and what follows; the largest number for any larger.
pub fn digits(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    let mut rest = text;
    while let [digit @ b'0'..=b'9', more @ ..] = rest {
        number = number.saturating_mul(10).saturating_add(u64::from(digit & 0xf));
        rest = more;
    }
    if rest.len() < text.len() { Some((number, rest)) } else { None }
}

/// Digits and nothing else, at least one, as a number; likewise.
pub fn number(text: &[u8]) -> Option<u64> {
    digits(text).and_then(|(number, rest)| if rest.is_empty() { Some(number) } else { None })
}

/// The parts of a text between separators. (As `split` does it, but once for all that is split here.)
pub struct Parts<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Parts<'a> {
    /// Those of this text.
    pub fn of(text: &'a [u8], separator: u8) -> Parts<'a> {
        Parts { rest: Some(text), separator }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    #[inline(never)]
    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.rest?;
        let end = text.iter().position(|byte| *byte == self.separator).unwrap_or(text.len());
        let (part, rest) = text.split_at_checked(end)?;
        self.rest = rest.get(1..);
        Some(part)
    }
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
        for written in [0, 1, 9, 10, 99, 100, 12_345_678_901_234_567_890, u64::MAX] {
            assert_eq!(Decimal(written).to_string(), written.to_string());
            assert_eq!(number(written.to_string().as_bytes()), Some(written));
        }
        assert_eq!(number(b"007"), Some(7));
        assert_eq!(
            (number(b"18446744073709551616"), digits(b"99999999999999999999s")),
            (Some(u64::MAX), Some((u64::MAX, &b"s"[..])))
        );
        for text in ["", "+1", "-1", " 1", "1 ", "0x1", "1a", "/", ":"] {
            assert_eq!(number(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_text_is_cut_once_and_compared_in_any_case() {
        assert_eq!(cut(b"a:b:c", b':'), Some((&b"a"[..], &b"b:c"[..])));
        assert_eq!(cut(b":", b':'), Some((&b""[..], &b""[..])));
        assert_eq!(cut(b"ab", b':'), None);
        assert!(is_word(b"Term", b"TERM") && !is_word(b"TERMX", b"TERM") && !is_word(b"TER", b"TERM"));
        assert!(!is_word(b"\xd4ERM", b"TERM"));
    }
}
