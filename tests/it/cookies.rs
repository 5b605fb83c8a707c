//! The response's cookie and its caching headers: when the cookie is sent, its attributes, and what
//! happens to the handler's own headers.

use std::time::Duration;

use lambda_http::{Body, Error, Request, Response};
use lambda_sessions::{SameSite, Session};

use crate::support::{
    Browser, COOKIE, SHAPES, ScopedBrowser, Setup, count, direct_sessions, login, minutes, peek,
};

#[tokio::test]
async fn cookie_is_sent_once_until_a_touch_is_due() {
    let (sessions, _, clock) = direct_sessions().await;
    let mut ada = Browser::new();
    let first = ada.visit(&sessions, count).await;
    let id = ada.id().unwrap().to_owned();
    assert_eq!(first.cookies.len(), 1);
    let (pair, attributes) = first.cookies[0].split_once("; ").unwrap();
    // A touch is due in an hour, at 2,000,003,600.
    assert_eq!(pair, format!("__Host-sid={id}~tx2r0nk"));
    let mut attributes: Vec<&str> = attributes.split("; ").collect();
    attributes.sort_unstable();
    assert_eq!(
        attributes,
        [
            "HttpOnly",
            "Max-Age=1209600",
            "Path=/",
            "SameSite=Lax",
            "Secure"
        ]
    );
    assert_eq!(first.header("cache-control"), Some("no-store"));
    assert_eq!(first.header("vary"), Some("Cookie"));

    let second = ada.visit(&sessions, count).await;
    assert!(second.cookies.is_empty(), "the same id, a moment later");
    assert_eq!(second.header("cache-control"), Some("private"));

    clock.advance(minutes(60));
    for (handler, hint) in [("a read", "~tx2r3fk"), ("a write", "~tx2r67k")] {
        let reply = match handler {
            "a read" => ada.visit(&sessions, peek).await,
            _ => ada.visit(&sessions, count).await,
        };
        assert_eq!(reply.cookies.len(), 1, "{handler} in the touch window");
        let cookie = format!("{id}{hint}");
        assert_eq!(ada.cookie(), Some(&*cookie), "{handler}: the same id");
        clock.advance(minutes(60));
    }
}

/// A client that writes in every request must not lose its cookie, so its `Max-Age` is extended.
#[tokio::test]
async fn cookie_of_a_frequent_writer_is_extended() {
    let (sessions, _, clock) = direct_sessions().await;
    let sessions = sessions
        .idle_timeout(minutes(100))
        .touch_interval(minutes(10));
    let mut ada = Browser::new();
    ada.visit(&sessions, count).await;
    let mut since_cookie = 0;
    for n in 2..=40 {
        clock.advance(minutes(4));
        let reply = ada.visit(&sessions, count).await;
        assert_eq!(reply.body, n.to_string());
        since_cookie = if reply.cookies.is_empty() {
            since_cookie + 4
        } else {
            0
        };
        assert!(since_cookie < 14, "minutes without a new Max-Age");
    }
}

#[tokio::test]
async fn cookie_has_the_configured_attributes() {
    let (sessions, ..) = direct_sessions().await;
    let sessions = sessions
        .cookie_name("app")
        .cookie_path("/app")
        .cookie_domain("example.com")
        .same_site(SameSite::None)
        .http_only(false)
        .partitioned(true)
        .browser_session(true);
    let reply = Browser::new().visit(&sessions, count).await;
    let mut parts: Vec<&str> = reply.cookies[0].split("; ").skip(1).collect();
    parts.sort_unstable();
    assert_eq!(
        parts,
        [
            "Domain=example.com",
            "Partitioned",
            "Path=/app",
            "SameSite=None",
            "Secure"
        ]
    );
}

