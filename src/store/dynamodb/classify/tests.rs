mod calls;

use std::io;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ConnectorError, ErrorMetadata};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;

use super::*;

type Call = SdkError<UpdateItemError>;

fn response(status: u16) -> HttpResponse {
    let body = "{\"secret\":\"body\"}";
    HttpResponse::new(status.try_into().unwrap(), body.into())
}

fn said(status: u16, code: Option<&str>, message: &str) -> Call {
    let mut meta = ErrorMetadata::builder().message(message);
    if let Some(code) = code {
        meta = meta.code(code);
    }
    SdkError::service_error(UpdateItemError::generic(meta.build()), response(status))
}

fn io_error(kind: io::ErrorKind) -> Call {
    SdkError::dispatch_failure(ConnectorError::io(io::Error::from(kind).into()))
}

/// Returns the name of the fault, and the kinds of the errors of a read and of a write.
fn judged(error: impl Fn() -> Call) -> (&'static str, ErrorKind, ErrorKind) {
    let fault = match Fault::of(error()) {
        Fault::Again(_) => "again",
        Fault::Refused(_) => "refused",
        Fault::Ambiguous(_) => "ambiguous",
        Fault::Mendable(Mend::Clock, _) => "the clock",
        Fault::Mendable(Mend::Credentials, _) => "the credentials",
        Fault::Mended(_) => "mended",
    };
    let read = Fault::of(error()).of_read().kind();
    (fault, read, of_a_write(Fault::of(error())).kind())
}

/// Returns the error of a write that had this fault only.
fn of_a_write(fault: Fault) -> Error {
    match fault {
        Fault::Ambiguous(error) => unknown(error),
        fault => fault.of_read(),
    }
}

/// Returns everything that a log could show of an error.
fn shown(error: &Error) -> String {
    let mut shown = format!("{error} {error:?} {error:#?}");
    let mut cause = error.source();
    while let Some(this) = cause {
        shown += &format!(" {this} {this:?}");
        cause = this.source();
    }
    shown
}

#[test]
fn call_without_a_response_is_classified() {
    use ErrorKind::{Misconfigured, OutcomeUnknown, Timeout, Unavailable};
    type Make = fn() -> Call;
    let rows: &[(&str, Make, (&str, ErrorKind, ErrorKind))] = &[
        (
            "the operation's timeout",
            || SdkError::timeout_error("late"),
            ("ambiguous", Timeout, OutcomeUnknown),
        ),
        (
            "the connector's timeout",
            || SdkError::dispatch_failure(ConnectorError::timeout("late".into())),
            ("ambiguous", Timeout, OutcomeUnknown),
        ),
        (
            "reset",
            || io_error(io::ErrorKind::ConnectionReset),
            ("ambiguous", Unavailable, OutcomeUnknown),
        ),
        (
            "broken pipe",
            || io_error(io::ErrorKind::BrokenPipe),
            ("ambiguous", Unavailable, OutcomeUnknown),
        ),
        (
            "connection refused",
            || io_error(io::ErrorKind::ConnectionRefused),
            ("again", Unavailable, Unavailable),
        ),
        (
            "unreadable response",
            || SdkError::response_error("no JSON", response(200)),
            ("ambiguous", Unavailable, OutcomeUnknown),
        ),
        (
            "unknown cause",
            || SdkError::dispatch_failure(ConnectorError::other("odd".into(), None)),
            ("ambiguous", Unavailable, OutcomeUnknown),
        ),
        (
            "the connection's task is gone",
            || SdkError::dispatch_failure(ConnectorError::user("dispatch task is gone".into())),
            ("ambiguous", Unavailable, OutcomeUnknown),
        ),
        (
            "no credentials",
            || {
                let cause = "the credential provider was not enabled".into();
                SdkError::dispatch_failure(ConnectorError::other(cause, None))
            },
            ("refused", Misconfigured, Misconfigured),
        ),
        (
            "no request",
            || SdkError::construction_failure("`table_name` was missing"),
            ("refused", Misconfigured, Misconfigured),
        ),
    ];
    for (what, make, expected) in rows {
        assert_eq!(judged(make), *expected, "{what}");
    }
}

