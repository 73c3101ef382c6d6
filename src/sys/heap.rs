//! The allocator (size: 18).
//!
//! rini allocates little: its options, a line of a cgroup file, a list of pids. Before rini starts the program, it ends with a
//! line if there is no memory. From then on nothing may fail for want of memory: rini, and its child before its exec, go on
//! without it ([`let_allocations_fail`]).
//!
//! The length of a block is a power of two, from 16 bytes to 32 KiB. A freed block is kept for the next allocation of
//! its size, and blocks are never merged or split. So a program that does the same things again and again uses no more
//! memory over time. A larger allocation has its own mapping, which goes back to the kernel. The first blocks are in
//! the program's own data (size: 15), so most runs of rini ask the kernel for no memory.
//!
//! An allocator that has done nothing is all zeros, so it shares its page with the other data that begins so.
//!
//! The allocator is for a program with one thread and without signal handlers, such as rini. The unit tests have
//! threads, and use the system's allocator. rini's child shares this memory until its exec (`super::vfork`), and may be
//! killed at any moment.

use super::output;
use crate::ground::exit;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr::{self, null_mut};
use std::sync::atomic::{AtomicBool, Ordering, compiler_fence};

/// The smallest block. It has room for the pointer to the next free block, and the alignment that C expects of an
/// allocator.
const SMALLEST: usize = 16;
/// The number of block sizes, from 16 bytes to 32 KiB.
const SIZES: usize = 12;
/// The memory that the allocator asks the kernel for at a time, to make blocks of it.
const CHUNK: usize = 64 * 1024;
/// The smallest page of any machine, and the largest alignment that rini needs.
const PAGE: usize = 4096;

#[cfg(not(test))]
#[global_allocator]
static HEAP: Heap = Heap::new();

/// The length of the first chunk. It lies in pages that are written to in any case. 2,048 bytes are enough if rini runs
/// without special options, and with 1,024 bytes rini would ask the kernel for more.
const FIRST_CHUNK: usize = 2048;

/// The allocator.
struct Heap {
    state: UnsafeCell<State>,
    /// The memory of the first blocks.
    first_chunk: FirstChunk,
}

#[repr(align(16))]
struct FirstChunk(UnsafeCell<[u8; FIRST_CHUNK]>);

// SAFETY: `Sync` requires no concurrent use: rini is single-threaded, and has no signal handler.
unsafe impl Sync for Heap {}

struct State {
    /// The freed blocks, a list for each size. Each block holds the address of the next one.
    free: [*mut u8; SIZES],
    /// The chunk of the next block, or null for the first chunk.
    chunk: *mut u8,
    /// The length of the part of that chunk that has become blocks.
    used: usize,
}

impl Heap {
    const fn new() -> Heap {
        Heap {
            state: UnsafeCell::new(State { free: [null_mut(); SIZES], chunk: null_mut(), used: 0 }),
            first_chunk: FirstChunk(UnsafeCell::new([0; FIRST_CHUNK])),
        }
    }

    /// Calls `f` with the state. `f` must not call this again.
    fn with_state<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        // SAFETY: a mutable reference must be the only one: there is one thread, and no `f` here calls this or
        // allocates.
        f(unsafe { &mut *self.state.get() })
    }
}

/// The list of blocks for this layout. It is None for an allocation with its own mapping.
fn list_of(layout: Layout) -> Option<usize> {
    let size = layout.size().max(layout.align()).max(SMALLEST).checked_next_power_of_two()?;
    let list = size.trailing_zeros().checked_sub(SMALLEST.trailing_zeros())?;
    usize::try_from(list).ok().filter(|list| *list < SIZES)
}

impl State {
    fn take_block(&mut self, list: usize, first_chunk: *mut u8) -> *mut u8 {
        let Some(first) = self.free.get_mut(list).filter(|first| !first.is_null()) else {
            return self.make_block(list, first_chunk);
        };
        let block = *first;
        // SAFETY: read wants an aligned, valid pointer there: `free_block` has written one, and nothing has used the
        // block since.
        *first = unsafe { block.cast::<*mut u8>().read() };
        block
    }

