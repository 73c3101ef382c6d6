//! Storms: so many orphans, signals, forks, starts and exits that an event with a chance of one in ten thousand happens
//! here.
//!
//! Each test is one storm. By default the storms are short. With `RINI_PROOF=long` they have the full counts, and take
//! a quarter of an hour. Each storm has an oracle, which knows for each process or signal what rini must do with it,
//! and a negative control: the same oracle on an init or a record with a mistake.
//!
//! Each storm writes its results to target/proof/storms/NAME.md, and all of these together to target/proof/storms.md.
//!
//! Three storms need a signal at a certain microsecond. They start rini with a raw clone ([`launch`]), spin on the
//! clock, and read in /proc whether rini had blocked the signals when the signal was sent.

use crate::docker::{self, Container};
use crate::support::{
    LIMIT, Running, Start, beside, can_enter, children_of, executable, is_long, namespaces, pid1, probe, probing, rini,
    state, status_field, until, zombies_of,
};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::fmt::{Debug, Write as _};
use std::fs::{self, File};
use std::hint;
use std::io::{self, Read, Seek as _, Write as _};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

/// The storms in the order of the report.
const PARTS: &[&str] =
    &["orphans", "values", "random", "fork-bomb", "faster-than-reaped", "spawn", "sweep", "start-stop", "leftover"];

/// The number of rounds in the short or the long form.
fn count(short: usize, long: usize) -> usize {
    if is_long() { long } else { short }
}

/// Writes a storm's part of the report, and the report of all parts that exist.
fn report(part: &str, title: &str, began: Instant, text: &str) {
    static WRITING: Mutex<()> = Mutex::new(());
    let _alone = WRITING.lock();
    let proof = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/proof");
    let file = |part: &str| proof.join("storms").join(part).with_extension("md");
    fs::create_dir_all(proof.join("storms")).unwrap();
    let form = if is_long() { "long" } else { "short" };
    let took = began.elapsed().as_secs_f64();
    fs::write(file(part), format!("### {title}\n\n{text}\nThe {form} form, {took:.1} s.\n")).unwrap();
    let parts: Vec<_> = PARTS.iter().filter_map(|part| fs::read_to_string(file(part)).ok()).collect();
    fs::write(proof.join("storms.md"), format!("## Storms\n\n{}", parts.join("\n"))).unwrap();
}

/// A user id that nothing else has, not even another run of these tests: some limits of the kernel count all processes
/// of a user.
fn choose_user(which: u32) -> u32 {
    0x1000_0000 + std::process::id() * 4 + which
}

/// Random numbers (xorshift64*), the same for the same seed.
struct Random(u64);

impl Random {
    /// `RINI_SEED=N` repeats a run.
    fn new() -> (u64, Random) {
        let given = std::env::var("RINI_SEED").ok().map(|text| text.parse().expect("RINI_SEED is a number"));
        let now = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        let seed = given.unwrap_or_else(now) | 1;
        (seed, Random(seed))
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit
    }
}

/// The memory of a process in KiB, and its descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Footprint {
    resident: u64,
    dirty: u64,
    descriptors: usize,
}

impl Footprint {
    fn of(pid: Pid) -> Footprint {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        let field = |name: &str| {
            let value = rollup.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
            value.unwrap_or_else(|| panic!("no {name} in {rollup}")).parse().unwrap()
        };
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        Footprint { resident: field("Rss:"), dirty: field("Private_Dirty:"), descriptors }
    }

    /// Describes what has grown. Resident pages of the file do not count: the kernel may drop them, and maps sixteen at
    /// once when one is first touched. A leak shows in pages that were written to.
    fn growth(self, later: Footprint) -> Option<String> {
        let same = later.dirty <= self.dirty && later.descriptors <= self.descriptors;
        (!same).then(|| format!("{self:?} has become {later:?}"))
    }

    fn cells(self) -> String {
        format!("{} | {} | {}", self.resident, self.dirty, self.descriptors)
    }
}

/// Makes this many orphans in batches, with the probe's `batches`. Measures their init after a first batch, after half,
/// and at the end, when no zombie remains.
fn make_orphans(run: &mut Running, total: usize) -> [Footprint; 3] {
    let batch = 1000.min(total / 4);
    let parent = run.pid();
    let mut made = 0;
    let mut make = |until_made: usize| {
        while made < until_made {
            let now = batch.min(until_made - made);
            writeln!(run.stdin.as_mut().unwrap(), "{now}").unwrap();
            run.expect(&format!("made {now}"));
            made += now;
        }
        until("all orphans are reaped", || children_of(parent).len() == 1);
        Footprint::of(parent)
    };
    [make(batch), make(total / 2), make(total)]
}

#[test]
fn a_storm_of_orphans_leaves_no_zombie_and_no_trace() {
    if !namespaces() {
        return;
    }
    let (began, total) = (Instant::now(), count(20_000, 1_000_000));
    let mut run = pid1(probing(&["-v"], &["batches"])).spawn();
    let prints = make_orphans(&mut run, total);
    assert_eq!(zombies_of(run.pid()), 0);
    drop(run.stdin.take());
    let output = run.finish();
    assert_eq!(output.code(), 3, "{output:?}");
    let [first, half, end] = prints;
    assert_eq!((first.growth(half), first.growth(end)), (None, None));
    let reaped = output.err.iter().find_map(|line| line.rsplit_once("orphans reaped: ")).map(|(_, count)| count);
    assert_eq!(reaped.and_then(|count| count.parse().ok()), Some(total), "{:?}", output.err);

    // The negative controls: an init that keeps something of each orphan, and the probe, which is no init.
    let mut run = Start::of(probe()).args(["keeper"]).args(probing(&[], &["batches"])).in_namespace().spawn();
    let control_total = 2000;
    let [kept, _, kept_more] = make_orphans(&mut run, control_total);
    let seen = kept.growth(kept_more).expect("what the negative control keeps is seen");
    assert!(kept_more.dirty > kept.dirty && kept_more.descriptors > kept.descriptors, "{seen}");
    drop(run.stdin.take());
    assert_eq!(run.finish().code(), 3);
    let mut run = Start::of(probe()).args(["batches"]).in_namespace().spawn();
    writeln!(run.stdin.as_mut().unwrap(), "100").unwrap();
    run.expect("made 100");
    until("100 zombies", || zombies_of(run.pid()) == 100);
    drop(run.stdin.take());
    assert_eq!(run.finish().code(), 3);

    let text = format!(
        "One rini, PID 1, gets {total} orphans. It reaped {total} (its closing line), none was left as a zombie, the exit \
         code was the child's.\n\n\
         | after | resident, KiB | private and dirty, KiB | descriptors |\n|---|---|---|---|\n\
         | the first {} | {} |\n| half | {} |\n| all | {} |\n\n\
         What is private and dirty, and the descriptors, must not grow at all. Negative controls: an init that keeps a note \
         of each orphan and some descriptors went from {} to {} KiB and from {} to {} descriptors in {control_total}, and was \
         noticed; a program as PID 1 had 100 zombies of 100 orphans.\n",
        1000.min(total / 4),
        first.cells(),
        half.cells(),
        end.cells(),
        kept.dirty,
        kept_more.dirty,
        kept.descriptors,
        kept_more.descriptors,
    );
    report("orphans", "Orphans", began, &text);
}

