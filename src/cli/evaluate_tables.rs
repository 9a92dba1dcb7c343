//! What `gateway evaluate` prints: figures of one policy, tables, JSON.

use anyhow::Result;
use memg_evaluate::Evaluation;
use memg_evaluate::compare::{Compared, Comparison, figure, percent};
use serde_json::{Value, json};

/// What was found at one site.
pub(super) struct Judged {
    pub site: String,
    /// What was asked for, in its order.
    pub found: Vec<Evaluation>,
    pub beside: Beside,
}

/// What policies are shown beside; those that were asked for are among them.
pub(super) enum Beside {
    Nothing,
    Rules(Vec<Evaluation>),
    Bound(Comparison),
}

/// One policy at one site has its figures before the table, and is the JSON's outer object; several have one table.
pub(super) fn print(sites: &[Judged], as_json: bool) -> Result<()> {
    if as_json {
        println!("{}", serde_json::to_string_pretty(&json(sites)?)?);
        return Ok(());
    }
    if let [one] = sites
        && let [found] = &one.found[..]
    {
        print_figures(found)?;
        if !matches!(one.beside, Beside::Nothing) {
            println!();
        }
    }
    print_tables(sites);
    Ok(())
}

fn json(sites: &[Judged]) -> Result<Value> {
    if let [one] = sites
        && let [found] = &one.found[..]
    {
        return json_of_one(found, &one.beside);
    }
    let site = |judged: &Judged| {
        let asked: Vec<&str> = judged.found.iter().map(|e| e.policy.as_str()).collect();
        let (optimum, policies) = match &judged.beside {
            Beside::Nothing => (Value::Null, serde_json::to_value(&judged.found)?),
            Beside::Rules(policies) => (Value::Null, serde_json::to_value(policies)?),
            Beside::Bound(all) => (serde_json::to_value(&all.optimum)?, serde_json::to_value(&all.policies)?),
        };
        let (days, blocks) = judged.found.first().map_or((0, 0), |e| (e.days, e.blocks));
        let site = json!({
            "site": judged.site, "days": days, "blocks": blocks, "asked": asked, "optimum": optimum, "policies": policies,
        });
        Ok(site)
    };
    Ok(json!({ "sites": sites.iter().map(site).collect::<Result<Vec<Value>>>()? }))
}

/// The evaluation with the judged policy's place in the comparison, and one entry per policy.
fn json_of_one(found: &Evaluation, beside: &Beside) -> Result<Value> {
    let mut value = serde_json::to_value(found)?;
    if let (Beside::Rules(policies), Some(all)) = (beside, value.as_object_mut()) {
        all.insert("policies".into(), serde_json::to_value(policies)?);
    }
    if let (Beside::Bound(comparison), Some(all)) = (beside, value.as_object_mut()) {
        if let Some(own) = comparison.policies.iter().rev().find(|policy| policy.policy == found.policy) {
            all.insert("gap_to_optimum".into(), own.gap_to_optimum.into());
            all.insert("regret_to_rule".into(), own.regret_to_rule.into());
            all.insert("saving_share".into(), own.saving_share.into());
            all.insert("cvar95_regret".into(), own.cvar95_regret.into());
        }
        all.insert("optimum".into(), serde_json::to_value(&comparison.optimum)?);
        all.insert("policies".into(), serde_json::to_value(&comparison.policies)?);
    }
    Ok(value)
}

fn print_tables(sites: &[Judged]) {
    let width = if sites.len() < 2 { 0 } else { 2 + sites.iter().map(|s| s.site.chars().count()).max().unwrap_or(0) };
    let mut headed = None;
    for judged in sites {
        let with_bound = matches!(judged.beside, Beside::Bound(_));
        let rows = match &judged.beside {
            Beside::Nothing if sites.len() > 1 => rows_of(&judged.found),
            Beside::Nothing => continue,
            Beside::Rules(policies) => rows_of(policies),
            Beside::Bound(comparison) => rows_with_bound(comparison),
        };
        if headed.replace(with_bound) != Some(with_bound) {
            let header = if with_bound { bound_header() } else { header() };
            println!("{:width$}{header}", if width > 0 { "site" } else { "" });
        }
        for row in rows {
            println!("{:width$}{row}", if width > 0 { &judged.site } else { "" });
        }
    }
}

/// The table of a training's days.
pub(super) fn print_comparison(comparison: &Comparison) {
    println!("{}", bound_header());
    for row in rows_with_bound(comparison) {
        println!("{row}");
    }
}

fn bound_header() -> String {
    format!(
        "{:<22} {:>9} {:>7} {:>7} {:>11} {:>16} {:>11} {:>13} {:>5} {:>6} {:>7}",
        "policy",
        "EUR/day",
        "gap",
        "saving",
        "regret/rule",
        "95 % interval",
        "CVaR95 cost",
        "CVaR95 regret",
        "viol.",
        "starts",
        "end SoC"
    )
}

fn compared(p: &Compared) -> String {
    let [low, high] = p.regret_to_rule_interval.map(|value| figure(value, 3));
    format!(
        "{:<22} {:>9.2} {:>7} {:>7} {:>11} {:>16} {:>11.2} {:>13.2} {:>5} {:>6} {:>7.2}",
        p.policy,
        p.cost_eur_per_day,
        percent(p.gap_to_optimum),
        percent(p.saving_share),
        figure(p.regret_to_rule, 3),
        format!("{low} .. {high}"),
        p.cvar95_cost,
        p.cvar95_regret,
        p.violations,
        p.starts,
        p.soc_at_block_ends
    )
}

fn rows_with_bound(comparison: &Comparison) -> Vec<String> {
    let optimum = &comparison.optimum;
    let bound = format!("{:<22} {:>9.2}   ({})", "perfect foresight", optimum.cost_eur_per_day, optimum.kind);
    comparison.policies.iter().map(compared).chain([bound]).collect()
}

fn header() -> String {
    format!("{:<22} {:>9} {:>11} {:>5} {:>6} {:>7}", "policy", "EUR/day", "CVaR95 cost", "viol.", "starts", "end SoC")
}

/// Rows of the table without a bound.
fn rows_of(policies: &[Evaluation]) -> Vec<String> {
    let row = |p: &Evaluation| {
        format!(
            "{:<22} {:>9.2} {:>11.2} {:>5} {:>6} {:>7.2}",
            p.policy,
            p.cost_eur_per_day,
            p.cvar95_cost,
            p.violations,
            p.starts,
            p.mean_soc_at_block_ends()
        )
    };
    policies.iter().map(row).collect()
}

fn print_figures(found: &Evaluation) -> Result<()> {
    println!("policy               {}", found.policy);
    println!("days, blocks         {}, {}", found.days, found.blocks);
    println!("cost                 {:.2} EUR a day", found.cost_eur_per_day);
    println!(
        "  of that            {:.2} EUR the sum of the trace's cost_eur, {:.2} EUR that of its stored_energy_eur, over all days",
        found.cost_eur_per_day * found.days as f64 - found.stored_energy_eur,
        found.stored_energy_eur
    );
    println!("CVaR95 of cost       {:.2} EUR a day", found.cvar95_cost);
    println!("violations           {} ({} requested, before the filter)", found.violations, found.violations_requested);
    println!("relaxations          {}", serde_json::to_string(&found.relaxations)?);
    println!("CHP starts           {}", found.starts);
    println!("curtailed, unserved  {:.1} kWh, {:.1} kWh", found.curtailed_kwh, found.unserved_kwh);
    let soc = found.mean_soc_at_block_ends();
    println!("SoC at block ends    {soc:.2} on average, each block began at 0.50");
    Ok(())
}
