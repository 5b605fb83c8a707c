//! The trait of a session store.
//!
//! 1. A store sees storage keys, never ids, and it never sees a [`Session`](crate::Session).
//! 2. The [`RequestTime`] is an argument, because a store has no clock of its own.
//! 3. Every write except a create requires a live record. The check and the write are one atomic
//!    step, so a session that was logged out cannot come back.
//! 4. Most methods return what they [`Found`]. A write took effect if it found
//!    [`Live`](Found::Live), unless the method states otherwise.

use std::future::Future;

use crate::clock::Timestamp;
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::id::StorageKey;
use crate::store::arguments::{Cycle, Load, Replacement, RequestTime, Update};
use crate::store::record::{Found, Record};
use crate::store::session_info::UserSessions;
use crate::store::user::{Pseudonym, Revoked};

/// A store of sessions.
///
/// To write a store of your own, implement [`VersionedStore`](crate::store::VersionedStore), which has
/// two methods. It makes your store a session store, with the behavior that is described here.
/// Implement this trait directly if your database changes single keys without reading the record, as
/// DynamoDB does, or to wrap another session store.
///
/// Write the methods as `async fn`; the futures must be `Send`. Run the suite
/// `lambda_sessions::store::conformance::run` (feature `conformance`) against your store. It checks
/// each sentence below.
///
/// The effect of the methods on a record is implemented once, as pure functions: [`Stored::found`],
/// [`Update::apply`], [`Cycle::apply`] and [`Cycle::left_behind`].
///
/// [`Stored::found`]: crate::store::Stored::found
///
/// # What a key holds
///
/// A key holds a record, a redirect, a tombstone, or nothing. Every method judges it at the time `at`:
///
/// | The key holds | The methods find |
/// |---|---|
/// | a record | [`Found::Live`] |
/// | a [redirect](crate::store::Redirect), left by an id that was cycled automatically | [`Found::Redirect`] |
/// | a [tombstone](crate::store::Tombstone), left by an id that was cycled otherwise | [`Found::Tombstone`] |
/// | nothing, or any of these after its expiry | [`Found::Absent`] |
/// | an item that is not of this library | [`Found::Absent`], or an error of the kind [`Corrupt`](ErrorKind::Corrupt) |
///
/// An item that is not of this library is neither changed nor deleted.
///
/// # Errors
///
/// Every method takes effect in one atomic step or not at all. An error means that nothing was
/// written, except for [`OutcomeUnknown`](ErrorKind::OutcomeUnknown): the response to a write was
/// lost, so it may or may not have happened.
///
/// All methods fail with [`Unavailable`](ErrorKind::Unavailable),
/// [`Throttled`](ErrorKind::Throttled) and [`Misconfigured`](ErrorKind::Misconfigured). They fail with
/// [`Corrupt`](ErrorKind::Corrupt) if an item has a newer format, and do not change it. Reads fail
/// with [`Timeout`](ErrorKind::Timeout), and writes with
/// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store of sessions",
    label = "this is not a store",
    note = "the stores are `DynamoDbStore` and `MemoryStore`; a type that implements `VersionedStore` is one too"
)]
pub trait SessionStore: Send + Sync + 'static {
    /// Reads a record.
    ///
    /// A record with a malformed entry is live, and the entry is kept.
    fn load(
        &self,
        key: &StorageKey,
        at: RequestTime,
    ) -> impl Future<Output = Result<Found, Error>> + Send;

    /// Reads a record, and extends its expiry in the same step if the load has a
    /// [`touch`](Load::touch) that [applies](crate::store::Touch::applies) to it.
    ///
    /// Returns the record after the touch. The touch writes what [`touch`](Self::touch) does. A load
    /// never fails because of its touch, and a store may leave the touch out. In both cases, it
    /// returns the record as it is stored. The layer then touches it at the end of the request.
    ///
    /// If [`reads_may_be_stale`](Self::reads_may_be_stale), the load has the
    /// [version](Load::version) that the client knows of. The result is then at least as new as that
    /// version, if there has been one. Without a version, the latest record is returned.
    ///
    /// The default is [`load`](Self::load).
    fn load_with(
        &self,
        key: &StorageKey,
        load: Load,
    ) -> impl Future<Output = Result<Found, Error>> + Send {
        self.load(key, load.at)
    }

    /// Returns whether a load may return an older record than the latest one.
    ///
    /// If it may, each response to a write gives the client the cookie again, with a hint of the
    /// version that was written. The next [load](Self::load_with) has that version.
    ///
    /// The default is `false`.
    fn reads_may_be_stale(&self) -> bool {
        false
    }

    /// Stores a new record at version 1, [modified](Record::modified) now, under a key that holds
    /// nothing.
    ///
    /// Fails with [`Conflict`](ErrorKind::Conflict) if the key holds anything, expired or not. This
    /// does not happen in practice, because keys are hashes of 256 random bits. The same create
    /// succeeds if it is sent again after its response was lost. Fails with
    /// [`TooLarge`](ErrorKind::TooLarge) if the store has a limit, and writes nothing then.
    fn create(
        &self,
        key: &StorageKey,
        record: &Record,
        at: RequestTime,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Changes some keys of a live record, raises its version by one, sets it to be
    /// [modified](Record::modified) now, and returns the record after the change. If the caller
    /// [discards the values](Update::discards_values), the returned record needs no more than the
    /// right version, and that only if [`reads_may_be_stale`](Self::reads_may_be_stale).
    ///
    /// Sets the expiry, the label and each of the lifetimes if the update has new ones. Everything else
    /// stays the same. If another request has changed the lifetimes since the record was read, the expiry
    /// is that of [`Update::expiry_in`].
    /// Changes of other keys by concurrent requests are kept, and all increments add up, without
    /// conflicts. A [function](crate::store::Change::Apply) is applied to the value as it is when it
    /// is written. If another request changes that key first, the function is applied again until
    /// the [deadline](RequestTime::deadline). Then the update fails with
    /// [`Conflict`](ErrorKind::Conflict).
    ///
    /// Without a live record, nothing is written.
    ///
    /// Nothing was written after these errors:
    ///
    /// | Kind | Cause |
    /// |---|---|
    /// | [`Conflict`](ErrorKind::Conflict) | The record was [required to be unchanged](Update::require_unchanged), and another request has written it. |
    /// | [`Conflict`](ErrorKind::Conflict) | A value that only one request may take was taken. |
    /// | [`Deserialize`](ErrorKind::Deserialize) | An increment met a value that is not an integer, or a function met one of another type. |
    /// | [`Serialize`](ErrorKind::Serialize) | A sum does not fit in an `i64`. |
    /// | [`TooLarge`](ErrorKind::TooLarge) | The record would exceed the limit of the store. |
    fn update(
        &self,
        key: &StorageKey,
        update: Update,
    ) -> impl Future<Output = Result<Found, Error>> + Send;

    /// Extends the expiry of a live record to `ttl`, if that is later, and sets it to be
    /// [modified](Record::modified) now.
    ///
    /// Everything else stays the same, including the version. Returns whether the record now expires
    /// at `ttl`. If it already does, or expires later, nothing is written. Nothing is written either if
    /// the record's lifetimes do not [allow](crate::store::Lifetimes::allow) this expiry: another request
    /// may have set them. Returns `false` without a live record.
    fn touch(
        &self,
        key: &StorageKey,
        ttl: Timestamp,
        at: RequestTime,
    ) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Moves a live record to another key, with the changes of an [`update`](Self::update), and leaves
    /// a redirect or a tombstone at the old key.
    ///
    /// The redirect lives for 60 seconds, and the tombstone for 120 seconds. The record under the new
    /// key has the expiry and the binding of the [`Cycle`], and each of its lifetimes that is set. If
    /// another request has written since the record was read, its changes are copied too. If it has
    /// changed the lifetimes, the expiry is that of an update. Of several concurrent cycles, one takes effect,
    /// and the others find what it left.
    ///
    /// Without a live record, nothing is written. Fails with the errors of [`update`](Self::update),
    /// and with [`Conflict`](ErrorKind::Conflict) if the new key holds anything.
    fn cycle(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        cycle: Cycle,
    ) -> impl Future<Output = Result<Found, Error>> + Send;

    /// Deletes a record and stores another one under another key, as [`create`](Self::create) does.
    ///
    /// Returns what it found. The deletion does not depend on the record that was
    /// [read](Replacement::read): a record that was changed since is deleted too.
    ///
    /// If the old key holds nothing, the result is [`Found::Absent`] or [`Found::Live`], and the new
    /// record is stored. An expired record gives the same, and is deleted. If the old key holds a
    /// redirect or a tombstone, nothing is written. Fails with the errors of
    /// [`create`](Self::create), and then keeps the old record.
    fn replace(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        replacement: Replacement,
    ) -> impl Future<Output = Result<Found<()>, Error>> + Send;

    /// Deletes a record, whether it is bound to a user or not.
    ///
    /// Returns what it found. An expired record gives [`Found::Absent`] or [`Found::Live`], and is
    /// deleted. A redirect or a tombstone stays, because the session continues under another id.
    fn delete(
        &self,
        key: &StorageKey,
        at: RequestTime,
    ) -> impl Future<Output = Result<Found<()>, Error>> + Send;

    /// Lists the live sessions of a user, in any order.
    ///
    /// Every session that was written before the call began is listed, once for each login, with the
    /// [key](crate::session::SessionInfo::stored_at) under which it is stored. A store may limit the
    /// number of listed sessions, and then marks the list with [`and_more`](UserSessions::and_more).
    fn user_sessions(
        &self,
        user: &Pseudonym,
        at: RequestTime,
    ) -> impl Future<Output = Result<UserSessions, Error>> + Send;

    /// Lists the live sessions of a user like [`user_sessions`](Self::user_sessions), without a limit
    /// on their number.
    ///
    /// It is for [`update_user`](crate::SessionLayer::update_user), which fails if the list is
    /// incomplete. A list that omits a record because it cannot be read is incomplete too.
    ///
    /// The default is [`user_sessions`](Self::user_sessions).
    fn all_user_sessions(
        &self,
        user: &Pseudonym,
        at: RequestTime,
    ) -> impl Future<Output = Result<UserSessions, Error>> + Send {
        self.user_sessions(user, at)
    }

    /// Deletes the selected sessions of a user.
    ///
    /// A session that was written before the call began is dead when the call has returned. This
    /// also holds if its id is cycled concurrently, under any key. A session that begins during the
    /// call may be deleted or not. The call does not take effect in one step: after a failure, some
    /// sessions may still be live, and the call can be repeated.
    fn revoke(
        &self,
        user: &Pseudonym,
        which: Revoked<'_>,
        at: RequestTime,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}
