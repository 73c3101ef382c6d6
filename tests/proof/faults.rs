//! Every system call of rini fails, in every way that its man page describes: rini's own calls, as PID 1 and not, and
//! those of its child between the clone and the exec.
//!
//! Each scenario runs under ptrace (probe/inject.rs), which lists rini's calls. Then it runs again for each call and
//! each errno: the call fails the first time, the second, the last, and every time. The injector also cuts reads and
//! writes short, and interrupts what can be interrupted 20 times in a row. It is PID 1 of the namespace, and looks for
//! leftover processes when rini has ended.
//!
//! This must hold, whatever fails: rini ends. If its child has run, rini exits with the child's code. If not, rini
//! exits with a code of its own and a line that gives the reason. No process is left without an init. An interruption
//! or a short write changes nothing of that. A program that has run has had its user, its groups and no capability, and
//! never root's. `--install` has put the whole file in the place of the target and exits with 0, or has left the target
//! as it was. It has left nothing beside the target. Exceptions are in [`JUSTIFIED`], each with its reason. In a second
//! part ([`CHURN`]) each call that an orphan or a signal needs fails every time, and rini's memory and descriptors must
//! not grow.
//!
//! Three things show that the test sees mistakes: programs in rini's place that hang, lose the code, leave a process
//! behind, run as root, copy a part or grow; tini, which loses its child in an interrupted wait; and strace, which lists
//! the same calls and gives the same results with its own faults.
//!
//! The short form tries one errno for each call in each scenario, and leaves out the exceptions. All results are in
//! target/proof/faults.md.

use crate::mutations::make_whole_package;
use crate::support::{
    BROKEN_BINARY, NET_ADMIN, Start, copy_executable, executable, give_capabilities, is_long, namespaces, probe,
    probing, rini, skip, tools, write_proof,
};
use nix::errno::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// The process whose system calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Caller {
    /// rini as a subreaper.
    Rini,
    /// rini as PID 1 of a namespace of its own.
    Pid1,
    /// rini's child before the exec.
    Child,
}

/// A command line of rini, and its usual result.
struct Scenario {
    name: &'static str,
    /// The name of rini.
    called: &'static str,
    options: &'static [&'static str],
    /// The program. It runs in a directory of its own, where it makes the file `ran`.
    program: &'static [&'static str],
    code: i32,
    /// A shell runs this before it executes rini.
    before: &'static str,
    /// The injector's options: the kind of standard error (by default a file), and a terminal on which a line has been
    /// typed.
    streams: &'static [&'static str],
    caller: &'static [Caller],
}

const ALL: &[Caller] = &[Caller::Rini, Caller::Pid1, Caller::Child];
const OWN: &[Caller] = &[Caller::Rini, Caller::Pid1];

/// Ends once rini waits for signals (in rt_sigtimedwait, call 128), and so has finished its start; or when that takes
/// too long, as it may with a fault.
const WAITING: &str = r#"
    while [ $((n += 1)) -lt 5000 ] && read -r call rest </proc/$PPID/syscall && [ "$call" != 128 ]; do :; done
    echo >ran; exit 7"#;

/// Records the user, the groups and the capabilities.
const WITH_USER: &str = "grep -E '^(Uid|Gid|Groups|Cap)' /proc/self/status >ran; exit 7";

/// Does the same once rini waits for signals, as in [`WAITING`].
const WAITING_WITH_USER: &str = r#"
    while [ $((n += 1)) -lt 5000 ] && read -r call rest </proc/$PPID/syscall && [ "$call" != 128 ]; do :; done
    grep -E '^(Uid|Gid|Groups|Cap)' /proc/self/status >ran; exit 7"#;

const PLAIN: Scenario = Scenario {
    name: "plain",
    called: "rini",
    options: &[],
    program: &["sh", "-c", WAITING],
    code: 7,
    before: "",
    streams: &[],
    caller: ALL,
};

/// For `before`, in the background: gives rini an orphan and sends SIGTERM, once rini has blocked its signals or waits
/// for them. (In rt_sigtimedwait, call 128, the kernel does not show them as blocked.)
const END_OF_PAUSE: &str = r#"
    while status=$(cat /proc/$$/syscall /proc/$$/status 2>/dev/null); do
        case $status in "128 "* | *SigBlk:?fffffffe7ffbfeff*) (: &); echo >ran; kill -TERM $$; exit ;; esac
    done &"#;

