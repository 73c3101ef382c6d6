//! Reads argv and the environment into [`Options`]. This code is pure: it sets nothing up, starts nothing and logs nothing.
//!
//! An option takes precedence over its `RINI_*` variable, and that variable over tini's `TINI_*`. rini reads the values of
//! `RINI_*` as strictly as those of options. An empty one counts as not set, because templates often leave one empty.
//! `TINI_*` variables keep the meaning that they have in tini, and never prevent a start: `TINI_SUBREAPER` and
//! `TINI_KILL_PROCESS_GROUP` are on if they are set, even to an empty string. `TINI_VERBOSITY` is read as atoi(3) does it,
//! and overrides `-v` as in tini, unless `RINI_LOG` is set.
//!
//! All words are `'static`, as argv and the environment are. The options are read as getopt_long(3) reads them, and `=` may stand
//! between a letter and its value.
#![forbid(unsafe_code)]

use crate::cli::options::{OptionKind, Options, Repeated};
use crate::cli::personality::RINI;
use crate::cli::table::{Grammar, OptionRow, OptionTable, Personality, Variable};
use crate::ground::bytes::{self, Parts, strtol};
use crate::ground::signal::{Signal, SignalSet, TERMINAL_STOPS};
use crate::messages::catalog::write_message;
use crate::messages::message::{Answer, AnswerMessage, Candidate, CandidateMessage, Expected};
use crate::messages::quote::Word;
use crate::messages::verbosity::Verbosity;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::ptr;

/// What an answer to the command line or the environment is about.
pub struct Subject {
    /// `argv[0]`.
    argv0: Word<'static>,
    /// The last component of `argv[0]`.
    basename: Word<'static>,
    /// The variable, or the long name of the option. The option as it was typed if it has no long name.
    source: Word<'static>,
    /// The option's letter.
    letter: Word<'static>,
    /// The value.
    pub value: Word<'static>,
    /// The description of a valid value.
    expected: Expected,
    /// The option as it was typed, and the options that it can stand for; or the wrong item of a list.
    candidates: Candidates,
}

impl Subject {
    /// A subject of which nothing is known yet.
    pub fn of(personality: &'static Personality) -> Subject {
        let nothing = Word::default();
        Subject {
            argv0: nothing,
            basename: nothing,
            source: nothing,
            letter: nothing,
            value: nothing,
            expected: Expected::Nothing,
            candidates: Candidates { options: &personality.options, typed: nothing },
        }
    }

    /// The message of an answer.
    pub fn message(&self, answer: Answer) -> AnswerMessage<'_> {
        AnswerMessage {
            name: answer,
            argv0: &self.argv0,
            basename: &self.basename,
            option: &self.source,
            typed: &self.candidates.typed,
            letter: &self.letter,
            value: &self.value,
            expected: &self.expected,
            candidates: &self.candidates,
        }
    }
}

/// The options that begin with what was typed, as getopt_long(3) lists them. For rini itself, which has no abbreviations, these are
/// the options of which it may be a misspelling.
struct Candidates {
    options: &'static OptionTable,
    typed: Word<'static>,
}

impl fmt::Display for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for option in self.options.iter() {
            let (name, is_candidate) = if ptr::eq(self.options, &RINI.options) {
                (Candidate::Near, is_near(option.word, self.typed.0))
            } else {
                (Candidate::Abbreviated, bytes::rest_of_option(option.word, self.typed.0).is_some())
            };
            if is_candidate {
                write_message(CandidateMessage { name, option: &Word(option.word) }, f)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_message(*self, f)
    }
}

/// Whether the error is in the command line as a whole, and not in one value. Some personalities then print their usage.
pub fn is_about_whole_line(answer: Answer) -> bool {
    use Answer::{BadItem, BadOption, BadVariable, Help, License, ProgramAndPause, Reserved, Version};
    !matches!(answer, BadItem | BadOption | BadVariable | ProgramAndPause | Reserved | Help | Version | License)
}

/// Looks up the word of argv at an index.
pub type Arguments<'a> = &'a dyn Fn(usize) -> Option<&'static OsStr>;

/// Looks up the value of a variable.
pub type Variables<'a> = &'a dyn Fn(&[u8]) -> Option<&'static OsStr>;

