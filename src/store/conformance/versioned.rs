//! The checks of a versioned store: items come back, and a commit is one atomic step.

use crate::clock::Timestamp;
use crate::expiry::lifetimes::Lifetimes;
use crate::id::StorageKey;
use crate::store::arguments::RequestTime;
use crate::store::conformance::support::{
    AT, NOW, TTL, bound, key, later, ok, record, together, user,
};
use crate::store::data::Entry;
use crate::store::item::{Item, Revision, Write};
use crate::store::record::{Record, Redirect, Tombstone};
use crate::store::stored::{Stored, UserIndex};
use crate::store::versioned::VersionedStore;

pub(super) async fn run(store: &impl VersionedStore) {
    absent_key_holds_nothing(store).await;
    items_come_back_as_put(store).await;
    items_are_apart_by_key(store).await;
    occupied_key_refuses_a_new_item(store).await;
    other_revision_refuses_a_write(store).await;
    refused_commit_writes_nothing(store).await;
    accepted_commit_writes_everything(store).await;
    deleted_item_is_gone(store).await;
    expired_item_stays_or_goes(store).await;
    one_of_many_commits_wins(store).await;
    one_of_many_new_items_wins(store).await;
    one_of_many_overlapping_commits_wins(store).await;
}

async fn absent_key_holds_nothing(store: &impl VersionedStore) {
    let key = key();
    assert_absent(store, &key).await;
    let never = item(1);
    let replace = Write::new(key.clone(), revision(&never), Some(item(2)));
    assert!(!commit(store, [replace]).await, "there is no such revision");
    let delete = Write::new(key.clone(), revision(&never), None);
    assert!(!commit(store, [delete]).await, "there is nothing to delete");
    assert_absent(store, &key).await;
}

/// Puts an item of each kind, including an index of many sessions and a record of odd values.
async fn items_come_back_as_put(store: &impl VersionedStore) {
    let odd = record(&[
        ("\u{1f36a} \\ \" \n", "\"\\u0000\u{1f36a}\""),
        ("n", "18446744073709551616"),
        ("no JSON", "{"),
    ]);
    let large = Entry::from_json(format!("\"{}\"", "x".repeat(64 * 1_024)));
    let large = Record::new([("large", large)].into_iter().collect(), NOW, TTL);
    let mut index = UserIndex::default();
    for n in 0..200 {
        let login = bound(&user(), &format!("{n:022}"));
        if let Some(binding) = login.binding() {
            index.insert(&key(), binding);
        }
    }
    let full = bound(&user(), "phone").issued_at(later(3)).at_version(7);
    let full = full.with_lifetimes(Lifetimes {
        idle: Some(600),
        ends: Some(later(900)),
        persistent: Some(true),
    });
    for value in [
        Stored::Live(record(&[])),
        Stored::Live(full.modified_at(later(2))),
        Stored::Live(odd),
        Stored::Live(large),
        Stored::Redirect(Redirect::new(NOW, TTL, key())),
        Stored::Tombstone(Tombstone::new(NOW, TTL)),
        Stored::Tombstone(Tombstone::new(NOW, TTL).succeeded_by(key())),
        Stored::Index(index),
    ] {
        let (key, new) = (key(), ok(Item::new(value.clone())));
        put_new(store, &key, &new).await;
        assert_holds(store, &key, &new).await;
        // The same value with another revision.
        let again = ok(Item::new(value));
        let replace = Write::new(key.clone(), revision(&new), Some(again.clone()));
        assert!(commit(store, [replace]).await);
        assert_holds(store, &key, &again).await;
    }
}

/// Keys that differ only in case, and the longest keys that the library uses.
async fn items_are_apart_by_key(store: &impl VersionedStore) {
    let random = key();
    let prefix = random.as_str().get(..40).unwrap_or_default();
    let user = user();
    let keys = [
        StorageKey::stored(format!("{prefix}-_a")),
        StorageKey::stored(format!("{prefix}-_A")),
        UserIndex::key(&user),
        StorageKey::stored(user.as_str()),
    ];
    let items = [1, 2, 3, 4].map(item);
    for (key, item) in keys.iter().zip(&items) {
        put_new(store, key, item).await;
    }
    for (key, item) in keys.iter().zip(&items) {
        assert_holds(store, key, item).await;
    }
}

