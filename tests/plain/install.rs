//! `--install` copies rini's own file, whole or not at all.

use crate::support::{
    Output, Start, beside, copy_executable, injecting, is_root, namespaces, pid1, probe, rini, skip, tools,
};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;

fn install(to: &Path) -> Start {
    beside(["--install".as_ref(), to.as_os_str()])
}

/// Asserts that rini copied itself in silence.
fn assert_installed(output: &Output, to: &Path) {
    assert_eq!((output.code(), &output.out, &output.err), (0, &vec![], &vec![]));
    assert!(fs::read(to).unwrap() == fs::read(rini()).unwrap(), "{} has other bytes", to.display());
    assert_eq!(fs::symlink_metadata(to).unwrap().mode(), 0o100_755);
}

/// Asserts that rini refused with this line, and left nothing but these files.
fn assert_refused(output: &Output, reason: &str, folder: &Path, files: &[&str]) {
    assert_eq!(output.code(), 1, "{output:?}");
    let line = error(output);
    assert!(line.starts_with("rini: ERROR --install ") && line.contains(reason), "{line}");
    assert_eq!(names(folder), files);
}

/// Returns the one line on standard error.
fn error(output: &Output) -> &str {
    let [line] = &output.err[..] else { panic!("one line: {output:?}") };
    line
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn rini_copies_itself_to_a_path_or_into_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    for to in [folder.path().join("init"), folder.path().join("rini")] {
        let given = if to.ends_with("rini") { folder.path() } else { &to };
        // The umask does not reach the copy.
        // SAFETY: umask only changes the child's own mask.
        let strict = |command: &mut std::process::Command| unsafe {
            command.pre_exec(|| {
                libc::umask(0o077);
                Ok(())
            });
        };
        let output = install(given)
            .with(|command| {
                strict(command);
                command
            })
            .run();
        assert_installed(&output, &to);
        let output = Start::of(&to).args(["--", "sh", "-c", "exit 7"]).run();
        assert_eq!(output.code(), 7, "{output:?}");
    }
    assert_eq!(names(folder.path()), ["init", "rini"]);
}

#[test]
fn a_target_that_runs_is_replaced_and_runs_on() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("rini");
    assert_installed(&install(&to).run(), &to);
    let mut running =
        Start::of(&to).args(["--".as_ref(), probe().as_os_str(), "signals".as_ref(), "15".as_ref()]).spawn();
    assert!(running.line().starts_with("ready "));
    // Whoever writes into the file meets ETXTBSY.
    let busy = fs::OpenOptions::new().write(true).open(&to).unwrap_err();
    assert_eq!(busy.raw_os_error(), Some(libc::ETXTBSY));
    let before = fs::metadata(&to).unwrap().ino();
    assert_installed(&install(&to).run(), &to);
    assert_ne!(fs::metadata(&to).unwrap().ino(), before, "it is another file");
    running.signal(libc::SIGTERM);
    assert_eq!(running.finish().code(), 0);
    assert_eq!(names(folder.path()), ["rini"]);
}

#[test]
fn a_link_to_a_file_is_replaced_and_a_link_to_a_folder_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (other, link) = (folder.path().join("other"), folder.path().join("link"));
    fs::write(&other, "mine").unwrap();
    symlink("other", &link).unwrap();
    assert_installed(&install(&link).run(), &link);
    assert_eq!(fs::read(&other).unwrap(), b"mine");
    let (inner, link) = (folder.path().join("folder"), folder.path().join("link2"));
    fs::create_dir(&inner).unwrap();
    symlink("folder", &link).unwrap();
    assert_installed(&install(&link).run(), &inner.join("rini"));
}

#[test]
fn a_failure_is_one_line_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("missing/rini");
    assert_refused(&install(&to).run(), "No such file or directory", folder.path(), &[]);
    // A folder of the name is in the way. The copy is complete by then.
    fs::create_dir(folder.path().join("rini")).unwrap();
    assert_refused(&install(folder.path()).run(), "Is a directory", folder.path(), &["rini"]);
    fs::remove_dir(folder.path().join("rini")).unwrap();
    // What stands there stays if the copy fails.
    let to = folder.path().join("rini");
    fs::write(&to, "old").unwrap();
    if is_root() {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let output = install(&to).user(65534).run();
        assert_refused(&output, "Permission denied", folder.path(), &["rini"]);
    }
    assert_eq!(fs::read(&to).unwrap(), b"old");
    for (options, reason) in [
        (&["--install"][..], "--install: the value is missing; it takes a path"),
        (&["--install", ""], "--install: \"\" is not a path"),
    ] {
        let output = beside(options).run();
        assert_eq!((output.code(), error(&output)), (1, &*format!("rini: ERROR {reason}")));
    }
}