const SCENARIOS: &[Scenario] = &[
    PLAIN,
    Scenario {
        name: "orphans",
        options: &["-w"],
        program: &["sh", "-c", "echo >ran; for i in 1 2 3 4 5; do (: &); done; exit 9"],
        code: 9,
        streams: &["--stderr", "pipe"],
        caller: OWN,
        ..PLAIN
    },
    Scenario {
        name: "group",
        options: &["-g"],
        program: &[
            "sh",
            "-c",
            "trap 'kill -KILL $p; exit 5' TERM; sleep 1000 & p=$!; echo >ran; kill -TERM $PPID; wait",
        ],
        code: 5,
        ..PLAIN
    },
    Scenario {
        name: "grace period",
        options: &["-t", "0.1"],
        program: &["sh", "-c", "trap '' TERM; echo >ran; kill -TERM $PPID; exec sleep 1000"],
        code: 137,
        caller: OWN,
        ..PLAIN
    },
    Scenario {
        name: "delay, rewrite",
        options: &["--stop-delay", "0.05", "-r", "TERM:USR1"],
        program: &[
            "sh",
            "-c",
            "trap 'kill -KILL $p; exit 6' USR1; sleep 1000 & p=$!; echo >ran; kill -TERM $PPID; wait",
        ],
        code: 6,
        caller: OWN,
        ..PLAIN
    },
    Scenario {
        name: "terminate leftover processes",
        options: &["--after-exit", "terminate", "-t", "0.1"],
        program: &["sh", "-c", "(trap '' TERM; exec sleep 1000) & (exec sleep 1000) & echo >ran; exit 3"],
        code: 3,
        streams: &["--stderr", "pipe"],
        caller: OWN,
        ..PLAIN
    },
    Scenario {
        name: "wait for leftover processes",
        options: &["--after-exit", "wait"],
        program: &["sh", "-c", "(sleep 0.05) & echo >ran; exit 4"],
        code: 4,
        caller: OWN,
        ..PLAIN
    },
    Scenario { name: "killed", program: &["sh", "-c", "echo >ran; kill -KILL $$"], code: 137, caller: OWN, ..PLAIN },
    Scenario { name: "said", options: &["-vvv"], streams: &["--stderr", "pipe"], caller: OWN, ..PLAIN },
    Scenario {
        name: "terminal",
        options: &["-v"],
        program: &["sh", "-c", "read x; echo >ran; exit 7"],
        streams: &["--tty", "--stderr", "tty"],
        ..PLAIN
    },
    Scenario {
        name: "^Z on a terminal",
        program: &["sh", "-c", "kill -TSTP $$; read x; echo >ran; exit 7"],
        streams: &["--tty"],
        caller: OWN,
        ..PLAIN
    },
    // The program holds the only writer of its standard input, and closes it when rini waits for that (in ppoll, call 271).
    Scenario {
        name: "standard input",
        options: &["--stop-on-stdin-close"],
        program: &[
            "sh",
            "-c",
            r#"trap 'exit 7' TERM; echo >ran
            while [ $((n += 1)) -lt 5000 ] && read -r call rest </proc/$PPID/syscall && [ "$call" != 271 ]; do :; done
            exec 9>&-; n=0
            while [ $((n += 1)) -lt 5000 ] && read -r call rest </proc/$PPID/syscall && [ "$call" != 128 ]; do :; done
            exit 7"#,
        ],
        before: "mkfifo pipe; exec 9<>pipe <pipe",
        caller: OWN,
        ..PLAIN
    },
    Scenario { name: "pause", options: &["-P"], program: &[], code: 0, before: END_OF_PAUSE, caller: OWN, ..PLAIN },
    Scenario {
        name: "pause, by name",
        called: "pause",
        program: &[],
        code: 0,
        before: END_OF_PAUSE,
        caller: OWN,
        ..PLAIN
    },
    Scenario { name: "user", options: &["-u", "app"], program: &["sh", "-c", WAITING_WITH_USER], ..PLAIN },
    Scenario {
        name: "gosu",
        called: "gosu",
        options: &["app"],
        program: &["sh", "-c", WITH_USER],
        caller: OWN,
        ..PLAIN
    },
    Scenario {
        name: "install",
        options: &["--install", "copy"],
        program: &[],
        code: 0,
        before: "echo old >copy",
        caller: OWN,
        ..PLAIN
    },
    Scenario { name: "parent's death", options: &["-p", "TERM"], ..PLAIN },
    Scenario {
        name: "sockets",
        before: "export LISTEN_PID=$$",
        program: &["sh", "-c", "echo >ran; [ $LISTEN_PID = $$ ] && exit 7"],
        ..PLAIN
    },
    Scenario { name: "tini", called: "tini", options: &["-s", "--"], ..PLAIN },
    Scenario {
        name: "tini, parent's death",
        called: "tini",
        options: &["-v", "-p", "SIGTERM", "--"],
        caller: OWN,
        ..PLAIN
    },
    Scenario {
        name: "dumb-init",
        called: "dumb-init",
        options: &["-v"],
        program: &[
            "sh",
            "-c",
            "trap 'kill -KILL $p; exit 5' TERM; sleep 1000 & p=$!; echo >ran; kill -TERM $PPID; wait",
        ],
        code: 5,
        ..PLAIN
    },
    Scenario {
        name: "dumb-init on a terminal",
        called: "dumb-init",
        program: &["sh", "-c", "read x; echo >ran; exit 7"],
        streams: &["--tty"],
        ..PLAIN
    },
    Scenario { name: "catatonit", called: "catatonit", options: &["--"], ..PLAIN },
    Scenario { name: "not found", program: &["nothing"], code: 127, streams: &["--stderr", "pipe"], ..PLAIN },
    Scenario {
        name: "no permission",
        program: &["./data"],
        code: 126,
        streams: &["--tty", "--stderr", "tty"],
        ..PLAIN
    },
    Scenario { name: "file capabilities", program: &["./capable"], code: 126, ..PLAIN },
    Scenario { name: "no #!", program: &["./script"], ..PLAIN },
    Scenario { name: "help", options: &["--help"], program: &[], code: 0, caller: OWN, ..PLAIN },
];

/// rini's system calls, and the errors of each: those of its man page, and that of a seccomp profile that does not know
/// it. The calls of the C library's start have no errors here, because they are not rini's. A close reports its error
/// after it has closed.
const CALLS: &[(&str, &[&str])] = &[
    ("access", &[]),
    ("arch_prctl", &[]),
    ("brk", &[]),
    ("capset", &["EFAULT", "EINVAL", "ENOSYS", "EPERM", "ESRCH"]),
    ("chdir", &["EACCES", "EFAULT", "EIO", "ELOOP", "ENAMETOOLONG", "ENOENT", "ENOMEM", "ENOTDIR"]),
    ("clock_gettime", &["EFAULT", "EINVAL", "ENODEV", "EPERM"]),
    ("clone", &["EAGAIN", "EINVAL", "ENOMEM", "ENOSPC", "ENOSYS", "EPERM"]),
    ("close", &["EBADF", "after EINTR", "after EIO", "after ENOSPC", "after EDQUOT"]),
    ("close_range", &["EINVAL", "EMFILE", "ENOMEM", "ENOSYS", "EPERM"]),
    (
        "execve",
        &[
            "E2BIG",
            "EACCES",
            "EAGAIN",
            "EFAULT",
            "EINVAL",
            "EIO",
            "EISDIR",
            "ELIBBAD",
            "ELOOP",
            "EMFILE",
            "ENAMETOOLONG",
            "ENFILE",
            "ENOENT",
            "ENOEXEC",
            "ENOMEM",
            "ENOTDIR",
            "EPERM",
            "ETXTBSY",
        ],
    ),
    ("exit_group", &[]),
    (
        "faccessat",
        &[
            "EACCES",
            "EFAULT",
            "EIO",
            "ELOOP",
            "ENAMETOOLONG",
            "ENOENT",
            "ENOMEM",
            "ENOSYS",
            "ENOTDIR",
            "EPERM",
            "EROFS",
        ],
    ),
    ("fchmod", &["EBADF", "EIO", "ENOSYS", "EPERM", "EROFS"]),
    ("fcntl", &[]),
    ("fsync", &["EBADF", "EDQUOT", "EINTR", "EINVAL", "EIO", "ENOSPC", "ENOSYS", "EROFS"]),
    ("getdents64", &["EBADF", "EFAULT", "EINVAL", "ENOENT", "ENOTDIR"]),
    ("geteuid", &[]),
    ("getgid", &[]),
    ("getpgid", &["EPERM", "ESRCH"]),
    ("getpgrp", &[]),
    ("getpid", &[]),
    ("getppid", &[]),
    ("getrandom", &[]),
    ("getsid", &["EPERM", "ESRCH"]),
    ("getuid", &[]),
    ("getxattr", &["E2BIG", "EACCES", "EFAULT", "ENODATA", "ENOENT", "EOPNOTSUPP", "EPERM", "ERANGE"]),
    ("ioctl", &["EBADF", "EFAULT", "EINVAL", "EIO", "ENOTTY", "EPERM"]),
    ("kill", &["EINVAL", "EPERM", "ESRCH"]),
    ("mmap", &["EAGAIN", "EINVAL", "ENOMEM", "EPERM"]),
    ("mprotect", &[]),
    ("munmap", &["EINVAL", "ENOMEM"]),
    (
        "openat",
        &[
            "EACCES",
            "EAGAIN",
            "EBUSY",
            "EFAULT",
            "EINTR",
            "EINVAL",
            "EIO",
            "EISDIR",
            "ELOOP",
            "EMFILE",
            "ENAMETOOLONG",
            "ENFILE",
            "ENODEV",
            "ENOENT",
            "ENOMEM",
            "ENOTDIR",
            "ENXIO",
            "EOVERFLOW",
            "EPERM",
            "EROFS",
        ],
    ),
    ("poll", &["EFAULT", "EINTR", "EINVAL", "ENOMEM"]),
    ("prctl", &["EINVAL", "EPERM"]),
    ("ppoll", &["EFAULT", "EINTR", "EINVAL", "ENOMEM"]),
    ("prlimit64", &["EFAULT", "EINVAL", "EPERM"]),
    (
        "pwritev2",
        &[
            "short",
            "EAGAIN",
            "EBADF",
            "EDQUOT",
            "EFAULT",
            "EFBIG",
            "EINTR",
            "EINVAL",
            "EIO",
            "ENOSPC",
            "ENOSYS",
            "EOPNOTSUPP",
            "EPERM",
            "EPIPE",
            "ESPIPE",
        ],
    ),
    ("read", &["short", "EAGAIN", "EBADF", "EFAULT", "EINTR", "EINVAL", "EIO", "EISDIR"]),
    ("readlinkat", &["EACCES", "EBADF", "EFAULT", "EINVAL", "EIO", "ELOOP", "ENOENT", "ENOMEM", "ENOTDIR"]),
    ("readlink", &[]),
    (
        "renameat2",
        &[
            "EACCES",
            "EBUSY",
            "EDQUOT",
            "EEXIST",
            "EFAULT",
            "EINVAL",
            "EIO",
            "EISDIR",
            "ELOOP",
            "EMLINK",
            "ENAMETOOLONG",
            "ENOENT",
            "ENOMEM",
            "ENOSPC",
            "ENOSYS",
            "ENOTDIR",
            "ENOTEMPTY",
            "EPERM",
            "EROFS",
            "EXDEV",
        ],
    ),
    ("rseq", &[]),
    ("rt_sigaction", &["EFAULT", "EINVAL"]),
    ("rt_sigpending", &["EFAULT", "EINVAL"]),
    ("rt_sigprocmask", &["EFAULT", "EINVAL"]),
    ("rt_sigqueueinfo", &["EAGAIN", "EINVAL", "EPERM", "ESRCH"]),
    ("rt_sigtimedwait", &["EAGAIN", "EINTR", "EINVAL"]),
    (
        "sendfile",
        &[
            "short",
            "EAGAIN",
            "EBADF",
            "EDQUOT",
            "EFAULT",
            "EFBIG",
            "EINVAL",
            "EIO",
            "ENOMEM",
            "ENOSPC",
            "ENOSYS",
            "EOVERFLOW",
            "EPERM",
            "ESPIPE",
        ],
    ),
    ("signalfd4", &["EBADF", "EINVAL", "EMFILE", "ENFILE", "ENODEV", "ENOMEM"]),
    ("set_robust_list", &[]),
    ("set_tid_address", &[]),
    ("setgroups", &["EFAULT", "EINVAL", "ENOMEM", "ENOSYS", "EPERM"]),
    ("setpgid", &["EACCES", "EINVAL", "EPERM", "ESRCH"]),
    ("setresgid", &["EAGAIN", "EINVAL", "ENOSYS", "EPERM"]),
    ("setresuid", &["EAGAIN", "EINVAL", "ENOSYS", "EPERM"]),
    ("setsid", &["EPERM"]),
    (
        "statfs",
        &[
            "EACCES",
            "EFAULT",
            "EINTR",
            "EIO",
            "ELOOP",
            "ENAMETOOLONG",
            "ENOENT",
            "ENOMEM",
            "ENOSYS",
            "ENOTDIR",
            "EPERM",
        ],
    ),
    (
        "statx",
        &["EACCES", "EBADF", "EFAULT", "EINVAL", "ELOOP", "ENAMETOOLONG", "ENOENT", "ENOMEM", "ENOSYS", "ENOTDIR"],
    ),
    ("waitid", &["ECHILD", "EINTR", "EINVAL"]),
    (
        "write",
        &[
            "short", "zero", "EAGAIN", "EBADF", "EDQUOT", "EFAULT", "EFBIG", "EINTR", "EINVAL", "EIO", "ENOSPC",
            "EPERM", "EPIPE",
        ],
    ),
];

