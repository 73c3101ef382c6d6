//! For tests: the options in the help, the documentation, the completions and the fuzzer's dictionary, checked against the rows
//! of rini's option table, both ways.
//!
//! A failing check names the file, what is missing, and the line to add. With `RINI_WRITE=1` the test adds these lines itself.
//! It takes the sentences from the row; please improve them, as the checks only compare names, values, variables and defaults.

use crate::cli::options::OptionKind;
use crate::cli::personality::RINI;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// An option, as the documentation shows it. A text is empty if there is nothing to show.
#[derive(Clone)]
struct Documented {
    letter: Option<char>,
    /// The long option, without dashes.
    word: String,
    /// The name of the value.
    value: String,
    /// The option's variables, tini's among them.
    variables: Vec<String>,
    default: String,
    help: String,
}

impl Documented {
    /// `-t, --grace-period DURATION`, with this before and after each name.
    fn names(&self, before: &str, after: &str) -> String {
        let letter = self.letter.map_or(String::new(), |letter| format!("{before}-{letter}{after}, "));
        let value = if self.value.is_empty() { String::new() } else { format!(" {}", self.value) };
        format!("{letter}{before}--{}{value}{after}", self.word)
    }

    /// The meaning: the help without the default in brackets at its end.
    fn meaning(&self) -> &str {
        let without = self.help.strip_suffix(']').and_then(|help| help.rsplit_once(" ["));
        without.map_or(&*self.help, |(meaning, _)| meaning)
    }

    /// The meaning as the beginning of a sentence.
    fn sentence(&self) -> String {
        let mut chars = self.meaning().chars();
        chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect()
    }

    /// The default as a cell of a table.
    fn default_cell(&self) -> String {
        match &*self.default {
            "off" | "none" | "" => self.default.clone(),
            value => format!("`{value}`"),
        }
    }

    fn variables_cell(&self) -> String {
        self.variables.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }

    /// `t/grace-period=`, as fish's argparse has it.
    fn spec(&self) -> String {
        let letter = self.letter.map_or(String::new(), |letter| format!("{letter}/"));
        format!("{letter}{}{}", self.word, if self.value.is_empty() { "" } else { "=" })
    }
}

