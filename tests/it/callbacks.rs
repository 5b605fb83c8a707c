//! The example `callbacks`: logins at a provider on another site, with the cookies that browsers send
//! across sites. This file is longer than others, because it has a model of a browser.

#[path = "../examples/form_post.rs"]
mod form_post;
#[path = "../examples/provider.rs"]
mod provider;
#[path = "../examples/redirect.rs"]
mod redirect;
#[path = "../examples/shop.rs"]
mod shop;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{
    Adapter, Body, Error, IntoResponse, Request, RequestExt as _, Response, Service, service_fn,
};
use lambda_sessions::{SameSite, SessionExt as _};
use serde_json::{Value, json};
use tower::Layer as _;

use self::provider::{Demo, Provider};
use crate::support::{Browser, COOKIE, Reply, Sessions, Setup, minutes};

const FLOW_COOKIE: &str = "__Host-flow";

/// The site that a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Site {
    /// A page of the application.
    Own,
    /// A page of another site that the browser leaves with this request: a link, a form or a redirect.
    Other,
    /// A page of another site that stays: an image, a script or a frame.
    Embedded,
}

/// A cookie as the browser keeps it.
#[derive(Clone, Debug)]
struct Kept {
    name: String,
    value: String,
    same_site: SameSite,
}

/// A browser that sends cookies as RFC 6265bis says, and follows redirects.
#[derive(Clone, Debug, Default)]
struct RealBrowser {
    jar: Vec<Kept>,
}

/// A request as the browser sends it.
#[derive(Clone, Copy, Debug)]
struct Sent<'a> {
    method: &'a str,
    path: &'a str,
    form: &'a str,
    from: Site,
}

impl RealBrowser {
    /// Returns the cookies of a request. A `Lax` cookie is sent by another site only with a safe
    /// method, and only if the browser leaves that site.
    fn cookies(&self, sent: Sent<'_>) -> Vec<String> {
        let is_sent = |kept: &&Kept| match (sent.from, kept.same_site) {
            (Site::Own, _) | (_, SameSite::None) => true,
            (Site::Other, SameSite::Lax) => sent.method == "GET",
            (Site::Other | Site::Embedded, _) => false,
        };
        let sent = self.jar.iter().filter(is_sent);
        sent.map(|kept| format!("{}={}", kept.name, kept.value))
            .collect()
    }

    fn event(&self, sent: Sent<'_>) -> Value {
        let (path, query) = sent.path.split_once('?').unwrap_or((sent.path, ""));
        let mut event = Browser::new().event(path);
        event["rawQueryString"] = json!(query);
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let pairs: serde_json::Map<String, Value> = pairs
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        event["queryStringParameters"] = Value::Object(pairs);
        event["requestContext"]["http"]["method"] = json!(sent.method);
        event["cookies"] = json!(self.cookies(sent));
        event["headers"]["sec-fetch-site"] = json!(match sent.from {
            Site::Own => "same-origin",
            Site::Other | Site::Embedded => "cross-site",
        });
        if sent.method == "POST" {
            event["headers"]["origin"] = json!(match sent.from {
                Site::Own => "https://r3pmxmplak.execute-api.us-east-2.amazonaws.com",
                Site::Other | Site::Embedded => "https://appleid.apple.com",
            });
            event["headers"]["content-type"] = json!("application/x-www-form-urlencoded");
            event["body"] = json!(sent.form);
        }
        event
    }

