//! What is released beside the binary: the man page, the completions, the package for crates.io; and that anybody can
//! build the same bytes.
//!
//! `rini --help` is the source. What the man page, the README and the completions name is held against it, both ways.

use crate::support::{Output, Start, beside, is_root, skip, tools};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

pub fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What lies between two words of a text.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from:?}"));
    rest.split_once(to).unwrap_or_else(|| panic!("no {to:?} behind {from:?}")).0
}

fn help() -> String {
    let output = beside(["--help"]).run();
    assert_eq!(output.code(), 0, "{output:?}");
    output.out.join("\n")
}

/// Options by their words: each one's letter, and whether a value follows.
type Options = BTreeMap<String, (Option<char>, bool)>;

/// Reads `-e`, `--remap-exit`, `CODE`: a letter belongs to the word behind it, and anything else is a value.
fn listed<'a>(words: impl Iterator<Item = &'a str>) -> Options {
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
    listed(words.map(|word| word.trim_end_matches(',')))
}

fn in_readme(text: &str) -> Options {
    let rows = between(text, "\n## Options\n", "\n## ").lines().filter_map(|line| line.strip_prefix("| `-"));
    let cells = rows.map(|row| format!("-{}", row.split(" | ").next().unwrap()).replace(", repeatable", ""));
    let plain = cells.map(|cell| cell.replace(['`', ',', ';'], "")).collect::<Vec<_>>().join(" ");
    listed(plain.split(' '))
}

fn in_man_page(text: &str) -> Options {
    let items = between(text, "\n.Sh OPTIONS\n", "\n.Sh ").lines().filter_map(|line| line.strip_prefix(".It "));
    let plain = items.collect::<Vec<_>>().join(" ").replace("Fl ", "-");
    listed(plain.split(' ').filter(|word| *word != ","))
}

/// Words such as `e/remap-exit=`, as fish's argparse has them.
fn in_specs(text: &str) -> Options {
    let spec = |word: &str| {
        let name = word.trim_end_matches('=');
        let (letter, name) = name.split_once('/').map_or((None, name), |(letter, name)| (letter.chars().next(), name));
        (name.to_owned(), (letter, word.ends_with('=')))
    };
    text.split_whitespace().filter(|word| *word != "\\").map(spec).collect()
}

fn in_bash(text: &str) -> Options {
    in_specs(between(text, "local options='", "'"))
}

fn in_fish_s_parser(text: &str) -> Options {
    in_specs(between(text, "set -l options", "argparse"))
}

fn in_fish(text: &str) -> Options {
    let option = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let behind = |flag: &str| words.iter().position(|word| *word == flag).map(|at| words[at + 1]);
        let letter = behind("-s").and_then(|letter| letter.chars().next());
        Some((behind("-l")?.to_owned(), (letter, words.contains(&"-x"))))
    };
    text.lines().filter(|line| line.starts_with("complete ")).filter_map(option).collect()
}

fn in_zsh(text: &str) -> Options {
    // `{-e+,--remap-exit=}'[...` and `'--stop-delay=[...`
    let names = |line: &str| line.split_once('[').map_or("", |(names, _)| names).to_owned();
    let words = between(text, "_arguments ", "'(-)1:").lines().skip(1).map(names).collect::<Vec<_>>().join(",");
    let mut plain = words.replace("'(- *)'", "").replace("'*'", "").replace(['{', '}', '\'', ' ', '+'], "");
    plain = plain.replace('=', ",VALUE");
    listed(plain.split(',').filter(|word| !word.is_empty()))
}

/// What a text can be read by.
type Reader = fn(&str) -> Options;

/// Whoever names the options.
const NAMED: [(&str, Reader); 6] = [
    ("README.md", in_readme),
    ("packaging/rini.1", in_man_page),
    ("packaging/completions/rini.bash", in_bash),
    ("packaging/completions/_rini", in_zsh),
    ("packaging/completions/rini.fish", in_fish),
    ("packaging/completions/rini.fish", in_fish_s_parser),
];

/// What the one names and the other does not, or otherwise.
fn drift(help: &Options, other: &Options) -> Vec<String> {
    let missing = help.iter().filter(|(word, how)| other.get(*word) != Some(how)).map(|one| format!("lacks {one:?}"));
    let invented = other.iter().filter(|(word, how)| help.get(*word) != Some(how)).map(|one| format!("has {one:?}"));
    missing.chain(invented).collect()
}

