//! The structure of the source code: imports go one way, and files stay small.
//!
//! A file imports from the file that defines a name. If that makes a circle, two files have one job
//! between them, and a reader has to understand both at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The parts of the library, the lowest first. A part imports only from itself and from the parts
/// above it in this list.
const PARTS: [&str; 18] = [
    "error", "env", "clock", "id", "key", "expiry", "on_error", "wire", "store", "session",
    "config", "attached", "pipeline", "service", "events", "layer", "request", "extract",
];

/// The number of lines above which a file says in its header why it is long.
const MOST_LINES: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Returns the source files by the path of their module, without the unit tests.
fn modules() -> BTreeMap<String, String> {
    let mut modules = BTreeMap::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let relative = path.strip_prefix(root()).unwrap().with_extension("");
            let parts: Vec<_> = relative.iter().map(|part| part.to_str().unwrap()).collect();
            if parts == ["lib"] || parts.iter().any(|part| part.contains("tests")) {
                continue;
            }
            modules.insert(parts.join("::"), fs::read_to_string(&path).unwrap());
        }
    }
    modules
}

/// Returns the code of a file without comments, without its unit tests, and without imports for the
/// documentation.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let mut code = String::new();
    let mut skipped = false;
    for line in text.lines() {
        let line = line.split("//").next().unwrap();
        match line.trim() {
            "#[cfg(doc)]" | "#[cfg(test)]" => skipped = true,
            _ if skipped => skipped = !line.trim_end().ends_with(';'),
            _ => {
                code.push_str(line);
                code.push('\n');
            }
        }
    }
    code
}

/// Returns the paths after `crate::` in the code, with groups expanded one level at a time.
fn paths(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|before: char| before == '_' || before.is_alphanumeric()) {
            continue;
        }
        expand("", &code[at + "crate::".len()..], &mut paths);
    }
    paths
}

/// Adds the paths that begin with `prefix` and go on as `rest` says. Returns what follows them.
fn expand<'a>(prefix: &str, rest: &'a str, paths: &mut Vec<String>) -> &'a str {
    let rest = rest.trim_start();
    if let Some(mut group) = rest.strip_prefix('{') {
        loop {
            group = expand(prefix, group, paths).trim_start();
            match group.strip_prefix(',') {
                Some(next) => group = next,
                None => return group.strip_prefix('}').unwrap_or(group),
            }
        }
    }
    let end = rest
        .find(|c: char| c != '_' && !c.is_alphanumeric())
        .unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    let path = match (prefix, name) {
        ("", name) => name.to_owned(),
        (prefix, "self" | "") => prefix.to_owned(),
        (prefix, name) => format!("{prefix}::{name}"),
    };
    if let Some(next) = after.strip_prefix("::") {
        return expand(&path, next, paths);
    }
    paths.push(path);
    match after.trim_start().strip_prefix("as ") {
        Some(renamed) => renamed.trim_start_matches(|c: char| c == '_' || c.is_alphanumeric()),
        None => after,
    }
}

/// Returns the module that defines a path: the longest part of the path that is a file.
fn module_of<'a>(modules: &'a BTreeMap<String, String>, path: &str) -> Option<&'a str> {
    let mut path = path;
    loop {
        if let Some((module, _)) = modules.get_key_value(path) {
            return Some(module);
        }
        path = path.rsplit_once("::")?.0;
    }
}

/// Returns the modules that each module imports. A hub also imports the modules that it declares.
fn imports(modules: &BTreeMap<String, String>) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (module, text) in modules {
        let all = paths(&code(text));
        let imported = all.iter().filter_map(|path| module_of(modules, path));
        let children = modules
            .keys()
            .filter(|other| {
                other
                    .rsplit_once("::")
                    .is_some_and(|(hub, _)| hub == module)
            })
            .map(String::as_str);
        let of_module: BTreeSet<_> = imported.chain(children).filter(|it| it != module).collect();
        imports.insert(module, of_module);
    }
    imports
}

fn part(module: &str) -> Option<usize> {
    let is_in = |part: &&str| {
        module
            .strip_prefix(*part)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    // The longest name counts.
    let (at, _) = PARTS
        .iter()
        .enumerate()
        .filter(|(_, part)| is_in(part))
        .max_by_key(|(_, part)| part.len())?;
    Some(at)
}

#[test]
fn imports_form_no_circle() {
    let modules = modules();
    let mut left = imports(&modules);
    // A module whose imports are all gone is removed, until none is left.
    while let Some(lowest) = left
        .iter()
        .find(|(_, imported)| imported.iter().all(|other| !left.contains_key(other)))
        .map(|(module, _)| *module)
    {
        left.remove(lowest);
    }
    // What only leads to a circle is not part of one.
    loop {
        let imported: BTreeSet<&str> = left.values().flatten().copied().collect();
        let before = left.len();
        left.retain(|module, _| imported.contains(module));
        if left.len() == before {
            break;
        }
    }
    let circle: Vec<_> = left
        .iter()
        .map(|(module, imported)| {
            let others = imported.iter().filter(|other| left.contains_key(*other));
            format!("{module} -> {:?}", others.collect::<Vec<_>>())
        })
        .collect();
    assert!(
        circle.is_empty(),
        "these files import each other:\n{}",
        circle.join("\n")
    );
}

#[test]
fn imports_follow_the_order_of_the_parts() {
    let modules = modules();
    for (module, imported) in imports(&modules) {
        let own = part(module).unwrap_or_else(|| panic!("{module} is in no part"));
        for other in imported {
            let theirs = part(other).unwrap_or_else(|| panic!("{other} is in no part"));
            assert!(theirs <= own, "{module} imports {other}, which is above it");
        }
    }
}

#[test]
fn imports_are_found_in_every_form() {
    let found = paths(
        "use crate::a::{self, b::C, d::{E, F as G}};\nlet x = crate::h::i(); my_crate::not_this;",
    );
    assert_eq!(found, ["a", "a::b::C", "a::d::E", "a::d::F", "h::i"]);
    assert_eq!(
        code("a; // crate::b\n#[cfg(doc)]\nuse crate::c;\nd;\n"),
        "a; \nd;\n"
    );
}

#[test]
fn long_files_say_why_they_are_long() {
    let mut folders: Vec<PathBuf> = ["src", "tests", "tower", "examples", "xtask", "fuzz"]
        .map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
        .into();
    // The published package holds the first two only.
    folders.retain(|folder| folder.exists());
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                seen += 1;
                let text = fs::read_to_string(&path).unwrap();
                let header = text.lines().take_while(|line| line.starts_with("//!"));
                let header: String = header.collect();
                let says_why = header.contains("long") && header.contains("because");
                assert!(
                    text.lines().count() <= MOST_LINES || says_why,
                    "{} has over {MOST_LINES} lines, and its header does not say why",
                    path.display()
                );
            }
        }
    }
    assert!(seen > 100, "{seen} files");
}
