//! What the bytes of a text mean. The build writes them, src/messages/catalog.rs reads them, and both include this file.
//!
//! | Byte | Meaning |
//! | --- | --- |
//! | 0x00 | the end of the text |
//! | 0x15 to 0x1c | the placeholders 0 to 7 of the message |
//! | 0x1d and 0x1e | the placeholders 0 and 1 in quotes |
//! | any other | the character |

/// The byte behind a text.
pub const END: u8 = 0;
/// The byte of the placeholder 0.
pub const FIRST_PLACEHOLDER: u8 = 0x15;
/// The number of placeholders that a message can have.
pub const PLACEHOLDERS: u8 = 8;
/// The byte of the placeholder 0 in quotes.
pub const FIRST_QUOTED: u8 = FIRST_PLACEHOLDER + PLACEHOLDERS;
/// The number of placeholders that can be in quotes. They have the lowest numbers.
pub const QUOTED: u8 = 2;
/// The byte behind the placeholders.
#[allow(dead_code)] // The build does not read texts.
pub const BEHIND_PLACEHOLDERS: u8 = FIRST_QUOTED + QUOTED;

/// The byte before a text that is a message: a level of the log, or another form that the head of rini.txt explains.
pub mod form {
    pub const ERROR: u8 = 1;
    pub const WARN: u8 = 2;
    pub const INFO: u8 = 3;
    pub const DEBUG: u8 = 4;
    pub const TRACE: u8 = 5;
    pub const CHILD: u8 = 6;
    pub const STDERR: u8 = 7;
    pub const STDOUT: u8 = 8;
    pub const HELP: u8 = 9;
    pub const PART: u8 = 10;
    pub const NOTHING: u8 = 11;
}
