//! Another user: `--user`, and rini under the names `gosu` and `su-exec`.
//!
//! Debian's gosu runs beside rini with the same words and files. The differences are those of docs/drop-in.md, by their numbers.

use crate::support::{
    Output, Running, Start, called, can_enter, children_of, injecting, namespaces, pid1, probe, rini, status_field,
    strace_injecting, tools, until, user_namespaces, zombies_of,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use tempfile::TempDir;

/// capabilities(7).
const CAP_DAC_OVERRIDE: u32 = 1;
const CAP_DAC_READ_SEARCH: u32 = 2;
const CAP_SETGID: u32 = 6;
const CAP_SETUID: u32 = 7;

const GOSU: &str = "/usr/sbin/gosu";

/// Prints what a program has of its user, of its environment and of its arguments.
const SHOW: &str =
    "grep -E '^(Uid|Gid|Groups|Cap(Inh|Prm|Eff|Amb)):' /proc/self/status; env | sort; pwd; printf '<%s>' \"$@\"";

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1::/usr/sbin:/usr/sbin/nologin
app:x:1000:1000:A Name,Room 7:/home/app:/bin/sh
twice:x:1001:1001::/home/first:/bin/sh
twice:x:1002:1002::/home/second:/bin/sh
same:x:1000:2000::/home/same:/bin/sh
homeless:x:1003:1003:::/bin/sh
short:x:1004:1004
77:x:1005:1005::/home/digits:/bin/sh
many:x:1006:1006::/home/many:/bin/sh
member:x:1007:1007::/home/member:/bin/sh
crlf:x:1008:1008::/home/crlf:/bin/sh\r
#comment:x:1009:1009::/home/comment:/bin/sh

+::::::
last:x:1010:1010::/home/last:/bin/sh";

fn group() -> String {
    let mut text =
        "root:x:0:\ndaemon:x:1:member,app\napp:x:1000:app\nweb:x:2000:app,member\ntwice:x:3000:\ntwice:x:3001:\n"
            .to_owned();
    text += "77:x:4000:\nsame:x:1000:\nempty:x:4001:,\nappendix:x:4002:application,xapp\ncrlf:x:4003:crlf\r\nnolist:x:4004\n";
    for number in 0..40 {
        writeln!(text, "many{number}:x:{}:x,many,y", 5000 + number).unwrap();
    }
    text + "last:x:4100:last"
}

/// A folder with `passwd` and `group`.
fn accounts(passwd: impl AsRef<[u8]>, group: impl AsRef<[u8]>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("passwd"), passwd).unwrap();
    fs::write(folder.path().join("group"), group).unwrap();
    folder
}

/// rini as PID 1, with these accounts.
fn with_user(folder: &Path, words: &[&str]) -> Start {
    pid1(words).accounts(folder)
}

/// Returns the fields of a line of /proc/PID/status.
fn ids(pid: Pid, name: &str) -> Vec<u32> {
    status_field(pid, name).split_whitespace().map(|id| id.parse().unwrap()).collect()
}

/// Asserts that nothing was started, and returns the one line.
fn refused(output: &Output) -> &str {
    assert_eq!((output.code(), &output.out), (1, &vec![]), "{output:?}");
    let [line] = &output.err[..] else { panic!("one line: {output:?}") };
    line
}

#[test]
fn every_user_and_group_gives_what_gosu_gives() {
    if !namespaces() || !tools(&["gosu"]) {
        return;
    }
    let files = accounts(PASSWD, group());
    let no_files = accounts("", "");
    let users =
        ["root", "app", "twice", "same", "homeless", "77", "1000", "0", "1007", "many", "member", "crlf", "last", ""];
    let groups = ["", ":", ":web", ":2000", ":twice", ":77", ":4242", ":root", ":0", ":nosuch", ":last"];
    let others =
        ["short", "#comment", "4242", "4242:web", "4242:77", "nosuch", "nosuch:web", "APP", "ap", "2147483647:1"];
    let mut specs: Vec<String> =
        users.iter().flat_map(|user| groups.iter().map(move |group| format!("{user}{group}"))).collect();
    specs.extend(others.map(str::to_owned));
    let mut refusals = 0;
    for (folder, specs) in [
        (&files, &specs[..]),
        (&no_files, &["0".into(), "7".into(), "7:8".into(), "root".into(), "7:root".into(), String::new()]),
    ] {
        for spec in specs {
            let show = |start: Start| {
                start.args([spec, "sh", "-c", SHOW, "sh", "a", "b c", ""]).accounts(folder.path()).in_namespace()
            };
            let (mine, theirs) = (show(called("/usr/bin/gosu")).run(), show(Start::of(GOSU)).run());
            assert_eq!(mine.code(), theirs.code(), "{spec}: {mine:?} {theirs:?}");
            assert_eq!(mine.out, theirs.out, "{spec}");
            assert_eq!(mine.err, theirs.err, "{spec}");
            refusals += usize::from(mine.code() != 0);
        }
    }
    assert!((20..specs.len() / 2).contains(&refusals), "{refusals} of {}", specs.len());
}

