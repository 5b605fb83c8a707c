//! Server-side HTTP sessions for AWS Lambda, kept in DynamoDB.
//!
//! A [`SessionLayer`] gives each request its [`Session`]. The session is loaded from DynamoDB
//! before the handler runs and changed in memory while it runs. It is written in one conditional
//! call after the handler has returned. The client has a cookie with a random id, and the table
//! holds only a hash of that id.
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
//! Only the load has to be awaited. After it, every method of [`Session`] that reads or changes a
//! value is synchronous, takes `&self`, and touches only memory. A value is anything that serde can
//! write as JSON. A key is a string or a typed [`Key`].
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
//! Changes are written key by key. If two concurrent requests change different keys of one session,
//! both changes are kept. DynamoDB adds up [`increment`](Session::increment), so concurrent
//! increments all count. [`update`](Session::update) applies a function to the value as it is when
//! it is written. For rules that span several keys, use
//! [`require_unchanged`](Session::require_unchanged). A value equal to the stored one is not a
//! change and costs no write.
//!
//! # Login and logout
//!
//! [`log_in`](Session::log_in) gives the session a new id and invalidates the old one. Anyone who
//! knew the old id is therefore not logged in together with the user. If sessions have no users,
//! [`cycle_id`](Session::cycle_id) does the same. [`destroy`](Session::destroy) is the logout.
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
//!                 session.log_in(&user)?; // comes first: a new id, against session fixation
//!                 session.insert(USER, &user)?;
//!                 (StatusCode::OK, format!("welcome, {user}\n"))
//!             }
//!             None => (StatusCode::UNAUTHORIZED, "wrong name or password\n".to_owned()),
//!         },
//!         (&Method::POST, "/logout") => {
//!             session.destroy()?; // deletes the record and the cookie
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
//! `main` is the one above, with `app` in place of `hello`.
//!
//! # Users
//!
//! [`log_in`](Session::log_in) also binds the session to the user, so that the user's sessions can
//! be listed and revoked:
//!
//! - [`user_sessions`](Session::user_sessions) lists them ("your devices").
//! - [`revoke_others`](Session::revoke_others) ends all others ("log out everywhere else").
//! - [`revoke`](Session::revoke) ends one of them.
//! - [`SessionLayer::revoke_user`] ends all of them, from outside a request.
//!
//! A revocation ends every session that was logged in when the revocation began, whatever other
//! requests do concurrently.
//!
//! ```
//! use lambda_sessions::{Error, Session};
//!
//! async fn devices(session: &Session) -> Result<Vec<String>, Error> {
//!     let sessions = session.user_sessions().await?;
//!     let line = |info: &lambda_sessions::session::SessionInfo| {
//!         let mark = if info.is_current() { " (this one)" } else { "" };
//!         format!("{}{mark}", info.label().unwrap_or("unknown"))
//!     };
//!     Ok(sessions.iter().map(line).collect())
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() { assert!(devices(&Session::detached(())).await.unwrap().is_empty()); }
//! ```
//!
//! In DynamoDB, users require a [second table](DynamoDbStore::users_table), which is not used until
//! the first session is bound. The tables hold a [pseudonym](SessionLayer::user_hash_key) of the
//! user.
//!
//! # When changes are written
//!
//! Changes are written after the handler has returned `Ok` with a status below 500. The response is
//! sent only after DynamoDB has acknowledged the write. If a handler returns `Err` or a 5xx
//! response, nothing is written except a logout. If it panics, nothing is written at all. A session
//! that is empty and was never stored is not stored, and sets no cookie. [`save`](Session::save)
//! writes earlier, before a side effect that must happen only if the session is stored.
//!
//! # Failures
//!
//! An outage is not a logout. If a load fails, no handler is called, no cookie is cleared and
//! nothing is written. The client gets a 503, or the response that
//! [`on_error`](SessionLayer::on_error) makes of the [`Error`]. Failures are logged with `tracing`.
//! Install a subscriber: without one, a wrong table name is only visible as a 503.
//!
//! If another request destroys the session or cycles its id, the session does not come back. A
//! request that had read it before, and changes it, gets a 409. A login is an exception: it begins
//! a new session.
//!
//! A failed call is retried with a jittered delay, for 3 seconds by default. It is never retried
//! past the deadline, which is 200 ms before the invocation ends. A connection that died while the
//! environment was frozen costs one attempt (at most 1 second, if it gives no response). A write
//! that is sent several times counts once. If the outcome of a write is ambiguous, the error is
//! [`OutcomeUnknown`](ErrorKind::OutcomeUnknown), and the response says so. [The list of
//! faults][faults] states what a client gets for each fault.
//!
//! [faults]: https://docs.rs/crate/lambda-sessions/latest/source/docs/faults.md
//!
//! # Costs
//!
//! | A request that … | DynamoDB calls |
//! |---|---|
//! | never asks for its session (with the layer) | none |
//! | reads, and has no cookie or an unusable one | none |
//! | reads | `GetItem` |
//! | reads when a [touch](SessionLayer::touch_interval) is due | `GetItem`, `UpdateItem` |
//! | reads and changes any number of keys | `GetItem`, `UpdateItem` |
//! | only writes (with the layer: [`write_only_session`](SessionExt::write_only_session)) | `UpdateItem`; a `GetItem` before it if DynamoDB has not responded for 10 seconds |
//! | starts a session | `PutItem` |
//! | cycles the id | `GetItem`, `TransactWriteItems` |
//! | destroys the session and starts a new one | `GetItem`, `TransactWriteItems` |
//! | logs out | `GetItem`, `DeleteItem` |
//! | has its id [cycled automatically](SessionLayer::cycle_id_after) | `GetItem`, `TransactWriteItems` |
//! | begins a session of a [user](Session::log_in), or cycles its id | `TransactWriteItems` for the write |
//! | logs out of a session of a user | `GetItem`, `DeleteItem`, `DeleteItem` |
//! | lists a user's sessions | `Query`, and one `BatchGetItem` per 100 sessions |
//! | revokes a user's sessions | `Query`, two `DeleteItem` per session, `Query` |
//!
//! A read costs one read unit per 4 KB, because it is strongly consistent. A write costs one write
//! unit per KB. A transaction costs twice that for each of its items
//! ([pricing](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html)).
//! It has two items. For a session of a user it has one more row, or two more if the id is cycled.
//!
//! # Other services
//!
//! A [`SessionLayer`] is also a `tower` layer for any `http` service. There, a session is loaded
//! only when a handler calls [`request.session().await?`](SessionExt::session):
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
//! With axum, use `Router::layer(sessions)`. [`Session`] is then an extractor for the handlers that
//! need it (feature `axum`).
//!
//! # Testing
//!
//! [`Session::detached`] creates a session for the test of a handler. [`MemoryStore`] is a store
//! for the test of a whole application, and [`SessionLayer::clock`] sets the time:
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
//! The test of a whole application, up to the expiry of a session:
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
    doc = "| `conformance` | [the suite](crate::store::conformance) that every [`SessionStore`] passes | no |"
)]
#![cfg_attr(
    not(feature = "conformance"),
    doc = "| `conformance` | the suite that every [`SessionStore`] passes | no |"
)]
//!
//! # Layout
//!
//! | Module | Contents |
//! |---|---|
//! | `error`, `id`, `key`, `expiry` | values that cannot be invalid once they exist |
//! | `user` | the binding of a session to a user, and the list of a user's sessions |
//! | `record` | what a store holds for one session |
//! | `changes` | the changes of a request, and the decision how they are persisted |
//! | `session` | the handle that handlers use |
//! | `store` | the trait; `memory`; `dynamodb` with `connection`, `item`, `expression`, `sending`, `update`, `users`, `retry`, `fault`; the suite |
//! | `presented`, `signing`, `cookie`, `transport`, `response` | how the id is carried, and what a response says about it |
//! | `events` | repairs of an event that `lambda_http` would otherwise lose parts of |
//! | `config` | settings, their defaults, the environment |
//! | `service`, `budget` | the pipeline: read the id, load, run the handler, decide, apply (`service::apply`), write the cookie; its deadline |
//! | `layer`, `tower`, `request`, `extract` | the interface to an application |
//! | `fuzzing`, `leaks` | checks for hostile input and for leaks in output, used only by the fuzzer and the tests |

