//! The machine that the tests run on: tests/setup installs every program that they call, and the starter of the tests
//! has no influence. `tests/bare` runs the tests on a machine that has nearly nothing.

use crate::support::prepare::AS_FOUND;
use crate::support::{
    LIMIT, Output, Start, bit, copy_executable, for_all_users, is_root, probe, skip, tools, until_within,
};
use crate::terminal::Session;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The commands that every Debian has (`Essential: yes`, and the additions of debootstrap's minbase).
const BASE: &[&str] = &[
    "apt-get",
    "awk",
    "cat",
    "chmod",
    "chown",
    "chroot",
    "cmp",
    "cp",
    "cut",
    "date",
    "df",
    "dirname",
    "basename",
    "dpkg",
    "dpkg-deb",
    "dpkg-query",
    "du",
    "env",
    "expr",
    "false",
    "find",
    "flock",
    "grep",
    "gzip",
    "head",
    "id",
    "install",
    "ln",
    "ls",
    "mkdir",
    "mkfifo",
    "mknod",
    "mktemp",
    "mount",
    "mv",
    "nice",
    "nohup",
    "nproc",
    "od",
    "sync",
    "paste",
    "pivot_root",
    "readlink",
    "realpath",
    "rm",
    "rmdir",
    "script",
    "sed",
    "setpriv",
    "setsid",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "stty",
    "tail",
    "tar",
    "tee",
    "timeout",
    "touch",
    "truncate",
    "tr",
    "true",
    "umount",
    "uname",
    "uniq",
    "unshare",
    "wc",
    "xargs",
    "yes",
    "zcat",
];
/// The commands that come with Rust, which must be there, and with the linker that it needs (binutils, gcc).
const RUST: &[&str] = &["cargo", "rustc", "rustup", "cc", "ar", "ld", "nm", "objdump", "readelf"];
/// The commands that only the long proof needs. Its scripts ask for them (tests/proof/fuzz/run, tests/sanitizers).
const LONG: &[&str] = &["c++"];
const BUILTINS: &[&str] = &[
    ":",
    ".",
    "[",
    "[[",
    "alias",
    "break",
    "cd",
    "command",
    "continue",
    "coproc",
    "declare",
    "echo",
    "eval",
    "exec",
    "exit",
    "export",
    "jobs",
    "kill",
    "local",
    "mapfile",
    "printf",
    "pwd",
    "read",
    "readarray",
    "return",
    "set",
    "shift",
    "shopt",
    "source",
    "test",
    "times",
    "trap",
    "type",
    "ulimit",
    "umask",
    "unset",
    "wait",
];

fn own(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Commands and paths, each with a file that uses it.
type Wanted = BTreeMap<String, String>;

/// The words of a shell script in the position of a command.
#[derive(Default)]
struct Commands {
    called: BTreeSet<String>,
    functions: BTreeSet<String>,
}

impl Commands {
    /// Reads up to the bracket that ends a substitution, or to the end. It knows as much of the grammar as the scripts
    /// here use.
    fn read(&mut self, text: &[char], mut at: usize, nested: bool) -> usize {
        let (mut first, mut of_case, mut pattern, mut looks_up) = (true, false, false, false);
        let (mut word, mut depth) = (String::new(), 0);
        let mut here_document: Option<String> = None;
        while at < text.len() {
            let c = text[at];
            let next = text.get(at + 1).copied();
            match c {
                '\\' => {
                    // A backslash continues the line, or makes the next character an ordinary one.
                    if next != Some('\n') {
                        word.push('?');
                    }
                    at += 2;
                    continue;
                }
                '#' if word.is_empty() => {
                    while at < text.len() && text[at] != '\n' {
                        at += 1;
                    }
                    continue;
                }
                '\'' => {
                    word.push('?');
                    at += 1 + text[at + 1..].iter().position(|c| *c == '\'').unwrap();
                }
                '"' => {
                    word.push('?');
                    at += 1;
                    while text[at] != '"' {
                        at = match text[at] {
                            '\\' => at + 2,
                            '$' => self.expansion(text, at),
                            _ => at + 1,
                        };
                    }
                }
                '$' => {
                    word.push('?');
                    at = self.expansion(text, at);
                    continue;
                }
                '<' if next == Some('<') && text.get(at + 2) != Some(&'<') => {
                    let rest: String = text[at + 2..].iter().take_while(|c| **c != '\n').collect();
                    let end: String =
                        rest.trim_start_matches(['-', ' ']).chars().take_while(|c| !" >|;&)".contains(*c)).collect();
                    at += 2 + rest.chars().take_while(|c| "- ".contains(*c)).count() + end.chars().count();
                    here_document = Some(end.trim_matches(['\'', '"']).to_owned());
                    continue;
                }
                // An array.
                '(' if word.ends_with('=') => {
                    at = self.read_words(text, at + 1);
                    word.push('?');
                    continue;
                }
                // A process substitution.
                '<' | '>' if next == Some('(') => {
                    at = self.read(text, at + 2, true);
                    word.push('?');
                    continue;
                }
                ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => {
                    let is_function = c == '(' && next == Some(')');
                    if is_function {
                        self.functions.insert(std::mem::take(&mut word));
                        at += 2;
                        continue;
                    }
                    let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
                    if !(word.is_empty() || pattern || (digits && "<>".contains(c))) {
                        self.word(&word, &mut first, &mut of_case, &mut pattern, &mut looks_up);
                    } else if pattern && word == "esac" {
                        pattern = false;
                    }
                    // A bash condition has brackets of its own.
                    if std::mem::take(&mut word) == "[[" {
                        at += text[at..].windows(2).position(|two| two == [']', ']']).unwrap() + 2;
                        continue;
                    }
                    match c {
                        ')' if pattern => (pattern, first) = (false, true),
                        ')' if depth == 0 && nested => return at + 1,
                        ')' => depth -= 1,
                        '(' if !pattern => (depth, first) = (depth + 1, true),
                        ';' if next == Some(';') => (pattern, at) = (true, at + 1),
                        // `2>&1`, `<file`: the next word is not a command.
                        '&' if matches!(text[at - 1], '>' | '<') => (),
                        '<' | '>' => {
                            at += 1;
                            while matches!(text.get(at), Some('<' | '>' | '&' | ' ')) && text.get(at + 1) != Some(&'(')
                            {
                                at += 1;
                            }
                            if text.get(at + 1) == Some(&'(') {
                                continue;
                            }
                            while text.get(at).is_some_and(|c| !" \t\n;|&)".contains(*c)) {
                                at = match text[at] {
                                    '$' => self.expansion(text, at),
                                    '"' => at + 2 + text[at + 1..].iter().position(|c| *c == '"').unwrap(),
                                    _ => at + 1,
                                };
                            }
                            continue;
                        }
                        ' ' | '\t' => (),
                        _ => (first, looks_up) = (true, false),
                    }
                    if c == '\n'
                        && let Some(end) = here_document.take()
                    {
                        let rest: String = text[at..].iter().collect();
                        let length = rest.find(&format!("\n{end}\n")).unwrap_or_else(|| panic!("no {end:?}"));
                        at += rest[..length].chars().count() + 1 + end.chars().count();
                    }
                }
                _ => word.push(c),
            }
            at += 1;
        }
        at
    }

    /// Reads up to the bracket that ends an array. Its words are not commands.
    fn read_words(&mut self, text: &[char], mut at: usize) -> usize {
        while text[at] != ')' {
            at = match text[at] {
                '$' => self.expansion(text, at),
                '\'' => at + 2 + text[at + 1..].iter().position(|c| *c == '\'').unwrap(),
                _ => at + 1,
            };
        }
        at + 1
    }

    /// Reads `$(…)`, `${…}`, `$((…))` or `$name`. Returns the position after it.
    fn expansion(&mut self, text: &[char], at: usize) -> usize {
        match (text.get(at + 1), text.get(at + 2)) {
            (Some('('), Some('(')) => {
                let mut depth = 0;
                let end = text[at..].iter().position(|c| {
                    depth += i32::from(*c == '(') - i32::from(*c == ')');
                    *c == ')' && depth == 0
                });
                at + end.unwrap() + 1
            }
            (Some('('), _) => self.read(text, at + 2, true),
            (Some('{'), _) => {
                let mut depth = 0;
                let end = text[at..].iter().position(|c| {
                    depth += i32::from(*c == '{') - i32::from(*c == '}');
                    *c == '}' && depth == 0
                });
                at + end.unwrap() + 1
            }
            _ => at + 1,
        }
    }

    fn word(&mut self, word: &str, first: &mut bool, of_case: &mut bool, pattern: &mut bool, looks_up: &mut bool) {
        if *of_case && word == "in" {
            (*of_case, *pattern) = (false, true);
            return;
        }
        if !*first {
            return;
        }
        let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let assigns = word
            .split_once('=')
            .is_some_and(|(name, _)| is_name(name.trim_end_matches('+').split('[').next().unwrap()));
        match word {
            "if" | "then" | "else" | "elif" | "fi" | "do" | "done" | "while" | "until" | "!" | "{" | "}" | "time"
            | "esac" => (),
            "case" => (*first, *of_case) = (false, true),
            "for" | "function" | "select" => *first = false,
            // These commands call another.
            "exec" | "env" | "quietly" | "fetch" | "nice" | "xargs" => drop(self.called.insert(word.to_owned())),
            "command" => *looks_up = true,
            // An option of such a command, which may be `command -v`.
            _ if assigns || word.starts_with('-') || word.bytes().all(|byte| byte.is_ascii_digit()) => (),
            _ => {
                *first = false;
                self.called.insert(word.to_owned());
            }
        }
    }
}

/// The shell scripts.
fn scripts() -> Vec<(String, String)> {
    let mut found = vec![];
    for folder in [
        ".ci",
        "packaging",
        "tests",
        "tests/cri",
        "tests/engines",
        "tests/host",
        "tests/kernels",
        "tests/packaged/docs",
        "tests/proof/fuzz",
        "tests/proof/soak",
    ] {
        for entry in fs::read_dir(own(folder)).unwrap() {
            let path = entry.unwrap().path();
            let Some(text) = path.is_file().then(|| fs::read_to_string(&path).ok()).flatten() else { continue };
            let begin = text.lines().next().unwrap_or_default();
            if begin.ends_with("/bin/sh") || begin.ends_with("env bash") || begin.ends_with("shell=bash") {
                found.push((path.strip_prefix(own("")).unwrap().display().to_string(), text));
            }
        }
    }
    found
}

/// The programs that scripts call by name.
pub fn programs_of(scripts: &[(String, String)]) -> Vec<String> {
    let called = find_called(scripts).into_keys();
    called.filter(|name| !BUILTINS.contains(&&**name)).collect()
}

/// The commands that scripts call.
fn find_called(scripts: &[(String, String)]) -> Wanted {
    let (mut wanted, mut functions) = (Wanted::new(), BTreeSet::new());
    for (file, text) in scripts {
        let mut commands = Commands::default();
        let text: Vec<char> = text.chars().collect();
        commands.read(&text, 0, false);
        wanted.extend(commands.called.into_iter().map(|name| (name, file.clone())));
        functions.extend(commands.functions);
    }
    let plain =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte) || byte == b'[');
    wanted.retain(|name, _| plain(name) && !functions.contains(name));
    wanted
}

