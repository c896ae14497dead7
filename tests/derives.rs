//! The derives: what they write does what one would have written.
#![cfg(not(any(loom, shuttle)))]

/// A program that knows the crate under another name.
mod elsewhere {
    pub mod inner {
        pub use deathwatch as watch;
    }
}

/// The same text in both modes: `$async` and `$wait` are what differs.
macro_rules! both {
    ($($mode:ident: $prelude:path, $($async:ident)?;)*) => {$(
        mod $mode {
            use std::collections::HashMap;
            use std::fmt::Debug;
            use std::hash::Hash;

            use deathwatch::Monitors;
            use $prelude as prelude;
            use prelude::*;

            #[derive(Actor)]
            struct Shelf<K, V: Clone>(HashMap<K, V>)
            where
                K: Eq + Hash;

            #[derive(Message)]
            struct Put<K, V> {
                key: K,
                value: V,
            }

            #[derive(Message)]
            #[reply(Option<V>)]
            struct Get<K, V>(K, std::marker::PhantomData<fn() -> V>);

            #[derive(Debug, Message)]
            #[reply(Result<u32, String>)]
            enum Count {
                All,
                #[allow(dead_code)]
                AtMost(u32),
            }

            impl<K: Eq + Hash + Send + 'static, V: Clone + Send + 'static> Handler<Put<K, V>> for Shelf<K, V> {
                $($async)? fn handle(&mut self, Put { key, value }: Put<K, V>, _: &Context<Self>) {
                    self.0.insert(key, value);
                }
            }

            impl<K: Eq + Hash + Send + 'static, V: Clone + Send + 'static> Handler<Get<K, V>> for Shelf<K, V> {
                $($async)? fn handle(&mut self, Get(key, _): Get<K, V>, _: &Context<Self>) -> Option<V> {
                    self.0.get(&key).cloned()
                }
            }

            impl<K: Eq + Hash + Send + 'static, V: Clone + Send + 'static> Handler<Count> for Shelf<K, V> {
                $($async)? fn handle(&mut self, count: Count, _: &Context<Self>) -> Result<u32, String> {
                    let all = u32::try_from(self.0.len()).map_err(|error| error.to_string())?;
                    match count {
                        Count::All => Ok(all),
                        Count::AtMost(most) if all <= most => Ok(all),
                        Count::AtMost(most) => Err(format!("more than {most}")),
                    }
                }
            }

            #[derive(Actor)]
            #[deathwatch(crate = crate::elsewhere::inner::watch)]
            struct Elsewhere<const N: usize>([u8; N]);

            #[derive(Message)]
            #[reply(usize)]
            #[deathwatch(crate = crate::elsewhere::inner::watch)]
            struct Length;

            impl<const N: usize> Handler<Length> for Elsewhere<N> {
                $($async)? fn handle(&mut self, _: Length, _: &Context<Self>) -> usize {
                    self.0.len()
                }
            }

            #[test]
            fn generic_actors_and_messages() {
                fn put<K, V>(shelf: &ActorRef<Shelf<K, V>>, key: K, value: V)
                where
                    K: Eq + Hash + Debug + Send + 'static,
                    V: Clone + Debug + Send + 'static,
                {
                    shelf.send(Put { key, value }).expect("it lives");
                }
                let shelf = Shelf(HashMap::new()).start();
                put(&shelf, "one", 1);
                put(&shelf, "two", 2);
                assert_eq!(shelf.request(Get("two", std::marker::PhantomData)).wait(), Ok(Some(2)));
                assert_eq!(shelf.request(Get("three", std::marker::PhantomData)).wait(), Ok(None));
                assert_eq!(shelf.request(Count::All).wait(), Ok(Ok(2)));
                assert_eq!(shelf.request(Count::AtMost(1)).wait(), Ok(Err("more than 1".to_owned())));
            }

            #[test]
            fn the_crate_under_another_name() {
                assert_eq!(Elsewhere([0; 3]).start().request(Length).wait(), Ok(3));
            }

            #[test]
            fn derived_actors_are_monitored_like_others() {
                let shelf = Shelf::<u8, u8>(HashMap::new()).start();
                let mut monitors = Monitors::new();
                let monitor = monitors.monitor(&shelf);
                shelf.stop();
                let down = monitors.recv().expect("one");
                assert_eq!((down.monitor_ref, down.reason), (monitor, ExitReason::Normal));
            }
        }
    )*};
}

both! {
    tasks: deathwatch::tasks::prelude, async;
    threads: deathwatch::threads::prelude,;
}
