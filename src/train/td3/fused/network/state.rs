//! Everything an update depends on, as named tensors in the convention of PyTorch and candle: weights `[out, in]`, row after row.
//!
//! Names: `actor.l1.weight`, `critic.q1.l3.bias`, … with `actor_target.`, `actor_adam_m.`, `actor_adam_v.` (and the same for `critic`)
//! for the target copy and the Adam moments.

use super::net::Net;
use crate::td3::fused::memory::buffer::{ACTION_DIM, HIDDEN, PANEL, Slab};
use crate::td3::fused::vector::random::Stream;
use std::fmt;

/// A named tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// As `actor.l1.weight`.
    pub name: String,
    /// Its extents: `[out, in]` or `[out]`.
    pub shape: Vec<usize>,
    /// Its elements, the last index running fastest.
    pub data: Vec<f32>,
}

/// The whole state of a kernel: continuing from it equals not having stopped.
#[derive(Debug, Clone, PartialEq)]
pub struct Td3State {
    /// Seed of all random numbers.
    pub seed: u64,
    /// Updates done, cloning steps included; numbers the random streams.
    pub updates: u64,
    /// Adam steps of the critics.
    pub critic_steps: u64,
    /// Adam steps of the actor.
    pub actor_steps: u64,
    /// All parameters, targets and moments.
    pub tensors: Vec<NamedTensor>,
}

/// Why a state was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateError {
    /// A tensor is not there.
    Missing(String),
    /// A tensor has another shape than the network's.
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The network's.
        expected: Vec<usize>,
    },
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "tensor {name} is missing"),
            Self::Shape { name, found, expected } => {
                write!(f, "tensor {name} has shape {found:?}, expected {expected:?}")
            }
        }
    }
}

impl std::error::Error for StateError {}

/// The four tensors of a slab, with the infix of their names.
pub(crate) const ROLES: [(&str, Role); 4] =
    [("", Role::Live), ("_target", Role::Target), ("_adam_m", Role::Moment1), ("_adam_v", Role::Moment2)];

/// One tensor of a slab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Parameters.
    Live,
    /// Target copy.
    Target,
    /// First moment.
    Moment1,
    /// Second moment.
    Moment2,
}

impl Role {
    fn of(self, slab: &Slab) -> &[f32] {
        match self {
            Role::Live => &slab.w,
            Role::Target => &slab.target,
            Role::Moment1 => &slab.m,
            Role::Moment2 => &slab.v,
        }
    }

    fn of_mut(self, slab: &mut Slab) -> &mut [f32] {
        match self {
            Role::Live => &mut slab.w,
            Role::Target => &mut slab.target,
            Role::Moment1 => &mut slab.m,
            Role::Moment2 => &mut slab.v,
        }
    }
}

/// Weight or bias of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Weight,
    Bias,
}

/// A tensor's place in a network: layer 1, 2 or 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    layer: usize,
    kind: Kind,
}

/// All tensors of a network, in the order of PyTorch.
fn places() -> impl Iterator<Item = Place> {
    (1..=3).flat_map(|layer| [Kind::Weight, Kind::Bias].map(|kind| Place { layer, kind }))
}

impl Place {
    fn name(self, prefix: &str) -> String {
        let kind = if self.kind == Kind::Weight { "weight" } else { "bias" };
        format!("{prefix}.l{}.{kind}", self.layer)
    }

    /// `(outputs, inputs)` of the layer in a network.
    fn extents<const OUT: usize>(self, net: &Net<OUT>) -> (usize, usize) {
        match self.layer {
            1 => (HIDDEN, net.inputs),
            2 => (HIDDEN, HIDDEN),
            _ => (OUT, HIDDEN),
        }
    }

    fn shape<const OUT: usize>(self, net: &Net<OUT>) -> Vec<usize> {
        let (outputs, inputs) = self.extents(net);
        if self.kind == Kind::Weight { vec![outputs, inputs] } else { vec![outputs] }
    }

    /// Offset in its slab of the element for output `o` and input `i`, and the block it belongs to.
    fn offset(self, out: usize, o: usize, i: usize) -> (usize, usize) {
        match (self.layer, self.kind) {
            (1 | 2, Kind::Weight) => (o / PANEL, (1 + i) * PANEL + o % PANEL),
            (1 | 2, Kind::Bias) => (o / PANEL, o % PANEL),
            (_, Kind::Weight) => (0, (i / PANEL * out + o) * PANEL + i % PANEL),
            (_, Kind::Bias) => (0, o),
        }
    }

