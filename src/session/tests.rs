use std::collections::{HashMap, VecDeque};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::key::Key;
use crate::session::decision::Outcome;
use crate::store::changes::Change;
use crate::store::data::Entry;
use crate::store::user::Binding;

const NOW: Timestamp = Timestamp::from_epoch_seconds(1_000);
const CREATED: Timestamp = Timestamp::from_epoch_seconds(900);
const TTL: Timestamp = Timestamp::from_epoch_seconds(1_500);

fn rules() -> Expiry {
    Expiry {
        idle: Duration::from_secs(500),
        lifetime: Duration::from_secs(10_000),
        touch: Some(Duration::from_secs(1_000)),
        renew: None,
    }
}

fn id(first: &str) -> SessionId {
    SessionId::parse(format!("{first}{}", "A".repeat(42)).as_bytes()).unwrap()
}

fn data(entries: &[(&str, &str)]) -> Data {
    entries
        .iter()
        .map(|(key, text)| (*key, Entry::from_json(*text)))
        .collect()
}

fn record(entries: &[(&str, &str)]) -> Record {
    Record::new(data(entries), CREATED, TTL).at_version(3)
}

/// `clear a=1 b- c+2`.
fn shown(changes: &Changes) -> String {
    let clear = changes.is_cleared().then(|| "clear".to_owned());
    let by_key = changes.iter().map(|(key, change)| match change {
        Change::Set(entry) => format!("{key}={}", entry.json().unwrap()),
        Change::Remove => format!("{key}-"),
        Change::Add(by) => format!("{key}+{by}"),
        Change::Apply(_) => format!("{key}*"),
    });
    clear
        .into_iter()
        .chain(by_key)
        .collect::<Vec<_>>()
        .join(" ")
}

type Meanwhile = Box<dyn FnOnce(&Session) + Send>;

/// A store that does as it is told.
#[derive(Default)]
struct Fake {
    found: Option<Record>,
    replies: Mutex<VecDeque<Reply>>,
    meanwhile: Mutex<Option<Meanwhile>>,
    /// What it was sent.
    sent: Mutex<Vec<String>>,
}

enum Reply {
    Fail(ErrorKind),
    /// Another request had set this key before.
    After(&'static str, &'static str),
    Never,
}

impl Backend for Fake {
    fn load<'a>(&'a self, session: &'a Session) -> Boxed<'a> {
        Box::pin(async {
            let found = self.found.clone().map_or(Found::Absent, Found::Live);
            session.loaded(found, None, NOW, &rules());
            Ok(())
        })
    }

    fn save<'a>(&'a self, session: &'a Session) -> Boxed<'a> {
        Box::pin(async {
            let pending = session.take_pending(Scope::Save, NOW, &rules())?;
            let sent = format!("{:?} {}", pending.outcome, shown(&pending.changes));
            self.sent.lock().unwrap().push(sent);
            if let Some(meanwhile) = self.meanwhile.lock().unwrap().take() {
                meanwhile(session);
            }
            let reply = self.replies.lock().unwrap().pop_front();
            let other = match reply {
                Some(Reply::Fail(kind)) => return Err(pending.failed(Error::new(kind, "told to"))),
                Some(Reply::Never) => std::future::pending().await,
                Some(Reply::After(key, text)) => Some((key, text)),
                None => None,
            };
            match pending.outcome {
                Outcome::Keep | Outcome::Touch(_) => pending.kept(None),
                Outcome::Destroy => pending.destroyed(NOW, &rules(), Token::Remove),
                Outcome::Create | Outcome::Replace => {
                    let data = pending.changes.apply(&Data::new()).unwrap();
                    let record = Record::new(data, NOW, TTL);
                    pending.stored(Location::of(id("B")), record, Token::Issue);
                }
                Outcome::Update(_) | Outcome::AutoCycle(_) | Outcome::Cycle => {
                    let mut data = pending.record.data().clone();
                    if let Some((key, text)) = other {
                        data.insert(key, Entry::from_json(text));
                    }
                    let data = pending.changes.apply(&data).unwrap();
                    let record = Record::clone(&pending.record).with_data(data);
                    let location = pending.location.clone().unwrap();
                    pending.stored(location, record, Token::Keep);
                }
            }
            Ok(())
        })
    }
}

impl Fake {
    fn holding(entries: &[(&str, &str)]) -> Self {
        Self {
            found: Some(record(entries)),
            ..Self::default()
        }
    }

    fn replying(self, replies: impl IntoIterator<Item = Reply>) -> Self {
        self.replies.lock().unwrap().extend(replies);
        self
    }

    fn meanwhile(self, f: impl FnOnce(&Session) + Send + 'static) -> Self {
        *self.meanwhile.lock().unwrap() = Some(Box::new(f));
        self
    }

    fn unread(self) -> (Session, Arc<Self>) {
        let fake = Arc::new(self);
        let presented = match fake.found {
            Some(_) => Ids::One(id("A")).into(),
            None => Ids::Nothing.into(),
        };
        let session = Session::new(presented, fake.clone());
        (session, fake)
    }

    async fn session(self) -> (Session, Arc<Self>) {
        let (session, fake) = self.unread();
        session.load().await.unwrap();
        (session, fake)
    }

    fn sent(&self) -> Vec<String> {
        self.sent.lock().unwrap().clone()
    }
}

/// What would be written at the end.
fn at_the_end(session: &Session) -> (Outcome, String) {
    let pending = session.take_pending(Scope::Commit, NOW, &rules()).unwrap();
    let what = (pending.outcome, shown(&pending.changes));
    pending.failed(Error::new(ErrorKind::Unavailable, "only asked"));
    what
}

fn contents(session: &Session) -> Value {
    let entry = |key: String| {
        let value: Value = session.get(&key).unwrap().unwrap();
        (key, value)
    };
    session.keys().into_iter().map(entry).collect()
}

fn nested(depth: usize) -> Value {
    (1..depth).fold(json!([]), |inner, _| json!([inner]))
}

