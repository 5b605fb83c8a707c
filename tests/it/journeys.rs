//! Journeys of a client that keeps cookies, through the real `lambda_http` adapter.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::support::{Clock, Table, Visitor, days, minutes};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Error, Request, Response};
use lambda_sessions::{ErrorKind, MemoryStore, SameSite, Session, SessionExt as _, SessionLayer};

type Sessions = SessionLayer<lambda_sessions::DynamoDbStore>;

async fn sessions() -> (Sessions, Table, Clock) {
    let (table, clock) = (Table::new().await, Clock::new());
    let sessions = SessionLayer::new(table.store()).clock(clock.reader());
    (sessions, table, clock)
}

async fn count(_: Request, session: Session) -> Result<String, Error> {
    Ok(session.increment("visits", 1)?.to_string())
}

async fn peek(_: Request, session: Session) -> Result<String, Error> {
    Ok(format!("{:?}", session.get::<i64>("visits")?))
}

async fn login(_: Request, session: Session) -> Result<&'static str, Error> {
    session.cycle_id()?;
    session.insert("user", "ada")?;
    Ok("")
}

async fn logout(_: Request, session: Session) -> Result<&'static str, Error> {
    session.destroy()?;
    Ok("")
}

async fn who(_: Request, session: Session) -> Result<String, Error> {
    Ok(session
        .get::<String>("user")?
        .unwrap_or_else(|| "nobody".to_owned()))
}

#[tokio::test]
async fn a_counter_counts_each_visitor() {
    let (sessions, ..) = sessions().await;
    let (mut ada, mut bob) = (Visitor::new(), Visitor::new());
    for n in 1..=3 {
        assert_eq!(ada.visit(&sessions, count).await.body, n.to_string());
    }
    assert_eq!(bob.visit(&sessions, count).await.body, "1");
    assert_ne!(ada.cookie(), bob.cookie());
}

#[tokio::test]
async fn the_cookie_is_sent_once_until_a_touch_is_due() {
    let (sessions, _, clock) = sessions().await;
    let mut ada = Visitor::new();
    let first = ada.visit(&sessions, count).await;
    let id = ada.cookie().unwrap().to_owned();
    assert_eq!(first.cookies.len(), 1);
    let (pair, attributes) = first.cookies[0].split_once("; ").unwrap();
    assert_eq!(pair, format!("__Host-sid={id}"));
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
    for handler in ["a read", "a write"] {
        let reply = match handler {
            "a read" => ada.visit(&sessions, peek).await,
            _ => ada.visit(&sessions, count).await,
        };
        assert_eq!(reply.cookies.len(), 1, "{handler} in the touch window");
        assert_eq!(ada.cookie(), Some(id.as_str()), "{handler}: the same id");
        clock.advance(minutes(60));
    }
}

/// A client that writes in every request must not lose its cookie: its `Max-Age` has to move.
#[tokio::test]
async fn a_client_that_always_writes_keeps_its_cookie() {
    let (sessions, _, clock) = sessions().await;
    let sessions = sessions
        .idle_timeout(minutes(100))
        .touch_interval(minutes(10));
    let mut ada = Visitor::new();
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
async fn reading_an_empty_session_stores_nothing_and_sets_no_cookie() {
    let (sessions, table, _) = sessions().await;
    let mut ada = Visitor::new();
    let reply = ada.visit(&sessions, peek).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("None", 0));
    let emptied = ada
        .visit(&sessions, |_, session: Session| async move {
            session.insert("a", 1)?;
            session.remove("a")?;
            assert!(session.is_empty() && session.is_new() && session.id().is_none());
            Ok("")
        })
        .await;
    assert_eq!(emptied.cookies.len(), 0);
    assert_eq!(table.items().await.len(), 0);
}

