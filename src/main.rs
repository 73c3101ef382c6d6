//! rini, the init of a container. A tour:
//!
//! 1. The kernel starts rini in [`sys::entry`], which blocks every signal first, and calls [`run`].
//! 2. [`prepare`] reads argv and the environment ([`cli`]), and sets the level of the log ([`messages::verbosity`]). `set_up` does the set-up
//!    that can fail, and `start_program` forks the main child ([`sys::spawn`]).
//! 3. [`supervise::runtime`] then runs one loop that cannot fail. It waits for a signal, passes the event to the
//!    [`supervise::supervisor`], and carries out its decision. The loop ends with rini's exit code ([`exit`]).
//!
//! The folders are layers, from the bottom up: [`ground`], [`sys`], [`observe`], [`messages`], [`cli`], [`supervise`], and this
//! file on top. A file imports only from its own layer and from those before it. docs/design.md has a line for each file.
//!
//! Before the fork, an error ends rini with one line and [`exit::CANNOT_START`], and nothing is half started. After the
//! fork, the end of PID 1 would be the end of the container, so the loop in [`Runtime`] has no error.
#![cfg_attr(not(test), no_main)]
#![cfg_attr(test, allow(dead_code))] // The program of the unit tests has its own main, which does not call `run`.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used))]

mod cli;
mod ground;
mod messages;
mod observe;
mod supervise;
mod sys;

use cli::command_line::{self, Subject};
use cli::options::Options;
use cli::table::{Grammar, Personality};
use ground::bytes;
use ground::exit;
use ground::signal::Signal;
use messages::catalog::Catalog;
use messages::diagnosis::Reason;
use messages::message::{self, Answer, StartFailure, StartFailureMessage, UserError, UserErrorMessage};
use messages::quote::{Escaped, Word};
use messages::verbosity::Verbosity;
use nix::errno::Errno;
use observe::accounts::{self, AccountError};
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use supervise::runtime::{Role, Runtime};
use sys::exec_failure::ExecFailure;
use sys::heap;
use sys::install;
use sys::output;
use sys::process::{self, Pid1};
use sys::signals;
use sys::spawn::{self, Placement, Program, Spawned};
use sys::stdin;
use sys::terminal::{self, HandOff, Terminal};
use sys::user::become_user;
use sys::{Start, Strings};

