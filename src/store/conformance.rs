//! The suite that every store passes (feature `conformance`).
//!
//! Run it over a store of your own, in a test of your own:
//!
//! ```
//! use lambda_sessions::MemoryStore;
//! use lambda_sessions::store::conformance;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! conformance::run(&MemoryStore::new()).await;
//! # }
//! ```
//!
//! It checks each promise of [`SessionStore`](crate::SessionStore).
//!
//! - The results for absent, expired and cycled records are right.
//! - Nothing is written where the trait forbids it.
//! - Concurrent updates all survive.
//! - Every value comes back as it was put.
//! - Revoked sessions are dead, if the store [keeps users](crate::SessionStore::keeps_users).
//!
//! The suite uses its own random keys and times, so it can run over a store that is in use. It
//! leaves a few dozen records there.

mod users;

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::expiry::{GRACE_SECONDS, TOMBSTONE_SECONDS};
use crate::id::StorageKey;
use crate::store::changes::apply::Apply;
use crate::store::changes::change_set::Changes;
use crate::store::data::{Data, Entry};
use crate::store::record::{Found, Record};
use crate::store::session_store::{Cycle, Replacement, RequestTime, SessionStore, Update};

/// The time at which the suite runs, in 2033. A time long ago is long expired, so that the suite
/// detects a store that uses its own clock.
const NOW: Timestamp = Timestamp::from_epoch_seconds(2_000_000_000);
const AT: RequestTime = RequestTime::at(NOW);
const TTL: Timestamp = Timestamp::from_epoch_seconds(2_000_001_000);

/// Runs every check.
///
/// # Panics
///
/// Panics at the first promise that the store breaks.
pub async fn run<S: SessionStore>(store: &S) {
    absent_is_absent(store).await;
    a_new_record_reads_back(store).await;
    every_value_comes_back(store).await;
    what_has_expired_is_absent(store).await;
    an_update_changes_its_keys_alone(store).await;
    an_update_goes_on_top_of_what_others_wrote(store).await;
    increments_add_up(store).await;
    a_function_is_applied_to_what_is_there(store).await;
    what_must_be_unchanged_is_not_written_over(store).await;
    a_change_of_any_number_of_keys_is_one_update(store).await;
    a_clear_leaves_an_empty_record(store).await;
    a_touch_moves_the_expiry_alone(store).await;
    a_renewal_moves_the_record_and_leaves_a_stub(store).await;
    a_renewal_takes_along_what_others_wrote(store).await;
    nothing_follows_a_stub(store, false).await;
    nothing_follows_a_stub(store, true).await;
    a_renewal_says_when_it_was(store).await;
    a_replacement_deletes_and_creates(store).await;
    a_logout_wins(store).await;
    concurrent_updates_all_survive(store).await;
    concurrent_functions_all_apply(store).await;
    one_of_many_renewals_wins(store).await;
    users::run(store).await;
}

async fn absent_is_absent(store: &impl SessionStore) {
    let (key, other) = (key(), key());
    let changes = set(&[("k", "1")]);
    assert_absent(store, &key).await;
    let updated = ok(store.update(&key, Update::new(changes.clone(), AT)).await);
    assert_eq!(updated.map(drop), Found::Absent, "an update of nothing");
    assert!(!ok(store.touch(&key, TTL, AT).await), "a touch of nothing");
    let read = record(&[]);
    let renewed = ok(store
        .cycle(
            &key,
            &other,
            Cycle::new(read.clone(), changes.clone(), TTL, AT),
        )
        .await);
    assert_eq!(renewed.map(drop), Found::Absent, "a renewal of nothing");
    assert_eq!(
        ok(store.delete(&key, AT).await),
        Found::Absent,
        "a deletion of nothing"
    );
    for key in [key, other] {
        assert_absent(store, &key).await;
    }
}

