//! Readers of words and numbers, byte by byte, and writers of numbers.
//!
//! They stand in for core's `parse`, `split_once` and `Display` (size: 19).
#![forbid(unsafe_code)]

use std::fmt::{self, Write};

/// Whether a text is this word, compared without regard to case. `upper` is in upper case.
pub fn is_word(text: &[u8], upper: &[u8]) -> bool {
    text.len() == upper.len() && text.iter().zip(upper).all(|(byte, upper)| byte.to_ascii_uppercase() == *upper)
}

/// The index of a word in a list of words, compared without regard to case. The list is in upper case, with a blank
/// between two.
pub fn index_of_word(words: &[u8], word: &[u8]) -> Option<usize> {
    Parts::of(words, b' ').position(|known| is_word(word, known))
}

/// Splits a text at the first byte of this value, as `split_once` does for a `str`.
pub fn cut(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let (before, rest) = text.split_at_checked(text.iter().position(|byte| *byte == at)?)?;
    Some((before, rest.get(1..)?))
}

/// Joins byte strings. Returns None if there is no memory.
pub fn join(parts: &[&[u8]]) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    for part in parts {
        all.try_reserve(part.len()).ok()?;
        all.extend_from_slice(part);
    }
    Some(all)
}

/// Joins byte strings that are never freed (size: 27). Returns None if there is no memory.
pub fn keep(parts: &[&[u8]]) -> Option<&'static [u8]> {
    join(parts).map(|all| &*all.leak())
}

/// Reads the number that a text begins with, and returns the text after it. A number that is too large becomes the
/// largest.
pub fn digits(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    let mut rest = text;
    while let [digit @ b'0'..=b'9', more @ ..] = rest {
        number = number.saturating_mul(10).saturating_add(u64::from(digit & 0xf));
        rest = more;
    }
    if rest.len() < text.len() { Some((number, rest)) } else { None }
}

/// Reads a text that consists of digits alone. A number that is too large becomes the largest.
pub fn number(text: &[u8]) -> Option<u64> {
    digits(text).and_then(|(number, rest)| if rest.is_empty() { Some(number) } else { None })
}

/// Reads a number as strtol(3) does, after blanks and a sign, and returns the text after it. None: the text has no
/// number there.
pub fn strtol(mut text: &[u8]) -> Option<(i64, &[u8])> {
    while let [b' ' | b'\t'..=b'\r', rest @ ..] = text {
        text = rest;
    }
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (number, rest) = digits(text)?;
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    Some((if negative { number.saturating_neg() } else { number }, rest))
}

/// The parts of a text between separators. `split` would be compiled once for each closure.
pub struct Parts<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Parts<'a> {
    /// The parts of this text.
    pub fn of(text: &'a [u8], separator: u8) -> Parts<'a> {
        Parts { rest: Some(text), separator }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.rest?;
        let end = text.iter().position(|byte| *byte == self.separator).unwrap_or(text.len());
        let (part, rest) = text.split_at_checked(end)?;
        self.rest = rest.get(1..);
        Some(part)
    }
}

/// The last component of a path.
#[inline(never)]
pub fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// The end of an option's name after the part that was typed, which may have a value after `=`. None: the typed part
/// belongs to another option.
pub fn rest_of_option<'a>(word: &'a [u8], typed: &[u8]) -> Option<&'a [u8]> {
    word.strip_prefix(Parts::of(typed, b'=').next()?)
}

/// A number that is written in decimal digits.
#[derive(Clone, Copy)]
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

/// rini writes no negative number.
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

/// A size such as `64 MiB`, in the largest unit that makes it a whole number.
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut count, mut unit) = (self.0, "bytes");
        for larger in ["KiB", "MiB", "GiB"] {
            if count == 0 || count % 1024 != 0 {
                break;
            }
            (count, unit) = (count / 1024, larger);
        }
        write!(f, "{} ", Decimal(count))?;
        f.write_str(unit)
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

    #[test]
    fn atoi_reads_what_the_c_library_s_reads() {
        for (text, number) in [
            ("", 0),
            ("0", 0),
            ("3", 3),
            (" \t\n3", 3),
            ("+3", 3),
            ("-1", -1),
            ("3abc", 3),
            ("abc", 0),
            ("--1", 0),
            ("99999999999999999999", i64::MAX),
            ("-99999999999999999999", -i64::MAX),
        ] {
            assert_eq!(strtol(text.as_bytes()).map_or(0, |(number, _)| number), number, "{text:?}");
        }
    }

    #[test]
    fn what_follows_a_number_is_left() {
        for (text, rest) in [("3abc", "abc"), ("-1:2", ":2"), ("\x0b+1 ", " "), ("0", "")] {
            assert_eq!(strtol(text.as_bytes()).map(|(_, rest)| rest), Some(rest.as_bytes()), "{text:?}");
        }
        for text in ["", " ", "+", "-", "+-1", "x1"] {
            assert_eq!(strtol(text.as_bytes()), None, "{text:?}");
        }
    }
}
