//! Reads argv and the environment into [`Options`]. This code is pure: it sets nothing up, starts nothing and logs nothing.
//!
//! An option takes precedence over its `RINI_*` variable, and that variable over tini's `TINI_*`. rini reads the values of
//! `RINI_*` as strictly as those of options. An empty one counts as not set, because templates often leave one empty.
//! `TINI_*` variables keep the meaning that they have in tini, and never prevent a start: `TINI_SUBREAPER` and
//! `TINI_KILL_PROCESS_GROUP` are on if they are set, even to an empty string. `TINI_VERBOSITY` is read as atoi(3) does it,
//! and overrides `-v` as in tini, unless `RINI_LOG` is set.
//!
//! All words are `'static`, as argv and the environment are. The copies that lexopt makes are leaked. (size: 27)
#![forbid(unsafe_code)]

use crate::cli::options::{OptionKind, Options, Repeated};
use crate::cli::personality::{RINI, base_name};
use crate::cli::table::{Grammar, OptionRow, OptionTable, Personality, Variable};
use crate::ground::bytes::{self, Parts, strtol};
use crate::ground::signal::{Signal, SignalSet, TERMINAL_STOPS};
use crate::messages::catalog::write_message;
use crate::messages::logging::Verbosity;
use crate::messages::message::{Answer, AnswerMessage, Expected};
use crate::messages::quote::Word;
use lexopt::Arg::{Long, Short, Value};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::mem::ManuallyDrop;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

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

/// The options that begin with what was typed. They are written as getopt_long(3) lists them.
struct Candidates {
    options: &'static OptionTable,
    typed: Word<'static>,
}

impl fmt::Display for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for option in self.options.iter() {
            if bytes::rest_of_option(option.word, self.typed.0).is_some() {
                write!(f, " '{}'", Word(option.word))?;
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
    (subject.argv0, subject.basename) = (Word(argv0.as_bytes()), Word(base_name(argv0).as_bytes()));
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
    let words = copy_own_words(argv);
    let mut line = CommandLine {
        personality,
        argv,
        count: words.len(),
        parser: ManuallyDrop::new(lexopt::Parser::from_args(words)),
        repeated: Repeated::default(),
    };
    let is_program = line.read_options(options, subject)?;
    if is_program && !(options.policy.pause && personality.grammar == Grammar::PauseIgnoresProgram) {
        if options.policy.pause {
            return Err(Answer::ProgramAndPause);
        }
        options.program = Some(line.count_read());
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

/// A command line that is being read.
struct CommandLine<'a> {
    personality: &'static Personality,
    argv: Arguments<'a>,
    /// The number of words that the parser got.
    count: usize,
    parser: ManuallyDrop<lexopt::Parser>,
    repeated: Repeated,
}

impl CommandLine<'_> {
    /// Reads the options. Returns whether a program follows.
    fn read_options(&mut self, options: &mut Options, subject: &mut Subject) -> Result<bool, Answer> {
        loop {
            let letter = match *ManuallyDrop::new(self.parser.next()) {
                Ok(Some(Short(letter))) => Some(letter),
                Ok(Some(Long(_))) => None,
                Ok(Some(Value(_))) => return Ok(true),
                Ok(None) if options.policy.pause => return Ok(false),
                Ok(None) => return Err(Answer::NoProgram),
                // lexopt has one error here: a letter that takes no value has one, as in -v=x. `read_option` finds the
                // same mistake in a word.
                Err(_) => return Err(Answer::LetterTakesNone),
            };
            self.read_option(letter, options, subject)?;
        }
    }

    /// Reads the option with this letter, or with a word if there is no letter, and its value.
    fn read_option(
        &mut self,
        letter: Option<char>,
        options: &mut Options,
        subject: &mut Subject,
    ) -> Result<(), Answer> {
        // A word's `=value` is taken even if the option takes none: if this is the last option, lexopt would not complain.
        // What follows a letter may be the next letter, and has to wait.
        let mut text = if letter.is_none() { take_attached_value(&mut self.parser) } else { None };
        let word = match letter {
            Some(letter) => leak(format!("-{letter}").into_bytes()),
            None => (self.argv)(self.count_read()).unwrap_or_default(),
        };
        subject.candidates.typed = Word(word.as_bytes());
        subject.letter = Word(word.as_bytes().get(1..).unwrap_or_default());
        let option = find_option(self.personality, letter.is_some(), word)?;
        subject.source = Word(if option.word.is_empty() { word.as_bytes() } else { option.word });
        subject.expected = option.value;
        if matches!(option.value, Expected::Nothing | Expected::OnOrOff) {
            if text.is_some() {
                return Err(Answer::WordTakesNone);
            }
            text = Some(OsStr::new("1"));
        } else if letter.is_some() {
            text = take_attached_value(&mut self.parser);
        }
        let next = || self.parser.try_raw_args()?.next().map(|word| leak(word.into_vec()));
        let Some(text) = text.or_else(next) else {
            return Err(if letter.is_some() { Answer::NoValueOfLetter } else { Answer::NoValueOfWord });
        };
        subject.value = Word(text.as_bytes());
        let answer = options.apply(option.kind, text.as_bytes(), &mut self.repeated);
        answer.map_err(|answer| find_bad_item(option.kind, answer, options, subject))
    }

    /// Counts the words that the parser has read. This is also the index in argv of the last of them.
    fn count_read(&mut self) -> usize {
        let unread = self.parser.try_raw_args().map_or(0, |unread| unread.as_slice().len());
        self.count.saturating_sub(unread)
    }
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

/// Takes the value that is joined to an option, as in `--option=value` and `-ovalue`.
fn take_attached_value(parser: &mut lexopt::Parser) -> Option<&'static OsStr> {
    parser.optional_value().map(|value| leak(value.into_vec()))
}

/// Leaks a word, which makes it `'static`. (size: 27)
fn leak(word: Vec<u8>) -> &'static OsStr {
    OsStr::from_bytes(word.leak())
}