async fn a_new_record_reads_back(store: &impl SessionStore) {
    let key = key();
    let put = record(&[("a", "1"), ("b", "\"two\"")]);
    ok(store.create(&key, &put, AT).await);
    let read = live(store, &key).await;
    assert_eq!(read.data(), put.data());
    assert_eq!((read.created(), read.ttl(), read.version()), (NOW, TTL, 1));

    let taken = store.create(&key, &record(&[("a", "9")]), AT).await;
    assert_eq!(kind(taken), ErrorKind::Conflict, "a key that is taken");
    assert_eq!(
        live(store, &key).await.data(),
        put.data(),
        "and what was there stays"
    );

    let empty = self::key();
    ok(store.create(&empty, &record(&[]), AT).await);
    assert!(live(store, &empty).await.data().is_empty());
}

async fn every_value_comes_back(store: &impl SessionStore) {
    let keys = [
        "a.b",
        "x[0]",
        "#k",
        ":v",
        "\u{1f36a}",
        " ",
        "\\",
        "\"",
        "data",
        "ttl",
        "a b",
    ];
    let values = [
        "null",
        "true",
        "0",
        "-1",
        "-0.0",
        "1.0",
        "1e308",
        "0.1",
        "\"\"",
        "[]",
        "{}",
        "\"3\"",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "\"\\u0000\u{1f36a}\"",
        "{\"a\":[{\"b\":null}]}",
    ];
    let long = "k".repeat(300);
    let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
    let numbered = (0..).map(|n| format!("v{n}")).zip(values);
    let mut all: Vec<(String, &str)> = numbered.collect();
    all.extend(keys.map(|key| (key.to_owned(), "\"odd\"")));
    all.push((long, &deep));

    let created: Data = all
        .iter()
        .map(|(k, v)| (k.as_str(), Entry::from_json(*v)))
        .collect();
    let key = key();
    ok(store
        .create(&key, &Record::new(created.clone(), NOW, TTL), AT)
        .await);
    assert_eq!(live(store, &key).await.data(), &created, "created so");

    let key = self::key();
    ok(store.create(&key, &record(&[]), AT).await);
    let pairs: Vec<(&str, &str)> = all.iter().map(|(k, v)| (k.as_str(), *v)).collect();
    let updated = ok(store.update(&key, Update::new(set(&pairs), AT)).await);
    assert_eq!(
        expect_live(updated).data(),
        &created,
        "given back by the update"
    );
    assert_eq!(live(store, &key).await.data(), &created, "updated so");
}

async fn what_has_expired_is_absent(store: &impl SessionStore) {
    let (key, other) = (key(), key());
    ok(store.create(&key, &record(&[("a", "1")]), AT).await);
    let last = Timestamp::from_epoch_seconds(TTL.epoch_seconds() - 1);
    let read = expect_live(ok(store.load(&key, RequestTime::at(last)).await));

    assert_eq!(
        ok(store.load(&key, RequestTime::at(TTL)).await).map(drop),
        Found::Absent,
        "dead from `ttl` on"
    );
    let changes = set(&[("a", "2")]);
    let later = TTL.plus(Duration::from_secs(100));
    let updated = ok(store
        .update(&key, Update::new(changes.clone(), RequestTime::at(TTL)))
        .await);
    assert_eq!(updated.map(drop), Found::Absent, "no update of the dead");
    assert!(
        !ok(store.touch(&key, later, RequestTime::at(TTL)).await),
        "no touch of the dead"
    );
    let renewed = ok(store
        .cycle(
            &key,
            &other,
            Cycle::new(read.clone(), changes.clone(), later, RequestTime::at(TTL)),
        )
        .await);
    assert_eq!(renewed.map(drop), Found::Absent, "no renewal of the dead");
    assert_absent(store, &other).await;

    let still = expect_live(ok(store.load(&key, RequestTime::at(last)).await));
    assert_eq!(
        (still.data(), still.ttl()),
        (read.data(), TTL),
        "and it is as it was"
    );
    ok(store.delete(&key, RequestTime::at(TTL)).await);
    assert_eq!(
        ok(store.load(&key, RequestTime::at(last)).await).map(drop),
        Found::Absent,
        "but a logout deletes it"
    );
}

