//! What is added to the paper's TD3, each piece against a plain formula.

use super::average::Average;
use super::environment::EpisodeMaker;
use super::fused::{NamedTensor, Td3Config, Td3Kernel, Threads};
use super::normaliser::Normaliser;
use super::settings::Td3Settings;
use crate::TrainConfig;
use crate::gradient::episode::{EpisodeSource, Variation};
use memg_core::equipment::Plant;
use memg_core::observation::{Schema, place};
use memg_core::reward::RunningRisk;
use memg_core::synthetic;

const STEPS: usize = 48;

fn episodes() -> EpisodeMaker {
    let (plant, profile) = (Plant::reference(), synthetic::profile(5, 1));
    let source = EpisodeSource::new(plant, Schema::TenD, profile, STEPS);
    let variation = Variation { steps: STEPS, window_days: 2, wide: 0.2, scale: 0.1, all_day: 0.0 };
    EpisodeMaker { plant, source, forecaster: None, variation, steps: STEPS }
}

fn kernel(seed: u64) -> Td3Kernel {
    Td3Kernel::new(Schema::TenD.len(), &Td3Config::default(), seed, Threads::exactly(1))
}

/// A kernel's actor with its last layer a hundred times as large, so that actions are far from 0.
fn lively_actor(seed: u64) -> Vec<NamedTensor> {
    let mut actor = kernel(seed).export_actor();
    for tensor in actor.iter_mut().filter(|tensor| tensor.name.contains("l3")) {
        tensor.data.iter_mut().for_each(|x| *x *= 100.0);
    }
    actor
}

fn acts(actor: &[NamedTensor], observations: &[f32]) -> Vec<f32> {
    let mut kernel = kernel(9);
    kernel.import_actor(actor).unwrap_or_else(|e| panic!("{e}"));
    let mut actions = vec![0.0; observations.len() / Schema::TenD.len() * 3];
    kernel.act(observations, &mut actions);
    actions
}

fn largest_distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

/// What one episode of these actions sees, row after row.
fn seen(episodes: &EpisodeMaker, seed: u64) -> Vec<f32> {
    let mut environment = episodes.fresh(seed);
    let mut rows = environment.observe(Schema::TenD).values().to_vec();
    while environment.live([0.3, -0.2, 0.1]) {
        rows.extend_from_slice(environment.observe(Schema::TenD).values());
    }
    rows
}

#[test]
fn an_exported_actor_acts_on_observations_as_they_are() {
    let episodes = episodes();
    let normaliser = Normaliser::measure(&episodes, Schema::TenD, 3);
    let (actor, raw) = (lively_actor(1), seen(&episodes, 5));
    let mut normalised = raw.clone();
    normaliser.apply(&mut normalised);
    let wanted = acts(&actor, &normalised);
    let distance = largest_distance(&acts(&normaliser.folded(&actor), &raw), &wanted);
    assert!(distance < 1e-5 && largest_distance(&acts(&actor, &raw), &wanted) > 0.01, "{distance}");
    let back = normaliser.unfolded(&normaliser.folded(&actor));
    for (back, tensor) in back.iter().zip(&actor) {
        assert!(largest_distance(&back.data, &tensor.data) < 1e-5, "{}", tensor.name);
    }
}

#[test]
fn normalised_observations_have_mean_0_and_deviation_1() {
    let episodes = episodes();
    let normaliser = Normaliser::measure(&episodes, Schema::TenD, 3);
    let mut rows: Vec<f32> = (0..200).flat_map(|seed| seen(&episodes, 100 + seed)).collect();
    normaliser.apply(&mut rows);
    let prices: Vec<f64> = rows.chunks_exact(10).map(|row| f64::from(row[6])).collect();
    let mean = prices.iter().sum::<f64>() / prices.len() as f64;
    let deviation = (prices.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / prices.len() as f64).sqrt();
    assert!(mean.abs() < 0.2 && (deviation - 1.0).abs() < 0.2, "{mean} {deviation}");
}

#[test]
fn the_origin_is_the_plant_at_rest_as_networks_see_it() {
    let episodes = episodes();
    let normaliser = Normaliser::measure(&episodes, Schema::TenD, 3);
    let mut row = seen(&episodes, 5)[..10].to_vec();
    let mut rest = row.clone();
    (rest[place::SOC], rest[place::CHP_ON]) = (0.5, 0.0);
    [&mut row, &mut rest].into_iter().for_each(|row| normaliser.apply(row));
    assert!(row != rest);
    normaliser.origin(Schema::TenD).put(&mut row);
    assert_eq!(row, rest);
}

#[test]
fn the_average_is_the_mean_of_all_actors_with_falling_weights() {
    let (mut average, share) = (Average::new(0.25, &kernel(1)), 0.25_f32);
    let mut expected = kernel(1).export_actor();
    for seed in 2..6 {
        average.follow(&kernel(seed));
        for (mean, new) in expected.iter_mut().zip(kernel(seed).export_actor()) {
            mean.data.iter_mut().zip(new.data).for_each(|(mean, new)| *mean = (1.0 - share) * *mean + share * new);
        }
    }
    for (found, expected) in average.actor().iter().zip(&expected) {
        assert!(largest_distance(&found.data, &expected.data) < 1e-6, "{}", found.name);
    }
}

/// Rewards of an episode, what its steps cost less than doing nothing apart from `settings`, and its change of SoC.
fn episode(settings: &Td3Settings, seed: u64) -> (f64, f64) {
    let mut environment = episodes().fresh(seed);
    let (mut risk, before) = (RunningRisk::new(0.95, 0.01), environment.now().soc());
    let mut rewards = 0.0;
    while let Some(found) = environment.step([0.8, -1.0, 0.2], settings, &mut risk) {
        rewards += found.reward;
    }
    (rewards, environment.now().soc() - before)
}

#[test]
fn shaping_adds_what_is_left_in_the_battery_and_nothing_else() {
    let plain = Td3Settings::default();
    let shaped = Td3Settings { shaping: 1.0, ..plain };
    let mut worth_of_a_kwh = Vec::new();
    for seed in 0..20 {
        let ((without, change), (with, again)) = (episode(&plain, seed), episode(&shaped, seed));
        assert_eq!(change, again);
        if change.abs() > 0.05 {
            worth_of_a_kwh.push((with - without) / (plain.reward_scale * change * 100.0));
        }
    }
    let [low, high] = memg_core::extended::extent(worth_of_a_kwh.iter().copied()).unwrap_or_default();
    assert!(worth_of_a_kwh.len() > 5 && low > 0.02 && high < 0.6, "{worth_of_a_kwh:?}");
}

#[test]
fn rewards_are_scaled_as_asked() {
    let plain = Td3Settings { correction: 0.0, ..Td3Settings::default() };
    let (half, _) = episode(&plain, 4);
    let (whole, _) = episode(&Td3Settings { reward_scale: 1.0, ..plain }, 4);
    assert!(half != 0.0 && (whole - 2.0 * half).abs() < 1e-9, "{half} {whole}");
}

#[test]
fn numbers_out_of_range_are_named() {
    let wrong = Td3Settings { average: 1.5, rate_at_end: -0.1, reward_scale: 0.0, ..Td3Settings::default() };
    let wrong = TrainConfig { td3: wrong, ..TrainConfig::default() };
    let problems = wrong.problems().join("\n");
    for key in ["td3.average", "td3.rate_at_end", "td3.reward_scale"] {
        assert!(problems.contains(key), "{key}: {problems}");
    }
}
