//! The texts of rini: reads the files, packs them, and writes what src/ includes from OUT_DIR.
//!
//! - [`read`]: a file of texts → the texts
//! - [`placeholders`]: the placeholders of each message, and their numbers
//! - [`catalog`]: all texts in a row of bytes
//! - [`format`]: what these bytes mean; src/messages/ includes it too
//! - [`pack`]: the file `texts`, a third as long, which rini unpacks before its first message
//! - [`model`]: what the packed bytes mean; src/messages/ includes it too
//! - [`source`]: the file `messages.rs`, which has a struct for each message

mod catalog;
mod format;
mod model;
mod pack;
mod placeholders;
mod read;
mod source;
#[cfg(test)]
#[path = "../../src/messages/unpack.rs"]
mod unpack;

use super::version::Versions;
use catalog::Catalog;
use placeholders::Placeholders;
use std::path::PathBuf;
use std::{env, fs};

/// The directory of the texts. (Cargo runs a build script in the directory of the package.)
const DIRECTORY: &str = "src/messages/texts";
/// The files in that directory. The first is rini's own, which has all messages.
const FILES: [&str; 7] = ["rini", "tini", "dumb-init", "catatonit", "pause", "gosu", "su-exec"];

/// Writes `texts` and `messages.rs`.
pub fn write(versions: &Versions) {
    let files = FILES.map(|name| {
        let path = format!("{DIRECTORY}/{name}.txt");
        println!("cargo::rerun-if-changed={path}");
        let file = fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {path}: {error}"));
        (name, read::read(name, &file, versions))
    });
    let placeholders = Placeholders::read(&files);
    let catalog = Catalog::of(&files, &placeholders);
    let directory = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets OUT_DIR"));
    // The length of the unpacked texts comes first.
    let length = u16::try_from(catalog.bytes.len()).expect("the texts have less than 64 KiB").to_be_bytes();
    fs::write(directory.join("texts"), [&length[..], &pack::pack(&catalog.bytes)].concat())
        .expect("OUT_DIR can be written to");
    fs::write(directory.join("messages.rs"), source::write(&files, &placeholders, &catalog))
        .expect("OUT_DIR can be written to");
}
