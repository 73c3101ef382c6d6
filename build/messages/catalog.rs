//! Numbers the texts, and lays them out in one row of bytes, the texts of each file together.
//!
//! The texts of rini.txt are in the order of their numbers. A text of another file has its number before it.
//! Then comes the form if the text is a message, then the text, and `format::END`.
//! A text of rini.txt that prints nothing is empty, without a form.

use super::format::{self, form};
use super::placeholders::Placeholders;
use super::read::{Name, Text};
use std::ops::Range;

/// All texts.
pub struct Catalog {
    /// The names. The first has the number 1.
    pub names: Vec<Name>,
    /// The loudest level of each message of the log, by its number. Messages of the log have the lowest numbers.
    pub loudest: Vec<u8>,
    /// The names under which each of the other messages is printed: a bit for each file. Their numbers follow.
    pub speakers: Vec<u8>,
    /// The first number of a text that is only a part of other texts. These come last.
    pub first_part: u8,
    /// All texts in a row.
    pub bytes: Vec<u8>,
    /// Where the texts of each file are in these bytes.
    pub files: Vec<(&'static str, Range<usize>)>,
}

impl Catalog {
    /// Puts the texts of the files into a catalog.
    pub fn of(files: &[(&'static str, Vec<Text>)], placeholders: &Placeholders) -> Catalog {
        let texts: Vec<&Text> = files.iter().flat_map(|(_, texts)| texts).collect();
        let names = sort_names(&texts);
        let is_part = |name: &Name| is_part(name, &texts);
        let first_part = number(names.iter().position(is_part).unwrap_or(names.len()));
        let loudest = names.iter().map(|name| loudest(name, &texts)).take_while(|level| *level > 0);
        let loudest: Vec<u8> = [0].into_iter().chain(loudest).collect();
        let others = names.iter().take(usize::from(first_part) - 1).skip(loudest.len() - 1);
        let speakers = others.map(|name| speakers(name, files)).collect();

        let mut bytes = Vec::new();
        let mut ranges = Vec::new();
        for (file, texts) in files {
            let is_own = ranges.is_empty();
            let numbered = texts.iter().map(|text| {
                (number(names.iter().position(|name| *name == text.name).expect("the name is known")), text)
            });
            let mut numbered: Vec<_> = numbered.collect();
            numbered.sort_by_key(|(number, _)| *number);
            let start = bytes.len();
            for (number, text) in numbered {
                if !is_own {
                    bytes.push(number);
                }
                if number < first_part && !(is_own && text.form == form::NOTHING) {
                    bytes.push(text.form);
                }
                bytes.extend(placeholders.encode(text));
                bytes.push(format::END);
            }
            ranges.push((*file, start..bytes.len()));
        }
        Catalog { names, loudest, speakers, first_part, bytes, files: ranges }
    }
}

/// The number of the name at this index.
pub fn number(index: usize) -> u8 {
    u8::try_from(index + 1).expect("a number is a byte: 255 names are the most")
}

/// Each name once: the messages of the log, then other messages, then parts of other texts; each in the order of the files,
/// so that the lines of a table stay together.
fn sort_names(texts: &[&Text]) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    for text in texts {
        if !names.contains(&text.name) {
            names.push(text.name.clone());
        }
    }
    names.sort_by_key(|name| (is_part(name, texts), loudest(name, texts) == 0));
    names
}

fn forms(name: &Name, texts: &[&Text]) -> impl Iterator<Item = u8> {
    texts.iter().filter(move |text| text.name == *name).map(|text| text.form)
}

fn is_part(name: &Name, texts: &[&Text]) -> bool {
    forms(name, texts).all(|form| form == form::PART)
}

/// The loudest level at which any file has this message, or 0 if a file has it outside the log.
fn loudest(name: &Name, texts: &[&Text]) -> u8 {
    let printed = forms(name, texts).filter(|form| *form != form::NOTHING);
    printed.map(|form| if form > form::TRACE { 0 } else { form }).min().unwrap_or(0)
}

/// The files that print this message, a bit for each. What the first file prints, all print.
fn speakers(name: &Name, files: &[(&'static str, Vec<Text>)]) -> u8 {
    let prints = |texts: &[Text]| texts.iter().any(|text| text.name == *name && text.form != form::NOTHING);
    assert!(files.len() <= 8, "the mask of the files is a byte");
    let [(_, first), ..] = files else { return 0 };
    if prints(first) {
        return u8::MAX;
    }
    files.iter().enumerate().filter(|(_, (_, texts))| prints(texts)).map(|(file, _)| 1 << file).sum()
}

#[cfg(test)]
mod tests {
    use super::super::read::read;
    use super::*;

    fn catalog(files: &[(&'static str, &str)]) -> Catalog {
        let versions = ["{version of rini}", "{version of tini}", "{version}"].map(|name| (name, String::new()));
        let read = |(file, content): &(&'static str, &str)| (*file, read(file, content, &versions));
        let files: Vec<_> = files.iter().map(read).collect();
        Catalog::of(&files, &Placeholders::read(&files))
    }

    fn of_two_files() -> Catalog {
        let first = "== Part part\np\n== Help stdout\nh\n== Quiet nothing\n== Done info\nd\n== Both debug\nb\n== Loud error\nl\n";
        let second = "== Done warn\nD\n== Both stderr\n== Quiet trace\nq\n== Loud nothing\n";
        catalog(&[("first", first), ("second", second)])
    }

    #[test]
    fn messages_of_the_log_have_the_first_numbers_and_parts_the_last() {
        let catalog = of_two_files();
        let names: Vec<&str> = catalog.names.iter().map(|name| &*name.heading).collect();
        assert_eq!(names, ["Quiet", "Done", "Loud", "Help", "Both", "Part"]);
        assert_eq!(catalog.first_part, 6);
    }

    #[test]
    fn the_loudest_level_of_all_files_decides() {
        assert_eq!(of_two_files().loudest, [0, form::TRACE, form::WARN, form::ERROR]);
    }

    #[test]
    fn a_message_outside_the_log_has_its_speakers() {
        let first = "== Help stdout\nh\n== Loud error\nl\n== Both nothing\n== Own nothing\n";
        let second = "== Own stderr\no\n== Both stderr\nb\n== Help nothing\n";
        let catalog = catalog(&[("first", first), ("second", second), ("third", "== Own stderr\nO\n")]);
        let names: Vec<&str> =
            catalog.names.iter().skip(catalog.loudest.len() - 1).map(|name| &*name.heading).collect();
        assert_eq!((names, catalog.speakers), (vec!["Help", "Both", "Own"], vec![u8::MAX, 0b010, 0b110]));
    }

    #[test]
    fn each_text_stands_with_its_number_and_its_form() {
        let catalog = of_two_files();
        let [(_, first), (_, second)] = &catalog.files[..] else { panic!("two files") };
        assert_eq!(catalog.bytes[first.clone()], *b"\0\x03d\0\x01l\0\x08h\0\x04b\0p\0");
        assert_eq!(catalog.bytes[second.clone()], *b"\x01\x05q\0\x02\x02D\0\x03\x0b\0\x05\x07\0");
        assert_eq!((first.start, first.end, second.end), (0, second.start, catalog.bytes.len()));
    }
}
