//! Sessions that are copied all at once, so that Flask's table can be deleted.

use lambda_sessions::ErrorKind;
use lambda_sessions::layer::FlaskCopy;
use tokio::task::JoinSet;

use super::{DATA, Flask, UUID};
use crate::support::{Browser, count, days, login, minutes, name_seen, number, peek, text};

#[tokio::test]
async fn flask_copy_needs_no_table_of_flask() {
    let flask = Flask::new().await;
    flask.setup.table.create_users().await;
    let sessions = flask.sessions();
    let ada = flask.visitor().await;
    let copied = sessions.copy_flask_session(UUID, false).await.unwrap();
    assert_eq!(
        (copied, flask.stored().await),
        (FlaskCopy::Copied, (0, 0)),
        "a dry run"
    );
    assert_eq!(flask.setup.proxy.calls(), ["GetItem", "GetItem"]);
    for result in [FlaskCopy::Copied, FlaskCopy::AlreadyThere] {
        assert_eq!(
            sessions.copy_flask_session(UUID, true).await.unwrap(),
            result
        );
        assert_eq!(flask.setup.proxy.calls(), ["GetItem", "PutItem"]);
    }
    let again = sessions.copy_flask_session(UUID, false).await.unwrap();
    assert_eq!(
        (again, flask.stored().await),
        (FlaskCopy::AlreadyThere, (1, 1))
    );
    flask.setup.proxy.calls();
    assert_eq!(flask.old.items().await.len(), 1, "the source stays");

    let sessions = flask.with(flask.settings().copied(true));
    let mut first = ada.clone();
    let reply = first.visit(&sessions, count).await;
    assert_eq!(
        (reply.body.as_str(), reply.cookies.len()),
        ("8", 2),
        "a new id"
    );
    let calls = flask.setup.proxy.calls();
    assert_eq!(
        calls,
        ["GetItem", "TransactWriteItems", "PutItem", "UpdateItem"]
    );
    assert_eq!(first.jar.len(), 1);
    assert_eq!(
        name_seen(&sessions, &ada).await,
        "ada",
        "a concurrent request"
    );
    flask.setup.clock.advance(minutes(5));
    let mut again = ada.clone();
    assert_eq!(
        again.visit(&sessions, count).await.body,
        "9",
        "the response was lost"
    );
    assert_eq!(again.jar.len(), 1);
    again.visit(&sessions, login).await;
    assert_eq!(name_seen(&sessions, &ada).await, "nobody", "after a login");
}

#[tokio::test]
async fn flask_copies_are_taken_over_by_one_request() {
    let flask = Flask::new().await;
    let ada = flask.visitor().await;
    flask
        .sessions()
        .copy_flask_session(UUID, true)
        .await
        .unwrap();
    let mut requests = JoinSet::new();
    for _ in 0..6 {
        let sessions = flask.with(flask.settings().copied(true));
        let mut ada = ada.clone();
        requests.spawn(async move { (ada.visit(&sessions, count).await, ada) });
    }
    let replies = requests.join_all().await;
    assert!(replies.iter().all(|(reply, _)| reply.status == 200));
    assert_eq!(
        replies.iter().filter(|(_, ada)| ada.id().is_some()).count(),
        1
    );
    assert_eq!(flask.stored().await.0, 1);
    let seen = ada
        .clone()
        .visit(&flask.with(flask.settings().copied(true)), peek)
        .await;
    assert_eq!(seen.body, "Some(13)");
}

#[tokio::test]
async fn flask_copy_reports_what_it_found() {
    let flask = Flask::new().await;
    let sessions = flask.sessions();
    let copy = async |id: &str| sessions.copy_flask_session(id, true).await;
    assert_eq!(copy("no-uuid").await.unwrap(), FlaskCopy::Absent);
    assert_eq!(copy(UUID).await.unwrap(), FlaskCopy::Absent);
    flask.put(r#"{"_permanent": true}"#).await;
    assert_eq!(copy(UUID).await.unwrap(), FlaskCopy::Empty);
    flask.put("broken").await;
    assert_eq!(copy(UUID).await.unwrap_err().kind(), ErrorKind::Corrupt);
    let mut item = flask.item(DATA);
    item.insert("ttl".to_owned(), number(1));
    flask.old.put(item).await;
    assert_eq!(copy(UUID).await.unwrap(), FlaskCopy::Expired);
    assert_eq!(flask.stored().await, (0, 0));
    let without = flask.setup.sessions.copy_flask_session(UUID, true).await;
    assert_eq!(without.unwrap_err().kind(), ErrorKind::Misconfigured);

    // A copy lives no longer than the session of Flask, until its visitor comes.
    let mut item = flask.item(DATA);
    item.insert(
        "ttl".to_owned(),
        number(flask.setup.clock.seconds() + 86_400),
    );
    flask.old.put(item).await;
    assert_eq!(copy(UUID).await.unwrap(), FlaskCopy::Copied);
    flask.old.delete(&text(UUID)).await;
    let copies = flask.with(flask.settings().copied(true));
    flask.setup.clock.advance(days(1));
    let ada = Browser::with_cookie("session", UUID);
    assert_eq!(name_seen(&copies, &ada).await, "nobody");
}
