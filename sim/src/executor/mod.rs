//! One thread, virtual time: which ready task runs next is the dice's choice, and time passes only when none is ready.

mod time;

use std::{
    cell::RefCell,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

pub use time::{BEGINNING_MS, Sleep, Time};

use crate::dice::Dice;

/// Whose task it is: all of an owner's tasks die together.
pub type Owner = u32;

struct Task {
    owner: Owner,
    future: Pin<Box<dyn Future<Output = ()>>>,
    woken: Arc<Woken>,
    waker: Waker,
}

/// The tasks that may run, in the order in which they were woken.
#[derive(Default)]
struct Ready(Mutex<Vec<usize>>);

impl Ready {
    fn tasks(&self) -> MutexGuard<'_, Vec<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Woken {
    task: usize,
    is_queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::Relaxed) {
            self.ready.tasks().push(self.task);
        }
    }
}

/// An owner that dies after so many more polls of its tasks.
struct Fuse {
    owners: Vec<Owner>,
    polls: u32,
}

/// Runs tasks until they are done, or dead.
pub struct Executor {
    dice: Arc<Dice>,
    pub time: Time,
    /// By the order in which they were spawned. The place of one that is done stays empty.
    tasks: RefCell<Vec<Option<Task>>>,
    ready: Arc<Ready>,
    fuses: RefCell<Vec<Fuse>>,
    /// Whose fuse has burnt down since somebody last asked.
    dead: RefCell<Vec<Owner>>,
}

impl Executor {
    #[must_use]
    pub fn new(dice: Arc<Dice>) -> Rc<Self> {
        Rc::new(Self {
            dice,
            time: Time::default(),
            tasks: RefCell::default(),
            ready: Arc::default(),
            fuses: RefCell::default(),
            dead: RefCell::default(),
        })
    }

    pub fn spawn(&self, owner: Owner, future: impl Future<Output = ()> + 'static) {
        let mut tasks = self.tasks.borrow_mut();
        let task = tasks.len();
        let woken =
            Arc::new(Woken { task, is_queued: AtomicBool::new(true), ready: Arc::clone(&self.ready) });
        let waker = Waker::from(Arc::clone(&woken));
        tasks.push(Some(Task { owner, future: Box::pin(future), woken, waker }));
        self.ready.tasks().push(task);
    }

    /// Drops all of an owner's tasks, each at whatever await it is.
    pub fn kill(&self, owner: Owner) {
        self.fuses.borrow_mut().retain(|fuse| !fuse.owners.contains(&owner));
        let dead: Vec<Task> = {
            let mut tasks = self.tasks.borrow_mut();
            tasks.iter_mut().filter_map(|task| task.take_if(|task| task.owner == owner)).collect()
        };
        drop(dead);
    }

    /// Drops every task.
    pub fn kill_all(&self) {
        let dead = self.tasks.take();
        drop(dead);
        self.ready.tasks().clear();
    }

    /// Kills these owners after so many more polls of their tasks.
    pub fn kill_after(&self, owners: Vec<Owner>, polls: u32) {
        self.fuses.borrow_mut().push(Fuse { owners, polls });
    }

    /// Nobody dies any more of what was lit before.
    pub fn put_out_fuses(&self) {
        self.fuses.borrow_mut().clear();
    }

    /// Whose fuse has burnt down since this was last asked.
    pub fn take_dead(&self) -> Vec<Owner> {
        self.dead.take()
    }

    /// Polls one ready task; `false` if none is ready.
    fn step(&self) -> bool {
        let task = {
            let mut ready = self.ready.tasks();
            if ready.is_empty() {
                return false;
            }
            let at = if ready.len() == 1 { 0 } else { self.dice.index(ready.len()) };
            ready.swap_remove(at)
        };
        // One that died after it was woken.
        let Some(mut running) = self.tasks.borrow_mut()[task].take() else { return true };
        running.woken.is_queued.store(false, Ordering::Relaxed);
        let waker = running.waker.clone();
        let owner = running.owner;
        match running.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => self.tasks.borrow_mut()[task] = Some(running),
            Poll::Ready(()) => {}
        }
        self.burn(owner);
        true
    }

    fn burn(&self, owner: Owner) {
        let burnt: Vec<Owner> = {
            let mut fuses = self.fuses.borrow_mut();
            if fuses.is_empty() {
                return;
            }
            for fuse in fuses.iter_mut().filter(|fuse| fuse.owners.contains(&owner)) {
                fuse.polls = fuse.polls.saturating_sub(1);
            }
            fuses.extract_if(.., |fuse| fuse.polls == 0).flat_map(|fuse| fuse.owners).collect()
        };
        for owner in burnt {
            self.kill(owner);
            self.dead.borrow_mut().push(owner);
        }
    }

    /// Runs no further than so many polls, and no time passes.
    pub fn run_for_polls(&self, polls: u32) {
        (0..polls).all(|_| self.step());
    }

    /// Runs until that much time has passed.
    pub fn run_for_ms(&self, ms: u64) {
        let until = self.time.elapsed_ms() + ms;
        while self.step() || self.time.advance(until) {}
    }

    /// Runs one future to its end, with everything else going on beside it. `None` if it does not end within `ms`.
    pub fn finish<T: 'static>(
        &self,
        owner: Owner,
        ms: u64,
        future: impl Future<Output = T> + 'static,
    ) -> Option<T> {
        let until = self.time.elapsed_ms() + ms;
        let result: Rc<RefCell<Option<T>>> = Rc::default();
        let slot = Rc::clone(&result);
        self.spawn(owner, async move {
            let value = future.await;
            *slot.borrow_mut() = Some(value);
        });
        while result.borrow().is_none() && (self.step() || self.time.advance(until)) {}
        result.take()
    }
}

/// Lets others run once.
#[derive(Default)]
pub struct YieldNow(bool);

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
