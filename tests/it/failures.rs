//! Bad input and a failing DynamoDB: a typed error or a fresh session, never a panic, never a loss.

use crate::support::{
    Answer, Bench, Table, Visitor, assert_refused, count, minutes, peek, watched,
};
use aws_sdk_dynamodb::types::ScalarAttributeType;
use lambda_http::{Error, Request};
use lambda_sessions::{ErrorKind, Session, SessionExt as _};

#[tokio::test]
async fn an_unknown_id_is_never_adopted() {
    let bench = Bench::new().await;
    let planted = "A".repeat(43);
    let mut visitor = Visitor::with_cookie("__Host-sid", &planted);
    assert_eq!(visitor.visit(&bench.sessions, count).await.body, "1");
    assert_ne!(visitor.cookie(), Some(planted.as_str()));
    assert_eq!(bench.proxy.calls(), ["GetItem", "PutItem"]);
}

#[tokio::test]
async fn a_malformed_cookie_begins_afresh() {
    let bench = Bench::new().await;
    for cookie in [
        "",
        "x",
        "%00",
        &"A".repeat(42),
        &"=".repeat(43),
        &"A".repeat(9000),
    ] {
        let mut visitor = Visitor::with_cookie("__Host-sid", cookie);
        assert_eq!(
            visitor.visit(&bench.sessions, count).await.body,
            "1",
            "{cookie}"
        );
        assert_eq!(bench.proxy.calls(), ["PutItem"], "{cookie}");
        assert_eq!(visitor.cookie().unwrap().len(), 43);
    }
}

#[tokio::test]
async fn a_value_of_another_type_stays_as_it_is() {
    let bench = Bench::new().await;
    let mut ada = bench.guest(count).await;
    let ask = |_: Request, session: Session| async move {
        let error = session.get::<String>("visits").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deserialize);
        let error = session.take::<Vec<u8>>("visits").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deserialize);
        Ok(format!("{:?}", session.take::<i64>("visits")?))
    };
    assert_eq!(ada.visit(&bench.sessions, ask).await.body, "Some(1)");
}

/// An increment without a read learns the type from DynamoDB's refusal.
#[tokio::test]
async fn an_increment_of_what_is_no_number_is_refused_by_the_store() {
    let bench = Bench::new().await;
    let mut ada = bench.guest(count).await;
    let name = |_: Request, session: Session| async move {
        Ok(session.insert("name", "ada").map(|()| "")?)
    };
    ada.visit(&bench.sessions, name).await;
    let before = bench.table.item().await;
    let increment = |request: Request| async move {
        let session = request.write_only_session()?;
        session.increment("visits", 1)?;
        session.increment("name", 1)?;
        Ok("")
    };
    assert_refused(
        &ada.visit_layered(&bench.sessions, increment).await,
        503,
        "a text",
    );
    assert_eq!(bench.kinds(), [ErrorKind::Deserialize]);
    assert_eq!(bench.table.item().await, before);
}

