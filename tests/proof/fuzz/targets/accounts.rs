//! See `src/observe/accounts.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rini_fuzz::accounts(bytes));
