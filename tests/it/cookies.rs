//! How the id travels: cookies that change, cookies beside ours, header lines and tokens. Journeys
//! through the real `lambda_http` adapter, with a real DynamoDB behind it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::support::{
    Bench, Function, Outcome, Reply, SHAPES, Shape, Table, Visitor, count, logout, peek,
    plain_login as login, who,
};
use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Body, Error, Request, Response, Service as _};
use lambda_sessions::layer::PreviousCookie;
use lambda_sessions::{DynamoDbStore, MemoryStore, SameSite, Session, SessionLayer, SigningKey};
use serde_json::{Value, json};

type Sessions = SessionLayer<DynamoDbStore>;

const COOKIE: &str = "__Host-sid";

/// Is the function, in the processes that are started for that.
#[tokio::test]
async fn function() {
    let Some(role) = crate::support::role() else {
        return;
    };
    let sessions = SessionLayer::from_env().await.unwrap();
    let ended = match role.as_str() {
        "run" => lambda_sessions::run(sessions.wrap(who)).await,
        "run_with_streaming_response" => {
            lambda_sessions::layer::run_with_streaming_response(sessions.wrap(who)).await
        }
        other => panic!("there is no role {other}"),
    };
    ended.unwrap();
}

/// A client that tells cookies of one name apart by domain, path and partition, as browsers do.
#[derive(Clone, Default)]
struct Browser {
    jar: Vec<Kept>,
}

#[derive(Clone)]
struct Kept {
    name: String,
    scope: [String; 3],
    value: String,
}

impl Kept {
    fn read(set_cookie: &str) -> Self {
        let mut parts = set_cookie.split("; ");
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let mut scope = [String::new(), String::new(), String::new()];
        for part in parts {
            match part.split_once('=').unwrap_or((part, "yes")) {
                ("Domain", domain) => scope[0] = domain.to_owned(),
                ("Path", path) => scope[1] = path.to_owned(),
                ("Partitioned", yes) => scope[2] = yes.to_owned(),
                _ => {}
            }
        }
        Self {
            name: name.to_owned(),
            scope,
            value: value.to_owned(),
        }
    }
}

impl Browser {
    async fn logged_in(sessions: &Sessions) -> Self {
        let mut browser = Self::default();
        browser.visit(sessions, login).await;
        assert_eq!(browser.jar.len(), 1);
        browser
    }

    async fn visit<H, F>(&mut self, sessions: &Sessions, handler: H) -> Reply
    where
        H: Fn(Request, Session) -> F + Clone + Send,
        F: Future<Output = Result<String, Error>> + Send,
    {
        let pairs: Vec<_> = self
            .jar
            .iter()
            .map(|kept| format!("{}={}", kept.name, kept.value))
            .collect();
        let lines: Vec<_> = pairs.iter().map(String::as_str).collect();
        let reply = Shape::HttpApi.visit(sessions, &lines, handler).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.cookies.iter().for_each(|cookie| self.keep(cookie));
        reply
    }

    fn keep(&mut self, set_cookie: &str) {
        let new = Kept::read(set_cookie);
        self.jar
            .retain(|kept| (&kept.name, &kept.scope) != (&new.name, &new.scope));
        if !set_cookie.contains("Max-Age=0;") {
            self.jar.push(new);
        }
    }
}

// ---- previous cookies

/// A setting before and after, and the cookie that is named for the time between.
fn changes(sessions: &Sessions) -> Vec<(&'static str, Sessions, Sessions, PreviousCookie)> {
    let named = || sessions.clone().cookie_name("sid");
    let sid = || PreviousCookie::new("sid");
    let embedded = || named().same_site(SameSite::None);
    vec![
        ("name", named(), sessions.clone(), sid()),
        (
            "no domain any more",
            named().cookie_domain("example.com"),
            named(),
            sid().domain("example.com"),
        ),
        (
            "a domain",
            named(),
            named().cookie_domain("example.com"),
            sid(),
        ),
        (
            "path",
            named().cookie_path("/app"),
            named(),
            sid().path("/app"),
        ),
        ("partition", embedded(), embedded().partitioned(true), sid()),
        (
            "no partition any more",
            embedded().partitioned(true),
            embedded(),
            sid().partitioned(true),
        ),
    ]
}

