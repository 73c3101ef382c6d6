//! rini, the init of a container. A tour:
//!
//! 1. [`sys::entry`](sys) is where the kernel starts: it blocks every signal before anything else, and calls [`run`].
//! 2. [`prepare`] goes through the phases in order: [`cli`] reads argv and the environment, [`logging`] is set up, `set_up`
//!    does what can still fail, and [`sys::spawn`] forks the child.
//! 3. [`runtime`] is the rest of rini's life, one loop that cannot fail: it waits for a signal, tells the
//!    [`supervisor`] what happened, and does what that decides. Its end is rini's exit code ([`exit`]), which `run`
//!    returns.
//!
//! [`remaining`] is what the child leaves behind, where somebody cares for that; [`proc`] tells of processes, and [`cgroup`]
//! of memory.
//! [`signal`] holds the signals' numbers and names, [`diagnosis`] finds the words for what went wrong, and [`voice`] has
//! what rini says, in the texts `src/personality/*.txt`; by the name that it is called by it may be another program's
//! ([`personality`]). [`text`] reads words and numbers, byte by byte. All unsafe code is under [`sys`].
//!
//! Until the fork an error ends rini with one line and [`exit::CANNOT_START`], and nothing is half started. From the
//! fork on the end of PID 1 would be the end of the container: there [`runtime::Runtime`] takes over, whose `run` has
//! no error.
#![cfg_attr(not(test), no_main)]
#![cfg_attr(test, allow(dead_code))] // The tests' program has a main of its own, from which `run` is not reached.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used))]

mod cgroup;
mod cli;
mod diagnosis;
mod exit;
#[cfg(test)]
mod fuzzed;
mod logging;
mod personality;
mod proc;
mod remaining;
mod runtime;
mod signal;
mod supervisor;
mod sys;
mod text;
mod time;
mod voice;

use cli::{Options, Verbosity};
use diagnosis::ExecFailure;
use nix::errno::Errno;
use personality::Personality;
use runtime::{Role, Runtime};
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use sys::Start;
use sys::process::{self, Pid1};
use sys::signals;
use sys::spawn::{self, Placement, Program};
use sys::terminal::{self, HandOff, Terminal};
use voice::{Message, Part, Voice};