#[test]
fn what_is_put_is_had_back() {
    let session = Session::detached(());
    assert!(session.is_empty());
    session.insert("text", "caf\u{e9} \u{1f980} \0").unwrap();
    session.insert("n", u64::MAX).unwrap();
    session.insert("float", -0.0_f64).unwrap();
    session.insert("big", 1e308).unwrap();
    session.insert("list", [1, 2]).unwrap();
    session.insert("none", None::<u8>).unwrap();
    session.insert("unit", ()).unwrap();
    let map = HashMap::from([(String::new(), 1)]);
    session.insert("map", &map).unwrap();

    let text: Option<String> = session.get("text").unwrap();
    assert_eq!(text.as_deref(), Some("caf\u{e9} \u{1f980} \0"));
    assert_eq!(session.get("n").unwrap(), Some(u64::MAX));
    let zero: f64 = session.get("float").unwrap().unwrap();
    assert!(zero == 0.0 && zero.is_sign_negative());
    assert_eq!(session.get("big").unwrap(), Some(1e308));
    assert_eq!(session.get("list").unwrap(), Some(vec![1, 2]));
    assert_eq!(session.get::<Option<u8>>("none").unwrap(), Some(None));
    assert_eq!(session.get::<()>("unit").unwrap(), Some(()));
    assert_eq!(session.get("map").unwrap(), Some(map));
    assert_eq!(session.get::<u8>("absent").unwrap(), None);
    let keys = ["big", "float", "list", "map", "n", "none", "text", "unit"];
    assert_eq!(session.keys(), keys);
    assert!(session.contains("none") && !session.contains("absent"));
}

#[test]
fn a_typed_key_reads_and_writes_its_type() {
    const NAME: Key<String> = Key::new("name");
    const VISITS: Key<i64> = Key::new("visits");
    let session = Session::detached(());
    session.insert(NAME, "ada").unwrap();
    session.increment(VISITS, 2).unwrap();
    assert_eq!(session.get(NAME).unwrap().as_deref(), Some("ada"));
    assert_eq!(session.take(VISITS).unwrap(), Some(2));
    assert!(session.contains(NAME));
    session.remove(NAME).unwrap();
    assert!(session.is_empty());
}

#[test]
fn take_gives_a_value_once() {
    let session = Session::detached(json!({ "flash": "saved", "other": 1 }));
    let taken: Option<String> = session.take("flash").unwrap();
    assert_eq!(taken.as_deref(), Some("saved"));
    assert_eq!(session.take::<String>("flash").unwrap(), None);
    assert_eq!(session.keys(), ["other"]);
}

#[test]
fn clear_takes_everything_and_what_follows_is_there() {
    let session = Session::detached(json!({ "a": 1, "b": 2 }));
    session.clear().unwrap();
    assert!(session.is_empty());
    assert_eq!(session.increment("a", 5).unwrap(), 5);
    assert_eq!(session.keys(), ["a"]);
}

#[test]
fn increments_forecast_their_sum() {
    let session = Session::detached(json!({ "n": 40 }));
    assert_eq!(session.increment("n", 1).unwrap(), 41);
    assert_eq!(session.increment("n", 1).unwrap(), 42);
    assert_eq!(session.get("n").unwrap(), Some(42));
    assert_eq!(session.increment("new", -7).unwrap(), -7);
    assert_eq!(session.increment("zero", 0).unwrap(), 0);
    assert_eq!(contents(&session), json!({ "n": 42, "new": -7, "zero": 0 }));
}

#[test]
fn a_method_that_fails_changes_nothing_and_is_remembered() {
    use ErrorKind::{Deserialize, InvalidKey, Serialize};
    type Attempt = fn(&Session) -> Result<(), Error>;
    let rows: &[(ErrorKind, Attempt)] = &[
        (Deserialize, |s| s.get::<u8>("text").map(drop)),
        (Deserialize, |s| s.get::<u8>("n").map(drop)),
        (Deserialize, |s| s.take::<u8>("text").map(drop)),
        (Deserialize, |s| s.increment("text", 1).map(drop)),
        (Deserialize, |s| s.increment("big", 1).map(drop)),
        (Serialize, |s| s.increment("n", i64::MAX).map(drop)),
        (Serialize, |s| s.insert("n", nested(128))),
        (Serialize, |s| s.insert("n", HashMap::from([(vec![1], 1)]))),
        (InvalidKey, |s| s.insert("", 1)),
        (InvalidKey, |s| s.get::<u8>("").map(drop)),
        (InvalidKey, |s| s.take::<u8>("").map(drop)),
        (InvalidKey, |s| s.increment("", 1).map(drop)),
        (InvalidKey, |s| s.insert("k".repeat(65_536), 1)),
    ];
    let values = json!({ "text": "a", "n": 300, "big": u64::MAX });
    for (n, (kind, attempt)) in rows.iter().enumerate() {
        let session = Session::detached(&values);
        session.insert("added", 1).unwrap();
        let before = contents(&session);
        assert!(session.failure().is_none());
        let error = attempt(&session).unwrap_err();
        assert_eq!(error.kind(), *kind, "row {n}");
        assert_eq!(contents(&session), before, "row {n}");
        assert_eq!(session.failure().unwrap().kind(), *kind, "row {n}");
    }
}

#[test]
fn remove_of_an_invalid_key_fails() {
    let session = Session::detached(json!({ "a": 1 }));
    for invalid in ["", &"k".repeat(65_536)] {
        let error = session.remove(invalid).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidKey);
        let unread = WriteOnlySession(session.clone());
        assert_eq!(
            unread.remove(invalid).unwrap_err().kind(),
            ErrorKind::InvalidKey
        );
        assert!(!session.contains(invalid));
    }
    assert_eq!(session.keys(), ["a"]);
    let longest = "k".repeat(65_535);
    session.insert(&longest, 1).unwrap();
    assert_eq!(session.get(&longest).unwrap(), Some(1));
}

#[test]
fn clones_are_one_session() {
    let session = Session::detached(());
    let clone = session.clone();
    clone.insert("a", 1).unwrap();
    session.increment("a", 1).unwrap();
    assert_eq!(clone.get("a").unwrap(), Some(2));
    session.destroy().unwrap();
    assert!(clone.is_empty());
}

