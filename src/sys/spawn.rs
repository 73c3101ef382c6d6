//! Starts the main child: the fork, the child's own set-up, and its exec.
//!
//! The fork is a vfork ([`super::vfork`]): the child uses the parent's memory, and the parent waits until the exec or
//! the child's end. If the child gets a terminal, it is a plain fork, so that a ^Z before the exec stops only the
//! child. In an emulator it is always a plain fork. So the child itself logs why its exec failed. The parent learns
//! from a shared byte that it failed.
//!
//! Between the fork and the exec, the child never returns into rini's own code. It may use the heap: rini has one
//! thread, so the heap is consistent at the fork, and it stays so if the child is killed. Memory that the child does
//! not free is lost to the parent, but that is little.

use super::exec_failure::{Denial, ExecFailure, is_odd_script, is_text};
use super::process::Pid;
use super::signals::{self, Disposition, Mask};
use super::terminal::{self, Terminal};
use super::{PathBuffer, Strings, c_string, capabilities, files, make_variable, vfork};
use crate::ground::bytes::{self, Decimal};
use crate::ground::exit::ExecCodes;
use libc::{c_int, c_void};
use nix::errno::Errno;
use std::ffi::CStr;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU8, Ordering};

/// The search path if PATH is not set: musl's default, which contains glibc's.
const DEFAULT_PATH: &[u8] = b"/usr/local/bin:/bin:/usr/bin";
const SHELL: &CStr = c"/bin/sh";

/// The program to run, and the state that it inherits as rini inherited it.
pub struct Program {
    /// rini's own argv. The program's argv is its end.
    pub argv: Strings,
    /// The word of argv that names the program. It is at least 1, because word 0 is rini's own name.
    pub first: usize,
    /// The environment.
    pub environment: Strings,
    /// The signal mask that rini was started with.
    pub mask: Mask,
    /// The disposition of SIGCHLD that rini was started with.
    pub sigchld: Disposition,
    /// The exit codes for a program that cannot be executed.
    pub exec_codes: ExecCodes,
}

/// The process group and the session of the child.
#[derive(Clone, Copy)]
pub enum Placement<'a> {
    /// Its own process group, which becomes the foreground group of this terminal.
    Group(Option<&'a Terminal>),
    /// rini's process group, which is the foreground group of the terminal.
    SameGroup,
    /// Its own session, which takes the terminal on standard input. The child then calls this function with the result.
    Session(&'a dyn Fn(Result<(), Errno>)),
}

/// The main child after the fork.
pub struct Spawned {
    /// The pid of the child.
    pub pid: Pid,
    /// The process group that the child leads. It is None if the child is in rini's group.
    pub group: Option<Pid>,
    /// The progress of the child, which the child writes.
    progress: &'static AtomicU8,
}

/// The child has not written its progress: it does not share this memory, or has not run yet.
const UNKNOWN: u8 = 0;
/// The child has begun.
const BEGUN: u8 = 1;
/// The child's exec has failed.
const FAILED: u8 = 2;

/// The progress of a child that was made by a vfork.
static PROGRESS: AtomicU8 = AtomicU8::new(UNKNOWN);

impl Spawned {
    /// After the child's end: whether its exec failed, and the child logged that. It is None if the memory was not
    /// shared.
    pub fn exec_failed(&self) -> Option<bool> {
        let progress = self.progress.load(Ordering::Relaxed);
        (progress != UNKNOWN).then_some(progress == FAILED)
    }
}

/// All that the child needs between the fork and the exec.
struct Child<'a> {
    program: Program,
    placement: Placement<'a>,
    log_failure: &'a dyn Fn(&ExecFailure),
    progress: &'static AtomicU8,
}

