//! A data race on purpose, to see that ThreadSanitizer looks: only in builds for it, and only if `DW_STRESS_PLANT` is set.

#[cfg(not(dw_sanitize))]
#[derive(Default)]
pub struct Race;

#[cfg(not(dw_sanitize))]
impl Race {
    pub fn write(&self) {}
}

#[cfg(dw_sanitize)]
pub struct Race {
    word: std::cell::UnsafeCell<u64>,
    on: bool,
}

// SAFETY: none. `write` is the mistake that must be reported.
#[cfg(dw_sanitize)]
unsafe impl Sync for Race {}

#[cfg(dw_sanitize)]
impl Default for Race {
    fn default() -> Self {
        Race { word: std::cell::UnsafeCell::new(0), on: std::env::var_os("DW_STRESS_PLANT").is_some() }
    }
}

#[cfg(dw_sanitize)]
impl Race {
    pub fn write(&self) {
        if self.on {
            // SAFETY: none, see above.
            unsafe { *self.word.get() += 1 };
        }
    }
}