#[test]
fn what_json_does_not_know_becomes_null() {
    let session = Session::detached(());
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        session.insert("odd", odd).unwrap();
        assert_eq!(session.get::<Option<f64>>("odd").unwrap(), Some(None));
    }
}

#[test]
fn a_value_may_be_127_levels_deep() {
    let session = Session::detached(());
    for depth in [1, 40, 126, 127] {
        session.insert("deep", nested(depth)).unwrap();
        let back: Option<Value> = session.get("deep").unwrap();
        assert_eq!(back, Some(nested(depth)), "{depth}");
    }
    for depth in [128, 129, 500] {
        let error = session.insert("deep", nested(depth)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Serialize, "{depth}");
    }
    assert_eq!(session.get("deep").unwrap(), Some(nested(127)));
    // Many brackets are not many levels.
    let wide = vec![nested(2); 200];
    session.insert("wide", &wide).unwrap();
    assert_eq!(session.get("wide").unwrap(), Some(wide));
    session.insert("text", "[".repeat(500)).unwrap();
}

#[test]
fn a_detached_session_is_made_of_an_object_or_of_pairs() {
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
fn a_detached_session_of_anything_else_panics() {
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
async fn a_detached_session_saves_in_memory() {
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

#[test]
fn debug_tells_nothing() {
    let session = Session::detached(json!({ "secret-key": "secret-value" }));
    session.insert("secret-new", "secret-too").unwrap();
    let presented = Session::new(Ids::One(id("A")).into(), Arc::new(Fake::default()));
    let unread = WriteOnlySession(presented.clone());
    let told = format!("{session:?} {session:#?} {presented:?} {unread:?}");
    assert!(!told.contains("secret"), "{told}");
    assert!(!told.contains(id("A").expose()), "{told}");
    assert!(!told.contains(id("A").storage_key().as_str()), "{told}");
    assert!(told.contains(id("A").fingerprint()), "{told}");
}

#[tokio::test]
async fn a_session_knows_its_id_and_its_times() {
    let (session, _) = Fake::holding(&[("a", "1")]).session().await;
    assert_eq!(session.id(), Some(id("A")));
    assert!(!session.is_new());
    assert_eq!(session.created(), SystemTime::from(CREATED));
    assert_eq!(session.expires(), SystemTime::from(TTL));

    let (fresh, _) = Fake::default().session().await;
    assert_eq!(fresh.id(), None);
    assert!(fresh.is_new());
    assert_eq!(fresh.created(), SystemTime::from(NOW));
    assert_eq!(fresh.expires(), SystemTime::from(TTL));
    fresh.insert("a", 1).unwrap();
    fresh.save().await.unwrap();
    assert_eq!(fresh.id(), Some(id("B")));
    assert!(fresh.is_new(), "this request began it");
}

#[test]
fn an_id_of_a_dead_session_is_not_its_id() {
    for found in [Found::Absent, Found::Tombstone(NOW)] {
        let session = Session::new(Ids::One(id("A")).into(), Arc::new(Fake::default()));
        session.loaded(found, None, NOW, &rules());
        assert_eq!(session.id(), None);
        assert!(session.is_new() && session.is_empty());
    }
}

#[tokio::test]
async fn late_change_of_any_kind_is_refused() {
    for scope in [Scope::Commit, Scope::OnlyDestroy] {
        let (session, fake) = Fake::holding(&[("a", "1")]).session().await;
        let pending = session.take_pending(scope, NOW, &rules()).unwrap();
        pending.kept(None);
        for error in [
            session.insert("a", 2).unwrap_err(),
            session.take::<u8>("a").unwrap_err(),
            session.increment("a", 1).unwrap_err(),
            session.save().await.unwrap_err(),
            WriteOnlySession(session.clone())
                .increment("a", 1)
                .unwrap_err(),
            WriteOnlySession(session.clone()).remove("a").unwrap_err(),
            WriteOnlySession(session.clone()).destroy().unwrap_err(),
            session.remove("a").unwrap_err(),
            session.clear().unwrap_err(),
            session.take_once::<u8>("a").unwrap_err(),
            session.update("a", |a: &mut u8| *a += 1).unwrap_err(),
            session.cycle_id().unwrap_err(),
            session.require_unchanged().unwrap_err(),
            session.log_in("ada").unwrap_err(),
            session.set_label("phone").unwrap_err(),
            session.destroy().unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{scope:?}");
        }
        assert_eq!(contents(&session), json!({ "a": 1 }));
        assert_eq!(at_the_end(&session), (Outcome::Keep, String::new()));
        assert!(session.unknown_outcome().is_none());
        assert!(fake.sent().is_empty());
    }
}

#[tokio::test]
async fn a_save_gives_what_was_committed() {
    let fake = Fake::holding(&[("n", "5"), ("a", "1")]).replying([Reply::After("n", "100")]);
    let (session, fake) = fake.session().await;
    session.increment("n", 2).unwrap();
    session.insert("b", 2).unwrap();
    session.remove("a").unwrap();
    assert_eq!(session.get("n").unwrap(), Some(7));
    session.save().await.unwrap();
    assert!(!session.is_new(), "it was there before");
    assert_eq!(contents(&session), json!({ "n": 102, "b": 2 }));
    assert_eq!(fake.sent(), ["Update(None) a- b=2 n+2"]);
    assert_eq!(at_the_end(&session), (Outcome::Keep, String::new()));
}

#[tokio::test]
async fn a_save_of_nothing_writes_nothing() {
    let (session, fake) = Fake::holding(&[("a", "1")]).session().await;
    session.insert("a", 1).unwrap();
    session.remove("absent").unwrap();
    session.save().await.unwrap();
    assert_eq!(fake.sent(), ["Keep "]);
}

#[tokio::test]
async fn after_a_save_that_failed_the_changes_are_pending() {
    for kind in [ErrorKind::Unavailable, ErrorKind::Gone, ErrorKind::TooLarge] {
        let fake = Fake::holding(&[("n", "5")]).replying([Reply::Fail(kind)]);
        let (session, fake) = fake.session().await;
        session.increment("n", 1).unwrap();
        session.insert("a", 1).unwrap();
        session.cycle_id().unwrap();
        let error = session.save().await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(session.failure().unwrap().kind(), kind);
        assert!(session.unknown_outcome().is_none());
        assert_eq!(contents(&session), json!({ "n": 6, "a": 1 }));
        session.save().await.unwrap();
        assert_eq!(fake.sent(), ["Cycle a=1 n+1"; 2]);
        assert_eq!(at_the_end(&session).0, Outcome::Keep);
    }
}

#[tokio::test]
async fn what_is_changed_during_a_save_goes_on_top() {
    let during = |session: &Session| {
        // What is being written shows as if it were.
        assert_eq!(contents(session), json!({ "n": 6, "a": 1 }));
        assert_eq!(session.increment("n", 10).unwrap(), 16);
        session.remove("a").unwrap();
        session.insert("b", 2).unwrap();
    };
    let all = json!({ "n": 16, "b": 2 });

    let fake = Fake::holding(&[("n", "5")]).meanwhile(during);
    let (session, _) = fake.session().await;
    session.increment("n", 1).unwrap();
    session.insert("a", 1).unwrap();
    session.save().await.unwrap();
    assert_eq!(contents(&session), all);
    let expected = (Outcome::Update(None), "a- b=2 n+10".to_owned());
    assert_eq!(at_the_end(&session), expected);

    let fake = Fake::holding(&[("n", "5")]).meanwhile(during);
    let fake = fake.replying([Reply::Fail(ErrorKind::Unavailable)]);
    let (session, _) = fake.session().await;
    session.increment("n", 1).unwrap();
    session.insert("a", 1).unwrap();
    session.save().await.unwrap_err();
    assert_eq!(contents(&session), all);
    let expected = (Outcome::Update(None), "a- b=2 n+11".to_owned());
    assert_eq!(at_the_end(&session), expected);
}

#[tokio::test]
async fn a_logout_during_a_save_outlives_its_failure() {
    let fake = Fake::holding(&[("n", "5")])
        .meanwhile(|session| session.destroy().unwrap())
        .replying([Reply::Fail(ErrorKind::Unavailable)]);
    let (session, _) = fake.session().await;
    session.insert("a", 1).unwrap();
    session.save().await.unwrap_err();
    assert!(session.is_empty());
    assert_eq!(at_the_end(&session), (Outcome::Destroy, String::new()));
}

/// A write fails, and it is known that nothing was written.
const FAILS: Reply = Reply::Fail(ErrorKind::Unavailable);

/// Two sums that have no sum of their own, but one with what is stored.
#[tokio::test]
async fn failed_save_keeps_sums_beyond_an_i64() {
    let fake = Fake::holding(&[("n", "-5")]).replying([FAILS]);
    let fake = fake.meanwhile(|session| {
        assert_eq!(session.increment("n", 3).unwrap(), i64::MAX - 2);
    });
    let (session, fake) = fake.session().await;
    session.increment("n", i64::MAX).unwrap();
    session.save().await.unwrap_err();
    assert_eq!(session.get("n").unwrap(), Some(i64::MAX - 2));
    session.save().await.unwrap();
    assert_eq!(session.get("n").unwrap(), Some(i64::MAX - 2));
    assert_eq!(fake.sent().len(), 2);
}

/// A value that was put during a save is put, also if it is the one that the save would have made.
#[tokio::test]
async fn failed_save_keeps_a_value_put_during_it() {
    let fake = Fake::holding(&[("n", "0")]).replying([FAILS, Reply::After("n", "10")]);
    let fake = fake.meanwhile(|session| session.insert("n", 1).unwrap());
    let (session, fake) = fake.session().await;
    session.increment("n", 1).unwrap();
    session.save().await.unwrap_err();
    session.save().await.unwrap();
    assert_eq!(session.get("n").unwrap(), Some(1));
    assert_eq!(fake.sent(), ["Update(None) n+1", "Update(None) n=1"]);
}

#[tokio::test]
async fn failed_save_of_a_logout_keeps_the_logout() {
    let (session, fake) = session_of("ada", &[("a", "1")]).await;
    fake.replies.lock().unwrap().push_back(FAILS);
    *fake.meanwhile.lock().unwrap() = Some(Box::new(|session| {
        session.log_in("grace").unwrap();
        session.insert("b", 2).unwrap();
    }));
    session.destroy().unwrap();
    session.save().await.unwrap_err();
    assert_eq!(contents(&session), json!({ "b": 2 }));
    // The handler fails. Its logout is committed, and its login is not.
    let pending = session.take_pending(Scope::OnlyDestroy, NOW, &rules());
    let pending = pending.unwrap();
    assert_eq!(pending.outcome, Outcome::Destroy);
    pending.failed(Error::new(ErrorKind::Unavailable, "only asked"));
}

/// A value that was taken once before a save that failed is still to be taken once, whatever was done
/// during the save. One that this request itself has put can have been taken by no other.
#[tokio::test]
async fn failed_save_keeps_what_was_taken_once() {
    type Step = fn(&Session);
    let steps: [(&str, Step, Step, &[&str]); 4] = [
        (
            "a logout",
            |session| assert_eq!(session.take_once("n").unwrap(), Some(1)),
            |session| session.destroy().unwrap(),
            &["n=1"],
        ),
        (
            "a login of another user",
            |session| assert_eq!(session.take_once("n").unwrap(), Some(1)),
            |session| session.log_in("grace").unwrap(),
            &["n=1"],
        ),
        (
            "a value that was counted up",
            |session| assert_eq!(session.increment("n", 1).unwrap(), 2),
            |session| assert_eq!(session.take_once("n").unwrap(), Some(2)),
            &["n=1"],
        ),
        (
            "a value that began after a logout",
            |session| {
                session.destroy().unwrap();
                session.increment("n", 2).unwrap();
            },
            |session| assert_eq!(session.take_once("n").unwrap(), Some(2)),
            &[],
        ),
    ];
    for (what, before, during, taken) in steps {
        let (session, fake) = session_of("ada", &[("n", "1")]).await;
        fake.replies.lock().unwrap().push_back(FAILS);
        *fake.meanwhile.lock().unwrap() = Some(Box::new(during));
        session.insert("a", 1).unwrap();
        before(&session);
        session.save().await.unwrap_err();
        session.insert("b", 2).unwrap();
        let pending = session.take_pending(Scope::Commit, NOW, &rules()).unwrap();
        let guards = pending.changes.guards();
        let guards = guards.map(|(key, entry)| format!("{key}={}", entry.json().unwrap()));
        assert_eq!(guards.collect::<Vec<_>>(), taken, "{what}");
        pending.failed(Error::new(ErrorKind::Unavailable, "only asked"));
    }
}

/// Uses its session when it is dropped.
struct UsesSession(Session);

impl Drop for UsesSession {
    fn drop(&mut self) {
        let _ = self.0.keys();
    }
}

/// A function that adds to a number, and uses its session when it is dropped.
fn held(session: &Session, by: i64) -> impl Fn(&mut i64) + Send + Sync + 'static {
    let held = UsesSession(session.clone());
    move |n| {
        let _held = &held;
        *n += by;
    }
}

/// Changes that are put together after a save has failed drop no function of an application while
/// the session is locked.
#[test]
fn failed_save_drops_updates_without_the_lock() {
    type Step = fn(&Session);
    let steps: [(&str, Step, Step); 6] = [
        (
            "one that a logout drops",
            |session| session.update("n", held(session, 1)).unwrap(),
            |session| session.destroy().unwrap(),
        ),
        (
            "an update of what the save sets",
            |session| session.insert("n", 5).unwrap(),
            |session| session.update("n", held(session, 1)).unwrap(),
        ),
        (
            "one that changes nothing of it",
            |session| session.insert("n", 5).unwrap(),
            |session| session.update("n", held(session, 0)).unwrap(),
        ),
        (
            "one that the save replaces",
            |session| session.update("n", held(session, 1)).unwrap(),
            |session| session.insert("n", 5).unwrap(),
        ),
        (
            "one that a clear replaces",
            |session| session.update("n", held(session, 1)).unwrap(),
            |session| session.clear().unwrap(),
        ),
        (
            "one that changes nothing, and a clear",
            |session| session.update("n", held(session, 0)).unwrap(),
            |session| session.clear().unwrap(),
        ),
    ];
    for (what, before, during) in steps {
        let (ended, end) = std::sync::mpsc::channel();
        let run = async move {
            let fake = Fake::holding(&[("n", "1")]).replying([FAILS]);
            let (session, _) = fake.meanwhile(during).session().await;
            session.insert("a", 1).unwrap();
            before(&session);
            session.save().await.unwrap_err();
            session.close();
            let _ = ended.send(());
        };
        std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            runtime.unwrap().block_on(run);
        });
        // A lock that is taken twice would wait for ever.
        let end = end.recv_timeout(Duration::from_secs(5));
        assert!(end.is_ok(), "{what}");
    }
}

