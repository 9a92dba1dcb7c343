//! Days whose outcome is known, written into a history and read back as a ledger.

use crate::{Day, Ledger, Site, ledger};
use jiff::civil::{Date, date};
use jiff::tz::{Offset, TimeZone};
use memg_control::mode::Mode;
use memg_core::env::{EnvStep, MemgEnv, Start};
use memg_core::equipment::Plant;
use memg_core::policy::Policy;
use memg_core::profile::Profile;
use memg_core::reward::RewardWeights;
use memg_core::rules::{GoodRule, Idle};
use memg_core::settlement::stored_energy_correction;
use memg_core::units::Soc;
use memg_history::{PointInfo, Reader, Settings, open};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

const PROFILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/profiles/site-a-2016.csv");
/// Two days and the one on which clocks change in Berlin.
const FIRST: &str = "2016-03-25";
const DAYS: [Date; 3] = [date(2016, 3, 25), date(2016, 3, 26), date(2016, 3, 27)];
const DAY_MS: i64 = 86_400_000;

fn plant() -> Plant {
    Plant::reference()
}

/// The profile and the rows of the three days.
fn three_days() -> (Arc<Profile>, Range<usize>) {
    let profile = Profile::parse_for(&std::fs::read_to_string(PROFILE).unwrap(), &plant()).unwrap();
    let first = profile.rows().iter().position(|row| row.time.to_string().starts_with(FIRST)).unwrap();
    (Arc::new(profile), first..first + 3 * 96)
}

/// The days as a policy lives through them, from SoC 0.5.
fn lived(policy: &mut dyn Policy) -> Vec<EnvStep> {
    let (profile, block) = three_days();
    let mut env = MemgEnv::new(plant(), profile, RewardWeights::default());
    env.reset(Start::block(block));
    std::iter::from_fn(|| env.step_policy(policy).unwrap()).collect()
}

/// What is recorded of one minute, by name.
type Sample = BTreeMap<&'static str, Option<f64>>;

/// What meters and gateway show in the minutes of a step of one plant, with the set-points of another run of it.
fn minutes(real: &EnvStep, wanted: &EnvStep, mode: Mode) -> Vec<(i64, Sample)> {
    let (row, d, safe) = (&real.row, &real.dispatch, &wanted.verdict.safe);
    let produced = d.renewables.get() - d.curtailed.get();
    let share = if d.renewables.get() > 0.0 { produced / d.renewables.get() } else { 1.0 };
    let begin_ms = (row.time.minute - row.time.offset_min) * 60_000;
    let sample = |minute: i64| {
        let passed = (minute + 1) as f64 / 15.0;
        let soc = real.soc_before.get() + passed * (real.soc_after.get() - real.soc_before.get());
        [
            ("pv_kw", row.pv_kw * share),
            ("wind_kw", row.wind_kw * share),
            ("pv_available_kw", row.pv_kw),
            ("wind_available_kw", row.wind_kw),
            ("electric_load_kw", row.electric_load_kw),
            ("heat_load_kw", row.heat_load_kw),
            ("import_price_eur_per_kwh", row.import_price),
            ("export_price_eur_per_kwh", row.export_price),
            ("soc", soc),
            ("battery_kw", d.battery.signed().get()),
            ("chp_kw", d.chp.get()),
            ("grid_kw", d.grid.signed().get()),
            ("setpoint.battery_kw", safe.battery().kilowatts().get()),
            ("setpoint.chp_kw", safe.chp().kilowatts().get()),
            ("setpoint.pv_limit_kw", plant().parameters().exogenous.pv_kw_nom),
            ("cost_eur_per_h", d.cost(&plant(), row.prices(), false, plant().step()).get() / plant().step_h()),
            ("mode", f64::from(mode.number())),
        ]
    };
    let one =
        |minute: i64| (begin_ms + minute * 60_000, sample(minute).map(|(name, value)| (name, Some(value))).into());
    (0..15).map(one).collect()
}