/// The calls that make the copy and put it in its place. Each fails, at its first time or in the middle.
#[test]
fn a_failing_call_leaves_the_target_as_it_was_and_no_part_of_a_copy() {
    if !tools(&["strace"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("rini");
    let run = |fault: &str| injecting(fault).args(["--install".as_ref(), to.as_os_str()]).run();
    for (fault, reason) in [
        // First rini opens its own file in /proc. If that fails, it opens argv[0]. The second open makes the copy.
        ("openat:error=EMFILE:when=1..2", "Too many open files"),
        ("openat:error=ENOSPC:when=2", "No space left on device"),
        ("sendfile:error=EIO:when=1", "Input/output error"),
        // The bytes are there by then, but rini has not seen the end.
        ("sendfile:error=EIO:when=2", "Input/output error"),
        ("sendfile:error=ENOSPC:when=2", "No space left on device"),
        ("sendfile:error=ENOSYS", "Function not implemented"),
        ("fchmod:error=EPERM", "Operation not permitted"),
        ("fsync:error=EIO", "Input/output error"),
        ("fsync:error=ENOSPC", "No space left on device"),
        // rini has no text for this errno, and logs its number.
        ("renameat2:error=EXDEV", ""),
        ("renameat2:error=ENOSYS", "Function not implemented"),
    ] {
        let wanted = format!("rini: ERROR --install {to:?}: {reason}");
        for has_target in [false, true] {
            if has_target {
                fs::write(&to, "old").unwrap();
                fs::set_permissions(&to, fs::Permissions::from_mode(0o640)).unwrap();
            }
            let state = || fs::metadata(&to).map(|file| (file.ino(), file.mode(), file.mtime_nsec())).ok();
            let before = state();
            let output = run(fault);
            assert_eq!((output.code(), &output.out), (1, &vec![]), "{fault}: {output:?}");
            let line = error(&output);
            assert!(line.starts_with(&wanted) && line.ends_with("; the target is unchanged"), "{fault}: {line}");
            assert_eq!(names(folder.path()), if has_target { &["rini"][..] } else { &[] }, "{fault}");
            assert_eq!(state(), before);
            if has_target {
                assert_eq!(fs::read(&to).unwrap(), b"old", "{fault}");
                fs::remove_file(&to).unwrap();
            }
        }
    }
    // The negative control: a fault that comes too late changes nothing, so the faults above are the reason.
    assert_installed(&run("fsync:error=EIO:when=2"), &to);
}

/// After a crash of the machine, the target has to be the old file or the whole new one.
#[test]
fn the_disk_has_the_copy_before_the_target_has_its_name() {
    if !tools(&["strace"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (to, log) = (folder.path().join("rini"), folder.path().join("log"));
    let strace = Start::of("strace").args(["-e", "signal=none", "-o"]).args([&log, &rini()]);
    assert_installed(&strace.args(["--install".as_ref(), to.as_os_str()]).run(), &to);
    let log = fs::read_to_string(log).unwrap();
    let lines: Vec<_> = log.lines().collect();
    let place = |call: &str| {
        let places: Vec<_> = (0..lines.len()).filter(|place| lines[*place].starts_with(call)).collect();
        let [place] = places[..] else { panic!("{call}: once in {log}") };
        assert!(!lines[place].contains("= -1 "), "{}", lines[place]);
        place
    };
    let is_opened = |line: &&&str| line.starts_with("openat(") && line.contains("O_CREAT|O_EXCL");
    let opened = lines.iter().find(is_opened).unwrap_or_else(|| panic!("no new file in {log}"));
    let (_, copy) = opened.rsplit_once("= ").unwrap();
    let path = opened.split('"').nth(1).unwrap();
    let last_bytes = lines.iter().rposition(|line| line.starts_with(&format!("sendfile({copy}, "))).unwrap();
    let (mode, synced) = (place(&format!("fchmod({copy}, 0755)")), place(&format!("fsync({copy})")));
    let renamed = place(&format!("renameat2(AT_FDCWD, {path:?}, AT_FDCWD, {to:?}, "));
    assert!(last_bytes < synced && mode < synced && synced < renamed, "{log}");
}

#[test]
fn a_dangling_link_is_replaced_and_its_target_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    symlink("nowhere", &link).unwrap();
    assert_installed(&install(&link).run(), &link);
    assert_eq!(names(folder.path()), ["link"]);
}

/// As in an init container whose image has the shared folder in the place of its own rini.
#[test]
fn rini_replaces_the_file_that_it_runs_from() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("rini");
    copy_executable(&rini(), &to);
    for target in [to.as_path(), folder.path()] {
        // As long as it is open, no other file gets its number.
        let before = fs::File::open(&to).unwrap();
        assert_installed(&Start::of(&to).args(["--install".as_ref(), target.as_os_str()]).run(), &to);
        assert_ne!(fs::metadata(&to).unwrap().ino(), before.metadata().unwrap().ino(), "it is another file");
    }
    assert_eq!(names(folder.path()), ["rini"]);
    assert_eq!(Start::of(&to).args(["--", "sh", "-c", "exit 7"]).run().code(), 7);
}

#[test]
fn a_slash_at_the_end_is_a_folder_or_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let slash = |name: &str| folder.path().join(format!("{name}/"));
    fs::create_dir(folder.path().join("folder")).unwrap();
    assert_installed(&install(&slash("folder")).run(), &folder.path().join("folder/rini"));
    fs::write(folder.path().join("file"), "old").unwrap();
    symlink("file", folder.path().join("link")).unwrap();
    let all = ["file", "folder", "link"];
    assert_refused(&install(&slash("missing")).run(), ": No such file or directory; ", folder.path(), &all);
    for name in ["file", "link"] {
        assert_refused(&install(&slash(name)).run(), ": Not a directory; ", folder.path(), &all);
    }
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"old");
    assert!(folder.path().join("link").is_symlink());
}

