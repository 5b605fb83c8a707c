//! Server-side HTTP sessions for AWS Lambda, kept in DynamoDB.
//!
//! A [`SessionLayer`] gives each request its [`Session`]: loaded from DynamoDB before the handler
//! runs, changed in memory while it runs, and written in one conditional call after it has
//! returned. The client has a cookie with a random id, and the table has nothing but that id's
//! hash.
//!
//! ```no_run
//! use lambda_http::{Error, Request, run};
//! use lambda_sessions::{Session, SessionLayer};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Error> {
//!     let sessions = SessionLayer::from_env().await?; // one client per cold start
//!     run(sessions.wrap(hello)).await
//! }
//!
//! async fn hello(_request: Request, session: Session) -> Result<String, Error> {
//!     let visits = session.increment("visits", 1)?;
//!     Ok(format!("visit {visits}\n"))
//! }
//! ```
//!
//! # Reading and changing
//!
//! Loading is the one thing to wait for. After it every method of [`Session`] is synchronous, takes
//! `&self`, and touches nothing but memory. Values are whatever serde can write as JSON; a key is a
//! string, or a typed [`Key`].
//!
//! ```
//! use lambda_sessions::{Error, Key, Session};
//!
//! const CART: Key<Vec<u32>> = Key::new("cart");
//!
//! const ADDED: Key<i64> = Key::new("added"); // counters are `i64`
//!
//! fn add(session: &Session, article: u32) -> Result<usize, Error> {
//!     session.update(CART, move |cart| cart.push(article))?;
//!     session.increment(ADDED, 1)?;
//!     session.insert("last", article)?;
//!     session.remove("coupon")?;
//!     Ok(session.get(CART)?.unwrap_or_default().len())
//! }
//! # let session = Session::detached([("coupon", "X")]);
//! # assert_eq!(add(&session, 7).unwrap(), 1);
//! # assert_eq!(session.keys(), ["added", "cart", "last"]);
//! ```
//!
//! What was changed is written key by key: two requests that change different keys of one session
//! both survive. [`increment`](Session::increment) is added up by DynamoDB, so that concurrent ones
//! all count, and [`update`](Session::update) is a function of the value as it is by then. For rules
//! that span keys there is [`require_unchanged`](Session::require_unchanged). A value equal to what is there is no change, and costs no write.
//!
//! # Login and logout
//!
//! A whole login. [`log_in`](Session::log_in) gives the session a new id and kills the old
//! one, so that nobody who knew it before is logged in along with the user; where sessions have no
//! users, [`cycle_id`](Session::cycle_id) does. [`destroy`](Session::destroy) is the logout.
//!
//! ```
//! use lambda_http::http::{Method, StatusCode};
//! use lambda_http::{Body, Error, IntoResponse, Request, Response};
//! use lambda_sessions::{Key, Session};
//!
//! const USER: Key<String> = Key::new("user");
//!
//! async fn app(request: Request, session: Session) -> Result<Response<Body>, Error> {
//!     let answer = match (request.method(), request.uri().path()) {
//!         (&Method::POST, "/login") => match check_password(request.body()) {
//!             Some(user) => {
//!                 session.log_in(&user)?; // first of all: a new id, against session fixation
//!                 session.insert(USER, &user)?;
//!                 (StatusCode::OK, format!("welcome, {user}\n"))
//!             }
//!             None => (StatusCode::UNAUTHORIZED, "wrong name or password\n".to_owned()),
//!         },
//!         (&Method::POST, "/logout") => {
//!             session.destroy()?; // the record and the cookie go
//!             (StatusCode::OK, "bye\n".to_owned())
//!         }
//!         (&Method::GET, "/") => match session.get(USER)? {
//!             Some(user) => (StatusCode::OK, format!("you are {user}\n")),
//!             None => (StatusCode::UNAUTHORIZED, "nobody is logged in\n".to_owned()),
//!         },
//!         _ => (StatusCode::NOT_FOUND, "there is no such page\n".to_owned()),
//!     };
//!     Ok(answer.into_response().await)
//! }
//!
//! /// Yours: a hash such as Argon2 in a table of users.
//! fn check_password(_body: &Body) -> Option<String> {
//!     # /*
//!     ..
//!     # */
//!     # Some("ada".to_owned())
//! }
//!
//! # use lambda_sessions::{MemoryStore, SessionLayer};
//! # use lambda_http::Service;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let mut service = SessionLayer::new(MemoryStore::new()).wrap(app);
//! # let login = lambda_http::http::Request::post("/login").body(Body::Empty).unwrap();
//! # let response = service.call(login).await.unwrap();
//! # let cookie = response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap();
//! # let home = lambda_http::http::Request::get("/").header("cookie", cookie);
//! # let response = service.call(home.body(Body::Empty).unwrap()).await.unwrap();
//! # assert_eq!(response.status(), StatusCode::OK);
//! # }
//! ```
//!
//! Its `main` is the one above, with `app` in place of `hello`.
//!
//! # Users
//!
//! A session that [`log_in`](Session::log_in) has made a user's is one of the user's sessions:
//! [`user_sessions`](Session::user_sessions) lists them ("your devices"),
//! [`revoke_others`](Session::revoke_others) ends all others ("log out everywhere else"),
//! [`revoke`](Session::revoke) one of them, and [`SessionLayer::revoke_user`] all, from outside a
//! request. Who was logged in when a revocation began is dead when it returns, whatever races it.
//!
//! ```
//! use lambda_sessions::{Error, Session};
//!
//! async fn devices(session: &Session) -> Result<Vec<String>, Error> {
//!     let sessions = session.user_sessions().await?;
//!     let line = |info: &lambda_sessions::SessionInfo| {
//!         let mark = if info.is_current() { " (this one)" } else { "" };
//!         format!("{}{mark}", info.label().unwrap_or("unknown"))
//!     };
//!     Ok(sessions.iter().map(line).collect())
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() { assert!(devices(&Session::detached(())).await.unwrap().is_empty()); }
//! ```
//!
//! In DynamoDB that takes a [second table](DynamoDbStore::users_table), which is asked for nothing
//! until the first session is bound. The tables hold a [pseudonym](SessionLayer::user_hash_key) of the user.
//!
//! # When it is written
//!
//! After the handler has returned `Ok` with a status below 500, and before the response leaves: it
//! is sent only once DynamoDB has acknowledged the write. A handler that returns `Err` or answers 5xx
//! changes nothing, except that a logout is a logout; one that panics changes nothing at all. A session that is empty and was
//! never stored is not stored, and sets no cookie. [`save`](Session::save) writes earlier, before a
//! side effect that must not happen otherwise.
//!
//! # When it goes wrong
//!
//! An outage is not a logout: a load that fails calls no handler, clears no cookie and writes
//! nothing. The client gets 503, or whatever [`on_error`](SessionLayer::on_error) makes of the
//! [`Error`]. Failures are logged with `tracing`: install a subscriber, or a wrong table name is a 503
//! and nothing else. A session that another request destroyed or renewed in the meantime is not brought
//! back: a request that had read it before, and changes it, is answered with 409. A login is not: it
//! begins a session of its own.
//!
//! What fails is tried again, with a jittered wait in between, for 3 seconds by default, and never
//! past the invocation's deadline less 200 ms. A connection that died while the environment was frozen
//! costs one attempt (1 second at the most, where it went silent). A write that is sent again counts
//! once; where nobody can tell whether it happened, the error is
//! [`OutcomeUnknown`](ErrorKind::OutcomeUnknown), and the client is told so.
//! [A page][faults] has what a client gets, fault by fault.
//!
//! [faults]: https://docs.rs/crate/lambda-sessions/latest/source/docs/faults.md
//!
//! # What it costs
//!
//! | A request that … | DynamoDB calls |
//! |---|---|
//! | never asks for its session (with the layer) | none |
//! | has no cookie, or what cannot be one, and reads | none |
//! | reads | `GetItem` |
//! | reads when a [touch](SessionLayer::touch_interval) is due | `GetItem`, `UpdateItem` |
//! | reads and changes any number of keys | `GetItem`, `UpdateItem` |
//! | only writes (with the layer: [`write_only_session`](SessionExt::write_only_session)) | `UpdateItem`; a `GetItem` before it when nothing was heard of DynamoDB for 10 seconds |
//! | starts a session | `PutItem` |
//! | renews the id | `GetItem`, `TransactWriteItems` |
//! | destroys it and starts anew | `GetItem`, `TransactWriteItems` |
//! | logs out | `GetItem`, `DeleteItem` |
//! | finds its id [too old](SessionLayer::cycle_id_after) | `GetItem`, `TransactWriteItems` |
//! | begins, or renews, a session of a [user](Session::log_in) | `TransactWriteItems` for the write |
//! | logs out of one | `GetItem`, `DeleteItem`, `DeleteItem` |
//! | lists a user's sessions | `Query`, and `BatchGetItem` for each 100 |
//! | revokes them | `Query`, 2 `DeleteItem` for each, `Query` |
//!
//! A read costs one read unit per 4 KB (it is strongly consistent), a write one write unit per KB,
//! a transaction twice that for each of its items: two, and of a user's session one row more, or two
//! when it is renewed
//! ([pricing](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html)).
//!
//! # Other services
//!
//! A [`SessionLayer`] is a `tower` layer for any `http` service too. Nothing is loaded there until a
//! handler asks, with [`request.session().await?`](SessionExt::session):
//!
//! ```no_run
//! use lambda_http::tower::Layer as _;
//! use lambda_http::{Body, Error, Request, Response, run, service_fn};
//! use lambda_sessions::{SessionExt as _, SessionLayer};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Error> {
//!     let sessions = SessionLayer::from_env().await?;
//!     run(sessions.layer(service_fn(hello))).await
//! }
//!
//! async fn hello(request: Request) -> Result<Response<Body>, Error> {
//!     if request.uri().path() == "/static" {
//!         return Ok(Response::new("costs nothing\n".into()));
//!     }
//!     let session = request.session().await?;
//!     let visits = session.increment("visits", 1)?;
//!     Ok(Response::new(format!("visit {visits}\n").into()))
//! }
//! ```
//!
//! In axum it is `Router::layer(sessions)`, and [`Session`] is an argument of the handlers that want
//! it (feature `axum`).
//!
//! # Testing
//!
//! [`Session::detached`] makes a session for the test of a handler, [`MemoryStore`] a store for the
//! test of a whole application, and [`SessionLayer::clock`] the time:
//!
//! ```
//! use lambda_sessions::Session;
//!
//! fn greet(session: &Session) -> String {
//!     let name: Option<String> = session.get("name").ok().flatten();
//!     format!("hello {}", name.as_deref().unwrap_or("stranger"))
//! }
//!
//! assert_eq!(greet(&Session::detached([("name", "ada")])), "hello ada");
//! assert_eq!(greet(&Session::detached(())), "hello stranger");
//! ```
//!
//! A whole application, and the end of its sessions:
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
//! use std::time::{Duration, UNIX_EPOCH};
//!
//! use lambda_http::{Body, Error, Request, Service as _};
//! use lambda_sessions::{MemoryStore, Session, SessionLayer};
//!
//! async fn count(_: Request, session: Session) -> Result<String, Error> {
//!     Ok(session.increment("visits", 1)?.to_string())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let now = Arc::new(AtomicU64::new(2_000_000_000));
//! let clock = Arc::clone(&now);
//! let mut service = SessionLayer::new(MemoryStore::new())
//!     .idle_timeout(Duration::from_secs(30 * 60))
//!     .clock(move || UNIX_EPOCH + Duration::from_secs(clock.load(SeqCst)))
//!     .wrap(count);
//!
//! let first = service.call(Request::new(Body::Empty)).await?;
//! let set_cookie = first.headers()["set-cookie"].to_str()?;
//! let cookie = set_cookie.split(';').next().unwrap(); // what the client sends back
//! let again = || lambda_http::http::Request::builder().header("cookie", cookie).body(Body::Empty);
//!
//! let second = service.call(again()?).await?;
//! assert_eq!(second.body(), &Body::from("2"));
//! now.fetch_add(30 * 60, SeqCst);
//! let afresh = service.call(again()?).await?;
//! assert_eq!(afresh.body(), &Body::from("1"));
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | Name | Description | Default? |
//! |---|---|---|
//! | `axum` | [`Session`] and [`WriteOnlySession`] as extractors, [`Error`] as a response | no |
#![cfg_attr(
    feature = "conformance",
    doc = "| `conformance` | [the suite](crate::conformance) that every [`SessionStore`] passes | no |"
)]
#![cfg_attr(
    not(feature = "conformance"),
    doc = "| `conformance` | the suite that every [`SessionStore`] passes | no |"
)]
//!
//! # Layout
//!
//! | Module | What is in it |
//! |---|---|
//! | `error`, `id`, `key`, `expiry` | values that cannot be wrong once built |
//! | `user` | whom a session is bound to, and what is told of it |
//! | `record` | what a store holds of a session |
//! | `changes` | what a request changed, and what becomes of it |
//! | `session` | the handle that handlers have |
//! | `store` | the trait; `memory`; `dynamodb` with `connection`, `item`, `expression`, `sending`, `update`, `users`, `retry`, `fault`; the suite |
//! | `presented`, `signing`, `cookie`, `transport`, `response` | how the id travels, and what a response says of it |
//! | `events` | what `lambda_http` loses of an event, before it does |
//! | `config` | settings, their defaults, the environment |
//! | `service`, `budget` | the pipeline: read the id, load, run the handler, decide, apply (`service::apply`), write the cookie; the time it has |
//! | `layer`, `tower`, `request`, `extract` | how an application gets at it |
//! | `fuzzing`, `leaks` | what must hold of hostile input, and of what is shown: for the fuzzer and the tests alone |

