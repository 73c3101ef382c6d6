//! Every system call of rini's fails, once, in every way that its man page tells of.
//!
//! A scenario is run under strace, which lists rini's calls; then again for each call, each errno, and the first, second and last
//! time of that call, with strace's `--inject`. rini is not PID 1 here but a subreaper, and PID 1 is a shell that looks at what
//! is left when rini has ended.
//!
//! What must hold, whatever fails: rini ends; if its child has run, with the child's code; if not, with a code of its own and a
//! line that says why; and nobody is left without an init. What does not hold is in [`JUSTIFIED`], with the reason. All that came
//! out is written to target/faults.md.
//!
//! By default it is the first two times of each call, with one errno, another in each scenario, and what is justified is left
//! out; `RINI_FAULTS=all` is everything, and takes some minutes.

use crate::support::{emulation, namespaces, rini, tools};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is run.
struct Scenario {
    name: &'static str,
    /// What rini is called by.
    called: &'static str,
    options: &'static [&'static str],
    /// For a shell, rini's child, in a folder of its own. It makes the file `ran` there.
    script: &'static str,
    code: i32,
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "plain", called: "rini", options: &[], script: "echo >ran; exit 7", code: 7 },
    Scenario {
        name: "orphans",
        called: "rini",
        options: &["-w"],
        script: "echo >ran; for i in 1 2 3 4 5; do (: &); done; exit 9",
        code: 9,
    },
    Scenario {
        name: "group",
        called: "rini",
        options: &["-g"],
        script: "trap 'kill -KILL $p; exit 5' TERM; sleep 1000 & p=$!; echo >ran; kill -TERM $PPID; wait",
        code: 5,
    },
    Scenario {
        name: "grace period",
        called: "rini",
        options: &["-t", "0.1"],
        script: "trap '' TERM; echo >ran; kill -TERM $PPID; exec sleep 1000",
        code: 137,
    },
    Scenario {
        name: "delay, rewrite",
        called: "rini",
        options: &["--stop-delay", "0.05", "-r", "TERM:USR1"],
        script: "trap 'kill -KILL $p; exit 6' USR1; sleep 1000 & p=$!; echo >ran; kill -TERM $PPID; wait",
        code: 6,
    },
    Scenario {
        name: "terminate what is left",
        called: "rini",
        options: &["--after-exit", "terminate", "-t", "0.1"],
        script: "(trap '' TERM; exec sleep 1000) & (exec sleep 1000) & echo >ran; exit 3",
        code: 3,
    },
    Scenario {
        name: "wait for what is left",
        called: "rini",
        options: &["--after-exit", "wait"],
        script: "(sleep 0.05) & echo >ran; exit 4",
        code: 4,
    },
    Scenario { name: "said", called: "rini", options: &["-vvv"], script: "echo >ran; exit 7", code: 7 },
    Scenario { name: "tini", called: "tini", options: &["-s", "--"], script: "echo >ran; exit 7", code: 7 },
    Scenario {
        name: "dumb-init",
        called: "dumb-init",
        options: &["-v"],
        script: "trap 'kill -KILL $p; exit 5' TERM; sleep 1000 & p=$!; echo >ran; kill -TERM $PPID; wait",
        code: 5,
    },
    Scenario { name: "catatonit", called: "catatonit", options: &["--"], script: "echo >ran; exit 7", code: 7 },
];

