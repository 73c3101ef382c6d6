//! The placeholders of each message, and their numbers in a packed text.
//!
//! rini.txt declares them: a message has the placeholders of its text and of its heading there. The messages of a group share
//! theirs, and a table has `{number}` alone. A placeholder that is declared nowhere is an error of the build.

use super::format::{self, form};
use super::read::{Name, Piece, Placeholder, Text};
use std::collections::BTreeMap;

/// The name of the placeholder that a message of the form `child` needs: the process that is the author.
pub const CHILD: &str = "child";
/// The placeholder of a table's last line: the key.
const NUMBER: &str = "number";

/// The placeholders of all messages. Each has the number of its index.
pub struct Placeholders(BTreeMap<String, Vec<Placeholder>>);

impl Placeholders {
    /// Reads the declarations in rini.txt, which is the first of these files, and checks all files.
    pub fn read(files: &[(&str, Vec<Text>)]) -> Placeholders {
        let (_, own) = files.first().expect("rini.txt is there");
        let mut all: BTreeMap<String, Vec<Placeholder>> = BTreeMap::new();
        for text in own {
            let known = all.entry(owner(&text.name).to_owned()).or_default();
            for placeholder in text.declared.iter().chain(used(text)) {
                add(known, placeholder);
            }
        }
        for (file, texts) in files {
            for text in texts {
                check(file, text, own, &all);
                for placeholder in used(text).filter(|placeholder| placeholder.is_quoted) {
                    add(all.entry(owner(&text.name).to_owned()).or_default(), placeholder);
                }
            }
        }
        let has_child = |owner: &str| {
            let mut texts = files.iter().flat_map(|(_, texts)| texts);
            texts.any(|text| text.form == form::CHILD && self::owner(&text.name) == owner)
        };
        for (owner, placeholders) in &mut all {
            // The first numbers are those of the placeholders that can be in quotes.
            placeholders.sort_by_key(|placeholder| !placeholder.is_quoted);
            let quoted = placeholders.iter().filter(|placeholder| placeholder.is_quoted).count();
            let (most, most_quoted) = (usize::from(format::PLACEHOLDERS), usize::from(format::QUOTED));
            assert!(placeholders.len() <= most, "{owner}: more than {most} placeholders: {placeholders:?}");
            assert!(quoted <= most_quoted, "{owner}: more than {most_quoted} placeholders in quotes");
            if has_child(owner) {
                let is_first = placeholders.first().is_some_and(|first| first.name == CHILD);
                assert!(is_first, "{owner}: the first placeholder must be {{{CHILD}}}");
            }
        }
        Placeholders(all)
    }

    /// The placeholders of a message.
    pub fn of(&self, name: &Name) -> &[Placeholder] {
        self.0.get(owner(name)).map_or(&[], |placeholders| placeholders)
    }

    /// Turns a text into the bytes of `format`.
    pub fn encode(&self, text: &Text) -> Vec<u8> {
        let byte = |piece: &Piece| match piece {
            Piece::Character(byte) => *byte,
            Piece::Placeholder(Placeholder { name, is_quoted, .. }) => {
                let index = self.of(&text.name).iter().position(|known| known.name == *name).expect("it is checked");
                let first = if *is_quoted { format::FIRST_QUOTED } else { format::FIRST_PLACEHOLDER };
                first + u8::try_from(index).expect("it is checked")
            }
        };
        text.pieces.iter().map(byte).collect()
    }
}

fn used(text: &Text) -> impl Iterator<Item = &Placeholder> {
    text.pieces.iter().filter_map(|piece| match piece {
        Piece::Placeholder(placeholder) => Some(placeholder),
        Piece::Character(_) => None,
    })
}

/// Adds a placeholder to those that a message has. It is a number or in quotes if it is that anywhere.
fn add(known: &mut Vec<Placeholder>, placeholder: &Placeholder) {
    match known.iter_mut().find(|known| known.name == placeholder.name) {
        Some(known) => {
            known.is_quoted |= placeholder.is_quoted;
            known.is_number |= placeholder.is_number;
            assert!(!(known.is_quoted && known.is_number), "a number cannot be in quotes: {known:?}");
        }
        None => known.push(placeholder.clone()),
    }
}

/// The name under which the placeholders of a text are declared.
fn owner(name: &Name) -> &str {
    name.group().map_or(&name.heading, |(group, _)| group)
}