async fn an_update_changes_its_keys_alone(store: &impl SessionStore) {
    let key = key();
    ok(store
        .create(
            &key,
            &record(&[("keep", "1"), ("change", "1"), ("go", "1")]),
            AT,
        )
        .await);
    let read = live(store, &key).await;
    let mut changes = set(&[("change", "2"), ("new", "[3]")]);
    changes.remove(None, "go");
    changes.remove(None, "was never there");
    let update = Update {
        read: Some(read.clone().into()),
        ..Update::new(changes.clone(), AT)
    };
    let updated = expect_live(ok(store.update(&key, update).await));
    let expected = record(&[("keep", "1"), ("change", "2"), ("new", "[3]")]);
    for seen in [updated, live(store, &key).await] {
        assert_eq!(seen.data(), expected.data());
        assert_eq!((seen.created(), seen.ttl(), seen.version()), (NOW, TTL, 2));
    }

    let ttl = TTL.plus(Duration::from_secs(5));
    let update = Update {
        ttl: Some(ttl),
        ..Update::new(changes.clone(), AT)
    };
    assert_eq!(expect_live(ok(store.update(&key, update).await)).ttl(), ttl);
    assert_eq!(
        live(store, &key).await.version(),
        3,
        "every update counts, an equal one too"
    );
}

async fn an_update_goes_on_top_of_what_others_wrote(store: &impl SessionStore) {
    let key = key();
    ok(store.create(&key, &record(&[("n", "1")]), AT).await);
    let stale = live(store, &key).await;
    ok(store
        .update(&key, Update::new(set(&[("theirs", "1")]), AT))
        .await);
    let mut changes = set(&[("ours", "1")]);
    ok(changes.add(Some(stale.data()), "n", 1));
    let update = Update {
        read: Some(stale.clone().into()),
        ..Update::new(changes.clone(), AT)
    };
    let updated = expect_live(ok(store.update(&key, update).await));
    assert_eq!(
        updated.data(),
        record(&[("n", "2"), ("theirs", "1"), ("ours", "1")]).data()
    );
}

async fn increments_add_up(store: &impl SessionStore) {
    let key = key();
    let put = record(&[
        ("n", "40"),
        ("text", "\"40\""),
        ("high", "9223372036854775806"),
    ]);
    ok(store.create(&key, &put, AT).await);
    let updated = ok(store
        .update(&key, Update::new(add(&[("n", 2), ("absent", -3)]), AT))
        .await);
    let updated = expect_live(updated);
    assert_eq!(updated.data().get("n"), Some(&Entry::from_json("42")));
    assert_eq!(
        updated.data().get("absent"),
        Some(&Entry::from_json("-3")),
        "counts from 0"
    );

    let before = live(store, &key).await;
    let wrong = store
        .update(&key, Update::new(add(&[("n", 1), ("text", 1)]), AT))
        .await;
    assert_eq!(kind(wrong), ErrorKind::Deserialize, "a text is no number");
    let over = store
        .update(&key, Update::new(add(&[("n", 1), ("high", 2)]), AT))
        .await;
    assert_eq!(kind(over), ErrorKind::Serialize, "the sum is no i64");
    let after = live(store, &key).await;
    assert_eq!(
        (after.data(), after.version()),
        (before.data(), before.version()),
        "untouched"
    );

    ok(store
        .update(&key, Update::new(add(&[("high", 1)]), AT))
        .await);
    let most = live(store, &key).await;
    assert_eq!(
        most.data().get("high"),
        Some(&Entry::from_json(i64::MAX.to_string()))
    );
}

