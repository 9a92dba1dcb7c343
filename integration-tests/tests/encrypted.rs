//! TLS with client certificates, judged by mosquitto with the shipped configuration and by pymodbus.

use memg_integration_tests::authority::Authority;
use memg_integration_tests::gateway_process::gateway;
use memg_integration_tests::peer::{Peer, python};
use memg_integration_tests::peer_is_there;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const CONF: &str = include_str!("../../config/mosquitto/memg-gateway.conf");
const ACL: &str = include_str!("../../config/mosquitto/memg-gateway.acl");
const PATIENCE: Duration = Duration::from_secs(30);
const KEY: &str = "the key that anna signs with";

const METER: &str = "
[device]
maker = 'Foreign'
model = 'meter'
address_base = 0
poll_s = 1
[[point]]
name = 'voltage'
table = 'holding'
address = 0
type = 'f32'
word_order = 'high_first'
unit = 'pu'
scale = 0.004329004329
range = [0.5, 1.5]
signal = 'grid_voltage_pu'
";

/// A process that is killed with the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The shipped broker on a port of the system's choosing, and a gateway's configuration.
struct Plant {
    folder: TempDir,
    authority: Authority,
    port: u16,
    _broker: Killed,
}

impl Plant {
    fn start() -> Option<Self> {
        let all = ["mosquitto", "mosquitto_sub", "openssl"].into_iter().all(peer_is_there);
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::new(&["broker", "gateway", "plant", "station", "meter"]);
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let acl = folder.path().join("acl");
        std::fs::write(&acl, ACL).expect("the access list");
        let certificates = authority.path("");
        let conf = CONF
            .replace("listener 8883", &format!("listener {port} 127.0.0.1\nuser root"))
            .replace("/etc/mosquitto/certs/", &certificates)
            .replace("/etc/mosquitto/conf.d/memg-gateway.acl", &acl.display().to_string());
        std::fs::write(folder.path().join("conf"), conf).expect("the broker's configuration");
        let broker = all.then(|| Command::new("mosquitto").arg("-c").arg(folder.path().join("conf")).spawn())?;
        Some(Self { folder, authority, port, _broker: Killed(broker.expect("mosquitto starts")) })
    }

    /// A client of mosquitto as somebody with a certificate; what it prints comes by the line.
    fn client(&self, program: &str, who: &Authority, name: &str) -> Command {
        let mut command = Command::new("stdbuf");
        command.args(["-oL", program]);
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-q", "1"]);
        command.args(["--cafile", &self.authority.path("ca.pem")]);
        command.args(["--cert", &who.path(&format!("{name}.pem")), "--key", &who.path(&format!("{name}.key"))]);
        command
    }

    fn ask(&self, program: &str, who: &Authority, name: &str, arguments: &[&str]) -> Output {
        self.client(program, who, name).args(arguments).output().expect("the client runs")
    }

