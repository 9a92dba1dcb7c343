//! A plant by hand, time by hand, faults at will: for scenarios and promises.

use super::cycle::{Chain, ControlConfig, ControlState, CycleDecision, CycleInput, decide};
use super::fault::Fault;
use super::journal::{Header, Journal, Record};
use super::mode::{Mode, ModeTimes};
use super::restore::restore;
use memg_core::command::{Command, CommandBody, Means, Outcome, Role};
use memg_core::equipment::{Plant, PlantParameters};
use memg_core::measurement::Measurement;
use memg_core::plant_state::{PlantState, Signal, Tag};
use memg_core::policy::{Policy, PolicyError, PolicyInput, Request};
use memg_core::rules::{GoodRule, SeedRule};
use memg_core::safety::SafetyFilter;
use memg_core::setpoints::Setpoints;
use memg_core::units::Kilowatts;

pub(super) struct Rig {
    pub(super) early: bool,
    pub(super) config: ControlConfig,
    pub(super) state: ControlState,
    pub(super) chain: Chain,
    pub(super) values: Vec<(Tag, Measurement<f64>)>,
    pub(super) cycle: u64,
    pub(super) now_ms: u64,
    pub(super) plant_ms: i64,
    pub(super) uptime_ms: i64,
    pub(super) commands: Vec<Command>,
    pub(super) grid_limits: Vec<(Tag, Measurement<f64>)>,
    pub(super) fault: Option<Fault>,
}

impl Rig {
    pub(super) fn new(simulated: bool) -> Self {
        let filter = SafetyFilter::new(Plant::reference());
        let times = ModeTimes {
            hold_ms: 60_000,
            observe_ms: 60_000,
            recover_cycles: 3,
            stop_write_ms: 3_600_000,
            manual_ms: 14_400_000,
        };
        let values = [
            (Signal::PvKw, 10.0),
            (Signal::WindKw, 5.0),
            (Signal::ElectricLoadKw, 40.0),
            (Signal::HeatLoadKw, 60.0),
            (Signal::Soc, 0.5),
            (Signal::BatteryKw, -7.0),
            (Signal::ChpKw, 0.0),
            (Signal::ChpOn, 0.0),
            (Signal::GridKw, 18.0),
            (Signal::ImportPriceEurPerKwh, 0.15),
            (Signal::ExportPriceEurPerKwh, 0.08),
        ];
        Self {
            early: false,
            config: ControlConfig {
                filter,
                times,
                simulated,
                cycle_ms: 1000,
                stand_in_ms: u64::MAX,
                response_ms: u64::MAX,
                chp_response_ms: i64::MAX,
                substitutes: Default::default(),
                grid_limit: Default::default(),
            },
            state: ControlState::start(0),
            chain: Chain { policy: Some(Box::new(SeedRule)), model: "seed".into(), rule: GoodRule },
            values: values.map(|(signal, value)| (signal.into(), Measurement::good(value))).to_vec(),
            cycle: 0,
            now_ms: 0,
            plant_ms: 0,
            uptime_ms: 0,
            commands: Vec::new(),
            grid_limits: Vec::new(),
            fault: None,
        }
    }

    /// An operator's command for the next cycle.
    pub(super) fn command(&mut self, body: CommandBody) {
        self.command_of("anna", body);
    }

    /// Somebody's command for the next cycle.
    pub(super) fn command_of(&mut self, principal: &str, body: CommandBody) {
        self.command_as(principal, Role::Operator, body);
    }

    /// A command of somebody with a role for the next cycle.
    pub(super) fn command_as(&mut self, principal: &str, role: Role, body: CommandBody) {
        let id = format!("c{}", self.commands.len());
        let (principal, means) = (principal.to_owned(), Means::Terminal);
        self.commands.push(Command { principal, role, means, id, time_unix_ms: 0, body });
    }

    /// A command and the cycle that takes it.
    pub(super) fn order(&mut self, body: CommandBody) -> (CycleDecision, Outcome) {
        self.command(body);
        let decision = self.cycle();
        let outcome = decision.answers[0].outcome.clone();
        (decision, outcome)
    }

    /// Time passes without cycles.
    pub(super) fn skip(&mut self, ms: i64) {
        self.now_ms += ms as u64;
        self.plant_ms += ms;
        self.uptime_ms += ms;
    }

