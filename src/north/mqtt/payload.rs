//! Payloads of Sparkplug B 3.0 as far as they are used here: the messages `Payload` and `Metric` of its protobuf definition (Eclipse
//! Sparkplug specification, section 6.4), with the same field numbers.

use prost::{Message, Oneof};

/// A message of a node or device.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Payload {
    /// ms since 1970 UTC.
    #[prost(uint64, optional, tag = "1")]
    pub timestamp: Option<u64>,
    #[prost(message, repeated, tag = "2")]
    pub metrics: Vec<Metric>,
    /// 0 to 255, counts all messages of a node since its birth.
    #[prost(uint64, optional, tag = "3")]
    pub seq: Option<u64>,
}

/// One value.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Metric {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// When it was measured, ms since 1970 UTC.
    #[prost(uint64, optional, tag = "3")]
    pub timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "4")]
    pub datatype: Option<u32>,
    #[prost(bool, optional, tag = "7")]
    pub is_null: Option<bool>,
    #[prost(oneof = "Held", tags = "10, 11, 12, 13, 14, 15")]
    pub value: Option<Held>,
}

/// What a metric holds.
#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Held {
    #[prost(uint32, tag = "10")]
    Int(u32),
    #[prost(uint64, tag = "11")]
    Long(u64),
    #[prost(float, tag = "12")]
    Float(f32),
    #[prost(double, tag = "13")]
    Double(f64),
    #[prost(bool, tag = "14")]
    Boolean(bool),
    #[prost(string, tag = "15")]
    Text(String),
}

/// Data types by their numbers.
pub(crate) mod kinds {
    pub(crate) const UINT16: u32 = 6;
    pub(crate) const INT64: u32 = 4;
    pub(crate) const DOUBLE: u32 = 10;
    pub(crate) const BOOLEAN: u32 = 11;
    pub(crate) const STRING: u32 = 12;
}
