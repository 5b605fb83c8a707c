//! The links of the documents lead to files and headings that exist, and the tests that they name
//! exist.

use std::path::{Path, PathBuf};

/// Returns all documents: those of the root, those under `docs`, and the READMEs of other crates.
fn documents(root: &Path) -> Vec<PathBuf> {
    let at_root = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "tower/README.md",
    ];
    let at_root = at_root.map(|name| root.join(name));
    let folder = std::fs::read_dir(root.join("docs")).unwrap();
    let pages = folder.map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|it| it == "md"));
    at_root.into_iter().chain(pages).collect()
}

/// Returns the texts and targets of a document's links.
fn links(text: &str) -> Vec<(&str, &str)> {
    let inline = text.match_indices("](").map(|(at, _)| {
        let label = &text[text[..at].rfind('[').unwrap() + 1..at];
        let target = &text[at + 2..];
        (label, &target[..target.find(')').unwrap()])
    });
    let references = text.lines().filter_map(|line| {
        let (label, target) = line.strip_prefix('[')?.split_once("]: ")?;
        Some((label, target))
    });
    inline.chain(references).collect()
}

#[test]
fn documents_link_to_files_and_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The published package does not contain the examples, to which documents link.
    if !root.join("examples").exists() {
        return;
    }
    let (mut files, mut tests) = (0, 0);
    for document in documents(root) {
        let text = std::fs::read_to_string(&document).unwrap();
        for (label, target) in links(&text) {
            let (target, fragment) = target.split_once('#').unwrap_or((target, ""));
            if target.starts_with("http") {
                continue;
            }
            let place = match target {
                "" => document.clone(),
                _ => document.parent().unwrap().join(target),
            };
            assert!(place.exists(), "{}: {target}", document.display());
            files += 1;
            let content = std::fs::read_to_string(&place).unwrap_or_default();
            if let Some(name) = label.strip_prefix('`').and_then(|l| l.strip_suffix('`'))
                && target.ends_with(".rs")
                && !name.contains(['/', '.'])
                && !target.starts_with("examples")
            {
                let is_there = content.contains(&format!("fn {name}("));
                assert!(is_there, "{}: {name} in {target}", document.display());
                tests += 1;
            }
            if !fragment.is_empty() {
                let heading = |line: &str| line.trim_start_matches('#').trim().to_lowercase();
                let headings = content.lines().filter(|line| line.starts_with('#'));
                let is_there = headings
                    .map(heading)
                    .any(|h| h.replace(' ', "-") == fragment);
                assert!(is_there, "{}: {target}#{fragment}", document.display());
            }
        }
    }
    assert!(files > 20 && tests > 15, "{files} files, {tests} tests");
}
