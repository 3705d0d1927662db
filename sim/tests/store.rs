//! The simulated server's store keeps the store port's contract. That only one transaction is open at a time, it does not: that is
//! what it is for.

use landfall_server::store::{contract, contract_conflicts};
use landfall_sim::{
    dice::Dice,
    executor::Time,
    faults::{Rates, Weather},
    world::store::SimStore,
};

fn store() -> SimStore {
    SimStore::new(Dice::new(1), Weather::new(&Rates::new()), Time::default())
}

macro_rules! contract {
    ($suite:ident: $($test:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $test() {
            $suite::$test(store()).await;
        })*
    };
}

contract![contract:
    begins_empty,
    what_is_committed_is_there_whole,
    what_is_dropped_never_was,
    a_savepoint_takes_back_what_came_after_it,
    numbers_are_never_given_twice,
    finds_by_temporary_id_of_that_principal,
    finds_living_records_by_field,
    values_come_back_exactly,
    changes_are_in_order_and_in_pages,
    changes_from_a_time,
    tenants_do_not_meet,
    a_snapshot_reads_one_state,
    a_purge_forgets_what_is_old,
];

contract![contract_conflicts:
    conflicts_come_back_exactly,
    conflicts_are_taken_back_with_the_rest,
    conflicts_are_found_in_order_and_in_pages,
];

/// The one thing that it does otherwise: a place that is given early may be committed late, and until then nobody sees past it.
#[tokio::test]
async fn nobody_sees_past_a_transaction_that_may_still_commit() {
    use landfall_server::decisions::port::{Store, Transaction};

    let store = store();
    let (mut early, mut late) = (store.begin().await.unwrap(), store.begin().await.unwrap());
    assert_eq!((early.next_seq().await.unwrap(), late.next_seq().await.unwrap()), (1, 2));
    late.commit().await.unwrap();
    assert_eq!(store.position().await.unwrap().last_seq, 0);
    early.commit().await.unwrap();
    assert_eq!(store.position().await.unwrap().last_seq, 2);
}
