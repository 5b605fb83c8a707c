//! The `axum` example, once under `cargo lambda watch` and once as an ordinary server: a login, its
//! messages, a page for users only, and a logout.

use std::fs::File;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::StatusCode;
use http::header::LOCATION;
use tokio::time::sleep;

use super::checks::Checks;
use super::{COOKIE, Setup};
use crate::client::{Client, Reply};
use crate::emulator::point_at;
use crate::process::{Running, free_port};

const EXAMPLE: &str = "axum_example";
const FORM: &str = "application/x-www-form-urlencoded";

pub(super) async fn journey(setup: &Setup<'_>, checks: &mut Checks) -> Result<()> {
    let function = setup.function(EXAMPLE).await?;
    visit(checks, "on Lambda", function.url()).await?;
    function.stop()?;

    let port = free_port()?;
    let log = setup.workspace.folder("e2e")?.join("axum_server.log");
    let log = File::create(log)?;
    let mut program = Command::new(setup.workspace.program(EXAMPLE));
    point_at(setup.emulator.endpoint(), &mut program);
    program
        .env("PORT", port.to_string())
        .stdout(log.try_clone()?)
        .stderr(log);
    let mut server = Running::start(EXAMPLE, &mut program)?;
    let home = format!("http://localhost:{port}/");
    wait(&mut server, &home).await?;
    visit(checks, "as a server", &home).await?;
    server.end()
}

/// Waits until the server responds.
async fn wait(server: &mut Running, home: &str) -> Result<()> {
    for _ in 0..100 {
        if Client::new().get(home).await.is_ok() {
            return Ok(());
        }
        ensure!(server.ended()?.is_none(), "the server ended");
        sleep(Duration::from_millis(100)).await;
    }
    ensure!(false, "the server does not respond");
    Ok(())
}

/// Makes the visits of a user. `way` names the way in which the program runs.
async fn visit(checks: &mut Checks, way: &str, home: &str) -> Result<()> {
    let mut check = |what: &str, holds: bool| checks.holds(&format!("axum, {way}: {what}"), holds);
    let [login, logout, private] =
        ["login", "logout", "private"].map(|path| format!("{home}{path}"));
    let mut client = Client::new();

    let reply = client.get(&private).await?;
    check(
        "a stranger is sent home from a private page",
        leads_home(&reply),
    );
    check("and gets no cookie", reply.cookies().is_empty());

    let reply = client.post(&login, FORM, "user=ada&password=x").await?;
    check("a wrong password leads home", leads_home(&reply));
    let page = client.get(home).await?.body;
    check(
        "where a message says so",
        page.contains("Wrong user or password."),
    );
    let page = client.get(home).await?.body;
    check("which is shown once", !page.contains("Wrong"));
    let guest = client
        .cookie(COOKIE)
        .context("there is no cookie")?
        .to_owned();

    let reply = client
        .post(&login, FORM, "user=ada&password=lovelace")
        .await?;
    check("a login leads home", leads_home(&reply));
    let user = client
        .cookie(COOKIE)
        .context("there is no cookie")?
        .to_owned();
    check("with a new id", super::id_of(&guest) != super::id_of(&user));
    let page = client.get(home).await?.body;
    let is_welcome = page.contains("Welcome back.") && page.contains("Signed in as ada");
    check("and a welcome", is_welcome);
    let page = client.get(&private).await?.body;
    check(
        "the private page is shown to the user",
        page.contains("Only ada sees this."),
    );

    let reply = client.post(&logout, FORM, "").await?;
    check("a logout leads home", leads_home(&reply));
    let page = client.get(home).await?.body;
    check(
        "where a message says so",
        page.contains("You are signed out."),
    );
    let old = Client::with_cookie(COOKIE, &user).get(&private).await?;
    check(
        "the cookie of before the logout is worthless",
        leads_home(&old),
    );
    Ok(())
}

fn leads_home(reply: &Reply) -> bool {
    let location = reply.headers.get(LOCATION);
    reply.status == StatusCode::SEE_OTHER && location.is_some_and(|location| location == "/")
}
