use http::header::HeaderName;
use proptest::prelude::*;

use super::*;

#[test]
fn cookie_value_is_id_signature_and_hint() {
    let sig = "s".repeat(43);
    for value in [
        A.to_owned(),
        format!("{A}.{sig}"),
        format!("{A}~"),
        format!("{A}~anything"),
        format!("{A}~with.a.dot~and~more"),
        format!("{A}.{sig}~hint"),
        format!("{A}.{sig}~"),
    ] {
        let found = read(&[format!("__Host-sid={value}")]);
        assert_eq!(found, Ids::One(id(A)), "{value}");
    }
    for value in [
        String::new(),
        "~hint".to_owned(),
        format!(".{sig}"),
        A[1..].to_owned(),
        format!("{A}A"),
        format!("{A}="),
        format!("{A}."),
        format!("{A}.{}", &sig[1..]),
        format!("{A}.{sig}s"),
        format!("{A}.{sig}.{sig}"),
        format!("{A}.{}+", &sig[1..]),
        format!("{A}~hint.{sig}")[1..].to_owned(),
        format!("\"{A}\""),
        format!("'{A}'"),
        format!("{A}%20"),
        format!("{A} x"),
        A.replace('A', "%41"),
        // The bits that belong to no byte must be zero.
        format!("{}B", &A[1..]),
    ] {
        let found = read(&[format!("__Host-sid={value}")]);
        assert_eq!(found, Ids::Unusable, "{value}");
    }
}

#[test]
fn cookie_is_found_among_others() {
    for line in [
        format!("__Host-sid={A}"),
        format!("a=1; __Host-sid={A}; b=2"),
        format!("a=1;__Host-sid={A};b=2"),
        format!(" \t __Host-sid \t=\t {A} \t "),
        format!(";;; ;__Host-sid={A};;"),
        format!("no-equals; =no-name; __Host-sid={A}; x=a=b=c"),
        format!("sid={B}; Host-sid={B}; __Host-sid={A}"),
    ] {
        assert_eq!(read(&[&line]), Ids::One(id(A)), "{line}");
    }
    for line in ["", ";", "a=1", "__Host-sid", "__Host-sid;", "="] {
        assert_eq!(read(&[line]), Ids::Nothing, "{line}");
    }
    assert_eq!(values_of(&cookie(), &HeaderMap::new()), Ids::Nothing);
}

#[test]
fn cookie_name_must_match_exactly() {
    for name in [
        "__Host-si",
        "__Host-sid2",
        "x__Host-sid",
        "__Host-sid.x",
        "__Host-sid.",
        "__host-sid",
        "__HOST-SID",
        "__Host-Sid",
        "__Secure-sid",
        "sid",
        "%5F%5FHost-sid",
        "__Host%2Dsid",
        "__Host-s%69d",
        "\"__Host-sid\"",
        "\u{2003}__Host-sid",
        "\u{a0}__Host-sid",
        "__Host-sid\u{3000}",
        "\u{feff}__Host-sid",
        "__Host-s\u{131}d",
        "$__Host-sid",
        "_ _Host-sid",
    ] {
        let planted = format!("{name}={A}");
        assert_eq!(read(&[&planted]), Ids::Nothing, "{name:?}");
        let beside = format!("{planted}; __Host-sid={B}");
        assert_eq!(read(&[&beside]), Ids::One(id(B)), "{name:?}");
    }
    // These are single bytes that other parsers treat as white space. A header can hold 0x85 and
    // 0xA0. Of the control characters, it can hold only the tab.
    for byte in [0x85, 0xa0] {
        let line = [&[byte], format!("__Host-sid={A}").as_bytes()].concat();
        assert_eq!(read(&[line]), Ids::Nothing, "{byte:#x}");
        let line = [format!("__Host-sid={A}").as_bytes(), &[byte]].concat();
        assert_eq!(read(&[line]), Ids::Unusable, "{byte:#x}");
    }
}

#[test]
fn cookie_reads_only_its_own_name() {
    let jar = headers(&[format!("sid={A}; sid2={B}; xsid={B}; si={B}")]);
    assert_eq!(values_of(&named("sid"), &jar), Ids::One(id(A)));
    assert_eq!(values_of(&named("sid2"), &jar), Ids::One(id(B)));
    assert_eq!(values_of(&named("s"), &jar), Ids::Nothing);
}