async fn a_function_is_applied_to_what_is_there(store: &impl SessionStore) {
    let key = key();
    ok(store
        .create(&key, &record(&[("list", "[1]"), ("n", "1")]), AT)
        .await);
    let stale = live(store, &key).await;
    let theirs = set(&[("list", "[1,2]"), ("new", "[7]"), ("theirs", "1")]);
    ok(store.update(&key, Update::new(theirs.clone(), AT)).await);

    // The update also has a set, a removal and an increment, which must be made with it.
    let mut changes = set(&[("ours", "1")]);
    for list in ["list", "new"] {
        ok(changes.update(Some(stale.data()), list, append()));
    }
    ok(changes.add(Some(stale.data()), "n", 1));
    changes.remove(Some(stale.data()), "absent");
    let update = Update {
        read: Some(stale.clone().into()),
        ..Update::new(changes.clone(), AT)
    };
    let updated = expect_live(ok(store.update(&key, update).await));
    let expected = record(&[
        ("list", "[1,2,0]"),
        ("new", "[7,0]"),
        ("n", "2"),
        ("theirs", "1"),
        ("ours", "1"),
    ]);
    for seen in [updated, live(store, &key).await] {
        assert_eq!(seen.data(), expected.data());
        assert_eq!(seen.version(), 3);
    }

    // Another request removed the value or changed its type.
    let read = live(store, &key).await;
    let mut changes = Changes::default();
    ok(changes.update(Some(read.data()), "list", append()));
    let mut theirs = Changes::default();
    theirs.remove(None, "list");
    ok(store.update(&key, Update::new(theirs.clone(), AT)).await);
    let update = Update {
        read: Some(read.clone().into()),
        ..Update::new(changes.clone(), AT)
    };
    ok(store.update(&key, update.clone()).await);
    let list = live(store, &key).await;
    assert_eq!(list.data().get("list"), Some(&Entry::from_json("[0]")));
    let theirs = set(&[("list", "\"no list\"")]);
    ok(store.update(&key, Update::new(theirs.clone(), AT)).await);
    let before = live(store, &key).await;
    assert_eq!(
        kind(store.update(&key, update).await),
        ErrorKind::Deserialize
    );
    let after = live(store, &key).await;
    assert_eq!(
        (after.data(), after.version()),
        (before.data(), before.version())
    );
}

async fn what_must_be_unchanged_is_not_written_over(store: &impl SessionStore) {
    let (key, new) = (key(), key());
    ok(store.create(&key, &record(&[("a", "1")]), AT).await);
    let stale = live(store, &key).await;
    ok(store
        .touch(&key, TTL.plus(Duration::from_secs(1)), AT)
        .await);
    let changes = set(&[("ours", "1")]);
    let fresh = Update {
        read: Some(stale.clone().into()),
        require_unchanged: true,
        ..Update::new(changes.clone(), AT)
    };
    expect_live(ok(store.update(&key, fresh.clone()).await));

    // The first write changed the record, so the same read is stale now.
    let before = live(store, &key).await;
    assert_eq!(kind(store.update(&key, fresh).await), ErrorKind::Conflict);
    let renewal = Cycle {
        require_unchanged: true,
        ..Cycle::new(stale.clone(), changes.clone(), TTL, AT)
    };
    assert_eq!(
        kind(store.cycle(&key, &new, renewal.clone()).await),
        ErrorKind::Conflict
    );
    assert_absent(store, &new).await;
    let after = live(store, &key).await;
    assert_eq!(
        (after.data(), after.version()),
        (before.data(), before.version())
    );
    let renewal = Cycle {
        read: after.clone().into(),
        ..renewal
    };
    expect_live(ok(store.cycle(&key, &new, renewal).await));
}

/// Updates more keys than fit in one of DynamoDB's expressions, including sums and removals.
async fn a_change_of_any_number_of_keys_is_one_update(store: &impl SessionStore) {
    let names: Vec<String> = (0..700).map(|n| format!("key number {n}")).collect();
    let key = key();
    let put: Data = names
        .iter()
        .step_by(2)
        .map(|n| (n.as_str(), Entry::from_json("1")))
        .collect();
    ok(store.create(&key, &Record::new(put, NOW, TTL), AT).await);
    let stale = live(store, &key).await;
    ok(store
        .update(&key, Update::new(set(&[("theirs", "1")]), AT))
        .await);

    let (mut changes, mut expected) = (
        Changes::default(),
        record(&[("theirs", "1")]).data().clone(),
    );
    for (n, name) in names.iter().enumerate() {
        match n % 3 {
            0 => changes.set(None, name, Entry::from_json("\"set\"")),
            1 => ok(changes.add(None, name, 5).map(drop)),
            _ => changes.remove(None, name),
        }
        let counted = if n % 2 == 0 { "6" } else { "5" };
        match n % 3 {
            0 => expected.insert(name.as_str(), Entry::from_json("\"set\"")),
            1 => expected.insert(name.as_str(), Entry::from_json(counted)),
            _ => {}
        }
    }
    // The update is made with a stale read, and without one.
    let update = Update {
        read: Some(stale.clone().into()),
        ..Update::new(changes.clone(), AT)
    };
    let updated = expect_live(ok(store.update(&key, update).await));
    assert_eq!(updated.data(), &expected);
    assert_eq!(live(store, &key).await.version(), 3);
    let again = set(&names.iter().map(|n| (n.as_str(), "0")).collect::<Vec<_>>());
    ok(store.update(&key, Update::new(again.clone(), AT)).await);
    let read = live(store, &key).await;
    assert_eq!((read.data().len(), read.version()), (701, 4));
}

