//! Settings that cannot work together. Building the service panics with the reason.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use lambda_sessions::layer::PreviousCookie;
use lambda_sessions::{MemoryStore, SameSite, SessionLayer};

use crate::support::{COOKIE, count, days};

#[test]
fn settings_that_conflict_panic_when_built() {
    let sessions = || SessionLayer::new(MemoryStore::new());
    let cases = [
        (
            sessions()
                .cookie_name("__Host-x")
                .cookie_domain("example.com"),
            "__Host-",
        ),
        (sessions().cookie_name("__Secure-x").secure(false), "Secure"),
        (
            sessions().same_site(SameSite::None).secure(false),
            "SameSite=None",
        ),
        (sessions().partitioned(true).secure(false), "Partitioned"),
        (sessions().cookie_name("a b"), "token"),
        (sessions().cookie_path("app"), "path"),
        (sessions().cookie_domain("a;b"), "domain"),
        (sessions().id_header("a header"), "a header"),
        (sessions().idle_timeout(Duration::ZERO), "idle_timeout"),
        (sessions().lifetime(Duration::from_millis(999)), "lifetime"),
        (sessions().cycle_id_after(Duration::ZERO), "cycle_id_after"),
    ];
    for (sessions, reason) in cases {
        let built = catch_unwind(AssertUnwindSafe(|| drop(sessions.wrap(count))));
        let panic = *built.unwrap_err().downcast::<String>().unwrap();
        assert!(panic.contains(reason), "{panic}");
    }
    drop(
        sessions()
            .lifetime(days(1))
            .idle_timeout(days(2))
            .wrap(count),
    );
}

#[test]
fn settings_of_a_bad_carrier_panic_when_built() {
    let sessions = || SessionLayer::new(MemoryStore::new());
    let cases = [
        (sessions().previous_cookie(COOKIE), "previous_cookie"),
        (sessions().previous_cookie("a b"), "token"),
        (
            sessions().previous_cookie("old").previous_cookie("old"),
            "misconfigured: invalid previous_cookie `old`: it is configured twice",
        ),
        (
            sessions().previous_cookie(PreviousCookie::new("__Host-x").path("/x")),
            "__Host-",
        ),
        (sessions().id_header("Vary"), "Vary"),
        (sessions().id_header("X-Amzn-Trace-Id"), "X-Amzn-Trace-Id"),
        (sessions().id_header("Sec-Token"), "Sec-Token"),
        (sessions().id_header("Location"), "Location"),
    ];
    for (sessions, reason) in cases {
        let built = catch_unwind(AssertUnwindSafe(|| drop(sessions.wrap(count))));
        let panic = *built.unwrap_err().downcast::<String>().unwrap();
        assert!(panic.contains(reason), "{panic}");
    }
}
