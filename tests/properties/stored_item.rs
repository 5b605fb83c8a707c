//! The property of reading items from the table.
//!
//! 1. An item is live if and only if it meets these conditions. It has `data` (`M`), `ttl` (`N`)
//!    and `created` (`N`), and its `ttl` is in the future. It is in the known format, and is not
//!    marked as a redirect or tombstone.
//! 2. An expired item is absent, whatever else it contains. An item of another format is corrupt.
//! 3. Each entry reads independently of the others. The user of a session does not depend on other
//!    faults of the item.
//! 4. A live record that is written again reads as it was, and nothing unknown is lost.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::id::{SessionId, StorageKey};
use crate::store::dynamodb::attribute::Item;
use crate::store::dynamodb::entry::encode;
use crate::store::dynamodb::item::{
    CREATED, CURRENT_FORMAT, DATA, FORMAT, HANDLE, ID, LABEL, MODIFIED, NAMES, NEXT, RETIRED, TTL,
    USER, VERSION, read, write as write_item,
};
use crate::store::record::{Found, Record};

const NOW: u64 = 1_700_000_000;
/// The limit of DynamoDB for nested levels.
const MAX_LEVELS: usize = 32;
/// A size below that of an item that is too large to be written again.
const MAX_BYTES: usize = 32 * 1024;

/// Checks the rules above for the item that the input describes.
///
/// An attribute is a name and a value. A name is a text. One of our own names is also a single
/// byte, so that random input has some of them: 0x80 is the first of [`NAMES`], 0x81 the second, and
/// so on. No text in UTF-8 begins with such a byte.
///
/// A value is one of these:
///
/// - `N`, `S` or `B` and a text.
/// - `+` or `-` for a boolean.
/// - `{` names and values `}`.
/// - `[` values `]`.
/// - `n`, `s` or `b` and the texts of a set `]`.
/// - Any other byte for a null.
///
/// A text ends with `;`. Spaces and line ends before names and values are ignored.
///
/// # Panics
///
/// Panics if a rule is broken.
pub fn stored_item(bytes: &[u8]) {
    let item = Input(bytes.get(..MAX_BYTES).unwrap_or(bytes)).item();
    let now = Timestamp::from_epoch_seconds(NOW);
    match read(item.clone(), now) {
        Ok(Found::Live(record)) => {
            assert_eq!(Ok(Found::Live(())), expected(&item), "{item:?}");
            check_entries(&item, &record);
            check_binding(&item, &record);
            check_written_again(&item, &record, now);
        }
        Ok(Found::Tombstone(since)) => {
            assert_eq!(
                Ok(Found::Tombstone(AT_SOME_TIME)),
                expected(&item),
                "{item:?}"
            );
            // A tombstone without a time is never older than a request.
            let says = matches!(item.get(MODIFIED.name()), Some(AttributeValue::S(_)));
            assert!(says || since == Timestamp::latest(), "{item:?}");
        }
        Ok(other) => assert_eq!(Ok(other.map(drop)), expected(&item), "{item:?}"),
        Err(error) => assert_eq!(Err(error.kind()), expected(&item), "{item:?}"),
    }
}

/// The byte that is the first of our own names.
const FIRST_NAME: u8 = 0x80;
// From 0xC0 on, a byte may begin a text.
const _: () = assert!(NAMES.len() <= 0x40);

/// A placeholder for any time that an item has.
const AT_SOME_TIME: Timestamp = Timestamp::from_epoch_seconds(0);

fn expected(item: &Item) -> Result<Found<()>, ErrorKind> {
    let number = |name: &str| match item.get(name) {
        Some(AttributeValue::N(text)) => text.parse::<f64>().ok(),
        _ => None,
    };
    // This is exact enough: the seconds of now and of the next second are whole numbers in an
    // `f64`. A second counts from its beginning. A NaN is read as 0, and is long over.
    let is_dead = |ttl: f64| ttl.is_nan() || ttl < (NOW + 1) as f64;
    let ttl = number(TTL.name());
    if ttl.is_some_and(is_dead) {
        return Ok(Found::Absent);
    }
    let known = AttributeValue::N(CURRENT_FORMAT.to_string());
    if item.get(FORMAT.name()).is_some_and(|it| *it != known) {
        return Err(ErrorKind::Corrupt);
    }
    if item.get(RETIRED.name()) == Some(&AttributeValue::Bool(true)) {
        return Ok(match item.get(NEXT.name()) {
            Some(AttributeValue::S(next)) => Found::Redirect(StorageKey::stored(next)),
            _ => Found::Tombstone(AT_SOME_TIME),
        });
    }
    let has_data = matches!(item.get(DATA.name()), Some(AttributeValue::M(_)));
    match has_data && ttl.is_some() && number(CREATED.name()).is_some() {
        true => Ok(Found::Live(())),
        false => Ok(Found::Absent),
    }
}

fn check_binding(item: &Item, record: &Record) {
    let text = |name: &str| match item.get(name) {
        Some(AttributeValue::S(text)) => Some(text.as_str()),
        _ => None,
    };
    let binding = record.binding();
    let user = binding.map(|binding| binding.user().as_str());
    // Without a text that could name the login, the session has no user.
    let named = text(HANDLE.name()).or(text(ID.name()));
    assert_eq!(user, named.and(text(USER.name())), "{item:?}");
    if let Some(binding) = binding {
        assert_eq!(Some(binding.handle()), named, "{item:?}");
        assert_eq!(binding.label(), text(LABEL.name()), "{item:?}");
    }
}

