//! All messages as types. The build makes a struct of each text in `texts/*.txt`, with a field for each placeholder, so that a
//! missing, superfluous or misspelt value does not compile (`build/messages/source.rs`).
#![forbid(unsafe_code)]
#![allow(missing_docs)] // A field is a placeholder. The text, which is quoted above each struct, explains it.

use crate::ground::bytes::Decimal;
use std::fmt::{self, Display};

include!(concat!(env!("OUT_DIR"), "/messages.rs"));

/// A message: the number of its text, and the values of its placeholders.
pub trait Message {
    /// The number of the text.
    fn number(&self) -> u8;

    /// The values, in the order of the placeholders' numbers.
    fn values(&self) -> impl AsRef<[Value<'_>]>;
}

/// The value of a placeholder.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// A number. It needs no reference to a vtable, which saves 10 bytes at each use.
    Number(Decimal),
    /// Any other value writes itself.
    Display(&'a dyn Display),
}

impl Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => number.fmt(f),
            Value::Display(value) => value.fmt(f),
        }
    }
}

/// A table of rini.txt: texts that are found by a key.
pub struct Table {
    /// The number of the text of the first key. The texts of the other keys follow, and then the text of any other key.
    pub(super) first: u8,
    /// The keys.
    pub(super) keys: &'static [u16],
}

/// A table of rini.txt whose keys are 0, 1, 2 and so on.
pub struct List {
    /// The number of the text of the key 0. The others follow.
    pub(super) first: u8,
    /// The number of keys.
    pub count: usize,
}
