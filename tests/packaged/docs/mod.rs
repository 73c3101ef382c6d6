//! The documentation: README.md, CONTRIBUTING.md, SECURITY.md, CHANGELOG.md, docs/*.md and the READMEs of the example and of
//! the tests. [`markdown`] splits a page into its parts. Each check is a function of these, and its test also shows it bad pages.
//!
//! - Blocks of code. Each names its language. A block of sh, dockerfile, yaml, json, ini or toml has a marker in the line above its
//!   fence, `<!-- test: KIND -->`, which says how the test uses it ([`blocks::Kind`]):
//!   - sh: `root`: bash runs it as root, in an empty directory, with rini and its other names first in PATH. `docker`: the same
//!     with `docker` (tests/packaged/docs/docker) and the images `rini:1.0.0-rc.2` and `app`. `clone`: in a clone of the repository.
//!     With `exit N` after it, the block must exit with N. `by FILE`: that test runs the same commands. `syntax: REASON`: the
//!     test only reads the block, for this reason.
//!   - dockerfile: `image`: the test builds it, on `app` if it has no FROM. `syntax: REASON`.
//!   - yaml: `compose`, `kubernetes`; json: `daemon`, by dockerd; yaml, json, ini, toml: `parse`.
//!
//!   The processes that a block starts end with it, and its files are removed (tests/packaged/docs/isolated).
//! - Links: each file and each heading that a page links to exists, and docs/README.md links to each page of docs/.
//! - Messages: a line of a text block or a code span that begins with `rini: ` is a message of src/messages/texts/rini.txt, at its
//!   level ([`messages`]).
//! - Figures: `packaging/figures --check` compares each with its table.
//! - Language, except in the change log: sentences of at most 35 words, with a median below 18 in each page, and none of the words
//!   in [`BANNED`]; cells of at most 45 words; a README of at most 200 lines and 1,600 words.
//! - .github: GitHub's schemas accept its workflows and issue forms.
//!
//! src/cli/documentation.rs checks the options and variables. Schemas are in target/schemas, where tests/setup puts
//! them.

pub mod blocks;
pub mod markdown;
mod messages;

use crate::release::{commit_of_the_tree, git, is_clone, path, text};
use crate::support::{executable, find_program, is_root, namespaces, skip, tools};
use blocks::{Kind, Place, each, kind, of_kind};
use markdown::{Page, words};
use messages::Messages;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

/// Words that readers had to read twice, each with a better one.
const BANNED: [(&str, &str); 9] = [
    ("folder", "directory"),
    ("so long", "for this long"),
    ("list by commas", "a comma-separated list"),
    ("patience", "stop timeout"),
    ("a rini", "rini"),
    ("PROGRAM", "the program"),
    ("who is left", "leftover processes"),
    ("what is left", "leftover processes"),
    ("what remains", "leftover processes"),
];

