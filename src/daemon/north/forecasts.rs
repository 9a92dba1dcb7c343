//! Forecasts that are written to registers, on their way into the process image.

use memg_north::forecasts::{Forecasts, Take, Told};
use memg_plant_io::forecast::{Forecast, Span};
use memg_plant_io::image::ProcessImage;
use memg_settings::Settings;
use std::sync::Arc;
use tokio::time::Instant;

/// Takes what the configuration lets services write; `None`: nothing.
pub(super) fn forecasts(settings: &Settings, image: &ProcessImage) -> Option<Forecasts> {
    let quantities = &settings.north.forecasts.quantities;
    let places: Vec<_> = settings.points.outlook.iter().copied().zip(settings.points.series.iter().copied()).collect();
    let image = image.clone();
    let take = move |told: &Told| {
        let place = places.iter().find(|(quantity, _)| *quantity == told.quantity);
        if let (Some((_, id)), Some(forecast)) = (place, Forecast::new(spans(told))) {
            image.publish_series(Instant::now(), *id, forecast);
        }
    };
    (!quantities.is_empty()).then(|| Forecasts::new(quantities, Take(Arc::new(take))))
}

fn spans(told: &Told) -> Vec<Span> {
    let (begin_ms, step_ms) = (i64::from(told.begin_s) * 1000, i64::from(told.step_s) * 1000);
    let begins = (0..).map(|place: i64| begin_ms + place * step_ms);
    let span =
        |(from_ms, value): (i64, &Option<f64>)| value.map(|value| Span { from_ms, until_ms: from_ms + step_ms, value });
    begins.zip(&told.values).filter_map(span).collect()
}