/// rini under these names, in a folder that every user may enter.
fn named(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for name in names {
        symlink(rini(), folder.path().join(name)).unwrap();
    }
    folder
}

/// Starts a command in a user namespace that has 500 users and groups: root and those after it.
fn in_small_user_namespace(words: &[OsString], folder: &Path) -> Running {
    let start = Start::of("unshare").args(["--user", "sh", "-c", "read -r go; exec \"$@\"", "sh"]).args(words);
    let mut run = start.accounts(folder).in_namespace().spawn();
    let pid = run.pid();
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/user")).unwrap();
    until("it has its user namespace", || namespace(&pid.to_string()) != namespace("self"));
    for map in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{pid}/{map}"), "0 0 500").unwrap();
    }
    run.write_line("go");
    drop(run.stdin.take());
    run
}

/// A restriction of the kernel's for both programs.
struct Restriction {
    name: &'static str,
    /// Runs a command with the accounts of a folder. It gets the name too.
    run: fn(&str, &[OsString], &Path) -> Output,
    /// The users that it leaves possible.
    possible: &'static [&'static str],
}

fn run_with(start: Start, words: &[OsString], folder: &Path) -> Output {
    start.args(words).accounts(folder).in_namespace().run()
}

fn run_lacking(capabilities: &[u32], words: &[OsString], folder: &Path) -> Output {
    Start::of(&words[0]).args(&words[1..]).lacking(capabilities).accounts(folder).in_namespace().run()
}

/// Runs a command whose system calls fail in each of its threads.
fn run_refusing(fault: &str, words: &[OsString], folder: &Path) -> Output {
    run_with(strace_injecting(fault), words, folder)
}

/// gosu calls setgid and setuid, and rini setresgid and setresuid.
const RESTRICTIONS: &[Restriction] = &[
    Restriction {
        name: "no restriction",
        run: |_, words, folder| run_lacking(&[], words, folder),
        possible: &["app", "app:web", "7:8", "7", "0", "root", ""],
    },
    Restriction {
        name: "no passwd and no group",
        run: |_, words, _| Start::of(&words[0]).args(&words[1..]).hide(c"/etc").in_namespace().run(),
        possible: &["7:8", "7", "0", ""],
    },
    Restriction {
        name: "without CAP_SETGID",
        run: |_, words, folder| run_lacking(&[CAP_SETGID], words, folder),
        possible: &[],
    },
    Restriction {
        name: "without CAP_SETUID",
        run: |_, words, folder| run_lacking(&[CAP_SETUID], words, folder),
        possible: &["0", "root", ""],
    },
    Restriction {
        name: "without both",
        run: |_, words, folder| run_lacking(&[CAP_SETGID, CAP_SETUID], words, folder),
        possible: &[],
    },
    Restriction {
        name: "another user, without any capability",
        run: |_, words, folder| Start::of(&words[0]).args(&words[1..]).user(1000).accounts(folder).in_namespace().run(),
        possible: &[],
    },
    Restriction {
        name: "no-new-privileges",
        run: |_, words, folder| run_with(Start::of("setpriv").args(["--no-new-privs"]), words, folder),
        possible: &["app", "app:web", "7:8", "7", "0", "root", ""],
    },
    Restriction {
        name: "a user namespace without the user's id",
        run: |_, words, folder| in_small_user_namespace(words, folder).finish(),
        possible: &["7:8", "7", "0", "root", ""],
    },
    Restriction { name: "setgroups:error=EPERM", run: run_refusing, possible: &[] },
    Restriction { name: "setgroups:error=ENOSYS", run: run_refusing, possible: &[] },
    Restriction { name: "setgid,setresgid:error=EPERM", run: run_refusing, possible: &[] },
    Restriction { name: "setgid,setresgid:error=ENOSYS", run: run_refusing, possible: &[] },
    Restriction { name: "setuid,setresuid:error=EPERM", run: run_refusing, possible: &[] },
    Restriction { name: "setuid,setresuid:error=ENOSYS", run: run_refusing, possible: &[] },
    Restriction { name: "capset:error=ENOSYS", run: run_refusing, possible: &["0", "root", ""] },
];