async fn a_clear_leaves_an_empty_record(store: &impl SessionStore) {
    let key = key();
    ok(store
        .create(&key, &record(&[("a", "1"), ("b", "2")]), AT)
        .await);
    let read = live(store, &key).await;
    let mut changes = Changes::default();
    changes.clear(read.data());
    let update = Update {
        read: Some(read.clone().into()),
        ..Update::new(changes.clone(), AT)
    };
    assert!(
        expect_live(ok(store.update(&key, update).await))
            .data()
            .is_empty()
    );
    assert!(
        live(store, &key).await.data().is_empty(),
        "stored, and empty"
    );

    ok(store
        .update(&key, Update::new(set(&[("a", "1")]), AT))
        .await);
    let read = live(store, &key).await;
    let mut changes = Changes::default();
    changes.clear(read.data());
    changes.set(Some(read.data()), "c", Entry::from_json("3"));
    let update = Update {
        read: Some(read.clone().into()),
        ..Update::new(changes.clone(), AT)
    };
    ok(store.update(&key, update.clone()).await);
    assert_eq!(live(store, &key).await.data(), record(&[("c", "3")]).data());
}

async fn a_touch_moves_the_expiry_alone(store: &impl SessionStore) {
    let key = key();
    ok(store.create(&key, &record(&[("a", "1")]), AT).await);
    let later = TTL.plus(Duration::from_secs(10));
    assert!(ok(store.touch(&key, later, AT).await), "to a later moment");
    assert!(
        ok(store.touch(&key, later, AT).await),
        "where it is already"
    );
    assert!(!ok(store.touch(&key, TTL, AT).await), "but not back");
    let read = live(store, &key).await;
    assert_eq!(
        (read.ttl(), read.version(), read.created()),
        (later, 1, NOW)
    );
    assert_eq!(read.data(), record(&[("a", "1")]).data());
}

async fn a_renewal_moves_the_record_and_leaves_a_stub(store: &impl SessionStore) {
    let (old, new) = (key(), key());
    ok(store
        .create(&old, &record(&[("keep", "1"), ("go", "1"), ("n", "1")]), AT)
        .await);
    let read = live(store, &old).await;
    let mut changes = set(&[("user", "\"ada\"")]);
    changes.remove(Some(read.data()), "go");
    ok(changes.add(Some(read.data()), "n", 1));
    let (now, ttl) = (
        NOW.plus(Duration::from_secs(7)),
        TTL.plus(Duration::from_secs(7)),
    );
    let renewal = Cycle::new(read.clone(), changes.clone(), ttl, RequestTime::at(now));
    let renewed = expect_live(ok(store.cycle(&old, &new, renewal).await));
    for seen in [renewed, live(store, &new).await] {
        let expected = record(&[("keep", "1"), ("user", "\"ada\""), ("n", "2")]);
        assert_eq!(seen.data(), expected.data());
        assert_eq!((seen.created(), seen.ttl(), seen.version()), (NOW, ttl, 2));
    }
    let last = now.plus(Duration::from_secs(TOMBSTONE_SECONDS - 1));
    assert_eq!(
        ok(store.load(&old, RequestTime::at(last)).await).map(drop),
        Found::Tombstone(now),
        "for 120 seconds"
    );
    let end = now.plus(Duration::from_secs(TOMBSTONE_SECONDS));
    assert_eq!(
        ok(store.load(&old, RequestTime::at(end)).await).map(drop),
        Found::Absent,
        "and no longer"
    );
}

