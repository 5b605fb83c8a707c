//! The table of connections and tickets.
//!
//! 1. A connection and a ticket hold the same: the account, and the handle of its login. The handle
//!    stays the same when the id of the session is cycled, and it gives no access.
//! 2. A ticket is redeemed by a deletion with a condition, which is one step. Of several concurrent
//!    requests one finds the ticket. Without the condition, DynamoDB Local gives it to several.
//! 3. The table holds a hash of a ticket, and never the ticket.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambda_runtime::Error;
use sha2::{Digest as _, Sha256};

/// The seconds in which a ticket must be redeemed.
const TICKET_SECONDS: u64 = 30;
/// The seconds that API Gateway keeps a connection open, at most.
const CONNECTION_SECONDS: u64 = 2 * 60 * 60;

/// The login that a connection or a ticket belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) account: String,
    pub(crate) handle: String,
}

/// The table of connections and tickets.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    client: Client,
    table: String,
}

impl Connections {
    pub(crate) fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Stores whose connection this is.
    pub(crate) async fn bind(&self, id: &str, login: &Login, now: u64) -> Result<(), Error> {
        let ttl = now + CONNECTION_SECONDS;
        self.put(&connection_key(id), login, ttl).await
    }

    /// Returns whose connection this is.
    pub(crate) async fn login(&self, id: &str) -> Result<Option<Login>, Error> {
        let get = self.client.get_item().table_name(&self.table);
        let get = get.key("id", AttributeValue::S(connection_key(id)));
        let item = get.consistent_read(true).send().await?.item;
        Ok(item.as_ref().and_then(login))
    }

    /// Forgets a connection.
    pub(crate) async fn unbind(&self, id: &str) -> Result<(), Error> {
        let delete = self.client.delete_item().table_name(&self.table);
        let delete = delete.key("id", AttributeValue::S(connection_key(id)));
        delete.send().await?;
        Ok(())
    }

    /// Issues a ticket for a connection of this login.
    pub(crate) async fn issue_ticket(&self, login: &Login, now: u64) -> Result<String, Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        let ticket = URL_SAFE_NO_PAD.encode(bytes);
        self.put(&ticket_key(&ticket), login, now + TICKET_SECONDS)
            .await?;
        Ok(ticket)
    }

    /// Redeems a ticket, and returns whose it is. It is redeemed once. If the response of DynamoDB is
    /// lost, it is lost too, and the page fetches another one.
    pub(crate) async fn redeem(&self, ticket: &str, now: u64) -> Result<Option<Login>, Error> {
        let delete = self.client.delete_item().table_name(&self.table);
        let redeemed = delete
            .key("id", AttributeValue::S(ticket_key(ticket)))
            // TTL deletes an expired item hours later, so its time is checked here.
            .condition_expression("#ttl > :now")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", AttributeValue::N(now.to_string()))
            .return_values(ReturnValue::AllOld)
            .send()
            .await;
        match redeemed.map_err(SdkError::into_service_error) {
            Ok(deleted) => Ok(deleted.attributes.as_ref().and_then(login)),
            Err(error) if error.is_conditional_check_failed_exception() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn put(&self, key: &str, login: &Login, ttl: u64) -> Result<(), Error> {
        let put = self.client.put_item().table_name(&self.table);
        put.item("id", AttributeValue::S(key.to_owned()))
            .item("account", AttributeValue::S(login.account.clone()))
            .item("handle", AttributeValue::S(login.handle.clone()))
            .item("ttl", AttributeValue::N(ttl.to_string()))
            .send()
            .await?;
        Ok(())
    }
}

fn connection_key(id: &str) -> String {
    format!("connection#{id}")
}

fn ticket_key(ticket: &str) -> String {
    let hash = Sha256::digest(ticket.as_bytes());
    format!("ticket#{}", URL_SAFE_NO_PAD.encode(hash))
}

fn login(item: &HashMap<String, AttributeValue>) -> Option<Login> {
    let text = |name: &str| item.get(name)?.as_s().ok().cloned();
    Some(Login {
        account: text("account")?,
        handle: text("handle")?,
    })
}
