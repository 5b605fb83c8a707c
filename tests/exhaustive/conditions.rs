//! Each clause of each condition is needed. Each is removed from the requests on the wire in turn,
//! and each time a scenario fails that passes with it.
//!
//! The clauses are collected from the requests of the scenarios, so a new clause without a scenario
//! fails this test.

mod scenarios;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scenarios::{Scenario, Verdict};
use serde_json::Value;
use tree::Tree;

use crate::support::Setup;

/// A clause, or a group of them, in the condition of one kind of write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Clause {
    write: &'static str,
    text: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn condition_needs_each_of_its_clauses() {
    let scenarios = Arc::new(scenarios::all());
    // All scenarios pass, and these are the clauses that they send.
    let mut senders: BTreeMap<Clause, Vec<usize>> = BTreeMap::new();
    for (n, scenario) in scenarios.iter().enumerate() {
        let seen: Arc<Mutex<BTreeSet<Clause>>> = Arc::default();
        let sees = Arc::clone(&seen);
        let look = move |write: &'static str, condition: &str| {
            let parts = Tree::parse(condition).without_each();
            let clauses = parts.into_iter().map(|(text, _)| Clause::new(write, &text));
            sees.lock().unwrap().extend(clauses);
            None
        };
        if let Err(why) = run(scenario, look).await {
            panic!("{}: {why}", scenario.name);
        }
        for clause in seen.lock().unwrap().iter() {
            senders.entry(clause.clone()).or_default().push(n);
        }
    }
    assert!(senders.len() > 40, "{senders:?}");

    // Only a few run at a time: a failure must be due to the clause, and not to the load.
    let mut waiting = senders.into_iter();
    let mut checking = tokio::task::JoinSet::new();
    let mut useless = Vec::new();
    loop {
        while checking.len() < 4
            && let Some((clause, senders)) = waiting.next()
        {
            let scenarios = Arc::clone(&scenarios);
            checking.spawn(async move {
                for n in senders {
                    if breaks_without(&scenarios[n], &clause).await {
                        return None;
                    }
                }
                Some(clause)
            });
        }
        match checking.join_next().await {
            Some(checked) => useless.extend(checked.unwrap()),
            None => break,
        }
    }
    assert_eq!(useless, [], "nothing breaks without these");
}

/// Returns whether a scenario fails without this clause. It must pass with it.
async fn breaks_without(scenario: &Scenario, clause: &Clause) -> bool {
    let dropped = clause.clone();
    let drop = move |write, condition: &str| dropped.taken_out_of(write, condition);
    if run(scenario, drop).await.is_ok() {
        return false;
    }
    // The failure must be due to the clause, and not to the machine.
    if let Err(why) = run(scenario, |_, _| None).await {
        panic!("{}: {why}", scenario.name);
    }
    true
}

impl Clause {
    fn new(write: &'static str, text: &str) -> Self {
        Self {
            write,
            text: general(text),
        }
    }

    /// Returns a condition without this clause, if the condition has it.
    fn taken_out_of(&self, write: &'static str, condition: &str) -> Option<String> {
        let parts = Tree::parse(condition).without_each();
        let is_it = |(text, _): &(String, _)| Self::new(write, text) == *self;
        let (_, left) = parts.into_iter().find(is_it)?;
        Some(left.map_or_else(String::new, |left| left.text()))
    }
}

/// Removes the numbers of placeholders.
fn general(text: &str) -> String {
    let mut general = text.to_owned();
    for placeholder in ["#", ":o", ":l", ":h", "#g", ":g"] {
        for n in 0..10 {
            general = general.replace(&format!("{placeholder}{n}"), placeholder);
        }
    }
    general
}

/// Runs a scenario on a table of its own. If `edit` returns a condition, it replaces the one that
/// was sent.
async fn run(
    scenario: &Scenario,
    edit: impl Fn(&'static str, &str) -> Option<String> + Send + Sync + 'static,
) -> Verdict {
    let setup = Setup::new().await;
    setup.proxy.edit(move |operation, body| {
        for (write, request) in writes(operation, body) {
            let Some(condition) = request["ConditionExpression"].as_str() else {
                continue;
            };
            if let Some(edited) = edit(write, condition) {
                request["ConditionExpression"] = edited.into();
                tidy(request);
            }
        }
    });
    // Without a clause a write may be retried endlessly.
    let verdict = tokio::time::timeout(Duration::from_secs(10), scenario.run(&setup)).await;
    verdict.unwrap_or_else(|_| Err("it takes too long".to_owned()))
}

/// Returns the writes of a call, each with its kind.
fn writes<'a>(operation: &str, body: &'a mut Value) -> Vec<(&'static str, &'a mut Value)> {
    let update = body["UpdateExpression"].as_str().unwrap_or_default();
    let all_data = update.contains("#d=:d");
    match operation {
        "PutItem" if body["Item"]["data"].is_object() => vec![("create", body)],
        "PutItem" => vec![("leave a tombstone", body)],
        "DeleteItem" => vec![("delete", body)],
        "UpdateItem" if body["ReturnValues"] == "ALL_NEW" && !update.contains("version") => {
            vec![("load and touch", body)]
        }
        "UpdateItem" if !update.contains("version") => vec![("touch", body)],
        "UpdateItem" if !all_data => vec![("update", body)],
        // Only a clear has a fence. The other kind depends on the version.
        "UpdateItem" if body["ConditionExpression"].to_string().contains("fence") => {
            vec![("clear", body)]
        }
        "UpdateItem" => vec![("update whole", body)],
        "TransactWriteItems" => body["TransactItems"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .map(|write| match write {
                write if write["Delete"].is_object() => ("replace", &mut write["Delete"]),
                write if write["Put"]["Item"]["data"].is_object() => ("begin", &mut write["Put"]),
                write => ("end the cycled id", &mut write["Put"]),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Removes an empty condition and unused placeholders, which DynamoDB rejects.
fn tidy(request: &mut Value) {
    let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
    let used = format!(
        "{} {} ",
        text("UpdateExpression"),
        text("ConditionExpression")
    );
    let request = request.as_object_mut().unwrap();
    if request["ConditionExpression"] == "" {
        request.remove("ConditionExpression");
    }
    for placeholders in ["ExpressionAttributeNames", "ExpressionAttributeValues"] {
        let Some(Value::Object(all)) = request.get_mut(placeholders) else {
            continue;
        };
        all.retain(|placeholder, _| uses(&used, placeholder));
        if all.is_empty() {
            request.remove(placeholders);
        }
    }
}

fn uses(text: &str, placeholder: &str) -> bool {
    text.match_indices(placeholder).any(|(at, _)| {
        let after = text[at + placeholder.len()..].chars().next();
        !after.is_some_and(|next| next.is_ascii_alphanumeric())
    })
}
