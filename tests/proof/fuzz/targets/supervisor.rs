//! See `src/supervise/supervisor/tests/histories.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rini_fuzz::supervisor(bytes));
