//! One thread, virtual time: which ready task runs next is the dice's choice, and time passes only when none is ready.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use crate::dice::Dice;

/// Whose task it is: all of a context's tasks die with it.
pub type Owner = usize;

struct Task {
    owner: Owner,
    future: Pin<Box<dyn Future<Output = ()>>>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A waker is shared between threads by its type, though here there is one thread.
type Timer = Arc<Mutex<TimerState>>;

#[derive(Default)]
struct Timers {
    now_ms: Cell<u64>,
    /// By time, then by the order in which they were set.
    due: RefCell<BTreeMap<(u64, u64), Timer>>,
    set: Cell<u64>,
}

#[derive(Default)]
struct TimerState {
    rang: bool,
    waker: Option<Waker>,
}

/// Virtual time, shared by all tasks.
#[derive(Clone, Default)]
pub struct Time(Rc<Timers>);

impl Time {
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.0.now_ms.get()
    }

    /// Ready once that much time has passed.
    pub fn sleep_ms(&self, ms: u64) -> impl Future<Output = ()> + use<> {
        let state = Timer::default();
        let set = self.0.set.get() + 1;
        self.0.set.set(set);
        self.0.due.borrow_mut().insert((self.now_ms() + ms, set), Arc::clone(&state));
        std::future::poll_fn(move |context| {
            let mut timer = state.lock().unwrap_or_else(PoisonError::into_inner);
            if timer.rang {
                return Poll::Ready(());
            }
            timer.waker = Some(context.waker().clone());
            Poll::Pending
        })
    }

    /// Moves to the next timer, if there is one no later than `until_ms`.
    fn advance(&self, until_ms: u64) -> bool {
        let Some((at, timer)) = self.0.due.borrow_mut().pop_first() else { return false };
        if at.0 > until_ms {
            self.0.due.borrow_mut().insert(at, timer);
            return false;
        }
        self.0.now_ms.set(at.0.max(self.now_ms()));
        let mut timer = timer.lock().unwrap_or_else(PoisonError::into_inner);
        timer.rang = true;
        if let Some(waker) = timer.waker.take() {
            waker.wake();
        }
        true
    }
}

/// Runs tasks until they are done, or dead.
pub struct Executor {
    dice: Rc<Dice>,
    pub time: Time,
    tasks: RefCell<BTreeMap<usize, Task>>,
    spawned: Cell<usize>,
}

impl Executor {
    #[must_use]
    pub fn new(dice: Rc<Dice>) -> Rc<Self> {
        Rc::new(Self { dice, time: Time::default(), tasks: RefCell::default(), spawned: Cell::new(0) })
    }

    pub fn spawn(&self, owner: Owner, future: impl Future<Output = ()> + 'static) {
        let id = self.spawned.get();
        self.spawned.set(id + 1);
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        self.tasks.borrow_mut().insert(id, Task { owner, future: Box::pin(future), woken });
    }

    /// Drops all of an owner's tasks, each at whatever await it is.
    pub fn kill(&self, owner: Owner) {
        let dead: Vec<Task> = {
            let mut tasks = self.tasks.borrow_mut();
            let ids: Vec<usize> =
                tasks.iter().filter(|(_, task)| task.owner == owner).map(|(id, _)| *id).collect();
            ids.iter().filter_map(|id| tasks.remove(id)).collect()
        };
        drop(dead);
    }

    /// Polls one ready task; `false` if none is ready.
    pub fn step(&self) -> bool {
        let ready: BTreeSet<usize> = {
            let tasks = self.tasks.borrow();
            tasks.iter().filter(|(_, task)| task.woken.0.load(Ordering::Relaxed)).map(|(id, _)| *id).collect()
        };
        let ready: Vec<usize> = ready.into_iter().collect();
        let Some(id) = self.dice.pick(&ready) else { return false };
        let Some(mut task) = self.tasks.borrow_mut().remove(id) else { return false };
        task.woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&task.woken));
        if task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            self.tasks.borrow_mut().insert(*id, task);
        }
        true
    }

    /// Runs until nothing is ready and no timer is due before `until_ms`.
    pub fn run_until_ms(&self, until_ms: u64) {
        while self.step() || self.time.advance(until_ms) {}
    }

    /// Runs one future to its end, with everything else going on beside it. `None` if it never ends.
    pub fn finish<T: 'static>(&self, owner: Owner, future: impl Future<Output = T> + 'static) -> Option<T> {
        let result: Rc<RefCell<Option<T>>> = Rc::default();
        let slot = Rc::clone(&result);
        self.spawn(owner, async move {
            let value = future.await;
            *slot.borrow_mut() = Some(value);
        });
        while result.borrow().is_none() {
            if !self.step() && !self.time.advance(u64::MAX) {
                break;
            }
        }
        result.take()
    }
}
