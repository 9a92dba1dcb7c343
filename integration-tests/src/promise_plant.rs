//! A plant whose every signal can be lost by itself: each is a unit of its own behind one Modbus address, as meters behind
//! a serial server are. Battery and CHP do what their registers say, unless they are made not to.

use crate::gateway::Gateway;
use crate::gateway_process::gateway as program;
use crate::mosquitto::{Keep, Listener, Mosquitto, Seen};
pub use crate::promise_equipment::Behaviour;
use crate::promise_equipment::{run_equipment, set};
use crate::promise_files::{actuators, meter};
use crate::rig::until;
use crate::virtual_device::{SeenWrite, VirtualDevice};
use crate::words::float;
use memg_gateway::plant_io::mqtt::command::CommandKind;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

/// Topics of the gateway.
pub const PREFIX: &str = "memg/promises";
/// Longest wait for a mode: more than any busy machine needs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Registers of set-points and run command, all of unit 100.
pub const BATTERY_SETPOINT: u16 = 10;
pub const CHP_SETPOINT: u16 = 20;
pub const CHP_RUN: u16 = 22;
pub const PV_LIMIT: u16 = 30;
/// Unit of everything that takes set-points.
pub const ACTUATORS: u8 = 100;
/// Exception 11: the unit behind the serial server does not answer.
const NOBODY_THERE: u8 = 11;

/// Signal, unit, range, value at rest; the unit id is the position, from 1.
const SIGNALS: [(&str, &str, &str, f32); 12] = [
    ("electric_load_kw", "kW", "[0, 120]", 40.0),
    ("pv_kw", "kW", "[0, 100]", 0.0),
    ("wind_kw", "kW", "[0, 100]", 0.0),
    ("heat_load_kw", "kW", "[0, 150]", 60.0),
    ("soc", "1", "[0, 1]", 0.5),
    ("frequency_hz", "Hz", "[45, 55]", 50.0),
    ("grid_kw", "kW", "[-200, 200]", 40.0),
    ("grid_voltage_pu", "pu", "[0.5, 1.5]", 1.0),
    ("battery_kw", "kW", "[-100, 100]", 0.0),
    ("chp_kw", "kW", "[-5, 100]", 0.0),
    ("chp_on", "", "[0, 1]", 0.0),
    ("import_price_eur_per_kwh", "EUR/kWh", "[-1, 2]", 0.15),
];

/// Plant, broker and configuration.
pub struct PromisePlant {
    pub device: Arc<VirtualDevice>,
    pub behaviour: Arc<Behaviour>,
    pub broker: Mosquitto,
    folder: TempDir,
    equipment: tokio::task::JoinHandle<()>,
    orders: AtomicU64,
}

impl Drop for PromisePlant {
    fn drop(&mut self) {
        self.equipment.abort();
    }
}

/// Unit id of a signal's meter.
///
/// # Panics
/// If the plant does not measure it.
pub fn unit_of(signal: &str) -> u8 {
    let position = SIGNALS.iter().position(|(name, ..)| *name == signal).expect("a signal of this plant");
    u8::try_from(position + 1).expect("few signals")
}

impl PromisePlant {
    /// At rest: 40 kW of load, battery half full. `control` is text for `[control]`, `battery` for the battery's
    /// `[[device]]`. `None` without mosquitto.
    ///
    /// # Panics
    /// If no port or folder can be had.
    pub async fn start(control: &str, battery: &str) -> Option<Self> {
        let broker = Mosquitto::start().await?;
        let device = Arc::new(VirtualDevice::start().await);
        for (signal, _, _, value) in SIGNALS {
            set(&mut device.state(), signal, value);
        }
        device.state().set(ACTUATORS, BATTERY_SETPOINT, &[0, 0]);
        device.state().set(ACTUATORS, CHP_SETPOINT, &[0, 0, 2]);
        let behaviour = Arc::new(Behaviour::default());
        let equipment = tokio::spawn(run_equipment(device.clone(), behaviour.clone()));
        let folder = tempfile::tempdir().expect("a folder");
        let plant = Self { device, behaviour, broker, folder, equipment, orders: AtomicU64::new(0) };
        plant.configure(control, battery);
        Some(plant)
    }