fn os_str(string: &'static CStr) -> &'static OsStr {
    OsStr::from_bytes(string.to_bytes())
}

sys::entry::main!(run);

/// Runs rini, and returns its exit code. The signals are blocked already.
fn run(start: Start) -> u8 {
    // By reference: a move would copy the `Runtime` on the stack.
    match &mut prepare(start) {
        Ok(runtime) => runtime.run(),
        Err(code) => *code,
    }
}

/// Reads the command line, sets rini up and starts the child. Err: rini starts no child, and this is its exit code.
#[inline(never)] // (size: 29)
fn prepare(start: Start) -> Result<Runtime, u8> {
    let argv = |index: usize| start.argv.get(index).map(os_str);
    let called = argv(0).unwrap_or_default();
    let personality = Personality::of_name(called);
    let variable = |name: &[u8]| start.environment.variable(name).map(|(_, value)| os_str(value));
    let mut options = Options::default();
    let mut subject = Subject::of(personality);
    let parsed = command_line::parse(personality, &argv, &variable, &mut options, &mut subject);
    let catalog = &personality.catalog;
    let Verbosity(level) = if parsed.is_ok() { options.verbosity } else { Verbosity::default() };
    log::set_max_level(level);
    // Everybody who may run such a file would get its rights: the program, and `--install` for its target.
    if matches!(parsed, Ok(()) | Err(Answer::Install)) && process::is_file_privileged() {
        catalog.log(message::GivesRights);
        return Err(exit::CANNOT_START);
    }
    match parsed {
        Ok(()) => {
            if log::max_level() >= log::LevelFilter::Info {
                // A full standard error must not hold up the program for this.
                output::forbid_waiting(true);
                for own in personality.variables.iter().filter(|own| command_line::is_on(own, &variable)) {
                    if let Some(notice) = own.notice {
                        catalog.log(notice);
                    }
                }
                log_settings(&start, &options, personality);
                output::forbid_waiting(false);
            }
            set_up(start, personality, &mut options)
        }
        Err(Answer::Install) => Err(install(catalog, &start, &subject)),
        Err(answer) => Err(print_answer(catalog, answer, &subject)),
    }
}

/// Logs what is in force: the options; and the variables, which nobody sees on the command line. Logs each variable that looks like
/// rini's own and is not, because its name may be misspelt.
#[inline(never)]
fn log_settings(start: &Start, options: &Options, personality: &Personality) {
    let catalog = &personality.catalog;
    // The words before the program, without those whose effect is plain to see, `--` and `-v`. There can be megabytes of
    // them, and a message has room for some hundreds of bytes.
    let mut words = Vec::new();
    for word in (1..options.program.unwrap_or(usize::MAX)).map_while(|index| start.argv.get(index)) {
        let word = word.to_bytes();
        if words.len() < 4096 && !word.iter().all(|byte| matches!(byte, b'-' | b'v')) {
            words.push(b' ');
            words.extend_from_slice(word);
        }
    }
    // Under another name, users know the options.
    if !words.is_empty() && personality.is_rini() {
        catalog.log(message::OptionsInForce { options: &Escaped(&words) });
    }
    for variable in (0..).map_while(|slot| start.environment.get(slot)) {
        let Some((name, value)) = bytes::cut(variable.to_bytes(), b'=') else { continue };
        let variable = &Word(name);
        if command_line::is_misspelt(name) {
            catalog.log(message::UnknownVariable { variable });
        } else if command_line::is_setting(name) && !value.is_empty() {
            catalog.log(message::InForce { variable, value: &Word(value) });
        }
    }
}

/// Prints an answer to the command line, and returns the exit code for it.
fn print_answer(catalog: &Catalog, answer: Answer, subject: &Subject) -> u8 {
    let print = |answer| catalog.print(subject.message(answer));
    let printed = print(answer);
    if command_line::is_about_whole_line(answer) {
        let _ = print(Answer::Usage);
    }
    match printed {
        Ok(()) if matches!(answer, Answer::Help | Answer::Version | Answer::License) => 0,
        Ok(()) => exit::CANNOT_START,
        Err(errno) => refuse_start(catalog, StartFailure::CannotPrint, errno),
    }
}

/// Copies rini's own file, and returns the exit code.
fn install(catalog: &Catalog, start: &Start, subject: &Subject) -> u8 {
    let path = &subject.value;
    match install::install(start.argv.get(0), path.0) {
        Ok(is_noexec) => {
            if is_noexec {
                catalog.log(message::InstalledNoExec { path });
            }
            0
        }
        Err(errno) => {
            catalog.log(message::CannotInstall { path, reason: &Reason(errno) });
            exit::CANNOT_START
        }
    }
}

/// Does all set-up that can fail, then starts the main child.
fn set_up(mut start: Start, personality: &'static Personality, options: &mut Options) -> Result<Runtime, u8> {
    let catalog = &personality.catalog;
    // First, because the kernel forgets the signal of --parent-death-signal when the user changes (prctl(2)).
    if let Some(user) = options.user {
        change_user(personality, user, &mut start.environment)?;
    }
    heap::let_allocations_fail();
    // If SIGCHLD were inherited as ignored, the kernel would reap the children itself, and rini would learn of no exit.
    let sigchld = signals::reset_sigchld().map_err(|errno| refuse_start(catalog, StartFailure::CannotReset, errno))?;
    let Start { argv, environment, mask } = start;
    let exec_codes = personality.exec_codes;
    let mut program = options.program.map(|first| Program { argv, first, environment, mask, sigchld, exec_codes });
    if let (Some(program), Grammar::UserThenProgram) = (&mut program, personality.grammar) {
        return Err(spawn::replace_process(program, &|failure| catalog.log_exec_failure(options.name, failure)));
    }
    let role = choose_role(personality, options.subreaper)?;
    if let Some(signal) = options.policy.parent_death_signal {
        watch_parent(catalog, signal)?;
    }
    if options.stop_on_stdin_close && !stdin::can_hang_up() {
        catalog.log(message::StdinNeverCloses);
        options.stop_on_stdin_close = false;
    }
    let hand_off = if options.session && program.is_some() { leave_terminal(catalog) } else { None };
    let child = match program {
        Some(program) => Some(start_program(program, personality, options)?),
        None => None,
    };
    Ok(Runtime::new(personality, child, role, options, hand_off))
}

/// Starts the main child, and records whether it shares a terminal with rini.
fn start_program(program: Program, personality: &Personality, options: &mut Options) -> Result<Spawned, u8> {
    let catalog = &personality.catalog;
    let is_debug = options.session && log::max_level() >= log::LevelFilter::Debug;
    let report = |attached| {
        if is_debug {
            catalog.log_session(attached);
        }
    };
    let claim = || if personality.is_rini() { Terminal::claim() } else { None };
    let terminal = if options.session { None } else { Terminal::open().or_else(claim) };
    // Only from the foreground: a background job must not take the terminal from the shell that started it.
    let foreground = terminal.as_ref().filter(|terminal| terminal.has_own_foreground());
    let placement = match foreground {
        _ if options.session => Placement::Session(&report),
        // A group from outside the PID namespace (`unshare --pid --fork`) has no number here, so rini could not give
        // the terminal back to it. The child stays in that group, which has the terminal, and the shell outside does
        // the job control.
        Some(_) if process::own_group_is_outside() && !options.process_group => Placement::SameGroup,
        foreground => Placement::Group(foreground),
    };
    let name = options.name;
    let log_failure = |failure: &ExecFailure| catalog.log_exec_failure(name, failure);
    let child = spawn::spawn(program, placement, &log_failure).map_err(|errno| match errno {
        Errno::EAGAIN => refuse_start(catalog, StartFailure::ProcessLimit, errno),
        _ => refuse_start(catalog, StartFailure::CannotFork, errno),
    })?;
    options.policy.terminal = terminal.is_some() && child.group.is_some();
    // The terminal's descriptor is closed here: `Runtime::run` closes every descriptor above 2, and no `OwnedFd` may
    // exist then.
    Ok(child)
}

/// Becomes the user that `--user` names, and sets HOME. The program must not start after an error: it would run as root.
#[inline(never)] // (size: 29)
fn change_user(personality: &Personality, user: &'static [u8], environment: &mut Strings) -> Result<(), u8> {
    let (name, group) = bytes::cut(user, b':').unwrap_or((user, b""));
    let (error, part, errno) = match accounts::find(name, group, personality.account_rules) {
        Ok(account) if environment.set(b"HOME", account.home).is_none() => {
            (UserError::UsersUnreadable, user, Errno::EINVAL)
        }
        Ok(account) => match become_user(&account.ids) {
            Ok(()) => return Ok(()),
            Err(Errno::EPERM) => (UserError::NotPermitted, user, Errno::EPERM),
            Err(errno) => (UserError::Failed, user, errno),
        },
        Err(AccountError::NoUser) => (UserError::NoUser, name, Errno::ENOENT),
        Err(AccountError::NoGroup) => (UserError::NoGroup, group, Errno::ENOENT),
        Err(AccountError::UnknownGroup) => (UserError::UnknownGroup, name, Errno::ENOENT),
        Err(AccountError::UsersUnreadable(errno)) => (UserError::UsersUnreadable, user, errno),
        Err(AccountError::GroupsUnreadable(errno)) => (UserError::GroupsUnreadable, user, errno),
    };
    let (user, part, reason) = (&Word(user), &Word(part), &Reason(errno));
    personality.catalog.log(UserErrorMessage { name: error, user, part, reason });
    Err(exit::CANNOT_START)
}

/// Logs why rini cannot start, and returns the exit code for that.
fn refuse_start(catalog: &Catalog, failure: StartFailure, errno: Errno) -> u8 {
    catalog.log(StartFailureMessage { name: failure, reason: &Reason(errno) });
    exit::CANNOT_START
}

/// Gives up rini's terminal, so that the child's session can take it.
fn leave_terminal(catalog: &Catalog) -> Option<HandOff> {
    let done = terminal::hand_off();
    catalog.log_hand_off(done);
    done.ok()
}

/// Decides which orphans the kernel gives to rini, and makes rini a subreaper if that is necessary.
fn choose_role(personality: &Personality, subreaper_wanted: bool) -> Result<Role, u8> {
    let catalog = &personality.catalog;
    let pid1 = Pid1::of_this_process();
    if let Some(pid1) = pid1.filter(|_| !subreaper_wanted) {
        return Ok(Role::Pid1(pid1));
    }
    // rini may be a subreaper already, because the attribute survives an exec (prctl(2)).
    let adopts = subreaper_wanted || personality.adopts || process::is_subreaper();
    if pid1.is_none() && (!adopts || personality.adopts) {
        catalog.log(message::NotPid1);
    }
    if !adopts {
        return Ok(Role::Plain);
    }
    match process::become_subreaper() {
        Ok(()) => Ok(pid1.map_or(Role::Subreaper, Role::Pid1)),
        Err(errno) if subreaper_wanted => Err(refuse_start(catalog, StartFailure::CannotAdopt, errno)),
        Err(errno) => {
            catalog.log(message::DoesNotAdopt { reason: &Reason(errno) });
            Ok(Role::Plain)
        }
    }
}

/// Asks the kernel for `signal` when the parent dies. If the parent has died before that, rini sends the signal to
/// itself.
fn watch_parent(catalog: &Catalog, signal: Signal) -> Result<(), u8> {
    let parent = process::parent_pid();
    process::set_parent_death_signal(signal).map_err(|errno| {
        catalog.log(message::CannotWatchParent { signal: &signal, reason: &Reason(errno) });
        exit::CANNOT_START
    })?;
    if process::parent_pid() != parent {
        // The signal is blocked, so it stays pending until there is a child to forward it to.
        let _ = process::kill(process::own_pid(), signal);
    }
    Ok(())
}