    /// Sends a request, and keeps the cookies of the response.
    async fn send<T>(&mut self, service: T, sent: Sent<'_>) -> Reply
    where
        T: Service<Request, Error = Error>,
        T::Response: IntoResponse,
        T::Future: Send,
    {
        let request: LambdaRequest = serde_json::from_value(self.event(sent)).unwrap();
        let event = LambdaEvent::new(request, Context::default());
        let response = Adapter::from(service).call(event).await.unwrap();
        let reply = Browser::new().take(&serde_json::to_value(response).unwrap());
        reply.cookies.iter().for_each(|cookie| self.keep(cookie));
        reply
    }

    fn keep(&mut self, set_cookie: &str) {
        let mut parts = set_cookie.split("; ");
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let attributes: Vec<&str> = parts.collect();
        assert!(attributes.contains(&"Secure") && attributes.contains(&"Path=/"));
        let same_site = match attributes
            .iter()
            .find_map(|it| it.strip_prefix("SameSite="))
        {
            Some("None") => SameSite::None,
            Some("Lax") => SameSite::Lax,
            other => panic!("{other:?}"),
        };
        self.jar.retain(|kept| kept.name != name);
        if !attributes.contains(&"Max-Age=0") {
            self.jar.push(Kept {
                name: name.to_owned(),
                value: value.to_owned(),
                same_site,
            });
        }
    }

    fn cookie(&self, name: &str) -> Option<&str> {
        let kept = self.jar.iter().find(|kept| kept.name == name)?;
        Some(&kept.value)
    }
}

/// A provider on another site that knows one code, and counts how often it is asked.
#[derive(Clone, Default)]
struct Apple(Arc<AtomicUsize>);

impl Provider for Apple {
    fn page(&self, callback: &str, state: &str) -> String {
        format!("https://appleid.apple.com/auth/authorize?redirect_uri={callback}&state={state}")
    }

    async fn account(&self, code: &str) -> Result<Option<String>, Error> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok((code == "c0de").then(|| "17".to_owned()))
    }
}

/// The application, with a table for both kinds of sessions.
struct Application {
    setup: Setup,
    sessions: Sessions,
    flows: Sessions,
    apple: Apple,
}

impl Application {
    async fn new() -> Self {
        let setup = Setup::with_users().await;
        let flows = form_post::layer(setup.table.store_at(&setup.proxy.endpoint));
        Self {
            sessions: setup.sessions.clone().audience("shop"),
            flows: flows.clock(setup.clock.reader()),
            apple: Apple::default(),
            setup,
        }
    }

    async fn send(&self, browser: &mut RealBrowser, sent: Sent<'_>) -> Reply {
        let (sessions, flows) = (self.sessions.clone(), self.flows.clone());
        let service = shop::service(sessions, flows, self.apple.clone());
        browser.send(service, sent).await
    }

    async fn get(&self, browser: &mut RealBrowser, path: &str, from: Site) -> Reply {
        let (method, form) = ("GET", "");
        let sent = Sent {
            method,
            path,
            form,
            from,
        };
        self.send(browser, sent).await
    }

    /// Sends a form of the application's own page.
    async fn post(&self, browser: &mut RealBrowser, path: &str) -> Reply {
        let (method, form, from) = ("POST", "", Site::Own);
        let sent = Sent {
            method,
            path,
            form,
            from,
        };
        self.send(browser, sent).await
    }

    /// Sends a form of another site's page.
    async fn post_back(&self, browser: &mut RealBrowser, path: &str, form: &str) -> Reply {
        let (method, from) = ("POST", Site::Other);
        let sent = Sent {
            method,
            path,
            form,
            from,
        };
        self.send(browser, sent).await
    }

    /// Returns a browser of a visitor who has put two articles into the cart.
    async fn visitor(&self) -> RealBrowser {
        let mut browser = RealBrowser::default();
        for _ in 0..2 {
            assert_eq!(self.post(&mut browser, "/cart").await.status, 303);
        }
        browser
    }

    /// Begins a login, and returns the state that the provider gets.
    async fn begin(&self, browser: &mut RealBrowser, path: &str) -> String {
        let reply = self.post(browser, path).await;
        assert_eq!(reply.status, 303);
        let location = reply.header("location").unwrap();
        assert!(location.starts_with("https://appleid.apple.com/"));
        let (_, state) = location.split_once("state=").unwrap();
        assert_eq!(state.len(), 43);
        self.setup.proxy.calls();
        state.to_owned()
    }