/// A line of the probe's `signals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Recorded {
    signal: i32,
    code: i32,
    pid: i32,
    value: usize,
}

impl Recorded {
    fn of(line: &str) -> Recorded {
        let words: Vec<_> = line.split(' ').collect();
        let ["signal", signal, "code", code, "pid", pid, "uid", _, "value", value] = words[..] else {
            panic!("not a signal: {line:?}")
        };
        let number = |word: &str| word.parse().unwrap();
        Recorded { signal: number(signal), code: number(code), pid: number(pid), value: value.parse().unwrap() }
    }
}

/// Waits until rini has forwarded all signals, and its child has taken all of them.
fn settle(rini: Pid, child: Pid) {
    let pending = |pid: Pid| {
        ["SigPnd", "ShdPnd"].iter().any(|name| u64::from_str_radix(&status_field(pid, name), 16).unwrap() != 0)
    };
    // The order matters: if rini sleeps and nothing is pending, it has forwarded everything.
    until("rini has passed on everything", || !pending(rini) && state(rini) == Some('S'));
    until("the child has taken everything", || !pending(child) && state(child) == Some('S'));
}

/// A process that queues signals to rini, and the range of its values.
struct Queuer {
    pid: i32,
    first: usize,
    count: usize,
}

/// Lists what is wrong with a record: a value that is missing, doubled, foreign, or out of order.
fn find_lost_or_doubled(queuers: &[Queuer], record: &[Recorded]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut times = BTreeMap::new();
    let mut last = BTreeMap::new();
    for entry in record {
        *times.entry(entry.value).or_insert(0) += 1;
        let queuer = queuers.iter().find(|queuer| (queuer.first..queuer.first + queuer.count).contains(&entry.value));
        let signal = 32 + (entry.value % 33) as i32;
        if queuer.is_none_or(|queuer| (queuer.pid, signal, libc::SI_QUEUE) != (entry.pid, entry.signal, entry.code)) {
            wrong.push(format!("nobody sent {entry:?}"));
            continue;
        }
        if let Some(before) = last.insert((entry.pid, entry.signal), entry.value)
            && before >= entry.value
        {
            wrong.push(format!("{entry:?} came behind {before}"));
        }
    }
    for value in queuers.iter().flat_map(|queuer| queuer.first..queuer.first + queuer.count) {
        match times.get(&value) {
            Some(1) => (),
            Some(count) => wrong.push(format!("{value} came {count} times")),
            None => wrong.push(format!("{value} is lost")),
        }
    }
    wrong
}

/// Many processes queue values to rini, whose user may have this many queued signals. Returns the record, and the
/// number of times that a sender was refused.
fn flood(senders: usize, each: usize, limit: Option<u64>) -> (Vec<Queuer>, Vec<Recorded>, usize) {
    // The kernel counts the queued signals of all processes of a user together.
    let user = choose_user(u32::from(limit.is_some()));
    let limit_queue = move || {
        let Some(limit) = limit else { return Ok(()) };
        let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
        // SAFETY: The struct outlives the call.
        let set = unsafe { libc::setrlimit(libc::RLIMIT_SIGPENDING, &raw const limit) };
        if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: The closure makes a system call only.
    let start = pid1(probing(&[], &["signals", "15"])).with(|command| unsafe { command.pre_exec(limit_queue) });
    let mut run = start.user(user).spawn();
    run.expect_ready();
    let child = run.only_child();
    let first = |sender: usize| 1_000_000 * (sender + 1);
    // The child takes nothing until all senders are there. So they meet a full queue, if there is a limit.
    kill(child, Signal::SIGSTOP).unwrap();
    let send = |sender: usize| run.inside(&["queue", "1", &first(sender).to_string(), &each.to_string()]);
    let running: Vec<_> = (0..senders).map(send).collect();
    let is_probe = |pid: Pid| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "probe\n");
    for queuer in &running {
        // nsenter forks, because the namespace is for its children.
        until("the sender is there", || {
            state(queuer.pid()).is_none_or(|state| state == 'Z') || children_of(queuer.pid()).into_iter().any(is_probe)
        });
    }
    kill(child, Signal::SIGCONT).unwrap();
    let (mut queuers, mut refused, mut record) = (Vec::new(), 0, Vec::new());
    for (sender, mut queuer) in running.into_iter().enumerate() {
        let line = queuer.line();
        let numbers: Vec<usize> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [sent, pid, refusals] = numbers[..] else { panic!("{line:?}") };
        assert_eq!((sent, queuer.finish().code()), (each, 0));
        queuers.push(Queuer { pid: pid as i32, first: first(sender), count: each });
        refused += refusals;
    }
    settle(run.pid(), child);
    run.signal(libc::SIGTERM);
    let output = run.finish();
    assert_eq!(output.code(), 0, "{:?}", output.err);
    // The child also gets the SIGCONT from above, by kill and from outside.
    let lines = output.out.iter().map(|line| Recorded::of(line));
    record.extend(lines.filter(|entry| (entry.signal, entry.code, entry.pid) != (libc::SIGCONT, libc::SI_USER, 0)));
    let last = record.pop().unwrap();
    assert_eq!(last.signal, libc::SIGTERM, "{last:?}");
    (queuers, record, refused)
}

/// A change of a record.
type Change<'a> = &'a dyn Fn(&mut Vec<Recorded>);

fn shown<T: Debug>(wrong: &[T]) -> String {
    format!("{} in all, such as {:?}", wrong.len(), &wrong[..wrong.len().min(8)])
}

