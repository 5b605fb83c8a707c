//! Whose instructions they are: the costs of a callgrind file by crate.
//!
//! 1. An instruction belongs to the crate of its source line, also where the line was inlined into
//!    a function of another crate.
//! 2. Lines of the standard library belong to the crate of the function that they were inlined into,
//!    or that a generic function was instantiated for.
//! 3. Functions without source lines belong to their library, such as `libc`.

use std::collections::{BTreeMap, HashMap};

const STANDARD: [&str; 4] = ["core", "alloc", "std", "hashbrown"];
const LIBRARY: &str = "lambda_sessions";

/// The instructions by crate.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Profile(BTreeMap<String, f64>);

impl Profile {
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
        let mut costs = Self::default();
        let (mut object, mut file, mut function) = ("", "", "");
        let mut is_call = false;
        for line in out.lines() {
            if let Some((key, value)) = line.split_once('=') {
                match key {
                    "ob" => object = names.objects.resolve(value),
                    "fl" | "fi" | "fe" => file = names.files.resolve(value),
                    "fn" => function = names.functions.resolve(value),
                    "cob" => drop(names.objects.resolve(value)),
                    "cfi" | "cfl" => drop(names.files.resolve(value)),
                    "cfn" => drop(names.functions.resolve(value)),
                    // The next line has the costs of the called function, which has lines of its own.
                    "calls" => is_call = true,
                    _ => {}
                }
            } else if line
                .starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first))
            {
                let cost = line
                    .split(' ')
                    .nth(1)
                    .and_then(|cost| cost.parse::<f64>().ok());
                if !std::mem::take(&mut is_call)
                    && let Some(cost) = cost
                {
                    *costs.0.entry(owner(object, file, function)).or_default() += cost;
                }
            }
        }
        costs
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

fn owner(object: &str, file: &str, function: &str) -> String {
    match crate_of_file(file) {
        Some(name) if !STANDARD.contains(&name.as_str()) => name,
        of_file => crate_of_function(function)
            .map(str::to_owned)
            .or_else(|| of_file.map(|_| "std".to_owned()))
            .unwrap_or_else(|| library(object)),
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
    if file.starts_with("/rustc/") {
        let at = folders.iter().position(|folder| *folder == "library")?;
        return folders.get(at + 1).map(|name| (*name).to_owned());
    }
    if let Some(at) = folders.iter().position(|folder| *folder == "benchmarks") {
        return folders.get(at + 1).map(|_| "handler".to_owned());
    }
    folders
        .contains(&"src")
        .then(|| LIBRARY.to_owned())
        .filter(|_| file.ends_with(".rs"))
}

/// Returns the first crate in the name of a function that is not the standard library.
fn crate_of_function(function: &str) -> Option<&str> {
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
    paths.find(|name| !STANDARD.contains(name))
}

fn library(object: &str) -> String {
    let name = object.rsplit('/').next().unwrap_or(object);
    let name = name.split(".so").next().unwrap_or(name);
    match name {
        "libc" | "libm" | "libgcc_s" => name.to_owned(),
        _ if name.starts_with("ld-") => "libc".to_owned(),
        _ => "unknown".to_owned(),
    }
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
ob=(2) /lib/libc.so.6
fl=(4) ???
fn=(5) malloc
0 7

totals: 47
";

    #[test]
    fn profile_attributes_costs_to_crates() {
        let profile = Profile::parse(OUT);
        let crates: Vec<_> = profile.crates().collect();
        let expected = [
            ("hyper", 3.0),
            ("lambda_sessions", 20.0),
            ("libc", 7.0),
            ("sha2", 15.0),
            ("std", 2.0),
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
        assert_eq!(crate_of_file("???"), None);
    }
}
