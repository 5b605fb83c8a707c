use super::*;

#[test]
fn changes_beyond_the_limits_do_not_fit() {
    type Change = fn(&mut Changes, &str);
    let kinds: [Change; 3] = [
        |c, key| set(c, key, "1"),
        |c, key| c.remove(None, key),
        |c, key| drop(c.add(None, key, 1)),
    ];
    for change in kinds {
        let many = |keys: usize| changes(|c| (0..keys).for_each(|key| change(c, &key.to_string())));
        let fits = |keys: usize| fitting(&many(keys), Some(TTL_SET)).is_some();
        let most = (1..400).take_while(|keys| fits(*keys)).last().unwrap();
        assert!((20..300).contains(&most), "{most}");
        // What fits is within DynamoDB's limits, and nothing larger fits.
        let largest = update(&many(most), Some(TTL_SET));
        assert!(largest.update.len() <= 4_096 && largest.condition.len() <= 4_096);
        assert!((most + 1..most + 20).all(|keys| !fits(keys)));
    }
    // Operators count together, where the text would do: removals are short.
    let mixed = |sets: usize, removals: usize| {
        let mixed = changes(|c| {
            (0..sets).for_each(|key| set(c, &format!("s{key}"), "1"));
            (0..removals).for_each(|key| c.remove(None, &format!("r{key}")));
        });
        fitting(&mixed, Some(TTL_SET))
    };
    let most = mixed(10, 265).unwrap();
    let text = most.update.len() + 10 * ",#d.#300=:300".len();
    assert!(text < 4_096, "it is not the text: {text}");
    assert!(mixed(20, 265).is_none());
    let functions = changes(|c| {
        (0..30).for_each(|key| {
            let apply = Apply::new(|_| Ok(Entry::from_json("1")));
            c.update(None, &format!("f{key}"), apply).unwrap();
        });
        (0..200).for_each(|key| c.remove(None, &format!("r{key}")));
    });
    assert!(fitting(&functions, Some(TTL_SET)).is_none());
    // A version can still be required of the largest.
    let counts = |keys: usize| {
        changes(|c| {
            for key in 0..keys {
                c.add(None, &key.to_string(), 1).unwrap();
            }
        })
    };
    let most = (1..100).rfind(|keys| fitting(&counts(*keys), Some(TTL_SET)).is_some());
    let mut largest = update(&counts(most.unwrap()), Some(TTL_SET));
    for version in [0, 7] {
        largest.require_version(version);
        assert!(largest.condition.len() <= 4_096);
    }
    // Long keys are names, which do not count, and neither do values.
    let long = changes(|c| set(c, &"k".repeat(60_000), &"1".repeat(60_000)));
    assert!(fitting(&long, None).is_some());
    // A clear is one value, however many keys follow it.
    let refilled = cleared(|c| (0..1_000).for_each(|key| set(c, &key.to_string(), "1")));
    assert!(fitting(&refilled, None).is_some());
}
