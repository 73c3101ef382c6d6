//! The files that are released beside the binary: the man page, the completions, and the package for crates.io.
//!
//! src/cli/documentation.rs checks which options the man page and the completions name. Here the shells complete them.

use crate::support::{Output, Start, beside, executable, skip, tools};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

pub fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The part of a text between two words.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from:?}"));
    rest.split_once(to).unwrap_or_else(|| panic!("no {to:?} behind {from:?}")).0
}

fn help() -> String {
    let output = beside(["--help"]).run();
    assert_eq!(output.code(), 0, "{output:?}");
    output.out.join("\n")
}

/// Options by their long names: the letter of each, and whether a value follows.
type Options = BTreeMap<String, (Option<char>, bool)>;

/// Reads `-e`, `--remap-exit`, `CODE`. A letter belongs to the long name after it, and any other word is a value.
fn read_words<'a>(words: impl Iterator<Item = &'a str>) -> Options {
    let mut options = Options::new();
    let (mut letter, mut last) = (None, None);
    for word in words {
        if let Some(name) = word.strip_prefix("--") {
            options.insert(name.to_owned(), (letter.take(), false));
            last = Some(name);
        } else if let Some(name) = word.strip_prefix('-') {
            letter = name.chars().next();
        } else if let Some((_, value)) = last.and_then(|last| options.get_mut(last)) {
            *value = true;
        }
    }
    options
}

fn in_help(text: &str) -> Options {
    let lines = text.lines().map(str::trim).filter(|line| line.starts_with('-'));
    let words = lines.flat_map(|line| line.split("  ").next().unwrap().split(' '));
    read_words(words.map(|word| word.trim_end_matches(',')))
}

/// The first version that each of these texts names.
fn versions(changelog: &str, page: &str, binary: &str) -> [String; 3] {
    let word = |text: &str| text.split([' ', ',', '\n']).next().unwrap().to_owned();
    [between(changelog, "\n## ", "\n"), between(page, "\n.Os rini ", "\n"), binary.strip_prefix("rini ").unwrap()]
        .map(word)
}

#[test]
fn the_version_is_the_same_everywhere() {
    let (changelog, page) = (text("CHANGELOG.md"), text("packaging/rini.1"));
    let binary = beside(["--version"]).run().only_line();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(versions(&changelog, &page, &binary), [version; 3]);
    let newer = changelog.replacen("\n## ", "\n## 9.9.9, not released\n\n## ", 1);
    assert_eq!(versions(&newer, &page, "rini 9.9.8"), ["9.9.9", version, "9.9.8"]);
}