/// Forks the child, which becomes the program. If its exec fails, the child calls `log_failure`.
pub fn spawn(program: Program, placement: Placement<'_>, log_failure: &dyn Fn(&ExecFailure)) -> Result<Spawned, Errno> {
    let (flags, progress) = match placement {
        Placement::Group(Some(_)) | Placement::SameGroup => (vfork::FORK, map_shared_byte().unwrap_or(&PROGRESS)),
        Placement::Group(None) | Placement::Session(_) => (vfork::VFORK, &PROGRESS),
    };
    let mut child = Child { program, placement, log_failure, progress };
    let pid = Pid::from_raw(vfork::clone_child(&mut child, run_child, flags)?);
    // After a plain fork the child may not have run yet, and a signal to its group would be lost, as it is with tini,
    // dumb-init and catatonit. So the parent makes the group too. (EACCES says that the child has made it and called
    // exec.) It must not do that for a session, because the leader of a group cannot make one (setsid(2)). There
    // `send_to_child` signals the child alone until the group exists. The order of the conditions keeps the shared page
    // of a plain fork untouched.
    let has_waited = flags == vfork::VFORK && progress.load(Ordering::Relaxed) != UNKNOWN;
    if let (Placement::Group(_), false) = (placement, has_waited) {
        let _ = nix::unistd::setpgid(pid, pid);
    }
    let group = if matches!(placement, Placement::SameGroup) { None } else { Some(pid) };
    Ok(Spawned { pid, group, progress })
}

/// Maps a byte that rini and its forked child share.
fn map_shared_byte() -> Option<&'static AtomicU8> {
    let (rights, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: mmap without MAP_FIXED takes numbers, and touches no memory that is in use.
    let page = unsafe { libc::mmap(null_mut(), 1, rights, flags, -1, 0) };
    // SAFETY: a reference needs an address that stays valid: it is a page of zeros, which is never unmapped.
    (page != libc::MAP_FAILED).then(|| unsafe { &*page.cast::<AtomicU8>() })
}