#[test]
fn every_option_stands_in_the_help_the_readme_the_man_page_and_the_completions() {
    let help = help();
    let options = in_help(&help);
    // That much is read from it: all three kinds.
    assert_eq!(options.get("process-group"), Some(&(Some('g'), false)));
    assert_eq!(options.get("stop-delay"), Some(&(None, true)));
    assert_eq!(options.get("version"), Some(&(Some('V'), false)));
    for (name, reader) in NAMED {
        let text = text(name);
        assert_eq!(drift(&options, &reader(&text)), [""; 0], "{name}");

        // What this finds: an option that is new in rini, one that rini has no longer, one of another name, with
        // another letter, and one that takes a value now.
        let more = in_help(&format!("{help}\n  -x, --extra WHAT  something new"));
        assert_eq!(drift(&more, &reader(&text)), [r#"lacks ("extra", (Some('x'), true))"#], "{name}");
        let fewer = in_help(&help.replace("-s, --subreaper", ""));
        assert_eq!(drift(&fewer, &reader(&text)), [r#"has ("subreaper", (Some('s'), false))"#], "{name}");
        for (from, to) in [("-s, --subreaper", "-S, --subreaper"), ("--subreaper ", "--subreaper WHAT ")] {
            assert_eq!(drift(&in_help(&help.replace(from, to)), &reader(&text)).len(), 2, "{name}: {to}");
        }
        assert_eq!(drift(&options, &reader(&text.replace("subreaper", "reaper"))).len(), 2, "{name}");
    }
}

/// The variables in a text that begin so.
fn variables<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let words = text.split(|c: char| !c.is_ascii_uppercase() && c != '_');
    // `RINI_*` is none.
    words.filter(|word| word.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty())).collect()
}

#[test]
fn every_variable_stands_in_the_help_the_readme_and_the_man_page() {
    let (help, readme, page) = (help(), text("README.md"), text("packaging/rini.1"));
    let readme = between(&readme, "\n## Options\n", "\n## ");
    let own = variables(&help, "RINI_");
    assert!(own.contains("RINI_GRACE_PERIOD") && own.contains("RINI_LOG"), "{own:?}");
    assert_eq!(variables(readme, "RINI_"), own);
    assert_eq!(variables(&page, "RINI_"), own);
    // With each option, and in the chapter of their own.
    assert_eq!(variables(between(&page, "\n.Sh OPTIONS\n", "\n.Sh "), "RINI_"), own);
    assert_eq!(variables(between(&page, "\n.Sh ENVIRONMENT\n", "\n.Sh "), "RINI_"), own);
    // `--help` has no place for these.
    let of_tini = variables(readme, "TINI_");
    assert_eq!(of_tini, ["TINI_KILL_PROCESS_GROUP", "TINI_SUBREAPER", "TINI_VERBOSITY"].into());
    assert_eq!(variables(&page, "TINI_"), of_tini);

    assert_ne!(variables(&page.replace("RINI_LOG", ""), "RINI_"), own);
    assert_ne!(variables(&page.replace("RINI_LOG", "RINI_LOGS"), "RINI_"), own);
}

/// The versions that these texts name first, each.
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
        // On standard error it wonders at a machine that has not got the pages referred to.
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
    // As readline would call it, with the words that it makes of a line.
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
    for (words, wanted) in [
        (&["--gr"][..], &["--grace-period"][..]),
        (&["--xy"], &[""]),
        (&["-g", "--st"], &["--stop-signals", "--stop-delay"]),
        (&["--after-exit", ""], &["kill", "terminate", "wait"]),
        (&["--after-exit", "=", "te"], &["terminate"]),
        (&["--after-exit", "="], &["kill", "terminate", "wait"]),
        (&["-gp", "TE"], &["TERM"]),
        (&["--stop-signals", "TERM,QU"], &["TERM,QUIT"]),
        (&["-r", "TE"], &["compopt -o nospace", "TERM:"]),
        (&["-r", "TERM", ":", "QU"], &["QUIT"]),
        (&["--rewrite", "=", "TERM", ":", "QU"], &["QUIT"]),
        // A value that looks like an option is one all the same; nobody knows what it should be.
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

    // With bash-completion, which knows the program's own. From rini's words on it is told where the program begins.
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
    // An interactive shell on a terminal, into which is typed; ^X shows what the tabulator has made of it.
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
    let lines = [
        ("rini --gr", "rini --grace-period="),
        ("rini --xy", "rini --xy"),
        ("rini --after-exit te", "rini --after-exit terminate "),
        ("rini --after-exit=te", "rini --after-exit=terminate "),
        ("rini --stop-signals TERM,QU", "rini --stop-signals TERM,QUIT "),
        ("rini -r TER", "rini -r TERM:"),
        ("rini --rewrite=TERM:QU", "rini --rewrite=TERM:QUIT "),
        ("rini -gp TER", "rini -gp TERM "),
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
    for (line, wanted) in [
        ("rini --gr", &["--grace-period"][..]),
        ("rini --xy", &[]),
        ("rini --after-exit ", &["kill", "terminate", "wait"]),
        ("rini --after-exit=te", &["--after-exit=terminate"]),
        ("rini --stop-signals TERM,QU", &["TERM,QUIT"]),
        ("rini -r TERM:QU", &["TERM:QUIT"]),
        ("rini --rewrite=TERM:QU", &["--rewrite=TERM:QUIT"]),
        ("rini -gp TER", &["TERM"]),
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

/// Runs something that may take minutes, where nothing but success will do; its standard output.
pub fn done(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    text(&output.stdout)
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
    for (file, _) in NAMED {
        assert!(listed.contains(file), "no {file} in {listed:?}");
    }
    assert!(listed.contains("packaging/build-static") && listed.contains("packaging/apt-apart"), "{listed:?}");
    let mut sources = vec![path("src")];
    while let Some(source) = sources.pop() {
        if source.is_dir() {
            sources.extend(fs::read_dir(source).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let name = source.strip_prefix(path("")).unwrap().to_str().unwrap();
            assert!(listed.contains(name), "no {name} in {listed:?}");
        }
    }
    // These are here, and are for a clone.
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
        // A place of its own for what is built: other tests run what is in Cargo's.
        cargo.args(words).current_dir(path(".")).env("CARGO_TARGET_DIR", folder.path().join("target"));
        // What it is like when it is made the best of is for other tests.
        cargo.envs([("CARGO_PROFILE_RELEASE_LTO", "off"), ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")]);
        cargo
    };
    done(cargo(&["install", "--path", ".", "--locked", "--offline", "--quiet", "--root"]).arg(folder.path()));
    let version = Start::of(folder.path().join("bin/rini")).args(["--version"]).run().only_line();
    assert!(version.starts_with(concat!("rini ", env!("CARGO_PKG_VERSION"), " (git.")), "{version}");

    // It asks the registry's index, and builds what is in the package.
    let output = cargo(&["publish", "--dry-run", "--locked", "--allow-dirty"]).output().unwrap();
    let says = String::from_utf8_lossy(&output.stderr);
    if says.contains("failed to query replaced source") || says.contains("Could not resolve host") {
        return skip("the registry does not answer");
    }
    assert!(output.status.success() && says.contains("warning: aborting upload due to dry run"), "{says}");
    let warnings = says.lines().filter_map(|line| line.strip_prefix("warning: "));
    let unexpected = |line: &&str| {
        // There is no public place yet that could be named. Tests and benches are not part of the package.
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

/// A copy of this tree, as git would commit it.
pub fn copy_of_the_tree(to: &Path) {
    let script = r#"git -c safe.directory="$(pwd -P)" ls-files -z --cached --others --exclude-standard |
        tar -c --null -T - | tar -x -C "$1""#;
    fs::create_dir_all(to).unwrap();
    done(Command::new("sh").args(["-c", script, "sh"]).arg(to).current_dir(path(".")));
    assert!(to.join("packaging/build-static").exists());
}

pub fn git(tree: &Path, words: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=a", "-c", "user.email=a@example.org"]).args(words).current_dir(tree);
    done(git.env("GIT_CONFIG_GLOBAL", "/dev/null"))
}

/// Where the crates have been downloaded to.
fn cargo_home() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}

/// Builds a tree by packaging/build-static, with this umask and these variables; or says what is missing for that.
fn build(tree: &Path, umask: &str, variables: &[(&str, &str)]) -> Result<PathBuf, String> {
    let mut command = Command::new("timeout");
    command.args(["1800", "sh", "-c", r#"umask "$1" && exec packaging/build-static"#, "sh", umask]).current_dir(tree);
    for name in ["RINI_COMMIT", "SOURCE_DATE_EPOCH", "CARGO_ENCODED_RUSTFLAGS", "CARGO_INCREMENTAL", "CARGO_TARGET_DIR"]
    {
        command.env_remove(name);
    }
    command.env("CARGO_HOME", cargo_home()).envs(variables.iter().copied());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let says = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if says.contains("build-static: missing") {
        return Err(says);
    }
    assert!(output.status.success(), "{command:?}: {says}");
    Ok(tree.join(String::from_utf8_lossy(&output.stdout).trim()))
}

/// Which of these texts a file has in it.
fn found_in<'a>(file: &Path, texts: &[&'a str]) -> Vec<&'a str> {
    let bytes = fs::read(file).unwrap();
    let is_there = |text: &&&str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    texts.iter().filter(is_there).copied().collect()
}

/// By two users, in two places with two sets of habits. The one has a clone of somebody else's, the other a copy without
/// git. Neither binary says where it was built.
#[test]
fn whoever_builds_it_gets_the_same_bytes() {
    if !tools(&["git", "tar"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (near, far) = (folder.path().join("near"), folder.path().join("much/further/down/from/there"));
    copy_of_the_tree(&near);
    copy_of_the_tree(&far);
    git(&near, &["init", "--quiet"]);
    git(&near, &["add", "--all"]);
    git(&near, &["commit", "--quiet", "--no-verify", "--no-gpg-sign", "--message=a"]);
    let commit = git(&near, &["rev-parse", "HEAD"]);
    if is_root() {
        done(Command::new("chown").args(["--recursive", "nobody"]).arg(&near));
    }

    // The crates that have been downloaded, by another path.
    let (home, crates) = (folder.path().join("home"), folder.path().join("home/crates"));
    fs::create_dir(&home).unwrap();
    symlink(cargo_home(), &crates).unwrap();
    let ours = [
        ("HOME", home.to_str().unwrap()),
        ("CARGO_HOME", crates.to_str().unwrap()),
        ("TZ", "Asia/Tokyo"),
        ("LC_ALL", "C"),
        ("USER", "somebody"),
        ("CARGO_INCREMENTAL", "1"),
    ];
    let theirs = [
        ("RINI_COMMIT", &*commit),
        ("TZ", "America/Lima"),
        ("LC_ALL", "C.UTF-8"),
        ("SOURCE_DATE_EPOCH", "1"),
        ("CARGO_BUILD_JOBS", "1"),
        ("CARGO_ENCODED_RUSTFLAGS", "-Cdebuginfo=2"),
    ];
    let (one, other) = thread::scope(|scope| {
        let one = scope.spawn(|| build(&near, "077", &ours));
        let other = build(&far, "002", &theirs);
        (one.join().unwrap(), other)
    });
    let (one, other) = match (one, other) {
        (Ok(one), Ok(other)) => (one, other),
        (Err(why), _) | (_, Err(why)) => return skip(&why),
    };
    let (bytes, mode) = (fs::read(&one).unwrap(), fs::metadata(&one).unwrap().permissions());
    assert!(bytes == fs::read(&other).unwrap(), "{} and {} differ", one.display(), other.display());
    assert_eq!(mode, fs::metadata(&other).unwrap().permissions());
    assert_eq!(mode.mode() & 0o777, 0o755);

    // Its texts are packed, so it has to be asked.
    let says = |binary: &Path, commit: &str| {
        let output = Command::new(binary).arg("--version").output().unwrap();
        let version = concat!("rini ", env!("CARGO_PKG_VERSION"));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{version} (git.{})\n", &commit[..7]));
    };
    says(&one, &commit);
    let registry = "/registry/src/";
    let places = [folder.path().to_str().unwrap(), registry, "/rustlib/", "/rustc/"];
    assert_eq!(found_in(&one, &places), [""; 0]);
    // This program does say such things.
    let found = found_in(&std::env::current_exe().unwrap(), &places);
    assert!(found.contains(&registry) && found.contains(&"/rustc/"), "{found:?}");

    // Another commit is another binary.
    let changed = build(&far, "002", &[("RINI_COMMIT", "0123456789abcdef")]).unwrap();
    assert!(bytes != fs::read(&changed).unwrap(), "the commit is not in it");
    says(&changed, "0123456");
}
