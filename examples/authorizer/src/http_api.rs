//! An authorizer of an HTTP API: a `REQUEST` authorizer with payload format 2.0 and a simple response.

use aws_lambda_events::apigw::{
    ApiGatewayV2CustomAuthorizerSimpleResponse, ApiGatewayV2CustomAuthorizerV2Request,
};
use lambda_runtime::{Error, LambdaEvent};
use lambda_sessions::{Key, SessionLayer, SessionStore};
use serde::{Deserialize, Serialize};

const ACCOUNT: Key<String> = Key::new("account");

/// The answer to API Gateway. The functions behind the API find the caller in
/// `requestContext.authorizer.lambda`.
pub(crate) type Answer = ApiGatewayV2CustomAuthorizerSimpleResponse<Caller>;

/// The caller, who has no account if the request is not authorized.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Caller {
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    /// The fingerprint of the session, for logs. It gives no access, and the id would.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
}

/// Authorizes a request whose session has an account.
///
/// If DynamoDB fails, the function fails, and API Gateway responds with 500. A response that refuses
/// would look like a logout.
pub(crate) async fn authorize<S: SessionStore + Clone>(
    sessions: &SessionLayer<S>,
    event: LambdaEvent<ApiGatewayV2CustomAuthorizerV2Request>,
) -> Result<Answer, Error> {
    let mut answer = Answer::default();
    // The event has the cookies in a list, and not among its headers. With `id_header`, it is
    // `sessions.authenticate(&event.payload.headers)`.
    let session = sessions
        .authenticate_cookies(&event.payload.cookies)
        .await?;
    if let Some(session) = session
        && let Some(account) = session.get(ACCOUNT)?
    {
        answer.is_authorized = true;
        answer.context = Caller {
            account: Some(account),
            session: session.id().map(|id| id.fingerprint().to_owned()),
        };
    }
    Ok(answer)
}
