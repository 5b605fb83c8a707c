//! Tables with other keys and another TTL attribute, also one that is shared with other items.
//!
//! With `single` in `LAMBDA_SESSIONS_TEST_SCHEMA`, the other tests run on such a table too.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{AttributeValue, ScalarAttributeType};
use lambda_http::{Error, Request};
use lambda_sessions::store::{TableSchema, conformance};
use lambda_sessions::{DynamoDbStore, ErrorKind, Session, SessionLayer};

use crate::support::{
    Browser, Item, Log, Schema, Setup, Table, assert_refused, config, count, cycle, logged_in,
    login, minutes, number, text, this_program, who,
};

fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value));
    attributes.into()
}

async fn put(table: &Table, item: &Item) {
    let put = table.client.put_item().table_name(&table.name);
    put.set_item(Some(item.clone())).send().await.unwrap();
}

/// Returns the item of the table with the same keys as this one.
async fn stored(table: &Table, item: &Item) -> Option<Item> {
    let get = table.client.get_item().table_name(&table.name);
    let get = get.key("PK", item["PK"].clone());
    let get = get.key("SK", item["SK"].clone()).consistent_read(true);
    get.send().await.unwrap().item
}

fn names(item: &Item) -> BTreeSet<&str> {
    item.keys().map(String::as_str).collect()
}

fn plain_store(table: &Table) -> DynamoDbStore {
    DynamoDbStore::from_config(&config(&table.endpoint).build(), &table.name).unwrap()
}

#[tokio::test]
async fn schema_of_a_single_table_conforms() {
    conformance::run(&Table::single().await.store()).await;
    let stale = Table::single().await.store();
    conformance::run(&stale.eventually_consistent(true)).await;
}

/// Names may be reserved words and hold any character.
#[tokio::test]
async fn schema_with_names_of_any_text_conforms() {
    let [partition, sort, ttl] = ["#k:a.b[0] \u{1f980}", "select", "timestamp"];
    let table = Table::named_only().await;
    table.create(partition, ScalarAttributeType::S).await;
    let users = format!("{}-users", table.name);
    table.create_with_sort_key(&users, [sort, partition]).await;
    let schema = TableSchema::new().ttl(ttl);
    let store = plain_store(&table)
        .schema(schema.clone().partition_key(partition, ""))
        .and_then(|store| store.users_table(users))
        .and_then(|store| {
            let users = schema.partition_key(sort, "").sort_key(partition, "");
            store.users_schema(users)
        });
    conformance::run(&store.unwrap()).await;
}

#[tokio::test]
async fn schema_names_the_stored_attributes() {
    let setup = Setup::on(Table::single().await).await;
    let mut ada = logged_in(&setup.sessions).await;
    ada.visit(&setup.sessions, count).await;
    let all = setup.table.all_of(&setup.table.name).await;
    let (records, rows): (Vec<_>, Vec<_>) = all.iter().partition(|item| item.contains_key("data"));
    let [record, row] = [records[0], rows[0]];
    assert_eq!(all.len(), 2);
    let row_names = ["PK", "SK", "created", "expires_at", "handle"];
    assert_eq!(names(row), BTreeSet::from(row_names));
    assert!(!record.contains_key("id") && !record.contains_key("ttl"));
    assert_eq!(record["SK"], text("SESSION"));
    assert_eq!(row["SK"], record["PK"], "the prefix of both is `SESSION#`");
    let user = record["user"].as_s().unwrap();
    assert_eq!(row["PK"], text(format!("USER#{user}")));
    assert!(record["expires_at"].is_n() && row["expires_at"].is_n());

    // A redirect leads to the key without the prefix.
    let cycling = setup.sessions.clone().cycle_id_after(minutes(1));
    setup.clock.advance(minutes(2));
    let mut copy = ada.clone();
    ada.visit(&cycling, who).await;
    let all = setup.table.all_of(&setup.table.name).await;
    let redirect = all.iter().find(|item| item.contains_key("next")).unwrap();
    let record = all.iter().find(|item| item.contains_key("data")).unwrap();
    let next = redirect["next"].as_s().unwrap();
    assert_eq!(record["PK"], text(format!("SESSION#{next}")));
    assert_eq!(copy.visit(&cycling, who).await.body, "ada");
}