    /// Its folder.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A file of this plant.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Changes the site file or the configuration.
    ///
    /// # Panics
    /// If the text to be replaced is not there.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(file)).expect("a file");
        assert!(text.contains(from), "{file} has no {from:?}");
        std::fs::write(self.path(file), text.replace(from, to)).expect("a file");
    }

    fn configure(&self, control: &str, battery: &str) {
        std::fs::create_dir(self.path("devices")).expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(self.path(name), text).expect("a file");
        write("site.toml", include_str!("../../config/sites/site-a.toml"));
        let mut devices = String::new();
        let address = self.device.address;
        for (signal, unit, range, _) in SIGNALS {
            write(&format!("devices/{signal}.toml"), &meter(signal, unit, range));
            let _ = write!(
                devices,
                "[[device]]\nname = '{signal}'\nfile = '{signal}.toml'\ntransport = {{ tcp = '{address}' }}\n\
                 unit_id = {}\nretry_s_max = 0.3\n",
                unit_of(signal)
            );
        }
        write("devices/battery.toml", &actuators("battery"));
        write("devices/chp.toml", &actuators("chp"));
        for (name, permissions, more) in [
            ("battery", "{ point = 'battery_setpoint', range = [-50, 50] }", battery),
            ("chp", "{ point = 'chp_setpoint', range = [0, 80] }, { point = 'chp_run', range = [0, 1] }", ""),
        ] {
            let _ = write!(
                devices,
                "[[device]]\nname = '{name}'\nfile = '{name}.toml'\ntransport = {{ tcp = '{address}' }}\n\
                 unit_id = {ACTUATORS}\nwrite = [{permissions}]\n{more}\n"
            );
        }
        write(
            "gateway.toml",
            &format!(
                "[site]\nname = 'promises'\ntime_zone = '+00:00'\nplant_file = 'site.toml'\nsimulated = true\n\
                 [control]\ncycle_s = 0.2\nrecover_cycles = 2\n{control}\n[policy]\ndecide_with = 'idle'\n\
                 [journal]\npath = '{}'\n[mqtt]\nhost = '127.0.0.1'\nport = {}\nclient_id = 'promises'\n\
                 prefix = '{PREFIX}'\ncommands = {{ trust_broker_as = 'operator' }}\n{devices}",
                self.path("journal").display(),
                self.broker.port
            ),
        );
    }

    /// PV takes a cap, in a register beside the others. It only measures what it is made to show.
    ///
    /// # Panics
    /// If its files cannot be written.
    pub fn with_pv_cap(&self) {
        self.device.state().set(ACTUATORS, PV_LIMIT, &[0, 0]);
        let file = format!(
            "[device]\nmaker = 'Promise'\nmodel = 'pv'\naddress_base = 0\npoll_s = 0.1\n[[point]]\nname = 'pv_limit'\n\
             table = 'holding'\naddress = {PV_LIMIT}\ntype = 'f32'\nunit = 'kW'\n\
             write = {{ output = 'pv_limit_kw', range = [0, 60], tolerance = 0.01, watchdog_s = 60 }}\n"
        );
        std::fs::write(self.path("devices/pv.toml"), file).expect("a file");
        let device = format!(
            "[[device]]\nname = 'pv'\nfile = 'pv.toml'\ntransport = {{ tcp = '{}' }}\nunit_id = {ACTUATORS}\n\
             write = [{{ point = 'pv_limit', range = [0, 60] }}]\n[[device]]\nname = 'battery'\n",
            self.device.address
        );
        self.edit("gateway.toml", "[[device]]\nname = 'battery'\n", &device);
    }

    /// Caps on PV written so far, kW.
    pub fn pv_limits(&self) -> Vec<f32> {
        self.writes(PV_LIMIT).iter().map(|write| float(&write.cells)).collect()
    }

    /// Starts the gateway and waits until it controls the plant by itself.
    ///
    /// # Panics
    /// If it does not come there.
    pub async fn in_auto(&self) -> (Gateway, Listener) {
        self.in_auto_with(&[("RUST_LOG", "warn")]).await
    }

    /// The same with more in the gateway's environment.
    ///
    /// # Panics
    /// If it does not come there.
    pub async fn in_auto_with(&self, environment: &[(&str, &str)]) -> (Gateway, Listener) {
        let mut state = self.broker.listen(&format!("{PREFIX}/state")).await;
        let gateway = Gateway::run(&self.path("gateway.toml"), &[], environment);
        // What an earlier gateway left at the broker does not count.
        let is_auto = |seen: &Seen| seen.keep == Keep::No && seen.json()["mode"] == "auto";
        timeout(PATIENCE, state.until(is_auto)).await.expect("the gateway comes to auto");
        (gateway, state)
    }

    /// The plant counts as a real one, with an operator called anna: nothing is written before she has armed.
    ///
    /// # Panics
    /// If her key cannot be written.
    pub fn make_real(&self) {
        use std::os::unix::fs::PermissionsExt;
        let key = self.path("anna.key");
        std::fs::write(&key, "anna's key of the tests").expect("a key");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("a key for her alone");
        self.edit("gateway.toml", "simulated = true", "simulated = false");
        let operator = "[[operator]]\nname = 'anna'\nrole = 'operator'\nkey_file = 'anna.key'\n[mqtt]";
        self.edit("gateway.toml", "[mqtt]", operator);
    }

    /// Starts the gateway of a real plant, which nobody has armed.
    ///
    /// # Panics
    /// If it does not come to shadow.
    pub async fn in_shadow(&self) -> (Gateway, Listener) {
        let mut state = self.broker.listen(&format!("{PREFIX}/state")).await;
        let gateway = Gateway::run(&self.path("gateway.toml"), &[], &[("RUST_LOG", "warn")]);
        until_mode(&mut state, "shadow").await;
        (gateway, state)
    }

    /// Anna arms. Whether it was done.
    ///
    /// # Panics
    /// If the program cannot be started.
    pub async fn arm(&self) -> bool {
        let mut command = tokio::process::Command::new(program());
        command.arg("command").arg(self.path("gateway.toml")).args(["--as", "anna", "arm"]);
        command.output().await.expect("it runs").status.success()
    }

    /// Starts the gateway of a real plant, and anna arms it.
    ///
    /// # Panics
    /// If it cannot be armed.
    pub async fn armed(&self) -> (Gateway, Listener) {
        let (gateway, mut state) = self.in_shadow().await;
        assert!(self.arm().await, "anna may arm");
        until_mode(&mut state, "auto").await;
        (gateway, state)
    }

    /// The signal's meter falls silent.
    pub fn lose(&self, signal: &str) {
        self.device.state().exceptions.insert(unit_of(signal), NOBODY_THERE);
    }

    /// And is back.
    pub fn restore(&self, signal: &str) {
        self.device.state().exceptions.remove(&unit_of(signal));
    }

    /// Sets what a meter shows.
    pub fn show(&self, signal: &str, value: f32) {
        set(&mut self.device.state(), signal, value);
    }

    /// What a meter shows.
    pub fn shows(&self, signal: &str) -> f32 {
        let state = self.device.state();
        let cell = |address| state.holding.get(&(unit_of(signal), address)).copied().unwrap_or(0);
        float(&[cell(0), cell(1)])
    }

    /// The battery's set-point at the device, kW, + = charging.
    pub fn battery_setpoint(&self) -> f32 {
        self.register(BATTERY_SETPOINT)
    }

    /// The CHP's set-point at the device, kW.
    pub fn chp_setpoint(&self) -> f32 {
        self.register(CHP_SETPOINT)
    }

    fn register(&self, address: u16) -> f32 {
        let state = self.device.state();
        let cell = |address| state.holding.get(&(ACTUATORS, address)).copied().unwrap_or(0);
        float(&[cell(address), cell(address + 1)])
    }

    /// What was written to a register so far.
    pub fn writes(&self, address: u16) -> Vec<SeenWrite> {
        self.device.state().writes.iter().filter(|write| write.address == address).cloned().collect()
    }

    /// Battery set-points written so far, kW.
    pub fn battery_writes(&self) -> Vec<f32> {
        self.writes(BATTERY_SETPOINT).iter().map(|write| float(&write.cells)).collect()
    }

    /// An operator's command, without waiting for its answer. Its id.
    pub async fn order(&self, kind: CommandKind, body: &Value) -> String {
        let (id, payload) = self.envelope(body);
        self.broker.publish(&kind.topic(PREFIX), &payload, Keep::No).await;
        id
    }

    /// A command in its envelope, with its id.
    pub fn envelope(&self, body: &Value) -> (String, String) {
        let id = format!("c{}", self.orders.fetch_add(1, Ordering::Relaxed));
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let mut payload = body.clone();
        payload["id"] = json!(id);
        payload["time_unix_ms"] = json!(u64::try_from(since.as_millis()).expect("before the end of time"));
        payload["ttl_s"] = json!(30);
        (id, payload.to_string())
    }

    /// Everything that is answered to commands.
    pub async fn answers(&self) -> Listener {
        self.broker.listen(&format!("{PREFIX}/ack/#")).await
    }

    /// What drivers tell.
    pub async fn events(&self) -> Listener {
        self.broker.listen(&format!("{PREFIX}/events")).await
    }

    /// Changes of alarms.
    pub async fn alarms(&self) -> Listener {
        self.broker.listen(&format!("{PREFIX}/alarms")).await
    }

    /// An operator narrows the import to 70 kW and starts the CHP by hand: the limits, and when it was started.
    ///
    /// # Panics
    /// If it never runs.
    pub async fn with_limits_and_chp(&self, state: &mut Listener) -> (Value, Instant) {
        let limits = json!({ "import_kw_max": 70.0, "export_kw_max": null });
        self.order(CommandKind::Limit, &limits).await;
        state.until(|seen| seen.json()["limits"] == limits).await;
        self.by_hand(state, -5.0, 20.0).await;
        until("the CHP runs", || self.writes(CHP_RUN).last().is_some_and(|write| write.cells == [1])).await;
        (limits, self.writes(CHP_RUN).last().expect("a start").at)
    }

    /// An operator takes over and asks for these powers.
    pub async fn by_hand(&self, state: &mut Listener, battery_kw: f64, chp_kw: f64) {
        self.order(CommandKind::Mode, &json!({ "mode": "manual" })).await;
        until_mode(state, "manual").await;
        self.order(CommandKind::Setpoint, &json!({ "battery_kw": battery_kw, "chp_kw": chp_kw })).await;
    }
}

/// Waits until the gateway tells that it is in a mode.
///
/// # Panics
/// If it does not come there.
pub async fn until_mode(state: &mut Listener, mode: &str) -> Seen {
    let seen = timeout(PATIENCE, state.until(|seen| seen.json()["mode"] == mode)).await;
    seen.unwrap_or_else(|_| panic!("the gateway never came to {mode}"))
}
