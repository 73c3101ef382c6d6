//! Sentences about what happened: why a program could not be executed, the sender of a signal, how and why the child ended.
#![forbid(unsafe_code)]

use crate::ground::bytes::{self, Bytes, Decimal};
use crate::ground::exit::{self, Status};
use crate::ground::signal::Signal;
use crate::ground::time::Duration;
use crate::messages::catalog::write_message;
use crate::messages::message::{self, CAPABILITY_NAMES, ERRNOS, MACHINES, NotExecuted, NotExecutedMessage, Suspicion};
use crate::messages::quote::{Escaped, Word};
use crate::observe::proc;
use crate::sys::capabilities::Capabilities;
use crate::sys::exec_failure::{Denial, ExecFailure};
use crate::sys::process::{self, Pid};
use crate::sys::signals::Sender;
use nix::errno::Errno;
use std::fmt;

/// The text of an errno, as glibc has it, so that users can search for it. rini has those that the man pages of its calls name,
/// and writes the number of any other (size: 13).
#[derive(Clone, Copy)]
pub struct Reason(pub Errno);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ERRNOS.write((self.0 as i32).unsigned_abs(), f)
    }
}

/// The name of a machine, by its `e_machine` (elf.h).
struct Machine(u16);

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        MACHINES.write(self.0.into(), f)
    }
}

/// Says in one line what could not be executed, and why.
impl fmt::Display for ExecFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_message(message::CannotRun { file: &Word(self.path), reason: &ExecFailureReason(self) }, f)
    }
}

/// The same reason in parentheses, for the line of another init. It writes nothing if that line, which has the text of the
/// errno, says as much.
pub struct Diagnosis<'a>(pub &'a ExecFailure);

impl fmt::Display for Diagnosis<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(find_reason(self.0), NotExecuted::Other | NotExecuted::NoFile) {
            return Ok(());
        }
        f.write_str(" (")?;
        ExecFailureReason(self.0).fmt(f)?;
        f.write_str(")")
    }
}

/// Why a file could not be executed.
struct ExecFailureReason<'a>(&'a ExecFailure);

impl fmt::Display for ExecFailureReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ExecFailureReason(failure) = self;
        let reason = |errno| Reason(Errno::from_raw(errno));
        let message = NotExecutedMessage {
            name: find_reason(failure),
            path: &Word(failure.other),
            machine: &Machine(failure.machine),
            this_machine: &Machine(THIS_MACHINE),
            options: &failure.missing,
            user: Decimal(process::own_user().into()),
            reason: &reason(failure.errno),
            shell_reason: &reason(failure.shell_errno),
        };
        write_message(message, f)
    }
}

/// Finds the reason for a failed exec.
fn find_reason(failure: &ExecFailure) -> NotExecuted {
    let (is_script, has_other, machine) = (failure.is_script(), !failure.other.is_empty(), failure.machine);
    let is_foreign = machine != THIS_MACHINE && machine != 0 && THIS_MACHINE != 0;
    match failure.errno {
        libc::ENOENT if !failure.exists() => find_missing(failure.path),
        // The kernel looked for the emulator that binfmt_misc names, and not for the loader.
        libc::ENOENT if is_foreign && machine != COMPATIBLE_MACHINE => NotExecuted::NoEmulator,
        libc::ENOENT if !has_other => NotExecuted::NoInterpreterOrLoader,
        libc::ENOENT if failure.denial == Denial::Interpreter => {
            if is_script {
                NotExecuted::NoInterpreterOfInterpreter
            } else {
                NotExecuted::NoEmulator
            }
        }
        libc::ENOENT if !is_script => NotExecuted::NoLoader,
        libc::ENOENT if failure.other.ends_with(b"\r") => NotExecuted::WindowsLines,
        libc::ENOENT => NotExecuted::NoInterpreter,
        // The kernel takes the empty name for the working directory.
        libc::EACCES if failure.denial == Denial::Interpreter && !has_other => NotExecuted::EmptyInterpreter,
        libc::EACCES => find_denied(failure),
        // If the interpreter is there, the errno is about its own one.
        libc::ENOTDIR | libc::ELOOP if has_other && failure.denial != Denial::Interpreter => {
            NotExecuted::UnusableInterpreter
        }
        libc::ENOEXEC if is_foreign => NotExecuted::OfAnotherMachine,
        libc::ENOEXEC if is_script && has_other => NotExecuted::BadInterpreter,
        libc::ENOEXEC if failure.shell_errno != 0 => NotExecuted::NoShell,
        libc::ENOEXEC => NotExecuted::NoFormat,
        libc::E2BIG => NotExecuted::TooLong,
        libc::EPERM if failure.missing.0 == 0 => NotExecuted::Other,
        libc::EPERM if is_script => NotExecuted::InterpreterCapabilities,
        libc::EPERM => NotExecuted::Capabilities,
        _ => NotExecuted::Other,
    }
}

