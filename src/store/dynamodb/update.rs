//! An update: one expression that sets key by key, made again if another request wrote first.

use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::id::StorageKey;
use crate::store::data::Data;
use crate::store::dynamodb::expression::Stamp;
use crate::store::dynamodb::retry::{Ambiguity, RetryBudget};
use crate::store::dynamodb::sending::Sent;
use crate::store::dynamodb::{
    DynamoDbStore, item, refused_for_nothing, write_id, written_in_between,
};
use crate::store::record::{Found, Record};
use crate::store::session_store::Update;

impl DynamoDbStore {
    pub(super) async fn update_live(
        &self,
        key: &StorageKey,
        update: Update,
    ) -> Result<Found, Error> {
        let mut budget = self.budget(update.at);
        let mut ambiguity = Ambiguity::default();
        let mut latest: Option<Arc<Record>> = None;
        if update.read.is_none() && self.connection.was_quiet() {
            // The connection may have died, and the write would be the first to find out. Without a
            // read, its outcome could not be determined. So a read goes first.
            match self.look(key, update.at.now(), true, &mut budget).await? {
                Found::Live(record) => latest = Some(record.into()),
                other => return Ok(other),
            }
        }
        let write = write_id()?;
        let stamp = Stamp {
            now: update.at.now(),
            write: &write,
            ttl: update.ttl,
            label: update.label.as_deref(),
        };
        loop {
            let of_base = Update {
                read: latest.clone().or_else(|| update.read.clone()),
                ..update.clone()
            };
            let nothing = Data::new();
            let there = of_base.read.as_deref().map_or(&nothing, Record::data);
            let expression = item::check_room(&update.changes, there)
                .and_then(|()| {
                    self.layout
                        .update(&update.changes, of_base.read.as_deref(), stamp)
                })
                // An earlier attempt may have happened.
                .map_err(|error| ambiguity.about(error))?;
            let Some(mut expression) = expression else {
                return self
                    .update_whole(key, of_base, stamp, &mut ambiguity, &mut budget)
                    .await;
            };
            if let (true, Some(read)) = (update.require_unchanged, &update.read) {
                expression.require_version(&self.layout, read.version());
            }
            let sent = self
                .send_update(
                    key,
                    expression,
                    &write,
                    &of_base,
                    &mut ambiguity,
                    &mut budget,
                )
                .await?;
            let item = match sent {
                Sent::Written(item) => return self.read_back(&item, update.at.now()),
                Sent::Refused(None) => return Ok(Found::Absent),
                Sent::Refused(Some(item)) => item,
            };
            let there = match self.layout.read(&item, update.at.now())? {
                Found::Live(record) => {
                    let taken = update.changes.check_guards(record.data());
                    // An earlier attempt may have taken it.
                    taken.map_err(|taken| ambiguity.about(taken))?;
                    record
                }
                other => return Ok(other),
            };
            let refusal = self.layout.refusal(&update.changes, &item);
            let is_race = refusal.kind() == ErrorKind::Conflict;
            let base = of_base.read.as_deref();
            if is_race && base.is_some_and(|base| item::is_unchanged(base, &there)) {
                return Err(ambiguity.about(refused_for_nothing()));
            }
            if update.require_unchanged {
                return Err(refusal);
            }
            latest = Some(there.into());
            // Another request changed a key whose new value depends on the old one, or has repeated
            // its own write. The update is made again from the current record while there is time.
            if !is_race || !budget.after_a_race().await {
                // An earlier attempt may still arrive.
                return Err(ambiguity.about(refusal));
            }
        }
    }

    /// Writes the whole of `data`, for changes that do not fit in one expression.
    ///
    /// The write depends on the version that it was made from. If the version has changed, the
    /// write is made again from the current record.
    async fn update_whole(
        &self,
        key: &StorageKey,
        update: Update,
        stamp: Stamp<'_>,
        ambiguity: &mut Ambiguity,
        budget: &mut RetryBudget,
    ) -> Result<Found, Error> {
        let mut base = match &update.read {
            Some(record) => Arc::clone(record),
            None => match self.look(key, update.at.now(), true, budget).await? {
                Found::Live(record) => record.into(),
                other => return Ok(other),
            },
        };
        loop {
            let data = update.changes.apply(base.data());
            let data = data.and_then(|data| {
                item::check_size(item::data_size(&data))?;
                Ok(data)
            });
            let data = data.map_err(|error| ambiguity.about(error))?;
            let expression = self.layout.whole(&data, base.version(), stamp);
            let of_base = Update {
                read: Some(Arc::clone(&base)),
                ..update.clone()
            };
            let sent = self
                .send_update(key, expression, stamp.write, &of_base, ambiguity, budget)
                .await?;
            let newer = match sent {
                Sent::Written(item) => return self.read_back(&item, update.at.now()),
                Sent::Refused(item) => self.found(item.as_ref(), update.at.now())?,
            };
            let newer = match newer {
                Found::Live(record) => record,
                other => return Ok(other),
            };
            if item::is_unchanged(&base, &newer) {
                return Err(ambiguity.about(refused_for_nothing()));
            }
            base = newer.into();
            if update.require_unchanged {
                return Err(written_in_between());
            }
            if !budget.after_a_race().await {
                // An earlier attempt may have written the record that is there.
                return Err(ambiguity.about(written_in_between()));
            }
        }
    }
}