#[test]
fn response_is_classified_by_its_code() {
    use ErrorKind::{
        Conflict, Corrupt, Misconfigured, OutcomeUnknown, Throttled, TooLarge, Unavailable,
    };
    let again = |kind| ("again", kind, kind);
    let refused = |kind| ("refused", kind, kind);
    let mendable = |what| (what, Misconfigured, Misconfigured);
    let ambiguous = ("ambiguous", Unavailable, OutcomeUnknown);
    let rows = [
        (
            400,
            "ProvisionedThroughputExceededException",
            again(Throttled),
        ),
        (400, "ThrottlingException", again(Throttled)),
        (400, "RequestLimitExceeded", again(Throttled)),
        (400, "ProvisionedThroughputExceeded", again(Throttled)),
        (400, "ThrottlingError", again(Throttled)),
        (429, "", again(Throttled)),
        (400, "TransactionConflictException", again(Conflict)),
        (400, "TransactionConflict", again(Conflict)),
        (400, "TransactionInProgressException", again(Conflict)),
        (400, "ReplicatedWriteConflictException", again(Conflict)),
        (400, "ResourceNotFoundException", refused(Misconfigured)),
        (400, "AccessDeniedException", refused(Misconfigured)),
        (
            400,
            "UnrecognizedClientException",
            mendable("the credentials"),
        ),
        (400, "ExpiredTokenException", mendable("the credentials")),
        (403, "ExpiredToken", mendable("the credentials")),
        (403, "RequestTimeTooSkewed", mendable("the clock")),
        (400, "RequestExpired", mendable("the clock")),
        (400, "InvalidSignatureException", refused(Misconfigured)),
        (403, "", refused(Misconfigured)),
        (400, "", refused(Misconfigured)),
        (400, "ValidationException", refused(Misconfigured)),
        (400, "ValidationError", refused(Misconfigured)),
        (500, "InternalServerError", ambiguous),
        (503, "ServiceUnavailable", ambiguous),
        (500, "", ambiguous),
        (502, "", ambiguous),
        (504, "", ambiguous),
        // The code counts, whatever the status.
        (500, "ThrottlingException", again(Throttled)),
        // A response that is neither a success nor a failure proves nothing.
        (302, "", ambiguous),
    ];
    for (status, code, expected) in rows {
        let code = (!code.is_empty()).then_some(code);
        let judged = judged(|| said(status, code, "a message"));
        assert_eq!(judged, expected, "{status} {code:?}");
    }
    for (message, expected) in [
        (
            "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z",
            mendable("the clock"),
        ),
        (
            "Signature not yet current: 20260101T001000Z is still later than 20260101T000000Z",
            mendable("the clock"),
        ),
        (
            "The request signature we calculated does not match the signature you provided.",
            refused(Misconfigured),
        ),
    ] {
        let judged = judged(|| said(400, Some("InvalidSignatureException"), message));
        assert_eq!(judged, expected, "{message}");
    }
    let too_large = "Item size has exceeded the maximum allowed size";
    let update = "Item size to update has exceeded the maximum allowed size";
    let schemas = [
        "The provided key element does not match the schema",
        "One or more parameter values were invalid: Missing the key PK in the item",
        "One or more parameter values were invalid: Type mismatch for key id expected: N actual: S",
        "The number of conditions on the keys is invalid",
        "Query condition missed key schema element: PK",
        "One of the required keys was not given a value",
    ];
    let path = "The document path provided in the update expression is invalid for update";
    for code in ["ValidationException", "ValidationError"] {
        for message in [too_large, update] {
            let judged = judged(|| said(400, Some(code), message));
            assert_eq!(judged, refused(TooLarge), "{code}");
        }
        let of_path = judged(|| said(400, Some(code), path));
        assert_eq!(of_path, refused(Corrupt), "{code}");
        for schema in schemas {
            let error = Fault::of(said(400, Some(code), schema)).of_read();
            let named = wrong_keys(error.clone(), || "the keys".to_owned());
            assert_eq!(named.kind(), Misconfigured);
            assert_eq!(
                named.source().unwrap().to_string(),
                error.source().unwrap().to_string()
            );
            assert!(named.to_string().contains("the keys"), "{named}");
        }
        let error = Fault::of(said(400, Some(code), "Invalid UpdateExpression")).of_read();
        let same = wrong_keys(error.clone(), || "the keys".to_owned());
        assert_eq!(same.to_string(), error.to_string());
    }
}

#[test]
fn error_has_a_message_only_of_the_setup() {
    for (code, tells) in [
        ("AccessDeniedException", true),
        ("ResourceNotFoundException", true),
        ("ValidationException", false),
        ("ValidationError", false),
        // It quotes the canonical request, which holds the session token.
        ("InvalidSignatureException", false),
        ("SignatureDoesNotMatch", false),
        ("ExpiredTokenException", true),
        ("ThrottlingException", false),
        ("TransactionConflictException", false),
        ("InternalServerError", false),
    ] {
        let status = if code == "InternalServerError" {
            500
        } else {
            400
        };
        let error = of_a_write(Fault::of(said(status, Some(code), "the message")));
        let shown = shown(&error);
        assert!(shown.contains(code), "{code}: {shown}");
        assert_eq!(shown.contains("the message"), tells, "{code}: {shown}");
        assert!(shown.contains(&format!("status {status}")), "{shown}");
    }
}

#[test]
fn error_shows_no_item_and_no_body() {
    let item = [(
        "secret-name".to_owned(),
        AttributeValue::S("secret-value".to_owned()),
    )];
    let refused = || {
        let refused = ConditionalCheckFailedException::builder()
            .set_item(Some(item.clone().into()))
            .message("secret-message")
            .build();
        UpdateItemError::ConditionalCheckFailedException(refused)
    };
    // The `Debug` of the SDK shows the item.
    assert!(format!("{:?}", refused()).contains("secret-value"));
    for error in [
        SdkError::service_error(refused(), response(500)),
        SdkError::response_error(refused(), response(200)),
        SdkError::timeout_error(format!("Request {{ {:?} }}", refused())),
        SdkError::construction_failure(format!("Request {{ {:?} }}", refused())),
        SdkError::dispatch_failure(ConnectorError::io(
            format!("for Request {{ {:?} }}", refused()).into(),
        )),
        SdkError::dispatch_failure(ConnectorError::other(
            format!("endpoint for Request {{ {:?} }}", refused()).into(),
            None,
        )),
    ] {
        let fault = Fault::of(error);
        let debug = format!("{fault:?}");
        let shown = debug + &shown(&of_a_write(fault));
        assert!(!shown.contains("secret"), "{shown}");
    }
}

#[test]
fn unknown_outcome_keeps_its_cause() {
    let error = of_a_write(Fault::of(io_error(io::ErrorKind::ConnectionReset)));
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    let cause = error.source().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!(cause.kind(), ErrorKind::Unavailable);
    let reset = io::Error::from(io::ErrorKind::ConnectionReset).to_string();
    assert!(cause.source().unwrap().to_string().contains(&reset));
}
