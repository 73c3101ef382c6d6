//! What rini says, and how each personality says it.
//!
//! A [`Voice`] has the words: those that somebody may depend on of the program whose name rini goes by, and for the rest
//! rini's own. They stand in the files `src/personality/*.txt`, a text for each [`Message`], and what goes into a text is
//! its [`Part`]s. `build.rs` packs them; they are unpacked as they are written, with no memory taken for that.
#![forbid(unsafe_code)]

use crate::diagnosis::{
    Bytes, ExecFailure, Machine, Named, Origin, OutOfMemory, Quoted, Reason, Suspicion, write_word,
};
use crate::exit::Status;
use crate::personality::OptionTable;
use crate::signal::Signal;
use crate::sys::clock;
use crate::sys::process::{self, Pid};
use crate::sys::terminal::HandOff;
use crate::sys::texts;
use crate::text::{Decimal, Parts};
use crate::time::{Duration, Instant};
use log::{Level, Record};
use nix::errno::Errno;
use std::ffi::OsStr;
use std::fmt::{self, Display, Write};
use std::os::unix::ffi::OsStrExt;

include!(concat!(env!("OUT_DIR"), "/messages.rs"));

/// What a byte of a text stands for, if for a pair of others.
fn pair(code: u8) -> Option<&'static [u8; 2]> {
    texts::all().as_chunks().0.get(..PAIRS)?.get(usize::from(code.wrapping_sub(0x80)))
}

/// The module that messages go by in `RINI_LOG`, once the child has been started: `rini::runtime=debug` is in the README.
pub const TARGET: &str = "rini::runtime";

/// Says a line, if the user wants to hear of that level. (A function, as each `log!` is a hundred bytes of code.)
#[inline(never)]
pub fn log(level: Level, text: fmt::Arguments<'_>) {
    if level <= log::max_level() {
        log::logger().log(&Record::builder().args(text).level(level).target(TARGET).build());
    }
}

