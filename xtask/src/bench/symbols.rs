//! Whose bytes a binary is made of: the sizes of its functions by crate.
//!
//! A function belongs to the first crate in its name that is not the standard library. A name that
//! has no path is that of C or assembly.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::bench::profile::crate_of_function;
use crate::workspace::output;

/// The name under which functions of the standard library are counted.
const STANDARD: &str = "std";
/// The name under which functions of C and assembly are counted. Nearly all are cryptography.
pub(crate) const C: &str = "C and assembly";

/// Returns the bytes of the functions in a binary with symbols, by crate.
pub(crate) fn code(binary: &Path) -> Result<BTreeMap<String, u64>> {
    let mut nm = Command::new("nm");
    nm.args(["--print-size", "--demangle", "--radix=d"])
        .arg(binary);
    let listed = output(&mut nm).context("nm is missing: install binutils")?;
    Ok(by_crate(&listed))
}

fn by_crate(listed: &str) -> BTreeMap<String, u64> {
    let mut sizes = BTreeMap::new();
    for line in listed.lines() {
        // The address, the size, the kind and the name. Data has other kinds.
        let mut columns = line.splitn(4, ' ').skip(1);
        if let (Some(size), Some("t" | "T" | "w" | "W"), Some(name)) =
            (columns.next(), columns.next(), columns.next())
            && let Ok(size) = size.parse::<u64>()
        {
            let owner = match name.contains("::") {
                true => crate_of_function(name).unwrap_or(STANDARD),
                false => C,
            };
            *sizes.entry(owner.to_owned()).or_default() += size;
        }
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_counted_by_crate() {
        let listed = "\
0000000000001000 0000000000000010 T hyper::body::poll
0000000000001010 0000000000000005 t core::ptr::drop_in_place<hyper::Body>
0000000000001020 0000000000000007 t aws_lc_0_47_0_aes
0000000000001030 0000000000000003 t core::fmt::write
0000000000002000 0000000000000900 r hyper::TABLE
                 U malloc
0000000000003000 t hyper::without_a_size
";
        let expected = [("hyper", 15), (C, 7), ("std", 3)];
        let expected = expected.map(|(name, size)| (name.to_owned(), size));
        assert_eq!(by_crate(listed), BTreeMap::from(expected));
    }
}