    /// Returns the number of articles and the account that the page shows.
    async fn shown(&self, browser: &RealBrowser) -> String {
        let page = self.get(&mut browser.clone(), "/", Site::Own).await.body;
        let (_, rest) = page.split_once("<p>").unwrap();
        rest.split("</p>").next().unwrap().to_owned()
    }

    fn asked(&self) -> usize {
        self.apple.0.swap(0, Ordering::SeqCst)
    }
}

/// Returns the form that the provider's page sends.
fn answer(state: &str) -> String {
    format!("state={state}&code=c0de")
}

#[tokio::test]
async fn callback_by_post_keeps_the_cart() {
    for form in [
        "state=STATE&code=c0de",
        "RelayState=STATE&SAMLResponse=c0de",
    ] {
        let application = Application::new().await;
        let mut ada = application.visitor().await;
        let visitor = ada.cookie(COOKIE).unwrap().to_owned();
        let state = application.begin(&mut ada, "/login/apple").await;
        assert_eq!(ada.cookie(COOKIE), Some(&*visitor), "it is not touched");

        // The browser sends the flow's cookie only. The answer reads and writes the flow only.
        let form = form.replace("STATE", &state);
        let (method, path, from) = ("POST", form_post::CALLBACK, Site::Other);
        let cookies = ada.cookies(Sent {
            method,
            path,
            form: "",
            from,
        });
        assert!(cookies.len() == 1 && cookies[0].starts_with("__Host-flow="));
        let reply = application.post_back(&mut ada, path, &form).await;
        assert_eq!(
            (reply.status, reply.header("location")),
            (303, Some("/login/finish"))
        );
        let calls = application.setup.proxy.calls();
        assert_eq!(calls, ["GetItem", "UpdateItem", "UpdateItem"]);
        assert_eq!(ada.cookie(COOKIE), Some(&*visitor), "it is not replaced");
        assert_eq!(
            application.shown(&ada).await,
            "articles: 2, account: nobody"
        );

        // The redirect is a top-level `GET`, still from the provider's site.
        let reply = application
            .get(&mut ada, "/login/finish", Site::Other)
            .await;
        assert_eq!((reply.status, reply.header("location")), (303, Some("/")));
        assert_eq!(application.shown(&ada).await, "articles: 2, account: 17");
        assert_ne!(
            ada.cookie(COOKIE),
            Some(&*visitor),
            "a login gives a new id"
        );
        assert_eq!(ada.cookie(FLOW_COOKIE), None, "the flow has ended");
        let listed = application.sessions.user_sessions("17").await.unwrap();
        assert_eq!(listed.len(), 1);
        let items = application.setup.table.items().await;
        let live = items.iter().filter(|item| item.contains_key("data"));
        assert_eq!(live.count(), 1, "the flow has no record: {items:?}");
        assert_eq!(application.asked(), 1);
    }
}

/// Without the second layer, the callback begins a session, and its cookie replaces the visitor's.
#[tokio::test]
async fn callback_without_a_flow_loses_the_cart() {
    let application = Application::new().await;
    let mut ada = application.visitor().await;
    let service = application
        .sessions
        .layer(service_fn(|request: Request| async move {
            let session = request.session().await?;
            session.log_in("17")?;
            session.insert(shop::ACCOUNT, "17".to_owned())?;
            Ok::<_, Error>(Response::new(Body::from(request.raw_http_path())))
        }));
    let (method, path, form, from) = ("POST", "/callback", "", Site::Other);
    ada.send(
        service,
        Sent {
            method,
            path,
            form,
            from,
        },
    )
    .await;
    assert_eq!(application.shown(&ada).await, "articles: 0, account: 17");
}

