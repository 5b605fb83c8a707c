//! Hints in the cookie. They decide how the session is loaded, and a wrong one costs a call and
//! nothing else.

use serde_json::{Value, json};

use crate::support::{
    Browser, Setup, count, cycle, days, logged_in, logout, minutes, number, peek, signing_key,
    text, who,
};

/// Returns the same browser with these hints.
fn hinted(browser: &Browser, hints: &str) -> Browser {
    let mut browser = browser.clone();
    browser.set_hints(hints);
    browser
}

#[tokio::test]
async fn hint_makes_load_and_touch_one_update() {
    let (setup, mut ada) = Setup::with_due_touch().await;
    let id = ada.id().unwrap().to_owned();
    let before = setup.table.item().await;
    setup.proxy.seen();
    let reply = ada.visit(&setup.sessions, peek).await;
    assert_eq!(reply.body, "Some(1)");

    let seen = setup.proxy.seen();
    let [update] = &seen[..] else {
        panic!("one call: {seen:?}");
    };
    assert_eq!(update.operation, "UpdateItem");
    let names = [
        "ConditionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "Key",
        "ReturnValues",
        "ReturnValuesOnConditionCheckFailure",
        "TableName",
        "UpdateExpression",
    ];
    let parameters: Vec<&String> = update.body.as_object().unwrap().keys().collect();
    assert_eq!(parameters, names);
    assert_eq!(update.body["ReturnValues"], "ALL_NEW");
    let on_failure = &update.body["ReturnValuesOnConditionCheckFailure"];
    assert_eq!(on_failure, "ALL_OLD");

    // It writes what a touch writes, and the response has the cookie of a touch.
    let now = setup.clock.seconds();
    let mut touched = before;
    touched.insert("ttl".into(), number(now + days(14).as_secs()));
    touched.insert("modified".into(), text("2033-05-18T04:34:20Z"));
    assert_eq!(setup.table.item().await, touched);
    let cookie =
        format!("__Host-sid={id}~tx2r3h8; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=1209600");
    assert_eq!(reply.cookies, [cookie]);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(setup.kinds(), []);
}

/// Another request has touched the session, or its response did not reach the client.
#[tokio::test]
async fn hint_outdated_costs_one_update_once() {
    let (setup, ada) = Setup::with_due_touch().await;
    let mut first = ada.clone();
    first.visit(&setup.sessions, peek).await;
    let item = setup.table.item().await;
    setup.clock.advance(minutes(5));
    let mut second = ada.clone();
    setup.proxy.calls();
    let reply = second.visit(&setup.sessions, peek).await;
    assert_eq!(setup.proxy.calls(), ["UpdateItem"]);
    assert_eq!(setup.table.item().await, item, "nothing was written");
    // The client gets the hint that the other response had, for the time that is left.
    assert_eq!(second.cookie(), first.cookie());
    let left = days(14).as_secs() - minutes(5).as_secs();
    assert!(reply.cookies[0].ends_with(&format!("Max-Age={left}")));
    second.visit(&setup.sessions, peek).await;
    assert_eq!(setup.proxy.calls(), ["GetItem"]);

    let mut third = ada.clone();
    assert_eq!(third.visit(&setup.sessions, count).await.body, "2");
    assert_eq!(setup.proxy.calls(), ["UpdateItem", "UpdateItem"]);
    assert_eq!(third.cookie(), first.cookie());
}

/// No hint, however odd, changes what is read or written.
#[tokio::test]
async fn hint_tampered_with_costs_at_most_a_call() {
    let setup = Setup::new().await;
    let ada = setup.guest(count).await;
    let item = setup.table.item().await;
    let huge = format!("~t{}", "z".repeat(3_000));
    for (hints, call, cookies) in [
        ("", "GetItem", 0),
        ("~", "GetItem", 0),
        ("~t", "GetItem", 0),
        ("~t~t~t", "GetItem", 0),
        ("~t-1", "GetItem", 0),
        ("~T0", "GetItem", 0),
        ("~t0.", "GetItem", 0),
        ("~t0=", "GetItem", 0),
        ("~t1abcd", "GetItem", 0),
        ("~t\u{e9}", "GetItem", 0),
        ("~t3w5e11264sgsf", "GetItem", 0),
        ("~t3w5e11264sgsg", "GetItem", 0),
        (huge.as_str(), "GetItem", 0),
        ("~t0~tx2r0nk", "GetItem", 0),
        ("~tx2r0nk~t0", "GetItem", 0),
        // In the past. The store finds that no touch is due.
        ("~t0", "UpdateItem", 1),
        ("~t0~t1~t0", "UpdateItem", 1),
        ("~x~t0~y", "UpdateItem", 1),
        ("~~t0~~", "UpdateItem", 1),
        ("~tx2qxvj", "UpdateItem", 1),
    ] {
        let mut browser = hinted(&ada, hints);
        let reply = browser.visit(&setup.sessions, peek).await;
        assert_eq!(reply.body, "Some(1)", "{hints}");
        assert_eq!(setup.proxy.calls(), [call], "{hints}");
        assert_eq!(reply.cookies.len(), cookies, "{hints}");
        if cookies == 1 {
            assert_eq!(browser.cookie(), ada.cookie(), "{hints}: the hint is right");
        }
        assert_eq!(setup.table.item().await, item, "{hints}");
    }
    assert_eq!(setup.kinds(), []);
}

