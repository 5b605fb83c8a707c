//! An authorizer of a REST API or of a WebSocket API's `$connect`: a `REQUEST` authorizer that returns
//! an IAM policy.

use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerPolicy, ApiGatewayCustomAuthorizerRequestTypeRequest,
    ApiGatewayCustomAuthorizerResponse,
};
use aws_lambda_events::iam::{IamPolicyEffect, IamPolicyStatement};
use lambda_runtime::{Error, LambdaEvent};
use lambda_sessions::{Key, SessionLayer, SessionStore};
use serde::{Deserialize, Serialize};

const ACCOUNT: Key<String> = Key::new("account");

/// The answer to API Gateway. The functions behind the API find the caller in
/// `requestContext.authorizer`.
pub(crate) type Answer = ApiGatewayCustomAuthorizerResponse<Caller>;

/// The caller, who has no account if the request is not authorized.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Caller {
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
}

/// Allows a request whose session has an account, and denies any other.
///
/// If DynamoDB fails, the function fails, and API Gateway responds with 500. A policy that denies
/// would look like a logout.
pub(crate) async fn authorize<S: SessionStore + Clone>(
    sessions: &SessionLayer<S>,
    event: LambdaEvent<ApiGatewayCustomAuthorizerRequestTypeRequest>,
) -> Result<Answer, Error> {
    let event = event.payload;
    // `headers` has one line of each name, and `multiValueHeaders` has all lines.
    let headers = match event.multi_value_headers.is_empty() {
        true => &event.headers,
        false => &event.multi_value_headers,
    };
    let session = sessions.authenticate(headers).await?;
    let account = match &session {
        Some(session) => session.get(ACCOUNT)?,
        None => None,
    };
    let mut statement = IamPolicyStatement::default();
    statement.action = vec!["execute-api:Invoke".to_owned()];
    statement.effect = match account {
        Some(_) => IamPolicyEffect::Allow,
        None => IamPolicyEffect::Deny,
    };
    // The policy is for this request only. With a cache, it would also decide about other methods.
    statement.resource = vec![event.method_arn.ok_or("the event has no methodArn")?];
    let mut policy = ApiGatewayCustomAuthorizerPolicy::default();
    policy.version = Some("2012-10-17".to_owned());
    policy.statement = vec![statement];

    let mut answer = Answer::default();
    // The principal is in the access log, so it is the fingerprint and not the id.
    let id = session.as_ref().and_then(|session| session.id());
    answer.principal_id = Some(id.map_or("nobody".to_owned(), |id| id.fingerprint().to_owned()));
    answer.policy_document = policy;
    answer.context = Caller { account };
    Ok(answer)
}
