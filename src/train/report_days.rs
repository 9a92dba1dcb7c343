//! A good day and the worst day of a run in pictures: what the actor did, what the planner would have done, what was best.

use super::report::{OPTIMUM, OWN, PLAN, Story, curve, escape, line};
use super::svg_chart::{Points, svg_chart};
use super::words;
use memg_core::env::EnvStep;
use memg_core::planner::{Plan, PlanSettings};
use memg_core::policy::Policy;
use memg_evaluate::evaluate;
use memg_optimum::PlanStep;
use memg_policy::load_forecaster;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// Pictures of both days; nothing without a comparison.
pub(crate) fn html(story: &Story<'_>, mut actor: Box<dyn Policy>) -> String {
    let Some((good, worst)) = extremes(story) else { return String::new() };
    let mut planner = planner(story);
    let mut html = String::new();
    for (title, day) in [("A good day", good), ("The worst day", worst)] {
        html.push_str(&pictures(story, title, day, actor.as_mut(), planner.as_deref_mut()));
    }
    html
}

/// The planner that this run has fitted.
fn planner(story: &Story<'_>) -> Option<Box<dyn Policy>> {
    let folder = &story.summary.plan.as_ref()?.plan;
    let ridge = load_forecaster(folder, &story.options.plant).ok()?;
    Some(Box::new(Plan::new(ridge, PlanSettings::default())))
}

/// A day among those that are shown.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Day {
    /// Which of them.
    index: usize,
    /// Cost of the actor above perfect foresight, EUR.
    regret: f64,
}

/// The day with the median of the better half's regrets (the very best is one on which there was nothing to decide), and the
/// one with the largest.
fn extremes(story: &Story<'_>) -> Option<(Day, Day)> {
    let comparison = story.comparison()?;
    let own = words::trained(comparison)?;
    let costs = own.daily_cost_eur.iter().zip(&comparison.optimum.daily_cost_eur);
    let mut days: Vec<Day> =
        costs.enumerate().map(|(index, (cost, best))| Day { index, regret: cost - best }).collect();
    days.sort_by(|a, b| a.regret.total_cmp(&b.regret));
    Some((*days.get(days.len() / 4)?, *days.last()?))
}

/// The block of rows that a day belongs to, and the steps of the day in it.
fn place(story: &Story<'_>, day: Day) -> Option<(Range<usize>, Range<usize>)> {
    let profile = &story.options.profile;
    let steps = story.options.plant.steps_per_day();
    let mut left = day.index * steps;
    let shown = profile.rows().iter().zip(story.parts).filter(|(_, part)| **part == story.shown);
    let shown: BTreeSet<i64> = shown.map(|(row, _)| row.time.minute).collect();
    for block in profile.blocks_among(None, |row| shown.contains(&row.time.minute)) {
        if left < block.len() {
            return Some((block.clone(), left..(left + steps).min(block.len())));
        }
        left -= block.len();
    }
    None
}

/// One value a step.
type Of<T> = fn(&T) -> f64;

fn pictures(
    story: &Story<'_>,
    title: &str,
    day: Day,
    actor: &mut dyn Policy,
    planner: Option<&mut (dyn Policy + 'static)>,
) -> String {
    let Some((block, shown)) = place(story, day) else { return String::new() };
    let own = lived(story, &block, actor);
    let planned = planner.map(|planner| lived(story, &block, planner)).unwrap_or_default();
    let Ok(best) = memg_optimum::of_block(&story.options.plant, &story.options.profile, &block) else {
        return String::new();
    };
    let Some(first) = own.get(shown.start) else { return String::new() };
    let time = first.row.time.to_string();
    let date = escape(time.get(..10).unwrap_or(&time));
    let mut html = String::new();
    line(&mut html, &format!("<h2>{title}: {date}, {:.2} EUR above perfect foresight</h2>", day.regret));
    let quantities: [(&str, Of<EnvStep>, Of<PlanStep>); 4] = [
        ("battery, kW (+ charges)", |s| s.verdict.safe.battery().kilowatts().get(), |p| p.battery_kw),
        ("CHP, kW", |s| s.verdict.safe.chp().kilowatts().get(), |p| p.chp_kw),
        ("grid, kW (+ imports)", |s| s.dispatch.grid.signed().get(), |p| p.grid_kw),
        ("state of charge, %", |s| 100.0 * s.soc_after.get(), |p| 100.0 * p.soc),
    ];
    for (title, of, of_best) in quantities {
        line(&mut html, &format!("<h3>{title}</h3>"));
        let mut curves = vec![curve(story.name, OWN, hours(story, &own, &shown, of))];
        if !planned.is_empty() {
            curves.push(curve("plan", PLAN, hours(story, &planned, &shown, of)));
        }
        curves.push(curve("perfect foresight", OPTIMUM, hours(story, &best.plan, &shown, of_best)));
        html.push_str(&svg_chart(&curves, "hours"));
    }
    line(&mut html, "<h3>import price, EUR/kWh</h3>");
    let price = curve("price", "#666", hours(story, &own, &shown, |s| s.row.import_price));
    html.push_str(&svg_chart(&[price], "hours"));
    html
}

/// The steps of a block, with all rows before it as history; none if the policy failed.
fn lived(story: &Story<'_>, block: &Range<usize>, policy: &mut dyn Policy) -> Vec<EnvStep> {
    let mut steps = Vec::new();
    let profile = Arc::clone(&story.options.profile);
    let blocks = std::slice::from_ref(block);
    let found = evaluate(story.options.plant, &profile, blocks, policy, |step| steps.push(*step));
    found.map(|_| steps).unwrap_or_default()
}

fn hours<T>(story: &Story<'_>, steps: &[T], shown: &Range<usize>, of: Of<T>) -> Points {
    let step_h = story.options.plant.step_h();
    let shown = steps.get(shown.clone()).unwrap_or_default();
    shown.iter().enumerate().map(|(i, step)| (i as f64 * step_h, of(step))).collect()
}
