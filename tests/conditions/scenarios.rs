//! What conditions are for: each scenario is a request and what happens between its read and its
//! write.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::{Error, Request};
use lambda_sessions::store::{
    Changes, Cycle, Data, Found, Record, Replacement, RequestTime, StorageKey, Timestamp,
};
use lambda_sessions::{ErrorKind, Session, SessionExt as _, SessionStore as _};

use crate::support::{Answer, Bench, Item, Visitor, days, minutes};

/// What is wrong, if anything is.
pub(crate) type Judged = Result<(), String>;
type Running<'a> = Pin<Box<dyn Future<Output = Judged> + Send + 'a>>;

pub(crate) struct Scenario {
    pub(crate) name: String,
    run: Box<dyn Fn(&Bench) -> Running<'_> + Send + Sync>,
}

impl Scenario {
    fn new(
        name: impl Into<String>,
        run: impl Fn(&Bench) -> Running<'_> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }

    pub(crate) async fn run(&self, bench: &Bench) -> Judged {
        (self.run)(bench).await
    }
}

pub(crate) fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    for act in ACTS {
        for meanwhile in MEANWHILE {
            all.push(Scenario::new(
                format!("{act:?}, meanwhile {meanwhile:?}"),
                move |bench| Box::pin(act_meanwhile(bench, act, meanwhile)),
            ));
        }
    }
    for late in [Act::Count, Act::Clear] {
        for doubts in [1, 2] {
            all.push(Scenario::new(
                format!("{late:?}, whose first attempt comes late, {doubts} times"),
                move |bench| Box::pin(late_attempt(bench, late, doubts)),
            ));
        }
    }
    for end in [Act::Destroy, Act::Replace] {
        all.push(Scenario::new(
            format!("a create that comes late, after {end:?}"),
            move |bench| Box::pin(late_create_after(bench, end)),
        ));
    }
    for act in [Act::SetMany, Act::Renew, Act::SetIfUnchanged] {
        for versioned in [true, false] {
            all.push(Scenario::new(
                format!("{act:?}, overtaken, of a record with a version: {versioned}"),
                move |bench| Box::pin(overtaken(bench, act, versioned)),
            ));
        }
    }
    for act in [Act::Count, Act::Clear] {
        all.push(Scenario::new(
            format!("{act:?}, overtaken while it is in doubt"),
            move |bench| Box::pin(overtaken_in_doubt(bench, act)),
        ));
    }
    all.push(Scenario::new("a text is not counted", |bench| {
        Box::pin(a_text_is_not_counted(bench))
    }));
    for (list, grown) in [("list", "[1,2,3]"), ("pages", "[2,3]")] {
        all.push(Scenario::new(
            format!("{list} grows at once"),
            move |bench| Box::pin(grows_at_once(bench, list, grown)),
        ));
    }
    all.push(Scenario::new("a value in place, logged out", |bench| {
        Box::pin(in_place_and_logged_out(bench))
    }));
    all.push(Scenario::new("a value is taken once", |bench| {
        Box::pin(taken_in_between(bench))
    }));
    all.push(Scenario::new("a create that comes late", |bench| {
        Box::pin(late_create(bench))
    }));
    for (end, call) in [
        (Act::Destroy, ("PutItem", 0)),
        (Act::Replace, ("TransactWriteItems", 1)),
    ] {
        all.push(Scenario::new(
            format!("{end:?}, overtaken by a renewal, of a record with a fence"),
            move |bench| Box::pin(overtaken_end(bench, end, call)),
        ));
    }
    all.push(Scenario::new("a create that is lost", |bench| {
        Box::pin(lost_create(bench))
    }));
    all.push(Scenario::new("keys that are taken", |bench| {
        Box::pin(taken_keys(bench))
    }));
    all
}

/// What a request does with its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Set,
    SetIfUnchanged,
    SetMany,
    Count,
    CountNew,
    Push,
    PushNew,
    Clear,
    Touch,
    Renew,
    Replace,
    Destroy,
}

const ACTS: [Act; 11] = [
    Act::Set,
    Act::SetMany,
    Act::Count,
    Act::CountNew,
    Act::Push,
    Act::PushNew,
    Act::Clear,
    Act::Touch,
    Act::Renew,
    Act::Replace,
    Act::Destroy,
];