#[tokio::test]
async fn clear_stores_the_emptiness_and_destroy_removes_it() {
    let (sessions, table, _) = sessions().await;
    let mut ada = Visitor::new();
    ada.visit(&sessions, count).await;
    let clear = |_: Request, session: Session| async move {
        session.clear()?;
        Ok("")
    };
    ada.visit(&sessions, clear).await;
    let item = table.item().await;
    assert!(item["data"].as_m().unwrap().is_empty());
    assert!(ada.cookie().is_some());

    let reply = ada.visit(&sessions, logout).await;
    assert_eq!(table.items().await.len(), 0);
    assert_eq!(ada.cookie(), None);
    let mut removal: Vec<&str> = reply.cookies[0].split("; ").collect();
    removal.sort_unstable();
    assert_eq!(
        removal,
        [
            "Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "HttpOnly",
            "Max-Age=0",
            "Path=/",
            "SameSite=Lax",
            "Secure",
            "__Host-sid="
        ]
    );
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_login_changes_the_id_and_kills_the_old_one() {
    let (sessions, table, clock) = sessions().await;
    let mut ada = Visitor::new();
    ada.visit(&sessions, count).await;
    let mut attacker = ada.clone();
    clock.advance(Duration::from_secs(5));

    ada.visit(&sessions, login).await;
    assert_ne!(ada.cookie(), attacker.cookie());
    assert_eq!(ada.visit(&sessions, who).await.body, "ada");
    assert_eq!(
        ada.visit(&sessions, peek).await.body,
        "Some(1)",
        "the data came along"
    );
    assert_eq!(table.items().await.len(), 2, "the record and the stub");

    // The old id sees nothing, and what it changes begins another session.
    assert_eq!(attacker.visit(&sessions, who).await.body, "nobody");
    let begun = attacker.clone().visit(&sessions, count).await;
    assert_eq!((begun.body.as_str(), begun.cookies.len()), ("1", 1));
    let out = attacker.clone().visit(&sessions, logout).await;
    assert_eq!((out.status, out.cookies.len()), (200, 1));
    assert_eq!(ada.visit(&sessions, who).await.body, "ada");
    // A login of its own begins afresh.
    let reply = attacker.visit(&sessions, login).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    assert_eq!(attacker.visit(&sessions, peek).await.body, "None");
    assert_eq!(
        ada.visit(&sessions, who).await.body,
        "ada",
        "and hers is as it was"
    );

    // Once the stub's time is over the old id is as unknown as any.
    let mut late = Visitor::with_cookie("__Host-sid", "");
    late.jar.clone_from(&attacker.jar);
    clock.advance(minutes(3));
    assert_eq!(late.visit(&sessions, count).await.status, 200);
}

#[tokio::test]
async fn destroy_then_insert_begins_a_new_session_at_once() {
    let (sessions, table, _) = sessions().await;
    let mut ada = Visitor::new();
    ada.visit(&sessions, count).await;
    let before = ada.cookie().map(str::to_owned);
    let anew = |_: Request, session: Session| async move {
        session.destroy()?;
        assert!(session.is_empty());
        session.insert("flash", "bye")?;
        assert_eq!(session.keys(), ["flash"]);
        Ok("")
    };
    ada.visit(&sessions, anew).await;
    assert!(ada.cookie().is_some() && ada.cookie() != before.as_deref());
    let item = table.item().await;
    assert_eq!(item["data"].as_m().unwrap().len(), 1);
    let mut old = Visitor::with_cookie("__Host-sid", &before.unwrap());
    assert_eq!(old.visit(&sessions, peek).await.body, "None");
}

/// Rules of the commit: what fails commits nothing, a logout aside.
#[tokio::test]
async fn a_failing_handler_commits_nothing_but_a_logout() {
    let (sessions, table, _) = sessions().await;
    let mut ada = Visitor::new();
    ada.visit(&sessions, count).await;

    let server_error = |_: Request, session: Session| async move {
        session.increment("visits", 1)?;
        session.cycle_id()?;
        Ok(Response::builder().status(503).body(Body::Empty)?)
    };
    let reply = ada.visit(&sessions, server_error).await;
    assert_eq!((reply.status, reply.cookies.len()), (503, 0));
    let error = |_: Request, session: Session| async move {
        session.increment("visits", 1)?;
        Err::<&str, Error>("the handler's own".into())
    };
    let refused = ada.try_visit(&sessions, error).await.unwrap_err();
    assert_eq!(refused.to_string(), "the handler's own", "kept as it is");
    assert_eq!(
        ada.visit(&sessions, peek).await.body,
        "Some(1)",
        "the old id, the old data"
    );

    // 4xx is an answer, not a failure.
    let client_error = |_: Request, session: Session| async move {
        session.increment("visits", 1)?;
        Ok((StatusCode::NOT_FOUND, "no such page"))
    };
    assert_eq!(ada.visit(&sessions, client_error).await.status, 404);
    assert_eq!(ada.visit(&sessions, peek).await.body, "Some(2)");

    for fails_with in ["503", "Err"] {
        let mut bob = Visitor::new();
        bob.visit(&sessions, count).await;
        let stored = table.items().await.len();
        let logout_then_fail = |_: Request, session: Session| async move {
            session.destroy()?;
            session.insert("never", "stored")?;
            match fails_with {
                "503" => Ok(Response::builder().status(503).body(Body::Empty)?),
                _ => Err::<Response<Body>, Error>("failed".into()),
            }
        };
        let reply = bob.try_visit(&sessions, logout_then_fail).await;
        assert_eq!(reply.is_ok(), fails_with == "503");
        assert_eq!(
            table.items().await.len(),
            stored - 1,
            "{fails_with}: logged out all the same"
        );
    }
}

#[tokio::test]
async fn a_panic_and_a_dropped_request_commit_nothing() {
    let (sessions, table, _) = sessions().await;
    let mut ada = Visitor::new();
    ada.visit(&sessions, count).await;
    let before = table.item().await;

    let (panicking, mut visitor) = (sessions.clone(), ada.clone());
    let task = tokio::spawn(async move {
        let panics = |_: Request, session: Session| async move {
            session.increment("visits", 1)?;
            if session.contains("visits") {
                panic!("in the handler");
            }
            Ok("")
        };
        visitor.visit(&panicking, panics).await
    });
    assert!(task.await.unwrap_err().is_panic());

    let hangs = |_: Request, session: Session| async move {
        session.destroy()?;
        std::future::pending::<()>().await;
        Ok("")
    };
    let dropped = tokio::time::timeout(Duration::from_millis(300), ada.visit(&sessions, hangs));
    assert!(dropped.await.is_err());
    assert_eq!(table.item().await, before);
    assert_eq!(
        ada.visit(&sessions, count).await.body,
        "2",
        "the next request is healthy"
    );
}

/// When it was the session that failed the handler, `on_error` answers, with `wrap` and with the
/// layer, and not Lambda's 502.
#[tokio::test]
async fn a_session_method_that_fails_the_handler_answers_by_on_error() {
    let (sessions, ..) = sessions().await;
    let mistyped = |session: Session| async move {
        session.insert("n", "text")?;
        session.get::<u32>("n")?;
        Ok::<_, Error>("")
    };
    let wrapped = |_: Request, session: Session| mistyped(session);
    let layered = |request: Request| async move { mistyped(request.session().await?).await };
    for reply in [
        Visitor::new().visit(&sessions, wrapped).await,
        Visitor::new().visit_layered(&sessions, layered).await,
    ] {
        assert_eq!((reply.status, reply.cookies.len()), (500, 0));
        assert!(!reply.body.contains("text"), "{}", reply.body);
    }

    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let custom = sessions.on_error(move |error| {
        count.fetch_add(1, Ordering::SeqCst);
        assert_eq!(error.kind(), ErrorKind::Deserialize);
        let response = http::Response::builder().status(418);
        response.body("short and stout".to_owned()).unwrap()
    });
    let reply = Visitor::new().visit(&custom, wrapped).await;
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (418, "short and stout")
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);

    // A failure that the handler dealt with is its own affair.
    let dealt_with = |_: Request, session: Session| async move {
        session.insert("n", 1)?;
        assert!(session.insert("", 1).is_err());
        Ok("fine")
    };
    assert_eq!(Visitor::new().visit(&custom, dealt_with).await.body, "fine");
}

