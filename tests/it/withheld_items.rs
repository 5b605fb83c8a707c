//! DynamoDBs that do not return the item of a failed condition, such as DynamoDB Local before 2.2.

use lambda_http::Request;
use lambda_sessions::{ErrorKind, Session, SessionExt as _};

use crate::support::{
    Action, Browser, Proxy, Setup, assert_refused, count, cycle, logout_write_only, stored_value,
    text,
};

/// Removes the items from the responses to failed conditions.
fn withhold_items(proxy: &Proxy) {
    proxy.edit_replies(|_, status, body| {
        if status == 400 {
            body.as_object_mut().unwrap().remove("Item");
            for reason in body["CancellationReasons"]
                .as_array_mut()
                .into_iter()
                .flatten()
            {
                reason.as_object_mut().unwrap().remove("Item");
            }
        }
    });
}

#[tokio::test]
async fn withheld_item_fails_a_logout_that_lost() {
    let setup = Setup::new().await;
    withhold_items(&setup.proxy);
    let begin_another = |_: Request, session: Session| async move {
        session.destroy()?;
        session.insert("visits", 7)?;
        Ok("")
    };
    for begins_another in [false, true] {
        let mut ada = setup.guest(count).await;
        let (elsewhere, other) = (setup.elsewhere(), ada.clone());
        setup.proxy.script(move |operation, before| {
            let (elsewhere, other) = (elsewhere.clone(), other.clone());
            match (operation, before) {
                ("DeleteItem" | "TransactWriteItems", 0) => Action::Forward.after(move || {
                    let (elsewhere, mut other) = (elsewhere.clone(), other.clone());
                    async move { drop(other.visit(&elsewhere, cycle).await) }
                }),
                _ => Action::Forward,
            }
        });
        let reply = match begins_another {
            true => ada.visit(&setup.sessions, begin_another).await,
            false => ada.visit_layered(&setup.sessions, logout_write_only).await,
        };
        assert_refused(&reply, 409, "the session goes on under another id");
        assert_eq!(setup.kinds(), [ErrorKind::Gone]);
    }
}

#[tokio::test]
async fn withheld_item_lets_a_lost_race_try_again() {
    let push = |n: u32| {
        move |_: Request, session: Session| async move {
            session.update("list", move |list: &mut Vec<u32>| list.push(n))?;
            Ok("")
        }
    };
    for cycles in [false, true] {
        let setup = Setup::new().await;
        withhold_items(&setup.proxy);
        let mut ada = setup.guest(count).await;
        let (elsewhere, other) = (setup.elsewhere(), ada.clone());
        setup.proxy.script(move |operation, before| {
            let (elsewhere, other) = (elsewhere.clone(), other.clone());
            match (operation, before) {
                ("UpdateItem" | "TransactWriteItems", 0) => Action::Forward.after(move || {
                    let (elsewhere, mut other) = (elsewhere.clone(), other.clone());
                    async move { drop(other.visit(&elsewhere, push(1)).await) }
                }),
                _ => Action::Forward,
            }
        });
        let reply = match cycles {
            true => ada.visit(&setup.sessions, cycle).await,
            false => ada.visit(&setup.sessions, push(2)).await,
        };
        assert_eq!((reply.status, setup.kinds().len()), (200, 0));
        let write = if cycles {
            "TransactWriteItems"
        } else {
            "UpdateItem"
        };
        assert_eq!(setup.proxy.calls(), ["GetItem", write, "GetItem", write]);
        let list = stored_value(&setup.table.items().await, "list");
        let grown = if cycles { "[1]" } else { "[1,2]" };
        assert_eq!(list, text(grown));
    }
}

/// After the store has returned an item once, a missing item means that no record exists.
#[tokio::test]
async fn withheld_item_is_read_until_one_is_returned() {
    let setup = Setup::new().await;
    let write_stale = async || {
        let mut stale = Browser::with_cookie("__Host-sid", &"A".repeat(43));
        let write = |request: Request| async move {
            request.write_only_session()?.insert("a", 1)?;
            Ok("")
        };
        let reply = stale.visit_layered(&setup.sessions, write).await;
        assert_eq!(reply.status, 200);
        setup.proxy.calls()
    };
    assert_eq!(write_stale().await, ["UpdateItem", "GetItem", "PutItem"]);
    // The tombstone is returned with the failed condition.
    let mut ada = setup.guest(count).await;
    let mut late = ada.clone();
    assert_eq!(ada.visit(&setup.sessions, cycle).await.status, 200);
    let write = |request: Request| async move {
        request.write_only_session()?.insert("a", 1)?;
        Ok("")
    };
    assert_eq!(late.visit_layered(&setup.sessions, write).await.status, 409);
    setup.proxy.calls();
    assert_eq!(write_stale().await, ["UpdateItem", "PutItem"]);
    // A logout never needs the item.
    let fresh = Setup::new().await;
    let mut stale = Browser::with_cookie("__Host-sid", &"A".repeat(43));
    assert_eq!(
        stale
            .visit_layered(&fresh.sessions, logout_write_only)
            .await
            .status,
        200
    );
    assert_eq!(fresh.proxy.calls(), ["DeleteItem"]);
}
