//! Debian 13 as a host of containers: a virtual machine with systemd, version 2 of the cgroups, and today's engines. The tests
//! of tests/engines and tests/cri run inside, and those of [`cases`].
//!
//! Without the processor's help, the machine is some twenty times slower than this one. So all of this is a part of the long
//! form, with the tests that say the most.

mod cases;

use crate::cri::node;
use crate::kernels::machine::{ENDS, X86_64};
use crate::support::{self, Start, copy_executable, is_long, is_root, lacked, limit, probe, skip, tools, write_proof};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A virtual machine, and the tests that run inside, in this order. Each group has the words that select its tests for this
/// program. `restart` restarts the machine.
struct Plan {
    part: &'static str,
    title: &'static str,
    groups: &'static [&'static str],
}

const DOCKER: Plan = Plan {
    part: "host-docker",
    title: "A host of today: Docker",
    groups: &[
        "docker::rini_is_pid_1 docker::docker_ docker::it_works_with_as_few docker::a_refused_fork docker::orphans \
         docker::fifty docker::the_keys docker::an_out_of_memory docker::a_restarted docker::a_signal_to_a_paused \
         docker::a_script_and_its docker::under_docker_init docker::a_stop_is docker::leftover",
        "docker_init::",
    ],
};

const PODMAN: Plan = Plan {
    part: "host-podman",
    title: "A host of today: Podman and systemd",
    groups: &[
        "--include-ignored host::cases::systemd_starts host::cases::a_kill_for_memory",
        "--include-ignored host::cases::the_machine_restarts",
        RESTART,
        "--include-ignored host::cases::the_machine_has_restarted",
        "podman::",
        "systemd::",
    ],
};

const NODE: Plan =
    Plan { part: "host-cri", title: "A host of today: a node of Kubernetes without a kubelet", groups: &["cri::"] };

/// The words for the tests of a plan.
fn groups(plans: &[Plan]) -> impl Iterator<Item = &'static str> {
    plans.iter().flat_map(|plan| plan.groups).copied().filter(|group| *group != RESTART)
}

const RESTART: &str = "restart";

/// In MiB.
const MEMORY: &str = "2560";

/// The machine has to be done after this time.
const WHOLE: Duration = Duration::from_secs(90 * 60);

/// A file of this directory.
fn own(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host").join(name)
}

/// The names of the tests that these words select.
fn selected(words: &str) -> Vec<String> {
    let list = Start::of(std::env::current_exe().unwrap()).args(words.split(' ')).args(["--list", "--format=terse"]);
    let names = list.run().out;
    names.iter().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// Each word selects tests of this program, and no test runs in two groups.
#[test]
fn each_group_selects_tests() {
    let plans = [DOCKER, PODMAN, NODE];
    let names =
        |group: &str| group.split(' ').filter(|word| !word.starts_with("--")).map(str::to_owned).collect::<Vec<_>>();
    for word in groups(&plans).flat_map(names) {
        assert!(!selected(&format!("--include-ignored {word}")).is_empty(), "{word} selects no test");
    }
    let mut all: Vec<_> = groups(&plans).flat_map(selected).collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count, "a test is in two groups");
    // The negative control.
    assert!(selected("--include-ignored docker::no_such_test").is_empty());
}

#[test]
fn the_script_refuses_arguments() {
    let output = Start::of(own("make")).args(["trixie"]).run();
    assert_eq!((output.code(), output.out, output.err), (1, vec![], vec!["usage: tests/host/make".to_owned()]));
}

/// The directory with the machine's disk and kernel. Prints SKIPPED if this machine cannot have them.
fn make() -> Option<PathBuf> {
    if support::emulation().is_some() {
        skip("qemu cannot run a kernel in an emulator of programs");
        return None;
    }
    if !is_root() {
        skip("debootstrap needs root");
        return None;
    }
    if !tools(&["qemu-system-x86_64", "debootstrap", "mke2fs"]) {
        return None;
    }
    let output = Start::of(own("make")).run_within(20 * limit());
    if let Some(why) = lacked(output.status.code(), &output.err.join("\n")) {
        skip(&why);
        return None;
    }
    Some(Path::new(env!("CARGO_MANIFEST_DIR")).join(output.only_line()))
}

/// The disk with the tests: this program, what it starts, and the files that it reads.
fn make_disk(folder: &Path, client: &Path, groups: &[&str]) -> PathBuf {
    let (root, disk) = (folder.join("root"), folder.join("disk"));
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::create_dir_all(root.join("tree/target/tmp")).unwrap();
    let files = [
        ("start", own("start")),
        ("rini", support::binary()),
        ("probe", probe()),
        ("program", std::env::current_exe().unwrap()),
        ("cri-client", client.to_owned()),
    ];
    for (name, file) in files {
        copy_executable(&file, &root.join(name));
    }
    fs::write(root.join("tree-of"), env!("CARGO_MANIFEST_DIR")).unwrap();
    fs::write(root.join("groups"), groups.join("\n") + "\n").unwrap();
    let run = |start: Start| {
        let output = start.run();
        assert_eq!(output.code(), 0, "{output:?}");
    };
    // Tests read files of the documentation and the examples too.
    let is_source = |name: &OsStr| !["target", ".git"].iter().any(|other| name == *other);
    let names = fs::read_dir(repository).unwrap().map(|entry| entry.unwrap().file_name());
    for name in names.filter(|name| is_source(name)) {
        run(Start::of("cp").args(["-r"]).args([repository.join(name), root.join("tree")]));
    }
    run(Start::of("mke2fs").args(["-q", "-t", "ext4", "-L", "tests", "-d"]).args([&root, &disk]).args(["1G"]));
    disk
}

