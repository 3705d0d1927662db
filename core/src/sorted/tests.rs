use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{CHUNK_MAX, SortedMap, SortedSet, sort_by};

/// What is done to a map.
#[derive(Clone, Debug)]
enum Step {
    Insert(u16, u8),
    Add(u16, u8),
    Remove(u16),
    PopFirst,
    Retain(u16),
    SplitOff(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..1_500_u16;
    let step = prop_oneof![
        12 => (key.clone(), any::<u8>()).prop_map(|(key, value)| Step::Insert(key, value)),
        3 => (key.clone(), any::<u8>()).prop_map(|(key, value)| Step::Add(key, value)),
        4 => key.clone().prop_map(Step::Remove),
        1 => Just(Step::PopFirst),
        1 => (400..500_u16).prop_map(Step::Retain),
        1 => key.prop_map(Step::SplitOff),
    ];
    prop::collection::vec(step, 0..1_200)
}

fn taken(map: &mut SortedMap<u16, u8>, model: &mut BTreeMap<u16, u8>, step: &Step) {
    match *step {
        Step::Insert(key, value) => assert_eq!(map.insert(key, value), model.insert(key, value)),
        Step::Add(key, value) => {
            let (sum, expected) = (map.entry(key).or_default(), model.entry(key).or_default());
            *sum = sum.wrapping_add(value);
            *expected = expected.wrapping_add(value);
        }
        Step::Remove(key) => assert_eq!(map.remove(&key), model.remove(&key)),
        Step::PopFirst => assert_eq!(map.pop_first(), model.pop_first()),
        Step::Retain(part) => {
            map.retain(|key, _| key % part != 0);
            model.retain(|key, _| key % part != 0);
        }
        Step::SplitOff(from) => {
            let (mut rest, mut expected) = (map.split_off(&from), model.split_off(&from));
            assert!(map.iter().eq(model.iter()) && rest.iter().eq(expected.iter()));
            // Most is left, so that the map does not stay small.
            if rest.len() > map.len() {
                std::mem::swap(map, &mut rest);
                std::mem::swap(model, &mut expected);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_is_what_a_b_tree_is(
        ordered in 0..1_000_u16,
        steps in steps(),
        ranges in prop::collection::vec((0..1_500_u16, 0..1_500_u16), 1..20),
    ) {
        // What comes in order fills chunks to the brim, so that what comes between then splits them.
        let mut map: SortedMap<u16, u8> = (0..ordered).map(|key| (key, 0)).collect();
        let mut model: BTreeMap<u16, u8> = (0..ordered).map(|key| (key, 0)).collect();
        for step in &steps {
            taken(&mut map, &mut model, step);
        }
        prop_assert_eq!(map.len(), model.len());
        prop_assert!(map.iter().eq(model.iter()));
        prop_assert!(map.iter().rev().eq(model.iter().rev()));
        prop_assert_eq!(map.last_key_value(), model.last_key_value());
        for (one, other) in ranges {
            let (from, to) = (one.min(other), one.max(other));
            prop_assert_eq!(map.get(&one), model.get(&one));
            prop_assert!(map.range(from..to).eq(model.range(from..to)));
            prop_assert!(map.range(from..=to).rev().eq(model.range(from..=to).rev()));
            prop_assert!(map.range(from..).eq(model.range(from..)));
            prop_assert!(map.range(..to).eq(model.range(..to)));
        }
        prop_assert!(map.into_iter().eq(model));
    }

    #[test]
    fn it_is_sorted_as_a_stable_sort_does_it(mut list in prop::collection::vec((0..20_u8, any::<u8>()), 0..300)) {
        let mut expected = list.clone();
        expected.sort_by_key(|(key, _)| *key);
        sort_by(&mut list, |(one, _), (other, _)| one.cmp(other));
        prop_assert_eq!(list, expected);
    }
}

#[test]
fn a_chunk_that_is_full_is_split_where_something_comes_between() {
    let whole = u16::try_from(CHUNK_MAX).unwrap() * 2;
    let odd: SortedSet<u16> = (0..whole).map(|number| number * 2 + 1).collect();
    for between in (0..=whole).map(|number| number * 2) {
        let mut set = odd.clone();
        assert!(set.insert(between));
        assert!(!set.insert(between));
        let mut expected: Vec<u16> = odd.iter().copied().chain([between]).collect();
        expected.sort_unstable();
        assert!(set.iter().copied().eq(expected));
        assert!(set.remove(&between));
        assert_eq!(set, odd);
    }
}