#[tokio::test]
async fn idle_sessions_die_to_the_second() {
    let (sessions, _, clock) = sessions().await;
    let sessions = sessions
        .idle_timeout(minutes(30))
        .touch_interval(Duration::ZERO);
    let mut ada = Visitor::new();
    ada.visit(&sessions, count).await;
    clock.advance(minutes(30) - Duration::from_secs(1));
    assert_eq!(
        ada.visit(&sessions, count).await.body,
        "2",
        "alive, and touched"
    );
    clock.advance(minutes(30) - Duration::from_secs(1));
    assert_eq!(
        ada.visit(&sessions, peek).await.body,
        "Some(2)",
        "a read touches too"
    );
    let old = ada.cookie().unwrap().to_owned();
    clock.advance(minutes(30));
    assert_eq!(
        ada.visit(&sessions, count).await.body,
        "1",
        "dead, though DynamoDB has it still"
    );
    assert_ne!(ada.cookie(), Some(old.as_str()), "its id is never adopted");
}

#[tokio::test]
async fn a_lifetime_ends_whatever_is_done() {
    let (sessions, table, clock) = sessions().await;
    let sessions = sessions.lifetime(days(3)).idle_timeout(days(2));
    let mut ada = Visitor::new();
    ada.visit(&sessions, count).await;
    let begun = clock.seconds();
    clock.advance(days(1));
    ada.visit(&sessions, login).await;
    clock.advance(days(1));
    ada.visit(&sessions, count).await;
    let end = (begun + days(3).as_secs()).to_string();
    let ttls = table.items().await;
    assert!(
        ttls.iter().any(|item| item["ttl"].as_n().unwrap() == &end),
        "capped: {ttls:?}"
    );
    clock.advance(days(1) - Duration::from_secs(1));
    assert_eq!(ada.visit(&sessions, who).await.body, "ada");
    clock.advance(Duration::from_secs(1));
    assert_eq!(ada.visit(&sessions, who).await.body, "nobody");

    // Shortening it in a deployment ends older sessions.
    let mut bob = Visitor::new();
    bob.visit(&sessions, login).await;
    clock.advance(minutes(61));
    assert_eq!(bob.visit(&sessions, who).await.body, "ada");
    let shorter = sessions.lifetime(minutes(60));
    assert_eq!(bob.visit(&shorter, who).await.body, "nobody");
}

