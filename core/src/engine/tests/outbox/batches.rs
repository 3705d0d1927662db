//! How much goes at once.

use super::*;

fn sizes(fixture: &Fixture) -> Vec<usize> {
    fixture.script.pushed.borrow().iter().map(|upload| upload.operations.len()).collect()
}

#[test]
fn a_batch_is_bounded_by_bytes_and_what_is_larger_goes_alone() {
    run(async {
        let fixture = Fixture::new().await;
        fixture.script.terms.set(crate::ports::Terms { batch_bytes_max: 3_000, ..Default::default() });
        for length in [1_000, 900, 900, 5_000, 10] {
            create(&fixture.engine, "projects", json!({ "name": "x".repeat(length) })).await.unwrap();
        }
        for n in 0..5 {
            fixture.push(apply_all(900 + 10 * n));
        }
        fixture.empty_pull();
        assert_eq!(fixture.engine.pass_now().await.remaining, 0);
        assert_eq!(sizes(&fixture), [2, 1, 1, 1]);
    });
}

#[test]
fn a_remote_gets_batches_of_one_table_if_it_wants_them() {
    run(async {
        let fixture = Fixture::new().await;
        fixture.script.terms.set(crate::ports::Terms {
            one_table_per_batch: true,
            batch_max: 3,
            ..Default::default()
        });
        for n in 0..4 {
            create(&fixture.engine, "projects", json!({ "name": format!("{n}") })).await.unwrap();
            create(&fixture.engine, "assets", json!({ "name": format!("{n}") })).await.unwrap();
        }
        for n in 0..8 {
            fixture.push(apply_all(900 + 10 * n));
        }
        fixture.empty_pull();
        assert_eq!(fixture.engine.pass_now().await.remaining, 0);
        for upload in fixture.script.pushed.borrow().iter() {
            assert!(upload.operations.iter().all(|operation| operation.table == upload.operations[0].table));
        }
        assert_eq!(sizes(&fixture), [3, 3, 1, 1]);
    });
}

#[test]
fn what_is_too_large_is_halved_and_grows_again() {
    run(async {
        let fixture = Fixture::new().await;
        for n in 0..50 {
            create(&fixture.engine, "assets", json!({ "name": format!("{n}") })).await.unwrap();
        }
        for _ in 0..40 {
            fixture.push(|upload| {
                if upload.operations.len() > 10 {
                    return Err(refused(413, "body-too-large"));
                }
                apply_all(0)(upload)
            });
        }
        fixture.empty_pull();
        let report = fixture.engine.pass_now().await;
        assert_eq!((report.pushed, report.remaining, report.rejected), (50, 0, 0));
        assert_eq!(sizes(&fixture)[..6], [50, 25, 13, 7, 14, 7]);
    });
}
