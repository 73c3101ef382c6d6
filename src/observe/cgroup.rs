//! The memory controller of rini's cgroup: how many processes the kernel has killed for memory, and the limit.
//!
//! | mounted | the count | the limit |
//! | --- | --- | --- |
//! | version 2 | `oom_kill` of memory.events, the cgroups below included | memory.max |
//! | version 1 | `oom_kill` of memory.oom_control, since Linux 4.13 | memory.limit_in_bytes |
//!
//! If a container has a cgroup namespace, or sees only its own part of the tree, the path in /proc/self/cgroup does not
//! exist below /sys/fs/cgroup. The container's files are then at the root of /sys/fs/cgroup. If rini cannot read a
//! file, the value is unknown.
//!
//! An image may have its own files at these paths. So rini reads /proc/self/cgroup only if the kernel's /proc is
//! mounted, and reads no more than such a file can hold.
#![forbid(unsafe_code)]

use crate::ground::bytes::{self, Parts};
use crate::sys::{c_string, files};
use std::ops::ControlFlow;

/// The names of a file of the controller in version 2 and 1.
type Names = [&'static str; 2];

const EVENTS: Names = ["memory.events", "memory.oom_control"];
const LIMIT: Names = ["memory.max", "memory.limit_in_bytes"];

/// Reads how many processes of this cgroup the kernel has killed because there was no memory.
pub fn read_oom_kills() -> Option<u64> {
    let mut room = [0; ROOM];
    let events = read_own(EVENTS, &mut room)?;
    Parts::of(events, b'\n').find_map(|line| bytes::number(line.strip_prefix(b"oom_kill ".as_slice())?))
}

/// Reads the memory limit in bytes, if there is one.
pub fn read_memory_limit() -> Option<u64> {
    // Without a limit, version 2 says `max`, and version 1 gives the largest number of whole pages.
    const UNLIMITED: u64 = 1 << 60;
    let mut room = [0; ROOM];
    bytes::number(read_own(LIMIT, &mut room)?.trim_ascii_end()).filter(|limit| *limit < UNLIMITED)
}

/// The length of these files at most, as far as rini reads them.
const ROOM: usize = 160;

/// The longest line of /proc/self/cgroup. It has the names of the controllers and the path of a cgroup, which the
/// kernel limits to PATH_MAX.
const LONGEST_LINE: usize = libc::PATH_MAX as usize + 512;

/// The lines of /proc/self/cgroup at most: the kernel has 15 controllers, and some hierarchies have only a name.
const MAX_LINES: usize = 32;

/// Most lines are shorter than this.
const USUAL_LINE: usize = 250;

/// Reads the beginning of a file of rini's own cgroup.
///
/// rini reads /proc/self/cgroup line by line, because version 1 has a dozen lines. The line is on the heap (size: 16).
fn read_own(names: Names, room: &mut [u8; ROOM]) -> Option<&[u8]> {
    if !files::is_proc_mounted() {
        return None;
    }
    let mut line = Vec::new();
    line.try_reserve(USUAL_LINE).ok()?;
    let _ = files::for_each_byte(c"/proc/self/cgroup", MAX_LINES.saturating_mul(LONGEST_LINE), &mut |byte| {
        if byte == b'\n' && find_files(&line, names).is_some() {
            return ControlFlow::Break(());
        }
        if byte == b'\n' {
            line.clear();
        } else if line.len() < LONGEST_LINE && line.try_reserve(1).is_ok() {
            line.push(byte);
        } else {
            // A part of a line would be the path of another cgroup.
            line.clear();
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    let (root, name, cgroup) = find_files(&line, names)?;
    let length = [cgroup, b""].into_iter().find_map(|cgroup| {
        let path = bytes::join(&[root, cgroup, b"/", name.as_bytes(), b"\0"])?;
        files::read(c_string(&path)?, room).map(<[u8]>::len)
    })?;
    room.get(..length)
}

/// Parses a line of /proc/self/cgroup. If its hierarchy has the memory controller, returns where that is mounted, the
/// file's name there, and the path of the cgroup. In a hybrid tree, version 1 has the controller, and its lines come
/// first (cgroups(7)).
fn find_files(line: &[u8], [version_2, version_1]: Names) -> Option<(&'static [u8], &'static str, &[u8])> {
    // The number of the hierarchy; its controllers; the path.
    let (controllers, path) = bytes::cut(bytes::cut(line, b':')?.1, b':')?;
    if controllers.is_empty() {
        return Some((b"/sys/fs/cgroup", version_2, path));
    }
    let has_memory = Parts::of(controllers, b',').any(|one| one == b"memory");
    has_memory.then_some((b"/sys/fs/cgroup/memory", version_1, path))
}
