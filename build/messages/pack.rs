//! Packs the texts: one byte stands for a phrase that many texts share. English is half as long then, and the code that unpacks
//! it is small.
//!
//! A phrase is packed like a text, so it can contain other phrases. The packer looks for good phrases in two steps:
//!
//! 1. It joins the most frequent pair of neighbours, again and again. Each pair is a phrase, and there are too many of them.
//! 2. It packs the texts with all phrases, and removes the phrases that save least. It repeats that until each phrase has a code.

use super::format;
use std::collections::BTreeMap;

/// A phrase that occurs less often is not worth an entry.
const LEAST_COUNT: usize = 2;
/// The most phrases of the first step. Twice as many give the same size.
const MOST_CANDIDATES: usize = 1200;

/// Packs the texts, and returns the packed phrases in the order of `format`.
pub fn pack(texts: &mut [Vec<u8>]) -> Vec<Vec<u8>> {
    let mut codes = format::phrase_codes();
    let mut phrases = Phrases::new(candidates(texts));
    let phrases = loop {
        let savings = phrases.savings(texts);
        let bad = savings.iter().filter(|saved| **saved <= 0).count();
        let excess = phrases.0.len().saturating_sub(codes.len());
        if bad == 0 && excess == 0 {
            // rini looks for a phrase from the first one on, so the most frequent ones come first.
            let uses = phrases.uses(texts);
            let mut order: Vec<usize> = (0..phrases.0.len()).collect();
            order.sort_by_key(|index| std::cmp::Reverse(uses[*index]));
            break Phrases::new(order.into_iter().map(|index| phrases.0[index].clone()).collect());
        }
        // A few at a time, because the others save more after that.
        let count = bad.max(excess).min(phrases.0.len() / 64 + 1);
        let mut order: Vec<usize> = (0..phrases.0.len()).collect();
        order.sort_by_key(|index| savings[*index]);
        order.truncate(count);
        let mut index = 0..;
        phrases.0.retain(|_| index.next().is_some_and(|index| !order.contains(&index)));
        phrases = Phrases::new(phrases.0);
    };
    codes.truncate(phrases.0.len());
    let code = |piece: &Piece| match piece {
        Piece::Byte(byte) => *byte,
        Piece::Phrase(index) => codes[*index],
    };
    let encode = |pieces: Vec<Piece>| pieces.iter().map(code).collect::<Vec<u8>>();
    let packed = (0..phrases.0.len()).map(|index| encode(phrases.split_phrase(index)));
    // The code of the end of a text stands between the others. No text has it as a phrase.
    let mut packed: Vec<Vec<u8>> = packed.collect();
    let end = usize::from(format::END.wrapping_sub(format::FIRST_PHRASE));
    if packed.len() > end {
        packed.insert(end, Vec::new());
    }
    for text in &mut *texts {
        *text = encode(phrases.split(text, None));
    }
    packed
}

/// Finds phrases: joins the most frequent pair, again and again.
fn candidates(texts: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut joined: Vec<Vec<usize>> =
        texts.iter().map(|text| text.iter().map(|byte| usize::from(*byte)).collect()).collect();
    let mut phrases: Vec<Vec<u8>> = Vec::new();
    while phrases.len() < MOST_CANDIDATES {
        let mut counts = BTreeMap::new();
        for pair in joined.iter().flat_map(|text| text.windows(2)) {
            *counts.entry([pair[0], pair[1]]).or_insert(0) += 1;
        }
        let Some((pair, LEAST_COUNT..)) = counts.into_iter().max_by_key(|(_, count)| *count) else { break };
        let bytes =
            |symbol: usize| u8::try_from(symbol).map_or_else(|_| phrases[symbol - 256].clone(), |byte| vec![byte]);
        let phrase = [bytes(pair[0]), bytes(pair[1])].concat();
        for text in &mut joined {
            replace(text, pair, 256 + phrases.len());
        }
        phrases.push(phrase);
    }
    phrases.sort();
    phrases.dedup();
    phrases
}

fn replace(text: &mut Vec<usize>, pair: [usize; 2], symbol: usize) {
    let mut at = 0;
    while at + 1 < text.len() {
        if text[at..at + 2] == pair {
            text.splice(at..at + 2, [symbol]);
        }
        at += 1;
    }
}

/// A piece of a packed text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Byte(u8),
    /// The phrase with this index.
    Phrase(usize),
}

/// Phrases, and the indexes of those that begin with two bytes.
struct Phrases(Vec<Vec<u8>>, BTreeMap<[u8; 2], Vec<usize>>);

impl Phrases {
    fn new(phrases: Vec<Vec<u8>>) -> Phrases {
        let mut beginnings: BTreeMap<[u8; 2], Vec<usize>> = BTreeMap::new();
        for (index, phrase) in phrases.iter().enumerate() {
            beginnings.entry([phrase[0], phrase[1]]).or_default().push(index);
        }
        Phrases(phrases, beginnings)
    }

