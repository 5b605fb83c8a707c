//! The pages, and what their forms do.
//!
//! A form is answered by a redirect, so that a reload does not send it again. What happened is told
//! by a message in the session, which the next page shows once.

use axum::Form;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use lambda_sessions::{Error, Key, Session};
use serde::Deserialize;

const USER: Key<String> = Key::new("user");
const MESSAGE: Key<String> = Key::new("message");

#[derive(Deserialize)]
pub(crate) struct Credentials {
    user: String,
    password: String,
}

pub(crate) async fn home(session: Session) -> Result<Html<String>, Error> {
    // The message is removed when it is shown.
    let message = session.take(MESSAGE)?.unwrap_or_default();
    let form = match session.get(USER)? {
        Some(user) => format!(
            "<p>Signed in as {user}. <a href=/private>A private page</a></p>\
             <form method=post action=/logout><button>Sign out</button></form>"
        ),
        None => "<form method=post action=/login>\
                 <label>User <input name=user autocomplete=username></label>\
                 <label>Password <input name=password type=password></label>\
                 <button>Sign in</button></form>"
            .to_owned(),
    };
    Ok(page(&format!("<p role=status>{message}</p>{form}")))
}

/// Shows a page to users only. A visitor without a session has no user, and gets none.
pub(crate) async fn private(session: Option<Session>) -> Result<Response, Error> {
    let Some(session) = session else {
        return Ok(Redirect::to("/").into_response());
    };
    Ok(match session.get(USER)? {
        Some(user) => page(&format!("<p>Only {user} sees this.</p>")).into_response(),
        None => Redirect::to("/").into_response(),
    })
}

pub(crate) async fn login(
    session: Session,
    Form(form): Form<Credentials>,
) -> Result<Redirect, Error> {
    if is_right(&form) {
        // A client that knew the id before the login must not share the session after it.
        session.log_in(&form.user)?;
        session.insert(USER, &form.user)?;
        session.insert(MESSAGE, "Welcome back.")?;
    } else {
        session.insert(MESSAGE, "Wrong user or password.")?;
    }
    Ok(Redirect::to("/"))
}

pub(crate) async fn logout(session: Session) -> Result<Redirect, Error> {
    session.destroy()?; // deletes the record and the cookie
    session.insert(MESSAGE, "You are signed out.")?; // begins a new session, for the message
    Ok(Redirect::to("/"))
}

/// Checks the password, as a toy. A real function verifies a salted, slow hash, such as Argon2id.
/// It does so for every user, and takes as long for a user that does not exist.
fn is_right(form: &Credentials) -> bool {
    form.user == "ada" && form.password == "lovelace"
}

/// Returns a page. The content is HTML: a program with other texts than these escapes them.
fn page(content: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=en><title>Sessions</title><main>{content}</main></html>\n"
    ))
}