async fn a_renewal_takes_along_what_others_wrote(store: &impl SessionStore) {
    let (old, new) = (key(), key());
    ok(store.create(&old, &record(&[("n", "1")]), AT).await);
    let stale = live(store, &old).await;
    let mut theirs = set(&[("theirs", "1")]);
    ok(theirs.add(None, "n", 1));
    ok(store.update(&old, Update::new(theirs.clone(), AT)).await);
    let mut changes = set(&[("ours", "1")]);
    ok(changes.add(Some(stale.data()), "n", 1));
    ok(store
        .cycle(
            &old,
            &new,
            Cycle::new(stale.clone(), changes.clone(), TTL, AT),
        )
        .await);
    let read = live(store, &new).await;
    assert_eq!(
        read.data(),
        record(&[("n", "3"), ("theirs", "1"), ("ours", "1")]).data()
    );
    assert_eq!(read.version(), 3);
}

async fn nothing_follows_a_stub(store: &impl SessionStore, redirects: bool) {
    let (old, new, newer) = (key(), key(), key());
    ok(store.create(&old, &record(&[("a", "1")]), AT).await);
    let read = live(store, &old).await;
    let none = Changes::default();
    let renewal = Cycle {
        redirects,
        ..Cycle::new(read.clone(), none.clone(), TTL, AT)
    };
    ok(store.cycle(&old, &new, renewal).await);
    let (stub, seconds) = match redirects {
        true => (Found::Redirect(new.clone()), GRACE_SECONDS),
        false => (Found::Tombstone(NOW), TOMBSTONE_SECONDS),
    };

    let changes = set(&[("a", "2")]);
    let updated = ok(store.update(&old, Update::new(changes.clone(), AT)).await);
    assert_eq!(updated.map(drop), stub, "no update");
    let update = Update {
        read: Some(read.clone().into()),
        ..Update::new(changes.clone(), AT)
    };
    assert_eq!(ok(store.update(&old, update).await).map(drop), stub);
    let later = TTL.plus(Duration::from_secs(100));
    assert!(
        !ok(store.touch(&old, later, AT).await),
        "no touch: it would keep the stub alive"
    );
    let renewal = Cycle::new(read.clone(), changes.clone(), TTL, AT);
    let renewed = ok(store.cycle(&old, &newer, renewal).await);
    assert_eq!(renewed.map(drop), stub, "no renewal");
    let replaced = ok(store
        .replace(&old, &newer, Replacement::new(record(&[]), AT))
        .await);
    assert_eq!(replaced, stub, "no new beginning");
    assert_eq!(ok(store.delete(&old, AT).await), stub, "no logout");

    assert_absent(store, &newer).await;
    let last = RequestTime::at(NOW.plus(Duration::from_secs(seconds - 1)));
    let there = ok(store.load(&old, last).await).map(drop);
    assert_eq!(there, stub, "the stub is there");
    let after = RequestTime::at(NOW.plus(Duration::from_secs(seconds)));
    let there = ok(store.load(&old, after).await).map(drop);
    assert_eq!(there, Found::Absent, "for its time");
    let session = live(store, &new).await;
    assert_eq!(
        (session.data(), session.version()),
        (read.data(), 2),
        "and the session as it was"
    );
}

