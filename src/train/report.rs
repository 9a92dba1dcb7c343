//! The report of a run: one HTML file that needs nothing else.
//!
//! What it came to in money, tables, other runs beside it, learning curves, a good and the worst day's dispatch
//! ([`super::report_days`]), the risk of daily costs, what the figures are called. Charts are inline SVG.

use super::config::TrainConfig;
use super::metrics::{Figures, GLOSSARY, read_column};
use super::split::Part;
use super::svg_chart::{Curve, Points, svg_chart};
use super::{MODEL, TrainOptions, TrainingSummary, report_days, words};
use memg_core::policy::Policy;
use memg_evaluate::compare::{Compared, Comparison, GOOD_RULE, figure, percent};
use memg_policy::ModelFolder;
use std::fmt::Write;
use std::path::Path;

/// What is told.
pub struct Story<'a> {
    /// What was asked for: plant, days, folders.
    pub options: &'a TrainOptions,
    /// Results.
    pub summary: &'a TrainingSummary,
    /// Validation figures over time.
    pub history: &'a [Figures],
    /// How it was trained.
    pub config: &'a TrainConfig,
    /// The part of every row of the profile.
    pub parts: &'a [Part],
    /// Days of which part are shown.
    pub shown: Part,
    /// The model's name.
    pub name: &'a str,
}

impl Story<'_> {
    /// The comparison on the days that are shown.
    pub(crate) fn comparison(&self) -> Option<&Comparison> {
        self.summary.test.as_ref().or(self.summary.validation.as_ref())
    }
}

/// The colour of what was trained, wherever it is drawn; of the planner, of the rule, of perfect foresight.
pub(crate) const OWN: &str = "#06c";
pub(crate) const PLAN: &str = "#2a2";
pub(crate) const OPTIMUM: &str = "#e80";
const RULE: &str = "#999";
/// Of runs beside.
const OTHERS: [&str; 5] = ["#c3c", "#0aa", "#a60", "#66f", "#888"];

/// The page.
#[must_use]
pub fn html(story: &Story<'_>, actor: Box<dyn Policy>) -> String {
    let mut page = String::from(HEAD);
    line(&mut page, &format!("<h1>Training of {}</h1>", escape(story.name)));
    open(&mut page, story);
    let s = story.summary;
    for (title, table) in
        [("Test days (never used for training or selection)", &s.test), ("Validation days", &s.validation)]
    {
        if let Some(comparison) = table {
            line(&mut page, &format!("<h2>{title}</h2>"));
            page.push_str(&table_of(comparison));
        }
    }
    page.push_str(&beside(story));
    line(&mut page, "<h2>Learning</h2>");
    page.push_str(&learning(story));
    page.push_str(&report_days::html(story, actor));
    if let Some(comparison) = story.comparison() {
        line(&mut page, "<h2>Risk: daily regret</h2>");
        page.push_str(&risk(comparison));
    }
    page.push_str(&glossary());
    page.push_str("</body></html>\n");
    page
}

