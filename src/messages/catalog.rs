//! The catalog of messages: finds the text of a message, fills it in, and logs or prints it.
//!
//! Each personality has a [`Catalog`]. It has the texts that users of that init may depend on, and rini's texts for all other
//! messages. The build packs the texts (`build/messages/`). rini unpacks them before its first message, without an allocation (size: 12).
#![forbid(unsafe_code)]

use crate::ground::bytes::{Decimal, Parts};
use crate::messages::message::{self, Answer, FIRST_PART, LOUDEST, List, Message, SPEAKERS, Table, Value};
use crate::messages::quote::Word;
use crate::messages::unpack::unpack;
use crate::sys::{BufferWriter, output, process, texts};
use format::form;
use log::Level;
use nix::errno::Errno;
use std::fmt::{self, Display, Write};

#[allow(dead_code)] // The build uses the other items.
#[path = "../../build/messages/format.rs"]
mod format;

/// The messages of a personality.
pub struct Catalog {
    /// The number of the file that has the texts that differ from rini's.
    file: u8,
}

impl Catalog {
    /// rini's messages.
    pub const RINI: Catalog = Catalog { file: message::RINI };
    /// tini's messages.
    pub const TINI: Catalog = Catalog { file: message::TINI };
    /// dumb-init's messages.
    pub const DUMB_INIT: Catalog = Catalog { file: message::DUMB_INIT };
    /// catatonit's messages.
    pub const CATATONIT: Catalog = Catalog { file: message::CATATONIT };
    /// The messages of Kubernetes' pause.
    pub const PAUSE: Catalog = Catalog { file: message::PAUSE };
    /// gosu's messages.
    pub const GOSU: Catalog = Catalog { file: message::GOSU };
    /// su-exec's messages.
    pub const SU_EXEC: Catalog = Catalog { file: message::SU_EXEC };

    /// Logs a message, or prints it if that is its form.
    #[inline(always)]
    pub fn log(&self, message: impl Message) {
        let _ = self.print(message);
    }

    /// Does the same, and returns the error if standard output refuses the message.
    #[inline(always)]
    pub fn print(&self, message: impl Message) -> Result<(), Errno> {
        self.print_numbered(message.number(), message.values().as_ref())
    }

    fn print_numbered(&self, number: u8, values: &[Value<'_>]) -> Result<(), Errno> {
        // This comes first: most containers log no signals, so rini need not unpack the texts and search for one (size: 30).
        if !self.may_print(number) {
            return Ok(());
        }
        let [form, codes @ ..] = self.find(number) else { return Ok(()) };
        let text = FilledText { codes, values };
        let level = match *form {
            // The level does not matter: the user asked for these lines, or rini cannot start.
            form @ (form::STDOUT | form::STDERR) => return write_line(form, &text),
            form::HELP => return write_line(form::STDERR, &self.fill(Answer::Help as u8, values)),
            form::CHILD => {
                if let [Value::Number(child), ..] = values {
                    self.write_log_line(Level::Error, *child, &text);
                }
                return Ok(());
            }
            form::ERROR => Level::Error,
            form::WARN => Level::Warn,
            form::INFO => Level::Info,
            form::DEBUG => Level::Debug,
            form::TRACE => Level::Trace,
            _ => return Ok(()),
        };
        if level <= log::max_level() {
            self.write_log_line(level, Decimal::from(process::own_pid()), &text);
        }
        Ok(())
    }

    /// Whether this message may have a text at the log's level. Other messages than those of the log have no level, and some
    /// of them only other inits print.
    fn may_print(&self, number: u8) -> bool {
        let number = usize::from(number);
        if let Some(loudest) = LOUDEST.get(number) {
            return usize::from(*loudest) <= log::max_level() as usize;
        }
        let speakers = number.checked_sub(LOUDEST.len()).and_then(|other| SPEAKERS.get(other));
        speakers.is_some_and(|speakers| speakers >> self.file & 1 != 0)
    }

    /// Finds the text of a message, with its form before it if the message is not only a part of others.
    /// Returns nothing if the message has no text.
    fn find(&self, number: u8) -> &'static [u8] {
        let split = |file| {
            let (from, to) = message::TEXTS.get(usize::from(file)).copied().unwrap_or_default();
            let texts = texts::all(unpack).get(from.into()..to.into()).unwrap_or_default();
            Parts::of(texts, format::END)
        };
        let is_own = |text: &&[u8]| self.file != message::RINI && text.first() == Some(&number);
        // rini's own texts are in the order of their numbers, which begin at 1.
        let text = match split(self.file).find(is_own) {
            Some(text) => text.get(1..),
            None => split(message::RINI).nth(usize::from(number).wrapping_sub(1)),
        };
        text.unwrap_or_default()
    }

