//! Unpacks the texts (size: 12). build/messages/model.rs says what the packed bytes mean.
#![forbid(unsafe_code)]

// The tests of the build include this file, so the path is relative.
use super::model::{self, CONTEXTS, DISTANCE, EVEN, IS_COPY, IS_SAME, LEAST_RANGE, LENGTH, PRECISION};

/// Unpacks bytes until the room is full.
#[inline(never)] // The contexts are two kilobytes of the stack (size: 29).
pub fn unpack(packed: &[u8], room: &mut [u8]) {
    let mut decoder = Decoder { packed, code: 0, range: 1, contexts: [EVEN; CONTEXTS] };
    decoder.fill_range();
    // The distance of the last copy, and whether the last step was a copy.
    let (mut distance, mut was_copy) = (0, false);
    let mut at = 0_usize;
    while at < room.len() {
        let is_copy = decoder.decide(IS_COPY.wrapping_add(was_copy.into()));
        let mut length = 1;
        if is_copy {
            if was_copy || !decoder.decide(IS_SAME) {
                distance = decoder.read_number(DISTANCE);
            }
            length = decoder.read_number(LENGTH);
        }
        for _ in 0..length {
            let before = |distance| room.get(at.wrapping_sub(distance)).copied().unwrap_or(0);
            let byte = if is_copy { before(distance) } else { decoder.read_byte(before(1)) };
            if let Some(place) = room.get_mut(at) {
                *place = byte;
            }
            at = at.wrapping_add(1);
        }
        was_copy = is_copy;
    }
}

/// Reads decisions.
struct Decoder<'a> {
    packed: &'a [u8],
    /// The place in the range.
    code: u32,
    range: u32,
    /// The probability of a 1, by the context.
    contexts: [u16; CONTEXTS],
}

impl Decoder<'_> {
    /// Reads the decision of a context.
    fn decide(&mut self, context: usize) -> bool {
        let Some(probability) = self.contexts.get_mut(context) else { return false };
        // The part of the range that means a 1.
        let part = (self.range >> PRECISION).wrapping_mul(u32::from(*probability));
        let bit = self.code < part;
        if bit {
            self.range = part;
        } else {
            self.range = self.range.wrapping_sub(part);
            self.code = self.code.wrapping_sub(part);
        }
        model::adapt(probability, bit);
        self.fill_range();
        bit
    }

    /// Reads packed bytes until the range is large enough. The packer leaves out zeros at the end.
    fn fill_range(&mut self) {
        while self.range < LEAST_RANGE {
            let next;
            (next, self.packed) = self.packed.split_first().unwrap_or((&0, &[]));
            self.code = self.code << 8 | u32::from(*next);
            self.range <<= 8;
        }
    }

    /// Reads the byte behind this byte.
    fn read_byte(&mut self, previous: u8) -> u8 {
        let first = model::byte_context(previous);
        // A 1, and the bits behind it. The cast to a byte drops the 1.
        let mut bits = 1_usize;
        while bits < 256 {
            bits = bits << 1 | usize::from(self.decide(first.wrapping_add(bits)));
        }
        bits.to_le_bytes()[0]
    }

    /// Reads a number.
    fn read_number(&mut self, mut context: usize) -> usize {
        let (mut number, mut place) = (0_usize, 1);
        while self.decide(context) {
            if self.decide(context.wrapping_add(1)) {
                number |= place;
            }
            place <<= 1;
            context = context.wrapping_add(2);
        }
        number | place
    }
}
