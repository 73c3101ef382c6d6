//! What a personality consists of: its options, its variables, and the rules for its command line.
#![forbid(unsafe_code)]

use crate::cli::options::OptionKind;
use crate::ground::bytes::Parts;
use crate::ground::exit::ExecCodes;
use crate::ground::policy::AfterExit;
use crate::messages::catalog::Catalog;
use crate::messages::message::{Expected, Notice};
use crate::observe::accounts::AccountRules;

/// All that is different under one name of rini, as data.
pub struct Personality {
    /// The options of its command line.
    pub options: OptionTable,
    /// A long option may be abbreviated, as getopt_long(3) allows it.
    pub may_abbreviate: bool,
    /// The form of its command line.
    pub grammar: Grammar,
    /// The variables that this init has of its own, beside `RINI_*`.
    pub variables: &'static [Variable],
    /// The variable `TINI_VERBOSITY` sets the level.
    pub has_tini_verbosity: bool,
    /// If it is not PID 1, it becomes a subreaper without being asked.
    pub adopts: bool,
    /// The child gets a session of its own and the terminal, and signals go to its process group.
    pub session: bool,
    /// What happens to leftover processes by default.
    pub after_exit: AfterExit,
    /// If a signal of the terminal stops the child, rini stops too.
    pub stops_itself: bool,
    /// How it reads `USER[:GROUP]`.
    pub account_rules: AccountRules,
    /// The exit codes of the child if the exec fails.
    pub exec_codes: ExecCodes,
    /// The messages.
    pub catalog: Catalog,
}

/// The form of a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// First come options, then the program.
    OptionsThenProgram,
    /// The same, but `--version` is no option: it is only known if it is the whole command line.
    VersionAlone,
    /// The same as the first, but the words after `--pause` are ignored.
    PauseIgnoresProgram,
    /// All words are ignored, except for a `-v` that asks for the version.
    PauseOnly,
    /// First come options, then the user, then the program. rini's variables do not count, because rini does not stay: it becomes
    /// the program.
    UserThenProgram,
}

/// A variable of another init.
#[derive(Clone, Copy)]
pub struct Variable {
    /// The name.
    pub name: &'static str,
    /// The character that turns it on. If this is 0, it is on if it is set at all, even to an empty string.
    pub value: u8,
    /// The effect if it is on.
    pub kind: OptionKind,
    /// The message that is logged if it is on.
    pub notice: Option<Notice>,
}

impl Variable {
    /// A variable that is on if it is set.
    pub const fn if_set(name: &'static str, kind: OptionKind, notice: Option<Notice>) -> Variable {
        Variable { name, value: 0, kind, notice }
    }
}

/// The options of a personality. (size: 32)
///
/// `options!` makes a table. A row begins with the kind of the option, and has these fields in this order. All are optional:
///
/// - `letter`: the short option, without its dash;
/// - `word`: the long option, with its dashes;
/// - `value`: the description of a valid value. `OnOrOff` makes a switch: its variable takes a value, and its option
///   does not;
/// - `variable`: the `RINI_*` variable. A row with neither letter nor word is one more variable of the option before it;
/// - `shown`, `default`, `help`: the value's name, the default, and the meaning, as `--help` and the documentation show
///   them. Only tests read these, and the binary does not contain them.
#[derive(Clone, Copy)]
pub struct OptionTable {
    /// The letter, or 0, the kind and the value of each row.
    pub rows: &'static [(u8, OptionKind, Expected)],
    /// The word and the variable of each row, each followed by a space.
    pub names: &'static str,
    /// What the documentation says about each row.
    #[cfg(test)]
    pub shown: &'static [Shown],
}

/// What the documentation says about an option. A text is empty if there is nothing to say.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// The name of the value.
    pub value: &'static str,
    /// The default.
    pub default: &'static str,
    /// The meaning, as `--help` puts it.
    pub help: &'static str,
}

/// Makes an [`OptionTable`], which describes the fields of a row.
macro_rules! options {
    ($($kind:ident {
        $(letter: $letter:literal,)?
        $(word: $word:literal,)?
        $(value: $value:ident,)?
        $(variable: $variable:literal,)?
        $(shown: $shown:literal,)?
        $(default: $default:literal,)?
        $(help: $help:literal,)?
    })*) => {
        OptionTable {
            rows: &[$((options!(@letter $($letter)?), OptionKind::$kind, options!(@value $($value)?))),*],
            names: concat!($($($word,)? " ", $($variable,)? " "),*),
            #[cfg(test)]
            shown: &[$($crate::cli::table::Shown {
                value: concat!($($shown)?),
                default: concat!($($default)?),
                help: concat!($($help)?),
            }),*],
        }
    };
    (@letter) => { 0 };
    (@letter $letter:literal) => { $letter };
    (@value) => { $crate::messages::message::Expected::Nothing };
    (@value $value:ident) => { $crate::messages::message::Expected::$value };
}
pub(crate) use options;

impl OptionTable {
    /// Whether this is the name of a variable.
    pub fn has_variable(&self, name: &[u8]) -> bool {
        !name.is_empty() && Parts::of(self.names.as_bytes(), b' ').any(|known| known == name)
    }

    /// The rows in their order.
    pub fn iter(&self) -> Rows {
        Rows { rows: self.rows, names: Parts::of(self.names.as_bytes(), b' ') }
    }
}

/// A row of an [`OptionTable`].
#[derive(Clone, Copy)]
pub struct OptionRow {
    /// The short option, without its dash; or 0.
    pub letter: u8,
    /// The long option, with its dashes; or an empty text.
    pub word: &'static [u8],
    /// The `RINI_*` variable; or an empty text.
    pub variable: &'static [u8],
    /// The effect.
    pub kind: OptionKind,
    /// The description of a valid value, or `Nothing`.
    pub value: Expected,
}

/// The rows of an [`OptionTable`].
pub struct Rows {
    rows: &'static [(u8, OptionKind, Expected)],
    names: Parts<'static>,
}

impl Iterator for Rows {
    type Item = OptionRow;

    fn next(&mut self) -> Option<OptionRow> {
        let [(letter, kind, value), others @ ..] = self.rows else { return None };
        self.rows = others;
        let (word, variable) = (self.names.next()?, self.names.next()?);
        Some(OptionRow { letter: *letter, word, variable, kind: *kind, value: *value })
    }
}
