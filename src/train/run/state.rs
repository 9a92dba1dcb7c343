//! What of a run goes into a checkpoint, and back.

use super::Run;
use super::checkpoint::Checkpoint;
use super::identity::Identity;
use super::pace::Planned;
use super::setup::{KnownBounds, Setup};
use super::stages::{Done, Learners, fresh_td3};
use super::validation::{Best, Candidate, Selection};
use crate::config::TrainConfig;
use crate::gradient::net::{Adam, Net};
use crate::gradient::trainer::GradientState;
use crate::metrics::Figures;
use crate::td3::fused::{ACTION_DIM, Batch, NamedTensor, Replay, Td3State};
use crate::td3::{Td3, Td3Progress};
use crate::{Stage, TrainError};
use memg_core::observation::Schema;
use memg_evaluate::compare::Bound;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Version of the checkpoint's contents.
const FORMAT: u32 = 2;

/// The counters, settings and random states of a run; its vectors are tensors.
#[derive(Serialize, Deserialize)]
struct SavedRun {
    format: u32,
    identity: Identity,
    config: TrainConfig,
    /// Gradient and TD3 updates before any cut.
    planned: [u64; 2],
    done: Done,
    gradient: GradientState,
    adam_steps: i32,
    best: Option<SavedBest>,
    history: Vec<Figures>,
    bound: Bound,
    training_bound: Option<Bound>,
    seconds: f64,
    validated_at: u64,
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

/// Writes the checkpoint of a run.
///
/// # Errors
/// The disk's; the file that was there is unchanged.
pub(super) fn write(path: &Path, run: &Run<'_>) -> Result<(), TrainError> {
    let mut file = Checkpoint::default();
    let gradient = &run.learners.gradient.state;
    put_gradient(gradient, &mut file);
    let saved = SavedRun {
        format: FORMAT,
        identity: run.identity.clone(),
        config: run.config.clone(),
        planned: [run.planned.gradient, run.planned.td3],
        done: run.learners.done,
        gradient: gradient.clone(),
        adam_steps: gradient.adam.as_ref().map_or(0, |adam| adam.steps),
        best: run.selection.best.as_ref().map(|best| put_best(best, &mut file)),
        history: run.selection.history.clone(),
        bound: run.setup.bound.clone(),
        training_bound: run.setup.training_days.as_ref().map(|days| days.bound.clone()),
        seconds: run.pace.seconds(),
        validated_at: run.selection.validated_at,
        td3: run.learners.td3.as_ref().map(|td3| put_td3(td3, &mut file)),
    };
    file.state = serde_json::to_string(&saved).map_err(wrong)?;
    file.save(path)
}

/// A checkpoint that belongs to the run that is asked for.
pub(super) struct Resumed {
    file: Checkpoint,
    saved: SavedRun,
}

/// Version of a checkpoint, whatever else is inside.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

/// Reads a checkpoint of the run that is asked for.
///
/// # Errors
/// It cannot be read, is damaged, is of another format, or belongs to another run; what differs is named.
pub(super) fn read(path: &Path, asked: &Identity) -> Result<Resumed, TrainError> {
    let file = Checkpoint::load(path)?;
    let Version { format } = serde_json::from_str(&file.state).map_err(wrong)?;
    if format != FORMAT {
        return Err(wrong(format!("expected format {FORMAT}, found {format}: another version wrote it")));
    }
    let saved: SavedRun = serde_json::from_str(&file.state).map_err(wrong)?;
    let differences = saved.identity.differences(asked);
    if differences.is_empty() {
        return Ok(Resumed { file, saved });
    }
    Err(wrong(format!("it belongs to another run, which --resume cannot change:\n  {}", differences.join("\n  "))))
}

impl Resumed {
    /// The configuration to continue with: how fast it goes is not part of what is trained, and stays as asked for.
    pub(super) fn config(&self, asked: &TrainConfig) -> TrainConfig {
        TrainConfig { threads: asked.threads, minutes: asked.minutes, ..self.saved.config.clone() }
    }

    /// Seconds of the run so far.
    pub(super) const fn seconds(&self) -> f64 {
        self.saved.seconds
    }

