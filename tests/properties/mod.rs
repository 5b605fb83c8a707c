//! Properties of untrusted input, for the fuzzer and for the tests.
//!
//! 1. A property is a function of bytes that panics if it does not hold. It accepts all bytes, and
//!    ignores input that makes no sense.
//! 2. The library's result is compared with a complete second implementation here. Refusing
//!    everything would therefore be an error as well.
//! 3. The seeds in `fuzz/corpus` are written in the notation of each property, and the unit tests
//!    run them all.

mod cookie_header;
#[cfg(test)]
mod seeds;
#[cfg(feature = "dynamodb")]
mod stored_item;

pub use cookie_header::cookie_header;
#[cfg(feature = "dynamodb")]
pub use stored_item::stored_item;

#[cfg(test)]
mod tests;
