use super::*;

#[test]
fn the_default_is_valid_and_survives_toml() {
    let config = TrainConfig::default();
    assert_eq!(config.problems(), Vec::<String>::new());
    let text = toml::to_string(&config).unwrap_or_default();
    assert_eq!(TrainConfig::parse(&text), Ok(config));
}

#[test]
fn the_shipped_files_are_valid_and_the_default_is_the_default() {
    let file = |name: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/train").join(name);
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{name}: {e}"));
        TrainConfig::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"))
    };
    assert_eq!(file("default.toml"), TrainConfig::default());
    let schema = memg_core::observation::Schema::Extended;
    assert_eq!(file("extended.toml"), TrainConfig { schema, ..TrainConfig::default() });
    let schema = memg_core::observation::Schema::Forecast;
    assert_eq!(file("forecast.toml"), TrainConfig { schema, ..TrainConfig::default() });
    for name in ["td3.toml", "td3-classic.toml"] {
        let config = file(name);
        assert_eq!((config.imitation.updates, config.gradient.updates, config.td3.bc_weight), (0, 0, 0.0), "{name}");
    }
    let (classic, plain) = (file("td3-classic.toml").td3, Td3Settings::default());
    let added =
        |t: &Td3Settings| (t.gradient_steps, t.average, t.rate_at_end, t.reward_scale, t.shaping, t.random_share);
    let switches = |t: &Td3Settings| (t.normalise, t.relative, t.exploration_spread);
    assert_eq!((added(&classic), switches(&classic)), (added(&plain), switches(&plain)));
    assert_eq!(switches(&plain), (false, false, 0.0));
    assert!(file("risk-averse.toml").gradient.risk > 0.0);
    assert!(file("td3-longer.toml").td3.updates > TrainConfig::default().td3.updates);
}

#[test]
fn every_problem_is_named() {
    let text = "minutes = 0\n[episodes]\nwide = 2\n[data]\ntest_days = [5, 9]";
    let problems = TrainConfig::parse(text).unwrap_err();
    for key in ["minutes", "episodes.wide", "data"] {
        assert!(problems.contains(key), "{problems}");
    }
    assert!(TrainConfig::parse("minuets = 3").is_err_and(|e| e.contains("minuets")));
}

#[test]
fn updates_are_spread_over_the_stages() {
    for total in [0, 1, 100, 100_000] {
        let mut config = TrainConfig::default();
        config.set_updates(total);
        assert_eq!(config.planned_updates(), total);
    }
}

#[test]
fn updates_by_stage_are_what_they_say_and_come_back() {
    let asked: StageUpdates = "300,8680,1500,20".parse().unwrap_or_default();
    let mut config = TrainConfig::default();
    config.set_stage_updates(asked);
    assert_eq!((config.stage_updates(), config.td3.updates), (asked, 1520));
    assert_eq!(config.stage_updates().to_string().parse(), Ok(asked));
    assert_eq!(StageUpdates::default().with_td3(7, 10), StageUpdates { critics: 7, ..StageUpdates::default() });
    for wrong in ["300", "1,2,3", "1,2,3,4,5", "1,2,x,4", "1,2,-3,4"] {
        assert!(wrong.parse::<StageUpdates>().is_err(), "{wrong}");
    }
}