/// rini's options, from its table.
fn options() -> Vec<Documented> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut options: Vec<Documented> = vec![];
    for (row, shown) in RINI.options.iter().zip(RINI.options.shown) {
        let variable = Some(text(row.variable)).filter(|name| !name.is_empty());
        if row.word.is_empty() {
            // One more variable of the option before. TINI_VERBOSITY comes after it.
            let variables = &mut options.last_mut().unwrap().variables;
            let end = variables.iter().position(|name| name.starts_with("TINI_")).unwrap_or(variables.len());
            variables.splice(end..end, variable);
            continue;
        }
        let of_tini = RINI.variables.iter().filter(|own| own.kind == row.kind).map(|own| own.name);
        let level = (RINI.has_tini_verbosity && row.kind == OptionKind::Verbose).then_some("TINI_VERBOSITY");
        options.push(Documented {
            letter: Some(char::from(row.letter)).filter(|letter| *letter != '\0'),
            word: text(row.word.strip_prefix(b"--").unwrap()),
            value: shown.value.to_owned(),
            variables: variable.into_iter().chain(of_tini.chain(level).map(str::to_owned)).collect(),
            default: shown.default.to_owned(),
            help: shown.help.to_owned(),
        });
    }
    options
}

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn read_file(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Options as a text names them, by their words: the letter, and whether a value follows.
type Names = BTreeMap<String, (Option<char>, bool)>;

/// A section of a file that names all options, a line for each.
struct Section {
    file: &'static str,
    /// The texts that the section begins with, and that it ends before.
    bounds: (&'static str, &'static str),
    read: fn(&str) -> Names,
    /// The line for an option.
    line: fn(&Documented) -> String,
    /// What the line has to contain, besides the names.
    facts: fn(&Documented) -> String,
}

/// The text of `--help`, and where it stands in the file.
const HELP: &str = "src/messages/texts/rini.txt";
const HELP_BOUNDS: (&str, &str) = ("== Answer::Help stdout {argv0} {basename}\n", "\n== ");

const SECTIONS: &[Section] = &[
    Section {
        file: HELP,
        bounds: HELP_BOUNDS,
        read: read_help,
        line: |option| {
            let indent = if option.letter.is_some() { "  " } else { "      " };
            format!("{:<32} {}", format!("{indent}{}", option.names("", "")), option.help)
        },
        facts: |option| if option.default.is_empty() { String::new() } else { format!(" {}", option.help) },
    },
    Section {
        file: "README.md",
        bounds: ("\n## Options\n", "\n## "),
        read: read_table,
        line: |option| format!("| {} | {} | {} |", option.names("`", "`"), option.default_cell(), option.meaning()),
        facts: |option| {
            if option.default.is_empty() { String::new() } else { format!(" | {} | ", option.default_cell()) }
        },
    },
    Section {
        file: "docs/options.md",
        bounds: ("\n## Options\n", "\n## "),
        read: read_table,
        line: |option| {
            let (names, variables) = (option.names("`", "`"), option.variables_cell());
            table_row(&[&names, &variables, &option.default_cell(), option.meaning()])
        },
        facts: |option| {
            let cells = table_row(&[&option.variables_cell(), &option.default_cell()]);
            format!(" {cells} ")
        },
    },
    Section {
        file: "packaging/rini.1",
        bounds: ("\n.Sh OPTIONS\n", "\n.Sh "),
        read: read_man_page,
        line: |option| {
            let letter = option.letter.map_or(String::new(), |letter| format!(" Fl {letter} ,"));
            let value = if option.value.is_empty() { String::new() } else { format!(" Ar {}", option.value) };
            let mut item = format!(".It{letter} Fl -{}{value}\n{}.", option.word, option.sentence());
            if let Some((last, others)) = option.variables.split_last() {
                item += if others.is_empty() { "\nVariable:" } else { "\nVariables:" };
                others.iter().for_each(|name| item += &format!("\n.Ev {name} ,"));
                item += &format!("\n.Ev {last} .");
            }
            item
        },
        facts: |_| String::new(),
    },
    Section {
        file: "packaging/completions/rini.bash",
        bounds: ("local options='", "'"),
        read: read_specs,
        line: |option| format!("        {}", option.spec()),
        facts: |_| String::new(),
    },
    Section {
        file: "packaging/completions/_rini",
        bounds: ("_arguments ", "'(-)1:"),
        read: read_zsh,
        line: |option| {
            let (plus, equals) = if option.value.is_empty() { ("", "") } else { ("+", "=") };
            let escape = |text: &str| text.replace('\'', r"'\''").replace(':', r"\:");
            let meaning = escape(option.meaning());
            let value = if option.value.is_empty() { String::new() } else { format!(":{}: ", escape(&option.value)) };
            match option.letter {
                Some(letter) => format!("    {{-{letter}{plus},--{}{equals}}}'[{meaning}]{value}' \\", option.word),
                None => format!("    '--{}{equals}[{meaning}]{value}' \\", option.word),
            }
        },
        facts: |_| String::new(),
    },
    Section {
        file: "packaging/completions/rini.fish",
        bounds: ("set -l options", "argparse"),
        read: read_specs,
        line: |option| format!("        {} \\", option.spec()),
        facts: |_| String::new(),
    },
    Section {
        file: "packaging/completions/rini.fish",
        bounds: ("\nset -l before ", "\ncomplete -c rini -x "),
        read: read_fish,
        line: |option| {
            let letter = option.letter.map_or(String::new(), |letter| format!(" -s {letter}"));
            let value = if option.value.is_empty() { "" } else { " -x" };
            let meaning = option.sentence().replace('\'', r"\'");
            format!("complete -c rini -n $before{letter} -l {}{value} -d '{meaning}'", option.word)
        },
        facts: |_| String::new(),
    },
];

fn table_row(cells: &[&str]) -> String {
    // An empty cell is one space wide.
    cells.iter().map(|cell| if cell.is_empty() { "| ".to_owned() } else { format!("| {cell} ") }).collect::<String>()
        + "|"
}

/// Reads `-e`, `--remap-exit`, `CODE`: a letter belongs to the word after it, and anything else is a value.
fn read_listed<'a>(words: impl Iterator<Item = &'a str>) -> Names {
    let mut names = Names::new();
    let (mut letter, mut last) = (None, None);
    for word in words {
        if let Some(name) = word.strip_prefix("--") {
            names.insert(name.to_owned(), (letter.take(), false));
            last = Some(name);
        } else if let Some(name) = word.strip_prefix('-') {
            letter = name.chars().next();
        } else if let Some((_, has_value)) = last.and_then(|last| names.get_mut(last)) {
            *has_value = true;
        }
    }
    names
}