/// The values of one user are never in the session of another user, whether the save succeeds or
/// fails.
#[tokio::test]
async fn login_during_the_save_of_another_starts_empty() {
    for reply in [None, Some(FAILS)] {
        let fails = reply.is_some();
        let fake = Fake::holding(&[("a", "1")]).replying(reply);
        let fake = fake.meanwhile(|session| {
            session.log_in("grace").unwrap();
            assert!(session.is_empty());
            assert_eq!(session.get::<String>("secret").unwrap(), None);
            session.insert("b", 2).unwrap();
        });
        let (session, _) = fake.session().await;
        session.log_in("ada").unwrap();
        session.insert("secret", "ada's").unwrap();
        assert_eq!(session.save().await.is_err(), fails);
        assert_eq!(contents(&session), json!({ "b": 2 }));
        let pending = session.take_pending(Scope::Commit, NOW, &rules()).unwrap();
        assert_eq!(pending.outcome, Outcome::Replace);
        assert_eq!(shown(&pending.changes.afresh()), "b=2");
        let grace = Pseudonym::of("grace", None).unwrap();
        assert_eq!(
            pending.login.as_ref().map(|login| &login.user),
            Some(&grace)
        );
        pending.failed(Error::new(ErrorKind::Unavailable, "only asked"));
    }
}

