//! What the memory controller of rini's cgroup says: how many processes the kernel has killed for memory, and the limit.
//!
//! | mounted | the count | the limit |
//! | --- | --- | --- |
//! | version 2 | `oom_kill` of memory.events, the cgroups below included | memory.max |
//! | version 1 | `oom_kill` of memory.oom_control, since Linux 4.13 | memory.limit_in_bytes |
//!
//! Where a container has a cgroup namespace, or sees only its own part of the tree, what /proc/self/cgroup names is not
//! below /sys/fs/cgroup; the container's files are then at its root. Where nothing can be read, nothing is known.
#![forbid(unsafe_code)]

use crate::sys::{Text, files};
use crate::text::{self, Parts};
use std::str;

/// A file of the controller, by its names in version 2 and 1.
type Names = [&'static str; 2];

const EVENTS: Names = ["memory.events", "memory.oom_control"];
const LIMIT: Names = ["memory.max", "memory.limit_in_bytes"];

/// How many processes of this cgroup the kernel has killed because there was no memory left.
pub fn oom_kills() -> Option<u64> {
    let mut room = [0; ROOM];
    let events = read_own(EVENTS, &mut room)?;
    lines(events).find_map(|line| text::number(line.strip_prefix(b"oom_kill ")?))
}

/// The memory limit in bytes, where there is one.
pub fn memory_limit() -> Option<u64> {
    // Without a limit version 2 says `max`, and version 1 the largest number of whole pages.
    const NONE: u64 = 1 << 60;
    let mut room = [0; ROOM];
    text::number(read_own(LIMIT, &mut room)?.trim_ascii_end()).filter(|limit| *limit < NONE)
}

/// Enough for these files.
const ROOM: usize = 512;

/// Reads the file of rini's own cgroup.
fn read_own(names: Names, room: &mut [u8; ROOM]) -> Option<&[u8]> {
    // Line by line: in a container with version 1 there are a dozen, of any length, and all of them would be a page of the
    // stack that is never used again.
    let mut line = Text::new();
    let mut found = false;
    files::bytes(format_args!("/proc/self/cgroup"), |byte| match byte {
        _ if found => (),
        b'\n' => {
            found = group(line.bytes(), names).is_some();
            if !found {
                line = Text::new();
            }
        }
        byte => line.push(byte),
    });
    let (base, name, path) = group(line.bytes(), names)?;
    let path = str::from_utf8(path).unwrap_or_default();
    for path in [path, ""] {
        if let Some(length) = files::read(format_args!("/sys/fs/cgroup{base}{path}/{name}"), room).map(<[u8]>::len) {
            return room.get(..length);
        }
    }
    None
}

/// What a line says of the memory controller: where its hierarchy is mounted, what the file is called there, and the path
/// of the cgroup. Of a hybrid tree version 1 has the controller; its lines come first (cgroups(7)).
#[inline(never)]
fn group(line: &[u8], [version_2, version_1]: Names) -> Option<(&'static str, &'static str, &[u8])> {
    // The hierarchy's number, its controllers, the path.
    let (controllers, path) = text::cut(text::cut(line, b':')?.1, b':')?;
    if controllers.is_empty() {
        return Some(("", version_2, path));
    }
    let has_memory = Parts::of(controllers, b',').any(|one| one == b"memory");
    has_memory.then_some(("/memory", version_1, path))
}

fn lines(file: &[u8]) -> Parts<'_> {
    Parts::of(file, b'\n')
}
