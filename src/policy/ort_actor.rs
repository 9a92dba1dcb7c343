//! An actor through ONNX Runtime: any graph with one float input [batch, n] and one float output [batch, 3] in [-1, 1].
//!
//! One thread: a small network is done long before a thread pool has woken up.

use super::ort_library::{NoLibrary, environment};
use super::weights::ACTIONS;
use memg_core::action::Action;
use memg_core::observation::{Observation, Schema};
use memg_core::policy::{Actor, PolicyError};
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};

/// Why there is no actor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrtError {
    /// There is no ONNX Runtime.
    #[error(transparent)]
    Library(#[from] NoLibrary),
    /// ONNX Runtime refuses the graph.
    #[error("ONNX Runtime refuses the graph: {0}")]
    Graph(String),
    /// The graph has other inputs or outputs than an actor.
    #[error("{what}: expected one float32 tensor [batch, {width}], found {found}")]
    Shape {
        /// "input" or "output".
        what: &'static str,
        /// Numbers in or out.
        width: usize,
        /// What the graph has.
        found: String,
    },
}

impl<T> From<ort::Error<T>> for OrtError {
    fn from(error: ort::Error<T>) -> Self {
        Self::Graph(error.message().to_owned())
    }
}

/// The network in ONNX Runtime.
#[derive(Debug)]
pub struct OrtActor {
    name: String,
    schema: Schema,
    session: Session,
    input: String,
}

impl OrtActor {
    /// Builds a session from the bytes of a file that [`super::onnx_scan`] has seen. Loads ONNX Runtime at the first call.
    ///
    /// # Errors
    /// There is no ONNX Runtime, or the graph is not an actor of this schema.
    pub fn new(name: &str, schema: Schema, bytes: &[u8]) -> Result<Self, OrtError> {
        let environment = environment()?;
        let session = SessionBuilder::new(&environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .commit_from_memory(bytes)?;
        check_outlets("output", session.outputs(), ACTIONS)?;
        let input = check_outlets("input", session.inputs(), schema.len())?;
        Ok(Self { name: name.to_owned(), schema, session, input })
    }

    fn forward(&mut self, observation: &[f32]) -> Result<Action, ort::Error> {
        let x = TensorRef::from_array_view(([1, observation.len()], observation))?;
        let outputs = self.session.run(ort::inputs![self.input.as_str() => x])?;
        let (_, y) = outputs[0].try_extract_tensor::<f32>()?;
        let wrong = |_| ort::Error::new(format!("expected {ACTIONS} outputs, found {}", y.len()));
        y.try_into().map(Action).map_err(wrong)
    }
}

/// The name of the only outlet, if it is a float tensor [batch, `width`].
fn check_outlets(what: &'static str, outlets: &[Outlet], width: usize) -> Result<String, OrtError> {
    if let [outlet] = outlets
        && let ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } = outlet.dtype()
        && let [-1 | 1, last] = shape[..]
        && usize::try_from(last) == Ok(width)
    {
        return Ok(outlet.name().to_owned());
    }
    let found: Vec<String> = outlets.iter().map(|o| format!("{} {}", o.name(), o.dtype())).collect();
    Err(OrtError::Shape { what, width, found: found.join(", ") })
}

impl Actor for OrtActor {
    fn name(&self) -> &str {
        &self.name
    }
    fn schema(&self) -> Schema {
        self.schema
    }
    fn infer(&mut self, observation: &Observation) -> Result<Action, PolicyError> {
        self.forward(observation.values()).map_err(|e| PolicyError::Runtime(e.message().to_owned()))
    }
}