impl Act {
    fn perform(self, session: &Session) -> Result<(), lambda_sessions::Error> {
        let push = |list: &mut Vec<u32>| list.push(2);
        match self {
            Self::Set => session.insert("name", "ada")?,
            Self::SetIfUnchanged => {
                session.require_unchanged()?;
                session.insert("name", "ada")?;
            }
            Self::SetMany => {
                for n in 0..300 {
                    session.insert(format!("key-{n}"), n)?;
                }
            }
            Self::Count => drop(session.increment("visits", 1)?),
            Self::CountNew => drop(session.increment("hits", 1)?),
            Self::Push => session.update("list", push)?,
            Self::PushNew => session.update("pages", push)?,
            Self::Clear => session.clear()?,
            Self::Touch => {}
            Self::Renew => session.cycle_id()?,
            Self::Replace => {
                session.destroy()?;
                session.insert("name", "ada")?;
            }
            Self::Destroy => session.destroy()?,
        }
        Ok(())
    }
}

/// What happens to the record between a request's read and its write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meanwhile {
    Nothing,
    /// It says the format that everything has which says none.
    SaysFormat,
    LosesItsVersion,
    LosesItsWrite,
    BecomesText(&'static str),
    IsOfANewerFormat,
    Expires,
    IsTouched,
    IsRenewed,
    IsDeleted,
}

const MEANWHILE: [Meanwhile; 12] = [
    Meanwhile::Nothing,
    Meanwhile::SaysFormat,
    Meanwhile::LosesItsVersion,
    Meanwhile::LosesItsWrite,
    Meanwhile::BecomesText("data"),
    Meanwhile::BecomesText("created"),
    Meanwhile::BecomesText("ttl"),
    Meanwhile::IsOfANewerFormat,
    Meanwhile::Expires,
    Meanwhile::IsTouched,
    Meanwhile::IsRenewed,
    Meanwhile::IsDeleted,
];

impl Meanwhile {
    async fn happens(self, bench: &Bench) {
        let table = &bench.table;
        let mut item = table.item().await;
        let number = |n: u64| AttributeValue::N(n.to_string());
        let now = bench.clock.seconds();
        match self {
            Self::Nothing => return,
            Self::SaysFormat => drop(item.insert("format".into(), number(1))),
            Self::LosesItsVersion => drop(item.remove("version")),
            Self::LosesItsWrite => drop(item.remove("write")),
            Self::BecomesText(name) => {
                // Greater than any number, should somebody compare them.
                item.insert(name.into(), AttributeValue::S("~".into()));
            }
            Self::IsOfANewerFormat => drop(item.insert("format".into(), number(2))),
            Self::Expires => drop(item.insert("ttl".into(), number(now))),
            Self::IsTouched => {
                item.insert("ttl".into(), number(now + days(60).as_secs()));
            }
            Self::IsRenewed => {
                item.retain(|name, _| name == "id");
                item.insert("ttl".into(), number(now + 120));
                item.insert("retired".into(), AttributeValue::Bool(true));
            }
            Self::IsDeleted => return table.delete(&item["id"]).await,
        }
        table.put(item).await;
    }
}

/// What the table holds in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    /// What stood there before the write, to the letter.
    Unchanged,
    /// The same record, written once.
    Written,
    /// Its stub, and the record under another id.
    Renewed,
    /// A record under another id.
    Other,
    /// What stood there before, and a record under another id.
    Both,
}