fn check_entries(item: &Item, record: &Record) {
    let Some(AttributeValue::M(data)) = item.get(DATA.name()) else {
        panic!("{item:?}: live without data");
    };
    assert_eq!(record.data().len(), data.len(), "{item:?}");
    for (key, value) in data {
        let entry = record.data().get(key);
        let entry = entry.unwrap_or_else(|| panic!("{item:?}: {key:?} is missing"));
        match value {
            AttributeValue::S(text) | AttributeValue::N(text) => {
                assert_eq!(entry.json(), Some(text.as_str()), "{item:?}");
            }
            _ => assert_eq!(entry.json(), None, "{item:?}"),
        }
        assert_eq!(encode(entry), *value, "{item:?}");
    }
    for (name, read) in [
        (CREATED.name(), record.created().epoch_seconds()),
        (TTL.name(), record.ttl().epoch_seconds()),
        (VERSION.name(), record.version()),
    ] {
        let text = match item.get(name) {
            Some(AttributeValue::N(text)) => text.as_str(),
            // Only a version may be absent.
            _ => "0",
        };
        let whole = text.parse().unwrap_or(read);
        assert_eq!(read, whole, "{item:?}: {name}");
        let number = text.parse().unwrap_or(0.0_f64);
        let nearest = number.clamp(0.0, u64::MAX as f64);
        let is_near = (read as f64 - nearest).abs() < 1.0 || (number.is_nan() && read == 0);
        assert!(is_near, "{item:?}: {name} is read as {read}");
    }
}

fn check_written_again(item: &Item, record: &Record, now: Timestamp) {
    let id = SessionId::parse("A".repeat(43).as_bytes()).expect("43 characters are an id");
    let write = |record: &Record| {
        let item = write_item(id.storage_key(), record, now, "this one");
        item.expect("the input is small")
    };
    let written = write(record);
    let Ok(Found::Live(back)) = read(written.clone(), now) else {
        panic!("{item:?}: the written item is not live");
    };
    assert_eq!(back.created(), record.created(), "{item:?}");
    assert_eq!(back.ttl(), record.ttl(), "{item:?}");
    assert_eq!(back.version(), record.version(), "{item:?}");
    assert_eq!(back.issued(), record.issued(), "{item:?}");
    assert_eq!(back.lifetimes(), record.lifetimes(), "{item:?}");
    assert_eq!(back.binding(), record.binding(), "{item:?}");
    assert_eq!(back.data().len(), record.data().len(), "{item:?}");
    for ((key, before), (again, after)) in record.data().iter().zip(back.data().iter()) {
        assert_eq!(key, again, "{item:?}");
        assert_eq!(before.json(), after.json(), "{item:?}: {key:?}");
        // Entries that are not JSON are equal only as attribute values.
        assert_eq!(encode(before), encode(after), "{item:?}: {key:?}");
    }
    assert_eq!(unknown(&written), unknown(item));
    assert_eq!(write(&back), written, "{item:?}");
}

fn unknown(item: &Item) -> Item {
    let mut item = item.clone();
    item.retain(|name, _| !NAMES.contains(&name.as_str()));
    item
}

/// The rest of the input. Any input describes an item.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn item(&mut self) -> Item {
        let attribute = |input: &mut Self| (input.name(), input.value(MAX_LEVELS));
        self.all(None, attribute).into_iter().collect()
    }

    fn name(&mut self) -> String {
        let position = self.peek().and_then(|byte| byte.checked_sub(FIRST_NAME));
        let Some(ours) = position.and_then(|n| NAMES.get(usize::from(n))) else {
            return self.text();
        };
        self.skip();
        (*ours).to_owned()
    }

    fn value(&mut self, levels: usize) -> AttributeValue {
        let kind = self.peek();
        self.skip();
        match kind {
            Some(b'N') => AttributeValue::N(self.text()),
            Some(b'S') => AttributeValue::S(self.text()),
            Some(b'B') => AttributeValue::B(self.blob()),
            Some(b'+') => AttributeValue::Bool(true),
            Some(b'-') => AttributeValue::Bool(false),
            Some(b'n') => AttributeValue::Ns(self.all(Some(b']'), Self::text)),
            Some(b's') => AttributeValue::Ss(self.all(Some(b']'), Self::text)),
            Some(b'b') => AttributeValue::Bs(self.all(Some(b']'), Self::blob)),
            Some(b'[') if levels > 0 => {
                let value = |input: &mut Self| input.value(levels - 1);
                AttributeValue::L(self.all(Some(b']'), value))
            }
            Some(b'{') if levels > 0 => {
                let entry = |input: &mut Self| (input.text(), input.value(levels - 1));
                AttributeValue::M(self.all(Some(b'}'), entry).into_iter().collect())
            }
            _ => AttributeValue::Null(true),
        }
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    fn blob(&mut self) -> Blob {
        Blob::new(self.bytes())
    }

    /// Reads all values up to `end`, or to the end of the input.
    fn all<T>(&mut self, end: Option<u8>, one: impl Fn(&mut Self) -> T) -> Vec<T> {
        let mut all = Vec::new();
        while let Some(byte) = self.peek() {
            if Some(byte) == end {
                self.skip();
                break;
            }
            all.push(one(self));
        }
        all
    }

    fn bytes(&mut self) -> &'a [u8] {
        let mut parts = self.0.splitn(2, |byte| *byte == b';');
        let bytes = parts.next().unwrap_or_default();
        self.0 = parts.next().unwrap_or_default();
        bytes
    }

    fn peek(&mut self) -> Option<u8> {
        while let [b' ' | b'\n', rest @ ..] = self.0 {
            self.0 = rest;
        }
        self.0.first().copied()
    }

    fn skip(&mut self) {
        self.0 = self.0.get(1..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests;