/// A history with the days of `real` as `change` leaves each minute (its number from the begin of the first day).
fn recorded(
    real: &[EnvStep],
    wanted: &[EnvStep],
    mode: Mode,
    change: impl Fn(usize, &mut Sample),
) -> (tempfile::TempDir, Reader) {
    let folder = tempfile::tempdir().unwrap();
    let names =
        minutes(&real[0], &wanted[0], mode)[0].1.keys().copied().chain(["limit.import_kw_max"]).collect::<Vec<_>>();
    let points: Vec<PointInfo> =
        names.iter().map(|name| PointInfo { name: (*name).into(), unit: String::new() }).collect();
    let path = folder.path().join("site.history");
    let settings = Settings { path: path.clone(), commit: Duration::from_secs(3600), raw_days: 30, minute_days: 1825 };
    let (writer, _) = open(&settings, &points);
    let all = real.iter().zip(wanted).flat_map(|(real, wanted)| minutes(real, wanted, mode));
    for (number, (unix_ms, mut sample)) in all.enumerate() {
        change(number, &mut sample);
        let value = |name: &&str| sample.get(name).copied().flatten().map(|value| value as f32);
        let values: Vec<(usize, Option<f32>)> = names.iter().map(value).enumerate().collect();
        // The queue is shorter than three days of minutes: what did not fit comes again.
        let mut before = None;
        while before != Some(writer.dropped()) {
            before.is_some().then(|| std::thread::sleep(Duration::from_millis(1)));
            before = Some(writer.dropped());
            writer.sample(unix_ms, &values);
        }
    }
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(writer.close());
    (folder, Reader::of_file(&path).unwrap())
}

fn site() -> Site {
    Site { plant: plant(), zone: TimeZone::fixed(Offset::constant(1)) }
}

/// Long after.
const LATER_MS: i64 = 20_000 * DAY_MS;

fn ledger_of(reader: &Reader) -> Ledger {
    ledger(reader, &site(), DAYS[0], DAYS[2], LATER_MS).unwrap()
}

/// What the environment says that each day cost, stored energy settled.
fn truth(steps: &[EnvStep]) -> Vec<f64> {
    let day = |steps: &[EnvStep]| {
        let rows: Vec<_> = steps.iter().map(|step| step.row).collect();
        let (start, end): (Soc, Soc) = (steps[0].soc_before, steps[steps.len() - 1].soc_after);
        steps.iter().map(|step| step.cost.get()).sum::<f64>() + stored_energy_correction(&plant(), &rows, start, end)
    };
    steps.chunks(96).map(day).collect()
}

fn near(found: Option<f64>, expected: f64, eur: f64) {
    assert!(
        found.is_some_and(|found| (found - expected).abs() <= eur),
        "{found:?}, expected {expected} to within {eur}"
    );
}

#[test]
fn a_gateway_that_did_what_the_rule_does_costs_what_the_rule_costs() {
    let run = lived(&mut GoodRule);
    let (_folder, reader) = recorded(&run, &run, Mode::Auto, |_, _| {});
    let found = ledger_of(&reader);
    assert_eq!(found.days.len(), 3);
    for day in &found.days {
        assert!(day.valid, "{day:?}");
        near(day.gateway_eur, day.rule_eur.unwrap(), 0.02);
        near(day.error_eur, 0.0, 0.02);
        near(Some(day.hours_auto), 24.0, 1e-9);
        near(Some(day.hours_shadow), 0.0, 1e-9);
    }
    // How the first day began is not recorded: that its CHP had to be started, for one.
    for (day, truth) in found.days.iter().zip(truth(&run)).skip(1) {
        near(day.rule_eur, truth, 0.05);
        near(day.metered_eur, truth, 0.05);
    }
    assert!(found.text.contains("as the good rule") && found.text.contains("within the error"), "{}", found.text);
}

