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

use crate::sys::files;
use std::fmt;
use std::str;

/// A file of the controller, by its names in version 2 and 1.
type Names = [&'static str; 2];

const EVENTS: Names = ["memory.events", "memory.oom_control"];
const LIMIT: Names = ["memory.max", "memory.limit_in_bytes"];

/// How many processes of this cgroup the kernel has killed because there was no memory left.
pub fn oom_kills() -> Option<u64> {
    let mut room = [0; ROOM];
    let events = read_own(EVENTS, &mut room)?;
    events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok())
}

/// The memory limit in bytes, where there is one.
pub fn memory_limit() -> Option<u64> {
    // Without a limit version 2 says `max`, and version 1 the largest number of whole pages.
    const NONE: u64 = 1 << 60;
    let mut room = [0; ROOM];
    read_own(LIMIT, &mut room)?.trim_ascii_end().parse().ok().filter(|limit| *limit < NONE)
}

/// Enough for these files, and for the twelve or so controllers of version 1 in a container.
const ROOM: usize = 4096;

/// Reads the file of rini's own cgroup.
fn read_own(names: Names, room: &mut [u8; ROOM]) -> Option<&str> {
    let mut groups = [0; ROOM];
    let groups = read(format_args!("/proc/self/cgroup"), &mut groups)?;
    // Of a hybrid tree version 1 has the controller; its lines come first (cgroups(7)).
    let (base, path, name) = groups.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        match controllers {
            "" => Some(("/sys/fs/cgroup", path, names[0])),
            _ if controllers.split(',').any(|one| one == "memory") => Some(("/sys/fs/cgroup/memory", path, names[1])),
            _ => None,
        }
    })?;
    let own = files::read(format_args!("{base}{path}/{name}"), room).map(<[u8]>::len);
    match own {
        Some(length) => str::from_utf8(room.get(..length)?).ok(),
        None => read(format_args!("{base}/{name}"), room),
    }
}

fn read<'a>(path: fmt::Arguments<'_>, room: &'a mut [u8; ROOM]) -> Option<&'a str> {
    str::from_utf8(files::read(path, room)?).ok()
}
