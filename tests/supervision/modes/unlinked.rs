//! Links and supervision know nothing of each other.

macro_rules! unlinked {
    ($($mode:ident: $prelude:path, $($async:ident)?;)*) => {$(
        mod $mode {
            use deathwatch::ActorHandle;
            use deathwatch::supervisor::{ChildSpec, Supervisor};
            use $prelude as prelude;
            use prelude::*;

            use crate::parts::ready;

            struct Child;
            impl Actor for Child {}

            /// To link with somebody, and to take it back.
            struct Tangle(ActorHandle);
            impl Message for Tangle {
                type Reply = usize;
            }
            impl Handler<Tangle> for Child {
                $($async)? fn handle(&mut self, Tangle(with): Tangle, ctx: &Context<Self>) -> usize {
                    ctx.link(&with);
                    let linked = ctx.links().len();
                    ctx.unlink(&with);
                    linked
                }
            }

            struct Fall;
            impl Message for Fall {
                type Reply = ();
            }
            impl Handler<Fall> for Child {
                $($async)? fn handle(&mut self, _: Fall, _: &Context<Self>) {
                    panic!("falls");
                }
            }

            /// R78: a child that links with its supervisor and unlinks is restarted when it fails, and stopped with its supervisor.
            #[test]
            fn who_unlinks_is_still_supervised() {
                let spec = ChildSpec::new("child", || Child);
                let found = spec.child_ref();
                let tree = Supervisor::one_for_one().child(spec).start();
                tree.ready().wait().expect("it starts");
                let first = ready(&found);
                assert_eq!(first.request(Tangle(tree.handle())).wait(), Ok(1));
                first.send(Fall).expect("it lives");
                first.wait_exit().wait();
                let second = ready(&found);
                assert_ne!(second.id(), first.id());
                assert_eq!(second.request(Tangle(tree.handle())).wait(), Ok(1));
                tree.stop();
                assert_eq!(second.wait_exit().wait(), ExitReason::Shutdown);
                assert_eq!(tree.wait_exit().wait(), ExitReason::Normal);
            }
        }
    )*};
}

unlinked! {
    tasks: deathwatch::tasks::prelude, async;
    threads: deathwatch::threads::prelude,;
}
