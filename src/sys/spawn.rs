//! Starting the child: a fork, what the child does to itself, and its exec.
//!
//! The fork is a vfork ([`super::vfork`]): the child has the parent's memory, and the parent waits, until the exec. But
//! nothing depends on that, as in an emulator it is a plain fork. The child tells of a failed exec through a page that both
//! share in any case ([`Report`]), which the parent reads when it has reaped the child. (A pipe would be a descriptor to
//! keep, and reading it before the exec would be a second place to block in.)
//!
//! Between the fork and the exec the child allocates nothing, logs nothing, and never returns into the program. What it
//! writes to is on the stack below the parent's frames, or what the parent has handed over to it: argv, the environment, the report.

use super::process::Pid;
use super::signals::{self, Disposition, Mask};
use super::terminal::{self, Terminal};
use super::{Strings, Text, c_string, files, vfork};
use crate::diagnosis::{ExecFailure, is_text};
use crate::exit::ExecCodes;
use crate::text::{self, Decimal};
use libc::{c_int, c_void};
use nix::errno::Errno;
use std::ffi::CStr;
use std::fmt::Write;
use std::ptr;

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
    /// told whether it got that; it must not allocate.
    Session(&'a dyn Fn(Result<(), Errno>)),
}

/// A child that was forked.
pub struct Spawned {
    /// Its pid, and that of its process group.
    pub pid: Pid,
    /// Where it tells of a failed exec.
    pub report: Report,
}

/// A failed start, before there was a child.
#[derive(Clone, Copy, Debug)]
pub enum SpawnError {
    /// The page for the child's report could not be had.
    Memory(Errno),
    /// The fork was refused.
    Fork(Errno),
}

/// Memory shared with the child. Until somebody writes to it no page of it is resident.
pub struct Report(*mut Shared);

/// What is in it, zeros at first: what the child tells; and what it needs room for, which on the stack would be pages that the
/// parent has for ever.
#[repr(C)]
struct Shared {
    failure: ExecFailure,
    candidate: Candidate,
    listen_pid: Text,
}

impl Report {
    fn new() -> Result<Report, Errno> {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: mmap without MAP_FIXED touches no memory that is in use; the result is checked below.
        let page = unsafe { libc::mmap(ptr::null_mut(), size_of::<Shared>(), protection, flags, -1, 0) };
        if page == libc::MAP_FAILED { Err(Errno::last()) } else { Ok(Report(page.cast())) }
    }

    /// In the child: all of it.
    fn for_child(&self) -> &'static mut Shared {
        // SAFETY: a reference wants a valid value that nobody else uses: the pages hold zeros, which are one, are mapped
        // for ever, and the parent does not look at them before the child is gone.
        unsafe { &mut *self.0 }
    }

    /// In the parent, when the child has been reaped: why its exec failed, if it did.
    pub fn read(&self) -> Option<&'static ExecFailure> {
        // SAFETY: a reference wants a valid value that nobody writes to: the pages hold zeros, which are one, or what
        // the child wrote, and the child is gone.
        let failure = unsafe { &(*self.0).failure };
        failure.failed.then_some(failure)
    }
}

/// Everything that the child needs, in one place.
struct Child<'a> {
    program: Program,
    placement: Placement<'a>,
    report: &'a Report,
    /// It has been here, and in this memory: it is done with what comes before the exec, or gone.
    has_run: bool,
}

/// Forks the child. It leads a process group of its own, with a session or without.
pub fn spawn(program: Program, placement: Placement<'_>) -> Result<Spawned, SpawnError> {
    let report = Report::new().map_err(SpawnError::Memory)?;
    let mut child = Child { program, placement, report: &report, has_run: false };
    let pid = Pid::from_raw(vfork::spawn(&mut child, run).map_err(SpawnError::Fork)?);
    // After a plain fork the child may not have run yet, and a signal to the group that comes before that would find no such
    // group (tini, dumb-init and catatonit lose it). EACCES: it has been as far as its exec. For a session it must not be done:
    // the leader of a group cannot make one (setsid(2)). What comes for the group before the child has made it goes to
    // the child alone.
    if let (Placement::Group(_), false) = (placement, child.has_run) {
        let _ = nix::unistd::setpgid(pid, pid);
    }
    Ok(Spawned { pid, report })
}