fn read_help(section: &str) -> Names {
    let lines = section.lines().map(str::trim).filter(|line| line.starts_with('-'));
    let words = lines.flat_map(|line| line.split("  ").next().unwrap().split(' '));
    // The longest names leave room for one space only, and the meaning begins with a small letter.
    let words = words.filter(|word| word.starts_with(['-', '[']) || word.starts_with(|c: char| c.is_ascii_uppercase()));
    read_listed(words.map(|word| word.trim_end_matches(',')))
}

/// Reads the first cells of a table, such as: `-e`, `--remap-exit CODE[:TO],...`, repeatable
fn read_table(section: &str) -> Names {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `-"));
    // Within a cell, a vertical bar has a backslash before it.
    let cells = rows.map(|row| format!("-{}", row.replace("\\|", "/").split('|').next().unwrap()));
    let plain = cells.map(|cell| cell.replace(", repeatable", "").replace(['`', ',', ';'], ""));
    read_listed(plain.collect::<Vec<_>>().join(" ").split_whitespace())
}

fn read_man_page(section: &str) -> Names {
    let items = section.lines().filter_map(|line| line.strip_prefix(".It "));
    let plain = items.collect::<Vec<_>>().join(" ").replace("Fl ", "-");
    read_listed(plain.split(' ').filter(|word| *word != ","))
}

/// Reads words such as `e/remap-exit=`.
fn read_specs(section: &str) -> Names {
    let spec = |word: &str| {
        let name = word.trim_end_matches('=');
        let (letter, name) = name.split_once('/').map_or((None, name), |(letter, name)| (letter.chars().next(), name));
        (name.to_owned(), (letter, word.ends_with('=')))
    };
    section.split_whitespace().filter(|word| *word != "\\").map(spec).collect()
}

fn read_fish(section: &str) -> Names {
    let option = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let after = |flag: &str| words.iter().position(|word| *word == flag).map(|at| words[at + 1]);
        let letter = after("-s").and_then(|letter| letter.chars().next());
        Some((after("-l")?.to_owned(), (letter, words.contains(&"-x"))))
    };
    section.lines().filter(|line| line.starts_with("complete ")).filter_map(option).collect()
}

/// Reads `{-e+,--remap-exit=}'[...` and `'--stop-delay=[...`.
fn read_zsh(section: &str) -> Names {
    let names = |line: &str| line.split_once('[').map_or("", |(names, _)| names).to_owned();
    let words = section.lines().skip(1).map(names).collect::<Vec<_>>().join(",");
    let plain = words.replace("'(- *)'", "").replace("'*'", "").replace(['{', '}', '\'', ' ', '+'], "");
    read_listed(plain.replace('=', ",VALUE").split(',').filter(|word| !word.is_empty()))
}

/// The start and the end of a section in a text.
fn find_section(text: &str, file: &str, (from, to): (&str, &str)) -> (usize, usize) {
    let start = text.find(from).unwrap_or_else(|| panic!("{file}: no {from:?}")) + from.len();
    let length = text[start..].find(to).unwrap_or_else(|| panic!("{file}: no {to:?} after {from:?}"));
    (start, start + length)
}

