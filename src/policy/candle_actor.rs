//! An actor through candle, on the CPU.
//!
//! One row at a time candle multiplies with its single-threaded matrix-vector kernels: no thread pool is started here.
//! But candle 0.11 counts the machine's cores at every product, by reading /proc, unless `RAYON_NUM_THREADS` is set:
//! 119 us a decision at best and milliseconds on a busy machine, 18 us with `RAYON_NUM_THREADS=1` in the environment
//! (`cargo bench --bench policy_latency`). Nothing to a policy step of 15 minutes, much to an evaluation over a year.

use super::weights::{Dense, Weights};
use candle_core::{Device, Result, Tensor};
use memg_core::action::Action;
use memg_core::observation::{Observation, Schema};
use memg_core::policy::{Actor, PolicyError};

/// A dense layer, weight transposed once at load.
#[derive(Debug, Clone)]
struct Layer {
    /// [inputs, outputs].
    weight: Tensor,
    /// [1, outputs].
    bias: Tensor,
}

impl Layer {
    fn new(dense: &Dense) -> Result<Self> {
        let weight = Tensor::from_slice(&dense.weight, (dense.outputs, dense.inputs), &Device::Cpu)?;
        let bias = Tensor::from_slice(&dense.bias, (1, dense.outputs), &Device::Cpu)?;
        Ok(Self { weight: weight.t()?.contiguous()?, bias })
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        x.matmul(&self.weight)?.add(&self.bias)
    }
}

/// The network in candle.
#[derive(Debug, Clone)]
pub struct CandleActor {
    name: String,
    schema: Schema,
    layers: [Layer; 3],
}

impl CandleActor {
    /// Copies weights into tensors.
    ///
    /// # Errors
    /// candle's own; none is known for whole weights.
    pub fn new(name: &str, weights: &Weights) -> Result<Self> {
        let [first, second, last] = weights.layers();
        let layers = [Layer::new(first)?, Layer::new(second)?, Layer::new(last)?];
        Ok(Self { name: name.to_owned(), schema: weights.schema(), layers })
    }

    fn forward(&self, observation: &[f32]) -> Result<Action> {
        let [first, second, last] = &self.layers;
        let x = Tensor::from_slice(observation, (1, observation.len()), &Device::Cpu)?;
        let h = first.apply(&x)?.relu()?;
        let h = second.apply(&h)?.relu()?;
        let y = last.apply(&h)?.tanh()?.flatten_all()?.to_vec1::<f32>()?;
        let wrong = |y: Vec<f32>| candle_core::Error::Msg(format!("expected 3 outputs, found {}", y.len()));
        y.try_into().map(Action).map_err(wrong)
    }
}

impl Actor for CandleActor {
    fn name(&self) -> &str {
        &self.name
    }
    fn schema(&self) -> Schema {
        self.schema
    }
    fn infer(&mut self, observation: &Observation) -> std::result::Result<Action, PolicyError> {
        self.forward(observation.values()).map_err(|e| PolicyError::Runtime(e.to_string()))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::super::model::golden_inputs;
    use super::super::weights::tests::random;
    use super::*;

    fn names_of_threads() -> Vec<String> {
        let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        tasks.map(|task| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default()).collect()
    }

    #[test]
    fn inference_starts_no_thread_pool() {
        let mut actor = CandleActor::new("test", &random(Schema::TenD, 256, 1)).unwrap();
        std::thread::scope(|scope| {
            // In a thread of its own name: threads that it starts inherit the name.
            let run = || {
                for observation in golden_inputs(Schema::TenD) {
                    actor.infer(&observation).unwrap();
                }
                names_of_threads().iter().filter(|name| name.trim() == "candle-test").count()
            };
            let count = std::thread::Builder::new().name("candle-test".to_owned()).spawn_scoped(scope, run).unwrap();
            assert_eq!(count.join().unwrap(), 1);
        });
    }
}
