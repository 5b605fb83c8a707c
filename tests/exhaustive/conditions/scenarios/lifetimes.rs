//! A touch, alone or in an update, whose expiry was computed before another request has set a shorter
//! lifetime.

use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::{Error, Request};
use lambda_sessions::Session;

use super::{Verdict, equal, number};
use crate::support::{Setup, days, minutes};

/// The write that the lifetimes limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    Touch,
    Update,
}

/// Sets a lifetime of five minutes between the read and the write. The session has lifetimes of its own
/// before, or none.
pub(super) async fn shortened(
    setup: &Setup,
    write: Write,
    attribute: &'static str,
    has_its_own: bool,
) -> Verdict {
    let begin = move |_: Request, session: Session| async move {
        session.insert("visits", 1)?;
        if has_its_own {
            session.set_idle_timeout(days(10))?;
            session.set_lifetime(days(80))?;
        }
        Ok(String::new())
    };
    let mut ada = setup.guest(begin).await;
    setup.clock.advance(minutes(61));
    ada.forget_hints();
    let end = setup.clock.seconds() + 300;
    let stored = |number: u64| AttributeValue::N(number.to_string());
    let handler = |_: Request, session: Session| async move {
        let mut item = setup.table.item().await;
        let value = if attribute == "idle" { 300 } else { end };
        item.insert(attribute.to_owned(), stored(value));
        item.insert("ttl".to_owned(), stored(end));
        setup.table.put(item).await;
        if write == Write::Update {
            session.insert("name", "ada")?;
        }
        Ok::<_, Error>("")
    };
    let reply = ada.visit(&setup.sessions, handler).await;
    equal("the status", reply.status, 200)?;
    let item = setup.table.item().await;
    equal("the expiry", number(&item, "ttl"), end)?;
    let is_written = item["data"].as_m().unwrap().contains_key("name");
    equal("the change", is_written, write == Write::Update)
}