/// What goes into a text.
#[derive(Clone, Copy)]
pub enum Part<'a> {
    /// A word, which may hold anything.
    Word(&'a OsStr),
    /// A number.
    Number(u64),
    /// A signal.
    Signal(Signal),
    /// How a child ended.
    Status(Status),
    /// A time.
    Lasted(Duration),
    /// A signal, and who sent it.
    Origin(&'a Origin),
    /// What an errno means.
    Reason(Errno),
    /// What is known of a failed exec.
    Failure(&'a ExecFailure),
    /// Words of rini's.
    Text(&'a fmt::Arguments<'a>),
    /// Another text.
    Message(Message),
    /// Another text, and what goes into that.
    Words(Message, &'a [Part<'a>]),
    /// A process, with its name.
    Process(Pid),
    /// A word that may hold anything, and is not in quotes.
    Escaped(&'a [u8]),
    /// Why a child may have ended so.
    Suspicion(&'a Suspicion),
    /// How much memory there was.
    Memory(OutOfMemory),
    /// A size.
    Bytes(u64),
    /// An `e_machine`.
    Machine(u16),
    /// Those of these options that part 2, as it was typed, is the beginning of.
    Choices(&'static OptionTable),
}

impl From<Pid> for Part<'_> {
    fn from(pid: Pid) -> Self {
        Part::Number(pid.as_raw().unsigned_abs().into())
    }
}

/// How a personality speaks.
pub struct Voice {
    /// Where its texts are in [`texts::all`]. A message that is not among them it says as rini does.
    texts: (usize, usize),
}

/// What a text is: the levels of the log, and these. In the order of FORMS in build.rs.
mod form {
    pub const ERROR: u8 = 1;
    pub const WARN: u8 = 2;
    pub const INFO: u8 = 3;
    pub const DEBUG: u8 = 4;
    pub const TRACE: u8 = 5;
    pub const CHILD: u8 = 6;
    pub const STDERR: u8 = 7;
    pub const STDOUT: u8 = 8;
}

impl Voice {
    /// rini's own voice.
    pub const RINI: Voice = Voice { texts: RINI_TEXTS };
    /// tini's.
    pub const TINI: Voice = Voice { texts: TINI_TEXTS };
    /// dumb-init's.
    pub const DUMB_INIT: Voice = Voice { texts: DUMB_INIT_TEXTS };
    /// catatonit's.
    pub const CATATONIT: Voice = Voice { texts: CATATONIT_TEXTS };
    /// That of Kubernetes' pause.
    pub const PAUSE: Voice = Voice { texts: PAUSE_TEXTS };

    /// The form of a message, and its text, packed; or nothing.
    fn find(&self, message: u8) -> &'static [u8] {
        let text = |(from, to): (usize, usize)| {
            let texts = texts::all().get(from..to).unwrap_or_default();
            Parts::of(texts, 0).find(|entry| entry.first() == Some(&message))?.get(1..)
        };
        text(self.texts).or_else(|| text(RINI_TEXTS)).unwrap_or_default()
    }

    /// A message with its parts.
    fn filled<'a>(&'a self, message: Message, parts: &'a [Part<'a>]) -> Filled<'a> {
        Filled { voice: self, codes: self.codes(message as u8), parts }
    }

    /// The text of a message, packed.
    #[inline(never)]
    fn codes(&self, message: u8) -> &'static [u8] {
        self.find(message).get(1..).unwrap_or_default()
    }

    /// Says this, if this personality has words for it. False if it could not be said: only standard output can fail.
    #[inline(never)]
    pub fn say(&self, message: Message, parts: &[Part<'_>]) -> bool {
        // Before it is looked for: in most containers nobody ever wants to hear of what happens all the time.
        let loudest = LOUDEST.get(usize::from(message as u8)).copied().unwrap_or(0);
        if usize::from(loudest) > log::max_level() as usize {
            return true;
        }
        let [form, codes @ ..] = self.find(message as u8) else { return true };
        let text = Filled { voice: self, codes, parts };
        let level = match *form {
            // At every verbosity, as the command line and the exec are what the program is about.
            form @ (form::STDOUT | form::STDERR) => return self.write(form, format!("{text}\n").as_bytes()),
            form::CHILD => {
                let [child, ..] = parts else { return true };
                self.write_line(Level::Error, *child, &format_args!("{text}"));
                return true;
            }
            form::ERROR => Level::Error,
            form::WARN => Level::Warn,
            form::INFO => Level::Info,
            form::DEBUG => Level::Debug,
            form::TRACE => Level::Trace,
            _ => return true,
        };
        log(level, format_args!("{text}"));
        true
    }

    fn write(&self, form: u8, text: &[u8]) -> bool {
        if form == form::STDERR {
            process::write_to_stderr(text);
            return true;
        }
        let printed = process::print(text);
        if let Err(errno) = printed {
            self.say(Message::CannotPrint, &[Part::Reason(errno)]);
        }
        printed.is_ok()
    }

    /// Writes a message as a whole line, said by the process with this pid.
    #[inline(never)]
    pub fn write_line(&self, level: Level, pid: Part<'_>, text: &fmt::Arguments<'_>) {
        let name = level.as_str();
        let in_tini = match level {
            Level::Error => "FATAL",
            Level::Warn => "WARN ",
            Level::Info => "INFO ",
            Level::Debug | Level::Trace => name,
        };
        let parts = [Part::Word(name.as_ref()), pid, Part::Text(text), Part::Word(in_tini.as_ref())];
        let line = format!("{}\n", self.filled(Message::Line, &parts));
        process::write_to_stderr(line.as_bytes());
    }

    /// In the child: the program could not be executed.
    pub fn exec_failed(&self, program: &OsStr, failure: &ExecFailure) {
        let (child, reason) = (process::own_pid(), Part::Reason(Errno::from_raw(failure.errno)));
        self.say(Message::ExecFailed, &[child.into(), Part::Word(program), Part::Failure(failure), reason]);
    }

    /// The terminal was left to the child's session, or could not be.
    pub fn handed_off(&self, done: Result<HandOff, Errno>) {
        match done {
            Ok(HandOff::BySessionLeader) => self.say(Message::DetachedAsLeader, &[]),
            Ok(HandOff::Alone) => self.say(Message::Detached, &[]),
            Err(errno) => self.say(Message::CannotDetach, &numbered(errno)),
        };
    }

    /// In the child: it has a new session, and has got the terminal or not.
    pub fn attached(&self, terminal: Result<(), Errno>) {
        if let Err(errno) = terminal {
            self.say(Message::CannotAttach, &numbered(errno));
        }
        self.say(Message::Session, &[]);
    }

    /// The child was started.
    pub fn started(&self, child: Pid) {
        self.say(Message::Started, &[child.into()]);
    }

    /// Says this of a signal.
    pub fn say_of(&self, message: Message, signal: Signal) {
        self.say(message, &[Part::Signal(signal), number(signal)]);
    }

    /// A signal was forwarded to the child as `rewritten`; `by_rule`, if only that it stays what it is.
    pub fn forwarded(&self, origin: &Origin, child: Pid, rewritten: Signal, by_rule: bool) {
        let message = if rewritten == origin.signal { Message::Forwarded } else { Message::ForwardedAs };
        self.passed_on(message, origin, child.into(), Some(rewritten), by_rule);
    }

    /// A signal was not forwarded, by a rule.
    pub fn dropped(&self, origin: &Origin) {
        self.passed_on(Message::Dropped, origin, Part::Number(0), None, true);
    }

    /// The child's group is asked to end, by what SIGTERM is rewritten to; or is not. And whether there is a rule for that.
    /// (Only dumb-init does that, and tells of it as of any signal.)
    pub fn group_asked(&self, origin: &Origin, rewritten: Option<Signal>, by_rule: bool) {
        let message = if rewritten.is_some() { Message::Forwarded } else { Message::Dropped };
        self.passed_on(message, origin, Part::Number(0), rewritten, by_rule);
    }

    fn passed_on(&self, message: Message, origin: &Origin, child: Part<'_>, rewritten: Option<Signal>, by_rule: bool) {
        let to = rewritten.map_or(Part::Number(0), number);
        let signal = rewritten.unwrap_or(origin.signal);
        let parts = [Part::Origin(origin), child, Part::Signal(signal), number(origin.signal), to];
        if by_rule {
            self.say(Message::ByRule, &parts);
        }
        self.say(message, &parts);
    }

    /// An orphan has been reaped; `loudly`: the user wants to be told.
    pub fn reaped(&self, pid: Pid, status: Status, loudly: bool) {
        let message = if loudly { Message::ReapedLoudly } else { Message::Reaped };
        self.say(message, &[pid.into(), Part::Status(status)]);
        self.ended(pid, status);
    }

    /// A child has been reaped.
    pub fn ended(&self, pid: Pid, status: Status) {
        match status {
            Status::Exited(code) => self.say(Message::ChildExited, &[pid.into(), Part::Number(code.into())]),
            Status::Killed(signal) => self.say(Message::ChildKilled, &[pid.into(), number(signal)]),
        };
    }

    /// This stop signal has ended the pause.
    pub fn pause_ended(&self, signal: Signal) {
        let message = match signal {
            Signal::TERM => Message::PauseTerminated,
            Signal::INT => Message::PauseInterrupted,
            _ => Message::PauseEnded,
        };
        self.say_of(message, signal);
    }

    /// The end of rini: the child, where there was one, how it ended, and after how long; when rini started; how many
    /// signals were forwarded, and orphans reaped.
    pub fn closing(&self, child: Option<(Pid, Status, Duration)>, started: Instant, signals: u64, orphans: u64) {
        let (signals, orphans) = (Part::Number(signals), Part::Number(orphans));
        match child {
            Some((pid, status, lasted)) => {
                let code = Part::Number(status.code().into());
                let child = [signals, orphans, Part::Lasted(lasted), pid.into(), Part::Status(status), code];
                self.say(Message::Closing, &child)
            }
            None => self.say(Message::PauseClosing, &[signals, orphans, Part::Lasted(clock::now().since(started))]),
        };
    }
}

