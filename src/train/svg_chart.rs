//! Curves as inline SVG.

use plotters::prelude::*;

/// Points of a curve.
pub type Points = Vec<(f64, f64)>;

/// A line in a chart.
pub struct Curve {
    /// What the legend calls it.
    pub name: String,
    /// How it is drawn.
    pub colour: RGBColor,
    /// Points from left to right; those that are not finite are left out.
    pub points: Points,
}

const SIZE: (u32, u32) = (800, 260);
/// Room above and below the curves, share of their extent.
const ROOM: f64 = 0.06;

/// The chart as an SVG element; `x_label` names the horizontal axis.
#[must_use]
pub fn svg_chart(curves: &[Curve], x_label: &str) -> String {
    let mut svg = String::new();
    let drawn = draw(&mut svg, curves, x_label);
    debug_assert!(drawn.is_ok(), "a string takes everything: {drawn:?}");
    svg
}

type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

fn draw<'a>(svg: &'a mut String, curves: &[Curve], x_label: &str) -> Drawn<'a> {
    let finite = |curve: &Curve| curve.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    let finite: Vec<Points> = curves.iter().map(finite).collect();
    let all = || finite.iter().flatten();
    let (x, y) = (extent(all().map(|p| p.0), 0.0), extent(all().map(|p| p.1), ROOM));
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(6)
        .margin_right(20)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(x.0..x.1, y.0..y.1)?;
    let grey = RGBColor(225, 225, 225);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(grey)
        .light_line_style(TRANSPARENT)
        .axis_style(RGBColor(150, 150, 150))
        .x_desc(x_label)
        .draw()?;
    for (curve, points) in curves.iter().zip(finite) {
        let style = curve.colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(points, style))?
            .label(curve.name.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    let (over, border) = (WHITE.mix(0.8), grey);
    let place = SeriesLabelPosition::UpperLeft;
    chart.configure_series_labels().position(place).background_style(over).border_style(border).draw()?;
    area.present()
}

/// Least and largest of some values, with room around them; never empty.
fn extent(values: impl Iterator<Item = f64>, room: f64) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    match (low < high, low.is_finite()) {
        (true, _) => (low - room * (high - low), high + room * (high - low)),
        (false, true) => (low - 0.5, low + 0.5),
        (false, false) => (0.0, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(name: &str, points: Points) -> Curve {
        Curve { name: name.to_owned(), colour: BLACK, points }
    }

    #[test]
    fn a_chart_has_its_curves_their_names_and_round_numbers_and_no_hole_breaks_it() {
        let rising: Points = (0..100).map(|i| (f64::from(i), 10.0 * f64::from(i))).collect();
        let holed = vec![(0.0, f64::NAN), (1.0, 500.0), (f64::INFINITY, 1.0), (99.0, 400.0)];
        let svg = svg_chart(&[curve("a < b & c", rising), curve("holed", holed)], "hours");
        for part in ["<svg", "a &lt; b &amp; c\n", "holed\n", "hours\n", "\n500", "</svg>"] {
            assert!(svg.contains(part), "{part:?} is missing in {svg}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn a_point_and_nothing_at_all_are_charts_too() {
        for points in [vec![], vec![(3.0, 3.0)]] {
            assert!(svg_chart(&[curve("one", points)], "x").ends_with("</svg>\n"));
        }
        assert!(svg_chart(&[], "x").ends_with("</svg>\n"));
    }
}