/// Finds the reason for EACCES.
fn find_denied(failure: &ExecFailure) -> NotExecuted {
    match failure.denial {
        Denial::Directory => NotExecuted::ClosedDirectory,
        _ if !failure.exists() => NotExecuted::Other,
        _ if failure.mode & libc::S_IFMT == libc::S_IFDIR => NotExecuted::IsDirectory,
        _ if failure.mode & 0o111 == 0 => NotExecuted::NoPermission,
        Denial::Mount => NotExecuted::NoExecMount,
        Denial::Mode => NotExecuted::NotThisUser,
        Denial::Interpreter => NotExecuted::DeniedInterpreter,
        Denial::Unknown => NotExecuted::Denied,
    }
}

/// Finds the reason why there is no program of this name. A name that is no path was looked for in PATH.
fn find_missing(name: &[u8]) -> NotExecuted {
    // What people write most often that only a shell knows. A shell itself has these without a file.
    const EN_AND_EM_DASH: &[u8] = b"\xe2\x80";
    const OF_SHELL: &[u8] = b"CD EXPORT EXEC EVAL SET ULIMIT UMASK";
    if name.is_empty() {
        NotExecuted::NoName
    } else if bytes::cut(name, b' ').is_some() {
        NotExecuted::HasBlanks
    } else if bytes::cut(name, b'/').is_some() {
        NotExecuted::NoFile
    } else if name.starts_with(EN_AND_EM_DASH) {
        NotExecuted::OtherDash
    } else if bytes::index_of_word(OF_SHELL, name).is_some() {
        NotExecuted::OfShell
    } else {
        NotExecuted::NotInPath
    }
}

/// The `e_machine` of the machine that rini was built for (elf.h), or 0 if rini does not know it.
const THIS_MACHINE: u16 = if cfg!(target_arch = "x86") {
    3
} else if cfg!(target_arch = "powerpc64") {
    21
} else if cfg!(target_arch = "s390x") {
    22
} else if cfg!(target_arch = "arm") {
    40
} else if cfg!(target_arch = "x86_64") {
    62
} else if cfg!(target_arch = "aarch64") {
    183
} else if cfg!(target_arch = "riscv64") {
    243
} else {
    0
};

/// The other machine whose binaries the kernel of this machine can execute itself, or 0.
const COMPATIBLE_MACHINE: u16 = if cfg!(target_arch = "x86_64") {
    3
} else if cfg!(target_arch = "aarch64") {
    40
} else {
    0
};

/// Writes them as options for `docker run`.
impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        for number in 0..CAPABILITY_NAMES.count {
            if rest & 1 != 0 {
                f.write_str(" --cap-add ")?;
                CAPABILITY_NAMES.write(number, f)?;
            }
            rest >>= 1;
        }
        Ok(())
    }
}

/// `SIGTERM from outside the container`, `SIGUSR1 from pid 12 (nginx)`.
#[derive(Clone, Copy)]
pub struct Origin {
    /// The signal.
    pub signal: Signal,
    /// Its sender.
    pub sender: Sender,
    /// True if rini is PID 1: outside its PID namespace is then outside the container.
    pub container: bool,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signal = &self.signal;
        match self.sender {
            Sender::Kernel => write_message(message::FromKernel { signal }, f),
            Sender::Outside if self.container => write_message(message::FromOutside { signal }, f),
            Sender::Outside => write_message(message::FromOutsideNamespace { signal }, f),
            Sender::Process(pid) => write_message(message::FromProcess { signal, process: &Named(pid) }, f),
        }
    }
}

