//! Packs the texts: a string that stood before becomes a copy, and a range coder writes the decisions. `model` says what they mean.
//!
//! The packer looks for the cheapest row of steps: it begins with a guess of what each decision costs, finds the best steps for
//! these costs, counts what these steps decide, and has better costs for the next round.

use super::model::{self, CONTEXTS, DISTANCE, EVEN, IS_COPY, IS_SAME, LEAST_RANGE, LENGTH, PRECISION};
use std::collections::HashMap;

/// More rounds save no more bytes.
const ROUNDS: usize = 10;

/// Packs bytes.
pub fn pack(data: &[u8]) -> Vec<u8> {
    let copies = find_copies(data);
    let mut costs = Costs([cost(EVEN); CONTEXTS].map(|cost| [cost; 2]));
    let rounds = (0..ROUNDS).map(|_| {
        let steps = choose_steps(data, &copies, &costs);
        let mut counts = Counts([[0; 2]; CONTEXTS]);
        decide_all(data, &steps, &mut counts);
        costs = counts.costs();
        let mut encoder = Encoder::new();
        decide_all(data, &steps, &mut encoder);
        encoder.finish()
    });
    rounds.min_by_key(Vec::len).expect("there is a round")
}

/// A step: so many bytes, as a byte itself or as a copy from this distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Byte(u8),
    Copy { distance: usize, length: usize },
}

/// What the unpacker knows between two steps.
#[derive(Clone, Copy, Debug)]
struct State {
    /// The number of bytes so far.
    at: usize,
    /// The distance of the last copy.
    distance: usize,
    was_copy: bool,
}

impl State {
    const START: State = State { at: 0, distance: 0, was_copy: false };

    fn after(self, step: Step) -> State {
        match step {
            Step::Byte(_) => State { at: self.at + 1, was_copy: false, ..self },
            Step::Copy { distance, length } => State { at: self.at + length, distance, was_copy: true },
        }
    }
}

/// Takes the decisions of steps.
trait Decisions {
    fn decide(&mut self, context: usize, bit: bool);
}

/// Makes the decisions of all steps.
fn decide_all(data: &[u8], steps: &[Step], to: &mut dyn Decisions) {
    let mut state = State::START;
    for step in steps {
        decide(data, state, *step, to);
        state = state.after(*step);
    }
}

/// Makes the decisions of a step.
fn decide(data: &[u8], state: State, step: Step, to: &mut dyn Decisions) {
    to.decide(IS_COPY + usize::from(state.was_copy), matches!(step, Step::Copy { .. }));
    match step {
        Step::Byte(byte) => {
            let previous = if state.at == 0 { 0 } else { data[state.at - 1] };
            let first = model::byte_context(previous);
            let mut before = 1;
            for bit in (0..8).rev().map(|place| byte >> place & 1 == 1) {
                to.decide(first + before, bit);
                before = before << 1 | usize::from(bit);
            }
        }
        Step::Copy { distance, length } => {
            let is_same = !state.was_copy && distance == state.distance;
            if !state.was_copy {
                to.decide(IS_SAME, is_same);
            }
            if !is_same {
                decide_number(DISTANCE, distance, to);
            }
            decide_number(LENGTH, length, to);
        }
    }
}

fn decide_number(first: usize, number: usize, to: &mut dyn Decisions) {
    let mut context = first;
    for place in 0..number.ilog2() {
        to.decide(context, true);
        to.decide(context + 1, number >> place & 1 == 1);
        context += 2;
    }
    to.decide(context, false);
}

/// The copies that are possible at each byte: the distance, and the greatest length. A longer one comes later and has a
/// greater distance.
fn find_copies(data: &[u8]) -> Vec<Vec<(usize, usize)>> {
    let mut places: HashMap<&[u8], Vec<usize>> = HashMap::new();
    let mut copies = vec![Vec::new(); data.len()];
    for (at, pair) in data.windows(2).enumerate() {
        let places = places.entry(pair).or_default();
        let mut longest = 1;
        for distance in places.iter().rev().map(|place| at - place) {
            let length = length_of_copy(data, at, distance);
            if length > longest {
                longest = length;
                copies[at].push((distance, length));
            }
        }
        places.push(at);
    }
    copies
}