#[test]
fn a_plant_that_was_at_rest_cost_what_the_ledger_says_of_the_plant_at_rest() {
    let idle = lived(&mut Idle);
    let (_folder, reader) = recorded(&idle, &idle, Mode::Shadow, |_, _| {});
    let days = ledger_of(&reader).days;
    // The first day begins at rest, as the rule's own run does.
    near(days[0].rule_eur, truth(&lived(&mut GoodRule))[0], 0.01);
    for (day, truth) in days.iter().zip(truth(&idle)) {
        for side in [day.idle_eur, day.gateway_eur, day.metered_eur] {
            near(side, truth, 0.01);
        }
        assert_eq!((day.valid, day.hours_auto, day.hours_shadow), (true, 0.0, 24.0));
    }
}

#[test]
fn in_shadow_the_gateways_side_is_what_its_set_points_would_have_cost() {
    let (idle, rule) = (lived(&mut Idle), lived(&mut GoodRule));
    let (_folder, reader) = recorded(&idle, &rule, Mode::Shadow, |_, _| {});
    let days = ledger_of(&reader).days;
    // On the first day both begin with the same battery: the set-points are the rule's own.
    near(days[0].gateway_eur, days[0].rule_eur.unwrap(), 0.05);
    near(days[0].metered_eur, truth(&idle)[0], 0.01);
    assert!(days.iter().all(|day| day.valid && day.hours_shadow == 24.0));
}

fn set(sample: &mut Sample, name: &'static str, value: Option<f64>) {
    sample.insert(name, value);
}

#[test]
fn days_that_cannot_be_compared_are_named_with_the_reason() {
    let rule = lived(&mut GoodRule);
    let second = |number: usize, hours: f64| number >= 1440 && ((number - 1440) as f64) < hours * 60.0;
    type Change = fn(&mut Sample);
    let rows: [(f64, Change, &str); 9] = [
        (3.0, |s| s.values_mut().for_each(|value| *value = None), "3.0 h of pv_kw were not recorded"),
        (2.0, |s| set(s, "heat_load_kw", None), "2.0 h of heat_load_kw were not recorded"),
        (2.0, |s| set(s, "import_price_eur_per_kwh", None), "2.0 h of import_price_eur_per_kwh were not recorded"),
        (24.0, |s| set(s, "soc", None), "24.0 h of soc were not recorded"),
        (0.5, |s| set(s, "mode", Some(5.0)), "an operator's set-points held for 0.5 h"),
        (1.0, |s| set(s, "mode", Some(6.0)), "a safe stop held for 1.0 h"),
        (4.0, |s| set(s, "limit.import_kw_max", Some(30.0)), "limits from outside held for 4.0 h"),
        (6.0, |s| set(s, "cost_eur_per_h", None), "the exchange was not metered"),
        (0.2, |s| s.values_mut().for_each(|value| *value = None), ""),
    ];
    for (hours, change, why) in rows {
        let spoil = |number: usize, sample: &mut Sample| {
            if second(number, hours) {
                change(sample)
            }
        };
        let (_folder, reader) = recorded(&rule, &rule, Mode::Auto, spoil);
        let days = ledger_of(&reader).days;
        let told = days[1].why.clone().unwrap_or_default();
        assert!(told.starts_with(why) && told.is_empty() == why.is_empty(), "{why}: {told}");
        assert_eq!(days.iter().map(|day| day.valid).collect::<Vec<_>>(), [true, why.is_empty(), true], "{why}");
        let unknown = why.contains("were not recorded");
        assert_eq!(days[1].rule_eur.is_none(), unknown, "{why}: what is not known is none, not zero");
    }
}

#[test]
fn a_cap_on_production_that_nobody_can_measure_spoils_the_day() {
    let rule = lived(&mut GoodRule);
    let (_folder, reader) = recorded(&rule, &rule, Mode::Auto, |number, sample| {
        sample.remove("pv_available_kw");
        sample.remove("wind_available_kw");
        if number < 90 {
            sample.insert("setpoint.pv_limit_kw", Some(10.0));
        }
    });
    let days = ledger_of(&reader).days;
    // The points are there, and never known: what was produced counts as what was available, but not while it is capped.
    assert!(days[0].why.as_deref().unwrap().starts_with("production was capped"), "{:?}", days[0].why);
    assert!(days[1].valid, "{:?}", days[1].why);
}