extern "C" fn run_child(child: *mut c_void) -> ! {
    // SAFETY: a mutable reference needs a valid value without another user: it is the value in `spawn`, which waits
    // until the exec, or uses a copy.
    become_program(unsafe { &mut *child.cast::<Child<'_>>() })
}

/// In the child: sets up its group, session, environment and signals, and executes the program.
fn become_program(child: &mut Child<'_>) -> ! {
    child.progress.store(BEGUN, Ordering::Relaxed);
    let program = &mut child.program;
    match child.placement {
        Placement::Group(terminal) => {
            let own = Pid::from_raw(0);
            let _ = nix::unistd::setpgid(own, own);
            if let Some(terminal) = terminal {
                terminal.give_to(nix::unistd::getpid());
            }
        }
        Placement::SameGroup => (),
        Placement::Session(report) => {
            // The child leads no group yet, so there is no error.
            let _ = nix::unistd::setsid();
            report(terminal::take_over());
        }
    }
    fix_pids(&mut program.environment);
    let code = replace_process(program, child.log_failure);
    child.progress.store(FAILED, Ordering::Relaxed);
    // SAFETY: _exit takes a number. It runs no exit handler of the parent.
    unsafe { libc::_exit(c_int::from(code)) }
}

/// Replaces this process by the program, with the signals as rini got them. Returns only if that fails: it calls `log_failure`, and
/// returns the exit code.
pub fn replace_process(program: &mut Program, log_failure: &dyn Fn(&ExecFailure)) -> u8 {
    // The disposition comes before the mask: a pending signal must find the disposition that the program inherits.
    signals::restore_sigchld(&program.sigchld);
    signals::set_mask(program.mask);
    let failure = exec(program, log_failure);
    // With a broken standard error, SIGPIPE would change the exit status.
    signals::block_all();
    log_failure(&failure);
    program.exec_codes.code_for(failure.errno)
}

/// Replaces rini's pid by the program's in LISTEN_PID and WATCHDOG_PID. Socket activation (sd_listen_fds(3)) and
/// systemd's watchdog (sd_watchdog_enabled(3)) work only in the process that these variables name.
fn fix_pids(environment: &mut Strings) {
    fix_pid(environment, b"WATCHDOG_PID");
    // From systemd 259 on, LISTEN_PIDFDID names the same process by the inode of its pidfd, which would be wrong here.
    // Without the variable nothing checks it, so it becomes a second LISTEN_PID.
    if let Some(variable) = fix_pid(environment, b"LISTEN_PID")
        && let Some((slot, _)) = environment.variable(b"LISTEN_PIDFDID")
    {
        environment.replace(slot, variable);
    }
}

/// Replaces rini's pid by the program's in this variable, and returns the new variable. None: it does not name rini.
fn fix_pid(environment: &mut Strings, name: &[u8]) -> Option<&'static CStr> {
    let (slot, value) = environment.variable(name)?;
    let mut room = PathBuffer::new();
    if value.to_bytes() != write_pid(nix::unistd::getppid(), &mut room) {
        return None;
    }
    let variable = make_variable(name, write_pid(nix::unistd::getpid(), &mut room))?;
    environment.replace(slot, variable);
    Some(variable)
}

/// Writes a pid in decimal digits.
fn write_pid(pid: Pid, room: &mut PathBuffer) -> &[u8] {
    room.format(format_args!("{}", Decimal::from(pid))).unwrap_or_default().to_bytes()
}

/// Executes the program as execvp(3) does: it searches PATH for a name without a slash, and passes over a file that it
/// cannot execute if a later one works. Returns only if all fail, with the reason.
fn exec(program: &mut Program, log: &dyn Fn(&ExecFailure)) -> ExecFailure {
    let name = program.argv.iter().nth(program.first).unwrap_or_default();
    let bytes = name.to_bytes();
    if bytes.is_empty() || bytes::cut(bytes, b'/').is_some() {
        let errno = execve(name, program.first, program);
        return try_shell(program, name, inspect(name, errno), log);
    }
    let path = program.environment.variable(b"PATH").map_or(DEFAULT_PATH, |(_, path)| path.to_bytes());
    // The first file that exists and cannot be executed.
    let mut found: Option<ExecFailure> = None;
    // The second pass executes nothing. It looks for a file that exists although the kernel said ENOENT, because its
    // interpreter is missing.
    for executes in [true, false] {
        for folder in path.split(|byte| *byte == b':') {
            let Some(candidate) = join_path(folder, bytes) else { return ExecFailure::of(libc::ENOMEM, bytes) };
            // No file has a path that is longer than the limit.
            let Some(file) = c_string(&candidate).filter(|_| candidate.len() <= libc::PATH_MAX as usize) else {
                continue;
            };
            let errno = if executes { execve(file, program.first, program) } else { libc::ENOENT };
            if executes && matches!(errno, libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT)
            {
                continue;
            }
            let Some(file) = bytes::keep(&[&candidate]).and_then(c_string) else {
                return ExecFailure::of(libc::ENOMEM, bytes);
            };
            let failure = inspect(file, errno);
            let is_there = failure.exists() || failure.denial == Denial::Directory;
            if !executes && is_there || !matches!(errno, libc::ENOENT | libc::EACCES) {
                return try_shell(program, file, failure, log);
            }
            found = found.or(Some(failure).filter(|_| is_there));
        }
        if found.is_some() {
            break;
        }
    }
    found.unwrap_or_else(|| ExecFailure { other: path, ..ExecFailure::of(libc::ENOENT, bytes) })
}

/// Returns `folder/name` and a null. An empty folder is the working directory. Returns None if there is no memory.
fn join_path(folder: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let slash: &[u8] = if folder.is_empty() { b"" } else { b"/" };
    bytes::join(&[folder, slash, name, b"\0"])
}

/// Runs a script without `#!` by /bin/sh. The kernel refuses such a script, and the shells and glibc's execvp(3) do the
/// same (musl's does not). A binary must not get there, because the shell would read it as commands.
///
/// An empty file is an empty script, which does nothing and exits with 0. Such a file is logged before it runs.
fn try_shell(
    program: &mut Program,
    file: &'static CStr,
    mut failure: ExecFailure,
    log: &dyn Fn(&ExecFailure),
) -> ExecFailure {
    if failure.errno == libc::ENOEXEC && is_text(failure.head) {
        if failure.is_odd_script {
            // With a broken standard error, SIGPIPE would end the child.
            signals::block_all();
            log(&failure);
            signals::set_mask(program.mask);
            failure.is_odd_script = false;
        }
        // The slot before the program has a word for rini, which has read it.
        let before = program.first.saturating_sub(1);
        program.argv.replace(before, SHELL);
        program.argv.replace(program.first, file);
        failure.shell_errno = execve(SHELL, before, program);
    }
    failure
}

/// Executes a file with the words of `argv` from `first` on.
fn execve(file: &CStr, first: usize, program: &Program) -> c_int {
    let (argv, environment) = (program.argv.slots(first), program.environment.slots(0));
    // SAFETY: execve wants a path and two arrays of C strings that end with a null. They are the kernel's own arrays, into which
    // `replace` and `set` put only C strings.
    unsafe { libc::execve(file.as_ptr(), argv.as_ptr().cast(), environment.as_ptr().cast()) };
    Errno::last_raw()
}

/// Finds out why a file could not be executed: its mode, its first bytes, and its capabilities that the bounding set
/// lacks.
fn inspect(file: &'static CStr, errno: c_int) -> ExecFailure {
    let mut failure = ExecFailure::of(errno, file.to_bytes());
    // The kernel returns ENOEXEC only for a regular file with execute permission. So a script without `#!` runs even if
    // statx is missing or forbidden.
    let executable = libc::S_IFREG | 0o111;
    failure.mode = if errno == libc::ENOEXEC { executable } else { files::read_mode(file) };
    // An open of a device or a named pipe can have effects, so rini reads only regular files.
    if failure.mode & libc::S_IFMT == libc::S_IFREG {
        let mut room = [0; ExecFailure::HEAD];
        let head = files::read(file, &mut room);
        failure.set_head(head.unwrap_or_default());
        failure.is_odd_script = failure.errno == libc::ENOEXEC && head.is_some_and(is_odd_script);
    }
    let interpreter = bytes::keep(&[failure.other, b"\0"]).and_then(c_string).unwrap_or(file);
    match errno {
        libc::EACCES => failure.denial = find_denial(file, interpreter, &mut failure),
        libc::EPERM => {
            // The kernel executes the interpreter of a script, and reads its capabilities.
            failure.missing = capabilities::find_missing(if failure.is_script() { interpreter } else { file });
        }
        // The interpreter is there, so its own one is missing or wrong.
        libc::ENOENT | libc::ENOTDIR | libc::ELOOP if failure.exists() && files::read_mode(interpreter) != 0 => {
            failure.denial = Denial::Interpreter;
        }
        _ => (),
    }
    failure
}

/// Finds out what denies the execution of a file.
fn find_denial(file: &CStr, interpreter: &CStr, failure: &mut ExecFailure) -> Denial {
    if !failure.exists() {
        return find_closed_directory(failure);
    }
    if files::is_mounted_noexec(file) {
        Denial::Mount
    } else if files::is_denied(file) {
        Denial::Mode
    } else if files::is_denied(interpreter)
        || files::read_mode(interpreter) & libc::S_IFMT == libc::S_IFDIR
        || failure.is_script() && failure.other.is_empty()
    {
        Denial::Interpreter
    } else {
        Denial::Unknown
    }
}

/// Finds the directory of the path that the user may not search.
fn find_closed_directory(failure: &mut ExecFailure) -> Denial {
    for (index, byte) in failure.path.iter().enumerate() {
        let directory = failure.path.get(..index).unwrap_or_default();
        if *byte == b'/'
            && let Some(path) = bytes::keep(&[directory, b"\0"])
            && c_string(path).is_some_and(files::is_denied)
        {
            failure.other = directory;
            return Denial::Directory;
        }
    }
    Denial::Unknown
}