/// The pages that exist. The crate's package lacks some.
pub fn pages() -> Vec<Page> {
    let listed = |folder: &str| {
        let entries = fs::read_dir(path(folder)).into_iter().flatten().map(|entry| entry.unwrap().file_name());
        entries.map(move |name| Path::new(folder).join(name).to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut names: Vec<_> = listed("docs").into_iter().filter(|name| name.ends_with(".md")).collect();
    names.sort();
    let others = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "packaging/example/README.md",
        "tests/README.md",
    ];
    names.extend(others.iter().filter(|name| path(name).exists()).map(|name| (*name).to_owned()));
    names.iter().map(|name| Page::read(name, &text(name))).collect()
}

/// A page of docs/ with this text.
fn sample(text: &str) -> Vec<Page> {
    vec![Page::read("docs/sample.md", text)]
}

/// Asserts that a check finds nothing in the pages, and finds this in each bad page.
fn assert_finds(check: impl Fn(&[Page]) -> Vec<String>, bad: &[(&str, &str)]) {
    for (text, wanted) in bad {
        let found = check(&sample(text));
        assert!(found.len() == 1 && found[0].contains(wanted), "{text}: {found:#?}");
        assert!(found[0].starts_with("docs/sample.md:"), "{found:#?}");
    }
    let found = check(&pages());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn each_block_has_a_language_and_a_marker(pages: &[Page]) -> Vec<String> {
    let mut wrong = Vec::new();
    for page in pages {
        let why = |block: &markdown::Block| Some(format!("{}: {}", page.at(block.line), kind(block).err()?));
        wrong.extend(page.blocks.iter().filter_map(why));
        // A marker without a block below it.
        let used = page.blocks.iter().filter(|block| block.marker.is_some()).map(|block| block.line - 1);
        let used: BTreeSet<_> = used.collect();
        for (number, line) in (1..).zip(page.text.lines()) {
            if markdown::marker(line).is_some() && !used.contains(&number) {
                wrong.push(format!("{}: no block begins below this marker", page.at(number)));
            }
        }
    }
    wrong
}

#[test]
fn each_block_says_what_it_is() {
    assert_finds(
        each_block_has_a_language_and_a_marker,
        &[
            ("```\na\n```\n", "no language"),
            ("    a\n", "no language"),
            ("```console\na\n```\n", "\"console\" is no language"),
            ("```sh\na\n```\n", "no marker"),
            ("<!-- test: root exit x -->\n```sh\na\n```\n", "\"x\" is no exit code"),
            ("<!-- test: syntax: -->\n```sh\na\n```\n", "is no marker of sh"),
            ("<!-- test: kubernetes -->\n```json\na\n```\n", "is no marker of json"),
            ("<!-- test: parse well -->\n```json\na\n```\n", "nothing may follow \"parse\""),
            ("<!-- test: root -->\n```text\na\n```\n", "text has no marker"),
            ("<!-- test: root -->\na\n", "no block begins below"),
        ],
    );
    // With a line between marker and fence, both are wrong.
    let found = each_block_has_a_language_and_a_marker(&sample("<!-- test: root -->\n\n```sh\na\n```\n"));
    assert_eq!(found.len(), 2, "{found:?}");
}

/// The blocks of sh that the test runs, as far as `wanted` accepts them.
pub fn scripts(wanted: fn(&Kind) -> bool) -> Vec<(String, String)> {
    let pages = pages();
    let run = of_kind(&pages, |kind| matches!(kind, Kind::Root(_) | Kind::Docker(_) | Kind::Clone(_)));
    let wanted = run.into_iter().filter(|(_, _, kind)| wanted(kind));
    wanted.map(|(place, block, _)| (place, block.text.clone())).collect()
}

/// The programs of this machine that the blocks call, without rini's own names.
pub fn programs_of(scripts: &[(String, String)]) -> Vec<String> {
    let called = crate::machine::programs_of(scripts).into_iter();
    called.filter(|name| name != "rini" && !blocks::NAMES.contains(&&**name)).collect()
}

/// True if this machine has the programs that the blocks call. Otherwise prints SKIPPED.
fn has_what_they_call(wanted: fn(&Kind) -> bool) -> bool {
    let programs = programs_of(&scripts(wanted));
    // A program with a path is a file of the clone.
    tools(&programs.iter().map(|name| &**name).filter(|name| !name.contains('/')).collect::<Vec<_>>())
}

/// Runs the blocks of sh that need no engine, and reads those that do not run.
fn run_without_an_engine(pages: &[Page], place: &Place, clone: Option<&Path>) -> Vec<String> {
    let all = of_kind(pages, |kind| matches!(kind, Kind::Root(_) | Kind::Clone(_) | Kind::By(_) | Kind::Syntax));
    let all: Vec<_> = all.into_iter().filter(|(_, block, _)| block.language == "sh").collect();
    each(&all, |block, kind| match kind {
        Kind::Root(code) => place.run(&block.text, &place.directory(), *code),
        Kind::Clone(code) => {
            let Some(clone) = clone else { return Ok(()) };
            let directory = place.directory().join("rini");
            git(clone, &["clone", "--quiet", ".", directory.to_str().unwrap()]);
            place.run(&block.text, &directory, *code)
        }
        Kind::By(file) => blocks::run_by(&block.text, file),
        _ => blocks::read_by_bash(&block.text),
    })
}

#[test]
fn each_command_runs() {
    if !namespaces() || !tools(&["bash"]) || !is_clone() {
        return;
    }
    if !has_what_they_call(|kind| !matches!(kind, Kind::Docker(_))) {
        return;
    }
    let clone = tempfile::tempdir().unwrap();
    let tree = clone.path().join("tree");
    commit_of_the_tree(&tree, "2001-02-03T04:05:06Z");
    let place = Place::new();
    let check = |pages: &[Page]| run_without_an_engine(pages, &place, Some(&tree));
    let good = "<!-- test: root exit 3 -->\n```sh\nrini -- sh -c 'exit 3'\n```\n\
                <!-- test: root -->\n```sh\ntest -z \"$(ls)\"\necho a >/usr/local/docs-test\ndumb-init true\nsleep 600 &\n```\n\
                <!-- test: clone -->\n```sh\ngit rev-parse HEAD\ntest -x tests/run\n```\n\
                <!-- test: by run -->\n```sh\n# A comment\ntests/setup --option \\\n  word    # a\n```\n\
                <!-- test: syntax: it would run for ever -->\n```sh\nwhile :; do :; done\n```\n";
    assert_eq!(check(&sample(good)), [""; 0]);
    // The block's file is gone.
    assert!(!Path::new("/usr/local/docs-test").exists());
    assert_finds(
        check,
        &[
            ("<!-- test: root -->\n```sh\nrini -- sh -c 'exit 3'\ntrue\n```\n", "ends with Some(3) and not 0"),
            ("<!-- test: root exit 3 -->\n```sh\nexit 4\n```\n", "ends with Some(4) and not 3"),
            ("<!-- test: root -->\n```sh\necho $unset\n```\n", "unbound variable"),
            ("<!-- test: root -->\n```sh\ndocker version\n```\n", "its marker does not say so"),
            ("<!-- test: clone -->\n```sh\ntest -e nothing.md\n```\n", "ends with Some(1)"),
            ("<!-- test: by tests/run -->\n```sh\ntests/nothing\n```\n", "does not have \"tests/nothing\""),
            ("<!-- test: by nothing.rs -->\n```sh\ntests/setup\n```\n", "there is no tests/nothing.rs"),
            ("<!-- test: by nothing.md -->\n```sh\ntests/run\n```\n", "there is no tests/nothing.md"),
            ("<!-- test: syntax: a -->\n```sh\nif\n```\n", "syntax error"),
        ],
    );
}

/// Runs the blocks that need an engine, and builds the images.
fn run_with_an_engine(pages: &[Page], place: &Place) -> Vec<String> {
    let wants_docker = |kind: &Kind| matches!(kind, Kind::Docker(_) | Kind::Image | Kind::Syntax);
    let mut all = of_kind(pages, wants_docker);
    all.retain(|(_, block, kind)| *kind != Kind::Syntax || block.language == "dockerfile");
    each(&all, |block, kind| match kind {
        Kind::Docker(code) => place.run(&block.text, &place.directory(), *code),
        Kind::Image => place.build(&block.text),
        _ => place.read_dockerfile(&block.text),
    })
}

#[test]
fn each_docker_command_runs_and_each_image_is_built() {
    if !namespaces() || !tools(&["bash", "docker", "busybox"]) || crate::docker::image().is_none() {
        return;
    }
    if !has_what_they_call(|kind| matches!(kind, Kind::Docker(_))) {
        return;
    }
    let Some(busybox) = crate::docker::busybox() else { return skip("this busybox needs libraries") };
    let client = find_program("docker").unwrap();
    let place = Place::new().with_images(&client, &busybox);
    let check = |pages: &[Page]| run_with_an_engine(pages, &place);
    let good = "<!-- test: docker exit 143 -->\n```sh\ndocker run --detach --name web app\ndocker stop web\nexit $(docker wait web)\n```\n\
                <!-- test: docker -->\n```sh\ndocker run --rm -it --name web rini:1.0.0-rc.2 --version\n\
                printf 'FROM app\\nCOPY --from=rini:1.0.0-rc.2 /tini /tini\\n' >Dockerfile\ndocker build -t mine .\n\
                docker run --rm --entrypoint /tini mine sh -c 'test -x /tini'\ndocker rmi mine\n```\n\
                <!-- test: image -->\n```dockerfile\nCOPY --from=rini:1.0.0-rc.2 /rini /rini\nCOPY app start.sh /\nCMD [\"a\"]\n```\n\
                <!-- test: image -->\n```dockerfile\nFROM scratch\nCOPY app /\n```\n\
                <!-- test: syntax: it needs a registry -->\n```dockerfile\nFROM debian:bookworm\nRUN apt-get install -y tini\n```\n";
    assert_eq!(check(&sample(good)), [""; 0]);
    assert_finds(
        check,
        &[
            ("<!-- test: docker -->\n```sh\ndocker run --rm app false\n```\n", "ends with Some(1)"),
            ("<!-- test: docker -->\n```sh\ndocker run --rm debian true\n```\n", "no image of this block"),
            ("<!-- test: docker -->\n```sh\ndocker pull app\n```\n", "none of the commands"),
            ("<!-- test: image -->\n```dockerfile\nCOPY nothing /\n```\n", "nothing"),
            ("<!-- test: image -->\n```dockerfile\nFROM nothing:nothing\n```\n", "ends with Some(1)"),
            ("<!-- test: syntax: a -->\n```dockerfile\nFROM a\nENTRYPIONT [\"a\"]\n```\n", "unknown instruction"),
        ],
    );
}

/// Reads YAML, JSON, INI and TOML with the programs that read them in use.
fn read_files(pages: &[Page]) -> Vec<String> {
    let parsed = of_kind(pages, |kind| matches!(kind, Kind::Parse | Kind::Kubernetes));
    let parsed = parsed.into_iter().map(|(place, block, kind)| {
        let parser = if kind == Kind::Kubernetes { "kubernetes" } else { &*block.language };
        (place, parser.to_owned(), block.text.clone())
    });
    let mut wrong = blocks::parse(&parsed.collect::<Vec<_>>());
    let others = of_kind(pages, |kind| matches!(kind, Kind::Compose | Kind::Daemon));
    wrong.extend(each(&others, |block, kind| {
        let directory = tempfile::tempdir().unwrap();
        match kind {
            Kind::Compose => {
                blocks::read_by_compose(&block.text, &mut Command::new("docker-compose"), directory.path())
            }
            _ => blocks::read_by_dockerd(&block.text, directory.path()),
        }
    }));
    wrong
}

/// True if the schemas of tests/setup exist. Otherwise prints SKIPPED.
fn has_schemas() -> bool {
    let there = path("target/schemas/check_jsonschema").exists() && Path::new("/usr/bin/python3").exists();
    if !there {
        skip("there is no target/schemas; tests/setup installs it");
    }
    there
}

#[test]
fn each_file_is_read_by_its_own_program() {
    if !is_root() {
        return skip("dockerd is run as nobody, which takes root");
    }
    if !has_schemas() || !tools(&["docker-compose", "dockerd", "python3"]) {
        return;
    }
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  terminationGracePeriodSeconds: 30\n  containers:\n  - {name: a, image: a}\n";
    let good = format!(
        "<!-- test: kubernetes -->\n```yaml\n{pod}---\n{pod}```\n\
         <!-- test: compose -->\n```yaml\nservices:\n  web:\n    image: a\n    stop_grace_period: 30s\n```\n\
         <!-- test: daemon -->\n```json\n{{\"init\": true, \"init-path\": \"/usr/bin/rini\"}}\n```\n\
         <!-- test: parse -->\n```json\n{{\"a\": [1]}}\n```\n\
         <!-- test: parse -->\n```ini\n[Container]\nEnvironment=a=b\nEnvironment=c=d\n```\n\
         <!-- test: parse -->\n```toml\n[engine]\ninit = true\n```\n"
    );
    assert_eq!(read_files(&sample(&good)), [""; 0]);
    let broken = format!("<!-- test: kubernetes -->\n```yaml\n{}```\n", pod.replace("30", "soon"));
    let unknown = format!("<!-- test: kubernetes -->\n```yaml\n{}```\n", pod.replace("terminationG", "g"));
    assert_finds(
        read_files,
        &[
            (&broken, "'soon' is not of type 'integer'"),
            (&unknown, "gracePeriodSeconds"),
            ("<!-- test: kubernetes -->\n```yaml\nspec: {}\n```\n", "has an apiVersion and a kind"),
            (
                "<!-- test: compose -->\n```yaml\nservices:\n  web:\n    image: a\n    stop_time: 30s\n```\n",
                "stop_time",
            ),
            ("<!-- test: daemon -->\n```json\n{\"init-file\": \"/usr/bin/rini\"}\n```\n", "init-file"),
            ("<!-- test: parse -->\n```yaml\na: [\n```\n", "yaml"),
            ("<!-- test: parse -->\n```json\n{'a': 1}\n```\n", "json"),
            ("<!-- test: parse -->\n```ini\na=b\n```\n", "ini"),
            ("<!-- test: parse -->\n```toml\na = b\n```\n", "toml"),
        ],
    );
}

/// The newest schemas of Kubernetes accept the examples, which podman runs only in part.
#[test]
fn each_example_for_kubernetes_fits_the_schemas() {
    if !has_schemas() {
        return;
    }
    let files = fs::read_dir(path("packaging/examples")).unwrap().map(|entry| entry.unwrap().path());
    let manifests = files.filter(|file| file.extension().is_some_and(|end| end == "yaml"));
    let manifests: Vec<_> = manifests.map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    for name in ["kubernetes.yaml", "kubernetes-inject.yaml"] {
        assert!(manifests.iter().any(|found| found == name), "no {name} in {manifests:?}");
    }
    let read = |name: &str| text(&format!("packaging/examples/{name}"));
    let check = |name: &str, text: String| blocks::parse(&[(name.to_owned(), "kubernetes".to_owned(), text)]);
    for name in &manifests {
        assert_eq!(check(name, read(name)), [""; 0]);
    }
    // The negative controls, each in the last document: a misspelt field, and one of a wrong type.
    let inject = read("kubernetes-inject.yaml");
    for (from, to, wanted) in [
        ("image: {reference:", "image: {name:", "'name' was unexpected"),
        ("mountPath: /opt/rini, readOnly: true", "mountPath: /opt/rini, readOnly: 1", "1 is not of type 'boolean'"),
    ] {
        let found = check("it", inject.replace(from, to));
        assert!(found.len() == 1 && found[0].contains(wanted), "{from}: {found:?}");
    }
}

/// The file to which a link of a page leads, below the clone.
fn target(page: &str, link: &str) -> Option<PathBuf> {
    let mut found = PathBuf::new();
    let base = Path::new(page).parent().unwrap();
    for part in base.join(link).components() {
        match part {
            Component::Normal(name) => found.push(name),
            Component::ParentDir => found.pop().then_some(())?,
            Component::CurDir => (),
            _ => return None,
        }
    }
    Some(found)
}

fn each_link_leads_somewhere(pages: &[Page]) -> Vec<String> {
    let mut wrong = Vec::new();
    for page in pages {
        let undefined =
            page.undefined.iter().map(|one| format!("{}: nothing defines [{}]", page.at(one.line), one.text));
        wrong.extend(undefined);
        for link in &page.links {
            let mut refuse = |why: &str| wrong.push(format!("{}: {:?} {why}", page.at(link.line), link.text));
            if link.text.contains("://") || link.text.starts_with("mailto:") {
                let host = link.text.strip_prefix("https://").and_then(|rest| rest.split(['/', '?', '#']).next());
                let is_host = |host: &str| {
                    host.contains('.') && host.bytes().all(|c| c.is_ascii_alphanumeric() || b".-".contains(&c))
                };
                let is_mail = link.text.strip_prefix("mailto:").is_some_and(|mail| mail.contains('@'));
                if !(host.is_some_and(is_host) || is_mail) || link.text.contains(char::is_whitespace) {
                    refuse("is no address that begins with https://");
                }
                continue;
            }
            let (file, anchor) = link.text.split_once('#').unwrap_or((&link.text, ""));
            let file = if file.is_empty() { Some(PathBuf::from(&page.name)) } else { target(&page.name, file) };
            let Some(file) = file else {
                refuse("leads out of the repository");
                continue;
            };
            let name = file.to_str().unwrap();
            let known = pages.iter().find(|page| page.name == name);
            if known.is_none() && (!path(name).exists() || name.starts_with("target/") || name.starts_with("dist/")) {
                refuse("leads to no file");
            } else if !anchor.is_empty() {
                let read;
                let known = match known {
                    Some(known) => known,
                    None if name.ends_with(".md") => {
                        read = Page::read(name, &text(name));
                        &read
                    }
                    None => {
                        refuse("has an anchor, and leads to no page");
                        continue;
                    }
                };
                if !known.anchors.contains(anchor) {
                    refuse("leads to no heading");
                }
            }
        }
    }
    wrong
}

#[test]
fn each_link_and_each_anchor_is_there() {
    let good = "# One & two\n[a](#one--two) [b](../Cargo.toml) [c](../tests) <https://example.org/a#b> [d][e] [OPTIONS] \
                ![f](../benches/plot.svg)\n[m](mailto:a@example.org)\n\n[e]: ../tests/proof/reports/storms.md#orphans\n";
    assert_eq!(each_link_leads_somewhere(&sample(good)), [""; 0]);
    assert_finds(
        each_link_leads_somewhere,
        &[
            ("[a](#one)", "leads to no heading"),
            ("[a](nothing.md)", "leads to no file"),
            ("![a](nothing.svg)", "leads to no file"),
            ("<img src=\"nothing.svg\">", "leads to no file"),
            ("[a](../tests/proof/reports/storms.md#nothing)", "leads to no heading"),
            ("[a](../Cargo.toml#L3)", "leads to no page"),
            ("[a](../../rini)", "leads out of"),
            ("[a](http://example.org)", "is no address"),
            ("[a](https://exa_mple)", "is no address"),
            ("[a][b]", "nothing defines [b]"),
        ],
    );
}

/// The index links to each page of docs/, and the README links to the index.
fn each_page_is_in_the_index(pages: &[Page]) -> Vec<String> {
    let links = |name: &str| {
        let page = pages.iter().find(|page| page.name == name);
        let links = page.into_iter().flat_map(|page| &page.links);
        links.filter_map(|link| target(name, link.text.split('#').next().unwrap())).collect::<BTreeSet<_>>()
    };
    let (index, readme) = (links("docs/README.md"), links("README.md"));
    let mut wrong = Vec::new();
    for page in pages.iter().filter(|page| page.name.starts_with("docs/") && page.name != "docs/README.md") {
        if !index.contains(Path::new(&page.name)) {
            wrong.push(format!("{}: docs/README.md does not link to it", page.at(1)));
        }
    }
    if ["docs/README.md", "docs"].iter().all(|name| !readme.contains(Path::new(name))) {
        wrong.push("README.md:1: it does not link to docs/README.md".to_owned());
    }
    wrong
}

#[test]
fn each_page_is_found_from_the_readme() {
    let page = |name: &str, text: &str| Page::read(name, text);
    let whole = |index: &str| {
        let pages = [page("README.md", "[d](docs/README.md)"), page("docs/README.md", index), page("docs/a.md", "A")];
        each_page_is_in_the_index(&pages)
    };
    assert_eq!(whole("[a](a.md#b)"), [""; 0]);
    assert_eq!(whole("[a](b.md)"), ["docs/a.md:1: docs/README.md does not link to it"]);
    assert_eq!(each_page_is_in_the_index(&[page("README.md", "A")]).len(), 1);
    assert_eq!(each_page_is_in_the_index(&pages()), [""; 0]);
}

fn each_quoted_message_is_rini_s(pages: &[Page]) -> Vec<String> {
    let messages = Messages::of_rini();
    let mut wrong = Vec::new();
    for page in pages {
        let blocks = page.blocks.iter().filter(|block| block.language == "text");
        let lines = blocks.flat_map(|block| (block.line + 1..).zip(block.text.lines().map(str::trim)));
        let spans = page.spans.iter().map(|span| (span.line, &*span.text));
        for (line, text) in lines.chain(spans).filter(|(_, text)| text.starts_with("rini: ")) {
            wrong.extend(messages.refuse(text).map(|why| format!("{}: {text:?}: {why}", page.at(line))));
        }
    }
    wrong
}

#[test]
fn each_quoted_message_is_one_that_rini_prints() {
    let good = "`rini: INFO SIGTERM from pid 8 (sh), forwarded to pid 7` `rini: LEVEL text`\n```text\n$ rini -- x\nrini: ERROR cannot run \"x\": it is a directory\nx: y\n```\n";
    assert_eq!(each_quoted_message_is_rini_s(&sample(good)), [""; 0]);
    assert_finds(
        each_quoted_message_is_rini_s,
        &[
            ("`rini: INFO SIGTERM from pid 8 (sh), handed on to pid 7`", "no such message"),
            ("`rini: WARN SIGTERM from pid 8 (sh), forwarded to pid 7`", "not its level"),
            ("```text\na\n  rini: ERROR cannot find \"x\": it is a directory\n```\n", "docs/sample.md:3: "),
        ],
    );
}

/// The diagnostics of the man page that rini does not print.
fn wrong_diagnostics(page: &str) -> Vec<String> {
    let messages = Messages::of_rini();
    let (_, section) = page.split_once("\n.Sh DIAGNOSTICS\n").unwrap();
    let items = section.split("\n.Sh ").next().unwrap().lines().filter_map(|line| line.strip_prefix(".It \""));
    let said: Vec<_> = items.map(|item| item.trim_end_matches('"').replace("\\(dq", "\"")).collect();
    assert!(said.len() > 10, "{said:?}");
    said.iter().filter_map(|text| Some(format!("{text:?}: {}", messages.refuse(&format!("rini: {text}"))?))).collect()
}

#[test]
fn each_diagnostic_of_the_man_page_is_one_that_rini_prints() {
    let page = text("packaging/rini.1");
    assert_eq!(wrong_diagnostics(&page), [""; 0]);
    for (from, to, why) in [
        ("which starts a stop\"", "which begins a stop\"", "no such message"),
        ("\"INFO standard input", "\"WARN standard input", "not its level"),
        ("there is no user \\(dqapp\\(dq", "there is no user app", "no such message"),
    ] {
        assert_eq!(page.matches(from).count(), 1, "{from}");
        let found = wrong_diagnostics(&page.replace(from, to));
        assert!(found.len() == 1 && found[0].contains(why), "{from}: {found:?}");
    }
}

/// Checks the lengths of sentences and cells, and the words.
fn check_language(pages: &[Page]) -> Vec<String> {
    let mut wrong = Vec::new();
    for page in pages.iter().filter(|page| page.name != "CHANGELOG.md" && !page.name.starts_with("packaging/")) {
        for sentence in page.sentences.iter().filter(|one| words(&one.text) > 35) {
            let count = words(&sentence.text);
            wrong.push(format!("{}: a sentence of {count} words: {:.60}…", page.at(sentence.line), sentence.text));
        }
        for cell in page.cells.iter().filter(|one| words(&one.text) > 45) {
            wrong.push(format!("{}: a cell of {} words", page.at(cell.line), words(&cell.text)));
        }
        let mut lengths: Vec<_> = page.sentences.iter().map(|one| words(&one.text)).collect();
        lengths.sort_unstable();
        if let Some(median) = lengths.get(lengths.len() / 2).filter(|median| **median >= 18) {
            wrong.push(format!("{}: the median sentence has {median} words", page.at(1)));
        }
        for piece in page.sentences.iter().chain(&page.cells).chain(&page.headings) {
            for (banned, better) in BANNED.iter().filter(|(banned, _)| has_word(&piece.text, banned)) {
                wrong.push(format!("{}: {banned:?}; say {better:?}: {:.60}", page.at(piece.line), piece.text));
            }
        }
        let (lines, all) = (page.text.lines().count(), page.text.split_whitespace().count());
        if page.name == "README.md" && (lines > 200 || all > 1600) {
            wrong.push(format!("README.md:1: it has {lines} lines of at most 200, and {all} words of at most 1600"));
        }
    }
    wrong
}

/// True if a text has this word or phrase, and not as a part of other words. Capitals in the phrase must match.
fn has_word(text: &str, word: &str) -> bool {
    let text = if word.chars().any(char::is_lowercase) { text.to_lowercase() } else { text.to_owned() };
    text.match_indices(word).any(|(at, _)| {
        let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !is_part(text[..at].chars().next_back()) && !is_part(text[at + word.len()..].chars().next())
    })
}

#[test]
fn the_pages_are_easy_to_read() {
    let long = format!("{}end.", "word ".repeat(35));
    let cell = format!("| a |\n|---|\n| {} |\n", "word ".repeat(46));
    let longer = format!("{0} {0} One.", format!("{}end.", "Word ".repeat(17)));
    let good = format!("{}end. Short. Words.\n\nA `PROGRAM` of `a rini`.", "word ".repeat(34));
    assert_eq!(check_language(&sample(&good)), [""; 0]);
    let readme = |text: &str| check_language(&[Page::read("README.md", text)]).len();
    assert_eq!([readme("a\n"), readme(&"A.\n".repeat(201)), readme(&"A. ".repeat(1601))], [0, 1, 1]);
    assert_finds(
        check_language,
        &[
            (&format!("{long} One. Two."), "a sentence of 36 words"),
            (&cell, "a cell of 46 words"),
            (&longer, "the median sentence has 18 words"),
            ("Two.\nA Folder is here.", "docs/sample.md:2: \"folder\""),
            ("| a |\n|---|\n| what is left |\n", "docs/sample.md:3: \"what is left\""),
            ("# PROGRAM\n", "\"PROGRAM\""),
            ("Call a rini.", "\"a rini\""),
        ],
    );
}

#[test]
fn each_figure_is_that_of_its_table() {
    if !tools(&["python3"]) {
        return;
    }
    let check = |root: &Path| {
        let output = Command::new(path("packaging/figures")).arg("--root").arg(root).arg("--check").output().unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(i32::from(!said.is_empty())), "{said}");
        said
    };
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("tests/proof/reports")).unwrap();
    fs::write(root.path().join("tests/proof/reports/storms.md"), "One rini, PID 1, gets 1000000 orphans.").unwrap();
    let table = "<!-- table: cargo bench -- --docs -->\n| | rini | tini |\n|---|---:|---:|\n\
                 | start: a, µs | **80.1** ×1<br><sub>78–112</sub> | 400 ×5 |\n<!-- /table -->\n";
    let sample = |text: &str| {
        fs::write(root.path().join("README.md"), format!("{table}{text}\n")).unwrap();
        check(root.path())
    };
    let good = "It starts in <!-- figure: bench.start.rini -->80.1<!-- /figure --> µs, \
                <!-- figure: bench.start.tini/rini -->5<!-- /figure --> times faster, after \
                <!-- figure: proof.storms.orphans -->1,000,000<!-- /figure --> orphans and 10 s.";
    assert_eq!(sample(good), "");
    for (from, to, wanted) in [
        ("80.1<", "80.2<", "is '80.1', and the page has '80.2'"),
        ("-->5<", "-->6<", "is '5'"),
        ("1,000,000", "1000000", "is '1,000,000'"),
        ("bench.start.rini", "bench.begin.rini", "the bench has no row 'begin.rini'"),
        ("bench.start.rini", "bench.start.runit", "has 0 cells"),
        ("proof.storms.orphans", "orphans", "it is none of the names"),
        ("10 s", "10 KiB", "'10 KiB' is a figure without a marker"),
        (" orphans and", " <!-- figure: a --> orphans and", "no other end"),
    ] {
        let said = sample(&good.replace(from, to));
        assert!(said.contains(wanted) && said.starts_with("README.md:"), "{to}: {said}");
    }

    // The script writes the figure that it expects.
    let figures = |words: &[&str]| {
        let output =
            Command::new(path("packaging/figures")).arg("--root").arg(root.path()).args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        fs::read_to_string(root.path().join("README.md")).unwrap()
    };
    sample(&good.replace("80.1<", "80.2<"));
    assert!(figures(&[]).ends_with(&format!("{good}\n")));
    // It also writes the table that a demo prints.
    fs::create_dir(root.path().join("packaging")).unwrap();
    executable(&root.path().join("packaging"), "demo-stop", "#!/bin/sh\necho $1\necho '| a |'\necho '|---|'\n");
    sample("<!-- table: packaging/demo-stop --all -->\n| b |\n|---|\n<!-- /table -->");
    let page = figures(&["--run", "packaging/demo-stop --all"]);
    assert!(page.ends_with("<!-- table: packaging/demo-stop --all -->\n\n| a |\n|---|\n\n<!-- /table -->\n"), "{page}");

    assert_eq!(check(&path(".")), "");
}

