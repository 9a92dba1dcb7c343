//! What a [`Unit`] tells control of set-points that are ordered and not in force; see [`super::confirm`].

use super::codec;
use super::confirm::Open;
use super::unit::{Control, Seen, Unit};
use super::writer::Wanted;
use crate::WriteOrder;
use tokio::time::Instant;

impl Unit {
    /// Why nothing at all may be written now.
    pub(super) fn obstacle(&mut self, now: Instant) -> Option<&'static str> {
        if self.silence.is_some() {
            return Some("the unit does not answer");
        }
        if !self.writes.iter().all(|write| self.is_known(write.point)) {
            return Some("its registers have not been read since it was connected");
        }
        if !self.is_the_right_device() {
            return Some("another device answers there");
        }
        match self.control {
            _ if self.is_remote(now) => None,
            Control::Local => Some("the device is under local control"),
            Control::Remote | Control::Unknown => Some("it is not known who controls the device"),
        }
    }

    pub(super) fn trouble(&mut self, write: usize, why: String) {
        self.writes.iter_mut().skip(write).take(1).for_each(|state| state.trouble = Some(why.clone()));
    }

    /// Nothing that is ordered can be written, for that reason.
    pub fn hold_back(&mut self, order: &WriteOrder, why: &str, now: Instant) {
        for write in 0..self.writes.len() {
            let output = self.writes.get(write).and_then(|state| Some(self.rule(state.point)?.output));
            let Some(output) = output else { continue };
            self.trouble(write, why.to_owned());
            self.note_open(write, output.value(order), now);
        }
    }

    /// No order, or one that is too old: nothing has to be in force.
    pub fn nothing_ordered(&mut self) {
        (0..self.writes.len()).for_each(|write| self.note_closed(write));
    }

    pub(super) fn note_open(&mut self, write: usize, wanted: f64, now: Instant) {
        let Some(state) = self.writes.get_mut(write) else { return };
        let Some(point) = self.device.points.get(state.point) else { return };
        let Some(rule) = &point.write else { return };
        let open = Open {
            since: *state.open_since.get_or_insert(now),
            within: rule.confirm,
            point: point.name.clone(),
            wanted: format!("{wanted} {}", point.unit),
            reason: state.trouble.clone().unwrap_or_else(|| "it was not read back".to_owned()),
        };
        self.confirmations.set(state.point, Some(open));
    }

    pub(super) fn note_closed(&mut self, write: usize) {
        let Some(state) = self.writes.get_mut(write) else { return };
        (state.open_since, state.trouble) = (None, None);
        self.confirmations.set(state.point, None);
    }

    /// Whether the read-back shows one of the latest set-points.
    pub(super) fn follow(&mut self, write: usize) {
        let Some(index) = self.writes.get(write).map(|state| state.point) else { return };
        let Some(rule) = self.rule(index).cloned() else { return };
        let Some(readback) = rule.readback else { return };
        let Some(Seen { value: Some(value), at }) = self.last(readback) else { return };
        let device = self.device.clone();
        let exponent = device.points.get(index).and_then(|point| self.exponent(point));
        let shown = |wanted: &Wanted| match device.points.get(index).filter(|_| readback == index) {
            Some(point) => codec::decode(point, wanted.cells.as_slice(), exponent).unwrap_or(wanted.value),
            None => wanted.value,
        };
        let shows = |wanted: &Wanted| (shown(wanted) - value).abs() <= rule.tolerance + 1e-9;
        let Some(state) = self.writes.get_mut(write) else { return };
        state.followed(&rule, at, shows);
        if state.open_since.is_none() {
            self.confirmations.set(index, None);
        }
    }
}