async fn occupied_key_refuses_a_new_item(store: &impl VersionedStore) {
    let (key, there) = (key(), item(1));
    put_new(store, &key, &there).await;
    let new = Write::new(key.clone(), None, Some(item(2)));
    assert!(!commit(store, [new]).await);
    let same = Write::new(key.clone(), None, Some(there.clone()));
    assert!(!commit(store, [same]).await);
    assert_holds(store, &key, &there).await;
}

async fn other_revision_refuses_a_write(store: &impl VersionedStore) {
    let (key, first, second) = (key(), item(1), item(1));
    put_new(store, &key, &first).await;
    let replace = Write::new(key.clone(), revision(&first), Some(second.clone()));
    assert!(commit(store, [replace]).await);
    // The value is the same as before, and the revision is not.
    for item in [Some(item(3)), None] {
        let late = Write::new(key.clone(), revision(&first), item);
        assert!(!commit(store, [late]).await);
        assert_holds(store, &key, &second).await;
    }
}

async fn refused_commit_writes_nothing(store: &impl VersionedStore) {
    let [new, changed, gone, wrong] = [(); 4].map(|()| key());
    let [before, kept, there] = [1, 2, 3].map(item);
    put_new(store, &changed, &before).await;
    put_new(store, &gone, &kept).await;
    put_new(store, &wrong, &there).await;
    let refused = [
        Write::new(wrong.clone(), None, Some(item(6))),
        Write::new(wrong.clone(), revision(&before), Some(item(6))),
        Write::new(wrong.clone(), revision(&before), None),
    ];
    // The refused write has each position once.
    for (position, write) in refused.iter().cycle().take(12).enumerate() {
        let mut writes = vec![
            Write::new(new.clone(), None, Some(item(4))),
            Write::new(changed.clone(), revision(&before), Some(item(5))),
            Write::new(gone.clone(), revision(&kept), None),
        ];
        writes.insert(position % 4, write.clone());
        assert!(!commit(store, writes).await);
        assert_absent(store, &new).await;
        assert_holds(store, &changed, &before).await;
        assert_holds(store, &gone, &kept).await;
        assert_holds(store, &wrong, &there).await;
    }
}

async fn accepted_commit_writes_everything(store: &impl VersionedStore) {
    let keys = [(); 4].map(|()| key());
    let (before, after) = ([1, 2].map(item), [3, 4, 5].map(item));
    put_new(store, &keys[0], &before[0]).await;
    put_new(store, &keys[1], &before[1]).await;
    let writes = [
        Write::new(keys[0].clone(), revision(&before[0]), None),
        Write::new(
            keys[1].clone(),
            revision(&before[1]),
            Some(after[0].clone()),
        ),
        Write::new(keys[2].clone(), None, Some(after[1].clone())),
        Write::new(keys[3].clone(), None, Some(after[2].clone())),
    ];
    assert!(commit(store, writes).await);
    assert_absent(store, &keys[0]).await;
    for (key, item) in keys[1..].iter().zip(&after) {
        assert_holds(store, key, item).await;
    }
}

async fn deleted_item_is_gone(store: &impl VersionedStore) {
    let (key, first, second) = (key(), item(1), item(1));
    put_new(store, &key, &first).await;
    let delete = || Write::new(key.clone(), revision(&first), None);
    assert!(commit(store, [delete()]).await);
    assert_absent(store, &key).await;
    assert!(!commit(store, [delete()]).await, "it is gone already");
    put_new(store, &key, &second).await;
    assert!(!commit(store, [delete()]).await, "it is another item");
    assert_holds(store, &key, &second).await;
}