    /// Bounds of the validation days and perhaps the training days.
    pub(super) fn bounds(&self) -> KnownBounds {
        KnownBounds { validation: Some(self.saved.bound.clone()), training: self.saved.training_bound.clone() }
    }

    /// The learners, what was selected, and the plan before any cut.
    ///
    /// # Errors
    /// A tensor is missing or of another length; the replay's parts do not fit together.
    pub(super) fn restore(
        self,
        setup: &Setup<'_>,
        config: &TrainConfig,
    ) -> Result<(Learners, Selection, Planned), TrainError> {
        let Self { mut file, saved } = self;
        let mut learners = Learners::new(setup, config);
        learners.done = saved.done;
        learners.gradient.state = take_gradient(saved.gradient, saved.adam_steps, config.schema, &mut file)?;
        let best = saved.best.map(|best| take_best(best, &mut file)).transpose()?;
        let fresh = saved.td3.map(|saved| take_td3(saved, fresh_td3(setup, config), &mut file));
        learners.td3 = fresh.transpose()?;
        let [gradient, td3] = saved.planned;
        let selection = Selection { best, history: saved.history, validated_at: saved.validated_at };
        Ok((learners, selection, Planned { gradient, td3 }))
    }
}

fn put_gradient(state: &GradientState, file: &mut Checkpoint) {
    for (name, net) in [("gradient.net", &state.net), ("gradient.average", &state.average)] {
        if let Some(net) = net {
            file.put(name, vec![net.weights.len()], &net.weights);
        }
    }
    if let Some(adam) = &state.adam {
        file.put("gradient.m", vec![adam.m.len()], &adam.m);
        file.put("gradient.v", vec![adam.v.len()], &adam.v);
    }
}

fn take_gradient(
    saved: GradientState,
    adam_steps: i32,
    schema: Schema,
    file: &mut Checkpoint,
) -> Result<GradientState, TrainError> {
    let [net, average] = ["gradient.net", "gradient.average"].map(|name| take_net(name, schema, file));
    let (net, average) = (net?, average?);
    let count = net.weights.len();
    let (m, v) = (file.take("gradient.m", count)?, file.take("gradient.v", count)?);
    let adam = Some(Adam { m, v, steps: adam_steps });
    Ok(GradientState { net: Some(net), average: Some(average), adam, ..saved })
}

fn take_net(name: &str, schema: Schema, file: &mut Checkpoint) -> Result<Net, TrainError> {
    let mut net = Net::zeros(schema.len());
    net.weights = file.take(name, net.weights.len())?;
    net.refresh();
    Ok(net)
}

fn put_best(best: &Best, file: &mut Checkpoint) -> SavedBest {
    let Candidate { tensors, updates, stage } = &best.actor;
    for (name, shape, data) in tensors {
        file.put(format!("best.{name}"), shape.clone(), data);
    }
    let tensors = tensors.iter().map(|(name, shape, _)| (name.clone(), shape.clone())).collect();
    SavedBest { score: best.score, updates: *updates, stage: *stage, tensors }
}

fn take_best(saved: SavedBest, file: &mut Checkpoint) -> Result<Best, TrainError> {
    let SavedBest { score, updates, stage, tensors } = saved;
    let mut found = Vec::new();
    for (name, shape) in tensors {
        let data = file.take(&format!("best.{name}"), shape.iter().product())?;
        found.push((name, shape, data));
    }
    Ok(Best { actor: Candidate { tensors: found, updates, stage }, score })
}

fn put_td3(td3: &Td3, file: &mut Checkpoint) -> SavedTd3 {
    let state = td3.kernel().export();
    let teacher = td3.teacher_actor();
    put_replay(td3.replay(), file);
    put_named("td3", &state.tensors, file);
    put_named("teacher", teacher.as_deref().unwrap_or_default(), file);
    put_named("average", td3.average().as_deref().unwrap_or_default(), file);
    SavedTd3 {
        progress: td3.progress(),
        seed: state.seed,
        updates: state.updates,
        critic_steps: state.critic_steps,
        actor_steps: state.actor_steps,
        names: state.tensors.iter().map(|t| (t.name.clone(), t.shape.clone())).collect(),
        transitions: td3.replay().len(),
        next_row: td3.replay().next_row(),
        teacher: teacher.is_some(),
    }
}

fn put_named(prefix: &str, tensors: &[NamedTensor], file: &mut Checkpoint) {
    for tensor in tensors {
        file.put(format!("{prefix}.{}", tensor.name), tensor.shape.clone(), &tensor.data);
    }
}

fn take_named(
    prefix: &str,
    wanted: impl Iterator<Item = (String, Vec<usize>)>,
    file: &mut Checkpoint,
) -> Result<Vec<NamedTensor>, TrainError> {
    let mut tensors = Vec::new();
    for (name, shape) in wanted {
        let data = file.take(&format!("{prefix}.{name}"), shape.iter().product())?;
        tensors.push(NamedTensor { name, shape, data });
    }
    Ok(tensors)
}

fn take_td3(saved: SavedTd3, mut td3: Td3, file: &mut Checkpoint) -> Result<Td3, TrainError> {
    if saved.teacher {
        let wanted = td3.actor().into_iter().map(|tensor| (tensor.name, tensor.shape));
        td3.teach(&take_named("teacher", wanted, file)?).map_err(wrong)?;
    }
    if let Some(average) = td3.average() {
        let wanted = average.into_iter().map(|tensor| (tensor.name, tensor.shape));
        td3.set_average(&take_named("average", wanted, file)?);
    }
    let tensors = take_named("td3", saved.names.into_iter(), file)?;
    let (seed, updates) = (saved.seed, saved.updates);
    let (critic_steps, actor_steps) = (saved.critic_steps, saved.actor_steps);
    let state = Td3State { seed, updates, critic_steps, actor_steps, tensors };
    td3.kernel_mut().import(&state).map_err(wrong)?;
    if saved.transitions > 0 {
        let (obs_dim, capacity) = (td3.kernel().obs_dim(), td3.replay().capacity());
        let rows = ReplayRows { obs_dim, capacity, transitions: saved.transitions, next_row: saved.next_row };
        td3.set_replay(take_replay(rows, file)?);
    }
    td3.restore(saved.progress);
    Ok(td3)
}

fn put_replay(replay: &Replay, file: &mut Checkpoint) {
    let batch = replay.batch();
    let n = batch.len();
    if n == 0 {
        return;
    }
    file.put("replay.obs", vec![n, batch.obs_dim], batch.obs);
    file.put("replay.next_obs", vec![n, batch.obs_dim], batch.next_obs);
    file.put("replay.action", vec![n, ACTION_DIM], batch.action);
    file.put("replay.reward", vec![n], batch.reward);
    file.put("replay.expert", vec![n, ACTION_DIM], batch.expert.unwrap_or_default());
    file.bytes.insert("replay.terminated".to_owned(), batch.terminated.iter().map(|t| u8::from(*t)).collect());
}

/// Extents of a saved replay.
#[derive(Debug, Clone, Copy)]
struct ReplayRows {
    obs_dim: usize,
    capacity: usize,
    transitions: usize,
    next_row: usize,
}

fn take_replay(rows: ReplayRows, file: &mut Checkpoint) -> Result<Replay, TrainError> {
    let (n, dim) = (rows.transitions, rows.obs_dim);
    let terminated = file.bytes.remove("replay.terminated").unwrap_or_default();
    let terminated: Vec<bool> = terminated.into_iter().map(|t| t != 0).collect();
    if terminated.len() != n {
        return Err(wrong("tensor replay.terminated has another length"));
    }
    let (obs, next_obs) = (file.take("replay.obs", n * dim)?, file.take("replay.next_obs", n * dim)?);
    let (action, reward) = (file.take("replay.action", n * ACTION_DIM)?, file.take("replay.reward", n)?);
    let expert = file.take("replay.expert", n * ACTION_DIM)?;
    let batch = Batch {
        obs_dim: dim,
        obs: &obs,
        action: &action,
        reward: &reward,
        next_obs: &next_obs,
        terminated: &terminated,
        expert: Some(&expert),
    };
    let replay = Replay::restore(&batch, rows.capacity, rows.next_row);
    replay.ok_or_else(|| wrong("the replay's parts do not fit together"))
}
