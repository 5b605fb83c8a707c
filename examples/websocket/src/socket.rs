//! The three events of a connection: `$connect`, `$default` and `$disconnect`.

use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use aws_lambda_events::encodings::Body;
use aws_lambda_events::http::HeaderMap;
use aws_lambda_events::http::header::ORIGIN;
use lambda_runtime::{Error, LambdaEvent};
use lambda_sessions::{Key, SessionLayer, SessionStore};

use super::connections::{Connections, Login};

const ACCOUNT: Key<String> = Key::new("account");

/// The function behind the WebSocket API.
#[derive(Debug)]
pub(crate) struct Socket<S> {
    pub(crate) sessions: SessionLayer<S>,
    pub(crate) connections: Connections,
    /// The origin of the application's pages, such as `https://www.example.com`.
    pub(crate) origin: String,
}

impl<S: SessionStore + Clone> Socket<S> {
    /// Handles an event of a connection.
    pub(crate) async fn handle(
        &self,
        event: LambdaEvent<ApiGatewayWebsocketProxyRequest>,
    ) -> Result<ApiGatewayProxyResponse, Error> {
        let event = event.payload;
        let context = &event.request_context;
        let id = context.connection_id.as_deref();
        let id = id.ok_or("the event has no connection")?;
        match context.event_type.as_deref() {
            Some("CONNECT") => self.connect(id, &event).await,
            Some("MESSAGE") => self.message(id, &event).await,
            Some("DISCONNECT") => {
                // API Gateway sends it with its best effort only. The `ttl` removes what is left.
                self.connections.unbind(id).await?;
                Ok(response(200, ""))
            }
            _ => Ok(response(400, "unknown event")),
        }
    }

    /// Accepts a connection of a session, and stores whose it is. Any status but 200 refuses it.
    async fn connect(
        &self,
        id: &str,
        event: &ApiGatewayWebsocketProxyRequest,
    ) -> Result<ApiGatewayProxyResponse, Error> {
        // `headers` has one line of each name, and `multiValueHeaders` has all lines.
        let headers = match event.multi_value_headers.is_empty() {
            true => &event.headers,
            false => &event.multi_value_headers,
        };
        // Without this check, a page of any site can open a connection in its visitor's name. There
        // is no CORS for WebSockets, and a browser always sends the header.
        if !self.is_own_page(headers) {
            return Ok(response(403, "unknown origin"));
        }
        let now = seconds(event);
        let login = match event.query_string_parameters.first("ticket") {
            Some(ticket) => self.connections.redeem(ticket, now).await?,
            None => self.login(headers).await?,
        };
        let Some(login) = login else {
            return Ok(response(401, "log in first"));
        };
        // A ticket may be older than a logout.
        if !self.is_alive(&login).await? {
            return Ok(response(401, "log in again"));
        }
        self.connections.bind(id, &login, now).await?;
        Ok(response(200, ""))
    }

    /// Answers a message. The event has no headers, so the connection tells whose message it is.
    async fn message(
        &self,
        id: &str,
        event: &ApiGatewayWebsocketProxyRequest,
    ) -> Result<ApiGatewayProxyResponse, Error> {
        let Some(login) = self.connections.login(id).await? else {
            return Ok(response(401, "connect first"));
        };
        // A connection outlives a logout. This check costs a `Query` and a `BatchGetItem`.
        if !self.is_alive(&login).await? {
            self.connections.unbind(id).await?;
            return Ok(response(401, "log in again"));
        }
        let text = event.body.as_deref().unwrap_or_default();
        Ok(response(200, &format!("{} said {text}", login.account)))
    }

    fn is_own_page(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        let origin = origins.next().map(|origin| origin.as_bytes());
        origin == Some(self.origin.as_bytes()) && origins.next().is_none()
    }

    /// Returns the login of the session whose cookie is in these headers.
    async fn login(&self, headers: &HeaderMap) -> Result<Option<Login>, Error> {
        let Some(session) = self.sessions.authenticate(headers).await? else {
            return Ok(None);
        };
        let login = session.get(ACCOUNT)?.zip(session.handle());
        Ok(login.map(|(account, handle)| Login { account, handle }))
    }

    /// Returns whether the login has not ended: no logout, no revocation, not expired.
    async fn is_alive(&self, login: &Login) -> Result<bool, Error> {
        let sessions = self.sessions.user_sessions(&login.account).await?;
        Ok(sessions.iter().any(|info| info.handle() == login.handle))
    }
}

/// Returns the time of the event, in seconds.
fn seconds(event: &ApiGatewayWebsocketProxyRequest) -> u64 {
    let milliseconds = event.request_context.request_time_epoch;
    u64::try_from(milliseconds).unwrap_or_default() / 1000
}

fn response(status: i64, body: &str) -> ApiGatewayProxyResponse {
    let mut response = ApiGatewayProxyResponse::default();
    response.status_code = status;
    response.body = Some(Body::from(body));
    response
}