/// The result of a run, as PID 1 saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    /// None if it did not end.
    code: Option<i32>,
    ran: bool,
    /// The owner and the content of the file `ran`: the program's user, and what the program recorded of itself.
    user: Option<(u32, String)>,
    /// The target of `--install`.
    copy: Copied,
    /// The number of leftover processes.
    left: usize,
    /// The lines on standard error.
    lines: Vec<String>,
    /// The standard output.
    out: String,
    /// The names of the calls.
    calls: Vec<String>,
    /// The number of injected faults.
    injected: usize,
}

/// What has become of the file `copy`, in the place of which `--install` puts rini.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copied {
    /// There was none and there is none, or it is as it was, with nothing beside it.
    No,
    /// It is rini's file, which everybody may execute, with nothing beside it.
    Whole,
    /// It is anything else, or there is another file beside it.
    Part,
}

impl Copied {
    fn of(folder: &Path) -> Copied {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let names: Vec<_> = entries.filter(|name| name.to_string_lossy().starts_with("copy")).collect();
        let copy = folder.join("copy");
        match &names[..] {
            [] => Copied::No,
            [name] if name == "copy" => match fs::read(&copy).unwrap() {
                old if old == b"old\n" => Copied::No,
                new if new == fs::read(rini()).unwrap() && fs::metadata(copy).unwrap().mode() == 0o100_755 => {
                    Copied::Whole
                }
                _ => Copied::Part,
            },
            _ => Copied::Part,
        }
    }
}

/// The number of an errno.
fn number(name: &str) -> i32 {
    let known = |number: &i32| format!("{:?}", Errno::from_raw(*number)) == name;
    (1..134).find(known).unwrap_or_else(|| panic!("no errno {name}"))
}

/// A fault in the injector's notation.
fn fault(call: &str, what: &str, when: &str) -> String {
    let what = match what.strip_prefix("after ") {
        _ if what == "short" => what.to_owned(),
        _ if what == "zero" => "retval=0".to_owned(),
        Some(errno) => format!("after={}", number(errno)),
        None => format!("error={}", number(what)),
    };
    format!("{call}:{what}:{when}")
}

/// The lists of accounts. The user is not in the first piece that rini reads.
const PASSWD: &str = "root:x:0:0:a name that takes some room in the file, so that the next line is in another piece of it, although this \
    is the first line of two, and it would be a short one otherwise, as such lines are, which have a name and a number and a home and a shell:/root:/bin/sh\n\
    app:x:1000:1000::/:/bin/sh\n";
const GROUP: &str = "root:x:0:\napp:x:1000:\nweb:x:2000:app\n";

