//! Starting the child: a fork, what the child does to itself, and its exec.
//!
//! The fork is a vfork ([`super::vfork`]): the child has the parent's memory, and the parent waits, until the exec or the
//! child's end. But nothing depends on that, as in an emulator it is a plain fork. So the child itself says that its exec has
//! failed, and why; that it has, the parent sees in the memory that they share, where they do.
//!
//! Between the fork and the exec the child never returns into the program. It may have memory of the heap, which is whole: rini has
//! one thread, and stays whole if the child is killed. What it does not give back, the parent has for ever, and that is little.

use super::process::Pid;
use super::signals::{self, Disposition, Mask};
use super::terminal::{self, Terminal};
use super::{Strings, c_string, files, vfork};
use crate::diagnosis::{ExecFailure, is_text};
use crate::exit::ExecCodes;
use crate::text::{self, Decimal};
use libc::{c_int, c_void};
use nix::errno::Errno;
use std::ffi::CStr;

/// Where a program without a slash is looked for when PATH is not set: musl's default, which contains glibc's.
const DEFAULT_PATH: &[u8] = b"/usr/local/bin:/bin:/usr/bin";
const SHELL: &CStr = c"/bin/sh";

/// The program to run, and what it is to find as rini found it.
pub struct Program {
    /// rini's own argv; the program's begins at `first`.
    pub argv: Strings,
    /// Which word of argv is the program. At least 1: word 0 is rini's own name.
    pub first: usize,
    /// The environment.
    pub environment: Strings,
    /// The signal mask that rini was started with.
    pub mask: Mask,
    /// The disposition of SIGCHLD that rini was started with.
    pub sigchld: Disposition,
    /// What to exit with where it cannot be executed.
    pub exec_codes: ExecCodes,
}

/// Where the child is put, beside rini.
#[derive(Clone, Copy)]
pub enum Placement<'a> {
    /// In a process group of its own, which becomes the foreground group of this terminal.
    Group(Option<&'a Terminal>),
    /// In a session of its own, which takes over the terminal on standard input. This is then called in the child, and
    /// told whether it got that.
    Session(&'a dyn Fn(Result<(), Errno>)),
}

/// A child that was forked.
pub struct Spawned {
    /// Its pid, and that of its process group.
    pub pid: Pid,
    /// Whether its exec has failed, which it has said then. None: the memory was not shared, and who knows.
    pub exec_failed: Option<bool>,
}

/// Everything that the child needs, in one place; and what it leaves there.
struct Child<'a> {
    program: Program,
    placement: Placement<'a>,
    say_failed: &'a dyn Fn(&ExecFailure),
    exec_failed: Option<bool>,
}

/// Forks the child. It leads a process group of its own, with a session or without. Where its exec fails, `say_failed` is called
/// in it.
pub fn spawn(program: Program, placement: Placement<'_>, say_failed: &dyn Fn(&ExecFailure)) -> Result<Spawned, Errno> {
    let mut child = Child { program, placement, say_failed, exec_failed: None };
    let pid = Pid::from_raw(vfork::spawn(&mut child, run)?);
    let exec_failed = child.exec_failed;
    // After a plain fork the child may not have run yet, and a signal to the group that comes before that would find no such
    // group (tini, dumb-init and catatonit lose it). EACCES: it has been as far as its exec. For a session it must not be done:
    // the leader of a group cannot make one (setsid(2)). What comes for the group before the child has made it goes to
    // the child alone.
    if let (Placement::Group(_), None) = (placement, exec_failed) {
        let _ = nix::unistd::setpgid(pid, pid);
    }
    Ok(Spawned { pid, exec_failed })
}

