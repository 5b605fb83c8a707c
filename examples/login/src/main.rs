//! A login, a logout and a list of "your devices".
//!
//! The login cycles the id, so that an id that was planted before is worthless. After the logout
//! there is no record and no cookie. The list shows the user's sessions, and the user can end all
//! others.
//!
//! To run it with its own DynamoDB in memory, use `cargo xtask demo --example login`.
//!
//! To run it with a DynamoDB that is already running and has the tables `sessions` and
//! `sessions-users`:
//!
//! ```sh
//! SESSION_DYNAMODB_ENDPOINT=http://localhost:8000 AWS_REGION=us-east-1 \
//! AWS_ACCESS_KEY_ID=dummy AWS_SECRET_ACCESS_KEY=dummy cargo lambda watch -p login
//! curl -c jar -b jar http://localhost:9000/
//! curl -c jar -b jar http://localhost:9000/login -d user=alice -d password=wonderland
//! curl -c jar -b jar http://localhost:9000/devices
//! curl -c jar -b jar http://localhost:9000/logout-elsewhere -X POST
//! curl -c jar -b jar http://localhost:9000/logout -X POST
//! ```

use lambda_http::http::header::{ALLOW, CONTENT_TYPE, USER_AGENT};
use lambda_http::http::{Method, StatusCode};
use lambda_http::tracing::{self, subscriber};
use lambda_http::{Error, Request, RequestExt, RequestPayloadExt, Response, run};
use lambda_sessions::{Key, Session, SessionLayer};
use serde::Deserialize;

const USER: Key<String> = Key::new("user");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // The level is fixed and not read from a variable. At TRACE, the runtime logs whole events with
    // their cookies, and the SDK logs whole responses.
    subscriber::fmt()
        .with_env_filter("warn,login=info")
        .without_time()
        .init();
    let sessions = SessionLayer::from_env().await?;
    run(sessions.wrap(route)).await
}

async fn route(request: Request, session: Session) -> Result<Response<String>, Error> {
    match (request.raw_http_path(), request.method()) {
        ("/", &Method::GET) => who(&session),
        ("/login", &Method::POST) => login(&request, &session),
        ("/logout", &Method::POST) => logout(&session),
        ("/devices", &Method::GET) => devices(&session).await,
        ("/logout-elsewhere", &Method::POST) => logout_elsewhere(&session).await,
        ("/" | "/devices", _) => wrong_method("GET"),
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
    text(StatusCode::OK, &format!("welcome, {}", credentials.user))
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
