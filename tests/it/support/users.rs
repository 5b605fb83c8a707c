//! Users with very many sessions.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};

use super::{Item, Setup, text};

/// Copies the only session of a user, and its row, each as often as given.
pub async fn copy_session(setup: &Setup, sessions: usize, rows: usize) {
    let (item, row) = (setup.table.item().await, setup.table.rows().await.remove(0));
    let copy = |original: &Item, key: &str, n: usize| {
        let mut copy = original.clone();
        copy.insert(key.to_owned(), text(format!("copy-{n}")));
        copy.insert("handle".to_owned(), text(format!("handle-{n}")));
        copy
    };
    let write = |item: Item| {
        let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    };
    let items = (0..sessions).map(|n| {
        (
            setup.table.name.clone(),
            setup.table.schema.stored(copy(&item, "id", n)),
        )
    });
    let rows = (0..rows).map(|n| {
        (
            setup.table.users(),
            setup.table.schema.stored_row(copy(&row, "session", n)),
        )
    });
    let writes: Vec<_> = items.chain(rows).collect();
    for some in writes.chunks(25) {
        let mut by_table: HashMap<String, Vec<WriteRequest>> = HashMap::new();
        for (table, item) in some {
            by_table
                .entry(table.clone())
                .or_default()
                .push(write(item.clone()));
        }
        let batch = setup.table.client.batch_write_item();
        let written = batch
            .set_request_items(Some(by_table))
            .send()
            .await
            .unwrap();
        assert!(written.unprocessed_items.unwrap_or_default().is_empty());
    }
}
