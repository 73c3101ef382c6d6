//! All that rini prints: the texts (`texts/*.txt`; the allocator prints no_memory.txt), the messages that the build makes of them, and the log.
#![forbid(unsafe_code)]

pub mod catalog;
pub mod diagnosis;
mod events;
pub mod message;
#[path = "../../build/messages/model.rs"]
mod model;
pub mod quote;
mod unpack;
pub mod verbosity;
