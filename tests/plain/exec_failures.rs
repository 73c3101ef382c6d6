//! Why a program cannot be run: rini names the reason, under every name.

use crate::support::{
    Output, Start, beside, called, copy_executable, executable, namespaces, rini, skip, tools, user_namespaces,
    without_reasons,
};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The last line on standard error. Only tini writes more, about its role.
fn last_line(output: &Output) -> &str {
    output.err.last().unwrap_or_else(|| panic!("{output:?}"))
}

/// Asserts that nothing was started, with this exit code and this one line.
fn assert_refused(output: &Output, code: i32, program: &str, reason: &str) {
    let line = format!("rini: ERROR cannot run {program:?}: {reason}");
    assert_eq!((output.code(), &output.out[..], &output.err[..]), (code, &[][..], &[line][..]), "{program}");
}

fn script(folder: &Path, name: &str, text: &str) -> String {
    executable(folder, name, text).to_str().unwrap().to_owned()
}

/// Difference 33: the line of another init stays, and the reason follows in parentheses.
#[test]
fn under_another_init_s_name_the_reason_follows_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let script = script(folder.path(), "script", "#!/no/such/shell\n");
    let plain = folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
    let plain = plain.to_str().unwrap();
    let none = "No such file or directory";
    let windows = self::script(folder.path(), "windows", "#!/bin/sh\r\n");
    let looped = folder.path().join("loop");
    std::os::unix::fs::symlink(&looped, &looped).unwrap();
    let looped = looped.to_str().unwrap();
    for (program, errno, reason) in [
        (&*script, none, r#"its interpreter "/no/such/shell" is not in this image"#),
        (
            &*windows,
            none,
            "its interpreter \"/bin/sh\\r\" is not in this image: the script has Windows line endings (convert it with dos2unix)",
        ),
        // The errno says it all.
        (looped, "Too many levels of symbolic links", ""),
        (plain, "Permission denied", "it has no execute permission (chmod +x, or COPY --chmod=755)"),
        // The reason would be the errno in other words.
        ("/no/such", none, ""),
    ] {
        for (name, code_of_none, line) in [
            ("tini", 127, format!("exec {program} failed: {errno}")),
            ("docker-init", 127, format!("exec {program} failed: {errno}")),
            ("tini-static", 127, format!("exec {program} failed: {errno}")),
            ("dumb-init", 2, format!("[dumb-init] {program}: {errno}")),
            ("catatonit", 1, format!("failed to exec pid1: {errno}")),
            ("podman-init", 1, format!("failed to exec pid1: {errno}")),
        ] {
            let output = called(name).args(["--", program]).run();
            let code = match errno {
                _ if code_of_none != 127 => code_of_none,
                "No such file or directory" => 127,
                "Permission denied" => 126,
                _ => 1,
            };
            assert_eq!(output.code(), code, "{name}: {output:?}");
            // catatonit's own line does not name the program.
            let reason_of_rini = match (reason, errno == none) {
                ("", true) => "there is no such file",
                ("", false) => errno,
                _ => reason,
            };
            let cannot = format!("cannot run {program:?}: {reason_of_rini}");
            let wanted = match (name, reason) {
                ("catatonit" | "podman-init", _) => format!("{line} ({cannot})"),
                (_, "") => line.clone(),
                _ => format!("{line} ({reason})"),
            };
            assert!(last_line(&output).ends_with(&wanted), "{name}: {output:?}");
            let begin = last_line(&output).split_once(&line).expect("the line of that init").0.to_owned() + &line;
            let mine = [last_line(&output).to_owned()];
            assert_eq!(
                without_reasons(&mine, std::slice::from_ref(&begin)),
                [begin],
                "the other tests see that init's line"
            );
        }
    }
}

/// The words that people write where a container has no shell.
#[test]
fn a_name_that_no_program_has_is_explained() {
    let empty = tempfile::tempdir().unwrap();
    let path = format!("/no/such:{}", empty.path().display());
    let in_path = format!(
        "there is no such program in PATH, which is {path:?}; a file in the working directory needs ./ before its name"
    );
    let blanks = "there is no such program; write the program and its arguments as separate words";
    let dash = r#"there is no such program; an option begins with "-", and not with another dash"#;
    let of_shell = "it is a command of the shell; run it with sh -c";
    for (program, reason) in [
        ("nosuch", &*in_path),
        ("--serve", &in_path),
        ("\u{2014}grace-period", dash),
        ("\u{2013}t", dash),
        ("echo hi", blanks),
        ("/bin/echo hi", blanks),
        ("cd", of_shell),
        ("export", of_shell),
        ("exec", of_shell),
        ("", "its name is empty; is a variable not set?"),
        ("/no/such", "there is no such file"),
    ] {
        assert_refused(&beside(["--", program]).env("PATH", &path).run(), 127, program, reason);
    }
    // The negative controls: a program with a blank in its name, and one that has the name of a shell's command.
    for name in ["echo hi", "cd"] {
        let path = script(empty.path(), name, "#!/bin/sh\nexit 4\n");
        assert_eq!(beside([&*path]).run().code(), 4);
        assert_eq!(beside([name]).env("PATH", empty.path()).run().code(), 4);
    }
}