/// rini's system calls, and how each can fail as its man page has it. For those of the C library's start nothing is tried: they are
/// not rini's.
const CALLS: &[(&str, &[&str])] = &[
    ("arch_prctl", &[]),
    ("brk", &[]),
    ("chdir", &["EACCES", "EIO", "ELOOP", "ENOENT", "ENOMEM", "ENOTDIR"]),
    ("clock_gettime", &["EFAULT", "EINVAL", "EPERM"]),
    ("clone", &["EAGAIN", "EINVAL", "ENOMEM", "EPERM"]),
    ("close", &["EBADF", "EINTR", "EIO"]),
    ("close_range", &["EINVAL", "EMFILE", "ENOMEM", "ENOSYS", "EPERM"]),
    ("exit_group", &[]),
    ("getpgid", &["ESRCH"]),
    ("getpid", &[]),
    ("getrandom", &[]),
    ("ioctl", &["EBADF", "EINVAL", "EIO", "ENOTTY", "EPERM"]),
    ("kill", &["EINVAL", "EPERM", "ESRCH"]),
    ("mmap", &["EAGAIN", "ENOMEM", "EPERM"]),
    ("mprotect", &[]),
    ("munmap", &["EINVAL"]),
    ("openat", &["EACCES", "EINTR", "EMFILE", "ENFILE", "ENOENT", "ENOMEM", "ENXIO", "EPERM"]),
    ("poll", &["EINTR", "ENOMEM"]),
    ("prctl", &["EINVAL", "EPERM"]),
    ("prlimit64", &["EFAULT", "EINVAL", "EPERM"]),
    ("pwritev2", &["EAGAIN", "EBADF", "EINTR", "EINVAL", "EIO", "ENOSPC", "EOPNOTSUPP", "EPIPE"]),
    ("read", &["EAGAIN", "EBADF", "EINTR", "EIO", "EISDIR"]),
    ("readlinkat", &["EACCES", "EINVAL", "ENOENT", "ENOMEM"]),
    ("readlink", &[]),
    ("rseq", &[]),
    ("rt_sigaction", &["EFAULT", "EINVAL"]),
    ("rt_sigprocmask", &["EFAULT", "EINVAL"]),
    ("rt_sigqueueinfo", &["EAGAIN", "EINVAL", "EPERM", "ESRCH"]),
    ("rt_sigtimedwait", &["EAGAIN", "EINTR", "EINVAL"]),
    ("set_robust_list", &[]),
    ("set_tid_address", &[]),
    ("setpgid", &["EACCES", "EINVAL", "EPERM", "ESRCH"]),
    ("waitid", &["ECHILD", "EINTR", "EINVAL"]),
    ("write", &["EAGAIN", "EBADF", "EINTR", "EIO", "ENOSPC", "EPIPE"]),
];

/// A run, as PID 1 saw it.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// None: it did not end.
    code: Option<i32>,
    ran: bool,
    /// How many processes were left.
    left: usize,
    /// What was said.
    lines: Vec<String>,
    /// The calls, by their names.
    calls: Vec<String>,
}

/// PID 1: runs the rest of its words, and counts who is there behind it, zombies apart, when that has stopped to change.
const INIT: &str = r#"
"$@" 2>err
code=$?
try=0
while [ $((try += 1)) -lt 5000 ]; do
    left=0
    for process in /proc/[0-9]*; do
        read -r line 2>/dev/null <"$process/stat" || continue
        case ${line%% *}:${line##*) } in 1:* | *:Z* | *:X*) ;; *) left=$((left + 1)) ;; esac
    done
    [ $left -gt 0 ] || break
done
echo "$code $left"
"#;

fn run(scenario: &Scenario, fault: Option<&str>) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    symlink(rini(), path.join(scenario.called)).unwrap();
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", "10", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.args(["sh", "-c", INIT, "sh", "strace", "-qqq", "-o", "log"]);
    if let Some(fault) = fault {
        command.args(["-e", &format!("inject={fault}")]);
    }
    command.arg(path.join(scenario.called)).args(scenario.options).args(["sh", "-c", scenario.script]);
    command.current_dir(path).env_remove("RINI_LOG");
    let output = command.output().expect("timeout, of coreutils");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.split_whitespace().map(|word| word.parse::<i32>().unwrap());
    let read = |name: &str| fs::read_to_string(path.join(name)).unwrap_or_default();
    Outcome {
        code: numbers.next(),
        left: numbers.next().unwrap_or(0) as usize,
        ran: path.join("ran").exists(),
        lines: read("err").lines().map(str::to_owned).collect(),
        calls: calls(&read("log")),
    }
}

fn calls(log: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    lines.skip(1).map(|line| line.split('(').next().unwrap().to_owned()).collect()
}

/// What is wrong with an outcome.
fn wrong(scenario: &Scenario, outcome: &Outcome) -> Option<&'static str> {
    match outcome {
        Outcome { code: None, .. } => Some("it does not end"),
        Outcome { left: 1.., .. } => Some("processes are left"),
        Outcome { ran: true, code, .. } if *code != Some(scenario.code) => Some("the code is another"),
        Outcome { ran: false, code: Some(0), .. } => Some("nothing has run, and the code is 0"),
        Outcome { ran: false, lines, .. } if lines.is_empty() => Some("nothing has run, and nothing is said"),
        _ => None,
    }
}

