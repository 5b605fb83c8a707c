//! The pages of the example, and the timeouts of their sessions.

use std::time::Duration;

use lambda_http::http::header::{ALLOW, CONTENT_TYPE, USER_AGENT};
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Error, Request, RequestExt, RequestPayloadExt, Response};
use lambda_sessions::{Key, Session, SessionLayer, SessionStore};
use serde::Deserialize;

const USER: Key<String> = Key::new("user");

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The timeouts of every session.
const IDLE: Duration = Duration::from_secs(30 * 60);
const LIFETIME: Duration = HOUR.saturating_mul(12);
/// The timeouts of a user who is remembered.
const REMEMBERED_IDLE: Duration = DAY.saturating_mul(30);
const REMEMBERED: Duration = DAY.saturating_mul(90);

/// Sets the timeouts of the layer, and the longest ones that a session may have.
pub(crate) fn timeouts<S: SessionStore>(sessions: SessionLayer<S>) -> SessionLayer<S> {
    sessions
        .browser_session(true)
        .idle_timeout(IDLE)
        .lifetime(LIFETIME)
        .max_idle_timeout(REMEMBERED_IDLE)
        .max_lifetime(REMEMBERED)
        .skip_touch_if(|request| request.uri.path() == "/status")
}

/// Serves each page.
pub(crate) async fn route(request: Request, session: Session) -> Result<Response<String>, Error> {
    match (request.raw_http_path(), request.method()) {
        ("/", &Method::GET) => who(&session),
        ("/login", &Method::POST) => login(&request, &session),
        ("/logout", &Method::POST) => logout(&session),
        ("/status", &Method::GET) => who(&session),
        ("/devices", &Method::GET) => devices(&session).await,
        ("/logout-elsewhere", &Method::POST) => logout_elsewhere(&session).await,
        ("/" | "/status" | "/devices", _) => wrong_method("GET"),
        ("/login" | "/logout" | "/logout-elsewhere", _) => wrong_method("POST"),
        _ => text(StatusCode::NOT_FOUND, "no such page"),
    }
}

fn who(session: &Session) -> Result<Response<String>, Error> {
    match session.get(USER)? {
        Some(user) => text(StatusCode::OK, &format!("logged in as {user}")),
        None => text(StatusCode::OK, "not logged in"),
    }
}

#[derive(Deserialize)]
struct Credentials {
    user: String,
    password: String,
    /// The box "remember me". A browser sends `on` if it is checked, and nothing if it is not.
    remember: Option<String>,
}

fn login(request: &Request, session: &Session) -> Result<Response<String>, Error> {
    // The body is a form or JSON, according to its content type. The error would quote the body.
    let Ok(Some(credentials)) = request.payload::<Credentials>() else {
        return text(StatusCode::BAD_REQUEST, "send user and password");
    };
    if !is_right(&credentials) {
        tracing::warn!("a login failed");
        return text(StatusCode::UNAUTHORIZED, "wrong user or password");
    }
    // A client that knew the id before the login must not share the session after it.
    session.log_in(&credentials.user)?;
    session.set_label(device(request))?;
    session.insert(USER, &credentials.user)?;
    remember(session, credentials.remember.is_some())?;
    text(StatusCode::OK, &format!("welcome, {}", credentials.user))
}

/// Sets the timeouts of a login. It sets them in both cases, because a login keeps those that the session
/// has had before.
fn remember(session: &Session, remember: bool) -> Result<(), lambda_sessions::Error> {
    let (idle, lifetime) = match remember {
        true => (REMEMBERED_IDLE, REMEMBERED),
        false => (IDLE, LIFETIME),
    };
    session.set_persistent(remember)?;
    session.set_idle_timeout(idle)?;
    session.set_lifetime(lifetime)
}

fn logout(session: &Session) -> Result<Response<String>, Error> {
    session.destroy()?;
    text(StatusCode::OK, "goodbye")
}

/// Lists the sessions of the user who is logged in, the last seen first.
async fn devices(session: &Session) -> Result<Response<String>, Error> {
    let sessions = session.user_sessions().await?;
    let lines = sessions.iter().map(|info| {
        let mark = if info.is_current() { "*" } else { " " };
        format!("{mark} {}", info.label().unwrap_or("an unknown device"))
    });
    text(StatusCode::OK, &lines.collect::<Vec<_>>().join("\n"))
}

/// Ends the user's other sessions. A change of password should do so as well.
async fn logout_elsewhere(session: &Session) -> Result<Response<String>, Error> {
    session.revoke_others().await?;
    text(StatusCode::OK, "logged out everywhere else")
}

/// Returns the name of this login in the list. A real function would say "Firefox on Linux".
fn device(request: &Request) -> &str {
    let agent = request.headers().get(USER_AGENT);
    agent
        .and_then(|agent| agent.to_str().ok())
        .unwrap_or("an unknown device")
}

/// Checks the password, as a toy. A real function verifies a salted, slow hash, such as Argon2id.
/// It does so for every user, and takes as long for a user that does not exist.
fn is_right(credentials: &Credentials) -> bool {
    credentials.user == "alice" && credentials.password == "wonderland"
}

fn wrong_method(allowed: &str) -> Result<Response<String>, Error> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "not like that")?;
    response.headers_mut().insert(ALLOW, allowed.parse()?);
    Ok(response)
}

fn text(status: StatusCode, line: &str) -> Result<Response<String>, Error> {
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "text/plain; charset=utf-8")
        .body(format!("{line}\n"))?;
    Ok(response)
}