#[test]
fn a_storm_of_queued_signals_loses_no_value() {
    if !namespaces() || !can_enter() {
        return;
    }
    let (began, senders) = (Instant::now(), 20);
    let each = count(2_000, 100_000) / senders / 2;
    let mut table =
        "| signals that may be queued | senders | values each | refused, and sent again | arrived once, in order | \
                     lost | doubled |\n|---|---|---|---|---|---|---|\n"
            .to_owned();
    for limit in [None, Some(64)] {
        let (queuers, record, refused) = flood(senders, each, limit);
        let wrong = find_lost_or_doubled(&queuers, &record);
        assert!(wrong.is_empty(), "limit {limit:?}: {}", shown(&wrong));
        assert_eq!(record.len(), senders * each);
        let limited = limit.map_or("the machine's".to_owned(), |limit| limit.to_string());
        // The queue must have been full, or this limit has shown nothing.
        assert!(limit.is_none() || refused > 0, "nobody was refused");
        let _ = writeln!(table, "| {limited} | {senders} | {each} | {refused} | {} | 0 | 0 |", record.len());

        // The negative controls: records with a value missing, doubled, out of order, or without its signal.
        let same = |one: &Recorded, other: &Recorded| (one.pid, one.signal) == (other.pid, other.signal);
        let pair = |one: usize| Some((one, (one + 1..record.len()).find(|other| same(&record[one], &record[*other]))?));
        let (one, other) = (0..record.len()).find_map(pair).expect("two of a sender and a number");
        let broken: [Change; 4] = [
            &|record| record.truncate(record.len() - 1),
            &|record| record.push(record[each / 2]),
            &|record| record.swap(one, other),
            &|record| record[each / 2].value = 0,
        ];
        for change in broken {
            let mut record = record.clone();
            change(&mut record);
            assert!(!find_lost_or_doubled(&queuers, &record).is_empty());
        }
    }
    let text = format!(
        "Processes in the namespace queue real-time signals, 32 to 64, to rini at once, each with a value of its own; the child \
         records number, value and sender. Every value must arrive exactly once, with its number and its sender, and those of \
         one sender and number in their order. A sender that is refused (EAGAIN: the queue is full) sends the same again.\n\n\
         {table}\nNegative controls: a record with one value missing, one doubled, two in the other order, one without its \
         value; each is noticed.\n"
    );
    report("values", "Queued real-time signals", began, &text);
}

/// The signals from 1 to 64 that can be caught, except SIGCHLD, which rini keeps.
fn catchable() -> Vec<i32> {
    (1..=64).filter(|signal| ![libc::SIGKILL, libc::SIGSTOP, libc::SIGCHLD].contains(signal)).collect()
}

/// Sends random signals one by one, with kill or with a value. Each must arrive before the next is sent.
fn one_by_one(run: &mut Running, random: &mut Random, times: usize) {
    let signals = catchable();
    for value in 1..=times {
        let signal = signals[random.below(signals.len())];
        let queued = random.below(2) == 1;
        if queued {
            run.queue(signal, value);
        } else {
            run.signal(signal);
        }
        let entry = Recorded::of(&run.line());
        assert_eq!((entry.signal, entry.value), (signal, if queued { value } else { 0 }));
    }
}

/// Lists what is wrong after a burst: a number that is missing, was never sent, or came too often. The kernel merges
/// equal pending signals below 32, and no others.
fn find_wrong_counts(sent: &BTreeMap<i32, usize>, got: &BTreeMap<i32, usize>) -> Vec<String> {
    let numbers: BTreeSet<_> = sent.keys().chain(got.keys()).collect();
    let count = |counts: &BTreeMap<i32, usize>, signal: i32| counts.get(&signal).copied().unwrap_or(0);
    let fits = |signal: i32| {
        let (sent, got) = (count(sent, signal), count(got, signal));
        if signal < 32 { (sent.min(1)..=sent).contains(&got) } else { sent == got }
    };
    let wrong = numbers.into_iter().filter(|signal| !fits(**signal));
    wrong.map(|&signal| format!("{signal}: sent {}, got {}", count(sent, signal), count(got, signal))).collect()
}

/// Sends a burst of random signals, without SIGCONT, because SIGCONT and the stops remove each other while they are
/// pending. Returns the numbers of signals that were sent and that arrived.
fn burst(run: &mut Running, random: &mut Random, size: usize) -> (usize, usize) {
    let signals: Vec<_> = catchable().into_iter().filter(|signal| *signal != libc::SIGCONT).collect();
    let (mut sent, mut got) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..size {
        let signal = signals[random.below(signals.len())];
        run.signal(signal);
        *sent.entry(signal).or_insert(0) += 1;
    }
    settle(run.pid(), run.only_child());
    // The mark after it. No other signal is pending, and no other has a value.
    run.queue(libc::SIGRTMAX(), usize::MAX);
    loop {
        let entry = Recorded::of(&run.line());
        if entry.value == usize::MAX {
            break;
        }
        *got.entry(entry.signal).or_insert(0) += 1;
    }
    let wrong = find_wrong_counts(&sent, &got);
    assert!(wrong.is_empty(), "{wrong:?}");
    (size, got.values().sum())
}

#[test]
fn a_storm_of_random_signals_arrives() {
    if !namespaces() {
        return;
    }
    let (seed, mut random) = Random::new();
    // The harness would not print it if the test were killed.
    let _ = writeln!(io::stderr(), "random signals: RINI_SEED={seed}");
    let (began, single) = (Instant::now(), count(1_000, 50_000));
    let (bursts, size) = (count(20, 500), 200);
    let mut table = "| rini is | one by one | arrived | in bursts | arrived, as the kernel merges those below 32 |\n\
                     |---|---|---|---|---|\n"
        .to_owned();
    for first in [true, false] {
        let start = if first { pid1 } else { beside };
        let mut run = start(probing(&[], &["signals"])).spawn();
        assert!(run.line().starts_with("ready "));
        one_by_one(&mut run, &mut random, single);
        let mut sums = (0, 0);
        for _ in 0..bursts {
            let (sent, arrived) = burst(&mut run, &mut random, size);
            sums = (sums.0 + sent, sums.1 + arrived);
        }
        kill(run.only_child(), Signal::SIGKILL).unwrap();
        assert_eq!(run.finish().code(), 137);
        let what = if first { "PID 1" } else { "a subreaper" };
        let _ = writeln!(table, "| {what} | {single} | {single} | {} | {} |", sums.0, sums.1);
    }
    // The negative controls: the comparison sees each mistake.
    let sent = BTreeMap::from([(10, 3), (40, 3)]);
    for got in [[(10, 0), (40, 3)], [(10, 4), (40, 3)], [(10, 1), (40, 2)], [(10, 1), (40, 4)]] {
        assert_eq!(find_wrong_counts(&sent, &BTreeMap::from(got)).len(), 1);
    }
    assert_eq!(find_wrong_counts(&sent, &BTreeMap::from([(10, 1), (40, 3), (12, 1)])).len(), 1);
    assert!(find_wrong_counts(&sent, &BTreeMap::from([(10, 2), (40, 3)])).is_empty());
    let text = format!(
        "All {} signals that can be caught, in random order, half of them with a value; the seed was {seed}. One by one, each is \
         sent when the one before was recorded, and nothing can have been merged. In bursts of {size} every number must arrive, \
         real-time signals as often as they were sent, the others at most so.\n\n{table}\n\
         Negative controls: one missing, one too many, one that was never sent; each is noticed.\n",
        catchable().len()
    );
    report("random", "All signals in random order", began, &text);
}

