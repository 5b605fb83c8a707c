//! Prepares a pickle before it is read: it must build plain types only, and its values must not be
//! nested in memory.
//!
//! 1. A pickle is a program. The instructions that name a Python class or function are refused, except
//!    the names of `set` and `frozenset`, which Python before 3.8 uses for sets.
//! 2. Each container must be put into the memo when it is made, as Python's pickler does. The values
//!    inside it are then references. Without that rule, a pickle of 300 KB could nest 100,000 lists,
//!    and dropping them would exhaust the stack.
//! 3. `serde-pickle` counts how often the pickle refers to a value, and forgets a value after as many
//!    visits. If one list is in two places, the values inside it are visited twice, and it would report
//!    a cycle. So references to all values are added, which are dropped at once.

use std::borrow::Cow;
use std::collections::BTreeSet;

/// The reason why a pickle is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The pickle names a class or a function.
    Global,
    /// The pickle is cut off, goes on after its end, or no pickler writes it.
    Broken,
}

/// The names that may occur.
const SETS: [(&[u8], &[u8]); 4] = [
    (b"builtins", b"set"),
    (b"builtins", b"frozenset"),
    (b"__builtin__", b"set"),
    (b"__builtin__", b"frozenset"),
];

/// The number of references that are added to each value: how many places may share a container, less
/// one.
const ADDED: usize = 32;

/// Checks a pickle, and returns it as it can be read.
///
/// # Errors
///
/// Fails with the reason why it must not be read.
pub(super) fn prepare(pickle: &[u8]) -> Result<Cow<'_, [u8]>, Refused> {
    let memo = check(pickle)?;
    if !memo.is_shared {
        return Ok(Cow::Borrowed(pickle));
    }
    // The last byte is STOP.
    let mut prepared = pickle[..pickle.len() - 1].to_vec();
    for id in memo.ids {
        // LONG_BINGET and POP
        let [a, b, c, d] = id.to_le_bytes();
        prepared.extend_from_slice(&[b'j', a, b, c, d, b'0'].repeat(ADDED));
    }
    prepared.push(b'.');
    Ok(Cow::Owned(prepared))
}

/// The values that a pickle refers to.
#[derive(Default)]
struct Memo {
    ids: BTreeSet<u32>,
    /// True if the pickle refers to one of them again.
    is_shared: bool,
}

fn check(pickle: &[u8]) -> Result<Memo, Refused> {
    let mut rest = Rest(pickle);
    let mut memo = Memo::default();
    let mut is_in_memo = true;
    loop {
        let code = rest.byte()?;
        // PUT, BINPUT, LONG_BINPUT and MEMOIZE. A frame may begin before them.
        let is_memo = matches!(code, b'p' | b'q' | b'r' | 0x94);
        if !is_in_memo && !is_memo && code != 0x95 {
            return Err(Refused::Broken);
        }
        is_in_memo |= is_memo;
        match code {
            // STOP
            b'.' => return rest.is_empty().then_some(memo).ok_or(Refused::Broken),
            // PUT, BINPUT, LONG_BINPUT, MEMOIZE
            b'p' | b'q' | b'r' | 0x94 => {
                let id = match code {
                    b'p' => ascii(rest.line()?)?,
                    b'q' => rest.byte()?.into(),
                    b'r' => rest.number()?,
                    _ => u32::try_from(memo.ids.len()).map_err(|_| Refused::Broken)?,
                };
                memo.ids.insert(id);
            }
            // GET, BINGET, LONG_BINGET
            b'g' | b'h' | b'j' => {
                memo.is_shared = true;
                match code {
                    b'g' => rest.line().map(drop)?,
                    b'h' => rest.skip(1)?,
                    _ => rest.skip(4)?,
                }
            }
            // PROTO, BININT1
            0x80 | b'K' => rest.skip(1)?,
            // BININT2
            b'M' => rest.skip(2)?,
            // BININT
            b'J' => rest.skip(4)?,
            // BINFLOAT, FRAME
            b'G' | 0x95 => rest.skip(8)?,
            // LONG1, SHORT_BINBYTES, SHORT_BINSTRING, SHORT_BINUNICODE
            0x8a | b'C' | b'U' | 0x8c => rest.skip_counted(1)?,
            // LONG4, BINBYTES, BINSTRING, BINUNICODE
            0x8b | b'B' | b'T' | b'X' => rest.skip_counted(4)?,
            // BINBYTES8, BINUNICODE8, BYTEARRAY8
            0x8e | 0x8d | 0x96 => rest.skip_counted(8)?,
            // INT, LONG, FLOAT, STRING, UNICODE
            b'I' | b'L' | b'F' | b'S' | b'V' => rest.line().map(drop)?,
            // MARK, NONE, NEWTRUE, NEWFALSE, EMPTY_TUPLE
            b'(' | b'N' | 0x88 | 0x89 | b')' => {}
            // APPEND, APPENDS, SETITEM, SETITEMS, ADDITEMS
            b'a' | b'e' | b's' | b'u' | 0x90 => {}
            // EMPTY_LIST, LIST, EMPTY_DICT, DICT, TUPLE, TUPLE1 to TUPLE3, EMPTY_SET, FROZENSET, and
            // REDUCE, which can only make a set
            b']' | b'l' | b'}' | b'd' | b't' | 0x85..=0x87 | 0x8f | 0x91 | b'R' => {
                is_in_memo = false;
            }
            // GLOBAL
            b'c' => {
                let name = (rest.line()?, rest.line()?);
                if !SETS.contains(&name) {
                    return Err(Refused::Global);
                }
            }
            // STACK_GLOBAL, INST, OBJ, BUILD, NEWOBJ, NEWOBJ_EX, PERSID, BINPERSID, EXT1 to EXT4
            0x93 | b'i' | b'o' | b'b' | 0x81 | 0x92 | b'P' | b'Q' | 0x82..=0x84 => {
                return Err(Refused::Global);
            }
            _ => return Err(Refused::Broken),
        }
    }
}

/// Reads a number in decimal digits.
fn ascii(line: &[u8]) -> Result<u32, Refused> {
    let text = std::str::from_utf8(line).map_err(|_| Refused::Broken)?;
    text.parse().map_err(|_| Refused::Broken)
}

/// The part of a pickle that was not looked at.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Refused> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Refused::Broken)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Refused> {
        Ok(self.take(1)?[0])
    }

    fn skip(&mut self, count: usize) -> Result<(), Refused> {
        self.take(count).map(drop)
    }

    /// Skips a text whose length comes first, in this many bytes.
    fn skip_counted(&mut self, width: usize) -> Result<(), Refused> {
        let mut length = [0; 8];
        length[..width].copy_from_slice(self.take(width)?);
        let length = usize::try_from(u64::from_le_bytes(length)).map_err(|_| Refused::Broken)?;
        self.skip(length)
    }

    fn number(&mut self) -> Result<u32, Refused> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        Ok(u32::from_le_bytes(bytes))
    }

    fn line(&mut self) -> Result<&'a [u8], Refused> {
        let end = self.0.iter().position(|byte| *byte == b'\n');
        let line = self.take(end.ok_or(Refused::Broken)?)?;
        self.skip(1)?;
        Ok(line)
    }
}
