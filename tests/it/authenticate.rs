//! Sessions outside a handler: one read, no write and no cookie, whatever is due.

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use lambda_http::{Error, Request};
use lambda_sessions::session::ReadOnlySession;
use lambda_sessions::{ErrorKind, Key, MemoryStore, SameSite, Session, SessionLayer};
use serde_json::json;

use crate::support::{
    Action, Browser, Copies, SHAPES, Sessions, Setup, count, cycle, days, logged_in, login, logout,
    minutes, signing_key,
};

const NONE: [&str; 0] = [];
const NAME: Key<String> = Key::new("name");

/// Returns headers with the cookies of a browser.
fn headers(browser: &Browser) -> HeaderMap {
    let cookies: Vec<String> = browser
        .jar
        .iter()
        .map(|(n, v)| format!("{n}={v}"))
        .collect();
    header(COOKIE, &cookies.join("; "))
}

fn header(name: HeaderName, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
}

async fn seen(sessions: &Sessions, headers: &HeaderMap) -> Option<ReadOnlySession> {
    sessions.authenticate(headers).await.unwrap()
}

/// Returns the number of visits that a session shows, if there is a session.
async fn visits(sessions: &Sessions, headers: &HeaderMap) -> Option<i64> {
    let session = seen(sessions, headers).await?;
    session.get("visits").unwrap()
}

#[tokio::test]
async fn authenticate_reads_once_and_writes_nothing() {
    let setup = Setup::with_users().await;
    let old_key = setup.sessions.clone().signing_keys([signing_key(1)]);
    let ada = logged_in(&old_key).await;
    // A touch is due, by the record and by the hint. So are an automatic cycle and a new signature.
    let sessions = setup.sessions.clone().cycle_id_after(minutes(15));
    let sessions = sessions.signing_keys([signing_key(2), signing_key(1)]);
    setup.clock.advance(days(2));
    let before = setup.table.items().await;
    setup.proxy.calls();

    let session = seen(&sessions, &headers(&ada)).await.expect("it is alive");
    assert_eq!(setup.proxy.calls(), ["GetItem"]);
    assert_eq!(session.get(NAME).unwrap().as_deref(), Some("ada"));
    assert_eq!(session.get::<u32>("absent").unwrap(), None);
    let error = session.get::<u32>("name").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deserialize);
    assert_eq!(session.keys(), ["name"]);
    assert!(session.contains("name") && !session.contains("absent"));
    assert!(session.is_logged_in_as("ada") && !session.is_logged_in_as("grace"));
    assert_eq!(session.id().unwrap().expose(), ada.id().unwrap());
    let left = session.expires().duration_since(session.created()).unwrap();
    assert_eq!(left, days(14), "it was not extended");

    assert_eq!(setup.proxy.calls(), NONE, "the accessors do no I/O");
    assert_eq!(setup.table.items().await, before);
    let listed = sessions.user_sessions("ada").await.unwrap();
    assert_eq!(session.handle().as_deref(), Some(listed[0].handle()));
    // A guest has no login.
    let guest = setup.guest(count).await;
    let guest = seen(&setup.sessions, &headers(&guest)).await.unwrap();
    assert_eq!(guest.handle(), None);
    assert!(!guest.is_logged_in_as("ada"));
}

#[tokio::test]
async fn authenticate_without_a_live_session_is_none() {
    let setup = Setup::with_users().await;
    let sessions = &setup.sessions;
    let ada = logged_in(sessions).await;
    let id = ada.id().unwrap().to_owned();
    let other = setup.guest(count).await.id().unwrap().to_owned();
    setup.proxy.calls();
    let line = |line: &str| header(COOKIE, line);
    let mut two_lines = headers(&ada);
    two_lines.append(
        COOKIE,
        HeaderValue::try_from(format!("__Host-sid={other}")).unwrap(),
    );
    for (headers, what) in [
        (HeaderMap::new(), "no header"),
        (line(""), "an empty header"),
        (line("a=b"), "another cookie"),
        (line("__Host-sid="), "an empty value"),
        (line("__Host-sid=../../etc/passwd"), "garbage"),
        (
            line(&format!("__Host-sid={id}; __Host-sid={other}")),
            "two ids",
        ),
        (two_lines, "two ids in two lines"),
        (line(&format!("__host-sid={id}")), "another name"),
        (
            header(AUTHORIZATION, &format!("Bearer {id}")),
            "not the carrier",
        ),
    ] {
        assert!(seen(sessions, &headers).await.is_none(), "{what}");
        assert_eq!(setup.proxy.calls(), NONE, "{what}");
    }
    let forged = sessions.clone().signing_keys([signing_key(1)]);
    for value in [id.clone(), format!("{id}.{}", "A".repeat(43))] {
        let headers = line(&format!("__Host-sid={value}"));
        assert!(seen(&forged, &headers).await.is_none(), "{value}");
        assert_eq!(setup.proxy.calls(), NONE, "{value}");
    }

    // These cost the read.
    let unknown = line(&format!("__Host-sid={}", "A".repeat(43)));
    assert!(seen(sessions, &unknown).await.is_none());
    assert_eq!(setup.proxy.calls(), ["GetItem"]);
    let shorter = sessions.clone().lifetime(minutes(1));
    setup.clock.advance(minutes(1));
    assert!(
        seen(&shorter, &headers(&ada)).await.is_none(),
        "a shorter lifetime"
    );
    assert!(seen(sessions, &headers(&ada)).await.is_some());
    setup.clock.advance(days(14));
    assert!(seen(sessions, &headers(&ada)).await.is_none(), "expired");

    let mut bob = logged_in(sessions).await;
    let stale = bob.clone();
    bob.visit(sessions, cycle).await;
    assert!(
        seen(sessions, &headers(&stale)).await.is_none(),
        "a tombstone"
    );
    assert!(seen(sessions, &headers(&bob)).await.is_some());
    let logged_out = bob.clone();
    bob.visit(sessions, logout).await;
    assert!(
        seen(sessions, &headers(&logged_out)).await.is_none(),
        "logged out"
    );
    let revoked = logged_in(sessions).await;
    sessions.revoke_user("ada").await.unwrap();
    assert!(
        seen(sessions, &headers(&revoked)).await.is_none(),
        "revoked"
    );
}

