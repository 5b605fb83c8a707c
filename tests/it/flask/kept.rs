//! Flask goes on serving a part of the site: its item and its cookie stay.

use lambda_http::{Error, Request};
use lambda_sessions::Session;

use super::{DATA, Flask, UUID};
use crate::support::{Action, Browser, count, days, logout, minutes, name_seen, peek, text};

#[tokio::test]
async fn flask_keeps_its_item_and_its_cookie() {
    let flask = Flask::new().await;
    let sessions = flask.with(flask.settings().keep(true));
    let mut ada = flask.visitor().await;
    let before = flask.old.item().await;
    let reply = ada.visit(&sessions, count).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("8", 1));
    let calls = flask.setup.proxy.calls();
    assert_eq!(calls, ["GetItem", "TransactWriteItems", "UpdateItem"]);
    assert_eq!((ada.jar.len(), flask.old.item().await), (2, before));
    // Each request carries both cookies from now on.
    assert_eq!(ada.visit(&sessions, count).await.body, "9");
    assert_eq!(flask.setup.proxy.calls(), ["GetItem", "UpdateItem"]);
    assert_eq!(flask.stored().await, (1, 2));
    // A client without our cookie is led to the session by the mark, and soon gets a new id.
    let only_old = Browser::with_cookie("session", UUID);
    let mark = ["GetItem", "TransactWriteItems", "GetItem", "GetItem"];
    assert_eq!(
        only_old.clone().visit(&sessions, peek).await.body,
        "Some(9)"
    );
    assert_eq!(flask.setup.proxy.calls(), mark);
    flask.setup.clock.advance(minutes(2));
    let mut again = only_old.clone();
    assert_eq!(again.visit(&sessions, peek).await.body, "Some(9)");
    let moved = [&mark[..], &["TransactWriteItems", "PutItem"]].concat();
    assert_eq!(flask.setup.proxy.calls(), moved);
    assert_eq!((again.jar.len(), flask.old.items().await.len()), (2, 1));
}

#[tokio::test]
async fn flask_kept_session_ends_with_ours() {
    let flask = Flask::new().await;
    let sessions = flask.with(flask.settings().keep(true));
    let mut ada = flask.visitor().await;
    let stolen = ada.clone();
    ada.visit(&sessions, count).await;
    flask.setup.proxy.calls();
    let reply = ada.visit(&sessions, logout).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 2));
    assert_eq!(
        flask.setup.proxy.calls(),
        ["GetItem", "DeleteItem", "DeleteItem"]
    );
    assert!(ada.jar.is_empty() && flask.old.items().await.is_empty());
    assert_eq!(flask.stored().await, (0, 1), "the mark stays");
    // The package adopts ids that it does not know, so the item may come back. Our session does not.
    flask.put(DATA).await;
    for day in [0, 1, 30, 50] {
        flask.setup.clock.advance(days(day));
        let ttl = crate::support::number(flask.setup.clock.seconds() + 100);
        let mut item = flask.item(DATA);
        item.insert("ttl".to_owned(), ttl);
        flask.old.put(item).await;
        assert_eq!(name_seen(&sessions, &stolen).await, "nobody", "{day}");
    }

    // A logout that begins another session ends both as well.
    let flask = Flask::new().await;
    let sessions = flask.with(flask.settings().keep(true));
    let mut ada = flask.visitor().await;
    let anew = |_: Request, session: Session| async move {
        session.destroy()?;
        session.insert("theme", "dark")?;
        Ok::<_, Error>("")
    };
    let reply = ada.visit(&sessions, anew).await;
    assert_eq!(
        (reply.status, reply.cookies.len(), ada.jar.len()),
        (200, 2, 1)
    );
    assert!(flask.old.items().await.is_empty());
}

/// A logout that fails leaves both, and can be repeated.
#[tokio::test]
async fn flask_kept_logout_that_fails_is_repeated() {
    for fails in [0, 1] {
        let flask = Flask::new().await;
        let sessions = flask.with(flask.settings().keep(true));
        let mut ada = flask.visitor().await;
        ada.visit(&sessions, count).await;
        flask.setup.proxy.script(move |called, n| match called {
            "DeleteItem" if n == fails => Action::error(400, "AccessDeniedException"),
            _ => Action::Forward,
        });
        let reply = ada.visit(&sessions, logout).await;
        assert_eq!((reply.status, reply.cookies.len()), (503, 0));
        assert_eq!(
            name_seen(&sessions, &ada).await,
            "ada",
            "it is not half a logout"
        );
        flask.setup.proxy.script(|_, _| Action::Forward);
        assert_eq!(ada.visit(&sessions, logout).await.status, 200);
        assert!(ada.jar.is_empty() && flask.old.items().await.is_empty());
        assert_eq!(flask.stored().await.0, 0);
    }
}

#[tokio::test]
async fn flask_kept_session_ended_there_stays_ended() {
    let flask = Flask::new().await;
    let sessions = flask.with(flask.settings().keep(true));
    let mut ada = Browser::with_cookie("session", UUID);
    assert_eq!(ada.visit(&sessions, peek).await.body, "None");
    assert_eq!(flask.setup.proxy.calls(), ["GetItem"]);
    // The session of ours goes on. A client with Flask's cookie only has logged out there.
    let mut ada = flask.visitor().await;
    let only_old = ada.clone();
    ada.visit(&sessions, count).await;
    flask.old.delete(&text(UUID)).await;
    assert_eq!(name_seen(&sessions, &ada).await, "ada");
    flask.setup.clock.advance(minutes(5));
    assert_eq!(name_seen(&sessions, &only_old).await, "nobody");
}

/// Flask has used its session for longer than ours may live.
#[tokio::test]
async fn flask_kept_session_is_taken_again_at_the_end() {
    let flask = Flask::new().await;
    let from = flask.settings().keep(true);
    let sessions = flask.with(from).lifetime(days(20)).idle_timeout(days(20));
    let mut ada = flask.visitor().await;
    ada.visit(&sessions, count).await;
    for (day, visits) in [(19, "9"), (2, "8")] {
        flask.setup.clock.advance(days(day));
        flask.put(DATA).await;
        assert_eq!(ada.visit(&sessions, count).await.body, visits, "{day}");
    }
    assert_eq!(ada.jar.len(), 2);
    assert_eq!(flask.stored().await.0, 2, "the first one has expired");
}

/// First both serve, then Flask is switched off.
#[tokio::test]
async fn flask_kept_sessions_go_on_after_the_switch() {
    let flask = Flask::new().await;
    let both = flask.with(flask.settings().keep(true));
    let mut ada = flask.visitor().await;
    let only_old = ada.clone();
    ada.visit(&both, count).await;
    let after = flask.sessions();
    assert_eq!(ada.visit(&after, count).await.body, "9");
    flask.setup.clock.advance(minutes(5));
    let mut again = only_old.clone();
    assert_eq!(
        again.visit(&after, count).await.body,
        "10",
        "it is the same session"
    );
    assert_eq!(again.jar.len(), 1);
}

/// An authorizer only reads, so it takes nothing over.
#[tokio::test]
async fn flask_session_is_not_authenticated() {
    let flask = Flask::new().await;
    flask.put(DATA).await;
    let mut headers = http::HeaderMap::new();
    headers.insert("cookie", format!("session={UUID}").parse().unwrap());
    let session = flask.sessions().authenticate(&headers).await.unwrap();
    assert!(session.is_none() && flask.setup.proxy.calls().is_empty());
    assert_eq!(flask.old.items().await.len(), 1);
}
