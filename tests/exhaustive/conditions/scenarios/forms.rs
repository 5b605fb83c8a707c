//! Writes that check the form of an item in other ways than the update of a record that was read: a
//! write without a read, and one that changes no key.

use std::sync::Mutex;

use lambda_http::{Error, Request};
use lambda_sessions::{Session, SessionExt as _};

use super::meanwhile::{Left, Meanwhile, left_of};
use super::{Verdict, begin, equal};
use crate::support::Setup;

/// Changes the item, and then sets a key without a read.
pub(super) async fn written_unread(setup: &Setup, meanwhile: Meanwhile) -> Verdict {
    use Meanwhile::{BecomesText, Expires, IsCycled, IsDeleted, IsOfANewerFormat};
    let mut ada = setup.guest(begin).await;
    meanwhile.happens(setup).await;
    let before = setup.table.items().await;
    let write = |request: Request| async move {
        request.write_only_session()?.insert("name", "ada")?;
        Ok("")
    };
    setup.proxy.calls();
    let reply = ada.visit_layered(&setup.sessions, write).await;
    let calls = setup.proxy.calls();
    let (status, left) = match meanwhile {
        IsOfANewerFormat => (503, Left::Unchanged),
        IsCycled => (409, Left::Unchanged),
        IsDeleted => (200, Left::Other),
        BecomesText(_) | Expires => (200, Left::Both),
        _ => (200, Left::Written),
    };
    let after = setup.table.items().await;
    equal("the status", reply.status, status)?;
    equal(
        "one call",
        calls.len() == 1,
        left != Left::Other && left != Left::Both,
    )?;
    equal("what is left", left_of(&before, &after), left)
}

/// Lets the item change between the read and the write of a label.
pub(super) async fn labelled(setup: &Setup, meanwhile: Meanwhile) -> Verdict {
    setup.table.create_users().await;
    let log_in = |_: Request, session: Session| async move {
        session.log_in("ada")?;
        Ok(String::new())
    };
    let mut ada = setup.guest(log_in).await;
    let before = &Mutex::new(Vec::new());
    let label = |_: Request, session: Session| async move {
        meanwhile.happens(setup).await;
        let items = setup.table.items().await;
        *before.lock().unwrap() = items;
        session.set_label("phone")?;
        Ok::<_, Error>("")
    };
    let reply = ada.visit(&setup.sessions, label).await;
    let (status, left) = match meanwhile {
        Meanwhile::BecomesText(_) => (409, Left::Unchanged),
        _ => (200, Left::Written),
    };
    let before = before.lock().unwrap().clone();
    let after = setup.table.items().await;
    equal("the status", reply.status, status)?;
    equal("what is left", left_of(&before, &after), left)
}
