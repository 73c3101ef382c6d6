//! The layers of src/. This test reads the imports of each file from the source, and checks them against the table of
//! layers in docs/design.md.
//!
//! Three things are wrong: an import of a file in a higher layer; files of one layer that import each other, directly
//! or through others, unless docs/design.md names that pair; and a file without a line in docs/design.md. Imports that
//! only tests make do not count.
//!
//! An import is a `use`, or a path in the code that begins with `crate`, `super`, `self` or a module that is declared
//! there.

use crate::support::rust_files;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The contents of the files of src/, by their paths in it.
type Sources = BTreeMap<String, String>;

/// The files that each file imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The words and signs of a source, without comments and quoted text.
fn tokens(source: &str) -> Vec<String> {
    let chars: Vec<char> = source.chars().collect();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found: Vec<String> = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let starts = |text: &str| chars[at..].iter().copied().take(text.len()).eq(text.chars());
        let begin = at;
        if starts("//") {
            at += chars[at..].iter().take_while(|c| **c != '\n').count();
        } else if starts("/*") {
            at += 2;
            while at < chars.len() && !chars[at..].starts_with(&['*', '/']) {
                at += 1;
            }
            at += 2;
        } else if let Some(length) = quoted_length(&chars[at..]) {
            at += length;
        } else if is_word(chars[at]) {
            at += chars[at..].iter().take_while(|c| is_word(**c)).count();
            found.push(chars[begin..at].iter().collect());
        } else {
            at += if starts("::") { 2 } else { 1 };
            if !chars[begin].is_whitespace() {
                found.push(chars[begin..at].iter().collect());
            }
        }
    }
    found
}

/// The length of the quoted string or character that begins here. (A lifetime has only one quote.)
fn quoted_length(chars: &[char]) -> Option<usize> {
    let prefix = chars.iter().take_while(|c| matches!(c, 'b' | 'c' | 'r')).count();
    let hashes = chars[prefix..].iter().take_while(|c| **c == '#').count();
    let is_raw = chars[..prefix].contains(&'r');
    let quote = prefix + if is_raw { hashes } else { 0 };
    match chars.get(quote)? {
        '"' if is_raw => {
            let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            let length = chars[quote + 1..].windows(end.len()).position(|window| window == end)?;
            Some(quote + 1 + length + end.len())
        }
        '"' => Some(closing(chars, quote)? + 1),
        '\'' if chars.get(quote + 1) == Some(&'\\') || chars.get(quote + 2) == Some(&'\'') => {
            Some(closing(chars, quote)? + 1)
        }
        _ => None,
    }
}

/// The position of the quote that closes this one.
fn closing(chars: &[char], open: usize) -> Option<usize> {
    let mut at = open + 1;
    while *chars.get(at)? != chars[open] {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    Some(at)
}

/// Removes the modules and items that are compiled for tests only. Returns the names of the removed modules that are
/// files.
fn cut_tests(tokens: &mut Vec<String>) -> BTreeSet<String> {
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut files = BTreeSet::new();
    while let Some(begin) = tokens.windows(attribute.len()).position(|window| window == attribute) {
        let body = begin + attribute.len();
        let sign = tokens[body..].iter().position(|token| token == ";" || token == "{");
        let mut end = body + sign.expect("an item");
        if tokens[end] == ";" {
            if let Some(module) = tokens[body..end].iter().position(|token| token == "mod") {
                files.insert(tokens[body + module + 1].clone());
            }
        } else {
            let mut depth = 0;
            end += tokens[end..]
                .iter()
                .position(|token| {
                    depth += i32::from(token == "{") - i32::from(token == "}");
                    depth == 0
                })
                .expect("its end");
        }
        tokens.drain(begin..=end);
    }
    files
}

/// The module of a file: `sys/mod.rs` is `sys`, `sys/files.rs` is `sys`, `files`, and main.rs is the crate itself.
fn module(file: &str) -> Vec<String> {
    let path = file.strip_suffix(".rs").unwrap();
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "main" { vec![] } else { path.split('/').map(str::to_owned).collect() }
}

/// Adds each path that a `use` names, with the braces expanded.
fn expand(tokens: &[String], before: &[String], found: &mut Vec<Vec<String>>) {
    let mut path = before.to_vec();
    let mut at = 0;
    while at < tokens.len() {
        match &*tokens[at] {
            "::" => at += 1,
            "as" => break,
            "{" => {
                let mut depth = 0;
                let mut begin = at + 1;
                for (place, token) in tokens.iter().enumerate().skip(at) {
                    depth += i32::from(token == "{") - i32::from(token == "}");
                    if depth == 1 && token == "," || depth == 0 {
                        expand(&tokens[begin..place], &path, found);
                        begin = place + 1;
                    }
                    if depth == 0 {
                        break;
                    }
                }
                return;
            }
            word => {
                path.push(word.to_owned());
                at += 1;
            }
        }
    }
    if path.len() > before.len() {
        found.push(path);
    }
}

/// The paths in a source: those of its `use` lines, and those in its code.
fn find_paths(tokens: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            let end = at + tokens[at..].iter().position(|token| token == ";").expect("the end of a use");
            expand(&tokens[at + 1..end], &[], &mut found);
            at = end;
        } else if tokens.get(at + 1).is_some_and(|next| next == "::") && (at == 0 || tokens[at - 1] != "::") {
            let mut path = vec![tokens[at].clone()];
            while tokens.get(at + 1).is_some_and(|next| next == "::") {
                at += 2;
                path.extend(tokens.get(at).cloned());
            }
            found.push(path);
        }
        at += 1;
    }
    found
}

