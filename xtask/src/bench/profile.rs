//! Whose instructions they are: the costs of a callgrind file by crate.
//!
//! 1. An instruction belongs to the crate of its source line, also where the line was inlined into
//!    a function of another crate.
//! 2. Lines of the standard library belong to the crate of the function that they were inlined into,
//!    or that a generic function was instantiated for.
//! 3. What is left of the standard library and of libc, such as `malloc`, belongs to its callers, in
//!    proportion to the costs of their calls.

use std::collections::{BTreeMap, HashMap};

const STANDARD: [&str; 6] = [
    "core",
    "alloc",
    "std",
    "hashbrown",
    "compiler_builtins",
    "compiler-builtins",
];
const LIBRARY: &str = "lambda_sessions";
/// The name of the measured program's own code.
pub(crate) const HANDLER: &str = "handler";
/// The name under which the costs in libc are known before they are distributed.
pub(crate) const IN_LIBC: &str = "(in libc)";
/// Costs move from a function to its callers as often. Recursion keeps a small rest.
const STEPS: usize = 64;

/// The instructions by crate.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Profile(BTreeMap<String, f64>);

impl Profile {
    /// Returns the instructions of each crate, and those in libc, which the others contain.
    pub(crate) fn crates(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, cost)| (name.as_str(), *cost))
    }

    pub(crate) fn without(mut self, other: &Self) -> Self {
        for (name, cost) in &other.0 {
            *self.0.entry(name.clone()).or_default() -= cost;
        }
        self
    }

    pub(crate) fn divided_by(mut self, number: usize) -> Self {
        for cost in self.0.values_mut() {
            *cost /= number as f64;
        }
        self
    }

    /// Adds up the costs of a file of callgrind.
    pub(crate) fn parse(out: &str) -> Self {
        let mut names = Names::default();
        let mut costs = Costs::default();
        let mut at = Place::default();
        let mut called = None;
        for line in out.lines() {
            if let Some((key, value)) = line.split_once('=') {
                match key {
                    "ob" => at.object = names.objects.resolve(value),
                    "fl" | "fi" | "fe" => at.file = names.files.resolve(value),
                    "fn" => at.function = names.functions.resolve(value),
                    "cob" => called.get_or_insert(at).object = names.objects.resolve(value),
                    "cfi" | "cfl" => called.get_or_insert(at).file = names.files.resolve(value),
                    "cfn" => called.get_or_insert(at).function = names.functions.resolve(value),
                    _ => {}
                }
            } else if line
                .starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first))
                && let Some(cost) = line.split(' ').nth(1).and_then(|cost| cost.parse().ok())
            {
                // After a call comes a line with the costs of the called function, which has lines of its own.
                match called.take() {
                    Some(called) => costs.call(at, called, cost),
                    None => costs.add(at, cost),
                }
            }
        }
        costs.distributed()
    }
}

/// The place of an instruction.
#[derive(Clone, Copy, Default)]
struct Place<'a> {
    object: &'a str,
    file: &'a str,
    function: &'a str,
}

/// A function without a crate, by its object and its name.
type Function<'a> = (&'a str, &'a str);

/// The owner of an instruction.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Owner<'a> {
    Crate(String),
    CallersOf(Function<'a>),
}

#[derive(Default)]
struct Costs<'a> {
    crates: BTreeMap<String, f64>,
    /// The costs of functions without a crate.
    undistributed: HashMap<Function<'a>, f64>,
    callers: HashMap<Function<'a>, HashMap<Owner<'a>, f64>>,
}

impl<'a> Costs<'a> {
    fn add(&mut self, at: Place<'a>, cost: f64) {
        if at.is_in_libc() {
            *self.crates.entry(IN_LIBC.to_owned()).or_default() += cost;
        }
        self.give(at.owner(), cost);
    }

    fn give(&mut self, owner: Owner<'a>, cost: f64) {
        match owner {
            Owner::Crate(name) => *self.crates.entry(name).or_default() += cost,
            Owner::CallersOf(function) => *self.undistributed.entry(function).or_default() += cost,
        }
    }

    fn call(&mut self, at: Place<'a>, called: Place<'a>, cost: f64) {
        let callers = self
            .callers
            .entry((called.object, called.function))
            .or_default();
        *callers.entry(at.owner()).or_default() += cost;
    }

    fn distributed(mut self) -> Profile {
        for _ in 0..STEPS {
            for (function, cost) in std::mem::take(&mut self.undistributed) {
                let callers = self.callers.get(&function).cloned().unwrap_or_default();
                let all: f64 = callers.values().sum();
                if all == 0.0 {
                    self.give(Owner::Crate("std".to_owned()), cost);
                }
                for (caller, share) in callers {
                    self.give(caller, cost * share / all);
                }
            }
        }
        let rest = self.undistributed.values().sum::<f64>();
        if rest > 0.0 {
            self.give(Owner::Crate("std".to_owned()), rest);
        }
        Profile(self.crates)
    }
}

impl<'a> Place<'a> {
    fn owner(self) -> Owner<'a> {
        let of_file = crate_of_file(self.file).filter(|name| !STANDARD.contains(&name.as_str()));
        let name = of_file.or_else(|| crate_of_function(self.function).map(str::to_owned));
        name.map_or(Owner::CallersOf((self.object, self.function)), Owner::Crate)
    }

    fn is_in_libc(self) -> bool {
        let name = self.object.rsplit('/').next().unwrap_or(self.object);
        name.starts_with("libc.") || name.starts_with("libc-")
    }
}

/// The names of a file, each of which is written once and then referred to by its number.
#[derive(Default)]
struct Names<'a> {
    objects: Table<'a>,
    files: Table<'a>,
    functions: Table<'a>,
}

