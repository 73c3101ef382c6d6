//! Reads a file of texts. The head of rini.txt describes the form of such a file.

use super::Versions;
use super::format::form;

/// The forms that can stand in a heading.
const FORMS: [(&str, u8); 11] = [
    ("error", form::ERROR),
    ("warn", form::WARN),
    ("info", form::INFO),
    ("debug", form::DEBUG),
    ("trace", form::TRACE),
    ("child", form::CHILD),
    ("stderr", form::STDERR),
    ("stdout", form::STDOUT),
    ("help", form::HELP),
    ("part", form::PART),
    ("nothing", form::NOTHING),
];

/// The name of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name in the heading: `Name` or `Group::Name`.
    pub heading: String,
    /// The key in a table.
    pub key: Option<String>,
}

impl Name {
    /// The group and the name in it.
    pub fn group(&self) -> Option<(&str, &str)> {
        self.heading.split_once("::")
    }
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A character, or the byte of `format` for the end of a line.
    Character(u8),
    /// A placeholder.
    Placeholder(Placeholder),
}

/// `{name}`, `{name:?}` or `{name:d}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placeholder {
    /// The name.
    pub name: String,
    /// True for `{name:?}`: the value is in quotes.
    pub is_quoted: bool,
    /// True for `{name:d}`: the value is a number.
    pub is_number: bool,
}

/// A text.
#[derive(Debug, PartialEq, Eq)]
pub struct Text {
    /// Its name.
    pub name: Name,
    /// One of `form`.
    pub form: u8,
    /// The placeholders in the heading.
    pub declared: Vec<Placeholder>,
    /// The text.
    pub pieces: Vec<Piece>,
    /// The first line of the text, as the file has it.
    pub first_line: String,
}

/// Reads the file with this name: one text for each heading, and one for each line of a table.
pub fn read(file: &str, content: &str, versions: &Versions) -> Vec<Text> {
    let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in content.lines().filter(|line| !line.starts_with('#')) {
        if let Some(heading) = line.strip_prefix("== ") {
            sections.push((heading, Vec::new()));
        } else {
            sections.last_mut().expect("a heading before the first text").1.push(line);
        }
    }
    let mut texts: Vec<Text> = Vec::new();
    for (heading, lines) in sections {
        let mut words = heading.split(' ');
        let heading = words.next().unwrap_or_default().to_owned();
        let location = format!("{file}.txt, {heading}");
        let form = words.next().unwrap_or_else(|| panic!("{location}: a heading without a form"));
        let declared = words.map(|word| match word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) {
            Some(word) => placeholder(&location, word),
            None => panic!("{location}: {word} is no placeholder"),
        });
        let declared = declared.collect();
        let text = |key: Option<&str>, form, declared, lines: &[&str]| Text {
            name: Name { heading: heading.clone(), key: key.map(str::to_owned) },
            form,
            declared,
            pieces: pieces(&location, &lines.join("\n"), versions),
            first_line: lines.first().copied().unwrap_or_default().to_owned(),
        };
        if form == "table" {
            texts.extend(lines.into_iter().map(|line| {
                let (key, line) = line.split_once(' ').unwrap_or_else(|| panic!("{location}: a line without a key"));
                text(Some(key), form::PART, vec![], &[line])
            }));
            continue;
        }
        let known = FORMS.iter().find(|(known, _)| *known == form);
        let (_, form) = *known.unwrap_or_else(|| panic!("{location}: there is no form {form}"));
        texts.push(text(None, form, declared, &lines));
    }
    for (index, text) in texts.iter().enumerate() {
        let is_first = texts[..index].iter().all(|other| other.name != text.name);
        assert!(is_first, "{file}.txt: {:?} stands twice", text.name);
    }
    texts
}

/// Splits a text into its pieces.
fn pieces(location: &str, text: &str, versions: &Versions) -> Vec<Piece> {
    let is_packable = |byte: u8| matches!(byte, b'\n' | b' '..=b'~');
    assert!(text.bytes().all(is_packable), "{location}: only printable ASCII can be packed");
    let mut text = text.to_owned();
    for (placeholder, version) in versions {
        text = text.replace(placeholder, version);
    }
    let mut pieces = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        pieces.push(match byte {
            b'{' => {
                let word: String = bytes.by_ref().take_while(|byte| *byte != b'}').map(char::from).collect();
                Piece::Placeholder(placeholder(location, &word))
            }
            b'}' => panic!("{location}: a brace that belongs to no placeholder"),
            byte => Piece::Character(byte),
        });
    }
    pieces
}

