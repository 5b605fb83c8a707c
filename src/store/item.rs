//! The items of a versioned store, their revisions, and the writes of a commit.
//!
//! 1. Every write has a new random revision. A key that was deleted and written again therefore
//!    never holds a revision that an earlier reader has seen.
//! 2. The serialized form of an item has a format number. An item of a newer format is an error, so
//!    that it is neither read as absent nor overwritten.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::{StorageKey, random};
use crate::store::stored::Stored;

/// The format that this version writes. It changes if older versions could no longer read an item.
const FORMAT: u32 = 1;

/// The length of a revision in bytes: 128 bits, so that no two writes have the same one.
const REVISION_BYTES: usize = 16;

/// The identity of one write of an item.
///
/// It is random and has no order: a store only compares it for equality.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(String);

impl Revision {
    /// Generates a new revision.
    ///
    /// # Errors
    ///
    /// Fails with [`Unavailable`](ErrorKind::Unavailable) if the operating system cannot provide
    /// random bytes.
    fn generate() -> Result<Self, Error> {
        Ok(Self(URL_SAFE_NO_PAD.encode(random::<REVISION_BYTES>()?)))
    }

    /// Returns the text of the revision, which has 22 ASCII characters.
    ///
    /// A store may keep it beside the text of the item.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Revision")
    }
}

/// An item of a [`VersionedStore`](crate::store::VersionedStore): a value and the revision at which it was written.
///
/// A store that keeps bytes uses [`to_json`](Self::to_json) and [`from_json`](Self::from_json). Other
/// formats go through `Serialize` and `Deserialize`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "Form", try_from = "Form")]
pub struct Item {
    revision: Revision,
    value: Stored,
}

impl Item {
    /// Creates an item with a new revision.
    ///
    /// # Errors
    ///
    /// Fails with [`Unavailable`](ErrorKind::Unavailable) if the operating system cannot provide
    /// random bytes.
    pub fn new(value: Stored) -> Result<Self, Error> {
        Ok(Self {
            revision: Revision::generate()?,
            value,
        })
    }

    /// Returns the revision, which is different after every write.
    #[must_use]
    pub fn revision(&self) -> &Revision {
        &self.revision
    }

    /// Returns the time from which on the store may delete the item, by the layer's clock.
    ///
    /// `expires().epoch_seconds()` is the value for a TTL.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        self.value.expires()
    }

    /// Returns the value.
    #[must_use]
    pub fn value(&self) -> &Stored {
        &self.value
    }

    /// Returns the value, and drops the revision.
    #[must_use]
    pub fn into_value(self) -> Stored {
        self.value
    }

    /// Returns the item as JSON text.
    ///
    /// # Errors
    ///
    /// Fails with [`Serialize`](ErrorKind::Serialize) if the record has an entry that only another
    /// store can write.
    pub fn to_json(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(self).map_err(|cause| {
            let reason = "a session has an entry that has no JSON form";
            Error::json(ErrorKind::Serialize, reason, &cause)
        })
    }

    /// Parses the JSON text of an item.
    ///
    /// # Errors
    ///
    /// Fails with [`Corrupt`](ErrorKind::Corrupt) if the text is not an item, or has a newer format.
    pub fn from_json(json: &[u8]) -> Result<Self, Error> {
        // The format is read first, because a newer format may have another form.
        let read = serde_json::from_slice::<Format>(json);
        if read.is_ok_and(|read| read.format != FORMAT) {
            return Err(Error::new(ErrorKind::Corrupt, NEWER));
        }
        serde_json::from_slice(json).map_err(|cause| {
            let reason = "the store holds an item that is not of this library";
            Error::json(ErrorKind::Corrupt, reason, &cause)
        })
    }
}

/// Shows the kind of the item and its expiry.
impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item")
            .field("value", &self.value)
            .field("expires", &self.expires())
            .finish_non_exhaustive()
    }
}

const NEWER: &str = "an item has a format that this version does not know";

/// The serialized form of an [`Item`].
#[derive(Serialize, Deserialize)]
struct Form {
    format: u32,
    revision: Revision,
    value: Stored,
}