    fn slab<const OUT: usize>(self, net: &mut Net<OUT>, block: usize) -> &mut Slab {
        match (self.layer, self.kind) {
            (1, _) => &mut net.blocks[block].l1,
            (2, _) => &mut net.blocks[block].l2,
            (_, Kind::Weight) => &mut net.head.w,
            (_, Kind::Bias) => &mut net.head.bias,
        }
    }

    fn slab_ref<const OUT: usize>(self, net: &Net<OUT>, block: usize) -> &Slab {
        match (self.layer, self.kind) {
            (1, _) => &net.blocks[block].l1,
            (2, _) => &net.blocks[block].l2,
            (_, Kind::Weight) => &net.head.w,
            (_, Kind::Bias) => &net.head.bias,
        }
    }

    /// Output and input of every element in the order of the exported tensor.
    fn elements<const OUT: usize>(self, net: &Net<OUT>) -> impl Iterator<Item = (usize, usize)> + use<OUT> {
        let (outputs, inputs) = self.extents(net);
        let inputs = if self.kind == Kind::Weight { inputs } else { 1 };
        (0..outputs).flat_map(move |o| (0..inputs).map(move |i| (o, i)))
    }
}

impl<const OUT: usize> Net<OUT> {
    /// The tensors of one role, named with a prefix.
    pub(crate) fn export(&self, prefix: &str, role: Role) -> impl Iterator<Item = NamedTensor> {
        places().map(move |place| {
            let element = |(o, i)| {
                let (block, at) = place.offset(OUT, o, i);
                role.of(place.slab_ref(self, block))[at]
            };
            let data = place.elements(self).map(element).collect();
            NamedTensor { name: place.name(prefix), shape: place.shape(self), data }
        })
    }

    /// Takes the tensors of one role from those given; nothing is changed when one is missing or has another shape.
    pub(crate) fn import(&mut self, prefix: &str, role: Role, tensors: &[NamedTensor]) -> Result<(), StateError> {
        self.check(prefix, tensors)?;
        for place in places() {
            let name = place.name(prefix);
            let Some(tensor) = tensors.iter().find(|tensor| tensor.name == name) else { continue };
            for ((o, i), &x) in place.elements(self).zip(&tensor.data) {
                let (block, at) = place.offset(OUT, o, i);
                role.of_mut(place.slab(self, block))[at] = x;
            }
        }
        Ok(())
    }

    /// Whether the tensors of a prefix are there and have the network's shapes.
    pub(crate) fn check(&self, prefix: &str, tensors: &[NamedTensor]) -> Result<(), StateError> {
        for place in places() {
            let (name, expected) = (place.name(prefix), place.shape(self));
            let tensor = tensors.iter().find(|tensor| tensor.name == name);
            let tensor = tensor.ok_or_else(|| StateError::Missing(name.clone()))?;
            if tensor.shape != expected || tensor.data.len() != expected.iter().product::<usize>() {
                return Err(StateError::Shape { name, found: tensor.shape.clone(), expected });
            }
        }
        Ok(())
    }

    /// Random parameters, the same in the target: uniform in ±1/√inputs as PyTorch's default, in ±3e-3 in the last layer.
    pub(crate) fn randomise(&mut self, stream: Stream) {
        let mut count = 0;
        for place in places() {
            let (_, inputs) = place.extents(self);
            let bound = if place.layer == 3 { 3e-3 } else { 1.0 / (inputs as f32).sqrt() };
            for (o, i) in place.elements(self) {
                let (block, at) = place.offset(OUT, o, i);
                let slab = place.slab(self, block);
                slab.w[at] = bound * stream.signed_unit(count);
                slab.target[at] = slab.w[at];
                count += 1;
            }
        }
    }

    /// Copies the parameters into the target.
    pub(crate) fn sync_target(&mut self) {
        let heads = [&mut self.head.w, &mut self.head.bias];
        let blocks = self.blocks.iter_mut().flat_map(|block| [&mut block.l1, &mut block.l2]);
        for slab in blocks.chain(heads) {
            slab.target.copy_from_slice(&slab.w);
        }
    }

    /// Forgets the Adam moments.
    pub(crate) fn clear_moments(&mut self) {
        let heads = [&mut self.head.w, &mut self.head.bias];
        let blocks = self.blocks.iter_mut().flat_map(|block| [&mut block.l1, &mut block.l2]);
        for slab in blocks.chain(heads) {
            slab.m.fill(0.0);
            slab.v.fill(0.0);
        }
    }
}

/// Prefixes of the three networks for one role's infix.
pub(crate) fn prefixes(infix: &str) -> (String, [String; 2]) {
    (format!("actor{infix}"), ["q1", "q2"].map(|q| format!("critic{infix}.{q}")))
}

const _: () = assert!(ACTION_DIM <= 16, "a head's bias is one slab of 16");
