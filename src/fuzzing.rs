//! What must hold of input that others make: for the fuzzer, and for the tests.
//!
//! 1. A property is a function of bytes that panics where it does not hold. It takes all bytes: what
//!    makes no sense is passed over.
//! 2. What the library says is compared with what is said here in another way, and completely: to
//!    refuse everything would be wrong as well.
//! 3. The seeds in `fuzz/corpus` are written in the notation of each property, and the unit tests
//!    run them all.

mod cookie_header;
mod stored_item;

pub use cookie_header::cookie_header;
pub use stored_item::stored_item;

#[cfg(test)]
mod tests;