/// The sources of the tests, each with its text.
fn sources() -> Vec<(String, String)> {
    let (mut found, mut folders) = (vec![], vec![own("tests")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("fuzz") {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let file = path.strip_prefix(own("")).unwrap().display().to_string();
                found.push((file, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

/// The commands that the tests call and look for: the literals after `Command::new(`, after `Start::of(`, and in
/// `tools(&[…])`.
fn find_called_by_tests() -> Wanted {
    let mut wanted = Wanted::new();
    for (file, text) in sources() {
        for (begin, end) in [("Command::new(\"", ')'), ("Start::of(\"", ')'), ("tools(&[\"", ']')] {
            for (at, _) in text.match_indices(begin) {
                let words = text[at + begin.len()..].split(end).next().unwrap();
                wanted.extend(words.split('"').step_by(2).map(|word| (word.to_owned(), file.clone())));
            }
        }
    }
    wanted
}

/// The lines of tests/setup: a package, and the commands that it brings.
fn read_installed(setup: &str) -> Vec<(String, Vec<String>)> {
    let lines = setup.lines().filter_map(|line| line.strip_prefix("want "));
    let words = lines.map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    words.map(|mut words| (words.remove(0), words)).collect()
}

/// The commands that neither tests/setup nor a plain Debian brings.
fn find_missing(wanted: &Wanted, setup: &[(String, Vec<String>)]) -> Vec<String> {
    let brought: BTreeSet<&str> = setup.iter().flat_map(|(_, brings)| brings).map(String::as_str).collect();
    let debians = |name: &str| brought.contains(name) || BASE.contains(&name);
    let known = |name: &str| debians(name) || [RUST, LONG, BUILTINS].iter().any(|list| list.contains(&name));
    // With such a path it is Debian's own command. There may be another Rust beside Debian's.
    let by_path =
        |name: &str| ["/usr/bin/", "/bin/"].iter().any(|folder| name.strip_prefix(folder).is_some_and(debians));
    let is_missing = |name: &str| !(name.is_empty() || known(name) || by_path(name));
    wanted.iter().filter(|(name, _)| is_missing(name)).map(|(name, file)| format!("{name} ({file})")).collect()
}

/// tests/setup installs every command that is called or looked for, and no other.
#[test]
fn setup_installs_what_is_called_and_nothing_else() {
    let scripts = scripts();
    assert!(scripts.len() > 15, "{scripts:?}");
    let mut wanted = find_called_by_tests();
    wanted.extend(find_called(&scripts));
    // The commands that the documentation shows. rini has many names there.
    let shown = crate::docs::scripts(|_| true);
    wanted.extend(crate::docs::programs_of(&shown).into_iter().map(|name| (name, "the documentation".to_owned())));
    let setup = read_installed(&fs::read_to_string(own("tests/setup")).unwrap());
    // Some commands are called through a variable, for example from a list of shells. Some entries are paths and not
    // commands.
    let tests: Vec<_> = sources().into_iter().filter(|(file, _)| !file.ends_with("machine.rs")).collect();
    for name in setup.iter().flat_map(|(_, brings)| brings) {
        let in_scripts =
            |(file, text): &(String, String)| file != "tests/setup" && name.starts_with('/') && text.contains(name);
        let in_tests = |(_, text): &(String, String)| text.contains(&format!("\"{name}\""));
        if let Some((file, _)) = scripts.iter().find(|one| in_scripts(one)).or(tests.iter().find(|one| in_tests(one))) {
            wanted.insert(name.clone(), file.clone());
        }
    }
    // The compiler for the architecture that tests/run runs in an emulator. packaging/build-static has its name.
    let text = |name: &str| fs::read_to_string(own(name)).unwrap();
    let arch =
        text("tests/run").lines().find_map(|line| Some(line.split_once(" tests/emulated ")?.1.to_owned())).unwrap();
    let build = text("packaging/build-static");
    let line = build.lines().find(|line| line.starts_with(&format!("{arch}) target="))).unwrap();
    let cross = line.split_once(" cross=").unwrap().1.split(' ').next().unwrap();
    wanted.insert(format!("{cross}-gcc"), "packaging/build-static".to_owned());
    assert_eq!(
        find_missing(&wanted, &setup),
        [""; 0],
        "not in tests/setup, nor in the lists of tests/packaged/machine.rs"
    );
    // The negative control: without any one of its lines, a command is missing. A package may bring several.
    for (package, _) in &setup {
        let without: Vec<_> = setup.iter().filter(|(name, _)| name != package).cloned().collect();
        assert_ne!(
            find_missing(&wanted, &without),
            [""; 0],
            "nothing is missing without {package}, so that nothing calls it"
        );
    }
}

/// The reader of scripts sees each way to call a command.
#[test]
fn commands_are_found_in_scripts() {
    let script = r#"#!/bin/sh
        # comment none
        a=1 one --option | two && ! three; (four) || { five; }
        case $x in none) six ;; other | none) seven;; esac
        x="$(eight "$(nine)")" y=${z:-none} 2>&1 ten >none <none
        if command -v eleven; then exec twelve; fi
        thirteen <<END
none none; none
END
        quietly env A=b fourteen 'none; none' \
            none
        f() { fifteen; }; f; while read -r none; do sixteen; done < <(seventeen)
        echo $((1 + (2))) none"#;
    let found = find_called(&[("a".to_owned(), format!("{script}\n"))]);
    let names = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen \
                 exec quietly env echo read";
    assert_eq!(found.keys().map(String::as_str).collect::<BTreeSet<_>>(), names.split_whitespace().collect());
}

/// Runs some of the tests with this program again, in all the state that a starter may leave behind.
fn start_badly(as_found: bool) -> Start {
    let test = std::env::current_exe().unwrap();
    let start = Start::of(test).args(["--test-threads=2", "start::", "exit_codes::"]);
    let variables = [
        ("RINI_LOG", "trace"),
        ("RINI_GRACE_PERIOD", "0"),
        ("RINI_REMAP_EXIT", "7:8"),
        ("RINI_PROCESS_GROUP", "1"),
        ("TINI_VERBOSITY", "3"),
        ("DUMB_INIT_DEBUG", "1"),
        ("CATATONIT_DEBUG", "1"),
        ("LISTEN_PID", "1"),
        ("LISTEN_FDS", "3"),
        ("NOTIFY_SOCKET", "/nonexistent"),
        ("LANG", "xx_XX.UTF-8"),
        ("GREP_OPTIONS", "-v"),
        ("CDPATH", "/:/usr"),
        ("BASH_ENV", "/nonexistent"),
        ("POSIXLY_CORRECT", "1"),
        ("GIT_DIR", "/nonexistent"),
        ("TMPDIR", "no such folder"),
    ];
    let start = variables.into_iter().fold(start, |start, (name, value)| start.env(name, value));
    if as_found {
        // The variables are enough for the negative control. With the other state, each of its tests would hang until
        // its limit.
        return start.env(AS_FOUND, "1");
    }
    let signals = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGCHLD, libc::SIGUSR1];
    let set = signals.into_iter().map(bit).sum();
    start.ignored(set).blocked(set & !bit(libc::SIGCHLD)).close([0]).with(|command| {
        let change = || {
            let files = libc::rlimit { rlim_cur: 64, rlim_max: 4096 };
            // SAFETY: The system calls get numbers, and a local that outlives them.
            unsafe {
                for fd in 20..25 {
                    libc::dup2(2, fd);
                }
                libc::setrlimit(libc::RLIMIT_NOFILE, &raw const files);
                libc::umask(0o077);
            }
            Ok(())
        };
        // SAFETY: The closure runs in a forked child and makes system calls only.
        unsafe { command.current_dir("/").pre_exec(change) }
    })
}

/// The numbers of tests that passed and failed.
fn read_counts(output: &Output) -> (u32, u32) {
    let line = output.out.iter().find(|line| line.starts_with("test result: ")).unwrap_or_else(|| panic!("{output:?}"));
    let before = |what: &str| line.split(what).next().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    (before(" passed"), before(" failed"))
}

#[test]
fn how_the_tests_are_started_makes_no_difference() {
    // The probe is built here, so that the tests below build nothing.
    probe();
    let run = |as_found| start_badly(as_found).run_within(10 * LIMIT);
    let output = run(false);
    let (passed, failed) = read_counts(&output);
    assert!(passed > 10 && failed == 0, "{passed} passed, {failed} failed: {output:?}");
    // The negative control: without the reset, some of this state makes a difference.
    let (_, failed) = read_counts(&run(true));
    assert!(failed > 0, "nothing fails without `prepare`");
}

/// As in a clone below /root, other users may not enter the directory of the programs.
#[test]
fn where_other_users_may_not_enter_they_run_a_copy() {
    if !is_root() {
        return skip("only root can become another user");
    }
    let folder = tempfile::tempdir().unwrap();
    let set_mode = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    let program = folder.path().join("probe");
    copy_executable(&probe(), &program);
    let run_as_nobody = |program: &Path| {
        let mut probe = Command::new(program);
        probe.args(["exit", "7"]).uid(65_534).gid(65_534).current_dir("/").status().map(|status| status.code())
    };
    set_mode(0o755);
    assert_eq!(for_all_users(program.clone()), program);
    let assert_copied = |program: &Path| {
        let copy = for_all_users(program.to_owned());
        assert_eq!(run_as_nobody(&copy).unwrap(), Some(7));
        // The negative control.
        assert_eq!(run_as_nobody(program).unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
    };
    set_mode(0o700);
    assert_copied(&program);
    // The same by a link, and where a umask has closed the file itself.
    let open = tempfile::tempdir().unwrap();
    fs::set_permissions(open.path(), fs::Permissions::from_mode(0o755)).unwrap();
    symlink(folder.path(), open.path().join("link")).unwrap();
    assert_copied(&open.path().join("link/probe"));
    set_mode(0o755);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    assert_copied(&program);
}

/// The tests run as a background job of a terminal that stops every job that writes to it.
#[test]
fn a_job_in_the_background_runs_the_tests_too() {
    if !tools(&["bash"]) {
        return;
    }
    probe();
    // rini ignores the terminal, and nothing is stopped.
    let script = r#"stty tostop; "$0" start:: --test-threads=2 >"$1" 2>&1 & wait $!; echo ended $?"#;
    let log = tempfile::NamedTempFile::new().unwrap();
    let words = [std::env::current_exe().unwrap(), log.path().to_owned()];
    let mut shell = Session::of(Start::of("bash").args(["--norc", "-imc", script]).args(words));
    // All the tests take longer than the wait for one line.
    let has_ended = || fs::read_to_string(log.path()).unwrap().contains("test result: ");
    until_within(10 * LIMIT, "the tests have ended", has_ended);
    let line = shell.expect_with("ended ");
    assert!(line.ends_with("ended 0"), "{line}: {}", fs::read_to_string(log.path()).unwrap());
}
