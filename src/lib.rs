//! Server-side HTTP sessions for AWS Lambda, kept in DynamoDB.
//!
//! A [`SessionLayer`] gives each request its [`Session`]. The session is loaded from DynamoDB
//! before the handler runs and changed in memory while it runs. It is written in one conditional
//! call after the handler has returned. The client has a cookie with a random id, and the table
//! holds only a hash of that id.
//!
//! ```no_run
//! use lambda_http::{Error, Request};
//! use lambda_sessions::{Session, SessionLayer, run};
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
//! [The guide][guide] has recipes for handlers, and [Configuration][configuration] lists the settings
//! and their environment variables.
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
//! # Login, logout and users
//!
//! [`log_in`](Session::log_in) binds the session to a user and gives it a new id. The old id is
//! invalid from then on, so anyone who knew it is not logged in together with the user. If sessions
//! have no users, [`cycle_id`](Session::cycle_id) gives a new id. [`destroy`](Session::destroy) is
//! the logout.
//!
//! ```
//! use lambda_sessions::{Error, Key, Session};
//!
//! const USER: Key<String> = Key::new("user");
//!
//! fn log_in(session: &Session, user: &str) -> Result<(), Error> {
//!     session.log_in(user)?; // comes first: a new id, against session fixation
//!     session.insert(USER, user)
//! }
//!
//! fn log_out(session: &Session) -> Result<(), Error> {
//!     session.destroy() // deletes the record and the cookie
//! }
//! # let session = Session::detached(());
//! # log_in(&session, "ada").unwrap();
//! # assert_eq!(session.get(USER).unwrap().as_deref(), Some("ada"));
//! # log_out(&session).unwrap();
//! # assert!(session.is_empty());
//! ```
//!
//! A user's sessions can be listed and revoked:
//!
//! | Method | Effect |
//! |---|---|
//! | [`Session::user_sessions`] | lists them ("your devices") |
//! | [`Session::revoke`] | ends one of them |
//! | [`Session::revoke_others`] | ends all others ("log out everywhere else") |
//! | [`SessionLayer::revoke_user`] | ends all of them, from outside a request |
//! | [`SessionLayer::update_user`] | changes all of them, from outside a request |
//!
//! A revocation ends every session that was logged in when the revocation began, whatever other
//! requests do concurrently. In DynamoDB, users require a
//! [second table](DynamoDbStore::users_table), which is not used until the first session is bound.
//! The tables hold a [pseudonym](SessionLayer::user_hash_key) of the user.
//!
//! # When changes are written
//!
//! | The handler | Written at the end of the request |
//! |---|---|
//! | returns `Ok` with a status below 500 | all changes |
//! | returns `Err` or a 5xx status | a logout, and nothing else |
//! | panics, or is dropped | nothing |
//!
//! The response is sent only after DynamoDB has acknowledged the write. A session that is empty and
//! was never stored is not stored, and sets no cookie. [`save`](Session::save) writes earlier,
//! before a side effect that must happen only if the session is stored.
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
//! past the deadline, which is 200 ms before the invocation ends. A write that is sent several
//! times counts once. If the outcome of a write is ambiguous, the error is
//! [`OutcomeUnknown`](ErrorKind::OutcomeUnknown), and the response says so. [The list of
//! faults][faults] states what a client gets for each fault.
//!
//! # Costs
//!
//! | A request that … | DynamoDB calls |
//! |---|---|
//! | never asks for its session (with the tower layer) | none |
//! | reads, and has no cookie or an unusable one | none |
//! | reads | `GetItem` |
//! | reads and changes any number of keys | `GetItem`, `UpdateItem` |
//! | starts a session | `PutItem` |
//! | logs in, or cycles the id of a stored session | `GetItem`, `TransactWriteItems` |
//!
//! [The list of costs][costs] has all cases, with their read and write units.
//!
//! # Other services
//!
//! A [`SessionLayer`] is also a `tower` layer for any `http` service. There, a session is loaded
//! only when a handler calls [`request.session().await?`](SessionExt::session):
//!
//! ```no_run
//! use lambda_http::tower::Layer as _;
//! use lambda_http::{Body, Error, Request, Response, service_fn};
//! use lambda_sessions::{SessionExt as _, SessionLayer, run};
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
//! Outside a handler, such as in a Lambda authorizer or a WebSocket's `$connect`,
//! [`authenticate`](SessionLayer::authenticate) reads the session of a client's headers.
//!
//! # Testing
//!
//! [`Session::detached`] creates a session for the test of a handler. [`MemoryStore`] is a store
//! for the test of a whole application, and [`SessionLayer::clock`] sets the time.
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
//! [guide]: https://docs.rs/crate/lambda-sessions/latest/source/docs/guide.md
//! [configuration]: https://docs.rs/crate/lambda-sessions/latest/source/docs/configuration.md
//! [flask]: https://docs.rs/crate/lambda-sessions/latest/source/docs/from-flask.md
//! [costs]: https://docs.rs/crate/lambda-sessions/latest/source/docs/costs.md
//! [faults]: https://docs.rs/crate/lambda-sessions/latest/source/docs/faults.md
//!
//! # Features
//!
//! | Name | Description | Default? |
//! |---|---|---|
//! | `dynamodb` | `DynamoDbStore` and `SessionLayer::from_env`; without it, no crate of the AWS SDK is compiled | yes |
//! | `axum` | [`Session`] and [`WriteOnlySession`] as extractors, [`Error`] as a response | no |
//! | `concurrency-tokio` | `layer::run_concurrent`, for functions with managed concurrency | no |
//! | `flask` | the sessions of a Flask application [go on here][flask] | no |
#![cfg_attr(
    feature = "conformance",
    doc = "| `conformance` | [the suites](crate::store::conformance) that every [`SessionStore`] passes | no |"
)]
#![cfg_attr(
    not(feature = "conformance"),
    doc = "| `conformance` | the suites that every [`SessionStore`] passes | no |"
)]
//!
//! # Layout
//!
//! From the bottom to the top: a file imports only from files of its own row and of the rows above.
//!
//! | Files | Contents |
//! |---|---|
//! | `error`, `clock`, `id`, `key`, `env`, `expiry` | values that cannot be invalid once they exist, and the only readers of the clock and the environment |
//! | `on_error` | the response to a failure |
//! | `wire` | how the id travels: `token` (its spelling), `hints`, `signing`, `cookie`, `header_name`, `carrier` (a cookie, a header or both), `request_head`, `received` (the ids of a request), `response` (the headers of a response) |
//! | `store` | what a store holds and how it changes, the trait, the stores and the conformance suite |
//! | `session` | the handle that handlers use, and the decision what is written |
//! | `config` | the settings of a layer, their defaults and their environment variables |
//! | `attached` | the sessions that layers attach to a request |
//! | `pipeline` | one request: `serve`, `load`, `commit`, one file for each kind of write, `respond`, and the `deadline` |
//! | `service` | the `tower` service, its future and its body |
//! | `events` | repairs of events that `lambda_http` would otherwise lose parts of |
//! | `layer`, `request`, `extract` | the interface to an application |
//! | `fuzzing` | checks for hostile input, used only by the fuzzer and the tests |

