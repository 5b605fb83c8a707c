//! Tests of sessions without a store.

mod concurrent;
mod detached;
mod failed_save;
mod fake;
mod lifecycle;
mod login;
mod saving;
mod typed;
mod values;
