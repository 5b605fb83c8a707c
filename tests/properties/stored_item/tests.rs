use proptest::prelude::*;

use super::*;
use crate::fuzzing::seeds::for_each_seed;

#[test]
fn item_seeds_hold() {
    for_each_seed("stored_item", stored_item);
}

/// Generates text that is usually in the notation of a stored item.
fn any_description() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        8 => prop::sample::select(NAMES).prop_map(|name| format!("{name};").into_bytes()),
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
            let ours = b"created;N1;ttl;N1700000001;data;";
            description.extend([ours, &data[..]].concat());
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
    fn item_reads_by_the_rules(description in any_description()) {
        stored_item(&description);
    }

    #[test]
    fn item_is_described_by_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        stored_item(&bytes);
    }
}