/// A store may delete an expired item or keep it, but must have one answer for reads and commits.
async fn expired_item_stays_or_goes(store: &impl VersionedStore) {
    for (expiry, now) in [(TTL, TTL), (Timestamp::from_epoch_seconds(1), NOW)] {
        let (key, at) = (key(), RequestTime::at(now));
        let expired = ok(Item::new(Stored::Live(record(&[]).with_ttl(expiry))));
        assert_eq!(expired.expires(), expiry);
        put_new(store, &key, &expired).await;
        let there = ok(store.get(&key, at).await);
        let expected = there.map(|item| item.revision().clone());
        let new = item(2);
        let write = Write::new(key.clone(), expected, Some(new.clone()));
        assert!(ok(store.commit(vec![write], at).await));
        assert_holds(store, &key, &new).await;
    }
}

async fn one_of_many_commits_wins(store: &impl VersionedStore) {
    for deletes in [false, true] {
        let (key, before) = (key(), item(0));
        put_new(store, &key, &before).await;
        let items: Vec<Item> = (1..=8).map(item).collect();
        let commits = items.iter().enumerate().map(|(n, new)| {
            let new = (!deletes || n % 2 == 0).then(|| new.clone());
            commit(store, [Write::new(key.clone(), revision(&before), new)])
        });
        let won = winner(&together(commits).await);
        match deletes && won % 2 == 1 {
            true => assert_absent(store, &key).await,
            false => assert_holds(store, &key, &items[won]).await,
        }
    }
}

async fn one_of_many_new_items_wins(store: &impl VersionedStore) {
    let key = key();
    let items: Vec<Item> = (0..8).map(item).collect();
    let commits = items.iter();
    let commits =
        commits.map(|new| commit(store, [Write::new(key.clone(), None, Some(new.clone()))]));
    let won = winner(&together(commits).await);
    assert_holds(store, &key, &items[won]).await;
}

/// The commits have one key in common, and each has one of its own. Their order differs.
async fn one_of_many_overlapping_commits_wins(store: &impl VersionedStore) {
    let (common, before) = (key(), item(0));
    put_new(store, &common, &before).await;
    let items: Vec<Item> = (1..=8).map(item).collect();
    let own: Vec<StorageKey> = items.iter().map(|_| key()).collect();
    let commits = items.iter().zip(&own).enumerate().map(|(n, (new, own))| {
        let mut writes = vec![
            Write::new(common.clone(), revision(&before), Some(new.clone())),
            Write::new(own.clone(), None, Some(new.clone())),
        ];
        if n % 2 == 0 {
            writes.reverse();
        }
        commit(store, writes)
    });
    let won = winner(&together(commits).await);
    assert_holds(store, &common, &items[won]).await;
    for (n, own) in own.iter().enumerate() {
        match n == won {
            true => assert_holds(store, own, &items[n]).await,
            false => assert_absent(store, own).await,
        }
    }
}

/// Returns the position of the only commit that was accepted.
#[track_caller]
fn winner(accepted: &[bool]) -> usize {
    let won: Vec<usize> = (0..accepted.len()).filter(|n| accepted[*n]).collect();
    assert_eq!(won.len(), 1, "of several commits, one wins: {accepted:?}");
    won[0]
}

async fn commit(store: &impl VersionedStore, writes: impl Into<Vec<Write>>) -> bool {
    ok(store.commit(writes.into(), AT).await)
}

async fn put_new(store: &impl VersionedStore, key: &StorageKey, item: &Item) {
    let write = Write::new(key.clone(), None, Some(item.clone()));
    assert!(commit(store, [write]).await, "a key that holds nothing");
}

fn item(n: u64) -> Item {
    ok(Item::new(Stored::Live(record(&[("n", &n.to_string())]))))
}

fn revision(item: &Item) -> Option<Revision> {
    Some(item.revision().clone())
}

async fn assert_absent(store: &impl VersionedStore, key: &StorageKey) {
    let there = ok(store.get(key, AT).await);
    assert!(there.is_none(), "the key holds nothing: {there:?}");
}

async fn assert_holds(store: &impl VersionedStore, key: &StorageKey, item: &Item) {
    let Some(there) = ok(store.get(key, AT).await) else {
        panic!("the key holds an item");
    };
    assert_eq!(there.revision(), item.revision(), "the item that was put");
    assert_eq!(ok(there.to_json()), ok(item.to_json()));
}
