//! Transitions: the replay buffer, one array a field, and batches borrowed from anywhere.

use super::arena::advise_large_pages;
use super::buffer::ACTION_DIM;
use crate::td3::fused::vector::random::Stream;

/// Transitions borrowed from arrays, row after row.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Components of an observation.
    pub obs_dim: usize,
    /// Observations `[n, obs_dim]`.
    pub obs: &'a [f32],
    /// Requested actions `[n, 3]`.
    pub action: &'a [f32],
    /// Rewards `[n]`.
    pub reward: &'a [f32],
    /// Next observations `[n, obs_dim]`.
    pub next_obs: &'a [f32],
    /// Whether the next state is terminal; a time limit is not `[n]`.
    pub terminated: &'a [bool],
    /// Actions of an expert `[n, 3]`; a row with NaN has none.
    pub expert: Option<&'a [f32]>,
}

impl Batch<'_> {
    /// Number of transitions.
    pub fn len(&self) -> usize {
        self.reward.len()
    }

    /// Whether there is no transition.
    pub fn is_empty(&self) -> bool {
        self.reward.is_empty()
    }

    /// Panics unless all arrays have the same number of rows of this `obs_dim`.
    pub(crate) fn check(&self, obs_dim: usize) {
        let n = self.len();
        assert!(n > 0, "a batch has at least one transition");
        assert!(self.obs_dim == obs_dim, "observations of {} components, networks of {obs_dim}", self.obs_dim);
        let rows =
            self.obs.len() == n * obs_dim && self.next_obs.len() == n * obs_dim && self.action.len() == n * ACTION_DIM;
        let expert = self.expert.is_none_or(|expert| expert.len() == n * ACTION_DIM);
        assert!(rows && expert && self.terminated.len() == n, "all fields of a batch have the same number of rows");
    }

    /// Asks the processor for the memory of transition `i`.
    #[inline]
    pub(crate) fn prefetch(&self, i: usize) {
        let (obs, action) = (i * self.obs_dim, i * ACTION_DIM);
        for fields in [self.obs, self.next_obs] {
            prefetch(&fields[obs]);
            prefetch(&fields[obs + self.obs_dim - 1]);
        }
        prefetch(&self.action[action]);
        prefetch(&self.reward[i]);
        prefetch(&self.terminated[i]);
    }
}

/// Asks the processor for the cache line of a value; has no other effect.
#[inline(always)]
#[expect(unsafe_code, reason = "the intrinsic takes a pointer")]
fn prefetch<T>(x: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64, and a prefetch never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(x).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = x;
}

/// How a batch's rows are chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Draw {
    /// As they are.
    InOrder,
    /// Uniformly, with replacement.
    Uniform(Stream),
}

/// Whether a replay stores an expert's action beside the taken one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpertField {
    /// It does: 12 bytes more a transition.
    Stored,
    /// It does not.
    Absent,
}

/// One transition.
#[derive(Debug, Clone, Copy)]
pub struct Transition<'a> {
    /// Observation `[obs_dim]`.
    pub obs: &'a [f32],
    /// Requested action.
    pub action: [f32; ACTION_DIM],
    /// Reward of the step.
    pub reward: f32,
    /// Next observation `[obs_dim]`.
    pub next_obs: &'a [f32],
    /// Whether the next state is terminal; a time limit is not.
    pub terminated: bool,
    /// The expert's action, where there is one.
    pub expert: Option<[f32; ACTION_DIM]>,
}

/// A ring of transitions. One of 1,000,000 with 10 observations takes 97 MB, with expert actions 109 MB.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    obs_dim: usize,
    capacity: usize,
    /// Row the next transition is written to.
    next: usize,
    obs: Vec<f32>,
    action: Vec<f32>,
    reward: Vec<f32>,
    next_obs: Vec<f32>,
    terminated: Vec<bool>,
    expert: Option<Vec<f32>>,
}