/// The imports of each file, except those for tests only.
fn find_imports(sources: &Sources) -> Imports {
    let modules: BTreeMap<Vec<String>, &String> = sources.keys().map(|file| (module(file), file)).collect();
    let mut for_tests: Vec<Vec<String>> = Vec::new();
    let mut found = BTreeMap::new();
    for (file, source) in sources {
        let own = module(file);
        let mut tokens = tokens(source);
        for_tests.extend(cut_tests(&mut tokens).into_iter().map(|name| [&own[..], &[name]].concat()));
        let declared: BTreeSet<&String> =
            tokens.windows(3).filter(|item| item[0] == "mod" && item[2] == ";").map(|item| &item[1]).collect();
        let mut imported = BTreeSet::new();
        for path in find_paths(&tokens) {
            let mut absolute = match &*path[0] {
                "crate" => vec![],
                "super" | "self" => own.clone(),
                _ if declared.contains(&path[0]) => [&own[..], &path[..1]].concat(),
                _ => continue,
            };
            for word in &path {
                if word == "super" {
                    absolute.pop();
                } else if !matches!(&**word, "crate" | "self") && (word != &path[0] || !declared.contains(word)) {
                    absolute.push(word.clone());
                }
            }
            // The longest prefix that is a module. The file of that module has the item.
            let target = (0..=absolute.len()).rev().find_map(|length| modules.get(&absolute[..length])).unwrap();
            if *target != file {
                imported.insert((*target).clone());
            }
        }
        found.insert(file.clone(), imported);
    }
    found.retain(|file, _| !for_tests.iter().any(|module_of_tests| module(file).starts_with(module_of_tests)));
    found
}

/// The layers of docs/design.md, the lowest first: directories, and main.rs.
fn read_layers(design: &str) -> Vec<String> {
    let section = design.split_once("\n## Layers\n").expect("the section").1.split("\n## ").next().unwrap();
    let cell = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.trim_end_matches('/').to_owned());
    section.lines().filter_map(cell).collect()
}

/// True if docs/design.md says that these two files import each other, and why.
fn is_allowed(design: &str, one: &str, other: &str) -> bool {
    let begins = |one, other| {
        let begin = format!("- `{one}` and `{other}` import each other: ");
        design.lines().any(|line| line.strip_prefix(&begin).is_some_and(|reason| !reason.is_empty()))
    };
    begins(one, other) || begins(other, one)
}

