//! Searches for `Cookie` headers that break the rules in `tests/properties/cookie_header.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lambda_sessions::fuzzing::cookie_header(bytes));
