//! The syntax of cookies: pairs in the `Cookie` header, names, paths and domains.

/// The longest attribute that browsers do not ignore (RFC 6265bis, 5.6), in bytes.
const MAX_ATTRIBUTE_BYTES: usize = 1024;
/// The longest name that is accepted. Browsers reject a name and value over 4096 bytes together, so
/// this leaves ample room for both.
const MAX_NAME_BYTES: usize = 256;

/// Returns the name and the value of a pair, trimmed.
pub(super) fn pair(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    Some((trim(&pair[..equals]), trim(&pair[equals + 1..])))
}

/// Trims spaces and tabs, as RFC 6265 says, and nothing else.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Returns whether the text can be a cookie's name: a token in the sense of RFC 9110, 5.6.2.
pub(crate) fn is_name(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(is_token)
}

/// Returns whether the text can be a cookie's path.
pub(crate) fn is_path(text: &str) -> bool {
    text.starts_with('/') && is_attribute(text)
}

/// Returns whether the text can be a cookie's domain.
pub(crate) fn is_domain(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        && is_attribute(text)
}

/// Returns whether browsers keep the text as the value of an attribute.
fn is_attribute(text: &str) -> bool {
    text.len() <= MAX_ATTRIBUTE_BYTES
        && text
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte) && byte != b';')
}