/// Reads what stands between the braces of a placeholder.
fn placeholder(location: &str, word: &str) -> Placeholder {
    let (name, kind) = word.split_once(':').map_or((word, ""), |(name, kind)| (name, kind));
    let is_name = !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    assert!(is_name && matches!(kind, "" | "?" | "d"), "{location}: {{{word}}} is no placeholder");
    Placeholder { name: name.to_owned(), is_quoted: kind == "?", is_number: kind == "d" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_alone(content: &str) -> Vec<Text> {
        let versions = ["{version of rini}", "{version of tini}", "{version}"].map(|name| (name, "1.2".to_owned()));
        read("file", content, &versions)
    }

    fn placeholder(name: &str, kind: &str) -> Placeholder {
        Placeholder { name: name.to_owned(), is_quoted: kind == "?", is_number: kind == "d" }
    }

    fn characters(text: &[u8]) -> Vec<Piece> {
        text.iter().copied().map(Piece::Character).collect()
    }

    #[test]
    fn a_text_goes_from_its_heading_to_the_next() {
        let texts = read_alone(
            "# c\n== A warn\none\n\n# c\ntwo\n== B nothing {x} {y_2:d}\n== C stdout\n{version}{pid:d} {name:?}\n",
        );
        let names: Vec<&str> = texts.iter().map(|text| &*text.name.heading).collect();
        assert_eq!(names, ["A", "B", "C"]);
        assert_eq!(texts.iter().map(|text| text.form).collect::<Vec<_>>(), [form::WARN, form::NOTHING, form::STDOUT]);
        assert_eq!(texts[0].pieces, characters(b"one\n\ntwo"));
        assert_eq!((&*texts[0].first_line, &texts[0].declared[..]), ("one", &[][..]));
        assert_eq!(
            (&texts[1].pieces[..], &texts[1].declared[..]),
            (&[][..], &[placeholder("x", ""), placeholder("y_2", "d")][..])
        );
        let pieces = [
            characters(b"1.2"),
            vec![Piece::Placeholder(placeholder("pid", "d"))],
            characters(b" "),
            vec![Piece::Placeholder(placeholder("name", "?"))],
        ];
        assert_eq!(texts[2].pieces, pieces.concat());
    }

    #[test]
    fn a_line_of_a_table_is_a_text() {
        let texts = read_alone("== T table\nEPERM Not permitted\n* error {number}\n");
        let keys: Vec<_> =
            texts.iter().map(|text| (&*text.name.heading, text.name.key.as_deref(), text.form)).collect();
        assert_eq!(keys, [("T", Some("EPERM"), form::PART), ("T", Some("*"), form::PART)]);
        assert_eq!(
            texts[1].pieces,
            [characters(b"error "), vec![Piece::Placeholder(placeholder("number", ""))]].concat()
        );
    }

    #[test]
    fn a_name_can_belong_to_a_group() {
        let texts = read_alone("== A::B warn\n== C warn\n");
        assert_eq!((texts[0].name.group(), texts[1].name.group()), (Some(("A", "B")), None));
    }

    #[test]
    #[should_panic(expected = "file.txt, A: only printable ASCII")]
    fn other_characters_are_refused() {
        read_alone("== A warn\nna\u{ef}ve\n");
    }

    #[test]
    #[should_panic(expected = "file.txt, A: {no name} is no placeholder")]
    fn a_placeholder_is_a_name() {
        read_alone("== A warn\n{no name}\n");
    }

    #[test]
    #[should_panic(expected = "file.txt, A: a brace that belongs to no placeholder")]
    fn a_single_brace_is_refused() {
        read_alone("== A warn\nx}\n");
    }

    #[test]
    #[should_panic(expected = "file.txt, A: x is no placeholder")]
    fn a_heading_ends_with_placeholders() {
        read_alone("== A warn x\n");
    }

    #[test]
    #[should_panic(expected = "file.txt, A: there is no form loud")]
    fn an_unknown_form_is_refused() {
        read_alone("== A loud\ntext\n");
    }

    #[test]
    #[should_panic(expected = "file.txt: Name { heading: \"T\", key: Some(\"7\") } stands twice")]
    fn a_key_has_one_text() {
        read_alone("== T table\n7 one\n8 two\n7 three\n");
    }

    #[test]
    #[should_panic(expected = "file.txt, A: a heading without a form")]
    fn a_heading_without_a_form_is_refused() {
        read_alone("== A\ntext\n");
    }
}