/// The load knows neither the lifetime's end nor that of a binding, and must not exceed them.
#[tokio::test]
async fn hint_never_extends_beyond_the_lifetime() {
    let setup = Setup::with_users().await;
    let sessions = setup.sessions.clone();
    let sessions = sessions.lifetime(days(3)).idle_timeout(days(2));
    for user in [false, true] {
        let mut ada = match user {
            true => logged_in(&sessions).await,
            false => {
                let mut guest = Browser::new();
                guest.visit(&sessions, count).await;
                guest
            }
        };
        let end = setup.clock.seconds() + days(3).as_secs();
        let id = ada.id().unwrap().to_owned();
        let ttl_of = async || {
            let items = setup.table.items().await;
            let lives = items.iter().filter(|item| item.contains_key("data"));
            let ttls = lives.map(|item| item["ttl"].as_n().unwrap().parse::<u64>().unwrap());
            ttls.max().unwrap()
        };
        setup.clock.advance(days(1) - minutes(61));
        setup.proxy.calls();
        ada.visit(&sessions, who).await;
        assert_eq!(setup.proxy.calls(), ["UpdateItem"]);
        assert_eq!(ttl_of().await, end - minutes(61).as_secs());
        // Now the end of the lifetime is near, so the touch is made after the handler, as without a
        // hint.
        setup.clock.advance(minutes(90));
        let due = ada.cookie().unwrap()[43..].to_owned();
        for (hints, calls) in [
            (due.as_str(), &["UpdateItem", "UpdateItem"][..]),
            (due.as_str(), &["UpdateItem"]),
            ("~t0", &["UpdateItem"]),
            ("", &["GetItem"]),
        ] {
            let mut browser = hinted(&ada, hints);
            browser.visit(&sessions, who).await;
            assert_eq!(setup.proxy.calls(), calls, "user: {user}");
            assert_eq!(ttl_of().await, end, "user: {user}");
            assert_eq!(browser.cookie(), Some(&*id), "no touch can be due");
        }
        ada.visit(&sessions, logout).await;
    }

    // The lifetime was raised after the login. The binding to the user still ends as before.
    let mut bob = logged_in(&sessions).await;
    let end = setup.clock.seconds() + days(3).as_secs();
    let longer = sessions.lifetime(days(90));
    setup.clock.advance(days(2) - minutes(1));
    setup.proxy.calls();
    bob.visit(&longer, who).await;
    assert_eq!(setup.proxy.calls(), ["UpdateItem", "UpdateItem"]);
    let items = setup.table.items().await;
    let item = items.iter().find(|item| item.contains_key("data")).unwrap();
    assert_eq!(item["ttl"], number(end));
    assert_eq!(bob.cookie(), bob.id(), "no touch can be due");
}

/// A layer that never touches, for a route that polls, leaves the hint of the other layer.
#[tokio::test]
async fn hint_is_ignored_by_a_layer_that_never_touches() {
    let setup = Setup::new().await;
    let sessions = setup.sessions.clone().idle_timeout(minutes(30));
    let polling = sessions.clone().touch_interval(minutes(30));
    let mut ada = Browser::new();
    ada.visit(&sessions, count).await;
    let cookie = ada.cookie().unwrap().to_owned();
    setup.clock.advance(minutes(29));
    setup.proxy.calls();
    let reply = ada.visit(&polling, peek).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("Some(1)", 0));
    assert_eq!(setup.proxy.calls(), ["GetItem"]);
    ada.visit(&sessions, peek).await;
    assert_eq!(setup.proxy.calls(), ["UpdateItem"]);
    assert_ne!(ada.cookie(), Some(&*cookie));
}

