//! The heap.
//!
//! rini allocates little: its options, its logger, a line of a log, a list of pids. The C library's allocator for that is
//! a tenth of the small static build, and touches several pages at the start.
//!
//! A block is of the next power of two, 16 bytes to 32 KiB, and one that is given back is kept for the next of its size.
//! Nothing is merged or split: for each size there are as many blocks as there ever were in use at one time, which is
//! what "memory does not grow" means for a program that does the same things again and again. What is larger has a
//! mapping of its own, which is returned to the kernel. The first blocks are in the program's own data: most runs of
//! rini ask the kernel for nothing.
//!
//! It is for a program of one thread without signal handlers, which rini is; the unit tests are not, and have the
//! system's allocator. rini's child has the same memory until its exec (`super::vfork`), and may be killed at any moment.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr::{self, null_mut};
use std::sync::atomic::{Ordering, compiler_fence};

/// The smallest block: room for the pointer to the next free one, and the alignment that C asks of an allocator.
const SMALLEST: usize = 16;
/// How many sizes of blocks there are: 16 bytes to 32 KiB.
const SIZES: usize = 12;
/// What is asked of the kernel at a time, for blocks.
const CHUNK: usize = 64 * 1024;
/// No machine has smaller pages, and nothing here needs a greater alignment.
const PAGE: usize = 4096;

#[cfg(not(test))]
#[global_allocator]
static HEAP: Heap = Heap::new(&FIRST);

/// Where blocks come from at first.
#[cfg(not(test))]
static FIRST: First = First(UnsafeCell::new([0; FIRST_SIZE]));

/// A part of the program's own data: with all the rest of that it fits into one page, which is written to in any case. A rini
/// that is asked for nothing special takes half of it.
const FIRST_SIZE: usize = 2048;

#[repr(align(16))]
struct First(UnsafeCell<[u8; FIRST_SIZE]>);

// SAFETY: Sync wants that no two threads use it at once: there is one.
unsafe impl Sync for First {}

/// The heap.
struct Heap(UnsafeCell<State>);

// SAFETY: Sync wants that no two threads use it at once: there is one, and no signal handler.
unsafe impl Sync for Heap {}

struct State {
    /// The blocks that were given back, a list for each size; each holds the next one's address.
    free: [*mut u8; SIZES],
    /// What has not been a block yet.
    rest: *mut u8,
    /// The length of that.
    left: usize,
}

impl Heap {
    /// A heap whose first blocks are there.
    const fn new(first: &'static First) -> Heap {
        Heap(UnsafeCell::new(State { free: [null_mut(); SIZES], rest: first.0.get().cast(), left: FIRST_SIZE }))
    }

    /// Calls this with the state, which it is not to call again from.
    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        // SAFETY: a reference wants to be the only one: there is one thread, and no `f` here calls this or allocates.
        f(unsafe { &mut *self.0.get() })
    }
}

/// Which list a block of this layout belongs to; None: it has a mapping of its own.
fn list_of(layout: Layout) -> Option<usize> {
    let size = layout.size().max(layout.align()).max(SMALLEST).checked_next_power_of_two()?;
    let list = size.trailing_zeros().checked_sub(SMALLEST.trailing_zeros())?;
    usize::try_from(list).ok().filter(|list| *list < SIZES)
}

impl State {
    fn take(&mut self, list: usize) -> *mut u8 {
        let Some(first) = self.free.get_mut(list).filter(|first| !first.is_null()) else { return self.cut(list) };
        let block = *first;
        // SAFETY: read wants an aligned, valid pointer there: `give_back` has written one, and nobody has had the block
        // since.
        *first = unsafe { block.cast::<*mut u8>().read() };
        block
    }

    /// Makes a new block; null where the kernel has no memory.
    fn cut(&mut self, list: usize) -> *mut u8 {
        let size = SMALLEST.checked_shl(u32::try_from(list).unwrap_or(u32::MAX)).unwrap_or(usize::MAX);
        let skipped = self.rest.align_offset(size.min(PAGE));
        let mut block = self.rest.wrapping_add(skipped);
        let mut left = self.left.checked_sub(skipped.saturating_add(size));
        if left.is_none() {
            // What is left of the last chunk is too small for this, and is lost: less than the block.
            (block, left) = (map(CHUNK), CHUNK.checked_sub(size));
            if block.is_null() {
                return block;
            }
        }
        self.left = 0;
        then();
        self.rest = block.wrapping_add(size);
        then();
        self.left = left.unwrap_or(0);
        block
    }