/// `pid 12 (nginx)`, or `pid 12` if /proc is not mounted or the process is gone.
pub struct Named(pub Pid);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pid = Decimal::from(self.0);
        let mut room = [0; 16];
        match proc::name(self.0, &mut room) {
            // A process can set its name to any bytes.
            Some(name) => write_message(message::NamedProcess { pid, name: &Escaped(name) }, f),
            None => write_message(message::NamelessProcess { pid }, f),
        }
    }
}

/// `exited with 0`, `was killed by SIGTERM`.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Exited(code) => write_message(message::StatusExited { code: (*code).into() }, f),
            Status::Killed(signal) => write_message(message::StatusKilled { signal }, f),
        }
    }
}

/// What the kernel did because the container ran out of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutOfMemory {
    /// The number of processes that it killed.
    pub kills: u64,
    /// The memory limit in bytes, if there is one.
    pub limit: Option<u64>,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit {
            Some(limit) => write_message(message::OutOfMemoryLimit { limit: &Bytes(limit) }, f),
            None => write_message(message::OutOfMemory, f),
        }
    }
}

impl Suspicion {
    /// If a program fails later than this, its start was right.
    const LATEST_BAD_START: Duration = Duration::from_secs(10);

    /// Looks for the likely reason of an end that rini did not cause and that its user may not understand. `killed`: rini sent the
    /// child SIGKILL; `elapsed`: how long the child ran; `out_of_memory`: reads what the kernel did in that time, if the kernel
    /// says so. Returns the reason and what the kernel did.
    pub fn of(
        status: Status,
        killed: bool,
        elapsed: Duration,
        out_of_memory: impl Fn() -> Option<OutOfMemory>,
    ) -> Option<(Suspicion, OutOfMemory)> {
        const KILLED: u8 = Status::Killed(Signal::KILL).code();
        let is_early = elapsed < Self::LATEST_BAD_START;
        let (name, name_for_memory) = match status {
            Status::Killed(Signal::KILL) if !killed => (Some(Suspicion::Killed), Some(Suspicion::KilledForMemory)),
            Status::Exited(KILLED) => (None, Some(Suspicion::CommandKilledForMemory)),
            // A kill for memory says more.
            Status::Exited(exit::NOT_FOUND) if is_early => (Some(Suspicion::CommandNotFound), None),
            Status::Exited(exit::NOT_EXECUTABLE) if is_early => (Some(Suspicion::CommandNotExecutable), None),
            _ => return None,
        };
        match out_of_memory() {
            Some(memory) => name_for_memory.map(|name| (name, memory)),
            None => name.map(|name| (name, OutOfMemory::default())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::exec_failure::Format;
    use crate::sys::exec_failure::tests::elf;

    #[test]
    fn every_errno_has_a_reason() {
        for number in 1..=133 {
            let text = Reason(Errno::from_raw(number)).to_string();
            assert!(!text.is_empty() && text.lines().count() == 1, "{number}: {text}");
        }
        assert_eq!(Reason(Errno::EACCES).to_string(), "Permission denied");
        assert_eq!(Reason(Errno::EUCLEAN).to_string(), "error 117");
        let known = (1..=133).filter(|number| {
            let text = Reason(Errno::from_raw(*number)).to_string();
            let of_libc = std::io::Error::from_raw_os_error(*number).to_string();
            let is_known = !text.starts_with("error ");
            assert!(!is_known || of_libc.starts_with(&format!("{text} (os")), "{number}: {text}, {of_libc}");
            is_known
        });
        assert!(known.count() > 20);
    }

    #[test]
    fn every_capability_has_its_name() {
        let options = Capabilities(u64::MAX).to_string();
        let names: Vec<&str> = options.split(" --cap-add ").collect();
        assert_eq!((names.len(), names[0]), (CAPABILITY_NAMES.count + 1, ""));
        // By linux/capability.h.
        for (number, name) in [(0, "CHOWN"), (10, "NET_BIND_SERVICE"), (21, "SYS_ADMIN"), (40, "CHECKPOINT_RESTORE")] {
            assert_eq!(names[number + 1], name);
            assert_eq!(Capabilities(1 << number).to_string(), format!(" --cap-add {name}"));
        }
        assert_eq!(Capabilities(0).to_string(), "");
    }

    fn failure(errno: i32, mode: u32, head: &[u8]) -> ExecFailure {
        let mut failure = ExecFailure { mode, ..ExecFailure::of(errno, b"/a/b") };
        failure.set_head(head);
        failure
    }

    /// A user's file can have any length and any bytes.
    #[test]
    fn no_file_is_too_broken_to_be_read() {
        for (wide, big) in [(true, false), (true, true), (false, false), (false, true)] {
            let bytes = elf(wide, big, 62);
            for end in 0..bytes.len() {
                let _ = Format::of(bytes.get(..end).unwrap());
            }
            for at in 0..bytes.len() {
                for value in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut broken = bytes.clone();
                    *broken.get_mut(at).unwrap() = value;
                    let _ = failure(libc::ENOENT, 0o100_755, &broken).to_string();
                    broken.truncate(at);
                    broken.resize(256, 0xff);
                    let _ = failure(libc::ENOEXEC, 0o100_755, &broken).to_string();
                }
            }
        }
        for head in [&b"#!"[..], b"#!\n", b"#! \t\n", b"", b"\x7fELF", b"\x7fELF\x02\x01"] {
            let _ = failure(libc::ENOENT, 0o100_755, head).to_string();
        }
    }

    #[test]
    fn the_reason_is_said_in_one_line() {
        let exists = 0o100_755;
        let this = elf(true, false, THIS_MACHINE);
        let compatible = elf(COMPATIBLE_MACHINE == 0, false, COMPATIBLE_MACHINE);
        let there = |head| ExecFailure { denial: Denial::Interpreter, ..failure(libc::ENOENT, exists, head) };
        let (with_loader, script_of_script) = (there(&this), there(b"#!/x\n"));
        for (failure, wanted) in [
            (failure(libc::ENOENT, 0, b""), "there is no such file"),
            (failure(libc::ENOENT, exists, b"#!/x y\n"), "its interpreter \"/x\" is not in this image"),
            (failure(libc::ENOENT, exists, &this), "its loader \"/lib/ld.so.1\" is not in this image"),
            (
                failure(libc::ENOENT, exists, &elf(true, true, 999)),
                "it is a binary for ELF machine 999, and its emulator",
            ),
            (with_loader, "and its emulator (binfmt_misc) is not in this image"),
            (script_of_script, "its interpreter \"/x\" has an interpreter or a loader that is not in this image"),
            // The kernel executes these without an emulator.
            (failure(libc::ENOENT, exists, &compatible), "its loader \"/lib/ld.so.1\" is not in this image"),
            (failure(libc::ENOENT, 0o100_111, b""), "its interpreter or loader is not in this image"),
            (failure(libc::EACCES, 0o040_755, b""), "it is a directory"),
            (failure(libc::EACCES, 0o100_644, b""), "it has no execute permission (chmod +x, or COPY --chmod=755)"),
            (
                failure(libc::EACCES, exists, b""),
                "permission denied, by its interpreter or loader, or by AppArmor or SELinux",
            ),
            (failure(libc::EACCES, 0, b""), "Permission denied"),
            (failure(libc::ENOEXEC, exists, &elf(false, true, 20)), "it is a binary for ppc, and this is "),
            (failure(libc::ENOEXEC, exists, &elf(false, false, 999)), "it is a binary for ELF machine 999"),
            (failure(libc::ENOEXEC, exists, &this), "neither a binary that this kernel can run nor a script"),
            (failure(libc::E2BIG, exists, b""), "its arguments and environment are too long"),
            (failure(libc::ELOOP, 0, b""), "Too many levels of symbolic links"),
            (
                failure(libc::ELOOP, exists, b"#!/x\n"),
                "its interpreter or loader \"/x\": Too many levels of symbolic links",
            ),
            (failure(libc::ELOOP, exists, &this), "its interpreter or loader \"/lib/ld.so.1\": Too many levels"),
            (failure(libc::ENOTDIR, exists, b"#!/x/y\n"), "its interpreter or loader \"/x/y\": Not a directory"),
        ] {
            let line = failure.to_string();
            assert!(line.starts_with("cannot run \"/a/b\": ") && line.contains(wanted), "{line}");
            assert_eq!(line.lines().count(), 1);
        }
        let missing =
            |head| ExecFailure { missing: Capabilities(1 << 21 | 1 << 12), ..failure(libc::EPERM, exists, head) };
        let lacking = "file capabilities that this container lacks; add them (docker run --cap-add NET_ADMIN --cap-add SYS_ADMIN) or \
                       remove them (setcap -r)";
        assert_eq!(missing(&this).to_string(), format!("cannot run \"/a/b\": it has {lacking}"));
        let script = missing(b"#!/x y\n").to_string();
        assert_eq!(script, format!("cannot run \"/a/b\": its interpreter \"/x\" has {lacking}"));
        let unknown = failure(libc::EPERM, exists, &this).to_string();
        assert_eq!(unknown, "cannot run \"/a/b\": Operation not permitted");
        let odd = ExecFailure::of(libc::ENOENT, b"/a\nb\xff");
        assert!(odd.to_string().starts_with(r#"cannot run "/a\nb\xFF": "#), "{odd}");
    }

    #[test]
    fn another_init_s_line_has_the_reason_in_parentheses_if_it_says_more() {
        let of = |errno, mode, head: &[u8]| Diagnosis(&failure(errno, mode, head)).to_string();
        assert_eq!(of(libc::EACCES, 0o040_755, b""), " (it is a directory)");
        assert_eq!(of(libc::ENOENT, 0, b""), "", "the errno says that there is no such file");
        assert_eq!(of(libc::ELOOP, 0, b""), "", "there is no more than the errno");
    }

    #[test]
    fn only_an_end_that_nobody_wanted_is_suspect() {
        let (short, long) = (Duration::from_secs(9), Suspicion::LATEST_BAD_START);
        let killed = Status::Killed(Signal::KILL);
        let memory = |kills| OutOfMemory { kills, limit: None };
        let of = |status, by_rini, elapsed, count: Option<u64>| {
            Suspicion::of(status, by_rini, elapsed, || count.map(memory))
        };
        use Suspicion::{CommandKilledForMemory, CommandNotExecutable, CommandNotFound, Killed, KilledForMemory};
        let nothing = OutOfMemory::default();
        for (suspicion, wanted) in [
            (of(killed, false, long, None), Some((Killed, nothing))),
            (of(killed, false, short, Some(1)), Some((KilledForMemory, memory(1)))),
            (of(killed, true, long, Some(1)), None),
            (of(Status::Exited(137), false, long, Some(2)), Some((CommandKilledForMemory, memory(2)))),
            (of(Status::Exited(137), false, short, None), None),
            (of(Status::Exited(127), false, short, None), Some((CommandNotFound, nothing))),
            (of(Status::Exited(126), false, short, None), Some((CommandNotExecutable, nothing))),
            // The kernel's kills are told instead, as with any other code.
            (of(Status::Exited(127), false, short, Some(1)), None),
            (of(Status::Exited(127), false, long, None), None),
            (of(Status::Exited(126), false, long, None), None),
            (of(Status::Exited(0), false, short, Some(1)), None),
            (of(Status::Killed(Signal::TERM), false, short, Some(1)), None),
        ] {
            assert_eq!(suspicion, wanted);
        }
    }

    #[test]
    fn a_limit_has_the_largest_whole_unit() {
        for (bytes, text) in [
            (64 << 20, "64 MiB"),
            (2 << 30, "2 GiB"),
            (1536 << 20, "1536 MiB"),
            (4096, "4 KiB"),
            (1000, "1000 bytes"),
            ((64 << 20) + 1, "67108865 bytes"),
            (0, "0 bytes"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
            let memory = OutOfMemory { kills: 1, limit: Some(bytes) };
            assert_eq!(memory.to_string(), format!("out of memory, limit {text}"));
        }
        assert_eq!(OutOfMemory { kills: 3, limit: None }.to_string(), "out of memory");
    }
}
