//! What the library asks about nodes: values come from the latest cycle, writes go to the desk and come back with its answer.

use crate::nodes::{NAMESPACE, add, id};
use crate::values::{data_value, refused, with_times, written};
use crate::who::Who;
use memg_listener::Complaints;
use memg_north::desk::Principal;
use memg_north::wires::{Snapshot, Wires};
use opcua::nodes::DefaultTypeTree;
use opcua::server::CreateMonitoredItem;
use opcua::server::SubscriptionCache;
use opcua::server::address_space::AddressSpace;
use opcua::server::diagnostics::NamespaceMetadata;
use opcua::server::node_manager::memory::InMemoryNodeManagerImpl;
use opcua::server::node_manager::{ParsedReadValueId, RequestContext, ServerContext, WriteNode};
use opcua::sync::RwLock;
use opcua::types::{AttributeId, DataValue, Identifier, NodeId, NumericRange, StatusCode, TimestampsToReturn, Variant};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The points as the library sees them.
pub(crate) struct Manager {
    wires: Wires,
    who: Arc<Who>,
    complaints: Complaints,
    namespace: u16,
}

impl Manager {
    /// Adds the nodes; for the library's builder.
    pub fn build(
        context: &ServerContext,
        space: &mut AddressSpace,
        site: &str,
        (wires, who, complaints): (Wires, Arc<Who>, Complaints),
    ) -> Self {
        let namespace = context.type_tree.write().namespaces_mut().add_namespace(NAMESPACE);
        space.add_namespace(NAMESPACE, namespace);
        add(space, namespace, site, &wires.list);
        Self { wires, who, complaints, namespace }
    }

    /// Place of a node's point.
    fn place(&self, node: &NodeId) -> Option<usize> {
        match &node.identifier {
            Identifier::String(name) if node.namespace == self.namespace => self.wires.list.named(name.as_ref()),
            _ => None,
        }
    }

    fn value(&self, snapshot: &Snapshot, by: &Principal, place: usize) -> DataValue {
        let Some(point) = self.wires.list.points().get(place) else { return DataValue::null() };
        let own = self.wires.desk.written(by, place);
        let reading = own.or_else(|| snapshot.readings.get(place).cloned()).unwrap_or_default();
        data_value(point, &reading, snapshot.unix_ms)
    }

    /// The place and number of a write that the library and the node's type let pass.
    fn wished(&self, space: &RwLock<AddressSpace>, context: &RequestContext, node: &WriteNode) -> Wished {
        let type_tree: &RwLock<DefaultTypeTree> = &context.type_tree;
        let write = node.value();
        space.write().validate_node_write(context, write, &*type_tree.read())?;
        let place = self.place(&write.node_id).ok_or(StatusCode::BadNotWritable)?;
        let point = self.wires.list.points().get(place).ok_or(StatusCode::BadNotWritable)?;
        if write.attribute_id != AttributeId::Value {
            return Err(StatusCode::BadNotWritable);
        }
        if write.index_range != NumericRange::None {
            return Err(StatusCode::BadIndexRangeInvalid);
        }
        let value = write.value.value.as_ref().unwrap_or(&Variant::Empty);
        written(point.shape, value).map(|value| (place, value))
    }

    /// Whoever hangs up meanwhile: what the desk has begun it ends, and notes.
    async fn give(&self, by: Principal, place: usize, value: f64) -> StatusCode {
        let desk = self.wires.desk.clone();
        let name = by.name.clone();
        let given = tokio::spawn(async move { desk.give(&by, place, value).await }).await;
        match given {
            Ok(Ok(())) => StatusCode::Good,
            Ok(Err(refusal)) => {
                self.complaints.about("a command was refused", &format!("{name}: {refusal}"));
                refused(&refusal)
            }
            Err(_) => StatusCode::BadInternalError,
        }
    }
}

type Wished = Result<(usize, f64), StatusCode>;

