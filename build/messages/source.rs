//! Writes the source that src/messages/message.rs includes: a struct for each message, the tables, and where the texts are.
//!
//! A message that stands alone is a struct with a field for each placeholder:
//!
//! ```text
//! /// `killed {process}: the grace period is over`
//! pub struct Killed<'a> { pub process: &'a dyn Display }
//! ```
//!
//! The field of a number `{name:d}` is a `Decimal`.
//! A group is an enum of its names. If the group has placeholders, the struct `GroupMessage` has the name and the values.

use super::catalog::{self, Catalog};
use super::format::form;
use super::placeholders::Placeholders;
use super::read::{Name, Placeholder, Text};
use std::fmt::Write;

/// The key of a table for all keys that have no text of their own.
const ANY_OTHER: &str = "*";

/// Writes messages.rs.
pub fn write(files: &[(&str, Vec<Text>)], placeholders: &Placeholders, catalog: &Catalog) -> String {
    let mut source = String::new();
    Writer { files, placeholders, catalog, source: &mut source }.write().expect("a String takes everything");
    source
}

struct Writer<'a> {
    files: &'a [(&'a str, Vec<Text>)],
    placeholders: &'a Placeholders,
    catalog: &'a Catalog,
    source: &'a mut String,
}

impl Writer<'_> {
    fn write(&mut self) -> std::fmt::Result {
        let Catalog { names, loudest, speakers, first_part, files, .. } = self.catalog;
        let numbered = || names.iter().enumerate().map(|(index, name)| (name, catalog::number(index)));
        let mut groups: Vec<&str> = Vec::new();
        for (name, number) in numbered() {
            match name.group() {
                _ if name.key.is_some() => (),
                None => self.write_message(name, number)?,
                Some((group, _)) if groups.contains(&group) => (),
                Some((group, _)) => {
                    groups.push(group);
                    let members = numbered().filter(|(name, _)| name.group().is_some_and(|(known, _)| known == group));
                    self.write_group(group, &members.collect::<Vec<_>>())?;
                }
            }
        }
        let mut index = 0;
        for group in names.chunk_by(|one, next| one.key.is_some() && one.heading == next.heading) {
            if group[0].key.is_some() {
                write_table(group, catalog::number(index), self.source)?;
            }
            index += group.len();
        }
        let source = &mut *self.source;
        writeln!(source, "/// The loudest level of each message of the log, by its number.")?;
        writeln!(source, "pub(super) static LOUDEST: [u8; {}] = {loudest:?};", loudest.len())?;
        writeln!(
            source,
            "/// The files that print each of the other messages: a bit for each file. Their numbers follow."
        )?;
        writeln!(source, "pub(super) static SPEAKERS: [u8; {}] = {speakers:?};", speakers.len())?;
        writeln!(source, "/// The number of the first text that is only a part of other texts.")?;
        writeln!(source, "pub(super) const FIRST_PART: u8 = {first_part};")?;
        writeln!(source, "/// The range of each file's texts in all of them, by the number of the file.")?;
        let ranges: Vec<_> = files.iter().map(|(_, range)| (range.start, range.end)).collect();
        writeln!(source, "pub(super) static TEXTS: [(u16, u16); {}] = {ranges:?};", ranges.len())?;
        for (number, (file, _)) in files.iter().enumerate() {
            let file = file.to_uppercase().replace('-', "_");
            writeln!(source, "pub(super) const {file}: u8 = {number};")?;
        }
        Ok(())
    }

    fn write_message(&mut self, name: &Name, number: u8) -> std::fmt::Result {
        self.write_documentation("", name)?;
        self.write_struct(&name.heading, None, self.placeholders.of(name), &number.to_string())
    }

    /// Writes the enum of a group, and what makes a message of it.
    fn write_group(&mut self, group: &str, members: &[(&Name, u8)]) -> std::fmt::Result {
        writeln!(self.source, "/// A message of this group.")?;
        writeln!(self.source, "#[repr(u8)]\n#[derive(Clone, Copy, Debug, PartialEq, Eq)]\npub enum {group} {{")?;
        for (name, number) in members {
            self.write_documentation("    ", name)?;
            let (_, name) = name.group().expect("a member of a group");
            writeln!(self.source, "    {name} = {number},")?;
        }
        writeln!(self.source, "}}")?;
        match members.first().map_or(&[][..], |(name, _)| self.placeholders.of(name)) {
            [] => {
                writeln!(self.source, "impl Message for {group} {{")?;
                self.write_methods("*self as u8", &[])
            }
            names => {
                writeln!(self.source, "/// A message of the group [`{group}`], with the values of its placeholders.")?;
                self.write_struct(&format!("{group}Message"), Some(group), names, "self.name as u8")
            }
        }
    }

    fn write_struct(
        &mut self,
        name: &str,
        group: Option<&str>,
        fields: &[Placeholder],
        number: &str,
    ) -> std::fmt::Result {
        if fields.is_empty() {
            writeln!(self.source, "pub struct {name};\nimpl Message for {name} {{")?;
            return self.write_methods(number, fields);
        }
        let lifetime = |lifetime| if fields.iter().all(|field| field.is_number) { "" } else { lifetime };
        writeln!(self.source, "pub struct {name}{} {{", lifetime("<'a>"))?;
        if let Some(group) = group {
            writeln!(self.source, "    pub name: {group},")?;
        }
        for field in fields {
            let kind = if field.is_number { "Decimal" } else { "&'a dyn Display" };
            writeln!(self.source, "    pub {}: {kind},", field.name)?;
        }
        writeln!(self.source, "}}\nimpl Message for {name}{} {{", lifetime("<'_>"))?;
        self.write_methods(number, fields)
    }

    fn write_methods(&mut self, number: &str, fields: &[Placeholder]) -> std::fmt::Result {
        let value = |field: &Placeholder| {
            let kind = if field.is_number { "Number" } else { "Display" };
            format!("Value::{kind}(self.{})", field.name)
        };
        let values: Vec<String> = fields.iter().map(value).collect();
        writeln!(self.source, "    #[inline(always)]\n    fn number(&self) -> u8 {{\n        {number}\n    }}")?;
        writeln!(self.source, "    #[inline(always)]")?;
        writeln!(self.source, "    fn values(&self) -> impl AsRef<[Value<'_>]> {{")?;
        writeln!(self.source, "        let values: [Value<'_>; {}] = [{}];", values.len(), values.join(", "))?;
        writeln!(self.source, "        values\n    }}\n}}")
    }

    /// Quotes the first line of each text of a message.
    fn write_documentation(&mut self, indent: &str, name: &Name) -> std::fmt::Result {
        let mut is_first = true;
        for (file, texts) in self.files {
            let Some(text) = texts.iter().find(|text| text.name == *name && text.form != form::NOTHING) else {
                continue;
            };
            if !is_first {
                writeln!(self.source, "{indent}///")?;
            }
            writeln!(self.source, "{indent}/// {file}: `{}`", text.first_line.replace('`', "'"))?;
            is_first = false;
        }
        if is_first { writeln!(self.source, "{indent}/// No text.") } else { Ok(()) }
    }
}

