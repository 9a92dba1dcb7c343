//! Curves as inline SVG, with round numbers at the axes.

use std::fmt::Write;

/// Points of a curve.
pub type Points = Vec<(f64, f64)>;

/// A line in a chart.
pub struct Curve {
    /// What the legend calls it.
    pub name: String,
    /// A CSS colour.
    pub colour: &'static str,
    /// Points from left to right; those that are not finite are left out.
    pub points: Points,
}

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 30.0;
/// Lines across a chart at most, those at the borders not counted.
const TICKS_MAX: f64 = 6.0;

/// One direction of a chart.
struct Axis {
    low: f64,
    high: f64,
    step: f64,
    decimals: usize,
}

impl Axis {
    /// Holds all values; with `round` its ends lie at ticks.
    fn new(values: impl Iterator<Item = f64>, round: bool) -> Self {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = match (low < high, low.is_finite()) {
            (true, _) => (low, high),
            (false, true) => (low - 0.5, low + 0.5),
            (false, false) => (0.0, 1.0),
        };
        let step = round_step((high - low) / TICKS_MAX);
        let decimals = (f64::from(u8::from(is_quarter(step))) - step.log10().floor()).max(0.0) as usize;
        let (low, high) = if round { ((low / step).floor() * step, (high / step).ceil() * step) } else { (low, high) };
        Self { low, high, step, decimals }
    }

    /// Position of a value, from 0 to 1.
    fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> + '_ {
        let first = (self.low / self.step - 1e-6).ceil() as i64;
        let last = (self.high / self.step + 1e-6).floor() as i64;
        (first..=last).map(|i| i as f64 * self.step)
    }

    fn label(&self, value: f64) -> String {
        let text = format!("{value:.*}", self.decimals);
        if text.trim_start_matches('-').chars().all(|c| c == '0' || c == '.') { "0".to_owned() } else { text }
    }
}

/// The next of 1, 2, 2.5 and 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10.0_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 2.5, 5.0].into_iter().find(|factor| factor * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

fn is_quarter(step: f64) -> bool {
    let mantissa = step / 10.0_f64.powf(step.log10().floor());
    (mantissa - 2.5).abs() < 1e-6
}

/// The chart as an SVG element; `x_label` names the horizontal axis.
pub fn svg_chart(curves: &[Curve], x_label: &str) -> String {
    let all = || curves.iter().flat_map(|curve| &curve.points).filter(|(x, y)| x.is_finite() && y.is_finite());
    let (x, y) = (Axis::new(all().map(|p| p.0), false), Axis::new(all().map(|p| p.1), true));
    let across = |value: f64| LEFT + x.share(value) * (WIDTH - LEFT - RIGHT);
    let up = |value: f64| HEIGHT - BOTTOM - y.share(value) * (HEIGHT - BOTTOM - TOP);
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\">");
    for tick in y.ticks() {
        let colour = if tick.abs() < 0.5 * y.step { "#bbb" } else { "#eee" };
        let (right, at, label) = (WIDTH - RIGHT, up(tick), y.label(tick));
        put(&mut svg, format_args!("<line x1={LEFT} x2={right} y1={at:.1} y2={at:.1} stroke=\"{colour}\"/>"));
        put(&mut svg, format_args!("<text x={} y={:.1} text-anchor=end>{label}</text>", LEFT - 6.0, at + 4.0));
    }
    for tick in x.ticks() {
        let (at, below, label) = (across(tick), HEIGHT - 14.0, x.label(tick));
        put(&mut svg, format_args!("<text x={at:.1} y={below} text-anchor=middle>{label}</text>"));
    }
    let mut legend_at = LEFT + 10.0;
    for curve in curves {
        let finite = curve.points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
        let points: Vec<String> = finite.map(|p| format!("{:.1},{:.1}", across(p.0), up(p.1))).collect();
        let (colour, points) = (curve.colour, points.join(" "));
        put(&mut svg, format_args!("<polyline fill=none stroke=\"{colour}\" stroke-width=1.5 points=\"{points}\"/>"));
        put(&mut svg, format_args!("<text x={legend_at} y=12 style=\"fill:{colour}\">{}</text>", curve.name));
        legend_at += 30.0 + 6.5 * curve.name.len() as f64;
    }
    put(
        &mut svg,
        format_args!("<text x={} y={} text-anchor=end>{x_label}</text></svg>\n", WIDTH - RIGHT, HEIGHT - 4.0),
    );
    svg
}

fn put(svg: &mut String, text: std::fmt::Arguments<'_>) {
    let written = svg.write_fmt(text);
    debug_assert!(written.is_ok(), "a string takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_around_the_values() {
        for (values, first, last, count) in [
            ([-50.0, 18.905], "-60", "20", 5),
            ([0.396, 1.221], "0.2", "1.4", 7),
            ([0.0, 13_300.0], "0", "15000", 7),
            ([0.0312, 0.18], "0.025", "0.200", 8),
            ([3.0, 3.0], "2.4", "3.6", 7),
        ] {
            let axis = Axis::new(values.into_iter(), true);
            let labels: Vec<String> = axis.ticks().map(|tick| axis.label(tick)).collect();
            assert_eq!((labels[0].as_str(), labels[labels.len() - 1].as_str(), labels.len()), (first, last, count));
        }
    }
}
