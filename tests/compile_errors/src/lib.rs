//! The programs under `tests/programs` have the commonest mistakes, and the compiler's messages for
//! them are beside them. A message that becomes worse is noticed in a review.