#[tokio::test]
async fn too_large_a_session_is_refused_before_anything_is_sent() {
    let bench = Bench::new().await;
    let mut ada = bench.guest(count).await;
    let before = bench.table.item().await;
    let grow = |_: Request, session: Session| async move {
        session.insert("blob", "x".repeat(70_000))?;
        let error = session.save().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(error.to_string().contains("65536"), "{error}");
        assert_eq!(
            session.get::<String>("blob")?.unwrap().len(),
            70_000,
            "the changes stay"
        );
        Ok("")
    };
    assert_refused(&ada.visit(&bench.sessions, grow).await, 503, "an update");
    assert_refused(
        &Visitor::new().visit(&bench.sessions, grow).await,
        503,
        "a create",
    );
    assert_eq!(bench.kinds(), [ErrorKind::TooLarge, ErrorKind::TooLarge]);
    assert_eq!(
        bench.proxy.calls(),
        ["GetItem"],
        "nothing was sent but the read"
    );
    assert_eq!(bench.table.item().await, before);

    // With a higher limit DynamoDB's own holds.
    let roomy = bench.sessions.clone().max_size(usize::MAX);
    let fill = |size: usize| {
        move |_: Request, session: Session| async move {
            Ok(session.insert("blob", "x".repeat(size)).map(|()| "")?)
        }
    };
    assert_eq!(ada.visit(&roomy, fill(400_000)).await.status, 200);
    assert_eq!(ada.visit(&roomy, fill(409_700)).await.status, 503);
    assert_eq!(
        Visitor::new().visit(&roomy, fill(409_700)).await.status,
        503
    );
    assert_eq!(bench.kinds(), [ErrorKind::TooLarge, ErrorKind::TooLarge]);
    // The guard counts the data; what is left to DynamoDB itself is typed as well.
    assert_eq!(ada.visit(&roomy, fill(409_550)).await.status, 503);
    assert_eq!(bench.kinds(), [ErrorKind::TooLarge]);
    assert_eq!(ada.visit(&roomy, peek).await.body, "Some(1)");

    // A session that is too large already may shrink.
    let shrink = |_: Request, session: Session| async move {
        Ok(session.insert("blob", "x".repeat(300_000)).map(|()| "")?)
    };
    assert_eq!(ada.visit(&bench.sessions, shrink).await.status, 200);
    let fill_again = |bytes| {
        move |_: Request, session: Session| async move {
            Ok(session.insert("blob", "y".repeat(bytes)).map(|()| "")?)
        }
    };
    let as_large = ada.visit(&bench.sessions, fill_again(300_000)).await;
    assert_eq!(as_large.status, 200, "or stay as large as it is");
    let larger = ada.visit(&bench.sessions, fill_again(300_001)).await;
    assert_refused(&larger, 503, "but not grow");
}

