//! What must give the same weights: threads, seeds, instruction sets, a stop in between.

use super::*;

/// The state after `updates` updates of all kinds on a replay of random transitions.
fn run(isa: Isa, threads: usize, seed: u64, updates: usize) -> Td3State {
    run_with(Precision::F32, isa, threads, seed, updates)
}

/// As `run`, in a given precision.
pub(super) fn run_with(precision: Precision, isa: Isa, threads: usize, seed: u64, updates: usize) -> Td3State {
    let config = Td3Config { batch: 100, objective: mixed(), precision, ..Td3Config::default() };
    let mut kernel = Td3Kernel::with_isa(10, &config, seed, Threads::exactly(threads), isa);
    continue_run(&mut kernel, updates);
    kernel.export()
}

pub(super) fn continue_run(kernel: &mut Td3Kernel, updates: usize) {
    let replay = Data::random(10, 500, 1).replay(500);
    for _ in 0..updates {
        match kernel.updates() % 4 {
            0 => kernel.clone_update(&replay),
            1 => kernel.critic_update(&replay),
            _ => kernel.update(&replay),
        };
    }
}

#[test]
fn same_seed_gives_the_same_weights_on_any_number_of_threads() {
    for isa in Isa::available() {
        let one = run(isa, 1, 5, 12);
        for threads in [1, 2, 3, 7] {
            assert!(run(isa, threads, 5, 12) == one, "{} on {threads} threads", isa.name());
        }
    }
}

#[test]
fn another_seed_gives_other_weights() {
    let isa = Isa::detect();
    assert!(run(isa, 1, 5, 3).tensors != run(isa, 1, 6, 3).tensors);
}

#[test]
fn continuing_from_an_exported_state_equals_not_having_stopped() {
    let (isa, config) = (Isa::detect(), Td3Config { batch: 100, objective: mixed(), ..Td3Config::default() });
    let half = run(isa, 2, 5, 9);
    let mut resumed = Td3Kernel::with_isa(10, &config, 1234, Threads::exactly(1), isa);
    resumed.import(&half).expect("a state of the same shape");
    assert!(resumed.export() == half);
    continue_run(&mut resumed, 8);
    assert!(resumed.export() == run(isa, 2, 5, 17));
}

#[test]
fn instruction_sets_agree() {
    let plain = Isa::available().last().unwrap_or(Isa::detect());
    let expected = run(plain, 1, 5, 1);
    for isa in Isa::available() {
        let found = run(isa, 1, 5, 1);
        for (a, b) in found.tensors.iter().zip(&expected.tensors).filter(|(a, _)| a.name.contains("adam_m")) {
            let distance = relative_distance(&a.data, &b.data);
            assert!(distance < 1e-5, "{} {}: {distance}", isa.name(), a.name);
        }
    }
}

#[test]
fn refuses_a_state_of_another_shape_and_stays_as_it_was() {
    let config = Td3Config::default();
    let other = Td3Kernel::new(11, &config, 1, Threads::exactly(1)).export();
    let mut kernel = Td3Kernel::new(10, &config, 1, Threads::exactly(1));
    let before = kernel.export();
    let error = kernel.import(&other).expect_err("another observation size");
    assert_eq!(error.to_string(), "tensor actor.l1.weight has shape [256, 11], expected [256, 10]");
    assert!(matches!(kernel.import_actor(&[]), Err(StateError::Missing(_))));
    assert!(kernel.export() == before);
}

#[test]
fn imported_actor_acts_as_the_exported_one() {
    let config = Td3Config::default();
    let mut teacher = Td3Kernel::new(10, &config, 1, Threads::exactly(1));
    lively(&mut teacher, 3);
    let mut pupil = Td3Kernel::new(10, &config, 2, Threads::exactly(1));
    pupil.import_actor(&teacher.export_actor()).expect("the same shapes");
    let obs = Data::random(10, 300, 8).obs;
    let (mut a, mut b) = (vec![0.0; 900], vec![0.0; 900]);
    teacher.act(&obs, &mut a);
    pupil.act(&obs, &mut b);
    assert!(a == b && a.iter().any(|x| x.abs() > 0.01));
}
