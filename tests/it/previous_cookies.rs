//! A change of the cookie's name, domain, path or partition while sessions live.

use lambda_sessions::SameSite;
use lambda_sessions::layer::PreviousCookie;

use crate::support::{
    COOKIE, ScopedBrowser, Sessions, Setup, Shape, count, logout, peek, plain_login, who,
};

/// Returns the changes: the settings before and after, and the previous cookie to declare
/// meanwhile.
fn changes(sessions: &Sessions) -> Vec<(&'static str, Sessions, Sessions, PreviousCookie)> {
    let named = || sessions.clone().cookie_name("sid");
    let sid = || PreviousCookie::new("sid");
    let embedded = || named().same_site(SameSite::None);
    vec![
        ("name", named(), sessions.clone(), sid()),
        (
            "no domain any more",
            named().cookie_domain("example.com"),
            named(),
            sid().domain("example.com"),
        ),
        (
            "a domain",
            named(),
            named().cookie_domain("example.com"),
            sid(),
        ),
        (
            "path",
            named().cookie_path("/app"),
            named(),
            sid().path("/app"),
        ),
        ("partition", embedded(), embedded().partitioned(true), sid()),
        (
            "no partition any more",
            embedded().partitioned(true),
            embedded(),
            sid().partitioned(true),
        ),
    ]
}

#[tokio::test]
async fn previous_cookie_hands_over_its_session() {
    let setup = Setup::new().await;
    for (what, before, after, previous) in changes(&setup.sessions) {
        let after = after.previous_cookie(previous);
        let mut browser = ScopedBrowser::logged_in(&before).await;
        let old = browser.jar[0].clone();
        setup.proxy.calls();
        let reply = browser.visit(&after, who).await;
        assert_eq!(reply.body, "ada", "{what}");
        // The write proves that the id is alive when the cookie is sent.
        assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem"], "{what}");
        assert_eq!(reply.cookies.len(), 2, "{what}: {:?}", reply.cookies);
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{what}");
        assert_eq!(browser.jar.len(), 1, "{what}: the previous one is gone");
        let new = &browser.jar[0];
        assert_eq!(new.value[..43], old.value[..43], "{what}: the same id");
        assert_ne!((&new.name, &new.scope), (&old.name, &old.scope), "{what}");

        // This happens once, even if both cookies have the same name.
        let reply = browser.visit(&after, who).await;
        assert_eq!(reply.body, "ada", "{what}");
        assert!(reply.cookies.is_empty(), "{what}: {:?}", reply.cookies);
        assert_eq!(setup.proxy.calls(), ["GetItem"], "{what}");
        // The previous version of the function accepts it, if it reads that name.
        if what != "name" {
            assert_eq!(browser.clone().visit(&before, who).await.body, "ada");
        }
    }
}

/// A dead id in a previous cookie does not get a new cookie.
#[tokio::test]
async fn previous_cookie_moves_no_dead_session() {
    let setup = Setup::new().await;
    let sessions = setup.sessions.clone().previous_cookie("sid");
    let dead = "A".repeat(43);
    let reply = Shape::HttpApi
        .visit(&sessions, &[&format!("sid={dead}")], who)
        .await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("nobody", 0));
}

/// Without a declared previous cookie, two cookies keep a client logged out until one of them
/// expires.
#[tokio::test]
async fn previous_cookie_ambiguity_ends_at_a_login() {
    let setup = Setup::new().await;
    for (what, before, after, previous) in changes(&setup.sessions) {
        // The change was deployed without declaring the previous cookie, and both versions have
        // seen a login.
        let mut browser = ScopedBrowser::logged_in(&before).await;
        let old = browser.jar[0].clone();
        browser.jar.clear();
        browser.visit(&after, plain_login).await;
        browser.jar.insert(0, old);
        assert_eq!(browser.jar.len(), 2);
        let expected = if what == "name" { "ada" } else { "nobody" };
        assert_eq!(browser.visit(&after, who).await.body, expected, "{what}");

        let after = after.previous_cookie(previous);
        assert_eq!(browser.visit(&after, who).await.body, expected, "{what}");
        browser.visit(&after, plain_login).await;
        assert_eq!(browser.jar.len(), 1, "{what}");
        for _ in 0..2 {
            let reply = browser.visit(&after, who).await;
            assert_eq!(reply.body, "ada", "{what}");
            assert!(reply.cookies.is_empty(), "{what}: {:?}", reply.cookies);
        }
    }
}

#[tokio::test]
async fn previous_cookie_is_removed_by_a_logout() {
    let setup = Setup::new().await;
    for (what, before, after, previous) in changes(&setup.sessions) {
        let after = after.previous_cookie(previous).previous_cookie("older");
        let mut browser = ScopedBrowser::logged_in(&before).await;
        let mut copy = browser.clone();
        browser.visit(&after, logout).await;
        assert!(browser.jar.is_empty(), "{what}");
        assert_eq!(copy.visit(&before, who).await.body, "nobody", "{what}");
        // Two rejected values are removed too.
        browser.keep("older=x; Path=/");
        browser.keep("older=y; Path=/");
        browser.keep(&format!("{COOKIE}=x; Path=/; Secure"));
        let reply = browser.visit(&after, logout).await;
        assert!(!reply.cookies.is_empty(), "{what}");
        assert!(browser.jar.iter().all(|kept| kept.name != "older"));
    }
}

#[tokio::test]
async fn previous_cookie_yields_to_the_current_one() {
    let setup = Setup::new().await;
    let before = setup.sessions.clone().cookie_name("sid");
    let sessions = setup.sessions.clone().previous_cookie("sid");
    let stranger = ScopedBrowser::default();
    let mut planted = stranger.clone();
    planted.visit(&before, count).await;
    let mut ada = ScopedBrowser::logged_in(&sessions).await;
    ada.jar.insert(0, planted.jar[0].clone());
    let reply = ada.visit(&sessions, who).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("ada", 0));
    assert_eq!(ada.visit(&sessions, peek).await.body, "None");
    // The next cookie that is sent removes it.
    ada.visit(&sessions, plain_login).await;
    assert_eq!(ada.jar.len(), 1);
}

#[tokio::test]
async fn previous_cookie_is_not_read_by_header_alone() {
    let setup = Setup::new().await;
    let before = setup.sessions.clone().cookie_name("sid");
    let mut browser = ScopedBrowser::logged_in(&before).await;
    let sessions = setup.sessions.clone().previous_cookie("sid");
    let sessions = sessions.id_header_only("X-SessionId");
    let reply = browser.visit(&sessions, who).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("nobody", 0));
}