/// Writes a `Table`, or a `List` if the keys are 0, 1, 2 and so on.
fn write_table(names: &[Name], first: u8, source: &mut String) -> std::fmt::Result {
    let heading = &names[0].heading;
    let constant = constant_of(heading);
    let keys: Vec<&str> = names.iter().filter_map(|name| name.key.as_deref()).collect();
    writeln!(source, "/// The table {heading} of rini.txt.")?;
    if let Some((&ANY_OTHER, keys)) = keys.split_last() {
        let is_number = |key: &str| key.bytes().all(|byte| byte.is_ascii_digit());
        let key = |key: &&str| if is_number(key) { (*key).to_owned() } else { format!("libc::{key} as u16") };
        let keys: Vec<String> = keys.iter().map(key).collect();
        writeln!(source, "#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]")?;
        writeln!(source, "pub const {constant}: Table = Table {{ first: {first}, keys: &[{}] }};", keys.join(", "))
    } else {
        let counts = keys.iter().enumerate().all(|(index, key)| *key == index.to_string());
        assert!(counts, "{heading}: the last key is neither *, nor are the keys 0, 1, 2 and so on");
        writeln!(source, "pub const {constant}: List = List {{ first: {first}, count: {} }};", keys.len())
    }
}

/// `CapabilityNames` → `CAPABILITY_NAMES`
fn constant_of(heading: &str) -> String {
    let mut constant = String::new();
    for c in heading.chars() {
        if c.is_ascii_uppercase() && !constant.is_empty() {
            constant.push('_');
        }
        constant.push(c.to_ascii_uppercase());
    }
    constant
}

