//! The version and the commit that rini prints.

use std::process::Command;
use std::{env, fs};

/// The placeholders of a text for a version, each with the version.
pub type Versions = [(&'static str, String); 3];

/// Sets RINI_VERSION and RINI_TINI_VERSION for the source, and returns the versions for the texts.
pub fn set() -> Versions {
    println!("cargo::rerun-if-env-changed=RINI_COMMIT");
    for file in [".cargo_vcs_info.json", ".git/HEAD", ".git/logs/HEAD"] {
        if fs::exists(file).unwrap_or(false) {
            println!("cargo::rerun-if-changed={file}");
        }
    }
    let versions = versions(&env::var("CARGO_PKG_VERSION").unwrap_or_default(), &find_commit());
    println!("cargo::rustc-env=RINI_VERSION={}", versions[0].1);
    println!("cargo::rustc-env=RINI_TINI_VERSION={}", versions[1].1);
    versions
}

/// Returns a text that contains the hash of the commit: RINI_COMMIT, the file that Cargo adds to a published package,
/// or the HEAD of the clone. It is empty if there is none.
fn find_commit() -> String {
    let package = || fs::read_to_string(".cargo_vcs_info.json").ok();
    let head = || {
        let git = Command::new("git").args(["rev-parse", "HEAD"]).output().ok()?;
        String::from_utf8(git.stdout).ok()
    };
    env::var("RINI_COMMIT").ok().or_else(package).or_else(head).unwrap_or_default()
}

/// Makes `rini 1.2.3 (git.0123abc)`, and `tini version 1.2.3_rini - git.0123abc`, which is the form that `docker info`
/// reads.
fn versions(version: &str, commit: &str) -> Versions {
    let (of_rini, of_tini) = match find_hash(commit) {
        Some(hash) => (format!(" (git.{hash})"), format!(" - git.{hash}")),
        None => (String::new(), String::new()),
    };
    [
        ("{version of rini}", format!("rini {version}{of_rini}")),
        ("{version of tini}", format!("tini version {version}_rini{of_tini}")),
        ("{version}", version.to_owned()),
    ]
}

/// Returns the first seven digits of the first hash in a text.
fn find_hash(text: &str) -> Option<String> {
    let is_hash = |word: &&str| word.len() >= 7 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash = text.split(|c: char| !c.is_ascii_alphanumeric()).find(is_hash)?;
    Some(hash.get(..7)?.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_found_in_the_output_of_git_and_cargo() {
        for (text, hash) in [
            ("0123456789abcdef0123456789abcdef01234567\n", Some("0123456")),
            ("{\n  \"git\": {\n    \"sha1\": \"ABCDEF0123\"\n  },\n  \"path_in_vcs\": \"\"\n}", Some("abcdef0")),
            ("abcdef", None),
            ("fatal: not a git repository", None),
            ("", None),
        ] {
            assert_eq!(find_hash(text).as_deref(), hash, "{text}");
        }
    }

    #[test]
    fn a_version_has_the_commit_if_it_is_known() {
        let known = versions("1.2.3", "0123abcd").map(|(_, version)| version);
        assert_eq!(known, ["rini 1.2.3 (git.0123abc)", "tini version 1.2.3_rini - git.0123abc", "1.2.3"]);
        let unknown = versions("1.2.3", "").map(|(_, version)| version);
        assert_eq!(unknown, ["rini 1.2.3", "tini version 1.2.3_rini", "1.2.3"]);
    }
}
