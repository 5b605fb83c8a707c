use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn for_that_long(time: Duration, deadline: Option<Instant>) -> RetryBudget {
    RetryBudget::new(time, deadline, Arc::default())
}

#[test]
fn after_a_fault_each_wait_is_twice_as_long_and_there_is_a_longest() {
    let mut budget = for_that_long(MS(3_000), None);
    let waits: Vec<_> = (0..7).map(|_| budget.longest_after_a_fault()).collect();
    assert_eq!(waits, [25, 50, 100, 200, 400, 800, 800].map(MS));
}

#[test]
fn after_a_race_every_other_try_waits_for_a_few_round_trips() {
    let mut budget = for_that_long(MS(3_000), None);
    budget.last_attempt = MS(5);
    let waits: Vec<_> = (0..8).map(|_| budget.longest_after_a_race()).collect();
    assert_eq!(waits, [0, 20, 0, 40, 0, 80, 0, 160].map(MS));
    for _ in 0..100 {
        budget.longest_after_a_race();
    }
    assert!(budget.longest_after_a_race() <= LONGEST_BACKOFF);
}

#[tokio::test]
async fn nothing_is_begun_that_would_not_end_in_time() {
    let mut budget = for_that_long(MS(60_000), None);
    budget.last_attempt = MS(1);
    assert!(budget.after_a_fault(ErrorKind::Throttled).await);
    // An attempt of 50 seconds: the next one is reckoned with one and a half of that.
    budget.last_attempt = MS(50_000);
    assert!(!budget.after_a_fault(ErrorKind::Throttled).await);
    budget.last_attempt = MS(30_000);
    assert!(budget.after_a_fault(ErrorKind::Throttled).await);
}

#[tokio::test]
async fn a_race_has_until_the_deadline_and_a_fault_has_not() {
    // No deadline: ten times as long as an operation.
    let mut budget = for_that_long(MS(1_000), None);
    budget.last_attempt = MS(4_000);
    assert!(!budget.after_a_fault(ErrorKind::Throttled).await);
    assert!(budget.after_a_race().await);
    budget.last_attempt = MS(7_000);
    assert!(!budget.after_a_race().await);

    let deadline = Instant::now() + MS(5_000);
    let mut budget = for_that_long(MS(60_000), Some(deadline));
    budget.last_attempt = MS(3_000);
    assert!(budget.after_a_race().await);
    assert!(budget.until <= deadline, "also of the operation after it");
    budget.last_attempt = MS(4_000);
    assert!(!budget.after_a_fault(ErrorKind::Throttled).await);
    assert!(!budget.after_a_race().await);
}

#[tokio::test]
async fn a_time_that_no_clock_can_tell_is_long() {
    let mut budget = for_that_long(Duration::MAX, None);
    assert!(budget.after_a_fault(ErrorKind::Throttled).await);
    assert!(budget.after_a_race().await);
}

#[tokio::test]
async fn after_a_read_a_refusal_is_the_last_word() {
    let error = || Error::new(ErrorKind::Unavailable, "");
    let mut budget = for_that_long(MS(60_000), None);
    assert!(budget.after_a_read(Fault::Again(error())).await.is_ok());
    assert!(budget.after_a_read(Fault::Ambiguous(error())).await.is_ok());
    let refused = budget.after_a_read(Fault::Refused(error())).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unavailable);

    // An attempt that was cut short says less than the one before it.
    for (left, told) in [(0, ErrorKind::Throttled), (60_000, ErrorKind::Timeout)] {
        let mut budget = for_that_long(MS(60_000), None);
        let throttled = Error::new(ErrorKind::Throttled, "");
        assert!(budget.after_a_read(Fault::Again(throttled)).await.is_ok());
        budget.until = Instant::now() + MS(left);
        budget.last_attempt = MS(60_000);
        let cut = Fault::Ambiguous(Error::new(ErrorKind::Timeout, ""));
        assert_eq!(budget.after_a_read(cut).await.unwrap_err().kind(), told);
    }
}

#[tokio::test]
async fn what_may_have_happened_stays_in_doubt() {
    let (throttled, lost) = (
        || Error::new(ErrorKind::Throttled, ""),
        || Error::new(ErrorKind::Unavailable, ""),
    );
    let mut budget = for_that_long(MS(60_000), None);
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
        "the first that made one ambiguity"
    );
}

/// They are random parts of the longest, so that those who collided do not collide again.
#[tokio::test(start_paused = true)]
async fn waits_are_random_and_no_longer_than_the_longest() {
    let budget = for_that_long(MS(60_000), None);
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

#[test]
fn an_attempt_that_was_cut_short_by_the_end_says_nothing_of_its_connection() {
    let second = Duration::from_secs(1);
    let (limit, later) = (Instant::now(), Instant::now() + second);
    assert!(had_its_time(second, second, limit, later), "it timed out");
    assert!(!had_its_time(second, second, limit, limit), "it was cut");
    assert!(had_its_time(second, second / 2, limit, limit), "it failed");
}

#[tokio::test]
async fn lost_races_cost_no_quota() {
    let quota = Arc::<Quota>::default();
    let mut budget = RetryBudget::new(MS(60_000), None, Arc::clone(&quota));
    for _ in 0..1_000 {
        assert!(budget.after_a_race().await);
    }
    for _ in 0..100 {
        assert_eq!(quota.pay_after(ErrorKind::Throttled), Some(5));
    }
    // And here is nothing left.
    assert!(!budget.after_a_fault(ErrorKind::Throttled).await);
    assert!(budget.after_a_fault(ErrorKind::Conflict).await);
}
