//! Sessions without a store.

use serde_json::json;

use crate::clock::system_clock;
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

/// Returns what a session tells: logged in as ada, as grace, id cycled, destroyed.
fn told(session: &Session) -> [bool; 4] {
    [
        session.is_logged_in_as("ada"),
        session.is_logged_in_as("grace"),
        session.was_id_cycled(),
        session.was_destroyed(),
    ]
}

#[tokio::test]
async fn detached_session_tells_what_a_handler_did() {
    type Step = fn(&Session);
    let ada: Step = |session| session.log_in("ada").unwrap();
    let grace: Step = |session| session.log_in("grace").unwrap();
    let cycle: Step = |session| session.cycle_id().unwrap();
    let destroy: Step = |session| session.destroy().unwrap();
    let insert: Step = |session| session.insert("k", 1).unwrap();
    let nobody: Step = |session| drop(session.log_in("").unwrap_err());
    let rows: &[(&[Step], [bool; 4])] = &[
        (&[], [false, false, false, false]),
        (&[insert, nobody], [false, false, false, false]),
        (&[cycle], [false, false, true, false]),
        (&[ada], [true, false, true, false]),
        (&[ada, insert], [true, false, true, false]),
        (&[ada, ada], [true, false, true, false]),
        (&[ada, grace], [false, true, true, false]),
        (&[ada, nobody], [true, false, true, false]),
        (&[destroy], [false, false, false, true]),
        (&[ada, destroy], [false, false, false, true]),
        (&[cycle, destroy], [false, false, false, true]),
        (&[destroy, insert], [false, false, false, true]),
        (&[destroy, ada], [true, false, true, true]),
        (&[ada, destroy, grace], [false, true, true, true]),
    ];
    for (n, (steps, expected)) in rows.iter().enumerate() {
        // The result is the same whether the session is never saved, saved at the end, or saved
        // after each step.
        for save_after_each in [false, true] {
            for values in [json!({ "a": 1 }), json!({})] {
                let session = Session::detached(values);
                for step in *steps {
                    step(&session);
                    if save_after_each {
                        session.save().await.unwrap();
                    }
                }
                assert_eq!(told(&session), *expected, "row {n}");
                session.save().await.unwrap();
                assert_eq!(told(&session), *expected, "row {n}, saved");
                let clone = session.clone();
                assert_eq!(told(&clone), *expected, "row {n}, a clone");
            }
        }
    }
}

#[tokio::test]
async fn detached_session_gets_a_new_id_at_a_login() {
    let session = Session::detached(());
    session.insert("cart", 1).unwrap();
    session.save().await.unwrap();
    let first = session.id().unwrap();
    session.insert("cart", 2).unwrap();
    session.save().await.unwrap();
    assert_eq!(session.id(), Some(first.clone()));
    session.log_in("ada").unwrap();
    session.save().await.unwrap();
    let second = session.id().unwrap();
    assert_ne!(second, first);
    assert_eq!(contents(&session), json!({ "cart": 2 }));
    session.log_in("grace").unwrap();
    assert!(session.is_empty(), "another user's data is not handed on");
    session.save().await.unwrap();
    assert_ne!(session.id(), Some(second));
    assert!(session.is_new());
    assert!(session.created() <= system_clock());
}

#[tokio::test]
async fn detached_session_knows_no_other_sessions() {
    let session = Session::detached(());
    session.log_in("ada").unwrap();
    session.set_label("phone").unwrap();
    session.save().await.unwrap();
    assert_eq!(session.user_sessions().await.unwrap().iter().count(), 0);
    session.revoke_others().await.unwrap();
    session.revoke("unknown").await.unwrap();
    assert!(session.is_logged_in_as("ada"));
    session.set_label("laptop").unwrap();
    session.save().await.unwrap();
    assert!(session.is_logged_in_as("ada"));
}

#[test]
fn detached_session_answers_after_its_end() {
    let session = Session::detached(());
    session.log_in("ada").unwrap();
    session.close();
    assert_eq!(told(&session), [true, false, true, false]);
}
