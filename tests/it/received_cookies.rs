//! Cookies that a client presents: unknown, malformed, smuggled, and two that differ.

use lambda_http::Request;
use lambda_sessions::Session;

use crate::support::{
    Browser, COOKIE, Reply, SHAPES, ScopedBrowser, Setup, Shape, count, logged_in, logout, peek,
    plain_login, who,
};

#[tokio::test]
async fn unknown_id_is_never_adopted() {
    let setup = Setup::new().await;
    for planted in ["A".repeat(43), format!("{}E", "x".repeat(42))] {
        let mut browser = Browser::with_cookie(COOKIE, &planted);
        let reply = browser.visit(&setup.sessions, peek).await;
        assert_eq!((reply.body.as_str(), reply.cookies.len()), ("None", 0));
        let reply = browser.visit(&setup.sessions, count).await;
        assert_eq!((reply.body.as_str(), reply.cookies.len()), ("1", 1));
        assert_ne!(browser.cookie(), Some(planted.as_str()));
    }
    assert_eq!(setup.table.items().await.len(), 2);
}

#[tokio::test]
async fn unknown_id_costs_one_read() {
    let setup = Setup::new().await;
    let planted = "A".repeat(43);
    let mut browser = Browser::with_cookie("__Host-sid", &planted);
    assert_eq!(browser.visit(&setup.sessions, count).await.body, "1");
    assert_ne!(browser.cookie(), Some(planted.as_str()));
    assert_eq!(setup.proxy.calls(), ["GetItem", "PutItem"]);
}

#[tokio::test]
async fn malformed_cookie_begins_a_new_session() {
    let setup = Setup::new().await;
    for cookie in [
        "",
        "x",
        "%00",
        &"A".repeat(42),
        &"=".repeat(43),
        &"A".repeat(9000),
    ] {
        let mut browser = Browser::with_cookie("__Host-sid", cookie);
        assert_eq!(
            browser.visit(&setup.sessions, count).await.body,
            "1",
            "{cookie}"
        );
        assert_eq!(setup.proxy.calls(), ["PutItem"], "{cookie}");
        assert_eq!(browser.id().unwrap().len(), 43);
    }
}

#[tokio::test]
async fn smuggled_cookie_is_ignored() {
    let setup = Setup::with_users().await;
    let (victim, attacker) = (logged_in(&setup.sessions).await, setup.guest(count).await);
    let (real, planted) = (victim.cookie().unwrap(), attacker.cookie().unwrap());
    // A sibling domain can set these names, or another parser would read them as `__Host-sid`.
    let names = [
        "__host-sid",
        "__HOST-SID",
        "__Host-Sid",
        "__Host%2dsid",
        "%5F%5FHost-sid",
        "\u{a0}__Host-sid",
        "\u{2003}__Host-sid",
        "__Host-sid\u{a0}",
        "\u{feff}__Host-sid",
        "\u{85}__Host-sid",
        "$__Host-sid",
        "\"__Host-sid\"",
        "sid",
        "=__Host-sid",
        "x=__Host-sid",
        ",__Host-sid",
        "a,b __Host-sid",
    ];
    for name in names {
        for shape in SHAPES {
            let smuggled = format!("{name}={planted}");
            // Alone it is ignored, and costs no call.
            setup.proxy.calls();
            let alone = visit(&setup, shape, &[&smuggled]).await;
            assert_eq!(alone.body, "nobody", "{shape:?} {name:?}");
            assert_eq!(setup.proxy.calls(), [""; 0], "{shape:?} {name:?}");
            // Before or after the real one it has no effect.
            let own = format!("{COOKIE}={real}");
            for cookies in [[&smuggled, &own], [&own, &smuggled]] {
                let cookies = cookies.map(String::as_str);
                let beside = visit(&setup, shape, &cookies).await;
                assert_eq!(beside.body, "ada", "{shape:?} {cookies:?}");
            }
        }
    }
}

#[tokio::test]
async fn garbage_hides_no_cookie_and_costs_no_call() {
    let setup = Setup::with_users().await;
    let victim = logged_in(&setup.sessions).await;
    let own = format!("{COOKIE}={}", victim.cookie().unwrap());
    let neighbours = [
        "x".repeat(10 * 1024),
        format!("n={}", "\u{e9}".repeat(100)),
        "a=\"quoted; not\"".to_owned(),
        ";;;; =; ==;a".to_owned(),
        "utm=a=b=c".to_owned(),
        "name=caf\u{e9}; \u{1f36a}=1".to_owned(),
    ];
    for neighbour in &neighbours {
        for shape in SHAPES {
            for cookies in [[neighbour, &own], [&own, neighbour]] {
                let cookies = cookies.map(String::as_str);
                let reply = visit(&setup, shape, &cookies).await;
                assert_eq!(reply.body, "ada", "{shape:?} {cookies:?}");
            }
        }
    }
    let id = victim.id().unwrap();
    setup.proxy.calls();
    for value in [
        String::new(),
        "x".repeat(10 * 1024),
        id[1..].to_owned(),
        format!("{id}A"),
        format!("\"{id}\""),
        format!("{id}%00"),
        id.replace(&id[..1], "%41"),
        format!("{}\u{e9}", &id[2..]),
    ] {
        for shape in SHAPES {
            let cookie = format!("{COOKIE}={value}");
            let reply = visit(&setup, shape, &[&cookie]).await;
            assert_eq!(reply.body, "nobody", "{shape:?} {value}");
        }
    }
    assert_eq!(setup.proxy.calls(), [""; 0]);
}

