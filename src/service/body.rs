//! The body of a response behind the tower layer: the body of the inner service, or the text of the
//! response to a session's failure.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a response that has passed a [`SessionLayer`](crate::SessionLayer).
    ///
    /// It is the inner service's body, frame by frame, with its trailers. The data of that body
    /// must be convertible into `Bytes`. If a session failed, it is the text of
    /// [`on_error`](crate::SessionLayer::on_error) instead.
    #[derive(Debug)]
    pub struct SessionBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    #[derive(Debug)]
    enum Kind<B> {
        Inner { #[pin] body: B },
        Failure { text: Option<Bytes> },
    }
}

impl<B> SessionBody<B> {
    /// Wraps the body of the inner service.
    pub(crate) fn inner(body: B) -> Self {
        Self {
            kind: Kind::Inner { body },
        }
    }

    /// Wraps the text of a response to a session's failure.
    pub(crate) fn failure(text: String) -> Self {
        let text = Some(Bytes::from(text)).filter(|text| !text.is_empty());
        Self {
            kind: Kind::Failure { text },
        }
    }
}

/// Creates the inner service's default body, for outer layers that make their own response.
impl<B: Default> Default for SessionBody<B> {
    fn default() -> Self {
        Self::inner(B::default())
    }
}

impl<B> Body for SessionBody<B>
where
    B: Body,
    B::Data: Into<Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Inner { body } => body
                .poll_frame(cx)
                .map_ok(|frame| frame.map_data(Into::into)),
            KindProjection::Failure { text } => {
                Poll::Ready(text.take().map(|t| Ok(Frame::data(t))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Failure { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Failure { text } => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
        }
    }
}