/// `tests/engines/table` has a row for each test of an engine, and docs/engines.md has these rows. The versions and the counts
/// there are those of the last run.
#[test]
fn the_table_of_the_engines_has_a_row_for_each_test_of_an_engine() {
    if !tools(&["python3", "docker", "docker-compose", "podman", "runc", "crun", "containerd"])
        || crate::docker::image().is_none()
    {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let table = |lines: &str| {
        fs::write(&log, lines).unwrap();
        let output = Command::new(path("tests/engines/table")).arg(&log).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let listed = Command::new(std::env::current_exe().unwrap()).arg("--list").output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let is_engine =
        |name: &&str| ["docker::", "docker_init::", "podman::", "cri::"].iter().any(|m| name.starts_with(m));
    let names = listed.lines().filter_map(|line| line.strip_suffix(": test")).filter(is_engine);
    let good = names.map(|name| format!("test {name} ... ok\n")).collect::<String>() + "test result: ok. 40 passed\n";
    let (code, printed, said) = table(&good);
    assert_eq!((code, &*said), (Some(0), ""));
    let middle = |table: &str| {
        let rows = table.lines().filter(|line| line.starts_with('|'));
        rows.map(|row| row.split('|').skip(3).take(2).map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let page = text("docs/engines.md");
    let (_, behind) = page.split_once("<!-- table: tests/engines/table -->\n").expect("a beginning");
    let (written, _) = behind.split_once("<!-- /table -->").expect("an end");
    assert_eq!(middle(&printed), middle(written), "packaging/figures --run tests/engines/table");

    // The negative controls.
    let failed = good.replacen("... ok", "... FAILED", 1);
    let skipped = good.clone() + "SKIPPED podman::rootless_podman_runs_rini: crun is not installed\n";
    let unknown = good.clone() + "test cri::a_new_one ... ok\n";
    let broken = good.replace("test result: ok", "error");
    let fewer = good.replace("test cri::exec_probes_leave_no_zombie_behind ... ok\n", "");
    for (log, code, wanted) in [
        (&failed, 1, "failed: "),
        (&skipped, 77, "crun is not installed"),
        (&unknown, 1, "no row has cri::a_new_one"),
        (&fewer, 1, "no test ran for {containerd}"),
        (&broken, 1, "the run itself"),
    ] {
        let (found, printed, said) = table(log);
        assert!(found == Some(code) && printed.is_empty() && said.contains(wanted), "{found:?} {printed} {said}");
    }
}

/// The other table is that of the kept reports.
#[test]
fn the_table_of_the_virtual_machines_is_that_of_their_reports() {
    if !tools(&["python3"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    let table = |words: &[&str]| {
        let output = Command::new(path("tests/engines/table")).arg("--host").args(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, printed, said) = table(&[]);
    assert_eq!((code, &*said), (Some(0), ""));
    let page = text("docs/engines.md");
    let written = format!("<!-- table: tests/engines/table --host -->\n\n{printed}\n<!-- /table -->\n");
    assert!(page.contains(&written), "packaging/figures --run \"tests/engines/table --host\"");

    // The negative controls.
    let good: String =
        ["docker", "podman", "cri"].map(|part| text(&format!("tests/proof/reports/host-{part}.md"))).concat();
    let row = good.lines().find(|line| line.starts_with("| cri::") && line.ends_with(" | ok |")).unwrap();
    for (report_text, wanted) in [
        (good.replace(row, &row.replace("| ok |", "| FAILED |")), "failed: cri::"),
        (good.replace(row, "| cri::a_new_one | ok |"), "no row has cri::a_new_one"),
        (good.replace("| ok |", "|"), "the reports have no test"),
        (good.replace("| systemd::", "| "), "no test ran for {systemd}, without a container"),
        (good.replace("- runc: ", "- "), "no version of runc"),
    ] {
        fs::write(&report, report_text).unwrap();
        let (code, printed, said) = table(&[report.to_str().unwrap()]);
        assert!(code == Some(1) && printed.is_empty() && said.contains(wanted), "{code:?} {printed} {said}");
    }
    assert!(table(&["--other"]).2.starts_with("usage: "));
}

/// The errors of GitHub's schemas for the files in this directory.
fn refused_by_github(root: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    for (folder, schema) in [("workflows", "github-workflows"), ("ISSUE_TEMPLATE", "github-issue-forms")] {
        let entries = fs::read_dir(root.join(folder)).into_iter().flatten().map(|entry| entry.unwrap().path());
        let is_yaml = |path: &PathBuf| path.extension().is_some_and(|end| end == "yml" || end == "yaml");
        for file in entries.filter(is_yaml) {
            let is_config = file.file_stem().is_some_and(|name| name == "config");
            let schema = if is_config { "github-issue-config" } else { schema };
            let mut python = Command::new("/usr/bin/python3");
            python.env("PYTHONPATH", path("target/schemas")).args(["-m", "check_jsonschema", "--builtin-schema"]);
            let output = python.arg(format!("vendor.{schema}")).arg(&file).output().unwrap();
            if !output.status.success() {
                wrong.push(format!("{}: {}", file.display(), String::from_utf8_lossy(&output.stdout)));
            }
        }
    }
    wrong
}

#[test]
fn github_takes_the_workflows_and_the_issue_forms() {
    if !has_schemas() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let workflow = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: \"true\"\n";
    let form = "name: a\ndescription: b\nbody:\n  - type: textarea\n    id: c\n    attributes: {label: d}\n";
    for (file, text) in [
        ("workflows/good.yml", workflow.to_owned()),
        ("workflows/bad.yml", workflow.replace("runs-on", "runs")),
        ("ISSUE_TEMPLATE/good.yml", form.to_owned()),
        ("ISSUE_TEMPLATE/bad.yml", form.replace("textarea", "area")),
        ("ISSUE_TEMPLATE/config.yml", "blank_issues_enabled: false\n".to_owned()),
    ] {
        let file = root.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let found = refused_by_github(root.path());
    assert!(found.len() == 2 && found.iter().all(|why| why.contains("/bad.yml")), "{found:#?}");
    assert_eq!(refused_by_github(&path(".github")), [""; 0]);
}