#[test]
fn a_fork_bomb_in_a_container_is_stopped() {
    let Some(image) = docker::image() else { return };
    let (began, rounds, made) = (Instant::now(), count(2, 10), count(5_000, 20_000));
    let limit = 64;
    let (mut most, mut lasted, mut refusals, mut last) = (0, 0, 0, None);
    for _ in 0..rounds {
        let flag = format!("--pids-limit={limit}");
        let mut container = Container::run(image, &[&flag], &["/probe", "bomb", &made.to_string()]);
        let line = container.line();
        let pid = container.pid();
        let numbers: Vec<usize> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [_, refused] = numbers[..] else { panic!("{line:?}") };
        refusals += refused;
        let before = Footprint::of(pid);
        // A zombie may be a process that has just exited. None may stay.
        for _ in 0..50 {
            let zombies: Vec<_> = children_of(pid).into_iter().filter(|child| state(*child) == Some('Z')).collect();
            most = most.max(zombies.len());
            lasted += zombies.len();
            until("these zombies are reaped", || {
                let now = children_of(pid);
                !zombies.iter().any(|zombie| now.contains(zombie) && state(*zombie) == Some('Z'))
            });
        }
        let after = Footprint::of(pid);
        assert_eq!(before.growth(after), None);
        last = Some((before, after));
        container.docker(&["stop", "--time", "25"]);
        assert_eq!(container.code(), 143);
    }
    let (before, after) = last.unwrap();
    let text = format!(
        "A container with `--pids-limit {limit}`, in which every process forks for ever and half of them end; `docker stop` while it \
         does so. {rounds} containers, at least {made} processes made in each, and {refusals} forks refused by the limit until then. \
         Each time the SIGTERM came through and the exit code was 143 (137 would be the engine's SIGKILL).\n\n\
         | zombies of rini's in {} looks | at once, at the most | that stayed |\n|---|---|---|\n| {lasted} | {most} | 0 |\n\n\
         | | resident, KiB | private and dirty, KiB | descriptors |\n|---|---|---|---|\n| at first | {} |\n| at last | {} |\n\n\
         That zombies and growth would be seen is shown by the negative controls of the storm of orphans.\n",
        rounds * 50,
        before.cells(),
        after.cells(),
    );
    report("fork-bomb", "Fork bombs under a limit of processes", began, &text);
}

#[test]
fn a_child_that_forks_faster_than_it_is_reaped_holds_up_no_signal() {
    if !namespaces() {
        return;
    }
    let (began, rounds) = (Instant::now(), count(3, 90));
    let (makers, backlog) = (3, 1000);
    let mut table =
        "| rini is | `--after-exit` | rounds | zombies when the signal was sent | exit code |\n|---|---|---|---|---|\n"
            .to_owned();
    for (first, after_exit) in [(true, "kill"), (true, "terminate"), (false, "terminate")] {
        let mut least = usize::MAX;
        for _ in 0..rounds / 3 {
            let options = ["--after-exit", after_exit];
            let start = if first { pid1 } else { beside };
            // A user of its own, so that the limit is only for this storm.
            let mut run =
                start(probing(&options, &["storm", &makers.to_string()])).processes(2500).user(choose_user(2)).spawn();
            run.expect("made 1000");
            // rini does not run at all for a while, so the child forks faster than rini reaps. PID 1 can only be
            // stopped from outside.
            run.signal(libc::SIGSTOP);
            until("there are zombies", || children_of(run.pid()).len() > backlog);
            let zombies = zombies_of(run.pid());
            least = least.min(zombies);
            run.signal(libc::SIGTERM);
            run.signal(libc::SIGCONT);
            let output = run.finish();
            assert_eq!(output.code(), 143, "{output:?}");
            // rini had to kill nothing for outliving the grace period. With `kill`, the makers may end with the container.
            let is_expected = |line: &&String| after_exit == "kill" && line.contains(" leftover processes get SIGKILL");
            assert!(output.err.iter().all(|line| is_expected(&line)), "{output:?}");
        }
        assert!(least > backlog / 2, "there were only {least} zombies");
        let what = if first { "PID 1" } else { "a subreaper" };
        let _ = writeln!(table, "| {what} | {after_exit} | {} | at least {least} | 143 |", rounds / 3);
    }
    let text = format!(
        "{makers} processes make orphans for ever. rini is stopped from outside until it has more than {backlog} children to reap, and \
         goes on with a SIGTERM in the queue, while more come. The SIGTERM must end the child, and rini with its code; with \
         `terminate` it has reaped all of them by then.\n\n{table}\n\
         The negative control is the number of zombies, which is not one that rini leaves by itself.\n"
    );
    report("faster-than-reaped", "A child that forks faster than it is reaped", began, &text);
}

/// What [`launch`] started: rini, and the end of a pipe to which rini and its child write standard output and error.
struct Launched {
    pid: Pid,
    output: File,
    text: Vec<u8>,
    began: Instant,
}

/// How rini is launched.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Way {
    pid1: bool,
    /// The test's own thread traces it, and has to wait for its stops.
    traced: bool,
}

impl Way {
    const ALL: [Way; 2] = [Way { pid1: true, traced: false }, Way { pid1: false, traced: false }];

    fn name(self) -> &'static str {
        if self.pid1 { "PID 1" } else { "a subreaper" }
    }
}

/// Starts rini with these arguments by a raw clone. Time is counted from the return of the clone: `Command` would
/// return after the exec, which is too late.
fn launch(way: Way, words: &[CString]) -> Launched {
    let mut argv: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
    argv.push(std::ptr::null());
    let (program, none) = (CString::new(rini().as_os_str().as_bytes()).unwrap(), [std::ptr::null()]);
    let mut ends = [0; 2];
    let flags = libc::SIGCHLD | if way.pid1 { libc::CLONE_NEWPID } else { 0 };
    // SAFETY: The system calls get numbers, and values that outlive them. The child has a copy of this memory, makes
    // system calls only, and becomes a program or exits.
    let pid = unsafe {
        assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), 0);
        // A shell's background job may have inherited these as ignored. Signals may come before the child's first step,
        // so they are reset here.
        libc::signal(libc::SIGINT, libc::SIG_DFL);
        libc::signal(libc::SIGTERM, libc::SIG_DFL);
        let pid = libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) as i32;
        if pid == 0 {
            // A session of its own has no terminal to hand over.
            libc::setsid();
            libc::dup2(libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC), 0);
            libc::dup2(ends[1], 1);
            libc::dup2(ends[1], 2);
            if way.traced {
                libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            }
            libc::execve(program.as_ptr(), argv.as_ptr(), none.as_ptr());
            libc::_exit(99);
        }
        pid
    };
    let began = Instant::now();
    assert!(pid > 0, "clone: {}", io::Error::last_os_error());
    // SAFETY: This closes the other end, and nothing else owns this one.
    let output = unsafe {
        libc::close(ends[1]);
        File::from_raw_fd(ends[0])
    };
    Launched { pid: Pid::from_raw(pid), output, text: Vec::new(), began }
}