/// Reads the environment and the command line of a `personality` into `options`, which have their defaults before.
///
/// Err: no program is to be run, and this answer is to be printed. It is the help, the version or the license; or an error
/// about `subject`.
#[inline(never)] // (size: 29)
pub fn parse(
    personality: &'static Personality,
    argv: Arguments<'_>,
    variable: Variables<'_>,
    options: &mut Options,
    subject: &mut Subject,
) -> Result<(), Answer> {
    let tini_sets_level = read_environment(personality, variable, options, subject)?;
    let argv0 = argv(0).unwrap_or_default();
    (subject.argv0, subject.basename) = (Word(argv0.as_bytes()), Word(bytes::base_name(argv0.as_bytes())));
    if personality.grammar == Grammar::PauseOnly {
        options.policy.pause = true;
        let asks = (1..).map_while(argv).any(|word| bytes::is_word(word.as_bytes(), b"-V"));
        return if asks { Err(Answer::Version) } else { Ok(()) };
    }
    if personality.grammar == Grammar::VersionAlone
        && argv(1).is_some_and(|word| word == "--version")
        && argv(2).is_none()
    {
        return Err(Answer::Version);
    }
    let mut line = CommandLine { personality, argv, next: 1, letters: &[], repeated: Repeated::default() };
    line.read_options(options, subject)?;
    if personality.grammar == Grammar::UserThenProgram {
        options.user = line.take_word();
    }
    match (line.peek_word(), options.policy.pause) {
        (Some(name), false) => (options.program, options.name) = (Some(line.next), name),
        (Some(_), true) if personality.grammar != Grammar::PauseIgnoresProgram => return Err(Answer::ProgramAndPause),
        // su-exec prints its usage, which is no error.
        (None, false) if personality.options.rows.is_empty() => return Err(Answer::Help),
        (None, false) => return Err(Answer::NoProgram),
        (_, true) => (),
    }
    if options.session {
        // A session leader's process group is orphaned, and the kernel lets only SIGSTOP stop such a group.
        for signal in &TERMINAL_STOPS {
            options.policy.rewrite.insert_default(*signal, Signal::STOP);
        }
    }
    if line.repeated.verbose > 0 && !tini_sets_level {
        options.verbosity = Verbosity::from_number(i64::from(line.repeated.verbose).saturating_add(1));
    }
    Ok(())
}

/// A command line that is being read. Nothing of it is copied, because a program's arguments may be megabytes.
struct CommandLine<'a> {
    personality: &'static Personality,
    argv: Arguments<'a>,
    /// The index in argv of the next word.
    next: usize,
    /// What follows the letter that was read last, in the same word: its value, or more letters.
    letters: &'static [u8],
    repeated: Repeated,
}

