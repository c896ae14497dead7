//! An HTTP service on axum with an actor for each resource: found by name, started when asked for, and watched.
//!
//! A client talks to it over TCP, makes some resources crash, and is told why; then everything ends in order.
//!
//! `cargo run --release -p http-example`

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use deathwatch::{LookupError, Options, RegisterError, Registry, Runtime, StartError, prelude::*};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// One resource: what is in stock of an item.
#[derive(Actor)]
struct Item {
    stock: u32,
}

#[derive(Message)]
#[reply(u32)]
struct Put(u32);

#[derive(Message)]
#[reply(Result<u32, String>)]
struct Take(u32);

/// A defect, to be had on demand.
#[derive(Message)]
#[reply(u32)]
struct Defect;

impl Handler<Put> for Item {
    async fn handle(&mut self, Put(pieces): Put, _: &Context<Self>) -> u32 {
        self.stock += pieces;
        self.stock
    }
}

impl Handler<Take> for Item {
    async fn handle(&mut self, Take(pieces): Take, _: &Context<Self>) -> Result<u32, String> {
        self.stock = self.stock.checked_sub(pieces).ok_or(format!("only {} left", self.stock))?;
        Ok(self.stock)
    }
}

impl Handler<Defect> for Item {
    async fn handle(&mut self, _: Defect, _: &Context<Self>) -> u32 {
        panic!("a defect, with {} in stock", self.stock);
    }
}

/// Starts items, and is told when one dies.
struct Inventory {
    obituaries: Arc<Mutex<Vec<String>>>,
}

impl Actor for Inventory {}

#[derive(Message)]
#[reply(ActorRef<Item>)]
struct Open(String);

impl Handler<Open> for Inventory {
    async fn handle(&mut self, Open(name): Open, ctx: &Context<Self>) -> ActorRef<Item> {
        let options = Options::new().name(name.clone()).registered(name.clone());
        match ctx.spawn_monitored_with(Item { stock: 0 }, options) {
            Ok((item, _monitor)) => {
                item.clone().detach(); // it has no handle that stays
                item
            }
            // Two asked at the same time.
            Err(StartError::Name(RegisterError::Taken { .. })) => {
                Registry::current().lookup(name.as_str()).expect("this actor starts all items")
            }
            Err(error) => panic!("an item cannot be started: {error}"),
        }
    }
}

impl Handler<Down> for Inventory {
    async fn handle(&mut self, down: Down, _: &Context<Self>) {
        let name = down.name.as_deref().unwrap_or("?");
        self.obituaries.lock().expect("nobody panics here").push(format!("{name}: {}", down.reason));
    }
}

/// What requests of HTTP are answered from.
#[derive(Clone)]
struct Service {
    inventory: ActorRef<Inventory>,
    registry: Registry,
    obituaries: Arc<Mutex<Vec<String>>>,
}

type Answer = Result<String, (StatusCode, String)>;

fn unavailable(error: impl std::fmt::Display) -> (StatusCode, String) {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

impl Service {
    /// The item of that name, started if need be.
    async fn item(&self, name: &str) -> Result<ActorRef<Item>, (StatusCode, String)> {
        match self.registry.lookup(name) {
            Ok(item) => Ok(item),
            Err(LookupError::Unknown) => {
                self.inventory.request(Open(name.to_owned())).await.map_err(unavailable)
            }
            Err(error) => Err(unavailable(error)),
        }
    }
}

#[derive(Deserialize)]
struct Pieces {
    pieces: u32,
}

async fn put(
    State(service): State<Service>,
    Path(name): Path<String>,
    Query(Pieces { pieces }): Query<Pieces>,
) -> Answer {
    let item = service.item(&name).await?;
    item.request(Put(pieces)).await.map(|stock| stock.to_string()).map_err(unavailable)
}

async fn take(
    State(service): State<Service>,
    Path(name): Path<String>,
    Query(Pieces { pieces }): Query<Pieces>,
) -> Answer {
    let item = service.item(&name).await?;
    let taken = item.request(Take(pieces)).await.map_err(unavailable)?;
    taken.map(|stock| stock.to_string()).map_err(|error| (StatusCode::CONFLICT, error))
}

async fn defect(State(service): State<Service>, Path(name): Path<String>) -> Answer {
    let item = service.item(&name).await?;
    item.request(Defect).await.map(|stock| stock.to_string()).map_err(unavailable)
}

async fn obituaries(State(service): State<Service>) -> String {
    service.obituaries.lock().expect("nobody panics here").join("\n")
}

/// What the client does, and what it is told.
fn client(address: &str) -> Result<(), ureq::Error> {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let show = |method: &str, path: &str| {
        let url = format!("http://{address}{path}");
        let mut response =
            if method == "GET" { agent.get(&url).call()? } else { agent.post(&url).send_empty()? };
        let (status, text) = (response.status().as_u16(), response.body_mut().read_to_string()?);
        println!("{method:4} {path:30} {status} {text}");
        Ok::<_, ureq::Error>((status, text))
    };
    assert_eq!(show("POST", "/items/bolts?pieces=10")?, (200, "10".to_owned()));
    assert_eq!(show("POST", "/items/nuts?pieces=3")?, (200, "3".to_owned()));
    assert_eq!(show("GET", "/items/bolts?pieces=4")?, (200, "6".to_owned()));
    assert_eq!(show("GET", "/items/nuts?pieces=4")?, (409, "only 3 left".to_owned()));
    let (status, why) = show("POST", "/items/bolts/defect")?;
    assert!(status == 500 && why.contains("a defect, with 6 in stock"), "{why}");
    // The next one who asks has a new one.
    assert_eq!(show("POST", "/items/bolts?pieces=1")?, (200, "1".to_owned()));
    let (_, deaths) = show("GET", "/obituaries")?;
    assert_eq!(deaths, "bolts: panic: a defect, with 6 in stock");
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = Runtime::new()?; // inside of tokio's, because it is made there
    let obituaries_of = Arc::new(Mutex::default());
    let service = Service {
        inventory: runtime.start(Inventory { obituaries: Arc::clone(&obituaries_of) })?,
        registry: runtime.registry().clone(),
        obituaries: obituaries_of,
    };
    let routes = axum::Router::new()
        .route("/items/{name}", post(put).get(take))
        .route("/items/{name}/defect", post(defect))
        .route("/obituaries", get(obituaries))
        .with_state(service);

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let (done, is_done) = oneshot::channel();
    let client = std::thread::spawn(move || {
        let outcome = client(&address);
        let _ = done.send(());
        outcome
    });
    let stop = async {
        let _ = is_done.await;
    };
    axum::serve(listener, routes).with_graceful_shutdown(stop).await?;
    client.join().expect("the client's assertions hold")?;

    println!("{} actors at the end", runtime.live_actors());
    tokio::task::spawn_blocking(move || runtime.shutdown(Duration::from_secs(5))).await??;
    Ok(())
}
