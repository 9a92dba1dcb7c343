//! Outlook and history as text: JSON with one list per quantity, such as `{"import_price_eur_per_kwh": [0.31, null]}`.
//!
//! One value a step of the plant, `null` where there is none. The one reader for FMU, lock-step and mosaik; what it reads is
//! physically possible ([`Quantity::possible`]) or refused by name and index. The empty text says nothing.

use memg_core::series::{Quantity, Series};
use serde_json::Value;

/// Reads a text; the empty one holds nothing. `at` is where it stands, for messages.
///
/// # Errors
/// The text is no JSON object, or see [`read`]; in words.
pub fn parse(at: &str, text: &str) -> Result<Series, String> {
    if text.trim().is_empty() {
        return Ok(Series::default());
    }
    let value = serde_json::from_str(text).map_err(|error| format!("{at}: expected a JSON object: {error}"))?;
    read(at, &value)
}

/// Reads an object of lists; `null` holds nothing.
///
/// # Errors
/// The first name that is no quantity, or value that is no number or physically impossible; in words.
pub fn read(at: &str, value: &Value) -> Result<Series, String> {
    let object = match value {
        Value::Null => return Ok(Series::default()),
        Value::Object(object) => object,
        found => return Err(format!("{at}: expected an object of lists by name, found {}", shown(found))),
    };
    let mut series = Series::default();
    for (name, list) in object {
        let quantity = Quantity::from_name(name).ok_or_else(|| unknown(at, name))?;
        let list = list.as_array().ok_or_else(|| format!("{at}.{name}: expected a list, found {}", shown(list)))?;
        let values = list.iter().enumerate().map(|(n, value)| number(&format!("{at}.{name}[{n}]"), quantity, value));
        *series.column_mut(quantity) = values.collect::<Result<_, _>>()?;
    }
    Ok(series)
}

fn unknown(at: &str, name: &str) -> String {
    format!("{at}.{name} is none of {}", Quantity::ALL.map(Quantity::name).join(", "))
}

fn number(at: &str, quantity: Quantity, value: &Value) -> Result<Option<f64>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let number = value.as_f64().ok_or_else(|| format!("{at}: expected a number or null, found {}", shown(value)))?;
    let (low, high) = quantity.possible();
    let fits = (low..=high).contains(&number);
    fits.then_some(Some(number)).ok_or_else(|| format!("{at}: expected {low} to {high}, found {number}"))
}

/// The beginning of a value: messages stay short whatever arrives.
fn shown(value: &Value) -> String {
    value.to_string().chars().take(40).collect()
}

/// A series as text; the empty text if it holds nothing.
#[must_use]
pub fn write(series: &Series) -> String {
    if series.is_empty() {
        return String::new();
    }
    // Lists of numbers by name cannot fail.
    serde_json::to_string(series).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_with_its_gaps_and_the_empty_text_says_nothing() {
        let text = r#"{"pv_kw":[1.5,null,0.0],"import_price_eur_per_kwh":[-0.1]}"#;
        let series = parse("outlook", text).unwrap();
        assert_eq!(series.column(Quantity::Pv), &[Some(1.5), None, Some(0.0)]);
        assert_eq!(write(&series), text);
        for nothing in ["", "  ", "null", "{}"] {
            assert_eq!(parse("outlook", nothing), Ok(Series::default()));
        }
        assert_eq!(write(&Series::default()), "");
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_name_and_index() {
        for (text, words) in [
            ("[1]", "outlook: expected an object of lists by name, found [1]"),
            ("{", "outlook: expected a JSON object"),
            (r#"{"colour":[1]}"#, "outlook.colour is none of pv_kw, wind_kw"),
            (r#"{"pv_kw":3}"#, "outlook.pv_kw: expected a list, found 3"),
            (r#"{"pv_kw":[0,"x"]}"#, "outlook.pv_kw[1]: expected a number or null, found \"x\""),
            (r#"{"heat_load_kw":[-1]}"#, "outlook.heat_load_kw[0]: expected 0 to 1000000, found -1"),
            (r#"{"export_price_eur_per_kwh":[null,200]}"#, "outlook.export_price_eur_per_kwh[1]: expected -100 to 100"),
        ] {
            let refused = parse("outlook", text).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }
}
