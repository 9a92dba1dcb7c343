//! Takes the values of `[[mqtt.inputs]]` without being the gateway: for `gateway check --probe` and `gateway doctor`.

use super::clock::Clock;
use super::inputs::Inputs;
use super::payload::Rejection;
use super::settings::MqttSettings;
use super::visitor::{Heard, Visitor};
use crate::image::{PointId, ProcessImage};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;

/// What was heard on a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicReport {
    /// Messages.
    pub count: u64,
    /// Why the last one that was not believed was not.
    pub rejection: Option<Rejection>,
    /// The broker does not let it be read.
    pub refused: bool,
}

/// Listens for a time and publishes what comes into the image; a report for every topic of the inputs.
///
/// # Errors
/// The broker could not be reached, or the connection broke.
pub async fn listen(
    settings: &MqttSettings,
    points: &[PointId],
    image: &ProcessImage,
    duration: Duration,
) -> Result<BTreeMap<String, TopicReport>, String> {
    let pairs = settings.inputs.iter().cloned().zip(points.iter().copied());
    let mut inputs = Inputs::new(settings.connection.trust, pairs);
    let topics: Vec<String> = inputs.topics().map(ToOwned::to_owned).collect();
    let mut reports: BTreeMap<String, TopicReport> =
        topics.iter().map(|topic| (topic.clone(), TopicReport::default())).collect();
    let clock = Clock::system();
    let mut visitor = timeout(super::link::CONNECT_TIMEOUT, Visitor::visit(&settings.connection, "doctor"))
        .await
        .map_err(|_| "the broker does not answer".to_owned())??;
    let hearing = async {
        for topic in visitor.subscribe(&topics).await? {
            reports.entry(topic).or_default().refused = true;
        }
        loop {
            take(&visitor.next().await?, &mut inputs, image, &clock, &mut reports);
        }
    };
    let ended: Result<Result<(), String>, _> = timeout(duration, hearing).await;
    if let Ok(Err(broken)) = ended {
        return Err(broken);
    }
    visitor.leave().await;
    Ok(reports)
}

fn take(
    heard: &Heard,
    inputs: &mut Inputs,
    image: &ProcessImage,
    clock: &Clock,
    reports: &mut BTreeMap<String, TopicReport>,
) {
    let received = inputs.receive(heard.message(), clock.now());
    for timed in &received.updates {
        image.publish(timed.at, &[(timed.id, timed.update)]);
    }
    let report = reports.entry(heard.topic.clone()).or_default();
    report.count += 1;
    report.rejection = received.rejection.or(report.rejection);
}
