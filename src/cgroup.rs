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

use crate::sys::{c_string, files};
use crate::text::{self, Parts};
use std::ops::ControlFlow;

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
const ROOM: usize = 160;

/// Where the files of version 1 are. Those of version 2 are where the first bytes of this say.
const ROOT: &[u8] = b"/sys/fs/cgroup/memory";

/// Reads the file of rini's own cgroup.
///
/// What /proc/self/cgroup says is taken line by line: with version 1 there are a dozen, of any length. The file's path is put
/// together where the line is, as it is the end of that; its beginning goes over what the line has before it.
fn read_own(names: Names, room: &mut [u8; ROOM]) -> Option<&[u8]> {
    let mut line = Vec::with_capacity(250);
    line.extend_from_slice(ROOT);
    files::bytes(c"/proc/self/cgroup", |byte| {
        if byte != b'\n' {
            line.push(byte);
        } else if group(&line, names).is_some() {
            return ControlFlow::Break(());
        } else {
            line.truncate(ROOT.len());
        }
        ControlFlow::Continue(())
    });
    let (root, name, path) = group(&line, names)?;
    let end = line.len();
    let begin = end.checked_sub(path.len())?;
    for part in [b"/", name.as_bytes(), b"\0"] {
        line.extend_from_slice(part);
    }
    for begin in [begin, end] {
        let path = line.get_mut(begin.checked_sub(root.len())?..)?;
        path.get_mut(..root.len())?.copy_from_slice(root);
        if let Some(length) = files::read(c_string(path)?, room).map(<[u8]>::len) {
            return room.get(..length);
        }
    }
    None
}

/// What a line says of the memory controller: where its hierarchy is mounted, what the file is called there, and the path
/// of the cgroup. Of a hybrid tree version 1 has the controller; its lines come first (cgroups(7)).
#[inline(never)]
fn group(line: &[u8], [version_2, version_1]: Names) -> Option<(&'static [u8], &'static str, &[u8])> {
    // The hierarchy's number with what is before it, its controllers, the path.
    let (controllers, path) = text::cut(text::cut(line, b':')?.1, b':')?;
    if controllers.is_empty() {
        return Some((b"/sys/fs/cgroup", version_2, path));
    }
    let has_memory = Parts::of(controllers, b',').any(|one| one == b"memory");
    has_memory.then_some((ROOT, version_1, path))
}

fn lines(file: &[u8]) -> Parts<'_> {
    Parts::of(file, b'\n')
}
