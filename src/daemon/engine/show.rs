//! The telling half of a cycle: books, history, alarms, messages, the view. It comes after the set-points are on their way.

use super::Engine;
use crate::ahead::lacks;
use crate::messages::Messages;
use crate::standing::Facts;
use crate::view::View;
use memg_control::assumed::share_renewable_limit;
use memg_control::cycle::{CycleDecision, CycleInput};
use memg_plant_io::WriteOrder;
use memg_plant_io::event::{DriverEvent, EventKind};

impl Engine {
    /// Tells when measurements have not fitted each other for long, and when they do again.
    pub(super) fn keep_books(&mut self, input: &CycleInput) {
        for finding in self.books.observe(input, self.config.filter.plant()) {
            let kind = if finding.off { EventKind::BalanceOff } else { EventKind::BalanceHolds };
            let event = DriverEvent { device: "site".to_owned(), kind, detail: finding.detail };
            self.alarms.take(&event, self.at.now_ms);
            self.alarms.balance(finding.balance, finding.off, &event.detail);
            if let Some(mqtt) = &self.wires.mqtt {
                mqtt.event(&event);
            }
        }
    }

    pub(super) fn show(&mut self, input: CycleInput, decision: CycleDecision, order: Option<&WriteOrder>) {
        self.showing.look(self.at, (&input, &decision), &self.state, &self.wires.notes);
        let health = &self.wires.devices.devices;
        let view = View {
            cycle: self.cycle,
            at: self.at,
            taken: Some(self.last_cycle),
            order: order.copied(),
            mode_state: Some(self.state.mode),
            sentences: self.showing.sentences(&decision, &self.state),
            limits: self.state.limits,
            in_charge: self.state.in_charge.clone(),
            devices: health.iter().map(|d| (d.name.to_string(), d.counters.state())).collect(),
            counters: health.iter().map(|d| (d.name.to_string(), d.counters.values())).collect(),
            broker: self.wires.mqtt.as_ref().map(Messages::is_up),
            messages: self.wires.mqtt.as_ref().map_or(0, Messages::received),
            cost_eur: self.account.summary.cost_eur,
            forecast_mae: self.state.forecast_errors.mae(),
            journal_trouble: self.journal_error().map(ToOwned::to_owned),
            history_trouble: self.wires.notes.trouble(),
            station: self.wires.station.clone(),
            values: self.frozen.clone(),
            ..View::default()
        };
        let view = self.showing.fill(view);
        let view = self.list_alarms(view, &decision);
        if let Some(archive) = &self.wires.archive {
            let caps_kw =
                decision.safe.map(|safe| share_renewable_limit(&self.config, &safe, input.state.wind.usable()));
            archive.sample(self.at.unix_ms, &self.frozen, (&input, &decision), caps_kw);
        }
        if let Some(mqtt) = &mut self.wires.mqtt {
            mqtt.publish(&view, (&decision, &self.state), order);
        }
        self.wires.view.send_replace(View { last: Some((input, decision)), ..view });
    }

    /// Something is to be written as a forecast, and nothing is known of it. Those over MQTT are missed by their topics.
    fn lacks_a_written_one(&self) -> bool {
        lacks(&self.state.outlook, &self.written_forecasts, self.config.filter.plant().steps_per_hour())
    }

    /// Brings the list of alarms up to date and tells what changed.
    fn list_alarms(&mut self, view: View, decision: &CycleDecision) -> View {
        let facts = Facts {
            at: self.at,
            devices: &view.devices,
            broker: view.broker,
            values: &view.values,
            sources: &self.sources,
            decision,
            sentences: &view.sentences,
            history_trouble: view.history_trouble.as_deref(),
            outside_tariff: view.outside_tariff,
            forecast_is_missing: self.forecasts && (self.state.outlook.is_empty() || self.lacks_a_written_one()),
        };
        let changes = self.alarms.observe(&facts, &self.wires.notes);
        let (alarms, alarms_number) = self.alarms.shown();
        if let Some(mqtt) = &mut self.wires.mqtt {
            mqtt.alarms(&changes, &alarms, alarms_number);
        }
        View { alarms, alarms_number, alarm_last: self.alarms.last.clone(), ..view }
    }
}
