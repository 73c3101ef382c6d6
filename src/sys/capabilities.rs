//! File capabilities: the capabilities that a file gives to its program (capabilities(7), setcap(8)).

use super::prctl::prctl;
use std::ffi::CStr;

/// A set of capabilities. Capability n is bit n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities(pub u64);

/// Finds the capabilities of a file that the bounding set lacks.
///
/// The kernel refuses to execute such a file (EPERM) if its capabilities are in effect from the start ("effective").
/// Programs that do not handle capabilities themselves need that.
pub fn find_missing(file: &CStr) -> Capabilities {
    let mut rest = parse_permitted(read_attribute(file, &mut [0; 24]).unwrap_or_default());
    let (mut missing, mut bit) = (0, 1);
    for number in 0..u64::BITS {
        // The kernel refuses a number that is no capability.
        if rest & 1 != 0 && prctl(libc::PR_CAPBSET_READ, number.into()) == Ok(0) {
            missing |= bit;
        }
        (rest, bit) = (rest >> 1, bit << 1);
    }
    Capabilities(missing)
}

/// Whether a file has capabilities.
pub fn has_capabilities(file: &CStr) -> bool {
    read_attribute(file, &mut [0; 24]).is_some()
}

/// Reads the extended attribute that stores a file's capabilities (xattr(7)).
fn read_attribute<'a>(file: &CStr, room: &'a mut [u8; 24]) -> Option<&'a [u8]> {
    // SAFETY: getxattr wants two strings, and room for the given number of bytes: `room` has that length.
    let length = unsafe {
        let name = c"security.capability".as_ptr();
        libc::syscall(libc::SYS_getxattr, file.as_ptr(), name, room.as_mut_ptr(), room.len())
    };
    room.get(..usize::try_from(length).ok()?)
}

/// Parses the attribute in its revisions 1 to 3 (linux/capability.h, vfs_cap_data), and returns the permitted
/// capabilities if they are in effect from the start.
///
/// The attribute consists of numbers of four bytes, the lowest byte first. The first is the revision, with the flag
/// "effective". Then come the permitted and the inheritable capabilities 0 to 31, and from revision 2 on, the same for
/// 32 to 63.
fn parse_permitted(value: &[u8]) -> u64 {
    let number = |index: usize| value.as_chunks().0.get(index).map_or(0, |bytes| u32::from_le_bytes(*bytes));
    match number(0).to_be_bytes() {
        [1..=3, .., flags] if flags & 1 != 0 => u64::from(number(3)) << 32 | u64::from(number(1)),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_permitted_capabilities_are_read_in_each_revision() {
        let value = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
        for (numbers, set) in [
            (&[0x0100_0001, 5, 0xff][..], 5),
            (&[0x0200_0001, 1 << 21, 0xff, 1 << 8, 0xff], 1 << 21 | 1 << 40),
            (&[0x0300_0001, 1 << 21, 0xff, 1 << 8, 0xff, 1000], 1 << 21 | 1 << 40),
            // Not in effect from the start, so the kernel does not refuse the file; unknown revisions; values that are
            // cut short.
            (&[0x0200_0000, 1, 0, 0, 0], 0),
            (&[0x0400_0001, 1, 0, 0, 0], 0),
            (&[1, 1, 0, 0, 0], 0),
            (&[0x0200_0001], 0),
            (&[], 0),
        ] {
            assert_eq!(parse_permitted(&value(numbers)), set, "{numbers:x?}");
        }
        assert_eq!(parse_permitted(&[1, 0, 0]), 0);
    }
}
