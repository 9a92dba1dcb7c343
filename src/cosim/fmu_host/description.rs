//! Reading a foreign model description: only what a master needs, and lenient about the rest.

use super::super::error::CosimError;
use memg_fmu::describe::Fmi;
use memg_fmu_host::Type;
use roxmltree::{Document, Node, ParsingOptions};

/// Elements and texts at most: a description of 100 000 variables has less.
const NODES_MAX: u32 = 4_000_000;

/// What a variable is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A number or boolean.
    Number(Type),
    /// A text.
    Text,
    /// Something that a map cannot connect: arrays, binaries, clocks.
    Other,
}

/// A variable of the plant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlantVariable {
    /// Name in the model description, unique there.
    pub name: String,
    /// Number by which the standard's get and set functions know it.
    pub reference: u32,
    /// What it can hold, and whether a map can connect it.
    pub content: Content,
    /// `input`, `output`, `parameter`, `local`, …
    pub causality: String,
}

/// What a master needs to know of an FMU.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelDescription {
    /// Version of the standard.
    pub fmi: Fmi,
    /// The model's name, for messages only.
    pub model_name: String,
    /// Name of the library.
    pub identifier: String,
    /// GUID or instantiation token.
    pub token: String,
    /// Proposed step size, s.
    pub step_size: Option<f64>,
    /// In the order of the file, whatever their causality.
    pub variables: Vec<PlantVariable>,
}

impl ModelDescription {
    /// Reads the XML.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn parse(xml: &str) -> Result<Self, CosimError> {
        let wrong = |reason: String| CosimError::Description(reason);
        let options = ParsingOptions { nodes_limit: NODES_MAX, ..ParsingOptions::default() };
        let document = Document::parse_with_options(xml.trim_start_matches('\u{feff}'), options)
            .map_err(|error| wrong(format!("not readable XML: {error}")))?;
        let root = document.root_element();
        let version = attribute(&root, "fmiVersion").map_err(wrong)?;
        let (fmi, token) = match version.split('.').next() {
            Some("2") => (Fmi::Two, "guid"),
            Some("3") => (Fmi::Three, "instantiationToken"),
            _ => return Err(wrong(format!("fmiVersion: expected 2.x or 3.x, found {version:?}"))),
        };
        let simulation = child(&root, "CoSimulation")
            .ok_or_else(|| wrong("there is no CoSimulation element: the FMU is for model exchange only".to_owned()))?;
        Ok(Self {
            fmi,
            model_name: root.attribute("modelName").unwrap_or("?").to_owned(),
            identifier: identifier(&simulation).map_err(wrong)?,
            token: attribute(&root, token).map_err(wrong)?,
            step_size: child(&root, "DefaultExperiment")
                .and_then(|experiment| experiment.attribute("stepSize")?.trim().parse().ok())
                .filter(|step: &f64| step.is_finite() && *step > 0.0),
            variables: variables(&root, fmi).map_err(wrong)?,
        })
    }

    /// The variable of a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&PlantVariable> {
        self.variables.iter().find(|variable| variable.name == name)
    }
}

fn child<'a>(node: &Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn attribute(node: &Node<'_, '_>, name: &str) -> Result<String, String> {
    let found = node.attribute(name).map(str::to_owned);
    found.ok_or_else(|| format!("<{}> has no {name}", node.tag_name().name()))
}

/// It becomes part of a path, so it must be a plain name.
fn identifier(simulation: &Node<'_, '_>) -> Result<String, String> {
    let name = attribute(simulation, "modelIdentifier")?;
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { Ok(name) } else { Err(format!("modelIdentifier: expected a C identifier, found {name:?}")) }
}

fn variables(root: &Node<'_, '_>, fmi: Fmi) -> Result<Vec<PlantVariable>, String> {
    let Some(list) = root.children().find(|child| child.has_tag_name("ModelVariables")) else {
        return Err("there is no ModelVariables element".to_owned());
    };
    list.children().filter(Node::is_element).map(|node| variable(&node, fmi)).collect()
}

fn variable(node: &Node<'_, '_>, fmi: Fmi) -> Result<PlantVariable, String> {
    let name = attribute(node, "name")?;
    let reference = attribute(node, "valueReference")?;
    let reference = reference
        .trim()
        .parse()
        .map_err(|_| format!("{name}: valueReference: expected a whole number, found {reference:?}"))?;
    let content = match fmi {
        Fmi::Two => content2(node),
        Fmi::Three => content3(node),
    };
    let causality = node.attribute("causality").unwrap_or("local").to_owned();
    Ok(PlantVariable { name, reference, content, causality })
}

fn content2(node: &Node<'_, '_>) -> Content {
    let kinds = node.children().filter(Node::is_element).map(|child| match child.tag_name().name() {
        "Real" => Some(Content::Number(Type::Float64)),
        "Integer" | "Enumeration" => Some(Content::Number(Type::Int32)),
        "Boolean" => Some(Content::Number(Type::Boolean)),
        "String" => Some(Content::Text),
        _ => None,
    });
    kinds.flatten().next().unwrap_or(Content::Other)
}

fn content3(node: &Node<'_, '_>) -> Content {
    if node.children().any(|child| child.has_tag_name("Dimension")) {
        return Content::Other;
    }
    let number = match node.tag_name().name() {
        "Float32" => Type::Float32,
        "Float64" => Type::Float64,
        "Int8" => Type::Int8,
        "UInt8" => Type::UInt8,
        "Int16" => Type::Int16,
        "UInt16" => Type::UInt16,
        "Int32" => Type::Int32,
        "UInt32" => Type::UInt32,
        "Int64" | "Enumeration" => Type::Int64,
        "UInt64" => Type::UInt64,
        "Boolean" => Type::Boolean,
        "String" => return Content::Text,
        _ => return Content::Other,
    };
    Content::Number(number)
}
