//! Hostile surroundings: every combination of a user, mounts, rights, limits and streams. In each, rini runs its child
//! or refuses with one clear line.
//!
//! A run is rini as PID 1 ([`launch`]) with a child of a few instructions ([`child`]), so that a limit or a profile
//! affects rini and not a C library. The child writes to a descriptor of its own that it runs, and exits with 7.
//! [`judge`] knows what must hold, and [`find_justification`] has the reasons for exceptions. The results are in
//! target/proof/surroundings.md.
//!
//! By default any three values of different axes meet in some run. With `RINI_PROOF=long` every combination of the
//! surroundings runs too, with rini's actions in turn.
//!
//! The probe in rini's place shows that each surrounding is in force: it tries what should not work there
//! ([`each_surrounding_is_in_force`]). Programs with mistakes show that the oracle sees these.
//!
//! packaging/seccomp.json lists rini's own system calls, and [`calls`] checks the list.

pub mod calls;
mod launch;

use crate::support::{LIMIT, executable, namespaces, probe, rini, skip, user_namespaces};
use calls::{Answer, Group};
use launch::{End, Files, Filter, Groups, Limit, Outcome, Program, Rights, Streams, Surroundings, USUAL, User};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fmt::Write;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const USERS: &[User] = &[User::Root, User::Nobody, User::RootOfNamespace];
const FILES: &[Files] =
    &[Files::Usual, Files::ReadOnly, Files::NoProc, Files::NoDev, Files::MaskedProc, Files::ForeignProc];
const RIGHTS: &[Rights] = &[
    Rights::Usual,
    Rights::NoCapabilities,
    Rights::NoNewPrivileges,
    Rights::Docker,
    Rights::Refusing,
    Rights::Killing,
];
/// The limit for a run that is known to hang. The other runs may be slow on a busy machine.
const SHORT: Duration = Duration::from_millis(300);

const LIMITS: &[Limit] = &[
    Limit::None,
    Limit::Memory(1 << 20),
    Limit::Pids(2),
    Limit::Pids(1),
    Limit::Processes(1),
    Limit::Descriptors(3),
    Limit::Space(2 << 20),
    Limit::FileSize(0),
];
const STREAMS: &[Streams] = &[
    Streams::Usual,
    Streams::InClosed,
    Streams::OutClosed,
    Streams::ErrClosed,
    Streams::AllClosed,
    Streams::OutFull,
    Streams::ErrFull,
    Streams::ErrFullPipe,
    Streams::OutBroken,
    Streams::ErrBroken,
    Streams::ErrFile,
    Streams::HungUp,
];

/// The task of rini in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    /// Its child exits at once.
    Exit,
    /// rini forwards a signal, which ends its child.
    Forward,
    /// The same, and rini logs all it can.
    Say,
    /// rini prints its version.
    Version,
    /// The program does not exist.
    NotFound,
}
const ACTIONS: &[Action] = &[Action::Exit, Action::Forward, Action::Say, Action::Version, Action::NotFound];

/// A program of a few assembler instructions. It blocks every signal, writes `ran` to descriptor 3 and exits with 7.
/// With an argument that begins with `s` it first waits for SIGTERM, and writes `got`. It exits with another code if
/// another signal came, or a second one.
#[cfg(target_arch = "x86_64")]
mod child {
    std::arch::global_asm!(
        ".pushsection .rodata",
        "rini_test_child: mov rbx, [rsp + 16]",
        "mov eax, 14",
        "mov edi, 2",
        "lea rsi, [rip + 7f]",
        "xor edx, edx",
        "mov r10d, 8",
        "syscall",
        "lea rsi, [rip + 8f]",
        "call 6f",
        "cmp byte ptr [rbx], 's'",
        "jne 4f",
        "xor edx, edx",
        "call 5f",
        "cmp eax, 15",
        "jne 3f",
        "lea rdx, [rip + 9f]",
        "call 5f",
        "cmp eax, 0",
        "jg 3f",
        "lea rsi, [rip + 8f + 4]",
        "call 6f",
        "jmp 4f",
        "3: lea edi, [rax + 100]",
        "mov eax, 231",
        "syscall",
        "4: mov edi, 7",
        "mov eax, 231",
        "syscall",
        "5: mov eax, 128",
        "lea rdi, [rip + 7f]",
        "xor esi, esi",
        "mov r10d, 8",
        "syscall",
        "ret",
        "6: mov eax, 1",
        "mov edi, 3",
        "mov edx, 4",
        "syscall",
        "ret",
        "7: .quad -1",
        "9: .quad 0, 0",
        "8: .ascii \"ran\\ngot\\n\"",
        "rini_test_child_end: .popsection",
    );
    unsafe extern "C" {
        static rini_test_child: u8;
        static rini_test_child_end: u8;
    }

