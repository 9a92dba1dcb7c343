#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop at the first surprise")]

use super::{Screen, line, screen};
use memg_alarms::{Aside, Kind, List, Now, Raised};
use memg_control::cycle::{Chain, ControlConfig, ControlState, CycleInput, decide};
use memg_control::fault::Fault;
use memg_control::mode::{Mode, ModeTimes};
use memg_core::equipment::Plant;
use memg_core::measurement::{Measurement, Quality};
use memg_core::planner::PlanByHour;
use memg_core::plant_state::{PlantState, Signal, Tag};
use memg_core::rules::{GoodRule, SeedRule};
use memg_core::safety::SafetyFilter;
use memg_daemon::view::{Instants, Planned, Sentences, View};
use memg_plant_io::modbus::DeviceState;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;
use std::sync::Arc;
use std::time::Duration;

/// Sizes that people have: a small window, the classic one, a large one.
const SIZES: [(u16, u16); 3] = [(60, 20), (80, 24), (120, 40)];
const UNIX_MS: i64 = 1_764_072_000_000;

fn measured() -> Vec<(Tag, Measurement<f64>)> {
    let values = [
        (Signal::PvKw, 31.2),
        (Signal::WindKw, 5.0),
        (Signal::ElectricLoadKw, 42.0),
        (Signal::HeatLoadKw, 60.0),
        (Signal::Soc, 0.54),
        (Signal::BatteryKw, -7.0),
        (Signal::ChpKw, 0.0),
        (Signal::ChpOn, 0.0),
        (Signal::GridKw, -1.2),
        (Signal::GridVoltagePu, 1.013),
        (Signal::FrequencyHz, 50.01),
        (Signal::ImportPriceEurPerKwh, 0.15),
        (Signal::ExportPriceEurPerKwh, 0.08),
    ];
    values.map(|(signal, value)| (signal.into(), Measurement::good(value))).to_vec()
}

/// A gateway at the reference plant after some cycles, with these measurements in the last of them.
fn view(values: &[(Tag, Measurement<f64>)], fault: Option<Fault>) -> View {
    let times = ModeTimes {
        hold_ms: 60_000,
        observe_ms: 60_000,
        recover_cycles: 3,
        stop_write_ms: 3_600_000,
        manual_ms: 14_400_000,
    };
    let config = ControlConfig {
        filter: SafetyFilter::new(Plant::reference()),
        times,
        simulated: true,
        cycle_ms: 1000,
        stand_in_ms: u64::MAX,
        response_ms: u64::MAX,
        chp_response_ms: i64::MAX,
        substitutes: Default::default(),
        grid_limit: Default::default(),
    };
    let mut state = ControlState::start(0);
    let mut chain = Chain { policy: Some(Box::new(SeedRule)), model: "seed".into(), rule: GoodRule };
    let mut last = None;
    for cycle in 1..=8_i64 {
        let (values, fault) = if cycle == 8 { (values.to_vec(), fault.clone()) } else { (measured(), None) };
        let input = CycleInput {
            cycle: cycle as u64,
            early: false,
            now_ms: cycle as u64 * 1000,
            uptime_ms: cycle * 1000,
            plant_ms: UNIX_MS + cycle * 1000,
            state: PlantState::from_measured(&values, 12.0),
            witnesses: Vec::new(),
            grid_limits: Vec::new(),
            outlook: None,
            commands: Vec::new(),
            fault,
        };
        let decision = decide(&config, &mut state, &input, &mut chain);
        last = Some((input, decision));
    }
    View {
        cycle: 8,
        at: Instants { now_ms: 8000, plant_ms: UNIX_MS + 8000, unix_ms: UNIX_MS + 8000 },
        last,
        values: values.to_vec(),
        sentences: Sentences {
            why: "The policy decides, and the safety filter keeps it within limits.".into(),
            next: None,
        },
        devices: vec![
            ("meter".into(), DeviceState::Reading),
            ("battery".into(), DeviceState::Controlled),
            ("chp".into(), DeviceState::Offline),
        ],
        broker: Some(true),
        cost_eur: 12.345,
        station: Some("http://127.0.0.1:34567".into()),
        ..View::default()
    }
}

