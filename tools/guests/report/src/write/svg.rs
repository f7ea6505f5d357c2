//! A chart as a picture within a web page.

use std::f64::consts::TAU;
use std::fmt::Write as _;
use std::iter::once;

use rust_decimal::Decimal;
use tables::cell::{Cell, exact};

use super::escaped;
use crate::figures::{grouped, written};
use crate::outline::{COLOURS, Chart, Series, Shape};

/// The picture's size and the frame within, in its own units.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 740.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 310.0;
/// Marks on the axis of values that are aimed at.
const MARKS: f64 = 5.0;
/// Characters of a label; more would run into its neighbours.
const LABEL: usize = 18;
/// Labels up to which they stand level.
const LEVEL: usize = 7;

pub(super) fn text(chart: &Chart) -> String {
    let title = escaped(&chart.title);
    let body = match chart.shape {
        Shape::Bar | Shape::Line => plot(chart),
        Shape::Pie => pie(chart),
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
role=\"img\" aria-label=\"{title}\" font-family=\"system-ui,sans-serif\" font-size=\"12\">\
<text x=\"{:.0}\" y=\"20\" text-anchor=\"middle\" font-size=\"15\">{title}</text>\n{body}</svg>",
        WIDTH / 2.0
    )
}

/// The axis of values: from where to where, and a mark at every step.
struct Scale {
    low: f64,
    high: f64,
    step: f64,
}

impl Scale {
    /// Zero is always on it, since bars are compared by their lengths.
    fn of(series: &[Series]) -> Self {
        let values = || {
            series
                .iter()
                .flat_map(|s| s.values.iter().flatten().copied())
        };
        let least = values().fold(0.0, f64::min);
        let most = values().fold(0.0, f64::max);
        let span = if most > least { most - least } else { 1.0 };
        let step = round_step(span / MARKS);
        Self {
            low: (least / step).floor() * step,
            high: if most > least {
                (most / step).ceil() * step
            } else {
                1.0
            },
            step,
        }
    }

    fn y(&self, value: f64) -> f64 {
        BOTTOM - (value - self.low) / (self.high - self.low) * (BOTTOM - TOP)
    }

    fn marks(&self) -> impl Iterator<Item = f64> + '_ {
        let count = ((self.high - self.low) / self.step).round();
        let each = (0u16..).take_while(move |at| f64::from(*at) <= count);
        each.map(|at| self.low + f64::from(at) * self.step)
    }

    fn label(&self, mark: f64) -> String {
        let decimals = (-self.step.log10()).ceil().clamp(0.0, 8.0) as u32;
        let number = exact(mark).map(|mark: Decimal| grouped(mark, decimals));
        number.unwrap_or_else(|| format!("{mark:e}"))
    }
}

/// 1, 2 or 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let times = least / power;
    let round = [1.0, 2.0, 5.0].into_iter().find(|round| times <= *round);
    round.unwrap_or(10.0) * power
}

fn plot(chart: &Chart) -> String {
    let scale = Scale::of(&chart.series);
    let mut text = String::new();
    for mark in scale.marks() {
        let (y, label) = (scale.y(mark), escaped(&scale.label(mark)));
        let _ = writeln!(
            text,
            "<path d=\"M{LEFT} {y:.1}H{RIGHT}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 6.0,
            y + 4.0
        );
    }
    let slots = Slots::of(chart.categories.len());
    for (at, name) in chart.categories.iter().enumerate() {
        text.push_str(&slots.label(at, name));
    }
    for (of, (series, colour)) in chart.series.iter().zip(COLOURS.iter().cycle()).enumerate() {
        text.push_str(&match chart.shape {
            Shape::Line => line(series, colour, &slots, &scale),
            Shape::Bar | Shape::Pie => bars(chart, of, colour, &slots, &scale),
        });
    }
    let _ = write!(
        text,
        "<path d=\"M{LEFT} {:.1}H{RIGHT}\" stroke=\"#444\"/>",
        scale.y(0.0)
    );
    if chart.series.len() > 1 {
        text.push_str(&legend(chart.series.iter().map(|s| s.name.as_str())));
    }
    text
}

/// Where each category stands.
struct Slots {
    count: usize,
    width: f64,
}

impl Slots {
    fn of(count: usize) -> Self {
        Self {
            count,
            width: (RIGHT - LEFT) / count.max(1) as f64,
        }
    }

    fn middle(&self, at: usize) -> f64 {
        LEFT + (at as f64 + 0.5) * self.width
    }

