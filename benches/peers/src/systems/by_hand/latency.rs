//! Row L.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::life::{Down, Life, Vital};
use super::messages::ring;
use crate::rows::LOAD_PAIRS;
use crate::tools::{Deaths, Dying, Latch, Measured, latencies};

enum Message {
    Down(Down),
    Watch { target: Arc<Vital<Message>>, told: Latch, ready: Latch },
}

impl From<Down> for Message {
    fn from(down: Down) -> Self {
        Message::Down(down)
    }
}

/// Ends when the sender is dropped.
fn mortal(deaths: Arc<Deaths>) -> (UnboundedSender<Message>, Arc<Vital<Message>>) {
    let (sender, mut receiver) = unbounded_channel::<Message>();
    let life = Life::new();
    let vital = Arc::clone(&life.vital);
    tokio::spawn(async move {
        let _life = life; // dropped last
        let _dying = Dying(deaths);
        while receiver.recv().await.is_some() {}
    });
    (sender, vital)
}

fn watcher(deaths: Arc<Deaths>, me: usize) -> UnboundedSender<Message> {
    let (sender, mut receiver) = unbounded_channel();
    let (own, life) = (sender.clone(), Life::new());
    tokio::spawn(async move {
        let mut latch = None::<Latch>;
        while let Some(message) = receiver.recv().await {
            match message {
                Message::Down(down) => {
                    if life.watching.take(&down) {
                        deaths.told(me);
                        if let Some(latch) = latch.take() {
                            latch.hit();
                        }
                    }
                }
                Message::Watch { target, told, ready } => {
                    latch = Some(told);
                    life.watching.monitor(&own, &target);
                    ready.hit();
                }
            }
        }
    });
    sender
}

pub fn run(row: &str, n: u64) -> Measured {
    if row != "L" {
        return Err("its actors have no threads");
    }
    let stage = |deaths: Arc<Deaths>, size: usize| -> Box<dyn FnMut()> {
        let watchers: Vec<_> = (0..size).map(|me| watcher(Arc::clone(&deaths), me)).collect();
        Box::new(move || {
            let (target, vital) = mortal(Arc::clone(&deaths));
            let (told, ready) = (Latch::new(size as u64), Latch::new(size as u64));
            for watcher in &watchers {
                let (target, told, ready) = (Arc::clone(&vital), told.clone(), ready.clone());
                assert!(watcher.send(Message::Watch { target, told, ready }).is_ok());
            }
            ready.wait();
            drop(target);
            told.wait();
        })
    };
    let load = || {
        for _ in 0..LOAD_PAIRS {
            ring(2, u64::MAX, &Latch::new(1));
        }
    };
    Ok(latencies(n, &[1, 10, 1_000, 100_000], stage, load))
}
