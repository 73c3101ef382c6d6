//! The tests that only such a host can run: systemd starts the containers, and stops them at the end of the machine.
//!
//! They are ignored elsewhere, because they change the machine. `the_machine_restarts` and `the_machine_has_restarted` are one
//! test, with a restart in between.

use crate::docker::busybox;
use crate::support::{
    Output, Start, assert_is_rini, children_of, copy_executable, make_root, rini, short_folder, status_field, until,
    zombies_of,
};
use nix::unistd::Pid;
use std::fs;
use std::path::Path;
use std::process::Command;

fn run(words: &str) -> Output {
    let words: Vec<_> = words.split(' ').collect();
    Start::of(words[0]).args(&words[1..]).run()
}

/// Runs a command that must succeed. Returns its standard output.
fn done(words: &str) -> String {
    let output = run(words);
    assert_eq!(output.code(), 0, "{words}: {output:?}");
    output.out.join("\n")
}

/// Makes an image for an engine, with rini as the entry point: `/rini`, `/probe`, `/bin/busybox` as a shell, and these scripts
/// in /bin.
fn import(engine: &str, image: &str, scripts: &[(&str, &str)], command: &[&str]) {
    let folder = short_folder();
    make_root(folder.path());
    let root = folder.path().join("image");
    let bin = root.join("bin");
    fs::create_dir(&bin).unwrap();
    copy_executable(&busybox().unwrap(), &bin.join("busybox"));
    std::os::unix::fs::symlink("busybox", bin.join("sh")).unwrap();
    for (name, script) in scripts {
        crate::support::executable(&bin, name, format!("#!/bin/sh\n{script}\n"));
    }
    let tar = folder.path().join("tar");
    assert!(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&tar).arg(".").status().unwrap().success());
    let entry_point = r#"ENTRYPOINT ["/rini","--"]"#;
    let command = format!("CMD {}", serde_json::to_string(command).unwrap());
    let words = ["import", "--change", entry_point, "--change", &command, tar.to_str().unwrap(), image];
    let output = Start::of(engine).args(words).run();
    assert_eq!(output.code(), 0, "{output:?}");
}

/// A property of a unit of systemd.
fn property(unit: &str, name: &str) -> String {
    done(&format!("systemctl show --property {name} --value {unit}"))
}

/// PID 1 of one of podman's containers, as this machine numbers it.
fn pid1(container: &str) -> Pid {
    Pid::from_raw(done(&format!("podman inspect --format {{{{.State.Pid}}}} {container}")).parse().unwrap())
}

/// The lines that podman's container and its podman wrote to the journal.
fn journal(unit: &str) -> Vec<String> {
    done(&format!("journalctl --no-pager --output cat --unit {unit}")).lines().map(str::to_owned).collect()
}

/// The stand-in for redis, whose digest no image made here can have.
const REDIS: &str = "localhost/redis:latest";