#[test]
fn the_present_day_is_shown_up_to_now_and_is_not_over() {
    let rule = lived(&mut GoodRule);
    let (_folder, reader) = recorded(&rule, &rule, Mode::Auto, |_, _| {});
    let noon_ms = (rule[96].row.time.minute - 60 + 720) * 60_000;
    let days = ledger(&reader, &site(), DAYS[0], DAYS[2], noon_ms).unwrap().days;
    assert_eq!(days.len(), 2, "of tomorrow nothing is shown");
    assert_eq!((days[1].valid, days[1].why.as_deref(), days[1].hours_auto), (false, Some("the day is not over"), 12.0));
    assert!(days[1].gateway_eur.is_some() && days[1].error_eur.is_some());
}

#[test]
fn meters_that_disagree_with_the_model_widen_the_error_and_the_sentence_says_so() {
    let (idle, rule) = (lived(&mut Idle), lived(&mut GoodRule));
    let scaled = |_: usize, sample: &mut Sample| {
        let cost = sample.get("cost_eur_per_h").copied().flatten().unwrap();
        sample.insert("cost_eur_per_h", Some(cost * 1.5));
    };
    let (_folder, reader) = recorded(&idle, &rule, Mode::Shadow, scaled);
    let found = ledger_of(&reader);
    for (day, truth) in found.days.iter().zip(truth(&idle)) {
        near(day.error_eur, 0.5 * truth, 0.05);
    }
    assert!(found.text.contains("as the plant at rest") && found.text.contains("would have cost"), "{}", found.text);
}

#[test]
fn months_are_sums_over_the_days_that_can_be_compared() {
    let rule = lived(&mut GoodRule);
    let manual = |number: usize, sample: &mut Sample| {
        if number < 60 {
            sample.insert("mode", Some(5.0));
        }
    };
    let (_folder, reader) = recorded(&rule, &rule, Mode::Auto, manual);
    let Ledger { days, months, .. } = ledger_of(&reader);
    let sum =
        |of: fn(&Day) -> Option<f64>| days.iter().filter(|day| day.valid).map(|day| of(day).unwrap()).sum::<f64>();
    assert_eq!(months.len(), 1);
    near(months[0].gateway_eur, sum(|day| day.gateway_eur), 1e-9);
    near(months[0].error_eur, sum(|day| day.error_eur), 1e-9);
    let told = (months[0].month.as_str(), months[0].why.as_deref());
    assert_eq!(told, ("2016-03", Some("1 of 3 days cannot be compared and are left out")));
    let json = serde_json::to_value(&months[0]).unwrap();
    for key in
        ["month", "gateway_eur", "rule_eur", "idle_eur", "error_eur", "valid", "why", "hours_auto", "hours_shadow"]
    {
        assert!(json.get(key).is_some(), "{key}");
    }
}

#[test]
fn a_day_on_which_clocks_change_has_its_own_length() {
    let rule = lived(&mut GoodRule);
    let (_folder, reader) = recorded(&rule, &rule, Mode::Auto, |_, _| {});
    let berlin = Site { zone: TimeZone::get("Europe/Berlin").unwrap(), ..site() };
    let days = ledger(&reader, &berlin, DAYS[0], date(2016, 3, 29), LATER_MS).unwrap().days;
    assert_eq!(days.iter().map(|day| day.hours_auto).collect::<Vec<_>>(), [24.0, 24.0, 23.0, 1.0]);
    assert!(days[2].valid, "{:?}", days[2].why);
    assert!(days[3].why.as_deref().unwrap().contains("were not recorded"), "{:?}", days[3].why);
}

#[test]
fn of_days_without_a_record_nothing_is_said() {
    let rule = lived(&mut GoodRule);
    let (_folder, reader) = recorded(&rule, &rule, Mode::Auto, |_, _| {});
    let found = ledger(&reader, &site(), date(2015, 1, 1), date(2015, 12, 31), LATER_MS).unwrap();
    assert_eq!((found.days.len(), found.text.as_str()), (0, "Nothing is recorded of these days."));
}
