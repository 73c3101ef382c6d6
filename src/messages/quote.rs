//! Words from outside, written so that a message stays one readable line.
#![forbid(unsafe_code)]

use std::fmt::{self, Write};

/// A word or a path, which may hold any bytes. `{}` writes it as other programs do, and `{:#}` writes it in quotes, with escapes.
#[derive(Clone, Copy, Default)]
pub struct Word<'a>(pub &'a [u8]);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return write_word(self.0, true, f);
        }
        f.write_str("\"")?;
        write_word(self.0, false, f)?;
        f.write_str("\"")
    }
}

/// A word with the same escapes, but without the quotes.
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_word(self.0, false, f)
    }
}

/// The number of bytes of a word that rini shows. It shows the beginning and the end of a longer word. So a line has room for two
/// words in which each byte is escaped, and for the reason behind them.
const LONGEST: usize = 480;

/// Writes a word on one line. Each byte that is not printable text becomes `\\xNN`. Quotes and backslashes are escaped, so that
/// the word cannot imitate rini's own. If `plainly`, a control character becomes `?`, a byte that is not text becomes U+FFFD,
/// and all other characters stay.
fn write_word(word: &[u8], plainly: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if word.len() > LONGEST
        && let (Some((begin, _)), Some((_, end))) =
            (word.split_at_checked(LONGEST / 2), word.split_at_checked(word.len().saturating_sub(LONGEST / 2)))
    {
        write_word(begin, plainly, f)?;
        f.write_str("[...]")?;
        return write_word(end, plainly, f);
    }
    for chunk in word.utf8_chunks() {
        for c in chunk.valid().chars() {
            let escaped = match c {
                _ if is_hidden(c) && plainly => '?',
                '"' | '\\' if !plainly => c,
                '\n' => 'n',
                '\r' => 'r',
                '\t' => 't',
                _ if is_hidden(c) => {
                    write_escaped(c.into(), f)?;
                    continue;
                }
                _ => {
                    f.write_char(c)?;
                    continue;
                }
            };
            if !plainly {
                f.write_char('\\')?;
            }
            f.write_char(escaped)?;
        }
        match chunk.invalid() {
            [_, ..] if plainly => f.write_char('\u{fffd}')?,
            bytes => bytes.iter().try_for_each(|byte| write_escaped((*byte).into(), f))?,
        }
    }
    Ok(())
}

/// True if a character can change the line around it: a control character, a separator of lines or paragraphs, or a character
/// that changes the direction of a text (Unicode's Bidi_Control).
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes `\\x1B` or `\\u{202E}`.
fn write_escaped(code: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (before, more, behind) = if code <= 0xff { ("\\x", 1, "") } else { ("\\u{", 3, "}") };
    f.write_str(before)?;
    write_digits(code, more, f)?;
    f.write_str(behind)
}

/// Writes the last hexadecimal digit of a number, and `more` digits before it.
fn write_digits(number: u32, more: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let Some(more) = more.checked_sub(1) {
        write_digits(number >> 4, more, f)?;
    }
    f.write_char(char::from_digit(number & 15, 16).unwrap_or('0').to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_in_quotes_is_one_readable_line() {
        for (bytes, quoted) in [
            (&b""[..], r#""""#),
            (b"plain text, 'so'", r#""plain text, 'so'""#),
            ("na\u{ef}ve".as_bytes(), "\"na\u{ef}ve\""),
            (br#"a"b\c"#, r#""a\"b\\c""#),
            (b"\0\r\n\t\x1b[31m\x7f", r#""\x00\r\n\t\x1B[31m\x7F""#),
            (b"\xff\xc3(\xe2\x82", r#""\xFF\xC3(\xE2\x82""#),
            ("\u{85}".as_bytes(), r#""\x85""#),
            // The separators of lines and paragraphs, and the characters that change the direction of a text; and their neighbours.
            ("a\u{2028}\u{2029}b".as_bytes(), r#""a\u{2028}\u{2029}b""#),
            ("\u{202a}\u{202e}cod.exe\u{61c}".as_bytes(), r#""\u{202A}\u{202E}cod.exe\u{061C}""#),
            ("\u{200e}\u{200f}\u{2066}\u{2069}".as_bytes(), r#""\u{200E}\u{200F}\u{2066}\u{2069}""#),
            ("\u{61b}\u{200d}\u{2010}\u{202f}\u{2065}".as_bytes(), "\"\u{61b}\u{200d}\u{2010}\u{202f}\u{2065}\""),
        ] {
            assert_eq!(format!("{:#}", Word(bytes)), quoted);
        }
    }

    #[test]
    fn a_long_word_is_shown_by_its_beginning_and_its_end() {
        let quoted = |word: &str| format!("{:#}", Word(word.as_bytes()));
        let whole = "x".repeat(LONGEST);
        assert_eq!(quoted(&whole), format!("\"{whole}\""));
        let half = LONGEST / 2;
        let (begin, end) = ("b".repeat(half), "\n".repeat(half));
        assert_eq!(quoted(&format!("{begin}-{end}")), format!("\"{begin}[...]{}\"", "\\n".repeat(half)));
        assert_eq!(quoted(&format!("{begin}{}{end}", "-".repeat(9999))).len(), 2 + half + 5 + 2 * half);
    }
}
