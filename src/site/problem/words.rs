//! What serde says of a wrong value, in the words of whoever wrote the file; and what there is instead of an unknown name.

/// How alike a name has to be to be what was meant (Jaro-Winkler).
const ALIKE: f64 = 0.82;

/// `"batery_kw" is unknown; did you mean "battery_kw"? Known are …`, for a name that is none of `known`.
#[must_use]
pub fn unknown<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    format!("{name:?} is unknown; {}", instead(name, known))
}

/// What could be written instead of an unknown name.
#[must_use]
pub fn instead<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let list = known.join(", ");
    if known.is_empty() {
        return "nothing can stand here".to_owned();
    }
    match nearest(name, &known) {
        Some(near) => format!("did you mean {near:?}? Known are {list}"),
        None => format!("expected one of {list}"),
    }
}

/// The name that was probably meant.
#[must_use]
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let alike = |known: &&str| strsim::jaro_winkler(&name.to_lowercase(), &known.to_lowercase());
    let scored = known.iter().map(|known| (alike(known), *known)).filter(|(alike, _)| *alike >= ALIKE);
    scored.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, known)| known)
}

/// The name in serde's "missing field".
pub(super) fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.split('`').next()
}

pub(super) fn is_unknown_field(message: &str) -> bool {
    message.starts_with("unknown field `")
}

/// What a misspelt key was probably meant to be.
pub(super) fn meant(message: &str) -> Option<&str> {
    let mut quoted = message.strip_prefix("unknown field `")?.split('`');
    let name = quoted.next()?;
    let known: Vec<&str> = quoted.skip(1).step_by(2).collect();
    nearest(name, &known)
}

/// What is wrong with the value at a key.
pub(super) fn told(key: &str, message: &str) -> String {
    unknown_name(message, "unknown field `", |name, known| format!("unknown key; {}", instead(name, known)))
        .or_else(|| unknown_name(message, "unknown variant `", |name, known| unknown(name, known)))
        .or_else(|| wrong_type(key, message))
        .or_else(|| wrong_length(message))
        .unwrap_or_else(|| message.replace('\n', ", "))
}

/// A wrong number, text or table at a key.
#[must_use]
pub fn wrong(key: &str, found: &toml::Value) -> String {
    format!("{}, expected {}", found_value(found), number(key))
}

fn found_value(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => format!("{text:?} is text"),
        toml::Value::Integer(number) => format!("{number} is a number"),
        toml::Value::Float(number) => format!("{number} is a number"),
        toml::Value::Boolean(flag) => format!("{flag} stands here"),
        toml::Value::Datetime(date) => format!("{date} is a date"),
        toml::Value::Array(_) => "a list stands here".to_owned(),
        toml::Value::Table(_) => "a table stands here".to_owned(),
    }
}

fn unknown_name(message: &str, start: &str, say: impl Fn(&str, Vec<&str>) -> String) -> Option<String> {
    let mut quoted = message.strip_prefix(start)?.split('`');
    let name = quoted.next()?;
    // What is known stands between further pairs of back quotes.
    Some(say(name, quoted.skip(1).step_by(2).collect()))
}

fn wrong_type(key: &str, message: &str) -> Option<String> {
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "))?;
    let (found, expected) = rest.rsplit_once(", expected ")?;
    let beyond = message.starts_with("invalid value: ");
    Some(format!("{}, expected {}", found_words(found, beyond), expected_words(key, expected)))
}

fn found_words(found: &str, beyond: bool) -> String {
    let quoted = |start: &str| Some(found.strip_prefix(start)?.trim_matches('`').to_owned());
    let number = quoted("integer ").or_else(|| quoted("floating point "));
    match (found, number) {
        (_, Some(number)) if beyond => format!("{number} is out of range"),
        (_, Some(number)) => format!("{number} is a number"),
        ("map", _) => "a table stands here".to_owned(),
        ("sequence", _) => "a list stands here".to_owned(),
        _ => quoted("string ")
            .map(|text| format!("{text} is text"))
            .or_else(|| quoted("boolean ").map(|flag| format!("{flag} stands here")))
            .unwrap_or_else(|| found.to_owned()),
    }
}

fn expected_words(key: &str, expected: &str) -> String {
    match expected {
        "f64" | "f32" => number(key),
        "u8" => "a whole number up to 255".to_owned(),
        "u16" => "a whole number up to 65535".to_owned(),
        "u32" | "u64" | "usize" => "a whole number of at least 0".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "a string" | "string or map" => "text in quotes".to_owned(),
        "path string" => "a path in quotes".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        _ if expected.starts_with("struct ") => "a table".to_owned(),
        _ if expected.starts_with("an array of length ") => expected.replace("an array of length", "a list of"),
        _ => expected.to_owned(),
    }
}

/// A number in the unit that the key's name carries.
fn number(key: &str) -> String {
    let name = key.rsplit('.').next().unwrap_or(key);
    let unit = name.rsplit('_').find_map(|part| UNITS.iter().find(|(short, _)| *short == part));
    unit.map_or_else(|| "a number".to_owned(), |(_, unit)| format!("{unit} as a number"))
}

/// Units in the names of keys.
const UNITS: [(&str, &str); 12] = [
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("h", "hours"),
    ("kw", "kW"),
    ("kwh", "kWh"),
    ("kva", "kVA"),
    ("hz", "Hz"),
    ("pu", "pu (1 is nominal)"),
    ("soc", "a share from 0 to 1"),
    ("eur", "EUR"),
    ("mb", "MB"),
    ("steps", "steps"),
];

fn wrong_length(message: &str) -> Option<String> {
    let (found, expected) = message.strip_prefix("invalid length ")?.split_once(", expected an array of length ")?;
    Some(format!("expected a list of {expected}, found {found}"))
}