/// Finds the option that was typed: `-` and a letter, or a word, which may be abbreviated if the personality allows it.
fn find_option(personality: &Personality, is_letter: bool, typed: &OsStr) -> Result<OptionRow, Answer> {
    let mut found = Err(if is_letter { Answer::NoLetter } else { Answer::NoWord });
    for option in personality.options.iter() {
        let is_named = if is_letter {
            typed.as_bytes() == [b'-', option.letter]
        } else {
            match bytes::rest_of_option(option.word, typed.as_bytes()) {
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

/// Copies the words of argv that can be rini's own: the beginning, up to the program.
///
/// lexopt copies all words that it gets, and a program's arguments may be megabytes. No option takes more than one value. So a
/// word that is no option is the program or belongs to it, if the word before is no option either.
fn copy_own_words(argv: Arguments<'_>) -> Vec<OsString> {
    let mut words = Vec::new();
    // Whether the word before takes no value, because it is rini's name or a value; and whether it is `--`.
    let (mut is_no_option, mut is_end) = (true, false);
    for word in (1..).map_while(argv) {
        words.push(word.to_owned());
        let before = is_no_option;
        is_no_option = !word.as_bytes().starts_with(b"-");
        if is_end || before && is_no_option {
            break;
        }
        is_end = word == "--";
    }
    words
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
        leak(text.as_bytes().to_vec())
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
            Ok(options) => (Options { program: None, ..options.clone() }, options.program.unwrap()),
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
        let find = |personality, word| find_option(personality, false, OsStr::new(word)).map(|option| option.kind);
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

    /// lexopt copies all words that it gets, and a program's arguments may be megabytes.
    #[test]
    fn a_program_s_arguments_are_not_copied() {
        let argv = |words: &'static [&'static str]| {
            let endless = std::iter::repeat_n("x", 1000).chain(std::iter::repeat_n("-x", 1000));
            let argv: Vec<_> = words.iter().copied().chain(endless).map(OsStr::new).collect();
            copy_own_words(&|index| argv.get(index).copied()).len() + 1
        };
        assert_eq!(argv(&["rini", "--", "prog"]), 3);
        assert_eq!(argv(&["rini", "-g", "-e", "7", "prog"]), 5);
        assert_eq!(argv(&["rini", "-g", "prog"]), 4);
        assert_eq!(argv(&["rini", "prog"]), 2);
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
