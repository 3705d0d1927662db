//! What a table and its queries mean, said as plainly as can be: a vector, filtered and sorted at every question.
//! The oracle of this folder's tests and of [`crate::live`]'s. It shares no ordering with the code under test.

use std::cmp::Ordering;

use proptest::{collection::vec, option, prelude::*, sample::select, test_runner::RngSeed};
use serde_json::{Map, Value, json};

use super::{Order, Query, Range};
use crate::body::{Scalar, SyncStatus};
use crate::log::entry::{Id, Record};

/// The indexes of every generated table.
pub(crate) fn indexes() -> Vec<Vec<String>> {
    vec![vec!["a".into()], vec!["b".into(), "c".into()]]
}

/// One change to a table.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Put(Id, Record<Value>),
    Remove(Id),
}

impl Step {
    pub(crate) fn id(&self) -> &Id {
        match self {
            Self::Put(id, _) | Self::Remove(id) => id,
        }
    }
}

/// The seed is fixed so that a run is the same everywhere, and a failure prints the case that it shrank to.
/// `PROPTEST_RNG_SEED=7 PROPTEST_CASES=20000 cargo test -p landfall-core` looks further.
pub(crate) fn config() -> ProptestConfig {
    let from_environment = ProptestConfig::default();
    let rng_seed = match from_environment.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        fixed @ RngSeed::Fixed(_) => fixed,
    };
    ProptestConfig { rng_seed, failure_persistence: None, ..from_environment }
}

fn id() -> impl Strategy<Value = Id> {
    // Few, so that puts meet; of different lengths, and one is a prefix of another.
    select(["1", "10", "2", "temp_1", "temp_2", "é"].map(Id::from).to_vec())
}

fn field() -> impl Strategy<Value = Option<Value>> {
    let values =
        [json!(null), json!(false), json!(true), json!(-1), json!(0), json!(2.5), json!(""), json!("x")];
    let more = [json!("x\0"), json!("xy"), json!("y"), json!([]), json!({ "x": 1 })];
    option::of(select([values.as_slice(), &more].concat()))
}

fn record() -> impl Strategy<Value = Record<Value>> {
    (field(), field(), field(), prop::bool::weighted(0.2)).prop_map(|(a, b, c, deleted)| {
        let fields = [("a", a), ("b", b), ("c", c)];
        let data: Map<String, Value> =
            fields.into_iter().filter_map(|(name, value)| Some((name.into(), value?))).collect();
        let (version, server_updated_at, local_updated_at, sync_id) = (None, None, None, None);
        let (data, status) = (Value::Object(data), SyncStatus::Synced);
        Record { data, version, server_updated_at, local_updated_at, sync_id, status, deleted }
    })
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (id(), record()).prop_map(|(id, record)| Step::Put(id, record)),
        1 => id().prop_map(Step::Remove),
    ]
}

/// Rows to load at once, in any order, the same id twice at times.
pub(crate) fn records() -> impl Strategy<Value = Vec<(Id, Record<Value>)>> {
    vec((id(), record()), 0..6)
}

fn scalar() -> impl Strategy<Value = Scalar> {
    let text = |text: &str| Scalar::String(text.into());
    let plain = [
        Scalar::Null,
        Scalar::Boolean(true),
        Scalar::Number(-1.0),
        Scalar::Number(-0.0),
        Scalar::Number(2.5),
    ];
    select([plain.as_slice(), &[text(""), text("x"), text("x\0"), text("y")]].concat())
}

fn range(parts: usize) -> impl Strategy<Value = Range> {
    let bound = move || option::of((any::<bool>(), vec(scalar(), 1..=parts)));
    (bound(), bound()).prop_map(|(lower, upper)| {
        let mut range = Range::default();
        match lower {
            Some((true, key)) => range.gte = Some(key),
            Some((false, key)) => range.gt = Some(key),
            None => {}
        }
        match upper {
            Some((true, key)) => range.lte = Some(key),
            Some((false, key)) => range.lt = Some(key),
            None => {}
        }
        range
    })
}