#[tokio::test]
async fn session_moves_from_a_previous_cookie() {
    let bench = Bench::new().await;
    for (what, before, after, previous) in changes(&bench.sessions) {
        let after = after.previous_cookie(previous);
        let mut browser = Browser::logged_in(&before).await;
        let old = browser.jar[0].clone();
        bench.proxy.calls();
        let reply = browser.visit(&after, who).await;
        assert_eq!(reply.body, "ada", "{what}");
        // The write shows that the id is alive when the cookie is sent.
        assert_eq!(bench.proxy.calls(), ["GetItem", "UpdateItem"], "{what}");
        assert_eq!(reply.cookies.len(), 2, "{what}: {:?}", reply.cookies);
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{what}");
        assert_eq!(browser.jar.len(), 1, "{what}: the previous one is gone");
        let new = &browser.jar[0];
        assert_eq!(new.value[..43], old.value[..43], "{what}: the same id");
        assert_ne!((&new.name, &new.scope), (&old.name, &old.scope), "{what}");

        // Once: also where the two have one name.
        let reply = browser.visit(&after, who).await;
        assert_eq!(reply.body, "ada", "{what}");
        assert!(reply.cookies.is_empty(), "{what}: {:?}", reply.cookies);
        assert_eq!(bench.proxy.calls(), ["GetItem"], "{what}");
        // A version of the function from before takes it, where it looks for that name.
        if what != "name" {
            assert_eq!(browser.clone().visit(&before, who).await.body, "ada");
        }
    }
}

/// A dead session in a previous cookie gives nobody a new one.
#[tokio::test]
async fn dead_session_does_not_move() {
    let bench = Bench::new().await;
    let sessions = bench.sessions.clone().previous_cookie("sid");
    let dead = "A".repeat(43);
    let reply = Shape::HttpApi
        .visit(&sessions, &[&format!("sid={dead}")], who)
        .await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("nobody", 0));
}

/// Two cookies, of which nothing tells which is right, used to keep a client out until one of them
/// expired: for up to 400 days.
#[tokio::test]
async fn login_ends_ambiguous_cookies() {
    let bench = Bench::new().await;
    for (what, before, after, previous) in changes(&bench.sessions) {
        // The change was deployed without naming the previous cookie, and both sides have logged in.
        let mut browser = Browser::logged_in(&before).await;
        let old = browser.jar[0].clone();
        browser.jar.clear();
        browser.visit(&after, login).await;
        browser.jar.insert(0, old);
        assert_eq!(browser.jar.len(), 2);
        let expected = if what == "name" { "ada" } else { "nobody" };
        assert_eq!(browser.visit(&after, who).await.body, expected, "{what}");

        let after = after.previous_cookie(previous);
        assert_eq!(browser.visit(&after, who).await.body, expected, "{what}");
        browser.visit(&after, login).await;
        assert_eq!(browser.jar.len(), 1, "{what}");
        for _ in 0..2 {
            let reply = browser.visit(&after, who).await;
            assert_eq!(reply.body, "ada", "{what}");
            assert!(reply.cookies.is_empty(), "{what}: {:?}", reply.cookies);
        }
    }
}

#[tokio::test]
async fn logout_removes_previous_cookies() {
    let bench = Bench::new().await;
    for (what, before, after, previous) in changes(&bench.sessions) {
        let after = after.previous_cookie(previous).previous_cookie("older");
        let mut browser = Browser::logged_in(&before).await;
        let mut copy = browser.clone();
        browser.visit(&after, logout).await;
        assert!(browser.jar.is_empty(), "{what}");
        assert_eq!(copy.visit(&before, who).await.body, "nobody", "{what}");
        // Two that are refused go as well.
        browser.keep("older=x; Path=/");
        browser.keep("older=y; Path=/");
        browser.keep(&format!("{COOKIE}=x; Path=/; Secure"));
        let reply = browser.visit(&after, logout).await;
        assert!(!reply.cookies.is_empty(), "{what}");
        assert!(browser.jar.iter().all(|kept| kept.name != "older"));
    }
}

