//! Keys that already exist. No id is drawn twice. If one were, no client would get the session of
//! another.

use std::sync::Mutex;

use lambda_http::Request;
use lambda_sessions::store::{
    Changes, Cycle, Data, Found, Record, Replacement, RequestTime, StorageKey, Timestamp,
};
use lambda_sessions::{ErrorKind, Session, SessionStore as _};

use super::{Verdict, begin, equal};
use crate::support::{Browser, Setup, minutes};

/// Writes to keys that exist are rejected.
pub(super) async fn taken_keys(setup: &Setup) -> Verdict {
    let (mut ada, mut grace) = (setup.guest(begin).await, setup.guest(begin).await);
    let (from, to) = (key(setup, &mut ada).await, key(setup, &mut grace).await);
    let before = setup.table.items().await;
    let store = setup.sessions.store();
    let now = Timestamp::from_epoch_seconds(setup.clock.seconds());
    let ttl = now.plus(minutes(1));
    let at = RequestTime::at(now);
    let Ok(Found::Live(read)) = store.load(&from, at).await else {
        return Err("it is there".to_owned());
    };
    let changes = Changes::default();
    let cycled = store.cycle(
        &from,
        &to,
        Cycle::new(read.clone(), changes.clone(), ttl, at),
    );
    let cycled = cycled.await.map(drop).map_err(|error| error.kind());
    equal("a cycle", cycled, Err(ErrorKind::Conflict))?;
    let record = Record::new(Data::new(), now, ttl);
    let replaced = store
        .replace(&from, &to, Replacement::new(record.clone(), at))
        .await;
    let replaced = replaced.map(drop).map_err(|error| error.kind());
    equal("a replacement", replaced, Err(ErrorKind::Conflict))?;
    let created = store.create(&to, &record, at).await;
    let created = created.map_err(|error| error.kind());
    equal("a create", created, Err(ErrorKind::Conflict))?;
    equal("what is there", setup.table.items().await, before)
}

async fn key(setup: &Setup, browser: &mut Browser) -> StorageKey {
    let key = Mutex::new(None);
    let ask = |_: Request, session: Session| {
        *key.lock().unwrap() = session.id().map(|id| id.storage_key().clone());
        async { Ok("") }
    };
    browser.visit(&setup.sessions, ask).await;
    key.into_inner().unwrap().unwrap()
}
