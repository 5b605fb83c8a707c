use super::*;

mod interleavings;

const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_epoch_seconds(seconds)
}

fn rules(idle: u64, lifetime: u64, touch: Option<u64>) -> Expiry {
    Expiry {
        idle: Duration::from_secs(idle),
        lifetime: Duration::from_secs(lifetime),
        touch: touch.map(Duration::from_secs),
        ..Expiry::default()
    }
}

#[test]
fn ttl_is_the_earlier_of_both_ends() {
    let rules = rules(100, 250, None);
    assert_eq!(rules.ttl(at(1_000), at(1_000)), at(1_100));
    assert_eq!(rules.ttl(at(1_000), at(1_150)), at(1_250));
    assert_eq!(rules.ttl(at(1_000), at(1_249)), at(1_250));
}

#[test]
fn expired_to_the_second() {
    let rules = rules(100, 250, None);
    assert!(!rules.is_dead(at(1_000), at(1_100), at(1_099)));
    assert!(rules.is_dead(at(1_000), at(1_100), at(1_100)));
    // This one was stored when the lifetime was longer.
    assert!(!rules.is_dead(at(1_000), at(9_000), at(1_249)));
    assert!(rules.is_dead(at(1_000), at(9_000), at(1_250)));
}

#[test]
fn touch_is_due_after_the_interval() {
    let rules = rules(100, 10_000, Some(10));
    assert_eq!(rules.touch_due(at(0), at(100), at(9)), None);
    assert_eq!(rules.touch_due(at(0), at(100), at(10)), Some(at(110)));
}

#[test]
fn touch_interval_zero_is_due_every_second() {
    let rules = rules(100, 10_000, Some(0));
    assert_eq!(rules.touch_due(at(0), at(100), at(0)), None);
    assert_eq!(rules.touch_due(at(0), at(100), at(1)), Some(at(101)));
}

#[test]
fn touch_never_exceeds_lifetime_or_shortens() {
    let short = rules(100, 150, Some(0));
    assert_eq!(short.touch_due(at(0), at(150), at(120)), None);
    // The idle timeout was longer when this one was stored.
    assert_eq!(short.touch_due(at(0), at(149), at(10)), None);
}

#[test]
fn touch_limits_are_those_of_a_due_touch() {
    for interval in [0, 1, 10, 100, 101] {
        let rules = rules(100, 250, Some(interval));
        for now in 0..300 {
            let Some(limits) = rules.touch_limits(at(now)) else {
                assert!(interval >= 100, "it never touches");
                continue;
            };
            for created in (0..=now).step_by(7) {
                for ttl in (now + 1)..(now + 120) {
                    let is_within =
                        at(ttl) <= limits.latest_ttl && at(created) >= limits.earliest_created;
                    let due = rules.touch_due(at(created), at(ttl), at(now));
                    let is_capped = created + 250 < now + 100;
                    assert_eq!(is_within, due.is_some() && !is_capped);
                    if is_within {
                        assert_eq!(due, Some(limits.ttl));
                    }
                }
            }
        }
    }
    let is_possible = |idle, lifetime, interval| {
        let rules = rules(idle, lifetime, Some(interval));
        rules.touch_limits(at(1_000)).is_some()
    };
    assert!(is_possible(100, 100, 99));
    assert!(!is_possible(100, 99, 0), "the lifetime always ends first");
    assert!(!is_possible(100, 250, 100), "a touch is never due");
    assert!(!is_possible(1, 250, 0));
}

#[test]
fn next_touch_is_the_first_within_the_limits() {
    for interval in [0, 1, 10, 99, 100, 101] {
        let rules = rules(100, 250, Some(interval));
        let is_within = |ttl, now| {
            rules.touch_limits(at(now)).is_some_and(|limits| {
                at(ttl) <= limits.latest_ttl && at(1_000) >= limits.earliest_created
            })
        };
        for ttl in 1_100..1_250 {
            let first = (1_000..ttl).find(|now| is_within(ttl, *now)).map(at);
            assert_eq!(rules.next_touch(at(1_000), at(ttl), None), first);
            let end = first.map(|first| first.plus(rules.idle));
            assert_eq!(rules.next_touch(at(1_000), at(ttl), end), first);
            let end = end.map(|end| end.minus(Duration::from_secs(1)));
            if end.is_some() {
                assert_eq!(rules.next_touch(at(1_000), at(ttl), end), None);
            }
        }
    }
}