    /// Splits a text into the smallest number of pieces. A phrase itself is split without the phrase `except`.
    fn split(&self, text: &[u8], except: Option<usize>) -> Vec<Piece> {
        // By position: the number of pieces from there to the end, and the first of them.
        let mut best: Vec<(usize, Piece)> = vec![(0, Piece::Byte(0)); text.len() + 1];
        for at in (0..text.len()).rev() {
            best[at] = (best[at + 1].0 + 1, Piece::Byte(text[at]));
            let Some(next) = text.get(at + 1) else { continue };
            for index in self.1.get(&[text[at], *next]).into_iter().flatten() {
                let phrase = &self.0[*index];
                if Some(*index) != except && text[at..].starts_with(phrase) {
                    let count = best[at + phrase.len()].0 + 1;
                    if count < best[at].0 {
                        best[at] = (count, Piece::Phrase(*index));
                    }
                }
            }
        }
        let mut pieces = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let (_, piece) = best[at];
            pieces.push(piece);
            at += match piece {
                Piece::Byte(_) => 1,
                Piece::Phrase(index) => self.0[index].len(),
            };
        }
        pieces
    }

    fn split_phrase(&self, index: usize) -> Vec<Piece> {
        self.split(&self.0[index], Some(index))
    }

    /// How often each phrase occurs in the texts and in other phrases.
    fn uses(&self, texts: &[Vec<u8>]) -> Vec<isize> {
        let mut uses = vec![0; self.0.len()];
        let phrases = (0..self.0.len()).map(|index| self.split_phrase(index));
        for piece in texts.iter().map(|text| self.split(text, None)).chain(phrases).flatten() {
            if let Piece::Phrase(index) = piece {
                uses[index] += 1;
            }
        }
        uses
    }

    /// The number of bytes that each phrase saves.
    fn savings(&self, texts: &[Vec<u8>]) -> Vec<isize> {
        let saving = |(index, uses): (usize, isize)| {
            let length = isize::try_from(self.split_phrase(index).len()).expect("a short phrase");
            // An entry takes its bytes and an end.
            uses * (length - 1) - (length + 1)
        };
        self.uses(texts).into_iter().enumerate().map(saving).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unpacks as src/messages/catalog.rs does it.
    fn unpack(text: &[u8], phrases: &[Vec<u8>]) -> Vec<u8> {
        let phrase = |byte: u8| phrases.get(usize::from(byte.wrapping_sub(format::FIRST_PHRASE)));
        text.iter()
            .flat_map(|byte| phrase(*byte).map_or_else(|| vec![*byte], |phrase| unpack(phrase, phrases)))
            .collect()
    }

    #[test]
    fn packed_texts_unpack_to_what_they_were() {
        // Enough different phrases for every code.
        let mut number = 1_u32;
        let mut next = || {
            number = number.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            u8::try_from(number >> 16 & 0xff).unwrap()
        };
        let texts: Vec<Vec<u8>> = (0..150).map(|length| (0..length).map(|_| b' ' + next() % 16).collect()).collect();
        let mut packed = texts.clone();
        let phrases = pack(&mut packed);
        assert_eq!(phrases.len(), format::phrase_codes().len() + 1);
        let unpacked: Vec<Vec<u8>> = packed.iter().map(|text| unpack(text, &phrases)).collect();
        assert_eq!(unpacked, texts);
        assert!(phrases.iter().chain(&packed).flatten().all(|byte| *byte != format::END));
        assert!(phrases.concat().len() + phrases.len() + packed.concat().len() < texts.concat().len());
    }

    #[test]
    fn a_phrase_that_saves_nothing_is_none() {
        let mut texts = vec![b"ababab".to_vec(), vec![], b"a".to_vec()];
        assert_eq!(pack(&mut texts), Vec::<Vec<u8>>::new());
        assert_eq!(texts[0], b"ababab");
        let mut texts = vec![b"xabc.abc-abc+abc".to_vec()];
        assert_eq!((pack(&mut texts), texts), (vec![b"abc".to_vec()], vec![b"x\x7f.\x7f-\x7f+\x7f".to_vec()]));
    }

    #[test]
    fn a_phrase_can_contain_a_phrase() {
        let text = b"the end, the end; the end: the end! the-the+the*the/the=the?the the, the; the: the!".to_vec();
        let mut texts = vec![text.clone()];
        let phrases = pack(&mut texts);
        assert!(phrases.iter().flatten().any(|byte| *byte >= format::FIRST_PHRASE), "{phrases:?}");
        assert_eq!(unpack(&texts[0], &phrases), text);
    }
}
