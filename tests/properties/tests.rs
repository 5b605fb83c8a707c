use crate::fuzzing::cookie_header;
use crate::fuzzing::seeds::for_each_seed;

#[test]
fn cookie_header_seeds_hold() {
    for_each_seed("cookie_header", cookie_header);
}