impl CommandLine<'_> {
    /// Reads the options, up to the first word that is none.
    fn read_options(&mut self, options: &mut Options, subject: &mut Subject) -> Result<(), Answer> {
        loop {
            if !self.letters.is_empty() {
                self.read_letter(options, subject)?;
                continue;
            }
            match self.peek_word() {
                Some(b"--") => {
                    self.next = self.next.saturating_add(1);
                    return Ok(());
                }
                Some(word) if word.starts_with(b"--") => self.read_word(options, subject)?,
                Some([b'-', letters @ ..]) if !letters.is_empty() => {
                    self.next = self.next.saturating_add(1);
                    self.letters = letters;
                }
                _ => return Ok(()),
            }
        }
    }

    /// Reads an option of one letter, and its value: the rest of the word, with or without `=`, or the next word.
    fn read_letter(&mut self, options: &mut Options, subject: &mut Subject) -> Result<(), Answer> {
        // Letters that are not ASCII have several bytes, and are no options. They are refused together.
        let end = self.letters.iter().position(u8::is_ascii).unwrap_or(self.letters.len()).max(1);
        let Some((letter, rest)) = self.letters.split_at_checked(end) else { return Ok(()) };
        // Never freed, as the words are not. (size: 27)
        let typed = [b"-", letter].concat().leak();
        subject.letter = Word(letter);
        let option = self.find_option(true, typed, subject)?;
        if !takes_value(&option) {
            self.letters = rest;
            self.apply(&option, b"1", options, subject)?;
            return if rest.starts_with(b"=") { Err(Answer::LetterTakesNone) } else { Ok(()) };
        }
        self.letters = &[];
        let value = match rest {
            [] => self.take_word().ok_or(Answer::NoValueOfLetter)?,
            [b'=', value @ ..] => value,
            value => value,
        };
        self.apply(&option, value, options, subject)
    }

    /// Reads an option of one word, and its value: what follows `=`, or the next word.
    fn read_word(&mut self, options: &mut Options, subject: &mut Subject) -> Result<(), Answer> {
        let typed = self.take_word().unwrap_or_default();
        let option = self.find_option(false, typed, subject)?;
        let attached = bytes::cut(typed, b'=').map(|(_, value)| value);
        let value = match attached {
            Some(_) if !takes_value(&option) => return Err(Answer::WordTakesNone),
            None if !takes_value(&option) => b"1",
            Some(value) => value,
            None => self.take_word().ok_or(Answer::NoValueOfWord)?,
        };
        self.apply(&option, value, options, subject)
    }

    /// Finds the option that was typed, and notes it in `subject`.
    fn find_option(&self, is_letter: bool, typed: &'static [u8], subject: &mut Subject) -> Result<OptionRow, Answer> {
        subject.candidates.typed = Word(typed);
        let option = find_option(self.personality, is_letter, typed)?;
        subject.source = Word(if option.word.is_empty() { typed } else { option.word });
        subject.expected = option.value;
        Ok(option)
    }

    /// Applies an option with its value.
    fn apply(
        &mut self,
        option: &OptionRow,
        value: &'static [u8],
        options: &mut Options,
        subject: &mut Subject,
    ) -> Result<(), Answer> {
        subject.value = Word(value);
        let answer = options.apply(option.kind, value, &mut self.repeated);
        answer.map_err(|answer| find_bad_item(option.kind, answer, options, subject))
    }

    /// The next word of argv.
    fn peek_word(&self) -> Option<&'static [u8]> {
        (self.argv)(self.next).map(OsStr::as_bytes)
    }

    /// The next word of argv, which is read with that.
    fn take_word(&mut self) -> Option<&'static [u8]> {
        let word = self.peek_word()?;
        self.next = self.next.saturating_add(1);
        Some(word)
    }
}

/// Whether this option needs a value on the command line.
fn takes_value(option: &OptionRow) -> bool {
    !matches!(option.value, Expected::Nothing | Expected::OnOrOff)
}

/// The answer to a wrong value. If it is a list, the answer shows which item is wrong. (The options do not matter any more.)
fn find_bad_item(kind: OptionKind, answer: Answer, options: &mut Options, subject: &mut Subject) -> Answer {
    let list = subject.value.0;
    let is_wrong = |item: &&'static [u8]| options.apply(kind, item, &mut Repeated::default()).is_err();
    if matches!(kind, OptionKind::RemapExit | OptionKind::Rewrite | OptionKind::StopSignals)
        && let Some(item) = Parts::of(list, b',').find(is_wrong).filter(|item| item.len() < list.len())
    {
        subject.candidates.typed = Word(item);
        return Answer::BadItem;
    }
    answer
}

/// Finds the option that was typed: `-` and a letter, or a word, which may be abbreviated if the personality allows it.
fn find_option(personality: &Personality, is_letter: bool, typed: &[u8]) -> Result<OptionRow, Answer> {
    let mut found = Err(if is_letter { Answer::NoLetter } else { Answer::NoWord });
    for option in personality.options.iter() {
        let is_named = if is_letter {
            typed == [b'-', option.letter]
        } else {
            match bytes::rest_of_option(option.word, typed) {
                Some([]) => true,
                Some(_) if personality.may_abbreviate => {
                    found = if let Err(Answer::NoWord) = found { Ok(option) } else { Err(Answer::Ambiguous) };
                    false
                }
                _ => false,
            }
        };
        if is_named {
            return Ok(option);
        }
    }
    found
}

/// Whether what was typed may be a misspelling of an option. It is one if it has the same characters in any order, without regard to
/// case, except for one character that is missing, superfluous or another.
fn is_near(word: &[u8], typed: &[u8]) -> bool {
    let name = Parts::of(typed, b'=').next().unwrap_or_default();
    // A bit for each character that occurs an odd number of times. At most two may be set. (Two mistakes with the same character pass.)
    let odd = word.iter().chain(name).fold(0_u32, |odd, byte| odd ^ 1 << (byte & 31));
    let others = odd & odd.wrapping_sub(1);
    others & others.wrapping_sub(1) == 0 && word.len().abs_diff(name.len()) <= 1
}