/// The arguments for [`launch`]: rini under a name, its options, the probe, and the probe's arguments.
fn words(called: &str, options: &[&str], command: &[&str]) -> Vec<CString> {
    let mut words = vec![CString::new(called).unwrap()];
    words.extend(probing(options, command).iter().map(|word| CString::new(word.as_bytes()).unwrap()));
    words
}

impl Launched {
    /// Spins until this long after the clone. A sleep would end some fifty microseconds late, and differently each
    /// time.
    fn spin_until(&self, after: Duration) {
        while self.began.elapsed() < after {
            hint::spin_loop();
        }
    }

    fn signal(&self, signal: i32) {
        // SAFETY: The system call takes numbers only. The process has not been waited for, so the pid is still its own.
        assert_eq!(unsafe { libc::kill(self.pid.as_raw(), signal) }, 0);
    }

    /// True if rini has blocked the signals. The launched process had none blocked before its exec, and no child.
    /// (While rini waits for signals, the kernel shows them as not blocked; but then there is a child.)
    fn has_blocked(&self) -> bool {
        let blocked = u64::from_str_radix(&status_field(self.pid, "SigBlk"), 16).unwrap();
        blocked & 1 << (libc::SIGTERM - 1) != 0 || !children_of(self.pid).is_empty()
    }

    /// Reads more output. Returns false at the end, when nobody has the pipe any more.
    fn read(&mut self) -> bool {
        let mut poll = libc::pollfd { fd: self.output.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: The call gets one pollfd, which outlives it.
        let ready = unsafe { libc::poll(&raw mut poll, 1, LIMIT.as_millis() as i32) };
        assert_eq!(ready, 1, "nothing comes and nothing ends: {:?}, {:?}", self.text(), state(self.pid));
        let mut some = [0; 4096];
        let length = self.output.read(&mut some).unwrap();
        self.text.extend_from_slice(&some[..length]);
        length > 0
    }

    /// Reads until a line begins like this. Returns false if the output ends before.
    fn has_line(&mut self, beginning: &str) -> bool {
        loop {
            let text = self.text();
            if text.split_inclusive('\n').any(|line| line.starts_with(beginning) && line.ends_with('\n')) {
                return true;
            }
            if !self.read() {
                return false;
            }
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }

    /// Waits until nobody has the output any more, and until rini has exited.
    fn end(mut self) -> (End, String) {
        while self.read() {}
        let mut status = 0;
        // SAFETY: The call gets room for a status. Nothing holds the pipe any more, so rini has exited or is about to.
        assert_eq!(unsafe { libc::waitpid(self.pid.as_raw(), &raw mut status, libc::__WALL) }, self.pid.as_raw());
        (End::of(status), self.text())
    }
}

/// How rini ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Code(i32),
    /// The default action of a signal ended it.
    Signal(i32),
}

impl End {
    fn of(status: i32) -> End {
        if libc::WIFSIGNALED(status) {
            End::Signal(libc::WTERMSIG(status))
        } else {
            End::Code(libc::WEXITSTATUS(status))
        }
    }
}

/// The system call at which a child was killed, and what rini did then.
struct Killed {
    call: i64,
    is_entry: bool,
    end: End,
}

/// Kills rini's child with a signal at this stop. Each system call before the exec has two stops, at its entry and at
/// its return. Returns None for the kill if there are fewer stops. The child is the first process that rini makes.
fn kill_at(pid1: bool, called: &str, stop: usize, signal: Signal) -> (Option<Killed>, End) {
    let launched = launch(Way { pid1, traced: true }, &words(called, &["--"], &["exit", "7"]));
    let rini = launched.pid;
    let next = |pid: i32| {
        let mut status = 0;
        // The wait is for this thread's children only, because other tests have children too. SAFETY: The call gets
        // room for a status.
        let pid = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
        assert!(pid > 0, "waitpid: {}", io::Error::last_os_error());
        (Pid::from_raw(pid), status)
    };
    // The stop of the exec.
    assert_eq!(next(rini.as_raw()), (rini, libc::SIGTRAP << 8 | 0x7f));
    let options = ptrace::Options::PTRACE_O_TRACEVFORK
        | ptrace::Options::PTRACE_O_TRACEFORK
        | ptrace::Options::PTRACE_O_TRACECLONE
        | ptrace::Options::PTRACE_O_TRACEEXEC
        | ptrace::Options::PTRACE_O_TRACESYSGOOD
        | ptrace::Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(rini, options).unwrap();
    ptrace::cont(rini, None).unwrap();
    let (mut stops, mut killed, mut executed, mut attached) = (0, None, false, false);
    let end = loop {
        let (pid, status) = next(-1);
        if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
            if pid == rini {
                break End::of(status);
            }
            continue;
        }
        let (by, event) = (libc::WSTOPSIG(status), status >> 16);
        let deliver = if event != 0 || by & 0x80 != 0 { None } else { Signal::try_from(by).ok() };
        // A SIGKILL may come at any time, and then the process is gone.
        let go = |result: nix::Result<()>| assert!(matches!(result, Ok(()) | Err(nix::Error::ESRCH)), "{result:?}");
        if pid == rini || executed {
            go(ptrace::cont(pid, deliver));
        } else if event == libc::PTRACE_EVENT_EXEC {
            executed = true;
            go(ptrace::cont(pid, None));
        } else if by & 0x80 != 0 {
            if stops == stop {
                let call = ptrace::getregs(pid).unwrap().orig_rax as i64;
                killed = Some((call, stop.is_multiple_of(2)));
                kill(pid, signal).unwrap();
            }
            stops += 1;
            go(ptrace::syscall(pid, None));
        } else {
            // The first stop belongs to the attachment.
            let deliver = if attached { deliver } else { None };
            attached = true;
            go(ptrace::syscall(pid, deliver));
        }
    };
    (killed.map(|(call, is_entry)| Killed { call, is_entry, end }), end)
}

fn call_name(call: i64) -> String {
    let known = [
        (libc::SYS_setpgid, "setpgid"),
        (libc::SYS_setsid, "setsid"),
        (libc::SYS_ioctl, "ioctl"),
        (libc::SYS_rt_sigaction, "rt_sigaction"),
        (libc::SYS_rt_sigprocmask, "rt_sigprocmask"),
        (libc::SYS_execve, "execve"),
        (libc::SYS_getpid, "getpid"),
    ];
    known.iter().find(|(number, _)| *number == call).map_or_else(|| call.to_string(), |(_, name)| (*name).to_owned())
}

