//! Virtual machines: qemu, without the processor's help, runs a kernel of Debian's with an initramfs made here.
//!
//! The initramfs has rini, the probe, a busybox and this test program, all of them static. A kernel with it boots in
//! two seconds, so each test has a machine of its own.

use crate::support::{self, LIMIT, Running, Start, lacked, skip, tools};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

/// With cmpxchg16b, qemu 7.2 breaks the registers of Linux 6.12. Five levels of page tables cost time only.
const CPU: &str = "max,cx16=off,la57=off";

/// In MiB.
const MEMORY: &str = "1024";

/// The last line of a machine that powers off, and the first of those about a panic.
const ENDS: [&str; 2] = ["reboot: Power down", "Kernel panic - not syncing"];

/// A running machine. Its standard output is its serial console.
pub struct Machine {
    qemu: Running,
    folder: TempDir,
}

/// A kernel that can boot here.
pub struct Kernel {
    /// The suite of Debian that it comes from.
    pub suite: &'static str,
    file: PathBuf,
}

/// The kernels of these suites. Prints SKIPPED for each that cannot be had.
pub fn kernels(suites: &[&'static str]) -> Vec<Kernel> {
    if support::emulation().is_some() {
        skip("qemu cannot run a kernel in an emulator of programs");
        return vec![];
    }
    if !tools(&["qemu-system-x86_64", "busybox"]) {
        return vec![];
    }
    let fetch = |suite: &&'static str| {
        let output = Start::of(own("fetch")).args([suite]).run_within(3 * LIMIT);
        if let Some(why) = lacked(output.status.code(), &output.err.join("\n")) {
            skip(&why);
            return None;
        }
        Some(Kernel { suite, file: Path::new(env!("CARGO_MANIFEST_DIR")).join(output.only_line()) })
    };
    suites.iter().filter_map(fetch).collect()
}

/// Boots a kernel, which runs `init` with these arguments.
pub fn boot(kernel: &Kernel, init: &str, arguments: &str) -> Machine {
    let folder = support::short_folder();
    let command_line = format!("console=ttyS0 loglevel=1 no_timer_check panic=-1 rdinit={init} -- {arguments}");
    let monitor = format!("unix:{},server=on,wait=off", folder.path().join("monitor").display());
    let initramfs = initramfs();
    let qemu = Start::of("qemu-system-x86_64")
        .args(["-accel", "tcg", "-cpu", CPU, "-m", MEMORY, "-nodefaults", "-display", "none", "-no-reboot"])
        .args(["-serial", "stdio", "-monitor", &monitor, "-append", &command_line])
        .args(["-kernel".as_ref(), kernel.file.as_os_str(), "-initrd".as_ref(), initramfs.as_os_str()])
        .with(|command| {
            let ends_with_this = || {
                // SAFETY: The system call takes numbers only.
                unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
                Ok(())
            };
            // SAFETY: The closure runs in a forked child and makes a system call only.
            unsafe { std::os::unix::process::CommandExt::pre_exec(command, ends_with_this) }
        });
    Machine { qemu: qemu.spawn(), folder }
}

impl Machine {
    /// Gives qemu's monitor a command, and waits until the monitor has done it.
    pub fn monitor(&self, command: &str) {
        let monitor = UnixStream::connect(self.folder.path().join("monitor")).unwrap();
        let mut replies = BufReader::new(&monitor);
        for command in [command, ""] {
            replies.read_until(b')', &mut vec![]).unwrap();
            writeln!(&monitor, "{command}").unwrap();
        }
    }

    /// Reads the console up to a line with one of these texts. Prints all, for the reader of a failed test.
    #[allow(clippy::print_stdout)] // The test harness shows it if the test fails.
    pub fn read_until(&mut self, texts: &[&str]) -> Vec<String> {
        let mut lines = vec![];
        loop {
            let line = self.qemu.line().trim_end_matches('\r').to_owned();
            println!("{line}");
            let is_last = texts.iter().any(|text| line.contains(text));
            lines.push(line);
            if is_last {
                return lines;
            }
        }
    }

    /// The lines of the console from here to the end of the machine.
    pub fn finish(mut self) -> Vec<String> {
        let lines = self.read_until(&ENDS);
        let output = self.qemu.finish();
        assert_eq!((output.code(), &output.err), (0, &vec![]), "qemu's own end");
        lines
    }
}

/// The initramfs of all machines, in a file without a name.
fn initramfs() -> PathBuf {
    static MADE: OnceLock<File> = OnceLock::new();
    let make = || {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&Archive::of_all()).unwrap();
        file
    };
    format!("/proc/{}/fd/{}", std::process::id(), MADE.get_or_init(make).as_raw_fd()).into()
}

/// An archive in cpio's format `newc` (the kernel's Documentation/driver-api/early-userspace/buffer-format.rst).
struct Archive(Vec<u8>);

const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_755;
const LINK: u32 = 0o120_777;

impl Archive {
    fn of_all() -> Vec<u8> {
        let mut archive = Archive(vec![]);
        for name in ["bin", "dev", "proc", "sys", "tmp"] {
            archive.add(name, DIRECTORY, b"");
        }
        // Tests have their files there.
        let folders: Vec<_> = Path::new(env!("CARGO_TARGET_TMPDIR")).ancestors().collect();
        for folder in folders.iter().rev().skip(1) {
            archive.add(folder.to_str().unwrap().trim_start_matches('/'), DIRECTORY, b"");
        }
        let files = [
            ("rini", support::binary()),
            ("probe", support::probe()),
            ("tests", std::env::current_exe().unwrap()),
            ("bin/busybox", support::find_program("busybox").unwrap()),
            ("run", own("run")),
            ("alone", own("alone")),
        ];
        for (name, path) in files {
            archive.add(name, FILE, &fs::read(path).unwrap());
        }
        for name in ["sh", "mount", "umount"] {
            archive.add(&format!("bin/{name}"), LINK, b"busybox");
        }
        archive.add("TRAILER!!!", 0, b"");
        archive.0
    }

    fn add(&mut self, name: &str, mode: u32, bytes: &[u8]) {
        let inode = self.0.len();
        // After mode: uid, gid, links, time, size, two device numbers, the length of the name, no checksum.
        let fields = [inode, mode as usize, 0, 0, 1, 0, bytes.len(), 0, 0, 0, 0, name.len() + 1, 0];
        self.0.extend_from_slice(b"070701");
        for field in fields {
            self.0.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(0);
        self.align();
        self.0.extend_from_slice(bytes);
        self.align();
    }

    fn align(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

/// A script of this directory.
fn own(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernels").join(name)
}
