use super::*;
use crate::engine::Failure;

const NOTHING: Backlog = Backlog { unsent: false, pause_ms: None, held: false };
const SOME: Backlog = Backlog { unsent: true, ..NOTHING };
const IDLE: Outlook = Outlook { backlog: NOTHING, ready: false, next_in_ms: None };
const READY: Outlook = Outlook { backlog: SOME, ready: true, next_in_ms: None };

fn paused(ms: u64) -> Outlook {
    Outlook { backlog: Backlog { pause_ms: Some(ms), ..SOME }, ..READY }
}

fn pushed(pushed: usize) -> Report {
    Report { pushed, ..Report::default() }
}

fn begun_at(schedule: &mut Schedule, backlog: Backlog, now_ms: u64) -> Option<Task> {
    schedule.poll(backlog, true, now_ms)
}

#[test]
fn a_burst_of_writes_is_one_pass_soon_after_the_first() {
    let mut schedule = Schedule::default();
    for now in [100, 110, 120] {
        schedule.handle_occasion(Occasion::WroteHere, SOME, now, 0);
    }
    assert_eq!(schedule.poll_timeout(), Some(130));
    assert_eq!(begun_at(&mut schedule, SOME, 129), None);
    assert_eq!(begun_at(&mut schedule, SOME, 130), Some(Task::Pass));
    assert_eq!(begun_at(&mut schedule, SOME, 500), None, "one at a time");
}

#[test]
fn a_write_in_backoff_changes_nothing() {
    let mut schedule = Schedule::default();
    let paused = paused(9_000);
    schedule.handle_pass_ended(Some(&Report::default()), paused, false, 0, 0);
    schedule.handle_occasion(Occasion::WroteHere, paused.backlog, 10, 0);
    assert_eq!(schedule.poll_timeout(), Some(9_000));
    schedule.handle_occasion(Occasion::NetworkReturned, paused.backlog, 20, 0);
    assert_eq!(schedule.poll_timeout(), Some(20));
}

#[test]
fn without_a_network_nothing_begins_until_it_returns() {
    let mut schedule = Schedule::default();
    schedule.handle_occasion(Occasion::Opened, SOME, 0, 0);
    assert_eq!(schedule.poll(SOME, false, 0), None);
    assert_eq!(schedule.poll_timeout(), None);
    schedule.handle_occasion(Occasion::NetworkReturned, SOME, 7_000, 0);
    assert_eq!(schedule.poll(SOME, true, 7_000), Some(Task::Pass));
}

#[test]
fn what_another_context_wrote_is_sent_here_if_it_is_still_unsent() {
    let mut schedule = Schedule::default();
    schedule.handle_occasion(Occasion::WroteElsewhere, SOME, 0, 500);
    assert_eq!(schedule.poll_timeout(), Some(3_500));
    assert_eq!(schedule.clone().poll(NOTHING, true, 3_500), None);
    assert_eq!(schedule.poll(SOME, true, 3_500), Some(Task::Pass));
    // The lease was taken all the same.
    schedule.handle_pass_ended(None, READY, false, 3_600, 0);
    assert_eq!(schedule.poll_timeout(), Some(6_600));
}

#[test]
fn after_a_pass_the_next_is_when_it_may_do_more() {
    let after = |report: &Report, outlook| {
        let mut schedule = Schedule::default();
        schedule.handle_pass_ended(Some(report), outlook, false, 0, 0);
        schedule.poll_timeout()
    };
    assert_eq!(after(&pushed(3), IDLE), None);
    assert_eq!(after(&pushed(3), READY), Some(WRITE_PAUSE_MS));
    assert_eq!(after(&pushed(0), READY), Some(RETRY_MS_MIN));
    let failed = Report { error: Some(Failure { code: "x".into(), message: "x".into() }), ..pushed(0) };
    assert_eq!(after(&failed, READY), None);
    assert_eq!(after(&failed, paused(10)), Some(RETRY_MS_MIN));
    assert_eq!(after(&failed, paused(u64::MAX)), Some(WAIT_MS_MAX));
    assert_eq!(
        after(&pushed(1), Outlook { next_in_ms: Some(4_000), ready: false, ..paused(5_000) }),
        Some(4_000)
    );
    assert_eq!(after(&pushed(0), Outlook { backlog: Backlog { held: true, ..SOME }, ..READY }), None);
}

#[test]
fn a_page_that_is_looked_at_asks_now_and_then() {
    let mut schedule = Schedule::default();
    schedule.handle_pass_ended(Some(&pushed(0)), IDLE, true, 1_000, 0);
    assert_eq!(schedule.poll_timeout(), Some(61_000));
}

#[test]
fn compactions_come_one_at_a_time_and_again_after_a_failure() {
    let mut schedule = Schedule::default();
    schedule.handle_long_log(0, 100);
    schedule.handle_long_log(50, 0);
    assert_eq!(schedule.poll_timeout(), Some(400));
    assert_eq!(begun_at(&mut schedule, NOTHING, 400), Some(Task::Compaction));
    schedule.handle_long_log(500, 0);
    assert_eq!(schedule.poll_timeout(), None);
    schedule.handle_compacted(false, 600);
    assert_eq!(schedule.poll_timeout(), Some(30_600));
}

#[test]
fn a_compaction_waits_until_the_app_is_silent_but_not_for_ever() {
    let mut schedule = Schedule::default();
    // Nobody wants one.
    schedule.handle_use(0);
    assert_eq!(schedule.poll_timeout(), None);
    schedule.handle_long_log(0, 100);
    schedule.handle_use(100);
    assert_eq!(schedule.poll_timeout(), Some(900));
    assert_eq!(begun_at(&mut schedule, NOTHING, 400), None);
    for now_ms in (900..9_800).step_by(700) {
        schedule.handle_use(now_ms);
        assert_eq!(begun_at(&mut schedule, NOTHING, now_ms), None, "{now_ms}");
    }
    schedule.handle_use(9_999);
    assert_eq!(begun_at(&mut schedule, NOTHING, 10_000), Some(Task::Compaction));
}

#[test]
fn a_delivery_ends_when_there_is_nothing_to_send_or_no_use_in_trying() {
    let next = |report: Option<&Report>, outlook| Delivery::default().handle_pass_ended(report, outlook);
    assert_eq!(next(Some(&pushed(2)), IDLE), Step::End);
    assert_eq!(next(Some(&pushed(2)), READY), Step::PassIn(0));
    assert_eq!(next(Some(&pushed(0)), READY), Step::End);
    assert_eq!(next(Some(&pushed(0)), Outlook { next_in_ms: Some(700), ..IDLE }), Step::PassIn(700));
    assert_eq!(next(Some(&pushed(0)), Outlook { next_in_ms: Some(70_000), ..IDLE }), Step::End);
    let mut delivery = Delivery::default();
    for _ in 1..TRIES_OF_A_BUSY_LEASE {
        assert_eq!(delivery.handle_pass_ended(None, READY), Step::PassIn(250));
    }
    assert_eq!(delivery.handle_pass_ended(None, READY), Step::End);
    assert_eq!(next(None, IDLE), Step::End);
}

const TRIES_OF_A_BUSY_LEASE: u32 = 20;