#[tokio::test]
async fn callback_flow_has_a_cookie_of_its_own() {
    let application = Application::new().await;
    let mut ada = application.visitor().await;
    let reply = application.post(&mut ada, "/login/apple").await;
    let [cookie] = &reply.cookies[..] else {
        panic!("{:?}", reply.cookies);
    };
    let (value, attributes) = cookie.split_once(';').unwrap();
    assert!(value.starts_with("__Host-flow="));
    assert_eq!(
        attributes,
        " HttpOnly; SameSite=None; Secure; Path=/; Max-Age=600"
    );
    // It is no visitor's session, whatever cookie carries it.
    let flow = ada.cookie(FLOW_COOKIE).unwrap().to_owned();
    let mut thief = RealBrowser::default();
    thief.keep(&format!("{COOKIE}={flow}; SameSite=Lax; Secure; Path=/"));
    assert_eq!(
        application.shown(&thief).await,
        "articles: 0, account: nobody"
    );
    // An image on any page carries it too, and changes nothing.
    let reply = application
        .get(&mut ada, "/login/finish", Site::Embedded)
        .await;
    assert_eq!(reply.status, 400);
    assert_eq!(
        application.shown(&ada).await,
        "articles: 2, account: nobody"
    );
}

#[tokio::test]
async fn callback_forged_changes_nothing() {
    let application = Application::new().await;
    let mut ada = application.visitor().await;
    let state = application.begin(&mut ada, "/login/apple").await;
    let mut eve = RealBrowser::default();
    let other = application.begin(&mut eve, "/login/apple").await;
    let flow = ada.cookie(FLOW_COOKIE).unwrap().to_owned();
    for form in [
        answer(&other),
        answer(""),
        answer(&"A".repeat(43)),
        "code=c0de".to_owned(),
        format!("state={state}%00&code=c0de"),
        "garbage".to_owned(),
        String::new(),
    ] {
        let reply = application
            .post_back(&mut ada, form_post::CALLBACK, &form)
            .await;
        assert_eq!((reply.status, reply.cookies.len()), (400, 0), "{form}");
    }
    assert_eq!(application.asked(), 0, "no code is exchanged");
    // Without a flow, the genuine answer is a forged one.
    let mut stranger = RealBrowser::default();
    application.setup.proxy.calls();
    let form = answer(&state);
    let reply = application
        .post_back(&mut stranger, form_post::CALLBACK, &form)
        .await;
    assert_eq!((reply.status, reply.cookies.len()), (400, 0));
    assert_eq!(application.setup.proxy.calls(), [""; 0]);
    // No other page takes a form of another site.
    for path in [
        "/cart",
        "/login/apple",
        "/login/oauth",
        "/login/finish",
        "/callback/apple/",
    ] {
        let reply = application.post_back(&mut ada, path, "").await;
        assert_eq!((reply.status, reply.cookies.len()), (403, 0), "{path}");
    }
    assert_eq!(application.setup.proxy.calls(), [""; 0]);
    // All of this has not used the state up.
    assert_eq!(ada.cookie(FLOW_COOKIE), Some(&*flow));
    let reply = application
        .post_back(&mut ada, form_post::CALLBACK, &answer(&state))
        .await;
    assert_eq!(reply.status, 303);
    assert_eq!(
        application.shown(&ada).await,
        "articles: 2, account: nobody"
    );
}

#[tokio::test]
async fn callback_state_is_good_for_one_answer() {
    for _ in 0..5 {
        let application = Application::new().await;
        let mut ada = application.visitor().await;
        let state = application.begin(&mut ada, "/login/apple").await;
        let form = answer(&state);
        let (mut one, mut two) = (ada.clone(), ada.clone());
        let replies = tokio::join!(
            application.post_back(&mut one, form_post::CALLBACK, &form),
            application.post_back(&mut two, form_post::CALLBACK, &form),
        );
        let mut statuses = [replies.0.status, replies.1.status];
        statuses.sort_unstable();
        assert_eq!(statuses[0], 303);
        assert!([400, 409].contains(&statuses[1]), "{statuses:?}");
        assert_eq!(application.asked(), 1, "the code is exchanged once");
        let again = application
            .post_back(&mut ada, form_post::CALLBACK, &form)
            .await;
        assert_eq!(again.status, 400);

        // So is the end of the flow.
        let (mut one, mut two) = (ada.clone(), ada.clone());
        let replies = tokio::join!(
            application.get(&mut one, form_post::FINISH, Site::Other),
            application.get(&mut two, form_post::FINISH, Site::Other),
        );
        let mut statuses = [replies.0.status, replies.1.status];
        statuses.sort_unstable();
        assert_eq!(statuses[0], 303);
        assert!([400, 409].contains(&statuses[1]), "{statuses:?}");
        assert_eq!(
            application
                .sessions
                .user_sessions("17")
                .await
                .unwrap()
                .len(),
            1
        );
        let again = application
            .get(&mut ada, form_post::FINISH, Site::Other)
            .await;
        assert_eq!(again.status, 400);
    }
}

