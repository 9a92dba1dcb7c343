//! The CHP as a graph of states, so that its on/off decisions become a flow.
//!
//! With `p_min`, `p_max` and the ramp on one lattice, every trajectory of a given on/off pattern is a mixture of lattice
//! trajectories (the constraints are differences and bounds, a totally unimodular system): a flow through the graph
//! describes the convex hull of what the CHP can do. A `p_max` off the lattice is rounded up here and kept as a bound
//! on the power itself.

use memg_core::equipment::Chp;

/// A state during a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Lattice level, `None` while off.
    pub level: Option<u32>,
    /// Steps in this on/off state, at most its minimum time.
    pub age: u32,
}

/// A possible change of state from one step to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// State during the step before.
    pub from: usize,
    /// State during this step.
    pub to: usize,
    /// The CHP is started.
    pub start: bool,
}

/// States and their changes.
#[derive(Debug, Clone, PartialEq)]
pub struct ChpGraph {
    /// What the CHP can be in a step.
    pub nodes: Vec<Node>,
    /// Possible changes from one step to the next.
    pub edges: Vec<Edge>,
    /// Off and free to start: where every block begins.
    pub rest: usize,
    p_kw_min: f64,
    ramp_kw: f64,
}

impl ChpGraph {
    /// The graph of a CHP.
    #[must_use]
    pub fn new(chp: &Chp) -> Self {
        let ramp_kw = chp.ramp_kw_per_step.max(1e-3);
        let top = ((chp.p_kw_max - chp.p_kw_min) / ramp_kw - 1e-9).ceil().max(0.0) as u32;
        let (up, down) = (chp.min_up_steps.max(1), chp.min_down_steps.max(1));
        let mut nodes: Vec<Node> = (1..=down).map(|age| Node { level: None, age }).collect();
        let rest = nodes.len() - 1;
        for age in 1..=up {
            let reached = if age < up { top.min(age - 1) } else { top };
            nodes.extend((0..=reached).map(|level| Node { level: Some(level), age }));
        }
        let mut graph = Self { nodes, edges: Vec::new(), rest, p_kw_min: chp.p_kw_min, ramp_kw };
        for from in 0..graph.nodes.len() {
            for to in 0..graph.nodes.len() {
                let (a, b) = (graph.nodes[from], graph.nodes[to]);
                if follows(a, b, up, down) {
                    let start = a.level.is_none() && b.level.is_some();
                    graph.edges.push(Edge { from, to, start });
                }
            }
        }
        graph
    }

    /// Power of a state, kW.
    #[must_use]
    pub fn power_kw(&self, node: usize) -> f64 {
        self.nodes[node].level.map_or(0.0, |level| self.p_kw_min + f64::from(level) * self.ramp_kw)
    }
}

fn follows(a: Node, b: Node, up: u32, down: u32) -> bool {
    match (a.level, b.level) {
        (None, None) => b.age == (a.age + 1).min(down),
        (None, Some(level)) => a.age == down && b.age == 1.min(up) && level == 0,
        (Some(level), None) => a.age == up && level == 0 && b.age == 1,
        (Some(x), Some(y)) => x.abs_diff(y) <= 1 && b.age == (a.age + 1).min(up),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_chp_has_eighteen_states() {
        let graph = ChpGraph::new(memg_core::equipment::Plant::reference().chp());
        assert_eq!((graph.nodes.len(), graph.edges.len(), graph.rest), (18, 49, 1));
        assert_eq!(graph.edges.iter().filter(|edge| edge.start).count(), 1);
        assert!((graph.power_kw(17) - 80.0).abs() < 1e-12);
    }
}
