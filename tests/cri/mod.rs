//! rini in the pods of a Kubernetes node (node.rs), as a container's init and as the pause container. The tests make the
//! calls that a kubelet makes, and read what it reads.

pub mod node;

use crate::support::{NO_REASON, assert_is_rini, children_of, state, status_field, until, zombies_of};
use nix::sys::signal::{Signal, kill};
use node::{Ended, Node, QUIT_IMAGE, RINI_IMAGE, RUNTIMES, UNCHANGED_IMAGE, expect_gone};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The end of a container, as a kubelet reads it.
fn ended(code: i64, reason: &str) -> Ended {
    (code, reason.to_owned())
}

const PROBES: usize = 50;

#[test]
fn exec_probes_leave_no_zombie_behind() {
    let Some(node) = Node::start() else { return };
    let probe = |container: &node::Container, times| {
        for _ in 0..times {
            assert_eq!(container.exec(&["/probe", "orphans", "2"]), (0, "made 2\n".to_owned()));
        }
    };
    for runtime in RUNTIMES {
        let pod = node.run_pod(runtime, false);
        let container = pod.run(json!({"args": ["/probe", "signals", "15"]}));
        container.expect("ready ");
        probe(&container, PROBES);
        let init = container.init();
        until("rini has reaped all", || children_of(init).len() == 1);
        assert_eq!((zombies_of(init), container.lines("stderr")), (0, vec![]));
        // The negative control: without an init.
        let control = pod.run(json!({"command": ["/probe", "signals", "15"]}));
        control.expect("ready ");
        probe(&control, 5);
        until("10 zombies", || zombies_of(control.init()) == 10);

        // With a shared PID namespace, the pause container adopts what a probe leaves behind, and rini what its program
        // leaves behind.
        let pod = node.run_pod(runtime, true);
        let container = pod.run(json!({"args": ["/probe", "orphans", "20"], "stdin": true}));
        container.expect("made 20");
        let (init, pause) = (container.init(), pod.pause());
        until("rini has reaped all", || children_of(init).len() == 1);
        probe(&container, PROBES);
        until("pause has reaped all", || children_of(pause).is_empty());
        // The negative control: while pause is stopped, it does not reap.
        kill(pause, Signal::SIGSTOP).unwrap();
        probe(&container, 1);
        until("2 zombies", || zombies_of(pause) == 2);
        kill(pause, Signal::SIGCONT).unwrap();
        until("pause has reaped all", || children_of(pause).is_empty());
        assert_eq!(container.lines("stderr"), [""; 0]);
    }
}

#[test]
fn a_stopped_container_has_the_exit_code_and_the_reason_that_the_docs_promise() {
    let Some(node) = Node::start() else { return };
    for runtime in RUNTIMES {
        let pod = node.run_pod(runtime, false);
        let run = |args: &[&str], env: serde_json::Value| {
            let container = pod.run(json!({"args": args, "env": env}));
            container.expect("ready");
            container
        };
        let (polite, plain, deaf) = (["/probe", "signals", "15"], ["/probe", "alive"], ["/probe", "signals"]);

        // The program's own end.
        assert_eq!(run(&polite, json!({})).stop(60), ended(0, "Completed"));
        assert_eq!(run(&plain, json!({})).stop(60), ended(143, "Error"));
        assert_eq!(run(&plain, json!({"RINI_REMAP_EXIT": "143"})).stop(60), ended(0, "Completed"));
        let container = run(&polite, json!({"RINI_STOP_DELAY": "300ms", "RINI_LOG": "info"}));
        assert_eq!(container.stop(60), ended(0, "Completed"));
        let lines = container.lines("stderr");
        let is_held = |line: &String| line.ends_with("INFO SIGTERM from outside the container, held back for 300ms");
        assert!(lines.iter().any(is_held), "{lines:?}");

        // The grace period ends before the kubelet's: rini kills the program, and names it.
        let container = run(&deaf, json!({"RINI_GRACE_PERIOD": "300ms"}));
        assert_eq!(container.stop(60), ended(137, "Error"));
        container.expect("signal 15 ");
        let lines = container.lines("stderr");
        let is_named = lines.len() == 1 && lines[0].starts_with("rini: WARN killed pid ");
        assert!(is_named && lines[0].contains(" after SIGTERM from outside the container; "), "{lines:?}");

        // The kubelet's ends first: rini is killed with all others, and cannot say anything.
        let container = run(&deaf, json!({"RINI_GRACE_PERIOD": "60s"}));
        assert_eq!(container.stop(1), ended(137, "Error"));
        container.expect("signal 15 ");
        assert_eq!(container.lines("stderr"), [""; 0]);

        // The image's STOPSIGNAL.
        let env = json!({"RINI_STOP_SIGNALS": "TERM,INT,QUIT", "RINI_GRACE_PERIOD": "300ms"});
        let container = pod.run(json!({"image": QUIT_IMAGE, "args": deaf, "env": env}));
        container.expect("ready");
        assert_eq!(container.stop(60), ended(137, "Error"));
        container.expect("signal 3 ");
        assert_eq!(container.lines("stderr").len(), 1);

        // The negative control: without rini, a program without a handler ignores SIGTERM.
        let container = pod.run(json!({"command": plain}));
        container.expect("ready");
        assert_eq!(container.stop(1), ended(137, "Error"));
        assert!(pod.is_ready());
    }
}

