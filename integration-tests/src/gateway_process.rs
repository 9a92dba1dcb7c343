//! The gateway's program as a user starts it.

use crate::cosim_day::{cargo_build, target};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

/// The gateway's program: `$MEMG_GATEWAY`, else built in the profile of the test.
pub fn gateway() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(program) = std::env::var_os("MEMG_GATEWAY") {
            return program.into();
        }
        let (profile, folder) = if cfg!(debug_assertions) { ("dev", "debug") } else { ("release", "release") };
        cargo_build(&["--profile", profile, "--workspace", "--bin", "gateway"]);
        target().join(folder).join(format!("gateway{}", std::env::consts::EXE_SUFFIX))
    })
}

/// A running gateway; killed when the test is given up.
pub struct Gateway(Option<Child>);

impl Gateway {
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// With environment variables.
    pub fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(gateway());
        command
            .envs(environment.iter().copied())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self(Some(command.spawn().expect("the gateway starts")))
    }

    /// Waits for its end.
    pub fn output(mut self) -> Output {
        self.0.take().expect("it runs").wait_with_output().expect("it ends")
    }
}

impl Gateway {
    /// Ends it as Ctrl-C does.
    pub fn interrupt(&self) {
        let id = self.0.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().is_ok_and(|status| status.success()));
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What a program has said.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A lock-step configuration for a broker, in a folder.
pub fn lockstep_configuration(folder: &Path, port: u16, policy: &str) -> String {
    let site = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/sites/site-a.toml");
    let inputs = "electric_load_kw heat_load_kw soc battery_kw chp_kw import_price_eur_per_kwh export_price_eur_per_kwh \
                  grid_voltage_pu frequency_hz grid_kw grid_kvar pv_available_kw wind_available_kw chp_on";
    let prices = (0..24).map(|hour| format!("import_price_ahead_{hour}"));
    let outputs = ["battery_kw", "chp_kw", "renewable_limit_kw", "chp_on", "status"];
    let content = format!(
        "[site]\nname = 'lab'\ntime_zone = '+00:00'\nsimulated = true\nplant_file = '{site}'\n\
         [policy]\ndecide_with = '{policy}'\n[journal]\npath = '{}'\n\
         [mqtt]\nhost = '127.0.0.1'\nport = {port}\nclient_id = 'lab'\nprefix = 'memg/lab'\n\
         [cosim]\n[cosim.villas]\ndt_s = 900.0\ninputs = {:?}\noutputs = {outputs:?}\n",
        folder.join("journal").display(),
        inputs.split_whitespace().map(str::to_owned).chain(prices).collect::<Vec<_>>(),
    );
    let file = folder.join("gateway.toml");
    std::fs::write(&file, content).expect("written");
    file.display().to_string()
}
