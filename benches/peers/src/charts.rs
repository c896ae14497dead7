//! Charts, as SVG: nothing is drawn with a font of this machine.

use std::error::Error;
use std::path::Path;

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::report::{CROWDS, SHARES, STATES, WAITING, show};
use crate::results::{Figure, Results};
use crate::rows::{ROWS, SYSTEMS, Unit};

const COLOURS: [RGBColor; 8] = [
    RGBColor(200, 30, 30),
    RGBColor(60, 60, 60),
    RGBColor(70, 120, 200),
    RGBColor(90, 170, 90),
    RGBColor(230, 160, 40),
    RGBColor(140, 100, 190),
    RGBColor(100, 190, 200),
    RGBColor(180, 130, 100),
];

fn colour(system: &str) -> RGBColor {
    COLOURS[SYSTEMS.iter().position(|known| *known == system).unwrap_or(1) % COLOURS.len()]
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Done = Result<(), Box<dyn Error>>;

struct Bars {
    file: &'static str,
    title: &'static str,
    pass: &'static str,
    unit: Unit,
    rows: &'static [&'static str],
}

const BARS: [Bars; 5] = [
    Bars {
        file: "deaths",
        title: "Deaths, a second; two workers",
        pass: "many",
        unit: Unit::Rate,
        rows: &["M1", "M2a", "M2b", "M2c", "M3", "M3c"],
    },
    Bars {
        file: "deaths-one-core",
        title: "Deaths, a second; one core",
        pass: "one",
        unit: Unit::Rate,
        rows: &["M1", "M2a", "M2b", "M2c", "M3", "M3c"],
    },
    Bars {
        file: "messages",
        title: "Messages, a second; two workers",
        pass: "many",
        unit: Unit::Rate,
        rows: &["W1", "W2", "W3", "W4o", "W4i", "W5", "W6", "W7", "W8", "W9"],
    },
    Bars {
        file: "messages-one-core",
        title: "Messages, a second; one core",
        pass: "one",
        unit: Unit::Rate,
        rows: &["W1", "W2", "W3", "W4o", "W4i", "W5", "W6", "W7", "W8", "W9"],
    },
    Bars {
        file: "bytes",
        title: "Bytes of a live monitor and of an idle actor",
        pass: "many",
        unit: Unit::Bytes,
        rows: &["M7", "W7m"],
    },
];

fn label(at: (i32, i32), text: String, size: u32, area: &Area, centred: bool) -> Done {
    let h = if centred { HPos::Center } else { HPos::Left };
    let style = ("sans-serif", size).into_font().color(&BLACK).pos(Pos::new(h, VPos::Top));
    area.draw(&Text::new(text, at, style))?;
    Ok(())
}

/// One line of squares and names.
fn legend(area: &Area, entries: &[(String, RGBColor)], y: i32) -> Done {
    let mut x = 90;
    for (name, colour) in entries {
        area.draw(&Rectangle::new([(x, y + 1), (x + 12, y + 13)], colour.filled()))?;
        label((x + 17, y), name.clone(), 14, area, false)?;
        x += 40 + 8 * name.len() as i32;
    }
    Ok(())
}

/// The nearest power of ten below, and above.
fn decades(all: &[f64]) -> (f64, f64) {
    let least = all.iter().copied().fold(f64::INFINITY, f64::min);
    let most = all.iter().copied().fold(0.0, f64::max);
    (10f64.powf(least.log10().floor()), 10f64.powf((most * 1.05).log10().ceil()))
}

