//! The types of the library can be sent to and shared by tasks and threads, and the futures can be
//! spawned. The compiler checks it, so a change that loses one of these does not compile.

use std::cell::Cell;
use std::panic::UnwindSafe;

use lambda_http::{Body, Error as LambdaError, Request};
use lambda_sessions::layer::{PreviousCookie, SessionBody};
use lambda_sessions::session::SessionInfo;
use lambda_sessions::store::{Changes, Data, Found, Record, StorageKey};
use lambda_sessions::{
    DynamoDbStore, Error, ErrorKind, Key, MemoryStore, Session, SessionExt as _, SessionLayer,
    SigningKey, WriteOnlySession,
};

fn shared<T: Send + Sync + Unpin + 'static>() {}
fn cloneable<T: Clone>() {}
fn spawned<F: Future + Send>(_: impl FnOnce() -> F) {}

#[test]
fn types_can_be_shared_by_threads() {
    shared::<Session>();
    shared::<WriteOnlySession>();
    shared::<SessionInfo>();
    shared::<SessionLayer<DynamoDbStore>>();
    shared::<SessionLayer<MemoryStore>>();
    shared::<SessionBody<Body>>();
    shared::<PreviousCookie>();
    shared::<SigningKey>();
    shared::<(Error, ErrorKind, StorageKey)>();
    shared::<(Found, Record, Data, Changes)>();
    // The type of the value does not matter: a key holds none.
    shared::<Key<Cell<u8>>>();
    cloneable::<(Session, WriteOnlySession, Error, Key<Cell<u8>>)>();
    cloneable::<SessionLayer<DynamoDbStore>>();
}

#[test]
fn key_passes_a_caught_panic() {
    fn caught<T: UnwindSafe>() {}
    caught::<ErrorKind>();
    caught::<Key<Cell<u8>>>();
}

#[test]
fn futures_can_be_spawned() {
    let session = || Session::detached(());
    spawned(|| async move { session().save().await });
    spawned(|| async move { session().user_sessions().await.map(drop) });
    spawned(|| async move { session().revoke_others().await });
    spawned(|| async move { Request::default().session().await.map(drop) });
    spawned(|| async move {
        let sessions = SessionLayer::new(MemoryStore::new());
        let wrapped = sessions.wrap(|_, _| async { Ok::<_, LambdaError>("") });
        lambda_http::tower::ServiceExt::oneshot(wrapped, Request::default())
            .await
            .map(drop)
    });
}
