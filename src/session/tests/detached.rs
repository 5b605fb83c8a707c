//! Sessions without a store.

use serde_json::json;

use crate::session::handle::Session;
use crate::session::tests::fake::contents;

#[test]
fn detached_session_accepts_objects_and_pairs() {
    #[derive(serde::Serialize)]
    struct Values {
        user: &'static str,
        n: u8,
    }
    let values = Values { user: "ada", n: 1 };
    let expected = json!({ "user": "ada", "n": 1 });
    for session in [
        Session::detached(&values),
        Session::detached(&expected),
        Session::detached((("user", "ada"), ("n", 1))),
        Session::detached(json!([["user", "ada"], ["n", 1]])),
    ] {
        assert_eq!(contents(&session), expected);
        assert!(!session.is_new());
    }
    let pairs = Session::detached([("a", vec![1]), ("b", vec![])]);
    assert_eq!(contents(&pairs), json!({ "a": [1], "b": [] }));
    for empty in [
        Session::detached(()),
        Session::detached(json!({})),
        Session::detached(None::<u8>),
    ] {
        assert!(empty.is_empty() && empty.is_new());
    }
}

#[test]
fn detached_session_of_other_values_panics() {
    for wrong in [
        json!(7),
        json!("text"),
        json!([1, 2]),
        json!([["a"]]),
        json!([[1, 2]]),
    ] {
        let made = std::panic::catch_unwind(|| Session::detached(&wrong));
        assert!(made.is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn detached_session_saves_in_memory() {
    let session = Session::detached(());
    assert_eq!(session.id(), None);
    session.insert("a", 1).unwrap();
    session.save().await.unwrap();
    assert_eq!(contents(&session), json!({ "a": 1 }));
    let id = session.id().unwrap();
    session.increment("a", 1).unwrap();
    session.remove("absent").unwrap();
    session.save().await.unwrap();
    assert_eq!(contents(&session), json!({ "a": 2 }));
    assert_eq!(session.id(), Some(id));
    session.destroy().unwrap();
    session.save().await.unwrap();
    assert!(session.is_empty());
    assert_eq!(session.id(), None);
}