/// A value that is put after a logout is put, also if the session that goes has it.
#[tokio::test]
async fn logout_during_a_save_drops_no_later_value() {
    let fake = Fake::holding(&[("theme", "1")]).meanwhile(|session| {
        session.destroy().unwrap();
        session.insert("theme", 1).unwrap();
    });
    let (session, fake) = fake.session().await;
    session.insert("a", 1).unwrap();
    session.save().await.unwrap();
    assert_eq!(contents(&session), json!({ "theme": 1 }));
    session.save().await.unwrap();
    assert_eq!(fake.sent(), ["Update(None) a=1", "Replace theme=1"]);
}

#[tokio::test]
async fn a_save_whose_outcome_is_unknown_seals_the_session() {
    let reply = Reply::Fail(ErrorKind::OutcomeUnknown);
    let fake = Fake::holding(&[("n", "5")]).replying([reply]);
    let (session, fake) = fake.session().await;
    session.increment("n", 1).unwrap();
    for _ in 0..2 {
        let error = session.save().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    }
    assert_eq!(fake.sent().len(), 1, "a sealed session sends nothing");
    let error = session.insert("a", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert!(session.unknown_outcome().is_some());
}

#[tokio::test]
async fn a_save_that_is_dropped_on_the_way_seals_the_session() {
    let fake = Fake::holding(&[("n", "5")]).replying([Reply::Never]);
    let (session, fake) = fake.session().await;
    session.increment("n", 1).unwrap();
    {
        let mut save = std::pin::pin!(session.save());
        let polled = save.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Pending));
        assert_eq!(fake.sent(), ["Update(None) n+1"]);
        assert!(session.unknown_outcome().is_none());
    }
    let unknown = session.unknown_outcome().unwrap();
    assert_eq!(unknown.kind(), ErrorKind::OutcomeUnknown);
    let error = session.insert("a", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    let error = session.save().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(fake.sent().len(), 1);
}

#[tokio::test]
async fn a_save_that_was_never_begun_seals_nothing() {
    let (session, fake) = Fake::holding(&[]).session().await;
    session.insert("a", 1).unwrap();
    drop(session.save());
    session.insert("a", 2).unwrap();
    session.save().await.unwrap();
    assert_eq!(fake.sent(), ["Update(None) a=2"]);
}

