//! All that rini prints: the texts (`texts/*.txt`), the messages that the build makes of them, and the logger.
#![forbid(unsafe_code)]

pub mod catalog;
pub mod diagnosis;
mod events;
pub mod logging;
pub mod message;
pub mod quote;