/// So many alarms: the first seen, the second shelved, the third out of service, the rest unseen.
fn alarms(number: usize) -> View {
    let mut list = List::default();
    let raised = || (1..=number).map(|n| Raised::new(Kind::Link, format!("pump{n}"), ""));
    let at = |second: u64| Now { mono_ms: second * 1000, unix_ms: UNIX_MS + second as i64 * 1000 };
    list.observe(at(0), raised());
    list.observe(at(2), raised());
    let until = UNIX_MS + 3_600_000;
    let _ = list.acknowledge(at(3), "pump1.link", "anna");
    let _ = list.put_aside(at(3), "pump2.link", "anna", (Aside::Shelved, until));
    let _ = list.put_aside(at(3), "pump3.link", "ute", (Aside::OutOfService, until));
    View { alarms: Arc::new(list.alarms()), ..view(&measured(), None) }
}

fn planned() -> View {
    let prices: Vec<f64> = (0..24).map(|hour| 0.1 + 0.01 * f64::from(hour % 12)).collect();
    let plan = PlanByHour {
        reason: "charges before the evening".into(),
        entry_min: 60.0,
        battery_kw: vec![5.0; 24],
        chp_kw: vec![0.0; 24],
        soc: (0..24).map(|hour| 0.3 + 0.02 * f64::from(hour)).collect(),
        export_price_eur_per_kwh: prices.iter().map(|price| price / 2.0).collect(),
        import_price_eur_per_kwh: prices,
    };
    let planned = Planned { plan, made_unix_ms: UNIX_MS, from_unix_ms: UNIX_MS };
    View { planned: Some(Arc::new(planned)), ..alarms(2) }
}

fn site() -> Screen {
    Screen { site: "harbour".into(), plant: Plant::reference(), log_in: Some("log in as demo, a-b-c-d".into()) }
}

fn terminal((width, height): (u16, u16), view: &View, age_s: u64, chosen: &mut Option<usize>) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen::draw(frame, &site(), view, Duration::from_secs(age_s), chosen)).unwrap();
    terminal
}

/// Rows of the picture, without what is empty at their ends.
fn rows(size: (u16, u16), view: &View) -> Vec<String> {
    rows_of(&terminal(size, view, 0, &mut None))
}

fn rows_of(terminal: &Terminal<TestBackend>) -> Vec<String> {
    let buffer = terminal.backend().buffer();
    let row = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..buffer.area.height).map(|y| row(y).trim_end().to_owned()).collect()
}

fn every_view() -> Vec<View> {
    let mut lost = measured();
    lost[0].1 = Measurement { value: Some(31.2), quality: Quality::CommLost, age_ms: 47_000 };
    lost[8].1 = Measurement::never();
    let fault = Some(Fault::unfollowed("the battery does other than it was told"));
    vec![view(&measured(), None), view(&lost, fault), alarms(1), alarms(40), planned(), View::default()]
}

#[test]
fn the_mode_stands_in_the_first_row_at_every_size_and_whatever_else_there_is_to_say() {
    for view in every_view() {
        let mode =
            view.last.as_ref().map_or("STARTING".into(), |(_, d)| d.mode.name().replace('_', " ").to_uppercase());
        for (width, height) in SIZES.into_iter().chain([(20, 1), (40, 3), (300, 100)]) {
            let shown = rows((width, height), &view);
            assert!(shown[0].contains(&mode), "{mode} at {width}x{height}: {}", shown[0]);
        }
    }
}

#[test]
fn no_size_is_too_small_to_draw() {
    for view in every_view() {
        for width in 1..30 {
            for height in 1..12 {
                drop(terminal((width, height), &view, 99, &mut Some(7)));
            }
        }
    }
}

#[test]
fn a_small_screen_shows_what_is_needed_to_judge_the_plant() {
    let shown = rows((60, 20), &alarms(4)).join("\n");
    for expected in [
        "alarms: 4, 1 unseen",
        "◆ high   unseen",
        "PV",
        "grid",
        "battery",
        "SoC",
        "asked",
        "✗",
        "chp",
        "page http",
        "Ctrl-C",
    ] {
        assert!(shown.contains(expected), "{expected} is not in\n{shown}");
    }
}