/// The lines of the console, each with the seconds since the start.
struct Console(Vec<(u64, String)>);

impl Console {
    /// Boots the machine, and reads up to its end. A restart is no end. What the machine writes to its disks is gone then. The
    /// lines are also in the file, for whoever waits or looks for a reason.
    fn of(host: &Path, tests: &Path, log: &Path) -> Console {
        let drive = |disk: &Path| format!("file={},format=raw,if=virtio,snapshot=on,cache=unsafe", disk.display());
        let command_line = "root=LABEL=root rw console=ttyS0 quiet loglevel=1 no_timer_check systemd.show_status=no mitigations=off tsc=unstable nowatchdog";
        let machine = X86_64
            .qemu(&host.join("vmlinuz"), &host.join("initrd"), command_line)
            .args(["-accel", "tcg,thread=multi", "-smp", "2", "-m", MEMORY, "-device", "virtio-rng-pci"])
            .args(["-drive", &drive(&host.join("disk")), "-drive", &drive(tests)]);
        let begin = Instant::now();
        let mut machine = machine.spawn();
        let (mut lines, mut log) = (vec![], File::create(log).unwrap());
        loop {
            let line = machine.line_within(WHOLE.saturating_sub(begin.elapsed())).trim_end_matches('\r').to_owned();
            let seconds = begin.elapsed().as_secs();
            writeln!(log, "{seconds:5} {line}").unwrap();
            let is_last = ENDS.iter().any(|text| line.contains(text));
            lines.push((seconds, line));
            if is_last {
                break;
            }
        }
        let output = machine.finish();
        assert_eq!((output.code(), &output.err), (0, &vec![]), "qemu's own end");
        Console(lines)
    }

    /// The lines of a group, without its head.
    fn group(&self, group: &str) -> &[(u64, String)] {
        let head = format!("group: {group}");
        let begin = self.0.iter().position(|(_, line)| *line == head).unwrap_or_else(|| panic!("no {head}"));
        let rest = &self.0[begin + 1..];
        let end = rest.iter().position(|(_, line)| line.starts_with("group: ")).unwrap_or(rest.len());
        &rest[..end]
    }
}

/// Runs the tests of a plan, if this is the long form. The short form has only the tests above.
fn run_plan(plan: &Plan) {
    if !is_long() {
        return;
    }
    let (Some(host), Some(client)) = (make(), node::client()) else { return };
    let folder = support::short_folder();
    let disk = make_disk(folder.path(), &client, plan.groups);
    let console = Console::of(&host, &disk, &host.join(plan.part).with_extension("log"));
    let head = console.0.iter().map(|(_, line)| line).take_while(|line| !line.starts_with("group: "));
    let is_version =
        |line: &str| ["Linux ", "Docker "].iter().any(|name| line.starts_with(name)) || line.contains(": ");
    let versions: Vec<_> = head.filter(|line| is_version(line)).collect();
    assert!(versions.iter().any(|line| line.starts_with("Linux ")), "the kernel is not in {versions:?}");
    let minutes = console.0.last().unwrap().0.div_ceil(60);
    let mut text = format!(
        "\nThese tests ran inside a virtual machine with Debian 13, without the processor's help. The machine ran for \
         {minutes} minutes.\n\n"
    );
    versions.iter().for_each(|line| writeln!(text, "- {line}").unwrap());
    text += "\n| Test | Result |\n|---|---|\n";
    let mut wrong = vec![];
    for group in groups(std::slice::from_ref(plan)) {
        let lines = console.group(group);
        for test in selected(group) {
            let begin = format!("test {test} ... ");
            let result = lines.iter().find_map(|(_, line)| line.strip_prefix(&begin)).unwrap_or("no result");
            writeln!(text, "| {test} | {result} |").unwrap();
            if result != "ok" {
                wrong.push(format!("{test}: {result}"));
            }
        }
    }
    write_proof(plan.part, plan.title, &text);
    assert!(wrong.is_empty(), "{wrong:?}; target/host/{}.log has more", plan.part);
}

#[test]
fn docker_of_today_runs_rini() {
    run_plan(&DOCKER);
}

#[test]
fn podman_and_systemd_of_today_run_rini() {
    run_plan(&PODMAN);
}

#[test]
fn a_node_of_today_runs_rini() {
    run_plan(&NODE);
}