/// Apart from capset, gosu does the same under each restriction: the ids, the environment, the code and the line, which begins
/// the errno's text with a small letter (difference 42).
#[test]
fn under_each_restriction_rini_starts_and_refuses_as_gosu_does() {
    if !namespaces() || !user_namespaces() || !tools(&["gosu", "strace", "setpriv", "unshare"]) {
        return;
    }
    let (files, names) = (accounts(PASSWD, group()), named(&["gosu"]));
    let specs = ["app", "app:web", "7:8", "7", "0", "root", "", "nosuch", "app:nosuch"];
    for Restriction { name, run, possible } in RESTRICTIONS {
        let mut started = BTreeSet::new();
        for spec in specs {
            let words = |program: OsString| {
                let mut words = vec![program];
                words.extend([spec, "sh", "-c", SHOW, "sh", "a", "b c", ""].map(OsString::from));
                words
            };
            let mine = run(name, &words(names.path().join("gosu").into()), files.path());
            if mine.code() == 0 {
                started.insert(spec);
            } else {
                refused(&mine);
            }
            // gosu does not call it.
            if name.starts_with("capset") {
                continue;
            }
            let theirs = run(name, &words(GOSU.into()), files.path());
            assert_eq!((mine.code(), &mine.out), (theirs.code(), &theirs.out), "{name}: {spec}: {mine:?} {theirs:?}");
            let lower = |lines: &[String]| lines.iter().map(|line| line.to_lowercase()).collect::<Vec<_>>();
            assert_eq!(lower(&mine.err), lower(&theirs.err), "{name}: {spec}");
        }
        assert_eq!(started, possible.iter().copied().collect(), "{name}");
    }
}

/// The kernel gives EINVAL for an id that the namespace does not have.
#[test]
fn an_id_that_the_user_namespace_lacks_is_an_error_under_every_name() {
    if !namespaces() || !user_namespaces() || !tools(&["unshare"]) {
        return;
    }
    let (files, names) = (accounts(PASSWD, group()), named(&["rini", "su-exec"]));
    let specs = [("app", None), ("7:web", None), ("1000:8", None), ("7:8", Some("7")), ("daemon", Some("1"))];
    for (name, options) in [("rini", &["-u"][..]), ("su-exec", &[])] {
        for (spec, uid) in specs {
            let mut words = vec![names.path().join(name).into()];
            words.extend([options, &[spec, "id", "-u"]].concat().iter().map(OsString::from));
            let output = in_small_user_namespace(&words, files.path()).finish();
            if let Some(uid) = uid {
                assert_eq!(output.only_line(), uid, "{name} {spec}");
            } else {
                let wanted = format!("cannot run as {spec:?}: Invalid argument");
                assert!(refused(&output).contains(&wanted), "{name} {spec}: {output:?}");
            }
        }
    }
}

/// Neither a list that cannot be opened or read, nor one that breaks off, lets a program start.
#[test]
fn a_fault_in_the_lists_of_accounts_is_never_a_start() {
    if !namespaces() || !tools(&["strace"]) {
        return;
    }
    let (files, names) = (accounts(PASSWD, group()), named(&["rini", "gosu", "su-exec"]));
    let run = |name: &str, spec: &str, list: &str, fault: &str| {
        let start = strace_injecting(fault).args(["-P", list]).args([names.path().join(name)]);
        let start = start.args(if name == "rini" { &["-u"][..] } else { &[] });
        start.args([spec, "id", "-u"]).accounts(files.path()).in_namespace().run()
    };
    for name in ["rini", "gosu", "su-exec"] {
        for list in ["/etc/passwd", "/etc/group"] {
            for spec in ["last", "7:web"] {
                for (fault, reason) in [
                    ("openat:error=EIO", "Input/output error"),
                    ("openat:error=EMFILE", "Too many open files"),
                    ("openat:error=ENFILE", "Too many open files in system"),
                    ("openat:error=ELOOP", "Too many levels of symbolic links"),
                    ("read:error=EIO", "Input/output error"),
                    // After the first piece, in which these users and groups are not.
                    ("read:error=EIO:when=2", "Input/output error"),
                ] {
                    let output = run(name, spec, list, fault);
                    let wanted = match name {
                        "gosu" => format!("error: failed switching to {spec:?}: {reason}"),
                        _ => format!("cannot run as {spec:?}: cannot read {list}: {reason}"),
                    };
                    assert!(refused(&output).ends_with(&wanted), "{name} {fault}: {output:?}");
                }
                // The negative control: no list is read so often.
                let uid = if spec == "last" { "1010" } else { "7" };
                assert_eq!(run(name, spec, list, "read:error=EIO:when=1000").only_line(), uid, "{name} {spec} {list}");
            }
        }
    }
}