/// The status of the response, and what is left.
fn expected(act: Act, meanwhile: Meanwhile) -> (u64, Left) {
    use Act::{Destroy, Renew, Replace, Touch};
    use Meanwhile::{
        BecomesText, Expires, IsDeleted, IsOfANewerFormat, IsRenewed, IsTouched, LosesItsVersion,
        LosesItsWrite, Nothing, SaysFormat,
    };
    match (meanwhile, act) {
        (IsTouched, Touch) => (200, Left::Unchanged),
        (Nothing | SaysFormat | LosesItsVersion | LosesItsWrite | IsTouched, act) => match act {
            Renew => (200, Left::Renewed),
            Replace => (200, Left::Other),
            Destroy => (200, Left::Nothing),
            _ => (200, Left::Written),
        },
        // A touch that loses its race loses nothing else.
        (IsDeleted, Touch) => (200, Left::Nothing),
        (_, Touch) => (200, Left::Unchanged),
        (IsOfANewerFormat, _) => (503, Left::Unchanged),
        // As one that is sent with a dead id.
        (IsRenewed, Renew) => (200, Left::Unchanged),
        (IsRenewed, _) => (409, Left::Unchanged),
        (BecomesText(_), Destroy) => (200, Left::Unchanged),
        (BecomesText(_), Replace) => (200, Left::Both),
        (IsDeleted | Expires, Destroy) => (200, Left::Nothing),
        (IsDeleted | Expires, Replace) => (200, Left::Other),
        (IsDeleted, _) => (409, Left::Nothing),
        (BecomesText(_) | Expires, _) => (409, Left::Unchanged),
    }
}

async fn act_meanwhile(bench: &Bench, act: Act, meanwhile: Meanwhile) -> Judged {
    let mut ada = bench.guest(begin).await;
    if act == Act::Touch {
        bench.clock.advance(minutes(61));
    }
    let before = &Mutex::new(Vec::new());
    let handler = |_: Request, session: Session| async move {
        meanwhile.happens(bench).await;
        let items = bench.table.items().await;
        *before.lock().unwrap() = items;
        act.perform(&session)?;
        Ok("")
    };
    let reply = ada.visit(&bench.sessions, handler).await;
    let calls = bench.proxy.calls();
    let before = before.lock().unwrap().clone();
    let after = bench.table.items().await;
    let (status, left) = expected(act, meanwhile);
    equal("the status", reply.status, status)?;
    equal("what is left", left_of(&before, &after), left)?;
    // What is possible in one call is done in one.
    let exceptions = match (act, meanwhile) {
        (Act::SetMany | Act::Renew, Meanwhile::LosesItsVersion)
        | (Act::Replace, Meanwhile::BecomesText(_)) => true,
        // No item comes back of a condition that fails where nothing is, nor from some DynamoDBs
        // where something is: it is read. An end asks in a way that needs no answer.
        (act, Meanwhile::IsDeleted) => !matches!(act, Act::Destroy | Act::Replace),
        _ => false,
    };
    equal("two calls", calls.len() == 2, !exceptions)
}

fn left_of(before: &[Item], after: &[Item]) -> Left {
    let id = |item: &Item| item["id"].clone();
    let is_stub = |item: &Item| item.contains_key("retired");
    let old = before.first();
    let same = after.iter().find(|item| old.map(id) == Some(id(item)));
    let other = after.iter().find(|item| old.map(id) != Some(id(item)));
    match (same, other) {
        (None, None) => Left::Nothing,
        (None, Some(_)) => Left::Other,
        (Some(same), None) if Some(same) == old => Left::Unchanged,
        (Some(_), None) => Left::Written,
        (Some(same), Some(_)) if Some(same) == old => Left::Both,
        (Some(same), Some(_)) if is_stub(same) => Left::Renewed,
        _ => panic!("what is left is nothing known: {after:?}"),
    }
}

const LATE: Duration = Duration::from_millis(150);

/// It is sent again, succeeds, another request writes, and then the first attempt arrives. So many
/// times on the same session.
async fn late_attempt(bench: &Bench, act: Act, doubts: usize) -> Judged {
    let mut ada = bench.guest(begin).await;
    for _ in 0..doubts {
        let before = number(&bench.table.item().await, "version");
        late_first(bench, "UpdateItem");
        let handler =
            |_: Request, session: Session| async move { Ok(act.perform(&session).map(|()| "")?) };
        let reply = ada.visit(&bench.sessions, handler).await;
        equal("the status", reply.status, 200)?;
        let other = ada.visit(&bench.elsewhere(), set_other).await;
        equal("the other's status", other.status, 200)?;
        tokio::time::sleep(2 * LATE).await;
        let item = bench.table.item().await;
        equal("the version", number(&item, "version"), before + 2)?;
        let there = item["data"].as_m().unwrap().contains_key("other");
        equal("the other's", there, true)?;
        let again = |_: Request, session: Session| async move {
            session.remove("other")?;
            session.insert("visits", 1)?;
            Ok("")
        };
        ada.visit(&bench.elsewhere(), again).await;
    }
    Ok(())
}