#[test]
fn a_large_screen_uses_its_room() {
    let shown = rows((120, 40), &planned());
    let text = shown.join("\n");
    for expected in [
        "measured ─",
        "decided ─",
        "devices ─",
        "planned, 24 h ahead",
        "chp        DOWN",
        "Look at its power",
        "SoC    30 to 76 %",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    let beside = shown.iter().filter(|row| row.chars().skip(66).any(|c| c != ' ')).count();
    assert!(beside >= 14, "{beside} rows of the right column are used\n{text}");
}

#[test]
fn states_are_told_by_shape_and_word_too() {
    let view = alarms(5);
    let shown = rows((120, 40), &view).join("\n");
    for expected in
        ["◆ high   unseen", "◇ high   seen", "◇ high   shelved", "◇ high   out", "● meter      up", "✗ chp        DOWN"]
    {
        assert!(shown.contains(expected), "{expected} is not in\n{shown}");
    }
    let mut lost = measured();
    lost[0].1 = Measurement { value: Some(31.2), quality: Quality::CommLost, age_ms: 47_000 };
    lost[8].1 = Measurement::never();
    for size in SIZES {
        let shown = rows(size, &self::view(&lost, None)).join("\n");
        for expected in ["(31.2)", "lost 47 s", "?", "never read"] {
            assert!(shown.contains(expected), "{expected} is not in\n{shown}");
        }
    }
}

#[test]
fn colour_is_for_alarms_alone() {
    for (view, allowed) in [(view(&measured(), None), false), (alarms(3), true)] {
        for size in SIZES {
            let drawn = terminal(size, &view, 0, &mut None);
            let colours = drawn.backend().buffer().content().iter().filter(|cell| cell.fg != Color::Reset).count();
            assert_eq!(colours > 0, allowed, "{colours} coloured cells at {size:?}");
        }
    }
}

#[test]
fn the_list_follows_the_one_that_is_chosen_and_shows_what_it_advises() {
    let view = alarms(40);
    let mut chosen = Some(99);
    let shown = rows_of(&terminal((60, 20), &view, 0, &mut chosen)).join("\n");
    assert_eq!(chosen, Some(39), "the last");
    let last = view.alarms.last().unwrap();
    assert!(shown.contains(last.id.trim_end_matches(".link")) && shown.contains("Look at its power"), "{shown}");
    let mut none = Some(3);
    drop(terminal((60, 20), &self::view(&measured(), None), 0, &mut none));
    assert_eq!(none, None, "nothing is chosen where there is nothing");
}

#[test]
fn a_picture_without_news_says_how_old_it_is() {
    let text = |age_s| rows_of(&terminal((60, 20), &view(&measured(), None), age_s, &mut None))[0].clone();
    assert!(!text(2).contains("no news"));
    assert!(text(12).contains("no news for 12 s"), "{}", text(12));
}

#[test]
fn the_picture_at_80x24_is_this_one() {
    let view = alarms(2);
    assert_eq!(view.mode(), Mode::Auto);
    let expected = include_str!("80x24.txt");
    let shown = rows((80, 24), &view).join("\n") + "\n";
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/live/80x24.txt");
    if std::env::var_os("MEMG_BLESS").is_some() {
        std::fs::write(file, &shown).unwrap();
        return;
    }
    assert_eq!(shown, expected, "if it is meant: MEMG_BLESS=1 cargo test -p memg-cli live");
}

#[test]
fn without_a_screen_a_policy_step_is_a_line() {
    let mut step = view(&measured(), None);
    assert_eq!(line::of(&step), None, "nothing was decided anew");
    step.last.as_mut().unwrap().1.policy_step = true;
    let told = line::of(&step).unwrap();
    assert!(told.contains("auto      SoC 54% load 42.0 PV 31.2 wind 5.0 grid -1.2"), "{told}");
}
