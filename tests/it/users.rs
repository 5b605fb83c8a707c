//! Sessions that are bound to users: what the tables hold of a user, and the labels of sessions.

use std::time::Duration;

use lambda_http::{Error, Request};
use lambda_sessions::{ErrorKind, Session, SessionLayer};

use crate::support::{
    Browser, Setup, Table, count, cycle, days, logged_in, login, name_seen, signing_key, who,
};

#[tokio::test]
async fn user_is_stored_as_a_pseudonym() {
    let setup = Setup::with_users().await;
    logged_in(&setup.sessions).await;
    let shown = format!(
        "{:?} {:?}",
        setup.table.items().await,
        setup.table.rows().await
    );
    // printf ada | openssl dgst -sha256 -binary | basenc --base64url
    let hash = "_e5DDUC9V97qwYbNl5ADPQ8G-QmogG585ucXq3x9UCk";
    assert_eq!(shown.matches(hash).count(), 2, "{shown}");
    let (item, row) = (setup.table.item().await, setup.table.rows().await.remove(0));
    assert_eq!(row["session"], item["id"]);
    assert_eq!(row["created"], item["created"]);
    assert_eq!(item["label"].as_s().unwrap(), "Firefox on Linux");
    assert!(!row.contains_key("label"), "the record has it");
    let lifetime: u64 = row["ttl"].as_n().unwrap().parse().unwrap();
    assert_eq!(lifetime - setup.clock.seconds(), 90 * 24 * 60 * 60);

    let keyed = setup.sessions.clone().user_hash_key(signing_key(7));
    let mut ada = logged_in(&keyed).await;
    assert_eq!(keyed.user_sessions("ada").await.unwrap().len(), 1);
    assert_eq!(setup.sessions.user_sessions("ada").await.unwrap().len(), 1);
    keyed.revoke_user("ada").await.unwrap();
    assert_eq!(ada.visit(&keyed, who).await.body, "nobody");
    assert_eq!(setup.sessions.user_sessions("ada").await.unwrap().len(), 1);
}

/// The users table is needed only if sessions are bound to users.
#[tokio::test]
async fn users_table_missing_fails_the_login() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    let reply = ada.visit(&setup.sessions, login).await;
    assert_eq!((reply.status, reply.cookies.len()), (503, 0));
    let errors = setup.errors();
    assert_eq!(errors[0].kind(), ErrorKind::Misconfigured);
    assert!(errors[0].to_string().contains("users"), "{}", errors[0]);
    assert_eq!(name_seen(&setup.sessions, &ada).await, "nobody");
    let fresh = Browser::new().visit(&setup.sessions, login).await;
    assert_eq!((fresh.status, fresh.cookies.len()), (503, 0));
    for error in [
        setup.sessions.revoke_user("ada").await.unwrap_err(),
        setup.sessions.user_sessions("ada").await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(error.to_string().contains("users"), "{error}");
    }
    assert_eq!(ada.visit(&setup.sessions, count).await.body, "2");
}

#[tokio::test]
async fn users_table_may_have_another_name() {
    let table = Table::with_users().await;
    let store = table.store().users_table(table.users()).unwrap();
    let sessions = SessionLayer::new(store);
    logged_in(&sessions).await;
    assert_eq!(table.rows().await.len(), 1);
    let error = table.store().users_table("no/table").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    let elsewhere = table.store().users_table("nosuchtable").unwrap();
    let elsewhere = SessionLayer::new(elsewhere);
    let reply = Browser::new().visit(&elsewhere, login).await;
    assert_eq!(reply.status, 503);
}

/// A session must not outlive the row by which a revocation finds it.
#[tokio::test]
async fn user_row_is_not_outlived_by_its_session() {
    let setup = Setup::with_users().await;
    let short = setup.sessions.clone().lifetime(days(2));
    let mut ada = logged_in(&short).await;
    let longer = setup.sessions.clone().lifetime(days(30));
    setup.clock.advance(days(1));
    assert_eq!(ada.visit(&longer, count).await.body, "1");
    setup.clock.advance(days(1) - Duration::from_secs(1));
    assert_eq!(name_seen(&longer, &ada).await, "ada");
    // A cycle writes a new row, so the session may live longer.
    let mut cycled = ada.clone();
    cycled.visit(&longer, cycle).await;
    setup.clock.advance(Duration::from_secs(1));
    assert_eq!(name_seen(&longer, &cycled).await, "ada");
    assert_eq!(name_seen(&longer, &ada).await, "nobody");
    setup.clock.advance(days(3));
    assert_eq!(name_seen(&longer, &cycled).await, "ada");
    longer.revoke_user("ada").await.unwrap();
    assert_eq!(name_seen(&longer, &cycled).await, "nobody");

    let mut bob = logged_in(&short).await;
    setup.clock.advance(days(1));
    bob.visit(&longer, who).await;
    setup.clock.advance(days(1));
    assert_eq!(name_seen(&longer, &bob).await, "nobody", "with its row");
}