    /// An ELF file: its header, one segment, the code.
    pub fn file() -> Vec<u8> {
        // SAFETY: The two symbols are the ends of the code above.
        let code = unsafe {
            let (begin, end) = (&raw const rini_test_child, &raw const rini_test_child_end);
            std::slice::from_raw_parts(begin, end.offset_from(begin) as usize)
        };
        let (address, head) = (0x10_0000_u64, 120_u64);
        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
        for number in [address + head, 64, 0] {
            file.extend(number.to_le_bytes());
        }
        file.extend(b"\0\0\0\0\x40\0\x38\0\x01\0\0\0\0\0\0\0\x01\0\0\0\x05\0\0\0");
        let size = head + code.len() as u64;
        for number in [0, address, address, size, size, 4096] {
            file.extend(number.to_le_bytes());
        }
        file.extend(code);
        file
    }
}

/// The parts that all runs share.
struct Stage {
    folder: tempfile::TempDir,
    filters: BTreeMap<Rights, Filter>,
    time_limit: Duration,
}

impl Stage {
    /// Returns None if something is missing, and prints SKIPPED.
    fn set() -> Option<Stage> {
        if !namespaces() || !user_namespaces() {
            return None;
        }
        if cfg!(not(target_arch = "x86_64")) {
            skip("the child is in the assembly of x86_64");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        #[cfg(target_arch = "x86_64")]
        executable(folder.path(), "child", child::file());
        let mut filters = BTreeMap::new();
        filters.insert(
            Rights::Refusing,
            calls::filter(&calls::listed(&[Group::Needed, Group::Musl, Group::Glibc]), Answer::Refuse),
        );
        filters.insert(Rights::Killing, calls::filter(&calls::listed(Group::ALL), Answer::Kill));
        if let Some(filter) = calls::docker_filter(&folder.path().join("child")) {
            filters.insert(Rights::Docker, filter);
        }
        Some(Stage { folder, filters, time_limit: LIMIT })
    }

    fn child(&self) -> PathBuf {
        self.folder.path().join("child")
    }

    fn words(&self, action: Action) -> Vec<CString> {
        let (rini, child) = (rini(), self.child());
        let text = |word: &'static str| Path::new(word);
        let words: &[&Path] = match action {
            Action::Exit => &[&rini, &child, text("exit")],
            Action::Forward => &[&rini, &child, text("signal")],
            Action::Say => &[&rini, text("-vvv"), &child, text("signal")],
            Action::Version => &[&rini, text("--version")],
            Action::NotFound => &[&rini, text("/no/such")],
        };
        words.iter().map(|word| CString::new(word.as_os_str().as_bytes()).unwrap()).collect()
    }

    fn run(&self, surroundings: &Surroundings, action: Action, groups: Option<&Groups>) -> Outcome {
        let signal = matches!(action, Action::Forward | Action::Say).then_some(libc::SIGTERM);
        self.start(surroundings, &self.words(action), signal, groups)
    }

    fn start(
        &self,
        surroundings: &Surroundings,
        argv: &[CString],
        signal: Option<i32>,
        groups: Option<&Groups>,
    ) -> Outcome {
        let filter = self.filters.get(&surroundings.rights);
        launch::run(surroundings, &Program { argv, filter, signal, time_limit: self.time_limit }, groups)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The child ran and rini exits with its code; or rini did what the action demands.
    Done,
    /// One line and the documented code.
    Refused,
    Wrong(&'static str),
}

/// Judges a run.
fn judge(action: Action, surroundings: &Surroundings, outcome: &Outcome) -> Verdict {
    let Outcome { effect, out, err, .. } = outcome;
    let code = match outcome.end {
        End::Hung => return Verdict::Wrong("it does not end"),
        End::Killed(_) => return Verdict::Wrong("rini is killed by a signal"),
        End::Exited(code) => code,
    };
    let lines = err.as_ref().map(|err| err.lines().collect::<Vec<_>>());
    if lines.iter().flatten().any(|line| !line.starts_with("rini: ")) {
        return Verdict::Wrong("a line is not rini's");
    }
    // Nobody can see standard error, or it is a file that cannot be written.
    let blind =
        lines.is_none() || (surroundings.streams == Streams::ErrFile && surroundings.limit == Limit::FileSize(0));
    let said = lines.as_ref().map_or(0, Vec::len);
    let (silent, one, some) = (said == 0, blind || said == 1, blind || said > 0);
    let done = match action {
        Action::Exit => code == 7 && effect == "ran\n" && silent,
        Action::Forward => code == 7 && effect == "ran\ngot\n" && silent,
        Action::Say => code == 7 && effect == "ran\ngot\n" && some,
        Action::Version => {
            code == 0 && silent && out.as_ref().is_some_and(|out| out.lines().count() == 1 && out.starts_with("rini "))
        }
        Action::NotFound => code == 127 && effect.is_empty() && one,
    };
    match code {
        _ if done => Verdict::Done,
        1 if effect.is_empty() && one => Verdict::Refused,
        1 if effect.is_empty() && action == Action::Say && some => Verdict::Refused,
        1 => Verdict::Wrong("it refuses, and does not say why in one line"),
        7 if action != Action::NotFound => Verdict::Wrong("the child has ended, and something else is wrong"),
        _ => Verdict::Wrong("the code is another"),
    }
}

/// True if the surroundings cause a refusal.
fn is_refusal_expected(action: Action, surroundings: &Surroundings) -> bool {
    use Streams::*;
    let out = matches!(surroundings.streams, OutClosed | AllClosed | OutFull | OutBroken | HungUp);
    match action {
        Action::Version => out,
        _ => match surroundings.limit {
            Limit::Pids(1) => true,
            // For root the kernel does not count the processes, nor for a user with the same capabilities.
            Limit::Processes(_) => surroundings.user != User::Root || surroundings.rights == Rights::NoCapabilities,
            _ => false,
        },
    }
}

/// The reason for an exception.
fn find_justification(outcome: &Outcome) -> Option<&'static str> {
    (outcome.oom_kills > 0).then_some("the kernel killed rini or its child for their memory, and says so in the cgroup")
}

/// Makes rows with one value for each axis, such that any `strength` values of different axes meet in a row. Each row
/// starts with a combination that is still missing, and its other values add as many new combinations as possible.
fn cover(axes: &[usize], strength: usize) -> Vec<Vec<usize>> {
    fn tuples(axes: &[usize], strength: usize, from: usize) -> Vec<Vec<(usize, usize)>> {
        if strength == 0 {
            return vec![vec![]];
        }
        let mut all = Vec::new();
        for axis in from..axes.len() {
            for rest in tuples(axes, strength - 1, axis + 1) {
                all.extend((0..axes[axis]).map(|value| [&[(axis, value)][..], &rest].concat()));
            }
        }
        all
    }
    let mut missing = tuples(axes, strength, 0);
    let mut rows = Vec::new();
    while let Some(first) = missing.last() {
        let mut row: Vec<Option<usize>> = vec![None; axes.len()];
        for (axis, value) in first {
            row[*axis] = Some(*value);
        }
        let fits = |row: &[Option<usize>], tuple: &[(usize, usize)], all: bool| {
            tuple.iter().all(|(axis, value)| row[*axis].map_or(!all, |has| has == *value))
        };
        for axis in 0..axes.len() {
            if row[axis].is_none() {
                let gain = |value: usize| {
                    let mut with = row.clone();
                    with[axis] = Some(value);
                    let new =
                        missing.iter().filter(|tuple| tuple.contains(&(axis, value)) && fits(&with, tuple, false));
                    (new.count(), std::cmp::Reverse(value))
                };
                row[axis] = (0..axes[axis]).max_by_key(|value| gain(*value));
            }
        }
        missing.retain(|tuple| !fits(&row, tuple, true));
        rows.push(row.into_iter().flatten().collect());
    }
    rows
}

fn write_report(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/proof");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{name}.md")), text).unwrap();
}

