//! tower-sessions with its DynamoDB store, behind axum.

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use lambda_http::{Error, run};
use tower_sessions::{Session, SessionManagerLayer};
use tower_sessions_dynamodb_store::{DynamoDBStore, DynamoDBStoreKey, DynamoDBStoreProps};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = aws_config::defaults(BehaviorVersion::latest()).load().await;
    let properties = DynamoDBStoreProps {
        table_name: "sessions".to_owned(),
        partition_key: DynamoDBStoreKey {
            name: "id".to_owned(),
            prefix: None,
            suffix: None,
        },
        ..DynamoDBStoreProps::default()
    };
    let store = DynamoDBStore::new(Client::new(&config), properties);
    let app = Router::new()
        .route("/none", get(none))
        .route("/read", get(read))
        .route("/read-write", get(read_write))
        .route("/start/{kilobytes}", get(start))
        .layer(SessionManagerLayer::new(store));
    // axum's responses are not `Sync`, so that `run_concurrent` does not take them.
    run(app).await
}

type Result<T, E = Failed> = std::result::Result<T, E>;

async fn none() -> &'static str {
    "hello\n"
}

async fn read(session: Session) -> Result<String> {
    Ok(format!("visit {}\n", visits(&session).await?))
}

async fn read_write(session: Session) -> Result<String> {
    let visits = visits(&session).await? + 1;
    session.insert("n", visits).await?;
    Ok(format!("visit {visits}\n"))
}

async fn start(session: Session, Path(kilobytes): Path<usize>) -> Result<&'static str> {
    session.insert("n", 0).await?;
    for part in 0..kilobytes {
        session
            .insert(&format!("f{part}"), "x".repeat(1000))
            .await?;
    }
    Ok("started\n")
}

async fn visits(session: &Session) -> Result<i64> {
    session.get("n").await?.ok_or(Failed)
}

struct Failed;

impl From<tower_sessions::session::Error> for Failed {
    fn from(_: tower_sessions::session::Error) -> Self {
        Self
    }
}

impl axum::response::IntoResponse for Failed {
    fn into_response(self) -> axum::response::Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}
