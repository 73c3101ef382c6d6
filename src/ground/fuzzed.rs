//! For tests with arbitrary bytes: sources of such bytes, and a table for the results.
//!
//! Such a test is a function of bytes that panics if something is wrong. libFuzzer calls the same function
//! (tests/proof/fuzz).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Whether the tests run in their long form, and not for some seconds only.
pub fn is_long() -> bool {
    std::env::var("RINI_PROOF").as_deref() == Ok("long")
}

/// Pseudo-random numbers, the same in each run (splitmix64, by Vigna).
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number, below this limit.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    /// This number of bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..count.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(count);
        bytes
    }
}

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The inputs that libFuzzer kept, in the order of the files' names.
pub fn kept(target: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(in_repository("tests/proof/fuzz/corpus").join(target)).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Runs `work` on these bytes. If it panics, this panics with the bytes in its message.
pub fn with<T>(bytes: &[u8], work: impl FnOnce(&[u8]) -> T + std::panic::UnwindSafe) -> T {
    std::panic::catch_unwind(|| work(bytes)).unwrap_or_else(|_| panic!("of these bytes: \"{}\"", bytes.escape_ascii()))
}

/// The processor time of this thread in seconds. It is 0 if the kernel does not report it.
pub fn processor_time() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

static ROWS: Mutex<BTreeMap<String, BTreeMap<String, String>>> = Mutex::new(BTreeMap::new());

/// Adds a row to the table of a part of the proof, target/proof/<part>.md, and writes the table. A row replaces an
/// earlier row with the same first field.
pub fn report(part: &str, heading: &str, what: &str, row: &str) {
    let mut parts = ROWS.lock().unwrap();
    let rows = parts.entry(part.to_owned()).or_default();
    rows.insert(what.to_owned(), row.to_owned());
    let form = if is_long() { "The long form" } else { "The short form" };
    let rows: String = rows.iter().map(|(what, row)| format!("| {what} | {row} |\n")).collect();
    fs::create_dir_all(in_repository("target/proof")).unwrap();
    fs::write(in_repository("target/proof").join(part).with_extension("md"), heading.replace("{form}", form) + &rows)
        .unwrap();
}
