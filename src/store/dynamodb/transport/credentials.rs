//! The credentials of requests: the SDK's cache, which is replaced when DynamoDB refuses them.
//!
//! The cache loads credentials when they are first needed, and again shortly before they expire.
//! It outlives the client, because slow credentials should not be loaded again with each client.

use std::sync::{Arc, PoisonError, RwLock};

use aws_sdk_dynamodb::config::{ConfigBag, IdentityCache, RuntimeComponents, SharedIdentityCache};
use aws_smithy_runtime_api::client::identity::{
    IdentityFuture, ResolveCachedIdentity, SharedIdentityResolver,
};

/// The cache of credentials. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Credentials(Arc<RwLock<Cached>>);

#[derive(Debug)]
struct Cached {
    cache: SharedIdentityCache,
    /// The number of times that the cache was replaced.
    generation: u64,
}

impl Credentials {
    /// Creates a cache, or uses the application's own.
    pub(crate) fn new(own: Option<SharedIdentityCache>) -> Self {
        let cached = Cached {
            cache: own.unwrap_or_else(|| IdentityCache::lazy().build()),
            generation: 0,
        };
        Self(Arc::new(RwLock::new(cached)))
    }

    /// Returns a number that changes whenever the credentials are discarded.
    pub(crate) fn generation(&self) -> u64 {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .generation
    }

    /// Discards the credentials of this generation, so that they are loaded again. If several calls
    /// were refused with them, only the first has an effect.
    pub(crate) fn reload(&self, refused: u64) {
        let mut cached = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if cached.generation == refused {
            cached.generation += 1;
            cached.cache = IdentityCache::lazy().build();
        }
    }

    fn cache(&self) -> SharedIdentityCache {
        let cached = self.0.read().unwrap_or_else(PoisonError::into_inner);
        cached.cache.clone()
    }
}

impl ResolveCachedIdentity for Credentials {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        components: &'a RuntimeComponents,
        config: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        let cache = self.cache();
        IdentityFuture::new(async move {
            cache
                .resolve_cached_identity(resolver, components, config)
                .await
        })
    }
}