#[test]
fn gosu_s_environment_arguments_and_codes_are_the_same() {
    if !namespaces() || !tools(&["gosu"]) {
        return;
    }
    let files = accounts(PASSWD, group());
    for (name, value) in [
        ("HOME", "/before"),
        ("HOME", ""),
        ("RINI_GRACE_PERIOD", "no time"),
        ("RINI_USER", "app"),
        ("TINI_SUBREAPER", ""),
    ] {
        for words in [
            &["app", "sh", "-c", SHOW, "sh", "-x", "--"][..],
            &["app", "sh", "-c", "exit 7"],
            &["app", "sh", "-c", "kill -TERM $$"],
            &["app", "true"],
            &["app"],
            &[],
        ] {
            let run = |start: Start| start.args(words).env(name, value).accounts(files.path()).run();
            let (mine, theirs) = (run(called("gosu").in_namespace()), run(Start::of(GOSU).in_namespace()));
            assert_eq!((mine.status, &mine.out), (theirs.status, &theirs.out), "{words:?}");
        }
    }
    // The usage goes to the same stream.
    for words in [&["--help"][..], &["-h"], &["-?"], &["--version"], &["-v"], &[], &["app"]] {
        let run = |start: Start| start.args(words).run();
        let (mine, theirs) = (run(called("gosu")), run(Start::of(GOSU)));
        let shape = |output: &Output| (output.code(), output.out.is_empty(), output.err.is_empty());
        assert_eq!(shape(&mine), shape(&theirs), "{words:?}");
    }
    // Difference 41. The options that it has are in its own usage, and not in `rini --help`.
    for (name, begin, lines) in [("gosu", "", 2), ("su-exec", "su-exec: ", 1)] {
        let output = called(name).args(["-x", "true"]).run();
        assert_eq!((output.code(), output.out.len(), output.err.len()), (1, 0, lines), "{output:?}");
        assert_eq!(output.err[0], format!("{begin}there is no option \"-x\""));
    }
    // Its error ends in rini's reason.
    let run = |start: Start, program: &str| start.args(["app", program]).accounts(files.path()).in_namespace().run();
    for program in ["nosuch", "/nosuch", "/etc/passwd", "/etc"] {
        let (mine, theirs) = (run(called("gosu"), program), run(Start::of(GOSU), program));
        assert_eq!(theirs.code(), 1);
        let begin = format!("error: exec: {program:?}: ");
        assert!(refused(&mine).starts_with(&begin) && refused(&theirs).starts_with(&begin), "{mine:?} {theirs:?}");
    }
}

/// Differences 38, 40, 41 and 44.
#[test]
fn where_gosu_would_become_root_rini_refuses() {
    if !namespaces() || !tools(&["gosu"]) {
        return;
    }
    let run = |start: Start, folder: &TempDir, spec: &str| {
        start.args([spec, "sh", "-c", "id -u"]).accounts(folder.path()).in_namespace().run()
    };
    // A line whose ids are no numbers: gosu takes them as 0.
    let malformed = accounts("app:x:none:none::/:\nnameonly\nnegative:x:-1:-1::/:\nbig:x:4294967295:1::/:\n", "");
    for spec in ["app", "nameonly"] {
        assert_eq!(run(Start::of(GOSU), &malformed, spec).only_line(), "0", "{spec}");
        let mine = run(called("gosu"), &malformed, spec);
        assert!(refused(&mine).contains("no matching entries in passwd file"), "{mine:?}");
    }
    // The number that means "unchanged" to the kernel would leave root as it is.
    for spec in ["negative", "big", "4294967295:1", "0:4294967295", "99999999999999999999"] {
        assert!(refused(&run(called("gosu"), &malformed, spec)).starts_with("error: failed switching to "), "{spec}");
        refused(&with_user(malformed.path(), &["-u", spec, "id"]).run());
    }
    // A file that it may not read.
    let closed = accounts(PASSWD, group());
    fs::set_permissions(closed.path().join("passwd"), fs::Permissions::from_mode(0o000)).unwrap();
    let run_lacking = |start: Start| {
        let start = start.args(["7:8", "sh", "-c", "id -u"]).accounts(closed.path()).in_namespace();
        start.lacking(&[CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH]).run()
    };
    assert_eq!(run_lacking(Start::of(GOSU)).only_line(), "7");
    assert_eq!(refused(&run_lacking(called("gosu"))), "error: failed switching to \"7:8\": Permission denied");
    // A second colon.
    let files = accounts(PASSWD, group());
    assert_eq!(run(Start::of(GOSU), &files, "app:web:more").only_line(), "1000");
    assert!(refused(&run(called("gosu"), &files, "app:web:more")).contains("unable to find group web:more"));
}

