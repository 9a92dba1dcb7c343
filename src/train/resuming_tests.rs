//! What a checkpoint may and may not be continued from.

use super::*;

fn refusal(options: &TrainOptions) -> String {
    run(options, &mut |_| panic!("it trains")).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn what_cannot_be_continued_from_is_named() {
    let dir = folder();
    let mut resumed = TrainOptions { begin: Begin::Resume, ..options(small(), dir.path()) };
    assert!(refusal(&resumed).contains(CHECKPOINT));
    trained(&options(small(), dir.path()));
    let asked = resumed.clone();
    let config = &mut resumed.config;
    (config.schema, config.seed, config.td3.updates) = (Schema::Extended, 2, 31);
    resumed.profile = Arc::new(synthetic::profile(6, 1));
    let message = refusal(&resumed);
    for difference in ["memg-extended", "seed: 1, asked for 2", "td3.updates: 30, asked for 31", "profile: SHA-256"] {
        assert!(message.contains(difference), "{difference} is missing: {message}");
    }
    assert!(!message.contains("plant") && !message.contains("gradient.updates"), "{message}");
    resumed = asked;
    let mut parameters = *resumed.plant.parameters();
    parameters.grid.import_kw_max += 1.0;
    resumed.plant = parameters.validate().unwrap_or_else(|problems| panic!("{problems:?}"));
    assert!(refusal(&resumed).contains("plant: SHA-256"));
}

#[test]
fn a_checkpoint_that_is_damaged_or_of_another_network_is_refused() {
    let dir = folder();
    trained(&options(small(), dir.path()));
    let resumed = TrainOptions { begin: Begin::Resume, ..options(small(), dir.path()) };
    let path = dir.path().join(CHECKPOINT);
    let mut file = Checkpoint::load(&path).unwrap_or_else(|e| panic!("{e}"));
    let mut bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{e}"));
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap_or_else(|e| panic!("{e}"));
    assert!(refusal(&resumed).contains("damaged"), "{}", refusal(&resumed));
    file.put("gradient.net", vec![3], &[0.0; 3]);
    file.save(&path).unwrap_or_else(|e| panic!("{e}"));
    assert!(refusal(&resumed).contains("gradient.net"));
    file.state = file.state.replacen("\"format\":2", "\"format\":1", 1);
    file.save(&path).unwrap_or_else(|e| panic!("{e}"));
    assert!(refusal(&resumed).contains("expected format 2, found 1"));
}

#[test]
fn how_fast_it_goes_may_change_in_a_resumed_run() {
    let (dir, mut config) = (folder(), small());
    let stopped = options(config.clone(), dir.path());
    stopped.stop.store(true, Ordering::Relaxed);
    assert!(trained(&stopped).interrupted);
    (config.threads, config.minutes) = (2, 1.0);
    let resumed = TrainOptions { begin: Begin::Resume, ..options(config, dir.path()) };
    assert!(!trained(&resumed).interrupted);
}

#[test]
fn nothing_is_begun_over_a_checkpoint_unless_that_is_asked_for() {
    let dir = folder();
    let mut fresh = options(small(), dir.path());
    fresh.stop.store(true, Ordering::Relaxed);
    assert!(trained(&fresh).interrupted);
    let before = std::fs::read(dir.path().join(CHECKPOINT)).unwrap_or_else(|e| panic!("{e}"));
    let message = refusal(&fresh);
    assert!(message.contains("--resume") && message.contains("--anew"), "{message}");
    assert!(std::fs::read(dir.path().join(CHECKPOINT)).is_ok_and(|now| now == before));
    (fresh.begin, fresh.config.seed) = (Begin::Anew, 2);
    assert!(trained(&fresh).interrupted);
    assert!(std::fs::read(dir.path().join(CHECKPOINT)).is_ok_and(|now| now != before));
}
