//! That learning works, repeats and resumes.

use super::config::{Td3Settings, TrainConfig};
use super::gradient::episode::EpisodeSource;
use super::gradient::rollout::Shard;
use super::gradient::rule;
use super::gradient::step::{Given, PlantPoint, Switch, step};
use super::gradient::trainer::GradientTrainer;
use super::run::checkpoint::Checkpoint;
use super::td3::fused;
use super::*;
use memg_core::action::Action;
use memg_core::env::{MemgEnv, Start};
use memg_core::equipment::{Each, PlantParameters};
use memg_core::forecast::{Coefficients, Forecast, REGRESSORS, Ridge};
use memg_core::foreseen::{self, HOURS};
use memg_core::observation::{Divisors, Schema};
use memg_core::policy::PolicyInput;
use memg_core::profile::ProfileRow;
use memg_core::reward::RewardWeights;
use memg_core::synthetic;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::path::Path;
use std::sync::atomic::Ordering;

#[path = "resuming_tests.rs"]
mod resuming;

/// Small enough for a test without optimisation; all three stages.
fn small() -> TrainConfig {
    let mut c = TrainConfig { threads: 1, validate_every: 10, checkpoint_every: 2, ..TrainConfig::default() };
    (c.episodes.steps, c.episodes.window_days) = (48, 2);
    (c.imitation.updates, c.imitation.batch) = (10, 32);
    (c.gradient.updates, c.gradient.episodes) = (10, 2);
    (c.td3.updates, c.td3.critic_first, c.td3.learning_starts, c.td3.batch) = (30, 10, 40, 16);
    (c.td3.environments, c.td3.episode_steps, c.td3.replay) = (2, 24, 1000);
    c
}

