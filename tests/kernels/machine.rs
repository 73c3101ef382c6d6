//! Virtual machines: qemu, without the processor's help, runs a kernel of Debian's with an initramfs made here.
//!
//! The initramfs has rini, the probe, a busybox and this test program, all of them static. A kernel of x86-64 with it boots in
//! two seconds, so each test has a machine of its own.

use crate::support::{self, LIMIT, Running, Start, lacked, skip, tools};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tempfile::TempDir;

/// A kind of machine.
pub struct Architecture {
    /// Its name for packaging/build-static.
    pub name: &'static str,
    /// Its name in Debian.
    debian: &'static str,
    /// qemu's program for it, with the machine and the processor.
    qemu: &'static [&'static str],
    /// The serial line, and its number for proc_pid_stat(5).
    pub serial_line: (&'static str, u32),
    /// The command of qemu's monitor at which the kernel does what it does at Ctrl-Alt-Del.
    pub ctrl_alt_del: Option<&'static str>,
    /// It takes this many times longer than x86-64.
    factor: u32,
}

/// With cmpxchg16b, qemu 7.2 breaks the registers of Linux 6.12. Five levels of page tables cost time only.
pub const X86_64: Architecture = Architecture {
    name: "x86_64",
    debian: "amd64",
    qemu: &["qemu-system-x86_64", "-cpu", "max,cx16=off,la57=off"],
    serial_line: ("ttyS0", 4 << 8 | 64),
    ctrl_alt_del: Some("sendkey ctrl-alt-delete"),
    factor: 1,
};

/// What most of the others have: the serial line of a UART like a PC's, and no key for Ctrl-Alt-Del.
const OTHER: Architecture =
    Architecture { name: "", debian: "", qemu: &[], serial_line: X86_64.serial_line, ctrl_alt_del: None, factor: 4 };

/// The serial line of an ARM machine.
const ARM_LINE: (&str, u32) = ("ttyAMA0", 204 << 8 | 64);

/// The others, each with a suite of Debian. Debian 13 has no kernel for i386, and a mirror had not those of ppc64el and s390x.
pub const OTHERS: [(Architecture, &str); 6] = [
    (
        Architecture {
            name: "aarch64",
            debian: "arm64",
            qemu: &["qemu-system-aarch64", "-M", "virt", "-cpu", "max"],
            serial_line: ARM_LINE,
            ..OTHER
        },
        "trixie",
    ),
    (
        Architecture {
            name: "armv7",
            debian: "armhf",
            qemu: &["qemu-system-arm", "-M", "virt", "-cpu", "max"],
            serial_line: ARM_LINE,
            ..OTHER
        },
        "trixie",
    ),
    (
        Architecture {
            name: "i686",
            debian: "i386",
            qemu: &["qemu-system-i386", "-cpu", "max"],
            ctrl_alt_del: X86_64.ctrl_alt_del,
            ..OTHER
        },
        "bookworm",
    ),
    (
        Architecture {
            name: "ppc64le",
            debian: "ppc64el",
            // Without these, qemu warns that it does not imitate what a real processor does against Spectre.
            qemu: &[
                "qemu-system-ppc64",
                "-M",
                "pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off",
            ],
            serial_line: ("hvc0", 229 << 8),
            ..OTHER
        },
        "bookworm",
    ),
    (
        Architecture { name: "riscv64", debian: "riscv64", qemu: &["qemu-system-riscv64", "-M", "virt"], ..OTHER },
        "trixie",
    ),
    (
        Architecture {
            name: "s390x",
            debian: "s390x",
            qemu: &["qemu-system-s390x", "-M", "s390-ccw-virtio", "-cpu", "max"],
            serial_line: ("ttysclp0", 4 << 8 | 65),
            // The machine asks its system to end.
            ctrl_alt_del: Some("system_powerdown"),
            ..OTHER
        },
        "bookworm",
    ),
];

/// In MiB.
const MEMORY: &str = "1024";

