//! The library, with the same handlers as the other programs.

use lambda_http::tower::Layer as _;
use lambda_http::{Body, Error, Request, Response, run_concurrent, service_fn};
use lambda_sessions::{SessionExt as _, SessionLayer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let sessions = SessionLayer::from_env().await?.max_size(390_000);
    run_concurrent(sessions.layer(service_fn(handle))).await
}

async fn handle(request: Request) -> Result<Response<Body>, Error> {
    let text = match request.uri().path() {
        "/none" => "hello\n".to_owned(),
        "/read" => {
            let visits: Option<i64> = request.session().await?.get("n")?;
            format!("visit {}\n", visits.ok_or("the session has no number")?)
        }
        "/read-write" => {
            let session = request.session().await?;
            let visits: Option<i64> = session.get("n")?;
            let visits = visits.ok_or("the session has no number")? + 1;
            session.insert("n", visits)?;
            format!("visit {visits}\n")
        }
        "/write" => {
            request.write_only_session()?.insert("n", 1)?;
            "written\n".to_owned()
        }
        path => start(&request, path).await?,
    };
    Ok(Response::new(text.into()))
}

/// Starts a session with a number and as many KB of other values as the path says.
async fn start(request: &Request, path: &str) -> Result<String, Error> {
    let kilobytes = path
        .strip_prefix("/start/")
        .ok_or("there is no such path")?;
    let session = request.session().await?;
    session.insert("n", 0)?;
    for part in 0..kilobytes.parse()? {
        session.insert(format!("f{part}"), "x".repeat(1000))?;
    }
    Ok("started\n".to_owned())
}