impl Replay {
    /// An empty replay. All memory is reserved here, so that pushing never moves it.
    ///
    /// # Panics
    /// If `obs_dim` or `capacity` is zero.
    pub fn new(obs_dim: usize, capacity: usize, expert: ExpertField) -> Self {
        assert!(obs_dim > 0 && capacity > 0, "a replay has rows and columns");
        let replay = Self {
            obs_dim,
            capacity,
            next: 0,
            obs: Vec::with_capacity(capacity * obs_dim),
            action: Vec::with_capacity(capacity * ACTION_DIM),
            reward: Vec::with_capacity(capacity),
            next_obs: Vec::with_capacity(capacity * obs_dim),
            terminated: Vec::with_capacity(capacity),
            expert: (expert == ExpertField::Stored).then(|| Vec::with_capacity(capacity * ACTION_DIM)),
        };
        for field in [&replay.obs, &replay.action, &replay.reward, &replay.next_obs].into_iter().chain(&replay.expert) {
            advise_large_pages(field.as_ptr(), field.capacity());
        }
        replay
    }

    /// Number of transitions stored.
    pub fn len(&self) -> usize {
        self.reward.len()
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.reward.is_empty()
    }

    /// Most transitions it holds.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Row the next transition will be written to; with the fields of `batch`, the whole state.
    pub fn next_row(&self) -> usize {
        self.next
    }

    /// Bytes of memory the fields take.
    pub fn bytes(&self) -> usize {
        let expert = self.expert.as_ref().map_or(0, Vec::capacity);
        let floats = [&self.obs, &self.action, &self.reward, &self.next_obs].map(Vec::capacity);
        4 * (expert + floats.iter().sum::<usize>()) + self.terminated.capacity()
    }

    /// Stores a transition; when full, in place of the oldest.
    ///
    /// # Panics
    /// If an observation does not have `obs_dim` components.
    pub fn push(&mut self, t: &Transition<'_>) {
        assert!(t.obs.len() == self.obs_dim && t.next_obs.len() == self.obs_dim, "observations of another size");
        let row = self.next;
        write_row(&mut self.obs, row, t.obs);
        write_row(&mut self.action, row, &t.action);
        write_row(&mut self.reward, row, &[t.reward]);
        write_row(&mut self.next_obs, row, t.next_obs);
        write_row(&mut self.terminated, row, &[t.terminated]);
        if let Some(expert) = &mut self.expert {
            write_row(expert, row, &t.expert.unwrap_or([f32::NAN; ACTION_DIM]));
        }
        self.next = (row + 1) % self.capacity;
    }

    /// All transitions, in the order of their rows.
    pub fn batch(&self) -> Batch<'_> {
        Batch {
            obs_dim: self.obs_dim,
            obs: &self.obs,
            action: &self.action,
            reward: &self.reward,
            next_obs: &self.next_obs,
            terminated: &self.terminated,
            expert: self.expert.as_deref(),
        }
    }

    /// A replay holding `batch`, for instance from a checkpoint; `next_row` as it was when saved. None if the parts do not fit together.
    pub fn restore(batch: &Batch<'_>, capacity: usize, next_row: usize) -> Option<Self> {
        let n = batch.len();
        let expected = if n < capacity { n } else { next_row };
        if n == 0 || n > capacity || next_row != expected || next_row >= capacity.max(1) {
            return None;
        }
        batch.check(batch.obs_dim);
        let expert = if batch.expert.is_some() { ExpertField::Stored } else { ExpertField::Absent };
        let mut replay = Self::new(batch.obs_dim, capacity, expert);
        replay.obs.extend_from_slice(batch.obs);
        replay.action.extend_from_slice(batch.action);
        replay.reward.extend_from_slice(batch.reward);
        replay.next_obs.extend_from_slice(batch.next_obs);
        replay.terminated.extend_from_slice(batch.terminated);
        if let (Some(expert), Some(from)) = (&mut replay.expert, batch.expert) {
            expert.extend_from_slice(from);
        }
        replay.next = next_row;
        Some(replay)
    }
}

/// Writes row `row` of a field, appending if it is the first one not there yet.
fn write_row<T: Copy>(field: &mut Vec<T>, row: usize, values: &[T]) {
    let start = row * values.len();
    if start == field.len() {
        field.extend_from_slice(values);
    } else {
        field[start..start + values.len()].copy_from_slice(values);
    }
}