fn length_of_copy(data: &[u8], at: usize, distance: usize) -> usize {
    data[at..].iter().zip(&data[at - distance..]).take_while(|(byte, copied)| byte == copied).count()
}

/// Chooses the steps that cost least.
fn choose_steps(data: &[u8], copies: &[Vec<(usize, usize)>], costs: &Costs) -> Vec<Step> {
    // The cheapest way to each byte: its cost, its last step, and the state before and after that.
    let mut ways: Vec<Option<(u32, Step, State, State)>> = vec![None; data.len() + 1];
    ways[0] = Some((0, Step::Byte(0), State::START, State::START));
    for at in 0..data.len() {
        let Some((cost, _, _, state)) = ways[at] else { continue };
        let mut offer = |step: Step| {
            let after = state.after(step);
            let cost = cost + costs.of(data, state, step);
            if ways[after.at].is_none_or(|way| cost < way.0) {
                ways[after.at] = Some((cost, step, state, after));
            }
        };
        offer(Step::Byte(data[at]));
        let mut least = 2;
        for (distance, longest) in &copies[at] {
            (least..=*longest).for_each(|length| offer(Step::Copy { distance: *distance, length }));
            least = longest + 1;
        }
        let distance = state.distance;
        if (1..=at).contains(&distance) && !state.was_copy {
            (1..=length_of_copy(data, at, distance)).for_each(|length| offer(Step::Copy { distance, length }));
        }
    }
    let mut steps = Vec::new();
    let mut at = data.len();
    while at > 0 {
        let (_, step, before, _) = ways[at].expect("there is a way: byte by byte");
        steps.push(step);
        at = before.at;
    }
    steps.reverse();
    steps
}

/// What a 0 and a 1 of each context cost, in 64ths of a bit.
struct Costs([[u32; 2]; CONTEXTS]);

impl Costs {
    fn of(&self, data: &[u8], state: State, step: Step) -> u32 {
        struct Sum<'a>(&'a Costs, u32);
        impl Decisions for Sum<'_> {
            fn decide(&mut self, context: usize, bit: bool) {
                self.1 += self.0.0[context][usize::from(bit)];
            }
        }
        let mut sum = Sum(self, 0);
        decide(data, state, step, &mut sum);
        sum.1
    }
}

/// The cost of something with this probability, in 64ths of a bit. (In whole numbers: the result of a logarithm of floating-point
/// numbers depends on the machine, and the build is reproducible.)
fn cost(probability: u16) -> u32 {
    const PLACES: u32 = 6;
    let (mut power, mut bits) = (u32::from(probability), 0);
    for _ in 0..PLACES {
        power *= power;
        bits *= 2;
        while power >= 1 << 16 {
            power >>= 1;
            bits += 1;
        }
    }
    // What is left of the power has 15 bits and a part of one.
    (PRECISION << PLACES) - 15 - bits
}

/// How often each context saw a 0 and a 1.
struct Counts([[u32; 2]; CONTEXTS]);

impl Decisions for Counts {
    fn decide(&mut self, context: usize, bit: bool) {
        self.0[context][usize::from(bit)] += 1;
    }
}

impl Counts {
    fn costs(&self) -> Costs {
        Costs(self.0.map(|[zeros, ones]| {
            // As if a half of each had been seen before.
            let probability = ((2 * ones + 1) << PRECISION) / (2 * (zeros + ones) + 2);
            let probability = u16::try_from(probability).expect("it is below 1").clamp(1, (1 << PRECISION) - 1);
            [cost((1 << PRECISION) - probability), cost(probability)]
        }))
    }
}

