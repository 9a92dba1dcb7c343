//! The report of a run: one HTML file that needs nothing else.
//!
//! Tables, learning curves, a day's dispatch beside the optimum, the risk of daily costs. Charts are inline SVG.

use super::TrainingSummary;
use super::config::TrainConfig;
use super::metrics::Figures;
use super::svg_chart::{Curve, Points, svg_chart};
use memg_core::env::EnvStep;
use memg_core::equipment::Plant;
use memg_core::policy::Policy;
use memg_core::profile::Profile;
use memg_evaluate::compare::Comparison;
use memg_evaluate::evaluate;
use std::fmt::Write;
use std::sync::Arc;

/// What is told.
pub struct Story<'a> {
    /// The plant.
    pub plant: Plant,
    /// Results.
    pub summary: &'a TrainingSummary,
    /// Validation figures over time.
    pub history: &'a [Figures],
    /// What was asked for.
    pub config: &'a TrainConfig,
    /// Days for the dispatch charts.
    pub days: &'a Arc<Profile>,
    /// The model's name.
    pub name: &'a str,
}

/// The page.
#[must_use]
pub fn html(story: &Story<'_>, actor: &mut dyn Policy) -> String {
    let mut page = String::from(HEAD);
    let s = story.summary;
    let config = story.config;
    line(&mut page, &format!("<h1>Training of {}</h1>", escape(story.name)));
    line(
        &mut page,
        &format!(
            "<p>Schema {}, seed {}, {} updates, {} environment steps, {:.0} s.</p>",
            config.schema.name(),
            config.seed,
            s.updates,
            s.steps,
            s.seconds
        ),
    );
    if let Some(cut) = &s.cut {
        let same = format!("Cut: {cut}; --updates {} makes the same model again.", s.stage_updates);
        line(&mut page, &format!("<p>{}</p>", escape(&same)));
    }
    if let Some(reason) = &s.refused {
        line(&mut page, &format!("<p class=bad>Not exported: {}</p>", escape(reason)));
    }
    for (title, table) in
        [("Test days (never used for training or selection)", &s.test), ("Validation days", &s.validation)]
    {
        if let Some(comparison) = table {
            line(&mut page, &format!("<h2>{title}</h2>"));
            page.push_str(&table_of(comparison));
        }
    }
    line(&mut page, "<h2>Learning</h2>");
    page.push_str(&learning(story.history));
    line(&mut page, "<h2>A day's dispatch and the optimum</h2>");
    page.push_str(&dispatch(story, actor));
    if let Some(comparison) = s.test.as_ref().or(s.validation.as_ref()) {
        line(&mut page, "<h2>Risk: daily regret</h2>");
        page.push_str(&risk(comparison));
    }
    page.push_str("</body></html>\n");
    page
}