#[tokio::test]
async fn authenticate_follows_a_redirect() {
    let setup = Setup::new().await;
    let sessions = setup.sessions.clone().cycle_id_after(minutes(15));
    let mut ada = Browser::new();
    ada.visit(&sessions, count).await;
    let previous = ada.clone();
    setup.clock.advance(minutes(15));
    assert_eq!(ada.visit(&sessions, count).await.cookies.len(), 1);
    setup.proxy.calls();
    let session = seen(&sessions, &headers(&previous)).await.unwrap();
    assert_eq!(setup.proxy.calls(), ["GetItem", "GetItem"]);
    assert_eq!(session.get::<i64>("visits").unwrap(), Some(2));
    setup.clock.advance(minutes(2));
    assert!(seen(&sessions, &headers(&previous)).await.is_none());
    assert_eq!(visits(&sessions, &headers(&ada)).await, Some(2));
}

/// The version in the cookie's hint decides whether an older copy is read again.
#[tokio::test]
async fn authenticate_sees_the_clients_own_writes() {
    let mut setup = Setup::new().await;
    let store = setup.table.store_at(&setup.proxy.endpoint);
    setup.use_store(store.eventually_consistent(true));
    setup.proxy.keep_copies(&Copies::default());
    let mut ada = setup.guest(count).await;
    let other = ada.clone();
    ada.visit(&setup.sessions, count).await;
    setup.proxy.script(|_, _| Action::Stale);
    let reads = async |browser: &Browser| {
        setup.proxy.seen();
        let visits = visits(&setup.sessions, &headers(browser)).await;
        let seen = setup.proxy.seen();
        let consistent: Vec<_> = seen
            .iter()
            .map(|call| call.body["ConsistentRead"].clone())
            .collect();
        (visits, consistent)
    };
    assert_eq!(
        reads(&ada).await,
        (Some(2), vec![json!(false), json!(true)])
    );
    assert_eq!(reads(&other).await, (Some(1), vec![json!(false)]));
    ada.forget_hints();
    assert_eq!(reads(&ada).await, (Some(2), vec![json!(true)]));
}

#[tokio::test]
async fn authenticate_uses_the_carrier_of_the_layer() {
    let setup = Setup::new().await;
    let shop = setup.sessions.clone().audience("shop");
    let mut ada = Browser::new();
    ada.visit(&shop, count).await;
    assert_eq!(visits(&shop, &headers(&ada)).await, Some(1));
    assert_eq!(visits(&setup.sessions, &headers(&ada)).await, None);

    let renamed = setup.sessions.clone().audience("shop").cookie_name("sid");
    assert_eq!(visits(&renamed, &headers(&ada)).await, None);
    let renamed = renamed.previous_cookie("__Host-sid");
    assert_eq!(visits(&renamed, &headers(&ada)).await, Some(1));

    let by_header = setup.sessions.clone().id_header("X-Session-Id");
    let reply = Browser::new().visit(&by_header, count).await;
    let id = reply.header("x-session-id").unwrap();
    let name = HeaderName::from_static("x-session-id");
    assert_eq!(visits(&by_header, &header(name, id)).await, Some(1));
    let cookie = header(COOKIE, &format!("__Host-sid={id}"));
    assert_eq!(visits(&by_header, &cookie).await, Some(1));
    let header_only = setup.sessions.clone().id_header_only("X-Session-Id");
    assert_eq!(visits(&header_only, &cookie).await, None);

    let bearer = setup.sessions.clone().id_header("Authorization");
    let token = header(AUTHORIZATION, &format!("Bearer {id}"));
    assert_eq!(visits(&bearer, &token).await, Some(1));
    assert_eq!(
        visits(&bearer, &header(AUTHORIZATION, &format!("Basic {id}"))).await,
        None
    );
}

