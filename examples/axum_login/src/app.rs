//! The application: a login, a page for users who are logged in, and a logout.

use std::convert::Infallible;
use std::fmt;

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Form, Router};
use axum_login::tower_sessions::{SessionManagerLayer, SessionStore, session};
use axum_login::{AuthManagerLayerBuilder, AuthUser, AuthnBackend, login_required};
use serde::Deserialize;

type AuthSession = axum_login::AuthSession<Users>;

/// Creates the application with sessions in any store.
pub(crate) fn app<S>(sessions: SessionManagerLayer<S>) -> Router
where
    S: SessionStore + Clone,
{
    Router::new()
        .route("/account", get(account))
        .route_layer(login_required!(Users))
        .route("/", get(who))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .layer(AuthManagerLayerBuilder::new(Users, sessions).build())
}

async fn who(auth: AuthSession) -> String {
    match auth.user {
        Some(user) => format!("logged in as {}\n", user.name),
        None => "not logged in\n".to_owned(),
    }
}

async fn login(mut auth: AuthSession, Form(form): Form<Credentials>) -> Result<String, StatusCode> {
    let user = auth.authenticate(form).await.map_err(failed)?;
    let user = user.ok_or(StatusCode::UNAUTHORIZED)?;
    auth.login(&user).await.map_err(failed)?;
    Ok(format!("welcome, {}\n", user.name))
}

/// Counts the visits of the user who is logged in.
async fn account(auth: AuthSession) -> Result<String, StatusCode> {
    let user = auth.user.ok_or(StatusCode::UNAUTHORIZED)?;
    let visits = count(&auth.session).await.map_err(failed)?;
    Ok(format!("{}, visit {visits}\n", user.name))
}

async fn count(session: &session::Session) -> Result<i64, session::Error> {
    let visits = session.get::<i64>("visits").await?.unwrap_or_default() + 1;
    session.insert("visits", visits).await?;
    Ok(visits)
}

async fn logout(mut auth: AuthSession) -> Result<&'static str, StatusCode> {
    auth.logout().await.map_err(failed)?;
    Ok("goodbye\n")
}

/// Responds to a failure of the store. tower-sessions has logged it.
fn failed<E>(_: E) -> StatusCode {
    StatusCode::SERVICE_UNAVAILABLE
}

/// The users of this application. A real one reads them from a table.
#[derive(Clone)]
pub(crate) struct Users;

#[derive(Clone)]
pub(crate) struct User {
    name: String,
    /// A part of the session. If it changes, as after a change of the password, the user's sessions
    /// end.
    password_hash: Vec<u8>,
}

/// Hides the hash: axum-login logs users at DEBUG.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
pub(crate) struct Credentials {
    name: String,
    password: String,
}

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.name.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        &self.password_hash
    }
}

impl AuthnBackend for Users {
    type User = User;
    type Credentials = Credentials;
    type Error = Infallible;

    /// Checks the password, as a toy. A real function verifies a salted, slow hash, such as
    /// Argon2id. It does so for every user, and takes as long for a user that does not exist.
    async fn authenticate(&self, credentials: Credentials) -> Result<Option<User>, Infallible> {
        let user = self.get_user(&credentials.name).await?;
        Ok(user.filter(|_| credentials.password == "wonderland"))
    }

    async fn get_user(&self, name: &String) -> Result<Option<User>, Infallible> {
        Ok((name == "alice").then(|| User {
            name: name.clone(),
            password_hash: b"the hash of wonderland".to_vec(),
        }))
    }
}