/// A mistake in a file, and how to correct it.
struct Mistake {
    /// What is wrong, and what to do.
    description: String,
    /// The line to add, and where it goes: before the line that has this text.
    addition: Option<(String, &'static str)>,
}

/// The name of a section in a message.
fn title(file: &str, bounds: (&str, &str)) -> String {
    format!("{file}: the section after {:?}", bounds.0.trim())
}

impl Section {
    fn find_mistakes(&self, text: &str, options: &[Documented]) -> Vec<Mistake> {
        let (start, end) = find_section(text, self.file, self.bounds);
        let section = &text[start..end];
        let (names, title) = ((self.read)(section), title(self.file, self.bounds));
        let mut mistakes = vec![];
        for option in options {
            let (word, line) = (&option.word, (self.line)(option));
            let facts = (self.facts)(option);
            let (description, is_missing) = match names.get(word) {
                None => (format!("{title} lacks --{word}. Add this:\n{line}"), true),
                Some(name) if *name != (option.letter, !option.value.is_empty()) => (
                    format!(
                        "{title} has another letter or value for --{word} than its row. Correct it as here:\n{line}"
                    ),
                    false,
                ),
                Some(_) if !lines_with(section, word).any(|line| line.contains(&facts)) => {
                    (format!("{title}: the line of --{word} lacks {facts:?}. Correct it as here:\n{line}"), false)
                }
                Some(_) => continue,
            };
            mistakes.push(Mistake { description, addition: is_missing.then_some((line, "license")) });
        }
        for word in names.keys().filter(|word| !options.iter().any(|option| option.word == **word)) {
            let description = format!("{title} has --{word}, and no row of the table has it. Remove it.");
            mistakes.push(Mistake { description, addition: None });
        }
        mistakes
    }
}

/// The lines that name a long option; all lines in a section that has none by this name.
fn lines_with<'a>(section: &'a str, word: &str) -> impl Iterator<Item = &'a str> {
    let name = format!("--{word}");
    let is_end = |rest: &str| !rest.starts_with(|c: char| c == '-' || c.is_ascii_alphanumeric());
    section.lines().filter(move |line| {
        !section.contains(&name) || line.match_indices(&name).any(|(at, _)| is_end(&line[at + name.len()..]))
    })
}

/// The variables in a text that begin with `RINI_` or `TINI_`.
fn read_variables(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_uppercase() && c != '_');
    let is_variable = |word: &&str| {
        let rest = word.strip_prefix("RINI_").or_else(|| word.strip_prefix("TINI_"));
        rest.is_some_and(|rest| !rest.is_empty())
    };
    words.filter(is_variable).map(str::to_owned).collect()
}

/// A section of a file that names all variables.
struct VariableSection {
    file: &'static str,
    bounds: (&'static str, &'static str),
    /// Whether it names tini's variables too.
    has_tini: bool,
    /// The line for a variable of an option.
    line: fn(&str, &Documented) -> String,
    /// The text in the line before which a new line goes. None: a person has to find room.
    anchor: Option<&'static str>,
}

const VARIABLE_SECTIONS: &[VariableSection] = &[
    VariableSection {
        file: "docs/options.md",
        bounds: ("\n## Variables\n", "\n## "),
        has_tini: true,
        line: |name, option| {
            format!("| `{name}` | {} |", if option.value.is_empty() { "a boolean" } else { "as the option" })
        },
        anchor: Some("| `RINI_LOG`"),
    },
    VariableSection {
        file: "packaging/rini.1",
        bounds: ("\n.Sh OPTIONS\n", "\n.Sh "),
        has_tini: true,
        line: |name, option| format!("Variable:\n.Ev {name} . (in the item of --{})", option.word),
        anchor: None,
    },
    VariableSection {
        file: "packaging/rini.1",
        bounds: ("\n.Sh ENVIRONMENT\n", "\n.Sh "),
        has_tini: true,
        line: |name, option| {
            let end = if option.value.is_empty() {
                "\non\n.Pq Li 1 , yes , true , on\nor off\n.Pq Li 0 , no , false , off ."
            } else {
                " ."
            };
            let verb = if option.value.is_empty() { "Turn" } else { "The value of" };
            format!(".It Ev {name}\n{verb}\n.Fl -{}{end}", option.word)
        },
        anchor: Some(".It Ev RINI_LOG"),
    },
    VariableSection {
        file: DICTIONARY,
        bounds: ("# ", "\n\"--"),
        has_tini: true,
        line: |name, _| format!("\"{name}=\""),
        anchor: Some("\"RINI_LOG=\""),
    },
];

