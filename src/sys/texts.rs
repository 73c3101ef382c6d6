//! The texts, packed by build.rs, in a section of their own.
//!
//! The linker puts it behind all that rini runs and reads. A rini that has nothing to say never touches those pages, and
//! where `packaging/build-static` has them begin with a block of 16 pages the kernel does not map them with the others.
//! (Here, as the name of a section is unsafe: it could be one that means something else.)

include!(concat!(env!("OUT_DIR"), "/texts.rs"));