#[tokio::test]
async fn authenticate_takes_a_list_of_cookies() {
    let setup = Setup::new().await;
    let ada = setup.guest(count).await;
    let own = format!("__Host-sid={}", ada.cookie().unwrap());
    let visits = async |cookies: &[&str]| {
        let session = setup.sessions.authenticate_cookies(cookies).await.unwrap();
        session.map(|session| session.get::<i64>("visits").unwrap())
    };
    assert_eq!(visits(&["a=b", &own, "c=d"]).await, Some(Some(1)));
    assert_eq!(
        visits(&["a=\u{1}", &own]).await,
        Some(Some(1)),
        "one odd cookie"
    );
    assert_eq!(visits(&[&own, &own]).await, Some(Some(1)), "twice the same");
    assert_eq!(visits(&[]).await, None);
    assert_eq!(visits(&["a=b"]).await, None);
    let other = format!("__Host-sid={}", "A".repeat(43));
    assert_eq!(visits(&[&own, &other]).await, None, "two ids");
    let owned = vec![own];
    let session = setup.sessions.authenticate_cookies(&owned).await.unwrap();
    assert!(session.is_some());
    let session = setup.sessions.authenticate_cookies(owned).await.unwrap();
    assert!(session.is_some());
}

/// An outage is not a logout.
#[tokio::test]
async fn authenticate_fails_only_if_the_store_fails() {
    let setup = Setup::new().await;
    let ada = setup.guest(count).await;
    for (action, kind) in [
        (
            Action::error(500, "InternalServerError"),
            ErrorKind::Unavailable,
        ),
        (
            Action::error(400, "ThrottlingException"),
            ErrorKind::Throttled,
        ),
        (
            Action::error(400, "AccessDeniedException"),
            ErrorKind::Misconfigured,
        ),
        (Action::Hang, ErrorKind::Timeout),
    ] {
        setup.proxy.script(move |_, _| action.clone());
        let error = setup.hasty().authenticate(&headers(&ada)).await;
        assert_eq!(error.unwrap_err().kind(), kind);
    }
    // One lost response is retried.
    setup.proxy.script(|_, n| {
        if n == 0 {
            Action::Reset
        } else {
            Action::Forward
        }
    });
    assert_eq!(visits(&setup.sessions, &headers(&ada)).await, Some(1));

    let invalid = setup
        .sessions
        .clone()
        .same_site(SameSite::None)
        .secure(false);
    let error = invalid.authenticate(&headers(&ada)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
}

/// A request that is under way and an authentication of the same client do not disturb each other.
#[tokio::test]
async fn authenticate_leaves_a_request_alone() {
    let sessions = SessionLayer::new(MemoryStore::new());
    let mut ada = Browser::new();
    ada.visit(&sessions, login).await;
    let (cookies, inside) = (headers(&ada), sessions.clone());
    let handler = move |_: Request, session: Session| {
        let (cookies, sessions) = (cookies.clone(), inside.clone());
        async move {
            session.increment("visits", 1)?;
            let seen = sessions.authenticate(&cookies).await?;
            let seen = seen.expect("it is alive");
            assert_eq!(seen.get::<i64>("visits")?, None, "it is not written yet");
            Ok::<_, Error>(session.get::<i64>("visits")?.unwrap().to_string())
        }
    };
    assert_eq!(ada.visit(&sessions, handler).await.body, "1");
    let seen = sessions
        .authenticate(&headers(&ada))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(seen.get::<i64>("visits").unwrap(), Some(1));
    let shown = format!("{seen:?}");
    assert!(
        !shown.contains(ada.id().unwrap()) && !shown.contains("visits"),
        "{shown}"
    );
}

/// Every front door's event authenticates by its headers, after the repair of its `Cookie` lines.
#[tokio::test]
async fn authenticate_works_by_every_front_door() {
    let setup = Setup::new().await;
    let ada = setup.guest(count).await;
    let own = format!("__Host-sid={}", ada.cookie().unwrap());
    for shape in SHAPES {
        let event = shape.event(&[&own]);
        let mut request = serde_json::from_value(event).unwrap();
        lambda_sessions::layer::repair_event(&mut request);
        let request = Request::from(request);
        assert_eq!(
            visits(&setup.sessions, request.headers()).await,
            Some(1),
            "{shape:?}"
        );
    }
}
