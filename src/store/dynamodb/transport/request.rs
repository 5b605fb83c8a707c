//! The operations that this store calls, and the parts of the SDK that encode and decode them.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::{
    batch_get_item, delete_item, get_item, put_item, query, transact_write_items, update_item,
};
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_runtime_api::client::ser_de::{SharedRequestSerializer, SharedResponseDeserializer};
use aws_smithy_types::config_bag::FrozenLayer;

/// A request that is not sent yet.
pub(crate) trait Request: Sized + Send + 'static {
    type Output: Debug + Send + Sync + 'static;
    type Error: ProvideErrorMetadata + StdError + Send + Sync + 'static;

    /// The name of the operation.
    const OPERATION: &'static str;

    /// Returns the SDK's serializer and deserializer of the operation, if the SDK offers them.
    fn codec() -> Option<&'static Codec>;

    /// Returns the input of the serializer.
    fn into_input(self) -> Result<Input, BuildError>;

    /// Sends the request with a client. The future is boxed: it takes about 5 KB, which would be
    /// moved several times.
    fn send_with(self, client: Client) -> Sending<Self::Output, Self::Error>;
}

/// A request on its way through a client.
pub(super) type Sending<T, E> = Pin<Box<dyn Future<Output = Result<T, SdkError<E>>> + Send>>;

/// The SDK's serializer and deserializer of an operation.
#[derive(Debug)]
pub(crate) struct Codec(FrozenLayer);

impl Codec {
    /// Takes both from the configuration of an operation. The SDK puts them there for its own
    /// orchestrator, and might put them elsewhere in another version.
    fn of(operation: &impl RuntimePlugin) -> Option<Self> {
        let codec = Self(operation.config()?);
        (codec.serializer().is_some() && codec.deserializer().is_some()).then_some(codec)
    }

    pub(super) fn serializer(&self) -> Option<&SharedRequestSerializer> {
        self.0.load::<SharedRequestSerializer>()
    }

    pub(super) fn deserializer(&self) -> Option<&SharedResponseDeserializer> {
        self.0.load::<SharedResponseDeserializer>()
    }
}

/// Implements [`Request`] for the input builders of operations.
macro_rules! operations {
    ($($operation:ident { $builder:ty, $output:ty, $error:ty } = $plugin:expr;)+) => {
        $(impl Request for $builder {
            type Output = $output;
            type Error = $error;

            const OPERATION: &'static str = stringify!($operation);

            fn codec() -> Option<&'static Codec> {
                static CODEC: OnceLock<Option<Codec>> = OnceLock::new();
                CODEC.get_or_init(|| Codec::of(&$plugin)).as_ref()
            }

            fn into_input(self) -> Result<Input, BuildError> {
                self.build().map(Input::erase)
            }

            fn send_with(self, client: Client) -> Sending<$output, $error> {
                Box::pin(async move { self.send_with(&client).await })
            }
        })+

        /// Returns `true` if the SDK offers the serializer and the deserializer of each operation.
        pub(super) fn has_all_codecs() -> bool {
            $(<$builder as Request>::codec().is_some())&&+
        }
    };
}

operations! {
    GetItem {
        get_item::builders::GetItemInputBuilder, get_item::GetItemOutput, get_item::GetItemError
    } = get_item::GetItem::new();
    PutItem {
        put_item::builders::PutItemInputBuilder, put_item::PutItemOutput, put_item::PutItemError
    } = put_item::PutItem::new();
    UpdateItem {
        update_item::builders::UpdateItemInputBuilder,
        update_item::UpdateItemOutput,
        update_item::UpdateItemError
    } = update_item::UpdateItem::new();
    DeleteItem {
        delete_item::builders::DeleteItemInputBuilder,
        delete_item::DeleteItemOutput,
        delete_item::DeleteItemError
    } = delete_item::DeleteItem::new();
    TransactWriteItems {
        transact_write_items::builders::TransactWriteItemsInputBuilder,
        transact_write_items::TransactWriteItemsOutput,
        transact_write_items::TransactWriteItemsError
    } = transact_write_items::TransactWriteItems::new();
    Query {
        query::builders::QueryInputBuilder, query::QueryOutput, query::QueryError
    } = query::Query::new();
    BatchGetItem {
        batch_get_item::builders::BatchGetItemInputBuilder,
        batch_get_item::BatchGetItemOutput,
        batch_get_item::BatchGetItemError
    } = batch_get_item::BatchGetItem::new();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct WithoutParts;

    impl RuntimePlugin for WithoutParts {}

    #[test]
    fn codec_needs_both_parts_of_the_sdk() {
        assert!(Codec::of(&WithoutParts).is_none());
        assert!(Codec::of(&get_item::GetItem::new()).is_some());
        assert!(has_all_codecs(), "the SDK has moved them");
    }
}