/// Reads the environment. Returns whether `TINI_VERBOSITY` sets the level.
fn read_environment(
    personality: &Personality,
    variable: Variables<'_>,
    options: &mut Options,
    subject: &mut Subject,
) -> Result<bool, Answer> {
    options.policy.stop_signals = SignalSet::of([Signal::TERM, Signal::INT]);
    options.policy.after_exit = personality.after_exit;
    options.policy.stops_itself = personality.stops_itself;
    options.session = personality.session;
    let mut repeated = Repeated::default();
    for own in personality.variables.iter().filter(|own| is_on(own, variable)) {
        subject.source = Word(own.name.as_bytes());
        options.apply(own.kind, b"1", &mut repeated)?;
    }
    options.process_group |= options.session;
    let mut tini_sets_level = false;
    if personality.has_tini_verbosity
        && let Some(text) = variable(b"TINI_VERBOSITY")
    {
        tini_sets_level = true;
        // As atoi(3): a text without a number is 0.
        options.verbosity = Verbosity::from_number(strtol(text.as_bytes()).map_or(0, |(number, _)| number));
    }
    if personality.grammar == Grammar::UserThenProgram {
        return Ok(tini_sets_level);
    }
    for option in RINI.options.iter().filter(|option| !option.variable.is_empty()) {
        let Some(text) = variable(option.variable).filter(|value| !value.is_empty()) else { continue };
        tini_sets_level &= option.kind != OptionKind::Log;
        subject.source = Word(option.variable);
        subject.value = Word(text.as_bytes());
        subject.expected = option.value;
        let answer = options.apply(option.kind, text.as_bytes(), &mut repeated);
        answer.map_err(|_| find_bad_item(option.kind, Answer::BadVariable, options, subject))?;
    }
    Ok(tini_sets_level)
}

/// Whether this name looks like that of a `RINI_*` variable, but there is none. For a service with the name `rini`,
/// Kubernetes sets `RINI_SERVICE_HOST`, `RINI_PORT_80_TCP` and their like.
pub fn is_misspelt(name: &[u8]) -> bool {
    name.starts_with(b"RINI_")
        && !RINI.options.has_variable(name)
        && !Parts::of(name, b'_').any(|part| bytes::index_of_word(b"SERVICE PORT", part).is_some())
}

/// Whether this `RINI_*` variable sets what an option sets. (`RINI_LOG` does, too, but its effect is plain to see.)
pub fn is_setting(name: &[u8]) -> bool {
    RINI.options.has_variable(name) && name != b"RINI_LOG"
}