/// A session that ends while its handler runs is not brought back.
#[tokio::test]
async fn a_session_that_dies_in_between_is_gone() {
    let (sessions, table, clock) = sessions().await;
    for ending in ["expired", "destroyed", "renewed"] {
        let mut ada = Visitor::new();
        ada.visit(&sessions, count).await;
        let other = ada.clone();
        let reply = {
            let (sessions, clock) = (&sessions, &clock);
            let slow = |_: Request, session: Session| {
                let mut other = other.clone();
                async move {
                    match ending {
                        "expired" => clock.advance(days(15)),
                        "destroyed" => drop(other.visit(sessions, logout).await),
                        _ => drop(other.visit(sessions, login).await),
                    }
                    session.increment("visits", 1)?;
                    Ok("")
                }
            };
            ada.visit(sessions, slow).await
        };
        assert_eq!((reply.status, reply.cookies.len()), (409, 0), "{ending}");
        for item in table.items().await {
            let Some(data) = item.get("data") else {
                continue;
            };
            assert_eq!(
                data.as_m().unwrap()["visits"].as_n().unwrap(),
                "1",
                "{ending}"
            );
        }
    }
}

/// Where the client merely read, what happened in between is not its affair.
#[tokio::test]
async fn a_touch_that_loses_keeps_the_response() {
    let (sessions, _, clock) = sessions().await;
    let mut ada = Visitor::new();
    ada.visit(&sessions, count).await;
    clock.advance(minutes(90));
    let other = ada.clone();
    let reply = {
        let sessions = &sessions;
        let slow = |_: Request, session: Session| {
            let mut other = other.clone();
            async move {
                other.visit(sessions, logout).await;
                Ok(format!("{:?}", session.get::<i64>("visits")?))
            }
        };
        ada.visit(sessions, slow).await
    };
    assert_eq!((reply.status, reply.body.as_str()), (200, "Some(1)"));
    assert!(reply.cookies.is_empty());
}

