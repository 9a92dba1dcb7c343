//! The device files that the repository ships, in the binary: a gateway needs no folder for them.

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        /// Name and text of each.
        pub const FILES: [(&str, &str); shipped!(@count $($name)*)] =
            [$(($name, include_str!(concat!("../../config/devices/", $name)))),*];
    };
    (@count $($name:literal)*) => { <[&str]>::len(&[$($name),*]) };
}

shipped! {
    "abb-b23-b24.toml",
    "carlo-gavazzi-em24-em340.toml",
    "deep-sea-genset.toml",
    "eastron-sdm630.toml",
    "generic-chp-controller.toml",
    "huawei-sun2000.toml",
    "janitza-umg96rm.toml",
    "keba-p30.toml",
    "kostal-plenticore.toml",
    "siemens-pac2200-pac3200.toml",
    "sma-smart-energy.toml",
    "solaredge-inverter.toml",
    "sungrow-sh.toml",
    "sunspec-der-battery.toml",
    "victron-gx.toml",
    "virtual-battery.toml",
    "virtual-chp.toml",
    "virtual-grid-meter.toml",
    "virtual-heat-meter.toml",
    "virtual-load-meter.toml",
    "virtual-pv.toml",
    "virtual-wind.toml",
}

/// The text of a shipped file.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
#[path = "library_tests.rs"]
mod tests;