/// Runs a command in a directory that has this link to rini.
fn run_words(called: &str, words: &[&str]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    symlink(rini(), path.join(called)).unwrap();
    fs::write(path.join("data"), BROKEN_BINARY).unwrap();
    executable(path, "script", "echo >ran; exit 7\n");
    // The program may be another user's.
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(path.join("passwd"), PASSWD).unwrap();
    fs::write(path.join("group"), GROUP).unwrap();
    copy_executable(Path::new("/bin/true"), &path.join("capable"));
    give_capabilities(&path.join("capable"), &[NET_ADMIN]);
    let start = Start::of(probe()).args(words).in_namespace().lacking(&[NET_ADMIN]).accounts(path);
    // PATH has rini in its second directory, so that the test covers the search.
    let start = start.with(|command| command.env_remove("RUST_BACKTRACE"));
    let start = start.env("PATH", "/nowhere:/bin:/usr/bin").with(|command| command.current_dir(path));
    let output = start.run();
    assert!(output.out.len() == 2 && output.code() == 0, "{words:?}: {output:?}");
    let [injected, code, left] = output.out[1].split(' ').collect::<Vec<_>>().try_into().unwrap();
    let read = |name: &str| String::from_utf8_lossy(&fs::read(path.join(name)).unwrap_or_default()).into_owned();
    Outcome {
        code: code.parse().ok(),
        ran: path.join("ran").exists(),
        user: fs::metadata(path.join("ran")).ok().map(|file| (file.uid(), read("ran"))),
        copy: Copied::of(path),
        left: left.parse().unwrap(),
        lines: read("err").lines().map(|line| line.trim_end().to_owned()).collect(),
        out: read("out"),
        calls: output.out[0].split_whitespace().map(str::to_owned).collect(),
        injected: injected.parse().unwrap(),
    }
}

fn run(scenario: &Scenario, caller: Caller, fault: Option<&str>, limit: &str) -> Outcome {
    let mut words = vec!["inject", "--limit", limit];
    match caller {
        Caller::Rini => (),
        Caller::Pid1 => words.push("--pid1"),
        Caller::Child => words.push("--child"),
    }
    words.extend(scenario.streams);
    words.extend(fault.iter().flat_map(|fault| ["--fault", fault]));
    let before = format!("{}\nexec \"$@\"", scenario.before);
    if !scenario.before.is_empty() {
        words.extend(["--execs", "2", "sh", "-c", &before, "sh"]);
    }
    let called = format!("./{}", scenario.called);
    words.push(&called);
    words.extend(scenario.options);
    words.extend(scenario.program);
    run_words(scenario.called, &words)
}

const ANOTHER_USER: &str = "it has run as another user, or with other groups or capabilities";
const PART: &str = "the target is not the whole file, or is not what the code says";
const UNSAID: &str = "nothing has run, and nothing is printed";

/// Compares an outcome with the `usual` one without a fault, and names the difference that is wrong.
fn find_mistake(usual: &Outcome, outcome: &Outcome) -> Option<&'static str> {
    match outcome {
        Outcome { code: None, .. } => Some("it does not end"),
        Outcome { left: 1.., .. } => Some("processes are left"),
        Outcome { ran: true, user, .. } if *user != usual.user => Some(ANOTHER_USER),
        Outcome { copy: Copied::Part, .. } => Some(PART),
        Outcome { code, copy, .. } if (usual.copy == *copy) != (usual.code == *code) && usual.copy == Copied::Whole => {
            Some(PART)
        }
        Outcome { ran: true, code, .. } if *code != usual.code => Some("the code is another"),
        Outcome { ran: false, code, out, .. } if *code == usual.code && *out == usual.out && !usual.ran => None,
        Outcome { ran: false, code: Some(0), .. } => Some("nothing has run, and the code is 0"),
        Outcome { ran: false, lines, .. } if lines.is_empty() => Some(UNSAID),
        _ => None,
    }
}

/// The exceptions: the process, the call, the errno, the times, and the reason. The times are a suffix: `+` stands for
/// every time, and an empty text for any.
const JUSTIFIED: &[(&[Caller], &str, &str, &str, &str)] = &[
    (ALL, "rt_sigprocmask", "EFAULT", "", CONSTANT),
    (ALL, "rt_sigprocmask", "EINVAL", "", CONSTANT),
    (OWN, "rt_sigtimedwait", "EINVAL", "", CONSTANT),
    (OWN, "waitid", "EINVAL", "", CONSTANT),
    (OWN, "waitid", "ECHILD", "", "there is a child: it has not been reaped, and SIGCHLD is not ignored"),
    (OWN, "waitid", "EINTR", "1+", FOR_EVER),
    (OWN, "rt_sigtimedwait", "EINTR", "1+", FOR_EVER),
    (OWN, "rt_sigtimedwait", "EAGAIN", "1+", FOR_EVER),
    (OWN, "ppoll", "EINTR", "1+", FOR_EVER),
    (OWN, "write", "EINTR", "1+", FOR_EVER),
    (OWN, "clock_gettime", "EFAULT", "1+", CLOCK),
    (OWN, "clock_gettime", "EINVAL", "1+", CLOCK),
    (OWN, "clock_gettime", "ENODEV", "1+", CLOCK),
    (OWN, "clock_gettime", "EPERM", "1+", CLOCK),
    (OWN, "getsid", "EPERM", "", OWN_SESSION),
    (OWN, "getsid", "ESRCH", "", OWN_SESSION),
    (OWN, "openat", "ENXIO", "", HIDDEN),
    (OWN, "ioctl", "EBADF", "", FOREGROUND),
    (OWN, "ioctl", "EFAULT", "", FOREGROUND),
    (OWN, "ioctl", "EINVAL", "", FOREGROUND),
    (OWN, "ioctl", "EIO", "", FOREGROUND),
    (OWN, "ioctl", "ENOTTY", "", FOREGROUND),
    (OWN, "ioctl", "EPERM", "", FOREGROUND),
    (OWN, "rt_sigqueueinfo", "ESRCH", "", REAPED),
    (OWN, "kill", "ESRCH", "", REAPED),
    (OWN, "kill", "EINVAL", "", CONSTANT),
    (
        OWN,
        "kill",
        "EPERM",
        "",
        "rini logs it; as PID 1 it would end, and the kernel would kill all; beside other processes it waits for the child",
    ),
    (OWN, "prctl", "EINVAL", "", SUBREAPER),
    (OWN, "prctl", "EPERM", "", SUBREAPER),
];
const CONSTANT: &str = "the arguments are the same at every call, and right";
const REAPED: &str = "rini has not reaped the child, so there is such a process";
const SUBREAPER: &str = "rini logs it, and has no orphans then";

const FOR_EVER: &str = "a wait that is interrupted for ever does not wait; 20 times in a row do no harm";
const OWN_SESSION: &str = "the kernel never refuses a process its own session; rini takes the SIGHUP of leaving the terminal for one that somebody sent";
const FOREGROUND: &str = "if rini cannot learn the foreground group, it leaves the terminal alone, and the terminal stops a reader like \
    a background job";
const HIDDEN: &str = "this errno says that there is no terminal, and without one a stopped process stays stopped until somebody continues it";
const CLOCK: &str = "CLOCK_MONOTONIC always exists; without it no period would end";

fn find_justification(caller: Caller, call: &str, what: &str, when: &str) -> Option<&'static str> {
    let holds = |(of, known, how, times, _): &&(&[Caller], &str, &str, &str, &str)| {
        of.contains(&caller) && *known == call && *how == what && when.ends_with(times)
    };
    JUSTIFIED.iter().find(holds).map(|(.., reason)| *reason)
}

/// The reason why rini prints nothing, if the failing call is the one that prints.
fn reason_for_silence(call: &str, wrong: Option<&str>) -> Option<&'static str> {
    let writes = ["write", "pwritev2"].contains(&call);
    (writes && wrong == Some(UNSAID)).then_some("this call would print it")
}

