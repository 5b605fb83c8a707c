//! The handlers that tests share, and the questions that tests ask about a session.

use lambda_http::{Error, Request};
use lambda_sessions::{DynamoDbStore, Session, SessionExt as _, SessionLayer};

use super::Browser;

/// Counts the visits, and returns their number.
pub async fn count(_: Request, session: Session) -> Result<String, Error> {
    Ok(session.increment("visits", 1)?.to_string())
}

/// Counts the visits without reading the session. It is for handlers behind the layer.
pub async fn count_write_only(request: Request) -> Result<String, Error> {
    request.write_only_session()?.increment("visits", 1)?;
    Ok(String::new())
}

/// Returns the number of visits.
pub async fn peek(_: Request, session: Session) -> Result<String, Error> {
    Ok(format!("{:?}", session.get::<i64>("visits")?))
}

/// Begins a session with a number and a list.
pub async fn begin(_: Request, session: Session) -> Result<String, Error> {
    session.insert("n", 0)?;
    session.insert("list", [0; 0])?;
    Ok(String::new())
}

/// Logs in the user `ada`, with a label.
pub async fn login(_: Request, session: Session) -> Result<String, Error> {
    session.log_in("ada")?;
    session.set_label("Firefox on Linux")?;
    session.insert("name", "ada")?;
    Ok(String::new())
}

/// Logs in without binding the session to a user.
pub async fn plain_login(_: Request, session: Session) -> Result<String, Error> {
    session.cycle_id()?;
    session.insert("name", "ada")?;
    Ok(String::new())
}

/// Returns the name that a login has stored, or `nobody`.
pub async fn who(_: Request, session: Session) -> Result<String, Error> {
    let name: Option<String> = session.get("name")?;
    Ok(name.unwrap_or_else(|| "nobody".to_owned()))
}

/// Gives the session a new id.
pub async fn cycle(_: Request, session: Session) -> Result<String, Error> {
    session.cycle_id()?;
    Ok(String::new())
}

pub async fn logout(_: Request, session: Session) -> Result<String, Error> {
    session.destroy()?;
    Ok(String::new())
}

/// Logs out without reading the session. It is for handlers behind the layer.
pub async fn logout_write_only(request: Request) -> Result<String, Error> {
    request.write_only_session()?.destroy()?;
    Ok(String::new())
}

/// Logs out the user's other sessions.
pub async fn revoke_others(_: Request, session: Session) -> Result<String, Error> {
    session.revoke_others().await?;
    Ok(String::new())
}

/// Returns a browser that has logged in as `ada`.
pub async fn logged_in(sessions: &SessionLayer<DynamoDbStore>) -> Browser {
    let mut browser = Browser::new();
    let reply = browser.visit(sessions, login).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    browser
}

/// Returns the name that a browser with these cookies sees. The browser itself is left unchanged.
pub async fn name_seen(sessions: &SessionLayer<DynamoDbStore>, browser: &Browser) -> String {
    browser.clone().visit(sessions, who).await.body
}