#[tokio::test]
async fn callback_flow_ends_after_ten_minutes() {
    let application = Application::new().await;
    let mut ada = application.visitor().await;
    let state = application.begin(&mut ada, "/login/apple").await;
    application.setup.clock.advance(minutes(10));
    let reply = application
        .post_back(&mut ada, form_post::CALLBACK, &answer(&state))
        .await;
    assert_eq!(reply.status, 400);
    let state = application.begin(&mut ada, "/login/apple").await;
    application.setup.clock.advance(minutes(9));
    let reply = application
        .post_back(&mut ada, form_post::CALLBACK, &answer(&state))
        .await;
    assert_eq!(reply.status, 303);
    application.setup.clock.advance(minutes(1));
    let reply = application
        .get(&mut ada, form_post::FINISH, Site::Other)
        .await;
    assert_eq!(reply.status, 400, "the answer does not extend it");
    assert_eq!(
        application.shown(&ada).await,
        "articles: 2, account: nobody"
    );
}

#[tokio::test]
async fn callback_of_a_refusal_logs_nobody_in() {
    let application = Application::new().await;
    let mut ada = application.visitor().await;
    for form in [
        "state=STATE&error=user_cancelled_authorize",
        "state=STATE&code=wrong",
    ] {
        let state = application.begin(&mut ada, "/login/apple").await;
        let form = form.replace("STATE", &state);
        let reply = application
            .post_back(&mut ada, form_post::CALLBACK, &form)
            .await;
        assert_eq!(reply.status, 403);
        let reply = application
            .get(&mut ada, form_post::FINISH, Site::Other)
            .await;
        assert_eq!(reply.status, 400);
    }
    assert_eq!(
        application.shown(&ada).await,
        "articles: 2, account: nobody"
    );
}

/// A visitor without a session gets one at the end of the flow.
#[tokio::test]
async fn callback_logs_a_new_visitor_in() {
    let application = Application::new().await;
    let mut ada = RealBrowser::default();
    let state = application.begin(&mut ada, "/login/apple").await;
    assert_eq!(ada.cookie(COOKIE), None);
    application
        .post_back(&mut ada, form_post::CALLBACK, &answer(&state))
        .await;
    assert_eq!(ada.cookie(COOKIE), None);
    application
        .get(&mut ada, form_post::FINISH, Site::Other)
        .await;
    assert_eq!(application.shown(&ada).await, "articles: 0, account: 17");
}