#[tokio::test]
async fn save_performs_a_pending_renewal() {
    let (session, fake) = Fake::holding(&[("a", "1")]).session().await;
    session.cycle_id().unwrap();
    session.insert("a", 2).unwrap();
    session.save().await.unwrap();
    session.insert("a", 3).unwrap();
    session.save().await.unwrap();
    assert_eq!(fake.sent(), ["Cycle a=2", "Update(None) a=3"]);
    assert_eq!(at_the_end(&session), (Outcome::Keep, String::new()));
}

#[tokio::test]
async fn save_after_logout_and_login_begins_anew() {
    let (session, fake) = Fake::holding(&[("a", "1")]).session().await;
    session.destroy().unwrap();
    session.log_in("ada").unwrap();
    session.save().await.unwrap();
    session.insert("b", 2).unwrap();
    session.save().await.unwrap();
    assert_eq!(fake.sent(), ["Replace ", "Update(None) b=2"]);
}

/// A record that is bound to this user.
fn record_of(user: &str, entries: &[(&str, &str)]) -> Record {
    let user = Pseudonym::of(user, None).unwrap();
    let end = Timestamp::from_epoch_seconds(9_000);
    let label = Some("phone".to_owned());
    let binding = Binding::new(user, "handle".to_owned(), label, end);
    record(entries).bound_to(Some(binding))
}

async fn session_of(user: &str, entries: &[(&str, &str)]) -> (Session, Arc<Fake>) {
    let found = Some(record_of(user, entries));
    let fake = Fake {
        found,
        ..Fake::default()
    };
    fake.session().await
}

#[tokio::test]
async fn login_of_another_user_empties_the_session() {
    let (session, _) = session_of("ada", &[("a", "1")]).await;
    session.insert("before", 1).unwrap();
    session.log_in("grace").unwrap();
    assert!(session.is_empty());
    session.insert("after", 2).unwrap();
    assert_eq!(
        at_the_end(&session),
        (Outcome::Replace, "after=2".to_owned())
    );

    // Also where the first of them has logged in with this very request.
    let (session, _) = Fake::holding(&[("a", "1")]).session().await;
    session.log_in("ada").unwrap();
    session.insert("before", 1).unwrap();
    session.log_in("grace").unwrap();
    assert!(session.is_empty());
    assert_eq!(at_the_end(&session), (Outcome::Replace, String::new()));
}

#[tokio::test]
async fn login_keeps_anonymous_data_and_a_users_own() {
    let (session, _) = Fake::holding(&[("a", "1")]).session().await;
    session.log_in("ada").unwrap();
    assert_eq!(contents(&session), json!({ "a": 1 }));
    assert_eq!(at_the_end(&session), (Outcome::Cycle, String::new()));

    let (session, _) = session_of("ada", &[("a", "1")]).await;
    session.log_in("ada").unwrap();
    assert_eq!(contents(&session), json!({ "a": 1 }));
    assert_eq!(at_the_end(&session), (Outcome::Cycle, String::new()));
}

#[tokio::test]
async fn login_that_failed_logs_nobody_out() {
    let (session, _) = session_of("ada", &[("a", "1")]).await;
    session.log_in("grace").unwrap();
    let pending = session.take_pending(Scope::OnlyDestroy, NOW, &rules());
    let pending = pending.unwrap();
    assert_eq!(pending.outcome, Outcome::Keep);
    pending.kept(None);
}

#[tokio::test]
async fn login_of_nobody_fails_and_stops_no_logout() {
    let (session, _) = session_of("ada", &[("a", "1")]).await;
    let error = session.log_in("").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    session.destroy().unwrap();
    assert_eq!(at_the_end(&session), (Outcome::Destroy, String::new()));
}

#[tokio::test]
async fn label_is_a_change_and_no_new_id() {
    let (session, _) = session_of("ada", &[]).await;
    session.set_label("laptop").unwrap();
    let pending = session.take_pending(Scope::Commit, NOW, &rules()).unwrap();
    assert_eq!(pending.outcome, Outcome::Update(None));
    assert_eq!(pending.new_label.as_deref(), Some("laptop"));
    pending.failed(Error::new(ErrorKind::Unavailable, "only asked"));

    let (session, _) = session_of("ada", &[]).await;
    session.set_label("phone").unwrap();
    assert_eq!(at_the_end(&session), (Outcome::Keep, String::new()));
    let (session, _) = Fake::holding(&[]).session().await;
    session.set_label("phone").unwrap();
    assert_eq!(
        at_the_end(&session),
        (Outcome::Keep, String::new()),
        "nobody's"
    );
}

#[tokio::test]
async fn take_once_depends_on_the_value() {
    let fake = Fake::holding(&[("state", "\"x1\"")]).replying([Reply::After("state", "\"x2\"")]);
    let (session, _) = fake.session().await;
    let taken: Option<String> = session.take_once("state").unwrap();
    assert_eq!(taken.as_deref(), Some("x1"));
    assert_eq!(session.take_once::<String>("state").unwrap(), None);
    let pending = session.take_pending(Scope::Commit, NOW, &rules()).unwrap();
    assert_eq!(shown(&pending.changes), "state-");
    let gone = pending.changes.apply(&data(&[])).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::Conflict);
    let other = pending
        .changes
        .apply(&data(&[("state", "\"x2\"")]))
        .unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Conflict);
    let after = pending.changes.apply(pending.record.data()).unwrap();
    assert!(after.is_empty());
    pending.failed(Error::new(ErrorKind::Unavailable, "only asked"));
}

#[tokio::test]
async fn take_once_and_put_back_still_depends_on_it() {
    let (session, _) = Fake::holding(&[("n", "1")]).session().await;
    assert_eq!(session.take_once("n").unwrap(), Some(1));
    session.insert("n", 1).unwrap();
    let pending = session.take_pending(Scope::Commit, NOW, &rules()).unwrap();
    assert_eq!(pending.outcome, Outcome::Update(None));
    assert!(pending.changes.apply(&data(&[("n", "2")])).is_err());
    pending.failed(Error::new(ErrorKind::Unavailable, "only asked"));
}