impl VariableSection {
    fn find_mistakes(&self, text: &str, options: &[Documented]) -> Vec<Mistake> {
        let (start, end) = find_section(text, self.file, self.bounds);
        let mut found = read_variables(&text[start..end]);
        let title = title(self.file, self.bounds);
        let mut mistakes = vec![];
        for option in options {
            for name in option.variables.iter().filter(|name| self.has_tini || name.starts_with("RINI_")) {
                if !found.remove(name) {
                    let line = (self.line)(name, option);
                    let description = format!("{title} lacks {name}. Add this:\n{line}");
                    mistakes.push(Mistake { description, addition: self.anchor.map(|anchor| (line, anchor)) });
                }
            }
        }
        mistakes.extend(found.into_iter().map(|name| Mistake {
            description: format!("{title} has {name}, and no row of the table has it. Remove it."),
            addition: None,
        }));
        mistakes
    }
}

const DICTIONARY: &str = "tests/proof/fuzz/command_line.dict";

/// What the fuzzer's dictionary lacks of the options. It has those of the other inits too.
fn find_mistakes_in_dictionary(text: &str, options: &[Documented]) -> Vec<Mistake> {
    let names = options.iter().flat_map(|option| {
        let letter = option.letter.map(|letter| format!("\"-{letter}\""));
        [Some(format!("\"--{}\"", option.word)), letter].into_iter().flatten()
    });
    let missing = names.filter(|name| !text.lines().any(|line| line == name));
    let mistake = |name: String| Mistake {
        description: format!("{DICTIONARY} lacks an option. Add this:\n{name}"),
        addition: Some((name, "license")),
    };
    missing.map(mistake).collect()
}

/// The sentences that list the options without a variable: the file, and the text before and after the list.
const WITHOUT_VARIABLE: [(&str, &str, &str); 3] = [
    (HELP, "; ", " have none"),
    ("README.md", "Every setting but ", " has an environment variable"),
    ("docs/options.md", "\n", " have no variable"),
];

/// What is wrong with these sentences.
fn find_mistakes_in_sentence(file: &str, text: &str, options: &[Documented]) -> Vec<Mistake> {
    let without = options.iter().filter(|option| option.variables.is_empty() && !option.default.is_empty());
    let names = without.map(|option| match option.letter {
        Some(letter) => format!("`-{letter}`"),
        None => format!("`--{}`", option.word),
    });
    let names: Vec<String> = names.collect();
    let (last, others) = names.split_last().unwrap();
    let list = format!("{} and {last}", others.join(", "));
    let (_, before, after) = WITHOUT_VARIABLE.iter().find(|(known, ..)| *known == file).unwrap();
    let list = if file == HELP { list.replace('`', "") } else { list };
    let sentence = format!("{before}{list}{after}");
    if text.contains(&sentence) {
        return vec![];
    }
    let description =
        format!("{file}: the sentence about options without a variable is wrong. Write:\n{}", sentence.trim());
    vec![Mistake { description, addition: None }]
}

/// All files that are checked.
fn files() -> BTreeSet<&'static str> {
    let sections = SECTIONS.iter().map(|section| section.file);
    sections.chain(VARIABLE_SECTIONS.iter().map(|section| section.file)).collect()
}