/// Writes decisions. `low` and `range` are the range that stands for all of them so far.
struct Encoder {
    contexts: [u16; CONTEXTS],
    low: u32,
    range: u32,
    bytes: Vec<u8>,
}

impl Encoder {
    fn new() -> Encoder {
        Encoder { contexts: [EVEN; CONTEXTS], low: 0, range: LEAST_RANGE, bytes: Vec::new() }
    }

    /// Adds to the lower end of the range. A carry goes into the bytes that were written.
    fn add(&mut self, more: u32) {
        let (low, carry) = self.low.overflowing_add(more);
        self.low = low;
        if carry {
            let place = self.bytes.iter().rposition(|byte| *byte < u8::MAX).expect("the range began below 1");
            self.bytes[place] += 1;
            self.bytes[place + 1..].fill(0);
        }
    }

    fn write_byte(&mut self) {
        self.bytes.push(self.low.to_be_bytes()[0]);
        self.low <<= 8;
    }

    fn finish(mut self) -> Vec<u8> {
        (0..4).for_each(|_| self.write_byte());
        // The unpacker begins behind the first byte, which is 0, and reads zeros behind the last one.
        let length = self.bytes.iter().rposition(|byte| *byte > 0).map_or(1, |last| last + 1);
        self.bytes[1..length].to_vec()
    }
}

impl Decisions for Encoder {
    fn decide(&mut self, context: usize, bit: bool) {
        let probability = &mut self.contexts[context];
        let part = (self.range >> PRECISION) * u32::from(*probability);
        model::adapt(probability, bit);
        if bit {
            self.range = part;
        } else {
            self.add(part);
            self.range -= part;
        }
        while self.range < LEAST_RANGE {
            self.write_byte();
            self.range <<= 8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::unpack;
    use super::*;

    fn unpack_all(packed: &[u8], length: usize) -> Vec<u8> {
        let mut room = vec![1; length];
        unpack::unpack(packed, &mut room);
        room
    }

    #[test]
    fn packed_bytes_unpack_to_what_they_were() {
        let mut number = 1_u32;
        let mut next = |most: u32| {
            number = number.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            (number >> 16) % most
        };
        for length in (0..40).chain([1000]) {
            for most in [1, 2, 16, 256] {
                let data: Vec<u8> = (0..length).map(|_| u8::try_from(next(most)).unwrap()).collect();
                assert_eq!(unpack_all(&pack(&data), length), data, "{length} bytes below {most}");
            }
        }
        // A carry through many bytes, and copies that reach into themselves.
        let data = [vec![0xff; 300], b"abcabcabcabcabcabcabcab".repeat(20), vec![0; 300]].concat();
        let packed = pack(&data);
        assert_eq!(unpack_all(&packed, data.len()), data);
        assert!(packed.len() < 60, "{} bytes", packed.len());
    }

    #[test]
    fn a_carry_goes_into_the_bytes_before() {
        let mut encoder = Encoder { bytes: vec![0, 7, 0xff, 0xff], low: 0xffff_ffff, ..Encoder::new() };
        encoder.add(2);
        assert_eq!((encoder.bytes, encoder.low), (vec![0, 8, 0, 0], 1));
    }

    #[test]
    fn text_is_packed_well() {
        let text = &include_bytes!("../../README.md")[..4000];
        let packed = pack(text);
        assert_eq!(unpack_all(&packed, text.len()), text);
        assert!(packed.len() * 10 < text.len() * 5, "{} of {} bytes", packed.len(), text.len());
    }

    #[test]
    fn a_cost_is_the_logarithm_of_the_probability() {
        for probability in 1..(1_u16 << PRECISION) {
            let exact = (f64::from(PRECISION) - f64::from(probability).log2()) * 64.0;
            assert!((f64::from(cost(probability)) - exact).abs() < 16.0, "{probability}");
        }
    }
}