/// The last lines of a machine that powers off, and the first of those about a panic.
pub const ENDS: [&str; 3] = ["The tests have ended.", "reboot: Power down", "Kernel panic - not syncing"];

/// A running machine. Its standard output is its serial console.
pub struct Machine {
    qemu: Running,
    folder: TempDir,
    limit: Duration,
}

/// A kernel that can boot here.
pub struct Kernel {
    pub architecture: &'static Architecture,
    /// The suite of Debian that it comes from.
    pub suite: &'static str,
    file: PathBuf,
    initramfs: Arc<File>,
}

impl std::fmt::Display for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {}", self.suite, self.architecture.name)
    }
}

/// What this architecture's initramfs has from here.
struct Parts {
    rini: PathBuf,
    tests: PathBuf,
    probe: PathBuf,
    busybox: PathBuf,
}

/// The kernels of these suites. Prints SKIPPED for each that cannot be had.
pub fn kernels(suites: &[&'static str]) -> Vec<Kernel> {
    static INITRAMFS: OnceLock<Arc<File>> = OnceLock::new();
    if !can_boot(&X86_64) || !tools(&["busybox"]) {
        return vec![];
    }
    let parts = || Parts {
        rini: support::binary(),
        tests: std::env::current_exe().unwrap(),
        probe: support::probe(),
        busybox: support::find_program("busybox").unwrap(),
    };
    let initramfs = || INITRAMFS.get_or_init(|| make_initramfs(&parts())).clone();
    let fetch = |suite: &&'static str| {
        let [file] = lines_of("fetch", &[suite, X86_64.debian])?;
        Some(Kernel { architecture: &X86_64, suite, file, initramfs: initramfs() })
    };
    suites.iter().filter_map(fetch).collect()
}

/// The kernel of another architecture. Prints SKIPPED if it cannot be had.
pub fn other_kernel((architecture, suite): &'static (Architecture, &'static str)) -> Option<Kernel> {
    if !can_boot(architecture) {
        return None;
    }
    let [file, busybox] = lines_of("fetch", &[suite, architecture.debian])?;
    let [rini, tests, probe] = lines_of("build", &[architecture.name])?;
    let initramfs = make_initramfs(&Parts { rini, tests, probe, busybox });
    Some(Kernel { architecture, suite, file, initramfs })
}

fn can_boot(architecture: &Architecture) -> bool {
    if support::emulation().is_some() {
        skip("qemu cannot run a kernel in an emulator of programs");
        return false;
    }
    tools(&architecture.qemu[..1])
}

/// The paths that a script of this directory prints, or None if it lacks something.
fn lines_of<const N: usize>(script: &str, arguments: &[&str]) -> Option<[PathBuf; N]> {
    let output = Start::of(own(script)).args(arguments).run_within(20 * LIMIT);
    if let Some(why) = lacked(output.status.code(), &output.err.join("\n")) {
        skip(&why);
        return None;
    }
    assert_eq!(output.code(), 0, "{output:?}");
    let paths = output.out.iter().map(|line| Path::new(env!("CARGO_MANIFEST_DIR")).join(line));
    Some(paths.collect::<Vec<_>>().try_into().unwrap())
}

/// Boots a kernel, which runs `init` with these arguments.
pub fn boot(kernel: &Kernel, init: &str, arguments: &str) -> Machine {
    let Architecture { serial_line: (console, _), factor, .. } = kernel.architecture;
    let folder = support::short_folder();
    // The kernel gives LIMIT_FACTOR and NO_KEY to the init, as variables. NO_KEY is for the script `alone`.
    let no_key = if kernel.architecture.ctrl_alt_del.is_none() { "NO_KEY=1 " } else { "" };
    let command_line = format!(
        "console={console} loglevel=1 no_timer_check panic=-1 LIMIT_FACTOR={factor} {no_key}rdinit={init} -- {arguments}"
    );
    let monitor = format!("unix:{},server=on,wait=off", folder.path().join("monitor").display());
    let initramfs = format!("/proc/{}/fd/{}", std::process::id(), kernel.initramfs.as_raw_fd());
    let qemu = kernel.architecture.qemu(&kernel.file, initramfs.as_ref(), &command_line).args([
        "-accel",
        "tcg",
        "-m",
        MEMORY,
        "-no-reboot",
        "-monitor",
        &monitor,
    ]);
    Machine { qemu: qemu.spawn(), folder, limit: LIMIT * *factor }
}