/// A row may remain without its record. The list skips it, and a revocation deletes it.
#[tokio::test]
async fn user_row_without_a_record_is_skipped() {
    let setup = Setup::with_users().await;
    let ada = logged_in(&setup.sessions).await;
    // DynamoDB's TTL does the same, long before that of the row.
    setup.table.delete(&setup.table.item().await["id"]).await;
    assert_eq!(setup.table.rows().await.len(), 1, "stale");
    assert!(
        setup
            .sessions
            .user_sessions("ada")
            .await
            .unwrap()
            .is_empty()
    );
    setup.sessions.revoke_user("ada").await.unwrap();
    assert!(setup.table.rows().await.is_empty());
    assert_eq!(name_seen(&setup.sessions, &ada).await, "nobody");
}

#[tokio::test]
async fn user_row_goes_with_a_replaced_session() {
    let setup = Setup::with_users().await;
    let mut ada = logged_in(&setup.sessions).await;
    let row = setup.table.rows().await.remove(0);
    assert!(!row.contains_key("label"), "the record has it");
    let begin_another = |_: Request, session: Session| async move {
        session.destroy()?;
        session.insert("flash", "bye")?;
        Ok("")
    };
    setup.proxy.calls();
    assert_eq!(ada.visit(&setup.sessions, begin_another).await.status, 200);
    assert_eq!(setup.proxy.calls(), ["GetItem", "TransactWriteItems"]);
    assert!(setup.table.rows().await.is_empty());
    // The same holds for a new session of the same user.
    let mut ada = logged_in(&setup.sessions).await;
    let again = |_: Request, session: Session| async move {
        session.destroy()?;
        session.log_in("ada")?;
        session.insert("name", "ada")?;
        Ok("")
    };
    assert_eq!(ada.visit(&setup.sessions, again).await.status, 200);
    assert_eq!(setup.table.rows().await.len(), 1);
    assert_eq!(setup.sessions.user_sessions("ada").await.unwrap().len(), 1);
}

/// A `Query` that is under way then finds the old row, wherever the new one is.
#[tokio::test]
async fn user_row_stays_as_long_as_its_redirect() {
    let setup = Setup::with_users().await;
    for on_schedule in [false, true] {
        setup.sessions.revoke_user("ada").await.unwrap();
        let mut ada = logged_in(&setup.sessions).await;
        let old = setup.table.rows().await.remove(0);
        if on_schedule {
            setup.clock.advance(Duration::from_secs(60));
            let cycling = setup
                .sessions
                .clone()
                .cycle_id_after(Duration::from_secs(60));
            ada.visit(&cycling, who).await;
        } else {
            assert_eq!(ada.visit(&setup.elsewhere(), cycle).await.status, 200);
        }
        let rows = setup.table.rows().await;
        assert_eq!(rows.len(), 2);
        let stays = rows.iter().find(|row| row["session"] == old["session"]);
        let items = setup.table.items().await;
        let tombstone = items.iter().find(|item| item["id"] == old["session"]);
        let (stays, tombstone) = (stays.unwrap(), tombstone.unwrap());
        assert_eq!(tombstone["retired"].as_bool(), Ok(&true));
        assert_eq!(stays["ttl"], tombstone["ttl"], "{on_schedule}");
        assert_eq!(stays["handle"], old["handle"]);
        let new = rows.iter().find(|row| row["session"] != old["session"]);
        assert_eq!(new.unwrap()["ttl"], old["ttl"]);
    }
}

#[tokio::test]
async fn label_changes_no_id() {
    let setup = Setup::with_users().await;
    let mut ada = setup.guest(login).await;
    let label = |_: Request, session: Session| async move {
        session.set_label("laptop")?;
        Ok::<_, Error>(String::new())
    };
    let before = ada.cookie().unwrap().to_owned();
    let reply = ada.visit(&setup.sessions, label).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 0));
    assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem"]);
    let listed = setup.sessions.user_sessions("ada").await.unwrap();
    assert_eq!(listed[0].label(), Some("laptop"));
    assert_eq!(ada.cookie(), Some(before.as_str()));
}

/// The label may be set before or after the login of another user.
#[tokio::test]
async fn label_before_a_login_belongs_to_it() {
    let setup = Setup::with_users().await;
    let mut browser = setup.guest(login).await;
    for (user, label) in [("ada", "one"), ("grace", "two")] {
        let handler = |_: Request, session: Session| async move {
            session.set_label(label)?;
            session.log_in(user)?;
            Ok::<_, Error>(String::new())
        };
        assert_eq!(browser.visit(&setup.sessions, handler).await.status, 200);
        let listed = setup.sessions.user_sessions(user).await.unwrap();
        let labels: Vec<_> = listed.iter().map(|session| session.label()).collect();
        assert_eq!(labels, [Some(label)]);
    }
}
