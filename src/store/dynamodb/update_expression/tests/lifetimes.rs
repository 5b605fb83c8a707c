use super::*;

#[test]
fn lifetimes_are_set_and_required_if_they_matter() {
    let at = Timestamp::from_epoch_seconds;
    let own = |idle, ends: Option<u64>, persistent| Lifetimes {
        idle,
        ends: ends.map(at),
        persistent,
    };
    let none = own(None, None, None);
    let rows = [
        // An expiry that was computed from the layer's lifetimes, and from those of the session.
        (none, none, "", " AND NOT idle>=:i AND NOT ends>=:i"),
        (
            own(Some(7), Some(9), None),
            none,
            "",
            " AND idle=:oj AND ends=:ok",
        ),
        // What the write sets itself need not be as it was read.
        (
            none,
            own(Some(5), None, None),
            ",idle=:j",
            " AND NOT ends>=:i",
        ),
        (
            none,
            own(None, Some(5), None),
            ",ends=:k",
            " AND NOT idle>=:i",
        ),
        (
            own(Some(7), None, None),
            own(None, None, Some(true)),
            ",persistent=:b",
            " AND idle=:oj AND NOT ends>=:i",
        ),
        (
            own(Some(7), Some(9), Some(true)),
            own(Some(5), Some(6), Some(false)),
            ",idle=:j,ends=:k,persistent=:b",
            "",
        ),
    ];
    for (read, set, update, condition) in rows {
        let base = Record::new(Data::new(), NOW, TTL_SET).with_lifetimes(read);
        for ttl in [None, Some(TTL_SET)] {
            let stamp = Stamp {
                lifetimes: set,
                ..stamp(ttl)
            };
            let expression = by_key(&Changes::default(), Some(&base), stamp);
            let expression = expression.unwrap().unwrap();
            check_placeholders(&expression);
            let sets_ttl = if ttl.is_some() { ",#t=:t" } else { "" };
            assert_eq!(expression.update, format!("{STAMPED}{sets_ttl}{update}"));
            let condition = if ttl.is_some() { condition } else { "" };
            assert_eq!(
                expression.condition,
                format!("{MAP} AND {SAME_FORM} AND {ALIVE} AND NOT fence>=:i{condition}")
            );
        }
    }
}