impl Architecture {
    /// qemu with a serial console and nothing else. It ends with the thread that starts it.
    pub fn qemu(&self, kernel: &Path, initramfs: &Path, command_line: &str) -> Start {
        Start::of(self.qemu[0])
            .args(&self.qemu[1..])
            .args(["-nodefaults", "-display", "none", "-serial", "stdio", "-append", command_line])
            .args(["-kernel".as_ref(), kernel.as_os_str(), "-initrd".as_ref(), initramfs.as_os_str()])
            .with(|command| {
                let ends_with_this = || {
                    // SAFETY: The system call takes numbers only.
                    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
                    Ok(())
                };
                // SAFETY: The closure runs in a forked child and makes a system call only.
                unsafe { std::os::unix::process::CommandExt::pre_exec(command, ends_with_this) }
            })
    }
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

    /// Types on the serial line.
    pub fn type_on_line(&mut self, keys: &str) {
        self.qemu.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Types on the keyboard.
    pub fn type_on_keyboard(&self, keys: &str) {
        for key in keys.chars() {
            let name = match key {
                '\n' => "ret".to_owned(),
                ' ' => "spc".to_owned(),
                '/' => "slash".to_owned(),
                '\x1c' => "ctrl-backslash".to_owned(),
                '\0'..' ' => format!("ctrl-{}", char::from(key as u8 | 0x60)),
                _ => key.to_string(),
            };
            self.monitor(&format!("sendkey {name}"));
        }
    }

    /// Reads the console up to a line with one of these texts. Prints all, for the reader of a failed test.
    #[allow(clippy::print_stdout)] // The test harness shows it if the test fails.
    pub fn read_until(&mut self, texts: &[&str]) -> Vec<String> {
        let mut lines = vec![];
        loop {
            let line = self.qemu.line_within(self.limit).trim_end_matches('\r').to_owned();
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
        let mut output = self.qemu.finish();
        // The machine of ppc64le tells qemu of a panic.
        output.err.retain(|line| !line.contains("OS terminated: OS panic: "));
        assert_eq!((output.code(), &output.err), (0, &vec![]), "qemu's own end");
        lines
    }
}

/// An initramfs, in a file without a name.
fn make_initramfs(parts: &Parts) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&Archive::of_all(parts)).unwrap();
    Arc::new(file)
}

/// An archive in cpio's format `newc` (the kernel's Documentation/driver-api/early-userspace/buffer-format.rst).
struct Archive(Vec<u8>);

const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_755;
const LINK: u32 = 0o120_777;

impl Archive {
    fn of_all(parts: &Parts) -> Vec<u8> {
        let mut archive = Archive(vec![]);
        for name in ["bin", "dev", "proc", "sys", "tmp"] {
            archive.add(name, DIRECTORY, b"");
        }
        // The name of the folder in which tests have their files. `run` makes it, because the folder can be below /tmp.
        archive.add("folder", FILE, env!("CARGO_TARGET_TMPDIR").as_bytes());
        let files = [
            ("rini", &parts.rini),
            ("probe", &parts.probe),
            ("tests", &parts.tests),
            ("bin/busybox", &parts.busybox),
            ("run", &own("run")),
            ("alone", &own("alone")),
            ("keys", &own("keys")),
        ];
        for (name, path) in files {
            archive.add(name, FILE, &fs::read(path).unwrap());
        }
        for name in ["sh", "mount", "setsid", "umount"] {
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