/// The reason why an interruption before the start keeps the program from starting.
fn reason_for_refusal(row: &Row, outcome: &Outcome, wrong: Option<&str>) -> Option<&'static str> {
    let reads =
        ["user", "gosu", "install"].contains(&row.scenario.name) && ["openat", "read", "fsync"].contains(&row.call);
    (reads && row.what == "EINTR" && wrong == Some(HARM) && !outcome.ran && outcome.code == Some(1))
        .then_some("rini blocks every signal, so none interrupts this call; it starts nothing and says why")
}

/// The reason why a program has fewer groups.
fn reason_for_groups(row: &Row, usual: &Outcome, outcome: &Outcome, wrong: Option<&str>) -> Option<&'static str> {
    let owner = |outcome: &Outcome| outcome.user.as_ref().map(|(owner, _)| *owner);
    let is_missing = ["user", "gosu"].contains(&row.scenario.name) && (row.call, row.what) == ("openat", "ENOENT");
    (is_missing && wrong == Some(ANOTHER_USER) && owner(outcome) == owner(usual) && outcome.code == usual.code)
        .then_some("a missing /etc/group has no entries, so the user has no other groups")
}

const HARM: &str = "an interruption does harm";

/// A call that fails.
struct Row {
    scenario: &'static Scenario,
    caller: Caller,
    call: &'static str,
    what: &'static str,
    when: String,
}

/// Calls `act` with each item, in enough threads to keep the processors busy. Returns the results in the order of the
/// items.
fn each<T: Sync, R: Send>(all: &[T], act: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = all.get(number) else { return };
                    let result = act(item);
                    found.lock().unwrap().insert(number, result);
                }
            });
        }
    });
    found.into_inner().unwrap().into_values().collect()
}

/// True if the injector works here. Otherwise prints SKIPPED.
fn can_inject() -> bool {
    if cfg!(not(target_arch = "x86_64")) {
        skip("probe/inject.rs knows the registers of x86-64 only");
        return false;
    }
    namespaces()
}

/// Runs a scenario without a fault. Returns its outcome and the number of times of each call: the highest of three
/// runs, because the child may be faster or slower.
fn run_usual(scenario: &Scenario, caller: Caller) -> (Outcome, BTreeMap<String, usize>) {
    let mut most = BTreeMap::new();
    let mut last = None;
    for _ in 0..3 {
        let usual = run(scenario, caller, None, "60");
        let runs = !scenario.program.iter().any(|word| ["nothing", "./data", "./capable"].contains(word))
            && !["help", "install"].contains(&scenario.name);
        assert!(
            usual.code == Some(scenario.code) && usual.ran == runs && usual.left == 0,
            "{}, {caller:?}: {usual:?}",
            scenario.name
        );
        let mut counts = BTreeMap::new();
        for call in &usual.calls {
            *counts.entry(call.clone()).or_insert(0) += 1;
        }
        for (call, count) in counts {
            let known = most.entry(call).or_insert(0);
            *known = count.max(*known);
        }
        last = Some(usual);
    }
    (last.unwrap(), most)
}

/// The times at which a call fails, of the `count` times that it is made.
fn choose_times(call: &str, count: usize, what: &str, number: usize) -> Vec<String> {
    let mut times: Vec<String> =
        [1, 2, count].into_iter().filter(|time| *time <= count).map(|time| time.to_string()).collect();
    times.dedup();
    // rini calls it once. If it fails, rini makes 65,533 other calls instead, which need not be watched.
    // A copy of one byte at a time would take minutes.
    if call != "close_range" && (call, what) != ("sendfile", "short") {
        times.push("1+".to_owned());
    }
    if matches!(what, "EINTR" | "short" | "EAGAIN") {
        times.push("1..20".to_owned());
    }
    if !is_long() {
        // The short form tries one of them, another for each scenario and call.
        times = vec![times[number % times.len()].clone()];
    }
    times
}

#[test]
fn no_failing_system_call_loses_the_child_or_its_code() {
    if !can_inject() {
        return;
    }
    let begin = Instant::now();
    let runs: Vec<_> =
        SCENARIOS.iter().flat_map(|scenario| scenario.caller.iter().map(move |caller| (scenario, *caller))).collect();
    let usuals = each(&runs, |(scenario, caller)| run_usual(scenario, *caller));
    let (mut rows, mut number, mut kinds) = (Vec::new(), 0, BTreeSet::new());
    for ((scenario, caller), (_, counts)) in runs.iter().zip(&usuals) {
        for (call, count) in counts {
            let known = CALLS.iter().find(|(known, _)| *known == call);
            let (call, whats) = known.unwrap_or_else(|| panic!("how can {call} fail?"));
            number += 1;
            let mut whats: Vec<_> = whats
                .iter()
                .filter(|what| is_long() || find_justification(*caller, call, what, "").is_none())
                .collect();
            if !is_long() && !whats.is_empty() {
                // Two errnos, each at one time.
                let places = [number % whats.len(), (number + whats.len() / 2) % whats.len()];
                whats = BTreeSet::from(places).into_iter().map(|place| whats[place]).collect();
            }
            for (place, what) in whats.into_iter().enumerate() {
                kinds.insert((*caller, *call));
                let times = choose_times(call, *count, what, number / 3 + place);
                let times = times
                    .into_iter()
                    .filter(|when| is_long() || find_justification(*caller, call, what, when).is_none());
                rows.extend(times.map(|when| Row { scenario, caller: *caller, call, what, when }));
            }
        }
    }
    let usual_of: BTreeMap<_, _> =
        runs.iter().zip(&usuals).map(|((scenario, caller), (usual, _))| ((scenario.name, *caller), usual)).collect();
    let outcomes = each(&rows, |row| {
        let reason = find_justification(row.caller, row.call, row.what, &row.when);
        // A run that is known to hang need not hang for long.
        // Another run must end, also on a busy machine.
        let limit = if reason.is_some() { "2" } else { "60" };
        let run = || run(row.scenario, row.caller, Some(&fault(row.call, row.what, &row.when)), limit);
        // Whether rini makes a call can depend on whether the child ends before or after it.
        let mut runs = std::iter::repeat_with(run).take(4).skip_while(|outcome| outcome.injected == 0);
        runs.next().unwrap_or_else(run)
    });

    let mut report = Report::default();
    let mut surprising = String::new();
    for (row, outcome) in rows.iter().zip(&outcomes) {
        let usual = usual_of[&(row.scenario.name, row.caller)];
        let changed = (outcome.code, outcome.ran, &outcome.out) != (usual.code, usual.ran, &usual.out);
        let harm = matches!(row.what, "EINTR" | "short") && changed;
        let wrong = find_mistake(usual, outcome).or(harm.then_some(HARM));
        let reason = find_justification(row.caller, row.call, row.what, &row.when)
            .or_else(|| reason_for_silence(row.call, wrong))
            .or_else(|| reason_for_refusal(row, outcome, wrong))
            .or_else(|| reason_for_groups(row, usual, outcome, wrong));
        if let (Some(wrong), None) = (wrong, reason) {
            let Row { scenario: Scenario { name, .. }, caller, call, what, when } = row;
            let Outcome { code, ran, left, lines, .. } = outcome;
            let _ = writeln!(
                surprising,
                "{name}, {caller:?}: {call} {what} {when}: {wrong}: {code:?} {ran} {left} {lines:?}"
            );
        }
        report.add(row, usual, outcome, wrong, reason);
    }
    report.write(kinds.len(), begin.elapsed().as_secs());
    assert!(surprising.is_empty(), "of {} faults:\n{surprising}", rows.len());
    // The last time comes from the run with the most calls, and in another run the child may be faster. The report
    // counts such misses.
    assert!(report.missed * 10 < rows.len(), "{} of {} faults did not happen", report.missed, rows.len());
}