#[test]
fn get_or_reset_removes_what_is_of_another_type() {
    let session = Session::detached(json!({ "prefs": "old", "n": 1 }));
    assert_eq!(session.get_or_reset::<Vec<u8>>("prefs").unwrap(), None);
    assert!(!session.contains("prefs"));
    assert_eq!(session.get_or_reset::<u8>("n").unwrap(), Some(1));
    assert_eq!(session.get_or_reset::<u8>("absent").unwrap(), None);
    let error = session.get_or_reset::<u8>("").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidKey);
    session
        .update("prefs", |prefs: &mut Vec<u8>| prefs.push(1))
        .unwrap();
    assert_eq!(session.get("prefs").unwrap(), Some(vec![1_u8]));
}

/// Its functions, and those that parse and serialize its values.
#[tokio::test]
async fn update_may_use_the_session() {
    let (session, _) = Fake::holding(&[("n", "1")]).session().await;
    let inside = session.clone();
    session
        .update("n", move |n: &mut i64| {
            *n += inside.get::<i64>("n").unwrap().unwrap();
            inside.insert("seen", *n).unwrap();
            assert!(inside.contains("n"));
        })
        .unwrap();
    assert_eq!(contents(&session), json!({ "n": 2, "seen": 2 }));
}

thread_local! {
    static OPEN: std::cell::RefCell<Option<Session>> = const { std::cell::RefCell::new(None) };
}

/// A value that uses the session while it is parsed.
struct Curious;

impl<'de> serde::Deserialize<'de> for Curious {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer)?;
        let session = OPEN.with_borrow(Clone::clone).unwrap();
        session.insert("parsed", true).unwrap();
        Ok(Self)
    }
}

#[tokio::test]
async fn get_and_take_parse_without_the_lock() {
    let (session, _) = Fake::holding(&[("c", "1")]).session().await;
    OPEN.set(Some(session.clone()));
    assert!(session.get::<Curious>("c").unwrap().is_some());
    assert!(session.take_once::<Curious>("c").unwrap().is_some());
    assert_eq!(contents(&session), json!({ "parsed": true }));
    OPEN.set(None);
}

/// The function runs again on the value that another request has written, without the lock.
#[tokio::test]
async fn update_runs_again_without_the_lock() {
    let fake = Fake::holding(&[("n", "1")])
        .replying([Reply::After("n", "10")])
        .meanwhile(|session| {
            let inside = session.clone();
            let add = move |n: &mut i64| {
                assert!(inside.contains("n"));
                *n += 5;
            };
            session.update("n", add).unwrap();
            assert_eq!(session.get("n").unwrap(), Some(7));
        });
    let (session, _) = fake.session().await;
    session.update("n", |n: &mut i64| *n += 1).unwrap();
    session.save().await.unwrap();
    assert_eq!(session.get("n").unwrap(), Some(16));
}

