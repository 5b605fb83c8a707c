//! The hints that a value carries after its id: `~t<seconds>` and `~v<version>`.
//!
//! 1. A hint is not signed, and it is trusted for nothing. A wrong hint costs a call to the store, or
//!    a more expensive one, and changes no result.
//! 2. Both numbers are in base 36, in lower case. Anything else is no hint, and is ignored.
//! 3. If a hint occurs twice, the greater number counts. A client may hold the same id twice, and
//!    both numbers grow with time.
//! 4. A hint of six characters is that of a [scope](crate::wire::cookie). A number that would make one
//!    as long has a zero before it.

use crate::clock::Timestamp;

/// The number of hash characters in the hint of a scope. They distinguish the scopes of one name, and
/// a client holds two or three of these.
pub(crate) const SCOPE_HINT_CHARS: usize = 6;

/// The facts about a session that its client returns with the id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hints {
    /// The time at which a touch is due.
    pub(crate) touch: Option<Timestamp>,
    /// The version that was last written for the client.
    pub(crate) version: Option<u64>,
}

impl Hints {
    /// Reads the hints of a value, without the `~` before the first.
    pub(crate) fn read(hints: &[u8]) -> Self {
        let all = hints.split(|byte| *byte == b'~');
        all.fold(Self::default(), |found, hint| found.and(Self::one(hint)))
    }

    /// Combines the hints of two values with the same id.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            touch: self.touch.max(other.touch),
            version: self.version.max(other.version),
        }
    }

    /// Appends the hints to a value.
    pub(crate) fn append_to(self, value: &mut String) {
        let touch = self.touch.map(Timestamp::epoch_seconds);
        for (letter, number) in [('t', touch), ('v', self.version)] {
            if let Some(number) = number {
                let digits = base36(number);
                let is_like_a_scope = digits.len() + 1 == SCOPE_HINT_CHARS;
                value.extend(['~', letter]);
                value.push_str(if is_like_a_scope { "0" } else { "" });
                value.push_str(&digits);
            }
        }
    }

    /// Reads one hint.
    fn one(hint: &[u8]) -> Self {
        let none = Self::default();
        if hint.len() == SCOPE_HINT_CHARS {
            return none;
        }
        match hint.split_first() {
            Some((b't', digits)) => Self {
                touch: number(digits).map(Timestamp::from_epoch_seconds),
                ..none
            },
            Some((b'v', digits)) => Self {
                version: number(digits),
                ..none
            },
            _ => none,
        }
    }
}

/// Returns the number that these digits are in base 36.
fn number(digits: &[u8]) -> Option<u64> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'z');
    let text = std::str::from_utf8(digits).ok()?;
    digits.iter().all(is_digit).then_some(())?;
    u64::from_str_radix(text, 36).ok()
}

/// Returns the digits of a number in base 36.
fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = u32::try_from(number % 36).unwrap_or_default();
        digits.extend(char::from_digit(digit, 36));
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn hints(touch: Option<u64>, version: Option<u64>) -> Hints {
        Hints {
            touch: match touch {
                Some(seconds) => Some(Timestamp::from_epoch_seconds(seconds)),
                None => None,
            },
            version,
        }
    }

    #[test]
    fn hints_are_read_as_they_were_written() {
        let rows: [(Option<u64>, Option<u64>, &str); 8] = [
            (None, None, ""),
            (Some(1_795_423_278), None, "~ttoy5gu"),
            (None, Some(3), "~v3"),
            (Some(0), Some(0), "~t0~v0"),
            (Some(35), Some(36), "~tz~v10"),
            (Some(u64::MAX), None, "~t3w5e11264sgsf"),
            // Five digits would look like a scope.
            (None, Some(36_u64.pow(4)), "~v010000"),
            (
                Some(36_u64.pow(5) - 1),
                Some(36_u64.pow(5)),
                "~t0zzzzz~v100000",
            ),
        ];
        for (touch, version, text) in rows {
            let mut value = String::from("id");
            hints(touch, version).append_to(&mut value);
            assert_eq!(value, format!("id{text}"));
            let read = Hints::read(text.trim_start_matches('~').as_bytes());
            assert_eq!(read, hints(touch, version), "{text}");
        }
    }

    #[test]
    fn hint_that_is_malformed_is_ignored() {
        for text in [
            "",
            "~",
            "t",
            "v",
            "t-1",
            "t+1",
            "v+1",
            "tA",
            "t1 ",
            " t1",
            "t1.",
            "t=1",
            "T1",
            "V1",
            "x1",
            "t\u{e9}",
            "t3w5e11264sgsg",
            "t00000000000000000000g~",
            "tabcde",
            "v12345",
            "v99999999999999999999999999",
        ] {
            let found = Hints::read(text.as_bytes());
            let expected = match text {
                "t00000000000000000000g~" => hints(Some(16), None),
                _ => Hints::default(),
            };
            assert_eq!(found, expected, "{text:?}");
        }
        assert_eq!(Hints::read(b"t\xff~v\xfe~v1"), hints(None, Some(1)));
    }

    #[test]
    fn hint_that_occurs_twice_is_the_greater() {
        for text in ["t2~v7~t1~v8", "x~t1~v8~~t2~v7", "v8~t2~t~v", "t2~v8~v0~t0"] {
            assert_eq!(
                Hints::read(text.as_bytes()),
                hints(Some(2), Some(8)),
                "{text}"
            );
        }
    }
}