#[cfg(test)]
mod tests {
    use super::super::read::read;
    use super::*;

    fn source(own: &str, other: &str) -> String {
        let versions = ["{version of rini}", "{version of tini}", "{version}"].map(|name| (name, String::new()));
        let files = [("rini", read("rini", own, &versions)), ("dumb-init", read("dumb-init", other, &versions))];
        let placeholders = Placeholders::read(&files);
        write(&files, &placeholders, &Catalog::of(&files, &placeholders))
    }

    #[track_caller]
    fn assert_has(source: &str, lines: &[&str]) {
        for line in lines {
            assert!(source.contains(&format!("{line}\n")), "{line} in {source}");
        }
    }

    #[test]
    fn a_message_has_a_field_for_each_placeholder() {
        let source = source(
            "== Killed warn {code:d}\nkilled {process} {name:?}\n== Started info\n{pid:d}\n== Done info\ndone\nand more\n",
            "",
        );
        assert_has(
            &source,
            &[
                "/// rini: `killed {process} {name:?}`\npub struct Killed<'a> {\n    pub name: &'a dyn Display,\n    \
                 pub code: Decimal,\n    pub process: &'a dyn Display,\n}\nimpl Message for Killed<'_> {",
                "        1\n    }",
                "        let values: [Value<'_>; 3] = [Value::Display(self.name), Value::Number(self.code), Value::Display(self.process)];",
                "pub struct Started {\n    pub pid: Decimal,\n}\nimpl Message for Started {",
                "/// rini: `done`\npub struct Done;\nimpl Message for Done {",
                "        let values: [Value<'_>; 0] = [];",
            ],
        );
    }

    #[test]
    fn a_message_quotes_its_texts_in_all_files() {
        let source = source("== A warn\na\n== B nothing\n== C nothing\n", "== A warn\nother\n== B info\nb\n");
        assert_has(
            &source,
            &[
                "/// rini: `a`\n///\n/// dumb-init: `other`\npub struct A;",
                "/// dumb-init: `b`\npub struct B;",
                "/// No text.\npub struct C;",
            ],
        );
    }

    #[test]
    fn a_group_is_an_enum_of_its_names() {
        let source = source("== G::A warn\n{x}\n== H::A info\n== G::B warn\n{y}\n", "");
        assert_has(
            &source,
            &[
                "pub enum G {\n    /// rini: `{x}`\n    A = 1,\n    /// rini: `{y}`\n    B = 3,\n}",
                "pub struct GMessage<'a> {\n    pub name: G,\n    pub x: &'a dyn Display,\n    pub y: &'a dyn Display,\n}",
                "        self.name as u8\n    }",
                "        let values: [Value<'_>; 2] = [Value::Display(self.x), Value::Display(self.y)];",
                "pub enum H {\n    /// rini: ``\n    A = 2,\n}\nimpl Message for H {",
                "        *self as u8\n    }",
            ],
        );
    }

    #[test]
    fn tables_have_their_keys_and_files_their_places() {
        let own = "== Done info\ndone\n== CapNames table\n0 A\n1 B\n== Errnos table\nEPERM x\n7 y\n* z\n";
        let source = source(own, "== Done info\nx\n");
        assert_has(
            &source,
            &[
                "pub const CAP_NAMES: List = List { first: 2, count: 2 };",
                "pub const ERRNOS: Table = Table { first: 4, keys: &[libc::EPERM as u16, 7] };",
                "pub(super) static LOUDEST: [u8; 2] = [0, 3];",
                "pub(super) static SPEAKERS: [u8; 0] = [];",
                "pub(super) const FIRST_PART: u8 = 2;",
                "pub(super) static TEXTS: [(u16, u16); 2] = [(0, 16), (16, 20)];",
                "pub(super) const RINI: u8 = 0;",
                "pub(super) const DUMB_INIT: u8 = 1;",
            ],
        );
    }

    #[test]
    #[should_panic(expected = "T: the last key is neither *, nor are the keys 0, 1, 2")]
    fn a_table_without_a_text_for_other_keys_is_refused() {
        source("== T table\n3 x\n8 y\n", "");
    }
}