/// A query that is valid for [`indexes`].
pub(crate) fn query() -> impl Strategy<Value = Query> {
    let whole = Just(Query::default()).boxed();
    let over = |fields: Vec<String>| {
        let (parts, index) = (fields.len(), Some(fields));
        let equals = {
            let index = index.clone();
            vec(scalar(), 1..=parts).prop_map(move |key| Query {
                index: index.clone(),
                equals: Some(key),
                ..Query::default()
            })
        };
        let between =
            range(parts).prop_map(move |range| Query { index: index.clone(), range, ..Query::default() });
        prop_oneof![equals, between].boxed()
    };
    let [single, compound] = [over(indexes()[0].clone()), over(indexes()[1].clone())];
    let window = (any::<bool>(), prop_oneof![3 => Just(0), 1 => 0..4_usize], option::of(0..4_usize));
    (prop_oneof![1 => whole, 2 => single, 2 => compound], window).prop_map(
        |(query, (down, offset, limit))| {
            let order = if down { Order::Descending } else { Order::Ascending };
            Query { order, offset, limit, ..query }
        },
    )
}

/// The records in the order in which they were first put, each with the number of its latest put.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) rows: Vec<(Id, Record<Value>, usize)>,
    puts: usize,
}

impl Model {
    pub(crate) fn get(&self, id: &str) -> Option<&Record<Value>> {
        self.rows.iter().find(|(held, ..)| &**held == id).map(|(_, record, _)| record)
    }

    pub(crate) fn apply(&mut self, step: &Step) {
        match step {
            Step::Put(id, record) => self.put(id, record),
            Step::Remove(id) => self.rows.retain(|(held, ..)| held != id),
        }
    }

    pub(crate) fn extend(&mut self, records: &[(Id, Record<Value>)]) {
        for (id, record) in records {
            self.put(id, record);
        }
    }

    fn put(&mut self, id: &Id, record: &Record<Value>) {
        self.puts += 1;
        let row = (id.clone(), record.clone(), self.puts);
        match self.rows.iter_mut().find(|(held, ..)| held == id) {
            Some(held) => *held = row,
            None => self.rows.push(row),
        }
    }

    /// The ids that a query gives, each with the number of the put that its record came from.
    pub(crate) fn query(&self, query: &Query) -> Vec<(Id, usize)> {
        let mut found: Vec<_> = self
            .rows
            .iter()
            .filter(|(_, record, _)| is_in_range(query, record))
            .map(|(id, record, put)| (key(query, record).unwrap_or_default(), id, *put))
            .collect();
        found.sort_by(|one, two| compare(&one.0, &two.0).then_with(|| one.1.chars().cmp(two.1.chars())));
        if query.order == Order::Descending {
            found.reverse();
        }
        let limit = query.limit.unwrap_or(usize::MAX);
        found.into_iter().skip(query.offset).take(limit).map(|(_, id, put)| (id.clone(), put)).collect()
    }
}

/// Whether a query reads this record, wherever its window lies.
pub(crate) fn is_in_range(query: &Query, record: &Record<Value>) -> bool {
    let Some(key) = key(query, record).filter(|_| !record.deleted) else { return false };
    let against =
        |bound: &Vec<Scalar>| compare(&key[..bound.len()], &bound.iter().map(value).collect::<Vec<_>>());
    let Range { gt, gte, lt, lte } = &query.range;
    query.equals.as_ref().is_none_or(|bound| against(bound).is_eq())
        && gt.as_ref().is_none_or(|bound| against(bound).is_gt())
        && gte.as_ref().is_none_or(|bound| against(bound).is_ge())
        && lt.as_ref().is_none_or(|bound| against(bound).is_lt())
        && lte.as_ref().is_none_or(|bound| against(bound).is_le())
}

fn key(query: &Query, record: &Record<Value>) -> Option<Vec<Value>> {
    let fields = query.index.iter().flatten();
    fields
        .map(|field| record.data.get(field).cloned().unwrap_or_default())
        .map(|value| (!value.is_array() && !value.is_object()).then_some(value))
        .collect()
}

fn value(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => json!(value),
        Scalar::Number(value) => json!(value),
        Scalar::String(value) => json!(value.to_string()),
    }
}

fn compare(one: &[Value], two: &[Value]) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        _ => 3,
    };
    let pairs = one.iter().zip(two).map(|(one, two)| match (one, two) {
        (Value::Bool(one), Value::Bool(two)) => one.cmp(two),
        (Value::Number(one), Value::Number(two)) => one.as_f64().partial_cmp(&two.as_f64()).unwrap(),
        (Value::String(one), Value::String(two)) => one.chars().cmp(two.chars()),
        _ => rank(one).cmp(&rank(two)),
    });
    pairs.fold(Ordering::Equal, Ordering::then)
}
