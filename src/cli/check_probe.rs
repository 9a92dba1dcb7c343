//! `gateway check --probe`: every point once, and the topics for some seconds.

use anyhow::Result;
use memg_commission::live;
use memg_commission::reading::{Reading, read};
use memg_settings::Settings;
use std::process::ExitCode;
use std::time::Duration;

/// How long topics are listened to.
const LISTEN: Duration = Duration::from_secs(10);

pub(super) fn probe(settings: &Settings) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut lost = 0;
    for device in &settings.devices {
        println!("\nProbe of {} ({})", device.name, device.transport);
        for reading in runtime.block_on(read(device, settings)) {
            lost += usize::from(reading.needed && reading.value.is_none() && reading.text.is_none());
            print(&reading);
        }
    }
    lost += runtime.block_on(topics(settings));
    if lost > 0 {
        eprintln!("{lost} values that control cannot do without could not be read.");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(reading: &Reading) {
    let value = match (reading.value, &reading.text) {
        (Some(value), _) => format!("{value} {}", reading.unit),
        (None, Some(text)) => format!("{text:?}"),
        (None, None) => "-".to_owned(),
    };
    let trouble = reading.trouble.as_deref().unwrap_or_default();
    let optional = if reading.needed || reading.trouble.is_none() { "" } else { " (optional)" };
    println!("  {:<28} {value:<24} [{}] {trouble}{optional}", reading.point, reading.raw);
}

/// Listens to the inputs; how many required ones brought nothing.
async fn topics(settings: &Settings) -> usize {
    let Some(mqtt) = &settings.mqtt else { return 0 };
    println!("\nListening to {} topics for {} s", mqtt.inputs.len(), LISTEN.as_secs());
    let seen = live::listen_to_inputs(settings, LISTEN).await;
    let reports = match seen {
        Ok(seen) => seen,
        Err(why) => {
            println!("  {why}");
            return mqtt.inputs.len();
        }
    };
    let mut lost = 0;
    for heard in reports {
        lost += usize::from(heard.needed && heard.value.is_none());
        let value = heard.value.map_or_else(|| "-".to_owned(), |value| format!("{value} {}", heard.unit));
        let trouble = heard.trouble.as_deref().unwrap_or_default();
        let optional = if heard.needed || heard.trouble.is_none() { "" } else { " (optional)" };
        println!("  {:<28} {:<26} {value:<18} {trouble}{optional}", heard.topic, heard.name);
    }
    lost
}
