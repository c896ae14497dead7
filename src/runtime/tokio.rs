//! Inside of a tokio runtime: actors run on our threads, and tokio drives what they await.

use std::future::pending;
use std::io;
use std::sync::{Mutex, PoisonError};

use ::tokio::runtime::{Builder, Handle, RuntimeFlavor};

use super::StartError;
use crate::scheduler::Around;
use crate::sync::thread;

/// Inside of this one.
///
/// # Errors
///
/// [`StartError::CurrentThread`]
pub(super) fn given(handle: Handle) -> Result<Around, StartError> {
    if handle.runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Err(StartError::CurrentThread);
    }
    Ok(inside(handle))
}

/// Inside of the one that is called from, or of our own.
///
/// # Errors
///
/// [`StartError::Thread`]
pub(super) fn found() -> Result<Around, StartError> {
    match Handle::try_current() {
        Ok(handle) => given(handle).or_else(|_| own()),
        Err(_) => own(),
    }
}

/// Inside of our own, which is started if need be, and never ends.
///
/// # Errors
///
/// [`StartError::Thread`]
pub(super) fn own() -> Result<Around, StartError> {
    static DRIVER: Mutex<Option<Handle>> = Mutex::new(None);
    let mut driver = DRIVER.lock().unwrap_or_else(PoisonError::into_inner);
    let handle = match &*driver {
        Some(handle) => handle.clone(),
        None => driver.insert(drive().map_err(StartError::Thread)?).clone(),
    };
    Ok(inside(handle))
}

fn inside(handle: Handle) -> Around {
    Around::new(move |live| {
        let _inside = handle.enter();
        live();
    })
}

/// A thread that does nothing but drive.
fn drive() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::spawn("deathwatch-tokio".to_owned(), None, move || runtime.block_on(pending::<()>()))?;
    Ok(handle)
}