// What the tests in `tests` share names the library so.
#[cfg(test)]
extern crate self as lambda_sessions;

mod body;
mod budget;
mod changes;
mod config;
mod cookie;
mod error;
mod events;
mod expiry;
#[cfg(feature = "axum")]
mod extract;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod id;
mod key;
mod layer;
#[cfg(test)]
mod leaks;
mod presented;
mod record;
mod request;
mod response;
mod service;
mod session;
mod signing;
mod store;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod test_support;
mod tower;
mod transport;
mod user;

pub use ::cookie::SameSite;

pub use crate::body::SessionBody;
pub use crate::changes::{Apply, Change, Changes};
pub use crate::cookie::PreviousCookie;
pub use crate::error::{Error, ErrorKind};
pub use crate::events::{repair_event, run, run_with_streaming_response};
pub use crate::expiry::Timestamp;
pub use crate::id::{SessionId, StorageKey};
pub use crate::key::{AsKey, Key, Takes};
pub use crate::layer::SessionLayer;
pub use crate::record::{Data, Entry, Found, Opaque, Record, Stored, Stub};
pub use crate::request::SessionExt;
pub use crate::session::{Session, WriteOnlySession};
pub use crate::signing::SigningKey;
#[cfg(feature = "conformance")]
pub use crate::store::conformance;
pub use crate::store::dynamodb::DynamoDbStore;
pub use crate::store::memory::MemoryStore;
pub use crate::store::{Moment, Renewal, Replacement, SessionStore, Update};
pub use crate::tower::{SessionFuture, SessionService};
pub use crate::user::{Binding, Pseudonym, Revoked, SessionInfo, UserSessions};

/// Compiles the programs of the README and of the pages under `docs`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/guide.md")]
#[doc = include_str!("../docs/configuration.md")]
#[doc = include_str!("../docs/errors.md")]
#[doc = include_str!("../docs/deploy.md")]
pub struct Documents;