    /// Fills in the text of a message.
    fn fill<'a>(&self, number: u8, values: &'a [Value<'a>]) -> FilledText<'a> {
        let form = usize::from(number < FIRST_PART);
        FilledText { codes: self.find(number).get(form..).unwrap_or_default(), values }
    }

    /// Writes a message of the log as a whole line on standard error. `author` is the pid of the process that logs it.
    ///
    /// A line has no time stamp, because the container engine adds one. After the start of the program, rini drops a line that does
    /// not fit into a full pipe, and ignores a closed or broken standard error: PID 1 must not wait or end because of a message.
    pub fn write_log_line(&self, level: Level, author: Decimal, message: &dyn Display) {
        let name = level.as_str();
        let tini_name = match level {
            Level::Error => "FATAL",
            Level::Warn => "WARN ",
            Level::Info => "INFO ",
            Level::Debug | Level::Trace => name,
        };
        let line =
            message::Line { level: &Word(name.as_bytes()), tini_level: &Word(tini_name.as_bytes()), author, message };
        let _ = write_line(form::STDERR, &self.fill(line.number(), line.values().as_ref()));
    }
}

/// The size of the longest line. A pipe takes a line of this size in one piece, whatever other processes write to it (pipe(7)).
const LONGEST: usize = libc::PIPE_BUF;

/// Writes a text as a line, to standard output or to standard error. A text that is too long is cut.
/// Standard error gives no error. (A function of its own, because the line is a page of the stack (size: 29).)
#[inline(never)]
fn write_line(form: u8, text: &FilledText<'_>) -> Result<(), Errno> {
    let (mut room, mut length) = ([0; LONGEST], 0);
    if let Some((_, line)) = room.split_last_mut() {
        let mut writer = BufferWriter { bytes: line, length: &mut length };
        let _ = write!(writer, "{text}");
        let lost = output::lost_lines();
        if lost > 0 {
            let message = message::LostLines { lines: Decimal(lost.into()) };
            let _ = write!(writer, "{}", Catalog::RINI.fill(message.number(), message.values().as_ref()));
        }
    }
    if let Some(end) = room.get_mut(length) {
        *end = b'\n';
    }
    let line = room.get(..=length).unwrap_or_default();
    if form == form::STDOUT {
        return output::print(line);
    }
    output::write_to_stderr(line);
    Ok(())
}

/// Writes rini's own text of a message.
#[inline(always)]
pub fn write_message(message: impl Message, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write_numbered(message.number(), message.values().as_ref(), f)
}

fn write_numbered(number: u8, values: &[Value<'_>], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    Catalog::RINI.fill(number, values).fmt(f)
}

impl Table {
    /// Writes the text of a key.
    pub fn write(&self, key: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = self.keys.iter().position(|known| u32::from(*known) == key).unwrap_or(self.keys.len());
        write_numbered(nth(self.first, index), &[Value::Number(Decimal(key.into()))], f)
    }
}

impl List {
    /// Writes the text of a key.
    pub fn write(&self, key: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_numbered(nth(self.first, key), &[], f)
    }
}

fn nth(first: u8, index: usize) -> u8 {
    first.saturating_add(u8::try_from(index).unwrap_or(0))
}

/// A text with the values of its placeholders.
struct FilledText<'a> {
    codes: &'static [u8],
    values: &'a [Value<'a>],
}

impl Display for FilledText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for code in self.codes {
            match *code {
                format::FIRST_PLACEHOLDER..format::BEHIND_PLACEHOLDERS => self.write_value(*code, f)?,
                character => f.write_char(char::from(character))?,
            }
        }
        Ok(())
    }
}