#[test]
fn the_man_page_is_clean() {
    if !tools(&["man", "mandoc"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.1");
    fs::write(&broken, text("packaging/rini.1").replacen("\n.El\n", "\n", 1)).unwrap();
    let mandoc = |page: &Path| {
        let output = Start::of("mandoc").args(["-T", "lint", "-W", "warning"]).args([page]).run();
        // On standard error mandoc reports the pages that this machine lacks.
        (output.code() == 0, output.out)
    };
    let groff = |page: &Path| {
        let page = Start::of("man").args(["--warnings", "--local-file"]).args([page]).env("LC_ALL", "C.UTF-8");
        let output = page.env("MANWIDTH", "80").run();
        // Standard output has the page.
        assert!(output.code() == 0 && output.out.iter().any(|line| line.contains("EXIT STATUS")), "{output:?}");
        output.err
    };
    let page = path("packaging/rini.1");
    assert_eq!(mandoc(&page), (true, vec![]));
    assert_eq!(groff(&page), [""; 0]);
    let (clean, says) = mandoc(&broken);
    assert!(!clean && says.iter().any(|line| line.contains("ERROR: inserting missing end of block")), "{says:?}");
    let says = groff(&broken);
    assert!(says.iter().any(|line| line.contains(".Bl directive has no matching .El")), "{says:?}");
}

fn good_lines(output: Output) -> Vec<String> {
    assert!(output.code() == 0 && output.err.is_empty(), "{output:?}");
    output.out
}

#[test]
fn bash_completes() {
    if !tools(&["bash"]) {
        return;
    }
    // The script calls the completion as readline does, with the words into which readline splits a line.
    let script = r#"
        compopt() { echo "compopt $*"; }
        source "$1" && shift && complete -p rini >/dev/null || exit
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _rini && printf '%s\n' "${COMPREPLY[@]}""#;
    let file = path("packaging/completions/rini.bash");
    let complete = |words: &[&str]| {
        let bash = Start::of("bash").args(["--norc", "--noprofile", "-c", script, "bash"]).args([&file]);
        good_lines(bash.args(["rini"]).args(words).run())
    };
    let (typed, target) =
        (&*path("packaging/rini.").display().to_string(), &*path("packaging/rini.1").display().to_string());
    for (words, wanted) in [
        (&["--gr"][..], &["--grace-period"][..]),
        (&["--xy"], &[""]),
        (&["-g", "--st"], &["--stop-signals", "--stop-delay", "--stop-on-stdin-close"]),
        (&["--after-exit", ""], &["kill", "terminate", "wait"]),
        (&["--after-exit", "=", "te"], &["terminate"]),
        (&["--after-exit", "="], &["kill", "terminate", "wait"]),
        (&["-gp", "TE"], &["TERM"]),
        (&["--stop-signals", "TERM,QU"], &["TERM,QUIT"]),
        (&["-r", "TE"], &["compopt -o nospace", "TERM:"]),
        (&["-r", "TERM", ":", "QU"], &["QUIT"]),
        (&["--rewrite", "=", "TERM", ":", "QU"], &["QUIT"]),
        (&["-u", "nobod"], &["nobody"]),
        (&["--user", "=", "nobod"], &["nobody"]),
        (&["--user", "=", "nobody", ":", "nogrou"], &["nogroup"]),
        (&["-u", "nobody", ":", "nobod"], &[""]),
        (&["--install", typed], &["compopt -o filenames", target]),
        (&["--install", "=", typed], &["compopt -o filenames", target]),
        // A value that looks like an option is still a value, and nothing can complete it.
        (&["-t", "--gr"], &[""]),
        // The arguments of a program are files.
        (&["-t", "8s", "cat", "--gr"], &["compopt -o default", ""]),
        (&["-r", "TERM", ":", "QUIT", "cat", "--gr"], &["compopt -o default", ""]),
        (&["--", "--gr"], &["compopt -o default", ""]),
    ] {
        assert_eq!(complete(words), wanted, "{words:?}");
    }
    for words in
        [&["bas"][..], &["-t", "8s", "bas"], &["-gt8s", "--", "bas"], &["--rewrite", "=", "1", ":", "2", "bas"]]
    {
        let found = complete(words);
        assert!(found[0] == "compopt -o default" && found.contains(&"bash".to_owned()), "{words:?}: {found:?}");
    }
    let all = complete(&["-"]);
    for (word, (letter, _)) in in_help(&help()) {
        assert!(all.contains(&format!("--{word}")), "{word}: {all:?}");
        assert!(letter.is_none_or(|letter| all.contains(&format!("-{letter}"))), "{letter:?}: {all:?}");
    }

    // With bash-completion, the program's own completion takes over. rini's completion passes it the position of the
    // program.
    let offset = format!("_command_offset() {{ echo \"from $1\"; }}\n{script}");
    let bash = Start::of("bash").args(["--norc", "--noprofile", "-c", &offset, "bash"]).args([&file]);
    let words = ["rini", "-r", "TERM", ":", "QUIT", "-t", "8s", "--", "cat", "--he"];
    assert_eq!(good_lines(bash.args(words).run()), ["from 8", ""]);
}

#[test]
fn zsh_completes() {
    if !tools(&["zsh"]) {
        return;
    }
    // An interactive shell on a terminal. The test types into it, and ^X prints the line that the tabulator has made.
    let script = r#"
        zmodload zsh/zpty && zpty shell zsh -f -i || exit
        zpty -w shell 'PS1=; fpath=('$1' $fpath); autoload -Uz compinit; compinit -u -D
            show() { print -r -- "<<$BUFFER>>"; zle kill-whole-line }
            zle -N show; bindkey "^I" complete-word; bindkey "^X" show; print READ""Y'
        zpty -r shell output '*READY*'
        shift
        for typed; do
            zpty -wn shell "$typed"$'\t\x18'
            zpty -r shell output '*<<*>>*'
            print -r -- "${${output##*<<}%%>>*}"
        done
        zpty -d shell"#;
    let (typed, target) =
        (&*path("packaging/rini.").display().to_string(), &*path("packaging/rini.1").display().to_string());
    let lines = [
        ("rini --gr", "rini --grace-period="),
        ("rini --xy", "rini --xy"),
        ("rini --after-exit te", "rini --after-exit terminate "),
        ("rini --after-exit=te", "rini --after-exit=terminate "),
        ("rini --stop-signals TERM,QU", "rini --stop-signals TERM,QUIT "),
        ("rini -r TER", "rini -r TERM:"),
        ("rini --rewrite=TERM:QU", "rini --rewrite=TERM:QUIT "),
        ("rini -gp TER", "rini -gp TERM "),
        ("rini -u nobod", "rini -u nobody "),
        ("rini --user=nobody:nogrou", "rini --user=nobody:nogroup "),
        (&format!("rini --install {typed}"), &format!("rini --install {target} ")),
        (&format!("rini --install={typed}"), &format!("rini --install={target} ")),
        ("rini -g -e 1 -e 2 --sub", "rini -g -e 1 -e 2 --subreaper "),
        ("rini -t 8s -- mktem", "rini -t 8s -- mktemp "),
        ("rini ls --almo", "rini ls --almost-all "),
        ("rini ls --gr", "rini ls --group-directories-first "),
    ];
    let folder = path("packaging/completions");
    let zsh = Start::of("zsh").args(["-f", "-c", script, "zsh"]).args([folder]).args(lines.map(|(typed, _)| typed));
    assert_eq!(good_lines(zsh.env("TERM", "xterm").run()), lines.map(|(_, shown)| shown));
}

#[test]
fn fish_completes() {
    if !tools(&["fish"]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let file = path("packaging/completions/rini.fish");
    let complete = |line: &str| {
        let fish = Start::of("fish").env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path());
        let fish = fish.args(["-c", "source $argv[1]; complete -C $argv[2]"]).args([&file]).args([line]);
        let cut = |line: String| line.split('\t').next().unwrap().to_owned();
        good_lines(fish.run()).into_iter().map(cut).collect::<Vec<_>>()
    };
    let (typed, target) =
        (&*path("packaging/rini.").display().to_string(), &*path("packaging/rini.1").display().to_string());
    for (line, wanted) in [
        ("rini --gr", &["--grace-period"][..]),
        ("rini --xy", &[]),
        ("rini --after-exit ", &["kill", "terminate", "wait"]),
        ("rini --after-exit=te", &["--after-exit=terminate"]),
        ("rini --stop-signals TERM,QU", &["TERM,QUIT"]),
        ("rini -r TERM:QU", &["TERM:QUIT"]),
        ("rini --rewrite=TERM:QU", &["--rewrite=TERM:QUIT"]),
        ("rini -gp TER", &["TERM"]),
        ("rini -u nobod", &["nobody"]),
        ("rini --user=nobod", &["--user=nobody"]),
        ("rini --user=nobody:nogrou", &["--user=nobody:nogroup"]),
        (&format!("rini --install {typed}"), &[target]),
        (&format!("rini --install={typed}"), &[&format!("--install={target}")]),
        ("rini --grace-period ", &[]),
        ("rini -t 8s -- mktem", &["mktemp"]),
        ("rini -g ls --almo", &["--almost-all"]),
    ] {
        assert_eq!(complete(line), wanted, "{line}");
    }
    let all = complete("rini -");
    for (word, (letter, _)) in in_help(&help()) {
        assert!(all.contains(&format!("--{word}")), "{word}: {all:?}");
        assert!(letter.is_none_or(|letter| all.contains(&format!("-{letter}"))), "{letter:?}: {all:?}");
    }
}

/// Runs a command that may take minutes and must succeed. Returns its standard output.
pub fn done(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The workflow's shell ends with the first command that fails, also in a pipe. packaging/release --check fails if something is
/// missing, and the step installs what it names.
#[test]
fn the_workflow_installs_what_the_release_lacks() {
    let workflow = text(".github/workflows/release.yml");
    let step = between(&workflow, "- name: What packaging/release needs\n        run: |\n", "\n      - name:");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("packaging")).unwrap();
    let check = r#"#!/bin/sh
        [ -e packages ] || echo "release: missing: one two; install with: apt-get install --no-install-recommends one two" >&2
        [ -e crates ] || echo "release: missing: three@1; install with: cargo install --locked three@1" >&2
        [ -e packages ] && [ -e crates ]"#;
    executable(&folder.path().join("packaging"), "release", check);
    let here = folder.path().display();
    executable(folder.path(), "apt-get", format!("#!/bin/sh\necho \"$@\" >{here}/packages\n"));
    executable(folder.path(), "cargo", format!("#!/bin/sh\necho \"$@\" >{here}/crates\n"));
    let mut bash = Command::new("bash");
    bash.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", step]).current_dir(folder.path());
    done(bash.env("PATH", format!("{here}:{}", std::env::var("PATH").unwrap())));
    let called = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(called("packages"), "install --yes --no-install-recommends one two\n");
    assert_eq!(called("crates"), "install --locked three@1\n");
}

#[test]
fn the_package_has_what_it_needs_and_no_more() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["package", "--list", "--allow-dirty", "--offline"]).current_dir(path("."));
    let list = done(&mut cargo);
    let listed: BTreeSet<_> = list.lines().collect();
    for file in ["build.rs", "Cargo.toml", "Cargo.lock", "LICENSE", "README.md", "CHANGELOG.md", ".cargo/config.toml"] {
        assert!(listed.contains(file), "no {file} in {listed:?}");
    }
    for file in ["rini.1", "completions/rini.bash", "completions/_rini", "completions/rini.fish"] {
        assert!(listed.contains(&*format!("packaging/{file}")), "no {file} in {listed:?}");
    }
    assert!(listed.contains("packaging/build-static") && listed.contains("packaging/apt-apart"), "{listed:?}");
    let mut sources = vec![path("src"), path("build")];
    while let Some(source) = sources.pop() {
        if source.is_dir() {
            sources.extend(fs::read_dir(source).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let name = source.strip_prefix(path("")).unwrap().to_str().unwrap();
            assert!(listed.contains(name), "no {name} in {listed:?}");
        }
    }
    // These directories exist, and are only in a clone.
    for folder in [".ci", "benches", "tests", "packaging/demo", "packaging/example"] {
        assert!(path(folder).is_dir(), "{folder}");
        assert!(!listed.iter().any(|file| file.starts_with(folder)), "{folder} in {listed:?}");
    }
}

#[test]
fn cargo_installs_it_and_would_publish_it() {
    let folder = tempfile::tempdir().unwrap();
    let cargo = |words: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        // Its own target directory, because other tests run the files in Cargo's.
        cargo.args(words).current_dir(path(".")).env("CARGO_TARGET_DIR", folder.path().join("target"));
        // Other tests check the optimised build.
        cargo.envs([("CARGO_PROFILE_RELEASE_LTO", "off"), ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")]);
        cargo
    };
    done(cargo(&["install", "--path", ".", "--locked", "--offline", "--quiet", "--root"]).arg(folder.path()));
    let version = Start::of(folder.path().join("bin/rini")).args(["--version"]).run().only_line();
    // Without git, or outside a clone, it knows no commit.
    let commit = version.strip_prefix(concat!("rini ", env!("CARGO_PKG_VERSION")));
    assert!(commit.is_some_and(|commit| commit.is_empty() || commit.starts_with(" (git.")), "{version}");

    // Cargo asks the registry's index, and builds the package.
    let output = cargo(&["publish", "--dry-run", "--locked", "--allow-dirty"]).output().unwrap();
    let says = String::from_utf8_lossy(&output.stderr);
    // Ask the registry something else, to see whether it answers.
    let answers = || cargo(&["search", "--limit", "1", "rini"]).output().unwrap().status.success();
    if !output.status.success() && !answers() {
        return skip("the registry does not answer");
    }
    assert!(output.status.success() && says.contains("warning: aborting upload due to dry run"), "{says}");
    let warnings = says.lines().filter_map(|line| line.strip_prefix("warning: "));
    let unexpected = |line: &&str| {
        // No public address can be named yet. Tests and benches are not part of the package.
        let expected = [
            "manifest has no documentation, homepage",
            "ignoring example",
            "ignoring test",
            "ignoring benchmark",
            "aborting upload",
        ];
        !expected.iter().any(|start| line.starts_with(start))
    };
    assert_eq!(warnings.filter(unexpected).collect::<Vec<_>>(), [""; 0]);
}

/// Cargo reads the crate's .cargo/config.toml for a path, and not for a crate of a registry. There rini needs a flag.
#[test]
fn an_installation_from_elsewhere_is_static_or_says_why_not() {
    if !tools(&["tar"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (registry, home) = (folder.path().join("registry"), folder.path().join("home"));
    let cargo = |words: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(words).current_dir(path(".")).env("CARGO_TARGET_DIR", folder.path().join("target"));
        cargo.env_remove("RUSTFLAGS");
        cargo
    };
    done(&mut cargo(&["package", "--allow-dirty", "--no-verify", "--offline", "--quiet"]));
    // A registry that is a directory. It has the crates of all systems, so Cargo may have to download some.
    let vendored = cargo(&["vendor", "--locked", "--quiet"]).arg(&registry).output().unwrap();
    if !vendored.status.success() {
        return skip(String::from_utf8_lossy(&vendored.stderr).trim());
    }
    let name = concat!("rini-", env!("CARGO_PKG_VERSION"));
    let packed = folder.path().join("target/package").join(format!("{name}.crate"));
    done(Command::new("tar").arg("-xf").arg(&packed).current_dir(&registry));
    let package = registry.join(name);
    // Cargo leaves the file out if git is missing, or if there are changes.
    fs::write(package.join(".cargo_vcs_info.json"), "{\"git\": {\"sha1\": \"0123456789\"}}").unwrap();
    let sum = done(Command::new("sha256sum").arg(&packed));
    let sums = format!("{{\"files\": {{}}, \"package\": \"{}\"}}", &sum[..64]);
    fs::write(package.join(".cargo-checksum.json"), sums).unwrap();
    fs::create_dir(&home).unwrap();
    let config = format!("[source.crates-io]\nreplace-with = \"here\"\n[source.here]\ndirectory = {registry:?}\n");
    fs::write(home.join("config.toml"), config).unwrap();

    let install = |words: &[&str], variables: &[(&str, &str)]| {
        let mut install = cargo(&["install", "--debug", "--locked", "--offline", "--force", "--root"]);
        install.arg(folder.path()).args(words).current_dir(folder.path());
        // Cargo looks for this file from the home upwards, and /tmp may be above a clone.
        let output = install.env("CARGO_HOME", &home).envs(variables.iter().copied()).output().unwrap();
        let says = String::from_utf8(output.stderr).unwrap();
        let bytes = fs::read(folder.path().join("bin/rini")).unwrap_or_default();
        // A dynamic program names its loader.
        let is_static = !bytes.windows(8).any(|bytes| bytes == b"/ld-linu");
        (output.status.success().then_some(is_static), says)
    };
    let of_registry = ["rini", "--version", env!("CARGO_PKG_VERSION")];
    let (installed, says) = install(&of_registry, &[]);
    assert_eq!(installed, None, "{says}");
    let reason = says.lines().find(|line| line.contains("rini would need the libc of its image"));
    let reason = reason.unwrap_or_else(|| panic!("{says}"));
    let flags = between(reason, "set RUSTFLAGS=", ", or RINI_DYNAMIC=1 for a dynamic binary");
    let (installed, says) = install(&of_registry, &[("RUSTFLAGS", flags)]);
    assert_eq!(installed, Some(true), "{says}");
    let (installed, says) = install(&["--path", package.to_str().unwrap()], &[]);
    assert_eq!(installed, Some(true), "{says}");
    // The negative control.
    let (installed, says) = install(&of_registry, &[("RINI_DYNAMIC", "1")]);
    assert_eq!(installed, Some(false), "{says}");
}

/// True if git can list the files of this tree. Otherwise prints SKIPPED.
pub fn is_clone() -> bool {
    if !tools(&["git"]) {
        return false;
    }
    let script = r#"git -c safe.directory="$(pwd -P)" ls-files"#;
    let is_clone = Command::new("sh").args(["-c", script]).current_dir(path(".")).output().unwrap().status.success();
    if !is_clone {
        skip("this is no clone of git's");
    }
    is_clone
}

/// Copies this tree, as git would commit it. [`is_clone`] must be true.
pub fn copy_of_the_tree(to: &Path) {
    let script = r#"git -c safe.directory="$(pwd -P)" ls-files -z --cached --others --exclude-standard |
        tar -c --null -T - | tar -x -C "$1""#;
    fs::create_dir_all(to).unwrap();
    done(Command::new("sh").args(["-c", script, "sh"]).arg(to).current_dir(path(".")));
    assert!(to.join("packaging/build-static").exists());
}

/// Copies this tree, and makes it the only commit of a repository, at this time.
pub fn commit_of_the_tree(to: &Path, time: &str) {
    copy_of_the_tree(to);
    commit_all(to, time);
}

/// Makes a directory the only commit of a repository, at this time.
pub fn commit_all(to: &Path, time: &str) {
    git(to, &["init", "--quiet"]);
    commit_changes(to, time);
}

/// Commits all changes in a repository, at this time.
pub fn commit_changes(tree: &Path, time: &str) {
    git(tree, &["add", "--all"]);
    let mut commit = git_command(tree, &["commit", "--quiet", "--no-verify", "--no-gpg-sign", "--message=a"]);
    done(commit.envs([("GIT_AUTHOR_DATE", time), ("GIT_COMMITTER_DATE", time)]));
}

fn git_command(tree: &Path, words: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=a", "-c", "user.email=a@example.org"]).args(words).current_dir(tree);
    git.env("GIT_CONFIG_GLOBAL", "/dev/null");
    git
}

pub fn git(tree: &Path, words: &[&str]) -> String {
    done(&mut git_command(tree, words))
}