/// Runs a script in a mount namespace of its own. $1 is rini.
fn in_mounts(script: &str, folder: &Path) -> Output {
    Start::of("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .args([rini()])
        .with(|command| command.current_dir(folder))
        .run()
}

#[test]
fn a_full_or_read_only_file_system_keeps_nothing() {
    if !is_root() || !namespaces() {
        return skip("mounts need root and namespaces");
    }
    let folder = tempfile::tempdir().unwrap();
    let output = in_mounts(
        "mount -t tmpfs -o size=16k none . && cd . && echo old > rini && { \"$1\" --install \"$PWD/rini\"; echo $?; cat rini; ls -A; }",
        folder.path(),
    );
    assert_eq!(output.out, ["1", "old", "rini"], "{output:?}");
    assert!(error(&output).contains(": No space left on device; the target is unchanged"), "{output:?}");
    // An emptyDir with a limit that fits one copy: an init container that runs again finds the first one, which stays.
    let size = fs::metadata(rini()).unwrap().len();
    let again = |size: u64| {
        let script = format!(
            "mount -t tmpfs -o size={size} none . && cd . && for i in 1 2; do \"$1\" --install \"$PWD/rini\"; echo $?; done; \
             cmp \"$1\" rini && ls -A"
        );
        in_mounts(&script, folder.path())
    };
    let output = again(size + size / 2);
    assert_eq!(output.out, ["0", "1", "rini"], "{output:?}");
    assert!(error(&output).contains(": No space left on device; the target is unchanged"), "{output:?}");
    assert_eq!(again(2 * size + 65536).out, ["0", "0", "rini"]);
    // With enough room, it works.
    let script = "mount -t tmpfs -o size=16m none . && cd \"$PWD\" && \"$1\" --install \"$PWD\" && ls -A";
    assert_eq!(in_mounts(script, folder.path()).out, ["rini"]);
    // A mount without execution: the copy is there, and rini says that it cannot run.
    let script =
        "mount -t tmpfs -o noexec none . && cd \"$PWD\" && \"$1\" --install \"$PWD\"; echo $?; ./rini -V || ls -A";
    let output = in_mounts(script, folder.path());
    assert_eq!(output.out, ["0", "rini"], "{output:?}");
    assert!(
        output.err[0].ends_with(" is on a file system that is mounted noexec, so nothing can run it there"),
        "{output:?}"
    );
    // With the standard streams closed, the copy has the number of one of them. The warning must not go into it.
    let script = "mount -t tmpfs -o noexec none . && cd \"$PWD\" && { \"$1\" --install \"$PWD\" <&- >&- 2>&-; cmp \"$1\" rini && echo same; }";
    assert_eq!(in_mounts(script, folder.path()).out, ["same"]);
    let script = "mount -t tmpfs -o ro none . && cd \"$PWD\" && { \"$1\" --install \"$PWD\"; echo $?; ls -A; }";
    let output = in_mounts(script, folder.path());
    assert_eq!(output.out, ["1"], "{output:?}");
    assert!(error(&output).contains(": Read-only file system; "), "{output:?}");
}

/// A file that an engine has mounted into the container cannot be replaced from inside.
#[test]
fn a_file_that_is_a_mount_is_refused() {
    if !is_root() || !namespaces() {
        return skip("mounts need root and namespaces");
    }
    let folder = tempfile::tempdir().unwrap();
    for name in ["rini", "other"] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    let script = "mount --bind other rini && { \"$1\" --install \"$PWD/rini\"; echo $?; cat rini; }";
    let output = in_mounts(script, folder.path());
    assert_eq!(output.out, ["1", "other"], "{output:?}");
    assert!(error(&output).ends_with(": Device or resource busy; the target is unchanged"), "{output:?}");
    assert_eq!(names(folder.path()), ["other", "rini"]);
    for name in ["rini", "other"] {
        assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), name);
    }
    // The negative control: without the mount it is replaced.
    let to = folder.path().join("rini");
    assert_installed(&install(&to).run(), &to);
}

