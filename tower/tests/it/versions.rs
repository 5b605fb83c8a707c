//! Both versions of tower-sessions on one store.

use tower_sessions::SessionStore as Newer;
use tower_sessions::session::{Id, Record};
use tower_sessions_0_14::SessionStore as Older;
use tower_sessions_0_14::session::Id as OlderId;

use lambda_sessions_tower::TowerStore;
use lambda_sessions_tower::lambda_sessions::MemoryStore;
use serde_json::json;
use time::{Duration, OffsetDateTime};

/// A move from 0.14 to 0.15 logs nobody out, and both may run during the deployment.
#[tokio::test]
async fn versions_share_their_sessions() {
    let table = MemoryStore::new();
    let (older, newer) = (TowerStore::new(table.clone()), TowerStore::new(table));
    let mut record = Record {
        id: Id::default(),
        data: [("user".to_owned(), json!("ada"))].into(),
        expiry_date: OffsetDateTime::now_utc() + Duration::hours(1),
    };
    Newer::create(&newer, &mut record).await.unwrap();
    let id: OlderId = record.id.to_string().parse().unwrap();
    let mut seen = Older::load(&older, &id).await.unwrap().unwrap();
    assert_eq!(seen.data, record.data);
    seen.data.insert("theme".to_owned(), json!("dark"));
    Older::save(&older, &seen).await.unwrap();
    let seen = Newer::load(&newer, &record.id).await.unwrap().unwrap();
    assert_eq!(seen.data["theme"], json!("dark"));
    Older::delete(&older, &id).await.unwrap();
    assert!(Newer::load(&newer, &record.id).await.unwrap().is_none());
}