/// The codes that a kubelet's restart rules get. The variable is that of docs/kubernetes.md: 3 means "try again", and the rule restarts
/// after 42.
#[test]
fn the_exit_code_of_the_restart_recipe_is_the_one_of_its_rule() {
    let Some(node) = Node::start() else { return };
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/kubernetes.md")).unwrap();
    let (_, recipe) = page.split_once("## Restart by exit code").unwrap();
    let after = |part: &str, end: char| recipe.split_once(part).and_then(|(_, rest)| rest.split_once(end)).unwrap().0;
    let rules = after("{name: RINI_REMAP_EXIT, value: \"", '"');
    let restarting: i64 = after("exitCodes: {operator: In, values: [", ']').parse().unwrap();
    for runtime in RUNTIMES {
        let pod = node.run_pod(runtime, false);
        let run = |args: &[&str], rules: &str| pod.run(json!({"args": args, "env": {"RINI_REMAP_EXIT": rules}}));
        let exit = |code: &str, rules: &str| run(&["/probe", "exit", code], rules).ended();
        assert_eq!(exit("3", rules), ended(restarting, "Error"));
        for code in [0, 1, 42, 127, 137] {
            let reason = if code == 0 { "Completed" } else { "Error" };
            assert_eq!(exit(&code.to_string(), rules), ended(code, reason));
        }
        // A clean stop is no failure, whether the program handles SIGTERM or not.
        let container = run(&["/probe", "alive"], rules);
        container.expect("ready");
        assert_eq!(container.stop(60), ended(0, "Completed"));
        // The negative control: without the variable.
        assert_eq!(exit("3", ""), ended(3, "Error"));
    }
}

#[test]
fn a_kubelet_reads_why_a_container_has_ended_and_starts_it_again() {
    let Some(node) = Node::start() else { return };
    for runtime in RUNTIMES {
        let pod = node.run_pod(runtime, false);
        let run = |attempt: u32, args: &[&str]| {
            pod.run(json!({"name": "app", "attempt": attempt, "args": args, "memory": 32 << 20}))
        };
        // Out of memory. The runtime notices it if the start of the container is over, and learns of it by another way than of
        // the end, perhaps later.
        let first = run(0, &["/probe", "eat", "64", "10"]);
        first.expect("ready");
        kill(children_of(first.init())[0], Signal::SIGUSR1).unwrap();
        assert_eq!(first.ended().0, 137);
        until("the reason is known", || first.ended().1 == "OOMKilled");
        let lines = first.lines("stderr");
        assert!(lines.len() == 1 && lines[0].ends_with("out of memory, limit 32 MiB"), "{lines:?}");

        // With version 2 of the cgroups, a kubelet lets the kernel kill all processes of the container at once, and rini with
        // them. containerd 1.6 may miss such a kill, so the reason can be another.
        if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            let group = json!({"memory.oom.group": "1"});
            let all = pod.run(json!({"args": ["/probe", "eat", "64", "10"], "memory": 32 << 20, "unified": group}));
            all.expect("ready");
            kill(children_of(all.init())[0], Signal::SIGUSR1).unwrap();
            assert_eq!(all.ended().0, 137);
            assert_eq!(all.lines("stderr"), [""; 0]);
        }

        // The next attempt, which somebody kills: the same exit code and another reason.
        let second = run(1, &["/probe", "signals", "15"]);
        second.expect("ready");
        first.remove();
        kill(children_of(second.init())[0], Signal::SIGKILL).unwrap();
        assert_eq!(second.ended(), ended(137, "Error"));
        let lines = second.lines("stderr");
        assert!(lines.len() == 1 && lines[0].ends_with(NO_REASON), "{lines:?}");

        // A program that cannot run, and one that fails.
        assert_eq!(run(2, &["/no/such"]).ended(), ended(127, "Error"));
        assert_eq!(run(3, &["/probe", "exit", "7"]).ended(), ended(7, "Error"));
        let last = run(4, &["/probe", "signals", "15"]);
        last.expect("ready");
        assert_eq!(last.stop(60), ended(0, "Completed"));
        assert!(pod.is_ready());
    }
}

