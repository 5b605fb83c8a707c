//! The `login` example: who is logged in before and after a login, after the process was killed,
//! after a second login, on a second device, and after a logout.

use anyhow::{Context, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use http::StatusCode;

use super::checks::Checks;
use super::{COOKIE, Setup, names};
use crate::client::Client;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const RIGHT_FORM: &str = "user=alice&password=wonderland";
const RIGHT_JSON: &str = r#"{"user":"alice","password":"wonderland"}"#;
const ANONYMOUS: &str = "not logged in\n";
const ALICE: &str = "logged in as alice\n";

pub(super) async fn journey(setup: &Setup<'_>, checks: &mut Checks) -> Result<()> {
    let mut function = setup.function("login").await?;
    let home = function.url().to_owned();
    let (login, logout) = (format!("{home}login"), format!("{home}logout"));
    let mut client = Client::new();

    let reply = client.get(&home).await?;
    checks.equal("login: a stranger is anonymous", &*reply.body, ANONYMOUS);
    let what = "login: and gets no cookie";
    checks.equal(what, reply.cookies().len(), 0);

    let refused = [
        ("a wrong password", FORM, "user=alice&password=x", 401),
        ("an incomplete form", FORM, "user=alice", 400),
        ("broken JSON", JSON, "{", 400),
        ("an empty body", FORM, "", 400),
    ];
    for (what, content_type, body, status) in refused {
        let reply = client.post(&login, content_type, body).await?;
        let found = (reply.status.as_u16(), reply.cookies().len());
        checks.equal(&format!("login: {what}: {status}"), found, (status, 0));
    }
    let reply = client.get(&login).await?;
    let found = (reply.status, reply.headers.contains_key("allow"));
    let wanted = (StatusCode::METHOD_NOT_ALLOWED, true);
    checks.equal("login: GET /login: 405", found, wanted);
    let reply = client.get(&format!("{home}elsewhere")).await?;
    let what = "login: another path: 404";
    checks.equal(what, reply.status, StatusCode::NOT_FOUND);

    let planted = "A".repeat(43);
    client = Client::with_cookie(COOKIE, &planted);
    let reply = client.post(&login, FORM, RIGHT_FORM).await?;
    checks.equal("login: by form", &*reply.body, "welcome, alice\n");
    let first = client.cookie(COOKIE).context("there is no cookie")?;
    let first = first.to_owned();
    checks.holds("login: a planted id is not adopted", first != planted);
    let what = "login: the planted id has no record";
    checks.holds(what, setup.item(&planted).await?.is_none());
    checks.equal("login: who am I", &*client.get(&home).await?.body, ALICE);

    function.kill_and_restart().await?;
    let what = "login: who am I, after the process was killed";
    checks.equal(what, &*client.get(&home).await?.body, ALICE);

    let reply = client.post(&login, JSON, RIGHT_JSON).await?;
    checks.equal("login: again, by JSON", &*reply.body, "welcome, alice\n");
    let second = client.cookie(COOKIE).context("there is no cookie")?;
    let second = second.to_owned();
    checks.holds("login: it gives a new cookie", first != second);
    let reply = Client::with_cookie(COOKIE, &first).get(&home).await?;
    let what = "login: the old cookie is anonymous";
    checks.equal(what, &*reply.body, ANONYMOUS);
    let what = "login: the old cookie's user gets no cookie, set or removed";
    checks.equal(what, reply.cookies().len(), 0);
    let what = "login: the new cookie is alice";
    checks.equal(what, &*client.get(&home).await?.body, ALICE);
    let tombstone = setup.item(&first).await?.unwrap_or_default();
    let what = "login: a tombstone without data replaces the old record";
    let wanted = ["id", "modified", "retired", "successor", "ttl"];
    checks.equal(what, names(&tombstone), wanted);
    let record = setup.item(&second).await?.context("there is no record")?;
    let user = record
        .get("data")
        .and_then(|data| data.as_m().ok()?.get("user"));
    let wanted = AttributeValue::S("\"alice\"".into());
    checks.equal("login: the record's data", user, Some(&wanted));

    let mut elsewhere = Client::new();
    elsewhere.post(&login, FORM, RIGHT_FORM).await?;
    let devices = client.get(&format!("{home}devices")).await?;
    let what = "login: two devices, and this is one of them";
    let marks = |line: &str| line.chars().next();
    let mut marks: Vec<_> = devices.body.lines().filter_map(marks).collect();
    marks.sort_unstable();
    checks.equal(what, marks, [' ', '*']);
    let reply = client
        .post(&format!("{home}logout-elsewhere"), FORM, "")
        .await?;
    let what = "login: logout elsewhere";
    checks.equal(what, &*reply.body, "logged out everywhere else\n");
    let what = "login: and elsewhere it is anonymous";
    checks.equal(what, &*elsewhere.get(&home).await?.body, ANONYMOUS);
    let what = "login: and here it is alice";
    checks.equal(what, &*client.get(&home).await?.body, ALICE);

    let reply = client.post(&logout, FORM, "").await?;
    checks.equal("login: logout", &*reply.body, "goodbye\n");
    let removal = reply
        .cookies()
        .first()
        .copied()
        .unwrap_or_default()
        .to_owned();
    let mut parts: Vec<_> = removal.split(';').map(str::trim).collect();
    parts.sort_unstable();
    let matters = ["Max-Age=0", "Path=/", "Secure", "__Host-sid="];
    let what = "login: logout removes the cookie";
    checks.holds(what, matters.iter().all(|part| parts.contains(part)));
    let what = "login: logout removes the record";
    checks.holds(what, setup.item(&second).await?.is_none());
    let reply = Client::with_cookie(COOKIE, &second).get(&home).await?;
    let what = "login: the cookie of before the logout is anonymous";
    checks.equal(what, &*reply.body, ANONYMOUS);
    function.stop()
}
