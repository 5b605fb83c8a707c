//! Changes a record: one expression that sets key by key, made again if another request wrote first.
//!
//! How the expression is sent, and what a lost response means, is in
//! [`send_update`](super::send_update).

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::StorageKey;
use crate::store::arguments::Update;
use crate::store::data::Data;
use crate::store::dynamodb::attribute::Item;
use crate::store::dynamodb::errors::{never_succeeds, not_read_back, race_lost};
use crate::store::dynamodb::get::look;
use crate::store::dynamodb::item::{VERSION, found, is_unchanged, read, read_back};
use crate::store::dynamodb::requests::Written;
use crate::store::dynamodb::retry::{Ambiguity, RetryBudget};
use crate::store::dynamodb::send_update::send_update;
use crate::store::dynamodb::size::{check_data, check_room};
use crate::store::dynamodb::table::Table;
use crate::store::dynamodb::update_expression::{Stamp, by_key, refusal, whole};
use crate::store::dynamodb::write_id::write_id;
use crate::store::record::{Found, Record};

/// Changes a record, as [`SessionStore::update`](crate::SessionStore::update) requires.
pub(super) async fn update(
    table: &Table,
    key: &StorageKey,
    update: Update,
) -> Result<Found, Error> {
    let now = update.at.now();
    let mut budget = table.budget(update.at);
    let mut ambiguity = Ambiguity::default();
    let mut latest: Option<Arc<Record>> = None;
    if update.read.is_none() && table.connection.was_quiet() {
        // The connection may have died, and the write would be the first to find out. Without a
        // read, its outcome could not be determined. So a read goes first.
        match look(table, key, now, true, &mut budget).await? {
            Found::Live(record) => latest = Some(record.into()),
            other => return Ok(other),
        }
    }
    let write = write_id()?;
    let stamp = Stamp {
        now,
        write: &write,
        ttl: None,
        label: update.label.as_deref(),
        lifetimes: update.lifetimes,
    };
    loop {
        let base = latest.clone().or_else(|| update.read.clone());
        let of_base = Update {
            ttl: expiry(&update, base.as_deref()),
            read: base,
            ..update.clone()
        };
        let stamp = Stamp {
            ttl: of_base.ttl,
            ..stamp
        };
        let nothing = Data::new();
        let there = of_base.read.as_deref().map_or(&nothing, Record::data);
        let expression = check_room(&update.changes, there)
            .and_then(|()| by_key(&update.changes, of_base.read.as_deref(), stamp))
            // An earlier attempt may have happened.
            .map_err(|error| ambiguity.about(error))?;
        let Some(mut expression) = expression else {
            // Boxed, because it is rare, and the future of every update would contain it.
            let whole = update_whole(table, key, of_base, stamp, &mut ambiguity, &mut budget);
            return Box::pin(whole).await;
        };
        if let (true, Some(read)) = (update.require_unchanged, &update.read) {
            expression.require_version(read.version());
        }
        let sent = send_update(
            table,
            key,
            expression,
            &write,
            &of_base,
            &mut ambiguity,
            &mut budget,
        );
        // Boxed, so that the callers' futures stay small.
        let written = match Box::pin(sent).await {
            // Another program has replaced the map in which a key was to be set.
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                return match look(table, key, now, true, &mut budget).await {
                    Ok(Found::Live(_)) | Err(_) => Err(error),
                    Ok(other) => Ok(other),
                };
            }
            written => written?,
        };
        let item = match written {
            Written::Done(item) => return after(table, &of_base, item),
            Written::Refused(None) => return Ok(Found::Absent),
            Written::Refused(Some(item)) => item,
        };
        let refusal = refusal(&update.changes, &item);
        let there = match read(item, now)? {
            Found::Live(record) => record,
            other => return Ok(other),
        };
        // An earlier attempt may have removed the value that a guard requires.
        let guarded = update.changes.check_guards(there.data());
        guarded.map_err(|error| ambiguity.about(error))?;
        let is_race = refusal.kind() == ErrorKind::Conflict;
        let base = of_base.read.as_deref();
        if is_race && base.is_some_and(|base| is_unchanged(base, &there)) {
            return Err(ambiguity.about(never_succeeds()));
        }
        if update.require_unchanged {
            return Err(refusal);
        }
        latest = Some(there.into());
        // Another request changed a key whose new value depends on the old one, or has repeated its
        // own write. The update is made again from the current record while there is time.
        if !is_race || !budget.after_a_race().await {
            // An earlier attempt may still arrive.
            return Err(ambiguity.about(refusal));
        }
    }
}

/// Returns the expiry that an update sets, if it sets one, in the record that it is made from. Another
/// request may have changed the lifetimes since the record was read.
fn expiry(update: &Update, base: Option<&Record>) -> Option<Timestamp> {
    let ttl = update.ttl?;
    Some(base.map_or(ttl, |base| update.expiry_in(base)))
}

/// Returns the record after an update. Without its values, the version is all that is new, and right
/// only if DynamoDB was asked for it.
fn after(table: &Table, update: &Update, item: Item) -> Result<Found, Error> {
    let Some(read) = update.read.as_deref().filter(|_| update.discards_values) else {
        return read_back(item, update.at.now());
    };
    let version = match VERSION.read(&item) {
        None if table.eventually_consistent => return Err(not_read_back()),
        version => version.unwrap_or(read.version().saturating_add(1)),
    };
    let ttl = update.ttl.unwrap_or(read.ttl());
    let record = Record::new(Data::new(), read.created(), ttl).at_version(version);
    Ok(Found::Live(record))
}

/// Writes the whole of `data`, for changes that do not fit in one expression.
///
/// The write depends on the version that it was made from. If the version has changed, the write is
/// made again from the current record.
async fn update_whole(
    table: &Table,
    key: &StorageKey,
    update: Update,
    stamp: Stamp<'_>,
    ambiguity: &mut Ambiguity,
    budget: &mut RetryBudget,
) -> Result<Found, Error> {
    let mut base = match &update.read {
        Some(record) => Arc::clone(record),
        None => match look(table, key, stamp.now, true, budget).await? {
            Found::Live(record) => record.into(),
            other => return Ok(other),
        },
    };
    loop {
        let data = update.changes.apply(base.data());
        let data = data.and_then(|data| check_data(&data).map(|()| data));
        let data = data.map_err(|error| ambiguity.about(error))?;
        let ttl = expiry(&update, Some(&base));
        let stamp = Stamp { ttl, ..stamp };
        let expression = whole(&data, base.version(), stamp);
        let of_base = Update {
            ttl,
            read: Some(Arc::clone(&base)),
            ..update.clone()
        };
        let sent = send_update(
            table,
            key,
            expression,
            stamp.write,
            &of_base,
            ambiguity,
            budget,
        );
        let there = match sent.await? {
            Written::Done(item) => return after(table, &of_base, item),
            Written::Refused(item) => found(item, stamp.now)?,
        };
        let newer = match there {
            Found::Live(record) => record,
            other => return Ok(other),
        };
        if is_unchanged(&base, &newer) {
            return Err(ambiguity.about(never_succeeds()));
        }
        base = newer.into();
        if update.require_unchanged {
            return Err(race_lost());
        }
        if !budget.after_a_race().await {
            // An earlier attempt may have written the record that is there.
            return Err(ambiguity.about(race_lost()));
        }
    }
}
