//! A recorder that keeps all it is told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};

type Named<T> = Mutex<BTreeMap<String, Arc<T>>>;

#[derive(Default)]
pub struct Board {
    counters: Named<AtomicU64>,
    gauges: Named<AtomicU64>,
    histograms: Named<Samples>,
}

#[derive(Default)]
struct Samples(Mutex<Vec<f64>>);

impl HistogramFn for Samples {
    fn record(&self, value: f64) {
        self.0.lock().expect("nobody panics here").push(value);
    }
}

/// The one that is installed.
pub fn board() -> &'static Board {
    static BOARD: OnceLock<Board> = OnceLock::new();
    let mut first = false;
    let board = BOARD.get_or_init(|| {
        first = true;
        Board::default()
    });
    if first {
        metrics::set_global_recorder(board).map_err(|_| ()).expect("there is no other");
    }
    board
}

fn named<T: Default>(all: &Named<T>, key: &Key) -> Arc<T> {
    let labels: Vec<String> =
        key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
    let name = if labels.is_empty() {
        key.name().to_owned()
    } else {
        format!("{}{{{}}}", key.name(), labels.join(","))
    };
    Arc::clone(all.lock().expect("nobody panics here").entry(name).or_default())
}

impl Recorder for &'static Board {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        named(&self.counters, key).into()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        named(&self.gauges, key).into()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        named(&self.histograms, key).into()
    }
}

impl Board {
    pub fn counter(&self, name: &str) -> u64 {
        let counters = self.counters.lock().expect("nobody panics here");
        counters.get(name).map_or(0, |counter| counter.load(Ordering::SeqCst))
    }

    pub fn gauge(&self, name: &str) -> f64 {
        let gauges = self.gauges.lock().expect("nobody panics here");
        gauges.get(name).map_or(0.0, |gauge| f64::from_bits(gauge.load(Ordering::SeqCst)))
    }

    /// All that was recorded, in order.
    pub fn samples(&self, name: &str) -> Vec<f64> {
        let histograms = self.histograms.lock().expect("nobody panics here");
        histograms
            .get(name)
            .map_or(Vec::new(), |samples| samples.0.lock().expect("nobody panics here").clone())
    }
}
