//! What a session holds, when it exists, and which clients and applications share it.

use lambda_http::{Error, Request};
use lambda_sessions::{DynamoDbStore, ErrorKind, Session, SessionLayer};

use crate::support::{Browser, Setup, count, count_write_only, direct_sessions, logout, peek};

#[tokio::test]
async fn session_counts_for_each_client() {
    let (sessions, ..) = direct_sessions().await;
    let (mut ada, mut bob) = (Browser::new(), Browser::new());
    for n in 1..=3 {
        assert_eq!(ada.visit(&sessions, count).await.body, n.to_string());
    }
    assert_eq!(bob.visit(&sessions, count).await.body, "1");
    assert_ne!(ada.cookie(), bob.cookie());
}

#[tokio::test]
async fn session_left_empty_stores_nothing() {
    let (sessions, table, _) = direct_sessions().await;
    let mut ada = Browser::new();
    let reply = ada.visit(&sessions, peek).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("None", 0));
    let emptied = ada
        .visit(&sessions, |_, session: Session| async move {
            session.insert("a", 1)?;
            session.remove("a")?;
            assert!(session.is_empty() && session.is_new() && session.id().is_none());
            Ok("")
        })
        .await;
    assert_eq!(emptied.cookies.len(), 0);
    assert_eq!(table.items().await.len(), 0);
}

#[tokio::test]
async fn clear_keeps_the_record_destroy_deletes_it() {
    let (sessions, table, _) = direct_sessions().await;
    let mut ada = Browser::new();
    ada.visit(&sessions, count).await;
    let clear = |_: Request, session: Session| async move {
        session.clear()?;
        Ok("")
    };
    ada.visit(&sessions, clear).await;
    let item = table.item().await;
    assert!(item["data"].as_m().unwrap().is_empty());
    assert!(ada.cookie().is_some());

    let reply = ada.visit(&sessions, logout).await;
    assert_eq!(table.items().await.len(), 0);
    assert_eq!(ada.cookie(), None);
    let mut removal: Vec<&str> = reply.cookies[0].split("; ").collect();
    removal.sort_unstable();
    assert_eq!(
        removal,
        [
            "Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "HttpOnly",
            "Max-Age=0",
            "Path=/",
            "SameSite=Lax",
            "Secure",
            "__Host-sid="
        ]
    );
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn value_of_another_type_is_kept() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    let ask = |_: Request, session: Session| async move {
        let error = session.get::<String>("visits").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deserialize);
        let error = session.take::<Vec<u8>>("visits").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deserialize);
        Ok(format!("{:?}", session.take::<i64>("visits")?))
    };
    assert_eq!(ada.visit(&setup.sessions, ask).await.body, "Some(1)");
}

fn audience(setup: &Setup, name: &str) -> SessionLayer<DynamoDbStore> {
    setup.sessions.clone().audience(name)
}

#[tokio::test]
async fn audiences_do_not_share_sessions() {
    let setup = Setup::with_users().await;
    let (shop, blog) = (audience(&setup, "shop"), audience(&setup, "blog"));
    let login = |_: Request, session: Session| async move {
        session.log_in("ada")?;
        session.increment("visits", 1)?;
        Ok::<_, Error>(String::new())
    };
    let mut ada = Browser::new();
    ada.visit(&shop, login).await;
    assert_eq!(ada.clone().visit(&shop, peek).await.body, "Some(1)");
    for other in [&blog, &setup.sessions] {
        assert_eq!(ada.clone().visit(other, peek).await.body, "None");
        let reply = ada.clone().visit_layered(other, count_write_only).await;
        assert_eq!(reply.cookies.len(), 1, "it begins one of its own");
        ada.clone().visit(other, logout).await;
        other.revoke_user("ada").await.unwrap();
        assert!(other.user_sessions("ada").await.unwrap().is_empty());
    }
    assert_eq!(ada.clone().visit(&shop, peek).await.body, "Some(1)");
    assert_eq!(shop.user_sessions("ada").await.unwrap().len(), 1);
    shop.revoke_user("ada").await.unwrap();
    assert_eq!(ada.visit(&shop, peek).await.body, "None");
}
