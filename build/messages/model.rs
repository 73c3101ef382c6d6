//! The model of the packed texts: what the packer and the unpacker have to agree about. Both include this file.
//!
//! Packed texts are a row of decisions, each a bit. Each kind of decision has a context, which predicts the bit from those that it
//! had before. The better the prediction is, the less room the bit takes (a range coder, as in LZMA).
//!
//! A step is a decision of [`IS_COPY`], and then:
//!
//! - a byte, as 8 decisions. Each has the context of the bits before it, and of the byte before it;
//! - or a copy of what stands some bytes before. After a byte, the decision of [`IS_SAME`] says whether the distance is that of
//!   the last copy. If it is not, the distance follows as a number. Then comes the length, as a number.
//!
//! A number of n + 1 bits is n pairs of decisions, `1` and a bit, from the lowest bit on, and then `0`. Its highest bit is a 1.

/// A probability is a number of 4096ths.
pub const PRECISION: u32 = 12;
/// The probability of a bit that no context has seen yet.
pub const EVEN: u16 = 1 << (PRECISION - 1);
/// A context moves this part of the way (as a power of two) towards the bit that it sees.
pub const RATE: u32 = 4;
/// The range of the coder is never smaller than this.
pub const LEAST_RANGE: u32 = 1 << 24;

/// Whether a copy follows: after a byte, and after a copy.
pub const IS_COPY: usize = 0;
/// Whether the copy has the distance of the last copy.
pub const IS_SAME: usize = 2;
/// The distance of a copy: the contexts of a number.
pub const DISTANCE: usize = 3;
/// The length of a copy: the contexts of a number.
pub const LENGTH: usize = DISTANCE + 2 * NUMBER_BITS;
/// The bits of a byte: 256 contexts for each kind of byte before it.
pub const BYTE: usize = LENGTH + 2 * NUMBER_BITS;
/// The number of contexts.
pub const CONTEXTS: usize = BYTE + 4 * 256;
/// The most bits of a number.
const NUMBER_BITS: usize = 16;

#[allow(clippy::arithmetic_side_effects)] // The sum is at most CONTEXTS.
/// The first context of a byte behind this byte: other characters than letters, capitals and small letters differ.
pub fn byte_context(previous: u8) -> usize {
    BYTE + 256 * usize::from(previous >> 5 & 3)
}

/// Moves the probability of a 1 towards the bit that was seen. It never becomes 0 or 1.
#[allow(clippy::arithmetic_side_effects)] // Both results are between 0 and 4096.
pub fn adapt(probability: &mut u16, bit: bool) {
    if bit {
        *probability += ((1 << PRECISION) - *probability) >> RATE;
    } else {
        *probability -= *probability >> RATE;
    }
}
