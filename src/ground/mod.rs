//! The lowest layer: the basic types of the domain, and data that several layers share. No file here makes a system
//! call.
#![forbid(unsafe_code)]

pub mod bytes;
pub mod exit;
pub mod foreground;
#[cfg(test)]
pub mod fuzzed;
pub mod policy;
pub mod signal;
pub mod time;