/// Items of another program under the same keys are neither listed, nor changed, nor deleted.
#[tokio::test]
async fn schema_leaves_other_items_alone() {
    let setup = Setup::on(Table::single().await).await;
    let mut ada = logged_in(&setup.sessions).await;
    let all = setup.table.all_of(&setup.table.name).await;
    let record = all.iter().find(|item| item.contains_key("data")).unwrap();
    let row = all.iter().find(|item| !item.contains_key("data")).unwrap();
    let others = [
        ("CART", record["PK"].clone()),
        ("SESSION#", record["PK"].clone()),
        ("ORDER#1", row["PK"].clone()),
        ("SESSION", row["PK"].clone()),
        ("PROFILE", text("USER#ada")),
    ]
    .map(|(sort, partition)| {
        item([
            ("PK", partition),
            ("SK", text(sort)),
            ("id", text("an id")),
            ("ttl", number(1)),
            ("handle", text("a handle")),
            ("created", number(1)),
        ])
    });
    for other in &others {
        put(&setup.table, other).await;
    }
    assert_eq!(setup.sessions.user_sessions("ada").await.unwrap().len(), 1);
    ada.visit(&setup.sessions, count).await;
    let mut copy = ada.clone();
    ada.visit(&setup.sessions, cycle).await;
    assert_eq!(copy.visit(&setup.sessions, who).await.body, "nobody");
    assert_eq!(setup.sessions.user_sessions("ada").await.unwrap().len(), 1);
    setup.sessions.revoke_user("ada").await.unwrap();
    assert_eq!(ada.visit(&setup.sessions, who).await.body, "nobody");
    assert!(
        setup
            .sessions
            .user_sessions("ada")
            .await
            .unwrap()
            .is_empty()
    );
    for other in &others {
        assert_eq!(stored(&setup.table, other).await.as_ref(), Some(other));
    }
}

/// `id` and `ttl` of a session's item belong to another program if they are not its keys.
#[tokio::test]
async fn schema_keeps_other_attributes() {
    let setup = Setup::on(Table::single().await).await;
    let mut ada = setup.guest(count).await;
    let mut record = setup.table.all_of(&setup.table.name).await.remove(0);
    let theirs = item([
        ("id", number(7)),
        ("ttl", text("their time")),
        ("note", text("their note")),
    ]);
    record.extend(theirs.clone());
    put(&setup.table, &record).await;
    let has_all = |item: &Item| {
        theirs
            .iter()
            .all(|(name, value)| item.get(name) == Some(value))
    };

    assert_eq!(ada.visit(&setup.sessions, count).await.body, "2");
    assert!(has_all(&stored(&setup.table, &record).await.unwrap()));
    let cycle_and_change = |_: Request, session: Session| async move {
        session.cycle_id()?;
        Ok::<_, Error>(session.increment("visits", 1)?.to_string())
    };
    assert_eq!(ada.visit(&setup.sessions, cycle_and_change).await.body, "3");
    let all = setup.table.all_of(&setup.table.name).await;
    let cycled = all.iter().find(|item| item.contains_key("data")).unwrap();
    assert_ne!(cycled["PK"], record["PK"]);
    assert!(has_all(cycled), "{cycled:?}");
    assert_eq!(names(cycled), names(&record));
}

#[tokio::test]
async fn schema_with_bad_names_is_misconfigured() {
    let table = Table::named_only().await;
    let store = || plain_store(&table);
    let new = TableSchema::new;
    let long = "k".repeat(256);
    for (schema, says) in [
        (new().partition_key("", ""), "the name of the partition key"),
        (
            new().partition_key(&long, ""),
            "the name of the partition key",
        ),
        (new().sort_key("", "S"), "the name of the sort key"),
        (new().ttl(""), "the name of the TTL attribute"),
        (new().ttl(&long), "the name of the TTL attribute"),
        (new().partition_key("PK", &long), "a prefix"),
        (new().sort_key("SK", &long), "a prefix"),
        (new().partition_key("a", "").ttl("a"), "both named `a`"),
        (
            new().partition_key("a", "").sort_key("a", "S"),
            "both named `a`",
        ),
        (new().sort_key("a", "S").ttl("a"), "both named `a`"),
    ] {
        for result in [store().schema(schema.clone()), store().users_schema(schema)] {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured);
            assert!(error.to_string().contains(says), "{error}");
        }
    }
    for schema in [
        new().partition_key("data", ""),
        new().sort_key("version", "S"),
        new().ttl("until"),
        new().partition_key("ttl", "").ttl("expires_at"),
        new().partition_key("PK", "").ttl("id"),
        new().sort_key("SK", ""),
    ] {
        let error = store().schema(schema).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
    }
    for schema in [new().partition_key("handle", ""), new().ttl("created")] {
        let error = store().users_schema(schema).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
    }
    store().schema(new().partition_key(&long[1..], "")).unwrap();
    // A sort key may have the name that the partition key has by default.
    let keys = new().partition_key("PK", "").sort_key("id", "S");
    store().schema(keys).unwrap();

    let keys = |partition: &str, sort: &str, value: &str| {
        new().partition_key(partition, "").sort_key(sort, value)
    };
    for users in [
        keys("pk", "SK", "SESSION#"),
        keys("PK", "sk", "SESSION#"),
        keys("PK", "SK", ""),
        keys("PK", "SK", "SESSION#").ttl("expires_at"),
    ] {
        let shared = |users| {
            let store = store().schema(keys("PK", "SK", "S"))?;
            store.users_table(&table.name)?.users_schema(users)
        };
        let error = shared(users.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(error.to_string().contains("one table"), "{error}");
        let first = store().users_schema(users);
        let first = first.and_then(|store| store.schema(keys("PK", "SK", "S")));
        first.unwrap().users_table(&table.name).unwrap_err();
        shared(keys("PK", "SK", "SESSION#")).unwrap();
    }
}

