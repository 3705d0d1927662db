//! Writes of an app: those of one turn cross the boundary together, are decided one by one and committed as one entry.
//!
//! What an app passes in is copied at the call, and known by its number from then on; so what it does to its objects
//! afterwards is its own. A call for each write, with a promise of its own on this side, would cost more than the write.

use std::rc::Rc;

use js_sys::{Array, Function, Int32Array, Promise};
use landfall_core::decide::{Command, Done, WriteOptions as Chosen};
use landfall_core::error::Error;
use landfall_core::log::entry::Id;
use landfall_core::ports::Durability;
use wasm_bindgen::prelude::*;

use super::failure::{thrown, unsayable};
use super::instance::Instance;
use super::options::{self, How, WriteOptions};
use super::{Client, promise};
use crate::body::{COPY_IN, InvalidValue, JsBody, array_of};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r"
/**
 * What came of several writes: all records in their order, how many of them are of each write, and the errors of those that
 * have -1 of them, in their order.
 */
export type Written = [records: unknown[], counts: Int32Array, errors: unknown[]]
";

/// What a write is; the package's `writes.ts` has the same numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Create,
    CreateMany,
    Update,
    Delete,
}

impl Kind {
    fn of(code: u32) -> Self {
        match code {
            0 => Self::Create,
            1 => Self::CreateMany,
            2 => Self::Update,
            _ => Self::Delete,
        }
    }
}

/// Of each write: its kind, its table, how many bodies it has, how many fields it removes, and which of the options are its own (0: none).
const CODES: usize = 5;
const FAILED: i32 = -1;

#[wasm_bindgen]
impl Client {
    /// The function that copies the fields of a record to be created, or the changes of one: it gives the number under which they are to be
    /// [written](Self::write), and puts the names of those that are `undefined` into the list that it gets besides. What cannot be copied it throws as a
    /// path and what is there, which [`unsayable`](Self::unsayable) makes an error of. A write is called for often, and this way need not cross.
    #[must_use]
    #[wasm_bindgen(js_name = copier, unchecked_return_type = "(fields: unknown, absent: string[]) => number")]
    pub fn copier(&self) -> Function {
        COPY_IN.with(Clone::clone)
    }

    /// The error for what was not copied: in the fields of a record, or in the changes of one.
    #[must_use]
    pub fn unsayable(&self, refusal: &JsValue, is_change: bool) -> JsValue {
        let place = if is_change { "changes" } else { "fields" };
        match InvalidValue::thrown(refusal) {
            Some(refused) => thrown(&unsayable(refused, place)),
            None => refusal.clone(),
        }
    }

    /// Copies the fields of several records to be created.
    #[wasm_bindgen(js_name = holdAll)]
    pub fn hold_all(&self, records: &Array) -> Result<Vec<u32>, JsValue> {
        JsBody::hold_all(records).map_err(|(at, refused)| thrown(&unsayable(refused, &format!("[{at}]"))))
    }

    /// Does several writes. Each is what `codes` says of it: its kind, the place of its table, the number of its bodies, the number of fields that it
    /// removes, the place of its options. `words` has the id of an update or a deletion, and then the fields that it removes.
    #[wasm_bindgen(unchecked_return_type = "Promise<Written>")]
    #[expect(clippy::needless_pass_by_value, reason = "what crosses as a list is owned here")]
    pub fn write(
        &self,
        codes: &[u32],
        tables: Vec<String>,
        words: Vec<String>,
        bodies: &[u32],
        options: Vec<WriteOptions>,
    ) -> Promise {
        let writes = Writes {
            tables: tables.iter().map(|table| table.as_str().into()).collect(),
            words: words.into_iter(),
            // Taken over at once, so that they are let go whatever becomes of the writes.
            bodies: JsBody::all_numbered(bodies).into_iter(),
            options: &options,
        };
        let commands = writes.commands(codes);
        let this = Rc::clone(&self.instance);
        promise(async move { this.write_all(commands).await })
    }
}

struct Writes<'w> {
    tables: Vec<Id>,
    words: std::vec::IntoIter<String>,
    bodies: std::vec::IntoIter<JsBody>,
    options: &'w [WriteOptions],
}

/// A write: of which table, and what to do.
type Write = (Id, Result<(Command<JsBody>, Durability), Error>);

