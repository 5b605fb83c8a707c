//! An update: key by key in one expression, made again where another request was faster.

use crate::error::{Error, ErrorKind};
use crate::id::StorageKey;
use crate::record::{Data, Found, Record};
use crate::store::Update;
use crate::store::dynamodb::expression::Stamp;
use crate::store::dynamodb::retry::{Ambiguity, RetryBudget};
use crate::store::dynamodb::sending::Sent;
use crate::store::dynamodb::{
    DynamoDbStore, item, refused_for_nothing, write_id, written_in_between,
};

impl DynamoDbStore {
    pub(super) async fn update_live(
        &self,
        key: &StorageKey,
        update: Update<'_>,
    ) -> Result<Found, Error> {
        let mut budget = self.budget(update.at);
        let mut ambiguity = Ambiguity::default();
        let mut latest: Option<Record> = None;
        if update.read.is_none() && self.connection.was_quiet() {
            // The connection may have died. It would be the write that finds out, and of one that
            // nothing was read for nobody could tell whether it happened: a read goes first.
            match self.look(key, update.at.now(), true, &mut budget).await? {
                Found::Live(record) => latest = Some(record),
                other => return Ok(other),
            }
        }
        let write = write_id()?;
        let stamp = Stamp {
            now: update.at.now(),
            write: &write,
            ttl: update.ttl,
            label: update.label,
        };
        loop {
            let of_base = Update {
                read: latest.as_ref().or(update.read),
                ..update
            };
            let nothing = Data::new();
            let there = of_base.read.map_or(&nothing, Record::data);
            let expression = item::check_room(update.changes, there)
                .and_then(|()| self.layout.update(update.changes, of_base.read, stamp))
                // An attempt before this one may have happened.
                .map_err(|error| ambiguity.about(error))?;
            let Some(mut expression) = expression else {
                return self
                    .update_whole(key, of_base, stamp, &mut ambiguity, &mut budget)
                    .await;
            };
            if let (true, Some(read)) = (update.require_unchanged, update.read) {
                expression.require_version(&self.layout, read.version());
            }
            let sent = self
                .send_update(
                    key,
                    expression,
                    &write,
                    of_base,
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
                    // An attempt before this one may have been the one to take it.
                    taken.map_err(|taken| ambiguity.about(taken))?;
                    record
                }
                other => return Ok(other),
            };
            let refusal = self.layout.refusal(update.changes, &item);
            let is_race = refusal.kind() == ErrorKind::Conflict;
            let base = of_base.read;
            if is_race && base.is_some_and(|base| item::is_unchanged(base, &there)) {
                return Err(ambiguity.about(refused_for_nothing()));
            }
            if update.require_unchanged {
                return Err(refusal);
            }
            latest = Some(there);
            // Another request changed a key that is a function of what it was, or has sent its own
            // write again. It is made again of what is there now, for as long as there is time.
            if !is_race || !budget.after_a_race().await {
                // An attempt before this one may yet arrive.
                return Err(ambiguity.about(refusal));
            }
        }
    }

    /// Writes the whole of `data`, for changes that do not fit in one expression. It depends on the
    /// version it was made from; if that has moved on, it is made again from what is there now.
    async fn update_whole(
        &self,
        key: &StorageKey,
        update: Update<'_>,
        stamp: Stamp<'_>,
        ambiguity: &mut Ambiguity,
        budget: &mut RetryBudget,
    ) -> Result<Found, Error> {
        let mut base = match update.read {
            Some(record) => record.clone(),
            None => match self.look(key, update.at.now(), true, budget).await? {
                Found::Live(record) => record,
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
                read: Some(&base),
                ..update
            };
            let sent = self
                .send_update(key, expression, stamp.write, of_base, ambiguity, budget)
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
            base = newer;
            if update.require_unchanged {
                return Err(written_in_between());
            }
            if !budget.after_a_race().await {
                // What is there may be what an attempt before this one has written.
                return Err(ambiguity.about(written_in_between()));
            }
        }
    }
}
