//! The exact length of the requests to DynamoDB, for a table named `sessions`, and what they do not
//! depend on.

use std::sync::{Arc, Mutex};

use lambda_http::{Error, Request};
use lambda_sessions::{Session, SessionExt as _};

use crate::support::{Setup, logout, minutes};

/// Returns the operations since the last call, each with the length of its request.
fn lengths(setup: &Setup) -> Vec<(String, usize)> {
    let own_name = setup.table.name.len();
    let length = |bytes: usize| bytes - own_name + "sessions".len();
    let seen = setup.proxy.seen().into_iter();
    seen.map(|call| (call.operation, length(call.bytes)))
        .collect()
}

fn expected<const N: usize>(lengths: [(&str, usize); N]) -> Vec<(String, usize)> {
    lengths
        .map(|(operation, bytes)| (operation.to_owned(), bytes))
        .into()
}

async fn start(_: Request, session: Session) -> Result<String, Error> {
    session.insert("n", 1)?;
    Ok(String::new())
}

#[tokio::test]
async fn request_bytes_of_each_operation() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(start).await;
    assert_eq!(lengths(&setup), expected([("PutItem", 355)]));

    ada.visit(&setup.sessions, |_, _| async { Ok("") }).await;
    assert_eq!(lengths(&setup), expected([("GetItem", 111)]));

    let insert =
        |_: Request, session: Session| async move { Ok(session.insert("n", 2).map(|()| "")?) };
    ada.visit(&setup.sessions, insert).await;
    assert_eq!(
        lengths(&setup),
        expected([("GetItem", 111), ("UpdateItem", 497)])
    );

    let count =
        |_: Request, session: Session| async move { Ok(session.increment("n", 1).map(|_| "")?) };
    ada.visit(&setup.sessions, count).await;
    assert_eq!(
        lengths(&setup),
        expected([("GetItem", 111), ("UpdateItem", 668)])
    );

    let write = |request: Request| async move {
        request.write_only_session()?.insert("n", 4)?;
        Ok("")
    };
    ada.visit_layered(&setup.sessions, write).await;
    assert_eq!(lengths(&setup), expected([("UpdateItem", 561)]));

    setup.clock.advance(minutes(60));
    ada.visit(&setup.sessions, |_, _| async { Ok("") }).await;
    assert_eq!(lengths(&setup), expected([("UpdateItem", 633)]));

    // Without its hint, the session is read first.
    setup.clock.advance(minutes(60));
    ada.forget_hints();
    ada.visit(&setup.sessions, |_, _| async { Ok("") }).await;
    assert_eq!(
        lengths(&setup),
        expected([("GetItem", 111), ("UpdateItem", 581)])
    );

    ada.visit(&setup.sessions, logout).await;
    assert_eq!(
        lengths(&setup),
        expected([("GetItem", 111), ("DeleteItem", 482)])
    );
}

/// A change of one key neither sends nor receives the rest of the session.
#[tokio::test]
async fn request_bytes_are_those_of_the_change() {
    for kilobytes in [1, 10, 100, 350] {
        let mut setup = Setup::new().await;
        setup.sessions = setup.sessions.clone().max_size(360 * 1024);
        let fill = move |_: Request, session: Session| async move {
            session.insert("n", 1)?;
            session.insert("rest", "x".repeat(kilobytes * 1024))?;
            Ok(String::new())
        };
        let mut ada = setup.guest(fill).await;
        lengths(&setup);
        let responses: Arc<Mutex<Vec<String>>> = Arc::default();
        let received = Arc::clone(&responses);
        setup.proxy.edit_replies(move |operation, _, body| {
            if operation == "UpdateItem" {
                received.lock().unwrap().push(body.to_string());
            }
        });
        let change = |_: Request, session: Session| async move {
            session.insert("n", 2)?;
            Ok("")
        };
        ada.visit(&setup.sessions, change).await;
        let sent = expected([("GetItem", 111), ("UpdateItem", 497)]);
        assert_eq!(lengths(&setup), sent, "{kilobytes} KB");
        assert_eq!(*responses.lock().unwrap(), ["{}"], "{kilobytes} KB");
    }
}
