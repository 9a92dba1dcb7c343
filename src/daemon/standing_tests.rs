use super::*;
use memg_control::fault::Fault;
use memg_core::plant_state::Signal;
use memg_core::safety::Relaxation;

fn decision(mode: Mode, fault: Option<Fault>, latched: bool) -> CycleDecision {
    CycleDecision {
        mode,
        changes: Vec::new(),
        answers: Vec::new(),
        fault,
        decided_by: "plan".into(),
        policy_step: false,
        price_is_substituted: false,
        substituted: Vec::new(),
        closed: None,
        observation: None,
        action: None,
        outside_tariff: false,
        plan: None,
        request: None,
        safe: None,
        interventions: Vec::new(),
        relaxation: Relaxation::None,
        limits: memg_control::cycle::ExchangeLimits::default(),
        grid_limit: None,
        cap: None,
        latched,
        written: false,
        model: "rule".into(),
    }
}

/// A plant with a battery behind a device and prices over MQTT.
struct Plant {
    devices: Vec<(String, DeviceState)>,
    broker: Option<bool>,
    values: Vec<(Tag, Measurement<f64>)>,
    sources: BTreeMap<Tag, BTreeSet<String>>,
    sentences: Sentences,
}

const SOC: Tag = Tag::first(Signal::Soc);
const BATTERY: Tag = Tag::first(Signal::BatteryKw);
const PRICE: Tag = Tag::first(Signal::ImportPriceEurPerKwh);

impl Plant {
    fn well() -> Self {
        let source = |name: &str| BTreeSet::from([name.to_owned()]);
        Self {
            devices: vec![("inverter".into(), DeviceState::Controlled), ("chp".into(), DeviceState::Reading)],
            broker: Some(true),
            values: [SOC, BATTERY, PRICE].map(|tag| (tag, Measurement::good(0.5))).to_vec(),
            sources: [(SOC, source("inverter")), (BATTERY, source("inverter")), (PRICE, source(BROKER))].into(),
            sentences: Sentences { why: "why".into(), next: Some("at 14:48:52 the gateway stops safely".into()) },
        }
    }

    fn lose(mut self, tags: &[Tag], quality: Quality) -> Self {
        let lost = self.values.iter_mut().filter(|(tag, _)| tags.contains(tag));
        lost.for_each(|(_, measured)| measured.quality = quality);
        self
    }

    fn raised(&self, decision: &CycleDecision, told: Vec<Raised>) -> Vec<Raised> {
        let facts = Facts {
            at: Instants::default(),
            devices: &self.devices,
            broker: self.broker,
            values: &self.values,
            sources: &self.sources,
            decision,
            sentences: &self.sentences,
            history_trouble: None,
            outside_tariff: false,
            forecast_is_missing: false,
        };
        raised(&facts, told)
    }

    fn ids(&self, decision: &CycleDecision, told: Vec<Raised>) -> Vec<String> {
        self.raised(decision, told).iter().map(|alarm| alarm.kind.id(&alarm.name)).collect()
    }
}

fn lost_soc() -> Fault {
    Fault::soft("soc is not usable: CommLost").named("inputs.lost")
}

#[test]
fn a_plant_that_is_well_has_no_alarm() {
    assert_eq!(Plant::well().ids(&decision(Mode::Auto, None, false), Vec::new()), Vec::<String>::new());
}

#[test]
fn a_silent_device_its_lost_values_the_fault_and_the_mode_are_one_alarm() {
    let mut plant = Plant::well().lose(&[SOC, BATTERY], Quality::CommLost);
    plant.devices[0].1 = DeviceState::Offline;
    let all = plant.raised(&decision(Mode::Hold, Some(lost_soc()), false), Vec::new());
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!((all[0].kind, all[0].name.as_str()), (Kind::Link, "inverter"));
    assert_eq!(all[0].effects, ["Not known without it: soc, battery_kw", "The gateway holds its last request"]);
    assert_eq!(all[0].next.as_deref(), Some("At 14:48:52 the gateway stops safely"));
}

#[test]
fn values_that_cannot_be_used_are_one_alarm_of_their_device() {
    let plant = Plant::well().lose(&[SOC, BATTERY], Quality::OutOfRange);
    let hold = decision(Mode::Hold, Some(lost_soc()), false);
    assert_eq!(plant.ids(&hold, Vec::new()), ["inverter.values"]);
}

#[test]
fn two_causes_are_two_alarms_and_the_fault_belongs_to_its_own() {
    let mut plant = Plant::well().lose(&[SOC], Quality::CommLost).lose(&[PRICE], Quality::Stale);
    plant.devices[0].1 = DeviceState::Offline;
    plant.broker = Some(false);
    let all = plant.raised(&decision(Mode::Hold, Some(lost_soc()), false), Vec::new());
    let ids: Vec<_> = all.iter().map(|alarm| alarm.kind.id(&alarm.name)).collect();
    assert_eq!(ids, ["inverter.link", "mqtt.broker"]);
    assert_eq!((all[0].effects.len(), all[1].effects.len()), (2, 1), "{all:?}");
}

#[test]
fn a_set_point_that_is_not_confirmed_belongs_to_the_write_that_failed_or_is_an_alarm_of_its_own() {
    let fault = || Fault::unfollowed("inverter: battery_setpoint = 5 is not confirmed").named("inverter.follow");
    let hold = decision(Mode::Hold, Some(fault()), false);
    let write = Raised::new(Kind::Write, "inverter", "exception 6");
    assert_eq!(Plant::well().ids(&hold, vec![write]), ["inverter.write"]);
    assert_eq!(Plant::well().ids(&hold, Vec::new()), ["inverter.follow"]);
}

#[test]
fn a_latched_stop_stands_with_its_cause_and_alone_when_the_cause_is_gone() {
    let fault = Fault::hard("the battery reports a fault").named("battery.fault");
    let stopped = Plant::well().raised(&decision(Mode::SafeStop, Some(fault), true), Vec::new());
    assert_eq!((stopped.len(), stopped[0].kind), (1, Kind::Device));
    assert!(stopped[0].effects.iter().any(|effect| effect.contains("give the command Acknowledge")), "{stopped:?}");
    assert_eq!(Plant::well().ids(&decision(Mode::SafeStop, None, true), Vec::new()), ["plant.stop"]);
}

#[test]
fn every_name_that_control_gives_a_fault_is_a_kind_of_alarm() {
    for (id, kind) in [
        ("battery.fault", Kind::Device),
        ("chp_2.follow", Kind::Follow),
        ("inputs.lost", Kind::Input),
        ("connection.limit", Kind::Limit),
        ("measurements.bounds", Kind::Bounds),
        ("policy.failed", Kind::Policy),
        ("journal.write", Kind::Journal),
        ("driver.task", Kind::Driver),
        ("a device.local", Kind::Local),
    ] {
        let fault = Fault::soft("words").named(id);
        let all = Plant::well().raised(&decision(Mode::Hold, Some(fault), false), Vec::new());
        assert_eq!(all.iter().map(|alarm| alarm.kind).collect::<Vec<_>>(), [kind], "{id}");
    }
    let nameless = decision(Mode::Hold, Some(Fault::soft("something new")), false);
    assert_eq!(Plant::well().ids(&nameless, Vec::new()), ["plant.fault"]);
}