/// Neither of two ids is accepted. A client that presents an id may end its session.
#[tokio::test]
async fn logout_of_two_values_ends_both_sessions() {
    let bench = Bench::new().await;
    for shape in SHAPES {
        for garbage in [false, true] {
            let ada = Browser::logged_in(&bench.sessions).await;
            let bob = Browser::logged_in(&bench.sessions).await;
            let lines = [&ada, &bob].map(|who| format!("{COOKIE}={}", who.jar[0].value));
            let second = if garbage {
                "__Host-sid=garbage"
            } else {
                &lines[1]
            };
            let both = [lines[0].as_str(), second];
            assert_eq!(
                shape.visit(&bench.sessions, &both, who).await.body,
                "nobody"
            );
            let reply = shape.visit(&bench.sessions, &both, logout).await;
            assert_eq!((reply.status, reply.cookies.len()), (200, 1), "{shape:?}");
            for (line, ended) in lines.iter().zip([true, !garbage]) {
                let seen = shape.visit(&bench.sessions, &[line], who).await.body;
                assert_eq!(seen == "nobody", ended, "{shape:?} {garbage}");
            }
        }
    }
}

/// A logout that could not end one of them is no success.
#[tokio::test]
async fn logout_of_two_values_fails_if_one_stays() {
    use crate::support::Answer;
    let bench = Bench::new().await;
    let ada = Browser::logged_in(&bench.sessions).await;
    let bob = Browser::logged_in(&bench.sessions).await;
    let lines = [&ada, &bob].map(|who| format!("{COOKIE}={}", who.jar[0].value));
    let both = lines.each_ref().map(String::as_str);
    bench
        .proxy
        .answer(|operation, before| match (operation, before) {
            ("DeleteItem", 0) => Answer::error(400, "AccessDeniedException"),
            _ => Answer::Forward,
        });
    let shape = Shape::HttpApi;
    let reply = shape.visit(&bench.sessions, &both, logout).await;
    assert_eq!((reply.status, reply.cookies.len()), (503, 0));
    let seen = shape.visit(&bench.sessions, &[&lines[1]], who).await;
    assert_eq!(seen.body, "nobody", "the other session was ended");
}

#[tokio::test]
async fn login_of_two_values_ends_both_sessions() {
    let bench = Bench::with_users().await;
    for plain in [true, false] {
        let ada = Browser::logged_in(&bench.sessions).await;
        let bob = Browser::logged_in(&bench.sessions).await;
        let lines = [&ada, &bob].map(|who| format!("{COOKIE}={}", who.jar[0].value));
        let both = lines.each_ref().map(String::as_str);
        let handler = |request: Request, session: Session| async move {
            if !plain {
                session.log_in("ada")?;
            }
            login(request, session).await
        };
        let reply = Shape::HttpApi.visit(&bench.sessions, &both, handler).await;
        assert_eq!((reply.status, reply.cookies.len()), (200, 1));
        for line in both {
            let seen = Shape::HttpApi.visit(&bench.sessions, &[line], who).await;
            assert_eq!(seen.body, "nobody");
        }
    }
}

#[tokio::test]
async fn current_cookie_wins_over_a_previous_one() {
    let bench = Bench::new().await;
    let before = bench.sessions.clone().cookie_name("sid");
    let sessions = bench.sessions.clone().previous_cookie("sid");
    let stranger = Browser::default();
    let mut planted = stranger.clone();
    planted.visit(&before, count).await;
    let mut ada = Browser::logged_in(&sessions).await;
    ada.jar.insert(0, planted.jar[0].clone());
    let reply = ada.visit(&sessions, who).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("ada", 0));
    assert_eq!(ada.visit(&sessions, peek).await.body, "None");
    // It goes with the next cookie that is sent.
    ada.visit(&sessions, login).await;
    assert_eq!(ada.jar.len(), 1);
}

#[tokio::test]
async fn header_reads_no_previous_cookie() {
    let bench = Bench::new().await;
    let before = bench.sessions.clone().cookie_name("sid");
    let mut browser = Browser::logged_in(&before).await;
    let sessions = bench.sessions.clone().previous_cookie("sid");
    let sessions = sessions.id_header("X-SessionId");
    let reply = browser.visit(&sessions, who).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("nobody", 0));
}