    /// Makes a new block. Returns null if the kernel has no memory.
    fn make_block(&mut self, list: usize, first_chunk: *mut u8) -> *mut u8 {
        let size = SMALLEST.checked_shl(u32::try_from(list).unwrap_or(u32::MAX)).unwrap_or(usize::MAX);
        let is_first = self.chunk.is_null();
        let chunk = if is_first { first_chunk } else { self.chunk };
        let next = chunk.wrapping_add(self.used);
        let skipped = next.align_offset(size.min(PAGE));
        let used = self.used.saturating_add(skipped).saturating_add(size);
        if used <= if is_first { FIRST_CHUNK } else { CHUNK } {
            self.used = used;
            return next.wrapping_add(skipped);
        }
        // The rest of the last chunk is too small for this block, and is lost.
        let block = map(CHUNK);
        if !block.is_null() {
            self.used = CHUNK;
            order_writes();
            self.chunk = block;
            order_writes();
            self.used = size;
        }
        block
    }

    fn free_block(&mut self, block: *mut u8, list: usize) {
        let Some(first) = self.free.get_mut(list) else { return };
        // SAFETY: write wants an aligned address with room for a pointer: each block is one, of at least 16 bytes, and
        // nothing uses it any more.
        unsafe { block.cast::<*mut u8>().write(*first) };
        order_writes();
        *first = block;
    }
}

/// Makes the compiler finish the writes before this call first. The child may be killed between two writes, and the
/// parent goes on with the heap as it is then. In this order it loses a block or a part of a chunk, and never gets the
/// same block twice.
fn order_writes() {
    compiler_fence(Ordering::SeqCst);
}

/// Whether an allocation returns null if there is no memory. Otherwise it ends rini.
static MAY_FAIL: AtomicBool = AtomicBool::new(false);

/// From now on, an allocation returns null if there is no memory. The standard library aborts for a null, but not in `try_reserve`.
pub fn let_allocations_fail() {
    MAY_FAIL.store(true, Ordering::Relaxed);
}

/// Ends rini, which has started nothing yet, because there is no memory.
#[cold]
fn refuse_start() -> ! {
    // The line is not packed, and has no other init's form: the catalog of messages is above this module.
    output::write_to_stderr(include_bytes!("../messages/texts/no_memory.txt"));
    // SAFETY: _exit takes a number.
    unsafe { libc::_exit(exit::CANNOT_START.into()) }
}

/// Asks the kernel for memory. It is page-aligned and all zeros, or null if there is none.
fn map(length: usize) -> *mut u8 {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: mmap without MAP_FIXED touches no memory that is in use. The result is checked below.
    let mapped = unsafe { libc::mmap(ptr::null_mut(), length, protection, flags, -1, 0) };
    if mapped != libc::MAP_FAILED {
        return mapped.cast();
    }
    if !MAY_FAIL.load(Ordering::Relaxed) {
        refuse_start();
    }
    null_mut()
}