impl Writes<'_> {
    fn commands(mut self, codes: &[u32]) -> Vec<Write> {
        codes.chunks_exact(CODES).map(|codes| self.next(codes)).collect()
    }

    fn next(&mut self, codes: &[u32]) -> Write {
        let [kind, table, bodies, removed, option] = [0, 1, 2, 3, 4].map(|at| codes[at]);
        let kind = Kind::of(kind);
        let table = self.tables.get(table as usize).cloned().unwrap_or_else(|| "".into());
        let mut bodies: Vec<JsBody> = self.bodies.by_ref().take(bodies as usize).collect();
        let id: Id = match kind {
            Kind::Update | Kind::Delete => self.words.next().unwrap_or_default().into(),
            Kind::Create | Kind::CreateMany => "".into(),
        };
        let unset = self.words.by_ref().take(removed as usize).collect();
        let how = match option {
            0 => Ok(How { options: Chosen::default(), durability: Durability::default() }),
            at => self.options.get(at as usize - 1).map_or(Err(Error::Closed), options::how),
        };
        let of = table.clone();
        let command = how.map(|How { options, durability }| {
            let command = match kind {
                Kind::Create | Kind::CreateMany => {
                    Command::Create { table, records: bodies, is_list: kind == Kind::CreateMany, options }
                }
                Kind::Update => {
                    let changes = bodies.pop().unwrap_or_else(landfall_core::body::Body::empty);
                    Command::Update { table, id, changes, unset, options }
                }
                Kind::Delete => Command::Delete { table, id, options },
            };
            (command, durability)
        });
        (of, command)
    }
}

impl Instance {
    async fn write_all(self: &Rc<Self>, writes: Vec<Write>) -> Result<JsValue, Error> {
        let mut tables = Vec::with_capacity(writes.len());
        let mut commands = Vec::with_capacity(writes.len());
        let mut refused = Vec::new();
        for (at, (table, command)) in writes.into_iter().enumerate() {
            match command {
                Ok(command) => {
                    tables.push(table);
                    commands.push(command);
                }
                Err(error) => refused.push((at, error)),
            }
        }
        let answers = self.submit_plainly(commands).await?;
        let mut answered = tables.into_iter().zip(answers);
        let mut refused = refused.into_iter().peekable();
        let mut outcomes = Vec::new();
        loop {
            let outcome = match refused.next_if(|(at, _)| *at == outcomes.len()) {
                Some((_, error)) => ("".into(), Err(error)),
                None => match answered.next() {
                    Some(outcome) => outcome,
                    None => break,
                },
            };
            outcomes.push(outcome);
        }
        Ok(self.told_of(&outcomes))
    }

    /// Commits commands. Where all are plain creates of one table they are decided as one, since to decide a thousand for themselves costs twice as
    /// much; where that one is refused for the sake of a record, each is decided for itself after all.
    async fn submit_plainly(
        self: &Rc<Self>,
        commands: Vec<(Command<JsBody>, Durability)>,
    ) -> Result<Vec<Result<Done, Error>>, Error> {
        if let Some((all, durability)) = as_one(&commands) {
            match self.write(all, durability).await {
                Ok(Done::Written(ids)) => {
                    return Ok(ids.into_iter().map(|id| Ok(Done::Written(vec![id]))).collect());
                }
                Ok(_) => {}
                Err(error) if error.field().is_some() => {}
                Err(error) => return Err(error),
            }
        }
        self.submit(commands).await
    }

    fn told_of(&self, outcomes: &[(Id, Result<Done, Error>)]) -> JsValue {
        let (mut records, mut counts, errors) = (Vec::new(), Vec::new(), Array::new());
        // Those of one table are made together.
        for outcomes in outcomes.chunk_by(|(one, _), (other, _)| one == other) {
            let ids = |outcome: &Result<Done, Error>| match outcome {
                Ok(Done::Written(ids)) => ids.clone(),
                _ => Vec::new(),
            };
            let table = &outcomes[0].0;
            let all: Vec<Id> = outcomes.iter().flat_map(|(_, outcome)| ids(outcome)).collect();
            let mut made = self.views(table, &all).map(Vec::into_iter);
            for (_, outcome) in outcomes {
                let written = outcome.as_ref().map_err(Clone::clone).and_then(|_| {
                    let ids = ids(outcome);
                    match &mut made {
                        Some(made) => Ok(made.take(ids.len()).collect()),
                        None => {
                            ids.iter().map(|id| self.as_written(table, id)).collect::<Result<Vec<_>, _>>()
                        }
                    }
                });
                match written {
                    Ok(written) => {
                        counts.push(i32::try_from(written.len()).unwrap_or(i32::MAX));
                        records.extend(written);
                    }
                    Err(error) => {
                        counts.push(FAILED);
                        errors.push(&thrown(&error));
                    }
                }
            }
        }
        Array::of3(&array_of(&records), &Int32Array::from(counts.as_slice()), &errors).into()
    }
}

/// Several creates without options, of one table, as one that makes all or none.
fn as_one(commands: &[(Command<JsBody>, Durability)]) -> Option<(Command<JsBody>, Durability)> {
    let [(Command::Create { table, .. }, durability), _, ..] = commands else { return None };
    let plain = |command: &(Command<JsBody>, Durability)| match command {
        (Command::Create { table: of, records, is_list: false, options }, how)
            if of == table && how == durability && *options == Chosen::default() =>
        {
            records.first().cloned()
        }
        _ => None,
    };
    let records = commands.iter().map(plain).collect::<Option<Vec<_>>>()?;
    let options = Chosen::default();
    Some((Command::Create { table: table.clone(), records, is_list: true, options }, *durability))
}
