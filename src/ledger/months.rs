//! Months, and the sentence for the owner.

use crate::Day;
use serde::Serialize;

/// Days together: sums over those that can be compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Month {
    /// `2026-11`.
    pub month: String,
    /// Under the gateway, EUR.
    pub gateway_eur: Option<f64>,
    /// Under the good rule, EUR.
    pub rule_eur: Option<f64>,
    /// With battery and CHP at rest, EUR.
    pub idle_eur: Option<f64>,
    /// Sum of the days' errors, EUR: nothing cancels.
    pub error_eur: Option<f64>,
    /// By the meters, EUR.
    pub metered_eur: Option<f64>,
    /// At least one day can be compared.
    pub valid: bool,
    /// How many days cannot.
    pub why: Option<String>,
    /// Hours in which the gateway was in charge, of all days.
    pub hours_auto: f64,
    /// Hours in Shadow, of all days.
    pub hours_shadow: f64,
}

/// Days, months, and one sentence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ledger {
    /// Always EUR: prices are.
    pub currency: &'static str,
    /// In their order.
    pub days: Vec<Day>,
    /// In their order.
    pub months: Vec<Month>,
    /// For the owner.
    pub text: String,
}

impl Ledger {
    pub(crate) fn of(days: Vec<Day>) -> Self {
        let months = days.chunk_by(|a, b| month_of(a) == month_of(b));
        let months = months.filter_map(|days| Some(together(month_of(days.first()?), days))).collect();
        let text = sentence(&together("", &days), &days);
        Self { currency: "EUR", days, months, text }
    }
}

fn month_of(day: &Day) -> &str {
    day.day.get(..7).unwrap_or_default()
}

fn together(month: &str, days: &[Day]) -> Month {
    let valid: Vec<&Day> = days.iter().filter(|day| day.valid).collect();
    let sum = |of: fn(&Day) -> Option<f64>| -> Option<f64> {
        if valid.is_empty() { None } else { valid.iter().map(|day| of(day)).sum() }
    };
    let others = days.len() - valid.len();
    Month {
        month: month.to_owned(),
        gateway_eur: sum(|day| day.gateway_eur),
        rule_eur: sum(|day| day.rule_eur),
        idle_eur: sum(|day| day.idle_eur),
        error_eur: sum(|day| day.error_eur),
        metered_eur: sum(|day| day.metered_eur),
        valid: !valid.is_empty(),
        why: (others > 0).then(|| format!("{others} of {} days cannot be compared and are left out", days.len())),
        hours_auto: days.iter().map(|day| day.hours_auto).sum(),
        hours_shadow: days.iter().map(|day| day.hours_shadow).sum(),
    }
}

fn sentence(all: &Month, days: &[Day]) -> String {
    let sides = all.gateway_eur.zip(all.rule_eur).zip(all.idle_eur).zip(all.error_eur);
    let Some((((gateway, rule), idle), error)) = sides else {
        let Some(last) = days.last() else { return "Nothing is recorded of these days.".to_owned() };
        let why = last.why.as_deref().unwrap_or("nothing is known of it");
        return format!("None of these {} days can be compared; of {}: {why}.", days.len(), last.day);
    };
    let count = days.iter().filter(|day| day.valid).count();
    let had = if all.hours_auto >= all.hours_shadow { "cost" } else { "would have cost" };
    let beside = |other: f64, name: &str| {
        let saved = other - gateway;
        match saved {
            _ if saved.abs() <= error => format!("as {name} within the error of the comparison"),
            saved if saved > 0.0 => format!("{saved:.2} EUR less than {name}"),
            saved => format!("{:.2} EUR more than {name}", -saved),
        }
    };
    format!(
        "On the {count} of {} days that can be compared the gateway {had} {gateway:.2} EUR: {}, and {}, known to within {error:.2} EUR.",
        days.len(),
        beside(rule, &format!("the good rule ({rule:.2})")),
        beside(idle, &format!("the plant at rest ({idle:.2})")),
    )
}
