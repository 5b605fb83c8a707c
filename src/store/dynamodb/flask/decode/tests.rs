//! Payloads as the packages wrote them, and payloads that no package writes.

use serde_json::{Value, json};

use super::*;
use crate::error::ErrorKind::{Corrupt, TooLarge};

/// Items that the real packages have written. `data` is what they become, or null if they cannot be
/// read.
const ITEMS: &str = include_str!("../../../../../tests/it/flask/items.json");

fn shown(data: &Data) -> Value {
    data.iter()
        .map(|(key, entry)| {
            let value = serde_json::from_str(entry.json().unwrap()).unwrap();
            (key.to_owned(), value)
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn kind(result: Result<Data, Error>) -> ErrorKind {
    let error = result.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(!text.contains("secret"), "{text}");
    assert!(text.contains("Flask"), "{text}");
    error.kind()
}

/// Converts a pickle with these instructions between `PROTO 4` and `STOP`.
fn pickled(instructions: &[u8]) -> Result<Data, Error> {
    let pickle = [b"\x80\x04", instructions, b"."].concat();
    of_text(&STANDARD.encode(pickle))
}

/// Converts a dict with one key, whose value these instructions make.
fn valued(instructions: &[u8]) -> Result<Data, Error> {
    pickled(&[b"}\x94\x8c\x06secret", instructions, b"s"].concat())
}

#[test]
fn flask_payloads_become_json() {
    let items: Vec<Value> = serde_json::from_str(ITEMS).unwrap();
    assert_eq!(items.len(), 14);
    for item in items {
        let what = format!("{} {}", item["package"], item["route"]);
        let read = match (&item["item"]["data"]["S"], &item["item"]["val"]["B"]) {
            (Value::String(text), _) => of_text(text),
            (_, Value::String(base64)) => of_bytes(&STANDARD.decode(base64).unwrap()),
            _ => panic!("{what}"),
        };
        match &item["data"] {
            Value::Null => assert_eq!(kind(read), Corrupt, "{what}"),
            data => assert_eq!(shown(&read.expect(&what)), *data, "{what}"),
        }
    }
}

#[test]
fn flask_json_keeps_its_numbers() {
    let text = r#"{"_permanent": true, "big": 123456789012345678901, "one": 1.0, "n": 7}"#;
    let data = of_text(text).unwrap();
    let json = |key: &str| data.get(key).and_then(Entry::json);
    assert_eq!(json("big"), Some("123456789012345678901"));
    assert_eq!((json("one"), json("n")), (Some("1.0"), Some("7")));
    assert!(data.get("n").unwrap().is_integer());
    assert_eq!(data.len(), 3);
}

#[test]
fn flask_pickles_of_older_pythons_are_read() {
    // pickle.dumps({"_permanent": True, "a": ["x", 1, u"\xe9"], "s": {1}}, protocol) of Python 2.7 and 3.7
    let protocol_0 =
        b"(dp0\nS'a'\np1\n(lp2\nS'x'\np3\naI1\naV\xe9\np4\nasS'_permanent'\np5\nI01\ns.";
    let protocol_3 =
        b"\x80\x03}q\x00X\x01\x00\x00\x00sq\x01cbuiltins\nset\nq\x02]q\x03K\x01a\x85q\x04Rq\x05s.";
    let read = |pickle: &[u8]| shown(&of_text(&STANDARD.encode(pickle)).unwrap());
    assert_eq!(read(protocol_0), json!({"a": ["x", 1, "é"]}));
    assert_eq!(read(protocol_3), json!({"s": [1]}));
}

#[test]
fn flask_pickle_with_a_global_is_refused() {
    for instructions in [
        &b"cos\nsystem\n"[..],
        b"cos\nsystem\n\x94\x8c\x02id\x85\x94R\x94",
        b"\x8c\x02os\x94\x8c\x06system\x94\x93\x94",
        b"(ios\nsystem\n",
        b"c__builtin__\neval\n",
        b"cbuiltins\nset\n\x94)\x81\x94",
        b"}\x94}\x94b",
        b"P1\n",
        b"\x82\x01",
    ] {
        assert_eq!(kind(valued(instructions)), Corrupt, "{instructions:?}");
    }
    // A set's name that is called with anything but a list makes no object either.
    assert_eq!(kind(valued(b"cbuiltins\nset\n\x94")), Corrupt);
    assert_eq!(kind(valued(b"N\x8c\x01x\x85\x94R\x94")), Corrupt);
}

#[test]
fn flask_payload_that_is_broken_is_refused() {
    for text in [
        "",
        "!",
        "x",
        "[1]",
        "null",
        "{",
        r#"{"a": NaN}"#,
        r#"{"a": "\ud800"}"#,
        "gASV",
    ] {
        assert_eq!(kind(of_text(text)), Corrupt, "{text}");
    }
    for text in [
        r#"{"": 1}"#.to_owned(),
        format!(r#"{{"{}": 1}}"#, "k".repeat(65_536)),
    ] {
        assert_eq!(kind(of_text(&text)), Corrupt);
    }
    let good = b"\x80\x04}\x94\x8c\x06secret\x94G\x3f\xb9\x99\x99\x99\x99\x99\x9as.";
    assert_eq!(
        shown(&of_text(&STANDARD.encode(good)).unwrap()),
        json!({"secret": 0.1})
    );
    for end in 0..good.len() {
        let cut = of_text(&STANDARD.encode(&good[..end]));
        assert_eq!(kind(cut), Corrupt, "{end}");
    }
    assert_eq!(
        kind(of_text(&STANDARD.encode([good, &b"."[..]].concat()))),
        Corrupt
    );
    for instructions in [
        &b"]\x94"[..], // no dict
        b"N",          // no dict
        b"}\x94N",     // a stack with something left is fine for Python, and its top is no dict
        b"h\x07",      // a missing memo
        b"s",          // an empty stack
        b"\xff",       // no instruction
        b"}\x94\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        assert_eq!(kind(pickled(instructions)), Corrupt, "{instructions:?}");
    }
    for bytes in [
        &b""[..],
        b"\x81",
        b"\x93\x01",
        b"\x80\x80\x80",
        b"\x82\xa1a\x01\xa1b",
        b"{\"a\":\xff}",
    ] {
        assert_eq!(kind(of_bytes(bytes)), Corrupt, "{bytes:?}");
    }
    assert!(of_bytes(b"\x80").unwrap().is_empty(), "an empty map");
    assert_eq!(
        kind(of_bytes(b"\xdf\xff\xff\xff\xff\xa1a")),
        Corrupt,
        "a length that is a lie"
    );
    assert_eq!(kind(of_bytes(b"\x81\xa1a\xc6\xff\xff\xff\xff")), Corrupt);
    assert_eq!(
        kind(of_bytes(b"\x80\x00")),
        Corrupt,
        "an empty map that goes on"
    );
}

#[test]
fn flask_values_without_json_are_refused() {
    for instructions in [
        &b"G\x7f\xf8\x00\x00\x00\x00\x00\x00"[..],       // NaN
        b"G\x7f\xf0\x00\x00\x00\x00\x00\x00",            // infinity
        b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01", // 2**64
        b"}\x94K\x01\x85\x94K\x02s",                     // a tuple as a key
        b"}\x94(K\x01K\x02\x8c\x011K\x02u",              // 1 and "1" as keys
        b"\x8c\x03\xed\xa0\x80",                         // half of a surrogate pair
        b"]\x94h\x01a",                                  // a list that holds itself
    ] {
        assert_eq!(kind(valued(instructions)), Corrupt, "{instructions:?}");
    }
}

#[test]
fn flask_keys_become_text_as_in_python() {
    let dict = b"}\x94(K\x01NN\x88\x88\x89G\x3f\xf8\x00\x00\x00\x00\x00\x00Nu";
    let expected = json!({"secret": {"1": null, "null": true, "true": false, "1.5": null}});
    assert_eq!(shown(&valued(dict).unwrap()), expected);
}

/// Lists without a memo would be nested in memory, and dropping them would exhaust the stack.
#[test]
fn flask_pickle_that_is_nested_is_refused() {
    let levels = 150_000;
    let nested = ["]".repeat(levels), "a".repeat(levels - 1)].concat();
    assert_eq!(kind(valued(nested.as_bytes())), Corrupt);
    let tuples = ["N".to_owned(), "\u{5}".repeat(levels)]
        .concat()
        .replace('\u{5}', "(t");
    assert_eq!(kind(valued(tuples.as_bytes())), Corrupt);
    let with_memo = |levels: usize| [b"]\x94".repeat(levels), b"a".repeat(levels - 1)].concat();
    assert_eq!(kind(valued(&with_memo(levels))), Corrupt);
    assert_eq!(valued(&with_memo(127)).unwrap().len(), 1);
    assert_eq!(kind(valued(&with_memo(128))), Corrupt);
    for text in ["[".repeat(levels), "[".repeat(200) + &"]".repeat(200)] {
        assert_eq!(kind(of_text(&format!("{{\"a\": {text}}}"))), Corrupt);
    }
    let msgpack = [&b"\x81\xa1a"[..], &vec![0x91; levels]].concat();
    assert_eq!(kind(of_bytes(&msgpack)), Corrupt);
}

/// Lists that each hold the one before twice are as many values as a billion.
#[test]
fn flask_pickle_that_expands_is_refused() {
    let mut bomb = b"}\x94(\x8c\x02l0]\x94".to_vec();
    for n in 1..30_u8 {
        bomb.extend_from_slice(b"\x8c\x01");
        bomb.push(b'A' + n);
        bomb.extend_from_slice(&[b']', 0x94, b'(', b'h', n, b'h', n, b'e']);
    }
    bomb.push(b'u');
    assert_eq!(kind(pickled(&bomb)), Corrupt);

    let text = [
        &b"}\x94(\x8c\x01tX\x00\x00\x01\x00"[..],
        &[b'x'; 65_536],
        b"\x94",
    ]
    .concat();
    let again: Vec<u8> = (0..1_000_u16)
        .flat_map(|n| [&b"\x8c\x04"[..], format!("{n:04}").as_bytes(), b"h\x01"].concat())
        .collect();
    assert_eq!(kind(pickled(&[&text[..], &again, b"u"].concat())), TooLarge);
    let bytes = [&b"\x81\xa1a\xc6\x00\x04\x00\x00"[..], &[0; 0x4_0000]].concat();
    assert_eq!(kind(of_bytes(&bytes)), TooLarge);
}

#[test]
fn flask_list_in_several_places_is_copied() {
    // The list of the text "x" in as many places as may be.
    let again: Vec<u8> = (0..32_u8).flat_map(|n| [b'K', n, b'h', 1]).collect();
    let dict = [&b"}\x94(\x8c\x01a]\x94\x8c\x01x\x94a"[..], &again, b"u"].concat();
    let data = pickled(&dict).unwrap();
    assert_eq!(data.len(), 33);
    assert!(
        data.iter()
            .all(|(_, entry)| entry.json() == Some("[\"x\"]"))
    );
}

/// Each byte of each payload is replaced in turn. The result is an error or other data, and no panic.
#[test]
fn flask_payloads_that_are_damaged_do_not_panic() {
    const BYTES: [u8; 24] = [
        0x00, 0x01, b'(', b')', b'.', b'N', b'R', b'S', b'a', b'c', b'd', b'e', b'g', b'h', b'j',
        b's', b't', b'u', 0x81, 0x85, 0x90, 0x93, 0x94, 0xff,
    ];
    let items: Vec<Value> = serde_json::from_str(ITEMS).unwrap();
    let (mut read, mut refused) = (0, 0);
    for item in items {
        let text = item["item"]["data"]["S"]
            .as_str()
            .map(|text| text.replace('\n', ""));
        let base64 = item["item"]["val"]["B"].as_str().map(str::to_owned);
        let payload = STANDARD.decode(base64.or(text).unwrap());
        // JSON is no base64.
        let Ok(payload) = payload else { continue };
        for at in 0..payload.len() {
            for byte in BYTES {
                let mut damaged = payload.clone();
                damaged[at] = byte;
                match of_bytes(&damaged) {
                    Ok(_) => read += 1,
                    Err(_) => refused += 1,
                }
            }
        }
    }
    assert!(read > 1_000 && refused > 1_000, "{read} {refused}");
}
