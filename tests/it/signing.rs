//! Signed ids, and the replacement of a signing key.

use lambda_http::Request;
use lambda_sessions::{Session, SigningKey};

use crate::support::{
    Browser, COOKIE, SHAPES, ScopedBrowser, Setup, count, logged_in, login, logout, minutes,
    name_seen, peek, signing_key, who,
};

#[tokio::test]
async fn signature_forged_costs_no_call() {
    let setup = Setup::with_users().await;
    let sessions = setup.sessions.clone().signing_keys([signing_key(1)]);
    let mut ada = logged_in(&sessions).await;
    let value = ada.cookie().unwrap().to_owned();
    let (id, signed) = value.split_once('.').unwrap();
    let (signature, hints) = signed.split_once('~').unwrap();
    assert_eq!((signature.len(), hints), (43, "tx2r0nk"));
    let stranger = logged_in(&sessions).await;
    let (other, _) = stranger.cookie().unwrap().split_once('.').unwrap();
    setup.proxy.calls();
    for forged in [
        id.to_owned(),
        format!("{id}."),
        format!("{id}.{}", "A".repeat(43)),
        format!("{id}.{}", &signature[1..]),
        format!("{id}.{signature}A"),
        format!("{id}~{hints}.{signature}"),
        format!("{id}.{signature}.{signature}"),
        format!("{other}.{signature}"),
        format!("{}.{signature}", "A".repeat(43)),
        format!(".{signature}"),
        format!("~{id}.{signature}"),
    ] {
        let mut forger = Browser::with_cookie(COOKIE, &forged);
        assert_eq!(forger.visit(&sessions, who).await.body, "nobody");
        assert_eq!(setup.proxy.calls(), [""; 0], "{forged}");
    }
    assert_eq!(ada.visit(&sessions, who).await.body, "ada");
    let hinted = Browser::with_cookie(COOKIE, &format!("{value}~hint.of~the.future"));
    assert_eq!(name_seen(&sessions, &hinted).await, "ada");
}

#[tokio::test]
async fn signing_key_replaced_keeps_live_sessions() {
    let setup = Setup::with_users().await;
    let first = setup.sessions.clone().signing_keys([signing_key(1)]);
    let both = setup
        .sessions
        .clone()
        .signing_keys([signing_key(2), signing_key(1)]);
    let second = setup.sessions.clone().signing_keys([signing_key(2)]);
    let mut ada = logged_in(&first).await;
    let old = ada.clone();
    assert_eq!(name_seen(&second, &old).await, "nobody");

    let reply = ada.visit(&both, who).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("ada", 1));
    assert_eq!(
        ada.cookie().unwrap()[..43],
        old.cookie().unwrap()[..43],
        "the same id, signed again"
    );
    let reply = ada.visit(&both, who).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("ada", 0));
    assert_eq!(name_seen(&second, &ada).await, "ada");
    assert_eq!(name_seen(&first, &ada).await, "nobody");
    // A client with a dead session gets no new signature.
    let mut gone = old.clone();
    ada.visit(&both, logout).await;
    assert_eq!(gone.visit(&both, who).await.cookies.len(), 0);
}

#[tokio::test]
async fn signing_can_be_switched_on_and_off() {
    let setup = Setup::with_users().await;
    let unsigned = setup.sessions.clone();
    let signed = setup.sessions.clone().signing_keys([signing_key(1)]);
    let before = logged_in(&unsigned).await;
    let after = logged_in(&signed).await;
    // When signing is switched on, clients have to log in again.
    let mut again = before.clone();
    assert_eq!(again.visit(&signed, who).await.body, "nobody");
    assert_eq!(again.visit(&signed, login).await.cookies.len(), 1);
    assert_eq!(name_seen(&signed, &again).await, "ada");
    // When signing is switched off, all clients stay logged in.
    for browser in [&before, &after, &again] {
        assert_eq!(name_seen(&unsigned, browser).await, "ada");
    }
}