extern "C" fn run(child: *mut c_void) -> ! {
    // SAFETY: a reference wants a valid value that nobody else uses: it is that of `spawn`, which waits or has one of its own.
    become_program(unsafe { &mut *child.cast::<Child<'_>>() })
}

/// In the child: everything that leads to the exec.
fn become_program(child: &mut Child<'_>) -> ! {
    child.has_run = true;
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
    let Shared { failure, candidate, listen_pid } = child.report.for_child();
    fix_listen_pid(&mut program.environment, listen_pid);
    // The disposition before the mask: a signal that is pending must meet the disposition that it was meant for.
    signals::restore_sigchld(&program.sigchld);
    signals::set_mask(program.mask);
    exec(program, failure, candidate);
    // Only now: what was noted of one file is no failure where a later one in PATH could be executed.
    failure.failed = true;
    let code = program.exec_codes.of(failure.errno);
    // SAFETY: _exit takes a number; it runs nothing of the parent's copied state.
    unsafe { libc::_exit(c_int::from(code)) }
}

/// Socket activation (sd_listen_fds(3)): the sockets are meant for the process that LISTEN_PID names, which was to be
/// this one's parent and is now this one.
fn fix_listen_pid(environment: &mut Strings, text: &'static mut Text) {
    let Some((slot, value)) = environment.variable(b"LISTEN_PID") else { return };
    let _ = write!(text, "{}", Decimal::from(nix::unistd::getppid()));
    if value.to_bytes() != text.bytes() {
        return;
    }
    text.cut(0);
    let _ = write!(text, "LISTEN_PID={}\0", Decimal::from(nix::unistd::getpid()));
    let text: &'static Text = text;
    if let Some(variable) = text.string(0) {
        environment.replace(slot, variable);
    }
}

/// Tries to become the program, as execvp(3) does: a name without a slash is looked for along PATH, and what cannot be
/// executed there is passed over for a later one that can.
fn exec(program: &mut Program, failure: &mut ExecFailure, candidate: &mut Candidate) {
    let name = program.argv.iter().nth(program.first).unwrap_or_default();
    let bytes = name.to_bytes();
    if bytes.is_empty() || text::cut(bytes, b'/').is_some() {
        return exec_file(program, name, failure);
    }
    let path = program.environment.variable(b"PATH").map_or(DEFAULT_PATH, |(_, path)| path.to_bytes());
    // Where nothing can be executed, a file that is there although the kernel said ENOENT lacks its interpreter: once
    // more along PATH, to look.
    for run in [true, false] {
        for folder in path.split(|byte| *byte == b':') {
            let Some(file) = candidate.join(folder, bytes) else { continue };
            let errno = if run { execve(file, program.argv.slots(program.first), program) } else { libc::ENOENT };
            match errno {
                libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT if run => (),
                libc::ENOENT | libc::EACCES => {
                    // The first that is there is told of.
                    if !failure.exists() {
                        look_at(file, errno, failure);
                    }
                }
                _ => {
                    look_at(file, errno, failure);
                    return try_shell(program, file, failure);
                }
            }
        }
    }
    if !failure.exists() {
        failure.set(libc::ENOENT, bytes);
    }
}

/// A path that is put together.
struct Candidate([u8; libc::PATH_MAX as usize]);

impl Candidate {
    /// `folder/name`; an empty folder is the working directory. None where that is longer than a path can be.
    fn join(&mut self, folder: &[u8], name: &[u8]) -> Option<&CStr> {
        let slash: &[u8] = if folder.is_empty() { b"" } else { b"/" };
        let mut length = 0_usize;
        for part in [folder, slash, name, b"\0"] {
            let end = length.checked_add(part.len())?;
            self.0.get_mut(length..end)?.copy_from_slice(part);
            length = end;
        }
        c_string(self.0.get(..length)?)
    }
}

/// Executes one file; returns only with the reason why not.
fn exec_file(program: &mut Program, file: &CStr, failure: &mut ExecFailure) {
    let errno = execve(file, program.argv.slots(program.first), program);
    look_at(file, errno, failure);
    try_shell(program, file, failure);
}

/// A script without `#!`: the kernel knows no such thing, and the shells and glibc's execvp(3) give it to /bin/sh (musl's
/// does not). A binary must not go there: the shell would read it as commands.
fn try_shell(program: &mut Program, file: &CStr, failure: &mut ExecFailure) {
    if failure.errno != libc::ENOEXEC || !is_text(failure.head()) {
        return;
    }
    let Some(before) = program.first.checked_sub(1) else { return };
    // The word before the program's is an option of rini's or its name: its slot is free for the shell's.
    program.argv.replace(before, SHELL);
    // SAFETY: extending the borrow wants the path to stay as long as argv is used: until the exec, which is the next
    // call, or the end of the process behind it.
    let path: &'static CStr = unsafe { CStr::from_ptr(file.as_ptr()) };
    program.argv.replace(program.first, path);
    failure.shell_errno = execve(SHELL, program.argv.slots(before), program);
}

fn execve(file: &CStr, argv: *const *const libc::c_char, program: &Program) -> c_int {
    // SAFETY: execve wants a path and two arrays of C strings that end with a null: `file` is one, and argv and the
    // environment are the kernel's own arrays, in which only whole strings were put (`Strings`).
    unsafe { libc::execve(file.as_ptr(), argv, program.environment.slots(0)) };
    Errno::last_raw()
}

/// Makes it the failure of this file, with what the file is, for the parent to explain: its mode, and its first bytes.
fn look_at(file: &CStr, errno: c_int, failure: &mut ExecFailure) {
    failure.set(errno, file.to_bytes());
    // The kernel says ENOEXEC of regular files that may be executed, and of nothing else. So where it knows no statx, or a
    // profile forbids it, a script without `#!` is run all the same.
    let executable = libc::S_IFREG | 0o111;
    failure.mode = if errno == libc::ENOEXEC { executable } else { files::mode(file) };
    failure.set_head_length(0);
    // Opening a device or a named pipe can do things.
    if failure.mode & libc::S_IFMT != libc::S_IFREG {
        return;
    }
    if let Ok(fd) = files::raw_open(file, libc::O_RDONLY | libc::O_NONBLOCK) {
        let head = failure.head_room();
        // SAFETY: read wants room for as many bytes as it is told: `head` is that room. The process ends or execs next,
        // which closes the descriptor.
        let length = unsafe { libc::read(fd, head.as_mut_ptr().cast(), head.len()) };
        failure.set_head_length(usize::try_from(length).unwrap_or(0));
    }
}