/// Parallel requests of one page, each changing a key of its own.
#[tokio::test]
async fn parallel_requests_lose_nothing() {
    let (sessions, table, _) = sessions().await;
    let mut ada = Visitor::new();
    ada.visit(&sessions, count).await;
    let requests = (0..10).map(|n| {
        let (mut visitor, sessions) = (ada.clone(), sessions.clone());
        tokio::spawn(async move {
            let change = |_: Request, session: Session| async move {
                session.insert(format!("k{n}"), n)?;
                session.increment("visits", 1)?;
                Ok("")
            };
            visitor.visit(&sessions, change).await.status
        })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.unwrap(), 200);
    }
    let item = table.item().await;
    let data = item["data"].as_m().unwrap();
    assert_eq!(
        (data.len(), data["visits"].as_n().unwrap().as_str()),
        (11, "11")
    );
}

#[tokio::test]
async fn a_write_without_a_read() {
    let (sessions, table, clock) = sessions().await;
    let mut ada = Visitor::new();
    ada.visit(&sessions, count).await;
    let before = table.item().await;
    clock.advance(minutes(90));
    let write = |request: Request| async move {
        let session = request.write_only_session()?;
        session.insert("a", 1)?;
        session.increment("visits", 1)?;
        Ok("")
    };
    let reply = ada.visit_layered(&sessions, write).await;
    assert!(reply.cookies.is_empty());
    assert_eq!(
        (reply.header("vary"), reply.header("cache-control")),
        (None, None)
    );
    let after = table.item().await;
    assert_eq!(
        after["ttl"], before["ttl"],
        "it does not know `created`, so the expiry stays"
    );
    assert_eq!(after["data"].as_m().unwrap()["visits"].as_n().unwrap(), "2");

    // The write is there for whoever reads after all.
    let write_then_read = |request: Request| async move {
        request.write_only_session()?.increment("visits", 1)?;
        Ok(format!(
            "{:?}",
            request.session().await?.get::<i64>("visits")?
        ))
    };
    assert_eq!(
        ada.visit_layered(&sessions, write_then_read).await.body,
        "Some(3)"
    );

    // On a dead session it begins a new one, unless that would be empty; on a renewed one it is
    // refused.
    clock.advance(days(15));
    let old = ada.clone();
    let remove = |request: Request| async move {
        request.write_only_session()?.remove("a")?;
        Ok("")
    };
    let reply = ada.visit_layered(&sessions, remove).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 0));
    assert_eq!(table.items().await.len(), 1, "nothing but the dead one");
    let reply = ada.visit_layered(&sessions, write).await;
    assert_eq!(reply.cookies.len(), 1);
    assert_ne!(ada.cookie(), old.cookie());
    assert_eq!(ada.visit(&sessions, peek).await.body, "Some(1)");
    let mut renewed = ada.clone();
    ada.visit(&sessions, login).await;
    let reply = renewed.visit_layered(&sessions, write).await;
    assert_eq!((reply.status, reply.cookies.len()), (409, 0));
    let logout = |request: Request| async move {
        request.write_only_session()?.destroy()?;
        Ok("")
    };
    assert_eq!(renewed.visit_layered(&sessions, logout).await.status, 409);
    assert_eq!(ada.visit(&sessions, who).await.body, "ada");
}