    fn give_back(&mut self, block: *mut u8, list: usize) {
        let Some(first) = self.free.get_mut(list) else { return };
        // SAFETY: write wants an aligned place for a pointer: each block is one of at least 16 bytes, and nobody uses it
        // any more.
        unsafe { block.cast::<*mut u8>().write(*first) };
        then();
        *first = block;
    }
}

/// What was written above is in memory before what is written below: the child may be killed here, and what it has done to
/// the heap is then the parent's. In this order that is a block less, or what is left of a chunk, and never one twice.
fn then() {
    compiler_fence(Ordering::SeqCst);
}

/// Memory of the kernel's, all zeros, at a page; null where there is none.
fn map(length: usize) -> *mut u8 {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: mmap without MAP_FIXED touches no memory that is in use; the result is checked below.
    let mapped = unsafe { libc::mmap(ptr::null_mut(), length, protection, flags, -1, 0) };
    if mapped == libc::MAP_FAILED { null_mut() } else { mapped.cast() }
}

// SAFETY: GlobalAlloc wants blocks that are as long and as aligned as the layout, nobody else's until they are given back,
// and no unwinding: each is a power of two of its own that is at least both, aligned to its size or a page, from one
// list or one mapping; and nothing here panics. A greater alignment than a page gets null, which is allowed.
unsafe impl GlobalAlloc for Heap {
    // Any layout will do, as it is what the block is cut to.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match list_of(layout) {
            _ if layout.align() > PAGE => null_mut(),
            Some(list) => self.with(|state| state.take(list)),
            None => map(layout.size()),
        }
    }

    // It wants a block of `alloc`'s, with its layout: by that it finds the list, or the length of the mapping.
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match list_of(layout) {
            Some(list) => self.with(|state| state.give_back(block, list)),
            None => {
                // SAFETY: munmap wants a mapping that nobody uses any more: `alloc` made it, with this length, for who
                // gives it back here.
                unsafe { libc::munmap(block.cast(), layout.size()) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn heap() -> Heap {
        // Each test's own, for ever.
        Heap::new(Box::leak(Box::new(First(UnsafeCell::new([0; FIRST_SIZE])))))
    }

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    /// Many blocks of all sizes at once, given back in disorder: each is aligned, nobody else's, and keeps what it holds.
    #[test]
    fn blocks_are_their_owners_alone() {
        let heap = heap();
        let mut random = 1_u64;
        let mut next = |limit: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from((random >> 33) % limit).unwrap()
        };
        let mut held: BTreeMap<usize, (*mut u8, Layout, u8)> = BTreeMap::new();
        let mut seen = [false; SIZES + 1];
        // An interpreter, which watches every byte, takes its time for each.
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
                // SAFETY: as long as was asked for.
                unsafe { block.write_bytes(mark, layout.size()) };
                held.insert(from, (block, layout, mark));
                seen[list_of(layout).unwrap_or(SIZES)] = true;
            } else {
                let index = next(held.len() as u64);
                let at = *held.keys().nth(index).unwrap();
                let (block, layout, mark) = held.remove(&at).unwrap();
                // SAFETY: as long as was asked for, and written all over.
                let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
                assert!(bytes.iter().all(|byte| *byte == mark), "{layout:?}");
                // SAFETY: of this heap, with this layout.
                unsafe { heap.dealloc(block, layout) };
            }
        }
        assert!(cfg!(miri) || seen == [true; SIZES + 1], "all sizes, and mappings");
    }

    #[test]
    fn what_is_done_again_takes_no_more_memory() {
        let heap = heap();
        let mut addresses = std::collections::BTreeSet::new();
        let mut after_one = 0;
        let turns = if cfg!(miri) { 20 } else { 1000 };
        for turn in 0..turns {
            // A string that grows, beside one that stays for a while: a line of a log.
            let stays = layout(200, 1);
            // SAFETY: the layout is not empty.
            let kept = unsafe { heap.alloc(stays) };
            addresses.insert(kept as usize);
            for size in (3..12).map(|shift| 1 << shift) {
                // SAFETY: likewise.
                let block = unsafe { heap.alloc(layout(size, 1)) };
                addresses.insert(block as usize);
                // SAFETY: of this heap, with this layout.
                unsafe { heap.dealloc(block, layout(size, 1)) };
            }
            // SAFETY: likewise.
            unsafe { heap.dealloc(kept, stays) };
            if turn == 0 {
                after_one = addresses.len();
            }
        }
        assert_eq!(addresses.len(), after_one);
        // The negative control: what is kept is not handed out again.
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