/// A redirect is a top-level `GET`, so the visitor's own session is there.
#[tokio::test]
async fn callback_by_redirect_keeps_the_cart() {
    let application = Application::new().await;
    let mut ada = application.visitor().await;
    let visitor = ada.cookie(COOKIE).unwrap().to_owned();
    let state = application.begin(&mut ada, "/login/oauth").await;
    for query in [
        "",
        "?code=c0de",
        "?state=&code=c0de",
        "?state=forged&code=c0de",
    ] {
        let path = format!("{}{query}", redirect::CALLBACK);
        let reply = application.get(&mut ada, &path, Site::Other).await;
        assert_eq!((reply.status, reply.cookies.len()), (400, 0), "{query}");
    }
    let path = format!("{}?{}", redirect::CALLBACK, answer(&state));
    let reply = application
        .get(&mut RealBrowser::default(), &path, Site::Other)
        .await;
    assert_eq!(
        (reply.status, reply.cookies.len()),
        (400, 0),
        "another browser"
    );
    // A page that embeds the address gets no cookie sent.
    let reply = application
        .get(&mut ada.clone(), &path, Site::Embedded)
        .await;
    assert_eq!(reply.status, 400);
    assert_eq!(application.asked(), 0);

    application.setup.proxy.calls();
    let reply = application.get(&mut ada, &path, Site::Other).await;
    assert_eq!((reply.status, reply.header("location")), (303, Some("/")));
    let calls = application.setup.proxy.calls();
    assert_eq!(calls, ["GetItem", "UpdateItem", "TransactWriteItems"]);
    assert_eq!(application.shown(&ada).await, "articles: 2, account: 17");
    assert_ne!(
        ada.cookie(COOKIE),
        Some(&*visitor),
        "a login gives a new id"
    );
    assert_eq!(ada.cookie(FLOW_COOKIE), None, "it needs no flow");
    let again = application.get(&mut ada, &path, Site::Other).await;
    assert_eq!(again.status, 400);
    assert_eq!(application.asked(), 1);
}

#[tokio::test]
async fn callback_by_redirect_counts_once() {
    for _ in 0..5 {
        let application = Application::new().await;
        let mut ada = application.visitor().await;
        let state = application.begin(&mut ada, "/login/oauth").await;
        let path = format!("{}?{}", redirect::CALLBACK, answer(&state));
        let (mut one, mut two) = (ada.clone(), ada.clone());
        let replies = tokio::join!(
            application.get(&mut one, &path, Site::Other),
            application.get(&mut two, &path, Site::Other),
        );
        let mut statuses = [replies.0.status, replies.1.status];
        statuses.sort_unstable();
        assert_eq!(statuses[0], 303);
        assert!([400, 409].contains(&statuses[1]), "{statuses:?}");
        assert_eq!(application.asked(), 1, "the code is exchanged once");
    }
}

/// The provider for a try sends its visitors back to where they came from, and nowhere else.
#[tokio::test]
async fn callback_demo_provider_answers() {
    let ask = |query: &str| {
        let request = Request::new(Body::Empty);
        let query: std::collections::HashMap<String, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let request = request.with_query_string_parameters(query);
        let response = provider::demo_page(&request).unwrap();
        let status = response.status().as_u16();
        let Body::Text(text) = response.into_body() else {
            panic!("it is a text");
        };
        (status, text)
    };
    for (callback, method) in [(form_post::CALLBACK, "post"), (redirect::CALLBACK, "get")] {
        let page = Demo.page(callback, "st-A_te");
        let (path, query) = page.split_once('?').unwrap();
        assert_eq!(path, provider::DEMO_PAGE);
        let (status, text) = ask(query);
        assert_eq!(status, 200);
        assert!(
            text.contains(&format!(r#"method="{method}" action="{callback}""#)),
            "{text}"
        );
        assert!(text.contains(r#"value="st-A_te""#), "{text}");
    }
    assert_eq!(ask("callback=https://elsewhere.example&state=x").0, 400);
    let (_, text) = ask("callback=/callback/oauth&state=\"><script>");
    assert!(text.contains(r#"value="script""#), "{text}");
    assert_eq!(
        Demo.account("alice").await.unwrap().as_deref(),
        Some("alice")
    );
    assert_eq!(Demo.account("eve").await.unwrap(), None);
}

#[test]
fn callback_page_quotes_the_example() {
    let page = include_str!("../../docs/csrf.md");
    let (_, section) = page.split_once("## Callbacks from another site").unwrap();
    let (_, quoted) = section.split_once("\nfn layer").unwrap();
    let (quoted, _) = quoted.split_once("```").unwrap();
    assert!(include_str!("../examples/form_post.rs").contains(quoted));
}