/// Bars side by side for each row, on a logarithmic scale, with the least and the most as whiskers.
fn bars(results: &Results, chart: &Bars, folder: &Path) -> Result<bool, Box<dyn Error>> {
    let systems = results.systems();
    let of = |row: &str, system: &str| -> Option<Figure> {
        results.figure(chart.pass, system, row, "value").filter(|figure| figure.min > 0.0)
    };
    let rows: Vec<&str> = chart
        .rows
        .iter()
        .copied()
        .filter(|row| systems.iter().any(|system| of(row, system).is_some()))
        .collect();
    let figures: Vec<Figure> =
        rows.iter().flat_map(|row| systems.iter().filter_map(|system| of(row, system))).collect();
    if figures.is_empty() {
        return Ok(false);
    }
    let (low, high) =
        decades(&figures.iter().flat_map(|figure| [figure.min, figure.max]).collect::<Vec<_>>());
    let path = folder.join(format!("{}.svg", chart.file));
    let root = SVGBackend::new(&path, (1_100, 480)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut plot = ChartBuilder::on(&root)
        .caption(chart.title, ("sans-serif", 20))
        .margin(10)
        .margin_bottom(50)
        .y_label_area_size(80)
        .build_cartesian_2d(0.0..rows.len() as f64, (low..high).log_scale())?;
    plot.configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .y_label_formatter(&|value| show(chart.unit, *value))
        .light_line_style(RGBColor(240, 240, 240))
        .draw()?;
    let width = 0.86 / systems.len() as f64;
    for (place, row) in rows.iter().enumerate() {
        for (turn, system) in systems.iter().enumerate() {
            let Some(figure) = of(row, system) else { continue };
            let left = place as f64 + 0.07 + width * turn as f64;
            let bar = [(left, low), (left + width * 0.9, figure.median)];
            plot.draw_series([Rectangle::new(bar, colour(system).filled())])?;
            let middle = left + width * 0.45;
            let whisker = vec![(middle, figure.min), (middle, figure.max)];
            plot.draw_series([PathElement::new(whisker, BLACK.stroke_width(1))])?;
        }
        let (x, y) = plot.backend_coord(&(place as f64 + 0.5, low));
        let what = if rows.len() > 2 { (*row).to_owned() } else { what(row) };
        label((x, y + 6), what, 14, &root, true)?;
    }
    let entries: Vec<_> = systems.iter().map(|system| ((*system).to_owned(), colour(system))).collect();
    legend(&root, &entries, 452)?;
    root.present()?;
    Ok(true)
}

fn what(row: &str) -> String {
    ROWS.iter().find(|known| known.id == row).map_or(row.into(), |known| format!("{row}: {}", known.what))
}

type Plane<'a> = Cartesian2d<RangedCoordf64, plotters::coord::combinators::LogCoord<f64>>;

/// A line for each system and share, over the number of watchers; the states side by side.
fn latencies(results: &Results, folder: &Path) -> Result<bool, Box<dyn Error>> {
    let of = |system: &str, row: &str, share: &str, state: &str, crowd: &str| {
        let figure = results.figure("many", system, row, &format!("{share}_{state}_{crowd}"));
        figure.map(|figure| figure.median).filter(|median| *median > 0.0)
    };
    let mut all = Vec::new();
    for (system, row, _) in WAITING {
        for (share, _) in SHARES {
            all.extend(STATES.iter().flat_map(|state| {
                CROWDS.iter().filter_map(move |crowd| of(system, row, share, state, crowd))
            }));
        }
    }
    if all.is_empty() {
        return Ok(false);
    }
    let (low, high) = decades(&all);
    let path = folder.join("latency.svg");
    let root = SVGBackend::new(&path, (1_100, 480)).into_drawing_area();
    root.fill(&WHITE)?;
    let (plots, _) = root.split_vertically(440);
    for (panel, state) in plots.split_evenly((1, 2)).iter().zip(STATES) {
        let mut plot: ChartContext<SVGBackend, Plane> = ChartBuilder::on(panel)
            .caption(format!("From a death to its Down handled, by watchers; {state}"), ("sans-serif", 18))
            .margin(10)
            .margin_bottom(30)
            .y_label_area_size(70)
            .build_cartesian_2d(-0.3..CROWDS.len() as f64 - 0.7, (low..high).log_scale())?;
        plot.configure_mesh()
            .disable_x_mesh()
            .disable_x_axis()
            .y_label_formatter(&|value| show(Unit::Nanos, *value))
            .light_line_style(RGBColor(240, 240, 240))
            .draw()?;
        for (nth, (system, row, _)) in WAITING.into_iter().enumerate() {
            for (dash, (share, _)) in SHARES.into_iter().enumerate() {
                let points: Vec<(f64, f64)> = CROWDS
                    .iter()
                    .enumerate()
                    .filter_map(|(place, crowd)| Some((place as f64, of(system, row, share, state, crowd)?)))
                    .collect();
                let style = waiting_colour(nth).stroke_width(3 - dash as u32);
                plot.draw_series([PathElement::new(points.clone(), style)])?;
                plot.draw_series(
                    points.into_iter().map(|at| Circle::new(at, 4 - dash as i32, style.filled())),
                )?;
            }
        }
        for (place, crowd) in CROWDS.iter().enumerate() {
            let (x, y) = plot.backend_coord(&(place as f64, low));
            label((x, y + 6), (*crowd).to_owned(), 13, &root, true)?;
        }
    }
    let mut entries: Vec<_> = WAITING
        .iter()
        .enumerate()
        .map(|(nth, (.., name))| ((*name).to_owned(), waiting_colour(nth)))
        .collect();
    entries.push(("thick p50, middle p99, thin p99.9".into(), RGBColor(220, 220, 220)));
    legend(&root, &entries, 452)?;
    root.present()?;
    Ok(true)
}

fn waiting_colour(nth: usize) -> RGBColor {
    [COLOURS[0], COLOURS[4], COLOURS[1]][nth % 3]
}

/// Draws what there are figures for; answers with the names of the files.
pub fn draw(results: &Results, folder: &Path) -> Result<Vec<&'static str>, String> {
    let mut drawn = Vec::new();
    for chart in &BARS {
        if bars(results, chart, folder).map_err(|error| format!("{}: {error}", chart.file))? {
            drawn.push(chart.file);
        }
    }
    if latencies(results, folder).map_err(|error| format!("latency: {error}"))? {
        drawn.push("latency");
    }
    Ok(drawn)
}
