//! The file itself, and the first instructions that it runs.

use crate::support::{Start, binary, emulation, probe, rini};
use nix::sys::ptrace;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use object::Endianness;
use object::elf::{DT_NEEDED, ELFCLASS64, FileHeader32, FileHeader64, PF_W, PF_X, PT_GNU_STACK, PT_INTERP, PT_LOAD};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// A part of an ELF file.
struct Segment {
    kind: u32,
    flags: u32,
    /// The number of libraries that the file asks for.
    libraries: usize,
}

fn segments(path: &Path) -> Vec<Segment> {
    let data = fs::read(path).unwrap();
    let segments = if data[4] == ELFCLASS64 {
        segments_of::<FileHeader64<Endianness>>(&data)
    } else {
        segments_of::<FileHeader32<Endianness>>(&data)
    };
    assert!(segments.iter().any(|segment| segment.kind == PT_LOAD));
    segments
}

fn segments_of<Header: FileHeader<Endian = Endianness>>(data: &[u8]) -> Vec<Segment> {
    let header = Header::parse(data).unwrap();
    let endian = header.endian().unwrap();
    let read = |segment: &Header::ProgramHeader| {
        let needed = |entry: &&Header::Dyn| entry.d_tag(endian).into() == u64::from(DT_NEEDED);
        let entries = segment.dynamic(endian, data).unwrap().unwrap_or_default();
        let libraries = entries.iter().filter(needed).count();
        Segment { kind: segment.p_type(endian), flags: segment.p_flags(endian), libraries }
    };
    header.program_headers(endian, data).unwrap().iter().map(read).collect()
}

/// The entries of an ELF file that make it need another file to run.
fn needs(path: &Path) -> Vec<String> {
    let mut needs = Vec::new();
    for segment in segments(path) {
        if segment.kind == PT_INTERP {
            needs.push("an interpreter".to_owned());
        }
        needs.extend((0..segment.libraries).map(|_| "a library".to_owned()));
    }
    needs
}

#[test]
fn the_binary_is_fully_static() {
    assert_eq!(needs(&binary()), [""; 0]);
    // The negative control: Debian's shell has a loader and libc.
    let shell = needs(&fs::canonicalize("/bin/sh").unwrap());
    assert!(shell.contains(&"an interpreter".to_owned()) && shell.contains(&"a library".to_owned()), "{shell:?}");
}

/// The flags of the memory that an ELF file asks for, with those of its stack.
fn memory(path: &Path) -> Vec<u32> {
    let segments = segments(path).into_iter();
    segments.filter(|segment| matches!(segment.kind, PT_LOAD | PT_GNU_STACK)).map(|segment| segment.flags).collect()
}

#[test]
fn nothing_can_be_written_and_executed() {
    let flags = memory(&binary());
    let has = |wanted: u32| flags.iter().any(|flags| flags & wanted == wanted);
    // The check sees the code, the data and the stack. Without an entry of its own the stack would be executable.
    assert!(has(PF_X) && has(PF_W) && flags.len() >= 3, "{flags:?}");
    assert!(!has(PF_W | PF_X), "{flags:?}");
}

/// The number of instructions before the first system call (at most 1000), and the number of that call.
#[cfg(target_arch = "x86_64")]
fn beginning(program: &Path) -> (u32, Option<i64>) {
    const SYSCALL: [u8; 2] = [0x0f, 0x05];
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: The closure makes one system call, in the forked child.
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
    #[allow(clippy::zombie_processes)] // waitpid reaps it below, as a tracer does.
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

/// All peers fail this: they block the signals after libc's start, and after they have read their arguments. As PID 1
/// they lose every signal that comes before.
#[test]
#[cfg(target_arch = "x86_64")]
fn the_first_system_call_blocks_every_signal_within_ten_instructions() {
    let (steps, call) = beginning(&rini());
    assert_eq!(call, Some(libc::SYS_rt_sigprocmask));
    assert!(steps <= 10, "{steps} instructions");
    // The negative control: another static program runs many instructions before its first call.
    assert_eq!(beginning(&probe()), (1000, None));
}

/// The same test for another architecture, with the emulator's log.
#[test]
fn the_first_system_call_in_an_emulator_blocks_every_signal() {
    let Some((emulator, binary)) = emulation() else { return };
    let first = |emulator: &Path, program: &Path| {
        let output = Start::of(emulator).args(["-strace".as_ref(), program.as_os_str(), "--version".as_ref()]).run();
        // A line has the pid, a space and the call.
        output.err[0].split_once(' ').unwrap().1.to_owned()
    };
    let call = first(&emulator, &binary);
    assert!(call.starts_with("rt_sigprocmask(SIG_BLOCK,"), "{call}");
    // The negative control: another static program begins with another call, on any architecture.
    let call = first(&emulator.with_file_name("qemu-x86_64"), &probe());
    assert!(!call.starts_with("rt_sigprocmask"), "{call}");
}

/// The linker script of the small build has one page for what is written. A variable that it puts elsewhere would end rini by
/// SIGSEGV when it is written.
#[test]
#[cfg(target_arch = "x86_64")]
fn a_variable_without_a_place_in_the_small_build_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let link = |variable: &str| {
        let source = folder.path().join("source.c");
        let begin = "int __default_stacksize = 131072;\n";
        fs::write(&source, format!("{begin}{variable}\nvoid _start(void) {{ for (;;); }}\n")).unwrap();
        let mut gcc = Command::new("gcc");
        gcc.args(["-w", "-static", "-nostdlib", "-no-pie", "-fno-pie", "-Wl,-z,norelro,--build-id=none", "-o"]);
        gcc.arg(folder.path().join("program")).arg("-T").arg("packaging/layout.ld").arg(&source);
        let output = gcc.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(link("int zero; const int one = 1;").0, "{}", link("int zero; const int one = 1;").1);
    let section = |name: &str| format!("__attribute__((section(\"{name}\"))) int one = 1;");
    let places = [".data.rini", ".data.rel", ".data.rel.local.one"].map(section);
    let all = ["int one = 1;", "char one = 1;", "__thread int one = 1;", "__thread int zero;"].map(str::to_owned);
    let constructor = "__attribute__((constructor)) void first(void) {}".to_owned();
    for variable in all.into_iter().chain(places).chain([constructor]) {
        let (links, said) = link(&variable);
        assert!(!links && said.contains("packaging/layout.ld has no place"), "{variable}: {said}");
    }
}