#[test]
fn the_end_of_a_pod() {
    let Some(node) = Node::start() else { return };
    for runtime in RUNTIMES {
        for shared in [false, true] {
            // StopPodSandbox kills the containers that still run, and then pause.
            let pod = node.run_pod(runtime, shared);
            let container = pod.run(json!({"args": ["/probe", "signals", "15"]}));
            container.expect("ready");
            let (pause, init) = (pod.pause(), container.init());
            assert!(pod.is_ready());
            pod.stop();
            assert_eq!((container.ended(), pod.is_ready()), (ended(137, "Error"), false));
            expect_gone(pause);
            expect_gone(init);
            pod.remove();

            // SIGTERM ends pause. The containers end with it if it is their PID 1, and otherwise go on.
            let pod = node.run_pod(runtime, shared);
            let container = pod.run(json!({"args": ["/probe", "signals", "15"]}));
            container.expect("ready");
            let pause = pod.pause();
            kill(pause, Signal::SIGTERM).unwrap();
            until("the pod is not ready", || !pod.is_ready());
            expect_gone(pause);
            let end = if shared {
                container.ended()
            } else {
                assert!(container.is_running());
                container.stop(60)
            };
            assert_eq!(end, if shared { ended(137, "Error") } else { ended(0, "Completed") });
            pod.stop();
            pod.remove();
        }
    }
}

/// An init container with rini's own image, which has no shell, gives rini to a container with an image that has none.
#[test]
fn an_init_container_gives_rini_to_an_unchanged_image() {
    let Some(node) = Node::start() else { return };
    for runtime in RUNTIMES {
        let pod = node.run_pod(runtime, false);
        let volume = node.empty_dir();
        // A kubelet runs the init container again after a restart of the node.
        for attempt in [0, 1] {
            let command = json!(["/rini", "--install", "/shared"]);
            let settings = json!({"name": "inject", "attempt": attempt, "image": RINI_IMAGE, "command": command,
                "mounts": {"/shared": volume}});
            let inject = pod.run(settings);
            assert_eq!(inject.ended(), ended(0, "Completed"));
            assert_eq!((inject.lines("stdout"), inject.lines("stderr")), (vec![], vec![]));
        }
        let run = |command: &[&str], env: serde_json::Value| {
            let settings = json!({"image": UNCHANGED_IMAGE, "command": command, "mounts": {"/shared:ro": volume},
                "env": env});
            let container = pod.run(settings);
            container.expect("ready");
            container
        };
        let container = run(&["/shared/rini", "--", "/probe", "signals", "15"], json!({}));
        assert_is_rini(container.init());
        assert_eq!(status_field(container.init(), "NSpid").split('\t').next_back(), Some("1"));
        let probe = |container: &node::Container| {
            assert_eq!(container.exec(&["/probe", "orphans", "10"]), (0, "made 10\n".to_owned()));
        };
        probe(&container);
        until("rini has reaped all", || children_of(container.init()).len() == 1);
        assert_eq!(container.stop(60), ended(0, "Completed"));
        container.expect("signal 15 ");
        let container = run(&["/shared/rini", "--", "/probe", "signals"], json!({"RINI_GRACE_PERIOD": "300ms"}));
        assert_eq!(container.stop(60), ended(137, "Error"));
        let lines = container.lines("stderr");
        assert!(lines.len() == 1 && lines[0].starts_with("rini: WARN killed pid "), "{lines:?}");
        let exit = |code| {
            json!({"image": UNCHANGED_IMAGE, "command": ["/shared/rini", "--", "/probe", "exit", code],
            "mounts": {"/shared:ro": volume}})
        };
        assert_eq!(pod.run(exit("7")).ended(), ended(7, "Error"));

        // The negative control: the same image by its own entry point.
        let control = run(&["/probe", "signals"], json!({}));
        probe(&control);
        until("10 zombies", || zombies_of(control.init()) == 10);

        // A volume that is read-only, and none.
        let refused = |settings: serde_json::Value, reason: &str| {
            let mut all = json!({"image": RINI_IMAGE, "command": ["/rini", "--install", "/shared/rini"]});
            all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
            let inject = pod.run(all);
            assert_eq!(inject.ended(), ended(1, "Error"));
            let lines = inject.lines("stderr");
            assert!(lines.len() == 1 && lines[0].contains(reason), "{lines:?}");
        };
        refused(json!({"mounts": {"/shared:ro": volume}}), "Read-only file system");
        refused(json!({}), "No such file or directory");
    }
}

/// This is about the tests themselves: a node leaves nothing behind.
#[test]
fn a_node_ends_with_its_test() {
    let Some(node) = Node::start() else { return };
    let (folder, cgroup, containerd) = node.traces();
    let pids: Vec<_> = RUNTIMES
        .iter()
        .flat_map(|runtime| {
            let pod = node.run_pod(runtime, false);
            let container = pod.run(json!({"args": ["/probe", "signals"]}));
            [pod.pause(), container.init()]
        })
        .chain([containerd])
        .collect();
    let cgroups = || {
        let output = Command::new("find").args(["/sys/fs/cgroup", "-type", "d", "-name", &cgroup]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().count()
    };
    assert!(pids.iter().all(|pid| state(*pid).is_some()) && folder.exists() && cgroups() > 0);
    drop(node);
    assert!(pids.iter().all(|pid| state(*pid).is_none()) && !folder.exists());
    assert_eq!(cgroups(), 0);
}