/// The error of the first call names the keys that the schema expects.
#[tokio::test]
async fn schema_of_another_table_is_misconfigured() {
    let with_sort_key = Table::single().await;
    let without = Table::named_only().await;
    without.create("PK", ScalarAttributeType::S).await;
    let of_numbers = Table::named_only().await;
    of_numbers.create("id", ScalarAttributeType::N).await;
    let keys = || TableSchema::new().partition_key("PK", "");
    let with_keys = |table: &Table, schema| plain_store(table).schema(schema).unwrap();
    for (store, expected) in [
        (
            plain_store(&with_sort_key),
            "a partition key `id` and no sort key",
        ),
        (
            plain_store(&without),
            "a partition key `id` and no sort key",
        ),
        (
            plain_store(&of_numbers),
            "a partition key `id` and no sort key",
        ),
        (
            with_keys(&with_sort_key, keys()),
            "a partition key `PK` and no sort key",
        ),
        (
            with_keys(&with_sort_key, keys().sort_key("sk", "S")),
            "a partition key `PK` and a sort key `sk`",
        ),
        (
            with_keys(&without, keys().sort_key("SK", "S")),
            "a partition key `PK` and a sort key `SK`",
        ),
    ] {
        let mut setup = Setup::on(Table::named_only().await).await;
        setup.use_store(store);
        let mut known = Browser::with_cookie("__Host-sid", &"A".repeat(43));
        assert_refused(&known.visit(&setup.sessions, count).await, 503, "a read");
        let reply = Browser::new().visit(&setup.sessions, count).await;
        // A sort key that the table does not have is an attribute to it. The next read fails.
        let is_created = expected.ends_with("`SK`");
        match is_created {
            true => assert_eq!(reply.status, 200),
            false => assert_refused(&reply, 503, "a create"),
        }
        let errors = setup.errors();
        assert_eq!(errors.len(), 2 - usize::from(is_created));
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Misconfigured);
            let shown = error.to_string();
            assert!(shown.contains(expected), "{shown}");
            assert!(shown.contains("`TableSchema`"), "{shown}");
        }
    }
}

#[tokio::test]
async fn schema_of_another_users_table_is_named() {
    let table = Table::named_only().await;
    table.create("id", ScalarAttributeType::S).await;
    let users = format!("{}-users", table.name);
    table.create_with_sort_key(&users, ["PK", "SK"]).await;
    let mut setup = Setup::on(Table::named_only().await).await;
    setup.use_store(plain_store(&table));
    let reply = Browser::new().visit(&setup.sessions, login).await;
    assert_refused(&reply, 503, "a login");
    let mut errors = setup.errors();
    errors.push(setup.sessions.user_sessions("ada").await.unwrap_err());
    errors.push(setup.sessions.revoke_user("ada").await.unwrap_err());
    assert_eq!(errors.len(), 3);
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        let shown = error.to_string();
        assert!(
            shown.contains("the users table a partition key `user` and a sort key `session`"),
            "{shown}"
        );
    }
    // A guest needs no users table.
    let sessions = SessionLayer::new(plain_store(&table));
    assert_eq!(Browser::new().visit(&sessions, count).await.body, "1");
}

/// The variable that names the table of the process that calls `from_env`.
const CHILD: &str = "LAMBDA_SESSIONS_TEST_SINGLE_TABLE";

/// Starts like a function, only in the process that is started for it.
#[tokio::test]
async fn child() {
    let Ok(table) = std::env::var(CHILD) else {
        return;
    };
    let log = Log::capture();
    let store = DynamoDbStore::from_env().await.unwrap();
    let sessions = SessionLayer::new(Schema::Single.set(store, &table));
    let reply = Browser::new().visit(&sessions, login).await;
    let warned = log.take().contains("WARN");
    println!("reply: {}, warned: {warned}", reply.status);
}

/// The connection is opened before the schema is set.
#[tokio::test]
async fn schema_after_from_env_logs_no_warning() {
    let table = Table::single().await;
    let variables = [
        (CHILD, table.name.as_str()),
        ("SESSION_DYNAMODB_ENDPOINT", &table.endpoint),
        ("SESSION_DYNAMODB_TABLE", &table.name),
        ("SESSION_DYNAMODB_REGION", "us-east-1"),
    ];
    let mut command = this_program(concat!(module_path!(), "::child"), &variables);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let said = String::from_utf8(output.await.unwrap().stdout).unwrap();
    assert!(said.contains("reply: 200, warned: false"), "{said}");
    assert_eq!(table.rows().await.len(), 1);
}