// SAFETY: GlobalAlloc wants blocks with the length and the alignment of the layout, each with one owner until it is
// freed, and no unwinding. Each block comes from one list or one mapping, is at least as long, and is aligned to its
// length or to a page. Nothing here panics. A greater alignment than a page gets null, which is allowed.
unsafe impl GlobalAlloc for Heap {
    // There is no obligation: any layout is valid.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match list_of(layout) {
            _ if layout.align() > PAGE => null_mut(),
            Some(list) => self.with_state(|state| state.take_block(list, self.first_chunk.0.get().cast())),
            None => map(layout.size()),
        }
    }

    // It wants a block from `alloc` and its layout, by which it finds the list or the length of the mapping.
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match list_of(layout) {
            Some(list) => self.with_state(|state| state.free_block(block, list)),
            None => {
                // SAFETY: munmap wants a mapping that nothing uses any more: `alloc` made it with this length, and its
                // owner frees it here.
                unsafe { libc::munmap(block.cast(), layout.size()) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Each test has its own heap, which is leaked, so that it stays where its blocks are.
    fn heap() -> &'static Heap {
        Box::leak(Box::new(Heap::new()))
    }

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    /// Many blocks of all sizes at once, freed in disorder. Each is aligned, has one owner, and keeps its bytes.
    #[test]
    fn each_block_has_one_owner() {
        let heap = heap();
        let mut random = 1_u64;
        let mut next = |limit: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from((random >> 33) % limit).unwrap()
        };
        let mut held: BTreeMap<usize, (*mut u8, Layout, u8)> = BTreeMap::new();
        let mut seen = [false; SIZES + 1];
        // Miri checks every byte, and needs much longer for each turn.
        let turns = if cfg!(miri) { 60 } else { 50_000_u32 };
        for turn in 0..turns {
            if next(2) == 0 || held.is_empty() {
                let size = 1_usize << next(18);
                let layout = layout(1 + next(size as u64), 1 << next(13));
                // SAFETY: the layout is not empty.
                let block = unsafe { heap.alloc(layout) };
                assert!(!block.is_null() && block.align_offset(layout.align()) == 0, "{layout:?}");
                let (from, mark) = (block as usize, turn.to_le_bytes()[0]);
                let before = held.range(..from + layout.size()).next_back();
                assert!(before.is_none_or(|(at, (_, other, _))| at + other.size() <= from), "{layout:?} overlaps");
                // SAFETY: the block has the requested length.
                unsafe { block.write_bytes(mark, layout.size()) };
                held.insert(from, (block, layout, mark));
                seen[list_of(layout).unwrap_or(SIZES)] = true;
            } else {
                let index = next(held.len() as u64);
                let at = *held.keys().nth(index).unwrap();
                let (block, layout, mark) = held.remove(&at).unwrap();
                // SAFETY: the block has the requested length, and every byte was written.
                let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
                assert!(bytes.iter().all(|byte| *byte == mark), "{layout:?}");
                // SAFETY: the block is from this heap, with this layout.
                unsafe { heap.dealloc(block, layout) };
            }
        }
        assert!(cfg!(miri) || seen == [true; SIZES + 1], "all sizes, and mappings");
    }

    #[test]
    fn the_same_work_again_takes_no_more_memory() {
        let heap = heap();
        let mut addresses = std::collections::BTreeSet::new();
        let mut after_one = 0;
        let turns = if cfg!(miri) { 20 } else { 1000 };
        for turn in 0..turns {
            // A string that grows while another block exists, as for a line of a log.
            let stays = layout(200, 1);
            // SAFETY: the layout is not empty.
            let kept = unsafe { heap.alloc(stays) };
            addresses.insert(kept as usize);
            for size in (3..12).map(|shift| 1 << shift) {
                // SAFETY: the layout is not empty.
                let block = unsafe { heap.alloc(layout(size, 1)) };
                addresses.insert(block as usize);
                // SAFETY: the block is from this heap, with this layout.
                unsafe { heap.dealloc(block, layout(size, 1)) };
            }
            // SAFETY: the block is from this heap, with this layout.
            unsafe { heap.dealloc(kept, stays) };
            if turn == 0 {
                after_one = addresses.len();
            }
        }
        assert_eq!(addresses.len(), after_one);
        // The negative control: a block that is in use is not returned again.
        // SAFETY: the layouts are not empty.
        let blocks: std::collections::BTreeSet<usize> =
            (0..1000).map(|_| unsafe { heap.alloc(layout(200, 1)) } as usize).collect();
        assert_eq!(blocks.len(), 1000);
    }

    #[test]
    fn an_alignment_beyond_a_page_is_refused() {
        // SAFETY: the layout is not empty.
        assert!(unsafe { heap().alloc(layout(16, 2 * PAGE)) }.is_null());
    }
}