/// The record that was created is written by a second request before the first attempt arrives.
async fn late_create(bench: &Bench) -> Judged {
    late_first(bench, "PutItem");
    let mut ada = Visitor::new();
    let created = ada.visit(&bench.sessions, begin).await;
    equal("the status", created.status, 200)?;
    let written = ada.visit(&bench.sessions, set_other).await;
    equal("the status", written.status, 200)?;
    tokio::time::sleep(2 * LATE).await;
    equal(
        "the version",
        number(&bench.table.item().await, "version"),
        2,
    )
}

/// The session is ended before the first attempt arrives. What is left does not live.
async fn late_create_after(bench: &Bench, end: Act) -> Judged {
    late_first(bench, "PutItem");
    let mut ada = Visitor::new();
    let created = ada.visit(&bench.sessions, begin).await;
    equal("the status", created.status, 200)?;
    let ends =
        |_: Request, session: Session| async move { Ok(end.perform(&session).map(|()| "")?) };
    let ended = ada.clone().visit(&bench.sessions, ends).await;
    equal("the end's status", ended.status, 200)?;
    tokio::time::sleep(2 * LATE).await;
    let found = ada.visit(&bench.elsewhere(), is_new).await;
    equal("it is dead", found.body.as_str(), "true")?;
    let live = bench.table.items().await;
    let live = live.iter().filter(|item| item.contains_key("data")).count();
    equal("the live", live, usize::from(end == Act::Replace))
}

/// The acknowledgement of a create is lost, so that nobody knows which attempts are on their way.
async fn lost_create(bench: &Bench) -> Judged {
    bench
        .proxy
        .answer(|operation, before| match (operation, before) {
            ("PutItem", 0) => Answer::lost(),
            _ => Answer::Forward,
        });
    let created = Visitor::new().visit(&bench.sessions, begin).await;
    equal("the status", created.status, 200)?;
    let item = bench.table.item().await;
    equal("the version", number(&item, "version"), 1)?;
    equal("a fence", item.contains_key("fence"), true)
}

