//! Tests of folded changes.

mod effect;
mod equality;
mod fold;
mod increment;
mod properties;
mod steps;