fn number(signal: Signal) -> Part<'static> {
    Part::Number(signal.number().into())
}

fn numbered(errno: Errno) -> [Part<'static>; 2] {
    [Part::Number((errno as i32).unsigned_abs().into()), Part::Reason(errno)]
}

/// Writes this in rini's own words.
pub fn words(message: Message, parts: &[Part<'_>], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    words_at(message, 0, parts, f)
}

/// The same for the text that is so many places behind that one.
#[inline(never)]
pub fn words_at(first: Message, place: usize, parts: &[Part<'_>], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let message = (first as u8).saturating_add(u8::try_from(place).unwrap_or(0));
    Filled { voice: &Voice::RINI, codes: Voice::RINI.codes(message), parts }.fmt(f)
}

/// A text, packed, and its parts.
struct Filled<'a> {
    voice: &'a Voice,
    codes: &'static [u8],
    parts: &'a [Part<'a>],
}

impl fmt::Display for Filled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(self.codes, f)
    }
}

impl Filled<'_> {
    /// Writes what these bytes of a text stand for.
    fn write(&self, codes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for code in codes {
            match (*code, pair(*code)) {
                (_, Some(pair)) => self.write(pair, f)?,
                (0x12..=0x1d, _) => self.write_part(*code, f)?,
                (0x1e, _) => f.write_str("\n")?,
                (code, _) => f.write_char(char::from(code))?,
            }
        }
        Ok(())
    }

    /// As getopt_long(3) lists them.
    fn write_choices(&self, options: &OptionTable, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Part::Word(typed)) = self.parts.get(2) else { return Ok(()) };
        for option in options.iter() {
            if option.rest(typed.as_bytes()).is_some() {
                f.write_str(" '")?;
                write_word(option.word, true, f)?;
                f.write_str("'")?;
            }
        }
        Ok(())
    }

    /// 0x12 to 0x17 are the parts as they are, 0x18 to 0x1d the same in quotes.
    fn write_part(&self, code: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, quoted) = if code < 0x18 { (code, false) } else { (code.wrapping_sub(6), true) };
        let Some(part) = self.parts.get(usize::from(number.wrapping_sub(0x12))) else { return Ok(()) };
        match part {
            Part::Word(word) if quoted => Quoted(word).fmt(f),
            Part::Word(word) => write_word(word.as_bytes(), true, f),
            Part::Number(number) => Decimal(*number).fmt(f),
            Part::Signal(signal) => signal.fmt(f),
            Part::Status(Status::Exited(code)) => words(Message::StatusExited, &[Part::Number((*code).into())], f),
            Part::Status(Status::Killed(signal)) => words(Message::StatusKilled, &[Part::Signal(*signal)], f),
            Part::Lasted(time) => time.fmt(f),
            Part::Origin(origin) => origin.fmt(f),
            Part::Reason(errno) => Reason(*errno).fmt(f),
            Part::Failure(failure) => failure.fmt(f),
            Part::Text(text) => f.write_fmt(**text),
            Part::Words(message, parts) => words(*message, parts, f),
            Part::Process(pid) => Named(*pid).fmt(f),
            Part::Escaped(word) => write_word(word, false, f),
            Part::Suspicion(suspicion) => suspicion.fmt(f),
            Part::Memory(memory) => memory.fmt(f),
            Part::Bytes(count) => Bytes(*count).fmt(f),
            Part::Machine(machine) => Machine(*machine).fmt(f),
            Part::Choices(options) => self.write_choices(options, f),
            Part::Message(message) => self.write(self.voice.codes(*message as u8), f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Voice {
        /// What it says.
        pub fn text(&self, message: Message, parts: &[Part<'_>]) -> String {
            self.filled(message, parts).to_string()
        }
    }

    /// The files, unpacked again, are what they were.
    #[test]
    fn every_text_is_said_as_it_was_written() {
        for (voice, file) in [
            (Voice::RINI, include_str!("personality/rini.txt")),
            (Voice::TINI, include_str!("personality/tini.txt")),
            (Voice::DUMB_INIT, include_str!("personality/dumb-init.txt")),
            (Voice::CATATONIT, include_str!("personality/catatonit.txt")),
            (Voice::PAUSE, include_str!("personality/pause.txt")),
        ] {
            let lines: Vec<&str> = file.lines().filter(|line| !line.starts_with('#')).collect();
            let mut entries = texts::all()[voice.texts.0..voice.texts.1].split(|byte| *byte == 0);
            for section in lines.split(|line| line.starts_with("== ")).skip(1) {
                let text = section.join("\n").replace("{version}", env!("CARGO_PKG_VERSION"));
                let text = text.replace("{version of rini}", env!("RINI_VERSION"));
                let text = text.replace("{version of tini}", env!("RINI_TINI_VERSION"));
                let entry = entries.next().unwrap();
                let words: Vec<String> = (0..6).map(|n| format!("{{{n}}}")).collect();
                let parts: Vec<Part<'_>> = words.iter().map(|word| Part::Word(word.as_ref())).collect();
                let unpacked = Filled { voice: &voice, codes: &entry[2..], parts: &parts };
                let quoted = |text: String, n: usize| text.replace(&format!("{{{n}:?}}"), &format!("\"{{{n}}}\""));
                assert_eq!(unpacked.to_string(), (0..6).fold(text, quoted));
            }
            assert_eq!(entries.next(), Some(&[][..]), "the last one ends too");
            assert_eq!(entries.next(), None);
        }
    }

    #[test]
    fn what_is_said_of_a_word_is_one_line() {
        let line = |word: &[u8]| {
            Voice::DUMB_INIT.text(Message::ExecFailed, &[Part::Number(0), Part::Word(OsStr::from_bytes(word))])
        };
        assert_eq!(line(b"a b\x1b\n\xc2\x85\xc3\xa4"), "a b???\u{e4}: ");
        assert_eq!(line(b"\xffx\xc3"), "\u{fffd}x\u{fffd}: ");
    }

    #[test]
    fn a_message_that_a_voice_has_no_words_for_is_said_as_rini_says_it() {
        let pid = [Part::Number(7)];
        assert_eq!(Voice::TINI.text(Message::Started, &pid), "started pid 7");
        assert_eq!(Voice::DUMB_INIT.text(Message::Started, &pid), "Child spawned with PID 7.");
        for voice in [Voice::RINI, Voice::PAUSE] {
            assert_eq!(voice.text(Message::Session, &[]), "");
        }
    }

    #[test]
    fn the_help_calls_it_as_it_was_called() {
        let [called, name] = ["/sbin/docker-init", "docker-init"].map(|word| Part::Word(word.as_ref()));
        let parts = [called, name, Part::Message(Message::Help)];
        let help = Voice::TINI.text(Message::Help, &parts);
        assert!(help.starts_with(concat!("docker-init (", env!("RINI_TINI_VERSION"), ")\n")), "{help}");
        assert!(help.contains("\nUsage: docker-init [OPTIONS] PROGRAM -- [ARGS] | --version\n"), "{help}");
        assert!(!help.contains(['{', '}']), "{help}");
        assert_eq!(Voice::TINI.text(Message::Usage, &parts), help);
    }
}
