//! What the kernel's files say about processes and memory: safe code over [`sys::files`](crate::sys::files).
#![forbid(unsafe_code)]

pub mod accounts;
pub mod cgroup;
pub mod proc;
