//! Both stores pass the public suites, and the suites can fail.

mod broken;
mod flawed;

use std::panic::{AssertUnwindSafe, catch_unwind};

use lambda_sessions::MemoryStore;
use lambda_sessions::store::conformance;

use crate::stores::broken::{Broken, DEFECTS, Defect};
use crate::stores::flawed::{FLAWS, Flaw, Flawed};
use crate::support::Table;

#[tokio::test]
async fn memory_store_conforms() {
    conformance::run_versioned(&MemoryStore::new()).await;
    conformance::run(&MemoryStore::new()).await;
}

#[tokio::test]
async fn dynamodb_store_conforms() {
    conformance::run(&Table::with_users().await.store()).await;
    let stale = Table::with_users().await.store();
    conformance::run(&stale.eventually_consistent(true)).await;
}

#[test]
fn session_store_suite_detects_each_defect() {
    let passes = |defect: &&Defect| {
        let store = Broken(MemoryStore::new(), **defect);
        !fails(async move { conformance::run(&store).await })
    };
    let undetected: Vec<&Defect> = DEFECTS.iter().filter(passes).collect();
    assert!(undetected.is_empty(), "{undetected:?}");
}

#[test]
fn versioned_store_suite_detects_each_flaw() {
    let passes = |flaw: &&Flaw| {
        let store = Flawed::with(**flaw);
        !fails(async move { conformance::run_versioned(&store).await })
    };
    let undetected: Vec<&Flaw> = FLAWS.iter().filter(passes).collect();
    assert!(undetected.is_empty(), "{undetected:?}");
    assert!(passes(&&Flaw::None), "the store without a flaw passes");
}

/// Returns whether a suite panics.
fn fails(suite: impl Future<Output = ()>) -> bool {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(suite);
    };
    catch_unwind(AssertUnwindSafe(run)).is_err()
}