#[test]
fn touch_interval_default_is_a_tenth() {
    assert_eq!(rules(100, 1_000, None).touch_interval().as_secs(), 10);
    assert_eq!(Expiry::default().touch_interval().as_secs(), 3_600);
}

#[test]
fn timeout_under_a_second_is_misconfigured() {
    assert!(rules(1, 1, Some(0)).validate().is_ok());
    let cycling = |seconds| Expiry {
        cycle_id_after: Some(Duration::from_secs(seconds)),
        ..rules(1, 1, None)
    };
    assert!(cycling(1).validate().is_ok());
    for wrong in [rules(0, 1, None), rules(1, 0, None), cycling(0)] {
        let error = wrong.validate().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
    }
}

#[test]
fn cycle_is_due_to_the_second() {
    let never = rules(100, 1_000, None);
    assert!(!never.cycle_due(at(0), at(u64::MAX)));
    let rules = Expiry {
        cycle_id_after: Some(Duration::from_secs(10)),
        ..never
    };
    assert!(!rules.cycle_due(at(5), at(14)));
    assert!(rules.cycle_due(at(5), at(15)));
    assert!(!rules.cycle_due(at(5), at(0)), "a clock that was set back");
}

fn own(idle: Option<u64>, ends: Option<u64>) -> Lifetimes {
    Lifetimes {
        idle,
        ends: ends.map(at),
        persistent: None,
    }
}

#[test]
fn own_lifetimes_replace_those_of_the_layer() {
    let layer = Expiry {
        max_idle: Some(Duration::from_secs(500)),
        max_lifetime: Some(Duration::from_secs(2_000)),
        ..rules(100, 1_000, None)
    };
    let of = |idle, ends| {
        let rules = layer.of(at(1_000), own(idle, ends));
        (rules.idle.as_secs(), rules.lifetime.as_secs())
    };
    assert_eq!(of(None, None), (100, 1_000));
    assert_eq!(of(Some(5), None), (5, 1_000));
    assert_eq!(of(Some(500), Some(3_000)), (500, 2_000));
    assert_eq!(of(None, Some(1_001)), (100, 1));
    // They were stored under higher maxima.
    assert_eq!(of(Some(501), Some(3_001)), (500, 2_000));
    // The layer's own values are always allowed.
    let lower = Expiry {
        max_idle: Some(Duration::from_secs(5)),
        max_lifetime: Some(Duration::from_secs(5)),
        ..rules(100, 1_000, None)
    };
    let rules = lower.of(at(1_000), own(Some(100), Some(2_000)));
    assert_eq!((rules.idle, rules.lifetime), (lower.idle, lower.lifetime));
}

#[test]
fn own_idle_timeout_has_a_touch_interval() {
    let layer = |touch| Expiry {
        max_idle: Some(Duration::from_secs(100_000)),
        ..rules(1_000, 1_000_000, touch)
    };
    for (touch, idle, interval) in [
        (None, 50, 5),
        (None, 100_000, 3_600),
        (Some(60), 50, 5),
        (Some(60), 100_000, 60),
        (Some(0), 50, 0),
        // The layer never touches.
        (Some(1_000), 50, 1_000),
        (Some(1_000), 100_000, 100_000),
    ] {
        let rules = layer(touch).of(at(0), own(Some(idle), None));
        let found = rules.touch_interval().as_secs();
        assert_eq!(found, interval, "{touch:?} {idle}");
    }
    let rules = layer(Some(60)).of(at(0), own(None, Some(500)));
    assert_eq!(rules.touch_interval().as_secs(), 60);
}