    /// Measurements of everything, for as long as the gateway believes them.
    fn measure(&self) {
        let values = r#"{"pv_kw":5,"wind_kw":2,"electric_load_kw":30,"heat_load_kw":20,"soc":0.5}"#;
        let sent = |output: &Output| output.status.success();
        let begin = Instant::now();
        while !sent(&self.ask("mosquitto_pub", &self.authority, "plant", &["-t", "plant/all", "-m", values])) {
            assert!(begin.elapsed() < PATIENCE, "the plant cannot publish");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The gateway trusts this authority, from now on or from its next connection.
    fn trust(&self, authority: &Authority) {
        std::fs::copy(authority.file("ca.pem"), self.folder.path().join("ca.pem")).expect("the authority's file");
    }

    fn configure(&self, authority: &Authority) {
        self.trust(authority);
        let plant = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/sites/site-a.toml");
        let input = |signal: &str| {
            let unit = if signal == "soc" { "1" } else { "kW" };
            format!(
                "[[mqtt.inputs]]\ntopic = 'plant/all'\nsignal = '{signal}'\npointer = '/{signal}'\nunit = '{unit}'\nrange = [0, 200]\nage_max_s = 3600\n"
            )
        };
        let inputs = ["pv_kw", "wind_kw", "electric_load_kw", "heat_load_kw", "soc"].map(input).concat();
        let (folder, port) = (self.folder.path(), self.port);
        let (ca, cert, key) = ("ca.pem", self.authority.path("gateway.pem"), "own.key");
        private(&folder.join(key), &std::fs::read_to_string(self.authority.file("gateway.key")).expect("a key"));
        private(&folder.join("anna.key"), KEY);
        let text = format!(
            "[site]\nname = 'tls'\ntime_zone = '+00:00'\nplant_file = '{plant}'\n[control]\ncycle_s = 0.2\nrecover_cycles = 1\n\
             [policy]\ndecide_with = 'rule'\n[journal]\npath = '{}'\n\
             [[operator]]\nname = 'anna'\nrole = 'operator'\nkey_file = 'anna.key'\n\
             [mqtt]\nhost = '127.0.0.1'\nport = {port}\nclient_id = 'tls'\nprefix = 'memg/tls'\n\
             commands = {{ trust_broker_as = 'operator' }}\n\
             [mqtt.tls]\nca_file = '{ca}'\ncert_file = '{cert}'\nkey_file = '{key}'\n{inputs}",
            folder.join("journal").display()
        );
        std::fs::write(self.config(), text).expect("the configuration");
    }

    fn config(&self) -> std::path::PathBuf {
        self.folder.path().join("gateway.toml")
    }

    /// The gateway, everything that it says in a file.
    fn gateway(&self) -> Killed {
        let log = std::fs::File::create(self.folder.path().join("log")).expect("a log");
        let mut command = Command::new(gateway());
        command.arg("run").arg(self.config()).arg("--json").env("RUST_LOG", "trace").stdout(Stdio::null());
        Killed(command.stderr(log).spawn().expect("the gateway starts"))
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.path().join("log")).expect("a log")).into_owned()
    }

    /// The gateway's state as somebody sees it who asks for one message for a second; `None`: nothing came.
    fn state(&self, name: &str) -> Option<Value> {
        let arguments = ["-t", "memg/tls/state", "-C", "1", "-W", "1"];
        let seen = self.ask("mosquitto_sub", &self.authority, name, &arguments);
        serde_json::from_slice(&seen.stdout).ok()
    }

    /// Somebody wants a limit of import; what the gateway answers within some seconds, seen by one who may look.
    fn limit(&self, name: &str, kw: f64) -> Option<Value> {
        let mut listener = self.client("mosquitto_sub", &self.authority, "station");
        listener.args(["-t", "memg/tls/ack/limit", "-C", "1", "-W", "5", "-d", "-F", "answer %p"]);
        let mut listener = Killed(listener.stdout(Stdio::piped()).spawn().expect("mosquitto_sub starts"));
        let lines = BufReader::new(listener.0.stdout.take().expect("a pipe")).lines();
        let mut lines = lines.map_while(Result::ok);
        assert!(lines.by_ref().any(|line| line.starts_with("Subscribed")), "the listener is let in");
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let time = since.as_millis();
        let body =
            format!(r#"{{"id":"{name}","time_unix_ms":{time},"ttl_s":30,"import_kw_max":{kw},"export_kw_max":null}}"#);
        let mut sender = self.client("mosquitto_pub", &self.authority, name);
        sender.args(["-t", "memg/tls/command/limit", "-m", &body]).status().expect("mosquitto_pub runs");
        lines.find_map(|line| serde_json::from_str(line.strip_prefix("answer ")?).ok())
    }
}

fn private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).expect("a file");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("its permissions");
}

