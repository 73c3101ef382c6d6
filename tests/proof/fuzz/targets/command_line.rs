//! See `src/cli/any_words.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rini_fuzz::command_line(bytes));