#[tokio::test]
async fn signed_cookie_is_not_hidden_by_a_planted_one() {
    let setup = Setup::new().await;
    let sessions = setup.sessions.clone().signing_keys([signing_key(1)]);
    let ada = ScopedBrowser::logged_in(&sessions).await;
    let own = format!("{COOKIE}={}", ada.jar[0].value);
    let unsigned = ScopedBrowser::logged_in(&setup.sessions).await;
    for planted in [
        "",
        "garbage",
        &"A".repeat(43),
        &unsigned.jar[0].value,
        &format!("{}.{}", "A".repeat(43), "A".repeat(43)),
    ] {
        let planted = format!("{COOKIE}={planted}");
        for shape in SHAPES {
            for lines in [[&*own, &*planted], [&*planted, &*own]] {
                let reply = shape.visit(&sessions, &lines, who).await;
                assert_eq!(reply.body, "ada", "{shape:?} {planted}");
            }
        }
    }
    // Two signed values are two sessions, and both are rejected.
    let grace = ScopedBrowser::logged_in(&sessions).await;
    let other = format!("{COOKIE}={}", grace.jar[0].value);
    for shape in SHAPES {
        let reply = shape.visit(&sessions, &[&own, &other], who).await;
        assert_eq!(reply.body, "nobody", "{shape:?}");
    }
}

/// At each step the versions before and after it serve the same clients.
#[tokio::test]
async fn signing_key_is_replaced_step_by_step() {
    let setup = Setup::new().await;
    let version = |keys: &[u8]| {
        let keys: Vec<_> = keys.iter().copied().map(signing_key).collect();
        setup.sessions.clone().signing_keys(keys)
    };
    let (old, new) = (1, 2);
    let versions = [
        version(&[old]),
        version(&[old, new]),
        version(&[new, old]),
        version(&[new]),
    ];
    let mut since_the_start = ScopedBrowser::logged_in(&versions[0]).await;
    for (step, pair) in versions.windows(2).enumerate() {
        let [before, after] = pair else {
            unreachable!()
        };
        let mut here = ScopedBrowser::logged_in(before).await;
        let mut there = ScopedBrowser::logged_in(after).await;
        for browser in [&mut here, &mut there, &mut since_the_start] {
            for version in [before, after, before, after, after, before] {
                let reply = browser.visit(version, who).await;
                assert_eq!(reply.body, "ada", "step {step}");
                assert_eq!(browser.jar.len(), 1, "step {step}");
            }
        }
        // When only one version is left, a value is signed again at most once.
        for browser in [&mut here, &mut there, &mut since_the_start] {
            browser.visit(after, who).await;
            let reply = browser.visit(after, who).await;
            assert_eq!((reply.body.as_str(), reply.cookies.len()), ("ada", 0));
        }
    }
    // Putting the new key first at once skips a step.
    let mut skipped = ScopedBrowser::logged_in(&versions[2]).await;
    assert_eq!(skipped.visit(&versions[0], who).await.body, "nobody");
}

fn keys(bytes: &[u8]) -> Vec<SigningKey> {
    bytes.iter().copied().map(signing_key).collect()
}

/// A cookie is only sent for an id that the commit of its own request has found alive.
#[tokio::test]
async fn signed_again_is_only_a_live_id() {
    for on_schedule in [false, true] {
        let setup = Setup::with_users().await;
        let old = setup.sessions.clone().signing_keys(keys(&[1]));
        let new = setup.sessions.clone().signing_keys(keys(&[2, 1]));
        let cycling = new.clone().cycle_id_after(minutes(15));
        let mut ada = Browser::new();
        ada.visit(&old, count).await;
        setup.clock.advance(minutes(15));
        let (other, new, cycling) = (&ada.clone(), &new, &cycling);
        let slow = |request: Request, session: Session| async move {
            let mut other = other.clone();
            let reply = match on_schedule {
                true => other.visit(cycling, peek).await,
                false => other.visit(new, login).await,
            };
            assert_eq!(reply.cookies.len(), 1);
            peek(request, session).await
        };
        let reply = ada.clone().visit(new, slow).await;
        assert_eq!(
            (reply.status, reply.cookies.len()),
            (200, 0),
            "on_schedule: {on_schedule}"
        );
    }
}

#[tokio::test]
async fn signed_again_costs_one_write() {
    let setup = Setup::new().await;
    let old = setup.sessions.clone().signing_keys(keys(&[1]));
    let new = setup.sessions.clone().signing_keys(keys(&[2, 1]));
    let mut ada = Browser::new();
    ada.visit(&old, count).await;
    let before = ada.cookie().unwrap().to_owned();
    setup.proxy.calls();
    let reply = ada.visit(&new, peek).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("Some(1)", 1));
    assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem"]);
    let after = ada.cookie().unwrap();
    assert_eq!(before[..43], after[..43], "the same id");
    assert_ne!(before, after);
    assert_eq!(ada.visit(&new, peek).await.cookies.len(), 0);
    assert_eq!(setup.proxy.calls(), ["GetItem"]);
}
