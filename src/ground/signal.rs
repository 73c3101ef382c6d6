//! The signals 1 to 64: their numbers, names, sets and rewrite rules.
//!
//! The numbers are the kernel's, and so independent of the C library. `RTMIN` is 34, as in Docker, glibc and bash. The
//! kernel's first real-time signal is 32, and musl's `SIGRTMIN` is 35. Signals 32 and 33, which both C libraries use
//! themselves, have no names.
#![forbid(unsafe_code)]

use crate::ground::bytes::{self, Decimal, Parts};
use std::fmt;

/// A signal, 1 to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signal(u8);

/// The signals by which a terminal stops processes.
pub const TERMINAL_STOPS: [Signal; 3] = [Signal::TSTP, Signal::TTIN, Signal::TTOU];

const MAX: u8 = 64;
const RTMIN: u8 = 34;
const RTMAX: u8 = MAX;

/// The second names of three signals (signal(7)).
const SECOND_NAMES: &[u8] = b"POLL IOT CLD";
const NAMED_TWICE: [Signal; 3] =
    [Signal::known(libc::SIGPOLL), Signal::known(libc::SIGIOT), Signal::known(libc::SIGCHLD)];

/// Removes a prefix, which is in upper case, without regard to case.
fn strip_prefix<'a>(word: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = word.split_at_checked(prefix.len())?;
    bytes::is_word(head, prefix).then_some(rest)
}

impl Signal {
    /// A child of the receiver ended, stopped or continued.
    pub const CHLD: Signal = Signal::known(libc::SIGCHLD);
    /// Continue a stopped process.
    pub const CONT: Signal = Signal::known(libc::SIGCONT);
    /// Interrupt, typed at the terminal.
    pub const INT: Signal = Signal::known(libc::SIGINT);
    /// The terminal hung up.
    pub const HUP: Signal = Signal::known(libc::SIGHUP);
    /// Kill; cannot be caught.
    pub const KILL: Signal = Signal::known(libc::SIGKILL);
    /// A write to a pipe without a reader.
    pub const PIPE: Signal = Signal::known(libc::SIGPIPE);
    /// A write to a file at the limit of its size.
    pub const XFSZ: Signal = Signal::known(libc::SIGXFSZ);
    /// Quit, typed at the terminal.
    pub const QUIT: Signal = Signal::known(libc::SIGQUIT);
    /// Stop; cannot be caught.
    pub const STOP: Signal = Signal::known(libc::SIGSTOP);
    /// Terminate: the usual request to end.
    pub const TERM: Signal = Signal::known(libc::SIGTERM);
    /// Stop, typed at the terminal.
    pub const TSTP: Signal = Signal::known(libc::SIGTSTP);
    /// Stop: a background process read from its terminal.
    pub const TTIN: Signal = Signal::known(libc::SIGTTIN);
    /// A breakpoint, or another trap for a debugger.
    pub const TRAP: Signal = Signal::known(libc::SIGTRAP);
    /// Stop: a background process wrote to its terminal or changed it.
    pub const TTOU: Signal = Signal::known(libc::SIGTTOU);

    /// The terminal's size has changed.
    pub const WINCH: Signal = Signal::known(libc::SIGWINCH);