fn bytes(string: &'static CStr) -> &'static OsStr {
    OsStr::from_bytes(string.to_bytes())
}

/// Everything, from the first line to the exit code. The signals are blocked already.
fn run(start: Start) -> u8 {
    // Where it is, as it would be on the stack twice.
    match &mut prepare(start) {
        Ok(runtime) => runtime.run(),
        Err(code) => *code,
    }
}

/// Everything up to the start of the child. Err: there is none, and this is rini's exit code.
#[inline(never)]
fn prepare(start: Start) -> Result<Runtime, u8> {
    let argv = |index: usize| start.argv.get(index).map(bytes);
    let called = argv(0).unwrap_or_default();
    let personality = Personality::called(called);
    let variable = |name: &[u8]| start.environment.variable(name).map(|(_, value)| bytes(value));
    let mut options = Options::default();
    let mut place = cli::NOWHERE;
    let parsed = cli::parse(personality, &argv, &variable, &mut options, &mut place);
    let voice = &personality.voice;
    logging::init(if parsed.is_ok() { options.verbosity } else { Verbosity::default() }, voice);
    match parsed {
        Ok(()) => {
            for switch in personality.switches.iter().filter(|switch| cli::counts(switch, &variable)) {
                voice.say(switch.notice, &[]);
            }
            set_up(start, personality, &mut options)
        }
        Err(message @ (Message::Help | Message::Version | Message::License)) => {
            Err(if print(voice, message, called) { 0 } else { exit::CANNOT_START })
        }
        Err(wrong) => {
            voice.say(wrong, &place);
            if cli::wants_usage(wrong) {
                print(voice, Message::Usage, called);
            }
            Err(exit::CANNOT_START)
        }
    }
}

/// Prints a text that was asked for, or the usage. False if it could not be printed.
fn print(voice: &Voice, message: Message, called: &'static OsStr) -> bool {
    let name = personality::base_name(called);
    voice.say(message, &[Part::Word(called), Part::Word(name), Part::Message(Message::Help)])
}

/// Everything that can keep the child from being started, and its start. (By itself, as are others that are called once: in a
/// small frame the offsets are of a byte, and not of four.)
#[inline(never)]
fn set_up(start: Start, personality: &'static Personality, options: &mut Options) -> Result<Runtime, u8> {
    let Start { argv, environment, mask } = start;
    let voice = &personality.voice;
    let role = role(personality, options.subreaper)?;
    if let Some(signal) = options.policy.parent_death_signal {
        watch_parent(voice, signal)?;
    }
    // Inherited as ignored it would leave no child to be told of, an orphan neither.
    let sigchld = signals::default_sigchld().map_err(|errno| refuse(voice, Message::CannotReset, errno))?;
    let (mut child, mut hand_off) = (None, None);
    if let Some(first) = options.program {
        hand_off = options.session.then(|| leave_terminal(voice)).flatten();
        let tells = options.session && log::log_enabled!(target: voice::TARGET, log::Level::Debug);
        let tell = |attached| {
            if tells {
                voice.attached(attached);
            }
        };
        let terminal = if options.session { None } else { Terminal::open() };
        // Only from the foreground: a job in the background must not take the terminal from the shell that started it.
        let foreground = terminal.as_ref().filter(|terminal| terminal.is_ours());
        let placement = if options.session { Placement::Session(&tell) } else { Placement::Group(foreground) };
        let name = argv.get(first).map(bytes).unwrap_or_default();
        let program = Program { argv, first, environment, mask, sigchld, exec_codes: personality.exec_codes };
        let failed = |failure: &ExecFailure| voice.exec_failed(name, failure);
        let spawned = spawn::spawn(program, placement, &failed).map_err(|errno| match errno {
            Errno::EAGAIN => refuse(voice, Message::ProcessLimit, errno),
            _ => refuse(voice, Message::CannotFork, errno),
        })?;
        child = Some(spawned);
        // The runtime closes every descriptor above 2, and nobody may own one by then.
        options.policy.terminal = terminal.is_some();
    }
    Ok(Runtime::new(voice, child, role, options, hand_off))
}

/// Says why the child cannot be started, and returns the exit code for that.
fn refuse(voice: &Voice, message: Message, errno: Errno) -> u8 {
    voice.say(message, &[Part::Reason(errno)]);
    exit::CANNOT_START
}

/// Leaves the terminal to the child's session.
fn leave_terminal(voice: &Voice) -> Option<HandOff> {
    let done = terminal::hand_off();
    voice.handed_off(done);
    done.ok()
}

/// What rini is to the processes around it.
fn role(personality: &Personality, subreaper_wanted: bool) -> Result<Role, u8> {
    let voice = &personality.voice;
    let pid1 = Pid1::of_this_process();
    if let Some(pid1) = pid1.filter(|_| !subreaper_wanted) {
        return Ok(Role::Pid1(pid1));
    }
    // The bit may be there from before: it survives an exec (prctl(2)).
    let adopts = subreaper_wanted || personality.adopts || process::is_subreaper();
    if pid1.is_none() && (!adopts || personality.adopts) {
        voice.say(Message::NotPid1, &[]);
    }
    if !adopts {
        return Ok(Role::Plain);
    }
    match process::become_subreaper() {
        Ok(()) => Ok(pid1.map_or(Role::Subreaper, Role::Pid1)),
        Err(errno) if subreaper_wanted => Err(refuse(voice, Message::CannotAdopt, errno)),
        Err(errno) => {
            voice.say(Message::DoesNotAdopt, &[Part::Reason(errno)]);
            Ok(Role::Plain)
        }
    }
}

/// Asks the kernel for `signal` when the parent dies, and acts itself if it died before the kernel could know.
fn watch_parent(voice: &Voice, signal: signal::Signal) -> Result<(), u8> {
    let parent = process::parent();
    process::set_parent_death_signal(signal).map_err(|errno| {
        voice.say(Message::CannotWatchParent, &[Part::Reason(errno), Part::Signal(signal)]);
        exit::CANNOT_START
    })?;
    if process::parent() != parent {
        // It is blocked, so it waits for the child like any other that comes before there is one.
        let _ = process::kill(process::own_pid(), signal);
    }
    Ok(())
}
