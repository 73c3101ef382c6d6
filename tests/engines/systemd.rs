//! rini as the main process of a service of systemd, without a container. systemd runs as a user manager, in namespaces of the
//! test's own.

use crate::support::{is_root, namespaces, rini, short_folder, skip, tools, until};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The directory where the machine has version 2 of the cgroups, also beside version 1.
fn cgroups() -> Option<PathBuf> {
    let places = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(PathBuf::from);
    places.into_iter().find(|place| place.join("cgroup.subtree_control").exists())
}

/// The program says that it is ready, and sends keep-alive messages if libsystemd says that systemd waits for them. After more
/// than twice the limit of the watchdog it prints `kept`.
const PROGRAM: &str = "
import ctypes, time
systemd = ctypes.CDLL('libsystemd.so.0')
limit = ctypes.c_uint64()
watched = systemd.sd_watchdog_enabled(0, ctypes.byref(limit))
systemd.sd_notify(0, b'READY=1')
for beat in range(1000):
    time.sleep(0.3)
    if watched:
        systemd.sd_notify(0, b'WATCHDOG=1')
    if beat == 25:
        print('kept', flush=True)
";

/// The script. Dropping it ends the manager and removes the cgroup, also if the test fails.
struct Manager(Child);

impl Drop for Manager {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Starts the service, and waits until its file has this line. Returns all lines.
fn serve(cgroups: &Path, init: &str, settings: &str, last: &str) -> Vec<String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let folder = short_folder();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("units")).unwrap();
    fs::write(path("program.py"), PROGRAM).unwrap();
    let (program, output) = (path("program.py"), path("output"));
    let unit = format!(
        "[Unit]\nDefaultDependencies=no\n[Service]\nType=notify\nWatchdogSec=3\nKillMode=mixed\n{settings}\n\
         ExecStart={init} /usr/bin/python3 {program}\nExecStartPost=/bin/echo ready\nStandardOutput=append:{output}\n\
         ExecStopPost=/bin/sh -c 'echo stopped by $SERVICE_RESULT'\n",
        program = program.display(),
        output = output.display()
    );
    fs::write(path("units/test.service"), unit).unwrap();
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let cgroup = cgroups.join(format!("rini-systemd-{}-{number}", std::process::id()));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engines/systemd");
    let manager = Command::new(script).arg(folder.path()).arg(&cgroup).stdin(Stdio::piped()).process_group(0).spawn();
    let manager = Manager(manager.unwrap());
    let lines = || fs::read_to_string(&output).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
    until(last, || lines().iter().any(|line| line == last));
    let found = lines();
    drop(manager);
    assert!(!cgroup.exists());
    found
}

#[test]
fn systemd_s_watchdog_and_notifications_work_as_the_docs_say() {
    if !is_root() {
        return skip("a manager of its own needs root");
    }
    let Some(cgroups) = cgroups() else { return skip("there is no version 2 of the cgroups") };
    if !namespaces() || !tools(&["tini", "systemd-analyze"]) {
        return;
    }
    if !["/lib/systemd/systemd", "/usr/bin/python3"].iter().all(|file| Path::new(file).exists()) {
        return skip("there is no systemd, or no /usr/bin/python3");
    }
    let rini = format!("{} --", rini().display());
    let all = "NotifyAccess=all";
    assert_eq!(serve(&cgroups, &rini, all, "kept"), ["ready", "kept"]);
    // The program's messages come from a child of the main process.
    let main = "NotifyAccess=main\nTimeoutStartSec=3";
    let lines = serve(&cgroups, &rini, main, "stopped by timeout");
    assert!(!lines.contains(&"ready".to_owned()), "{lines:?}");
    // The negative controls: the program alone, and an init that leaves WATCHDOG_PID as it is.
    assert_eq!(serve(&cgroups, "", "", "kept"), ["ready", "kept"]);
    assert_eq!(serve(&cgroups, "/usr/bin/tini -s --", all, "stopped by watchdog"), ["ready", "stopped by watchdog"]);
}