#[tokio::test]
async fn save_commits_before_a_side_effect() {
    let (sessions, table, _) = sessions().await;
    let mut ada = Visitor::new();
    let (table, sessions) = (&table, &sessions);
    let saves = |_: Request, session: Session| async move {
        session.insert("paid", true)?;
        session.save().await?;
        let stored = table.item().await;
        assert!(stored["data"].as_m().unwrap().contains_key("paid"));
        let id = session.id().unwrap();
        assert_eq!(stored["id"].as_s().unwrap(), id.storage_key().as_str());
        // Another request counts in between: `get` gives what was committed after the next save.
        session.increment("n", 1)?;
        let mut other = Visitor::with_cookie("__Host-sid", id.expose());
        other
            .visit(sessions, |_, session: Session| async move {
                session.increment("n", 10)?;
                Ok("")
            })
            .await;
        assert_eq!(session.get("n")?, Some(1), "a forecast");
        session.save().await?;
        assert_eq!(session.get("n")?, Some(11), "what is stored");
        Ok("")
    };
    let reply = ada.visit(sessions, saves).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.cookies.len(), 1, "the id of the first save");

    // What was saved stays saved if the handler fails afterwards, and the client learns the id.
    let mut bob = Visitor::new();
    let fails = |_: Request, session: Session| async move {
        session.insert("a", 1)?;
        session.save().await?;
        session.insert("b", 2)?;
        Ok(Response::builder().status(500).body(Body::Empty)?)
    };
    let reply = bob.visit(sessions, fails).await;
    assert_eq!((reply.status, reply.cookies.len()), (500, 1));
    let keys = |_: Request, session: Session| async move { Ok(session.keys().join(",")) };
    assert_eq!(bob.visit(sessions, keys).await.body, "a");
}

#[tokio::test]
async fn a_clone_kept_past_the_response_is_sealed() {
    let (sessions, table, _) = sessions().await;
    let kept: Arc<std::sync::Mutex<Option<Session>>> = Arc::default();
    let keep = |_: Request, session: Session| {
        let kept = Arc::clone(&kept);
        async move {
            session.insert("a", 1)?;
            *kept.lock().unwrap() = Some(session);
            Ok("")
        }
    };
    Visitor::new().visit(&sessions, keep).await;
    let session = kept.lock().unwrap().take().unwrap();
    assert_eq!(
        session.insert("b", 1).unwrap_err().kind(),
        ErrorKind::Misconfigured
    );
    assert_eq!(
        session.increment("a", 1).unwrap_err().kind(),
        ErrorKind::Misconfigured
    );
    session.remove("a").unwrap_err();
    session.clear().unwrap_err();
    session.destroy().unwrap_err();
    assert_eq!(
        session.save().await.unwrap_err().kind(),
        ErrorKind::Misconfigured
    );
    assert_eq!(session.get("a").unwrap(), Some(1));
    assert_eq!(table.item().await["version"].as_n().unwrap(), "1");
}

#[tokio::test]
async fn the_handlers_own_cookies_and_headers_stay() {
    let (sessions, ..) = sessions().await;
    let own = |_: Request, session: Session| async move {
        session.insert("a", 1)?;
        Ok(Response::builder()
            .header("set-cookie", "theme=dark; Path=/")
            .header("set-cookie", "lang=en; Path=/")
            .header("cache-control", "public, max-age=60")
            .header("vary", "Accept")
            .body(Body::Empty)?)
    };
    let reply = Visitor::new().visit(&sessions, own).await;
    assert_eq!(reply.cookies.len(), 3, "{:?}", reply.cookies);
    assert!(reply.cookies.contains(&"theme=dark; Path=/".to_owned()));
    assert_eq!(
        reply.header("cache-control"),
        Some("no-store"),
        "it carries an id"
    );
}

