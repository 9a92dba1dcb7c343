//! The closed list of what control knows.

use serde::{Deserialize, Serialize};

/// What a point of a device can mean to the controller. The names carry unit and sign: battery + = charging, grid + =
/// importing, everything else >= 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// PV power produced now, kW.
    PvKw,
    /// Wind power produced now, kW.
    WindKw,
    /// PV power that could be produced without curtailment, kW.
    PvAvailableKw,
    /// Wind power that could be produced without curtailment, kW.
    WindAvailableKw,
    /// Electric load, kW.
    ElectricLoadKw,
    /// Heat demand, kW thermal.
    HeatLoadKw,
    /// Battery state of charge, 0..1.
    Soc,
    /// Battery power, kW, + = charging.
    BatteryKw,
    /// CHP electric power, kW.
    ChpKw,
    /// CHP running, 0/1.
    ChpOn,
    /// Power at the connection, kW, + = importing.
    GridKw,
    /// Reactive power at the connection, kvar, + = importing.
    GridKvar,
    /// Voltage at the connection, pu.
    GridVoltagePu,
    /// Grid frequency, Hz.
    FrequencyHz,
    /// Import price, EUR/kWh.
    ImportPriceEurPerKwh,
    /// Export price, EUR/kWh.
    ExportPriceEurPerKwh,
    /// Battery accepts remote set-points, 0/1.
    BatteryRemote,
    /// CHP accepts remote set-points, 0/1.
    ChpRemote,
    /// CHP reports a fault, 0/1.
    ChpFault,
    /// Battery reports a fault, 0/1.
    BatteryFault,
    /// Gas burnt, kW of the billed heating value.
    GasKw,
    /// Heat from a CHP, kW thermal.
    ChpHeatKw,
    /// Heat from a boiler, kW thermal.
    BoilerHeatKw,
    /// Counter of energy imported at the connection, kWh.
    GridImportKwh,
    /// Counter of energy exported at the connection, kWh.
    GridExportKwh,
    /// Most power that may be imported, as a grid operator's control box says, kW, >= 0.
    GridImportLimitKw,
    /// Most power that may be exported, as a grid operator's control box says, kW, >= 0.
    GridExportLimitKw,
}

impl Signal {
    /// Every signal.
    pub const ALL: [Self; 27] = [
        Self::PvKw,
        Self::WindKw,
        Self::PvAvailableKw,
        Self::WindAvailableKw,
        Self::ElectricLoadKw,
        Self::HeatLoadKw,
        Self::Soc,
        Self::BatteryKw,
        Self::ChpKw,
        Self::ChpOn,
        Self::GridKw,
        Self::GridKvar,
        Self::GridVoltagePu,
        Self::FrequencyHz,
        Self::ImportPriceEurPerKwh,
        Self::ExportPriceEurPerKwh,
        Self::BatteryRemote,
        Self::ChpRemote,
        Self::ChpFault,
        Self::BatteryFault,
        Self::GasKw,
        Self::ChpHeatKw,
        Self::BoilerHeatKw,
        Self::GridImportKwh,
        Self::GridExportKwh,
        Self::GridImportLimitKw,
        Self::GridExportLimitKw,
    ];

    /// The name in configuration files, journals and messages; it carries the unit.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PvKw => "pv_kw",
            Self::WindKw => "wind_kw",
            Self::PvAvailableKw => "pv_available_kw",
            Self::WindAvailableKw => "wind_available_kw",
            Self::ElectricLoadKw => "electric_load_kw",
            Self::HeatLoadKw => "heat_load_kw",
            Self::Soc => "soc",
            Self::BatteryKw => "battery_kw",
            Self::ChpKw => "chp_kw",
            Self::ChpOn => "chp_on",
            Self::GridKw => "grid_kw",
            Self::GridKvar => "grid_kvar",
            Self::GridVoltagePu => "grid_voltage_pu",
            Self::FrequencyHz => "frequency_hz",
            Self::ImportPriceEurPerKwh => "import_price_eur_per_kwh",
            Self::ExportPriceEurPerKwh => "export_price_eur_per_kwh",
            Self::BatteryRemote => "battery_remote",
            Self::ChpRemote => "chp_remote",
            Self::ChpFault => "chp_fault",
            Self::BatteryFault => "battery_fault",
            Self::GasKw => "gas_kw",
            Self::ChpHeatKw => "chp_heat_kw",
            Self::BoilerHeatKw => "boiler_heat_kw",
            Self::GridImportKwh => "grid_import_kwh",
            Self::GridExportKwh => "grid_export_kwh",
            Self::GridImportLimitKw => "grid_import_limit_kw",
            Self::GridExportLimitKw => "grid_export_limit_kw",
        }
    }

    /// The signal of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.name() == name)
    }

    /// Control decides nothing by it: it is read, journaled, and shows whether the other measurements fit each other.
    #[must_use]
    pub const fn is_witness(self) -> bool {
        matches!(self, Self::GasKw | Self::ChpHeatKw | Self::BoilerHeatKw | Self::GridImportKwh | Self::GridExportKwh)
    }

    /// Somebody outside says by it what the connection may carry; no measurement of the plant.
    #[must_use]
    pub const fn is_grid_limit(self) -> bool {
        matches!(self, Self::GridImportLimitKw | Self::GridExportLimitKw)
    }

    /// Control cannot act without it (there is no neutral value that would be safe).
    #[must_use]
    pub const fn is_required(self) -> bool {
        matches!(self, Self::PvKw | Self::WindKw | Self::ElectricLoadKw | Self::HeatLoadKw | Self::Soc)
    }
}
