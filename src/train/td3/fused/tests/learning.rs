//! Problems small enough to be learned in some hundred updates.

use super::*;

/// A wish for each observation: what a good actor does.
fn wish(obs: &[f32]) -> [f32; ACTION_DIM] {
    [0.8 * obs[0], -0.5 * obs[1] + 0.2, 0.6 * (obs[0] * obs[1])]
}

/// One-step episodes with `reward = -|action - wish|²` and random actions.
fn one_step(rows: usize) -> Replay {
    let mut replay = Replay::new(2, rows, ExpertField::Stored);
    let stream = Stream::new(3, 0);
    for i in 0..rows as u64 {
        let draw = |j| stream.signed_unit(5 * i + j);
        let (obs, action) = ([draw(0), draw(1)], [draw(2), draw(3), draw(4)]);
        let wish = wish(&obs);
        let reward = -action.iter().zip(wish).map(|(a, w)| (a - w).powi(2)).sum::<f32>();
        replay.push(&Transition { obs: &obs, action, reward, next_obs: &obs, terminated: true, expert: Some(wish) });
    }
    replay
}

/// Root mean square distance of the actor to the wish.
fn error(kernel: &mut Td3Kernel) -> f32 {
    let obs = Data::random(2, 200, 77).obs;
    let mut actions = vec![0.0; 200 * ACTION_DIM];
    kernel.act(&obs, &mut actions);
    let pairs = obs.chunks(2).zip(actions.chunks(ACTION_DIM));
    let sum: f32 = pairs.flat_map(|(o, a)| wish(o).into_iter().zip(a.to_vec())).map(|(w, a)| (w - a).powi(2)).sum();
    (sum / actions.len() as f32).sqrt()
}

fn kernel(objective: ActorObjective) -> Td3Kernel {
    let rates = Td3Config { actor_rate: 1e-3, critic_rate: 1e-3, ..Td3Config::default() };
    Td3Kernel::new(2, &Td3Config { batch: 128, objective, ..rates }, 1, Threads::exactly(2))
}

#[test]
fn cloning_fits_a_small_function() {
    let (replay, goal) = (one_step(2000), Goal::Expert);
    let mut kernel = kernel(ActorObjective { goal, ..ActorObjective::default() });
    let before = error(&mut kernel);
    for _ in 0..300 {
        kernel.clone_update(&replay);
    }
    assert!(before > 0.3 && error(&mut kernel) < 0.03, "{before} to {}", error(&mut kernel));
}

#[test]
fn td3_learns_a_one_step_problem() {
    let (replay, mut kernel) = (one_step(2000), kernel(ActorObjective::default()));
    let mut stats = UpdateStats::default();
    for _ in 0..800 {
        stats = kernel.update(&replay);
    }
    assert!(error(&mut kernel) < 0.1, "{} {stats:?}", error(&mut kernel));
}

#[test]
fn critic_steps_leave_the_actor_and_cloning_steps_the_critics() {
    let (replay, mut kernel) = (one_step(200), kernel(ActorObjective::default()));
    let tensors = |kernel: &Td3Kernel, net: &str| -> Vec<NamedTensor> {
        kernel.export().tensors.into_iter().filter(|tensor| tensor.name.starts_with(net)).collect()
    };
    let actor = tensors(&kernel, "actor");
    for _ in 0..4 {
        assert!(kernel.critic_update(&replay).actor.is_none());
    }
    assert!(tensors(&kernel, "actor") == actor);
    let critics = tensors(&kernel, "critic");
    kernel.clone_update(&replay);
    assert!(tensors(&kernel, "critic") == critics && tensors(&kernel, "actor") != actor);
}