#[test]
fn impossible_carrier_panics_when_built() {
    let sessions = || SessionLayer::new(MemoryStore::new());
    let cases = [
        (sessions().previous_cookie(COOKIE), "previous cookie"),
        (sessions().previous_cookie("a b"), "token"),
        (
            sessions().previous_cookie("old").previous_cookie("old"),
            "misconfigured: the previous cookie `old` is named twice",
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

// ---- signed ids

fn key(byte: u8) -> SigningKey {
    SigningKey::new([byte; 32]).unwrap()
}

#[tokio::test]
async fn planted_value_does_not_hide_a_signed_one() {
    let bench = Bench::new().await;
    let sessions = bench.sessions.clone().signing_keys([key(1)]);
    let ada = Browser::logged_in(&sessions).await;
    let own = format!("{COOKIE}={}", ada.jar[0].value);
    let unsigned = Browser::logged_in(&bench.sessions).await;
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
    // Two that were signed are two sessions, and nothing tells which is right.
    let grace = Browser::logged_in(&sessions).await;
    let other = format!("{COOKIE}={}", grace.jar[0].value);
    for shape in SHAPES {
        let reply = shape.visit(&sessions, &[&own, &other], who).await;
        assert_eq!(reply.body, "nobody", "{shape:?}");
    }
}

/// At each step the version before it and the one after it serve the same clients.
#[tokio::test]
async fn key_is_replaced_step_by_step() {
    let bench = Bench::new().await;
    let version = |keys: &[u8]| {
        let keys: Vec<_> = keys.iter().copied().map(key).collect();
        bench.sessions.clone().signing_keys(keys)
    };
    let (old, new) = (1, 2);
    let versions = [
        version(&[old]),
        version(&[old, new]),
        version(&[new, old]),
        version(&[new]),
    ];
    let mut since_the_start = Browser::logged_in(&versions[0]).await;
    for (step, pair) in versions.windows(2).enumerate() {
        let [before, after] = pair else {
            unreachable!()
        };
        let mut here = Browser::logged_in(before).await;
        let mut there = Browser::logged_in(after).await;
        for browser in [&mut here, &mut there, &mut since_the_start] {
            for version in [before, after, before, after, after, before] {
                let reply = browser.visit(version, who).await;
                assert_eq!(reply.body, "ada", "step {step}");
                assert_eq!(browser.jar.len(), 1, "step {step}");
            }
        }
        // Where one version alone is left, a value is signed anew once at most.
        for browser in [&mut here, &mut there, &mut since_the_start] {
            browser.visit(after, who).await;
            let reply = browser.visit(after, who).await;
            assert_eq!((reply.body.as_str(), reply.cookies.len()), ("ada", 0));
        }
    }
    // To put the new key first at once is to skip a step.
    let mut skipped = Browser::logged_in(&versions[2]).await;
    assert_eq!(skipped.visit(&versions[0], who).await.body, "nobody");
}

// ---- a handler's own

#[tokio::test]
async fn one_cookie_of_our_scope_leaves() {
    let bench = Bench::new().await;
    const THEIRS: [&str; 3] = [
        "__Host-sid=theirs; Path=/; Secure",
        "__Host-sid=theirs; Path=/elsewhere; Secure",
        "theme=dark",
    ];
    let answer = |act: &'static str| {
        move |_: Request, session: Session| async move {
            match act {
                "login" => session.insert("name", "ada")?,
                "logout" => session.destroy()?,
                _ => {}
            }
            let mut response = Response::builder();
            for cookie in THEIRS {
                response = response.header("set-cookie", cookie);
            }
            Ok::<_, Error>(response.body(Body::Empty)?)
        }
    };
    for shape in SHAPES {
        let ada = Browser::logged_in(&bench.sessions).await;
        let line = format!("{COOKIE}={}", ada.jar[0].value);
        for (act, lines) in [("login", vec![]), ("logout", vec![line.as_str()])] {
            let reply = shape.visit(&bench.sessions, &lines, answer(act)).await;
            let found = &reply.cookies;
            assert_eq!(found.len(), 3, "{shape:?} {act}: {found:?}");
            assert!(found[0].starts_with(COOKIE) && !found[0].contains("theirs"));
            assert_eq!(found[1..], THEIRS[1..], "{shape:?} {act}");
        }
        let lines = [line.as_str()];
        let reply = shape.visit(&bench.sessions, &lines, answer("read")).await;
        assert_eq!(
            reply.cookies, THEIRS,
            "{shape:?}: nothing is set or removed"
        );
    }
}

#[tokio::test]
async fn handlers_caching_is_overruled() {
    let bench = Bench::new().await;
    let answer = |act: &'static str| {
        move |_: Request, session: Session| async move {
            match act {
                "login" => session.insert("name", "ada")?,
                "logout" => session.destroy()?,
                _ => {}
            }
            Ok::<_, Error>(
                Response::builder()
                    .header("cache-control", "private, max-age=60")
                    .header("cdn-cache-control", "max-age=60")
                    .header("cloudflare-cdn-cache-control", "max-age=60")
                    .header("surrogate-control", "max-age=60")
                    .body(Body::Empty)?,
            )
        }
    };
    let names = [
        "cache-control",
        "cdn-cache-control",
        "cloudflare-cdn-cache-control",
        "surrogate-control",
    ];
    let mut visitor = Visitor::new();
    for act in ["login", "read", "logout"] {
        let reply = visitor.visit(&bench.sessions, answer(act)).await;
        let said = names.map(|name| reply.header(name).unwrap());
        match act {
            "read" => assert!(said.iter().all(|said| said.ends_with("max-age=60"))),
            _ => assert_eq!(said, ["no-store"; 4], "{act}"),
        }
    }
}

// ---- events

#[tokio::test]
async fn every_cookie_line_counts() {
    let bench = Bench::new().await;
    let (ada, grace) = (
        Browser::logged_in(&bench.sessions).await,
        Browser::logged_in(&bench.sessions).await,
    );
    let [own, other] = [&ada, &grace].map(|who| format!("{COOKIE}={}", who.jar[0].value));
    for shape in SHAPES {
        for lines in [
            vec!["theme=dark", &own],
            vec![&own, "theme=dark"],
            vec!["theme=dark", &own, "lang=en"],
            vec![&own, &own],
        ] {
            let reply = shape.visit(&bench.sessions, &lines, who).await;
            assert_eq!(reply.body, "ada", "{shape:?} {lines:?}");
        }
        for lines in [[&*own, &*other], [&*other, &*own]] {
            let reply = shape.visit(&bench.sessions, &lines, who).await;
            assert_eq!(reply.body, "nobody", "{shape:?}: two are seen");
        }
    }
}

/// Without `lambda_sessions::run`, only one line counts. A failure means that `lambda_http` was mended.
#[test]
fn lambda_http_alone_keeps_one_line() {
    let request: LambdaRequest =
        serde_json::from_value(Shape::RestApi.event(&["a=1", "b=2"])).unwrap();
    let request = Request::from(request);
    let lines: Vec<_> = request.headers().get_all("cookie").iter().collect();
    assert_eq!(lines, ["b=2"]);
}

#[test]
fn repaired_event_keeps_the_rest() {
    for shape in SHAPES {
        let mut event = shape.event(&["a=1", "b=2"]);
        if shape.has_lines() {
            event["multiValueHeaders"]["x-list"] = json!(["1", "2"]);
        }
        // Behind a domain of its own, which the request's context does not name.
        if shape == Shape::RestApi {
            event["headers"]["Host"] = json!("www.example.com");
            event["multiValueHeaders"]["Host"] = json!(["www.example.com"]);
        }
        let parse = |event: &Value| serde_json::from_value::<LambdaRequest>(event.clone()).unwrap();
        let plain = Request::from(parse(&event));
        let mut repaired = parse(&event);
        lambda_sessions::layer::repair_event(&mut repaired);
        let repaired = Request::from(repaired);
        assert_eq!(repaired.uri(), plain.uri(), "{shape:?}");
        for name in plain.headers().keys() {
            let lines = repaired.headers().get_all(name).iter().count();
            let several = shape.has_lines() && ["cookie", "x-list"].contains(&name.as_str());
            assert_eq!(lines, 1 + usize::from(several), "{shape:?} {name}");
        }
    }
}

#[tokio::test]
async fn bad_cookie_is_dropped_alone() {
    let bench = Bench::new().await;
    let ada = Browser::logged_in(&bench.sessions).await;
    let own = format!("{COOKIE}={}", ada.jar[0].value);
    for bad in ["bad=\u{1}", "bad=\u{7f}", "bad=\r\nx: y", "\0"] {
        for lines in [[&*own, bad], [bad, &*own]] {
            let reply = Shape::HttpApi.visit(&bench.sessions, &lines, who).await;
            assert_eq!(reply.body, "ada", "{bad:?}");
        }
        // The others hold it in a header, for which `lambda_http` refuses the whole event.
        for shape in SHAPES.into_iter().filter(|shape| *shape != Shape::HttpApi) {
            let event = shape.event(&[&own, bad]);
            let parsed = serde_json::from_value::<LambdaRequest>(event);
            assert!(parsed.is_err(), "{shape:?} {bad:?}");
        }
    }
}

#[tokio::test]
async fn run_sees_every_cookie_line() {
    let table = Table::new().await;
    let sessions = SessionLayer::new(table.store());
    let ada = Browser::logged_in(&sessions).await;
    let own = format!("{COOKIE}={}", ada.jar[0].value);
    for role in ["run", "run_with_streaming_response"] {
        let function = Function::start(module_path!(), role, &table, &table.endpoint).await;
        for shape in [Shape::RestApi, Shape::LoadBalancerMultiValue] {
            let event = shape.event(&[&own, "theme=dark"]);
            let Outcome::Response(response) = function.invoke(event).await else {
                panic!("{role} {shape:?}: it failed");
            };
            let response = String::from_utf8_lossy(&response);
            assert!(response.contains("ada"), "{role} {shape:?}: {response}");
        }
    }
}

// ---- a header

#[tokio::test]
async fn bearer_token_carries_the_id() {
    let bench = Bench::new().await;
    let sessions = bench.sessions.clone().id_header("Authorization");
    let mut visitor = Visitor::new();
    let reply = visitor.visit(&sessions, count).await;
    let id = reply.header("x-sessionid").unwrap().to_owned();
    assert_eq!(id.len(), 43);
    assert!(reply.cookies.is_empty());
    assert_eq!(reply.header("authorization"), None);
    assert_eq!(reply.header("vary"), Some("authorization"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));

    for (value, visits) in [
        (format!("Bearer {id}"), "Some(1)"),
        (format!("bearer {id}"), "Some(1)"),
        (format!("Basic {id}"), "None"),
        (id.clone(), "None"),
        ("Bearer x.y.z".to_owned(), "None"),
    ] {
        visitor.set_header("authorization", &value);
        let reply = visitor.visit(&sessions, peek).await;
        assert_eq!(
            (reply.body.as_str(), reply.status),
            (visits, 200),
            "{value}"
        );
        assert_eq!(reply.header("vary"), Some("authorization"));
    }
    let mut by_name = Visitor::new();
    by_name.set_header("x-sessionid", &id);
    assert_eq!(by_name.visit(&sessions, peek).await.body, "None");

    visitor.set_header("authorization", &format!("Bearer {id}"));
    let reply = visitor.visit(&sessions, logout).await;
    assert_eq!(reply.header("x-sessionid"), Some(""));
    assert!(bench.table.items().await.is_empty());
}

#[tokio::test]
async fn bearer_token_is_read_in_every_event() {
    let bench = Bench::new().await;
    let sessions = bench.sessions.clone().id_header("authorization");
    let reply = Visitor::new().visit(&sessions, count).await;
    let token = format!("Bearer {}", reply.header("x-sessionid").unwrap());
    for shape in SHAPES {
        let mut event = shape.event(&[]);
        if event["headers"].is_object() {
            event["headers"]["Authorization"] = json!(token);
        }
        if event["multiValueHeaders"].is_object() {
            event["multiValueHeaders"]["Authorization"] = json!([token]);
        }
        let request: LambdaRequest = serde_json::from_value(event).unwrap();
        let mut adapter = Adapter::from(sessions.wrap(peek));
        let event = LambdaEvent::new(request, Context::default());
        let response = serde_json::to_value(adapter.call(event).await.unwrap()).unwrap();
        assert_eq!(response["body"], "Some(1)", "{shape:?}");
    }
}