fn options(config: TrainConfig, out: &Path) -> TrainOptions {
    TrainOptions {
        beside: Vec::new(),
        config,
        plant: Plant::reference(),
        profile: Arc::new(synthetic::profile(5, 1)),
        data: "synthetic".to_owned(),
        out: out.to_owned(),
        model: None,
        begin: Begin::Fresh,
        force: true,
        command: "test".to_owned(),
        stop: Arc::new(AtomicBool::new(false)),
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"))
}

fn trained(options: &TrainOptions) -> TrainingSummary {
    run(options, &mut |_| {}).unwrap_or_else(|e| panic!("{e}"))
}

/// All tensors of the checkpoint, by name.
fn tensors(dir: &Path) -> Vec<(String, Vec<u32>)> {
    let file = Checkpoint::load(&dir.join(CHECKPOINT)).unwrap_or_else(|e| panic!("{e}"));
    let bits = |data: Vec<f32>| data.into_iter().map(f32::to_bits).collect();
    let mut all: Vec<_> = file.tensors.into_iter().map(|(name, (_, data))| (name, bits(data))).collect();
    all.sort();
    all
}

#[test]
fn the_same_seed_gives_the_same_weights_and_a_stopped_run_continues_bit_by_bit() {
    check_repeats_and_resumes(&small());
}

#[test]
fn the_report_opens_with_money_and_shows_a_good_and_the_worst_day_beside_other_seeds() {
    let [first, second] = [folder(), folder()];
    trained(&options(small(), first.path()));
    let config = TrainConfig { seed: 2, ..small() };
    let nowhere = first.path().join("nowhere");
    let beside = vec![first.path().to_owned(), nowhere.clone()];
    let found = trained(&TrainOptions { beside, ..options(config, second.path()) });
    let page = std::fs::read_to_string(found.report.as_ref().unwrap_or_else(|| panic!("{found:?}"))).unwrap();
    let said =
        crate::words::result(found.test.as_ref(), found.validation.as_ref()).unwrap_or_else(|| panic!("{found:?}"));
    let parts = [
        format!("<p class=first>{said}</p>\n<svg"),
        "<h2>Seeds side by side</h2>".to_owned(),
        format!("<tr><td>{}<td>1<td>", first.path().display()),
        format!("<tr><td>{}<td colspan=3>", nowhere.display()),
        "<h2>A good day: 20".to_owned(),
        "<h2>The worst day: 20".to_owned(),
        "<code>losses/qf1_loss</code>".to_owned(),
    ];
    let mut rest = &page[..];
    for part in parts {
        let at = rest.find(&part).unwrap_or_else(|| panic!("{part:?} is missing or not in its place"));
        rest = &rest[at..];
    }
    let not_a_number = page.find("NaN").map(|at| &page[at.saturating_sub(200)..at + 3]);
    assert_eq!(not_a_number, None);
    assert!(page.contains("\nperfect foresight\n</text>"), "curves of the optimum");
    let csv = std::fs::read_to_string(second.path().join("metrics.csv")).unwrap();
    for name in ["losses/imitation_loss", "losses/gradient_cost", "losses/qf1_loss", "validation/regret_to_rule"] {
        assert!(!crate::metrics::read_column(&csv, name).is_empty(), "{name}: {csv}");
    }
}

#[test]
fn which_days_count_more_survives_a_checkpoint() {
    let mut config = small();
    config.gradient.risk = 0.5;
    check_repeats_and_resumes(&config);
}

#[test]
fn td3_from_scratch_with_all_it_has_repeats_and_resumes() {
    let mut config = small();
    config.td3 = Td3Settings {
        gradient_steps: 1,
        exploration_spread: 0.9,
        random_share: 0.1,
        rate_at_end: 0.05,
        average: 0.1,
        normalise: true,
        shaping: 1.0,
        relative: true,
        reward_scale: 1.0,
        ..config.td3
    };
    check_repeats_and_resumes(&config);
}

#[test]
fn updates_in_bf16_repeat_and_resume_or_are_refused_before_anything_is_trained() {
    let mut config = small();
    config.td3.bf16 = true;
    if fused::Bf16::detect().is_some() {
        return check_repeats_and_resumes(&config);
    }
    let dir = folder();
    let refused = run(&options(config, dir.path()), &mut |_| panic!("it trains"));
    assert!(matches!(refused, Err(TrainError::Config(message)) if message.contains("td3.bf16")));
}

#[test]
fn bf16_is_refused_where_the_processor_has_none_and_f32_never() {
    assert!(td3::precision(true, None).is_err_and(|message| message.contains("td3.bf16")));
    assert_eq!(td3::precision(false, None), Ok(fused::Precision::F32));
    assert_eq!(td3::precision(false, fused::Bf16::detect()), Ok(fused::Precision::F32));
}

fn check_repeats_and_resumes(config: &TrainConfig) {
    let [through, again, stopped] = [folder(), folder(), folder()];
    let whole = trained(&options(config.clone(), through.path()));
    assert!(!whole.interrupted && whole.updates == 50 && whole.model.is_some(), "{whole:?}");
    trained(&options(config.clone(), again.path()));
    assert!(tensors(through.path()) == tensors(again.path()), "the same seed gave other weights");
    // Stopped in every stage: after 10, 20, … updates.
    let mut run_on = options(config.clone(), stopped.path());
    for _ in 0..20 {
        let stop = Arc::clone(&run_on.stop);
        stop.store(false, Ordering::Relaxed);
        let found = run(&run_on, &mut |_| stop.store(true, Ordering::Relaxed));
        let found = found.unwrap_or_else(|e| panic!("{e}"));
        run_on.begin = Begin::Resume;
        if !found.interrupted {
            assert!(tensors(through.path()) == tensors(stopped.path()), "resuming gave other weights");
            return;
        }
    }
    panic!("the run never ended");
}

#[test]
fn five_episodes_of_td3_give_five_rewards_and_more_than_a_hundred_updates() {
    let mut config = small();
    (config.imitation.updates, config.gradient.updates) = (0, 0);
    (config.td3.environments, config.td3.episode_steps, config.td3.critic_first) = (1, 48, 0);
    config.td3.updates = 5 * 48 - 40 + 1;
    let dir = folder();
    let found = trained(&options(config, dir.path()));
    assert_eq!(found.episode_rewards.len(), 5);
    assert!(found.updates > 100 && found.episode_rewards.iter().all(|r| r.is_finite()), "{found:?}");
}

#[test]
fn gradients_through_the_plant_lower_the_cost() {
    let config = TrainConfig::default();
    let profile = synthetic::profile(4, 2);
    let variation = gradient::episode::Variation { steps: 48, window_days: 2, wide: 0.0, scale: 0.0, all_day: 0.7 };
    let source = EpisodeSource::new(Plant::reference(), Schema::TenD, profile, 48);
    let mut trainer = GradientTrainer::new(Plant::reference(), Schema::TenD, source, variation, 3);
    let settings = config::GradientSettings { episodes: 4, ..config.gradient };
    let costs: Vec<f64> = (0..40).map(|_| trainer.descend(&settings, 0.0, 1).loss).collect();
    let mean = |costs: &[f64]| costs.iter().sum::<f64>() / costs.len() as f64;
    assert!(mean(&costs[30..]) < mean(&costs[..10]) - 2.0, "{costs:?}");
}

/// The reference plant as it is, without its battery, without its CHP.
fn plants_of_fewer_parts() -> [Plant; 3] {
    let whole = *Plant::reference().parameters();
    let without_battery = PlantParameters { battery: Each::default(), ..whole };
    let without_chp = PlantParameters { chp: Each::default(), ..whole };
    [whole, without_battery, without_chp].map(|p| p.validate().unwrap_or_else(|problems| panic!("{problems:?}")))
}

#[test]
fn a_differentiated_step_costs_what_the_environment_says() {
    plants_of_fewer_parts().into_iter().for_each(differentiated_step_costs_what_the_environment_says);
}

#[test]
fn the_teaching_rule_asks_for_finite_numbers_whatever_the_plant_lacks() {
    let profile = synthetic::profile(2, 3);
    for plant in plants_of_fewer_parts() {
        for row in profile.rows() {
            let action = rule::action(&plant, &Given::new(&plant, row), &PlantPoint::REST);
            assert!(action.iter().all(|a| a.is_finite() && a.abs() <= 1.0), "{action:?}");
            assert!(!plant.batteries().is_empty() || action[0] == 0.0, "no battery is asked for: {action:?}");
            assert!(!plant.chps().is_empty() || action[1] < -0.9, "no CHP is asked for: {action:?}");
        }
    }
}

fn differentiated_step_costs_what_the_environment_says(plant: Plant) {
    let profile = Arc::new(synthetic::profile(3, 4));
    let mut env = MemgEnv::new(plant, Arc::clone(&profile), RewardWeights::default());
    env.reset(Start::block(0..profile.rows().len()));
    let mut rng = Pcg64Mcg::seed_from_u64(1);
    let mut point = PlantPoint::REST;
    let (mut cost, mut expected) = (0.0, 0.0);
    let mut action = [0.0_f32; 3];
    for row in profile.rows() {
        if rng.random_bool(0.3) {
            action = [(); 3].map(|()| rng.random_range(-1.0..=1.0));
        }
        let given = Given::new(&plant, row);
        let outcome = step(&plant, &given, &point, action.map(f64::from), Switch::Asked);
        let Some(real) = env.step(Action(action)) else { panic!("over") };
        cost += outcome.cost.v;
        expected += real.cost.get();
        assert!((outcome.chp.v - real.verdict.safe.chp().kilowatts().get()).abs() < 0.05, "{real:?} {outcome:?}");
        assert!(
            (outcome.battery.v - real.verdict.safe.battery().kilowatts().get()).abs() < 0.05,
            "{real:?} {outcome:?}"
        );
        point = outcome.after;
        // Whole watts against kilowatts: keep the two from drifting apart.
        point.soc = env.soc().get();
        (point.battery, point.chp) = (env.memory().battery().kilowatts().get(), env.memory().chp().kilowatts().get());
    }
    assert!((cost - expected).abs() < 0.01 * expected.abs(), "{cost} {expected}");
}

/// A plant with steps of so many quarters of an hour, and days of such rows.
fn with_steps_of(quarters: usize, days: u32) -> (Plant, Profile) {
    let mut parameters = *Plant::reference().parameters();
    parameters.step_h = 0.25 * quarters as f64;
    let plant = parameters.validate().unwrap_or_else(|problems| panic!("{problems:?}"));
    let rows = synthetic::profile(days, 4).rows().iter().step_by(quarters).copied().collect();
    (plant, Profile::from_rows(rows))
}

#[test]
fn training_observes_what_the_plant_does_whatever_the_length_of_a_step() {
    for quarters in [1, 2, 4] {
        let (plant, profile) = with_steps_of(quarters, 2);
        let steps = profile.rows().len();
        assert_eq!(steps, 2 * plant.steps_per_day());
        let source = EpisodeSource::new(plant, Schema::Extended, profile.clone(), steps);
        let episode = source.episode_of_all(PlantPoint::REST);
        let (observed, actions) = Shard::rule_states(&plant, &episode);
        let mut env = MemgEnv::new(plant, Arc::new(profile), RewardWeights::default());
        env.reset(Start::block(0..steps));
        for (t, (found, action)) in observed.chunks_exact(Schema::Extended.len()).zip(actions).enumerate() {
            let expected = env.observe(Schema::Extended, &Divisors::of(&plant));
            for (i, (found, expected)) in found.iter().zip(expected.values()).enumerate() {
                assert!((found - expected).abs() < 0.01, "{quarters} quarters, step {t}, {i}: {found} {expected}");
            }
            env.step(Action(action));
        }
    }
}

/// Forecasts that are easy to tell from persistence: half of what is, and a bit of yesterday.
fn half_of_now(plant: &Plant) -> Ridge {
    let mut row = [0.0; REGRESSORS];
    (row[0], row[6]) = (0.5, 0.25);
    let rows = || vec![row; HOURS * plant.steps_per_hour()];
    let coefficients = Coefficients::new([rows(), rows(), rows(), rows()]);
    Ridge::new(coefficients.unwrap_or_else(|e| panic!("{e}")), plant.step_ms())
}

#[test]
fn training_expects_of_the_hours_ahead_what_a_gateway_expects() {
    for quarters in [1, 4] {
        let (plant, profile) = with_steps_of(quarters, 10);
        let (mut ridge, steps) = (half_of_now(&plant), profile.rows().len());
        let data = config::DataSettings { test_days: [29, 29], validation_days: [30, 30] };
        let mut split = split::Split::of(&profile, &data, plant.steps_per_day());
        (split.seen, split.parts) = (Arc::new(profile.clone()), vec![split::Part::Training; steps]);
        let expected = forecast::aheads(&plant, &split, &ridge);
        let source = EpisodeSource::foreseeing(plant, Schema::Forecast, profile.clone(), expected, steps);
        let (observed, actions) = Shard::rule_states(&plant, &source.episode_of_all(PlantPoint::REST));
        let mut env = MemgEnv::new(plant, Arc::new(profile), RewardWeights::default());
        env.reset(Start::block(0..steps));
        let (mut forecast, mut ridged) = (Forecast::of_steps(0), 0);
        for (t, (found, action)) in observed.chunks_exact(Schema::Forecast.len()).zip(actions).enumerate() {
            let (situation, known) = (env.situation(), env.known());
            let input = PolicyInput { plant: &plant, situation: &situation, memory: env.memory(), known: &known };
            let live = foreseen::observe(&input, &mut ridge, &mut forecast, &Divisors::of(&plant));
            ridged += usize::from(live != env.observe(Schema::Forecast, &Divisors::of(&plant)));
            for (i, (found, live)) in found.iter().zip(live.values()).enumerate() {
                assert!((found - live).abs() < 0.01, "{quarters} quarters, step {t}, {i}: {found} {live}");
            }
            env.step(Action(action));
        }
        assert!(ridged > steps / 2, "the forecaster is persistence");
    }
}

#[test]
fn the_planners_values_lower_the_cost_of_an_actor_that_sees_forecasts() {
    let (plant, profile) = with_steps_of(1, 6);
    let data = config::DataSettings { test_days: [29, 29], validation_days: [30, 30] };
    let mut split = split::Split::of(&profile, &data, 96);
    (split.seen, split.parts) = (Arc::new(profile.clone()), vec![split::Part::Training; profile.rows().len()]);
    let expected = forecast::aheads(&plant, &split, &half_of_now(&plant));
    let variation = gradient::episode::Variation { steps: 48, window_days: 2, wide: 0.0, scale: 0.0, all_day: 0.0 };
    let source = EpisodeSource::foreseeing(plant, Schema::Forecast, profile, expected, 48);
    let mut trainer = GradientTrainer::new(plant, Schema::Forecast, source, variation, 3);
    let settings = config::GradientSettings { episodes: 4, guide: 1.0, teach: 0.3, ..Default::default() };
    let costs: Vec<f64> = (0..40).map(|_| trainer.descend(&settings, 0.0, 1).loss).collect();
    let mean = |costs: &[f64]| costs.iter().sum::<f64>() / costs.len() as f64;
    assert!(mean(&costs[30..]) < mean(&costs[..10]) - 2.0, "{costs:?}");
}

#[test]
fn derivatives_are_those_of_finite_differences() {
    let plant = Plant::reference();
    let row = synthetic::profile(1, 7).rows()[40];
    let given = Given::new(&plant, &row);
    let mut rng = Pcg64Mcg::seed_from_u64(5);
    let (mut right, mut all) = (0, 0);
    for _ in 0..300 {
        let point = PlantPoint {
            soc: rng.random_range(0.1..0.9),
            battery: rng.random_range(-30.0..30.0),
            chp: rng.random_range(15.0..75.0),
            on: true,
            age: 5,
        };
        let action = [(); 3].map(|()| rng.random_range(-0.8..0.8));
        let at = |action: [f64; 3], soc: f64| step(&plant, &given, &PlantPoint { soc, ..point }, action, Switch::Asked);
        let here = at(action, point.soc);
        let h = 1e-6;
        for (k, derivative) in here.cost.d[3..].iter().enumerate() {
            let (mut up, mut down) = (action, action);
            up[k] += h;
            down[k] -= h;
            let numeric = (at(up, point.soc).cost.v - at(down, point.soc).cost.v) / (2.0 * h);
            all += 1;
            right += usize::from((numeric - derivative).abs() < 1e-4 * (1.0 + numeric.abs()));
        }
        let numeric = (at(action, point.soc + h).soc.v - at(action, point.soc - h).soc.v) / (2.0 * h);
        all += 1;
        right += usize::from((numeric - here.soc.d[0]).abs() < 1e-4 * (1.0 + numeric.abs()));
    }
    // Kinks have no derivative; few random points lie on one.
    assert!(right * 100 >= all * 99, "{right} of {all}");
}

#[test]
fn a_profile_without_a_run_of_days_as_long_as_an_episode_is_refused() {
    let (dir, mut config) = (folder(), small());
    config.episodes.steps = 144;
    let mut short = options(config, dir.path());
    let second_days = |(row, _): &(usize, &ProfileRow)| row / 96 % 2 == 0;
    let gaps = synthetic::profile(5, 1).rows().iter().enumerate().filter(second_days).map(|(_, row)| *row).collect();
    for profile in [Profile::default(), Profile::from_rows(gaps)] {
        short.profile = Arc::new(profile);
        assert!(matches!(run(&short, &mut |_| {}), Err(TrainError::Data(_))));
    }
}