#[test]
fn su_exec_reads_the_user_as_documented() {
    if !namespaces() {
        return;
    }
    let files = accounts(PASSWD, group());
    let run = |words: &[&str]| called("/sbin/su-exec").args(words).accounts(files.path()).in_namespace().run();
    for (spec, user, group, groups, home) in [
        ("app", 1000, 1000, "1 1000 1000 2000", "/home/app"),
        ("app:web", 1000, 2000, "2000", "/home/app"),
        ("1007", 1007, 1007, "1 1007 2000", "/home/member"),
        ("4242", 4242, 0, "0", "/"),
        ("4242:7", 4242, 7, "7", "/"),
        (":web", 0, 2000, "2000", "/root"),
    ] {
        let output = run(&[spec, "sh", "-c", "grep -E '^(Uid|Gid|Groups):' /proc/self/status; echo $HOME"]);
        let wanted = [
            format!("Uid:\t{user}\t{user}\t{user}\t{user}"),
            format!("Gid:\t{group}\t{group}\t{group}\t{group}"),
            format!("Groups:\t{groups} "),
            home.to_owned(),
        ];
        assert_eq!(output.out, wanted, "{spec}: {output:?}");
    }
    assert_eq!(
        refused(&run(&["nosuch", "true"])),
        "su-exec: cannot run as \"nosuch\": there is no user \"nosuch\" in /etc/passwd"
    );
    assert_eq!(refused(&run(&["app", "/nosuch"])), "su-exec: /nosuch: No such file or directory");
    for words in [&[][..], &["app"]] {
        let output = run(words);
        assert_eq!((output.code(), output.out), (0, vec!["Usage: /sbin/su-exec user-spec command [args]".to_owned()]));
    }
}

/// rini changes its own user before it starts the program.
#[test]
fn rini_and_the_program_have_the_user_and_no_way_back() {
    if !namespaces() {
        return;
    }
    let (files, probe) = (accounts(PASSWD, group()), probe());
    for (words, user, group, groups, home) in [
        (&["-u", "app"][..], 1000, 1000, vec![1, 1000, 1000, 2000], "/home/app"),
        (&["--user=app:web", "-g"], 1000, 2000, vec![2000], "/home/app"),
        (&["-u4242:7", "-s", "-t", "8s"], 4242, 7, vec![7], "/"),
        (&["--user", "many:last"], 1006, 4100, vec![4100], "/home/many"),
        (&["--user", "homeless"], 1003, 1003, vec![1003], ""),
    ] {
        let script = "for id in reuid regid; do setpriv --$id 0 true 2>/dev/null && echo back; done; setpriv --clear-groups true 2>/dev/null && echo back; echo home $HOME; exec \"$@\"";
        let words = [words, &["--", "sh", "-c", script, "sh", probe.to_str().unwrap(), "signals", "15"]].concat();
        let mut run = with_user(files.path(), &words).env("HOME", "/root").spawn();
        assert_eq!(run.line(), format!("home {home}").trim_end(), "{words:?}");
        run.expect_ready();
        for pid in [run.pid(), run.only_child()] {
            assert_eq!(ids(pid, "Uid"), [user; 4], "{words:?}");
            assert_eq!(ids(pid, "Gid"), [group; 4], "{words:?}");
            assert_eq!(ids(pid, "Groups"), groups, "{words:?}");
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                assert_eq!(status_field(pid, set).trim(), "0000000000000000", "{set} {words:?}");
            }
        }
        // No capability is needed to signal the program.
        run.signal(15);
        assert!(run.line().starts_with("signal 15 "));
        assert_eq!(run.finish().code(), 0);
    }
    // With the same user it can get back what it has.
    let run = with_user(files.path(), &["-u", "root", "--", "setpriv", "--reuid", "0", "true"]).run();
    assert_eq!(run.code(), 0, "{run:?}");
}

/// A security bit keeps the capabilities when the user changes (capabilities(7)), until the exec.
#[test]
fn no_capability_stays_even_if_the_kernel_would_keep_it() {
    if !namespaces() || !tools(&["setpriv", "python3"]) {
        return;
    }
    let files = accounts(PASSWD, group());
    let run = |words: &[&str]| {
        let setpriv = ["--securebits", "+no_setuid_fixup"];
        Start::of("setpriv").args(setpriv).args(words).accounts(files.path()).in_namespace()
    };
    let change = "import os; os.setresuid(1000, 1000, 1000); print(open('/proc/self/status').read())";
    let control = run(&["python3", "-c", change]).run();
    let kept = control.out.iter().any(|line| line.starts_with("CapPrm:") && !line.ends_with("\t0000000000000000"));
    assert!(kept, "the control keeps them: {control:?}");
    let (rini, probe) = (rini(), probe());
    let mut run = run(&[rini.to_str().unwrap(), "-u", "app", "--", probe.to_str().unwrap(), "signals", "15"]).spawn();
    run.expect_ready();
    assert_eq!(ids(run.pid(), "Uid"), [1000; 4]);
    assert_eq!(status_field(run.pid(), "CapPrm").trim(), "0000000000000000");
}

