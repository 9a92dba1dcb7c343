//! Values over stretches of time, as a message told them: prices of a market, forecasts of weather and load.
//!
//! Whatever raster a product has (15 minutes, hours), [`Forecast::mean`] brings it to another one; what the product leaves
//! out stays unknown.

/// A value that holds from one instant to another, ms since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Begin.
    pub from_ms: i64,
    /// End, after the begin.
    pub until_ms: i64,
    /// The mean over the span, in the unit of the quantity.
    pub value: f64,
}

/// Spans in the order of time, none overlapping another.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Forecast {
    spans: Vec<Span>,
}

impl Forecast {
    /// From spans in any order; `None` if two overlap or one does not end after it begins.
    #[must_use]
    pub fn new(mut spans: Vec<Span>) -> Option<Self> {
        spans.sort_by_key(|span| span.from_ms);
        let apart = spans.iter().zip(spans.iter().skip(1)).all(|(one, next)| one.until_ms <= next.from_ms);
        (apart && spans.iter().all(|span| span.from_ms < span.until_ms)).then_some(Self { spans })
    }

    /// The spans, the earliest first.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// `mean = Σ value · overlap / (until − from)`; `None` unless all of the time is covered.
    #[must_use]
    pub fn mean(&self, from_ms: i64, until_ms: i64) -> Option<f64> {
        let whole = until_ms - from_ms;
        let first = self.spans.partition_point(|span| span.until_ms <= from_ms);
        let (mut sum, mut covered) = (0.0, 0);
        for span in self.spans.iter().skip(first).take_while(|span| span.from_ms < until_ms) {
            let overlap = span.until_ms.min(until_ms) - span.from_ms.max(from_ms);
            sum += span.value * (overlap as f64 / whole as f64);
            covered += overlap;
        }
        (whole > 0 && covered == whole).then_some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: i64 = 60_000;

    fn forecast(spans: &[(i64, i64, f64)]) -> Option<Forecast> {
        let span =
            |(from, until, value): &(i64, i64, f64)| Span { from_ms: from * MIN, until_ms: until * MIN, value: *value };
        Forecast::new(spans.iter().map(span).collect())
    }

    #[test]
    fn any_raster_becomes_the_mean_over_what_is_asked_for_and_holes_stay_holes() {
        let hours = forecast(&[(60, 120, 4.0), (0, 60, 2.0), (180, 240, 9.0)]).unwrap();
        let mean = |from: i64, until: i64| hours.mean(from * MIN, until * MIN);
        assert_eq!((mean(0, 15), mean(45, 60), mean(45, 75)), (Some(2.0), Some(2.0), Some(3.0)));
        assert_eq!((mean(105, 135), mean(120, 135), mean(165, 195)), (None, None, None));
        assert_eq!((mean(-15, 15), mean(225, 255), mean(300, 315), mean(15, 15)), (None, None, None, None));
        let quarters = forecast(&[(0, 15, 1.0), (15, 30, 2.0), (30, 45, 3.0), (45, 60, 6.0)]).unwrap();
        assert_eq!(quarters.mean(0, 60 * MIN), Some(3.0));
    }

    #[test]
    fn spans_that_contradict_each_other_are_no_forecast() {
        assert_eq!(forecast(&[(0, 60, 1.0), (30, 90, 2.0)]), None);
        assert_eq!(forecast(&[(0, 60, 1.0), (0, 60, 1.0)]), None);
        assert_eq!(forecast(&[(60, 60, 1.0)]), None);
    }
}
