//! The texts of rini: reads the files, packs them, and writes what src/ includes from OUT_DIR.
//!
//! - [`read`]: a file of texts → the texts
//! - [`placeholders`]: the placeholders of each message, and their numbers
//! - [`pack`]: the texts, half as long
//! - [`catalog`]: the file `texts`, which rini unpacks while it prints
//! - [`source`]: the file `messages.rs`, which has a struct for each message
//! - [`format`]: what the bytes of `texts` mean; the source includes it too

mod catalog;
mod format;
mod pack;
mod placeholders;
mod read;
mod source;

use super::version::Versions;
use catalog::Catalog;
use placeholders::Placeholders;
use std::path::PathBuf;
use std::{env, fs};

/// The directory of the texts. (Cargo runs a build script in the directory of the package.)
const DIRECTORY: &str = "src/messages/texts";
/// The files in that directory. The first is rini's own, which has all messages.
const FILES: [&str; 5] = ["rini", "tini", "dumb-init", "catatonit", "pause"];

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
    fs::write(directory.join("texts"), &catalog.bytes).expect("OUT_DIR can be written to");
    fs::write(directory.join("messages.rs"), source::write(&files, &placeholders, &catalog))
        .expect("OUT_DIR can be written to");
}