/// Finds a way from this file back to itself.
fn find_cycle(imports: &Imports, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> Option<Vec<String>> {
    let file = way.last()?.clone();
    if let Some(begin) = way[..way.len() - 1].iter().position(|before| *before == file) {
        return Some(way[begin..].to_vec());
    }
    if !done.insert(file.clone()) {
        return None;
    }
    for next in imports.get(&file)? {
        way.push(next.clone());
        if let Some(found) = find_cycle(imports, way, done) {
            return Some(found);
        }
        way.pop();
    }
    None
}

/// Lists what is wrong with the layers of these files.
fn find_mistakes(sources: &Sources, design: &str) -> Vec<String> {
    let layers = read_layers(design);
    let mut imports = find_imports(sources);
    let mut wrong = Vec::new();
    let layer = |file: &str| {
        let own = file.split('/').next().unwrap();
        layers.iter().position(|layer| layer == own)
    };
    for (file, imported) in &imports {
        if layer(file).is_none() {
            wrong.push(format!("{file} is in no layer of docs/design.md"));
        }
        for other in imported.iter().filter(|other| layer(other) > layer(file)) {
            wrong.push(format!("{file} imports {other}, which is in a higher layer"));
        }
    }
    for file in sources.keys() {
        if !design.contains(&format!("(../src/{file})")) {
            wrong.push(format!("{file} has no line in docs/design.md"));
        }
    }
    for (file, imported) in &mut imports {
        imported.retain(|other| layer(other) == layer(file) && !is_allowed(design, file, other));
    }
    let mut done = BTreeSet::new();
    let files: Vec<String> = imports.keys().cloned().collect();
    let cycles = files.into_iter().filter_map(|file| find_cycle(&imports, &mut vec![file], &mut done));
    wrong.extend(cycles.map(|files| format!("these files import each other: {}", files.join(" → "))));
    wrong
}

/// The source and the design of this tree.
fn read_tree() -> (Sources, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("src");
    let named = |path: PathBuf| {
        let name = path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    let sources = rust_files(&folder).into_iter().map(named).collect();
    (sources, fs::read_to_string(root.join("docs/design.md")).unwrap())
}

#[test]
fn every_import_points_down() {
    let (sources, design) = read_tree();
    let wrong = find_mistakes(&sources, &design);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The negative control on the source itself: the test sees its imports.
#[test]
fn the_imports_of_the_source_are_seen() {
    let (sources, design) = read_tree();
    assert_eq!(read_layers(&design), ["ground", "sys", "observe", "messages", "cli", "supervise", "main.rs"]);
    let imports = find_imports(&sources);
    for (file, other) in [
        ("main.rs", "supervise/runtime.rs"),
        ("supervise/runtime.rs", "supervise/supervisor.rs"),
        ("supervise/runtime.rs", "sys/signals.rs"),
        ("sys/mod.rs", "sys/signals.rs"),
        ("sys/spawn.rs", "sys/mod.rs"),
        ("cli/personality/mod.rs", "cli/personality/tini.rs"),
        ("cli/command_line.rs", "messages/verbosity.rs"),
        ("ground/exit.rs", "ground/signal.rs"),
    ] {
        assert!(imports[file].contains(other), "{file} imports {other}: {:?}", imports[file]);
    }
    assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 100);
    // Imports for tests only, and those of a file whose tests are in files of their own.
    assert!(!imports.contains_key("ground/fuzzed.rs") && !imports.contains_key("supervise/supervisor/tests/model.rs"));
    for file in ["ground/signal.rs", "sys/process.rs", "messages/catalog.rs", "cli/table.rs"] {
        for (line, why) in [
            ("use crate::supervise::runtime::Runtime;", "supervise/runtime.rs, which is in a higher layer"),
            ("use crate::{ground::time, supervise::{supervisor as s, runtime}};", "supervise/runtime.rs, which is"),
            ("fn f() {\n    let c = '\"'; crate::supervise::runtime::f::<'a'>()\n}", "supervise/runtime.rs, which is"),
            ("fn f() {\n    crate::run()\n}", "main.rs, which is in a higher layer"),
        ] {
            let mut sources = sources.clone();
            sources.get_mut(file).unwrap().push_str(line);
            let found = find_mistakes(&sources, &design);
            assert!(
                found.iter().any(|found| found.starts_with(file) && found.contains(why)),
                "{file}, {line}: {found:?}"
            );
        }
    }
}

/// The negative controls, one mistake each.
#[test]
fn an_import_that_points_up_or_round_is_refused() {
    let design = "# Design\n\n## Layers\n\n| Layer | Holds |\n| --- | --- |\n| `ground/` | g |\n| `sys/` | s |\n| `main.rs` | m |\n\n\
        ## Files\n\n(../src/ground/mod.rs) (../src/ground/a.rs) (../src/ground/b.rs) (../src/sys/mod.rs) (../src/sys/c.rs) \
        (../src/main.rs)\n";
    let judge = |design: &str, changes: &[(&str, &str)]| {
        let mut sources: Sources = [
            ("main.rs", "mod ground;\nmod sys;\nuse sys::c;\nfn run() { ground::a::f() }"),
            ("ground/mod.rs", "pub mod a;\npub mod b;"),
            ("ground/a.rs", "use std::fmt;"),
            ("ground/b.rs", "use super::a::{self, F};\n#[cfg(test)]\nmod tests {\n    use crate::run;\n}"),
            ("sys/mod.rs", "pub mod c;\npub struct S;"),
            ("sys/c.rs", "use super::S;\nuse crate::ground::{a, b::*};"),
        ]
        .into_iter()
        .map(|(file, text)| (file.to_owned(), text.to_owned()))
        .collect();
        for (file, text) in changes {
            sources.insert((*file).to_owned(), (*text).to_owned());
        }
        find_mistakes(&sources, design)
    };
    assert_eq!(judge(design, &[]), [""; 0]);
    for (changes, what) in [
        (&[("ground/a.rs", "use crate::sys::c::f;")][..], "ground/a.rs imports sys/c.rs, which is in a higher layer"),
        (&[("ground/a.rs", "fn f() { crate::sys::c::f() }")], "ground/a.rs imports sys/c.rs, which is"),
        (&[("ground/a.rs", "fn f() { crate::sys::S }")], "ground/a.rs imports sys/mod.rs, which is"),
        (&[("ground/a.rs", "use super::super::run;")], "ground/a.rs imports main.rs, which is"),
        (&[("ground/a.rs", "macro_rules! m { () => { $crate::sys::c::f() } }")], "ground/a.rs imports sys/c.rs"),
        (&[("ground/a.rs", "#[cfg(test)]\nmod tests {}\nuse crate::sys::c;")], "ground/a.rs imports sys/c.rs"),
        (
            &[("ground/a.rs", "use super::b::G;")],
            "these files import each other: ground/a.rs → ground/b.rs → ground/a.rs",
        ),
        (
            &[("sys/mod.rs", "pub mod c;\nfn f() { c::f() }")],
            "these files import each other: sys/c.rs → sys/mod.rs → sys/c.rs",
        ),
        (&[("extra.rs", "")], "extra.rs is in no layer of docs/design.md"),
        (&[("sys/extra.rs", "")], "sys/extra.rs has no line in docs/design.md"),
    ] {
        let found = judge(design, changes);
        assert!(found.iter().any(|found| found.contains(what)), "{what}: {found:?}");
    }
    // These are not imports: in a comment, in quotes, and for tests.
    for text in [
        "// use crate::sys::c;\n/// crate::sys::c\n/* crate::run */",
        "const A: &str = \"crate::sys::c \\\" crate::run\"; const B: &[u8] = br#\"\"crate::run\"#;",
        "fn f<'a>(c: char) -> bool { c == '\"' || c == '\\'' }\n#[cfg(test)]\nmod tests { fn f() { crate::run() } }",
        "#[cfg(test)]\nuse crate::sys::c;",
    ] {
        assert_eq!(judge(design, &[("ground/a.rs", text)]), [""; 0], "{text}");
    }
    // A pair with its reason, and one without.
    let round = [("ground/a.rs", "use super::b::G;")];
    let because = |line: &str| judge(&(design.to_owned() + line), &round);
    assert_eq!(because("- `ground/b.rs` and `ground/a.rs` import each other: they are one thing.\n"), [""; 0]);
    assert_eq!(because("- `ground/b.rs` and `ground/a.rs` import each other: \n").len(), 1);
}
