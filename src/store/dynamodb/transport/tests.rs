//! Compares both transports: each request and each response of every operation.

mod endpoints;

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::RequestId as _;
use aws_sdk_dynamodb::operation::batch_get_item::builders::BatchGetItemInputBuilder;
use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemInputBuilder;
use aws_sdk_dynamodb::operation::get_item::builders::GetItemInputBuilder;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemInputBuilder;
use aws_sdk_dynamodb::operation::query::builders::QueryInputBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::builders::TransactWriteItemsInputBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemInputBuilder;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, Put, ReturnValue, TransactWriteItem,
};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_types::sdk_config::Builder;

use super::*;
use crate::store::dynamodb::testing::{n, of_each_type, s, transports};
use crate::store::dynamodb::transport::request::Request;

/// A connection that records requests and gives the same response to each.
#[derive(Clone, Debug)]
struct Recorder {
    requests: Arc<Mutex<Vec<HttpRequest>>>,
    status: u16,
    body: Vec<u8>,
}

impl HttpConnector for Recorder {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.requests.lock().unwrap().push(request);
        let body = SdkBody::from(self.body.clone());
        let mut response = HttpResponse::new(self.status.try_into().unwrap(), body);
        response.headers_mut().insert("x-amzn-requestid", "REQUEST");
        HttpConnectorFuture::ready(Ok(response))
    }
}

#[derive(Debug)]
struct Fixed;

impl TimeSource for Fixed {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }
}

fn config() -> Builder {
    let token = Some("token".to_owned());
    let credentials = Credentials::new("AKID", "secret", token, None, "tests");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-central-1"))
        .time_source(SharedTimeSource::new(Fixed))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
}

/// Sends a request through both transports. Returns what each has sent and received.
async fn both<R: Request + Clone>(
    config: Builder,
    request: &R,
    (status, body): (u16, &[u8]),
) -> [(HttpRequest, Sent<R>); 2] {
    let recorder = Recorder {
        requests: Arc::default(),
        status,
        body: body.to_vec(),
    };
    let connector = SharedHttpConnector::new(recorder.clone());
    let config = config.http_client(http_client_fn(move |_, _| connector.clone()));
    let mut both = Vec::new();
    for transport in transports(&config.build()) {
        let ready = Ready::default();
        let sent = transport.send(request.clone(), &ready).await;
        assert!(ready.is_set());
        let mut requests = std::mem::take(&mut *recorder.requests.lock().unwrap());
        assert_eq!(requests.len(), 1);
        both.push((requests.remove(0), sent));
    }
    both.try_into().unwrap()
}

/// Returns the parts of a request that decide what DynamoDB does: all but the names of the client
/// and of its attempts, and the signature of them.
fn essence(request: &HttpRequest) -> (String, String, Vec<(String, String)>, Vec<u8>) {
    const OTHER: [&str; 6] = [
        "authorization",
        "user-agent",
        "x-amz-user-agent",
        "amz-sdk-invocation-id",
        "amz-sdk-request",
        "traceparent",
    ];
    let mut headers: Vec<_> = request
        .headers()
        .iter()
        .filter(|(name, _)| !OTHER.contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    headers.sort();
    let body = request.body().bytes().unwrap().to_vec();
    let uri = request.uri().trim_end_matches('/').to_owned();
    (request.method().to_owned(), uri, headers, body)
}

/// Returns what a caller can see of an error.
fn seen<E: std::error::Error + aws_sdk_dynamodb::error::ProvideErrorMetadata + Debug>(
    error: &SdkError<E>,
) -> (String, Option<u16>, Option<String>) {
    let kind = match error {
        SdkError::ServiceError(of_service) => format!("{:?}", of_service.err()),
        SdkError::ResponseError(_) => "unreadable response".to_owned(),
        other => panic!("{other:?}"),
    };
    let status = error.raw_response().map(|raw| raw.status().as_u16());
    (kind, status, error.code().map(str::to_owned))
}

/// The errors that any operation may report, with the rest of what a server may say.
const FAILURES: [(u16, &str); 12] = [
    (
        400,
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed","Item":{"id":{"S":"a"}}}"#,
    ),
    (
        400,
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"no item"}"#,
    ),
    (
        400,
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"cancelled","CancellationReasons":[{"Code":"None"},{"Code":"ConditionalCheckFailed","Item":{"id":{"S":"a"}},"Message":"failed"}]}"#,
    ),
    (
        400,
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow"}"#,
    ),
    (
        400,
        r#"{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"expired"}"#,
    ),
    (
        400,
        r#"{"__type":"com.amazon.coral.validate#ValidationException","message":"invalid"}"#,
    ),
    (
        400,
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"}"#,
    ),
    (
        500,
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"oops"}"#,
    ),
    (400, "{}"),
    (503, "<html>unavailable</html>"),
    (200, "<html>a proxy</html>"),
    (
        200,
        r#"{"Item": 1, "Attributes": 1, "Items": 1, "Responses": 1, "ItemCollectionMetrics": 1}"#,
    ),
];

