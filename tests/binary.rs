//! The file itself, and the first instructions that it runs.

use crate::support::rini;
use nix::sys::ptrace;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use object::LittleEndian;
use object::elf::{FileHeader64, PF_W, PF_X, PT_DYNAMIC, PT_GNU_STACK, PT_INTERP, PT_LOAD};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// What in an ELF file makes it need another file to run.
fn needs(path: &Path) -> Vec<String> {
    let data = fs::read(path).unwrap();
    let header = FileHeader64::<LittleEndian>::parse(&*data).unwrap();
    let mut needs = Vec::new();
    for segment in header.program_headers(LittleEndian, &*data).unwrap() {
        if segment.p_type(LittleEndian) == PT_INTERP {
            needs.push("an interpreter".to_owned());
        }
        if segment.p_type(LittleEndian) == PT_DYNAMIC {
            let entries = segment.dynamic(LittleEndian, &*data).unwrap().unwrap();
            let needed = |entry: &&object::elf::Dyn64<LittleEndian>| {
                entry.d_tag(LittleEndian) == u64::from(object::elf::DT_NEEDED)
            };
            needs.extend(entries.iter().filter(needed).map(|_| "a library".to_owned()));
        }
    }
    assert!(header.program_headers(LittleEndian, &*data).unwrap().iter().any(|s| s.p_type(LittleEndian) == PT_LOAD));
    needs
}

#[test]
fn the_binary_is_fully_static() {
    assert_eq!(needs(&rini()), [""; 0]);
    // What the check sees where a program is not: Debian's shell has a loader and libc.
    let shell = needs(&fs::canonicalize("/bin/sh").unwrap());
    assert!(shell.contains(&"an interpreter".to_owned()) && shell.contains(&"a library".to_owned()), "{shell:?}");
}

/// The flags of the parts of memory that an ELF file asks for, its stack among them.
fn memory(data: &[u8]) -> Vec<u32> {
    let header = FileHeader64::<LittleEndian>::parse(data).unwrap();
    let segments = header.program_headers(LittleEndian, data).unwrap().iter();
    let memory = segments.filter(|segment| matches!(segment.p_type(LittleEndian), PT_LOAD | PT_GNU_STACK));
    memory.map(|segment| segment.p_flags(LittleEndian)).collect()
}

#[test]
fn nothing_can_be_written_and_executed() {
    let both = |flags: &u32| flags & PF_W != 0 && flags & PF_X != 0;
    let mut data = fs::read(rini()).unwrap();
    let flags = memory(&data);
    assert!(flags.iter().any(|flags| flags & PF_X != 0) && flags.iter().any(|flags| flags & PF_W != 0), "{flags:?}");
    assert!(!flags.iter().any(both), "{flags:?}");
    // What the check would see: the first segment's flags are 4 bytes into its header, behind the file's, of 64 bytes.
    data[64 + 4] |= 3;
    assert!(memory(&data).iter().any(both));
}

/// How many instructions a program runs before its first system call, 1000 being many, and which call that is.
#[cfg(target_arch = "x86_64")]
fn beginning(program: &Path) -> (u32, Option<i64>) {
    const SYSCALL: [u8; 2] = [0x0f, 0x05];
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: a system call in the forked child.
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
    #[allow(clippy::zombie_processes)] // Reaped below, by waitpid, as a tracer does.
    let child = command.spawn().unwrap();
    let pid = Pid::from_raw(child.id() as i32);
    waitpid(pid, None).unwrap();
    let (mut steps, mut call) = (0, None);
    while call.is_none() && steps < 1000 {
        let registers = ptrace::getregs(pid).unwrap();
        let word = ptrace::read(pid, registers.rip as ptrace::AddressType).unwrap();
        if word.to_le_bytes()[..2] == SYSCALL {
            call = Some(registers.rax as i64);
        }
        steps += 1;
        ptrace::step(pid, None).unwrap();
        if !matches!(waitpid(pid, None).unwrap(), WaitStatus::Stopped(..)) {
            break;
        }
    }
    let _ = ptrace::kill(pid);
    let _ = waitpid(pid, None);
    (steps, call)
}

/// Every peer fails this: what comes before the mask is lost to a PID 1, and they set it after libc's start, and
/// after reading their arguments.
#[test]
#[cfg(target_arch = "x86_64")]
fn the_first_system_call_blocks_every_signal_within_ten_instructions() {
    let (steps, call) = beginning(&rini());
    assert_eq!(call, Some(libc::SYS_rt_sigprocmask));
    assert!(steps <= 10, "{steps} instructions");
    // Another static program does much before its first call; so the count is able to see it.
    assert_eq!(beginning(&crate::support::probe()), (1000, None));
}