/// A static ELF program that passes the kernel's first check. Its one segment has an address outside user memory. The
/// kernel finds that out when the exec cannot fail any more, and kills the caller.
fn deadly_binary() -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let halves = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
    let longs = |values: &[u64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
    let nowhere = 0xffff_8000_0000_0000;
    // ET_EXEC, EM_X86_64, version 1; entry, program headers behind this one, no sections; flags; sizes and counts.
    bytes.extend([halves(&[2, 62, 1, 0]), longs(&[nowhere, 64, 0]), halves(&[0, 0, 64, 56, 1, 64, 0, 0])].concat());
    // PT_LOAD, readable and executable: offset, address twice, size twice, alignment.
    bytes.extend([halves(&[1, 0, 5, 0]), longs(&[0, nowhere, nowhere, 120, 120, 4096])].concat());
    bytes
}

#[test]
fn a_child_that_dies_before_its_exec_is_reaped_with_its_status() {
    if !namespaces() {
        return;
    }
    if !cfg!(target_arch = "x86_64") {
        return crate::support::skip("it reads x86-64's registers");
    }
    let (began, repeats) = (Instant::now(), count(1, 50));
    let mut table = "| called | rini is | call | at its | SIGKILL | SIGTERM |\n|---|---|---|---|---|---|\n".to_owned();
    let mut runs = 0;
    for (called, pid1) in [("rini", true), ("rini", false), ("dumb-init", true), ("dumb-init", false)] {
        // The negative control: without a signal the child becomes the program.
        let (killed, end) = kill_at(pid1, called, usize::MAX, Signal::SIGKILL);
        assert!(killed.is_none() && end == End::Code(7), "{end:?}");
        for stop in 0.. {
            let mut row = None;
            for _ in 0..repeats {
                for (signal, code) in [(Signal::SIGKILL, 137), (Signal::SIGTERM, 143)] {
                    let (killed, end) = kill_at(pid1, called, stop, signal);
                    let Some(killed) = killed else {
                        assert_eq!(end, End::Code(7));
                        continue;
                    };
                    assert_eq!(killed.end, End::Code(code), "{called}, {pid1}: {signal} at stop {stop}");
                    row = Some((call_name(killed.call), if killed.is_entry { "entry" } else { "return" }));
                    runs += 1;
                }
            }
            let Some((call, at)) = row else { break };
            let what = if pid1 { "PID 1" } else { "a subreaper" };
            let _ = writeln!(table, "| {called} | {what} | {call} | {at} | 137 | 143 |");
        }
    }
    assert!(runs >= 32 * repeats, "only {runs}");

    // Another process, which does not trace it, kills it at times around the exec.
    let times = count(100, 5000);
    let (mut early, mut late) = (0, 0);
    for time in 0..times {
        let way = Way::ALL[time % 2];
        let launched = launch(way, &words("rini", &[], &["signals"]));
        let mut child = None;
        until("there is a child", || {
            child = children_of(launched.pid).first().copied();
            child.is_some()
        });
        let found = launched.began.elapsed();
        launched.spin_until(found + Duration::from_micros(time as u64 / 2 % 500));
        kill(child.unwrap(), Signal::SIGKILL).unwrap();
        let (end, text) = launched.end();
        assert_eq!(end, End::Code(137), "{text}");
        if text.contains("ready ") { late += 1 } else { early += 1 }
    }

    // The kernel kills it.
    let folder = tempfile::tempdir().unwrap();
    let deadly = executable(folder.path(), "deadly", deadly_binary());
    for first in [true, false] {
        let start = if first { pid1 } else { beside };
        assert_eq!(start([&deadly]).run().code(), 139);
    }
    let text = format!(
        "Between its fork and its exec the child is killed at the entry and at the return of each of its system calls, by a tracer \
         (ptrace), with SIGKILL and with SIGTERM, which is pending until the mask is the program's: {runs} runs. rini must end with \
         128 + n.\n\n{table}\n\
         And {times} children were killed from beside, 0 to 499 µs after they were first seen in /proc: {early} before they had \
         written anything, {late} after; always 137. And a program was run that the kernel kills in the exec, when there is no \
         way back (a segment at a kernel's address): 139, as PID 1 and not.\n\n\
         The negative control: traced in the same way and not killed, the child becomes the program, and its code 7 comes out.\n"
    );
    report("spawn", "Children that die during the spawn", began, &text);
}

/// The number of times of each outcome, by the time of the signal.
#[derive(Default)]
struct Histogram {
    rows: BTreeMap<u64, BTreeMap<&'static str, usize>>,
    sums: BTreeMap<&'static str, usize>,
}

impl Histogram {
    const STEP: u64 = 200;

    fn add(&mut self, micros: u64, what: &'static str) {
        // All late times on a busy machine are one row.
        let row = (micros / Self::STEP * Self::STEP).min(2 * 1000);
        *self.rows.entry(row).or_default().entry(what).or_insert(0) += 1;
        *self.sums.entry(what).or_insert(0) += 1;
    }

    fn total(&self) -> usize {
        self.sums.values().sum()
    }

    fn count(&self, what: &'static str) -> usize {
        self.sums.get(what).copied().unwrap_or(0)
    }

    fn table(&self, columns: &[&'static str]) -> String {
        let mut table = format!("| µs | {} |\n|---|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
        let cells = |counts: &BTreeMap<&'static str, usize>| {
            let cells = columns.iter().map(|column| counts.get(column).copied().unwrap_or(0).to_string());
            cells.collect::<Vec<_>>().join(" | ")
        };
        for (from, counts) in &self.rows {
            let range =
                if *from == 2000 { "2000 on".to_owned() } else { format!("{from} to {}", from + Self::STEP - 1) };
            let _ = writeln!(table, "| {range} | {} |", cells(counts));
        }
        let _ = writeln!(table, "| all | {} |", cells(&self.sums));
        table
    }
}

const BEFORE: &str = "before rini's first instruction: default action";
const DROPPED: &str = "before rini's first instruction: dropped by the kernel";
const ARRIVED: &str = "arrived";

/// The fate of a signal that is sent while rini starts, or None if that fate is wrong.
///
/// `blocked`: rini had blocked the signals when it was sent. Before that, the kernel decides: the signal ends a process
/// that is not rini yet, and the kernel drops a signal to PID 1.
fn fate(way: Way, blocked: bool, signal: i32, end: End, recorded: Option<bool>, text: &str) -> Option<&'static str> {
    match (end, recorded) {
        (End::Signal(by), _) if by == signal && !way.pid1 && !blocked && text.is_empty() => Some(BEFORE),
        (End::Code(0), Some(true)) | (End::Code(143), None) => Some(ARRIVED),
        // It came to the program before its first instructions had blocked the signals.
        (End::Code(code), Some(false)) if code == 128 + signal && !text.contains("ready") => Some(ARRIVED),
        (End::Code(0), Some(false)) if way.pid1 && !blocked => Some(DROPPED),
        _ => None,
    }
}

