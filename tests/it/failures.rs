//! A DynamoDB that is missing, silent or refuses: the client gets a typed error, keeps its cookie and
//! loses no data. `faults` has the table of all faults at all steps.

use aws_sdk_dynamodb::types::ScalarAttributeType;
use lambda_http::{Error, Request};
use lambda_sessions::{ErrorKind, Session, SessionExt as _};

use crate::support::{
    Action, Browser, Setup, Table, assert_refused, count, cycle, logout, minutes, peek, watched,
};

#[tokio::test]
async fn table_missing_is_misconfigured() {
    let setup = Setup::on(Table::named_only().await).await;
    let mut browser = Browser::with_cookie("__Host-sid", &"A".repeat(43));
    assert_refused(&browser.visit(&setup.sessions, count).await, 503, "a read");
    assert_refused(
        &Browser::new().visit(&setup.sessions, count).await,
        503,
        "a create",
    );
    for error in setup.errors() {
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(
            error.to_string().contains("table does not exist"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn table_with_another_key_is_misconfigured() {
    let table = Table::named_only().await;
    table.create("pk", ScalarAttributeType::S).await;
    let setup = Setup::on(table).await;
    let mut browser = Browser::with_cookie("__Host-sid", &"A".repeat(43));
    assert_refused(&browser.visit(&setup.sessions, count).await, 503, "a read");
    assert_refused(
        &Browser::new().visit(&setup.sessions, count).await,
        503,
        "a create",
    );
    assert_eq!(
        setup.kinds(),
        [ErrorKind::Misconfigured, ErrorKind::Misconfigured]
    );
}

/// A load that fails never looks like an empty session: the handler is not called, no cookie is
/// set or cleared, and nothing is written.
#[tokio::test]
async fn load_that_fails_is_not_a_logout() {
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
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    let hasty = setup.hasty();
    let before = (setup.table.item().await, ada.cookie().map(str::to_owned));
    for (status, name, kind) in cases {
        setup.proxy.script(move |operation, _| match operation {
            "GetItem" => Action::error(status, name),
            _ => Action::Forward,
        });
        let wrapped = |_: Request, _: Session| async { Err::<&str, Error>("was called".into()) };
        assert_refused(&ada.visit(&hasty, wrapped).await, 503, name);
        let layered = |request: Request| async move {
            request.session().await?.insert("visits", 0)?;
            Ok("")
        };
        assert_refused(&ada.visit_layered(&hasty, layered).await, 503, name);
        assert_eq!(setup.kinds(), [kind, kind], "{name}");
        let calls = setup.proxy.calls();
        assert!(
            calls.iter().all(|call| call == "GetItem"),
            "{name}: {calls:?}"
        );

        // Behind the layer, a handler that works without a session succeeds.
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
    setup.proxy.script(|_, _| Action::Forward);
    assert_eq!(
        (setup.table.item().await, ada.cookie().map(str::to_owned)),
        before
    );
    assert_eq!(
        ada.visit(&setup.sessions, count).await.body,
        "2",
        "the same session, as before"
    );
}

/// A session that could not be loaded is not written by any handle.
#[tokio::test]
async fn load_that_fails_allows_only_a_logout() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    let before = setup.table.item().await;
    let hasty = setup.hasty();
    setup.proxy.script(|operation, _| match operation {
        "GetItem" => Action::error(500, "InternalServerError"),
        _ => Action::Forward,
    });
    let write = |request: Request| async move {
        request.write_only_session()?.insert("visits", 777)?;
        assert!(request.session().await.is_err());
        Ok("fine")
    };
    assert_refused(&ada.visit_layered(&hasty, write).await, 503, "a write");
    assert_eq!(setup.table.item().await, before);
    let logout = |request: Request| async move {
        assert!(request.session().await.is_err());
        request.write_only_session()?.destroy()?;
        Ok("")
    };
    assert_eq!(ada.visit_layered(&hasty, logout).await.status, 200);
    assert_eq!(setup.table.items().await.len(), 0);
}

/// A rejected write gives an error and no cookie, and leaves the data unchanged.
#[tokio::test]
async fn write_that_is_refused_sends_no_cookie() {
    for (name, status, kind) in [
        ("AccessDeniedException", 400, ErrorKind::Misconfigured),
        ("ThrottlingException", 400, ErrorKind::Throttled),
        ("InternalServerError", 500, ErrorKind::OutcomeUnknown),
    ] {
        let setup = Setup::new().await;
        let mut ada = setup.guest(count).await;
        let before = setup.table.items().await;
        let hasty = setup.hasty();
        setup.proxy.script(move |operation, _| match operation {
            "GetItem" => Action::Forward,
            _ => Action::error(status, name),
        });
        let replace = |_: Request, session: Session| async move {
            session.destroy()?;
            session.insert("a", 1)?;
            Ok("")
        };
        let replies = [
            ("create", Browser::new().visit(&hasty, count).await),
            ("update", ada.visit(&hasty, count).await),
            ("cycle", ada.visit(&hasty, cycle).await),
            ("replace", ada.visit(&hasty, replace).await),
            ("destroy", ada.visit(&hasty, logout).await),
        ];
        for (what, reply) in &replies {
            assert_refused(reply, 503, &format!("{what}: {name}"));
        }
        assert_eq!(setup.kinds(), [kind; 5], "{name}");
        assert_eq!(setup.table.items().await, before, "{name}");

        // A failed touch does not fail the request.
        setup.clock.advance(minutes(61));
        let reply = ada.visit(&hasty, peek).await;
        assert_eq!(
            (reply.body.as_str(), reply.cookies.len()),
            ("Some(1)", 0),
            "{name}"
        );
    }
}

#[tokio::test]
async fn response_that_is_nonsense_is_unavailable() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    let hasty = setup.hasty();
    for (status, body) in [
        (200, "<html>"),
        (200, "{\"Item\": 3}"),
        (502, "bad gateway"),
    ] {
        setup
            .proxy
            .script(move |_, _| Action::Reply(status, body.to_owned()));
        assert_refused(&ada.visit(&hasty, count).await, 503, body);
        assert_eq!(setup.kinds(), [ErrorKind::Unavailable], "{body}");
    }
}

#[tokio::test]
async fn endpoint_that_refuses_is_unavailable() {
    // Nobody else gets the port, and nobody listens on it.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let endpoint = format!("http://{}", closed.local_addr().unwrap());
    let table = Table::new().await;
    let (sessions, errors) = watched(
        table
            .store_at(&endpoint)
            .operation_timeout(std::time::Duration::from_millis(300)),
    );
    let id = "A".repeat(43);
    let mut known = Browser::with_cookie("__Host-sid", &id);
    assert_refused(&known.visit(&sessions, count).await, 503, "a read");
    assert_eq!(known.cookie(), Some(id.as_str()), "its cookie stays");
    assert_refused(
        &Browser::new().visit(&sessions, count).await,
        503,
        "a create",
    );
    let write_only = |request: Request| async move {
        Ok(request.write_only_session()?.insert("a", 1).map(|()| "")?)
    };
    assert_refused(
        &known.visit_layered(&sessions, write_only).await,
        503,
        "an update",
    );
    for error in errors.lock().unwrap().iter() {
        // The connection was refused, so it is known that nothing was written.
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(std::error::Error::source(error).is_some());
    }
}

/// A connection attempt that is never answered, as in a VPC without a route to DynamoDB, sends
/// nothing.
#[tokio::test]
async fn endpoint_that_is_silent_is_unavailable() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // The listener never accepts. When its queue is full, further connections get no answer.
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
    let created = Browser::new().visit(&sessions, count).await;
    assert_refused(&created, 503, "a create");
    let errors: Vec<_> = errors.lock().unwrap().drain(..).collect();
    assert_eq!(errors[0].kind(), ErrorKind::Unavailable, "{:?}", errors[0]);
}