    /// Makes one of the constants above, whose numbers are in range.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    const fn known(number: i32) -> Signal {
        Signal(number as u8)
    }

    /// The signal with this number, if it is from 1 to 64.
    pub fn from_number(number: i32) -> Option<Signal> {
        u8::try_from(number).ok().filter(|n| (1..=MAX).contains(n)).map(Signal)
    }

    /// The number of the signal, from 1 to 64.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The bit of the signal in the kernel's sets. Signal 1 is the lowest bit.
    pub fn bit(self) -> u64 {
        // A rotation cannot overflow. By 64 it leaves the highest bit as it is, and by 1 it makes it the lowest.
        (1_u64 << 63).rotate_left(self.0.into())
    }

    /// Whether rini can forward the signal. SIGKILL and SIGSTOP cannot be caught, and SIGCHLD is for rini itself.
    fn can_be_forwarded(self) -> bool {
        !matches!(self, Signal::KILL | Signal::STOP | Signal::CHLD)
    }

    /// Whether this signal stops processes or continues them.
    pub fn is_for_job_control(self) -> bool {
        matches!(self, Signal::STOP | Signal::TSTP | Signal::TTIN | Signal::TTOU | Signal::CONT)
    }

    /// Whether this is SIGTSTP, SIGTTIN or SIGTTOU, by which a terminal stops processes.
    pub fn is_terminal_stop(self) -> bool {
        TERMINAL_STOPS.contains(&self)
    }

    /// Whether this is SIGTTIN or SIGTTOU, which the terminal sends to processes in the background.
    pub fn is_background_stop(self) -> bool {
        matches!(self, Signal::TTIN | Signal::TTOU)
    }

    /// Whether a terminal sends this signal, to a whole process group.
    pub fn is_sent_by_terminal(self) -> bool {
        self.is_terminal_stop()
            || matches!(self, Signal::INT | Signal::QUIT | Signal::HUP | Signal::CONT | Signal::WINCH)
    }

    /// Whether the default action of this signal is to stop the process.
    pub fn has_stop_action(self) -> bool {
        self == Signal::STOP || self.is_terminal_stop()
    }

    /// Reads `TERM`, `SIGTERM`, `15`, `RTMIN+3` or `SIGRTMAX-1`, without regard to case.
    pub fn parse(word: &[u8]) -> Option<Signal> {
        if let Some(number) = bytes::number(word) {
            return Signal::from_number(i32::try_from(number).ok()?);
        }
        let name = strip_prefix(word, b"SIG").unwrap_or(word);
        for (base, sign) in [(RTMIN, b'+'), (RTMAX, b'-')] {
            let base_name: &[u8] = if base == RTMIN { b"RTMIN" } else { b"RTMAX" };
            let Some(rest) = strip_prefix(name, base_name) else { continue };
            let offset = match rest.split_first() {
                None => 0,
                Some((first, digits)) if *first == sign => u8::try_from(bytes::number(digits)?).ok()?,
                Some(_) => return None,
            };
            let number = if base == RTMIN { base.checked_add(offset) } else { base.checked_sub(offset) };
            return number.filter(|number| (RTMIN..=RTMAX).contains(number)).map(Signal);
        }
        let is_name =
            |known: &str| known.strip_prefix("SIG").is_some_and(|known| bytes::is_word(name, known.as_bytes()));
        let more = || NAMED_TWICE.get(bytes::index_of_word(SECOND_NAMES, name)?).copied();
        (1..RTMIN).map(Signal).find(|signal| signal.name().is_some_and(is_name)).or_else(more)
    }

    /// The name of a standard signal, such as `SIGTERM`.
    pub fn name(self) -> Option<&'static str> {
        match i32::from(self.0) {
            // signal-hook does not name these two.
            libc::SIGPWR => Some("SIGPWR"),
            libc::SIGSTKFLT => Some("SIGSTKFLT"),
            number => signal_hook::low_level::signal_name(number),
        }
    }
}

/// Writes `SIGTERM`, `SIGRTMIN+3` or `SIGRTMAX-1`, as bash's `kill -l` does, and `signal 32` for a signal without a
/// name.
impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIDDLE: u8 = 50;
        if let Some(name) = self.name() {
            return f.write_str(name);
        }
        let (word, sign, number) = match self.0 {
            n @ RTMIN..MIDDLE => ("SIGRTMIN", "+", n.saturating_sub(RTMIN)),
            n @ MIDDLE..=RTMAX => ("SIGRTMAX", "-", RTMAX.saturating_sub(n)),
            n => ("signal", " ", n),
        };
        f.write_str(word)?;
        if number == 0 {
            return Ok(());
        }
        f.write_str(sign)?;
        Decimal::from(number).fmt(f)
    }
}

/// A set of signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignalSet(u64);

impl SignalSet {
    /// Whether the set contains this signal.
    pub fn contains(self, signal: Signal) -> bool {
        self.0 & signal.bit() != 0
    }

    /// Adds a signal.
    pub fn insert(&mut self, signal: Signal) {
        self.0 |= signal.bit();
    }

    /// The set of these signals.
    pub fn of<const N: usize>(signals: [Signal; N]) -> SignalSet {
        SignalSet(signals.into_iter().fold(0, |set, signal| set | signal.bit()))
    }

    /// Removes a signal.
    pub fn remove(&mut self, signal: Signal) {
        self.0 &= !signal.bit();
    }

    /// Reads a list such as `TERM,INT`. Returns None if a part is no signal, or a signal that rini cannot forward.
    pub fn parse(list: &[u8]) -> Option<SignalSet> {
        let mut set = SignalSet::default();
        for name in Parts::of(list, b',') {
            set.insert(Signal::parse(name).filter(|signal| signal.can_be_forwarded())?);
        }
        Some(set)
    }
}

/// The rules of `--rewrite FROM:TO`, in the given order. TO is None if FROM is dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite(Vec<(Signal, Option<Signal>)>);

impl Rewrite {
    /// Adds a rule `FROM:TO`, in which a TO of 0 drops FROM. A later rule for the same FROM wins. Returns false if
    /// `rule` is invalid, or if rini cannot forward FROM.
    #[must_use]
    pub fn add(&mut self, rule: &[u8]) -> bool {
        let rule = bytes::cut(rule, b':').and_then(|(from, to)| {
            let from = Signal::parse(from).filter(|signal| signal.can_be_forwarded())?;
            if to == b"0" { Some((from, None)) } else { Some((from, Some(Signal::parse(to)?))) }
        });
        if let Some((from, to)) = rule {
            self.insert(from, to);
        }
        rule.is_some()
    }

