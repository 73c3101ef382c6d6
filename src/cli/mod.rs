//! argv and the environment, read into [`Options`](options::Options); and the names that rini answers to.
#![forbid(unsafe_code)]

#[cfg(test)]
pub mod any_words;
pub mod command_line;
#[cfg(test)]
mod documentation;
pub mod options;
pub mod personality;
pub mod table;
mod values;
