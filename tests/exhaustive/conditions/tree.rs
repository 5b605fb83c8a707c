//! A DynamoDB condition as a tree, which can be written without one of its parts.

/// A condition or a part of one.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    All(Vec<Tree>),
    Any(Vec<Tree>),
    Clause(String),
}

impl Tree {
    pub(crate) fn parse(text: &str) -> Self {
        let text = without_parentheses(text.trim());
        let of = |parts: Vec<String>| parts.iter().map(|part| Self::parse(part)).collect();
        let alternatives = split(text, " OR ");
        if alternatives.len() > 1 {
            return Self::Any(of(alternatives));
        }
        let mut clauses: Vec<String> = Vec::new();
        for part in split(text, " AND ") {
            match clauses.last_mut() {
                // `x BETWEEN :low AND :high` is one clause.
                Some(last) if last.contains(" BETWEEN ") && !last.contains(" AND ") => {
                    *last = format!("{last} AND {part}");
                }
                _ => clauses.push(part),
            }
        }
        match clauses.len() {
            1 => Self::Clause(text.to_owned()),
            _ => Self::All(of(clauses)),
        }
    }

    pub(crate) fn text(&self) -> String {
        let join = |parts: &[Self], with: &str| {
            let parts: Vec<String> = parts.iter().map(Self::text).collect();
            match parts.as_slice() {
                [one] => one.clone(),
                _ => format!("({})", parts.join(with)),
            }
        };
        match self {
            Self::All(parts) => join(parts, " AND "),
            Self::Any(parts) => join(parts, " OR "),
            Self::Clause(text) => text.clone(),
        }
    }

    /// Returns every clause and every group of clauses, each with the rest of the condition. A
    /// condition of one clause has no rest.
    pub(crate) fn without_each(&self) -> Vec<(String, Option<Self>)> {
        let parts = match self {
            Self::Clause(text) => return vec![(text.clone(), None)],
            Self::All(parts) | Self::Any(parts) => parts,
        };
        let again = |parts: Vec<Self>| match self {
            Self::All(_) => Self::All(parts),
            _ => Self::Any(parts),
        };
        let mut all = Vec::new();
        for (n, part) in parts.iter().enumerate() {
            let mut others = parts.clone();
            others.remove(n);
            all.push((part.text(), Some(again(others))));
            if let Self::Clause(_) = part {
                continue;
            }
            for (dropped, left) in part.without_each() {
                let mut parts = parts.clone();
                parts[n] = left.expect("a group has more than one part");
                all.push((dropped, Some(again(parts))));
            }
        }
        all
    }
}

fn without_parentheses(text: &str) -> &str {
    let inner = text
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'));
    match inner {
        Some(inner) if depths(inner).all(|depth| depth >= 0) => without_parentheses(inner.trim()),
        _ => text,
    }
}

/// Splits a text where no parenthesis is open.
fn split(text: &str, at: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut rest = text;
    let mut depth = 0;
    while let Some(next) = rest.chars().next() {
        if depth == 0
            && let Some(after) = rest.strip_prefix(at)
        {
            parts.push(String::new());
            rest = after;
            continue;
        }
        depth += i32::from(next == '(') - i32::from(next == ')');
        parts.last_mut().expect("there is one").push(next);
        rest = &rest[next.len_utf8()..];
    }
    parts
}

fn depths(text: &str) -> impl Iterator<Item = i32> {
    text.chars().scan(0, |depth, next| {
        *depth += i32::from(next == '(') - i32::from(next == ')');
        Some(*depth)
    })
}

#[test]
fn condition_is_left_without_each_part() {
    let tree = Tree::parse("a(#x, :y) AND (b(#x) OR #x BETWEEN :l AND :h) AND #t > :n");
    let all: Vec<(String, String)> = tree
        .without_each()
        .into_iter()
        .map(|(dropped, left)| (dropped, left.unwrap().text()))
        .collect();
    let expected = [
        ("a(#x, :y)", "((b(#x) OR #x BETWEEN :l AND :h) AND #t > :n)"),
        ("(b(#x) OR #x BETWEEN :l AND :h)", "(a(#x, :y) AND #t > :n)"),
        ("b(#x)", "(a(#x, :y) AND #x BETWEEN :l AND :h AND #t > :n)"),
        ("#x BETWEEN :l AND :h", "(a(#x, :y) AND b(#x) AND #t > :n)"),
        ("#t > :n", "(a(#x, :y) AND (b(#x) OR #x BETWEEN :l AND :h))"),
    ];
    let expected = expected.map(|(dropped, left)| (dropped.to_owned(), left.to_owned()));
    assert_eq!(all, expected);
    assert!(Tree::parse("b(#x)").without_each()[0].1.is_none());
}
