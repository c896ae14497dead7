//! Whom a name stood for.

use std::fmt;
use std::sync::Arc;

use crate::actor::handle::sealed;
use crate::cell::CellRef;

/// Who had a name when it was [looked up](super::Registry::resolve), or nobody: something to monitor. It keeps nobody running.
#[derive(Clone)]
pub struct Resolved {
    pub(super) cell: CellRef,
    pub(super) name: Arc<str>,
}

impl Resolved {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl sealed::HasCell for Resolved {
    fn cell_for(&self, _: sealed::Token) -> &CellRef {
        &self.cell
    }

    fn asked_as(&self, _: sealed::Token) -> Option<Arc<str>> {
        Some(Arc::clone(&self.name))
    }
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolved").field("name", &self.name).field("id", &self.cell.id).finish()
    }
}
