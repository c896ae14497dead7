//! Starting what is no actor.

struct Plain;

fn main() {
    let runtime = deathwatch::Runtime::new().unwrap();
    let _ = runtime.start(Plain);
}