const HEAD: &str = "<!doctype html><html lang=en><head><meta charset=utf-8><title>Training report</title><style>
body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse}td,th{padding:.25em .6em;text-align:right;border-bottom:1px solid #ddd}td{white-space:nowrap}
td:first-child,th:first-child,.words td{text-align:left}.words td{white-space:normal}.first{font-size:1.2em}
.bad{color:#b00}svg{width:100%;height:auto}text{font-size:12px;fill:#444}
</style></head><body>\n";

pub(crate) fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push('\n');
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What it came to, with a picture, and how it was made.
fn open(page: &mut String, story: &Story<'_>) {
    let (s, config) = (story.summary, story.config);
    if let Some(said) = words::result(s) {
        line(page, &format!("<p class=first>{}</p>", escape(&said)));
    }
    if let Some(reason) = &s.refused {
        line(page, &format!("<p class=bad>Not exported: {}</p>", escape(reason)));
    }
    if let Some(comparison) = story.comparison() {
        page.push_str(&saved(comparison));
    }
    let made = format!(
        "Schema {}, seed {}, {} updates, {} environment steps, {:.0} s: <code>{}</code>",
        config.schema.name(),
        config.seed,
        s.updates,
        s.steps,
        s.seconds,
        escape(&story.options.command)
    );
    line(page, &format!("<p>{made}</p>"));
    if let Some(cut) = &s.cut {
        let same = format!("Cut: {cut}; --updates {} makes the same model again.", s.stage_updates);
        line(page, &format!("<p>{}</p>", escape(&same)));
    }
}

/// The picture: what is saved against the rule, day after day.
fn saved(c: &Comparison) -> String {
    let Some(rule) = c.policies.iter().find(|p| p.policy == GOOD_RULE) else { return String::new() };
    let summed = |costs: &[f64]| {
        let mut sum = 0.0;
        let days = rule.daily_cost_eur.iter().zip(costs).enumerate();
        let point = |(day, (rule, cost)): (usize, (&f64, &f64))| {
            sum += rule - cost;
            (day as f64 + 1.0, sum)
        };
        std::iter::once((0.0, 0.0)).chain(days.map(point)).collect::<Points>()
    };
    let own = words::trained(c).map(|p| curve(&p.policy, OWN, summed(&p.daily_cost_eur)));
    let bounds = [
        curve("perfect foresight", OPTIMUM, summed(&c.optimum.daily_cost_eur)),
        curve("the good rule", RULE, vec![(0.0, 0.0), (c.days as f64, 0.0)]),
    ];
    svg_chart(&own.into_iter().chain(bounds).collect::<Vec<_>>(), "days; EUR saved against the good rule so far")
}

pub(crate) fn curve(name: &str, colour: &'static str, points: Points) -> Curve {
    Curve { name: name.to_owned(), colour, points }
}

fn table_of(c: &Comparison) -> String {
    let mut html = format!(
        "<p>{} days in {} blocks. Perfect foresight ({}): {:.2} EUR a day.</p><table><tr><th>policy<th>EUR/day\
         <th>gap<th>regret / rule's [95 %]<th>saving share<th>CVaR95 cost<th>CVaR95 regret<th>starts<th>violations</tr>\n",
        c.days, c.blocks, c.optimum.kind, c.optimum.cost_eur_per_day
    );
    c.policies.iter().for_each(|policy| line(&mut html, &row_of(policy)));
    html.push_str("</table>\n");
    html
}

fn row_of(p: &Compared) -> String {
    let [low, high] = p.regret_to_rule_interval.map(|value| figure(value, 2));
    format!(
        "<tr><td>{}<td>{:.2}<td>{}<td>{} [{low}, {high}]<td>{}<td>{:.2}<td>{:.2}<td>{}<td>{}</tr>",
        escape(&p.policy),
        p.cost_eur_per_day,
        percent(p.gap_to_optimum),
        figure(p.regret_to_rule, 2),
        percent(p.saving_share),
        p.cvar95_cost,
        p.cvar95_regret,
        p.starts,
        p.violations
    )
}

/// Runs beside this one: what their models say of themselves.
fn beside(story: &Story<'_>) -> String {
    if story.options.beside.is_empty() {
        return String::new();
    }
    let mut html = String::from(
        "<h2>Seeds side by side</h2><table><tr><th>run<th>seed<th>validation EUR/day<th>test EUR/day</tr>\n",
    );
    let own = |c: &Option<Comparison>| c.as_ref().and_then(words::trained).map(|p| p.cost_eur_per_day);
    let s = story.summary;
    line(&mut html, &seed_row("this run", story.config.seed, [own(&s.validation), own(&s.test)]));
    for dir in &story.options.beside {
        let row = match ModelFolder::load(&dir.join(MODEL)) {
            Ok(model) => {
                let manifest = model.manifest();
                let of = |part: &str| {
                    let rows = manifest.evaluation.iter();
                    let mut rows = rows.filter(|row| row.policy == manifest.name && row.data.starts_with(part));
                    rows.next().map(|row| row.cost_eur_per_day)
                };
                seed_row(&dir.display().to_string(), manifest.training.seed, [of("validation"), of("test")])
            }
            Err(error) => format!(
                "<tr><td>{}<td colspan=3>{}</tr>",
                escape(&dir.display().to_string()),
                escape(&error.to_string())
            ),
        };
        line(&mut html, &row);
    }
    html.push_str("</table>\n");
    html
}

fn seed_row(run: &str, seed: u64, costs: [Option<f64>; 2]) -> String {
    let [validation, test] = costs.map(|cost| cost.map_or_else(|| "-".to_owned(), |eur| format!("{eur:.2}")));
    format!("<tr><td>{}<td>{seed}<td>{validation}<td>{test}</tr>", escape(run))
}

fn learning(story: &Story<'_>) -> String {
    let history = story.history;
    let cut = |points: Points| points.into_iter().map(|(x, y)| (x, y.min(2.0))).collect::<Points>();
    let regret = history.iter().map(|f| (f.updates as f64, f.validation_regret_to_rule)).collect();
    let mut curves = vec![curve("regret over the rule's (validation)", OWN, cut(regret))];
    for (dir, colour) in story.options.beside.iter().zip(OTHERS.into_iter().cycle()) {
        curves.push(curve(&dir.display().to_string(), colour, cut(learned(dir))));
    }
    let last = curves.iter().flat_map(|curve| &curve.points).map(|point| point.0).fold(1.0, f64::max);
    curves.push(curve("the good rule", RULE, vec![(0.0, 1.0), (last, 1.0)]));
    svg_chart(&curves, "updates")
}

/// The learning curve of another run; empty if it has none.
fn learned(dir: &Path) -> Points {
    let csv = std::fs::read_to_string(dir.join("metrics.csv")).unwrap_or_default();
    read_column(&csv, "validation/regret_to_rule")
}

/// Daily regrets, sorted: the worst days at the right.
fn risk(c: &Comparison) -> String {
    let of = |p: &Compared| {
        let mut regrets: Vec<f64> =
            p.daily_cost_eur.iter().zip(&c.optimum.daily_cost_eur).map(|(cost, best)| cost - best).collect();
        regrets.sort_by(f64::total_cmp);
        let n = regrets.len().max(1) as f64;
        let points = regrets.into_iter().enumerate().map(|(i, y)| (100.0 * (i as f64 + 0.5) / n, y)).collect();
        let colour = match p.policy.as_str() {
            "seed" => "#c9c",
            GOOD_RULE => RULE,
            _ => OWN,
        };
        curve(&p.policy, colour, points)
    };
    let curves: Vec<Curve> = c.policies.iter().filter(|p| p.policy != "idle").map(of).collect();
    svg_chart(&curves, "% of days, EUR above the optimum")
}

/// What the columns of `metrics.csv` and TensorBoard's tags mean.
fn glossary() -> String {
    let mut html = String::from("<h2>Names in metrics.csv and TensorBoard</h2><table class=words>\n");
    for (name, meaning, _) in GLOSSARY {
        let written = writeln!(html, "<tr><td><code>{name}</code><td>{meaning}</tr>");
        debug_assert!(written.is_ok(), "a string takes everything");
    }
    html.push_str("</table>\n");
    html
}
