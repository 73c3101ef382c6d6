//! rini's system calls: the list in packaging/seccomp.json has exactly the calls that strace sees in [`SCENARIOS`], and the one in
//! packaging/seccomp-more.json has those that [`MORE`] adds. rini's calls are those from its exec to its child's exec. Later forks
//! belong to the program.

use super::launch::Filter;
use crate::support::{
    LIMIT, SYS_ADMIN, copy_executable, executable, for_each, give_capabilities, namespaces, rini, skip, tools,
};
use nix::sys::ptrace;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The groups of packaging/seccomp.json, in its order, and then those of packaging/seccomp-more.json.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Needed,
    Used,
    Musl,
    Glibc,
    User,
    Install,
}

impl Group {
    /// The groups of packaging/seccomp.json.
    pub const ALL: &[Group] = &[Group::Needed, Group::Used, Group::Musl, Group::Glibc];

    /// The file with the group, and the group's place in it.
    fn place(self) -> (&'static str, usize) {
        let number = self as usize;
        match number.checked_sub(Group::ALL.len()) {
            Some(number) => ("seccomp-more.json", number),
            None => ("seccomp.json", number),
        }
    }
}

/// rini's names in the directory of the scenarios.
const NAMES: &[&str] = &["rini", "tini", "docker-init", "dumb-init", "catatonit", "pause", "gosu", "su-exec"];

/// Scenarios that make the calls of a group of packaging/seccomp-more.json.
const MORE: &[(Group, &str, &str)] = &[
    (
        Group::User,
        "user",
        "chmod 755 .; ./rini -v --user nobody true; ./rini --user 12345:54321 true; ./rini --user nobody:no-such true; \
            setpriv --reuid=65534 --regid=65534 --clear-groups ./rini --user 12345:54321 true",
    ),
    (Group::User, "gosu, su-exec", "./gosu nobody true; ./gosu no-such true; ./gosu; ./su-exec nobody:nogroup true"),
    // The second target is replaced. The third cannot be, and the copy is removed.
    (
        Group::Install,
        "install",
        "./rini --install copy; ./rini --install copy; mkdir -p there/rini; ./rini --install there; ./rini --install /no/such",
    ),
];

/// Shell commands. Their directory has links to rini under all its names.
const SCENARIOS: &[(&str, &str)] = &[
    ("PID 1", "unshare --pid --fork --mount-proc ./rini -v sh -c '(:) & exit 7'"),
    ("subreaper", "./rini -s sh -c 'kill -USR1 $PPID; exit 7'"),
    ("parent", "./rini -p TERM true"),
    ("group", "./rini -g sh -c 'trap \"exit 5\" TERM; kill -TERM $PPID; while :; do :; done'"),
    ("grace period", "./rini -t 0.1 sh -c 'trap \"\" TERM; kill -TERM $PPID; exec sleep 1000'"),
    ("delay, rewrite", "./rini --stop-delay 0.05 -r TERM:USR1 sh -c 'kill -TERM $PPID; exec sleep 1000'"),
    (
        "terminate leftover processes",
        "./rini --after-exit terminate -t 0.1 sh -c '(trap \"\" TERM; exec sleep 1000) & exit 3'",
    ),
    (
        "the same as PID 1",
        "unshare --pid --fork --mount-proc ./rini --after-exit terminate -t 0.1 sh -c 'sleep 1000 & exit 3'",
    ),
    ("wait for leftover processes", "./rini --after-exit wait -w sh -c '(sleep 0.05) & exit 4'"),
    ("pause", "timeout 0.3 ./rini --pause"),
    ("standard input", "sleep 1 | ./rini --stop-on-stdin-close sleep 3"),
    ("as pause", "timeout 0.3 unshare --pid --fork --kill-child ./pause; :"),
    ("tini", "./tini -s -g -vvv -- true; ./tini; ./tini --version"),
    ("docker-init", "./docker-init -- true"),
    ("dumb-init", "./dumb-init -v sh -c 'kill -TERM $PPID; exec sleep 1000'; ./dumb-init -c true"),
    ("catatonit", "./catatonit -g -- true; ./catatonit --version"),
    (
        "help, version and errors",
        "./rini --help; ./rini --version; ./rini --license; ./rini; ./rini --no-such; ./rini --help >/dev/full",
    ),
    ("no program", "./rini /no/such; ./rini no-such; ./rini /etc; ./rini /etc/passwd"),
    ("file capabilities", "setpriv --bounding-set -sys_admin ./rini ./capable"),
    ("a script", "echo exit 3 >script; chmod +x script; ./rini ./script; PATH=. ./rini script"),
    ("many rules", "RINI_REMAP_EXIT=$(yes 1:2 | head -n 20000 | paste -s -d ,) ./rini -vvv true"),
    (
        "standard error",
        "./rini -v true 2>/dev/full; ./rini -v true 2>&-; ./rini -v true 2>file; ./rini -v true 2>&1 | cat",
    ),
    (
        "setuid",
        "rm rini; chmod 755 .; install --mode=4755 $RINI rini; setpriv --reuid=65534 --regid=65534 --clear-groups ./rini true",
    ),
    (
        "terminal",
        "script -qec './rini -v true; ./dumb-init -v true; ./tini true; setsid -w ./rini -v true 2>/dev/tty' /dev/null",
    ),
    (
        "job control",
        r#"script -qec "bash -ic './rini ./stop; fg'" /dev/null; script -qec "bash -ic './dumb-init ./stop-init; fg'" /dev/null"#,
    ),
];