/// The event from which a time is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// The clone that becomes rini. On a busy machine this is nearly all of the time until rini's first instruction.
    Clone,
    /// The moment when rini was seen to have blocked the signals. From here on nothing may be lost.
    Block,
}

/// Sends a signal this long after the event while rini starts. With `record` the program notes the signal, and another
/// one ends it later. Otherwise the signal ends the program by its default action.
fn shoot_at_start(way: Way, record: bool, from: From, after: Duration, rows: &mut Histogram) {
    let (command, signal) =
        if record { (&["signals", "15"][..], libc::SIGINT) } else { (&["alive"][..], libc::SIGTERM) };
    let mut launched = launch(way, &words("rini", &[], command));
    if from == From::Block {
        while !launched.has_blocked() {
            assert!(launched.began.elapsed() < LIMIT, "rini does not block the signals");
        }
    }
    let base = if from == From::Block { launched.began.elapsed() } else { Duration::ZERO };
    launched.spin_until(base + after);
    let blocked = from == From::Block || launched.has_blocked();
    launched.signal(signal);
    let sent = launched.began.elapsed() - base;
    // With a record the first signal must arrive before this one, because the lower number comes first. Without a
    // record, and after the block, the first signal alone must end rini. Before the block, the kernel may have dropped
    // it.
    if (record || !blocked) && launched.has_line("ready") {
        launched.signal(libc::SIGTERM);
    }
    let (end, text) = launched.end();
    let recorded = record.then(|| text.lines().any(|line| line.starts_with("signal 2 ")));
    let fate = fate(way, blocked, signal, end, recorded, &text);
    let what = fate.unwrap_or_else(|| {
        panic!("{}, a signal {sent:?} from the {from:?} on, blocked: {blocked}: {end:?}, {text:?}", way.name())
    });
    rows.add(sent.as_micros() as u64, what);
}

const CHILD_S: &str = "the child's code";
const SIGNAL_S: &str = "the signal's, 143";
const KILLED: &str = "the escalation's, 137";

/// The child's end: whether it is deaf to SIGTERM, and how else rini may end.
#[derive(Clone, Copy, Debug)]
struct Ending {
    deaf: bool,
    /// The time for which it runs after its line, in microseconds.
    lives: u64,
    options: &'static [&'static str],
    other: Option<(i32, &'static str)>,
}

const ENDINGS: [Ending; 3] = [
    Ending { deaf: false, lives: 300, options: &[], other: Some((143, SIGNAL_S)) },
    Ending { deaf: true, lives: 300, options: &[], other: None },
    // The grace period, which cannot be shorter, ends at the same time as the child.
    Ending { deaf: true, lives: 1600, options: &["-t", "1ms"], other: Some((137, KILLED)) },
];

fn shoot_at_end(way: Way, ending: Ending, after: Duration, rows: &mut Histogram) {
    let lives = ending.lives.to_string();
    let command = ["brief", &lives, "7", if ending.deaf { "deaf" } else { "" }];
    let mut launched = launch(way, &words("rini", ending.options, &command));
    assert!(launched.has_line("going"), "{:?}", launched.text());
    let said = launched.began.elapsed();
    launched.spin_until(said + after);
    launched.signal(libc::SIGTERM);
    let sent = launched.began.elapsed() - said;
    let (end, text) = launched.end();
    let what = match (end, ending.other) {
        (End::Code(7), _) => CHILD_S,
        (End::Code(code), Some((other, what))) if code == other => what,
        _ => panic!("{}, {ending:?}, a SIGTERM {sent:?} after the line: {end:?}, {text:?}", way.name()),
    };
    rows.add(sent.as_micros() as u64, what);
}

#[test]
fn a_stop_signal_at_any_microsecond_of_start_and_end_counts() {
    if !namespaces() {
        return;
    }
    let (began, micros) = (Instant::now(), Duration::from_micros);
    let (starts, ends) = (count(40, 2000) as u64, count(25, 2000) as u64);
    let (mut first, mut beside) = (Histogram::default(), Histogram::default());
    let mut behind = Way::ALL.map(|_| Histogram::default());
    // The four starts and the six exits take turns at each time, so that a burst of load meets all of them.
    for step in 0..starts {
        let after = micros(step * 2000 / starts);
        for record in [true, false] {
            shoot_at_start(Way::ALL[0], record, From::Clone, after, &mut first);
            shoot_at_start(Way::ALL[1], record, From::Clone, after, &mut beside);
            for (way, rows) in Way::ALL.into_iter().zip(&mut behind) {
                shoot_at_start(way, record, From::Block, micros(step * 1000 / starts), rows);
            }
        }
    }
    let mut at_end = ENDINGS.map(|_| Histogram::default());
    for step in 0..ends {
        for (ending, rows) in ENDINGS.into_iter().zip(&mut at_end) {
            for way in Way::ALL {
                shoot_at_end(way, ending, micros(step * 1000 / ends), rows);
            }
        }
    }
    // Both sides of each edge must occur, or the sweep has missed it. On a busy machine the sweep may miss a side, and
    // then the test tries again.
    let (at_once, late) = (micros(0), micros(10_000));
    until("both sides of the start are seen", || {
        for (way, rows, early) in [(Way::ALL[0], &mut first, DROPPED), (Way::ALL[1], &mut beside, BEFORE)] {
            if rows.count(early) == 0 {
                shoot_at_start(way, true, From::Clone, at_once, rows);
            }
            if rows.count(ARRIVED) == 0 {
                shoot_at_start(way, true, From::Block, late, rows);
            }
        }
        first.count(DROPPED).min(beside.count(BEFORE)).min(first.count(ARRIVED)).min(beside.count(ARRIVED)) > 0
    });
    until("both sides of the end are seen", || {
        ENDINGS.into_iter().zip(&mut at_end).all(|(ending, rows)| {
            let mut seen = |what, after| {
                if rows.count(what) == 0 {
                    shoot_at_end(Way::ALL[0], ending, after, rows);
                }
                rows.count(what) > 0
            };
            seen(CHILD_S, late) && ending.other.is_none_or(|(_, what)| seen(what, at_once))
        })
    });
    // The negative controls: a signal lost after the block, or not as PID 1; an exit by a signal after the program had
    // run; and another code.
    let [pid1, subreaper] = Way::ALL;
    for (way, blocked, end, recorded, text) in [
        (pid1, true, End::Code(0), Some(false), "ready 2\n"),
        (subreaper, false, End::Code(0), Some(false), "ready 2\n"),
        (subreaper, false, End::Signal(2), Some(false), "ready 2\n"),
        (subreaper, true, End::Signal(2), Some(false), ""),
        (pid1, false, End::Code(1), None, ""),
    ] {
        assert_eq!(fate(way, blocked, 2, end, recorded, text), None);
    }
    let mut text = format!(
        "**Start.** {} rinis, and to each a signal at a time from 0 to 1999 µs after the clone that becomes rini, whether as PID 1 \
         of a namespace or not; half of the programs record it (SIGINT), the others leave it to its default action (SIGTERM). \
         Before each, /proc tells whether rini has blocked the signals. If so, the program must get it. If not, the kernel decides: \
         not as PID 1 it ends the process, and then nothing of the program may have run; as PID 1 it drops the signal. (Time of the \
         signal as measured, from the clone on. A program that leaves SIGTERM to its default action shows no loss as PID 1, as it \
         gets a second one.)\n\nNot as PID 1:\n\n{}\nAs PID 1:\n\n{}\n\
         And {} rinis whose signal comes 0 to 999 µs after they were seen to have blocked the signals, with no second one for the \
         default action: each has to arrive.\n\nNot as PID 1:\n\n{}\nAs PID 1:\n\n{}\n",
        first.total() + beside.total(),
        beside.table(&[BEFORE, ARRIVED]),
        first.table(&[DROPPED, ARRIVED]),
        behind.iter().map(Histogram::total).sum::<usize>(),
        behind[1].table(&[ARRIVED]),
        behind[0].table(&[ARRIVED]),
    );
    let _ = writeln!(
        text,
        "**End.** {} rinis whose child says that it is there, runs for 300 µs more, and exits with 7; a SIGTERM 0 to 999 µs \
         after what it said: to a child that dies of it, to one that does not, and to one that does not, lives for 1600 µs, and has a grace period \
         of 1 ms. No other code, nobody left behind, no hang. (Time of the signal as measured, from when the test had read \
         the line.)",
        at_end.iter().map(Histogram::total).sum::<usize>(),
    );
    for (title, rows, columns) in [
        ("A child that dies of it", &at_end[0], &[CHILD_S, SIGNAL_S][..]),
        ("One that does not", &at_end[1], &[CHILD_S]),
        ("One that does not, with a grace period", &at_end[2], &[CHILD_S, KILLED]),
    ] {
        let _ = write!(text, "\n{title}:\n\n{}", rows.table(columns));
    }
    text += "\nNegative controls: the judgement refuses a loss behind the block, a death by a signal when the program had run, and \
             another code; and both sides of each edge were seen.\n";
    report("sweep", "Stop signals at every microsecond", began, &text);
}