/// Whether a variable of another init is on.
pub fn is_on(own: &Variable, variable: Variables<'_>) -> bool {
    variable(own.name.as_bytes()).is_some_and(|value| own.value == 0 || value.as_bytes() == [own.value])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::exit::Remap;
    use crate::ground::policy::{AfterExit, Policy};
    use crate::ground::signal::Rewrite;
    use crate::ground::time::Duration;
    use std::collections::HashMap;

    type Parsed = Result<Options, String>;

    fn leak_text(text: &str) -> &'static OsStr {
        OsStr::from_bytes(text.as_bytes().to_vec().leak())
    }

    fn parsed(words: &[&str], variables: &[(&str, &str)]) -> Parsed {
        let variables: HashMap<_, _> =
            variables.iter().map(|(name, value)| (name.as_bytes(), leak_text(value))).collect();
        let argv: Vec<_> = std::iter::once("rini").chain(words.iter().copied()).map(leak_text).collect();
        let personality = Personality::of_name(OsStr::new("rini"));
        let (mut options, mut subject) = (Options::default(), Subject::of(personality));
        let variable = |name: &[u8]| variables.get(name).copied();
        match parse(personality, &|index| argv.get(index).copied(), &variable, &mut options, &mut subject) {
            Ok(()) => Ok(options),
            Err(answer @ (Answer::Help | Answer::Version)) => Err(format!("{answer:?}")),
            Err(answer) => Err(personality.catalog.text(subject.message(answer))),
        }
    }

    fn run(words: &[&str], variables: &[(&str, &str)]) -> (Options, usize) {
        match parsed(words, variables) {
            Ok(options) => (Options { program: None, name: b"", ..options.clone() }, options.program.unwrap()),
            other => panic!("{words:?} gave {other:?}"),
        }
    }

    #[test]
    fn options_are_read_in_every_form_and_end_at_the_program() {
        let all = Options {
            process_group: true,
            subreaper: true,
            warn_on_reap: true,
            remap: {
                let mut remap = Remap::default();
                assert!(remap.add(b"143") && remap.add(b"1:2"));
                remap
            },
            policy: Policy {
                stop_signals: SignalSet::parse(b"TERM,INT").unwrap(),
                parent_death_signal: Some(Signal::TERM),
                ..Policy::default()
            },
            verbosity: Verbosity::DEBUG,
            ..Options::default()
        };
        for (words, program) in [
            (&["-g", "-s", "-p", "TERM", "-w", "-e", "143", "-e", "1:2", "-v", "-v", "prog", "-x"][..], 12),
            (&["-gswvv", "-pTERM", "-e143", "-e1:2", "--", "prog", "--help"], 6),
            (&["-vgvswpSIGTERM", "--remap-exit=143", "--remap-exit", "1:2", "prog"], 5),
            (
                &[
                    "--process-group",
                    "--subreaper",
                    "--parent-death-signal=15",
                    "--warn-on-reap",
                    "--remap-exit",
                    "143",
                    "-e",
                    "1:2",
                    "--verbose",
                    "--verbose",
                    "--",
                    "-",
                    "--",
                ],
                12,
            ),
        ] {
            assert_eq!(run(words, &[]), (all.clone(), program), "{words:?}");
        }
    }

    /// Tries every short sequence of words that are options, values, both or neither. The words after the program never
    /// change what was read before. The program is a word that is no option, or the word after `--`.
    #[test]
    fn every_short_command_line_is_read_or_refused_whatever_follows() {
        let words = [
            "-g",
            "-e",
            "-e7",
            "-p",
            "TERM",
            "7",
            "--",
            "-",
            "",
            "prog",
            "-x",
            "-gv",
            "--remap-exit",
            "--remap-exit=7:8",
            "--subreaper",
            "--subreaper=x",
            "-h",
            "--version",
            "-=",
            "--=",
        ];
        let mut count = 0_u32;
        let mut started = 0_u32;
        let mut sequences: Vec<Vec<&str>> = vec![vec![]];
        for _ in 0..=4 {
            for sequence in &sequences {
                count += 1;
                let first = parsed(sequence, &[]);
                let longer: Vec<_> = sequence.iter().copied().chain(["-h", "--", "x"]).collect();
                match &first {
                    Ok(options) => {
                        let program = options.program.unwrap();
                        started += 1;
                        let word = sequence.get(program - 1).unwrap();
                        let dashes = program.checked_sub(2).and_then(|before| sequence.get(before)) == Some(&"--");
                        assert!(dashes || !word.starts_with('-') || *word == "-", "{sequence:?} {program}");
                        assert_eq!(parsed(&longer, &[]), first, "{sequence:?}");
                    }
                    Err(text) if ["Help", "Version"].contains(&&**text) => {
                        assert_eq!(parsed(&longer, &[]), first, "{sequence:?}");
                    }
                    Err(text) => assert_eq!(text.lines().count(), 1, "{sequence:?}"),
                }
            }
            sequences =
                sequences.iter().flat_map(|s| words.iter().map(move |w| [s.as_slice(), &[*w]].concat())).collect();
        }
        assert_eq!(count, (0..=4).map(|n| 20_u32.pow(n)).sum::<u32>());
        assert!(started > 10_000, "{started} of them start something");
    }

    #[test]
    fn an_abbreviation_is_the_one_option_that_begins_with_it() {
        let dumb_init = Personality::of_name(OsStr::new("dumb-init"));
        let find = |personality, word| find_option(personality, false, str::as_bytes(word)).map(|option| option.kind);
        for (word, found) in [
            ("--verb", Ok(OptionKind::Debug)),
            ("--verbose", Ok(OptionKind::Debug)),
            ("--h", Ok(OptionKind::Help)),
            ("--s=x", Ok(OptionKind::SingleChild)),
            ("--ver", Err(Answer::Ambiguous)),
            ("--=x", Err(Answer::Ambiguous)),
            ("--verbosely", Err(Answer::NoWord)),
            ("--x", Err(Answer::NoWord)),
        ] {
            assert_eq!(find(dumb_init, word), found, "{word}");
        }
        let rini = Personality::of_name(OsStr::new("rini"));
        assert_eq!(find(rini, "--verbose=x"), Ok(OptionKind::Verbose));
        assert_eq!(find(rini, "--verb"), Err(Answer::NoWord));
    }

    #[test]
    fn the_option_beats_rini_s_variable_which_beats_tini_s() {
        let level = |words: &[&str], variables: &[(&str, &str)]| run(words, variables).0.verbosity;
        let (info, warn) = (Verbosity::parse(b"info").unwrap(), Verbosity::default());
        let debug = Verbosity::DEBUG;
        assert_eq!(level(&["p"], &[]), warn);
        assert_eq!(level(&["-v", "p"], &[("RINI_LOG", "debug"), ("TINI_VERBOSITY", "1")]), info);
        assert_eq!(level(&["p"], &[("RINI_LOG", "debug"), ("TINI_VERBOSITY", "1")]), debug);
        assert_eq!(level(&["-vvv", "p"], &[("RINI_LOG", ""), ("TINI_VERBOSITY", "1")]), warn);
        let group = |words: &[&str], variables: &[(&str, &str)]| run(words, variables).0.process_group;
        assert!(!group(&["p"], &[("TINI_KILL_PROCESS_GROUP", ""), ("RINI_PROCESS_GROUP", "0")]));
        assert!(group(&["p"], &[("TINI_KILL_PROCESS_GROUP", ""), ("RINI_PROCESS_GROUP", "")]));
        assert!(group(&["-g", "p"], &[("RINI_PROCESS_GROUP", "0")]));
    }

    #[test]
    fn a_stop_is_set_up_by_option_or_by_environment() {
        let mut rewrite = Rewrite::default();
        assert!(rewrite.add(b"TERM:QUIT") && rewrite.add(b"HUP:0"));
        let policy = Policy {
            stop_signals: SignalSet::parse(b"QUIT,RTMIN+3").unwrap(),
            delay: Some(Duration::from_millis(1500)),
            grace: Some(Duration::from_secs(8)),
            rewrite,
            after_exit: AfterExit::Terminate,
            ..Policy::default()
        };
        let words =
            "-t8s --stop-delay=1.5 --stop-signals SIGQUIT,37 --after-exit=terminate -r 15:quit --rewrite=HUP:0 p";
        let words: Vec<_> = words.split(' ').collect();
        let variables = [
            ("RINI_GRACE_PERIOD", "8"),
            ("RINI_STOP_DELAY", "1500ms"),
            ("RINI_STOP_SIGNALS", "3,rtmin+3"),
            ("RINI_REWRITE", "TERM:3,SIGHUP:0"),
            ("RINI_AFTER_EXIT", "terminate"),
        ];
        assert_eq!(run(&words, &[]).0.policy, policy);
        // One option can have the rules of two.
        let listed: Vec<_> =
            words.iter().map(|word| if *word == "15:quit" { "15:quit,HUP:0" } else { *word }).collect();
        let listed: Vec<_> = listed.into_iter().filter(|word| *word != "--rewrite=HUP:0").collect();
        assert_eq!(run(&listed, &[]).0.policy, policy);
        assert_eq!(run(&["p"], &variables).0.policy, policy);
        let others = [
            ("RINI_GRACE_PERIOD", "1h"),
            ("RINI_STOP_DELAY", "0"),
            ("RINI_STOP_SIGNALS", "1"),
            ("RINI_REWRITE", "1:2"),
            ("RINI_AFTER_EXIT", "wait"),
        ];
        assert_eq!(run(&words, &others).0.policy, policy, "the option is stronger");
        assert_eq!(run(&["--stop-delay", "0", "p"], &variables).0.policy.delay, None);
        let empty = variables.map(|(name, _)| (name, ""));
        assert_eq!(run(&["p"], &empty), run(&["p"], &[]));
    }
}
