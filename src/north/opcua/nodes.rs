//! The address space: a folder for the site, in it one for each kind of point, in those the points. Values are not kept here.

use crate::values::data_type;
use memg_north::points::{Point, PointList, Shape, Use};
use opcua::server::address_space::{AccessLevel, AddressSpace, ObjectBuilder, VariableBuilder};
use opcua::types::{
    DataTypeId, EUInformation, ExtensionObject, LocalizedText, NodeId, ObjectId, ObjectTypeId, VariableTypeId,
};

/// Namespace of the nodes.
pub(crate) const NAMESPACE: &str = "urn:memg-gateway:points";
/// Where units have their numbers (OPC 10000-8, 5.6.3).
const UNECE: &str = "http://www.opcfoundation.org/UA/units/un/cefact";

/// The kinds of points, each a folder.
const KINDS: [&str; 6] = ["state", "measurements", "setpoints", "alarms", "words", "commands"];

/// Id of a point's node.
pub(crate) fn id(namespace: u16, name: &str) -> NodeId {
    NodeId::new(namespace, name.to_owned())
}

fn kind(point: &Point) -> &'static str {
    let first = point.name.split_once('.').map(|(first, _)| first);
    match (point.usage, point.shape, first) {
        (Use::Command(_), ..) | (Use::Read, _, Some("command")) => "commands",
        (Use::Read, Shape::Text(_), _) => "words",
        (Use::Read, _, Some("alarm")) => "alarms",
        (Use::Read, _, Some("setpoint" | "limit")) => "setpoints",
        (Use::Read, Shape::Number, _) => "measurements",
        (Use::Read, Shape::Count | Shape::Flag | Shape::State(_), _) => "state",
    }
}

/// Adds all of them.
pub(crate) fn add(space: &mut AddressSpace, namespace: u16, site: &str, list: &PointList) {
    let folder =
        |id: &NodeId, name: &str| ObjectBuilder::new(id, name, name).has_type_definition(ObjectTypeId::FolderType);
    let top = id(namespace, "site");
    folder(&top, site).organized_by(ObjectId::ObjectsFolder).insert(space);
    for kind in KINDS {
        folder(&kind_id(namespace, kind), kind).organized_by(top.clone()).insert(space);
    }
    for point in list.points() {
        variable(space, namespace, point);
    }
}

/// A point's name never holds a slash.
fn kind_id(namespace: u16, kind: &str) -> NodeId {
    id(namespace, &format!("site/{kind}"))
}

fn variable(space: &mut AddressSpace, namespace: u16, point: &Point) {
    let node = id(namespace, &point.name);
    let access = match point.usage {
        Use::Read => AccessLevel::CURRENT_READ,
        Use::Command(_) => AccessLevel::CURRENT_READ | AccessLevel::CURRENT_WRITE,
    };
    let unit = (!point.unit.is_empty()).then(|| unit(point.unit));
    let kind_of_variable =
        if unit.is_some() { VariableTypeId::AnalogUnitType } else { VariableTypeId::BaseDataVariableType };
    VariableBuilder::new(&node, &*point.name, &*point.name)
        .description(&*point.text)
        .data_type(data_type(point.shape))
        .access_level(access)
        .user_access_level(access)
        .has_type_definition(kind_of_variable)
        .organized_by(kind_id(namespace, kind(point)))
        .insert(space);
    if let Some(unit) = unit {
        let property = id(namespace, &format!("{}/EngineeringUnits", point.name));
        VariableBuilder::new(&property, "EngineeringUnits", "EngineeringUnits")
            .data_type(DataTypeId::EUInformation)
            .value(ExtensionObject::from_message(unit))
            .access_level(AccessLevel::CURRENT_READ)
            .user_access_level(AccessLevel::CURRENT_READ)
            .has_type_definition(VariableTypeId::PropertyType)
            .property_of(node)
            .insert(space);
    }
}

/// A unit with its number: the letters of its common code (UN/ECE recommendation 20) as octets; -1 where there is none.
fn unit(name: &str) -> EUInformation {
    let code = match name {
        "kW" => "KWT",
        "kWh" => "KWH",
        "kvar" => "KVR",
        "Hz" => "HTZ",
        "s" => "SEC",
        _ => "",
    };
    let number = code.bytes().fold(0, |number, letter| number << 8 | i32::from(letter));
    EUInformation {
        namespace_uri: UNECE.into(),
        unit_id: if code.is_empty() { -1 } else { number },
        display_name: LocalizedText::from(name),
        description: LocalizedText::from(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_have_the_numbers_of_their_codes() {
        assert_eq!((unit("kW").unit_id, unit("Hz").unit_id, unit("EUR").unit_id), (4_937_556, 4_740_186, -1));
    }
}