/// Tells whoever has subscribed what a cycle brought. Not told are values that differ from reader to reader: those of commands.
pub(crate) async fn tell(wires: Wires, namespace: u16, subscriptions: Arc<SubscriptionCache>) {
    let points = wires.list.points();
    let nobody = Principal {
        name: String::new(),
        role: memg_core::command::Role::Viewer,
        means: memg_core::command::Means::OpcUa,
        authenticated: false,
    };
    let common: Vec<(usize, NodeId)> = (0..points.len())
        .filter(|place| wires.desk.written(&nobody, *place).is_none())
        .filter_map(|place| points.get(place).map(|point| (place, id(namespace, &point.name))))
        .collect();
    let mut live = wires.live.clone();
    let mut last: BTreeMap<usize, StatusCode> = BTreeMap::new();
    while live.changed().await.is_ok() {
        let snapshot = live.borrow_and_update().clone();
        let mut told = subscriptions.data_notifier();
        for (place, node) in &common {
            let (Some(point), Some(reading)) = (points.get(*place), snapshot.readings.get(*place)) else { continue };
            let value = data_value(point, reading, snapshot.unix_ms);
            let status = value.status.unwrap_or(StatusCode::Bad);
            let other = last.insert(*place, status).is_some_and(|before| before != status);
            if let Some(mut subscribed) = told.notify_for(node, AttributeId::Value) {
                // The library compares values alone: one of which only the status has changed is told through none.
                if other && value.value.is_some() {
                    subscribed.data_value(DataValue { value: None, ..value.clone() });
                }
                subscribed.data_value(value);
            }
        }
    }
}

#[async_trait::async_trait]
impl InMemoryNodeManagerImpl for Manager {
    async fn init(&self, _: &mut AddressSpace, _: ServerContext) {}

    fn name(&self) -> &str {
        "points"
    }

    fn namespaces(&self) -> Vec<NamespaceMetadata> {
        vec![NamespaceMetadata {
            namespace_uri: NAMESPACE.to_owned(),
            namespace_index: self.namespace,
            is_namespace_subset: Some(false),
            ..NamespaceMetadata::default()
        }]
    }

    async fn read_values(
        &self,
        context: &RequestContext,
        space: &RwLock<AddressSpace>,
        nodes: &[&ParsedReadValueId],
        max_age: f64,
        times: TimestampsToReturn,
    ) -> Vec<DataValue> {
        let by = self.who.principal(&context.token);
        let snapshot = self.wires.live.borrow().clone();
        let space = space.read();
        let read = |node: &&ParsedReadValueId| {
            let Some(place) = self.place(&node.node_id) else { return space.read(context, node, max_age, times) };
            let refused = |status| DataValue { status: Some(status), ..DataValue::default() };
            match space.validate_node_read(context, node) {
                Err(status) => refused(status),
                Ok(_) if node.index_range != NumericRange::None => refused(StatusCode::BadIndexRangeInvalid),
                Ok(_) => with_times(self.value(&snapshot, &by, place), times),
            }
        };
        nodes.iter().map(read).collect()
    }

    async fn create_value_monitored_items(
        &self,
        context: &RequestContext,
        space: &RwLock<AddressSpace>,
        items: &mut [&mut &mut CreateMonitoredItem],
    ) {
        let nodes: Vec<ParsedReadValueId> = items.iter().map(|item| item.item_to_monitor().clone()).collect();
        let nodes: Vec<&ParsedReadValueId> = nodes.iter().collect();
        let values = self.read_values(context, space, &nodes, 0.0, TimestampsToReturn::Both).await;
        for (value, item) in values.into_iter().zip(items.iter_mut()) {
            // A point of which nothing is known may be watched; one that is not there may not.
            let refused = [
                StatusCode::BadNodeIdUnknown,
                StatusCode::BadUserAccessDenied,
                StatusCode::BadAttributeIdInvalid,
                StatusCode::BadIndexRangeInvalid,
                StatusCode::BadDataEncodingInvalid,
            ];
            match value.status {
                Some(status) if refused.contains(&status) => item.set_status(status),
                _ => {
                    item.set_initial_value(value);
                    item.set_status(StatusCode::Good);
                }
            }
        }
    }

    async fn write(
        &self,
        context: &RequestContext,
        space: &RwLock<AddressSpace>,
        nodes: &mut [&mut WriteNode],
    ) -> Result<(), StatusCode> {
        let by = self.who.principal(&context.token);
        for node in nodes {
            let wished = self.wished(space, context, node);
            let status = match wished {
                Ok((place, value)) => self.give(by.clone(), place, value).await,
                Err(status) => status,
            };
            node.set_status(status);
        }
        Ok(())
    }
}