async fn a_renewal_says_when_it_was(store: &impl SessionStore) {
    let (old, new, newer) = (key(), key(), key());
    ok(store.create(&old, &record(&[("a", "1")]), AT).await);
    let read = live(store, &old).await;
    assert_eq!(read.issued(), None, "a new one has its beginning");
    let none = Changes::default();
    let now = NOW.plus(Duration::from_secs(7));
    let renewal = Cycle {
        records_issue: true,
        ..Cycle::new(read.clone(), none.clone(), TTL, RequestTime::at(now))
    };
    ok(store.cycle(&old, &new, renewal).await);
    let read = live(store, &new).await;
    assert_eq!(read.issued(), Some(now));
    let updated = ok(store
        .update(&new, Update::new(set(&[("a", "2")]), AT))
        .await);
    assert_eq!(
        expect_live(updated).issued(),
        Some(now),
        "an update leaves it"
    );
    let later = NOW.plus(Duration::from_secs(9));
    let renewal = Cycle {
        records_issue: true,
        ..Cycle::new(read.clone(), none.clone(), TTL, RequestTime::at(later))
    };
    ok(store.cycle(&new, &newer, renewal).await);
    assert_eq!(live(store, &newer).await.issued(), Some(later));
}

async fn a_replacement_deletes_and_creates(store: &impl SessionStore) {
    let (old, new) = (key(), key());
    ok(store.create(&old, &record(&[("a", "1")]), AT).await);
    let fresh = record(&[("flash", "\"bye\"")]);
    let replaced = ok(store
        .replace(&old, &new, Replacement::new(fresh.clone(), AT))
        .await);
    assert_eq!(replaced, Found::Live(()));
    assert_absent(store, &old).await;
    let read = live(store, &new).await;
    assert_eq!((read.data(), read.version()), (fresh.data(), 1));

    let (absent, new) = (key(), key());
    let replaced = ok(store
        .replace(&absent, &new, Replacement::new(fresh.clone(), AT))
        .await);
    assert!(matches!(replaced, Found::Live(()) | Found::Absent));
    assert_eq!(
        live(store, &new).await.data(),
        fresh.data(),
        "also where there was nothing"
    );
}

async fn a_logout_wins(store: &impl SessionStore) {
    let (key, new) = (key(), key());
    ok(store.create(&key, &record(&[("a", "1")]), AT).await);
    let read = live(store, &key).await;
    assert_eq!(ok(store.delete(&key, AT).await), Found::Live(()));

    let changes = set(&[("a", "2")]);
    let update = Update {
        read: Some(read.clone().into()),
        ..Update::new(changes.clone(), AT)
    };
    assert_eq!(
        ok(store.update(&key, update).await).map(drop),
        Found::Absent
    );
    assert!(!ok(store
        .touch(&key, TTL.plus(Duration::from_secs(1)), AT)
        .await));
    let renewal = Cycle::new(read.clone(), changes.clone(), TTL, AT);
    assert_eq!(
        ok(store.cycle(&key, &new, renewal).await).map(drop),
        Found::Absent
    );
    for key in [key, new] {
        assert_absent(store, &key).await;
    }
}

async fn concurrent_updates_all_survive(store: &impl SessionStore) {
    let key = key();
    ok(store.create(&key, &record(&[]), AT).await);
    let read = live(store, &key).await;
    let names: Vec<String> = (0..20).map(|n| format!("k{n}")).collect();
    let changes: Vec<Changes> = names
        .iter()
        .map(|name| {
            let mut changes = set(&[(name, "1")]);
            ok(changes.add(None, "n", 1));
            changes
        })
        .collect();
    let updates = changes.iter().map(|changes| {
        let update = Update {
            read: Some(read.clone().into()),
            ..Update::new(changes.clone(), AT)
        };
        store.update(&key, update)
    });
    for updated in together(updates).await {
        expect_live(ok(updated));
    }
    let read = live(store, &key).await;
    assert_eq!(
        read.data().get("n"),
        Some(&Entry::from_json("20")),
        "no increment is lost"
    );
    assert_eq!(read.data().len(), 21, "no key is lost");
    assert_eq!(read.version(), 21);
}

async fn concurrent_functions_all_apply(store: &impl SessionStore) {
    let key = key();
    ok(store.create(&key, &record(&[("list", "[]")]), AT).await);
    let read = live(store, &key).await;
    let mut changes = Changes::default();
    ok(changes.update(Some(read.data()), "list", append()));
    let update = Update {
        read: Some(read.clone().into()),
        ..Update::new(changes.clone(), AT)
    };
    let updates = (0..10).map(|_| store.update(&key, update.clone()));
    for updated in together(updates).await {
        expect_live(ok(updated));
    }
    let read = live(store, &key).await;
    let ten = Entry::from_json("[0,0,0,0,0,0,0,0,0,0]");
    assert_eq!(read.data().get("list"), Some(&ten), "none is lost");
    assert_eq!(read.version(), 11);
}