// The text above names items of the store in DynamoDB. docs.rs shows it with all features.
#![cfg_attr(not(feature = "dynamodb"), allow(rustdoc::broken_intra_doc_links))]
// docs.rs labels each item with the feature that it requires.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod attached;
mod clock;
mod config;
#[cfg(feature = "dynamodb")]
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
mod on_error;
mod pipeline;
mod request;
mod service;
pub mod session;
pub mod store;
mod wire;

pub use ::cookie::SameSite;

pub use crate::error::{Error, ErrorKind};
pub use crate::events::run;
pub use crate::key::Key;
pub use crate::layer::session_layer::SessionLayer;
pub use crate::request::SessionExt;
pub use crate::session::{Session, WriteOnlySession};
#[cfg(feature = "dynamodb")]
pub use crate::store::dynamodb::store::DynamoDbStore;
pub use crate::store::memory::MemoryStore;
pub use crate::store::session_store::SessionStore;
pub use crate::wire::signing::SigningKey;

/// Compiles the programs of the README and of the pages under `docs`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/axum.md")]
#[doc = include_str!("../docs/guide.md")]
#[doc = include_str!("../docs/authorizers.md")]
#[doc = include_str!("../docs/websockets.md")]
#[doc = include_str!("../docs/configuration.md")]
#[doc = include_str!("../docs/errors.md")]
#[cfg_attr(feature = "dynamodb", doc = include_str!("../docs/storage.md"))]
#[doc = include_str!("../docs/deploy.md")]
#[cfg_attr(feature = "flask", doc = include_str!("../docs/from-flask.md"))]
pub struct Documents;