/// Checks that both transports send the same, and decode these responses and all failures to the
/// same.
async fn agrees<R>(request: R, responses: &[&str])
where
    R: Request + Clone,
    R::Output: PartialEq + aws_sdk_dynamodb::operation::RequestId,
{
    let successes = responses.iter().map(|body| (200, *body));
    let mut decoded = 0;
    for (status, body) in successes.chain(FAILURES) {
        let operation = R::OPERATION;
        let [lean, client] = both(config(), &request, (status, body.as_bytes())).await;
        assert_eq!(essence(&lean.0), essence(&client.0), "{operation}");
        match (lean.1, client.1) {
            (Ok(lean), Ok(client)) => {
                assert_eq!(lean.request_id(), Some("REQUEST"));
                assert_eq!(lean, client, "{operation} {body}");
                decoded += 1;
            }
            (Err(lean), Err(client)) => {
                assert_eq!(seen(&lean), seen(&client), "{operation} {body}");
                let raw = lean.raw_response().unwrap();
                assert_eq!(raw.body().bytes(), Some(body.as_bytes()));
            }
            (lean, client) => panic!("{operation} {body}: {lean:?}, {client:?}"),
        }
    }
    assert!(decoded >= responses.len());
}

fn item() -> std::collections::HashMap<String, AttributeValue> {
    // One entry in each map, whose order is then the same in both bodies.
    [(
        "a key with \"quotes\" and \u{1F980}".to_owned(),
        AttributeValue::L(of_each_type()),
    )]
    .into()
}

const ITEM: &str = r#"{"id":{"S":"a"},"n":{"N":"7"},"b":{"B":"AP8="},"l":{"L":[{"NULL":true},{"BOOL":false}]},"m":{"M":{"k":{"SS":["a"]}}}}"#;

#[tokio::test]
async fn transports_agree_about_reads() {
    let get = GetItemInputBuilder::default()
        .table_name("sessions")
        .key("id", s("a"))
        .consistent_read(true);
    let with_item = format!(r#"{{"Item":{ITEM}}}"#);
    agrees(get, &["{}", &with_item]).await;

    let query = QueryInputBuilder::default()
        .table_name("sessions-users")
        .key_condition_expression("#user = :user")
        .projection_expression("#user")
        .expression_attribute_names("#user", "user")
        .expression_attribute_values(":user", s("u"))
        .consistent_read(true)
        .limit(100)
        .exclusive_start_key("id", s("b"));
    let page = format!(r#"{{"Items":[{ITEM}],"Count":1,"LastEvaluatedKey":{{"id":{{"S":"a"}}}}}}"#);
    agrees(query, &[r#"{"Items":[],"Count":0}"#, &page]).await;

    let keys = KeysAndAttributes::builder()
        .keys([("id".to_owned(), s("a"))].into())
        .consistent_read(true)
        .projection_expression("#ttl")
        .expression_attribute_names("#ttl", "ttl")
        .build()
        .unwrap();
    let batch = BatchGetItemInputBuilder::default().request_items("sessions", keys);
    let some = format!(
        r#"{{"Responses":{{"sessions":[{ITEM}]}},"UnprocessedKeys":{{"sessions":{{"Keys":[{{"id":{{"S":"b"}}}}]}}}}}}"#
    );
    agrees(batch, &["{}", &some]).await;
}

#[tokio::test]
async fn transports_agree_about_writes() {
    let put = PutItemInputBuilder::default()
        .table_name("sessions")
        .set_item(Some(item()))
        .condition_expression("attribute_not_exists(id)")
        .return_values_on_condition_check_failure(AllOld);
    agrees(put, &["{}"]).await;

    let update = UpdateItemInputBuilder::default()
        .table_name("sessions")
        .key("id", s("a"))
        .update_expression("SET #d.#k = :v")
        .condition_expression("#t > :n")
        .expression_attribute_names("#k", "k")
        .expression_attribute_values(":v", n(1))
        .return_values(ReturnValue::AllNew)
        .return_values_on_condition_check_failure(AllOld);
    let updated = format!(r#"{{"Attributes":{ITEM}}}"#);
    agrees(update, &["{}", &updated]).await;

    let delete = DeleteItemInputBuilder::default()
        .table_name("sessions")
        .key("id", s("a"))
        .condition_expression("attribute_not_exists(id)")
        .return_values(ReturnValue::AllOld)
        .return_values_on_condition_check_failure(AllOld);
    agrees(delete, &["{}", &updated]).await;

    let put = Put::builder().table_name("sessions").set_item(Some(item()));
    let write = TransactWriteItem::builder()
        .put(put.build().unwrap())
        .build();
    let transaction = TransactWriteItemsInputBuilder::default()
        .client_request_token("0123456789")
        .transact_items(write);
    agrees(transaction, &["{}"]).await;
}