#[test]
fn an_outsider_on_the_shipped_broker_can_neither_read_nor_command_and_no_log_holds_a_secret() {
    let Some(plant) = Plant::start() else { return };
    plant.configure(&plant.authority);
    plant.measure();
    let gateway = plant.gateway();
    let begin = Instant::now();
    while plant.state("station").is_none_or(|state| state["mode"] != "shadow") {
        plant.measure();
        assert!(begin.elapsed() < PATIENCE, "never in shadow: {}", plant.log());
    }

    let other = Authority::new(&["station"]);
    let read = ["-t", "memg/tls/state", "-C", "1", "-W", "2"];
    let foreign = plant.ask("mosquitto_sub", &other, "station", &read);
    assert!(!foreign.status.success() && foreign.stdout.is_empty(), "a certificate of another authority: {foreign:?}");
    let mut bare = Command::new("mosquitto_sub");
    bare.args(["-h", "127.0.0.1", "-p", &plant.port.to_string(), "--cafile", &plant.authority.path("ca.pem")]);
    let bare = bare.args(read).output().expect("it runs");
    assert!(!bare.status.success() && bare.stdout.is_empty(), "no certificate: {bare:?}");
    let mut plain = Command::new("mosquitto_sub");
    let plain = plain.args(["-h", "127.0.0.1", "-p", &plant.port.to_string()]).args(read).output().expect("it runs");
    assert!(!plain.status.success() && plain.stdout.is_empty(), "in the clear: {plain:?}");
    assert_eq!(plant.state("meter"), None, "known to the broker, but not in its access list");
    assert_eq!(plant.limit("meter", 40.0), None, "nobody hears of a command that the broker does not let through");
    let answer = plant.limit("station", 40.0).expect("an answer");
    assert_eq!(answer["outcome"], "done", "{answer}");

    drop(gateway);
    let (log, key) = (plant.log(), std::fs::read_to_string(plant.authority.file("gateway.key")).expect("a key"));
    let body = key.lines().find(|line| !line.starts_with('-')).expect("a line of the key");
    assert!(log.contains(" DEBUG ") || log.contains(" TRACE "), "the log tells much: {log}");
    assert!(!log.contains(body) && !log.contains(KEY), "a secret is in the log");
}

#[test]
fn a_broker_of_another_authority_is_refused_until_its_own_is_trusted_and_a_key_open_to_everybody_is_refused() {
    let Some(plant) = Plant::start() else { return };
    let other = Authority::new(&[]);
    plant.configure(&other);
    let running = plant.gateway();
    let begin = Instant::now();
    while !plant.log().contains("invalid peer certificate") {
        assert!(begin.elapsed() < PATIENCE, "nobody says why: {}", plant.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    plant.trust(&plant.authority);
    while plant.state("station").is_none() {
        assert!(begin.elapsed() < 2 * PATIENCE, "files are read for every connection: {}", plant.log());
    }
    drop(running);
    let key = plant.folder.path().join("own.key");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(key, open).expect("its permissions");
    let checked = Command::new(gateway()).arg("check").arg(plant.config()).output().expect("the gateway runs");
    let said = String::from_utf8_lossy(&checked.stderr).into_owned() + &String::from_utf8_lossy(&checked.stdout);
    assert!(!checked.status.success() && said.contains("mqtt.tls.key_file") && said.contains("chmod o="), "{said}");
}

#[tokio::test]
async fn a_foreign_device_is_read_over_modbus_security_with_a_certificate_alone() {
    let (Some(python), Some(plant)) = (python(), Plant::start()) else { return };
    let files = ["ca.pem", "meter.pem", "meter.key"].map(|name| plant.authority.path(name));
    let peer = Peer::start(&python, "tls_meter.py", &files.each_ref().map(String::as_str)).await;
    std::fs::create_dir(plant.folder.path().join("devices")).expect("a folder");
    std::fs::write(plant.folder.path().join("devices/meter.toml"), METER).expect("a device file");
    let probe = |authority: &Authority, own: &str| {
        plant.configure(&plant.authority);
        let text = std::fs::read_to_string(plant.config()).expect("the configuration");
        let device = format!(
            "[[device]]\nname = 'meter'\nfile = 'meter.toml'\ntransport = {{ tcp = '127.0.0.1:{}' }}\nunit_id = 1\n\
             tls = {{ ca_file = '{}'{own} }}\n",
            peer.place,
            authority.path("ca.pem")
        );
        std::fs::write(plant.config(), text + &device).expect("the configuration");
        plant.measure();
        let output = Command::new(gateway()).arg("check").arg(plant.config()).arg("--probe").output();
        let output = output.expect("the gateway runs");
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    let own = format!(", cert_file = '{}', key_file = 'own.key'", plant.authority.path("gateway.pem"));
    let with = probe(&plant.authority, &own);
    assert!(with.contains("1.002"), "231.5 V of 231 V: {with}");
    let without = probe(&plant.authority, "");
    assert!(!without.contains("1.002"), "nobody gets in without a certificate: {without}");
    let foreign = probe(&Authority::new(&[]), &own);
    assert!(!foreign.contains("1.002") && foreign.contains("certificate"), "a device of another authority: {foreign}");
}
