//! The names and groups of a runtime.

use std::sync::Arc;

use super::shared::Shared;
use super::start::current_names;
use crate::actor::context::Context;
use crate::groups::Groups;
use crate::registry::{RegisterError, Registry};

impl Registry {
    /// The names of the runtime that the calling actor runs on; elsewhere those of the default runtime, also before that has
    /// been started.
    pub fn current() -> Self {
        current_names().registry
    }
}

impl Groups {
    /// The groups of the runtime that the calling actor runs on; elsewhere those of the default runtime, also before that has
    /// been started.
    pub fn current() -> Self {
        current_names().groups
    }
}

/// Whom and what the actors of a runtime find by name.
#[derive(Clone, Default)]
pub struct Names {
    pub(super) registry: Registry,
    pub(super) groups: Groups,
}

impl<A: 'static> Context<A> {
    fn names(&self) -> Names {
        let home = self.address().cell().home().and_then(|home| home.downcast::<Shared>().ok());
        home.map_or_else(current_names, |shared| shared.names.clone())
    }

    /// The names of this actor's runtime.
    pub fn registry(&self) -> Registry {
        self.names().registry
    }

    /// The groups of this actor's runtime.
    pub fn groups(&self) -> Groups {
        self.names().groups
    }

    /// Registers this actor, under this name, with the names of its runtime. An actor can have any number of names; they
    /// are free again when it has died, before anybody is told.
    ///
    /// ```
    /// use deathwatch::{Registry, prelude::*};
    ///
    /// struct Leader;
    /// impl Actor for Leader {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         if let Err(error) = ctx.register("leader") {
    ///             ctx.stop_with(ExitReason::error(error)); // "the name leader is taken, by #1"
    ///         }
    ///     }
    /// }
    /// # struct Ping; impl Message for Ping { type Reply = (); }
    /// # impl Handler<Ping> for Leader { async fn handle(&mut self, _: Ping, _: &Context<Self>) {} }
    /// let leader = Leader.start();
    /// leader.request(Ping).wait().unwrap();
    /// assert_eq!(Registry::current().lookup("leader"), Ok(leader));
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Registry::register`].
    #[doc(alias = "whereis")]
    pub fn register(&self, name: impl Into<Arc<str>>) -> Result<(), RegisterError> {
        self.registry().claim(&name.into(), self.address().cell())
    }

    /// Gives up a name, if this actor has it.
    pub fn unregister(&self, name: &str) -> bool {
        self.registry().give_up(name, self.address().cell())
    }
}