#[tokio::test]
async fn a_missing_table_is_misconfigured() {
    let bench = Bench::on(Table::named_only().await).await;
    let mut visitor = Visitor::with_cookie("__Host-sid", &"A".repeat(43));
    assert_refused(&visitor.visit(&bench.sessions, count).await, 503, "a read");
    assert_refused(
        &Visitor::new().visit(&bench.sessions, count).await,
        503,
        "a create",
    );
    for error in bench.errors() {
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(
            error.to_string().contains("table does not exist"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_table_with_another_key_is_misconfigured() {
    let table = Table::named_only().await;
    table.create("pk", ScalarAttributeType::S).await;
    let bench = Bench::on(table).await;
    let mut visitor = Visitor::with_cookie("__Host-sid", &"A".repeat(43));
    assert_refused(&visitor.visit(&bench.sessions, count).await, 503, "a read");
    assert_refused(
        &Visitor::new().visit(&bench.sessions, count).await,
        503,
        "a create",
    );
    assert_eq!(
        bench.kinds(),
        [ErrorKind::Misconfigured, ErrorKind::Misconfigured]
    );
}

/// A load that fails never looks like an empty session: the handler is not called, no cookie is
/// set or cleared, and nothing is written.
#[tokio::test]
async fn a_load_that_fails_is_not_a_logout() {
    let cases = [
        (400, "AccessDeniedException", ErrorKind::Misconfigured),
        (400, "UnrecognizedClientException", ErrorKind::Misconfigured),
        (400, "ExpiredTokenException", ErrorKind::Misconfigured),
        (
            400,
            "ProvisionedThroughputExceededException",
            ErrorKind::Throttled,
        ),
        (400, "ThrottlingException", ErrorKind::Throttled),
        (400, "RequestLimitExceeded", ErrorKind::Throttled),
        (500, "InternalServerError", ErrorKind::Unavailable),
        (503, "ServiceUnavailable", ErrorKind::Unavailable),
        (400, "ValidationException", ErrorKind::Misconfigured),
    ];
    let bench = Bench::new().await;
    let mut ada = bench.guest(count).await;
    let hasty = bench.hasty();
    let before = (bench.table.item().await, ada.cookie().map(str::to_owned));
    for (status, name, kind) in cases {
        bench.proxy.answer(move |operation, _| match operation {
            "GetItem" => Answer::error(status, name),
            _ => Answer::Forward,
        });
        let wrapped = |_: Request, _: Session| async { Err::<&str, Error>("was called".into()) };
        assert_refused(&ada.visit(&hasty, wrapped).await, 503, name);
        let layered = |request: Request| async move {
            request.session().await?.insert("visits", 0)?;
            Ok("")
        };
        assert_refused(&ada.visit_layered(&hasty, layered).await, 503, name);
        assert_eq!(bench.kinds(), [kind, kind], "{name}");
        let calls = bench.proxy.calls();
        assert!(
            calls.iter().all(|call| call == "GetItem"),
            "{name}: {calls:?}"
        );

        // Behind the layer, a handler that can do without is not harmed.
        let tolerant = |request: Request| async move {
            Ok(match request.session().await {
                Ok(_) => "with",
                Err(_) => "without",
            })
        };
        let reply = ada.visit_layered(&hasty, tolerant).await;
        assert_eq!(
            (reply.body.as_str(), reply.cookies.len()),
            ("without", 0),
            "{name}"
        );
    }
    bench.proxy.answer(|_, _| Answer::Forward);
    assert_eq!(
        (bench.table.item().await, ada.cookie().map(str::to_owned)),
        before
    );
    assert_eq!(
        ada.visit(&bench.sessions, count).await.body,
        "2",
        "the same session, as before"
    );
}

#[tokio::test]
async fn an_answer_that_is_nonsense_is_unavailable() {
    let bench = Bench::new().await;
    let mut ada = bench.guest(count).await;
    let hasty = bench.hasty();
    for (status, body) in [
        (200, "<html>"),
        (200, "{\"Item\": 3}"),
        (502, "bad gateway"),
    ] {
        bench
            .proxy
            .answer(move |_, _| Answer::Reply(status, body.to_owned()));
        assert_refused(&ada.visit(&hasty, count).await, 503, body);
        assert_eq!(bench.kinds(), [ErrorKind::Unavailable], "{body}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_unavailable() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let table = Table::new().await;
    let (sessions, errors) = watched(
        table
            .store_at(&endpoint)
            .operation_timeout(std::time::Duration::from_millis(300)),
    );
    let id = "A".repeat(43);
    let mut known = Visitor::with_cookie("__Host-sid", &id);
    assert_refused(&known.visit(&sessions, count).await, 503, "a read");
    assert_eq!(known.cookie(), Some(id.as_str()), "its cookie stays");
    assert_refused(
        &Visitor::new().visit(&sessions, count).await,
        503,
        "a create",
    );
    let unread = |request: Request| async move {
        Ok(request.write_only_session()?.insert("a", 1).map(|()| "")?)
    };
    assert_refused(
        &known.visit_layered(&sessions, unread).await,
        503,
        "an update",
    );
    for error in errors.lock().unwrap().iter() {
        // The connection was refused, so it is known that nothing was written.
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(std::error::Error::source(error).is_some());
    }
}

/// As where a VPC has no way to DynamoDB: a connection is begun, and nothing comes back.
#[tokio::test]
async fn a_connection_that_never_comes_about_is_no_doubt() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody accepts. Once the queue is full, whoever comes is not answered any more.
    let mut queue = Vec::new();
    let budget = std::time::Duration::from_millis(300);
    while let Ok(queued) =
        tokio::time::timeout(budget, tokio::net::TcpStream::connect(address)).await
    {
        queue.push(queued.unwrap());
    }
    let table = Table::new().await;
    let store = table
        .store_at(&format!("http://{address}"))
        .connect_timeout(budget)
        .operation_timeout(3 * budget);
    let (sessions, errors) = watched(store);
    let created = Visitor::new().visit(&sessions, count).await;
    assert_refused(&created, 503, "a create");
    let errors: Vec<_> = errors.lock().unwrap().drain(..).collect();
    assert_eq!(errors[0].kind(), ErrorKind::Unavailable, "{:?}", errors[0]);
}

/// What each write does when DynamoDB refuses it: the error, no cookie, the data as they were.
#[tokio::test]
async fn a_save_that_is_refused_sends_no_success_and_no_cookie() {
    for (name, status, kind) in [
        ("AccessDeniedException", 400, ErrorKind::Misconfigured),
        ("ThrottlingException", 400, ErrorKind::Throttled),
        ("InternalServerError", 500, ErrorKind::OutcomeUnknown),
    ] {
        let bench = Bench::new().await;
        let mut ada = bench.guest(count).await;
        let before = bench.table.items().await;
        let hasty = bench.hasty();
        bench.proxy.answer(move |operation, _| match operation {
            "GetItem" => Answer::Forward,
            _ => Answer::error(status, name),
        });
        let renew = |_: Request, session: Session| async move {
            session.cycle_id()?;
            Ok("")
        };
        let replace = |_: Request, session: Session| async move {
            session.destroy()?;
            session.insert("a", 1)?;
            Ok("")
        };
        let destroy = |_: Request, session: Session| async move {
            session.destroy()?;
            Ok("")
        };
        let replies = [
            ("create", Visitor::new().visit(&hasty, count).await),
            ("update", ada.visit(&hasty, count).await),
            ("renew", ada.visit(&hasty, renew).await),
            ("replace", ada.visit(&hasty, replace).await),
            ("destroy", ada.visit(&hasty, destroy).await),
        ];
        for (what, reply) in &replies {
            assert_refused(reply, 503, &format!("{what}: {name}"));
        }
        assert_eq!(bench.kinds(), [kind; 5], "{name}");
        assert_eq!(bench.table.items().await, before, "{name}");

        // A touch is nothing that anybody asked for.
        bench.clock.advance(minutes(61));
        let reply = ada.visit(&hasty, peek).await;
        assert_eq!(
            (reply.body.as_str(), reply.cookies.len()),
            ("Some(1)", 0),
            "{name}"
        );
    }
}

#[tokio::test]
async fn without_a_layer_there_is_no_session_and_it_says_so() {
    let request: Request = lambda_http::http::Request::new(lambda_http::Body::Empty);
    assert_eq!(
        request.session().await.unwrap_err().kind(),
        ErrorKind::Misconfigured
    );
    let error = request.write_only_session().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.to_string().contains("SessionLayer"), "{error}");
}

/// A session that could not be loaded is not written, by whichever view of it.
#[tokio::test]
async fn after_a_failed_load_nothing_is_written_but_a_logout() {
    let bench = Bench::new().await;
    let mut ada = bench.guest(count).await;
    let before = bench.table.item().await;
    let hasty = bench.hasty();
    bench.proxy.answer(|operation, _| match operation {
        "GetItem" => Answer::error(500, "InternalServerError"),
        _ => Answer::Forward,
    });
    let write = |request: Request| async move {
        request.write_only_session()?.insert("visits", 777)?;
        assert!(request.session().await.is_err());
        Ok("fine")
    };
    assert_refused(&ada.visit_layered(&hasty, write).await, 503, "a write");
    assert_eq!(bench.table.item().await, before);
    let logout = |request: Request| async move {
        assert!(request.session().await.is_err());
        request.write_only_session()?.destroy()?;
        Ok("")
    };
    assert_eq!(ada.visit_layered(&hasty, logout).await.status, 200);
    assert_eq!(bench.table.items().await.len(), 0);
}

/// A read that found nothing may have been wrong: the record goes all the same.
#[tokio::test]
async fn a_logout_deletes_what_its_read_did_not_see() {
    let bench = Bench::new().await;
    let mut ada = bench.guest(count).await;
    bench.clock.advance(minutes(2));
    // Dead for this layer, alive for the one that wrote it.
    let shorter = bench.sessions.clone().lifetime(minutes(1));
    let logout = |_: Request, session: Session| async move {
        assert!(session.is_new());
        session.destroy()?;
        Ok("")
    };
    assert_eq!(ada.clone().visit(&shorter, logout).await.status, 200);
    assert_eq!(bench.table.items().await.len(), 0);
    assert_eq!(ada.visit(&bench.sessions, peek).await.body, "None");
}