/// The calls that rini makes in these commands.
fn trace_calls(commands: &str) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    for name in NAMES {
        symlink(rini(), folder.path().join(name)).unwrap();
    }
    executable(folder.path(), "stop", "#!/bin/sh\nkill -TSTP 0\nexit 3\n");
    let capable = folder.path().join("capable");
    copy_executable(Path::new("/bin/true"), &capable);
    give_capabilities(&capable, &[SYS_ADMIN]);
    executable(folder.path(), "stop-init", "#!/bin/sh\nkill -TSTP $PPID\nexit 3\n");
    let log = folder.path().join("log");
    let mut strace = Command::new("timeout");
    let limit = LIMIT.as_secs().to_string();
    strace.args(["--signal=KILL", &limit, "strace", "-f", "-qqq", "--decode-pids=pidns", "-s", "100", "-o"]).arg(&log);
    strace
        .args(["sh", "-c", commands])
        .current_dir(&folder)
        .env("RINI", rini())
        .env_remove("RINI_LOG")
        .stdin(Stdio::null());
    let output = strace.output().unwrap();
    assert!(output.status.code().is_some(), "{commands}: {output:?}");
    select_calls_of_rini(&String::from_utf8_lossy(&std::fs::read(log).unwrap()))
}

/// rini's calls in an strace log. The child of a vfork appears before its parent has its pid, so this reads the log
/// twice.
fn select_calls_of_rini(log: &str) -> BTreeSet<String> {
    let mut born = BTreeMap::new();
    let mut calls = BTreeSet::new();
    for count in [false, true] {
        let mut is_rini: BTreeMap<u32, bool> = BTreeMap::new();
        // The quoted path may be on another line than the result.
        let mut paths: BTreeMap<u32, &str> = BTreeMap::new();
        for line in log.lines() {
            let Some((pid, rest)) = line.split_once(' ') else { continue };
            let (pid, rest) = (pid.parse().unwrap(), rest.trim_start());
            let of_its_own = *is_rini.entry(pid).or_insert_with(|| born.get(&pid).copied().unwrap_or(false));
            let call = match rest.strip_prefix("<... ") {
                Some(resumed) => resumed.split(' ').next().unwrap(),
                None if rest.starts_with(|c: char| c.is_ascii_lowercase()) => rest.split('(').next().unwrap(),
                None => continue,
            };
            if count && of_its_own {
                calls.insert(call.to_owned());
            }
            if rest.starts_with("execve(") {
                paths.insert(pid, rest.split('"').nth(1).unwrap_or_default());
            }
            let Some((_, result)) = rest.rsplit_once(" = ") else { continue };
            if call == "execve" && result == "0" {
                let path = paths.get(&pid).copied().unwrap_or_default();
                is_rini.insert(pid, path.strip_prefix("./").is_some_and(|name| NAMES.contains(&name)));
            } else if matches!(call, "clone" | "clone3" | "fork" | "vfork") {
                let outside = result.split("/* ").nth(1).unwrap_or(result);
                if let Ok(child) = outside.split(' ').next().unwrap().parse::<u32>() {
                    born.insert(child, of_its_own);
                }
            }
        }
    }
    calls
}

