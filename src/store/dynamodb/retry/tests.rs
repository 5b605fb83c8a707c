use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn budget_of(time: Duration, deadline: Option<Instant>) -> RetryBudget {
    RetryBudget::new(time, deadline, Arc::default())
}

#[test]
fn fault_doubles_the_wait_up_to_a_limit() {
    let mut budget = budget_of(MS(3_000), None);
    let waits: Vec<_> = (0..7).map(|_| budget.longest_after_a_fault()).collect();
    assert_eq!(waits, [25, 50, 100, 200, 400, 800, 800].map(MS));
}

#[test]
fn race_waits_from_the_second_loss_on() {
    let mut budget = budget_of(MS(3_000), None);
    budget.last_attempt = MS(5);
    let waits: Vec<_> = (0..9).map(|_| budget.longest_after_a_race()).collect();
    assert_eq!(waits, [0, 20, 40, 80, 160, 320, 640, 800, 800].map(MS));
    for _ in 0..100 {
        budget.longest_after_a_race();
    }
    assert!(budget.longest_after_a_race() <= LONGEST_BACKOFF);
}

#[tokio::test]
async fn attempt_does_not_start_if_it_would_be_late() {
    let mut budget = budget_of(MS(60_000), None);
    budget.last_attempt = MS(1);
    assert!(budget.after_a_fault(ErrorKind::Throttled).await);
    // An attempt of 50 seconds: the next one is expected to take one and a half times as long.
    budget.last_attempt = MS(50_000);
    assert!(!budget.after_a_fault(ErrorKind::Throttled).await);
    budget.last_attempt = MS(30_000);
    assert!(budget.after_a_fault(ErrorKind::Throttled).await);
}

#[tokio::test]
async fn race_has_until_the_deadline() {
    // No deadline: ten times as long as an operation.
    let mut budget = budget_of(MS(1_000), None);
    budget.last_attempt = MS(4_000);
    assert!(!budget.after_a_fault(ErrorKind::Throttled).await);
    assert!(budget.after_a_race().await);
    budget.last_attempt = MS(7_000);
    assert!(!budget.after_a_race().await);

    let deadline = Instant::now() + MS(5_000);
    let mut budget = budget_of(MS(60_000), Some(deadline));
    budget.last_attempt = MS(3_000);
    assert!(budget.after_a_race().await);
    assert!(budget.until <= deadline, "of the next operation too");
    budget.last_attempt = MS(4_000);
    assert!(!budget.after_a_fault(ErrorKind::Throttled).await);
    assert!(!budget.after_a_race().await);
}

#[tokio::test]
async fn time_beyond_the_clock_is_an_hour() {
    let mut budget = budget_of(Duration::MAX, None);
    assert!(budget.after_a_fault(ErrorKind::Throttled).await);
    assert!(budget.after_a_race().await);
}

#[tokio::test]
async fn read_reports_the_refusal() {
    let error = || Error::new(ErrorKind::Unavailable, "");
    let mut budget = budget_of(MS(60_000), None);
    assert!(budget.after_a_read(Fault::Again(error())).await.is_ok());
    assert!(budget.after_a_read(Fault::Ambiguous(error())).await.is_ok());
    let refused = budget.after_a_read(Fault::Refused(error())).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unavailable);

    // An attempt that was cut short says less than the one before it.
    for (left, kind) in [(0, ErrorKind::Throttled), (60_000, ErrorKind::Timeout)] {
        let mut budget = budget_of(MS(60_000), None);
        let throttled = Error::new(ErrorKind::Throttled, "");
        assert!(budget.after_a_read(Fault::Again(throttled)).await.is_ok());
        budget.until = Instant::now() + MS(left);
        budget.last_attempt = MS(60_000);
        let cut = Fault::Ambiguous(Error::new(ErrorKind::Timeout, ""));
        assert_eq!(budget.after_a_read(cut).await.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn ambiguity_outlasts_later_refusals() {
    let (throttled, lost) = (
        || Error::new(ErrorKind::Throttled, ""),
        || Error::new(ErrorKind::Unavailable, ""),
    );
    let mut budget = budget_of(MS(60_000), None);
    let mut ambiguity = Ambiguity::default();
    ambiguity
        .after(Fault::Again(throttled()), &mut budget)
        .await
        .unwrap();
    assert!(!ambiguity.is_there(), "it is known that nothing happened");
    assert_eq!(ambiguity.about(throttled()).kind(), ErrorKind::Throttled);
    ambiguity
        .after(Fault::Ambiguous(lost()), &mut budget)
        .await
        .unwrap();
    assert!(ambiguity.is_there());
    ambiguity
        .after(Fault::Again(throttled()), &mut budget)
        .await
        .unwrap();
    let ended = ambiguity
        .after(Fault::Refused(throttled()), &mut budget)
        .await;
    let error = ended.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    let cause = std::error::Error::source(&error).unwrap();
    let cause = cause.downcast_ref::<Error>().unwrap();
    assert_eq!(
        cause.kind(),
        ErrorKind::Unavailable,
        "the first ambiguous one"
    );
}

/// A wait is a random part of the longest, so that requests that collided do not collide again.
#[tokio::test(start_paused = true)]
async fn wait_is_random_and_limited() {
    let budget = budget_of(MS(60_000), None);
    let mut waits = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let before = tokio::time::Instant::now();
        assert!(budget.wait(MS(800), budget.until).await);
        let waited = before.elapsed();
        assert!(waited <= MS(801), "{waited:?}");
        waits.insert(waited);
    }
    assert!(waits.len() > 25, "{waits:?}");
    assert!(waits.last().unwrap() > &MS(400) && waits.first().unwrap() < &MS(400));
    let before = tokio::time::Instant::now();
    assert!(budget.wait(MS(0), budget.until).await);
    assert!(before.elapsed().is_zero());
}

#[tokio::test]
async fn race_costs_no_quota() {
    let quota = Arc::<Quota>::default();
    let mut budget = RetryBudget::new(MS(60_000), None, Arc::clone(&quota));
    for _ in 0..1_000 {
        assert!(budget.after_a_race().await);
    }
    for _ in 0..100 {
        assert_eq!(quota.pay_after(ErrorKind::Throttled), Some(5));
    }
    // Nothing is left.
    assert!(!budget.after_a_fault(ErrorKind::Throttled).await);
    assert!(budget.after_a_fault(ErrorKind::Conflict).await);
}