fn check(file: &str, text: &Text, own: &[Text], all: &BTreeMap<String, Vec<Placeholder>>) {
    let Name { heading, key } = &text.name;
    assert!(own.iter().any(|known| known.name == text.name), "{file}.txt, {heading}: rini.txt has no such message");
    for Placeholder { name, is_number, .. } in used(text) {
        let known = all.get(owner(&text.name)).and_then(|all| all.iter().find(|known| known.name == *name));
        let is_known = match key.as_deref() {
            None => known.is_some_and(|known| known.is_number || !is_number),
            Some(key) => key == "*" && name == NUMBER,
        };
        assert!(is_known, "{file}.txt, {heading}: this message has no placeholder {{{name}}}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::read::read;
    use super::*;

    fn read_all(own: &str, other: &str) -> (Placeholders, Vec<Text>) {
        let versions =
            [("{version of rini}", String::new()), ("{version of tini}", String::new()), ("{version}", String::new())];
        let files = [("rini", read("rini", own, &versions)), ("tini", read("tini", other, &versions))];
        let placeholders = Placeholders::read(&files);
        let [(_, own), (_, other)] = files;
        (placeholders, own.into_iter().chain(other).collect())
    }

    fn encoded(own: &str, other: &str) -> Vec<Vec<u8>> {
        let (placeholders, texts) = read_all(own, other);
        texts.iter().map(|text| placeholders.encode(text)).collect()
    }

    #[test]
    fn a_text_has_the_numbers_of_its_placeholders() {
        let texts = encoded("== A warn {x}\n{y}-{z}{y}\n== B warn\n{z}\n", "== A warn\n{z} {x}\n");
        assert_eq!(texts, [&b"\x16-\x17\x16"[..], b"\x15", b"\x17 \x15"]);
    }

    #[test]
    fn placeholders_in_quotes_have_the_first_numbers() {
        let texts = encoded("== A warn\n{x} {y}\n", "== A warn\n{x}{y:?}\n");
        assert_eq!(texts, [b"\x16 \x15", &b"\x16\x1d"[..]]);
    }

    #[test]
    fn the_messages_of_a_group_share_their_placeholders() {
        let (placeholders, texts) = read_all("== G::A warn\n{x}\n== G::B warn\n{y}\n", "");
        let names: Vec<&str> = placeholders.of(&texts[0].name).iter().map(|placeholder| &*placeholder.name).collect();
        assert_eq!(names, ["x", "y"]);
        assert_eq!(placeholders.encode(&texts[1]), b"\x16");
    }

    #[test]
    fn a_number_is_one_in_every_text() {
        let (placeholders, texts) = read_all("== A warn\n{x} {y}\n== B warn {z:d}\n{x}{x:d}\n", "== B warn\n{z}\n");
        let numbers =
            |index: usize| placeholders.of(&texts[index].name).iter().map(|one| one.is_number).collect::<Vec<_>>();
        assert_eq!((numbers(0), numbers(1), numbers(2)), (vec![false, false], vec![true, true], vec![true, true]));
    }

    #[test]
    #[should_panic(expected = "a number cannot be in quotes")]
    fn a_number_in_quotes_is_refused() {
        read_all("== A warn\n{x:d}\n", "== A warn\n{x:?}\n");
    }

    #[test]
    #[should_panic(expected = "tini.txt, A: this message has no placeholder {x}")]
    fn only_rini_txt_declares_numbers() {
        read_all("== A warn\n{x}\n", "== A warn\n{x:d}\n");
    }

    #[test]
    #[should_panic(expected = "tini.txt, A: this message has no placeholder {z}")]
    fn an_unknown_placeholder_is_refused() {
        read_all("== A warn {y}\n{x}\n== B warn\n{z}\n", "== A warn\n{x} {z}\n");
    }

    #[test]
    #[should_panic(expected = "tini.txt, B: rini.txt has no such message")]
    fn an_unknown_message_is_refused() {
        read_all("== A warn\n", "== B warn\n");
    }

    #[test]
    #[should_panic(expected = "rini.txt, T: this message has no placeholder {key}")]
    fn a_table_has_its_number_alone() {
        read_all("== T table\n7 x\n* error {key}\n", "");
    }

    #[test]
    #[should_panic(expected = "A: the first placeholder must be {child}")]
    fn a_message_of_the_child_needs_its_pid() {
        read_all("== A warn\n{x}\n", "== A child\n{x}\n");
    }

    #[test]
    #[should_panic(expected = "A: more than 8 placeholders")]
    fn a_ninth_placeholder_is_refused() {
        read_all("== A warn {a} {b} {c} {d} {e} {f} {g} {h}\n{i}\n", "");
    }

    #[test]
    #[should_panic(expected = "A: more than 2 placeholders in quotes")]
    fn a_third_placeholder_in_quotes_is_refused() {
        read_all("== A warn\n{a:?} {b:?} {c:?}\n", "");
    }
}