/// The mistakes in a file, each with the section that has it.
fn find_mistakes(file: &str, text: &str, options: &[Documented]) -> Vec<(Mistake, (&'static str, &'static str))> {
    let mut mistakes = vec![];
    for section in SECTIONS.iter().filter(|section| section.file == file) {
        let found = section.find_mistakes(text, options);
        mistakes.extend(found.into_iter().map(|mistake| (mistake, section.bounds)));
    }
    for section in VARIABLE_SECTIONS.iter().filter(|section| section.file == file) {
        let found = section.find_mistakes(text, options);
        mistakes.extend(found.into_iter().map(|mistake| (mistake, section.bounds)));
    }
    if file == DICTIONARY {
        mistakes
            .extend(find_mistakes_in_dictionary(text, options).into_iter().map(|mistake| (mistake, ("# ", "\"--\""))));
    }
    if WITHOUT_VARIABLE.iter().any(|(known, ..)| *known == file) {
        mistakes.extend(find_mistakes_in_sentence(file, text, options).into_iter().map(|mistake| (mistake, ("", ""))));
    }
    mistakes
}

/// Adds all lines that can be added to a file, and returns the new text.
fn add_lines(file: &str, mut text: String, options: &[Documented]) -> String {
    loop {
        let mistakes = find_mistakes(file, &text, options);
        // An addition can make another one superfluous, so only the first is made before the next look.
        let addition = mistakes.into_iter().find_map(|(mistake, bounds)| Some((mistake.addition?, bounds)));
        let Some(((line, anchor), bounds)) = addition else { return text };
        let (start, end) = find_section(&text, file, bounds);
        let at = text[start..end].find(anchor).unwrap_or_else(|| panic!("{file}: no {anchor:?}")) + start;
        let at = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        text.insert_str(at, &format!("{line}\n"));
    }
}

fn describe(mistakes: &[(Mistake, (&str, &str))]) -> Vec<String> {
    mistakes.iter().map(|(mistake, _)| mistake.description.clone()).collect()
}

#[test]
fn every_option_is_documented() {
    let options = options();
    let mut mistakes = vec![];
    for file in files() {
        let mut text = read_file(file);
        if std::env::var_os("RINI_WRITE").is_some() {
            text = add_lines(file, text, &options);
            fs::write(path(file), &text).unwrap();
        }
        mistakes.extend(describe(&find_mistakes(file, &text, &options)));
    }
    assert!(
        mistakes.is_empty(),
        "\n{}\n\nRINI_WRITE=1 cargo test --bin rini -- documentation:: adds most of these lines.\n",
        mistakes.join("\n\n")
    );
}

fn new_option() -> Documented {
    Documented {
        letter: Some('x'),
        word: "new-option".into(),
        value: String::new(),
        variables: vec!["RINI_NEW_OPTION".into()],
        default: "off".into(),
        help: "do PROGRAM's work: nothing [off]".into(),
    }
}

/// The mistakes that `every_option_is_documented` reports. The other tests pass over them.
fn known_mistakes(file: &str) -> Vec<String> {
    describe(&find_mistakes(file, &read_file(file), &options()))
}

/// The negative control, and the test of the additions: with one more option every file has mistakes, and the additions correct
/// them all.
#[test]
fn a_new_option_is_missing_in_every_file_until_its_lines_are_added() {
    for (letter, value) in [(Some('x'), ""), (None, ""), (Some('x'), "WHAT"), (None, "WHAT")] {
        let mut options = options();
        options.push(Documented { letter, value: value.to_owned(), ..new_option() });
        for file in files() {
            let (text, known) = (read_file(file), known_mistakes(file));
            let find_new = |text: &str| {
                let mut found = describe(&find_mistakes(file, text, &options));
                found.retain(|mistake| !known.contains(mistake));
                found
            };
            let before = find_new(&text);
            assert!(before.iter().any(|mistake| mistake.contains("lacks")), "{file}: {before:?}");
            assert!(before.iter().all(|mistake| mistake.starts_with(file)), "{before:?}");
            let text = add_lines(file, text, &options);
            let after = find_new(&text);
            assert_eq!(after, [""; 0], "{file}");
        }
    }
}

