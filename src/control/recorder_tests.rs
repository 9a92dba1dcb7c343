//! Cycles with a journal that fails now and then.

use super::*;
use crate::journal::{Entry, Reader};
use crate::mode::Mode;
use crate::replay::replay;
use crate::restore::restore;
use crate::rig::Rig;
use memg_core::command::ExchangeLimits;
use memg_core::measurement::Measurement;
use memg_core::plant_state::Signal;
use memg_core::policy::{Policy, PolicyError, PolicyInput, Request};
use memg_core::rules::{GoodRule, SeedRule};
use memg_core::setpoints::Setpoints;
use memg_core::units::{Kilowatts, Watts};
use std::fs::OpenOptions;
use std::path::PathBuf;

/// A rig whose cycles are journaled, on a disk that can be full.
struct Desk {
    rig: Rig,
    recorder: Recorder,
    other: File,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Desk {
    fn new(bytes_max: u64) -> Self {
        let rig = Rig::new(false).in_auto();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let header = Header::new("test", &rig.config, ["seed", "rule", "seed"], &rig.state);
        let recorder = Recorder::begin(Journal::open(&path, bytes_max).unwrap(), header).unwrap();
        let other = OpenOptions::new().write(true).open("/dev/full").unwrap();
        Self { rig, recorder, other, path, _folder: folder }
    }

    /// The disk is full from now on, or not any more.
    fn toggle(&mut self) {
        self.recorder.journal.breaks(&mut self.other);
    }

    fn cycle(&mut self) -> CycleDecision {
        let input = self.rig.input();
        let Rig { config, state, chain, .. } = &mut self.rig;
        cycle(config, state, &input, chain, Some(&mut self.recorder))
    }

    fn order(&mut self, body: CommandBody) -> (CycleDecision, Outcome) {
        self.rig.command(body);
        let decision = self.cycle();
        let outcome = decision.answers[0].outcome.clone();
        (decision, outcome)
    }

    /// Cycles that replay finds, all identical.
    fn replayed(&self) -> usize {
        let chain = |_: &Header| Ok(Chain { policy: Some(Box::new(SeedRule)), model: "seed".into(), rule: GoodRule });
        replay(&self.path, chain).unwrap().cycles
    }

    fn headers(&self) -> usize {
        Reader::open(&self.path).unwrap().filter(|entry| matches!(entry, Ok(Entry::Header(_)))).count()
    }
}

fn import(kw: f64) -> CommandBody {
    CommandBody::Limits(ExchangeLimits { import_kw_max: Some(kw), export_kw_max: None })
}

fn by_hand(battery_kw: f64) -> CommandBody {
    CommandBody::Setpoints(Setpoints { battery: Kilowatts::new(battery_kw), chp: Kilowatts::ZERO, grid: None })
}

#[test]
fn a_journal_with_failed_writes_in_it_replays() {
    let mut desk = Desk::new(u64::MAX);
    // In turn: written, not written.
    for cycles in [5, 1, 5, 3, 80] {
        desk.rig.set(Signal::ElectricLoadKw, Measurement::good(30.0 + f64::from(cycles) / 10.0));
        (0..cycles).for_each(|_| drop(desk.cycle()));
        desk.toggle();
    }
    assert_eq!(desk.replayed(), 90);
    assert_eq!(desk.headers(), 3, "one at the beginning, and one after each failure");
    assert_eq!(desk.rig.state.mode.mode, Mode::Auto, "it recovers");
}

#[test]
fn a_command_that_cannot_be_journaled_is_rejected_and_changes_nothing() {
    let mut desk = Desk::new(u64::MAX);
    desk.order(import(50.0));
    desk.order(CommandBody::Manual);
    desk.order(by_hand(-5.0));
    let (limits, manual) = (desk.rig.state.limits, desk.rig.state.manual);
    desk.toggle();
    for body in [import(10.0), by_hand(3.0), CommandBody::Shadow, CommandBody::Auto] {
        let (decision, outcome) = desk.order(body);
        assert_eq!(outcome, Outcome::Rejected { reason: UNWRITTEN.into() });
        assert_eq!((decision.mode, decision.written), (Mode::Hold, false));
        assert!(decision.fault.unwrap().cause.starts_with(UNWRITTEN));
        assert_eq!((desk.rig.state.limits, desk.rig.state.manual), (limits, manual));
    }
    desk.toggle();
    (0..5).for_each(|_| drop(desk.cycle()));
    assert_eq!(desk.rig.state.mode.mode, Mode::Manual);
    let mut restored = ControlState::start(0);
    restore(&desk.path, &mut restored, 96).unwrap();
    assert_eq!((restored.limits, desk.replayed()), (limits, 8));
}

#[test]
fn a_stop_that_cannot_be_journaled_is_taken_and_goes_on_once_the_journal_can_be_written() {
    let mut desk = Desk::new(u64::MAX);
    desk.toggle();
    let (decision, outcome) = desk.order(CommandBody::SafeStop);
    assert_eq!((decision.mode, decision.written, outcome), (Mode::SafeStop, false, Outcome::Done));
    desk.toggle();
    let decision = desk.cycle();
    assert_eq!((decision.mode, decision.written, desk.replayed()), (Mode::SafeStop, true, 1));
    let mut restored = ControlState::start(0);
    restore(&desk.path, &mut restored, 96).unwrap();
    assert!(restored.mode.latched);
}

#[test]
fn nobody_has_to_follow_a_set_point_that_was_not_sent() {
    let mut desk = Desk::new(u64::MAX);
    desk.rig.config.response_ms = 20_000;
    desk.cycle();
    desk.toggle();
    desk.rig.set(Signal::BatteryKw, Measurement::good(0.0));
    for _ in 0..50 {
        let fault = desk.cycle().fault.unwrap();
        assert!(fault.cause.starts_with(UNWRITTEN), "{}", fault.cause);
    }
    assert_eq!(desk.rig.state.memory.battery().get(), 0, "ramps begin at what the battery does");
}

#[test]
fn a_full_file_is_followed_by_the_next_and_replays_from_the_state_before_its_first_cycle() {
    let mut desk = Desk::new(30_000);
    (0..100).for_each(|_| drop(desk.cycle()));
    assert!(crate::journal::older(&desk.path).exists() && desk.replayed() > 0);
}

#[test]
fn a_header_stands_within_sixteen_mebibytes_and_within_an_hour() {
    let mut desk = Desk::new(u64::MAX);
    for _ in 0..40 {
        desk.rig.command(CommandBody::Auto);
        desk.rig.commands[0].id = "x".repeat(1 << 20);
        desk.cycle();
    }
    // The id stands in the command and in its answer: 80 MiB.
    assert_eq!(desk.headers(), 5);
    desk.rig.skip(3_600_000);
    desk.cycle();
    assert_eq!((desk.headers(), desk.replayed()), (6, 41));
}

/// Another one under the name of the one that replay loads.
struct Panics;

impl Policy for Panics {
    fn name(&self) -> &'static str {
        "seed"
    }

    fn act(&mut self, _: &PolicyInput<'_>) -> Result<Request, PolicyError> {
        panic!("of a test")
    }
}

#[test]
fn a_policy_that_panics_stops_the_plant_in_the_same_cycle_and_the_journal_replays() {
    let mut desk = Desk::new(u64::MAX);
    desk.cycle();
    desk.rig.chain.policy = Some(Box::new(Panics));
    desk.rig.skip(900_000);
    let decision = desk.cycle();
    assert_eq!((decision.mode, decision.latched, decision.written), (Mode::SafeStop, true, true));
    assert_eq!(decision.safe.unwrap().battery(), Watts::ZERO);
    assert_eq!(decision.fault.unwrap().cause, "control panicked: of a test");
    desk.rig.chain.policy = Some(Box::new(SeedRule));
    assert_eq!(desk.cycle().mode, Mode::SafeStop, "it waits for an operator");
    assert_eq!(desk.replayed(), 3);
}
