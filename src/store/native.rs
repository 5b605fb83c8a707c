//! The parts of a record that only the store that read them understands.
//!
//! 1. DynamoDB is the only such store. Its values are typed here, so that nothing is downcast.
//! 2. The parts are private to the crate. A store of another crate keeps records whole, as JSON.
//! 3. Without the feature `dynamodb` there is no such value, and the types say so.

#[cfg(feature = "dynamodb")]
use std::collections::HashMap;

/// A value in the form in which DynamoDB holds it.
#[cfg(feature = "dynamodb")]
pub(crate) type NativeValue = aws_sdk_dynamodb::types::AttributeValue;

/// A value in a form that no store of this build has.
#[cfg(not(feature = "dynamodb"))]
#[derive(Debug, PartialEq)]
pub(crate) enum NativeValue {}

/// The parts of an item that its record has no field for.
#[cfg(feature = "dynamodb")]
#[derive(Debug)]
pub(crate) struct NativeParts {
    /// The attributes that this version does not know. They are written again with the record.
    pub(crate) unknown: HashMap<String, NativeValue>,
    /// The number of times that a write was sent again while earlier attempts might still arrive.
    /// Those attempts fail, because they require the lower fence of their time.
    pub(crate) fence: u64,
}
