//! The packed texts (build/messages/), in pages of their own (size: 14).
//!
//! A silent rini never reads them. Beside code or constants they would become resident all the same, because the kernel
//! maps 16 pages around each page that is read (do_fault_around). The segment of written data has no such neighbours:
//! the kernel itself writes to its last page at the exec, and maps a written page alone. So the linker must believe
//! that the texts are written.

use std::cell::UnsafeCell;

/// Data that nothing writes to, although the linker believes so.
struct Data<const N: usize>(UnsafeCell<[u8; N]>);

// SAFETY: `Sync` requires that no thread writes while another one reads: nothing writes.
unsafe impl<const N: usize> Sync for Data<N> {}

const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/texts"));

// Linkers put this section before all other data. (The attribute is unsafe because it could name a section of code.)
#[unsafe(link_section = ".data.rel.ro.texts")]
static TEXTS: Data<{ PACKED.len() }> = Data(UnsafeCell::new(*include_bytes!(concat!(env!("OUT_DIR"), "/texts"))));

/// All packed texts.
pub fn all() -> &'static [u8] {
    // SAFETY: a shared reference requires that nothing writes while it exists: nothing ever does.
    unsafe { &*TEXTS.0.get() }
}