fn long() -> bool {
    std::env::var_os("RINI_PROOF").is_some_and(|value| value == "long")
}

#[test]
fn rini_runs_or_refuses_with_one_line() {
    let Some(stage) = Stage::set() else { return };
    let axes = [USERS.len(), FILES.len(), RIGHTS.len(), LIMITS.len(), STREAMS.len(), ACTIONS.len()];
    let mut rows = cover(&axes, 3);
    if long() {
        let surroundings: usize = axes[..5].iter().product();
        rows.extend((0..surroundings).map(|number| {
            let mut rest = number;
            // The action differs between the rows, because 5 divides none of the other counts.
            let mut row: Vec<usize> = axes[..5].iter().map(|count| (rest % count, rest /= count).0).collect();
            row.push(number % axes[5]);
            row
        }));
    }
    let mut points: Vec<(Surroundings, Action)> = rows
        .iter()
        .map(|row| {
            let (user, files, rights) = (USERS[row[0]], FILES[row[1]], RIGHTS[row[2]]);
            (Surroundings { user, files, rights, limit: LIMITS[row[3]], streams: STREAMS[row[4]] }, ACTIONS[row[5]])
        })
        .collect();
    points.retain(|(surroundings, _)| {
        surroundings.rights != Rights::Docker || stage.filters.contains_key(&Rights::Docker)
    });
    let started = Instant::now();
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for worker in 0..3 {
            let (stage, points, next, results) = (&stage, &points, &next, &results);
            scope.spawn(move || {
                let groups = Groups::make(&format!("rini-{}-{worker}", std::process::id()));
                while let Some((surroundings, action)) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if groups.is_none() && matches!(surroundings.limit, Limit::Memory(_) | Limit::Pids(_)) {
                        continue;
                    }
                    let outcome = stage.run(surroundings, *action, groups.as_ref());
                    results.lock().unwrap().push((*surroundings, *action, outcome));
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    let took = started.elapsed();
    let (mut surprising, mut rows, mut refusals) = (String::new(), BTreeMap::new(), BTreeMap::new());
    for (surroundings, action, outcome) in &results {
        let Surroundings { user, files, rights, limit, streams } = surroundings;
        let verdict = judge(*action, surroundings, outcome);
        let column = match verdict {
            Verdict::Done => 0,
            Verdict::Refused if is_refusal_expected(*action, surroundings) => 1,
            _ if find_justification(outcome).is_some() => 2,
            _ => 3,
        };
        if column == 3 {
            let _ = writeln!(surprising, "{verdict:?}: {action:?} {surroundings:?}: {outcome:?}");
        }
        let line = outcome.err.as_ref().and_then(|err| err.lines().next());
        if let (1, Some(line)) = (column, line) {
            *refusals.entry(line.to_owned()).or_insert(0) += 1;
        }
        let axes = [
            format!("{user:?}"),
            format!("{files:?}"),
            format!("{rights:?}"),
            format!("{limit:?}"),
            format!("{streams:?}"),
        ];
        for (axis, value) in axes.into_iter().chain([format!("{action:?}")]).enumerate() {
            let (name, at) = (["user", "files", "rights", "limit", "streams", "to do"][axis], axis);
            rows.entry((at, name, value)).or_insert([0; 4])[column] += 1;
        }
    }
    let form = if long() {
        "the long form: every combination of the surroundings, what there is to do going round, and the short form"
    } else {
        "the short form: every three values of different axes together"
    };
    let mut report = format!(
        "## Hostile surroundings\n\n{} runs, in {:.1} s, {form}. Each is rini as PID 1 with a child of some instructions. It has run if the \
        child's effect, its exit code 7 and a signal forwarded come out, and nothing that was not asked for is said; it has refused with \
        exit code 1 and one line `rini: …`. A hang, a death of rini's by a signal, another code, or no line is wrong, and so is a refusal \
        that nothing in the surroundings asks for.\n\nShown in other tests: that each surrounding is in force (another program in the same \
        one meets the errno, the limit or the kill), and that a hang, a wrong code, a missing line and a death are noticed.\n\n\
        | axis | value | ran | refused | justified | wrong |\n|---|---|---:|---:|---:|---:|\n",
        results.len(),
        took.as_secs_f64(),
    );
    for ((_, axis, value), [ran, refused, justified, wrong]) in &rows {
        report += &format!("| {axis} | {value} | {ran} | {refused} | {justified} | {wrong} |\n");
    }
    report += "\nThe refusals that could be read:\n\n| line | times |\n|---|---:|\n";
    for (line, count) in refusals {
        report += &format!("| `{line}` | {count} |\n");
    }
    write_report("surroundings", &report);
    let count = surprising.lines().count();
    assert!(surprising.is_empty(), "{count} of {}:\n{surprising}", results.len());
}

fn c_words(words: &[&str]) -> Vec<CString> {
    words.iter().map(|word| CString::new(*word).unwrap()).collect()
}

/// The negative control: the oracle sees the mistakes of other programs in rini's place.
#[test]
fn the_oracle_sees_mistakes() {
    let Some(mut stage) = Stage::set() else { return };
    let time_limit = stage.time_limit;
    let child = stage.child();
    for (words, action, wrong) in [
        (&[child.to_str().unwrap(), "signal"][..], Action::Exit, "it does not end"),
        (&["/bin/true"], Action::Exit, "the code is another"),
        (&["/bin/false"], Action::Exit, "it refuses, and does not say why in one line"),
        (
            &["/bin/sh", "-c", "echo rini: no >&2; echo rini: no >&2; exit 1"],
            Action::Exit,
            "it refuses, and does not say why in one line",
        ),
        (&["/bin/sh", "-c", "echo no >&2; exit 1"], Action::Exit, "a line is not rini's"),
        (&["/bin/sh", "-c", "exit 7"], Action::Exit, "the child has ended, and something else is wrong"),
        (&[child.to_str().unwrap(), "exit"], Action::Forward, "the child has ended, and something else is wrong"),
        (&["/bin/sh", "-c", "exit 1"], Action::NotFound, "it refuses, and does not say why in one line"),
    ] {
        stage.time_limit = if wrong == "it does not end" { SHORT } else { time_limit };
        let outcome = stage.start(&USUAL, &c_words(words), None, None);
        assert_eq!(judge(action, &USUAL, &outcome), Verdict::Wrong(wrong), "{words:?}: {outcome:?}");
    }
    let killing = Surroundings { rights: Rights::Killing, ..USUAL };
    let outcome = stage.start(&killing, &c_words(&["/bin/sh", "-c", "exit 7"]), None, None);
    assert_eq!(judge(Action::Exit, &killing, &outcome), Verdict::Wrong("rini is killed by a signal"), "{outcome:?}");
}

/// A shell tries each surrounding, and writes its result to descriptor 3 or to standard error. In the usual
/// surroundings the result must be another.
#[test]
fn each_surrounding_is_in_force() {
    let Some(mut stage) = Stage::set() else { return };
    let groups = Groups::make(&format!("rini-{}-control", std::process::id()));
    const STATUS: &str = "while read -r key value; do [ $key != KEY: ] || echo $value >&3; done </proc/self/status";
    let status = |key: &str| STATUS.replace("KEY", key);
    let out = "trap '' PIPE; echo x || echo refused >&3";
    let err = "trap '' PIPE XFSZ; echo x >&2 || echo refused >&3";
    let on = |streams| Surroundings { streams, ..USUAL };
    let within = |limit| Surroundings { limit, ..USUAL };
    let seen = |files| Surroundings { files, ..USUAL };
    let with = |rights| Surroundings { rights, ..USUAL };
    let nobody = Surroundings { user: User::Nobody, ..USUAL };
    let mut table: Vec<(Surroundings, String, &str)> = vec![
        (nobody, "/usr/bin/id -u >&3".into(), "65534"),
        (
            Surroundings { user: User::RootOfNamespace, ..USUAL },
            "read -r a b c </proc/self/uid_map; echo $a $b $c >&3".into(),
            "0 65534 1",
        ),
        (seen(Files::ReadOnly), "/bin/mkdir /rini-x && /bin/rmdir /rini-x || echo refused >&3".into(), "refused"),
        (seen(Files::NoProc), "[ -e /proc/self ] || echo absent >&3".into(), "absent"),
        (
            seen(Files::ForeignProc),
            "read -r pid rest </proc/self/stat; [ $pid = $$ ] || echo foreign >&3".into(),
            "foreign",
        ),
        (seen(Files::NoDev), "[ -e /dev/null ] || echo absent >&3".into(), "absent"),
        (seen(Files::MaskedProc), "(: >/proc/sys/kernel/hostname) || echo masked >&3".into(), "masked"),
        (with(Rights::NoCapabilities), status("CapEff"), "0000000000000000"),
        (with(Rights::NoNewPrivileges), status("NoNewPrivs"), "1"),
        (Surroundings { limit: Limit::Processes(1), ..nobody }, "/bin/true; exit 0".into(), "annot fork"),
        (within(Limit::Descriptors(3)), String::new(), "Error 24"),
        (within(Limit::Space(2 << 20)), String::new(), "failed to map segment"),
        (Surroundings { limit: Limit::FileSize(0), ..on(Streams::ErrFile) }, err.into(), "refused"),
        (on(Streams::InClosed), "read -r x || echo refused >&3".into(), "refused"),
        (on(Streams::OutClosed), out.into(), "refused"),
        (on(Streams::ErrClosed), err.into(), "refused"),
        (on(Streams::AllClosed), err.into(), "refused"),
        (on(Streams::OutFull), out.into(), "refused"),
        (on(Streams::ErrFull), err.into(), "refused"),
        (on(Streams::OutBroken), out.into(), "refused"),
        (on(Streams::ErrBroken), err.into(), "refused"),
        (on(Streams::HungUp), out.into(), "refused"),
    ];
    if stage.filters.contains_key(&Rights::Docker) {
        table.push((with(Rights::Docker), "/usr/bin/unshare --mount /bin/true || echo refused >&3".into(), "refused"));
    }
    if groups.is_some() {
        table.push((within(Limit::Pids(1)), "/bin/true; exit 0".into(), "annot fork"));
        table.push((within(Limit::Pids(2)), "/bin/true && /bin/true | /bin/true; exit 0".into(), "annot fork"));
    }
    let mut not_so = String::new();
    for (surroundings, script, expected) in table {
        let words = c_words(&["/bin/sh", "-c", &script]);
        let found = |surroundings: &Surroundings| {
            let outcome = stage.start(surroundings, &words, None, groups.as_ref());
            (
                outcome.effect.trim() == expected || outcome.err.as_ref().is_some_and(|err| err.contains(expected)),
                outcome,
            )
        };
        let (there, outcome) = found(&surroundings);
        if !there {
            let _ = writeln!(not_so, "{surroundings:?}: {outcome:?}");
        }
        if surroundings.streams != Streams::InClosed {
            let (there, outcome) = found(&USUAL);
            if there {
                let _ = writeln!(not_so, "as usual: {script}: {outcome:?}");
            }
        }
    }
    assert!(not_so.is_empty(), "{not_so}");
    let time_limit = std::mem::replace(&mut stage.time_limit, SHORT);
    let full = stage.start(&on(Streams::ErrFullPipe), &c_words(&["/bin/sh", "-c", "echo x >&2"]), None, None);
    assert_eq!(full.end, End::Hung, "a write to a full pipe waits");
    stage.time_limit = time_limit;
    let killed = stage.start(&with(Rights::Killing), &c_words(&["/bin/sh", "-c", ""]), None, None);
    assert_eq!(killed.end, End::Killed(libc::SIGSYS));
    // The shell's loader is refused the calls that it needs, but nobody kills it for that.
    let refused = stage.start(&with(Rights::Refusing), &c_words(&["/bin/sh", "-c", ""]), None, None);
    assert!(!matches!(refused.end, End::Exited(0) | End::Killed(libc::SIGSYS)), "{refused:?}");
    let words = c_words(&[probe().to_str().unwrap(), "eat", "8"]);
    if let Some(groups) = &groups {
        let eaten = stage.start(&within(Limit::Memory(1 << 20)), &words, None, Some(groups));
        assert!(eaten.end == End::Killed(libc::SIGKILL) && eaten.oom_kills > 0, "{eaten:?}");
    } else {
        skip("no cgroup can be made, so there are no runs with a limit of memory or of processes");
    }
    assert_eq!(stage.start(&USUAL, &words, None, None).end, End::Exited(0));
}

/// The profile leaves out one of rini's system calls. If rini can do without the call, its child still runs. If the
/// list says that rini needs the call, the run must fail, or the filters above would show nothing.
#[test]
fn rini_does_without_what_it_does_not_need() {
    let Some(mut stage) = Stage::set() else { return };
    let time_limit = stage.time_limit;
    let all = calls::listed(Group::ALL);
    let mut report = String::from("| call | group | EPERM | ENOSYS | killed |\n|---|---|---|---|---|\n");
    let mut wrong = Vec::new();
    for group in [Group::Needed, Group::Used] {
        // Without execve nothing starts.
        for name in calls::listed(&[group]).into_iter().filter(|name| name != "execve") {
            stage.time_limit = match &*name {
                // Without this call signals cannot be blocked, and the run does not end.
                "rt_sigprocmask" => SHORT,
                // Without this call the program cannot write that it runs, and the signal waits for that.
                "write" => 10 * SHORT,
                _ => time_limit,
            };
            let rest: Vec<String> = all.iter().filter(|other| **other != name).cloned().collect();
            let filters = [
                calls::without(&name, libc::EPERM),
                calls::without(&name, libc::ENOSYS),
                calls::filter(&rest, Answer::Kill),
            ];
            let results = filters.map(|filter| {
                stage.filters.insert(Rights::Killing, filter);
                let outcome = stage.run(&Surroundings { rights: Rights::Killing, ..USUAL }, Action::Forward, None);
                let runs = outcome.end == End::Exited(7) && outcome.effect == "ran\ngot\n";
                let what = match outcome.end {
                    _ if runs => "runs".to_owned(),
                    End::Exited(code) => format!("ends with {code}"),
                    End::Killed(signal) => format!("killed by {signal}"),
                    End::Hung => "waits for ever".to_owned(),
                };
                (runs, what)
            });
            if group == Group::Used && !(results[0].0 && results[1].0) {
                wrong.push(format!("{name}: {results:?}"));
            }
            // These two do not show here: rini needs them for messages and for the grace period.
            if group == Group::Needed && results[2].0 && !["kill", "poll"].contains(&&*name) {
                wrong.push(format!("{name}: {results:?}"));
            }
            let [refused, unknown, killed] = results.map(|(_, what)| what);
            report += &format!("| {name} | {group:?} | {refused} | {unknown} | {killed} |\n");
        }
    }
    write_report(
        "surroundings-without",
        &format!("## Each system call left out\n\n`rini child`, and a SIGTERM to it.\n\n{report}"),
    );
    assert!(wrong.is_empty(), "{wrong:#?}\n{report}");
}
