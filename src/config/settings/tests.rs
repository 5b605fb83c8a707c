use std::time::{Duration, UNIX_EPOCH};

use super::*;

#[test]
fn timeout_under_a_second_is_misconfigured() {
    for change in [
        |s: &mut Settings| s.expiry.idle = Duration::from_millis(999),
        |s: &mut Settings| s.expiry.lifetime = Duration::ZERO,
    ] {
        let mut settings = Settings::default();
        assert!(settings.validate().is_ok());
        change(&mut settings);
        let error = settings.validate().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
    }
}

#[test]
fn now_is_the_time_of_the_clock() {
    let settings = Settings {
        clock: Arc::new(|| UNIX_EPOCH + Duration::from_millis(7_999)),
        ..Settings::default()
    };
    assert_eq!(settings.now(), Timestamp::from_epoch_seconds(7));
}
