//! Atomics that hesitate: for builds with `--cfg dw_delay`, in which tests meet windows that are otherwise a few
//! nanoseconds wide.
//!
//! Before an operation the thread now and then spins for a while, gives its processor away, or sleeps for some
//! microseconds; a weak exchange fails for nothing. How often is drawn from numbers that each thread makes itself, from
//! one seed for the process and the order in which threads come here. `DW_DELAY_SEED=n` sets the seed; it is printed
//! either way. (The same seed makes the same draws, not the same run: who is scheduled when remains the system's affair.)

use std::cell::Cell;
use std::io::Write;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

pub use std::sync::atomic::Ordering;

/// One operation of so many, on average, is delayed by spinning, by a yield, by a sleep. Each divides the next.
const SPIN: u64 = 1 << 6;
const YIELD: u64 = 1 << 10;
const SLEEP: u64 = 1 << 15;
/// One weak exchange of so many fails.
const FAIL: u64 = 1 << 6;
const MOST_SPINS: u64 = 1 << 10;
const MOST_MICROSECONDS: u64 = 50;

thread_local! {
    /// The last number of this thread; zero: there was none yet.
    static LAST: Cell<u64> = const { Cell::new(0) };
}

fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let asked = std::env::var("DW_DELAY_SEED").ok();
        let seed = asked.map(|seed| seed.parse().expect("DW_DELAY_SEED is a number")).unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            u64::from(now.subsec_nanos())
        });
        // Not `eprintln`, which panics where nobody listens.
        let _ = writeln!(std::io::stderr(), "deathwatch: atomics are delayed, DW_DELAY_SEED={seed}");
        seed
    })
}

#[cold]
fn first() -> u64 {
    static THREADS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    // ORDERING: Relaxed: only that each thread gets another number.
    let thread = THREADS.fetch_add(1, Ordering::Relaxed);
    seed().wrapping_add(thread).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1
}

fn draw() -> u64 {
    LAST.with(|last| {
        let mut number = last.get();
        if number == 0 {
            number = first();
        }
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        last.set(number);
        number.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    })
}

#[inline]
fn hesitate() {
    let drawn = draw();
    if drawn % SPIN == 0 {
        delay(drawn);
    }
}

#[cold]
fn delay(drawn: u64) {
    if drawn % SLEEP == 0 {
        std::thread::sleep(Duration::from_micros(draw() % MOST_MICROSECONDS));
    } else if drawn % YIELD == 0 {
        std::thread::yield_now();
    } else {
        // Short ones are more frequent than long ones.
        (0..draw() % (1 << (draw() % MOST_SPINS.ilog2() as u64 + 1))).for_each(|_| std::hint::spin_loop());
    }
}

/// As in the standard library.
pub fn fence(ordering: Ordering) {
    hesitate();
    std::sync::atomic::fence(ordering);
}

macro_rules! atomics {
    ($($name:ident $(<$T:ident>)?, $value:ty, [$($rmw:ident)*];)*) => {$(
        /// As in the standard library.
        #[derive(Debug)]
        pub struct $name $(<$T>)? (std::sync::atomic::$name $(<$T>)?);

        #[allow(missing_docs, reason = "as in the standard library")]
        impl $(<$T>)? $name $(<$T>)? {
            pub const fn new(value: $value) -> Self {
                Self(std::sync::atomic::$name::new(value))
            }

            pub fn load(&self, ordering: Ordering) -> $value {
                hesitate();
                self.0.load(ordering)
            }

            pub fn store(&self, value: $value, ordering: Ordering) {
                hesitate();
                self.0.store(value, ordering);
            }

            pub fn swap(&self, value: $value, ordering: Ordering) -> $value {
                hesitate();
                self.0.swap(value, ordering)
            }

            pub fn compare_exchange(
                &self,
                old: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                hesitate();
                self.0.compare_exchange(old, new, success, failure)
            }

            pub fn compare_exchange_weak(
                &self,
                old: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                hesitate();
                if draw() % FAIL == 0 {
                    return Err(self.0.load(failure));
                }
                self.0.compare_exchange_weak(old, new, success, failure)
            }

            pub fn fetch_update(
                &self,
                success: Ordering,
                failure: Ordering,
                mut f: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let mut seen = self.load(failure);
                while let Some(next) = f(seen) {
                    match self.compare_exchange_weak(seen, next, success, failure) {
                        Ok(before) => return Ok(before),
                        Err(now) => seen = now,
                    }
                }
                Err(seen)
            }

            $(
                pub fn $rmw(&self, value: $value, ordering: Ordering) -> $value {
                    hesitate();
                    self.0.$rmw(value, ordering)
                }
            )*
        }
    )*};
}

atomics! {
    AtomicBool, bool, [fetch_and fetch_or fetch_xor];
    AtomicIsize, isize, [fetch_add fetch_sub];
    AtomicPtr<T>, *mut T, [];
    AtomicU8, u8, [fetch_and fetch_or fetch_xor];
    AtomicU32, u32, [fetch_add fetch_sub fetch_and fetch_or fetch_xor];
    AtomicU64, u64, [fetch_add fetch_sub fetch_and fetch_or fetch_xor];
    AtomicUsize, usize, [fetch_add fetch_sub fetch_and fetch_or fetch_xor];
}