#[test]
fn an_interpreter_that_cannot_run_is_named_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let with = |name: &str, interpreter: &str| script(folder.path(), name, &format!("#!{interpreter}\n"));
    let missing = with("missing", "/no/such");
    let twice = with("twice", &missing);
    let directory = with("directory", folder.path().to_str().unwrap());
    let windows = with("windows", "/bin/sh\r");
    let dos = r#"its interpreter "/bin/sh\r" is not in this image: the script has Windows line endings (convert it with dos2unix)"#;
    let user = nix::unistd::geteuid();
    for (program, code, reason) in [
        (&missing, 127, "its interpreter \"/no/such\" is not in this image".to_owned()),
        (&twice, 127, format!("its interpreter {missing:?} has an interpreter or a loader that is not in this image")),
        (&directory, 126, format!("user {user} cannot execute its interpreter or loader {:?}", folder.path())),
        (&windows, 127, dos.to_owned()),
    ] {
        assert_refused(&beside([&**program]).run(), code, program, &reason);
    }
}

/// The kernel looks for the emulator that binfmt_misc names. The file's own loader may be there.
#[test]
fn a_missing_emulator_is_not_called_a_missing_loader() {
    // From Linux 6.7 on, a user namespace has a binfmt_misc of its own.
    let enter = r#"mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && cd /proc/sys/fs/binfmt_misc &&
        echo ":missing:E::emulated::/no/such/emulator:" > register && exec "$@""#;
    let inside = |program: &Path| {
        let start = Start::of("unshare").args(["--user", "--map-root-user", "--mount", "sh", "-c", enter, "sh"]);
        start.args([rini().as_os_str(), program.as_os_str()]).run()
    };
    if !user_namespaces() || inside(Path::new("true")).code() != 0 {
        return skip("a user namespace has no binfmt_misc here");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = fs::read("/bin/true").unwrap();
    let native = executable(folder.path(), "native", &bytes);
    let emulated = executable(folder.path(), "native.emulated", &bytes);
    // The high byte of `e_machine`: no machine has this number. The loader of this file is there, too.
    bytes[19] ^= 0x40;
    let foreign = executable(folder.path(), "foreign", &bytes);
    let emulated_foreign = executable(folder.path(), "foreign.emulated", &bytes);
    for program in [&emulated, &emulated_foreign] {
        let output = inside(program);
        assert_eq!((output.code(), output.err.len()), (127, 1), "{output:?}");
        let line = last_line(&output);
        assert!(line.contains("and its emulator (binfmt_misc) is not in this image"), "{line}");
    }
    // The negative controls: without an emulator, one of them runs, and the other one is for another machine.
    assert_eq!((inside(&native).code(), inside(&foreign).code()), (0, 126));
}

/// A user who is not root, and files that only root may use.
#[test]
fn a_denial_names_the_file_or_the_directory_that_denies() {
    if !namespaces() {
        return;
    }
    const USER: u32 = 54_325;
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let set_mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set_mode(folder.path(), 0o755);
    let copy = |name: &str| -> PathBuf {
        let to = folder.path().join(name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        copy_executable(Path::new("/bin/true"), &to);
        to
    };
    let init = folder.path().join("rini");
    copy_executable(&rini(), &init);
    let (public, private, inside) = (copy("public"), copy("private"), copy("closed/in/app"));
    let behind = script(folder.path(), "behind", &format!("#! {} -x\n", private.display()));
    set_mode(&private, 0o700);
    set_mode(&folder.path().join("closed"), 0o700);
    let run = |program: &Path, user| Start::of(&init).args([program]).in_namespace().user(user).run();
    for (program, reason) in [
        (&*private, format!("user {USER} has no execute permission for it (chmod a+x)")),
        (Path::new(&behind), format!("user {USER} cannot execute its interpreter or loader {private:?}")),
        (&inside, format!("user {USER} may not enter the directory {:?} (chmod a+x)", folder.path().join("closed"))),
    ] {
        assert_refused(&run(program, USER), 126, program.to_str().unwrap(), &reason);
        // The negative control: root may.
        assert_eq!(run(program, 0).code(), 0, "{program:?}");
    }
    assert_eq!(run(&public, USER).code(), 0);
}

#[test]
fn a_file_system_that_is_mounted_noexec_is_told_from_a_missing_permission() {
    if !namespaces() || !tools(&["mount"]) {
        return;
    }
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let app = folder.path().join("app").to_str().unwrap().to_owned();
    let mount = r#"mount -t tmpfs -o "$2" none "$1" && cp /bin/true "$1/app" && exec "$0" "$1/app""#;
    let run = |option: &str| {
        let init = rini();
        let words = [init.as_os_str(), folder.path().as_os_str(), option.as_ref()];
        Start::of("sh").args(["-c", mount]).args(words).in_namespace().run()
    };
    assert_refused(&run("noexec"), 126, &app, "it is on a file system that is mounted noexec");
    // The negative control.
    assert_eq!(run("exec").code(), 0);
}

/// The path of the interpreter leads through a file, or through a link to itself. The program's own path is right.
#[test]
fn an_interpreter_whose_path_is_wrong_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let looped = folder.path().join("loop");
    std::os::unix::fs::symlink(&looped, &looped).unwrap();
    for (interpreter, errno) in
        [("/etc/passwd/x", "Not a directory"), (looped.to_str().unwrap(), "Too many levels of symbolic links")]
    {
        let path = script(folder.path(), "script", &format!("#!{interpreter}\n"));
        assert_refused(
            &beside([&path]).run(),
            126,
            &path,
            &format!("its interpreter or loader {interpreter:?}: {errno}"),
        );
        let output = called("tini").args([&path]).run();
        assert!(
            last_line(&output).ends_with(&format!("{errno} (its interpreter or loader {interpreter:?}: {errno})")),
            "{output:?}"
        );
        // The script's own interpreter is right, and that one's is wrong.
        let chain = script(folder.path(), "chain", &format!("#!{path}\n"));
        assert_refused(&beside([&chain]).run(), 126, &chain, errno);
    }
}

/// A copy that was cut short looks like a success, because an empty script does nothing.
#[test]
fn an_empty_program_runs_and_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    for content in ["", "\n", "#!", "#! ", "#!\n"] {
        let path = script(folder.path(), "empty", content);
        // Some kernels deny a `#!` without an end of the line.
        let by_kernel = std::process::Command::new(&path).status().unwrap_err().raw_os_error();
        if !content.is_empty() && !content.ends_with('\n') && by_kernel == Some(libc::EACCES) {
            let reason = "its #! line names no interpreter; was it copied completely?";
            assert_refused(&beside([&path]).run(), 126, &path, reason);
            // The negative control: the file's own permission comes first.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            assert_refused(
                &beside([&path]).run(),
                126,
                &path,
                "it has no execute permission (chmod +x, or COPY --chmod=755)",
            );
            continue;
        }
        assert_eq!(by_kernel, Some(libc::ENOEXEC), "{content:?}");
        let warning =
            format!("{path:?} has no content, so /bin/sh runs it and does nothing; was it copied completely?");
        let output = beside([&path]).run();
        assert_eq!((output.code(), output.err), (0, vec![format!("rini: WARN {warning}")]), "{content:?}");
        for name in ["dumb-init", "catatonit"] {
            let output = called(name).args([&path]).run();
            assert!(output.code() == 0 && last_line(&output).ends_with(&warning), "{name}: {output:?}");
        }
        // A pipe without a reader changes nothing.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(beside([&path]).with(|command| command.stderr(Stdio::from(writer))).run().code(), 0);
    }
    // An editor on Windows may put a byte order mark before the first line. The shell takes that line as a command.
    let path = script(folder.path(), "marked", "\u{feff}#!/usr/bin/python3\nexit 3\n");
    let output = beside([&path]).run();
    let warning = format!(
        "rini: WARN {path:?} begins with a byte order mark, so /bin/sh runs it and not its #! line; save it without the mark"
    );
    assert_eq!((output.code(), output.err.first()), (3, Some(&warning)), "{output:?}");
    // The negative controls: scripts that do something.
    for content in ["exit 3", "#!\nexit 3", "#!/bin/sh\nexit 3\n", "\n\nexit 3"] {
        let output = beside([script(folder.path(), "full", content)]).run();
        assert_eq!((output.code(), output.err), (3, vec![]), "{content:?}");
    }
}