/// The processes on this machine that have this word among their arguments.
fn find_marked(mark: &str) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let has = |pid: &i32| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).any(|word| word == mark.as_bytes())
    };
    pids.filter(has).map(Pid::from_raw).collect()
}

#[test]
fn starts_and_stops_leave_nothing_behind() {
    if !namespaces() {
        return;
    }
    let (began, cycles) = (Instant::now(), count(300, 10_000));
    let mark = format!("storms-{}", std::process::id());
    let mut codes = BTreeMap::new();
    let mut seen = 0;
    for cycle in 0..cycles {
        // A program that ends by itself, and one that the signal ends.
        let (command, code) = if cycle % 2 == 0 { (["signals", "15"], 0) } else { (["alive", ""], 143) };
        let mut launched = launch(Way::ALL[0], &words("rini", &[], &[&command[..], &[&mark]].concat()));
        assert!(launched.has_line("ready"), "{:?}", launched.text());
        if cycle == 0 {
            // The negative control: the search finds running ones.
            seen = find_marked(&mark).len();
        }
        launched.signal(libc::SIGTERM);
        let (end, text) = launched.end();
        assert_eq!(end, End::Code(code), "{text}");
        *codes.entry(code).or_insert(0) += 1;
    }
    assert_eq!(seen, 2);
    assert_eq!(find_marked(&mark), []);
    let mut table = "| exit code | cycles |\n|---|---|\n".to_owned();
    for (code, count) in codes {
        let _ = writeln!(table, "| {code} | {count} |");
    }
    let text = format!(
        "{cycles} times: rini as PID 1 of a new namespace, the program is ready, a SIGTERM, the end. Half of the programs exit with 0 \
         at the signal, half die of it.\n\n{table}\n\
         Each time the program's output came to its end, so nobody held it any more; and behind the last, no process of these was \
         left on the machine. The negative control: in the first cycle the same look found two of them.\n"
    );
    report("start-stop", "Starts and stops", began, &text);
}

/// A full container, whose program exits and leaves all the others. They end at SIGTERM, or block every signal.
#[test]
fn a_crowd_of_leftover_processes_ends_with_the_container() {
    if !namespaces() {
        return;
    }
    let (began, crowd) = (Instant::now(), count(1200, 30_000));
    let mut table = "| options | the others | lines that name them |\n|---|---|---:|\n".to_owned();
    for (options, deaf, line, lines) in [
        (&["-v"][..], "", "WARN leftover processes get SIGKILL", 1),
        (&["-v", "--after-exit=terminate", "-t1h"], "", "waiting for leftover processes", 1),
        (&["-v", "--after-exit=terminate", "-t1s"], "deaf", "WARN killed pid ", crowd),
    ] {
        // A file takes all lines. rini would drop some if the reader of a pipe were slow.
        let mut log = tempfile::tempfile().unwrap();
        let stderr = log.try_clone().unwrap();
        let start = pid1(probing(options, &["many", &crowd.to_string(), deaf]));
        let mut run = start.with(|command| command.stderr(stderr)).spawn();
        run.expect(&format!("made {crowd}"));
        drop(run.stdin.take());
        let code = run.finish().code();
        log.rewind().unwrap();
        let log = io::read_to_string(log).unwrap();
        let named = log.lines().filter(|said| said.contains(line)).count();
        assert_eq!((code, named), (3, lines), "{options:?}: {:?}", log.lines().last());
        let others = if deaf.is_empty() { "exit at SIGTERM" } else { "block every signal" };
        let _ = writeln!(table, "| `{}` | {others} | {named} |", options.join(" "));
    }
    // The negative control: without rini, they end without a line.
    let mut alone = Start::of(probe()).args(["many", &crowd.to_string()]).in_namespace().spawn();
    alone.expect(&format!("made {crowd}"));
    drop(alone.stdin.take());
    let output = alone.finish();
    assert_eq!((output.code(), output.err), (3, vec![]));
    let text = format!(
        "rini is PID 1. Its program leaves {crowd} processes, and exits with 3. So does rini each time. A line names at most eight of \
         them, and each that rini kills after the grace period has a line.\n\n{table}\nThe negative control: without rini there is no line.\n"
    );
    report("leftover", "Leftover processes", began, &text);
}