#[test]
fn signals_orphans_and_messages_work_for_another_user() {
    if !namespaces() {
        return;
    }
    let files = accounts(PASSWD, group());
    let probe = probe();
    let mut run = with_user(files.path(), &["-u", "app", "--", probe.to_str().unwrap(), "orphans", "50"]).spawn();
    run.expect("made 50");
    until("all are reaped", || children_of(run.pid()).len() == 1);
    assert_eq!(zombies_of(run.pid()), 0);
    drop(run);
    // The sender and the leftover process have their names, which come from /proc.
    let script = "sleep 1000 & kill -USR1 $PPID; wait";
    let words = ["-u", "app", "-v", "-r", "USR1:TERM", "--", "sh", "-c", script];
    let output = with_user(files.path(), &words).run();
    assert_eq!(output.code(), 143, "{output:?}");
    let has = |part: &str| output.err.iter().any(|line| line.contains(part));
    // It is still a shell if it has not called exec yet.
    let names = ["(sh)", "(sleep)"];
    let is_named = output
        .err
        .iter()
        .any(|line| line.contains("as the container ends: pid ") && names.iter().any(|name| line.contains(name)));
    assert!(has("(sh), forwarded to pid") && is_named, "{output:?}");
    // /proc/self belongs to the user.
    let output = with_user(files.path(), &["-u", "app", "--", "stat", "-c", "%u", "/proc/1/fd", "/proc/self/fd"]).run();
    assert_eq!(output.out, ["1000", "1000"], "{output:?}");
}

/// The kernel forgets the signal of prctl(PR_SET_PDEATHSIG) when the user changes.
#[test]
fn the_parent_death_signal_survives_the_change() {
    if !namespaces() {
        return;
    }
    let files = accounts(PASSWD, group());
    let (rini, probe) = (rini(), probe());
    let script = "$0 -u app -p USR1 -- $1 signals & read line; kill -KILL $$";
    let mut run = Start::of("sh")
        .args(["-c", "sh -c \"$0\" \"$@\"; read line", script])
        .args([&rini, &probe])
        .accounts(files.path())
        .in_namespace()
        .spawn();
    assert!(run.line().starts_with("ready "));
    run.write_line("die");
    assert!(run.line().starts_with("signal 10 "), "SIGUSR1 arrives");
}

