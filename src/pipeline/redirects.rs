//! Follows the redirects that automatic cycling leaves.

use std::future::Future;

use crate::error::Error;
use crate::id::StorageKey;
use crate::session::location::Location;
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
        location = location.moved_to(next.clone());
        found = call(next).await?;
    }
    Ok((found, location))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::id::SessionId;

    /// Follows a chain of this many redirects, and returns the result and the number of calls.
    async fn follow(redirects: usize) -> (Found<usize>, Location, usize) {
        let calls = Cell::new(0);
        let start = Location::of(SessionId::parse("A".repeat(43).as_bytes()).unwrap());
        let (found, location) = follow_redirects(start, |key| {
            let n = calls.get();
            calls.set(n + 1);
            async move {
                if n > 0 {
                    assert_eq!(key.as_str(), n.to_string(), "the key of the redirect");
                }
                Ok(match n < redirects {
                    true => Found::Redirect(StorageKey::stored((n + 1).to_string())),
                    false => Found::Live(n),
                })
            }
        })
        .await
        .unwrap();
        (found, location, calls.get())
    }

    #[tokio::test]
    async fn redirects_are_followed_up_to_the_limit() {
        for redirects in 0..=MAX_REDIRECTS {
            let (found, location, calls) = follow(redirects).await;
            assert_eq!(found, Found::Live(redirects));
            let (_, moved_to) = location.into_parts();
            let moved_to = moved_to.map(|key| key.as_str().to_owned());
            assert_eq!(moved_to, (redirects > 0).then(|| redirects.to_string()));
            assert_eq!(calls, redirects + 1);
        }
        let (found, _, calls) = follow(MAX_REDIRECTS + 1).await;
        assert!(matches!(found, Found::Redirect(_)), "{found:?}");
        assert_eq!(calls, MAX_REDIRECTS + 1);
    }
}