extern "C" fn run(child: *mut c_void) -> ! {
    // SAFETY: a reference wants a valid value that nobody else uses: it is that of `spawn`, which waits or has one of its own.
    become_program(unsafe { &mut *child.cast::<Child<'_>>() })
}

/// In the child: everything that leads to the exec.
fn become_program(child: &mut Child<'_>) -> ! {
    child.exec_failed = Some(false);
    let program = &mut child.program;
    match child.placement {
        Placement::Group(terminal) => {
            let own = Pid::from_raw(0);
            let _ = nix::unistd::setpgid(own, own);
            if let Some(terminal) = terminal {
                // All signals are blocked, SIGTTOU with them: from the background group that this is by now, tcsetpgrp
                // works so.
                let _ = nix::unistd::tcsetpgrp(terminal.descriptor(), nix::unistd::getpid());
            }
        }
        Placement::Session(tell) => {
            // It leads no group yet, so there is no error.
            let _ = nix::unistd::setsid();
            tell(terminal::take_over());
        }
    }
    fix_listen_pid(&mut program.environment);
    // The disposition before the mask: a signal that is pending must meet the disposition that it was meant for.
    signals::restore_sigchld(&program.sigchld);
    signals::set_mask(program.mask);
    let failure = exec(program);
    // A broken standard error is no reason to end in another way.
    signals::block_all();
    (child.say_failed)(&failure);
    child.exec_failed = Some(true);
    let code = program.exec_codes.of(failure.errno);
    // SAFETY: _exit takes a number; it runs nothing of the parent's.
    unsafe { libc::_exit(c_int::from(code)) }
}

/// Socket activation (sd_listen_fds(3)): the sockets are meant for the process that LISTEN_PID names, which was to be
/// this one's parent and is now this one.
fn fix_listen_pid(environment: &mut Strings) {
    let Some((slot, value)) = environment.variable(b"LISTEN_PID") else { return };
    if value.to_bytes() != format!("{}", Decimal::from(nix::unistd::getppid())).as_bytes() {
        return;
    }
    let variable = format!("LISTEN_PID={}\0", Decimal::from(nix::unistd::getpid()));
    if let Some(variable) = c_string(variable.into_bytes().leak()) {
        environment.replace(slot, variable);
        // By systemd from 259 on the inode of that process's pidfd, which this one has not. Without it nobody asks.
        if let Some((slot, _)) = environment.variable(b"LISTEN_PIDFDID") {
            environment.replace(slot, variable);
        }
    }
}

/// Tries to become the program, as execvp(3) does: a name without a slash is looked for along PATH, and what cannot be
/// executed there is passed over for a later one that can. Returns only with the reason why not.
fn exec(program: &mut Program) -> ExecFailure {
    let name = program.argv.iter().nth(program.first).unwrap_or_default();
    let bytes = name.to_bytes();
    if bytes.is_empty() || text::cut(bytes, b'/').is_some() {
        let errno = execve(name, program.argv.slots(program.first), program);
        return try_shell(program, name, look_at(name, errno));
    }
    let path = program.environment.variable(b"PATH").map_or(DEFAULT_PATH, |(_, path)| path.to_bytes());
    // The first that is there, and cannot be executed.
    let mut found: Option<ExecFailure> = None;
    // Where nothing can be executed, a file that is there although the kernel said ENOENT lacks its interpreter: once
    // more along PATH, to look.
    for run in [true, false] {
        for folder in path.split(|byte| *byte == b':') {
            let candidate = join(folder, bytes);
            // What is longer than a path can be is nowhere.
            let Some(file) = c_string(&candidate).filter(|_| candidate.len() <= libc::PATH_MAX as usize) else {
                continue;
            };
            let errno = if run { execve(file, program.argv.slots(program.first), program) } else { libc::ENOENT };
            match errno {
                libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT if run => (),
                libc::ENOENT | libc::EACCES => {
                    found = found.or_else(|| Some(look_at(file, errno)).filter(ExecFailure::exists));
                }
                _ => return try_shell(program, file, look_at(file, errno)),
            }
        }
    }
    found.unwrap_or_else(|| ExecFailure::of(libc::ENOENT, bytes))
}

/// `folder/name`, and a null; an empty folder is the working directory.
fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let slash: &[u8] = if folder.is_empty() { b"" } else { b"/" };
    [folder, slash, name, b"\0"].concat()
}

/// A script without `#!`: the kernel knows no such thing, and the shells and glibc's execvp(3) give it to /bin/sh (musl's
/// does not). A binary must not go there: the shell would read it as commands.
fn try_shell(program: &mut Program, file: &CStr, mut failure: ExecFailure) -> ExecFailure {
    let before = program.first.checked_sub(1).filter(|_| failure.errno == libc::ENOEXEC && is_text(&failure.head));
    if let (Some(before), Some(file)) = (before, c_string(file.to_bytes_with_nul().to_vec().leak())) {
        // The word before the program's is an option of rini's or its name: its slot is free for the shell's.
        program.argv.replace(before, SHELL);
        program.argv.replace(program.first, file);
        failure.shell_errno = execve(SHELL, program.argv.slots(before), program);
    }
    failure
}

fn execve(file: &CStr, argv: *const *const libc::c_char, program: &Program) -> c_int {
    // SAFETY: execve wants a path and two arrays of C strings that end with a null: `file` is one, and argv and the
    // environment are the kernel's own arrays, in which only whole strings were put (`Strings`).
    unsafe { libc::execve(file.as_ptr(), argv, program.environment.slots(0)) };
    Errno::last_raw()
}

/// What there is to know of a file that could not be executed: its mode, and its first bytes.
fn look_at(file: &CStr, errno: c_int) -> ExecFailure {
    let mut failure = ExecFailure::of(errno, file.to_bytes());
    // The kernel says ENOEXEC of regular files that may be executed, and of nothing else. So where it knows no statx, or a
    // profile forbids it, a script without `#!` is run all the same.
    let executable = libc::S_IFREG | 0o111;
    failure.mode = if errno == libc::ENOEXEC { executable } else { files::mode(file) };
    // Opening a device or a named pipe can do things.
    if failure.mode & libc::S_IFMT == libc::S_IFREG {
        let mut head = vec![0; ExecFailure::HEAD];
        let length = files::read(file, &mut head).map_or(0, <[u8]>::len);
        head.truncate(length);
        failure.head = head;
    }
    failure
}