#[test]
fn the_list_of_system_calls_is_what_strace_sees() {
    if !namespaces() || !tools(&["strace", "timeout", "unshare", "script", "bash", "setpriv"]) {
        return;
    }
    if cfg!(not(target_arch = "x86_64")) {
        return skip("the list is that of x86_64");
    }
    let rows = std::sync::Mutex::new(BTreeMap::new());
    for_each(3, SCENARIOS, |(name, commands)| {
        let calls = trace_calls(commands);
        rows.lock().unwrap().insert(*name, calls);
    });
    let rows = rows.into_inner().unwrap();
    let made: BTreeSet<String> = rows.values().flatten().cloned().collect();
    // The calls at its start show its C library.
    let glibc = listed(&[Group::Glibc]);
    let has_glibc = glibc.iter().any(|name| made.contains(name));
    let groups: &[Group] = if has_glibc { Group::ALL } else { &[Group::Needed, Group::Used, Group::Musl] };
    let list: BTreeSet<String> = listed(groups).into_iter().collect();
    let unlisted: Vec<_> = made.difference(&list).collect();
    let unused: Vec<_> = list.difference(&made).collect();
    assert!(
        unlisted.is_empty() && unused.is_empty(),
        "not in the list: {unlisted:?}; made in no scenario: {unused:?}; {rows:#?}"
    );
    let more = added_calls(&list);
    // The negative control: calls of others in the same scenario do not count, and rini's calls do.
    let others = "1 execve(\"/bin/sh\", []) = 0\n1 getuid() = 0\n1 clone(x) = 2\n2 execve(\"./rini\", []) = 0\n2 chdir(\"/\") = 0\n\
        3 setsid() = 3\n2 clone(x) = 9 /* 3 in strace's PID NS */\n3 execve(\"./no\", []) = -1 ENOENT\n3 execve(\"/bin/sh\", []) = 0\n\
        3 getgid() = 0\n2 <... read resumed>) = 0\n";
    let seen: Vec<String> = select_calls_of_rini(others).into_iter().collect();
    assert_eq!(seen, ["chdir", "clone", "execve", "read", "setsid"]);
    let mut report = String::from("| call | group | made by rini in |\n|---|---|---|\n");
    for group in groups {
        for name in listed(&[*group]) {
            let within: Vec<_> =
                rows.iter().filter(|(_, calls)| calls.contains(&name)).map(|(name, _)| *name).collect();
            let within = if within.len() == rows.len() { "all".to_owned() } else { within.join(", ") };
            report += &format!("| {name} | {group:?} | {within} |\n");
        }
    }
    report += &more;
    super::write_report(
        "surroundings-calls",
        &format!(
            "## rini's system calls\n\n{} scenarios under strace, {} calls, {}.\n\n{report}",
            rows.len(),
            made.len(),
            if has_glibc { "of a build with glibc" } else { "of the small static build, with musl" }
        ),
    );
}

/// Asserts that the scenarios of [`MORE`] make all calls of their groups, and beside these only calls of the list. Returns the rows
/// of the report.
fn added_calls(list: &BTreeSet<String>) -> String {
    let mut report = String::new();
    for group in [Group::User, Group::Install] {
        let own: BTreeSet<String> = listed(&[group]).into_iter().collect();
        assert!(own.is_disjoint(list), "{group:?}: {own:?}");
        let of_group = MORE.iter().filter(|(of, ..)| *of == group);
        let rows: Vec<_> = of_group.map(|(_, name, commands)| (*name, trace_calls(commands))).collect();
        let made: BTreeSet<String> = rows.iter().flat_map(|(_, calls)| calls).cloned().collect();
        let added: BTreeSet<String> = made.difference(list).cloned().collect();
        assert_eq!(added, own, "{group:?}: {rows:#?}");
        for name in own {
            let within: Vec<_> =
                rows.iter().filter(|(_, calls)| calls.contains(&name)).map(|(name, _)| *name).collect();
            report += &format!("| {name} | {group:?} | {} |\n", within.join(", "));
        }
    }
    report
}

/// The filter's reaction to a call that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Kill,
    Refuse,
}

/// The names in these groups.
pub fn listed(groups: &[Group]) -> Vec<String> {
    let names = |group: &Group| {
        let (file, number) = group.place();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(file);
        let profile: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        profile["syscalls"][number]["names"].as_array().unwrap().clone()
    };
    groups.iter().flat_map(names).map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// The number of a call in the list. libc has a constant for each, and no table.
fn number(name: &str) -> i64 {
    macro_rules! table {
        ($($call:ident $constant:ident)*) => { &[$((stringify!($call), libc::$constant)),*] };
    }
    let table: &[(&str, libc::c_long)] = table! {
        access SYS_access
        arch_prctl SYS_arch_prctl
        brk SYS_brk
        chdir SYS_chdir
        clock_gettime SYS_clock_gettime
        clone SYS_clone
        close SYS_close
        close_range SYS_close_range
        execve SYS_execve
        exit_group SYS_exit_group
        faccessat SYS_faccessat
        fcntl SYS_fcntl
        getdents64 SYS_getdents64
        geteuid SYS_geteuid
        getpgid SYS_getpgid
        getpgrp SYS_getpgrp
        getpid SYS_getpid
        getppid SYS_getppid
        getrandom SYS_getrandom
        getsid SYS_getsid
        getxattr SYS_getxattr
        getuid SYS_getuid
        ioctl SYS_ioctl
        kill SYS_kill
        mmap SYS_mmap
        mprotect SYS_mprotect
        munmap SYS_munmap
        openat SYS_openat
        poll SYS_poll
        ppoll SYS_ppoll
        prctl SYS_prctl
        prlimit64 SYS_prlimit64
        pwritev2 SYS_pwritev2
        read SYS_read
        readlink SYS_readlink
        readlinkat SYS_readlinkat
        rseq SYS_rseq
        rt_sigaction SYS_rt_sigaction
        rt_sigpending SYS_rt_sigpending
        rt_sigprocmask SYS_rt_sigprocmask
        rt_sigqueueinfo SYS_rt_sigqueueinfo
        rt_sigtimedwait SYS_rt_sigtimedwait
        set_robust_list SYS_set_robust_list
        set_tid_address SYS_set_tid_address
        setpgid SYS_setpgid
        setsid SYS_setsid
        signalfd4 SYS_signalfd4
        statfs SYS_statfs
        statx SYS_statx
        waitid SYS_waitid
        write SYS_write
    };
    table.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("what is the number of {name}?")).1
}