#[test]
fn cookie_duplicates_count_only_if_equal() {
    let (ours, other) = (format!("__Host-sid={A}"), format!("__Host-sid={B}"));
    let several = |one, other| Ids::Several(vec![id(one), id(other)]);
    let rows: &[(&[&str], Ids)] = &[
        (&[&format!("{ours}; {ours}")], Ids::One(id(A))),
        (&[&ours, &ours], Ids::One(id(A))),
        (&[&ours, "a=1", &ours], Ids::One(id(A))),
        (&[&format!("{ours}; {other}")], several(A, B)),
        (&[&format!("{other}; {ours}")], several(B, A)),
        (&[&ours, &other], several(A, B)),
        (&[&ours, &ours, &other], several(A, B)),
        // No id is accepted next to an invalid value either, but a logout ends it.
        (&[&ours, "__Host-sid="], Ids::several([id(A)])),
        (&["__Host-sid=", &ours], Ids::several([id(A)])),
        (&[&ours, "__Host-sid=garbage"], Ids::several([id(A)])),
        (&["__Host-sid=; __Host-sid="], Ids::Unusable),
        // HTTP/2 sends a line for each cookie.
        (&["a=1", &ours, "b=2"], Ids::One(id(A))),
    ];
    for (lines, expected) in rows {
        assert_eq!(read(lines), *expected, "{lines:?}");
    }
}

#[test]
fn cookie_is_found_beside_hostile_pairs() {
    let ours = format!("__Host-sid={A}");
    for other in [
        b"odd=\xff\xfe".to_vec(),
        b"\xe9=1".to_vec(),
        "umlaut=\u{fc}".as_bytes().to_vec(),
        b"quote=\"a".to_vec(),
        b"a=\"b".to_vec(),
        b"{\"json\":1}".to_vec(),
        vec![b'x'; 10_000],
        [b"x=".to_vec(), vec![0xff; 10_000]].concat(),
        b"=;".repeat(5_000),
    ] {
        for lines in [
            vec![[&other[..], b"; ", ours.as_bytes()].concat()],
            vec![[ours.as_bytes(), b"; ", &other[..]].concat()],
            vec![other.clone(), ours.clone().into_bytes()],
        ] {
            assert_eq!(read(&lines), Ids::One(id(A)), "{} bytes", other.len());
        }
    }
    let long = format!("__Host-sid={}", "A".repeat(10_000));
    assert_eq!(read(&[long]), Ids::Unusable);
}

#[test]
fn cookie_is_read_from_cookie_headers_only() {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::try_from(format!("__Host-sid={A}")).unwrap();
    for name in ["set-cookie", "cookie2", "x-cookie", "authorization"] {
        headers.insert(HeaderName::from_static(name), value.clone());
    }
    assert_eq!(values_of(&cookie(), &headers), Ids::Nothing);
}

proptest! {
    #[test]
    fn cookie_random_bytes_give_no_foreign_id(
        bytes in prop::collection::vec(prop_oneof![
            4 => prop::sample::select(b";= \t,\"~.%\n".as_slice()).prop_map(|byte| vec![byte]),
            2 => Just(b"__Host-sid".to_vec()),
            2 => Just(format!("__Host-sid={A}").into_bytes()),
            1 => Just(A.as_bytes().to_vec()),
            1 => Just(B.as_bytes().to_vec()),
            // The planted bytes stand for signed values and their parts.
            2 => (2_u8..=7).prop_map(|planted| [b"__Host-sid=", &[planted][..]].concat()),
            1 => (2_u8..=4).prop_map(|planted| [b"__Host-sid=", &[planted, 8][..]].concat()),
            2 => (1_u8..=8).prop_map(|planted| vec![planted]),
            2 => (0x80_u8..=0xff).prop_map(|byte| vec![byte]),
            2 => (b' '..=b'~').prop_map(|byte| vec![byte]),
        ], 0..24).prop_map(|parts| parts.concat()),
    ) {
        crate::fuzzing::cookie_header(&bytes);
    }

    #[test]
    fn cookie_issued_reads_back(bytes in any::<[u8; 32]>(), hint in "[ -:<-~]{0,40}") {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        let header = cookie().issue(&text, Kept::seconds(60));
        let pair = header.to_str().unwrap().split(';').next().unwrap().to_owned();
        let hinted = format!("{pair}~{hint}");
        for line in [pair, hinted] {
            prop_assert_eq!(read(&[line]), Ids::One(id(&text)));
        }
    }
}
