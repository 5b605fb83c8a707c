//! The seeds in `fuzz/corpus`, and random items, judged by the properties.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;

fn for_each_seed(name: &str, property: fn(&[u8])) {
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

#[test]
fn cookie_header_seeds_hold() {
    for_each_seed("cookie_header", cookie_header);
}

#[test]
fn stored_item_seeds_hold() {
    for_each_seed("stored_item", stored_item);
}

/// Generates text that is usually in the notation of a stored item.
fn any_description() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        8 => prop::sample::select(b"IDCMTVWRFE".as_slice()).prop_map(|byte| vec![byte]),
        1 => prop::sample::select(vec!["", "ttl", "Data", "odd"])
            .prop_map(|name| format!("{name};").into_bytes()),
    ];
    let text = prop_oneof![
        4 => prop::sample::select(vec![
            "1", "2", "10", "0", "-1", "1.0", "1700000000", "1700000001", "1700000001.5", "1.7e10",
            "18446744073709551615", "1e39", "-0", "nan", "inf", "\"ada\"", "{\"x\":[1.0]}", "{",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    let scalar = prop_oneof![
        6 => (prop::sample::select(b"NNNSB".as_slice()), text.clone())
            .prop_map(|(kind, text)| [&[kind], &text[..], b";"].concat()),
        1 => prop::sample::select(b"+-0".as_slice()).prop_map(|byte| vec![byte]),
        1 => (prop::sample::select(b"nsb".as_slice()), text)
            .prop_map(|(kind, text)| [&[kind], &text[..], b";]"].concat()),
    ];
    let value = scalar.prop_recursive(3, 12, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4)
            .prop_map(|values| [b"[", &values.concat()[..], b"]"].concat());
        prop_oneof![list, any_map(inner)]
    });
    let attributes = prop::collection::vec((name, value.clone()), 0..6);
    (any::<bool>(), any_map(value), attributes).prop_map(|(is_ours, data, attributes)| {
        let mut description = Vec::new();
        if is_ours {
            description.extend([b"CN1;TN1700000001;D", &data[..]].concat());
        }
        for (name, value) in attributes {
            description.extend([name, value].concat());
        }
        description
    })
}

fn any_map(value: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let entry =
        ("[a-c]{0,2}", value).prop_map(|(key, value)| [key.as_bytes(), b";", &value[..]].concat());
    prop::collection::vec(entry, 0..4)
        .prop_map(|entries| [b"{", &entries.concat()[..], b"}"].concat())
}

proptest! {
    #[test]
    fn stored_item_reads_by_the_rules(description in any_description()) {
        stored_item(&description);
    }

    #[test]
    fn stored_item_accepts_all_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        stored_item(&bytes);
    }
}