/// A session that has ended, or whose id was cycled, is found in the same call.
#[tokio::test]
async fn hint_of_an_ended_session_revives_nothing() {
    let (setup, ada) = Setup::with_due_touch().await;
    let mut late = ada.clone();
    ada.clone().visit(&setup.sessions, logout).await;
    setup.proxy.calls();
    let reply = late.visit(&setup.sessions, peek).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("None", 0));
    // This store has not yet seen that a failed condition returns an item.
    assert_eq!(setup.proxy.calls(), ["UpdateItem", "GetItem"]);
    assert_eq!(setup.table.items().await, []);

    let ada = setup.guest(count).await;
    setup.clock.advance(minutes(61));
    ada.clone().visit(&setup.elsewhere(), cycle).await;
    let before = setup.table.items().await;
    let reply = ada.clone().visit(&setup.sessions, peek).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("None", 0));
    assert_eq!(setup.proxy.calls(), ["UpdateItem"], "a tombstone");
    assert_eq!(setup.table.items().await.len(), before.len());

    // Expired, and not deleted yet.
    let bob = setup.guest(count).await;
    setup.clock.advance(days(14));
    let before = setup.table.items().await;
    let reply = bob.clone().visit(&setup.sessions, peek).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("None", 0));
    assert_eq!(setup.proxy.calls(), ["UpdateItem"]);
    assert_eq!(setup.table.items().await.len(), before.len());
}

#[tokio::test]
async fn hint_follows_a_redirect_by_one_read() {
    let setup = Setup::new().await;
    let cycling = setup.sessions.clone().cycle_id_after(minutes(15));
    let ada = setup.guest(count).await;
    setup.clock.advance(minutes(61));
    // The touch and the new id are due at the same time.
    let mut first = ada.clone();
    assert_eq!(first.visit(&cycling, peek).await.body, "Some(1)");
    assert_eq!(setup.proxy.calls(), ["UpdateItem", "TransactWriteItems"]);
    assert_ne!(first.id(), ada.id());
    let mut late = ada.clone();
    let reply = late.visit(&cycling, count).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("2", 0));
    assert_eq!(setup.proxy.calls(), ["UpdateItem", "GetItem", "UpdateItem"]);
}

/// A client that must get its cookie again for another reason gets it with the same call.
#[tokio::test]
async fn hint_saves_the_write_of_a_new_signature() {
    let setup = Setup::new().await;
    let first = setup.sessions.clone().signing_keys([signing_key(1)]);
    let both = setup.sessions.clone();
    let both = both.signing_keys([signing_key(2), signing_key(1)]);
    let mut ada = Browser::new();
    ada.visit(&first, count).await;
    setup.clock.advance(minutes(61));
    setup.proxy.calls();
    let old = ada.cookie().unwrap().to_owned();
    assert_eq!(ada.visit(&both, peek).await.body, "Some(1)");
    assert_eq!(setup.proxy.calls(), ["UpdateItem"]);
    let new = ada.cookie().unwrap();
    assert_eq!((&new[..44], new.len()), (&old[..44], old.len()));
    assert_ne!(new[44..87], old[44..87], "it is signed by the new key");
    assert!(new.ends_with("~tx2r3h8"));
}

/// A header carries the id alone. A client may still send a hint.
#[tokio::test]
async fn hint_is_not_sent_in_a_header() {
    let setup = Setup::new().await;
    let sessions = setup.sessions.clone().id_header_only("X-SessionId");
    let mut ada = Browser::new();
    let reply = ada.visit(&sessions, count).await;
    let id = reply.header("x-sessionid").unwrap().to_owned();
    assert_eq!(id.len(), 43);
    setup.clock.advance(minutes(61));
    setup.proxy.calls();
    ada.set_header("x-sessionid", &format!("{id}~t0"));
    let reply = ada.visit(&sessions, peek).await;
    assert_eq!(setup.proxy.calls(), ["UpdateItem"]);
    assert_eq!(reply.header("x-sessionid"), Some(&*id));
}

/// An item that is not a session is not touched, and one of a newer format is an error.
#[tokio::test]
async fn hint_touches_no_item_of_others() {
    for (name, value, body) in [
        ("data", json!({ "S": "theirs" }), "None"),
        ("created", json!({ "S": "~" }), "None"),
        ("ttl", json!({ "S": "~" }), "None"),
        ("fmt", json!({ "N": "2" }), ""),
    ] {
        let (setup, ada) = Setup::with_due_touch().await;
        let mut item = setup.table.item().await;
        let value: Value = value;
        let value = match (value["S"].as_str(), value["N"].as_str()) {
            (Some(value), _) => text(value),
            (_, value) => number(value.unwrap()),
        };
        item.insert(name.to_owned(), value);
        setup.table.put(item.clone()).await;
        let reply = ada.clone().visit(&setup.sessions, peek).await;
        assert_eq!(reply.body, body, "{name}");
        assert_eq!(reply.status, if body.is_empty() { 503 } else { 200 });
        assert_eq!(setup.proxy.calls(), ["UpdateItem"], "{name}");
        assert_eq!(setup.table.item().await, item, "{name}");
    }
}