/// For each scenario, the times.
type Places = BTreeMap<&'static str, BTreeSet<String>>;

/// The results, for a reader.
#[derive(Default)]
struct Report {
    /// For each process, call, outcome and errno: the scenarios, and the times in each.
    rows: BTreeMap<(Caller, &'static str, String, &'static str), Places>,
    /// For each scenario: as without a fault, said or not said, not started, justified, surprising, not reached.
    counts: BTreeMap<(&'static str, Caller), [usize; 6]>,
    missed: usize,
    total: usize,
}

/// A line without its numbers.
fn blur_numbers(line: &str) -> String {
    let mut blurred = String::new();
    for c in line.chars() {
        match c {
            '0'..='9' if blurred.ends_with('N') => (),
            '0'..='9' => blurred.push('N'),
            '|' => blurred.push('/'),
            c => blurred.push(c),
        }
    }
    blurred
}

impl Report {
    fn add(&mut self, row: &Row, usual: &Outcome, outcome: &Outcome, wrong: Option<&str>, reason: Option<&str>) {
        // The number of times that rini looks at its children is random.
        let keep = |line: &&String| !line.contains(" TRACE ") && !line.contains(" DEBUG ");
        let set = |outcome: &Outcome| {
            outcome.lines.iter().filter(keep).map(|line| blur_numbers(line)).collect::<BTreeSet<_>>()
        };
        let (before, after) = (set(usual), set(outcome));
        let said: Vec<_> = after.difference(&before).cloned().collect();
        let (what, column) = match (wrong, reason) {
            (Some(wrong), Some(reason)) => (format!("{wrong}: {reason}"), 3),
            (Some(wrong), None) => (format!("**{wrong}**"), 4),
            _ if outcome.injected == 0 => ("not reached".to_owned(), 5),
            _ if usual.ran && !outcome.ran => {
                (format!("not started, {}: {}", outcome.code.unwrap_or(-1), said.join("; ")), 2)
            }
            _ if outcome.code != usual.code => (format!("{}: {}", outcome.code.unwrap_or(-1), said.join("; ")), 2),
            _ if !said.is_empty() => (format!("as without, and says: {}", said.join("; ")), 1),
            _ if after.len() < before.len() => ("as without, and a line is lost".to_owned(), 1),
            _ => ("as without".to_owned(), 0),
        };
        self.total += 1;
        self.missed += usize::from(column == 5);
        self.counts.entry((row.scenario.name, row.caller)).or_default()[column] += 1;
        let place = self.rows.entry((row.caller, row.call, what, row.what)).or_default();
        place.entry(row.scenario.name).or_default().insert(row.when.clone());
    }

    fn write(&self, kinds: usize, seconds: u64) {
        let sums = self.counts.values().fold([0; 6], |sum, row| std::array::from_fn(|i| sum[i] + row[i]));
        let mut text = format!(
            "{METHOD}\n{} faults in {} scenarios, {kinds} pairs of a caller and a call, in {seconds} s.\n\n\
            | scenario | caller | as without a fault | said, or a line lost | not started, said | justified | surprising | not reached |\n\
            |---|---|---:|---:|---:|---:|---:|---:|\n",
            self.total,
            self.counts.len()
        );
        let line = |counts: &[usize; 6]| counts.map(|count| format!(" {count} |")).concat();
        for ((scenario, caller), counts) in &self.counts {
            let _ = writeln!(text, "| {scenario} | {} |{}", caller_name(*caller), line(counts));
        }
        let _ = writeln!(text, "| **all** | |{}", line(&sums));
        text += "\n### The matrix\n\nRows that differ in the scenario, the errno or the time alone are one: each of its errnos, in each of these \
            scenarios, at each of these times (1+: every time; 1..20: 20 times in a row). Numbers in what is said are N.\n\n\
            | caller | call | errno | what comes of it | scenarios: times |\n|---|---|---|---|---|\n";
        // Errnos with the same outcome in the same scenarios share a row.
        let mut folded: BTreeMap<_, Vec<&str>> = BTreeMap::new();
        for ((caller, call, what, errno), places) in &self.rows {
            // Scenarios with the same times share an entry.
            let mut by_times: BTreeMap<_, Vec<&str>> = BTreeMap::new();
            for (scenario, times) in places {
                let mut times: Vec<_> = times.iter().cloned().collect();
                times.sort_by_key(|time| (time.contains(['+', '.']), time.len(), time.clone()));
                by_times.entry(times.join(" ")).or_default().push(scenario);
            }
            let mut all = Vec::new();
            for (times, scenarios) in by_times {
                let here: Vec<_> =
                    SCENARIOS.iter().filter(|one| one.caller.contains(caller)).map(|one| one.name).collect();
                let scenarios =
                    if scenarios.len() == here.len() { "all".to_owned() } else { numbers(&scenarios).join(" ") };
                all.push(format!("{scenarios}: {times}"));
            }
            folded.entry((*caller, *call, what.clone(), all.join("; "))).or_default().push(errno);
        }
        for ((caller, call, what, places), errnos) in &folded {
            let _ = writeln!(text, "| {} | {call} | {} | {what} | {places} |", caller_name(*caller), errnos.join(" "));
        }
        text += "\nThe scenarios:";
        for (number, scenario) in SCENARIOS.iter().enumerate() {
            let _ = write!(text, " {} {},", number + 1, scenario.name);
        }
        text.pop();
        text += ".\n";
        write_part(0, text);
    }
}

fn numbers(names: &[&str]) -> Vec<String> {
    let place = |name: &&str| SCENARIOS.iter().position(|scenario| scenario.name == *name).unwrap() + 1;
    names.iter().map(|name| place(name).to_string()).collect()
}

fn caller_name(caller: Caller) -> &'static str {
    match caller {
        Caller::Rini => "rini",
        Caller::Pid1 => "rini as PID 1",
        Caller::Child => "its child",
    }
}

const METHOD: &str = "
Each scenario runs under a ptrace harness (tests/probe/inject.rs), which lists the calls. Then it runs again for each call and each
errno that the man page (or a seccomp profile) allows: the call fails the first time, the second, the last, and every time. Reads
and writes are also cut to one byte, and interruptible calls are interrupted 20 times in a row. rini's calls fail as a subreaper
and as PID 1 of a namespace, its child's between clone and exec. This must hold: rini ends, with the child's code if the child has
run, and otherwise with a code of its own and a line; and no process is left behind. tini-static and docker-init are tini here, and
podman-init is catatonit, because they use the same data.
";

/// The results of the tests, in a fixed order. The tests may end in any order, and only some of them may run.
static PARTS: Mutex<[String; 3]> = Mutex::new([const { String::new() }; 3]);