// docs.rs labels each item with the feature that it requires.
#![cfg_attr(docsrs, feature(doc_cfg))]

// The support code that the tests in `tests` share uses this name for the library.
#[cfg(test)]
extern crate self as lambda_sessions;

mod attached;
mod clock;
mod config;
mod env;
mod error;
mod events;
mod expiry;
#[cfg(feature = "axum")]
mod extract;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
#[path = "../tests/properties/mod.rs"]
pub mod fuzzing;
mod id;
mod key;
pub mod layer;
#[cfg(test)]
mod leaks;
mod pipeline;
mod request;
mod service;
pub mod session;
pub mod store;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod test_support;
mod wire;

pub use ::cookie::SameSite;

pub use crate::error::{Error, ErrorKind};
pub use crate::events::run;
pub use crate::key::Key;
pub use crate::layer::SessionLayer;
pub use crate::request::SessionExt;
pub use crate::session::{Session, WriteOnlySession};
pub use crate::store::dynamodb::DynamoDbStore;
pub use crate::store::memory::MemoryStore;
pub use crate::store::session_store::SessionStore;
pub use crate::wire::signing::SigningKey;

/// Compiles the programs of the README and of the pages under `docs`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/guide.md")]
#[doc = include_str!("../docs/configuration.md")]
#[doc = include_str!("../docs/errors.md")]
#[doc = include_str!("../docs/deploy.md")]
pub struct Documents;