/// A call and an errno for which something else comes out, and why.
const JUSTIFIED: &[(&str, &str, &str)] = &[
    ("rt_sigprocmask", "EFAULT", CONSTANT),
    ("rt_sigprocmask", "EINVAL", CONSTANT),
    ("rt_sigtimedwait", "EINVAL", CONSTANT),
    ("waitid", "EINVAL", CONSTANT),
    ("waitid", "ECHILD", "there is a child: it has not been reaped, and SIGCHLD is not ignored"),
    ("rt_sigqueueinfo", "ESRCH", REAPED),
    ("kill", "ESRCH", REAPED),
    ("kill", "EINVAL", CONSTANT),
    ("kill", "EPERM", "it is said, and as PID 1 rini would end, and the kernel kill all; another waits for the child"),
    ("prctl", "EINVAL", SUBREAPER),
    ("prctl", "EPERM", SUBREAPER),
];
const CONSTANT: &str = "what this is about is the same at every call, and right";
const REAPED: &str = "rini has not reaped the child, so there is such a process";
const SUBREAPER: &str = "it is said, and rini has no orphans then";

fn justified(call: &str, errno: &str) -> Option<&'static str> {
    JUSTIFIED.iter().find(|(known, of, _)| *known == call && *of == errno).map(|(_, _, reason)| *reason)
}

#[test]
fn no_failing_system_call_loses_the_child_or_its_code() {
    if emulation().is_some() || !namespaces() || !tools(&["strace", "timeout", "unshare"]) {
        return;
    }
    let all = std::env::var_os("RINI_FAULTS").is_some_and(|value| value == "all");
    let mut faults = Vec::new();
    for (number, scenario) in SCENARIOS.iter().enumerate() {
        let usual = run(scenario, None);
        assert!(usual.ran && wrong(scenario, &usual).is_none(), "{}: {usual:?}", scenario.name);
        let mut counts = BTreeMap::new();
        for call in &usual.calls {
            *counts.entry(call.clone()).or_insert(0) += 1;
        }
        for (call, count) in counts {
            let known = CALLS.iter().find(|(known, _)| *known == call);
            let (call, errnos) = known.unwrap_or_else(|| panic!("how can {call} fail?"));
            let times = if all { vec![1, 2, count] } else { vec![1, 2] };
            let mut times: Vec<i32> = times.into_iter().filter(|time| *time <= count).collect();
            times.dedup();
            let mut errnos: Vec<_> = errnos.iter().filter(|errno| all || justified(call, errno).is_none()).collect();
            if !all && !errnos.is_empty() {
                errnos = vec![errnos[number % errnos.len()]];
            }
            for errno in errnos {
                faults.extend(times.iter().map(|time| (scenario, *call, *errno, *time)));
            }
        }
    }
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((scenario, call, errno, time)) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = run(scenario, Some(&format!("{call}:error={errno}:when={time}")));
                    rows.lock()
                        .unwrap()
                        .insert((scenario.name, *call, *errno, *time), (wrong(scenario, &outcome), outcome));
                }
            });
        }
    });
    let rows = rows.into_inner().unwrap();
    let mut report =
        "| scenario | call | errno | time | code | ran | said | |\n|---|---|---|---|---|---|---|---|\n".to_owned();
    let mut surprising = String::new();
    for ((scenario, call, errno, time), (wrong, outcome)) in &rows {
        let code = outcome.code.map_or("–".to_owned(), |code| code.to_string());
        let reason = justified(call, errno);
        let lines = outcome.lines.join("<br>");
        let what = wrong.map_or(String::new(), |wrong| format!("{wrong}: {}", reason.unwrap_or("?")));
        let row = format!("| {scenario} | {call} | {errno} | {time} | {code} | {} | {lines} | {what} |\n", outcome.ran);
        report += &row;
        if wrong.is_some() && reason.is_none() {
            let _ = write!(surprising, "{row}");
        }
    }
    fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("target/faults.md"), &report).unwrap();
    assert!(surprising.is_empty(), "of {} faults:\n{surprising}", rows.len());
}