impl FilledText<'_> {
    /// Writes the value of the placeholder with this byte. `{:#}` puts a [`Word`] into quotes.
    fn write_value(&self, code: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = code.checked_sub(format::FIRST_QUOTED);
        let number = quoted.unwrap_or(code.wrapping_sub(format::FIRST_PLACEHOLDER));
        let Some(value) = self.values.get(usize::from(number)) else { return Ok(()) };
        if quoted.is_some() { write!(f, "{:#}", *value) } else { value.fmt(f) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::message::Expected;
    use crate::sys::capabilities::Capabilities;
    use crate::sys::exec_failure::ExecFailure;

    impl Catalog {
        /// The text of a message.
        pub fn text(&self, message: impl Message) -> String {
            self.fill(message.number(), message.values().as_ref()).to_string()
        }
    }

    const FILES: [(Catalog, &str); 7] = [
        (Catalog::RINI, include_str!("texts/rini.txt")),
        (Catalog::TINI, include_str!("texts/tini.txt")),
        (Catalog::DUMB_INIT, include_str!("texts/dumb-init.txt")),
        (Catalog::CATATONIT, include_str!("texts/catatonit.txt")),
        (Catalog::PAUSE, include_str!("texts/pause.txt")),
        (Catalog::GOSU, include_str!("texts/gosu.txt")),
        (Catalog::SU_EXEC, include_str!("texts/su-exec.txt")),
    ];

    /// The codes of each text of a catalog.
    fn texts_of(catalog: &Catalog) -> Vec<&'static [u8]> {
        let is_rini = catalog.file == Catalog::RINI.file;
        let (from, to) = message::TEXTS[usize::from(catalog.file)];
        let texts = texts::all(unpack)[from.into()..to.into()].strip_suffix(&[format::END]).unwrap();
        let codes = texts.split(|byte| *byte == format::END).zip(1..).map(|(text, number)| {
            let (number, text) = if is_rini { (number, text) } else { (text[0], &text[1..]) };
            text.get(usize::from(number < FIRST_PART)..)
        });
        // A text of rini.txt that prints nothing has no form.
        codes.flatten().collect()
    }

    /// The texts of a file, as the build packs them: without those of rini.txt that print nothing.
    fn written_texts(is_rini: bool, file: &str) -> Vec<String> {
        let mut written: Vec<(bool, String)> = vec![];
        let mut is_table = false;
        for line in file.lines().filter(|line| !line.starts_with('#')) {
            if let Some(heading) = line.strip_prefix("== ") {
                let form = heading.split(' ').nth(1).unwrap();
                is_table = form == "table";
                let is_packed = !(is_rini && form == "nothing");
                written.extend((!is_table).then(|| (is_packed, String::new())));
            } else if is_table {
                written.push((true, line.split_once(' ').unwrap().1.to_owned()));
            } else {
                let (_, text) = written.last_mut().unwrap();
                text.push_str(if text.is_empty() { "" } else { "\n" });
                text.push_str(line);
            }
        }
        let texts = written.into_iter().filter(|(is_packed, _)| *is_packed).map(|(_, text)| {
            let text = text.replace("{version}", env!("CARGO_PKG_VERSION"));
            let text = text.replace("{version of rini}", env!("RINI_VERSION"));
            text.replace("{version of tini}", env!("RINI_TINI_VERSION"))
        });
        texts.collect()
    }

    /// Replaces each placeholder by the number of its name in the order of this text, so that texts can be compared.
    fn number_placeholders(text: &str) -> String {
        let (first, rest) = text.split_once('{').unwrap_or((text, ""));
        let (mut numbered, mut names) = (first.to_owned(), vec![]);
        for piece in rest.split_terminator('{') {
            let (placeholder, behind) = piece.split_once('}').unwrap();
            let (name, kind) = placeholder.split_once(':').unwrap_or((placeholder, ""));
            let number = names.iter().position(|known| *known == name).unwrap_or(names.len());
            if number == names.len() {
                names.push(name);
            }
            numbered += &format!("{{{number}{}}}{behind}", if kind == "?" { ":?" } else { "" });
        }
        numbered
    }

    #[test]
    fn every_text_is_what_the_file_has() {
        struct Value(usize);
        impl Display for Value {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{{{}{}}}", self.0, if f.alternate() { ":?" } else { "" })
            }
        }
        let values: Vec<Value> = (0..format::PLACEHOLDERS.into()).map(Value).collect();
        let values: Vec<message::Value<'_>> = values.iter().map(|value| message::Value::Display(value)).collect();
        for (index, (catalog, file)) in FILES.iter().enumerate() {
            let mut written: Vec<_> =
                written_texts(index == 0, file).iter().map(|text| number_placeholders(text)).collect();
            let unpacked = texts_of(catalog).into_iter().map(|codes| FilledText { codes, values: &values }.to_string());
            let mut unpacked: Vec<_> = unpacked.map(|text| number_placeholders(&text)).collect();
            written.sort();
            unpacked.sort();
            assert_eq!(unpacked, written);
            assert!(index > 0 || written.concat().matches("{0").count() > 50, "it sees placeholders");
        }
    }

    #[test]
    fn a_word_that_another_init_prints_is_one_line() {
        let line = |word: &[u8]| {
            let nothing = Word::default();
            let message = message::ExecFailed {
                child: Decimal(0),
                program: &Word(word),
                failure: &nothing,
                reason: &nothing,
                diagnosis: &nothing,
            };
            Catalog::DUMB_INIT.text(message)
        };
        assert_eq!(line(b"a b\x1b\n\xc2\x85\xc3\xa4"), "a b???\u{e4}: ");
        assert_eq!(line(b"\xffx\xc3"), "\u{fffd}x\u{fffd}: ");
    }

    #[test]
    fn no_text_is_too_long_for_a_line_whatever_its_values_are() {
        let hostile = [1; 10_000];
        let word = Word(&hostile);
        // Without the longest beginning of a line, and its end.
        let room = LONGEST - "[FATAL tini (4194304)] ".len() - 1;
        // Two words, beside a name of rini's own and a text.
        let bad_item = Answer::BadItem;
        for expected in [Expected::Codes, Expected::List, Expected::Rules] {
            let text = Catalog::RINI.text(message::AnswerMessage {
                name: bad_item,
                option: &"RINI_STOP_SIGNALS",
                expected: &Catalog::RINI.text(expected),
                typed: &word,
                value: &word,
                argv0: &word,
                basename: &word,
                letter: &word,
                candidates: &word,
            });
            assert!(text.len() <= room && text.len() > 3900, "{text}");
        }
        for (catalog, _) in FILES {
            for codes in texts_of(&catalog) {
                if codes == &Catalog::RINI.find(bad_item as u8)[1..] {
                    continue;
                }
                let values = [Value::Display(&word); 8];
                let text = FilledText { codes, values: &values }.to_string();
                assert!(text.len() <= room, "{text}");
            }
        }
        // Two words, one within the other.
        let head = [b"#!", &hostile[..]].concat();
        for errno in [libc::ENOENT, libc::ENOEXEC, libc::EPERM] {
            let missing = Capabilities(if errno == libc::EPERM { 1 } else { 0 });
            let mode = 0o100_755;
            let mut failure = ExecFailure {
                mode,
                missing,
                ..ExecFailure::of(errno, crate::ground::bytes::keep(&[&hostile]).unwrap())
            };
            failure.set_head(&head);
            let text = failure.to_string();
            assert!(text.len() <= room && text.contains("its interpreter"), "{text}");
        }
    }

    #[test]
    fn a_personality_without_a_text_has_rini_s() {
        let started = |catalog: Catalog| catalog.text(message::Started { child: Decimal(7) });
        assert_eq!(started(Catalog::TINI), "started pid 7");
        assert_eq!(started(Catalog::DUMB_INIT), "Child spawned with PID 7.");
        assert_eq!(Catalog::RINI.text(message::Session), "");
        assert_eq!(Catalog::PAUSE.text(message::Session), "");
    }

    #[test]
    fn the_help_of_tini_has_the_name_that_was_called() {
        let (argv0, name, nothing) = (Word(b"/sbin/docker-init"), Word(b"docker-init"), Word::default());
        let text = Catalog::TINI.text(message::AnswerMessage {
            name: Answer::Help,
            argv0: &argv0,
            basename: &name,
            option: &nothing,
            typed: &nothing,
            letter: &nothing,
            value: &nothing,
            expected: &nothing,
            candidates: &nothing,
        });
        assert!(text.starts_with(concat!("docker-init (", env!("RINI_TINI_VERSION"), ")\n")), "{text}");
        assert!(text.contains("\nUsage: docker-init [OPTIONS] PROGRAM -- [ARGS] | --version\n"), "{text}");
        assert!(!text.contains(['{', '}']), "{text}");
    }
}
