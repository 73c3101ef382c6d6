//! The process state in which the tests run, whatever their starter's state was. Before the first test, this process
//! resets what it inherited, so that each test and each process that a test starts has the same state.
//!
//! A test that wants another state asks for it (`Start::ignored`, `Start::env`).

use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The variables that stay: those for programs, the toolchain, the network and the engine, and those that the tests
/// read. A name that ends with `_` is a prefix.
const KEPT: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TERM",
    "TMPDIR",
    "CI",
    "MIRROR",
    "LD_LIBRARY_PATH",
    // The toolchain. With other flags than those of the tests, Cargo would rebuild the probe.
    "CARGO",
    "CARGO_",
    "RUSTC",
    "RUSTC_",
    "RUSTUP_",
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "RUST_",
    "CC",
    "CFLAGS",
    "LDFLAGS",
    "ASAN_OPTIONS",
    // The network.
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "PIP_",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    // The engine.
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    // The tests' own.
    "RINI_BINARY",
    "RINI_PROBE",
    "RINI_PROOF",
    "RINI_SEED",
    "EMULATOR_OF_RINI",
    "EMULATED_RINI",
    "RINI_ENGINE_HOME",
    "LIMIT_FACTOR",
    "BUILT_CRI_CLIENT",
];

/// With this variable the state stays as it was found: the negative control of tests/packaged/machine.rs.
pub const AS_FOUND: &str = "RINI_TESTS_AS_FOUND";

#[used]
#[unsafe(link_section = ".init_array")]
static PREPARE: extern "C" fn() = prepare;

/// Runs before `main`, so that there is only one thread.
extern "C" fn prepare() {
    if std::env::var_os(AS_FOUND).is_some() {
        return;
    }
    let is_kept = |name: &OsStr| {
        let name = name.as_bytes();
        KEPT.iter().any(|kept| name == kept.as_bytes() || (kept.ends_with('_') && name.starts_with(kept.as_bytes())))
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| !is_kept(name)) {
        // SAFETY: There is one thread.
        unsafe { std::env::remove_var(name) };
    }
    // SAFETY: See above.
    unsafe { std::env::set_var("TMPDIR", folder_for_all()) };
    // SAFETY: The system calls get numbers, constant strings, and locals that outlive them.
    unsafe {
        for signal in 1..=64 {
            // The kernel's struct, as in `Setting::apply`.
            let default = [0_u64; 4];
            libc::syscall(libc::SYS_rt_sigaction, signal, &raw const default, 0, 8);
        }
        let none = 0_u64;
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const none, 0, 8);
        libc::syscall(libc::SYS_close_range, 3, i32::MAX, 0);
        // The tests give up the controlling terminal, because rini would manage it. ^C still reaches them through the
        // process group.
        let terminal = libc::open(c"/dev/tty".as_ptr(), libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC);
        if terminal >= 0 {
            if libc::getsid(0) != libc::getpid() {
                libc::ioctl(terminal, libc::TIOCNOTTY);
            }
            libc::close(terminal);
        }
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        if null >= 0 {
            libc::dup2(null, 0);
            if null > 2 {
                libc::close(null);
            }
        }
        libc::umask(0o022);
        let mut files = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut files) == 0 && files.rlim_cur < 1024 {
            files.rlim_cur = files.rlim_max.min(1024);
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const files);
        }
    }
    let _ = std::env::set_current_dir(env!("CARGO_MANIFEST_DIR"));
}

/// A directory for scratch files: TMPDIR, if every user may enter it and run programs in it. The tests put programs
/// there, and run some of them as nobody.
fn folder_for_all() -> PathBuf {
    let own = std::env::var_os("TMPDIR").map(PathBuf::from);
    let usual = ["/tmp", "/var/tmp", env!("CARGO_TARGET_TMPDIR")].map(PathBuf::from);
    let is_plain =
        |path: &Path| path.is_absolute() && !path.as_os_str().as_bytes().iter().any(|byte| b" \t\n:,".contains(byte));
    let mut candidates = own.into_iter().chain(usual.clone());
    candidates
        .find(|path| is_plain(path) && is_open_to_all(path) && is_writable(path))
        .unwrap_or_else(|| usual[0].clone())
}

/// True if every user may enter this directory.
pub fn is_open_to_all(folder: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else { return false };
    folder.ancestors().all(|folder| fs::metadata(folder).is_ok_and(|it| it.is_dir() && it.mode() & 0o1 != 0))
}

/// True if this user can make executable files there.
fn is_writable(folder: &Path) -> bool {
    let Ok(path) = CString::new(OsString::from(folder).into_vec()) else { return false };
    // SAFETY: All zeros are a value of this struct. The struct and the path outlive the calls.
    unsafe {
        let mut about: libc::statvfs = std::mem::zeroed();
        libc::access(path.as_ptr(), libc::W_OK | libc::X_OK) == 0
            && libc::statvfs(path.as_ptr(), &raw mut about) == 0
            && about.f_flag & libc::ST_NOEXEC == 0
    }
}