/// Another request renews the session while this one ends it, in two calls because of the fence.
async fn overtaken_end(bench: &Bench, end: Act, call: (&'static str, usize)) -> Judged {
    let mut ada = Visitor::new();
    bench
        .proxy
        .answer(|operation, before| match (operation, before) {
            ("PutItem", 0) => Answer::lost(),
            _ => Answer::Forward,
        });
    ada.visit(&bench.sessions, begin).await;
    let (other, elsewhere) = (ada.clone(), bench.elsewhere());
    bench.proxy.answer(move |operation, before| {
        let (other, elsewhere) = (other.clone(), elsewhere.clone());
        match (operation, before) == call {
            true => Answer::Forward.after(move || {
                let (mut other, elsewhere) = (other.clone(), elsewhere.clone());
                async move { drop(other.visit(&elsewhere, renew).await) }
            }),
            false => Answer::Forward,
        }
    });
    let before = bench.clock.seconds();
    let ends =
        |_: Request, session: Session| async move { Ok(end.perform(&session).map(|()| "")?) };
    let ended = ada.visit(&bench.sessions, ends).await;
    equal("the status", ended.status, 409)?;
    let items = bench.table.items().await;
    let stub = items.iter().find(|item| item.contains_key("retired"));
    let ttl = stub.map(|stub| number(stub, "ttl"));
    equal("the renewal's stub", ttl, Some(before + 120))
}

/// A session is logged out after it was found to hold what a request was to write, and before the
/// request has kept out its attempts that are still on their way.
async fn in_place_and_logged_out(bench: &Bench) -> Judged {
    let mut ada = bench.guest(begin).await;
    let (other, elsewhere) = (ada.clone(), bench.elsewhere());
    bench.proxy.answer(move |operation, before| {
        let (other, elsewhere) = (other.clone(), elsewhere.clone());
        let meanwhile = move |logs_out: bool| {
            Answer::Forward.after(move || {
                let (mut other, elsewhere) = (other.clone(), elsewhere.clone());
                async move {
                    match logs_out {
                        true => drop(other.visit(&elsewhere, crate::support::logout).await),
                        false => drop(other.visit(&elsewhere, set_other).await),
                    }
                }
            })
        };
        match (operation, before) {
            ("UpdateItem", 0) => Answer::lost(),
            ("UpdateItem", 1) => meanwhile(false),
            ("UpdateItem", 2) => meanwhile(true),
            _ => Answer::Forward,
        }
    });
    let handler =
        |_: Request, session: Session| async move { Ok(Act::Set.perform(&session).map(|()| "")?) };
    let reply = ada.visit(&bench.sessions, handler).await;
    equal("the status", reply.status, 200)?;
    equal("nothing is left", bench.table.items().await.len(), 0)
}

async fn take_once(_: Request, session: Session) -> Result<String, Error> {
    let list: Option<Vec<u32>> = session.take_once("list")?;
    Ok(format!("{list:?}"))
}

/// Another request takes it between the read and the write of this one.
async fn taken_in_between(bench: &Bench) -> Judged {
    let mut ada = bench.guest(begin).await;
    let (other, elsewhere) = (&ada.clone(), &bench.elsewhere());
    let handler = |request: Request, session: Session| async move {
        let taken = other.clone().visit(elsewhere, take_once).await;
        assert_eq!(taken.body, "Some([1])");
        take_once(request, session).await
    };
    let reply = ada.visit(&bench.sessions, handler).await;
    equal("the status", reply.status, 409)
}

async fn renew(_: Request, session: Session) -> Result<String, Error> {
    session.cycle_id()?;
    Ok(String::new())
}

fn late_first(bench: &Bench, late: &'static str) {
    bench
        .proxy
        .answer(move |operation, before| match (operation, before) {
            (operation, 0) if operation == late => Answer::Late(LATE),
            _ => Answer::Forward,
        });
}

async fn is_new(_: Request, session: Session) -> Result<String, Error> {
    Ok(session.is_new().to_string())
}

/// Another request writes between the read and the write. What it wrote is there in the end.
async fn overtaken(bench: &Bench, act: Act, versioned: bool) -> Judged {
    let mut ada = bench.guest(begin).await;
    if !versioned {
        Meanwhile::LosesItsVersion.happens(bench).await;
    }
    let (other, elsewhere) = (&ada.clone(), &bench.elsewhere());
    let handler = |_: Request, session: Session| async move {
        other.clone().visit(elsewhere, set_other).await;
        Ok(act.perform(&session).map(|()| "")?)
    };
    let reply = ada.visit(&bench.sessions, handler).await;
    let status = if act == Act::SetIfUnchanged { 409 } else { 200 };
    equal("the status", reply.status, status)?;
    let items = bench.table.items().await;
    let record = items.iter().find(|item| item.contains_key("data")).unwrap();
    let data = record["data"].as_m().unwrap();
    equal("the other's", data.contains_key("other"), true)?;
    equal("ours", data.contains_key("name"), false)
}

/// It is written, its acknowledgement is lost, and another request writes before it is sent again.
async fn overtaken_in_doubt(bench: &Bench, act: Act) -> Judged {
    let mut ada = bench.guest(begin).await;
    let (other, elsewhere) = (ada.clone(), bench.elsewhere());
    bench.proxy.answer(move |operation, before| {
        let (other, elsewhere) = (other.clone(), elsewhere.clone());
        match (operation, before) {
            ("UpdateItem", 0) => Answer::lost(),
            ("UpdateItem", 1) => Answer::Forward.after(move || {
                let (mut other, elsewhere) = (other.clone(), elsewhere.clone());
                async move { drop(other.visit(&elsewhere, set_other).await) }
            }),
            _ => Answer::Forward,
        }
    });
    let handler =
        |_: Request, session: Session| async move { Ok(act.perform(&session).map(|()| "")?) };
    let reply = ada.visit(&bench.sessions, handler).await;
    equal("the kinds", bench.kinds(), vec![ErrorKind::OutcomeUnknown])?;
    equal("the status", reply.status, 503)?;
    let item = bench.table.item().await;
    equal("the version", number(&item, "version"), 3)?;
    equal(
        "the other's",
        item["data"].as_m().unwrap().contains_key("other"),
        true,
    )
}

async fn set_other(_: Request, session: Session) -> Result<String, Error> {
    session.insert("other", 1)?;
    Ok(String::new())
}

/// Without a read, so that it is the store that finds out.
async fn a_text_is_not_counted(bench: &Bench) -> Judged {
    let mut ada = bench.guest(begin).await;
    let before = bench.table.item().await;
    let count = |request: Request| async move {
        request.write_only_session()?.increment("list", 1)?;
        Ok("")
    };
    let reply = ada.visit_layered(&bench.sessions, count).await;
    equal("the status", reply.status, 503)?;
    equal("the error", bench.kinds(), vec![ErrorKind::Deserialize])?;
    equal("the record", bench.table.item().await, before)
}

/// Two requests push to a list, which is there before or is not.
async fn grows_at_once(bench: &Bench, list: &'static str, grown: &'static str) -> Judged {
    let mut ada = bench.guest(begin).await;
    let (other, elsewhere) = (&ada.clone(), &bench.elsewhere());
    let push = move |session: Session, n: u32| {
        session.update(list, move |list: &mut Vec<u32>| list.push(n))
    };
    let handler = |_: Request, session: Session| async move {
        let theirs = |_: Request, session: Session| async move {
            push(session, 2)?;
            Ok("")
        };
        other.clone().visit(elsewhere, theirs).await;
        push(session, 3)?;
        Ok("")
    };
    let reply = ada.visit(&bench.sessions, handler).await;
    equal("the status", reply.status, 200)?;
    let data = bench.table.item().await["data"].as_m().unwrap().clone();
    equal("the list", data[list].as_s().unwrap().as_str(), grown)
}

/// No id is drawn twice; if one were, nobody would be given another's session.
async fn taken_keys(bench: &Bench) -> Judged {
    let (mut ada, mut grace) = (bench.guest(begin).await, bench.guest(begin).await);
    let (from, to) = (key(bench, &mut ada).await, key(bench, &mut grace).await);
    let before = bench.table.items().await;
    let store = bench.sessions.store();
    let now = Timestamp::from_epoch_seconds(bench.clock.seconds());
    let ttl = now.plus(minutes(1));
    let at = RequestTime::at(now);
    let Ok(Found::Live(read)) = store.load(&from, at).await else {
        return Err("it is there".to_owned());
    };
    let changes = Changes::default();
    let renewed = store.cycle(
        &from,
        &to,
        Cycle::new(read.clone(), changes.clone(), ttl, at),
    );
    let renewed = renewed.await.map(drop).map_err(|error| error.kind());
    equal("a renewal", renewed, Err(ErrorKind::Conflict))?;
    let record = Record::new(Data::new(), now, ttl);
    let replaced = store
        .replace(&from, &to, Replacement::new(record.clone(), at))
        .await;
    let replaced = replaced.map(drop).map_err(|error| error.kind());
    equal("a replacement", replaced, Err(ErrorKind::Conflict))?;
    let created = store.create(&to, &record, at).await;
    let created = created.map_err(|error| error.kind());
    equal("a create", created, Err(ErrorKind::Conflict))?;
    equal("what is there", bench.table.items().await, before)
}

async fn key(bench: &Bench, visitor: &mut Visitor) -> StorageKey {
    let key = Mutex::new(None);
    let ask = |_: Request, session: Session| {
        *key.lock().unwrap() = session.id().map(|id| id.storage_key().clone());
        async { Ok("") }
    };
    visitor.visit(&bench.sessions, ask).await;
    key.into_inner().unwrap().unwrap()
}

async fn begin(_: Request, session: Session) -> Result<String, Error> {
    session.insert("visits", 1)?;
    session.insert("list", [1])?;
    Ok(String::new())
}

fn number(item: &Item, name: &str) -> u64 {
    item[name].as_n().unwrap().parse().unwrap()
}

fn equal<T: PartialEq + Debug>(what: &str, found: T, wanted: T) -> Judged {
    match found == wanted {
        true => Ok(()),
        false => Err(format!("{what}: {found:?}, not {wanted:?}")),
    }
}
