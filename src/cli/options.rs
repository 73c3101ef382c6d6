//! The settings that options and variables make: a field for each, and the code that fills it in.
#![forbid(unsafe_code)]

use crate::cli::values;
use crate::ground::bytes::Parts;
use crate::ground::exit::Remap;
use crate::ground::policy::Policy;
use crate::ground::signal::{Rewrite, Signal, SignalSet};
use crate::ground::time::Duration;
use crate::messages::message::Answer;
use crate::messages::verbosity::Verbosity;
use std::mem;

/// What the user asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The index in argv at which the program begins, at least 1. None with `--pause`.
    pub program: Option<usize>,
    /// Signals go to the child's process group, and not to the child alone.
    pub process_group: bool,
    /// The child gets a session of its own, and the terminal.
    pub session: bool,
    /// The hang-up of standard input starts a stop.
    pub stop_on_stdin_close: bool,
    /// rini refuses to start if it cannot become a subreaper.
    pub subreaper: bool,
    /// rini logs a warning for each orphan that it reaps.
    pub warn_on_reap: bool,
    /// The rules that change the exit code.
    pub remap: Remap,
    /// The rules for signals and for the container's stop.
    pub policy: Policy,
    /// The messages to log.
    pub verbosity: Verbosity,
    /// The user to run as, `USER[:GROUP]`. None: the user that rini was started as.
    pub user: Option<&'static [u8]>,
    /// The program's name, as it was typed. It is empty with `--pause`.
    pub name: &'static [u8],
}

/// The effect of an option or a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// Forwards signals to the child's process group.
    ProcessGroup,
    /// Becomes a subreaper, or refuses to start.
    Subreaper,
    /// Logs a warning for each orphan reaped.
    WarnOnReap,
    /// Logs one level more each time.
    Verbose,
    /// Logs everything down to the level `debug`.
    Debug,
    /// Logs everything down to a level.
    Log,
    /// Gives the child no session, and signals to the child alone.
    SingleChild,
    /// Changes exit codes.
    RemapExit,
    /// Changes an exit code by a rule in tini's form.
    RemapExitOfTini,
    /// Forwards other signals than those received.
    Rewrite,
    /// Forwards another signal by a rule in dumb-init's form.
    RewriteOfDumbInit,
    /// Sets the grace period.
    GracePeriod,
    /// Sets the stop delay.
    StopDelay,
    /// Sets the stop signals.
    StopSignals,
    /// Starts a stop when standard input hangs up.
    StopOnStdinClose,
    /// Chooses what happens to leftover processes.
    AfterExit,
    /// Sets the signal for the death of rini's parent.
    ParentDeathSignal,
    /// Sets that signal by a name that tini knows.
    ParentDeathSignalOfTini,
    /// Changes the user.
    User,
    /// Runs no program.
    Pause,
    /// Copies rini to another place.
    Install,
    /// Prints the help.
    Help,
    /// Prints the license.
    License,
    /// Prints the version.
    Version,
    /// Must not be given: another init reserves it for the future.
    Reserved,
}

/// What the options given so far have in common, if an option can be given several times.
#[derive(Default)]
pub struct Repeated {
    /// The number of `-v`.
    pub verbose: u8,
    has_remap: bool,
    has_rewrite: bool,
}

impl Options {
    /// Applies an option or a variable with its value. An option without a value has the value `1`.
    ///
    /// Err: the answer to print instead of a start. `BadOption` if the value is invalid.
    pub fn apply(&mut self, kind: OptionKind, value: &'static [u8], repeated: &mut Repeated) -> Result<(), Answer> {
        let policy = &mut self.policy;
        let wrong = Answer::BadOption;
        let switch = values::read_switch(value);
        match kind {
            OptionKind::ProcessGroup => self.process_group = switch.ok_or(wrong)?,
            OptionKind::Subreaper => self.subreaper = switch.ok_or(wrong)?,
            OptionKind::WarnOnReap => self.warn_on_reap = switch.ok_or(wrong)?,
            OptionKind::StopOnStdinClose => self.stop_on_stdin_close = switch.ok_or(wrong)?,
            OptionKind::RemapExit
            | OptionKind::RemapExitOfTini
            | OptionKind::Rewrite
            | OptionKind::RewriteOfDumbInit => {
                return self.add_rules(kind, value, repeated).then_some(()).ok_or(wrong);
            }
            OptionKind::GracePeriod => policy.grace = Some(values::read_duration(value, 1_000_000).ok_or(wrong)?),
            // A delay of 0 is no delay.
            OptionKind::StopDelay => {
                policy.delay =
                    Some(values::read_duration(value, 0).ok_or(wrong)?).filter(|delay| *delay > Duration::default())
            }
            OptionKind::StopSignals => policy.stop_signals = SignalSet::parse(value).ok_or(wrong)?,
            OptionKind::AfterExit => policy.after_exit = values::read_after_exit(value).ok_or(wrong)?,
            OptionKind::ParentDeathSignal | OptionKind::ParentDeathSignalOfTini => {
                let signal = Signal::parse(value).filter(|signal| {
                    kind == OptionKind::ParentDeathSignal || values::is_signal_of_tini(*signal, value)
                });
                policy.parent_death_signal = Some(signal.ok_or(wrong)?);
            }
            OptionKind::Log => self.verbosity = Verbosity::parse(value).ok_or(wrong)?,
            OptionKind::Debug => self.verbosity = Verbosity::DEBUG,
            OptionKind::Pause => policy.pause = true,
            OptionKind::SingleChild => (self.process_group, self.session) = (false, false),
            OptionKind::Verbose => repeated.verbose = repeated.verbose.saturating_add(1),
            OptionKind::User if value.is_empty() || value.starts_with(b":") => return Err(wrong),
            OptionKind::User => self.user = Some(value),
            OptionKind::Install if value.is_empty() => return Err(wrong),
            OptionKind::Install => return Err(Answer::Install),
            OptionKind::Help => return Err(Answer::Help),
            OptionKind::License => return Err(Answer::License),
            OptionKind::Version => return Err(Answer::Version),
            OptionKind::Reserved => return Err(Answer::Reserved),
        }
        Ok(())
    }
    /// Adds the rules of a value. The first rule of an option replaces all rules of its variable. Returns false if a rule is
    /// invalid.
    fn add_rules(&mut self, kind: OptionKind, value: &[u8], repeated: &mut Repeated) -> bool {
        let (remap, rewrite) = (&mut self.remap, &mut self.policy.rewrite);
        match kind {
            OptionKind::RemapExit | OptionKind::RemapExitOfTini => {
                if !mem::replace(&mut repeated.has_remap, true) {
                    *remap = Remap::default();
                }
            }
            _ => {
                if !mem::replace(&mut repeated.has_rewrite, true) {
                    *rewrite = Rewrite::default();
                }
            }
        }
        match kind {
            OptionKind::RemapExit => Parts::of(value, b',').all(|rule| remap.add(rule)),
            OptionKind::RemapExitOfTini => values::add_remap_of_tini(remap, value),
            OptionKind::Rewrite => Parts::of(value, b',').all(|rule| rewrite.add(rule)),
            _ => values::add_rewrite_of_dumb_init(rewrite, value),
        }
    }
}