#[test]
fn own_values_are_between_a_second_and_the_maximum() {
    let seconds = Duration::from_secs;
    let layer = Expiry {
        max_idle: Some(seconds(500)),
        max_lifetime: Some(seconds(2_000)),
        ..rules(100, 1_000, None)
    };
    assert_eq!(layer.own_idle(seconds(500)).unwrap(), 500);
    assert_eq!(layer.own_lifetime(seconds(2_000)).unwrap(), 2_000);
    let almost = Duration::from_millis(999);
    for refused in [
        layer.own_idle(seconds(501)),
        layer.own_idle(Duration::MAX),
        layer.own_idle(almost),
        layer.own_lifetime(seconds(2_001)),
        layer.own_lifetime(Duration::ZERO),
        rules(100, 1_000, None).own_idle(seconds(101)),
        rules(100, 1_000, None).own_lifetime(seconds(1_001)),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
    }
    let error = layer.own_idle(seconds(501)).unwrap_err().to_string();
    assert!(
        error.contains("at most 500 seconds, raise its max_idle_timeout"),
        "{error}"
    );
}

#[test]
fn own_idle_timeout_over_the_maximum_is_capped() {
    let layer = rules(100, 1_000, None);
    // It counts from the last write or touch.
    let capped = |idle, ttl| layer.capped_ttl(own(idle, None), at(ttl), at(1_000));
    assert_eq!(capped(Some(500), 1_500), at(1_100));
    assert_eq!(capped(Some(500), 1_050), at(1_050));
    assert_eq!(capped(Some(100), 1_100), at(1_100));
    assert_eq!(capped(None, 1_500), at(1_500), "as the layer stored it");
}

#[test]
fn expiry_follows_the_lifetimes_at_the_write() {
    let none = own(None, None);
    let layers = at(2_000);
    // The rows: what this write sets, what it has read, what is stored, and the result. The write is
    // made at 1,000 and was to set the expiry to 2,000.
    for (set, read, stored, stored_ttl, expected) in [
        (none, none, none, 1_500, 2_000),
        (none, none, none, 2_500, 2_000),
        // Another request has made the session shorter.
        (none, none, own(Some(10), None), 1_010, 1_010),
        (none, none, own(None, Some(1_200)), 1_200, 1_200),
        // Another request has made it longer.
        (none, none, own(Some(9_000), None), 9_900, 9_900),
        // This one sets the end, and another has set the idle timeout.
        (
            own(None, Some(5_000)),
            none,
            own(Some(10), None),
            1_010,
            1_010,
        ),
        (
            own(None, Some(5_000)),
            none,
            own(Some(9_000), None),
            9_900,
            5_000,
        ),
        // Both have set the same, and the later write counts.
        (
            own(Some(1_000), None),
            none,
            own(Some(10), None),
            1_010,
            2_000,
        ),
        // They are as they were read.
        (
            none,
            own(Some(1_000), None),
            own(Some(1_000), None),
            1_500,
            2_000,
        ),
    ] {
        let found = reconciled(layers, set, Some(read), (stored, at(stored_ttl)), at(1_000));
        assert_eq!(found, at(expected), "{set:?} {read:?} {stored:?}");
        if found != layers {
            let unread = reconciled(layers, set, None, (stored, at(stored_ttl)), at(1_000));
            assert_eq!(unread, layers, "nothing was read");
        }
        let after = set.or(stored);
        let is_kept = found == at(stored_ttl);
        assert!(
            is_kept || after.allow(found, at(1_000)),
            "{set:?} {stored:?}"
        );
    }
}

#[test]
fn touch_is_allowed_within_the_own_lifetimes() {
    for (own, ttl, expected) in [
        (own(None, None), u64::MAX, true),
        (own(Some(10), None), 1_010, true),
        (own(Some(10), None), 1_011, false),
        (own(None, Some(1_500)), 1_500, true),
        (own(None, Some(1_500)), 1_501, false),
        (own(Some(10), Some(1_005)), 1_006, false),
    ] {
        assert_eq!(own.allow(at(ttl), at(1_000)), expected, "{own:?} {ttl}");
    }
}
