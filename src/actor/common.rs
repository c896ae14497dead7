//! What every handle can do, whatever it knows of the actor and whether it keeps it running. Written once.

/// The methods of a handle; to stand in its `impl` block, beside a `fn cell(&self) -> &CellRef`.
macro_rules! common {
    () => {
        /// Who it is.
        pub fn id(&self) -> $crate::id::ActorId {
            self.cell().id
        }

        /// What it is called.
        pub fn name(&self) -> Option<&str> {
            self.cell().name().map(|name| &**name)
        }

        /// Stops the actor with [`Normal`](crate::ExitReason::Normal), after the message it handles now. What is left in
        /// its mailbox is dropped.
        #[doc(alias = "terminate")]
        #[doc(alias = "stop_gracefully")]
        #[doc(alias = "shutdown")]
        pub fn stop(&self) {
            self.stop_with($crate::reason::ExitReason::Normal);
        }

        /// As [`stop`](Self::stop), with a reason. The first reason given stays.
        pub fn stop_with(&self, reason: $crate::reason::ExitReason) {
            self.cell().stop(reason);
        }

        /// Kills the actor: before its next message, and in the middle of a handler that waits for something. Its
        /// `stopped` hook does not run. A handler that does not wait cannot be cut off, also if it awaits what is
        /// ready.
        #[doc(alias = "abort")]
        pub fn kill(&self) {
            self.cell().kill();
        }

        /// Returns true until the actor is dead: also while it ends, in its `stopped` hook and its `Drop`.
        #[doc(alias = "is_process_alive")]
        #[doc(alias = "connected")]
        pub fn is_alive(&self) -> bool {
            self.cell().reason().is_none()
        }

        /// Why it died; `None` while it lives. Constant afterwards.
        pub fn exit_reason(&self) -> Option<$crate::reason::ExitReason> {
            self.cell().reason().cloned()
        }

        /// Waits for its death, by `.await` or by [`wait`](crate::ExitWait::wait).
        #[doc(alias = "join")]
        #[doc(alias = "wait_for_shutdown")]
        #[doc(alias = "wait_for_stop")]
        #[doc(alias = "await_termination")]
        pub fn wait_exit(&self) -> $crate::actor::exit_wait::ExitWait {
            $crate::actor::exit_wait::ExitWait::new(self.cell().clone())
        }

        /// Whom it monitors at present.
        pub fn monitors(&self) -> Vec<($crate::id::MonitorRef, $crate::id::ActorId)> {
            $crate::monitor::entry::monitors(self.cell())
        }

        /// Who monitors it at present; once for each monitor.
        pub fn monitored_by(&self) -> Vec<$crate::id::ActorId> {
            $crate::monitor::entry::monitored_by(self.cell())
        }

        /// Whom it is linked with at present.
        pub fn links(&self) -> Vec<$crate::id::ActorId> {
            $crate::monitor::entry::links(self.cell())
        }
    };
}

/// Two handles to one actor are equal, and hash alike.
macro_rules! same_actor {
    ($name:ident $(<$A:ident $(: $bound:path)?>)?) => {
        impl$(<$A $(: $bound)?>)? PartialEq for $name$(<$A>)? {
            fn eq(&self, other: &Self) -> bool {
                self.id() == other.id()
            }
        }

        impl$(<$A $(: $bound)?>)? Eq for $name$(<$A>)? {}

        impl$(<$A $(: $bound)?>)? std::hash::Hash for $name$(<$A>)? {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.id().hash(state);
            }
        }
    };
}

pub(super) use {common, same_actor};
