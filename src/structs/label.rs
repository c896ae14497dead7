//! A word of the program's own, exchanged by anybody.

use std::marker::PhantomData;
use std::ptr;

use crate::sync::atomic::{AtomicPtr, Ordering};

/// A place for a reference to a constant, or nothing.
pub struct Label<T: Sync + 'static> {
    place: AtomicPtr<T>,
    shared: PhantomData<&'static T>,
}

impl<T: Sync + 'static> Label<T> {
    /// Nothing.
    pub fn new() -> Self {
        Label { place: AtomicPtr::new(ptr::null_mut()), shared: PhantomData }
    }

    /// This one from now on.
    pub fn set(&self, constant: &'static T) {
        // ORDERING: Relaxed: what it leads to is a constant of the program, which was there before any thread.
        self.place.store(ptr::from_ref(constant).cast_mut(), Ordering::Relaxed);
    }

    /// What was set last.
    pub fn get(&self) -> Option<&'static T> {
        // ORDERING: Relaxed: see `set`.
        let place = self.place.load(Ordering::Relaxed);
        // SAFETY: null, or what `set` was given, which lives for ever and is only read.
        unsafe { place.as_ref() }
    }
}

impl<T: Sync + 'static> Default for Label<T> {
    fn default() -> Self {
        Self::new()
    }
}