const HEAD: &str = "<!doctype html><html lang=en><head><meta charset=utf-8><title>Training report</title><style>
body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse}td,th{padding:.25em .6em;text-align:right;border-bottom:1px solid #ddd}td{white-space:nowrap}
td:first-child,th:first-child{text-align:left}.bad{color:#b00}svg{width:100%;height:auto}text{font-size:12px;fill:#444}
</style></head><body>\n";

fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push('\n');
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn table_of(c: &Comparison) -> String {
    let mut html = format!(
        "<p>{} days in {} blocks. Perfect foresight ({}): {:.2} EUR a day.</p><table><tr><th>policy<th>EUR/day\
         <th>gap<th>regret / rule's [95 %]<th>saving share<th>CVaR95 cost<th>CVaR95 regret<th>starts<th>violations</tr>\n",
        c.days, c.blocks, c.optimum.kind, c.optimum.cost_eur_per_day
    );
    for p in &c.policies {
        let [low, high] = p.regret_to_rule_interval;
        let row = writeln!(
            html,
            "<tr><td>{}<td>{:.2}<td>{:.1} %<td>{:.2} [{:.2}, {:.2}]<td>{:.1} %<td>{:.2}<td>{:.2}<td>{}<td>{}</tr>",
            escape(&p.policy),
            p.cost_eur_per_day,
            100.0 * p.gap_to_optimum,
            p.regret_to_rule,
            low,
            high,
            100.0 * p.saving_share,
            p.cvar95_cost,
            p.cvar95_regret,
            p.starts,
            p.violations
        );
        debug_assert!(row.is_ok());
    }
    html.push_str("</table>\n");
    html
}

fn learning(history: &[Figures]) -> String {
    let points =
        |figure: fn(&Figures) -> f64| history.iter().map(|f| (f.updates as f64, figure(f))).collect::<Vec<_>>();
    let last = history.last().map_or(1.0, |f| f.updates as f64);
    let regret = points(|f| f.validation_regret_to_rule.min(2.0));
    let curves = [
        Curve { name: "regret over the rule's (validation)", colour: "#06c", points: regret },
        Curve { name: "the good rule", colour: "#999", points: vec![(0.0, 1.0), (last, 1.0)] },
    ];
    svg_chart(&curves, "updates")
}

/// Battery, CHP and grid over the first day of the second block (or the first), policy and optimum.
fn dispatch(story: &Story<'_>, actor: &mut dyn Policy) -> String {
    let blocks = story.days.blocks(None);
    let Some(block) = blocks.get(1).or(blocks.first()) else { return String::new() };
    let rows = story.days.rows()[block.clone()].to_vec();
    let day = Arc::new(Profile::from_rows(rows));
    let mut steps: Vec<EnvStep> = Vec::new();
    let outcome = evaluate(story.plant, &day, &day.blocks(None), actor, |step| steps.push(*step));
    let best = memg_optimum::of_block(&story.plant, &day, &(0..day.rows().len()));
    let (Ok(_), Ok(best)) = (outcome, best) else { return String::new() };
    let shown = 0..steps.len().min(story.plant.steps_per_day());
    let hour = |(i, y): (usize, f64)| (i as f64 * story.plant.step_h(), y);
    let hours = |values: Vec<f64>| values.into_iter().enumerate().map(hour).collect::<Vec<_>>();
    let own = |of: fn(&EnvStep) -> f64| hours(steps[shown.clone()].iter().map(of).collect());
    let ideal = |of: fn(&memg_optimum::PlanStep) -> f64| hours(best.plan[shown.clone()].iter().map(of).collect());
    let mut html = String::new();
    let pairs: [(&str, Points, Points); 4] = [
        ("battery, kW (+ charges)", own(|s| s.verdict.safe.battery().kilowatts().get()), ideal(|p| p.battery_kw)),
        ("CHP, kW", own(|s| s.verdict.safe.chp().kilowatts().get()), ideal(|p| p.chp_kw)),
        ("grid, kW (+ imports)", own(|s| s.dispatch.grid.signed().get()), ideal(|p| p.grid_kw)),
        ("state of charge, %", own(|s| 100.0 * s.soc_after.get()), ideal(|p| 100.0 * p.soc)),
    ];
    let first = day.rows().first().map(|row| row.time.to_string()).unwrap_or_default();
    line(&mut html, &format!("<p>{}</p>", escape(first.get(..10).unwrap_or(&first))));
    for (title, policy, optimum) in pairs {
        line(&mut html, &format!("<h3>{title}</h3>"));
        let curves = [
            Curve { name: "model", colour: "#06c", points: policy },
            Curve { name: "optimum", colour: "#e80", points: optimum },
        ];
        html.push_str(&svg_chart(&curves, "hours"));
    }
    html.push_str("<h3>import price, EUR/kWh</h3>");
    let price = own(|s| s.row.import_price);
    html.push_str(&svg_chart(&[Curve { name: "price", colour: "#666", points: price }], "hours"));
    html
}

/// Daily regrets, sorted: the worst days at the right.
fn risk(c: &Comparison) -> String {
    let colours = [("seed", "#c9c"), ("rule", "#999")];
    let curves: Vec<Curve> = c
        .policies
        .iter()
        .filter(|p| p.policy != "idle")
        .map(|p| {
            let mut regrets: Vec<f64> =
                p.daily_cost_eur.iter().zip(&c.optimum.daily_cost_eur).map(|(cost, best)| cost - best).collect();
            regrets.sort_by(f64::total_cmp);
            let n = regrets.len().max(1) as f64;
            let points = regrets.into_iter().enumerate().map(|(i, y)| (100.0 * (i as f64 + 0.5) / n, y)).collect();
            let known = colours.iter().find(|(name, _)| *name == p.policy);
            let name = match p.policy.as_str() {
                "seed" => "seed",
                "rule" => "rule",
                _ => "model",
            };
            Curve { name, colour: known.map_or("#06c", |(_, colour)| colour), points }
        })
        .collect();
    svg_chart(&curves, "% of days, EUR above the optimum")
}
