//! For the tests that take any bytes: where these come from, and where it is written what came of them.
//!
//! Such a test is a function of bytes that panics where something is wrong. libFuzzer calls the same function (tests/fuzz).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Whether everything is to be done that can be, and not only what takes some seconds.
pub fn is_long() -> bool {
    std::env::var("RINI_PROOF").as_deref() == Ok("long")
}

/// Numbers that look random, and are the same ones each time (splitmix64, by Vigna).
pub struct Random(pub u64);

impl Random {
    /// The next one.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One that is less than this.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    /// So many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..count.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(count);
        bytes
    }
}

fn own(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What libFuzzer has found to be worth keeping, in the order of the files' names.
pub fn kept(target: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(own("tests/fuzz/corpus").join(target)).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Which panics if `work` does, and then with these bytes.
pub fn with<T>(bytes: &[u8], work: impl FnOnce(&[u8]) -> T + std::panic::UnwindSafe) -> T {
    std::panic::catch_unwind(|| work(bytes)).unwrap_or_else(|_| panic!("of these bytes: \"{}\"", bytes.escape_ascii()))
}

/// How much processor time this thread has taken, in seconds; nothing where the kernel does not say.
pub fn processor_time() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

static ROWS: Mutex<BTreeMap<String, BTreeMap<String, String>>> = Mutex::new(BTreeMap::new());

/// Puts a row, by its first field, into the table of a part of the proof, target/proof/<part>.md: what this run has had of
/// that so far.
pub fn report(part: &str, heading: &str, what: &str, row: &str) {
    let mut parts = ROWS.lock().unwrap();
    let rows = parts.entry(part.to_owned()).or_default();
    rows.insert(what.to_owned(), row.to_owned());
    let form = if is_long() { "The long form" } else { "The short form" };
    let rows: String = rows.iter().map(|(what, row)| format!("| {what} | {row} |\n")).collect();
    fs::create_dir_all(own("target/proof")).unwrap();
    fs::write(own("target/proof").join(part).with_extension("md"), heading.replace("{form}", form) + &rows).unwrap();
}
