use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Set(String, String),
    Remove(String),
    Add(String, i64),
    Clear,
}

fn any_changes() -> impl Strategy<Value = Changes> {
    let key = || prop_oneof!["[a-c]", "\\PC{1,12}", "[#:., ()=]{1,8}"];
    let step = prop_oneof![
        8 => (key(), "\\PC{0,20}").prop_map(|(key, text)| Step::Set(key, text)),
        8 => key().prop_map(Step::Remove),
        8 => (key(), any::<i64>()).prop_map(|(key, by)| Step::Add(key, by)),
        1 => Just(Step::Clear),
    ];
    prop::collection::vec(step, 1..30).prop_map(|steps| {
        let base = Data::from_iter([("a", Entry::from_json("1"))]);
        changes(|changes| {
            for step in steps {
                match step {
                    Step::Set(key, text) => set(changes, &key, &text),
                    Step::Remove(key) => changes.remove(None, &key),
                    Step::Add(key, by) => drop(changes.add(None, &key, by)),
                    Step::Clear => changes.clear(&base),
                }
            }
        })
    })
}

proptest! {
    #[test]
    fn placeholders_are_defined_and_used(
        changes in any_changes(),
        with_ttl: bool,
        version in prop::option::of(0_u64..3),
    ) {
        let ttl = with_ttl.then_some(TTL_SET);
        if let Some(mut expression) = fitting(&changes, ttl) {
            check_placeholders(&expression);
            if let Some(version) = version {
                expression.require_version(version);
                check_placeholders(&expression);
            }
        }
    }

    #[test]
    fn text_holds_no_key_and_no_value(changes in any_changes()) {
        let Some(expression) = fitting(&changes, None) else {
            return Ok(());
        };
        // The text is that of other changes of the same kinds.
        let plain = self::changes(|plain| {
            if changes.is_cleared() {
                plain.clear(&Data::from_iter([("a", Entry::from_json("1"))]));
            }
            for (n, (_, change)) in changes.iter().enumerate() {
                let key = format!("{n:03}");
                match change {
                    Change::Set(_) => set(plain, &key, "0"),
                    Change::Remove => plain.remove(None, &key),
                    Change::Add(_) => drop(plain.add(None, &key, 1)),
                    Change::Apply(_) => unreachable!("none is among the random changes"),
                }
            }
        });
        let other = fitting(&plain, None).unwrap();
        prop_assert_eq!(&expression.update, &other.update);
        prop_assert_eq!(&expression.condition, &other.condition);
        // And each key is the name of its placeholder.
        if !changes.is_cleared() {
            for (n, (key, _)) in changes.iter().enumerate() {
                prop_assert_eq!(&expression.names[&format!("#{n}")], key);
            }
        }
    }
}