#[derive(Default)]
struct Table<'a>(HashMap<&'a str, &'a str>);

impl<'a> Table<'a> {
    fn resolve(&mut self, value: &'a str) -> &'a str {
        let Some((number, name)) = value.split_once(')') else {
            return value;
        };
        match name.trim_start() {
            "" => self.0.get(number).copied().unwrap_or(""),
            name => {
                self.0.insert(number, name);
                name
            }
        }
    }
}

/// Returns the crate of a source file, in the way that Rust spells it.
fn crate_of_file(file: &str) -> Option<String> {
    let folders: Vec<&str> = file.split('/').collect();
    if let Some(at) = folders.iter().position(|folder| *folder == "registry") {
        let (name, _version) = folders.get(at + 3)?.rsplit_once('-')?;
        // A version such as `1.0.0-rc.1` has a dash, too.
        let name = name.split("-0.").next().unwrap_or(name);
        return Some(name.replace('-', "_"));
    }
    // Crates that the standard library contains, such as `hashbrown`.
    if let Some(path) = file.strip_prefix("/rust/deps/") {
        let (name, _version) = path.split('/').next()?.rsplit_once('-')?;
        return Some(name.replace('-', "_"));
    }
    // With the component rust-src, the standard library's code is in the folder of the toolchain.
    if file.starts_with("/rustc/") || folders.contains(&"rustlib") {
        let at = folders.iter().position(|folder| *folder == "library")?;
        return folders.get(at + 1).map(|name| (*name).to_owned());
    }
    if file.starts_with("src/") || folders.contains(&"benchmarks") {
        return Some(HANDLER.to_owned());
    }
    folders
        .contains(&"src")
        .then(|| LIBRARY.to_owned())
        .filter(|_| file.ends_with(".rs"))
}

/// Returns the first crate in the name of a function that is not the standard library.
pub(crate) fn crate_of_function(function: &str) -> Option<&str> {
    let ends = function.match_indices("::").map(|(at, _)| at);
    let mut paths = ends.filter_map(|end| {
        let before = &function[..end];
        let start = before
            .rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .map_or(0, |at| at + 1);
        let is_root = !before[..start].ends_with("::");
        let name = &before[start..];
        (is_root && name.starts_with(|c: char| c.is_ascii_lowercase())).then_some(name)
    });
    let name = paths.find(|name| !STANDARD.contains(name))?;
    Some(if name.starts_with("bench_") {
        HANDLER
    } else {
        name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUT: &str = "\
ob=(1) /x/ours
fl=(1) /home/a/.cargo/registry/src/index.crates.io-1/sha2-0.11.0/src/lib.rs
fn=(1) sha2::compress
3 10
fi=(2) /rustc/123/library/core/src/slice/mod.rs
+1 5
fe=(1)
cfi=(3) /x/src/id.rs
cfn=(2) lambda_sessions::id::hash
calls=2 7
* 1000
fl=(3)
fn=(2)
7 20
fl=(2)
fn=(3) <alloc::vec::Vec<hyper::Body> as core::ops::Drop>::drop
1 3
fn=(4) core::fmt::write
1 2
cob=(2) /lib/libc.so.6
cfi=(4) ???
cfn=(5) malloc
calls=1 0
1 7
fl=(3)
fn=(2)
cob=(2)
cfi=(4)
cfn=(5)
calls=3 0
8 21
ob=(2)
fl=(4)
fn=(5)
0 28

totals: 68
";

    #[test]
    fn profile_attributes_costs_to_crates() {
        let profile = Profile::parse(OUT);
        let crates: Vec<_> = profile.crates().collect();
        let expected = [
            (IN_LIBC, 28.0),
            ("hyper", 3.0),
            ("lambda_sessions", 20.0 + 21.0),
            ("sha2", 15.0),
            // `core::fmt::write` and its `malloc`: nobody calls it in this file.
            ("std", 2.0 + 7.0),
        ];
        assert_eq!(crates, expected);
    }

    #[test]
    fn profile_of_a_request_is_a_difference() {
        let long = Profile::parse("fn=(1) hyper::a\n1 50\nfn=(2) http::b\n1 8\n");
        let short = Profile::parse("fn=(1) hyper::a\n1 10\n");
        let request = long.without(&short).divided_by(4);
        assert_eq!(
            request.crates().collect::<Vec<_>>(),
            [("http", 2.0), ("hyper", 10.0)]
        );
    }

    #[test]
    fn crate_of_a_file_has_no_version() {
        let file = |name: &str| format!("/h/registry/src/index/{name}/src/lib.rs");
        assert_eq!(
            crate_of_file(&file("aws-smithy-http-0.63.0")).as_deref(),
            Some("aws_smithy_http")
        );
        assert_eq!(
            crate_of_file(&file("digest-0.11.0-rc.1")).as_deref(),
            Some("digest")
        );
        assert_eq!(
            crate_of_file("/rustc/1/library/alloc/src/vec.rs").as_deref(),
            Some("alloc")
        );
        let deps = "/rust/deps/hashbrown-0.16.1/src/raw.rs";
        assert_eq!(crate_of_file(deps).as_deref(), Some("hashbrown"));
        let toolchain = "/h/toolchains/stable/lib/rustlib/src/rust/library/core/src/fmt.rs";
        assert_eq!(crate_of_file(toolchain).as_deref(), Some("core"));
        assert_eq!(
            crate_of_file("/project/src/id.rs").as_deref(),
            Some(LIBRARY)
        );
        assert_eq!(crate_of_file("???"), None);
    }
}