/// A filter that allows these calls.
pub fn filter(names: &[String], otherwise: Answer) -> Filter {
    let otherwise = match otherwise {
        Answer::Kill => SeccompAction::KillProcess,
        Answer::Refuse => SeccompAction::Errno(libc::EPERM as u32),
    };
    let rules = names.iter().map(|name| (number(name), vec![])).collect();
    compile(rules, otherwise, SeccompAction::Allow)
}

/// A filter that refuses one call with this errno, and allows all others.
pub fn without(name: &str, errno: i32) -> Filter {
    compile([(number(name), vec![])].into(), SeccompAction::Allow, SeccompAction::Errno(errno as u32))
}

fn compile(rules: BTreeMap<i64, Vec<SeccompRule>>, otherwise: SeccompAction, listed: SeccompAction) -> Filter {
    let arch = TargetArch::try_from(std::env::consts::ARCH).unwrap();
    let program: BpfProgram = SeccompFilter::new(rules, otherwise, listed, arch).unwrap().try_into().unwrap();
    program.iter().map(|one| libc::sock_filter { code: one.code, jt: one.jt, jf: one.jf, k: one.k }).collect()
}

/// Docker's default profile, as an engine has given it to the kernel for a container (ptrace(2),
/// PTRACE_SECCOMP_GET_FILTER). The first test that needs it asks for it. If no engine answers, prints SKIPPED and
/// returns None.
pub fn docker_filter(child: &Path) -> Option<Filter> {
    static FILTER: OnceLock<Option<Filter>> = OnceLock::new();
    let filter = FILTER.get_or_init(|| ask_docker(child));
    if filter.is_none() {
        skip("no Docker engine answers, or this kernel does not tell its filters (CONFIG_CHECKPOINT_RESTORE)");
    }
    filter.clone()
}

fn ask_docker(child: &Path) -> Option<Filter> {
    let docker = |args: &[&str]| {
        let output = Command::new("docker").args(args).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    let (name, folder) = (format!("rini-profile-{}", std::process::id()), tempfile::tempdir().unwrap());
    let tar = folder.path().join("image.tar");
    let packed =
        Command::new("tar").arg("-C").arg(child.parent().unwrap()).arg("-cf").arg(&tar).arg("child").status().unwrap();
    assert!(packed.success());
    let filter = docker(&["import", "--change", r#"ENTRYPOINT ["/child", "signal"]"#, tar.to_str().unwrap(), &name])
        .and_then(|_| {
            docker(&["run", "--detach", "--network", "none", "--name", &name, &name])?;
            let pid = docker(&["inspect", "--format", "{{.State.Pid}}", &name])?.parse().unwrap();
            filter_of(Pid::from_raw(pid))
        });
    docker(&["rm", "--force", &name]);
    docker(&["rmi", "--force", &name]);
    filter
}

/// The kernel's number. libc has none.
const PTRACE_SECCOMP_GET_FILTER: libc::c_uint = 0x420c;

/// The filter of a process.
fn filter_of(pid: Pid) -> Option<Filter> {
    ptrace::attach(pid).unwrap();
    waitpid(pid, None).unwrap();
    let get = |room: *mut libc::sock_filter| {
        // SAFETY: The pointer is null, or has room for all the instructions.
        unsafe { libc::ptrace(PTRACE_SECCOMP_GET_FILTER, pid.as_raw(), 0, room) }
    };
    let length = usize::try_from(get(std::ptr::null_mut())).ok()?;
    let mut filter = vec![libc::sock_filter { code: 0, jt: 0, jf: 0, k: 0 }; length];
    get(filter.as_mut_ptr());
    ptrace::detach(pid, None).unwrap();
    Some(filter)
}
