//! A client that tells cookies of one name apart by domain, path and partition, as browsers do.

use std::future::Future;

use lambda_http::{Error, Request};
use lambda_sessions::Session;

use super::{Reply, Sessions, Shape, plain_login};

#[derive(Clone, Default)]
pub struct ScopedBrowser {
    pub jar: Vec<ScopedCookie>,
}

#[derive(Clone)]
pub struct ScopedCookie {
    pub name: String,
    /// The domain, the path and the partition.
    pub scope: [String; 3],
    pub value: String,
}

impl ScopedCookie {
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

impl ScopedBrowser {
    /// Returns a browser with one cookie, that of a login.
    pub async fn logged_in(sessions: &Sessions) -> Self {
        let mut browser = Self::default();
        browser.visit(sessions, plain_login).await;
        assert_eq!(browser.jar.len(), 1);
        browser
    }

    pub async fn visit<H, F>(&mut self, sessions: &Sessions, handler: H) -> Reply
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

    /// Stores a cookie in the place of the one with the same name and scope, or removes that one.
    pub fn keep(&mut self, set_cookie: &str) {
        let new = ScopedCookie::read(set_cookie);
        self.jar
            .retain(|kept| (&kept.name, &kept.scope) != (&new.name, &new.scope));
        if !set_cookie.contains("Max-Age=0;") {
            self.jar.push(new);
        }
    }
}