fn write_part(place: usize, text: String) {
    let mut parts = PARTS.lock().unwrap();
    parts[place] = text;
    write_proof("faults", "Each system call fails", &parts.concat());
}

/// Makes orphans and signals, twice. Returns the numbers after each half: rini's descriptors, its resident memory, and
/// its data.
fn churn(pid1: bool, fault: Option<&str>, words: &[&str]) -> (Outcome, Vec<Vec<u64>>) {
    let mut all = vec!["inject", "--limit", "60"];
    if pid1 {
        all.push("--pid1");
    }
    all.extend(fault.iter().flat_map(|fault| ["--fault", fault]));
    all.extend(words);
    let probe = probe().into_os_string().into_string().unwrap();
    all.extend([probe.as_str(), "churn", if is_long() { "300" } else { "60" }]);
    let outcome = run_words("rini", &all);
    let numbers = |line: &str| line.split(' ').map(|word| word.parse().unwrap()).collect();
    let seen = outcome.out.lines().map(numbers).collect();
    (outcome, seen)
}

/// True if something grows from the first half to the second: the descriptors, the data, or more than a page or two of
/// memory that was first touched late.
fn has_grown(seen: &[Vec<u64>]) -> bool {
    let [first, last] = seen else { panic!("{seen:?}") };
    last[0] > first[0] || last[1] > first[1] + 8 || last[2] > first[2]
}

/// A reaper with a leak, for the negative control.
const LEAKY: &str = "
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(36, 1)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
child, pid, kept = os.spawnvp(os.P_NOWAIT, sys.argv[1], sys.argv[1:]), 0, []
while pid != child:
    pid, status = os.wait()
    LEAK
os._exit(status >> 8)";

const RINI: &[&str] = &["./rini", "-w", "-vvv"];

#[test]
fn what_fails_every_time_takes_no_memory_and_no_descriptor() {
    if !can_inject() || !tools(&["python3"]) {
        return;
    }
    // The negative controls: a reaper that opens a file for each orphan, and one that keeps some bytes for each.
    for what in ["os.open('/dev/null', 0)", "kept.append(b'%d' % pid * 1000)"] {
        let script = LEAKY.replace("LEAK", what);
        let (outcome, seen) = churn(false, None, &["python3", "-c", &script]);
        assert!(outcome.code == Some(7) && has_grown(&seen), "{what} is not seen: {seen:?}, {outcome:?}");
    }
    let mut rows = Vec::new();
    for pid1 in [false, true] {
        let (outcome, seen) = churn(pid1, None, RINI);
        assert!(outcome.code == Some(7) && !has_grown(&seen), "{seen:?}, {outcome:?}");
        for (number, (call, whats)) in CALLS.iter().enumerate() {
            // Only the calls that are made again and again matter here.
            if outcome.calls.iter().filter(|made| made == call).count() < 50 {
                continue;
            }
            // A descriptor that is never closed grows, and proves nothing about rini.
            let mut whats: Vec<_> = whats.iter().filter(|what| (*call, **what) != ("close", "EBADF")).collect();
            whats.retain(|what| find_justification(Caller::Pid1, call, what, "").is_none());
            if !is_long() && !whats.is_empty() {
                whats = vec![whats[number % whats.len()]];
            }
            for what in whats {
                let when = if find_justification(Caller::Pid1, call, what, "1+").is_some() { "1..5000" } else { "1+" };
                rows.push((pid1, *call, *what, when));
            }
        }
    }
    let found = each(&rows, |(pid1, call, what, when)| churn(*pid1, Some(&fault(call, what, when)), RINI));
    let mut text = "\n### Memory and descriptors\n\nOrphans that are killed, and as many signals, twice; each call that they need \
        fails every time. rini's descriptors, resident memory and data (KiB) after the first half and after the second:\n\n\
        | caller | call | errno | when | failed | first half | second half |\n|---|---|---|---|---:|---|---|\n"
        .to_owned();
    let mut surprising = String::new();
    for ((pid1, call, what, when), (outcome, seen)) in rows.iter().zip(&found) {
        let sound = outcome.code == Some(7) && outcome.left == 0 && seen.len() == 2 && !has_grown(seen);
        if !sound || outcome.injected == 0 {
            let Outcome { code, left, injected, .. } = outcome;
            let _ = writeln!(surprising, "{pid1} {call} {what} {when}: {seen:?} {code:?} {left} {injected}");
        }
        let caller = caller_name(if *pid1 { Caller::Pid1 } else { Caller::Rini });
        let halves: Vec<_> = seen.iter().map(|half| format!("{half:?}")).collect();
        let _ =
            writeln!(text, "| {caller} | {call} | {what} | {when} | {} | {} |", outcome.injected, halves.join(" | "));
    }
    text +=
        "\nA reaper in rini's place that opens a file for each orphan, or keeps a word for each, is seen to grow.\n";
    write_part(1, text);
    assert!(surprising.is_empty(), "{surprising}");
}

