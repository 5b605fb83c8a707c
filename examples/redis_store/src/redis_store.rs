//! A store that keeps each item as a hash in Redis or Valkey: its revision, and its JSON.
//!
//! 1. A commit is one script, which the server runs as one atomic step. It compares the revisions
//!    of all keys before it writes the first one.
//! 2. Every key expires by itself, a minute after its item, because the clocks of the server and of
//!    the function may differ. The library never uses an expired item.
//! 3. A reply of the server means that the script has written nothing or all. Without a reply, the
//!    outcome is unknown. The library then reads the item again, so nothing is retried here but
//!    reads.
//! 4. The keys of a commit belong to one server. A cluster would need them in one slot.
//! 5. A server that loses acknowledged writes, such as a replica that takes over, loses sessions,
//!    and may bring back one that was logged out.

use std::time::Duration;

use lambda_sessions::store::{Item, RequestTime, StorageKey, VersionedStore, Write};
use lambda_sessions::{Error, ErrorKind};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError, RedisResult, Script, cmd};

/// The time limit for a reply. The library stops waiting at the deadline of the invocation.
const REPLY: Duration = Duration::from_secs(1);
const CONNECT: Duration = Duration::from_secs(1);
/// The time for which an item is kept after its end, in seconds.
const KEPT: u64 = 60;
/// The last time at which a key may expire: the end of the year 9999. The server refuses much later
/// times, after it has written the item.
const LATEST: u64 = 253_402_300_799;
const PREFIX: &str = "session:";

/// The script of a commit. For each key, there are three arguments: the revision that it expects,
/// the JSON of the new item and the time at which the server may delete it. An empty revision
/// expects no item, and an empty JSON deletes the item. The new revision is the fourth.
const COMMIT: &str = r"
for i, key in ipairs(KEYS) do
    local there = redis.call('HGET', key, 'revision') or ''
    if there ~= ARGV[4 * i - 3] then
        return 0
    end
end
for i, key in ipairs(KEYS) do
    if ARGV[4 * i - 2] == '' then
        redis.call('DEL', key)
    else
        redis.call('HSET', key, 'json', ARGV[4 * i - 2], 'revision', ARGV[4 * i])
        redis.call('EXPIREAT', key, ARGV[4 * i - 1])
    end
end
return 1
";

/// A store of sessions in Redis or Valkey. Clones share the connection.
#[derive(Clone)]
pub(crate) struct RedisStore {
    connection: ConnectionManager,
}

impl RedisStore {
    /// Connects to the server of a URL, such as `redis://localhost:6379`. A connection that breaks,
    /// as in a freeze of the function, is replaced by itself.
    pub(crate) async fn connect(url: &str) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(REPLY));
        let client = Client::open(url)?;
        let connection = client.get_connection_manager_with_config(config).await?;
        Ok(Self { connection })
    }

    async fn read(&self, key: &StorageKey) -> RedisResult<Option<Vec<u8>>> {
        let mut connection = self.connection.clone();
        let mut read = cmd("HGET");
        read.arg(name(key)).arg("json");
        match read.query_async(&mut connection).await {
            // The connection may have died in a freeze. The next command has a new one.
            Err(error) if !is_reply(&error) => read.query_async(&mut connection).await,
            result => result,
        }
    }
}

impl VersionedStore for RedisStore {
    async fn get(&self, key: &StorageKey, _: RequestTime) -> Result<Option<Item>, Error> {
        let json = self.read(key).await.map_err(|cause| {
            let reason = "the sessions cannot be read from Redis";
            Error::with_source(ErrorKind::Unavailable, reason, cause)
        })?;
        json.map(|json| Item::from_json(&json)).transpose()
    }

    async fn commit(&self, writes: Vec<Write>, _: RequestTime) -> Result<bool, Error> {
        let script = Script::new(COMMIT);
        let mut commit = script.prepare_invoke();
        for write in &writes {
            let expected = write.expected().map_or("", |revision| revision.as_str());
            commit.key(name(write.key())).arg(expected);
            match write.item() {
                Some(item) => commit
                    .arg(item.to_json()?)
                    .arg(deletable(item))
                    .arg(item.revision().as_str()),
                None => commit.arg("").arg(0).arg(""),
            };
        }
        let mut connection = self.connection.clone();
        let written = commit.invoke_async(&mut connection).await;
        written.map_err(|cause: RedisError| {
            match is_reply(&cause) || cause.is_connection_refusal() {
                true => {
                    let reason = "Redis has refused to write the sessions";
                    Error::with_source(ErrorKind::Unavailable, reason, cause)
                }
                false => {
                    let reason = "Redis did not reply to a write of the sessions";
                    Error::with_source(ErrorKind::OutcomeUnknown, reason, cause)
                }
            }
        })
    }
}

/// Returns `true` if the server has replied with this error.
fn is_reply(error: &RedisError) -> bool {
    error.code().is_some()
}

/// Returns the time at which the server may delete an item, in epoch seconds.
fn deletable(item: &Item) -> u64 {
    let end = item.expires().epoch_seconds();
    end.saturating_add(KEPT).min(LATEST)
}

/// Returns the name of a key on the server.
fn name(key: &StorageKey) -> String {
    format!("{PREFIX}{}", key.as_str())
}

#[cfg(test)]
mod tests;
