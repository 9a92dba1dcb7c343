//! The gateway as a service of systemd, with a socket of the test's own in systemd's place.

use memg_integration_tests::gateway_process::gateway;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()));
}

/// The next message that says this; `None` if it does not come in time.
fn hears(socket: &UnixDatagram, wanted: &str, patience: Duration) -> Option<()> {
    let begin = Instant::now();
    let mut buffer = [0; 256];
    while let Some(left) = patience.checked_sub(begin.elapsed()).filter(|left| !left.is_zero()) {
        socket.set_read_timeout(Some(left)).expect("a time-out");
        let Ok(length) = socket.recv(&mut buffer) else { continue };
        let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
        if text.lines().any(|line| line == wanted) {
            return Some(());
        }
    }
    None
}

/// A gateway that is ready, and where it says so.
fn ready() -> (tempfile::TempDir, UnixDatagram, Child) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/gateway.toml");
    // Whoever runs the tests may have had the signal ignored, which is inherited.
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP").arg(gateway());
    command.args(["run", config, "--json", "--journal"]).arg(folder.path().join("journal"));
    command.env("NOTIFY_SOCKET", &path).env("MEMG__WEB__LISTEN", "127.0.0.1:0");
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the gateway starts");
    hears(&socket, "READY=1", PATIENCE).expect("ready after the first cycle");
    (folder, socket, child)
}

#[test]
fn systemd_hears_of_completed_cycles_and_of_nothing_when_the_loop_stands_still() {
    let (_folder, socket, mut child) = ready();
    for _ in 0..3 {
        hears(&socket, "WATCHDOG=1", PATIENCE).expect("alive with every cycle");
    }
    signal(&child, "-STOP");
    // What was sent before it stood still.
    while hears(&socket, "WATCHDOG=1", Duration::from_millis(300)).is_some() {}
    assert!(hears(&socket, "WATCHDOG=1", Duration::from_secs(3)).is_none(), "a loop that stands still is not alive");
    signal(&child, "-CONT");
    hears(&socket, "WATCHDOG=1", PATIENCE).expect("alive again");
    signal(&child, "-TERM");
    hears(&socket, "STOPPING=1", PATIENCE).expect("it says that it ends");
    assert!(child.wait().is_ok_and(|status| status.success()));
}

/// A shell and the kernel both tell it.
#[test]
fn a_terminal_that_goes_and_says_so_twice_ends_a_run_in_order() {
    let (_folder, socket, mut child) = ready();
    signal(&child, "-HUP");
    signal(&child, "-HUP");
    hears(&socket, "STOPPING=1", PATIENCE).expect("it says that it ends");
    assert!(child.wait().is_ok_and(|status| status.success()), "and it does so by itself");
}