#[test]
fn a_user_that_rini_cannot_become_is_one_line() {
    if !namespaces() {
        return;
    }
    let files = accounts(PASSWD, group());
    let none = accounts("", "");
    for (folder, user, reason) in [
        (&files, "nosuch", r#"there is no user "nosuch" in /etc/passwd"#),
        (&files, "nosuch:web", r#"there is no user "nosuch" in /etc/passwd"#),
        (&files, "app:nosuch", r#"there is no group "nosuch" in /etc/group"#),
        (&files, "4242", "4242 is not in /etc/passwd, so its group is unknown; write 4242:GROUP"),
        (&none, "app", r#"there is no user "app" in /etc/passwd"#),
        (&none, "7:app", r#"there is no group "app" in /etc/group"#),
        (&none, "7", "7 is not in /etc/passwd, so its group is unknown; write 7:GROUP"),
    ] {
        let wanted = format!("rini: ERROR cannot run as {user:?}: {reason}");
        assert_eq!(refused(&with_user(folder.path(), &["-u", user, "echo", "started"]).run()), wanted);
        // The variable is the same, under every name.
        let output = called("tini")
            .args(["echo", "started"])
            .env("RINI_USER", user)
            .accounts(folder.path())
            .in_namespace()
            .run();
        assert!(refused(&output).ends_with(&wanted["rini: ERROR ".len()..]), "{output:?}");
    }
    for user in ["", ":web", ":"] {
        let output = with_user(files.path(), &["-u", user, "echo", "started"]).run();
        assert_eq!(
            refused(&output),
            format!("rini: ERROR --user: {user:?} is not USER or USER:GROUP, each a name or a number")
        );
    }
}

/// Whatever the kernel refuses, nothing runs as root.
#[test]
fn a_refused_call_is_an_error_and_never_a_start_as_root() {
    if !namespaces() {
        return;
    }
    let files = accounts(PASSWD, group());
    let start = |start: Start| start.accounts(files.path()).in_namespace();
    let words = ["-u", "app", "echo", "started"];
    let is_refused = |output: &Output, reason: &str| {
        let is_permission = reason == "Operation not permitted";
        let hint = if is_permission { "; that needs root with CAP_SETUID and CAP_SETGID" } else { "" };
        assert_eq!(refused(output), format!("rini: ERROR cannot run as \"app\": {reason}{hint}"));
    };
    // Without a capability.
    for capability in [CAP_SETGID, CAP_SETUID] {
        is_refused(&start(pid1(words)).lacking(&[capability]).run(), "Operation not permitted");
    }
    assert_eq!(start(pid1(words)).lacking(&[5]).run().only_line(), "started");
    // As another user already, and also as this one: its groups and capabilities can be others than the wanted ones.
    for user in [1000, 1001] {
        is_refused(&start(pid1(words)).user(user).run(), "Operation not permitted");
    }
    // With no-new-privileges alone it works.
    let words_of_setpriv =
        ["--no-new-privs", rini().to_str().unwrap(), "-u", "app", "echo", "started"].map(str::to_owned);
    if tools(&["setpriv"]) {
        assert_eq!(start(Start::of("setpriv").args(words_of_setpriv)).run().only_line(), "started");
    }
    // In a user namespace that has only root.
    if user_namespaces() {
        is_refused(&pid1(words).accounts(files.path()).rootless().run(), "Operation not permitted");
    }
    // Where a seccomp profile refuses a call.
    if !tools(&["strace"]) {
        return;
    }
    for call in ["setgroups", "setresgid", "setresuid", "capset"] {
        let output = start(injecting(&format!("{call}:error=ENOSYS")).args(words)).run();
        is_refused(&output, "Function not implemented");
    }
    // Under the other names too: strace gives rini the name of the link.
    let names = named(&["gosu", "su-exec"]);
    for name in ["gosu", "su-exec"] {
        for call in ["setgroups", "setresgid", "setresuid", "capset"] {
            for errno in ["EPERM", "ENOSYS", "EINVAL", "EAGAIN"] {
                let words = [names.path().join(name).into(), "app".into(), "echo".into(), "started".into()];
                refused(&run_refusing(&format!("{call}:error={errno}"), &words, files.path()));
            }
        }
    }
    let output = start(injecting("prctl:error=EPERM").args(words)).run();
    assert_eq!(output.out, ["started"], "only /proc/self needs this call: {output:?}");
}

/// These files are long, or hold bytes that such a file never holds.
#[test]
fn hostile_files_are_read_or_refused() {
    if !namespaces() {
        return;
    }
    let id = |folder: &TempDir, user: &str| {
        with_user(folder.path(), &["-u", user, "sh", "-c", "echo $(id -u) $(id -G) $HOME"]).run()
    };
    // A million users, and the wanted one is the last.
    let mut passwd = String::new();
    for number in 0..1_000_000 {
        writeln!(passwd, "user{number}:x:{}:{}::/home/{number}:/bin/sh", 10_000 + number, 10_000 + number).unwrap();
    }
    let million = accounts(passwd, "g:x:5:user999999\n");
    assert_eq!(id(&million, "user999999").only_line(), "1009999 1009999 5 /home/999999");
    if tools(&["gosu"]) {
        for spec in ["user999999", "1009999", "user999999:g", "nosuch", "1010000"] {
            let show =
                |start: Start| start.args([spec, "sh", "-c", SHOW]).accounts(million.path()).in_namespace().run();
            let (mine, theirs) = (show(called("gosu")), show(Start::of(GOSU)));
            assert_eq!((mine.code(), &mine.out, &mine.err), (theirs.code(), &theirs.out, &theirs.err), "{spec}");
            assert_eq!(mine.code() == 0, spec != "nosuch", "{mine:?}");
        }
    }
    // A line of 60,000 bytes is read, and one of 70,000 is refused.
    for (length, is_read) in [(60_000, true), (70_000, false)] {
        let names = "somebody,".repeat(length / 9);
        let long = accounts("app:x:1000:1000::/a:\n", format!("long:x:7:{names}app\nweb:x:8:app\n"));
        let output = id(&long, "app");
        if is_read {
            assert_eq!(output.only_line(), "1000 1000 7 8 /a");
        } else {
            assert!(refused(&output).ends_with("\"app\": cannot read /etc/group: File too large"), "{output:?}");
        }
    }
    // A null, other bytes that are no text, blanks, and no line at all.
    let odd = accounts(
        b"nul:x:1:1::/a\0b:\n\xff\xfe:x:2:2::/bytes:\n a b :x:3:3::/blank:\n\n\n:x:0:0::/:\n::::::\n",
        b"\0\n\xff:x:9:\xff\xfe\n",
    );
    assert!(refused(&id(&odd, "nul")).ends_with("cannot read /etc/passwd: Invalid argument"));
    // A group without a name is not the group of a user whose group is not known.
    let nameless = accounts("", ":x:0:\n");
    assert!(refused(&id(&nameless, "7")).ends_with("so its group is unknown; write 7:GROUP"));
    assert_eq!(id(&odd, " a b ").only_line(), "3 3 /blank");
    assert_eq!(id(&odd, "2").only_line(), "2 2 9 /bytes");
    // More groups than a process can have.
    let mut many = String::new();
    for number in 0..70_000 {
        writeln!(many, "g{number}:x:{number}:app").unwrap();
    }
    let groups = accounts("app:x:1000:1000::/a:\n", many);
    assert!(refused(&id(&groups, "app")).contains("Invalid argument"));
    // Carriage returns: one at the end of a line belongs to the end, and any other to a name.
    let returns = accounts("ap\rp:x:0:0::/:\napp:x:1000:1000::/a:\n", "web:x:8:app\r\nother:x:9:a\rpp\n");
    assert_eq!(id(&returns, "app").only_line(), "1000 1000 8 /a");
    // Files that have no end, and files that rini may not read.
    for name in ["passwd", "group"] {
        let files = accounts(PASSWD, group());
        let path = files.path().join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        let run = || with_user(files.path(), &["-u", "last", "echo", "started"]);
        let output = run().lacking(&[CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH]).run();
        assert!(
            refused(&output).ends_with(&format!("\"last\": cannot read /etc/{name}: Permission denied")),
            "{output:?}"
        );
        assert_eq!(run().run().only_line(), "started");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/urandom", &path).unwrap();
        let output = run().run();
        assert!(
            refused(&output).ends_with(&format!("\"last\": cannot read /etc/{name}: File too large")),
            "{output:?}"
        );
    }
    // A missing file has no entries.
    let hidden = pid1(["-u", "7:8", "sh", "-c", "echo $(id -u) $(id -g) $HOME"]).hide(c"/etc").run();
    assert_eq!(hidden.only_line(), "7 8 /");
    assert!(refused(&pid1(["-u", "root", "echo"]).hide(c"/etc").run()).contains("there is no user \"root\""));
}

/// rini as another user may not signal root's processes. They end with PID 1.
#[test]
fn leftover_processes_that_rini_may_not_signal_are_named() {
    if !namespaces() {
        return;
    }
    let files = accounts(PASSWD, group());
    for (user, of_another) in [("app", " of another user"), ("root", "")] {
        let probe = probe();
        let words = [
            "-u",
            user,
            "--after-exit",
            "terminate",
            "-t",
            "1",
            "-v",
            "--",
            probe.to_str().unwrap(),
            "many",
            "1",
            "deaf",
        ];
        let mut run = with_user(files.path(), &words).spawn();
        run.expect("made 1");
        // What `docker exec` starts belongs to root.
        let mut other = run.enter().args(["sh", "-c", "trap '' TERM; echo runs; sleep 1000; :"]).spawn();
        other.expect("runs");
        drop(run.stdin.take());
        let output = run.finish();
        assert_eq!(output.code(), 3, "{output:?}");
        let waiting = output.err.iter().find(|line| line.contains("waiting for leftover processes: ")).unwrap();
        assert!(
            waiting.contains(&format!("(sh){of_another}, ")) || waiting.ends_with(&format!("(sh){of_another}")),
            "{waiting}"
        );
        assert!(!waiting.contains("(probe) of another user"), "{waiting}");
        // The shell's parent is outside, and may have reaped it before rini can read its name.
        let count = |part| output.err.iter().filter(|line| line.contains(part)).count();
        let counts = (count("WARN killed pid "), count("ERROR cannot kill pid "));
        assert_eq!(counts, if user == "app" { (1, 2) } else { (3, 0) }, "{output:#?}");
    }
}

/// What the user's own processes get is a signal that they can handle, and not only the end of the namespace.
#[test]
fn after_exit_terminate_reaches_the_own_user_s_leftover_processes() {
    if !can_enter() {
        return;
    }
    let (files, probe) = (accounts(PASSWD, group()), probe());
    let script = "\"$0\" signals 12 & read -r line; exit 3";
    for (user, uid) in [("app", 1000), ("root", 0)] {
        let words = ["-u", user, "--after-exit", "terminate", "-t", "1h", "-v", "--", "sh", "-c", script];
        let mut run = with_user(files.path(), &words).args([&probe]).spawn();
        assert!(run.line().starts_with("ready "));
        // What `docker exec` starts belongs to root. rini does not wait for it.
        let mut of_root = run.inside(&["signals"]);
        assert!(of_root.line().starts_with("ready "));
        drop(run.stdin.take());
        let from_rini = format!("signal 15 code 0 pid 1 uid {uid} value 0");
        assert_eq!(run.line(), from_rini, "{user}");
        // One call sends both signals. The absence of one shows in the next signal, which would come second: of two that are
        // pending, the kernel gives the lower number first.
        kill(of_root.only_child(), Signal::SIGWINCH).unwrap();
        if user == "root" {
            assert_eq!(of_root.line(), from_rini);
        }
        assert!(of_root.line().starts_with("signal 28 "), "{user}");
        kill(run.only_child(), Signal::SIGUSR2).unwrap();
        assert!(run.line().starts_with("signal 12 "));
        let output = run.finish();
        assert_eq!((output.code(), &output.out), (3, &vec![]), "{output:?}");
        let is_named = output.err.iter().any(|line| line.contains("(probe) of another user"));
        assert_eq!(is_named, user == "app", "{output:?}");
    }
    // The negative control: without the option it gets none.
    let mut run = with_user(files.path(), &["-u", "app", "--", "sh", "-c", script]).args([&probe]).spawn();
    assert!(run.line().starts_with("ready "));
    drop(run.stdin.take());
    let output = run.finish();
    assert_eq!((output.code(), output.out), (3, vec![]));
}
