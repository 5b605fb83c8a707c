//! Searches for items that break the rules in `tests/properties/stored_item.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lambda_sessions::fuzzing::stored_item(bytes));