/// The units of packaging/examples, with images that have stand-ins for gunicorn, celery, python3 and redis, and with more time
/// for podman. The health check leaves two orphans.
#[test]
#[ignore = "runs in a virtual machine"]
fn systemd_starts_and_stops_the_example_s_quadlet_units() {
    const WEB: &str = "rini-example.service";
    const WORKER: &str = "rini-example-worker.service";
    let scripts = [
        (
            "python3",
            r#"case "$*" in "health.py web" | "health.py worker") exec /probe orphans 2 </dev/null ;; esac; exit 3"#,
        ),
        // The program's own end, and a program without a handler.
        ("gunicorn", "exec /probe signals 15"),
        ("celery", "exec /probe alive"),
        ("redis-server", "exec /probe signals 15"),
    ];
    import("podman", "localhost/rini-example:latest", &scripts, &["gunicorn"]);
    import("podman", REDIS, &scripts, &[]);
    let folder = Path::new("/etc/containers/systemd");
    fs::create_dir_all(folder).unwrap();
    for entry in fs::read_dir("packaging/examples/quadlet").unwrap() {
        let path = entry.unwrap().path();
        let mut text = fs::read_to_string(&path).unwrap();
        if path.ends_with("rini-example-redis.container") {
            let image = text.lines().find(|line| line.starts_with("Image=")).unwrap().to_owned();
            text = text.replace(&image, &format!("Image={REDIS}"));
        } else if path.extension().is_some_and(|end| end == "container") {
            // Each command of podman takes seconds here, and health checks would run all the time.
            for (example, here) in [
                ("HealthInterval=10s", "HealthInterval=2m"),
                ("HealthTimeout=5s", "HealthTimeout=2m"),
                ("TimeoutStopSec=40", "TimeoutStopSec=5m"),
            ] {
                assert_eq!(text.matches(example).count(), 1, "{example} in {text}");
                text = text.replace(example, here);
            }
        }
        fs::write(folder.join(path.file_name().unwrap()), text).unwrap();
    }
    let key = tempfile::NamedTempFile::new().unwrap();
    fs::write(key.path(), "a secret of the tests").unwrap();
    done(&format!("podman secret create signing_key {}", key.path().display()));
    done("systemctl daemon-reload");
    done(&format!("systemctl start {WEB} {WORKER}"));

    for (container, unit) in [("web", WEB), ("worker", WORKER)] {
        assert_eq!(property(unit, "ActiveState"), "active");
        let pid = pid1(container);
        assert_is_rini(pid);
        assert_eq!(status_field(pid, "Uid"), "10001\t10001\t10001\t10001");
        assert_eq!(status_field(pid, "NoNewPrivs"), "1");
        // podman runs the health check by a timer of systemd's.
        until("it is healthy", || {
            done(&format!("podman inspect --format {{{{.State.Health.Status}}}} {container}")) == "healthy"
        });
        let check = run(&format!("podman healthcheck run {container}"));
        assert_eq!(check.code(), 0, "{check:?}");
        until("rini has reaped what the health checks left", || children_of(pid).len() == 1);
    }
    assert_eq!(done("podman exec web /bin/busybox cat /run/secrets/signing_key"), "a secret of the tests");
    let files = format!("/proc/{}/cgroup", pid1("web"));
    let cgroup = fs::read_to_string(files).unwrap().trim().strip_prefix("0::").unwrap().to_owned();
    assert!(cgroup.contains(WEB), "{cgroup}");
    // The negative control: without rini, what a health check leaves stays.
    done(&format!("podman run --detach --name control --network none --entrypoint /probe {REDIS} signals 15"));
    done("podman exec control /probe orphans 2");
    until("2 zombies", || zombies_of(pid1("control")) == 2);
    done("podman rm --force --time 0 control");

    // web ends by itself. worker has no handler, and ends by the signal.
    done(&format!("systemctl stop {WEB}"));
    assert_eq!([property(WEB, "Result"), property(WEB, "ExecMainStatus")], ["success", "0"]);
    let lines = journal(WEB);
    assert!(
        lines.iter().any(|line| line.contains("INFO SIGTERM from outside the container, held back for 2s")),
        "{lines:?}"
    );
    assert!(lines.iter().any(|line| line.starts_with("signal 15 ")), "{lines:?}");
    done(&format!("systemctl stop {WORKER}"));
    assert_eq!([property(WORKER, "Result"), property(WORKER, "ExecMainStatus")], ["exit-code", "143"]);
    done("systemctl stop rini-example-redis.service");
    // The machine need not start them again.
    fs::remove_dir_all(folder).unwrap();
    done("systemctl daemon-reload");
}

/// Podman with its own settings: crun, overlay, and cgroups by systemd.
#[test]
#[ignore = "runs in a virtual machine"]
fn a_kill_for_memory_in_podman_is_reported() {
    import("podman", "localhost/memory:latest", &[], &[]);
    let eat = |mib: &str, env: &str| {
        let flags = "--rm --network none --memory 64m --memory-swap 64m";
        run(&format!("podman run {flags} {env}localhost/memory /probe eat {mib}"))
    };
    let output = eat("4096", "");
    let lines: Vec<_> = output.err.iter().filter(|line| line.starts_with("rini: ")).collect();
    assert_eq!((output.code(), lines.len()), (137, 1), "{output:?}");
    let end = "; meanwhile the kernel killed 1 of this container's processes: out of memory, limit 64 MiB";
    assert!(lines[0].starts_with("rini: WARN pid ") && lines[0].ends_with(end), "{output:?}");
    // The same with podman's --init.
    let folder = short_folder();
    let init = folder.path().join("catatonit");
    copy_executable(&rini(), &init);
    let flags = format!("--rm --network none --memory 64m --memory-swap 64m --init --init-path {}", init.display());
    let output = run(&format!("podman run {flags} --entrypoint /probe localhost/memory eat 4096"));
    let lines: Vec<_> = output.err.iter().filter(|line| line.starts_with("WARN (catatonit:1): pid ")).collect();
    assert_eq!((output.code(), lines.len()), (137, 1), "{output:?}");
    assert!(lines[0].ends_with(end), "{output:?}");
    // The negative control.
    let output = eat("16", "");
    assert_eq!((output.code(), output.err), (0, vec![]));
}