#[test]
fn update_that_always_changes_its_key_fails() {
    let session = Session::detached(json!({ "n": 0 }));
    let inside = session.clone();
    let error = session
        .update("n", move |_: &mut i64| {
            inside.increment("n", 1).unwrap();
        })
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[test]
fn failure_is_one_that_somebody_still_holds() {
    let session = Session::detached(json!({ "text": "a" }));
    let held = session.get::<u8>("text").unwrap_err();
    let dealt_with = session.insert("", 1).unwrap_err();
    assert_eq!(session.failure().unwrap().kind(), ErrorKind::InvalidKey);
    drop(dealt_with);
    let wrapped: Box<dyn std::error::Error + Send + Sync> = held.into();
    assert_eq!(session.failure().unwrap().kind(), ErrorKind::Deserialize);
    drop(wrapped);
    assert!(session.failure().is_none());
}

#[tokio::test]
async fn what_got_a_new_id_is_not_renewed_again() {
    let (session, fake) = Fake::default().session().await;
    session.insert("a", 1).unwrap();
    session.cycle_id().unwrap();
    session.save().await.unwrap();
    assert_eq!(fake.sent(), ["Create a=1"]);
    assert_eq!(at_the_end(&session), (Outcome::Keep, String::new()));
}

#[tokio::test]
async fn after_a_logout_begins_a_new_session() {
    let (session, fake) = Fake::holding(&[("a", "1"), ("n", "5")]).session().await;
    session.insert("b", 2).unwrap();
    session.destroy().unwrap();
    assert!(session.is_empty() && !session.contains("a"));
    assert_eq!(session.get::<u8>("a").unwrap(), None);
    assert_eq!(session.increment("n", 1).unwrap(), 1);
    session.insert("a", 1).unwrap();
    session.clear().unwrap();
    session.increment("n", 1).unwrap();
    session.save().await.unwrap();
    assert_eq!(fake.sent(), ["Replace n+1"]);
    assert_eq!(session.id(), Some(id("B")));
    assert_eq!(contents(&session), json!({ "n": 1 }));
    assert_eq!(at_the_end(&session), (Outcome::Keep, String::new()));
}

#[tokio::test]
async fn a_replacement_that_failed_is_pending_as_one() {
    let reply = Reply::Fail(ErrorKind::Unavailable);
    let (session, fake) = Fake::holding(&[("a", "1")])
        .replying([reply])
        .session()
        .await;
    session.destroy().unwrap();
    session.insert("b", 2).unwrap();
    session.save().await.unwrap_err();
    assert_eq!(contents(&session), json!({ "b": 2 }));
    session.save().await.unwrap();
    assert_eq!(fake.sent(), ["Replace b=2"; 2]);
}

#[tokio::test]
async fn a_logout_that_was_saved_is_done() {
    let (session, fake) = Fake::holding(&[("a", "1")]).session().await;
    session.destroy().unwrap();
    session.save().await.unwrap();
    assert_eq!(session.id(), None);
    assert!(session.is_new() && session.is_empty());
    session.insert("b", 2).unwrap();
    session.save().await.unwrap();
    assert_eq!(fake.sent(), ["Destroy ", "Create b=2"]);
}

#[tokio::test]
async fn a_renewal_and_a_logout_are_a_logout() {
    for order in [
        [
            Session::cycle_id as fn(&Session) -> Result<(), Error>,
            Session::destroy,
        ],
        [Session::destroy, Session::cycle_id],
    ] {
        let (session, _) = Fake::holding(&[("a", "1")]).session().await;
        order.iter().for_each(|method| method(&session).unwrap());
        assert_eq!(at_the_end(&session), (Outcome::Destroy, String::new()));
    }
}

#[tokio::test]
async fn a_handler_that_failed_commits_its_logout_alone() {
    let (session, _) = Fake::holding(&[("a", "1")]).session().await;
    session.insert("a", 2).unwrap();
    session.cycle_id().unwrap();
    let pending = session.take_pending(Scope::OnlyDestroy, NOW, &rules());
    let pending = pending.unwrap();
    assert_eq!(pending.outcome, Outcome::Keep);
    pending.kept(None);

    let (session, _) = Fake::holding(&[("a", "1")]).session().await;
    session.destroy().unwrap();
    session.insert("a", 2).unwrap();
    let pending = session.take_pending(Scope::OnlyDestroy, NOW, &rules());
    let pending = pending.unwrap();
    assert_eq!(pending.outcome, Outcome::Destroy);
    assert!(pending.changes.is_empty());
    pending.destroyed(NOW, &rules(), Token::Remove);
}

#[tokio::test]
async fn clearing_a_stored_session_stores_the_emptiness() {
    let (session, _) = Fake::holding(&[("a", "1")]).session().await;
    session.clear().unwrap();
    let expected = (Outcome::Update(None), "clear".to_owned());
    assert_eq!(at_the_end(&session), expected);

    let (fresh, _) = Fake::default().session().await;
    fresh.insert("a", 1).unwrap();
    fresh.clear().unwrap();
    assert_eq!(at_the_end(&fresh), (Outcome::Keep, String::new()));
}

#[test]
fn an_unread_session_is_written_without_a_look() {
    let (session, _) = Fake::holding(&[("a", "1"), ("n", "5")]).unread();
    let unread = WriteOnlySession(session.clone());
    unread.insert("a", 1).unwrap();
    unread.increment("n", 2).unwrap();
    unread.remove("absent").unwrap();
    assert_eq!(session.id(), None, "nobody knows whether it lives");
    let expected = (Outcome::Update(None), "a=1 absent- n+2".to_owned());
    assert_eq!(at_the_end(&session), expected);

    let (session, _) = Fake::holding(&[]).unread();
    let unread = WriteOnlySession(session.clone());
    let error = unread.insert("", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidKey);
    unread.destroy().unwrap();
    assert_eq!(at_the_end(&session), (Outcome::Destroy, String::new()));
}

#[tokio::test]
async fn an_unread_session_that_is_read_after_all_keeps_its_changes() {
    let (session, _) = Fake::holding(&[("a", "1"), ("n", "5")]).unread();
    let unread = WriteOnlySession(session.clone());
    unread.insert("a", 1).unwrap();
    unread.increment("n", 2).unwrap();
    unread.remove("absent").unwrap();
    session.load().await.unwrap();
    assert_eq!(contents(&session), json!({ "a": 1, "n": 7 }));
    let expected = (Outcome::Update(None), "n+2".to_owned());
    assert_eq!(at_the_end(&session), expected);

    let (session, _) = Fake::holding(&[("a", "1")]).unread();
    let unread = WriteOnlySession(session.clone());
    unread.destroy().unwrap();
    unread.insert("a", 1).unwrap();
    session.load().await.unwrap();
    assert_eq!(contents(&session), json!({ "a": 1 }));
    let expected = (Outcome::Replace, "a=1".to_owned());
    assert_eq!(at_the_end(&session), expected);
}

#[test]
fn an_entry_that_is_no_json_is_an_error_for_who_asks_for_it() {
    use crate::store::native::NativeValue;
    let mut stored = data(&[("bad", "not json"), ("good", "1")]);
    stored.insert("native", Entry::native(NativeValue::Bool(true), None));
    let session = Session::new(Ids::One(id("A")).into(), Arc::new(Fake::default()));
    let found = Found::Live(Record::new(stored, CREATED, TTL));
    session.loaded(found, None, NOW, &rules());
    for key in ["bad", "native"] {
        let error = session.get::<Value>(key).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deserialize, "{key}");
        assert!(!format!("{error} {error:?}").contains("not json"));
        assert!(session.contains(key));
    }
    assert_eq!(session.get("good").unwrap(), Some(1));
    assert_eq!(session.keys(), ["bad", "good", "native"]);
    assert_eq!(at_the_end(&session), (Outcome::Keep, String::new()));
}

#[tokio::test]
async fn a_touch_waits_for_the_end_and_a_change_takes_it_along() {
    let due = Expiry {
        touch: Some(Duration::ZERO),
        idle: Duration::from_secs(600),
        ..rules()
    };
    let later = Timestamp::from_epoch_seconds(1_600);
    let (session, _) = Fake::holding(&[("a", "1")]).session().await;
    let pending = session.take_pending(Scope::Save, NOW, &due).unwrap();
    assert_eq!(pending.outcome, Outcome::Keep);
    pending.kept(None);
    let pending = session.take_pending(Scope::Commit, NOW, &due).unwrap();
    assert_eq!(pending.outcome, Outcome::Touch(later));
    pending.kept(Some(later));
    assert_eq!(session.token(), (Token::Issue, Some(id("A")), later));

    let (session, _) = Fake::holding(&[("a", "1")]).session().await;
    session.insert("a", 2).unwrap();
    let pending = session.take_pending(Scope::Commit, NOW, &due).unwrap();
    assert_eq!(pending.outcome, Outcome::Update(Some(later)));
    pending.failed(Error::new(ErrorKind::Unavailable, "only asked"));

    let (unread, _) = Fake::holding(&[("a", "1")]).unread();
    unread.insert("a", 2).unwrap();
    let pending = unread.take_pending(Scope::Commit, NOW, &due).unwrap();
    assert_eq!(
        pending.outcome,
        Outcome::Update(None),
        "`created` is unknown"
    );
    pending.failed(Error::new(ErrorKind::Unavailable, "only asked"));
}
