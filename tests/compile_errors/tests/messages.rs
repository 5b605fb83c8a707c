//! The compiler's messages for the commonest mistakes.
//!
//! After an intended change, `TRYBUILD=overwrite cargo test -p compile_errors` writes the messages
//! anew. They are those of the Rust version that `.ci/run` uses.

#[test]
fn mistake_has_a_helpful_message() {
    trybuild::TestCases::new().compile_fail("tests/programs/*.rs");
}
