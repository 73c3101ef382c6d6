//! The packed texts (build.rs), in pages of their own.
//!
//! A rini that has nothing to say never touches them. But the kernel maps the 16 pages around one that is touched
//! (do_fault_around), so among the code or its constants they would be resident all the same. In the segment of the data
//! they are not: its first page to be touched is the last, which the kernel itself writes to at the exec, and a page that is
//! written to is mapped alone. So the linker has to believe that they are data that is written.

use std::cell::UnsafeCell;

/// What nobody writes to.
struct Data<const N: usize>(UnsafeCell<[u8; N]>);

// SAFETY: Sync wants that no two threads use it at once, unless to read: nobody writes.
unsafe impl<const N: usize> Sync for Data<N> {}

const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/texts"));

// The section is one that linkers put before all other data, and that is data. (An attribute that is unsafe as it could
// name one that is something else.)
#[unsafe(link_section = ".data.rel.ro.texts")]
static TEXTS: Data<{ PACKED.len() }> = Data(UnsafeCell::new(*include_bytes!(concat!(env!("OUT_DIR"), "/texts"))));

/// All of them.
pub fn all() -> &'static [u8] {
    // SAFETY: a reference wants that nobody writes while there is one: nobody does.
    unsafe { &*TEXTS.0.get() }
}
