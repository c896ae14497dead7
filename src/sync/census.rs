//! How many blocks of each kind are alive: for tests, in builds with debug assertions. Elsewhere it counts nothing.

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Control blocks of actors and of plain-code watchers.
    Cell,
    /// Interests in a death: monitors, waits, ties.
    Entry,
}

#[cfg(all(debug_assertions, not(dw_loom)))]
static ALIVE: [std::sync::atomic::AtomicUsize; 2] = [const { std::sync::atomic::AtomicUsize::new(0) }; 2];

/// One more.
#[inline]
pub fn born(kind: Kind) {
    // ORDERING: Relaxed: a count; who compares it has joined everybody before.
    #[cfg(all(debug_assertions, not(dw_loom)))]
    ALIVE[kind as usize].fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let _ = kind;
}

/// One less.
#[inline]
pub fn gone(kind: Kind) {
    // ORDERING: as in `born`.
    #[cfg(all(debug_assertions, not(dw_loom)))]
    ALIVE[kind as usize].fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    let _ = kind;
}

/// How many there are; `None` in builds that do not count.
pub fn alive(kind: Kind) -> Option<usize> {
    // ORDERING: as in `born`.
    #[cfg(all(debug_assertions, not(dw_loom)))]
    return Some(ALIVE[kind as usize].load(std::sync::atomic::Ordering::Relaxed));
    #[cfg(not(all(debug_assertions, not(dw_loom))))]
    {
        let _ = kind;
        None
    }
}