#[test]
fn each_section_is_compared_both_ways() {
    let options = options();
    let change = |change: fn(&mut Documented)| {
        let mut options = options.clone();
        change(options.iter_mut().find(|option| option.word == "subreaper").unwrap());
        options
    };
    for section in SECTIONS {
        let (text, known) = (read_file(section.file), known_mistakes(section.file));
        let find = |options: &[Documented]| {
            let mistakes = section.find_mistakes(&text, options);
            let descriptions = mistakes.into_iter().map(|mistake| mistake.description);
            descriptions.filter(|mistake| !known.contains(mistake)).collect::<Vec<_>>()
        };
        let mut fewer = options.clone();
        fewer.retain(|option| option.word != "subreaper");
        for (options, wanted) in [
            (fewer, &["has --subreaper, and no row"][..]),
            (change(|option| option.word = "reaper".into()), &["lacks --reaper", "has --subreaper, and no row"]),
            (change(|option| option.letter = Some('S')), &["another letter or value for --subreaper"]),
            (change(|option| option.letter = None), &["another letter or value for --subreaper"]),
            (change(|option| option.value = "WHAT".into()), &["another letter or value for --subreaper"]),
        ] {
            let found = find(&options);
            assert_eq!(found.len(), wanted.len(), "{}: {found:?}", section.file);
            assert!(found.iter().zip(wanted).all(|(found, wanted)| found.contains(wanted)), "{found:?}");
        }
        let is_table = section.file.ends_with(".md");
        let defaults = find(&change(|option| option.default = "on".into()));
        assert_eq!(defaults.len(), usize::from(is_table), "{}: {defaults:?}", section.file);
        let variables = find(&change(|option| option.variables.clear()));
        assert_eq!(variables.len(), usize::from(section.file == "docs/options.md"), "{}: {variables:?}", section.file);
        let help = find(&change(|option| option.help = "nothing".into()));
        assert_eq!(help.len(), usize::from(section.file == HELP), "{}: {help:?}", section.file);
    }
    for section in VARIABLE_SECTIONS {
        let (text, known) = (read_file(section.file), known_mistakes(section.file));
        let renamed = change(|option| option.variables = vec!["RINI_REAPER".into(), "TINI_SUBREAPER".into()]);
        let mut found = section.find_mistakes(&text, &renamed);
        found.retain(|mistake| !known.contains(&mistake.description));
        assert_eq!(found.len(), 2, "{}", section.file);
        assert!(found[0].description.contains("lacks RINI_REAPER"), "{}", found[0].description);
        assert!(found[1].description.contains("has RINI_SUBREAPER, and no row"), "{}", found[1].description);
    }
    for (file, ..) in WITHOUT_VARIABLE {
        let without = change(|option| option.variables.clear());
        assert_eq!(find_mistakes_in_sentence(file, &read_file(file), &without).len(), 1, "{file}");
    }
}

/// The README need not name all variables, and names no others.
#[test]
fn the_readme_names_only_variables_that_rini_has() {
    let known: BTreeSet<String> = options().into_iter().flat_map(|option| option.variables).collect();
    let readme = read_file("README.md");
    assert_eq!(read_variables(&readme).difference(&known).collect::<Vec<_>>(), [""; 0]);
    let wrong = read_variables(&format!("{readme} RINI_GRACE"));
    assert_eq!(wrong.difference(&known).collect::<Vec<_>>(), ["RINI_GRACE"]);
}

#[test]
fn a_row_gives_the_option_that_it_describes() {
    let options = options();
    let find = |word: &str| options.iter().find(|option| option.word == word).unwrap();
    let verbose = find("verbose");
    assert_eq!(
        (verbose.letter, &verbose.variables[..]),
        (Some('v'), &["RINI_LOG".into(), "TINI_VERBOSITY".into()][..])
    );
    let delay = find("stop-delay");
    assert_eq!((delay.letter, &*delay.value, &*delay.default), (None, "DURATION", "0"));
    assert_eq!(options.last().unwrap().word, "version");
    assert_eq!(RINI.options.iter().count(), RINI.options.rows.len());
    assert_eq!(options.len() + 1, RINI.options.rows.len(), "RINI_LOG has a row of its own");
}
