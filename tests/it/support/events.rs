//! A client's request as each of AWS's front doors delivers it.

use std::future::Future;

use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Error, IntoResponse, Request, Service as _};
use lambda_sessions::{Session, SessionLayer, SessionStore};
use serde_json::{Value, json};

use super::{Browser, Reply};

/// A front door, which decides how a client's cookies reach the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    HttpApi,
    RestApi,
    RestApiOneLine,
    LoadBalancer,
    LoadBalancerMultiValue,
    FunctionUrl,
    VpcLattice,
    /// An HTTP API with payload 1.0.
    HttpApiPayload1,
}

/// The front doors that deliver every cookie of a response to the client, and an ALB without
/// multi-value headers.
pub const SHAPES: [Shape; 6] = [
    Shape::HttpApi,
    Shape::RestApi,
    Shape::RestApiOneLine,
    Shape::LoadBalancer,
    Shape::LoadBalancerMultiValue,
    Shape::FunctionUrl,
];

impl Shape {
    /// Returns whether it delivers each of several `Cookie` lines. The others deliver one line, or
    /// cookies.
    pub fn has_lines(self) -> bool {
        matches!(
            self,
            Self::RestApi | Self::LoadBalancerMultiValue | Self::VpcLattice | Self::HttpApiPayload1
        )
    }

    /// Returns the event of a request for `/` with these `Cookie` lines.
    pub fn event(self, lines: &[&str]) -> Value {
        let joined = lines.join("; ");
        let text = match self {
            Self::HttpApi => include_str!("../../events/http_v2.json"),
            Self::RestApi | Self::RestApiOneLine => include_str!("../../events/rest_v1.json"),
            Self::LoadBalancer => include_str!("../../events/alb.json"),
            Self::LoadBalancerMultiValue => include_str!("../../events/alb_multi_value.json"),
            Self::FunctionUrl => include_str!("../../events/function_url.json"),
            Self::VpcLattice => include_str!("../../events/vpc_lattice_v2.json"),
            Self::HttpApiPayload1 => include_str!("../../events/http_v1.json"),
        };
        let mut event: Value = serde_json::from_str(text).unwrap();
        if lines.is_empty() {
            return event;
        }
        match self {
            Self::HttpApi => event["cookies"] = json!(lines),
            Self::FunctionUrl => {
                event["cookies"] = json!(lines);
                event["headers"]["cookie"] = json!(joined);
            }
            // The last line is also sent alone, next to all lines.
            Self::RestApi | Self::HttpApiPayload1 => {
                event["headers"]["Cookie"] = json!(lines.last());
                event["multiValueHeaders"]["Cookie"] = json!(lines);
            }
            Self::RestApiOneLine => {
                event["headers"]["Cookie"] = json!(joined);
                event["multiValueHeaders"]["Cookie"] = json!([joined]);
            }
            Self::LoadBalancer => event["headers"]["cookie"] = json!(joined),
            Self::LoadBalancerMultiValue => event["multiValueHeaders"]["cookie"] = json!(lines),
            Self::VpcLattice => event["headers"]["cookie"] = json!(lines),
        }
        event
    }

    /// Returns the `Set-Cookie` lines that the front door makes of a buffered response. Each reads the
    /// part of the response that AWS documents for it.
    pub fn cookies_sent(self, response: &Value) -> Vec<String> {
        let list = match self {
            Self::HttpApi | Self::FunctionUrl => &response["cookies"],
            Self::RestApi
            | Self::RestApiOneLine
            | Self::HttpApiPayload1
            | Self::LoadBalancerMultiValue => &response["multiValueHeaders"]["set-cookie"],
            Self::LoadBalancer | Self::VpcLattice => &response["headers"]["set-cookie"],
        };
        match list {
            Value::Array(lines) => lines
                .iter()
                .map(|line| line.as_str().unwrap().to_owned())
                .collect(),
            Value::String(line) => vec![line.clone()],
            _ => Vec::new(),
        }
    }

    /// Sends a visit with these `Cookie` lines, in the same way as `lambda_sessions::run`.
    pub async fn visit<S, H, F, R>(
        self,
        sessions: &SessionLayer<S>,
        lines: &[&str],
        handler: H,
    ) -> Reply
    where
        S: SessionStore + Clone,
        H: Fn(Request, Session) -> F + Clone + Send,
        F: Future<Output = Result<R, Error>> + Send,
        R: IntoResponse,
    {
        let mut request: LambdaRequest = serde_json::from_value(self.event(lines)).unwrap();
        lambda_sessions::layer::repair_event(&mut request);
        let mut adapter = Adapter::from(sessions.wrap(handler));
        let event = LambdaEvent::new(request, Context::default());
        let response = adapter.call(event).await.unwrap();
        Browser::new().take(&serde_json::to_value(response).unwrap())
    }
}