/// The programs of the restart. Each writes to a file of the machine when it starts, and 3 s after its stop signal. The other
/// one does not end, and rini kills it.
const RESTARTED: [(&str, &str); 2] = [
    (
        "polite",
        "trap '/bin/busybox sleep 3; echo ended >>/data/log; exit 0' TERM; echo started >>/data/log; \
      while :; do /bin/busybox sleep 1 & wait $!; done",
    ),
    ("deaf", "trap '' TERM; echo started >>/data/log; while :; do /bin/busybox sleep 1; done"),
];

/// The log of a container of the restart.
fn log_of(engine: &str, name: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("/var/lib/{engine}-{name}/log")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

const ENGINES: [&str; 2] = ["docker", "podman"];

/// The engines' stop timeout, in seconds. Docker's engine ends at the latest 5 s after it, and then writes no log any more. So
/// this is much more than the grace period, because the machine is slow. systemd kills Docker's engine after 90 s.
const STOP_TIMEOUT: u32 = 60;

/// Starts containers, which the end of the machine stops: Docker's have a restart policy, and podman's are quadlet units.
#[test]
#[ignore = "runs in a virtual machine"]
fn the_machine_restarts() {
    for engine in ENGINES {
        import(engine, "localhost/restarted:latest", &RESTARTED, &[]);
        for (name, _) in RESTARTED {
            fs::create_dir(format!("/var/lib/{engine}-{name}")).unwrap();
        }
    }
    fs::create_dir_all("/etc/containers/systemd").unwrap();
    for (name, _) in RESTARTED {
        let flags = format!(
            "--network none --env RINI_GRACE_PERIOD=6s --stop-timeout {STOP_TIMEOUT} --restart always --detach"
        );
        done(&format!(
            "docker run {flags} --name {name} --volume /var/lib/docker-{name}:/data localhost/restarted {name}"
        ));
        let unit = format!(
            "[Container]\nContainerName={name}\nImage=localhost/restarted:latest\nExec={name}\nNetwork=none\n\
             Environment=RINI_GRACE_PERIOD=6s\nVolume=/var/lib/podman-{name}:/data\nStopTimeout={STOP_TIMEOUT}\n\
             [Service]\nTimeoutStopSec=5m\n[Install]\nWantedBy=multi-user.target\n"
        );
        fs::write(format!("/etc/containers/systemd/restarted-{name}.container"), unit).unwrap();
    }
    done("systemctl daemon-reload");
    done("systemctl start restarted-polite restarted-deaf");
    for engine in ENGINES {
        for (name, _) in RESTARTED {
            until("it has started", || log_of(engine, name) == ["started"]);
        }
    }
    assert_is_rini(Pid::from_raw(done("docker inspect --format {{.State.Pid}} polite").parse().unwrap()));
    assert_is_rini(pid1("polite"));
}

#[test]
#[ignore = "runs in a virtual machine"]
fn the_machine_has_restarted() {
    for engine in ENGINES {
        until("the program runs again", || log_of(engine, "polite").len() > 2);
        assert_eq!(log_of(engine, "polite"), ["started", "ended", "started"], "{engine}");
        until("the program runs again", || log_of(engine, "deaf").len() > 1);
        assert_eq!(log_of(engine, "deaf"), ["started", "started"], "{engine}");
    }
    // rini had the time to kill the program, and to say so.
    let killed = |lines: &[String]| lines.iter().filter(|line| line.starts_with("rini: WARN killed pid ")).count();
    let logs = run("docker logs deaf");
    assert_eq!(killed(&logs.err), 1, "{logs:?}");
    let lines = journal("restarted-deaf");
    assert_eq!(killed(&lines), 1, "{lines:?}");
    for name in ["polite", "deaf"] {
        done(&format!("systemctl stop restarted-{name}"));
        done(&format!("docker rm --force {name}"));
    }
}
