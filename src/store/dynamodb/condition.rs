//! The conditions of the writes that are not updates, as pure functions.
//!
//! Removing any clause makes a test of `tests/conditions` fail.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::clock::Timestamp;
use crate::store::dynamodb::expression::Expression;
use crate::store::dynamodb::item::{TTL, WRITE};

/// The clause that holds if there is no item. It becomes another text if the partition key of the
/// table has another name.
pub(super) const NO_ITEM: &str = "attribute_not_exists(id)";

/// Returns the condition for the put of a new record. An id is 256 random bits, so an item that
/// exists must not be overwritten.
pub(super) fn absent() -> Expression {
    Expression::condition(NO_ITEM)
}

/// Returns the condition for the put of a mark. An earlier mark may still be there after its expiry,
/// until DynamoDB deletes it.
#[cfg(feature = "flask")]
pub(super) fn absent_or_expired(now: Timestamp) -> Expression {
    let mut expression = absent();
    expression.condition.push_str(" OR #t<=:n");
    expression.attribute(&TTL);
    expression.value(":n", TTL.stored(&now));
    expression
}

/// Returns the condition for repeating the put of a new record. No item exists, or it is the one
/// that an earlier attempt has put, not written since.
pub(super) fn absent_or_written_by(write: &str) -> Expression {
    let mut expression = absent();
    expression.condition.push_str(" OR #w=:w");
    expression.attribute(&WRITE);
    expression.value(":w", AttributeValue::S(write.to_owned()));
    expression
}

/// Returns the condition for the put of a redirect or tombstone over a record that was copied. The
/// record is live, and was not written since.
pub(super) fn unchanged(version: u64, now: Timestamp) -> Expression {
    let mut expression = Expression::default();
    expression.require_live(now);
    expression.require_version(version);
    expression
}

/// Returns the condition for a logout: a record of ours, expired or not.
///
/// A redirect or tombstone stays, and so does an item that is not ours. A record with a fence is
/// not deleted. An attempt to create it may still be on its way, and would succeed without the
/// record.
///
/// An absent item passes the condition too, so a logout that is refused has always met an item.
pub(super) fn ours_without_fence_or_absent() -> Expression {
    let mut expression = Expression::default();
    expression.require_ours();
    expression.require("attribute_type(#t,:c)");
    expression.attribute(&TTL);
    expression.require_fence(0);
    expression.condition = format!("{NO_ITEM} OR ({})", expression.condition);
    expression
}

/// Returns the condition for the put of a tombstone in place of a record with a fence. It fails if
/// another request has cycled or destroyed the session, because their items have no fence.
pub(super) fn fenced_still() -> Expression {
    Expression::condition("attribute_exists(fence)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::dynamodb::testing::{NOW, OURS, check_placeholders};

    #[test]
    fn conditions_have_these_clauses() {
        let with_ttl = format!("{OURS} AND attribute_type(#t,:c)");
        let rows = [
            (absent(), "attribute_not_exists(id)".to_owned()),
            (
                // A logout deletes an expired record too.
                ours_without_fence_or_absent(),
                format!("attribute_not_exists(id) OR ({with_ttl} AND NOT fence>=:i)"),
            ),
            (fenced_still(), "attribute_exists(fence)".to_owned()),
            (
                absent_or_written_by("write-id"),
                "attribute_not_exists(id) OR #w=:w".to_owned(),
            ),
            (
                unchanged(0, NOW),
                format!("{OURS} AND #t>:n AND attribute_not_exists(version)"),
            ),
            (
                unchanged(7, NOW),
                format!("{OURS} AND #t>:n AND version=:v"),
            ),
        ];
        for (expression, condition) in rows {
            check_placeholders(&expression);
            assert_eq!(expression.condition, condition);
            assert_eq!(expression.update, "");
        }
    }
}