#[test]
fn what_breaks_the_promises_is_seen() {
    if !can_inject() || !tools(&["tini", "setpriv"]) {
        return;
    }
    let usual = run(&PLAIN, Caller::Rini, None, "10");
    let child = ["sh", "-c", WAITING];
    let mut text = "\n### Negative controls\n\n| in rini's place | what is seen |\n|---|---|\n".to_owned();
    let planted = [
        (r#""$@"; while :; do :; done"#, "it does not end"),
        (r#""$@"; exit 0"#, "the code is another"),
        (r#"sleep 1000 & "$@""#, "processes are left"),
        ("exit 0", "nothing has run, and the code is 0"),
        ("exit 1", UNSAID),
    ];
    for (script, wanted) in planted {
        for pid1 in [false, true] {
            let limit = if wanted == "it does not end" { "2" } else { "10" };
            let mut words = vec!["inject", "--limit", limit];
            // If PID 1 ends, the kernel ends the others too.
            if pid1 && wanted == "processes are left" {
                continue;
            }
            words.extend(pid1.then_some("--pid1"));
            words.extend(["sh", "-c", script, "sh"]);
            let outcome = run_words("rini", &[&words[..], &child].concat());
            assert_eq!(find_mistake(&usual, &outcome), Some(wanted), "{script}: {outcome:?}");
        }
        let _ = writeln!(text, "| `sh -c '{script}'` | {wanted} |");
    }
    // A start as root, one with root's group, and a copy that breaks off.
    const OTHER_GROUPS: &str = "setpriv --reuid 1000 --regid 1000 --keep-groups sh -c \"grep -E '^(Uid|Gid|Groups|Cap)' /proc/self/status >ran\"; exit 7";
    let scenario = |name: &str| SCENARIOS.iter().find(|scenario| scenario.name == name).unwrap();
    for (name, script, wanted) in [
        ("user", WITH_USER, ANOTHER_USER),
        ("gosu", WITH_USER, ANOTHER_USER),
        ("user", OTHER_GROUPS, ANOTHER_USER),
        ("gosu", OTHER_GROUPS, ANOTHER_USER),
        ("install", "head -c 1000 rini >copy; exit 0", PART),
        ("install", "cat rini >copy; exit 0", PART),
        ("install", "install rini copy; exit 1", PART),
        ("install", "echo old >copy; exit 0", PART),
        ("install", "echo old >copy; head -c 1000 rini >copy.1; echo error >&2; exit 1", PART),
    ] {
        let usual = run(scenario(name), Caller::Rini, None, "10");
        assert_eq!(find_mistake(&usual, &usual), None, "{name}: {usual:?}");
        let outcome = run_words("rini", &["inject", "--limit", "10", "sh", "-c", script]);
        assert_eq!(find_mistake(&usual, &outcome), Some(wanted), "{name}: {script}: {outcome:?}");
        let _ = writeln!(text, "| {name}: `{}` | {wanted} |", script.replace('|', "/"));
    }
    // A real init: it takes an interrupted wait for an exit.
    let tini = |fault: &[&str]| {
        let words = [&["inject"], fault, &["tini", "-s", "--"], &child].concat();
        find_mistake(&usual, &run_words("rini", &words))
    };
    assert_eq!(tini(&[]), None);
    let seen = tini(&["--fault", &fault("wait4", "EINTR", "1+")]);
    assert!(seen.is_some(), "tini survives it");
    let _ = writeln!(text, "| tini, wait4 EINTR | {} |", seen.unwrap());
    write_part(2, text);
}

/// Builds rini with a heap that fails as soon as it may.
fn build_without_heap(folder: &Path) -> PathBuf {
    make_whole_package(folder);
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(Command::new("cp").arg("-r").args([&own.join(".cargo"), folder]).status().unwrap().success());
    for (file, from, to) in [
        (
            "sys/heap.rs",
            "            _ if layout.align() > PAGE =>",
            "            _ if IS_CLOSED.load(Ordering::Relaxed) => null_mut(),\n            _ if layout.align() > PAGE =>",
        ),
        (
            "sys/heap.rs",
            "\n#[cfg(test)]\nmod tests",
            "\nstatic IS_CLOSED: AtomicBool = AtomicBool::new(false);\n#[cfg(test)]\nmod tests",
        ),
        (
            "sys/heap.rs",
            "pub fn let_allocations_fail() {\n",
            "pub fn let_allocations_fail() {\n    IS_CLOSED.store(true, Ordering::Relaxed);\n",
        ),
    ] {
        let path = folder.join("src").join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{file}: this must be in the file once: {from}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--offline"]).current_dir(folder);
    for variable in ["RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS"] {
        cargo.env_remove(variable);
    }
    assert!(cargo.status().unwrap().success());
    folder.join("target/debug/rini")
}

/// A failed allocation after the start may not end rini, because as PID 1 it would take all processes with it. In the child before
/// its exec it may not end the child without a word. Here all of them fail, even small ones, for which the heap would still have
/// room when the kernel refuses memory.
#[test]
fn without_a_heap_after_the_start_nothing_is_lost() {
    if !namespaces() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let rini = build_without_heap(folder.path());
    let file = |name: &str, text: &str| executable(folder.path(), name, text).into_os_string().into_string().unwrap();
    let script = file("script", "echo started\n");
    let interpreter = file("interpreter", "#!/no/such/interpreter\n");
    let (missing, no_memory) =
        (folder.path().join("missing").into_os_string().into_string().unwrap(), "Cannot allocate memory");
    for (program, code, reason) in [
        ("true", 126, no_memory),
        (&script, 126, no_memory),
        (&interpreter, 126, no_memory),
        (&missing, 127, "there is no such file"),
        (&format!("{missing}/more"), 127, "there is no such file"),
    ] {
        let output = Start::of(&rini).args([program]).run();
        let line = format!("rini: ERROR cannot run \"{program}\": {reason}");
        assert_eq!((output.code(), &output.err[..], &output.out[..]), (code, &[line][..], &[][..]), "{program}");
    }
    for (options, command, signal, code) in [
        (&["--after-exit=terminate", "-t", "1h"][..], &["many", "300"][..], None, 3),
        (&["-g", "--after-exit=terminate", "-t", "1h"], &["many", "300"], Some(libc::SIGTERM), 143),
        (&["-g", "--after-exit=wait", "-t", "1h"], &["many", "300"], Some(libc::SIGTERM), 143),
        (&["--stop-delay", "100ms", "-r", "TERM:USR1"], &["many", "0"], Some(libc::SIGTERM), 138),
        (&["-t", "100ms", "--after-exit=terminate"], &["many", "10"], Some(libc::SIGTERM), 143),
        // These log lines have the names of processes: of those that rini kills, and of the program.
        (&["-vvv", "-w", "-t", "300ms", "--after-exit=terminate"], &["many", "10", "deaf"], Some(libc::SIGTERM), 137),
        (&["-vvv", "-r", "TERM:KILL"], &["many", "0"], Some(libc::SIGTERM), 137),
    ] {
        for pid1 in [false, true] {
            let mut start = Start::of(&rini).args(probing(options, command));
            if pid1 {
                start = start.in_namespace();
            }
            let mut run = start.spawn();
            run.expect(&format!("made {}", command[1]));
            match signal {
                Some(signal) => run.signal(signal),
                None => drop(run.stdin.take()),
            }
            assert_eq!(run.finish().code(), code, "{options:?} {command:?} {pid1}");
        }
    }
}

/// strace lists the same calls, and its faults have the same results.
#[test]
fn the_injector_does_as_strace_does() {
    if !can_inject() || !tools(&["strace", "setsid"]) {
        return;
    }
    let strace = |fault: Option<String>, words: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut start = Start::of("setsid").args(["strace", "-qqq", "-o"]).args([&log]).in_namespace();
        start = start.args(fault.iter().flat_map(|fault| ["-e", fault]));
        start = start.args([rini()]).args(words).with(|command| command.current_dir(&folder));
        let output = start.run();
        let log = fs::read_to_string(log).unwrap();
        let lines = log.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
        let calls: Vec<_> = lines.skip(1).map(|line| line.split('(').next().unwrap().to_owned()).collect();
        let ran = folder.path().join("ran").exists();
        (calls, output.code(), ran, output.err)
    };
    let help = SCENARIOS.iter().find(|scenario| scenario.name == "help").unwrap();
    let (calls, code, ..) = strace(None, &["--help"]);
    assert_eq!((code, calls), (0, run(help, Caller::Rini, None, "10").calls));
    for (call, what, when) in [
        ("clone", "EAGAIN", "1"),
        ("rt_sigaction", "EFAULT", "1"),
        ("rt_sigtimedwait", "EINTR", "1"),
        ("rt_sigtimedwait", "EINVAL", "1+"),
        ("waitid", "EINTR", "2"),
        ("openat", "EMFILE", "1"),
        ("read", "EIO", "1+"),
        ("prctl", "EPERM", "1"),
    ] {
        let own = run(&PLAIN, Caller::Rini, Some(&fault(call, what, when)), "10");
        let (calls, code, ran, lines) = strace(Some(format!("inject={call}:error={what}:when={when}")), PLAIN.program);
        assert!(own.injected > 0 && calls.iter().any(|made| made == call), "{call} {what} {when}: {own:?}");
        assert_eq!((Some(code), ran, lines), (own.code, own.ran, own.lines), "{call} {what} {when}");
    }
}
