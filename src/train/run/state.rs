//! What of a run goes into a checkpoint, and back.

use super::checkpoint::Checkpoint;
use super::{Best, Done, Run};
use crate::config::TrainConfig;
use crate::gradient::net::{Adam, Net};
use crate::gradient::trainer::GradientState;
use crate::metrics::Figures;
use crate::td3::fused::{Batch, NamedTensor, Replay, Td3State};
use crate::td3::{Td3, Td3Progress};
use crate::{CHECKPOINT, Stage, TrainError};
use memg_evaluate::compare::Bound;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Version of the checkpoint's contents.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Saved {
    format: u32,
    config: TrainConfig,
    /// Gradient and TD3 updates before any cut.
    #[serde(default)]
    planned: Option<[u64; 2]>,
    done: Done,
    gradient: GradientState,
    adam_steps: i32,
    best: Option<SavedBest>,
    history: Vec<Figures>,
    bound: Bound,
    #[serde(default)]
    training_bound: Option<Bound>,
    seconds: f64,
    looked_at: u64,
    td3: Option<SavedTd3>,
}

#[derive(Serialize, Deserialize)]
struct SavedBest {
    score: f64,
    updates: u64,
    stage: Stage,
    tensors: Vec<(String, Vec<usize>)>,
}

#[derive(Serialize, Deserialize)]
struct SavedTd3 {
    progress: Td3Progress,
    seed: u64,
    updates: u64,
    critic_steps: u64,
    actor_steps: u64,
    names: Vec<(String, Vec<usize>)>,
    transitions: usize,
    next_row: usize,
    teacher: bool,
}

fn wrong(reason: impl ToString) -> TrainError {
    TrainError::Checkpoint(reason.to_string())
}

impl Run<'_> {
    /// Writes the checkpoint.
    pub(super) fn save(&mut self) -> Result<(), TrainError> {
        let mut file = Checkpoint::default();
        let state = &self.gradient.state;
        for (name, net) in [("gradient.net", &state.net), ("gradient.average", &state.average)] {
            if let Some(net) = net {
                file.put(name, vec![net.weights.len()], &net.weights);
            }
        }
        if let Some(adam) = &state.adam {
            file.put("gradient.m", vec![adam.m.len()], &adam.m);
            file.put("gradient.v", vec![adam.v.len()], &adam.v);
        }
        for (name, shape, data) in self.best.iter().flat_map(|best| &best.tensors) {
            file.put(format!("best.{name}"), shape.clone(), data);
        }
        let saved = Saved {
            format: FORMAT,
            config: self.config.clone(),
            planned: Some(self.planned),
            done: self.done,
            gradient: state.clone(),
            adam_steps: state.adam.as_ref().map_or(0, |adam| adam.steps),
            best: self.best.as_ref().map(|best| SavedBest {
                score: best.score,
                updates: best.updates,
                stage: best.stage,
                tensors: best.tensors.iter().map(|(name, shape, _)| (name.clone(), shape.clone())).collect(),
            }),
            history: self.history.clone(),
            bound: self.bound.clone(),
            training_bound: self.tail.as_ref().map(|tail| tail.bound.clone()),
            seconds: self.seconds(),
            looked_at: self.looked_at,
            td3: self.td3.as_ref().map(|td3| save_td3(td3, &mut file)),
        };
        file.state = serde_json::to_string(&saved).map_err(wrong)?;
        file.save(&self.options.out.join(CHECKPOINT))?;
        self.saved_at = self.updates();
        self.episodes_saved = self.td3.as_ref().map_or(0, |td3| td3.episode_rewards().len());
        Ok(())
    }

    /// Continues from the checkpoint in the output folder.
    pub(super) fn load(&mut self) -> Result<(), TrainError> {
        let mut file = Checkpoint::load(&self.options.out.join(CHECKPOINT))?;
        let saved: Saved = serde_json::from_str(&file.state).map_err(wrong)?;
        let (found, asked) = (saved.config.schema, self.config.schema);
        if saved.format != FORMAT || found != asked {
            let (found, asked) = (found.name(), asked.name());
            return Err(wrong(format!("expected schema {asked}, found {found}: it belongs to another run")));
        }
        let n = Net::zeros(asked.len()).weights.len();
        let mut net = |name: &str| -> Result<Net, TrainError> {
            let mut net = Net::zeros(asked.len());
            net.weights = file.take(name, n)?;
            net.refresh();
            Ok(net)
        };
        self.gradient.state = GradientState {
            net: Some(net("gradient.net")?),
            average: Some(net("gradient.average")?),
            adam: Some(Adam {
                m: file.take("gradient.m", n)?,
                v: file.take("gradient.v", n)?,
                steps: saved.adam_steps,
            }),
            ..saved.gradient
        };
        // How fast it goes is not part of what is trained.
        let (threads, minutes) = (self.config.threads, self.config.minutes);
        self.planned = saved.planned.unwrap_or([saved.config.gradient.updates, saved.config.td3.updates]);
        self.config = TrainConfig { threads, minutes, ..saved.config };
        self.done = saved.done;
        self.history = saved.history;
        self.seconds_before = saved.seconds;
        self.looked_at = saved.looked_at;
        self.best = match saved.best {
            None => None,
            Some(best) => {
                let take = |(name, shape): (String, Vec<usize>)| {
                    let data = file.take(&format!("best.{name}"), shape.iter().product())?;
                    Ok((name, shape, data))
                };
                let tensors = best.tensors.into_iter().map(take).collect::<Result<_, TrainError>>()?;
                Some(Best { tensors, score: best.score, updates: best.updates, stage: best.stage })
            }
        };
        if let Some(saved) = saved.td3 {
            let mut td3 = self.fresh_td3();
            load_td3(saved, &mut td3, &mut file)?;
            self.td3 = Some(td3);
        }
        self.saved_at = self.updates();
        self.episodes_saved = self.td3.as_ref().map_or(0, |td3| td3.episode_rewards().len());
        Ok(())
    }
}

