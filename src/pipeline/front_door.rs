//! The front doors that deliver one `Set-Cookie` line of a response: load balancers without
//! multi-value headers, and VPC Lattice.
//!
//! The session's line is first, so that it is the one. If a handler's lines are lost, the log says
//! which setting cures it.

#[cfg(any(feature = "alb", feature = "vpc_lattice"))]
use lambda_http::request::RequestContext;

use crate::wire::received::OneCookie;
use crate::wire::request_head::RequestHead;

/// Returns the front door of a request, if it delivers one `Set-Cookie` line of the response.
pub(super) fn of(request: &RequestHead<'_>) -> Option<OneCookie> {
    #[cfg(any(feature = "alb", feature = "vpc_lattice"))]
    match request.extensions.get::<RequestContext>()? {
        // `lambda_http` 1.3 takes the host of the URI from the single-value headers. Events with
        // multi-value headers have none of these.
        #[cfg(feature = "alb")]
        RequestContext::Alb(_) => request.uri.host().map(|_| OneCookie::LoadBalancer),
        #[cfg(feature = "vpc_lattice")]
        RequestContext::VpcLattice(_) => Some(OneCookie::VpcLattice),
        _ => None,
    }
    #[cfg(not(any(feature = "alb", feature = "vpc_lattice")))]
    {
        let _ = request;
        None
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::request::LambdaRequest;

    use super::*;

    #[test]
    fn front_door_with_one_cookie_is_recognized() {
        for (event, expected) in [
            (
                include_str!("../../tests/events/alb.json"),
                Some(OneCookie::LoadBalancer),
            ),
            (
                include_str!("../../tests/events/alb_multi_value.json"),
                None,
            ),
            (
                include_str!("../../tests/events/vpc_lattice_v2.json"),
                Some(OneCookie::VpcLattice),
            ),
            (include_str!("../../tests/events/function_url.json"), None),
            (include_str!("../../tests/events/http_v2.json"), None),
            (include_str!("../../tests/events/rest_v1.json"), None),
        ] {
            let event: LambdaRequest = serde_json::from_str(event).unwrap();
            let request = lambda_http::Request::from(event);
            assert_eq!(of(&RequestHead::of(&request)), expected);
        }
        assert_eq!(of(&RequestHead::of(&http::Request::new(()))), None);
    }
}