#[test]
fn without_proc_the_name_that_rini_was_called_by_is_the_file() {
    if !namespaces() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("rini");
    let output = pid1(["--install".as_ref(), to.as_os_str()]).hide(c"/proc").run();
    assert_installed(&output, &to);
    // A name without a folder is no path: a file of that name in the working directory is another one.
    let nameless = |name: &str| {
        fs::remove_file(&to).ok();
        let to = to.clone();
        let name = name.to_owned();
        pid1(["--install".as_ref(), to.as_os_str()]).with(move |command| command.arg0(name)).hide(c"/proc").run()
    };
    assert_refused(&nameless("rini"), "No such file or directory", folder.path(), &[]);
}

/// Everybody may run a setuid file, and would get its rights for any target.
#[test]
fn a_setuid_rini_installs_nothing() {
    if !is_root() {
        return skip("a file of root's needs root");
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let setuid = folder.path().join("setuid");
    copy_executable(&rini(), &setuid);
    let to = folder.path().join("rini");
    let run = || {
        let start = Start::of(&setuid).args(["--install".as_ref(), to.as_os_str()]);
        start.with(|command| command.uid(65534).gid(65534)).run()
    };
    // The negative control: the same file without the bit.
    assert_installed(&run(), &to);
    fs::remove_file(&to).unwrap();
    fs::set_permissions(&setuid, fs::Permissions::from_mode(0o4755)).unwrap();
    let output = run();
    assert_eq!(output.code(), 1, "{output:?}");
    assert!(error(&output).contains("rini's file is setuid or setgid"), "{output:?}");
    assert_eq!(names(folder.path()), ["setuid"]);
}

#[test]
fn a_pipe_in_place_of_the_target_stays_one() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("pipe");
    nix::unistd::mkfifo(&to, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_refused(&install(&to).run(), "Invalid argument", folder.path(), &["pipe"]);
    assert!(fs::symlink_metadata(&to).unwrap().file_type().is_fifo());
}

/// Without statx(2) rini cannot see whether the target is a pipe or a device. So it replaces nothing, and the target must be new.
#[test]
fn without_statx_nothing_is_replaced() {
    if !tools(&["strace"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (pipe, new) = (folder.path().join("pipe"), folder.path().join("rini"));
    let without_statx = |to: &Path| injecting("statx:error=ENOSYS").args(["--install".as_ref(), to.as_os_str()]).run();
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_refused(&without_statx(&pipe), "File exists", folder.path(), &["pipe"]);
    assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
    assert_refused(&without_statx(folder.path()), "File exists", folder.path(), &["pipe"]);
    assert_installed(&without_statx(&new), &new);
    assert_refused(&without_statx(&new), "File exists", folder.path(), &["pipe", "rini"]);
    // The negative control: with statx, a file is replaced.
    assert_installed(&install(&new).run(), &new);
}
