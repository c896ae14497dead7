//! Looking at a program at work: a table of its actors, their graph, and who died.
use deathwatch::snapshot::ActorState;
use deathwatch::supervisor::{ChildSpec, Supervisor};
use deathwatch::{Options, Runtime, prelude::*};

/// Keeps what it is told, and may be asked.
#[derive(Actor)]
struct Store(u64);

#[derive(Message)]
#[reply(u64)]
struct Add(u64);

impl Handler<Add> for Store {
    async fn handle(&mut self, Add(n): Add, _: &Context<Self>) -> u64 {
        assert!(n < 100, "{n} is too much");
        self.0 += n;
        self.0
    }
}

/// Watches the store.
struct Auditor(ActorRef<Store>);

impl Actor for Auditor {
    async fn started(&mut self, ctx: &Context<Self>) {
        ctx.monitor(&self.0);
    }
}

impl Handler<Down> for Auditor {
    async fn handle(&mut self, down: Down, _: &Context<Self>) {
        println!("the auditor is told: {}", down.reason);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = Runtime::builder().workers(2).name("shop").keep_deaths(8).build()?;
    let store = ChildSpec::new("store", || Store(0));
    let found = store.child_ref();
    let tree = Supervisor::one_for_one().child(store);
    let tree = tree.start_with(Options::new().runtime(&runtime).name("tree"))?;
    tree.ready().wait()?;
    let first = found.ready().wait()?;
    let options = Options::new().runtime(&runtime).registered("auditor");
    let auditor = Auditor(first.clone()).start_with(options)?;
    first.request(Add(41)).wait()?;
    while runtime.snapshot().actors.iter().any(|actor| actor.state != ActorState::Idle) {
        std::thread::yield_now();
    }

    let before = runtime.snapshot();
    println!("{before}\n\n{}", before.to_mermaid());
    assert_eq!(before.actors.len(), 3);
    let seen = before.actor(first.id()).ok_or("it lives")?;
    assert_eq!((seen.called(), seen.supervisor), (Some("store"), Some(tree.id())));
    assert_eq!(seen.monitored_by.iter().filter(|by| **by == auditor.id()).count(), 1);

    assert!(first.request(Add(100)).wait().is_err()); // and the tree starts another
    let second = loop {
        match found.ready().wait()? {
            second if second.id() != first.id() => break second,
            _ => std::thread::yield_now(),
        }
    };
    while runtime.live_actors() > 3 {
        std::thread::yield_now(); // the exit is over when all have been told
    }
    let after = runtime.snapshot();
    println!("{after}");
    assert!(after.actor(first.id()).is_none());
    assert_eq!(after.children(tree.id()).map(|child| child.id).collect::<Vec<_>>(), [second.id()]);
    let death = after.deaths.first().ok_or("one has died")?;
    assert_eq!((death.id, death.reason.to_string()), (first.id(), "panic: 100 is too much".to_owned()));
    assert!(after.to_string().contains("panic: 100 is too much"));
    assert!(after.to_dot().contains(&format!("a{} -> a{} [style=bold", tree.id().get(), second.id().get())));
    Ok(())
}
