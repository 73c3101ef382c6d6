//! The texts (build/messages/), which are packed in the binary (size: 12), in pages of their own (size: 14).
//!
//! A silent rini never reads them. Beside code or constants they would become resident all the same, because the kernel
//! maps 16 pages around each page that is read (do_fault_around). On x86-64, packaging/layout.ld gives them a segment of
//! their own. Elsewhere they are in the segment of written data, which has no such neighbours: the kernel itself writes
//! to its last page at the exec, and maps a written page alone. So the linker must believe that the packed texts are
//! written.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, Ordering};

struct Data<const N: usize>(UnsafeCell<[u8; N]>);

// SAFETY: `Sync` requires that no thread writes while another one uses the bytes: rini has one thread, and `all` lets one
// thread of the unit tests at a time write, before there is a reader.
unsafe impl<const N: usize> Sync for Data<N> {}

/// The length of the unpacked texts in two bytes, and the packed texts.
const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/texts"));
const UNPACKED_LENGTH: usize = match PACKED {
    [high, low, ..] => u16::from_be_bytes([*high, *low]) as usize,
    _ => 0,
};

// Linkers put this section before all other data. (The attribute is unsafe because it could name a section of code.)
#[unsafe(link_section = ".data.rel.ro.texts")]
static TEXTS: Data<{ PACKED.len() }> = Data(UnsafeCell::new(*include_bytes!(concat!(env!("OUT_DIR"), "/texts"))));

/// The room for the unpacked texts. It takes no memory until the first message.
#[unsafe(link_section = ".bss.zz")]
static ROOM: Data<UNPACKED_LENGTH> = Data(UnsafeCell::new([0; UNPACKED_LENGTH]));

/// Whether the room is filled. rini's child shares this memory until its exec (`super::vfork`), and may be killed while it
/// unpacks the texts. Then rini unpacks them again.
static IS_UNPACKED: AtomicBool = AtomicBool::new(false);

/// Returns all texts. `unpack` fills the room the first time.
pub fn all(unpack: fn(&[u8], &mut [u8])) -> &'static [u8] {
    #[cfg(test)]
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    #[cfg(test)]
    let _guard = ONE_AT_A_TIME.lock();
    if !IS_UNPACKED.load(Ordering::Acquire) {
        // SAFETY: a shared reference requires that nothing writes while it exists: nothing writes to the packed texts.
        let packed = unsafe { &*TEXTS.0.get() };
        // SAFETY: a mutable reference must be the only one: others exist only when the flag is set.
        let room = unsafe { &mut *ROOM.0.get() };
        unpack(packed.get(2..).unwrap_or_default(), room);
        IS_UNPACKED.store(true, Ordering::Release);
    }
    // SAFETY: a shared reference requires that nothing writes while it exists: the flag is set.
    unsafe { &*ROOM.0.get() }
}