    pub(super) fn set(&mut self, signal: impl Into<Tag>, measurement: Measurement<f64>) {
        let tag = signal.into();
        self.values.retain(|(known, _)| *known != tag);
        self.values.push((tag, measurement));
    }

    /// The same rig at another plant.
    pub(super) fn plant(&mut self, change: impl FnOnce(&mut PlantParameters)) {
        let mut parameters = PlantParameters::reference();
        change(&mut parameters);
        self.config.filter = SafetyFilter::new(parameters.validate().unwrap());
    }

    /// What a restart finds after this many rotations, the last of them with nothing after it but its header.
    pub(super) fn after_a_kill(&mut self, path: &std::path::Path, rotations: usize) -> ControlState {
        journaled(self, path, 3);
        let mut journal = Journal::open(path, 0).unwrap();
        for _ in 0..rotations {
            journal.rotate(&Header::new("test", &self.config, ["seed", "rule", "seed"], &self.state)).unwrap();
        }
        let mut restored = ControlState::start(0);
        assert!(restore(path, &mut restored, 96).unwrap());
        restored
    }

    pub(super) fn input(&mut self) -> CycleInput {
        self.cycle += 1;
        self.now_ms += 1000;
        self.plant_ms += 1000;
        self.uptime_ms += 1000;
        CycleInput {
            cycle: self.cycle,
            early: self.early,
            now_ms: self.now_ms,
            uptime_ms: self.uptime_ms,
            plant_ms: self.plant_ms,
            state: PlantState::from_measured(&self.values, 12.0),
            witnesses: Vec::new(),
            grid_limits: self.grid_limits.clone(),
            outlook: None,
            commands: std::mem::take(&mut self.commands),
            fault: self.fault.clone(),
        }
    }

    pub(super) fn cycle(&mut self) -> CycleDecision {
        let input = self.input();
        decide(&self.config, &mut self.state, &input, &mut self.chain)
    }

    pub(super) fn run(&mut self, cycles: usize) -> CycleDecision {
        for _ in 1..cycles {
            self.cycle();
        }
        self.cycle()
    }

    /// Init, Shadow, armed.
    pub(super) fn in_auto(mut self) -> Self {
        self.run(4);
        self.command(CommandBody::Arm);
        self.cycle();
        assert_eq!(self.cycle().mode, Mode::Auto);
        self
    }
}

/// Asks for three powers that do not fit together.
pub(super) struct Unbalanced;
impl Policy for Unbalanced {
    fn name(&self) -> &'static str {
        "unbalanced"
    }
    fn act(&mut self, _: &PolicyInput<'_>) -> Result<Request, PolicyError> {
        let kw = Kilowatts::new;
        let setpoints = Setpoints { battery: kw(-10.0), chp: kw(0.0), grid: Some(kw(60.0)) };
        Ok(Request { observation: None, action: None, setpoints, outside_tariff: false })
    }
}

pub(super) fn journaled(rig: &mut Rig, path: &std::path::Path, cycles: usize) {
    let mut journal = Journal::open(path, u64::MAX).unwrap();
    journal.begin(&Header::new("test", &rig.config, ["seed", "rule", "seed"], &rig.state)).unwrap();
    for step in 0..cycles {
        rig.set(Signal::ElectricLoadKw, Measurement::good(30.0 + step as f64 * 0.37));
        rig.plant_ms += 120_000;
        let input = rig.input();
        let decision = decide(&rig.config, &mut rig.state, &input, &mut rig.chain);
        journal.write(&Record { input: &input, decision: &decision, memory: &rig.state.memory }).unwrap();
    }
}

/// Battery set-point of a decision, W, + = charging.
pub(super) fn battery(decision: &CycleDecision) -> i64 {
    decision.safe.map_or(0, |safe| safe.battery().get())
}

/// Set-points for Manual.
pub(super) fn by_hand(battery_kw: f64, chp_kw: f64) -> CommandBody {
    CommandBody::Setpoints(Setpoints { battery: Kilowatts::new(battery_kw), chp: Kilowatts::new(chp_kw), grid: None })
}

/// Why a command was refused.
pub(super) fn reason(outcome: Outcome) -> String {
    let Outcome::Rejected { reason } = outcome else { panic!("expected a rejection, found {outcome:?}") };
    reason
}