/// Bounds of the validation days and perhaps the training days in a checkpoint: finding them again takes as long as
/// hundreds of updates.
pub(super) fn saved_bounds(path: &Path) -> Option<(Bound, Option<Bound>)> {
    let file = Checkpoint::load(path).ok()?;
    let saved: Saved = serde_json::from_str(&file.state).ok()?;
    Some((saved.bound, saved.training_bound))
}

fn save_td3(td3: &Td3, file: &mut Checkpoint) -> SavedTd3 {
    let state = td3.kernel().export();
    let batch = td3.replay().batch();
    let n = batch.len();
    if n > 0 {
        file.put("replay.obs", vec![n, batch.obs_dim], batch.obs);
        file.put("replay.next_obs", vec![n, batch.obs_dim], batch.next_obs);
        file.put("replay.action", vec![n, 3], batch.action);
        file.put("replay.reward", vec![n], batch.reward);
        file.put("replay.expert", vec![n, 3], batch.expert.unwrap_or_default());
        file.bytes.insert("replay.terminated".to_owned(), batch.terminated.iter().map(|t| u8::from(*t)).collect());
    }
    for tensor in &state.tensors {
        file.put(format!("td3.{}", tensor.name), tensor.shape.clone(), &tensor.data);
    }
    let teacher = td3.teacher_actor();
    for tensor in teacher.iter().flatten() {
        file.put(format!("teacher.{}", tensor.name), tensor.shape.clone(), &tensor.data);
    }
    SavedTd3 {
        progress: td3.progress(),
        seed: state.seed,
        updates: state.updates,
        critic_steps: state.critic_steps,
        actor_steps: state.actor_steps,
        names: state.tensors.iter().map(|t| (t.name.clone(), t.shape.clone())).collect(),
        transitions: n,
        next_row: td3.replay().next_row(),
        teacher: teacher.is_some(),
    }
}

fn load_td3(saved: SavedTd3, td3: &mut Td3, file: &mut Checkpoint) -> Result<(), TrainError> {
    if saved.teacher {
        let shapes = td3.actor();
        let take = |t: &NamedTensor| {
            let data = file.take(&format!("teacher.{}", t.name), t.data.len())?;
            Ok(NamedTensor { name: t.name.clone(), shape: t.shape.clone(), data })
        };
        let teacher: Vec<NamedTensor> = shapes.iter().map(take).collect::<Result<_, TrainError>>()?;
        td3.start_from(&teacher).map_err(wrong)?;
    }
    let mut tensors = Vec::new();
    for (name, shape) in saved.names {
        let data = file.take(&format!("td3.{name}"), shape.iter().product())?;
        tensors.push(NamedTensor { name, shape, data });
    }
    let (seed, updates) = (saved.seed, saved.updates);
    let (critic_steps, actor_steps) = (saved.critic_steps, saved.actor_steps);
    let state = Td3State { seed, updates, critic_steps, actor_steps, tensors };
    td3.kernel_mut().import(&state).map_err(wrong)?;
    let (n, dim) = (saved.transitions, td3.kernel().obs_dim());
    if n > 0 {
        let terminated = file.bytes.remove("replay.terminated").unwrap_or_default();
        let terminated: Vec<bool> = terminated.into_iter().map(|t| t != 0).collect();
        if terminated.len() != n {
            return Err(wrong("tensor replay.terminated has another length"));
        }
        let (obs, next_obs) = (file.take("replay.obs", n * dim)?, file.take("replay.next_obs", n * dim)?);
        let (action, reward) = (file.take("replay.action", n * 3)?, file.take("replay.reward", n)?);
        let expert = file.take("replay.expert", n * 3)?;
        let batch = Batch {
            obs_dim: dim,
            obs: &obs,
            action: &action,
            reward: &reward,
            next_obs: &next_obs,
            terminated: &terminated,
            expert: Some(&expert),
        };
        let replay = Replay::restore(&batch, td3.replay().capacity(), saved.next_row);
        td3.set_replay(replay.ok_or_else(|| wrong("the replay's parts do not fit together"))?);
    }
    td3.restore(saved.progress);
    Ok(())
}