/// The part of every format that this version can read.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl From<Item> for Form {
    fn from(item: Item) -> Self {
        Self {
            format: FORMAT,
            revision: item.revision,
            value: item.value,
        }
    }
}

impl TryFrom<Form> for Item {
    type Error = &'static str;

    fn try_from(form: Form) -> Result<Self, Self::Error> {
        if form.format != FORMAT {
            return Err(NEWER);
        }
        Ok(Self {
            revision: form.revision,
            value: form.value,
        })
    }
}

/// One write of a [`commit`](crate::store::VersionedStore::commit): it puts an item or deletes one.
#[derive(Clone, Debug)]
pub struct Write {
    key: StorageKey,
    expected: Option<Revision>,
    item: Option<Item>,
}

impl Write {
    /// Creates a write that is refused unless the key holds the revision `expected`, or nothing if
    /// `expected` is `None`. It puts `item`, or deletes what is there if `item` is `None`.
    #[must_use]
    pub const fn new(key: StorageKey, expected: Option<Revision>, item: Option<Item>) -> Self {
        Self {
            key,
            expected,
            item,
        }
    }

    /// Returns the key.
    #[must_use]
    pub fn key(&self) -> &StorageKey {
        &self.key
    }

    /// Returns the revision that the key must hold, or `None` if the key must hold nothing.
    #[must_use]
    pub fn expected(&self) -> Option<&Revision> {
        self.expected.as_ref()
    }

    /// Returns the item to put, or `None` if the item at the key is deleted.
    #[must_use]
    pub fn item(&self) -> Option<&Item> {
        self.item.as_ref()
    }

    /// Returns whether the key holds what the write [expects](Self::expected), where `there` is the
    /// item at the key.
    ///
    /// It is for a store that reads the items itself. A store that compares in the database sends
    /// [`expected`](Self::expected).
    #[must_use]
    pub fn accepts(&self, there: Option<&Item>) -> bool {
        self.expected() == there.map(Item::revision)
    }

