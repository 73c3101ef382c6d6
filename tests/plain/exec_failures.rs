//! Why a program cannot be run: rini names the reason, under every name.

use crate::support::{Output, called, executable, without_reasons};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The last line on standard error. Only tini writes more, about its role.
fn last_line(output: &Output) -> &str {
    output.err.last().unwrap_or_else(|| panic!("{output:?}"))
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
    for (program, errno, reason) in [
        (&*script, none, r#"its interpreter "/no/such/shell" is not in this image"#),
        (plain, "Permission denied", "it has no execute permission (chmod +x)"),
        // The reason would be the errno in other words.
        ("/no/such", none, ""),
    ] {
        for (name, code_of_none, line) in [
            ("tini", 127, format!("exec {program} failed: {errno}")),
            ("docker-init", 127, format!("exec {program} failed: {errno}")),
            ("dumb-init", 2, format!("[dumb-init] {program}: {errno}")),
            ("catatonit", 1, format!("failed to exec pid1: {errno}")),
        ] {
            let output = called(name).args(["--", program]).run();
            let code = if errno == none || code_of_none != 127 { code_of_none } else { 126 };
            assert_eq!(output.code(), code, "{name}: {output:?}");
            // catatonit's own line does not name the program.
            let cannot =
                format!("cannot run {program:?}: {}", if reason.is_empty() { "there is no such file" } else { reason });
            let wanted = match (name, reason) {
                ("catatonit", _) => format!("{line} ({cannot})"),
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