#[tokio::test]
async fn two_different_cookies_are_both_refused() {
    let setup = Setup::with_users().await;
    let (victim, attacker) = (logged_in(&setup.sessions).await, setup.guest(count).await);
    let [own, planted] = [&victim, &attacker].map(|who| who.cookie().unwrap());
    let [own, planted] = [own, planted].map(|id| format!("{COOKIE}={id}"));
    let unknown = format!("{COOKIE}={}", "A".repeat(43));
    let garbage = format!("{COOKIE}=garbage");
    setup.proxy.calls();
    for other in [&planted, &unknown, &garbage] {
        for shape in SHAPES {
            for cookies in [[other, &own], [&own, other]] {
                let cookies = cookies.map(String::as_str);
                let reply = visit(&setup, shape, &cookies).await;
                assert_eq!(reply.body, "nobody", "{shape:?} {cookies:?}");
                assert_eq!(reply.cookies, [""; 0], "{shape:?}");
            }
        }
    }
    assert_eq!(setup.proxy.calls(), [""; 0], "nothing was asked for them");
    for shape in SHAPES {
        let twice = visit(&setup, shape, &[&own, &own]).await;
        assert_eq!(twice.body, "ada", "the same twice is one: {shape:?}");
    }
}

/// Sends a request with these cookies, and returns the name that it sees.
async fn visit(setup: &Setup, shape: Shape, cookies: &[&str]) -> Reply {
    shape.visit(&setup.sessions, cookies, who).await
}

/// Two different ids are both rejected. A logout still ends both sessions, because the client
/// presented both ids.
#[tokio::test]
async fn two_ids_are_both_ended_by_a_logout() {
    let setup = Setup::new().await;
    for shape in SHAPES {
        for garbage in [false, true] {
            let ada = ScopedBrowser::logged_in(&setup.sessions).await;
            let bob = ScopedBrowser::logged_in(&setup.sessions).await;
            let lines = [&ada, &bob].map(|who| format!("{COOKIE}={}", who.jar[0].value));
            let second = if garbage {
                "__Host-sid=garbage"
            } else {
                &lines[1]
            };
            let both = [lines[0].as_str(), second];
            assert_eq!(
                shape.visit(&setup.sessions, &both, who).await.body,
                "nobody"
            );
            let reply = shape.visit(&setup.sessions, &both, logout).await;
            assert_eq!((reply.status, reply.cookies.len()), (200, 1), "{shape:?}");
            for (line, ended) in lines.iter().zip([true, !garbage]) {
                let seen = shape.visit(&setup.sessions, &[line], who).await.body;
                assert_eq!(seen == "nobody", ended, "{shape:?} {garbage}");
            }
        }
    }
}

/// A logout that could not end one of the sessions fails.
#[tokio::test]
async fn two_ids_logout_fails_if_one_stays() {
    use crate::support::Action;
    let setup = Setup::new().await;
    let ada = ScopedBrowser::logged_in(&setup.sessions).await;
    let bob = ScopedBrowser::logged_in(&setup.sessions).await;
    let lines = [&ada, &bob].map(|who| format!("{COOKIE}={}", who.jar[0].value));
    let both = lines.each_ref().map(String::as_str);
    setup
        .proxy
        .script(|operation, before| match (operation, before) {
            ("DeleteItem", 0) => Action::error(400, "AccessDeniedException"),
            _ => Action::Forward,
        });
    let shape = Shape::HttpApi;
    let reply = shape.visit(&setup.sessions, &both, logout).await;
    assert_eq!((reply.status, reply.cookies.len()), (503, 0));
    let seen = shape.visit(&setup.sessions, &[&lines[1]], who).await;
    assert_eq!(seen.body, "nobody", "the other session was ended");
}

#[tokio::test]
async fn two_ids_are_both_ended_by_a_login() {
    let setup = Setup::with_users().await;
    for plain in [true, false] {
        let ada = ScopedBrowser::logged_in(&setup.sessions).await;
        let bob = ScopedBrowser::logged_in(&setup.sessions).await;
        let lines = [&ada, &bob].map(|who| format!("{COOKIE}={}", who.jar[0].value));
        let both = lines.each_ref().map(String::as_str);
        let handler = |request: Request, session: Session| async move {
            if !plain {
                session.log_in("ada")?;
            }
            plain_login(request, session).await
        };
        let reply = Shape::HttpApi.visit(&setup.sessions, &both, handler).await;
        assert_eq!((reply.status, reply.cookies.len()), (200, 1));
        for line in both {
            let seen = Shape::HttpApi.visit(&setup.sessions, &[line], who).await;
            assert_eq!(seen.body, "nobody");
        }
    }
}