/// An early save does not prove that the id is alive at the end.
#[tokio::test]
async fn cookie_is_not_sent_for_an_id_that_died() {
    let setup = Setup::with_users().await;
    let ada = setup.guest(count).await;
    setup.clock.advance(minutes(61));
    let (setup, other, elsewhere) = (&setup, &ada.clone(), &setup.elsewhere());
    let slow = |_: Request, session: Session| async move {
        session.increment("visits", 1)?;
        session.save().await?;
        other.clone().visit(elsewhere, login).await;
        setup.clock.advance(Duration::from_secs(1));
        Ok::<_, Error>(String::new())
    };
    let reply = ada.clone().visit(&setup.sessions, slow).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 0));
}

#[tokio::test]
async fn cookies_of_the_handler_stay() {
    let (sessions, ..) = direct_sessions().await;
    let own = |_: Request, session: Session| async move {
        session.insert("a", 1)?;
        Ok(Response::builder()
            .header("set-cookie", "theme=dark; Path=/")
            .header("set-cookie", "lang=en; Path=/")
            .header("cache-control", "public, max-age=60")
            .header("vary", "Accept")
            .body(Body::Empty)?)
    };
    let reply = Browser::new().visit(&sessions, own).await;
    assert_eq!(reply.cookies.len(), 3, "{:?}", reply.cookies);
    assert!(reply.cookies.contains(&"theme=dark; Path=/".to_owned()));
    assert_eq!(
        reply.header("cache-control"),
        Some("no-store"),
        "it carries an id"
    );
}

#[tokio::test]
async fn cookie_of_our_scope_is_sent_once() {
    let setup = Setup::new().await;
    const THEIRS: [&str; 3] = [
        "__Host-sid=theirs; Path=/; Secure",
        "__Host-sid=theirs; Path=/elsewhere; Secure",
        "theme=dark",
    ];
    let respond = |act: &'static str| {
        move |_: Request, session: Session| async move {
            match act {
                "login" => session.insert("name", "ada")?,
                "logout" => session.destroy()?,
                _ => {}
            }
            let mut response = Response::builder();
            for cookie in THEIRS {
                response = response.header("set-cookie", cookie);
            }
            Ok::<_, Error>(response.body(Body::Empty)?)
        }
    };
    for shape in SHAPES {
        let ada = ScopedBrowser::logged_in(&setup.sessions).await;
        let line = format!("{COOKIE}={}", ada.jar[0].value);
        for (act, lines) in [("login", vec![]), ("logout", vec![line.as_str()])] {
            let reply = shape.visit(&setup.sessions, &lines, respond(act)).await;
            let found = &reply.cookies;
            assert_eq!(found.len(), 3, "{shape:?} {act}: {found:?}");
            assert!(found[0].starts_with(COOKIE) && !found[0].contains("theirs"));
            assert_eq!(found[1..], THEIRS[1..], "{shape:?} {act}");
        }
        let lines = [line.as_str()];
        let reply = shape.visit(&setup.sessions, &lines, respond("read")).await;
        assert_eq!(
            reply.cookies, THEIRS,
            "{shape:?}: nothing is set or removed"
        );
    }
}

#[tokio::test]
async fn caching_of_the_handler_is_overruled() {
    let setup = Setup::new().await;
    let respond = |act: &'static str| {
        move |_: Request, session: Session| async move {
            match act {
                "login" => session.insert("name", "ada")?,
                "logout" => session.destroy()?,
                _ => {}
            }
            Ok::<_, Error>(
                Response::builder()
                    .header("cache-control", "private, max-age=60")
                    .header("cdn-cache-control", "max-age=60")
                    .header("cloudflare-cdn-cache-control", "max-age=60")
                    .header("surrogate-control", "max-age=60")
                    .body(Body::Empty)?,
            )
        }
    };
    let names = [
        "cache-control",
        "cdn-cache-control",
        "cloudflare-cdn-cache-control",
        "surrogate-control",
    ];
    let mut browser = Browser::new();
    for act in ["login", "read", "logout"] {
        let reply = browser.visit(&setup.sessions, respond(act)).await;
        let said = names.map(|name| reply.header(name).unwrap());
        match act {
            "read" => assert!(said.iter().all(|said| said.ends_with("max-age=60"))),
            _ => assert_eq!(said, ["no-store"; 4], "{act}"),
        }
    }
}
