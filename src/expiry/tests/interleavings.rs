//! Requests that read, touch, write and set lifetimes in any order: the expiry always follows the
//! lifetimes that are stored.

use proptest::prelude::*;

use super::*;
use crate::expiry::lifetimes::SetLifetimes;
use crate::store::arguments::{RequestTime, Touch, Update};
use crate::store::changes::change_set::Changes;
use crate::store::data::Data;
use crate::store::record::Record;

const BEGAN: u64 = 10_000;

/// A step of one of three requests.
#[derive(Clone, Debug)]
enum Step {
    Read(usize),
    Touch(usize),
    /// A load that touches, which knows nothing of the record.
    Load,
    /// A write of a key, with a touch if one is due.
    Write(usize),
    Set(usize, Option<u64>, Option<u64>),
    Later(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let request = 0..3_usize;
    let some = |range: std::ops::Range<u64>| prop::option::of(range);
    prop_oneof![
        request.clone().prop_map(Step::Read),
        request.clone().prop_map(Step::Touch),
        Just(Step::Load),
        request.clone().prop_map(Step::Write),
        (request, some(1..400), some(50..900)).prop_map(|(n, idle, life)| Step::Set(n, idle, life)),
        (1..60_u64).prop_map(Step::Later),
    ]
}

proptest! {
    #[test]
    fn expiry_follows_what_is_stored(steps in prop::collection::vec(any_step(), 1..60)) {
        let layer = Expiry {
            max_idle: Some(Duration::from_secs(400)),
            max_lifetime: Some(Duration::from_secs(1_000)),
            ..rules(100, 500, Some(10))
        };
        let (created, mut now) = (at(BEGAN), at(BEGAN));
        let mut record = Record::new(Data::new(), created, layer.ttl(created, now));
        let mut read = [const { None::<Record> }; 3];
        for step in steps {
            let before = record.clone();
            let own = |record: &Record| layer.of(created, record.lifetimes());
            let due = |read: &Record| own(read).touch_due(created, read.ttl(), now);
            match &step {
                Step::Later(seconds) => now = now.plus(Duration::from_secs(*seconds)),
                Step::Read(n) => read[*n] = Some(record.clone()),
                Step::Load => {
                    let limits = layer.touch_limits(now).unwrap();
                    let touch = Touch::new(limits.ttl, limits.latest_ttl, limits.earliest_created);
                    record = touch.apply(&record, now).unwrap_or(record);
                }
                Step::Touch(n) => {
                    let ttl = read[*n].as_ref().and_then(due);
                    let touch = ttl.filter(|ttl| {
                        *ttl > record.ttl() && record.lifetimes().allow(*ttl, now)
                    });
                    record = record.with_ttl(touch.unwrap_or(before.ttl()));
                }
                Step::Write(n) => {
                    let Some(read) = &read[*n] else { continue };
                    let update = Update {
                        ttl: due(read),
                        read: Some(read.clone().into()),
                        ..Update::new(Changes::default(), RequestTime::at(now))
                    };
                    record = update.apply(&record).unwrap();
                }
                Step::Set(n, idle, lifetime) => {
                    let Some(read) = &read[*n] else { continue };
                    let set = SetLifetimes { idle: *idle, lifetime: *lifetime, persistent: None };
                    let lifetimes = set.since(created).changes_to(read.lifetimes());
                    let rules = layer.of(created, lifetimes.or(read.lifetimes()));
                    if rules.is_over(created, now) {
                        continue;
                    }
                    let ttl = lifetimes.limits_expiry().then(|| rules.ttl(created, now));
                    let update = Update {
                        ttl,
                        lifetimes,
                        read: Some(read.clone().into()),
                        ..Update::new(Changes::default(), RequestTime::at(now))
                    };
                    record = update.apply(&record).unwrap();
                    prop_assert_eq!(record.lifetimes(), lifetimes.or(before.lifetimes()));
                }
            }
            // A session is never used for longer than its own lifetimes allow.
            let latest = own(&record).ttl(created, now).max(before.ttl());
            prop_assert!(record.ttl() <= latest, "{step:?}: {record:?} at {now}");
            let is_set = record.lifetimes() != before.lifetimes();
            let allowed = own(&record).ttl(created, now);
            prop_assert!(!is_set || record.ttl() <= allowed, "{step:?}: {record:?} at {now}");
            // Only a request that sets a lifetime moves the expiry back.
            let is_kept = record.ttl() >= before.ttl();
            prop_assert!(is_set || is_kept || matches!(step, Step::Set(..)), "{step:?}: {record:?}");
        }
    }
}
