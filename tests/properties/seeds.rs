//! The seeds of the fuzzer, as tests.

use std::fs;
use std::path::Path;

/// Checks a property for each of its seeds.
pub(super) fn for_each_seed(name: &str, property: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    // The published package does not contain the corpus.
    if !fuzz.exists() {
        return;
    }
    let mut seeds = 0;
    for file in fs::read_dir(fuzz.join("corpus").join(name)).unwrap() {
        let path = file.unwrap().path();
        // The fuzzer added the other files.
        if path.extension().is_some_and(|extension| extension == "txt") {
            eprintln!("{}", path.display()); // shown where one fails
            property(&fs::read(&path).unwrap());
            seeds += 1;
        }
    }
    assert!(seeds >= 10, "{seeds} seeds for {name}");
}
