//! Supervision of the child: the decisions, the loop that carries them out, and the leftover processes.
#![forbid(unsafe_code)]

mod actions;
mod ending;
mod job_control;
mod leftovers;
pub mod runtime;
pub mod supervisor;
