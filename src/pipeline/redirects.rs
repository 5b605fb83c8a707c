//! Follows the redirects that automatic cycling leaves.

use std::future::Future;

use crate::error::Error;
use crate::id::StorageKey;
use crate::session::Location;
use crate::store::record::Found;

/// The maximum number of redirects that are followed, one after the other. Each was left within the
/// last minute by an id that was cycled automatically.
const MAX_REDIRECTS: usize = 8;

/// Calls the store at a location, and again at each key that a redirect leads to.
///
/// Returns the last result and its location. The result is a redirect only if there are more than
/// [`MAX_REDIRECTS`] of them.
// The key is owned, because the compiler cannot prove that the future of an `AsyncFn(&StorageKey)`
// is `Send` for every lifetime of the reference.
pub(super) async fn follow_redirects<T, F>(
    mut location: Location,
    call: impl Fn(StorageKey) -> F,
) -> Result<(Found<T>, Location), Error>
where
    F: Future<Output = Result<Found<T>, Error>>,
{
    let mut found = call(location.key().clone()).await?;
    for _ in 0..MAX_REDIRECTS {
        let Found::Redirect(next) = found else { break };
        location.moved_to = Some(next.clone());
        found = call(next).await?;
    }
    Ok((found, location))
}