async fn one_of_many_renewals_wins(store: &impl SessionStore) {
    let old = key();
    ok(store.create(&old, &record(&[("a", "1")]), AT).await);
    let read = live(store, &old).await;
    let none = Changes::default();
    let keys: Vec<StorageKey> = (0..5).map(|_| key()).collect();
    let renewals = keys
        .iter()
        .map(|new| store.cycle(&old, new, Cycle::new(read.clone(), none.clone(), TTL, AT)));
    let found: Vec<Found<()>> = together(renewals)
        .await
        .into_iter()
        .map(|f| ok(f).map(drop))
        .collect();
    let won = found
        .iter()
        .filter(|found| **found == Found::Live(()))
        .count();
    let late = found
        .iter()
        .filter(|found| **found == Found::Tombstone(NOW))
        .count();
    assert_eq!((won, late), (1, 4), "{found:?}");
    let mut there = 0;
    for key in &keys {
        there += usize::from(ok(store.load(key, AT).await).map(drop) == Found::Live(()));
    }
    assert_eq!(there, 1, "one session, under one id");
}

/// Awaits all futures concurrently.
async fn together<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|f| (Box::pin(f), None)).collect();
    poll_fn(|cx| {
        let mut all = Poll::Ready(());
        for (future, output) in &mut running {
            if output.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(done) => *output = Some(done),
                    Poll::Pending => all = Poll::Pending,
                }
            }
        }
        all
    })
    .await;
    running
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}

fn key() -> StorageKey {
    ok(StorageKey::random())
}

fn record(entries: &[(&str, &str)]) -> Record {
    let entries = entries
        .iter()
        .map(|(key, json)| (*key, Entry::from_json(*json)));
    Record::new(entries.collect(), NOW, TTL)
}

fn set(entries: &[(&str, &str)]) -> Changes {
    let mut changes = Changes::default();
    for (key, json) in entries {
        changes.set(None, key, Entry::from_json(*json));
    }
    changes
}

/// Returns a function that appends a zero to a list.
fn append() -> Apply {
    Apply::new(|there| {
        let text = there.and_then(Entry::json).unwrap_or("[]");
        let mut list: Vec<u8> = serde_json::from_str(text)
            .map_err(|cause| Error::json(ErrorKind::Deserialize, "no list", &cause))?;
        list.push(0);
        let text = serde_json::to_string(&list)
            .map_err(|cause| Error::json(ErrorKind::Serialize, "no JSON", &cause))?;
        Ok(Entry::from_json(text))
    })
}

fn add(entries: &[(&str, i64)]) -> Changes {
    let mut changes = Changes::default();
    for (key, by) in entries {
        ok(changes.add(None, key, *by));
    }
    changes
}

async fn live(store: &impl SessionStore, key: &StorageKey) -> Record {
    expect_live(ok(store.load(key, AT).await))
}

async fn assert_absent(store: &impl SessionStore, key: &StorageKey) {
    let found = ok(store.load(key, AT).await).map(drop);
    assert_eq!(found, Found::Absent, "nothing is there");
}

async fn absent_or_stub(store: &impl SessionStore, key: &StorageKey) {
    let found = ok(store.load(key, AT).await);
    assert!(!matches!(found, Found::Live(_)), "a session that is there");
}

fn expect_live(found: Found) -> Record {
    match found {
        Found::Live(record) => record,
        other => panic!(
            "a live record was expected, and {:?} found",
            other.map(drop)
        ),
    }
}

fn ok<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| panic!("the store failed: {error:?}"))
}

fn kind<T>(result: Result<T, Error>) -> ErrorKind {
    match result {
        Err(error) => error.kind(),
        Ok(_) => panic!("the store was expected to refuse"),
    }
}
