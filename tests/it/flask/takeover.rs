//! A takeover: the data, the cookies and the calls.

use std::time::UNIX_EPOCH;

use lambda_http::tower::Layer as _;
use lambda_http::{Body, Error, Request, Response, Service as _, service_fn};
use lambda_sessions::layer::{FlaskSessions, PreviousCookie};
use lambda_sessions::{ErrorKind, Session, SessionExt as _};
use serde_json::{Value, json};

use super::{DATA, Flask, ITEMS, UUID, attributes, dump};
use crate::support::{
    Browser, COOKIE, count, count_write_only, days, login, minutes, name_seen, number, peek,
    plain_login, text,
};

#[tokio::test]
async fn flask_session_is_taken_over_once() {
    let flask = Flask::new().await;
    let sessions = flask.sessions();
    let mut ada = flask.visitor().await;
    let is_new = |request: Request, session: Session| async move {
        let (new, created) = (session.is_new(), session.created());
        assert_eq!(
            created,
            UNIX_EPOCH + std::time::Duration::from_secs(2_000_000_000)
        );
        assert!(!new && session.id().is_some());
        dump(request, session).await
    };
    let reply = ada.visit(&sessions, is_new).await;
    assert_eq!(reply.status, 200, "{:?}", flask.setup.errors());
    assert_eq!(reply.body, r#"{"cart":[7,9],"name":"ada","visits":7}"#);
    assert_eq!(flask.setup.proxy.calls(), ["GetItem", "TransactWriteItems"]);
    assert_eq!(reply.cookies.len(), 2);
    let removal = "session=; SameSite=Lax; Path=/; Max-Age=0";
    assert!(
        reply.cookies[1].contains("Max-Age=0"),
        "{:?} {removal}",
        reply.cookies
    );
    assert!(
        reply.cookies[1].starts_with("session=;"),
        "{:?}",
        reply.cookies
    );
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(ada.jar.len(), 1, "ours is left");
    assert!(flask.old.items().await.is_empty());
    assert_eq!(flask.stored().await, (1, 2), "the session and a mark");
    for item in flask.setup.table.items().await {
        assert!(
            !format!("{item:?}").contains(UUID),
            "the old id is not stored"
        );
    }

    // From here on, it is a session like any other.
    assert_eq!(ada.visit(&sessions, count).await.body, "8");
    assert_eq!(flask.setup.proxy.calls(), ["GetItem", "UpdateItem"]);
}

/// Each item that a real package has written.
#[tokio::test]
async fn flask_items_of_all_packages_are_taken_over() {
    let items: Vec<Value> = serde_json::from_str(ITEMS).unwrap();
    for item in items {
        let package = item["package"].as_str().unwrap();
        let what = format!("{package} {}", item["route"]);
        let flask = Flask::new().await;
        flask.old.put(attributes(&item["item"])).await;
        let from = match package.starts_with("Flask-Session") {
            true => FlaskSessions::flask_session(&flask.old.name),
            false => flask.settings(),
        };
        // The packages were run in November 2026.
        let now = || UNIX_EPOCH + std::time::Duration::from_secs(1_795_700_000);
        let sessions = flask.with(from).clock(now);
        let mut ada = Browser::with_cookie("session", item["cookie"].as_str().unwrap());
        let reply = ada.visit(&sessions, dump).await;
        let left = flask.old.items().await.len();
        match &item["data"] {
            Value::Null => {
                assert_eq!(
                    (reply.status, reply.cookies.len(), left),
                    (503, 0, 1),
                    "{what}"
                );
                assert_eq!(flask.setup.kinds(), [ErrorKind::Corrupt], "{what}");
                assert_eq!(flask.stored().await, (0, 0), "{what}");
            }
            data if *data == json!({}) => {
                assert_eq!(
                    (reply.status, reply.cookies.len(), left),
                    (200, 0, 1),
                    "{what}"
                );
            }
            data => {
                assert_eq!(reply.status, 200, "{what}: {:?}", flask.setup.errors());
                let shown: Value = serde_json::from_str(&reply.body).unwrap();
                assert_eq!((&shown, left), (data, 0), "{what}");
                assert_eq!(flask.stored().await, (1, 2), "{what}");
                let again = ada.visit(&sessions, dump).await.body;
                assert_eq!(
                    serde_json::from_str::<Value>(&again).unwrap(),
                    *data,
                    "{what}"
                );
            }
        }
    }
}

#[tokio::test]
async fn flask_costs_only_those_who_come_from_it() {
    let flask = Flask::new().await;
    let sessions = flask.sessions();
    let cost = async |browser: &mut Browser, what: &str| {
        let reply = browser.visit(&sessions, peek).await;
        assert_eq!((reply.status, reply.cookies.len()), (200, 0), "{what}");
        flask.setup.proxy.calls()
    };
    let mut ours = flask.setup.guest(count).await;
    ours.jar.insert("session".to_owned(), UUID.to_owned());
    flask.put(DATA).await;
    assert_eq!(cost(&mut ours, "a session of ours").await, ["GetItem"]);
    let signed = "eyJhIjoxfQ.aSW2aQ.gtzxWCoGeFx7-1UVrKWNRJTCDqQ";
    for (name, value) in [("session", signed), ("session", ""), ("other", UUID)] {
        let mut browser = Browser::with_cookie(name, value);
        assert!(cost(&mut browser, value).await.is_empty(), "{name}={value}");
    }
    // A handler that does not ask for its session costs nothing.
    let mut ada = Browser::with_cookie("session", UUID);
    let ignore = |_: Request| async { Ok::<_, Error>("") };
    ada.visit_layered(&sessions, ignore).await;
    assert!(flask.setup.proxy.calls().is_empty());
    assert_eq!(flask.old.items().await.len(), 1);

    // Nothing that can be taken over.
    flask.put(r#"{"_permanent": true}"#).await;
    let twice = ["GetItem", "GetItem"];
    assert_eq!(cost(&mut ada, "an empty session").await, twice);
    let mut item = flask.item(DATA);
    item.insert("ttl".to_owned(), number(flask.setup.clock.seconds()));
    flask.old.put(item.clone()).await;
    assert_eq!(cost(&mut ada, "an expired session").await, ["GetItem"]);
    flask.old.delete(&text(UUID)).await;
    let calls = cost(&mut ada, "no session").await;
    assert_eq!(calls, twice, "the item, and the mark of a takeover");
    assert_eq!(flask.stored().await, (1, 1));

    // A stale id of ours does not hide the session of Flask.
    flask.put(DATA).await;
    let mut stale = Browser::with_cookie(COOKIE, &"A".repeat(43));
    stale.jar.insert("session".to_owned(), UUID.to_owned());
    assert_eq!(stale.visit(&sessions, peek).await.body, "Some(7)");
    let calls = flask.setup.proxy.calls();
    assert_eq!(calls, ["GetItem", "GetItem", "TransactWriteItems"]);
}

#[tokio::test]
async fn flask_takeover_goes_on_with_the_request() {
    for (handler, calls) in [("count", 3), ("login", 3), ("write only", 3)] {
        let flask = Flask::new().await;
        flask.setup.table.create_users().await;
        let sessions = flask.sessions();
        let mut ada = flask.visitor().await;
        let reply = match handler {
            "count" => ada.visit(&sessions, count).await,
            "login" => ada.visit(&sessions, login).await,
            _ => ada.visit_layered(&sessions, count_write_only).await,
        };
        assert_eq!((reply.status, reply.cookies.len()), (200, 2), "{handler}");
        assert_eq!(flask.setup.proxy.calls().len(), calls, "{handler}");
        let visits = if handler == "login" {
            "Some(7)"
        } else {
            "Some(8)"
        };
        assert_eq!(ada.visit(&sessions, peek).await.body, visits, "{handler}");
        assert!(flask.old.items().await.is_empty(), "{handler}");
        assert_eq!(ada.jar.len(), 1, "{handler}");
    }
}

/// The old id may be known to somebody else, who has planted it.
#[tokio::test]
async fn flask_login_ends_the_old_cookie() {
    for handler in ["log_in", "cycle_id"] {
        let flask = Flask::new().await;
        flask.setup.table.create_users().await;
        let sessions = flask.sessions();
        let mut ada = flask.visitor().await;
        let mallory = ada.clone();
        ada.visit(&sessions, peek).await;
        assert_eq!(
            name_seen(&sessions, &mallory).await,
            "ada",
            "until the login"
        );
        match handler {
            "log_in" => ada.visit(&sessions, login).await,
            _ => ada.visit(&sessions, plain_login).await,
        };
        assert_eq!(name_seen(&sessions, &ada).await, "ada", "{handler}");
        for minute in [0, 2, 200] {
            flask.setup.clock.advance(minutes(minute));
            assert_eq!(
                name_seen(&sessions, &mallory).await,
                "nobody",
                "{handler} {minute}"
            );
        }
    }
}

#[tokio::test]
async fn flask_two_ids_are_both_ignored() {
    let flask = Flask::new().await;
    flask.put(DATA).await;
    let sessions = flask.sessions();
    let other = UUID.replace("d3ec", "0000");
    let mut browser = Browser::with_cookie("session", &format!("{UUID}; session={other}"));
    assert_eq!(browser.visit(&sessions, peek).await.body, "None");
    assert!(flask.setup.proxy.calls().is_empty());
    // Nor is anything taken over beside two ids of ours.
    let ids = format!("{}; {COOKIE}={}E", "A".repeat(43), "A".repeat(42));
    let mut browser = Browser::with_cookie(COOKIE, &ids);
    browser.jar.insert("session".to_owned(), UUID.to_owned());
    assert_eq!(browser.visit(&sessions, peek).await.body, "None");
    assert!(flask.setup.proxy.calls().is_empty());
    assert_eq!(flask.old.items().await.len(), 1);
}

#[tokio::test]
async fn flask_cookie_that_is_not_text_is_ignored() {
    let flask = Flask::new().await;
    let sessions = flask.sessions();
    let handler = service_fn(async |request: Request| {
        let seen = request.session().await?.len();
        Ok::<_, Error>(Response::new(Body::from(seen.to_string())))
    });
    let cookie = [&b"session="[..], &[0xff; 36]].concat();
    let cookie = http::HeaderValue::from_bytes(&cookie).unwrap();
    let request = http::Request::builder().header("cookie", cookie);
    let response = sessions
        .layer(handler)
        .call(request.body(Body::Empty).unwrap());
    assert_eq!(response.await.unwrap().status(), 200);
    assert!(flask.setup.proxy.calls().is_empty());
}

#[tokio::test]
async fn flask_expiry_is_checked_with_its_offset() {
    for (ttl, offset, taken) in [
        (Some(1), 0, true),
        (Some(0), 0, false),
        (Some(-3_600), 60, false),
        (Some(-3_599), 60, true),
        (Some(3_600), -60, false),
        (Some(3_601), -60, true),
        (None, 0, true),
    ] {
        let flask = Flask::new().await;
        let mut item = flask.item(DATA);
        item.remove("ttl");
        if let Some(ttl) = ttl {
            let at = i64::try_from(flask.setup.clock.seconds()).unwrap() + ttl;
            item.insert("ttl".to_owned(), number(at));
        }
        flask.old.put(item).await;
        let sessions = flask.with(flask.settings().utc_offset(offset));
        let ada = Browser::with_cookie("session", UUID);
        let expected = if taken { "ada" } else { "nobody" };
        assert_eq!(
            name_seen(&sessions, &ada).await,
            expected,
            "{ttl:?} {offset}"
        );
        assert_eq!(
            flask.old.items().await.is_empty(),
            taken,
            "{ttl:?} {offset}"
        );
    }
}

/// `SESSION_DYNAMODB_USE_HEADER`, a cookie of another name and scope, another key, one table for both,
/// and an audience.
#[tokio::test]
async fn flask_settings_have_their_counterparts() {
    let flask = Flask::new().await;
    flask.put(DATA).await;
    let sessions = flask.sessions().id_header_only("X-SessionId");
    let mut app = Browser::new();
    app.set_header("x-sessionid", UUID);
    let reply = app.visit(&sessions, peek).await;
    let new = reply.header("x-sessionid").unwrap().to_owned();
    assert_eq!(
        (reply.body.as_str(), new.len(), reply.cookies.len()),
        ("Some(7)", 43, 0)
    );
    app.set_header("x-sessionid", &new);
    assert_eq!(app.visit(&sessions, count).await.body, "8");

    let cookie = PreviousCookie::new("shop")
        .domain("example.com")
        .path("/shop");
    let mut item = flask.item(DATA);
    item.insert("id".to_owned(), text(format!("shop:{UUID}")));
    flask.setup.table.put(item).await;
    let from = FlaskSessions::table(&flask.setup.table.name)
        .cookie(cookie)
        .key_prefix("shop:");
    let sessions = flask.with(from).audience("shop");
    let mut ada = Browser::with_cookie("shop", UUID);
    let again = ada.clone();
    let reply = ada.visit(&sessions, count).await;
    assert_eq!(reply.body, "8");
    let removal = reply
        .cookies
        .iter()
        .find(|cookie| cookie.starts_with("shop=;"))
        .unwrap();
    assert!(
        removal.contains("Domain=example.com") && removal.contains("Path=/shop"),
        "{removal}"
    );
    assert_eq!(
        name_seen(&sessions, &again).await,
        "ada",
        "by the mark of the audience"
    );
    assert_eq!(name_seen(&flask.sessions(), &ada).await, "nobody");

    let flask = Flask::new().await;
    let table = format!("{}-pk", flask.old.name);
    let old = crate::support::Table {
        name: table,
        ..flask.old
    };
    old.create("PK", aws_sdk_dynamodb::types::ScalarAttributeType::S)
        .await;
    let mut item = Flask {
        old,
        setup: flask.setup,
    };
    let mut stored = item.item(DATA);
    let id = stored.remove("id").unwrap();
    stored.insert("PK".to_owned(), id);
    item.old.put(stored).await;
    let sessions = item.with(item.settings().key_attribute("PK").cookie(COOKIE));
    item.old.name.push('x');
    let mut ada = Browser::with_cookie(COOKIE, UUID);
    let reply = ada.visit(&sessions, peek).await;
    assert_eq!(
        (reply.body.as_str(), reply.cookies.len()),
        ("Some(7)", 1),
        "no removal"
    );
    assert_eq!(ada.visit(&sessions, count).await.body, "8");
}

#[tokio::test]
async fn flask_settings_that_cannot_work_are_errors() {
    let flask = Flask::new().await;
    for from in [
        FlaskSessions::table("a table"),
        flask.settings().key_attribute(""),
        flask.settings().cookie("two words"),
        flask.settings().cookie(COOKIE).keep(true),
    ] {
        let error = flask.with(from).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
    }
    let sessions = flask.with(FlaskSessions::table("not-there"));
    let mut ada = Browser::with_cookie("session", UUID);
    assert_eq!(ada.visit(&sessions, peek).await.status, 503);
    let errors = flask.setup.errors();
    assert_eq!(errors[0].kind(), ErrorKind::Misconfigured);
    assert!(
        errors[0].to_string().contains("import_from"),
        "{}",
        errors[0]
    );
    flask.setup.clock.advance(days(1));
}