#[tokio::test]
async fn a_header_carries_the_id_and_a_cookie_does_not() {
    let (sessions, table, _) = sessions().await;
    let sessions = sessions.id_header("X-SessionId");
    let mut ada = Visitor::new();
    let reply = ada.visit(&sessions, count).await;
    let id = reply.header("x-sessionid").unwrap().to_owned();
    assert!(reply.cookies.is_empty());
    assert_eq!(reply.header("vary"), Some("x-sessionid"));
    ada.set_header("x-sessionid", &id);
    assert_eq!(ada.visit(&sessions, count).await.body, "2");

    // Only the configured transport is accepted.
    let mut by_cookie = Visitor::with_cookie("__Host-sid", &id);
    assert_eq!(by_cookie.visit(&sessions, peek).await.body, "None");
    let reply = ada.visit(&sessions, logout).await;
    assert_eq!(reply.header("x-sessionid"), Some(""));
    assert_eq!(
        table
            .items()
            .await
            .iter()
            .filter(|i| i["id"].as_s().unwrap() != "")
            .count(),
        0
    );
}

#[tokio::test]
async fn the_cookies_setters() {
    let (sessions, ..) = sessions().await;
    let sessions = sessions
        .cookie_name("app")
        .cookie_path("/app")
        .cookie_domain("example.com")
        .same_site(SameSite::None)
        .http_only(false)
        .partitioned(true)
        .browser_session(true);
    let reply = Visitor::new().visit(&sessions, count).await;
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

#[test]
fn impossible_settings_panic_with_the_reason_when_the_service_is_built() {
    let sessions = || SessionLayer::new(MemoryStore::new());
    let cases = [
        (
            sessions()
                .cookie_name("__Host-x")
                .cookie_domain("example.com"),
            "__Host-",
        ),
        (sessions().cookie_name("__Secure-x").secure(false), "Secure"),
        (
            sessions().same_site(SameSite::None).secure(false),
            "SameSite=None",
        ),
        (sessions().partitioned(true).secure(false), "Partitioned"),
        (sessions().cookie_name("a b"), "token"),
        (sessions().cookie_path("app"), "path"),
        (sessions().cookie_domain("a;b"), "domain"),
        (sessions().id_header("a header"), "a header"),
        (sessions().idle_timeout(Duration::ZERO), "idle timeout"),
        (sessions().lifetime(Duration::from_millis(999)), "lifetime"),
    ];
    for (sessions, reason) in cases {
        let built = catch_unwind(AssertUnwindSafe(|| drop(sessions.wrap(count))));
        let panic = *built.unwrap_err().downcast::<String>().unwrap();
        assert!(panic.contains(reason), "{panic}");
    }
    drop(
        sessions()
            .lifetime(days(1))
            .idle_timeout(days(2))
            .wrap(count),
    );
}

/// A handler may borrow what lives in `main`, and its service is `Clone` for `run_concurrent`.
#[tokio::test]
async fn handlers_borrow_and_clone() {
    let greeting = String::from("hello");
    let sessions = SessionLayer::new(MemoryStore::new());
    let handler = |_: Request, _: Session| async { Ok::<_, Error>(greeting.as_str()) };
    let service = sessions.wrap(handler);
    let reply = Visitor::new().send(service.clone()).await.unwrap();
    assert_eq!(reply.body, "hello");
    fn concurrent<S>(_: S)
    where
        S: lambda_http::Service<Request, Response = Response<Body>, Future: Send>
            + Clone
            + Send
            + 'static,
    {
    }
    concurrent(sessions.wrap(count));

    // The session's own error may be the handler's.
    async fn own_error(_: Request, session: Session) -> Result<String, lambda_sessions::Error> {
        Ok(session.increment("visits", 1)?.to_string())
    }
    fn runs<S, E>(_: S)
    where
        S: lambda_http::Service<Request, Response = Response<Body>, Error = E, Future: Send>,
        E: std::fmt::Debug + Into<lambda_http::lambda_runtime::Diagnostic>,
    {
    }
    runs(sessions.wrap(own_error));
}
