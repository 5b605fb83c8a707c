//! Keys that are taken already. No id is drawn twice, and if one were, nobody would get the session
//! of another client.

use std::sync::Mutex;

use lambda_http::Request;
use lambda_sessions::store::{
    Changes, Cycle, Data, Found, Record, Replacement, RequestTime, StorageKey, Timestamp,
};
use lambda_sessions::{ErrorKind, Session, SessionStore as _};

use super::{Verdict, begin, equal};
use crate::support::{Browser, Setup, minutes};

/// No id is drawn twice; if one were, nobody would be given another's session.
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
    let renewed = store.cycle(
        &from,
        &to,
        Cycle::new(read.clone(), changes.clone(), ttl, at),
    );
    let renewed = renewed.await.map(drop).map_err(|error| error.kind());
    equal("a renewal", renewed, Err(ErrorKind::Conflict))?;
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