    /// Returns the key and the item to put.
    #[must_use]
    pub fn into_parts(self) -> (StorageKey, Option<Item>) {
        (self.key, self.item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expiry::lifetimes::Lifetimes;
    use crate::store::data::{Data, Entry};
    use crate::store::record::{Record, Redirect, Tombstone};
    use crate::store::stored::UserIndex;
    use crate::store::user::{Binding, Pseudonym};

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_epoch_seconds(seconds)
    }

    fn record() -> Record {
        let data: Data = [("secret-key", Entry::from_json("\"secret\""))]
            .into_iter()
            .collect();
        let user = Pseudonym::stored("secret-user");
        let label = Some("secret-label".to_owned());
        let binding = Binding::new(user, "secret-handle".to_owned(), label, at(9));
        let record = Record::new(data, at(1), at(8)).bound_to(Some(binding));
        record.at_version(3).modified_at(at(2)).issued_at(at(3))
    }

    fn values() -> [Stored; 4] {
        let key = || StorageKey::stored("0123456789-secret");
        let mut index = UserIndex::default();
        index.insert(&key(), record().binding().unwrap());
        [
            Stored::Live(record()),
            Stored::Redirect(Redirect::new(at(1), at(2), key())),
            Stored::Tombstone(Tombstone::new(at(1), at(2)).succeeded_by(key())),
            Stored::Index(index),
        ]
    }

    /// An item of each kind, as this version writes it. Later versions must read it.
    const FORMAT_1: [&str; 4] = [
        r#"{"format":1,"revision":"r","value":{"live":{"data":{"secret-key":"\"secret\""},"created":1,"ttl":8,"version":3,"modified":2,"issued":3,"binding":{"user":"secret-user","handle":"secret-handle","label":"secret-label","until":9}}}}"#,
        r#"{"format":1,"revision":"r","value":{"redirect":{"ttl":2,"since":1,"next":"0123456789-secret"}}}"#,
        r#"{"format":1,"revision":"r","value":{"tombstone":{"ttl":2,"since":1,"successor":"0123456789-secret"}}}"#,
        r#"{"format":1,"revision":"r","value":{"index":[{"key":"0123456789-secret","handle":"secret-handle","ends":9}]}}"#,
    ];

    #[test]
    fn item_format_stays_the_same() {
        for (value, text) in values().into_iter().zip(FORMAT_1) {
            let revision = Revision("r".to_owned());
            let item = Item { revision, value };
            assert_eq!(String::from_utf8(item.to_json().unwrap()).unwrap(), text);
            let read = Item::from_json(text.as_bytes()).unwrap();
            assert_eq!(read.to_json().unwrap(), text.as_bytes());
            assert_eq!(read.expires(), item.expires());
        }
    }

    /// The lifetimes of a session are optional fields, which earlier versions do not know.
    #[test]
    fn item_format_has_optional_lifetimes() {
        let lifetimes = Lifetimes {
            idle: Some(60),
            ends: Some(at(7)),
            persistent: Some(false),
        };
        for (own, text) in [
            (
                lifetimes,
                r#","lifetimes":{"idle":60,"ends":7,"persistent":false}}}}"#,
            ),
            (
                Lifetimes {
                    idle: None,
                    ends: None,
                    ..lifetimes
                },
                r#","lifetimes":{"persistent":false}}}}"#,
            ),
            (Lifetimes::default(), r#""until":9}}}}"#),
        ] {
            let item = Item::new(Stored::Live(record().with_lifetimes(own))).unwrap();
            let json = item.to_json().unwrap();
            let shown = String::from_utf8(json.clone()).unwrap();
            assert!(shown.ends_with(text), "{shown}");
            let Stored::Live(read) = Item::from_json(&json).unwrap().into_value() else {
                panic!("a record is there");
            };
            assert_eq!(read.lifetimes(), own);
        }
    }

    #[test]
    fn item_of_another_format_is_corrupt() {
        for text in [
            "",
            "no json",
            "{}",
            r#"{"format":1}"#,
            r#"{"format":"1","revision":"r","value":{"index":[]}}"#,
            r#"{"revision":"r","value":{"index":[]}}"#,
            r#"{"format":1,"revision":"r","value":{"unknown":[]}}"#,
            r#"{"format":2,"revision":"r","value":{"index":[]}}"#,
            r#"{"format":2,"a newer form":true}"#,
        ] {
            let error = Item::from_json(text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{text}");
            let is_newer = text.contains("\"format\":2");
            assert_eq!(error.to_string().contains(NEWER), is_newer, "{error}");
        }
        let newer = r#"{"format":2,"revision":"r","value":{"index":[]}}"#;
        assert!(serde_json::from_str::<Item>(newer).is_err());
    }

    #[test]
    fn item_has_a_new_revision_each_time() {
        let items = [(); 2].map(|()| Item::new(Stored::Live(record())).unwrap());
        assert_ne!(items[0].revision(), items[1].revision());
        assert_eq!(items[0].revision().as_str().len(), 22);
    }

    #[test]
    fn write_accepts_only_what_it_expects() {
        let [one, other] = [(); 2].map(|()| Item::new(Stored::Live(record())).unwrap());
        let key = || StorageKey::stored("key");
        let on_empty = Write::new(key(), None, None);
        assert!(on_empty.accepts(None) && !on_empty.accepts(Some(&one)));
        let on_one = Write::new(key(), Some(one.revision().clone()), None);
        assert!(on_one.accepts(Some(&one)));
        assert!(!on_one.accepts(None) && !on_one.accepts(Some(&other)));
    }

    #[test]
    fn item_debug_hides_its_content() {
        for value in values() {
            let item = Item::new(value).unwrap();
            let revision = item.revision().clone();
            let write = Write::new(
                StorageKey::stored("0123456789-secret"),
                Some(revision.clone()),
                Some(item.clone()),
            );
            let shown = format!("{item:?} {write:?} {revision:?}");
            assert!(!shown.contains("secret"), "{shown}");
            assert!(!shown.contains(revision.as_str()), "{shown}");
        }
    }
}