    fn label(&self, at: usize, name: &str) -> String {
        let (x, y) = (self.middle(at), BOTTOM + 18.0);
        let name = escaped(&short(name));
        if self.count <= LEVEL {
            format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{name}</text>\n")
        } else {
            format!(
                "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"end\" transform=\"rotate(-40 {x:.1} {y:.1})\">{name}</text>\n"
            )
        }
    }
}

fn short(name: &str) -> String {
    match name.char_indices().nth(LABEL) {
        Some((end, _)) => name.get(..end).into_iter().chain(once("…")).collect(),
        None => name.to_owned(),
    }
}

fn told(series: &Series, category: &str, value: f64) -> String {
    let value = written(&Cell::number(value), series.numbers);
    escaped(&format!("{category}: {value}"))
}

/// The series that is the one `of` this place, its bars beside those of the others.
fn bars(chart: &Chart, of: usize, colour: &str, slots: &Slots, scale: &Scale) -> String {
    let mut text = String::new();
    let Some(series) = chart.series.get(of) else {
        return text;
    };
    let width = slots.width * 0.7 / chart.series.len().max(1) as f64;
    let each = series.values.iter().zip(&chart.categories).enumerate();
    for (at, (value, category)) in each {
        let Some(value) = *value else { continue };
        let x = slots.middle(at) - slots.width * 0.35 + of as f64 * width;
        let (top, zero) = (scale.y(value.max(0.0)), scale.y(value.min(0.0)));
        let _ = writeln!(
            text,
            "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"#{colour}\"><title>{}</title></rect>",
            zero - top,
            told(series, category, value)
        );
    }
    text
}

fn line(series: &Series, colour: &str, slots: &Slots, scale: &Scale) -> String {
    let (mut path, mut dots) = (String::new(), String::new());
    let mut drawn = false;
    for (at, value) in series.values.iter().enumerate() {
        let Some(value) = *value else {
            drawn = false;
            continue;
        };
        let (x, y) = (slots.middle(at), scale.y(value));
        let _ = write!(path, "{}{x:.1} {y:.1}", if drawn { 'L' } else { 'M' });
        let _ = write!(
            dots,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"#{colour}\"/>"
        );
        drawn = true;
    }
    format!("<path d=\"{path}\" fill=\"none\" stroke=\"#{colour}\" stroke-width=\"2\"/>{dots}\n")
}

fn pie(chart: &Chart) -> String {
    let Some(series) = chart.series.first() else {
        return String::new();
    };
    let values = || series.values.iter().map(|value| value.unwrap_or(0.0));
    let whole: f64 = values().sum();
    let (x, y, radius) = (200.0, 225.0, 150.0);
    let point = |turn: f64| {
        let angle = turn * TAU;
        format!(
            "{:.1} {:.1}",
            x + radius * angle.sin(),
            y - radius * angle.cos()
        )
    };
    let (mut text, mut from) = (String::new(), 0.0);
    let each = values().zip(&chart.categories).zip(COLOURS.iter().cycle());
    for ((value, category), colour) in each {
        let part = value / whole;
        let to = from + part;
        let large = u8::from(part > 0.5);
        // A whole circle has no arc that says which way round it goes.
        let shape = if part > 0.9999 {
            format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"#{colour}\">")
        } else {
            format!(
                "<path d=\"M{x} {y}L{}A{radius} {radius} 0 {large} 1 {}Z\" fill=\"#{colour}\" stroke=\"#fff\">",
                point(from),
                point(to)
            )
        };
        let close = if part > 0.9999 { "circle" } else { "path" };
        let told = told(series, category, value);
        let _ = writeln!(text, "{shape}<title>{told}</title></{close}>");
        from = to;
    }
    let named = chart.categories.iter().zip(values());
    let names =
        named.map(|(name, value)| format!("{}  {:.1} %", short(name), value / whole * 100.0));
    text + &beside(names)
}

/// Names with their colours in one line above the frame.
fn legend<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for ((at, name), colour) in names.enumerate().zip(COLOURS.iter().cycle()) {
        let x = LEFT + at as f64 * 160.0;
        text.push_str(&key(x, 34.0, colour, name));
    }
    text
}

/// Names with their colours below one another, beside a pie; in two columns where they are many.
fn beside(names: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for ((at, name), colour) in names.enumerate().zip(COLOURS.iter().cycle()) {
        let (column, row) = ((at / 20) as f64, (at % 20) as f64);
        text.push_str(&key(
            390.0 + column * 190.0,
            50.0 + row * 18.0,
            colour,
            &name,
        ));
    }
    text
}

fn key(x: f64, y: f64, colour: &str, name: &str) -> String {
    format!(
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"12\" height=\"12\" fill=\"#{colour}\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
        x + 18.0,
        y + 10.5,
        escaped(name)
    )
}