    /// Adds the rule FROM:TO. None drops FROM.
    pub fn insert(&mut self, from: Signal, to: Option<Signal>) {
        self.0.push((from, to));
    }

    /// Adds the rule FROM:TO if there is no rule for FROM.
    pub fn insert_default(&mut self, from: Signal, to: Signal) {
        if !self.has_rule(from) {
            self.insert(from, Some(to));
        }
    }

    /// Whether there is a rule for this signal, also one that maps the signal to itself.
    pub fn has_rule(&self, signal: Signal) -> bool {
        self.rule(signal).is_some()
    }

    /// The signal to forward instead of this one, or None to drop it. A rule never applies to the TO of another rule.
    pub fn apply(&self, signal: Signal) -> Option<Signal> {
        self.rule(signal).unwrap_or(Some(signal))
    }

    /// The last rule for this signal.
    fn rule(&self, signal: Signal) -> Option<Option<Signal>> {
        self.0.iter().rev().find(|(from, _)| *from == signal).map(|(_, to)| *to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_is_read_back_from_its_number_and_from_its_name() {
        for n in 1..=64 {
            let signal = Signal::from_number(n).unwrap();
            assert_eq!(i32::from(signal.number()), n);
            assert_eq!(Signal::parse(n.to_string().as_bytes()), Some(signal));
            let name = signal.to_string();
            if n == 32 || n == 33 {
                assert_eq!(name, format!("signal {n}"));
            } else {
                assert!(name.starts_with("SIG"), "{name}");
                assert_eq!(Signal::parse(name.as_bytes()), Some(signal), "{name}");
                assert_eq!(Signal::parse(name.to_lowercase().as_bytes()), Some(signal), "{name}");
                assert_eq!(Signal::parse(name.strip_prefix("SIG").unwrap().as_bytes()), Some(signal), "{name}");
            }
        }
    }

    #[test]
    fn names_follow_signal_7_docker_and_bash() {
        for (text, number) in [
            ("TERM", 15),
            ("sigpwr", 30),
            ("STKFLT", 16),
            ("POLL", 29),
            ("IO", 29),
            ("IOT", 6),
            ("ABRT", 6),
            ("cld", 17),
            ("SYS", 31),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("rtmin+30", 64),
            ("RTMAX", 64),
            ("RTMAX-1", 63),
            ("SIGRTMAX-30", 34),
            ("015", 15),
        ] {
            assert_eq!(Signal::parse(text.as_bytes()).map(|s| s.number()), Some(number), "{text}");
        }
    }

    #[test]
    fn a_set_holds_what_its_list_names() {
        let set = SignalSet::parse(b"TERM,sigint,34,RTMAX").unwrap();
        for n in 1..=64 {
            assert_eq!(set.contains(Signal::from_number(n).unwrap()), [2, 15, 34, 64].contains(&n), "{n}");
        }
        for list in ["", ",", "TERM,", "TERM,,INT", "TERM INT", "KILL", "TERM,STOP", "CHLD", "0", "65"] {
            assert_eq!(SignalSet::parse(list.as_bytes()), None, "{list:?}");
        }
    }

    #[test]
    fn a_rewrite_acts_once_on_the_signal_that_it_names() {
        let mut rewrite = Rewrite::default();
        for rule in ["TERM:QUIT", "QUIT:INT", "hup:0", "USR1:KILL", "USR2:stop", "34:RTMIN+1", "1:10", "1:0"] {
            assert!(rewrite.add(rule.as_bytes()), "{rule}");
        }
        let number = |n| rewrite.apply(Signal::from_number(n).unwrap()).map(Signal::number);
        for n in 1..=64 {
            let wanted = match n {
                15 => Some(3),
                3 => Some(2),
                1 => None,
                10 => Some(9),
                12 => Some(19),
                34 => Some(35),
                n => u8::try_from(n).ok(),
            };
            assert_eq!(number(n), wanted, "{n}");
        }
        for text in [
            "",
            ":",
            "TERM",
            "TERM:",
            ":TERM",
            "KILL:TERM",
            "STOP:TERM",
            "CHLD:TERM",
            "TERM:65",
            "TERM:QUIT:INT",
            "0:1",
        ] {
            assert!(!Rewrite::default().add(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for text in [
            "",
            "0",
            "65",
            "256",
            "271",
            "-1",
            "+15",
            " 15",
            "15 ",
            "SIG",
            "SIGSIGTERM",
            "TERMX",
            "RTMIN+31",
            "RTMIN-1",
            "RTMIN+",
            "RTMIN++1",
            "RTMIN+-1",
            "RTMAX+1",
            "RTMAX-31",
            "RTMAX-255",
            "RTMIN+255",
            "99999999999999999999",
            "signal 32",
            "ＴＥＲＭ",
        ] {
            assert_eq!(Signal::parse(text.as_bytes()), None, "{text:?}");
        }
        for n in [-1, 0, 65, 271, i32::MAX, i32::MIN] {
            assert_eq!(Signal::from_number(n), None, "{n}");
        }
    }
}
