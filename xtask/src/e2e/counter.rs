//! The `counter` example: three visits, with the function's process killed before the third, and
//! the item in the table.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use aws_sdk_dynamodb::types::AttributeValue;

use super::checks::Checks;
use super::{COOKIE, Item, Setup, id_of, names, storage_key};
use crate::client::Client;

const IDLE_SECONDS: u64 = 1_209_600;

pub(super) async fn journey(setup: &Setup<'_>, checks: &mut Checks) -> Result<()> {
    let mut function = setup.function("counter").await?;
    let url = &function.url().to_owned();
    let mut client = Client::new();

    let first = client.get(url).await?;
    checks.equal("counter: the first visit", &*first.body, "visit 1\n");
    checks.equal("counter: it sets one cookie", first.cookies().len(), 1);
    let cookie = client.cookie(COOKIE).context("there is no cookie")?;
    let cookie = cookie.to_owned();
    check_attributes(checks, first.cookies().first().copied().unwrap_or_default());
    checks.equal(
        "counter: no cache keeps it",
        first.headers.get("cache-control").map(|v| v.as_bytes()),
        Some(&b"no-store"[..]),
    );

    let second = client.get(url).await?;
    checks.equal("counter: the second visit", &*second.body, "visit 2\n");
    checks.equal("counter: it sets no cookie", second.cookies().len(), 0);

    function.kill_and_restart().await?;
    let third = client.get(url).await?;
    let what = "counter: the third visit, after the process was killed";
    checks.equal(what, &*third.body, "visit 3\n");
    let what = "counter: the cookie is the same";
    checks.equal(what, client.cookie(COOKIE), Some(&*cookie));

    let stranger = Client::new().get(url).await?;
    let what = "counter: another client has a count of its own";
    checks.equal(what, &*stranger.body, "visit 1\n");

    let item = setup.item(&cookie).await?;
    let what = "counter: the record's id is the SHA-256 of the cookie's bytes";
    checks.holds(what, item.is_some());
    check_item(checks, &cookie, &item.context("there is no record")?)?;
    let items = format!("{:?}", setup.items().await?);
    let what = "counter: no attribute of the table holds the cookie's id";
    checks.holds(what, !items.is_empty() && !items.contains(id_of(&cookie)));
    function.stop()
}

fn check_attributes(checks: &mut Checks, set_cookie: &str) {
    let mut parts: Vec<_> = set_cookie.split(';').map(str::trim).collect();
    let pair = parts.remove(0);
    let value = pair.strip_prefix("__Host-sid=").unwrap_or_default();
    checks.equal("counter: 32 bytes in base64url", id_of(value).len(), 43);
    let what = "counter: a hint of the touch in an hour";
    checks.holds(what, value[id_of(value).len()..].starts_with("~t"));
    parts.sort_unstable();
    let wanted = [
        "HttpOnly",
        "Max-Age=1209600",
        "Path=/",
        "SameSite=Lax",
        "Secure",
    ];
    checks.equal("counter: the cookie's attributes", parts, wanted);
}

fn check_item(checks: &mut Checks, cookie: &str, item: &Item) -> Result<()> {
    let wanted = [
        "created", "data", "id", "modified", "ttl", "version", "write",
    ];
    checks.equal("counter: the record's attributes", names(item), wanted);
    let number = |name: &str| -> Result<u64> {
        let value = item.get(name).and_then(|value| value.as_n().ok());
        Ok(value
            .with_context(|| format!("{name} is not an N"))?
            .parse()?)
    };
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());

    let id = storage_key(cookie)?;
    checks.equal("counter: id", text("id"), Some(&id));
    let visits = AttributeValue::M([("visits".into(), AttributeValue::N("3".into()))].into());
    checks.equal("counter: data", item.get("data"), Some(&visits));
    checks.equal("counter: version", number("version")?, 3);

    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let recent = |time: u64| time <= now.as_secs() && now - Duration::from_secs(time) < MINUTES;
    checks.holds("counter: created, in seconds", recent(number("created")?));
    let what = "counter: ttl, in seconds, after the idle timeout";
    let begin = number("ttl")?.checked_sub(IDLE_SECONDS);
    checks.holds(what, begin.is_some_and(recent));
    let modified = text("modified").map_or("", String::as_str);
    let what = "counter: modified, in RFC 3339 and UTC";
    checks.holds(what, is_rfc3339_utc(modified));
    let what = "counter: write";
    checks.holds(what, text("write").is_some_and(|write| !write.is_empty()));
    Ok(())
}

/// A limit that the whole journey stays below.
const MINUTES: Duration = Duration::from_secs(600);

fn is_rfc3339_utc(text: &str) -> bool {
    let shape = "0000-00-00T00:00:00";
    let Some((whole, rest)) = text.split_at_checked(shape.len()) else {
        return false;
    };
    let fits = |(found, wanted): (char, char)| match wanted {
        '0' => found.is_ascii_digit(),
        other => found == other,
    };
    let fraction = rest.strip_suffix('Z').unwrap_or("no");
    whole.chars().zip(shape.chars()).all(fits) && (fraction.is_empty() || fraction.starts_with('.'))
}
